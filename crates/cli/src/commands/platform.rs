//! `platform serve` and `platform mint`.

use std::io::IsTerminal;
use std::path::Path;

use countersign_platform::{
    Config, Control, Platform, SeedSpec, Smtp, mint as mint_pair, verify_audit,
};
use serde_json::json;
use zeroize::Zeroizing;

use super::control::{Signpost, forget_ready_file, write_ready_file};
use crate::advice::CommandLine;
use crate::args::{Json, Mint, RateLimit, Serve};
use crate::config::metrics::token_in;
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{note, print, print_json, when};
use crate::system;

pub(crate) async fn serve(home: Option<&Path>, args: Serve) -> Result<(), Failure> {
    let home = Home::find(home)?;
    let mut config = Config::new(home.path(), system::clock(), system::random());
    config.listen = args.listen;
    config.seed = args.seed.parse::<SeedSpec>().map_err(Failure::usage)?;
    config.requests_per_minute = match args.rate_limit {
        RateLimit::Off => None,
        RateLimit::PerMinute(limit) => Some(limit),
    };
    config.public_names = args.public_name;
    config.control = args.control.0;
    config.console = args.console.0;
    config.console_url = args.console_url.as_ref().map(|url| url.trim_end_matches('/').to_owned());
    config.metrics = args.metrics_listen;
    config.metrics_token = args.metrics_token_file.as_deref().map(token_in).transpose()?;
    let has_smtp = args.smtp.is_some();
    config.smtp = args.smtp.map(|url| Smtp {
        url,
        from: args.mail_from,
        user: std::env::var("COUNTERSIGN_SMTP_USER").ok(),
        password: std::env::var("COUNTERSIGN_SMTP_PASSWORD").ok().map(Zeroizing::new),
    });
    note(&format!("opening {} (a first start seeds it) …", home.path().display()));
    let listeners = [
        ("--listen", Some(args.listen)),
        ("--console", args.console.0),
        ("--control", args.control.0),
        ("--metrics-listen", args.metrics_listen),
    ];
    let mut stop = Stop::listen()?;
    forget_ready_file(args.ready_file.as_deref())?;
    let platform = stop.or(async {
        Platform::start(config).await.map_err(|error| {
            let taken = error.refused_address();
            let option = listeners.iter().find(|(_, address)| taken.is_some() && *address == taken);
            let failure = Failure::from(error);
            match option {
                Some((option, _)) => failure.with_hint(format!(
                    "{} uses a free port",
                    CommandLine::of(&["platform", "serve", option, "127.0.0.1:0"])
                )),
                None => failure,
            }
        })
    });
    let Some(platform) = platform.await? else { return Ok(()) };
    let _signpost = Signpost::put(home.path(), &platform)?;
    let (applications, findings) = platform.counts().map_err(failure)?;
    if let Some(path) = &args.ready_file {
        let mut object = ready_object(&platform)?;
        if let Some(url) = platform.metrics_url() {
            object["metrics_url"] = url.into();
        }
        write_ready_file(path, &object)?;
    }
    note(&format!(
        "platform: {} with {applications} applications, {findings} findings\ntrust:    {}{}\nCtrl-C stops it",
        platform.rest_url(),
        platform.ca_file().display(),
        platform
            .control()
            .map(|control| format!("\ncontrol:  {}", control.url()))
            .unwrap_or_default()
    ));
    if let Some(url) = platform.metrics_url() {
        note(&format!("metrics:  {url}"));
    }
    if let Some(url) = platform.console_url() {
        note(&format!("console:  {url}"));
        let has_ready_file = args.ready_file.is_some();
        let held = has_ready_file.then_some("`mailbox_url` of the ready file");
        note(&format!("mail:     {}", *mail_text(&platform, has_smtp, held)));
        if let Some((name, _)) = platform.first_admin().map_err(failure)? {
            let password = match has_ready_file {
                true => "the ready file holds the first password",
                false => "`--ready-file FILE` gets the first password",
            };
            note(&format!("sign in as {name}; {password}"));
        }
    }
    stop.asked().await?;
    note("stopping …");
    platform.shutdown().await.map_err(failure)
}

/// Where mail goes. The link of the mailbox opens accounts: it is for a person in front of
/// the terminal, and never for a log. `held` is where else it is.
pub(crate) fn mail_text(
    platform: &Platform,
    has_smtp: bool,
    held: Option<&str>,
) -> Zeroizing<String> {
    let is_watched = std::io::stderr().is_terminal();
    Zeroizing::new(match (platform.mailbox_url(), is_watched) {
        _ if has_smtp => "sent by the server of `--smtp`".into(),
        (Some(url), true) => return url,
        (Some(_), false) => match held {
            Some(held) => format!("in the mailbox; {held} opens it"),
            None => "in the mailbox; run this on a terminal to see the link".into(),
        },
        (None, _) => "NOT SENT: others than this machine reach the console, so there is no \
                      mailbox, and links to activate accounts and to reset passwords wait in \
                      the outbox\nhint: start it with `--smtp` and the URL of a mail server"
            .into(),
    })
}

