//! Every status and every error shape, in one place.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use countersign_wire::error::{
    ApiError, ApiErrors, EmbeddedErrors, ErrorSource, FlawError, GatewayError, ValidationErrors,
};

use countersign_web::body::Unread;
use serde_json::json;

use crate::state::AppState;
use countersign_tenant::{Error, Refused};

/// An answer that is not a good one.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    content_type: &'static str,
    body: Vec<u8>,
    complaint: Option<Box<Complaint>>,
    conversation: Option<[String; 2]>,
    retry_after: Option<u64>,
}

/// What is wrong with a request. Which shape says so, [`shaped`] decides by the family of
/// the resource that was asked for.
#[derive(Debug, Clone)]
struct Complaint {
    status: u16,
    code: &'static str,
    title: String,
    source: Option<ErrorSource>,
}

const GATEWAY: &str = "application/json;charset=UTF-8";
const JSON: &str = "application/json";

impl Refusal {
    fn new(status: u16, content_type: &'static str, body: &impl serde::Serialize) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            content_type,
            body: encoded(body),
            complaint: None,
            conversation: None,
            retry_after: None,
        }
    }

    fn complaint(
        status: u16,
        code: &'static str,
        title: &str,
        source: Option<ErrorSource>,
    ) -> Self {
        let complaint = Complaint { status, code, title: title.to_owned(), source };
        let mut refusal = Self::new(status, JSON, &());
        refusal.complaint = Some(Box::new(complaint));
        refusal
    }

    /// The gateway's shape.
    pub(crate) fn gateway(status: u16, message: &str) -> Self {
        let words = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        let body = GatewayError {
            message: message.to_owned(),
            http_code: status,
            http_status: words.unwrap_or_default().to_owned(),
        };
        Self::new(status, GATEWAY, &body)
    }

    /// The one answer to everything that is not authenticated: its message is
    /// the second of the two conversation ids and nothing else.
    pub(crate) fn unauthenticated(state: &AppState) -> Self {
        let ids = [conversation_id(state), conversation_id(state)];
        let mut refusal = Self::gateway(401, &ids[1]);
        refusal.conversation = Some(ids);
        refusal
    }

    pub(crate) fn conversation_id(&self) -> &str {
        self.conversation.as_ref().map_or("", |ids| ids[1].as_str())
    }

    pub(crate) fn forbidden() -> Self {
        Refused::lacks_role().into()
    }

    /// Whether it says how long to wait is the limit's to decide.
    pub(crate) fn too_many(seconds: Option<u64>) -> Self {
        let mut refusal = Self::gateway(429, "rate limit exceeded");
        refusal.retry_after = seconds;
        refusal
    }

    /// A body that was not read.
    pub(crate) fn unread(unread: Unread) -> Self {
        let message = match unread {
            Unread::TooLarge => "the body is larger than 1 MiB",
            Unread::TooSlow => "the body took too long",
            Unread::Broken => "the body broke off",
        };
        Self::gateway(unread.status(), message)
    }

    /// A path parameter that is no guid.
    pub(crate) fn malformed_guid(text: &str) -> Self {
        let shown: String = text.chars().take(80).collect();
        Self::gateway(400, &format!("Invalid UUID string: {shown}"))
    }

    /// The shape of the flaw details.
    pub(crate) fn flaw(status: u16, message: &str) -> Self {
        let words = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        let code = words.unwrap_or_default().to_uppercase().replace(' ', "_");
        Self::new(status, JSON, &FlawError { message: message.to_owned(), code })
    }

    /// Nothing of this kind is where the request looks for it.
    pub(crate) fn no_such(what: &str) -> Self {
        Self::complaint(404, "NOT_FOUND", &format!("{what} not found."), None)
    }

    pub(crate) fn bad_parameter(name: &str, title: &str) -> Self {
        let source = ErrorSource { pointer: None, parameter: Some(name.to_owned()) };
        Self::complaint(400, "BAD_REQUEST", title, Some(source))
    }

    /// The shape of the Identity API's validation.
    pub(crate) fn invalid(errors: Vec<String>) -> Self {
        Self::new(400, JSON, &ValidationErrors { errors, status: 400 })
    }

    pub(crate) fn internal(error: &Error) -> Self {
        tracing::error!(%error, "a request failed");
        Self::gateway(500, "the platform failed; its log has the reason")
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::internal(&error)
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let at = |pointer| Some(ErrorSource { pointer: Some(pointer), parameter: None });
        match refused {
            Refused::Invalid(errors) => Self::invalid(errors),
            Refused::Member { pointer, title } => {
                Self::complaint(400, "BAD_REQUEST", &title, at(pointer))
            }
            Refused::Taken { pointer, title } => {
                Self::complaint(409, "CONFLICT", &title, at(pointer))
            }
            Refused::Missing(what) => Self::gateway(404, &format!("no such {what}")),
            Refused::NoSuch(what) => Self::no_such(what),
            Refused::NoSuchPage(detail) => {
                let error = json!({ "code": "BAD_REQUEST", "detail": detail });
                Self::new(400, JSON, &json!({ "_embedded": { "error": error } }))
            }
            Refused::MalformedGuid(text) => Self::malformed_guid(&text),
            Refused::Forbidden(why) => Self::gateway(403, why),
            Refused::Conflict(why) => Self::gateway(409, why),
            Refused::Failed(error) => Self::internal(&error),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body).into_response();
        if let Some(complaint) = self.complaint {
            response.extensions_mut().insert(*complaint);
        }
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some([a, b]) = &self.conversation
            && let Ok(ids) = HeaderValue::from_str(&format!("{a}, {b}"))
        {
            headers.insert(HeaderName::from_static("x-conversation-id"), ids);
        }
        response
    }
}

/// Gives a complaint the shape of its family: the one of the Identity API is a list of
/// texts; collections have the error alone, the rest of the Applications family a list of
/// them. Each error has an id of its own, and where it is about nothing that the request
/// said, it points to what was asked for.
pub(super) async fn shaped(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    let Some(complaint) = response.extensions_mut().remove::<Complaint>() else {
        return response;
    };
    let body = complaint.body(&path, conversation_id(&state));
    *response.body_mut() = Body::from(body);
    response
}

impl Complaint {
    fn body(self, path: &str, id: String) -> Vec<u8> {
        let Self { status, code, title, source } = self;
        if path.starts_with("/api/authn/") {
            let parameter = source.and_then(|source| source.parameter);
            let error = parameter.map_or(title.clone(), |name| format!("{name}: {title}"));
            return encoded(&ValidationErrors { errors: vec![error], status });
        }
        let here = || ErrorSource { pointer: Some(path.to_owned()), parameter: None };
        let error = ApiError {
            id,
            code: code.to_owned(),
            title,
            detail: None,
            status: status.to_string(),
            source: Some(source.unwrap_or_else(here)),
        };
        if path.starts_with("/appsec/v1/collections") {
            return encoded(&error);
        }
        encoded(&ApiErrors {
            embedded: EmbeddedErrors { api_errors: vec![error] },
            fallback_type: None,
            full_type: None,
        })
    }
}

fn encoded(body: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(body).unwrap_or_default()
}

/// A random guid.
pub(crate) fn conversation_id(state: &AppState) -> String {
    let mut bytes = [0; 16];
    (state.random())(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}
