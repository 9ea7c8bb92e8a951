//! Applications: create, change, delete.

use axum::response::Response;
#[cfg(test)]
use countersign_wire::application as wire;
#[cfg(test)]
use countersign_wire::error::ApiErrors;
use serde_json::{Map, Value};

use super::super::asked::{Asked, Input};
use super::super::error::Refusal;
#[cfg(test)]
use super::super::openapi::NameTaken;
#[cfg(test)]
use super::super::query::Kind;
#[cfg(test)]
use super::super::query::parameter;
use super::super::query::parameters;
use crate::caller::{Grant, WriteApplications};
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
#[cfg_attr(test, utoipa::path(
    post,
    path = "/appsec/v1/applications",
    tag = "Applications",
    request_body = wire::ApplicationInput,
    responses((status = 200, body = wire::Application), NameTaken<ApiErrors>),
))]
pub(crate) async fn create_application(
    asked: Asked<Grant<WriteApplications>>,
    Input(body): Input<Map<String, Value>>,
) -> Result<Response, Refusal> {
    let profile = profile_of(body)?;
    asked
        .change(move |change, asked| {
            applications::create(change, asked.user(), profile, asked.base())
        })
        .await
}

/// Replaces the whole profile, or with `method=partial` the given members.
#[cfg_attr(test, utoipa::path(
    put,
    path = "/appsec/v1/applications/{guid}",
    tag = "Applications",
    params(UpdateParameters),
    request_body = wire::ApplicationInput,
    responses((status = 200, body = wire::Application), NameTaken<ApiErrors>),
))]
pub(crate) async fn update_application(
    asked: Asked<Grant<WriteApplications>, String>,
    Input(body): Input<Map<String, Value>>,
) -> Result<Response, Refusal> {
    let mut profile = profile_of(body)?;
    let query = &asked.query;
    let is_partial = query.get("method").is_some_and(|how| how.eq_ignore_ascii_case("partial"));
    if let Some(policy) = query.get("policy_guid") {
        profile.insert("policies".into(), serde_json::json!([{ "guid": policy }]));
    }
    let manner = if is_partial { Manner::PARTIAL } else { Manner::WHOLE };
    asked
        .change(move |change, asked| {
            let (user, base) = (asked.user(), asked.base());
            applications::update(change, user, &asked.path, profile, manner, base)
        })
        .await
}

/// Deletes an application and all of its findings.
#[cfg_attr(test, utoipa::path(
    delete,
    path = "/appsec/v1/applications/{guid}",
    tag = "Applications",
    responses((status = 204)),
))]
pub(crate) async fn delete_application(
    asked: Asked<Grant<WriteApplications>, String>,
) -> Result<Response, Refusal> {
    asked.remove(|change, asked| applications::delete(change, asked.user(), &asked.path)).await
}

fn profile_of(mut body: Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
    match body.remove("profile") {
        Some(Value::Object(profile)) => Ok(profile),
        _ => Err(Refused::member("/profile", "The profile is missing.").into()),
    }
}
