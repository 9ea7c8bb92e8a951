//! The file as it is written: records, what stretches the passphrase, and a seal over
//! the whole. With the seal no version can be hidden, renamed or renumbered without the
//! key; who can write the file can still bring back an older one.

use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use countersign_files::{self as files, Readers, Secrecy};
use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::{Error, Kind as Failure};
use crate::seal::{MasterKey, seal, unseal};
use crate::{Entry, Kind, Random, Secret};

const FORMAT: &str = "countersign-vault-2";
/// Without the seal over the whole; read, never written.
const FORMAT_BEFORE: &str = "countersign-vault-1";
const MAX_BYTES: u64 = 16 << 20;
/// Less in our own tests, which stretch hundreds of times.
const STRETCH_KIB: u32 = if cfg!(test) { 1024 } else { 64 * 1024 };

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contents {
    format: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stretch: Option<Stretch>,
    pub(super) records: Vec<Record>,
    /// Base64: nothing, sealed with everything else as associated data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) whole: Option<String>,
}

/// Argon2id parameters, capped when read so that a forged file cannot demand
/// the machine's memory.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stretch {
    salt: String,
    memory_kib: u32,
    passes: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) version: u32,
    /// Absent for a pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    api_id: String,
    created_ms: i64,
    /// Base64; absent on a tombstone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sealed: Option<String>,
}

/// What every version says of the file.
#[derive(Deserialize)]
struct Headed {
    format: String,
}

fn is_newer(format: &str) -> bool {
    let version =
        |format: &str| -> Option<u32> { format.strip_prefix("countersign-vault-")?.parse().ok() };
    version(format).zip(version(FORMAT)).is_some_and(|(its, ours)| its > ours)
}

impl Contents {
    pub(super) fn empty(stretch: Option<Stretch>) -> Self {
        Self { format: FORMAT.into(), stretch, records: Vec::new(), whole: None }
    }

    /// Reads the file; none when it is missing.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, Error> {
        let bytes = match files::read(path, Secrecy::Secret, MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.is_missing() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // First: what a newer version wrote may have members that are not known here.
        let format = serde_json::from_slice::<Headed>(&bytes).ok().map(|head| head.format);
        if format.as_deref().is_some_and(is_newer) {
            let newer = "a newer version of countersign wrote it\nhint: use that version";
            return Err(Error::malformed(path, newer));
        }
        let contents: Self =
            serde_json::from_slice(&bytes).map_err(|error| Error::malformed(path, error))?;
        match (contents.format.as_str(), &contents.whole) {
            (FORMAT, Some(_)) | (FORMAT_BEFORE, None) => Ok(Some(contents)),
            (FORMAT, None) | (FORMAT_BEFORE, Some(_)) => {
                Err(Error::malformed(path, "the seal over the whole does not fit the format"))
            }
            (other, _) => Err(Error::malformed(path, format_args!("unknown format `{other}`"))),
        }
    }

    /// Seals the whole and replaces the file.
    pub(super) fn write(
        &mut self,
        path: &Path,
        key: &MasterKey,
        random: &Random,
    ) -> Result<(), Error> {
        self.format = FORMAT.into();
        let whole = seal(key, &self.associated(), &[], &**random);
        self.whole = Some(BASE64.encode(&whole));
        let mut text =
            serde_json::to_vec_pretty(self).map_err(|error| Error::malformed(path, error))?;
        text.push(b'\n');
        if text.len() as u64 > MAX_BYTES {
            return Err(Error::new(Failure::TooLarge { path: path.display().to_string() }));
        }
        Ok(files::write(path, &text, Readers::Owner, &**random)?)
    }

    /// Whether `key` sealed the whole. A file from before that seal passes.
    pub(super) fn is_sealed_by(&self, key: &MasterKey) -> bool {
        let Some(whole) = &self.whole else { return true };
        BASE64
            .decode(whole.as_bytes())
            .is_ok_and(|whole| unseal(key, &self.associated(), &whole).is_ok())
    }

