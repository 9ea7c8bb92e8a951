//! What is delivered elsewhere: to which destinations, what is to be looked at, every send
//! before and after it was made, and what stands at the receivers. What is to be sent, and
//! when, is decided elsewhere.

use std::collections::HashMap;

use countersign_findings::FindingId;

use crate::error::Error;
use crate::scope::id_range;
use crate::sql::{self, Connection, Optional, Room, Row, Transaction, Turn, params};
use crate::sqlite::DeliveryLock;
use crate::store::Store;
use crate::words::words;

words! {
    /// What a destination does with what is planned for it.
    DeliveryMode {
        /// Sends go out.
        Live = "live",
        /// Sends are written down and go nowhere.
        Simulate = "simulate",
        /// Nothing is planned and nothing is sent.
        Paused = "paused",
    }
}

words! {
    /// What a send does at the receiver.
    Action {
        /// Makes the ticket of a group.
        Create = "create",
        /// Changes what the ticket says.
        Update = "update",
        /// Closes the ticket.
        Close = "close",
        /// Opens the ticket again.
        Reopen = "reopen",
        /// Says something on the ticket.
        Comment = "comment",
        /// One change of the feed.
        Event = "event",
        /// A summary of many changes.
        Digest = "digest",
        /// All findings of one application.
        Upload = "upload",
        /// A file of changes.
        Object = "object",
    }
}

words! {
    /// Where a send stands.
    SendState {
        /// Written down by a simulation; it is never sent.
        Simulated = "simulated",
        /// Nothing is sent, for a reason.
        Skipped = "skipped",
        /// To be sent when its time has come.
        Pending = "pending",
        /// On its way, or was when its process ended.
        Sending = "sending",
        /// The receiver has it.
        Sent = "sent",
        /// The receiver refused it for good.
        Failed = "failed",
        /// It was tried too often.
        Dead = "dead",
        /// It waits for somebody's approval.
        Held = "held",
    }
}

words! {
    /// Where the ticket of a group stands.
    LinkStanding {
        /// Open.
        Open = "open",
        /// Closed by this program.
        ClosedOurs = "closed_ours",
        /// Closed by somebody else as done.
        DoneTheirs = "done_theirs",
        /// Closed by somebody else as not to be done, or as a duplicate.
        RefusedTheirs = "refused_theirs",
        /// Deleted, or moved to where this account does not see it.
        Lost = "lost",
    }
}

/// Row id of a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DestinationId(i64);

/// Row id of a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SendId(i64);

impl SendId {
    /// The number that people name it by.
    pub fn number(self) -> i64 {
        self.0
    }
}

/// A place that findings are delivered to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationRow {
    /// Row id.
    pub id: DestinationId,
    /// Its name.
    pub name: String,
    /// Which receiver it is.
    pub kind: String,
    /// Of the settings that say where things go.
    pub place: String,
    /// Position in the feed up to which everything is planned.
    pub cursor: i64,
    /// What it does.
    pub mode: DeliveryMode,
    /// Why nothing goes out although it is live.
    pub problem: Option<String>,
    /// When the mode or the problem was last another one.
    pub since_ms: i64,
    /// Since when what it would create is held.
    pub held_ms: Option<i64>,
    /// Failures in a row that may pass.
    pub failures: u32,
    /// Until when nothing is tried.
    pub rests_until_ms: i64,
    /// Changes that its filter left out.
    pub left_out: u64,
    /// When it was first configured.
    pub created_ms: i64,
}

/// A group of findings that has to be looked at again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// Of which group.
    pub group: String,
    /// What the group is, as JSON.
    pub subject: String,
    /// The first change that is not planned yet.
    pub from_seq: i64,
    /// The last one.
    pub to_seq: i64,
    /// What happened since, as JSON.
    pub events: String,
}

/// A send to write down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSend {
    /// The same at every try.
    pub uid: String,
    /// Of which group.
    pub group: String,
    /// The first change that it is about.
    pub from_seq: i64,
    /// The last one.
    pub to_seq: i64,
    /// What it does.
    pub action: Action,
    /// As it is to be sent, as JSON.
    pub payload: String,
    /// Where it begins.
    pub state: SendState,
    /// Why.
    pub reason: Option<String>,
}

/// A send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendRow {
    /// Row id.
    pub id: SendId,
    /// The same at every try.
    pub uid: String,
    /// Name of the destination.
    pub destination: String,
    /// Of which group.
    pub group: String,
    /// The first change that it is about.
    pub from_seq: i64,
    /// The last one.
    pub to_seq: i64,
    /// What it does.
    pub action: Action,
    /// As it is to be sent, as JSON.
    pub payload: String,
    /// Where it stands.
    pub state: SendState,
    /// Why, or what went wrong.
    pub reason: Option<String>,
    /// How often it was claimed to be tried.
    pub attempts: u32,
    /// How many of these tries ended and count among those after which it is given up.
    pub counted: u32,
    /// When it was planned.
    pub planned_ms: i64,
    /// When the first try that may have arrived began.
    pub started_ms: Option<i64>,
    /// When to try next.
    pub next_ms: i64,
    /// When it was over.
    pub settled_ms: Option<i64>,
    /// What the receiver calls it.
    pub reference: Option<String>,
    /// The beginning of what it answered.
    pub answer: Option<String>,
    /// How often somebody asked for it again.
    pub replays: u32,
}

