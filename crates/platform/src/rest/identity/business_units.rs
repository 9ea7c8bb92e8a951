//! Business units and their teams.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_wire::credential::SelfLink;
use countersign_wire::identity as wire;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::super::error::{Refusal, conversation_id};
use super::super::hal::{Listing, embedded};
use super::super::query::{Kind, Query, parameter, parameters};
use super::super::{input, json, no_content};
use super::{Change, ChangeParameters, SORT, Source, free_name, listing};
use crate::caller::{Grant, ManageIdentity};
use crate::state::AppState;
use countersign_tenant::condition::Condition;

embedded!(BusinessUnits, business_units: wire::BusinessUnit);

parameters!(
    BusinessUnitFilters,
    &[
        parameter("bu_name", Kind::Text, "Part of the name."),
        parameter("search_term", Kind::Text, "Part of the name."),
        SORT,
    ],
    paged
);

const SOURCE: Source = Source {
    columns: "guid, id, name, is_default",
    tables: "business_units",
    sorts: &[("bu_name", "name"), ("bu_legacy_id", "id")],
    order: "id",
};

/// Business units.
#[utoipa::path(
    get,
    path = "/api/authn/v2/business_units",
    tag = "Business units",
    params(BusinessUnitFilters),
    responses((status = 200, body = Listing<BusinessUnits>)),
)]
pub(crate) async fn list_business_units(
    grant: Grant<ManageIdentity>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state
        .read(move |connection, _| {
            let query = Query::parse(raw.as_deref());
            let filter = |query: &Query| {
                let mut condition = Condition::always();
                for parameter in ["bu_name", "search_term"] {
                    if let Some(text) = query.get(parameter) {
                        condition.holds(&["name"], text);
                    }
                }
                Ok(condition)
            };
            let base = &grant.caller.base;
            let read = |row: &Row<'_>| read_row(row, base);
            let (units, page) = SOURCE.page(connection, filter, &query, read)?;
            listing::<_, BusinessUnits>("business_units", units, page, base, &query)
        })
        .await
}

/// A business unit with its teams.
#[utoipa::path(
    get,
    path = "/api/authn/v2/business_units/{bu_id}",
    tag = "Business units",
    responses((status = 200, body = wire::BusinessUnit)),
)]
pub(crate) async fn read_business_unit(
    grant: Grant<ManageIdentity>,
    Path(bu_id): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state
        .read(move |connection, _| {
            let id = id_of(connection, &bu_id)?;
            json(&whole(connection, id, &grant.caller.base)?)
        })
        .await
}

/// A new business unit.
#[utoipa::path(
    post,
    path = "/api/authn/v2/business_units",
    tag = "Business units",
    request_body = wire::BusinessUnitInput,
    responses((status = 200, body = wire::BusinessUnit)),
)]
pub(crate) async fn create_business_unit(
    grant: Grant<ManageIdentity>,
    State(state): State<AppState>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let wanted: wire::BusinessUnitInput = input(body)?;
    let change = Change { is_partial: false, is_incremental: false };
    state
        .write(move |transaction, state| {
            let unit = Wanted::read(transaction, wanted, change, None)?;
            transaction.execute(
                "insert into business_units (guid, name) values (?, ?)",
                params![conversation_id(state), unit.name],
            )?;
            let id = transaction.last_insert_rowid();
            unit.write(transaction, id, change)?;
            json(&whole(transaction, id, &grant.caller.base)?)
        })
        .await
}

/// Changes a business unit.
#[utoipa::path(
    put,
    path = "/api/authn/v2/business_units/{bu_id}",
    tag = "Business units",
    params(ChangeParameters),
    request_body = wire::BusinessUnitInput,
    responses((status = 200, body = wire::BusinessUnit)),
)]
pub(crate) async fn update_business_unit(
    grant: Grant<ManageIdentity>,
    Path(bu_id): Path<String>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let wanted: wire::BusinessUnitInput = input(body)?;
    let change = Change::read(&Query::parse(raw.as_deref()))?;
    state
        .write(move |transaction, _| {
            let id = id_of(transaction, &bu_id)?;
            Wanted::read(transaction, wanted, change, Some(id))?.write(transaction, id, change)?;
            json(&whole(transaction, id, &grant.caller.base)?)
        })
        .await
}

