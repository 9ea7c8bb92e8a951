//! The Identity API: what its resources share.

pub(crate) mod business_units;
pub(crate) mod principal;
pub(crate) mod roles;
pub(crate) mod teams;
pub(crate) mod users;

use axum::response::Response;
use countersign_wire::hal::Page;
use serde::Serialize;

use super::error::Refusal;
use super::hal::List;
#[cfg(test)]
use super::query::Kind;
#[cfg(test)]
use super::query::Parameter;
#[cfg(test)]
use super::query::parameter;
use super::query::{Paging, Query, parameters};
use countersign_tenant::Manner;
use countersign_tenant::list::Window;

/// Largest page of the Identity API.
const MOST: u64 = 1000;

/// How a change treats what it does not name.
#[cfg(test)]
const CHANGE: &[Parameter] = &[
    parameter("partial", Kind::Truth, "Members that are left out stay as they are."),
    parameter("incremental", Kind::Truth, "Lists are added to, not replaced."),
];
parameters!(ChangeParameters, CHANGE);

#[cfg(test)]
const SORT: Parameter =
    parameter("sort", Kind::Text, "A member, and after a comma `asc` or `desc`.");

/// A page of the resource `path`, embedded under `name`.
fn listing<T, E: From<Vec<T>> + Serialize>(
    path: &str,
    elements: Vec<T>,
    page: Page,
    base: &str,
    query: &Query,
) -> Result<Response, Refusal> {
    let list = List::new(format!("{base}/api/authn/v2/{path}"), &[]);
    list.listing::<T, E>(elements, page, query)
}

/// The part of a list that a query asks for, and the same for the page of the answer.
fn window(query: &Query) -> Result<(Paging, Window), Refusal> {
    let paging = query.paging(20, MOST)?;
    // `sort=teamName,desc`; another spelling or an unknown name changes nothing.
    let sort = query.list("sort");
    let is_down = sort.get(1).is_some_and(|way| way.eq_ignore_ascii_case("desc"));
    let sort = sort.first().map(|name| ((*name).to_owned(), is_down));
    Ok((paging, Window { limit: paging.size, offset: paging.offset(), sort }))
}

/// One page of a list, asked for again where a query that was encoded twice finds
/// nothing.
fn page_of<T>(
    query: &Query,
    mut ask: impl FnMut(&Query, &Window) -> Result<(Vec<T>, u64), Refusal>,
) -> Result<(Vec<T>, Page), Refusal> {
    let (paging, window) = window(query)?;
    let (found, total) = query.found(|query| ask(query, &window))?;
    Ok((found, Page::new(paging.number, paging.size, total)))
}

/// How a PUT treats what the body leaves out, and its lists.
fn manner(query: &Query) -> Result<Manner, Refusal> {
    Ok(Manner {
        is_partial: query.truth("partial")?.unwrap_or_default(),
        is_incremental: query.truth("incremental")?.unwrap_or_default(),
    })
}
