//! What the broker itself answers. Each refusal has a code, which callers find in the
//! header [`HEADER`] and nowhere in an answer of the service.

use countersign_client::Error as ClientError;
use hyper::StatusCode;

/// Names the refusal; only the broker sends it.
pub const HEADER: &str = "x-countersign-error";

/// Why the broker refuses.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// One for every reason: which it is helps only who tries tokens.
    pub(crate) fn unauthenticated() -> Self {
        let message = "the token is missing, wrong, expired or revoked";
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", message)
    }

    pub(crate) fn not_allowed(method: &hyper::Method, path: &str) -> Self {
        let message = format!("no rule of this caller allows `{method} {path}`");
        Self::new(StatusCode::FORBIDDEN, "not_allowed", message)
    }

    pub(crate) fn guarded(method: &hyper::Method, path: &str) -> Self {
        let message = format!(
            "`{method} {path}` deals in credentials: only a rule that spells it out, without `*`, allows it"
        );
        Self::new(StatusCode::FORBIDDEN, "guarded", message)
    }

    pub(crate) fn origin() -> Self {
        let message = "a page of another origin may not ask";
        Self::new(StatusCode::FORBIDDEN, "other_origin", message)
    }

    pub(crate) fn host() -> Self {
        let message = "the host is not this broker";
        Self::new(StatusCode::MISDIRECTED_REQUEST, "other_host", message)
    }

    pub(crate) fn bad_target(what: impl Into<String>) -> Self {
        let message = format!("the target is refused: {}", what.into());
        Self::new(StatusCode::BAD_REQUEST, "bad_target", message)
    }

    pub(crate) fn target_too_long(limit: usize) -> Self {
        let message = format!("the target is longer than {limit} bytes");
        Self::new(StatusCode::URI_TOO_LONG, "target_too_long", message)
    }

    pub(crate) fn bad_request(what: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", what)
    }

    pub(crate) fn expectation() -> Self {
        let message = "the only expectation that is met is `100-continue`";
        Self::new(StatusCode::EXPECTATION_FAILED, "expectation", message)
    }

    pub(crate) fn body_too_large(limit: u64) -> Self {
        let message = format!("the body is larger than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
    }

    pub(crate) fn body_too_slow() -> Self {
        let message = "the body did not come in time";
        Self::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", message)
    }

    pub(crate) fn body_broken() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "body_broken", "the body broke off")
    }

    pub(crate) fn too_many(limit: usize) -> Self {
        let message = format!("this caller has {limit} requests on their way already");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many", message)
    }

    pub(crate) fn log_failed() -> Self {
        let message = "the broker cannot write its log, and answers nothing without it";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "log_failed", message)
    }

    pub(crate) fn store_failed() -> Self {
        let message = "the broker cannot read its callers";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_failed", message)
    }

    pub(crate) fn too_slow() -> Self {
        let message = "no answer of the service in time; it may have done what was asked";
        Self::new(StatusCode::GATEWAY_TIMEOUT, "upstream_timeout", message)
    }

    pub(crate) fn odd_answer() -> Self {
        let message = "the service answered with a status that is no answer";
        Self::new(StatusCode::BAD_GATEWAY, "upstream_failed", message)
    }

    /// The cause as the client tells it, which holds no secret.
    pub(crate) fn upstream(error: &ClientError) -> Self {
        let (status, code) = if error.is_timeout() {
            (StatusCode::GATEWAY_TIMEOUT, "upstream_timeout")
        } else if error.is_without_credential() {
            (StatusCode::SERVICE_UNAVAILABLE, "no_credential")
        } else {
            (StatusCode::BAD_GATEWAY, "upstream_failed")
        };
        Self::new(status, code, error.to_string())
    }
}
