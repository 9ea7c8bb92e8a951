//! What most commands need: home, configuration, store and vault, opened once.

use std::path::Path;

use countersign_client::{Client, Config as ClientConfig, Url};
use countersign_connector::Connector;
use countersign_signing::Pair;
use countersign_store::{Integration, Store};
use countersign_vault::prove;

use crate::config::Config;
use crate::failure::Failure;
use crate::home::Home;
use crate::system;

pub(crate) struct Context {
    pub(crate) home: Home,
    pub(crate) config: Config,
    pub(crate) connector: Connector,
}

impl Context {
    pub(crate) async fn open(home: Option<&Path>) -> Result<Self, Failure> {
        let home = Home::find(home)?;
        let config = Config::read(&home.config())?;
        let store = Store::open(&home.store()).await?;
        let vault = config.vault.open(&home)?;
        let (clock, random) = (system::clock(), system::random());
        let connector = Connector { store, vault, clock, random };
        Ok(Self { home, config, connector })
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
            return self.store().integration(name).await.map_err(|error| {
                if error.is_not_found() { Failure::usage(error) } else { error.into() }
            });
        }
        let mut all = self.store().integrations().await?;
        match all.len() {
            1 => Ok(all.remove(0)),
            0 => Err(Failure::usage(
                "there is no integration yet\nhint: run `countersign quickstart`, or `countersign integration add`",
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

    /// A client for an integration, with its pair from the vault.
    pub(crate) fn client_of(&self, integration: &Integration) -> Result<Client, Failure> {
        let pair = self.connector.pair(integration)?;
        let ca_pem = integration.ca_pem.as_deref();
        self.client(&integration.url, ca_pem, integration.allow_http_loopback, &pair)
    }

    pub(crate) fn client(
        &self,
        url: &str,
        ca_pem: Option<&str>,
        allow_http_loopback: bool,
        pair: &Pair,
    ) -> Result<Client, Failure> {
        let mut config = ClientConfig::new(parse_url(url)?);
        config.ca_pem = ca_pem.map(|pem| pem.as_bytes().to_vec());
        config.allow_http_loopback = allow_http_loopback;
        config.requests_per_minute = self.config.client.requests_per_minute;
        config.in_flight = self.config.client.in_flight;
        config.request_timeout = self.config.client.request_timeout();
        config.retry_budget = self.config.client.retry_budget();
        config.proxy = self.config.client.proxy.as_deref().map(parse_url).transpose()?;
        let (clock, random) = (self.connector.clock.clone(), self.connector.random.clone());
        Ok(Client::new(config, pair, clock, random)?)
    }
}

pub(crate) fn parse_url(text: &str) -> Result<Url, Failure> {
    Url::parse(text).map_err(|error| {
        Failure::usage(format!(
            "`{text}` is not a URL: {error}\nhint: for example `https://api.veracode.com`"
        ))
    })
}
