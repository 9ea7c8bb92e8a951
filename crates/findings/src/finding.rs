//! A finding in the domain's own shape, which is also the stable JSON of
//! `findings --json`: version [`SCHEMA`], keys that hold nothing left out.

use serde::Serialize;

use crate::ids::{ApplicationGuid, Context, FindingId, FindingKey};
use crate::imported::Source;
use crate::time;

/// Version of the JSON shape. A key is added without a new version; one that
/// changes its meaning or goes away gets one.
pub const SCHEMA: u32 = 1;

/// How a finding was found. Open-ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(into = "String")]
pub enum ScanType {
    /// `STATIC`.
    Static,
    /// `DYNAMIC`.
    Dynamic,
    /// `MANUAL`.
    Manual,
    /// `SCA`.
    Sca,
    /// A type that this version does not know.
    Other(Box<str>),
}

impl ScanType {
    /// Those that have a name here.
    pub const KNOWN: [Self; 4] = [Self::Static, Self::Dynamic, Self::Manual, Self::Sca];

    /// Reads the wire's word.
    pub fn parse(text: &str) -> Self {
        match text {
            "STATIC" => Self::Static,
            "DYNAMIC" => Self::Dynamic,
            "MANUAL" => Self::Manual,
            "SCA" => Self::Sca,
            other => Self::Other(other.into()),
        }
    }

    /// The wire's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Static => "STATIC",
            Self::Dynamic => "DYNAMIC",
            Self::Manual => "MANUAL",
            Self::Sca => "SCA",
            Self::Other(text) => text,
        }
    }
}

impl From<ScanType> for String {
    fn from(scan_type: ScanType) -> Self {
        scan_type.as_str().to_owned()
    }
}

/// 0 informational to 5 very high.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Severity(u8);

impl Severity {
    /// Highest first.
    pub const ALL: [Self; 6] = [Self(5), Self(4), Self(3), Self(2), Self(1), Self(0)];

    /// 0 to 5.
    pub fn new(level: i64) -> Option<Self> {
        u8::try_from(level).ok().filter(|level| *level <= 5).map(Self)
    }

    /// 0 to 5.
    pub fn level(self) -> u8 {
        self.0
    }

    /// The service's word for it.
    pub fn name(self) -> &'static str {
        match self.0 {
            0 => "Informational",
            1 => "Very Low",
            2 => "Low",
            3 => "Medium",
            4 => "High",
            _ => "Very High",
        }
    }
}

/// Where a finding stands, computed from all of its status members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Somebody has to look at it.
    Open,
    /// Closed without a mitigation.
    Fixed,
    /// An approved mitigation.
    Mitigated,
    /// An approved false positive.
    FalsePositive,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Open, Self::Fixed, Self::Mitigated, Self::FalsePositive];

    /// The word in JSON and filters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Fixed => "fixed",
            Self::Mitigated => "mitigated",
            Self::FalsePositive => "false_positive",
        }
    }

    /// Whether somebody still has to look at it.
    pub fn is_open(self) -> bool {
        self == Self::Open
    }
}

/// The service's own words on where a finding stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// `OPEN`, `CLOSED`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// `UNRESOLVED`, `MITIGATED`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
    /// `NONE`, `PROPOSED`, `APPROVED`, `REJECTED`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution_status: Option<String>,
    /// `NONE`, `CONFORMS`, `DEVIATES`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mitigation_review_status: Option<String>,
    /// First seen in the latest scan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<bool>,
}

/// A number with a name: a CWE or a finding category.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Numbered {
    /// Number.
    pub id: i64,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Where a weakness is described: the page of its CWE.
pub fn cwe_url(id: i64) -> String {
    format!("https://cwe.mitre.org/data/definitions/{id}.html")
}

/// Where in code or in a running application.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Location {
    /// Path of the source file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<i64>,
    /// Uploaded module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Procedure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub procedure: Option<String>,
    /// Percent within the procedure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relative_location: Option<i64>,
    /// Function or input that is attacked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attack_vector: Option<String>,
    /// URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// Path of the URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// Check that found it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// Where a manual tester found it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

/// A third-party component.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Component {
    /// Component and version.
    pub id: String,
    /// File or package name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Upper case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// `UPLOAD` or `AGENT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scan_mode: Option<String>,
    /// `DIRECT`, `TRANSITIVE`, `UNKNOWN`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dependency_mode: Option<String>,
    /// Where it lies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Licences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub licenses: Vec<License>,
}

/// A licence of a component.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct License {
    /// Such as `apache-2.0`.
    pub id: String,
    /// `0` to `4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risk: Option<String>,
}

