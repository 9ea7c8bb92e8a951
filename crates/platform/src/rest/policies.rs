//! Policies, read only.

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_wire::credential::SelfLink;
use countersign_wire::hal::Page;
use countersign_wire::policy::Policy;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use super::applications::guid;
use super::error::Refusal;
use super::hal::{List, Listing, embedded, listing};
use super::json;
use super::query::{Kind, Pages, Parameter, Query, parameter, parameters, wrong};
use crate::caller::{Grant, ReadApplications};
use crate::state::AppState;
use countersign_tenant::ORGANIZATION;
use countersign_tenant::condition::{Condition, number, text};

embedded!(Policies, policy_versions: Policy);

const PARAMETERS: &[Parameter] = &[
    parameter("category", Kind::OneOf(&["APPLICATION", "COMPONENT"]), "What it is for."),
    parameter("legacy_policy_id", Kind::Integer(0, i64::MAX), "This numeric id."),
    parameter("name", Kind::Text, "Part of the name."),
    parameter("name_exact", Kind::Truth, "The whole name instead."),
    parameter("public_policy", Kind::Truth, "With those that the account did not make."),
    parameter("vendor_policy", Kind::Truth, "Whether it is for suppliers."),
];
parameters!(PolicyFilters, PARAMETERS, paged);

/// Policies, each in its newest version.
#[utoipa::path(
    get,
    path = "/appsec/v1/policies",
    tag = "Policies",
    params(PolicyFilters),
    responses((status = 200, body = Listing<Policies>)),
)]
pub(crate) async fn list_policies(
    grant: Grant<ReadApplications>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state
        .read(move |connection, _| {
            let query = Query::parse(raw.as_deref());
            let paging = query.paging(50, 500)?;
            let condition = filter(&query)?;
            let total = condition.count(connection, "policies")?;
            let sql = format!("{SELECT} where {} order by id limit ? offset ?", condition.text());
            let values = condition.values_and([number(paging.size), number(paging.offset())]);
            let mut statement = connection.prepare_cached(&sql)?;
            let base = &grant.caller.base;
            let rows = statement.query_map(params_from_iter(values), |row| read_row(row, base))?;
            let policies = rows.collect::<Result<Vec<_>, _>>()?;
            let list = List {
                url: format!("{base}/appsec/v1/policies"),
                parameters: PARAMETERS,
                offers_paging: true,
            };
            let page = Page::new(paging.number, paging.size, total);
            listing::<_, Policies>(&list, policies, page, &query)
        })
        .await
}

/// A policy in its newest version.
#[utoipa::path(
    get,
    path = "/appsec/v1/policies/{guid}",
    tag = "Policies",
    responses((status = 200, body = Policy)),
)]
pub(crate) async fn read_policy(
    grant: Grant<ReadApplications>,
    Path(policy): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state.read(move |connection, _| json(&find(connection, &policy, &grant.caller.base)?)).await
}

/// All versions of a policy.
#[utoipa::path(
    get,
    path = "/appsec/v1/policies/{guid}/versions",
    tag = "Policies",
    params(Pages),
    responses((status = 200, body = Listing<Policies>)),
)]
pub(crate) async fn list_policy_versions(
    grant: Grant<ReadApplications>,
    Path(policy): Path<String>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state
        .read(move |connection, _| {
            let base = &grant.caller.base;
            let query = Query::parse(raw.as_deref());
            let paging = query.paging(50, 500)?;
            let only = find(connection, &policy, base)?;
            let list = List {
                url: format!("{base}/appsec/v1/policies/{}/versions", only.guid),
                parameters: &[],
                offers_paging: true,
            };
            let page = Page::new(paging.number, paging.size, 1);
            let shown = if paging.number == 0 { vec![only] } else { Vec::new() };
            listing::<_, Policies>(&list, shown, page, &query)
        })
        .await
}

/// A policy in one version.
#[utoipa::path(
    get,
    path = "/appsec/v1/policies/{guid}/versions/{version}",
    tag = "Policies",
    responses((status = 200, body = Policy)),
)]
pub(crate) async fn read_policy_version(
    grant: Grant<ReadApplications>,
    Path((policy, version)): Path<(String, String)>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let version: i64 = version.parse().map_err(|_| wrong("version", "a number"))?;
    state
        .read(move |connection, _| {
            let found = find(connection, &policy, &grant.caller.base)?;
            if found.version != Some(version) {
                let path = format!("/appsec/v1/policies/{policy}/versions/{version}");
                return Err(Refusal::no_such(&path));
            }
            json(&found)
        })
        .await
}

fn find(connection: &Connection, policy: &str, base: &str) -> Result<Policy, Refusal> {
    let guid = guid(policy)?;
    let sql = format!("{SELECT} where guid = ?");
    let found = connection.query_row(&sql, [guid], |row| read_row(row, base)).optional()?;
    found.ok_or_else(|| Refusal::no_such(&format!("/appsec/v1/policies/{policy}")))
}

fn filter(query: &Query) -> Result<Condition, Refusal> {
    let mut condition = Condition::always();
    if let Some(category) = query.get("category") {
        if !["APPLICATION", "COMPONENT"].contains(&category) {
            return Err(wrong("category", "APPLICATION or COMPONENT"));
        }
        condition.and("definition ->> 'category' = ?", [text(category)]);
    }
    if let Some(id) = query.number::<i64>("legacy_policy_id")? {
        condition.and("id = ?", [id.into()]);
    }
    match (query.get("name"), query.truth("name_exact")?) {
        (Some(name), Some(true)) => condition.and("name = ?", [text(name)]),
        (Some(name), _) => condition.holds(&["name"], name),
        (None, _) => {}
    }
    if query.truth("public_policy")? == Some(false) {
        condition.and("definition ->> 'type' = ?", [text("CUSTOMER")]);
    }
    if let Some(is) = query.truth("vendor_policy")? {
        condition.and("definition ->> 'vendor_policy' = ?", [i64::from(is).into()]);
    }
    Ok(condition)
}

const SELECT: &str = "select guid, name, definition from policies";

fn read_row(row: &Row<'_>, base: &str) -> rusqlite::Result<Policy> {
    let guid: String = row.get(0)?;
    let definition: String = row.get(2)?;
    let definition: Policy = serde_json::from_str(&definition)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(2, TEXT, error.into()))?;
    Ok(Policy {
        name: row.get(1)?,
        organization_id: Some(ORGANIZATION),
        links: Some(SelfLink::to(format!("{base}/appsec/v1/policies/{guid}"))),
        guid,
        ..definition
    })
}

const TEXT: rusqlite::types::Type = rusqlite::types::Type::Text;
