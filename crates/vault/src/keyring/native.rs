//! Items of the Keychain of macOS and of the Credential Manager of Windows.

use std::sync::Arc;

use keyring_core::error::Error;
use keyring_core::{CredentialStore, Entry};
use zeroize::Zeroizing;

use super::refusal::Refusal;

pub(super) struct Items(Arc<CredentialStore>);

impl Items {
    #[cfg(target_os = "macos")]
    pub(super) fn open() -> Result<Self, Refusal> {
        Ok(Self(apple_native_keyring_store::keychain::Store::new()?))
    }

    #[cfg(windows)]
    pub(super) fn open() -> Result<Self, Refusal> {
        Ok(Self(windows_native_keyring_store::Store::new()?))
    }

    #[cfg(not(any(target_os = "macos", windows)))]
    pub(super) fn open() -> Result<Self, Refusal> {
        Err(Error::NoDefaultStore.into())
    }

    pub(super) fn read(
        &self,
        service: &str,
        user: &str,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Refusal> {
        match self.entry(service, user)?.get_secret() {
            Ok(secret) => Ok(Some(Zeroizing::new(secret))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces the secret of an item that is there.
    pub(super) fn write(&self, service: &str, user: &str, secret: &[u8]) -> Result<(), Refusal> {
        Ok(self.entry(service, user)?.set_secret(secret)?)
    }

    /// Gone already is as good.
    pub(super) fn delete(&self, service: &str, user: &str) -> Result<(), Refusal> {
        match self.entry(service, user)?.delete_credential() {
            Ok(()) | Err(Error::NoEntry) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn entry(&self, service: &str, user: &str) -> Result<Entry, Refusal> {
        Ok(self.0.build(service, user, None)?)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::NoStorageAccess(_) => Self::Locked(error.to_string()),
            Error::PlatformFailure(_) => Self::Broken(error.to_string()),
            // These hold the bytes of a secret.
            Error::BadEncoding(_) | Error::BadDataFormat(..) => {
                Self::Odd("an item is not in its form".into())
            }
            Error::Ambiguous(items) => Self::ambiguous(items.len()),
            other => Self::Odd(other.to_string()),
        }
    }
}
