//! OAuth clients and their tokens. Little of this is publicly known: the paths
//! and shapes of the management are ours, see `docs/explanation/fidelity.md`.

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
#[cfg(test)]
use countersign_wire::error::GatewayError;
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::answer::json as answer;
use super::asked::{Asked, Input};
use super::error::Refusal;
use super::query::Query;
use crate::caller::{Caller, Grant, ManageIdentity, Signed};
use crate::state::AppState;
use countersign_tenant::clients::{self, Client, MAX_DAYS, Wanted};
use countersign_tenant::roles::Permission;
use countersign_tenant::users::{self, User};
use countersign_tenant::{Change, Noted, View, timestamp};

#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = OAuthClientInput))]
#[serde(default)]
pub(crate) struct ClientInput {
    name: String,
    description: String,
    expires_in_days: Option<i64>,
    /// All roles of the account, unless named here.
    roles: Option<Vec<Role>>,
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = OAuthClientRole))]
struct Role {
    role_name: String,
}

/// An OAuth client on the wire; its secret only right after it was made.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub(crate) struct OAuthClient {
    client_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    name: String,
    description: String,
    roles: Vec<Role>,
    /// `ACTIVE`, `EXPIRED` or `REVOKED`.
    status: &'static str,
    user_id: String,
    created_ts: String,
    expiration_ts: String,
    revocation_ts: Option<String>,
    last_used_ts: Option<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = OAuthClients))]
struct Clients {
    oauth_clients: Vec<OAuthClient>,
}

impl ClientInput {
    fn wanted(self) -> Wanted {
        Wanted {
            name: self.name.trim().to_owned(),
            description: self.description,
            days: self.expires_in_days.unwrap_or(MAX_DAYS),
            roles: self.roles.map(|roles| roles.into_iter().map(|role| role.role_name).collect()),
        }
    }
}

fn on_the_wire(client: &Client, user: &User, now_ms: i64) -> OAuthClient {
    let roles = client.roles.as_ref().unwrap_or(&user.roles);
    OAuthClient {
        client_id: client.client_id.clone(),
        client_secret: None,
        name: client.name.clone(),
        description: client.description.clone(),
        roles: roles.iter().map(|role| Role { role_name: role.clone() }).collect(),
        status: client.status(now_ms).word(),
        user_id: user.guid.clone(),
        created_ts: timestamp(client.created_ms),
        expiration_ts: timestamp(client.expires_ms),
        revocation_ts: client.revoked_ms.map(timestamp),
        last_used_ts: client.last_used_ms.map(timestamp),
    }
}

/// The OAuth clients of the caller.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/api/authn/v2/oauth_clients",
    tag = "OAuth clients",
    responses((status = 200, body = Clients)),
))]
pub(crate) async fn list_own_clients(asked: Asked<Caller>) -> Result<Response, Refusal> {
    asked.look(|view, asked| list(view, asked.user())).await
}

/// The OAuth clients of an API user.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/api/authn/v2/oauth_clients/user_id/{user_id}",
    tag = "OAuth clients",
    responses((status = 200, body = Clients)),
))]
pub(crate) async fn list_user_clients(
    asked: Asked<Grant<ManageIdentity>, String>,
) -> Result<Response, Refusal> {
    asked.look(|view, asked| list(view, &users::api_account(view, &asked.path)?)).await
}

fn list(view: &View<'_>, user: &User) -> Result<Response, Refusal> {
    let clients = clients::of_user(view, user.id)?;
    let clients = clients.iter().map(|client| on_the_wire(client, user, view.now_ms));
    answer(&Clients { oauth_clients: clients.collect() })
}

/// A new OAuth client for the caller: the only answer that holds its secret.
#[cfg_attr(test, utoipa::path(
    post,
    path = "/api/authn/v2/oauth_clients",
    tag = "OAuth clients",
    request_body = ClientInput,
    responses((status = 200, body = OAuthClient)),
))]
pub(crate) async fn create_own_client(
    asked: Asked<Signed>,
    Input(input): Input<ClientInput>,
) -> Result<Response, Refusal> {
    asked.change(|change, asked| create(change, asked.user(), input)).await
}

/// A new OAuth client for an API user: the only answer that holds its secret.
#[cfg_attr(test, utoipa::path(
    post,
    path = "/api/authn/v2/oauth_clients/user_id/{user_id}",
    tag = "OAuth clients",
    request_body = ClientInput,
    responses((status = 200, body = OAuthClient)),
))]
pub(crate) async fn create_user_client(
    Signed(_): Signed,
    asked: Asked<Grant<ManageIdentity>, String>,
    Input(input): Input<ClientInput>,
) -> Result<Response, Refusal> {
    asked
        .change(|change, asked| create(change, &users::api_account(change, &asked.path)?, input))
        .await
}

fn create(
    change: &Change<'_>,
    user: &User,
    input: ClientInput,
) -> Result<Noted<OAuthClient>, Refusal> {
    let made = clients::create(change, user, &input.wanted())?;
    Ok(made.map(|(client, secret)| shown(&client, user, change.now_ms, &secret)))
}

/// The only answer that holds a secret.
fn shown(client: &Client, user: &User, now_ms: i64, secret: &str) -> OAuthClient {
    OAuthClient { client_secret: Some(secret.to_owned()), ..on_the_wire(client, user, now_ms) }
}

