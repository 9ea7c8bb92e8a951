//! `[store]`: where what is synced is kept. Without it, a file in the data directory.

use std::path::{Path, PathBuf};

use countersign_files::{self as files, Secrecy};
use countersign_store::{Error, Store};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::home::Home;

const PASSWORD: &str = "COUNTERSIGN_STORE_PASSWORD";
/// Of a file with a password.
const MAX_PASSWORD_BYTES: u64 = 4096;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StoreConfig {
    url: Option<StoreUrl>,
    /// File whose first line is the password of the database.
    password_file: Option<PathBuf>,
}

/// Not shown: it may hold a password.
#[derive(Clone, Deserialize)]
struct StoreUrl(String);

impl std::fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreUrl(…)")
    }
}

impl StoreConfig {
    /// Whether the store is in a database.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.url.is_some()
    }

    /// What cannot be meant.
    pub(super) fn check(&self) -> Result<(), String> {
        match (&self.url, &self.password_file) {
            (None, Some(_)) => Err("`store.password_file` needs `store.url`".into()),
            _ => Ok(()),
        }
    }

    pub(crate) async fn open(&self, home: &Home) -> Result<Store, Error> {
        match &self.url {
            None => Store::open(&home.store()).await,
            Some(url) => connect(&url.0, self.password()?).await,
        }
    }

    /// The store in this file, or in the database at this address.
    pub(crate) async fn open_place(&self, place: &str) -> Result<Store, Error> {
        match is_address(place) {
            true => connect(place, self.password()?).await,
            false => Store::open(Path::new(place)).await,
        }
    }

    fn password(&self) -> Result<Option<Zeroizing<String>>, Error> {
        if let Some(path) = &self.password_file {
            let text = files::read_text(path, Secrecy::Secret, MAX_PASSWORD_BYTES)?;
            return Ok(Some(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned())));
        }
        let given = std::env::var(PASSWORD).ok().filter(|password| !password.is_empty());
        Ok(given.map(Zeroizing::new))
    }
}

/// Whether this is the address of a database, and not the name of a file.
pub(crate) fn is_address(place: &str) -> bool {
    place.contains("://")
}

/// Whether an address has a password in it.
pub(crate) fn has_password(address: &str) -> bool {
    let Some((_, rest)) = address.split_once("://") else { return false };
    let (base, query) = rest.split_once('?').unwrap_or((rest, ""));
    base.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
        || query.split('&').any(|pair| pair.starts_with("password="))
}

#[cfg(feature = "postgres")]
async fn connect(url: &str, password: Option<Zeroizing<String>>) -> Result<Store, Error> {
    Store::open_url(url, password.as_ref().map(|password| password.as_str())).await
}

#[cfg(not(feature = "postgres"))]
async fn connect(_: &str, _: Option<Zeroizing<String>>) -> Result<Store, Error> {
    Err(Error::setting(
        "this program was built without PostgreSQL, which `store.url` names\n\
         hint: build it with `cargo build --release --features postgres`, or leave `store.url` out",
    ))
}