/// Deletes a business unit.
#[utoipa::path(
    delete,
    path = "/api/authn/v2/business_units/{bu_id}",
    tag = "Business units",
    responses((status = 204)),
)]
pub(crate) async fn delete_business_unit(
    _: Grant<ManageIdentity>,
    Path(bu_id): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state
        .write(move |transaction, _| -> Result<(), Refusal> {
            let id = id_of(transaction, &bu_id)?;
            let none: i64 = transaction.query_row(
                "select id from business_units where is_default order by id limit 1",
                [],
                |row| row.get(0),
            )?;
            if id == none {
                return Err(Refusal::invalid(vec!["bu_id: the default cannot be deleted.".into()]));
            }
            transaction.execute(
                "update applications set business_unit = ? where business_unit = ?",
                params![none, id],
            )?;
            transaction.execute("delete from business_units where id = ?", [id])?;
            Ok(())
        })
        .await?;
    Ok(no_content())
}

fn id_of(connection: &Connection, bu_id: &str) -> Result<i64, Refusal> {
    let guid = super::super::applications::guid(bu_id)?;
    let sql = "select id from business_units where guid = ?";
    let id = connection.query_row(sql, [guid], |row| row.get(0)).optional()?;
    id.ok_or_else(|| Refusal::gateway(404, "no such business unit"))
}

/// The unit of this id, or of this name.
pub(super) fn id_by(
    connection: &Connection,
    unit: &wire::BusinessUnitName,
) -> Result<Option<i64>, rusqlite::Error> {
    let sql = "select id from business_units where guid = lower(?1) or (?1 is null and name = ?2)";
    connection.query_row(sql, params![unit.bu_id, unit.bu_name], |row| row.get(0)).optional()
}

fn read_row(row: &Row<'_>, base: &str) -> rusqlite::Result<wire::BusinessUnit> {
    let guid: String = row.get(0)?;
    Ok(wire::BusinessUnit {
        links: Some(SelfLink::to(format!("{base}/api/authn/v2/business_units/{guid}"))),
        bu_id: guid,
        bu_legacy_id: row.get(1)?,
        bu_name: row.get(2)?,
        is_default: row.get(3)?,
        ..wire::BusinessUnit::default()
    })
}

/// With its teams.
fn whole(
    connection: &Connection,
    id: i64,
    base: &str,
) -> Result<wire::BusinessUnit, rusqlite::Error> {
    let sql = format!("select {} from {} where id = ?", SOURCE.columns, SOURCE.tables);
    let mut unit = connection.query_row(&sql, [id], |row| read_row(row, base))?;
    let mut statement = connection
        .prepare_cached("select guid, id, name from teams where business_unit = ? order by id")?;
    let rows = statement.query_map([id], |row| {
        Ok(wire::Membership {
            team_id: row.get(0)?,
            team_legacy_id: row.get(1)?,
            team_name: row.get(2)?,
            relationship: None,
        })
    })?;
    unit.teams = Some(rows.collect::<Result<_, _>>()?);
    Ok(unit)
}

/// A unit as the body wants it, references resolved. What is `None` stays.
struct Wanted {
    name: Option<String>,
    teams: Option<Vec<i64>>,
}

impl Wanted {
    /// `own` is the unit that is being changed.
    fn read(
        connection: &Connection,
        wanted: wire::BusinessUnitInput,
        change: Change,
        own: Option<i64>,
    ) -> Result<Self, Refusal> {
        let mut errors = Vec::new();
        let given = (wanted.bu_name.as_deref(), !change.is_partial);
        let name = free_name(connection, "business_units", "bu_name", given, own, &mut errors)?;
        let teams = match wanted.teams {
            Some(given) => {
                let mut teams = Vec::with_capacity(given.len());
                for membership in given {
                    match super::users::team_of(connection, &membership)? {
                        Some(team) => teams.push(team.id),
                        None => errors.push("team_id: Invalid value.".into()),
                    }
                }
                Some(teams)
            }
            None => (!change.is_partial && !change.is_incremental).then(Vec::new),
        };
        if !errors.is_empty() {
            return Err(Refusal::invalid(errors));
        }
        Ok(Self { name, teams })
    }

    fn write(
        &self,
        transaction: &Transaction<'_>,
        id: i64,
        change: Change,
    ) -> Result<(), rusqlite::Error> {
        transaction.execute(
            "update business_units set name = coalesce(?, name) where id = ?",
            params![self.name, id],
        )?;
        let Some(teams) = &self.teams else { return Ok(()) };
        if !change.is_incremental {
            transaction
                .execute("update teams set business_unit = null where business_unit = ?", [id])?;
        }
        for team in teams {
            transaction
                .execute("update teams set business_unit = ? where id = ?", params![id, team])?;
        }
        Ok(())
    }
}
