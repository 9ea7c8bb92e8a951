//! One flaw in depth: the data path of a static one, request and response of a
//! dynamic one.

use serde::{Deserialize, Serialize};

/// Which finding an answer is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct StaticIssue {
    /// Application.
    pub app_guid: String,
    /// Name of the application.
    pub name: Option<String>,
    /// Scan in which it was last reported.
    pub build_id: Option<i64>,
    /// Flaw id.
    pub issue_id: i64,
    /// Sandbox, or the application for the policy context.
    pub context: Option<String>,
}

/// How data reaches a static flaw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct StaticFlawInfo {
    /// Which finding.
    pub issue_summary: StaticIssue,
    /// Each way from a source to the flaw.
    pub data_paths: Vec<DataPath>,
}

/// One way from a source to a flaw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct DataPath {
    /// Uploaded artefact.
    pub module_name: Option<String>,
    /// Calls on the way.
    pub steps: i64,
    /// Path of the file within the artefact.
    pub local_path: Option<String>,
    /// The call that is the flaw.
    pub function_name: Option<String>,
    /// Line of that call.
    pub line_number: Option<i64>,
    /// The calls, the flaw first.
    pub calls: Vec<Call>,
}

/// One call on the way to a flaw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Call {
    /// Position in the data path, from 1.
    pub data_path: Option<i64>,
    /// File.
    pub file_name: Option<String>,
    /// File with its folders.
    pub file_path: Option<String>,
    /// The function that calls.
    pub function_name: Option<String>,
    /// Line of the call.
    pub line_number: Option<i64>,
}

/// Which finding an answer is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct DynamicIssue {
    /// Application.
    pub app_guid: String,
    /// Its numeric id.
    pub app_id: Option<i64>,
    /// Scan in which it was last reported.
    pub build_id: Option<i64>,
    /// Flaw id.
    pub issue_id: i64,
    /// What found it.
    pub engine_version: Option<String>,
    /// CWE id.
    pub cwe_id: Option<i64>,
    /// What it is.
    pub description: Option<String>,
    /// What to do.
    pub recommendation: Option<String>,
}

/// What was sent to find a dynamic flaw, and what came back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct DynamicFlawInfo {
    /// Which finding.
    pub issue_summary: DynamicIssue,
    /// The exchange.
    pub dynamic_flaw_info: Exchange,
}

/// A request and its response.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Exchange {
    /// What was sent.
    pub request: SentRequest,
    /// What came back.
    pub response: SentResponse,
}

/// A request that proves a flaw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct SentRequest {
    /// Whole address.
    pub url: Option<String>,
    /// The request, base64.
    pub raw_bytes: Option<String>,
    /// Whether over TLS.
    pub secure: Option<bool>,
    /// Port, as text.
    #[serde(deserialize_with = "crate::lenient::text")]
    pub port: Option<String>,
    /// Such as `HTTP/1.1`.
    pub protocol: Option<String>,
    /// Method.
    pub method: Option<String>,
    /// Path.
    pub path: Option<String>,
    /// Path and query.
    pub uri: Option<String>,
    /// Body.
    pub body: Option<String>,
    /// `Referer` header.
    pub referer: Option<String>,
    /// What was changed to attack.
    pub attack_vectors: Vec<AttackVector>,
}

/// One value that an attack changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct AttackVector {
    /// Name of the parameter.
    pub name: Option<String>,
    /// `QUERY`, `HEADER`, `COOKIE`, `BODY` or `PATHPARAM`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Before.
    pub original_value: Option<String>,
    /// After.
    pub injected_value: Option<String>,
}

/// A response that proves a flaw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct SentResponse {
    /// The response, base64.
    pub raw_bytes: Option<String>,
}
