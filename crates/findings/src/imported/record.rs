//! What the members of an OCSF posture finding mean here: the record of a finding as the
//! service would write it, and what has no place in one.

use countersign_wire::finding as wire;
use serde_json::Number;

use super::posture::{Cwe, Posture, Resource};
use super::{Product, Refusal, filled};
use crate::time::rfc3339;

/// What stands for a component that has no name: a record has to name one.
const NO_COMPONENT: &str = "-";

/// How a finding was found, as far as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Static,
    Dynamic,
    Manual,
    Sca,
}

impl Sort {
    /// By a word of `finding_info.types`.
    fn of(word: &str) -> Option<Self> {
        Some(match word.trim().to_ascii_lowercase().as_str() {
            "static" | "sast" => Self::Static,
            "dynamic" | "dast" => Self::Dynamic,
            "manual" | "pentest" | "penetration test" => Self::Manual,
            _ => return None,
        })
    }

    fn word(self) -> &'static str {
        match self {
            Self::Static => "STATIC",
            Self::Dynamic => "DYNAMIC",
            Self::Manual => "MANUAL",
            Self::Sca => "SCA",
        }
    }
}

/// The severity that a word stands for.
fn severity_of(word: &str) -> Option<i64> {
    Some(match word.trim().to_ascii_lowercase().as_str() {
        "fatal" | "critical" | "very high" => 5,
        "high" | "important" => 4,
        "medium" | "moderate" => 3,
        "low" => 2,
        "very low" => 1,
        word if word.starts_with("info") => 0,
        _ => return None,
    })
}

/// The severity that stands for a CVSS score, by the bands of its specification.
fn severity_of_score(score: f64) -> i64 {
    match score {
        score if score >= 9.0 => 5,
        score if score >= 7.0 => 4,
        score if score >= 4.0 => 3,
        score if score > 0.0 => 2,
        _ => 0,
    }
}

impl Posture {
    /// The scanner.
    pub(super) fn product(&self) -> Product {
        let maker = self.metadata.as_ref().and_then(|metadata| metadata.product.as_ref());
        let Some(maker) = maker else { return Product::default() };
        let name = filled(&maker.name).or_else(|| filled(&maker.uid));
        let vendor_name = filled(&maker.vendor_name);
        Product {
            name: name.or(vendor_name).map(str::to_owned),
            vendor_name: vendor_name.map(str::to_owned),
            version: filled(&maker.version).map(str::to_owned),
        }
    }

    /// One line; none where the weakness or the component say what it is.
    pub(super) fn title(&self) -> Option<&str> {
        let of_first = || self.first().and_then(|first| filled(&first.title));
        filled(&self.finding_info.title).or_else(of_first)
    }

    /// Plain text, with the remedy at its end.
    pub(super) fn description(&self) -> String {
        let first = self.first();
        let words = filled(&self.finding_info.desc)
            .or_else(|| first.and_then(|first| filled(&first.desc)))
            .or_else(|| filled(&self.message));
        let own = first.and_then(|first| first.remediation.as_ref());
        let mut remedies = self.remediation.iter().chain(own);
        let remedy = remedies.find_map(|remedy| filled(&remedy.desc));
        let remedy = remedy.map(|remedy| format!("Remediation: {remedy}"));
        let parts: Vec<_> = words.map(str::to_owned).into_iter().chain(remedy).collect();
        parts.join("\n\n")
    }

    /// Web addresses, each once.
    pub(super) fn references(&self) -> Vec<String> {
        let first = self.first();
        let cve = first.and_then(|first| first.cve.as_ref());
        let lists = [
            first.and_then(|first| first.references.as_ref()),
            cve.and_then(|cve| cve.references.as_ref()),
            self.remediation.as_ref().and_then(|remedy| remedy.references.as_ref()),
        ];
        let mut references = Vec::new();
        let all = self.finding_info.src_url.iter().chain(lists.into_iter().flatten().flatten());
        for reference in all.map(|reference| reference.as_str().trim()) {
            if is_web(reference) && !references.iter().any(|known| known == reference) {
                references.push(reference.to_owned());
            }
        }
        references
    }

    /// What the finding says and the record does not: the member, and why.
    pub(super) fn notes(&self) -> Vec<(&'static str, String)> {
        let mut notes = Vec::new();
        let mut more = |member, count: usize| {
            if count > 1 {
                notes.push((member, format!("1 of {count} is shown")));
            }
        };
        more("vulnerabilities", self.vulnerabilities.as_ref().map_or(0, Vec::len));
        more("vulnerabilities[0].affected_code", self.code().len());
        more("vulnerabilities[0].affected_packages", self.packages().len());
        if self.known_severity().is_none() {
            let reason = "no severity, no word for one and no CVSS score: shown as informational";
            notes.push(("severity_id", reason.to_owned()));
        }
        if let Some(uid) = self.weakness().and_then(|cwe| filled(&cwe.uid))
            && number(uid).is_none()
        {
            notes.push(("vulnerabilities[0].cwe.uid", "it is not the number of a CWE".to_owned()));
        }
        let is_named = |application: &super::posture::Application| {
            filled(&application.uid).or_else(|| filled(&application.name)).is_some()
        };
        if !self.application.as_ref().is_some_and(is_named) {
            notes.push(("application", "it has neither `uid` nor `name`".to_owned()));
        }
        notes
    }

