//! Decides what is to be said, when, and when it is over. Pure: what was said before,
//! the rows of the inventory and the time are arguments.
//!
//! An expiry has thresholds. Only the most urgent that was crossed is raised, and
//! none after a more urgent one of the same expiry, wherever the clock goes. A state
//! (refused, a wrong clock, …) is raised when it begins and is over when it ends.

pub use countersign_store::NoticeKind as Kind;
use countersign_store::{CredentialId, Delivery, Notice, NoticeId};

use super::DAY_MS;
use super::inventory::{Row, State};
use super::policy::Policy;

/// Days before an expiry on which it is said.
pub const THRESHOLDS_DAYS: [i64; 5] = [30, 14, 7, 3, 1];

/// Unacknowledged, an expiry this close goes to others.
const ESCALATED_DAYS: i64 = 3;
const LONGEST_WAIT_MS: i64 = 6 * 3_600_000;
/// A state that comes and goes is said once in this time.
const CALM_MS: i64 = DAY_MS;

/// A notice to raise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Raise {
    pub(super) credential: CredentialId,
    pub(super) kind: Kind,
    pub(super) occasion: String,
    pub(super) threshold: i64,
    pub(super) episode: u32,
}

/// What to do now. Ends come first: a notice whose place is taken is not sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) end: Vec<NoticeId>,
    pub(super) raise: Vec<Raise>,
    pub(super) escalate: Vec<NoticeId>,
}

/// What holds of a credential now.
struct Wanted {
    kind: Kind,
    occasion: String,
    threshold: i64,
}

pub(super) fn plan(policy: &Policy, rows: &[Row], notices: &[Notice], now_ms: i64) -> Plan {
    let mut plan = Plan::default();
    for row in rows {
        // One clock is wrong once, however many credentials a host has.
        let mut of_host = rows.iter().filter(|other| other.host == row.host && other.is_skewed);
        let speaks_for_host = of_host.all(|other| row.id <= other.id);
        let wanted = wanted(row, speaks_for_host, now_ms);
        let own: Vec<_> = notices.iter().filter(|one| one.credential == row.id).collect();
        for one in &wanted {
            plan.raise.extend(raise(row, one, &own, now_ms));
        }
        for notice in own.iter().filter(|one| one.ended_ms.is_none()) {
            if is_over(row, notice, &wanted, &own) {
                plan.end.push(notice.id);
            } else if is_to_escalate(policy, notice, now_ms) {
                plan.escalate.push(notice.id);
            }
        }
    }
    plan
}

fn wanted(row: &Row, speaks_for_host: bool, now_ms: i64) -> Vec<Wanted> {
    let state = |kind, occasion: &str| Wanted { kind, occasion: occasion.to_owned(), threshold: 0 };
    let mut wanted = Vec::new();
    if let Some(expires_ms) = row.expires_ms
        && let Some(threshold) = crossed(expires_ms, now_ms)
    {
        wanted.push(Wanted { kind: Kind::Expiry, occasion: expiry_key(expires_ms), threshold });
    }
    match row.state {
        State::Refused => wanted.push(state(Kind::Refused, &row.api_id)),
        State::RoleMissing => wanted.push(state(Kind::RoleMissing, &row.missing().join(", "))),
        _ => {}
    }
    if row.is_skewed && speaks_for_host {
        wanted.push(state(Kind::Skew, &row.host));
    }
    if let Some(since_ms) = row.stuck_since_ms {
        wanted.push(state(Kind::Stuck, &since_ms.to_string()));
    }
    if let Some(id) = &row.foreign_id {
        wanted.push(state(Kind::Foreign, id));
    }
    wanted
}

/// The most urgent threshold that was crossed; 0 is the expiry itself.
fn crossed(expires_ms: i64, now_ms: i64) -> Option<i64> {
    let left_ms = expires_ms.saturating_sub(now_ms);
    let thresholds = THRESHOLDS_DAYS.into_iter().rev();
    std::iter::once(0).chain(thresholds).find(|days| left_ms <= days * DAY_MS)
}

/// To the second: the service writes the same expiry with and without a fraction.
fn expiry_key(expires_ms: i64) -> String {
    expires_ms.div_euclid(1000).to_string()
}

