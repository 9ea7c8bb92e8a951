//! From a record on the wire to a finding. By scan type, never by trial.

use countersign_wire::finding as wire;
use countersign_wire::readable::Dropped;

use crate::error::Undecodable;
use crate::finding::{
    Annotation, Component, Finding, License, Location, Note, Numbered, ScanType, Severity, State,
    Status, Vulnerability,
};
use crate::ids::{ApplicationGuid, Context, FindingId, FindingKey};
use crate::imported::Source;
use crate::text::{readable, without_invisible};
use crate::time::parse_time;

/// What the record of a manual finding has on how to fix it, as plain text. Those of other
/// scan types have it in their descriptions; none for them, and for a record that cannot be
/// read.
pub fn remediation(raw: &str) -> Option<String> {
    let (record, _) = wire::Finding::parse_readable(raw).ok()?;
    let wire::FindingDetails::Manual(details) = record.finding_details else { return None };
    let (text, _) = readable(&details.remediation_desc?, &ScanType::Manual);
    (!text.is_empty()).then_some(text)
}

/// What the details of the four scan types boil down to.
#[derive(Default)]
struct Details {
    severity: Option<i64>,
    cwe: Option<Numbered>,
    category: Option<Numbered>,
    exploitability: Option<i64>,
    location: Location,
    component: Option<Component>,
    vulnerability: Option<Vulnerability>,
    cvss: Option<String>,
}

impl Finding {
    /// Reads a record of the findings list of this application and context.
    pub fn decode(
        raw: &str,
        application: &ApplicationGuid,
        context: &Context,
    ) -> Result<Self, Undecodable> {
        let (record, dropped) = wire::Finding::parse_readable(raw).map_err(Undecodable::new)?;
        let mut notes = notes(dropped);
        let details = match record.finding_details {
            wire::FindingDetails::Static(details) => read_static(details),
            wire::FindingDetails::Dynamic(details) => read_dynamic(details),
            wire::FindingDetails::Manual(details) => read_manual(details),
            wire::FindingDetails::Sca(details) => read_sca(*details),
            _ => Details { severity: Some(0), ..Details::default() },
        };
        let scan_type = ScanType::parse(&record.scan_type);
        if let ScanType::Other(name) = &scan_type {
            return Err(Undecodable::new(format_args!("unknown scan type `{name}`")));
        }
        let level = details.severity.ok_or_else(|| Undecodable::new("it has no severity"))?;
        let severity = Severity::new(level)
            .ok_or_else(|| Undecodable::new(format_args!("severity {level} is not 0 to 5")))?;
        let source = Source::of(raw);
        let key = match &source {
            Some(source) => source.key(),
            None => key(record.issue_id, &details)?,
        };
        let description = record.description.as_deref().unwrap_or_default();
        let (description, references) = readable(description, &scan_type);
        let status = record.finding_status;
        let mut time = |text: &Option<String>, name| date(text, name, &mut notes);
        let first_found_ms = time(&status.first_found_date, "finding_status.first_found_date");
        let last_seen_ms = time(&status.last_seen_date, "finding_status.last_seen_date");
        let grace_period_expires_ms =
            time(&record.grace_period_expires_date, "grace_period_expires_date");
        let mut finding = Self {
            id: FindingId::of(application, context, &key),
            title: title(&details),
            state: state(&status),
            first_found_ms,
            last_seen_ms,
            grace_period_expires_ms,
            application: application.clone(),
            context: context.clone(),
            key,
            scan_type,
            severity,
            status: Status {
                status: status.status,
                resolution: status.resolution,
                resolution_status: status.resolution_status,
                mitigation_review_status: status.mitigation_review_status,
                new: status.new,
            },
            violates_policy: record.violates_policy,
            cwe: details.cwe,
            category: details.category,
            build_id: record.build_id,
            exploitability: details.exploitability,
            location: details.location,
            component: details.component,
            vulnerability: details.vulnerability,
            cvss: details.cvss,
            description,
            references,
            annotations: record
                .annotations
                .unwrap_or_default()
                .into_iter()
                .map(annotation)
                .collect(),
            notes,
            source: None,
        };
        if let Some(source) = source {
            source.complete(&mut finding)?;
        }
        Ok(finding)
    }
}

