//! Business units and their teams.

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_wire::identity as wire;

use super::super::answer::{created, done, json};
use super::super::asked::Input;
use super::super::error::Refusal;
#[cfg(test)]
use super::super::hal::Listing;
use super::super::hal::embedded;
#[cfg(test)]
use super::super::query::Kind;
#[cfg(test)]
use super::super::query::parameter;
use super::super::query::{Query, parameters};
#[cfg(test)]
use super::ChangeParameters;
#[cfg(test)]
use super::SORT;
use super::{listing, manner, page_of};
use crate::caller::{Grant, ManageIdentity};
use crate::state::AppState;
use countersign_tenant::{Change, Refused, View, units};

embedded!(BusinessUnits, business_units: wire::BusinessUnit);

parameters!(
    BusinessUnitFilters,
    &[
        parameter("bu_name", Kind::Text, "Part of the name."),
        parameter("search_term", Kind::Text, "Part of the name."),
        SORT,
    ],
    paged
);

/// Business units.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/api/authn/v2/business_units",
    tag = "Business units",
    params(BusinessUnitFilters),
    responses((status = 200, body = Listing<BusinessUnits>)),
))]
pub(crate) async fn list_business_units(
    grant: Grant<ManageIdentity>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let query = Query::parse(raw.as_deref());
    state
        .look(move |view| {
            let base = &grant.caller.base;
            let (units, page) = page_of(&query, |query, window| {
                let parts =
                    ["bu_name", "search_term"].into_iter().filter_map(|name| query.get(name));
                let parts: Vec<_> = parts.map(String::from).collect();
                Ok(units::list(view, &parts, window, base)?)
            })?;
            listing::<_, BusinessUnits>("business_units", units, page, base, &query)
        })
        .await
}

/// A business unit with its teams.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/api/authn/v2/business_units/{bu_id}",
    tag = "Business units",
    responses((status = 200, body = wire::BusinessUnit)),
))]
pub(crate) async fn read_business_unit(
    grant: Grant<ManageIdentity>,
    Path(bu_id): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let read = move |view: &View<'_>| units::read(view, &bu_id, &grant.caller.base);
    json(&state.look::<_, Refused>(read).await?)
}

/// A new business unit.
#[cfg_attr(test, utoipa::path(
    post,
    path = "/api/authn/v2/business_units",
    tag = "Business units",
    request_body = wire::BusinessUnitInput,
    responses((status = 201, body = wire::BusinessUnit)),
))]
pub(crate) async fn create_business_unit(
    grant: Grant<ManageIdentity>,
    State(state): State<AppState>,
    Input(wanted): Input<wire::BusinessUnitInput>,
) -> Result<Response, Refusal> {
    let act = grant.caller.act();
    let make = move |change: &Change<'_>| units::create(change, wanted, &grant.caller.base);
    created(&state.change(act, make).await?)
}

/// Changes a business unit.
#[cfg_attr(test, utoipa::path(
    put,
    path = "/api/authn/v2/business_units/{bu_id}",
    tag = "Business units",
    params(ChangeParameters),
    request_body = wire::BusinessUnitInput,
    responses((status = 200, body = wire::BusinessUnit)),
))]
pub(crate) async fn update_business_unit(
    grant: Grant<ManageIdentity>,
    Path(bu_id): Path<String>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
    Input(wanted): Input<wire::BusinessUnitInput>,
) -> Result<Response, Refusal> {
    let manner = manner(&Query::parse(raw.as_deref()))?;
    let act = grant.caller.act();
    let make = move |change: &Change<'_>| {
        units::update(change, &bu_id, wanted, manner, &grant.caller.base)
    };
    json(&state.change(act, make).await?)
}

/// Deletes a business unit.
#[cfg_attr(test, utoipa::path(
    delete,
    path = "/api/authn/v2/business_units/{bu_id}",
    tag = "Business units",
    responses((status = 200, description = "An empty object.")),
))]
pub(crate) async fn delete_business_unit(
    grant: Grant<ManageIdentity>,
    Path(bu_id): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state.change(grant.caller.act(), move |change| units::delete(change, &bu_id)).await?;
    Ok(done())
}
