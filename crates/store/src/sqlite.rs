//! The file of a store: how it is opened, locked, and left at rest.
//!
//! A store at rest is one file in rollback mode, which can be read where nothing can be
//! written. The first write puts it into write-ahead mode, and whoever closes it last
//! folds the log in and takes it out of that mode again. While the log counts, the file
//! itself says so (`mark`): a copy of it without the log is noticed.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_files::{self as files, Secrecy};
use countersign_findings::filter::is_like;
use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::sql;
#[cfg(feature = "postgres")]
use crate::sql::postgres::ServerLock;

/// The schema: each version is what this one and those before it make. A released one never
/// changes.
pub(crate) const PIECES: [&str; 3] = [
    include_str!("../schema.sql"),
    include_str!("../schema-2.sql"),
    include_str!("../schema-3.sql"),
];

/// How often a change of the journal is tried while others read.
const TRIES: usize = 20;

/// What every connection works with.
const SETTINGS: &str = "pragma busy_timeout = 10000;
     pragma synchronous = full;
     pragma foreign_keys = on;
     pragma temp_store = file;
     pragma cache_size = -16384;";

/// `user_version` of a store whose log holds what the file does not.
const IN_USE: i64 = 1;

/// How a file is opened that nobody writes to.
const FROZEN: OpenFlags = OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_URI);

/// Of the header of a log, and what it begins with.
const LOG_HEADER: usize = 32;
/// Where the header has the size of a page.
const LOG_PAGE_SIZE: std::ops::Range<usize> = 8..12;
/// What is before each page of a log.
const LOG_FRAME: usize = 24;
const LOG_MAGIC: [u8; 3] = [0x37, 0x7f, 0x06];

/// How a connection reaches the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Write,
    Read,
    /// On a file system that nobody writes to, where SQLite cannot keep what it needs beside
    /// a store that has a log.
    Frozen,
    FrozenWithLog,
}

