//! Credentials: secrets that were given to be kept. None of them comes back.

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use countersign_connector::managed::{GivenSecret, Signing};
use countersign_findings::parse_time;
use countersign_store::{
    Account, CredentialKind, KeptCredential, NewKept, OwnedCredential, OwnedIntegration,
};
use serde_json::{Value, json};

use super::body::{Body, Object};
use super::list::{self, Asked, List};
use super::{Answer, account, answer, failed, found, integrations_of, taken, time};
use crate::caller::Caller;
use crate::inner::Inner;
use crate::problem::{Location, Problem};

const FIXED: [&str; 8] = [
    "id",
    "managed",
    "owner_type",
    "account_id",
    "integration_id",
    "integration_point_id",
    "organization_webhook_id",
    "owner_id",
];
const DATES: [&str; 2] = ["created_at", "updated_at"];
pub(super) const ASKED: Asked = Asked {
    fields: &["id", "name", "fullname", "owner_type", "created_at", "updated_at"],
    expand: &[],
    total: false,
};

/// What keeps a credential.
pub(super) enum Owner {
    Account(Account),
    Integration(Box<OwnedIntegration>),
}

/// A credential: one that waits to be used, or one that an integration signs with.
pub(super) enum Found {
    Kept(Box<KeptCredential>, String),
    Own(Box<OwnedIntegration>, OwnedCredential),
}

impl Found {
    fn owner_uid(&self) -> [&str; 2] {
        match self {
            Self::Kept(_, account) => [account, account],
            Self::Own(integration, _) => [&integration.known.uid, &integration.account_uid],
        }
    }

    fn shown(&self) -> Value {
        match self {
            Self::Kept(kept, account) => shown_kept(kept, account),
            Self::Own(integration, own) => shown_own(integration, own),
        }
    }
}

/// Reads a credential as it is given, out of `config` or of a provider's configuration.
pub(super) fn given(mut config: Object) -> Result<GivenSecret, Problem> {
    let kind = config.required("type")?;
    if kind != "o_auth_client" {
        let message = "credentials of this provider are of the type `o_auth_client`, whichever their kind: API ID and Secret Key are `client_id` and `client_secret`";
        return Err(config.wrong("type", message).with_value(&kind));
    }
    let client_id = config.required("client_id")?;
    let client_secret = config.secret("client_secret")?;
    if config.text("token_url")?.is_some_and(|url| !url.is_empty()) {
        let message = "where tokens are issued follows from the region or URL";
        return Err(config.wrong("token_url", message));
    }
    let mut kind = None;
    if let Some(mut extra) = config.object("extra")? {
        let kinds = [CredentialKind::Hmac, CredentialKind::OAuth];
        kind = extra.word("kind", &kinds, CredentialKind::as_str)?;
        extra.end()?;
    }
    config.end()?;
    let kind = kind.unwrap_or(CredentialKind::Hmac);
    Ok(GivenSecret { client_id, client_secret, kind })
}

/// The account or integration of this id, if the caller sees it.
async fn owner(inner: &Inner, caller: &Caller, uid: &str) -> Result<Owner, Problem> {
    match account(inner, caller, uid).await {
        Ok(account) => return Ok(Owner::Account(account)),
        Err(problem) if problem.status() != StatusCode::NOT_FOUND => {
            return Err(problem);
        }
        Err(_) => {}
    }
    let integration = found(inner.store.owned_integration(uid).await, "owner")?;
    match caller.sees(integration.known.account) {
        true => Ok(Owner::Integration(Box::new(integration))),
        false => Err(Problem::not_found("owner")),
    }
}

/// The credential of this id, if the caller sees it.
async fn credential(inner: &Inner, caller: &Caller, uid: &str) -> Result<Found, Problem> {
    match inner.store.kept_credential(uid).await {
        Ok(kept) => {
            let accounts = inner.store.accounts().await?;
            let of = accounts.into_iter().find(|one| one.id == kept.new.account);
            let of = of.filter(|one| caller.sees(one.id));
            let of = of.ok_or_else(|| Problem::not_found("credential"))?;
            return Ok(Found::Kept(Box::new(kept), of.uid));
        }
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error.into()),
    }
    let is_it = |one: &OwnedCredential| one.uid == uid;
    let all = integrations_of(inner, caller).await?;
    let of = all.into_iter().find(|one| one.credential.as_ref().is_some_and(is_it));
    of.and_then(|one| Some(Found::Own(Box::new(one.clone()), one.credential?)))
        .ok_or_else(|| Problem::not_found("credential"))
}

