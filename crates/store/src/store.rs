//! Integrations, runs, and what a run needs to know before it reads.

use std::collections::HashMap;
use std::path::Path;

use countersign_findings::{Application, ApplicationGuid};
use rusqlite::{OptionalExtension, Row, params};

use crate::credentials::{self, CredentialId, NewCredential};
use crate::database::{Database, SyncLock};
use crate::error::Error;
use crate::seal;
use crate::writer::ApplicationWriter;

/// Rows or texts that are few enough to look at one by one, unless told otherwise.
const FEW: usize = 5000;

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) database: Database,
    pub(crate) few: usize,
}

/// Row id of an integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IntegrationId(pub(crate) i64);

/// Row id of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RunId(pub(crate) i64);

/// An integration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Integration {
    /// Row id.
    pub id: IntegrationId,
    /// Name.
    pub name: String,
    /// What it signs with.
    pub credential: CredentialId,
    /// Veracode URL.
    pub url: String,
    /// Client ID.
    pub api_id: String,
    /// A further certificate authority to trust.
    pub ca_pem: Option<String>,
    /// Whether `url` may be http on a loopback address.
    pub allow_http_loopback: bool,
    /// When it was added.
    pub created_ms: i64,
    /// The account behind the pair, at the last check.
    pub account: Option<String>,
    /// When the pair expires, at the last check.
    pub expires_ms: Option<i64>,
    /// The last check.
    pub checked_ms: Option<i64>,
}

/// How much a run reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunKind {
    /// What changed.
    Incremental,
    /// Everything.
    Full,
}

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

/// What the store remembers of an application from its last complete read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationMark {
    /// Guid.
    pub guid: ApplicationGuid,
    /// `modified`, as listed before that read.
    pub modified_ms: Option<i64>,
    /// `last_policy_compliance_check_date`, as listed before that read.
    pub policy_checked_ms: Option<i64>,
    /// That read; none if the last one was incomplete or there was none.
    pub read_ms: Option<i64>,
    /// Whether a complete listing lacked it since.
    pub gone: bool,
}

impl Store {
    /// Opens the database, creates it when missing, and brings its schema up to
    /// date.
    pub async fn open(path: &Path) -> Result<Self, Error> {
        let path = path.to_owned();
        tokio::task::spawn_blocking(move || Database::open(&path))
            .await
            .map_err(|_| Error::stopped())?
            .map(|database| Self { database, few: FEW })
    }

    /// Ends all use of the store, whoever has a clone of it. What was written is folded into
    /// its file, unless another process has it open: then the last one does that.
    pub async fn close(&self) {
        let database = self.database.clone();
        // It ends with what is under way.
        let _ = tokio::task::spawn_blocking(move || database.close()).await;
    }

    /// Keeps others from replacing the store while this process lives.
    pub async fn hold(&self) -> Result<(), Error> {
        self.database.write(|_| Ok(())).await
    }

    /// Claims the right to sync into this store.
    pub fn lock_for_sync(&self) -> Result<SyncLock, Error> {
        self.database.lock_for_sync()
    }

