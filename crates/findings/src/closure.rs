//! What a reading may close.
//!
//! A service that answers valid empty lists, because of a fault or because the account
//! lost a team, looks like one where everything was fixed. Findings are fixed by scans:
//! where many are missing at once and no scan was published since, something else is the
//! cause, and nothing is closed until somebody says that it is so.

/// From when on closures are doubted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Brake {
    /// The share of the open findings that may close without a newer scan, 0 to 1. With 1
    /// nothing is ever doubted.
    pub share: f64,
    /// So few may close whatever share they are.
    pub few: u64,
}

impl Default for Brake {
    /// Half of them, and five: what people delete or hide by hand stays below, what a
    /// fault hides is nearly always everything.
    fn default() -> Self {
        Self { share: 0.5, few: 5 }
    }
}

/// What a reading of one application saw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Every list that was asked for was read to its end and added up, and every record could
    /// be read. What was not asked for lacks nothing: it is not counted below.
    pub is_complete: bool,
    /// A scan was published since the last complete reading.
    pub has_newer_scan: bool,
    /// Findings that were open before.
    pub open: u64,
    /// Of these, those that are no longer shown.
    pub lacking: u64,
    /// Of these, those that are shown as fixed. What a person approved (mitigations,
    /// false positives) needs no scan and is not among them.
    pub fixed: u64,
}

/// What is done about the findings that a reading would close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beliefs {
    /// About those that are no longer shown.
    pub lacking: Belief,
    /// About those that are shown as fixed.
    pub fixed: Belief,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belief {
    /// They are closed.
    Close,
    /// They are few, and most of what the application had: closed unless the same is
    /// true of the whole account.
    Wait,
    /// Nothing is closed.
    Hold,
}

impl Brake {
    /// Doubts nothing.
    pub fn off() -> Self {
        Self { share: 1.0, few: u64::MAX }
    }

    /// What a reading of one application may close.
    pub fn judge(&self, seen: Seen) -> Beliefs {
        if !seen.is_complete {
            // What is not shown may be on a page that did not come.
            let fixed = self.believe(&seen, seen.fixed);
            return Beliefs { lacking: Belief::Hold, fixed };
        }
        let both = self.believe(&seen, seen.lacking + seen.fixed);
        Beliefs { lacking: both, fixed: both }
    }

    fn believe(&self, seen: &Seen, closing: u64) -> Belief {
        if seen.has_newer_scan || !self.is_most(seen.open, closing) {
            Belief::Close
        } else if closing > self.few {
            Belief::Hold
        } else {
            Belief::Wait
        }
    }

    /// Whether this many of all, findings or applications, are too many to go at once
    /// with nothing that accounts for it.
    pub fn holds(&self, all: u64, going: u64) -> bool {
        going > self.few && self.is_most(all, going)
    }

    fn is_most(&self, all: u64, going: u64) -> bool {
        going > 0 && going as f64 > all as f64 * self.share
    }
}

/// Whether a scan was published between two readings, by what the application's record
/// said of its last one: milliseconds since the Unix epoch.
pub fn is_newer_scan(before_ms: Option<i64>, now_ms: Option<i64>) -> bool {
    now_ms.is_some_and(|now| before_ms.is_none_or(|before| now > before))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seen() -> impl Strategy<Value = Seen> {
        (any::<bool>(), any::<bool>(), 0_u64..60, 0_u64..60, 0_u64..60).prop_map(
            |(is_complete, has_newer_scan, lacking, fixed, rest)| Seen {
                is_complete,
                has_newer_scan,
                open: lacking + fixed + rest,
                lacking,
                fixed,
            },
        )
    }

    fn brake() -> impl Strategy<Value = Brake> {
        (0.0..=1.0, 0_u64..10).prop_map(|(share, few)| Brake { share, few })
    }

    proptest! {
        #[test]
        fn what_is_not_shown_closes_only_by_a_complete_reading(brake in brake(), seen in seen()) {
            let beliefs = brake.judge(Seen { is_complete: false, ..seen });
            prop_assert_eq!(beliefs.lacking, Belief::Hold);
        }

        #[test]
        fn it_closes_by_a_scan_or_in_a_small_part(brake in brake(), seen in seen()) {
            let seen = Seen { is_complete: true, ..seen };
            let closing = seen.lacking + seen.fixed;
            let is_small = closing as f64 <= seen.open as f64 * brake.share;
            let beliefs = brake.judge(seen);
            let closes = beliefs.lacking == Belief::Close;
            prop_assert_eq!(closes, seen.has_newer_scan || is_small);
            prop_assert_eq!(beliefs.lacking, beliefs.fixed);
        }

        #[test]
        fn only_few_wait(brake in brake(), seen in seen()) {
            let belief = brake.judge(seen).fixed;
            prop_assert!(belief != Belief::Wait || seen.fixed <= brake.few);
            prop_assert!(belief != Belief::Wait || !seen.has_newer_scan);
        }

        #[test]
        fn who_accepts_closes_all_that_is_complete(seen in seen()) {
            let closed = Brake::off().judge(Seen { is_complete: true, ..seen });
            prop_assert_eq!(closed, Beliefs { lacking: Belief::Close, fixed: Belief::Close });
        }

        /// Applications of which none loses most of its findings cannot lose most of
        /// them together: those that are closed at once need no second look.
        #[test]
        fn what_closes_at_once_is_never_most_of_all(
            brake in brake(),
            readings in prop::collection::vec(seen(), 0..20),
        ) {
            let closed = readings.iter().filter(|seen| {
                !seen.has_newer_scan && brake.judge(**seen).lacking == Belief::Close
            });
            let (open, closing) = closed.fold((0, 0), |(open, all), seen| {
                (open + seen.open, all + seen.lacking + seen.fixed)
            });
            // Sums of shares are rounded.
            prop_assert!(closing as f64 <= open as f64 * brake.share + 1e-6);
        }
    }

    #[test]
    fn everything_is_held_and_a_handful_is_not() {
        let brake = Brake::default();
        let of = |open, lacking| {
            let seen = Seen { is_complete: true, open, lacking, ..Seen::default() };
            brake.judge(seen).lacking
        };
        assert_eq!(of(224, 224), Belief::Hold);
        assert_eq!(of(10, 6), Belief::Hold);
        assert_eq!(of(12, 6), Belief::Close);
        assert_eq!(of(5, 5), Belief::Wait);
        assert_eq!(of(0, 0), Belief::Close);
        assert!(brake.holds(10, 6) && !brake.holds(10, 5) && !brake.holds(0, 0));
    }

    #[test]
    fn a_scan_is_newer_by_its_date_alone() {
        assert!(is_newer_scan(None, Some(1)) && is_newer_scan(Some(1), Some(2)));
        for (before, now) in [(None, None), (Some(1), None), (Some(1), Some(1)), (Some(2), Some(1))]
        {
            assert!(!is_newer_scan(before, now), "{before:?} {now:?}");
        }
    }
}
