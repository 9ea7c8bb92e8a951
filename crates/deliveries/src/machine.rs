//! Carries out what is planned. Every try is counted before it is made, and how it ended is
//! written down after; a process that ends between leaves a row that says "sending". What
//! that means depends on the receiver: what it keeps under a key is sent again, what may have
//! made a ticket is looked for first, and what nobody can look for is sent again under the
//! same id.
//!
//! Nothing here waits. A [`Report`] says when there is more to do.

mod settle;
mod streams;
mod tickets;
mod uploads;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use countersign_connector::{Clock, Random};
use countersign_findings::filter::Expression;
use countersign_store::{
    Action, DeliveryMode, DestinationId, DestinationRow, Error, Settlement, Store,
};
use data_encoding::HEXLOWER;
use futures::future::join_all;

use crate::destination::Destination;
use crate::plan::{Backfill, Outcome, Planner};
use crate::receiver::{Receiver, Verdict};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// How long a process has a destination to itself after its last step.
const CLAIM_MS: i64 = 15 * MINUTE_MS;
/// How long settings that do not work are left alone.
const BROKEN_MS: i64 = 10 * MINUTE_MS;
/// Failures in a row after which a destination rests.
const CIRCUIT: u32 = 5;
/// For how long, the longer the more there were.
const RESTS_MS: [i64; 3] = [MINUTE_MS, 5 * MINUTE_MS, 30 * MINUTE_MS];
/// Tries after which a send is given up.
const TRIES: u32 = 10;
/// Time after which a send is given up, however often it was tried.
const GIVEN_UP_MS: i64 = 5 * DAY_MS;
/// How long what was sent is kept. What stands at receivers is kept forever.
const KEPT_MS: i64 = 180 * DAY_MS;
/// Bytes of an answer or a reason that are kept.
const TOLD_BYTES: usize = 2 << 10;

/// What one round did for a destination.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Name of the destination.
    pub destination: String,
    /// What was planned.
    pub plan: Outcome,
    /// Sends that the receiver took.
    pub sent: u64,
    /// Of these, by what they did.
    pub done: Vec<(Action, u64)>,
    /// Sends that will be tried again.
    pub postponed: u64,
    /// Sends that the receiver refused for good, or that were given up.
    pub failed: u64,
    /// Of these, those that were given up.
    pub given_up: u64,
    /// Why nothing goes out.
    pub problem: Option<String>,
    /// Whether that is news, or that it is over.
    pub is_news: bool,
    /// When there is more to do; none where nothing waits.
    pub again_ms: Option<i64>,
    /// Whether another process has the destination.
    pub is_elsewhere: bool,
}

impl Report {
    /// How many sends of a kind the receiver took.
    pub fn taken(&self, action: Action) -> u64 {
        self.done.iter().find(|(one, _)| *one == action).map_or(0, |(_, count)| *count)
    }

    /// Both: this round, and the one after it.
    #[must_use]
    pub fn and(mut self, later: Self) -> Self {
        for (action, count) in &later.done {
            self.count(*action, *count);
        }
        Self {
            plan: self.plan.and(&later.plan),
            sent: self.sent + later.sent,
            done: self.done,
            postponed: later.postponed,
            failed: self.failed + later.failed,
            given_up: self.given_up + later.given_up,
            is_news: self.is_news || later.is_news,
            ..later
        }
    }

    pub(crate) fn count(&mut self, action: Action, more: u64) {
        match self.done.iter_mut().find(|(one, _)| *one == action) {
            Some((_, count)) => *count += more,
            None => self.done.push((action, more)),
        }
    }
}

/// When a ticket system was last written to.
#[derive(Debug, Clone, Copy, Default)]
struct Pace {
    created_ms: i64,
    changed_ms: i64,
}

/// What carries findings to where people work.
pub struct Deliveries {
    store: Store,
    clock: Clock,
    random: Random,
    holder: String,
    paces: Mutex<HashMap<DestinationId, Pace>>,
}

impl Deliveries {
    /// Over this store.
    pub fn new(store: Store, clock: Clock, random: Random) -> Self {
        let mut bytes = [0; 16];
        random(&mut bytes);
        let holder = HEXLOWER.encode(&bytes);
        Self { store, clock, random, holder, paces: Mutex::default() }
    }

