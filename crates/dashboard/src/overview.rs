//! Where everything stands: the first page.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use countersign_findings::Population;
use countersign_findings::filter::{Expression, Field};
use countersign_store::{AtRisk, FacetRow, Overview, Scope, Store};

use super::filters::{all, findings};
use super::findings::ELSEWHERE;
use super::inner::Inner;
use super::look::{Damage, Verdict, grouped, in_words, severity, severity_name, verdict};
use super::query::{self, Query, link};
use super::text::Shown;
use super::trend::{self, SPANS, Trend};
use super::web::{Frame, Reader, Stop};
use crate::chart;
use countersign_web::moment::span as in_time;

/// A number and where it leads.
pub(super) struct Figure {
    pub(super) label: String,
    pub(super) number: String,
    pub(super) link: String,
    pub(super) class: String,
}

/// What the numbers of a page count: the findings of a population that also meet these
/// conditions. Every link behind a number is made here.
#[derive(Clone, Copy)]
pub(super) struct Counted<'a> {
    pub(super) population: Population,
    pub(super) within: &'a [(Field, &'a str)],
}

impl Counted<'_> {
    /// Those of them that meet one condition more.
    fn filter(&self, more: &[(Field, &str)]) -> Expression {
        Expression::all([self.population.filter(), all(self.within), all(more)])
    }

    /// The list of those.
    fn link(&self, more: &[(Field, &str)]) -> String {
        findings(&self.filter(more))
    }
}

/// The name of what is counted, and how many there are with what is not.
pub(super) struct Legend {
    pub(super) counted: String,
    pub(super) elsewhere: Option<(String, &'static str, String)>,
}

impl Legend {
    pub(super) async fn of(
        store: &Store,
        counted: Counted<'_>,
        overview: &Overview,
    ) -> Result<Self, Stop> {
        let stored = Population::STORED.within(&counted.filter(&[]));
        let count = store.count_findings(stored.clone()).await?;
        let is_more = count > sum(&overview.open);
        Ok(Self {
            counted: counted.population.to_string(),
            elsewhere: is_more.then(|| (grouped(count), ELSEWHERE, findings(&stored))),
        })
    }
}

/// A row with a bar.
pub(super) struct Bar {
    pub(super) label: Shown,
    pub(super) link: String,
    pub(super) count: String,
    pub(super) bar: String,
}

/// Open findings by severity in a row.
pub(super) struct Shares {
    pub(super) label: Shown,
    pub(super) link: String,
    pub(super) total: String,
    pub(super) worst: [String; 2],
    pub(super) words: String,
    pub(super) bar: String,
    pub(super) verdict: String,
}

/// How long fixing took.
pub(super) struct Fixed {
    pub(super) severity: String,
    pub(super) count: String,
    pub(super) mean: String,
    pub(super) bar: String,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    frame: Frame,
    damage: Option<Damage>,
    is_empty: bool,
    figures: Vec<Figure>,
    legend: Legend,
    spans: Vec<(u16, String, bool)>,
    trend: Trend,
    policy: Vec<Bar>,
    pass_rate: Option<String>,
    scan_types: Vec<Bar>,
    ageing: Vec<Shares>,
    fixing: Vec<Fixed>,
    cwes: Vec<Bar>,
    components: Vec<Bar>,
    at_risk: Vec<Shares>,
}

pub(super) async fn show(
    State(inner): State<Inner>,
    reader: Reader,
    query: Query,
) -> Result<Response, Stop> {
    let now_ms = reader.visitor.now_ms;
    let span = trend::span(&query);
    let scope = Scope::Everything;
    let counted = Counted { population: scope.population(), within: &[] };
    let overview = inner.store.overview(scope, now_ms).await?;
    let trend = trend::trend(&inner.store, Scope::Everything, span, now_ms).await?;
    let legend = Legend::of(&inner.store, counted, &overview).await?;
    let is_empty = overview.applications == 0 && legend.elsewhere.is_none();
    let page = Page {
        frame: reader.visitor.frame("Overview", "/"),
        damage: Damage::of(inner.store.last_check().await?),
        is_empty,
        figures: figures(&overview, counted),
        legend,
        spans: spans("/", span),
        trend,
        pass_rate: pass_rate(&overview),
        policy: policy(&overview),
        scan_types: scan_types(&overview, counted),
        ageing: ageing(&overview),
        fixing: fixing(&overview),
        cwes: tops(&overview.cwes, Field::Cwe, counted),
        components: tops(&overview.components, Field::Component, counted),
        at_risk: at_risk(&overview.at_risk),
    };
    reader.visitor.page(200, &page)
}

pub(super) fn spans(path: &str, chosen: u16) -> Vec<(u16, String, bool)> {
    SPANS.map(|days| (days, link(path, &[("days", &days.to_string())]), days == chosen)).to_vec()
}

/// Open findings in all and by severity.
pub(super) fn figures(overview: &Overview, counted: Counted<'_>) -> Vec<Figure> {
    let total = sum(&overview.open);
    let mut figures = vec![Figure {
        label: "open".into(),
        number: grouped(total),
        link: counted.link(&[]),
        class: String::new(),
    }];
    for level in (0..=5_u8).rev() {
        figures.push(Figure {
            label: severity_name(level).to_owned(),
            number: grouped(overview.open[usize::from(level)]),
            link: counted.link(&[(Field::Severity, &level.to_string())]),
            class: format!("s{level}"),
        });
    }
    figures
}

fn sum(open: &[u64; 6]) -> u64 {
    open.iter().fold(0, |sum, count| sum.saturating_add(*count))
}

fn pass_rate(overview: &Overview) -> Option<String> {
    let counted = |verdict: Verdict<'_>| {
        let mut all = overview.policy.iter();
        all.find(|(name, _)| Verdict::of(name) == verdict).map_or(0, |(_, count)| *count)
    };
    let (passed, failed) = (counted(Verdict::Passed), counted(Verdict::Failed));
    let conditional = counted(Verdict::Conditional);
    let all = passed + failed + conditional;
    (all > 0).then(|| {
        format!(
            "{} % ({} of {} that were assessed)",
            passed * 100 / all,
            grouped(passed),
            grouped(all)
        )
    })
}

