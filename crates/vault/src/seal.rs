//! Sealing: XChaCha20-Poly1305, a fresh 24-byte nonce per record, a version
//! byte in front, and associated data that ties the record to its place.

use std::path::Path;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use countersign_files::{self as files, Created, Secrecy};
use data_encoding::HEXLOWER;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::error::{Error, Kind};

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;
const MAX_KEY_BYTES: u64 = 1024;

/// The key that seals records. Wiped on drop, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct MasterKey([u8; 32]);

impl MasterKey {
    /// Takes key bytes as they are.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads a key file; a missing one is created with mode 0600, and on disk
    /// when this returns. A file that others may read is refused.
    pub fn load_or_create(path: &Path, random: &dyn Fn(&mut [u8])) -> Result<Self, Error> {
        match Self::load(path) {
            Err(error) if error.is_missing() => match Self::create(path, random)? {
                Some(key) => Ok(key),
                // Another process was faster.
                None => Self::load(path),
            },
            loaded => loaded,
        }
    }

    fn create(path: &Path, random: &dyn Fn(&mut [u8])) -> Result<Option<Self>, Error> {
        let mut key = Self([0; 32]);
        random(&mut key.0);
        let text = Zeroizing::new(format!("{}\n", HEXLOWER.encode(&key.0)));
        let created = files::create(path, text.as_bytes(), random)?;
        Ok((created == Created::New).then_some(key))
    }

    pub(crate) fn load(path: &Path) -> Result<Self, Error> {
        let text = files::read(path, Secrecy::Key, MAX_KEY_BYTES)?;
        let mut key = Self([0; 32]);
        let digits = text.trim_ascii();
        if digits.len() != 64 || HEXLOWER.decode_mut(digits, &mut key.0).is_err() {
            return Err(Error::malformed(path, "expected 64 lower-case hex digits"));
        }
        Ok(key)
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.0.into())
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(redacted)")
    }
}

/// Seals `plain`; only the same key and associated data open it.
pub fn seal(
    key: &MasterKey,
    associated: &[u8],
    plain: &[u8],
    random: &dyn Fn(&mut [u8]),
) -> Vec<u8> {
    let mut nonce = [0; NONCE_BYTES];
    random(&mut nonce);
    let sealed = key
        .cipher()
        .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: associated })
        .expect("a secret is far below the cipher's limit of 256 GiB");
    let mut record = Vec::with_capacity(1 + NONCE_BYTES + sealed.len());
    record.push(VERSION);
    record.extend_from_slice(&nonce);
    record.extend_from_slice(&sealed);
    record
}

/// Opens what [`seal`] made. Fails with [`Error::is_unsealable`].
pub fn unseal(
    key: &MasterKey,
    associated: &[u8],
    record: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let unsealable = || Error::new(Kind::Unsealable);
    let (version, rest) = record.split_first().ok_or_else(unsealable)?;
    if *version != VERSION {
        return Err(unsealable());
    }
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>().ok_or_else(unsealable)?;
    key.cipher()
        .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: associated })
        .map(Zeroizing::new)
        .map_err(|_| unsealable())
}
