//! Reads one application: its sandboxes, then the findings of every context that can hold
//! some, page by page, and writes what is different in one transaction.

use std::collections::{HashSet, VecDeque};

use countersign_client::{PageBody, Pages, ScanFamily};
use countersign_findings::closure::{Belief, Seen, is_newer_scan};
use countersign_findings::{Context, Finding, FindingId, State};
use countersign_store::{
    ApplicationWriter, ChangeKind, Held, Id, Put, Reading, WorkLease, WorkNote, WorkState,
};
use countersign_wire::sandbox::Sandbox;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::asking::{self, Extent};
use super::report::FindingCounts;
use super::shared::Noted;
use super::{Entry, Progress, Run};
use crate::error::{Error, Fault};
use crate::sighted::sighted;

/// Sandboxes of an application that are read; what claims more is not believed.
const MAX_SANDBOXES: usize = 5000;

/// Records of an application that are kept although they cannot be read.
const MAX_UNDECODABLE: u64 = 10_000;

/// How the reading of one application ended.
pub(super) enum Outcome {
    /// It was deleted, or taken out of sight, after it was listed.
    Gone,
    /// It was read.
    Read(Read),
}

/// What was read of an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Read {
    pub(super) findings: FindingCounts,
    pub(super) is_application_different: bool,
    pub(super) rows_written: u64,
    /// Findings that it showed.
    pub(super) shown: u64,
    /// Of these, those in lists that the record says are empty.
    pub(super) unexpected: u64,
    /// Requests that it cost, but for retries.
    pub(super) requests: u64,
    /// Why nothing was closed and it will be read again.
    pub(super) incomplete: Option<String>,
    /// Nothing was closed, but it may be if this is not so everywhere.
    pub(super) is_waiting: bool,
}

impl Read {
    /// With what a second reading closed, which was allowed to.
    pub(super) fn closed_by(mut self, second: &Self) -> Self {
        self.findings.closed += second.findings.closed;
        self.findings.held_back = second.findings.held_back;
        self.incomplete.clone_from(&second.incomplete);
        self.rows_written += second.rows_written;
        self.is_waiting = false;
        self
    }
}

/// An application that was claimed from a run which several processes do.
pub(super) struct Claimed {
    /// The right to it.
    pub(super) lease: WorkLease,
    /// What the first reading found, where this is the second.
    pub(super) first: Option<Read>,
}

impl Claimed {
    /// What is written with a reading.
    fn note(&self, read: Read, run: &Run) -> Result<WorkNote, Error> {
        let read = match &self.first {
            Some(first) => first.clone().closed_by(&read),
            None => read,
        };
        let state = if read.is_waiting { WorkState::Doubted } else { WorkState::Done };
        Noted::Read(Box::new(read)).note(self.lease, state, run)
    }
}

/// How far a reading is believed when it would close most of an application's findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// By the brake alone.
    Usual,
    /// It may close few, whatever share they are.
    Few,
}

/// Why one pass over an application did not get to its end.
enum Interruption {
    /// The service says that there is no such application (any more).
    NotFound(Error),
    Failed(Error),
}

pub(super) async fn read_application(
    run: &Run,
    entry: &Entry,
    extent: Extent,
    trust: Trust,
    claimed: Option<&Claimed>,
) -> Result<Outcome, Error> {
    let mut tries_left = run.options.rereads;
    let mut before = None;
    let mut requests = 0;
    loop {
        // A fresh writer per pass: what an earlier pass put away is forgotten.
        let mut pass = Pass::open(run, entry, extent).await?;
        let outcome = pass.read().await;
        requests += pass.requests;
        match outcome {
            // What comes out the same once more will not be mended by asking again.
            Ok(()) if pass.drift.is_some() && tries_left > 0 && pass.drift != before => {
                before = pass.drift;
                tries_left -= 1;
            }
            Ok(()) => {
                let read = pass.commit(trust, requests, claimed).await?;
                return Ok(Outcome::Read(read));
            }
            Err(Interruption::NotFound(error)) => return not_found(run, entry, error).await,
            Err(Interruption::Failed(error)) => return Err(error),
        }
    }
}

