//! What the API does with secrets: it keeps credentials, and adds, changes and removes
//! integrations that sign with them.
//!
//! Every credential is tried before something is written. The vault is written before the
//! store, so that no row ever names a secret that is not there; where the store refuses, the
//! secret is destroyed again. What is removed leaves the store first.

use std::sync::Arc;
use std::time::Duration;

use countersign_client::{Fixed, Source, parse_url};
use countersign_signing::{OAuthClient, Region};
use countersign_store::{
    Added, CredentialKind, IntegrationId, IntegrationKind, KeptCredential, KeptId, Known,
    NewCredential, NewKept, OwnedIntegration, Store,
};
use countersign_vault::Secret;
use zeroize::Zeroizing;

use crate::check::Check;
use crate::error::{Error, Fault};
use crate::integration::{Place, complete_check, kind_of, refuse_other_account};
use crate::keyfiles::{paste, region_of};
use crate::rotation::Connect;
use crate::source::authority;
use crate::{Connector, Subject};

/// How long a write waits for others, and how long the service may take to be tried.
const PATIENCE: Duration = Duration::from_secs(5);
const TRIAL: Duration = Duration::from_secs(25);
/// Names that were taken between two looks.
const TRIES: usize = 5;

/// Keeps secrets for the API. Cheap to clone.
#[derive(Clone)]
pub struct Keeper {
    connector: Connector,
    connect: Connect,
    allow_http_loopback: bool,
}

/// A credential as it was given.
pub struct GivenSecret {
    /// API ID or Client ID.
    pub client_id: String,
    /// Secret Key or Client Secret.
    pub client_secret: Zeroizing<String>,
    /// Which of the two kinds it is.
    pub kind: CredentialKind,
}

/// What an integration is to sign with.
pub enum Signing {
    /// This.
    Given(GivenSecret),
    /// What was kept before, which becomes the integration's own.
    Kept(KeptCredential),
}

/// Why nothing was done.
#[derive(Debug)]
pub enum Failure {
    /// What was given cannot be a credential.
    Form(String),
    /// Its account has something of that name.
    Taken,
    /// Something signs with it.
    InUse,
    /// It is not there any more.
    Gone,
    /// The service refuses the credential, or what it is to do.
    Refused(Error),
    /// The service did not answer.
    Unreachable(Error),
    /// The store is being written.
    Busy,
    /// The vault or the store failed.
    Failed(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.fault() {
            _ if error.is_locked() => Self::Busy,
            Fault::NotAuthenticated | Fault::RoleMissing | Fault::Config => Self::Refused(error),
            Fault::Upstream | Fault::Incomplete => Self::Unreachable(error),
            _ => Self::Failed(error),
        }
    }
}

impl From<countersign_store::Error> for Failure {
    fn from(error: countersign_store::Error) -> Self {
        match error {
            error if error.is_locked() => Self::Busy,
            error if error.is_existing() => Self::Taken,
            error if error.is_in_use() => Self::InUse,
            error if error.is_not_found() => Self::Gone,
            error => Self::Failed(error.into()),
        }
    }
}

/// The URL of a region by its name in the API: `us`, `eu` or `us-fed`.
pub fn url_of_region(name: &str) -> Option<String> {
    let region = Region::ALL.into_iter().find(|region| region_name(*region) == name)?;
    Some(format!("https://{}", region.rest_host()))
}

/// The region that a URL is of, by its name in the API; none for another server.
pub fn region_of_url(url: &str) -> Option<&'static str> {
    region_of(url).map(region_name)
}

fn region_name(region: Region) -> &'static str {
    match region {
        Region::Commercial => "us",
        Region::European => "eu",
        Region::UsFederal => "us-fed",
    }
}

impl Keeper {
    /// For the integrations of a connector, whose service is reached through `connect`.
    pub fn new(mut connector: Connector, connect: Connect, allow_http_loopback: bool) -> Self {
        connector.store = connector.store.patient(PATIENCE);
        Self { connector, connect, allow_http_loopback }
    }

