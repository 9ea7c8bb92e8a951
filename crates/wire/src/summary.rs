//! The summary report of an application. No genuine answer is public; names are
//! those that clients read.

use serde::{Deserialize, Serialize};

use crate::application::CustomField;

/// Counts of an application in one context.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct SummaryReport {
    /// Name of the application.
    pub app_name: String,
    /// Its numeric id.
    pub app_id: i64,
    /// The newest scan.
    pub build_id: i64,
    /// Sandbox, for its context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox_name: Option<String>,
    /// Its numeric id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox_id: Option<i64>,
    /// When this was counted, `YYYY-MM-DD HH:MM:SS UTC`.
    pub generation_date: String,
    /// Last change, in the same form.
    pub last_update_time: String,
    /// Flaws that are open.
    pub total_flaws: i64,
    /// Of them those without an approved mitigation.
    pub flaws_not_mitigated: i64,
    /// Name of the policy.
    pub policy_name: String,
    /// Version of the policy.
    pub policy_version: i64,
    /// In words: `Passed`, `Did Not Pass`, `Conditional Pass`, `Not Assessed`.
    pub policy_compliance_status: String,
    /// In words, the rules alone.
    pub policy_rules_status: String,
    /// Whether a flaw is open longer than the policy allows.
    pub grace_period_expired: bool,
    /// `true` or `false`, as text.
    pub scan_overdue: String,
    /// Whether it is about the newest scan.
    pub is_latest_build: bool,
    /// Name of the business unit.
    pub business_unit: String,
    /// 1 (very low) to 5 (very high).
    pub business_criticality: i64,
    /// Names in one text.
    pub teams: String,
    /// Tags in one text.
    pub tags: String,
    /// Static scan.
    #[serde(rename = "static-analysis", skip_serializing_if = "Option::is_none")]
    pub static_analysis: Option<Analysis>,
    /// Dynamic scan.
    #[serde(rename = "dynamic-analysis", skip_serializing_if = "Option::is_none")]
    pub dynamic_analysis: Option<Analysis>,
    /// Manual test.
    #[serde(rename = "manual-analysis", skip_serializing_if = "Option::is_none")]
    pub manual_analysis: Option<Analysis>,
    /// Open flaws by severity and category, the highest first.
    pub severity: Vec<SeverityLevel>,
    /// Flaws by what became of them.
    #[serde(rename = "flaw-status", alias = "flaw_status")]
    pub flaw_status: FlawStatus,
    /// Third-party components.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_composition_analysis: Option<Components>,
    /// Custom fields of the application.
    pub customfields: CustomFields,
}

/// One kind of scan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Analysis {
    /// When its results came out.
    pub published_date: Option<String>,
    /// The scan.
    pub version: Option<String>,
    /// What was scanned.
    pub modules: Modules,
}

/// What was scanned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Modules {
    /// Each module.
    pub module: Vec<Module>,
}

/// Open flaws of one module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Module {
    /// Name.
    pub name: String,
    /// Informational.
    #[serde(rename = "num_flaws_sev_0")]
    pub severity_0: i64,
    /// Very low.
    #[serde(rename = "num_flaws_sev_1")]
    pub severity_1: i64,
    /// Low.
    #[serde(rename = "num_flaws_sev_2")]
    pub severity_2: i64,
    /// Medium.
    #[serde(rename = "num_flaws_sev_3")]
    pub severity_3: i64,
    /// High.
    #[serde(rename = "num_flaws_sev_4")]
    pub severity_4: i64,
    /// Very high.
    #[serde(rename = "num_flaws_sev_5")]
    pub severity_5: i64,
}

/// Open flaws of one severity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct SeverityLevel {
    /// 0 to 5.
    pub level: i64,
    /// By category.
    pub category: Vec<CategoryCount>,
}

/// Open flaws of one severity and category.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct CategoryCount {
    /// Name of the category.
    pub categoryname: String,
    /// The severity in words.
    pub severity: String,
    /// How many.
    pub count: i64,
}

/// Flaws by what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct FlawStatus {
    /// Open, and new in the newest scan.
    pub new: i64,
    /// Open again.
    pub reopen: i64,
    /// Open, neither new nor open again.
    pub open: i64,
    /// No longer found.
    pub fixed: i64,
    /// All that are open.
    pub total: i64,
    /// Open without an approved mitigation.
    pub not_mitigated: i64,
    /// New less fixed, informational.
    #[serde(rename = "sev-0-change")]
    pub severity_0_change: i64,
    /// New less fixed, very low.
    #[serde(rename = "sev-1-change")]
    pub severity_1_change: i64,
    /// New less fixed, low.
    #[serde(rename = "sev-2-change")]
    pub severity_2_change: i64,
    /// New less fixed, medium.
    #[serde(rename = "sev-3-change")]
    pub severity_3_change: i64,
    /// New less fixed, high.
    #[serde(rename = "sev-4-change")]
    pub severity_4_change: i64,
    /// New less fixed, very high.
    #[serde(rename = "sev-5-change")]
    pub severity_5_change: i64,
}

/// Third-party components in counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Components {
    /// Components with a vulnerability.
    pub third_party_components: i64,
    /// Whether one of them is against the policy.
    pub violate_policy: bool,
    /// How many are.
    pub components_violated_policy: i64,
}

/// Custom fields of an application.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct CustomFields {
    /// Each field.
    pub customfield: Vec<CustomField>,
}
