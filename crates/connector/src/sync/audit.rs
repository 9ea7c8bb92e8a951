//! The daily audit of what incremental reading saves: which applications are read completely
//! that would not be, and what counts as missed. Pure.

use serde::{Deserialize, Serialize};

use crate::times::DAY_MS;

/// The part of the applications that are not read, or only in part, that an audit reads.
pub const USUAL_SHARE: f64 = 0.02;

/// Why an application would not have been read completely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Saving {
    /// It would not have been read: its dates had not moved, and the sweep was not due.
    Dates,
    /// It would have been read without the lists that its record says are empty.
    Scans,
}

/// Findings that incremental reading would have missed; none are expected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Missed {
    /// Those that are different from what is stored, although the dates of their application
    /// had not moved since it was read.
    pub by_dates: u64,
    /// Those in lists that were believed to be empty.
    pub by_scans: u64,
}

impl Missed {
    /// Of one application: how many findings were new, changed, reopened or closed, and how
    /// many were in lists that its record says are empty. The latter are new as well.
    pub fn of(saving: Saving, different: u64, unexpected: u64) -> Self {
        let by_dates = match saving {
            Saving::Dates => different.saturating_sub(unexpected),
            // It was due: what is different was not missed.
            Saving::Scans => 0,
        };
        Self { by_dates, by_scans: unexpected }
    }
}

/// Whether the last audit, or where there was none the first reading, was on another day, in
/// UTC: a schedule of any period has one audit a day.
pub fn is_due(last_ms: i64, now_ms: i64) -> bool {
    last_ms.div_euclid(DAY_MS) != now_ms.div_euclid(DAY_MS)
}

/// A random part of the candidates: the share, and one at least; none with a share of 0.
/// `draw` gives random numbers.
pub fn choose(mut candidates: Vec<usize>, share: f64, mut draw: impl FnMut() -> u64) -> Vec<usize> {
    if share <= 0.0 {
        return Vec::new();
    }
    // A share is 1 at most, and so many candidates are exact.
    let wanted = (candidates.len() as f64 * share).round() as usize;
    let count = wanted.max(1).min(candidates.len());
    for at in 0..count {
        let left = (candidates.len() - at) as u64;
        candidates.swap(at, at + (draw() % left) as usize);
    }
    candidates.truncate(count);
    candidates
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_reads_its_share_and_each_once(count in 0_usize..300, share in 0.0..=1.0, seed: u64) {
            let mut state = seed;
            let draw = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
                state >> 16
            };
            let mut chosen = choose((0..count).collect(), share, draw);
            let wanted = if share == 0.0 { 0 } else { (count as f64 * share).round() as usize };
            prop_assert_eq!(chosen.len(), if share > 0.0 { wanted.max(count.min(1)) } else { 0 });
            chosen.sort_unstable();
            chosen.dedup();
            prop_assert!(chosen.len() == wanted.max(usize::from(share > 0.0 && count > 0)));
            prop_assert!(chosen.iter().all(|at| *at < count));
        }
    }

    #[test]
    fn everybody_is_chosen_at_some_time() {
        let mut state = 1_u64;
        let mut chosen = std::collections::HashSet::new();
        for _ in 0..2_000 {
            let draw = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
                state >> 16
            };
            chosen.extend(choose((0..50).collect(), 0.02, draw));
        }
        assert_eq!(chosen.len(), 50);
    }

    #[test]
    fn one_a_day_whatever_the_hour() {
        let noon = 20_000 * DAY_MS + DAY_MS / 2;
        assert!(!is_due(noon, noon) && !is_due(noon - DAY_MS / 2, noon));
        assert!(is_due(noon - DAY_MS / 2 - 1, noon));
        assert!(is_due(noon + DAY_MS, noon), "a clock that was set back");
    }

    #[test]
    fn what_was_due_is_not_missed_and_what_should_be_empty_is() {
        for (saving, different, unexpected, by_dates, by_scans) in [
            (Saving::Dates, 0, 0, 0, 0),
            (Saving::Dates, 3, 0, 3, 0),
            (Saving::Dates, 3, 2, 1, 2),
            (Saving::Dates, 0, 2, 0, 2),
            (Saving::Scans, 3, 0, 0, 0),
            (Saving::Scans, 3, 2, 0, 2),
        ] {
            let missed = Missed::of(saving, different, unexpected);
            assert_eq!(missed, Missed { by_dates, by_scans }, "{saving:?}");
        }
    }
}
