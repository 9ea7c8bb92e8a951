//! Changes, each sent once and in order.

use countersign_store::{
    Action, ChangeRow, DeliveryMode, DestinationRow, Error, FindingRow, NewSend, Planned, SendState,
};

use super::{BATCH, Outcome, Planner};
use crate::destination::Destination;
use crate::receiver::{Bundle, Event, Stream};
use crate::render::digest::Summing;

/// Sends that wait at most: what is behind them stays in the feed until some are through, so
/// that a receiver that is down for long costs nothing.
const QUEUE: u32 = 1_000;

/// Changes to read for so many sends.
fn fits(room: usize, most: usize) -> u32 {
    u32::try_from(room.saturating_mul(most)).map_or(BATCH, |fits| fits.min(BATCH))
}

/// A key of its own for each send, in the order of the feed.
fn group(seq: i64) -> String {
    format!("{seq:020}")
}

impl Planner<'_> {
    /// Writes down what a stream is to be sent, as much as may wait.
    pub(super) async fn events(
        &mut self,
        destination: &Destination,
        stream: &dyn Stream,
        row: DestinationRow,
    ) -> Result<Outcome, Error> {
        match stream.bundle() {
            Bundle::Digest { every_ms } => self.digest(destination, stream, row, every_ms).await,
            Bundle::Changes(most) => self.bundles(destination, stream, row, most.max(1)).await,
        }
    }

    async fn bundles(
        &mut self,
        destination: &Destination,
        stream: &dyn Stream,
        row: DestinationRow,
        most: usize,
    ) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        let (mut cursor, mut read, mode) = (row.cursor, row.cursor, row.mode);
        let waiting = self.store.send_queue(row.id, QUEUE).await?.len();
        let mut room = (QUEUE as usize).saturating_sub(waiting);
        let mut bundle: Vec<(ChangeRow, FindingRow)> = Vec::new();
        loop {
            // It goes on when some are through.
            if room == 0 {
                outcome.again_ms = Some(self.now_ms());
                break;
            }
            let (changes, is_last) = self.changes(read, fits(room, most)).await?;
            let Some(end) = changes.last().map(|(change, _)| change.seq) else { break };
            let mut planned = Planned { cursor: Some(end), ..Planned::default() };
            for (change, found) in changes {
                outcome.changes += 1;
                match found {
                    Some(found) if destination.holds(&found) => bundle.push((change, found)),
                    Some(_) => planned.left_out += 1,
                    None => {}
                }
                if bundle.len() == most {
                    planned.sends.push(self.parcel(stream, mode, &bundle).await?);
                    bundle.clear();
                }
            }
            // The cursor never passes what is not written down.
            if is_last && !bundle.is_empty() {
                planned.sends.push(self.parcel(stream, mode, &bundle).await?);
                bundle.clear();
            } else if let Some((first, _)) = bundle.first() {
                planned.cursor = Some(first.seq - 1);
            }
            read = end;
            room = room.saturating_sub(planned.sends.len());
            outcome.planned += planned.sends.len() as u64;
            let to = planned.cursor.unwrap_or(end);
            if !self.store.plan_sends(row.id, cursor, planned, self.now_ms()).await? || is_last {
                break;
            }
            cursor = to;
        }
        Ok(outcome)
    }

    async fn parcel(
        &mut self,
        stream: &dyn Stream,
        mode: DeliveryMode,
        bundle: &[(ChangeRow, FindingRow)],
    ) -> Result<NewSend, Error> {
        let mut applications = Vec::with_capacity(bundle.len());
        for (_, row) in bundle {
            applications.push(self.application(row).await?.into_owned());
        }
        let events: Vec<_> = bundle
            .iter()
            .zip(&applications)
            .map(|((change, row), application)| Event { change, row, application })
            .collect();
        let action = if bundle.len() > 1 { Action::Object } else { Action::Event };
        let seq = |at: Option<&(ChangeRow, FindingRow)>| at.map_or(0, |(change, _)| change.seq);
        let seqs = (seq(bundle.first()), seq(bundle.last()));
        Ok(self.sent_as(stream.render(&events), action, seqs, mode))
    }

    /// What cannot be rendered is not lost without a word.
    fn sent_as(
        &self,
        rendered: Result<String, String>,
        action: Action,
        (from_seq, to_seq): (i64, i64),
        mode: DeliveryMode,
    ) -> NewSend {
        let (payload, state, reason) = match (rendered, mode) {
            (Err(why), _) => (String::new(), SendState::Skipped, Some(why)),
            (Ok(body), DeliveryMode::Simulate) => (body, SendState::Simulated, None),
            (Ok(body), _) => (body, SendState::Pending, None),
        };
        let uid = self.uid();
        NewSend { uid, group: group(from_seq), from_seq, to_seq, action, payload, state, reason }
    }

    async fn digest(
        &mut self,
        destination: &Destination,
        stream: &dyn Stream,
        row: DestinationRow,
        every_ms: i64,
    ) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        let last_ms = self.store.last_planned_ms(row.id).await?.unwrap_or(row.created_ms);
        // A clock that was set back makes nobody wait for longer.
        let waits = (0..every_ms).contains(&(self.now_ms() - last_ms));
        if waits && self.store.feed_end().await? > row.cursor {
            outcome.again_ms = Some(last_ms + every_ms);
        }
        if waits || !self.store.send_queue(row.id, 1).await?.is_empty() {
            return Ok(outcome);
        }
        let mut summing = Summing::new(destination.rules.dashboard.clone());
        let (mut cursor, mut left_out) = (row.cursor, 0);
        loop {
            let (changes, is_last) = self.changes(cursor, BATCH).await?;
            let Some(end) = changes.last().map(|(change, _)| change.seq) else { break };
            for (change, found) in &changes {
                outcome.changes += 1;
                match found {
                    Some(row) if destination.holds(row) => {
                        let application = &*self.application(row).await?;
                        summing.add(&Event { change, row, application });
                    }
                    Some(_) => left_out += 1,
                    None => {}
                }
            }
            cursor = end;
            if is_last {
                break;
            }
        }
        let mut planned = Planned { cursor: Some(cursor), left_out, ..Planned::default() };
        if let Some(digest) = summing.finish() {
            let seq = digest.seq;
            planned.sends.push(self.sent_as(
                stream.summary(&digest),
                Action::Digest,
                seq,
                row.mode,
            ));
            outcome.planned += 1;
        }
        self.store.plan_sends(row.id, row.cursor, planned, self.now_ms()).await?;
        Ok(outcome)
    }
}
