//! SARIF 2.1.0. Results stream; the rules they refer to come behind them in each run.
//!
//! A run has the findings of one context of one application: its category, by which
//! code scanning tells uploads apart, is made from those two and so is the same tomorrow.
//!
//! What is kept until the end of a run is one entry for each CWE (or, without one,
//! category) and severity met in it, and until the end of all one for each run.

use std::collections::HashMap;
use std::io::{self, Write};

use countersign_findings::{
    ApplicationGuid, Context, DataPath, Finding, ScanType, Severity, State, rfc3339,
};
use serde_json::{Value, json};

use crate::facts::{self, Review};
use crate::json::{Elements, some, tidy, write_members};
use crate::package::purl;
use crate::place::{Address, Paths, encoded};
use crate::text::{line, plain, some_plain};
use crate::{Export, Head, Held, Item, Last, Parts};

/// What readers bear at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Results of one run.
    pub results_per_run: usize,
    /// Results of one run that people get to see.
    pub shown_per_run: usize,
    /// Runs of one file.
    pub runs_per_file: usize,
    /// Size at which a further part is begun, where there can be parts.
    pub bytes_per_part: u64,
}

impl Limits {
    /// What GitHub takes: 25,000 results a run, of which it shows the 5,000 most severe,
    /// 20 runs a file, and 10 MB compressed, which 40 MB of findings stay below.
    pub const GITHUB: Self = Self {
        results_per_run: 25_000,
        shown_per_run: 5_000,
        runs_per_file: 20,
        bytes_per_part: 40_000_000,
    };
}

/// What is chosen for an export.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The category of everything, instead of one for each application and context.
    pub category: Option<String>,
    /// Applications and contexts that have a run even when none of their findings comes:
    /// readers close what a run without it would show.
    pub places: Vec<(ApplicationGuid, Context)>,
}

/// Steps of data paths written for one result; GitHub refuses more.
const MAX_STEPS: usize = 10_000;

/// Places written for one component; GitHub shows no more than a hundred.
const MAX_PLACES: usize = 100;

/// What paths of files are relative to; the name that GitHub knows.
const BASE: &str = "%SRCROOT%";

/// What paths of pages are relative to. It has no address: readers would make absolute
/// addresses of the paths, and refuse the file.
const WEB: &str = "WEBROOT";

/// Runs of results, in one part or several.
pub struct Sarif<P: Parts> {
    parts: P,
    head: Head,
    options: Options,
    limits: Limits,
    part: Option<Part>,
    parts_begun: usize,
    /// By category: the runs begun so far.
    runs: HashMap<String, usize>,
    cut: Vec<Cut>,
}

/// A run of which readers show a part only.
struct Cut {
    application: ApplicationGuid,
    category: String,
    results: usize,
}

/// The file that is being written.
struct Part {
    out: Counted<Box<dyn Write>>,
    runs: usize,
    run: Option<Run>,
}

/// The run that is being written.
struct Run {
    /// What it shares with further runs of the same findings.
    category: String,
    /// Its own.
    id: String,
    results: Elements,
    rules: Vec<Rule>,
    by_id: HashMap<String, usize>,
}

/// What a run remembers of a weakness of one severity.
struct Rule {
    id: String,
    name: String,
    cwe: Option<i64>,
    severity: Severity,
}

impl<P: Parts> Sarif<P> {
    /// Writes to these parts, within what GitHub takes.
    pub fn new(parts: P, head: &Head, options: Options) -> Self {
        Self::with_limits(parts, head, options, Limits::GITHUB)
    }

    /// The same within other limits.
    pub fn with_limits(parts: P, head: &Head, options: Options, limits: Limits) -> Self {
        Self {
            parts,
            head: head.clone(),
            options,
            limits,
            part: None,
            parts_begun: 0,
            runs: HashMap::new(),
            cut: Vec::new(),
        }
    }

    fn category(&self, application: &ApplicationGuid, context: &Context) -> String {
        self.options.category.clone().unwrap_or_else(|| {
            format!("countersign/{application}/{}", context.guid().unwrap_or("policy"))
        })
    }

