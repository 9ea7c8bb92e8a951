//! `schedule list|pause|resume|run`, and the scheduler as `serve` starts it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use countersign_connector::Fault;
use countersign_connector::duty::{
    Config, Ended, Job, Reads, Round, Rule, Run, Scheduler, Wait, foresee,
};
use countersign_connector::sync::Finished;
use countersign_findings::rfc3339;
use countersign_store::{Schedule as Row, Store};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::context::{Context, Current, open_store};
use super::sync::{How, bring_in, first_problems};
use crate::args::{ListSchedules, Schedule, Scheduled};
use crate::config::Config as Settings;
use crate::config::schedule::ScheduleConfig;
use crate::failure::Failure;
use crate::home::Home;
use crate::lists::print_list;
use crate::output::{Cell, Fit, distance, local, note, print_json};
use crate::system;

/// Starts the scheduler over every integration of the store, those that are added later
/// too, with these rounds beside it. All of it ends after `Scheduler::stop`, and then the
/// task does.
pub(crate) async fn start(
    current: &Current,
    rounds: Vec<Round>,
) -> Result<(Scheduler, JoinHandle<()>), Failure> {
    let context = current.get();
    let settings = &context.config.schedule;
    tell_strangers(context.store(), settings).await?;
    let shared = current.clone();
    let run: Run = Arc::new(move |job| {
        // As it is configured when it begins.
        let context = shared.get();
        Box::pin(async move { run_job(&context, job).await })
    });
    let config = Config {
        store: context.store().clone(),
        clock: context.connector.clock.clone(),
        random: context.connector.random.clone(),
        wait: wait(),
        run,
        usual: settings.usual(),
        rules: settings.rules(),
        rounds,
    };
    Ok(Scheduler::start(config).await?)
}

/// How time passes.
pub(crate) fn wait() -> Wait {
    Arc::new(|ms| Box::pin(tokio::time::sleep(Duration::from_millis(ms))))
}

/// A misspelt name would leave an integration without the settings meant for it.
pub(crate) async fn tell_strangers(
    store: &Store,
    settings: &ScheduleConfig,
) -> Result<(), Failure> {
    let known = store.integrations().await?;
    for name in settings.names().filter(|name| known.iter().all(|one| one.name != **name)) {
        note(&format!("config.toml: there is no integration `{name}` for `[schedule.{name}]`"));
    }
    Ok(())
}

async fn run_job(context: &Context, job: Job) -> Ended {
    let how =
        How { is_full: job.reads == Reads::Everything, accepts_closures: job.accepts_closures };
    let prepared = async {
        let integration = context.integration(Some(&job.integration)).await?;
        let client = context.client_of(&integration, "sync")?;
        Ok::<_, Failure>((integration, client))
    };
    let (integration, client) = match prepared.await {
        Ok(prepared) => prepared,
        Err(failure) => {
            let (fault, problem) = (Some(failure.exit().into()), Some(failure.to_string()));
            return Ended { fault, problem, is_elsewhere: false };
        }
    };
    match bring_in(context, &integration, how, client, job.watch, job.stop.wanted()).await {
        Ok(finished) => {
            Ended { fault: finished.fault(), problem: told(&finished), is_elsewhere: false }
        }
        Err(error) => Ended {
            fault: Some(error.fault()),
            is_elsewhere: error.is_superseded(),
            problem: Some(error.to_string()),
        },
    }
}

fn told(finished: &Finished) -> Option<String> {
    match &finished.failure {
        Some(error) => Some(error.to_string()),
        None if finished.report.complete => None,
        None => Some(first_problems(finished, 3).join("\n")),
    }
}

/// Needs no vault, and so no passphrase.
pub(crate) async fn run(home: Option<&Path>, command: Schedule) -> Result<(), Failure> {
    let home = Home::find(home)?;
    let settings = Settings::read(&home.config())?.schedule;
    let store = open_store(&home).await?;
    let now_ms = (system::clock())();
    match command {
        Schedule::List(args) => list(&store, &settings, args, now_ms).await,
        Schedule::Pause(args) => pause(&store, args, now_ms).await,
        Schedule::Resume(args) => resume(&store, &settings, args).await,
        Schedule::Run(args) => ask(&store, args, now_ms).await,
    }
}

