//! Policies, read only.

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_wire::hal::Page;
use countersign_wire::policy::Policy;

use super::error::Refusal;
use super::hal::{List, Listing, embedded, listing};
use super::json;
use super::query::{Kind, Pages, Parameter, Query, parameter, parameters, wrong};
use crate::caller::{Grant, ReadApplications};
use crate::state::AppState;
use countersign_tenant::policies::{self, CATEGORIES};

embedded!(Policies, policy_versions: Policy);

const PARAMETERS: &[Parameter] = &[
    parameter("category", Kind::OneOf(CATEGORIES), "What it is for."),
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
        .look(move |view| {
            let base = &grant.caller.base;
            let query = Query::parse(raw.as_deref());
            let paging = query.paging(50, 500)?;
            let (policies, total) = policies::list(view, &filter(&query)?, &paging.window(), base)?;
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
    state.look(move |view| json(&policies::read(view, &policy, &grant.caller.base)?)).await
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
        .look(move |view| {
            let base = &grant.caller.base;
            let query = Query::parse(raw.as_deref());
            let paging = query.paging(50, 500)?;
            let only = policies::read(view, &policy, base)?;
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
        .look(move |view| {
            let found = policies::read(view, &policy, &grant.caller.base)?;
            if found.version != Some(version) {
                return Err(Refusal::no_such("Policy version"));
            }
            json(&found)
        })
        .await
}

fn filter(query: &Query) -> Result<policies::Filter, Refusal> {
    Ok(policies::Filter {
        category: query.word("category", CATEGORIES, "APPLICATION or COMPONENT")?,
        legacy_policy_id: query.number("legacy_policy_id")?,
        name: query.get("name").map(String::from),
        name_exact: query.truth("name_exact")?.unwrap_or_default(),
        public_policy: query.truth("public_policy")?,
        vendor_policy: query.truth("vendor_policy")?,
    })
}