    /// The run that takes the next result of this category: the same, another, or one in
    /// another part.
    fn place(&mut self, category: String) -> io::Result<()> {
        let limits = self.limits;
        let can_split = self.parts.can_split();
        if let Some(part) = &mut self.part {
            let is_over = part.run.as_ref().is_some_and(|run| {
                run.category != category || run.results.count() >= limits.results_per_run
            });
            if is_over {
                part.end_run(&self.head)?;
            }
            let has_no_room = part.run.is_none() && part.runs >= limits.runs_per_file;
            if can_split && (has_no_room || part.out.bytes >= limits.bytes_per_part) {
                self.end_part()?;
            }
        }
        let part = match self.part.take() {
            Some(part) => part,
            None => {
                self.parts_begun += 1;
                Part::begin(self.parts.open(self.parts_begun)?)?
            }
        };
        let part = self.part.insert(part);
        if part.run.is_none() {
            let begun = self.runs.entry(category.clone()).or_default();
            *begun += 1;
            let id = match *begun {
                1 => format!("{category}/"),
                number => format!("{category}/{number}/"),
            };
            part.begin_run(category, id)?;
        }
        Ok(())
    }

    /// A run of this category, without results if none comes.
    fn keep(&mut self, category: String) -> io::Result<()> {
        if self.runs.contains_key(&category) {
            return Ok(());
        }
        self.place(category)
    }

    fn end_part(&mut self) -> io::Result<()> {
        let Some(mut part) = self.part.take() else { return Ok(()) };
        part.end_run(&self.head)?;
        part.out.write_all(b"\n]}\n")?;
        part.out.flush()
    }
}

impl<P: Parts> Export for Sarif<P> {
    fn finding(&mut self, item: &Item<'_>) -> io::Result<Held> {
        let application = &item.finding.application;
        let category = self.category(application, &item.finding.context);
        let is_fixed = item.finding.state == State::Fixed;
        if item.gone || is_fixed {
            self.keep(category)?;
            return Ok(Held::NotHeld(match is_fixed {
                true => "it is fixed: a result is what was found",
                false => "it is no longer reported: a result is what was found",
            }));
        }
        self.place(category)?;
        let Some(Part { run: Some(run), out, .. }) = &mut self.part else {
            return Err(io::Error::other("no run was begun"));
        };
        let rule = run.rule(item.finding);
        run.results.write(out, &result(item, &run.rules[rule].id, rule, &self.head))?;
        let results = run.results.count();
        if results > self.limits.shown_per_run {
            let category = run.id.trim_end_matches('/').to_owned();
            match self.cut.last_mut().filter(|cut| cut.category == category) {
                Some(cut) => cut.results = results,
                None => {
                    self.cut.push(Cut { application: application.clone(), category, results });
                }
            }
        }
        Ok(Held::Written)
    }

    fn remarks(&self) -> Vec<String> {
        let shown = self.limits.shown_per_run;
        let cut = self.cut.iter().map(|Cut { application, category, results }| {
            format!(
                "code scanning shows the {shown} most severe of the {results} findings in `{category}`\nhint: give each scan type a category: `countersign export --format sarif --filter 'application[eq]{application} and scan_type[eq]STATIC' --category {application}-static --output static.sarif`"
            )
        });
        let mut remarks: Vec<_> = cut.collect();
        let runs: usize = self.runs.values().sum();
        if !self.parts.can_split() && runs > self.limits.runs_per_file {
            remarks.push(format!(
                "the document has {runs} runs, and code scanning accepts {} in one file\nhint: `countersign export --format sarif --output findings.sarif` writes several files",
                self.limits.runs_per_file,
            ));
        }
        remarks
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        for (application, context) in std::mem::take(&mut self.options.places) {
            self.keep(self.category(&application, &context))?;
        }
        if self.parts_begun == 0 {
            self.place(self.options.category.clone().unwrap_or_else(|| "countersign".to_owned()))?;
        }
        self.end_part()
    }
}

impl Part {
    fn begin(out: Box<dyn Write>) -> io::Result<Self> {
        let mut out = Counted { out, bytes: 0 };
        let schema = "https://json.schemastore.org/sarif-2.1.0.json";
        write!(out, "{{\"$schema\":\"{schema}\",\"version\":\"2.1.0\",\"runs\":[")?;
        Ok(Self { out, runs: 0, run: None })
    }

