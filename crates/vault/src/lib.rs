//! Where secrets live.
//!
//! A [`Vault`] keeps credentials under names, in versions that are never used twice.
//! What it keeps can be listed without opening it: name, version, kind, id, time. There
//! are four:
//!
//! - [`SealedFile`]: one file, each secret sealed with XChaCha20-Poly1305 under a key
//!   file or a passphrase.
//! - [`Keyring`] (feature `keyring`): the keyring of the operating system, and a list
//!   beside it without secrets.
//! - [`Kv`]: a secret store that speaks HashiCorp's KV version 2 (Vault, OpenBao).
//! - [`External`]: a program that speaks a small protocol on its standard streams.
//!
//! [`prove`] shows that a vault works before a new secret relies on it. `docs/reference/vault.md`
//! is for people who choose and configure one.
//!
//! No clock and no randomness: callers pass the time and the random bytes. HTTP only to
//! a secret store.

mod command;
mod error;
mod file;
#[cfg(feature = "keyring")]
mod keyring;
mod kv;
mod payload;
mod proof;
mod seal;
mod secret;

pub use command::External;
pub use error::Error;
pub use file::{KeySource, SealedFile};
#[cfg(feature = "keyring")]
pub use keyring::Keyring;
pub use kv::{Kv, KvConfig, KvPath, KvSecret, SecretText, SignIn};
pub use proof::{PROBE, prove};
pub use seal::{MasterKey, seal, unseal};
pub use secret::{Kind, Secret};

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use error::Kind as Failure;

/// Fills a buffer with random bytes.
pub type Random = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// Gives the time, in milliseconds since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What a vault says about a stored credential without opening it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name it is stored under.
    pub name: String,
    /// 1 for the first credential of a name, a greater one for each later one.
    pub version: u32,
    /// What it is.
    pub kind: Kind,
    /// The API ID, or the Client ID of an OAuth client.
    pub api_id: String,
    /// When it was stored, in milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// Whether the secret was destroyed.
    pub is_tombstone: bool,
}

/// A place that keeps credentials: durable when `put` returns. Calls may block on
/// a disk or a network; asynchronous callers make them on a blocking thread.
pub trait Vault: Send + Sync {
    /// Where it is, for people: a path, an address, a program.
    fn place(&self) -> String;

    /// Stores a further version under `name` and returns its number. When this
    /// returns, the pair survives a power cut.
    fn put(&self, name: &str, credential: &Secret, now_ms: i64) -> Result<u32, Error>;

    /// The newest version that is not a tombstone.
    fn get(&self, name: &str) -> Result<(u32, Secret), Error>;

    /// That version. Fails with [`Error::is_not_found`] for a tombstone too.
    fn get_version(&self, name: &str, version: u32) -> Result<Secret, Error>;

    /// All entries, by name and version, but for those of [`PROBE`].
    fn entries(&self) -> Result<Vec<Entry>, Error>;

    /// The entries of one name, by version.
    fn versions(&self, name: &str) -> Result<Vec<Entry>, Error>;

    /// Destroys the secret of one version and keeps its metadata.
    fn destroy(&self, name: &str, version: u32) -> Result<(), Error>;

    /// Destroys one version of [`PROBE`] and its metadata: probes leave no tombstones.
    /// Any other name is refused, for its numbers would come again.
    fn erase(&self, name: &str, version: u32) -> Result<(), Error>;

    /// The same vault, opened anew: nothing that this handle has in memory stands in for
    /// what the place holds.
    fn reopen(&self) -> Result<Arc<dyn Vault>, Error>;
}

/// An exclusive lock beside `path`, held until it is dropped. Writers hold it for
/// milliseconds; who waits for it waits so long.
fn lock(path: &Path) -> Result<File, Error> {
    let path = path.with_extension("lock");
    let file = countersign_files::lock_file(&path)?;
    file.lock().map_err(Error::io("lock", &path))?;
    Ok(file)
}

fn check_name(name: &str) -> Result<(), Error> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if name.is_empty() || name.len() > 128 || !name.chars().all(is_plain) {
        return Err(Error::new(Failure::Name { name: name.chars().take(40).collect() }));
    }
    Ok(())
}

fn check_probe(name: &str) -> Result<(), Error> {
    match name {
        PROBE => Ok(()),
        _ => Err(Error::new(Failure::NotProbe { name: name.to_owned() })),
    }
}
