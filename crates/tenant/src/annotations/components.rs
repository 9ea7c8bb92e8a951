//! What people say about components: their vulnerabilities and licences, which have no
//! flaw id.

use countersign_wire::annotation::{
    AnnotatedComponent, ComponentAnnotation, ComponentAnnotationInput,
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Deserialize;

use super::{MAX_ISSUES, Rights, comment};
use crate::act::{Change, Noted, View};
use crate::applications::{self, Visible};
use crate::condition::{Condition, text};
use crate::list::{Source, Window};
use crate::user::User;
use crate::{Error, Refused, timestamp, whole_second};

/// What of a component is annotated.
pub const TYPES: &[&str] = &["VULNERABILITY", "LICENSE"];

/// How a subject stands after an annotation.
pub const STATUSES: &[&str] = &["PROPOSED", "ACCEPTED", "REJECTED"];

const PROPOSALS: [&str; 8] =
    ["BYENV", "BYDESIGN", "FP", "ACCEPTRISK", "LEGAL", "COMMERCIAL", "EXPERIMENTAL", "INTERNAL"];

const SOURCE: Source = Source {
    columns: "annotation_type, component_id, subject, action, comment, status, user_name,
        created_ms",
    tables: "sca_annotations",
    sorts: &[],
    order: "id desc",
};

/// Which annotations are wanted; what is none does not matter.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub annotation_type: Option<String>,
    /// How the subject stood after it.
    pub annotation_status: Option<String>,
    pub annotation_reason: Option<String>,
    pub cve_name: Option<String>,
    pub license_name: Option<String>,
}

impl Filter {
    fn condition(&self, application: Visible) -> Condition {
        let mut condition = Condition::new("application = ?", [application.id.into()]);
        for (sql, value) in [
            ("annotation_type = ?", &self.annotation_type),
            ("status = ?", &self.annotation_status),
            ("action = ?", &self.annotation_reason),
            ("subject = ?", &self.cve_name),
            ("subject = ?", &self.license_name),
        ] {
            if let Some(value) = value {
                condition.and(sql, [text(value)]);
            }
        }
        condition
    }
}

/// One page of what was said about components of an application, the newest first, and
/// how much of it there is.
pub fn list(
    view: &View<'_>,
    application: Visible,
    filter: &Filter,
    window: &Window,
) -> Result<(Vec<ComponentAnnotation>, u64), Error> {
    Ok(SOURCE.page(view.connection, &filter.condition(application), window, read_row)?)
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<ComponentAnnotation> {
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
}

/// Annotates vulnerabilities or licences of components: all that are named, or none.
pub fn add(
    change: &Change<'_>,
    user: &User,
    application: &str,
    input: &ComponentAnnotationInput,
) -> Result<Noted<()>, Refused> {
    let said = Said::read(user, input)?;
    let id = applications::visible(change, user, application)?.id;
    let mut subjects = Vec::with_capacity(input.annotations.len());
    for (at, wanted) in input.annotations.iter().enumerate() {
        let wrong = |member: &str, title: &str| {
            Refused::member(&format!("/annotations/{at}{member}"), title)
        };
        let subject = Subject::find(change.connection, id, &input.annotation_type, wanted)
            .map_err(|error| match error {
                Missing::Failed(error) => error.into(),
                Missing::Component => {
                    wrong("/component_id", "The application has no such component.")
                }
                Missing::Subject(member) => {
                    wrong(member, "The component has nothing of this name.")
                }
            })?;
        if !subject.annotate(change, &said)? {
            return Err(wrong("", "There is no proposal for it."));
        }
        subjects.push(subject.name);
    }
    let name = applications::name(change.connection, id)?;
    let target = format!("{} {name}: {}", said.action, subjects.join(", "));
    Ok(change.noted("component_annotation.add", &target, ())?)
}

/// What is said about each of the subjects.
struct Said<'a> {
    annotation_type: &'a str,
    action: &'a str,
    comment: &'a str,
    user: &'a str,
}

