//! Sandboxes of an application.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_wire::error::ApiErrors;
use countersign_wire::hal::Page;
use countersign_wire::sandbox::{Sandbox, SandboxInput};

use super::error::Refusal;
use super::hal::{List, Listing, embedded, listing};
use super::query::{Kind, Pages, Query, parameter, parameters};
use super::{input, json, no_content};
use crate::caller::{Caller, Grant, ReadSandboxes, WriteSandboxes};
use crate::state::AppState;
use countersign_tenant::sandboxes::promotion::{self, Wanted};
use countersign_tenant::{applications, sandboxes};

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
        .look(move |view| {
            let Caller { user, base, .. } = &grant.caller;
            let visible = applications::visible(view, user, &application)?;
            let query = Query::parse(raw.as_deref());
            let paging = query.paging(50, 500)?;
            let (sandboxes, total) = sandboxes::list(view, visible, &paging.window())?;
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
        .look(move |view| json(&sandboxes::read(view, &grant.caller.user, &application, &sandbox)?))
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
    let act = grant.caller.act();
    state
        .change(act, move |change| {
            sandboxes::create(change, &grant.caller.user, &application, &wanted)?
                .try_map(|sandbox| json(&sandbox))
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
    let act = grant.caller.act();
    state
        .change(act, move |change| {
            sandboxes::update(change, &grant.caller.user, &application, &sandbox, &wanted)?
                .try_map(|sandbox| json(&sandbox))
        })
        .await
}

parameters!(
    Promotion,
    &[
        parameter("build_id", Kind::Integer(0, i64::MAX), "This scan, else the newest."),
        parameter("delete_on_promote", Kind::Truth, "The sandbox goes."),
    ]
);

/// Makes the newest scan of a sandbox the newest policy scan of its application.
#[utoipa::path(
    post,
    path = "/appsec/v1/applications/{guid}/sandboxes/{sandbox}/promote",
    tag = "Sandboxes",
    params(Promotion),
    responses((status = 200, body = Sandbox)),
)]
pub(crate) async fn promote_sandbox(
    grant: Grant<WriteSandboxes>,
    Path((application, sandbox)): Path<(String, String)>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let query = Query::parse(raw.as_deref());
    let wanted = Wanted {
        build_id: query.number("build_id")?,
        is_last: query.truth("delete_on_promote")?.unwrap_or_default(),
    };
    let act = grant.caller.act();
    state
        .change(act, move |change| {
            promotion::promote(change, &grant.caller.user, &application, &sandbox, wanted)?
                .try_map(|sandbox| json(&sandbox))
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
    let act = grant.caller.act();
    state
        .change(act, move |change| -> Result<_, Refusal> {
            Ok(sandboxes::delete(change, &grant.caller.user, &application, &sandbox)?)
        })
        .await?;
    Ok(no_content())
}
