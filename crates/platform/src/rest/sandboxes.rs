//! Sandboxes of an application.

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_wire::hal::{Links, Page};
use countersign_wire::sandbox::Sandbox;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use super::applications::{guid, visible};
use super::error::Refusal;
use super::hal::List;
use super::json;
use super::query::Query;
use crate::caller::{Grant, ReadSandboxes};
use crate::state::AppState;
use crate::{ORGANIZATION, timestamp};

#[derive(Serialize)]
struct Listing {
    #[serde(rename = "_embedded", skip_serializing_if = "Option::is_none")]
    embedded: Option<Embedded>,
    #[serde(rename = "_links")]
    links: Links,
    page: Page,
}

#[derive(Serialize)]
struct Embedded {
    sandboxes: Vec<Sandbox>,
}

pub(crate) async fn list_sandboxes(
    grant: Grant<ReadSandboxes>,
    Path(application): Path<String>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state
        .read(move |connection, _| {
            let id = visible(connection, &grant.caller, &application)?;
            let query = Query::parse(raw.as_deref());
            let paging = query.paging(50, 500)?;
            let total = connection
                .prepare_cached("select count(*) from sandboxes where application = ?")?
                .query_row([id], |row| row.get(0))?;
            let mut statement = connection.prepare_cached(&format!(
                "{SELECT} where s.application = ? order by s.id limit ? offset ?"
            ))?;
            let rows = statement.query_map(params![id, paging.size, paging.offset()], read_row)?;
            let sandboxes = rows.collect::<Result<Vec<_>, _>>()?;
            let base = &grant.caller.base;
            let list = List {
                url: format!("{base}/appsec/v1/applications/{application}/sandboxes"),
                parameters: &[],
                offers_paging: true,
            };
            let page = Page::new(paging.number, paging.size, total);
            json(&Listing {
                embedded: (!sandboxes.is_empty()).then_some(Embedded { sandboxes }),
                links: list.links(&query, page),
                page,
            })
        })
        .await
}

pub(crate) async fn read_sandbox(
    grant: Grant<ReadSandboxes>,
    Path((application, sandbox)): Path<(String, String)>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state
        .read(move |connection, _| {
            let id = visible(connection, &grant.caller, &application)?;
            let guid = guid(&sandbox)?;
            let sql = format!("{SELECT} where s.application = ? and s.guid = ?");
            let found = connection.query_row(&sql, params![id, guid], read_row).optional()?;
            let path = format!("/appsec/v1/applications/{application}/sandboxes/{sandbox}");
            json(&found.ok_or_else(|| Refusal::no_such(&path))?)
        })
        .await
}

/// The row id of a sandbox of this application.
pub(crate) fn sandbox_of(
    connection: &Connection,
    application: i64,
    text: &str,
) -> Result<i64, Refusal> {
    let guid = guid(text)?;
    let sql = "select id from sandboxes where application = ? and guid = ?";
    let id = connection
        .prepare_cached(sql)?
        .query_row(params![application, guid], |row| row.get(0))
        .optional()?;
    id.ok_or_else(|| Refusal::no_such(&format!("context {text}")))
}

const SELECT: &str = "select s.guid, s.id, s.name, a.guid, s.owner, s.auto_recreate, s.created_ms,
    s.modified_ms from sandboxes s join applications a on a.id = s.application";

fn read_row(row: &Row<'_>) -> rusqlite::Result<Sandbox> {
    Ok(Sandbox {
        guid: row.get(0)?,
        id: row.get(1)?,
        name: row.get(2)?,
        application_guid: row.get(3)?,
        organization_id: Some(ORGANIZATION),
        owner_username: row.get(4)?,
        auto_recreate: row.get(5)?,
        custom_fields: None,
        created: Some(timestamp(row.get(6)?)),
        modified: Some(timestamp(row.get(7)?)),
    })
}
