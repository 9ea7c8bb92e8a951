//! Annotations of components: their vulnerabilities and licences, which have no
//! flaw id. Names are those that one client sends; the shape of the list is ours.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_wire::annotation::{ComponentAnnotation, ComponentAnnotationInput};
use countersign_wire::hal::Page;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::error::Refusal;
use super::super::hal::{List, Listing, embedded, listing};
use super::super::query::{Kind, Parameter, Query, parameter, parameters};
use super::super::{input, json};
use crate::caller::{Caller, Grant, ReadFindings};
use crate::state::AppState;
use countersign_tenant::annotations::Rights;
use countersign_tenant::annotations::components::{self, STATUSES, TYPES};
use countersign_tenant::applications;

const PARAMETERS: &[Parameter] = &[
    parameter("annotation_type", Kind::OneOf(TYPES), "About what."),
    parameter("annotation_reason", Kind::Text, "With this action."),
    parameter("annotation_status", Kind::OneOf(STATUSES), "How it stood after it."),
    parameter("cve_name", Kind::Text, "About this vulnerability."),
    parameter("license_name", Kind::Text, "About this licence."),
];
parameters!(ComponentAnnotationFilters, PARAMETERS, paged);
embedded!(ComponentAnnotations, sca_annotations: ComponentAnnotation);

/// What was written.
#[derive(Serialize, ToSchema)]
#[schema(as = ComponentsUpdated)]
struct Updated {
    annotations: &'static str,
}

/// What was said about components of an application, the newest first.
#[utoipa::path(
    get,
    path = "/srcclr/v3/applications/{guid}/sca_annotations",
    tag = "Annotations",
    params(ComponentAnnotationFilters),
    responses((status = 200, body = Listing<ComponentAnnotations>)),
)]
pub(crate) async fn list_component_annotations(
    grant: Grant<ReadFindings>,
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
            let (said, total) =
                components::list(view, visible, &filter(&query)?, &paging.window())?;
            let list = List {
                url: format!("{base}/srcclr/v3/applications/{application}/sca_annotations"),
                parameters: PARAMETERS,
                offers_paging: true,
            };
            let page = Page::new(paging.number, paging.size, total);
            listing::<_, ComponentAnnotations>(&list, said, page, &query)
        })
        .await
}

fn filter(query: &Query) -> Result<components::Filter, Refusal> {
    let text = |name: &str| query.get(name).map(String::from);
    let word = |name: &str, known: &[&str]| {
        query.word(name, known, &format!("one of {}", known.join(", ")))
    };
    Ok(components::Filter {
        annotation_type: word("annotation_type", TYPES)?,
        annotation_status: word("annotation_status", STATUSES)?,
        annotation_reason: text("annotation_reason"),
        cve_name: text("cve_name"),
        license_name: text("license_name"),
    })
}

/// Comments on vulnerabilities or licences of components, or proposes, approves or rejects: for all that are named, or none.
#[utoipa::path(
    post,
    path = "/srcclr/v3/applications/{guid}/sca_annotations",
    tag = "Annotations",
    request_body = ComponentAnnotationInput,
    responses((status = 200, body = Updated)),
)]
pub(crate) async fn annotate_components(
    caller: Caller,
    Path(application): Path<String>,
    State(state): State<AppState>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    Rights::of(&caller.user)?;
    let input: ComponentAnnotationInput = input(body)?;
    let act = caller.act();
    state
        .change(act, move |change| {
            components::add(change, &caller.user, &application, &input)?
                .try_map(|()| json(&Updated { annotations: "Updated" }))
        })
        .await
}
