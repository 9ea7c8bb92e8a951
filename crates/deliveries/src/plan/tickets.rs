//! Groups of findings, each with one ticket.

use std::collections::{BTreeMap, HashMap};

use countersign_findings::FindingId;
use countersign_store::{
    Action, ChangeRow, DeliveryMode, DestinationId, DestinationRow, Error, FindingRow, LinkRow,
    NewSend, Order, PLANNING, Planned, Query, SendRow, SendState, Want,
};

use super::{BATCH, Outcome, Planner};
use crate::decide::{Decision, Events, Remark, Wish, decide};
use crate::destination::Destination;
use crate::group::Subject;
use crate::render::comment::{self, Changed};
use crate::render::ticket::{Member, ticket};
use crate::ticket::Ticket;

/// Groups that are looked at at once: SQLite forgets what it has read of the file whenever
/// something was written.
const GROUPS: u32 = 500;
/// Findings of one group that are looked at; those beyond are not in its ticket.
const MEMBERS: u32 = 5_000;

/// Why a ticket is held that nobody asked for: its finding was there before anybody looked.
const FIRST: &str = "first reading of its application";

/// What is known of a group when it is looked at.
struct Look {
    want: Want,
    subject: Subject,
    events: Events,
    members: Vec<Member>,
}

impl Planner<'_> {
    /// Notes which groups the new changes are about, up to the end of the feed.
    pub(super) async fn note_groups(
        &mut self,
        destination: &Destination,
        row: DestinationRow,
    ) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        let mut cursor = row.cursor;
        loop {
            let (changes, is_last) = self.changes(cursor, BATCH).await?;
            let Some(end) = changes.last().map(|(change, _)| change.seq) else { break };
            outcome.changes += changes.len() as u64;
            let planned = self.note(destination, row.id, &changes).await?;
            let planned = Planned { cursor: Some(end), ..planned };
            if !self.store.plan_sends(row.id, cursor, planned, self.now_ms()).await? {
                break;
            }
            cursor = end;
            if is_last {
                break;
            }
        }
        Ok(outcome)
    }

    /// The groups of some changes. One that the filter leaves out is looked at only where
    /// there is a ticket, or one on its way, that it may be a member of.
    async fn note(
        &self,
        destination: &Destination,
        id: DestinationId,
        changes: &[(ChangeRow, Option<FindingRow>)],
    ) -> Result<Planned, Error> {
        let mut groups: BTreeMap<String, (Subject, Events, (i64, i64), bool)> = BTreeMap::new();
        let mut left_out = 0;
        for (change, row) in changes {
            let Some(row) = row else { continue };
            let subject = Subject::of(&row.finding, destination.grouping);
            let held = groups
                .entry(subject.key())
                .or_insert_with(|| (subject, Events::default(), (change.seq, change.seq), false));
            let is_named = held.0.finding.is_none();
            held.1.add(change, is_named);
            held.2.1 = change.seq;
            match destination.holds(row) {
                true => held.3 = true,
                false => left_out += 1,
            }
        }
        let keys: Vec<_> = groups.keys().cloned().collect();
        let wants = self.store.wants_of(id, keys.clone()).await?;
        let links = self.store.links_of(id, keys.clone()).await?;
        let active = self.store.active_sends(id, keys).await?;
        let is_wanted = |key: &String, holds: bool| {
            holds || wants.contains_key(key) || links.contains_key(key) || active.contains_key(key)
        };
        let mut noted = Vec::new();
        for (key, (subject, events, seq, holds)) in groups {
            if is_wanted(&key, holds) {
                noted.push(want(key, &subject, events, seq, &wants)?);
            }
        }
        Ok(Planned { left_out, wants: noted, ..Planned::default() })
    }

    /// Looks at every group that is noted and writes down what there is to do.
    pub(super) async fn look_at_groups(
        &mut self,
        destination: &Destination,
        (id, mode): (DestinationId, DeliveryMode),
        mut outcome: Outcome,
    ) -> Result<Outcome, Error> {
        let mut after = None;
        loop {
            let wants = self.store.wants(id, after.as_ref(), GROUPS).await?;
            let Some(last) = wants.last().cloned() else { break };
            let keys: Vec<_> = wants.iter().map(|want| want.group.clone()).collect();
            let links = self.store.links_of(id, keys.clone()).await?;
            let active = self.store.active_sends(id, keys).await?;
            let mut planned = Planned::default();
            for mut look in self.looks(destination, wants).await? {
                let (link, active) = (links.get(&look.want.group), active.get(&look.want.group));
                if look.subject.finding.is_none() {
                    // Many of them: those of one group at a time.
                    let rows = self.several(id, &look, active).await?;
                    look.members = members(destination, &look.subject, rows);
                }
                self.look_at((destination, mode), &look, link, active, &mut planned).await?;
            }
            outcome.held += planned.sends.iter().filter(|send| is_held_anew(send)).count() as u64;
            outcome.planned += planned.sends.iter().filter(|send| is_to_send(send)).count() as u64;
            outcome.skipped += planned.sends.iter().filter(|send| !is_to_send(send)).count() as u64;
            self.write(id, planned).await?;
            after = Some(last);
        }
        outcome.held += self.store.end_plan(id, destination.max_new, self.now_ms()).await?;
        Ok(outcome)
    }

    /// What is known of some groups; with their findings those of single ones, by one question.
    async fn looks(&self, destination: &Destination, wants: Vec<Want>) -> Result<Vec<Look>, Error> {
        let mut looks = Vec::new();
        let mut single = Vec::new();
        for want in wants {
            let subject: Subject = serde_json::from_str(&want.subject).map_err(damaged)?;
            let events: Events = serde_json::from_str(&want.events).map_err(damaged)?;
            single.extend(subject.finding.as_deref().and_then(|id| id.parse::<FindingId>().ok()));
            looks.push(Look { want, subject, events, members: Vec::new() });
        }
        let mut known: HashMap<String, Vec<FindingRow>> = HashMap::new();
        for row in self.store.findings_of(&single).await? {
            known.entry(row.finding.id.to_string()).or_default().push(row);
        }
        for look in &mut looks {
            let rows = look.subject.finding.as_ref().and_then(|finding| known.get(finding));
            look.members = members(destination, &look.subject, rows.cloned().unwrap_or_default());
        }
        Ok(looks)
    }

    /// The members of a group of several: what the store shows, and of what is or will be in
    /// the ticket also that which a scan no longer shows.
    async fn several(
        &self,
        id: DestinationId,
        look: &Look,
        active: Option<&SendRow>,
    ) -> Result<Vec<FindingRow>, Error> {
        let filter = look.subject.filter();
        let query = Query { filter, limit: MEMBERS, after: None, order: Order::Arrival };
        let mut rows = self.store.findings(query).await?;
        let mut known = self.store.linked(id, &look.want.group).await?;
        let waiting = active.and_then(TicketPayload::of).map(|payload| payload.findings);
        known.extend(waiting.into_iter().flatten().filter_map(|id| id.parse().ok()));
        let gone = self.store.findings_of(&known).await?.into_iter().filter(|row| row.gone);
        rows.extend(gone);
        Ok(rows)
    }

    async fn look_at(
        &mut self,
        (destination, mode): (&Destination, DeliveryMode),
        look: &Look,
        link: Option<&LinkRow>,
        active: Option<&SendRow>,
        planned: &mut Planned,
    ) -> Result<(), Error> {
        // What may have arrived already is not taken back: the group stays noted until it is
        // known how that ended.
        if active.is_some_and(|send| send.state == SendState::Sending || send.started_ms.is_some())
        {
            return Ok(());
        }
        planned.done.push((look.want.group.clone(), look.want.to_seq));
        let wish = Wish::of(&look.members);
        let Some(shown) = look.members.first() else { return Ok(()) };
        let now_ms = self.now_ms();
        let application = self.application(&shown.row).await?;
        let mut ticket =
            ticket(&look.subject, &look.members, &application, &destination.rules, now_ms);
        let decision = decide(wish, &look.events, link, &ticket.digest, destination.taste);
        let decision = match (decision, active) {
            // It still waits, and says the same: it keeps its place.
            (Decision::Create, Some(send)) if is_same(send, &ticket) => return Ok(()),
            // So does what opens a ticket again: that it has to be open is still so.
            (_, Some(send)) if send.action == Action::Reopen && wish == Wish::Open => {
                Decision::Reopen
            }
            // What waits was decided before this happened: nobody has seen a ticket yet.
            (Decision::Nothing, Some(send)) if send.action == Action::Create => match wish {
                Wish::Open if is_same(send, &ticket) => return Ok(()),
                Wish::Open => Decision::Create,
                _ => Decision::Nothing,
            },
            (decision, _) => decision,
        };
        // What was to be said is said, if it is still true.
        if decision == Decision::Nothing && active.is_some_and(|send| is_true(send, wish)) {
            return Ok(());
        }
        if let Some(send) = active {
            planned.replaced.push((send.id, "a later change took its place".into()));
        }
        say(&mut ticket, decision, look);
        keep_said(&mut ticket, active);
        planned.sends.extend(self.send_of(mode, look, decision, ticket, active)?);
        Ok(())
    }

    /// The row of the ledger that a decision becomes.
    fn send_of(
        &self,
        mode: DeliveryMode,
        look: &Look,
        decision: Decision,
        ticket: Ticket,
        replaced: Option<&SendRow>,
    ) -> Result<Option<NewSend>, Error> {
        let (action, mut state, mut reason) = match decision {
            Decision::Nothing => return Ok(None),
            Decision::Skip(why) => (Action::Comment, SendState::Skipped, Some(why.to_owned())),
            Decision::Create if look.events.asked => {
                let why = "a backfill waits for approval".to_owned();
                (Action::Create, SendState::Held, Some(why))
            }
            Decision::Create if look.events.first => {
                (Action::Create, SendState::Held, Some(FIRST.to_owned()))
            }
            Decision::Create => (Action::Create, SendState::Held, Some(PLANNING.to_owned())),
            Decision::Update { .. } => (Action::Update, SendState::Pending, None),
            Decision::Close(_) => (Action::Close, SendState::Pending, None),
            Decision::Reopen => (Action::Reopen, SendState::Pending, None),
            Decision::Comment(_) => (Action::Comment, SendState::Pending, None),
        };
        // What was approved, or was held for another reason, stays so.
        if let Some(send) = replaced
            && send.action == Action::Create
            && action == Action::Create
        {
            (state, reason) = (send.state, send.reason.clone());
        }
        if mode == DeliveryMode::Simulate && state != SendState::Skipped {
            (state, reason) = (SendState::Simulated, None);
        }
        Ok(Some(NewSend {
            uid: self.uid(),
            group: look.want.group.clone(),
            from_seq: look.want.from_seq,
            to_seq: look.want.to_seq,
            action,
            payload: payload(look, decision, ticket, replaced)?,
            state,
            reason,
        }))
    }
}

