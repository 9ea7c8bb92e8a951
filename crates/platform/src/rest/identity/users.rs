//! Users: people and API accounts.

use std::sync::LazyLock;

use super::super::answer::{created, done, json, no_content, ok};
use super::super::asked::Input;
use super::super::credentials::{minted_on_the_wire, on_the_wire};
use super::super::error::Refusal;
#[cfg(test)]
use super::super::hal::Listing;
use super::super::hal::embedded;
#[cfg(test)]
use super::super::query::Kind;
#[cfg(test)]
use super::super::query::parameter;
use super::super::query::{Query, parameters, wrong};
#[cfg(test)]
use super::CHANGE;
#[cfg(test)]
use super::ChangeParameters;
#[cfg(test)]
use super::SORT;
use super::{listing, manner, page_of};
use crate::caller::{By, Caller, Grant, ManageIdentity};
use crate::state::AppState;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_tenant::users::{self, Address, Filter, LoginStatus, Team, User};
use countersign_tenant::{Refused, credentials, guid_from, guid_of, roles};
use countersign_wire::credential::SelfLink;
use countersign_wire::identity as wire;

pub(super) const ORGANIZATION_NAME: &str = "Example Organization";
pub(super) static ORGANIZATION_ID: LazyLock<String> = LazyLock::new(|| guid_from("organization"));

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
        parameter("user_type", Kind::OneOf(&["user", "api"]), "Users or API accounts."),
        parameter(
            "login_status",
            Kind::OneOf(&["Active", "Locked", "Never"]),
            "Whether it was ever used."
        ),
        parameter("login_enabled", Kind::Truth, "Whether it may sign in."),
        parameter("saml_user", Kind::Truth, "Whether it signs in by SAML."),
        parameter("api_id", Kind::Text, "Owner of these credentials."),
        parameter("detailed", Kind::Truth, "More members of each user."),
        SORT,
    ],
    paged
);
parameters!(RoleHolders, &[SORT], paged);
parameters!(
    Outsiders,
    &[
        parameter("team_id", Kind::Guid, "The team; required."),
        parameter("search_term", Kind::Text, "In a name or the address."),
        SORT,
    ],
    paged
);
parameters!(
    NewUser,
    &[parameter(
        "generate_api_creds",
        Kind::Truth,
        "With HMAC credentials, whose secret the response has."
    )]
);

fn brief(user: &User, base: &str) -> wire::User {
    wire::User {
        user_id: user.guid.clone(),
        user_legacy_id: Some(users::LEGACY + user.id),
        user_name: Some(user.name.clone()),
        first_name: Some(user.first_name.clone()),
        last_name: Some(user.last_name.clone()),
        email_address: Some(user.email.clone()),
        login_enabled: Some(user.login_enabled),
        active: Some(user.active),
        saml_user: Some(false),
        links: Some(SelfLink::to(format!("{base}/api/authn/v2/users/{}", user.guid))),
        ..wire::User::default()
    }
}

fn detailed(user: &User, base: &str) -> wire::User {
    wire::User {
        account_type: Some(if user.is_api { "API" } else { "USER" }.to_owned()),
        ..brief(user, base)
    }
}

fn whole(user: &User, base: &str) -> wire::User {
    let role_ref = |name: &String| {
        let custom = user.custom.iter().find(|role| role.name == *name);
        let id = custom.map_or_else(|| roles::id_of(name).to_owned(), |role| role.guid.clone());
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
    let permission = if user.is_api { users::API_USER } else { "humanUser" };
    wire::User {
        pin_required: Some(user.pin_required),
        ip_restricted: Some(user.ip_restricted),
        allowed_ip_addresses: Some(user.allowed_ips.clone()),
        organization: Some(wire::Organization {
            org_id: Some(ORGANIZATION_ID.clone()),
            org_name: Some(ORGANIZATION_NAME.into()),
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

/// The caller.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/api/authn/v2/users/self",
    tag = "Users",
    responses((status = 200, body = wire::User)),
))]
pub(crate) async fn read_own_user(
    caller: Caller,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let By::Pair(api_id) = &caller.by else { return json(&whole(&caller.user, &caller.base)) };
    // From memory: the hot path touches no database.
    let Some(signatory) = state.tenant().signatory(api_id)? else {
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
#[cfg_attr(test, utoipa::path(
    get,
    path = "/api/authn/v2/users/{user_id}",
    tag = "Users",
    responses((status = 200, body = wire::User)),
))]
pub(crate) async fn read_user(
    grant: Grant<ManageIdentity>,
    Path(user_id): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let user = state.look(move |view| users::find(view, &user_id)).await?;
    json(&whole(&user, &grant.caller.base))
}

/// Deletes a user, and pairs and clients with it.
#[cfg_attr(test, utoipa::path(
    delete,
    path = "/api/authn/v2/users/{user_id}",
    tag = "Users",
    responses((status = 200, description = "An empty object.")),
))]
pub(crate) async fn delete_user(
    grant: Grant<ManageIdentity>,
    Path(user_id): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state.change(grant.caller.act(), move |change| users::delete(change, &user_id)).await?;
    Ok(done())
}

