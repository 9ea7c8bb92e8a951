//! Users: people and API accounts.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_wire::credential::SelfLink;
use countersign_wire::identity as wire;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::super::credentials::{minted_on_the_wire, on_the_wire};
use super::super::error::{Refusal, conversation_id};
use super::super::hal::{Listing, embedded};
use super::super::query::{Kind, Query, parameter, parameters, wrong};
use super::super::{input, json, no_content, ok};
use super::roles::role_id;
use super::teams::relationship;
use super::{CHANGE, Change, ChangeParameters, SORT, Source, listing, name};
use crate::caller::{By, Caller, Grant, ManageIdentity};
use crate::state::AppState;
use countersign_tenant::Error;
use countersign_tenant::addresses::is_address_entry;
use countersign_tenant::condition::{Condition, text};
use countersign_tenant::custom_roles::{self, CustomRole};
use countersign_tenant::guid_from;
use countersign_tenant::roles::{self, Permission};
use countersign_tenant::users::{self, Team, User};

pub(super) static ORGANIZATION_ID: LazyLock<String> = LazyLock::new(|| guid_from("organization"));

/// What legacy ids begin at.
const LEGACY: i64 = 40_000;

embedded!(Users, users: wire::User);

parameters!(
    AddressParameters,
    &[
        CHANGE[0],
        CHANGE[1],
        parameter(
            "adminNoVerificationEmail",
            Kind::Truth,
            "Another mail address counts at once, not when its owner has verified it.",
        ),
    ]
);

parameters!(
    UserFilters,
    &[
        parameter("user_name", Kind::Text, "This user name."),
        parameter("email_address", Kind::Each(&Kind::Text), "One of these addresses."),
        parameter("enabled", Kind::Truth, "Whether it may sign in."),
        parameter("active", Kind::Truth, "Whether it is active."),
        parameter("inactive", Kind::Truth, "Whether it is not."),
        parameter("detailed", Kind::Truth, "More members of each user."),
        SORT,
    ],
    paged
);
parameters!(
    UserSearch,
    &[
        parameter("search_term", Kind::Text, "In a name or the address."),
        parameter("role_id", Kind::Guid, "Who has this role."),
        parameter("team_id", Kind::Guid, "Who belongs to this team."),
        parameter("user_type", Kind::OneOf(&["user", "api"]), "People or API accounts."),
        parameter(
            "login_status",
            Kind::OneOf(&["Active", "Locked", "Never"]),
            "Whether it was ever used."
        ),
        parameter("login_enabled", Kind::Truth, "Whether it may sign in."),
        parameter("saml_user", Kind::Truth, "Whether it signs in by SAML."),
        parameter("api_id", Kind::Text, "Whose pair this is."),
        parameter("detailed", Kind::Truth, "More members of each user."),
        SORT,
    ],
    paged
);
parameters!(
    NewUser,
    &[parameter("generate_api_creds", Kind::Truth, "With a pair, whose secret the answer holds.")]
);

const SOURCE: Source = Source {
    columns: users::USER_COLUMNS,
    tables: "users",
    sorts: &[
        ("user_name", "name"),
        ("first_name", "first_name"),
        ("last_name", "last_name"),
        ("email_address", "email"),
        ("user_legacy_id", "id"),
    ],
    order: "id",
};

/// Guid to user.
pub(crate) fn user_of(connection: &Connection, user_id: &str) -> Result<User, Refusal> {
    let guid = super::super::applications::guid(user_id)?;
    users::user_by(connection, "guid", &guid)?.ok_or_else(|| Refusal::gateway(404, "no such user"))
}

