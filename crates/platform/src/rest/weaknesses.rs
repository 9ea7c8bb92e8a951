//! The dictionaries that findings and applications point to: weaknesses,
//! categories, names of custom fields.

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_wire::hal::Page;
use countersign_wire::weakness::{Category, CustomFieldName, Cwe, Reference};
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::Refusal;
use super::hal::{List, Listing, embedded, listing};
use super::json;
use super::query::{Pages, Query, wrong};
use crate::caller::{Caller, Grant, ReadApplications};
use crate::state::AppState;

embedded!(Cwes, cwes: Cwe);
embedded!(Categories, categories: Category);
embedded!(CustomFieldNames, app_custom_field_names: CustomFieldName);

/// One dictionary: its table, which is the last part of its path as well, and
/// how a row of it reads.
struct Dictionary<T> {
    table: &'static str,
    order: &'static str,
    size: u64,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
}

const CWES: Dictionary<Cwe> = Dictionary {
    table: "cwes",
    order: "id",
    size: 100,
    read: |row| {
        let id: i64 = row.get("id")?;
        Ok(Cwe {
            id,
            name: row.get("name")?,
            description: row.get("description")?,
            severity: row.get("severity")?,
            remediation_effort: row.get("remediation_effort")?,
            recommendation: row.get("recommendation")?,
            references: vec![Reference {
                name: "CWE".into(),
                url: format!("https://cwe.mitre.org/data/definitions/{id}.html"),
            }],
        })
    },
};

const CATEGORIES: Dictionary<Category> = Dictionary {
    table: "categories",
    order: "id",
    size: 100,
    read: |row| {
        Ok(Category {
            id: row.get("id")?,
            name: row.get("name")?,
            description: row.get("description")?,
            recommendation: row.get("recommendation")?,
        })
    },
};

const CUSTOM_FIELDS: Dictionary<CustomFieldName> = Dictionary {
    table: "custom_fields",
    order: "sort_order",
    size: 50,
    read: |row| Ok(CustomFieldName { name: row.get("name")?, sort_order: row.get("sort_order")? }),
};

impl<T: Serialize> Dictionary<T> {
    fn list<E: From<Vec<T>> + Serialize + ToSchema>(
        &self,
        connection: &Connection,
        base: &str,
        raw: Option<&str>,
    ) -> Result<Response, Refusal> {
        let query = Query::parse(raw);
        let paging = query.paging(self.size, 500)?;
        let (table, order) = (self.table, self.order);
        let total =
            connection.query_row(&format!("select count(*) from {table}"), [], |row| row.get(0))?;
        let sql = format!("select * from {table} order by {order} limit ? offset ?");
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map([paging.size, paging.offset()], self.read)?;
        let elements = rows.collect::<Result<Vec<_>, _>>()?;
        let list =
            List { url: format!("{base}/appsec/v1/{table}"), parameters: &[], offers_paging: true };
        let page = Page::new(paging.number, paging.size, total);
        listing::<T, E>(&list, elements, page, &query)
    }

    fn one(&self, connection: &Connection, id: &str) -> Result<Response, Refusal> {
        let number: i64 = id.parse().map_err(|_| wrong("id", "a number"))?;
        let sql = format!("select * from {} where id = ?", self.table);
        let found = connection.prepare_cached(&sql)?.query_row([number], self.read).optional()?;
        let path = format!("/appsec/v1/{}/{id}", self.table);
        json(&found.ok_or_else(|| Refusal::no_such(&path))?)
    }
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
    state
        .read(move |connection, _| CWES.list::<Cwes>(connection, &caller.base, raw.as_deref()))
        .await
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
    state.read(move |connection, _| CWES.one(connection, &id)).await
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
    state
        .read(move |connection, _| {
            CATEGORIES.list::<Categories>(connection, &caller.base, raw.as_deref())
        })
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
    state.read(move |connection, _| CATEGORIES.one(connection, &id)).await
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
    state
        .read(move |connection, _| {
            CUSTOM_FIELDS.list::<CustomFieldNames>(connection, &grant.caller.base, raw.as_deref())
        })
        .await
}
