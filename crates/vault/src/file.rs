//! One JSON file with sealed records, replaced as a whole under a lock.

mod contents;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::error::{Error, Kind as Failure, OtherSeal};
use crate::seal::MasterKey;
use crate::{Entry, PROBE, Random, Secret, Vault, check_name, check_probe, lock};
use contents::{Contents, Record, Stretch};

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
    by: SealedBy,
    /// The seal over the whole that this handle found: one that changed since, and that
    /// our key did not make, is another process's.
    found: Option<String>,
    random: Random,
}

#[derive(Clone)]
enum SealedBy {
    KeyFile(PathBuf),
    Passphrase(Stretch),
}

impl SealedFile {
    /// Opens the vault at `path`; a missing file is an empty vault and is
    /// created by the first `put`.
    pub fn open(path: &Path, source: KeySource, random: Random) -> Result<Arc<Self>, Error> {
        let contents = Contents::read(path)?;
        let (key, by) = match source {
            KeySource::KeyFile(key_path) => {
                let live = contents.as_ref().filter(|contents| contents.live().is_some());
                if live.is_some_and(|contents| contents.stretch.is_none()) && !key_path.exists() {
                    let path = key_path.display().to_string();
                    return Err(Error::new(Failure::KeyMissing { path }));
                }
                if let Some(contents) = &contents {
                    check_kind_of_key(path, contents, None)?;
                }
                let key = MasterKey::load_or_create(&key_path, &*random)?;
                (key, SealedBy::KeyFile(key_path))
            }
            KeySource::Passphrase(passphrase) => {
                let stretch = contents.as_ref().and_then(|contents| contents.stretch.clone());
                let stretch = stretch.unwrap_or_else(|| Stretch::new(&random));
                (stretch.key(&passphrase)?, SealedBy::Passphrase(stretch))
            }
        };
        if let Some(contents) = &contents {
            check_kind_of_key(path, contents, by.stretch())?;
        }
        let found = contents.and_then(|contents| contents.whole);
        Ok(Arc::new(Self { path: path.to_owned(), key, by, found, random }))
    }

    /// Seals everything anew under another key, and returns the vault as it opens then.
    ///
    /// The new key is on disk before the file is replaced, and the file is replaced at
    /// once: whenever this is interrupted, the vault opens with the old key or with the
    /// new one. The old key file is left where it is.
    pub fn reseal(&self, to: KeySource) -> Result<Arc<Self>, Error> {
        let _lock = lock(&self.path)?;
        let mut contents = self.contents()?;
        self.check_key(&contents)?;
        let (key, by) = match to {
            KeySource::KeyFile(path) => {
                let key = MasterKey::load_or_create(&path, &*self.random)?;
                if key.is(&self.key) {
                    return Err(Error::new(Failure::SameKey { path: path.display().to_string() }));
                }
                (key, SealedBy::KeyFile(path))
            }
            KeySource::Passphrase(passphrase) => {
                let stretch = Stretch::new(&self.random);
                (stretch.key(&passphrase)?, SealedBy::Passphrase(stretch))
            }
        };
        for record in &mut contents.records {
            if let Some(sealed) = record.sealed.take() {
                let credential = record.unseal(&sealed, &self.key)?;
                record.seal(credential.secret().expose(), &key, &self.random)?;
            }
        }
        contents.stretch = by.stretch().cloned();
        contents.write(&self.path, &key, &self.random)?;
        let (path, random) = (self.path.clone(), self.random.clone());
        Ok(Arc::new(Self { path, key, by, found: contents.whole, random }))
    }

    /// What the file holds, and that nobody altered it.
    fn contents(&self) -> Result<Contents, Error> {
        let Some(contents) = Contents::read(&self.path)? else {
            return Ok(Contents::empty(self.by.stretch().cloned()));
        };
        if contents.live().is_some() {
            check_kind_of_key(&self.path, &contents, self.by.stretch())?;
            if !contents.is_sealed_by(&self.key) {
                // A record that opens shows that the key is the right one.
                let path = || self.path.display().to_string();
                return Err(Error::new(match contents.has_record_of(&self.key) {
                    true => Failure::Altered { path: path() },
                    false => Failure::Unsealable,
                }));
            }
        }
        Ok(contents)
    }

    /// Reads, changes and replaces the file under an exclusive lock.
    fn change<T>(&self, act: impl FnOnce(&mut Contents) -> Result<T, Error>) -> Result<T, Error> {
        let _lock = lock(&self.path)?;
        let mut contents = self.contents()?;
        self.check_key(&contents)?;
        contents.stretch = self.by.stretch().cloned();
        let outcome = act(&mut contents)?;
        contents.write(&self.path, &self.key, &self.random)?;
        Ok(outcome)
    }

