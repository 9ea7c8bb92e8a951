//! What it means that a finding was seen, by a sync or in what others bring in.

use countersign_findings::{Finding, Verdict, judge};
use countersign_store::{Change, ChangeKind, Held};

/// The change to announce; none where the finding means the same as before. `before` is
/// what the store had of it, where that can be read.
pub(crate) fn sighted(
    held: Option<Held>,
    before: Option<Finding>,
    finding: &Finding,
) -> Option<Change> {
    let differences = before.map(|before| before.differences(finding)).unwrap_or_default();
    let kind = match judge(held.map(|held| held.standing()), finding, &differences) {
        Verdict::New => ChangeKind::New,
        Verdict::Changed => ChangeKind::Changed,
        Verdict::Reopened => ChangeKind::Reopened,
        Verdict::Closed => ChangeKind::Closed,
        Verdict::Unchanged => return None,
    };
    Some(Change { kind, differences })
}
