//! What those who watch the program read of it, in the format OpenMetrics. Most of it is
//! counted from the store, so that a restart forgets nothing; what was asked of the service is
//! counted by its clients since the program started.
//!
//! Ages and what is left are given beside the moments: who records them under another clock
//! than ours can still judge them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_client::{Meter, ShareOfMinute};
use countersign_findings::{Population, Severity, State as FindingState};
use countersign_store::{Crew, Schedule, SendCount, SendState, Swept, SyncFigures};
use countersign_text::openmetrics::{Exposition, Kind, Samples};

use crate::Connector;
use crate::budget::HostBudget;
use crate::duty::Scheduler;
use crate::error::Error;
use crate::watch::Row;
use crate::watch::feeds::put_credentials;

/// What durations of syncs are compared with, in milliseconds.
const BOUNDS_MS: [i64; 9] =
    [1_000, 5_000, 15_000, 60_000, 300_000, 900_000, 3_600_000, 10_800_000, 21_600_000];

/// Whose findings are counted.
const COUNTED: Population = Population::USUAL;

/// A family of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// The version that runs.
    Build,
    /// Syncs that ended.
    Syncs,
    /// How long they took.
    SyncDuration,
    /// When the last complete one ended.
    LastComplete,
    /// How long ago that is.
    SyncAge,
    /// How long ago the application was read that was read longest ago.
    OldestRead,
    /// How often applications are read that did not change.
    SweepPeriod,
    /// Applications that audits read.
    Audited,
    /// Findings that would have been missed without them.
    AuditMissed,
    /// Incomplete ones in a row.
    ConsecutiveFailures,
    /// Whether one is under way.
    Running,
    /// How late the next one is.
    ScheduleLag,
    /// Whether the schedule is paused.
    SchedulePaused,
    /// Processes that do a sync together.
    SyncWorkers,
    /// Applications of it that are still to be read.
    SyncLeft,
    /// Of these, those whose reader has left them.
    SyncAbandoned,
    /// Requests to the service.
    Requests,
    /// Those that repeated a failed one.
    Retries,
    /// Those that were refused with 429.
    RateLimited,
    /// What requests waited.
    RequestWait,
    /// Those of the last minute, by whichever process.
    BudgetStarted,
    /// Those that wait for a place in the minute.
    BudgetWaiting,
    /// For how long none starts after a 429.
    BudgetClosed,
    /// Requests to the connector API.
    ApiRequests,
    /// Findings.
    Findings,
    /// Time until a credential expires.
    CredentialLeft,
    /// Sends of deliveries.
    DeliverySends,
    /// How long the first of those that wait has waited.
    DeliveryBacklog,
    /// Whether nothing goes out until a setting is another one.
    DeliveryBroken,
    /// Sends that wait for approval.
    DeliveryHeld,
    /// Size of the store.
    StoreSize,
}

impl Metric {
    /// All of them, in the order in which they are written.
    pub const ALL: [Self; 31] = [
        Self::Build,
        Self::Syncs,
        Self::SyncDuration,
        Self::LastComplete,
        Self::SyncAge,
        Self::OldestRead,
        Self::SweepPeriod,
        Self::Audited,
        Self::AuditMissed,
        Self::ConsecutiveFailures,
        Self::Running,
        Self::ScheduleLag,
        Self::SchedulePaused,
        Self::SyncWorkers,
        Self::SyncLeft,
        Self::SyncAbandoned,
        Self::Requests,
        Self::Retries,
        Self::RateLimited,
        Self::RequestWait,
        Self::BudgetStarted,
        Self::BudgetWaiting,
        Self::BudgetClosed,
        Self::ApiRequests,
        Self::Findings,
        Self::CredentialLeft,
        Self::DeliverySends,
        Self::DeliveryBacklog,
        Self::DeliveryBroken,
        Self::DeliveryHeld,
        Self::StoreSize,
    ];

