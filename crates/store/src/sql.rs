//! The one layer between the store's modules and an engine: connections, transactions,
//! statements, rows and parameters.
//!
//! A statement is written once, in the SQL that SQLite and PostgreSQL share. Values are those of
//! `rusqlite`, whose traits say how a type becomes a value and comes back, for each engine. What
//! the engines do differently is in [`engine`], a function for each difference.

mod each;
pub(crate) mod engine;
mod error;
mod params;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;

use std::ops::Deref;

pub(crate) use rusqlite::types::{
    FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Value, ValueRef,
};
pub(crate) use rusqlite::{Error as ToSqlError, named_params, params};

pub(crate) use self::each::{Bulk, Each, Many};
pub(crate) use self::error::{Error, Trouble};
pub(crate) use self::params::Params;
use crate::unpacking::Idle;

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

/// What a value of a row is.
pub(crate) fn typed<T: FromSql>(value: ValueRef<'_>) -> Result<T> {
    T::column_result(value).map_err(|error| rusqlite::Error::from(error).into())
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

/// Which other transactions one that writes waits for, where several write at once. SQLite has one
/// at a time whatever this says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// All but those of rooms, which are about other tables: what it reads still holds when it
    /// commits.
    Alone,
    /// Those that are alone, and not each other: what one application is. What such a writer
    /// shares with others is in `writer`.
    Application,
    /// Those of the same room alone.
    Room(Room),
    /// None: it is about what nobody else sees.
    Own,
}

/// Tables that nothing else writes to, which are written often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// Destinations, with what is sent to them.
    Deliveries,
    /// The requests of the signing proxy.
    Proxy,
    /// What was asked by the API.
    Traffic,
}

/// A connection to a file, and what is kept as long as it is open.
pub(crate) struct Sqlite {
    connection: rusqlite::Connection,
    unpacking: Idle,
}

impl Deref for Sqlite {
    type Target = rusqlite::Connection;

    fn deref(&self) -> &rusqlite::Connection {
        &self.connection
    }
}

/// A connection to the database.
pub(crate) enum Connection {
    Sqlite(Sqlite),
    #[cfg(feature = "postgres")]
    Postgres(Box<postgres::Connection>),
}

impl Connection {
    pub(crate) fn of_sqlite(connection: rusqlite::Connection) -> Self {
        Self::Sqlite(Sqlite { connection, unpacking: Idle::default() })
    }

    /// What unpacks its records.
    pub(crate) fn unpacking(&self) -> &Idle {
        match self {
            Self::Sqlite(connection) => &connection.unpacking,
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => connection.unpacking(),
        }
    }

    /// A statement that the connection keeps for the next time.
    pub(crate) fn prepare(&self, sql: &str) -> Result<Statement<'_>> {
        match self {
            Self::Sqlite(connection) => Ok(Statement::Sqlite(connection.prepare_cached(sql)?)),
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => Ok(Statement::Postgres(connection.prepare(sql)?)),
        }
    }

    /// Runs a statement that is not kept; answers how many rows it wrote.
    pub(crate) fn execute(&self, sql: &str, params: impl Params) -> Result<usize> {
        match self {
            Self::Sqlite(connection) => Ok(connection.execute(sql, params.sqlite())?),
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => connection.prepare(sql)?.execute(params),
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
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => {
                first(&mut Rows::Postgres(connection.prepare(sql)?.query(params)?), read)
            }
        }
    }

    /// A transaction that writes, alone: another one waits until this one has ended.
    pub(crate) fn transaction(&self) -> Result<Transaction<'_>> {
        self.transaction_in(Turn::Alone)
    }

    /// A transaction that writes beside others, where the engine has more than one.
    pub(crate) fn transaction_in(&self, turn: Turn) -> Result<Transaction<'_>> {
        match self {
            // One that reads first and writes then would fail at once, not wait, when another
            // process wrote in between.
            Self::Sqlite(connection) => {
                let _ = turn;
                connection.execute_batch("begin immediate")?;
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => connection.begin(turn)?,
        }
        Ok(Transaction { connection: self, is_open: true })
    }

    /// A short transaction that writes: where there is a server, it waits for those alone that
    /// change the same rows.
    pub(crate) fn brief(&self) -> Result<Transaction<'_>> {
        match self {
            Self::Sqlite(connection) => connection.execute_batch("begin immediate")?,
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => connection.begin_brief()?,
        }
        Ok(Transaction { connection: self, is_open: true })
    }

    /// A transaction that reads what the database has at one moment. Within another one, that
    /// of the other.
    pub(crate) fn snapshot(&self) -> Result<Transaction<'_>> {
        let is_within = match self {
            Self::Sqlite(connection) => !connection.is_autocommit(),
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => connection.is_within(),
        };
        if !is_within {
            match self {
                Self::Sqlite(connection) => connection.execute_batch("begin deferred")?,
                #[cfg(feature = "postgres")]
                Self::Postgres(connection) => connection.begin_snapshot()?,
            }
        }
        Ok(Transaction { connection: self, is_open: !is_within })
    }

    fn end(&self, how: &str) -> Result<()> {
        match self {
            Self::Sqlite(connection) => Ok(connection.execute_batch(how)?),
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => connection.end(how),
        }
    }

    /// Whether it can be used again: a connection to a server may be lost.
    pub(crate) fn is_lost(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => connection.is_lost(),
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
        self.connection.end("commit")?;
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
            let _ = self.connection.end("rollback");
        }
    }
}

