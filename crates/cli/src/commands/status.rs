//! `status`: one screen of how everything is.

use countersign_client::ShareOfMinute;
use countersign_connector::budget::HostBudget;
use countersign_connector::duty::foresee;
use countersign_connector::health::{Mark, Standing, standings};
use countersign_connector::sync::AuditCounts;
use countersign_connector::watch::{Row, State};
use countersign_findings::{Population, Severity, rfc3339};
use countersign_store::{Crew, LastCheck, RunStage, Schedule, Swept};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::context::Context;
use super::deliver;
use super::report::counted;
use super::watch::rows;
use crate::args::Json;
use crate::failure::{Exit, Failure};
use crate::output::{Shown, distance, grouped, printable, show, when};

pub(crate) async fn run(context: &Context, args: &Json) -> Result<(), Failure> {
    let status = Status::of(context).await?;
    show(&status, args.json)?;
    match status.exit() {
        None => Ok(()),
        Some(exit) => Err(Failure::silent(exit)),
    }
}

struct Status {
    now_ms: i64,
    home: String,
    integrations: Vec<Integration>,
    imported: Vec<Imported>,
    credentials: Vec<Row>,
    /// Of [`Population::OPEN`], the most severe first.
    open: Vec<(Severity, u64)>,
    destinations: Vec<Value>,
    /// What all processes asked services for within the last minute, or why that is not known.
    budget: Result<Vec<HostBudget>, String>,
    per_minute: u32,
    /// Whether one of them needs somebody.
    is_troubled: bool,
    store_bytes: u64,
    last_check: Option<LastCheck>,
}

struct Integration {
    schedule: Schedule,
    standing: Standing,
    swept: Swept,
    is_paused: bool,
    next_ms: Option<i64>,
    /// Who syncs it just now, where the store is a database.
    crew: Option<Crew>,
}

/// One that has findings of other scanners: nobody waits for a sync of it.
struct Imported {
    name: String,
    last_ms: Option<i64>,
}

impl Status {
    async fn of(context: &Context) -> Result<Self, Failure> {
        let (store, now_ms) = (context.store(), context.now());
        let settings = &context.config.schedule;
        let standings = standings(store, None, now_ms).await?;
        let mut integrations = Vec::new();
        let mut crews = store.crews().await?;
        let fresh = standings.into_iter().zip(store.swept().await?);
        for (schedule, (standing, swept)) in store.schedules().await?.into_iter().zip(fresh) {
            let rule = settings.rule(&schedule.name);
            let next = foresee(&schedule, &rule, now_ms);
            let next_ms = next.map(|next| next.at_ms.max(now_ms));
            let is_paused = rule.is_paused || schedule.paused_ms.is_some();
            let at = crews.iter().position(|crew| crew.integration == schedule.name);
            let crew = at.map(|at| crews.swap_remove(at));
            integrations.push(Integration { schedule, standing, swept, is_paused, next_ms, crew });
        }
        let figures = store.finding_figures(Population::OPEN).await?;
        let of = |severity: Severity| {
            let same = figures.iter().filter(|one| one.severity == severity.level());
            (severity, same.map(|one| one.findings).sum())
        };
        Ok(Self {
            now_ms,
            home: context.home.path().display().to_string(),
            integrations,
            imported: imported(context).await?,
            credentials: rows(context).await?,
            open: Severity::ALL.into_iter().map(of).collect(),
            destinations: deliver::for_status(context).await?,
            budget: context.budget.hosts().await,
            per_minute: context.config.client.requests_per_minute,
            is_troubled: deliver::troubled(context).await?.is_some(),
            store_bytes: store.size_bytes(),
            last_check: store.last_check().await?,
        })
    }

    /// The code of the worst that is wrong.
    fn exit(&self) -> Option<Exit> {
        if self.last_check.as_ref().is_some_and(|last| last.problems > 0) {
            return Some(Exit::Storage);
        }
        let is_any =
            |states: &[State]| self.credentials.iter().any(|row| states.contains(&row.state));
        if is_any(&[State::Lapsed, State::Refused]) {
            return Some(Exit::NotAuthenticated);
        }
        if is_any(&[State::RoleMissing]) {
            return Some(Exit::RoleMissing);
        }
        let fault = self.integrations.iter().find_map(|one| one.schedule.fault);
        let is_well = !self.is_troubled
            && self.integrations.iter().all(|one| one.standing.mark() == Mark::Healthy);
        fault.map(Exit::from).or((!is_well).then_some(Exit::Incomplete))
    }

    fn total(&self) -> u64 {
        self.open.iter().map(|(_, findings)| findings).sum()
    }
}

