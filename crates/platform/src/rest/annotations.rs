//! Annotations: proposing, approving and rejecting mitigations, and comments.

pub(crate) mod components;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_wire::annotation::AnnotationInput;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::Refusal;
use super::query::{Context, Query};
use super::{input, json};
use crate::caller::Caller;
use crate::state::AppState;
use countersign_tenant::annotations::{self, Rights};

/// What was written.
#[derive(Serialize, ToSchema)]
#[schema(as = FindingsUpdated)]
struct Updated {
    findings: &'static str,
}

/// Comments on findings, or proposes, approves or rejects mitigations: for all that are named, or none.
#[utoipa::path(
    post,
    path = "/appsec/v2/applications/{guid}/annotations",
    tag = "Annotations",
    params(Context),
    request_body = AnnotationInput,
    responses((status = 200, body = Updated)),
)]
pub(crate) async fn annotate_findings(
    caller: Caller,
    Path(application): Path<String>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    Rights::of(&caller.user)?;
    let input: AnnotationInput = input(body)?;
    let act = caller.act();
    state
        .change(act, move |change| {
            let query = Query::parse(raw.as_deref());
            let context = query.get("context");
            annotations::add(change, &caller.user, &application, context, &input)?
                .try_map(|()| json(&Updated { findings: "Updated" }))
        })
        .await
}
