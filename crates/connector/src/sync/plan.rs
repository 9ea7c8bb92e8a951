//! Which applications a run reads, decided before anything is read. Pure.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use countersign_store::RunKind;
use serde::{Deserialize, Serialize};

use super::audit::{self, Saving};
use super::sweep;

/// How much a run reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Applications whose dates moved, plus those that the sweep is due for; of each, what
    /// can hold something.
    Incremental {
        /// Period in milliseconds within which an application is read again although
        /// its dates did not move: sandbox scans and proposed mitigations are
        /// not known to move them. Audits may make it shorter.
        sweep_ms: i64,
    },
    /// Every application, completely.
    Full,
}

impl Scope {
    /// What such a run is called.
    pub fn kind(self) -> RunKind {
        match self {
            Self::Full => RunKind::Full,
            Self::Incremental { .. } => RunKind::Incremental,
        }
    }
}

/// An application as the listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Guid.
    pub guid: String,
    /// `modified`.
    pub modified_ms: Option<i64>,
    /// `last_policy_compliance_check_date`.
    pub policy_checked_ms: Option<i64>,
    /// `last_completed_scan_date`.
    pub scanned_ms: Option<i64>,
    /// Whether a reading leaves lists out that cannot hold anything.
    pub is_partly: bool,
}

/// An application as the store remembers it from its last complete read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Guid.
    pub guid: String,
    /// `modified` as listed before that read.
    pub modified_ms: Option<i64>,
    /// `last_policy_compliance_check_date` as listed before that read.
    pub policy_checked_ms: Option<i64>,
    /// `last_completed_scan_date` as listed before that read.
    pub scanned_ms: Option<i64>,
    /// When the last complete read was; none if there never was one.
    pub read_ms: Option<i64>,
    /// Whether a complete listing lacked it since.
    pub gone: bool,
}

/// What a run does with the listing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Positions in the listing to read: those that are new or whose dates moved, in listing
    /// order, and then those that are swept, the most recently active first.
    pub read: Vec<usize>,
    /// Those of them that are swept: nothing says that they changed.
    pub swept: HashSet<usize>,
    /// Positions in the listing to read because the Reporting API named them.
    pub named: Vec<usize>,
    /// Positions in the listing to read completely, for the audit, and what would have been
    /// saved without it.
    pub audit: Vec<(usize, Saving)>,
    /// Positions in the listing that are as they were.
    pub skip: Vec<usize>,
    /// Guids that the store knows and the listing lacks.
    pub gone: Vec<String>,
}

/// Sorts the listing. The dates are compared for equality, not order: a clock
/// set back on the other side must not hide a change.
pub fn plan(listing: &[Listed], marks: &[Mark], scope: Scope, now_ms: i64) -> Plan {
    let known: HashMap<&str, &Mark> = marks.iter().map(|mark| (mark.guid.as_str(), mark)).collect();
    let mut plan = Plan::default();
    let mut swept = Vec::new();
    for (at, listed) in listing.iter().enumerate() {
        match (known.get(listed.guid.as_str()), scope) {
            (Some(mark), Scope::Incremental { sweep_ms }) => match mark.current_since(listed) {
                None => plan.read.push(at),
                Some(read_ms) if sweep::is_due(&listed.guid, read_ms, now_ms, sweep_ms) => {
                    swept.push(at);
                }
                Some(_) => plan.skip.push(at),
            },
            _ => plan.read.push(at),
        }
    }
    swept.sort_by_key(|at| Reverse(listing[*at].active_ms()));
    plan.swept = swept.iter().copied().collect();
    plan.read.extend(swept);
    let listed: HashSet<&str> = listing.iter().map(|listed| listed.guid.as_str()).collect();
    plan.gone = marks
        .iter()
        .filter(|mark| !mark.gone && !listed.contains(mark.guid.as_str()))
        .map(|mark| mark.guid.clone())
        .collect();
    plan
}

