//! Integrations: how they are, their last runs, what was wrong and what to do about
//! it; and for operators run, pause and resume.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use countersign_store::{Integration, IntegrationKind, RunRow};
use serde_json::Value;

use super::inner::Inner;
use super::look::{Damage, grouped};
use super::text::Shown;
use super::web::{Form, Frame, Reader, Stop, cause_and_fix, go};
use countersign_connector::duty::{Refusal, Running, Scheduler, State as Planned};
use countersign_connector::health::{self, Mark, Standing};
use countersign_connector::sync::AuditCounts;
use countersign_web::moment::{Moment, from_now, span};

/// Runs that one integration shows.
const RUNS: u32 = 10;
const MAX_PROBLEMS: usize = 5;

/// Something that was wrong, and what to do about it.
pub(super) struct Problem {
    what: Shown,
    fix: Option<Shown>,
}

impl Problem {
    fn new(text: &str) -> Self {
        let (what, fix) = cause_and_fix(text);
        let fix = (!fix.is_empty()).then(|| Shown::cut(&fix, 400));
        Self { what: Shown::cut(&what, 400), fix }
    }
}

struct Run {
    started: Moment,
    ago: String,
    kind: &'static str,
    duration: String,
    requests: String,
    outcome: &'static str,
    class: &'static str,
    changes: String,
    problems: Vec<Problem>,
    more_problems: usize,
}

struct Under {
    started: String,
    applications: u64,
    applications_total: Option<u64>,
    findings: String,
    requests: String,
}

/// The application that was read longest ago.
struct Stalest {
    name: Shown,
    read: (Moment, String),
}

/// What the last audit found.
struct Audit {
    at: (Moment, String),
    words: String,
    is_clean: bool,
}

struct Card {
    /// For ids within the page.
    number: usize,
    name: Shown,
    path: String,
    url: Shown,
    account: Shown,
    expires: Option<(Moment, String)>,
    health: (&'static str, &'static str),
    fresh: Option<(Moment, String)>,
    stalest: Option<Stalest>,
    audit: Option<Audit>,
    next: Option<(Moment, String)>,
    is_paused: bool,
    problem: Option<Problem>,
    under: Option<Under>,
    /// What the last run would have closed.
    held_back: Option<String>,
    runs: Vec<Run>,
}

#[derive(Template)]
#[template(path = "integrations.html")]
struct Page {
    frame: Frame,
    damage: Option<Damage>,
    is_scheduled: bool,
    cards: Vec<Card>,
    imported: Vec<Imported>,
}

/// An integration that has findings of other scanners: no service, no schedule.
struct Imported {
    number: usize,
    name: Shown,
    fresh: Option<(Moment, String)>,
    runs: Vec<Run>,
}