/// The same, if it belongs to this owner.
async fn of_owner(
    inner: &Inner,
    caller: &Caller,
    owner: &str,
    uid: &str,
) -> Result<Found, Problem> {
    let credential = credential(inner, caller, uid).await?;
    match credential.owner_uid().contains(&owner) {
        true => Ok(credential),
        false => Err(Problem::not_found("credential")),
    }
}

/// What an integration is to sign with, by the id of a credential of its account.
pub(super) async fn kept_for(
    inner: &Inner,
    account: &Account,
    uid: &str,
    at: &str,
) -> Result<KeptCredential, Problem> {
    let unknown = || {
        Problem::body(at, "the account has no credential of this id that is free").with_value(uid)
    };
    let kept = inner.store.kept_credential(uid).await;
    let kept = kept.map_err(|error| if error.is_not_found() { unknown() } else { error.into() })?;
    if kept.new.account == account.id { Ok(kept) } else { Err(unknown()) }
}

pub(super) async fn create(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path(owner_uid): Path<String>,
    Body(body): Body,
) -> Answer {
    list::none(query.as_deref())?;
    let owner = owner(&inner, &caller, &owner_uid).await?;
    let mut object = Object::of(body, "")?;
    let Owner::Account(account) = owner else {
        let message = "an integration gets its credential by its `provider_config`";
        return Err(Problem::parameter("ownerId", Location::Path, message));
    };
    let owner_types = ["account"];
    object.word("owner_type", &owner_types, |word| word)?;
    let uid = inner.new_uid();
    let (name, fullname) = object.names(&uid)?;
    let expires_ms = expires(&mut object)?;
    let config =
        object.object("config")?.ok_or_else(|| object.wrong("config", "this is needed"))?;
    let given = given(config)?;
    object.end()?;
    must_be_free(&inner, &account, &name, None).await?;
    let kept = inner.keeper.keep(
        &given,
        caller.name(),
        |sealed| NewKept {
            uid: uid.clone(),
            account: account.id,
            name,
            fullname,
            vault_name: sealed.vault_name,
            kind: sealed.kind,
            api_id: sealed.api_id,
            version: sealed.version,
            expires_ms,
        },
        &uid,
    );
    let kept = kept.await.map_err(|failure| failed(failure, "credential", "/config"))?;
    answer(shown_kept(&kept, &account.uid))
}

/// Refuses a name before a secret is kept for it.
async fn must_be_free(
    inner: &Inner,
    account: &Account,
    name: &str,
    but: Option<&str>,
) -> Result<(), Problem> {
    let all = inner.store.kept_credentials(account.id).await?;
    let is_taken = |one: &KeptCredential| one.new.name == name && Some(one.new.uid.as_str()) != but;
    if all.iter().any(is_taken) { Err(taken("a credential")) } else { Ok(()) }
}

fn expires(object: &mut Object) -> Result<Option<i64>, Problem> {
    let Some(text) = object.text("expires")? else { return Ok(None) };
    let time = parse_time(&text);
    time.map(Some)
        .ok_or_else(|| object.wrong("expires", "this is no time of RFC 3339").with_value(&text))
}

pub(super) async fn list(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path(owner_uid): Path<String>,
) -> Answer {
    let list = List::of(query.as_deref(), &ASKED)?;
    let mut all = match owner(&inner, &caller, &owner_uid).await? {
        Owner::Integration(one) => one.credential.iter().map(|own| shown_own(&one, own)).collect(),
        Owner::Account(account) => {
            let kept = inner.store.kept_credentials(account.id).await?;
            let mut all: Vec<_> = kept.iter().map(|one| shown_kept(one, &account.uid)).collect();
            let integrations = inner.store.owned_integrations(Some(account.id)).await?;
            let own = integrations.iter().filter_map(|one| Some((one, one.credential.as_ref()?)));
            all.extend(own.map(|(one, own)| shown_own(one, own)));
            all
        }
    };
    all.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    list.answer(all)
}

pub(super) async fn lookup(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path(uid): Path<String>,
) -> Answer {
    list::none(query.as_deref())?;
    answer(credential(&inner, &caller, &uid).await?.shown())
}

