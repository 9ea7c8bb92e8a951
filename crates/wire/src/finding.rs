//! Findings. Keys that hold nothing are left out, never null.

use std::borrow::Borrow;

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::value::RawValue;
use serde_json::{Number, Value};

use crate::lenient;
use crate::readable::{self, Dropped};

/// A finding, in the recorded key order.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Finding {
    /// Flaw id, unique within the application. SCA findings have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issue_id: Option<i64>,
    /// `STATIC`, `DYNAMIC`, `MANUAL` or `SCA`: says how to read the details.
    pub scan_type: String,
    /// HTML (static), base64 of HTML (dynamic since 2025) or plain text (SCA).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// 1 in every recording.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<i64>,
    /// `APPLICATION` or `SANDBOX`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_type: Option<String>,
    /// The application's or the sandbox's guid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_guid: Option<String>,
    /// May stay true on a mitigated or closed finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub violates_policy: Option<bool>,
    /// Where the finding stands.
    pub finding_status: FindingStatus,
    /// What it is.
    pub finding_details: FindingDetails,
    /// Scan in which it was last reported. SCA findings have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_id: Option<i64>,
    /// Mitigation history, newest first; only with `include_annot`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Vec<Annotation>>,
    /// Only with `include_exp_date`, on findings that affect policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_period_expires_date: Option<String>,
}

impl Finding {
    /// Reads one finding. The details are read by `scan_type`, never by trial;
    /// an unknown type keeps them raw.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        // The details are read where they stand.
        Self::read(serde_json::from_str::<Head<&RawValue>>(text)?)
    }

    /// Reads one finding without the members that cannot be read, and names those. What
    /// identifies it, the scan type and the severity are needed.
    pub fn parse_readable(text: &str) -> Result<(Self, Vec<Dropped>), serde_json::Error> {
        let error = match Self::parse(text) {
            Ok(finding) => return Ok((finding, Vec::new())),
            Err(error) => error,
        };
        // Of a member that comes twice the last one counts here.
        let mut record: Value = serde_json::from_str(text)?;
        let needed = match record["scan_type"].as_str() {
            Some("SCA") => &["scan_type", "finding_details"][..],
            _ => &["scan_type", "finding_details", "issue_id"],
        };
        let mut dropped = Vec::new();
        let mut head: Head<Value> = readable::read(&mut record, "", needed, &mut dropped)?;
        let details = FindingDetails::read_readable(
            &head.scan_type,
            std::mem::take(&mut head.finding_details),
            &mut dropped,
        )?;
        if dropped.is_empty() {
            dropped.push(Dropped::new(String::new(), &error));
        }
        Ok((Self::of(head, details), dropped))
    }

    fn read<D: Borrow<RawValue>, E: de::Error>(head: Head<D>) -> Result<Self, E> {
        let details = FindingDetails::read(&head.scan_type, head.finding_details.borrow())
            .map_err(|error| E::custom(format_args!("finding_details: {error}")))?;
        Ok(Self::of(head, details))
    }

    fn of<D>(head: Head<D>, details: FindingDetails) -> Self {
        Self {
            issue_id: head.issue_id,
            scan_type: head.scan_type,
            description: head.description,
            count: head.count,
            context_type: head.context_type,
            context_guid: head.context_guid,
            violates_policy: head.violates_policy,
            finding_status: head.finding_status,
            finding_details: details,
            build_id: head.build_id,
            annotations: head.annotations,
            grace_period_expires_date: head.grace_period_expires_date,
        }
    }
}

impl<'de> Deserialize<'de> for Finding {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        Self::read(Head::<Box<RawValue>>::deserialize(reader)?)
    }
}

