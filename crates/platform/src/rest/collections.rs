//! Collections: applications that are looked at together.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_wire::collection::{AssetInfo, Collection, CollectionInput, CollectionStatistics};
use countersign_wire::error::ApiError;
use countersign_wire::hal::Page;

use super::error::Refusal;
use super::hal::{List, Listing, embedded, listing};
use super::query::{Kind, Pages, Parameter, Query, owned, parameter, parameters};
use super::{input, json, no_content};
use crate::caller::{Caller, Grant, ReadCollections, WriteCollections};
use crate::state::AppState;
use countersign_tenant::collections::{self, Filter};

embedded!(Collections, collections: Collection);
embedded!(Assets, assets: AssetInfo);

const PARAMETERS: &[Parameter] = &[
    parameter("name", Kind::Text, "Part of the name."),
    parameter("business_unit", Kind::Text, "Part of the name of the business unit."),
    parameter("tag", Kind::Text, "With this tag."),
    parameter("custom_field_names", Kind::Each(&Kind::Text), "Fields, in pairs with values."),
    parameter("custom_field_values", Kind::Each(&Kind::Text), "Values."),
];
parameters!(CollectionFilters, PARAMETERS, paged);

/// Collections.
#[utoipa::path(
    get,
    path = "/appsec/v1/collections",
    tag = "Collections",
    params(CollectionFilters),
    responses((status = 200, body = Listing<Collections>)),
)]
pub(crate) async fn list_collections(
    grant: Grant<ReadCollections>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state
        .look(move |view| {
            let Caller { user, base, .. } = &grant.caller;
            let query = Query::parse(raw.as_deref());
            let paging = query.paging(50, 500)?;
            let (found, total) = query.found(|query| {
                Ok(collections::list(view, user, &filter(query)?, &paging.window(), base)?)
            })?;
            let list = List {
                url: format!("{base}/appsec/v1/collections"),
                parameters: PARAMETERS,
                offers_paging: true,
            };
            let page = Page::new(paging.number, paging.size, total);
            listing::<_, Collections>(&list, found, page, &query)
        })
        .await
}

fn filter(query: &Query) -> Result<Filter, Refusal> {
    let text = |name: &str| query.get(name).map(String::from);
    let names = owned(query.filter("custom_field_names")?);
    let values = owned(query.filter("custom_field_values")?);
    Ok(Filter {
        name: text("name"),
        business_unit: text("business_unit"),
        tag: text("tag"),
        custom_fields: names.into_iter().zip(values).collect(),
    })
}

/// A collection with its assets.
#[utoipa::path(
    get,
    path = "/appsec/v1/collections/{guid}",
    tag = "Collections",
    responses((status = 200, body = Collection)),
)]
pub(crate) async fn read_collection(
    grant: Grant<ReadCollections>,
    Path(guid): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state
        .look(move |view| {
            let Caller { user, base, .. } = &grant.caller;
            json(&collections::read(view, user, &guid, base)?)
        })
        .await
}

/// The assets of a collection, with their verdicts.
#[utoipa::path(
    get,
    path = "/appsec/v1/collections/{guid}/assets",
    tag = "Collections",
    params(Pages),
    responses((status = 200, body = Listing<Assets>)),
)]
pub(crate) async fn list_assets(
    grant: Grant<ReadCollections>,
    Path(guid): Path<String>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state
        .look(move |view| {
            let Caller { user, base, .. } = &grant.caller;
            let query = Query::parse(raw.as_deref());
            let paging = query.paging(50, 500)?;
            let (found, total) = collections::assets(view, user, &guid, &paging.window())?;
            let list = List {
                url: format!("{base}/appsec/v1/collections/{guid}/assets"),
                parameters: &[],
                offers_paging: true,
            };
            let page = Page::new(paging.number, paging.size, total);
            listing::<_, Assets>(&list, found, page, &query)
        })
        .await
}

/// Counts over all collections.
#[utoipa::path(
    get,
    path = "/appsec/v1/collections/statistics",
    tag = "Collections",
    responses((status = 200, body = CollectionStatistics)),
)]
pub(crate) async fn read_statistics(
    grant: Grant<ReadCollections>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state.look(move |view| json(&collections::statistics(view, &grant.caller.user)?)).await
}

/// A new collection.
#[utoipa::path(
    post,
    path = "/appsec/v1/collections",
    tag = "Collections",
    request_body = CollectionInput,
    responses((status = 200, body = Collection), (status = 409, body = ApiError, description = "The name is taken.")),
)]
pub(crate) async fn create_collection(
    grant: Grant<WriteCollections>,
    State(state): State<AppState>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let wanted: CollectionInput = input(body)?;
    let act = grant.caller.act();
    state
        .change(act, move |change| {
            let Caller { user, base, .. } = &grant.caller;
            collections::create(change, user, &wanted, base)?.try_map(|made| json(&made))
        })
        .await
}

/// Replaces a collection; its assets stay where the body names none.
#[utoipa::path(
    put,
    path = "/appsec/v1/collections/{guid}",
    tag = "Collections",
    request_body = CollectionInput,
    responses((status = 200, body = Collection), (status = 409, body = ApiError, description = "The name is taken.")),
)]
pub(crate) async fn update_collection(
    grant: Grant<WriteCollections>,
    Path(guid): Path<String>,
    State(state): State<AppState>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let wanted: CollectionInput = input(body)?;
    let act = grant.caller.act();
    state
        .change(act, move |change| {
            let Caller { user, base, .. } = &grant.caller;
            collections::update(change, user, &guid, &wanted, base)?.try_map(|now| json(&now))
        })
        .await
}

/// Deletes a collection; its applications stay.
#[utoipa::path(
    delete,
    path = "/appsec/v1/collections/{guid}",
    tag = "Collections",
    responses((status = 204)),
)]
pub(crate) async fn delete_collection(
    grant: Grant<WriteCollections>,
    Path(guid): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let act = grant.caller.act();
    state
        .change(act, move |change| -> Result<_, Refusal> {
            Ok(collections::delete(change, &grant.caller.user, &guid)?)
        })
        .await?;
    Ok(no_content())
}
