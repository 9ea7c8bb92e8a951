//! Why PostgreSQL failed: a cause, and what to do about it.

use std::fmt;

use postgres::error::SqlState;

use super::super::{Error, Trouble};

/// A failure of the database, or of the way to it.
#[derive(Debug)]
pub(crate) struct Failure {
    cause: Cause,
    what: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Cause {
    /// A statement that asks for one row found none.
    NoRow,
    /// There is no connection any more.
    Lost,
    /// There was none to begin with.
    Unreachable,
    /// The server said no.
    Server(SqlState),
    /// A value is not of the type that it should have.
    Value,
    /// The program asks what it should not.
    Program,
}

impl Failure {
    pub(super) fn of(error: &postgres::Error) -> Self {
        let (cause, what) = match error.as_db_error() {
            Some(said) if is_end(said.code()) => (Cause::Lost, said.message().to_owned()),
            Some(said) => (Cause::Server(said.code().clone()), said.message().to_owned()),
            None if is_of_the_program(error) => (Cause::Program, told(error)),
            None => (Cause::Lost, told(error)),
        };
        Self { cause, what }
    }

    /// The same before anything was asked.
    pub(super) fn of_connecting(error: &postgres::Error) -> Self {
        let mut failure = Self::of(error);
        if failure.cause == Cause::Lost {
            failure.cause = Cause::Unreachable;
        }
        failure
    }

    pub(super) fn closed() -> Self {
        Self { cause: Cause::Lost, what: "it was closed".into() }
    }

    pub(super) fn value(at: usize, error: impl fmt::Display) -> Self {
        Self { cause: Cause::Value, what: format!("column {at}: {error}") }
    }

    pub(crate) fn program(what: impl Into<String>) -> Self {
        Self { cause: Cause::Program, what: what.into() }
    }

    pub(in crate::sql) fn no_row() -> Self {
        Self { cause: Cause::NoRow, what: "there is no such row".into() }
    }

    pub(in crate::sql) fn is_no_row(&self) -> bool {
        self.cause == Cause::NoRow
    }

    /// Whether the connection is of no use any more.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self.cause, Cause::Lost | Cause::Unreachable)
    }

    /// Two transactions waited for each other, or one saw what the other had changed.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(&self.cause, Cause::Server(code)
            if [SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE].contains(code))
    }

    /// The server accepts no writes: it was the primary, or never was.
    pub(crate) fn is_read_only(&self) -> bool {
        self.cause == Cause::Server(SqlState::READ_ONLY_SQL_TRANSACTION)
    }

    pub(crate) fn is_damage(&self) -> bool {
        match &self.cause {
            Cause::Value => true,
            Cause::Server(code) => {
                [SqlState::DATA_CORRUPTED, SqlState::INDEX_CORRUPTED].contains(code)
            }
            _ => false,
        }
    }

    pub(crate) fn trouble(&self) -> Option<Trouble> {
        let Cause::Server(code) = &self.cause else { return None };
        let busy = [
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::T_R_SERIALIZATION_FAILURE,
        ];
        if busy.contains(code) {
            return Some(Trouble::Busy);
        }
        match code {
            code if code.code().starts_with("23") => Some(Trouble::Constraint),
            code if *code == SqlState::DISK_FULL => Some(Trouble::Full),
            _ => None,
        }
    }

    /// What failed, of the database that is called so, and one thing to do about it.
    pub(crate) fn tell(&self, place: &str) -> String {
        let what = &self.what;
        let Cause::Server(code) = &self.cause else {
            return match self.cause {
                Cause::Lost => format!(
                    "the connection to the database `{place}` was lost: {what}\nhint: `pg_isready -d '{place}'` shows whether it accepts connections; the next command connects again"
                ),
                Cause::Unreachable => format!(
                    "failed to connect to the database `{place}`: {what}\nhint: `pg_isready -d '{place}'` shows whether it accepts connections"
                ),
                _ => format!("the database `{place}` failed: {what}"),
            };
        };
        match fix(code) {
            Some(fix) => format!("the database `{place}` failed: {what}\nhint: {fix}"),
            None => format!("the database `{place}` failed: {what} (SQLSTATE {})", code.code()),
        }
    }
}

/// The server ends the connection.
fn is_end(code: &SqlState) -> bool {
    [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW]
        .contains(code)
        || code.code() == "57P05"
        || code.code().starts_with("08")
}

/// Values that do not fit their parameters or columns.
fn is_of_the_program(error: &postgres::Error) -> bool {
    let text = error.to_string();
    ["error serializing", "error deserializing", "invalid column", "expected "]
        .iter()
        .any(|begin| text.starts_with(begin))
}

/// An error of the client with what is behind it.
fn told(error: &postgres::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    text
}

/// What to do about what the server says.
fn fix(code: &SqlState) -> Option<&'static str> {
    let known = [
        (
            SqlState::INVALID_PASSWORD,
            "check the user and the password, and what `pg_hba.conf` allows",
        ),
        (
            SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
            "check the user, and what `pg_hba.conf` allows",
        ),
        (SqlState::INVALID_CATALOG_NAME, "create the database with `createdb`"),
        (
            SqlState::INSUFFICIENT_PRIVILEGE,
            "make the user of the connection the owner of the database",
        ),
        (
            SqlState::TOO_MANY_CONNECTIONS,
            "raise `max_connections` of the server, or run fewer programs against it",
        ),
        (SqlState::DISK_FULL, "free space on the disk of the database server"),
        (
            SqlState::READ_ONLY_SQL_TRANSACTION,
            "connect to the primary server: this one is a replica or read-only",
        ),
        (SqlState::QUERY_CANCELED, "try again when the server has less to do"),
        (SqlState::LOCK_NOT_AVAILABLE, "another program is writing; try again in a few seconds"),
    ];
    known.into_iter().find(|(known, _)| known == code).map(|(_, fix)| fix)
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Postgres(failure)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}
