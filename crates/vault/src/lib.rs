//! Where secrets live.
//!
//! [`SealedFile`] keeps pairs in one file, each sealed with XChaCha20-Poly1305
//! under a key file or a passphrase, with the API ID as associated data. The
//! metadata (name, version, API ID, time) is readable without the key. No
//! clock, no randomness, no network: callers pass the time and the random bytes.

mod credential;
mod error;
mod file;
mod seal;

pub use error::Error;
pub use file::{KeySource, SealedFile};
pub use seal::{MasterKey, seal, unseal};

pub use credential::{Credential, Kind};

/// Fills a buffer with random bytes.
pub type Random = std::sync::Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// What a vault says about a stored credential without opening it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name it is stored under.
    pub name: String,
    /// 1 for the first credential of a name, one more for each later one.
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
    /// Stores a further version under `name` and returns its number. When this
    /// returns, the pair survives a power cut.
    fn put(&self, name: &str, credential: &Credential, now_ms: i64) -> Result<u32, Error>;

    /// The newest version that is not a tombstone.
    fn get(&self, name: &str) -> Result<(u32, Credential), Error>;

    /// That version. Fails with [`Error::is_not_found`] for a tombstone too.
    fn get_version(&self, name: &str, version: u32) -> Result<Credential, Error>;

    /// All entries, by name and version.
    fn entries(&self) -> Result<Vec<Entry>, Error>;

    /// Destroys the secret of one version and keeps its metadata.
    fn destroy(&self, name: &str, version: u32) -> Result<(), Error>;
}

/// Writes a probe, reads it back, compares it and destroys it.
pub fn prove(vault: &dyn Vault, random: &Random, now_ms: i64) -> Result<(), Error> {
    let mut secret = vec![0; 64];
    random(&mut secret);
    let probe = Credential::assemble(Kind::OAuth, "probe", secret);
    let probe = probe.ok_or_else(|| Error::new(error::Kind::Unsealable))?;
    let version = vault.put("probe", &probe, now_ms)?;
    let read = vault.get_version("probe", version)?;
    vault.destroy("probe", version)?;
    if read == probe { Ok(()) } else { Err(Error::new(error::Kind::Unsealable)) }
}
