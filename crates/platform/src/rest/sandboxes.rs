//! Sandboxes of an application.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_wire::error::{ApiErrors, ErrorSource};
use countersign_wire::hal::Page;
use countersign_wire::sandbox::{Sandbox, SandboxInput};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::applications::write::wrong_member;
use super::applications::{guid, visible};
use super::error::{Refusal, conversation_id};
use super::hal::{List, Listing, embedded, listing};
use super::query::{Pages, Query};
use super::{input, json, no_content};
use crate::caller::{Grant, ReadSandboxes, WriteSandboxes};
use crate::state::AppState;
use countersign_tenant::whole_second;
use countersign_tenant::{ORGANIZATION, timestamp};

embedded!(Sandboxes, sandboxes: Sandbox);

/// Sandboxes of an application.
#[utoipa::path(
    get,
    path = "/appsec/v1/applications/{guid}/sandboxes",
    tag = "Sandboxes",
    params(Pages),
    responses((status = 200, body = Listing<Sandboxes>)),
)]
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
            listing::<_, Sandboxes>(&list, sandboxes, page, &query)
        })
        .await
}

/// A sandbox.
#[utoipa::path(
    get,
    path = "/appsec/v1/applications/{guid}/sandboxes/{sandbox}",
    tag = "Sandboxes",
    responses((status = 200, body = Sandbox)),
)]
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

/// A new sandbox.
#[utoipa::path(
    post,
    path = "/appsec/v1/applications/{guid}/sandboxes",
    tag = "Sandboxes",
    request_body = SandboxInput,
    responses((status = 200, body = Sandbox), (status = 409, body = ApiErrors, description = "The name is taken.")),
)]
pub(crate) async fn create_sandbox(
    grant: Grant<WriteSandboxes>,
    Path(application): Path<String>,
    State(state): State<AppState>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let wanted: SandboxInput = input(body)?;
    state
        .write(move |transaction, state| {
            let user = &grant.caller.user;
            let id = visible(transaction, &grant.caller, &application)?;
            let name = free_name(transaction, id, wanted.name.as_deref(), None)?;
            let now_ms = whole_second(state.now());
            transaction.execute(
                "insert into sandboxes (guid, application, name, owner, created_ms, modified_ms)
                 values (?1, ?2, ?3, ?4, ?5, ?5)",
                params![conversation_id(state), id, name, user.name, now_ms],
            )?;
            change(transaction, transaction.last_insert_rowid(), &wanted, now_ms)
        })
        .await
}

/// Changes a sandbox.
#[utoipa::path(
    put,
    path = "/appsec/v1/applications/{guid}/sandboxes/{sandbox}",
    tag = "Sandboxes",
    request_body = SandboxInput,
    responses((status = 200, body = Sandbox), (status = 409, body = ApiErrors, description = "The name is taken.")),
)]
pub(crate) async fn update_sandbox(
    grant: Grant<WriteSandboxes>,
    Path((application, sandbox)): Path<(String, String)>,
    State(state): State<AppState>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let wanted: SandboxInput = input(body)?;
    state
        .write(move |transaction, state| {
            let application = visible(transaction, &grant.caller, &application)?;
            let id = sandbox_of(transaction, application, &sandbox)?;
            if wanted.name.is_some() {
                let name = free_name(transaction, application, wanted.name.as_deref(), Some(id))?;
                transaction
                    .execute("update sandboxes set name = ? where id = ?", params![name, id])?;
            }
            change(transaction, id, &wanted, whole_second(state.now()))
        })
        .await
}

/// Deletes a sandbox and its findings.
#[utoipa::path(
    delete,
    path = "/appsec/v1/applications/{guid}/sandboxes/{sandbox}",
    tag = "Sandboxes",
    responses((status = 204)),
)]
pub(crate) async fn delete_sandbox(
    grant: Grant<WriteSandboxes>,
    Path((application, sandbox)): Path<(String, String)>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state
        .write(move |transaction, _| -> Result<(), Refusal> {
            let application = visible(transaction, &grant.caller, &application)?;
            let id = sandbox_of(transaction, application, &sandbox)?;
            transaction.execute(
                "delete from findings where application = ? and sandbox = ?",
                params![application, id],
            )?;
            transaction.execute("delete from sandboxes where id = ?", [id])?;
            Ok(())
        })
        .await?;
    Ok(no_content())
}

fn free_name(
    connection: &Connection,
    application: i64,
    name: Option<&str>,
    own: Option<i64>,
) -> Result<String, Refusal> {
    let name = name.unwrap_or_default().trim();
    if !(1..=256).contains(&name.chars().count()) {
        return Err(wrong_member("/name", "The name must be 1 to 256 characters long."));
    }
    let taken: Option<i64> = connection
        .query_row(
            "select id from sandboxes where application = ? and name = ?",
            params![application, name],
            |row| row.get(0),
        )
        .optional()?;
    if taken.is_some_and(|id| Some(id) != own) {
        let source = ErrorSource { pointer: Some("/name".into()), parameter: None };
        return Err(Refusal::appsec(409, "CONFLICT", "The name is taken.", source));
    }
    Ok(name.to_owned())
}

fn change(
    transaction: &Transaction<'_>,
    id: i64,
    wanted: &SandboxInput,
    now_ms: i64,
) -> Result<Response, Refusal> {
    let fields = wanted.custom_fields.as_ref().map(serde_json::to_string).transpose();
    let fields = fields.map_err(|error| Refusal::gateway(500, &error.to_string()))?;
    transaction.execute(
        "update sandboxes set auto_recreate = coalesce(?2, auto_recreate),
            custom_fields = coalesce(?3, custom_fields), modified_ms = ?4 where id = ?1",
        params![id, wanted.auto_recreate, fields, now_ms],
    )?;
    json(&transaction.query_row(&format!("{SELECT} where s.id = ?"), [id], read_row)?)
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
    s.modified_ms, s.custom_fields from sandboxes s join applications a on a.id = s.application";

fn read_row(row: &Row<'_>) -> rusqlite::Result<Sandbox> {
    let fields: Option<String> = row.get(8)?;
    let fields: Option<Vec<_>> = fields.and_then(|text| serde_json::from_str(&text).ok());
    Ok(Sandbox {
        guid: row.get(0)?,
        id: row.get(1)?,
        name: row.get(2)?,
        application_guid: row.get(3)?,
        organization_id: Some(ORGANIZATION),
        owner_username: row.get(4)?,
        auto_recreate: row.get(5)?,
        custom_fields: fields.filter(|fields| !fields.is_empty()),
        created: Some(timestamp(row.get(6)?)),
        modified: Some(timestamp(row.get(7)?)),
    })
}
