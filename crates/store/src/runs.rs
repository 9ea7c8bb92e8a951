//! Runs, and what a run needs to know before it reads.

use std::collections::HashMap;

use countersign_findings::{Application, ApplicationGuid};

use crate::change::RunKind;
use crate::columns::IS_OPEN;
use crate::conducts::{Conduct, must_conduct};
use crate::error::Error;
use crate::raw::Unpacker;
use crate::seal;
use crate::sql::{self, Connection, Optional, params};
use crate::store::{IntegrationId, RunId, Store};
use crate::writer::ApplicationWriter;

/// How a run ended.
#[derive(Debug, Clone)]
pub struct RunSummary {
    /// When.
    pub finished_ms: i64,
    /// Whether everything was read.
    pub complete: bool,
    /// What it cost.
    pub requests: u64,
    /// The whole report as JSON.
    pub report: String,
}

/// The runs that are syncs or imports.
pub(crate) const IS_TOLD: &str = "runs.kind in ('full', 'incremental', 'import')";
/// The runs that read the whole of an integration.
const IS_SYNC: &str = "runs.kind in ('full', 'incremental')";

/// What the store remembers of an application from its last complete read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationMark {
    /// Guid.
    pub guid: ApplicationGuid,
    /// `modified`, as listed before that read.
    pub modified_ms: Option<i64>,
    /// `last_policy_compliance_check_date`, as listed before that read.
    pub policy_checked_ms: Option<i64>,
    /// `last_completed_scan_date`, as listed before that read.
    pub scanned_ms: Option<i64>,
    /// That read; none if the last one was incomplete or there was none.
    pub read_ms: Option<i64>,
    /// Whether a complete listing lacked it since.
    pub gone: bool,
}

impl Store {
    /// Notes that a run begins.
    pub async fn begin_run(
        &self,
        integration: IntegrationId,
        kind: RunKind,
        started_ms: i64,
    ) -> Result<RunId, Error> {
        self.database
            .write(move |connection| {
                let id = connection.query_row(
                    "insert into runs (integration, kind, started_ms) values (?, ?, ?)
                     returning id",
                    params![integration.0, kind, started_ms],
                    |row| row.get(0),
                )?;
                Ok(RunId(id))
            })
            .await
    }

    /// Notes how it ended.
    pub async fn finish_run(&self, run: RunId, summary: RunSummary) -> Result<(), Error> {
        self.database.write(move |connection| Ok(finish(connection, run, &summary)?)).await
    }

    /// Forgets a run that changed nothing.
    pub async fn forget_run(&self, run: RunId) -> Result<(), Error> {
        self.database
            .write(move |connection| {
                connection.execute("delete from runs where id = ?", [run.0])?;
                Ok(())
            })
            .await
    }

    /// Whether the last sync of an integration has no end: it goes on, or was cut off.
    pub async fn has_open_sync(&self, integration: IntegrationId) -> Result<bool, Error> {
        self.database
            .read(move |connection| {
                let is_open = connection
                    .prepare(&format!(
                        "select finished_ms is null from runs
                         where integration = ? and {IS_SYNC} order by id desc limit 1"
                    ))?
                    .query_row([integration.0], |row| row.get(0))
                    .optional()?;
                Ok(is_open.unwrap_or(false))
            })
            .await
    }

    /// What is remembered of each application.
    pub async fn application_marks(
        &self,
        integration: IntegrationId,
    ) -> Result<Vec<ApplicationMark>, Error> {
        self.database
            .read(move |connection| {
                let mut statement = connection.prepare(
                    "select guid, modified_ms, policy_checked_ms, scanned_ms, read_ms, gone
                     from applications where integration = ? order by guid",
                )?;
                let mut rows = statement.query([integration.0])?;
                let mut marks = Vec::new();
                while let Some(row) = rows.next()? {
                    marks.push(ApplicationMark {
                        guid: ApplicationGuid::parse(&row.get::<String>(0)?)
                            .map_err(Error::corrupt)?,
                        modified_ms: row.get(1)?,
                        policy_checked_ms: row.get(2)?,
                        scanned_ms: row.get(3)?,
                        read_ms: row.get(4)?,
                        gone: row.get(5)?,
                    });
                }
                Ok(marks)
            })
            .await
    }

