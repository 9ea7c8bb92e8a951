//! Which rows of findings came in for which integration. A transaction brings in rows of one
//! integration, and gives them numbers one after the other: so a few stretches say it of all
//! rows, where a column and its index would say it a million times. An engine with several writers
//! at once notes a stretch when it keeps the numbers: see `engine::reserve_rows`.

use crate::error::Error;
use crate::search::planner::Planner;
use crate::sql::{self, Connection, Optional, Row, params};

/// Rows from one number to another, both among them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    pub(crate) first: i64,
    pub(crate) last: i64,
}

impl Stretch {
    fn read(row: Row<'_>) -> sql::Result<Self> {
        Ok(Self { first: row.get(0)?, last: row.get(1)? })
    }

    /// With one more row after it.
    pub(crate) fn with(of: Option<Self>, row: i64) -> Self {
        let Self { first, last } = of.unwrap_or(Self { first: row, last: row });
        Self { first: first.min(row), last: last.max(row) }
    }
}

/// Notes rows that came in for an integration. Where none of others came in between, its
/// last stretch goes on.
pub(crate) fn add(connection: &Connection, integration: i64, new: Stretch) -> Result<(), Error> {
    let longer = connection
        .prepare(
            "update stretches set last = ?3
             where integration = ?1
                and last = (select max(last) from stretches where integration = ?1)
                and not exists (select 1 from findings where id > stretches.last and id < ?2)",
        )?
        .execute(params![integration, new.first, new.last])?;
    if longer == 0 { insert(connection, integration, new) } else { Ok(()) }
}

/// Whether rows are in a stretch of an integration.
pub(crate) fn has(connection: &Connection, integration: i64, rows: Stretch) -> Result<bool, Error> {
    let has = "select exists (select 1 from stretches
        where integration = ? and first <= ? and last >= ?)";
    let values = params![integration, rows.first, rows.last];
    Ok(connection.prepare(has)?.query_row(values, |row| row.get(0))?)
}

/// From the first row to the last; none where there is none.
pub(crate) fn all_rows(planner: &Planner<'_>) -> Result<Option<Stretch>, Error> {
    let ends = "select first, last from (select (select min(id) from findings) as first,
            (select max(id) from findings) as last) ends where last is not null";
    Ok(planner.prepare(ends)?.query_row([], Stretch::read).optional()?)
}

/// Whether a finding is in no stretch of its integration, or stretches lie over each other.
pub(crate) fn are_wrong(connection: &Connection) -> Result<bool, Error> {
    let is_wrong = "select exists (
            select 1 from (
                select first, lag(last) over (order by first, last) as before from stretches) ordered
            where before >= first)
        or exists (
            select 1 from findings f not indexed join applications a on a.id = f.application
            where not coalesce(f.id >= (
                select first from stretches s
                where s.integration = a.integration and s.last >= f.id
                order by s.last limit 1), false))";
    Ok(connection.prepare(is_wrong)?.query_row([], |row| row.get(0))?)
}

/// Notes the stretches anew, as the findings say them.
pub(crate) fn note_anew(connection: &Connection) -> Result<(), Error> {
    connection.execute("delete from stretches", [])?;
    let mut whose = connection.prepare(
        "select id, (select integration from applications where id = application)
         from findings not indexed order by id",
    )?;
    let mut rows = whose.scan([])?;
    let mut last: Option<(i64, Stretch)> = None;
    while let Some(row) = rows.next()? {
        let (row, integration): (i64, Option<i64>) = (row.get(0)?, row.get(1)?);
        let Some(integration) = integration else { continue };
        let before = last.filter(|(whose, _)| *whose == integration);
        if let (Some((whose, ended)), None) = (last, before) {
            insert(connection, whose, ended)?;
        }
        last = Some((integration, Stretch::with(before.map(|(_, stretch)| stretch), row)));
    }
    last.map_or(Ok(()), |(whose, ended)| insert(connection, whose, ended))
}

fn insert(connection: &Connection, integration: i64, new: Stretch) -> Result<(), Error> {
    connection
        .prepare("insert into stretches (integration, first, last) values (?, ?, ?)")?
        .execute(params![integration, new.first, new.last])?;
    Ok(())
}

/// The stretches of an integration that end after a row, in their order.
pub(crate) fn after_row(
    planner: &Planner<'_>,
    integration: i64,
    row: i64,
    limit: usize,
) -> Result<Vec<Stretch>, Error> {
    let mut statement = planner.prepare(
        "select first, last from stretches where integration = ? and last > ?
         order by last limit ?",
    )?;
    let rows = statement.query_map(params![integration, row, limit], Stretch::read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}
