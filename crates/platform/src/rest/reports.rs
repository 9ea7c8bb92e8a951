//! The Reporting API: a list of findings over all applications, made beside and late.

use axum::response::Response;
use countersign_tenant::reports;
#[cfg(test)]
use countersign_wire::report::ReportAnswer;
use serde_json::Value;

use super::answer::json;
use super::asked::{Asked, Input};
use super::error::Refusal;
#[cfg(test)]
use super::query::Pages;
use crate::caller::{Grant, ReadReports};

/// Rows of a page, unless it is said.
const USUAL_SIZE: u64 = 1000;
/// Rows of a page at most.
const MOST: u64 = 1000;

/// Asks for a report. `report_type` is `findings`; `last_updated_start_date` is needed.
#[cfg_attr(test, utoipa::path(
    post,
    path = "/appsec/v1/analytics/report",
    tag = "Reporting",
    request_body = Value,
    responses((status = 200, body = ReportAnswer)),
))]
pub(crate) async fn create_report(
    asked: Asked<Grant<ReadReports>>,
    Input(wanted): Input<Value>,
) -> Result<Response, Refusal> {
    asked.change(move |change, asked| reports::create(change, asked.user(), &wanted)).await
}

/// A report as it stands: `PROCESSING`, then `COMPLETED` with a page of its rows.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/appsec/v1/analytics/report/{id}",
    tag = "Reporting",
    params(Pages),
    responses((status = 200, body = ReportAnswer)),
))]
pub(crate) async fn read_report(
    asked: Asked<Grant<ReadReports>, String>,
) -> Result<Response, Refusal> {
    asked
        .look(|view, asked| {
            let paging = asked.query.paging(USUAL_SIZE, MOST)?;
            let url = format!("{}/appsec/v1/analytics/report/{}", asked.base(), asked.path);
            let window = (paging.number, paging.size);
            json(&reports::read(view, asked.user(), &asked.path, window, &url)?)
        })
        .await
}