pub(crate) async fn start(config: Config) -> Result<Platform, Failure> {
    Platform::start(config).await.map_err(failure)
}

/// Ctrl-C, or the polite signal of a service manager: from the moment this exists neither
/// ends the program by itself. It is made before anybody is told that the program is up; where
/// a health check may see it earlier, before anything listens.
pub(crate) struct Stop {
    #[cfg(unix)]
    interrupted: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminated: tokio::signal::unix::Signal,
}

impl Stop {
    #[cfg(unix)]
    pub(crate) fn listen() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(Failure::unexpected);
        let interrupted = listen(SignalKind::interrupt())?;
        Ok(Self { interrupted, terminated: listen(SignalKind::terminate())? })
    }

    #[cfg(not(unix))]
    pub(crate) fn listen() -> Result<Self, Failure> {
        Ok(Self {})
    }

    /// What is made before the program is up; none if the signal comes first.
    pub(crate) async fn or<T>(
        &mut self,
        making: impl Future<Output = Result<T, Failure>>,
    ) -> Result<Option<T>, Failure> {
        tokio::select! {
            made = making => made.map(Some),
            asked = self.asked() => asked.map(|()| None),
        }
    }

    /// Waits for it.
    #[cfg(unix)]
    pub(crate) async fn asked(&mut self) -> Result<(), Failure> {
        tokio::select! {
            _ = self.interrupted.recv() => {}
            _ = self.terminated.recv() => {}
        }
        Ok(())
    }

    #[cfg(not(unix))]
    pub(crate) async fn asked(&mut self) -> Result<(), Failure> {
        tokio::signal::ctrl_c().await.map_err(Failure::unexpected)
    }
}

pub(crate) fn mint(home: Option<&Path>, args: Mint) -> Result<(), Failure> {
    let home = Home::find(home)?;
    let now_ms = (system::clock())();
    let minted = mint_pair(home.path(), &args.user, &args.role, now_ms, &system::random())
        .map_err(failure)?;
    let secret = minted.pair.secret.expose_hex();
    let expires_at = countersign_findings::rfc3339(minted.expires_ms);
    if args.json {
        return print_json(&json!({
            "user_name": minted.user_name,
            "user_id": minted.user_id,
            "roles": minted.roles,
            "api_id": minted.pair.id.as_str(),
            "api_secret": &*secret,
            "expires_at": expires_at,
        }));
    }
    print(&format!(
        "API account  {} ({})\nAPI ID       {}\nSecret Key   {}\nexpires      {}\n",
        minted.user_name,
        minted.roles.join(", "),
        minted.pair.id,
        &*secret,
        when(minted.expires_ms),
    ))?;
    note("the Secret Key is shown once: put it into a vault");
    Ok(())
}

/// Reads the database as it is, whether or not a platform runs on it.
pub(crate) fn audit(home: Option<&Path>, args: Json) -> Result<(), Failure> {
    let home = Home::find(home)?;
    match verify_audit(home.path()).map_err(failure)? {
        Ok((entries, digest)) if args.json => {
            print_json(&json!({ "whole": true, "entries": entries, "last": digest }))
        }
        Ok((entries, digest)) => {
            print(&format!("whole: {entries} entries\nlast digest: {digest}\n"))
        }
        Err(entry) => {
            if args.json {
                print_json(&json!({ "whole": false, "broken_at": entry }))?;
            }
            Err(Failure::storage(format!(
                "the activity log is broken at entry {entry}: it, or one before it, was changed \
                 or removed\nhint: compare with a backup of the data directory"
            )))
        }
    }
}

pub(crate) fn ready_object(platform: &Platform) -> Result<serde_json::Value, Failure> {
    let admin = platform.first_admin().map_err(failure)?;
    Ok(json!({
        "rest_url": platform.rest_url(),
        "console_url": platform.console_url(),
        "mailbox_url": platform.mailbox_url().as_deref(),
        "control_url": platform.control().map(Control::url),
        "control_token": platform.control().map(Control::token),
        "ca_file": platform.ca_file(),
        "admin": admin
            .map(|(name, password)| json!({ "user_name": name, "password": password.as_str() })),
    }))
}

pub(crate) fn failure(error: impl Into<countersign_platform::Error>) -> Failure {
    error.into().into()
}
