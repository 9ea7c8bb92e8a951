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
use crate::words::words;
use crate::{Error, Refused, timestamp, whole_second};

words!(
    /// What of a component is annotated.
    About { Vulnerability = "VULNERABILITY", License = "LICENSE" }
);

words!(
    /// How a subject stands after an annotation.
    Standing { Proposed = "PROPOSED", Accepted = "ACCEPTED", Rejected = "REJECTED" }
);

words!(
    Saying {
        Comment = "COMMENT",
        Approve = "APPROVE",
        Reject = "REJECT",
        ByEnvironment = "BYENV",
        ByDesign = "BYDESIGN",
        FalsePositive = "FP",
        Risk = "ACCEPTRISK",
        Legal = "LEGAL",
        Commercial = "COMMERCIAL",
        Experimental = "EXPERIMENTAL",
        Internal = "INTERNAL"
    }
);

impl Saying {
    /// Whether only a proposal can have it done to it.
    fn is_decision(self) -> bool {
        matches!(self, Self::Approve | Self::Reject)
    }
}

/// The word for a subject of which nothing was proposed.
const UNDECIDED: &str = "NONE";

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
    pub annotation_type: Option<About>,
    /// How the subject stood after it.
    pub annotation_status: Option<Standing>,
    pub annotation_reason: Option<String>,
    pub cve_name: Option<String>,
    pub license_name: Option<String>,
}

impl Filter {
    fn condition(&self, application: Visible) -> Condition {
        let mut condition = Condition::new("application = ?", [application.id.into()]);
        for (sql, value) in [
            ("annotation_type = ?", self.annotation_type.map(About::word)),
            ("status = ?", self.annotation_status.map(Standing::word)),
            ("action = ?", self.annotation_reason.as_deref()),
            ("subject = ?", self.cve_name.as_deref()),
            ("subject = ?", self.license_name.as_deref()),
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
    let (cve_name, license_id) = match About::parse(&annotation_type) {
        Some(About::License) => (None, Some(subject)),
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
        let subject = Subject::find(change.connection, id, said.about, wanted).map_err(
            |error| match error {
                Missing::Failed(error) => error.into(),
                Missing::Component => {
                    wrong("/component_id", "The application has no such component.")
                }
                Missing::Subject(member) => {
                    wrong(member, "The component has nothing of this name.")
                }
            },
        )?;
        if !subject.annotate(change, &said)? {
            return Err(wrong("", "There is no proposal for it."));
        }
        subjects.push(subject.name);
    }
    let name = applications::name(change.connection, id)?;
    let target = format!("{} {name}: {}", said.saying.word(), subjects.join(", "));
    Ok(change.noted("component_annotation.add", &target, ())?)
}

/// What is said about each of the subjects.
struct Said<'a> {
    about: About,
    saying: Saying,
    comment: &'a str,
    user: &'a str,
}

impl<'a> Said<'a> {
    fn read(user: &'a User, input: &'a ComponentAnnotationInput) -> Result<Self, Refused> {
        let rights = Rights::of(user)?;
        let saying = Saying::parse(&input.action).ok_or_else(|| {
            Refused::member("/action", "The action is not one of the documented.")
        })?;
        rights.check(saying.is_decision())?;
        let about = About::parse(&input.annotation_type).ok_or_else(|| {
            let title = "The annotation type must be VULNERABILITY or LICENSE.";
            Refused::member("/annotation_type", title)
        })?;
        let comment = comment(&input.comment)?;
        if !(1..=MAX_ISSUES).contains(&input.annotations.len()) {
            let title = format!("There must be 1 to {MAX_ISSUES} annotations.");
            return Err(Refused::member("/annotations", &title));
        }
        Ok(Self { about, saying, comment, user: &user.name })
    }

    /// How a subject stands after it, and what that makes of its findings. Only a
    /// proposal can be decided.
    fn outcome(
        &self,
        standing: Option<Standing>,
    ) -> Option<(Option<Standing>, Option<&'static str>)> {
        if self.saying.is_decision() && standing != Some(Standing::Proposed) {
            return None;
        }
        let (after, made) = match self.saying {
            Saying::Comment => return Some((standing, None)),
            // Unlike a flaw's, its finding stays open, and no longer counts.
            Saying::Approve => {
                (Standing::Accepted, "resolution_status = 'APPROVED', violates_policy = 0")
            }
            Saying::Reject => {
                (Standing::Rejected, "resolution = 'UNRESOLVED', resolution_status = 'REJECTED'")
            }
            Saying::FalsePositive => (
                Standing::Proposed,
                "resolution = 'POTENTIAL_FALSE_POSITIVE', resolution_status = 'PROPOSED'",
            ),
            _ => (Standing::Proposed, "resolution = 'MITIGATED', resolution_status = 'PROPOSED'"),
        };
        Some((Some(after), Some(made)))
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
        about: About,
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
        let is_license = about == About::License;
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
                params![self.application, said.about.word(), self.component, self.name],
                |row| row.get(0),
            )
            .optional()?;
        let standing = standing.as_deref().and_then(Standing::parse);
        let Some((after, outcome)) = said.outcome(standing) else { return Ok(false) };
        transaction.execute(
            "insert into sca_annotations (application, annotation_type, component_id, subject,
                action, comment, status, user_name, created_ms) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                self.application,
                said.about.word(),
                self.component,
                self.name,
                said.saying.word(),
                said.comment,
                after.map_or(UNDECIDED, Standing::word),
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
        if said.saying == Saying::Approve {
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
