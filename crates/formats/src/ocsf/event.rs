//! The objects of OCSF, as far as they are written: borrowed, and in one pass from
//! the finding to the text. What holds nothing is left out, never null.

use std::borrow::Cow;
use std::fmt::Display;

use countersign_findings::{DataPath, Rfc3339};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::product;

#[derive(Serialize)]
pub(super) struct Event<'a> {
    pub(super) activity_id: u8,
    pub(super) activity_name: &'static str,
    pub(super) category_uid: u8,
    pub(super) category_name: &'static str,
    pub(super) class_uid: u32,
    pub(super) class_name: &'static str,
    pub(super) type_uid: u32,
    pub(super) type_name: &'static str,
    pub(super) time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) time_dt: Option<Moment>,
    pub(super) severity_id: u8,
    pub(super) severity: &'static str,
    pub(super) status_id: u8,
    pub(super) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status_detail: Option<&'a str>,
    pub(super) message: Shown<(&'a str, &'a str)>,
    pub(super) metadata: Metadata<'a>,
    pub(super) finding_info: FindingInfo<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) application: Option<Subject<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) compliance: Option<Compliance<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remediation: Option<Remediation<'a>>,
    pub(super) vulnerabilities: [Vulnerability<'a>; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) resources: Vec<Subject<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) policy: Option<Policy<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) vendor_attributes: Option<VendorAttributes>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) observables: Vec<Observable<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) raw_data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) raw_data_size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) raw_data_hash: Option<Fingerprint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unmapped: Option<Rest<'a>>,
}

/// A part of `unmapped`.
pub(super) enum Rest<'a> {
    /// As the service wrote it.
    AsIs(&'a RawValue),
    /// Written again: it had line breaks or nulls.
    Again(Value),
    /// The members that are left of an object.
    Members(Vec<(Cow<'a, str>, Rest<'a>)>),
    /// How data reaches the flaw.
    Paths(&'a [DataPath]),
}

impl Serialize for Rest<'_> {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::AsIs(raw) => raw.serialize(writer),
            Self::Again(value) => value.serialize(writer),
            Self::Paths(paths) => paths.serialize(writer),
            Self::Members(members) => {
                let mut object = writer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    object.serialize_entry(name, value)?;
                }
                object.end()
            }
        }
    }
}

#[derive(Serialize)]
pub(super) struct Metadata<'a> {
    pub(super) version: &'static str,
    pub(super) uid: Hex<32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) correlation_uid: Option<Shown<Key<'a>>>,
    pub(super) product: Product<'a>,
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    pub(super) profiles: &'static [&'static str],
    pub(super) tenant_uid: &'a str,
    pub(super) log_name: &'static str,
    pub(super) log_provider: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logged_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logged_time_dt: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) original_time: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sequence: Option<i64>,
}

#[derive(Serialize)]
pub(super) struct Product<'a> {
    pub(super) name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) vendor_name: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) feature: Option<Feature<'a>>,
}

impl<'a> From<product::Product<'a>> for Product<'a> {
    fn from(product: product::Product<'a>) -> Self {
        let product::Product { name, vendor_name, version, .. } = product;
        Self { name, vendor_name, version, feature: None }
    }
}

/// The part of a product that did it: a kind of scan.
#[derive(Serialize)]
pub(super) struct Feature<'a> {
    pub(super) name: Cow<'a, str>,
}

#[derive(Serialize)]
pub(super) struct FindingInfo<'a> {
    pub(super) uid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) uid_alt: Option<Shown<Key<'a>>>,
    pub(super) title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) desc: Option<&'a str>,
    pub(super) types: [&'a str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) analytic: Option<Analytic<'a>>,
    pub(super) data_sources: [Cow<'a, str>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_seen_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_seen_time_dt: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_seen_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_seen_time_dt: Option<Moment>,
    pub(super) created_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) created_time_dt: Option<Moment>,
    pub(super) modified_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) modified_time_dt: Option<Moment>,
}

