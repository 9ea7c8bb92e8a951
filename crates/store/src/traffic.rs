//! What was asked of each integration by the API: by the hour, and the last failures.

use crate::error::Error;
use crate::sql::{Room, Transaction, Turn, params};
use crate::store::{IntegrationId, Store};
use crate::tokens::{self, TokenUse};

/// Failures that are kept for each integration.
const KEPT_FAILURES: u32 = 100;

/// Sums over requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests that succeeded.
    pub succeeded: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Microseconds of processor time.
    pub cpu_us: u64,
    /// Questions of the database.
    pub db_ops: u64,
    /// Requests to the service behind the integration.
    pub api_ops: u64,
    /// Bytes that came in.
    pub in_bytes: u64,
    /// Bytes that went out.
    pub out_bytes: u64,
}

impl Traffic {
    /// Adds more of it.
    pub fn add(&mut self, more: &Self) {
        self.succeeded += more.succeeded;
        self.failed += more.failed;
        self.cpu_us += more.cpu_us;
        self.db_ops += more.db_ops;
        self.api_ops += more.api_ops;
        self.in_bytes += more.in_bytes;
        self.out_bytes += more.out_bytes;
    }
}

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiFailure {
    /// When.
    pub at_ms: i64,
    /// What was asked for.
    pub operation: String,
    /// Status of the answer.
    pub status: u16,
    /// Why, as the caller was told.
    pub error: String,
}

/// What happened since the last time it was written.
#[derive(Debug, Clone, Default)]
pub struct TrafficBatch {
    /// By integration and hour since the Unix epoch.
    pub hours: Vec<(IntegrationId, i64, Traffic)>,
    /// Failures, in order.
    pub failures: Vec<(IntegrationId, ApiFailure)>,
    /// Secrets that were used.
    pub uses: Vec<TokenUse>,
}

impl Store {
    /// Adds what happened, all or nothing. What is of integrations that are gone is left out.
    pub async fn add_traffic(&self, batch: TrafficBatch) -> Result<(), Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction_in(Turn::Room(Room::Traffic))?;
                for (integration, hour, traffic) in &batch.hours {
                    add_hour(&transaction, *integration, *hour, traffic)?;
                }
                for (integration, failure) in &batch.failures {
                    add_failure(&transaction, *integration, failure)?;
                }
                tokens::note_uses(&transaction, &batch.uses)?;
                Ok(transaction.commit()?)
            })
            .await
    }

    /// Each hour of an integration in which something was asked, from this one on.
    pub async fn traffic(
        &self,
        integration: IntegrationId,
        from_hour: i64,
    ) -> Result<Vec<(i64, Traffic)>, Error> {
        self.database
            .read(move |connection| {
                let mut statement = connection.prepare(
                    "select hour, succeeded, failed, cpu_us, db_ops, api_ops, in_bytes, out_bytes
                     from api_hours where integration = ? and hour >= ? order by hour",
                )?;
                let rows = statement.query_map([integration.0, from_hour], |row| {
                    let traffic = Traffic {
                        succeeded: row.get(1)?,
                        failed: row.get(2)?,
                        cpu_us: row.get(3)?,
                        db_ops: row.get(4)?,
                        api_ops: row.get(5)?,
                        in_bytes: row.get(6)?,
                        out_bytes: row.get(7)?,
                    };
                    Ok((row.get(0)?, traffic))
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// The last failures of an integration, the newest first.
    pub async fn api_failures(
        &self,
        integration: IntegrationId,
        limit: u32,
    ) -> Result<Vec<ApiFailure>, Error> {
        self.database
            .read(move |connection| {
                let mut statement = connection.prepare(
                    "select at_ms, operation, status, error from api_failures
                     where integration = ? order by id desc limit ?",
                )?;
                let rows = statement.query_map(params![integration.0, limit], |row| {
                    Ok(ApiFailure {
                        at_ms: row.get(0)?,
                        operation: row.get(1)?,
                        status: row.get(2)?,
                        error: row.get(3)?,
                    })
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Begins to count anew.
    pub async fn reset_traffic(&self, integration: IntegrationId) -> Result<(), Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction_in(Turn::Room(Room::Traffic))?;
                for table in ["api_hours", "api_failures"] {
                    let delete = format!("delete from {table} where integration = ?");
                    transaction.execute(&delete, [integration.0])?;
                }
                Ok(transaction.commit()?)
            })
            .await
    }
}

fn add_hour(
    transaction: &Transaction<'_>,
    integration: IntegrationId,
    hour: i64,
    more: &Traffic,
) -> Result<(), Error> {
    transaction
        .prepare(
            "insert into api_hours (integration, hour, succeeded, failed, cpu_us, db_ops, api_ops,
                in_bytes, out_bytes)
             select id, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 from integrations where id = ?1
             on conflict (integration, hour) do update set
                succeeded = api_hours.succeeded + excluded.succeeded, failed = api_hours.failed + excluded.failed,
                cpu_us = api_hours.cpu_us + excluded.cpu_us, db_ops = api_hours.db_ops + excluded.db_ops,
                api_ops = api_hours.api_ops + excluded.api_ops, in_bytes = api_hours.in_bytes + excluded.in_bytes,
                out_bytes = api_hours.out_bytes + excluded.out_bytes",
        )?
        .execute(params![
            integration.0,
            hour,
            more.succeeded,
            more.failed,
            more.cpu_us,
            more.db_ops,
            more.api_ops,
            more.in_bytes,
            more.out_bytes
        ])?;
    Ok(())
}

fn add_failure(
    transaction: &Transaction<'_>,
    integration: IntegrationId,
    failure: &ApiFailure,
) -> Result<(), Error> {
    transaction
        .prepare(
            "insert into api_failures (integration, at_ms, operation, status, error)
             select id, ?2, ?3, ?4, ?5 from integrations where id = ?1",
        )?
        .execute(params![
            integration.0,
            failure.at_ms,
            failure.operation,
            failure.status,
            failure.error
        ])?;
    transaction
        .prepare(
            "delete from api_failures where integration = ?1 and id <= (
                 select id from api_failures where integration = ?1
                 order by id desc limit 1 offset ?2)",
        )?
        .execute(params![integration.0, KEPT_FAILURES])?;
    Ok(())
}
