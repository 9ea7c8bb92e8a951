//! Replaces a credential before it lapses, so that a crash, a lost answer or a second
//! rotator at any moment leaves a working one.
//!
//! `machine` says what follows from what, `run` does it by `steps`, `journal` writes it
//! down, `asking` speaks to the service; `farewell` revokes later what somebody still ran. Three modes: an
//! *administrator* asks for the new pair of an API user (a lost answer can be asked for
//! again); *twins*, two API users of equal roles and teams, take turns, so that no call
//! ever waits; and a pair that renews it*self*, which is allowed only where an overlap or
//! an administrator can rescue it.

mod announce;
mod asking;
mod drive;
mod farewell;
mod journal;
pub mod machine;
mod report;
mod run;
pub mod schedule;
mod steps;

use std::sync::Arc;
use std::time::Duration;

use countersign_client::{Client, Source};
use countersign_store::{Credential, CredentialKind, IntegrationId};
use serde::Serialize;

pub use report::{Outcome, Report};

use crate::consumers::Consumers;
use crate::error::{Error, Fault};
use crate::integration::Place;
use crate::{Connector, Subject};
use drive::Drive;

/// Who asks for the new credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The pair itself.
    #[serde(rename = "self")]
    SelfRenewal,
    /// Another account.
    Administrator,
    /// Another account, for the twin that is not in use.
    Twins,
}

impl Mode {
    /// As it is written down and typed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SelfRenewal => "self",
            Self::Administrator => "administrator",
            Self::Twins => "twins",
        }
    }

    /// The mode of that name.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::SelfRenewal, Self::Administrator, Self::Twins];
        all.into_iter().find(|mode| mode.as_str() == name)
    }
}

/// How one credential is rotated.
#[derive(Debug, Clone)]
pub struct Arrangement {
    /// What is rotated, by name. For twins, the integration that uses one of them.
    pub name: String,
    /// How.
    pub mode: Mode,
    /// Who asks, or who can rescue a pair that renews itself: the name of a credential.
    pub by: Option<String>,
    /// The other of the twins.
    pub twin: Option<String>,
    /// How long the service lets the old pair of a renewal go on working, where that
    /// is known: what a pair that renews itself relies on without an administrator.
    pub overlap: Option<Duration>,
}

/// How rotations go about it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether to replace a credential that nothing is wrong with.
    pub is_wanted: bool,
    /// How often a new one may be asked for in one rotation.
    pub most_mints: u32,
    /// How long running calls are waited for.
    pub drain: Duration,
    /// How long a request may be on its way after its answer was given up.
    pub late: Duration,
    /// Between two tries of the vault or the service.
    pub pause: Duration,
    /// How long a lease of the right to rotate lasts.
    pub lease: Duration,
    /// Whether the old pair is revoked once nobody needs it, instead of left to the
    /// service.
    pub revoke_old: bool,
    /// Unlike any other process's, beginning with `machine` and a slash.
    pub holder: String,
    /// The same for all processes of this machine that use this store.
    pub machine: String,
}

/// Makes a client for a place with a source.
pub type Connect =
    Arc<dyn Fn(&Place, Arc<dyn Source>) -> Result<Client, countersign_client::Error> + Send + Sync>;