    /// The connector, with a store for writers who cannot wait.
    pub fn connector(&self) -> &Connector {
        &self.connector
    }

    fn store(&self) -> &Store {
        &self.connector.store
    }

    /// Where a credential is used, if a URL can be one of a service.
    pub fn place(&self, url: &str, ca_pem: Option<String>) -> Result<Place, String> {
        let parsed = parse_url(url).map_err(|error| error.to_string())?;
        let place = Place {
            url: url.to_owned(),
            ca_pem,
            allow_http_loopback: self.allow_http_loopback && parsed.scheme() == "http",
        };
        let nobody = Secret::OAuthClient(nobody()?);
        self.client(&place, nobody).map_err(|error| error.what().to_owned())?;
        Ok(place)
    }

    /// Tries a credential at a place, and keeps nothing.
    pub async fn verify(&self, place: &Place, signing: &Signing) -> Result<Check, Failure> {
        let secret = self.secret_of(signing).await?;
        self.tried(place, secret).await
    }

    /// Tries an integration at this place, with this or with what it signs with.
    pub async fn verify_stored(
        &self,
        integration: &OwnedIntegration,
        place: &Place,
        signing: Option<&Signing>,
    ) -> Result<Check, Failure> {
        let check = match signing {
            Some(signing) => self.verify(place, signing).await?,
            None => {
                let subject = Subject::Integration(integration.id);
                self.tried_by(place, self.connector.source(subject, "check")).await?
            }
        };
        let held = self.connector.store.credential_of(integration.id).await?;
        refuse_other_account(&held, &check.observed(), false).map_err(without_flag)?;
        Ok(check)
    }

    /// Tries a credential and adds an integration that signs with it, with everything that
    /// is added together with it.
    pub async fn add(
        &self,
        place: Place,
        signing: Signing,
        mut added: Added,
        account: &str,
    ) -> Result<(), Failure> {
        let secret = self.secret_of(&signing).await?;
        let check = self.tried(&place, secret.clone()).await?;
        let (connector, slug) = (&self.connector, added.known.slug.clone());
        let vault_name = match &signing {
            Signing::Kept(kept) => {
                added.kept = Some(kept.id);
                kept.new.vault_name.clone()
            }
            Signing::Given(_) => format!("kept/{}", added.known.uid),
        };
        let mut new = match signing {
            Signing::Given(_) => connector.seal(&slug, vault_name.clone(), place, secret).await?,
            Signing::Kept(kept) => NewCredential {
                name: slug.clone(),
                vault_name: vault_name.clone(),
                kind: kept.new.kind,
                url: place.url,
                ca_pem: place.ca_pem,
                allow_http_loopback: place.allow_http_loopback,
                api_id: kept.new.api_id,
                version: kept.new.version,
                added_ms: connector.now(),
            },
        };
        let is_sealed_here = added.kept.is_none();
        match self.add_named(&mut new, added, account).await {
            Ok(id) => {
                let credential = connector.store.credential_of(id).await?;
                let (observed, now_ms) = (check.observed(), connector.now());
                connector.store.observe_credential(credential.id, observed, now_ms).await?;
                Ok(())
            }
            Err(failure) => {
                if is_sealed_here {
                    connector.destroy_all(vault_name).await?;
                }
                Err(failure)
            }
        }
    }

    async fn add_named(
        &self,
        new: &mut NewCredential,
        added: Added,
        account: &str,
    ) -> Result<IntegrationId, Failure> {
        for _ in 0..TRIES {
            new.name = self.free_name(&added.known, account).await?;
            match self.store().add_integration(new.clone(), Some(added.clone())).await {
                // Another took the name in between.
                Err(error) if error.is_existing() => {}
                done => return Ok(done?),
            }
        }
        Err(Failure::Busy)
    }

