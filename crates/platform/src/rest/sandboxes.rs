//! Sandboxes of an application.

use axum::response::Response;
#[cfg(test)]
use countersign_wire::error::ApiErrors;
use countersign_wire::sandbox::{Sandbox, SandboxInput};

use super::answer::json;
use super::asked::{Asked, Input};
use super::error::Refusal;
#[cfg(test)]
use super::hal::Listing;
use super::hal::{List, embedded};
#[cfg(test)]
use super::openapi::NameTaken;
#[cfg(test)]
use super::query::Kind;
#[cfg(test)]
use super::query::Pages;
#[cfg(test)]
use super::query::parameter;
use super::query::parameters;
use crate::caller::{Grant, ReadSandboxes, WriteSandboxes};
use countersign_tenant::applications;
use countersign_tenant::sandboxes::promotion::{self, Wanted};
use countersign_tenant::sandboxes::{self, Named};

embedded!(Sandboxes, sandboxes: Sandbox);

/// Sandboxes of an application.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/appsec/v1/applications/{guid}/sandboxes",
    tag = "Sandboxes",
    params(Pages),
    responses((status = 200, body = Listing<Sandboxes>)),
))]
pub(crate) async fn list_sandboxes(
    asked: Asked<Grant<ReadSandboxes>, String>,
) -> Result<Response, Refusal> {
    asked
        .look(|view, asked| {
            let visible = applications::visible(view, asked.user(), &asked.path)?;
            let url = format!("{}/appsec/v1/applications/{}/sandboxes", asked.base(), asked.path);
            List::new(url, &[]).page::<_, Sandboxes>(&asked.query, |window| {
                Ok(sandboxes::list(view, visible, window)?)
            })
        })
        .await
}

/// A sandbox.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/appsec/v1/applications/{guid}/sandboxes/{sandbox}",
    tag = "Sandboxes",
    responses((status = 200, body = Sandbox)),
))]
pub(crate) async fn read_sandbox(
    asked: Asked<Grant<ReadSandboxes>, Named>,
) -> Result<Response, Refusal> {
    asked.look(|view, asked| json(&sandboxes::read(view, asked.user(), &asked.path)?)).await
}

/// A new sandbox.
#[cfg_attr(test, utoipa::path(
    post,
    path = "/appsec/v1/applications/{guid}/sandboxes",
    tag = "Sandboxes",
    request_body = SandboxInput,
    responses((status = 200, body = Sandbox), NameTaken<ApiErrors>),
))]
pub(crate) async fn create_sandbox(
    asked: Asked<Grant<WriteSandboxes>, String>,
    Input(wanted): Input<SandboxInput>,
) -> Result<Response, Refusal> {
    asked
        .change(move |change, asked| sandboxes::create(change, asked.user(), &asked.path, &wanted))
        .await
}

/// Changes a sandbox.
#[cfg_attr(test, utoipa::path(
    put,
    path = "/appsec/v1/applications/{guid}/sandboxes/{sandbox}",
    tag = "Sandboxes",
    request_body = SandboxInput,
    responses((status = 200, body = Sandbox), NameTaken<ApiErrors>),
))]
pub(crate) async fn update_sandbox(
    asked: Asked<Grant<WriteSandboxes>, Named>,
    Input(wanted): Input<SandboxInput>,
) -> Result<Response, Refusal> {
    asked
        .change(move |change, asked| sandboxes::update(change, asked.user(), &asked.path, &wanted))
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
#[cfg_attr(test, utoipa::path(
    post,
    path = "/appsec/v1/applications/{guid}/sandboxes/{sandbox}/promote",
    tag = "Sandboxes",
    params(Promotion),
    responses((status = 200, body = Sandbox)),
))]
pub(crate) async fn promote_sandbox(
    asked: Asked<Grant<WriteSandboxes>, Named>,
) -> Result<Response, Refusal> {
    let wanted = Wanted {
        build_id: asked.query.number("build_id")?,
        is_last: asked.query.truth("delete_on_promote")?.unwrap_or_default(),
    };
    asked
        .change(move |change, asked| promotion::promote(change, asked.user(), &asked.path, wanted))
        .await
}

/// Deletes a sandbox and its findings.
#[cfg_attr(test, utoipa::path(
    delete,
    path = "/appsec/v1/applications/{guid}/sandboxes/{sandbox}",
    tag = "Sandboxes",
    responses((status = 204)),
))]
pub(crate) async fn delete_sandbox(
    asked: Asked<Grant<WriteSandboxes>, Named>,
) -> Result<Response, Refusal> {
    asked.remove(|change, asked| sandboxes::delete(change, asked.user(), &asked.path)).await
}
