//! All applications, and one.

use std::cmp::Reverse;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use countersign_findings::filter::Field;
use countersign_findings::{Population, Sight};
use countersign_store::{ApplicationRow, Scope};

use super::filters::{all, findings};
use super::findings::short_context;
use super::inner::Inner;
use super::look::{grouped, in_words, verdict};
use super::overview::{
    Bar, Counted, Figure, Fixed, Legend, Shares, ageing, figures, fixing, spans, tops,
};
use super::query::{self, Query, link};
use super::text::Shown;
use super::trend::{self, Trend};
use super::web::{Frame, Reader, Stop};
use crate::chart;
use countersign_web::moment::{Moment, from_now};

const PAGE: usize = 50;
const MAX_PAGE: usize = 100_000;
/// Contexts that one page names.
const CONTEXTS: u32 = 20;

/// What the list is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Name,
    Worst,
    Open,
    Criticality,
    Policy,
    Scanned,
}

impl Order {
    const ALL: [(Self, &'static str, &'static str); 6] = [
        (Self::Name, "name", "Application"),
        (Self::Criticality, "criticality", "Criticality"),
        (Self::Policy, "policy", "Policy"),
        (Self::Worst, "worst", "Very High and High"),
        (Self::Open, "open", "Open"),
        (Self::Scanned, "scanned", "Last scan"),
    ];

    fn read(query: &Query) -> Self {
        let word = query.get("sort").unwrap_or("worst");
        Self::ALL
            .iter()
            .find(|(_, name, _)| *name == word)
            .map_or(Self::Worst, |(order, ..)| *order)
    }

    fn sort(self, rows: &mut [ApplicationRow]) {
        let total = |row: &ApplicationRow| row.open.iter().sum::<u64>();
        match self {
            Self::Name => rows.sort_by_cached_key(|row| row.application.name.to_lowercase()),
            Self::Worst => rows.sort_by_key(|row| {
                let open = row.open;
                Reverse((open[5], open[4], open[3], open[2]))
            }),
            Self::Open => rows.sort_by_key(|row| Reverse(total(row))),
            Self::Criticality => rows.sort_by_key(|row| {
                let words = ["VERY_HIGH", "HIGH", "MEDIUM", "LOW", "VERY_LOW"];
                let own = row.application.business_criticality.as_deref();
                words.iter().position(|word| own == Some(*word)).unwrap_or(words.len())
            }),
            Self::Policy => rows.sort_by_key(|row| {
                let words = ["DID_NOT_PASS", "CONDITIONAL_PASS", "NOT_ASSESSED", "PASSED"];
                let own = row.application.policy_compliance.as_deref();
                words.iter().position(|word| own == Some(*word)).unwrap_or(words.len())
            }),
            Self::Scanned => rows.sort_by_key(|row| Reverse(row.application.last_scan_ms)),
        }
    }
}

/// The words for which applications are listed, in addresses and for people.
const SIGHTS: [(Sight, &str, &str); 3] = [
    (Sight::Visible, "", "visible"),
    (Sight::Gone, "false", "no longer visible"),
    (Sight::All, "any", "visible or not"),
];

/// Which applications a list has.
struct Wanted {
    /// In small letters.
    name: String,
    policy: String,
    sight: Sight,
}

impl Wanted {
    /// Whether one is, as far as name and verdict go.
    fn has(&self, row: &ApplicationRow) -> bool {
        let application = &row.application;
        let verdict = application.policy_compliance.as_deref().unwrap_or("NOT_ASSESSED");
        (self.policy.is_empty() || verdict == self.policy)
            && (self.name.is_empty() || application.name.to_lowercase().contains(&self.name))
    }

    fn sees(sight: Sight, row: &ApplicationRow) -> bool {
        match sight {
            Sight::Visible => !row.gone,
            Sight::Gone => row.gone,
            Sight::All => true,
        }
    }
}

struct Column {
    label: &'static str,
    link: String,
    is_sorted: bool,
    is_number: bool,
}

struct Row {
    name: Shown,
    link: String,
    unit: Shown,
    integration: Shown,
    is_gone: bool,
    is_incomplete: bool,
    criticality: Shown,
    verdict: String,
    very_high: String,
    high: String,
    open: String,
    bar: String,
    words: String,
    scanned: Option<Moment>,
}

