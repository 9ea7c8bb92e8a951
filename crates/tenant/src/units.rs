//! Business units and their teams.

use countersign_wire::credential::SelfLink;
use countersign_wire::identity as wire;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::act::{Change, Noted, View};
use crate::condition::Condition;
use crate::list::{Counted, Source, Window, counted};
use crate::manner::Manner;
use crate::names::free_name;
use crate::users::team_of;
use crate::{Error, Refused, guid_of};

const SOURCE: Source = Source {
    columns: "guid, id, name, is_default",
    tables: "business_units",
    sorts: &[("bu_name", "name"), ("bu_legacy_id", "id")],
    order: "id",
};

/// One page of the units whose name holds all of these texts, and how many there are;
/// `base` is for links.
pub fn list(
    view: &View<'_>,
    parts: &[String],
    window: &Window,
    base: &str,
) -> Result<(Vec<wire::BusinessUnit>, u64), Error> {
    let mut condition = Condition::always();
    for part in parts {
        condition.holds(&["name"], part);
    }
    Ok(SOURCE.page(view.connection, &condition, window, |row| read_row(row, base))?)
}

/// Those whose name holds a text, by name, with how many belong to each.
pub fn overview(view: &View<'_>, search: &str, window: &Window) -> Result<Vec<Counted>, Error> {
    let count = "select count(*) from teams t where t.business_unit = g.id";
    Ok(counted(view.connection, "business_units", count, search, window)?)
}

/// A business unit with its teams.
pub fn read(view: &View<'_>, bu_id: &str, base: &str) -> Result<wire::BusinessUnit, Refused> {
    Ok(whole(view.connection, id_of(view.connection, bu_id)?, base)?)
}

/// A new business unit.
pub fn create(
    change: &Change<'_>,
    wanted: wire::BusinessUnitInput,
    base: &str,
) -> Result<Noted<wire::BusinessUnit>, Refused> {
    let unit = Wanted::read(change.transaction, wanted, Manner::WHOLE, None)?;
    change.transaction.execute(
        "insert into business_units (guid, name) values (?, ?)",
        params![change.tenant.guid(), unit.name],
    )?;
    let id = change.transaction.last_insert_rowid();
    unit.write(change, id, Manner::WHOLE)?;
    noted(change, "unit.create", id, base)
}

/// Changes a business unit.
pub fn update(
    change: &Change<'_>,
    bu_id: &str,
    wanted: wire::BusinessUnitInput,
    manner: Manner,
    base: &str,
) -> Result<Noted<wire::BusinessUnit>, Refused> {
    let id = id_of(change.transaction, bu_id)?;
    Wanted::read(change.transaction, wanted, manner, Some(id))?.write(change, id, manner)?;
    noted(change, "unit.edit", id, base)
}

/// Takes a team out of a business unit.
pub fn remove(
    change: &Change<'_>,
    bu_id: &str,
    team_id: &str,
    base: &str,
) -> Result<Noted<wire::BusinessUnit>, Refused> {
    let id = id_of(change.transaction, bu_id)?;
    let removed = change.transaction.execute(
        "update teams set business_unit = null where business_unit = ?1 and guid = ?2",
        params![id, team_id.to_lowercase()],
    )?;
    if removed == 0 {
        return Err(Refused::invalid("teams: the team does not belong to it."));
    }
    noted(change, "unit.edit", id, base)
}

/// Deletes a business unit; its applications go to the one that stands for none.
pub fn delete(change: &Change<'_>, bu_id: &str) -> Result<Noted<()>, Refused> {
    let transaction = change.transaction;
    let id = id_of(transaction, bu_id)?;
    let none: i64 = transaction.query_row(
        "select id from business_units where is_default order by id limit 1",
        [],
        |row| row.get(0),
    )?;
    if id == none {
        return Err(Refused::invalid("bu_id: the default cannot be deleted."));
    }
    let unit = whole(transaction, id, "")?;
    transaction.execute(
        "update applications set business_unit = ? where business_unit = ?",
        params![none, id],
    )?;
    transaction.execute("delete from business_units where id = ?", [id])?;
    Ok(change.noted("unit.delete", unit.bu_name.as_deref().unwrap_or_default(), ())?)
}

fn noted(
    change: &Change<'_>,
    act: &str,
    id: i64,
    base: &str,
) -> Result<Noted<wire::BusinessUnit>, Refused> {
    let unit = whole(change.transaction, id, base)?;
    let name = unit.bu_name.clone().unwrap_or_default();
    Ok(change.noted(act, &name, unit)?)
}

fn id_of(connection: &Connection, bu_id: &str) -> Result<i64, Refused> {
    let sql = "select id from business_units where guid = ?";
    let id = connection.query_row(sql, [guid_of(bu_id)?], |row| row.get(0)).optional()?;
    id.ok_or(Refused::Missing("business unit"))
}

/// The unit of this id, or of this name.
pub(crate) fn id_by(
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
        manner: Manner,
        own: Option<i64>,
    ) -> Result<Self, Refused> {
        let mut errors = Vec::new();
        let given = (wanted.bu_name.as_deref(), !manner.is_partial);
        let name = free_name(connection, "business_units", "bu_name", given, own, &mut errors)?;
        let teams = match wanted.teams {
            Some(given) => Some(teams_of(connection, &given, &mut errors)?),
            None => (!manner.keeps()).then(Vec::new),
        };
        if !errors.is_empty() {
            return Err(Refused::Invalid(errors));
        }
        Ok(Self { name, teams })
    }

    fn write(&self, change: &Change<'_>, id: i64, manner: Manner) -> Result<(), rusqlite::Error> {
        let transaction = change.transaction;
        transaction.execute(
            "update business_units set name = coalesce(?, name) where id = ?",
            params![self.name, id],
        )?;
        let Some(teams) = &self.teams else { return Ok(()) };
        if !manner.is_incremental {
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

fn teams_of(
    connection: &Connection,
    given: &[wire::Membership],
    errors: &mut Vec<String>,
) -> Result<Vec<i64>, Error> {
    let mut teams = Vec::with_capacity(given.len());
    for membership in given {
        match team_of(connection, membership)? {
            Some(team) => teams.push(team.id),
            None => errors.push("team_id: Invalid value.".into()),
        }
    }
    Ok(teams)
}
