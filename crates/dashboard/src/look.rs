//! Small pieces that several pages share.

use countersign_findings::Severity;
use countersign_store::LastCheck;
use countersign_web::moment::Moment;

use super::text::Shown;
use crate::chart::{self, Chart, Label, Look, Series};
pub(super) use countersign_text::grouped;

/// A severity as a number in its colour and its name, as HTML.
pub(super) fn severity(level: u8) -> String {
    let name = severity_name(level);
    format!(
        "<span class=\"severity s{level}\"><b aria-hidden=\"true\">{level}</b><span>{name}</span></span>"
    )
}

pub(super) fn severity_name(level: u8) -> &'static str {
    Severity::new(level.into()).map_or("Unknown", Severity::name)
}

/// A state with its sign, as HTML.
pub(super) fn state(state: &str) -> String {
    let word = state.replace('_', " ");
    format!("<span class=\"state {}\">{}</span>", chart::escaped(state), chart::escaped(&word))
}

/// Verdict of a policy as a tag, as HTML.
pub(super) fn verdict(verdict: Option<&str>) -> String {
    let verdict = verdict.unwrap_or("NOT_ASSESSED");
    let (class, sign) = match verdict {
        "PASSED" => (" good", "✓ "),
        "DID_NOT_PASS" => (" bad", "✗ "),
        "CONDITIONAL_PASS" => (" warn", "~ "),
        _ => ("", ""),
    };
    let words = Shown::cut(&verdict_in_words(verdict), 40);
    format!("<span class=\"tag{class}\">{sign}{words}</span>")
}

pub(super) fn verdict_in_words(verdict: &str) -> String {
    match verdict {
        "CONDITIONAL_PASS" => "passed with conditions".to_owned(),
        other => other.replace('_', " ").to_lowercase(),
    }
}

/// Open findings by severity in words, the worst first.
pub(super) fn in_words(open: &[u64; 6]) -> String {
    let parts: Vec<_> = (0..=5_u8)
        .rev()
        .filter(|level| open[usize::from(*level)] > 0)
        .map(|level| format!("{} {}", grouped(open[usize::from(level)]), severity_name(level)))
        .collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

/// Open findings by severity over time.
pub(super) fn open_over_time(id: &'static str, labels: Vec<Label>, days: &[[u64; 6]]) -> String {
    let last = days.last().copied().unwrap_or_default();
    let first = days.first().copied().unwrap_or_default();
    let sum = |open: [u64; 6]| open.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
    let chart = Chart {
        id,
        title: "Open findings by severity".into(),
        description: format!(
            "From {} open findings at the beginning to {} at the end: {}.",
            grouped(sum(first)),
            grouped(sum(last)),
            in_words(&last)
        ),
        axis: "Day",
        labels,
        series: (0..=5_u8)
            .map(|level| Series {
                name: severity_name(level).to_owned(),
                look: Look::Severity(level),
                values: days.iter().map(|open| open[usize::from(level)]).collect(),
            })
            .collect(),
    };
    chart::figure(&chart, chart::Shape::Stacked)
}

/// What the last look at the store found damaged.
pub(super) struct Damage {
    pub(super) count: String,
    pub(super) first: Shown,
    pub(super) at: Moment,
    pub(super) is_mendable: bool,
}

impl Damage {
    /// None where all is well, or nobody has looked.
    pub(super) fn of(last: Option<LastCheck>) -> Option<Self> {
        let last = last.filter(|last| last.problems > 0)?;
        Some(Self {
            count: match last.problems {
                1 => "1 problem".into(),
                count => format!("{} problems", grouped(count)),
            },
            first: Shown::cut(last.first.as_deref().unwrap_or_default(), 400),
            at: Moment(last.at_ms),
            is_mendable: last.is_mended_by_full_sync,
        })
    }
}
