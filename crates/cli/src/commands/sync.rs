//! `sync`.

use std::sync::Arc;
use std::time::Duration;

use countersign_connector::sync::plan::Scope;
use countersign_connector::sync::{Finished, Options, Progress, Watch};
use countersign_store::Integration;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::context::Context;
use super::report::sync_text;
use crate::args::Sync;
use crate::failure::{Exit, Failure};
use crate::output::{note, print, print_json};

pub(crate) async fn run(context: &Context, args: Sync) -> Result<(), Failure> {
    let integrations = match &args.name {
        Some(name) => vec![context.integration(Some(name)).await?],
        None => match context.store().integrations().await? {
            none if none.is_empty() => vec![context.integration(None).await?],
            all => all,
        },
    };
    let _lock = context.store().lock_for_sync()?;
    let mut worst = None;
    for integration in &integrations {
        let finished = run_one(context, integration, args.full).await?;
        if args.json {
            let mut object = serde_json::to_value(&finished.report).map_err(Failure::unexpected)?;
            object["integration"] = Value::from(integration.name.as_str());
            print_json(&object)?;
        } else {
            print(&sync_text(&integration.name, &finished.report))?;
        }
        tell_problems(&finished);
        worst = worst.or(finished.fault().map(Exit::from));
    }
    worst.map_or(Ok(()), |exit| Err(Failure::silent(exit)))
}

/// One run with a progress bar, for terminals only.
pub(crate) async fn run_one(
    context: &Context,
    integration: &Integration,
    full: bool,
) -> Result<Finished, Failure> {
    let client = context.client_of(integration, "sync")?;
    let config = &context.config.sync;
    let scope = if full {
        Scope::Full
    } else {
        Scope::Incremental { sweep_after_ms: i64::from(config.sweep_hours) * 3_600_000 }
    };
    let options = Options {
        scope,
        parallel: config.parallel,
        page_size: config.page_size,
        ..Options::default()
    };
    let (watch, bar) = progress_bar();
    let finished = context.connector.sync(integration.id, client, options, watch).await;
    bar.finish_and_clear();
    Ok(finished?)
}

/// Why the run is not complete: standard error, one line a cause.
pub(crate) fn tell_problems(finished: &Finished) {
    const SHOWN: usize = 20;
    let problems = &finished.report.problems;
    for problem in problems.iter().take(SHOWN) {
        match &problem.application {
            Some(guid) => note(&format!("problem: application {guid}: {}", problem.reason)),
            None => note(&format!("problem: {}", problem.reason)),
        }
    }
    if problems.len() > SHOWN {
        note(&format!("… and {} more problems", problems.len() - SHOWN));
    }
    if finished.failure.is_some() {
        note("the run ended early: what was read is kept, nothing else was closed");
    }
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
