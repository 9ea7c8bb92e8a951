//! Roles.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::extract::{Path, RawQuery};
use axum::response::Response;
use countersign_wire::credential::SelfLink;
use countersign_wire::hal::Page;
use countersign_wire::identity as wire;

use super::super::error::Refusal;
use super::super::hal::{Listing, embedded};
use super::super::json;
use super::super::query::{Pages, Query};
use super::{MOST, guid_from, listing};
use crate::caller::{Grant, ManageIdentity};
use crate::roles::{ROLES, Role};

embedded!(Roles, roles: wire::Role);

/// The same role has the same id in every home.
static IDS: LazyLock<HashMap<&'static str, String>> = LazyLock::new(|| {
    ROLES.iter().map(|role| (role.name, guid_from(&format!("role:{}", role.name)))).collect()
});

pub(crate) fn role_id(name: &str) -> &'static str {
    IDS.get(name).map_or("", String::as_str)
}

/// All roles.
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
) -> Result<Response, Refusal> {
    let query = Query::parse(raw.as_deref());
    let paging = query.paging(20, MOST)?;
    let base = &grant.caller.base;
    let page = Page::new(paging.number, paging.size, ROLES.len() as u64);
    let skip = usize::try_from(paging.offset()).unwrap_or(usize::MAX);
    let take = usize::try_from(paging.size).unwrap_or(usize::MAX);
    let all = ROLES.iter().enumerate().map(|(at, role)| on_the_wire(at, role, base));
    listing::<_, Roles>("roles", all.skip(skip).take(take).collect(), page, base, &query)
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
) -> Result<Response, Refusal> {
    let wanted = super::super::applications::guid(&text)?;
    let found = ROLES.iter().enumerate().find(|(_, role)| role_id(role.name) == wanted);
    let (at, role) = found.ok_or_else(|| Refusal::gateway(404, "no such role"))?;
    json(&on_the_wire(at, role, &grant.caller.base))
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
