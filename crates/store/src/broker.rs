//! The broker's callers, known by the digests of their tokens, and what they asked
//! for.

use std::sync::Arc;

use crate::error::Error;
use crate::sql::{self, Room, Row, Transaction, Turn, named_params, params};
use crate::store::Store;

/// Bytes of a digest that a caller is looked up by; whether it is the caller's is
/// for the asker to compare.
pub const HANDLE_BYTES: usize = 8;

/// Lines between two looks at how many are kept.
const LINES_BETWEEN_PRUNING: i64 = 1000;

/// A caller to add.
#[derive(Debug, Clone)]
pub struct NewCaller {
    /// Name, unique among those that are not revoked.
    pub name: String,
    /// SHA-256 of the token.
    pub digest: [u8; 32],
    /// What it may ask for.
    pub rules: Vec<String>,
    /// Now.
    pub created_ms: i64,
    /// When the token ends to be good.
    pub expires_ms: Option<i64>,
}

/// A caller of the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Name.
    pub name: String,
    /// SHA-256 of the token.
    pub digest: [u8; 32],
    /// What it may ask for.
    pub rules: Vec<String>,
    /// When it was added.
    pub created_ms: i64,
    /// When the token ends to be good.
    pub expires_ms: Option<i64>,
    /// When it was revoked.
    pub revoked_ms: Option<i64>,
    /// When it last asked for anything.
    pub last_used_ms: Option<i64>,
}

/// A request that the broker answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerRequest {
    /// When it came.
    pub at_ms: i64,
    /// Who asked; none if it is not known.
    pub caller: Option<String>,
    /// Method.
    pub method: String,
    /// Path, without the query.
    pub path: String,
    /// Status of the answer.
    pub status: u16,
    /// Why the broker itself refused; none if the service answered.
    pub refusal: Option<String>,
    /// From the first to the last byte.
    pub duration_ms: u64,
}

/// How many lines are kept. Those of nobody are counted apart, so that a stranger
/// cannot push the callers' lines out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Of callers.
    pub of_callers: u32,
    /// Of nobody that is known.
    pub of_nobody: u32,
}

impl Store {
    /// Adds a caller; one of that name must be revoked, and is replaced.
    pub async fn add_caller(&self, new: NewCaller) -> Result<(), Error> {
        self.database
            .write(move |connection| {
                let rules = serde_json::to_string(&new.rules).map_err(Error::corrupt)?;
                let added = connection.execute(
                    "insert into broker_callers (name, digest, rules, created_ms, expires_ms)
                     values (:name, :digest, :rules, :created_ms, :expires_ms)
                     on conflict (name) do update set
                         digest = excluded.digest, rules = excluded.rules,
                         created_ms = excluded.created_ms, expires_ms = excluded.expires_ms,
                         revoked_ms = null, last_used_ms = null
                     where broker_callers.revoked_ms is not null",
                    named_params! {
                        ":name": new.name, ":digest": new.digest, ":rules": rules,
                        ":created_ms": new.created_ms, ":expires_ms": new.expires_ms,
                    },
                )?;
                match added {
                    0 => Err(Error::caller_exists(&new.name)),
                    _ => Ok(()),
                }
            })
            .await
    }

    /// All callers, by name.
    pub async fn callers(&self) -> Result<Vec<Caller>, Error> {
        self.database
            .read(|connection| {
                let mut statement =
                    connection.prepare(&format!("{SELECT_CALLER} order by name"))?;
                let rows = statement.query_map([], read_caller)?;
                rows.map(|row| row?.whole()).collect()
            })
            .await
    }

    /// Those whose digest begins like this: none or one, unless two digests collide.
    pub async fn callers_of(&self, handle: [u8; HANDLE_BYTES]) -> Result<Vec<Caller>, Error> {
        self.database
            .read(move |connection| {
                let mut statement = connection
                    .prepare(&format!("{SELECT_CALLER} where substr(digest, 1, 8) = ?"))?;
                let rows = statement.query_map([handle], read_caller)?;
                rows.map(|row| row?.whole()).collect()
            })
            .await
    }

