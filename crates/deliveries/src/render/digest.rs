//! Builds a summary from changes one after the other, in memory that does not grow with them.

use std::cmp::Reverse;
use std::collections::HashMap;

use countersign_store::{ChangeKind, FindingRow};
use url::Url;

use crate::receiver::{Digest, Event, Worst};
use crate::render::{finding_url, is_open, page, short, title_of};

/// Findings and applications that a summary names.
const NAMED: usize = 10;
/// Applications that are counted at once. Where there are more, those with the fewest open
/// findings so far begin anew.
const COUNTED: usize = 8_192;
/// Characters of a title, a name or a place.
const LINE_CHARS: usize = 200;

/// A summary that is not finished.
#[derive(Debug, Clone)]
pub struct Summing {
    dashboard: Option<Url>,
    digest: Option<Digest>,
    /// By guid: name, and how many opened.
    applications: HashMap<String, (String, u64)>,
}

impl Summing {
    /// One without changes.
    pub fn new(dashboard: Option<Url>) -> Self {
        Self { dashboard, digest: None, applications: HashMap::new() }
    }

    /// Adds a change. They come in the order of the feed.
    pub fn add(&mut self, event: &Event<'_>) {
        let (seq, at_ms) = (event.change.seq, event.change.at_ms);
        let digest = self.digest.get_or_insert_with(|| Digest {
            seq: (seq, seq),
            at_ms: (at_ms, at_ms),
            opened: [0; 6],
            reopened: [0; 6],
            closed: [0; 6],
            changed: 0,
            worst: Vec::new(),
            applications: Vec::new(),
            url: self.dashboard.as_ref().map(|dashboard| page(dashboard, "changes")),
        });
        digest.seq = (digest.seq.0.min(seq), digest.seq.1.max(seq));
        digest.at_ms = (digest.at_ms.0.min(at_ms), digest.at_ms.1.max(at_ms));
        let level = usize::from(event.change.severity.min(5));
        let is_open = is_open(event.row);
        let opens = match event.change.kind {
            ChangeKind::New if is_open => &mut digest.opened[level],
            ChangeKind::Reopened if is_open => &mut digest.reopened[level],
            ChangeKind::Closed => return digest.closed[level] += 1,
            // What was opened and closed since is counted where it was closed.
            _ => return digest.changed += 1,
        };
        *opens += 1;
        keep_worst(&mut digest.worst, self.dashboard.as_ref(), event);
        self.count(event);
    }

    fn count(&mut self, event: &Event<'_>) {
        if self.applications.len() >= COUNTED {
            let mut counts: Vec<_> = self.applications.values().map(|(_, count)| *count).collect();
            let (_, least, _) = counts.select_nth_unstable(COUNTED / 2);
            let least = *least;
            self.applications.retain(|_, (_, count)| *count > least);
        }
        let guid = event.application.guid.to_string();
        let named = || (short(&event.application.name, LINE_CHARS), 0);
        self.applications.entry(guid).or_insert_with(named).1 += 1;
    }

    /// The summary; none without changes.
    pub fn finish(self) -> Option<Digest> {
        let mut digest = self.digest?;
        let mut all: Vec<_> = self.applications.into_iter().collect();
        all.sort_by(|(guid, (_, a)), (other, (_, b))| b.cmp(a).then_with(|| guid.cmp(other)));
        digest.applications = all.into_iter().take(NAMED).map(|(_, counted)| counted).collect();
        Some(digest)
    }
}

/// Ten at most, the most severe first; of equals those that came first.
fn keep_worst(worst: &mut Vec<Worst>, dashboard: Option<&Url>, event: &Event<'_>) {
    let row = event.row;
    let id = row.finding.id.as_str();
    let severity = row.finding.severity.level();
    let is_full = worst.len() >= NAMED;
    let is_mild = worst.last().is_some_and(|last| last.severity >= severity);
    if is_full && is_mild || worst.iter().any(|held| held.id == id) {
        return;
    }
    worst.push(line_of(row, dashboard));
    worst.sort_by_key(|held| Reverse(held.severity));
    worst.truncate(NAMED);
}

/// A finding as a line.
pub(crate) fn line_of(row: &FindingRow, dashboard: Option<&Url>) -> Worst {
    let finding = &row.finding;
    let id = finding.id.to_string();
    Worst {
        severity: finding.severity.level(),
        title: title_of(finding, LINE_CHARS),
        application: short(&row.application_name, LINE_CHARS),
        place: Some(short(&finding.place(), LINE_CHARS)).filter(|place| !place.is_empty()),
        url: dashboard.map(|dashboard| finding_url(dashboard, &id)),
        id,
    }
}
