//! Remembers nonces for as long as their headers can be accepted, in bounded memory.
//!
//! Tags are kept in spans of the time that their headers were signed at; a span is
//! dropped as a whole once everything in it is stale. When the bound is reached,
//! requests are refused rather than nonces forgotten.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Tags of 8 bytes remembered at most: 56,000 requests a second for the five
/// minutes of the usual window. Full, the tables take some 300 MiB.
pub(crate) const MAX_TAGS: usize = 1 << 24;

/// Spans that the time before a header becomes stale is cut into. A claim looks
/// into each of them; more of them let go of memory sooner.
const SPANS: i64 = 4;

pub(crate) struct Nonces {
    /// How far a header may lie in the past.
    past_ms: i64,
    max_tags: usize,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    spans: Vec<Span>,
    held: usize,
}

struct Span {
    index: i64,
    tags: HashSet<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    Fresh,
    Replayed,
    /// The memory is full: nothing can be said.
    Full,
}

impl Nonces {
    pub(crate) fn new(past_ms: i64, max_tags: usize) -> Self {
        Self { past_ms: past_ms.max(SPANS), max_tags, memory: Mutex::default() }
    }

    /// Claims a tag for a header that was signed at `signed_ms`, which lies within
    /// the window. Half of the tag will do: among as many as are held, two are the
    /// same by chance once in 10^12 requests.
    pub(crate) fn claim(&self, tag: [u8; 16], signed_ms: i64, now_ms: i64) -> Claim {
        let [a, b, c, d, e, f, g, h, ..] = tag;
        let tag = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.forget_before(self.index(now_ms - self.past_ms));
        if memory.spans.iter().any(|span| span.tags.contains(&tag)) {
            return Claim::Replayed;
        }
        if memory.held >= self.max_tags {
            return Claim::Full;
        }
        memory.insert(self.index(signed_ms), tag);
        Claim::Fresh
    }

    fn index(&self, ms: i64) -> i64 {
        ms.div_euclid(self.past_ms / SPANS)
    }
}

impl Memory {
    fn forget_before(&mut self, index: i64) {
        if self.spans.iter().any(|span| span.index < index) {
            self.spans.retain(|span| span.index >= index);
            self.held = self.spans.iter().map(|span| span.tags.len()).sum();
        }
    }

    fn insert(&mut self, index: i64, tag: u64) {
        self.held += 1;
        match self.spans.iter_mut().find(|span| span.index == index) {
            Some(span) => drop(span.tags.insert(tag)),
            None => self.spans.push(Span { index, tags: [tag].into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        /// Against a memory that holds every header for ever: a nonce is accepted
        /// again only when the header that it was used in is stale.
        #[test]
        fn a_nonce_is_accepted_once_while_its_header_is(
            steps in prop::collection::vec((0_u8..12, 0_i64..60, -100_i64..=100), 1..200),
        ) {
            let nonces = Nonces::new(100, 8);
            let mut accepted: HashMap<u8, i64> = HashMap::new();
            let mut now_ms = 1_000_000;
            for (tag, pause_ms, skew_ms) in steps {
                now_ms += pause_ms;
                let signed_ms = now_ms + skew_ms;
                let claim = nonces.claim([tag; 16], signed_ms, now_ms);
                let last = accepted.get(&tag).copied();
                if claim == Claim::Fresh {
                    prop_assert!(last.is_none_or(|last| last < now_ms - 100), "replay accepted");
                    accepted.insert(tag, signed_ms);
                }
                if claim == Claim::Replayed {
                    // A span is dropped as a whole: some stay a little longer.
                    let kept = last.is_some_and(|last| last >= now_ms - 100 - 100 / SPANS);
                    prop_assert!(kept, "a fresh nonce refused as replayed");
                }
                let memory = nonces.memory.lock().unwrap();
                let held: usize = memory.spans.iter().map(|span| span.tags.len()).sum();
                prop_assert!(held <= 8 && held == memory.held);
            }
        }
    }

    #[test]
    fn a_full_memory_refuses_and_recovers() {
        let nonces = Nonces::new(100, 2);
        assert_eq!(nonces.claim([1; 16], 1000, 1000), Claim::Fresh);
        assert_eq!(nonces.claim([2; 16], 1000, 1000), Claim::Fresh);
        assert_eq!(nonces.claim([3; 16], 1000, 1000), Claim::Full);
        assert_eq!(nonces.claim([1; 16], 1000, 1000), Claim::Replayed);
        assert_eq!(nonces.claim([3; 16], 1300, 1300), Claim::Fresh);
    }
}
