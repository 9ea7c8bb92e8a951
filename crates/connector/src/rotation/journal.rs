//! What is written down of a rotation: the journal, and what is to be known of each step
//! in the audit log, at once.

use countersign_store::{Act, CredentialKind, Deed, Lease, Publication, Rotation, RotationId};

use super::drive::Drive;
use super::machine::{Held, Journal, Step};
use super::report::Outcome;
use crate::error::{Error, Fault};

/// What is on disk of it.
pub(super) struct Written {
    pub(super) rotation: Rotation,
    pub(super) lease: Lease,
}

impl Drive<'_> {
    pub(super) async fn begun(&self, lease: Lease) -> Result<(Written, Journal<String>), Error> {
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
            .said(Deed::Armed)
            .with("mode", self.parties.mode.as_str())
            .with("by", minter.name.as_str())
            .with("old_api_id", target.api_id.as_str());
        let begin = self.connector.store.begin_rotation(rotation, lease.clone(), vec![armed]);
        Ok((Written { rotation: begin.await?, lease }, journal))
    }

    pub(super) fn resumed(
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
    pub(super) async fn write(
        &mut self,
        written: &mut Written,
        before: &Journal<String>,
        after: &Journal<String>,
        publication: Option<Publication>,
    ) -> Result<(), Error> {
        let mut acts = Vec::new();
        if after.lost > before.lost {
            acts.push(self.said(Deed::Lost).with("api_id", after.old.as_str()));
        }
        if after.is_rescued && !before.is_rescued {
            let rescue = self.parties.rescue.as_ref();
            let by = rescue.map(|rescue| rescue.name.as_str()).unwrap_or_default();
            acts.push(self.said(Deed::Rescued).with("by", by));
        }
        if after.mints > before.mints {
            let asked = self.said(Deed::Asked).with("nth", after.mints);
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
            Step::Ready => self.said(Deed::VaultProven),
            Step::Sealed => self.said(Deed::Sealed).with("api_id", id).with("version", version),
            Step::Proven => {
                let expires = self.expires_ms.map(countersign_findings::rfc3339);
                self.said(Deed::Confirmed).with("api_id", id).with("expires", expires)
            }
            Step::Published => {
                self.said(Deed::Published).with("api_id", id).with("version", version)
            }
            Step::Over => {
                let over = self
                    .said(Deed::Over)
                    .with("end", journal.end.map(|end| Outcome::from(end).as_str()));
                over.with("problem", self.problem.clone())
            }
        })
    }

    /// An OAuth client stays until it is revoked; a pair ends by itself.
    fn must_go(&self) -> bool {
        self.options.revoke_old || self.parties.target.kind == CredentialKind::OAuth
    }
}
