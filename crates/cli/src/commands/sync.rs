//! `sync`.

use std::sync::Arc;
use std::time::Duration;

use countersign_client::Client;
use countersign_connector::diagnose::cause_and_fix;
use countersign_connector::sync::plan::Scope;
use countersign_connector::sync::{Doing, Finished, Follower, Options, Report, Standing, Watch};
use countersign_findings::closure::Brake;
use countersign_store::Integration;
use serde::Serialize;
use serde_json::{Value, json};

use super::context::Context;
use super::report::sync_text;
use crate::args::Sync;
use crate::config::Hint;
use crate::failure::{Exit, Failure};
use crate::output::{Shown, grouped, note, printable, show};
use crate::waiting::Watching;

/// What a shell calls the end by Ctrl-C.
const BY_CTRL_C: i32 = 130;

/// Between two looks at a report of the Reporting API that is not complete.
const BETWEEN_LOOKS: Duration = Duration::from_secs(3);

pub(crate) async fn run(context: &Context, args: Sync) -> Result<(), Failure> {
    let integrations = match &args.name {
        Some(name) => vec![context.integration(Some(name)).await?],
        None => match context.store().integrations().await? {
            none if none.is_empty() && !context.imported_integrations().await?.is_empty() => {
                note("no integration has a service to sync with: all have imported findings");
                return Ok(());
            }
            none if none.is_empty() => vec![context.integration(None).await?],
            all => all,
        },
    };
    let _lock = context.store().lock_file_for_sync()?;
    let how = How { is_full: args.full, accepts_closures: args.accept_closures };
    let mut worst = None;
    for integration in &integrations {
        let finished = run_one(context, integration, how).await?;
        show(&Synced { name: &integration.name, report: &finished.report }, args.json)?;
        tell_problems(&finished);
        if finished.is_stopped {
            return Err(Failure::silent(Exit::Incomplete));
        }
        if finished.report.is_held_back() {
            note(&format!(
                "hint: look whether the account still sees everything; if it is so: countersign sync {} --accept-closures",
                integration.name
            ));
        }
        worst = worst.or(finished.fault().map(Exit::from));
    }
    worst.map_or(Ok(()), |exit| Err(Failure::silent(exit)))
}

struct Synced<'r> {
    name: &'r str,
    report: &'r Report,
}

impl Shown for Synced<'_> {
    fn text(&self) -> String {
        sync_text(self.name, self.report)
    }

    fn json(&self) -> impl Serialize {
        let mut object = json!(self.report);
        object["integration"] = Value::from(self.name);
        object
    }
}

/// What is asked of a run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct How {
    /// Every application is read.
    pub(crate) is_full: bool,
    /// What it would close is closed, however much it is.
    pub(crate) accepts_closures: bool,
}

/// One run, shown while it goes on, until its end or Ctrl-C.
pub(crate) async fn run_one(
    context: &Context,
    integration: &Integration,
    how: How,
) -> Result<Finished, Failure> {
    let client = context.client_of(integration, "sync")?;
    let begun_ms = context.now();
    let follower = Arc::new(Follower::new(client.clone()));
    let watch: Watch = {
        let follower = Arc::clone(&follower);
        Arc::new(move |progress| follower.note(progress))
    };
    let now = context.connector.clock.clone();
    let watching = Watching::begin(&printable(&integration.name), Arc::clone(&follower), now);
    let finished = bring_in(context, integration, how, client, watch, interrupted()).await;
    drop(watching);
    if finished.as_ref().is_ok_and(|finished| finished.is_stopped) {
        let marks = context.store().application_marks(integration.id).await?;
        let read = marks.iter().filter(|mark| mark.read_ms.is_some_and(|ms| ms >= begun_ms));
        note(&stopped(&integration.name, &follower.standing(), read.count(), how));
    }
    Ok(finished?)
}

/// What a run that was stopped leaves, and how to go on.
fn stopped(name: &str, standing: &Standing, read: usize, how: How) -> String {
    let read = match standing.doing {
        Doing::Listing => "while the applications were listed: nothing was written".to_owned(),
        Doing::Settling => "while what is gone was closed: all that was read is kept".to_owned(),
        Doing::Reading { planned, .. } => format!(
            "{} of {} applications were read and are kept",
            grouped(read as u64),
            grouped(planned)
        ),
    };
    let next = match how.is_full {
        true => format!("`countersign sync {name} --full` reads all of them again"),
        false => format!("`countersign sync {name}` continues with the others"),
    };
    format!("stopped: {read}\nhint: {next}")
}

/// Ends with the first Ctrl-C, or a wish of the system that this process ends. The second
/// ends it at once.
async fn interrupted() {
    let ended = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => tokio::select! {
                _ = ended => {}
                _ = terminate.recv() => {}
            },
            Err(_) => {
                let _ = ended.await;
            }
        }
    }
    #[cfg(not(unix))]
    let _ = ended.await;
    note("stopping: what is complete is kept; once more ends it at once");
    tokio::spawn(async {
        let _ = tokio::signal::ctrl_c().await;
        std::process::exit(BY_CTRL_C);
    });
}

/// One run until its end, or until `stop`: what the scheduler does too.
pub(crate) async fn bring_in(
    context: &Context,
    integration: &Integration,
    how: How,
    client: Client,
    watch: Watch,
    stop: impl Future<Output = ()> + Send,
) -> Result<Finished, countersign_connector::Error> {
    let options = options(context, how);
    context.connector.sync_until(integration.id, client, options, watch, stop).await
}

/// As it is configured.
pub(crate) fn options(context: &Context, how: How) -> Options {
    let config = &context.config.sync;
    let scope = if how.is_full {
        Scope::Full
    } else {
        Scope::Incremental { sweep_ms: i64::from(config.sweep_hours) * 3_600_000 }
    };
    Options {
        scope,
        parallel: config.parallel,
        page_size: config.page_size,
        audit_share: config.audit_share,
        hint: (config.hint == Hint::Reporting).then_some(BETWEEN_LOOKS),
        brake: match how.accepts_closures {
            true => Brake::off(),
            false => Brake { share: config.closures_share, few: config.closures_few },
        },
        holder: context.process.to_string(),
        lease: Duration::from_secs(config.lease_seconds.into()),
        ..Options::default()
    }
}

/// Why the run is not complete: standard error, one line a cause.
pub(crate) fn tell_problems(finished: &Finished) {
    if finished.is_stopped && finished.report.problems.len() == 1 {
        return;
    }
    for problem in first_problems(finished, 20) {
        note(&format!("problem: {problem}"));
    }
    if finished.failure.is_some() {
        note("the run ended early: what was read is kept, nothing else was closed");
    }
}

/// The first causes, and how many more there are.
pub(crate) fn first_problems(finished: &Finished, most: usize) -> Vec<String> {
    let problems = &finished.report.problems;
    let mut lines: Vec<_> = problems
        .iter()
        .take(most)
        .map(|problem| match &problem.application {
            Some(guid) => format!("application {guid}: {}", printable(&problem.reason)),
            None => {
                let (what, fix) = cause_and_fix(&problem.reason);
                let hint = fix.map(|fix| format!("\nhint: {}", printable(&fix)));
                format!("{}{}", printable(&what), hint.unwrap_or_default())
            }
        })
        .collect();
    if problems.len() > most {
        lines.push(format!("… and {} more problems", problems.len() - most));
    }
    lines
}