#[derive(Serialize)]
pub(super) struct Analytic<'a> {
    pub(super) type_id: u8,
    #[serde(rename = "type")]
    pub(super) type_name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) uid: Option<Shown<Cwe<'a>>>,
    pub(super) name: &'a str,
}

/// An application, or what else a finding is about: both objects have these.
#[derive(Serialize, Default)]
pub(super) struct Subject<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) uid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) uid_alt: Option<Shown<i64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    #[serde(rename = "type")]
    pub(super) type_name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hostname: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) desc: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) criticality: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<User<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<Group<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(super) labels: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tags: Vec<Tag<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) created_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) created_time_dt: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) modified_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) modified_time_dt: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_seen_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_seen_time_dt: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_seen_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_seen_time_dt: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<SubjectData<'a>>,
}

/// What an inventory knows of an application and OCSF has no name for.
#[derive(Serialize, Clone, Copy)]
pub(super) struct SubjectData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) policy: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) policy_compliance: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) policy_checked_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_scan_time: Option<i64>,
    pub(super) findings: u64,
    pub(super) open_by_severity: [u64; 6],
}

#[derive(Serialize, Clone, Copy)]
pub(super) struct Group<'a> {
    pub(super) name: &'a str,
}

#[derive(Serialize, Clone)]
pub(super) struct User<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) full_name: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) email_addr: Option<Cow<'a, str>>,
}

#[derive(Serialize, Clone)]
pub(super) struct Tag<'a> {
    pub(super) name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(super) values: &'a [String],
}

impl<'a> Tag<'a> {
    pub(super) fn list(name: &'static str, values: &'a [String]) -> Self {
        Self { name: Cow::Borrowed(name), value: None, values }
    }
}

#[derive(Serialize)]
pub(super) struct Compliance<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) control: Option<&'a str>,
    pub(super) status_id: u8,
    pub(super) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) assessments: Option<[Assessment<'a>; 1]>,
}

#[derive(Serialize)]
pub(super) struct Assessment<'a> {
    pub(super) name: &'a str,
    pub(super) meets_criteria: bool,
}

#[derive(Serialize)]
pub(super) struct Policy<'a> {
    pub(super) name: &'a str,
}

#[derive(Serialize)]
pub(super) struct VendorAttributes {
    pub(super) severity_id: u8,
    pub(super) severity: &'static str,
}

/// A value of the event that searches begin with.
#[derive(Serialize)]
pub(super) struct Observable<'a> {
    pub(super) name: &'static str,
    pub(super) type_id: u8,
    #[serde(rename = "type")]
    pub(super) type_name: &'static str,
    pub(super) value: Cow<'a, str>,
}

#[derive(Serialize, Clone)]
pub(super) struct Remediation<'a> {
    pub(super) desc: Cow<'a, str>,
}

#[derive(Serialize, Default)]
pub(super) struct Vulnerability<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cwe: Option<Weakness<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cve: Option<Cve<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) advisory: Option<Advisory<'a>>,
    pub(super) severity: &'static str,
    pub(super) vendor_name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) category: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) affected_code: Option<[AffectedCode<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) affected_packages: Option<[Package<'a>; 1]>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) references: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) is_exploit_available: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) is_fix_available: Option<bool>,
    /// The same under its older name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fix_available: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remediation: Option<Remediation<'a>>,
}

#[derive(Serialize, Clone, Copy)]
pub(super) struct Weakness<'a> {
    pub(super) uid: Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) caption: Option<&'a str>,
}

/// The number of a weakness, which OCSF wants as text.
#[derive(Clone, Copy)]
pub(super) enum Number {
    Known(i64),
    /// With `CWE-` before it, as the connector API has it.
    Named(i64),
    /// The word of the CVE lists for a weakness that nobody named.
    NoInfo,
}

#[derive(Serialize)]
pub(super) struct Cve<'a> {
    pub(super) uid: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) cvss: Vec<Cvss<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) epss: Option<Epss<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) related_cwes: Option<[Weakness<'a>; 1]>,
    /// Before 1.4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cwe: Option<Weakness<'a>>,
}