/// Gone is what the application's own resource says; a 404 elsewhere is a
/// failure.
async fn not_found(run: &Run, entry: &Entry, error: Error) -> Result<Outcome, Error> {
    let guid = &entry.application.guid;
    match run.client.application(guid.as_str()).await {
        Err(answer) if answer.is_gone() => Ok(Outcome::Gone),
        Err(answer) => Err(answer.into()),
        Ok(_) => Err(Error::new(Fault::Upstream, error.to_string())),
    }
}

/// One pass over one application.
struct Pass<'a> {
    run: &'a Run,
    entry: &'a Entry,
    extent: Extent,
    writer: ApplicationWriter,
    /// Lists that were not asked for: nothing of them is missing.
    unasked: Vec<(Context, ScanFamily)>,
    /// Elements of lists that the record says are empty.
    unexpected: u64,
    seen: HashSet<Id>,
    /// Open before, and shown as fixed now.
    fixed: Vec<Id>,
    counts: FindingCounts,
    /// Answers that came.
    requests: u64,
    /// The first thing that did not add up. The rest is read all the same.
    drift: Option<String>,
}

/// A list of findings that is asked for.
struct List {
    context: Context,
    pages: Pages,
    /// Whether the record leaves it possible that it holds something.
    can_hold: bool,
}

impl<'a> Pass<'a> {
    async fn open(run: &'a Run, entry: &'a Entry, extent: Extent) -> Result<Self, Error> {
        let writer = run.store.open_application(run.id, &entry.application, &entry.raw).await?;
        let counts = FindingCounts::default();
        Ok(Self {
            run,
            entry,
            extent,
            writer,
            unasked: Vec::new(),
            unexpected: 0,
            seen: HashSet::new(),
            fixed: Vec::new(),
            counts,
            requests: 0,
            drift: None,
        })
    }

    fn drifted(&mut self, reason: String) {
        self.drift.get_or_insert(reason);
    }

    /// The next page. What does not add up concerns its list alone, which ends.
    async fn next(&mut self, pages: &mut Pages) -> Result<Option<PageBody>, Interruption> {
        match pages.next().await {
            Err(error) if error.is_incomplete() => {
                self.drifted(error.to_string());
                Ok(None)
            }
            other => {
                self.requests += u64::from(matches!(other, Ok(Some(_))));
                other.map_err(interruption)
            }
        }
    }

    /// One list after the other, the first page of the next always under way.
    async fn read(&mut self) -> Result<(), Interruption> {
        let mut coming = VecDeque::new();
        self.line_up(&mut coming, Context::Policy);
        start_first(&mut coming);
        for sandbox in self.sandboxes().await? {
            self.line_up(&mut coming, sandbox);
        }
        while let Some(list) = coming.pop_front() {
            start_first(&mut coming);
            self.findings(list).await?;
        }
        Ok(())
    }

    /// The families of a context's findings that are asked for.
    fn line_up(&mut self, coming: &mut VecDeque<List>, context: Context) {
        let application = &self.entry.application;
        for family in [ScanFamily::NonSca, ScanFamily::Sca] {
            let is_held = || self.writer.holds(&context, family == ScanFamily::Sca);
            let can_hold = asking::can_hold(application, &context, family, is_held);
            if !can_hold && self.extent == Extent::Needed {
                self.unasked.push((context.clone(), family));
                continue;
            }
            let (guid, size) = (application.guid.as_str(), self.run.options.page_size);
            let pages = self.run.client.findings(guid, context.guid(), family, size);
            coming.push_back(List { context: context.clone(), pages, can_hold });
        }
    }