/// The findings that are of a group.
fn members(destination: &Destination, subject: &Subject, rows: Vec<FindingRow>) -> Vec<Member> {
    let own = rows.into_iter().filter(|row| subject.holds(&row.finding));
    own.map(|row| Member { is_wanted: destination.holds(&row), row }).collect()
}

/// What a send of a ticket holds.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct TicketPayload {
    pub(crate) subject: Subject,
    /// Ids of the findings that it shows.
    pub(crate) findings: Vec<String>,
    pub(crate) ticket: Ticket,
    /// Whether it is a remark that is made once.
    #[serde(default)]
    pub(crate) is_remark: bool,
    /// Whether a finding was open again: a ticket that somebody closed as done is opened then.
    #[serde(default)]
    pub(crate) is_back: bool,
}

impl TicketPayload {
    fn of(send: &SendRow) -> Option<Self> {
        serde_json::from_str(&send.payload).ok()
    }
}

fn payload(
    look: &Look,
    decision: Decision,
    ticket: Ticket,
    replaced: Option<&SendRow>,
) -> Result<String, Error> {
    let was_back = replaced.and_then(TicketPayload::of).is_some_and(|before| before.is_back);
    let wanted = look.members.iter().filter(|member| member.is_wanted);
    let payload = TicketPayload {
        subject: look.subject.clone(),
        findings: wanted.map(|member| member.row.finding.id.to_string()).collect(),
        ticket,
        is_remark: matches!(
            decision,
            Decision::Comment(Remark::StillReported | Remark::FoundAgain)
        ),
        is_back: was_back || look.events.reopened,
    };
    serde_json::to_string(&payload).map_err(damaged)
}

