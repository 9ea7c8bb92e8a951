//! A `where` clause that grows with the filters of a request.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

#[derive(Clone)]
pub(crate) struct Condition {
    text: String,
    values: Vec<Value>,
}

impl Condition {
    pub(crate) fn new(text: &str, values: impl IntoIterator<Item = Value>) -> Self {
        Self { text: text.to_owned(), values: values.into_iter().collect() }
    }

    /// True of every row.
    pub(crate) fn always() -> Self {
        Self::new("true", [])
    }

    pub(crate) fn and(&mut self, text: &str, values: impl IntoIterator<Item = Value>) {
        self.text.push_str(" and ");
        self.text.push_str(text);
        self.values.extend(values);
    }

    pub(crate) fn one_of(&mut self, column: &str, values: impl IntoIterator<Item = Value>) {
        let before = self.values.len();
        self.values.extend(values);
        let marks = vec!["?"; self.values.len() - before].join(", ");
        self.text.push_str(&format!(" and {column} in ({marks})"));
    }

    /// Some member of the columns holds the text, case ignored.
    pub(crate) fn holds(&mut self, columns: &[&str], text: &str) {
        let any: Vec<_> =
            columns.iter().map(|column| format!("instr(lower({column}), lower(?)) > 0")).collect();
        let value = Value::Text(text.to_owned());
        self.and(&format!("({})", any.join(" or ")), vec![value; columns.len()]);
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The values, then those for what follows the clause.
    pub(crate) fn values_and(&self, more: impl IntoIterator<Item = Value>) -> Vec<Value> {
        self.values.iter().cloned().chain(more).collect()
    }

    pub(crate) fn count(
        &self,
        connection: &Connection,
        table: &str,
    ) -> Result<u64, rusqlite::Error> {
        connection
            .prepare_cached(&format!("select count(*) from {table} where {}", self.text))?
            .query_row(params_from_iter(&self.values), |row| row.get(0))
    }
}

/// A count as SQLite takes it.
pub(crate) fn number(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}