    /// What is put in must come out with the same key as everything else, and with the
    /// key that the next process will have: else a new pair would be lost at once.
    fn check_key(&self, contents: &Contents) -> Result<(), Error> {
        if let SealedBy::KeyFile(path) = &self.by
            && !MasterKey::load(path)?.is(&self.key)
        {
            return Err(Error::new(Failure::KeyReplaced { path: path.display().to_string() }));
        }
        if let Some((record, sealed)) = contents.live() {
            record.unseal(sealed, &self.key)?;
        } else if contents.whole != self.found && !contents.is_sealed_by(&self.key) {
            let (path, by) = (self.path.display().to_string(), OtherSeal::NewKey);
            return Err(Error::new(Failure::SealedOtherwise { path, by }));
        }
        Ok(())
    }
}

impl Vault for SealedFile {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn put(&self, name: &str, credential: &Secret, now_ms: i64) -> Result<u32, Error> {
        check_name(name)?;
        self.change(|contents| {
            let newest = contents.versions(name).map(|record| record.version).max();
            let version = newest.unwrap_or(0) + 1;
            let mut record = Record::new(name, version, credential, now_ms);
            record.seal(credential.secret().expose(), &self.key, &self.random)?;
            contents.records.push(record);
            Ok(version)
        })
    }

    fn get(&self, name: &str) -> Result<(u32, Secret), Error> {
        let contents = self.contents()?;
        let (record, sealed) = contents
            .versions(name)
            .filter_map(|record| record.sealed.as_deref().map(|sealed| (record, sealed)))
            .max_by_key(|(record, _)| record.version)
            .ok_or_else(|| Error::not_found(name))?;
        Ok((record.version, record.unseal(sealed, &self.key)?))
    }

    fn get_version(&self, name: &str, version: u32) -> Result<Secret, Error> {
        let contents = self.contents()?;
        let record = contents.versions(name).find(|record| record.version == version);
        match record.and_then(|record| Some((record, record.sealed.as_deref()?))) {
            Some((record, sealed)) => record.unseal(sealed, &self.key),
            None => Err(Error::no_version(name, version)),
        }
    }

    fn entries(&self) -> Result<Vec<Entry>, Error> {
        self.listed(|name| name != PROBE)
    }

    fn versions(&self, name: &str) -> Result<Vec<Entry>, Error> {
        self.listed(|other| other == name)
    }

    fn destroy(&self, name: &str, version: u32) -> Result<(), Error> {
        self.change(|contents| {
            let records = &mut contents.records;
            let found = records.iter_mut().find(|r| r.name == name && r.version == version);
            found.ok_or_else(|| Error::no_version(name, version))?.sealed = None;
            Ok(())
        })
    }

    fn erase(&self, name: &str, version: u32) -> Result<(), Error> {
        check_probe(name)?;
        self.change(|contents| {
            contents.records.retain(|record| record.name != name || record.version != version);
            Ok(())
        })
    }

    fn reopen(&self) -> Result<Arc<dyn Vault>, Error> {
        if let SealedBy::KeyFile(path) = &self.by {
            let source = KeySource::KeyFile(path.clone());
            return Ok(Self::open(&self.path, source, self.random.clone())?);
        }
        // The passphrase is not kept; the same salt in the file means the same key.
        let found = self.contents()?.whole;
        let (path, by, key) = (self.path.clone(), self.by.clone(), self.key.clone());
        Ok(Arc::new(Self { path, key, by, found, random: self.random.clone() }))
    }
}

impl SealedFile {
    fn listed(&self, is_asked: impl Fn(&str) -> bool) -> Result<Vec<Entry>, Error> {
        let records = self.contents()?.records.into_iter();
        let asked = records.filter(|record| is_asked(&record.name));
        let mut entries = asked.map(Record::entry).collect::<Result<Vec<_>, Error>>()?;
        entries.sort_by(|a, b| (&a.name, a.version).cmp(&(&b.name, b.version)));
        Ok(entries)
    }
}

impl SealedBy {
    fn stretch(&self) -> Option<&Stretch> {
        match self {
            Self::KeyFile(_) => None,
            Self::Passphrase(stretch) => Some(stretch),
        }
    }
}

