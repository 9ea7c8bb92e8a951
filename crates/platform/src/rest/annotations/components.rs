//! Annotations of components: their vulnerabilities and licences, which have no
//! flaw id. Names are those that one client sends; the shape of the list is ours.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_wire::hal::Page;
use rusqlite::{Connection, OptionalExtension, Transaction, params, params_from_iter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::applications::visible;
use super::super::applications::write::wrong_member;
use super::super::error::Refusal;
use super::super::hal::{List, Listing, embedded, listing};
use super::super::query::{Kind, Parameter, Query, parameter, parameters, wrong};
use super::super::{input, json};
use super::{MAX_COMMENT, MAX_ISSUES, Rights};
use crate::caller::{Caller, Grant, ReadFindings};
use crate::state::AppState;
use countersign_tenant::condition::{Condition, number, text};
use countersign_tenant::timestamp;
use countersign_tenant::whole_second;

const TYPES: [&str; 2] = ["VULNERABILITY", "LICENSE"];
const PROPOSALS: [&str; 8] =
    ["BYENV", "BYDESIGN", "FP", "ACCEPTRISK", "LEGAL", "COMMERCIAL", "EXPERIMENTAL", "INTERNAL"];
const STATUSES: [&str; 3] = ["PROPOSED", "ACCEPTED", "REJECTED"];
const PARAMETERS: &[Parameter] = &[
    parameter("annotation_type", Kind::OneOf(&TYPES), "About what."),
    parameter("annotation_reason", Kind::Text, "With this action."),
    parameter("annotation_status", Kind::OneOf(&STATUSES), "How it stood after it."),
    parameter("cve_name", Kind::Text, "About this vulnerability."),
    parameter("license_name", Kind::Text, "About this licence."),
];
parameters!(ComponentAnnotationFilters, PARAMETERS, paged);
embedded!(ComponentAnnotations, sca_annotations: ComponentAnnotation);

/// What was written.
#[derive(Serialize, ToSchema)]
#[schema(as = ComponentsUpdated)]
struct Updated {
    annotations: &'static str,
}

/// One thing that was said.
#[derive(Serialize, ToSchema)]
pub(crate) struct ComponentAnnotation {
    annotation_type: String,
    component_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cve_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    license_id: Option<String>,
    action: String,
    comment: String,
    /// How the subject stands after it.
    status: String,
    user_name: String,
    created: String,
}

#[derive(Default, Deserialize, ToSchema)]
#[schema(as = ComponentAnnotationInput)]
#[serde(default)]
struct Input {
    annotation_type: String,
    action: String,
    comment: String,
    annotations: Vec<Subject>,
}

#[derive(Default, Serialize, Deserialize, ToSchema)]
#[schema(as = AnnotatedComponent)]
#[serde(default)]
struct Subject {
    component_id: String,
    cve_name: Option<String>,
    license_id: Option<String>,
}

/// What was said about components of an application, the newest first.
#[utoipa::path(
    get,
    path = "/srcclr/v3/applications/{guid}/sca_annotations",
    tag = "Annotations",
    params(ComponentAnnotationFilters),
    responses((status = 200, body = Listing<ComponentAnnotations>)),
)]
pub(crate) async fn list_component_annotations(
    grant: Grant<ReadFindings>,
    Path(application): Path<String>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state
        .read(move |connection, _| {
            let caller = &grant.caller;
            let id = visible(connection, caller, &application)?;
            let query = Query::parse(raw.as_deref());
            let paging = query.paging(50, 500)?;
            let condition = filter(id, &query)?;
            let total = condition.count(connection, "sca_annotations")?;
            let sql = format!(
                "select annotation_type, component_id, subject, action, comment, status, user_name,
                    created_ms from sca_annotations where {} order by id desc limit ? offset ?",
                condition.text()
            );
            let values = condition.values_and([number(paging.size), number(paging.offset())]);
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params_from_iter(values), |row| {
                let annotation_type: String = row.get(0)?;
                let subject: String = row.get(2)?;
                let (cve_name, license_id) = match annotation_type.as_str() {
                    "LICENSE" => (None, Some(subject)),
                    _ => (Some(subject), None),
                };
                Ok(ComponentAnnotation {
                    annotation_type,
                    component_id: row.get(1)?,
                    cve_name,
                    license_id,
                    action: row.get(3)?,
                    comment: row.get(4)?,
                    status: row.get(5)?,
                    user_name: row.get(6)?,
                    created: timestamp(row.get(7)?),
                })
            })?;
            let said = rows.collect::<Result<Vec<_>, _>>()?;
            let list = List {
                url: format!(
                    "{}/srcclr/v3/applications/{application}/sca_annotations",
                    caller.base
                ),
                parameters: PARAMETERS,
                offers_paging: true,
            };
            let page = Page::new(paging.number, paging.size, total);
            listing::<_, ComponentAnnotations>(&list, said, page, &query)
        })
        .await
}

