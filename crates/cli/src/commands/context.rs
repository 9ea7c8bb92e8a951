//! What most commands need: home, configuration, store and vault, opened once.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use countersign_client::{Budget, Client, Config as ClientConfig, Fixed, Meter, Urgency, Url};
use countersign_connector::budget::SharedBudget;
use countersign_connector::integration::Place;
use countersign_connector::metrics::Calls;
use countersign_connector::{Connector, Fences, Subject, WATCH};
use countersign_files::{self as files, Secrecy};
use countersign_signing::Pair;
use countersign_store::{
    Credential, Integration, IntegrationId, IntegrationKind, OwnedIntegration, Store,
};
use countersign_vault::{Secret, Vault, prove};

use crate::config::store::StoreConfig;
use crate::config::{self, Config};
use crate::failure::Failure;
use crate::home::Home;
use crate::later::Later;
use crate::system;
use crate::way::Way;

#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) home: Home,
    pub(crate) config: Config,
    pub(crate) connector: Connector,
    /// What all clients count in.
    pub(crate) meter: Meter,
    /// What all processes that share the store, or this data directory, may ask services for.
    pub(crate) budget: SharedBudget,
    /// What programs asked the API for.
    pub(crate) calls: Calls,
    /// How this process is called among those that share the store.
    pub(crate) process: Arc<str>,
    /// Those that are asked for again and again.
    kept: Kept,
}

/// Clients by integration, as long as its service stays where it is.
type Kept = Arc<Mutex<HashMap<IntegrationId, (Place, Client)>>>;

/// What a program that runs on works with, and what of it changes when its configuration is
/// read again. Clones change together.
#[derive(Clone)]
pub(crate) struct Current(Arc<RwLock<Context>>, Arc<AtomicU64>);

impl Current {
    pub(crate) fn new(context: &Context) -> Self {
        Self(Arc::new(RwLock::new(context.clone())), Arc::default())
    }

