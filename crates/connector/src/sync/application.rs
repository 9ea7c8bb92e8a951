//! Reads one application: its sandboxes, then every context's findings, page by
//! page, and writes what is different in one transaction.

use std::collections::{HashSet, VecDeque};

use countersign_client::{Pages, ScanFamily};
use countersign_findings::{Context, Finding, FindingId, Verdict, judge};
use countersign_store::{ApplicationWriter, Change, ChangeKind, Id, Put, Reading};
use countersign_wire::raw::RawPage;
use countersign_wire::sandbox::Sandbox;
use sha2::{Digest, Sha256};

use super::report::FindingCounts;
use super::{Entry, Progress, Run};
use crate::error::{Error, Fault};

/// How the reading of one application ended.
pub(super) enum Outcome {
    /// It was deleted, or taken out of sight, after it was listed.
    Gone { rows_written: u64 },
    /// It was read.
    Read {
        findings: FindingCounts,
        is_application_different: bool,
        rows_written: u64,
        /// Why nothing was closed and it will be read again.
        incomplete: Option<String>,
    },
}

/// Why one pass over an application did not get to its end.
enum Interruption {
    /// The totals did not reconcile: worth another pass.
    Drift(String),
    /// The service says that there is no such application (any more).
    NotFound(Error),
    Failed(Error),
}

pub(super) async fn read_application(run: &Run, entry: Entry) -> Result<Outcome, Error> {
    let mut tries_left = run.options.rereads;
    loop {
        // A fresh writer per pass: what an earlier pass put away is forgotten.
        let mut pass = Pass::open(run, &entry).await?;
        match pass.read().await {
            Ok(()) => return pass.commit(None).await,
            Err(Interruption::Drift(_)) if tries_left > 0 => tries_left -= 1,
            Err(Interruption::Drift(reason)) => return pass.commit(Some(reason)).await,
            Err(Interruption::NotFound(error)) => return not_found(run, &entry, error).await,
            Err(Interruption::Failed(error)) => return Err(error),
        }
    }
}

/// Gone is what the application's own resource says; a 404 elsewhere is a
/// failure.
async fn not_found(run: &Run, entry: &Entry, error: Error) -> Result<Outcome, Error> {
    let guid = &entry.application.guid;
    match run.client.application(guid.as_str()).await {
        Err(answer) if answer.is_gone() => {
            let rows_written =
                run.store.mark_applications_gone(run.id, vec![guid.to_string()]).await?;
            Ok(Outcome::Gone { rows_written })
        }
        Err(answer) => Err(answer.into()),
        Ok(_) => Err(Error::new(Fault::Upstream, error.to_string())),
    }
}

/// One pass over one application.
struct Pass<'a> {
    run: &'a Run,
    entry: &'a Entry,
    writer: ApplicationWriter,
    seen: HashSet<Id>,
    counts: FindingCounts,
}

impl<'a> Pass<'a> {
    async fn open(run: &'a Run, entry: &'a Entry) -> Result<Self, Error> {
        let writer = run.store.open_application(run.id, &entry.application, &entry.raw).await?;
        Ok(Self { run, entry, writer, seen: HashSet::new(), counts: FindingCounts::default() })
    }

    /// One list after the other, the first page of the next always under way.
    async fn read(&mut self) -> Result<(), Interruption> {
        let mut coming = VecDeque::new();
        self.line_up(&mut coming, Context::Policy);
        start_first(&mut coming);
        for sandbox in self.sandboxes().await? {
            self.line_up(&mut coming, sandbox);
        }
        while let Some((context, pages)) = coming.pop_front() {
            start_first(&mut coming);
            self.findings(&context, pages).await?;
        }
        Ok(())
    }

    /// Both families of a context's findings.
    fn line_up(&self, coming: &mut VecDeque<(Context, Pages)>, context: Context) {
        let guid = self.entry.application.guid.as_str();
        for family in [ScanFamily::NonSca, ScanFamily::Sca] {
            let size = self.run.options.page_size;
            let pages = self.run.client.findings(guid, context.guid(), family, size);
            coming.push_back((context.clone(), pages));
        }
    }

    async fn sandboxes(&self) -> Result<Vec<Context>, Interruption> {
        let guid = self.entry.application.guid.as_str();
        let mut pages = self.run.client.sandboxes(guid, self.run.options.page_size);
        let mut contexts = Vec::new();
        while let Some(page) = pages.next().await.map_err(interruption)? {
            let text = page.text().map_err(interruption)?;
            let raw_page =
                RawPage::parse(text, "sandboxes").map_err(|e| interruption(page.not_json(&e)))?;
            for raw in raw_page.elements {
                let sandbox: Sandbox = serde_json::from_str(raw.get()).map_err(|error| {
                    // Without its guid a sandbox's findings cannot be asked for.
                    Interruption::Drift(format!("a sandbox cannot be read: {error}"))
                })?;
                contexts.push(Context::sandbox(&sandbox.guid));
            }
        }
        Ok(contexts)
    }

