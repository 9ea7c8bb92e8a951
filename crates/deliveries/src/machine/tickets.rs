//! Tickets, one step at a time: made only when none is there, changed only after a look at
//! where they stand.

use countersign_findings::FindingId;
use countersign_store::{
    Action, Error, LinkRow, LinkStanding, SendRow, SendState, Settlement, Want,
};

use super::settle::told;
use super::{GIVEN_UP_MS, Lane, MINUTE_MS, Next};
use crate::decide::Events;
use crate::plan::TicketPayload;
use crate::receiver::{Order, Sight, Taken, Terms, Tickets, Verdict};

/// Sends that are read at once.
const SENDS: u32 = 50;
/// The first look for a ticket that may have been made, after the try.
const LOOK_MS: i64 = MINUTE_MS / 2;
/// Between two looks.
const LOOK_EVERY_MS: i64 = 2 * MINUTE_MS;
/// How long after its start a request may still make a ticket: only from then on the time
/// counts that the receiver takes to show it.
const REQUEST_MS: i64 = MINUTE_MS;
/// Tickets that are known to be there and are asked for where a look shows nothing: people
/// delete some.
const CONTROLS: u32 = 5;

impl Lane<'_> {
    pub(super) async fn tickets(&mut self, tickets: &dyn Tickets) -> Result<(), Error> {
        loop {
            let now_ms = self.now_ms();
            let due = self.store().due_sends(self.row.id, now_ms, SENDS).await?;
            if due.is_empty() {
                break;
            }
            for send in due {
                if let Some(at_ms) = self.waits(tickets.terms(), &send) {
                    self.again(at_ms);
                    return Ok(());
                }
                if !self.machine.hold(&self.row, self.now_ms()).await? {
                    return Ok(());
                }
                if self.ticket(tickets, send).await? == Next::Stop {
                    return Ok(());
                }
            }
        }
        self.end().await
    }

    /// Until when the receiver is left alone before this send.
    fn waits(&self, terms: Terms, send: &SendRow) -> Option<i64> {
        let (pace, now_ms) = (self.pace(), self.now_ms());
        let (last_ms, every_ms) = match send.action {
            Action::Create => (pace.created_ms.max(pace.changed_ms), terms.create_every_ms),
            _ => (pace.changed_ms.max(pace.created_ms), terms.change_every_ms),
        };
        (last_ms..last_ms + every_ms).contains(&now_ms).then_some(last_ms + every_ms)
    }

    async fn ticket(&mut self, tickets: &dyn Tickets, send: SendRow) -> Result<Next, Error> {
        let payload: TicketPayload = serde_json::from_str(&send.payload).map_err(Error::damaged)?;
        if send.action == Action::Create && send.started_ms.is_some() {
            return self.look(tickets, &send, &payload).await;
        }
        self.act(tickets, &send, &payload).await
    }

    fn order(&self, send: &SendRow, payload: &TicketPayload) -> Order {
        Order {
            uid: send.uid.clone(),
            group: send.group.clone(),
            action: send.action,
            ticket: payload.ticket.clone(),
            // Not every try counts, but one that may have arrived is one.
            attempts: send.attempts.max(send.started_ms.is_some().into()),
            started_ms: send.started_ms,
            now_ms: self.now_ms(),
        }
    }

    /// Makes or changes a ticket.
    async fn act(
        &mut self,
        tickets: &dyn Tickets,
        send: &SendRow,
        payload: &TicketPayload,
    ) -> Result<Next, Error> {
        // A ticket is made only after a look; what is said or changed is looked for by the
        // receiver, from the first try on.
        let is_new = send.action == Action::Create;
        let before_ms = send.started_ms.filter(|_| !is_new);
        let started_ms = before_ms.unwrap_or_else(|| self.now_ms());
        let link = self.store().links_of(self.row.id, vec![send.group.clone()]).await?;
        let link = link.get(&send.group).cloned();
        let claim = (send.id, send.attempts, started_ms);
        if self.store().claim_sends(vec![claim]).await?.is_empty() {
            return Ok(Next::On);
        }
        let order = self.order(send, payload);
        let mut pace = self.pace();
        let verdict = match (&link, send.action) {
            (Some(_), Action::Create) => Verdict::Refused("it has a ticket already".into()),
            (None, Action::Create) => {
                pace.created_ms = order.now_ms;
                tickets.create(&order).await
            }
            (Some(link), _) => {
                pace.changed_ms = order.now_ms;
                tickets.change(&order, link).await
            }
            (None, _) => Verdict::Refused("its ticket is not known".into()),
        };
        self.set_pace(pace);
        let send = SendRow { started_ms: Some(started_ms), ..send.clone() };
        let mut settlement = self.settlement(&send, &verdict);
        if is_new && link.is_some() {
            settlement.state = SendState::Skipped;
        }
        if settlement.state == SendState::Pending {
            // What may have arrived once is not undone by a try that did not.
            settlement.started_ms = settlement.started_ms.or(before_ms);
            if is_new && settlement.started_ms.is_some() {
                // A look costs nothing, and is not one of the tries.
                settlement.next_ms = settlement.next_ms.min(self.now_ms() + LOOK_MS);
            }
        }
        self.relink(&send, payload, link, &verdict, &mut settlement)?;
        self.finish(&verdict, settlement, &send).await
    }

    async fn finish(
        &mut self,
        verdict: &Verdict,
        settlement: Settlement,
        send: &SendRow,
    ) -> Result<Next, Error> {
        self.write(vec![settlement.clone()]).await?;
        if settlement.state != SendState::Pending {
            self.look_again(&send.group).await?;
        }
        self.after(send.action, verdict, &settlement).await
    }

    /// What stands at the receiver after a verdict.
    fn relink(
        &self,
        send: &SendRow,
        payload: &TicketPayload,
        link: Option<LinkRow>,
        verdict: &Verdict,
        settlement: &mut Settlement,
    ) -> Result<(), Error> {
        let now_ms = self.now_ms();
        let standing = match (verdict, send.action) {
            (Verdict::Taken(_), Action::Close) => LinkStanding::ClosedOurs,
            (Verdict::Taken(_), Action::Comment) => {
                link.as_ref().map_or(LinkStanding::Open, |link| link.standing)
            }
            (Verdict::Taken(_), _) => LinkStanding::Open,
            (Verdict::Theirs(standing), _) => *standing,
            (Verdict::Gone(_), _) => LinkStanding::Lost,
            _ => return Ok(()),
        };
        let taken = match verdict {
            Verdict::Taken(taken) => taken.clone(),
            _ => Taken::default(),
        };
        let reference =
            taken.reference.or_else(|| link.as_ref().map(|link| link.reference.clone()));
        let Some(reference) = reference else { return Ok(()) };
        let is_taken = matches!(verdict, Verdict::Taken(_));
        let said_all = is_taken && send.action != Action::Comment;
        let digest = match (said_all, &link) {
            (false, Some(link)) => link.digest.clone(),
            _ => payload.ticket.digest.clone(),
        };
        // That it stands where it was known to stand is no news, and nothing to decide anew.
        let is_known = link.as_ref().is_some_and(|link| link.standing == standing);
        let is_news = matches!(verdict, Verdict::Theirs(_)) && !is_known;
        // Opened again, it may be remarked on again.
        let was_remarked = link.as_ref().is_some_and(|link| link.is_remarked);
        let is_remarked =
            standing != LinkStanding::Open && (was_remarked || (payload.is_remark && !is_news));
        let row = LinkRow {
            group: send.group.clone(),
            subject: subject(payload)?,
            reference,
            url: taken.url.or_else(|| link.as_ref().and_then(|link| link.url.clone())),
            digest,
            standing,
            is_remarked,
            created_ms: link.as_ref().map_or(now_ms, |link| link.created_ms),
            changed_ms: now_ms,
        };
        settlement.link = Some((row, ids(payload)));
        // Somebody closed it: what to do about that is decided by where it stands now.
        if is_news {
            let events = Events { reopened: payload.is_back, ..Events::default() };
            settlement.want = Some(want(send, payload, &events)?);
        }
        Ok(())
    }

    /// Looks for a ticket that may have been made. Only what is not there after the time that
    /// the receiver takes to show it is made again.
    async fn look(
        &mut self,
        tickets: &dyn Tickets,
        send: &SendRow,
        payload: &TicketPayload,
    ) -> Result<Next, Error> {
        let started_ms = send.started_ms.unwrap_or_default();
        let (now_ms, horizon_ms) = (self.now_ms(), tickets.terms().horizon_ms + REQUEST_MS);
        let shown_ms = started_ms + horizon_ms;
        // A start in the future comes of a clock that was wrong: it counts from now.
        let (started_ms, shown_ms) = match started_ms > now_ms {
            true => (now_ms, now_ms + horizon_ms),
            false => (started_ms, shown_ms),
        };
        let sight = self.sight(tickets, &self.order(send, payload), now_ms - horizon_ms).await?;
        if sight == Sight::Absent && now_ms >= shown_ms {
            return self.act(tickets, send, payload).await;
        }
        // The row is written as a try is; it is not counted as one.
        let claim = (send.id, send.attempts, started_ms);
        if self.store().claim_sends(vec![claim]).await?.is_empty() {
            return Ok(Next::On);
        }
        let send = SendRow { started_ms: Some(started_ms), ..send.clone() };
        let mut settlement = self.untried(&send);
        let verdict = match sight {
            Sight::Found { reference, url, standing } => {
                settlement.state = SendState::Sent;
                settlement.reason = Some("it had arrived".into());
                settlement.reference = Some(reference.clone());
                let link = found(&send, payload, (reference, url, standing), now_ms)?;
                settlement.link = Some((link, ids(payload)));
                // What was planned meanwhile knows no ticket: the group is looked at again.
                settlement.want = Some(want(&send, payload, &Events::default())?);
                Verdict::Taken(Taken::default())
            }
            Sight::Absent => {
                settlement.next_ms = shown_ms.min(now_ms + LOOK_EVERY_MS).max(now_ms + 1_000);
                settlement.reason = Some("it may have arrived, and does not show yet".into());
                self.write(vec![settlement]).await?;
                return Ok(Next::On);
            }
            Sight::Blind(why) => {
                settlement.reason = Some(told(&why));
                self.write(vec![settlement]).await?;
                return self.broken(&why).await;
            }
            Sight::Failed(verdict) => {
                // A look that is refused says nothing of the ticket.
                let verdict = match verdict {
                    Verdict::Passing { .. } | Verdict::Settings(_) => verdict,
                    Verdict::Refused(why) | Verdict::Gone(why) => Verdict::later(why),
                    _ => Verdict::later("the look showed nothing"),
                };
                let tried = self.settlement(&send, &verdict);
                settlement.next_ms = tried.next_ms;
                settlement.reason = tried.reason;
                if now_ms - send.planned_ms > GIVEN_UP_MS && tried.state == SendState::Dead {
                    settlement.state = SendState::Dead;
                }
                verdict
            }
        };
        self.finish(&verdict, settlement, &send).await
    }

    /// A look with proof: by the next of the tickets that are known to be there, where the one
    /// before does not show. What was made just now may not be shown yet, and proves nothing.
    async fn sight(
        &self,
        tickets: &dyn Tickets,
        order: &Order,
        shown_ms: i64,
    ) -> Result<Sight, Error> {
        let controls = self.store().known_links(self.row.id, shown_ms, CONTROLS).await?;
        let mut sight = tickets.look(order, controls.first()).await;
        for control in controls.iter().skip(1) {
            if !matches!(sight, Sight::Blind(_)) {
                break;
            }
            sight = tickets.look(order, Some(control)).await;
        }
        Ok(sight)
    }
}

fn found(
    send: &SendRow,
    payload: &TicketPayload,
    (reference, url, standing): (String, Option<String>, LinkStanding),
    now_ms: i64,
) -> Result<LinkRow, Error> {
    Ok(LinkRow {
        group: send.group.clone(),
        subject: subject(payload)?,
        reference,
        url,
        digest: payload.ticket.digest.clone(),
        standing,
        is_remarked: false,
        created_ms: now_ms,
        changed_ms: now_ms,
    })
}

fn subject(payload: &TicketPayload) -> Result<String, Error> {
    serde_json::to_string(&payload.subject).map_err(Error::damaged)
}

fn ids(payload: &TicketPayload) -> Vec<FindingId> {
    payload.findings.iter().filter_map(|id| id.parse().ok()).collect()
}

fn want(send: &SendRow, payload: &TicketPayload, events: &Events) -> Result<Want, Error> {
    Ok(Want {
        group: send.group.clone(),
        subject: subject(payload)?,
        from_seq: send.from_seq,
        to_seq: send.to_seq,
        events: serde_json::to_string(events).map_err(Error::damaged)?,
    })
}
