//! Tokens. A secret is in one answer, that of the request that made it. Nobody gets a token
//! that may do what their own may not.

use axum::extract::{Path, RawQuery, State};
use countersign_store::{
    ApiToken, NewSecrets, NewToken, PermissionSet, SecretPlace, TokenKind, TokenScope,
};
use serde_json::{Value, json};

use super::body::{Body, Object};
use super::list::{self, Asked, List};
use super::{Answer, ORGANIZATION, account, answer, found, integration, time};
use crate::caller::Caller;
use crate::inner::Inner;
use crate::operation::{Need, Operation};
use crate::problem::Problem;
use crate::token::Secret;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// For how long a token can be renewed, if its maker's own can be so long.
const RENEWABLE_MS: i64 = 90 * DAY_MS;
/// What has ended is listed for so long.
const REMEMBERED_MS: i64 = DAY_MS;

/// How long a secret to ask with is good: unless told otherwise, and at most.
#[derive(Debug, Clone, Copy)]
struct Lifetime {
    default_ms: i64,
    most_ms: i64,
}

const OF_INTEGRATION: Lifetime = Lifetime { default_ms: 10 * MINUTE_MS, most_ms: 30 * DAY_MS };
const OF_ASSISTANT: Lifetime = Lifetime { default_ms: HOUR_MS, most_ms: DAY_MS };
const OF_ORGANIZATION: Lifetime = Lifetime { default_ms: DAY_MS, most_ms: 90 * DAY_MS };

pub(super) const ASKED: Asked = Asked {
    fields: &[
        "id",
        "name",
        "fullname",
        "owner_id",
        "owner_type",
        "created_at",
        "updated_at",
        "expires",
    ],
    expand: &[],
    total: false,
};

/// A token to make.
pub(super) struct Wanted {
    pub(super) uid: String,
    pub(super) name: String,
    pub(super) fullname: String,
    pub(super) scope: TokenScope,
    pub(super) ttl_ms: i64,
    pub(super) is_renewable: bool,
}

impl Wanted {
    /// One of the organisation, or of an account of it.
    pub(super) fn organization(
        inner: &Inner,
        object: &mut Object,
        permission_set: PermissionSet,
        account: Option<countersign_store::AccountId>,
    ) -> Result<Self, Problem> {
        let kind = TokenKind::Organization;
        let scope =
            TokenScope { kind, permission_set, account, integration: None, operations: None };
        Self::of(inner, object, scope, OF_ORGANIZATION, true)
    }

    fn of(
        inner: &Inner,
        object: &mut Object,
        scope: TokenScope,
        lifetime: Lifetime,
        is_renewable: bool,
    ) -> Result<Self, Problem> {
        let uid = inner.new_uid();
        let (name, fullname) = object.names(&uid)?;
        let ttl_ms = match object.text("token_ttl")? {
            None => lifetime.default_ms,
            Some(text) => {
                let within = duration(&text).filter(|ms| (1000..=lifetime.most_ms).contains(ms));
                within.ok_or_else(|| {
                    let most = lifetime.most_ms / HOUR_MS;
                    let message =
                        format!("this is a time such as `10m` or `2h`, of {most}h at most");
                    object.wrong("token_ttl", message).with_value(&text)
                })?
            }
        };
        Ok(Self { uid, name, fullname, scope, ttl_ms, is_renewable })
    }

    /// The token that an integration is added with.
    pub(super) fn with_integration(inner: &Inner, account: countersign_store::AccountId) -> Self {
        let uid = inner.new_uid();
        let scope = TokenScope {
            kind: TokenKind::Integration,
            permission_set: PermissionSet::Integration,
            account: Some(account),
            integration: None,
            operations: None,
        };
        let (name, fullname) = (uid.clone(), uid.clone());
        Self { uid, name, fullname, scope, ttl_ms: DAY_MS, is_renewable: true }
    }

    /// Its secrets, and what is kept of it.
    pub(super) fn made(self, inner: &Inner, until_ms: i64) -> (NewToken, Secrets) {
        let secrets = Secrets::new(inner, self.ttl_ms, until_ms, self.is_renewable);
        let kept = secrets.kept();
        let Self { uid, name, fullname, scope, ttl_ms, .. } = self;
        (NewToken { uid, name, fullname, scope, ttl_ms, secrets: kept }, secrets)
    }
}

/// New secrets, to be shown once.
pub(super) struct Secrets {
    access: Secret,
    access_expires_ms: i64,
    refresh: Option<(Secret, i64)>,
}