impl std::fmt::Debug for SealedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Whoever opened the vault before its first secret may hold another salt than
/// the one that was written since.
fn check_kind_of_key(
    path: &Path,
    contents: &Contents,
    stretch: Option<&Stretch>,
) -> Result<(), Error> {
    if contents.stretch.as_ref() == stretch || contents.live().is_none() {
        return Ok(());
    }
    let by = match (&contents.stretch, stretch) {
        (None, _) => OtherSeal::KeyFile,
        (Some(_), None) => OtherSeal::Passphrase,
        (Some(_), Some(_)) => OtherSeal::NewPassphrase,
    };
    Err(Error::new(Failure::SealedOtherwise { path: path.display().to_string(), by }))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use countersign_files as files;
    use countersign_signing::{ApiId, ApiSecret, Pair};

    use super::*;

    fn random() -> Random {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Arc::new(|buffer| {
            for chunk in buffer.chunks_mut(8) {
                let next = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                chunk.copy_from_slice(&next.to_le_bytes()[..chunk.len()]);
            }
        })
    }

    fn pair() -> Secret {
        let (id, secret) = (ApiId::parse(&"ab".repeat(16)), ApiSecret::from_bytes(vec![7; 64]));
        Secret::Pair(Pair { id: id.unwrap(), secret })
    }

    /// Which of the two kinds of sources a vault is resealed from and to.
    #[derive(Debug, Clone, Copy)]
    enum Key {
        File(&'static str),
        Passphrase(&'static str),
    }

    impl Key {
        fn source(self, folder: &Path) -> KeySource {
            match self {
                Self::File(name) => KeySource::KeyFile(folder.join(name)),
                Self::Passphrase(text) => KeySource::Passphrase(Zeroizing::new(text.into())),
            }
        }

        fn gives(self, folder: &Path) -> bool {
            let vault = SealedFile::open(&folder.join("vault.json"), self.source(folder), random());
            vault.is_ok_and(|vault| vault.get("a").is_ok_and(|found| found == (2, pair())))
        }
    }

    /// Stops `reseal` after each of its file operations in turn.
    fn reseal_stopped_everywhere(old: Key, new: Key) {
        let (mut olds, mut news) = (0, 0);
        for steps in 0.. {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("vault.json");
            let vault = SealedFile::open(&path, old.source(folder.path()), random()).unwrap();
            for _ in 0..2 {
                vault.put("a", &pair(), 0).unwrap();
            }
            let stopped = files::stop::after(steps, || vault.reseal(new.source(folder.path())));
            let (by_old, by_new) = (old.gives(folder.path()), new.gives(folder.path()));
            assert!(by_old ^ by_new, "{old:?} to {new:?} after {steps} steps: {by_old} {by_new}");
            match by_old {
                true => olds += 1,
                false => news += 1,
            }
            if let Err(error) = stopped {
                assert!(error.to_string().contains("stopped by the test"), "{error}");
                // Whatever was left, the same command ends the work.
                let opened_by = if by_old { old } else { new };
                let source = opened_by.source(folder.path());
                let vault = SealedFile::open(&path, source, random()).unwrap();
                if by_old {
                    vault.reseal(new.source(folder.path())).unwrap();
                }
                assert!(new.gives(folder.path()) && !old.gives(folder.path()));
                continue;
            }
            assert!(by_new, "done");
            assert!(olds >= 5 && news >= 2, "{olds} stops before the change, {news} after it");
            return;
        }
    }

    #[test]
    fn a_key_file_for_a_key_file_whenever_it_stops() {
        reseal_stopped_everywhere(Key::File("old.key"), Key::File("new.key"));
    }

    #[test]
    fn a_passphrase_for_a_key_file_whenever_it_stops() {
        reseal_stopped_everywhere(Key::File("old.key"), Key::Passphrase("correct horse"));
    }

    #[test]
    fn a_key_file_for_a_passphrase_whenever_it_stops() {
        reseal_stopped_everywhere(Key::Passphrase("correct horse"), Key::File("new.key"));
    }

    #[test]
    fn a_passphrase_for_a_passphrase_whenever_it_stops() {
        reseal_stopped_everywhere(Key::Passphrase("old"), Key::Passphrase("new"));
    }

    #[test]
    fn put_leaves_what_was_there_whenever_it_stops() {
        for steps in 0.. {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("vault.json");
            let open = || SealedFile::open(&path, Key::File("key").source(folder.path()), random());
            let first = files::stop::after(steps, || open()?.put("a", &pair(), 0));
            // A first start that was killed does not spoil the next one.
            let version = open().unwrap().put("a", &pair(), 0).unwrap();
            assert_eq!(open().unwrap().get("a").unwrap(), (version, pair()), "{steps} steps");
            if first.is_ok() {
                assert_eq!(version, 2);
                return;
            }
        }
    }
}
