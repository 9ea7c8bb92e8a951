//! Whoever asks, about itself: what clients of every kind call to see whether they can.

use axum::response::Response;
use countersign_tenant::roles::{self, Permission};
use countersign_tenant::users::{self, User};
use countersign_tenant::{ORGANIZATION, custom_roles};
use countersign_wire::identity::Principal;

use super::super::answer::json;
use super::super::error::Refusal;
use super::users::{ORGANIZATION_ID, ORGANIZATION_NAME};
use crate::caller::Caller;

/// The caller, with what its roles allow.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/api/authn/v2/principal",
    tag = "Users",
    responses((status = 200, body = Principal)),
))]
pub(crate) async fn read_principal(caller: Caller) -> Result<Response, Refusal> {
    json(&principal(&caller.user))
}

fn principal(user: &User) -> Principal {
    let custom = |name: &str| user.custom.iter().find(|role| role.name == name);
    let described = |name: &String| match (roles::find(name), custom(name)) {
        (Some(role), _) => role.description.to_owned(),
        (None, Some(role)) => role.description.clone(),
        (None, None) => name.clone(),
    };
    // Each word once: first what this platform asks for, then what roles name beside it.
    let held = Permission::ALL.iter().map(|(permission, _)| *permission);
    let mut permissions: Vec<String> =
        held.filter(|permission| user.may(*permission)).map(|one| one.word().to_owned()).collect();
    for name in user.custom.iter().flat_map(|role| &role.permissions) {
        if custom_roles::find_permission(name).is_some() && !permissions.contains(name) {
            permissions.push(name.clone());
        }
    }
    Principal {
        username: user.name.clone(),
        user_id: users::LEGACY + user.id,
        user_uuid: user.guid.clone(),
        user_first_name: user.first_name.clone(),
        user_last_name: user.last_name.clone(),
        email: user.email.clone(),
        organization_id: ORGANIZATION,
        organization_uuid: ORGANIZATION_ID.clone(),
        organization_name: ORGANIZATION_NAME.to_owned(),
        roles: user.roles.iter().map(described).collect(),
        permissions,
        features: vec!["sandbox".into()],
        pin_required: user.pin_required,
        saml_user: false,
        sandbox_enabled: true,
        learn_group_id: 0,
        learn_track_id: 0,
    }
}
