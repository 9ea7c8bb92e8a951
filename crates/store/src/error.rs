//! What the store can fail with.

use std::fmt;
use std::path::Path;

/// A store failure.
#[derive(Debug)]
pub struct Error(Kind);

#[derive(Debug)]
enum Kind {
    File(countersign_files::Error),
    Open { path: String, what: String },
    Sql(rusqlite::Error),
    Corrupt(String),
    NotFound { what: &'static str, name: String },
    Exists { what: &'static str, name: String },
    InUse { name: String },
    Superseded { name: String },
    CallerExists { name: String },
    Busy { path: String },
    Stopped,
}

impl Error {
    pub(crate) fn open(path: &Path, what: impl fmt::Display) -> Self {
        Self(Kind::Open { path: path.display().to_string(), what: what.to_string() })
    }

    pub(crate) fn corrupt(what: impl fmt::Display) -> Self {
        Self(Kind::Corrupt(what.to_string()))
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

    pub(crate) fn caller_exists(name: &str) -> Self {
        Self(Kind::CallerExists { name: name.to_owned() })
    }

    pub(crate) fn busy(path: &Path) -> Self {
        Self(Kind::Busy { path: path.display().to_string() })
    }

    pub(crate) fn stopped() -> Self {
        Self(Kind::Stopped)
    }

    /// There is nothing of that name.
    pub fn is_not_found(&self) -> bool {
        matches!(self.0, Kind::NotFound { .. })
    }

    /// There is something of that name already.
    pub fn is_existing(&self) -> bool {
        matches!(self.0, Kind::Exists { .. } | Kind::CallerExists { .. })
    }

    /// Somebody else writes, and did not end in time; the same may work later.
    pub fn is_locked(&self) -> bool {
        matches!(&self.0, Kind::Sql(error)
            if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy))
    }

    /// Another process has taken over what this one was writing.
    pub fn is_superseded(&self) -> bool {
        matches!(self.0, Kind::Superseded { .. })
    }

    /// Other users could have written to it, or to a folder on the way.
    pub fn is_exposed(&self) -> bool {
        matches!(&self.0, Kind::File(error) if error.is_exposed())
    }

    /// Another process is syncing into this store.
    pub fn is_busy(&self) -> bool {
        matches!(self.0, Kind::Busy { .. })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::File(error) => error.fmt(f),
            Kind::Open { path, what } => write!(f, "failed to open the store `{path}`: {what}"),
            Kind::Sql(error) => write!(f, "the store failed: {error}"),
            Kind::Corrupt(what) => write!(f, "the store holds something unreadable: {what}"),
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
            Kind::CallerExists { name } => write!(
                f,
                "there is a caller `{name}` already\nhint: choose another name, or revoke it first"
            ),
            Kind::Busy { path } => {
                write!(f, "another process is syncing into `{path}`\nhint: wait until it has ended")
            }
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

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self(Kind::Sql(error))
    }
}
