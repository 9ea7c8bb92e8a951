//! How a rotation ended, for whoever asked for it.

use countersign_store::Rotation;
use serde::Serialize;

use super::Mode;
use super::drive::Drive;
use super::machine::{End, Journal, Step};
use crate::error::Fault;

/// How a rotation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The new credential is in use.
    Done,
    /// What is live is what is published.
    Nothing,
    /// Nothing was changed.
    Abandoned,
    /// As many answers were lost as may be in one rotation.
    TooManyLost,
    /// The service does not accept the administrator who asks.
    Refused,
    /// That administrator lacks a role.
    Forbidden,
    /// The service does not accept the pair, and nobody else can ask.
    LockedOut,
    /// It has not ended: the next run goes on with it.
    Paused,
    /// Another process has taken over.
    Superseded,
}

impl Outcome {
    const ALL: [Self; 9] = [
        Self::Done,
        Self::Nothing,
        Self::Abandoned,
        Self::TooManyLost,
        Self::Refused,
        Self::Forbidden,
        Self::LockedOut,
        Self::Paused,
        Self::Superseded,
    ];

    /// As it is written down.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Nothing => "nothing",
            Self::Abandoned => "abandoned",
            Self::TooManyLost => "too_many_lost",
            Self::Refused => "refused",
            Self::Forbidden => "forbidden",
            Self::LockedOut => "locked_out",
            Self::Paused => "paused",
            Self::Superseded => "superseded",
        }
    }

    /// Of what was written down.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

/// How a rotation ended, or where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The credential that was replaced.
    pub credential: String,
    /// How.
    pub mode: Mode,
    /// How it ended, or that it has not.
    pub outcome: Outcome,
    /// The API ID before.
    pub old_api_id: String,
    /// The API ID that signs now.
    pub new_api_id: Option<String>,
    /// Its version in the vault.
    pub version: Option<u32>,
    /// When it expires, milliseconds since the Unix epoch.
    pub expires_ms: Option<i64>,
    /// When the old one ends, as the service says.
    pub old_until_ms: Option<i64>,
    /// How often a new one was asked for.
    pub mints: u32,
    /// How many of those were lost, and replaced.
    pub lost: u32,
    /// Whose copy is not the new one yet.
    pub laggards: Vec<String>,
    /// The old one, where it is to be revoked and was not yet: [`crate::Connector::see_off`]
    /// does it once nobody lags.
    pub to_revoke: Option<String>,
    /// How long calls were held off, in milliseconds.
    pub held_off_ms: u64,
    /// Why it did not end well.
    pub problem: Option<String>,
}

impl Report {
    /// Whether the credential that is published is the one that the service says is
    /// live.
    pub fn is_well(&self) -> bool {
        matches!(self.outcome, Outcome::Done | Outcome::Nothing)
    }

    /// Whose turn it is when it did not end well.
    pub fn fault(&self) -> Option<Fault> {
        match self.outcome {
            Outcome::Done | Outcome::Nothing => None,
            Outcome::LockedOut | Outcome::Refused => Some(Fault::NotAuthenticated),
            Outcome::Forbidden => Some(Fault::RoleMissing),
            Outcome::Superseded => Some(Fault::Storage),
            Outcome::Abandoned | Outcome::TooManyLost | Outcome::Paused => Some(Fault::Upstream),
        }
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

impl Drive<'_> {
    pub(super) fn report(&self, rotation: &Rotation, journal: &Journal<String>) -> Report {
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
    pub(super) fn unwritten(&self, outcome: Outcome, problem: Option<String>) -> Report {
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