/// Held by the one process that syncs into a store; released on drop, and by
/// the operating system when the process dies.
#[derive(Debug)]
pub struct SyncLock(#[expect(dead_code, reason = "held for its lock")] Held);

/// Held, together with others, by each process that delivers; released on drop, and by the
/// operating system when the process dies.
#[derive(Debug)]
pub struct DeliveryLock(#[expect(dead_code, reason = "held for its lock")] Held);

/// What a lock is held by.
#[derive(Debug)]
#[expect(dead_code, reason = "held for its lock")]
enum Held {
    File(File),
    #[cfg(feature = "postgres")]
    Server(ServerLock),
}

#[cfg(feature = "postgres")]
impl SyncLock {
    pub(crate) fn of_server(lock: ServerLock) -> Self {
        Self(Held::Server(lock))
    }
}

#[cfg(feature = "postgres")]
impl DeliveryLock {
    pub(crate) fn of_server(lock: ServerLock) -> Self {
        Self(Held::Server(lock))
    }
}

/// A store in a file, and how it is reached.
pub(crate) struct StoreFile {
    path: PathBuf,
    access: Access,
}

impl StoreFile {
    /// With a connection that reads, and one that writes where the schema had to be brought up
    /// to date.
    pub(crate) fn open(
        path: &Path,
    ) -> Result<(Self, sql::Connection, Option<sql::Connection>), Error> {
        let path = files::database(path)?;
        Self::open_found(&path).map_err(|error| error.at(&path))
    }

    fn open_found(path: &Path) -> Result<(Self, sql::Connection, Option<sql::Connection>), Error> {
        files::usable(path, false)?;
        if is_log_missing(path)? {
            return Err(Error::log_missing(path));
        }
        let (mut access, mut reader) = first_reader(path)?;
        let mut writer = None;
        if !missing_pieces(&reader, path)?.is_empty() {
            drop(reader);
            writer = Some(sql::Connection::of_sqlite(open_writer(path)?));
            (access, reader) = first_reader(path)?;
        }
        let file = Self { path: path.to_owned(), access };
        Ok((file, sql::Connection::of_sqlite(reader), writer))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn reader(&self) -> Result<sql::Connection, Error> {
        Ok(sql::Connection::of_sqlite(connect(&self.path, self.access)?))
    }

    pub(crate) fn writer(&self) -> Result<sql::Connection, Error> {
        Ok(sql::Connection::of_sqlite(open_writer(&self.path)?))
    }

    /// A connection that reads, and may write elsewhere.
    pub(crate) fn plain_reader(&self) -> Result<Connection, Error> {
        let connection = open(&self.path, self.access)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        Ok(connection)
    }

    /// Folds the log in, unless somebody else has the store open.
    pub(crate) fn close(&self, writer: Option<sql::Connection>) {
        let has_log = fs::symlink_metadata(log_of(&self.path)).is_ok();
        let writer = match writer {
            None if has_log => {
                connect(&self.path, Access::Write).ok().map(sql::Connection::of_sqlite)
            }
            writer => writer,
        };
        // Where somebody else has it open or nothing can be written, the log stays: it is
        // folded in by whoever closes the store next.
        if let Some(sql::Connection::Sqlite(writer)) = writer {
            let _ = fold(&writer);
        }
    }

    pub(crate) fn lock_for_sync(&self) -> Result<SyncLock, Error> {
        lock_for_sync(&self.path)
    }

    /// The file that is locked by whoever syncs.
    pub(crate) fn sync_lock(&self) -> PathBuf {
        sync_lock(&self.path)
    }

    /// The lock of those that deliver; `act` runs if nobody else does.
    pub(crate) fn lock_for_deliveries(
        &self,
        act: impl FnOnce() -> Result<(), Error>,
    ) -> Result<DeliveryLock, Error> {
        let path = self.path.with_extension("deliver-lock");
        let file = files::lock_file(&path)?;
        let failed = |error| Error::open(&path, error);
        match file.try_lock() {
            // Alone: whoever else had something is gone.
            Ok(()) => {
                act()?;
                file.unlock().map_err(failed)?;
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // Nobody has it for itself for longer than a statement.
        file.lock_shared().map_err(failed)?;
        Ok(DeliveryLock(Held::File(file)))
    }

    /// Bytes on disk, with the log.
    pub(crate) fn size_bytes(&self) -> u64 {
        let bytes = |path: PathBuf| fs::metadata(path).map_or(0, |file| file.len());
        ["", "-wal", "-shm"].iter().map(|end| bytes(beside(&self.path, end))).sum()
    }
}

fn sync_lock(store: &Path) -> PathBuf {
    store.with_extension("sync-lock")
}

pub(crate) fn lock_for_sync(store: &Path) -> Result<SyncLock, Error> {
    let path = sync_lock(store);
    let file = files::lock_file(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(SyncLock(Held::File(file))),
        Err(TryLockError::WouldBlock) => Err(Error::busy(store)),
        Err(TryLockError::Error(error)) => Err(Error::open(&path, error)),
    }
}

/// The write-ahead log of a store.
pub(crate) fn log_of(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

/// Whether there is a log that SQLite can read, with a page in it: the first is there before
/// the mark that asks for it. Its locks are on other files: this one may be opened and
/// closed.
fn has_log(path: &Path) -> bool {
    let read = || {
        let mut log = files::open(&log_of(path), Secrecy::Open).ok()?;
        let mut header = [0; LOG_HEADER];
        log.read_exact(&mut header).ok()?;
        let size: [u8; 4] = header.get(LOG_PAGE_SIZE)?.try_into().ok()?;
        let least = (LOG_HEADER + LOG_FRAME) as u64 + u64::from(u32::from_be_bytes(size));
        Some(header.starts_with(&LOG_MAGIC) && log.metadata().ok()?.len() >= least)
    };
    read().unwrap_or_default()
}

/// Whether the file says that its log counts, and there is none. Others may fold it in
/// between two looks: then the mark is gone at the second.
fn is_log_missing(path: &Path) -> Result<bool, Error> {
    for _ in 0..2 {
        if has_log(path) || !is_marked(path)? {
            return Ok(false);
        }
    }
    // A copy that SQLite made of a store in use has the mark, and needs no log. Where SQLite
    // has no means for a log, it opens such a copy and no store in write-ahead mode.
    let lockless = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    match mark(&Connection::open_with_flags(uri(path, "nolock=1"), lockless)?) {
        Err(error) => Ok(error.sqlite_error_code() == Some(ErrorCode::CannotOpen)),
        Ok(_) => Ok(false),
    }
}

/// What the file itself says, whatever is beside it.
fn is_marked(path: &Path) -> Result<bool, Error> {
    let file = open(path, Access::Frozen)?;
    match mark(&file) {
        Ok(mark) => Ok(mark == IN_USE),
        // What it is instead shows when it is opened.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => Ok(false),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn mark(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("pragma user_version", [], |row| row.get(0))
}

/// Goes on with what is there of a store whose log is missing.
pub(crate) fn accept_missing_log(path: &Path) -> Result<(), Error> {
    let path = files::database(path)?;
    let accepted = || {
        let writer = connect(&path, Access::Write)?;
        writer.pragma_update(None, "user_version", 0)?;
        fold(&writer)
    };
    accepted().map_err(|error: Error| error.at(&path))
}

/// A connection that reads, and how it does.
fn first_reader(path: &Path) -> Result<(Access, Connection), Error> {
    let read = |access| {
        let connection = connect(path, access)?;
        connection.query_row("select count(*) from sqlite_schema", [], |_| Ok(()))?;
        Ok::<_, Error>((access, connection))
    };
    match read(Access::Read) {
        Err(error) if !error.is_damage() && files::is_frozen(path) => {
            let is_with_log = fs::metadata(log_of(path)).is_ok_and(|met| met.len() > 0);
            read(if is_with_log { Access::FrozenWithLog } else { Access::Frozen })
        }
        other => other,
    }
}

fn open_writer(path: &Path) -> Result<Connection, Error> {
    let mut writer = connect(path, Access::Write)?;
    switch(&writer, "wal")?;
    if mark(&writer)? != IN_USE {
        // In the log first, which is there from then on; then in the file.
        writer.pragma_update(None, "user_version", IN_USE)?;
        writer.query_row("pragma wal_checkpoint(passive)", [], |_| Ok(()))?;
    }
    prepare(&mut writer, path)?;
    Ok(writer)
}

/// Puts the store into another mode. That fails at once while others read: then it waits
/// until they have read.
fn switch(connection: &Connection, mode: &str) -> Result<(), Error> {
    let change = format!("pragma journal_mode = {mode}");
    for _ in 0..TRIES {
        match connection.query_row(&change, [], |row| row.get::<_, String>(0)) {
            Ok(now) if now == mode => return Ok(()),
            Err(error) if error.sqlite_error_code() != Some(ErrorCode::DatabaseBusy) => {
                return Err(error.into());
            }
            _ => connection.execute_batch("begin exclusive; rollback")?,
        }
    }
    Err(rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
        Some("the store is read all the time".into()),
    )
    .into())
}

/// Puts the log into the file and ends it, unless somebody else has the store open.
pub(crate) fn fold(writer: &Connection) -> Result<(), Error> {
    writer.busy_timeout(Duration::ZERO)?;
    // Before the log goes: there is no moment at which the file asks for one that it no
    // longer needs.
    writer.pragma_update(None, "user_version", 0)?;
    let folded =
        writer.query_row("pragma journal_mode = delete", [], |row| row.get::<_, String>(0));
    match folded {
        Ok(mode) if mode == "delete" => Ok(()),
        other => {
            writer.pragma_update(None, "user_version", IN_USE)?;
            Err(other.err().map_or_else(Error::stopped, Error::from))
        }
    }
}

/// Folds the log in; fails with [`Error::is_locked`] while others have the store open.
pub(crate) fn fold_alone(path: &Path) -> Result<(), Error> {
    let folded = || fold(&connect(path, Access::Write)?);
    folded().map_err(|error: Error| error.at(path))
}

/// A copy that nobody writes to.
pub(crate) fn open_image(path: &Path) -> Result<Connection, Error> {
    connect(path, Access::Frozen)
}

fn open(path: &Path, access: Access) -> Result<Connection, Error> {
    let (name, flags) = match access {
        Access::Write | Access::Read => {
            (path.as_os_str().to_owned(), OpenFlags::SQLITE_OPEN_READ_WRITE)
        }
        Access::Frozen => (uri(path, "immutable=1").into(), FROZEN),
        Access::FrozenWithLog if cfg!(windows) => (uri(path, "vfs=win32-none").into(), FROZEN),
        Access::FrozenWithLog => (uri(path, "vfs=unix-none").into(), FROZEN),
    };
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok(Connection::open_with_flags(Path::new(&name), flags)?)
}

fn uri(path: &Path, option: &str) -> String {
    let escaped =
        path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{escaped}?{option}")
}

fn connect(path: &Path, access: Access) -> Result<Connection, Error> {
    let connection = open(path, access)?;
    if access == Access::FrozenWithLog {
        // Before the first look at the file: then the index of the log is in memory.
        connection.execute_batch("pragma locking_mode = exclusive;")?;
    }
    connection.execute_batch(SETTINGS)?;
    // The log goes by `fold` alone, after the mark.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // A statement keeps its plan whatever is bound: else it is compiled anew for every value
    // that a plan might depend on.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch(match access {
        Access::Write => "pragma wal_autocheckpoint = 16000;",
        // Many of them read at once; what they share is in the cache of the system.
        _ => "pragma query_only = on; pragma cache_size = -4096;",
    })?;
    connection.set_prepared_statement_cache_capacity(64);
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("is_like", 2, flags, |context| {
        let (text, pattern) = (context.get_raw(0), context.get_raw(1));
        Ok(is_like(text.as_str()?, pattern.as_str()?))
    })?;
    Ok(connection)
}

/// What `application_id` of a store says that has so many pieces of the schema: their number,
/// and in the lower half a digest of their text. So a store of a schema that was changed
/// without a new version is refused too.
fn schema_id(pieces: &[&str]) -> i32 {
    let mut digest = Sha256::new();
    pieces.iter().for_each(|piece| digest.update(piece));
    let digest = digest.finalize();
    let version = i32::try_from(pieces.len()).unwrap_or_default();
    version << 16 | i32::from(u16::from_be_bytes([digest[0], digest[1]]))
}

/// What of the schema a store lacks: nothing where it is this version's, all where there is
/// none yet; the first write adds it. Fails on a schema that no released version made.
pub(crate) fn missing_pieces(
    connection: &Connection,
    path: &Path,
) -> Result<&'static [&'static str], Error> {
    let id: i32 = connection.query_row("pragma application_id", [], |row| row.get(0))?;
    let has_tables: bool =
        connection
            .query_row("select exists (select 1 from sqlite_schema)", [], |row| row.get(0))?;
    let version = usize::try_from(id >> 16).unwrap_or(usize::MAX);
    match PIECES.split_at_checked(version) {
        Some((had, missing)) if version > 0 && id == schema_id(had) => Ok(missing),
        Some((_, missing)) if version == 0 && !has_tables => Ok(missing),
        None if id > 0 => Err(Error::newer(path)),
        _ => Err(Error::other_schema(path)),
    }
}

fn prepare(connection: &mut Connection, path: &Path) -> Result<(), Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have changed it since it was looked at.
    let missing = missing_pieces(&transaction, path)?;
    for piece in missing {
        transaction.execute_batch(piece)?;
    }
    if !missing.is_empty() {
        transaction.pragma_update(None, "application_id", schema_id(&PIECES))?;
    }
    transaction.commit()?;
    // Where readings wait until their application is complete. A temporary
    // table: never in the store's file, gone with the process.
    Ok(connection.execute_batch(
        "create temp table staged (
            place integer primary key, writer integer not null, finding_id blob not null, hash blob not null,
            raw blob not null, kind integer, differences text, draft text not null
        ) strict;
        create index temp.staged_by_writer on staged (writer);",
    )?)
}