/// Users.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/api/authn/v2/users",
    tag = "Users",
    params(UserFilters),
    responses((status = 200, body = Listing<Users>)),
))]
pub(crate) async fn list_users(
    grant: Grant<ManageIdentity>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let query = Query::parse(raw.as_deref());
    let shape = if query.truth("detailed")?.unwrap_or_default() { detailed } else { brief };
    page(state, listed, query, "users".into(), grant.caller, shape).await
}

fn listed(query: &Query) -> Result<Filter, Refusal> {
    let mut filter = Filter {
        user_name: query.get("user_name").map(String::from),
        email_addresses: query.filter("email_address")?.into_iter().map(String::from).collect(),
        login_enabled: query.truth("enabled")?,
        active: query.truth("active")?,
        ..Filter::default()
    };
    if let Some(is) = query.truth("inactive")? {
        filter.active = Some(!is);
    }
    Ok(filter)
}

/// Users by what they are called and how they stand.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/api/authn/v2/users/search",
    tag = "Users",
    params(UserSearch),
    responses((status = 200, body = Listing<Users>)),
))]
pub(crate) async fn search_users(
    grant: Grant<ManageIdentity>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let query = Query::parse(raw.as_deref());
    page(state, searched, query, "users/search".into(), grant.caller, detailed).await
}

fn searched(query: &Query) -> Result<Filter, Refusal> {
    let text = |name: &str| query.get(name).map(String::from);
    let kind = query.get("user_type").map(str::to_ascii_lowercase);
    let status = query.get("login_status").map(str::to_ascii_lowercase);
    Ok(Filter {
        search_term: text("search_term"),
        role_id: text("role_id"),
        team_id: text("team_id"),
        is_api: match kind.as_deref() {
            None => None,
            Some("api") => Some(true),
            Some("user") => Some(false),
            Some(_) => return Err(wrong("user_type", "user or api")),
        },
        login_status: match status.as_deref() {
            None => None,
            Some("active") => Some(LoginStatus::Active),
            Some("never") => Some(LoginStatus::Never),
            Some("locked") => Some(LoginStatus::Locked),
            Some(_) => return Err(wrong("login_status", "Active, Locked or Never")),
        },
        login_enabled: query.truth("login_enabled")?,
        saml_user: query.truth("saml_user")?,
        api_id: text("api_id"),
        ..Filter::default()
    })
}

/// Users who have a role, by itself or as part of a custom one.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/api/authn/v2/users/by_role/{role_id}",
    tag = "Users",
    params(RoleHolders),
    responses((status = 200, body = Listing<Users>)),
))]
pub(crate) async fn list_users_by_role(
    grant: Grant<ManageIdentity>,
    Path(role_id): Path<String>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let query = Query::parse(raw.as_deref());
    let role = guid_of(&role_id)?;
    let path = format!("users/by_role/{role}");
    let read = move |_: &Query| Ok(Filter { holds_role: Some(role.clone()), ..Filter::default() });
    page(state, read, query, path, grant.caller, detailed).await
}

/// Users who do not belong to a team.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/api/authn/v2/users/notinteam",
    tag = "Users",
    params(Outsiders),
    responses((status = 200, body = Listing<Users>)),
))]
pub(crate) async fn list_users_not_in_team(
    grant: Grant<ManageIdentity>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let read = |query: &Query| {
        Ok(Filter {
            not_in_team: Some(query.get("team_id").unwrap_or_default().to_owned()),
            search_term: query.get("search_term").map(String::from),
            ..Filter::default()
        })
    };
    let query = Query::parse(raw.as_deref());
    page(state, read, query, "users/notinteam".into(), grant.caller, detailed).await
}

