//! Applications: who sees them, and what is created, changed and deleted.

mod input;
mod search;

use countersign_wire::application as wire;
use countersign_wire::hal::Link;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::act::{Change, Noted, View};
use crate::condition::{Condition, text};
use crate::manner::Manner;
use crate::recorded::Json;
use crate::user::User;
use crate::words::ScanType;
use crate::{Error, ORGANIZATION, Refused, guid_of, timestamp};
use input::Wanted;
pub(crate) use input::chosen as settings_of;

pub use search::{Filter, SCAN_TYPES, list};

/// An application that a user sees. What belongs to an application is read and changed
/// through one of these.
#[derive(Debug, Clone, Copy)]
pub struct Visible {
    pub(crate) id: i64,
}

/// The application of this guid, if the user sees it.
pub fn visible(view: &View<'_>, user: &User, guid: &str) -> Result<Visible, Refused> {
    let mut condition = seen_by(user);
    condition.and("a.guid = ?", [text(&guid_of(guid)?)]);
    let sql = format!("select a.id from {TABLE} where {}", condition.text());
    let id = view
        .connection
        .prepare_cached(&sql)?
        .query_row(params_from_iter(condition.values_and([])), |row| row.get(0))
        .optional()?;
    match id {
        Some(id) => Ok(Visible { id }),
        None => Err(Refused::NoSuch("Application")),
    }
}

/// An application as JSON: a [`wire::Application`], or one that was imported as it was
/// recorded.
pub type Body = Box<RawValue>;

/// An application; `base` is for links.
pub fn read(view: &View<'_>, user: &User, guid: &str, base: &str) -> Result<Body, Refused> {
    let application = visible(view, user, guid)?;
    Ok(whole(view.connection, application.id, base)?.body(base)?)
}

/// A new application with this profile.
pub fn create(
    change: &Change<'_>,
    user: &User,
    profile: Map<String, Value>,
    base: &str,
) -> Result<Noted<Body>, Refused> {
    let guid = change.tenant.guid();
    let wanted = Wanted::read(change.connection, user, profile, None)?;
    let id = wanted.insert(change.transaction, &guid, change.now_ms)?;
    tracing::info!(by = change.by(), application = guid, "created an application");
    noted(change, "application.create", id, base)
}

/// Changes the profile of an application.
pub fn update(
    change: &Change<'_>,
    user: &User,
    guid: &str,
    mut profile: Map<String, Value>,
    manner: Manner,
    base: &str,
) -> Result<Noted<Body>, Refused> {
    let id = visible(change, user, guid)?.id;
    if manner.is_partial {
        let current = whole(change.connection, id, base)?.wire.profile;
        profile = input::overlaid(&current, profile)?;
    }
    let wanted = Wanted::read(change.connection, user, profile, Some(id))?;
    wanted.update(change.transaction, id, change.now_ms)?;
    tracing::info!(by = change.by(), application = guid, "changed an application");
    noted(change, "application.edit", id, base)
}

/// Deletes an application and all of its findings.
pub fn delete(change: &Change<'_>, user: &User, guid: &str) -> Result<Noted<()>, Refused> {
    let id = visible(change, user, guid)?.id;
    let name = name(change.connection, id)?;
    change.transaction.execute("delete from applications where id = ?", [id])?;
    tracing::info!(by = change.by(), application = guid, "deleted an application");
    Ok(change.noted("application.delete", &name, ())?)
}

fn noted(change: &Change<'_>, act: &str, id: i64, base: &str) -> Result<Noted<Body>, Refused> {
    let application = whole(change.connection, id, base)?;
    let name = application.wire.profile.name.clone().unwrap_or_default();
    Ok(change.noted(act, &name, application.body(base)?)?)
}

pub(crate) fn name(connection: &Connection, id: i64) -> rusqlite::Result<String> {
    let sql = "select name from applications where id = ?";
    connection.prepare_cached(sql)?.query_row([id], |row| row.get(0))
}

const TABLE: &str = "applications a";

/// What the user sees.
pub(crate) fn seen_by(user: &User) -> Condition {
    if user.sees_all() {
        return Condition::always();
    }
    Condition::new(
        "exists (select 1 from application_teams t join team_members m on m.team = t.team
         where t.application = a.id and m.user = ?)",
        [user.id.into()],
    )
}

const SELECT: &str = "select a.id, a.guid, a.name, a.tags, b.id, b.name, b.guid, a.business_owners,
    p.guid, p.name, p.is_default, a.compliance, a.custom_fields, a.description,
    a.business_criticality, a.git_repo_url, a.build_id, a.created_ms, a.modified_ms,
    a.policy_checked_ms, a.last_scan_ms, a.settings, a.archer_app_name, a.custom_kms_alias,
    a.recorded, a.recorded_then
    from applications a
    join business_units b on b.id = a.business_unit
    join policies p on p.id = a.policy";

/// An application, and what was recorded of it where it was imported.
pub(crate) struct Whole {
    pub(crate) wire: wire::Application,
    /// See the table in `V1__initial.sql`.
    recorded: Option<(String, String)>,
}

