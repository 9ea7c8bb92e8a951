//! What the store can fail with.

use std::fmt;
use std::path::Path;

use countersign_files::{self as files, Cause};

#[cfg(feature = "postgres")]
use crate::sql::postgres::Address;
use crate::sql::{self, Trouble};

/// A store failure.
#[derive(Debug)]
pub struct Error(Kind);

#[derive(Debug)]
enum Kind {
    File(countersign_files::Error),
    Open {
        path: String,
        what: String,
    },
    Kept {
        path: String,
        cause: Cause,
    },
    WriteFailed {
        path: String,
    },
    NewerSchema {
        path: String,
    },
    OtherSchema {
        path: String,
    },
    LogMissing {
        path: String,
    },
    InUseElsewhere {
        path: String,
    },
    Sql(sql::Error),
    #[cfg(feature = "postgres")]
    Server {
        place: String,
        failure: sql::postgres::Failure,
    },
    Setting(String),
    #[cfg(feature = "postgres")]
    UnfitServer {
        place: String,
        what: String,
    },
    Corrupt(String),
    Damaged {
        path: String,
        what: String,
    },
    NotFound {
        what: &'static str,
        name: String,
    },
    Exists {
        what: &'static str,
        name: String,
    },
    InUse {
        name: String,
    },
    Superseded {
        name: String,
    },
    /// Somebody else does what this one did, because its lease had ended.
    TakenOver(&'static str),
    CallerExists {
        name: String,
    },
    Busy {
        path: String,
    },
    WriterTaken,
    Outdated,
    ReadingLost,
    NotEmpty,
    CopiedOtherwise(String),
    Stopped,
}

impl Error {
    pub(crate) fn open(path: &Path, what: impl fmt::Display) -> Self {
        Self(Kind::Open { path: path.display().to_string(), what: what.to_string() })
    }

    pub(crate) fn newer(path: &Path) -> Self {
        Self(Kind::NewerSchema { path: path.display().to_string() })
    }

    pub(crate) fn other_schema(path: &Path) -> Self {
        Self(Kind::OtherSchema { path: path.display().to_string() })
    }

    pub(crate) fn log_missing(path: &Path) -> Self {
        Self(Kind::LogMissing { path: path.display().to_string() })
    }

    pub(crate) fn in_use_elsewhere(path: &Path) -> Self {
        Self(Kind::InUseElsewhere { path: path.display().to_string() })
    }

    /// The same, with the cause that is behind it when it is the disk, the file system or
    /// a permission.
    pub(crate) fn at(self, path: &Path) -> Self {
        let error = match &self.0 {
            Kind::Sql(error) if error.is_damage() => {
                let (path, what) = (path.display().to_string(), error.to_string());
                return Self(Kind::Damaged { path, what });
            }
            Kind::Corrupt(what) => {
                let (path, what) = (path.display().to_string(), what.clone());
                return Self(Kind::Damaged { path, what });
            }
            Kind::Sql(error) => error,
            _ => return self,
        };
        let folder = path.parent().unwrap_or(Path::new("."));
        match error.trouble() {
            Some(Trouble::Full) => {
                Self(Kind::Kept { path: path.display().to_string(), cause: Cause::Full })
            }
            Some(Trouble::WriteFailed) => {
                Self(Kind::WriteFailed { path: path.display().to_string() })
            }
            Some(Trouble::Unusable) => {
                let found = files::usable(path, false)
                    .and_then(|()| files::usable(path, true))
                    .and_then(|()| files::usable(folder, true));
                found.err().filter(|found| found.cause().is_some()).map_or(self, Self::from)
            }
            _ => self,
        }
    }

