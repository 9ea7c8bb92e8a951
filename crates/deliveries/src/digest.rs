//! What a message says of changes, in words of this program, and how long foreign words in it
//! may be. Receivers put it into their own forms.

use countersign_findings::{Severity, State, rfc3339};
use countersign_store::{ChangeKind, Reason};
use countersign_text::grouped;
use serde::Deserialize;

use crate::receiver::{Bundle, Digest, Event, Worst};

/// Characters of a title.
pub(crate) const TITLE: usize = 200;
/// Characters of a name.
pub(crate) const NAME: usize = 100;
/// Characters of a place, and of a sentence about a change.
pub(crate) const PLACE: usize = 200;
/// Findings in a summary.
pub(crate) const WORST: usize = 10;
/// Applications in a summary.
const APPLICATIONS: usize = 10;
/// Sentences about one change.
const SENTENCES: usize = 5;
/// What says that it is a test.
pub(crate) const TEST: &str = "This is a test of countersign";
const HOUR_MS: i64 = 3_600_000;

/// What a message is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Messages {
    /// Everything since the last message.
    #[default]
    Digest,
    /// One change.
    Single,
}

/// How much goes into a message.
pub(crate) fn bundle(messages: Messages, every_hours: u32) -> Bundle {
    match messages {
        Messages::Digest => Bundle::Digest { every_ms: i64::from(every_hours) * HOUR_MS },
        Messages::Single => Bundle::Changes(1),
    }
}

/// Hours between two summaries, unless set otherwise.
pub(crate) fn daily() -> u32 {
    24
}

/// Refuses what is no time between two summaries.
pub(crate) fn check_hours(every_hours: u32) -> Result<(), String> {
    match every_hours {
        1..=720 => Ok(()),
        hours => Err(format!("`every_hours` is {hours}\nhint: give a number from 1 to 720")),
    }
}

/// The service's word for a severity.
pub(crate) fn severity(level: u8) -> &'static str {
    Severity::new(level.into()).map_or("Unknown", Severity::name)
}

/// `3 findings opened, 1 reopened, 2 closed`.
pub(crate) fn headline(digest: &Digest) -> String {
    let counts = [
        (total(&digest.opened), "opened"),
        (total(&digest.reopened), "reopened"),
        (total(&digest.closed), "closed"),
        (digest.changed, "changed"),
    ];
    let said: Vec<_> = counts.into_iter().filter(|(count, _)| *count > 0).collect();
    let words = said.iter().enumerate().map(|(at, (count, what))| match (at, count) {
        (0, 1) => format!("1 finding {what}"),
        (0, count) => format!("{} findings {what}", grouped(*count)),
        (_, count) => format!("{} {what}", grouped(*count)),
    });
    let words = words.collect::<Vec<_>>().join(", ");
    if words.is_empty() { "No changes".to_owned() } else { words }
}

/// Of each kind of change what it is called, and how many there were.
pub(crate) fn facts(digest: &Digest) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("Opened", by_severity(&digest.opened)),
        ("Reopened", by_severity(&digest.reopened)),
        ("Closed", by_severity(&digest.closed)),
    ];
    facts.push(("Changed otherwise", grouped(digest.changed)));
    facts
}

fn total(counts: &[u64; 6]) -> u64 {
    counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
}

/// `3 (1 Very High, 2 Medium)`.
fn by_severity(counts: &[u64; 6]) -> String {
    let each = (0..6_u8).rev().zip(counts.iter().rev()).filter(|(_, count)| **count > 0);
    let each: Vec<_> =
        each.map(|(level, count)| format!("{} {}", grouped(*count), severity(level))).collect();
    match each.is_empty() {
        true => "0".to_owned(),
        false => format!("{} ({})", grouped(total(counts)), each.join(", ")),
    }
}

/// `2026-01-02 03:04 to 2026-01-03 03:04 UTC`.
pub(crate) fn period(digest: &Digest) -> String {
    let (from, to) = (minute(digest.at_ms.0), minute(digest.at_ms.1));
    if from == to { format!("{to} UTC") } else { format!("{from} to {to} UTC") }
}

fn minute(ms: i64) -> String {
    rfc3339(ms).replacen('T', " ", 1).chars().take(16).collect()
}

/// The worst of those that are open, never more than a message has room for.
pub(crate) fn worst(digest: &Digest) -> &[Worst] {
    &digest.worst[..digest.worst.len().min(WORST)]
}

/// Applications, with how many opened.
pub(crate) fn applications(digest: &Digest) -> &[(String, u64)] {
    &digest.applications[..digest.applications.len().min(APPLICATIONS)]
}

/// What happened to a finding.
pub(crate) fn happened(event: &Event<'_>) -> &'static str {
    match (event.change.kind, event.row.finding.state) {
        (ChangeKind::New, State::Open) => "New finding",
        (ChangeKind::New, _) => "New finding, not open",
        (ChangeKind::Reopened, _) => "Finding reopened",
        (ChangeKind::Changed | ChangeKind::Closed, _)
            if event.change.reason == Some(Reason::Vanished) =>
        {
            "Finding no longer reported"
        }
        (ChangeKind::Changed, _) => "Finding changed",
        (ChangeKind::Closed, State::Mitigated) => "Finding mitigated",
        (ChangeKind::Closed, State::FalsePositive) => "Finding is a false positive",
        (ChangeKind::Closed, _) => "Finding fixed",
    }
}

/// What is different, in a few sentences.
pub(crate) fn sentences(event: &Event<'_>) -> Vec<String> {
    let mut sentences = event.change.sentences();
    sentences.truncate(SENTENCES);
    sentences
}