/// Takes over what a send was to say that this one takes the place of.
fn keep_said(ticket: &mut Ticket, replaced: Option<&SendRow>) {
    let Some(send) = replaced.filter(|send| send.action == Action::Update) else { return };
    let before = TicketPayload::of(send);
    let Some(mut said) = before.and_then(|before| before.ticket.comment) else { return };
    said.blocks.extend(ticket.comment.take().unwrap_or_default().blocks);
    ticket.comment = Some(said);
}

/// What is said beside the change of a ticket.
fn say(ticket: &mut Ticket, decision: Decision, look: &Look) {
    let members = shown(look);
    ticket.comment = match decision {
        Decision::Update { is_said: true } => {
            let mut sentences = look.events.told.clone();
            if look.events.untold > 0 {
                sentences.push(format!("{} more changes", look.events.untold));
            }
            Some(comment::changed(&[Changed { finding: None, sentences }]))
        }
        Decision::Close(why) => {
            ticket.why = Some(why);
            Some(comment::closed(why, &members))
        }
        Decision::Reopen => Some(comment::reopened(&members)),
        Decision::Comment(Remark::Vanished) => Some(comment::vanished(&members)),
        Decision::Comment(Remark::StillReported) => Some(comment::still_shown(&members)),
        Decision::Comment(Remark::FoundAgain) => Some(comment::found_again(&members)),
        _ => None,
    };
}

