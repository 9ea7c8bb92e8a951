//! Connections: one that writes, a few that read, all on blocking threads.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_findings::filter::is_like;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use crate::error::Error;
use crate::raw::Packing;
use crate::upgrade;

mod embedded {
    refinery::embed_migrations!("migrations");
}

const IDLE_READERS: usize = 4;
/// Writes that share a transaction. Others wait for the writer while it goes on.
const TOGETHER: usize = 8;

#[derive(Clone)]
pub(crate) struct Database(Arc<Inner>);

struct Inner {
    path: PathBuf,
    packing: Packing,
    writer: Mutex<Connection>,
    waiting: Mutex<Vec<Waiting>>,
    readers: Mutex<Vec<Connection>>,
}

/// Answers how many rows it wrote.
type Act = dyn Fn(&Transaction<'_>) -> Result<u64, Error> + Send;

/// A write that waits for the writer.
struct Waiting {
    act: Box<Act>,
    done: oneshot::Sender<Result<u64, Error>>,
}

/// Held by the one process that syncs into a store; released on drop, and by
/// the operating system when the process dies.
#[derive(Debug)]
pub struct SyncLock(#[expect(dead_code, reason = "held for its lock")] File);

impl Database {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        create_private(path)?;
        let mut writer = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        migrate(&mut writer).map_err(|what| Error::open(path, what))?;
        let packing = Packing::load(&writer)?;
        upgrade::upgrade(&mut writer, &packing)?;
        // One that reads first and writes then would fail at once, not wait, when another
        // process wrote in between.
        writer.set_transaction_behavior(TransactionBehavior::Immediate);
        Ok(Self(Arc::new(Inner {
            path: path.to_owned(),
            packing,
            writer: Mutex::new(writer),
            waiting: Mutex::default(),
            readers: Mutex::default(),
        })))
    }

    pub(crate) fn lock_for_sync(&self) -> Result<SyncLock, Error> {
        let path = self.0.path.with_extension("sync-lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| Error::open(&path, error))?;
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

    /// Runs on the writing connection, in one transaction with others that wait for it: a
    /// commit costs much the same for one as for several. When one of them fails, each is
    /// done again by itself.
    pub(crate) async fn write_together<F>(&self, act: F) -> Result<u64, Error>
    where
        F: Fn(&Transaction<'_>) -> Result<u64, Error> + Send + 'static,
    {
        let inner = Arc::clone(&self.0);
        let (done, answer) = oneshot::channel();
        locked(&inner.waiting).push(Waiting { act: Box::new(act), done });
        // As many come here as wait, so that nobody is forgotten.
        blocking(move || {
            let mut writer = locked(&inner.writer);
            let mut waiting = locked(&inner.waiting);
            let first = waiting.len().min(TOGETHER);
            let first: Vec<_> = waiting.drain(..first).collect();
            drop(waiting);
            together(&mut writer, first);
            Ok(())
        })
        .await?;
        answer.await.map_err(|_| Error::stopped())?
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

fn together(connection: &mut Connection, waiting: Vec<Waiting>) {
    if waiting.len() > 1
        && let Ok(rows) = in_one_transaction(connection, &waiting)
    {
        for (waiting, rows) in waiting.into_iter().zip(rows) {
            // Whoever no longer waits does not want to know.
            let _ = waiting.done.send(Ok(rows));
        }
        return;
    }
    for waiting in waiting {
        let alone = in_one_transaction(connection, std::slice::from_ref(&waiting));
        let _ = waiting.done.send(alone.map(|rows| rows.iter().sum()));
    }
}

fn in_one_transaction(connection: &mut Connection, waiting: &[Waiting]) -> Result<Vec<u64>, Error> {
    let transaction = connection.transaction()?;
    let rows = waiting.iter().map(|waiting| (waiting.act)(&transaction));
    let rows = rows.collect::<Result<_, _>>()?;
    transaction.commit()?;
    Ok(rows)
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

fn create_private(path: &Path) -> Result<(), Error> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(|error| Error::open(path, error))
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc;
    use std::task::{Context, Waker};

    use super::*;

    /// What became of each of these writes, all of which waited for the writer at once:
    /// the number of the name that it adds, none for one that fails.
    async fn at_once(
        database: &Database,
        writes: &[Option<i64>],
    ) -> (Vec<Result<u64, Error>>, u64) {
        let (go, wait) = mpsc::channel::<()>();
        let (begun, held) = oneshot::channel();
        let holding = database.clone();
        let holding = tokio::spawn(async move {
            let hold = move |_: &mut Connection| {
                begun.send(()).unwrap();
                let _ = wait.recv();
                Ok(())
            };
            holding.write(hold).await
        });
        held.await.unwrap();
        let tries = Arc::new(AtomicU64::new(0));
        let mut under_way = Vec::new();
        for write in writes.iter().copied() {
            let tries = Arc::clone(&tries);
            let mut act = Box::pin(database.write_together(move |transaction| {
                tries.fetch_add(1, Ordering::SeqCst);
                let number = write.ok_or_else(|| Error::corrupt("on purpose"))?;
                let sql = "insert into names (kind, number, name) values (9, ?, 'x')";
                Ok(transaction.execute(sql, [number])? as u64)
            }));
            // Once it was asked it waits.
            let mut nobody = Context::from_waker(Waker::noop());
            assert!(act.as_mut().poll(&mut nobody).is_pending());
            under_way.push(act);
        }
        go.send(()).unwrap();
        holding.await.unwrap().unwrap();
        let mut outcomes = Vec::new();
        for act in under_way {
            outcomes.push(act.await);
        }
        (outcomes, tries.load(Ordering::SeqCst))
    }

    fn names(connection: &Connection) -> Result<Vec<i64>, Error> {
        let mut statement =
            connection.prepare("select number from names where kind = 9 order by number")?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    #[tokio::test]
    async fn those_that_wait_are_written_together_and_fail_alone() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("store.sqlite")).unwrap();
        let twenty: Vec<_> = (0..20).map(Some).collect();
        let (outcomes, tries) = at_once(&database, &twenty).await;
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(1))), "{outcomes:?}");
        assert_eq!(tries, 20);

        // The second write of 21 breaks the table's own rule.
        let (outcomes, tries) = at_once(&database, &[Some(21), None, Some(22), Some(21)]).await;
        let ok: Vec<_> = outcomes.iter().map(Result::is_ok).collect();
        assert_eq!(ok, [true, false, true, false], "{outcomes:?}");
        assert!(tries > 4, "none of them shared a transaction");
        let held = database.read(names).await.unwrap();
        assert_eq!(held, (0..20).chain([21, 22]).collect::<Vec<_>>());
    }
}