impl Whole {
    fn body(self, base: &str) -> Result<Body, Error> {
        let now = serde_json::to_string(&self.wire)?;
        let Some((recorded, then)) = self.recorded else { return Ok(RawValue::from_string(now)?) };
        let then = Json::of_stored(&then, base)?;
        let shown = Json::of_stored(&recorded, base)?.brought_up(&then, Json::parse(&now)?);
        Ok(RawValue::from_string(shown.to_string())?)
    }
}

/// With its teams and scans.
pub(crate) fn whole(connection: &Connection, id: i64, base: &str) -> rusqlite::Result<Whole> {
    let mut application = connection
        .prepare_cached(&format!("{SELECT} where a.id = ?"))?
        .query_row([id], |row| read_row(row, base))?;
    complete(connection, &mut application.wire)?;
    Ok(application)
}

fn read_row(row: &Row<'_>, base: &str) -> rusqlite::Result<Whole> {
    let id: i64 = row.get(0)?;
    let guid: String = row.get(1)?;
    let policy_guid: String = row.get(8)?;
    let build_id: Option<i64> = row.get(16)?;
    let owners: String = row.get(7)?;
    let custom_fields: Option<String> = row.get(12)?;
    let date = |ms: Option<i64>| ms.map(timestamp);
    let own = format!("{base}/appsec/v1/applications/{guid}");
    let settings: String = row.get(21)?;
    let recorded: Option<String> = row.get(24)?;
    let wire = wire::Application {
        id: Some(id),
        oid: Some(ORGANIZATION),
        alt_org_id: None,
        last_completed_scan_date: date(row.get(20)?),
        created: date(row.get(17)?),
        modified: date(row.get(18)?),
        app_profile_url: Some(format!("HomeAppProfile:{ORGANIZATION}:{id}")),
        scans: Vec::new(),
        last_policy_compliance_check_date: date(row.get(19)?),
        profile: wire::Profile {
            name: row.get(2)?,
            tags: row.get(3)?,
            business_unit: Some(wire::BusinessUnitRef {
                id: row.get(4)?,
                name: row.get(5)?,
                guid: row.get(6)?,
            }),
            business_owners: serde_json::from_str(&owners).unwrap_or_default(),
            archer_app_name: row.get(22)?,
            policies: vec![wire::PolicyRef {
                guid: Some(policy_guid.clone()),
                name: row.get(9)?,
                is_default: row.get(10)?,
                policy_compliance_status: row.get(11)?,
            }],
            teams: Vec::new(),
            custom_fields: custom_fields.and_then(|text| serde_json::from_str(&text).ok()),
            description: row.get(13)?,
            settings: Some(input::settings(&settings)),
            business_criticality: row.get(14)?,
            git_repo_url: row.get(15)?,
            custom_kms_alias: row.get(23)?,
        },
        results_url: build_id
            .map(|build| format!("ViewReportsResultSummary:{ORGANIZATION}:{id}:{build}")),
        links: wire::ApplicationLinks {
            sandboxes: Some(Link::template(format!("{own}/sandboxes{{?page,size}}"))),
            this: Some(Link::to(own)),
            policy: Some(Link::to(format!("{base}/appsec/v1/policies/{policy_guid}"))),
        },
        guid,
    };
    Ok(Whole { wire, recorded: recorded.zip(row.get(25)?) })
}

/// Teams and scans, which live in tables of their own.
fn complete(
    connection: &Connection,
    application: &mut wire::Application,
) -> Result<(), rusqlite::Error> {
    let id = application.id.unwrap_or_default();
    let mut teams = connection.prepare_cached(
        "select teams.id, teams.name, teams.guid from application_teams t
         join teams on teams.id = t.team where t.application = ? order by teams.id",
    )?;
    let rows = teams.query_map([id], |row| {
        Ok(wire::TeamRef { team_id: row.get(0)?, team_name: row.get(1)?, guid: row.get(2)? })
    })?;
    application.profile.teams = rows.collect::<Result<_, _>>()?;
    let build = application.results_url.as_deref().and_then(|url| url.rsplit(':').next());
    let build = build.unwrap_or_default().to_owned();
    let mut scans = connection.prepare_cached(
        "select scan_type, status, modified_ms, analysis, unit from scans
         where application = ? order by scan_type",
    )?;
    let rows = scans.query_map([id], |row| {
        let scan_type: String = row.get(0)?;
        let (analysis, unit): (i64, i64) = (row.get(3)?, row.get(4)?);
        // The fourth part is the build id: a client compares it with its own.
        let (page, gap) = match ScanType::parse(&scan_type) {
            Some(ScanType::Static) => ("StaticOverview", ":"),
            Some(ScanType::Dynamic) => ("DynamicParamsView", "::"),
            _ => ("ManualParamsView", ":::"),
        };
        Ok(wire::Scan {
            scan_url: Some(format!("{page}:{ORGANIZATION}:{id}:{build}:{analysis}{gap}{unit}")),
            scan_type: Some(scan_type),
            status: row.get(1)?,
            modified_date: Some(timestamp(row.get(2)?)),
            internal_status: Some("resultsready".into()),
            links: Vec::new(),
            fallback_type: None,
            full_type: None,
        })
    })?;
    application.scans = rows.collect::<Result<_, _>>()?;
    Ok(())
}
