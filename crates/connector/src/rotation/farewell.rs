//! Revokes what a rotation has left live because somebody still ran it, or because the
//! service did not answer.

use countersign_store::{Act, Credential, Deed, Rotation};

use super::Connect;
use super::asking::Asking;
use crate::consumers::Consumers;
use crate::error::Error;
use crate::integration::Place;
use crate::{Connector, Subject};

impl Connector {
    /// Revokes the ids that rotations of this credential were to revoke, once all its
    /// consumers run the published version. By whoever asked for the new one. Returns
    /// those that it revoked; one that has ended by itself is only noted. To be called
    /// again after an error, and for as long as somebody lags.
    pub async fn see_off(
        &self,
        credential: &Credential,
        connect: &Connect,
        consumers: &Consumers,
    ) -> Result<Vec<String>, Error> {
        let owing = self.store.rotations_to_revoke(credential.id).await?;
        if owing.is_empty() {
            return Ok(Vec::new());
        }
        // As it is now, not as it was when the caller read it.
        let credential = self.store.credential_by(credential.id).await?;
        let version = self.published_version(&credential).await?;
        if !self.laggards(consumers, &credential, version).await?.is_empty() {
            return Ok(Vec::new());
        }
        let mut revoked = Vec::new();
        for rotation in owing {
            revoked.extend(self.see_off_one(&credential, &rotation, connect).await?);
        }
        Ok(revoked)
    }

    async fn see_off_one(
        &self,
        credential: &Credential,
        rotation: &Rotation,
        connect: &Connect,
    ) -> Result<Option<String>, Error> {
        let Some(old) = rotation.to_revoke.clone().filter(|old| *old != credential.api_id) else {
            return Ok(None);
        };
        let minter = self.store.credential_by(rotation.minter).await?;
        let source = self.source(Subject::Credential(minter.id), "rotation");
        let client = connect(&Place::of(&minter), source)?;
        let asking = Asking::new(client.clone(), credential, minter.id == credential.id);
        let is_over = match asking.ends(&old).await {
            Ok((expires_ms, until_ms)) => {
                let now_ms = client.service_now_ms();
                [expires_ms, until_ms].into_iter().flatten().any(|ms| ms <= now_ms)
            }
            Err(error) if error.is_gone() => true,
            Err(error) => return Err(error.into()),
        };
        if !is_over {
            asking.revoke(&old).await?;
        }
        let deed = if is_over { Deed::OldHasEnded } else { Deed::Revoked };
        let act = Act::new(&credential.name, deed).with("api_id", old.as_str());
        let act = act.with("by", minter.name.as_str());
        let is_ours = self.store.settle_revocation(rotation.id, act, self.now()).await?;
        self.destroy_copies(credential, &old).await?;
        Ok((is_ours && !is_over).then_some(old))
    }

    /// Nothing signs with it any more.
    async fn destroy_copies(&self, credential: &Credential, api_id: &str) -> Result<(), Error> {
        let name = credential.vault_name.clone();
        for entry in self.with_vault(move |vault| vault.versions(&name)).await? {
            if entry.is_tombstone || !entry.api_id.eq_ignore_ascii_case(api_id) {
                continue;
            }
            let act = Act::new(&credential.name, Deed::Destroyed).with("api_id", api_id);
            self.store.audit(act.with("version", entry.version), self.now()).await?;
            self.with_vault(move |vault| vault.destroy(&entry.name, entry.version)).await?;
        }
        Ok(())
    }
}
