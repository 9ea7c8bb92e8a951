//! The rate budget: in any minute at most N requests start, whoever sends them.

mod minute;

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::holds::{Pace, Why};
pub(crate) use minute::LONGEST_CLOSED;
pub use minute::{Ask, Given, Minute, ShareOfMinute, Urgency};

const WINDOW: Duration = Duration::from_millis(minute::WINDOW_MS as u64);

/// Places that were given and not used for so long are used up.
const FRESH: Duration = Duration::from_millis(500);

/// The longest time between two questions of somebody who waits.
const LONGEST_WAIT: Duration = Duration::from_secs(130);

/// An answer that is waited for; fails with what is wrong, in a sentence.
pub type Answered<'l> = Pin<Box<dyn Future<Output = Result<Given, String>> + Send + 'l>>;

/// Keeps the [`Minute`] of each host for all who share it, and lets one ask at a time.
pub trait Ledger: Send + Sync {
    /// Asks the minute of the host that is named.
    fn ask(&self, ask: Ask) -> Answered<'_>;
}

/// At most so many starts in any minute, together with whoever has the same ledger. Clones
/// are one budget.
#[derive(Clone)]
pub struct Budget(Arc<Pool>);

struct Pool {
    limit: u32,
    host: String,
    ledger: Option<Arc<dyn Ledger>>,
    /// Of this process alone: what it knows when there is no ledger, or none that answers.
    alone: Mutex<Minute>,
    began: Instant,
    holders: AtomicU64,
    was_told: AtomicBool,
}

impl Budget {
    /// Of those that have a clone of it.
    pub fn alone(per_minute: u32) -> Self {
        Self::new(per_minute, "", None)
    }

    /// Together with all who ask the same ledger for this host.
    pub fn shared(per_minute: u32, host: &str, ledger: Arc<dyn Ledger>) -> Self {
        Self::new(per_minute, host, Some(ledger))
    }

    fn new(per_minute: u32, host: &str, ledger: Option<Arc<dyn Ledger>>) -> Self {
        Self(Arc::new(Pool {
            limit: per_minute.max(1),
            host: host.to_owned(),
            ledger,
            alone: Mutex::default(),
            began: Instant::now(),
            holders: AtomicU64::new(0),
            was_told: AtomicBool::new(false),
        }))
    }

    /// One who asks: those of a line start in the order in which they came.
    pub(crate) fn line(&self, share: &str, urgency: Urgency) -> Line {
        Line {
            budget: self.clone(),
            share: share.to_owned(),
            urgency,
            holder: self.0.holders.fetch_add(1, Ordering::Relaxed),
            turn: tokio::sync::Mutex::default(),
            state: Mutex::default(),
        }
    }

    async fn ask(&self, ask: Ask) -> Given {
        let inner = &self.0;
        let Some(ledger) = &inner.ledger else { return inner.ask_alone(&ask) };
        match ledger.ask(ask.clone()).await {
            Ok(given) => {
                // It is known here too, should the ledger fail at the next question.
                let known = Ask { places: given.places, limit: u32::MAX, ..ask };
                inner.ask_alone(&known);
                given
            }
            Err(what) => {
                if !inner.was_told.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        "requests of other processes are not counted: {what}; each process keeps to `client.requests_per_minute` by itself"
                    );
                }
                inner.ask_alone(&ask)
            }
        }
    }
}

impl Pool {
    fn ask_alone(&self, ask: &Ask) -> Given {
        let now_ms = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        locked(&self.alone).ask(ask, now_ms)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_shared = self.0.ledger.is_some();
        write!(f, "{} a minute{}", self.0.limit, if is_shared { ", shared" } else { "" })
    }
}

/// Requests of one client that wait for their places.
pub(crate) struct Line {
    budget: Budget,
    share: String,
    urgency: Urgency,
    holder: u64,
    /// Held while waiting: those who came first start first.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Requests that are ready to start.
    ready: u32,
    /// Places that were given for them, and when.
    given: Option<(u32, Instant)>,
    started: VecDeque<Instant>,
    others: u32,
    /// Since when the one whose turn it is waits, until when, and why.
    waiting: Option<(Instant, Instant, Why)>,
    held: Duration,
}

/// Ends the wait, however it ends.
struct Ready<'l>(&'l Line);

impl Line {
    /// Returns when one more request may start, and how long that took.
    pub(crate) async fn wait(&self) -> Duration {
        let asked = Instant::now();
        locked(&self.state).ready += 1;
        let _ready = Ready(self);
        let _turn = self.turn.lock().await;
        while !self.start() {
            let places = locked(&self.state).ready.clamp(1, (self.budget.0.limit / 10).max(1));
            let given = self.budget.ask(Ask { places, ..self.question() }).await;
            let now = Instant::now();
            let until = now + given.wait.min(LONGEST_WAIT);
            {
                let mut state = locked(&self.state);
                state.others = given.others;
                state.given = Some((given.places, now));
                if given.places == 0 {
                    let why = if given.is_closed { Why::Answered(429) } else { Why::Budget };
                    state.waiting = Some((now, until, why));
                }
            }
            if given.places == 0 {
                let _waiting = Waiting(self);
                sleep_until(until).await;
            }
        }
        asked.elapsed()
    }