pub(super) async fn list(State(inner): State<Inner>, reader: Reader) -> Result<Response, Stop> {
    let now_ms = reader.visitor.now_ms;
    let swept = inner.store.swept().await?;
    let states = || inner.scheduler.as_ref().map(Scheduler::states).unwrap_or_default();
    let before = states();
    let marks = health::standings(&inner.store, inner.scheduler.as_ref(), now_ms).await?;
    let mut read = Vec::new();
    for integration in inner.store.integrations().await? {
        let runs = inner.store.runs(Some(integration.id), RUNS).await?;
        read.push((integration, runs));
    }
    let now = states();
    let mut cards = Vec::new();
    for (number, (integration, runs)) in read.iter().enumerate() {
        let [before, now] = [&before, &now]
            .map(|states| states.iter().find(|one| one.integration == integration.name));
        let mark = marks.iter().find(|one| one.integration == integration.name);
        let mark = mark.map_or(Mark::NeverRead, Standing::mark);
        // A run may begin or end while its row is read: what either look saw running ran.
        let running = [now, before].into_iter().flatten().find_map(|one| one.running.as_ref());
        let runs: Vec<_> = runs.iter().map(|run| (run, shown(run, running, now_ms))).collect();
        let swept = swept.iter().find(|one| one.integration == integration.name);
        cards.push(Card {
            stalest: swept.and_then(|one| one.stalest.as_ref()).map(|one| Stalest {
                name: Shown::cut(&one.name, 80),
                read: (Moment(one.read_ms), from_now(one.read_ms, now_ms)),
            }),
            audit: swept.and_then(|one| one.sweep).map(|sweep| Audit {
                at: (Moment(sweep.audited_ms), from_now(sweep.audited_ms, now_ms)),
                words: AuditCounts::words(sweep.last_applications, sweep.last_missed),
                is_clean: sweep.last_missed == 0,
            }),
            ..card(number, integration, now, mark, runs, now_ms)
        });
    }
    let mut imported = Vec::new();
    for one in inner.store.owned_integrations(None).await? {
        if one.kind == IntegrationKind::Imported {
            let runs = inner.store.runs(Some(one.id), RUNS).await?;
            let ended = runs.iter().find_map(|run| run.finished_ms);
            imported.push(Imported {
                number: cards.len() + imported.len(),
                name: Shown::new(&one.name),
                fresh: ended.map(|ms| (Moment(ms), from_now(ms, now_ms))),
                runs: runs.iter().map(|run| shown(run, None, now_ms)).collect(),
            });
        }
    }
    let page = Page {
        frame: reader.visitor.frame("Integrations", "/integrations"),
        damage: Damage::of(inner.store.last_check().await?),
        is_scheduled: inner.scheduler.is_some(),
        cards,
        imported,
    };
    reader.visitor.page(200, &page)
}

fn card(
    number: usize,
    integration: &Integration,
    standing: Option<&Planned>,
    mark: Mark,
    runs: Vec<(&RunRow, Run)>,
    now_ms: i64,
) -> Card {
    let when = |ms: i64| (Moment(ms), from_now(ms, now_ms));
    let rows = || runs.iter().map(|(row, _)| row);
    let complete = rows().find(|run| run.complete == Some(true));
    let problem = standing.and_then(|standing| standing.problem.as_deref());
    let running = standing.and_then(|standing| standing.running.as_ref());
    let ended = rows().find(|run| run.finished_ms.is_some());
    let health = match mark {
        Mark::Healthy => ("good", "✓ healthy"),
        Mark::NeedsSomebody => ("bad", "✗ needs somebody"),
        Mark::Stuck => ("bad", "✗ does not move"),
        Mark::Behind => ("bad", "✗ behind"),
        Mark::Incomplete => ("warn", "! last run incomplete"),
        Mark::NeverRead => ("warn", "! never ran to its end"),
    };
    let path: String = url::form_urlencoded::byte_serialize(integration.name.as_bytes()).collect();
    Card {
        number,
        name: Shown::new(&integration.name),
        path: format!("/integrations/{}", path.replace('+', "%20")),
        url: Shown::new(&integration.url),
        account: Shown::new(integration.account.as_deref().unwrap_or("unknown")),
        expires: integration.expires_ms.map(when),
        health,
        fresh: complete.and_then(|run| run.finished_ms).map(when),
        stalest: None,
        audit: None,
        next: standing.and_then(|standing| standing.next_ms).map(when),
        is_paused: standing.is_some_and(|standing| standing.paused),
        problem: problem.map(Problem::new),
        under: running.map(|running| under(running, now_ms)),
        held_back: ended.and_then(|run| held_back(run)),
        runs: runs.into_iter().map(|(_, run)| run).collect(),
    }
}

fn under(running: &Running, now_ms: i64) -> Under {
    Under {
        started: from_now(running.started_ms, now_ms),
        applications: running.applications,
        applications_total: running.applications_total,
        findings: grouped(running.findings),
        requests: grouped(running.requests),
    }
}

/// What a run would have closed, if it was too much to be believed.
fn held_back(run: &RunRow) -> Option<String> {
    let report: Value = serde_json::from_str(run.report.as_deref()?).ok()?;
    let count = |of: &str| report[of]["held_back"].as_u64().unwrap_or_default();
    match (count("findings"), count("applications")) {
        (0, 0) => None,
        (findings, 0) => Some(format!("closed {} findings", grouped(findings))),
        (0, applications) => Some(format!("marked {} applications as gone", grouped(applications))),
        (findings, applications) => Some(format!(
            "closed {} findings and marked {} applications as gone",
            grouped(findings),
            grouped(applications)
        )),
    }
}

