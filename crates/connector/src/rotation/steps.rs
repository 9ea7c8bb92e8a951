//! What a rotation does before it publishes: the vault is proven, the service asked, the
//! new credential sealed and tried.

use countersign_client::{Client, Error as ClientError};
use countersign_store::CredentialKind;
use countersign_vault::Vault;

use super::Mode;
use super::asking::{Asking, held, silence, try_it};
use super::drive::{Drive, fixed};
use super::machine::{Event, Held, Journal, Live};
use crate::error::Error;
use crate::integration::Place;

/// How often the vault is asked to take a new pair.
const SEAL_TRIES: u32 = 5;
/// How often the service is asked whether the new pair works.
const CONFIRM_TRIES: u32 = 3;

impl Drive<'_> {
    pub(super) async fn prove_vault(&self) -> Result<(), Error> {
        let (random, now_ms) = (self.connector.random.clone(), self.connector.now());
        let prove = move |vault: &dyn Vault| countersign_vault::prove(vault, &random, now_ms);
        self.connector.with_vault(prove).await
    }

    pub(super) async fn look(&mut self, journal: &Journal<String>) -> Result<Live<String>, Error> {
        let entries = self.entries().await?;
        let asking = self.asking(journal).await?;
        let seen = asking.live(&journal.old, &entries).await;
        if let Live::Unknown(id) = &seen.0 {
            if self.parties.target.kind == CredentialKind::OAuth {
                // Nobody can use a client whose secret was lost: it must not stay.
                asking.revoke(id).await?;
            } else if journal.mints == 0 {
                // Not lost by this rotation: somebody else made it.
                self.connector.note_live_id(self.parties.target.id, Some(id)).await?;
            }
        }
        Ok(self.saw(seen))
    }

    pub(super) async fn mint(&mut self, journal: &Journal<String>) -> Result<Event<String>, Error> {
        if let Some(parity) = self.parity(journal).await? {
            return Ok(parity);
        }
        self.shut().await?;
        let asking = self.asking(journal).await?;
        (self.watch)("asking");
        match asking.mint(journal.mints).await {
            Ok(fresh) => {
                self.problem = None;
                let id = fresh.secret.id().to_owned();
                self.fresh = Some(fresh);
                Ok(Event::Minted(id))
            }
            Err(error) => {
                self.problem = Some(error.to_string());
                self.is_forbidden = error.is_forbidden();
                self.is_refused = error.is_not_authenticated();
                let is_unauthenticated = error.is_not_authenticated() || self.is_forbidden;
                Ok(match error.may_have_been_done() {
                    true => Event::MintUnclear,
                    false => Event::MintRefused { is_unauthenticated },
                })
            }
        }
    }

    /// Twins are compared as they are now, before anything is asked for.
    async fn parity(&mut self, journal: &Journal<String>) -> Result<Option<Event<String>>, Error> {
        let Some(integration) = self.parties.switch else { return Ok(None) };
        let in_use = self.connector.store.credential_of(integration).await?;
        if in_use.id == self.parties.target.id {
            return Ok(None);
        }
        match self.asking(journal).await?.compare(&in_use, &self.parties.target).await {
            Ok(()) => Ok(None),
            Err(error) => {
                self.problem = Some(error.to_string());
                Ok(Some(Event::MintRefused { is_unauthenticated: false }))
            }
        }
    }

    /// Into the vault, whoever holds the lease by now: the one copy of this secret is
    /// here. What cannot be written down any more is written into the log.
    pub(super) async fn seal(&mut self, id: String) -> Result<Event<String>, Error> {
        let Some(fresh) = self.fresh.take() else { return Ok(Event::SealFailed(id)) };
        self.expires_ms = fresh.expires_ms;
        let (name, now_ms) = (self.parties.target.vault_name.clone(), self.connector.now());
        for nth in 1..=SEAL_TRIES {
            let (name, secret) = (name.clone(), fresh.secret.clone());
            let put = self.connector.with_vault(move |vault| vault.put(&name, &secret, now_ms));
            match put.await {
                Ok(version) => {
                    (self.watch)("in the vault");
                    self.problem = None;
                    let held = Held { id, version };
                    self.late = Some(held.clone());
                    return Ok(Event::Sealed(held));
                }
                Err(error) => self.problem = Some(error.to_string()),
            }
            // A failed write may have been one for all that.
            if let Some(held) = held(&id, &self.entries().await.unwrap_or_default()) {
                return Ok(Event::Sealed(held));
            }
            if nth < SEAL_TRIES {
                tokio::time::sleep(self.options.pause).await;
            }
        }
        Ok(Event::SealFailed(id))
    }

    pub(super) async fn confirm(
        &mut self,
        journal: &Journal<String>,
    ) -> Result<Event<String>, Error> {
        let Some(new) = &journal.new else { return Ok(Event::ConfirmUnclear) };
        let target = self.parties.target.clone();
        let name = target.vault_name.clone();
        let version = new.version;
        // Read back from the vault: what is published is what is there.
        let secret =
            self.connector.with_vault(move |vault| vault.get_version(&name, version)).await?;
        let client = (self.connect)(&Place::of(&target), fixed(secret))?;
        let itself = Asking::new(client.clone(), &target, true);
        for nth in 1..=CONFIRM_TRIES {
            match self.confirm_once(journal, &new.id, &client, &itself).await? {
                Tried::Settled(event) => return Ok(event),
                Tried::Refused if nth == CONFIRM_TRIES => {
                    return Ok(Event::ConfirmRefused(self.look(journal).await?));
                }
                Tried::Refused | Tried::Unclear => {}
            }
            if nth < CONFIRM_TRIES {
                tokio::time::sleep(self.options.pause).await;
            }
        }
        Ok(Event::ConfirmUnclear)
    }

    async fn confirm_once(
        &mut self,
        journal: &Journal<String>,
        new: &str,
        client: &Client,
        itself: &Asking,
    ) -> Result<Tried, Error> {
        if let Err(error) = try_it(client, &self.parties.target).await {
            return Ok(self.unconfirmed(&error));
        }
        let live = self.live_for(journal, itself).await?;
        if let Some(other) = live.as_ref().filter(|live| !is_it(live, new)) {
            return Ok(Tried::Settled(Event::ConfirmRefused(other.clone())));
        }
        match itself.ends(new).await {
            Ok((Some(expires_ms), _)) if live.is_some() => {
                self.expires_ms = Some(expires_ms);
                self.problem = None;
                Ok(Tried::Settled(Event::Confirmed))
            }
            Ok(_) => {
                self.problem.get_or_insert("the service does not report its expiry".into());
                Ok(Tried::Unclear)
            }
            Err(error) => Ok(self.unconfirmed(&error)),
        }
    }

    fn unconfirmed(&mut self, error: &ClientError) -> Tried {
        self.problem = Some(error.to_string());
        match silence(error) {
            Live::Refused => Tried::Refused,
            _ => Tried::Unclear,
        }
    }

    /// What the service says is live; none when it does not answer.
    async fn live_for(
        &mut self,
        journal: &Journal<String>,
        itself: &Asking,
    ) -> Result<Option<Live<String>>, Error> {
        let entries = self.entries().await?;
        let seen = match self.parties.mode {
            // With the new pair, which is known to work.
            Mode::SelfRenewal if !journal.is_rescued => itself.live(&journal.old, &entries).await,
            _ => self.asking(journal).await?.live(&journal.old, &entries).await,
        };
        Ok(match self.saw(seen) {
            Live::Silent | Live::Refused => None,
            live => Some(live),
        })
    }
}

/// What one try of the new credential showed.
enum Tried {
    Settled(Event<String>),
    Refused,
    Unclear,
}

fn is_it(live: &Live<String>, id: &str) -> bool {
    match live {
        Live::Ours(held) => held.id.eq_ignore_ascii_case(id),
        _ => false,
    }
}
