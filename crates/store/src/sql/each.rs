//! A statement for each of many rows of values. SQLite runs it for one after the other;
//! PostgreSQL, where every statement costs a way to the server and back, is given all of them at once.

use super::{Connection, Result, Statement, ToSql};
#[cfg(feature = "postgres")]
use super::{Value, params::value};

/// What is done with each row.
pub(crate) struct Bulk {
    /// With one: its values are the parameters, in their order.
    pub(crate) one: &'static str,
    /// With many.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "SQLite has one at a time"))]
    pub(crate) many: Many,
}

/// How many rows are given at once.
#[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "SQLite has one at a time"))]
pub(crate) enum Many {
    /// By `copy`: they are new.
    Copy {
        /// Where to.
        table: &'static str,
        /// What the values are.
        columns: &'static str,
    },
    /// By a statement whose parameters are arrays, one for each value of a row.
    Arrays(&'static str),
}

/// Rows that it is done with.
pub(crate) struct Each<'c> {
    connection: &'c Connection,
    bulk: &'static Bulk,
    /// Prepared by the first row.
    statement: Option<Statement<'c>>,
    #[cfg(feature = "postgres")]
    waiting: Vec<Vec<Value>>,
}

impl<'c> Each<'c> {
    pub(crate) fn new(connection: &'c Connection, bulk: &'static Bulk) -> Self {
        Self {
            connection,
            bulk,
            statement: None,
            #[cfg(feature = "postgres")]
            waiting: Vec::new(),
        }
    }

    /// One more row. It is there after [`flush`](Self::flush), if not before.
    pub(crate) fn put(&mut self, values: &[&dyn ToSql]) -> Result<()> {
        match self.connection {
            Connection::Sqlite(_) => {
                let statement = match &mut self.statement {
                    Some(statement) => statement,
                    none => none.insert(self.connection.prepare(self.bulk.one)?),
                };
                statement.execute(values)?;
            }
            #[cfg(feature = "postgres")]
            Connection::Postgres(_) => {
                let values = values.iter().map(|one| value(*one));
                self.waiting.push(values.collect::<Result<_>>()?);
            }
        }
        Ok(())
    }

    /// How many rows are not there yet.
    pub(crate) fn waiting(&self) -> usize {
        #[cfg(feature = "postgres")]
        return self.waiting.len();
        #[cfg(not(feature = "postgres"))]
        return 0;
    }

    /// All rows are there afterwards.
    pub(crate) fn flush(&mut self) -> Result<()> {
        #[cfg(feature = "postgres")]
        if let Connection::Postgres(connection) = self.connection
            && !self.waiting.is_empty()
        {
            let rows = std::mem::take(&mut self.waiting).into_iter();
            return match &self.bulk.many {
                Many::Copy { table, columns } => connection.copy(table, columns, rows),
                Many::Arrays(sql) => connection.prepare(sql)?.execute_arrays(rows),
            };
        }
        Ok(())
    }
}
