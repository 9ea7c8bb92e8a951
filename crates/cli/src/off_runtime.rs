//! A vault that may wait for a network, used from asynchronous code: the runtime hands
//! the thread's other work to another thread while a call waits.

use std::sync::Arc;

use countersign_vault::{Entry, Error, Secret, Vault};
use tokio::task::block_in_place;

use crate::failure::Failure;

pub(crate) struct OffRuntime(Arc<dyn Vault>);

impl OffRuntime {
    pub(crate) fn open<V: Vault + 'static>(
        open: impl FnOnce() -> Result<Arc<V>, Failure>,
    ) -> Result<Arc<dyn Vault>, Failure> {
        Ok(Arc::new(Self(block_in_place(open)?)))
    }
}

impl Vault for OffRuntime {
    fn place(&self) -> String {
        self.0.place()
    }

    fn put(&self, name: &str, credential: &Secret, now_ms: i64) -> Result<u32, Error> {
        block_in_place(|| self.0.put(name, credential, now_ms))
    }

    fn get(&self, name: &str) -> Result<(u32, Secret), Error> {
        block_in_place(|| self.0.get(name))
    }

    fn get_version(&self, name: &str, version: u32) -> Result<Secret, Error> {
        block_in_place(|| self.0.get_version(name, version))
    }

    fn entries(&self) -> Result<Vec<Entry>, Error> {
        block_in_place(|| self.0.entries())
    }

    fn versions(&self, name: &str) -> Result<Vec<Entry>, Error> {
        block_in_place(|| self.0.versions(name))
    }

    fn destroy(&self, name: &str, version: u32) -> Result<(), Error> {
        block_in_place(|| self.0.destroy(name, version))
    }

    fn erase(&self, name: &str, version: u32) -> Result<(), Error> {
        block_in_place(|| self.0.erase(name, version))
    }

    fn reopen(&self) -> Result<Arc<dyn Vault>, Error> {
        Ok(Arc::new(Self(block_in_place(|| self.0.reopen())?)))
    }
}
