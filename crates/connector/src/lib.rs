//! The engine of the integration: check a pair, sync everything it may see,
//! hand pairs to the vault.
//!
//! Plans are pure (`sync::plan`), runs are thin. No argument parser, no
//! terminal, no web framework: progress and results are values.

mod account;
pub mod budget;
pub mod check;
pub mod consumers;
mod details;
pub mod diagnose;
pub mod duty;
pub mod error;
pub mod export;
mod fence;
pub mod health;
pub mod hours;
pub mod import;
pub mod integration;
pub mod keyfiles;
pub mod managed;
pub mod metrics;
pub mod named;
pub mod rotation;
mod sighted;
mod source;
pub mod sync;
pub mod times;
pub mod watch;

use std::sync::Arc;

use countersign_store::Store;
use countersign_vault::Vault;

pub use error::{Error, Fault};
pub use fence::Fences;
pub use source::{Subject, WATCH};

/// Milliseconds since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Fills a buffer with random bytes.
pub type Random = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// What every operation needs: the store, the vault, time and randomness.
#[derive(Clone)]
pub struct Connector {
    /// The connector's database.
    pub store: Store,
    /// Where secrets live.
    pub vault: Arc<dyn Vault>,
    /// Where rotations hold calls off.
    pub fences: Fences,
    /// The clock.
    pub clock: Clock,
    /// The source of nonces and jitter.
    pub random: Random,
}

impl Connector {
    fn now(&self) -> i64 {
        (self.clock)()
    }

    /// Asks the vault, which may block on a disk or a network.
    pub(crate) async fn with_vault<T, F>(&self, act: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Vault) -> Result<T, countersign_vault::Error> + Send + 'static,
    {
        let vault = Arc::clone(&self.vault);
        let asked = tokio::task::spawn_blocking(move || act(&*vault)).await;
        let stopped = |_| Error::new(Fault::Storage, "the vault was stopped while it was working");
        Ok(asked.map_err(stopped)??)
    }
}
