//! Collections: applications that are looked at together. No recording is public; what is
//! nested where is this project's choice.

use serde::{Deserialize, Serialize};

use crate::application::{BusinessUnitRef, CustomField, null_is_empty};
use crate::credential::SelfLink;
use crate::lenient;

/// A collection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Collection {
    /// The key used in paths.
    pub guid: String,
    /// Unique in the account.
    pub name: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// One comma-separated text.
    pub tags: Option<String>,
    /// Whether only those who were named see it.
    #[serde(deserialize_with = "lenient::truth")]
    pub restricted: Option<bool>,
    /// Business unit.
    pub business_unit: Option<BusinessUnitRef>,
    /// Those that are set.
    #[serde(deserialize_with = "null_is_empty")]
    pub custom_fields: Vec<CustomField>,
    /// Creation time.
    pub created: Option<String>,
    /// Last change.
    pub modified: Option<String>,
    /// How many assets it has.
    pub total_assets: u64,
    /// How many of them stand how.
    pub compliance_overview: ComplianceOverview,
    /// Its assets.
    #[serde(deserialize_with = "null_is_empty")]
    pub asset_infos: Vec<AssetInfo>,
    /// `self`.
    #[serde(rename = "_links")]
    pub links: Option<SelfLink>,
}

/// How many assets stand how against their policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ComplianceOverview {
    /// Did not pass.
    pub out_of_compliance: u64,
    /// Pass for the time being.
    pub within_grace_period: u64,
    /// Pass.
    pub compliant: u64,
    /// Have no verdict.
    pub not_assessed: u64,
}

/// An asset of a collection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct AssetInfo {
    /// Of the application.
    pub guid: String,
    /// `APPLICATION`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Of the application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The verdict of its policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_compliance_status: Option<String>,
}

/// The body that creates or changes a collection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct CollectionInput {
    /// Name.
    pub name: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// One comma-separated text.
    pub tags: Option<String>,
    /// Whether only those who were named see it.
    #[serde(deserialize_with = "lenient::truth")]
    pub restricted: Option<bool>,
    /// Business unit, by its guid.
    pub business_unit: Option<BusinessUnitRef>,
    /// Custom fields.
    #[serde(deserialize_with = "null_is_empty")]
    pub custom_fields: Vec<CustomField>,
    /// All assets that it shall have; left out, those that it has.
    pub asset_infos: Option<Vec<AssetInfo>>,
}

/// Counts over all collections that an account sees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct CollectionStatistics {
    /// Collections.
    pub total_collections: u64,
    /// Assets, each once.
    pub total_assets: u64,
    /// How many of these stand how.
    pub compliance_overview: ComplianceOverview,
}
