//! A run that several processes do together, on as many machines: where the store is a database.
//!
//! One of them conducts: it lists, plans, and settles. All claim applications of the plan, the
//! conductor too, and write each under the lease of its claim ([`WorkLease`]). What the end of the
//! run needs to know is noted with what is written, so that anybody can take over from a conductor
//! that is gone, and goes on where it stood.
//!
//! Invariants:
//! - Who has lost a lease writes nothing: neither an application nor the end of a run.
//! - What the brake decides is decided once, by what was open when the run was planned. It holds
//!   whoever settles.
//! - An application is read once in a run, unless its reader has left it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use countersign_client::Client;
use countersign_findings::Application;
use countersign_findings::closure::Brake;
use countersign_store::{
    ClaimedWork, Conduct, Conducted, IntegrationId, NewConduct, NewWork, OpenRun, RunEnd, RunId,
    RunStage, ScheduledEnd, WorkLease, WorkNote, WorkRow, WorkState,
};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::application::{Claimed, Outcome, Read, Trust, read_application};
use super::asking::Extent;
use super::audit::Saving;
use super::plan::Scope;
use super::report::{AuditCounts, HintCounts, Problem, Report};
use super::{
    Cause, Closing, Decision, Entry, Finished, Options, Paced, Progress, Run, Spent, Watch, count,
    done, ended, jobs, list_applications, plan_run, summary,
};
use crate::error::{Error, Fault};
use crate::{Connector, Random};

/// Between two looks at what others do, for who has nothing to do.
const LOOK: Duration = Duration::from_millis(500);
/// How long applications under way may take once a worker is to end; then they are given back.
const GRACE: Duration = Duration::from_secs(15);

/// What becomes of a run when its conductor is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopped {
    /// It ends, and is incomplete.
    Ends,
    /// Whoever comes next goes on with it.
    IsLeft,
}

/// What a run goes by, whoever conducts it, and what was counted before applications were read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Terms {
    scope: Scope,
    closures_share: f64,
    closures_few: u64,
    listed: u64,
    skipped: u64,
    audits: Option<u64>,
    hint: Option<Hinted>,
    problems: Vec<Problem>,
    /// Applications that the list lacks, and their open findings.
    gone: Vec<(String, u64)>,
    /// Open findings before the run, and applications that were not gone.
    open: u64,
    applications: u64,
    /// Requests until all was planned.
    spent: Spent,
    /// What is done about that which one application alone does not decide, once it is known.
    decision: Option<Decision>,
}

/// What the Reporting API named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Hinted {
    named: u64,
    read: u64,
    problem: Option<String>,
    asked_ms: i64,
}

/// How an application is read and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct WorkTerms {
    extent: Extent,
    cause: Cause,
    audit: Option<Saving>,
    /// Its open findings before the run.
    open: u64,
}

/// How the reading of an application ended, and requests of the process until then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Ending {
    noted: Noted,
    spent: Spent,
}

/// How the reading of an application ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Noted {
    /// It is no longer there.
    Gone,
    /// It was read.
    Read(Box<Read>),
    /// It could not be read.
    Failed(String),
}

impl Noted {
    /// As it is noted.
    pub(super) fn note(
        self,
        lease: WorkLease,
        state: WorkState,
        run: &Run,
    ) -> Result<WorkNote, Error> {
        let outcome = text_of(&Ending { noted: self, spent: run.spent() })?;
        Ok(WorkNote { lease, state, outcome })
    }
}

fn text_of(what: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(what).map_err(|error| Error::new(Fault::Unexpected, error.to_string()))
}

fn parsed<'t, T: Deserialize<'t>>(text: &'t str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| {
        Error::from(countersign_store::Error::damaged(format_args!("a run under way: {error}")))
    })
}

