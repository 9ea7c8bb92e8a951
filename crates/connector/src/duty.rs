//! Runs each integration's sync when its plan says so, and tells where it stands.
//!
//! [`plan`] is pure and decides; `drive` waits, starts and notes. What a run is, how
//! time passes and what the settings say is given. A run is noted in the store before it
//! starts and when it ended: a process that died in between, or a machine that slept,
//! finds out at the next look, and catches up once.

mod drive;
mod plan;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_store::{Schedule, Store};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::{Clock, Fault, Random, sync};
pub use plan::{Next, Reads, Rule};

/// A future of somebody's own.
pub type Waiting<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Ends after so many milliseconds.
pub type Wait = Arc<dyn Fn(u64) -> Waiting<()> + Send + Sync>;

/// One sync of one integration, whole or until it is stopped.
pub type Run = Arc<dyn Fn(Job) -> Waiting<Ended> + Send + Sync>;

/// What is to be run.
pub struct Job {
    /// Name of the integration.
    pub integration: String,
    /// How much of it.
    pub reads: Reads,
    /// Somebody said that closures are so, however many they are.
    pub accepts_closures: bool,
    /// Told with every step.
    pub watch: sync::Watch,
    /// When to end early.
    pub stop: Stop,
}

/// Whether the scheduler ends.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Waits for it.
    pub async fn wanted(mut self) {
        // A scheduler that is gone wants nothing to go on.
        let _ = self.0.wait_for(|is_wanted| *is_wanted).await;
    }
}

/// How a run ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ended {
    /// Whose turn it is; none after a run that is complete.
    pub fault: Option<Fault>,
    /// What was wrong, with its hint.
    pub problem: Option<String>,
}

/// What a scheduler needs.
#[derive(Clone)]
pub struct Config {
    /// Where it keeps what it remembers.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// Where the jitter is drawn from.
    pub random: Random,
    /// How time passes.
    pub wait: Wait,
    /// What is run.
    pub run: Run,
    /// When, for integrations that are not named.
    pub usual: Rule,
    /// When, by the name of the integration.
    pub rules: BTreeMap<String, Rule>,
}

/// Where an integration stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Its name.
    pub integration: String,
    /// The run under way.
    pub running: Option<Running>,
    /// When the next one starts; none while it is paused.
    pub next_ms: Option<i64>,
    /// Whether nothing is run but by hand.
    pub paused: bool,
    /// What was wrong with the last run, or holds up the next, with its hint.
    pub problem: Option<String>,
}

/// A run under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Running {
    /// When it started.
    pub started_ms: i64,
    /// Applications that were read.
    pub applications: u64,
    /// Applications to read; none before the listing is complete.
    pub applications_total: Option<u64>,
    /// Findings that arrived.
    pub findings: u64,
    /// Requests that were sent.
    pub requests: u64,
}

/// Something that cannot be done, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    what: String,
    is_not_found: bool,
}

