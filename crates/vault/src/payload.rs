//! One secret as places keep it that are not ours: it says itself what it is, so that
//! one found under another name is refused, and a lost list can be made again.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::{Entry, Kind, Random, Secret};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    pub(crate) name: String,
    pub(crate) version: u32,
    kind: String,
    id: String,
    created_ms: i64,
    /// Which write it came from: tells ours from another's after a broken connection.
    pub(crate) write: String,
    /// Hex.
    secret: String,
}

impl Document {
    pub(crate) fn new(name: &str, credential: &Secret, created_ms: i64, random: &Random) -> Self {
        let mut write = [0; 16];
        random(&mut write);
        Self {
            name: name.to_owned(),
            version: 0,
            kind: credential.kind().as_str().to_owned(),
            id: credential.id().to_owned(),
            created_ms,
            write: HEXLOWER.encode(&write),
            secret: HEXLOWER.encode(credential.secret().expose()),
        }
    }

    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    #[cfg(feature = "keyring")]
    pub(crate) fn to_json(&self) -> zeroize::Zeroizing<Vec<u8>> {
        zeroize::Zeroizing::new(serde_json::to_vec(self).expect("text and numbers are JSON"))
    }

    /// The credential, if this is that version of that name.
    pub(crate) fn credential(&self, name: &str, version: u32) -> Option<Secret> {
        if (self.name.as_str(), self.version) != (name, version) {
            return None;
        }
        let secret = HEXLOWER.decode(self.secret.as_bytes()).ok()?;
        Secret::assemble(Kind::parse(&self.kind)?, &self.id, secret)
    }

    pub(crate) fn entry(&self) -> Option<Entry> {
        Some(Entry {
            name: self.name.clone(),
            version: self.version,
            kind: Kind::parse(&self.kind)?,
            api_id: self.id.clone(),
            created_ms: self.created_ms,
            is_tombstone: false,
        })
    }
}

impl Drop for Document {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}
