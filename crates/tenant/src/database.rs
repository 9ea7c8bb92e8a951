//! The platform's own SQLite database: one connection writes, a few read.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use sha2::{Digest, Sha256};

use crate::Error;

/// The schema: each version is what this one and those before it make. A released one never
/// changes.
const PIECES: [&str; 2] = [include_str!("../schema.sql"), include_str!("../schema-2.sql")];

const IDLE_READERS: usize = 8;
/// For how long one process waits until another has written.
const PATIENCE: Duration = Duration::from_secs(10);
/// For how long nobody asks again whether another process has written. What another
/// process revoked is refused after this, however busy the machine is.
const BELIEVED_FOR: Duration = Duration::from_millis(10);

#[derive(Clone)]
pub(crate) struct Database(Arc<Inner>);

struct Inner {
    path: PathBuf,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
    /// Only ever asked whether another connection has written, and its last answer; none
    /// once the database is closed.
    sentinel: Mutex<Option<(Connection, i64)>>,
    opened: Instant,
    /// When the sentinel was last asked, in microseconds since the database was opened.
    asked_us: AtomicU64,
    generation: AtomicU64,
}

impl Database {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let path = countersign_files::database(path)?;
        let failed = |what: String| Error::home(&path, what);
        let mut writer = connect(&path).map_err(|e| failed(e.to_string()))?;
        prepare(&mut writer, &path)?;
        countersign_signin::prepare(&writer).map_err(|e| failed(e.to_string()))?;
        let sentinel = connect(&path).map_err(|e| failed(e.to_string()))?;
        Ok(Self(Arc::new(Inner {
            path,
            writer: Mutex::new(writer),
            readers: Mutex::default(),
            sentinel: Mutex::new(Some((sentinel, 0))),
            opened: Instant::now(),
            asked_us: AtomicU64::new(0),
            generation: AtomicU64::new(1),
        })))
    }

    /// Runs in one transaction on the writing connection.
    pub(crate) fn write<T, E: From<rusqlite::Error>>(
        &self,
        act: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut writer = locked(&self.0.writer);
        let transaction = begin(&mut writer)?;
        let outcome = act(&transaction)?;
        self.commit(transaction)?;
        Ok(outcome)
    }

    fn commit(&self, transaction: Transaction<'_>) -> rusqlite::Result<()> {
        transaction.commit()?;
        self.0.generation.fetch_add(1, Ordering::Release);
        Ok(())
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

    /// Runs what fills an empty database. Writes go into a log first, and from there into the file:
    /// for a million findings that took a fifth of the time. A new page needs no log, because
    /// an aborted transaction cuts it off. Beside another process the log stays.
    pub(crate) fn fill<T, E: From<rusqlite::Error>>(
        &self,
        fill: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.fold();
        let filled = fill();
        locked(&self.0.writer).query_row("pragma journal_mode = wal", [], |_| Ok(()))?;
        *locked(&self.0.sentinel) = Some((connect(&self.0.path)?, 0));
        filled
    }

    /// Runs on a reading connection.
    pub(crate) fn read<T, E: From<rusqlite::Error>>(
        &self,
        act: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let connection = self.idle_reader()?;
        let outcome = act(&connection);
        self.put_back(connection);
        outcome
    }

    fn idle_reader(&self) -> rusqlite::Result<Connection> {
        let idle = locked(&self.0.readers).pop();
        idle.map_or_else(|| connect(&self.0.path), Ok)
    }

    fn put_back(&self, connection: Connection) {
        let mut readers = locked(&self.0.readers);
        if readers.len() < IDLE_READERS {
            readers.push(connection);
        }
    }

    /// A number that changes with every write of this process, and with those of other
    /// processes at most [`BELIEVED_FOR`] later.
    pub(crate) fn generation(&self) -> rusqlite::Result<u64> {
        if !self.is_believed() {
            let mut sentinel = locked(&self.0.sentinel);
            if let Some((connection, last)) = &mut *sentinel
                && !self.is_believed()
            {
                let now_us = self.now_us();
                let version = connection
                    .prepare_cached("pragma data_version")?
                    .query_row([], |row| row.get(0))?;
                if std::mem::replace(last, version) != version {
                    self.0.generation.fetch_add(1, Ordering::Release);
                }
                self.0.asked_us.store(now_us, Ordering::Release);
            }
        }
        Ok(self.0.generation.load(Ordering::Acquire))
    }

    fn is_believed(&self) -> bool {
        let asked_us = self.0.asked_us.load(Ordering::Acquire);
        asked_us > 0
            && u128::from(self.now_us().saturating_sub(asked_us)) < BELIEVED_FOR.as_micros()
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.0.opened.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Folds the log into the file, once nothing more is asked. Where somebody else has it
    /// open, the log stays: whoever closes the database last folds it in.
    pub(crate) fn close(&self) {
        self.fold();
    }

    fn fold(&self) {
        locked(&self.0.readers).clear();
        *locked(&self.0.sentinel) = None;
        let writer = locked(&self.0.writer);
        let _ = writer
            .busy_timeout(Duration::ZERO)
            .and_then(|()| writer.query_row("pragma journal_mode = delete", [], |_| Ok(())));
        let _ = writer.busy_timeout(PATIENCE);
    }
}

/// What `application_id` of a database says: which text of the schema it was made of.
fn schema_id(pieces: &[&str]) -> i32 {
    let digest = Sha256::digest(pieces.concat());
    i32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

/// Brings a database that nobody has open to the schema of this version.
pub(crate) fn bring_up(path: &Path) -> Result<(), Error> {
    let mut writer = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    prepare(&mut writer, path)
}

/// The schema of this version. A database of a released one is brought to it, any other is
/// refused.
fn prepare(writer: &mut Connection, path: &Path) -> Result<(), Error> {
    let transaction = begin(writer)?;
    let id: i32 = transaction.query_row("pragma application_id", [], |row| row.get(0))?;
    let has_tables: bool =
        transaction
            .query_row("select exists (select 1 from sqlite_schema)", [], |row| row.get(0))?;
    let had = match has_tables {
        false => Some(0),
        true => (1..=PIECES.len()).find(|count| id == schema_id(&PIECES[..*count])),
    };
    if let Some(had) = had {
        for piece in &PIECES[had..] {
            transaction.execute_batch(piece)?;
        }
        if had < PIECES.len() {
            transaction.pragma_update(None, "application_id", schema_id(&PIECES))?;
        }
    } else {
        let home = path.parent().unwrap_or(path).display();
        return Err(Error::input(format!(
            "`{}` was made by another version of countersign\n\
             hint: mv {home} {home}.old",
            path.display()
        )));
    }
    Ok(transaction.commit()?)
}

fn begin(writer: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    writer.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// A panic under the lock rolled its transaction back; the connection is sound.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.execute_batch(
        "pragma journal_mode = wal;
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

    #[test]
    fn a_database_of_a_released_version_is_brought_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("platform.sqlite");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(PIECES[0]).unwrap();
        old.pragma_update(None, "application_id", schema_id(&PIECES[..1])).unwrap();
        old.execute_batch(
            "pragma foreign_keys = off;
             insert into findings (application, is_sca, ordinal, scan_type, severity,
                violates_policy, is_new, status, resolution, resolution_status, first_found_ms,
                last_seen_ms, mitigated_ms, text, details)
             values (1, 0, 1, 'STATIC', 4, 1, 0, 'OPEN', 'UNRESOLVED', 'NONE', 100, 300, 200, 1, '')",
        )
        .unwrap();
        drop(old);
        for _ in 0..2 {
            let database = Database::open(&path).unwrap();
            let updated = database.read(|connection| {
                connection.query_row("select updated_ms from findings", [], |row| row.get(0))
            });
            assert_eq!(updated, Ok::<i64, rusqlite::Error>(300));
            database.close();
        }
    }

    #[test]
    fn what_fills_a_database_is_in_a_log_only_beside_another_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("platform.sqlite");
        let database = Database::open(&path).unwrap();
        let log = path.with_extension("sqlite-wal");
        let fill = |name: &str| {
            let sql = "insert into meta (name, value) values (?, '')";
            database.fill(|| {
                database.write(|transaction| transaction.execute(sql, [name]))?;
                Ok::<_, rusqlite::Error>(log.exists())
            })
        };
        assert_eq!(fill("alone"), Ok(false));
        let other = connect(&path).unwrap();
        let names = "select count(*) from meta where name in ('alone', 'beside')";
        let count = || other.query_row(names, [], |row| row.get(0));
        assert_eq!(count(), Ok(1));
        assert_eq!(fill("beside"), Ok(true));
        assert_eq!(count(), Ok(2));
        let mode = other.query_row("pragma journal_mode", [], |row| row.get(0));
        assert_eq!(mode, Ok("wal".to_owned()));
        assert!(locked(&database.0.sentinel).is_some());
    }

    #[test]
    fn a_database_of_another_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("platform.sqlite");
        Database::open(&path).unwrap().close();
        for id in [-1, 0, schema_id(&PIECES) ^ 1] {
            let connection = Connection::open(&path).unwrap();
            connection.pragma_update(None, "application_id", id).unwrap();
            drop(connection);
            let refused = Database::open(&path).err().map(|error| error.to_string());
            let refused = refused.expect("another schema");
            assert!(
                refused.contains("another version") && refused.contains("hint: mv"),
                "{refused}"
            );
            std::fs::remove_file(&path).unwrap();
            Database::open(&path).unwrap().close();
        }
    }
}