    /// The same, of the database at this address.
    #[cfg(feature = "postgres")]
    pub(crate) fn of_server(self, address: &Address) -> Self {
        match self.0 {
            Kind::Sql(sql::Error::Postgres(failure)) => {
                Self(Kind::Server { place: address.to_string(), failure })
            }
            Kind::Corrupt(what) => Self(Kind::Damaged { path: address.to_string(), what }),
            kind => Self(kind),
        }
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn address(what: &str) -> Self {
        Self(Kind::Setting(format!("the address of the database is wrong: {what}")))
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn unfit_server(address: &Address, version: i64, encoding: &str) -> Self {
        let what = match encoding {
            "UTF8" => format!(
                "is PostgreSQL {}\nhint: use a server of version 15 or later",
                version / 10_000
            ),
            other => format!(
                "has the encoding {other}\nhint: create another with `createdb --encoding UTF8 --template template0`"
            ),
        };
        Self(Kind::UnfitServer { place: address.to_string(), what })
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn newer_database(address: &Address) -> Self {
        let what = "was written by a newer version of countersign\nhint: use that version";
        Self(Kind::UnfitServer { place: address.to_string(), what: what.into() })
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn other_database(address: &Address) -> Self {
        let what = "has tables that are not those of this version of countersign\nhint: create an empty database with `createdb`, and name it instead";
        Self(Kind::UnfitServer { place: address.to_string(), what: what.into() })
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn no_file(address: &Address) -> Self {
        let what = format!(
            "is no file that can be copied\nhint: `pg_dump -Fc -d '{address}' -f store.dump` writes a copy of it"
        );
        Self(Kind::UnfitServer { place: address.to_string(), what })
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn busy_database(address: &Address) -> Self {
        Self(Kind::Busy { path: address.to_string() })
    }

    /// Something that is stored and is not what was stored.
    pub fn damaged(what: impl fmt::Display) -> Self {
        Self::corrupt(what)
    }

    pub(crate) fn corrupt(what: impl fmt::Display) -> Self {
        Self(Kind::Corrupt(what.to_string()))
    }

    /// What says where the store is cannot be followed.
    pub fn setting(what: impl fmt::Display) -> Self {
        Self(Kind::Setting(what.to_string()))
    }

    /// It is about what somebody configured, and nothing was asked of the store.
    pub fn is_of_settings(&self) -> bool {
        matches!(self.0, Kind::Setting(_))
    }

    /// A finding whose application is not there.
    pub fn missing_application(guid: &str) -> Self {
        Self::corrupt(format_args!("there is no application {guid}, and findings of it"))
    }

    /// What is stored and cannot be written in a format.
    pub fn unwritable(error: std::io::Error) -> Self {
        Self::corrupt(format_args!("a record cannot be written: {error}"))
    }

    pub(crate) fn not_found(what: &'static str, name: impl Into<String>) -> Self {
        Self(Kind::NotFound { what, name: name.into() })
    }

    pub(crate) fn exists(what: &'static str, name: &str) -> Self {
        Self(Kind::Exists { what, name: name.to_owned() })
    }

    pub(crate) fn in_use(name: impl Into<String>) -> Self {
        Self(Kind::InUse { name: name.into() })
    }

    pub(crate) fn superseded(name: &str) -> Self {
        Self(Kind::Superseded { name: name.to_owned() })
    }

    pub(crate) fn taken_over(what: &'static str) -> Self {
        Self(Kind::TakenOver(what))
    }

    pub(crate) fn busy_place(place: String) -> Self {
        Self(Kind::Busy { path: place })
    }

    pub(crate) fn caller_exists(name: &str) -> Self {
        Self(Kind::CallerExists { name: name.to_owned() })
    }

    pub(crate) fn busy(path: &Path) -> Self {
        Self(Kind::Busy { path: path.display().to_string() })
    }

    pub(crate) fn writer_taken() -> Self {
        Self(Kind::WriterTaken)
    }

    pub(crate) fn stopped() -> Self {
        Self(Kind::Stopped)
    }

    /// A connection was lost with what a reading had put aside.
    pub(crate) fn reading_lost() -> Self {
        Self(Kind::ReadingLost)
    }

    pub(crate) fn not_empty() -> Self {
        Self(Kind::NotEmpty)
    }

    /// A table that a copy does not have as it was.
    pub(crate) fn copied_otherwise(table: &str) -> Self {
        Self(Kind::CopiedOtherwise(table.to_owned()))
    }

    pub(crate) fn outdated() -> Self {
        Self(Kind::Outdated)
    }

    /// A row that is already there means that somebody else wrote it since.
    pub(crate) fn of_insert(self) -> Self {
        match &self.0 {
            Kind::Sql(error) if error.trouble() == Some(Trouble::Constraint) => Self::outdated(),
            _ => self,
        }
    }

    /// The engine ended a transaction for the sake of another one that was under way; the same
    /// one may work now.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(&self.0, Kind::Sql(error) if error.is_conflict())
    }

    /// There is nothing of that name.
    pub fn is_not_found(&self) -> bool {
        matches!(self.0, Kind::NotFound { .. })
    }

    /// There is something of that name already.
    pub fn is_existing(&self) -> bool {
        matches!(self.0, Kind::Exists { .. } | Kind::CallerExists { .. })
    }

    /// It is needed by something else that is stored.
    pub fn is_in_use(&self) -> bool {
        matches!(self.0, Kind::InUse { .. })
    }

    /// Somebody else writes, and did not end in time; the same may work later.
    pub fn is_locked(&self) -> bool {
        match &self.0 {
            Kind::WriterTaken => true,
            Kind::Sql(error) => error.trouble() == Some(Trouble::Busy),
            #[cfg(feature = "postgres")]
            Kind::Server { failure, .. } => failure.trouble() == Some(Trouble::Busy),
            _ => false,
        }
    }

    /// Somebody else wrote to the application since it was looked at; nothing was written.
    /// Another look at it may end otherwise.
    pub fn is_outdated(&self) -> bool {
        matches!(self.0, Kind::Outdated)
    }

    /// Another process has taken over what this one was writing.
    pub fn is_superseded(&self) -> bool {
        matches!(self.0, Kind::Superseded { .. } | Kind::TakenOver(_))
    }

    /// The same of what was claimed from a run that several processes do, or of the run.
    pub fn is_taken_over(&self) -> bool {
        matches!(self.0, Kind::TakenOver(_))
    }

    /// Other users could have written to it, or to a folder on the way.
    pub fn is_exposed(&self) -> bool {
        matches!(&self.0, Kind::File(error) if error.is_exposed())
    }

    /// What keeps the store from being read or written although nothing is wrong with it.
    pub fn cause(&self) -> Option<Cause> {
        match &self.0 {
            Kind::File(error) => error.cause(),
            Kind::Kept { cause, .. } => Some(*cause),
            #[cfg(feature = "postgres")]
            Kind::Server { failure, .. } if failure.trouble() == Some(Trouble::Full) => {
                Some(Cause::Full)
            }
            _ => None,
        }
    }

    /// What is stored is not what was written.
    pub fn is_damage(&self) -> bool {
        match &self.0 {
            Kind::Corrupt(_) | Kind::Damaged { .. } => true,
            Kind::Sql(error) => error.is_damage(),
            #[cfg(feature = "postgres")]
            Kind::Server { failure, .. } => failure.is_damage(),
            _ => false,
        }
    }

    /// It says nothing of what is stored: another time it may work.
    pub(crate) fn is_of_the_moment(&self) -> bool {
        #[cfg(feature = "postgres")]
        if matches!(&self.0, Kind::Server { failure, .. } if failure.is_lost()) {
            return true;
        }
        self.is_locked()
            || self.cause().is_some()
            || matches!(self.0, Kind::File(_) | Kind::WriteFailed { .. } | Kind::Stopped)
    }

    /// What is damaged, without where.
    pub(crate) fn damage(&self) -> String {
        match &self.0 {
            Kind::Damaged { what, .. } | Kind::Corrupt(what) => what.clone(),
            _ => self.to_string(),
        }
    }

    /// The store was copied without its write-ahead log.
    pub fn is_log_missing(&self) -> bool {
        matches!(self.0, Kind::LogMissing { .. })
    }

    /// Another process is syncing into this store.
    pub fn is_busy(&self) -> bool {
        matches!(self.0, Kind::Busy { .. })
    }
}

impl Kind {
    /// What is wrong with the file of a store.
    fn tell_of_file(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Open { path, what } => write!(f, "failed to open the store `{path}`: {what}"),
            Kind::Kept { path, cause } => write!(
                f,
                "failed to write to the store `{path}`: {}\nhint: {}",
                cause.as_str(),
                cause.fix(Path::new(path))
            ),
            Kind::WriteFailed { path } => write!(
                f,
                "failed to write to the store `{path}`: the disk, a quota or a file size limit is full, or the disk is failing\nhint: `df -h {}` shows the space that is left",
                files::quoted(
                    &Path::new(path).parent().unwrap_or(Path::new(".")).display().to_string()
                )
            ),
            Kind::NewerSchema { path } => write!(
                f,
                "the store `{path}` was written by a newer version of countersign\nhint: use that version"
            ),
            Kind::OtherSchema { path } => write!(
                f,
                "the store `{path}` was written by a version of countersign whose stores this one cannot read\nhint: `mv {path} {path}.old` sets it aside; then add the integrations again"
            ),
            Kind::LogMissing { path } => write!(
                f,
                "the store `{path}` was copied without its write-ahead log `{path}-wal`: what was written last is missing\nhint: copy both files, or make the copy with `countersign store backup store.backup`; `countersign store check --accept-missing-log` continues without what is missing"
            ),
            Kind::InUseElsewhere { path } => write!(
                f,
                "another process has the store `{path}` open\nhint: stop `countersign serve` and other commands, then run it again"
            ),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::File(error) => error.fmt(f),
            Kind::Open { .. }
            | Kind::Kept { .. }
            | Kind::WriteFailed { .. }
            | Kind::NewerSchema { .. }
            | Kind::OtherSchema { .. }
            | Kind::LogMissing { .. }
            | Kind::InUseElsewhere { .. } => self.0.tell_of_file(f),
            #[cfg(feature = "postgres")]
            Kind::Server { place, failure } => f.write_str(&failure.tell(place)),
            Kind::Setting(what) => f.write_str(what),
            #[cfg(feature = "postgres")]
            Kind::UnfitServer { place, what } => write!(f, "the database `{place}` {what}"),
            Kind::Sql(error) if error.is_damage() => {
                write!(f, "the store is damaged: {error}\nhint: {DAMAGED}")
            }
            Kind::Sql(error) => write!(f, "the store failed: {error}"),
            Kind::Corrupt(what) => write!(f, "the store is damaged: {what}\nhint: {DAMAGED}"),
            Kind::Damaged { path, what } => {
                write!(f, "the store `{path}` is damaged: {what}\nhint: {DAMAGED}")
            }
            Kind::NotFound { what, name } => write!(f, "there is no {what} `{name}`"),
            Kind::Exists { what, name } => write!(
                f,
                "there is already a {what} `{name}`\nhint: choose another name, or remove it first"
            ),
            Kind::InUse { name } => write!(
                f,
                "credential `{name}` is in use\nhint: remove the integration that signs with it, or wait until the rotation is over"
            ),
            Kind::Superseded { name } => {
                write!(f, "another process has taken over the rotation of `{name}`")
            }
            Kind::TakenOver(what) => write!(
                f,
                "another process has taken over {what}: this one did not renew its lease in time\nhint: `countersign status` shows who continues"
            ),
            Kind::CallerExists { name } => write!(
                f,
                "there is a caller `{name}` already\nhint: choose another name, or revoke it first"
            ),
            Kind::Busy { path } => {
                write!(f, "another process is syncing into `{path}`\nhint: wait until it has ended")
            }
            Kind::WriterTaken => {
                write!(f, "the store is being written\nhint: try again in a few seconds")
            }
            Kind::Outdated => {
                write!(
                    f,
                    "others write to the same application\nhint: run it again when they are done"
                )
            }
            Kind::NotEmpty => write!(
                f,
                "the store to copy into is not empty\nhint: name a file that does not exist, or an empty database"
            ),
            Kind::CopiedOtherwise(table) => write!(
                f,
                "the copy of `{table}` is not what was stored: nothing was copied\nhint: {DAMAGED}"
            ),
            Kind::ReadingLost => write!(
                f,
                "the connection to the database was lost while an application was read\nhint: run it again"
            ),
            Kind::Stopped => write!(f, "the store was stopped while it was working"),
        }
    }
}

impl std::error::Error for Error {}

impl From<countersign_files::Error> for Error {
    fn from(error: countersign_files::Error) -> Self {
        Self(Kind::File(error))
    }
}

impl From<sql::Error> for Error {
    fn from(error: sql::Error) -> Self {
        Self(Kind::Sql(error))
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self(Kind::Sql(error.into()))
    }
}

const DAMAGED: &str = "`countersign store check` lists what is damaged and what to do about it";
