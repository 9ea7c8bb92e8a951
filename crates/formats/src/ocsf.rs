//! OCSF as NDJSON: one event a line. A finding becomes an Application Security Posture
//! Finding (2007) or a Vulnerability Finding (2002) in the state that it is in; the
//! same state makes the same bytes. `docs/reference/normalisation.md` has the tables.
//!
//! An event holds its finding to the letter: what of the record has no home in OCSF is
//! in `unmapped`.

pub mod api;
pub mod applications;

mod event;
mod rest;
mod words;

use std::borrow::Cow;
use std::io::{self, Write};

use countersign_findings::{Component, Finding, Numbered, Severity, parse_time};
use countersign_text::json;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use self::event::{
    Advisory, AffectedCode, Analytic, Compliance, Cve, Cvss, Cwe, Epss, Event, File, FindingInfo,
    Fingerprint, Group, Hex, Key, Metadata, Number, Package, Remediation, Shown, Subject, Tag,
    Vulnerability, Weakness,
};
use self::rest::Record;
use crate::package::purl;
use crate::{Export, Head, Held, Item, Last, place, product};

/// Where the members of a record go, for those who read it: the path in the record, and
/// the attribute that has its value. `{…}` stands for `cve.related_cwes[0]`,
/// `advisory.related_cwes[0]` or, for what is no component, `cwe`.
pub const MAPPED: [(&str, &str); 36] = [
    ("scan_type", "finding_info.types[0]"),
    (
        "description",
        "finding_info.desc, as readable text; its links in vulnerabilities[0].references",
    ),
    ("violates_policy", "compliance.status_id: 3 Fail for true, 1 Pass for false (2007)"),
    ("finding_status.status", "status_code"),
    ("finding_status.resolution", "status_detail"),
    ("finding_status.first_found_date", "finding_info.first_seen_time"),
    ("finding_status.last_seen_date", "finding_info.last_seen_time"),
    ("finding_details.cwe.id", "vulnerabilities[0].{…}.uid"),
    ("finding_details.cwe.name", "vulnerabilities[0].{…}.caption"),
    (
        "finding_details.finding_category.name",
        "finding_info.analytic.name and vulnerabilities[0].category (not in 1.3.0)",
    ),
    ("finding_details.file_path", "vulnerabilities[0].affected_code[0].file.path"),
    (
        "finding_details.file_name",
        "vulnerabilities[0].affected_code[0].file.name, the last part of the path",
    ),
    (
        "finding_details.file_line_number",
        "vulnerabilities[0].affected_code[0].start_line and end_line, from 1",
    ),
    ("finding_details.module", "resources[].name of type module"),
    ("finding_details.url", "resources[].uid of type url"),
    ("finding_details.path", "resources[].name of type url"),
    ("finding_details.hostname", "resources[].hostname of type url (not in 1.3.0)"),
    (
        "finding_details.remediation_desc",
        "remediation.desc (2007), vulnerabilities[0].remediation.desc (2002, 1.8.0)",
    ),
    ("finding_details.component_id", "vulnerabilities[0].affected_packages[0].uid (not in 1.3.0)"),
    ("finding_details.component_filename", "vulnerabilities[0].affected_packages[0].name"),
    ("finding_details.version", "vulnerabilities[0].affected_packages[0].version"),
    (
        "finding_details.component_path[0].path",
        "vulnerabilities[0].affected_packages[0].path; several are all in unmapped too",
    ),
    (
        "finding_details.cve.name",
        "vulnerabilities[0].cve.uid when it is a CVE, else advisory.uid (not in 1.3.0)",
    ),
    ("finding_details.cve.href", "vulnerabilities[0].references"),
    ("finding_details.cve.cvss", "vulnerabilities[0].cve.cvss[], version 2.0, base_score"),
    ("finding_details.cve.vector", "vulnerabilities[0].cve.cvss[], version 2.0, vector_string"),
    (
        "finding_details.cve.cvss3.score",
        "vulnerabilities[0].cve.cvss[], version 3, 3.0 or 3.1 as in the vector, base_score",
    ),
    ("finding_details.cve.cvss3.vector", "vulnerabilities[0].cve.cvss[], the same, vector_string"),
    ("finding_details.cve.exploitability.epss_score", "vulnerabilities[0].cve.epss.score"),
    (
        "finding_details.cve.exploitability.epss_percentile",
        "vulnerabilities[0].cve.epss.percentile",
    ),
    (
        "finding_details.cve.exploitability.epss_score_date",
        "vulnerabilities[0].cve.epss.created_time",
    ),
    (
        "finding_details.cve.exploitability.epss_model_version",
        "vulnerabilities[0].cve.epss.version",
    ),
    (
        "finding_details.cve.exploitability.exploit_observed",
        "vulnerabilities[0].is_exploit_available, when true",
    ),
    ("source.product.name", "metadata.product.name"),
    ("source.product.vendor_name", "metadata.product.vendor_name"),
    ("source.product.version", "metadata.product.version"),
];

