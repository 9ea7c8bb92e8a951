//! The loop: looks at the store, starts what is due, notes what ended, waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use countersign_store::{IntegrationId, Schedule, ScheduledEnd, SyncLock};
use tokio::task::JoinSet;

use crate::{Clock, Fault, sync};

use super::plan::{Next, Past, Reads, Rule, plan};
use super::rounds::{LOOK_MS, Rounds};
use super::terms::{Config, Ended, Job, Running, Shared, State, Stop, locked};

/// Shortest time between two tellings of progress.
const TELL_MS: u64 = 100;

pub(super) struct Drive {
    config: Config,
    shared: Arc<Shared>,
    /// What is known of each integration, by name.
    known: BTreeMap<String, Known>,
    runs: JoinSet<Over>,
    rounds: Rounds,
    /// Held while anything runs.
    lock: Option<SyncLock>,
    looked_ms: i64,
    /// Why the last look failed.
    blind: Option<String>,
}

struct Known {
    schedule: Schedule,
    seen_ms: i64,
    busy_ms: Option<i64>,
    is_wished: bool,
    accepts_closures: bool,
    running: Option<Arc<Counters>>,
    /// Why it could not start.
    hindrance: Option<String>,
    next: Option<Next>,
}

/// What a run has done so far.
#[derive(Default)]
struct Counters {
    started_ms: i64,
    applications: AtomicU64,
    /// Applications that other processes have read.
    elsewhere: AtomicU64,
    /// One more than the number, once it is known.
    total: AtomicU64,
    findings: AtomicU64,
    requests: AtomicU64,
    moved_ms: AtomicI64,
}

/// A run that is over.
struct Over {
    name: String,
    integration: IntegrationId,
    started_ms: i64,
    reads: Reads,
    ended: Ended,
}

impl Drive {
    pub(super) fn new(mut config: Config, shared: Arc<Shared>) -> Self {
        let rounds = Rounds::new(std::mem::take(&mut config.rounds));
        Self {
            config,
            shared,
            known: BTreeMap::new(),
            runs: JoinSet::new(),
            rounds,
            lock: None,
            looked_ms: 0,
            blind: None,
        }
    }

    pub(super) async fn run(mut self) {
        while !self.shared.is_ending() {
            self.rounds.begin_due(self.now());
            self.start_due().await;
            self.show();
            let wait_ms = self.wait_ms();
            let has_waited = tokio::select! {
                () = self.shared.news.notified() => false,
                Some(over) = self.runs.join_next(), if !self.runs.is_empty() => {
                    self.note(over).await;
                    false
                }
                () = self.rounds.ended() => true,
                () = (self.config.wait)(wait_ms) => true,
            };
            if has_waited && !self.is_look_due() {
                continue;
            }
            if let Err(error) = self.look().await {
                let told = error.to_string();
                // Not each second anew.
                if self.blind.as_ref() != Some(&told) {
                    tracing::warn!(%error, "the scheduler cannot look into the store");
                }
                self.blind = Some(told);
            }
        }
        while let Some(over) = self.runs.join_next().await {
            self.note(over).await;
        }
        self.lock = None;
        self.show();
    }

    fn now(&self) -> i64 {
        (self.config.clock)()
    }

    /// A clock that was set back says so as well.
    fn is_look_due(&self) -> bool {
        !(0..LOOK_MS).contains(&self.now().saturating_sub(self.looked_ms))
    }

    /// What the store says, wishes included.
    pub(super) async fn look(&mut self) -> Result<(), countersign_store::Error> {
        let wishes = std::mem::take(&mut *locked(&self.shared.wishes));
        let mut before = std::mem::take(&mut self.known);
        let schedules = self.config.store.schedules().await;
        let schedules = match schedules {
            Ok(schedules) => schedules,
            Err(error) => {
                self.known = before;
                locked(&self.shared.wishes).extend(wishes);
                return Err(error);
            }
        };
        if self.blind.take().is_some() {
            tracing::info!("the scheduler can look into the store again");
        }
        self.looked_ms = self.now();
        for mut schedule in schedules {
            if schedule.draw.is_none() {
                let mut bytes = [0; 4];
                (self.config.random)(&mut bytes);
                let draw = u32::from_le_bytes(bytes);
                self.config.store.draw_schedule(schedule.integration, draw).await?;
                schedule.draw = Some(draw);
            }
            let wish = wishes.get(&schedule.name);
            let kept = before.remove(&schedule.name);
            // One of the same name may be another by now.
            let kept = kept.filter(|one| one.schedule.integration == schedule.integration);
            let mut known = kept.unwrap_or_else(|| Known {
                schedule: schedule.clone(),
                seen_ms: self.now(),
                busy_ms: None,
                is_wished: false,
                accepts_closures: false,
                running: None,
                hindrance: None,
                next: None,
            });
            known.is_wished |= wish.is_some();
            known.accepts_closures |= wish.is_some_and(|accepts_closures| *accepts_closures);
            known.schedule = schedule;
            self.known.insert(known.schedule.name.clone(), known);
        }
        self.think();
        Ok(())
    }

