//! What people say about a flaw, and what that makes of it: proposals, approvals,
//! rejections, comments.

use rusqlite::{Transaction, params};
use serde_json::{Value, json};

use crate::{Error, timestamp};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Comment,
    /// A reason why it is no danger; as it is written and read.
    Propose(&'static str),
    /// Written as `ACCEPTED`, read back as `APPROVED`.
    Approve,
    Reject,
}

const PROPOSALS: [&str; 6] = ["FP", "APPDESIGN", "OSENV", "NETENV", "LIBRARY", "ACCEPTRISK"];

impl Action {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "COMMENT" => Some(Self::Comment),
            "ACCEPTED" => Some(Self::Approve),
            "REJECTED" => Some(Self::Reject),
            _ => PROPOSALS.into_iter().find(|known| *known == text).map(Self::Propose),
        }
    }

    /// Whether only a proposal can have it done to it.
    pub fn needs_proposal(self) -> bool {
        matches!(self, Self::Approve | Self::Reject)
    }

    fn as_read(self) -> &'static str {
        match self {
            Self::Comment => "COMMENT",
            Self::Propose(reason) => reason,
            Self::Approve => "APPROVED",
            Self::Reject => "REJECTED",
        }
    }
}

/// Does it to one finding. An approval moves the date of the application's policy
/// check; nothing else is known to move a date.
pub fn apply(
    transaction: &Transaction<'_>,
    finding: i64,
    action: Action,
    comment: &str,
    user: &str,
    now_ms: i64,
) -> Result<(), Error> {
    let change = match action {
        Action::Comment => None,
        Action::Propose("FP") => {
            Some("resolution = 'POTENTIAL_FALSE_POSITIVE', resolution_status = 'PROPOSED'")
        }
        Action::Propose(_) => Some("resolution = 'MITIGATED', resolution_status = 'PROPOSED'"),
        Action::Approve => Some(
            "resolution_status = 'APPROVED',
             status = iif(resolution = 'MITIGATED', 'CLOSED', status)",
        ),
        Action::Reject => Some("resolution = 'UNRESOLVED', resolution_status = 'REJECTED'"),
    };
    if let Some(change) = change {
        transaction.execute(&format!("update findings set {change} where id = ?"), [finding])?;
    }
    if action == Action::Approve {
        transaction.execute(
            "update findings set mitigated_ms = ? where id = ?",
            params![now_ms, finding],
        )?;
        transaction.execute(
            "update applications set policy_checked_ms = ?2
             where id = (select application from findings where id = ?1)",
            params![finding, now_ms],
        )?;
    }
    let held: Option<String> = transaction.query_row(
        "select annotations from findings where id = ?",
        [finding],
        |row| row.get(0),
    )?;
    let mut all: Vec<Value> =
        held.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    // The newest comes first.
    let annotation = json!({"action": action.as_read(), "comment": comment,
        "created": timestamp(now_ms), "user_name": user});
    all.insert(0, annotation);
    transaction.execute(
        "update findings set annotations = ? where id = ?",
        params![Value::from(all).to_string(), finding],
    )?;
    Ok(())
}
