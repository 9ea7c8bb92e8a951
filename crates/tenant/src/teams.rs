//! Teams and who belongs to them.

use countersign_wire::credential::SelfLink;
use countersign_wire::identity as wire;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::act::{Change, Noted, View};
use crate::condition::Condition;
use crate::list::{Counted, Source, Window, counted};
use crate::manner::Manner;
use crate::names::free_name;
use crate::users::{join, relationship};
use crate::{Error, Refused, guid_of, units};

const SOURCE: Source = Source {
    columns: "teams.guid, teams.id, teams.name, teams.member_only, units.guid, units.name",
    tables: "teams left join business_units units on units.id = teams.business_unit",
    sorts: &[("team_name", "teams.name"), ("team_legacy_id", "teams.id")],
    order: "teams.id",
};

/// Which teams are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Row id of a member.
    pub member: Option<i64>,
    /// Part of the name.
    pub name: Option<String>,
}

/// One page of teams, and how many there are; `base` is for links.
pub fn list(
    view: &View<'_>,
    filter: &Filter,
    window: &Window,
    base: &str,
) -> Result<(Vec<wire::Team>, u64), Error> {
    let mut condition = Condition::always();
    if let Some(user) = filter.member {
        let mine = "teams.id in (select team from team_members where user = ?)";
        condition.and(mine, [user.into()]);
    }
    if let Some(name) = &filter.name {
        condition.holds(&["teams.name"], name);
    }
    Ok(SOURCE.page(view.connection, &condition, window, |row| read_row(row, base))?)
}

