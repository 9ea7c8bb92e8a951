//! Who is given a new credential after its rotation was published, and who runs it.
//!
//! Each delivery is on disk before it is made and after, so that one that died in
//! between goes on where it was. Consumers are to be idempotent: the same version may
//! come twice. Nothing that is said or stored here holds a secret: what a consumer
//! says is searched for it first.

mod command;
mod file;
mod forms;

use std::future::Future;
use std::pin::Pin;

use countersign_signing::Region;
use countersign_store::{Act, Credential, Deed, Handover};
use countersign_vault::Secret;
use serde_json::Value;
use zeroize::Zeroizing;

pub use command::Command;
pub use file::{File, Form};
pub use forms::{Kubernetes, Names, Variables};

use crate::Connector;
use crate::error::{Error, Fault};
use crate::keyfiles::region_of;
use crate::watch::plan::{is_time, wait_ms};

/// A version of a credential, for those who are to run it.
#[derive(Debug, Clone)]
pub struct Release {
    /// Name of the credential.
    pub name: String,
    /// Its version in the vault.
    pub version: u32,
    /// It.
    pub secret: Secret,
    /// When it expires, as the service said.
    pub expires_ms: Option<i64>,
    /// Veracode URL.
    pub url: String,
}

impl Release {
    /// Its public id, as the tools of its service expect it: with the prefix of the
    /// region that the URL belongs to.
    pub fn id(&self) -> String {
        match &self.secret {
            Secret::Pair(pair) => pair.id.regional(self.region()),
            Secret::OAuthClient(client) => client.id.clone(),
        }
    }

    /// Its secret in the same form.
    pub fn secret(&self) -> Zeroizing<String> {
        let Secret::Pair(pair) = &self.secret else {
            let text = String::from_utf8_lossy(self.secret.secret().expose());
            return Zeroizing::new(text.into_owned());
        };
        pair.secret.expose_regional(self.region())
    }

    fn region(&self) -> Region {
        region_of(&self.url).unwrap_or(Region::Commercial)
    }

    /// What somebody said, unless the secret is in it.
    fn without_secret(&self, said: String) -> String {
        let lower = said.to_ascii_lowercase();
        let secret = self.secret();
        let bare = self.secret.secret().expose_hex();
        let is_in_it = |text: &str| !text.is_empty() && lower.contains(&*text.to_ascii_lowercase());
        if is_in_it(&secret) || is_in_it(&bare) {
            return "what it said is withheld: the secret was in it".into();
        }
        said
    }
}

/// What a consumer made of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// It runs this version.
    Acknowledged,
    /// It has it, and has not said that it runs it; with what it said instead.
    Delivered(Option<String>),
}

/// An answer that is waited for.
pub type Answering<'s, T> = Pin<Box<dyn Future<Output = T> + Send + 's>>;

/// Somebody who runs a credential.
pub trait Consumer: Send + Sync {
    /// Its name, unlike any other's.
    fn name(&self) -> &str;

    /// The credential that it runs.
    fn credential(&self) -> &str;

    /// What it is: a machine word.
    fn kind(&self) -> &'static str;

    /// Gives it a release. The same may come twice. Fails with why not, in a sentence
    /// without secrets.
    fn deliver<'s>(&'s self, release: &'s Release) -> Answering<'s, Result<Receipt, String>>;

    /// Whether it has this release now; none where that cannot be looked up.
    fn holds<'s>(&'s self, _: &'s Release) -> Answering<'s, Option<bool>> {
        Box::pin(std::future::ready(None))
    }
}

/// All of them.
#[derive(Default)]
pub struct Consumers(Vec<Box<dyn Consumer>>);

impl Consumers {
    /// Adds one.
    pub fn add(&mut self, consumer: Box<dyn Consumer>) {
        self.0.push(consumer);
    }

