//! Policies: the rules that findings of an application are judged by.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::credential::SelfLink;

/// One version of a policy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Policy {
    /// The key used everywhere.
    pub guid: String,
    /// Unique in the account.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// `BUILTIN`, `VERACODELEVEL`, `CUSTOMER`, `STANDARD`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// `APPLICATION` or `COMPONENT`.
    pub category: Option<String>,
    /// Counts from 1.
    pub version: Option<i64>,
    /// When this version was made.
    pub created: Option<String>,
    /// Who made it.
    pub modified_by: Option<String>,
    /// Numeric organisation id.
    pub organization_id: Option<i64>,
    /// Whether it is for suppliers.
    pub vendor_policy: bool,
    /// What a finding must not be.
    pub finding_rules: Vec<FindingRule>,
    /// Severities that differ from those of the weakness.
    pub custom_severities: Vec<CustomSeverity>,
    /// How often to scan.
    pub scan_frequency_rules: Vec<ScanFrequencyRule>,
    /// Days to fix a very high finding.
    pub sev5_grace_period: i64,
    /// Days to fix a high finding.
    pub sev4_grace_period: i64,
    /// Days to fix a medium finding.
    pub sev3_grace_period: i64,
    /// Days to fix a low finding.
    pub sev2_grace_period: i64,
    /// Days to fix a very low finding.
    pub sev1_grace_period: i64,
    /// Days to fix an informational finding.
    pub sev0_grace_period: i64,
    /// Days to reach the score.
    pub score_grace_period: i64,
    /// Days to replace a component; replaced by `sca_grace_periods`.
    pub sca_blacklist_grace_period: i64,
    /// Days for components, by cause.
    pub sca_grace_periods: Option<Value>,
    /// From or until when it is applied.
    pub evaluation_date: Option<String>,
    /// `BEFORE` or `AFTER`.
    pub evaluation_date_type: Option<String>,
    /// What the account may do with it.
    pub capabilities: Vec<String>,
    /// `self`.
    #[serde(rename = "_links")]
    pub links: Option<SelfLink>,
}

/// One rule of a policy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct FindingRule {
    /// `MAX_SEVERITY`, `CWE`, `CVSS` and others.
    #[serde(rename = "type")]
    pub kind: String,
    /// `STATIC`, `DYNAMIC`, `MANUAL`, `SCA`, `ALL` and others.
    pub scan_type: Vec<String>,
    /// What the rule compares with.
    pub value: String,
    /// More of it, for components.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advanced_options: Option<Value>,
}

/// The severity of a weakness under a policy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct CustomSeverity {
    /// CWE id.
    pub cwe: i64,
    /// 0 to 5.
    pub severity: i64,
}

/// How often scans of one type are due.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ScanFrequencyRule {
    /// A scan type, or `ANY`.
    pub scan_type: String,
    /// Such as `MONTHLY` or `NOT_REQUIRED`.
    pub frequency: String,
}
