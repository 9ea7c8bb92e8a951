//! Findings: a filter, facets that narrow it, one page after the other. The address
//! holds everything.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use countersign_findings::filter::{Expression, Field, Filter, Operator, Value};
use countersign_findings::{Contexts, Finding, Population, Sight};
use countersign_store::{FacetRow, FindingRow, Query as Wanted, Store};
use futures::future::try_join_all;

use super::filters::{Asked, Facet, findings, findings_page, written};
use super::inner::Inner;
use super::look::{grouped, severity, state};
use super::place::{Around, Pages, in_list};
use super::query::{self, Query, link};
use super::text::Shown;
use super::web::{Frame, Reader, Stop, go};
use countersign_web::moment::Moment;

pub(super) const PAGE: u32 = 50;
/// Values of one facet.
const VALUES: u32 = 24;
/// Of them, that are shown without being asked for; a few more are not worth folding.
const SHOWN: usize = 8;
const MAX_SHOWN: usize = 10;
const MAX_WORDS_CHARS: usize = 200;

/// Fields that narrow, and what people call them.
pub(super) const FACETS: [(Field, &str); 9] = [
    (Field::Severity, "Severity"),
    (Field::State, "State"),
    (Field::ScanType, "Scan type"),
    (Field::ViolatesPolicy, "Violates policy"),
    (Field::Application, "Application"),
    (Field::Cwe, "Weakness"),
    (Field::Component, "Component"),
    (Field::Context, "Context"),
    (Field::Visible, "Visibility"),
];

/// Beginnings for who does not know what to ask for.
const EXAMPLES: [(&str, &str); 4] = [
    (
        "Open, High or worse, against policy",
        "severity[gte]4 and state[eq]open and violates_policy[eq]true",
    ),
    ("Open components with a known CVE", "scan_type[eq]SCA and state[eq]open and cve[like]CVE-"),
    ("Injections", "title[like]injection"),
    ("Mitigated and false positives", "state[in]mitigated,false_positive"),
];

/// What is usually not counted.
pub(super) const ELSEWHERE: &str = "with sandboxes and applications no longer visible";

struct Choice {
    label: Shown,
    /// Findings with this value; after a `+` where they come on top of those of others.
    count: String,
    link: String,
    is_chosen: bool,
}

struct Group {
    name: &'static str,
    id: &'static str,
    choices: Vec<Choice>,
    more: Vec<Choice>,
    /// Something among the rest is chosen.
    is_unfolded: bool,
}

struct Row {
    severity: String,
    state: String,
    title: Shown,
    link: String,
    place: Shown,
    application: Shown,
    application_link: String,
    scan_type: Shown,
    weakness: String,
    first_found: Option<Moment>,
}