impl Secrets {
    fn new(inner: &Inner, ttl_ms: i64, until_ms: i64, is_renewable: bool) -> Self {
        let now_ms = inner.now();
        let good_for = |ms: i64| now_ms.saturating_add(ms).min(until_ms);
        Self {
            access: Secret::generate(&inner.random),
            access_expires_ms: good_for(ttl_ms),
            refresh: is_renewable
                .then(|| (Secret::generate(&inner.random), good_for(RENEWABLE_MS.max(ttl_ms)))),
        }
    }

    fn kept(&self) -> NewSecrets {
        NewSecrets {
            access: self.access.digest().bytes(),
            access_expires_ms: self.access_expires_ms,
            refresh: self.refresh.as_ref().map(|(secret, until)| (secret.digest().bytes(), *until)),
        }
    }
}

/// Until when a caller may give away what it has: as long as its own token can go on. What
/// opens one integration is no part of the organisation, and not bound by this.
pub(super) fn until(caller: &Caller, kind: TokenKind) -> i64 {
    match kind {
        TokenKind::Integration => i64::MAX,
        TokenKind::Organization | TokenKind::Assistant => caller
            .token()
            .secrets
            .iter()
            .map(|(_, until_ms, _)| *until_ms)
            .max()
            .unwrap_or_default(),
    }
}

/// Refuses to give a caller the secrets of a token that may do more than its own.
pub(super) fn must_be_grantable(caller: &Caller, scope: &TokenScope) -> Result<(), Problem> {
    let own = caller.token().scope.permission_set;
    let needs: &[Need] = match scope.kind {
        TokenKind::Organization => Need::ALL,
        TokenKind::Integration => &[Need::IntegrationTokens],
        TokenKind::Assistant => match scope.permission_set {
            PermissionSet::McpManagement => {
                &[Need::IntegrationTokens, Need::Integrations, Need::Credentials]
            }
            _ => &[Need::IntegrationTokens],
        },
    };
    let asks =
        |need: &Need| scope.kind != TokenKind::Organization || need.is_met(scope.permission_set);
    let is_more = needs.iter().any(|need| asks(need) && !need.is_met(own));
    let is_wider = caller.account().is_some_and(|own| scope.account != Some(own));
    match is_more || is_wider {
        true => Err(Problem::forbidden("this token cannot give another what it has not itself")),
        false => Ok(()),
    }
}

/// Makes a token that can be renewed, and shows it.
pub(super) async fn make(inner: &Inner, caller: &Caller, wanted: Wanted) -> Result<Value, Problem> {
    let (new, secrets) = wanted.made(inner, until(caller, TokenKind::Organization));
    let token = add(inner, caller, new).await?;
    Ok(shown(&token, Some(&secrets)))
}

/// Makes a token, and forgets those that have ended.
async fn add(inner: &Inner, caller: &Caller, new: NewToken) -> Result<ApiToken, Problem> {
    let now_ms = inner.now();
    inner.store.clear_ended_tokens(now_ms.saturating_sub(REMEMBERED_MS)).await?;
    Ok(inner.store.add_token(new, caller.name(), now_ms).await?)
}

pub(super) async fn create(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Body(body): Body,
) -> Answer {
    list::none(query.as_deref())?;
    let mut object = Object::of(body, "")?;
    let sets: Vec<_> = PermissionSet::ALL
        .iter()
        .copied()
        .filter(|set| set.kind() == TokenKind::Organization)
        .collect();
    let set = object.word("permission_set", &sets, |set| set.as_str())?;
    let set = set.ok_or_else(|| object.wrong("permission_set", "this is needed"))?;
    let resources = object.object("resources")?;
    let resources = resources.ok_or_else(|| object.wrong("resources", "this is needed"))?;
    let account = limited_to(&inner, &caller, resources).await?.or(caller.account());
    let wanted = Wanted::organization(&inner, &mut object, set, account)?;
    object.end()?;
    must_be_grantable(&caller, &wanted.scope)?;
    answer(make(&inner, &caller, wanted).await?)
}

