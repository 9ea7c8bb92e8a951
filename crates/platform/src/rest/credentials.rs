//! HMAC pairs: state, minting, revoking.

use axum::extract::{Path, State};
use axum::response::Response;
use countersign_wire::credential::{ApiCredential, SelfLink};

use super::error::Refusal;
use super::{json, no_content};
use crate::caller::{By, Caller, Grant, ManageIdentity, Signed};
use crate::state::AppState;
use countersign_tenant::credentials::{self, Credential, Minted};
use countersign_tenant::roles::Permission;
use countersign_tenant::users::{self, User};
use countersign_tenant::{Refused, View, timestamp};

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
#[utoipa::path(
    get,
    path = "/api/authn/v2/api_credentials",
    tag = "Credentials",
    responses((status = 200, body = ApiCredential)),
)]
pub(crate) async fn read_own_credentials(
    caller: Caller,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state
        .look(move |view| {
            let credential = credentials::newest(view, caller.user.id)?.ok_or_else(no_pair)?;
            json(&on_the_wire(&credential, &caller.user, &caller.base, None))
        })
        .await
}

/// A new pair for the caller: the only answer that holds its secret.
#[utoipa::path(
    post,
    path = "/api/authn/v2/api_credentials",
    tag = "Credentials",
    responses((status = 200, body = ApiCredential)),
)]
pub(crate) async fn mint_own_credentials(
    Signed(caller): Signed,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let act = caller.act();
    state
        .change(act, move |change| {
            let minted = credentials::generate(change, &caller.user)?;
            minted.try_map(|minted| json(&minted_on_the_wire(&minted, &caller.user, &caller.base)))
        })
        .await
}

/// Revokes the pair that signs.
#[utoipa::path(
    delete,
    path = "/api/authn/v2/api_credentials",
    tag = "Credentials",
    responses((status = 204)),
)]
pub(crate) async fn revoke_own_credentials(
    Signed(caller): Signed,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    match caller.by.clone() {
        By::Pair(api_id) => revoke(state, caller, api_id).await,
        By::Token => Err(no_pair()),
    }
}

/// A pair by its API ID, without its secret.
#[utoipa::path(
    get,
    path = "/api/authn/v2/api_credentials/{api_id}",
    tag = "Credentials",
    responses((status = 200, body = ApiCredential)),
)]
pub(crate) async fn read_credentials(
    caller: Caller,
    Path(api_id): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state
        .look(move |view| {
            let (credential, user) = visible(view, &caller, &api_id)?;
            json(&on_the_wire(&credential, &user, &caller.base, None))
        })
        .await
}

/// Revokes a pair.
#[utoipa::path(
    delete,
    path = "/api/authn/v2/api_credentials/{api_id}",
    tag = "Credentials",
    responses((status = 204)),
)]
pub(crate) async fn revoke_credentials(
    Signed(caller): Signed,
    Path(api_id): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    revoke(state, caller, api_id).await
}

/// The newest pair of an API user, without its secret.
#[utoipa::path(
    get,
    path = "/api/authn/v2/api_credentials/user_id/{user_id}",
    tag = "Credentials",
    responses((status = 200, body = ApiCredential)),
)]
pub(crate) async fn read_user_credentials(
    grant: Grant<ManageIdentity>,
    Path(user_id): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state
        .look(move |view| {
            let user = users::api_account(view, &user_id)?;
            let credential = credentials::newest(view, user.id)?.ok_or_else(no_pair)?;
            json(&on_the_wire(&credential, &user, &grant.caller.base, None))
        })
        .await
}

/// A new pair for an API user: the only answer that holds its secret.
#[utoipa::path(
    post,
    path = "/api/authn/v2/api_credentials/user_id/{user_id}",
    tag = "Credentials",
    responses((status = 200, body = ApiCredential)),
)]
pub(crate) async fn mint_user_credentials(
    Signed(_): Signed,
    grant: Grant<ManageIdentity>,
    Path(user_id): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state
        .change(grant.caller.act(), move |change| {
            let user = users::api_account(change, &user_id)?;
            let minted = credentials::generate(change, &user)?;
            minted.try_map(|minted| json(&minted_on_the_wire(&minted, &user, &grant.caller.base)))
        })
        .await
}

/// Revokes the newest pair of an API user.
#[utoipa::path(
    delete,
    path = "/api/authn/v2/api_credentials/user_id/{user_id}",
    tag = "Credentials",
    responses((status = 204)),
)]
pub(crate) async fn revoke_user_credentials(
    Signed(_): Signed,
    grant: Grant<ManageIdentity>,
    Path(user_id): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state
        .change(grant.caller.act(), move |change| {
            let user = users::api_account(change, &user_id)?;
            let newest = credentials::newest(change, user.id)?.ok_or_else(no_pair)?;
            Ok::<_, Refusal>(credentials::revoke(change, &user, &newest.api_id)?)
        })
        .await?;
    Ok(no_content())
}

async fn revoke(state: AppState, caller: Caller, api_id: String) -> Result<Response, Refusal> {
    state
        .change(caller.act(), move |change| {
            let (credential, user) = visible(change, &caller, &api_id)?;
            Ok::<_, Refusal>(credentials::revoke(change, &user, &credential.api_id)?)
        })
        .await?;
    Ok(no_content())
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