/// The number that OCSF has for a severity: 1 to 5.
pub fn severity_id(severity: Severity) -> u8 {
    words::severity(severity).0
}

/// Class and version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// 2007 of 1.6.0, which knows applications and policies.
    Posture,
    /// 2007 of 1.8.0 as the connector API answers it: with times as text too, and more
    /// that its readers look for.
    Posture18,
    /// 2002 of 1.6.0, for readers that have no other class.
    Vulnerability,
    /// 2002 of 1.3.0, for lakes of that age; it has no 2007.
    Vulnerability13,
}

impl Shape {
    /// Every one.
    pub const ALL: [Self; 4] =
        [Self::Posture, Self::Posture18, Self::Vulnerability, Self::Vulnerability13];

    /// Number of the class.
    pub fn class(self) -> u32 {
        if self.is_posture() { 2007 } else { 2002 }
    }

    /// Version of the schema.
    pub fn version(self) -> &'static str {
        match self {
            Self::Posture | Self::Vulnerability => "1.6.0",
            Self::Posture18 => "1.8.0",
            Self::Vulnerability13 => "1.3.0",
        }
    }

    fn is_posture(self) -> bool {
        matches!(self, Self::Posture | Self::Posture18)
    }

    fn is_1_3(self) -> bool {
        self == Self::Vulnerability13
    }

    /// What this version has, and 1.3.0 lacks.
    fn since_1_4<T>(self, value: Option<T>) -> Option<T> {
        value.filter(|_| !self.is_1_3())
    }
}

/// One event a line.
pub struct Ocsf<W> {
    out: W,
    shape: Shape,
    with_raw: bool,
    line: Vec<u8>,
}

impl<W: Write> Ocsf<W> {
    /// Writes to `out`.
    pub fn new(out: W, head: &Head, shape: Shape) -> Self {
        Self { out, shape, with_raw: head.with_raw, line: Vec::new() }
    }

    /// Writes the event of a finding as a change of it left it, with the position of the
    /// change in the feed: `metadata.sequence`.
    pub fn change(&mut self, item: &Item<'_>, seq: i64) -> io::Result<()> {
        self.event(item, Some(seq))
    }

    fn event(&mut self, item: &Item<'_>, sequence: Option<i64>) -> io::Result<()> {
        self.line.clear();
        append(&mut self.line, item, self.shape, (self.with_raw, sequence))?;
        self.line.push(b'\n');
        self.out.write_all(&self.line)
    }
}