pub(crate) fn notes(dropped: Vec<Dropped>) -> Vec<Note> {
    let notes = dropped.into_iter().map(|dropped| {
        let member = Some(dropped.member).filter(|member| !member.is_empty());
        Note { member, reason: dropped.reason }
    });
    notes.collect()
}

/// A member that is a date; one that cannot be read is noted.
pub(crate) fn date(text: &Option<String>, member: &str, notes: &mut Vec<Note>) -> Option<i64> {
    let text = text.as_deref()?;
    let read = parse_time(text);
    if read.is_none() {
        let start: String = text.chars().take(60).collect();
        let reason = format!("`{start}` is not a date with a time and a zone");
        notes.push(Note { member: Some(member.to_owned()), reason });
    }
    read
}

/// From all of the status members: `CLOSED` without a mitigation is fixed; an
/// approved mitigation counts whatever the status says; an unknown word leaves
/// a finding open.
fn state(status: &wire::FindingStatus) -> State {
    let is_closed = status.status.as_deref() == Some("CLOSED");
    let is_approved = status.resolution_status.as_deref() == Some("APPROVED");
    match status.resolution.as_deref() {
        Some("MITIGATED") if is_closed || is_approved => State::Mitigated,
        Some("POTENTIAL_FALSE_POSITIVE") if is_closed || is_approved => State::FalsePositive,
        _ if is_closed => State::Fixed,
        _ => State::Open,
    }
}

fn key(issue_id: Option<i64>, details: &Details) -> Result<FindingKey, Undecodable> {
    match (&details.component, issue_id) {
        (Some(component), _) if component.id.is_empty() => {
            Err(Undecodable::new("it has no component id"))
        }
        (Some(component), _) => Ok(FindingKey::Component {
            component_id: component.id.as_str().into(),
            cve: details.vulnerability.as_ref().map_or("-", |v| v.name.as_str()).into(),
            scan_mode: component.scan_mode.as_deref().unwrap_or("-").into(),
        }),
        (None, Some(issue_id)) => Ok(FindingKey::Flaw(issue_id)),
        (None, None) => Err(Undecodable::new("it has no issue id")),
    }
}

fn title(details: &Details) -> String {
    let weakness = details.cwe.as_ref().and_then(|cwe| cwe.name.clone());
    match (&details.component, &details.vulnerability) {
        (Some(component), vulnerability) => {
            let name = component.name.as_deref().unwrap_or(&component.id);
            let version = component.version.as_deref().unwrap_or_default();
            let what = vulnerability.as_ref().map_or("a vulnerability", |v| v.name.as_str());
            format!("{what} in {name} {version}").trim_end().to_owned()
        }
        (None, _) => weakness
            .or_else(|| details.category.as_ref().and_then(|category| category.name.clone()))
            .or_else(|| details.cwe.as_ref().map(|cwe| format!("CWE-{}", cwe.id)))
            .unwrap_or_else(|| "Finding without a weakness".to_owned()),
    }
}

fn numbered(reference: Option<wire::Reference>) -> Option<Numbered> {
    let reference = reference?;
    Some(Numbered { id: reference.id?, name: reference.name })
}

fn read_static(details: wire::StaticDetails) -> Details {
    Details {
        severity: details.severity,
        cwe: numbered(details.cwe),
        category: numbered(details.finding_category),
        exploitability: details.exploitability,
        cvss: details.cvss,
        location: Location {
            file: details.file_path.or(details.file_name),
            line: details.file_line_number,
            module: details.module,
            procedure: details.procedure,
            relative_location: details.relative_location,
            attack_vector: details.attack_vector,
            ..Location::default()
        },
        ..Details::default()
    }
}