impl<'a> Said<'a> {
    fn read(user: &'a User, input: &'a ComponentAnnotationInput) -> Result<Self, Refused> {
        let rights = Rights::of(user)?;
        let action = input.action.as_str();
        let is_decision = ["APPROVE", "REJECT"].contains(&action);
        if !is_decision && action != "COMMENT" && !PROPOSALS.contains(&action) {
            let title = "The action is not one of the documented.";
            return Err(Refused::member("/action", title));
        }
        rights.check(is_decision)?;
        if !TYPES.contains(&input.annotation_type.as_str()) {
            let title = "The annotation type must be VULNERABILITY or LICENSE.";
            return Err(Refused::member("/annotation_type", title));
        }
        let comment = comment(&input.comment)?;
        if !(1..=MAX_ISSUES).contains(&input.annotations.len()) {
            let title = format!("There must be 1 to {MAX_ISSUES} annotations.");
            return Err(Refused::member("/annotations", &title));
        }
        Ok(Self { annotation_type: &input.annotation_type, action, comment, user: &user.name })
    }

    /// How a subject stands after it, and what that makes of its findings. Only a
    /// proposal can be decided.
    fn outcome<'s>(&self, standing: Option<&'s str>) -> Option<(&'s str, Option<&'static str>)> {
        Some(match self.action {
            "APPROVE" | "REJECT" if standing != Some("PROPOSED") => return None,
            // Unlike a flaw's, its finding stays open, and no longer counts.
            "APPROVE" => ("ACCEPTED", Some("resolution_status = 'APPROVED', violates_policy = 0")),
            "REJECT" => {
                ("REJECTED", Some("resolution = 'UNRESOLVED', resolution_status = 'REJECTED'"))
            }
            "COMMENT" => (standing.unwrap_or("NONE"), None),
            "FP" => (
                "PROPOSED",
                Some("resolution = 'POTENTIAL_FALSE_POSITIVE', resolution_status = 'PROPOSED'"),
            ),
            _ => ("PROPOSED", Some("resolution = 'MITIGATED', resolution_status = 'PROPOSED'")),
        })
    }
}

/// Why a subject is none.
enum Missing {
    Failed(rusqlite::Error),
    Component,
    /// The member that names it.
    Subject(&'static str),
}

impl From<rusqlite::Error> for Missing {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error)
    }
}

/// A vulnerability or a licence of a component.
struct Subject {
    application: i64,
    component: String,
    name: String,
    /// The findings that it is about.
    findings: Vec<i64>,
}

impl Subject {
    fn find(
        connection: &Connection,
        application: i64,
        annotation_type: &str,
        wanted: &AnnotatedComponent,
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
        let is_license = annotation_type == "LICENSE";
        let (member, name) = match is_license {
            true => ("/license_id", &wanted.license_id),
            false => ("/cve_name", &wanted.cve_name),
        };
        let name = name.as_deref().unwrap_or_default();
        let named = rows.iter().filter(|(_, cve, licenses)| match is_license {
            true => licenses.as_deref().is_some_and(|json| has_license(json, name)),
            false => cve.as_deref() == Some(name),
        });
        let named: Vec<_> = named.map(|row| row.0).collect();
        if named.is_empty() {
            return Err(Missing::Subject(member));
        }
        // A licence is no finding: what is said about it changes none.
        let findings = if is_license { Vec::new() } else { named };
        Ok(Self { application, component, name: name.to_owned(), findings })
    }

    /// Whether it could be said.
    fn annotate(&self, change: &Change<'_>, said: &Said<'_>) -> Result<bool, Error> {
        let now_ms = whole_second(change.now_ms);
        let transaction = change.transaction;
        let standing: Option<String> = transaction
            .query_row(
                "select status from sca_annotations where application = ? and annotation_type = ?
                 and component_id = ? and subject = ? order by id desc limit 1",
                params![self.application, said.annotation_type, self.component, self.name],
                |row| row.get(0),
            )
            .optional()?;
        let Some((status, outcome)) = said.outcome(standing.as_deref()) else { return Ok(false) };
        transaction.execute(
            "insert into sca_annotations (application, annotation_type, component_id, subject,
                action, comment, status, user_name, created_ms) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                self.application,
                said.annotation_type,
                self.component,
                self.name,
                said.action,
                said.comment,
                status,
                said.user,
                now_ms
            ],
        )?;
        if let Some(outcome) = outcome {
            let sql = format!("update findings set {outcome} where id = ?");
            for finding in &self.findings {
                transaction.execute(&sql, [finding])?;
            }
        }
        if said.action == "APPROVE" {
            transaction.execute(
                "update applications set policy_checked_ms = ? where id = ?",
                params![now_ms, self.application],
            )?;
        }
        Ok(true)
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