    /// Adds an integration together with the credential that it signs with, which
    /// gives it its name.
    pub async fn add_integration(&self, new: NewCredential) -> Result<IntegrationId, Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                let inserted = transaction.execute(
                    "insert into integrations (name, created_ms) values (?, ?)
                     on conflict (name) do nothing",
                    params![new.name, new.added_ms],
                )?;
                if inserted == 0 {
                    return Err(Error::exists("integration", &new.name));
                }
                let id = IntegrationId(transaction.last_insert_rowid());
                let credential = credentials::insert(&transaction, &new)?;
                transaction.execute(
                    "update integrations set credential = ? where id = ?",
                    params![credential.0, id.0],
                )?;
                transaction.commit()?;
                Ok(id)
            })
            .await
    }

    /// All integrations, by name.
    pub async fn integrations(&self) -> Result<Vec<Integration>, Error> {
        self.database
            .read(|connection| {
                let mut statement =
                    connection.prepare_cached(&format!("{SELECT_INTEGRATION} order by i.name"))?;
                let rows = statement.query_map([], read_integration)?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// The integration of this name. Fails with [`Error::is_not_found`].
    pub async fn integration(&self, name: &str) -> Result<Integration, Error> {
        let name = name.to_owned();
        self.database
            .read(move |connection| {
                connection
                    .prepare_cached(&format!("{SELECT_INTEGRATION} where i.name = ?"))?
                    .query_row([&name], read_integration)
                    .optional()?
                    .ok_or_else(|| Error::not_found("integration", name))
            })
            .await
    }

    /// Removes an integration, everything stored for it, and its own credential.
    pub async fn remove_integration(&self, id: IntegrationId) -> Result<(), Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                let own: Option<i64> = transaction
                    .query_row(
                        "select c.id from credentials c join integrations i on i.name = c.name
                         where i.id = ?",
                        [id.0],
                        |row| row.get(0),
                    )
                    .optional()?;
                transaction.execute("delete from integrations where id = ?", [id.0])?;
                if let Some(own) = own {
                    credentials::forget(&transaction, CredentialId(own))?;
                }
                Ok(transaction.commit()?)
            })
            .await
    }

    /// Notes that a run begins.
    pub async fn begin_run(
        &self,
        integration: IntegrationId,
        kind: RunKind,
        started_ms: i64,
    ) -> Result<RunId, Error> {
        let kind = match kind {
            RunKind::Incremental => "incremental",
            RunKind::Full => "full",
        };
        self.database
            .write(move |connection| {
                connection.execute(
                    "insert into runs (integration, kind, started_ms) values (?, ?, ?)",
                    params![integration.0, kind, started_ms],
                )?;
                Ok(RunId(connection.last_insert_rowid()))
            })
            .await
    }

    /// Notes how it ended.
    pub async fn finish_run(&self, run: RunId, summary: RunSummary) -> Result<(), Error> {
        self.database
            .write(move |connection| {
                connection.execute(
                    "update runs set finished_ms = ?, complete = ?, requests = ?, report = ? where id = ?",
                    params![
                        summary.finished_ms, summary.complete, summary.requests, summary.report, run.0
                    ],
                )?;
                Ok(())
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
                let mut statement = connection.prepare_cached(
                    "select guid, modified_ms, policy_checked_ms, read_ms, gone
                     from applications where integration = ? order by guid",
                )?;
                let mut rows = statement.query([integration.0])?;
                let mut marks = Vec::new();
                while let Some(row) = rows.next()? {
                    marks.push(ApplicationMark {
                        guid: ApplicationGuid::parse(&row.get::<_, String>(0)?)
                            .map_err(Error::corrupt)?,
                        modified_ms: row.get(1)?,
                        policy_checked_ms: row.get(2)?,
                        read_ms: row.get(3)?,
                        gone: row.get(4)?,
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
                let mut statement = connection.prepare_cached(
                    "select guid, coalesce(sum(iif(state = 0, findings, 0)), 0)
                     from applications left join tallies on application = applications.id
                     where integration = ? and gone = 0 group by applications.id",
                )?;
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
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
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

const SELECT_INTEGRATION: &str = "select i.id, i.name, c.url, c.api_id, c.ca_pem,
    c.allow_http_loopback, i.created_ms, c.account, c.expires_ms, c.checked_ms, c.id
    from integrations i join credentials c on c.id = i.credential";

fn read_integration(row: &Row<'_>) -> rusqlite::Result<Integration> {
    Ok(Integration {
        id: IntegrationId(row.get(0)?),
        name: row.get(1)?,
        url: row.get(2)?,
        api_id: row.get(3)?,
        ca_pem: row.get(4)?,
        allow_http_loopback: row.get(5)?,
        created_ms: row.get(6)?,
        account: row.get(7)?,
        expires_ms: row.get(8)?,
        checked_ms: row.get(9)?,
        credential: CredentialId(row.get(10)?),
    })
}