impl<W: Write> Export for Ocsf<W> {
    fn finding(&mut self, item: &Item<'_>) -> io::Result<Held> {
        self.event(item, None)?;
        Ok(Held::Written)
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes the event of a finding behind what `out` holds.
fn append(
    out: &mut Vec<u8>,
    item: &Item<'_>,
    shape: Shape,
    (with_raw, sequence): (bool, Option<i64>),
) -> io::Result<()> {
    let record = Record::of(item.raw);
    let mut event = event(item, &record, shape);
    event.metadata.sequence = sequence;
    if shape == Shape::Posture18 {
        api::complete(&mut event, item, &record);
    }
    if with_raw {
        event.raw_data = Some(item.raw);
        event.raw_data_size = shape.since_1_4(Some(item.raw.len()));
        event.raw_data_hash = shape.since_1_4(Some(fingerprint(item.raw)));
    }
    event.unmapped = rest::rest(record, &event, item.finding, item.paths);
    json::append(out, &event)?;
    Ok(())
}

/// All but what is left of the record.
fn event<'a>(item: &Item<'a>, record: &Record<'a>, shape: Shape) -> Event<'a> {
    let finding = item.finding;
    let class_uid = shape.class();
    let (activity_id, activity_name) = words::activity(item);
    let (severity_id, severity) = words::severity(finding.severity);
    let (status_id, status) = words::status(item, shape);
    let type_uid = class_uid * 100 + u32::from(activity_id);
    let (time, original_time) = time(item, record);
    let title = full(&finding.title).unwrap_or(finding.id.as_str());
    let application = application(item, shape);
    let is_posture = shape.is_posture();
    let product = product::Product::of_source(&record.source);
    let described = record.details.text("remediation_desc");
    let remediation =
        described.filter(|text| !text.trim().is_empty()).map(|desc| Remediation { desc });
    let (remediation, of_vulnerability) =
        if is_posture { (remediation, None) } else { (None, remediation) };
    let mut resources = Vec::with_capacity(2);
    let application = if is_posture {
        Some(application)
    } else {
        resources.push(application);
        None
    };
    resources.extend(subject(finding, shape));
    Event {
        activity_id,
        activity_name,
        category_uid: 2,
        category_name: "Findings",
        class_uid,
        class_name: match shape {
            Shape::Posture | Shape::Posture18 => "Application Security Posture Finding",
            Shape::Vulnerability | Shape::Vulnerability13 => "Vulnerability Finding",
        },
        type_uid,
        type_name: words::type_name(shape, activity_id),
        time,
        time_dt: None,
        severity_id,
        severity,
        status_id,
        status,
        status_code: finding.status.status.as_deref().and_then(full),
        status_detail: finding.status.resolution.as_deref().and_then(full),
        message: Shown((
            title,
            full(&item.application.name).unwrap_or(item.application.guid.as_str()),
        )),
        finding_info: finding_info(item, shape, title, &product),
        application,
        compliance: is_posture.then(|| compliance(item)).flatten(),
        remediation,
        vulnerabilities: [Vulnerability {
            vendor_name: product.vendor(),
            remediation: of_vulnerability,
            ..vulnerability(finding, record, shape)
        }],
        resources,
        policy: None,
        vendor_attributes: None,
        observables: Vec::new(),
        metadata: metadata(item, shape, product, (type_uid, time), original_time),
        raw_data: None,
        raw_data_size: None,
        raw_data_hash: None,
        unmapped: None,
    }
}

fn metadata<'a>(
    item: &Item<'a>,
    shape: Shape,
    product: product::Product<'a>,
    (type_uid, time): (u32, i64),
    original_time: Option<Cow<'a, str>>,
) -> Metadata<'a> {
    Metadata {
        version: shape.version(),
        uid: event_uid(item, type_uid, time),
        correlation_uid: correlation(item.finding).map(Shown),
        product: product.into(),
        profiles: &[],
        tenant_uid: item.integration,
        log_name: "findings",
        log_provider: "countersign",
        logged_time: Some(item.changed_ms),
        logged_time_dt: None,
        original_time,
        sequence: None,
    }
}

fn finding_info<'a>(
    item: &Item<'a>,
    shape: Shape,
    title: &'a str,
    product: &product::Product<'a>,
) -> FindingInfo<'a> {
    let finding = item.finding;
    FindingInfo {
        uid: finding.id.as_str(),
        uid_alt: shape.since_1_4(Some(Shown(Key {
            application: &finding.application,
            context: Some(&finding.context),
            key: &finding.key,
        }))),
        title,
        desc: full(&finding.description),
        types: [finding.scan_type.as_str()],
        analytic: analytic(finding),
        data_sources: [match product.is_imported {
            true => product.name.clone(),
            false => Cow::Borrowed("Veracode Findings REST API"),
        }],
        first_seen_time: finding.first_found_ms,
        first_seen_time_dt: None,
        last_seen_time: finding.last_seen_ms,
        last_seen_time_dt: None,
        created_time: item.added_ms,
        created_time_dt: None,
        modified_time: item.changed_ms,
        modified_time_dt: None,
    }
}

fn compliance<'a>(item: &Item<'a>) -> Option<Compliance<'a>> {
    let (status_id, status) = if item.finding.violates_policy? { (3, "Fail") } else { (1, "Pass") };
    let control = item.application.policy.as_deref().and_then(full);
    Some(Compliance { control, status_id, status, assessments: None })
}