/// A prepared statement.
pub(crate) enum Statement<'c> {
    Sqlite(rusqlite::CachedStatement<'c>),
    #[cfg(feature = "postgres")]
    Postgres(postgres::Statement<'c>),
}

impl Statement<'_> {
    /// The rows of a question, one after the other.
    pub(crate) fn query(&mut self, params: impl Params) -> Result<Rows<'_>> {
        match self {
            Self::Sqlite(statement) => Ok(Rows::Sqlite(statement.query(params.sqlite())?)),
            #[cfg(feature = "postgres")]
            Self::Postgres(statement) => Ok(Rows::Postgres(statement.query(params)?)),
        }
    }

    /// The rows of a question that may be many more than memory should hold.
    pub(crate) fn scan(&mut self, params: impl Params) -> Result<Rows<'_>> {
        match self {
            Self::Sqlite(statement) => Ok(Rows::Sqlite(statement.query(params.sqlite())?)),
            #[cfg(feature = "postgres")]
            Self::Postgres(statement) => Ok(Rows::Postgres(statement.scan(params)?)),
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
            #[cfg(feature = "postgres")]
            Self::Postgres(statement) => statement.execute(params),
        }
    }

    /// Steps of SQLite's virtual machine since this was last asked; another engine counts none.
    pub(crate) fn take_steps(&mut self) -> u64 {
        match self {
            // SQLite counts to 2^32, and what is beyond the half of it comes back negative.
            Self::Sqlite(statement) => {
                (statement.reset_status(rusqlite::StatementStatus::VmStep) as u32).into()
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => 0,
        }
    }
}

/// Rows of a question.
pub(crate) enum Rows<'s> {
    Sqlite(rusqlite::Rows<'s>),
    #[cfg(feature = "postgres")]
    Postgres(postgres::Rows<'s>),
}

impl Rows<'_> {
    /// The next row; none after the last.
    pub(crate) fn next(&mut self) -> Result<Option<Row<'_>>> {
        match self {
            Self::Sqlite(rows) => Ok(rows.next()?.map(Row::Sqlite)),
            #[cfg(feature = "postgres")]
            Self::Postgres(rows) => Ok(rows.next()?.map(Row::Postgres)),
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
    #[cfg(feature = "postgres")]
    Postgres(&'r ::postgres::Row),
}

impl<'r> Row<'r> {
    /// The value in a column, counted from 0.
    pub(crate) fn get<T: FromSql>(self, at: usize) -> Result<T> {
        match self {
            Self::Sqlite(row) => Ok(row.get(at)?),
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => postgres::get(row, at),
        }
    }

    /// The same as it is there.
    pub(crate) fn get_ref(self, at: usize) -> Result<ValueRef<'r>> {
        match self {
            Self::Sqlite(row) => Ok(row.get_ref(at)?),
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => postgres::get_ref(row, at),
        }
    }

    /// The same of as many columns, from this one on. Which engine it is of is asked once.
    pub(crate) fn values<const COUNT: usize>(self, from: usize) -> Result<[ValueRef<'r>; COUNT]> {
        let mut values = [ValueRef::Null; COUNT];
        match self {
            Self::Sqlite(row) => {
                for (value, at) in values.iter_mut().zip(from..) {
                    *value = row.get_ref(at)?;
                }
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => {
                for (value, at) in values.iter_mut().zip(from..) {
                    *value = postgres::get_ref(row, at)?;
                }
            }
        }
        Ok(values)
    }
}
