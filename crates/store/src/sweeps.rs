//! How often applications are read again although nothing says that they changed: the period,
//! what audits of it found, and the application that was read longest ago.

use crate::error::Error;
use crate::sql::{self, Connection, Optional, Row, params};
use crate::store::{IntegrationId, Store};

/// What audits left of one integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sweep {
    /// The period, as audits made it.
    pub period_ms: i64,
    /// Audits in a row that missed nothing.
    pub clean: u32,
    /// When the last audit began.
    pub audited_ms: i64,
    /// Applications that it read.
    pub last_applications: u64,
    /// Findings that would have been missed without it.
    pub last_missed: u64,
    /// Applications that all audits read.
    pub applications: u64,
    /// Findings of all audits that the dates of their applications did not announce.
    pub missed_by_dates: u64,
    /// Findings of all audits in lists that the record of their application says are empty.
    pub missed_by_scans: u64,
}

/// One audit, as it is noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audited {
    /// When it began.
    pub at_ms: i64,
    /// Applications that it read.
    pub applications: u64,
    /// Findings that the dates did not announce.
    pub missed_by_dates: u64,
    /// Findings in lists that should have been empty.
    pub missed_by_scans: u64,
    /// The period from now on.
    pub period_ms: i64,
    /// Audits in a row that missed nothing.
    pub clean: u32,
}

/// The application of an integration that was read longest ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stalest {
    /// Its guid.
    pub guid: String,
    /// Its name.
    pub name: String,
    /// When it was read.
    pub read_ms: i64,
}

/// One integration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swept {
    /// Its name.
    pub integration: String,
    /// None before the first audit.
    pub sweep: Option<Sweep>,
    /// None before an application was read completely.
    pub stalest: Option<Stalest>,
}

const COLUMNS: &str = "s.period_ms, s.clean, s.audited_ms, s.last_applications, s.last_missed,
    s.applications, s.missed_by_dates, s.missed_by_scans";

impl Store {
    /// What audits left of an integration; none before the first.
    pub async fn sweep(&self, integration: IntegrationId) -> Result<Option<Sweep>, Error> {
        self.database
            .read(move |connection| {
                let select = format!("select {COLUMNS} from sweeps s where integration = ?");
                let mut statement = connection.prepare(&select)?;
                Ok(statement.query_row([integration.0], |row| read_sweep(row, 0)).optional()?)
            })
            .await
    }

    /// Notes an audit and what follows from it.
    pub async fn note_audit(
        &self,
        integration: IntegrationId,
        audited: Audited,
    ) -> Result<(), Error> {
        self.database
            .write(move |connection| Ok(put_audit(connection, integration.0, audited)?))
            .await
    }

    /// Notes how often applications are swept from now on, after a sweep that found something.
    pub async fn note_pace(
        &self,
        integration: IntegrationId,
        period_ms: i64,
        clean: u32,
    ) -> Result<(), Error> {
        self.database
            .write(move |connection| Ok(put_pace(connection, integration.0, period_ms, clean)?))
            .await
    }

    /// When the Reporting API was last asked, by a run that read what it named.
    pub async fn hinted_ms(&self, integration: IntegrationId) -> Result<Option<i64>, Error> {
        self.database
            .read(move |connection| {
                let select = "select asked_ms from hints where integration = ?";
                let mut statement = connection.prepare(select)?;
                Ok(statement.query_row([integration.0], |row| row.get(0)).optional()?)
            })
            .await
    }

    /// Notes when it was asked.
    pub async fn note_hint(&self, integration: IntegrationId, asked_ms: i64) -> Result<(), Error> {
        self.database
            .write(move |connection| Ok(put_hint(connection, integration.0, asked_ms)?))
            .await
    }

    /// Of each integration that is synced, by name.
    pub async fn swept(&self) -> Result<Vec<Swept>, Error> {
        self.database
            .read(|connection| {
                let mut statement = connection.prepare(&format!(
                    "select i.name, a.guid, a.name, a.read_ms, {COLUMNS}
                     from integrations i left join sweeps s on s.integration = i.id
                     left join applications a on a.id =
                        (select id from applications
                         where integration = i.id and gone = 0 and read_ms is not null
                         order by read_ms limit 1)
                     where i.kind = 'veracode' order by i.name"
                ))?;
                let rows = statement.query_map([], |row| {
                    let guid: Option<String> = row.get(1)?;
                    let stalest = match guid {
                        Some(guid) => {
                            Some(Stalest { guid, name: row.get(2)?, read_ms: row.get(3)? })
                        }
                        None => None,
                    };
                    let is_audited = row.get::<Option<i64>>(4)?.is_some();
                    let sweep = is_audited.then(|| read_sweep(row, 4)).transpose()?;
                    Ok(Swept { integration: row.get(0)?, sweep, stalest })
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }
}

pub(crate) fn put_audit(
    connection: &Connection,
    integration: i64,
    audited: Audited,
) -> sql::Result<()> {
    connection.execute(
        "insert into sweeps (integration, period_ms, clean, audited_ms,
            last_applications, last_missed, applications, missed_by_dates,
            missed_by_scans)
         values (?1, ?2, ?3, ?4, ?5, cast(?6 as bigint) + ?7, ?5, ?6, ?7)
         on conflict (integration) do update set
            period_ms = excluded.period_ms, clean = excluded.clean,
            audited_ms = excluded.audited_ms,
            last_applications = excluded.last_applications,
            last_missed = excluded.last_missed,
            applications = sweeps.applications + excluded.applications,
            missed_by_dates = sweeps.missed_by_dates + excluded.missed_by_dates,
            missed_by_scans = sweeps.missed_by_scans + excluded.missed_by_scans",
        params![
            integration,
            audited.period_ms,
            audited.clean,
            audited.at_ms,
            audited.applications,
            audited.missed_by_dates,
            audited.missed_by_scans
        ],
    )?;
    Ok(())
}

pub(crate) fn put_pace(
    connection: &Connection,
    integration: i64,
    period_ms: i64,
    clean: u32,
) -> sql::Result<()> {
    connection.execute(
        "update sweeps set period_ms = ?2, clean = ?3 where integration = ?1",
        params![integration, period_ms, clean],
    )?;
    Ok(())
}

pub(crate) fn put_hint(
    connection: &Connection,
    integration: i64,
    asked_ms: i64,
) -> sql::Result<()> {
    connection.execute(
        "insert into hints (integration, asked_ms) values (?, ?)
         on conflict (integration) do update set asked_ms = excluded.asked_ms",
        params![integration, asked_ms],
    )?;
    Ok(())
}

fn read_sweep(row: Row<'_>, from: usize) -> sql::Result<Sweep> {
    Ok(Sweep {
        period_ms: row.get(from)?,
        clean: row.get(from + 1)?,
        audited_ms: row.get(from + 2)?,
        last_applications: row.get(from + 3)?,
        last_missed: row.get(from + 4)?,
        applications: row.get(from + 5)?,
        missed_by_dates: row.get(from + 6)?,
        missed_by_scans: row.get(from + 7)?,
    })
}
