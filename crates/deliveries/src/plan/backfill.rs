//! What was there before the destination. The feed alone does not show it: a new destination
//! begins at its end.

use std::collections::{BTreeMap, HashMap};

use countersign_findings::filter::Expression;
use countersign_store::{DestinationRow, Error, FindingRow, Order, Planned, Query, Want};

use super::Planner;
use super::tickets::want;
use super::uploads::{is_in_place, want_of};
use crate::decide::Events;
use crate::destination::Destination;
use crate::group::Subject;
use crate::receiver::Receiver;
use crate::render::is_open;

/// Findings that are read at once.
const PAGE: u32 = 1_000;
/// Groups that are noted at once.
const NOTED: usize = 500;

/// What a backfill came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backfill {
    /// Groups of findings will be looked at: their tickets are held until they are approved.
    Groups {
        /// Those without a ticket.
        noted: u64,
        /// Those that have one, which are left alone.
        known: u64,
    },
    /// Applications will be sent whole, if they differ from what was sent last.
    Applications(u64),
    /// All changes of the feed will be sent.
    Feed(u64),
    /// A stream has no filter of its own: nothing was done.
    NotNarrowed,
    /// So many sends still wait: nothing was done.
    Waits(u64),
    /// Another process delivers to it: nothing was done.
    Elsewhere,
}

impl Planner<'_> {
    pub(crate) async fn backfill(
        &mut self,
        destination: &Destination,
        row: &DestinationRow,
        filter: &Expression,
    ) -> Result<Backfill, Error> {
        match &destination.receiver {
            Receiver::Stream(_) => self.backfill_stream(row, filter).await,
            Receiver::Tickets(_) => self.backfill_tickets(destination, row, filter).await,
            Receiver::Uploads(_) => self.backfill_uploads(destination, row, filter).await,
        }
    }

    /// From the beginning of the feed. What waits is sent first: the same change does not
    /// wait twice.
    async fn backfill_stream(
        &self,
        row: &DestinationRow,
        filter: &Expression,
    ) -> Result<Backfill, Error> {
        if !filter.is_everything() {
            return Ok(Backfill::NotNarrowed);
        }
        let waiting = self.store.send_queue(row.id, u32::from(u16::MAX)).await?.len();
        if waiting > 0 {
            return Ok(Backfill::Waits(waiting as u64));
        }
        self.store.rewind_destination(row.id, 0).await?;
        Ok(Backfill::Feed(self.store.feed_end().await?.unsigned_abs()))
    }

    async fn backfill_tickets(
        &self,
        destination: &Destination,
        row: &DestinationRow,
        filter: &Expression,
    ) -> Result<Backfill, Error> {
        let (mut noted, mut known) = (0, 0);
        let mut seen = BTreeMap::new();
        let asked = Events { new: true, asked: true, ..Events::default() };
        self.each(filter, |found| {
            if is_open(found) && found.visible && destination.holds(found) {
                let subject = Subject::of(&found.finding, destination.grouping);
                seen.entry(subject.key()).or_insert(subject);
            }
        })
        .await?;
        let groups: Vec<_> = seen.into_iter().collect();
        for groups in groups.chunks(NOTED) {
            let keys: Vec<_> = groups.iter().map(|(key, _)| key.clone()).collect();
            let links = self.store.links_of(row.id, keys.clone()).await?;
            let before = self.store.wants_of(row.id, keys).await?;
            let mut wants = Vec::new();
            for (key, subject) in groups.iter().filter(|(key, _)| !links.contains_key(key)) {
                let seq = (row.cursor, row.cursor);
                wants.push(want(key.clone(), subject, asked.clone(), seq, &before)?);
            }
            noted += wants.len() as u64;
            known += links.len() as u64;
            self.note_wants(row, wants).await?;
        }
        Ok(Backfill::Groups { noted, known })
    }

    async fn backfill_uploads(
        &self,
        destination: &Destination,
        row: &DestinationRow,
        filter: &Expression,
    ) -> Result<Backfill, Error> {
        let mut wants: HashMap<String, Want> = HashMap::new();
        let mut failed = None;
        self.each(filter, |found| {
            if is_in_place(destination, found) {
                match want_of(found, row.cursor) {
                    Ok(want) => drop(wants.entry(want.group.clone()).or_insert(want)),
                    Err(error) => failed = Some(error),
                }
            }
        })
        .await?;
        if let Some(error) = failed {
            return Err(error);
        }
        let noted = wants.len() as u64;
        self.note_wants(row, wants.into_values().collect()).await?;
        Ok(Backfill::Applications(noted))
    }

    /// Calls `each` with every finding of the filter.
    async fn each(
        &self,
        filter: &Expression,
        mut each: impl FnMut(&FindingRow),
    ) -> Result<(), Error> {
        let mut after = None;
        loop {
            let query = Query { filter: filter.clone(), limit: PAGE, after, order: Order::Arrival };
            let page = self.store.findings(query).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.seek);
            page.iter().for_each(&mut each);
        }
    }

    async fn note_wants(&self, row: &DestinationRow, wants: Vec<Want>) -> Result<(), Error> {
        let planned = Planned { wants, ..Planned::default() };
        self.store.plan_sends(row.id, row.cursor, planned, self.now_ms()).await.map(drop)
    }
}
