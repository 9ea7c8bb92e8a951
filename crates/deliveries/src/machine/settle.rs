//! What a verdict means for the send it is about, and for its destination.

use countersign_store::{Action, Error, SendRow, SendState, Settlement};
use countersign_text::{cut, line};

use super::{BROKEN_MS, CIRCUIT, GIVEN_UP_MS, Lane, Next, RESTS_MS, TOLD_BYTES, TRIES};
use crate::receiver::{Taken, Verdict};

/// The shortest wait that a receiver may ask for: one that asks for none is not asked again at
/// once, over and over.
const SOON_MS: i64 = 1_000;

/// How long to wait after a try, the first of which has number 1.
fn wait_ms(tries: u32) -> i64 {
    const LONGEST_MS: i64 = 6 * 3_600_000;
    (30_000_i64 << tries.saturating_sub(1).min(12)).min(LONGEST_MS)
}

impl Lane<'_> {
    /// Of a send that was tried: how it stands now. `send` is as it was before the try, but for
    /// `started_ms`. A ticket that was taken is settled by whoever knows its link.
    pub(super) fn settlement(&self, send: &SendRow, verdict: &Verdict) -> Settlement {
        let (now_ms, tries) = (self.now_ms(), send.counted + 1);
        let mut settlement =
            Settlement { is_counted: true, reason: None, next_ms: now_ms, ..self.untried(send) };
        match verdict {
            Verdict::Taken(Taken { reference, remark, .. }) => {
                settlement.state = SendState::Sent;
                settlement.reference.clone_from(reference);
                settlement.answer = remark.as_deref().map(told);
            }
            Verdict::Passing { why, is_unsure, after_ms } => {
                settlement.reason = Some(told(why));
                settlement.started_ms = is_unsure.then_some(send.started_ms.unwrap_or(now_ms));
                // A receiver that is down, or that said when, is not the fault of one send.
                settlement.is_counted = after_ms.is_none() && self.row.failures < CIRCUIT;
                settlement.next_ms =
                    now_ms + after_ms.map_or_else(|| wait_ms(tries), |ms| ms.max(SOON_MS));
                let is_old = now_ms - send.planned_ms > GIVEN_UP_MS;
                if (tries >= TRIES && settlement.is_counted) || is_old {
                    settlement.state = SendState::Dead;
                }
            }
            Verdict::Settings(why) => {
                settlement.reason = Some(told(why));
                settlement.started_ms = None;
                settlement.is_counted = false;
                settlement.next_ms = now_ms + BROKEN_MS;
            }
            Verdict::Refused(why) | Verdict::Gone(why) => {
                settlement.state = SendState::Failed;
                settlement.reason = Some(told(why));
                settlement.started_ms = None;
            }
            Verdict::Theirs(_) => {
                settlement.state = SendState::Skipped;
                settlement.reason = Some("somebody else closed the ticket".into());
            }
        }
        settlement
    }

    /// A send that was claimed and then not tried.
    pub(super) fn untried(&self, send: &SendRow) -> Settlement {
        Settlement {
            send: send.id,
            state: SendState::Pending,
            is_counted: false,
            reason: send.reason.clone(),
            next_ms: send.next_ms,
            started_ms: send.started_ms,
            reference: None,
            answer: None,
            link: None,
            want: None,
        }
    }

    /// Counts what was done, and says whether the destination goes on.
    pub(super) async fn after(
        &mut self,
        action: Action,
        verdict: &Verdict,
        settlement: &Settlement,
    ) -> Result<Next, Error> {
        match settlement.state {
            SendState::Sent => {
                self.report.sent += 1;
                self.report.count(action, 1);
            }
            SendState::Failed => self.report.failed += 1,
            SendState::Dead => {
                self.report.failed += 1;
                self.report.given_up += 1;
            }
            SendState::Pending => self.report.postponed += 1,
            _ => {}
        }
        match verdict {
            Verdict::Taken(_) | Verdict::Theirs(_) | Verdict::Gone(_) => self.worked().await?,
            // It answered: that this one is wrong says nothing of the others.
            Verdict::Refused(_) => {}
            Verdict::Settings(why) => return self.broken(why).await,
            Verdict::Passing { after_ms, .. } => return self.failed(*after_ms).await,
        }
        Ok(Next::On)
    }

    /// Something was delivered.
    pub(super) async fn worked(&mut self) -> Result<(), Error> {
        if self.row.failures > 0 || self.row.rests_until_ms > 0 {
            self.store().rest_destination(self.row.id, 0, 0).await?;
            (self.row.failures, self.row.rests_until_ms) = (0, 0);
        }
        if self.row.problem.take().is_some() {
            let is_news = self.store().set_delivery_problem(self.row.id, None, self.now_ms());
            self.report.is_news |= is_news.await?;
            self.report.problem = None;
        }
        Ok(())
    }

    /// Nothing works until somebody changes a setting: one notice, not one for each send.
    pub(super) async fn broken(&mut self, why: &str) -> Result<Next, Error> {
        let (now_ms, why) = (self.now_ms(), told(why));
        let until_ms = now_ms + BROKEN_MS;
        self.report.is_news |=
            self.store().set_delivery_problem(self.row.id, Some(why.clone()), now_ms).await?;
        self.store().rest_destination(self.row.id, self.row.failures, until_ms).await?;
        self.row.problem = Some(why.clone());
        self.report.problem = Some(why);
        self.again(until_ms);
        Ok(Next::Stop)
    }

    /// A failure that may pass. Many in a row are one of the destination.
    async fn failed(&mut self, after_ms: Option<i64>) -> Result<Next, Error> {
        if after_ms.is_none() {
            self.row.failures = self.row.failures.saturating_add(1);
        }
        let over = self.row.failures.saturating_sub(CIRCUIT) as usize;
        let rest_ms = match (after_ms, self.row.failures >= CIRCUIT) {
            (Some(after_ms), _) => after_ms.max(SOON_MS),
            (None, true) => RESTS_MS[over.min(RESTS_MS.len() - 1)],
            (None, false) => 0,
        };
        let until_ms = if rest_ms > 0 { self.now_ms() + rest_ms } else { 0 };
        self.store().rest_destination(self.row.id, self.row.failures, until_ms).await?;
        if until_ms > 0 {
            self.again(until_ms);
            return Ok(Next::Stop);
        }
        Ok(Next::On)
    }
}

/// What is kept of a reason: one line, bounded.
pub(super) fn told(text: &str) -> String {
    let text = line(text).to_string();
    match cut(&text, TOLD_BYTES) {
        (whole, 0) => whole.to_owned(),
        (beginning, missing) => format!("{beginning}… ({missing} characters more)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        assert_eq!([wait_ms(1), wait_ms(2), wait_ms(99)], [30_000, 60_000, 21_600_000]);
    }
}
