//! Mails that were written: for the built-in mailbox, and for what delivers them.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::Error;
use crate::act::View;
use crate::tenant::Tenant;

/// Of a listing.
const MAX_MAILS: u32 = 200;

/// A mail of the built-in mailbox. No `Debug`: its links sign in.
pub struct Mail {
    pub id: i64,
    pub to: String,
    pub subject: String,
    pub at_ms: i64,
    pub text: String,
    pub html: String,
}

const SELECT: &str = "select id, recipient, subject, due_ms, body, html from outbox";

fn read_row(row: &Row<'_>) -> rusqlite::Result<Mail> {
    Ok(Mail {
        id: row.get(0)?,
        to: row.get(1)?,
        subject: row.get(2)?,
        at_ms: row.get(3)?,
        text: row.get(4)?,
        html: row.get(5)?,
    })
}

/// The newest mails first.
pub fn newest(view: &View<'_>) -> Result<Vec<Mail>, Error> {
    let sql = format!("{SELECT} order by id desc limit ?");
    let mut statement = view.connection.prepare_cached(&sql)?;
    Ok(statement.query_map([MAX_MAILS], read_row)?.collect::<Result<_, _>>()?)
}

pub fn find(view: &View<'_>, id: i64) -> Result<Option<Mail>, Error> {
    let sql = format!("{SELECT} where id = ?");
    Ok(view.connection.query_row(&sql, [id], read_row).optional()?)
}

/// A mail that was not delivered yet. No `Debug`: its links sign in.
pub struct Waiting {
    pub id: i64,
    pub attempts: i64,
    pub due_ms: i64,
    pub to: String,
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// Taken out of the outbox at once.
const BATCH: u32 = 20;
/// Waits double with every failure, up to this.
const LONGEST_WAIT_MS: i64 = 6 * 3_600_000;
/// After so many failures, three days, a mail is given up; it stays in the outbox.
const MOST_ATTEMPTS: i64 = 20;

/// What is to be delivered now, the oldest first.
pub fn waiting(view: &View<'_>) -> Result<Vec<Waiting>, Error> {
    waiting_at(view.connection, view.now_ms)
}

fn waiting_at(connection: &Connection, now_ms: i64) -> Result<Vec<Waiting>, Error> {
    let mut statement = connection.prepare_cached(
        "select id, attempts, due_ms, recipient, subject, body, html from outbox
         where sent_ms is null and next_ms <= ?1 and due_ms <= ?1 and attempts < ?2
         order by id limit ?3",
    )?;
    let rows = statement.query_map(params![now_ms, MOST_ATTEMPTS, BATCH], |row| {
        Ok(Waiting {
            id: row.get(0)?,
            attempts: row.get(1)?,
            due_ms: row.get(2)?,
            to: row.get(3)?,
            subject: row.get(4)?,
            text: row.get(5)?,
            html: row.get(6)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Notes that the delivery of a mail was tried, and when it is tried again.
pub fn tried(tenant: &Tenant, mail: &Waiting, is_sent: bool) -> Result<(), Error> {
    let (now_ms, attempts) = (tenant.now(), mail.attempts + 1);
    let wait_ms = (30_000_i64 << attempts.min(12)).min(LONGEST_WAIT_MS);
    tenant.database().write(|transaction| {
        transaction.execute(
            "update outbox set sent_ms = ?2, attempts = ?3, next_ms = ?4 where id = ?1",
            params![mail.id, is_sent.then_some(now_ms), attempts, now_ms.saturating_add(wait_ms)],
        )?;
        Ok(())
    })
}
