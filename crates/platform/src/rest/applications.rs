//! Applications: list with every documented filter, and one by guid.

pub(crate) mod write;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_wire::application as wire;
use countersign_wire::hal::{Link, Links, Page};
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::Refusal;
use super::hal::List;
use super::json;
use super::query::{Kind, Parameter, Query, parameter, parameters, wrong};
use crate::caller::{Caller, Grant, ReadApplications};
use crate::state::AppState;
use countersign_tenant::condition::{Condition, number, text};
use countersign_tenant::{ORGANIZATION, timestamp};

/// In the order of the recorded `self` links.
const PARAMETERS: &[Parameter] = &[
    parameter("org", Kind::Text, "Is not looked at."),
    parameter("name", Kind::Text, "Part of the name."),
    parameter("policy_id", Kind::Text, "Is not looked at."),
    parameter("policy_guid", Kind::Guid, "Under this policy."),
    parameter("legacy_id", Kind::Integer(0, i64::MAX), "This numeric id."),
    parameter("business_unit", Kind::Text, "Of the business unit of this name."),
    parameter("tag", Kind::Text, "With this tag; `%` stands for any characters."),
    parameter("policy", Kind::Text, "Under the policy of this name."),
    parameter("policy_compliance", Kind::OneOf(COMPLIANCE), "With this verdict."),
    parameter("scan_status", Kind::Each(&Kind::Text), "With a scan in one of these states."),
    parameter("scan_type", Kind::OneOf(SCAN_TYPES), "With a scan of this type."),
    parameter("modified_after", Kind::Day, "Changed on this day or later."),
    parameter("policy_compliance_checked_after", Kind::Day, "Judged on this day or later."),
    parameter("team", Kind::Text, "Of the team of this name."),
    parameter("custom_field_names", Kind::Each(&Kind::Text), "Fields, in pairs with values."),
    parameter("custom_field_values", Kind::Each(&Kind::Text), "Values; `%` is any."),
    parameter("sort_by_custom_field_name", Kind::Text, "Sorted by this field."),
];
parameters!(ApplicationFilters, PARAMETERS, paged);

const COMPLIANCE: &[&str] =
    &["DETERMINING", "NOT_ASSESSED", "DID_NOT_PASS", "CONDITIONAL_PASS", "VENDOR_REVIEW", "PASSED"];
const SCAN_TYPES: &[&str] = &["STATIC", "DYNAMIC", "MANUAL"];

#[derive(Serialize, ToSchema)]
#[schema(as = ApplicationListing)]
struct Listing {
    #[serde(rename = "_embedded", skip_serializing_if = "Option::is_none")]
    embedded: Option<Embedded>,
    #[serde(rename = "_links")]
    links: Links,
    /// Always null.
    #[schema(value_type = Option<String>)]
    fallback_type: Option<()>,
    /// Always null.
    #[schema(value_type = Option<String>)]
    full_type: Option<()>,
    page: Page,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Applications)]
struct Embedded {
    applications: Vec<wire::Application>,
}

/// Applications that the caller sees.
#[utoipa::path(
    get,
    path = "/appsec/v1/applications",
    tag = "Applications",
    params(ApplicationFilters),
    responses((status = 200, body = Listing)),
)]
pub(crate) async fn list_applications(
    grant: Grant<ReadApplications>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state.read(move |connection, _| list(connection, &grant.caller, raw.as_deref())).await
}

fn list(connection: &Connection, caller: &Caller, raw: Option<&str>) -> Result<Response, Refusal> {
    let query = Query::parse(raw);
    let paging = query.paging(50, 500)?;
    let mut filter = Filter::new(caller);
    filter.read(&query)?;
    let mut total = filter.condition.count(connection, TABLE)?;
    if total == 0
        && let Some(again) = query.decoded_again()
    {
        filter = Filter::new(caller);
        filter.read(&again)?;
        total = filter.condition.count(connection, TABLE)?;
    }
    let applications = filter.page(connection, paging.size, paging.offset(), &caller.base)?;
    let page = Page::new(paging.number, paging.size, total);
    let list = List {
        url: format!("{}/appsec/v1/applications/", caller.base),
        parameters: PARAMETERS,
        offers_paging: true,
    };
    json(&Listing {
        embedded: (!applications.is_empty()).then_some(Embedded { applications }),
        links: list.links(&query, page),
        fallback_type: None,
        full_type: None,
        page,
    })
}

