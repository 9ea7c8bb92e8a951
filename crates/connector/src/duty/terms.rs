//! What the handle and the loop have in common: what a scheduler needs, what it tells.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_store::Store;
use tokio::sync::{Notify, watch};

use super::plan::{Reads, Rule};
use super::rounds::{Round, Wait, Waiting};
use crate::{Clock, Fault, Random, sync};

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
pub struct Stop(pub(super) watch::Receiver<bool>);

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
    /// Whether another process has taken the run over.
    pub is_elsewhere: bool,
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
    /// What else is done in between.
    pub rounds: Vec<Round>,
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
    /// When it last told of a step; not before it started.
    pub moved_ms: i64,
}

/// What the handle and the loop have in common.
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) states: Mutex<BTreeMap<String, State>>,
    /// By integration: whether closures are accepted.
    pub(super) wishes: Mutex<BTreeMap<String, bool>>,
    pub(super) news: Notify,
    pub(super) changed: watch::Sender<u64>,
    pub(super) stop: watch::Sender<bool>,
    pub(super) rules: Mutex<Rules>,
}

/// When integrations are run.
pub(super) struct Rules {
    /// Those that are not named.
    pub(super) usual: Rule,
    pub(super) named: BTreeMap<String, Rule>,
}

impl Shared {
    pub(super) fn rule(&self, integration: &str) -> Rule {
        let rules = locked(&self.rules);
        rules.named.get(integration).unwrap_or(&rules.usual).clone()
    }

    pub(super) fn is_ending(&self) -> bool {
        *self.stop.borrow()
    }

    pub(super) fn tell(&self) {
        self.changed.send_modify(|count| *count += 1);
    }
}

/// What is behind a lock is whole between any two statements.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