fn brief(user: &User, base: &str) -> wire::User {
    wire::User {
        user_id: user.guid.clone(),
        user_legacy_id: Some(LEGACY + user.id),
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

fn detailed(user: &User, base: &str) -> wire::User {
    wire::User {
        active: Some(user.active),
        account_type: Some(if user.is_api { "API" } else { "USER" }.to_owned()),
        ..brief(user, base)
    }
}

fn whole(user: &User, base: &str) -> wire::User {
    let role_ref = |name: &String| {
        let custom = user.custom.iter().find(|role| role.name == *name);
        let id = custom.map_or_else(|| role_id(name).to_owned(), |role| role.guid.clone());
        wire::RoleRef {
            role_id: Some(id),
            role_name: Some(name.clone()),
            role_description: match custom {
                Some(role) => Some(role.description.clone()),
                None => roles::find(name).map(|role| role.description.to_owned()),
            },
        }
    };
    let membership = |team: &Team| wire::Membership {
        team_id: Some(team.guid.clone()),
        team_legacy_id: Some(team.id),
        team_name: Some(team.name.clone()),
        relationship: Some(wire::Relationship { name: team.relationship.clone() }),
    };
    let permission = if user.is_api { API_USER } else { "humanUser" };
    wire::User {
        pin_required: Some(user.pin_required),
        ip_restricted: Some(user.ip_restricted),
        allowed_ip_addresses: Some(user.allowed_ips.clone()),
        organization: Some(wire::Organization {
            org_id: Some(ORGANIZATION_ID.clone()),
            org_name: Some("Example Organization".into()),
        }),
        roles: Some(user.roles.iter().map(role_ref).collect()),
        teams: Some(user.teams.iter().map(membership).collect()),
        permissions: Some(vec![wire::PermissionRef {
            permission_id: None,
            permission_name: Some(permission.into()),
        }]),
        ..detailed(user, base)
    }
}

/// The permission that marks an API account.
const API_USER: &str = "apiUser";

/// The caller.
#[utoipa::path(
    get,
    path = "/api/authn/v2/users/self",
    tag = "Users",
    responses((status = 200, body = wire::User)),
)]
pub(crate) async fn read_own_user(
    caller: Caller,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let By::Pair(api_id) = &caller.by else { return json(&whole(&caller.user, &caller.base)) };
    // From memory: the hot path touches no database.
    let Some(signatory) = state.accounts().signatory(api_id)? else {
        return Err(Refusal::gateway(404, "no such user"));
    };
    if let Some((base, body)) = signatory.own_body.get()
        && *base == caller.base
    {
        return Ok(ok(body.clone()));
    }
    let (user, base) = (&signatory.user, &caller.base);
    let mut own = whole(user, base);
    own.api_credentials = Some(on_the_wire(&signatory.credential, user, base, None));
    let own = serde_json::to_vec(&own);
    let body = Bytes::from(own.map_err(|error| Refusal::gateway(500, &error.to_string()))?);
    // Whoever is first; under another address it is written again each time.
    let _ = signatory.own_body.set((base.clone(), body.clone()));
    Ok(ok(body))
}

/// A user.
#[utoipa::path(
    get,
    path = "/api/authn/v2/users/{user_id}",
    tag = "Users",
    responses((status = 200, body = wire::User)),
)]
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

/// Deletes a user, and pairs and clients with it.
#[utoipa::path(
    delete,
    path = "/api/authn/v2/users/{user_id}",
    tag = "Users",
    responses((status = 204)),
)]
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
    Ok(no_content())
}

/// Users.
#[utoipa::path(
    get,
    path = "/api/authn/v2/users",
    tag = "Users",
    params(UserFilters),
    responses((status = 200, body = Listing<Users>)),
)]
pub(crate) async fn list_users(
    grant: Grant<ManageIdentity>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let query = Query::parse(raw.as_deref());
    let shape = if query.truth("detailed")?.unwrap_or_default() { detailed } else { brief };
    state
        .read(move |connection, _| {
            page(connection, list_condition, &query, "users", &grant.caller, shape)
        })
        .await
}

fn list_condition(query: &Query) -> Result<Condition, Refusal> {
    let mut condition = Condition::always();
    if let Some(name) = query.get("user_name") {
        condition.and("name = ?", [text(name)]);
    }
    let emails = query.filter("email_address")?;
    if !emails.is_empty() {
        condition.one_of("lower(email)", emails.iter().map(|mail| text(&mail.to_lowercase())));
    }
    for (parameter, column, is) in [
        ("enabled", "login_enabled", true),
        ("active", "active", true),
        ("inactive", "active", false),
    ] {
        if let Some(given) = query.truth(parameter)? {
            condition.and(&format!("{column} = ?"), [i64::from(given == is).into()]);
        }
    }
    Ok(condition)
}

