//! What the scheduler remembers of each integration, so that a restart changes nothing.

use crate::error::Error;
use crate::sql::{self, Connection, Optional, Row, params};
use crate::store::{IntegrationId, Store};
use crate::words::Fault;

/// What is remembered of one integration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Which.
    pub integration: IntegrationId,
    /// Its name.
    pub name: String,
    /// Where in its jitter it lies; none before the scheduler saw it.
    pub draw: Option<u32>,
    /// Since when it is paused.
    pub paused_ms: Option<i64>,
    /// That somebody wants a run, and since when.
    pub asked_ms: Option<i64>,
    /// When the last run that the plan wanted was due.
    pub due_ms: Option<i64>,
    /// When the last run started.
    pub started_ms: Option<i64>,
    /// When it ended; none while it runs, and after a process that died in the middle.
    pub ended_ms: Option<i64>,
    /// When the last complete reading of everything started.
    pub full_ms: Option<i64>,
    /// Runs in a row that failed or were incomplete.
    pub failures: u32,
    /// Whose turn it is after the last of them.
    pub fault: Option<Fault>,
    /// What was wrong with it.
    pub problem: Option<String>,
}

/// How a run of the scheduler ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledEnd {
    /// When.
    pub ended_ms: i64,
    /// Start of the run, if it read everything and is complete.
    pub full_ms: Option<i64>,
    /// Whose turn it is when something was wrong, and what it was.
    pub trouble: Option<(Fault, String)>,
}

/// How long after the end of a run whoever did it may take to note that.
const NOTED_MS: i64 = 60_000;

impl Store {
    /// What is remembered, one entry for each integration that is synced, by name.
    pub async fn schedules(&self) -> Result<Vec<Schedule>, Error> {
        self.database
            .read(|connection| {
                let mut statement = connection.prepare(
                    "select i.id, i.name, s.draw, s.paused_ms, s.asked_ms, s.due_ms, s.started_ms,
                        s.ended_ms, s.full_ms, coalesce(s.failures, 0), s.fault, s.problem
                     from integrations i left join schedules s on s.integration = i.id
                     where i.kind = 'veracode' order by i.name",
                )?;
                let rows = statement.query_map([], read_schedule)?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Keeps what was drawn for an integration; what was drawn before stays.
    pub async fn draw_schedule(&self, integration: IntegrationId, draw: u32) -> Result<(), Error> {
        self.change_schedule(integration, move |connection| {
            connection.execute(
                "update schedules set draw = coalesce(draw, ?2) where integration = ?1",
                params![integration.0, draw],
            )
        })
        .await
        .map(drop)
    }

    /// Pauses the plan of an integration since then, or resumes it. Fails with
    /// [`Error::is_not_found`].
    pub async fn pause_schedule(&self, name: &str, since_ms: Option<i64>) -> Result<(), Error> {
        let integration = self.integration(name).await?.id;
        self.change_schedule(integration, move |connection| {
            connection.execute(
                "update schedules set paused_ms =
                    case when cast(?2 as bigint) is not null then coalesce(paused_ms, ?2) end
                 where integration = ?1",
                params![integration.0, since_ms],
            )
        })
        .await
        .map(drop)
    }

    /// Wants a run of an integration now; whoever runs the scheduler sees it. Fails with
    /// [`Error::is_not_found`].
    pub async fn ask_for_run(&self, name: &str, now_ms: i64) -> Result<(), Error> {
        let integration = self.integration(name).await?.id;
        self.change_schedule(integration, move |connection| {
            connection.execute(
                "update schedules set asked_ms = coalesce(asked_ms, ?2) where integration = ?1",
                params![integration.0, now_ms],
            )
        })
        .await
        .map(drop)
    }

    /// Notes that a run starts, which is what was asked for; `due_ms` if the plan wanted
    /// it too.
    pub async fn start_scheduled(
        &self,
        integration: IntegrationId,
        due_ms: Option<i64>,
        started_ms: i64,
    ) -> Result<(), Error> {
        self.change_schedule(integration, move |connection| {
            connection.execute(
                "update schedules set asked_ms = null, due_ms = coalesce(?2, due_ms),
                    started_ms = ?3, ended_ms = null where integration = ?1",
                params![integration.0, due_ms, started_ms],
            )
        })
        .await
        .map(drop)
    }

    /// The same, unless another process has started one since this one saw the last start, or has
    /// just ended one and is about to note that.
    pub async fn claim_scheduled(
        &self,
        integration: IntegrationId,
        seen_ms: Option<i64>,
        due_ms: Option<i64>,
        started_ms: i64,
    ) -> Result<bool, Error> {
        let changed = self.change_schedule(integration, move |connection| {
            connection.execute(
                "update schedules set asked_ms = null, due_ms = coalesce(?2, due_ms),
                    started_ms = ?3, ended_ms = null
                 where integration = ?1
                    and coalesce(started_ms, -1) = coalesce(cast(?4 as bigint), -1)
                    and not (ended_ms is null and exists (select 1 from runs r
                        where r.integration = ?1 and r.started_ms >= schedules.started_ms
                            and r.finished_ms > ?5))",
                params![integration.0, due_ms, started_ms, seen_ms, started_ms - NOTED_MS],
            )
        });
        Ok(changed.await? > 0)
    }

    /// Notes how it ended. An integration that was removed meanwhile is none.
    pub async fn end_scheduled(
        &self,
        integration: IntegrationId,
        end: ScheduledEnd,
    ) -> Result<(), Error> {
        self.change_schedule(integration, move |connection| {
            let (fault, problem) = end.trouble.unzip();
            connection.execute(
                "update schedules set ended_ms = ?2, full_ms = coalesce(?3, full_ms),
                    fault = ?4, problem = ?5,
                    failures = case when cast(?4 as text) is null then 0 else failures + 1 end
                 where integration = ?1",
                params![integration.0, end.ended_ms, end.full_ms, fault, problem],
            )
        })
        .await
        .map(drop)
    }

    async fn change_schedule(
        &self,
        integration: IntegrationId,
        change: impl FnOnce(&Connection) -> sql::Result<usize> + Send + 'static,
    ) -> Result<usize, Error> {
        self.database
            .write(move |connection| {
                // Whoever reads first and writes then is refused when another process wrote
                // in between; this one waits.
                let transaction = connection.transaction()?;
                let there = transaction
                    .query_row("select id from integrations where id = ?", [integration.0], |_| {
                        Ok(())
                    })
                    .optional()?;
                let mut changed = 0;
                if there.is_some() {
                    transaction.execute(
                        "insert into schedules (integration) values (?) on conflict do nothing",
                        [integration.0],
                    )?;
                    changed = change(&transaction)?;
                }
                transaction.commit()?;
                Ok(changed)
            })
            .await
    }
}

fn read_schedule(row: Row<'_>) -> sql::Result<Schedule> {
    Ok(Schedule {
        integration: IntegrationId(row.get(0)?),
        name: row.get(1)?,
        draw: row.get(2)?,
        paused_ms: row.get(3)?,
        asked_ms: row.get(4)?,
        due_ms: row.get(5)?,
        started_ms: row.get(6)?,
        ended_ms: row.get(7)?,
        full_ms: row.get(8)?,
        failures: row.get(9)?,
        fault: row.get(10)?,
        problem: row.get(11)?,
    })
}
