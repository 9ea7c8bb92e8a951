//! Annotations: proposing, approving and rejecting mitigations, and comments.

pub(crate) mod components;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::applications::visible;
use super::applications::write::wrong_member;
use super::error::Refusal;
use super::query::{Context, Query};
use super::sandboxes::sandbox_of;
use super::{input, json};
use crate::caller::Caller;
use crate::state::AppState;
use countersign_tenant::annotations::{self, Action};
use countersign_tenant::roles::Permission;
use countersign_tenant::whole_second;

/// Findings in one call.
const MAX_ISSUES: usize = 500;
const MAX_COMMENT: usize = 2048;

/// What was written.
#[derive(Serialize, ToSchema)]
#[schema(as = FindingsUpdated)]
struct Updated {
    findings: &'static str,
}

#[derive(Default, Deserialize, ToSchema)]
#[schema(as = AnnotationInput)]
#[serde(default)]
struct Input {
    /// Comma-separated.
    issue_list: String,
    comment: String,
    action: String,
}

/// What a caller may say.
struct Rights {
    proposes: bool,
    approves: bool,
}

impl Rights {
    /// Who may say nothing is refused before anything is read.
    fn of(caller: &Caller) -> Result<Self, Refusal> {
        let holds = |permission: Permission| caller.user.may(permission);
        let rights = Self {
            proposes: holds(Permission::ProposeMitigations),
            approves: holds(Permission::ApproveMitigations),
        };
        if rights.proposes || rights.approves { Ok(rights) } else { Err(Refusal::forbidden()) }
    }

    fn check(&self, is_decision: bool) -> Result<(), Refusal> {
        let is_allowed = if is_decision { self.approves } else { self.proposes };
        if is_allowed { Ok(()) } else { Err(Refusal::forbidden()) }
    }
}

/// Comments on findings, or proposes, approves or rejects mitigations: for all that are named, or none.
#[utoipa::path(
    post,
    path = "/appsec/v2/applications/{guid}/annotations",
    tag = "Annotations",
    params(Context),
    request_body = Input,
    responses((status = 200, body = Updated)),
)]
pub(crate) async fn annotate_findings(
    caller: Caller,
    Path(application): Path<String>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let rights = Rights::of(&caller)?;
    let input: Input = input(body)?;
    let action = Action::parse(&input.action)
        .ok_or_else(|| wrong_member("/action", "The action is not one of the documented."))?;
    rights.check(action.needs_proposal())?;
    if !(1..=MAX_COMMENT).contains(&input.comment.trim().chars().count()) {
        let title = format!("The comment must be 1 to {MAX_COMMENT} characters long.");
        return Err(wrong_member("/comment", &title));
    }
    let issues = input.issue_list.split(',').map(|text| text.trim().parse());
    let issues: Result<Vec<i64>, _> = issues.collect();
    let issues = issues.ok().filter(|issues| issues.len() <= MAX_ISSUES).ok_or_else(|| {
        let title = format!("The issue list must be 1 to {MAX_ISSUES} numbers with commas.");
        wrong_member("/issue_list", &title)
    })?;
    state
        .write(move |transaction, state| {
            let id = visible(transaction, &caller, &application)?;
            let query = Query::parse(raw.as_deref());
            let sandbox = query.get("context").map(|text| sandbox_of(transaction, id, text));
            let sandbox = sandbox.transpose()?.unwrap_or_default();
            for issue in issues {
                let found: Option<(i64, String)> = transaction
                    .prepare_cached(
                        "select id, resolution_status from findings where application = ?
                         and sandbox = ? and is_sca = 0 and ordinal = ?",
                    )?
                    .query_row(params![id, sandbox, issue], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()?;
                let missing = format!("There is no finding {issue} in this context.");
                let (finding, standing) =
                    found.ok_or_else(|| wrong_member("/issue_list", &missing))?;
                if action.needs_proposal() && standing != "PROPOSED" {
                    let title = format!("No mitigation is proposed for finding {issue}.");
                    return Err(wrong_member("/issue_list", &title));
                }
                let (comment, user) = (input.comment.trim(), &caller.user.name);
                let now_ms = whole_second(state.now());
                annotations::apply(transaction, finding, action, comment, user, now_ms)?;
            }
            json(&Updated { findings: "Updated" })
        })
        .await
}