/// Users by what they are called and how they stand.
#[utoipa::path(
    get,
    path = "/api/authn/v2/users/search",
    tag = "Users",
    params(UserSearch),
    responses((status = 200, body = Listing<Users>)),
)]
pub(crate) async fn search_users(
    grant: Grant<ManageIdentity>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let query = Query::parse(raw.as_deref());
    state
        .read(move |connection, _| {
            page(connection, search_condition, &query, "users/search", &grant.caller, detailed)
        })
        .await
}

fn search_condition(query: &Query) -> Result<Condition, Refusal> {
    let mut condition = Condition::always();
    if let Some(term) = query.get("search_term") {
        condition.holds(&["name", "first_name", "last_name", "email"], term);
    }
    if let Some(id) = query.get("role_id") {
        let role = roles::ROLES.iter().find(|role| role_id(role.name) == id.to_lowercase());
        let name = role.map(|role| role.name).unwrap_or_default();
        let custom = "select name from custom_roles where guid = ?";
        condition.and(
            &format!("id in (select user from user_roles where role = ? or role in ({custom}))"),
            [text(name), text(&id.to_lowercase())],
        );
    }
    if let Some(id) = query.get("team_id") {
        condition.and(
            "id in (select user from team_members join teams on teams.id = team where guid = ?)",
            [text(&id.to_lowercase())],
        );
    }
    if let Some(kind) = query.get("user_type") {
        let is_api = match kind.to_ascii_lowercase().as_str() {
            "api" => true,
            "user" => false,
            _ => return Err(wrong("user_type", "user or api")),
        };
        condition.and("is_api = ?", [i64::from(is_api).into()]);
    }
    if let Some(status) = query.get("login_status") {
        let used = "id in (select user from credentials where last_used_ms is not null)";
        match status.to_ascii_lowercase().as_str() {
            "active" => condition.and(used, []),
            "never" => condition.and(&format!("not {used}"), []),
            "locked" => condition.and("false", []),
            _ => return Err(wrong("login_status", "Active, Locked or Never")),
        }
    }
    if let Some(is) = query.truth("login_enabled")? {
        condition.and("login_enabled = ?", [i64::from(is).into()]);
    }
    if query.truth("saml_user")? == Some(true) {
        condition.and("false", []);
    }
    if let Some(id) = query.get("api_id") {
        condition.and(
            "id in (select user from credentials where api_id = ?)",
            [text(&id.to_lowercase())],
        );
    }
    Ok(condition)
}

fn page(
    connection: &Connection,
    filter: fn(&Query) -> Result<Condition, Refusal>,
    query: &Query,
    path: &str,
    caller: &Caller,
    shape: fn(&User, &str) -> wire::User,
) -> Result<Response, Refusal> {
    let (users, page) = SOURCE.page(connection, filter, query, users::read_user)?;
    let base = &caller.base;
    let users = users.iter().map(|user| shape(user, base)).collect();
    listing::<_, Users>(path, users, page, base, query)
}