/// What stands at a receiver for a group of findings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRow {
    /// Of which group.
    pub group: String,
    /// What the group is, as JSON.
    pub subject: String,
    /// What the receiver calls it.
    pub reference: String,
    /// Where people see it.
    pub url: Option<String>,
    /// Of the fields that were sent last.
    pub digest: String,
    /// Where it stands.
    pub standing: LinkStanding,
    /// Whether it was said that scans still show what somebody closed there.
    pub is_remarked: bool,
    /// When it was made.
    pub created_ms: i64,
    /// When it was last different.
    pub changed_ms: i64,
}

/// A ticket of a finding, for whoever looks at the finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveredRow {
    /// Name of the destination.
    pub destination: String,
    /// Which receiver it is.
    pub kind: String,
    /// What stands there.
    pub link: LinkRow,
}

/// How a send ended, or how it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// Which send.
    pub send: SendId,
    /// Where it stands now.
    pub state: SendState,
    /// Whether the try counts among those after which it is given up.
    pub is_counted: bool,
    /// Why, or what went wrong.
    pub reason: Option<String>,
    /// When to try next.
    pub next_ms: i64,
    /// When the first try that may have arrived began; none after one that did not.
    pub started_ms: Option<i64>,
    /// What the receiver calls it.
    pub reference: Option<String>,
    /// The beginning of what it answered.
    pub answer: Option<String>,
    /// What stands at the receiver now, with the findings it shows.
    pub link: Option<(LinkRow, Vec<FindingId>)>,
    /// What has to be looked at again.
    pub want: Option<Want>,
}

/// What one step of planning writes, all or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Planned {
    /// Position in the feed up to which everything is planned now.
    pub cursor: Option<i64>,
    /// Changes that the filter left out.
    pub left_out: u64,
    /// Groups to look at.
    pub wants: Vec<Want>,
    /// Groups that were looked at, as they were then: one that was wanted again meanwhile stays.
    pub done: Vec<(String, i64)>,
    /// Sends of which nothing can have arrived and that these take the place of.
    pub replaced: Vec<(SendId, String)>,
    /// What to send.
    pub sends: Vec<NewSend>,
    /// Links to write.
    pub links: Vec<LinkRow>,
    /// Since when what it would create is held.
    pub held_ms: Option<i64>,
}

/// Which sends to list.
#[derive(Debug, Clone, Default)]
pub struct SendFilter {
    /// Of the destination of this name.
    pub destination: Option<String>,
    /// In these states; in any without one.
    pub states: Vec<SendState>,
    /// Only those before this number; the list begins with the last.
    pub before: Option<i64>,
}

/// How many sends of a destination there are in each state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendCount {
    /// Name of the destination.
    pub destination: String,
    /// In which state.
    pub state: SendState,
    /// How many.
    pub count: u64,
    /// When the first of them was planned.
    pub oldest_ms: i64,
}

/// Why a ticket is held whose plan is not at its end yet.
pub const PLANNING: &str = "its plan is not complete";

const DESTINATION: &str = "select id, name, kind, place, cursor, mode, problem, since_ms, held_ms,
    failures, rests_until_ms, left_out, created_ms from destinations";

const SEND: &str = "select s.id, s.uid, d.name, s.group_key, s.from_seq, s.to_seq, s.action,
    s.payload, s.state, s.reason, s.attempts, s.planned_ms, s.started_ms, s.next_ms, s.settled_ms,
    s.reference, s.answer, s.replays, s.counted
    from sends s join destinations d on d.id = s.destination";

const LINK: &str = "select group_key, subject, reference, url, digest, standing, is_remarked,
    created_ms, changed_ms from links";

