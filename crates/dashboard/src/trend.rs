//! What the overview and the page of an application share: how it came to be.

use countersign_store::{Day, Scope, Store};

use super::look::{grouped, open_over_time};
use super::query::Query;
use super::web::Stop;
use crate::chart::{self, Chart, Label, Look, Series, Shape};
use countersign_web::moment::Moment;

const DAY_MS: i64 = 86_400_000;
/// Bars that are still told apart.
const MAX_BARS: usize = 14;

/// Spans that can be looked at, in days.
pub(super) const SPANS: [u16; 3] = [30, 90, 365];

/// Two charts, as HTML.
pub(super) struct Trend {
    pub(super) open: String,
    pub(super) flow: String,
}

pub(super) fn span(query: &Query) -> u16 {
    let asked = query.get("days").and_then(|days| days.parse().ok());
    asked.filter(|days| SPANS.contains(days)).unwrap_or(90)
}

pub(super) async fn trend(
    store: &Store,
    scope: Scope,
    span: u16,
    now_ms: i64,
) -> Result<Trend, Stop> {
    let today = now_ms.div_euclid(DAY_MS);
    let mut days = store.history(scope, today - i64::from(span) + 1, today).await?;
    // Before the first sync nothing was known: that is not the same as nothing open.
    let before = days.iter().position(|day| *day != Day { day: day.day, ..Day::default() });
    days.drain(..before.unwrap_or(days.len().saturating_sub(1)));
    let labels: Vec<_> = days.iter().map(label).collect();
    let open: Vec<_> = days.iter().map(|day| day.open).collect();
    Ok(Trend { open: open_over_time("open", labels, &open), flow: flow(&days) })
}

fn label(day: &Day) -> Label {
    let moment = Moment(day.day.saturating_mul(DAY_MS));
    Label { short: moment.short_day(), full: moment.day() }
}

/// What came in against what was closed, in as many bars as can be told apart.
fn flow(days: &[Day]) -> String {
    let width = days.len().div_ceil(MAX_BARS).max(1);
    // Counted from today, so that only the oldest bar can be a short one.
    let mut groups: Vec<&[Day]> = days.rchunks(width).collect();
    groups.reverse();
    let sum = |of: fn(&Day) -> u64| -> Vec<u64> {
        groups.iter().map(|group| group.iter().map(of).fold(0, u64::saturating_add)).collect()
    };
    let (came, fixed) = (sum(|day| day.new.saturating_add(day.reopened)), sum(|day| day.fixed));
    let total =
        |values: &[u64]| grouped(values.iter().fold(0, |sum, one| sum.saturating_add(*one)));
    let period = if width == 1 { "day".to_owned() } else { format!("{width} days") };
    let chart = Chart {
        id: "flow",
        title: format!("New and reopened against fixed, by {period}"),
        description: format!(
            "{} came in, {} were fixed. What the first reading of an application brought does not count.",
            total(&came),
            total(&fixed)
        ),
        axis: if width == 1 { "Day" } else { "From" },
        labels: groups.iter().filter_map(|group| group.first()).map(label).collect(),
        series: vec![
            Series { name: "New and reopened".into(), look: Look::Warm, values: came },
            Series { name: "Fixed".into(), look: Look::Cool, values: fixed },
        ],
    };
    chart::figure(&chart, Shape::Bars)
}
