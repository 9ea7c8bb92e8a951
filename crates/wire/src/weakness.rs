//! The dictionaries of weaknesses, and the names of custom fields.

use serde::{Deserialize, Serialize};

/// A weakness of the CWE list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Cwe {
    /// CWE id.
    pub id: i64,
    /// Its name.
    pub name: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// 0 to 5.
    pub severity: Option<i64>,
    /// 1 (trivial) to 5 (a redesign).
    pub remediation_effort: Option<i64>,
    /// What to do.
    pub recommendation: Option<String>,
    /// Where to read on.
    pub references: Vec<Reference>,
}

/// A page about a weakness.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = CweReference))]
#[serde(default)]
pub struct Reference {
    /// Title.
    pub name: String,
    /// Address.
    pub url: String,
}

/// A category of findings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Category {
    /// Category id.
    pub id: i64,
    /// Its name.
    pub name: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// What to do.
    pub recommendation: Option<String>,
}

/// The name of a custom field of applications.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct CustomFieldName {
    /// As it stands at the applications.
    pub name: String,
    /// Place in forms.
    pub sort_order: Option<i64>,
}
