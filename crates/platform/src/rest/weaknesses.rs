//! The dictionaries that findings and applications point to: weaknesses,
//! categories, names of custom fields.

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_wire::hal::Page;
use countersign_wire::weakness::{Category, CustomFieldName, Cwe};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::Refusal;
use super::hal::{List, Listing, embedded, listing};
use super::json;
use super::query::{Pages, Query, wrong};
use crate::caller::{Caller, Grant, ReadApplications};
use crate::state::AppState;
use countersign_tenant::View;
use countersign_tenant::weaknesses::{CATEGORIES, CUSTOM_FIELDS, CWES, Dictionary};

embedded!(Cwes, cwes: Cwe);
embedded!(Categories, categories: Category);
embedded!(CustomFieldNames, app_custom_field_names: CustomFieldName);

fn list<T: Serialize, E: From<Vec<T>> + Serialize + ToSchema>(
    view: &View<'_>,
    dictionary: &Dictionary<T>,
    (url, size): (String, u64),
    raw: Option<&str>,
) -> Result<Response, Refusal> {
    let query = Query::parse(raw);
    let paging = query.paging(size, 500)?;
    let (elements, total) = dictionary.list(view, &paging.window())?;
    let list = List { url, parameters: &[], offers_paging: true };
    let page = Page::new(paging.number, paging.size, total);
    listing::<T, E>(&list, elements, page, &query)
}

fn one<T: Serialize>(
    view: &View<'_>,
    dictionary: &Dictionary<T>,
    what: &str,
    id: &str,
) -> Result<Response, Refusal> {
    let number: i64 = id.parse().map_err(|_| wrong("id", "a number"))?;
    let found = dictionary.find(view, number)?;
    json(&found.ok_or_else(|| Refusal::no_such(what))?)
}

/// Weaknesses.
#[utoipa::path(
    get,
    path = "/appsec/v1/cwes",
    tag = "Dictionaries",
    params(Pages),
    responses((status = 200, body = Listing<Cwes>)),
)]
pub(crate) async fn list_cwes(
    caller: Caller,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let url = format!("{}/appsec/v1/cwes", caller.base);
    state.look(move |view| list::<_, Cwes>(view, &CWES, (url, 100), raw.as_deref())).await
}

/// A weakness.
#[utoipa::path(
    get,
    path = "/appsec/v1/cwes/{id}",
    tag = "Dictionaries",
    responses((status = 200, body = Cwe)),
)]
pub(crate) async fn read_cwe(
    _: Caller,
    Path(id): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state.look(move |view| one(view, &CWES, "CWE", &id)).await
}

/// Categories of findings.
#[utoipa::path(
    get,
    path = "/appsec/v1/categories",
    tag = "Dictionaries",
    params(Pages),
    responses((status = 200, body = Listing<Categories>)),
)]
pub(crate) async fn list_categories(
    caller: Caller,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let url = format!("{}/appsec/v1/categories", caller.base);
    state
        .look(move |view| list::<_, Categories>(view, &CATEGORIES, (url, 100), raw.as_deref()))
        .await
}

/// A category of findings.
#[utoipa::path(
    get,
    path = "/appsec/v1/categories/{id}",
    tag = "Dictionaries",
    responses((status = 200, body = Category)),
)]
pub(crate) async fn read_category(
    _: Caller,
    Path(id): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state.look(move |view| one(view, &CATEGORIES, "Category", &id)).await
}

/// Names of custom fields of applications.
#[utoipa::path(
    get,
    path = "/appsec/v1/custom_fields",
    tag = "Dictionaries",
    params(Pages),
    responses((status = 200, body = Listing<CustomFieldNames>)),
)]
pub(crate) async fn list_custom_fields(
    grant: Grant<ReadApplications>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let url = format!("{}/appsec/v1/custom_fields", grant.caller.base);
    state
        .look(move |view| {
            list::<_, CustomFieldNames>(view, &CUSTOM_FIELDS, (url, 50), raw.as_deref())
        })
        .await
}
