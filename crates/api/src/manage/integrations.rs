//! Integrations: tried before they are kept.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use countersign_connector::integration::Place;
use countersign_connector::managed::{Signing, region_of_url, url_of_region};
use countersign_store::{Account, Added, IntegrationKind, Known, Mode, OwnedIntegration};
use serde_json::{Value, json};

use super::body::{Body, Object};
use super::list::{self, Asked, List};
use super::tokens::{self, Wanted};
use super::{Answer, account, accounts, answer, credentials, failed, integration, taken, time};
use crate::caller::Caller;
use crate::inner::Inner;
use crate::problem::Problem;

pub(super) const EXPAND: [&str; 5] =
    ["account", "accounts", "integration_point", "integration_points", "all"];
pub(super) const ASKED: Asked = Asked {
    fields: &[
        "id",
        "name",
        "fullname",
        "account_id",
        "category",
        "provider_type",
        "created_at",
        "updated_at",
    ],
    expand: &EXPAND,
    total: true,
};
/// What of a whole integration cannot be chosen.
const FIXED: [&str; 7] = [
    "id",
    "account_id",
    "refresh_token_id",
    "category",
    "provider_type",
    "provider_fullname",
    "integration_point_id",
];
const SHOWN_ONLY: [&str; 4] = ["created_at", "updated_at", "account", "integration_point"];

/// The provider of an integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Provider {
    Veracode,
    Imported,
}

impl Provider {
    pub(super) const ALL: [Self; 2] = [Self::Veracode, Self::Imported];

    /// Its id, and the discriminator of its configuration.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Veracode => "appsec_veracode",
            Self::Imported => "appsec_imported",
        }
    }

    pub(super) fn fullname(self) -> &'static str {
        match self {
            Self::Veracode => "Veracode",
            Self::Imported => "Imported findings",
        }
    }

    fn of(kind: IntegrationKind) -> Self {
        match kind {
            IntegrationKind::Veracode => Self::Veracode,
            IntegrationKind::Imported => Self::Imported,
        }
    }
}

/// What a configuration asks for.
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
enum Wish {
    Imported,
    Veracode { place: Place, signing: WishedSigning, mode: Mode },
}

enum WishedSigning {
    /// What it signs with already.
    Held,
    New(Signing),
}

/// Reads a configuration: a new one, or that of an integration from now on.
async fn wish(
    inner: &Inner,
    account: &Account,
    mut config: Object,
    held: Option<&OwnedIntegration>,
) -> Result<Wish, Problem> {
    let provider = config.word("type", &Provider::ALL, Provider::as_str)?;
    let provider = provider.ok_or_else(|| config.wrong("type", "this is needed"))?;
    if held.is_some_and(|held| Provider::of(held.kind) != provider) {
        return Err(config.wrong("type", "this cannot be changed"));
    }
    if provider == Provider::Imported {
        config.end()?;
        return Ok(Wish::Imported);
    }
    let mode = config.word("mode", Mode::ALL, Mode::as_str)?.unwrap_or(Mode::Stored);
    let place = place(inner, &mut config)?;
    let at = config.pointer("credential");
    let mut credential =
        config.object("credential")?.ok_or_else(|| config.wrong("credential", "this is needed"))?;
    config.end()?;
    let signing = match credential.has("value") {
        false => WishedSigning::New(Signing::Given(credentials::given(credential)?)),
        true => {
            credential.word("type", &["o_auth_client_id"], |word| word)?;
            let uid = credential.required("value")?;
            credential.end()?;
            let own = held.and_then(|held| held.credential.as_ref());
            match own.is_some_and(|own| own.uid == uid) {
                true => WishedSigning::Held,
                false => {
                    let kept = credentials::kept_for(inner, account, &uid, &at).await?;
                    WishedSigning::New(Signing::Kept(kept))
                }
            }
        }
    };
    Ok(Wish::Veracode { place, signing, mode })
}

