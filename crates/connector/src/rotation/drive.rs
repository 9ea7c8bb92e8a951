//! Does what the table in `machine` says. Every step is on disk, with what is to be
//! known of it in the audit log, before what follows from it is done: a log that
//! cannot be written stops a rotation before it asks for anything.

use std::time::Duration;

use countersign_client::{Authority, Error as ClientError, Fixed};
use countersign_store::{Act, Claim, CredentialKind, Lease, Publication, Rotation, RotationId};
use countersign_vault::{Credential as Secret, Entry, Vault};
use tokio::time::Instant;

use super::asking::{Asking, Fresh, Seen, held, silence, try_it};
use super::machine::{Do, End, Event, Held, Journal, Live, Rules, Step};
use super::{Connect, Mode, Options, Outcome, Parties, Report, Watch};
use crate::consumers::Consumers;
use crate::error::{Error, Fault};
use crate::fence::Shut;
use crate::integration::Place;
use crate::{Connector, Subject};

/// How often the vault is asked to take a new pair.
const SEAL_TRIES: u32 = 5;
/// How often the service is asked whether the new pair works.
const CONFIRM_TRIES: u32 = 3;

pub(crate) struct Drive<'d> {
    connector: &'d Connector,
    parties: Parties,
    options: &'d Options,
    connect: &'d Connect,
    consumers: &'d Consumers,
    watch: &'d Watch,
    /// While calls are held off, since when.
    shut: Option<(Shut, Instant)>,
    held_off: Duration,
    problem: Option<String>,
    /// Whether who asks was let in and lacks a role.
    is_forbidden: bool,
    /// Whether the service did not accept who asked.
    is_refused: bool,
    laggards: Vec<String>,
    old_until_ms: Option<i64>,
    fresh: Option<Fresh>,
    /// In the vault, and not yet in the journal.
    late: Option<Held<String>>,
    expires_ms: Option<i64>,
}

/// What is on disk of it.
struct Written {
    rotation: Rotation,
    lease: Lease,
}