/// An application.
#[utoipa::path(
    get,
    path = "/appsec/v1/applications/{guid}",
    tag = "Applications",
    responses((status = 200, body = wire::Application)),
)]
pub(crate) async fn read_application(
    grant: Grant<ReadApplications>,
    Path(guid_text): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state
        .read(move |connection, _| {
            let id = visible(connection, &grant.caller, &guid_text)?;
            json(&by_id(connection, id, &grant.caller.base)?)
        })
        .await
}

fn by_id(
    connection: &Connection,
    id: i64,
    base: &str,
) -> Result<wire::Application, rusqlite::Error> {
    let mut application = connection
        .prepare_cached(&format!("{SELECT} where a.id = ?"))?
        .query_row([id], |row| read_row(row, base))?;
    complete(connection, &mut application)?;
    Ok(application)
}

/// The row id of an application that the caller sees.
pub(crate) fn visible(
    connection: &Connection,
    caller: &Caller,
    guid_text: &str,
) -> Result<i64, Refusal> {
    let guid = guid(guid_text)?;
    let mut condition = seen_by(caller);
    condition.and("a.guid = ?", [text(&guid)]);
    let sql = format!("select a.id from {TABLE} where {}", condition.text());
    let id = connection
        .prepare_cached(&sql)?
        .query_row(params_from_iter(condition.values_and([])), |row| row.get(0))
        .optional()?;
    id.ok_or_else(|| Refusal::no_such(&format!("/appsec/v1/applications/{guid_text}")))
}

/// A guid in lower case.
pub(crate) fn guid(text: &str) -> Result<String, Refusal> {
    match uuid::Uuid::try_parse(text) {
        Ok(guid) if text.len() == 36 => Ok(guid.to_string()),
        _ => Err(Refusal::malformed_guid(text)),
    }
}

const TABLE: &str = "applications a";

/// What the caller sees.
fn seen_by(caller: &Caller) -> Condition {
    if caller.user.sees_all() {
        return Condition::always();
    }
    Condition::new(
        "exists (select 1 from application_teams t join team_members m on m.team = t.team
         where t.application = a.id and m.user = ?)",
        [caller.user.id.into()],
    )
}

struct Filter {
    condition: Condition,
    order: &'static str,
    sort_field: Option<String>,
}

impl Filter {
    fn new(caller: &Caller) -> Self {
        Self { condition: seen_by(caller), order: "a.id", sort_field: None }
    }

