//! Connections: one that writes, a few that read, all on blocking threads.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_files as files;
use countersign_findings::filter::is_like;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::columns::searchable;
use crate::error::Error;
use crate::raw::Packing;
use crate::upgrade;

mod embedded {
    refinery::embed_migrations!("migrations");
}

const IDLE_READERS: usize = 4;

#[derive(Clone)]
pub(crate) struct Database(Arc<Inner>);

struct Inner {
    path: PathBuf,
    packing: Packing,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
}

/// Held by the one process that syncs into a store; released on drop, and by
/// the operating system when the process dies.
#[derive(Debug)]
pub struct SyncLock(#[expect(dead_code, reason = "held for its lock")] File);

impl Database {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let path = files::database(path)?;
        let mut writer = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        migrate(&mut writer).map_err(|what| Error::open(&path, what))?;
        let packing = Packing::load(&writer)?;
        upgrade::upgrade(&mut writer, &packing)?;
        // One that reads first and writes then would fail at once, not wait, when another
        // process wrote in between.
        writer.set_transaction_behavior(TransactionBehavior::Immediate);
        Ok(Self(Arc::new(Inner {
            path,
            packing,
            writer: Mutex::new(writer),
            readers: Mutex::default(),
        })))
    }

    pub(crate) fn lock_for_sync(&self) -> Result<SyncLock, Error> {
        let path = self.0.path.with_extension("sync-lock");
        let file = files::lock_file(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(SyncLock(file)),
            Err(TryLockError::WouldBlock) => Err(Error::busy(&self.0.path)),
            Err(TryLockError::Error(error)) => Err(Error::open(&path, error)),
        }
    }

    pub(crate) fn packing(&self) -> &Packing {
        &self.0.packing
    }

    /// Runs on the writing connection, one caller at a time.
    pub(crate) async fn write<T, F>(&self, act: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, Error> + Send + 'static,
    {
        let inner = Arc::clone(&self.0);
        blocking(move || act(&mut locked(&inner.writer))).await
    }

    /// Runs on a reading connection, beside writers and other readers.
    pub(crate) async fn read<T, F>(&self, act: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    {
        let inner = Arc::clone(&self.0);
        blocking(move || {
            let idle = locked(&inner.readers).pop();
            let connection = match idle {
                Some(connection) => connection,
                None => connect(&inner.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?,
            };
            let outcome = act(&connection);
            let mut readers = locked(&inner.readers);
            if readers.len() < IDLE_READERS {
                readers.push(connection);
            }
            outcome
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(act).await.map_err(|_| Error::stopped())?
}

/// A panic under the lock rolled its transaction back; the connection is sound.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(path: &Path, mode: OpenFlags) -> Result<Connection, Error> {
    let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags).and_then(|connection| {
        connection.execute_batch(
            "pragma busy_timeout = 10000;
             pragma journal_mode = wal;
             pragma synchronous = full;
             pragma foreign_keys = on;
             pragma temp_store = file;
             pragma cache_size = -16384;
             pragma wal_autocheckpoint = 16000;",
        )?;
        connection.set_prepared_statement_cache_capacity(64);
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
        connection.create_scalar_function("is_like", 2, flags, |context| {
            let (text, pattern) = (context.get_raw(0), context.get_raw(1));
            Ok(is_like(text.as_str()?, pattern.as_str()?))
        })?;
        // For the migration that writes the index of trigrams anew.
        connection.create_scalar_function("searchable", 1, flags, |context| {
            Ok(searchable(context.get_raw(0).as_str()?).into_owned())
        })?;
        Ok(connection)
    });
    opened.map_err(|error| Error::open(path, error))
}

fn migrate(connection: &mut Connection) -> Result<(), String> {
    match embedded::migrations::runner().run(connection) {
        Ok(_) => {}
        Err(error) if error.to_string().contains("missing") => {
            return Err(format!(
                "it was written by a newer version ({error})\nhint: use that version of countersign"
            ));
        }
        Err(error) => return Err(error.to_string()),
    }
    // Where readings wait until their application is complete. A temporary
    // table: never in the store's file, gone with the process.
    connection
        .execute_batch(
            "create temp table staged (
                writer integer not null, finding_id blob not null, hash blob not null,
                raw blob not null, kind integer, differences text, draft text not null
            ) strict;
            create index temp.staged_by_writer on staged (writer);",
        )
        .map_err(|error| error.to_string())
}
