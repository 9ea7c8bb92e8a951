//! The applications that a run reads whose processes are several: each is claimed by one of them,
//! until its lease ends, and written under the number of that lease.

use crate::conducts::{Conduct, RunStage, must_conduct};
use crate::error::Error;
use crate::raw::{Packing, Sort, Unpacker};
use crate::sql::{self, Connection, Optional, Row, engine, params};
use crate::store::{IntegrationId, RunId, Store};
use crate::words::words;

words! {
    /// What became of an application of a run.
    WorkState {
        /// Nobody has claimed it.
        Open = "open",
        /// Somebody reads it, or did so when the lease ended.
        Taken = "taken",
        /// It was read, and the end of the run decides whether it is read once more.
        Doubted = "doubted",
        /// It is over.
        Done = "done",
    }
}

/// An application that a run is to read.
#[derive(Debug, Clone)]
pub struct NewWork {
    /// Its guid.
    pub application: String,
    /// How it is read and why, as JSON.
    pub terms: String,
    /// The record as it was listed.
    pub raw: String,
}

/// The right to read an application in a run, and to write what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WorkLease {
    run: RunId,
    place: i64,
    number: i64,
}

impl WorkLease {
    /// Which run.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// Where in the run the application comes.
    pub fn place(&self) -> i64 {
        self.place
    }
}

/// An application that was claimed.
#[derive(Debug, Clone)]
pub struct ClaimedWork {
    /// The right to it.
    pub lease: WorkLease,
    /// Its guid.
    pub application: String,
    /// How it is read and why, as JSON.
    pub terms: String,
    /// The record as it was listed.
    pub raw: String,
}

/// How the reading of an application ended, to be noted where it is written.
#[derive(Debug, Clone)]
pub struct WorkNote {
    /// The right to it.
    pub lease: WorkLease,
    /// What became of it.
    pub state: WorkState,
    /// How it ended, as JSON.
    pub outcome: String,
}

/// An application of a run, and how its reading ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkRow {
    /// Where in the run it comes.
    pub place: i64,
    /// Its guid.
    pub application: String,
    /// How it is read and why, as JSON.
    pub terms: String,
    /// What became of it.
    pub state: WorkState,
    /// How it ended, as JSON; none before it did.
    pub outcome: Option<String>,
    /// Rows that were written for it.
    pub rows_written: u64,
}

/// A run that several processes may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRun {
    /// Which.
    pub run: RunId,
    /// Of which integration.
    pub integration: IntegrationId,
    /// The name of that.
    pub name: String,
    /// How far it is.
    pub stage: RunStage,
    /// Whether its conductor has left it.
    pub is_left: bool,
    /// Whether an application can be claimed.
    pub has_work: bool,
}

/// Who does a run that is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crew {
    /// The integration.
    pub integration: String,
    /// How far the run is.
    pub stage: RunStage,
    /// Who conducts it.
    pub conductor: String,
    /// Whether the conductor has left it.
    pub is_left: bool,
    /// Applications that the run reads.
    pub planned: u64,
    /// Of these, those that were read.
    pub read: u64,
    /// Of these, those whose reader has left them.
    pub left: u64,
    /// Who reads applications just now, and how many.
    pub readers: Vec<(String, u64)>,
}

impl Crew {
    /// Processes that do something for it.
    pub fn workers(&self) -> u64 {
        let conducts = !self.is_left && self.readers.iter().all(|(one, _)| *one != self.conductor);
        self.readers.len() as u64 + u64::from(conducts)
    }
}