    fn begin_run(&mut self, category: String, id: String) -> io::Result<()> {
        self.out.write_all(if self.runs == 0 { b"\n" } else { b",\n" })?;
        self.out.write_all(b"{\"results\":[")?;
        self.runs += 1;
        self.run = Some(Run {
            category,
            id,
            results: Elements::default(),
            rules: vec![],
            by_id: HashMap::new(),
        });
        Ok(())
    }

    fn end_run(&mut self, head: &Head) -> io::Result<()> {
        let Some(run) = self.run.take() else { return Ok(()) };
        self.out.write_all(b"]")?;
        write_members(&mut self.out, &run.tail(head))?;
        self.out.write_all(b"}")
    }
}

impl Run {
    /// The place of this finding's rule, which is made when it is the first of its kind.
    /// A rule has one severity: readers take that of the rule for its results'.
    fn rule(&mut self, finding: &Finding) -> usize {
        let cwe = facts::cwe(finding);
        let category = finding.category.as_ref();
        let (weakness, name) = match (cwe, category) {
            (Some(cwe), _) => {
                (format!("CWE-{cwe}"), finding.cwe.as_ref().and_then(|cwe| cwe.name.as_deref()))
            }
            (None, Some(category)) => {
                (format!("CATEGORY-{}", category.id), category.name.as_deref())
            }
            (None, None) if finding.scan_type == ScanType::Sca => {
                ("COMPONENT".to_owned(), Some("Component with a known vulnerability"))
            }
            (None, None) => ("UNCLASSIFIED".to_owned(), Some("Weakness without a number")),
        };
        let severity = finding.severity;
        let id = format!("{weakness}/{}", severity.name().to_lowercase().replace(' ', "-"));
        if let Some(at) = self.by_id.get(&id) {
            return *at;
        }
        let name = name.map(|name| line(name, 200)).filter(|name| !name.is_empty());
        let at = self.rules.len();
        self.rules.push(Rule { id: id.clone(), name: name.unwrap_or(weakness), cwe, severity });
        self.by_id.insert(id, at);
        at
    }

    /// Everything of a run but its results.
    fn tail(self, head: &Head) -> Value {
        let filter = some_plain(Some(&head.filter));
        tidy(json!({
            "automationDetails": {"id": self.id},
            "columnKind": "unicodeCodePoints",
            "invocations": [{"executionSuccessful": true, "endTimeUtc": rfc3339(head.made_ms)}],
            "originalUriBaseIds": {
                BASE: {"description": {"text": "The root of the application's sources."}},
                WEB: {"description": {
                    "text": "Where the application is served: paths begin with the host."}},
            },
            "properties": {"filter": filter},
            "tool": {"driver": {
                "name": "countersign",
                "version": head.version,
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": self.rules.iter().map(Rule::descriptor).collect::<Vec<_>>(),
            }},
        }))
    }
}

impl Rule {
    fn descriptor(&self) -> Value {
        let mut tags = vec!["security".to_owned()];
        tags.extend(self.cwe.map(|cwe| format!("external/cwe/cwe-{cwe:03}")));
        let full = match self.cwe {
            Some(cwe) => format!("CWE-{cwe}: {}", self.name),
            None => self.name.clone(),
        };
        let url = self.cwe.map(countersign_findings::cwe_url);
        let more = url.as_ref().map(|url| format!("\n{url}")).unwrap_or_default();
        let help = format!("{full}\nSeverity: {}{more}", self.severity.name());
        let score = facts::score(self.severity);
        json!({
            "id": self.id,
            "name": self.name,
            "shortDescription": {"text": message(&self.name)},
            "fullDescription": {"text": message(&full)},
            "help": {"text": message(&help)},
            "helpUri": url,
            "defaultConfiguration": {"level": level(self.severity)},
            "properties": {"tags": tags, "security-severity": format!("{score:.1}")},
        })
    }
}

