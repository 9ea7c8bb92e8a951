//! Brings applications and findings in: completely, or not at all for the
//! application concerned, and always saying which.
//!
//! Invariants:
//! - An application is written in one transaction, after it was read.
//! - Nothing is closed unless everything that was asked of the application was read
//!   completely, every page reconciled with the server's totals, and every
//!   record decoded; nothing of a list that was not asked for ([`asking`]); nor where most
//!   would close at once and no scan accounts for it ([`Brake`]).
//! - 401 and 403 end the run; they are never read as "no findings".
//! - A crash at any point leaves each application as it was or as it is.

pub mod asking;
pub mod audit;
mod hint;
pub mod plan;
pub mod sweep;

mod application;
mod live;
mod report;
mod shared;
mod standing;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_client::Client;
use countersign_findings::closure::Brake;
use countersign_findings::{Application, Population};
use countersign_store::{Audited, IntegrationId, RunId, RunSummary, Store, Sweep};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::SetOnce;
use tokio::task::JoinSet;

use crate::error::{Error, Fault};
use crate::{Clock, Connector, Random};
use application::{Outcome, Read, Trust, read_application};
use asking::Extent;
use audit::Saving;
use plan::{Listed, Mark, Plan, Scope};
use sweep::Pace;

pub use live::{Fresh, Lack, Readings};
pub use report::{ApplicationCounts, AuditCounts, FindingCounts, HintCounts, Problem, Report};
pub use standing::{Doing, Follower, Standing};

/// How a run goes about it.
#[derive(Debug, Clone)]
pub struct Options {
    /// What to read.
    pub scope: Scope,
    /// The part of what is saved, 0 to 1, that an incremental run reads completely once a day.
    pub audit_share: f64,
    /// How long an incremental run waits between two looks at a report of the Reporting API,
    /// which names applications that moved; none where it is not asked.
    pub hint: Option<Duration>,
    /// Applications read at once. The client's rate budget holds for all of
    /// them together.
    pub parallel: usize,
    /// Elements asked for per page, 1 to 500.
    pub page_size: u32,
    /// Times that a context whose totals drifted is read again.
    pub rereads: u32,
    /// Applications in a row that may fail on the network before the run ends.
    pub patience: u32,
    /// When closures are doubted; [`Brake::off`] where somebody said that they are so.
    pub brake: Brake,
    /// How this process is called among those that do a run together, unlike any other; a random
    /// name where it is empty.
    pub holder: String,
    /// How long others leave alone what this process has claimed, unless it is renewed.
    pub lease: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            scope: Scope::Incremental { sweep_ms: sweep::USUAL_MS },
            audit_share: audit::USUAL_SHARE,
            hint: None,
            parallel: 12,
            page_size: 500,
            rereads: 2,
            patience: 3,
            brake: Brake::default(),
            holder: String::new(),
            lease: Duration::from_secs(60),
        }
    }
}

/// Where a run stands, for whoever watches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// The listing is complete: this many applications are going to be read.
    Planned {
        /// Applications to read.
        applications: u64,
    },
    /// Findings arrived.
    Findings {
        /// How many.
        count: u64,
    },
    /// One application is done.
    Application {
        /// Requests that it cost, but for retries.
        requests: u64,
        /// Its findings that are in the store now; none if it could not be read.
        kept: Option<u64>,
    },
    /// So many applications were read by other processes so far.
    Elsewhere {
        /// Applications.
        applications: u64,
    },
    /// All applications are done; what is gone is closed.
    Settling,
    /// What is read waits while the store is compared with what was written.
    Checking {
        /// That is over.
        has_ended: bool,
    },
    /// Requests were sent, retries included.
    Requests {
        /// How many of this run, so far.
        count: u64,
    },
}

/// Called with every step; must return quickly.
pub type Watch = Arc<dyn Fn(Progress) + Send + Sync>;

/// A run that ended: what it did, and why it ended early if it did.
#[derive(Debug)]
pub struct Finished {
    /// What was done.
    pub report: Report,
    /// What ended the run before its time.
    pub failure: Option<Error>,
    /// Whether that is that it was asked to stop.
    pub is_stopped: bool,
}

