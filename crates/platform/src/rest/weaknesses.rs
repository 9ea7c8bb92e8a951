//! The dictionaries that findings and applications point to: weaknesses,
//! categories, names of custom fields.

use axum::response::Response;
use countersign_wire::weakness::{Category, CustomFieldName, Cwe};
use serde::Serialize;

use super::answer::json;
use super::asked::{Access, Asked};
use super::error::Refusal;
#[cfg(test)]
use super::hal::Listing;
use super::hal::{List, embedded};
#[cfg(test)]
use super::query::Pages;
use super::query::wrong;
use crate::caller::{Caller, Grant, ReadApplications};
use countersign_tenant::weaknesses::{CATEGORIES, CUSTOM_FIELDS, CWES, Dictionary};

embedded!(Cwes, cwes: Cwe);
embedded!(Categories, categories: Category);
embedded!(CustomFieldNames, app_custom_field_names: CustomFieldName);

async fn list<A, T, E>(
    asked: Asked<A>,
    dictionary: &'static Dictionary<T>,
    name: &'static str,
    usual_size: u64,
) -> Result<Response, Refusal>
where
    A: Access + 'static,
    T: Serialize,
    E: From<Vec<T>> + Serialize,
{
    asked
        .look(move |view, asked| {
            let list = List::new(format!("{}/appsec/v1/{name}", asked.base()), &[]);
            let list = List { usual_size, ..list };
            list.page::<T, E>(&asked.query, |window| Ok(dictionary.list(view, window)?))
        })
        .await
}

async fn one<T: Serialize>(
    asked: Asked<Caller, String>,
    dictionary: &'static Dictionary<T>,
    what: &'static str,
) -> Result<Response, Refusal> {
    asked
        .look(move |view, asked| {
            let number: i64 = asked.path.parse().map_err(|_| wrong("id", "a number"))?;
            let found = dictionary.find(view, number)?;
            json(&found.ok_or_else(|| Refusal::no_such(what))?)
        })
        .await
}

/// Weaknesses.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/appsec/v1/cwes",
    tag = "Dictionaries",
    params(Pages),
    responses((status = 200, body = Listing<Cwes>)),
))]
pub(crate) async fn list_cwes(asked: Asked<Caller>) -> Result<Response, Refusal> {
    list::<_, _, Cwes>(asked, &CWES, "cwes", 100).await
}

/// A weakness.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/appsec/v1/cwes/{id}",
    tag = "Dictionaries",
    responses((status = 200, body = Cwe)),
))]
pub(crate) async fn read_cwe(asked: Asked<Caller, String>) -> Result<Response, Refusal> {
    one(asked, &CWES, "CWE").await
}

/// Categories of findings.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/appsec/v1/categories",
    tag = "Dictionaries",
    params(Pages),
    responses((status = 200, body = Listing<Categories>)),
))]
pub(crate) async fn list_categories(asked: Asked<Caller>) -> Result<Response, Refusal> {
    list::<_, _, Categories>(asked, &CATEGORIES, "categories", 100).await
}

/// A category of findings.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/appsec/v1/categories/{id}",
    tag = "Dictionaries",
    responses((status = 200, body = Category)),
))]
pub(crate) async fn read_category(asked: Asked<Caller, String>) -> Result<Response, Refusal> {
    one(asked, &CATEGORIES, "Category").await
}

/// Names of custom fields of applications.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/appsec/v1/custom_fields",
    tag = "Dictionaries",
    params(Pages),
    responses((status = 200, body = Listing<CustomFieldNames>)),
))]
pub(crate) async fn list_custom_fields(
    asked: Asked<Grant<ReadApplications>>,
) -> Result<Response, Refusal> {
    list::<_, _, CustomFieldNames>(asked, &CUSTOM_FIELDS, "custom_fields", 50).await
}
