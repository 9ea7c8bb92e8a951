//! Which applications a run reads, decided before anything is read. Pure.

use std::collections::HashMap;

/// How much a run reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Applications whose dates moved, plus those that the sweep is due for.
    Incremental {
        /// Age in milliseconds at which an application is read again although
        /// its dates did not move: sandbox scans and proposed mitigations are
        /// not known to move them.
        sweep_after_ms: i64,
    },
    /// Every application.
    Full,
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
    /// When the last complete read was; none if there never was one.
    pub read_ms: Option<i64>,
    /// Whether a complete listing lacked it since.
    pub gone: bool,
}

/// What a run does with the listing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Positions in the listing to read, in listing order.
    pub read: Vec<usize>,
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
    for (at, listed) in listing.iter().enumerate() {
        match known.get(listed.guid.as_str()) {
            Some(mark) if is_current(listed, mark, scope, now_ms) => plan.skip.push(at),
            _ => plan.read.push(at),
        }
    }
    let listed: std::collections::HashSet<&str> =
        listing.iter().map(|listed| listed.guid.as_str()).collect();
    plan.gone = marks
        .iter()
        .filter(|mark| !mark.gone && !listed.contains(mark.guid.as_str()))
        .map(|mark| mark.guid.clone())
        .collect();
    plan
}

fn is_current(listed: &Listed, mark: &Mark, scope: Scope, now_ms: i64) -> bool {
    let Scope::Incremental { sweep_after_ms } = scope else { return false };
    let Some(read_ms) = mark.read_ms else { return false };
    // An application without dates gives no reason to believe it unchanged.
    let is_dated = listed.modified_ms.is_some();
    is_dated
        && !mark.gone
        && listed.modified_ms == mark.modified_ms
        && listed.policy_checked_ms == mark.policy_checked_ms
        && (0..sweep_after_ms).contains(&(now_ms - read_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn listed() -> impl Strategy<Value = Listed> {
        ("[a-f]", prop::option::of(0_i64..3), prop::option::of(0_i64..3)).prop_map(
            |(guid, modified_ms, policy_checked_ms)| Listed {
                guid,
                modified_ms,
                policy_checked_ms,
            },
        )
    }

    fn mark() -> impl Strategy<Value = Mark> {
        (listed(), prop::option::of(0_i64..200), any::<bool>()).prop_map(
            |(listed, read_ms, gone)| Mark {
                guid: listed.guid,
                modified_ms: listed.modified_ms,
                policy_checked_ms: listed.policy_checked_ms,
                read_ms,
                gone,
            },
        )
    }

    fn unique<T>(items: Vec<T>, guid: impl Fn(&T) -> String) -> Vec<T> {
        let mut seen = std::collections::HashSet::new();
        items.into_iter().filter(|item| seen.insert(guid(item))).collect()
    }

    const INCREMENTAL: Scope = Scope::Incremental { sweep_after_ms: 100 };

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
            }
            for guid in plan.gone {
                prop_assert!(listing.iter().all(|listed| listed.guid != guid));
            }
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
        let listing = [Listed { guid: "a".into(), modified_ms: Some(1), policy_checked_ms: None }];
        let mut mark = Mark {
            guid: "a".into(),
            modified_ms: Some(1),
            policy_checked_ms: None,
            read_ms: Some(100),
            gone: false,
        };
        assert_eq!(plan(&listing, &[mark.clone()], INCREMENTAL, 150).skip, [0]);
        assert_eq!(
            plan(&listing, &[mark.clone()], INCREMENTAL, 50).read,
            [0],
            "read in the future"
        );
        mark.modified_ms = Some(2);
        assert_eq!(plan(&listing, &[mark], INCREMENTAL, 150).read, [0], "modified moved back");
    }
}