/// Where the service is: a region, or any other URL of one.
fn place(inner: &Inner, config: &mut Object) -> Result<Place, Problem> {
    let region = config.text("region")?;
    let by_name = match config.text("url")? {
        Some(url) => Some(("url", url)),
        None => config.text("base_url")?.map(|url| ("base_url", url)),
    };
    config.ignore(&["base_url"]);
    let region_url = region.as_deref().map(|name| {
        url_of_region(name).ok_or_else(|| {
            config.wrong("region", "this is `us`, `eu` or `us-fed`").with_value(name)
        })
    });
    let region_url = region_url.transpose()?;
    let (name, url) = match (by_name, region_url) {
        (Some(by_name), _) => by_name,
        (None, Some(url)) => ("region", url),
        (None, None) => return Err(config.wrong("region", "this, or a `url`, is needed")),
    };
    let ca_pem = config.text("ca_pem")?;
    let name = if ca_pem.is_some() && name == "region" { "ca_pem" } else { name };
    inner.keeper.place(&url, ca_pem).map_err(|cause| config.wrong(name, cause).with_value(&url))
}

/// Where an integration is used now.
pub(super) async fn place_of(
    inner: &Inner,
    integration: &OwnedIntegration,
) -> Result<Place, Problem> {
    let held = inner.store.credential_of(integration.id).await?;
    Ok(Place::of(&held))
}

pub(super) async fn create(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path(account_uid): Path<String>,
    Body(body): Body,
) -> Answer {
    list::none(query.as_deref())?;
    let account = account(&inner, &caller, &account_uid).await?;
    let uid = inner.new_uid();
    let (slug, fullname, wish) = new(&inner, &account, body, "", &uid).await?;
    must_be_free(&inner, &account, &slug, None).await?;
    let mode = match &wish {
        Wish::Imported => Mode::Stored,
        Wish::Veracode { mode, .. } => *mode,
    };
    let known =
        Known { uid: uid.clone(), account: account.id, slug, fullname: Some(fullname), mode };
    let wanted = Wanted::with_integration(&inner, account.id);
    let access_uid = wanted.uid.clone();
    let (token, secrets) = wanted.made(&inner, i64::MAX);
    let by = caller.name().to_owned();
    let added = Added { known, token: Some(token), kept: None, by };
    let name = &account.form.name;
    let done = match wish {
        Wish::Imported => inner.keeper.add_imported(added, name).await,
        Wish::Veracode { place, signing: WishedSigning::New(signing), .. } => {
            inner.keeper.add(place, signing, added, name).await
        }
        Wish::Veracode { .. } => {
            return Err(Problem::body("/provider_config/credential", "this is needed"));
        }
    };
    done.map_err(failed_at_config)?;
    let integration = inner.store.owned_integration(&uid).await?;
    let token = inner.store.token(&access_uid).await?;
    let created = integration.credential.iter();
    let created: Vec<_> = created.map(|own| credentials::shown_own(&integration, own)).collect();
    answer(json!({
        "integration": shown(&inner, &integration).await?,
        "token": tokens::pair_of_new(&token, &secrets),
        "credentials_created": created,
    }))
}

/// The body of a new integration.
async fn new(
    inner: &Inner,
    account: &Account,
    body: Value,
    at: &str,
    uid: &str,
) -> Result<(String, String, Wish), Problem> {
    let mut object = Object::of(body, at)?;
    let (slug, fullname) = object.names(uid)?;
    let config = object.object("provider_config")?;
    let config = config.ok_or_else(|| object.wrong("provider_config", "this is needed"))?;
    object.end()?;
    Ok((slug, fullname, wish(inner, account, config, None).await?))
}

async fn must_be_free(
    inner: &Inner,
    account: &Account,
    slug: &str,
    but: Option<&str>,
) -> Result<(), Problem> {
    let all = inner.store.owned_integrations(Some(account.id)).await?;
    let is_taken =
        |one: &OwnedIntegration| one.known.slug == slug && Some(one.known.uid.as_str()) != but;
    if all.iter().any(is_taken) { Err(taken("an integration")) } else { Ok(()) }
}

fn failed_at_config(failure: countersign_connector::managed::Failure) -> Problem {
    failed(failure, "integration", "/provider_config/credential")
}

