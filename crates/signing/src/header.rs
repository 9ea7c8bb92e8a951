//! The `Authorization` header: one writer, one reader.
//!
//! The reader takes what real clients send (any item order, spaces after
//! commas, either hex case, 32- and 64-digit nonces, 13- and 16-digit
//! timestamps) and refuses everything else.

use std::fmt;

use data_encoding::HEXLOWER_PERMISSIVE;
use sha2::{Digest, Sha256};

use crate::error::{Error, Kind};
use crate::region::split_prefix;

/// The scheme token.
pub const SCHEME: &str = "VERACODE-HMAC-SHA-256";

/// Longest header value that the reader looks at. The longest honest one (a
/// 137-character id, a 128-digit nonce) stays under half of it.
pub const MAX_HEADER_BYTES: usize = 1024;

const MAX_NONCE_BYTES: usize = 64;

/// A parsed header. Says nothing about whether the signature is right.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization<'a> {
    id: &'a str,
    timestamp: &'a str,
    timestamp_ms: u64,
    nonce: Vec<u8>,
    signature: [u8; 32],
}

impl<'a> Authorization<'a> {
    /// Reads a header value.
    pub fn parse(value: &'a str) -> Result<Self, Error> {
        if value.len() > MAX_HEADER_BYTES {
            return Err(Error(Kind::HeaderTooLong));
        }
        let items = value
            .strip_prefix(SCHEME)
            .filter(|rest| rest.starts_with(' '))
            .ok_or(Error(Kind::Scheme))?;

        let (mut id, mut timestamp, mut nonce, mut signature) = (None, None, None, None);
        for item in items.split(',') {
            let (name, text) =
                item.trim_matches(' ').split_once('=').ok_or(Error(Kind::HeaderUnknownItem))?;
            let (slot, name) = match name {
                "id" => (&mut id, "id"),
                "ts" => (&mut timestamp, "ts"),
                "nonce" => (&mut nonce, "nonce"),
                "sig" => (&mut signature, "sig"),
                _ => return Err(Error(Kind::HeaderUnknownItem)),
            };
            if slot.replace(text).is_some() {
                return Err(Error(Kind::HeaderDuplicate { name }));
            }
        }
        let timestamp = present(timestamp, "ts")?;
        Ok(Self {
            id: read_id(present(id, "id")?)?,
            timestamp,
            timestamp_ms: read_timestamp(timestamp)?,
            nonce: read_nonce(present(nonce, "nonce")?)?,
            signature: read_signature(present(signature, "sig")?)?,
        })
    }

    /// The API ID without regional prefix, in the case it was sent with.
    pub fn id(&self) -> &'a str {
        self.id
    }

    /// Milliseconds since the Unix epoch. Sixteen digits are microseconds, as
    /// widely copied shell scripts send them.
    pub fn timestamp_ms(&self) -> u64 {
        self.timestamp_ms
    }

    /// What a verifier remembers against replay: 128 bits that depend on the
    /// id (without case) and the nonce and on nothing else.
    pub fn replay_tag(&self) -> [u8; 16] {
        let mut digest = Sha256::new();
        digest.update(self.id.to_ascii_lowercase());
        digest.update([0]);
        digest.update(&self.nonce);
        let mut tag = [0; 16];
        tag.copy_from_slice(&digest.finalize()[..16]);
        tag
    }

    /// The timestamp's characters, which are what is signed.
    pub(crate) fn timestamp(&self) -> &'a str {
        self.timestamp
    }

    pub(crate) fn nonce(&self) -> &[u8] {
        &self.nonce
    }

    pub(crate) fn signature(&self) -> &[u8; 32] {
        &self.signature
    }
}

impl fmt::Debug for Authorization<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization")
            .field("id", &self.id)
            .field("timestamp_ms", &self.timestamp_ms)
            .finish_non_exhaustive()
    }
}

/// Writes the items in the order of the official library and changes the case
/// of none.
pub(crate) fn write(id: &str, timestamp: &str, nonce: &str, signature: &str) -> String {
    let mut value = String::with_capacity(
        SCHEME.len() + 21 + id.len() + timestamp.len() + nonce.len() + signature.len(),
    );
    value.push_str(SCHEME);
    for (name, text) in
        [(" id=", id), (",ts=", timestamp), (",nonce=", nonce), (",sig=", signature)]
    {
        value.push_str(name);
        value.push_str(text);
    }
    value
}

fn present<'a>(item: Option<&'a str>, name: &'static str) -> Result<&'a str, Error> {
    item.ok_or(Error(Kind::HeaderMissing { name }))
}

fn read_id(text: &str) -> Result<&str, Error> {
    let malformed = Error(Kind::HeaderItem { name: "id" });
    let proper = split_prefix(text).map_err(|_| malformed.clone())?.proper;
    let is_hex = proper.bytes().all(|b| b.is_ascii_hexdigit());
    if proper.is_empty() || proper.len() > 128 || !is_hex {
        return Err(malformed);
    }
    Ok(proper)
}

fn read_timestamp(text: &str) -> Result<u64, Error> {
    let malformed = Error(Kind::HeaderItem { name: "ts" });
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(malformed);
    }
    let number: u64 = text.parse().map_err(|_| malformed)?;
    Ok(if text.len() == 16 { number / 1000 } else { number })
}

fn read_nonce(text: &str) -> Result<Vec<u8>, Error> {
    let malformed = Error(Kind::HeaderItem { name: "nonce" });
    if text.is_empty() || text.len() > MAX_NONCE_BYTES * 2 {
        return Err(malformed);
    }
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| malformed)
}

fn read_signature(text: &str) -> Result<[u8; 32], Error> {
    let malformed = Error(Kind::HeaderItem { name: "sig" });
    if text.len() != 64 {
        return Err(malformed);
    }
    let mut signature = [0; 32];
    match HEXLOWER_PERMISSIVE.decode_mut(text.as_bytes(), &mut signature) {
        Ok(_) => Ok(signature),
        Err(_) => Err(malformed),
    }
}

pub(crate) fn check_nonce(nonce: &[u8]) -> Result<(), Error> {
    if nonce.is_empty() || nonce.len() > MAX_NONCE_BYTES {
        return Err(Error(Kind::NonceForm));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::write;

    #[derive(serde::Deserialize)]
    struct FormatCase {
        id: String,
        timestamp: String,
        nonce_hex: String,
        signature: String,
        expected: String,
    }

    #[test]
    fn format_vectors() {
        let all: serde_json::Value =
            serde_json::from_str(include_str!("../vectors/hmac-sha-256.json")).unwrap();
        let cases: Vec<FormatCase> =
            serde_json::from_value(all["header_format_vectors"].clone()).unwrap();
        assert_eq!(cases.len(), 2);
        for case in cases {
            let value = write(&case.id, &case.timestamp, &case.nonce_hex, &case.signature);
            assert_eq!(value, case.expected);
        }
    }
}