#[derive(Template)]
#[template(path = "applications.html")]
struct List {
    frame: Frame,
    name: String,
    policy: String,
    sort: String,
    sights: Vec<(&'static str, &'static str, bool)>,
    /// What the list has, and what there is beside it: how many, of what, and where.
    listed: &'static str,
    elsewhere: Vec<(String, &'static str, String)>,
    counted: String,
    columns: Vec<Column>,
    rows: Vec<Row>,
    total: String,
    before: Option<String>,
    after: Option<String>,
}

pub(super) async fn list(
    State(inner): State<Inner>,
    reader: Reader,
    query: Query,
) -> Result<Response, Stop> {
    let order = Order::read(&query);
    let cut =
        |name: &str| -> String { query.get(name).unwrap_or_default().chars().take(200).collect() };
    let (name, policy) = (cut("name"), cut("policy"));
    let asked = query.get("visible").unwrap_or_default();
    let (sight, seen, listed) =
        SIGHTS.into_iter().find(|(_, word, _)| *word == asked).unwrap_or(SIGHTS[0]);
    let sort = Order::ALL.iter().find(|(one, ..)| *one == order).map_or("", |(_, word, _)| word);
    let number = query.get("page").and_then(|page| page.parse::<usize>().ok()).unwrap_or(1);
    let number = number.clamp(1, MAX_PAGE);
    let wanted = Wanted { name: name.to_lowercase(), policy: policy.clone(), sight };
    let mut rows = inner.store.applications().await?;
    rows.retain(|row| wanted.has(row));
    let at = |sight: &str, sort: &str, page: usize| {
        let page = if page > 1 { page.to_string() } else { String::new() };
        let (name, policy) = (name.as_str(), policy.as_str());
        let own = [("name", name), ("policy", policy), ("visible", sight), ("sort", sort)];
        link("/applications", &[own.as_slice(), &[("page", &page)]].concat())
    };
    let elsewhere = SIGHTS.into_iter().filter_map(|(other, word, label)| {
        let count = rows.iter().filter(|row| Wanted::sees(other, row)).count();
        let is_told = other != sight && count > 0;
        is_told.then(|| (grouped(count as u64), label, at(word, sort, 1)))
    });
    let elsewhere: Vec<_> = elsewhere.collect();
    rows.retain(|row| Wanted::sees(wanted.sight, row));
    order.sort(&mut rows);
    let (total, first) = (rows.len(), (number - 1) * PAGE);
    let most = rows.iter().map(|row| row.open.iter().sum()).max().unwrap_or_default();
    let columns = Order::ALL.map(|(one, word, label)| Column {
        label,
        link: at(seen, word, 1),
        is_sorted: one == order,
        is_number: matches!(one, Order::Worst | Order::Open),
    });
    let page = List {
        frame: reader.visitor.frame("Applications", "/applications"),
        columns: columns.into(),
        rows: rows.iter().skip(first).take(PAGE).map(|row| shown(row, most)).collect(),
        total: grouped(total as u64),
        before: (number > 1).then(|| at(seen, sort, number - 1)),
        after: (total > first + PAGE).then(|| at(seen, sort, number + 1)),
        sort: sort.to_owned(),
        sights: SIGHTS.map(|(one, word, label)| (word, label, one == sight)).into(),
        listed,
        elsewhere,
        counted: Population::OPEN.in_sight(sight).to_string(),
        name,
        policy,
    };
    reader.visitor.page(200, &page)
}

fn shown(row: &ApplicationRow, most: u64) -> Row {
    let application = &row.application;
    let word = |text: &Option<String>| Shown::cut(text.as_deref().unwrap_or("–"), 60);
    let criticality = application.business_criticality.as_deref().unwrap_or("–");
    Row {
        name: Shown::cut(&application.name, 120),
        link: query::application(&row.integration, application.guid.as_str()),
        unit: word(&application.business_unit),
        integration: Shown::new(&row.integration),
        is_gone: row.gone,
        is_incomplete: row.incomplete.is_some(),
        criticality: Shown::new(&criticality.replace('_', " ").to_lowercase()),
        verdict: verdict(application.policy_compliance.as_deref()),
        very_high: grouped(row.open[5]),
        high: grouped(row.open[4]),
        open: grouped(row.open.iter().sum()),
        bar: chart::share(&row.open, most),
        words: in_words(&row.open),
        scanned: application.last_scan_ms.map(Moment),
    }
}

#[derive(Template)]
#[template(path = "application.html")]
struct One {
    frame: Frame,
    name: Shown,
    verdict: String,
    policy: Shown,
    facts: Vec<(&'static str, Shown)>,
    read: Option<(Moment, String)>,
    is_gone: bool,
    incomplete: Option<Shown>,
    figures: Vec<Figure>,
    legend: Legend,
    spans: Vec<(u16, String, bool)>,
    trend: Trend,
    ageing: Vec<Shares>,
    fixing: Vec<Fixed>,
    cwes: Vec<Bar>,
    components: Vec<Bar>,
    contexts: Vec<Bar>,
    findings: String,
    changes: String,
}

pub(super) async fn show(
    State(inner): State<Inner>,
    reader: Reader,
    Path((integration, guid)): Path<(String, String)>,
    query: Query,
) -> Result<Response, Stop> {
    let now_ms = reader.visitor.now_ms;
    let span = trend::span(&query);
    let rows = inner.store.applications().await?;
    let row = rows
        .into_iter()
        .find(|row| row.integration == integration && row.application.guid.as_str() == guid)
        .ok_or(Stop::NotFound)?;
    let scope = Scope::Application { integration: integration.clone(), guid: guid.clone() };
    let sight = if row.gone { Sight::Gone } else { Sight::Visible };
    let own = [(Field::Application, guid.as_str())];
    let counted = Counted { population: scope.population().in_sight(sight), within: &own };
    let overview = inner.store.overview(scope.clone(), now_ms).await?;
    let trend = trend::trend(&inner.store, scope, span, now_ms).await?;
    let contexts = inner.store.facet(all(&own), Field::Context, CONTEXTS).await?;
    let application = &row.application;
    let here = query::application(&integration, &guid);
    let page = One {
        frame: reader
            .visitor
            .frame(&application.name, "/applications")
            .below(vec![(Shown::new("Applications"), "/applications".to_owned())]),
        name: Shown::cut(&application.name, 200),
        verdict: verdict(application.policy_compliance.as_deref()),
        policy: Shown::new(application.policy.as_deref().unwrap_or("no policy")),
        facts: facts(&row, now_ms),
        read: row.read_ms.map(|ms| (Moment(ms), from_now(ms, now_ms))),
        is_gone: row.gone,
        incomplete: row.incomplete.as_deref().map(|why| Shown::cut(why, 500)),
        figures: figures(&overview, counted),
        legend: Legend::of(&inner.store, counted, &overview).await?,
        spans: spans(&here, span),
        trend,
        ageing: ageing(&overview),
        fixing: fixing(&overview),
        cwes: tops(&overview.cwes, Field::Cwe, counted),
        components: tops(&overview.components, Field::Component, counted),
        contexts: contexts
            .iter()
            .map(|context| Bar {
                label: Shown::cut(&short_context(&context.label), 60),
                link: findings(&all(&[own[0], (Field::Context, context.value.as_str())])),
                count: grouped(context.count),
                bar: String::new(),
            })
            .collect(),
        findings: findings(&all(&own)),
        changes: link("/changes", &[("integration", &integration), ("application", &guid)]),
    };
    reader.visitor.page(200, &page)
}

fn facts(row: &ApplicationRow, now_ms: i64) -> Vec<(&'static str, Shown)> {
    let application = &row.application;
    let criticality =
        application.business_criticality.as_ref().map(|word| word.replace('_', " ").to_lowercase());
    let list = |words: &[String]| (!words.is_empty()).then(|| words.join(", "));
    let time = |ms: Option<i64>| ms.map(|ms| Shown::moment(Moment(ms), now_ms));
    let text = |text: Option<String>| text.map(|text| Shown::cut(&text, 300));
    [
        ("Business unit", text(application.business_unit.clone())),
        ("Criticality", text(criticality)),
        ("Teams", text(list(&application.teams))),
        ("Tags", text(list(&application.tags))),
        ("Last scan", time(application.last_scan_ms)),
        ("Policy checked", time(application.policy_checked_ms)),
        ("Changed", time(application.modified_ms)),
        ("Integration", text(Some(row.integration.clone()))),
        ("Guid", text(Some(application.guid.to_string()))),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}