#[derive(Template)]
#[template(path = "findings.html")]
struct Page {
    frame: Frame,
    filter: String,
    /// The filter as links write it.
    written: String,
    complaint: Option<(String, String)>,
    total: String,
    counted: String,
    /// The same findings in more or in fewer places: how many, where, and the list of them.
    elsewhere: Option<(String, &'static str, String)>,
    conditions: Vec<(Shown, String)>,
    groups: Vec<Group>,
    rows: Vec<Row>,
    place: String,
    around: Around,
    exports: [(&'static str, String); 2],
    examples: Vec<(&'static str, String)>,
    fields: String,
}

pub(super) async fn list(
    State(inner): State<Inner>,
    reader: Reader,
    query: Query,
) -> Result<Response, Stop> {
    let asked = Asked::listed(&query, reader.visitor.now_ms).known(&inner.store).await?;
    let words = query.get("words").map(str::trim).filter(|words| !words.is_empty());
    if let (Some(words), None) = (words, &asked.complaint) {
        let words = words.chars().take(MAX_WORDS_CHARS).collect();
        let (operator, values) = (Operator::Like, vec![Value::Text(words)]);
        let more = Expression::Is(Filter { field: Field::Text, operator, values });
        return Ok(go(&findings(&Expression::all([asked.expression, more]))));
    }
    let is_readable = asked.complaint.is_none();
    let expression = asked.expression;
    let store = &inner.store;
    let total = match is_readable {
        true => store.count_findings(expression.clone()).await?,
        false => 0,
    };
    let pages = Pages::read(&query, PAGE, total);
    let (rows, groups) = match is_readable {
        true => (rows(store, &expression, &pages).await?, groups(store, &expression).await?),
        false => (Vec::new(), Vec::new()),
    };
    let elsewhere = match is_readable {
        true => elsewhere(store, &expression, total).await?,
        false => None,
    };
    let filter = written(&expression);
    let at = |page: &str| findings_page(&expression, page);
    let place = pages.words();
    let numbered = (pages.skipped() + 1..).zip(&rows);
    let page = Page {
        frame: reader.visitor.frame("Findings", "/findings").about(&filter),
        complaint: asked.complaint.map(|complaint| super::web::cause_and_fix(&complaint)),
        total: grouped(total),
        counted: Population::of(&expression).map(|of| of.to_string()).unwrap_or_default(),
        elsewhere,
        conditions: conditions(&expression),
        groups,
        rows: numbered.map(|(at, row)| shown(row, in_list(row, &filter, at))).collect(),
        place,
        around: pages.around(at),
        exports: [
            ("CSV", link("/findings.csv", &[("filter", &filter)])),
            ("NDJSON", link("/findings.ndjson", &[("filter", &filter)])),
        ],
        examples: EXAMPLES
            .iter()
            .map(|(name, filter)| (*name, link("/findings", &[("filter", filter)])))
            .collect(),
        fields: Field::ALL.map(Field::name).join(", "),
        filter: asked.text,
        written: filter,
    };
    reader.visitor.page(if is_readable { 200 } else { 400 }, &page)
}

async fn rows(
    store: &Store,
    expression: &Expression,
    pages: &Pages,
) -> Result<Vec<FindingRow>, Stop> {
    let skipped = u32::try_from(pages.skipped()).unwrap_or(u32::MAX);
    let filter = expression.clone();
    let after = store.seek_past(filter.clone(), skipped).await?;
    Ok(store.findings(Wanted { filter, limit: PAGE, after, ..Wanted::default() }).await?)
}

/// How many there are where usually nothing is counted, too, or where it usually is; none
/// when these are as many.
async fn elsewhere(
    store: &Store,
    expression: &Expression,
    total: u64,
) -> Result<Option<(String, &'static str, String)>, Stop> {
    let (other, name) = match Population::of(expression) {
        Some(Population { contexts: Contexts::All, sight: Sight::All, .. }) => {
            (Population::USUAL.within(expression), "in the policy context of visible applications")
        }
        Some(Population { contexts: Contexts::Policy, sight: Sight::Visible, .. }) => {
            (Population::STORED.within(expression), ELSEWHERE)
        }
        _ => (Population::STORED.within(expression), "in all contexts, of all applications"),
    };
    let count = store.count_findings(other.clone()).await?;
    Ok((count != total).then(|| (grouped(count), name, findings(&other))))
}

/// Each condition as it is written, with the filter that lacks it. Not those of what is
/// usually counted: facets hold them.
fn conditions(expression: &Expression) -> Vec<(Shown, String)> {
    let (parts, usual) = (expression.conjuncts(), Population::OPEN.filter());
    let without = |at: usize| {
        let rest = parts.iter().enumerate().filter(|(other, _)| *other != at);
        Expression::all(rest.map(|(_, part)| part.clone()))
    };
    (0..parts.len())
        .filter(|at| !usual.conjuncts().contains(&parts[*at]))
        .map(|at| (Shown::cut(&parts[at].to_string(), 120), findings(&without(at))))
        .collect()
}

/// All facets, at once.
async fn groups(store: &Store, expression: &Expression) -> Result<Vec<Group>, Stop> {
    let asked = FACETS.map(|(field, name)| async move {
        let facet = Facet::of(expression, field);
        let mut rows = store.facet(facet.rest(), field, VALUES).await?;
        if field == Field::Severity {
            rows.sort_by(|one, other| other.value.cmp(&one.value));
        }
        let choices = rows.iter().filter_map(|row| {
            let (is_chosen, toggled) = facet.toggled(&row.value)?;
            let sign = if facet.is_narrowed() && !is_chosen { "+" } else { "" };
            Some(Choice {
                label: Shown::cut(&label(field, row), 60),
                count: format!("{sign}{}", grouped(row.count)),
                link: findings(&toggled),
                is_chosen,
            })
        });
        let mut choices: Vec<_> = choices.collect();
        // A single value that narrows nothing says nothing.
        let is_usual = facet.is_of(&Population::OPEN.filter());
        let is_worth_it = choices.len() > 1 || (facet.is_narrowed() && !is_usual);
        let is_long = choices.len() > MAX_SHOWN;
        let more = if is_long { choices.split_off(SHOWN) } else { Vec::new() };
        let is_unfolded = more.iter().any(|choice| choice.is_chosen);
        let group = Group { name, id: field.name(), choices, more, is_unfolded };
        Ok::<_, Stop>(is_worth_it.then_some(group))
    });
    Ok(try_join_all(asked).await?.into_iter().flatten().collect())
}

/// What a value is called where there is little room.
pub(super) fn label(field: Field, row: &FacetRow) -> String {
    match (field, row.label.as_str()) {
        (Field::ViolatesPolicy, "true") => "yes".to_owned(),
        (Field::ViolatesPolicy, "false") => "no".to_owned(),
        (Field::Visible, "true") => "visible".to_owned(),
        (Field::Visible, "false") => "no longer visible".to_owned(),
        (Field::Context, label) => short_context(label),
        (_, label) => label.to_owned(),
    }
}

/// A sandbox by the beginning of its guid.
pub(super) fn short_context(label: &str) -> String {
    match label.split_once(':') {
        Some(("sandbox", guid)) => format!("sandbox {}", guid.chars().take(8).collect::<String>()),
        _ => label.to_owned(),
    }
}

fn shown(row: &FindingRow, link: String) -> Row {
    let finding = &row.finding;
    let application = finding.application.as_str();
    Row {
        severity: severity(finding.severity.level()),
        state: state(finding.state),
        title: Shown::cut(&finding.title, 160),
        link,
        place: Shown::cut(&place(finding), 160),
        application: Shown::cut(&row.application_name, 60),
        application_link: query::application(&row.integration, application),
        scan_type: Shown::cut(finding.scan_type.as_str(), 20),
        weakness: finding.cwe.as_ref().map(|cwe| format!("CWE-{}", cwe.id)).unwrap_or_default(),
        first_found: finding.first_found_ms.map(Moment),
    }
}

/// Where a finding is, in one line.
pub(super) fn place(finding: &Finding) -> String {
    let location = &finding.location;
    let component = finding.component.as_ref();
    match (&location.file, location.line, &location.url, component) {
        (Some(file), Some(line), ..) => format!("{file}:{line}"),
        (Some(file), None, ..) => file.clone(),
        (None, _, Some(url), _) => url.clone(),
        (None, _, None, Some(component)) => {
            let version = component.version.as_deref().unwrap_or_default();
            format!("{} {version}", component.name.as_deref().unwrap_or(&component.id))
        }
        _ => location.module.clone().or_else(|| location.place.clone()).unwrap_or_default(),
    }
}