fn raise(row: &Row, wanted: &Wanted, own: &[&Notice], now_ms: i64) -> Option<Raise> {
    let Wanted { kind, occasion, threshold } = wanted;
    let alike = own.iter().filter(|one| is_about(one, *kind, occasion));
    // One that is raised again goes on where it was not delivered.
    let (threshold, episode) = if *kind == Kind::Expiry {
        let said = alike.filter(|one| one.threshold <= *threshold);
        match said.min_by_key(|one| one.threshold) {
            Some(said) if said.ended_ms.is_none() => return None,
            Some(said) => (said.threshold, 0),
            None => (*threshold, 0),
        }
    } else {
        let is_calm = |one: &Notice| !(0..CALM_MS).contains(&(now_ms - one.raised_ms));
        match alike.max_by_key(|one| one.episode) {
            Some(last) if last.ended_ms.is_none() => return None,
            Some(last) if is_calm(last) => (0, last.episode + 1),
            Some(last) => (0, last.episode),
            None => (0, 0),
        }
    };
    Some(Raise { credential: row.id, kind: *kind, occasion: occasion.clone(), threshold, episode })
}

fn is_about(notice: &Notice, kind: Kind, occasion: &str) -> bool {
    notice.kind == kind && notice.occasion == occasion
}

fn is_over(row: &Row, notice: &Notice, wanted: &[Wanted], own: &[&Notice]) -> bool {
    let kind = notice.kind;
    let holds = wanted.iter().any(|one| is_about(notice, one.kind, &one.occasion));
    match kind {
        Kind::Expiry => {
            let is_replaced = row.expires_ms.is_none_or(|ms| expiry_key(ms) != notice.occasion);
            let is_more_urgent = |threshold| threshold < notice.threshold;
            is_replaced
                || own.iter().any(|one| {
                    is_about(one, kind, &notice.occasion) && is_more_urgent(one.threshold)
                })
                || wanted.iter().any(|one| {
                    is_about(notice, one.kind, &one.occasion) && is_more_urgent(one.threshold)
                })
        }
        // A look that failed for another reason says nothing about these.
        Kind::Refused => !holds && (row.problem.is_none() || row.state == State::Lapsed),
        Kind::RoleMissing => !holds && row.problem.is_none(),
        Kind::Skew => !row.is_skewed,
        Kind::Stuck | Kind::Foreign => !holds,
    }
}

fn is_to_escalate(policy: &Policy, notice: &Notice, now_ms: i64) -> bool {
    let is_grave = match notice.kind {
        Kind::Expiry => notice.threshold <= ESCALATED_DAYS,
        Kind::Refused | Kind::Foreign => true,
        Kind::RoleMissing | Kind::Skew | Kind::Stuck => false,
    };
    let known_since_ms = notice.sent_ms.unwrap_or_else(|| match notice.is_urgent {
        true => notice.raised_ms,
        false => policy.over(notice.raised_ms),
    });
    is_grave
        && notice.acknowledged_ms.is_none()
        && notice.escalated_ms.is_none()
        && (notice.is_urgent || !policy.is_quiet(now_ms))
        // A clock that went back by more counts too: better twice than never.
        && (now_ms - known_since_ms).abs() >= policy.escalate_after_ms
}

/// How long to wait after a try, the first of which has number 0.
pub(crate) fn wait_ms(attempts: u32) -> i64 {
    (30_000_i64 << attempts.min(12)).min(LONGEST_WAIT_MS)
}

pub(super) fn is_due(policy: &Policy, notice: &Notice, delivery: &Delivery, now_ms: i64) -> bool {
    let is_held = !notice.is_urgent && policy.is_quiet(now_ms);
    delivery.sent_ms.is_none() && !is_held && is_time(delivery.next_ms, now_ms)
}

/// A moment further away than the longest wait comes of a clock that was wrong.
pub(crate) fn is_time(next_ms: i64, now_ms: i64) -> bool {
    !(now_ms + 1..=now_ms + LONGEST_WAIT_MS).contains(&next_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_urgent_threshold_counts() {
        let days = |days: i64| days * DAY_MS;
        assert_eq!(crossed(days(31), 0), None);
        assert_eq!(crossed(days(30) + 1, 0), None);
        for (left_ms, threshold) in [
            (days(30), 30),
            (days(15), 30),
            (days(14), 14),
            (days(5), 7),
            (days(2), 3),
            (days(1), 1),
            (1, 1),
            (0, 0),
            (days(-400), 0),
        ] {
            assert_eq!(crossed(left_ms, 0), Some(threshold), "{left_ms}");
        }
    }

    #[test]
    fn waits_grow_and_end() {
        assert_eq!([wait_ms(0), wait_ms(1), wait_ms(99)], [30_000, 60_000, LONGEST_WAIT_MS]);
        assert!(is_time(0, 0) && !is_time(1, 0) && !is_time(LONGEST_WAIT_MS, 0));
        assert!(is_time(LONGEST_WAIT_MS + 1, 0), "the clock was wrong");
    }
}
