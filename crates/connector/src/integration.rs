//! Integrations: checked before they are kept, the secret in the vault and
//! nowhere else.

use countersign_client::Client;
use countersign_signing::Pair;
use countersign_store::{Integration, NewIntegration};
use countersign_vault::Credential;

use crate::check::{Check, check};
use crate::error::Error;
use crate::{Connector, Fault};

/// Name of an integration's pair in the vault.
fn vault_name(integration: &str) -> String {
    format!("integration/{integration}")
}

impl Connector {
    /// Checks the pair through `client` and keeps it: vault first, so that no
    /// integration ever names a pair that is not there.
    pub async fn add_integration(
        &self,
        new: NewIntegration,
        pair: &Pair,
        client: &Client,
    ) -> Result<Check, Error> {
        match self.store.integration(&new.name).await {
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
            Ok(_) => {
                let what = format!("there is an integration `{}` already", new.name);
                return Err(
                    Error::new(Fault::Config, what).hint("choose another name, or remove it first")
                );
            }
        }
        let check = check(client).await?;
        if let Some(missing) = check.missing() {
            return Err(missing);
        }
        self.vault.put(&vault_name(&new.name), &Credential::Pair(pair.clone()), self.now())?;
        let id = self.store.add_integration(new).await?;
        self.store.note_check(id, check.account.clone(), check.expires_ms, self.now()).await?;
        Ok(check)
    }

    /// Checks an integration and notes what came of it.
    pub async fn check_integration(
        &self,
        integration: &Integration,
        client: &Client,
    ) -> Result<Check, Error> {
        let check = check(client).await?;
        self.store
            .note_check(integration.id, check.account.clone(), check.expires_ms, self.now())
            .await?;
        Ok(check)
    }

    /// The pair of an integration.
    pub fn pair(&self, integration: &Integration) -> Result<Pair, Error> {
        let name = vault_name(&integration.name);
        match self.vault.get(&name)?.1 {
            Credential::Pair(pair) => Ok(pair),
            Credential::OAuthClient(_) => {
                Err(Error::new(Fault::Config, format!("`{name}` is an OAuth client, not a pair")))
            }
        }
    }

    /// Removes an integration, its data, and every version of its secret.
    pub async fn remove_integration(&self, integration: &Integration) -> Result<(), Error> {
        let name = vault_name(&integration.name);
        self.store.remove_integration(integration.id).await?;
        for entry in self.vault.entries()? {
            if entry.name == name && !entry.is_tombstone {
                self.vault.destroy(&entry.name, entry.version)?;
            }
        }
        Ok(())
    }
}