    /// The record of the finding.
    pub(super) fn record(&self) -> Result<wire::Finding, Refusal> {
        let sort = self.sort();
        let time = |ms: Option<i64>| ms.map(rfc3339);
        let mut finding_status = self.status();
        finding_status.first_found_date = time(self.first_found_ms()?);
        finding_status.last_seen_date = time(self.last_seen_ms()?);
        let policy = self.compliance.as_ref().and_then(|compliance| compliance.status_id);
        Ok(wire::Finding {
            issue_id: None,
            scan_type: sort.word().to_owned(),
            description: Some(self.description()).filter(|words| !words.is_empty()),
            count: None,
            context_type: None,
            context_guid: None,
            violates_policy: match policy {
                Some(1) => Some(false),
                Some(3) => Some(true),
                _ => None,
            },
            finding_status,
            finding_details: match sort {
                Sort::Static => wire::FindingDetails::Static(self.of_code()),
                Sort::Dynamic => wire::FindingDetails::Dynamic(self.of_address()),
                Sort::Manual => wire::FindingDetails::Manual(self.by_hand()),
                Sort::Sca => wire::FindingDetails::Sca(Box::new(self.of_component())),
            },
            build_id: None,
            annotations: None,
            grace_period_expires_date: None,
        })
    }

    /// A package or a known vulnerability says more than a word.
    fn sort(&self) -> Sort {
        let is_known =
            |first: &super::posture::Vulnerability| first.cve.is_some() || first.advisory.is_some();
        if !self.packages().is_empty() || self.first().is_some_and(is_known) {
            return Sort::Sca;
        }
        let words = self.finding_info.types.iter().flatten();
        let said = words.filter_map(|word| Sort::of(word.as_str())).next();
        said.unwrap_or(match self.code().is_empty() && self.address().is_some() {
            true => Sort::Dynamic,
            false => Sort::Static,
        })
    }

    /// Suppressed is what somebody decided; resolved, archived and deleted are over. Where
    /// nothing is said, the activity of the event tells.
    fn status(&self) -> wire::FindingStatus {
        let is_false = || {
            let detail = self.status_detail.as_ref().map(|detail| detail.as_str());
            let detail = detail.unwrap_or_default().to_ascii_lowercase().replace('_', " ");
            self.verdict_id == Some(1) || detail.contains("false positive")
        };
        let (status, resolution, resolution_status) = match (self.status_id, self.activity_id) {
            (Some(3), _) if is_false() => ("CLOSED", "POTENTIAL_FALSE_POSITIVE", "APPROVED"),
            (Some(3), _) => ("CLOSED", "MITIGATED", "APPROVED"),
            (Some(4..=6), _) | (None | Some(0 | 99), Some(3)) => ("CLOSED", "UNRESOLVED", "NONE"),
            _ => ("OPEN", "UNRESOLVED", "NONE"),
        };
        wire::FindingStatus {
            status: Some(status.to_owned()),
            resolution: Some(resolution.to_owned()),
            resolution_status: Some(resolution_status.to_owned()),
            ..wire::FindingStatus::default()
        }
    }

    /// OCSF has no number between informational and low, and one above critical.
    fn known_severity(&self) -> Option<i64> {
        match self.severity_id {
            Some(1) => return Some(0),
            Some(id @ 2..=5) => return Some(id),
            Some(6) => return Some(5),
            _ => {}
        }
        let of_first = self.first().and_then(|first| filled(&first.severity));
        let mut words = filled(&self.severity).into_iter().chain(of_first);
        let scores = self.scores().iter().filter_map(|score| score.base_score);
        words.find_map(severity_of).or_else(|| scores.map(severity_of_score).max())
    }

    fn severity(&self) -> Option<i64> {
        Some(self.known_severity().unwrap_or_default())
    }

    fn weakness(&self) -> Option<&Cwe> {
        let first = self.first()?;
        let of_cve = first.cve.as_ref().and_then(|cve| {
            cve.related_cwes.as_ref().and_then(|cwes| cwes.first()).or(cve.cwe.as_ref())
        });
        let of_advisory = || first.advisory.as_ref()?.related_cwes.as_ref()?.first();
        first.cwe.as_ref().or(of_cve).or_else(of_advisory)
    }

    fn cwe(&self) -> Option<wire::Reference> {
        let cwe = self.weakness()?;
        let name = filled(&cwe.caption).map(str::to_owned);
        Some(wire::Reference { id: Some(number(filled(&cwe.uid)?)?), name, href: None })
    }

    /// Where the first piece of code is, and in which line.
    fn place(&self) -> Option<(&str, Option<i64>)> {
        let code = self.code().first()?;
        Some((code.file.as_ref()?.place()?, code.start_line))
    }

