//! What plans and sends: `plan`, `run`, `test`, `backfill`.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign_deliveries::acts::{Standing, named};
use countersign_deliveries::destination::Destination;
use countersign_deliveries::machine::{Report, misplaced};
use countersign_deliveries::plan::Backfill;
use countersign_deliveries::receiver::Verdict;
use countersign_findings::filter::Expression;
use countersign_findings::rfc3339;
use countersign_store::{Action, DeliveryMode, SendState};
use serde_json::{Value, json};

use super::super::context::Context;
use super::{Machine, configured, end, made, refused, wanted, working};
use crate::advice::CommandLine;
use crate::args::{BackfillDestination, OneDestination, RunDeliveries, SomeDestinations};
use crate::config::destinations::DestinationConfig;
use crate::destinations::Configured;
use crate::failure::{Exit, Failure};
use crate::output::{distance, note, print, print_json, printable};

/// Longest that `run` waits for what is due next. A destination that rests for longer is left
/// to the next run.
const LONGEST_WAIT_MS: i64 = 3 * 60_000;
/// What is waited for no longer than that is the pace of a receiver, and not worth a word.
const PACE_MS: i64 = 5_000;

/// Those that are to be delivered to; what does not work is said, and holds up no other.
async fn ready(
    context: &Context,
    names: &[String],
) -> Result<(Vec<Destination>, Vec<(String, String)>), Failure> {
    let all = wanted(context, names)?;
    if all.is_empty() {
        note("there is no destination yet: `[[destinations]]` in config.toml adds one");
    }
    let (mut ready, mut broken) = (Vec::new(), Vec::new());
    for config in all {
        let Configured { name, made, .. } = made(context, config).await?;
        match made {
            Ok(destination) => ready.push(destination),
            Err(why) => broken.push((name, why)),
        }
    }
    Ok((ready, broken))
}

/// What does not work as it is configured, for people and for programs.
fn tell_broken(broken: &[(String, String)], is_json: bool) -> Result<(), Failure> {
    for (name, why) in broken {
        match is_json {
            true => print_json(&json!({ "destination": name, "problem": why }))?,
            false => note(&format!("`{name}` does not work: {why}")),
        }
    }
    Ok(())
}

async fn ended(context: &Context, broken: &[(String, String)]) -> Result<(), Failure> {
    if !broken.is_empty() {
        return Err(Failure::silent(Exit::Incomplete));
    }
    end(context).await
}

pub(super) async fn plan(context: &Context, args: SomeDestinations) -> Result<(), Failure> {
    let (ready, broken) = ready(context, &args.names).await?;
    let machine = Machine::open(context).await?;
    tell_broken(&broken, args.json)?;
    for destination in &ready {
        let row = machine.row(destination).await?;
        let problem = misplaced(destination, &row);
        let planned = match problem {
            Some(_) => None,
            None => machine.plan(destination).await?,
        };
        let standing = standing(context, &destination.name).await?;
        let outcome = planned.unwrap_or_default();
        if args.json {
            print_json(&json!({
                "destination": destination.name,
                "changes": outcome.changes,
                "planned": outcome.planned,
                "skipped": outcome.skipped,
                "held": standing.count(SendState::Held),
                "waiting": standing.waiting(),
                "problem": problem,
            }))?;
            continue;
        }
        let state = match row.mode {
            DeliveryMode::Live => "",
            DeliveryMode::Simulate => ", none of which is sent: its mode is `simulate`",
            DeliveryMode::Paused => ": it is paused",
        };
        print(&format!(
            "{}: {} changes, {} sends planned{state}; {} wait, {} are held\n",
            printable(&destination.name),
            outcome.changes,
            outcome.planned,
            standing.waiting(),
            standing.count(SendState::Held),
        ))?;
        if let Some(problem) = problem {
            note(&format!("`{}`: {problem}", destination.name));
        }
    }
    ended(context, &broken).await
}

async fn standing(context: &Context, name: &str) -> Result<Standing, Failure> {
    named(context.store(), name).await.map_err(|refusal| refused(context, refusal))
}

pub(super) async fn run(context: &Context, args: RunDeliveries) -> Result<(), Failure> {
    let (ready, broken) = ready(context, &args.names).await?;
    tell_broken(&broken, args.json)?;
    let machine = Machine::open(context).await?;
    let mut reports: BTreeMap<String, Report> = BTreeMap::new();
    tokio::select! {
        ended = tokio::signal::ctrl_c() => {
            ended?;
            note("stopped: what was not sent waits for the next run");
        }
        done = rounds(context, &machine, &ready, args.once, &mut reports) => done?,
    }
    for destination in &ready {
        let Some(report) = reports.get(&destination.name) else { continue };
        let standing = standing(context, &destination.name).await?;
        match args.json {
            true => print_json(&report_json(report, &standing))?,
            false => print(&said(report, &standing, context.now()))?,
        }
    }
    ended(context, &broken).await
}