/// The one account that resources name; none for all of them.
async fn limited_to(
    inner: &Inner,
    caller: &Caller,
    mut resources: Object,
) -> Result<Option<countersign_store::AccountId>, Problem> {
    if let Some(mut organizations) = resources.object("organizations")? {
        let ids = organizations.texts("ids")?.unwrap_or_default();
        if ids.iter().any(|id| id != "*" && id != ORGANIZATION) {
            return Err(organizations.wrong("ids", "there is no such organisation"));
        }
        organizations.end()?;
    }
    if let Some(mut integrations) = resources.object("integrations")? {
        let categories = integrations.texts("categories")?.unwrap_or_default();
        if categories.iter().any(|one| one != "*" && one != "appsec") {
            return Err(integrations.wrong("categories", "this is `*` or `appsec`"));
        }
        integrations.end()?;
    }
    let Some(mut accounts) = resources.object("accounts")? else {
        resources.end()?;
        return Ok(None);
    };
    resources.end()?;
    let ids = accounts.texts("ids")?.unwrap_or_default();
    let of = match ids.as_slice() {
        [all] if all == "*" => Ok(None),
        [one] => match account(inner, caller, one).await {
            Ok(account) => Ok(Some(account.id)),
            Err(_) => Err(accounts.wrong("ids", "there is no such account")),
        },
        _ => Err(accounts.wrong("ids", "this is `*` or one account")),
    }?;
    accounts.end()?;
    Ok(of)
}

pub(super) async fn create_for_integration(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path((of, uid)): Path<(String, String)>,
    Body(body): Body,
) -> Answer {
    list::none(query.as_deref())?;
    let integration = integration(&inner, &caller, (&of, &uid)).await?;
    let mut object = Object::of_any(body)?;
    let scope = TokenScope {
        kind: TokenKind::Integration,
        permission_set: PermissionSet::Integration,
        account: Some(integration.known.account),
        integration: Some(integration.id),
        operations: operations(&mut object)?,
    };
    let wanted = Wanted::of(&inner, &mut object, scope, OF_INTEGRATION, false)?;
    object.end()?;
    must_be_grantable(&caller, &wanted.scope)?;
    let (new, secrets) = wanted.made(&inner, i64::MAX);
    let token = add(&inner, &caller, new).await?;
    answer(access(&token, Some(&secrets), SecretPlace::PrimaryAccess))
}

/// What a token is narrowed to.
fn operations(object: &mut Object) -> Result<Option<Vec<String>>, Problem> {
    let name = "restrict_to_connector_operations";
    let Some(ids) = object.texts(name)? else { return Ok(None) };
    let is_known = |id: &String| Operation::of(id).is_some_and(Operation::is_reading);
    match ids.iter().find(|id| !is_known(id)) {
        Some(id) => Err(object.wrong(name, "there is no such operation").with_value(id)),
        None => Ok(Some(ids)),
    }
}

pub(super) async fn create_for_assistant(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Body(body): Body,
) -> Answer {
    list::none(query.as_deref())?;
    let mut object = Object::of(body, "")?;
    let asked = object.object("scope")?.ok_or_else(|| object.wrong("scope", "this is needed"))?;
    let scope = assistant_scope(&inner, &caller, asked).await?;
    let wanted = Wanted::of(&inner, &mut object, scope, OF_ASSISTANT, false)?;
    object.end()?;
    must_be_grantable(&caller, &wanted.scope)?;
    let (new, secrets) = wanted.made(&inner, until(&caller, TokenKind::Assistant));
    let token = add(&inner, &caller, new).await?;
    answer(access(&token, Some(&secrets), SecretPlace::PrimaryAccess))
}

/// What an assistant is to be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Assistance {
    Management,
    Usage,
    Developer,
}

impl Assistance {
    const ALL: [Self; 3] = [Self::Management, Self::Usage, Self::Developer];

    fn as_str(self) -> &'static str {
        match self {
            Self::Management => "management",
            Self::Usage => "integration-usage",
            Self::Developer => "developer",
        }
    }
}

async fn assistant_scope(
    inner: &Inner,
    caller: &Caller,
    mut scope: Object,
) -> Result<TokenScope, Problem> {
    let assistance = scope.word("type", &Assistance::ALL, Assistance::as_str)?;
    let assistance = assistance.ok_or_else(|| scope.wrong("type", "this is needed"))?;
    let account = match scope.text("account_id")? {
        Some(uid) => match account(inner, caller, &uid).await {
            Ok(account) => Some(account.id),
            Err(_) => return Err(scope.wrong("account_id", "there is no such account")),
        },
        None if assistance == Assistance::Management => caller.account(),
        None => return Err(scope.wrong("account_id", "this is needed")),
    };
    let operations = match assistance {
        Assistance::Usage => operations(&mut scope)?,
        Assistance::Management | Assistance::Developer => None,
    };
    scope.end()?;
    let permission_set = match assistance {
        Assistance::Management => PermissionSet::McpManagement,
        Assistance::Usage | Assistance::Developer => PermissionSet::McpIntegrationsUseOnly,
    };
    let kind = TokenKind::Assistant;
    Ok(TokenScope { kind, permission_set, account, integration: None, operations })
}

pub(super) async fn list(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
) -> Answer {
    let list = List::of(query.as_deref(), &ASKED)?;
    let all = inner.store.tokens(caller.account()).await?;
    list.answer(all.iter().map(|token| shown(token, None)).collect())
}

