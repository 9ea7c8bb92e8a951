//! A rotation that is being done: who takes part, what was found out so far, and what
//! its steps have in common.

use std::sync::Arc;
use std::time::Duration;

use countersign_client::{Error as ClientError, Fixed, Source};
use countersign_store::{Act, CredentialKind, Deed};
use countersign_vault::{Entry, Secret};
use tokio::time::Instant;

use super::asking::{Asking, Fresh, Seen};
use super::machine::{Held, Journal, Live};
use super::{Connect, Mode, Options, Parties, Watch};
use crate::consumers::Consumers;
use crate::error::Error;
use crate::fence::Shut;
use crate::integration::Place;
use crate::source::authority;
use crate::{Connector, Subject};

pub(super) struct Drive<'d> {
    pub(super) connector: &'d Connector,
    pub(super) parties: Parties,
    pub(super) options: &'d Options,
    pub(super) connect: &'d Connect,
    pub(super) consumers: &'d Consumers,
    pub(super) watch: &'d Watch,
    /// While calls are held off, since when.
    pub(super) shut: Option<(Shut, Instant)>,
    pub(super) held_off: Duration,
    pub(super) problem: Option<String>,
    /// Whether who asks was let in and lacks a role.
    pub(super) is_forbidden: bool,
    /// Whether the service did not accept who asked.
    pub(super) is_refused: bool,
    pub(super) laggards: Vec<String>,
    pub(super) old_until_ms: Option<i64>,
    pub(super) fresh: Option<Fresh>,
    /// In the vault, and not yet in the journal.
    pub(super) late: Option<Held<String>>,
    pub(super) expires_ms: Option<i64>,
}

impl<'d> Drive<'d> {
    pub(super) fn new(
        connector: &'d Connector,
        parties: Parties,
        options: &'d Options,
        connect: &'d Connect,
        consumers: &'d Consumers,
        watch: &'d Watch,
    ) -> Self {
        Self {
            connector,
            parties,
            options,
            connect,
            consumers,
            watch,
            shut: None,
            held_off: Duration::ZERO,
            problem: None,
            is_forbidden: false,
            is_refused: false,
            laggards: Vec::new(),
            old_until_ms: None,
            fresh: None,
            late: None,
            expires_ms: None,
        }
    }

    pub(super) fn said(&self, deed: Deed) -> Act {
        Act::new(&self.parties.target.name, deed)
    }

    /// Who asks: an administrator, or the pair itself by its own means.
    pub(super) async fn asking(&self, journal: &Journal<String>) -> Result<Asking, Error> {
        let target = &self.parties.target;
        let is_itself = self.parties.mode == Mode::SelfRenewal && !journal.is_rescued;
        if !is_itself {
            let minter = match &self.parties.rescue {
                Some(rescue) if journal.is_rescued => rescue,
                _ => &self.parties.minter,
            };
            let source = self.connector.source(Subject::Credential(minter.id), "rotation");
            let client = (self.connect)(&Place::of(minter), source)?;
            return Ok(Asking::new(client, target, false));
        }
        // Not by the source that the fence holds off.
        let published = self.connector.published(Subject::Credential(target.id)).await?;
        let secret = self.connector.secret(&published).await?;
        let client = (self.connect)(&Place::of(target), fixed(secret))?;
        Ok(Asking::new(client, target, true))
    }

    pub(super) async fn entries(&self) -> Result<Vec<Entry>, Error> {
        let name = self.parties.target.vault_name.clone();
        self.connector.with_vault(move |vault| vault.versions(&name)).await
    }

    pub(super) fn saw(&mut self, (live, problem): Seen) -> Live<String> {
        self.is_forbidden = problem.as_ref().is_some_and(ClientError::is_forbidden);
        self.is_refused = matches!(live, Live::Refused);
        self.problem = problem.map(|error| error.to_string());
        live
    }

    /// Twins are rotated while nobody uses them, and the old OAuth client works on.
    pub(super) async fn shut(&mut self) -> Result<(), Error> {
        let is_in_use =
            self.parties.mode != Mode::Twins && self.parties.target.kind == CredentialKind::Hmac;
        if is_in_use && self.shut.is_none() {
            let since = Instant::now();
            let shut =
                self.connector.fences.shut(self.parties.target.id, self.options.drain).await?;
            if !shut.is_drained {
                tracing::warn!("calls are still under way; going on without waiting for them");
            }
            self.shut = Some((shut, since));
        }
        Ok(())
    }

    pub(super) fn open(&mut self) {
        if let Some((_, since)) = self.shut.take() {
            self.held_off = self.held_off.max(since.elapsed());
        }
    }
}

pub(super) fn fixed(secret: Secret) -> Arc<dyn Source> {
    Arc::new(Fixed::new(authority(secret)))
}
