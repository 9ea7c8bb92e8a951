//! The keyring of the operating system: Secret Service on Linux, Keychain on macOS,
//! Credential Manager on Windows.
//!
//! A secret is one item of the keyring, named by the vault's own random id, the name and
//! the version. What can be listed is a file in the vault's folder, without secrets: a
//! keyring locks itself, holds items of 2.5 KB at most on one system, and knows no
//! transactions. The secret is written first and the list after it, under a lock: a
//! crash between the two leaves an item that nothing names, and its number is passed
//! over. No item that exists is ever written over.

#[cfg(not(target_os = "linux"))]
mod native;
mod refusal;
#[cfg(target_os = "linux")]
mod secret_service;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use countersign_files::{self as files, Readers, Secrecy};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

#[cfg(not(target_os = "linux"))]
use self::native::Items;
use self::refusal::Refusal;
#[cfg(target_os = "linux")]
use self::secret_service::Items;
use crate::error::{Error, Fault};
use crate::payload::Document;
use crate::{Entry, Kind, PROBE, Random, Secret, Vault, check_name, check_probe, lock};

const FORMAT: &str = "countersign-keyring-1";
const MAX_BYTES: u64 = 16 << 20;
/// Numbers passed over in one go: more leftovers than crashes can explain.
const PASSED_OVER: u32 = 1000;

/// A vault in the keyring of the operating system.
pub struct Keyring {
    list: PathBuf,
    service: String,
    random: Random,
    /// Opened by the first operation that needs a secret: listing asks for none.
    items: Mutex<Option<Arc<Items>>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    format: String,
    /// Tells the items of this vault from those of any other on this machine.
    vault: String,
    /// What its items are filed under.
    service: String,
    entries: Vec<Listed>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    name: String,
    version: u32,
    kind: String,
    api_id: String,
    created_ms: i64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    destroyed: bool,
}

impl Keyring {
    /// `list` is the file with what can be listed; `service` is what the items are filed
    /// under. Asks nothing of the keyring yet.
    pub fn open(list: &Path, service: &str, random: Random) -> Result<Arc<Self>, Error> {
        if service.is_empty() || service.len() > 128 || service.contains(char::is_control) {
            let what = format!("`{service}` cannot name a service of the keyring");
            return Err(Error::elsewhere(Fault::Config, what, "for example `countersign`"));
        }
        let keyring = Self {
            list: list.to_owned(),
            service: service.to_owned(),
            random,
            items: Mutex::new(None),
        };
        keyring.read()?;
        Ok(Arc::new(keyring))
    }

    fn read(&self) -> Result<Option<List>, Error> {
        let bytes = match files::read(&self.list, Secrecy::Open, MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.is_missing() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let list: List =
            serde_json::from_slice(&bytes).map_err(|error| Error::malformed(&self.list, error))?;
        if list.format != FORMAT {
            return Err(Error::malformed(&self.list, "unknown format"));
        }
        if list.service != self.service {
            let what =
                format!("the keyring items of this vault are filed under `{}`", list.service);
            return Err(Error::elsewhere(Fault::Config, what, "set `vault.keyring.service` to it"));
        }
        Ok(Some(list))
    }

    /// Reads, changes and replaces the list under an exclusive lock.
    fn change<T>(&self, act: impl FnOnce(&mut List) -> Result<T, Error>) -> Result<T, Error> {
        let _lock = lock(&self.list)?;
        let mut list = match self.read()? {
            Some(list) => list,
            None => {
                let mut vault = [0; 8];
                (self.random)(&mut vault);
                let vault = HEXLOWER.encode(&vault);
                let (format, service) = (FORMAT.into(), self.service.clone());
                List { format, vault, service, entries: Vec::new() }
            }
        };
        let outcome = act(&mut list)?;
        let mut bytes = serde_json::to_vec_pretty(&list)
            .map_err(|error| Error::malformed(&self.list, error))?;
        bytes.push(b'\n');
        files::write(&self.list, &bytes, Readers::Owner, &*self.random)?;
        Ok(outcome)
    }

    fn items(&self) -> Result<Arc<Items>, Error> {
        let mut held = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        match held.as_ref() {
            Some(items) => Ok(items.clone()),
            None => {
                let items = Arc::new(Items::open().map_err(Refusal::unavailable)?);
                Ok(held.insert(items).clone())
            }
        }
    }

    fn document(&self, list: &List, name: &str, version: u32) -> Result<Option<Document>, Error> {
        let secret = self.items()?.read(&self.service, &list.item(name, version));
        let Some(secret) = secret.map_err(Refusal::refused)? else {
            return Ok(None);
        };
        Document::parse(&secret).map(Some).ok_or_else(|| foreign(name, version))
    }

    fn credential(&self, list: &List, name: &str, version: u32) -> Result<Secret, Error> {
        let document = self.document(list, name, version)?.ok_or_else(|| {
            let what = format!("the keyring lost version {version} of `{name}`");
            let hint =
                "somebody deleted the item, or this is another keyring: bring both back together";
            Error::elsewhere(Fault::Protocol, what, hint)
        })?;
        document.credential(name, version).ok_or_else(|| foreign(name, version))
    }

    fn listed(&self, is_asked: impl Fn(&str) -> bool) -> Result<Vec<Entry>, Error> {
        let entries = self.read()?.map(|list| list.entries).unwrap_or_default();
        let asked = entries.into_iter().filter(|entry| is_asked(&entry.name));
        let mut entries = asked
            .map(|entry| {
                let kind = Kind::parse(&entry.kind)
                    .ok_or_else(|| Error::malformed(&self.list, "unknown kind"))?;
                Ok(Entry {
                    kind,
                    name: entry.name,
                    version: entry.version,
                    api_id: entry.api_id,
                    created_ms: entry.created_ms,
                    is_tombstone: entry.destroyed,
                })
            })
            .collect::<Result<Vec<_>, Error>>()?;
        entries.sort_by(|a, b| (&a.name, a.version).cmp(&(&b.name, b.version)));
        Ok(entries)
    }

    fn delete(&self, list: &List, name: &str, version: u32) -> Result<(), Error> {
        let deleted = self.items()?.delete(&self.service, &list.item(name, version));
        deleted.map_err(Refusal::refused)
    }
}

impl Vault for Keyring {
    fn place(&self) -> String {
        format!("OS keyring, service `{}`, listed in {}", self.service, self.list.display())
    }