/// A new user or API account.
#[utoipa::path(
    post,
    path = "/api/authn/v2/users",
    tag = "Users",
    params(NewUser),
    request_body = wire::UserInput,
    responses((status = 200, body = wire::User)),
)]
pub(crate) async fn create_user(
    grant: Grant<ManageIdentity>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let wanted: wire::UserInput = input(body)?;
    let with_pair = Query::parse(raw.as_deref()).truth("generate_api_creds")?.unwrap_or_default();
    if with_pair && grant.caller.by == By::Token {
        return Err(Refusal::gateway(403, "a pair needs a signed request"));
    }
    state
        .write(move |transaction, state| {
            let mut user = created(transaction, wanted)?;
            user.guid = conversation_id(state);
            user.id = users::insert_user(transaction, &user, state.now())?;
            if user.active && user.login_enabled {
                state.send_password_link(transaction, &user, true)?;
            }
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

/// Changes a user.
#[utoipa::path(
    put,
    path = "/api/authn/v2/users/{user_id}",
    tag = "Users",
    params(AddressParameters),
    request_body = wire::UserInput,
    responses((status = 200, body = wire::User)),
)]
pub(crate) async fn update_user(
    grant: Grant<ManageIdentity>,
    Path(user_id): Path<String>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let wanted: wire::UserInput = input(body)?;
    let query = Query::parse(raw.as_deref());
    let change = Change::read(&query)?;
    let is_trusted = query.truth("adminNoVerificationEmail")?.unwrap_or_default();
    state
        .write(move |transaction, state| {
            let current = user_of(transaction, &user_id)?;
            let mut user = changed(transaction, wanted, current.clone(), change)?;
            if !is_trusted {
                verify_address(transaction, state, &current, &mut user)?;
            }
            users::write_user(transaction, user.id, &user)?;
            json(&whole(&user_of(transaction, &user_id)?, &grant.caller.base))
        })
        .await
}

/// Sends the link that leads to a password: the activation again, where there never
/// was one. By the numeric id, as the older APIs have it.
#[utoipa::path(
    post,
    path = "/api/authn/v2/users/{user_legacy_id}/resetPassword",
    tag = "Users",
    responses((status = 204)),
)]
pub(crate) async fn reset_password(
    _: Grant<ManageIdentity>,
    Path(legacy_id): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let id: i64 = legacy_id.parse().map_err(|_| wrong("user_legacy_id", "a number"))?;
    state
        .write(move |transaction, state| -> Result<(), Refusal> {
            let id = id.saturating_sub(LEGACY).to_string();
            let user = users::user_by(transaction, "id", &id)?;
            let user = user.filter(|user| user.active && user.login_enabled);
            let user = user.ok_or_else(|| Refusal::gateway(404, "no such user"))?;
            Ok(state.send_password_link(transaction, &user, true)?)
        })
        .await?;
    Ok(no_content())
}

/// Everybody may change the own name and address; what an administrator decides
/// stays with administrators.
#[utoipa::path(
    put,
    path = "/api/authn/v2/users/self",
    tag = "Users",
    params(ChangeParameters),
    request_body = wire::UserInput,
    responses((status = 200, body = wire::User)),
)]
pub(crate) async fn update_own_user(
    caller: Caller,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let wanted: wire::UserInput = input(body)?;
    let mut change = Change::read(&Query::parse(raw.as_deref()))?;
    if !caller.user.may(Permission::ManageIdentity) {
        let own = wire::UserInput {
            first_name: wanted.first_name.clone(),
            last_name: wanted.last_name.clone(),
            email_address: wanted.email_address.clone(),
            title: wanted.title.clone(),
            phone: wanted.phone.clone(),
            ..wire::UserInput::default()
        };
        if own != wanted {
            return Err(Refusal::gateway(403, "only an administrator changes these members"));
        }
        change.is_partial = true;
    }
    state
        .write(move |transaction, state| {
            let current = user_of(transaction, &caller.user.guid)?;
            let mut user = changed(transaction, wanted, current.clone(), change)?;
            verify_address(transaction, state, &current, &mut user)?;
            users::write_user(transaction, user.id, &user)?;
            json(&whole(&user_of(transaction, &caller.user.guid)?, &caller.base))
        })
        .await
}

/// Another mail address counts once its owner has said so.
fn verify_address(
    transaction: &Transaction<'_>,
    state: &AppState,
    current: &User,
    user: &mut User,
) -> Result<(), Error> {
    if user.email == current.email || state.console_url().is_none() {
        return Ok(());
    }
    let wished = std::mem::replace(&mut user.email, current.email.clone());
    state.change_address(transaction, current, &wished)
}

fn created(connection: &Connection, wanted: wire::UserInput) -> Result<User, Refusal> {
    checked(connection, wanted)?.map_err(Refusal::invalid)
}