    fn now_ms(&self) -> i64 {
        (self.clock)()
    }

    /// Plans and sends what can be sent now, to all destinations side by side: one that does
    /// not answer delays no other.
    pub async fn round(&self, destinations: &[Destination]) -> Vec<Result<Report, Error>> {
        if let Err(error) = self.store.forget_sends(self.now_ms() - KEPT_MS).await {
            return vec![Err(error)];
        }
        join_all(destinations.iter().map(|destination| self.one(destination))).await
    }

    /// One round for one destination.
    pub async fn one(&self, destination: &Destination) -> Result<Report, Error> {
        let mut report = Report { destination: destination.name.clone(), ..Report::default() };
        let row = self.row(destination).await?;
        if row.mode == DeliveryMode::Paused {
            return Ok(report);
        }
        report.problem = misplaced(destination, &row);
        if report.problem.is_some() {
            return Ok(report);
        }
        let now_ms = self.now_ms();
        if !self.hold(&row, now_ms).await? {
            report.is_elsewhere = true;
            report.again_ms = Some(now_ms + MINUTE_MS);
            return Ok(report);
        }
        let done = self.steps(destination, &mut report).await;
        self.store.leave_destination(row.id, &self.holder).await?;
        done.map(|()| report)
    }

    /// Writes down what there is to do, and sends nothing. None while another process has the
    /// destination: two that plan would plan the same twice.
    pub async fn plan(&self, destination: &Destination) -> Result<Option<Outcome>, Error> {
        let row = self.row(destination).await?;
        if !self.hold(&row, self.now_ms()).await? {
            return Ok(None);
        }
        let planned = self.planned(destination).await;
        self.store.leave_destination(row.id, &self.holder).await?;
        planned.map(Some)
    }

    async fn planned(&self, destination: &Destination) -> Result<Outcome, Error> {
        let row = self.row(destination).await?;
        if row.mode == DeliveryMode::Paused {
            return Ok(Outcome::default());
        }
        self.planner(&row).await?.plan(destination, row).await
    }

    /// Has a destination look at what is there already, all or what the filter holds too. A
    /// process that delivers to it meanwhile is not disturbed: then nothing is done.
    pub async fn backfill(
        &self,
        destination: &Destination,
        filter: &Expression,
    ) -> Result<Backfill, Error> {
        let row = self.row(destination).await?;
        if !self.hold(&row, self.now_ms()).await? {
            return Ok(Backfill::Elsewhere);
        }
        let mut planner = Planner::new(&self.store, &self.clock, &self.random);
        let done = planner.backfill(destination, &row, filter).await;
        self.store.leave_destination(row.id, &self.holder).await?;
        done
    }

