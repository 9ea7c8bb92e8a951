//! Policies, read only.

use axum::response::Response;
use countersign_wire::hal::Page;
use countersign_wire::policy::Policy;

use super::answer::json;
use super::asked::Asked;
use super::error::Refusal;
#[cfg(test)]
use super::hal::Listing;
use super::hal::{List, MOST, embedded};
#[cfg(test)]
use super::query::Pages;
use super::query::{Kind, Parameter, Query, parameter, parameters, wrong};
use crate::caller::{Grant, ReadApplications};
use countersign_tenant::View;
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
#[cfg_attr(test, utoipa::path(
    get,
    path = "/appsec/v1/policies",
    tag = "Policies",
    params(PolicyFilters),
    responses((status = 200, body = Listing<Policies>)),
))]
pub(crate) async fn list_policies(
    asked: Asked<Grant<ReadApplications>>,
) -> Result<Response, Refusal> {
    asked
        .look(|view, asked| {
            let (query, base) = (&asked.query, asked.base());
            let list = List::new(format!("{base}/appsec/v1/policies"), PARAMETERS);
            list.page::<_, Policies>(query, |window| {
                Ok(policies::list(view, &filter(query)?, window, base)?)
            })
        })
        .await
}

/// A policy in its newest version.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/appsec/v1/policies/{guid}",
    tag = "Policies",
    responses((status = 200, body = Policy)),
))]
pub(crate) async fn read_policy(
    asked: Asked<Grant<ReadApplications>, String>,
) -> Result<Response, Refusal> {
    asked.look(|view, asked| json(&policies::read(view, &asked.path, asked.base())?)).await
}

/// All versions of a policy.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/appsec/v1/policies/{guid}/versions",
    tag = "Policies",
    params(Pages),
    responses((status = 200, body = Listing<Policies>)),
))]
pub(crate) async fn list_policy_versions(
    asked: Asked<Grant<ReadApplications>, String>,
) -> Result<Response, Refusal> {
    asked.look(list_versions).await
}

fn list_versions(
    view: &View<'_>,
    asked: &Asked<Grant<ReadApplications>, String>,
) -> Result<Response, Refusal> {
    let base = asked.base();
    let paging = asked.query.paging(50, MOST)?;
    let only = policies::read(view, &asked.path, base)?;
    let list = List::new(format!("{base}/appsec/v1/policies/{}/versions", only.guid), &[]);
    let page = Page::new(paging.number, paging.size, 1);
    let shown = if paging.number == 0 { vec![only] } else { Vec::new() };
    list.listing::<_, Policies>(shown, page, &asked.query)
}

/// A policy in one version.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/appsec/v1/policies/{guid}/versions/{version}",
    tag = "Policies",
    responses((status = 200, body = Policy)),
))]
pub(crate) async fn read_policy_version(
    asked: Asked<Grant<ReadApplications>, (String, String)>,
) -> Result<Response, Refusal> {
    let version: i64 = asked.path.1.parse().map_err(|_| wrong("version", "a number"))?;
    asked
        .look(move |view, asked| {
            let found = policies::read(view, &asked.path.0, asked.base())?;
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
