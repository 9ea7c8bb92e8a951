//! Brings the change feed into the ledger. First every change is noted, with the cursor, in
//! one transaction: as an event to send, or as a group to look at. Then each group is looked
//! at, and what there is to do is written down. Nothing is sent here, and a process that ends
//! anywhere in between begins again where it was.

mod backfill;
mod streams;
mod tickets;
mod uploads;

pub use self::backfill::Backfill;
pub(crate) use self::tickets::TicketPayload;
pub(crate) use self::uploads::{UploadPayload, digest};

use std::borrow::Cow;
use std::collections::HashMap;

use countersign_connector::export::Applications;
use countersign_connector::{Clock, Random};
use countersign_findings::{Application, FindingId};
use countersign_store::{
    ChangeRow, DestinationId, DestinationRow, Error, FindingRow, Planned, Since, Store,
};
use data_encoding::BASE64URL_NOPAD;

use crate::destination::Destination;
use crate::receiver::Receiver;

/// Changes that are read at once.
const BATCH: u32 = 500;

/// What a plan came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Changes that were looked at.
    pub changes: u64,
    /// Sends that were written down, skipped ones not counted.
    pub planned: u64,
    /// Groups that nothing is sent of, with a reason.
    pub skipped: u64,
    /// Tickets that wait for approval since.
    pub held: u64,
    /// When planning goes on: more changes wait than may be written down at once, or a summary
    /// waits for its time.
    pub again_ms: Option<i64>,
}

impl Outcome {
    /// Both, in this order.
    #[must_use]
    pub fn and(&self, later: &Self) -> Self {
        Self {
            changes: self.changes + later.changes,
            planned: self.planned + later.planned,
            skipped: self.skipped + later.skipped,
            held: self.held + later.held,
            again_ms: later.again_ms,
        }
    }
}

/// What planning needs.
pub(crate) struct Planner<'a> {
    pub(crate) store: &'a Store,
    pub(crate) clock: &'a Clock,
    pub(crate) random: &'a Random,
    pub(crate) applications: Option<Applications>,
    /// Nothing of the feed behind this position is looked at.
    pub(crate) until: i64,
}

impl<'a> Planner<'a> {
    pub(crate) fn new(store: &'a Store, clock: &'a Clock, random: &'a Random) -> Self {
        Self { store, clock, random, applications: None, until: i64::MAX }
    }

    /// With the feed ending where a run began that is under way: what it brings is planned
    /// when it has ended, all at once, else the guard against many new tickets would see a
    /// few at a time.
    pub(crate) async fn settled(mut self, after: i64) -> Result<Self, Error> {
        if let Some(first) = self.store.unfinished_from(after).await? {
            // A run whose process ended holds no lock, and what it brought is all there is.
            let is_under_way = self.store.is_syncing(None).await?;
            self.until = if is_under_way { first - 1 } else { i64::MAX };
        }
        Ok(self)
    }

    /// Plans everything that is new for a destination.
    pub(crate) async fn plan(
        &mut self,
        destination: &Destination,
        row: DestinationRow,
    ) -> Result<Outcome, Error> {
        match &destination.receiver {
            Receiver::Stream(stream) => self.events(destination, &**stream, row).await,
            Receiver::Tickets(_) => {
                let noted = self.note_groups(destination, row.clone()).await?;
                self.look_at_groups(destination, (row.id, row.mode), noted).await
            }
            Receiver::Uploads(uploads) => {
                let noted = self.note_applications(destination, row.clone()).await?;
                self.look_at_applications(destination, &**uploads, (row.id, row.mode), noted).await
            }
        }
    }

    fn now_ms(&self) -> i64 {
        (self.clock)()
    }

    /// An id that nothing else has: 128 random bits.
    fn uid(&self) -> String {
        let mut bytes = [0; 16];
        (self.random)(&mut bytes);
        format!("msg_{}", BASE64URL_NOPAD.encode(&bytes))
    }

    /// The next changes after a position, and whether these are the last ones: each with its
    /// finding as it is now. A finding that is not there any more was removed with its
    /// integration.
    async fn changes(
        &self,
        after: i64,
        most: u32,
    ) -> Result<(Vec<(ChangeRow, Option<FindingRow>)>, bool), Error> {
        let mut changes = self.store.changes(Since::Seq(after), most).await?;
        let is_last = changes.len() < most as usize
            || changes.last().is_some_and(|change| change.seq > self.until);
        changes.retain(|change| change.seq <= self.until);
        let mut ids: Vec<_> = changes
            .iter()
            .filter_map(|change| change.finding_id.parse::<FindingId>().ok())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let mut rows = HashMap::new();
        for row in self.store.findings_of(&ids).await? {
            rows.insert((row.finding.id.to_string(), row.integration.clone()), row);
        }
        let of = |change: &ChangeRow| {
            rows.get(&(change.finding_id.clone(), change.integration.clone())).cloned()
        };
        let with = changes.into_iter().map(|change| {
            let row = of(&change);
            (change, row)
        });
        Ok((with.collect(), is_last))
    }

    /// The cursor does not move here; whoever holds the destination is the only one to write.
    async fn write(&self, id: DestinationId, planned: Planned) -> Result<(), Error> {
        let rows = self.store.destinations().await?;
        let Some(row) = rows.into_iter().find(|row| row.id == id) else { return Ok(()) };
        self.store.plan_sends(id, row.cursor, planned, self.now_ms()).await?;
        Ok(())
    }

    /// The application of a finding.
    async fn application(&mut self, row: &FindingRow) -> Result<Cow<'_, Application>, Error> {
        let found = self.known().await?.of(row);
        found.map_err(|error| Error::damaged(error.to_string()))
    }

    /// An application, whether it has findings or not.
    pub(crate) async fn application_named(
        &mut self,
        integration: &str,
        guid: &str,
    ) -> Result<Option<Application>, Error> {
        Ok(self.known().await?.get(integration, guid).cloned())
    }

    async fn known(&mut self) -> Result<&Applications, Error> {
        let known = match self.applications.take() {
            Some(known) => known,
            None => Applications::new(self.store.applications().await?),
        };
        Ok(self.applications.insert(known))
    }
}