/// Rounds until nothing is due, or what is due next is far away.
async fn rounds(
    context: &Context,
    machine: &Machine,
    ready: &[Destination],
    is_once: bool,
    reports: &mut BTreeMap<String, Report>,
) -> Result<(), Failure> {
    loop {
        let mut again_ms: Option<i64> = None;
        for report in machine.round(ready).await {
            let report = report?;
            // A summary that waits for its time waits for another run; what did not fit into the
            // queue is planned now.
            let now_ms = context.now();
            let is_later = |at_ms: &i64| report.plan.again_ms == Some(*at_ms) && *at_ms > now_ms;
            if let Some(at_ms) = report.again_ms.filter(|at_ms| !is_later(at_ms)) {
                again_ms = Some(again_ms.map_or(at_ms, |held| held.min(at_ms)));
            }
            let before = reports.remove(&report.destination).unwrap_or_default();
            reports.insert(report.destination.clone(), before.and(report));
        }
        let now_ms = context.now();
        let Some(wait_ms) = again_ms.map(|at_ms| (at_ms - now_ms).max(0)) else { return Ok(()) };
        if is_once || wait_ms > LONGEST_WAIT_MS {
            return Ok(());
        }
        tell_wait(wait_ms, reports);
        // A round that ends at once would be begun again without a pause.
        tokio::time::sleep(Duration::from_millis(wait_ms.max(100).unsigned_abs())).await;
    }
}

fn tell_wait(wait_ms: i64, reports: &BTreeMap<String, Report>) {
    if wait_ms > PACE_MS {
        let sent: u64 = reports.values().map(|report| report.sent).sum();
        note(&format!("{sent} sent; the next is due in {} s", wait_ms / 1000));
    }
}

/// What was done, by the words of the documented object.
const DONE: [(&str, Action); 5] = [
    ("created", Action::Create),
    ("updated", Action::Update),
    ("closed", Action::Close),
    ("reopened", Action::Reopen),
    ("commented", Action::Comment),
];

fn report_json(report: &Report, standing: &Standing) -> Value {
    let mut object = json!({
        "destination": report.destination,
        "planned": report.plan.planned,
        "skipped": report.plan.skipped,
        "sent": report.sent,
        "failed": report.failed - report.given_up,
        "dead": report.given_up,
        "held": standing.count(SendState::Held),
        "waiting": standing.waiting(),
        "elsewhere": report.is_elsewhere,
        "problem": report.problem,
        "next_at": report.again_ms.map(rfc3339),
    });
    for (word, action) in DONE {
        object[word] = report.taken(action).into();
    }
    object
}

fn said(report: &Report, standing: &Standing, now_ms: i64) -> String {
    let name = printable(&report.destination);
    let mut text = format!("{name}: {}\n", did(report));
    let mut add = |line: String| text.push_str(&format!("  {line}\n"));
    if report.is_elsewhere {
        add("another process delivers to it".into());
    }
    if standing.row.mode == DeliveryMode::Paused {
        add("it is paused".into());
    }
    if standing.count(SendState::Held) > 0 {
        let approve = CommandLine::of(&["deliver", "approve"]).and(&report.destination);
        add(format!("{} are held; {approve} lets them go", standing.count(SendState::Held)));
    }
    if standing.failed() > 0 {
        let list = CommandLine::of(&["deliver", "list"]).and(&report.destination);
        add(format!(
            "{} failed; {} lists them",
            standing.failed(),
            list.then(&["--state", "failed,dead"])
        ));
    }
    if let Some(problem) = &report.problem {
        add(problem.replace('\n', "\n  "));
    }
    if let Some(at_ms) = report.again_ms.filter(|at_ms| *at_ms > now_ms) {
        add(format!("{} wait; the next is due {}", standing.waiting(), distance(at_ms, now_ms)));
    }
    text
}

/// What a round did, in a few words.
pub(super) fn did(report: &Report) -> String {
    let mut words: Vec<_> = DONE
        .into_iter()
        .filter_map(|(word, action)| {
            let count = report.taken(action);
            (count > 0).then(|| format!("{count} {word}"))
        })
        .collect();
    let others = report.sent - DONE.iter().map(|(_, action)| report.taken(*action)).sum::<u64>();
    if others > 0 {
        words.push(format!("{others} sent"));
    }
    if report.failed > 0 {
        words.push(format!("{} failed", report.failed));
    }
    if report.postponed > 0 {
        words.push(format!("{} postponed", report.postponed));
    }
    match words.is_empty() {
        true => "nothing was sent".to_owned(),
        false => words.join(", "),
    }
}

