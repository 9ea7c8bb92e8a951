//! The summary report: an application in one context, in counts.

use axum::response::Response;
#[cfg(test)]
use countersign_wire::summary::SummaryReport;

use super::answer::json;
use super::asked::Asked;
use super::error::Refusal;
#[cfg(test)]
use super::query::CONTEXT;
#[cfg(test)]
use super::query::Kind;
#[cfg(test)]
use super::query::parameter;
use super::query::parameters;
use crate::caller::{Grant, ReadFindings};
use countersign_tenant::{applications, sandboxes, summary};

parameters!(
    SummaryParameters,
    &[CONTEXT, parameter("build_id", Kind::Integer(0, i64::MAX), "The scan; the newest is held.")]
);

/// An application in one context, in counts.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/appsec/v2/applications/{guid}/summary_report",
    tag = "Findings",
    params(SummaryParameters),
    responses((status = 200, body = SummaryReport)),
))]
pub(crate) async fn read_summary_report(
    asked: Asked<Grant<ReadFindings>, String>,
) -> Result<Response, Refusal> {
    asked
        .look(|view, asked| {
            let visible = applications::visible(view, asked.user(), &asked.path)?;
            let query = &asked.query;
            let context = sandboxes::context(view, visible, query.get("context"))?;
            let missing = || Refusal::no_such("Summary report");
            let report = summary::report(view, context)?.ok_or_else(missing)?;
            if query.number::<i64>("build_id")?.is_some_and(|wanted| wanted != report.build_id) {
                return Err(missing());
            }
            json(&report)
        })
        .await
}
