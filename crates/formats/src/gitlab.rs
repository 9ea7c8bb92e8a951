//! GitLab's security reports, schema 15.2.1: one each for SAST, DAST and dependency
//! scanning. GitLab takes what is in a report as open, and what is absent as no longer
//! there: only open findings are held.

use std::io::{self, Write};

use countersign_findings::{Finding, ScanType, State, rfc3339};
use serde_json::{Value, json};

use crate::facts::{self, Review};
use crate::json::{Elements, some, tidy, write_members};
use crate::place::{Address, Paths, web_uri};
use crate::product::Product;
use crate::text::{clip, line, plain, some_plain};
use crate::{Export, Head, Held, Item};

/// Version of the schema.
const SCHEMA: &str = "15.2.1";

/// Characters of a description. GitLab takes a little more than a million.
const MAX_DESCRIPTION: usize = 100_000;

/// Identifiers and links of one vulnerability. GitLab takes twenty identifiers.
const MAX_LINKS: usize = 20;

/// Which of GitLab's reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// Static and manual findings.
    Sast,
    /// Dynamic findings.
    Dast,
    /// SCA findings.
    DependencyScanning,
}

impl Report {
    fn name(self) -> &'static str {
        match self {
            Self::Sast => "sast",
            Self::Dast => "dast",
            Self::DependencyScanning => "dependency_scanning",
        }
    }

    /// Why a finding of this type has no place in it.
    fn refuses(self, scan_type: &ScanType) -> Option<&'static str> {
        match (self, scan_type) {
            (Self::Sast, ScanType::Static | ScanType::Manual)
            | (Self::Dast, ScanType::Dynamic)
            | (Self::DependencyScanning, ScanType::Sca) => None,
            (Self::Sast, _) => Some("it is neither static nor manual: other reports have it"),
            (Self::Dast, _) => Some("it is not dynamic: other reports have it"),
            (Self::DependencyScanning, _) => {
                Some("it is about no component: other reports have it")
            }
        }
    }
}

/// One report.
pub struct GitLab<W> {
    out: W,
    report: Report,
    head: Head,
    vulnerabilities: Elements,
}

impl<W: Write> GitLab<W> {
    /// Begins the report on `out`.
    pub fn new(mut out: W, report: Report, head: &Head) -> io::Result<Self> {
        write!(out, "{{\"version\":\"{SCHEMA}\",\n\"vulnerabilities\":[")?;
        Ok(Self { out, report, head: head.clone(), vulnerabilities: Elements::default() })
    }
}

impl<W: Write> Export for GitLab<W> {
    fn finding(&mut self, item: &Item<'_>) -> io::Result<Held> {
        let finding = item.finding;
        if let Some(reason) = self.report.refuses(&finding.scan_type) {
            return Ok(Held::NotHeld(reason));
        }
        if item.gone {
            return Ok(Held::NotHeld("it is no longer reported: what is in a report is open"));
        }
        match finding.state {
            State::Open => {}
            State::Fixed => return Ok(Held::NotHeld("it is fixed: what is in a report is open")),
            State::Mitigated | State::FalsePositive => {
                return Ok(Held::NotHeld("it is mitigated or none: what is in a report is open"));
            }
        }
        let Some(location) = self.location(finding) else {
            return Ok(Held::NotHeld("its component has no version, which GitLab asks for"));
        };
        let vulnerability = vulnerability(item, location);
        self.vulnerabilities.write(&mut self.out, &vulnerability)?;
        Ok(Held::Written)
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        self.out.write_all(b"]")?;
        let tail = json!({"scan": self.scan()});
        write_members(&mut self.out, &tail)?;
        self.out.write_all(b"}\n")?;
        self.out.flush()
    }
}

impl<W: Write> GitLab<W> {
    fn location(&self, finding: &Finding) -> Option<Value> {
        match self.report {
            Report::Sast => Some(sast(finding, &self.head.paths)),
            Report::Dast => Some(dast(finding)),
            Report::DependencyScanning => dependency(finding, &self.head.paths),
        }
    }

    /// When scans began and ended is not known; the export is one moment.
    fn scan(&self) -> Value {
        let made = rfc3339(self.head.made_ms).chars().take(19).collect::<String>();
        let version = some_plain(Some(&self.head.version)).unwrap_or_else(|| "0".to_owned());
        let program = |id: &str, name: &str, vendor: &str| json!({"id": id, "name": name, "version": version, "vendor": {"name": vendor}});
        let mut scan = json!({
            "type": self.report.name(),
            "status": "success",
            "start_time": made,
            "end_time": made,
            "analyzer": program("countersign", "countersign", "countersign"),
            "scanner": program("countersign", "countersign", "countersign"),
        });
        if self.report == Report::Dast {
            // What was attacked is not in the records, only where something was found.
            scan["scanned_resources"] = json!([]);
        }
        scan
    }
}

