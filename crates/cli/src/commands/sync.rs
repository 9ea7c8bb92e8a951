//! `sync`.

use std::sync::Arc;
use std::time::Duration;

use countersign_connector::sync::plan::Scope;
use countersign_connector::sync::{Finished, Options, Progress, Report, Watch};
use countersign_findings::closure::Brake;
use countersign_store::Integration;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::{Value, json};

use super::context::Context;
use super::report::sync_text;
use crate::args::Sync;
use crate::failure::{Exit, Failure};
use crate::output::{Shown, note, printable, show};

pub(crate) async fn run(context: &Context, args: Sync) -> Result<(), Failure> {
    let integrations = match &args.name {
        Some(name) => vec![context.integration(Some(name)).await?],
        None => match context.store().integrations().await? {
            none if none.is_empty() => vec![context.integration(None).await?],
            all => all,
        },
    };
    let _lock = context.store().lock_for_sync()?;
    let how = How { is_full: args.full, accepts_closures: args.accept_closures };
    let mut worst = None;
    for integration in &integrations {
        let finished = run_one(context, integration, how).await?;
        show(&Synced { name: &integration.name, report: &finished.report }, args.json)?;
        tell_problems(&finished);
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

/// One run with a progress bar, for terminals only.
pub(crate) async fn run_one(
    context: &Context,
    integration: &Integration,
    how: How,
) -> Result<Finished, Failure> {
    let (watch, bar) = progress_bar();
    let finished = bring_in(context, integration, how, watch, std::future::pending()).await;
    bar.finish_and_clear();
    finished
}

/// One run until its end, or until `stop`: what every command and the scheduler do.
pub(crate) async fn bring_in(
    context: &Context,
    integration: &Integration,
    how: How,
    watch: Watch,
    stop: impl Future<Output = ()> + Send,
) -> Result<Finished, Failure> {
    let client = context.client_of(integration, "sync")?;
    let config = &context.config.sync;
    let scope = if how.is_full {
        Scope::Full
    } else {
        Scope::Incremental { sweep_after_ms: i64::from(config.sweep_hours) * 3_600_000 }
    };
    let options = Options {
        scope,
        parallel: config.parallel,
        page_size: config.page_size,
        brake: match how.accepts_closures {
            true => Brake::off(),
            false => Brake { share: config.closures_share, few: config.closures_few },
        },
        ..Options::default()
    };
    Ok(context.connector.sync_until(integration.id, client, options, watch, stop).await?)
}

/// Why the run is not complete: standard error, one line a cause.
pub(crate) fn tell_problems(finished: &Finished) {
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
            None => printable(&problem.reason),
        })
        .collect();
    if problems.len() > most {
        lines.push(format!("… and {} more problems", problems.len() - most));
    }
    lines
}

fn progress_bar() -> (Watch, ProgressBar) {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template(
        "{elapsed_precise} {bar:30} {pos}/{len} applications  {msg} findings",
    ) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    let seen = std::sync::atomic::AtomicU64::new(0);
    let shown = bar.clone();
    let watch: Watch = Arc::new(move |progress| match progress {
        Progress::Planned { applications } => shown.set_length(applications),
        Progress::Findings { count } => {
            let all = seen.fetch_add(count, std::sync::atomic::Ordering::Relaxed) + count;
            shown.set_message(all.to_string());
        }
        Progress::Application => shown.inc(1),
        _ => {}
    });
    (watch, bar)
}
