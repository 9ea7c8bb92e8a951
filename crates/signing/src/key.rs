//! The four-step key chain, and signing and verifying with it.
//!
//! The first step is keyed by the long-lived secret: its inner and outer hash
//! states are computed once per secret and copied per request.

use std::fmt;

use data_encoding::HEXLOWER;
use subtle::{Choice, ConstantTimeEq};

use crate::canonical::Request;
use crate::error::{Error, Kind};
use crate::header::{Authorization, check_nonce, write};
use crate::hmac::{Key, Scratch};
use crate::pair::{ApiId, ApiSecret, Pair};

const VERSION: &[u8] = b"vcode_request_version_1";

/// A Secret Key prepared for signing and verifying.
#[derive(Clone)]
pub struct SigningKey(Key);

impl SigningKey {
    /// Prepares the key: two SHA-256 compressions (more for a secret over 64
    /// bytes) that no later call repeats.
    pub fn new(secret: &ApiSecret) -> Self {
        Self(Key::new(secret.expose()))
    }

    /// Checks the signature against each candidate request, in constant time
    /// for each. A candidate is what the signer may have seen: the same request
    /// under another host name, or with `'` where the target holds `%27`.
    ///
    /// An id with upper-case digits is tried as sent and in lower case, because
    /// the official library signs the latter and sends the former.
    ///
    /// Fails with [`Error::is_mismatch`]. Time window, replay, expiry and
    /// account state are the caller's to check.
    pub fn verify<'r>(
        &self,
        header: &Authorization<'_>,
        candidates: impl IntoIterator<Item = Request<'r>>,
    ) -> Result<(), Error> {
        let mut scratch = Scratch::new();
        let request_key = self.request_key(header.nonce(), header.timestamp(), &mut scratch);
        let lowercase = header.id().to_ascii_lowercase();
        let ids = [header.id(), lowercase.as_str()];
        let ids = if header.id() == lowercase { &ids[..1] } else { &ids[..] };

        let mut matched = Choice::from(0);
        for request in candidates {
            for id in ids {
                request_key.mac(request.canonical_string(id).as_bytes(), &mut scratch);
                matched |= scratch.digest().ct_eq(header.signature());
            }
        }
        if bool::from(matched) { Ok(()) } else { Err(Error(Kind::Mismatch)) }
    }

    /// Steps one to three: the key that signs requests of this nonce and time.
    fn request_key(&self, nonce: &[u8], timestamp: &str, scratch: &mut Scratch) -> Key {
        self.0.mac(nonce, scratch);
        for message in [timestamp.as_bytes(), VERSION] {
            Key::of_digest(scratch).mac(message, scratch);
        }
        Key::of_digest(scratch)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(redacted)")
    }
}

/// A pair prepared for signing.
#[derive(Debug, Clone)]
pub struct Signer {
    id: ApiId,
    signed_id: String,
    key: SigningKey,
}

impl Signer {
    /// Prepares the pair.
    pub fn new(pair: &Pair) -> Self {
        Self {
            id: pair.id.clone(),
            signed_id: pair.id.lowercase(),
            key: SigningKey::new(&pair.secret),
        }
    }

    /// The API ID that the header will carry.
    pub fn id(&self) -> &ApiId {
        &self.id
    }

    /// The value of the `Authorization` header. `nonce` is 1 to 64 fresh random
    /// bytes (the official library takes 16), never used twice; `timestamp_ms`
    /// is milliseconds since the Unix epoch.
    pub fn authorize(
        &self,
        request: &Request<'_>,
        timestamp_ms: u64,
        nonce: &[u8],
    ) -> Result<String, Error> {
        check_nonce(nonce)?;
        let timestamp = timestamp_ms.to_string();
        let mut scratch = Scratch::new();
        let request_key = self.key.request_key(nonce, &timestamp, &mut scratch);
        request_key.mac(request.canonical_string(&self.signed_id).as_bytes(), &mut scratch);

        let mut hex = [0; 192];
        let (nonce_hex, rest) = hex.split_at_mut(nonce.len() * 2);
        let signature_hex = &mut rest[..64];
        let nonce_hex = HEXLOWER.encode_mut_str(nonce, nonce_hex);
        let signature_hex = HEXLOWER.encode_mut_str(scratch.digest(), signature_hex);
        Ok(write(self.id.as_str(), &timestamp, nonce_hex, signature_hex))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every intermediate of every vector, so that a failure names its stage.
    #[test]
    fn chain_vectors() {
        let all: serde_json::Value =
            serde_json::from_str(include_str!("../vectors/hmac-sha-256.json")).unwrap();
        let cases = all["signature_vectors"].as_array().unwrap();
        assert_eq!(cases.len(), 17);
        for case in cases {
            let text = |name: &str| case[name].as_str().unwrap();
            let decode =
                |text: &str| data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).unwrap();
            let key = SigningKey::new(&ApiSecret::parse(text("secret_hex")).unwrap());

            let mut scratch = Scratch::new();
            key.0.mac(&decode(text("nonce_hex")), &mut scratch);
            assert_eq!(HEXLOWER.encode(scratch.digest()), text("k_nonce"), "{}", text("name"));
            Key::of_digest(&mut scratch).mac(text("timestamp").as_bytes(), &mut scratch);
            assert_eq!(HEXLOWER.encode(scratch.digest()), text("k_date"), "{}", text("name"));
            Key::of_digest(&mut scratch).mac(VERSION, &mut scratch);
            assert_eq!(HEXLOWER.encode(scratch.digest()), text("k_version"), "{}", text("name"));
        }
    }
}
