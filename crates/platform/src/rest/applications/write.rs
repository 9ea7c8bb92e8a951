//! Applications: create, change, delete.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_wire::application as wire;
use countersign_wire::error::ApiErrors;
use serde_json::{Map, Value};

use super::super::error::Refusal;
use super::super::query::{Kind, Query, parameter, parameters};
use super::super::{input, json, no_content};
use crate::caller::{Caller, Grant, WriteApplications};
use crate::state::AppState;
use countersign_tenant::applications;
use countersign_tenant::{Manner, Refused};

parameters!(
    UpdateParameters,
    &[
        parameter("method", Kind::OneOf(&["partial"]), "Members left out stay as they are."),
        parameter("policy_guid", Kind::Guid, "The policy, instead of the one in the body."),
    ]
);

/// A new application.
#[utoipa::path(
    post,
    path = "/appsec/v1/applications",
    tag = "Applications",
    request_body = wire::ApplicationInput,
    responses((status = 200, body = wire::Application), (status = 409, body = ApiErrors, description = "The name is taken.")),
)]
pub(crate) async fn create_application(
    grant: Grant<WriteApplications>,
    State(state): State<AppState>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let profile = profile_of(body)?;
    let act = grant.caller.act();
    state
        .change(act, move |change| {
            let caller = &grant.caller;
            applications::create(change, &caller.user, profile, &caller.base)?.try_map(|a| json(&a))
        })
        .await
}

/// Replaces the whole profile, or with `method=partial` the given members.
#[utoipa::path(
    put,
    path = "/appsec/v1/applications/{guid}",
    tag = "Applications",
    params(UpdateParameters),
    request_body = wire::ApplicationInput,
    responses((status = 200, body = wire::Application), (status = 409, body = ApiErrors, description = "The name is taken.")),
)]
pub(crate) async fn update_application(
    grant: Grant<WriteApplications>,
    Path(guid): Path<String>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let mut profile = profile_of(body)?;
    let query = Query::parse(raw.as_deref());
    let is_partial = query.get("method").is_some_and(|how| how.eq_ignore_ascii_case("partial"));
    if let Some(policy) = query.get("policy_guid") {
        profile.insert("policies".into(), serde_json::json!([{ "guid": policy }]));
    }
    let manner = if is_partial { Manner::PARTIAL } else { Manner::WHOLE };
    let act = grant.caller.act();
    state
        .change(act, move |change| {
            let Caller { user, base, .. } = &grant.caller;
            applications::update(change, user, &guid, profile, manner, base)?.try_map(|a| json(&a))
        })
        .await
}

/// Deletes an application and all of its findings.
#[utoipa::path(
    delete,
    path = "/appsec/v1/applications/{guid}",
    tag = "Applications",
    responses((status = 204)),
)]
pub(crate) async fn delete_application(
    grant: Grant<WriteApplications>,
    Path(guid): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let act = grant.caller.act();
    state
        .change(act, move |change| -> Result<_, Refusal> {
            Ok(applications::delete(change, &grant.caller.user, &guid)?)
        })
        .await?;
    Ok(no_content())
}

fn profile_of(body: Result<Bytes, BytesRejection>) -> Result<Map<String, Value>, Refusal> {
    let mut body: Map<String, Value> = input(body)?;
    match body.remove("profile") {
        Some(Value::Object(profile)) => Ok(profile),
        _ => Err(Refused::member("/profile", "The profile is missing.").into()),
    }
}
