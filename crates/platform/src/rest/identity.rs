//! The Identity API: what its resources share.

pub(crate) mod business_units;
pub(crate) mod roles;
pub(crate) mod teams;
pub(crate) mod users;

use axum::response::Response;
use countersign_wire::hal::Page;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::Refusal;
use super::hal::{self, List};
use super::query::{Kind, Parameter, Query, parameter, parameters};
use countersign_tenant::condition::{Condition, number};

/// Largest page of the Identity API.
const MOST: u64 = 1000;

/// How a change treats what it does not name.
const CHANGE: &[Parameter] = &[
    parameter("partial", Kind::Truth, "Members that are left out stay as they are."),
    parameter("incremental", Kind::Truth, "Lists are added to, not replaced."),
];
parameters!(ChangeParameters, CHANGE);

const SORT: Parameter =
    parameter("sort", Kind::Text, "A member, and after a comma `asc` or `desc`.");

/// Longest name of anything here.
const MAX_NAME: usize = 256;

/// A page of the resource `path`, embedded under `name`.
fn listing<T, E: From<Vec<T>> + Serialize + ToSchema>(
    path: &str,
    elements: Vec<T>,
    page: Page,
    base: &str,
    query: &Query,
) -> Result<Response, Refusal> {
    let list =
        List { url: format!("{base}/api/authn/v2/{path}"), parameters: &[], offers_paging: true };
    hal::listing::<T, E>(&list, elements, page, query)
}

/// What a list reads, and what it may be sorted by: wire name and column.
struct Source {
    columns: &'static str,
    tables: &'static str,
    sorts: &'static [(&'static str, &'static str)],
    order: &'static str,
}

impl Source {
    /// One page of what the filter leaves, and the count of all of it.
    fn page<T>(
        &self,
        connection: &Connection,
        filter: impl Fn(&Query) -> Result<Condition, Refusal>,
        query: &Query,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<(Vec<T>, Page), Refusal> {
        let paging = query.paging(20, MOST)?;
        let mut condition = filter(query)?;
        let mut total = condition.count(connection, self.tables)?;
        if total == 0
            && let Some(again) = query.decoded_again()
        {
            condition = filter(&again)?;
            total = condition.count(connection, self.tables)?;
        }
        let sql = format!(
            "select {} from {} where {} order by {} limit ? offset ?",
            self.columns,
            self.tables,
            condition.text(),
            self.order(query)
        );
        let values = condition.values_and([number(paging.size), number(paging.offset())]);
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(values), read)?;
        let rows = rows.collect::<Result<_, _>>()?;
        Ok((rows, Page::new(paging.number, paging.size, total)))
    }

    /// `sort=teamName,desc`; another spelling or an unknown name changes nothing.
    fn order(&self, query: &Query) -> String {
        let sort = query.list("sort");
        let plain = |name: &str| name.replace('_', "").to_ascii_lowercase();
        let column = sort
            .first()
            .and_then(|name| self.sorts.iter().find(|(known, _)| plain(known) == plain(name)));
        let is_down = sort.get(1).is_some_and(|way| way.eq_ignore_ascii_case("desc"));
        match column {
            Some((_, column)) => {
                format!("{column} {}, {}", if is_down { "desc" } else { "asc" }, self.order)
            }
            None => self.order.to_owned(),
        }
    }
}

/// How a PUT treats what the body leaves out, and its lists.
#[derive(Debug, Clone, Copy)]
struct Change {
    /// Members left out stay as they are.
    is_partial: bool,
    /// Lists are added to.
    is_incremental: bool,
}

impl Change {
    fn read(query: &Query) -> Result<Self, Refusal> {
        Ok(Self {
            is_partial: query.truth("partial")?.unwrap_or_default(),
            is_incremental: query.truth("incremental")?.unwrap_or_default(),
        })
    }
}

/// A name of 1 to 256 characters; anything else is noted.
fn name(value: Option<&str>, member: &str, errors: &mut Vec<String>) -> String {
    let value = value.unwrap_or_default().trim();
    if !(1..=MAX_NAME).contains(&value.chars().count()) {
        errors.push(format!("{member}: must be 1 to {MAX_NAME} characters."));
    }
    value.to_owned()
}

/// The name that a body gives, where it must or does: not empty, and not another's
/// in this table.
pub(crate) fn free_name(
    connection: &Connection,
    table: &str,
    member: &str,
    (given, is_required): (Option<&str>, bool),
    own: Option<i64>,
    errors: &mut Vec<String>,
) -> Result<Option<String>, rusqlite::Error> {
    if given.is_none() && !is_required {
        return Ok(None);
    }
    let name = name(given, member, errors);
    let sql = format!("select id from {table} where name = ?");
    let taken: Option<i64> = connection.query_row(&sql, [&name], |row| row.get(0)).optional()?;
    if taken.is_some_and(|id| Some(id) != own) {
        errors.push(format!("{member}: {name} is taken."));
    }
    Ok(Some(name))
}
