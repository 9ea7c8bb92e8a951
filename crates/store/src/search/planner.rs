//! Who asks, what for, and pieces of SQL with their values.

use super::own::Own;
use crate::error::Error;
use crate::meter::{Meter, Metered};
use crate::sql::{Connection, FromSql, Value as SqlValue};

/// Who asks, and how many rows are few.
#[derive(Clone, Copy)]
pub(crate) struct Planner<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) few: usize,
    pub(crate) goal: Goal,
    pub(crate) meter: &'a Meter,
    /// The integrations that the question names.
    pub(crate) named: Option<&'a Own>,
    /// The same, where they are a part of the store.
    pub(crate) own: Option<&'a Own>,
}

/// What the rows are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// The first few that match.
    Page,
    /// All that match.
    Count,
}

impl<'a> Planner<'a> {
    /// A statement of the question.
    pub(crate) fn prepare(&self, sql: &str) -> Result<Metered<'a>, Error> {
        self.meter.prepare(self.connection, sql)
    }

    /// The only value of the only row.
    pub(crate) fn value<T: FromSql>(&self, sql: Sql) -> Result<T, Error> {
        let mut statement = self.prepare(&sql.text)?;
        Ok(statement.query_row(sql.values, |row| row.get(0))?)
    }

    /// The first value of each row.
    pub(crate) fn numbers(&self, sql: Sql) -> Result<Vec<i64>, Error> {
        let mut statement = self.prepare(&sql.text)?;
        let rows = statement.query_map(sql.values, |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// A piece of SQL with its values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sql {
    pub(crate) text: String,
    pub(crate) values: Vec<SqlValue>,
}

impl Sql {
    pub(crate) fn new(text: impl Into<String>, values: Vec<SqlValue>) -> Self {
        Self { text: text.into(), values }
    }

    pub(crate) fn push(&mut self, text: &str, values: impl IntoIterator<Item = SqlValue>) {
        self.text.push_str(text);
        self.values.extend(values);
    }

    /// This, and that after it.
    pub(crate) fn then(mut self, text: &str, more: Self) -> Self {
        self.push(text, []);
        self.push(&more.text, more.values);
        self
    }

    /// This, with more text around it.
    pub(crate) fn within(self, before: &str, after: &str) -> Self {
        Self { text: format!("{before}{}{after}", self.text), values: self.values }
    }
}
