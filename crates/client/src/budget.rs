//! The rate budget: in any minute at most N requests start, whoever sends them.
//!
//! A ring of the last N start times, not a bucket: the service's own window may
//! begin at any moment, and a bucket that refills lets twice N through one of
//! them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::holds::Pace;

const WINDOW: Duration = Duration::from_secs(60);

pub(crate) struct Budget {
    limit: usize,
    /// Held while waiting: those who came first start first.
    turn: tokio::sync::Mutex<()>,
    ring: Mutex<Ring>,
}

#[derive(Default)]
struct Ring {
    started: VecDeque<Instant>,
    /// Since when the one whose turn it is waits.
    waiting: Option<Instant>,
    held: Duration,
}

/// Ends the wait, however it ends.
struct Waiting<'b>(&'b Budget);

impl Budget {
    pub(crate) fn new(per_minute: u32) -> Self {
        Self { limit: per_minute.max(1) as usize, turn: Default::default(), ring: Mutex::default() }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when one more request may start, and how long that took.
    pub(crate) async fn wait(&self) -> Duration {
        let asked = Instant::now();
        let _turn = self.turn.lock().await;
        if let Some(free) = self.free_at() {
            self.ring().waiting = Some(Instant::now());
            let waiting = Waiting(self);
            sleep_until(free).await;
            drop(waiting);
            // Only now: who gives up while waiting must leave the ring as it was.
            self.ring().started.pop_front();
        }
        let now = Instant::now();
        self.ring().started.push_back(now);
        now - asked
    }

    /// When the next request may start, if the ring is full.
    pub(crate) fn free_at(&self) -> Option<Instant> {
        let ring = self.ring();
        let oldest = ring.started.front().filter(|_| ring.started.len() >= self.limit);
        oldest.map(|oldest| *oldest + WINDOW)
    }

    pub(crate) fn pace(&self) -> Pace {
        let (ring, now) = (self.ring(), Instant::now());
        let ages = ring.started.iter().map(|start| now.duration_since(*start));
        let current = ring.waiting.map(|since| now.duration_since(since)).unwrap_or_default();
        Pace {
            per_minute: self.limit,
            recent: ages.filter(|age| *age < WINDOW).collect(),
            held: ring.held + current,
            in_flight: 0,
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut ring = self.0.ring();
        let waited = ring.waiting.take().map(|since| since.elapsed()).unwrap_or_default();
        ring.held += waited;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test(start_paused = true)]
    async fn no_minute_holds_more_than_the_limit() {
        let budget = Arc::new(Budget::new(7));
        let mut starts = Vec::new();
        for n in 0..50_u64 {
            tokio::time::advance(Duration::from_secs(n * n % 13)).await;
            budget.wait().await;
            starts.push(Instant::now());
        }
        for (at, start) in starts.iter().enumerate() {
            let within = starts[at..].iter().filter(|later| **later - *start < WINDOW).count();
            assert!(within <= 7, "{within} starts in one minute");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_waiting_makes_no_room() {
        let budget = Budget::new(3);
        let begin = Instant::now();
        for _ in 0..3 {
            budget.wait().await;
        }
        for _ in 0..5 {
            let given_up = tokio::time::timeout(Duration::from_secs(1), budget.wait()).await;
            assert!(given_up.is_err());
        }
        budget.wait().await;
        assert_eq!(Instant::now() - begin, WINDOW);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_minute_is_not_held_up() {
        let budget = Budget::new(500);
        let begin = Instant::now();
        for _ in 0..500 {
            budget.wait().await;
        }
        assert_eq!(Instant::now(), begin);
        budget.wait().await;
        assert_eq!(Instant::now() - begin, WINDOW);
        let pace = budget.pace();
        assert_eq!((pace.per_minute, pace.recent.len(), pace.held), (500, 1, WINDOW));
    }
}
