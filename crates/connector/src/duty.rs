//! Runs each integration's sync when its plan says so, and tells where it stands; has the
//! rounds walked that watch over credentials and the store.
//!
//! `plan` is pure and decides; `drive` is the one loop that waits, starts and notes. What a run is, how
//! time passes and what the settings say is given. A run is noted in the store before it
//! starts and when it ended: a process that died in between, or a machine that slept,
//! finds out at the next look, and catches up once.

mod drive;
mod plan;
mod rounds;
mod terms;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use countersign_store::Schedule;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

pub use plan::{Next, Reads, Rule};
pub use rounds::{Round, Wait, Waiting, walk};
pub use terms::{Config, Ended, Job, Run, Running, State, Stop};
use terms::{Rules, Shared, locked};

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
            rules: Mutex::new(Rules { usual: config.usual.clone(), named: config.rules.clone() }),
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

    /// From now on integrations are run by these rules: those that are named by theirs.
    pub fn set_rules(&self, usual: Rule, named: BTreeMap<String, Rule>) {
        *locked(&self.shared.rules) = Rules { usual, named };
        self.shared.news.notify_one();
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
