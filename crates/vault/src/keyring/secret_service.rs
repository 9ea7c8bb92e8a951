//! Items of the Secret Service, which is spoken over D-Bus.

use std::collections::HashMap;

use secret_service::blocking::{Item, SecretService};
use secret_service::{EncryptionType, Error};
use zeroize::Zeroizing;

use super::refusal::Refusal;

const CONTENT_TYPE: &str = "application/octet-stream";

/// The default collection. Only its drop takes the service away.
pub(super) struct Items(Option<SecretService<'static>>);

impl Items {
    pub(super) fn open() -> Result<Self, Refusal> {
        Ok(Self(Some(SecretService::connect(EncryptionType::Dh)?)))
    }

    pub(super) fn read(
        &self,
        service: &str,
        user: &str,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Refusal> {
        let item = self.find(service, user)?;
        Ok(item.map(|item| item.get_secret()).transpose()?.map(Zeroizing::new))
    }

    /// Replaces the secret of an item that is there.
    pub(super) fn write(&self, service: &str, user: &str, secret: &[u8]) -> Result<(), Refusal> {
        let collection = self.service().get_default_collection()?;
        if collection.is_locked()? {
            collection.unlock()?;
        }
        let label = format!("keyring:{user}@{service}");
        collection.create_item(&label, attributes(service, user), secret, true, CONTENT_TYPE)?;
        Ok(())
    }

    /// Gone already is as good.
    pub(super) fn delete(&self, service: &str, user: &str) -> Result<(), Refusal> {
        Ok(self.find(service, user)?.map_or(Ok(()), |item| item.delete())?)
    }

    /// The item, unlocked.
    fn find(&self, service: &str, user: &str) -> Result<Option<Item<'_>>, Refusal> {
        let found = self.service().search_items(attributes(service, user))?;
        if !found.locked.is_empty() {
            self.service().unlock_all(&found.locked.iter().collect::<Vec<_>>())?;
        }
        let mut items = found.unlocked;
        items.extend(found.locked);
        match items.len() {
            0 | 1 => Ok(items.pop()),
            many => Err(Refusal::ambiguous(many)),
        }
    }

    fn service(&self) -> &SecretService<'static> {
        self.0.as_ref().expect("taken by the drop alone")
    }
}

/// A D-Bus proxy waits for its runtime when it is dropped, which no thread of another
/// runtime may.
impl Drop for Items {
    fn drop(&mut self) {
        let service = self.0.take();
        let _ = std::thread::spawn(move || drop(service)).join();
    }
}

fn attributes<'a>(service: &'a str, user: &'a str) -> HashMap<&'static str, &'a str> {
    HashMap::from([("service", service), ("username", user)])
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let cause = error.to_string();
        match error {
            Error::Locked | Error::NoResult | Error::Prompt => Self::Locked(cause),
            _ => Self::Broken(cause),
        }
    }
}