async fn page(
    state: AppState,
    read: impl Fn(&Query) -> Result<Filter, Refusal> + Send + 'static,
    query: Query,
    path: String,
    caller: Caller,
    shape: fn(&User, &str) -> wire::User,
) -> Result<Response, Refusal> {
    state
        .look(move |view| {
            let (found, page) =
                page_of(&query, |query, window| Ok(users::list(view, &read(query)?, window)?))?;
            let users = found.iter().map(|user| shape(user, &caller.base)).collect();
            listing::<_, Users>(&path, users, page, &caller.base, &query)
        })
        .await
}

/// A new user or API account.
#[cfg_attr(test, utoipa::path(
    post,
    path = "/api/authn/v2/users",
    tag = "Users",
    params(NewUser),
    request_body = wire::UserInput,
    responses((status = 201, body = wire::User)),
))]
pub(crate) async fn create_user(
    grant: Grant<ManageIdentity>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
    Input(wanted): Input<wire::UserInput>,
) -> Result<Response, Refusal> {
    let with_pair = Query::parse(raw.as_deref()).truth("generate_api_creds")?.unwrap_or_default();
    if with_pair && grant.caller.by == By::Token {
        return Err(Refusal::gateway(403, "HMAC credentials need a signed request"));
    }
    state
        .change(grant.caller.act(), move |change| {
            let base = &grant.caller.base;
            let user = users::create(change, wanted)?;
            let mut body = whole(&user, base);
            if with_pair {
                let minted = credentials::generate(change, &user)?;
                body.api_credentials = Some(minted_on_the_wire(&minted, &user, base));
            }
            user.try_map(|_| created(&body))
        })
        .await
}

/// Changes a user.
#[cfg_attr(test, utoipa::path(
    put,
    path = "/api/authn/v2/users/{user_id}",
    tag = "Users",
    params(AddressParameters),
    request_body = wire::UserInput,
    responses((status = 200, body = wire::User)),
))]
pub(crate) async fn update_user(
    grant: Grant<ManageIdentity>,
    Path(user_id): Path<String>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
    Input(wanted): Input<wire::UserInput>,
) -> Result<Response, Refusal> {
    let query = Query::parse(raw.as_deref());
    let manner = manner(&query)?;
    let address = match query.truth("adminNoVerificationEmail")? {
        Some(true) => Address::Trusted,
        _ => Address::Verified,
    };
    state
        .change(grant.caller.act(), move |change| {
            let user = users::update(change, &user_id, wanted, manner, address)?;
            user.try_map(|user| json(&whole(&user, &grant.caller.base)))
        })
        .await
}

/// Sends the link that leads to a password: the activation again, where there never
/// was one. By the numeric id, as the older APIs have it.
#[cfg_attr(test, utoipa::path(
    post,
    path = "/api/authn/v2/users/{user_legacy_id}/resetPassword",
    tag = "Users",
    responses((status = 204)),
))]
pub(crate) async fn reset_password(
    grant: Grant<ManageIdentity>,
    Path(legacy_id): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let id: i64 = legacy_id.parse().map_err(|_| wrong("user_legacy_id", "a number"))?;
    state
        .change(grant.caller.act(), move |change| {
            let user = users::of_id(change, id.saturating_sub(users::LEGACY))?;
            users::send_link(change, &user.ok_or(Refused::Missing("user"))?)
        })
        .await?;
    Ok(no_content())
}

/// Everybody may change the own name and address; what an administrator decides
/// stays with administrators.
#[cfg_attr(test, utoipa::path(
    put,
    path = "/api/authn/v2/users/self",
    tag = "Users",
    params(ChangeParameters),
    request_body = wire::UserInput,
    responses((status = 200, body = wire::User)),
))]
pub(crate) async fn update_own_user(
    caller: Caller,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
    Input(wanted): Input<wire::UserInput>,
) -> Result<Response, Refusal> {
    let manner = manner(&Query::parse(raw.as_deref()))?;
    state
        .change(caller.act(), move |change| {
            let user = users::update_own(change, &caller.user, wanted, manner)?;
            user.try_map(|user| json(&whole(&user, &caller.base)))
        })
        .await
}