    /// Those of one credential.
    pub fn of(&self, credential: &str) -> impl Iterator<Item = &dyn Consumer> {
        let all = self.0.iter().map(|one| &**one);
        all.filter(move |one| one.credential() == credential)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Consumer> {
        self.0.iter().map(|one| &**one)
    }
}

/// How far a version is with one consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Name of the consumer.
    pub consumer: String,
    /// What it is.
    pub kind: &'static str,
    /// Which version.
    pub version: u32,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was delivered.
    pub delivered_ms: Option<i64>,
    /// When the consumer ran it; for a file, it still holds it.
    pub acknowledged_ms: Option<i64>,
    /// What was wrong at the last try.
    pub problem: Option<String>,
    /// When the next try is due, if there is to be one.
    pub next_ms: Option<i64>,
}

impl Connector {
    /// Gives the published version to every consumer of the credential that does not
    /// run it and whose time has come. Goes on where it was, with each of them alone:
    /// the failure of one holds up no other. To be called again until
    /// [`Connector::laggards`] names nobody.
    pub async fn deliver(
        &self,
        consumers: &Consumers,
        credential: &Credential,
        version: u32,
    ) -> Result<Vec<Progress>, Error> {
        let release = self.release(credential, version).await?;
        for consumer in consumers.of(&credential.name) {
            self.deliver_to(consumer, credential, &release).await?;
        }
        self.progress(consumers, credential, version).await
    }

    /// Consumers of the credential that have not said that they run this version, or
    /// do not hold it any more.
    pub async fn laggards(
        &self,
        consumers: &Consumers,
        credential: &Credential,
        version: u32,
    ) -> Result<Vec<String>, Error> {
        let progress = self.progress(consumers, credential, version).await?;
        let late = progress.into_iter().filter(|one| one.acknowledged_ms.is_none());
        Ok(late.map(|one| one.consumer).collect())
    }

    /// How far a version is with each consumer of the credential.
    pub async fn progress(
        &self,
        consumers: &Consumers,
        credential: &Credential,
        version: u32,
    ) -> Result<Vec<Progress>, Error> {
        if consumers.of(&credential.name).next().is_none() {
            return Ok(Vec::new());
        }
        let release = self.release(credential, version).await?;
        let handovers = self.store.handovers(credential.id).await?;
        let mut all = Vec::new();
        for consumer in consumers.of(&credential.name) {
            let held = find(&handovers, consumer, version);
            let holds = consumer.holds(&release).await;
            let held = held.unwrap_or_else(|| fresh(credential, consumer, version));
            let acknowledged_ms = match holds {
                Some(true) => held.acknowledged_ms.or(Some(self.now())),
                Some(false) => None,
                None => held.acknowledged_ms,
            };
            let is_awaited = held.delivered_ms.is_some() && holds.is_none();
            let is_tried_again = acknowledged_ms.is_none() && !is_awaited;
            all.push(Progress {
                consumer: held.consumer,
                kind: consumer.kind(),
                version,
                attempts: held.attempts,
                delivered_ms: held.delivered_ms,
                acknowledged_ms,
                problem: held.problem,
                next_ms: is_tried_again.then_some(held.next_ms),
            });
        }
        Ok(all)
    }

    /// Notes that a consumer runs a version, as somebody says who knows. Refused for a
    /// version that it was not given.
    pub async fn acknowledge_handover(
        &self,
        credential: &Credential,
        consumer: &str,
        version: u32,
    ) -> Result<(), Error> {
        let handovers = self.store.handovers(credential.id).await?;
        let mut of_it = handovers.into_iter().filter(|one| one.consumer == consumer);
        let held = of_it.find(|one| one.version == version && one.delivered_ms.is_some());
        let Some(held) = held else {
            let what = format!(
                "version {version} of `{}` was not delivered to `{consumer}`",
                credential.name
            );
            return Err(Error::new(Fault::Config, what)
                .hint("`countersign credentials consumers` lists what was delivered to whom"));
        };
        let act = act(&credential.name, consumer, version, Deed::HandoverAcknowledged)
            .with("by", "a person");
        let now_ms = self.now();
        let held = Handover { acknowledged_ms: Some(now_ms), problem: None, ..held };
        Ok(self.store.settle_handover(held, act, now_ms).await?)
    }

