//! The recorder: what was sent, counted, expected, exported.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Input, Trouble, told};
use crate::recorder::{Wanted, har};
use crate::rest::query::Query;
use crate::state::AppState;

/// Entries of a listing unless more are asked for.
const SCREENFUL: usize = 100;

fn wanted(query: &Query) -> Result<Wanted, Trouble> {
    let text = |name: &str| query.get(name).map(String::from);
    Ok(Wanted {
        method: text("method"),
        path: text("path"),
        caller: text("caller"),
        status: query.number("status")?,
        cause: text("cause"),
        since: query.number("since")?.unwrap_or_default(),
    })
}

pub(super) async fn list_requests(
    State(state): State<AppState>,
    RawQuery(raw): RawQuery,
) -> Answer {
    let query = Query::parse(raw.as_deref());
    let limit = query.number("limit")?.unwrap_or(SCREENFUL);
    told(&json!({ "requests": state.recorder().find(&wanted(&query)?, limit) }))
}

pub(super) async fn count_requests(
    State(state): State<AppState>,
    RawQuery(raw): RawQuery,
) -> Answer {
    let wanted = wanted(&Query::parse(raw.as_deref()))?;
    told(&json!({ "count": state.recorder().count(&wanted) }))
}

pub(super) async fn clear_requests(State(state): State<AppState>) -> Answer {
    state.recorder().clear();
    told(&json!({ "count": 0 }))
}

pub(super) async fn archive(State(state): State<AppState>, RawQuery(raw): RawQuery) -> Answer {
    let wanted = wanted(&Query::parse(raw.as_deref()))?;
    told(&har(&state.recorder().find(&wanted, usize::MAX)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expectation {
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    caller: Option<String>,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    cause: Option<String>,
    #[serde(default)]
    at_least: Option<usize>,
    #[serde(default)]
    at_most: Option<usize>,
}

/// 200 when the recording is as expected, else 409; both say what there is.
pub(super) async fn expect(
    State(state): State<AppState>,
    Input(expected): Input<Expectation>,
) -> Answer {
    if expected.at_least.is_none() && expected.at_most.is_none() {
        return Err(Trouble::new(400, "give `at_least`, `at_most` or both"));
    }
    let wanted = Wanted {
        method: expected.method,
        path: expected.path,
        caller: expected.caller,
        status: expected.status,
        cause: expected.cause,
        since: 0,
    };
    let count = state.recorder().count(&wanted);
    let is_met = expected.at_least.is_none_or(|least| count >= least)
        && expected.at_most.is_none_or(|most| count <= most);
    let mut answer = told(&json!({ "met": is_met, "count": count }))?;
    if !is_met {
        *answer.status_mut() = StatusCode::CONFLICT;
    }
    Ok(answer)
}
