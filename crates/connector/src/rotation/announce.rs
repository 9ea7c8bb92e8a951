//! After the new credential was published: everybody is told, and the old one is seen off.

use countersign_store::Deed;

use super::drive::Drive;
use super::journal::Written;
use super::machine::Journal;
use crate::Subject;
use crate::error::Error;

impl Drive<'_> {
    /// After the new one is published: everybody is told, those who keep copies get
    /// theirs, and the old one is seen off.
    pub(super) async fn announce(
        &mut self,
        journal: &Journal<String>,
        written: &mut Written,
    ) -> Result<(), Error> {
        self.connector.fences.announce()?;
        self.open();
        let published =
            self.connector.published(Subject::Credential(self.parties.target.id)).await?;
        if let Err(error) = self.hand_over(&published).await {
            self.problem = Some(error.to_string());
            self.laggards = vec!["consumers that could not be asked".into()];
        }
        self.connector.note_live_id(published.id, Some(&published.api_id)).await?;
        // What was published before: a lost one in between is nobody's to see off. Gone
        // on with after a crash, only the journal knows it.
        let old = written.rotation.to_revoke.clone();
        let old = old.unwrap_or_else(|| self.parties.target.api_id.clone());
        if old != published.api_id {
            self.see_off(journal, &old, written).await?;
        }
        self.tidy(&published, &old, written).await
    }

    /// To those who keep a copy. Who does not run it yet is named; the watch goes on.
    async fn hand_over(&mut self, published: &countersign_store::Credential) -> Result<(), Error> {
        let version = self.connector.published_version(published).await?;
        self.connector.deliver(self.consumers, published, version).await?;
        self.laggards = self.connector.laggards(self.consumers, published, version).await?;
        Ok(())
    }

    /// Revokes the old one, if that is wanted and nobody runs it. Else the journal keeps
    /// it for [`Connector::see_off`].
    async fn see_off(
        &mut self,
        journal: &Journal<String>,
        old: &str,
        written: &mut Written,
    ) -> Result<(), Error> {
        let asking = self.asking(journal).await?;
        if written.rotation.to_revoke.is_some() && self.laggards.is_empty() {
            match asking.revoke(old).await {
                Ok(()) => {
                    let act = self.said(Deed::Revoked).with("api_id", old);
                    self.connector.store.audit(act, self.connector.now()).await?;
                    written.rotation.to_revoke = None;
                }
                Err(error) => self.problem = Some(error.to_string()),
            }
        } else if written.rotation.to_revoke.is_some() {
            let act = self.said(Deed::RevocationWaits).with("api_id", old);
            let act = act.with("laggards", self.laggards.join(", "));
            self.connector.store.audit(act, self.connector.now()).await?;
        }
        if let Ok((expires_ms, until_ms)) = asking.ends(old).await {
            self.old_until_ms = until_ms.or(expires_ms);
        }
        Ok(())
    }

    /// Destroys versions that nothing can sign with any more: all before the one that
    /// was published, and that one once the service says that it has ended.
    async fn tidy(
        &self,
        published: &countersign_store::Credential,
        old: &str,
        written: &Written,
    ) -> Result<(), Error> {
        let Some(current) = published.version else { return Ok(()) };
        let now_ms = self.connector.now();
        let is_old_over = self.old_until_ms.is_some_and(|until_ms| until_ms <= now_ms);
        for entry in self.entries().await? {
            let is_previous = entry.api_id.eq_ignore_ascii_case(old);
            if entry.version >= current || entry.is_tombstone || (is_previous && !is_old_over) {
                continue;
            }
            let act = self
                .said(Deed::Destroyed)
                .with("api_id", entry.api_id.as_str())
                .with("version", entry.version);
            self.connector.store.audit(act, written.rotation.moved_ms).await?;
            self.connector
                .with_vault(move |vault| vault.destroy(&entry.name, entry.version))
                .await?;
        }
        Ok(())
    }
}