    /// Plans what does not run.
    fn think(&mut self) {
        let now_ms = self.now();
        for (name, known) in &mut self.known {
            known.seen_ms = known.seen_ms.min(now_ms);
            known.next = match known.running {
                Some(_) => None,
                None => decide(&known.schedule, &self.shared.rule(name), &known.past(), now_ms),
            };
        }
        self.show();
    }

    async fn start_due(&mut self) {
        self.think();
        let now_ms = self.now();
        let mut due: Vec<(String, Next)> = Vec::new();
        for (name, known) in &self.known {
            due.extend(
                known.next.filter(|next| next.at_ms <= now_ms).map(|next| (name.clone(), next)),
            );
        }
        due.sort_by_key(|(_, next)| next.at_ms);
        for (name, next) in due {
            let hindered = self.start(&name, next).await.err();
            if let (Some(why), Some(known)) = (hindered, self.known.get_mut(&name)) {
                known.busy_ms = Some(now_ms);
                known.hindrance = why;
            }
        }
        self.think();
    }

    /// Starts one run; fails with what hinders it, none where another process of those that
    /// share a database does it.
    async fn start(&mut self, name: &str, next: Next) -> Result<(), Option<String>> {
        let Some(schedule) = self.known.get(name).map(|known| known.schedule.clone()) else {
            return Ok(());
        };
        let integration = schedule.integration;
        self.claim_syncs(integration).await?;
        let (store, started_ms) = (&self.config.store, self.now());
        let claimed =
            store.claim_scheduled(integration, schedule.started_ms, next.due_ms, started_ms).await;
        match claimed {
            Ok(true) => {}
            Ok(false) => {
                // Another process has started one since the store was looked at, or has just
                // ended one: then it is not noted yet.
                self.looked_ms = i64::MIN;
                self.release();
                let is_under_way = schedule.started_ms.is_some() && schedule.ended_ms.is_none();
                return if is_under_way { Err(None) } else { Ok(()) };
            }
            Err(error) => {
                self.release();
                return Err(Some(error.to_string()));
            }
        }
        let Some(known) = self.known.get_mut(name) else { return Ok(()) };
        let counters = Arc::new(Counters { started_ms, ..Counters::default() });
        known.running = Some(Arc::clone(&counters));
        known.is_wished = false;
        known.busy_ms = None;
        known.hindrance = None;
        let job = Job {
            integration: name.to_owned(),
            reads: next.reads,
            accepts_closures: std::mem::take(&mut known.accepts_closures),
            watch: moving(watch(Arc::clone(&counters)), counters, Arc::clone(&self.config.clock)),
            stop: Stop(self.shared.stop.subscribe()),
        };
        tracing::debug!(integration = name, why = ?next.why, reads = ?next.reads, "a run starts");
        let (run, name) = (Arc::clone(&self.config.run), name.to_owned());
        self.runs.spawn(async move {
            // In a task of its own, so that a panic ends the run and nothing else.
            let ended = tokio::spawn(run(job)).await.unwrap_or_else(|error| Ended {
                fault: Some(Fault::Unexpected),
                problem: Some(format!("the run broke down: {error}")),
                is_elsewhere: false,
            });
            Over { name, integration, started_ms, reads: next.reads, ended }
        });
        Ok(())
    }

    /// The right to sync; fails as [`Drive::start`] does.
    async fn claim_syncs(&mut self, integration: IntegrationId) -> Result<(), Option<String>> {
        let store = &self.config.store;
        if store.is_shared() {
            return match store.is_syncing(Some(integration)).await {
                Ok(false) => Ok(()),
                Ok(true) => Err(None),
                Err(error) => Err(Some(error.to_string())),
            };
        }
        if self.lock.is_none() {
            self.lock = store.lock_file_for_sync().map_err(|error| {
                Some(match error.is_busy() {
                    true => "another process is syncing into this store\nhint: it is tried again in a minute; \
                             a sync by hand or by cron needs no scheduler beside it".to_owned(),
                    false => error.to_string(),
                })
            })?;
        }
        Ok(())
    }