pub(super) async fn get(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path(uid): Path<String>,
) -> Answer {
    list::none(query.as_deref())?;
    answer(shown(&seen(&inner, &caller, &uid).await?, None))
}

/// The token of this id, if the caller sees it.
async fn seen(inner: &Inner, caller: &Caller, uid: &str) -> Result<ApiToken, Problem> {
    let token = found(inner.store.token(uid).await, "token")?;
    let is_theirs = caller.account().is_none_or(|own| token.scope.account == Some(own));
    is_theirs.then_some(token).ok_or_else(|| Problem::not_found("token"))
}

/// The same, if the caller may have what it opens.
async fn managed(inner: &Inner, caller: &Caller, uid: &str) -> Result<ApiToken, Problem> {
    let token = seen(inner, caller, uid).await?;
    if token.id != caller.token().id {
        must_be_grantable(caller, &token.scope)?;
    }
    Ok(token)
}

pub(super) async fn refresh(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path(uid): Path<String>,
) -> Answer {
    list::none(query.as_deref())?;
    if !caller.place().is_access() && caller.token().uid != uid {
        return Err(Problem::not_found("token"));
    }
    let token = managed(&inner, &caller, &uid).await?;
    renew(&inner, &caller, &token, false).await
}

pub(super) async fn rotate(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path((owner, uid)): Path<(String, String)>,
) -> Answer {
    list::none(query.as_deref())?;
    let token = owned(&inner, &caller, &owner, &uid).await?;
    renew(&inner, &caller, &token, false).await
}

pub(super) async fn reset(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path((owner, uid)): Path<(String, String)>,
) -> Answer {
    list::none(query.as_deref())?;
    let token = owned(&inner, &caller, &owner, &uid).await?;
    renew(&inner, &caller, &token, true).await
}

async fn owned(
    inner: &Inner,
    caller: &Caller,
    owner: &str,
    uid: &str,
) -> Result<ApiToken, Problem> {
    let token = managed(inner, caller, uid).await?;
    let is_owner = owner_of(&token).0 == owner || token.account_uid.as_deref() == Some(owner);
    is_owner.then_some(token).ok_or_else(|| Problem::not_found("token"))
}

/// Another pair of secrets. A token that renews itself goes on for no longer than it could.
async fn renew(inner: &Inner, caller: &Caller, token: &ApiToken, ends_others: bool) -> Answer {
    let refresh_until = |place: &SecretPlace| {
        token.secrets.iter().find(|(of, ..)| of == place).map(|(_, until_ms, _)| *until_ms)
    };
    let own_until = refresh_until(&SecretPlace::PrimaryRefresh);
    let until_ms = match token.id == caller.token().id {
        true => until(caller, TokenKind::Organization),
        false => until(caller, token.scope.kind),
    };
    let secrets = Secrets::new(inner, token.ttl_ms, until_ms, own_until.is_some());
    let by = caller.name();
    let renewed =
        inner.store.renew_token(token.id, secrets.kept(), ends_others, by, inner.now()).await;
    answer(shown(&found(renewed, "token")?, Some(&secrets)))
}

pub(super) async fn remove_secondary(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path(uid): Path<String>,
) -> Answer {
    list::none(query.as_deref())?;
    let token = managed(&inner, &caller, &uid).await?;
    let ended = inner.store.end_secondary_secrets(token.id, caller.name(), inner.now()).await;
    found(ended, "token")?;
    answer(Value::Null)
}

pub(super) async fn delete(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path(uid): Path<String>,
) -> Answer {
    list::none(query.as_deref())?;
    let token = managed(&inner, &caller, &uid).await?;
    found(inner.store.revoke_token(token.id, caller.name(), inner.now()).await, "token")?;
    answer(Value::Null)
}