#[derive(Deserialize)]
struct Head<D> {
    #[serde(default, deserialize_with = "lenient::integer")]
    issue_id: Option<i64>,
    scan_type: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default, deserialize_with = "lenient::integer")]
    count: Option<i64>,
    #[serde(default)]
    context_type: Option<String>,
    #[serde(default)]
    context_guid: Option<String>,
    #[serde(default, deserialize_with = "lenient::truth")]
    violates_policy: Option<bool>,
    #[serde(default)]
    finding_status: FindingStatus,
    finding_details: D,
    #[serde(default, deserialize_with = "lenient::integer")]
    build_id: Option<i64>,
    #[serde(default)]
    annotations: Option<Vec<Annotation>>,
    #[serde(default)]
    grace_period_expires_date: Option<String>,
}

/// Where a finding stands. Treat every text as open-ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct FindingStatus {
    /// First seen in this context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_found_date: Option<String>,
    /// `OPEN`, `CLOSED`, perhaps `REOPENED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// `UNRESOLVED`, `MITIGATED`, `POTENTIAL_FALSE_POSITIVE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
    /// `NONE`, `CONFORMS`, `DEVIATES`; absent for SCA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mitigation_review_status: Option<String>,
    /// First seen in the latest scan.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::truth")]
    pub new: Option<bool>,
    /// `NONE`, `PROPOSED`, `APPROVED`, `REJECTED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution_status: Option<String>,
    /// Last seen; may lie before `first_found_date` for SCA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_date: Option<String>,
}

/// What a finding is, by scan type.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum FindingDetails {
    /// `STATIC`.
    Static(StaticDetails),
    /// `DYNAMIC`.
    Dynamic(DynamicDetails),
    /// `MANUAL`.
    Manual(ManualDetails),
    /// `SCA`.
    Sca(Box<ScaDetails>),
    /// A scan type that this version does not know.
    Other(Box<RawValue>),
}

/// Any of them: what tells them apart is the scan type, beside them.
#[cfg(feature = "schema")]
mod schema {
    use utoipa::openapi::RefOr;
    use utoipa::openapi::schema::{AnyOfBuilder, Ref, Schema};
    use utoipa::{PartialSchema, ToSchema};

    use super::{DynamicDetails, FindingDetails, ManualDetails, ScaDetails, StaticDetails};

    impl PartialSchema for FindingDetails {
        fn schema() -> RefOr<Schema> {
            AnyOfBuilder::new()
                .item(Ref::from_schema_name(StaticDetails::name()))
                .item(Ref::from_schema_name(DynamicDetails::name()))
                .item(Ref::from_schema_name(ManualDetails::name()))
                .item(Ref::from_schema_name(ScaDetails::name()))
                .into()
        }
    }

    impl ToSchema for FindingDetails {
        fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
            fn add<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
                schemas.push((T::name().into(), T::schema()));
                T::schemas(schemas);
            }
            add::<StaticDetails>(schemas);
            add::<DynamicDetails>(schemas);
            add::<ManualDetails>(schemas);
            add::<ScaDetails>(schemas);
        }
    }
}

impl FindingDetails {
    fn read(scan_type: &str, raw: &RawValue) -> Result<Self, serde_json::Error> {
        let text = raw.get();
        Ok(match scan_type {
            "STATIC" => Self::Static(serde_json::from_str(text)?),
            "DYNAMIC" => Self::Dynamic(serde_json::from_str(text)?),
            "MANUAL" => Self::Manual(serde_json::from_str(text)?),
            "SCA" => Self::Sca(serde_json::from_str(text)?),
            _ => Self::Other(raw.to_owned()),
        })
    }

    fn read_readable(
        scan_type: &str,
        mut value: Value,
        dropped: &mut Vec<Dropped>,
    ) -> Result<Self, serde_json::Error> {
        const PLACE: &str = "finding_details";
        let severity = &["severity"];
        Ok(match scan_type {
            "STATIC" => Self::Static(readable::read(&mut value, PLACE, severity, dropped)?),
            "DYNAMIC" => Self::Dynamic(readable::read(&mut value, PLACE, severity, dropped)?),
            "MANUAL" => Self::Manual(readable::read(&mut value, PLACE, severity, dropped)?),
            "SCA" => {
                let needed = &["severity", "component_id", "cve.name", "metadata.sca_scan_mode"];
                Self::Sca(Box::new(readable::read(&mut value, PLACE, needed, dropped)?))
            }
            _ => Self::Other(serde_json::value::to_raw_value(&value)?),
        })
    }
}

