//! A proof sees what is wrong with a vault, whichever step it is.

use std::sync::{Arc, Mutex};

use countersign_vault::{Entry, Error, KeySource, PROBE, SealedFile, Secret, Vault, prove};

use crate::suite::{pair, random};

/// A file that does one thing wrong.
#[derive(Clone)]
struct Wrong {
    vault: Arc<dyn Vault>,
    how: How,
    kept: Arc<Mutex<Option<Secret>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    ReadOnly,
    Loses,
    Alters,
    NamesAnother,
    CannotReopen,
    CannotDestroy,
    OnlySaysDestroyed,
    CannotErase,
}

impl Wrong {
    fn new(folder: &std::path::Path, how: How) -> Self {
        let key = KeySource::KeyFile(folder.join("vault.key"));
        let vault = SealedFile::open(&folder.join("vault.json"), key, random()).unwrap();
        Self { vault, how, kept: Arc::default() }
    }

    /// Some error of this kind of vault.
    fn error(&self) -> Error {
        self.vault.put("no name", &pair(1), 0).unwrap_err()
    }
}

impl Vault for Wrong {
    fn place(&self) -> String {
        "the wrong one".into()
    }

    fn put(&self, name: &str, credential: &Secret, now_ms: i64) -> Result<u32, Error> {
        *self.kept.lock().unwrap() = Some(credential.clone());
        match self.how {
            How::ReadOnly => Err(self.error()),
            How::Loses => Ok(1),
            How::Alters => {
                let mut bytes = credential.secret().expose().to_vec();
                bytes[63] ^= 1;
                let secret = countersign_signing::ApiSecret::from_bytes(bytes);
                let id = credential.as_pair().unwrap().id.clone();
                let altered = Secret::Pair(countersign_signing::Pair { id, secret });
                self.vault.put(name, &altered, now_ms)
            }
            How::NamesAnother => {
                self.vault.put(name, &pair(9), now_ms)?;
                self.vault.put(name, credential, now_ms)?;
                Ok(1)
            }
            _ => self.vault.put(name, credential, now_ms),
        }
    }

    fn get(&self, name: &str) -> Result<(u32, Secret), Error> {
        self.vault.get(name)
    }

    fn get_version(&self, name: &str, version: u32) -> Result<Secret, Error> {
        match self.how {
            How::OnlySaysDestroyed => Ok(self.kept.lock().unwrap().clone().unwrap()),
            _ => self.vault.get_version(name, version),
        }
    }

    fn entries(&self) -> Result<Vec<Entry>, Error> {
        self.vault.entries()
    }

    fn versions(&self, name: &str) -> Result<Vec<Entry>, Error> {
        self.vault.versions(name)
    }

    fn destroy(&self, name: &str, version: u32) -> Result<(), Error> {
        match self.how {
            How::CannotDestroy => Err(self.error()),
            How::OnlySaysDestroyed => Ok(()),
            _ => self.vault.destroy(name, version),
        }
    }

    fn erase(&self, name: &str, version: u32) -> Result<(), Error> {
        match self.how {
            How::CannotErase => Err(self.error()),
            _ => self.vault.erase(name, version),
        }
    }

    fn reopen(&self) -> Result<Arc<dyn Vault>, Error> {
        match self.how {
            How::CannotReopen => Err(self.error()),
            _ => Ok(Arc::new(self.clone())),
        }
    }
}

#[test]
fn each_step_that_fails_is_named_with_what_to_do() {
    for (how, step) in [
        (How::ReadOnly, "write a probe"),
        (How::CannotReopen, "open again"),
        (How::Loses, "read the probe"),
        (How::Alters, "it is another one"),
        (How::NamesAnother, "it is another one"),
        (How::CannotDestroy, "destroy the probe"),
        (How::OnlySaysDestroyed, "can be read after it was destroyed"),
        (How::CannotErase, "remove the trace"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let wrong = Wrong::new(folder.path(), how);
        let error = prove(&wrong, &random(), 0).unwrap_err();
        let told = error.to_string();
        assert!(error.is_proof() && told.contains(step), "{told}");
        assert!(told.contains("the wrong one") && told.contains("\nhint: "), "{told}");
        let probe = wrong.kept.lock().unwrap().clone().unwrap();
        assert!(!format!("{told}{error:?}").contains(&*probe.secret().expose_hex()), "{told}");
    }
}

#[test]
fn a_key_file_that_is_gone_is_found_before_a_secret_relies_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("vault.key");
    let path = folder.path().join("vault.json");
    let vault = SealedFile::open(&path, KeySource::KeyFile(key.clone()), random()).unwrap();
    prove(&*vault, &random(), 0).unwrap();
    let aside = folder.path().join("aside");
    std::fs::rename(&key, &aside).unwrap();
    assert!(prove(&*vault, &random(), 0).unwrap_err().to_string().contains("vault.key"));
    // Another key in its place is worse: this process could still read what it writes.
    SealedFile::open(&folder.path().join("other.json"), KeySource::KeyFile(key.clone()), random())
        .unwrap();
    let told = prove(&*vault, &random(), 0).unwrap_err().to_string();
    assert!(told.contains("is not the one that this process opened"), "{told}");
    std::fs::rename(&aside, &key).unwrap();
    prove(&*vault, &random(), 0).unwrap();
    assert_eq!(vault.versions(PROBE).unwrap(), []);
}
