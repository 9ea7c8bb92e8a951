//! What holds requests up, and until when.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Younger requests are on their way, and hold nothing up.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why a client does not get on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// As many requests went out within a minute as may.
    Budget,
    /// The service answered with this status, and asked to be left alone for a while or
    /// is tried again later.
    Answered(u16),
    /// A connection failed, and is tried again later.
    Failed,
    /// Requests are on their way, and no answer comes.
    Unanswered,
}

/// Why a client does not get on, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// Why.
    pub why: Why,
    /// Time until it goes on, or gives up.
    pub left: Duration,
}

/// How fast requests may go, and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pace {
    /// Requests in any minute, at most.
    pub per_minute: usize,
    /// Those of them that this client may have, as far as others leave them.
    pub share: usize,
    /// How long ago each request of the last minute started, the oldest first.
    pub recent: Vec<Duration>,
    /// Time in which the budget let no request start, altogether.
    pub held: Duration,
    /// Requests that are on their way.
    pub in_flight: u64,
}

/// What each request waits for.
#[derive(Default)]
pub(crate) struct Holds(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    next: u64,
    for_budget: u64,
    until: BTreeMap<u64, (Why, Instant, Instant)>,
}

/// One request that waits; it ends with this.
pub(crate) struct Held<'h> {
    holds: &'h Holds,
    number: Option<u64>,
}

impl Holds {
    fn locked(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn for_budget(&self) -> Held<'_> {
        self.locked().for_budget += 1;
        Held { holds: self, number: None }
    }

    pub(crate) fn until(&self, why: Why, until: Instant) -> Held<'_> {
        let mut waiting = self.locked();
        let number = waiting.next;
        waiting.next += 1;
        waiting.until.insert(number, (why, Instant::now(), until));
        Held { holds: self, number: Some(number) }
    }

    pub(crate) fn in_flight(&self) -> u64 {
        let waiting = self.locked();
        waiting.until.values().filter(|(why, ..)| *why == Why::Unanswered).count() as u64
    }

    /// The budget first, for it holds up all; then what keeps every request from going on.
    pub(crate) fn now(&self, budget_is_free: Option<(Instant, Why)>) -> Option<Hold> {
        let (waiting, now) = (self.locked(), Instant::now());
        let budget = budget_is_free.filter(|(free, _)| waiting.for_budget > 0 && *free > now);
        if let Some((free, why)) = budget {
            return Some(Hold { why, left: free - now });
        }
        let is_moving = waiting.until.values().any(|(why, since, _)| {
            *why == Why::Unanswered && now.duration_since(*since) < PATIENCE
        });
        if is_moving {
            return None;
        }
        let first = waiting.until.values().min_by_key(|(_, _, until)| *until);
        first.map(|(why, _, until)| Hold { why: *why, left: until.saturating_duration_since(now) })
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut waiting = self.holds.locked();
        match self.number {
            Some(number) => drop(waiting.until.remove(&number)),
            None => waiting.for_budget -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_holds_everything_up_is_named() {
        let holds = Holds::default();
        let now = Instant::now();
        let second = Duration::from_secs;
        assert_eq!(holds.now(None), None);
        let answer = holds.until(Why::Unanswered, now + second(60));
        let pause = holds.until(Why::Answered(429), now + second(30));
        assert_eq!((holds.now(None), holds.in_flight()), (None, 1), "a request is on its way");
        tokio::time::advance(second(5)).await;
        let paused = Hold { why: Why::Answered(429), left: second(25) };
        assert_eq!(holds.now(None), Some(paused));
        {
            let _budget = holds.for_budget();
            let budget = Hold { why: Why::Budget, left: second(7) };
            assert_eq!(holds.now(Some((now + second(12), Why::Budget))), Some(budget));
        }
        assert_eq!(
            holds.now(Some((now + second(12), Why::Budget))),
            Some(paused),
            "nobody waits for it"
        );
        drop(pause);
        let silent = Hold { why: Why::Unanswered, left: second(55) };
        assert_eq!(holds.now(None), Some(silent));
        drop(answer);
        assert_eq!(holds.now(None), None);
    }
}