    /// Revokes a caller, at once. Fails with [`Error::is_not_found`].
    pub async fn revoke_caller(&self, name: &str, now_ms: i64) -> Result<(), Error> {
        let name = name.to_owned();
        self.database
            .write(move |connection| {
                let revoked = connection.execute(
                    "update broker_callers set revoked_ms = coalesce(revoked_ms, ?) where name = ?",
                    params![now_ms, name],
                )?;
                match revoked {
                    0 => Err(Error::not_found("caller", name)),
                    _ => Ok(()),
                }
            })
            .await
    }

    /// Writes what was asked for, all or nothing.
    pub async fn add_broker_requests(
        &self,
        lines: Arc<[BrokerRequest]>,
        kept: Kept,
    ) -> Result<(), Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction_in(Turn::Room(Room::Proxy))?;
                let before = last_seq(&transaction)?;
                for line in lines.iter() {
                    insert(&transaction, line)?;
                }
                let after = last_seq(&transaction)?;
                if before / LINES_BETWEEN_PRUNING != after / LINES_BETWEEN_PRUNING {
                    prune(&transaction, kept)?;
                }
                transaction.commit()?;
                Ok(())
            })
            .await
    }

    /// The newest lines, the oldest of them first.
    pub async fn broker_requests(
        &self,
        caller: Option<&str>,
        limit: u32,
    ) -> Result<Vec<BrokerRequest>, Error> {
        let caller = caller.map(str::to_owned);
        self.database
            .read(move |connection| {
                let mut statement = connection.prepare(
                    "select at_ms, caller, method, path, status, refusal, duration_ms
                     from broker_requests where cast(:caller as text) is null or caller = :caller
                     order by seq desc limit :limit",
                )?;
                let rows = statement.query_map(
                    named_params! { ":caller": caller, ":limit": limit },
                    |row| {
                        Ok(BrokerRequest {
                            at_ms: row.get(0)?,
                            caller: row.get(1)?,
                            method: row.get(2)?,
                            path: row.get(3)?,
                            status: row.get(4)?,
                            refusal: row.get(5)?,
                            duration_ms: row.get(6)?,
                        })
                    },
                )?;
                let mut lines = rows.collect::<Result<Vec<_>, _>>()?;
                lines.reverse();
                Ok(lines)
            })
            .await
    }
}

fn insert(transaction: &Transaction<'_>, line: &BrokerRequest) -> Result<(), Error> {
    transaction
        .prepare(
            "insert into broker_requests
                 (at_ms, caller, method, path, status, refusal, duration_ms)
             values (?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            line.at_ms,
            line.caller,
            line.method,
            line.path,
            line.status,
            line.refusal,
            line.duration_ms
        ])?;
    if let Some(caller) = &line.caller {
        transaction
            .prepare(
                "update broker_callers set last_used_ms = ?1
                 where name = ?2 and coalesce(last_used_ms, 0) <= ?1",
            )?
            .execute(params![line.at_ms, caller])?;
    }
    Ok(())
}

fn last_seq(transaction: &Transaction<'_>) -> Result<i64, Error> {
    Ok(transaction
        .prepare("select coalesce(max(seq), 0) from broker_requests")?
        .query_row([], |row| row.get(0))?)
}

fn prune(transaction: &Transaction<'_>, kept: Kept) -> Result<(), Error> {
    for (whose, kept) in
        [("caller is not null", kept.of_callers), ("caller is null", kept.of_nobody)]
    {
        transaction.execute(
            &format!(
                "delete from broker_requests where {whose} and seq <= (
                     select seq from broker_requests where {whose}
                     order by seq desc limit 1 offset ?)"
            ),
            [kept],
        )?;
    }
    Ok(())
}

const SELECT_CALLER: &str = "select name, digest, rules, created_ms, expires_ms, revoked_ms,
    last_used_ms from broker_callers";

/// A row whose rules are not read yet.
struct CallerRow {
    rules: String,
    caller: Caller,
}

impl CallerRow {
    fn whole(self) -> Result<Caller, Error> {
        let rules = serde_json::from_str(&self.rules).map_err(Error::corrupt)?;
        Ok(Caller { rules, ..self.caller })
    }
}

fn read_caller(row: Row<'_>) -> sql::Result<CallerRow> {
    Ok(CallerRow {
        rules: row.get(2)?,
        caller: Caller {
            name: row.get(0)?,
            digest: row.get(1)?,
            rules: Vec::new(),
            created_ms: row.get(3)?,
            expires_ms: row.get(4)?,
            revoked_ms: row.get(5)?,
            last_used_ms: row.get(6)?,
        },
    })
}
