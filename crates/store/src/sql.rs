//! The one layer between the store's modules and an engine: connections, transactions,
//! statements, rows and parameters.
//!
//! A statement is written once, in the SQL that SQLite and PostgreSQL share. Values are those of
//! `rusqlite`, whose traits say how a type becomes a value and comes back, for each engine. What
//! the engines do differently is in [`engine`], a function for each difference.

pub(crate) mod engine;
mod error;
mod params;

use std::ops::Deref;

pub(crate) use rusqlite::types::{
    FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Value, ValueRef,
};
pub(crate) use rusqlite::{Error as ToSqlError, named_params, params};

pub(crate) use self::error::{Error, Trouble};
pub(crate) use self::params::Params;

/// What an operation on the database came to.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Makes of a row that is not there a value that is not there.
pub(crate) trait Optional<T> {
    fn optional(self) -> Result<Option<T>>;
}

impl<T> Optional<T> for Result<T> {
    fn optional(self) -> Result<Option<T>> {
        match self {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_no_row() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Numbers of a list in JSON, which is the parameter with this mark.
pub(crate) fn numbers(mark: &str) -> String {
    format!("select value from json_each({mark})")
}

/// Texts of a list in JSON, in a column `atom`.
pub(crate) fn texts(mark: &str) -> String {
    format!("select atom from json_each({mark})")
}

/// A text that many findings share. An engine whose texts cannot hold every character has it as
/// bytes.
pub(crate) struct Text(pub(crate) String);

impl FromSql for Text {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let bytes = value.as_bytes()?;
        let text = std::str::from_utf8(bytes).map_err(|error| FromSqlError::Other(error.into()))?;
        Ok(Self(text.to_owned()))
    }
}

/// A connection to the database.
pub(crate) enum Connection {
    Sqlite(rusqlite::Connection),
}

impl Connection {
    /// A statement that the connection keeps for the next time.
    pub(crate) fn prepare(&self, sql: &str) -> Result<Statement<'_>> {
        match self {
            Self::Sqlite(connection) => Ok(Statement::Sqlite(connection.prepare_cached(sql)?)),
        }
    }

    /// Runs a statement that is not kept; answers how many rows it wrote.
    pub(crate) fn execute(&self, sql: &str, params: impl Params) -> Result<usize> {
        match self {
            Self::Sqlite(connection) => Ok(connection.execute(sql, params.sqlite())?),
        }
    }

    /// The first row of a statement that is not kept. Fails where there is none: see
    /// [`Optional`].
    pub(crate) fn query_row<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(Row<'_>) -> Result<T>,
    ) -> Result<T> {
        match self {
            Self::Sqlite(connection) => {
                first(&mut Rows::Sqlite(connection.prepare(sql)?.query(params.sqlite())?), read)
            }
        }
    }

    /// A transaction that writes, alone: another one waits until this one has ended.
    pub(crate) fn transaction(&self) -> Result<Transaction<'_>> {
        match self {
            // One that reads first and writes then would fail at once, not wait, when another
            // process wrote in between.
            Self::Sqlite(connection) => connection.execute_batch("begin immediate")?,
        }
        Ok(Transaction { connection: self, is_open: true })
    }

    /// A transaction that reads what the database has at one moment.
    pub(crate) fn snapshot(&self) -> Result<Transaction<'_>> {
        match self {
            Self::Sqlite(connection) => connection.execute_batch("begin deferred")?,
        }
        Ok(Transaction { connection: self, is_open: true })
    }

    fn run(&self, statement: &str) -> Result<()> {
        match self {
            Self::Sqlite(connection) => Ok(connection.execute_batch(statement)?),
        }
    }
}

fn first<T>(rows: &mut Rows<'_>, read: impl FnOnce(Row<'_>) -> Result<T>) -> Result<T> {
    match rows.next()? {
        Some(row) => read(row),
        None => Err(Error::Sqlite(rusqlite::Error::QueryReturnedNoRows)),
    }
}