    /// Adds an integration whose findings other programs bring in.
    pub async fn add_imported(&self, added: Added, account: &str) -> Result<(), Failure> {
        let now_ms = self.connector.now();
        for _ in 0..TRIES {
            let name = self.free_name(&added.known, account).await?;
            match self.store().add_imported_integration(&name, Some(added.clone()), now_ms).await {
                Err(error) if error.is_existing() => {}
                done => return Ok(done.map(drop)?),
            }
        }
        Err(Failure::Busy)
    }

    /// A name that is unique among all integrations: the slug, else with that of the account
    /// before it, else with a number. Fails with [`Failure::Taken`] only if the account
    /// itself has one of that slug.
    async fn free_name(&self, known: &Known, account: &str) -> Result<String, Failure> {
        let all = self.store().owned_integrations(None).await?;
        let is_it = |one: &OwnedIntegration| {
            one.known.account == known.account && one.known.slug == known.slug
        };
        if all.iter().any(is_it) {
            return Err(Failure::Taken);
        }
        let credentials = self.store().credentials().await?;
        let is_free = |name: &String| {
            all.iter().all(|one| one.name != *name)
                && credentials.iter().all(|one| one.name != *name)
        };
        let longer = format!("{account}-{}", known.slug);
        let further = (2..).map(|number| format!("{longer}-{number}"));
        let names = [known.slug.clone(), longer.clone()];
        Ok(names.into_iter().chain(further).find(is_free).unwrap_or_default())
    }

    /// Tries what is different of an integration, and changes it.
    pub async fn update(
        &self,
        integration: &OwnedIntegration,
        place: Place,
        signing: Option<Signing>,
    ) -> Result<(), Failure> {
        let check = self.verify_stored(integration, &place, signing.as_ref()).await?;
        let connector = &self.connector;
        let held = connector.store.credential_of(integration.id).await?;
        let secret = match &signing {
            Some(signing) => Some(self.secret_of(signing).await?),
            None => None,
        };
        if secret.as_ref().is_some_and(|secret| kind_of(secret) != held.kind) {
            return Err(Failure::Form(
                "the integration signs with another kind of credential".into(),
            ));
        }
        let kept = match &signing {
            Some(Signing::Kept(kept)) => Some(kept),
            _ => None,
        };
        let kept_id: Option<KeptId> = kept.map(|kept| kept.id);
        connector.put_in_place(&held, place, secret, kept_id, &check).await?;
        if let Some(kept) = kept {
            connector.destroy_all(kept.new.vault_name.clone()).await?;
        }
        Ok(())
    }

    /// Removes an integration with everything stored for it, and every version of its
    /// secret.
    pub async fn remove(&self, integration: &OwnedIntegration, by: &str) -> Result<(), Failure> {
        let connector = &self.connector;
        let own = match integration.kind {
            IntegrationKind::Imported => None,
            IntegrationKind::Veracode => {
                match connector.store.credential(&integration.name).await {
                    Ok(own) => Some(own.vault_name),
                    Err(error) if error.is_not_found() => None,
                    Err(error) => return Err(error.into()),
                }
            }
        };
        connector.store.remove_integration(integration.id, Some((by, connector.now()))).await?;
        match own {
            Some(own) => Ok(connector.destroy_all(own).await?),
            None => Ok(()),
        }
    }

    /// Keeps a credential until an integration signs with it. `new` is made from what of the
    /// secret is no secret.
    pub async fn keep(
        &self,
        given: &GivenSecret,
        by: &str,
        new: impl FnOnce(Sealed) -> NewKept,
        uid: &str,
    ) -> Result<KeptCredential, Failure> {
        let sealed = self.sealed(given, format!("kept/{uid}")).await?;
        let vault_name = sealed.vault_name.clone();
        let kept = self.store().keep_credential(new(sealed), by, self.connector.now()).await;
        if kept.is_err() {
            self.connector.destroy_all(vault_name).await?;
        }
        Ok(kept?)
    }

