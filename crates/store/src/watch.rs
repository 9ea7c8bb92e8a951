//! What the watch has seen, what it had to say and where that went, and what its
//! calendar said last. What is to be said, and when, is decided elsewhere.

use crate::credentials::CredentialId;
use crate::error::Error;
use crate::sql::{self, Optional, Row, Transaction, params};
use crate::store::Store;
use crate::words::{Fault, words};

/// What the last look at the service said beyond the inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Of which credential.
    pub credential: CredentialId,
    /// When.
    pub seen_ms: i64,
    /// Whose turn it is, when it failed.
    pub fault: Option<Fault>,
    /// How far the service's clock is ahead of ours.
    pub skew_ms: Option<i64>,
    /// The id that is live at the service, when it is not the published one.
    pub live_id: Option<String>,
}

/// Row id of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NoticeId(i64);

impl NoticeId {
    /// A number that is the notice's alone, for its recipients.
    pub fn number(self) -> i64 {
        self.0
    }
}

words! {
    /// What a notice is about.
    NoticeKind {
        /// It expires, or has.
        Expiry = "expiry",
        /// The service does not accept it.
        Refused = "refused",
        /// Its account lacks a role.
        RoleMissing = "role_missing",
        /// This machine's clock and the service's are apart.
        Skew = "skew",
        /// Its rotation does not go on.
        Stuck = "rotation_stuck",
        /// The id that is live at the service is not ours.
        Foreign = "foreign_id",
    }
}

/// Something to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNotice {
    /// Of which credential.
    pub credential: CredentialId,
    /// Of what kind.
    pub kind: NoticeKind,
    /// What makes it one and not another of its kind: an expiry, an id, a host.
    pub occasion: String,
    /// Days before it happens; 0 when it has.
    pub threshold: i64,
    /// How often this was over before.
    pub episode: u32,
    /// Whether it goes out at any hour.
    pub is_urgent: bool,
    /// Now.
    pub raised_ms: i64,
}

/// Something that was to be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Row id.
    pub id: NoticeId,
    /// Of which credential.
    pub credential: CredentialId,
    /// Of what kind.
    pub kind: NoticeKind,
    /// What makes it one and not another of its kind.
    pub occasion: String,
    /// Days before it happens; 0 when it has.
    pub threshold: i64,
    /// How often this was over before.
    pub episode: u32,
    /// Whether it goes out at any hour.
    pub is_urgent: bool,
    /// When it was raised.
    pub raised_ms: i64,
    /// When it was first delivered.
    pub sent_ms: Option<i64>,
    /// When it was over, or something more urgent took its place.
    pub ended_ms: Option<i64>,
    /// When somebody took it on.
    pub acknowledged_ms: Option<i64>,
    /// When it went to those who are told when nobody does.
    pub escalated_ms: Option<i64>,
}

/// A notice on its way through one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Which notice.
    pub notice: NoticeId,
    /// Name of the channel.
    pub channel: String,
    /// Whether it goes to those who are told when nobody took it on.
    pub is_escalation: bool,
    /// How often it was tried.
    pub attempts: u32,
    /// When to try next.
    pub next_ms: i64,
    /// When it was taken.
    pub sent_ms: Option<i64>,
    /// Why it was not.
    pub problem: Option<String>,
}

/// What a calendar entry goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edition {
    /// Grows with every change.
    pub sequence: u32,
    /// When it changed last.
    pub stamp_ms: i64,
}