impl Plan {
    /// Has those read, of the ones that would not be, that the Reporting API named.
    pub fn add_named(&mut self, news: &HashSet<usize>) {
        self.skip.retain(|at| {
            let is_named = news.contains(at);
            if is_named {
                self.named.push(*at);
            }
            !is_named
        });
    }

    /// Has a random part of what would not be read, or only in part, read completely.
    pub fn add_audit(&mut self, listing: &[Listed], share: f64, draw: impl FnMut() -> u64) {
        let partly = self.read.iter().filter(|at| listing[**at].is_partly);
        let candidates = self.skip.iter().chain(partly).copied().collect();
        let chosen: HashSet<usize> = audit::choose(candidates, share, draw).into_iter().collect();
        for (from, saving) in [(&mut self.skip, Saving::Dates), (&mut self.read, Saving::Scans)] {
            from.retain(|at| {
                let is_audited = chosen.contains(at);
                if is_audited {
                    self.audit.push((*at, saving));
                }
                !is_audited
            });
        }
    }
}

impl Listed {
    /// When something last happened that a date tells of.
    fn active_ms(&self) -> Option<i64> {
        self.modified_ms.max(self.policy_checked_ms).max(self.scanned_ms)
    }
}

impl Mark {
    /// When the application was read, if the listing says nothing else of it now.
    fn current_since(&self, listed: &Listed) -> Option<i64> {
        // An application without dates gives no reason to believe it unchanged.
        let is_current = listed.modified_ms.is_some()
            && !self.gone
            && listed.modified_ms == self.modified_ms
            && listed.policy_checked_ms == self.policy_checked_ms
            && listed.scanned_ms == self.scanned_ms;
        self.read_ms.filter(|_| is_current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn listed() -> impl Strategy<Value = Listed> {
        let date = || prop::option::of(0_i64..3);
        ("[a-f]", date(), date(), prop::option::of(0_i64..2), any::<bool>()).prop_map(
            |(guid, modified_ms, policy_checked_ms, scanned_ms, is_partly)| Listed {
                guid,
                modified_ms,
                policy_checked_ms,
                scanned_ms,
                is_partly,
            },
        )
    }

    fn mark() -> impl Strategy<Value = Mark> {
        (listed(), prop::option::of(0_i64..200), any::<bool>()).prop_map(
            |(listed, read_ms, gone)| Mark {
                guid: listed.guid,
                modified_ms: listed.modified_ms,
                policy_checked_ms: listed.policy_checked_ms,
                scanned_ms: listed.scanned_ms,
                read_ms,
                gone,
            },
        )
    }

    fn unique<T>(items: Vec<T>, guid: impl Fn(&T) -> String) -> Vec<T> {
        let mut seen = HashSet::new();
        items.into_iter().filter(|item| seen.insert(guid(item))).collect()
    }

    const INCREMENTAL: Scope = Scope::Incremental { sweep_ms: 100 };

    proptest! {
        #[test]
        fn every_listed_application_is_read_or_skipped(
            listing in prop::collection::vec(listed(), 0..6),
            marks in prop::collection::vec(mark(), 0..6),
        ) {
            let listing = unique(listing, |l| l.guid.clone());
            let marks = unique(marks, |m| m.guid.clone());
            let plan = plan(&listing, &marks, INCREMENTAL, 150);
            let mut all: Vec<_> = plan.read.iter().chain(&plan.skip).copied().collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..listing.len()).collect::<Vec<_>>());
            for at in plan.skip {
                let mark = marks.iter().find(|mark| mark.guid == listing[at].guid).unwrap();
                prop_assert!(mark.read_ms.is_some_and(|read| 150 - read < 100));
                prop_assert_eq!(mark.modified_ms, listing[at].modified_ms);
                prop_assert_eq!(mark.policy_checked_ms, listing[at].policy_checked_ms);
                prop_assert_eq!(mark.scanned_ms, listing[at].scanned_ms);
            }
            for guid in plan.gone {
                prop_assert!(listing.iter().all(|listed| listed.guid != guid));
            }
        }

        #[test]
        fn an_audit_takes_its_part_of_what_is_saved_and_of_nothing_else(
            listing in prop::collection::vec(listed(), 0..6),
            marks in prop::collection::vec(mark(), 0..6),
            share in 0.0..=1.0,
            drawn: u64,
        ) {
            let listing = unique(listing, |l| l.guid.clone());
            let marks = unique(marks, |m| m.guid.clone());
            let before = plan(&listing, &marks, INCREMENTAL, 150);
            let mut after = plan(&listing, &marks, INCREMENTAL, 150);
            after.add_audit(&listing, share, || drawn);
            for (at, saving) in &after.audit {
                match saving {
                    Saving::Dates => prop_assert!(before.skip.contains(at)),
                    Saving::Scans => {
                        prop_assert!(before.read.contains(at) && listing[*at].is_partly);
                    }
                }
            }
            let is_saved = |at: &&usize| before.skip.contains(*at) || listing[**at].is_partly;
            let all = (0..listing.len()).collect::<Vec<_>>();
            let saved = all.iter().filter(is_saved).count();
            prop_assert_eq!(after.audit.is_empty(), saved == 0 || share == 0.0);
            let audited = after.audit.iter().map(|(at, _)| at);
            let mut parts: Vec<_> =
                after.read.iter().chain(&after.skip).chain(audited).copied().collect();
            parts.sort_unstable();
            prop_assert_eq!(parts, all);
        }

        #[test]
        fn a_full_run_skips_nothing(
            listing in prop::collection::vec(listed(), 0..6),
            marks in prop::collection::vec(mark(), 0..6),
        ) {
            let listing = unique(listing, |l| l.guid.clone());
            prop_assert_eq!(plan(&listing, &marks, Scope::Full, 150).read.len(), listing.len());
        }
    }