/// The members that a comment is about: those that the filter holds, else all.
fn shown(look: &Look) -> Vec<&FindingRow> {
    let wanted = look.members.iter().filter(|member| member.is_wanted);
    let wanted: Vec<_> = wanted.map(|member| &member.row).collect();
    match wanted.is_empty() {
        true => look.members.iter().map(|member| &member.row).collect(),
        false => wanted,
    }
}

fn is_same(send: &SendRow, ticket: &Ticket) -> bool {
    TicketPayload::of(send).is_some_and(|payload| payload.ticket.digest == ticket.digest)
}

/// Whether it is a comment that is still true: one that scans no longer show something, or one
/// that they still do.
fn is_true(send: &SendRow, wish: Wish) -> bool {
    let says_shown = TicketPayload::of(send).is_some_and(|payload| payload.is_remark);
    send.action == Action::Comment && says_shown == (wish == Wish::Open)
}

fn is_held_anew(send: &NewSend) -> bool {
    send.state == SendState::Held && send.reason.as_deref() == Some(FIRST)
}

fn is_to_send(send: &NewSend) -> bool {
    send.state != SendState::Skipped
}

pub(super) fn want(
    group: String,
    subject: &Subject,
    events: Events,
    (from_seq, to_seq): (i64, i64),
    known: &HashMap<String, Want>,
) -> Result<Want, Error> {
    let before = known.get(&group).map(|want| serde_json::from_str::<Events>(&want.events));
    let before = before.transpose().map_err(damaged)?.unwrap_or_default();
    let subject = serde_json::to_string(subject).map_err(damaged)?;
    let events = serde_json::to_string(&before.and(events)).map_err(damaged)?;
    Ok(Want { group, subject, from_seq, to_seq, events })
}

pub(super) fn damaged(error: serde_json::Error) -> Error {
    Error::damaged(error.to_string())
}
