//! Reports of the Reporting API: one list over all applications, in words of its own. No
//! recorded row is public: the keys are those that public clients read.

use serde::{Deserialize, Serialize};

use crate::hal::Link;
use crate::lenient;

/// What is asked for, and what came of it: everything is inside.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ReportAnswer {
    /// The report.
    #[serde(rename = "_embedded")]
    pub embedded: Report,
}

/// A report.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Report {
    /// The key used in paths.
    pub id: String,
    /// `findings`.
    pub report_type: String,
    /// `SUBMITTED`, `PROCESSING`, `COMPLETED` or `FAILED`.
    pub status: String,
    /// User name.
    pub requested_by_user: Option<String>,
    /// Account number.
    pub requested_by_account: Option<i64>,
    /// When it was asked for, as local time.
    pub date_report_requested: Option<String>,
    /// When it was complete, as local time.
    pub date_report_completed: Option<String>,
    /// When it is deleted, as local time.
    pub report_expiration_date: Option<String>,
    /// Rows of this page, once it is complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub findings: Option<Vec<ReportFinding>>,
    /// Pages beside this one.
    #[serde(rename = "_links", skip_serializing_if = "Option::is_none")]
    pub links: Option<ReportLinks>,
    /// Which page this is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_metadata: Option<PageMetadata>,
}

/// Pages of a report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ReportLinks {
    /// The first.
    pub first: Option<Link>,
    /// The one before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prev: Option<Link>,
    /// This one.
    #[serde(rename = "self")]
    pub own: Option<Link>,
    /// The next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Link>,
    /// The last.
    pub last: Option<Link>,
}

/// Which page of how many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct PageMetadata {
    /// From 0 on.
    pub number: u64,
    /// Rows of a page.
    pub size: u64,
    /// Rows of all pages.
    pub total_elements: u64,
    /// Pages.
    pub total_pages: u64,
}

/// A finding, as reports name it. There is no guid of its application.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ReportFinding {
    /// Number of the application, as in its `id`.
    #[serde(deserialize_with = "lenient::integer")]
    pub app_id: Option<i64>,
    /// Its name.
    pub app_name: Option<String>,
    /// Of reports alone: no other API has it.
    pub finding_id: Option<i64>,
    /// `Static Analysis` and others.
    pub scan_type: Option<String>,
    /// `Policy` or `Sandbox`.
    pub policy_sandbox: Option<String>,
    /// Number of the sandbox.
    pub sandbox_id: Option<i64>,
    /// Its name.
    pub sandbox_name: Option<String>,
    /// `issue_id` of the Findings API; none of a component.
    pub flaw_id: Option<i64>,
    /// Component.
    pub component_id: Option<String>,
    /// Vulnerability of a component.
    pub cve_id: Option<String>,
    /// Weakness.
    pub cwe_id: Option<i64>,
    /// What it is called.
    pub flaw_name: Option<String>,
    /// Category.
    pub category_name: Option<String>,
    /// 0 to 5.
    pub severity: Option<i64>,
    /// `Open` or `Closed`.
    pub status: Option<String>,
    /// `Unresolved`, `Mitigated` or `Potential False Positive`.
    pub resolution: Option<String>,
    /// Where its mitigation stands.
    pub mitigation_status: Option<String>,
    /// `Yes` or `No`.
    pub policy_rule_passed: Option<String>,
    /// File.
    pub filename: Option<String>,
    /// Uploaded artefact.
    pub module_name: Option<String>,
    /// Component.
    pub component_name: Option<String>,
    /// Score of its vulnerability.
    pub nvd_cvss3_score: Option<f64>,
    /// Title of its vulnerability.
    pub vulnerability_title: Option<String>,
    /// First found, as local time.
    pub found_date: Option<String>,
    /// Last found, as local time.
    pub last_found_date: Option<String>,
    /// Last change, as local time.
    pub last_updated_date: Option<String>,
    /// Business unit.
    pub business_unit: Option<String>,
    /// `Very High` and others.
    pub business_criticality: Option<String>,
    /// Name that the organisation gave the severity.
    pub custom_severity_name: Option<String>,
    /// When it was fixed, as local time.
    pub fixed_date: Option<String>,
}
