//! The rate budget: in any minute at most N requests start, whoever sends them.
//!
//! A ring of the last N start times, not a bucket: the service's own window may
//! begin at any moment, and a bucket that refills lets twice N through one of
//! them.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

const WINDOW: Duration = Duration::from_secs(60);

pub(crate) struct Budget {
    limit: usize,
    started: Mutex<VecDeque<Instant>>,
}

impl Budget {
    pub(crate) fn new(per_minute: u32) -> Self {
        Self { limit: per_minute.max(1) as usize, started: Mutex::default() }
    }

    /// Returns when one more request may start, and how long that took.
    pub(crate) async fn wait(&self) -> Duration {
        let asked = Instant::now();
        // Held while waiting: those who came first start first.
        let mut started = self.started.lock().await;
        if started.len() >= self.limit
            && let Some(oldest) = started.front().copied()
        {
            sleep_until(oldest + WINDOW).await;
            // Only now: who gives up while waiting must leave the ring as it was.
            started.pop_front();
        }
        let now = Instant::now();
        started.push_back(now);
        now - asked
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
    }
}