pub(super) async fn verify(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path(account_uid): Path<String>,
    Body(body): Body,
) -> Answer {
    list::none(query.as_deref())?;
    let account = account(&inner, &caller, &account_uid).await?;
    let mut object = Object::of(body, "")?;
    let body = object.take("integration");
    let body = body.ok_or_else(|| object.wrong("integration", "this is needed"))?;
    object.end()?;
    let (_, _, wish) = new(&inner, &account, body, "/integration", "verified").await?;
    if let Wish::Veracode { place, signing: WishedSigning::New(signing), .. } = wish {
        let tried = inner.keeper.verify(&place, &signing).await;
        tried.map_err(|failure| {
            failed(failure, "integration", "/integration/provider_config/credential")
        })?;
    }
    Ok(Json(json!({})))
}

pub(super) async fn verify_stored(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path((account_uid, uid)): Path<(String, String)>,
    Body(body): Body,
) -> Answer {
    list::none(query.as_deref())?;
    let held = integration(&inner, &caller, (&account_uid, &uid)).await?;
    let change = match body {
        Value::Null if held.credential.is_none() => return Ok(Json(json!({}))),
        Value::Null => None,
        whole => Some(changed(&inner, &caller, &held, whole, true).await?.wish),
    };
    let (place, signing) = match change {
        None => (place_of(&inner, &held).await?, None),
        Some(Wish::Imported) => return Ok(Json(json!({}))),
        Some(Wish::Veracode { place, signing, .. }) => (place, signing.given()),
    };
    let tried = inner.keeper.verify_stored(&held, &place, signing.as_ref()).await;
    tried.map_err(failed_at_config)?;
    Ok(Json(json!({})))
}

impl WishedSigning {
    fn given(self) -> Option<Signing> {
        match self {
            Self::Held => None,
            Self::New(signing) => Some(signing),
        }
    }
}

pub(super) async fn list_all(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
) -> Answer {
    listed(&inner, &caller, query.as_deref(), super::integrations_of(&inner, &caller).await?).await
}

pub(super) async fn list(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path(account_uid): Path<String>,
) -> Answer {
    let account = account(&inner, &caller, &account_uid).await?;
    let all = inner.store.owned_integrations(Some(account.id)).await?;
    listed(&inner, &caller, query.as_deref(), all).await
}

async fn listed(
    inner: &Inner,
    caller: &Caller,
    query: Option<&str>,
    all: Vec<OwnedIntegration>,
) -> Answer {
    let list = List::of(query, &ASKED)?;
    let accounts = match list.expands(&["account", "accounts", "all"]) {
        true => inner.store.accounts().await?,
        false => Vec::new(),
    };
    let mut shown = Vec::new();
    for one in &all {
        let mut object = self::shown(inner, one).await?;
        let of = accounts.iter().find(|account| account.id == one.known.account);
        if let Some(account) = of.filter(|account| caller.sees(account.id)) {
            object["account"] = accounts::shown(account);
        }
        shown.push(object);
    }
    list.answer(shown)
}

pub(super) async fn get(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path((account_uid, uid)): Path<(String, String)>,
) -> Answer {
    list::none(query.as_deref())?;
    let integration = integration(&inner, &caller, (&account_uid, &uid)).await?;
    answer(shown(&inner, &integration).await?)
}

pub(super) async fn update(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path((account_uid, uid)): Path<(String, String)>,
    Body(body): Body,
) -> Answer {
    list::none(query.as_deref())?;
    let held = integration(&inner, &caller, (&account_uid, &uid)).await?;
    let change = changed(&inner, &caller, &held, body, true).await?;
    replace(&inner, &caller, &held, change).await
}

pub(super) async fn patch(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path((account_uid, uid)): Path<(String, String)>,
    Body(body): Body,
) -> Answer {
    list::none(query.as_deref())?;
    let held = integration(&inner, &caller, (&account_uid, &uid)).await?;
    let whole = super::patch::apply(shown(&inner, &held).await?, body)?;
    let change = changed(&inner, &caller, &held, whole, false).await?;
    replace(&inner, &caller, &held, change).await
}

/// What an integration is to be from now on.
struct Changed {
    slug: String,
    fullname: String,
    wish: Wish,
}