    fn put(&self, name: &str, credential: &Secret, now_ms: i64) -> Result<u32, Error> {
        check_name(name)?;
        // A vault's id is on disk before an item is named by it.
        if self.read()?.is_none() {
            self.change(|_| Ok(()))?;
        }
        self.change(|list| {
            let mut document = Document::new(name, credential, now_ms, &self.random);
            let newest = list.versions(name).map(|entry| entry.version).max().unwrap_or(0);
            for version in newest + 1..=newest + PASSED_OVER {
                // Left by a crash, or by a list that was brought back from before.
                let (items, item) = (self.items()?, list.item(name, version));
                if items.read(&self.service, &item).map_err(Refusal::refused)?.is_some() {
                    continue;
                }
                document.version = version;
                let written = items.write(&self.service, &item, &document.to_json());
                written.map_err(Refusal::refused)?;
                list.entries.push(Listed {
                    name: name.to_owned(),
                    version,
                    kind: credential.kind().as_str().to_owned(),
                    api_id: credential.id().to_owned(),
                    created_ms: now_ms,
                    destroyed: false,
                });
                return Ok(version);
            }
            Err(foreign(name, newest + 1))
        })
    }

    fn get(&self, name: &str) -> Result<(u32, Secret), Error> {
        let list = self.read()?.ok_or_else(|| Error::not_found(name))?;
        let live = list.versions(name).filter(|entry| !entry.destroyed);
        let version = live.map(|entry| entry.version).max();
        let version = version.ok_or_else(|| Error::not_found(name))?;
        Ok((version, self.credential(&list, name, version)?))
    }

    fn get_version(&self, name: &str, version: u32) -> Result<Secret, Error> {
        let not_found = || Error::no_version(name, version);
        let list = self.read()?.ok_or_else(not_found)?;
        let found = list.versions(name).find(|entry| entry.version == version);
        found.filter(|entry| !entry.destroyed).ok_or_else(not_found)?;
        self.credential(&list, name, version)
    }

    fn entries(&self) -> Result<Vec<Entry>, Error> {
        self.listed(|name| name != PROBE)
    }

    fn versions(&self, name: &str) -> Result<Vec<Entry>, Error> {
        self.listed(|other| other == name)
    }

    fn destroy(&self, name: &str, version: u32) -> Result<(), Error> {
        self.change(|list| {
            let found = list.versions(name).any(|entry| entry.version == version);
            found.then_some(()).ok_or_else(|| Error::no_version(name, version))?;
            self.delete(list, name, version)?;
            for entry in &mut list.entries {
                entry.destroyed |= entry.name == name && entry.version == version;
            }
            Ok(())
        })
    }

    fn erase(&self, name: &str, version: u32) -> Result<(), Error> {
        check_probe(name)?;
        self.change(|list| {
            self.delete(list, name, version)?;
            list.entries.retain(|entry| entry.name != name || entry.version != version);
            Ok(())
        })
    }

    fn reopen(&self) -> Result<Arc<dyn Vault>, Error> {
        Ok(Self::open(&self.list, &self.service, self.random.clone())?)
    }
}

impl List {
    fn versions<'l>(&'l self, name: &'l str) -> impl Iterator<Item = &'l Listed> {
        self.entries.iter().filter(move |entry| entry.name == name)
    }

    /// The user of an item.
    fn item(&self, name: &str, version: u32) -> String {
        format!("{}/{name}@{version}", self.vault)
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").field("place", &self.place()).finish_non_exhaustive()
    }
}

fn foreign(name: &str, version: u32) -> Error {
    let what =
        format!("the keyring's item for version {version} of `{name}` is not of countersign");
    Error::elsewhere(Fault::Protocol, what, "find out who else writes there")
}
