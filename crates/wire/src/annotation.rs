//! What is said about findings: mitigations that are proposed, approved or rejected, and
//! comments.

use serde::{Deserialize, Serialize};

/// The body that annotates flaws.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct AnnotationInput {
    /// Comma-separated.
    pub issue_list: String,
    /// Words.
    pub comment: String,
    /// `COMMENT`, `FP`, `APPDESIGN`, `OSENV`, `NETENV`, `LIBRARY`, `ACCEPTRISK`, `ACCEPTED`
    /// or `REJECTED`.
    pub action: String,
}

/// The body that annotates components.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ComponentAnnotationInput {
    /// `VULNERABILITY` or `LICENSE`.
    pub annotation_type: String,
    /// `COMMENT`, `APPROVE`, `REJECT`, or a reason that is proposed.
    pub action: String,
    /// Words.
    pub comment: String,
    /// What it is about.
    pub annotations: Vec<AnnotatedComponent>,
}

/// A vulnerability or a licence of a component.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct AnnotatedComponent {
    /// The component.
    pub component_id: String,
    /// The vulnerability.
    pub cve_name: Option<String>,
    /// The licence.
    pub license_id: Option<String>,
}

/// One thing that was said about a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ComponentAnnotation {
    /// `VULNERABILITY` or `LICENSE`.
    pub annotation_type: String,
    /// The component.
    pub component_id: String,
    /// The vulnerability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cve_name: Option<String>,
    /// The licence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license_id: Option<String>,
    /// `COMMENT`, `APPROVE`, `REJECT`, or a reason that is proposed.
    pub action: String,
    /// Words.
    pub comment: String,
    /// How the subject stands after it.
    pub status: String,
    /// Who said it.
    pub user_name: String,
    /// When.
    pub created: String,
}