    /// Its name, without the suffix of its kind.
    pub fn name(self) -> &'static str {
        match self {
            Self::Build => "countersign_build",
            Self::Syncs => "countersign_syncs",
            Self::SyncDuration => "countersign_sync_duration_seconds",
            Self::LastComplete => "countersign_sync_last_complete_timestamp_seconds",
            Self::SyncAge => "countersign_sync_age_seconds",
            Self::OldestRead => "countersign_application_age_oldest_seconds",
            Self::SweepPeriod => "countersign_sweep_period_seconds",
            Self::Audited => "countersign_audit_applications",
            Self::AuditMissed => "countersign_audit_missed_findings",
            Self::ConsecutiveFailures => "countersign_sync_consecutive_failures",
            Self::Running => "countersign_sync_running",
            Self::ScheduleLag => "countersign_schedule_lag_seconds",
            Self::SchedulePaused => "countersign_schedule_paused",
            Self::SyncWorkers => "countersign_sync_workers",
            Self::SyncLeft => "countersign_sync_applications_left",
            Self::SyncAbandoned => "countersign_sync_applications_abandoned",
            Self::Requests => "countersign_requests",
            Self::Retries => "countersign_request_retries",
            Self::RateLimited => "countersign_requests_rate_limited",
            Self::RequestWait => "countersign_request_wait_seconds",
            Self::BudgetStarted => "countersign_budget_requests",
            Self::BudgetWaiting => "countersign_budget_waiting",
            Self::BudgetClosed => "countersign_budget_closed_seconds",
            Self::ApiRequests => "countersign_api_requests",
            Self::Findings => "countersign_findings",
            Self::CredentialLeft => "countersign_credential_time_left_seconds",
            Self::DeliverySends => "countersign_delivery_sends",
            Self::DeliveryBacklog => "countersign_delivery_backlog_oldest_seconds",
            Self::DeliveryBroken => "countersign_delivery_broken",
            Self::DeliveryHeld => "countersign_delivery_held",
            Self::StoreSize => "countersign_store_size_bytes",
        }
    }

    /// What its numbers are.
    pub fn kind(self) -> Kind {
        match self {
            Self::Build => Kind::Info,
            Self::Syncs | Self::Requests | Self::Retries => Kind::Counter,
            Self::Audited | Self::AuditMissed => Kind::Counter,
            Self::RateLimited | Self::RequestWait | Self::ApiRequests => Kind::Counter,
            Self::SyncDuration => Kind::Histogram,
            _ => Kind::Gauge,
        }
    }

    /// The labels of its samples.
    pub fn labels(self) -> &'static [&'static str] {
        match self {
            Self::Build => &["version"],
            Self::Syncs => &["integration", "outcome"],
            Self::Findings => &["integration", "severity", "state"],
            Self::AuditMissed => &["integration", "cause"],
            Self::RequestWait => &["cause"],
            Self::BudgetStarted | Self::BudgetWaiting => &["host", "share"],
            Self::BudgetClosed => &["host"],
            Self::ApiRequests => &["operation", "outcome"],
            Self::CredentialLeft => &["name"],
            Self::DeliverySends => &["destination", "state"],
            Self::DeliveryBacklog | Self::DeliveryBroken | Self::DeliveryHeld => &["destination"],
            Self::SyncDuration
            | Self::LastComplete
            | Self::SyncAge
            | Self::OldestRead
            | Self::SweepPeriod
            | Self::Audited
            | Self::ConsecutiveFailures
            | Self::Running
            | Self::ScheduleLag
            | Self::SchedulePaused
            | Self::SyncWorkers
            | Self::SyncLeft
            | Self::SyncAbandoned => &["integration"],
            Self::Requests | Self::Retries | Self::RateLimited | Self::StoreSize => &[],
        }
    }

    /// What it means.
    pub fn help(self) -> String {
        let help = match self {
            Self::Build => "The version that is running",
            Self::Syncs => {
                "Syncs that ended, by outcome: complete if everything was read, else incomplete"
            }
            Self::SyncDuration => "How long syncs took, whatever their outcome",
            Self::LastComplete => "When the last complete sync ended, as Unix time",
            Self::SyncAge => {
                "Time since the last complete sync ended, or since the integration was added"
            }
            Self::OldestRead => {
                "Time since the last complete read of the application that was read longest ago"
            }
            Self::SweepPeriod => {
                "Time within which an unchanged application is read again, after the last audit"
            }
            Self::Audited => "Applications that audits read completely",
            Self::AuditMissed => {
                "Findings that syncs had missed, found by audits, by cause: dates (they did not move) or scans (none was recorded)"
            }
            Self::ConsecutiveFailures => "Scheduled syncs in a row that were not complete",
            Self::Running => "1 while a scheduled sync is running, else 0",
            Self::ScheduleLag => "How late the next scheduled sync is; 0 if it is not due yet",
            Self::SchedulePaused => "1 if the schedule is paused, else 0",
            Self::SyncWorkers => {
                "Processes that do a sync together, where the store is a database; none while no sync is under way"
            }
            Self::SyncLeft => "Applications that the sync under way has still to read",
            Self::SyncAbandoned => {
                "Of these, applications whose lease has ended: the process that claimed them no longer answers"
            }
            Self::Requests => "Requests sent to the service, retries included, since the start",
            Self::Retries => "Requests that repeated a failed one, since the start",
            Self::RateLimited => "Requests that the service answered with 429, since the start",
            Self::RequestWait => {
                "Time that requests waited, by cause: budget (requests per minute) or retry"
            }
            Self::BudgetStarted => {
                "Requests that all processes with this data directory started within the last minute, by host and share of the budget"
            }
            Self::BudgetWaiting => "Requests that wait for a place in the minute",
            Self::BudgetClosed => "Time until requests start again after a 429; 0 if they do",
            Self::ApiRequests => {
                "Requests to the connector API since the start, by outcome: succeeded, refused (4xx) or failed (5xx)"
            }
            Self::Findings => return format!("Findings by severity and state: {COUNTED}"),
            Self::CredentialLeft => "Time until the credential expires; negative once it has",
            Self::DeliverySends => "Sends of deliveries that the store still has, by state",
            Self::DeliveryBacklog => {
                "Time since the first of the sends that wait was planned; 0 if none waits"
            }
            Self::DeliveryBroken => {
                "1 if nothing is sent to the destination until a setting changes, else 0"
            }
            Self::DeliveryHeld => "Sends that wait for approval",
            Self::StoreSize => "Size of the store on disk, its log included",
        };
        help.to_owned()
    }

    fn begin(self, text: &mut Exposition) -> Samples<'_> {
        text.family(self.name(), self.kind(), &self.help())
    }
}