/// A new account as the body wants it, not inserted yet; or all that is wrong.
pub(crate) fn checked(
    connection: &Connection,
    mut wanted: wire::UserInput,
) -> Result<Result<User, Vec<String>>, Refusal> {
    let nobody = User {
        id: 0,
        guid: String::new(),
        name: String::new(),
        email: String::new(),
        first_name: String::new(),
        last_name: String::new(),
        is_api: is_api(wanted.permissions.take().as_deref().unwrap_or_default()),
        active: true,
        login_enabled: true,
        pin_required: false,
        ip_restricted: false,
        allowed_ips: Vec::new(),
        roles: Vec::new(),
        teams: Vec::new(),
        custom: Vec::new(),
    };
    let mut errors = Vec::new();
    let whole = Change { is_partial: false, is_incremental: false };
    let has_roles = wanted.roles.as_ref().is_some_and(|roles| !roles.is_empty());
    let user = resolve(connection, wanted, nobody, whole, &mut errors)?;
    if !has_roles && errors.is_empty() {
        errors.push("roles: at least one role is required.".into());
    }
    Ok(if errors.is_empty() { Ok(user) } else { Err(errors) })
}

/// An account after a change of all that people may change; or all that is wrong.
pub(crate) fn changed_by(
    connection: &Connection,
    wanted: wire::UserInput,
    current: User,
) -> Result<Result<User, Vec<String>>, Refusal> {
    let mut errors = Vec::new();
    let has_roles = wanted.roles.as_ref().is_some_and(|roles| !roles.is_empty());
    let partial = Change { is_partial: true, is_incremental: false };
    let user = resolve(connection, wanted, current, partial, &mut errors)?;
    if !has_roles {
        errors.push("roles: at least one role is required.".into());
    }
    Ok(if errors.is_empty() { Ok(user) } else { Err(errors) })
}

fn changed(
    connection: &Connection,
    wanted: wire::UserInput,
    current: User,
    change: Change,
) -> Result<User, Refusal> {
    let mut errors = Vec::new();
    let user = resolve(connection, wanted, current, change, &mut errors)?;
    if errors.is_empty() { Ok(user) } else { Err(Refusal::invalid(errors)) }
}

fn is_api(permissions: &[wire::PermissionRef]) -> bool {
    permissions.iter().any(|permission| permission.permission_name.as_deref() == Some(API_USER))
}

/// The account as the body wants it. Notes every member that is missing or
/// wrong, not only the first.
fn resolve(
    connection: &Connection,
    wanted: wire::UserInput,
    current: User,
    change: Change,
    errors: &mut Vec<String>,
) -> Result<User, Refusal> {
    let mut required = |given: Option<String>, current: String, member: &str| match given {
        None if change.is_partial => current,
        given => name(given.as_deref(), member, errors),
    };
    let user_name = required(wanted.user_name, current.name, "user_name");
    let email = required(wanted.email_address, current.email, "email_address");
    let first_name = required(wanted.first_name, current.first_name, "first_name");
    let last_name = required(wanted.last_name, current.last_name, "last_name");
    if let Some(other) = users::user_by(connection, "name", &user_name)?
        && other.id != current.id
    {
        errors.push(format!("user_name: {user_name} is taken."));
    }
    if wanted.permissions.is_some_and(|given| is_api(&given) != current.is_api) {
        errors.push("permissions: an account cannot change between user and API.".into());
    }
    if wanted.saml_user == Some(true) {
        errors.push("saml_user: SAML accounts are not offered here.".into());
    }
    let allowed_ips = match wanted.allowed_ip_addresses {
        Some(mut given) if change.is_incremental => {
            given.splice(0..0, current.allowed_ips);
            given.dedup();
            given
        }
        Some(given) => given,
        None if change.is_partial || change.is_incremental => current.allowed_ips,
        None => Vec::new(),
    };
    if let Some(entry) = allowed_ips.iter().find(|entry| !is_address_entry(entry)) {
        errors.push(format!("allowed_ip_addresses: {entry} is not an address or a range."));
    }

    let keeps = change.is_partial || change.is_incremental;
    let given = match wanted.roles {
        Some(roles) => Some(role_names(connection, roles, errors)?),
        None => None,
    };
    let roles = merged(current.roles, given, keeps, change, |a, b| a == b);
    let given = match wanted.teams {
        Some(memberships) => Some(team_list(connection, &memberships, errors)?),
        None => None,
    };
    let teams = merged(current.teams, given, keeps, change, |a, b| a.id == b.id);
    if errors.is_empty() && !roles.is_empty() {
        let custom = custom_roles::held(connection, &roles)?;
        check_account(current.is_api, &roles, &custom, &teams, errors);
    }
    let flag = |given: Option<bool>, current: bool, cleared: bool| {
        given.unwrap_or(if change.is_partial { current } else { cleared })
    };
    Ok(User {
        id: current.id,
        guid: current.guid,
        name: user_name,
        email,
        first_name,
        last_name,
        is_api: current.is_api,
        active: flag(wanted.active, current.active, true),
        login_enabled: flag(wanted.login_enabled, current.login_enabled, true),
        pin_required: flag(wanted.pin_required, current.pin_required, false),
        ip_restricted: flag(wanted.ip_restricted, current.ip_restricted, false),
        allowed_ips,
        custom: custom_roles::held(connection, &roles)?,
        roles,
        teams,
    })
}