/// A transaction, which is rolled back unless it is committed.
pub(crate) struct Transaction<'c> {
    connection: &'c Connection,
    is_open: bool,
}

impl Transaction<'_> {
    pub(crate) fn commit(mut self) -> Result<()> {
        self.connection.run("commit")?;
        self.is_open = false;
        Ok(())
    }
}

impl Deref for Transaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.is_open {
            // SQLite has rolled back by itself after some failures; then there is nothing to do.
            let _ = self.connection.run("rollback");
        }
    }
}

/// A prepared statement.
pub(crate) enum Statement<'c> {
    Sqlite(rusqlite::CachedStatement<'c>),
}

impl Statement<'_> {
    /// The rows of a question, one after the other.
    pub(crate) fn query(&mut self, params: impl Params) -> Result<Rows<'_>> {
        match self {
            Self::Sqlite(statement) => Ok(Rows::Sqlite(statement.query(params.sqlite())?)),
        }
    }

    /// The first row. Fails where there is none: see [`Optional`].
    pub(crate) fn query_row<T>(
        &mut self,
        params: impl Params,
        read: impl FnOnce(Row<'_>) -> Result<T>,
    ) -> Result<T> {
        first(&mut self.query(params)?, read)
    }

    /// What is made of each row.
    pub(crate) fn query_map<T, F>(&mut self, params: impl Params, read: F) -> Result<Mapped<'_, F>>
    where
        F: FnMut(Row<'_>) -> Result<T>,
    {
        Ok(Mapped { rows: self.query(params)?, read })
    }

    /// What is made of each row, where that can fail otherwise too.
    pub(crate) fn query_and_then<T, E, F>(
        &mut self,
        params: impl Params,
        read: F,
    ) -> Result<Mapped<'_, F>>
    where
        E: From<Error>,
        F: FnMut(Row<'_>) -> std::result::Result<T, E>,
    {
        Ok(Mapped { rows: self.query(params)?, read })
    }

    /// Runs it; answers how many rows it wrote.
    pub(crate) fn execute(&mut self, params: impl Params) -> Result<usize> {
        match self {
            Self::Sqlite(statement) => Ok(statement.execute(params.sqlite())?),
        }
    }

    /// Steps of SQLite's virtual machine since this was last asked; another engine counts none.
    pub(crate) fn take_steps(&mut self) -> u64 {
        match self {
            // SQLite counts to 2^32, and what is beyond the half of it comes back negative.
            Self::Sqlite(statement) => {
                (statement.reset_status(rusqlite::StatementStatus::VmStep) as u32).into()
            }
        }
    }
}

/// Rows of a question.
pub(crate) enum Rows<'s> {
    Sqlite(rusqlite::Rows<'s>),
}

impl Rows<'_> {
    /// The next row; none after the last.
    pub(crate) fn next(&mut self) -> Result<Option<Row<'_>>> {
        match self {
            Self::Sqlite(rows) => Ok(rows.next()?.map(Row::Sqlite)),
        }
    }
}

/// What is made of rows, one after the other.
pub(crate) struct Mapped<'s, F> {
    rows: Rows<'s>,
    read: F,
}

impl<T, E, F> Iterator for Mapped<'_, F>
where
    E: From<Error>,
    F: FnMut(Row<'_>) -> std::result::Result<T, E>,
{
    type Item = std::result::Result<T, E>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.rows.next() {
            Ok(Some(row)) => Some((self.read)(row)),
            Ok(None) => None,
            Err(error) => Some(Err(error.into())),
        }
    }
}

/// A row.
#[derive(Clone, Copy)]
pub(crate) enum Row<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
}

impl<'r> Row<'r> {
    /// The value in a column, counted from 0.
    pub(crate) fn get<T: FromSql>(self, at: usize) -> Result<T> {
        match self {
            Self::Sqlite(row) => Ok(row.get(at)?),
        }
    }

    /// The same as it is there.
    pub(crate) fn get_ref(self, at: usize) -> Result<ValueRef<'r>> {
        match self {
            Self::Sqlite(row) => Ok(row.get_ref(at)?),
        }
    }
}