#[derive(Serialize)]
pub(super) struct Advisory<'a> {
    pub(super) uid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) related_cwes: Option<[Weakness<'a>; 1]>,
}

#[derive(Serialize)]
pub(super) struct Cvss<'a> {
    pub(super) base_score: f64,
    pub(super) version: &'static str,
    pub(super) depth: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) vector_string: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct Epss<'a> {
    pub(super) score: Shown<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) percentile: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) created_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) created_time_dt: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
pub(super) struct AffectedCode<'a> {
    pub(super) file: File<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) start_line: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) end_line: Option<i64>,
}

#[derive(Serialize)]
pub(super) struct File<'a> {
    pub(super) name: &'a str,
    pub(super) path: &'a str,
    pub(super) type_id: u8,
    #[serde(rename = "type")]
    pub(super) type_name: &'static str,
}

#[derive(Serialize)]
pub(super) struct Package<'a> {
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) purl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) uid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) license: Option<Cow<'a, str>>,
}

/// A record as it was sent.
#[derive(Serialize)]
pub(super) struct Raw<'a> {
    raw_data: &'a str,
    raw_data_size: usize,
    raw_data_hash: Fingerprint,
}

impl<'a> Raw<'a> {
    pub(super) fn of(record: &'a str) -> Self {
        let raw_data_hash = super::fingerprint(record);
        Self { raw_data: record, raw_data_size: record.len(), raw_data_hash }
    }
}

#[derive(Serialize)]
pub(super) struct Fingerprint {
    pub(super) algorithm_id: u8,
    pub(super) algorithm: &'static str,
    pub(super) value: Hex<64>,
}

/// A time as RFC 3339 text.
pub(super) struct Moment(Rfc3339);

impl Moment {
    /// None for what has no such text: a year that is not one of four digits.
    pub(super) fn of(ms: impl Into<Option<i64>>) -> Option<Self> {
        ms.into().map(Rfc3339::of).filter(|text| !text.is_empty()).map(Self)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.serialize_str(&self.0)
    }
}

/// Hexadecimal digits.
pub(super) struct Hex<const DIGITS: usize>(pub(super) [u8; DIGITS]);

impl<const DIGITS: usize> Serialize for Hex<DIGITS> {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.serialize_str(std::str::from_utf8(&self.0).unwrap_or_default())
    }
}

/// Written as text, without a text of its own.
pub(super) struct Shown<T>(pub(super) T);

/// What a finding is known by: in a context, or in all of them.
pub(super) struct Key<'a> {
    pub(super) application: &'a countersign_findings::ApplicationGuid,
    pub(super) context: Option<&'a countersign_findings::Context>,
    pub(super) key: &'a countersign_findings::FindingKey,
}

impl Serialize for Shown<Key<'_>> {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        let Key { application, context, key } = &self.0;
        match context {
            Some(context) => writer.collect_str(&format_args!("{application}/{context}/{key}")),
            None => writer.collect_str(&format_args!("{application}/{key}")),
        }
    }
}

/// What a rule looks for: a weakness.
pub(super) struct Cwe<'a>(pub(super) &'a i64);

impl Serialize for Shown<Cwe<'_>> {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.collect_str(&format_args!("CWE-{}", self.0.0))
    }
}

/// A title and whose it is.
impl Serialize for Shown<(&str, &str)> {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.collect_str(&format_args!("{} in {}", self.0.0, self.0.1))
    }
}

impl Serialize for Shown<i64> {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        show(&self.0, writer)
    }
}

impl Serialize for Shown<f64> {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        show(&self.0, writer)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(number) => show(number, writer),
            Self::Named(number) => Shown(Cwe(number)).serialize(writer),
            Self::NoInfo => writer.serialize_str("NVD-CWE-noinfo"),
        }
    }
}

fn show<S: Serializer>(value: &impl Display, writer: S) -> Result<S::Ok, S::Error> {
    writer.collect_str(value)
}