    async fn findings(&mut self, context: &Context, mut pages: Pages) -> Result<(), Interruption> {
        while let Some(page) = pages.next().await.map_err(interruption)? {
            let text = page.text().map_err(interruption)?;
            let raw_page =
                RawPage::parse(text, "findings").map_err(|e| interruption(page.not_json(&e)))?;
            (self.run.watch)(Progress::Findings { count: raw_page.elements.len() as u64 });
            let elements: Vec<_> = raw_page.elements.iter().map(|raw| raw.get()).collect();
            self.page(context, &elements).await?;
        }
        Ok(())
    }

    /// One page. An element whose bytes the store already has stops at its hash.
    async fn page(&mut self, context: &Context, elements: &[&str]) -> Result<(), Interruption> {
        let mut different = Vec::new();
        for raw in elements {
            let hash: [u8; 32] = Sha256::digest(raw.as_bytes()).into();
            if let Some(id) = self.writer.id_of_hash(context, &hash) {
                self.saw(context, id)?;
                self.counts.unchanged += 1;
                continue;
            }
            match Finding::decode(raw, &self.entry.application.guid, context) {
                Ok(finding) => {
                    self.saw(context, finding.id.to_bytes())?;
                    different.push((finding, *raw, hash));
                }
                Err(undecodable) => {
                    self.counts.undecodable += 1;
                    self.writer
                        .put_undecodable(context, &undecodable.reason, raw, hash)
                        .await
                        .map_err(|error| Interruption::Failed(error.into()))?;
                }
            }
        }
        self.put(different).await.map_err(Interruption::Failed)
    }

    /// A finding that shows twice in one pass means that rows moved between pages,
    /// and then another row was missed.
    fn saw(&mut self, context: &Context, id: Id) -> Result<(), Interruption> {
        if self.seen.insert(id) {
            return Ok(());
        }
        let id = FindingId::from_bytes(&id);
        Err(Interruption::Drift(format!(
            "finding `{id}` came twice in one reading of context `{context}`: rows moved between pages"
        )))
    }

    async fn put(&mut self, different: Vec<(Finding, &str, [u8; 32])>) -> Result<(), Error> {
        let known: Vec<_> = different
            .iter()
            .map(|(finding, ..)| finding.id.to_bytes())
            .filter(|id| self.writer.held().contains_key(id))
            .collect();
        let mut before = self.writer.before(&known).await?;
        for (finding, raw, hash) in different {
            let id = finding.id.to_bytes();
            let held = self.writer.held().get(&id);
            let differences = match before.remove(&id) {
                Some(before) => before.differences(&finding),
                None => Vec::new(),
            };
            let kind = match judge(held.map(|held| held.standing()), &finding, &differences) {
                Verdict::New => Some(ChangeKind::New),
                Verdict::Changed => Some(ChangeKind::Changed),
                Verdict::Reopened => Some(ChangeKind::Reopened),
                Verdict::Closed => Some(ChangeKind::Closed),
                Verdict::Unchanged => None,
            };
            match kind {
                Some(ChangeKind::New) => self.counts.new += 1,
                Some(ChangeKind::Changed) => self.counts.changed += 1,
                Some(ChangeKind::Reopened) => self.counts.reopened += 1,
                Some(ChangeKind::Closed) => self.counts.closed += 1,
                None => self.counts.unchanged += 1,
            }
            let change = kind.map(|kind| Change { kind, differences });
            self.writer.put(Put { finding, raw, hash, change }).await?;
        }
        Ok(())
    }

    async fn commit(mut self, mut incomplete: Option<String>) -> Result<Outcome, Error> {
        if incomplete.is_none() && self.counts.undecodable > 0 {
            incomplete = Some(format!(
                "{} records cannot be read; they are kept raw and nothing was closed",
                self.counts.undecodable
            ));
        }
        let read_ms = (self.run.clock)();
        let reading = match &incomplete {
            Some(reason) => Reading::Incomplete { read_ms, reason: reason.clone() },
            None => {
                self.vanish();
                Reading::Complete { read_ms }
            }
        };
        let is_application_different = self.writer.is_application_different();
        let written = self.writer.commit(reading).await?;
        Ok(Outcome::Read {
            findings: self.counts,
            is_application_different,
            rows_written: written.rows,
            incomplete,
        })
    }

    /// Findings that a complete reading no longer shows.
    fn vanish(&mut self) {
        let vanished: Vec<_> = self
            .writer
            .held()
            .iter()
            .filter(|(id, held)| !held.gone && !self.seen.contains(*id))
            .map(|(id, held)| (*id, held.is_open()))
            .collect();
        self.counts.closed += vanished.iter().filter(|(_, is_open)| *is_open).count() as u64;
        self.writer.vanish(vanished.into_iter().map(|(id, _)| id));
    }
}

fn start_first(coming: &mut VecDeque<(Context, Pages)>) {
    if let Some((_, pages)) = coming.front_mut() {
        pages.start();
    }
}

fn interruption(error: countersign_client::Error) -> Interruption {
    if error.is_incomplete() {
        Interruption::Drift(error.to_string())
    } else if error.is_gone() {
        Interruption::NotFound(error.into())
    } else {
        Interruption::Failed(error.into())
    }
}
