//! How many findings there are of each value of a field.

use countersign_findings::filter::{Expression, Field, Operator};
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use crate::columns::{CATEGORY_NAMES, CWE_NAMES, Kind, state_of};
use crate::error::Error;
use crate::sql::{self, Plan, Planner, Way};
use crate::store::Store;
use crate::tally::Counted;

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
        self.ask(move |planner| {
            let rows = groups(planner, &filter, field, limit)?;
            let named = |(value, count)| {
                let (value, label) = name(planner.connection, field, &value)?;
                Ok(FacetRow { value, label, count })
            };
            rows.into_iter().map(named).collect()
        })
        .await
    }
}

/// How many findings match, where `counts` can say it.
pub(crate) fn counted(planner: &Planner<'_>, filter: &Expression) -> Result<Option<u64>, Error> {
    let Some(field) = only_counted(filter) else { return Ok(None) };
    let condition = sql::condition(planner, filter)?;
    let text = format!(
        "select coalesce(sum(findings), 0) from ({}) where {}",
        source(field.0, field.1),
        condition.text
    );
    let mut statement = planner.connection.prepare_cached(&text)?;
    Ok(Some(statement.query_row(params_from_iter(condition.values), |row| row.get(0))?))
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
    let column = sql::column(field);
    let (from, condition, count) = match table(filter, field) {
        Some(from) => (from, sql::condition(planner, filter)?, "sum(findings)"),
        None => {
            let Plan { way, condition } = sql::plan(planner, filter)?;
            let from = match way {
                Way::Nowhere => return Ok(Vec::new()),
                Way::Few(index) | Way::Ordered(index) => {
                    format!("findings indexed by {index} where gone = 0 and")
                }
                Way::All => "findings where gone = 0 and".to_owned(),
            };
            (from, condition, "count(*)")
        }
    };
    let text = format!(
        "select {column}, {count} from {from} {} and {column} is not null
         group by 1 order by 2 desc, 1 limit ?",
        condition.text
    );
    let mut values = condition.values;
    values.push(SqlValue::Integer(limit.into()));
    let mut statement = planner.connection.prepare_cached(&text)?;
    let rows = statement
        .query_map(params_from_iter(values), |row| Ok((row.get(0)?, row.get::<_, u64>(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The small table that has the answer, if one has.
fn table(filter: &Expression, field: Field) -> Option<String> {
    if sql::is_tallied(&Expression::All(vec![filter.clone()])) && is_tallied(field) {
        return Some("tallies where".to_owned());
    }
    let asked = sql::fields(filter);
    let is_level = |asked: &Field| matches!(asked, Field::Severity | Field::State);
    if let Some(counted) = counted_field(field)
        && asked.iter().all(|asked| is_level(asked) || *asked == field)
    {
        return Some(format!("({}) where", source(field, counted)));
    }
    let (of, counted) = only_counted(filter).filter(|_| is_level(&field))?;
    Some(format!("({}) where", source(of, counted)))
}

fn is_tallied(field: Field) -> bool {
    matches!(
        field,
        Field::Application
            | Field::ApplicationName
            | Field::Context
            | Field::ScanType
            | Field::Severity
            | Field::State
            | Field::Status
            | Field::ViolatesPolicy
    )
}

fn counted_field(field: Field) -> Option<Counted> {
    Some(match field {
        Field::Cwe => Counted::Cwe,
        Field::Category => Counted::Category,
        Field::Component => Counted::Component,
        Field::Cve => Counted::Cve,
        Field::Module => Counted::Module,
        Field::File => Counted::File,
        _ => return None,
    })
}

/// The one counted field that a filter asks for beside severity and state, and so that
/// findings without a value of it cannot match: `counts` does not have those.
fn only_counted(filter: &Expression) -> Option<(Field, Counted)> {
    let mut found = None;
    for part in sql::conjuncts(filter) {
        let fields = sql::fields(part);
        if fields.iter().all(|field| matches!(field, Field::Severity | Field::State)) {
            continue;
        }
        let Expression::Is(comparison) = part else { return None };
        if comparison.operator == Operator::Ne {
            return None;
        }
        let this = (comparison.field, counted_field(comparison.field)?);
        if found.is_some_and(|found| found != this) {
            return None;
        }
        found = Some(this);
    }
    found
}

/// `counts` under the name of the column that it counts.
fn source(field: Field, counted: Counted) -> String {
    format!(
        "select value as {}, severity, state, findings from counts where field = {}",
        sql::column(field),
        counted as u8
    )
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
        let mut statement = connection.prepare_cached(sql)?;
        Ok(statement.query_row([number], |row| Ok((row.get(0)?, row.get(1)?)))?)
    };
    let called = |kind: u8, before: &str| -> Result<(String, String), Error> {
        let mut statement =
            connection.prepare_cached("select name from names where kind = ? and number = ?")?;
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
        Field::ViolatesPolicy => {
            let word = if *number == 0 { "false" } else { "true" };
            Ok((word.to_owned(), word.to_owned()))
        }
        Field::Cwe => called(CWE_NAMES, "CWE-"),
        Field::Category => called(CATEGORY_NAMES, ""),
        _ if Kind::of(field).is_some() => two("select text, text from texts where id = ?"),
        _ => Ok((number.to_string(), number.to_string())),
    }
}
