//! DefectDojo's generic findings import. It has a place for every finding, closed ones
//! too.

use std::io::{self, Write};

use countersign_findings::{Finding, ScanType, State, rfc3339};
use serde_json::{Value, json};

use crate::facts::{self, Measure, Review};
use crate::json::{Elements, some, tidy};
use crate::place::{Address, Paths};
use crate::product::Product;
use crate::text::{clip, line, plain, some_plain};
use crate::{Export, Head, Held, Item};

/// One document.
pub struct DefectDojo<W> {
    out: W,
    paths: Paths,
    findings: Elements,
    is_again: bool,
}

impl<W: Write> DefectDojo<W> {
    /// Begins the document on `out`.
    pub fn new(mut out: W, head: &Head) -> io::Result<Self> {
        out.write_all(b"{\"findings\":[")?;
        let paths = head.paths.clone();
        Ok(Self { out, paths, findings: Elements::default(), is_again: false })
    }

    /// Begins a document that is imported into the same test again and again.
    ///
    /// The type makes the test's own type `countersign Scan (Generic Findings Import)`, for
    /// which a server can be told to know findings by their id. There is no service: an import
    /// without one closes only findings without one, and with one it would lose sight of all
    /// that it imported before the application got another name.
    pub fn for_reimport(mut out: W, head: &Head) -> io::Result<Self> {
        out.write_all(b"{\"type\":\"countersign\",\"findings\":[")?;
        let paths = head.paths.clone();
        Ok(Self { out, paths, findings: Elements::default(), is_again: true })
    }
}

impl<W: Write> Export for DefectDojo<W> {
    fn finding(&mut self, item: &Item<'_>) -> io::Result<Held> {
        let mut finding = finding(item, &self.paths);
        if let Some(members) = finding.as_object_mut().filter(|_| self.is_again) {
            members.remove("service");
        }
        self.findings.write(&mut self.out, &finding)?;
        Ok(Held::Written)
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        self.out.write_all(b"]}\n")?;
        self.out.flush()
    }
}

/// Lengths are those of DefectDojo's columns. Members that older versions of its
/// parser refuse are left out.
fn finding(item: &Item<'_>, paths: &Paths) -> Value {
    let finding = item.finding;
    let location = &finding.location;
    let component = finding.component.as_ref();
    let known = finding.vulnerability.as_ref();
    let short = |text: Option<&str>, max| some_plain(text).map(|text| clip(&text, max));
    let day = |ms: i64| rfc3339(ms).chars().take(10).collect::<String>();
    let is_fixed = finding.state == State::Fixed;
    let is_accepted_risk = finding.state == State::Mitigated
        && facts::newest_measure(finding).is_some_and(Measure::leaves_the_risk);
    let is_mitigated = is_fixed || (finding.state == State::Mitigated && !is_accepted_risk);
    let file = match &location.file {
        Some(file) => paths.source(file),
        None => component.and_then(|one| one.paths.first()).and_then(|path| paths.other(path)),
    };
    let is_dynamic = finding.scan_type == ScanType::Dynamic;
    let address = is_dynamic.then(|| Address::of(location)).flatten();
    let cvss3 = facts::vectors(finding).into_iter().find(|vector| vector.version != "2");
    let unit = |value: Option<f64>| value.filter(|value| (0.0..=1.0).contains(value));
    tidy(json!({
        "title": facts::title(finding, 500),
        "description": description(item, address.as_ref()),
        "severity": match finding.severity.level() {
            0 => "Info",
            1 | 2 => "Low",
            3 => "Medium",
            4 => "High",
            _ => "Critical",
        },
        "date": finding.first_found_ms.map(day),
        "cwe": facts::cwe(finding),
        "vulnerability_ids": known.and_then(|known| short(Some(&known.name), 50)).map(|id| [id]),
        "cvssv3": cvss3.map(|vector| vector.text),
        "cvssv3_score": known.and_then(|known| known.cvss3)
            .filter(|score| (0.0..=10.0).contains(score)),
        "epss_score": unit(known.and_then(|known| known.epss_score)),
        "epss_percentile": unit(known.and_then(|known| known.epss_percentile)),
        "references": some(finding.references.iter().map(|link| plain(link)).collect())
            .map(|links| links.join("\n")),
        "severity_justification": facts::reasons(finding),
        "active": finding.state.is_open() && !item.gone,
        // A person has looked at what a manual test found.
        "verified": finding.scan_type == ScanType::Manual,
        "false_p": finding.state == State::FalsePositive,
        "risk_accepted": is_accepted_risk,
        "under_review": facts::review(finding) == Review::Proposed && !item.gone,
        "is_mitigated": is_mitigated,
        "mitigated": is_mitigated.then(|| rfc3339(item.changed_ms)),
        "static_finding": !is_dynamic,
        "dynamic_finding": is_dynamic,
        "file_path": file.map(|file| clip(&plain(&file), 4000)),
        "line": facts::line_number(location.line),
        "sast_source_object": short(location.procedure.as_deref(), 500),
        "param": short(location.parameter.as_deref(), 4000),
        "payload": short(location.attack_vector.as_deref().filter(|_| is_dynamic), 4000),
        "endpoints": address.map(|address| [address.uri()]),
        "component_name": component.and_then(|component| short(component.name.as_deref(), 500)),
        "component_version":
            component.and_then(|component| short(component.version.as_deref(), 100)),
        "unique_id_from_tool": finding.id,
        "vuln_id_from_tool": rule(finding),
        "service": short(Some(&item.application.name), 200),
        "planned_remediation_date": finding.grace_period_expires_ms.map(day),
        "tags": tags(item),
    }))
}

/// The description, and what tells the finding from others: unless it is set otherwise,
/// DefectDojo takes two of one title, place and description for one, in all of a product.
fn description(item: &Item<'_>, address: Option<&Address>) -> String {
    let finding = item.finding;
    let address = address.map(|address| format!("Address: {}\n", address.uri()));
    format!(
        "{}\n\n{}Application: {}\nContext: {}\n{} {}\nFinding {}",
        facts::words(finding),
        address.unwrap_or_default(),
        line(&item.application.name, 200),
        plain(&finding.context.to_string()),
        line(&Product::of(item.raw).name, 200),
        plain(&finding.key.to_string()),
        finding.id,
    )
}

/// The vulnerability, or else the weakness.
fn rule(finding: &Finding) -> Option<String> {
    let known = finding.vulnerability.as_ref().and_then(|known| some_plain(Some(&known.name)));
    known
        .map(|name| clip(&name, 500))
        .or_else(|| facts::cwe(finding).map(|cwe| format!("CWE-{cwe}")))
}

/// Words of ours only: a tag can hold neither comma nor blank.
fn tags(item: &Item<'_>) -> Vec<String> {
    let finding = item.finding;
    let context = if finding.context.guid().is_none() { "policy" } else { "sandbox" };
    let mut tags = vec![finding.scan_type.as_str().to_ascii_lowercase(), context.to_owned()];
    if finding.violates_policy == Some(true) {
        tags.push("violates-policy".to_owned());
    }
    if item.gone {
        tags.push("no-longer-reported".to_owned());
    }
    tags
}