fn filter(application: i64, query: &Query) -> Result<Condition, Refusal> {
    let mut condition = Condition::new("application = ?", [application.into()]);
    for (parameter, column, known) in [
        ("annotation_type", "annotation_type", &TYPES[..]),
        ("annotation_status", "status", &STATUSES),
    ] {
        let Some(value) = query.get(parameter) else { continue };
        if !known.contains(&value) {
            return Err(wrong(parameter, &format!("one of {}", known.join(", "))));
        }
        condition.and(&format!("{column} = ?"), [text(value)]);
    }
    for (parameter, column) in
        [("annotation_reason", "action"), ("cve_name", "subject"), ("license_name", "subject")]
    {
        if let Some(value) = query.get(parameter) {
            condition.and(&format!("{column} = ?"), [text(value)]);
        }
    }
    Ok(condition)
}

/// Comments on vulnerabilities or licences of components, or proposes, approves or rejects: for all that are named, or none.
#[utoipa::path(
    post,
    path = "/srcclr/v3/applications/{guid}/sca_annotations",
    tag = "Annotations",
    request_body = Input,
    responses((status = 200, body = Updated)),
)]
pub(crate) async fn annotate_components(
    caller: Caller,
    Path(application): Path<String>,
    State(state): State<AppState>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let rights = Rights::of(&caller)?;
    let input: Input = input(body)?;
    let is_decision = ["APPROVE", "REJECT"].contains(&input.action.as_str());
    if !is_decision && input.action != "COMMENT" && !PROPOSALS.contains(&input.action.as_str()) {
        return Err(wrong_member("/action", "The action is not one of the documented."));
    }
    rights.check(is_decision)?;
    if !TYPES.contains(&input.annotation_type.as_str()) {
        let title = "The annotation type must be VULNERABILITY or LICENSE.";
        return Err(wrong_member("/annotation_type", title));
    }
    if !(1..=MAX_COMMENT).contains(&input.comment.trim().chars().count()) {
        let title = format!("The comment must be 1 to {MAX_COMMENT} characters long.");
        return Err(wrong_member("/comment", &title));
    }
    if !(1..=MAX_ISSUES).contains(&input.annotations.len()) {
        let title = format!("There must be 1 to {MAX_ISSUES} annotations.");
        return Err(wrong_member("/annotations", &title));
    }
    state
        .write(move |transaction, state| {
            let id = visible(transaction, &caller, &application)?;
            let now_ms = whole_second(state.now());
            for (at, subject) in input.annotations.iter().enumerate() {
                let target = Target::find(transaction, id, &input.annotation_type, subject)
                    .map_err(|error| error.at(at))?;
                target.annotate(transaction, &input, &caller.user.name, now_ms, at)?;
            }
            json(&Updated { annotations: "Updated" })
        })
        .await
}

/// Why a subject is none.
enum Missing {
    Failed(rusqlite::Error),
    Component,
    Subject(&'static str),
}

impl From<rusqlite::Error> for Missing {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error)
    }
}

impl Missing {
    fn at(self, at: usize) -> Refusal {
        let (member, title) = match self {
            Self::Failed(error) => return error.into(),
            Self::Component => ("component_id", "The application has no such component."),
            Self::Subject(member) => (member, "The component has nothing of this name."),
        };
        wrong_member(&format!("/annotations/{at}/{member}"), title)
    }
}