    fn read(&mut self, query: &Query) -> Result<(), Refusal> {
        if let Some(name) = query.get("name") {
            self.condition.holds(&["a.name"], name);
        }
        if let Some(id) = query.number::<i64>("legacy_id")? {
            self.condition.and("a.id = ?", [id.into()]);
        }
        for (parameter, condition) in [
            ("business_unit", "a.business_unit in (select id from business_units where name = ?)"),
            (
                "team",
                "exists (select 1 from application_teams t join teams on teams.id = t.team
                 where t.application = a.id and teams.name = ?)",
            ),
            ("policy", "a.policy in (select id from policies where name = ?)"),
            ("policy_guid", "a.policy in (select id from policies where guid = lower(?))"),
        ] {
            if let Some(value) = query.get(parameter) {
                self.condition.and(condition, [text(value)]);
            }
        }
        if let Some(tag) = query.get("tag") {
            // Each tag of the comma-separated text on its own. `json_quote` escapes all
            // that JSON has a meaning for, and a comma is never part of an escape.
            self.condition.and(
                "exists (select 1 from json_each('[' || replace(json_quote(a.tags), ',', '\",\"') || ']')
                 where trim(value) like ?)",
                [text(tag)],
            );
        }
        self.read_enums(query)?;
        for (parameter, column) in [
            ("modified_after", "a.modified_ms"),
            ("policy_compliance_checked_after", "a.policy_checked_ms"),
        ] {
            if let Some(ms) = query.date(parameter)? {
                self.condition.and(&format!("{column} >= ?"), [ms.into()]);
            }
        }
        self.read_custom_fields(query)
    }

    fn read_enums(&mut self, query: &Query) -> Result<(), Refusal> {
        if let Some(compliance) = query.get("policy_compliance") {
            if !COMPLIANCE.contains(&compliance) {
                return Err(wrong("policy_compliance", "a compliance status"));
            }
            self.condition.and("a.compliance = ?", [text(compliance)]);
        }
        if let Some(scan_type) = query.get("scan_type") {
            if !SCAN_TYPES.contains(&scan_type) {
                return Err(wrong("scan_type", "STATIC, DYNAMIC or MANUAL"));
            }
            self.condition.and(
                "exists (select 1 from scans s where s.application = a.id and s.scan_type = ?)",
                [text(scan_type)],
            );
        }
        let statuses = query.filter("scan_status")?;
        if !statuses.is_empty() {
            let mut scans = Condition::new("s.application = a.id", []);
            scans.one_of("s.status", statuses.into_iter().map(text));
            let some = format!("exists (select 1 from scans s where {})", scans.text());
            self.condition.and(&some, scans.values_and([]));
        }
        Ok(())
    }

    /// Names and values come in pairs; `%` stands for any value.
    fn read_custom_fields(&mut self, query: &Query) -> Result<(), Refusal> {
        let names = query.filter("custom_field_names")?;
        let values = query.filter("custom_field_values")?;
        let pairs: Vec<_> = names.into_iter().zip(values).collect();
        if !pairs.is_empty() {
            self.condition.and(
                "not exists (select 1 from json_each(?) pair
                 where not exists (select 1 from json_each(a.custom_fields) field
                    where field.value ->> 'name' = pair.value ->> 0
                        and field.value ->> 'value' like pair.value ->> 1))",
                [serde_json::json!(pairs).to_string().into()],
            );
        }
        if let Some(name) = query.get("sort_by_custom_field_name") {
            self.order = "(select value ->> 'value' from json_each(a.custom_fields)
                where value ->> 'name' = ?) nulls last, a.id";
            self.sort_field = Some(name.to_owned());
        }
        Ok(())
    }

    fn page(
        &self,
        connection: &Connection,
        limit: u64,
        offset: u64,
        base: &str,
    ) -> Result<Vec<wire::Application>, rusqlite::Error> {
        let sql = format!(
            "{SELECT} where {} order by {} limit ? offset ?",
            self.condition.text(),
            self.order
        );
        let sorted = self.sort_field.as_deref().map(text);
        let window = sorted.into_iter().chain([number(limit), number(offset)]);
        let values = self.condition.values_and(window);
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(values), |row| read_row(row, base))?;
        let mut applications = rows.collect::<Result<Vec<_>, _>>()?;
        for application in &mut applications {
            complete(connection, application)?;
        }
        Ok(applications)
    }
}

const SELECT: &str = "select a.id, a.guid, a.name, a.tags, b.id, b.name, b.guid, a.business_owners,
    p.guid, p.name, p.is_default, a.compliance, a.custom_fields, a.description,
    a.business_criticality, a.git_repo_url, a.build_id, a.created_ms, a.modified_ms,
    a.policy_checked_ms, a.last_scan_ms, a.settings, a.archer_app_name, a.custom_kms_alias
    from applications a
    join business_units b on b.id = a.business_unit
    join policies p on p.id = a.policy";

fn read_row(row: &Row<'_>, base: &str) -> rusqlite::Result<wire::Application> {
    let id: i64 = row.get(0)?;
    let guid: String = row.get(1)?;
    let policy_guid: String = row.get(8)?;
    let build_id: Option<i64> = row.get(16)?;
    let owners: String = row.get(7)?;
    let custom_fields: Option<String> = row.get(12)?;
    let date = |ms: Option<i64>| ms.map(timestamp);
    let own = format!("{base}/appsec/v1/applications/{guid}");
    let settings: String = row.get(21)?;
    Ok(wire::Application {
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
            settings: Some(write::settings(&settings)),
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
    })
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
        let (page, gap) = match scan_type.as_str() {
            "STATIC" => ("StaticOverview", ":"),
            "DYNAMIC" => ("DynamicParamsView", "::"),
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