/// What the connector API was asked since the program started, by operation and outcome. Clones
/// count together.
#[derive(Debug, Clone, Default)]
pub struct Calls(Arc<Mutex<BTreeMap<Call, u64>>>);

/// An operation, and how it ended.
type Call = (&'static str, &'static str);

impl Calls {
    /// One more.
    pub fn count(&self, operation: &'static str, outcome: &'static str) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counted.entry((operation, outcome)).or_default() += 1;
    }

    /// All of them, in order.
    pub fn counted(&self) -> BTreeMap<Call, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Of a number.
fn seconds(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    format!("{sign}{}.{:03}", ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000)
}

fn put_sweeps(text: &mut Exposition, swept: &[Swept], now_ms: i64) {
    let mut oldest = Metric::OldestRead.begin(text);
    for one in swept {
        if let Some(stalest) = &one.stalest {
            let age_ms = (now_ms - stalest.read_ms).max(0);
            oldest.put(&[("integration", &one.integration)], seconds(age_ms));
        }
    }
    let mut period = Metric::SweepPeriod.begin(text);
    for one in swept {
        if let Some(sweep) = one.sweep {
            period.put(&[("integration", &one.integration)], seconds(sweep.period_ms));
        }
    }
    let of = |one: &Swept| {
        one.sweep.map_or([0; 3], |sweep| {
            [sweep.applications, sweep.missed_by_dates, sweep.missed_by_scans]
        })
    };
    let mut audited = Metric::Audited.begin(text);
    for one in swept {
        audited.put(&[("integration", &one.integration)], of(one)[0]);
    }
    let mut missed = Metric::AuditMissed.begin(text);
    for one in swept {
        for (cause, at) in [("dates", 1), ("scans", 2)] {
            missed.put(&[("integration", &one.integration), ("cause", cause)], of(one)[at]);
        }
    }
}

