//! When a credential is due, by the expiry that the service told. Pure.

use crate::hours::Window;
use crate::times::DAY_MS;

/// With less than this left, no window is waited for.
const URGENT_MS: i64 = 3 * DAY_MS;

/// When to rotate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// How long before the expiry.
    pub before_ms: i64,
    /// How much earlier at most, so that not all credentials are replaced at once. Drawn
    /// from the name.
    pub jitter_ms: i64,
    /// In UTC.
    pub window: Option<Window>,
}

/// Whether it is time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Now.
    Now,
    /// Not before this, in milliseconds since the Unix epoch.
    At(i64),
    /// The expiry is not known.
    Unknown,
}

impl Schedule {
    /// Whether a credential of this name that expires then is due.
    pub fn due(&self, name: &str, expires_ms: Option<i64>, now_ms: i64) -> Due {
        let Some(expires_ms) = expires_ms else { return Due::Unknown };
        let jitter_ms = drawn(name) % (self.jitter_ms.max(0) + 1);
        let from_ms = expires_ms - self.before_ms.max(0) - jitter_ms;
        let urgent_ms = expires_ms - URGENT_MS.min(self.before_ms.max(0));
        if now_ms >= urgent_ms {
            return Due::Now;
        }
        let from_ms = now_ms.max(from_ms);
        let opens_ms = self.window.and_then(|window| window.in_utc().opens(from_ms));
        match opens_ms.unwrap_or(from_ms).min(urgent_ms) {
            at_ms if at_ms <= now_ms => Due::Now,
            at_ms => Due::At(at_ms),
        }
    }
}

/// The same number for the same name, everywhere (FNV-1a).
fn drawn(name: &str) -> i64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    i64::try_from(hash >> 1).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn schedule() -> impl Strategy<Value = Schedule> {
        let window = (0..1440_u16, 0..1440_u16);
        let window = window.prop_map(|(from, until)| Window::daily(from, until));
        (0..60_i64, 0..72_i64, window).prop_map(|(days, hours, window)| Schedule {
            before_ms: days * DAY_MS,
            jitter_ms: hours * 3_600_000,
            window,
        })
    }

    proptest! {
        #[test]
        fn it_is_due_in_time_and_no_sooner(
            schedule in schedule(), name in "[a-z]{1,8}", now_ms in 0..DAY_MS * 400, left_ms in -DAY_MS..DAY_MS * 90,
        ) {
            let expires_ms = now_ms + left_ms;
            let earliest_ms = expires_ms - schedule.before_ms - schedule.jitter_ms;
            match schedule.due(&name, Some(expires_ms), now_ms) {
                Due::Now => prop_assert!(now_ms >= earliest_ms.min(expires_ms - URGENT_MS)),
                Due::At(at_ms) => {
                    prop_assert!(at_ms > now_ms && at_ms >= earliest_ms);
                    prop_assert_eq!(
                        schedule.due(&name, Some(expires_ms), at_ms), Due::Now, "at the time it says"
                    );
                    // At most a day for the window, and never into the last days.
                    prop_assert!(at_ms <= now_ms.max(expires_ms - schedule.before_ms) + DAY_MS);
                    prop_assert!(at_ms <= expires_ms - URGENT_MS.min(schedule.before_ms));
                }
                Due::Unknown => prop_assert!(false),
            }
            if left_ms <= 0 {
                prop_assert_eq!(schedule.due(&name, Some(expires_ms), now_ms), Due::Now);
            }
        }
    }

    #[test]
    fn a_window_over_midnight() {
        let schedule = Schedule {
            before_ms: 30 * DAY_MS,
            jitter_ms: 0,
            window: Window::daily(22 * 60, 4 * 60),
        };
        let noon = 100 * DAY_MS + DAY_MS / 2;
        let expires = Some(noon + 20 * DAY_MS);
        assert_eq!(schedule.due("a", expires, noon), Due::At(100 * DAY_MS + 22 * 3_600_000));
        assert_eq!(schedule.due("a", expires, noon + DAY_MS * 5 / 12), Due::Now);
        assert_eq!(schedule.due("a", Some(noon + 2 * DAY_MS), noon), Due::Now, "no time to wait");
        assert_eq!(schedule.due("a", None, noon), Due::Unknown);
    }
}
