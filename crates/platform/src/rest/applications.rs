//! Applications: list with every documented filter, and one by guid.

pub(crate) mod write;

use axum::response::Response;
#[cfg(test)]
use countersign_wire::application as wire;
use countersign_wire::hal::{Links, Page};
use serde::Serialize;

use super::answer::json;
use super::asked::Asked;
use super::error::Refusal;
use super::hal::{List, MOST};
use super::query::{Kind, Parameter, Query, owned, parameter, parameters};
use crate::caller::{Grant, ReadApplications};
use countersign_tenant::View;
use countersign_tenant::applications::{self, SCAN_TYPES};
use countersign_tenant::words::Compliance;

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
    parameter("policy_compliance", Kind::OneOf(Compliance::WORDS), "With this verdict."),
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

#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = ApplicationListing))]
struct Listing {
    #[serde(rename = "_embedded", skip_serializing_if = "Option::is_none")]
    embedded: Option<Embedded>,
    #[serde(rename = "_links")]
    links: Links,
    /// Always null.
    #[cfg_attr(test, schema(value_type = Option<String>))]
    fallback_type: Option<()>,
    /// Always null.
    #[cfg_attr(test, schema(value_type = Option<String>))]
    full_type: Option<()>,
    page: Page,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = Applications))]
struct Embedded {
    #[cfg_attr(test, schema(value_type = Vec<wire::Application>))]
    applications: Vec<applications::Body>,
}

/// Applications that the caller sees.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/appsec/v1/applications",
    tag = "Applications",
    params(ApplicationFilters),
    responses((status = 200, body = Listing)),
))]
pub(crate) async fn list_applications(
    asked: Asked<Grant<ReadApplications>>,
) -> Result<Response, Refusal> {
    asked.look(list).await
}

fn list(view: &View<'_>, asked: &Asked<Grant<ReadApplications>>) -> Result<Response, Refusal> {
    let (query, base) = (&asked.query, asked.base());
    let list = List::new(format!("{base}/appsec/v1/applications/"), PARAMETERS);
    let paging = query.paging(list.usual_size, MOST)?;
    let window = paging.window();
    let (applications, total) = query.found(|query| {
        Ok(applications::list(view, asked.user(), &filter(query)?, &window, base)?)
    })?;
    let page = Page::new(paging.number, paging.size, total);
    json(&Listing {
        embedded: (!applications.is_empty()).then_some(Embedded { applications }),
        links: list.links(query, page),
        fallback_type: None,
        full_type: None,
        page,
    })
}

fn filter(query: &Query) -> Result<applications::Filter, Refusal> {
    let text = |name: &str| query.get(name).map(String::from);
    let mut filter = applications::Filter {
        name: text("name"),
        legacy_id: query.number("legacy_id")?,
        business_unit: text("business_unit"),
        team: text("team"),
        policy: text("policy"),
        policy_guid: text("policy_guid"),
        tag: text("tag"),
        policy_compliance: query.word(
            "policy_compliance",
            Compliance::WORDS,
            "a compliance status",
        )?,
        scan_type: query.word("scan_type", SCAN_TYPES, "STATIC, DYNAMIC or MANUAL")?,
        scan_status: owned(query.filter("scan_status")?),
        modified_after: query.date("modified_after")?,
        policy_compliance_checked_after: query.date("policy_compliance_checked_after")?,
        custom_fields: Vec::new(),
        sort_by_custom_field_name: text("sort_by_custom_field_name"),
    };
    let names = owned(query.filter("custom_field_names")?);
    let values = owned(query.filter("custom_field_values")?);
    filter.custom_fields = names.into_iter().zip(values).collect();
    Ok(filter)
}

/// An application.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/appsec/v1/applications/{guid}",
    tag = "Applications",
    responses((status = 200, body = wire::Application)),
))]
pub(crate) async fn read_application(
    asked: Asked<Grant<ReadApplications>, String>,
) -> Result<Response, Refusal> {
    asked
        .look(|view, asked| {
            json(&applications::read(view, asked.user(), &asked.path, asked.base())?)
        })
        .await
}
