//! A vault that is opened when a secret is needed: what asks for none needs no key, no
//! token and no keyring.

use std::sync::{Arc, OnceLock};

use countersign_vault::{Entry, Error, Secret, Vault};

use crate::config::Config;
use crate::failure::Failure;
use crate::home::Home;

type Open = dyn Fn() -> Result<Arc<dyn Vault>, Failure> + Send + Sync;

pub(crate) struct Later {
    open: Arc<Open>,
    opened: OnceLock<Arc<dyn Vault>>,
}

impl Later {
    pub(crate) fn new(home: &Home, config: &Config) -> Self {
        let (home, config) = (home.clone(), config.vault.clone());
        Self { open: Arc::new(move || config.open(&home)), opened: OnceLock::new() }
    }

    fn vault(&self) -> Result<&Arc<dyn Vault>, Error> {
        if let Some(vault) = self.opened.get() {
            return Ok(vault);
        }
        let vault = (self.open)().map_err(|failure| Error::refused(failure.to_string()))?;
        Ok(self.opened.get_or_init(|| vault))
    }
}

impl Vault for Later {
    fn place(&self) -> String {
        self.vault().map_or_else(|error| error.to_string(), |vault| vault.place())
    }

    fn put(&self, name: &str, credential: &Secret, now_ms: i64) -> Result<u32, Error> {
        self.vault()?.put(name, credential, now_ms)
    }

    fn get(&self, name: &str) -> Result<(u32, Secret), Error> {
        self.vault()?.get(name)
    }

    fn get_version(&self, name: &str, version: u32) -> Result<Secret, Error> {
        self.vault()?.get_version(name, version)
    }

    fn entries(&self) -> Result<Vec<Entry>, Error> {
        self.vault()?.entries()
    }

    fn versions(&self, name: &str) -> Result<Vec<Entry>, Error> {
        self.vault()?.versions(name)
    }

    fn destroy(&self, name: &str, version: u32) -> Result<(), Error> {
        self.vault()?.destroy(name, version)
    }

    fn erase(&self, name: &str, version: u32) -> Result<(), Error> {
        self.vault()?.erase(name, version)
    }

    fn reopen(&self) -> Result<Arc<dyn Vault>, Error> {
        self.vault()?.reopen()
    }
}
