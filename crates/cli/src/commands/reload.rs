//! What `serve` does when it is told to read its configuration and certificates again: all of
//! it is read and tried first, so that a mistake leaves everything as it is.

use countersign_connector::duty::Scheduler;
use countersign_web::health::Scrapers;
use countersign_web::tls::Renewal;

use super::context::Current;
use super::schedule::tell_strangers;
use super::serve::identity;
use super::watch::ways;
use crate::args::ServeDashboard;
use crate::config::settings::changes;
use crate::config::{Config, text_of};
use crate::failure::Failure;
use crate::output::note;

/// Keys that are looked at when a program starts, and only then.
const AT_START: [&str; 5] = ["vault.", "metrics.listen", "watch.every", "proxy.", "api."];

pub(crate) struct Reloading<'a> {
    pub(crate) args: &'a ServeDashboard,
    pub(crate) current: Current,
    pub(crate) scheduler: Scheduler,
    pub(crate) scrapers: Scrapers,
    pub(crate) renewals: Vec<Renewal>,
    /// What was read last.
    pub(crate) text: String,
}

impl Reloading<'_> {
    /// Reads all of it again, and says what is different, or why nothing is.
    pub(crate) async fn reload(&mut self) {
        match self.try_reload().await {
            Ok(changed) if changed.is_empty() => note("reloaded: nothing has changed"),
            Ok(changed) => changed.iter().for_each(|line| note(&format!("reloaded: {line}"))),
            Err(failure) => {
                note(&format!("not reloaded, the configuration before stays in force: {failure}"));
            }
        }
    }

    async fn try_reload(&mut self) -> Result<Vec<String>, Failure> {
        let context = self.current.get();
        let path = context.home.config();
        let text = text_of(&path)?;
        let config = Config::parse(&path, &text)?;
        let token = config.metrics.token()?;
        ways(&config, false)?;
        let identity = identity(self.args)?;
        let mut changed: Vec<_> =
            changes(&self.text, &text).iter().map(|line| told(line)).collect();
        // The one step that can still fail comes first, and whole.
        if let Some(identity) = &identity {
            let mut is_other = false;
            for renewal in &self.renewals {
                is_other |= renewal.renew(identity).map_err(|what| {
                    Failure::usage(format!("the certificate cannot be used: {what}"))
                })?;
            }
            changed.extend(is_other.then(|| "the certificate".to_owned()));
        }
        self.scheduler.set_rules(config.schedule.usual(), config.schedule.rules());
        self.scrapers.set_token(token.as_deref().map(String::as_str));
        tell_strangers(context.store(), &config.schedule).await?;
        self.current.configure(config);
        self.text = text;
        Ok(changed)
    }
}

/// With what it takes for some to hold.
fn told(line: &str) -> String {
    match AT_START.iter().any(|key| line.starts_with(key)) {
        true => format!("{line} (holds from the next start)"),
        false => line.to_owned(),
    }
}

/// Waits to be told.
#[cfg(unix)]
pub(crate) struct Hangup(tokio::signal::unix::Signal);

#[cfg(unix)]
impl Hangup {
    pub(crate) fn listen() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::hangup()).map(Self).map_err(Failure::unexpected)
    }

    pub(crate) async fn came(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

/// Nobody is told elsewhere.
#[cfg(not(unix))]
pub(crate) struct Hangup;

#[cfg(not(unix))]
impl Hangup {
    pub(crate) fn listen() -> Result<Self, Failure> {
        Ok(Self)
    }

    pub(crate) async fn came(&mut self) {
        std::future::pending().await
    }
}