/// A known vulnerability.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Vulnerability {
    /// CVE or vendor id.
    pub name: String,
    /// Description elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub href: Option<String>,
    /// CVSS 2 score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cvss2: Option<f64>,
    /// CVSS 2 vector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cvss2_vector: Option<String>,
    /// CVSS 3 score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cvss3: Option<f64>,
    /// CVSS 3 vector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cvss3_vector: Option<String>,
    /// Probability of exploitation, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epss_score: Option<f64>,
    /// Its percentile, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epss_percentile: Option<f64>,
    /// Day of the score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epss_date: Option<String>,
    /// Exploitation was observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exploit_observed: Option<bool>,
    /// Who observed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exploit_source: Option<String>,
}

/// One step of a mitigation's history.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Annotation {
    /// `COMMENT`, `FP`, `APPROVED`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// When, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Structured mitigation: technique, specifics, remaining risk, verification.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mitigation: Vec<String>,
}

/// A member of a record that could not be read and was left out. The record as sent has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Its path, such as `finding_details.file_line_number`; none where the record as a
    /// whole is odd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// Why; may repeat the beginning of what was sent.
    pub reason: String,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// Short name, the same in every store.
    pub id: FindingId,
    /// Its application.
    pub application: ApplicationGuid,
    /// Where it was seen.
    pub context: Context,
    /// What identifies it there.
    pub key: FindingKey,
    /// How it was found.
    pub scan_type: ScanType,
    /// 0 to 5.
    pub severity: Severity,
    /// Where it stands.
    pub state: State,
    /// The service's words on that.
    pub status: Status,
    /// May stay true on a mitigated or closed finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub violates_policy: Option<bool>,
    /// One line.
    pub title: String,
    /// Weakness.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwe: Option<Numbered>,
    /// Category.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<Numbered>,
    /// First seen in this context, milliseconds since the Unix epoch.
    #[serde(
        rename = "first_found",
        serialize_with = "time::serialize",
        skip_serializing_if = "Option::is_none"
    )]
    pub first_found_ms: Option<i64>,
    /// Last seen; may lie before `first_found` for SCA.
    #[serde(
        rename = "last_seen",
        serialize_with = "time::serialize",
        skip_serializing_if = "Option::is_none"
    )]
    pub last_seen_ms: Option<i64>,
    /// When it has to be fixed by.
    #[serde(
        rename = "grace_period_expires",
        serialize_with = "time::serialize",
        skip_serializing_if = "Option::is_none"
    )]
    pub grace_period_expires_ms: Option<i64>,
    /// Scan in which it was last reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_id: Option<i64>,
    /// -2 very unlikely to 2 very likely.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exploitability: Option<i64>,
    /// Where.
    #[serde(skip_serializing_if = "is_default")]
    pub location: Location,
    /// Component, for SCA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<Component>,
    /// Vulnerability, for SCA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vulnerability: Option<Vulnerability>,
    /// Score as written, for the types that have only a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cvss: Option<String>,
    /// Plain text.
    pub description: String,
    /// Web addresses in the description.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,
    /// Mitigation history, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<Annotation>,
    /// What the record says and nothing here does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// Of a finding of another scanner: which, and the finding as it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Box<Source>>,
}

impl Finding {
    /// Where it is, in one line: `FILE:LINE`, an address, a component with its version.
    pub fn place(&self) -> String {
        let Location { file, line, url, module, place, .. } = &self.location;
        match (file, line, url, &self.component) {
            (Some(file), Some(line), ..) => format!("{file}:{line}"),
            (Some(file), None, ..) => file.clone(),
            (None, _, Some(url), _) => url.clone(),
            (None, _, None, Some(component)) => {
                let version = component.version.as_deref().unwrap_or_default();
                let name = component.name.as_deref().unwrap_or(&component.id);
                format!("{name} {version}").trim_end().to_owned()
            }
            _ => module.clone().or_else(|| place.clone()).unwrap_or_default(),
        }
    }

    /// The scanner that found it, if it was another than Veracode's and has a name.
    pub fn scanner(&self) -> Option<&str> {
        self.source.as_ref()?.product.name.as_deref()
    }

    /// What is weak, in one line: `CWE-89 SQL Injection`, `CVE-2021-44228 CWE-502`.
    pub fn weakness(&self) -> String {
        let cwe = self.cwe.as_ref().map(|cwe| format!("CWE-{}", cwe.id));
        match (&self.vulnerability, cwe) {
            (Some(known), Some(cwe)) if known.name != cwe => format!("{} {cwe}", known.name),
            (Some(known), _) => known.name.clone(),
            (None, Some(cwe)) => {
                let name = self.cwe.as_ref().and_then(|cwe| cwe.name.as_deref());
                format!("{cwe} {}", name.unwrap_or_default()).trim_end().to_owned()
            }
            (None, None) => self.title.clone(),
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
