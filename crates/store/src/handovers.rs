//! Who was given which version of a credential, and whether it runs it. Never a
//! secret.

use crate::audit::{self, Act};
use crate::credentials::CredentialId;
use crate::error::Error;
use crate::sql::params;
use crate::store::Store;

/// A version of a credential on its way to one consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handover {
    /// Which credential.
    pub credential: CredentialId,
    /// Name of the consumer.
    pub consumer: String,
    /// Which version, as the vault counts them.
    pub version: u32,
    /// How often it was tried.
    pub attempts: u32,
    /// When to try next.
    pub next_ms: i64,
    /// When it was delivered.
    pub delivered_ms: Option<i64>,
    /// When the consumer ran it.
    pub acknowledged_ms: Option<i64>,
    /// What was wrong at the last try.
    pub problem: Option<String>,
}

impl Store {
    /// What was handed over of a credential, by consumer and version.
    pub async fn handovers(&self, credential: CredentialId) -> Result<Vec<Handover>, Error> {
        self.database
            .read(move |connection| {
                let mut statement = connection.prepare(
                    "select consumer, version, attempts, next_ms, delivered_ms, acknowledged_ms,
                        problem from handovers where credential = ? order by consumer, version",
                )?;
                let rows = statement.query_map([credential.0], |row| {
                    Ok(Handover {
                        credential,
                        consumer: row.get(0)?,
                        version: row.get(1)?,
                        attempts: row.get(2)?,
                        next_ms: row.get(3)?,
                        delivered_ms: row.get(4)?,
                        acknowledged_ms: row.get(5)?,
                        problem: row.get(6)?,
                    })
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Counts a try before it is made; false when somebody else made it meanwhile.
    /// `handover` is as it was read, or one that was not tried yet.
    pub async fn claim_handover(&self, handover: &Handover, next_ms: i64) -> Result<bool, Error> {
        let Handover { credential, consumer, version, attempts, .. } = handover.clone();
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                transaction.execute(
                    "insert into handovers (credential, consumer, version, next_ms)
                     values (?, ?, ?, ?) on conflict do nothing",
                    params![credential.0, consumer, version, next_ms],
                )?;
                let claimed = transaction.execute(
                    "update handovers set attempts = attempts + 1, next_ms = ?
                     where credential = ? and consumer = ? and version = ? and attempts = ?",
                    params![next_ms, credential.0, consumer, version, attempts],
                )?;
                transaction.commit()?;
                Ok(claimed > 0)
            })
            .await
    }

    /// Notes how a try ended, together with what is to be known of it.
    pub async fn settle_handover(
        &self,
        handover: Handover,
        act: Act,
        now_ms: i64,
    ) -> Result<(), Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                transaction.execute(
                    "insert into handovers (credential, consumer, version, attempts, next_ms,
                        delivered_ms, acknowledged_ms, problem) values (?, ?, ?, ?, ?, ?, ?, ?)
                     on conflict (credential, consumer, version) do update set
                        delivered_ms = excluded.delivered_ms,
                        acknowledged_ms = excluded.acknowledged_ms, problem = excluded.problem",
                    params![
                        handover.credential.0,
                        handover.consumer,
                        handover.version,
                        handover.attempts,
                        handover.next_ms,
                        handover.delivered_ms,
                        handover.acknowledged_ms,
                        handover.problem,
                    ],
                )?;
                audit::append(&transaction, &act, now_ms)?;
                Ok(transaction.commit()?)
            })
            .await
    }
}