/// A CWE or a finding category.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = FindingReference))]
pub struct Reference {
    /// Number.
    #[serde(
        default,
        deserialize_with = "lenient::integer",
        skip_serializing_if = "Option::is_none"
    )]
    pub id: Option<i64>,
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it is described.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub href: Option<String>,
}

/// Details of a static finding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct StaticDetails {
    /// 0 informational to 5 very high.
    #[serde(
        default,
        deserialize_with = "lenient::integer",
        skip_serializing_if = "Option::is_none"
    )]
    pub severity: Option<i64>,
    /// Weakness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwe: Option<Reference>,
    /// Path of the source file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_path: Option<String>,
    /// Name of the source file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// Uploaded module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Percent within the procedure; -1 is possible.
    #[serde(
        default,
        deserialize_with = "lenient::integer",
        skip_serializing_if = "Option::is_none"
    )]
    pub relative_location: Option<i64>,
    /// Category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding_category: Option<Reference>,
    /// Full signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub procedure: Option<String>,
    /// -2 very unlikely to 2 very likely.
    #[serde(
        default,
        deserialize_with = "lenient::integer",
        skip_serializing_if = "Option::is_none"
    )]
    pub exploitability: Option<i64>,
    /// Function name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attack_vector: Option<String>,
    /// Line in the source file.
    #[serde(
        default,
        deserialize_with = "lenient::integer",
        skip_serializing_if = "Option::is_none"
    )]
    pub file_line_number: Option<i64>,
    /// In the specification, in no recording.
    #[serde(default, deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub cvss: Option<String>,
}

/// Details of a dynamic finding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DynamicDetails {
    /// 0 informational to 5 very high.
    #[serde(
        default,
        deserialize_with = "lenient::integer",
        skip_serializing_if = "Option::is_none"
    )]
    pub severity: Option<i64>,
    /// Weakness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwe: Option<Reference>,
    /// Path of the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// Check that found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// Text on the wire.
    #[serde(default, deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// 0 or 1.
    #[serde(
        default,
        deserialize_with = "lenient::integer",
        skip_serializing_if = "Option::is_none"
    )]
    pub discovered_by_vsa: Option<i64>,
    /// Category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding_category: Option<Reference>,
    /// Parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vulnerable_parameter: Option<String>,
    /// How it was attacked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attack_vector: Option<String>,
    /// `url` on the wire, `URL` in the specification.
    #[serde(default, alias = "URL", skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// In the specification, in no recording.
    #[serde(default, deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub cvss: Option<String>,
}

/// Details of a manual finding. Known from the specification only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ManualDetails {
    /// 0 informational to 5 very high.
    #[serde(
        default,
        deserialize_with = "lenient::integer",
        skip_serializing_if = "Option::is_none"
    )]
    pub severity: Option<i64>,
    /// Weakness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwe: Option<Reference>,
    /// Score, as text.
    #[serde(default, deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub cvss: Option<String>,
    /// Attack pattern.
    #[serde(default, deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub capec_id: Option<String>,
    /// How it is exploited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exploit_desc: Option<String>,
    /// How hard that is.
    #[serde(default, deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub exploit_difficulty: Option<String>,
    /// Where input enters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_vector: Option<String>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// How to fix it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediation_desc: Option<String>,
    /// Why this severity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity_desc: Option<String>,
    /// Category, where given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding_category: Option<Reference>,
}