/// When the state became true. Of the first sighting the service says when, and how it
/// was written goes along; of a change it says nothing, and it is when we noticed.
fn time<'a>(item: &Item<'a>, record: &Record<'a>) -> (i64, Option<Cow<'a, str>>) {
    match item.finding.first_found_ms {
        Some(first_found_ms) if item.last == Last::New && !item.gone => {
            (first_found_ms, record.status.text("first_found_date"))
        }
        _ => (item.changed_ms, None),
    }
}

/// Names the event: the finding, and since when it is as it is.
fn event_uid(item: &Item<'_>, type_uid: u32, time: i64) -> Hex<32> {
    let mut digest = Sha256::new();
    digest.update(item.integration);
    digest.update([0]);
    digest.update(item.finding.id.as_str());
    digest.update(type_uid.to_be_bytes());
    digest.update(time.to_be_bytes());
    digest.update(item.changed_ms.to_be_bytes());
    hex(&digest.finalize()[..16])
}

fn fingerprint(raw: &str) -> Fingerprint {
    Fingerprint { algorithm_id: 3, algorithm: "SHA-256", value: hex(&Sha256::digest(raw)) }
}

fn hex<const DIGITS: usize>(bytes: &[u8]) -> Hex<DIGITS> {
    let mut digits = [b'0'; DIGITS];
    HEXLOWER.encode_mut(bytes, &mut digits);
    Hex(digits)
}

/// The same flaw in the policy context and the sandboxes has one number.
fn correlation(finding: &Finding) -> Option<Key<'_>> {
    let key = Key { application: &finding.application, context: None, key: &finding.key };
    finding.component.is_none().then_some(key)
}

fn analytic(finding: &Finding) -> Option<Analytic<'_>> {
    let name = finding.category.as_ref().and_then(|category| category.name.as_deref());
    let weakness = finding.cwe.as_ref().and_then(|cwe| cwe.name.as_deref());
    let name = name.and_then(full).or(weakness.and_then(full))?;
    let uid = finding.cwe.as_ref().map(|cwe| Shown(Cwe(&cwe.id)));
    Some(Analytic { type_id: 1, type_name: "Rule", uid, name })
}

/// The application, as the object of that name or as a resource.
fn application<'a>(item: &Item<'a>, shape: Shape) -> Subject<'a> {
    let application = item.application;
    let has_tags = !shape.is_1_3() && !application.teams.is_empty();
    Subject {
        uid: Some(application.guid.as_str()),
        uid_alt: shape.since_1_4(application.id).map(Shown),
        name: full(&application.name),
        type_name: "application",
        criticality: application.business_criticality.as_deref().and_then(full),
        group: application.business_unit.as_deref().and_then(full).map(|name| Group { name }),
        labels: &application.tags,
        tags: has_tags.then(|| Tag::list("teams", &application.teams)).into_iter().collect(),
        ..Subject::default()
    }
}

/// What of the application the finding is about.
fn subject(finding: &Finding, shape: Shape) -> Option<Subject<'_>> {
    let location = &finding.location;
    let (url, path) = (filled(&location.url), filled(&location.path));
    if url.or(path).is_some() {
        let hostname = shape.since_1_4(filled(&location.host)).and_then(hostname);
        return Some(Subject {
            uid: url,
            name: path,
            hostname,
            type_name: "url",
            ..Subject::default()
        });
    }
    let name = filled(&location.module)?;
    Some(Subject { name: Some(name), type_name: "module", ..Subject::default() })
}

