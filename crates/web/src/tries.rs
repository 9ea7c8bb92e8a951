//! Requests from one address: so many a minute. For steps of a sign-in, whichever they
//! are.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::places::Origin;

const PER_MINUTE: u8 = 60;
const WINDOW_MS: i64 = 60_000;
/// Counters in each row.
const COUNTERS: usize = 16 * 1024;

/// Counts by address, in a memory that no number of addresses enlarges: each address has
/// a counter in either of two rows, and counts as often as the lower of them says. Who
/// sends from a thousand addresses until all are refused has one other address in 270
/// refused with them, for a minute; a table that is full would refuse all others.
pub struct Tries {
    rows: [RandomState; 2],
    counts: Mutex<Counts>,
}

struct Counts {
    began_ms: i64,
    rows: [Vec<u8>; 2],
}

impl Default for Tries {
    fn default() -> Self {
        let counts = Counts { began_ms: i64::MIN, rows: [vec![0; COUNTERS], vec![0; COUNTERS]] };
        Self { rows: [RandomState::new(), RandomState::new()], counts: Mutex::new(counts) }
    }
}

impl Tries {
    /// Counts one; the error is the number of seconds to wait. Clients without an address
    /// are counted together, and those of an IPv6 network of 64 bits.
    pub fn count(&self, address: Option<IpAddr>, now_ms: i64) -> Result<(), u64> {
        let origin = address.map_or(Origin::Local, Origin::from);
        let [one, two] = self.rows.each_ref().map(|row| row.hash_one(origin) as usize % COUNTERS);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if !(0..WINDOW_MS).contains(&now_ms.saturating_sub(counts.began_ms)) {
            counts.began_ms = now_ms;
            counts.rows.iter_mut().for_each(|row| row.fill(0));
        }
        let left_ms = WINDOW_MS - (now_ms - counts.began_ms);
        let [row_one, row_two] = &mut counts.rows;
        let (one, two) = (&mut row_one[one], &mut row_two[two]);
        if *one >= PER_MINUTE && *two >= PER_MINUTE {
            return Err(u64::try_from(left_ms).unwrap_or_default().div_ceil(1000).max(1));
        }
        *one = one.saturating_add(1);
        *two = two.saturating_add(1);
        Ok(())
    }
}

impl std::fmt::Debug for Tries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tries").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> Option<IpAddr> {
        Some(IpAddr::from((0xc633_6400 + number).to_be_bytes()))
    }

    #[test]
    fn sixty_a_minute_and_address() {
        let tries = Tries::default();
        for _ in 0..PER_MINUTE {
            assert_eq!(tries.count(address(1), 500), Ok(()));
        }
        assert_eq!(tries.count(address(1), 500), Err(60));
        assert_eq!(tries.count(address(1), 60_499), Err(1));
        assert_eq!(tries.count(address(2), 60_499), Ok(()));
        assert_eq!(tries.count(None, 60_499), Ok(()));
        assert_eq!(tries.count(address(1), 60_500), Ok(()), "the next minute");
        assert_eq!(tries.count(address(1), 0), Ok(()), "a clock that was set back");
    }

    #[test]
    fn many_addresses_do_not_shut_others_out() {
        let tries = Tries::default();
        for number in 0..1000 {
            while tries.count(address(number), 0).is_ok() {}
        }
        let refused = (10_000..11_000).filter(|number| tries.count(address(*number), 0).is_err());
        assert!(refused.count() < 30);
    }
}