fn result(item: &Item<'_>, rule: &str, at: usize, head: &Head) -> Value {
    let finding = item.finding;
    let id = finding.id.as_str();
    let (location, others) = locations(item, &head.paths);
    let mut result = tidy(json!({
        "ruleId": rule,
        "ruleIndex": at,
        "kind": "fail",
        "level": level(finding.severity),
        "message": {"text": message(&facts::words(item.finding))},
        "locations": [location],
        "relatedLocations": some(others),
        "codeFlows": code_flows(item.paths, &head.paths),
        "fingerprints": {"countersign/v1": id},
        // The name is the one that GitHub looks for. It stands for the flaw itself,
        // which keeps its id when lines move.
        "partialFingerprints": {"primaryLocationLineHash": format!("{id}:1")},
        "suppressions": suppression(finding).map(|one| [one]),
        "baselineState": baseline(item),
        "provenance": {
            "firstDetectionTimeUtc": finding.first_found_ms.map(rfc3339),
            "lastDetectionTimeUtc": finding.last_seen_ms.map(rfc3339),
        },
        "webRequest": web_request(finding),
        "properties": properties(item),
    }));
    if head.with_raw
        && let Ok(raw) = serde_json::from_str::<Value>(item.raw)
    {
        result["properties"]["raw"] = raw;
    }
    result
}

fn level(severity: Severity) -> &'static str {
    match severity.level() {
        0..=2 => "note",
        3 => "warning",
        _ => "error",
    }
}

/// Text as SARIF writes it: braces stand for arguments and brackets for links unless
/// they are marked.
fn message(text: &str) -> String {
    let mut marked = String::with_capacity(text.len());
    let plain = plain(text);
    let mut characters = plain.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '{' | '}' => marked.push(c),
            '[' | ']' => marked.push('\\'),
            '\\' if matches!(characters.peek(), Some('[' | ']')) => marked.push('\\'),
            _ => {}
        }
        marked.push(c);
    }
    marked
}

/// The place of a result, and others where a component lies too. Readers take each of
/// several locations for a finding of its own, so there is one.
fn locations(item: &Item<'_>, paths: &Paths) -> (Value, Vec<Value>) {
    let finding = item.finding;
    let location = &finding.location;
    let logical = some(logical(finding));
    let address = match finding.scan_type {
        ScanType::Dynamic => Address::of(location),
        _ => None,
    };
    if let Some(address) = address {
        let artifact = json!({"uri": address.relative_uri(), "uriBaseId": WEB});
        let physical = json!({"artifactLocation": artifact, "region": region(None)});
        return (json!({"physicalLocation": physical, "logicalLocations": logical}), vec![]);
    }
    let component = finding.component.as_ref();
    let files: Vec<_> = match component {
        Some(component) => component.paths.iter().filter_map(|path| paths.other(path)).collect(),
        None => location.file.iter().filter_map(|path| paths.source(path)).collect(),
    };
    let mut uris = files.iter().map(|file| encoded(file)).take(MAX_PLACES);
    // Readers refuse a file with a result that is nowhere: the nearest that is known.
    let first = uris.next().unwrap_or_else(|| {
        let name = component.and_then(|component| component.name.as_deref());
        let near = name.or(location.module.as_deref()).and_then(|near| paths.other(near));
        near.map_or_else(|| finding.application.to_string(), |near| encoded(&near))
    });
    let line = facts::line_number(location.line);
    let physical = file_location(&first, line);
    let others = uris.map(|uri| json!({"physicalLocation": file_location(&uri, None)})).collect();
    (json!({"physicalLocation": physical, "logicalLocations": logical}), others)
}

fn file_location(uri: &str, line: Option<i64>) -> Value {
    json!({"artifactLocation": {"uri": uri, "uriBaseId": BASE}, "region": region(line)})
}

/// The first line stands for a file as a whole: readers want a number.
fn region(line: Option<i64>) -> Value {
    match line {
        Some(line) => json!({"startLine": line}),
        None => json!({"startLine": 1, "message": {"text": "The line is not known."}}),
    }
}

fn logical(finding: &Finding) -> Vec<Value> {
    let of = |name: &Option<String>, kind| {
        some_plain(name.as_deref()).map(|name| json!({"fullyQualifiedName": name, "kind": kind}))
    };
    let procedure = of(&finding.location.procedure, "function");
    let module = of(&finding.location.module, "module");
    let place = of(&finding.location.place, "resource");
    let component = finding.component.as_ref().and_then(|component| of(&component.name, "package"));
    procedure.into_iter().chain(module).chain(place).chain(component).collect()
}

