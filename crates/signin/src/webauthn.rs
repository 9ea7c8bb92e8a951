//! Answers of browsers about passkeys (WebAuthn level 3), as far as a second factor
//! needs them. Who made the authenticator is neither asked for nor looked at. Signatures
//! are checked by ring, which is in the program for TLS: there is a public key here,
//! and never a private one.

mod cbor;

use data_encoding::BASE64URL_NOPAD;
use ring::agreement::{self, ECDH_P256, EphemeralPrivateKey};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use cbor::Reader;

/// The standard's bound.
const LONGEST_ID: usize = 1023;
/// The largest that the check of RSA signatures takes, in bytes.
const LARGEST_MODULUS: usize = 1024;

/// Where passkeys are for.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    /// A name without port: browsers keep passkeys to it.
    pub(crate) domain: String,
    /// `https://name:port`.
    pub(crate) origin: String,
    pub(crate) title: String,
}

/// Who a passkey is set up for.
pub(crate) struct User<'a> {
    pub(crate) handle: &'a [u8],
    pub(crate) name: &'a str,
}

/// What is kept of a passkey, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Passkey {
    #[serde(flatten)]
    key: Key,
    /// How often it signed, where it counts.
    count: u32,
    /// Whether it may be on several devices; that never changes.
    is_shareable: bool,
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "algorithm", rename_all = "lowercase")]
enum Key {
    /// A point of P-256, uncompressed.
    Es256 { point: String },
    /// A point of Ed25519.
    EdDsa { point: String },
    /// Windows has no other in older TPMs.
    Rs256 { modulus: String, exponent: String },
}

const ES256: i64 = -7;
const EDDSA: i64 = -8;
const RS256: i64 = -257;

/// What a browser is asked for, so that a person sets up a passkey.
pub(crate) fn creation(
    site: &Site,
    user: &User<'_>,
    challenge: &[u8],
    held: &[Vec<u8>],
    patience_ms: i64,
) -> Value {
    let algorithms =
        [ES256, EDDSA, RS256].map(|number| json!({ "type": "public-key", "alg": number }));
    json!({
        "rp": { "id": site.domain, "name": site.title },
        "user": {
            "id": encode(user.handle), "name": user.name, "displayName": user.name,
        },
        "challenge": encode(challenge),
        "pubKeyCredParams": algorithms,
        "timeout": patience_ms,
        "excludeCredentials": descriptors(held),
        "authenticatorSelection": {
            "residentKey": "discouraged",
            "requireResidentKey": false,
            "userVerification": "required",
        },
        "attestation": "none",
    })
}

/// What a browser is asked for as a proof.
pub(crate) fn request(site: &Site, challenge: &[u8], held: &[Vec<u8>], patience_ms: i64) -> Value {
    json!({
        "rpId": site.domain,
        "challenge": encode(challenge),
        "timeout": patience_ms,
        "allowCredentials": descriptors(held),
        "userVerification": "required",
    })
}

fn descriptors(ids: &[Vec<u8>]) -> Vec<Value> {
    ids.iter().map(|id| json!({ "type": "public-key", "id": encode(id) })).collect()
}