pub(super) async fn get(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path((owner, uid)): Path<(String, String)>,
) -> Answer {
    list::none(query.as_deref())?;
    answer(of_owner(&inner, &caller, &owner, &uid).await?.shown())
}

pub(super) async fn update(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path((owner, uid)): Path<(String, String)>,
    Body(body): Body,
) -> Answer {
    list::none(query.as_deref())?;
    let credential = of_owner(&inner, &caller, &owner, &uid).await?;
    replace(&inner, &caller, credential, body).await
}

pub(super) async fn patch(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path((owner, uid)): Path<(String, String)>,
    Body(body): Body,
) -> Answer {
    list::none(query.as_deref())?;
    let credential = of_owner(&inner, &caller, &owner, &uid).await?;
    let whole = super::patch::apply(credential.shown(), body)?;
    replace(&inner, &caller, credential, whole).await
}

async fn replace(inner: &Inner, caller: &Caller, credential: Found, whole: Value) -> Answer {
    let mut object = Object::of(whole, "")?;
    let shown = credential.shown();
    object.keep(&shown, &FIXED)?;
    object.ignore(&DATES);
    let config = object.object("config")?;
    // That of an answer has no secret in it: nothing was given.
    let given = config.filter(|config| config.has("client_id") || config.has("client_secret"));
    let given = given.map(self::given).transpose()?;
    let failed = |failure| failed(failure, "credential", "/config");
    match credential {
        Found::Kept(kept, account_uid) => {
            let (name, fullname) = object.names(&kept.new.uid)?;
            let expires_ms = expires(&mut object)?;
            object.end()?;
            let account = account(inner, caller, &account_uid).await?;
            must_be_free(inner, &account, &name, Some(&kept.new.uid)).await?;
            let new = NewKept { name, fullname, expires_ms, ..kept.new.clone() };
            let changed = inner.keeper.change_kept(&kept, given.as_ref(), new, caller.name()).await;
            answer(shown_kept(&changed.map_err(failed)?, &account_uid))
        }
        Found::Own(integration, own) => {
            // Called like its integration; when it expires the service says.
            object.keep(&shown, &["name", "fullname", "expires"])?;
            object.end()?;
            if let Some(given) = given {
                let place = super::integrations::place_of(inner, &integration).await?;
                let signing = Some(Signing::Given(given));
                inner.keeper.update(&integration, place, signing).await.map_err(failed)?;
            }
            answer(self::credential(inner, caller, &own.uid).await?.shown())
        }
    }
}

pub(super) async fn delete(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path((owner, uid)): Path<(String, String)>,
) -> Answer {
    list::none(query.as_deref())?;
    match of_owner(&inner, &caller, &owner, &uid).await? {
        Found::Own(..) => Err(Problem::bad_request("an integration signs with this credential")
            .with_remediation("remove the integration, or give it another credential")),
        Found::Kept(kept, _) => {
            let forgotten = inner.keeper.forget(&kept, caller.name()).await;
            forgotten.map_err(|failure| failed(failure, "credential", ""))?;
            answer(Value::Null)
        }
    }
}

pub(super) fn shown_kept(kept: &KeptCredential, account_uid: &str) -> Value {
    let mut shown = json!({
        "id": kept.new.uid,
        "name": kept.new.name,
        "fullname": kept.new.fullname,
        "owner_type": "account",
        "account_id": account_uid,
        "config": { "type": "o_auth_client" },
        "managed": "Unmanaged",
        "created_at": time(kept.created_ms),
        "updated_at": time(kept.updated_ms),
    });
    if let Some(expires_ms) = kept.new.expires_ms {
        shown["expires"] = time(expires_ms);
    }
    shown
}

/// That of an integration is called like it.
pub(super) fn shown_own(integration: &OwnedIntegration, own: &OwnedCredential) -> Value {
    let name = &integration.known.slug;
    let mut shown = json!({
        "id": own.uid,
        "name": name,
        "fullname": integration.known.fullname.as_ref().unwrap_or(name),
        "owner_type": "integration",
        "account_id": integration.account_uid,
        "integration_id": integration.known.uid,
        "config": { "type": "o_auth_client" },
        "managed": "Managed",
        "created_at": time(own.added_ms),
        "updated_at": time(own.published_ms),
    });
    if let Some(expires_ms) = own.expires_ms {
        shown["expires"] = time(expires_ms);
    }
    shown
}