/// Exactly one of a CVE, a vendor's advisory and a weakness.
fn vulnerability<'a>(finding: &'a Finding, record: &Record<'a>, shape: Shape) -> Vulnerability<'a> {
    let known = finding.vulnerability.as_ref();
    let mut references: Vec<_> = finding.references.iter().map(String::as_str).collect();
    references.extend(known.and_then(|known| filled(&known.href)));
    let category = finding.category.as_ref().and_then(|category| filled(&category.name));
    let written = Vulnerability {
        severity: finding.severity.name(),
        category: shape.since_1_4(category),
        affected_code: code(finding).map(|code| [code]),
        affected_packages: finding
            .component
            .as_ref()
            .and_then(|component| package(component, shape))
            .map(|package| [package]),
        references,
        is_exploit_available: known.and_then(|known| known.exploit_observed).filter(|is| *is),
        ..Vulnerability::default()
    };
    let weakness = finding.cwe.as_ref().map(|cwe| weakness(cwe, shape));
    let related = |shape: Shape| shape.since_1_4(weakness).map(|weakness| [weakness]);
    match known {
        Some(known) if known.name.starts_with("CVE-") => {
            let cve = Cve {
                uid: &known.name,
                cvss: scores(known),
                epss: epss(known, record),
                related_cwes: related(shape),
                cwe: weakness.filter(|_| shape.is_1_3()),
            };
            Vulnerability { cve: Some(cve), ..written }
        }
        Some(known) if !shape.is_1_3() && full(&known.name).is_some() => {
            let advisory = Advisory { uid: &known.name, related_cwes: related(shape) };
            Vulnerability { advisory: Some(advisory), ..written }
        }
        _ => {
            let nobody_named_it = Weakness { uid: Number::NoInfo, caption: None };
            Vulnerability { cwe: Some(weakness.unwrap_or(nobody_named_it)), ..written }
        }
    }
}

fn weakness(cwe: &Numbered, shape: Shape) -> Weakness<'_> {
    let is_named = shape == Shape::Posture18;
    let uid = if is_named { Number::Named(cwe.id) } else { Number::Known(cwe.id) };
    Weakness { uid, caption: filled(&cwe.name) }
}

fn scores(known: &countersign_findings::Vulnerability) -> Vec<Cvss<'_>> {
    let vector3 = filled(&known.cvss3_vector);
    let version3 = match vector3 {
        Some(vector) if vector.starts_with("CVSS:3.1/") => "3.1",
        Some(vector) if vector.starts_with("CVSS:3.0/") => "3.0",
        _ => "3",
    };
    let scores =
        [(known.cvss2, "2.0", filled(&known.cvss2_vector)), (known.cvss3, version3, vector3)];
    let written = scores.into_iter().filter_map(|(score, version, vector_string)| {
        score.map(|base_score| Cvss { base_score, version, depth: "Base", vector_string })
    });
    written.collect()
}

fn epss<'a>(known: &countersign_findings::Vulnerability, record: &Record<'a>) -> Option<Epss<'a>> {
    let score = known.epss_score?;
    let exploitability = record.details.object("cve").object("exploitability");
    let day = known.epss_date.as_deref();
    Some(Epss {
        score: Shown(score),
        percentile: known.epss_percentile,
        created_time: day.and_then(|day| parse_time(&format!("{day}T00:00:00Z"))),
        created_time_dt: None,
        version: exploitability.text("epss_model_version").filter(|text| !text.is_empty()),
    })
}

/// A file must have a name: what has none is no file.
fn code(finding: &Finding) -> Option<AffectedCode<'_>> {
    let path = filled(&finding.location.file)?;
    let name = path.rsplit(['/', '\\']).next().and_then(full)?;
    let line = finding.location.line.filter(|line| *line > 0);
    let file = File { name, path, type_id: 1, type_name: "Regular File" };
    Some(AffectedCode { file, start_line: line, end_line: line })
}

/// A package must have a name and a version.
fn package(component: &Component, shape: Shape) -> Option<Package<'_>> {
    let mut licenses = component
        .licenses
        .iter()
        .map(|license| license.id.as_str())
        .filter(|id| full(id).is_some());
    let license = licenses.next().map(|first| {
        licenses.fold(Cow::Borrowed(first), |joined, next| Cow::Owned(format!("{joined}, {next}")))
    });
    Some(Package {
        name: filled(&component.name)?,
        version: filled(&component.version)?,
        purl: purl(component),
        uid: shape.since_1_4(full(&component.id)),
        path: component.paths.first().and_then(|path| full(path)),
        license,
    })
}

/// To the letter, or as A-labels where it has letters of other scripts.
fn hostname(host: &str) -> Option<Cow<'_, str>> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    match host.is_ascii() {
        true => host.bytes().all(is_plain).then_some(Cow::Borrowed(host)),
        false => place::host(host),
    }
}

fn filled(text: &Option<String>) -> Option<&str> {
    text.as_deref().and_then(full)
}

/// A text that says something.
fn full(text: &str) -> Option<&str> {
    Some(text).filter(|text| text.contains(|c: char| !c.is_whitespace()))
}