fn policy(overview: &Overview) -> Vec<Bar> {
    let most = overview.policy.iter().map(|(_, count)| *count).max().unwrap_or_default();
    let bar = |(name, count): &(String, u64)| {
        let verdict = Verdict::of(name);
        Bar {
            label: Shown::new(&verdict.in_words()),
            link: link("/applications", &[("policy", name)]),
            count: grouped(*count),
            bar: chart::bar(*count, most, verdict.class()),
        }
    };
    overview.policy.iter().map(bar).collect()
}

fn scan_types(overview: &Overview, counted: Counted<'_>) -> Vec<Bar> {
    let row = |(name, count): &(String, u64)| {
        let (value, label, count) = (name.clone(), name.clone(), *count);
        FacetRow { value, label, count }
    };
    let rows: Vec<_> = overview.by_scan_type.iter().map(row).collect();
    tops(&rows, Field::ScanType, counted)
}

pub(super) fn ageing(overview: &Overview) -> Vec<Shares> {
    let most = overview.ageing.iter().map(|age| sum(&age.open)).max().unwrap_or_default();
    let mut from = 0;
    let mut rows = Vec::new();
    for age in &overview.ageing {
        let label = match age.up_to_days {
            Some(days) => format!("{from} to {days} days"),
            None => format!("more than {from} days"),
        };
        from = age.up_to_days.unwrap_or(from);
        rows.push(shares(&label, String::new(), &age.open, most, None));
    }
    rows
}

fn shares(
    label: &str,
    link: String,
    open: &[u64; 6],
    most: u64,
    compliance: Option<&str>,
) -> Shares {
    Shares {
        label: Shown::new(label),
        link,
        total: grouped(sum(open)),
        worst: [grouped(open[5]), grouped(open[4])],
        words: in_words(open),
        bar: chart::share(open, most),
        verdict: verdict(compliance),
    }
}

pub(super) fn fixing(overview: &Overview) -> Vec<Fixed> {
    let ms = |mean_ms: i64| u64::try_from(mean_ms).unwrap_or_default();
    let longest = overview.time_to_fix.iter().map(|fixing| ms(fixing.mean_ms)).max();
    let longest = longest.unwrap_or_default();
    (0..=5_u8)
        .rev()
        .map(|level| {
            let fixing = overview.time_to_fix[usize::from(level)];
            let mean = match fixing.fixed {
                0 => "–".to_owned(),
                _ => in_time(ms(fixing.mean_ms)),
            };
            Fixed {
                severity: severity(level),
                count: grouped(fixing.fixed),
                mean,
                bar: chart::bar(ms(fixing.mean_ms), longest, &format!("s{level}")),
            }
        })
        .collect()
}

/// The most frequent values of a field among open findings.
pub(super) fn tops(rows: &[FacetRow], field: Field, counted: Counted<'_>) -> Vec<Bar> {
    let most = rows.iter().map(|row| row.count).max().unwrap_or_default();
    let bar = |row: &FacetRow| Bar {
        label: Shown::cut(&row.label, 90),
        link: counted.link(&[(field, &row.value)]),
        count: grouped(row.count),
        bar: chart::bar(row.count, most, "cool"),
    };
    rows.iter().map(bar).collect()
}

fn at_risk(rows: &[AtRisk]) -> Vec<Shares> {
    let most = rows.iter().map(|row| sum(&row.open)).max().unwrap_or_default();
    let row = |row: &AtRisk| {
        let link = query::application(&row.integration, &row.guid);
        shares(&row.name, link, &row.open, most, row.policy_compliance.as_deref())
    };
    rows.iter().map(row).collect()
}