impl Store {
    /// Claims applications of a run, the first of those that nobody reads; as many at most.
    pub async fn claim_work(
        &self,
        run: RunId,
        holder: &str,
        most: usize,
        life_ms: i64,
    ) -> Result<Vec<ClaimedWork>, Error> {
        let holder = holder.to_owned();
        self.database
            .beside(move |connection| {
                let (now, skip) = (engine::clock(connection), engine::skip_locked(connection));
                let sql = format!(
                    "with next as materialized (
                        select run as of_run, place as at from work
                        where run = ?1 and state in ('open', 'taken')
                            and (state = 'open' or until_ms <= {now})
                        order by place limit ?2 {skip}
                     )
                     update work set state = 'taken', holder = ?3, lease = lease + 1,
                        until_ms = {now} + ?4
                     from next where run = of_run and place = at
                     returning place, lease, application, terms, raw"
                );
                let most = i64::try_from(most).unwrap_or(i64::MAX);
                let mut statement = connection.prepare(&sql)?;
                let rows = statement.query_map(params![run.0, most, holder, life_ms], packed)?;
                let found = rows.collect::<sql::Result<Vec<Packed>>>()?;
                let mut claimed = unpacked(connection, run, found)?;
                claimed.sort_by_key(|one| one.lease.place);
                Ok(claimed)
            })
            .await
    }

    /// Renews the leases of all that the holder reads of a run.
    pub async fn renew_work(&self, run: RunId, holder: &str, life_ms: i64) -> Result<(), Error> {
        let holder = holder.to_owned();
        self.database.beside(move |connection| renew_work(connection, run, &holder, life_ms)).await
    }

    /// Gives back what the holder has claimed of a run and not ended. What it still writes of it
    /// is refused.
    pub async fn give_back_work(&self, run: RunId, holder: &str) -> Result<(), Error> {
        let holder = holder.to_owned();
        self.database
            .beside(move |connection| {
                connection
                    .prepare(
                        "update work set state = 'open', lease = lease + 1, until_ms = 0
                         where run = ? and state = 'taken' and holder = ?",
                    )?
                    .execute(params![run.0, holder])?;
                Ok(())
            })
            .await
    }

    /// The same for one of them.
    pub async fn give_back(&self, lease: WorkLease) -> Result<(), Error> {
        self.database
            .beside(move |connection| {
                connection
                    .prepare(
                        "update work set state = 'open', lease = lease + 1, until_ms = 0
                         where run = ? and place = ? and lease = ? and state = 'taken'",
                    )?
                    .execute(params![lease.run.0, lease.place, lease.number])?;
                Ok(())
            })
            .await
    }

    /// Notes how a reading ended of which nothing is written. Fails with
    /// [`Error::is_superseded`] where somebody else has claimed the application since.
    pub async fn note_work(&self, note: WorkNote) -> Result<(), Error> {
        self.database.beside(move |connection| put_note(connection, &note)).await
    }

    /// Applications of a run that are not over, but for those that wait for its end.
    pub async fn work_left(&self, run: RunId) -> Result<u64, Error> {
        self.database
            .read(move |connection| {
                let mut statement = connection.prepare(
                    "select count(*) from work where run = ? and state in ('open', 'taken')",
                )?;
                Ok(statement.query_row([run.0], |row| row.get(0))?)
            })
            .await
    }

    /// All applications of a run in their order.
    pub async fn work(&self, run: RunId) -> Result<Vec<WorkRow>, Error> {
        self.database
            .read(move |connection| {
                let mut statement = connection.prepare(
                    "select place, application, terms, state, outcome, rows_written from work
                     where run = ? order by place",
                )?;
                let rows = statement.query_map([run.0], |row| {
                    Ok(WorkRow {
                        place: row.get(0)?,
                        application: row.get(1)?,
                        terms: row.get(2)?,
                        state: row.get(3)?,
                        outcome: row.get(4)?,
                        rows_written: row.get(5)?,
                    })
                })?;
                Ok(rows.collect::<sql::Result<_>>()?)
            })
            .await
    }

    /// Claims an application whose reading waits for the end of the run, for who conducts that;
    /// none where it is over by now.
    pub async fn claim_doubted(
        &self,
        conduct: Conduct,
        place: i64,
        holder: &str,
        life_ms: i64,
    ) -> Result<Option<ClaimedWork>, Error> {
        let holder = holder.to_owned();
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                must_conduct(&transaction, conduct)?;
                let sql = format!(
                    "update work set lease = lease + 1, holder = ?, until_ms = {} + ?
                     where run = ? and place = ? and state = 'doubted'
                     returning place, lease, application, terms, raw",
                    engine::clock(&transaction)
                );
                let claim = params![holder, life_ms, conduct.run().0, place];
                let found: Option<Packed> =
                    transaction.query_row(&sql, claim, packed).optional()?;
                let claimed =
                    unpacked(&transaction, conduct.run(), found.into_iter().collect())?.pop();
                transaction.commit()?;
                Ok(claimed)
            })
            .await
    }

    /// The runs that several processes may do and that are not over.
    pub async fn open_runs(&self) -> Result<Vec<OpenRun>, Error> {
        self.database
            .read(|connection| {
                let now = engine::clock(connection);
                let mut statement = connection.prepare(&format!(
                    "select c.run, c.integration, i.name, c.stage, c.until_ms <= {now},
                        exists (select 1 from work w where w.run = c.run
                            and w.state in ('open', 'taken')
                            and (w.state = 'open' or w.until_ms <= {now}))
                     from conducts c join integrations i on i.id = c.integration order by c.run"
                ))?;
                let rows = statement.query_map([], |row| {
                    Ok(OpenRun {
                        run: RunId(row.get(0)?),
                        integration: IntegrationId(row.get(1)?),
                        name: row.get(2)?,
                        stage: row.get(3)?,
                        is_left: row.get(4)?,
                        has_work: row.get(5)?,
                    })
                })?;
                Ok(rows.collect::<sql::Result<_>>()?)
            })
            .await
    }

    /// Who does the runs that are not over, by the name of the integration.
    pub async fn crews(&self) -> Result<Vec<Crew>, Error> {
        self.database
            .read(|connection| {
                let now = engine::clock(connection);
                let mut statement = connection.prepare(&format!(
                    "select i.name, c.stage, c.holder, c.until_ms <= {now}, c.run,
                        (select count(*) from work w where w.run = c.run),
                        (select count(*) from work w where w.run = c.run
                            and w.state in ('doubted', 'done')),
                        (select count(*) from work w where w.run = c.run and w.state = 'taken'
                            and w.until_ms <= {now})
                     from conducts c join integrations i on i.id = c.integration order by i.name"
                ))?;
                let mut crews = Vec::new();
                let mut rows = statement.query([])?;
                while let Some(row) = rows.next()? {
                    crews.push(Crew {
                        integration: row.get(0)?,
                        stage: row.get(1)?,
                        conductor: row.get(2)?,
                        is_left: row.get(3)?,
                        planned: row.get(5)?,
                        read: row.get(6)?,
                        left: row.get(7)?,
                        readers: readers(connection, row.get(4)?)?,
                    });
                }
                Ok(crews)
            })
            .await
    }
}