impl Terms {
    fn of(options: &Options) -> Self {
        Self {
            scope: options.scope,
            closures_share: options.brake.share,
            closures_few: options.brake.few,
            listed: 0,
            skipped: 0,
            audits: None,
            hint: None,
            problems: Vec::new(),
            gone: Vec::new(),
            open: 0,
            applications: 0,
            spent: Spent::default(),
            decision: None,
        }
    }

    fn brake(&self) -> Brake {
        Brake { share: self.closures_share, few: self.closures_few }
    }

    /// Whether somebody who asks for these means the same run.
    fn fits(&self, wanted: &Self) -> bool {
        self.scope.kind() == wanted.scope.kind() && self.brake() == wanted.brake()
    }

    /// The options of this process, as far as it is free to choose.
    fn govern(&self, options: Options) -> Options {
        Options { scope: self.scope, brake: self.brake(), ..options }
    }

    /// What is reported although nobody has read anything yet.
    fn report(&self) -> Report {
        let mut report = Report::default();
        report.applications.listed = self.listed;
        report.applications.skipped = self.skipped;
        report.applications.unchanged = self.skipped;
        report.audit = self.audits.map(|planned| AuditCounts { planned, ..AuditCounts::default() });
        report.hint = self.hint.as_ref().map(|hint| HintCounts {
            named: hint.named,
            read: hint.read,
            changed: 0,
            problem: hint.problem.clone(),
            asked_ms: hint.asked_ms,
        });
        report.problems.clone_from(&self.problems);
        report
    }

    /// Keeps what is reported before anything was read.
    fn keep(&mut self, report: &Report) {
        self.listed = report.applications.listed;
        self.skipped = report.applications.skipped;
        self.audits = report.audit.map(|audit| audit.planned);
        self.hint = report.hint.as_ref().map(|hint| Hinted {
            named: hint.named,
            read: hint.read,
            problem: hint.problem.clone(),
            asked_ms: hint.asked_ms,
        });
        self.problems.clone_from(&report.problems);
    }
}

/// An application of a run, taken out of its row.
struct Ended {
    guid: String,
    place: i64,
    asked: WorkTerms,
    state: WorkState,
    /// None before it ended.
    noted: Option<Noted>,
    spent: Spent,
}

impl Ended {
    fn of(row: WorkRow) -> Result<Self, Error> {
        let ending: Option<Ending> = row.outcome.as_deref().map(parsed).transpose()?;
        let (mut noted, spent) = match ending {
            Some(ending) => (Some(ending.noted), ending.spent),
            None => (None, Spent::default()),
        };
        if let Some(Noted::Read(read)) = &mut noted {
            read.rows_written = row.rows_written;
        }
        Ok(Self {
            asked: parsed(&row.terms)?,
            guid: row.application,
            place: row.place,
            state: row.state,
            noted,
            spent,
        })
    }

    /// What was read of it, if the end of the run is to decide about that.
    fn doubt(&self) -> Option<&Read> {
        match &self.noted {
            Some(Noted::Read(read)) if self.state == WorkState::Doubted => Some(read),
            _ => None,
        }
    }
}

/// What a run came to so far: what all processes noted.
struct Tally {
    report: Report,
    /// Guids of applications that are no longer there, and open findings of these.
    gone: Vec<String>,
    of_gone: u64,
    /// Those about which the end of the run decides.
    doubted: Vec<Ended>,
    of_doubted: u64,
    spent: Spent,
}

impl Tally {
    fn of(terms: &Terms, rows: Vec<WorkRow>) -> Result<Self, Error> {
        let mut tally = Self {
            report: terms.report(),
            gone: terms.gone.iter().map(|(guid, _)| guid.clone()).collect(),
            of_gone: terms.gone.iter().map(|(_, open)| open).sum(),
            doubted: Vec::new(),
            of_doubted: 0,
            spent: terms.spent,
        };
        for row in rows {
            tally.add(Ended::of(row)?);
        }
        Ok(tally)
    }

