//! Roles.

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_wire::credential::SelfLink;
use countersign_wire::hal::Page;
use countersign_wire::identity as wire;

use super::super::answer::{created, done, json};
use super::super::asked::Input;
use super::super::error::Refusal;
#[cfg(test)]
use super::super::hal::Listing;
use super::super::hal::embedded;
#[cfg(test)]
use super::super::query::Pages;
use super::super::query::Query;
#[cfg(test)]
use super::ChangeParameters;
use super::{MOST, listing, manner};
use crate::caller::{Grant, ManageIdentity};
use crate::state::AppState;
use countersign_tenant::custom_roles::{self, CustomRole, Known, PERMISSIONS};
use countersign_tenant::roles::{self, ROLES, Role};
use countersign_tenant::{Change, Refused, View, guid_from, guid_of};

embedded!(Roles, roles: wire::Role);
embedded!(Permissions, permissions: wire::Permission);

/// All roles: those that are built in, then those of the organisation.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/api/authn/v2/roles",
    tag = "Roles",
    params(Pages),
    responses((status = 200, body = Listing<Roles>)),
))]
pub(crate) async fn list_roles(
    grant: Grant<ManageIdentity>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let query = Query::parse(raw.as_deref());
    let custom = state.look(custom_roles::all).await?;
    let base = &grant.caller.base;
    let built_in = ROLES.iter().enumerate().map(|(at, role)| on_the_wire(at, role, base));
    let all: Vec<_> =
        built_in.chain(custom.iter().map(|role| custom_on_the_wire(role, base))).collect();
    page::<_, Roles>("roles", all, base, &query)
}

fn page<T, E: From<Vec<T>> + serde::Serialize>(
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
#[cfg_attr(test, utoipa::path(
    get,
    path = "/api/authn/v2/roles/{role_id}",
    tag = "Roles",
    responses((status = 200, body = wire::Role)),
))]
pub(crate) async fn read_role(
    grant: Grant<ManageIdentity>,
    Path(text): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let wanted = guid_of(&text)?;
    let base = &grant.caller.base;
    let found = ROLES.iter().enumerate().find(|(_, role)| roles::id_of(role.name) == wanted);
    if let Some((at, role)) = found {
        return json(&on_the_wire(at, role, base));
    }
    let read = move |view: &View<'_>| custom_roles::find(view, &wanted);
    let role = state.look::<_, Refused>(read).await?;
    json(&custom_on_the_wire(&role, base))
}

/// A new custom role.
#[cfg_attr(test, utoipa::path(
    post,
    path = "/api/authn/v2/roles",
    tag = "Roles",
    request_body = wire::RoleInput,
    responses((status = 201, body = wire::Role)),
))]
pub(crate) async fn create_role(
    grant: Grant<ManageIdentity>,
    State(state): State<AppState>,
    Input(wanted): Input<wire::RoleInput>,
) -> Result<Response, Refusal> {
    let make = move |change: &Change<'_>| custom_roles::create(change, wanted);
    let role = state.change(grant.caller.act(), make).await?;
    created(&custom_on_the_wire(&role, &grant.caller.base))
}

/// Changes a custom role.
#[cfg_attr(test, utoipa::path(
    put,
    path = "/api/authn/v2/roles/{role_id}",
    tag = "Roles",
    params(ChangeParameters),
    request_body = wire::RoleInput,
    responses((status = 200, body = wire::Role)),
))]
pub(crate) async fn update_role(
    grant: Grant<ManageIdentity>,
    Path(text): Path<String>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
    Input(wanted): Input<wire::RoleInput>,
) -> Result<Response, Refusal> {
    let manner = manner(&Query::parse(raw.as_deref()))?;
    let make = move |change: &Change<'_>| custom_roles::update(change, &text, wanted, manner);
    let role = state.change(grant.caller.act(), make).await?;
    json(&custom_on_the_wire(&role, &grant.caller.base))
}

/// Deletes a custom role; who held it holds it no more.
#[cfg_attr(test, utoipa::path(
    delete,
    path = "/api/authn/v2/roles/{role_id}",
    tag = "Roles",
    responses((status = 200, description = "An empty object.")),
))]
pub(crate) async fn delete_role(
    grant: Grant<ManageIdentity>,
    Path(text): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state.change(grant.caller.act(), move |change| custom_roles::delete(change, &text)).await?;
    Ok(done())
}

/// The permissions that custom roles are made of.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/api/authn/v2/permissions",
    tag = "Roles",
    params(Pages),
    responses((status = 200, body = Listing<Permissions>)),
))]
pub(crate) async fn list_permissions(
    grant: Grant<ManageIdentity>,
    RawQuery(raw): RawQuery,
) -> Result<Response, Refusal> {
    let all = PERMISSIONS.iter().map(permission_on_the_wire).collect();
    let query = Query::parse(raw.as_deref());
    page::<_, Permissions>("permissions", all, &grant.caller.base, &query)
}

/// A permission.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/api/authn/v2/permissions/{permission_id}",
    tag = "Roles",
    responses((status = 200, body = wire::Permission)),
))]
pub(crate) async fn read_permission(
    _: Grant<ManageIdentity>,
    Path(text): Path<String>,
) -> Result<Response, Refusal> {
    let guid = guid_of(&text)?;
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
                role_id: Some(roles::id_of(name).to_owned()),
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
    let id = roles::id_of(role.name);
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