impl Shown for Status {
    fn text(&self) -> String {
        let mut text = format!("countersign {}   {}\n\n", env!("CARGO_PKG_VERSION"), self.home);
        if self.integrations.is_empty() && self.imported.is_empty() {
            text.push_str("Integrations: none yet; `countersign integration add prod` adds one\n");
        } else {
            text.push_str("Integrations\n");
        }
        for one in &self.integrations {
            text.push_str(&self.integration_text(one));
        }
        for one in &self.imported {
            let last = match one.last_ms {
                Some(ms) => format!("last import {}", distance(ms, self.now_ms)),
                None => "nothing imported yet".to_owned(),
            };
            text.push_str(&format!("  {}: {last}\n", printable(&one.name)));
        }
        if !self.credentials.is_empty() {
            text.push_str("\nCredentials\n");
        }
        for row in &self.credentials {
            let expiry = match row.expires_ms {
                Some(ms) => format!("expires {}", distance(ms, self.now_ms)),
                None => "expiry unknown".to_owned(),
            };
            let name = printable(&row.name);
            text.push_str(&format!(
                "  {name}: {}, {expiry}\n",
                row.state.as_str().replace('_', " ")
            ));
        }
        if !self.destinations.is_empty() {
            text.push_str("\nDestinations\n");
        }
        for one in &self.destinations {
            text.push_str(&destination_text(one));
        }
        match &self.budget {
            Ok(hosts) if hosts.is_empty() => {}
            Ok(hosts) => {
                text.push_str("\nRequests in the last minute\n");
                hosts.iter().for_each(|one| text.push_str(&budget_text(one, self.per_minute)));
            }
            Err(why) => {
                let why = printable(why);
                text.push_str(&format!("\nRequests in the last minute: not known: {why}\n"));
            }
        }
        let words: Vec<_> = self
            .open
            .iter()
            .map(|(severity, findings)| format!("{} {}", grouped(*findings), severity.name()))
            .collect();
        text.push_str(&format!(
            "\nFindings ({}): {}\n  {}\n",
            Population::OPEN,
            grouped(self.total()),
            words.join(", ")
        ));
        let checked = match &self.last_check {
            None => "not checked yet".to_owned(),
            Some(last) if last.problems == 0 => {
                format!("checked {}, no problems", distance(last.at_ms, self.now_ms))
            }
            Some(last) => {
                format!("damaged: {} problems; `countersign store check` names them", last.problems)
            }
        };
        text.push_str(&format!("\nStore: {} KiB, {checked}\n", grouped(self.store_bytes / 1024)));
        text
    }

    fn json(&self) -> impl Serialize {
        let severity = |(severity, findings): &(Severity, u64)| {
            (severity.name().to_lowercase().replace(' ', "_"), json!(findings))
        };
        let credential = |row: &Row| {
            json!({
                "name": row.name,
                "api_id": row.api_id,
                "state": row.state.as_str(),
                "expires_at": row.expires_ms.map(rfc3339),
            })
        };
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "home": self.home,
            "ok": self.exit().is_none(),
            "integrations": self.integrations.iter().map(|one| self.integration_json(one)).collect::<Vec<_>>(),
            "imported": self.imported.iter().map(Imported::json).collect::<Vec<_>>(),
            "credentials": self.credentials.iter().map(credential).collect::<Vec<_>>(),
            "destinations": self.destinations,
            "requests": self.budget.as_ref().ok().map(|hosts| {
                hosts.iter().map(|one| budget_json(one, self.per_minute)).collect::<Vec<_>>()
            }),
            "findings": {
                "population": Population::OPEN.to_string(),
                "total": self.total(),
                "by_severity": self.open.iter().map(severity).collect::<Map<String, Value>>(),
            },
            "store": {
                "size_bytes": self.store_bytes,
                "checked_at": self.last_check.as_ref().map(|last| rfc3339(last.at_ms)),
                "problems": self.last_check.as_ref().map(|last| last.problems),
            },
        })
    }
}

/// How much of the budget for a host is used, and by whom.
fn budget_text(one: &HostBudget, per_minute: u32) -> String {
    let started: u32 = one.shares.iter().map(|share| share.started).sum();
    let closed = match one.closed_for {
        Some(left) => format!(", none for {} s: the service answered 429", left.as_secs() + 1),
        None => String::new(),
    };
    let mut text = format!("  {}: {started} of {per_minute}{closed}\n", printable(&one.host));
    for share in &one.shares {
        let waiting = match share.waiting {
            0 => String::new(),
            count => format!(", {count} waiting"),
        };
        text.push_str(&format!("    {}: {}{waiting}\n", printable(&share.share), share.started));
    }
    text
}

fn budget_json(one: &HostBudget, per_minute: u32) -> Value {
    let share = |share: &ShareOfMinute| json!({ "name": share.share, "started": share.started, "waiting": share.waiting });
    json!({
        "host": one.host,
        "per_minute": per_minute,
        "shares": one.shares.iter().map(share).collect::<Vec<_>>(),
        "closed_seconds": one.closed_for.map(|left| left.as_secs() + 1),
    })
}