    #[test]
    fn a_clock_set_back_does_not_hide_a_change() {
        let listing = [known("a", Some(1))];
        let mut mark = read("a", Some(1), 149);
        assert_eq!(plan(&listing, &[mark.clone()], INCREMENTAL, 149).skip, [0]);
        assert_eq!(
            plan(&listing, &[mark.clone()], INCREMENTAL, 50).read,
            [0],
            "read in the future"
        );
        mark.modified_ms = Some(2);
        let modified = plan(&listing, &[mark.clone()], INCREMENTAL, 149);
        assert_eq!(modified.read, [0], "modified moved back");
        mark = Mark { modified_ms: Some(1), scanned_ms: Some(7), ..mark };
        let scanned = plan(&listing, &[mark], INCREMENTAL, 149);
        assert_eq!(scanned.read, [0], "the date of the last scan is another");
    }

    fn known(guid: &str, modified_ms: Option<i64>) -> Listed {
        let (policy_checked_ms, scanned_ms, is_partly) = (None, None, false);
        Listed { guid: guid.into(), modified_ms, policy_checked_ms, scanned_ms, is_partly }
    }

    fn read(guid: &str, modified_ms: Option<i64>, read_ms: i64) -> Mark {
        let (policy_checked_ms, scanned_ms, gone) = (None, None, false);
        let (guid, read_ms) = (guid.into(), Some(read_ms));
        Mark { guid, modified_ms, policy_checked_ms, scanned_ms, read_ms, gone }
    }

    #[test]
    fn what_changed_is_read_before_what_is_swept_and_there_the_active_come_first() {
        let listing = [
            known("a", Some(1)),
            known("b", Some(3)),
            known("new", Some(0)),
            known("c", Some(2)),
            known("moved", Some(9)),
        ];
        let marks = [
            read("a", Some(1), 0),
            read("b", Some(3), 0),
            read("c", Some(2), 0),
            read("moved", Some(8), 0),
        ];
        assert_eq!(plan(&listing, &marks, INCREMENTAL, 100).read, [2, 4, 1, 3, 0]);
    }
}