impl Store {
    /// What was seen last of each credential.
    pub async fn sightings(&self) -> Result<Vec<Sighting>, Error> {
        self.database
            .read(|connection| {
                let mut statement = connection.prepare(
                    "select credential, seen_ms, fault, skew_ms, live_id from sightings",
                )?;
                let rows = statement.query_map([], |row| {
                    Ok(Sighting {
                        credential: CredentialId(row.get(0)?),
                        seen_ms: row.get(1)?,
                        fault: row.get(2)?,
                        skew_ms: row.get(3)?,
                        live_id: row.get(4)?,
                    })
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Notes how a look went. A live id stays as it was.
    pub async fn note_sighting(
        &self,
        credential: CredentialId,
        seen_ms: i64,
        fault: Option<Fault>,
        skew_ms: Option<i64>,
    ) -> Result<(), Error> {
        self.database
            .write(move |connection| {
                connection.execute(
                    "insert into sightings (credential, seen_ms, fault, skew_ms) values (?, ?, ?, ?)
                     on conflict (credential) do update set seen_ms = excluded.seen_ms,
                        fault = excluded.fault, skew_ms = coalesce(excluded.skew_ms, sightings.skew_ms)",
                    params![credential.0, seen_ms, fault, skew_ms],
                )?;
                Ok(())
            })
            .await
    }

    /// Notes which id is live at the service, when it is not the published one.
    pub async fn note_live_id(
        &self,
        credential: CredentialId,
        live_id: Option<String>,
        now_ms: i64,
    ) -> Result<(), Error> {
        self.database
            .write(move |connection| {
                connection.execute(
                    "insert into sightings (credential, seen_ms, live_id) values (?, ?, ?)
                     on conflict (credential) do update set live_id = excluded.live_id",
                    params![credential.0, now_ms, live_id],
                )?;
                Ok(())
            })
            .await
    }

    /// Credentials that have asked for others than themselves.
    pub async fn minters(&self) -> Result<Vec<CredentialId>, Error> {
        self.database
            .read(|connection| {
                let mut statement = connection
                    .prepare("select distinct minter from rotations where minter <> credential")?;
                let rows = statement.query_map([], |row| Ok(CredentialId(row.get(0)?)))?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// All notices of the credentials that there are, the oldest first.
    pub async fn notices(&self) -> Result<Vec<Notice>, Error> {
        self.database
            .read(|connection| {
                let mut statement = connection.prepare(
                    "select id, credential, kind, occasion, threshold, episode, is_urgent,
                        raised_ms, (select min(sent_ms) from deliveries where notice = notices.id),
                        ended_ms, acknowledged_ms, escalated_ms from notices order by id",
                )?;
                let rows = statement.query_map([], read_notice)?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Raises a notice, to be delivered through these channels. One that was raised
    /// before and has ended goes on, through those that have not taken it. Returns
    /// whether it is new.
    pub async fn raise_notice(&self, new: NewNotice, channels: Vec<String>) -> Result<bool, Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                let inserted = transaction.execute(
                    "insert into notices
                        (credential, kind, occasion, threshold, episode, is_urgent, raised_ms)
                     values (?, ?, ?, ?, ?, ?, ?) on conflict do nothing",
                    params![
                        new.credential.0,
                        new.kind,
                        new.occasion,
                        new.threshold,
                        new.episode,
                        new.is_urgent,
                        new.raised_ms,
                    ],
                )?;
                let (id, has_ended): (i64, bool) = transaction.query_row(
                    "select id, ended_ms is not null from notices where credential = ?
                        and kind = ? and occasion = ? and threshold = ? and episode = ?",
                    params![new.credential.0, new.kind, new.occasion, new.threshold, new.episode],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )?;
                if inserted > 0 || has_ended {
                    transaction.execute("update notices set ended_ms = null where id = ?", [id])?;
                    add_deliveries(&transaction, id, &channels, false, new.raised_ms)?;
                }
                transaction.commit()?;
                Ok(inserted > 0)
            })
            .await
    }

    /// Ends notices: what of them is still on its way is not sent any more.
    pub async fn end_notices(&self, ids: Vec<NoticeId>, now_ms: i64) -> Result<(), Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                for id in ids {
                    transaction.execute(
                        "update notices set ended_ms = ? where id = ? and ended_ms is null",
                        params![now_ms, id.0],
                    )?;
                    transaction.execute(
                        "delete from deliveries where notice = ? and sent_ms is null",
                        [id.0],
                    )?;
                }
                Ok(transaction.commit()?)
            })
            .await
    }

    /// Notes that somebody took on what is open of a credential. Returns how much.
    pub async fn acknowledge_notices(
        &self,
        credential: CredentialId,
        now_ms: i64,
    ) -> Result<usize, Error> {
        self.database
            .write(move |connection| {
                Ok(connection.execute(
                    "update notices set acknowledged_ms = ?
                     where credential = ? and ended_ms is null and acknowledged_ms is null",
                    params![now_ms, credential.0],
                )?)
            })
            .await
    }

    /// Sends a notice to those who are told when nobody takes it on, once.
    pub async fn escalate_notice(
        &self,
        id: NoticeId,
        channels: Vec<String>,
        now_ms: i64,
    ) -> Result<(), Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                let escalated = transaction.execute(
                    "update notices set escalated_ms = ?
                     where id = ? and escalated_ms is null and ended_ms is null",
                    params![now_ms, id.0],
                )?;
                if escalated > 0 {
                    add_deliveries(&transaction, id.0, &channels, true, now_ms)?;
                }
                Ok(transaction.commit()?)
            })
            .await
    }

    /// Every delivery, the oldest notice first.
    pub async fn deliveries(&self) -> Result<Vec<Delivery>, Error> {
        self.database
            .read(|connection| {
                let mut statement = connection.prepare(
                    "select notice, channel, is_escalation, attempts, next_ms, sent_ms, problem
                     from deliveries order by notice, is_escalation, channel",
                )?;
                let rows = statement.query_map([], |row| {
                    Ok(Delivery {
                        notice: NoticeId(row.get(0)?),
                        channel: row.get(1)?,
                        is_escalation: row.get(2)?,
                        attempts: row.get(3)?,
                        next_ms: row.get(4)?,
                        sent_ms: row.get(5)?,
                        problem: row.get(6)?,
                    })
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Counts a try before it is made; false when somebody else made it meanwhile, or
    /// when there is nothing to send any more.
    pub async fn claim_delivery(&self, delivery: &Delivery, next_ms: i64) -> Result<bool, Error> {
        let Delivery { notice, channel, is_escalation, attempts, .. } = delivery.clone();
        self.database
            .write(move |connection| {
                let claimed = connection.execute(
                    "update deliveries set attempts = attempts + 1, next_ms = ?
                     where notice = ? and channel = ? and is_escalation = ? and attempts = ?
                        and sent_ms is null",
                    params![next_ms, notice.0, channel, is_escalation, attempts],
                )?;
                Ok(claimed > 0)
            })
            .await
    }

    /// Notes how a try ended: taken, or not and why.
    pub async fn settle_delivery(
        &self,
        delivery: &Delivery,
        problem: Option<String>,
        now_ms: i64,
    ) -> Result<(), Error> {
        let Delivery { notice, channel, is_escalation, .. } = delivery.clone();
        self.database
            .write(move |connection| {
                connection.execute(
                    "update deliveries set sent_ms = ?, problem = ?
                     where notice = ? and channel = ? and is_escalation = ?",
                    params![
                        problem.is_none().then_some(now_ms),
                        problem,
                        notice.0,
                        channel,
                        is_escalation
                    ],
                )?;
                Ok(())
            })
            .await
    }

    /// The edition of a calendar entry that says this: another one when it said
    /// something else before.
    pub async fn calendar_edition(
        &self,
        credential: CredentialId,
        content: String,
        now_ms: i64,
    ) -> Result<Edition, Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                let held: Option<(u32, i64, String)> = transaction
                    .query_row(
                        "select sequence, stamp_ms, content from calendar where credential = ?",
                        [credential.0],
                        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
                    )
                    .optional()?;
                let sequence = match held {
                    Some((sequence, stamp_ms, said)) if said == content => {
                        return Ok(Edition { sequence, stamp_ms });
                    }
                    Some((sequence, ..)) => sequence + 1,
                    None => 0,
                };
                transaction.execute(
                    "insert into calendar (credential, sequence, stamp_ms, content) values (?, ?, ?, ?)
                     on conflict (credential) do update set sequence = excluded.sequence,
                        stamp_ms = excluded.stamp_ms, content = excluded.content",
                    params![credential.0, sequence, now_ms, content],
                )?;
                transaction.commit()?;
                Ok(Edition { sequence, stamp_ms: now_ms })
            })
            .await
    }
}

fn add_deliveries(
    transaction: &Transaction<'_>,
    notice: i64,
    channels: &[String],
    is_escalation: bool,
    now_ms: i64,
) -> Result<(), Error> {
    for channel in channels {
        transaction.execute(
            "insert into deliveries (notice, channel, is_escalation, next_ms) values (?, ?, ?, ?)
             on conflict do nothing",
            params![notice, channel, is_escalation, now_ms],
        )?;
    }
    Ok(())
}

fn read_notice(row: Row<'_>) -> sql::Result<Notice> {
    Ok(Notice {
        id: NoticeId(row.get(0)?),
        credential: CredentialId(row.get(1)?),
        kind: row.get(2)?,
        occasion: row.get(3)?,
        threshold: row.get(4)?,
        episode: row.get(5)?,
        is_urgent: row.get(6)?,
        raised_ms: row.get(7)?,
        sent_ms: row.get(8)?,
        ended_ms: row.get(9)?,
        acknowledged_ms: row.get(10)?,
        escalated_ms: row.get(11)?,
    })
}