/// Digits with `h`, `m` or `s`, in this order, each once.
fn duration(text: &str) -> Option<i64> {
    let (mut rest, mut total_ms) = (text, 0_i64);
    for (unit, unit_ms) in [('h', HOUR_MS), ('m', MINUTE_MS), ('s', 1000)] {
        let Some((digits, after)) = rest.split_once(unit) else { continue };
        let is_plain =
            (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        let count: i64 = digits.parse().ok().filter(|_| is_plain)?;
        total_ms = total_ms.checked_add(count.checked_mul(unit_ms)?)?;
        rest = after;
    }
    (rest.is_empty() && !text.is_empty()).then_some(total_ms)
}

/// Whole seconds, as a duration is sent.
fn as_duration(ms: i64) -> String {
    match ms {
        ms if ms % HOUR_MS == 0 => format!("{}h", ms / HOUR_MS),
        ms if ms % MINUTE_MS == 0 => format!("{}m", ms / MINUTE_MS),
        ms => format!("{}s", ms / 1000),
    }
}

/// Whose a token is, and what kind of owner that is.
fn owner_of(token: &ApiToken) -> (&str, &'static str) {
    match (&token.integration_uid, token.scope.kind) {
        (Some(uid), TokenKind::Integration) => (uid, "integration"),
        _ => (ORGANIZATION, "organization"),
    }
}

/// As a token that can be renewed is answered; its secrets only by the request that made
/// them.
fn shown(token: &ApiToken, secrets: Option<&Secrets>) -> Value {
    let (owner_id, owner_type) = owner_of(token);
    let last = token.secrets.iter().filter(|(place, ..)| place.is_primary());
    let expires_ms = last.map(|(_, until_ms, _)| *until_ms).max().unwrap_or(token.updated_ms);
    let token_type = match token.scope.kind {
        TokenKind::Integration => "default",
        TokenKind::Organization | TokenKind::Assistant => "adhoc",
    };
    let mut shown = json!({
        "id": token.uid,
        "name": token.name,
        "fullname": token.fullname,
        "owner_id": owner_id,
        "owner_type": owner_type,
        "expires": time(expires_ms),
        "token_ttl": as_duration(token.ttl_ms),
        "token_type": token_type,
        "created_at": time(token.created_ms),
        "updated_at": time(token.updated_ms),
        "primary": pair(token, secrets, SecretPlace::PrimaryAccess, SecretPlace::PrimaryRefresh),
    });
    if token.secrets.iter().any(|(place, ..)| !place.is_primary()) {
        let (access, refresh) = (SecretPlace::SecondaryAccess, SecretPlace::SecondaryRefresh);
        shown["secondary"] = pair(token, None, access, refresh);
    }
    shown
}

fn pair(
    token: &ApiToken,
    secrets: Option<&Secrets>,
    access_place: SecretPlace,
    refresh_place: SecretPlace,
) -> Value {
    json!({
        "access": access(token, secrets, access_place),
        "refresh": access(token, secrets, refresh_place),
    })
}

/// One secret of a token with what it opens.
fn access(token: &ApiToken, secrets: Option<&Secrets>, place: SecretPlace) -> Value {
    let secret = secrets.and_then(|secrets| match place.is_access() {
        true => Some(secrets.access.expose()),
        false => secrets.refresh.as_ref().map(|(secret, _)| secret.expose()),
    });
    let of = token.secrets.iter().find(|(one, ..)| *one == place);
    let expires_ms = of.map_or(token.updated_ms, |(_, until_ms, _)| *until_ms);
    json!({
        "secret": secret.unwrap_or_default(),
        "expires": time(expires_ms),
        "permissions": permissions(token),
    })
}

/// What a new integration's token is answered as.
pub(super) fn pair_of_new(token: &ApiToken, secrets: &Secrets) -> Value {
    pair(token, Some(secrets), SecretPlace::PrimaryAccess, SecretPlace::PrimaryRefresh)
}

fn permissions(token: &ApiToken) -> Value {
    let (resource_id, resource_type) = owner_of(token);
    let account = token.account_uid.as_deref();
    let mut permissions = json!({
        "id": token.uid,
        "resource_id": resource_id,
        "resource_type": resource_type,
        "parent_id": account.unwrap_or(ORGANIZATION),
        "organization_id": ORGANIZATION,
        "member_id": "",
    });
    if token.scope.kind != TokenKind::Integration {
        permissions["adhoc_role"] = json!({
            "resources": { "accounts": { "ids": [account.unwrap_or("*")] } },
            "permission_set": token.scope.permission_set.as_str(),
        });
    }
    if let Some(operations) = &token.scope.operations {
        permissions["restrict_to_connector_operations"] = json!(operations);
    }
    permissions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_digits_with_units_and_nothing_else() {
        for (text, ms) in [
            ("10m", 600_000),
            ("2h", 7_200_000),
            ("720h", 2_592_000_000),
            ("1h30m5s", 5_405_000),
            ("90s", 90_000),
        ] {
            assert_eq!(duration(text), Some(ms), "{text}");
        }
        for text in ["", "10", "m", "-1h", "+1h", "1.5h", "1d", "1m1h", "1h ", "9999999999h", "1hh"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
        for ms in [1000, 60_000, 600_000, 3_600_000, 2_592_000_000] {
            assert_eq!(duration(&as_duration(ms)), Some(ms));
        }
    }
}
