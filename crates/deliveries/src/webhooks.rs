//! Signatures of Standard Webhooks 1.0.0, with symmetric keys: HMAC-SHA-256 over id, time and
//! body. `v1a`, which is asymmetric, is not made: the libraries of receivers do not know it.

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

const PREFIX: &str = "whsec_";
const ASYMMETRIC: [&str; 2] = ["whsk_", "whpk_"];
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// A change of keys needs two.
const MOST_KEYS: usize = 4;

/// The keys of one receiver, the newest first.
pub struct Keys(Vec<Zeroizing<Vec<u8>>>);

impl Keys {
    /// Reads keys as the specification writes them, `whsec_` and base64 of 24 to 64 bytes,
    /// with white space between them.
    ///
    /// # Errors
    ///
    /// One sentence that does not repeat what was given.
    pub fn parse(text: &str) -> Result<Self, String> {
        let keys = text.split_whitespace().map(key).collect::<Result<Vec<_>, _>>()?;
        match keys.len() {
            0 => Err(wrong("the secret is empty")),
            1..=MOST_KEYS => Ok(Self(keys)),
            _ => Err(format!("the secret holds more than {MOST_KEYS} keys")),
        }
    }

    /// Reads keys as [`parse`](Self::parse) does, or takes a text that is none as the bytes of
    /// one key: from before keys were written as the specification writes them.
    ///
    /// # Errors
    ///
    /// One sentence that does not repeat what was given.
    pub fn parse_or_raw(text: &str) -> Result<Self, String> {
        let text = text.trim();
        // What is written as a key is meant as one, also one that does not sign like this.
        if text.contains(PREFIX) || ASYMMETRIC.iter().any(|prefix| text.starts_with(prefix)) {
            return Self::parse(text);
        }
        match text.len() >= *KEY_BYTES.start() {
            true => Ok(Self(vec![Zeroizing::new(text.as_bytes().to_vec())])),
            false => Err(wrong("the secret has less than 24 characters")),
        }
    }

    /// The value of `webhook-signature`: one for each key. A receiver accepts the message if
    /// it knows one of them, so that a key can be changed at one end after the other.
    pub fn sign(&self, id: &str, timestamp_s: i64, body: &[u8]) -> String {
        let signatures: Vec<_> =
            self.0.iter().map(|key| signature(key, id, timestamp_s, body)).collect();
        signatures.join(" ")
    }
}

fn key(text: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let encoded =
        text.strip_prefix(PREFIX).ok_or_else(|| wrong("a key does not begin with `whsec_`"))?;
    let bytes = BASE64.decode(encoded.as_bytes()).map(Zeroizing::new);
    let bytes = bytes.map_err(|_| wrong("a key is not base64 after `whsec_`"))?;
    match KEY_BYTES.contains(&bytes.len()) {
        true => Ok(bytes),
        false => Err(wrong("a key does not have 24 to 64 bytes")),
    }
}

fn wrong(why: &str) -> String {
    format!("{why}\nhint: make one with `echo \"whsec_$(openssl rand -base64 32)\"`")
}

fn signature(key: &[u8], id: &str, timestamp_s: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length is one");
    mac.update(format!("{id}.{timestamp_s}.").as_bytes());
    mac.update(body);
    format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()))
}
