//! Runs that several processes do together: who conducts one, and until when nobody else may.
//!
//! A lease has a number, which grows each time that somebody takes it: what is written under an
//! older one is refused. It ends by the clock of the database, for those of machines differ.

use crate::NewWork;
use crate::change::RunKind;
use crate::error::Error;
use crate::runs::{RunSummary, finish};
use crate::sql::{self, Connection, Optional, Row, Transaction, Trouble, engine, params};
use crate::store::{IntegrationId, RunId, Store};
use crate::sweeps::{Audited, put_audit, put_hint, put_pace};
use crate::words::words;
use crate::work::{insert_work, renew_work};

/// A run whose lease ended longer ago is begun anew: what it listed says little by now.
const LONGEST_MS: i64 = 60 * 60 * 1000;

words! {
    /// How far a run is that several processes do together.
    RunStage {
        /// It asks which applications there are.
        Listing = "listing",
        /// Applications are read.
        Reading = "reading",
        /// All were read; what is gone is closed.
        Settling = "settling",
    }
}

/// The right to conduct a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conduct {
    run: RunId,
    lease: i64,
}

impl Conduct {
    /// Which run.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// Grows each time that somebody takes the run over.
    pub fn lease(&self) -> i64 {
        self.lease
    }
}

/// A run that is to be begun.
#[derive(Debug, Clone)]
pub struct NewConduct {
    /// Of which integration.
    pub integration: IntegrationId,
    /// What it reads.
    pub kind: RunKind,
    /// When it begins.
    pub started_ms: i64,
    /// Who conducts it, unlike any other holder.
    pub holder: String,
    /// How long nobody else may, unless it is renewed.
    pub life_ms: i64,
    /// What it goes by, as JSON.
    pub terms: String,
}

/// A run that this process conducts from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conducted {
    /// The right to it.
    pub conduct: Conduct,
    /// Of which integration.
    pub integration: IntegrationId,
    /// What it reads.
    pub kind: RunKind,
    /// When it began.
    pub started_ms: i64,
    /// How far it is.
    pub stage: RunStage,
    /// What it goes by, as JSON.
    pub terms: String,
    /// Whether another process began it.
    pub is_taken_over: bool,
}

/// What is noted with the end of a run.
#[derive(Debug, Clone)]
pub struct RunEnd {
    /// How it ended.
    pub summary: RunSummary,
    /// What its audit found.
    pub audited: Option<Audited>,
    /// How often applications are swept from now on, and audits without a miss.
    pub pace: Option<(i64, u32)>,
    /// When the Reporting API was asked.
    pub hinted_ms: Option<i64>,
}

struct Found {
    run: i64,
    lease: i64,
    until_ms: i64,
    conducted: Conducted,
}

