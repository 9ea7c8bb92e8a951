//! Integrations: checked before they are kept, the secret in the vault and
//! nowhere else.

use countersign_client::Client;
use countersign_store::{
    Credential, CredentialKind, Destination, Integration, IntegrationKind, KeptId, NewCredential,
    Observed, OwnedIntegration,
};
use countersign_vault::Secret;

use crate::account::observe;
use crate::check::{Check, check};
use crate::error::Error;
use crate::{Connector, Fault};

/// How a credential reaches its service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Veracode URL.
    pub url: String,
    /// A further certificate authority to trust.
    pub ca_pem: Option<String>,
    /// Whether `url` may be http on a loopback address.
    pub allow_http_loopback: bool,
}

impl Place {
    /// Where a credential is used.
    pub fn of(credential: &Credential) -> Self {
        Self {
            url: credential.url.clone(),
            ca_pem: credential.ca_pem.clone(),
            allow_http_loopback: credential.allow_http_loopback,
        }
    }
}

impl From<&Integration> for Place {
    fn from(integration: &Integration) -> Self {
        Self {
            url: integration.url.clone(),
            ca_pem: integration.ca_pem.clone(),
            allow_http_loopback: integration.allow_http_loopback,
        }
    }
}

impl Connector {
    /// Checks the credential through `client` and keeps it: vault first, so that no
    /// integration ever names a secret that is not there.
    pub async fn add_integration(
        &self,
        name: &str,
        place: Place,
        secret: Secret,
        client: &Client,
    ) -> Result<Check, Error> {
        if self.store.owned_integrations(None).await?.iter().any(|one| one.name == name) {
            let what = format!("there is an integration `{name}` already");
            return Err(
                Error::new(Fault::Config, what).hint("choose another name, or remove it first")
            );
        }
        let check = complete_check(client).await?;
        let vault_name = self.free_vault_name(format!("integration/{name}")).await?;
        let new = self.seal(name, vault_name, place, secret).await?;
        let id = self.store.add_integration(new, None).await?;
        let credential = self.store.credential_of(id).await?;
        self.store.observe_credential(credential.id, check.observed(), self.now()).await?;
        Ok(check)
    }

    /// Keeps a credential that no integration signs with: an administrator's, or a
    /// twin's. It is tried first.
    pub async fn add_credential(
        &self,
        name: &str,
        place: Place,
        secret: Secret,
        client: &Client,
    ) -> Result<Credential, Error> {
        match self.store.credential(name).await {
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
            Ok(_) => {
                let what = format!("there is a credential `{name}` already");
                return Err(
                    Error::new(Fault::Config, what).hint("choose another name, or remove it first")
                );
            }
        }
        let observed = observe(client).await?;
        let vault_name = self.free_vault_name(format!("credential/{name}")).await?;
        let new = self.seal(name, vault_name, place, secret).await?;
        let id = self.store.add_credential(new).await?;
        self.store.observe_credential(id, observed, self.now()).await?;
        Ok(self.store.credential_by(id).await?)
    }

    /// Puts another credential in the place of one, by hand: of the same kind and, unless
    /// that is said to be meant, of the same account. It is tried first.
    pub async fn replace_credential(
        &self,
        credential: &Credential,
        secret: Secret,
        client: &Client,
        is_other_account: bool,
    ) -> Result<Credential, Error> {
        if kind_of(&secret) != credential.kind {
            let what = format!("`{}` is of another kind", credential.name);
            return Err(Error::new(Fault::Config, what));
        }
        let observed = observe(client).await?;
        refuse_other_account(credential, &observed, is_other_account)?;
        let (name, now_ms) = (credential.vault_name.clone(), self.now());
        let api_id = secret.id().to_owned();
        let version = self.with_vault(move |vault| vault.put(&name, &secret, now_ms)).await?;
        self.store.replace_credential(credential.id, &api_id, version, None, now_ms).await?;
        self.store.observe_credential(credential.id, observed, now_ms).await?;
        self.fences.announce()?;
        Ok(self.store.credential_by(credential.id).await?)
    }

    /// Gives an integration another URL, certificate authority or credential. All of it is
    /// checked first, through `client`; what is refused changes nothing. Unless that is said
    /// to be meant, the account stays the same: what is stored is what that account sees.
    pub async fn update_integration(
        &self,
        integration: &Integration,
        place: Place,
        secret: Option<Secret>,
        client: &Client,
        is_other_account: bool,
    ) -> Result<Check, Error> {
        let held = self.store.credential_by(integration.credential).await?;
        if let Some(secret) = secret.as_ref().filter(|secret| kind_of(secret) != held.kind) {
            let what = format!("`{}` is of another kind than {}", held.name, secret.id());
            return Err(Error::new(Fault::Config, what));
        }
        let check = complete_check(client).await?;
        refuse_other_account(&held, &check.observed(), is_other_account)?;
        self.put_in_place(&held, place, secret, None, &check).await?;
        Ok(check)
    }