fn vulnerability(item: &Item<'_>, location: Value) -> Value {
    let finding = item.finding;
    let vectors: Vec<_> = facts::vectors(finding)
        .into_iter()
        .map(|vector| json!({"vendor": "unknown", "vector": vector.text}))
        .collect();
    let links: Vec<_> = finding
        .references
        .iter()
        .chain(finding.vulnerability.as_ref().and_then(|known| known.href.as_ref()))
        .filter_map(|link| web_uri(link))
        .take(MAX_LINKS)
        .map(|url| json!({"url": url}))
        .collect();
    let doubt = facts::is_doubted(finding).then(|| {
        let reasons = facts::reasons(finding);
        [json!({
            "type": "flagged-as-likely-false-positive",
            "origin": "countersign",
            "description": reasons.unwrap_or_else(|| "Proposed as a false positive.".to_owned()),
        })]
    });
    tidy(json!({
        "id": uuid(finding.id.as_str()),
        "name": facts::title(finding, 255),
        "description": clip(&facts::words(item.finding), MAX_DESCRIPTION),
        "severity": match finding.severity.level() {
            0 => "Info",
            1 | 2 => "Low",
            3 => "Medium",
            4 => "High",
            _ => "Critical",
        },
        "identifiers": identifiers(item),
        "cvss_vectors": some(vectors),
        // Readers other than GitLab ask for it even where there are none.
        "links": links,
        "flags": doubt,
        "location": location,
        "details": details(item),
    }))
}

/// 20 hex digits in the form of a UUID, of version 8.
fn uuid(id: &str) -> String {
    let digits = format!("{id:0<28}");
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-8{}-8{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 15),
        part(15, 18),
        format_args!("{:0<12}", part(18, 20))
    )
}

/// The first is what GitLab compares by, beside the place: it is the finding's own, since
/// a weakness or a CVE can be in one place several times.
fn identifiers(item: &Item<'_>) -> Vec<Value> {
    let finding = item.finding;
    let product = Product::of(item.raw);
    let vendor = if product.is_imported { "countersign" } else { "veracode" };
    let key = plain(&finding.key.to_string());
    let mut identifiers = vec![json!({
        "type": format!("{vendor}_finding"), "name": format!("{} {key}", line(&product.name, 100)),
        "value": finding.id,
    })];
    if let Some(known) = &finding.vulnerability
        && let Some(name) = some_plain(Some(&known.name))
    {
        identifiers.push(match facts::cve(finding) {
            Some(cve) => {
                json!({"type": "cve", "name": cve, "value": cve, "url": facts::cve_url(cve)})
            }
            None => json!({"type": vendor, "name": name, "value": name}),
        });
    }
    if let Some(id) = facts::cwe(finding) {
        identifiers.push(json!({"type": "cwe", "name": format!("CWE-{id}"),
            "value": id.to_string(), "url": countersign_findings::cwe_url(id)}));
    }
    if let Some(category) = &finding.category {
        let name = category.name.as_deref().map(plain).filter(|name| !name.trim().is_empty());
        let value = category.id.to_string();
        identifiers.push(json!({"type": format!("{vendor}_category"),
            "name": name.unwrap_or_else(|| value.clone()), "value": value}));
    }
    identifiers
}

fn sast(finding: &Finding, paths: &Paths) -> Value {
    let location = &finding.location;
    let file =
        location.file.as_deref().and_then(|file| paths.source(file)).map(|file| plain(&file));
    let line = facts::line_number(location.line).filter(|_| file.is_some());
    json!({
        "file": file,
        "start_line": line,
        "end_line": line,
        "method": some_plain(location.procedure.as_deref()),
    })
}

fn dast(finding: &Finding) -> Value {
    let address = Address::of(&finding.location);
    json!({
        "hostname": address.as_ref().map(|address| &address.origin),
        "path": address.as_ref().map(|address| &address.path),
        "param": some_plain(finding.location.parameter.as_deref()),
        "method": "",
    })
}

fn dependency(finding: &Finding, paths: &Paths) -> Option<Value> {
    let component = finding.component.as_ref()?;
    let version = some_plain(component.version.as_deref())?;
    let name = some_plain(component.name.as_deref()).unwrap_or_else(|| plain(&component.id));
    let file = component.paths.iter().find_map(|path| paths.other(path));
    let is_direct = match component.dependency_mode.as_deref() {
        Some("DIRECT") => Some(true),
        Some("TRANSITIVE") => Some(false),
        _ => None,
    };
    Some(json!({
        "file": file.map_or_else(|| name.clone(), |file| plain(&file)),
        "dependency": {
            "package": {"name": name},
            "version": version,
            "direct": is_direct,
        },
    }))
}

/// What GitLab has no member of its own for, shown beside the description.
fn details(item: &Item<'_>) -> Value {
    let finding = item.finding;
    let text = |name: &str, value: Option<String>| {
        value.map(|value| json!({"type": "text", "name": name, "value": value}))
    };
    let review = match facts::review(finding) {
        Review::Proposed => Some("proposed"),
        Review::Rejected => Some("rejected"),
        Review::None | Review::Accepted => None,
    };
    json!({
        "application": text("Application", some_plain(Some(&item.application.name))),
        "context": text("Context", Some(finding.context.to_string())),
        "severity": text("Severity", Some(finding.severity.name().to_owned())),
        "module": text("Module", some_plain(finding.location.module.as_deref())),
        "place": text("Place", some_plain(finding.location.place.as_deref())),
        "attack": text("Attack vector", some_plain(finding.location.attack_vector.as_deref())),
        "policy": text("Violates policy", finding.violates_policy.map(|is| is.to_string())),
        "first_found": text("First found", finding.first_found_ms.map(rfc3339)),
        "mitigation": text("Mitigation", review.map(str::to_owned)),
        "reasons": text("Comments", facts::reasons(finding)),
    })
}

#[cfg(test)]
mod tests {
    use super::uuid;

    #[test]
    fn an_id_keeps_its_digits_as_a_uuid() {
        assert_eq!(uuid("0123456789abcdef0123"), "01234567-89ab-8cde-8f01-230000000000");
    }
}
