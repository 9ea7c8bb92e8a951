//! Teams and who belongs to them.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use countersign_wire::credential::SelfLink;
use countersign_wire::identity as wire;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::super::error::{Refusal, conversation_id};
use super::super::hal::{Listing, embedded};
use super::super::query::{Kind, Query, parameter, parameters};
use super::super::{input, json, no_content};
use super::{Change, ChangeParameters, SORT, Source, free_name, listing};
use crate::caller::{Caller, Grant, ManageIdentity};
use crate::state::AppState;
use countersign_tenant::condition::Condition;
use countersign_tenant::users::{self};

embedded!(Teams, teams: wire::Team);

parameters!(
    TeamFilters,
    &[
        parameter("all_for_org", Kind::Truth, "Not only those of the caller."),
        parameter("team_name", Kind::Text, "Part of the name."),
        SORT,
    ],
    paged
);
parameters!(
    OwnTeamFilters,
    &[parameter("team_name", Kind::Text, "Part of the name."), SORT],
    paged
);

const SOURCE: Source = Source {
    columns: "teams.guid, teams.id, teams.name, teams.member_only, units.guid, units.name",
    tables: "teams left join business_units units on units.id = teams.business_unit",
    sorts: &[("team_name", "teams.name"), ("team_legacy_id", "teams.id")],
    order: "teams.id",
};

/// The caller's teams, or with `all_for_org` all of them.
#[utoipa::path(
    get,
    path = "/api/authn/v2/teams",
    tag = "Teams",
    params(TeamFilters),
    responses((status = 200, body = Listing<Teams>)),
)]
pub(crate) async fn list_teams(
    grant: Grant<ManageIdentity>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let query = Query::parse(raw.as_deref());
    let is_all = query.truth("all_for_org")?.unwrap_or_default();
    page(state, grant.caller, is_all, query, "teams").await
}

/// The teams of the caller.
#[utoipa::path(
    get,
    path = "/api/authn/v2/teams/self",
    tag = "Teams",
    params(OwnTeamFilters),
    responses((status = 200, body = Listing<Teams>)),
)]
pub(crate) async fn list_own_teams(
    grant: Grant<ManageIdentity>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    page(state, grant.caller, false, Query::parse(raw.as_deref()), "teams/self").await
}

async fn page(
    state: AppState,
    caller: Caller,
    is_all: bool,
    query: Query,
    path: &'static str,
) -> Result<Response, Refusal> {
    let own = (!is_all).then_some(caller.user.id);
    let filter = move |query: &Query| {
        let mut condition = Condition::always();
        if let Some(user) = own {
            let mine = "teams.id in (select team from team_members where user = ?)";
            condition.and(mine, [user.into()]);
        }
        if let Some(name) = query.get("team_name") {
            condition.holds(&["teams.name"], name);
        }
        Ok(condition)
    };
    state
        .read(move |connection, _| {
            let read = |row: &Row<'_>| read_row(row, &caller.base);
            let (teams, page) = SOURCE.page(connection, filter, &query, read)?;
            listing::<_, Teams>(path, teams, page, &caller.base, &query)
        })
        .await
}

/// A team with its members.
#[utoipa::path(
    get,
    path = "/api/authn/v2/teams/{team_id}",
    tag = "Teams",
    responses((status = 200, body = wire::Team)),
)]
pub(crate) async fn read_team(
    grant: Grant<ManageIdentity>,
    Path(team_id): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state
        .read(move |connection, _| {
            let id = id_of(connection, &team_id)?;
            json(&whole(connection, id, &grant.caller.base)?)
        })
        .await
}

/// A new team.
#[utoipa::path(
    post,
    path = "/api/authn/v2/teams",
    tag = "Teams",
    request_body = wire::TeamInput,
    responses((status = 201, body = wire::Team)),
)]
pub(crate) async fn create_team(
    grant: Grant<ManageIdentity>,
    State(state): State<AppState>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let wanted: wire::TeamInput = input(body)?;
    let change = Change { is_partial: false, is_incremental: false };
    state
        .write(move |transaction, state| {
            let team = Wanted::read(transaction, wanted, change, None)?;
            transaction.execute(
                "insert into teams (guid, name) values (?, ?)",
                params![conversation_id(state), team.name],
            )?;
            let id = transaction.last_insert_rowid();
            team.write(transaction, id, change)?;
            let mut response = json(&whole(transaction, id, &grant.caller.base)?)?;
            *response.status_mut() = StatusCode::CREATED;
            Ok(response)
        })
        .await
}