    async fn planner(&self, row: &DestinationRow) -> Result<Planner<'_>, Error> {
        Planner::new(&self.store, &self.clock, &self.random).settled(row.cursor).await
    }

    /// The row of a destination; made where there is none. What it does is what its settings
    /// say, unless somebody paused it.
    pub async fn row(&self, destination: &Destination) -> Result<DestinationRow, Error> {
        let Destination { name, kind, place, mode, .. } = destination;
        let now_ms = self.now_ms();
        let mut row = self.store.keep_destination(name, kind, place, *mode, now_ms).await?;
        if row.mode != DeliveryMode::Paused && row.mode != *mode {
            self.store.set_delivery_mode(row.id, *mode, now_ms).await?;
            (row.mode, row.since_ms) = (*mode, now_ms);
        }
        Ok(row)
    }

    async fn hold(&self, row: &DestinationRow, now_ms: i64) -> Result<bool, Error> {
        self.store.hold_destination(row.id, &self.holder, now_ms, now_ms + CLAIM_MS).await
    }

    async fn steps(&self, destination: &Destination, report: &mut Report) -> Result<(), Error> {
        // As it is since it is held: another process may have left it just now.
        let row = self.row(destination).await?;
        let mut planner = self.planner(&row).await?;
        report.plan = planner.plan(destination, row.clone()).await?;
        report.problem.clone_from(&row.problem);
        if row.mode != DeliveryMode::Live {
            report.again_ms = report.plan.again_ms;
            return Ok(());
        }
        let now_ms = self.now_ms();
        let rests = row.rests_until_ms;
        // A rest of more than a day comes of a clock that was wrong.
        if (now_ms + 1..now_ms + DAY_MS).contains(&rests) {
            report.again_ms = Some(rests);
            return Ok(());
        }
        if row.problem.is_some() && !self.is_back(destination, &row, report).await? {
            return Ok(());
        }
        let mut lane = Lane { machine: self, destination, row, report };
        match &destination.receiver {
            Receiver::Stream(stream) => lane.streams(&**stream).await,
            Receiver::Tickets(tickets) => lane.tickets(&**tickets).await,
            Receiver::Uploads(uploads) => lane.uploads(&**uploads, &mut planner).await,
        }
    }

    /// Whether a destination that was broken answers something harmless. Its problem is over
    /// once something was delivered.
    async fn is_back(
        &self,
        destination: &Destination,
        row: &DestinationRow,
        report: &mut Report,
    ) -> Result<bool, Error> {
        // A stream has nothing harmless to ask for: one parcel is the question.
        if matches!(destination.receiver, Receiver::Stream(_)) {
            return Ok(true);
        }
        match destination.receiver.probe(self.now_ms()).await {
            Verdict::Taken(_) => Ok(true),
            _ => {
                let until_ms = self.now_ms() + BROKEN_MS;
                self.store.rest_destination(row.id, row.failures, until_ms).await?;
                report.again_ms = Some(until_ms);
                Ok(false)
            }
        }
    }
}

/// Why nothing can be delivered where settings lead now: what was delivered stands elsewhere.
pub fn misplaced(destination: &Destination, row: &DestinationRow) -> Option<String> {
    let is_there = row.kind == destination.kind && row.place == destination.place;
    (!is_there).then(|| {
        format!(
            "its settings lead to {} `{}`, and what was delivered stands at {} `{}`\n\
             hint: give the new place a new name",
            destination.kind, destination.place, row.kind, row.place
        )
    })
}

/// What goes on when something was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The next one may be tried.
    On,
    /// Nothing more is tried in this round.
    Stop,
}

/// One destination within one round.
struct Lane<'a> {
    machine: &'a Deliveries,
    destination: &'a Destination,
    row: DestinationRow,
    report: &'a mut Report,
}

impl Lane<'_> {
    fn now_ms(&self) -> i64 {
        self.machine.now_ms()
    }

    fn store(&self) -> &Store {
        &self.machine.store
    }

    /// Says when there is more to do, if that is sooner.
    fn again(&mut self, at_ms: i64) {
        self.report.again_ms = Some(self.report.again_ms.map_or(at_ms, |held| held.min(at_ms)));
    }

    /// What is to be done once everything that was due was tried.
    async fn end(&mut self) -> Result<(), Error> {
        match self.store().next_send_ms(self.row.id).await? {
            Some(at_ms) => self.again(at_ms),
            // It answers again, and nothing is left that would show it.
            None => self.worked().await?,
        }
        Ok(())
    }

    /// Whether a group was wanted again while something of it was on its way: it is planned
    /// in the next round.
    async fn look_again(&mut self, group: &str) -> Result<(), Error> {
        if !self.store().wants_of(self.row.id, vec![group.to_owned()]).await?.is_empty() {
            self.again(self.now_ms());
        }
        Ok(())
    }

    async fn write(&self, settlements: Vec<Settlement>) -> Result<(), Error> {
        self.store().settle_sends(self.row.id, settlements, self.now_ms()).await
    }

    fn pace(&self) -> Pace {
        let paces = self.machine.paces.lock().unwrap_or_else(PoisonError::into_inner);
        paces.get(&self.row.id).copied().unwrap_or_default()
    }

    fn set_pace(&self, pace: Pace) {
        let mut paces = self.machine.paces.lock().unwrap_or_else(PoisonError::into_inner);
        paces.insert(self.row.id, pace);
    }
}