/// Details of an SCA finding.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ScaDetails {
    /// 0 informational to 5 very high.
    #[serde(
        default,
        deserialize_with = "lenient::integer",
        skip_serializing_if = "Option::is_none"
    )]
    pub severity: Option<i64>,
    /// Weakness; absent on some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwe: Option<Reference>,
    /// Component and version.
    #[serde(default, deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub component_id: Option<String>,
    /// Licences; may be empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licenses: Option<Vec<License>>,
    /// How it was scanned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<ScaMetadata>,
    /// Vulnerability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cve: Option<Cve>,
    /// Product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_id: Option<String>,
    /// File or package name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component_filename: Option<String>,
    /// Upper case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// One per place; the specification also writes `component_path(s)`.
    #[serde(default, alias = "component_path(s)", skip_serializing_if = "Option::is_none")]
    pub component_path: Option<Vec<ComponentPath>>,
    /// Version.
    #[serde(default, deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// A licence of a component.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct License {
    /// Such as `apache-2.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license_id: Option<String>,
    /// `"0"` not open source, `"1"` unrecognised, `"2"` low, `"3"` medium, `"4"` high.
    #[serde(default, deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub risk_rating: Option<String>,
}

/// How an SCA finding was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ScaMetadata {
    /// `UPLOAD` or `AGENT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sca_scan_mode: Option<String>,
    /// `UNKNOWN`, `DIRECT`, `TRANSITIVE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sca_dep_mode: Option<String>,
}

/// One place of a component.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ComponentPath {
    /// Path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// A vulnerability.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Cve {
    /// `CVE-…` or a vendor id such as `SRCCLR-SID-…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// CVSS 2 score; `10` and `10.0` both occur.
    #[serde(
        default,
        deserialize_with = "lenient::number",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "schema", schema(value_type = Option<f64>))]
    pub cvss: Option<Number>,
    /// Description elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub href: Option<String>,
    /// `Low` to `Very High`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// CVSS 2 vector; may hold zero-width spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vector: Option<String>,
    /// CVSS 3, absent on some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cvss3: Option<Cvss3>,
    /// Exploit prediction, absent in older data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exploitability: Option<Exploitability>,
}

/// A CVSS 3 rating.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Cvss3 {
    /// Score.
    #[serde(
        default,
        deserialize_with = "lenient::number",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "schema", schema(value_type = Option<f64>))]
    pub score: Option<Number>,
    /// Severity in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// Vector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vector: Option<String>,
}

/// EPSS and known exploits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Exploitability {
    /// `full_cve` on the wire, `cve_full` in the specification.
    #[serde(default, alias = "cve_full", skip_serializing_if = "Option::is_none")]
    pub full_cve: Option<String>,
    /// Probability, 0 to 1.
    #[serde(
        default,
        deserialize_with = "lenient::number",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "schema", schema(value_type = Option<f64>))]
    pub epss_score: Option<Number>,
    /// Percentile, 0 to 1.
    #[serde(
        default,
        deserialize_with = "lenient::number",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "schema", schema(value_type = Option<f64>))]
    pub epss_percentile: Option<Number>,
    /// `yyyy-MM-dd`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epss_score_date: Option<String>,
    /// Model.
    #[serde(default, deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub epss_model_version: Option<String>,
    /// Citation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epss_citation: Option<String>,
    /// `match found` or `no match found`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epss_status: Option<String>,
    /// `available` or `temporarily unavailable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exploit_service_status: Option<String>,
    /// Whether exploitation was observed.
    #[serde(default, deserialize_with = "lenient::truth", skip_serializing_if = "Option::is_none")]
    pub exploit_observed: Option<bool>,
    /// Such as `KEV`; only when observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exploit_source: Option<String>,
    /// Only when observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exploit_note: Option<String>,
}

/// One step of a mitigation's history.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Annotation {
    /// `COMMENT`, `FP`, `APPDESIGN`, `APPROVED`, `REJECTED`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Words; an older name is `description`.
    #[serde(default, alias = "description", skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// When; an older name is `date`.
    #[serde(default, alias = "date", skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who; an older name is `user`.
    #[serde(default, alias = "user", skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// Structured mitigation text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub technique: Option<String>,
    /// Structured mitigation text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub specifics: Option<String>,
    /// Structured mitigation text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining_risk: Option<String>,
    /// Structured mitigation text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<String>,
}