/// Changes a team.
#[utoipa::path(
    put,
    path = "/api/authn/v2/teams/{team_id}",
    tag = "Teams",
    params(ChangeParameters),
    request_body = wire::TeamInput,
    responses((status = 200, body = wire::Team)),
)]
pub(crate) async fn update_team(
    grant: Grant<ManageIdentity>,
    Path(team_id): Path<String>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let wanted: wire::TeamInput = input(body)?;
    let change = Change::read(&Query::parse(raw.as_deref()))?;
    state
        .write(move |transaction, _| {
            let id = id_of(transaction, &team_id)?;
            Wanted::read(transaction, wanted, change, Some(id))?.write(transaction, id, change)?;
            json(&whole(transaction, id, &grant.caller.base)?)
        })
        .await
}

/// Deletes a team.
#[utoipa::path(
    delete,
    path = "/api/authn/v2/teams/{team_id}",
    tag = "Teams",
    responses((status = 204)),
)]
pub(crate) async fn delete_team(
    _: Grant<ManageIdentity>,
    Path(team_id): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state
        .write(move |transaction, _| -> Result<(), Refusal> {
            let id = id_of(transaction, &team_id)?;
            transaction.execute("delete from teams where id = ?", [id])?;
            Ok(())
        })
        .await?;
    Ok(no_content())
}

fn id_of(connection: &Connection, team_id: &str) -> Result<i64, Refusal> {
    let guid = super::super::applications::guid(team_id)?;
    let sql = "select id from teams where guid = ?";
    let id = connection.query_row(sql, [guid], |row| row.get(0)).optional()?;
    id.ok_or_else(|| Refusal::gateway(404, "no such team"))
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
        change: Change,
        own: Option<i64>,
    ) -> Result<Self, Refusal> {
        let mut errors = Vec::new();
        let given = (wanted.team_name.as_deref(), !change.is_partial);
        let name = free_name(connection, "teams", "team_name", given, own, &mut errors)?;
        let unit = wanted.business_unit.or_else(|| {
            wanted.bu_id.map(|id| wire::BusinessUnitName { bu_id: Some(id), bu_name: None })
        });
        let business_unit = match unit {
            Some(unit) => {
                let found = super::business_units::id_by(connection, &unit)?;
                if found.is_none() {
                    errors.push("bu_id: Invalid value.".into());
                }
                Some(found)
            }
            None => (!change.is_partial).then_some(None),
        };
        let members = match wanted.users {
            Some(users) => {
                let mut members = Vec::with_capacity(users.len());
                for user in users {
                    match member(connection, &user)? {
                        Some(member) => members.push(member),
                        None => errors.push("users: Invalid value.".into()),
                    }
                }
                Some(members)
            }
            None => (!change.is_partial && !change.is_incremental).then(Vec::new),
        };
        if !errors.is_empty() {
            return Err(Refusal::invalid(errors));
        }
        let member_only = wanted.member_only.or_else(|| (!change.is_partial).then_some(false));
        Ok(Self { name, member_only, business_unit, members })
    }

    fn write(
        &self,
        transaction: &Transaction<'_>,
        id: i64,
        change: Change,
    ) -> Result<(), rusqlite::Error> {
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
        if !change.is_incremental {
            transaction.execute("delete from team_members where team = ?", [id])?;
        }
        for (user, relationship) in members {
            users::join(transaction, id, *user, relationship)?;
        }
        Ok(())
    }
}

/// A member by id or name, and how it relates.
fn member(
    connection: &Connection,
    member: &wire::TeamMember,
) -> Result<Option<(i64, String)>, rusqlite::Error> {
    let Some(relationship) = relationship(member.relationship.as_ref()) else { return Ok(None) };
    let sql = "select id from users where guid = lower(?1) or (?1 is null and name = ?2)";
    let id = connection
        .query_row(sql, params![member.user_id, member.user_name], |row| row.get(0))
        .optional()?;
    Ok(id.map(|id| (id, relationship)))
}

/// `ADMIN` or `MEMBER`, in any case; nothing means the latter.
pub(super) fn relationship(given: Option<&wire::Relationship>) -> Option<String> {
    let name = given.map_or("MEMBER", |relationship| relationship.name.as_str());
    ["ADMIN", "MEMBER"].into_iter().find(|known| known.eq_ignore_ascii_case(name)).map(Into::into)
}