    /// The open findings of each application that is not gone.
    pub async fn open_findings(
        &self,
        integration: IntegrationId,
    ) -> Result<HashMap<String, u64>, Error> {
        self.database
            .read(move |connection| {
                let mut statement = connection.prepare(&format!(
                    "select guid, coalesce(sum(case when {IS_OPEN} then findings else 0 end), 0)
                     from applications left join tallies on application = applications.id
                     where integration = ? and gone = 0 group by applications.id"
                ))?;
                let rows =
                    statement.query_map([integration.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Marks applications that a complete listing lacks. Their findings stay as
    /// they are: out of sight is not fixed. Returns the rows written.
    pub async fn mark_applications_gone(
        &self,
        run: RunId,
        guids: Vec<String>,
    ) -> Result<u64, Error> {
        self.mark_gone(run, None, guids).await
    }

    /// The same in a run that is conducted, for who conducts it: fails with
    /// [`Error::is_superseded`] where somebody else does.
    pub async fn mark_applications_gone_for(
        &self,
        conduct: Conduct,
        guids: Vec<String>,
    ) -> Result<u64, Error> {
        self.mark_gone(conduct.run(), Some(conduct), guids).await
    }

    async fn mark_gone(
        &self,
        run: RunId,
        conduct: Option<Conduct>,
        guids: Vec<String>,
    ) -> Result<u64, Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                if let Some(conduct) = conduct {
                    must_conduct(&transaction, conduct)?;
                }
                let mut rows = 0;
                for guid in guids {
                    let marked: Option<i64> = transaction
                        .query_row(
                            "update applications set gone = 1, read_ms = null
                             where guid = ? and gone = 0
                               and integration = (select integration from runs where id = ?)
                             returning id",
                            params![guid, run.0],
                            |row| row.get(0),
                        )
                        .optional()?;
                    if let Some(application) = marked {
                        seal::application(&transaction, application)?;
                        rows += 1;
                    }
                }
                transaction.commit()?;
                Ok(rows)
            })
            .await
    }

    /// An application with its record, as they are stored; none where there is none.
    pub async fn application_record(
        &self,
        integration: IntegrationId,
        guid: &ApplicationGuid,
    ) -> Result<Option<(Application, String)>, Error> {
        let guid = guid.to_string();
        self.database
            .read(move |connection| {
                let packed: Option<Vec<u8>> = connection
                    .prepare("select raw from applications where integration = ? and guid = ?")?
                    .query_row(params![integration.0, guid], |row| row.get(0))
                    .optional()?;
                let Some(packed) = packed else { return Ok(None) };
                let raw = Unpacker::new(connection).unpack(&packed)?;
                Ok(Some((Application::decode(&raw).map_err(Error::corrupt)?, raw)))
            })
            .await
    }

    /// Begins to write one application. Nothing is visible before `commit`.
    pub async fn open_application(
        &self,
        run: RunId,
        application: &Application,
        raw: &str,
    ) -> Result<ApplicationWriter, Error> {
        ApplicationWriter::open(self.database.clone(), run, application.clone(), raw.to_owned())
            .await
    }
}

pub(crate) fn finish(connection: &Connection, run: RunId, summary: &RunSummary) -> sql::Result<()> {
    connection.execute(
        "update runs set finished_ms = ?, complete = ?, requests = ?, report = ? where id = ?",
        params![summary.finished_ms, summary.complete, summary.requests, summary.report, run.0],
    )?;
    Ok(())
}

/// Whether a sync of the same integration began after this run did.
pub(crate) fn is_overtaken(connection: &Connection, run: RunId) -> Result<bool, Error> {
    let mut statement = connection.prepare(&format!(
        "select exists (select 1 from runs where id > ?1 and {IS_SYNC}
            and integration = (select integration from runs where id = ?1))"
    ))?;
    Ok(statement.query_row([run.0], |row| row.get(0))?)
}