fn read_dynamic(details: wire::DynamicDetails) -> Details {
    Details {
        severity: details.severity,
        cwe: numbered(details.cwe),
        category: numbered(details.finding_category),
        cvss: details.cvss,
        location: Location {
            url: details.url,
            host: details.hostname,
            port: details.port,
            path: details.path,
            parameter: details.vulnerable_parameter,
            plugin: details.plugin,
            attack_vector: details.attack_vector,
            ..Location::default()
        },
        ..Details::default()
    }
}

fn read_manual(details: wire::ManualDetails) -> Details {
    Details {
        severity: details.severity,
        cwe: numbered(details.cwe),
        category: numbered(details.finding_category),
        cvss: details.cvss,
        location: Location {
            module: details.module,
            attack_vector: details.input_vector,
            place: details.location,
            ..Location::default()
        },
        ..Details::default()
    }
}

fn read_sca(details: wire::ScaDetails) -> Details {
    let metadata = details.metadata.unwrap_or_default();
    Details {
        severity: details.severity,
        cwe: numbered(details.cwe),
        component: Some(Component {
            id: details.component_id.unwrap_or_default(),
            name: details.component_filename,
            version: details.version,
            language: details.language,
            scan_mode: metadata.sca_scan_mode,
            dependency_mode: metadata.sca_dep_mode,
            paths: details
                .component_path
                .unwrap_or_default()
                .into_iter()
                .filter_map(|place| place.path)
                .collect(),
            licenses: details
                .licenses
                .unwrap_or_default()
                .into_iter()
                .map(|license| License {
                    id: license.license_id.unwrap_or_default(),
                    risk: license.risk_rating,
                })
                .collect(),
        }),
        vulnerability: details.cve.and_then(read_cve),
        ..Details::default()
    }
}

fn read_cve(cve: wire::Cve) -> Option<Vulnerability> {
    let cvss3 = cve.cvss3.unwrap_or_default();
    let exploitability = cve.exploitability.unwrap_or_default();
    let float = |number: Option<serde_json::Number>| number.and_then(|number| number.as_f64());
    Some(Vulnerability {
        name: identifier(&cve.name?),
        href: cve.href,
        cvss2: float(cve.cvss),
        cvss2_vector: cve.vector.as_deref().map(without_invisible),
        cvss3: float(cvss3.score),
        cvss3_vector: cvss3.vector.as_deref().map(without_invisible),
        epss_score: float(exploitability.epss_score),
        epss_percentile: float(exploitability.epss_percentile),
        epss_date: exploitability.epss_score_date,
        exploit_observed: exploitability.exploit_observed,
        exploit_source: exploitability.exploit_source,
    })
}

/// An identifier of a vulnerability as its source writes it: without blanks around it,
/// with plain dashes, `CVE-…` and `SRCCLR-SID-…` in capitals, `GHSA-…` in small letters
/// after its first word.
pub(crate) fn identifier(text: &str) -> String {
    let plain: String = without_invisible(text)
        .trim()
        .chars()
        .map(|c| if matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}') { '-' } else { c })
        .collect();
    let upper = plain.to_ascii_uppercase();
    match upper.split_once('-') {
        Some(("CVE" | "SRCCLR" | "CWE", _)) => upper,
        Some(("GHSA", rest)) => format!("GHSA-{}", rest.to_ascii_lowercase()),
        _ => plain,
    }
}

fn annotation(written: wire::Annotation) -> Annotation {
    let parts =
        [written.technique, written.specifics, written.remaining_risk, written.verification];
    Annotation {
        action: written.action,
        comment: written.comment,
        user: written.user_name,
        created: written.created,
        mitigation: parts.into_iter().flatten().collect(),
    }
}