impl Refusal {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), is_not_found: false }
    }

    fn unknown(name: &str) -> Self {
        Self { what: format!("there is no integration `{name}`"), is_not_found: true }
    }

    /// There is no such integration.
    pub fn is_not_found(&self) -> bool {
        self.is_not_found
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Refusal {}

/// The handle. Cheap to clone.
#[derive(Clone)]
pub struct Scheduler {
    shared: Arc<Shared>,
}

/// What the handle and the loop have in common.
struct Shared {
    store: Store,
    clock: Clock,
    states: Mutex<BTreeMap<String, State>>,
    /// By integration: whether closures are accepted.
    wishes: Mutex<BTreeMap<String, bool>>,
    news: Notify,
    changed: watch::Sender<u64>,
    stop: watch::Sender<bool>,
    usual: Rule,
    rules: BTreeMap<String, Rule>,
}

impl Scheduler {
    /// Starts one that knows the integrations of the store. It ends after
    /// [`stop`](Self::stop).
    pub async fn start(config: Config) -> Result<(Self, JoinHandle<()>), countersign_store::Error> {
        let shared = Arc::new(Shared {
            store: config.store.clone(),
            clock: config.clock.clone(),
            states: Mutex::default(),
            wishes: Mutex::default(),
            news: Notify::new(),
            changed: watch::Sender::new(0),
            stop: watch::Sender::new(false),
            usual: config.usual.clone(),
            rules: config.rules.clone(),
        });
        let mut drive = drive::Drive::new(config, Arc::clone(&shared));
        drive.look().await?;
        let task = tokio::spawn(drive.run());
        Ok((Self { shared }, task))
    }

    /// Where each integration stands, by name.
    pub fn states(&self) -> Vec<State> {
        locked(&self.shared.states).values().cloned().collect()
    }

    /// Wants a run now, at any hour, of one that is paused too.
    pub fn run_now(&self, integration: &str) -> Result<(), Refusal> {
        self.wish(integration, false)
    }

    /// The same; what it would close is closed, however much it is.
    pub fn accept_closures(&self, integration: &str) -> Result<(), Refusal> {
        self.wish(integration, true)
    }

    fn wish(&self, integration: &str, accepts_closures: bool) -> Result<(), Refusal> {
        if self.shared.is_ending() {
            return Err(Refusal::new("the scheduler is ending"));
        }
        match locked(&self.shared.states).get(integration) {
            None => return Err(Refusal::unknown(integration)),
            Some(state) if state.running.is_some() => {
                return Err(Refusal::new(format!(
                    "a run of `{integration}` is under way\nhint: wait until it has ended"
                )));
            }
            Some(_) => {}
        }
        *locked(&self.shared.wishes).entry(integration.to_owned()).or_default() |= accepts_closures;
        self.shared.news.notify_one();
        Ok(())
    }

    /// Runs nothing of it any more but by hand. A run under way goes on to its end.
    pub async fn pause(&self, integration: &str) -> Result<(), Refusal> {
        self.set_paused(integration, Some((self.shared.clock)())).await
    }

    /// Goes on by the plan.
    pub async fn resume(&self, integration: &str) -> Result<(), Refusal> {
        if self.shared.rule(integration).is_paused {
            return Err(Refusal::new(format!(
                "the settings pause `{integration}`\nhint: take `paused` out of config.toml and start again"
            )));
        }
        self.set_paused(integration, None).await
    }

    async fn set_paused(&self, integration: &str, since_ms: Option<i64>) -> Result<(), Refusal> {
        let kept = self.shared.store.pause_schedule(integration, since_ms).await;
        kept.map_err(|error| match error.is_not_found() {
            true => Refusal::unknown(integration),
            false => Refusal::new(error.to_string()),
        })?;
        if let Some(state) = locked(&self.shared.states).get_mut(integration) {
            state.paused = since_ms.is_some();
            state.next_ms = state.next_ms.filter(|_| since_ms.is_none());
        }
        self.shared.tell();
        self.shared.news.notify_one();
        Ok(())
    }

    /// A number that grows with every change, ten times a second at most while runs
    /// are under way.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }

    /// Starts nothing any more and stops what is under way: each application is as it
    /// was or as it is. The task that [`start`](Self::start) gave ends when that is done.
    pub fn stop(&self) {
        self.shared.stop.send_replace(true);
        self.shared.news.notify_one();
    }
}

/// What a scheduler that saw an integration just now would do next.
pub fn foresee(schedule: &Schedule, rule: &Rule, now_ms: i64) -> Option<Next> {
    drive::decide(schedule, rule, &drive::past(schedule, now_ms), now_ms)
}

impl Shared {
    fn rule(&self, integration: &str) -> &Rule {
        self.rules.get(integration).unwrap_or(&self.usual)
    }

    fn is_ending(&self) -> bool {
        *self.stop.borrow()
    }

    fn tell(&self) {
        self.changed.send_modify(|count| *count += 1);
    }
}

/// What is behind a lock is whole between any two statements.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