pub(super) async fn test(context: &Context, args: OneDestination) -> Result<(), Failure> {
    let config = configured(context, &args.name)?;
    let destination = working(context, config).await?;
    let verdict = destination.receiver.probe(context.now()).await;
    let (is_well, text) = probed(&verdict);
    if args.json {
        print_json(&json!({ "destination": args.name, "ok": is_well, "answer": text }))?;
        return if is_well { Ok(()) } else { Err(Failure::silent(Exit::Upstream)) };
    }
    match is_well {
        true => print(&format!("{}: it answers{}\n", args.name, after(&text))),
        false => Err(Failure::new(
            Exit::Upstream,
            format!("the test of `{}` failed: {}", args.name, text.unwrap_or_default()),
        )),
    }
}

fn after(text: &Option<String>) -> String {
    text.as_ref().map(|text| format!(": {}", printable(text))).unwrap_or_default()
}

/// Whether a probe went well, and what was answered.
pub(crate) fn probed(verdict: &Verdict) -> (bool, Option<String>) {
    match verdict {
        Verdict::Taken(taken) => (true, taken.remark.clone()),
        Verdict::Passing { why, .. }
        | Verdict::Refused(why)
        | Verdict::Settings(why)
        | Verdict::Gone(why) => (false, Some(why.clone())),
        Verdict::Theirs(_) => (false, None),
    }
}

pub(super) async fn backfill(context: &Context, args: BackfillDestination) -> Result<(), Failure> {
    let config = configured(context, &args.name)?;
    let filter = narrowed(context, &args.filter).await?;
    let destination = working(context, config).await?;
    let machine = Machine::open(context).await?;
    let row = machine.row(&destination).await?;
    if let Some(problem) = misplaced(&destination, &row) {
        return Err(Failure::usage(format!("destination `{}`: {problem}", args.name)));
    }
    let done = machine.backfill(&destination, &filter).await?;
    let told = told(config, &done)?;
    machine.plan(&destination).await?;
    let standing = standing(context, &args.name).await?;
    if args.json {
        return print_json(&json!({
            "destination": args.name,
            "noted": noted(&done),
            "held": standing.count(SendState::Held),
            "waiting": standing.waiting(),
            "simulated": standing.count(SendState::Simulated),
        }));
    }
    note(&told);
    let held = standing.count(SendState::Held);
    if held > 0 {
        let list = CommandLine::of(&["deliver", "list"]).and(&args.name).then(&["--state", "held"]);
        let approve = CommandLine::of(&["deliver", "approve"]).and(&args.name);
        note(&format!("{held} tickets are held: {list} lists them, {approve} lets them go"));
    }
    Ok(())
}

async fn narrowed(context: &Context, filters: &[String]) -> Result<Expression, Failure> {
    let now_ms = context.now();
    let parsed = filters.iter().map(|text| Expression::parse(text, now_ms));
    let filter = Expression::all(parsed.collect::<Result<Vec<_>, _>>().map_err(Failure::usage)?);
    match context.store().unknown_name(&filter).await? {
        Some(unknown) => Err(Failure::usage(unknown)),
        None => Ok(filter),
    }
}

fn noted(done: &Backfill) -> u64 {
    match done {
        Backfill::Groups { noted, .. } => *noted,
        Backfill::Applications(count) | Backfill::Feed(count) => *count,
        Backfill::NotNarrowed | Backfill::Waits(_) | Backfill::Elsewhere => 0,
    }
}

fn told(config: &DestinationConfig, done: &Backfill) -> Result<String, Failure> {
    let name = &config.name;
    match done {
        Backfill::Groups { noted, known } => Ok(format!(
            "{noted} tickets are planned for `{name}`; {known} exist already and are left alone"
        )),
        Backfill::Applications(count) => {
            Ok(format!("{count} applications are sent to `{name}`, if they differ"))
        }
        Backfill::Feed(count) => Ok(format!(
            "all {count} changes of the feed are planned for `{name}` again, as far as its filter holds them"
        )),
        Backfill::NotNarrowed => Err(Failure::usage(format!(
            "`{name}` receives changes in their order, and cannot be narrowed by `--filter`\nhint: {} \
             sends all changes that its own filter holds",
            CommandLine::of(&["deliver", "backfill"]).and(name)
        ))),
        Backfill::Waits(count) => Err(Failure::usage(format!(
            "{count} sends of `{name}` still wait\nhint: {} sends them first",
            CommandLine::of(&["deliver", "run"]).and(name)
        ))),
        Backfill::Elsewhere => Err(Failure::in_use(format!(
            "another process delivers to `{name}` just now\nhint: {} pauses it",
            CommandLine::of(&["deliver", "pause"]).and(name)
        ))),
    }
}