    async fn note(&mut self, over: Result<Over, tokio::task::JoinError>) {
        let Ok(over) = over else { return };
        self.release();
        if let Some(known) = self.known.get_mut(&over.name) {
            known.running = None;
        }
        // Whoever has taken the run over notes its end.
        if over.ended.is_elsewhere {
            return;
        }
        let is_full = over.reads == Reads::Everything && over.ended.fault.is_none();
        let trouble = over.ended.fault.map(|fault| {
            let problem = over.ended.problem.clone();
            (fault, problem.unwrap_or_else(|| "the run is incomplete".into()))
        });
        let end = ScheduledEnd {
            ended_ms: self.now(),
            full_ms: is_full.then_some(over.started_ms),
            trouble,
        };
        tracing::debug!(integration = over.name, fault = ?over.ended.fault, "a run ended");
        if let Err(error) = self.config.store.end_scheduled(over.integration, end).await {
            tracing::error!(%error, integration = over.name, "the end of a run cannot be noted");
        }
    }

    /// Others may sync when nothing of ours runs.
    fn release(&mut self) {
        if self.runs.is_empty() {
            self.lock = None;
        }
    }

    fn wait_ms(&self) -> u64 {
        if !self.runs.is_empty() {
            return TELL_MS;
        }
        let now_ms = self.now();
        let next_ms = self.known.values().filter_map(|known| known.next).map(|next| next.at_ms);
        let wait_ms = next_ms.min().map_or(LOOK_MS, |at_ms| (at_ms - now_ms).clamp(0, LOOK_MS));
        wait_ms.min(self.rounds.wait_ms(now_ms)).unsigned_abs()
    }

    /// Tells those who watch, if anything is different.
    fn show(&self) {
        let mut states = BTreeMap::new();
        for (name, known) in &self.known {
            let state = State {
                integration: name.clone(),
                running: known.running.as_deref().map(Counters::read),
                next_ms: known.next.map(|next| next.at_ms),
                paused: known.schedule.paused_ms.is_some() || self.shared.rule(name).is_paused,
                problem: self
                    .blind
                    .clone()
                    .or_else(|| known.hindrance.clone())
                    .or_else(|| known.schedule.problem.clone()),
            };
            states.insert(name.clone(), state);
        }
        let mut shown = locked(&self.shared.states);
        let is_different = *shown != states;
        *shown = states;
        drop(shown);
        if is_different {
            self.shared.tell();
        }
    }
}

/// The plan, with what was paused by hand.
pub(super) fn decide(schedule: &Schedule, rule: &Rule, past: &Past, now_ms: i64) -> Option<Next> {
    let is_paused = rule.is_paused || schedule.paused_ms.is_some();
    let rule = Rule { is_paused, ..rule.clone() };
    plan(now_ms, &rule, past, schedule.draw.unwrap_or_default())
}

impl Known {
    fn past(&self) -> Past {
        let past = past(&self.schedule, self.seen_ms);
        Past { is_asked: past.is_asked || self.is_wished, busy_ms: self.busy_ms, ..past }
    }
}

/// What is remembered, as the plan wants to know it.
pub(super) fn past(schedule: &Schedule, seen_ms: i64) -> Past {
    // Nobody has to act before these can go away.
    let passing = [Fault::Upstream, Fault::Incomplete, Fault::Storage, Fault::Unexpected];
    Past {
        seen_ms,
        due_ms: schedule.due_ms,
        started_ms: schedule.started_ms,
        ended_ms: schedule.ended_ms,
        full_ms: schedule.full_ms,
        failures: schedule.failures,
        is_passing: schedule.fault.is_some_and(|fault| passing.contains(&fault)),
        is_asked: schedule.asked_ms.is_some(),
        busy_ms: None,
    }
}

impl Counters {
    fn read(&self) -> Running {
        Running {
            started_ms: self.started_ms,
            applications: self.applications.load(Relaxed) + self.elsewhere.load(Relaxed),
            applications_total: self.total.load(Relaxed).checked_sub(1),
            findings: self.findings.load(Relaxed),
            requests: self.requests.load(Relaxed),
            moved_ms: self.moved_ms.load(Relaxed).max(self.started_ms),
        }
    }
}

/// The same watch, which also notes when it was told of a step.
fn moving(watch: sync::Watch, counters: Arc<Counters>, clock: Clock) -> sync::Watch {
    Arc::new(move |progress| {
        counters.moved_ms.store(clock(), Relaxed);
        watch(progress);
    })
}

fn watch(counters: Arc<Counters>) -> sync::Watch {
    Arc::new(move |progress| match progress {
        sync::Progress::Planned { applications } => {
            counters.total.store(applications.saturating_add(1), Relaxed);
        }
        sync::Progress::Findings { count } => {
            counters.findings.fetch_add(count, Relaxed);
        }
        sync::Progress::Application { .. } => {
            counters.applications.fetch_add(1, Relaxed);
        }
        sync::Progress::Elsewhere { applications } => {
            counters.elsewhere.store(applications, Relaxed);
        }
        sync::Progress::Requests { count } => counters.requests.store(count, Relaxed),
        sync::Progress::Settling | sync::Progress::Checking { .. } => {}
    })
}
