//! Answers of browsers about passkeys (WebAuthn, level 3), as far as a second factor
//! needs them: the statement of who made the authenticator is neither asked for nor
//! looked at. Signatures are checked by aws-lc, which is in the program for TLS; nothing
//! here has a private key.

mod cbor;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use cbor::Reader;

/// What we ask for, in the order of what we like best: COSE's numbers.
pub(crate) const ALGORITHMS: [i64; 3] = [Algorithm::EdDsa.number(), ES256, RS256];

const ES256: i64 = -7;
const EDDSA: i64 = -8;
const RS256: i64 = -257;

/// The standard's bound.
const LONGEST_ID: usize = 1023;
