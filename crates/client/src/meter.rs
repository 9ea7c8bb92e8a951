//! What clients have done: each counts for itself, and with the others of its program.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What was done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests sent, retries included.
    pub requests: u64,
    /// Requests that repeated a failed one.
    pub retries: u64,
    /// Requests that were answered with 429.
    pub rate_limited: u64,
    /// Bytes of answers.
    pub bytes: u64,
    /// Milliseconds that requests waited for the rate budget, summed up.
    pub waited_ms: u64,
    /// Milliseconds between failed tries and the next, summed up.
    pub paused_ms: u64,
}

/// Counts for all clients that it is given to. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Counters>);

impl Meter {
    /// What was counted so far.
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }
}

/// What is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Counted {
    Request,
    Retry,
    RateLimited,
    Bytes(usize),
    Waited(Duration),
    Paused(Duration),
}

/// Of one client, and of all.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    own: Counters,
    shared: Meter,
}

impl Tally {
    pub(crate) fn with(shared: Meter) -> Self {
        Self { own: Counters::default(), shared }
    }

    pub(crate) fn count(&self, what: Counted) {
        self.own.count(what);
        self.shared.0.count(what);
    }

    pub(crate) fn stats(&self) -> Stats {
        self.own.stats()
    }
}

#[derive(Debug, Default)]
struct Counters {
    requests: AtomicU64,
    retries: AtomicU64,
    rate_limited: AtomicU64,
    bytes: AtomicU64,
    waited_ms: AtomicU64,
    paused_ms: AtomicU64,
}

impl Counters {
    fn count(&self, what: Counted) {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (counter, by) = match what {
            Counted::Request => (&self.requests, 1),
            Counted::Retry => (&self.retries, 1),
            Counted::RateLimited => (&self.rate_limited, 1),
            Counted::Bytes(bytes) => (&self.bytes, bytes as u64),
            Counted::Waited(time) => (&self.waited_ms, ms(time)),
            Counted::Paused(time) => (&self.paused_ms, ms(time)),
        };
        counter.fetch_add(by, Ordering::Relaxed);
    }

    fn stats(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            requests: read(&self.requests),
            retries: read(&self.retries),
            rate_limited: read(&self.rate_limited),
            bytes: read(&self.bytes),
            waited_ms: read(&self.waited_ms),
            paused_ms: read(&self.paused_ms),
        }
    }
}
