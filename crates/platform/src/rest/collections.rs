//! Collections: applications that are looked at together.

use axum::response::Response;
#[cfg(test)]
use countersign_wire::collection::CollectionStatistics;
use countersign_wire::collection::{AssetInfo, Collection, CollectionInput};
#[cfg(test)]
use countersign_wire::error::ApiError;

use super::answer::json;
use super::asked::{Asked, Input};
use super::error::Refusal;
#[cfg(test)]
use super::hal::Listing;
use super::hal::{List, embedded};
#[cfg(test)]
use super::openapi::NameTaken;
#[cfg(test)]
use super::query::Pages;
use super::query::{Kind, Parameter, Query, owned, parameter, parameters};
use crate::caller::{Grant, ReadCollections, WriteCollections};
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
#[cfg_attr(test, utoipa::path(
    get,
    path = "/appsec/v1/collections",
    tag = "Collections",
    params(CollectionFilters),
    responses((status = 200, body = Listing<Collections>)),
))]
pub(crate) async fn list_collections(
    asked: Asked<Grant<ReadCollections>>,
) -> Result<Response, Refusal> {
    asked
        .look(|view, asked| {
            let base = asked.base();
            let list = List::new(format!("{base}/appsec/v1/collections"), PARAMETERS);
            list.page::<_, Collections>(&asked.query, |window| {
                asked.query.found(|query| {
                    Ok(collections::list(view, asked.user(), &filter(query)?, window, base)?)
                })
            })
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
#[cfg_attr(test, utoipa::path(
    get,
    path = "/appsec/v1/collections/{guid}",
    tag = "Collections",
    responses((status = 200, body = Collection)),
))]
pub(crate) async fn read_collection(
    asked: Asked<Grant<ReadCollections>, String>,
) -> Result<Response, Refusal> {
    asked
        .look(|view, asked| {
            json(&collections::read(view, asked.user(), &asked.path, asked.base())?)
        })
        .await
}

/// The assets of a collection, with their verdicts.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/appsec/v1/collections/{guid}/assets",
    tag = "Collections",
    params(Pages),
    responses((status = 200, body = Listing<Assets>)),
))]
pub(crate) async fn list_assets(
    asked: Asked<Grant<ReadCollections>, String>,
) -> Result<Response, Refusal> {
    asked
        .look(|view, asked| {
            let guid = &asked.path;
            let url = format!("{}/appsec/v1/collections/{guid}/assets", asked.base());
            List::new(url, &[]).page::<_, Assets>(&asked.query, |window| {
                Ok(collections::assets(view, asked.user(), guid, window)?)
            })
        })
        .await
}

/// Counts over all collections.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/appsec/v1/collections/statistics",
    tag = "Collections",
    responses((status = 200, body = CollectionStatistics)),
))]
pub(crate) async fn read_statistics(
    asked: Asked<Grant<ReadCollections>>,
) -> Result<Response, Refusal> {
    asked.look(|view, asked| json(&collections::statistics(view, asked.user())?)).await
}

/// A new collection.
#[cfg_attr(test, utoipa::path(
    post,
    path = "/appsec/v1/collections",
    tag = "Collections",
    request_body = CollectionInput,
    responses((status = 200, body = Collection), NameTaken<ApiError>),
))]
pub(crate) async fn create_collection(
    asked: Asked<Grant<WriteCollections>>,
    Input(wanted): Input<CollectionInput>,
) -> Result<Response, Refusal> {
    asked
        .change(move |change, asked| {
            collections::create(change, asked.user(), &wanted, asked.base())
        })
        .await
}

/// Replaces a collection; its assets stay where the body names none.
#[cfg_attr(test, utoipa::path(
    put,
    path = "/appsec/v1/collections/{guid}",
    tag = "Collections",
    request_body = CollectionInput,
    responses((status = 200, body = Collection), NameTaken<ApiError>),
))]
pub(crate) async fn update_collection(
    asked: Asked<Grant<WriteCollections>, String>,
    Input(wanted): Input<CollectionInput>,
) -> Result<Response, Refusal> {
    asked
        .change(move |change, asked| {
            collections::update(change, asked.user(), &asked.path, &wanted, asked.base())
        })
        .await
}

/// Deletes a collection; its applications stay.
#[cfg_attr(test, utoipa::path(
    delete,
    path = "/appsec/v1/collections/{guid}",
    tag = "Collections",
    responses((status = 204)),
))]
pub(crate) async fn delete_collection(
    asked: Asked<Grant<WriteCollections>, String>,
) -> Result<Response, Refusal> {
    asked.remove(|change, asked| collections::delete(change, asked.user(), &asked.path)).await
}
