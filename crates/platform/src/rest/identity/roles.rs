//! Roles.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_wire::credential::SelfLink;
use countersign_wire::hal::Page;
use countersign_wire::identity as wire;
use rusqlite::{Connection, Transaction};

use super::super::error::{Refusal, conversation_id};
use super::super::hal::{Listing, embedded};
use super::super::query::{Pages, Query};
use super::super::{input, json, no_content};
use super::users::merged;
use super::{Change, ChangeParameters, MOST, free_name, listing};
use crate::caller::{Grant, ManageIdentity};
use crate::state::AppState;
use countersign_tenant::custom_roles::{self, CustomRole, Known, PERMISSIONS};
use countersign_tenant::guid_from;
use countersign_tenant::roles::{ROLES, Role};

embedded!(Roles, roles: wire::Role);
embedded!(Permissions, permissions: wire::Permission);

/// The same role has the same id in every home.
static IDS: LazyLock<HashMap<&'static str, String>> = LazyLock::new(|| {
    ROLES.iter().map(|role| (role.name, guid_from(&format!("role:{}", role.name)))).collect()
});

pub(crate) fn role_id(name: &str) -> &'static str {
    IDS.get(name).map_or("", String::as_str)
}

/// All roles: those that are built in, then those of the organisation.
#[utoipa::path(
    get,
    path = "/api/authn/v2/roles",
    tag = "Roles",
    params(Pages),
    responses((status = 200, body = Listing<Roles>)),
)]
pub(crate) async fn list_roles(
    grant: Grant<ManageIdentity>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let query = Query::parse(raw.as_deref());
    let custom = state.read(|connection, _| custom_roles::all(connection)).await?;
    let base = &grant.caller.base;
    let built_in = ROLES.iter().enumerate().map(|(at, role)| on_the_wire(at, role, base));
    let all: Vec<_> =
        built_in.chain(custom.iter().map(|role| custom_on_the_wire(role, base))).collect();
    page::<_, Roles>("roles", all, base, &query)
}

fn page<T, E: From<Vec<T>> + serde::Serialize + utoipa::ToSchema>(
    path: &str,
    all: Vec<T>,
    base: &str,
    query: &Query,
) -> Result<Response, Refusal> {
    let paging = query.paging(20, MOST)?;
    let page = Page::new(paging.number, paging.size, all.len() as u64);
    let skip = usize::try_from(paging.offset()).unwrap_or(usize::MAX);
    let take = usize::try_from(paging.size).unwrap_or(usize::MAX);
    listing::<_, E>(path, all.into_iter().skip(skip).take(take).collect(), page, base, query)
}

/// A role.
#[utoipa::path(
    get,
    path = "/api/authn/v2/roles/{role_id}",
    tag = "Roles",
    responses((status = 200, body = wire::Role)),
)]
pub(crate) async fn read_role(
    grant: Grant<ManageIdentity>,
    Path(text): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let wanted = super::super::applications::guid(&text)?;
    let base = &grant.caller.base;
    let found = ROLES.iter().enumerate().find(|(_, role)| role_id(role.name) == wanted);
    if let Some((at, role)) = found {
        return json(&on_the_wire(at, role, base));
    }
    let role = state.read(move |connection, _| custom(connection, &wanted)).await?;
    json(&custom_on_the_wire(&role, base))
}

/// A custom role, by its guid.
fn custom(connection: &Connection, guid: &str) -> Result<CustomRole, Refusal> {
    if ROLES.iter().any(|role| role_id(role.name) == guid) {
        return Err(Refusal::gateway(403, "a built-in role cannot be changed"));
    }
    let found = custom_roles::find(connection, guid)?.filter(|role| role.guid == guid);
    found.ok_or_else(|| Refusal::gateway(404, "no such role"))
}

/// A new custom role.
#[utoipa::path(
    post,
    path = "/api/authn/v2/roles",
    tag = "Roles",
    request_body = wire::RoleInput,
    responses((status = 200, body = wire::Role)),
)]
pub(crate) async fn create_role(
    grant: Grant<ManageIdentity>,
    State(state): State<AppState>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let wanted: wire::RoleInput = input(body)?;
    let role = CustomRole {
        guid: conversation_id(&state),
        is_api: wanted.is_api.unwrap_or_default(),
        ..CustomRole::default()
    };
    let change = Change { is_partial: false, is_incremental: false };
    state.write(move |transaction, _| save(transaction, role, wanted, change, &grant)).await
}

/// Changes a custom role.
#[utoipa::path(
    put,
    path = "/api/authn/v2/roles/{role_id}",
    tag = "Roles",
    params(ChangeParameters),
    request_body = wire::RoleInput,
    responses((status = 200, body = wire::Role)),
)]
pub(crate) async fn update_role(
    grant: Grant<ManageIdentity>,
    Path(text): Path<String>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let wanted: wire::RoleInput = input(body)?;
    let guid = super::super::applications::guid(&text)?;
    let change = Change::read(&Query::parse(raw.as_deref()))?;
    state
        .write(move |transaction, _| {
            let role = custom(transaction, &guid)?;
            save(transaction, role, wanted, change, &grant)
        })
        .await
}

/// Deletes a custom role; who held it holds it no more.
#[utoipa::path(
    delete,
    path = "/api/authn/v2/roles/{role_id}",
    tag = "Roles",
    responses((status = 204)),
)]
pub(crate) async fn delete_role(
    _: Grant<ManageIdentity>,
    Path(text): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let guid = super::super::applications::guid(&text)?;
    state
        .write(move |transaction, _| -> Result<(), Refusal> {
            let role = custom(transaction, &guid)?;
            Ok(custom_roles::delete(transaction, role.id)?)
        })
        .await?;
    Ok(no_content())
}