impl Finished {
    /// The failure, or that the run is incomplete, or nothing.
    pub fn fault(&self) -> Option<Fault> {
        match &self.failure {
            Some(error) => Some(error.fault()),
            None if !self.report.complete => Some(Fault::Incomplete),
            None => None,
        }
    }
}

/// What the tasks of a run share.
struct Run {
    client: Client,
    store: Store,
    id: RunId,
    options: Options,
    clock: Clock,
    random: Random,
    watch: Watch,
    /// Set once the store was found to be sound, which takes as long as reading does.
    is_sound: SetOnce<()>,
    /// Requests that were counted already.
    counted: Mutex<Spent>,
}

/// Requests, retries included, and those of them that are retries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Spent {
    requests: u64,
    retries: u64,
}

impl Run {
    fn new(
        connector: &Connector,
        id: RunId,
        client: Client,
        options: Options,
        watch: Watch,
    ) -> Self {
        let before = client.stats();
        let watch = counting(client.clone(), before.requests, watch);
        let counted = Spent { requests: before.requests, retries: before.retries };
        Self {
            client,
            store: connector.store.clone(),
            id,
            options,
            clock: connector.clock.clone(),
            random: connector.random.clone(),
            watch,
            is_sound: SetOnce::new(),
            counted: Mutex::new(counted),
        }
    }

    /// Requests since this was last asked.
    fn spent(&self) -> Spent {
        let stats = self.client.stats();
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(
            &mut *counted,
            Spent { requests: stats.requests, retries: stats.retries },
        );
        Spent {
            requests: stats.requests - before.requests,
            retries: stats.retries - before.retries,
        }
    }

    /// Nothing has to be found out before the store may be written to.
    fn need_not_wait(&self) {
        // Whoever set it before meant the same.
        let _ = self.is_sound.set(());
    }

    /// Waits until the store may be written to.
    async fn may_write(&self) {
        self.is_sound.wait().await;
    }

    /// A sync that reads everything anew says what is damaged rather than writing to it.
    async fn look_at_store(&self) -> Result<(), Error> {
        if self.options.scope == Scope::Full {
            (self.watch)(Progress::Checking { has_ended: false });
            self.store.ready_for_full().await?;
            (self.watch)(Progress::Checking { has_ended: true });
        }
        self.need_not_wait();
        Ok(())
    }
}

/// An element of the listing, decoded, with the bytes it came as.
struct Entry {
    application: Application,
    raw: String,
}

/// An application to read.
struct ToRead {
    entry: Arc<Entry>,
    extent: Extent,
    /// What would have been saved, if it is read for the audit.
    audit: Option<Saving>,
    /// Why it is read, for what is counted.
    cause: Cause,
}

/// Why an application is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Cause {
    /// It is new or its dates moved, everything is read, or an audit drew it.
    Usual,
    /// The sweep: nothing says that it changed.
    Sweep,
    /// The Reporting API named it.
    Hint,
}

impl Connector {
    /// Runs once over everything that the pair may see.
    pub async fn sync(
        &self,
        integration: IntegrationId,
        client: Client,
        options: Options,
        watch: Watch,
    ) -> Result<Finished, Error> {
        self.sync_until(integration, client, options, watch, std::future::pending()).await
    }

