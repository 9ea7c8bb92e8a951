//! What is looked at on this machine: configuration, store and vault.

use std::sync::Arc;

use countersign_client::Url;
use countersign_connector::diagnose::{
    self, Diagnosis, Sealed, Trouble, broken_store, cause_and_fix, damaged_store,
};
use countersign_connector::{Error, Fault};
use countersign_files::{self as files, Secrecy, quoted};
use countersign_store::Store;
use countersign_vault::{KeySource, SealedFile, Vault};

use super::super::context::{open_store, store_config};
use crate::config::{Backend, Config};
use crate::failure::Exit;
use crate::home::Home;
use crate::system;
use crate::way::Way;

/// But for what is looked at below.
pub(super) fn exposed(home: &Home, all: &mut Vec<Diagnosis>) {
    for (path, secrecy) in home.files() {
        diagnose::exposed(&path, secrecy, path.display().to_string(), all);
    }
}

/// None when it cannot be read: nothing is tried with another configuration than
/// the one that is meant.
pub(super) fn config(home: &Home, all: &mut Vec<Diagnosis>) -> Option<Config> {
    if let Err(error) = files::check(&home.config(), Secrecy::Open)
        && error.is_exposed()
    {
        let one = Trouble::exposed(&error).of(home.config().display().to_string(), all);
        all.push(one);
        return None;
    }
    if let Err(error) = files::usable(&home.config(), false)
        && let Some(cause) = error.cause()
    {
        all.push(Trouble::kept(&error, cause).of(home.config().display().to_string(), all));
        return None;
    }
    match Config::read(&home.config()) {
        Ok(config) => Some(config),
        Err(failure) => {
            let error = Error::from(failure);
            let (cause, fix) = cause_and_fix(&error.to_string());
            let fix = fix.unwrap_or_else(|| "correct the line; the guide lists every key".into());
            let trouble = Trouble::new("configuration", error.fault(), cause, fix);
            all.push(Diagnosis::trouble(home.config().display().to_string(), trouble));
            None
        }
    }
}

/// Whether it is known how requests get out.
pub(super) fn has_way(config: &Config, all: &mut Vec<Diagnosis>) -> bool {
    let service = Url::parse("https://api.veracode.com");
    let Some(Err(failure)) = service.ok().map(|url| Way::to(&url, config)) else { return true };
    let trouble = Trouble::of_error("configuration", &failure.into());
    all.push(Diagnosis::trouble("proxy".into(), trouble));
    false
}

/// That this data directory is empty and another one is not.
pub(super) async fn other_home(home: &Home) -> Option<Trouble> {
    for other in Home::usual().into_iter().filter(|other| other.path() != home.path()) {
        if !other.store().exists() {
            continue;
        }
        let Ok(store) = Store::open(&other.store()).await else { continue };
        let names: Vec<_> = match store.owned_integrations(None).await {
            Ok(all) => all.into_iter().map(|one| format!("`{}`", one.name)).collect(),
            Err(_) => continue,
        };
        store.close().await;
        if names.is_empty() {
            continue;
        }
        let shown = other.path().display();
        return Some(Trouble::new(
            "other_home",
            Fault::Config,
            format!(
                "it has no integration; another data directory, {shown}, has {}",
                names.join(", ")
            ),
            format!("`countersign --home {} doctor` looks at that one", quoted(&shown.to_string())),
        ));
    }
    None
}

pub(super) async fn store(home: &Home, all: &mut Vec<Diagnosis>) -> Option<Store> {
    let subject = format!("store {}", home.store().display());
    // What is wrong with the file is a trouble of its own.
    if store_config(home).is_err() {
        all.push(Diagnosis::unexamined(subject, "where it is stands in config.toml"));
        return None;
    }
    let looked = match open_store(home).await {
        Ok(store) => store.check().await.map(|problems| (store, problems)),
        Err(error) => Err(error),
    };
    match looked {
        Ok((store, problems)) => {
            all.push(match damaged_store(&home.store(), &problems) {
                None => Diagnosis::well(subject),
                Some(trouble) => Diagnosis::trouble(subject, trouble),
            });
            Some(store)
        }
        Err(error) => {
            all.push(broken_store(&home.store(), &error).of(subject, all));
            None
        }
    }
}

/// Opens the vault and every secret in it.
pub(super) fn vault(
    home: &Home,
    config: &Config,
    all: &mut Vec<Diagnosis>,
) -> Option<Arc<dyn Vault>> {
    let subject = format!("vault {}", home.vault().display());
    match open_vault(home, config) {
        Ok(vault) => {
            all.push(Diagnosis::well(subject));
            Some(vault)
        }
        Err(trouble) => {
            all.push(trouble.of(subject, all));
            None
        }
    }
}

fn open_vault(home: &Home, config: &Config) -> Result<Arc<dyn Vault>, Trouble> {
    if config.vault.backend != Backend::File {
        let opened = config.vault.open(home).and_then(|vault| {
            vault.entries()?;
            Ok(vault)
        });
        return opened.map_err(|failure| diagnose::vault_elsewhere(&failure.to_string()));
    }
    let (vault, key) = (home.vault(), home.vault_key());
    let passphrase = match &config.vault.passphrase_file {
        Some(path) => format!("`{}`", path.display()),
        None => "COUNTERSIGN_VAULT_PASSPHRASE".to_owned(),
    };
    let mut sealed = Sealed { vault: &vault, key: &key, passphrase, is_passphrase: false };
    let source =
        config.vault.key_source(home.vault_key()).map_err(|failure| match failure.exit() {
            Exit::Usage => Trouble::exposed(&failure),
            _ => sealed.without_passphrase(&failure.to_string()),
        })?;
    sealed.is_passphrase = matches!(source, KeySource::Passphrase(_));
    let opened = SealedFile::open(&vault, source, system::random());
    let opened = opened.and_then(|vault| vault.entries().map(|_| vault));
    match opened {
        Ok(vault) => Ok(vault),
        Err(error) => Err(sealed.why(&error)),
    }
}