impl Store {
    /// All destinations that were ever configured, by name.
    pub async fn destinations(&self) -> Result<Vec<DestinationRow>, Error> {
        self.database
            .read(|connection| {
                let mut statement = connection.prepare(&format!("{DESTINATION} order by name"))?;
                let rows = statement.query_map([], read_destination)?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// The destination of this name; made where there is none, at the end of the feed. One
    /// that nothing was sent to yet is at `place` from now on. Any other stays where it is:
    /// what stands at its old place cannot be found at another one.
    pub async fn keep_destination(
        &self,
        name: &str,
        kind: &str,
        place: &str,
        mode: DeliveryMode,
        now_ms: i64,
    ) -> Result<DestinationRow, Error> {
        let (name, kind, place) = (name.to_owned(), kind.to_owned(), place.to_owned());
        self.database
            .write(move |connection| {
                let transaction = connection.transaction_in(Turn::Room(Room::Deliveries))?;
                let mut keep = transaction.prepare(
                    "insert into destinations (name, kind, place, cursor, mode, since_ms, created_ms)
                     values (?1, ?2, ?3, (select coalesce(max(seq), 0) from changes), ?4, ?5, ?5)
                     on conflict (name) do update set kind = excluded.kind, place = excluded.place
                     where not exists (select 1 from links where destination = destinations.id)
                        and not exists (select 1 from sends where destination = destinations.id
                            and (attempts > 0 or started_ms is not null))",
                )?;
                keep.execute(params![name, kind, place, mode, now_ms])?;
                drop(keep);
                let made = by_name(&transaction, &name)?;
                transaction.commit()?;
                made.ok_or_else(|| Error::corrupt("a destination that was made is not there"))
            })
            .await
    }

    /// Removes a destination with all that is known of it.
    pub async fn remove_destination(&self, id: DestinationId) -> Result<(), Error> {
        self.database
            .write(move |connection| {
                connection.execute("delete from destinations where id = ?", [id.0])?;
                Ok(())
            })
            .await
    }

    /// Changes what a destination does. One that was paused and is not any more begins where
    /// it stopped.
    pub async fn set_delivery_mode(
        &self,
        id: DestinationId,
        mode: DeliveryMode,
        now_ms: i64,
    ) -> Result<(), Error> {
        self.database
            .write(move |connection| {
                connection.execute(
                    "update destinations set mode = ?, since_ms = ? where id = ? and mode <> ?",
                    params![mode, now_ms, id.0, mode],
                )?;
                Ok(())
            })
            .await
    }

    /// Notes why nothing goes out, or that it does again. Returns whether that is news.
    pub async fn set_delivery_problem(
        &self,
        id: DestinationId,
        problem: Option<String>,
        now_ms: i64,
    ) -> Result<bool, Error> {
        self.database
            .write(move |connection| {
                let changed = connection.execute(
                    "update destinations set problem = ?1, since_ms = ?2
                     where id = ?3 and (problem is null) <> (cast(?1 as text) is null)",
                    params![problem, now_ms, id.0],
                )?;
                Ok(changed > 0)
            })
            .await
    }

    /// Notes failures in a row, and until when nothing is tried.
    pub async fn rest_destination(
        &self,
        id: DestinationId,
        failures: u32,
        until_ms: i64,
    ) -> Result<(), Error> {
        self.database
            .write(move |connection| {
                connection.execute(
                    "update destinations set failures = ?, rests_until_ms = ? where id = ?",
                    params![failures, until_ms, id.0],
                )?;
                Ok(())
            })
            .await
    }

    /// Takes part in delivering, until the lock is dropped. What a process that ended has
    /// still claimed is free again if nobody delivers just now.
    pub async fn join_deliveries(&self) -> Result<DeliveryLock, Error> {
        let database = self.database.clone();
        self.database
            .write(move |connection| {
                database.lock_for_deliveries(|| {
                    connection.execute(
                        "update destinations set holder = null, held_until_ms = 0
                         where holder is not null",
                        [],
                    )?;
                    Ok(())
                })
            })
            .await
    }

    /// Claims a destination until then, or claims it for longer. False while another process
    /// delivers to it.
    pub async fn hold_destination(
        &self,
        id: DestinationId,
        holder: &str,
        now_ms: i64,
        until_ms: i64,
    ) -> Result<bool, Error> {
        let holder = holder.to_owned();
        self.database
            .write(move |connection| {
                // A time further away than any claim lasts comes of a clock that was wrong.
                let longest_ms = now_ms + 2 * (until_ms - now_ms);
                let mut claim = connection.prepare(
                    "update destinations set holder = ?1, held_until_ms = ?3
                     where id = ?4 and (holder is null or holder = ?1 or held_until_ms <= ?2
                        or held_until_ms > ?5)",
                )?;
                Ok(claim.execute(params![holder, now_ms, until_ms, id.0, longest_ms])? > 0)
            })
            .await
    }

    /// Ends a claim.
    pub async fn leave_destination(&self, id: DestinationId, holder: &str) -> Result<(), Error> {
        let holder = holder.to_owned();
        self.database
            .write(move |connection| {
                connection
                    .prepare(
                        "update destinations set holder = null, held_until_ms = 0
                         where id = ? and holder = ?",
                    )?
                    .execute(params![id.0, holder])?;
                Ok(())
            })
            .await
    }

    /// Writes a step of planning. False, and nothing is written, where the cursor is not
    /// `from` any more, or where what it takes the place of may have arrived since.
    pub async fn plan_sends(
        &self,
        id: DestinationId,
        from: i64,
        planned: Planned,
        now_ms: i64,
    ) -> Result<bool, Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction_in(Turn::Room(Room::Deliveries))?;
                let moved = transaction
                    .prepare(
                        "update destinations set cursor = ?1, left_out = left_out + ?2,
                            held_ms = coalesce(held_ms, ?3)
                         where id = ?4 and cursor = ?5",
                    )?
                    .execute(params![
                        planned.cursor.unwrap_or(from),
                        planned.left_out,
                        planned.held_ms,
                        id.0,
                        from
                    ])?;
                if moved == 0 {
                    return Ok(false);
                }
                for want in &planned.wants {
                    put_want(&transaction, id, want)?;
                }
                for (group, to_seq) in &planned.done {
                    transaction
                        .prepare(
                            "delete from wants where destination = ? and group_key = ? and to_seq = ?",
                        )?
                        .execute(params![id.0, group, to_seq])?;
                }
                for (send, reason) in &planned.replaced {
                    let replaced = transaction
                        .prepare(
                            "update sends set state = 'skipped', reason = ?, settled_ms = ?
                             where id = ? and state in ('pending', 'held')
                                and started_ms is null",
                        )?
                        .execute(params![reason, now_ms, send.0])?;
                    if replaced == 0 {
                        return Ok(false);
                    }
                }
                for send in &planned.sends {
                    put_send(&transaction, id, send, now_ms)?;
                }
                for link in &planned.links {
                    put_link(&transaction, id, link)?;
                }
                transaction.commit()?;
                Ok(true)
            })
            .await
    }

