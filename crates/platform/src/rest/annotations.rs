//! Annotations: proposing, approving and rejecting mitigations, and comments.

pub(crate) mod components;

use axum::response::Response;
use countersign_wire::annotation::AnnotationInput;
use serde::Serialize;

use super::asked::{Annotator, Asked, Input};
use super::error::Refusal;
#[cfg(test)]
use super::query::Context;
use countersign_tenant::annotations;

/// What was written.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = FindingsUpdated))]
struct Updated {
    findings: &'static str,
}

/// Comments on findings, or proposes, approves or rejects mitigations: for all that are named, or none.
#[cfg_attr(test, utoipa::path(
    post,
    path = "/appsec/v2/applications/{guid}/annotations",
    tag = "Annotations",
    params(Context),
    request_body = AnnotationInput,
    responses((status = 200, body = Updated)),
))]
pub(crate) async fn annotate_findings(
    asked: Asked<Annotator, String>,
    Input(said): Input<AnnotationInput>,
) -> Result<Response, Refusal> {
    asked
        .change(move |change, asked| {
            let context = asked.query.get("context");
            annotations::add(change, asked.user(), &asked.path, context, &said)
                .map(|noted| noted.map(|()| Updated { findings: "Updated" }))
        })
        .await
}