/// What a browser answers, as `toJSON` writes it. What else is in it does not matter.
#[derive(Deserialize)]
struct Answer<R> {
    #[serde(rename = "rawId")]
    id: String,
    #[serde(rename = "type")]
    kind: String,
    response: R,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    attestation_object: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Signed {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    authenticator_data: String,
    signature: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
}

/// Id and passkey, if the answer is right.
pub(crate) fn created(site: &Site, challenge: &[u8], answer: &str) -> Option<(Vec<u8>, Passkey)> {
    let answer: Answer<Created> = serde_json::from_str(answer).ok()?;
    let client_data = decode(&answer.response.client_data)?;
    is_asked(site, challenge, "webauthn.create", &client_data)?;
    let attestation = decode(&answer.response.attestation_object)?;
    let data = AuthenticatorData::parse(site, authenticator_data(&attestation)?)?;
    let (id, key) = data.created?;
    let is_it = answer.kind == "public-key" && decode(&answer.id)? == id;
    let passkey = Passkey { key, count: data.count, is_shareable: data.is_shareable };
    is_it.then(|| (id.to_vec(), passkey))
}

/// The id that an answer is by; nothing of it is proven.
pub(crate) fn claimed(answer: &str) -> Option<Vec<u8>> {
    let answer: Answer<serde::de::IgnoredAny> = serde_json::from_str(answer).ok()?;
    decode(&answer.id)
}

/// The passkey as it is after the proof, if the answer proves it.
pub(crate) fn proven(
    site: &Site,
    challenge: &[u8],
    passkey: &Passkey,
    answer: &str,
) -> Option<Passkey> {
    let answer: Answer<Signed> = serde_json::from_str(answer).ok()?;
    let client_data = decode(&answer.response.client_data)?;
    is_asked(site, challenge, "webauthn.get", &client_data)?;
    let bytes = decode(&answer.response.authenticator_data)?;
    let data = AuthenticatorData::parse(site, &bytes)?;
    // A count that does not grow is a copy's; those that do not count say 0 always.
    let counts = data.count > passkey.count || data.count == 0 && passkey.count == 0;
    let is_it = answer.kind == "public-key"
        && data.created.is_none()
        && data.is_shareable == passkey.is_shareable
        && counts;
    let signed = [&*bytes, &Sha256::digest(&client_data)].concat();
    let signature = decode(&answer.response.signature)?;
    (is_it && passkey.key.has_signed(&signed, &signature))
        .then(|| Passkey { count: data.count, ..passkey.clone() })
}

/// Whether what the browser says it was asked is what we asked, from our own pages.
fn is_asked(site: &Site, challenge: &[u8], kind: &str, client_data: &[u8]) -> Option<()> {
    let said: ClientData = serde_json::from_slice(client_data).ok()?;
    let is_ours = said.kind == kind
        && decode(&said.challenge)? == challenge
        && said.origin == site.origin
        && !said.cross_origin;
    is_ours.then_some(())
}

/// The `authData` of an attestation.
fn authenticator_data(attestation: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(attestation);
    let mut data = None;
    for _ in 0..reader.map()? {
        match reader.text()? {
            "authData" if data.is_none() => data = Some(reader.bytes()?),
            "authData" => return None,
            _ => reader.skip()?,
        }
    }
    data.filter(|_| reader.rest().is_empty())
}

struct AuthenticatorData<'a> {
    count: u32,
    is_shareable: bool,
    /// With a new passkey: its id and key.
    created: Option<(&'a [u8], Key)>,
}

const PRESENT: u8 = 1;
const VERIFIED: u8 = 1 << 2;
const SHAREABLE: u8 = 1 << 3;
const SHARED: u8 = 1 << 4;
const CREATED: u8 = 1 << 6;
const EXTENDED: u8 = 1 << 7;

impl<'a> AuthenticatorData<'a> {
    /// Only for this site, with somebody there who was verified, and nothing left over.
    fn parse(site: &Site, bytes: &'a [u8]) -> Option<Self> {
        let (hash, rest) = bytes.split_first_chunk::<32>()?;
        let (flags, rest) = rest.split_first()?;
        let (count, mut rest) = rest.split_first_chunk::<4>()?;
        let has = |flag: u8| flags & flag != 0;
        let is_there = has(PRESENT) && has(VERIFIED) && (has(SHAREABLE) || !has(SHARED));
        if *hash != *Sha256::digest(&site.domain) || !is_there {
            return None;
        }
        let mut created = None;
        if has(CREATED) {
            // Which make it is comes first.
            let (_, after) = rest.split_first_chunk::<16>()?;
            let (length, after) = after.split_first_chunk::<2>()?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (id, after) = after.split_at_checked(length)?;
            if id.is_empty() || length > LONGEST_ID {
                return None;
            }
            let mut reader = Reader::new(after);
            created = Some((id, Key::parse(&mut reader)?));
            rest = reader.rest();
        }
        if has(EXTENDED) {
            let mut reader = Reader::new(rest);
            reader.skip()?;
            rest = reader.rest();
        }
        rest.is_empty().then(|| Self {
            count: u32::from_be_bytes(*count),
            is_shareable: has(SHAREABLE),
            created,
        })
    }
}

impl Key {
    /// A COSE key of one of the kinds that we ask for.
    fn parse(reader: &mut Reader<'_>) -> Option<Self> {
        let (mut kind, mut algorithm, mut curve) = (None, None, None);
        let mut parts: [Option<&[u8]>; 3] = [None; 3];
        for _ in 0..reader.map()? {
            match (reader.integer()?, kind) {
                (1, _) => kind = Some(reader.integer()?),
                (3, _) => algorithm = Some(reader.integer()?),
                // RSA has its modulus where others name their curve.
                (-1, Some(3)) => parts[0] = Some(reader.bytes()?),
                (-1, Some(_)) => curve = Some(reader.integer()?),
                (-2, _) => parts[1] = Some(reader.bytes()?),
                (-3, _) => parts[2] = Some(reader.bytes()?),
                _ => reader.skip()?,
            }
        }
        match (kind?, algorithm?, curve, parts) {
            (2, ES256, Some(1), [None, Some(x), Some(y)]) if x.len() == 32 && y.len() == 32 => {
                let point = [&[4], x, y].concat();
                is_on_curve(&point).then(|| Self::Es256 { point: encode(&point) })
            }
            (1, EDDSA, Some(6), [None, Some(x), None]) if x.len() == 32 => {
                Some(Self::EdDsa { point: encode(x) })
            }
            (3, RS256, None, [Some(modulus), Some(exponent), None])
                if modulus.len() <= LARGEST_MODULUS && exponent.len() <= 8 =>
            {
                let is_strong = modulus.len() >= 256 && modulus.first().is_some_and(|b| *b > 0);
                let is_odd = exponent.first().is_some_and(|b| *b > 0)
                    && exponent.last().is_some_and(|b| b % 2 == 1);
                (is_strong && is_odd && exponent != [1])
                    .then(|| Self::Rs256 { modulus: encode(modulus), exponent: encode(exponent) })
            }
            _ => None,
        }
    }

    fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let by = |algorithm: &'static dyn VerificationAlgorithm, point: &str| {
            let key = decode(point).map(|point| UnparsedPublicKey::new(algorithm, point));
            key.is_some_and(|key| key.verify(message, signature).is_ok())
        };
        match self {
            Self::Es256 { point } => by(&ECDSA_P256_SHA256_ASN1, point),
            Self::EdDsa { point } => by(&ED25519, point),
            Self::Rs256 { modulus, exponent } => {
                let Some((n, e)) = decode(modulus).zip(decode(exponent)) else { return false };
                let key = RsaPublicKeyComponents { n, e };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "what was drawn is thrown away unread")]
/// ring looks at a key when it is used. Nothing is signed with a new passkey yet, but an
/// agreement with it fails on a point that is none; its outcome goes away unread.
fn is_on_curve(point: &[u8]) -> bool {
    let Ok(any) = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()) else {
        return false;
    };
    let point = agreement::UnparsedPublicKey::new(&ECDH_P256, point);
    agreement::agree_ephemeral(any, &point, |_| ()).is_ok()
}

fn encode(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64URL_NOPAD.decode(text.as_bytes()).ok()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "keys of made-up devices")]
mod tests;
