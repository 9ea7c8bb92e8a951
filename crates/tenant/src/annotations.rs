//! What people say about a flaw, and what that makes of it: proposals, approvals,
//! rejections, comments.

pub mod components;

use countersign_wire::annotation::AnnotationInput;
use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::{Value, json};

use crate::act::{Change, Noted};
use crate::roles::Permission;
use crate::user::User;
use crate::words::{Resolution, words};
use crate::{Error, Refused, applications, sandboxes, timestamp, whole_second};

/// Findings or components in one call.
const MAX_ISSUES: usize = 500;

/// Of a comment, in characters.
const MAX_COMMENT: usize = 2048;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Comment,
    Propose(Reason),
    /// Written as `ACCEPTED`, read back as `APPROVED`.
    Approve,
    Reject,
}

words!(
    /// Why a flaw is no danger.
    Reason {
        FalsePositive = "FP",
        Design = "APPDESIGN",
        System = "OSENV",
        Network = "NETENV",
        Library = "LIBRARY",
        Risk = "ACCEPTRISK"
    }
);

impl Action {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "COMMENT" => Some(Self::Comment),
            "ACCEPTED" => Some(Self::Approve),
            "REJECTED" => Some(Self::Reject),
            _ => Reason::parse(text).map(Self::Propose),
        }
    }

    /// Whether only a proposal can have it done to it.
    fn needs_proposal(self) -> bool {
        matches!(self, Self::Approve | Self::Reject)
    }

    fn as_read(self) -> &'static str {
        match self {
            Self::Comment => "COMMENT",
            Self::Propose(reason) => reason.word(),
            Self::Approve => "APPROVED",
            Self::Reject => "REJECTED",
        }
    }
}

/// What a user may say.
#[derive(Debug, Clone, Copy)]
pub struct Rights {
    proposes: bool,
    approves: bool,
}

impl Rights {
    /// Who may say nothing is refused.
    pub fn of(user: &User) -> Result<Self, Refused> {
        let rights = Self {
            proposes: user.may(Permission::ProposeMitigations),
            approves: user.may(Permission::ApproveMitigations),
        };
        if rights.proposes || rights.approves { Ok(rights) } else { Err(Refused::lacks_role()) }
    }

    /// Proposals and comments are for some, decisions for others.
    fn check(self, is_decision: bool) -> Result<(), Refused> {
        let is_allowed = if is_decision { self.approves } else { self.proposes };
        if is_allowed { Ok(()) } else { Err(Refused::lacks_role()) }
    }
}

/// Comments on flaws, or proposes, approves or rejects mitigations: for all that are
/// named, or none.
pub fn add(
    change: &Change<'_>,
    user: &User,
    application: &str,
    sandbox: Option<&str>,
    input: &AnnotationInput,
) -> Result<Noted<()>, Refused> {
    let rights = Rights::of(user)?;
    let action = Action::parse(&input.action)
        .ok_or_else(|| Refused::member("/action", "The action is not one of the documented."))?;
    rights.check(action.needs_proposal())?;
    let comment = comment(&input.comment)?;
    let issues = issues(&input.issue_list)?;
    let application = applications::visible(change, user, application)?;
    let context = sandboxes::context(change, application, sandbox)?;
    let now_ms = whole_second(change.now_ms);
    for issue in issues {
        let finding = flaw(change, context, issue, action)?;
        apply(change.transaction, finding, action, comment, &user.name, now_ms)?;
    }
    let name = applications::name(change.connection, application.id)?;
    let target = format!("{} {name}: {}", input.action, input.issue_list);
    Ok(change.noted("annotation.add", &target, ())?)
}

fn comment(text: &str) -> Result<&str, Refused> {
    let text = text.trim();
    if (1..=MAX_COMMENT).contains(&text.chars().count()) {
        return Ok(text);
    }
    let title = format!("The comment must be 1 to {MAX_COMMENT} characters long.");
    Err(Refused::member("/comment", &title))
}

fn issues(list: &str) -> Result<Vec<i64>, Refused> {
    let issues: Result<Vec<i64>, _> = list.split(',').map(|text| text.trim().parse()).collect();
    issues.ok().filter(|issues| issues.len() <= MAX_ISSUES).ok_or_else(|| {
        let title = format!("The issue list must be 1 to {MAX_ISSUES} numbers with commas.");
        Refused::member("/issue_list", &title)
    })
}

/// The finding of a flaw to which this can be done.
fn flaw(
    change: &Change<'_>,
    context: sandboxes::Context,
    issue: i64,
    action: Action,
) -> Result<i64, Refused> {
    let found: Option<(i64, String)> = change
        .connection
        .prepare_cached(
            "select id, resolution_status from findings where application = ?
             and sandbox = ? and is_sca = 0 and ordinal = ?",
        )?
        .query_row(params![context.application, context.sandbox, issue], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((finding, standing)) = found else {
        let title = format!("There is no finding {issue} in this context.");
        return Err(Refused::member("/issue_list", &title));
    };
    if action.needs_proposal() && Resolution::parse(&standing) != Some(Resolution::Proposed) {
        let title = format!("No mitigation is proposed for finding {issue}.");
        return Err(Refused::member("/issue_list", &title));
    }
    Ok(finding)
}

/// Does it to one finding. An approval moves the date of the application's policy
/// check; nothing else is known to move a date.
pub(crate) fn apply(
    transaction: &Transaction<'_>,
    finding: i64,
    action: Action,
    comment: &str,
    user: &str,
    now_ms: i64,
) -> Result<(), Error> {
    let change = match action {
        Action::Comment => None,
        Action::Propose(Reason::FalsePositive) => {
            Some("resolution = 'POTENTIAL_FALSE_POSITIVE', resolution_status = 'PROPOSED'")
        }
        Action::Propose(_) => Some("resolution = 'MITIGATED', resolution_status = 'PROPOSED'"),
        Action::Approve => Some("resolution_status = 'APPROVED', status = 'CLOSED'"),
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
