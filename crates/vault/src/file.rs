//! One JSON file with sealed records. Replaced as a whole: written beside,
//! fsynced, renamed, folder fsynced. A reader sees the old file or the new one.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::{Error, Kind as Failure};
use crate::seal::{MasterKey, seal, sync_folder_of, unseal};
use crate::{Credential, Entry, Kind, Random, Vault};

const FORMAT: &str = "countersign-vault-1";
const MAX_BYTES: u64 = 16 << 20;

/// Where the master key of a [`SealedFile`] comes from.
pub enum KeySource {
    /// A file with mode 0600, created when missing.
    KeyFile(PathBuf),
    /// A passphrase, stretched with Argon2id.
    Passphrase(Zeroizing<String>),
}

/// A vault in one file.
pub struct SealedFile {
    path: PathBuf,
    key: MasterKey,
    stretch: Option<Stretch>,
    random: Random,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    format: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stretch: Option<Stretch>,
    records: Vec<Record>,
}

/// Argon2id parameters, capped when read so that a forged file cannot demand
/// the machine's memory.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stretch {
    salt: String,
    memory_kib: u32,
    passes: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    name: String,
    version: u32,
    /// Absent for a pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    api_id: String,
    created_ms: i64,
    /// Base64; absent on a tombstone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed: Option<String>,
}

impl SealedFile {
    /// Opens the vault at `path`; a missing file is an empty vault and is
    /// created by the first `put`.
    pub fn open(path: &Path, source: KeySource, random: Random) -> Result<Arc<Self>, Error> {
        let contents = read(path)?;
        let (key, stretch) = match source {
            KeySource::KeyFile(key_path) => {
                let live = contents.as_ref().filter(|contents| contents.live().is_some());
                if live.is_some_and(|contents| contents.stretch.is_none()) && !key_path.exists() {
                    let path = key_path.display().to_string();
                    return Err(Error::new(Failure::KeyMissing { path }));
                }
                if let Some(contents) = &contents {
                    check_seal(path, contents, None)?;
                }
                (MasterKey::load_or_create(&key_path, &*random)?, None)
            }
            KeySource::Passphrase(passphrase) => {
                let stretch = contents.as_ref().and_then(|contents| contents.stretch.clone());
                let stretch = stretch.unwrap_or_else(|| Stretch::new(&*random));
                (stretch.key(&passphrase)?, Some(stretch))
            }
        };
        if let Some(contents) = &contents {
            check_seal(path, contents, stretch.as_ref())?;
        }
        Ok(Arc::new(Self { path: path.to_owned(), key, stretch, random }))
    }

    fn open_record(&self, record: &Record, sealed: &str) -> Result<Credential, Error> {
        let unsealable = || Error::new(Failure::Unsealable);
        let sealed = BASE64.decode(sealed.as_bytes()).map_err(|_| unsealable())?;
        let kind = record.kind()?;
        let associated = associated(&record.name, record.version, kind, &record.api_id);
        let secret = unseal(&self.key, &associated, &sealed)?;
        Credential::assemble(kind, &record.api_id, secret.to_vec()).ok_or_else(unsealable)
    }

    fn contents(&self) -> Result<Contents, Error> {
        Ok(read(&self.path)?.unwrap_or_else(|| Contents {
            format: FORMAT.into(),
            stretch: self.stretch.clone(),
            records: Vec::new(),
        }))
    }

    /// Reads, changes and replaces the file under an exclusive lock.
    fn change<T>(&self, act: impl FnOnce(&mut Contents) -> Result<T, Error>) -> Result<T, Error> {
        let lock = self.lock()?;
        let mut contents = self.contents()?;
        let outcome = act(&mut contents)?;
        replace(&self.path, &contents)?;
        drop(lock);
        Ok(outcome)
    }

    fn lock(&self) -> Result<File, Error> {
        let path = self.path.with_extension("lock");
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(Error::io("open lock file", &path))?;
        // Writers hold the lock for milliseconds; a blocking wait is bounded by that.
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                file.lock().map_err(|_| {
                    Error::new(Failure::Busy { path: self.path.display().to_string() })
                })?;
                Ok(file)
            }
            Err(TryLockError::Error(error)) => Err(Error::io("lock", &path)(error)),
        }
    }
}

impl Vault for SealedFile {
    fn put(&self, name: &str, credential: &Credential, now_ms: i64) -> Result<u32, Error> {
        check_name(name)?;
        self.change(|contents| {
            // What is put in must come out with the same key as everything else,
            // or a new pair would be lost at once.
            check_seal(&self.path, contents, self.stretch.as_ref())?;
            if let Some((record, sealed)) = contents.live() {
                self.open_record(record, sealed)?;
            }
            contents.stretch.clone_from(&self.stretch);
            let version =
                contents.versions(name).map(|record| record.version).max().unwrap_or(0) + 1;
            let (kind, api_id) = (credential.kind(), credential.id().to_owned());
            let associated = associated(name, version, kind, &api_id);
            let secret = credential.secret().expose();
            let sealed = seal(&self.key, &associated, secret, &*self.random);
            contents.records.push(Record {
                name: name.to_owned(),
                version,
                kind: (kind != Kind::Hmac).then(|| kind.as_str().to_owned()),
                api_id,
                created_ms: now_ms,
                sealed: Some(BASE64.encode(&sealed)),
            });
            Ok(version)
        })
    }

