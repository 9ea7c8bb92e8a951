//! At most N requests a minute from one address, in fixed windows on the
//! platform's clock.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

const WINDOW_MS: i64 = 60_000;
/// Addresses counted at once; more share one count.
const MAX_ADDRESSES: usize = 10_000;

pub(crate) struct Limit {
    per_minute: Option<u32>,
    window: Mutex<Window>,
}

#[derive(Default)]
struct Window {
    began_ms: i64,
    counts: HashMap<Option<IpAddr>, u32>,
}

impl Limit {
    pub(crate) fn new(per_minute: Option<u32>) -> Self {
        Self { per_minute, window: Mutex::default() }
    }

    /// Counts a request; answers the seconds to wait when there were too many.
    pub(crate) fn count(&self, address: IpAddr, now_ms: i64) -> Result<(), u64> {
        let Some(per_minute) = self.per_minute else { return Ok(()) };
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if !(0..WINDOW_MS).contains(&(now_ms - window.began_ms)) {
            window.began_ms = now_ms;
            window.counts.clear();
        }
        let is_crowded = window.counts.len() >= MAX_ADDRESSES;
        let key = Some(address).filter(|a| !is_crowded || window.counts.contains_key(&Some(*a)));
        let left_ms = WINDOW_MS - (now_ms - window.began_ms);
        let count = window.counts.entry(key).or_default();
        if *count >= per_minute {
            return Err(u64::try_from(left_ms).unwrap_or_default().div_ceil(1000).max(1));
        }
        *count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_holds_for_each_address_and_ends_with_the_minute() {
        let limit = Limit::new(Some(2));
        let (a, b) = ([127, 0, 0, 1].into(), [127, 0, 0, 2].into());
        assert_eq!((limit.count(a, 0), limit.count(a, 1)), (Ok(()), Ok(())));
        assert_eq!(limit.count(a, 30_500), Err(30));
        assert_eq!(limit.count(b, 30_500), Ok(()));
        assert_eq!(limit.count(a, 60_000), Ok(()));
        let off = Limit::new(None);
        assert!((0..10_000).all(|_| off.count(a, 0).is_ok()));
    }
}
