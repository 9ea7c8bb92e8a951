//! Users, roles, teams, business units.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use countersign_wire::credential::SelfLink;
use countersign_wire::hal::{Links, Page};
use countersign_wire::identity as wire;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use super::credentials::{minted_on_the_wire, on_the_wire};
use super::error::{Refusal, conversation_id};
use super::hal::List;
use super::query::Query;
use super::{input, json, ok};
use crate::accounts::{self, Team, User};
use crate::caller::{Caller, Grant, ManageIdentity};
use crate::roles;
use crate::state::AppState;

/// Largest page of the Identity API.
const MOST: u64 = 1000;

#[derive(Serialize)]
struct Listing<T: Serialize> {
    #[serde(rename = "_embedded", skip_serializing_if = "Option::is_none")]
    embedded: Option<std::collections::BTreeMap<&'static str, Vec<T>>>,
    #[serde(rename = "_links")]
    links: Links,
    page: Page,
}

fn listing<T: Serialize>(
    name: &'static str,
    elements: Vec<T>,
    page: Page,
    base: &str,
    query: &Query,
) -> Result<Response, Refusal> {
    let list =
        List { url: format!("{base}/api/authn/v2/{name}"), parameters: &[], offers_paging: true };
    let embedded = (!elements.is_empty()).then(|| [(name, elements)].into());
    json(&Listing { embedded, links: list.links(query, page), page })
}

/// Guid to user.
pub(crate) fn user_of(connection: &Connection, user_id: &str) -> Result<User, Refusal> {
    let guid = super::applications::guid(user_id)?;
    accounts::user_by(connection, "guid", &guid)?
        .ok_or_else(|| Refusal::gateway(404, "no such user"))
}

fn brief(user: &User, base: &str) -> wire::User {
    wire::User {
        user_id: user.guid.clone(),
        user_legacy_id: Some(40_000 + user.id),
        user_name: Some(user.name.clone()),
        first_name: Some(user.first_name.clone()),
        last_name: Some(user.last_name.clone()),
        email_address: Some(user.email.clone()),
        login_enabled: Some(user.login_enabled),
        saml_user: Some(false),
        links: Some(SelfLink::to(format!("{base}/api/authn/v2/users/{}", user.guid))),
        ..wire::User::default()
    }
}

fn whole(user: &User, base: &str) -> wire::User {
    let role_ref = |name: &String| wire::RoleRef {
        role_id: Some(role_id(name)),
        role_name: Some(name.clone()),
        role_description: roles::find(name).map(|role| role.description.to_owned()),
    };
    let membership = |team: &Team| wire::Membership {
        team_id: Some(team.guid.clone()),
        team_legacy_id: Some(team.id),
        team_name: Some(team.name.clone()),
        relationship: Some(wire::Relationship { name: team.relationship.clone() }),
    };
    let permission = if user.is_api { "apiUser" } else { "humanUser" };
    wire::User {
        active: Some(user.active),
        account_type: Some(if user.is_api { "API" } else { "USER" }.to_owned()),
        pin_required: Some(user.pin_required),
        ip_restricted: Some(user.ip_restricted),
        allowed_ip_addresses: Some(user.allowed_ips.clone()),
        organization: Some(wire::Organization {
            org_id: Some(guid_from("organization")),
            org_name: Some("Example Organization".into()),
        }),
        roles: Some(user.roles.iter().map(role_ref).collect()),
        teams: Some(user.teams.iter().map(membership).collect()),
        permissions: Some(vec![wire::PermissionRef {
            permission_id: None,
            permission_name: Some(permission.into()),
        }]),
        ..brief(user, base)
    }
}

pub(crate) async fn read_self(
    caller: Caller,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    // From memory: the hot path touches no database.
    let Some(signatory) = state.accounts().signatory(&caller.api_id)? else {
        return Err(Refusal::gateway(404, "no such user"));
    };
    let mut body = whole(&caller.user, &caller.base);
    body.api_credentials =
        Some(on_the_wire(&signatory.credential, &caller.user, &caller.base, None));
    json(&body)
}

pub(crate) async fn read_user(
    grant: Grant<ManageIdentity>,
    Path(user_id): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state
        .read(move |connection, _| {
            json(&whole(&user_of(connection, &user_id)?, &grant.caller.base))
        })
        .await
}