    fn add(&mut self, one: Ended) {
        self.spent.requests += one.spent.requests;
        self.spent.retries += one.spent.retries;
        if let Some(read) = one.doubt() {
            self.of_doubted += read.findings.held_back;
            self.doubted.push(one);
            return;
        }
        let WorkTerms { audit, cause, open, .. } = one.asked;
        match one.noted {
            None => {}
            Some(Noted::Gone) => {
                if let (Some(counts), Some(saving)) = (&mut self.report.audit, audit) {
                    counts.count(saving, true, 0, 0);
                }
                self.of_gone += open;
                self.gone.push(one.guid);
            }
            Some(Noted::Failed(reason)) => {
                self.report.problems.push(Problem { application: Some(one.guid), reason });
            }
            Some(Noted::Read(read)) => count(&mut self.report, one.guid, audit, cause, *read),
        }
    }

    fn closing(&self, terms: &Terms) -> Closing {
        Closing {
            open: terms.open,
            applications: terms.applications,
            gone: self.gone.len() as u64,
            of_gone: self.of_gone,
            held_back: self.report.findings.held_back,
            of_waiting: self.of_doubted,
        }
    }

    /// The report, once it was decided what is closed; before that, what waits is not counted.
    fn reported(mut self, terms: &Terms) -> Report {
        if let Some(decision) = terms.decision {
            self.closing(terms).report_gone(decision, &mut self.report);
            for one in self.doubted {
                if let Some(Noted::Read(read)) = one.noted {
                    let WorkTerms { audit, cause, .. } = one.asked;
                    count(&mut self.report, one.guid, audit, cause, *read);
                }
            }
        }
        (self.report.requests, self.report.retries) = (self.spent.requests, self.spent.retries);
        self.report
    }
}

/// This process, among those that do a run.
struct Hand {
    run: Arc<Run>,
    holder: String,
    /// Whether it waits until others have read what they claimed.
    waits: bool,
    /// Whether it claims nothing any more.
    is_ending: AtomicBool,
    /// Applications that it has read.
    read: AtomicU64,
}

impl Hand {
    fn new(run: Arc<Run>, holder: String, waits: bool) -> Self {
        let (is_ending, read) = (AtomicBool::new(false), AtomicU64::new(0));
        Self { run, holder, waits, is_ending, read }
    }

    fn life_ms(&self) -> i64 {
        i64::try_from(self.run.options.lease.as_millis()).unwrap_or(i64::MAX)
    }

    /// Reads what it can claim, several applications at once, until nothing is left. The first
    /// failure that no later application can escape ends it; what was written stays.
    async fn read_all(&self) -> Result<(), Error> {
        let mut tasks = JoinSet::new();
        let mut failed_in_a_row = 0;
        loop {
            let free = self.run.options.parallel.max(1).saturating_sub(tasks.len());
            for work in self.claimed(free).await? {
                tasks.spawn(read_one(Arc::clone(&self.run), work));
            }
            let has_room = tasks.len() < self.run.options.parallel.max(1);
            if tasks.is_empty() && !self.has_to_wait().await? {
                return Ok(());
            }
            let ended = tokio::select! {
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => ended,
                () = sleep(LOOK), if has_room => continue,
            };
            let (lease, guid, ended) = ended.map_err(|error| {
                Error::new(Fault::Unexpected, format!("a reading task ended early: {error}"))
            })?;
            match ended {
                Ok(()) => {
                    self.read.fetch_add(1, Ordering::Relaxed);
                    failed_in_a_row = 0;
                }
                // Somebody else has claimed it, and reads it.
                Err(error) if error.is_superseded() => {}
                Err(error) => {
                    failed_in_a_row += 1;
                    let is_last_straw = failed_in_a_row >= self.run.options.patience;
                    if error.fault() != Fault::Upstream || is_last_straw {
                        self.run.store.give_back(lease).await?;
                        return Err(error.during(format_args!("read application `{guid}`")));
                    }
                    self.note_failure(lease, &error).await?;
                }
            }
        }
    }