    async fn sandboxes(&mut self) -> Result<Vec<Context>, Interruption> {
        let guid = self.entry.application.guid.as_str();
        let mut pages = self.run.client.sandboxes(guid, self.run.options.page_size);
        let (mut contexts, mut known) = (Vec::new(), 0);
        let (mut seen, mut unreadable) = (HashSet::new(), HashSet::new());
        while let Some(page) = self.next(&mut pages).await? {
            for raw in page.elements() {
                // Without its guid a sandbox's findings cannot be asked for.
                let sandbox = serde_json::from_str::<Sandbox>(raw)
                    .map_err(|error| error.to_string())
                    .and_then(|sandbox| Context::sandbox(&sandbox.guid).map_err(|e| e.reason));
                match sandbox {
                    Ok(context) if seen.insert(context.clone()) => contexts.push(context),
                    Ok(context) => self.drifted(format!("`{context}` came twice in the list")),
                    Err(reason) => {
                        unreadable.insert(raw.to_owned());
                        self.drifted(format!("a sandbox cannot be read: {reason}"));
                    }
                }
            }
            let count = contexts.len() + unreadable.len();
            if count > MAX_SANDBOXES {
                self.drifted(format!("more than {MAX_SANDBOXES} sandboxes are not believed"));
                break;
            }
            // A list that repeats itself may do so for ever.
            if count == known && page.elements().len() > 0 {
                break;
            }
            known = count;
        }
        Ok(contexts)
    }

    async fn findings(&mut self, mut list: List) -> Result<(), Interruption> {
        let context = &list.context;
        while let Some(page) = self.next(&mut list.pages).await? {
            let count = page.elements().len() as u64;
            (self.run.watch)(Progress::Findings { count });
            if !list.can_hold {
                self.unexpected += count;
            }
            let is_new = self.page(context, &page).await?;
            if !is_new && count > 0 {
                // A list that repeats itself may do so for ever.
                self.drifted(format!(
                    "page {} of context `{context}` holds nothing but what came before",
                    page.page().number
                ));
                break;
            }
        }
        Ok(())
    }

    /// One page. An element whose bytes the store already has stops at its hash. Answers
    /// whether there was anything that had not come before.
    async fn page(&mut self, context: &Context, page: &PageBody) -> Result<bool, Interruption> {
        let mut is_new = false;
        let mut different = Vec::new();
        for raw in page.elements() {
            let hash: [u8; 32] = Sha256::digest(raw.as_bytes()).into();
            if let Some(id) = self.writer.id_of_hash(context, &hash) {
                if self.saw(context, id) {
                    is_new = true;
                    self.counts.unchanged += 1;
                }
                continue;
            }
            self.run.may_write().await;
            match Finding::decode(raw, &self.entry.application.guid, context) {
                Ok(finding) => {
                    if self.saw(context, finding.id.to_bytes()) {
                        is_new = true;
                        different.push((finding, raw, hash));
                    }
                }
                Err(_) if self.writer.undecodable() >= MAX_UNDECODABLE => {
                    is_new = true;
                    self.drifted(format!(
                        "more than {MAX_UNDECODABLE} records cannot be read; the others are not kept"
                    ));
                }
                Err(undecodable) => {
                    is_new |= self
                        .writer
                        .put_undecodable(context, &undecodable.reason, raw, hash)
                        .await
                        .map_err(|error| Interruption::Failed(error.into()))?;
                }
            }
        }
        self.put(different).await.map_err(Interruption::Failed)?;
        Ok(is_new)
    }