    /// The number of the version that signs now.
    pub async fn published_version(&self, credential: &Credential) -> Result<u32, Error> {
        if let Some(version) = credential.version {
            return Ok(version);
        }
        let name = credential.vault_name.clone();
        self.with_vault(move |vault| Ok(vault.get(&name)?.0)).await
    }

    async fn release(&self, credential: &Credential, version: u32) -> Result<Release, Error> {
        let published = self.published_version(credential).await?;
        if version != published {
            let what = format!(
                "version {version} of `{}` is not the published one, which is {published}",
                credential.name
            );
            return Err(Error::new(Fault::Config, what));
        }
        let vault_name = credential.vault_name.clone();
        let secret = self.with_vault(move |vault| vault.get_version(&vault_name, version)).await?;
        Ok(Release {
            name: credential.name.clone(),
            version,
            secret,
            expires_ms: credential.expires_ms,
            url: credential.url.clone(),
        })
    }

    async fn deliver_to(
        &self,
        consumer: &dyn Consumer,
        credential: &Credential,
        release: &Release,
    ) -> Result<(), Error> {
        let handovers = self.store.handovers(credential.id).await?;
        let held = find(&handovers, consumer, release.version);
        let is_lost = consumer.holds(release).await == Some(false);
        let is_done = held.as_ref().is_some_and(|held| held.delivered_ms.is_some());
        if is_done && !is_lost {
            return Ok(());
        }
        let now_ms = self.now();
        let held = held.unwrap_or_else(|| fresh(credential, consumer, release.version));
        // What was lost after it was taken is put back at once.
        let is_put_back = is_lost && held.acknowledged_ms.is_some();
        if held.attempts > 0 && !is_put_back && !is_time(held.next_ms, now_ms) {
            return Ok(());
        }
        let next_ms = now_ms.saturating_add(wait_ms(held.attempts));
        if !self.store.claim_handover(&held, next_ms).await? {
            return Ok(());
        }
        let outcome = consumer.deliver(release).await;
        let mut settled = Handover { problem: None, acknowledged_ms: None, ..held };
        let deed = match outcome {
            Ok(Receipt::Acknowledged) => {
                (settled.delivered_ms, settled.acknowledged_ms) = (Some(now_ms), Some(now_ms));
                Deed::HandoverAcknowledged
            }
            Ok(Receipt::Delivered(said)) => {
                settled.delivered_ms = Some(now_ms);
                settled.problem = said.map(|said| release.without_secret(said));
                Deed::HandoverDelivered
            }
            Err(why) => {
                settled.delivered_ms = None;
                settled.problem = Some(release.without_secret(why));
                Deed::HandoverFailed
            }
        };
        let act = act(&release.name, consumer.name(), release.version, deed);
        Ok(self.store.settle_handover(settled, act, now_ms).await?)
    }
}

fn find(handovers: &[Handover], consumer: &dyn Consumer, version: u32) -> Option<Handover> {
    let is_it = |one: &&Handover| one.consumer == consumer.name() && one.version == version;
    handovers.iter().find(is_it).cloned()
}

fn fresh(credential: &Credential, consumer: &dyn Consumer, version: u32) -> Handover {
    Handover {
        credential: credential.id,
        consumer: consumer.name().to_owned(),
        version,
        attempts: 0,
        next_ms: 0,
        delivered_ms: None,
        acknowledged_ms: None,
        problem: None,
    }
}

fn act(credential: &str, consumer: &str, version: u32, deed: Deed) -> Act {
    let act = Act::new(credential, deed);
    act.with("consumer", Value::from(consumer)).with("version", version)
}
