//! Does what the table in `machine` says. Every step is on disk, with what is to be
//! known of it in the audit log, before what follows from it is done: a log that
//! cannot be written stops a rotation before it asks for anything.

use countersign_store::{Claim, Deed, Lease, Publication};

use super::drive::Drive;
use super::journal::Written;
use super::machine::{Do, Event, Journal, Live, Rules, Step};
use super::report::{Outcome, Report};
use crate::error::{Error, Fault};

impl Drive<'_> {
    /// One rotator at a time: on this machine by a lock that dies with its process,
    /// across machines by a lease.
    pub(super) async fn run(mut self) -> Result<Report, Error> {
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
                    let act = self.said(Deed::SealedLate).with("api_id", held.id);
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
}
