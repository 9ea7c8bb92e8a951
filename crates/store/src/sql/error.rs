//! Why an engine failed, in words that do not depend on it.

use std::fmt;

use rusqlite::ErrorCode;
use rusqlite::ffi;

#[cfg(feature = "postgres")]
use super::postgres::Failure;

/// Why an engine failed.
#[derive(Debug)]
pub(crate) enum Error {
    Sqlite(rusqlite::Error),
    #[cfg(feature = "postgres")]
    Postgres(Failure),
}

/// A failure that something follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Somebody else writes, and did not end in time.
    Busy,
    /// There is such a row already, or it refers to one that is not there.
    Constraint,
    /// No space is left.
    Full,
    /// The disk did not take what was written.
    WriteFailed,
    /// The file, or a folder on the way, cannot be used as it is.
    Unusable,
}

impl Error {
    /// Whether a statement that asks for one row found none.
    pub(super) fn is_no_row(&self) -> bool {
        match self {
            Self::Sqlite(error) => matches!(error, rusqlite::Error::QueryReturnedNoRows),
            #[cfg(feature = "postgres")]
            Self::Postgres(failure) => failure.is_no_row(),
        }
    }

    /// What follows from it, if anything does.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Sqlite(error) => of_sqlite(error),
            #[cfg(feature = "postgres")]
            Self::Postgres(failure) => failure.trouble(),
        }
    }

    /// The engine ended a transaction for the sake of another one.
    pub(crate) fn is_conflict(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            #[cfg(feature = "postgres")]
            Self::Postgres(failure) => failure.is_conflict(),
        }
    }

    /// What is stored is not what was written.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Sqlite(error) => is_damage(error),
            #[cfg(feature = "postgres")]
            Self::Postgres(failure) => failure.is_damage(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(error) => error.fmt(f),
            #[cfg(feature = "postgres")]
            Self::Postgres(failure) => failure.fmt(f),
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn of_sqlite(error: &rusqlite::Error) -> Option<Trouble> {
    match error.sqlite_error_code()? {
        ErrorCode::DatabaseBusy => Some(Trouble::Busy),
        ErrorCode::ConstraintViolation => Some(Trouble::Constraint),
        ErrorCode::DiskFull => Some(Trouble::Full),
        ErrorCode::SystemIoFailure if is_write(error) => Some(Trouble::WriteFailed),
        ErrorCode::ReadOnly
        | ErrorCode::CannotOpen
        | ErrorCode::PermissionDenied
        | ErrorCode::SystemIoFailure => Some(Trouble::Unusable),
        _ => None,
    }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        || matches!(
            error,
            rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::Utf8Error(..)
                | rusqlite::Error::InvalidColumnType(..)
        )
}

fn is_write(error: &rusqlite::Error) -> bool {
    let writes = [
        ffi::SQLITE_IOERR_WRITE,
        ffi::SQLITE_IOERR_FSYNC,
        ffi::SQLITE_IOERR_TRUNCATE,
        ffi::SQLITE_IOERR_SHMSIZE,
    ];
    error.sqlite_error().is_some_and(|error| writes.contains(&error.extended_code))
}
