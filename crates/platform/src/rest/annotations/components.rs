//! Annotations of components: their vulnerabilities and licences, which have no
//! flaw id. Names are those that one client sends; the shape of the list is ours.

use axum::response::Response;
use countersign_wire::annotation::{ComponentAnnotation, ComponentAnnotationInput};
use serde::Serialize;

use super::super::asked::{Annotator, Asked, Input};
use super::super::error::Refusal;
#[cfg(test)]
use super::super::hal::Listing;
use super::super::hal::{List, embedded};
use super::super::query::{Kind, Parameter, Query, parameter, parameters};
use crate::caller::{Grant, ReadFindings};
use countersign_tenant::annotations::components::{self, About, Standing};
use countersign_tenant::applications;

const PARAMETERS: &[Parameter] = &[
    parameter("annotation_type", Kind::OneOf(About::WORDS), "About what."),
    parameter("annotation_reason", Kind::Text, "With this action."),
    parameter("annotation_status", Kind::OneOf(Standing::WORDS), "How it stood after it."),
    parameter("cve_name", Kind::Text, "About this vulnerability."),
    parameter("license_name", Kind::Text, "About this licence."),
];
parameters!(ComponentAnnotationFilters, PARAMETERS, paged);
embedded!(ComponentAnnotations, sca_annotations: ComponentAnnotation);

/// What was written.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = ComponentsUpdated))]
struct Updated {
    annotations: &'static str,
}

/// What was said about components of an application, the newest first.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/srcclr/v3/applications/{guid}/sca_annotations",
    tag = "Annotations",
    params(ComponentAnnotationFilters),
    responses((status = 200, body = Listing<ComponentAnnotations>)),
))]
pub(crate) async fn list_component_annotations(
    asked: Asked<Grant<ReadFindings>, String>,
) -> Result<Response, Refusal> {
    asked
        .look(|view, asked| {
            let visible = applications::visible(view, asked.user(), &asked.path)?;
            let url =
                format!("{}/srcclr/v3/applications/{}/sca_annotations", asked.base(), asked.path);
            List::new(url, PARAMETERS).page::<_, ComponentAnnotations>(&asked.query, |window| {
                Ok(components::list(view, visible, &filter(&asked.query)?, window)?)
            })
        })
        .await
}

fn filter(query: &Query) -> Result<components::Filter, Refusal> {
    let text = |name: &str| query.get(name).map(String::from);
    let one_of = |known: &[&str]| format!("one of {}", known.join(", "));
    Ok(components::Filter {
        annotation_type: query.parsed("annotation_type", About::parse, &one_of(About::WORDS))?,
        annotation_status: query.parsed(
            "annotation_status",
            Standing::parse,
            &one_of(Standing::WORDS),
        )?,
        annotation_reason: text("annotation_reason"),
        cve_name: text("cve_name"),
        license_name: text("license_name"),
    })
}

/// Comments on vulnerabilities or licences of components, or proposes, approves or rejects: for all that are named, or none.
#[cfg_attr(test, utoipa::path(
    post,
    path = "/srcclr/v3/applications/{guid}/sca_annotations",
    tag = "Annotations",
    request_body = ComponentAnnotationInput,
    responses((status = 200, body = Updated)),
))]
pub(crate) async fn annotate_components(
    asked: Asked<Annotator, String>,
    Input(said): Input<ComponentAnnotationInput>,
) -> Result<Response, Refusal> {
    asked
        .change(move |change, asked| {
            components::add(change, asked.user(), &asked.path, &said)
                .map(|noted| noted.map(|()| Updated { annotations: "Updated" }))
        })
        .await
}
