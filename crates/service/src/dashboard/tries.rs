//! Tries to sign in from one address: so many a minute.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::web::Stop;

const A_MINUTE: u32 = 60;
const WINDOW_MS: i64 = 60_000;
/// Addresses counted at once; when there are more, all of them wait.
const MAX_ADDRESSES: usize = 10_000;

#[derive(Default)]
pub(super) struct Tries(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    began_ms: i64,
    counts: HashMap<String, u32>,
}

impl Tries {
    pub(super) fn count(&self, address: &str, now_ms: i64) -> Result<(), Stop> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !(0..WINDOW_MS).contains(&(now_ms - held.began_ms)) {
            *held = Counts { began_ms: now_ms, counts: HashMap::new() };
        }
        let is_crowded = held.counts.len() >= MAX_ADDRESSES && !held.counts.contains_key(address);
        let left_ms = WINDOW_MS - (now_ms - held.began_ms);
        if !is_crowded {
            let count = held.counts.entry(address.to_owned()).or_default();
            *count = count.saturating_add(1);
            if *count <= A_MINUTE {
                return Ok(());
            }
        }
        Err(Stop::TooMany(u64::try_from(left_ms).unwrap_or_default().div_ceil(1000)))
    }
}
