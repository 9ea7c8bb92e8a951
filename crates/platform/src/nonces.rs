//! Remembers nonces for the time window, in bounded memory.
//!
//! Two generations: a tag is looked for in both and put into the younger one;
//! a generation is dropped once everything in it is older than the window. When
//! the bound is reached, requests are refused rather than nonces forgotten.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Tags of 16 bytes remembered at most. A table of so many has 2^22 places of
/// 17 bytes: 68 MiB, half as much again while it grows.
pub(crate) const MAX_TAGS: usize = 1 << 21;

pub(crate) struct Nonces {
    /// Longest time between two moments at which one header can be accepted.
    keep_ms: i64,
    max_tags: usize,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    younger: HashSet<[u8; 16]>,
    older: HashSet<[u8; 16]>,
    younger_since_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    Fresh,
    Replayed,
    /// The memory is full: nothing can be said.
    Full,
}

impl Nonces {
    pub(crate) fn new(keep_ms: i64, max_tags: usize) -> Self {
        Self { keep_ms, max_tags, memory: Mutex::default() }
    }

    pub(crate) fn claim(&self, tag: [u8; 16], now_ms: i64) -> Claim {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let age_ms = now_ms - memory.younger_since_ms;
        if age_ms >= self.keep_ms {
            // Nothing in the older generation is younger than this one's start.
            memory.older = std::mem::take(&mut memory.younger);
            if age_ms >= 2 * self.keep_ms {
                memory.older.clear();
            }
            memory.younger_since_ms = now_ms;
        }
        if memory.younger.contains(&tag) || memory.older.contains(&tag) {
            return Claim::Replayed;
        }
        if memory.younger.len() + memory.older.len() >= self.max_tags {
            return Claim::Full;
        }
        memory.younger.insert(tag);
        Claim::Fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn a_tag_is_accepted_once_per_window_within_the_bound(
            steps in prop::collection::vec((0_u8..12, 0_i64..60), 1..200),
        ) {
            let nonces = Nonces::new(100, 8);
            let mut accepted: HashMap<u8, i64> = HashMap::new();
            let mut now_ms = 1_000_000;
            for (tag, pause_ms) in steps {
                now_ms += pause_ms;
                let claim = nonces.claim([tag; 16], now_ms);
                let last = accepted.get(&tag).copied();
                if claim == Claim::Fresh {
                    prop_assert!(last.is_none_or(|last| now_ms - last >= 100), "replay accepted");
                    accepted.insert(tag, now_ms);
                }
                if claim == Claim::Replayed {
                    prop_assert!(last.is_some(), "a fresh nonce refused as replayed");
                }
                let memory = nonces.memory.lock().unwrap();
                prop_assert!(memory.younger.len() + memory.older.len() <= 8);
            }
        }
    }

    #[test]
    fn a_full_memory_refuses_and_recovers() {
        let nonces = Nonces::new(100, 2);
        assert_eq!(nonces.claim([1; 16], 1000), Claim::Fresh);
        assert_eq!(nonces.claim([2; 16], 1000), Claim::Fresh);
        assert_eq!(nonces.claim([3; 16], 1000), Claim::Full);
        assert_eq!(nonces.claim([3; 16], 1300), Claim::Fresh);
    }
}
