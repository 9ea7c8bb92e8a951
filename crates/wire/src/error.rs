//! The error bodies: three that our server writes, all six that a client meets.

use countersign_text::line;
use serde::{Deserialize, Serialize};

/// Gateway and authentication errors, and malformed path parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct GatewayError {
    /// A text, or only the conversation id on a 401.
    pub message: String,
    /// The status as a number.
    pub http_code: u16,
    /// The status in words.
    pub http_status: String,
}

/// Errors of the Applications family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ApiErrors {
    /// The errors.
    #[serde(rename = "_embedded")]
    pub embedded: EmbeddedErrors,
    /// Always null in recordings.
    #[serde(default)]
    pub fallback_type: Option<String>,
    /// Always null in recordings.
    #[serde(default)]
    pub full_type: Option<String>,
}

/// The `_embedded` member of [`ApiErrors`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct EmbeddedErrors {
    /// The errors.
    pub api_errors: Vec<ApiError>,
}

/// One error of the Applications family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ApiError {
    /// Names this occurrence.
    #[serde(default)]
    pub id: String,
    /// Such as `NOT_FOUND`.
    #[serde(default)]
    pub code: String,
    /// What happened, in words.
    #[serde(default)]
    pub title: String,
    /// More words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The status, as text.
    #[serde(default)]
    pub status: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<ErrorSource>,
}

/// What an [`ApiError`] is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ErrorSource {
    /// A path or a JSON pointer.
    #[serde(default)]
    pub pointer: Option<String>,
    /// A query parameter.
    #[serde(default)]
    pub parameter: Option<String>,
}

/// Validation errors of the Identity API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ValidationErrors {
    /// Each `member: what is wrong`.
    pub errors: Vec<String>,
    /// The status, as a number.
    pub status: u16,
}

/// An error of the flaw details.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct FlawError {
    /// What is wrong.
    pub message: String,
    /// Such as `NOT_FOUND`.
    pub code: String,
}

/// What an error answer said, whatever its shape.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// The words, joined with `; ` when there were several.
    pub message: String,
    /// A machine-readable code, where the shape has one.
    pub code: Option<String>,
}

impl ErrorBody {
    /// Of a message that is kept, in characters; what is cut off is said.
    pub const MAX_CHARS: usize = 300;

    /// Reads any of the six known shapes, else the first line of the text.
    pub fn parse(body: &[u8]) -> Self {
        let said = match serde_json::from_slice::<AnyShape>(body) {
            Ok(shape) => shape.said(),
            Err(_) => Self { message: plain_text(body), code: None },
        };
        Self { message: clip(&said.message), code: said.code.map(|code| clip(&code)) }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AnyShape {
    error: Option<String>,
    error_description: Option<String>,
    title: Option<String>,
    detail: Option<String>,
    message: Option<String>,
    code: Option<String>,
    errors: Option<Vec<String>>,
    #[serde(rename = "_embedded")]
    embedded: Option<EmbeddedErrors>,
}

impl AnyShape {
    fn said(self) -> ErrorBody {
        if let Some(EmbeddedErrors { api_errors }) = self.embedded {
            let code = api_errors.first().map(|error| error.code.clone());
            let words = api_errors.into_iter().map(|error| match error.detail {
                Some(detail) => format!("{}: {detail}", error.title),
                None => error.title,
            });
            return ErrorBody { message: words.collect::<Vec<_>>().join("; "), code };
        }
        let message = match (self.error_description, self.title, self.detail) {
            (Some(text), _, _) => Some(text),
            (None, Some(title), Some(detail)) => Some(format!("{title}: {detail}")),
            (None, title, detail) => title.or(detail),
        };
        ErrorBody {
            message: message
                .or(self.message)
                .or_else(|| self.errors.map(|errors| errors.join("; ")))
                .unwrap_or_default(),
            code: self.code.or(self.error),
        }
    }
}

/// Words of a body that is not JSON: the title of an HTML page, else the first
/// line.
fn plain_text(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4096)]);
    let title = text
        .split_once("<title>")
        .and_then(|(_, rest)| rest.split_once("</title>"))
        .map(|(title, _)| title.trim().to_owned());
    title.unwrap_or_else(|| text.trim().lines().next().unwrap_or_default().to_owned())
}

fn clip(text: &str) -> String {
    line(text).at_most(ErrorBody::MAX_CHARS).to_string()
}