/// Reads a whole integration. Members of ours, which models of others may have dropped, stay
/// as they are unless they are given, if that is said.
async fn changed(
    inner: &Inner,
    caller: &Caller,
    held: &OwnedIntegration,
    mut whole: Value,
    keeps_own: bool,
) -> Result<Changed, Problem> {
    let before = shown(inner, held).await?;
    if keeps_own
        && let Some(config) = whole.get_mut("provider_config").and_then(Value::as_object_mut)
    {
        let old = &before["provider_config"];
        let is_elsewhere = config.get("region").is_some_and(|region| *region != old["region"]);
        let own: &[&str] = if is_elsewhere { &["mode"] } else { &["mode", "url", "ca_pem"] };
        for name in own.iter().filter(|name| old.get(**name).is_some()) {
            config.entry(*name).or_insert_with(|| old[*name].clone());
        }
    }
    let account = account(inner, caller, &held.account_uid).await?;
    let mut object = Object::of(whole, "")?;
    object.keep(&before, &FIXED)?;
    object.ignore(&SHOWN_ONLY);
    let (slug, fullname) = object.names(&held.known.uid)?;
    let config = object.object("provider_config")?;
    let config = config.ok_or_else(|| object.wrong("provider_config", "this is needed"))?;
    object.end()?;
    let wish = wish(inner, &account, config, Some(held)).await?;
    must_be_free(inner, &account, &slug, Some(&held.known.uid)).await?;
    Ok(Changed { slug, fullname, wish })
}

/// Tries what is different, and only then writes anything.
async fn replace(
    inner: &Inner,
    caller: &Caller,
    held: &OwnedIntegration,
    change: Changed,
) -> Answer {
    let mode = match change.wish {
        Wish::Imported => held.known.mode,
        Wish::Veracode { place, signing, mode } => {
            let (signing, now) = (signing.given(), place_of(inner, held).await?);
            if signing.is_some() || place.url != now.url || place.ca_pem != now.ca_pem {
                inner.keeper.update(held, place, signing).await.map_err(failed_at_config)?;
            }
            mode
        }
    };
    let fullname = Some(change.fullname);
    let known = Known { slug: change.slug, fullname, mode, ..held.known.clone() };
    if known != held.known {
        let updated = inner.store.update_known(held.id, known, caller.name(), inner.now()).await;
        updated.map_err(|error| match error.is_existing() {
            true => taken("an integration"),
            false => error.into(),
        })?;
    }
    let integration = inner.store.owned_integration(&held.known.uid).await?;
    answer(shown(inner, &integration).await?)
}

pub(super) async fn delete(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path((account_uid, uid)): Path<(String, String)>,
) -> Answer {
    list::none(query.as_deref())?;
    let integration = integration(&inner, &caller, (&account_uid, &uid)).await?;
    inner.keeper.remove(&integration, caller.name()).await.map_err(failed_at_config)?;
    answer(Value::Null)
}

/// As it is answered.
pub(super) async fn shown(inner: &Inner, integration: &OwnedIntegration) -> Result<Value, Problem> {
    let provider = Provider::of(integration.kind);
    let mut config = json!({ "type": provider.as_str() });
    if let Some(own) = &integration.credential {
        let place = place_of(inner, integration).await?;
        let region = region_of_url(&place.url);
        // The models of others know no place without a region.
        config["region"] = region.unwrap_or("us").into();
        config["credential"] = json!({ "type": "o_auth_client_id", "value": own.uid });
        config["mode"] = integration.known.mode.as_str().into();
        if region.is_none() {
            config["url"] = place.url.into();
        }
        if let Some(pem) = place.ca_pem {
            config["ca_pem"] = pem.into();
        }
    }
    let name = &integration.known.slug;
    Ok(json!({
        "id": integration.known.uid,
        "name": name,
        "fullname": integration.known.fullname.as_ref().unwrap_or(name),
        "account_id": integration.account_uid,
        "category": "appsec",
        "provider_type": provider.as_str(),
        "provider_fullname": provider.fullname(),
        "provider_config": config,
        "refresh_token_id": integration.access_uid.as_deref().unwrap_or_default(),
        "created_at": time(integration.created_ms),
        "updated_at": time(integration.updated_ms),
    }))
}
