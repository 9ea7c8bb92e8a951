//! Brings in findings of other scanners: OCSF posture findings, as a program or a command
//! has them.
//!
//! Invariants:
//! - What is brought in is added or updated. What is not in the body stays as it is: nothing
//!   is closed because it is missing. A finding is closed by its own status.
//! - All findings of one application are written in one transaction. A crash at any point
//!   leaves each application as it was or as it is, and the same body again completes it.
//! - The same body twice changes nothing, nor the change feed.
//! - No lock is taken: a sync of another integration and other imports go on meanwhile. Of
//!   two that write to one application, the later one looks at it again.

use std::collections::HashMap;

use countersign_findings::imported::{self, Imported, Named, Refusal};
use countersign_findings::{ApplicationGuid, Context, FindingId, Population};
use countersign_store::{
    ChangeKind, Error as StoreError, IntegrationKind, OwnedIntegration, Put, Reading, RunId,
    RunKind, RunSummary,
};
use sha2::{Digest, Sha256};

use crate::Connector;
use crate::error::{Error, Fault};
use crate::sighted::sighted;
use crate::sync::{FindingCounts, Problem, Report};

/// Findings of one call.
pub const MAX_FINDINGS: usize = 10_000;
/// Findings that are read and compared at once.
const AT_ONCE: usize = 500;
/// Times that an application is looked at again when others write to it.
const TRIES: usize = 10;
/// Refusals in the report of the run, which is kept.
const MOST_PROBLEMS: usize = 100;

/// What became of one finding of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is new.
    Created,
    /// It was there, and is different now: changed, closed or open again.
    Updated,
    /// It was there, and means the same.
    Unchanged,
    /// The body has it once more; the last one counts.
    Superseded {
        /// Where in the body that is, from 0.
        by: usize,
    },
    /// It cannot be a finding.
    Refused(Refusal),
}

/// One finding of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What became of it.
    pub outcome: Outcome,
    /// Its application and its id in the store; none if it was refused.
    pub kept: Option<(ApplicationGuid, FindingId)>,
}

/// What an import did.
#[derive(Debug, Clone)]
pub struct Done {
    /// Each finding, in the order of the body.
    pub items: Vec<Item>,
    /// The whole of it, as the store keeps it of a run.
    pub report: Report,
}

/// The findings of the body that are in one application.
struct Group {
    /// As the last finding has it that says what it is called, or else the last one.
    named: Named,
    members: Vec<usize>,
}

/// What was written of one application.
struct Written {
    counts: FindingCounts,
    outcomes: Vec<(usize, Outcome)>,
    is_different: bool,
    rows: u64,
}