    /// Changes a kept credential; `new` has what it is called from now on.
    pub async fn change_kept(
        &self,
        kept: &KeptCredential,
        given: Option<&GivenSecret>,
        mut new: NewKept,
        by: &str,
    ) -> Result<KeptCredential, Failure> {
        if let Some(given) = given {
            let sealed = self.sealed(given, kept.new.vault_name.clone()).await?;
            (new.kind, new.api_id, new.version) = (sealed.kind, sealed.api_id, sealed.version);
        }
        Ok(self.store().update_kept(kept.id, new, by, self.connector.now()).await?)
    }

    /// Forgets a kept credential, and destroys every version of its secret.
    pub async fn forget(&self, kept: &KeptCredential, by: &str) -> Result<(), Failure> {
        self.store().forget_kept(kept.id, by, self.connector.now()).await?;
        Ok(self.connector.destroy_all(kept.new.vault_name.clone()).await?)
    }

    async fn sealed(&self, given: &GivenSecret, vault_name: String) -> Result<Sealed, Failure> {
        let (secret, now_ms, name) = (read(given)?, self.connector.now(), vault_name.clone());
        let (kind, api_id) = (kind_of(&secret), secret.id().to_owned());
        let version =
            self.connector.with_vault(move |vault| vault.put(&name, &secret, now_ms)).await?;
        Ok(Sealed { vault_name, kind, api_id, version })
    }

    async fn secret_of(&self, signing: &Signing) -> Result<Secret, Failure> {
        match signing {
            Signing::Given(given) => read(given),
            Signing::Kept(kept) => {
                let (name, version) = (kept.new.vault_name.clone(), kept.new.version);
                let get = self.connector.with_vault(move |vault| vault.get_version(&name, version));
                Ok(get.await?)
            }
        }
    }

    fn client(&self, place: &Place, secret: Secret) -> Result<countersign_client::Client, Error> {
        Ok((self.connect)(place, Arc::new(Fixed::new(authority(secret))))?)
    }

    async fn tried(&self, place: &Place, secret: Secret) -> Result<Check, Failure> {
        self.tried_by(place, Arc::new(Fixed::new(authority(secret)))).await
    }

    async fn tried_by(&self, place: &Place, source: Arc<dyn Source>) -> Result<Check, Failure> {
        let client = (self.connect)(place, source).map_err(Error::from)?;
        let waited = tokio::time::timeout(TRIAL, complete_check(&client)).await;
        let late = |_| {
            let what = format!("the service took longer than {} seconds", TRIAL.as_secs());
            Failure::Unreachable(Error::new(Fault::Upstream, what))
        };
        Ok(waited.map_err(late)??)
    }
}

/// What is known of a secret that the vault has.
pub struct Sealed {
    /// Its name in the vault.
    pub vault_name: String,
    /// Which of the two kinds it is.
    pub kind: CredentialKind,
    /// API ID or Client ID.
    pub api_id: String,
    /// Version in the vault.
    pub version: u32,
}

fn read(given: &GivenSecret) -> Result<Secret, Failure> {
    let (id, secret) = (&given.client_id, &given.client_secret);
    match given.kind {
        CredentialKind::Hmac => {
            let entered = paste::enter(id, secret).map_err(|fault| Failure::Form(fault.cause()))?;
            Ok(Secret::Pair(entered.pair))
        }
        CredentialKind::OAuth => {
            let client = OAuthClient::parse(id.trim(), secret.trim());
            Ok(Secret::OAuthClient(client.map_err(|error| Failure::Form(error.to_string()))?))
        }
    }
}

/// For a client that asks for nothing: whether there can be one is all that is wanted.
fn nobody() -> Result<OAuthClient, String> {
    OAuthClient::parse("nobody", "nothing").map_err(|error| error.to_string())
}

/// Programs have no flags.
fn without_flag(error: Error) -> Error {
    Error::new(error.fault(), error.what())
}