    async fn claimed(&self, most: usize) -> Result<Vec<ClaimedWork>, Error> {
        if most == 0 || self.is_ending.load(Ordering::Relaxed) {
            return Ok(Vec::new());
        }
        let store = &self.run.store;
        Ok(store.claim_work(self.run.id, &self.holder, most, self.life_ms()).await?)
    }

    async fn has_to_wait(&self) -> Result<bool, Error> {
        if !self.waits || self.is_ending.load(Ordering::Relaxed) {
            return Ok(false);
        }
        Ok(self.run.store.work_left(self.run.id).await? > 0)
    }

    async fn note_failure(&self, lease: WorkLease, error: &Error) -> Result<(), Error> {
        let note = Noted::Failed(error.to_string()).note(lease, WorkState::Done, &self.run)?;
        match self.run.store.note_work(note).await {
            Err(error) if !error.is_superseded() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Renews what it has claimed, for as long as it is asked to. What cannot be renewed is
    /// refused when it is written.
    async fn keep_work(&self) {
        loop {
            sleep(self.run.options.lease / 3).await;
            let store = &self.run.store;
            let renewed = store.renew_work(self.run.id, &self.holder, self.life_ms()).await;
            tell_unrenewed(renewed);
        }
    }

    /// The same with the run, until somebody else has taken that over.
    async fn keep_run(&self, conduct: Conduct) -> Error {
        loop {
            sleep(self.run.options.lease / 3).await;
            let store = &self.run.store;
            match store.renew_run(conduct, &self.holder, self.life_ms()).await {
                Err(error) if error.is_superseded() => return error.into(),
                renewed => tell_unrenewed(renewed),
            }
        }
    }

    /// Tells whoever watches what others have read.
    async fn watch_others(&self, planned: u64) {
        loop {
            sleep(LOOK).await;
            let Ok(left) = self.run.store.work_left(self.run.id).await else { continue };
            let own = self.read.load(Ordering::Relaxed);
            let applications = planned.saturating_sub(left).saturating_sub(own);
            (self.run.watch)(Progress::Elsewhere { applications });
        }
    }
}

fn tell_unrenewed(renewed: Result<(), countersign_store::Error>) {
    if let Err(error) = renewed {
        tracing::warn!(%error, "a lease of a sync cannot be renewed");
    }
}

/// Reads one application and notes how that ended.
async fn read_one(run: Arc<Run>, work: ClaimedWork) -> (WorkLease, String, Result<(), Error>) {
    let (lease, guid) = (work.lease, work.application.clone());
    let outcome = read_claimed(&run, work, Trust::Usual, None).await;
    (run.watch)(done(&outcome));
    let noted = match outcome {
        Ok(Outcome::Gone) => note_gone(&run, lease).await,
        // It is noted with what was written.
        Ok(Outcome::Read(_)) => Ok(()),
        Err(error) => Err(error),
    };
    (lease, guid, noted)
}

async fn note_gone(run: &Run, lease: WorkLease) -> Result<(), Error> {
    let note = Noted::Gone.note(lease, WorkState::Done, run)?;
    Ok(run.store.note_work(note).await?)
}

async fn read_claimed(
    run: &Run,
    work: ClaimedWork,
    trust: Trust,
    first: Option<Read>,
) -> Result<Outcome, Error> {
    let asked: WorkTerms = parsed(&work.terms)?;
    let application = Application::decode(&work.raw)
        .map_err(|undecodable| Error::from(countersign_store::Error::damaged(undecodable)))?;
    let entry = Entry { application, raw: work.raw };
    let claimed = Claimed { lease: work.lease, first };
    read_application(run, &entry, asked.extent, trust, Some(&claimed)).await
}

impl Connector {
    /// Begins a run and conducts it, or goes on with one whose conductor is gone.
    pub(super) async fn conduct_until(
        &self,
        integration: IntegrationId,
        client: Client,
        options: Options,
        watch: Watch,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<Finished, Error> {
        let (holder, wanted) = (holder(&options, &self.random), Terms::of(&options));
        let new = NewConduct {
            integration,
            kind: options.scope.kind(),
            started_ms: self.now(),
            holder: holder.clone(),
            life_ms: i64::try_from(options.lease.as_millis()).unwrap_or(i64::MAX),
            terms: text_of(&wanted)?,
        };
        let fits =
            move |_, terms: &str| parsed::<Terms>(terms).is_ok_and(|terms| terms.fits(&wanted));
        let conducted = self.store.conduct_run(new, fits).await?;
        let (run, terms) = self.run_of(&conducted, client, options, watch)?;
        let hand = Hand::new(run, holder, true);
        self.conduct(hand, conducted, terms, stop, Stopped::Ends).await
    }

    /// Takes over a run that its conductor has left, and conducts it to its end; none where
    /// somebody else does by now.
    ///
    /// # Errors
    ///
    /// As a sync; and where somebody takes it over from this process.
    pub async fn take_over(
        &self,
        run: RunId,
        client: Client,
        options: Options,
        watch: Watch,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<Option<Finished>, Error> {
        let holder = holder(&options, &self.random);
        let life_ms = i64::try_from(options.lease.as_millis()).unwrap_or(i64::MAX);
        let Some(conducted) = self.store.take_over_run(run, &holder, life_ms).await? else {
            return Ok(None);
        };
        let (run, terms) = self.run_of(&conducted, client, options, watch)?;
        let hand = Hand::new(run, holder, true);
        let (integration, scope) = (conducted.integration, terms.scope);
        let finished = self.conduct(hand, conducted, terms, stop, Stopped::IsLeft).await?;
        if !finished.is_stopped {
            self.note_scheduled_end(integration, scope, &finished).await?;
        }
        Ok(Some(finished))
    }

    fn run_of(
        &self,
        conducted: &Conducted,
        client: Client,
        options: Options,
        watch: Watch,
    ) -> Result<(Arc<Run>, Terms), Error> {
        let terms: Terms = parsed(&conducted.terms)?;
        let options = terms.govern(options);
        let run = Run::new(self, conducted.conduct.run(), client, options, watch);
        Ok((Arc::new(run), terms))
    }

    /// Reads what it can claim of a run that somebody else conducts, until there is nothing left
    /// to claim or `stop` ends; answers how many applications it has read.
    ///
    /// # Errors
    ///
    /// Where no later application can be read: the service or the store refuses. What it had
    /// claimed is given back.
    pub async fn help(
        &self,
        open: &OpenRun,
        client: Client,
        options: Options,
        watch: Watch,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<u64, Error> {
        let Some(terms) = self.store.run_terms(open.run).await? else { return Ok(0) };
        let holder = holder(&options, &self.random);
        let options = parsed::<Terms>(&terms)?.govern(options);
        let run = Arc::new(Run::new(self, open.run, client, options, watch));
        run.need_not_wait();
        let hand = Hand::new(run, holder, false);
        let outcome = {
            let reading = async {
                tokio::select! {
                    read = hand.read_all() => read,
                    () = hand.keep_work() => Ok(()),
                }
            };
            tokio::pin!(reading);
            tokio::select! {
                read = &mut reading => read,
                () = stop => {
                    hand.is_ending.store(true, Ordering::Relaxed);
                    timeout(GRACE, reading).await.unwrap_or(Ok(()))
                }
            }
        };
        self.store.give_back_work(open.run, &hand.holder).await?;
        outcome.map(|()| hand.read.load(Ordering::Relaxed))
    }

    /// From where it stands to its end, or until `stop` ends, or until somebody else has taken
    /// it over.
    async fn conduct(
        &self,
        hand: Hand,
        conducted: Conducted,
        mut terms: Terms,
        stop: impl Future<Output = ()> + Send,
        stopped: Stopped,
    ) -> Result<Finished, Error> {
        let conduct = conducted.conduct;
        if conducted.is_taken_over {
            tracing::info!(stage = conducted.stage.as_str(), "a sync is taken over");
        }
        let work = async {
            tokio::select! {
                done = go_on(&hand, &conducted, &mut terms) => done,
                lost = hand.keep_run(conduct) => Err(lost),
            }
        };
        let (failure, is_stopped) = ended(work, stop).await;
        // Whoever has it by now ends it.
        if let Some(error) = failure.as_ref().filter(|error| error.is_superseded()) {
            return Err(error.clone());
        }
        if is_stopped && stopped == Stopped::IsLeft {
            self.store.leave_run(conduct, &hand.holder).await?;
            return Ok(Finished { report: terms.report(), failure, is_stopped });
        }
        let report = self.end_conducted(&hand.run, &conducted, &terms, failure.as_ref()).await?;
        self.say(conducted.integration, &report).await?;
        Ok(Finished { report, failure, is_stopped })
    }

    /// Notes the end of a run that somebody else's schedule began and does not know of.
    async fn note_scheduled_end(
        &self,
        integration: IntegrationId,
        scope: Scope,
        finished: &Finished,
    ) -> Result<(), Error> {
        let schedules = self.store.schedules().await?;
        let schedule = schedules.into_iter().find(|one| one.integration == integration);
        let Some(schedule) = schedule.filter(|one| one.ended_ms.is_none()) else { return Ok(()) };
        let Some(started_ms) = schedule.started_ms else { return Ok(()) };
        let trouble = finished.fault().map(|fault| {
            let first = finished.report.problems.first().map(|problem| problem.reason.clone());
            (fault, first.unwrap_or_else(|| "the run is incomplete".to_owned()))
        });
        let is_full = scope == Scope::Full && trouble.is_none();
        let full_ms = is_full.then_some(started_ms);
        let end = ScheduledEnd { ended_ms: self.now(), full_ms, trouble };
        Ok(self.store.end_scheduled(integration, end).await?)
    }

    /// Writes the end of a run.
    async fn end_conducted(
        &self,
        run: &Run,
        conducted: &Conducted,
        terms: &Terms,
        failure: Option<&Error>,
    ) -> Result<Report, Error> {
        let (integration, conduct) = (conducted.integration, conducted.conduct);
        let tally = Tally::of(terms, self.store.work(conduct.run()).await?)?;
        let mut report = tally.reported(terms);
        let spent = run.spent();
        report.requests += spent.requests;
        report.retries += spent.retries;
        if let Some(error) = failure {
            report.problems.push(Problem { application: None, reason: error.to_string() });
        }
        report.complete = failure.is_none() && report.problems.is_empty();
        self.count_stored(integration, &mut report).await?;
        let now_ms = self.now();
        report.duration_ms = u64::try_from(now_ms - conducted.started_ms).unwrap_or_default();
        let kept = self.store.sweep(integration).await?;
        let paced = Paced::of(kept, terms.scope, &report, conducted.started_ms);
        let end = RunEnd {
            summary: summary(&report, now_ms),
            audited: paced.audited,
            pace: paced.pace.map(|pace| (pace.period_ms, pace.clean)),
            hinted_ms: report.hinted_ms(),
        };
        self.store.end_run(conduct, end).await?;
        Ok(report)
    }
}

/// A name of this process.
fn holder(options: &Options, random: &Random) -> String {
    if !options.holder.is_empty() {
        return options.holder.clone();
    }
    let mut bytes = [0; 8];
    random(&mut bytes);
    HEXLOWER.encode(&bytes)
}

async fn go_on(hand: &Hand, conducted: &Conducted, terms: &mut Terms) -> Result<(), Error> {
    let (run, conduct) = (&hand.run, conducted.conduct);
    if conducted.stage == RunStage::Listing {
        let (work, ()) =
            tokio::try_join!(listed(run, conducted.integration, terms), run.look_at_store())?;
        run.store.plan_run(conduct, text_of(terms)?, work).await?;
    }
    // Whoever planned it looked before.
    run.need_not_wait();
    if conducted.stage != RunStage::Settling {
        read_planned(hand).await?;
        let tally = Tally::of(terms, run.store.work(run.id).await?)?;
        let mut decided = terms.clone();
        decided.decision = Some(tally.closing(terms).decide(run.options.brake));
        run.store.settle_run(conduct, text_of(&decided)?).await?;
        *terms = decided;
    }
    (run.watch)(Progress::Settling);
    settle(hand, conduct, terms).await
}

async fn read_planned(hand: &Hand) -> Result<(), Error> {
    let run = &hand.run;
    let rows = run.store.work(run.id).await?;
    let planned = rows.len() as u64;
    (run.watch)(Progress::Planned { applications: planned });
    drop(rows);
    tokio::select! {
        read = hand.read_all() => read,
        () = hand.watch_others(planned) => Ok(()),
    }
}

/// What a run reads, by what the service lists; and what it goes by.
async fn listed(
    run: &Arc<Run>,
    integration: IntegrationId,
    terms: &mut Terms,
) -> Result<Vec<NewWork>, Error> {
    let mut report = Report::default();
    let entries =
        list_applications(run, &mut report).await.map_err(|e| e.during("list the applications"))?;
    report.applications.listed = entries.len() as u64;
    let open = run.store.open_findings(integration).await?;
    let mut plan = plan_run(run, integration, &entries, &mut report).await?;
    report.applications.skipped = plan.skip.len() as u64;
    let gone = std::mem::take(&mut plan.gone);
    // A listing with an unreadable element may lack an application that exists.
    if report.problems.is_empty() {
        let of = |guid: String| {
            let open = open.get(&guid).copied().unwrap_or_default();
            (guid, open)
        };
        terms.gone = gone.into_iter().map(of).collect();
    }
    terms.open = open.values().sum();
    terms.applications = open.len() as u64;
    let jobs = jobs(run.options.scope, plan, entries, &mut report);
    terms.keep(&report);
    terms.spent = run.spent();
    jobs.into_iter().map(|job| new_work(job, &open)).collect()
}

fn new_work(job: super::ToRead, open: &HashMap<String, u64>) -> Result<NewWork, Error> {
    let application = job.entry.application.guid.to_string();
    let open = open.get(&application).copied().unwrap_or_default();
    let asked = WorkTerms { extent: job.extent, cause: job.cause, audit: job.audit, open };
    Ok(NewWork { application, terms: text_of(&asked)?, raw: job.entry.raw.clone() })
}

/// Closes and marks what waited, unless it is most of what the account has. Done twice, because a
/// conductor was lost in between, it comes to the same.
async fn settle(hand: &Hand, conduct: Conduct, terms: &Terms) -> Result<(), Error> {
    let run = &hand.run;
    let Some(decision) = terms.decision else { return Ok(()) };
    let tally = Tally::of(terms, run.store.work(run.id).await?)?;
    if !decision.is_gone_held && !tally.gone.is_empty() {
        run.store.mark_applications_gone_for(conduct, tally.gone).await?;
    }
    if decision.is_too_much {
        return Ok(());
    }
    for one in tally.doubted {
        let first = one.doubt().cloned();
        let claimed =
            run.store.claim_doubted(conduct, one.place, &hand.holder, hand.life_ms()).await?;
        let Some(work) = claimed else { continue };
        // One that is gone by now stays as it was read.
        read_claimed(run, work, Trust::Few, first).await?;
    }
    Ok(())
}
