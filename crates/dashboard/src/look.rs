//! Small pieces that several pages share.

use countersign_findings::{Severity, State};
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
pub(super) fn state(state: State) -> String {
    let state = state.as_str();
    format!("<span class=\"state {state}\">{}</span>", state.replace('_', " "))
}

/// What a policy says of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict<'a> {
    Passed,
    Conditional,
    Failed,
    /// Nothing that would be good or bad, by the word of the service.
    Other(&'a str),
}

impl<'a> Verdict<'a> {
    pub(super) fn of(word: &'a str) -> Self {
        match word {
            "PASSED" => Self::Passed,
            "CONDITIONAL_PASS" => Self::Conditional,
            "DID_NOT_PASS" => Self::Failed,
            other => Self::Other(other),
        }
    }

    /// The class of its bar in a chart.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Passed => "cool",
            Self::Conditional => "s3",
            Self::Failed => "s5",
            Self::Other(_) => "s0",
        }
    }

    pub(super) fn in_words(self) -> String {
        match self {
            Self::Passed => "passed".to_owned(),
            Self::Conditional => "passed with conditions".to_owned(),
            Self::Failed => "did not pass".to_owned(),
            Self::Other(word) => word.replace('_', " ").to_lowercase(),
        }
    }
}

/// Verdict of a policy as a tag, as HTML.
pub(super) fn verdict(word: Option<&str>) -> String {
    let verdict = Verdict::of(word.unwrap_or("NOT_ASSESSED"));
    let (class, sign) = match verdict {
        Verdict::Passed => (" good", "✓ "),
        Verdict::Conditional => (" warn", "~ "),
        Verdict::Failed => (" bad", "✗ "),
        Verdict::Other(_) => ("", ""),
    };
    let words = Shown::cut(&verdict.in_words(), 40);
    format!("<span class=\"tag{class}\">{sign}{words}</span>")
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