    /// Uses one of the places that were given.
    fn start(&self) -> bool {
        let (mut state, now) = (locked(&self.state), Instant::now());
        let fresh = state.given.filter(|(places, at)| *places > 0 && now - *at < FRESH);
        state.given = fresh.map(|(places, at)| (places - 1, at));
        if fresh.is_some() {
            while state.started.front().is_some_and(|start| now - *start >= WINDOW) {
                state.started.pop_front();
            }
            state.started.push_back(now);
        }
        fresh.is_some()
    }

    /// The service answered 429: all who share the budget wait for so long.
    pub(crate) async fn close(&self, wait: Duration) {
        self.budget.ask(Ask { close: Some(wait), ..self.question() }).await;
    }

    fn question(&self) -> Ask {
        let Pool { limit, host, .. } = &*self.budget.0;
        Ask {
            host: host.clone(),
            limit: *limit,
            share: self.share.clone(),
            urgency: self.urgency,
            holder: self.holder,
            places: 0,
            close: None,
        }
    }

    /// When the next request may start, if none may now, and why.
    pub(crate) fn free_at(&self) -> Option<(Instant, Why)> {
        locked(&self.state).waiting.map(|(_, until, why)| (until, why))
    }

    pub(crate) fn pace(&self) -> Pace {
        let (state, now) = (locked(&self.state), Instant::now());
        let limit = self.budget.0.limit;
        let of_programs = limit - minute::little(limit);
        let ages = state.started.iter().map(|start| now.duration_since(*start));
        let current = state.waiting.map(|(since, ..)| now.duration_since(since));
        Pace {
            per_minute: limit as usize,
            // However much others had: of two, each gets half.
            share: of_programs.saturating_sub(state.others).max(of_programs / 2) as usize,
            recent: ages.filter(|age| *age < WINDOW).collect(),
            held: state.held + current.unwrap_or_default(),
            in_flight: 0,
        }
    }
}

/// Ends a pause, however it ends.
struct Waiting<'l>(&'l Line);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = locked(&self.0.state);
        let waited = state.waiting.take().map(|(since, ..)| since.elapsed()).unwrap_or_default();
        state.held += waited;
    }
}

impl Drop for Ready<'_> {
    fn drop(&mut self) {
        locked(&self.0.state).ready -= 1;
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(budget: &Budget) -> Line {
        budget.line("prod", Urgency::Background)
    }

    #[tokio::test(start_paused = true)]
    async fn no_minute_holds_more_than_the_limit() {
        let line = line(&Budget::alone(7));
        let mut starts = Vec::new();
        for n in 0..50_u64 {
            tokio::time::advance(Duration::from_secs(n * n % 13)).await;
            line.wait().await;
            starts.push(Instant::now());
        }
        for (at, start) in starts.iter().enumerate() {
            let within = starts[at..].iter().filter(|later| **later - *start < WINDOW).count();
            assert!(within <= 7, "{within} starts in one minute");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_waiting_makes_no_room() {
        let line = line(&Budget::alone(3));
        let begin = Instant::now();
        for _ in 0..3 {
            line.wait().await;
        }
        for _ in 0..5 {
            let given_up = tokio::time::timeout(Duration::from_secs(1), line.wait()).await;
            assert!(given_up.is_err());
        }
        line.wait().await;
        assert!(Instant::now() - begin >= WINDOW);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_minute_is_not_held_up_and_leaves_room_for_people() {
        let budget = Budget::alone(500);
        let (line, person) = (line(&budget), budget.line("prod", Urgency::Interactive));
        let begin = Instant::now();
        for _ in 0..495 {
            line.wait().await;
        }
        assert_eq!(Instant::now(), begin);
        assert!(tokio::time::timeout(Duration::from_secs(9), line.wait()).await.is_err());
        for _ in 0..5 {
            person.wait().await;
        }
        assert_eq!(Instant::now(), begin + Duration::from_secs(9), "a person does not wait");
        line.wait().await;
        assert!(Instant::now() >= begin + WINDOW);
        let pace = line.pace();
        assert_eq!((pace.per_minute, pace.share, pace.recent.len()), (500, 495, 1));
        assert!(pace.held >= WINDOW, "{:?}", pace.held);
    }

    #[tokio::test(start_paused = true)]
    async fn all_hear_that_the_service_was_asked_too_often() {
        let budget = Budget::alone(500);
        let (one, other) = (line(&budget), budget.line("test", Urgency::Interactive));
        one.wait().await;
        one.close(Duration::from_secs(30)).await;
        let begin = Instant::now();
        let waiting = async {
            other.wait().await;
            assert_eq!(Instant::now() - begin, Duration::from_secs(30));
        };
        let seen = async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            let (until, why) = other.free_at().expect("it waits");
            assert_eq!((until - begin, why), (Duration::from_secs(30), Why::Answered(429)));
        };
        tokio::join!(waiting, seen);
    }

    /// Fails from the given question on.
    struct Failing(std::sync::atomic::AtomicI64);

    impl Ledger for Failing {
        fn ask(&self, ask: Ask) -> Answered<'_> {
            let left = self.0.fetch_sub(1, Ordering::Relaxed);
            Box::pin(async move {
                if left <= 0 { Err("gone".into()) } else { Ok(Minute::default().ask(&ask, 0)) }
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_its_ledger_a_process_keeps_to_the_limit_by_itself() {
        let budget = Budget::shared(5, "", Arc::new(Failing(4.into())));
        let line = line(&budget);
        let begin = Instant::now();
        for _ in 0..5 {
            line.wait().await;
        }
        assert_eq!(Instant::now(), begin);
        assert!(tokio::time::timeout(Duration::from_secs(59), line.wait()).await.is_err());
    }
}