async fn list(
    store: &Store,
    settings: &ScheduleConfig,
    args: ListSchedules,
    now_ms: i64,
) -> Result<(), Failure> {
    tell_strangers(store, settings).await?;
    let rows = store.schedules().await?;
    let rows: Vec<_> =
        rows.iter().map(|row| Entry::new(row, settings.rule(&row.name), now_ms)).collect();
    if args.json {
        return print_json(&rows.iter().map(Entry::json).collect::<Vec<_>>());
    }
    if rows.is_empty() {
        note("there is no integration yet\nhint: `countersign integration add prod` adds one");
        return Ok(());
    }
    let cells = |entry: &Entry<'_>| {
        let row = entry.row;
        let next = match (entry.next_ms, entry.is_paused()) {
            (Some(ms), _) if ms <= now_ms => Cell::moment(Some(ms)).shown_as("now"),
            (Some(ms), _) => {
                let shown = format!("{} ({})", local(ms), distance(ms, now_ms));
                Cell::moment(Some(ms)).shown_as(&shown)
            }
            (None, _) => Cell::text("paused"),
        };
        let last = match (row.started_ms, row.ended_ms) {
            (_, Some(ms)) => {
                Cell::moment(Some(ms)).shown_as(&format!("ended {}", distance(ms, now_ms)))
            }
            (Some(ms), None) => {
                Cell::moment(Some(ms)).shown_as(&format!("started {}", distance(ms, now_ms)))
            }
            (None, None) => Cell::text("").shown_as("never"),
        };
        let problem = row.problem.as_deref().and_then(|text| text.lines().next());
        [
            Cell::text(&row.name),
            Cell::text(&hours(entry.rule.period_ms)),
            next,
            last,
            Cell::some(problem),
        ]
    };
    let columns = [
        ("integration", Fit::End),
        ("every", Fit::Whole),
        ("next", Fit::Whole),
        ("last", Fit::Whole),
        ("problem", Fit::End),
    ];
    print_list(columns, rows.iter().map(cells))
}

struct Entry<'a> {
    row: &'a Row,
    rule: Rule,
    next_ms: Option<i64>,
}

impl<'a> Entry<'a> {
    fn new(row: &'a Row, rule: Rule, now_ms: i64) -> Self {
        let next_ms = foresee(row, &rule, now_ms).map(|next| next.at_ms.max(now_ms));
        Self { row, rule, next_ms }
    }

    fn is_paused(&self) -> bool {
        self.rule.is_paused || self.row.paused_ms.is_some()
    }

    fn json(&self) -> Value {
        let row = self.row;
        json!({
            "integration": row.name,
            "period_ms": self.rule.period_ms,
            "windows": self.rule.windows.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "zone": self.rule.zone.iana_name(),
            "paused": self.is_paused(),
            "paused_by_config": self.rule.is_paused,
            "next_at": self.next_ms.map(rfc3339),
            "asked_at": row.asked_ms.map(rfc3339),
            "started_at": row.started_ms.map(rfc3339),
            "ended_at": row.ended_ms.map(rfc3339),
            "full_at": row.full_ms.map(rfc3339),
            "failures": row.failures,
            "fault": row.fault.map(Fault::as_str),
            "problem": row.problem,
        })
    }
}

fn hours(ms: i64) -> String {
    match ms / 1000 {
        seconds if seconds % 3_600 == 0 => format!("{}h", seconds / 3_600),
        seconds if seconds % 60 == 0 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

fn unknown(error: countersign_store::Error) -> Failure {
    if error.is_not_found() { Failure::usage(error) } else { error.into() }
}

async fn pause(store: &Store, args: Scheduled, now_ms: i64) -> Result<(), Failure> {
    store.pause_schedule(&args.name, Some(now_ms)).await.map_err(unknown)?;
    note(&format!("`{0}` is paused; `countersign schedule resume {0}` resumes it", args.name));
    Ok(())
}

async fn resume(store: &Store, settings: &ScheduleConfig, args: Scheduled) -> Result<(), Failure> {
    store.pause_schedule(&args.name, None).await.map_err(unknown)?;
    if settings.rule(&args.name).is_paused {
        return Err(Failure::usage(format!(
            "config.toml pauses `{}`\nhint: take `paused` out of it and start `serve` again",
            args.name
        )));
    }
    note(&format!("`{}` is back on its schedule", args.name));
    Ok(())
}

async fn ask(store: &Store, args: Scheduled, now_ms: i64) -> Result<(), Failure> {
    store.ask_for_run(&args.name, now_ms).await.map_err(unknown)?;
    note(&format!(
        "`{0}` is synced as soon as a `countersign serve` sees it, within seconds of one that runs; \
         without one, run `countersign sync {0}`",
        args.name
    ));
    Ok(())
}
