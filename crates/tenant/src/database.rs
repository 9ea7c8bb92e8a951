//! The platform's own SQLite database: one connection writes, a few read.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::Error;

mod embedded {
    refinery::embed_migrations!("migrations");
}

const IDLE_READERS: usize = 8;

#[derive(Clone)]
pub(crate) struct Database(Arc<Inner>);

struct Inner {
    path: PathBuf,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
    /// Only ever asked whether another connection has written, and its last answer; none
    /// once the database is closed.
    sentinel: Mutex<Option<(Connection, i64)>>,
    generation: AtomicU64,
}

impl Database {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let path = countersign_files::database(path)?;
        let failed = |what: String| Error::home(&path, what);
        let mut writer = connect(&path).map_err(|e| failed(e.to_string()))?;
        migrate(&mut writer).map_err(|e| failed(e.to_string()))?;
        countersign_signin::prepare(&writer).map_err(|e| failed(e.to_string()))?;
        let sentinel = connect(&path).map_err(|e| failed(e.to_string()))?;
        Ok(Self(Arc::new(Inner {
            path,
            writer: Mutex::new(writer),
            readers: Mutex::default(),
            sentinel: Mutex::new(Some((sentinel, 0))),
            generation: AtomicU64::new(1),
        })))
    }

    /// Runs in one transaction on the writing connection.
    pub(crate) fn write<T, E: From<rusqlite::Error>>(
        &self,
        act: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut writer = locked(&self.0.writer);
        let transaction =
            writer.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let outcome = act(&transaction)?;
        transaction.commit()?;
        self.0.generation.fetch_add(1, Ordering::Release);
        Ok(outcome)
    }

    /// Runs on the writing connection, outside of a transaction.
    pub(crate) fn alone<T>(
        &self,
        act: impl FnOnce(&mut Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let outcome = act(&mut locked(&self.0.writer));
        self.0.generation.fetch_add(1, Ordering::Release);
        outcome
    }

    /// Runs on a reading connection.
    pub(crate) fn read<T, E: From<rusqlite::Error>>(
        &self,
        act: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let idle = locked(&self.0.readers).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connect(&self.0.path)?,
        };
        let outcome = act(&connection);
        let mut readers = locked(&self.0.readers);
        if readers.len() < IDLE_READERS {
            readers.push(connection);
        }
        outcome
    }

    /// A number that changes with every write of this process, and with those of
    /// other processes once [`Database::look_around`] has seen them.
    pub(crate) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// Folds the log into the file, once nothing more is asked. Where somebody else has it
    /// open, the log stays: whoever closes the database last folds it in.
    pub(crate) fn close(&self) {
        locked(&self.0.readers).clear();
        *locked(&self.0.sentinel) = None;
        let writer = locked(&self.0.writer);
        let _ = writer
            .busy_timeout(Duration::ZERO)
            .and_then(|()| writer.query_row("pragma journal_mode = delete", [], |_| Ok(())));
    }

    /// Looks whether another process has written.
    pub(crate) fn look_around(&self) -> Result<(), rusqlite::Error> {
        let mut sentinel = locked(&self.0.sentinel);
        let Some((connection, last)) = &mut *sentinel else { return Ok(()) };
        let version =
            connection.prepare_cached("pragma data_version")?.query_row([], |row| row.get(0))?;
        if std::mem::replace(last, version) != version {
            self.0.generation.fetch_add(1, Ordering::Release);
        }
        Ok(())
    }
}

/// Tables are replaced without foreign keys: dropping one would delete what points to it.
fn migrate(writer: &mut Connection) -> Result<(), Box<dyn std::error::Error>> {
    writer.execute_batch("pragma foreign_keys = off")?;
    embedded::migrations::runner().run(writer)?;
    writer.execute_batch("pragma foreign_keys = on")?;
    Ok(())
}

/// A panic under the lock rolled its transaction back; the connection is sound.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.execute_batch(
        "pragma busy_timeout = 10000;
         pragma journal_mode = wal;
         pragma synchronous = normal;
         pragma foreign_keys = on;
         pragma cache_size = -8192;",
    )?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use refinery::Target;

    /// Every table of a home of before, with rows that point to each other.
    const BEFORE: &str = "
        insert into users (id, guid, name, email, first_name, last_name, is_api, created_ms)
            values (7, 'u', 'U', '', '', '', 1, 1);
        insert into user_roles values (7, 'own');
        insert into credentials (api_id, user, sealed, created_ms, expires_ms)
            values ('a', 7, x'00', 1, 2);
        insert into oauth_clients (client_id, user, name, description, secret_digest, created_ms,
            expires_ms) values ('c', 7, 'C', '', x'00', 1, 2);
        insert into business_units (id, guid, name) values (3, 'b', 'B');
        insert into teams (id, guid, name, business_unit) values (4, 't', 'T', 3);
        insert into team_members (team, user) values (4, 7);
        insert into custom_roles values (2, 'r', 'own', '', 1, 0, 0, '[]', '[]');
        insert into policies (id, guid, name, is_default) values (5, 'p', 'P', 1);
        insert into applications (id, guid, name, business_unit, policy, business_criticality,
            created_ms, modified_ms) values (9, 'x', 'X', 3, 5, 'LOW', 1, 1);
        insert into application_teams values (9, 4);
        insert into scans values (9, 'STATIC', 'PUBLISHED', 1, 1, 1);
        insert into sandboxes (id, guid, application, name, owner, created_ms, modified_ms)
            values (6, 's', 9, 'S', '', 1, 1);
        insert into texts values (1, '\"\"');
        insert into findings (application, is_sca, ordinal, scan_type, severity, violates_policy,
            is_new, status, resolution, resolution_status, first_found_ms, last_seen_ms, text,
            details) values (9, 0, 1, 'STATIC', 3, 1, 0, 'OPEN', 'UNRESOLVED', 'NONE', 1, 1, 1, '{}');";

    #[test]
    fn a_home_of_before_keeps_what_it_holds_and_its_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("platform.sqlite");
        let mut before = Connection::open(&path).unwrap();
        let mut runner = embedded::migrations::runner();
        runner = runner.set_target(Target::Version(10));
        runner.run(&mut before).unwrap();
        before.execute_batch(BEFORE).unwrap();
        drop(before);

        let database = Database::open(&path).unwrap();
        let count = |connection: &Connection, table: &str| -> i64 {
            let sql = format!("select count(*) from {table}");
            connection.query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        database
            .write(|transaction| {
                for table in BEFORE.split("insert into ").skip(1) {
                    let table = table.split_whitespace().next().unwrap_or_default();
                    assert_eq!(count(transaction, table), 1, "{table}");
                }
                let broken = transaction.prepare("pragma foreign_key_check")?.exists([])?;
                assert!(!broken, "a row points to nothing");
                // What points to a thing still goes with it, and its number is not given again.
                transaction.execute("delete from users where id = 7", [])?;
                transaction.execute("delete from custom_roles where id = 2", [])?;
                transaction.execute("delete from applications where id = 9", [])?;
                for table in ["user_roles", "credentials", "team_members", "sandboxes", "findings"]
                {
                    assert_eq!(count(transaction, table), 0, "{table}");
                }
                transaction.execute(
                    "insert into custom_roles values (null, 'q', 'Q', '', 1, 0, 0, '[]', '[]')",
                    [],
                )?;
                assert_eq!(transaction.last_insert_rowid(), 3);
                Ok::<_, rusqlite::Error>(())
            })
            .unwrap();
    }
}
