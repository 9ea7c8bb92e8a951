//! HMAC pairs: state, minting, revoking.

use axum::response::Response;
use countersign_wire::credential::{ApiCredential, SelfLink};

use super::answer::json;
use super::asked::Asked;
use super::error::Refusal;
use crate::caller::{By, Caller, Grant, ManageIdentity, Signed};
use countersign_tenant::credentials::{self, Credential, Minted};
use countersign_tenant::roles::Permission;
use countersign_tenant::users::{self, User};
use countersign_tenant::{Change, Noted, Refused, View, timestamp};

/// A pair on the wire; the secret only right after minting.
pub(crate) fn on_the_wire(
    credential: &Credential,
    user: &User,
    base: &str,
    secret: Option<String>,
) -> ApiCredential {
    ApiCredential {
        api_id: credential.api_id.clone(),
        api_secret: secret,
        expiration_ts: Some(timestamp(credential.expires_ms)),
        revocation_ts: credential.revoked_ms.map(timestamp),
        revocation_user: credential.revoked_by.clone(),
        user_id: Some(user.guid.clone()),
        org_id: None,
        links: Some(SelfLink::to(format!(
            "{base}/api/authn/v2/api_credentials/{}",
            credential.api_id
        ))),
    }
}

pub(crate) fn minted_on_the_wire(minted: &Minted, user: &User, base: &str) -> ApiCredential {
    on_the_wire(&minted.credential, user, base, Some(minted.secret.expose_hex().to_string()))
}

/// The newest pair of the caller, without its secret.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/api/authn/v2/api_credentials",
    tag = "Credentials",
    responses((status = 200, body = ApiCredential)),
))]
pub(crate) async fn read_own_credentials(asked: Asked<Caller>) -> Result<Response, Refusal> {
    asked.look(|view, asked| newest(view, asked.user(), asked.base())).await
}

fn newest(view: &View<'_>, user: &User, base: &str) -> Result<Response, Refusal> {
    let credential = credentials::newest(view, user.id)?.ok_or_else(no_pair)?;
    json(&on_the_wire(&credential, user, base, None))
}

/// A new pair for the caller: the only answer that holds its secret.
#[cfg_attr(test, utoipa::path(
    post,
    path = "/api/authn/v2/api_credentials",
    tag = "Credentials",
    responses((status = 200, body = ApiCredential)),
))]
pub(crate) async fn mint_own_credentials(asked: Asked<Signed>) -> Result<Response, Refusal> {
    asked.change(|change, asked| mint(change, asked.user(), asked.base())).await
}

fn mint(change: &Change<'_>, user: &User, base: &str) -> Result<Noted<ApiCredential>, Refusal> {
    let minted = credentials::generate(change, user)?;
    Ok(minted.map(|minted| minted_on_the_wire(&minted, user, base)))
}

/// Revokes the pair that signs.
#[cfg_attr(test, utoipa::path(
    delete,
    path = "/api/authn/v2/api_credentials",
    tag = "Credentials",
    responses((status = 204)),
))]
pub(crate) async fn revoke_own_credentials(asked: Asked<Signed>) -> Result<Response, Refusal> {
    asked
        .remove(|change, asked| match &asked.caller.by {
            By::Pair(api_id) => revoke(change, &asked.caller, api_id),
            By::Token => Err(no_pair()),
        })
        .await
}

fn revoke(change: &Change<'_>, caller: &Caller, api_id: &str) -> Result<Noted<()>, Refusal> {
    let (credential, user) = visible(change, caller, api_id)?;
    Ok(credentials::revoke(change, &user, &credential.api_id)?)
}

/// A pair by its API ID, without its secret.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/api/authn/v2/api_credentials/{api_id}",
    tag = "Credentials",
    responses((status = 200, body = ApiCredential)),
))]
pub(crate) async fn read_credentials(asked: Asked<Caller, String>) -> Result<Response, Refusal> {
    asked
        .look(|view, asked| {
            let (credential, user) = visible(view, &asked.caller, &asked.path)?;
            json(&on_the_wire(&credential, &user, asked.base(), None))
        })
        .await
}

/// Revokes a pair.
#[cfg_attr(test, utoipa::path(
    delete,
    path = "/api/authn/v2/api_credentials/{api_id}",
    tag = "Credentials",
    responses((status = 204)),
))]
pub(crate) async fn revoke_credentials(asked: Asked<Signed, String>) -> Result<Response, Refusal> {
    asked.remove(|change, asked| revoke(change, &asked.caller, &asked.path)).await
}

/// The newest pair of an API user, without its secret.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/api/authn/v2/api_credentials/user_id/{user_id}",
    tag = "Credentials",
    responses((status = 200, body = ApiCredential)),
))]
pub(crate) async fn read_user_credentials(
    asked: Asked<Grant<ManageIdentity>, String>,
) -> Result<Response, Refusal> {
    asked
        .look(|view, asked| newest(view, &users::api_account(view, &asked.path)?, asked.base()))
        .await
}

/// A new pair for an API user: the only answer that holds its secret.
#[cfg_attr(test, utoipa::path(
    post,
    path = "/api/authn/v2/api_credentials/user_id/{user_id}",
    tag = "Credentials",
    responses((status = 200, body = ApiCredential)),
))]
pub(crate) async fn mint_user_credentials(
    Signed(_): Signed,
    asked: Asked<Grant<ManageIdentity>, String>,
) -> Result<Response, Refusal> {
    asked
        .change(|change, asked| {
            mint(change, &users::api_account(change, &asked.path)?, asked.base())
        })
        .await
}

/// Revokes the newest pair of an API user.
#[cfg_attr(test, utoipa::path(
    delete,
    path = "/api/authn/v2/api_credentials/user_id/{user_id}",
    tag = "Credentials",
    responses((status = 204)),
))]
pub(crate) async fn revoke_user_credentials(
    Signed(_): Signed,
    asked: Asked<Grant<ManageIdentity>, String>,
) -> Result<Response, Refusal> {
    asked
        .remove(|change, asked| {
            let user = users::api_account(change, &asked.path)?;
            let newest = credentials::newest(change, user.id)?.ok_or_else(no_pair)?;
            Ok::<_, Refusal>(credentials::revoke(change, &user, &newest.api_id)?)
        })
        .await
}

/// The caller's own pair, or an API user's pair for an administrator; anything
/// else does not exist for the caller.
fn visible(view: &View<'_>, caller: &Caller, api_id: &str) -> Result<(Credential, User), Refusal> {
    let credential = credentials::find(view, api_id)?.ok_or_else(no_pair)?;
    if credential.user == caller.user.id {
        return Ok((credential, (*caller.user).clone()));
    }
    if !caller.user.may(Permission::ManageIdentity) {
        return Err(no_pair());
    }
    match users::of_id(view, credential.user)? {
        Some(user) if user.is_api => Ok((credential, user)),
        Some(_) => Err(Refused::Forbidden(users::OWN_ONLY).into()),
        None => Err(no_pair()),
    }
}

fn no_pair() -> Refusal {
    Refusal::gateway(404, "no API credentials found")
}