fn readers(connection: &Connection, run: i64) -> sql::Result<Vec<(String, u64)>> {
    let mut statement = connection.prepare(&format!(
        "select holder, count(*) from work
         where run = ? and state in ('open', 'taken') and state = 'taken' and until_ms > {}
         group by holder order by holder",
        engine::clock(connection)
    ))?;
    let rows = statement.query_map([run], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// Notes how a reading ended; fails where somebody else has claimed the application since. First
/// in a transaction, it keeps others from claiming it until that ends.
pub(crate) fn put_note(connection: &Connection, note: &WorkNote) -> Result<(), Error> {
    let WorkLease { run, place, number } = note.lease;
    let noted = connection
        .prepare(
            "update work set state = ?, outcome = ?, holder = null, until_ms = 0
             where run = ? and place = ? and lease = ? and state in ('taken', 'doubted')",
        )?
        .execute(params![note.state, note.outcome, run.0, place, number])?;
    match noted {
        0 => Err(Error::taken_over("the application")),
        _ => Ok(()),
    }
}

/// Adds what was written of an application in the same transaction.
pub(crate) fn add_rows(connection: &Connection, lease: WorkLease, rows: u64) -> sql::Result<()> {
    let add = "update work set rows_written = rows_written + ? where run = ? and place = ?";
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    connection.prepare(add)?.execute(params![rows, lease.run.0, lease.place])?;
    Ok(())
}

/// Whether a sync of the same integration reads this application, for who writes to it beside
/// syncs; who has left it may not come back to it.
pub(crate) fn is_read_by_sync(
    connection: &Connection,
    run: RunId,
    application: &str,
) -> sql::Result<bool> {
    let (now, own) = (engine::clock(connection), "(select integration from runs where id = ?1)");
    let is_conducted = format!(
        "select exists (select 1 from conducts where integration = {own} and until_ms > {now})"
    );
    if connection.prepare(&is_conducted)?.query_row([run.0], |row| row.get(0))? {
        return Ok(true);
    }
    let of_it = format!(
        "application = ?2 and run in (select run from conducts where integration = {own})
            and state <> 'done'"
    );
    // Nor may anybody claim it before this transaction ends.
    let bar = format!("update work set lease = lease + 1 where {of_it} and until_ms <= {now}");
    connection.prepare(&bar)?.execute(params![run.0, application])?;
    let is_read = format!("select exists (select 1 from work where {of_it} and until_ms > {now})");
    connection.prepare(&is_read)?.query_row(params![run.0, application], |row| row.get(0))
}

pub(crate) fn renew_work(
    connection: &Connection,
    run: RunId,
    holder: &str,
    life_ms: i64,
) -> Result<(), Error> {
    let renew = format!(
        "update work set until_ms = {} + ? where run = ? and holder = ?
            and state in ('taken', 'doubted')",
        engine::clock(connection)
    );
    connection.prepare(&renew)?.execute(params![life_ms, run.0, holder])?;
    Ok(())
}

pub(crate) fn insert_work(
    connection: &Connection,
    packing: &Packing,
    run: RunId,
    work: &[NewWork],
) -> Result<(), Error> {
    let mut insert = connection.prepare(
        "insert into work (run, place, application, terms, raw, state)
         values (?, ?, ?, ?, ?, 'open')",
    )?;
    for (place, one) in work.iter().enumerate() {
        let raw = packing.pack(Sort::Other, &one.raw)?;
        let place = i64::try_from(place).unwrap_or(i64::MAX);
        insert.execute(params![run.0, place, one.application, one.terms, raw])?;
    }
    Ok(())
}

/// What was claimed, with the record as it is stored.
struct Packed {
    place: i64,
    number: i64,
    application: String,
    terms: String,
    raw: Vec<u8>,
}

fn packed(row: Row<'_>) -> sql::Result<Packed> {
    Ok(Packed {
        place: row.get(0)?,
        number: row.get(1)?,
        application: row.get(2)?,
        terms: row.get(3)?,
        raw: row.get(4)?,
    })
}

fn unpacked(
    connection: &Connection,
    run: RunId,
    found: Vec<Packed>,
) -> Result<Vec<ClaimedWork>, Error> {
    let mut unpacker = Unpacker::new(connection);
    let unpack = |one: Packed| {
        let lease = WorkLease { run, place: one.place, number: one.number };
        let raw = unpacker.unpack(&one.raw)?;
        Ok(ClaimedWork { lease, application: one.application, terms: one.terms, raw })
    };
    found.into_iter().map(unpack).collect()
}