    /// The same, until `stop` ends: each application is then as it was or as it is, and
    /// the run is incomplete.
    pub async fn sync_until(
        &self,
        integration: IntegrationId,
        client: Client,
        options: Options,
        watch: Watch,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<Finished, Error> {
        if self.store.is_shared() {
            return self.conduct_until(integration, client, options, watch, stop).await;
        }
        let started_ms = self.now();
        let id = self.store.begin_run(integration, options.scope.kind(), started_ms).await?;
        let run = Arc::new(Run::new(self, id, client, options, watch));
        let mut report = Report::default();
        let work = async {
            tokio::try_join!(run.look_at_store(), run_once(&run, integration, &mut report))
        };
        let (failure, is_stopped) = ended(work, stop).await;
        if let Some(error) = &failure {
            report.problems.push(Problem { application: None, reason: error.to_string() });
        }
        report.complete = failure.is_none() && report.problems.is_empty();
        self.note_audit(integration, run.options.scope, &report, started_ms).await?;
        if let Some(asked_ms) = report.hinted_ms() {
            self.store.note_hint(integration, asked_ms).await?;
        }
        self.count_stored(integration, &mut report).await?;
        let spent = run.spent();
        (report.requests, report.retries) = (spent.requests, spent.retries);
        report.duration_ms = u64::try_from(self.now() - started_ms).unwrap_or_default();
        self.store.finish_run(id, summary(&report, self.now())).await?;
        self.say(integration, &report).await?;
        Ok(Finished { report, failure, is_stopped })
    }

    async fn count_stored(
        &self,
        integration: IntegrationId,
        report: &mut Report,
    ) -> Result<(), Error> {
        let counts = self.store.counts(integration, Population::STORED).await?;
        report.findings.total = counts.total;
        report.findings.noted = counts.noted;
        Ok(())
    }
}

/// What ended a run before its time, and whether that was somebody's wish.
async fn ended<T>(
    work: impl Future<Output = Result<T, Error>>,
    stop: impl Future<Output = ()> + Send,
) -> (Option<Error>, bool) {
    tokio::select! {
        ended = work => (ended.err(), false),
        () = stop => {
            let what = "the run was stopped before its end";
            (Some(Error::new(Fault::Incomplete, what)), true)
        }
    }
}

/// What follows from the audit and the sweep of a run.
#[derive(Debug, Default)]
struct Paced {
    audited: Option<Audited>,
    pace: Option<Pace>,
}

impl Paced {
    /// By what the audit found, and what the sweep found, which incremental reading had missed
    /// until then as well.
    fn of(kept: Option<Sweep>, scope: Scope, report: &Report, at_ms: i64) -> Self {
        let Scope::Incremental { sweep_ms } = scope else { return Self::default() };
        let swept = report.swept_different;
        let Some(audit) = report.audit.filter(AuditCounts::is_done) else {
            let is_missed = swept > 0 && kept.is_some();
            let pace = is_missed.then(|| pace(kept, sweep_ms).after(swept, sweep_ms));
            return Self { audited: None, pace };
        };
        let pace = pace(kept, sweep_ms).after(audit.missed() + swept, sweep_ms);
        let audited = Audited {
            at_ms,
            applications: audit.applications,
            missed_by_dates: audit.missed_by_dates,
            missed_by_scans: audit.missed_by_scans,
            period_ms: pace.period_ms,
            clean: pace.clean,
        };
        Self { audited: Some(audited), pace: None }
    }
}

impl Connector {
    /// Notes what the audit found, and how often applications are swept from now on.
    async fn note_audit(
        &self,
        integration: IntegrationId,
        scope: Scope,
        report: &Report,
        at_ms: i64,
    ) -> Result<(), Error> {
        let kept = self.store.sweep(integration).await?;
        let paced = Paced::of(kept, scope, report, at_ms);
        if let Some(audited) = paced.audited {
            self.store.note_audit(integration, audited).await?;
        }
        if let Some(pace) = paced.pace {
            self.store.note_pace(integration, pace.period_ms, pace.clean).await?;
        }
        Ok(())
    }