fn save(
    transaction: &Transaction<'_>,
    mut role: CustomRole,
    wanted: wire::RoleInput,
    change: Change,
    grant: &Grant<ManageIdentity>,
) -> Result<Response, Refusal> {
    let keeps = change.is_partial || change.is_incremental;
    let given = wanted
        .permissions
        .map(|all| all.into_iter().map(|one| one.permission_name.unwrap_or_default()).collect());
    role.permissions = merged(role.permissions, given, keeps, change, |a, b| a == b);
    let child = |given: wire::RoleRef| {
        let described = given.role_description.unwrap_or_default();
        let by_words = ROLES.iter().find(|role| role.description == described);
        let name = given.role_name.or_else(|| by_words.map(|role| role.name.to_owned()));
        name.unwrap_or(described)
    };
    let given = wanted.child_roles.map(|all| all.into_iter().map(child).collect());
    role.child_roles = merged(role.child_roles, given, keeps, change, |a, b| a == b);
    let truth = |given: Option<bool>, current: bool| given.unwrap_or(keeps && current);
    role.jit_assignable = truth(wanted.jit_assignable, role.jit_assignable);
    role.jit_assignable_default = truth(wanted.jit_assignable_default, role.jit_assignable_default);
    match wanted.role_description {
        None if keeps => {}
        given => role.description = given.unwrap_or_default().trim().to_owned(),
    }
    let mut errors = Vec::new();
    if wanted.is_api.is_some_and(|is_api| is_api != role.is_api) {
        errors.push("is_api: cannot be changed.".to_owned());
    }
    let own = (role.id != 0).then_some(role.id);
    let given = (wanted.role_name.as_deref(), !keeps);
    let name = free_name(transaction, "custom_roles", "role_name", given, own, &mut errors)?;
    role.name = name.unwrap_or(role.name);
    errors.extend(role.complaints());
    if !errors.is_empty() {
        return Err(Refusal::invalid(errors));
    }
    custom_roles::write(transaction, &role)?;
    json(&custom_on_the_wire(&custom(transaction, &role.guid)?, &grant.caller.base))
}

/// The permissions that custom roles are made of.
#[utoipa::path(
    get,
    path = "/api/authn/v2/permissions",
    tag = "Roles",
    params(Pages),
    responses((status = 200, body = Listing<Permissions>)),
)]
pub(crate) async fn list_permissions(
    grant: Grant<ManageIdentity>,
    RawQuery(raw): RawQuery,
) -> Result<Response, Refusal> {
    let all = PERMISSIONS.iter().map(permission_on_the_wire).collect();
    let query = Query::parse(raw.as_deref());
    page::<_, Permissions>("permissions", all, &grant.caller.base, &query)
}

/// A permission.
#[utoipa::path(
    get,
    path = "/api/authn/v2/permissions/{permission_id}",
    tag = "Roles",
    responses((status = 200, body = wire::Permission)),
)]
pub(crate) async fn read_permission(
    _: Grant<ManageIdentity>,
    Path(text): Path<String>,
) -> Result<Response, Refusal> {
    let guid = super::super::applications::guid(&text)?;
    let found = PERMISSIONS.iter().map(permission_on_the_wire);
    let found = found.into_iter().find(|permission| permission.permission_id == guid);
    json(&found.ok_or_else(|| Refusal::gateway(404, "no such permission"))?)
}

fn permission_on_the_wire(known: &Known) -> wire::Permission {
    wire::Permission {
        permission_id: guid_from(&format!("permission:{}", known.name)),
        permission_name: known.name.to_owned(),
        permission_description: known.description.to_owned(),
        custom_role_enabled: true,
        api_only: false,
        ui_only: known.ui_only,
        permission_types: Vec::new(),
    }
}

fn custom_on_the_wire(role: &CustomRole, base: &str) -> wire::Role {
    wire::Role {
        links: Some(SelfLink::to(format!("{base}/api/authn/v2/roles/{}", role.guid))),
        role_id: role.guid.clone(),
        role_legacy_id: Some(role.id.saturating_add(ROLES.len() as i64)),
        role_name: role.name.clone(),
        role_description: Some(role.description.clone()),
        is_api: role.is_api,
        jit_assignable: role.jit_assignable,
        jit_assignable_default: role.jit_assignable_default,
        org_id: Some(super::users::ORGANIZATION_ID.clone()),
        child_roles: role
            .child_roles
            .iter()
            .map(|name| wire::RoleRef {
                role_id: Some(role_id(name).to_owned()),
                role_name: Some(name.clone()),
                role_description: None,
            })
            .collect(),
        permissions: role
            .permissions
            .iter()
            .map(|name| wire::PermissionRef {
                permission_id: Some(guid_from(&format!("permission:{name}"))),
                permission_name: Some(name.clone()),
            })
            .collect(),
        ..wire::Role::default()
    }
}

fn on_the_wire(at: usize, role: &Role, base: &str) -> wire::Role {
    let id = role_id(role.name);
    wire::Role {
        links: Some(SelfLink::to(format!("{base}/api/authn/v2/roles/{id}"))),
        role_id: id.to_owned(),
        role_legacy_id: i64::try_from(at).ok(),
        role_name: role.name.into(),
        role_description: Some(role.description.into()),
        is_api: role.is_api,
        is_scan_type: role.is_scan_type,
        ignore_team_restrictions: role.sees_all,
        jit_assignable: !role.is_api,
        ..wire::Role::default()
    }
}