    /// The first resource that is a web address.
    fn address(&self) -> Option<(&Resource, &str)> {
        self.resources().iter().find_map(|resource| {
            let url = [&resource.uid, &resource.name]
                .into_iter()
                .find_map(|text| filled(text).filter(|text| is_web(text)))?;
            Some((resource, url))
        })
    }

    /// What the first resource is called.
    fn resource(&self) -> Option<&str> {
        self.resources().iter().find_map(|one| filled(&one.name).or_else(|| filled(&one.uid)))
    }

    fn of_code(&self) -> wire::StaticDetails {
        let place = self.place();
        wire::StaticDetails {
            severity: self.severity(),
            cwe: self.cwe(),
            file_path: place.map(|(path, _)| path.to_owned()),
            file_line_number: place.and_then(|(_, line)| line),
            module: self.resource().map(str::to_owned),
            ..wire::StaticDetails::default()
        }
    }

    fn of_address(&self) -> wire::DynamicDetails {
        let address = self.address();
        let resource = address.map(|(resource, _)| resource);
        let path = resource.and_then(|resource| filled(&resource.name));
        wire::DynamicDetails {
            severity: self.severity(),
            cwe: self.cwe(),
            url: address.map(|(_, url)| url).or_else(|| self.resource()).map(str::to_owned),
            hostname: resource.and_then(|one| filled(&one.hostname)).map(str::to_owned),
            path: path.filter(|path| path.starts_with('/')).map(str::to_owned),
            ..wire::DynamicDetails::default()
        }
    }

    fn by_hand(&self) -> wire::ManualDetails {
        let location = self.place().map(|(path, line)| match line {
            Some(line) => format!("{path}:{line}"),
            None => path.to_owned(),
        });
        wire::ManualDetails {
            severity: self.severity(),
            cwe: self.cwe(),
            location: location.or_else(|| self.address().map(|(_, url)| url.to_owned())),
            module: self.resource().map(str::to_owned),
            ..wire::ManualDetails::default()
        }
    }

    fn of_component(&self) -> wire::ScaDetails {
        let package = self.packages().first();
        let name = package.and_then(|package| filled(&package.name));
        let version = package.and_then(|package| filled(&package.version));
        let whole = name.map(|name| match version {
            Some(version) => format!("{name}@{version}"),
            None => name.to_owned(),
        });
        let purl = package.and_then(|package| filled(&package.purl)).map(str::to_owned);
        let path = package.and_then(|package| filled(&package.path));
        let code = self.place().map(|(path, _)| path);
        let paths: Vec<_> = path
            .into_iter()
            .chain(code)
            .map(|path| wire::ComponentPath { path: Some(path.to_owned()) })
            .collect();
        let other = || path.or(code).or_else(|| self.resource()).unwrap_or(NO_COMPONENT).to_owned();
        let license = package.and_then(|package| filled(&package.license));
        let license = license.map(|license| wire::License {
            license_id: Some(license.to_owned()),
            ..wire::License::default()
        });
        wire::ScaDetails {
            severity: self.severity(),
            cwe: self.cwe(),
            component_id: purl.or(whole).or_else(|| Some(other())),
            component_filename: name.map(str::to_owned),
            version: version.map(str::to_owned),
            component_path: (!paths.is_empty()).then_some(paths),
            licenses: license.map(|license| vec![license]),
            cve: self.vulnerability(),
            ..wire::ScaDetails::default()
        }
    }

    fn vulnerability(&self) -> Option<wire::Cve> {
        let first = self.first()?;
        let cve = first.cve.as_ref();
        let advisory = || first.advisory.as_ref().and_then(|advisory| filled(&advisory.uid));
        let name = cve.and_then(|cve| filled(&cve.uid)).or_else(advisory)?.to_owned();
        let score = |version: char| {
            self.scores()
                .iter()
                .find(|score| filled(&score.version).is_some_and(|v| v.starts_with(version)))
        };
        let (second, third) = (score('2'), score('3'));
        let epss = cve.and_then(|cve| cve.epss.as_ref()).map(|epss| wire::Exploitability {
            epss_score: filled(&epss.score).and_then(|score| chance(score.parse().ok()?)),
            epss_percentile: epss.percentile.and_then(chance),
            ..wire::Exploitability::default()
        });
        Some(wire::Cve {
            name: Some(name),
            cvss: second.and_then(|score| Number::from_f64(score.base_score?)),
            vector: second.and_then(|score| filled(&score.vector_string)).map(str::to_owned),
            cvss3: third.map(|score| wire::Cvss3 {
                score: score.base_score.and_then(Number::from_f64),
                severity: None,
                vector: filled(&score.vector_string).map(str::to_owned),
            }),
            exploitability: epss,
            ..wire::Cve::default()
        })
    }
}

/// A probability; none where it is no number of 0 to 1.
fn chance(number: f64) -> Option<Number> {
    Some(number).filter(|number| (0.0..=1.0).contains(number)).and_then(Number::from_f64)
}

/// The number of `CWE-79` or `79`.
fn number(uid: &str) -> Option<i64> {
    let digits = match uid.get(..4) {
        Some(prefix) if prefix.eq_ignore_ascii_case("CWE-") => &uid[4..],
        _ => uid,
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}

fn is_web(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}