    /// The line of a sync in the log.
    async fn say(&self, id: IntegrationId, report: &Report) -> Result<(), Error> {
        let all = self.store.integrations().await?;
        let integration = all.into_iter().find(|one| one.id == id).map(|one| one.name);
        let (findings, problem) = (&report.findings, report.problems.first());
        tracing::info!(
            integration,
            complete = report.complete,
            applications = report.applications.listed,
            new = findings.new,
            changed = findings.changed,
            reopened = findings.reopened,
            closed = findings.closed,
            audited = report.audit.map(|audit| audit.applications),
            missed = report.audit.map(|audit| audit.missed()),
            requests = report.requests,
            retries = report.retries,
            duration_ms = report.duration_ms,
            problems = report.problems.len(),
            problem = problem.map(|problem| problem.reason.as_str()),
            "sync ended"
        );
        Ok(())
    }
}

/// How often applications are swept.
fn pace(kept: Option<Sweep>, setting_ms: i64) -> Pace {
    let kept = kept.map(|kept| Pace { period_ms: kept.period_ms, clean: kept.clean });
    Pace::within(kept, setting_ms)
}

/// Tells of the requests, too, with every step.
fn counting(client: Client, before: u64, watch: Watch) -> Watch {
    Arc::new(move |progress| {
        watch(progress);
        watch(Progress::Requests { count: client.stats().requests.saturating_sub(before) });
    })
}

async fn run_once(
    run: &Arc<Run>,
    integration: IntegrationId,
    report: &mut Report,
) -> Result<(), Error> {
    let entries =
        list_applications(run, report).await.map_err(|e| e.during("list the applications"))?;
    report.applications.listed = entries.len() as u64;
    let open = run.store.open_findings(integration).await?;
    let mut plan = plan_run(run, integration, &entries, report).await?;
    report.applications.skipped = plan.skip.len() as u64;
    report.applications.unchanged = plan.skip.len() as u64;
    let mut doubts = Doubts::default();
    // A listing with an unreadable element may lack an application that exists.
    if report.problems.is_empty() {
        doubts.gone = std::mem::take(&mut plan.gone);
    }
    let queue = jobs(run.options.scope, plan, entries, report);
    (run.watch)(Progress::Planned { applications: queue.len() as u64 });
    read_all(run, queue, report, &mut doubts).await?;
    (run.watch)(Progress::Settling);
    settle(run, report, doubts, &open).await
}

/// What is read, in its order.
fn jobs(scope: Scope, plan: Plan, entries: Vec<Entry>, report: &mut Report) -> Vec<ToRead> {
    if !plan.audit.is_empty() {
        let planned = plan.audit.len() as u64;
        report.audit = Some(AuditCounts { planned, ..AuditCounts::default() });
    }
    let extent = match scope {
        Scope::Full => Extent::Everything,
        Scope::Incremental { .. } => Extent::Needed,
    };
    let named = plan.named.iter().map(|at| (*at, extent, None, Cause::Hint));
    let read = plan.read.iter().map(|at| match plan.swept.contains(at) {
        true => (*at, extent, None, Cause::Sweep),
        false => (*at, extent, None, Cause::Usual),
    });
    let audited = plan.audit.iter();
    let audited =
        audited.map(|(at, saving)| (*at, Extent::Everything, Some(*saving), Cause::Usual));
    let mut slots: Vec<_> = entries.into_iter().map(|entry| Some(Arc::new(entry))).collect();
    let jobs = named.chain(read).chain(audited);
    jobs.filter_map(|(at, extent, audit, cause)| {
        slots[at].take().map(|entry| ToRead { entry, extent, audit, cause })
    })
    .collect()
}

/// What one application alone does not decide: seen together, it may be too much.
#[derive(Default)]
struct Doubts {
    /// Applications that are no longer there.
    gone: Vec<String>,
    /// Applications that would lose few findings, and most of what they have.
    waiting: Vec<(ToRead, Read)>,
}

/// What is done about that which one application alone does not decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Decision {
    /// Nothing of what waited is closed.
    is_too_much: bool,
    /// No application is marked as gone.
    is_gone_held: bool,
}

/// What a run would close, all together.
struct Closing {
    /// Open findings before the run, and applications that were not gone.
    open: u64,
    applications: u64,
    /// Applications that are no longer there, and open findings of these.
    gone: u64,
    of_gone: u64,
    /// Open findings that were held back, and those that wait.
    held_back: u64,
    of_waiting: u64,
}

