//! The mails that the passing of time brings: a pair expires in seven days, in
//! one day. Each is written once and bears the time at which it was due.

use rusqlite::{Connection, Transaction};
use serde::Serialize;

use crate::act::View;
use crate::clock::{self, Setting};
use crate::tenant::Tenant;
use crate::{Error, timestamp};

/// Of a listing.
const MAX_MAILS: u32 = 1000;

/// No `Debug`: its links sign in.
#[derive(Serialize)]
pub struct Mail {
    kind: String,
    to: String,
    subject: String,
    body: String,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_id: Option<String>,
}

/// What is due by ?1 and not written yet: not for a pair that was revoked by
/// then, nor for one that was never valid so long.
const DUE: &str = "from credentials c join users u on u.id = c.user join (
        select 'expires_in_7_days' as kind, 604800000 as ahead_ms, '7 days' as words
        union all select 'expires_in_1_day', 86400000, '1 day'
    ) n
    where c.expires_ms - n.ahead_ms <= ?1 and c.created_ms < c.expires_ms - n.ahead_ms
    and (c.revoked_ms is null or c.revoked_ms > c.expires_ms - n.ahead_ms)
    and not exists (select 1 from outbox o where o.api_id = c.api_id and o.kind = n.kind)";

impl Tenant {
    /// What the passing of time asks for: mails that became due.
    pub fn keep_house(&self) -> Result<(), Error> {
        let now_ms = self.now();
        if self.database().read(|connection| is_any_due(connection, now_ms))? {
            self.database().write(|transaction| write_due(transaction, now_ms))?;
        }
        Ok(())
    }

    /// Moves the platform's time: in the database first, so that a restart lives in the
    /// same time. Mails that became due are written before it moves.
    pub fn set_clock(&self, setting: Setting) -> Result<(), Error> {
        self.database().write(|transaction| {
            clock::save(transaction, setting)?;
            write_due(transaction, self.clock().at(setting))
        })?;
        self.clock().apply(setting);
        Ok(())
    }
}

pub(crate) fn write_due(transaction: &Transaction<'_>, now_ms: i64) -> Result<(), Error> {
    transaction.execute(
        &format!(
            "insert into outbox (kind, recipient, subject, body, due_ms, api_id)
             select n.kind, u.email, 'Your API credentials expire in ' || n.words,
                'The API credentials with the ID ' || c.api_id || ' of the account ' || u.name
                    || ' expire in ' || n.words || '. Generate new ones before that.',
                c.expires_ms - n.ahead_ms, c.api_id
             {DUE} order by c.expires_ms - n.ahead_ms, c.api_id"
        ),
        [now_ms],
    )?;
    Ok(())
}

fn is_any_due(connection: &Connection, now_ms: i64) -> Result<bool, Error> {
    let sql = format!("select exists (select 1 {DUE})");
    Ok(connection.prepare_cached(&sql)?.query_row([now_ms], |row| row.get(0))?)
}

pub fn mails(view: &View<'_>) -> Result<Vec<Mail>, Error> {
    let mut statement = view.connection.prepare_cached(
        "select kind, recipient, subject, body, due_ms, api_id from outbox order by due_ms, id limit ?",
    )?;
    let rows = statement.query_map([MAX_MAILS], |row| {
        Ok(Mail {
            kind: row.get(0)?,
            to: row.get(1)?,
            subject: row.get(2)?,
            body: row.get(3)?,
            at: timestamp(row.get(4)?),
            api_id: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
