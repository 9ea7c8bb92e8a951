//! What a run did, in the shape that `sync --json` promises.

use countersign_store::{Change, ChangeKind, Held};
use serde::{Deserialize, Serialize};

use super::audit::{Missed, Saving};

/// The outcome of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Applications.
    pub applications: ApplicationCounts,
    /// Findings.
    pub findings: FindingCounts,
    /// What the audit of this run found; none where the run had none.
    pub audit: Option<AuditCounts>,
    /// What the Reporting API named; none where it was not asked.
    pub hint: Option<HintCounts>,
    /// Findings that are different in applications of the sweep.
    #[serde(skip)]
    pub swept_different: u64,
    /// Requests sent, retries included.
    pub requests: u64,
    /// Requests that repeated a failed one.
    pub retries: u64,
    /// Wall-clock time in milliseconds.
    pub duration_ms: u64,
    /// Rows written to the store.
    pub rows_written: u64,
    /// Whether everything that the pair may see was read and reconciled.
    pub complete: bool,
    /// Why not, one entry for each cause.
    pub problems: Vec<Problem>,
}

impl Report {
    /// When the Reporting API was asked, if what it named was read: else the next run has it
    /// named again.
    pub(crate) fn hinted_ms(&self) -> Option<i64> {
        let hint = self.hint.as_ref().filter(|hint| self.complete && hint.problem.is_none())?;
        Some(hint.asked_ms)
    }

    /// Whether it would have closed more than is believed.
    pub fn is_held_back(&self) -> bool {
        self.findings.held_back > 0 || self.applications.held_back > 0
    }
}

/// Applications of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ApplicationCounts {
    /// In the service's list.
    pub listed: u64,
    /// Read, and something about them or their findings was different.
    pub changed: u64,
    /// Read and found the same, or not read because their dates had not moved.
    pub unchanged: u64,
    /// Of these, not read because their dates had not moved.
    pub skipped: u64,
    /// Known to the store and no longer in the list.
    pub gone: u64,
    /// No longer in the list, and left as they were: too many at once.
    pub held_back: u64,
}

/// What incremental reading would have missed, by the applications that an audit read
/// completely.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct AuditCounts {
    /// Applications that it had to read.
    #[serde(skip)]
    pub planned: u64,
    /// Applications that it read.
    pub applications: u64,
    /// Findings that are different although the dates of their application had not moved.
    pub missed_by_dates: u64,
    /// Findings in lists that the record of their application says are empty.
    pub missed_by_scans: u64,
}

impl AuditCounts {
    /// Findings that incremental reading would have missed; none are expected.
    pub fn missed(&self) -> u64 {
        self.missed_by_dates + self.missed_by_scans
    }

    /// `1 application read completely, no finding missed`.
    pub fn words(applications: u64, missed: u64) -> String {
        let applications = match applications {
            1 => "1 application".to_owned(),
            count => format!("{count} applications"),
        };
        let missed = match missed {
            0 => "no finding".to_owned(),
            1 => "1 finding".to_owned(),
            count => format!("{count} findings"),
        };
        format!("{applications} read completely, {missed} missed")
    }

    /// Whether it says something: that nothing is missed is known only once all was read.
    pub(crate) fn is_done(&self) -> bool {
        self.missed() > 0 || self.applications == self.planned
    }

    /// Counts one application; one that was not read to its end as far as it came.
    pub(crate) fn count(&mut self, saving: Saving, is_read: bool, different: u64, unexpected: u64) {
        let missed = Missed::of(saving, different, unexpected);
        self.applications += u64::from(is_read);
        self.missed_by_dates += missed.by_dates;
        self.missed_by_scans += missed.by_scans;
    }
}

/// What the Reporting API named, and what came of it. What is stored was read from the
/// applications themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HintCounts {
    /// Applications that it named.
    pub named: u64,
    /// Of these, those that were read for it: no date of theirs had moved.
    pub read: u64,
    /// Of these, those in which something was different.
    pub changed: u64,
    /// Why there was no report; the run went on without it.
    pub problem: Option<String>,
    /// When it was asked.
    #[serde(skip)]
    pub asked_ms: i64,
}

/// Findings of the applications that a run read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingCounts {
    /// Never seen before.
    pub new: u64,
    /// Seen before, and now different.
    pub changed: u64,
    /// Closed before, and open now.
    pub reopened: u64,
    /// Open before, and now closed or no longer reported.
    pub closed: u64,
    /// As they were.
    pub unchanged: u64,
    /// Would have been closed, and stayed as they were: too many at once without a scan.
    pub held_back: u64,
    /// Kept raw because they could not be read.
    pub undecodable: u64,
    /// Findings in the store for this integration, after the run, of which some member
    /// could not be read and was left out.
    pub noted: u64,
    /// Of all these, those that were damaged in the store and are written anew.
    pub mended: u64,
    /// Findings in the store for this integration, after the run.
    pub total: u64,
}

impl FindingCounts {
    /// Adds another application's counts; `total` and `noted` are no sums and stay.
    pub(crate) fn add(&mut self, other: &Self) {
        self.new += other.new;
        self.changed += other.changed;
        self.reopened += other.reopened;
        self.closed += other.closed;
        self.held_back += other.held_back;
        self.unchanged += other.unchanged;
        self.undecodable += other.undecodable;
        self.mended += other.mended;
    }

    /// Counts one finding: as it was held, and the change of it.
    pub(crate) fn count(&mut self, held: Option<Held>, change: Option<&Change>) {
        self.mended += u64::from(held.is_some_and(|held| held.is_damaged()));
        match change.map(|change| change.kind) {
            Some(ChangeKind::New) => self.new += 1,
            Some(ChangeKind::Changed) => self.changed += 1,
            Some(ChangeKind::Reopened) => self.reopened += 1,
            Some(ChangeKind::Closed) => self.closed += 1,
            None => self.unchanged += 1,
        }
    }

    /// Findings that are different from the run before.
    pub(crate) fn different(&self) -> u64 {
        self.new + self.changed + self.reopened + self.closed
    }

    /// Whether anything is different from the run before.
    pub(crate) fn is_different(&self) -> bool {
        self.different() + self.undecodable > 0
    }
}

/// One reason why a run is not complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Guid of the application, unless the whole run is concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// What happened.
    pub reason: String,
}
