//! Sandboxes of an application.

use serde::{Deserialize, Serialize};

use crate::application::CustomField;
use crate::lenient;

/// A sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Sandbox {
    /// The key used in paths and as `context`.
    pub guid: String,
    /// Numeric id.
    #[serde(default, deserialize_with = "lenient::integer")]
    pub id: Option<i64>,
    /// Name, unique within the application.
    #[serde(default)]
    pub name: Option<String>,
    /// The application.
    #[serde(default)]
    pub application_guid: Option<String>,
    /// Numeric organisation id.
    #[serde(default, deserialize_with = "lenient::integer")]
    pub organization_id: Option<i64>,
    /// Who made it.
    #[serde(default)]
    pub owner_username: Option<String>,
    /// Whether it is made again when promoted.
    #[serde(default, deserialize_with = "lenient::truth")]
    pub auto_recreate: Option<bool>,
    /// Left out when empty: one strict client expects another type there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_fields: Option<Vec<CustomField>>,
    /// Creation time.
    #[serde(default)]
    pub created: Option<String>,
    /// Last change.
    #[serde(default)]
    pub modified: Option<String>,
}

/// The body that creates or changes a sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SandboxInput {
    /// Name.
    #[serde(default)]
    pub name: Option<String>,
    /// The documentation's payload writes `auto_create`.
    #[serde(default, alias = "auto_create", deserialize_with = "lenient::truth")]
    pub auto_recreate: Option<bool>,
    /// Custom fields.
    #[serde(default)]
    pub custom_fields: Option<Vec<CustomField>>,
}