impl Store {
    /// Begins a run, or takes over the one that its conductor left, if its kind and terms are
    /// `fit`. Fails with [`Error::is_busy`] while somebody else conducts one of the integration.
    pub async fn conduct_run(
        &self,
        new: NewConduct,
        fits: impl Fn(RunKind, &str) -> bool + Send + 'static,
    ) -> Result<Conducted, Error> {
        let place = self.place();
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                let now_ms = engine::now_ms(&transaction)?;
                let found = find(&transaction, "c.integration = ?", new.integration.0)?;
                if let Some(found) = found {
                    if found.until_ms > now_ms {
                        return Err(Error::busy_place(place));
                    }
                    let Conducted { kind, terms, .. } = &found.conducted;
                    if found.until_ms > now_ms - LONGEST_MS && fits(*kind, terms) {
                        let taken = take(&transaction, found, &new.holder, now_ms + new.life_ms)?;
                        let taken = taken.ok_or_else(|| Error::busy_place(place))?;
                        transaction.commit()?;
                        return Ok(taken);
                    }
                    transaction.execute("delete from conducts where run = ?", [found.run])?;
                }
                let begun = begin(&transaction, new, now_ms);
                // Somebody else has begun one meanwhile.
                let begun = begun.map_err(|error| match error.trouble() {
                    Some(Trouble::Constraint) => Error::busy_place(place),
                    _ => error.into(),
                })?;
                transaction.commit()?;
                Ok(begun)
            })
            .await
    }

    /// Takes over a run that its conductor left; none where somebody conducts it, or it ended.
    pub async fn take_over_run(
        &self,
        run: RunId,
        holder: &str,
        life_ms: i64,
    ) -> Result<Option<Conducted>, Error> {
        let holder = holder.to_owned();
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                let now_ms = engine::now_ms(&transaction)?;
                let found = find(&transaction, "c.run = ?", run.0)?;
                let Some(found) = found.filter(|found| found.until_ms <= now_ms) else {
                    return Ok(None);
                };
                let taken = take(&transaction, found, &holder, now_ms + life_ms)?;
                transaction.commit()?;
                Ok(taken)
            })
            .await
    }

    /// Renews the lease of a run, and those of its applications that the holder reads. Fails
    /// with [`Error::is_superseded`] where somebody else has taken the run over.
    pub async fn renew_run(
        &self,
        conduct: Conduct,
        holder: &str,
        life_ms: i64,
    ) -> Result<(), Error> {
        let holder = holder.to_owned();
        self.database
            .beside(move |connection| {
                let renew = format!(
                    "update conducts set until_ms = {} + ? where run = ? and lease = ?",
                    engine::clock(connection)
                );
                let renewed = connection.prepare(&renew)?.execute(params![
                    life_ms,
                    conduct.run.0,
                    conduct.lease
                ])?;
                if renewed == 0 {
                    return Err(lost());
                }
                renew_work(connection, conduct.run, &holder, life_ms)
            })
            .await
    }

    /// Leaves a run, and what the holder has claimed of it, to whoever goes on with it.
    pub async fn leave_run(&self, conduct: Conduct, holder: &str) -> Result<(), Error> {
        let run = conduct.run;
        self.give_back_work(run, holder).await?;
        self.database
            .beside(move |connection| {
                // Free from now on: how long ago that is says how old its list is.
                let leave = format!(
                    "update conducts set until_ms = {} where run = ? and lease = ?",
                    engine::clock(connection)
                );
                connection.prepare(&leave)?.execute(params![run.0, conduct.lease])?;
                Ok(())
            })
            .await
    }

    /// Notes which applications a run reads, in their order, and what it goes by from now on.
    pub async fn plan_run(
        &self,
        conduct: Conduct,
        terms: String,
        work: Vec<NewWork>,
    ) -> Result<(), Error> {
        let database = self.database.clone();
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                move_on(&transaction, conduct, RunStage::Reading, &terms)?;
                insert_work(&transaction, database.packing(), conduct.run, &work)?;
                Ok(transaction.commit()?)
            })
            .await
    }

    /// Notes that all applications were read, and what was decided of what they would close.
    pub async fn settle_run(&self, conduct: Conduct, terms: String) -> Result<(), Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                move_on(&transaction, conduct, RunStage::Settling, &terms)?;
                Ok(transaction.commit()?)
            })
            .await
    }

    /// Ends a run, with all that is noted of it.
    pub async fn end_run(&self, conduct: Conduct, end: RunEnd) -> Result<(), Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                must_conduct(&transaction, conduct)?;
                let integration: i64 = transaction.query_row(
                    "select integration from runs where id = ?",
                    [conduct.run.0],
                    |row| row.get(0),
                )?;
                if let Some(audited) = end.audited {
                    put_audit(&transaction, integration, audited)?;
                }
                if let Some((period_ms, clean)) = end.pace {
                    put_pace(&transaction, integration, period_ms, clean)?;
                }
                if let Some(asked_ms) = end.hinted_ms {
                    put_hint(&transaction, integration, asked_ms)?;
                }
                finish(&transaction, conduct.run, &end.summary)?;
                transaction.execute("delete from conducts where run = ?", [conduct.run.0])?;
                Ok(transaction.commit()?)
            })
            .await
    }

    /// What a run goes by, as JSON; none where it is over.
    pub async fn run_terms(&self, run: RunId) -> Result<Option<String>, Error> {
        self.database
            .read(move |connection| {
                let mut statement =
                    connection.prepare("select terms from conducts where run = ?")?;
                Ok(statement.query_row([run.0], |row| row.get(0)).optional()?)
            })
            .await
    }

    /// Whether somebody conducts a run just now, of this integration or of any.
    pub async fn is_conducted(&self, integration: Option<IntegrationId>) -> Result<bool, Error> {
        self.database
            .read(move |connection| {
                let sql = format!(
                    "select exists (select 1 from conducts where until_ms > {}
                        and (integration = ?1 or cast(?1 as bigint) is null))",
                    engine::clock(connection)
                );
                let id = integration.map(|integration| integration.0);
                Ok(connection.prepare(&sql)?.query_row([id], |row| row.get(0))?)
            })
            .await
    }
}

