//! Good answers.

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::error::Refusal;

/// A good answer, with the content type that strict clients compare exactly.
pub(crate) fn ok(body: impl Into<Body>) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body.into()).into_response()
}

/// A good answer of this value.
pub(crate) fn json(value: &impl Serialize) -> Result<Response, Refusal> {
    match serde_json::to_vec(value) {
        Ok(body) => Ok(ok(body)),
        Err(error) => Err(Refusal::gateway(500, &error.to_string())),
    }
}

/// A new thing, as it is now.
pub(crate) fn created(value: &impl Serialize) -> Result<Response, Refusal> {
    let mut response = json(value)?;
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// Done, with nothing to say: the Identity API says so in JSON.
pub(crate) fn done() -> Response {
    ok("{}")
}

/// Done, with nothing to say.
pub(crate) fn no_content() -> Response {
    let mut response = ok("");
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