fn shown(run: &RunRow, running: Option<&Running>, now_ms: i64) -> Run {
    let report: Value =
        run.report.as_deref().and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    let problems = report["problems"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_running = running.is_some_and(|running| running.started_ms <= run.started_ms);
    let (outcome, class) = match (run.finished_ms, run.complete) {
        (Some(_), Some(true)) => ("complete", "good"),
        (Some(_), _) => ("incomplete", "warn"),
        (None, _) if is_running => ("under way", ""),
        (None, _) => ("not ended", "warn"),
    };
    let taken = run.finished_ms.map(|ms| u64::try_from(ms - run.started_ms).unwrap_or_default());
    Run {
        started: Moment(run.started_ms),
        ago: from_now(run.started_ms, now_ms),
        kind: run.kind.as_str(),
        duration: taken.map_or("–".into(), span),
        requests: run.requests.map_or("–".into(), grouped),
        outcome,
        class,
        changes: changes(&report),
        problems: problems.iter().take(MAX_PROBLEMS).map(told).collect(),
        more_problems: problems.len().saturating_sub(MAX_PROBLEMS),
    }
}

fn told(problem: &Value) -> Problem {
    let reason = problem["reason"].as_str().unwrap_or("no reason was given");
    match problem["application"].as_str() {
        Some(guid) => Problem::new(&format!("application {guid}: {reason}")),
        None => Problem::new(reason),
    }
}

/// `12 new, 3 closed`.
fn changes(report: &Value) -> String {
    let findings = &report["findings"];
    let parts = ["new", "changed", "reopened", "closed", "undecodable"].map(|what| {
        let count = findings[what].as_u64().unwrap_or_default();
        (count > 0).then(|| format!("{} {what}", grouped(count)))
    });
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    match (parts.is_empty(), findings.is_object()) {
        (false, _) => parts.join(", "),
        (true, true) => "nothing".into(),
        (true, false) => "–".into(),
    }
}

/// The scheduler, and the integration of the address, for an operator.
async fn acting(
    inner: &Inner,
    form: Form,
    name: &str,
    act: &'static str,
) -> Result<Scheduler, Stop> {
    let (reader, _) = form.operator()?;
    let scheduler = inner.scheduler.clone().ok_or(Stop::NotFound)?;
    inner.store.integration(name).await?;
    inner.people.note(&reader.person, act, name, &reader.visitor.visit).await?;
    Ok(scheduler)
}

fn done(outcome: Result<(), Refusal>) -> Result<Response, Stop> {
    match outcome {
        Ok(()) => Ok(go("/integrations")),
        Err(refusal) if refusal.is_not_found() => Err(Stop::NotFound),
        Err(refusal) => Err(Stop::Refused(refusal.to_string())),
    }
}

pub(super) async fn run(
    State(inner): State<Inner>,
    Path(name): Path<String>,
    form: Form,
) -> Result<Response, Stop> {
    let scheduler = acting(&inner, form, &name, "sync.run").await?;
    done(scheduler.run_now(&name))
}

pub(super) async fn accept(
    State(inner): State<Inner>,
    Path(name): Path<String>,
    form: Form,
) -> Result<Response, Stop> {
    let scheduler = acting(&inner, form, &name, "sync.accept").await?;
    done(scheduler.accept_closures(&name))
}

pub(super) async fn pause(
    State(inner): State<Inner>,
    Path(name): Path<String>,
    form: Form,
) -> Result<Response, Stop> {
    let scheduler = acting(&inner, form, &name, "sync.pause").await?;
    done(scheduler.pause(&name).await)
}

pub(super) async fn resume(
    State(inner): State<Inner>,
    Path(name): Path<String>,
    form: Form,
) -> Result<Response, Stop> {
    let scheduler = acting(&inner, form, &name, "sync.resume").await?;
    done(scheduler.resume(&name).await)
}
