//! The members of an OCSF posture finding that are read.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use super::{Refusal, filled, pointer};
use crate::time::{parse_time, rfc3339};

/// The class.
const CLASS: i64 = 2007;

/// A text of at most so many bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text<const MAX: usize>(String);

impl<const MAX: usize> Text<MAX> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let text = String::deserialize(reader)?;
        if text.len() > MAX {
            return Err(serde::de::Error::custom(format_args!(
                "the text is longer than {MAX} bytes"
            )));
        }
        Ok(Self(text))
    }
}

/// An identifier, a name, a version.
pub(super) type Name = Text<512>;
/// A title.
pub(super) type Line = Text<4096>;
/// A path or an address.
pub(super) type Path = Text<8192>;
/// As long as any text may be.
pub(super) type Prose = Text<{ super::MAX_TEXT }>;

#[derive(Debug, Deserialize)]
pub(super) struct Posture {
    class_uid: Option<i64>,
    pub(super) activity_id: Option<i64>,
    pub(super) severity_id: Option<i64>,
    pub(super) severity: Option<Name>,
    pub(super) status_id: Option<i64>,
    pub(super) status_detail: Option<Line>,
    pub(super) verdict_id: Option<i64>,
    time: Option<i64>,
    time_dt: Option<Name>,
    pub(super) message: Option<Prose>,
    pub(super) metadata: Option<Metadata>,
    #[serde(default)]
    pub(super) finding_info: Info,
    pub(super) application: Option<Application>,
    pub(super) compliance: Option<Compliance>,
    pub(super) remediation: Option<Remediation>,
    pub(super) vulnerabilities: Option<Vec<Vulnerability>>,
    pub(super) resources: Option<Vec<Resource>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    pub(super) product: Option<Maker>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Maker {
    pub(super) name: Option<Name>,
    pub(super) uid: Option<Name>,
    pub(super) vendor_name: Option<Name>,
    pub(super) version: Option<Name>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Info {
    uid: Option<Name>,
    pub(super) title: Option<Line>,
    pub(super) desc: Option<Prose>,
    pub(super) src_url: Option<Path>,
    pub(super) types: Option<Vec<Name>>,
    first_seen_time: Option<i64>,
    first_seen_time_dt: Option<Name>,
    created_time: Option<i64>,
    created_time_dt: Option<Name>,
    last_seen_time: Option<i64>,
    last_seen_time_dt: Option<Name>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Application {
    pub(super) uid: Option<Name>,
    pub(super) name: Option<Name>,
    pub(super) labels: Option<Vec<Name>>,
    pub(super) group: Option<Group>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Group {
    pub(super) name: Option<Name>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Compliance {
    pub(super) status_id: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Remediation {
    pub(super) desc: Option<Prose>,
    pub(super) references: Option<Vec<Path>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Vulnerability {
    pub(super) title: Option<Line>,
    pub(super) desc: Option<Prose>,
    pub(super) severity: Option<Name>,
    pub(super) cwe: Option<Cwe>,
    pub(super) cve: Option<Cve>,
    pub(super) advisory: Option<Advisory>,
    pub(super) affected_code: Option<Vec<Code>>,
    pub(super) affected_packages: Option<Vec<Package>>,
    pub(super) packages: Option<Vec<Package>>,
    pub(super) references: Option<Vec<Path>>,
    pub(super) remediation: Option<Remediation>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Cwe {
    pub(super) uid: Option<Name>,
    pub(super) caption: Option<Line>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Cve {
    pub(super) uid: Option<Name>,
    pub(super) cvss: Option<Vec<Cvss>>,
    pub(super) epss: Option<Epss>,
    pub(super) cwe: Option<Cwe>,
    pub(super) related_cwes: Option<Vec<Cwe>>,
    pub(super) references: Option<Vec<Path>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Cvss {
    pub(super) base_score: Option<f64>,
    pub(super) version: Option<Name>,
    pub(super) vector_string: Option<Name>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Epss {
    pub(super) score: Option<Name>,
    pub(super) percentile: Option<f64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Advisory {
    pub(super) uid: Option<Name>,
    pub(super) related_cwes: Option<Vec<Cwe>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Code {
    pub(super) file: Option<File>,
    pub(super) start_line: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct File {
    name: Option<Path>,
    path: Option<Path>,
}

impl File {
    pub(super) fn place(&self) -> Option<&str> {
        filled(&self.path).or_else(|| filled(&self.name))
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Package {
    pub(super) name: Option<Name>,
    pub(super) version: Option<Name>,
    pub(super) purl: Option<Path>,
    pub(super) path: Option<Path>,
    pub(super) license: Option<Name>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Resource {
    pub(super) uid: Option<Path>,
    pub(super) name: Option<Path>,
    pub(super) hostname: Option<Name>,
}

impl Posture {
    /// Reads it. What it needs is there and in range.
    pub(super) fn read(ocsf: &Map<String, Value>) -> Result<Self, Refusal> {
        let posture: Self = serde_path_to_error::deserialize(ocsf).map_err(|error| {
            let parts = error.path().iter().filter_map(|segment| match segment {
                Segment::Seq { index } => Some(index.to_string()),
                Segment::Map { key } => Some(key.clone()),
                Segment::Enum { .. } | Segment::Unknown => None,
            });
            Refusal::new(pointer(&parts.collect::<Vec<_>>()), error.inner())
        })?;
        let refuse = |pointer: &str, reason: String| Err(Refusal::new(pointer, reason));
        let missing = || "it is missing".to_owned();
        match posture.class_uid {
            Some(CLASS) => {}
            Some(class) => {
                let reason = format!("class {class} is not {CLASS}, a posture finding");
                return refuse("/class_uid", reason);
            }
            None => return refuse("/class_uid", missing()),
        }
        if filled(&posture.finding_info.uid).is_none() {
            return refuse("/finding_info/uid", missing());
        }
        match posture.severity_id {
            Some(0..=6 | 99) => {}
            Some(id) => {
                return refuse("/severity_id", format!("{id} is none of 0 to 6 and 99"));
            }
            None => return refuse("/severity_id", missing()),
        }
        posture.first_found_ms()?;
        posture.last_seen_ms()?;
        posture.check_scores()?;
        Ok(posture)
    }

    fn check_scores(&self) -> Result<(), Refusal> {
        for (at, score) in self.scores().iter().enumerate() {
            if score.base_score.is_some_and(|score| !(0.0..=10.0).contains(&score)) {
                let pointer = format!("/vulnerabilities/0/cve/cvss/{at}/base_score");
                return Err(Refusal::new(pointer, "it is not a score of 0 to 10"));
            }
        }
        Ok(())
    }

    /// The vulnerability that is shown.
    pub(super) fn first(&self) -> Option<&Vulnerability> {
        self.vulnerabilities.as_ref()?.first()
    }

    pub(super) fn scores(&self) -> &[Cvss] {
        let cve = self.first().and_then(|first| first.cve.as_ref());
        cve.and_then(|cve| cve.cvss.as_deref()).unwrap_or_default()
    }

    pub(super) fn code(&self) -> &[Code] {
        self.first().and_then(|first| first.affected_code.as_deref()).unwrap_or_default()
    }

    pub(super) fn packages(&self) -> &[Package] {
        let named =
            |packages: &Option<Vec<Package>>| packages.as_ref().is_some_and(|p| !p.is_empty());
        let packages = self.first().and_then(|first| match named(&first.affected_packages) {
            true => first.affected_packages.as_deref(),
            false => first.packages.as_deref(),
        });
        packages.unwrap_or_default()
    }

    pub(super) fn resources(&self) -> &[Resource] {
        self.resources.as_deref().unwrap_or_default()
    }

    /// Milliseconds since the Unix epoch.
    pub(super) fn first_found_ms(&self) -> Result<Option<i64>, Refusal> {
        let info = &self.finding_info;
        let seen = moment(
            info.first_seen_time,
            &info.first_seen_time_dt,
            "/finding_info/first_seen_time",
        )?;
        let created =
            moment(info.created_time, &info.created_time_dt, "/finding_info/created_time")?;
        Ok(seen.or(created))
    }

    /// Milliseconds since the Unix epoch.
    pub(super) fn last_seen_ms(&self) -> Result<Option<i64>, Refusal> {
        let info = &self.finding_info;
        let seen =
            moment(info.last_seen_time, &info.last_seen_time_dt, "/finding_info/last_seen_time")?;
        Ok(seen.or(moment(self.time, &self.time_dt, "/time")?))
    }
}

/// A time in milliseconds, or as a text beside it.
fn moment(ms: Option<i64>, text: &Option<Name>, pointer: &str) -> Result<Option<i64>, Refusal> {
    let refused = |pointer: String| {
        Refusal::new(pointer, "it is not a time of the years 0 to 9999 in milliseconds or RFC 3339")
    };
    // As a record has it, and as it comes back from one.
    let written = |ms: i64| parse_time(&rfc3339(ms));
    match (ms, filled(text)) {
        (Some(ms), _) => written(ms).map(Some).ok_or_else(|| refused(pointer.to_owned())),
        (None, Some(text)) => {
            let ms = parse_time(text).and_then(written);
            ms.map(Some).ok_or_else(|| refused(format!("{pointer}_dt")))
        }
        (None, None) => Ok(None),
    }
}