impl Connector {
    /// Brings the OCSF findings of a body into an integration that is for that; each item is
    /// one JSON object, as text. `progress` is told how many are done.
    ///
    /// Fails, with what was written kept, where the integration is of another kind, the body
    /// has more than [`MAX_FINDINGS`], or the store cannot be written to.
    pub async fn import(
        &self,
        integration: &OwnedIntegration,
        body: &[&str],
        progress: &(dyn Fn(usize) + Sync),
    ) -> Result<Done, Error> {
        refuse(integration, body.len())?;
        let (started_ms, store) = (self.now(), &self.store);
        let run = store.begin_run(integration.id, RunKind::Import, started_ms).await?;
        let (mut items, groups) = sort(body);
        let mut report = Report { complete: true, ..Report::default() };
        refusals(&items, &mut report);
        report.applications.listed = groups.len() as u64;
        let mut done = body.len() - groups.iter().map(|group| group.members.len()).sum::<usize>();
        let mut failure = None;
        for group in &groups {
            let told = |of_group: usize| progress(done + of_group);
            match self.write_group(integration, run, group, body, &told).await {
                Ok(written) => note(&mut report, &mut items, written),
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
            done += group.members.len();
        }
        if let Some(error) = &failure {
            report.complete = false;
            report.problems.push(Problem { application: None, reason: error.to_string() });
        }
        let counts = store.counts(integration.id, Population::STORED).await?;
        (report.findings.total, report.findings.noted) = (counts.total, counts.noted);
        report.duration_ms = u64::try_from(self.now() - started_ms).unwrap_or_default();
        self.end(run, &integration.name, &report).await?;
        match failure {
            Some(error) => Err(Error::from(error).during("import findings")),
            None => Ok(Done { items, report }),
        }
    }

    async fn end(&self, run: RunId, name: &str, report: &Report) -> Result<(), Error> {
        let summary = RunSummary {
            finished_ms: self.now(),
            complete: report.complete,
            requests: 0,
            report: serde_json::to_string(report).unwrap_or_default(),
        };
        self.store.finish_run(run, summary).await?;
        let findings = &report.findings;
        tracing::info!(
            integration = name,
            complete = report.complete,
            applications = report.applications.listed,
            new = findings.new,
            changed = findings.changed,
            reopened = findings.reopened,
            closed = findings.closed,
            duration_ms = report.duration_ms,
            "import",
        );
        Ok(())
    }

    /// Again, where others wrote to the application meanwhile.
    async fn write_group(
        &self,
        integration: &OwnedIntegration,
        run: RunId,
        group: &Group,
        body: &[&str],
        progress: &(dyn Fn(usize) + Sync),
    ) -> Result<Written, StoreError> {
        let mut tries_left = TRIES;
        loop {
            match self.write_once(integration, run, group, body, progress).await {
                Err(error) if error.is_outdated() && tries_left > 0 => tries_left -= 1,
                written => return written,
            }
        }
    }

    async fn write_once(
        &self,
        integration: &OwnedIntegration,
        run: RunId,
        group: &Group,
        body: &[&str],
        progress: &(dyn Fn(usize) + Sync),
    ) -> Result<Written, StoreError> {
        let Named { application, raw, has_name } = &group.named;
        let held = match has_name {
            true => None,
            false => self.store.application_record(integration.id, &application.guid).await?,
        };
        let (application, raw) = held.unwrap_or_else(|| (application.clone(), raw.clone()));
        let mut writer = self.store.open_application(run, &application, &raw).await?;
        let mut written = Written {
            counts: FindingCounts::default(),
            outcomes: Vec::with_capacity(group.members.len()),
            is_different: writer.is_application_different(),
            rows: 0,
        };
        let mut has_puts = false;
        for some in group.members.chunks(AT_ONCE) {
            progress(written.outcomes.len());
            let mut different = Vec::new();
            for at in some {
                // It was read before, and is not kept: a body may be large.
                let Ok(Imported { finding, raw, .. }) = imported::read(body[*at]) else { continue };
                let hash: [u8; 32] = Sha256::digest(&raw).into();
                if writer.id_of_hash(&Context::Policy, &hash).is_some() {
                    written.counts.unchanged += 1;
                    written.outcomes.push((*at, Outcome::Unchanged));
                } else {
                    different.push((*at, finding, raw, hash));
                }
            }
            let ids: Vec<_> =
                different.iter().map(|(_, finding, ..)| finding.id.to_bytes()).collect();
            let mut before = writer.before(&ids).await?;
            for (at, finding, raw, hash) in different {
                let id = finding.id.to_bytes();
                let held = writer.held().get(&id).copied();
                let change = sighted(held, before.remove(&id), &finding);
                written.counts.count(held, change.as_ref());
                let outcome = match change.as_ref().map(|change| change.kind) {
                    None => Outcome::Unchanged,
                    Some(ChangeKind::New) => Outcome::Created,
                    Some(ChangeKind::Changed | ChangeKind::Reopened | ChangeKind::Closed) => {
                        Outcome::Updated
                    }
                };
                written.outcomes.push((at, outcome));
                writer.put(Put { finding, raw: &raw, hash, change }).await?;
                has_puts = true;
            }
        }
        if has_puts || written.is_different {
            let reading = Reading::Complete { read_ms: self.now() };
            written.rows = writer.commit(reading).await?.rows;
        }
        Ok(written)
    }
}

fn refuse(integration: &OwnedIntegration, findings: usize) -> Result<(), Error> {
    match integration.kind {
        IntegrationKind::Imported => {}
        IntegrationKind::Veracode => {
            let what = format!(
                "integration `{}` is synced with a service: it accepts no findings of other scanners",
                integration.name
            );
            return Err(Error::new(Fault::Config, what)
                .hint("`countersign integration add scanners --imported` adds one that does"));
        }
    }
    if findings > MAX_FINDINGS {
        let what = format!("{findings} findings at once are more than {MAX_FINDINGS}");
        return Err(Error::new(Fault::Config, what));
    }
    Ok(())
}

/// Reads each finding once, and sorts them by application in the order in which those come.
/// Of a finding that comes twice the last one counts.
fn sort(body: &[&str]) -> (Vec<Item>, Vec<Group>) {
    let mut items: Vec<Item> = Vec::with_capacity(body.len());
    let mut groups: Vec<Group> = Vec::new();
    let mut by_guid: HashMap<ApplicationGuid, usize> = HashMap::new();
    let mut last: HashMap<FindingId, usize> = HashMap::new();
    for (at, text) in body.iter().enumerate() {
        let Imported { application: named, finding, .. } = match imported::read(text) {
            Ok(imported) => imported,
            Err(refusal) => {
                items.push(Item { outcome: Outcome::Refused(refusal), kept: None });
                continue;
            }
        };
        let guid = named.application.guid.clone();
        let group = *by_guid.entry(guid.clone()).or_insert(groups.len());
        match groups.get_mut(group) {
            None => groups.push(Group { named, members: Vec::new() }),
            Some(known) if named.has_name || !known.named.has_name => known.named = named,
            Some(_) => {}
        }
        groups[group].members.push(at);
        if let Some(earlier) = last.insert(finding.id.clone(), at) {
            items[earlier].outcome = Outcome::Superseded { by: at };
        }
        // What it is instead shows when it is written.
        items.push(Item { outcome: Outcome::Unchanged, kept: Some((guid, finding.id)) });
    }
    for group in &mut groups {
        group.members.retain(|at| items[*at].outcome == Outcome::Unchanged);
    }
    (items, groups)
}

fn refusals(items: &[Item], report: &mut Report) {
    let mut count = 0_usize;
    for (at, item) in items.iter().enumerate() {
        let Outcome::Refused(refusal) = &item.outcome else { continue };
        count += 1;
        if count <= MOST_PROBLEMS {
            let reason = format!("/{at}{}: {}", refusal.pointer, refusal.reason);
            report.problems.push(Problem { application: None, reason });
        }
    }
    if count > MOST_PROBLEMS {
        let reason = format!("{} more findings are refused", count - MOST_PROBLEMS);
        report.problems.push(Problem { application: None, reason });
    }
    report.complete = count == 0;
}

fn note(report: &mut Report, items: &mut [Item], written: Written) {
    for (at, outcome) in written.outcomes {
        items[at].outcome = outcome;
    }
    match written.is_different || written.counts.is_different() {
        true => report.applications.changed += 1,
        false => report.applications.unchanged += 1,
    }
    report.findings.add(&written.counts);
    report.rows_written += written.rows;
}