    /// Whether it is the first time. A finding that shows twice in one pass means that
    /// rows moved between pages, and then another row may have been missed; the first of
    /// the two counts.
    fn saw(&mut self, context: &Context, id: Id) -> bool {
        let is_first = self.seen.insert(id);
        if !is_first {
            let id = FindingId::from_bytes(&id);
            self.drifted(format!(
                "finding `{id}` came twice in one reading of context `{context}`: another may be missing"
            ));
        }
        is_first
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
            let held = self.writer.held().get(&id).copied();
            let change = sighted(held, before.remove(&id), &finding);
            self.counts.count(held, change.as_ref());
            // Mitigations and false positives are what people decide, not scans.
            if finding.state == State::Fixed
                && change.as_ref().is_some_and(|change| change.kind == ChangeKind::Closed)
            {
                self.fixed.push(id);
            }
            self.writer.put(Put { finding, raw, hash, change }).await?;
        }
        Ok(())
    }

    async fn commit(
        mut self,
        trust: Trust,
        requests: u64,
        claimed: Option<&Claimed>,
    ) -> Result<Read, Error> {
        self.counts.undecodable = self.writer.undecodable();
        let mut incomplete = self.drift.take();
        if incomplete.is_none() && self.counts.undecodable > 0 {
            incomplete = Some(format!(
                "{} records cannot be read; they are kept raw and nothing was closed",
                self.counts.undecodable
            ));
        }
        let lacking = self.lacking();
        let seen = Seen {
            is_complete: incomplete.is_none(),
            has_newer_scan: is_newer_scan(
                self.writer.scanned_ms(),
                self.entry.application.last_scan_ms,
            ),
            open: self.writer.held().values().filter(|held| held.is_open()).count() as u64,
            lacking: lacking.iter().filter(|(_, is_open)| *is_open).count() as u64,
            fixed: self.fixed.len() as u64,
        };
        let beliefs = self.run.options.brake.judge(seen);
        let closes =
            |belief| belief == Belief::Close || (belief == Belief::Wait && trust == Trust::Few);
        let mut held_back = 0;
        if closes(beliefs.lacking) {
            self.counts.closed += seen.lacking;
            self.writer.vanish(lacking.into_iter().map(|(id, _)| id));
        } else if seen.is_complete {
            held_back += seen.lacking;
        }
        if !closes(beliefs.fixed) {
            held_back += seen.fixed;
            self.counts.closed -= seen.fixed;
            self.writer.withhold(std::mem::take(&mut self.fixed));
        }
        if held_back > 0 && incomplete.is_none() {
            incomplete = Some(format!(
                "{held_back} of {} open findings would be closed, though no scan was published \
                 since they were last shown: nothing was closed",
                seen.open
            ));
        }
        self.counts.held_back = held_back;
        let read_ms = (self.run.clock)();
        let reading = match &incomplete {
            Some(reason) => Reading::Incomplete { read_ms, reason: reason.clone(), held_back },
            None => Reading::Complete { read_ms },
        };
        let read = Read {
            findings: self.counts,
            is_application_different: self.writer.is_application_different(),
            rows_written: 0,
            shown: self.seen.len() as u64,
            unexpected: self.unexpected,
            requests,
            incomplete,
            is_waiting: held_back > 0 && beliefs.lacking == Belief::Wait,
        };
        self.run.may_write().await;
        let written = match claimed {
            None => self.writer.commit(reading).await?,
            Some(claimed) => {
                let note = claimed.note(read.clone(), self.run)?;
                self.writer.commit_work(reading, note).await?
            }
        };
        Ok(Read { rows_written: written.rows, ..read })
    }

    /// Findings that this reading did not show, and whether they were open. What was not asked
    /// for is not missing.
    fn lacking(&self) -> Vec<(Id, bool)> {
        let is_unasked = |held: &Held| {
            let mut unasked = self.unasked.iter();
            unasked.any(|(context, family)| {
                self.writer.is_of(held, context, *family == ScanFamily::Sca)
            })
        };
        let held = self.writer.held().iter();
        held.filter(|(id, held)| !held.gone && !self.seen.contains(*id) && !is_unasked(held))
            .map(|(id, held)| (*id, held.is_open()))
            .collect()
    }
}

fn start_first(coming: &mut VecDeque<List>) {
    if let Some(list) = coming.front_mut() {
        list.pages.start();
    }
}

fn interruption(error: countersign_client::Error) -> Interruption {
    if error.is_gone() {
        Interruption::NotFound(error.into())
    } else {
        Interruption::Failed(error.into())
    }
}