impl Connector {
    /// All metrics. `rows` are the credentials, `scheduler` the one that runs beside, `calls`
    /// what programs asked for, `budget` what all processes asked services for, `version` the
    /// program's.
    pub async fn exposition(
        &self,
        rows: &[Row],
        scheduler: Option<&Scheduler>,
        meter: &Meter,
        calls: &Calls,
        budget: &[HostBudget],
        version: &str,
    ) -> Result<String, Error> {
        let mut text = Exposition::default();
        Metric::Build.begin(&mut text).put(&[("version", version)], 1);
        put_syncs(&mut text, &self.store.sync_figures(BOUNDS_MS.to_vec()).await?);
        self.put_ages(&mut text).await?;
        put_schedule(&mut text, &self.store.schedules().await?, scheduler, self.now());
        put_crews(&mut text, &self.store.crews().await?);
        put_requests(&mut text, meter);
        put_budget(&mut text, budget);
        let mut api = Metric::ApiRequests.begin(&mut text);
        for ((operation, outcome), count) in calls.counted() {
            api.put(&[("operation", operation), ("outcome", outcome)], count);
        }
        self.put_findings(&mut text).await?;
        let mut left = Metric::CredentialLeft.begin(&mut text);
        for row in rows {
            if let Some(ms) = row.expires_ms {
                left.put(&[("name", &row.name)], seconds(ms - self.now()));
            }
        }
        self.put_deliveries(&mut text).await?;
        Metric::StoreSize.begin(&mut text).put(&[], self.store.size_bytes());
        put_credentials(&mut text, rows);
        self.put_watch(&mut text).await?;
        Ok(text.end())
    }

    async fn put_ages(&self, text: &mut Exposition) -> Result<(), Error> {
        let (fresh, now_ms) = (self.store.freshness().await?, self.now());
        let mut last = Metric::LastComplete.begin(text);
        for one in &fresh {
            if let Some(ms) = one.complete_ms {
                last.put(&[("integration", &one.integration)], seconds(ms));
            }
        }
        let mut age = Metric::SyncAge.begin(text);
        for one in &fresh {
            let since_ms = one.complete_ms.unwrap_or(one.added_ms);
            age.put(&[("integration", &one.integration)], seconds((now_ms - since_ms).max(0)));
        }
        put_sweeps(text, &self.store.swept().await?, now_ms);
        Ok(())
    }

    /// Of every destination that was ever configured.
    async fn put_deliveries(&self, text: &mut Exposition) -> Result<(), Error> {
        let (rows, counts) = (self.store.destinations().await?, self.store.send_counts().await?);
        let mut sends = Metric::DeliverySends.begin(text);
        for one in &counts {
            let labels = [("destination", &*one.destination), ("state", one.state.as_str())];
            sends.put(&labels, one.count);
        }
        let mut backlog = Metric::DeliveryBacklog.begin(text);
        for row in &rows {
            let is_waiting = |one: &&SendCount| {
                one.destination == row.name
                    && matches!(one.state, SendState::Pending | SendState::Sending)
            };
            let oldest_ms = counts.iter().filter(is_waiting).map(|one| one.oldest_ms).min();
            let age_ms = oldest_ms.map_or(0, |ms| (self.now() - ms).max(0));
            backlog.put(&[("destination", &*row.name)], seconds(age_ms));
        }
        let mut broken = Metric::DeliveryBroken.begin(text);
        for row in &rows {
            broken.put(&[("destination", &*row.name)], u8::from(row.problem.is_some()));
        }
        let mut held = Metric::DeliveryHeld.begin(text);
        for row in &rows {
            let is_held =
                |one: &&SendCount| one.destination == row.name && one.state == SendState::Held;
            let count = counts.iter().find(is_held).map_or(0, |one| one.count);
            held.put(&[("destination", &*row.name)], count);
        }
        Ok(())
    }