/// What is annotated: a vulnerability or a licence of a component.
struct Target {
    application: i64,
    component: String,
    subject: String,
    /// The findings that it is about.
    findings: Vec<i64>,
}

impl Target {
    fn find(
        connection: &Connection,
        application: i64,
        kind: &str,
        wanted: &Subject,
    ) -> Result<Self, Missing> {
        let component = wanted.component_id.to_ascii_lowercase();
        let mut statement = connection.prepare_cached(
            "select id, cve, replace(details, char(1), '') ->> 'licenses' from findings
             where application = ?1 and is_sca = 1
               and replace(details, char(1), '') ->> 'component_id' = ?2",
        )?;
        let rows = statement.query_map(params![application, component], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
        let rows: Vec<(i64, Option<String>, Option<String>)> = rows.collect::<Result<_, _>>()?;
        if rows.is_empty() {
            return Err(Missing::Component);
        }
        let member = if kind == "LICENSE" { "license_id" } else { "cve_name" };
        let subject = match kind {
            "LICENSE" => wanted.license_id.as_deref(),
            _ => wanted.cve_name.as_deref(),
        };
        let subject = subject.unwrap_or_default();
        let names = |(_, cve, licenses): &&(i64, Option<String>, Option<String>)| match kind {
            "LICENSE" => licenses.as_deref().is_some_and(|json| has_license(json, subject)),
            _ => cve.as_deref() == Some(subject),
        };
        let named: Vec<_> = rows.iter().filter(names).map(|row| row.0).collect();
        if named.is_empty() {
            return Err(Missing::Subject(member));
        }
        // A licence is no finding: what is said about it changes none.
        let findings = if kind == "LICENSE" { Vec::new() } else { named };
        Ok(Self { application, component, subject: subject.to_owned(), findings })
    }

    fn annotate(
        &self,
        transaction: &Transaction<'_>,
        input: &Input,
        user: &str,
        now_ms: i64,
        at: usize,
    ) -> Result<(), Refusal> {
        let kind = &input.annotation_type;
        let standing: Option<String> = transaction
            .query_row(
                "select status from sca_annotations where application = ? and annotation_type = ?
                 and component_id = ? and subject = ? order by id desc limit 1",
                params![self.application, kind, self.component, self.subject],
                |row| row.get(0),
            )
            .optional()?;
        let is_proposed = standing.as_deref() == Some("PROPOSED");
        let (status, change) = match input.action.as_str() {
            "APPROVE" | "REJECT" if !is_proposed => {
                let path = format!("/annotations/{at}");
                return Err(wrong_member(&path, "There is no proposal for it."));
            }
            "APPROVE" => ("ACCEPTED", Some("resolution_status = 'APPROVED'")),
            "REJECT" => {
                ("REJECTED", Some("resolution = 'UNRESOLVED', resolution_status = 'REJECTED'"))
            }
            "COMMENT" => (standing.as_deref().unwrap_or("NONE"), None),
            "FP" => (
                "PROPOSED",
                Some("resolution = 'POTENTIAL_FALSE_POSITIVE', resolution_status = 'PROPOSED'"),
            ),
            _ => ("PROPOSED", Some("resolution = 'MITIGATED', resolution_status = 'PROPOSED'")),
        };
        transaction.execute(
            "insert into sca_annotations (application, annotation_type, component_id, subject,
                action, comment, status, user_name, created_ms) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                self.application,
                kind,
                self.component,
                self.subject,
                input.action,
                input.comment.trim(),
                status,
                user,
                now_ms
            ],
        )?;
        for finding in self.findings.iter().filter(|_| change.is_some()) {
            let change = change.unwrap_or_default();
            transaction
                .execute(&format!("update findings set {change} where id = ?"), [finding])?;
        }
        if input.action == "APPROVE" {
            transaction.execute(
                "update applications set policy_checked_ms = ? where id = ?",
                params![now_ms, self.application],
            )?;
        }
        Ok(())
    }
}

fn has_license(json: &str, wanted: &str) -> bool {
    #[derive(Deserialize)]
    struct License {
        license_id: String,
    }
    let licenses: Vec<License> = serde_json::from_str(json).unwrap_or_default();
    licenses.iter().any(|license| license.license_id == wanted)
}