/// Called with each step once it is on disk, and with a short word for what is being
/// done in between.
pub type Watch = Arc<dyn Fn(&'static str) + Send + Sync>;

/// What takes part in one rotation, by row.
pub(crate) struct Parties {
    pub(crate) mode: Mode,
    pub(crate) target: Credential,
    pub(crate) minter: Credential,
    pub(crate) rescue: Option<Credential>,
    pub(crate) switch: Option<IntegrationId>,
}

impl Connector {
    /// Finds who takes part, and refuses what cannot be right.
    pub(crate) async fn parties(&self, arrangement: &Arrangement) -> Result<Parties, Error> {
        let by = match &arrangement.by {
            Some(by) => Some(self.store.credential(by).await.map_err(named)?),
            None => None,
        };
        match arrangement.mode {
            Mode::Twins => self.twins(arrangement, by).await,
            Mode::Administrator => {
                let target = self.store.credential(&arrangement.name).await.map_err(named)?;
                let minter = by.ok_or_else(|| needs_administrator("administrator"))?;
                is_another(&target, &minter)?;
                Ok(Parties {
                    mode: Mode::Administrator,
                    target,
                    minter,
                    rescue: None,
                    switch: None,
                })
            }
            Mode::SelfRenewal => {
                let target = self.store.credential(&arrangement.name).await.map_err(named)?;
                if target.kind != CredentialKind::Hmac {
                    let what = "an OAuth client cannot make another: a token may not";
                    return Err(Error::new(Fault::Config, what).hint("use mode `administrator`"));
                }
                let has_overlap = arrangement.overlap.is_some_and(|overlap| !overlap.is_zero());
                if by.is_none() && !has_overlap {
                    let what = format!(
                        "`{}` may not renew itself: if the answer got lost, nobody could get in any more",
                        target.name
                    );
                    return Err(Error::new(Fault::Config, what).hint(
                        "name an administrator who can rescue it (`by`), or how long the service accepts the old credentials (`overlap`)",
                    ));
                }
                if let Some(rescue) = &by {
                    is_another(&target, rescue)?;
                }
                Ok(Parties {
                    mode: Mode::SelfRenewal,
                    minter: target.clone(),
                    target,
                    rescue: by,
                    switch: None,
                })
            }
        }
    }

    async fn twins(
        &self,
        arrangement: &Arrangement,
        by: Option<Credential>,
    ) -> Result<Parties, Error> {
        let integration = self.store.integration(&arrangement.name).await?;
        let twin = arrangement.twin.as_ref().ok_or_else(|| {
            Error::new(Fault::Config, "twins need the name of the other one").hint("give `twin`")
        })?;
        let in_use = self.store.credential_of(integration.id).await?;
        let own = self.store.credential(&arrangement.name).await?;
        let other = self.store.credential(twin).await.map_err(named)?;
        if own.id == other.id || (in_use.id != own.id && in_use.id != other.id) {
            let what = format!("`{twin}` is not the twin of `{}`", arrangement.name);
            return Err(Error::new(Fault::Config, what));
        }
        let target = if in_use.id == own.id { other } else { own };
        let minter = by.ok_or_else(|| needs_administrator("twins"))?;
        is_another(&target, &minter)?;
        is_another(&in_use, &minter)?;
        is_equal(&in_use, &target)?;
        Ok(Parties {
            mode: Mode::Twins,
            target,
            minter,
            rescue: None,
            switch: Some(integration.id),
        })
    }

    /// Rotates, or goes on with a rotation that was interrupted. The report says how it
    /// ended; an error, that it could not begin or not be written down.
    pub async fn rotate(
        &self,
        arrangement: &Arrangement,
        options: &Options,
        connect: &Connect,
        consumers: &Consumers,
        watch: &Watch,
    ) -> Result<Report, Error> {
        let mut parties = self.parties(arrangement).await?;
        self.acquaint(&mut parties.target, connect).await?;
        if parties.minter.id == parties.target.id {
            parties.minter = parties.target.clone();
        } else {
            self.acquaint(&mut parties.minter, connect).await?;
        }
        if arrangement.mode != Mode::SelfRenewal {
            is_another(&parties.target, &parties.minter)?;
        }
        Drive::new(self, parties, options, connect, consumers, watch).run().await
    }

    /// The account behind a credential must be known before its pair is replaced: by its
    /// `user_id` the service is asked what is live.
    async fn acquaint(&self, credential: &mut Credential, connect: &Connect) -> Result<(), Error> {
        if credential.user_id.is_none() {
            let source = self.source(Subject::Credential(credential.id), "rotation");
            let client = connect(&Place::of(credential), source)?;
            self.look(credential, &client).await?;
            *credential = self.store.credential_by(credential.id).await?;
        }
        Ok(())
    }
}

fn named(error: countersign_store::Error) -> Error {
    let is_unknown = error.is_not_found();
    let error = Error::from(error);
    if is_unknown {
        Error::new(Fault::Config, error.to_string())
            .hint("`countersign credentials list` lists the credentials")
    } else {
        error
    }
}

fn needs_administrator(what: &str) -> Error {
    Error::new(Fault::Config, format!("mode `{what}` needs an account that issues the new credentials"))
        .hint("add an account with the Admin API role by `countersign credentials add`, and name it with `by`")
}

fn is_another(target: &Credential, minter: &Credential) -> Result<(), Error> {
    let is_same_account = target.user_id.is_some() && target.user_id == minter.user_id;
    if target.id == minter.id || is_same_account {
        let what = format!("`{}` cannot issue its own new credentials", target.name);
        return Err(Error::new(Fault::Config, what)
            .hint("name another account that holds the Admin API role"));
    }
    if target.url != minter.url {
        let what = format!("`{}` and `{}` are of two services", target.name, minter.name);
        return Err(Error::new(Fault::Config, what));
    }
    if minter.kind != CredentialKind::Hmac {
        let what = format!(
            "`{}` is an OAuth client, and a token may not issue API credentials",
            minter.name
        );
        return Err(Error::new(Fault::Config, what));
    }
    Ok(())
}

/// Twins see and may do the same, or a turn would change what is read.
fn is_equal(one: &Credential, other: &Credential) -> Result<(), Error> {
    let sorted = |texts: &[String]| {
        let mut texts = texts.to_vec();
        texts.sort();
        texts
    };
    let differs = |a: &[String], b: &[String]| sorted(a) != sorted(b);
    let what = if one.url != other.url {
        "services"
    } else if one.kind != other.kind {
        "kinds"
    } else if differs(&one.roles, &other.roles) {
        "roles"
    } else if differs(&one.teams, &other.teams) {
        "teams"
    } else {
        return Ok(());
    };
    let what = format!("`{}` and `{}` have different {what}", one.name, other.name);
    Err(Error::new(Fault::Config, what)
        .hint("twins must be alike, so that each sees what the other sees"))
}