/// Keeps others from taking the run over until the transaction ends, which must be first in it:
/// who has lost the run writes nothing.
pub(crate) fn must_conduct(transaction: &Transaction<'_>, conduct: Conduct) -> Result<(), Error> {
    let held = transaction
        .prepare("update conducts set lease = lease where run = ? and lease = ?")?
        .execute(params![conduct.run.0, conduct.lease])?;
    if held == 0 { Err(lost()) } else { Ok(()) }
}

fn lost() -> Error {
    Error::taken_over("the run")
}

fn move_on(
    transaction: &Transaction<'_>,
    conduct: Conduct,
    stage: RunStage,
    terms: &str,
) -> Result<(), Error> {
    must_conduct(transaction, conduct)?;
    transaction.execute(
        "update conducts set stage = ?, terms = ? where run = ?",
        params![stage, terms, conduct.run.0],
    )?;
    Ok(())
}

fn begin(transaction: &Transaction<'_>, new: NewConduct, now_ms: i64) -> sql::Result<Conducted> {
    let run = transaction.query_row(
        "insert into runs (integration, kind, started_ms) values (?, ?, ?) returning id",
        params![new.integration.0, new.kind, new.started_ms],
        |row| row.get(0),
    )?;
    transaction.execute(
        "insert into conducts (run, integration, stage, terms, holder, lease, until_ms)
         values (?, ?, ?, ?, ?, 1, ?)",
        params![
            run,
            new.integration.0,
            RunStage::Listing,
            new.terms,
            new.holder,
            now_ms + new.life_ms
        ],
    )?;
    Ok(Conducted {
        conduct: Conduct { run: RunId(run), lease: 1 },
        integration: new.integration,
        kind: new.kind,
        started_ms: new.started_ms,
        stage: RunStage::Listing,
        terms: new.terms,
        is_taken_over: false,
    })
}

/// None where somebody else has taken it since it was found.
fn take(
    transaction: &Transaction<'_>,
    found: Found,
    holder: &str,
    until_ms: i64,
) -> sql::Result<Option<Conducted>> {
    let lease = found.lease + 1;
    let taken = transaction.execute(
        "update conducts set holder = ?, lease = ?, until_ms = ? where run = ? and lease = ?",
        params![holder, lease, until_ms, found.run, found.lease],
    )?;
    let conduct = Conduct { run: RunId(found.run), lease };
    Ok((taken > 0).then_some(Conducted { conduct, ..found.conducted }))
}

fn find(connection: &Connection, condition: &str, id: i64) -> sql::Result<Option<Found>> {
    let sql = format!(
        "select c.run, c.lease, c.until_ms, c.integration, r.kind, r.started_ms, c.stage, c.terms
         from conducts c join runs r on r.id = c.run where {condition}"
    );
    connection.query_row(&sql, [id], read).optional()
}

fn read(row: Row<'_>) -> sql::Result<Found> {
    let (run, lease) = (row.get(0)?, row.get(1)?);
    Ok(Found {
        run,
        lease,
        until_ms: row.get(2)?,
        conducted: Conducted {
            conduct: Conduct { run: RunId(run), lease },
            integration: IntegrationId(row.get(3)?),
            kind: row.get(4)?,
            started_ms: row.get(5)?,
            stage: row.get(6)?,
            terms: row.get(7)?,
            is_taken_over: true,
        },
    })
}