/// A list after a change: replaced, added to, or kept.
pub(super) fn merged<T>(
    current: Vec<T>,
    given: Option<Vec<T>>,
    keeps: bool,
    change: Change,
    is_same: impl Fn(&T, &T) -> bool,
) -> Vec<T> {
    match given {
        None if keeps => current,
        None => Vec::new(),
        Some(given) if change.is_incremental => {
            let kept = current.into_iter().filter(|old| !given.iter().any(|new| is_same(old, new)));
            let kept: Vec<_> = kept.collect();
            kept.into_iter().chain(given).collect()
        }
        Some(given) => given,
    }
}

fn check_account(
    is_api: bool,
    given: &[String],
    custom: &[CustomRole],
    teams: &[Team],
    errors: &mut Vec<String>,
) {
    for role in custom.iter().filter(|role| role.is_api != is_api) {
        errors.push(format!("roles: {} is for the other kind of account.", role.name));
    }
    // What counts is what an account ends up with.
    let children = custom.iter().flat_map(|role| &role.child_roles);
    let roles: Vec<String> = given.iter().chain(children).cloned().collect();
    let roles = roles.as_slice();
    if let Err(error) = roles::check_combination(is_api, roles) {
        errors.push(error);
    }
    let sees_all = roles.iter().filter_map(|name| roles::find(name)).any(|role| role.sees_all);
    if is_api && teams.is_empty() && !sees_all && roles != ["adminapi"] {
        errors.push("teams: an API account needs teams or the role noteamrestrictionapi.".into());
    }
}

fn role_names(
    connection: &Connection,
    given: Vec<wire::RoleRef>,
    errors: &mut Vec<String>,
) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = Vec::with_capacity(given.len());
    for role in given {
        let by_id = |id: &String| roles::ROLES.iter().find(|role| role_id(role.name) == *id);
        let found = match (&role.role_name, &role.role_id) {
            (Some(name), _) => roles::find(name),
            (None, Some(id)) => by_id(id),
            (None, None) => None,
        };
        match found {
            Some(role) if names.iter().any(|name| name == role.name) => {}
            Some(role) => names.push(role.name.to_owned()),
            None => {
                let text = role.role_name.or(role.role_id).unwrap_or_default();
                match custom_roles::find(connection, &text)? {
                    Some(role) if names.contains(&role.name) => {}
                    Some(role) => names.push(role.name),
                    None => errors.push(format!("roles: {text} is not a role.")),
                }
            }
        }
    }
    Ok(names)
}

fn team_list(
    connection: &Connection,
    memberships: &[wire::Membership],
    errors: &mut Vec<String>,
) -> Result<Vec<Team>, rusqlite::Error> {
    let mut teams = Vec::with_capacity(memberships.len());
    for membership in memberships {
        match team_of(connection, membership)? {
            Some(team) => teams.push(team),
            None => errors.push("team_id: Invalid value.".into()),
        }
    }
    Ok(teams)
}

/// The team of this id, or of this name.
pub(super) fn team_of(
    connection: &Connection,
    membership: &wire::Membership,
) -> Result<Option<Team>, rusqlite::Error> {
    let Some(relationship) = relationship(membership.relationship.as_ref()) else {
        return Ok(None);
    };
    connection
        .query_row(
            "select id, guid, name from teams where guid = lower(?1) or (?1 is null and name = ?2)",
            params![membership.team_id, membership.team_name],
            |row| Ok(Team { id: row.get(0)?, guid: row.get(1)?, name: row.get(2)?, relationship }),
        )
        .optional()
}