impl<'d> Drive<'d> {
    pub(crate) fn new(
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

    /// One rotator at a time: on this machine by a lock that dies with its process,
    /// across machines by a lease.
    pub(crate) async fn run(mut self) -> Result<Report, Error> {
        let Some(_lock) = self.connector.fences.lock_rotation(self.parties.target.id)? else {
            return Err(self.busy());
        };
        let name = self.parties.target.name.clone();
        let claim = Claim {
            name: &name,
            holder: &self.options.holder,
            gone: &self.options.machine,
            now_ms: self.connector.now(),
            life_ms: i64::try_from(self.options.lease.as_millis()).unwrap_or(i64::MAX),
        };
        let Some(lease) = self.connector.store.take_lease(claim).await? else {
            return Err(self.busy());
        };
        let outcome = self.go(lease.clone()).await;
        self.open();
        match outcome {
            Err(error) if error.is_superseded() => {
                if let Some(held) = self.late.take() {
                    let act = self.said("sealed_late").with("api_id", held.id);
                    let act = act.with("version", held.version);
                    self.connector.store.audit(act, self.connector.now()).await?;
                }
                Ok(self.unwritten(Outcome::Superseded, Some(error.to_string())))
            }
            outcome => {
                self.connector.store.release_lease(lease).await?;
                outcome
            }
        }
    }

    fn busy(&self) -> Error {
        let what = format!("`{}` is being rotated by another process", self.parties.target.name);
        Error::new(Fault::Storage, what).hint("wait until it has ended")
    }

    async fn go(&mut self, lease: Lease) -> Result<Report, Error> {
        let under_way = self.connector.store.rotation_under_way(self.parties.target.id).await?;
        let (mut written, mut journal) = match under_way {
            Some(rotation) => self.resumed(rotation, lease)?,
            None => {
                // Nothing is begun to find that there is nothing to do.
                if !self.options.is_wanted
                    && let Some(report) = self.glance().await?
                {
                    return Ok(report);
                }
                self.begun(lease).await?
            }
        };
        if matches!(journal.step, Step::Minting | Step::Sealed | Step::Proven) {
            self.shut().await?;
        }
        let mut event = Event::Resumed;
        loop {
            let (next, act) = journal.next(event, self.rules());
            if next != journal {
                let publication = (journal.step == Step::Proven && next.step == Step::Published)
                    .then_some(Publication { switch: self.parties.switch });
                self.write(&mut written, &journal, &next, publication).await?;
                journal = next;
            }
            (self.watch)(journal.step.as_str());
            if matches!(act, Do::Pause | Do::Stop) {
                self.open();
                return Ok(self.report(&written.rotation, &journal));
            }
            event = self.act(act, &journal, &mut written).await?;
        }
    }

    /// Whether what is live is what is published; none when there is something to do.
    async fn glance(&mut self) -> Result<Option<Report>, Error> {
        let target = (self.parties.target.id, self.parties.target.api_id.clone());
        let live = self.look(&Journal::new(target.1.clone())).await?;
        Ok(match live {
            Live::Old => {
                self.connector.note_live_id(target.0, Some(&target.1)).await?;
                Some(self.unwritten(Outcome::Nothing, None))
            }
            Live::Silent => Some(self.unwritten(Outcome::Abandoned, self.problem.clone())),
            _ => None,
        })
    }

    fn rules(&self) -> Rules {
        Rules {
            most_mints: self.options.most_mints,
            has_rescue: self.parties.rescue.is_some(),
            is_wanted: self.options.is_wanted,
        }
    }

    async fn begun(&self, lease: Lease) -> Result<(Written, Journal<String>), Error> {
        let (target, minter) = (&self.parties.target, &self.parties.minter);
        let journal = Journal::new(target.api_id.clone());
        let now_ms = self.connector.now();
        let rotation = Rotation {
            id: RotationId::NONE,
            credential: target.id,
            mode: self.parties.mode.as_str().into(),
            minter: minter.id,
            step: journal.step.as_str().into(),
            begun_ms: now_ms,
            moved_ms: now_ms,
            old_id: journal.old.clone(),
            new_id: None,
            new_version: None,
            new_expires_ms: None,
            mints: 0,
            lost: 0,
            old_until_ms: None,
            to_revoke: None,
            problem: None,
            is_over: false,
        };
        let armed = self
            .said("armed")
            .with("mode", self.parties.mode.as_str())
            .with("by", minter.name.as_str())
            .with("old_api_id", target.api_id.as_str());
        let begin = self.connector.store.begin_rotation(rotation, lease.clone(), vec![armed]);
        Ok((Written { rotation: begin.await?, lease }, journal))
    }

    fn resumed(
        &mut self,
        rotation: Rotation,
        lease: Lease,
    ) -> Result<(Written, Journal<String>), Error> {
        let step = Step::parse(&rotation.step).ok_or_else(|| {
            let what = format!("a rotation stands at the unknown step `{}`", rotation.step);
            Error::new(Fault::Storage, what).hint("use the version of countersign that wrote it")
        })?;
        let new = rotation.new_id.clone().zip(rotation.new_version);
        let is_rescued =
            self.parties.rescue.as_ref().is_some_and(|rescue| rescue.id == rotation.minter);
        self.expires_ms = rotation.new_expires_ms;
        let journal = Journal {
            step,
            old: rotation.old_id.clone(),
            new: new.map(|(id, version)| Held { id, version }),
            mints: rotation.mints,
            lost: rotation.lost,
            is_rescued,
            end: None,
        };
        Ok((Written { rotation, lease }, journal))
    }

    /// Writes a step down, with everything that is to be known of it, at once.
    async fn write(
        &mut self,
        written: &mut Written,
        before: &Journal<String>,
        after: &Journal<String>,
        publication: Option<Publication>,
    ) -> Result<(), Error> {
        let mut acts = Vec::new();
        if after.lost > before.lost {
            acts.push(self.said("lost").with("api_id", after.old.as_str()));
        }
        if after.is_rescued && !before.is_rescued {
            let rescue = self.parties.rescue.as_ref();
            let by = rescue.map(|rescue| rescue.name.as_str()).unwrap_or_default();
            acts.push(self.said("rescued").with("by", by));
        }
        if after.mints > before.mints {
            let asked = self.said("asked").with("nth", after.mints);
            acts.push(asked.with("old_api_id", after.old.as_str()));
        }
        if after.step != before.step {
            acts.extend(self.reached(after));
        }
        let rotation = &mut written.rotation;
        if after.is_rescued
            && let Some(rescue) = &self.parties.rescue
        {
            rotation.minter = rescue.id;
        }
        if publication.is_some() && self.must_go() {
            rotation.to_revoke = Some(self.parties.target.api_id.clone());
        }
        rotation.step = after.step.as_str().into();
        rotation.moved_ms = self.connector.now();
        rotation.old_id.clone_from(&after.old);
        rotation.new_id = after.new.as_ref().map(|held| held.id.clone());
        rotation.new_version = after.new.as_ref().map(|held| held.version);
        rotation.new_expires_ms = self.expires_ms;
        rotation.mints = after.mints;
        rotation.lost = after.lost;
        rotation.old_until_ms = self.old_until_ms;
        rotation.problem.clone_from(&self.problem);
        rotation.is_over = after.step == Step::Over;
        let (rotation, lease) = (written.rotation.clone(), written.lease.clone());
        self.connector.store.move_rotation(rotation, lease, acts, publication).await?;
        self.late = None;
        Ok(())
    }

    fn reached(&self, journal: &Journal<String>) -> Option<Act> {
        let new = journal.new.as_ref();
        let id = new.map(|held| held.id.as_str()).unwrap_or_default();
        let version = new.map(|held| held.version).unwrap_or_default();
        Some(match journal.step {
            Step::Armed | Step::Minting => return None,
            Step::Ready => self.said("vault_proven"),
            Step::Sealed => self.said("sealed").with("api_id", id).with("version", version),
            Step::Proven => {
                let expires = self.expires_ms.map(countersign_findings::rfc3339);
                self.said("confirmed").with("api_id", id).with("expires", expires)
            }
            Step::Published => self.said("published").with("api_id", id).with("version", version),
            Step::Over => {
                let over = self
                    .said("over")
                    .with("end", journal.end.map(|end| Outcome::from(end).as_str()));
                over.with("problem", self.problem.clone())
            }
        })
    }

    fn said(&self, act: &str) -> Act {
        Act::new(&self.parties.target.name, act)
    }

    async fn act(
        &mut self,
        act: Do<String>,
        journal: &Journal<String>,
        written: &mut Written,
    ) -> Result<Event<String>, Error> {
        Ok(match act {
            Do::ProveVault => match self.prove_vault().await {
                Ok(()) => Event::VaultProven,
                Err(error) => {
                    self.problem = Some(error.to_string());
                    Event::VaultRefused
                }
            },
            Do::Look => Event::Saw(self.look(journal).await?),
            Do::SettleAndLook => {
                self.open();
                (self.watch)("waiting for a request that may be on its way");
                tokio::time::sleep(self.options.late).await;
                Event::SawSettled(self.look(journal).await?)
            }
            Do::Mint => self.mint(journal).await?,
            Do::Seal(id) => self.seal(id).await?,
            Do::Confirm => self.confirm(journal).await?,
            Do::Publish => Event::Published,
            Do::Announce => {
                self.announce(journal, written).await?;
                Event::Announced
            }
            Do::Pause | Do::Stop => Event::Resumed,
        })
    }

    async fn prove_vault(&self) -> Result<(), Error> {
        let (random, now_ms) = (self.connector.random.clone(), self.connector.now());
        let prove = move |vault: &dyn Vault| countersign_vault::prove(vault, &random, now_ms);
        self.connector.with_vault(prove).await
    }

    /// Who asks: an administrator, or the pair itself by its own means.
    async fn asking(&self, journal: &Journal<String>) -> Result<Asking, Error> {
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

    async fn entries(&self) -> Result<Vec<Entry>, Error> {
        let name = self.parties.target.vault_name.clone();
        self.connector.with_vault(move |vault| vault.versions(&name)).await
    }

    async fn look(&mut self, journal: &Journal<String>) -> Result<Live<String>, Error> {
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

    fn saw(&mut self, (live, problem): Seen) -> Live<String> {
        self.is_forbidden = problem.as_ref().is_some_and(ClientError::is_forbidden);
        self.is_refused = matches!(live, Live::Refused);
        self.problem = problem.map(|error| error.to_string());
        live
    }

    async fn mint(&mut self, journal: &Journal<String>) -> Result<Event<String>, Error> {
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
    async fn seal(&mut self, id: String) -> Result<Event<String>, Error> {
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

    async fn confirm(&mut self, journal: &Journal<String>) -> Result<Event<String>, Error> {
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
            let tried = try_it(&client, &target).await;
            let error = match tried {
                Ok(()) => {
                    let live = self.live_for(journal, &itself).await?;
                    if live.as_ref().is_some_and(|live| !is_it(live, &new.id)) {
                        return Ok(Event::ConfirmRefused(live.unwrap_or(Live::Nothing)));
                    }
                    match itself.ends(&new.id).await {
                        Ok((Some(expires_ms), _)) if live.is_some() => {
                            self.expires_ms = Some(expires_ms);
                            self.problem = None;
                            return Ok(Event::Confirmed);
                        }
                        Ok(_) => {
                            self.problem
                                .get_or_insert("the service does not tell its expiry".into());
                            None
                        }
                        Err(error) => Some(error),
                    }
                }
                Err(error) => Some(error),
            };
            if let Some(error) = error {
                self.problem = Some(error.to_string());
                if matches!(silence(&error), Live::Refused) && nth == CONFIRM_TRIES {
                    return Ok(Event::ConfirmRefused(self.look(journal).await?));
                }
            }
            if nth < CONFIRM_TRIES {
                tokio::time::sleep(self.options.pause).await;
            }
        }
        Ok(Event::ConfirmUnclear)
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

    /// After the new one is published: everybody is told, those who keep copies get
    /// theirs, and the old one is seen off.
    async fn announce(
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

    /// An OAuth client stays until it is revoked; a pair ends by itself.
    fn must_go(&self) -> bool {
        self.options.revoke_old || self.parties.target.kind == CredentialKind::OAuth
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
        let asking = match self.parties.mode {
            Mode::SelfRenewal if !journal.is_rescued => {
                let published =
                    self.connector.published(Subject::Credential(self.parties.target.id)).await?;
                let secret = self.connector.secret(&published).await?;
                let client = (self.connect)(&Place::of(&published), fixed(secret))?;
                Asking::new(client, &self.parties.target, true)
            }
            _ => self.asking(journal).await?,
        };
        if written.rotation.to_revoke.is_some() && self.laggards.is_empty() {
            match asking.revoke(old).await {
                Ok(()) => {
                    let act = self.said("revoked").with("api_id", old);
                    self.connector.store.audit(act, self.connector.now()).await?;
                    written.rotation.to_revoke = None;
                }
                Err(error) => self.problem = Some(error.to_string()),
            }
        } else if written.rotation.to_revoke.is_some() {
            let act = self.said("revocation_waits").with("api_id", old);
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
        let mut gone = Vec::new();
        for entry in self.entries().await? {
            let is_previous = entry.api_id.eq_ignore_ascii_case(old);
            if entry.version < current && !entry.is_tombstone && (!is_previous || is_old_over) {
                gone.push(entry);
            }
        }
        for entry in gone {
            let act = self
                .said("destroyed")
                .with("api_id", entry.api_id.as_str())
                .with("version", entry.version);
            self.connector.store.audit(act, written.rotation.moved_ms).await?;
            self.connector
                .with_vault(move |vault| vault.destroy(&entry.name, entry.version))
                .await?;
        }
        Ok(())
    }

    /// Twins are rotated while nobody uses them, and the old OAuth client works on.
    async fn shut(&mut self) -> Result<(), Error> {
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

    fn open(&mut self) {
        if let Some((_, since)) = self.shut.take() {
            self.held_off = self.held_off.max(since.elapsed());
        }
    }

    fn report(&self, rotation: &Rotation, journal: &Journal<String>) -> Report {
        let is_new = matches!(journal.step, Step::Published | Step::Over);
        let new = journal.new.as_ref().filter(|_| is_new);
        Report {
            credential: self.parties.target.name.clone(),
            mode: self.parties.mode,
            outcome: self.outcome(journal),
            old_api_id: self.parties.target.api_id.clone(),
            new_api_id: new.map(|held| held.id.clone()),
            version: new.map(|held| held.version),
            expires_ms: rotation.new_expires_ms,
            old_until_ms: self.old_until_ms,
            mints: journal.mints,
            lost: journal.lost,
            laggards: self.laggards.clone(),
            to_revoke: rotation.to_revoke.clone(),
            held_off_ms: u64::try_from(self.held_off.as_millis()).unwrap_or(u64::MAX),
            problem: self.problem.clone(),
        }
    }

    /// Where an administrator asks, a refusal locks nobody out: it is that one's pair.
    fn outcome(&self, journal: &Journal<String>) -> Outcome {
        match journal.end {
            Some(End::LockedOut) if self.parties.mode != Mode::SelfRenewal => {
                if self.is_forbidden {
                    Outcome::Forbidden
                } else {
                    Outcome::Refused
                }
            }
            None if self.is_refused && self.is_alone() => Outcome::LockedOut,
            end => end.map_or(Outcome::Paused, Outcome::from),
        }
    }

    /// Whether nobody can ask but the pair itself.
    fn is_alone(&self) -> bool {
        self.parties.mode == Mode::SelfRenewal && self.parties.rescue.is_none()
    }

    /// A report of something that is not in the journal.
    fn unwritten(&self, outcome: Outcome, problem: Option<String>) -> Report {
        Report {
            credential: self.parties.target.name.clone(),
            mode: self.parties.mode,
            outcome,
            old_api_id: self.parties.target.api_id.clone(),
            new_api_id: None,
            version: None,
            expires_ms: None,
            old_until_ms: None,
            mints: 0,
            lost: 0,
            laggards: Vec::new(),
            to_revoke: None,
            held_off_ms: 0,
            problem,
        }
    }
}

fn is_it(live: &Live<String>, id: &str) -> bool {
    match live {
        Live::Ours(held) => held.id.eq_ignore_ascii_case(id),
        _ => false,
    }
}

impl From<End> for Outcome {
    fn from(end: End) -> Self {
        match end {
            End::Done => Self::Done,
            End::Nothing => Self::Nothing,
            End::Abandoned => Self::Abandoned,
            End::TooManyLost => Self::TooManyLost,
            End::LockedOut => Self::LockedOut,
        }
    }
}

fn fixed(secret: Secret) -> std::sync::Arc<dyn countersign_client::Source> {
    let authority = match secret {
        Secret::Pair(pair) => Authority::from(&pair),
        Secret::OAuthClient(client) => Authority::from(client),
    };
    std::sync::Arc::new(Fixed::new(authority))
}
