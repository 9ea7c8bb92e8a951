//! When an application is read again although nothing says that it changed, and how often, by
//! what audits found. Pure.
//!
//! An application is due once in each period, at a moment that its guid decides: a tenant that
//! was read at once is not due at once. It is read by the first run after that moment, so what
//! is stored of it is never older than the period and the distance between two runs.

use sha2::{Digest, Sha256};

use crate::times::DAY_MS;

/// The period as it is configured, unless configured otherwise.
pub const USUAL_MS: i64 = 10 * DAY_MS;
/// Audits make the period no shorter.
pub const FLOOR_MS: i64 = DAY_MS;
/// So many audits in a row that missed nothing make it longer again.
pub const CLEAN: u32 = 7;

/// The period, and how many audits in a row missed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Milliseconds.
    pub period_ms: i64,
    /// Audits.
    pub clean: u32,
}

impl Pace {
    /// What was kept, within what is configured now.
    pub fn within(kept: Option<Self>, setting_ms: i64) -> Self {
        let kept = kept.unwrap_or(Self { period_ms: setting_ms, clean: 0 });
        let period_ms = kept.period_ms.clamp(FLOOR_MS.min(setting_ms), setting_ms);
        Self { period_ms, ..kept }
    }

    /// After an audit: half as long for a miss at once; twice as long, up to what is
    /// configured, only after several audits without one. A few applications say more about
    /// all when they changed than when they did not.
    pub fn after(self, missed: u64, setting_ms: i64) -> Self {
        let next = match (missed, self.clean + 1) {
            (0, CLEAN..) => Self { period_ms: self.period_ms.saturating_mul(2), clean: 0 },
            (0, clean) => Self { clean, ..self },
            _ => Self { period_ms: self.period_ms / 2, clean: 0 },
        };
        Self::within(Some(next), setting_ms)
    }
}

/// Whether the moment of an application came since it was read. A clock that was set back
/// makes everything due.
pub fn is_due(guid: &str, read_ms: i64, now_ms: i64, period_ms: i64) -> bool {
    if period_ms <= 0 || read_ms > now_ms {
        return true;
    }
    let digest = Sha256::digest(guid);
    let drawn = digest.iter().take(8).fold(0, |all, byte| all << 8 | u64::from(*byte));
    let phase = (drawn % period_ms.unsigned_abs()).cast_signed();
    let turn = |at_ms: i64| at_ms.saturating_sub(phase).div_euclid(period_ms);
    turn(now_ms) > turn(read_ms)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    proptest! {
        #[test]
        fn nothing_is_older_than_a_period_and_the_distance_of_two_runs(
            guid in "[a-f0-9]{8}",
            period_ms in 1..30 * DAY_MS,
            start_ms in 0..1_000_000_000_000_i64,
            distances in prop::collection::vec(1..DAY_MS, 1..60),
        ) {
            let (mut now_ms, mut read_ms, mut longest_ms) = (start_ms, start_ms, 0);
            for distance_ms in distances {
                now_ms += distance_ms;
                longest_ms = distance_ms.max(longest_ms);
                prop_assert!(now_ms - read_ms <= period_ms + longest_ms);
                if is_due(&guid, read_ms, now_ms, period_ms) {
                    read_ms = now_ms;
                }
                prop_assert!(now_ms - read_ms < period_ms);
            }
        }

        #[test]
        fn a_clock_that_was_set_back_makes_it_due(
            guid in "[a-f0-9]{8}", now_ms in 0_i64..1_000_000, ahead_ms in 1_i64..1_000_000,
        ) {
            prop_assert!(is_due(&guid, now_ms + ahead_ms, now_ms, DAY_MS));
        }

        #[test]
        fn the_period_stays_between_the_floor_and_the_setting(
            setting_ms in 0..40 * DAY_MS, missed in prop::collection::vec(0_u64..3, 0..60),
        ) {
            let mut pace = Pace::within(None, setting_ms);
            for missed in missed {
                let next = pace.after(missed, setting_ms);
                prop_assert!(missed == 0 || next.period_ms <= pace.period_ms);
                prop_assert!(missed > 0 || next.period_ms >= pace.period_ms);
                prop_assert!((FLOOR_MS.min(setting_ms)..=setting_ms).contains(&next.period_ms));
                pace = next;
            }
        }
    }

    #[test]
    fn what_was_read_at_once_is_due_evenly_over_the_period() {
        let period_ms = 10 * DAY_MS;
        let guids: Vec<_> = (0..2_000).map(|n| format!("{n:08}-0000-4000")).collect();
        let read_ms = 1_780_000_000_000;
        let due = |after_ms| {
            let now_ms = read_ms + after_ms;
            guids.iter().filter(|guid| is_due(guid, read_ms, now_ms, period_ms)).count()
        };
        let each_day: Vec<_> = (1..=10).map(|n| due(n * DAY_MS) - due((n - 1) * DAY_MS)).collect();
        assert_eq!(each_day.iter().sum::<usize>(), guids.len());
        assert!(each_day.iter().all(|count| (150..=250).contains(count)), "{each_day:?}");
    }

    #[test]
    fn a_miss_counts_at_once_and_a_week_without_one_makes_it_longer_again() {
        let setting_ms = 10 * DAY_MS;
        let mut pace = Pace::within(None, setting_ms);
        for hours in [120, 60, 30, 24, 24] {
            pace = pace.after(3, setting_ms);
            assert_eq!(pace, Pace { period_ms: hours * HOUR_MS, clean: 0 });
        }
        for hours in [48, 96, 192, 240, 240] {
            for _ in 1..CLEAN {
                let before = pace.period_ms;
                pace = pace.after(0, setting_ms);
                assert_eq!(pace.period_ms, before);
            }
            pace = pace.after(0, setting_ms);
            assert_eq!(pace.period_ms, hours * HOUR_MS);
        }
        // Where somebody configured less than the floor, it is that.
        assert_eq!(Pace::within(None, HOUR_MS).after(9, HOUR_MS).period_ms, HOUR_MS);
        assert_eq!(Pace::within(Some(pace), DAY_MS).period_ms, DAY_MS);
    }
}