impl Closing {
    fn decide(&self, brake: Brake) -> Decision {
        let going = self.held_back + self.of_gone + self.of_waiting;
        let is_too_much = brake.holds(self.open, going);
        let is_gone_held = is_too_much || brake.holds(self.applications, self.gone);
        Decision { is_too_much, is_gone_held }
    }

    /// Reports what becomes of applications that are no longer there.
    fn report_gone(&self, decision: Decision, report: &mut Report) {
        if !decision.is_gone_held {
            report.applications.gone = self.gone;
            return;
        }
        report.applications.held_back = self.gone;
        if self.gone > 0 {
            let Self { gone, applications, of_gone, .. } = self;
            let reason = format!(
                "{gone} of {applications} applications are no longer in the list, with {of_gone} \
                 open findings: none was marked as gone"
            );
            report.problems.push(Problem { application: None, reason });
        }
    }
}

/// Closes and marks what waited, unless it is most of what the account has.
async fn settle(
    run: &Arc<Run>,
    report: &mut Report,
    doubts: Doubts,
    open: &HashMap<String, u64>,
) -> Result<(), Error> {
    run.may_write().await;
    let Doubts { gone, waiting } = doubts;
    let closing = Closing {
        open: open.values().sum(),
        applications: open.len() as u64,
        gone: gone.len() as u64,
        of_gone: gone.iter().filter_map(|guid| open.get(guid)).sum(),
        held_back: report.findings.held_back,
        of_waiting: waiting.iter().map(|(_, read)| read.findings.held_back).sum(),
    };
    let decision = closing.decide(run.options.brake);
    closing.report_gone(decision, report);
    if !decision.is_gone_held && !gone.is_empty() {
        report.rows_written += run.store.mark_applications_gone(run.id, gone).await?;
    }
    for (job, mut first) in waiting {
        let guid = job.entry.application.guid.to_string();
        if !decision.is_too_much
            && let Outcome::Read(second) =
                read_application(run, &job.entry, job.extent, Trust::Few, None).await?
        {
            first = first.closed_by(&second);
        }
        count(report, guid, job.audit, job.cause, first);
    }
    Ok(())
}