/// A step without a file is left out: readers ask each for one.
fn code_flows(flows: &[DataPath], paths: &Paths) -> Option<Vec<Value>> {
    let mut left = MAX_STEPS;
    let flows = flows.iter().filter_map(|path| {
        let steps: Vec<_> = path
            .steps
            .iter()
            .filter_map(|step| {
                let file = step.file.as_deref().or(path.module.as_deref());
                let uri = file.and_then(|file| paths.source(file)).map(|file| encoded(&file))?;
                let function = some_plain(step.function.as_deref());
                let logical = function
                    .as_ref()
                    .map(|name| [json!({"fullyQualifiedName": name, "kind": "function"})]);
                Some(json!({"location": {
                    "physicalLocation": file_location(&uri, facts::line_number(step.line)),
                    "logicalLocations": logical,
                    "message": function.map(|name| json!({"text": message(&name)})),
                }}))
            })
            .take(left)
            .collect();
        left -= steps.len();
        some(steps).map(|steps| json!({"threadFlows": [{"locations": steps}]}))
    });
    some(flows.collect())
}

/// What holds. Readers take any suppression, whatever its status, for one that does: a
/// proposed or refused one is in the properties.
fn suppression(finding: &Finding) -> Option<Value> {
    if facts::review(finding) != Review::Accepted {
        return None;
    }
    let justification =
        facts::reasons(finding).or_else(|| finding.status.resolution.as_deref().map(plain));
    Some(json!({"kind": "external", "status": "accepted", "justification": justification}))
}

/// Against the scan before the latest, as far as it is known.
fn baseline(item: &Item<'_>) -> &'static str {
    match (item.finding.status.new, item.last) {
        (Some(true), _) | (None, Last::New) => "new",
        (Some(false), Last::New) => "unchanged",
        (_, Last::Changed | Last::Reopened | Last::Closed) => "updated",
    }
}

fn web_request(finding: &Finding) -> Option<Value> {
    if finding.scan_type != ScanType::Dynamic {
        return None;
    }
    Address::of(&finding.location).map(|address| json!({"target": address.uri()}))
}

fn properties(item: &Item<'_>) -> Value {
    let finding = item.finding;
    let known = finding.vulnerability.as_ref();
    let text = |text: &Option<String>| some_plain(text.as_deref());
    let review = match facts::review(finding) {
        Review::None => None,
        Review::Accepted => Some("accepted"),
        Review::Proposed => Some("proposed"),
        Review::Rejected => Some("rejected"),
    };
    json!({
        "security-severity": format!("{:.1}", facts::score(finding.severity)),
        "id": finding.id,
        "key": finding.key,
        "integration": item.integration,
        "application": finding.application,
        "applicationName": plain(&item.application.name),
        "context": finding.context,
        "scanType": finding.scan_type,
        "severity": finding.severity,
        "severityName": finding.severity.name(),
        "state": finding.state,
        "review": review,
        "reviewReason": review.and(text(&finding.status.resolution)),
        "comments": facts::reasons(finding),
        "address": web_request(finding).map(|request| request["target"].clone()),
        "cvss": facts::cvss(finding),
        "violatesPolicy": finding.violates_policy,
        "exploitability": finding.exploitability,
        "title": facts::title(finding, 500),
        "category": finding.category.as_ref().and_then(|category| text(&category.name)),
        "buildId": finding.build_id,
        "gracePeriodExpires": finding.grace_period_expires_ms.map(rfc3339),
        "attackVector": text(&finding.location.attack_vector),
        "parameter": text(&finding.location.parameter),
        "plugin": text(&finding.location.plugin),
        "vulnerability": known.map(|known| plain(&known.name)),
        "cvssVectors": some(facts::vectors(finding).into_iter().map(|v| v.text).collect()),
        "epss": known.and_then(|known| known.epss_score),
        "exploitObserved": known.and_then(|known| known.exploit_observed),
        "component": finding.component.as_ref().map(|component| json!({
            "id": plain(&component.id),
            "name": text(&component.name),
            "version": text(&component.version),
            "purl": purl(component),
            "scanMode": text(&component.scan_mode),
            "dependencyMode": text(&component.dependency_mode),
        })),
        "references": some(finding.references.iter().map(|link| plain(link)).collect()),
    })
}

/// A writer that knows how much went through.
struct Counted<W> {
    out: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::message;

    #[test]
    fn braces_and_brackets_are_no_arguments_and_no_links() {
        assert_eq!(message("{0} [x](https://example.com)"), "{{0}} \\[x\\](https://example.com)");
        assert_eq!(message("C:\\a"), "C:\\a");
        assert_eq!(message("\\[x](y)"), "\\\\\\[x\\](y)");
    }
}
