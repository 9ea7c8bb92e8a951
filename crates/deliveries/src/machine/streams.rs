//! Changes, one after the other. What was not taken stays at the head of the queue: nothing
//! overtakes it.

use countersign_store::{Error, SendRow, SendState};

use super::{Lane, Next};
use crate::receiver::{Parcel, Stream, Verdict};

/// Parcels that are claimed and settled at once.
const PARCELS: u32 = 100;

impl Lane<'_> {
    pub(super) async fn streams(&mut self, stream: &dyn Stream) -> Result<(), Error> {
        loop {
            let queue = self.store().send_queue(self.row.id, PARCELS).await?;
            let now_ms = self.now_ms();
            let Some(first) = queue.first() else {
                if let Some(at_ms) = self.report.plan.again_ms {
                    self.again(at_ms);
                }
                return Ok(());
            };
            if first.next_ms > now_ms {
                self.again(first.next_ms);
                return Ok(());
            }
            // A destination that failed is asked with one.
            let most =
                if self.row.failures > 0 || self.row.problem.is_some() { 1 } else { PARCELS };
            let due =
                queue.into_iter().take(most as usize).take_while(|send| send.next_ms <= now_ms);
            let due: Vec<_> = due.collect();
            if !self.machine.hold(&self.row, now_ms).await? {
                return Ok(());
            }
            if self.send_parcels(stream, due).await? == Next::Stop {
                return Ok(());
            }
        }
    }

    async fn send_parcels(
        &mut self,
        stream: &dyn Stream,
        due: Vec<SendRow>,
    ) -> Result<Next, Error> {
        let now_ms = self.now_ms();
        let claims = due.iter().map(|send| (send.id, send.attempts, started(send, now_ms)));
        let claimed = self.store().claim_sends(claims.collect()).await?;
        let due: Vec<_> = due.into_iter().filter(|send| claimed.contains(&send.id)).collect();
        if due.is_empty() {
            return Ok(Next::Stop);
        }
        let parcels: Vec<_> = due
            .iter()
            .map(|send| Parcel {
                uid: send.uid.clone(),
                from_seq: send.from_seq,
                to_seq: send.to_seq,
                body: send.payload.clone(),
                attempts: send.attempts,
                now_ms,
            })
            .collect();
        let mut verdicts = stream.send(&parcels).await;
        if verdicts.is_empty() {
            verdicts.push(Verdict::later("it does not answer"));
        }
        self.settle_parcels(&due, &verdicts).await
    }

    async fn settle_parcels(
        &mut self,
        due: &[SendRow],
        verdicts: &[Verdict],
    ) -> Result<Next, Error> {
        let mut settlements = Vec::with_capacity(due.len());
        let mut next = Next::On;
        for (at, send) in due.iter().enumerate() {
            let Some(verdict) = verdicts.get(at) else {
                settlements.push(self.untried(send));
                continue;
            };
            let settlement = self.settlement(send, verdict);
            // The next is not tried before this one is through.
            if settlement.state == SendState::Pending {
                self.again(settlement.next_ms);
                next = Next::Stop;
            }
            if self.after(send.action, verdict, &settlement).await? == Next::Stop {
                next = Next::Stop;
            }
            settlements.push(settlement);
        }
        self.write(settlements).await?;
        Ok(next)
    }
}

fn started(send: &SendRow, now_ms: i64) -> i64 {
    send.started_ms.unwrap_or(now_ms)
}