    /// Groups of a destination that have to be looked at, after this one, in the order of the
    /// first change of each: their findings are beside each other then.
    pub async fn wants(
        &self,
        id: DestinationId,
        after: Option<&Want>,
        limit: u32,
    ) -> Result<Vec<Want>, Error> {
        let (seq, group) = match after {
            Some(want) => (want.from_seq, want.group.clone()),
            None => (i64::MIN, String::new()),
        };
        self.database
            .read(move |connection| {
                let mut statement = connection.prepare(
                    "select group_key, subject, from_seq, to_seq, events from wants
                     where destination = ? and (from_seq, group_key) > (?, ?)
                     order by from_seq, group_key limit ?",
                )?;
                let rows = statement.query_map(params![id.0, seq, group, limit], read_want)?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Of these groups, those that have to be looked at already.
    pub async fn wants_of(
        &self,
        id: DestinationId,
        groups: Vec<String>,
    ) -> Result<HashMap<String, Want>, Error> {
        let sql = "select group_key, subject, from_seq, to_seq, events from wants
            where destination = ? and group_key = ?";
        self.by_group(sql.to_owned(), id, groups, read_want).await
    }

    /// What stands at the receiver for these groups.
    pub async fn links_of(
        &self,
        id: DestinationId,
        groups: Vec<String>,
    ) -> Result<HashMap<String, LinkRow>, Error> {
        let sql = format!("{LINK} where destination = ? and group_key = ?");
        self.by_group(sql, id, groups, read_link).await
    }

    /// What is on its way for these groups.
    pub async fn active_sends(
        &self,
        id: DestinationId,
        groups: Vec<String>,
    ) -> Result<HashMap<String, SendRow>, Error> {
        let sql = format!(
            "{SEND} where s.destination = ? and s.group_key = ?
                and s.state in ('pending', 'sending', 'held')"
        );
        self.by_group(sql, id, groups, read_send).await
    }

    /// The row of each of these groups that has one; `sql` asks for that of one group.
    async fn by_group<T: Send + 'static>(
        &self,
        sql: String,
        id: DestinationId,
        groups: Vec<String>,
        read: fn(Row<'_>) -> sql::Result<T>,
    ) -> Result<HashMap<String, T>, Error> {
        self.database
            .read(move |connection| {
                let mut statement = connection.prepare(&sql)?;
                let mut found = HashMap::new();
                for group in groups {
                    let row = statement.query_row(params![id.0, group], read).optional()?;
                    found.extend(row.map(|row| (group, row)));
                }
                Ok(found)
            })
            .await
    }

    /// Links of a destination, after this group, by their key.
    pub async fn links(
        &self,
        id: DestinationId,
        after: &str,
        limit: u32,
    ) -> Result<Vec<LinkRow>, Error> {
        let after = after.to_owned();
        self.database
            .read(move |connection| {
                let mut statement = connection.prepare(&format!(
                    "{LINK} where destination = ? and group_key > ? order by group_key limit ?"
                ))?;
                let rows = statement.query_map(params![id.0, after, limit], read_link)?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// The last links that were made before then, to ask for as a proof that the receiver
    /// shows tickets at all. More than one: somebody may have deleted the first.
    pub async fn known_links(
        &self,
        id: DestinationId,
        before_ms: i64,
        limit: u32,
    ) -> Result<Vec<LinkRow>, Error> {
        self.database
            .read(move |connection| {
                let sql = format!(
                    "{LINK} where destination = ? and standing <> 'lost' and created_ms < ?
                     order by created_ms desc, group_key limit ?"
                );
                let mut statement = connection.prepare(&sql)?;
                let rows = statement.query_map(params![id.0, before_ms, limit], read_link)?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Where a finding was delivered to; its id in full.
    pub async fn delivered(&self, finding: &str) -> Result<Vec<DeliveredRow>, Error> {
        let Some((from, to)) = id_range(finding) else { return Ok(Vec::new()) };
        self.database
            .read(move |connection| {
                let mut statement = connection.prepare(
                    "select l.group_key, l.subject, l.reference, l.url, l.digest, l.standing,
                        l.is_remarked, l.created_ms, l.changed_ms, d.name, d.kind
                     from linked f
                     join links l on l.destination = f.destination and l.group_key = f.group_key
                     join destinations d on d.id = f.destination
                     where f.finding_id between ? and ? order by d.name, l.group_key limit 50",
                )?;
                let rows = statement.query_map(params![from, to], |row| {
                    let link = read_link(row)?;
                    Ok(DeliveredRow { link, destination: row.get(9)?, kind: row.get(10)? })
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// The findings that stood in what was sent last for a group.
    pub async fn linked(&self, id: DestinationId, group: &str) -> Result<Vec<FindingId>, Error> {
        let group = group.to_owned();
        self.database
            .read(move |connection| {
                let mut statement = connection.prepare(
                    "select finding_id from linked where destination = ? and group_key = ?",
                )?;
                let rows = statement.query_map(params![id.0, group], |row| row.get(0))?;
                let ids = rows.map(|bytes| Ok(FindingId::from_bytes(&bytes?)));
                ids.collect()
            })
            .await
    }

    /// Sends of a destination whose time has come, the oldest first.
    pub async fn due_sends(
        &self,
        id: DestinationId,
        now_ms: i64,
        limit: u32,
    ) -> Result<Vec<SendRow>, Error> {
        self.database
            .read(move |connection| {
                let sql = format!(
                    "{SEND} where s.destination = ? and s.state in ('pending', 'sending')
                        and s.next_ms <= ? order by s.id limit ?"
                );
                let mut statement = connection.prepare(&sql)?;
                let rows = statement.query_map(params![id.0, now_ms, limit], read_send)?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// What a destination sends next, in the order in which it was planned, whether its time
    /// has come or not.
    pub async fn send_queue(&self, id: DestinationId, limit: u32) -> Result<Vec<SendRow>, Error> {
        self.database
            .read(move |connection| {
                let sql = format!(
                    "{SEND} where s.destination = ? and s.state in ('pending', 'sending')
                     order by s.id limit ?"
                );
                let mut statement = connection.prepare(&sql)?;
                let rows = statement.query_map(params![id.0, limit], read_send)?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// When something was planned last for a destination.
    pub async fn last_planned_ms(&self, id: DestinationId) -> Result<Option<i64>, Error> {
        self.database
            .read(move |connection| {
                let mut statement = connection
                    .prepare("select max(planned_ms) from sends where destination = ?")?;
                Ok(statement.query_row([id.0], |row| row.get(0))?)
            })
            .await
    }

    /// Ends a plan: lets its tickets go if they are `most` or fewer and nothing is held, else
    /// holds them. Returns how many are held now of this plan.
    pub async fn end_plan(&self, id: DestinationId, most: u32, now_ms: i64) -> Result<u64, Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction_in(Turn::Room(Room::Deliveries))?;
                let planned: u64 = transaction.query_row(
                    "select count(*) from sends
                     where destination = ? and state = 'held' and reason = ?",
                    params![id.0, PLANNING],
                    |row| row.get(0),
                )?;
                let is_held: bool = transaction.query_row(
                    "select held_ms is not null from destinations where id = ?",
                    [id.0],
                    |row| row.get(0),
                )?;
                if planned == 0 {
                    return Ok(0);
                }
                let (state, reason) = match (is_held, planned > u64::from(most)) {
                    (false, false) => (SendState::Pending, None),
                    (true, _) => (SendState::Held, Some("the destination is held".to_owned())),
                    _ => (SendState::Held, Some(format!("more than {most} tickets in one plan"))),
                };
                transaction.execute(
                    "update sends set state = ?, reason = ?
                     where destination = ? and state = 'held' and reason = ?",
                    params![state, reason, id.0, PLANNING],
                )?;
                if state == SendState::Held {
                    transaction.execute(
                        "update destinations set held_ms = coalesce(held_ms, ?) where id = ?",
                        params![now_ms, id.0],
                    )?;
                }
                transaction.commit()?;
                Ok(if state == SendState::Held { planned } else { 0 })
            })
            .await
    }

    /// When a send of a destination is due next.
    pub async fn next_send_ms(&self, id: DestinationId) -> Result<Option<i64>, Error> {
        self.database
            .read(move |connection| {
                let mut statement = connection.prepare(
                    "select min(next_ms) from sends
                     where destination = ? and state in ('pending', 'sending')",
                )?;
                Ok(statement.query_row([id.0], |row| row.get(0))?)
            })
            .await
    }

    /// Counts a try of each before it is made: of those that are as they were read. With each
    /// is when the first try that may have arrived began. Returns which these are.
    pub async fn claim_sends(&self, sends: Vec<(SendId, u32, i64)>) -> Result<Vec<SendId>, Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction_in(Turn::Room(Room::Deliveries))?;
                let mut claimed = Vec::new();
                for (send, attempts, started_ms) in sends {
                    let done = transaction
                        .prepare(
                            "update sends set state = 'sending', attempts = attempts + 1,
                                started_ms = ?
                             where id = ? and attempts = ? and state in ('pending', 'sending')",
                        )?
                        .execute(params![started_ms, send.0, attempts])?;
                    if done > 0 {
                        claimed.push(send);
                    }
                }
                transaction.commit()?;
                Ok(claimed)
            })
            .await
    }

    /// Notes how tries ended, all or none.
    pub async fn settle_sends(
        &self,
        id: DestinationId,
        settlements: Vec<Settlement>,
        now_ms: i64,
    ) -> Result<(), Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction_in(Turn::Room(Room::Deliveries))?;
                for settlement in &settlements {
                    settle(&transaction, id, settlement, now_ms)?;
                }
                Ok(transaction.commit()?)
            })
            .await
    }

    /// Lets go what is held, as if it were planned now: what waited for somebody for long is
    /// not given up for its age. Returns how many.
    pub async fn approve_sends(&self, id: DestinationId, now_ms: i64) -> Result<usize, Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction_in(Turn::Room(Room::Deliveries))?;
                let approved = transaction.execute(
                    "update sends set state = 'pending', reason = null, next_ms = ?1,
                        planned_ms = ?1
                     where destination = ?2 and state = 'held'",
                    params![now_ms, id.0],
                )?;
                transaction
                    .execute("update destinations set held_ms = null where id = ?", [id.0])?;
                transaction.commit()?;
                Ok(approved)
            })
            .await
    }

    /// Holds what a destination would create from now on.
    pub async fn hold_sends(&self, id: DestinationId, now_ms: i64) -> Result<(), Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction_in(Turn::Room(Room::Deliveries))?;
                transaction.execute(
                    "update destinations set held_ms = coalesce(held_ms, ?) where id = ?",
                    params![now_ms, id.0],
                )?;
                transaction.execute(
                    "update sends set state = 'held', reason = 'held by hand'
                     where destination = ? and state = 'pending' and started_ms is null
                        and action = 'create'",
                    [id.0],
                )?;
                Ok(transaction.commit()?)
            })
            .await
    }

    /// Sends again what failed or was given up, under the same id and as if it were planned
    /// now. False where it is in another state, or where something else of its group is on its
    /// way.
    pub async fn replay_send(&self, send: i64, now_ms: i64) -> Result<bool, Error> {
        self.database
            .write(move |connection| {
                let replayed = connection.execute(
                    "update sends set state = 'pending', attempts = 0, counted = 0, next_ms = ?2,
                        planned_ms = ?2, settled_ms = null, replays = replays + 1
                     where id = ?1 and state in ('failed', 'dead') and not exists (
                        select 1 from sends other where other.destination = sends.destination
                            and other.group_key = sends.group_key
                            and other.state in ('pending', 'sending', 'held'))",
                    params![send, now_ms],
                )?;
                Ok(replayed > 0)
            })
            .await
    }

    /// Leaves alone for good what failed or was given up. False where it is in another state.
    pub async fn dismiss_send(&self, send: i64, now_ms: i64) -> Result<bool, Error> {
        self.database
            .write(move |connection| {
                let dismissed = connection.execute(
                    "update sends set state = 'skipped', settled_ms = ?2,
                        reason = 'dismissed by hand' || coalesce('; ' || reason, '')
                     where id = ?1 and state in ('failed', 'dead')",
                    params![send, now_ms],
                )?;
                Ok(dismissed > 0)
            })
            .await
    }

    /// Moves a destination back, so that what the feed has after `cursor` is planned again.
    pub async fn rewind_destination(&self, id: DestinationId, cursor: i64) -> Result<(), Error> {
        self.database
            .write(move |connection| {
                connection.execute(
                    "update destinations set cursor = ?1 where id = ?2 and cursor > ?1",
                    params![cursor, id.0],
                )?;
                Ok(())
            })
            .await
    }

    /// A page of sends, the last first.
    pub async fn sends(&self, filter: SendFilter, limit: u32) -> Result<Vec<SendRow>, Error> {
        self.database
            .read(move |connection| {
                let states: Vec<_> = filter.states.iter().map(|state| state.as_str()).collect();
                let states = serde_json::to_string(&states).map_err(Error::corrupt)?;
                let sql = format!(
                    "{SEND} where (cast(?1 as text) is null or d.name = ?1)
                        and (?2 = '[]' or s.state in ({}))
                        and (cast(?3 as bigint) is null or s.id < ?3)
                     order by s.id desc limit ?4",
                    sql::texts("?2")
                );
                let mut statement = connection.prepare(&sql)?;
                let rows = statement.query_map(
                    params![filter.destination, states, filter.before, limit],
                    read_send,
                )?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// One send by its number.
    pub async fn send(&self, number: i64) -> Result<Option<SendRow>, Error> {
        self.database
            .read(move |connection| {
                let mut statement = connection.prepare(&format!("{SEND} where s.id = ?"))?;
                Ok(statement.query_row([number], read_send).optional()?)
            })
            .await
    }

    /// How many sends there are of each destination in each state.
    pub async fn send_counts(&self) -> Result<Vec<SendCount>, Error> {
        self.database
            .read(|connection| {
                let mut statement = connection.prepare(
                    "select d.name, s.state, count(*), min(s.planned_ms)
                     from destinations d join sends s on s.destination = d.id
                     group by d.name, s.state order by d.name, s.state",
                )?;
                let rows = statement.query_map([], |row| {
                    Ok(SendCount {
                        destination: row.get(0)?,
                        state: row.get(1)?,
                        count: row.get(2)?,
                        oldest_ms: row.get(3)?,
                    })
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Forgets sends that were over before then. Links stay.
    pub async fn forget_sends(&self, before_ms: i64) -> Result<usize, Error> {
        self.database
            .write(move |connection| {
                Ok(connection.execute("delete from sends where settled_ms < ?", [before_ms])?)
            })
            .await
    }

    /// The first change after a position that was written by a run which has not ended: it is
    /// under way, or its process ended before it did.
    pub async fn unfinished_from(&self, after: i64) -> Result<Option<i64>, Error> {
        self.database
            .read(move |connection| {
                let mut statement = connection.prepare(
                    "select min(seq) from changes where seq > ? and run in (
                        select id from runs where finished_ms is null and not exists (
                            select 1 from runs later where later.integration = runs.integration
                                and later.id > runs.id))",
                )?;
                Ok(statement.query_row([after], |row| row.get(0))?)
            })
            .await
    }

    /// The last position of the feed.
    pub async fn feed_end(&self) -> Result<i64, Error> {
        self.database
            .read(|connection| {
                let mut statement =
                    connection.prepare("select coalesce(max(seq), 0) from changes")?;
                Ok(statement.query_row([], |row| row.get(0))?)
            })
            .await
    }
}

fn by_name(connection: &Connection, name: &str) -> Result<Option<DestinationRow>, Error> {
    let mut statement = connection.prepare(&format!("{DESTINATION} where name = ?"))?;
    Ok(statement.query_row([name], read_destination).optional()?)
}

/// A group that is wanted already is wanted for both; the later events take in the earlier.
fn put_want(transaction: &Transaction<'_>, id: DestinationId, want: &Want) -> Result<(), Error> {
    transaction
        .prepare(
            "insert into wants (destination, group_key, subject, from_seq, to_seq, events)
             values (?, ?, ?, ?, ?, ?)
             on conflict (destination, group_key) do update set subject = excluded.subject,
                from_seq = case when excluded.from_seq < wants.from_seq
                    then excluded.from_seq else wants.from_seq end,
                to_seq = case when excluded.to_seq > wants.to_seq
                    then excluded.to_seq else wants.to_seq end, events = excluded.events",
        )?
        .execute(params![
            id.0,
            want.group,
            want.subject,
            want.from_seq,
            want.to_seq,
            want.events
        ])?;
    Ok(())
}

/// A ticket that was given up may have arrived all the same: the next one of its group begins
/// where that one ended, with a look.
fn put_send(
    transaction: &Transaction<'_>,
    id: DestinationId,
    send: &NewSend,
    now_ms: i64,
) -> Result<(), Error> {
    let is_over = matches!(send.state, SendState::Simulated | SendState::Skipped);
    transaction
        .prepare(
            "insert into sends (uid, destination, group_key, from_seq, to_seq, action, payload,
                state, reason, planned_ms, next_ms, settled_ms, started_ms)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?11,
                case when ?6 = 'create' and cast(?11 as bigint) is null then (select max(started_ms) from sends
                    where destination = ?2 and group_key = ?3 and action = 'create'
                        and state in ('failed', 'dead')) end)",
        )?
        .execute(params![
            send.uid,
            id.0,
            send.group,
            send.from_seq,
            send.to_seq,
            send.action,
            send.payload,
            send.state,
            send.reason,
            now_ms,
            is_over.then_some(now_ms)
        ])?;
    Ok(())
}

fn put_link(transaction: &Transaction<'_>, id: DestinationId, link: &LinkRow) -> Result<(), Error> {
    transaction
        .prepare(
            "insert into links (destination, group_key, subject, reference, url, digest, standing,
                is_remarked, created_ms, changed_ms)
             values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             on conflict (destination, group_key) do update set subject = excluded.subject,
                reference = excluded.reference, url = excluded.url, digest = excluded.digest,
                standing = excluded.standing, is_remarked = excluded.is_remarked,
                changed_ms = excluded.changed_ms",
        )?
        .execute(params![
            id.0,
            link.group,
            link.subject,
            link.reference,
            link.url,
            link.digest,
            link.standing,
            link.is_remarked,
            link.created_ms,
            link.changed_ms
        ])?;
    Ok(())
}

fn settle(
    transaction: &Transaction<'_>,
    id: DestinationId,
    settlement: &Settlement,
    now_ms: i64,
) -> Result<(), Error> {
    let is_over = !matches!(settlement.state, SendState::Pending | SendState::Held);
    transaction
        .prepare(
            "update sends set state = ?1, counted = counted + ?2, attempts = attempts - (1 - ?2),
                reason = ?3, next_ms = ?4, started_ms = ?5, settled_ms = ?6,
                reference = coalesce(?7, reference), answer = coalesce(?8, answer)
             where id = ?9 and state = 'sending'",
        )?
        .execute(params![
            settlement.state,
            settlement.is_counted,
            settlement.reason,
            settlement.next_ms,
            settlement.started_ms,
            is_over.then_some(now_ms),
            settlement.reference,
            settlement.answer,
            settlement.send.0
        ])?;
    if let Some(want) = &settlement.want {
        // One that is there already knows more.
        transaction
            .prepare(
                "insert into wants (destination, group_key, subject, from_seq, to_seq, events)
                 values (?, ?, ?, ?, ?, ?) on conflict do nothing",
            )?
            .execute(params![
                id.0,
                want.group,
                want.subject,
                want.from_seq,
                want.to_seq,
                want.events
            ])?;
    }
    let Some((link, findings)) = &settlement.link else { return Ok(()) };
    put_link(transaction, id, link)?;
    transaction
        .prepare("delete from linked where destination = ? and group_key = ?")?
        .execute(params![id.0, link.group])?;
    for finding in findings {
        transaction
            .prepare("insert into linked values (?, ?, ?) on conflict do nothing")?
            .execute(params![id.0, link.group, finding.to_bytes()])?;
    }
    Ok(())
}

fn read_destination(row: Row<'_>) -> sql::Result<DestinationRow> {
    Ok(DestinationRow {
        id: DestinationId(row.get(0)?),
        name: row.get(1)?,
        kind: row.get(2)?,
        place: row.get(3)?,
        cursor: row.get(4)?,
        mode: row.get(5)?,
        problem: row.get(6)?,
        since_ms: row.get(7)?,
        held_ms: row.get(8)?,
        failures: row.get(9)?,
        rests_until_ms: row.get(10)?,
        left_out: row.get(11)?,
        created_ms: row.get(12)?,
    })
}

fn read_want(row: Row<'_>) -> sql::Result<Want> {
    Ok(Want {
        group: row.get(0)?,
        subject: row.get(1)?,
        from_seq: row.get(2)?,
        to_seq: row.get(3)?,
        events: row.get(4)?,
    })
}

fn read_send(row: Row<'_>) -> sql::Result<SendRow> {
    Ok(SendRow {
        id: SendId(row.get(0)?),
        uid: row.get(1)?,
        destination: row.get(2)?,
        group: row.get(3)?,
        from_seq: row.get(4)?,
        to_seq: row.get(5)?,
        action: row.get(6)?,
        payload: row.get(7)?,
        state: row.get(8)?,
        reason: row.get(9)?,
        attempts: row.get(10)?,
        planned_ms: row.get(11)?,
        started_ms: row.get(12)?,
        next_ms: row.get(13)?,
        settled_ms: row.get(14)?,
        reference: row.get(15)?,
        answer: row.get(16)?,
        replays: row.get(17)?,
        counted: row.get(18)?,
    })
}

fn read_link(row: Row<'_>) -> sql::Result<LinkRow> {
    Ok(LinkRow {
        group: row.get(0)?,
        subject: row.get(1)?,
        reference: row.get(2)?,
        url: row.get(3)?,
        digest: row.get(4)?,
        standing: row.get(5)?,
        is_remarked: row.get(6)?,
        created_ms: row.get(7)?,
        changed_ms: row.get(8)?,
    })
}