    /// Whether `key` sealed some record.
    pub(super) fn has_record_of(&self, key: &MasterKey) -> bool {
        self.records
            .iter()
            .filter_map(|record| Some((record, record.sealed.as_deref()?)))
            .any(|(record, sealed)| record.unseal(sealed, key).is_ok())
    }

    fn associated(&self) -> Vec<u8> {
        let everything_else = (&self.format, &self.stretch, &self.records);
        serde_json::to_vec(&everything_else).expect("text and numbers are JSON")
    }

    /// Some record that holds a secret.
    pub(super) fn live(&self) -> Option<(&Record, &str)> {
        let mut records = self.records.iter().rev();
        records.find_map(|record| record.sealed.as_deref().map(|sealed| (record, sealed)))
    }

    pub(super) fn versions<'c>(&'c self, name: &'c str) -> impl Iterator<Item = &'c Record> {
        self.records.iter().filter(move |record| record.name == name)
    }
}

impl Record {
    pub(super) fn new(name: &str, version: u32, credential: &Secret, created_ms: i64) -> Self {
        let kind = credential.kind();
        Self {
            name: name.to_owned(),
            version,
            kind: (kind != Kind::Hmac).then(|| kind.as_str().to_owned()),
            api_id: credential.id().to_owned(),
            created_ms,
            sealed: None,
        }
    }

    pub(super) fn seal(
        &mut self,
        secret: &[u8],
        key: &MasterKey,
        random: &Random,
    ) -> Result<(), Error> {
        let sealed = seal(key, &self.associated()?, secret, &**random);
        self.sealed = Some(BASE64.encode(&sealed));
        Ok(())
    }

    pub(super) fn unseal(&self, sealed: &str, key: &MasterKey) -> Result<Secret, Error> {
        let unsealable = || Error::new(Failure::Unsealable);
        let sealed = BASE64.decode(sealed.as_bytes()).map_err(|_| unsealable())?;
        let secret = unseal(key, &self.associated()?, &sealed)?;
        Secret::assemble(self.kind()?, &self.api_id, secret.to_vec()).ok_or_else(unsealable)
    }

    pub(super) fn entry(self) -> Result<Entry, Error> {
        Ok(Entry {
            kind: self.kind()?,
            is_tombstone: self.sealed.is_none(),
            name: self.name,
            version: self.version,
            api_id: self.api_id,
            created_ms: self.created_ms,
        })
    }

    fn kind(&self) -> Result<Kind, Error> {
        let name = self.kind.as_deref().unwrap_or("hmac");
        Kind::parse(name).ok_or_else(|| Error::new(Failure::Unsealable))
    }

    /// Ties a sealed secret to its name, version, kind and id, so that records cannot
    /// be swapped inside the file.
    fn associated(&self) -> Result<Vec<u8>, Error> {
        let Self { name, version, api_id, .. } = self;
        Ok(match self.kind()? {
            Kind::Hmac => format!("{name}\0{version}\0{api_id}"),
            Kind::OAuth => format!("{name}\0{version}\0oauth\0{api_id}"),
        }
        .into_bytes())
    }
}

impl Stretch {
    pub(super) fn new(random: &Random) -> Self {
        let mut salt = [0; 16];
        random(&mut salt);
        Self { salt: HEXLOWER.encode(&salt), memory_kib: STRETCH_KIB, passes: 3 }
    }

    pub(super) fn key(&self, passphrase: &str) -> Result<MasterKey, Error> {
        let out_of_bounds = || Error::new(Failure::Passphrase);
        if self.memory_kib > 256 * 1024 || self.passes > 16 {
            return Err(out_of_bounds());
        }
        let salt = HEXLOWER.decode(self.salt.as_bytes()).map_err(|_| out_of_bounds())?;
        let params =
            Params::new(self.memory_kib, self.passes, 1, Some(32)).map_err(|_| out_of_bounds())?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.as_bytes(), &salt, &mut *key)
            .map_err(|_| out_of_bounds())?;
        Ok(MasterKey::from_bytes(*key))
    }
}