/// The whole list, each application once. Reads it again when its totals drift
/// or rows moved between its pages: then some application may be missing.
async fn list_applications(run: &Run, report: &mut Report) -> Result<Vec<Entry>, Error> {
    let mut tries_left = run.options.rereads;
    loop {
        match list_once(run).await {
            Ok(listing) if listing.drift.is_some() && tries_left > 0 => tries_left -= 1,
            Ok(listing) => {
                report.problems.extend(listing.drift);
                report.problems.extend(listing.problems);
                return Ok(listing.entries);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

#[derive(Default)]
struct Listing {
    entries: Vec<Entry>,
    problems: Vec<Problem>,
    /// That it did not add up.
    drift: Option<Problem>,
}

/// Applications of an account that are read; a list that goes on is not believed.
const MAX_APPLICATIONS: usize = 250_000;
/// Bytes of their records, all of which are in memory: 250,000 of the usual size.
const MAX_LISTED_BYTES: usize = 512 << 20;
/// Elements of the list that cannot be read, before it is left.
const MAX_PROBLEMS: usize = 1000;

async fn list_once(run: &Run) -> Result<Listing, countersign_client::Error> {
    let mut pages = run.client.applications(run.options.page_size);
    let mut listing = Listing::default();
    let mut seen = HashMap::new();
    let mut unreadable = HashSet::new();
    let mut bytes = 0_usize;
    loop {
        let page = match pages.next().await {
            Ok(Some(page)) => page,
            Ok(None) => break,
            Err(error) if error.is_incomplete() => {
                let reason = format!("list the applications: {error}");
                listing.drift.get_or_insert(Problem { application: None, reason });
                break;
            }
            Err(error) => return Err(error),
        };
        let known = (listing.entries.len(), unreadable.len());
        for raw in page.elements() {
            let application = match Application::decode(raw) {
                Ok(application) => application,
                Err(undecodable) => {
                    if unreadable.insert(Sha256::digest(raw)) {
                        let reason =
                            format!("an application in the list cannot be read: {undecodable}");
                        listing.problems.push(Problem { application: None, reason });
                    }
                    continue;
                }
            };
            let guid = application.guid.clone();
            bytes = bytes.saturating_add(raw.len());
            let entry = Entry { application, raw: raw.to_owned() };
            let next = listing.entries.len();
            let at = *seen.entry(guid.clone()).or_insert(next);
            if at == next {
                listing.entries.push(entry);
                continue;
            }
            // The later one counts.
            listing.entries[at] = entry;
            let reason = format!(
                "application `{guid}` came twice in the list: rows moved between pages, and \
                 another may be missing"
            );
            listing.drift = Some(Problem { application: None, reason });
        }
        let is_new = known != (listing.entries.len(), unreadable.len());
        // A list that repeats itself, or goes on, may do so for ever.
        let is_too_long = listing.entries.len() > MAX_APPLICATIONS || bytes > MAX_LISTED_BYTES;
        if (!is_new && page.elements().len() > 0) || is_too_long {
            let reason = match is_new {
                true => format!(
                    "more than {MAX_APPLICATIONS} applications or {} MiB of them are not believed",
                    MAX_LISTED_BYTES >> 20
                ),
                false => format!(
                    "page {} of the applications holds nothing but what came before",
                    page.page().number
                ),
            };
            listing.problems.push(Problem { application: None, reason });
            break;
        }
        if listing.problems.len() > MAX_PROBLEMS {
            break;
        }
    }
    Ok(listing)
}

async fn plan_run(
    run: &Run,
    integration: IntegrationId,
    entries: &[Entry],
    report: &mut Report,
) -> Result<Plan, Error> {
    let marks: Vec<_> = run
        .store
        .application_marks(integration)
        .await?
        .into_iter()
        .map(|mark| Mark {
            guid: mark.guid.to_string(),
            modified_ms: mark.modified_ms,
            policy_checked_ms: mark.policy_checked_ms,
            scanned_ms: mark.scanned_ms,
            read_ms: mark.read_ms,
            gone: mark.gone,
        })
        .collect();
    let listing: Vec<_> = entries
        .iter()
        .map(|entry| Listed {
            guid: entry.application.guid.to_string(),
            modified_ms: entry.application.modified_ms,
            policy_checked_ms: entry.application.policy_checked_ms,
            scanned_ms: entry.application.last_scan_ms,
            is_partly: asking::saves(&entry.application),
        })
        .collect();
    let now_ms = (run.clock)();
    let Scope::Incremental { sweep_ms } = run.options.scope else {
        return Ok(plan::plan(&listing, &marks, Scope::Full, now_ms));
    };
    let kept = run.store.sweep(integration).await?;
    let sweep_ms = pace(kept, sweep_ms).period_ms;
    let mut plan = plan::plan(&listing, &marks, Scope::Incremental { sweep_ms }, now_ms);
    if let Some(between) = run.options.hint {
        let asked_ms = (run.clock)();
        let start = hint::start(run.store.hinted_ms(integration).await?, asked_ms);
        let mut counts = HintCounts { asked_ms, ..HintCounts::default() };
        match hint::ask(&run.client, &start, between).await {
            Ok(named) => {
                let read_ms: HashMap<&str, _> =
                    marks.iter().map(|mark| (mark.guid.as_str(), mark.read_ms)).collect();
                let known = |at: usize| {
                    let application = &entries[at].application;
                    (application.id, read_ms.get(application.guid.as_str()).copied().flatten())
                };
                plan.add_named(&hint::news(&named, &plan.skip, known));
                counts.named = named.len() as u64;
                counts.read = plan.named.len() as u64;
            }
            // What refuses the signature refuses all that follows.
            Err(error) if error.is_not_authenticated() => return Err(error.into()),
            Err(error) => counts.problem = Some(error.to_string()),
        }
        report.hint = Some(counts);
    }
    // What was read on the same day has nothing to be audited for yet.
    let first_ms = marks.iter().filter_map(|mark| mark.read_ms).min();
    let last_ms = kept.map(|kept| kept.audited_ms).or(first_ms);
    if last_ms.is_some_and(|last_ms| audit::is_due(last_ms, now_ms)) {
        let draw = || {
            let mut drawn = [0; 8];
            (run.random)(&mut drawn);
            u64::from_le_bytes(drawn)
        };
        plan.add_audit(&listing, run.options.audit_share, draw);
    }
    Ok(plan)
}

/// Reads the queue, several applications at once. The first failure that no
/// later application can escape (pair refused, role missing, store broken,
/// network down) ends the run; what was committed stays.
async fn read_all(
    run: &Arc<Run>,
    queue: Vec<ToRead>,
    report: &mut Report,
    doubts: &mut Doubts,
) -> Result<(), Error> {
    let mut queue = queue.into_iter();
    let mut tasks = JoinSet::new();
    let mut failed_in_a_row = 0;
    loop {
        while tasks.len() < run.options.parallel.max(1) {
            let Some(job) = queue.next() else { break };
            let run = Arc::clone(run);
            tasks.spawn(async move {
                let outcome =
                    read_application(&run, &job.entry, job.extent, Trust::Usual, None).await;
                (run.watch)(done(&outcome));
                (job, outcome)
            });
        }
        let Some(ended) = tasks.join_next().await else { return Ok(()) };
        let (job, outcome) = ended.map_err(|error| {
            Error::new(Fault::Unexpected, format!("a reading task ended early: {error}"))
        })?;
        let guid = job.entry.application.guid.to_string();
        match outcome {
            Ok(outcome) => {
                failed_in_a_row = 0;
                match outcome {
                    Outcome::Gone => {
                        if let (Some(counts), Some(saving)) = (&mut report.audit, job.audit) {
                            counts.count(saving, true, 0, 0);
                        }
                        doubts.gone.push(guid);
                    }
                    Outcome::Read(read) if read.is_waiting => doubts.waiting.push((job, read)),
                    Outcome::Read(read) => count(report, guid, job.audit, job.cause, read),
                }
            }
            Err(error) => {
                failed_in_a_row += 1;
                let is_last_straw = failed_in_a_row >= run.options.patience;
                if error.fault() != Fault::Upstream || is_last_straw {
                    return Err(error.during(format_args!("read application `{guid}`")));
                }
                report
                    .problems
                    .push(Problem { application: Some(guid), reason: error.to_string() });
            }
        }
    }
}

/// The step that the end of an application is.
fn done(outcome: &Result<Outcome, Error>) -> Progress {
    match outcome {
        Ok(Outcome::Read(read)) => {
            Progress::Application { requests: read.requests, kept: Some(read.shown) }
        }
        // It was asked for, and asked about.
        Ok(Outcome::Gone) => Progress::Application { requests: 2, kept: Some(0) },
        Err(_) => Progress::Application { requests: 1, kept: None },
    }
}

fn count(report: &mut Report, guid: String, audit: Option<Saving>, cause: Cause, read: Read) {
    if let (Some(counts), Some(saving)) = (&mut report.audit, audit) {
        let different = read.findings.different();
        counts.count(saving, read.incomplete.is_none(), different, read.unexpected);
    }
    match (cause, &mut report.hint) {
        (Cause::Hint, Some(hint)) => hint.changed += u64::from(read.findings.is_different()),
        (Cause::Sweep, _) => report.swept_different += read.findings.different(),
        _ => {}
    }
    if read.is_application_different || read.findings.is_different() {
        report.applications.changed += 1;
    } else {
        report.applications.unchanged += 1;
    }
    report.findings.add(&read.findings);
    report.rows_written += read.rows_written;
    if let Some(reason) = read.incomplete {
        report.problems.push(Problem { application: Some(guid), reason });
    }
}

fn summary(report: &Report, finished_ms: i64) -> RunSummary {
    RunSummary {
        finished_ms,
        complete: report.complete,
        requests: report.requests,
        report: serde_json::to_string(report).unwrap_or_default(),
    }
}