    /// Every severity in every state: what is not there is zero.
    async fn put_findings(&self, text: &mut Exposition) -> Result<(), Error> {
        let figures = self.store.finding_figures(COUNTED).await?;
        let mut samples = Metric::Findings.begin(text);
        for integration in self.store.owned_integrations(None).await? {
            for severity in Severity::ALL {
                let word = severity.name().to_lowercase().replace(' ', "_");
                for state in FindingState::ALL {
                    let is_it = |level: u8, of: FindingState, name: &str| {
                        level == severity.level() && of == state && name == integration.name
                    };
                    let found = figures
                        .iter()
                        .find(|one| is_it(one.severity, one.state, &one.integration))
                        .map_or(0, |one| one.findings);
                    let labels = [
                        ("integration", integration.name.as_str()),
                        ("severity", word.as_str()),
                        ("state", state.as_str()),
                    ];
                    samples.put(&labels, found);
                }
            }
        }
        Ok(())
    }
}

fn put_syncs(text: &mut Exposition, figures: &[SyncFigures]) {
    let mut syncs = Metric::Syncs.begin(text);
    for one in figures {
        let integration = ("integration", one.integration.as_str());
        syncs.put(&[integration, ("outcome", "complete")], one.complete);
        syncs.put(&[integration, ("outcome", "incomplete")], one.incomplete);
    }
    let mut durations = Metric::SyncDuration.begin(text);
    for one in figures {
        let bounds = BOUNDS_MS.iter().map(|ms| *ms as f64 / 1000.0);
        let within: Vec<_> = bounds.zip(one.within.iter().copied()).collect();
        durations.put_distribution(
            &[("integration", &one.integration)],
            &within,
            one.complete + one.incomplete,
            one.duration_ms as f64 / 1000.0,
        );
    }
}

fn put_schedule(
    text: &mut Exposition,
    schedules: &[Schedule],
    scheduler: Option<&Scheduler>,
    now_ms: i64,
) {
    let mut failures = Metric::ConsecutiveFailures.begin(text);
    for one in schedules {
        failures.put(&[("integration", &one.name)], one.failures);
    }
    let states = scheduler.map(Scheduler::states).unwrap_or_default();
    let mut running = Metric::Running.begin(text);
    for state in &states {
        running.put(&[("integration", &state.integration)], u8::from(state.running.is_some()));
    }
    let mut lag = Metric::ScheduleLag.begin(text);
    for state in &states {
        let late_ms = state.next_ms.map_or(0, |next_ms| (now_ms - next_ms).max(0));
        lag.put(&[("integration", &state.integration)], seconds(late_ms));
    }
    let mut paused = Metric::SchedulePaused.begin(text);
    for state in &states {
        paused.put(&[("integration", &state.integration)], u8::from(state.paused));
    }
}

fn put_crews(text: &mut Exposition, crews: &[Crew]) {
    for (metric, number) in [
        (Metric::SyncWorkers, Crew::workers as fn(&Crew) -> u64),
        (Metric::SyncLeft, |crew| crew.planned.saturating_sub(crew.read)),
        (Metric::SyncAbandoned, |crew| crew.left),
    ] {
        let mut samples = metric.begin(text);
        for crew in crews {
            samples.put(&[("integration", &crew.integration)], number(crew));
        }
    }
}

fn put_budget(text: &mut Exposition, budget: &[HostBudget]) {
    for (metric, number) in [
        (Metric::BudgetStarted, (|share| share.started) as fn(&ShareOfMinute) -> u32),
        (Metric::BudgetWaiting, |share| share.waiting),
    ] {
        let mut samples = metric.begin(text);
        for one in budget {
            for share in &one.shares {
                samples.put(&[("host", &one.host), ("share", &share.share)], number(share));
            }
        }
    }
    let mut closed = Metric::BudgetClosed.begin(text);
    for one in budget {
        let left = one.closed_for.unwrap_or_default().as_millis();
        closed.put(&[("host", &one.host)], seconds(i64::try_from(left).unwrap_or(i64::MAX)));
    }
}

fn put_requests(text: &mut Exposition, meter: &Meter) {
    let stats = meter.stats();
    Metric::Requests.begin(text).put(&[], stats.requests);
    Metric::Retries.begin(text).put(&[], stats.retries);
    Metric::RateLimited.begin(text).put(&[], stats.rate_limited);
    let wait = |ms: u64| seconds(i64::try_from(ms).unwrap_or(i64::MAX));
    Metric::RequestWait
        .begin(text)
        .put(&[("cause", "budget")], wait(stats.waited_ms))
        .put(&[("cause", "retry")], wait(stats.paused_ms));
}