pub(crate) async fn delete_user(
    _: Grant<ManageIdentity>,
    Path(user_id): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state
        .write(move |transaction, _| -> Result<(), Refusal> {
            let user = user_of(transaction, &user_id)?;
            transaction.execute("delete from users where id = ?", [user.id])?;
            Ok(())
        })
        .await?;
    let mut response = ok("");
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

pub(crate) async fn list_users(
    grant: Grant<ManageIdentity>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state
        .read(move |connection, _| {
            let query = Query::parse(raw.as_deref());
            let paging = query.paging(20, MOST)?;
            let name = query.get("user_name");
            let (mut users, mut total) =
                accounts::users(connection, name, paging.offset(), paging.size)?;
            if total == 0 && name.is_some_and(|name| name.contains('%')) {
                // One client encodes names twice.
                let name = name.map(super::query::decode);
                (users, total) =
                    accounts::users(connection, name.as_deref(), paging.offset(), paging.size)?;
            }
            let page = Page::new(paging.number, paging.size, total);
            let base = &grant.caller.base;
            let users = users.iter().map(|user| brief(user, base)).collect();
            listing("users", users, page, base, &query)
        })
        .await
}

pub(crate) async fn create_user(
    grant: Grant<ManageIdentity>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<Response, Refusal> {
    let body = body.map_err(|_| Refusal::gateway(413, "the body is larger than 1 MiB"))?;
    let input: wire::UserInput = input(&body)?;
    let with_pair = Query::parse(raw.as_deref()).truth("generate_api_creds")?.unwrap_or_default();
    state
        .write(move |transaction, state| {
            let mut user = read_input(transaction, input)?;
            user.guid = conversation_id(state);
            user.id = accounts::insert_user(transaction, &user, state.now())?;
            let base = &grant.caller.base;
            let mut body = whole(&user, base);
            if with_pair {
                let minted = state.accounts().mint(transaction, user.id, state.now())?;
                body.api_credentials = Some(minted_on_the_wire(&minted, &user, base));
            }
            json(&body)
        })
        .await
}

/// Names every member that is missing or wrong, not only the first.
fn read_input(connection: &Connection, input: wire::UserInput) -> Result<User, Refusal> {
    let mut errors = Vec::new();
    let mut required = |name: &str, value: Option<String>| match value {
        Some(value) if !value.trim().is_empty() && value.len() <= 256 => value,
        _ => {
            errors.push(format!("{name}: must be 1 to 256 characters."));
            String::new()
        }
    };
    let name = required("user_name", input.user_name);
    let email = required("email_address", input.email_address);
    let first_name = required("first_name", input.first_name);
    let last_name = required("last_name", input.last_name);
    let is_api = input.permissions.iter().flatten().any(|permission| {
        permission.permission_name.as_deref().is_some_and(|name| name == "apiUser")
    });
    let mut names = Vec::new();
    for role in input.roles.unwrap_or_default() {
        let by_id = |id: &String| roles::ROLES.iter().find(|role| role_id(role.name) == *id);
        let found = match (&role.role_name, &role.role_id) {
            (Some(name), _) => roles::find(name),
            (None, Some(id)) => by_id(id),
            (None, None) => None,
        };
        match found {
            Some(role) => names.push(role.name.to_owned()),
            None => errors.push(format!(
                "roles: {} is not a role.",
                role.role_name.or(role.role_id).unwrap_or_default()
            )),
        }
    }
    if errors.is_empty()
        && let Err(error) = roles::check_combination(is_api, &names)
    {
        errors.push(error);
    }
    let mut teams = Vec::new();
    for membership in input.teams.unwrap_or_default() {
        match team_of(connection, &membership)? {
            Some(team) => teams.push(team),
            None => errors.push("team_id: Invalid value.".into()),
        }
    }
    let sees_all = names.iter().filter_map(|name| roles::find(name)).any(|role| role.sees_all);
    let is_admin_only = names == ["adminapi"];
    if errors.is_empty() && is_api && teams.is_empty() && !sees_all && !is_admin_only {
        errors.push("teams: an API account needs teams or the role noteamrestrictionapi.".into());
    }
    if accounts::user_by(connection, "name", &name)?.is_some() {
        errors.push(format!("user_name: {name} is taken."));
    }
    if !errors.is_empty() {
        return Err(Refusal::invalid(errors));
    }
    Ok(User {
        id: 0,
        guid: String::new(),
        name,
        email,
        first_name,
        last_name,
        is_api,
        active: input.active.unwrap_or(true),
        login_enabled: input.login_enabled.unwrap_or(true),
        pin_required: input.pin_required.unwrap_or_default(),
        ip_restricted: input.ip_restricted.unwrap_or_default(),
        allowed_ips: input.allowed_ip_addresses.unwrap_or_default(),
        roles: names,
        teams,
    })
}

fn team_of(
    connection: &Connection,
    membership: &wire::Membership,
) -> Result<Option<Team>, rusqlite::Error> {
    let relationship =
        membership.relationship.as_ref().map_or("MEMBER", |relationship| &relationship.name);
    connection
        .query_row(
            "select id, guid, name from teams where guid = ?1 or (?1 is null and name = ?2)",
            params![membership.team_id, membership.team_name],
            |row| {
                Ok(Team {
                    id: row.get(0)?,
                    guid: row.get(1)?,
                    name: row.get(2)?,
                    relationship: relationship.to_owned(),
                })
            },
        )
        .optional()
}

pub(crate) async fn list_roles(
    grant: Grant<ManageIdentity>,
    RawQuery(raw): RawQuery,
) -> Result<Response, Refusal> {
    let query = Query::parse(raw.as_deref());
    let paging = query.paging(20, MOST)?;
    let base = &grant.caller.base;
    let all = roles::ROLES.iter().enumerate().map(|(at, role)| wire::Role {
        role_id: role_id(role.name),
        role_legacy_id: i64::try_from(at).ok(),
        role_name: role.name.into(),
        role_description: Some(role.description.into()),
        is_api: role.is_api,
        is_scan_type: role.is_scan_type,
        ignore_team_restrictions: role.sees_all,
        jit_assignable: !role.is_api,
        links: Some(SelfLink::to(format!("{base}/api/authn/v2/roles/{}", role_id(role.name)))),
        ..wire::Role::default()
    });
    let page = Page::new(paging.number, paging.size, roles::ROLES.len() as u64);
    let skip = usize::try_from(paging.offset()).unwrap_or(usize::MAX);
    let some = all.skip(skip).take(usize::try_from(paging.size).unwrap_or(usize::MAX)).collect();
    listing("roles", some, page, base, &query)
}

pub(crate) async fn list_teams(
    grant: Grant<ManageIdentity>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state
        .read(move |connection, _| {
            let query = Query::parse(raw.as_deref());
            let paging = query.paging(20, MOST)?;
            let base = &grant.caller.base;
            let total = connection.query_row("select count(*) from teams", [], |row| row.get(0))?;
            let mut statement = connection.prepare_cached(
                "select teams.guid, teams.id, teams.name, business_units.guid, business_units.name
                 from teams left join business_units on business_units.id = teams.business_unit
                 order by teams.id limit ? offset ?",
            )?;
            let rows = statement.query_map(params![paging.size, paging.offset()], |row| {
                let guid: String = row.get(0)?;
                Ok(wire::Team {
                    links: Some(SelfLink::to(format!("{base}/api/authn/v2/teams/{guid}"))),
                    team_id: guid,
                    team_legacy_id: row.get(1)?,
                    team_name: row.get(2)?,
                    business_unit: Some(wire::BusinessUnitName {
                        bu_id: row.get(3)?,
                        bu_name: row.get(4)?,
                    }),
                    ..wire::Team::default()
                })
            })?;
            let teams = rows.collect::<Result<Vec<_>, _>>()?;
            listing("teams", teams, Page::new(paging.number, paging.size, total), base, &query)
        })
        .await
}

pub(crate) async fn list_business_units(
    grant: Grant<ManageIdentity>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state
        .read(move |connection, _| {
            let query = Query::parse(raw.as_deref());
            let paging = query.paging(20, MOST)?;
            let base = &grant.caller.base;
            let count = "select count(*) from business_units";
            let total = connection.query_row(count, [], |row| row.get(0))?;
            let mut statement = connection.prepare_cached(
                "select guid, id, name, is_default from business_units order by id limit ? offset ?",
            )?;
            let rows = statement.query_map(params![paging.size, paging.offset()], |row| {
                let guid: String = row.get(0)?;
                Ok(wire::BusinessUnit {
                    links: Some(SelfLink::to(format!("{base}/api/authn/v2/business_units/{guid}"))),
                    bu_id: guid,
                    bu_legacy_id: row.get(1)?,
                    bu_name: row.get(2)?,
                    is_default: row.get(3)?,
                    ..wire::BusinessUnit::default()
                })
            })?;
            let units = rows.collect::<Result<Vec<_>, _>>()?;
            let page = Page::new(paging.number, paging.size, total);
            listing("business_units", units, page, base, &query)
        })
        .await
}

/// The same role has the same id in every home.
fn role_id(name: &str) -> String {
    guid_from(&format!("role:{name}"))
}

/// A guid that depends on a text alone.
pub(crate) fn guid_from(text: &str) -> String {
    use sha2::{Digest, Sha256};
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(text)[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}
