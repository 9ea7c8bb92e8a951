//! One finding: everything that is stored about it, and its description as the plain
//! text that it is.

use askama::Template;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use countersign_connector::named::{self, Named};
use countersign_findings::filter::Field;
use countersign_findings::{DataPath, Finding, Population, ScanType};
use countersign_store::FindingRow;
use countersign_text::{file, json};

use super::changes::told;
use super::deliveries::Delivered;
use super::filters::{all, findings};
use super::findings::{PAGE, place};
use super::inner::Inner;
use super::look::{severity, state};
use super::place::{Among, crumb};
use super::query::{self, Query, link};
use super::text::Shown;
use super::web::{Form, Frame, Reader, Stop, go};
use countersign_web::moment::{Moment, from_now};

const MAX_REFERENCES: usize = 50;
const MAX_ANNOTATIONS: usize = 100;
const MAX_PATHS: usize = 20;
const MAX_STEPS: usize = 200;
const MAX_EVENTS: usize = 100;

type Facts = Vec<(&'static str, Shown)>;

struct Event {
    at: Moment,
    ago: String,
    kind: &'static str,
    reason: Option<Shown>,
    sentences: Vec<Shown>,
}

struct Step {
    function: Shown,
    place: Shown,
}

struct Way {
    module: Shown,
    steps: Vec<Step>,
}

struct Note {
    action: Shown,
    who: Shown,
    when: Shown,
    words: Shown,
}

#[derive(Template)]
#[template(path = "finding.html")]
struct Page {
    frame: Frame,
    id: String,
    title: Shown,
    severity: String,
    state: String,
    is_gone: bool,
    also_in: Vec<(Shown, String)>,
    raw: String,
    whole: String,
    /// Its place in the list that it was reached from.
    among: Option<Among>,
    standing: Facts,
    location: Facts,
    component: Facts,
    vulnerability: Facts,
    description: Shown,
    is_cut: bool,
    /// Members of the record that cannot be read, and why.
    left_out: Vec<(Shown, Shown)>,
    references: Vec<Shown>,
    has_paths: bool,
    paths: Option<Vec<Way>>,
    paths_at: Option<Moment>,
    notes: Vec<Note>,
    events: Vec<Event>,
    related: Vec<(String, String)>,
    delivered: Vec<Delivered>,
}

/// The stored rows of an id; one for each integration that brings it in.
async fn rows(inner: &Inner, id: &str) -> Result<Vec<FindingRow>, Stop> {
    // A beginning that several have names none of them.
    match named::finding(&inner.store, id, None).await? {
        Named::One(rows) => Ok(rows),
        _ => Err(Stop::NotFound),
    }
}

/// The row that the address means.
async fn row(
    inner: &Inner,
    id: &str,
    query: &Query,
) -> Result<(FindingRow, Vec<FindingRow>), Stop> {
    let mut rows = rows(inner, id).await?;
    let wanted = query.get("integration");
    let at = rows.iter().position(|row| Some(row.integration.as_str()) == wanted).unwrap_or(0);
    let row = rows.swap_remove(at);
    Ok((row, rows))
}

/// The row that a reader asks for, and those of the other integrations.
pub(super) struct Sought {
    reader: Reader,
    row: FindingRow,
    others: Vec<FindingRow>,
    query: Query,
}

impl FromRequestParts<Inner> for Sought {
    type Rejection = Stop;

    async fn from_request_parts(parts: &mut Parts, inner: &Inner) -> Result<Self, Stop> {
        let reader = Reader::from_request_parts(parts, inner).await?;
        let path = Path::<String>::from_request_parts(parts, inner).await;
        let Path(id) = path.map_err(|_| Stop::NotFound)?;
        let Ok(query) = Query::from_request_parts(parts, inner).await;
        let (row, others) = row(inner, &id, &query).await?;
        Ok(Self { reader, row, others, query })
    }
}

pub(super) async fn show(State(inner): State<Inner>, sought: Sought) -> Result<Response, Stop> {
    let Sought { reader, row, others, query } = sought;
    let now_ms = reader.visitor.now_ms;
    let finding = &row.finding;
    let events = inner.store.changes_of(finding.id.as_str()).await?;
    let own = events.iter().filter(|event| event.integration == row.integration);
    let events = own.rev().take(MAX_EVENTS).map(|event| Event {
        at: Moment(event.at_ms),
        ago: from_now(event.at_ms, now_ms),
        kind: event.kind.as_str(),
        reason: event.reason.map(|why| Shown::cut(why.as_str(), LINE_CHARS)),
        sentences: told(event),
    });
    let delivered = inner.store.delivered(finding.id.as_str()).await?;
    let application = query::application(&row.integration, finding.application.as_str());
    let path = format!("/findings/{}", finding.id);
    let among = Among::read(&inner.store, &query, &row, PAGE, reader.visitor.now_ms).await?;
    let list = match &among {
        Some(among) => crumb(&among.list, among.page),
        None => crumb(&Population::OPEN.filter(), 1),
    };
    let crumbs = vec![list, (Shown::cut(&row.application_name, LINE_CHARS), application)];
    let page = Page {
        frame: reader
            .visitor
            .frame(&finding.title.chars().take(80).collect::<String>(), "/findings")
            .about(&row.application_name)
            .below(crumbs),
        among,
        id: finding.id.to_string(),
        title: Shown::cut(&finding.title, LINE_CHARS),
        severity: severity(finding.severity.level()),
        state: state(finding.state),
        is_gone: row.gone,
        also_in: others
            .iter()
            .map(|other| {
                let name = other.integration.as_str();
                (Shown::new(name), link(&path, &[("integration", name)]))
            })
            .collect(),
        raw: link(&format!("{path}/raw"), &[("integration", &row.integration)]),
        whole: link(&format!("{path}/description"), &[("integration", &row.integration)]),
        standing: standing(&row, now_ms),
        location: location(finding),
        component: component(finding),
        vulnerability: vulnerability(finding),
        description: Shown::prose(cut(&finding.description, PROSE_CHARS)),
        is_cut: cut(&finding.description, PROSE_CHARS).len() < finding.description.len(),
        left_out: finding
            .notes
            .iter()
            .map(|note| {
                let member = note.member.as_deref().unwrap_or("the record");
                (Shown::cut(member, LINE_CHARS), Shown::cut(&note.reason, LINE_CHARS))
            })
            .collect(),
        references: finding
            .references
            .iter()
            .take(MAX_REFERENCES)
            .map(|address| Shown::address(address))
            .collect(),
        has_paths: finding.scan_type == ScanType::Static && finding.source.is_none(),
        paths: row.paths.as_deref().map(ways),
        paths_at: row.paths_ms.map(Moment),
        notes: notes(finding),
        events: events.collect(),
        related: related(finding),
        delivered: delivered.iter().map(Delivered::of).collect(),
    };
    reader.visitor.page(200, &page)
}

/// Of a description that the page shows.
const PROSE_CHARS: usize = 6_000;
/// Of anything else.
const LINE_CHARS: usize = 500;

/// At most so many characters.
fn cut(text: &str, chars: usize) -> &str {
    text.char_indices().nth(chars).map_or(text, |(at, _)| &text[..at])
}

fn held(facts: Vec<(&'static str, Option<String>)>) -> Facts {
    let held = facts.into_iter().filter_map(|(name, text)| Some((name, text?)));
    held.map(|(name, text)| (name, Shown::cut(&text, LINE_CHARS))).collect()
}

fn standing(row: &FindingRow, now_ms: i64) -> Facts {
    let finding = &row.finding;
    let status = &finding.status;
    let yes = |is: Option<bool>| is.map(|is| if is { "yes" } else { "no" }.to_owned());
    let at = |ms: i64| Shown::moment(Moment(ms), now_ms);
    let text = |text: Option<String>| text.map(|text| Shown::cut(&text, LINE_CHARS));
    let numbered = |one: &countersign_findings::Numbered, before: &str| {
        format!("{before}{} {}", one.id, one.name.as_deref().unwrap_or_default())
    };
    let exploitability = finding.exploitability.map(|level| {
        let word = match level {
            ..=-2 => "very unlikely",
            -1 => "unlikely",
            0 => "neutral",
            1 => "likely",
            2.. => "very likely",
        };
        format!("{level} ({word})")
    });
    let facts = vec![
        ("Violates policy", text(yes(finding.violates_policy))),
        ("Fix by", finding.grace_period_expires_ms.map(at)),
        ("Weakness", text(finding.cwe.as_ref().map(|cwe| numbered(cwe, "CWE-")))),
        ("Category", text(finding.category.as_ref().map(|category| numbered(category, "")))),
        ("Scanner", text(finding.scanner().map(str::to_owned))),
        ("Scan type", text(Some(finding.scan_type.as_str().to_owned()))),
        ("Context", text(Some(finding.context.to_string()))),
        ("First found", finding.first_found_ms.map(at)),
        ("Last seen", finding.last_seen_ms.map(at)),
        ("Exploitability", text(exploitability)),
        ("CVSS", text(finding.cvss.clone())),
        ("Status", text(status.status.clone())),
        ("Resolution", text(status.resolution.clone())),
        ("Review", text(status.resolution_status.clone())),
        ("Mitigation review", text(status.mitigation_review_status.clone())),
        ("New in the latest scan", text(yes(status.new))),
        ("Stored since", Some(at(row.added_ms))),
        ("Last change noticed", Some(at(row.changed_ms))),
        ("Integration", text(Some(row.integration.clone()))),
        ("Id", text(Some(finding.id.to_string()))),
    ];
    facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn location(finding: &Finding) -> Facts {
    let at = &finding.location;
    let file = at.file.as_ref().map(|_| place(finding));
    held(vec![
        ("File", file),
        ("Module", at.module.clone()),
        ("Procedure", at.procedure.clone()),
        ("Attack vector", at.attack_vector.clone()),
        ("Relative location", at.relative_location.map(|percent| format!("{percent} %"))),
        ("URL", at.url.clone()),
        ("Host", at.host.clone()),
        ("Port", at.port.clone()),
        ("Path", at.path.clone()),
        ("Parameter", at.parameter.clone()),
        ("Found by", at.plugin.clone()),
        ("Place", at.place.clone()),
    ])
}

fn component(finding: &Finding) -> Facts {
    let Some(component) = &finding.component else { return Vec::new() };
    let licenses = component.licenses.iter().map(|license| match &license.risk {
        Some(risk) => format!("{} (risk {risk} of 4)", license.id),
        None => license.id.clone(),
    });
    let licenses = licenses.collect::<Vec<_>>().join(", ");
    held(vec![
        ("Name", component.name.clone()),
        ("Version", component.version.clone()),
        ("Language", component.language.clone()),
        ("Licences", (!licenses.is_empty()).then_some(licenses)),
        ("Dependency", component.dependency_mode.as_ref().map(|mode| mode.to_lowercase())),
        ("Found by", component.scan_mode.as_ref().map(|mode| mode.to_lowercase())),
        ("Lies in", (!component.paths.is_empty()).then(|| component.paths.join(", "))),
    ])
}

fn vulnerability(finding: &Finding) -> Facts {
    let Some(vulnerability) = &finding.vulnerability else { return Vec::new() };
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let score = |score: Option<f64>, vector: &Option<String>| {
        score.map(|score| format!("{score:.1} {}", vector.as_deref().unwrap_or_default()))
    };
    let epss = vulnerability.epss_score.map(|score| {
        let percentile = vulnerability.epss_percentile.map(percent);
        let percentile = percentile.map(|text| format!(", percentile {text}"));
        let date = vulnerability.epss_date.as_ref().map(|date| format!(", of {date}"));
        format!("{}{}{}", percent(score), percentile.unwrap_or_default(), date.unwrap_or_default())
    });
    let exploit = vulnerability.exploit_observed.map(|is| {
        let source = vulnerability.exploit_source.as_deref();
        match (is, source) {
            (true, Some(source)) => format!("observed by {source}"),
            (true, None) => "observed".to_owned(),
            (false, _) => "not observed".to_owned(),
        }
    });
    let mut facts = held(vec![
        ("Name", Some(vulnerability.name.clone())),
        ("CVSS 3", score(vulnerability.cvss3, &vulnerability.cvss3_vector)),
        ("CVSS 2", score(vulnerability.cvss2, &vulnerability.cvss2_vector)),
        ("EPSS", epss),
        ("Exploitation", exploit),
    ]);
    let described = vulnerability.href.as_deref();
    facts.extend(described.map(|address| ("Described at", Shown::address(address))));
    facts
}

fn ways(paths: &[DataPath]) -> Vec<Way> {
    let line = |file: &Option<String>, line: Option<i64>| match (file, line) {
        (Some(file), Some(line)) => format!("{file}:{line}"),
        (Some(file), None) => file.clone(),
        _ => String::new(),
    };
    let way = |path: &DataPath| {
        let sink = path.steps.is_empty().then(|| Step {
            function: Shown::cut(path.function.as_deref().unwrap_or("?"), LINE_CHARS),
            place: Shown::cut(&line(&path.file, path.line), LINE_CHARS),
        });
        let steps = path.steps.iter().take(MAX_STEPS).map(|step| Step {
            function: Shown::cut(step.function.as_deref().unwrap_or("?"), LINE_CHARS),
            place: Shown::cut(&line(&step.file, step.line), LINE_CHARS),
        });
        Way {
            module: Shown::cut(path.module.as_deref().unwrap_or_default(), LINE_CHARS),
            steps: steps.chain(sink).collect(),
        }
    };
    paths.iter().take(MAX_PATHS).map(way).collect()
}

fn notes(finding: &Finding) -> Vec<Note> {
    let note = |one: &countersign_findings::Annotation| {
        let words = one.comment.iter().chain(&one.mitigation).cloned().collect::<Vec<_>>();
        Note {
            action: Shown::cut(one.action.as_deref().unwrap_or("–"), LINE_CHARS),
            who: Shown::cut(one.user.as_deref().unwrap_or("–"), LINE_CHARS),
            when: Shown::written_time(one.created.as_deref().unwrap_or("–"), LINE_CHARS),
            words: Shown::prose(cut(&words.join("\n"), PROSE_CHARS)),
        }
    };
    finding.annotations.iter().take(MAX_ANNOTATIONS).map(note).collect()
}

/// Filters that find its like.
fn related(finding: &Finding) -> Vec<(String, String)> {
    let application = (Field::Application, finding.application.as_str());
    let cwe = finding.cwe.as_ref().map(|cwe| cwe.id.to_string());
    let mut related = Vec::new();
    let mut add = |words: &str, conditions: &[(Field, &str)]| {
        related.push((words.to_owned(), findings(&all(conditions))));
    };
    if let (Some(cwe), Some(file)) = (&cwe, &finding.location.file) {
        add(
            "The same weakness in this file",
            &[application, (Field::Cwe, cwe), (Field::File, file)],
        );
    }
    if let Some(file) = &finding.location.file {
        add("All in this file", &[application, (Field::File, file)]);
    }
    if let Some(cwe) = &cwe {
        add("The same weakness in this application", &[application, (Field::Cwe, cwe)]);
        add("The same weakness everywhere", &[(Field::Cwe, cwe)]);
    }
    if let Some(name) = finding.component.as_ref().and_then(|component| component.name.as_deref()) {
        add("This component everywhere", &[(Field::Component, name)]);
    }
    if let Some(vulnerability) = &finding.vulnerability {
        add("This vulnerability everywhere", &[(Field::Cve, &vulnerability.name)]);
    }
    related
}

/// The record as the service sent it.
pub(super) async fn raw(Sought { row, .. }: Sought) -> Response {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], json::escaped(&row.raw)).into_response()
}

/// The whole description, as a file.
pub(super) async fn description(Sought { row, .. }: Sought) -> Response {
    let name = format!("attachment; filename=\"{}.txt\"", row.finding.id);
    let headers =
        [(CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()), (CONTENT_DISPOSITION, name)];
    (headers, file(&row.finding.description).to_string()).into_response()
}

/// Asks the service how data reaches the flaw.
pub(super) async fn fetch_paths(
    State(inner): State<Inner>,
    Path(id): Path<String>,
    form: Form,
) -> Result<Response, Stop> {
    let (reader, fields) = form.operator()?;
    let (row, _) = row(&inner, &id, &fields).await?;
    let id = row.finding.id.to_string();
    inner.people.note(&reader.person, "paths.fetch", &id, &reader.visitor.visit).await?;
    let integration = row.integration.clone();
    (inner.fetch_paths)(row).await.map_err(Stop::Refused)?;
    Ok(go(&link(&format!("/findings/{id}"), &[("integration", &integration)])))
}
