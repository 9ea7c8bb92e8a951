//! How much one token may ask for: so many requests a minute, in bursts, and so many at once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// What one token may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Requests a minute, evenly; default 6000.
    pub per_minute: u32,
    /// Requests that may come at once after a pause; a tenth of that.
    pub burst: u32,
    /// Requests that are answered at once; default 32.
    pub in_flight: u32,
}

impl Budget {
    /// So many a minute, a tenth of them in one burst.
    pub fn of(per_minute: u32, in_flight: u32) -> Self {
        Self { per_minute, burst: (per_minute / 10).max(1), in_flight }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::of(6000, 32)
    }
}

/// Tokens that are remembered at most; beyond, those that have their whole burst are
/// forgotten, which changes nothing for them.
const REMEMBERED: usize = 10_000;

/// Milliseconds that a request is worth are counted in thousandths.
const SCALE: i64 = 1000;

/// What each token has left.
#[derive(Debug)]
pub(crate) struct Limiter<K: Eq + Hash> {
    budget: Budget,
    held: Mutex<HashMap<K, Held>>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    /// When its whole burst is there again, in thousandths of milliseconds.
    whole_at: i64,
    in_flight: u32,
}

/// A request under way; its place is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay<K: Eq + Hash> {
    limiter: Arc<Limiter<K>>,
    token: K,
}

/// Why a request has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// Too many in the last time: seconds to wait.
    TooOften(u64),
    /// Too many at once.
    TooMany,
}

impl<K: Eq + Hash + Copy> Limiter<K> {
    pub(crate) fn new(budget: Budget) -> Self {
        Self { budget, held: Mutex::default() }
    }

    /// Counts a request.
    pub(crate) fn enter(self: &Arc<Self>, token: K, now_ms: i64) -> Result<UnderWay<K>, Full> {
        let Budget { per_minute, burst, in_flight } = self.budget;
        let each = 60_000 * SCALE / i64::from(per_minute.max(1));
        let now = now_ms.saturating_mul(SCALE);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= REMEMBERED {
            held.retain(|_, one| one.in_flight > 0 || one.whole_at > now);
        }
        let one = held.entry(token).or_insert(Held { whole_at: now, in_flight: 0 });
        if one.in_flight >= in_flight {
            return Err(Full::TooMany);
        }
        // A clock that was set back costs no more than the whole burst.
        let ahead = (one.whole_at - now).clamp(0, each * i64::from(burst));
        one.whole_at = now + ahead;
        let over = ahead + each - each * i64::from(burst.max(1));
        if over > 0 {
            let seconds = u64::try_from(over).unwrap_or_default().div_ceil(1_000_000);
            return Err(Full::TooOften(seconds.max(1)));
        }
        one.whole_at = now + ahead + each;
        one.in_flight += 1;
        Ok(UnderWay { limiter: Arc::clone(self), token })
    }
}

impl<K: Eq + Hash> Drop for UnderWay<K> {
    fn drop(&mut self) {
        let mut held = self.limiter.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(one) = held.get_mut(&self.token) {
            one.in_flight = one.in_flight.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(per_minute: u32, burst: u32, in_flight: u32) -> Arc<Limiter<u8>> {
        Arc::new(Limiter::new(Budget { per_minute, burst, in_flight }))
    }

    fn passes(limiter: &Arc<Limiter<u8>>, token: u8, now_ms: i64) -> Result<(), Full> {
        limiter.enter(token, now_ms).map(drop)
    }

    #[test]
    fn a_burst_and_then_evenly_each_token_for_itself() {
        let limiter = limiter(60, 3, 9);
        for _ in 0..3 {
            assert_eq!(passes(&limiter, 1, 0), Ok(()));
        }
        assert_eq!(passes(&limiter, 1, 0), Err(Full::TooOften(1)));
        assert_eq!(passes(&limiter, 2, 0), Ok(()), "another token");
        assert_eq!(passes(&limiter, 1, 999), Err(Full::TooOften(1)));
        assert_eq!(passes(&limiter, 1, 1000), Ok(()));
        assert_eq!(passes(&limiter, 1, 1000), Err(Full::TooOften(1)));
        // After a long pause the burst is there again, and no more than that.
        let passed = (0..9).filter(|_| passes(&limiter, 1, 900_000).is_ok()).count();
        assert_eq!(passed, 3);
        // A clock that is set back takes nothing away for long.
        let passed = (0..9).filter(|_| passes(&limiter, 1, 10_000).is_ok()).count();
        assert_eq!(passed, 0);
        assert_eq!(passes(&limiter, 1, 11_000), Ok(()));
    }

    #[test]
    fn so_many_at_once_and_what_ends_makes_room() {
        let limiter = limiter(6000, 100, 2);
        let first = limiter.enter(1, 0);
        let second = limiter.enter(1, 0);
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(passes(&limiter, 1, 0), Err(Full::TooMany));
        assert_eq!(passes(&limiter, 2, 0), Ok(()));
        drop(first);
        assert_eq!(passes(&limiter, 1, 0), Ok(()));
    }
}