    fn get(&self, name: &str) -> Result<(u32, Credential), Error> {
        let contents = self.contents()?;
        let not_found = || Error::new(Failure::NotFound { name: name.to_owned() });
        let (record, sealed) = contents
            .versions(name)
            .filter_map(|record| record.sealed.as_deref().map(|sealed| (record, sealed)))
            .max_by_key(|(record, _)| record.version)
            .ok_or_else(not_found)?;
        Ok((record.version, self.open_record(record, sealed)?))
    }

    fn get_version(&self, name: &str, version: u32) -> Result<Credential, Error> {
        let contents = self.contents()?;
        let record = contents.versions(name).find(|record| record.version == version);
        let live = record.and_then(|record| Some((record, record.sealed.as_deref()?)));
        match live {
            Some((record, sealed)) => self.open_record(record, sealed),
            None => Err(Error::new(Failure::NotFound { name: format!("{name}@{version}") })),
        }
    }

    fn entries(&self) -> Result<Vec<Entry>, Error> {
        let records = self.contents()?.records.into_iter();
        let mut entries = records
            .map(|record| {
                Ok(Entry {
                    kind: record.kind()?,
                    is_tombstone: record.sealed.is_none(),
                    name: record.name,
                    version: record.version,
                    api_id: record.api_id,
                    created_ms: record.created_ms,
                })
            })
            .collect::<Result<Vec<_>, Error>>()?;
        entries.sort_by(|a, b| (&a.name, a.version).cmp(&(&b.name, b.version)));
        Ok(entries)
    }

    fn destroy(&self, name: &str, version: u32) -> Result<(), Error> {
        self.change(|contents| {
            let record = contents
                .records
                .iter_mut()
                .find(|record| record.name == name && record.version == version)
                .ok_or_else(|| {
                    Error::new(Failure::NotFound { name: format!("{name}@{version}") })
                })?;
            record.sealed = None;
            Ok(())
        })
    }
}

impl std::fmt::Debug for SealedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Whoever opened the vault before its first secret may hold another salt than
/// the one that was written since.
fn check_seal(path: &Path, contents: &Contents, stretch: Option<&Stretch>) -> Result<(), Error> {
    if contents.stretch.as_ref() == stretch || contents.live().is_none() {
        return Ok(());
    }
    let by = match (&contents.stretch, stretch) {
        (None, _) => "a key file",
        (Some(_), None) => "a passphrase",
        (Some(_), Some(_)) => "a passphrase that another process has just set",
    };
    Err(Error::new(Failure::SealedOtherwise { path: path.display().to_string(), by }))
}

impl Record {
    fn kind(&self) -> Result<Kind, Error> {
        let name = self.kind.as_deref().unwrap_or("hmac");
        Kind::parse(name).ok_or_else(|| Error::new(Failure::Unsealable))
    }
}

impl Contents {
    /// Some record that holds a secret.
    fn live(&self) -> Option<(&Record, &str)> {
        let mut records = self.records.iter().rev();
        records.find_map(|record| record.sealed.as_deref().map(|sealed| (record, sealed)))
    }

    fn versions<'c>(&'c self, name: &'c str) -> impl Iterator<Item = &'c Record> {
        self.records.iter().filter(move |record| record.name == name)
    }
}

impl Stretch {
    fn new(random: &dyn Fn(&mut [u8])) -> Self {
        let mut salt = [0; 16];
        random(&mut salt);
        Self { salt: HEXLOWER.encode(&salt), memory_kib: 64 * 1024, passes: 3 }
    }

    fn key(&self, passphrase: &str) -> Result<MasterKey, Error> {
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

/// Ties a sealed secret to its name, version, kind and id, so that records cannot
/// be swapped inside the file.
fn associated(name: &str, version: u32, kind: Kind, id: &str) -> Vec<u8> {
    match kind {
        Kind::Hmac => format!("{name}\0{version}\0{id}"),
        Kind::OAuth => format!("{name}\0{version}\0oauth\0{id}"),
    }
    .into_bytes()
}

fn check_name(name: &str) -> Result<(), Error> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if name.is_empty() || name.len() > 128 || !name.chars().all(is_plain) {
        return Err(Error::new(Failure::Name { name: name.chars().take(40).collect() }));
    }
    Ok(())
}

fn read(path: &Path) -> Result<Option<Contents>, Error> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("open vault", path)(error)),
    };
    let mut text = Zeroizing::new(String::new());
    let length = file
        .take(MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(Error::io("read vault", path))?;
    if length as u64 > MAX_BYTES {
        return Err(Error::new(Failure::TooLarge { path: path.display().to_string() }));
    }
    let contents: Contents =
        serde_json::from_str(&text).map_err(|error| Error::malformed(path, error))?;
    if contents.format != FORMAT {
        return Err(Error::malformed(path, format_args!("unknown format `{}`", contents.format)));
    }
    Ok(Some(contents))
}

fn replace(path: &Path, contents: &Contents) -> Result<(), Error> {
    let text =
        serde_json::to_string_pretty(contents).map_err(|error| Error::malformed(path, error))?;
    let beside = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside).map_err(Error::io("create", &beside))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.write_all(b"\n"))
        .and_then(|()| file.sync_all())
        .map_err(Error::io("write", &beside))?;
    std::fs::rename(&beside, path).map_err(Error::io("replace vault", path))?;
    sync_folder_of(path)
}
