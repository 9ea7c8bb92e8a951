//! How many findings there are of each value of a field.

use countersign_findings::filter::{Expression, Field, Type};

use crate::columns::{CATEGORY_NAMES, CWE_NAMES, Kind, state_of};
use crate::error::Error;
use crate::search::condition::{column, condition};
use crate::search::counted::table_with;
use crate::search::plan::plan;
use crate::search::planner::{Goal, Planner};
use crate::sql::{Connection, Optional, Text, Value as SqlValue, params};
use crate::store::Store;

/// A value, and how many findings have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FacetRow {
    /// As filters write it.
    pub value: String,
    /// For people.
    pub label: String,
    /// Findings.
    pub count: u64,
}

impl Store {
    /// The values of a field among the findings that match, most frequent first.
    /// Those without a value do not count, and neither do fields that are not countable.
    pub async fn facet(
        &self,
        filter: Expression,
        field: Field,
        limit: u32,
    ) -> Result<Vec<FacetRow>, Error> {
        self.ask(Goal::Count, filter, move |planner, filter| {
            let rows = groups(planner, filter, field, limit)?;
            let named = |(value, count)| {
                let (value, label) = name(planner.connection, field, &value)?;
                Ok(FacetRow { value, label, count })
            };
            rows.into_iter().map(named).collect()
        })
        .await
    }
}

fn groups(
    planner: &Planner<'_>,
    filter: &Expression,
    field: Field,
    limit: u32,
) -> Result<Vec<(SqlValue, u64)>, Error> {
    if !field.is_countable() {
        return Ok(Vec::new());
    }
    let column = column(field);
    let (from, condition, count) = match table_with(filter, field) {
        Some(table) => {
            let condition = condition(planner, filter)?.into_sql();
            (format!("{table} where"), condition, "sum(findings)")
        }
        None => {
            let Some(plan) = plan(planner, filter)? else { return Ok(Vec::new()) };
            (format!("{} where gone = 0 and", plan.source()), plan.condition, "count(*)")
        }
    };
    let mut sql = condition.within(
        &format!("select {column}, {count} from {from} "),
        &format!(
            " and {column} is not null
         group by 1 having {count} > 0 order by 2 desc, 1 limit ?"
        ),
    );
    sql.push("", [SqlValue::Integer(limit.into())]);
    let mut statement = planner.prepare(&sql.text)?;
    let rows = statement.query_map(sql.values, |row| Ok((row.get(0)?, row.get::<u64>(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A value as filters write it, and as people read it.
fn name(
    connection: &Connection,
    field: Field,
    value: &SqlValue,
) -> Result<(String, String), Error> {
    let SqlValue::Integer(number) = value else {
        return Err(Error::corrupt("a value that is no number"));
    };
    let two = |sql: &str| -> Result<(String, String), Error> {
        let mut statement = connection.prepare(sql)?;
        Ok(statement.query_row([number], |row| Ok((row.get(0)?, row.get(1)?)))?)
    };
    let called = |kind: u8, before: &str| -> Result<(String, String), Error> {
        let mut statement =
            connection.prepare("select name from names where kind = ? and number = ?")?;
        let name: Option<String> =
            statement.query_row(params![kind, number], |row| row.get(0)).optional()?;
        let label = match name {
            Some(name) => format!("{before}{number} {name}"),
            None => format!("{before}{number}"),
        };
        Ok((number.to_string(), label))
    };
    match field {
        Field::Application => two("select guid, name from applications where id = ?"),
        Field::ApplicationName => two("select name, name from applications where id = ?"),
        Field::Context => two("select name, name from contexts where id = ?"),
        Field::State => {
            let word = state_of(*number)?.as_str();
            Ok((word.to_owned(), word.replace('_', " ")))
        }
        Field::Severity => {
            let severity = countersign_findings::Severity::new(*number);
            let word = severity.map_or("Unknown", |severity| severity.name());
            Ok((number.to_string(), word.to_owned()))
        }
        _ if field.type_() == Type::Truth => {
            let word = if *number == 0 { "false" } else { "true" };
            Ok((word.to_owned(), word.to_owned()))
        }
        Field::Cwe => called(CWE_NAMES, "CWE-"),
        Field::Category => called(CATEGORY_NAMES, ""),
        _ if Kind::of(field).is_some() => {
            let mut statement = connection.prepare("select text from texts where id = ?")?;
            let text: Text = statement.query_row([number], |row| row.get(0))?;
            Ok((text.0.clone(), text.0))
        }
        _ => Ok((number.to_string(), number.to_string())),
    }
}