    /// Writes what was checked: a secret, if there is another one, and where it is sent.
    pub(crate) async fn put_in_place(
        &self,
        held: &Credential,
        place: Place,
        secret: Option<Secret>,
        kept: Option<KeptId>,
        check: &Check,
    ) -> Result<(), Error> {
        let now_ms = self.now();
        if let Some(secret) = secret {
            let (name, api_id) = (held.vault_name.clone(), secret.id().to_owned());
            let version = self.with_vault(move |vault| vault.put(&name, &secret, now_ms)).await?;
            self.store.replace_credential(held.id, &api_id, version, kept, now_ms).await?;
        }
        let Place { url, ca_pem, allow_http_loopback } = place;
        if url != held.url
            || ca_pem != held.ca_pem
            || allow_http_loopback != held.allow_http_loopback
        {
            let to = Destination { url, ca_pem, allow_http_loopback };
            self.store.move_credential(held.id, to, now_ms).await?;
        }
        self.store.observe_credential(held.id, check.observed(), now_ms).await?;
        self.fences.announce()
    }

    /// A name in the vault that no credential has: one that was renamed keeps its own.
    async fn free_vault_name(&self, wanted: String) -> Result<String, Error> {
        let all = self.store.credentials().await?;
        let is_free = |name: &String| all.iter().all(|one| one.vault_name != *name);
        let further = (2..).map(|number| format!("{wanted}-{number}"));
        let mut names = std::iter::once(wanted.clone()).chain(further);
        Ok(names.find(is_free).unwrap_or(wanted.clone()))
    }

    pub(crate) async fn seal(
        &self,
        name: &str,
        vault_name: String,
        place: Place,
        secret: Secret,
    ) -> Result<NewCredential, Error> {
        let now_ms = self.now();
        let (kind, api_id) = (kind_of(&secret), secret.id().to_owned());
        let to = vault_name.clone();
        let version = self.with_vault(move |vault| vault.put(&to, &secret, now_ms)).await?;
        let Place { url, ca_pem, allow_http_loopback } = place;
        Ok(NewCredential {
            name: name.to_owned(),
            vault_name,
            kind,
            url,
            ca_pem,
            allow_http_loopback,
            api_id,
            version,
            added_ms: now_ms,
        })
    }

    /// Checks an integration and notes what came of it.
    pub async fn check_integration(
        &self,
        integration: &Integration,
        client: &Client,
    ) -> Result<Check, Error> {
        let check = check(client).await?;
        self.note_check(integration, &check).await?;
        Ok(check)
    }

    /// Notes what a check found out.
    pub async fn note_check(&self, integration: &Integration, check: &Check) -> Result<(), Error> {
        let (id, now_ms) = (integration.credential, self.now());
        Ok(self.store.observe_credential(id, check.observed(), now_ms).await?)
    }

    /// Removes an integration, its data, and every version of its secret.
    pub async fn remove_integration(&self, integration: &OwnedIntegration) -> Result<(), Error> {
        let own = self.store.credential(&integration.name).await;
        self.store.remove_integration(integration.id, None).await?;
        if integration.kind == IntegrationKind::Imported {
            return Ok(());
        }
        match own {
            Ok(own) => self.destroy_all(own.vault_name).await,
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a credential that nothing uses, and every version of its secret.
    pub async fn remove_credential(&self, credential: &Credential) -> Result<(), Error> {
        self.store.remove_credential(credential.id).await?;
        self.destroy_all(credential.vault_name.clone()).await
    }

    pub(crate) async fn destroy_all(&self, vault_name: String) -> Result<(), Error> {
        self.with_vault(move |vault| {
            for entry in vault.entries()? {
                if entry.name == vault_name && !entry.is_tombstone {
                    vault.destroy(&entry.name, entry.version)?;
                }
            }
            Ok(())
        })
        .await
    }
}

/// A check that misses nothing.
pub(crate) async fn complete_check(client: &Client) -> Result<Check, Error> {
    let check = check(client).await?;
    check.missing().map_or(Ok(check), Err)
}

pub(crate) fn refuse_other_account(
    held: &Credential,
    observed: &Observed,
    is_meant: bool,
) -> Result<(), Error> {
    if is_meant || held.user_id.is_none() || held.user_id == observed.user_id {
        return Ok(());
    }
    let account = observed.account.as_deref().unwrap_or("unknown");
    let what = format!("the account behind `{}` is another: {account}", held.name);
    Err(Error::new(Fault::Config, what).hint("add `--other-account` if that is meant"))
}

pub(crate) fn kind_of(secret: &Secret) -> CredentialKind {
    match secret {
        Secret::Pair(_) => CredentialKind::Hmac,
        Secret::OAuthClient(_) => CredentialKind::OAuth,
    }
}