/// How far a sync is, and who does it.
fn crew_text(crew: &Crew) -> String {
    let doing = match crew.stage {
        RunStage::Listing => "listing the applications".to_owned(),
        RunStage::Settling => "closing what is gone".to_owned(),
        RunStage::Reading => {
            format!("{} of {} applications read", grouped(crew.read), grouped(crew.planned))
        }
    };
    let conductor = match crew.is_left {
        true => "no process conducts it".to_owned(),
        false => format!("conducted by {}", printable(&crew.conductor)),
    };
    let mut text = format!("    syncing: {doing}, {conductor}\n");
    for (reader, count) in &crew.readers {
        let count = counted(*count, "application");
        text.push_str(&format!("      {} is reading {count}\n", printable(reader)));
    }
    text
}

fn crew_json(crew: &Crew) -> Value {
    let worker = |(name, count): &(String, u64)| json!({ "name": name, "reading": count });
    json!({
        "stage": crew.stage.as_str(),
        "conductor": crew.conductor,
        "conducted": !crew.is_left,
        "applications": crew.planned,
        "read": crew.read,
        "abandoned": crew.left,
        "workers": crew.readers.iter().map(worker).collect::<Vec<_>>(),
    })
}

/// A line about a destination.
fn destination_text(one: &Value) -> String {
    let word = |name: &str| printable(one[name].as_str().unwrap_or_default());
    let count = |name: &str| one[name].as_u64().unwrap_or_default();
    let failed = count("failed") + count("dead");
    let mut parts = vec![word("state")];
    for (what, count) in
        [("waiting", count("waiting")), ("held", count("held")), ("failed", failed)]
    {
        if count > 0 {
            parts.push(format!("{} {what}", grouped(count)));
        }
    }
    format!("  {} ({}): {}\n", word("name"), word("kind"), parts.join(", "))
}

async fn imported(context: &Context) -> Result<Vec<Imported>, Failure> {
    let mut all = Vec::new();
    for one in context.imported_integrations().await? {
        let runs = context.store().runs(Some(one.id), 1).await?;
        all.push(Imported {
            name: one.name,
            last_ms: runs.first().and_then(|run| run.finished_ms),
        });
    }
    Ok(all)
}

impl Imported {
    fn json(&self) -> Value {
        json!({ "name": self.name, "last_import_at": self.last_ms.map(rfc3339) })
    }
}

impl Status {
    fn integration_text(&self, one: &Integration) -> String {
        let last = match one.standing.as_of_ms {
            Some(ms) => format!("last complete sync {}", distance(ms, self.now_ms)),
            None => "no complete sync yet".to_owned(),
        };
        let next = match one.next_ms {
            _ if one.is_paused => "paused".to_owned(),
            Some(ms) if ms <= self.now_ms => "next sync is due".to_owned(),
            Some(ms) => format!("next sync {} ({})", when(ms), distance(ms, self.now_ms)),
            None => "no next sync".to_owned(),
        };
        let mut text = format!("  {}: {last}, {next}\n", printable(&one.schedule.name));
        if let Some(stalest) = &one.swept.stalest {
            text.push_str(&format!(
                "    read longest ago: {}, {}\n",
                printable(&stalest.name),
                distance(stalest.read_ms, self.now_ms)
            ));
        }
        if let Some(sweep) = &one.swept.sweep {
            text.push_str(&format!(
                "    last audit {}: {}\n",
                distance(sweep.audited_ms, self.now_ms),
                AuditCounts::words(sweep.last_applications, sweep.last_missed)
            ));
        }
        if let Some(crew) = &one.crew {
            text.push_str(&crew_text(crew));
        }
        for sentence in one.standing.sentences(self.now_ms) {
            text.push_str(&format!("    {}\n", printable(&sentence)));
        }
        if let Some(problem) = one.schedule.problem.as_deref().and_then(|text| text.lines().next())
        {
            text.push_str(&format!("    the last scheduled sync: {}\n", printable(problem)));
        }
        text
    }

    fn integration_json(&self, one: &Integration) -> Value {
        json!({
            "name": one.schedule.name,
            "healthy": one.standing.mark() == Mark::Healthy && one.schedule.fault.is_none(),
            "last_complete_sync_at": one.standing.as_of_ms.map(rfc3339),
            "stalest_application": one.swept.stalest.as_ref().map(|stalest| json!({
                "guid": stalest.guid,
                "name": stalest.name,
                "read_at": rfc3339(stalest.read_ms),
            })),
            "audit": one.swept.sweep.map(|sweep| json!({
                "at": rfc3339(sweep.audited_ms),
                "applications": sweep.last_applications,
                "missed": sweep.last_missed,
                "missed_by_dates_total": sweep.missed_by_dates,
                "missed_by_scans_total": sweep.missed_by_scans,
                "sweep_ms": sweep.period_ms,
            })),
            "next_sync_at": one.next_ms.map(rfc3339),
            "sync": one.crew.as_ref().map(crew_json),
            "paused": one.is_paused,
            "problems": one.standing.sentences(self.now_ms),
            "problem": one.schedule.problem,
        })
    }
}