    pub(crate) fn get(&self) -> Context {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on this is configured. The store and the vault stay as they are.
    pub(crate) fn configure(&self, config: Config) {
        let mut context = self.0.write().unwrap_or_else(PoisonError::into_inner);
        context.config = config;
        context.kept = Kept::default();
        self.1.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it was configured anew.
    pub(crate) fn edition(&self) -> u64 {
        self.1.load(Ordering::Relaxed)
    }
}

/// What is to be closed before the program ends.
static OPENED: Mutex<Vec<Store>> = Mutex::new(Vec::new());

/// Where the store is, as `config.toml` says. A file that cannot be read as a whole counts as one
/// that says nothing of the store, unless it does.
pub(crate) fn store_config(home: &Home) -> Result<StoreConfig, countersign_store::Error> {
    let failed = |failure: Failure| countersign_store::Error::setting(failure);
    let text = match files::read_text(&home.config(), Secrecy::Open, config::MAX_BYTES) {
        Err(error) if error.is_missing() => return Ok(StoreConfig::default()),
        text => text?,
    };
    match Config::parse(&home.config(), &text) {
        Ok(config) => Ok(config.store),
        // However it is written: a store that is meant to be elsewhere is not made here.
        Err(failure) if text.contains("store") => Err(failed(failure)),
        Err(_) => Ok(StoreConfig::default()),
    }
}

/// Opens the store, which [`close`] closes.
pub(crate) async fn open_store(home: &Home) -> Result<Store, countersign_store::Error> {
    let store = store_config(home)?.open(home).await?;
    OPENED.lock().unwrap_or_else(PoisonError::into_inner).push(store.clone());
    Ok(store)
}

/// Ends all use of every store: what was written is folded into its file.
pub(crate) async fn close() {
    let opened = std::mem::take(&mut *OPENED.lock().unwrap_or_else(PoisonError::into_inner));
    for store in opened {
        store.close().await;
    }
}

impl Context {
    pub(crate) async fn open(home: Option<&Path>) -> Result<Self, Failure> {
        Self::with_vault(home, |home, config| config.vault.open(home)).await
    }

    /// For what needs no secret, or one in some cases only: the vault is opened when it is
    /// needed.
    pub(crate) async fn offline(home: Option<&Path>) -> Result<Self, Failure> {
        Self::with_vault(home, |home, config| Ok(Arc::new(Later::new(home, config)))).await
    }

    async fn with_vault(
        home: Option<&Path>,
        open: impl FnOnce(&Home, &Config) -> Result<Arc<dyn Vault>, Failure>,
    ) -> Result<Self, Failure> {
        let home = Home::find(home)?;
        let config = Config::read(&home.config())?;
        let store = open_store(&home).await?;
        let vault = open(&home, &config)?;
        let fences = Fences::at(&home.fences());
        let (clock, random) = (system::clock(), system::random());
        let mut budget = SharedBudget::at(&home.budget(), clock.clone(), &random);
        if store.is_shared() {
            budget = budget.within(store.clone(), &config.client.egress);
        }
        let connector = Connector { store, vault, fences, clock, random };
        let (meter, calls, kept) = (Meter::default(), Calls::default(), Kept::default());
        let process = system::process_name(&connector.random).into();
        Ok(Self { home, config, connector, meter, budget, calls, process, kept })
    }

    pub(crate) fn store(&self) -> &Store {
        &self.connector.store
    }

    pub(crate) fn now(&self) -> i64 {
        (self.connector.clock)()
    }

    /// Before a secret is minted: the vault gives back what it gets.
    pub(crate) async fn prove_vault(&self) -> Result<(), Failure> {
        let (vault, random) = (self.connector.vault.clone(), self.connector.random.clone());
        let now_ms = self.now();
        let proof = tokio::task::spawn_blocking(move || prove(&*vault, &random, now_ms));
        Ok(proof.await.map_err(Failure::unexpected)??)
    }

    /// The named integration, or the only one.
    pub(crate) async fn integration(&self, name: Option<&str>) -> Result<Integration, Failure> {
        if let Some(name) = name {
            return match self.store().integration(name).await {
                Err(error) if error.is_not_found() => {
                    // Fails where there is none of any kind.
                    self.any_integration(name).await?;
                    Err(Failure::usage(format!(
                        "`{name}` has findings of other scanners: it has no service and no credentials\nhint: `countersign import - --integration {name}` imports more of them from standard input"
                    )))
                }
                found => Ok(found?),
            };
        }
        let mut all = self.store().integrations().await?;
        match all.len() {
            1 => Ok(all.remove(0)),
            0 => Err(Failure::usage(
                "there is no integration yet\nhint: `countersign integration add prod` adds one",
            )),
            _ => {
                let names: Vec<_> = all.iter().map(|one| one.name.as_str()).collect();
                Err(Failure::usage(format!(
                    "there are several integrations\nhint: name one of {}",
                    names.join(", ")
                )))
            }
        }
    }

    /// The named integration, whatever its kind.
    pub(crate) async fn any_integration(&self, name: &str) -> Result<OwnedIntegration, Failure> {
        let all = self.store().owned_integrations(None).await?;
        all.into_iter().find(|one| one.name == name).ok_or_else(|| {
            Failure::usage(format!(
                "there is no integration `{name}`\nhint: `countersign integration list` shows those there are"
            ))
        })
    }

    /// Those that have findings of other scanners.
    pub(crate) async fn imported_integrations(&self) -> Result<Vec<OwnedIntegration>, Failure> {
        let mut all = self.store().owned_integrations(None).await?;
        all.retain(|one| one.kind == IntegrationKind::Imported);
        Ok(all)
    }

    /// A client for an integration, which signs with whatever is published for it.
    /// `purpose` is what the inventory calls its user.
    pub(crate) fn client_of(
        &self,
        integration: &Integration,
        purpose: &'static str,
    ) -> Result<Client, Failure> {
        self.client_at(&Place::from(integration), integration, purpose)
    }

    /// A client for an integration at another place than its own.
    pub(crate) fn client_at(
        &self,
        place: &Place,
        integration: &Integration,
        purpose: &'static str,
    ) -> Result<Client, Failure> {
        let mut config = self.client_config(place)?;
        config.is_prompt = true;
        (config.share, config.urgency) = part_of(purpose, &integration.name);
        self.client_from(config, Subject::Integration(integration.id), purpose)
    }

    /// The same client each time, as long as the integration and the configuration stay.
    pub(crate) fn kept_client_of(
        &self,
        integration: &Integration,
        purpose: &'static str,
    ) -> Result<Client, Failure> {
        let place = Place::from(integration);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = kept.get(&integration.id).filter(|(at, _)| *at == place) {
            return Ok(client.clone());
        }
        let client = self.client_of(integration, purpose)?;
        kept.insert(integration.id, (place, client.clone()));
        Ok(client)
    }

    /// A client for one credential.
    pub(crate) fn client_for(
        &self,
        credential: &Credential,
        purpose: &'static str,
    ) -> Result<Client, Failure> {
        let mut config = self.client_config(&Place::of(credential))?;
        (config.share, config.urgency) = part_of(purpose, &credential.name);
        self.client_from(config, Subject::Credential(credential.id), purpose)
    }

    fn client_from(
        &self,
        config: ClientConfig,
        subject: Subject,
        purpose: &'static str,
    ) -> Result<Client, Failure> {
        let source = self.connector.source(subject, purpose);
        let (clock, random) = (self.connector.clock.clone(), self.connector.random.clone());
        Ok(Client::with_source(config, source, clock, random)?)
    }

    /// A client for a credential that is not kept yet.
    pub(crate) fn client(&self, place: &Place, secret: &Secret) -> Result<Client, Failure> {
        let (clock, random) = (self.connector.clock.clone(), self.connector.random.clone());
        let mut config = self.client_config(place)?;
        config.is_prompt = true;
        config.share = "(other)".to_owned();
        config.urgency = Urgency::Interactive;
        Ok(match secret {
            Secret::Pair(pair) => Client::new(config, pair, clock, random)?,
            Secret::OAuthClient(client) => {
                let source = Arc::new(Fixed::new(client.clone().into()));
                Client::with_source(config, source, clock, random)?
            }
        })
    }

    fn client_config(&self, place: &Place) -> Result<ClientConfig, Failure> {
        let mut config = client_config(&self.config, place, &self.budget)?;
        config.meter = self.meter.clone();
        Ok(config)
    }

    /// The pair that an integration signs with now.
    pub(crate) async fn pair_of(&self, integration: &Integration) -> Result<Pair, Failure> {
        let subject = Subject::Integration(integration.id);
        Ok(self.connector.pair_of(subject).await?)
    }
}

/// Which part of the budget is used for this, and who waits: a program that asks on and on
/// has a part of its own, as an integration has.
fn part_of(purpose: &'static str, name: &str) -> (String, Urgency) {
    match purpose {
        "sync" => (name.to_owned(), Urgency::Background),
        WATCH => ("(monitoring)".to_owned(), Urgency::Background),
        "api" => ("(connector API)".to_owned(), Urgency::Background),
        "proxy" => ("(signing proxy)".to_owned(), Urgency::Background),
        _ => (name.to_owned(), Urgency::Interactive),
    }
}

/// How a client goes about it, by what config.toml says.
pub(crate) fn client_config(
    config: &Config,
    place: &Place,
    budget: &SharedBudget,
) -> Result<ClientConfig, Failure> {
    let mut client = ClientConfig::new(parse_url(&place.url)?);
    let host = client.base_url.authority().to_owned();
    let per_minute = config.client.requests_per_minute;
    client.budget = Budget::shared(per_minute, &host, Arc::new(budget.clone()));
    client.ca_pem = place.ca_pem.as_ref().map(|pem| pem.as_bytes().to_vec());
    client.allow_http_loopback = place.allow_http_loopback;
    client.in_flight = config.client.in_flight;
    client.connect_timeout = config.client.connect_timeout();
    client.request_timeout = config.client.request_timeout();
    client.retry_budget = config.client.retry_budget();
    Way::to(&client.base_url, config)?.apply(&mut client);
    Ok(client)
}

pub(crate) fn parse_url(text: &str) -> Result<Url, Failure> {
    countersign_client::parse_url(text).map_err(Failure::usage)
}
