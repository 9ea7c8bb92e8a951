//! What is answered instead of what was asked for: one JSON shape for every failure.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use countersign_findings::rfc3339;
use countersign_text::line;
use serde_json::{Value, json};

/// Of what a caller sent, as much is said again.
const SHOWN_CHARS: usize = 200;

/// Where a parameter was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// A header.
    Header,
    /// The path.
    Path,
    /// The query string.
    Query,
    /// The body; the id is a JSON Pointer.
    Body,
}

impl Location {
    /// Its name in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Path => "path",
            Self::Query => "query",
            Self::Body => "body",
        }
    }
}

/// The parameter that a problem is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, or a JSON Pointer into the body.
    pub id: String,
    /// Where it was.
    pub location: Location,
    /// What it was, if that may be said.
    pub value: Option<String>,
}

/// Why a request is not answered as asked. Cheap to make; the time and the request are added
/// when it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    message: String,
    detail: Option<String>,
    remediation: Option<String>,
    parameter: Option<Parameter>,
    raw_error: Option<String>,
    retry_after_s: Option<u64>,
}

impl Problem {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            detail: None,
            remediation: None,
            parameter: None,
            raw_error: None,
            retry_after_s: None,
        }
    }

    /// 400: a parameter cannot be right.
    pub fn parameter(id: &str, location: Location, message: impl Into<String>) -> Self {
        let parameter = Parameter { id: id.to_owned(), location, value: None };
        Self { parameter: Some(parameter), ..Self::new(StatusCode::BAD_REQUEST, message) }
    }

    /// 400: a parameter of the query string cannot be right.
    pub fn query(id: &str, value: &str, message: impl Into<String>) -> Self {
        Self::parameter(id, Location::Query, message).with_value(value)
    }

    /// 400: something in the body, at this JSON Pointer, cannot be right.
    pub fn body(pointer: &str, message: impl Into<String>) -> Self {
        Self::parameter(pointer, Location::Body, message)
    }

    /// 400 without a parameter.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 401: one for every reason; which it is helps only who tries tokens.
    pub fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "the token is missing, wrong, expired or revoked")
            .with_remediation("send `Authorization: Bearer` with a token that is good")
    }

    /// 403: the token is good, and not for this.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// 404: it is not there, or not for this token: nobody is told which.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no such {what}"))
    }

    /// 404 beside an answer: it was there, and the service does not show it.
    pub fn gone(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 405.
    pub fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "this path has no such method")
    }

    /// 413.
    pub fn too_large(bytes: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {bytes} bytes"))
    }

    /// 415.
    pub fn unsupported_media_type() -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body has to be `application/json`")
    }

    /// 429, with the seconds to wait.
    pub fn too_many(message: impl Into<String>, retry_after_s: u64) -> Self {
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, message);
        Self { retry_after_s: Some(retry_after_s), ..problem }
    }

    /// 500: what it was is in the log.
    pub fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "an operation of the API failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "this program failed; its log has the cause")
    }

    /// 501: nobody built that.
    pub fn not_implemented(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, message)
    }

    /// 503, with the seconds to wait.
    pub fn unavailable(message: impl Into<String>, retry_after_s: u64) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, message);
        Self { retry_after_s: Some(retry_after_s), ..problem }
    }

    /// With what the parameter was; a part of it, if it is long.
    #[must_use]
    pub fn with_value(mut self, value: &str) -> Self {
        if let Some(parameter) = &mut self.parameter {
            let shown = value.chars().take(SHOWN_CHARS).collect::<String>();
            parameter.value = Some(line(&shown).to_string());
        }
        self
    }

    /// With more to know.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// With what to do about it.
    #[must_use]
    pub fn with_remediation(mut self, remediation: impl Into<String>) -> Self {
        self.remediation = Some(remediation.into());
        self
    }

    /// With what the service behind the integration said.
    #[must_use]
    pub fn with_raw_error(mut self, error: impl Into<String>) -> Self {
        self.raw_error = Some(error.into());
        self
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What it says first.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What there is more to know.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// As it is sent: `instance` names the request.
    pub fn object(&self, instance: &str, now_ms: i64) -> Value {
        let mut object = json!({
            "message": self.message,
            "status": self.status.as_u16(),
            "occurred_at": rfc3339(now_ms),
            "instance": instance,
            "type": "about:blank",
        });
        for (name, text) in [("detail", &self.detail), ("remediation", &self.remediation)] {
            if let Some(text) = text {
                object[name] = text.as_str().into();
            }
        }
        if let Some(Parameter { id, location, value }) = &self.parameter {
            let parameter = &mut object["context"]["parameter"];
            *parameter = json!({ "id": id, "location": location.as_str() });
            if let Some(value) = value {
                parameter["value"] = value.as_str().into();
            }
        }
        if let Some(error) = &self.raw_error {
            object["context"]["raw_error"] = error.as_str().into();
        }
        object
    }

    /// The whole answer.
    pub(crate) fn response(&self, instance: &str, now_ms: i64) -> Response {
        let body = self.object(instance, now_ms).to_string();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The answer is written by `around::finish`, which knows the request.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<countersign_store::Error> for Problem {
    fn from(error: countersign_store::Error) -> Self {
        match error.is_locked() {
            true => Self::unavailable("the store is being written; ask again", 1),
            false => Self::internal(&error),
        }
    }
}
