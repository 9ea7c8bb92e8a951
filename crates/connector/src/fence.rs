//! Holds signed calls off while the credential that they would use is replaced, on
//! one machine and across its processes.
//!
//! Two files for each credential, locked and never read: a gate that every call
//! passes in an instant, and a room that it stays in until it has its answer. Who
//! rotates shuts the gate, so that no call enters, and then waits for the room to
//! empty. The operating system opens both again when a process dies. A third file,
//! one for the whole store, holds a number that grows with every publication, so
//! that a call notices one without asking the database.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_files as files;
use countersign_store::CredentialId;
use tokio::time::{Instant, sleep};

use crate::error::{Error, Fault};

const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// The folder with the files.
#[derive(Debug, Clone)]
pub struct Fences(Arc<Path>);

/// A call is under way; dropped when it has its answer.
#[derive(Debug)]
pub(crate) struct Inside(#[expect(dead_code, reason = "held for its lock")] File);

/// No call enters; dropped when they may again.
#[derive(Debug)]
pub(crate) struct Shut {
    _gate: File,
    /// Whether all calls that were under way had ended in time.
    pub(crate) is_drained: bool,
}

impl Fences {
    /// The folder is made when it is needed.
    pub fn at(folder: &Path) -> Self {
        Self(folder.into())
    }

    /// Enters, or waits for the gate to open, for at most `patience`.
    pub(crate) async fn enter(
        &self,
        credential: CredentialId,
        patience: Duration,
    ) -> Result<Inside, Error> {
        let until = Instant::now() + patience;
        let gate = self.open(&format!("{}.gate", credential.number()))?;
        let room = self.open(&format!("{}.room", credential.number()))?;
        while !is_taken(gate.try_lock_shared())? {
            if Instant::now() >= until {
                let what = format!(
                    "the credential is being replaced, and that took longer than {} s",
                    patience.as_secs()
                );
                return Err(Error::new(Fault::NotAuthenticated, what)
                    .hint("`countersign credentials rotate` resumes where it stopped"));
            }
            sleep(LOOK_AGAIN).await;
        }
        // Nobody locks the room for itself without having the gate.
        while !is_taken(room.try_lock_shared())? {
            sleep(LOOK_AGAIN).await;
        }
        Ok(Inside(room))
    }

    /// Shuts the gate and waits for the calls under way, for at most `patience`.
    pub(crate) async fn shut(
        &self,
        credential: CredentialId,
        patience: Duration,
    ) -> Result<Shut, Error> {
        let gate = self.open(&format!("{}.gate", credential.number()))?;
        let room = self.open(&format!("{}.room", credential.number()))?;
        // Calls hold the gate for an instant each, another rotation for its whole time.
        let until = Instant::now() + patience;
        while !is_taken(gate.try_lock())? {
            if Instant::now() >= until {
                return Err(Error::new(Fault::Storage, "the fence is held by another rotation"));
            }
            sleep(LOOK_AGAIN).await;
        }
        let until = Instant::now() + patience;
        let mut is_drained = is_taken(room.try_lock())?;
        while !is_drained && Instant::now() < until {
            sleep(LOOK_AGAIN).await;
            is_drained = is_taken(room.try_lock())?;
        }
        Ok(Shut { _gate: gate, is_drained })
    }

    /// The right to rotate a credential from this machine; none when another process
    /// has it.
    pub(crate) fn lock_rotation(&self, credential: CredentialId) -> Result<Option<File>, Error> {
        let file = self.open(&format!("{}.rotation", credential.number()))?;
        Ok(is_taken(file.try_lock())?.then_some(file))
    }

    /// The number of publications so far.
    pub(crate) fn publications(&self) -> Result<u64, Error> {
        let mut bytes = [0; 8];
        let mut file = self.open("publications")?;
        match file.read_exact(&mut bytes) {
            Ok(()) => Ok(u64::from_le_bytes(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(0),
            Err(error) => Err(self.failed("read", "publications", &error)),
        }
    }

    /// Lets every source look into the database before its next call.
    pub(crate) fn announce(&self) -> Result<(), Error> {
        let mut file = self.open("publications")?;
        let failed = |error| self.failed("write", "publications", &error);
        file.lock().map_err(failed)?;
        let next = self.publications()? + 1;
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.write_all(&next.to_le_bytes()))
            .map_err(failed)
    }

    fn open(&self, name: &str) -> Result<File, Error> {
        let path = self.0.join(name);
        match files::lock_file(&path) {
            Err(error) if error.is_missing() => {
                files::folder(&self.0)?;
                Ok(files::lock_file(&path)?)
            }
            opened => Ok(opened?),
        }
    }

    fn failed(&self, doing: &str, name: &str, error: &std::io::Error) -> Error {
        let path: PathBuf = self.0.join(name);
        Error::new(Fault::Storage, format!("failed to {doing} `{}`: {error}", path.display()))
    }
}

fn is_taken(tried: Result<(), TryLockError>) -> Result<bool, Error> {
    match tried {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => {
            Err(Error::new(Fault::Storage, format!("failed to lock a fence: {error}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The number of a credential stands for nothing but the names of its files.
    async fn credential() -> (tempfile::TempDir, Fences, CredentialId) {
        let folder = tempfile::tempdir().expect("a folder");
        let store = countersign_store::Store::open(&folder.path().join("store.sqlite")).await;
        let new = countersign_store::NewCredential {
            name: "a".into(),
            vault_name: "credential/a".into(),
            kind: countersign_store::CredentialKind::Hmac,
            url: "https://localhost".into(),
            ca_pem: None,
            allow_http_loopback: false,
            api_id: "00".into(),
            version: 1,
            added_ms: 0,
        };
        let id = store.expect("a store").add_credential(new).await.expect("a credential");
        let fences = Fences::at(&folder.path().join("fences"));
        (folder, fences, id)
    }

    const LONG: Duration = Duration::from_secs(3600);
    const NOT_AT_ALL: Duration = Duration::ZERO;

    #[tokio::test]
    async fn a_shut_gate_lets_nobody_in_and_a_call_is_waited_for() {
        let (_folder, fences, id) = credential().await;
        let first = fences.enter(id, NOT_AT_ALL).await.expect("open");
        let second = fences.enter(id, NOT_AT_ALL).await.expect("calls share it");
        assert!(!fences.shut(id, NOT_AT_ALL).await.expect("it shuts").is_drained);

        let waiting = {
            let fences = fences.clone();
            tokio::spawn(async move { fences.shut(id, LONG).await })
        };
        // The gate shuts although calls are under way.
        while fences.enter(id, NOT_AT_ALL).await.is_ok() {
            tokio::task::yield_now().await;
        }
        drop((first, second));
        let shut = waiting.await.expect("no panic").expect("it shuts");
        assert!(shut.is_drained);
        let refused = fences.enter(id, NOT_AT_ALL).await.expect_err("shut");
        assert!(refused.to_string().contains("being replaced"), "{refused}");
        fences.shut(id, NOT_AT_ALL).await.expect_err("one rotation at a time");

        let entering = {
            let fences = fences.clone();
            tokio::spawn(async move { fences.enter(id, LONG).await })
        };
        drop(shut);
        entering.await.expect("no panic").expect("open again");
    }

    #[tokio::test]
    async fn publications_are_counted_across_handles() {
        let (folder, fences, _) = credential().await;
        assert_eq!(fences.publications().expect("none"), 0);
        fences.announce().expect("one");
        Fences::at(&folder.path().join("fences")).announce().expect("two");
        assert_eq!(fences.publications().expect("both"), 2);
    }
}
