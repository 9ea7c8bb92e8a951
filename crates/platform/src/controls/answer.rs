//! How a control is asked, and how it answers.

use std::convert::Infallible;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use countersign_web::body::Unread;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::caller::address_of;
use crate::rest::error::Refusal;
use crate::state::AppState;
use countersign_tenant::{Act, By, Error};

/// Who holds the token and from where, for the log.
pub(super) struct Holder(pub(super) Act);

impl<S: Sync> FromRequestParts<S> for Holder {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let from = address_of(parts).map(|address| address.to_string());
        Ok(Self(Act::new(By::Controls, from.unwrap_or_default())))
    }
}

/// Why a control did not do what it was asked.
pub(super) struct Trouble(StatusCode, String);

impl Trouble {
    pub(super) fn new(status: u16, what: impl Into<String>) -> Self {
        Self(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), what.into())
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        (self.0, JSON, json!({ "error": self.1 }).to_string()).into_response()
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::new(if error.is_input() { 400 } else { 500 }, error.to_string())
    }
}

impl From<Refusal> for Trouble {
    fn from(_: Refusal) -> Self {
        Self::new(400, "a parameter cannot be read")
    }
}

const JSON: [(HeaderName, HeaderValue); 1] =
    [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];

pub(super) type Answer = Result<Response, Trouble>;

pub(super) fn told(value: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(value).map_err(|error| Trouble::new(500, error.to_string()))?;
    Ok((JSON, body).into_response())
}

pub(super) fn unread(error: &BytesRejection, too_large: &str) -> Trouble {
    let unread = Unread::because(error);
    let what = match unread {
        Unread::TooLarge => too_large,
        Unread::TooSlow => "the body took too long",
        Unread::Broken => "the body broke off",
    };
    Trouble::new(unread.status(), what)
}

/// A body, as JSON.
pub(super) struct Input<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<AppState> for Input<T> {
    type Rejection = Trouble;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Trouble> {
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|error| unread(&error, "the body is larger than 1 MiB"))?;
        let value = serde_json::from_slice(&body);
        value.map(Self).map_err(|error| Trouble::new(400, error.to_string()))
    }
}
