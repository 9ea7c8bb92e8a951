//! The four-step key chain, and signing and verifying with it.
//!
//! The first step is keyed by the long-lived secret: its inner and outer hash
//! states are computed once per secret and copied per request.

use std::fmt;

use data_encoding::HEXLOWER;
use hmac::digest::FixedOutput;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::canonical::Request;
use crate::error::{Error, Kind};
use crate::header::{Authorization, check_nonce, write};
use crate::pair::{ApiId, ApiSecret, Pair};

const VERSION: &[u8] = b"vcode_request_version_1";

/// The two hash states that follow a key's inner and outer block; wiped on drop.
type Key = Hmac<Sha256>;
type Code = Zeroizing<[u8; 32]>;

/// Does not compile without the feature of `sha2` that wipes the states and blocks of both.
const _: fn() = || {
    fn is_wiped<T: ZeroizeOnDrop>() {}
    is_wiped::<Sha256>();
};

/// A Secret Key prepared for signing and verifying.
#[derive(Clone)]
pub struct SigningKey(Key);

impl SigningKey {
    /// Prepares the key: two SHA-256 compressions (more for a secret over 64
    /// bytes) that no later call repeats.
    pub fn new(secret: &ApiSecret) -> Self {
        Self(keyed(secret.expose()))
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
        let request_key = self.request_key(header.nonce(), header.timestamp());
        let lowercase = header.id().to_ascii_lowercase();
        let ids = [header.id(), lowercase.as_str()];
        let ids = if header.id() == lowercase { &ids[..1] } else { &ids[..] };

        let mut matched = Choice::from(0);
        for request in candidates {
            for id in ids {
                let canonical = request.canonical_string(id);
                let signature = mac(request_key.clone(), canonical.as_bytes());
                matched |= signature.ct_eq(header.signature());
            }
        }
        if bool::from(matched) { Ok(()) } else { Err(Error(Kind::Mismatch)) }
    }

    /// Steps one to three: the key that signs requests of this nonce and time.
    fn request_key(&self, nonce: &[u8], timestamp: &str) -> Key {
        let mut code = mac(self.0.clone(), nonce);
        for message in [timestamp.as_bytes(), VERSION] {
            code = mac(keyed(&*code), message);
        }
        keyed(&*code)
    }
}

fn keyed(key: &[u8]) -> Key {
    Key::new_from_slice(key).expect("a key of any length")
}

fn mac(mut key: Key, message: &[u8]) -> Code {
    let mut code = Code::default();
    key.update(message);
    key.finalize_into((&mut *code).into());
    code
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
        let request_key = self.key.request_key(nonce, &timestamp);
        let canonical = request.canonical_string(&self.signed_id);
        let signature = mac(request_key, canonical.as_bytes());

        let mut hex = [0; 192];
        let (nonce_hex, rest) = hex.split_at_mut(nonce.len() * 2);
        let signature_hex = &mut rest[..64];
        let nonce_hex = HEXLOWER.encode_mut_str(nonce, nonce_hex);
        let signature_hex = HEXLOWER.encode_mut_str(&*signature, signature_hex);
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

            let mut code = mac(key.0.clone(), &decode(text("nonce_hex")));
            assert_eq!(HEXLOWER.encode(&*code), text("k_nonce"), "{}", text("name"));
            code = mac(keyed(&*code), text("timestamp").as_bytes());
            assert_eq!(HEXLOWER.encode(&*code), text("k_date"), "{}", text("name"));
            code = mac(keyed(&*code), VERSION);
            assert_eq!(HEXLOWER.encode(&*code), text("k_version"), "{}", text("name"));
        }
    }
}
