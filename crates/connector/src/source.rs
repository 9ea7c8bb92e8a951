//! Where a client's credential comes from: what the store says is published, opened
//! from the vault, behind the fence of its rotation.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_client::{Authority, Lease, Leased, Replaced, Source};
use countersign_signing::Pair;
use countersign_store::{Credential, CredentialId, IntegrationId};
use countersign_vault::Secret;

use crate::Connector;
use crate::error::{Error, Fault};

/// Longest that a call waits for a rotation.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What the inventory calls a look by the watch. It does not count as a use of the
/// credential.
pub const WATCH: &str = "watch";

/// Whose credential a client uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Whichever the integration signs with at that moment.
    Integration(IntegrationId),
    /// This one.
    Credential(CredentialId),
}

struct Published {
    connector: Connector,
    subject: Subject,
    /// Who uses it, for the inventory.
    purpose: &'static str,
    held: Mutex<Option<Held>>,
}

#[derive(Clone)]
struct Held {
    publications: u64,
    credential: CredentialId,
    authority: Arc<Authority>,
}

impl Connector {
    /// A source for clients. `purpose` is noted in the inventory at the first use.
    pub fn source(&self, subject: Subject, purpose: &'static str) -> Arc<dyn Source> {
        let held = Mutex::default();
        Arc::new(Published { connector: self.clone(), subject, purpose, held })
    }

    /// The credential that a subject signs with now.
    pub async fn published(&self, subject: Subject) -> Result<Credential, Error> {
        Ok(match subject {
            Subject::Integration(id) => self.store.credential_of(id).await?,
            Subject::Credential(id) => self.store.credential_by(id).await?,
        })
    }

    /// The pair that a subject signs with now.
    pub async fn pair_of(&self, subject: Subject) -> Result<Pair, Error> {
        let credential = self.published(subject).await?;
        self.secret(&credential).await?.as_pair().cloned().ok_or_else(|| {
            let what =
                format!("`{}` is an OAuth client, which has no HMAC credentials", credential.name);
            Error::new(Fault::Config, what)
        })
    }

    /// Its secret.
    pub async fn secret(&self, credential: &Credential) -> Result<Secret, Error> {
        let (name, version) = (credential.vault_name.clone(), credential.version);
        self.with_vault(move |vault| match version {
            Some(version) => vault.get_version(&name, version),
            None => Ok(vault.get(&name)?.1),
        })
        .await
    }
}

impl Published {
    async fn lease(&self) -> Result<Lease, Error> {
        loop {
            let held = self.current().await?;
            let inside = self.connector.fences.enter(held.credential, PATIENCE).await?;
            // What was published while waiting counts.
            if self.connector.fences.publications()? == held.publications {
                return Ok(Lease { authority: held.authority, hold: Some(Box::new(inside)) });
            }
        }
    }

    async fn current(&self) -> Result<Held, Error> {
        let publications = self.connector.fences.publications()?;
        let known = self.held.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(held) if held.publications == publications => Ok(held),
            known => self.load(publications, known.is_none()).await,
        }
    }

    async fn load(&self, publications: u64, is_first: bool) -> Result<Held, Error> {
        let credential = self.connector.published(self.subject).await?;
        let authority = authority(self.connector.secret(&credential).await?);
        if is_first && self.purpose != WATCH {
            let now_ms = self.connector.now();
            self.connector.store.note_use(credential.id, self.purpose, now_ms).await?;
        }
        let held = Held { publications, credential: credential.id, authority: Arc::new(authority) };
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(held.clone());
        Ok(held)
    }

    /// Looks into the database itself: a rotation that was killed after it published
    /// has told nobody.
    async fn replaced(&self, id: &str) -> Result<bool, Error> {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let credential = self.connector.published(self.subject).await?;
            if credential.api_id != id {
                self.load(self.connector.fences.publications()?, false).await?;
                return Ok(true);
            }
            let rotation = self.connector.store.rotation_under_way(credential.id).await?;
            let is_coming = rotation.is_some_and(|rotation| rotation.mints > 0);
            if !is_coming || tokio::time::Instant::now() >= until {
                return Ok(false);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// What a client signs with.
pub(crate) fn authority(secret: Secret) -> Authority {
    match secret {
        Secret::Pair(pair) => Authority::from(&pair),
        Secret::OAuthClient(client) => Authority::from(client),
    }
}

impl Source for Published {
    fn lease(&self) -> Leased<'_> {
        Box::pin(async { self.lease().await.map_err(|error| error.to_string()) })
    }

    fn replaced<'s>(&'s self, id: &'s str) -> Replaced<'s> {
        // What cannot be looked up was not replaced as far as this call goes; the 401
        // that led here is what gets told.
        Box::pin(async { self.replaced(id).await.unwrap_or(false) })
    }
}