/// Guid and name of every team, by name.
pub fn names(view: &View<'_>) -> Result<Vec<(String, String)>, Error> {
    let sql = "select guid, name from teams order by name";
    let mut statement = view.connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Those whose name holds a text, by name, with how many belong to each.
pub fn overview(view: &View<'_>, search: &str, window: &Window) -> Result<Vec<Counted>, Error> {
    let count = "select count(*) from team_members m where m.team = g.id";
    Ok(counted(view.connection, "teams", count, search, window)?)
}

/// A team with its members.
pub fn read(view: &View<'_>, team_id: &str, base: &str) -> Result<wire::Team, Refused> {
    Ok(whole(view.connection, id_of(view.connection, team_id)?, base)?)
}

/// A new team.
pub fn create(
    change: &Change<'_>,
    wanted: wire::TeamInput,
    base: &str,
) -> Result<Noted<wire::Team>, Refused> {
    let team = Wanted::read(change.transaction, wanted, Manner::WHOLE, None)?;
    change.transaction.execute(
        "insert into teams (guid, name) values (?, ?)",
        params![change.tenant.guid(), team.name],
    )?;
    let id = change.transaction.last_insert_rowid();
    team.write(change, id, Manner::WHOLE)?;
    noted(change, "team.create", id, base)
}

/// Changes a team.
pub fn update(
    change: &Change<'_>,
    team_id: &str,
    wanted: wire::TeamInput,
    manner: Manner,
    base: &str,
) -> Result<Noted<wire::Team>, Refused> {
    let id = id_of(change.transaction, team_id)?;
    Wanted::read(change.transaction, wanted, manner, Some(id))?.write(change, id, manner)?;
    noted(change, "team.edit", id, base)
}

/// Takes a user out of a team.
pub fn remove(
    change: &Change<'_>,
    team_id: &str,
    user_id: &str,
    base: &str,
) -> Result<Noted<wire::Team>, Refused> {
    let id = id_of(change.transaction, team_id)?;
    let removed = change.transaction.execute(
        "delete from team_members
         where team = ?1 and user = (select id from users where guid = ?2)",
        params![id, user_id.to_lowercase()],
    )?;
    if removed == 0 {
        return Err(Refused::invalid("users: the user is not a member."));
    }
    noted(change, "team.edit", id, base)
}

/// Deletes a team.
pub fn delete(change: &Change<'_>, team_id: &str) -> Result<Noted<()>, Refused> {
    let id = id_of(change.transaction, team_id)?;
    let team = whole(change.transaction, id, "")?;
    change.transaction.execute("delete from teams where id = ?", [id])?;
    Ok(change.noted("team.delete", team.team_name.as_deref().unwrap_or_default(), ())?)
}

fn noted(
    change: &Change<'_>,
    act: &str,
    id: i64,
    base: &str,
) -> Result<Noted<wire::Team>, Refused> {
    let team = whole(change.transaction, id, base)?;
    let name = team.team_name.clone().unwrap_or_default();
    Ok(change.noted(act, &name, team)?)
}

fn id_of(connection: &Connection, team_id: &str) -> Result<i64, Refused> {
    let sql = "select id from teams where guid = ?";
    let id = connection.query_row(sql, [guid_of(team_id)?], |row| row.get(0)).optional()?;
    id.ok_or(Refused::Missing("team"))
}

fn read_row(row: &Row<'_>, base: &str) -> rusqlite::Result<wire::Team> {
    let guid: String = row.get(0)?;
    let unit: Option<String> = row.get(4)?;
    let bu_name = row.get(5)?;
    Ok(wire::Team {
        links: Some(SelfLink::to(format!("{base}/api/authn/v2/teams/{guid}"))),
        team_id: guid,
        team_legacy_id: row.get(1)?,
        team_name: row.get(2)?,
        member_only: row.get(3)?,
        business_unit: unit.map(|guid| wire::BusinessUnitName { bu_id: Some(guid), bu_name }),
        ..wire::Team::default()
    })
}

/// With its members.
fn whole(connection: &Connection, id: i64, base: &str) -> Result<wire::Team, rusqlite::Error> {
    let sql = format!("select {} from {} where teams.id = ?", SOURCE.columns, SOURCE.tables);
    let mut team = connection.query_row(&sql, [id], |row| read_row(row, base))?;
    let mut statement = connection.prepare_cached(
        "select guid, name, first_name, last_name, email, relationship
         from team_members join users on users.id = user where team = ? order by users.id",
    )?;
    let rows = statement.query_map([id], |row| {
        Ok(wire::TeamMember {
            user_id: row.get(0)?,
            user_name: row.get(1)?,
            first_name: row.get(2)?,
            last_name: row.get(3)?,
            email_address: row.get(4)?,
            relationship: Some(wire::Relationship { name: row.get(5)? }),
        })
    })?;
    team.users = Some(rows.collect::<Result<_, _>>()?);
    Ok(team)
}

/// A team as the body wants it, references resolved. What is `None` stays.
struct Wanted {
    name: Option<String>,
    member_only: Option<bool>,
    business_unit: Option<Option<i64>>,
    members: Option<Vec<(i64, String)>>,
}

impl Wanted {
    /// `own` is the team that is being changed.
    fn read(
        connection: &Connection,
        wanted: wire::TeamInput,
        manner: Manner,
        own: Option<i64>,
    ) -> Result<Self, Refused> {
        let mut errors = Vec::new();
        let given = (wanted.team_name.as_deref(), !manner.is_partial);
        let name = free_name(connection, "teams", "team_name", given, own, &mut errors)?;
        let by_id = |id| wire::BusinessUnitName { bu_id: Some(id), bu_name: None };
        let unit = wanted.business_unit.or_else(|| wanted.bu_id.map(by_id));
        let is_unit_named = unit.is_some();
        let business_unit = match unit {
            Some(unit) => Some(units::id_by(connection, &unit)?),
            None => (!manner.is_partial).then_some(None),
        };
        if is_unit_named && business_unit == Some(None) {
            errors.push("bu_id: Invalid value.".into());
        }
        let members = match wanted.users {
            Some(users) => Some(members(connection, &users, &mut errors)?),
            None => (!manner.keeps()).then(Vec::new),
        };
        if !errors.is_empty() {
            return Err(Refused::Invalid(errors));
        }
        let member_only = wanted.member_only.or_else(|| (!manner.is_partial).then_some(false));
        Ok(Self { name, member_only, business_unit, members })
    }

    fn write(&self, change: &Change<'_>, id: i64, manner: Manner) -> Result<(), rusqlite::Error> {
        let transaction = change.transaction;
        transaction.execute(
            "update teams set name = coalesce(?2, name),
                member_only = coalesce(?3, member_only) where id = ?1",
            params![id, self.name, self.member_only],
        )?;
        if let Some(unit) = self.business_unit {
            transaction
                .execute("update teams set business_unit = ? where id = ?", params![unit, id])?;
        }
        let Some(members) = &self.members else { return Ok(()) };
        if !manner.is_incremental {
            transaction.execute("delete from team_members where team = ?", [id])?;
        }
        for (user, relationship) in members {
            join(transaction, id, *user, relationship)?;
        }
        Ok(())
    }
}

/// Members by id or name, and how each relates.
fn members(
    connection: &Connection,
    given: &[wire::TeamMember],
    errors: &mut Vec<String>,
) -> Result<Vec<(i64, String)>, rusqlite::Error> {
    let sql = "select id from users where guid = lower(?1) or (?1 is null and name = ?2)";
    let mut statement = connection.prepare_cached(sql)?;
    let mut members = Vec::with_capacity(given.len());
    for member in given {
        let key = params![member.user_id, member.user_name];
        let id: Option<i64> = statement.query_row(key, |row| row.get(0)).optional()?;
        match id.zip(relationship(member.relationship.as_ref())) {
            Some(member) => members.push(member),
            None => errors.push("users: Invalid value.".into()),
        }
    }
    Ok(members)
}