/// An OAuth client, without its secret.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/api/authn/v2/oauth_clients/{client_id}",
    tag = "OAuth clients",
    responses((status = 200, body = OAuthClient)),
))]
pub(crate) async fn read_client(asked: Asked<Caller, String>) -> Result<Response, Refusal> {
    asked
        .look(|view, asked| {
            let (client, user) = visible(view, &asked.caller, &asked.path)?;
            answer(&on_the_wire(&client, &user, view.now_ms))
        })
        .await
}

/// A new secret for an OAuth client; the old one is refused from now on.
#[cfg_attr(test, utoipa::path(
    post,
    path = "/api/authn/v2/oauth_clients/{client_id}/rotate",
    tag = "OAuth clients",
    responses((status = 200, body = OAuthClient), (status = 409, body = GatewayError, description = "The client is revoked.")),
))]
pub(crate) async fn rotate_client(asked: Asked<Signed, String>) -> Result<Response, Refusal> {
    asked
        .change(|change, asked| {
            let (client, user) = visible(change, &asked.caller, &asked.path)?;
            let secret = clients::rotate(change, &client, &user)?;
            Ok::<_, Refusal>(secret.map(|secret| shown(&client, &user, change.now_ms, &secret)))
        })
        .await
}

/// Another client like this one, under the name that is given.
#[cfg_attr(test, utoipa::path(
    post,
    path = "/api/authn/v2/oauth_clients/{client_id}/clone",
    tag = "OAuth clients",
    request_body = ClientInput,
    responses((status = 200, body = OAuthClient)),
))]
pub(crate) async fn clone_client(
    asked: Asked<Signed, String>,
    Input(input): Input<ClientInput>,
) -> Result<Response, Refusal> {
    asked
        .change(move |change, asked| {
            let (client, user) = visible(change, &asked.caller, &asked.path)?;
            let name = input.name.trim().to_owned();
            let made = clients::copy(change, client, &user, name, input.expires_in_days)?;
            Ok::<_, Refusal>(
                made.map(|(client, secret)| shown(&client, &user, change.now_ms, &secret)),
            )
        })
        .await
}

/// Revokes an OAuth client and its tokens.
#[cfg_attr(test, utoipa::path(
    delete,
    path = "/api/authn/v2/oauth_clients/{client_id}",
    tag = "OAuth clients",
    responses((status = 204)),
))]
pub(crate) async fn revoke_client(asked: Asked<Signed, String>) -> Result<Response, Refusal> {
    asked
        .remove(|change, asked| {
            let (client, user) = visible(change, &asked.caller, &asked.path)?;
            Ok::<_, Refusal>(clients::revoke(change, &client, &user)?)
        })
        .await
}

/// The caller's own, or an API user's for an administrator.
fn visible(view: &View<'_>, caller: &Caller, client_id: &str) -> Result<(Client, User), Refusal> {
    let missing = || Refusal::gateway(404, "no such OAuth client");
    let client = clients::find(view, client_id)?.ok_or_else(missing)?;
    let user = users::of_id(view, client.user)?.ok_or_else(missing)?;
    let is_manager = caller.user.may(Permission::ManageIdentity);
    if user.id == caller.user.id || (is_manager && user.is_api) {
        return Ok((client, user));
    }
    Err(missing())
}

/// The form that asks for a token. It is read as a query is; this describes it.
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[allow(dead_code, reason = "only describes the form")]
struct TokenRequest {
    /// `client_credentials`.
    grant_type: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
struct Token {
    access_token: String,
    token_type: &'static str,
    /// Seconds.
    expires_in: i64,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
struct OAuthError {
    error: String,
}

/// Client id and secret for a token. One refusal for every cause.
#[cfg_attr(test, utoipa::path(
    post,
    path = "/api/authn/v2/oauth2/token",
    tag = "OAuth clients",
    security(("basic" = [])),
    request_body(
        content = TokenRequest,
        content_type = "application/x-www-form-urlencoded",
    ),
    responses(
        (status = 200, body = Token),
        (status = 400, body = OAuthError),
        (status = 401, body = OAuthError),
    ),
))]
pub(crate) async fn issue_token(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let body = body.map_err(|_| Refusal::gateway(413, "the body is larger than 1 MiB"))?;
    let Some((client_id, secret)) = basic(&headers) else { return Ok(invalid_client()) };
    let form = std::str::from_utf8(&body).unwrap_or_default();
    match Query::parse(Some(form.trim())).get("grant_type") {
        Some("client_credentials") => {}
        Some(_) => return Ok(oauth_error(400, "unsupported_grant_type")),
        None => return Ok(oauth_error(400, "invalid_request")),
    }
    let issue = move |state: &AppState| clients::token(state.tenant(), &client_id, &secret);
    let granted = state.aside(issue).await?;
    let Some((token, user)) = granted else { return Ok(invalid_client()) };
    tracing::info!(user = user.name, "issued a token");
    answer(&Token {
        access_token: token.to_string(),
        token_type: "Bearer",
        expires_in: clients::TOKEN_SECONDS,
    })
}

fn basic(headers: &HeaderMap) -> Option<(String, Zeroizing<String>)> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() || value.len() > 1024 {
        return None;
    }
    let decoded = Zeroizing::new(BASE64.decode(value.strip_prefix("Basic ")?.as_bytes()).ok()?);
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((id.to_owned(), Zeroizing::new(secret.to_owned())))
}

fn invalid_client() -> Response {
    let mut response = oauth_error(401, "invalid_client");
    let challenge = HeaderValue::from_static("Basic realm=\"countersign\"");
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}

fn oauth_error(status: u16, error: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let body = OAuthError { error: error.to_owned() };
    let kind = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (status, kind, serde_json::to_string(&body).unwrap_or_default()).into_response()
}
