//! `credentials watch|acknowledge|calendar|metrics`, and how credentials are asked
//! about.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use countersign_connector::consumers::Consumers;
use countersign_connector::duty::{Round, walk};
use countersign_connector::watch::{Channels, PURPOSE, Row};
use countersign_files::{self as files, Readers};
use countersign_store::Credential;
use tokio::task::JoinSet;

use super::context::{Context, Current};
use super::schedule;
use crate::args::{Acknowledge, Feed, WatchCredentials};
use crate::channels::channels;
use crate::config::Config;
use crate::config::watch::Span;
use crate::consumers::consumers;
use crate::failure::{Exit, Failure};
use crate::output::{note, print_data};
use crate::system;

/// What one process alone does in a while, of those that share a database.
const MONITORING: &str = "(monitoring)";
/// Longest that one credential may take.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) async fn run(context: &Context, args: WatchCredentials) -> Result<(), Failure> {
    let rounds = Rounds::open(Current::new(context), args.json)?;
    let every = args.every.unwrap_or(context.config.watch.every);
    tokio::select! {
        ended = tokio::signal::ctrl_c() => Ok(ended?),
        outcome = async {
            match args.once {
                true => rounds.pass().await,
                false => {
                    let clock = context.connector.clock.clone();
                    match walk(vec![rounds.round(every)], clock, schedule::wait()).await {}
                }
            }
        } => outcome,
    }
}

/// One look after the other. `serve` has them beside its scheduler.
pub(crate) struct Rounds {
    current: Current,
    is_json: bool,
}

impl Rounds {
    /// Refuses channels and consumers that cannot work, before anything is sent.
    pub(crate) fn open(current: Current, is_json: bool) -> Result<Self, Failure> {
        ways(&current.get().config, is_json)?;
        Ok(Self { current, is_json })
    }

    /// Given up in the middle, a look goes on where it was at the next start.
    pub(crate) fn round(self, every: Span) -> Round {
        let rounds = Arc::new(self);
        let every_ms = every.ms();
        let act = move || {
            let rounds = Arc::clone(&rounds);
            Box::pin(async move {
                if let Err(failure) = rounds.pass_in_turn(every_ms).await {
                    note(&format!("this look failed: {failure}"));
                }
            }) as _
        };
        Round { every_ms, act: Arc::new(act) }
    }

    /// Of the processes that share a database one asks, in each period. The others write their
    /// own feeds.
    async fn pass_in_turn(&self, every_ms: i64) -> Result<(), Failure> {
        let context = &self.current.get();
        match takes_turn(context, MONITORING, every_ms).await? {
            true => self.pass().await,
            false => write_feeds(context).await,
        }
    }

    async fn pass(&self) -> Result<(), Failure> {
        // As it is configured at this moment.
        let context = &self.current.get();
        let (channels, consumers) = &ways(&context.config, self.is_json)?;
        refresh(context).await?;
        let rotated = super::rotation::look_after(context).await;
        let policy = context.config.watch.policy();
        let sent = context.connector.notify(&policy, channels).await?;
        for why in &sent.failed {
            note(&format!("not delivered, and tried again later: {why}"));
        }
        let resumed = resume(context, consumers).await;
        write_feeds(context).await?;
        rotated?;
        resumed?;
        if sent.failed.is_empty() { Ok(()) } else { Err(Failure::silent(Exit::Upstream)) }
    }
}

/// Whether this process does something that is done once in a while, whoever shares the store.
pub(crate) async fn takes_turn(
    context: &Context,
    what: &str,
    every_ms: i64,
) -> Result<bool, Failure> {
    if !context.store().is_shared() {
        return Ok(true);
    }
    // Processes of one data directory are one: one that was started again goes on.
    let machine = super::rotation::machine(context.home.path(), &context.connector.random)?;
    Ok(context.store().take_turn(what, &machine, every_ms).await?)
}

/// Where notices and new versions go.
pub(crate) fn ways(config: &Config, is_json: bool) -> Result<(Channels, Consumers), Failure> {
    Ok((channels(&config.watch, is_json)?, consumers(config)?))
}

/// Asks the service about every credential, all at once. What one answers, or that it
/// does not, is noted in the inventory.
pub(crate) async fn refresh(context: &Context) -> Result<(), Failure> {
    let mut looks = JoinSet::new();
    for credential in context.store().credentials().await? {
        let client = match context.client_for(&credential, PURPOSE) {
            Ok(client) => client,
            Err(failure) => {
                note(&format!("`{}` cannot be asked about: {failure}", credential.name));
                continue;
            }
        };
        let connector = context.connector.clone();
        looks.spawn(async move {
            let looked = connector.look(&credential, &client);
            match tokio::time::timeout(PATIENCE, looked).await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some((credential.name, error.to_string())),
                Err(_) => Some((credential.name, "the service did not answer in time".into())),
            }
        });
    }
    while let Some(looked) = looks.join_next().await {
        if let Some((name, why)) = looked.map_err(Failure::unexpected)? {
            note(&format!("`{name}`: {}", why.lines().next().unwrap_or_default()));
        }
    }
    Ok(())
}

/// Goes on with what rotations began to hand over, and revokes what they were to revoke
/// once nobody lags. The trouble of one credential holds up no other.
async fn resume(context: &Context, consumers: &Consumers) -> Result<(), Failure> {
    let mut worst = None;
    for credential in context.store().credentials().await? {
        if let Err(failure) = resume_one(context, consumers, &credential).await {
            note(&format!("`{}`: {failure}", credential.name));
            worst = worst.or(Some(failure.exit()));
        }
    }
    worst.map_or(Ok(()), |exit| Err(Failure::silent(exit)))
}

async fn resume_one(
    context: &Context,
    consumers: &Consumers,
    credential: &Credential,
) -> Result<(), Failure> {
    let handovers = context.store().handovers(credential.id).await?;
    if !handovers.is_empty() {
        let version = context.connector.published_version(credential).await?;
        if handovers.iter().any(|one| one.version == version) {
            context.connector.deliver(consumers, credential, version).await?;
        }
    }
    let connect = super::rotation::connect(context, PATIENCE);
    for id in context.connector.see_off(credential, &connect, consumers).await? {
        note(&format!(
            "revoked {id}: every consumer runs the new credentials of `{}`",
            credential.name
        ));
    }
    Ok(())
}

async fn write_feeds(context: &Context) -> Result<(), Failure> {
    let (config, connector) = (&context.config.watch, &context.connector);
    let rows = rows(context).await?;
    if let Some(path) = &config.calendar {
        write(path, &connector.calendar(&rows).await?)?;
    }
    if let Some(path) = &config.metrics {
        write(path, &connector.metrics(&rows).await?)?;
    }
    if let Some(path) = &config.snapshot {
        write(path, &connector.snapshot(&rows).await?)?;
    }
    Ok(())
}

pub(crate) async fn rows(context: &Context) -> Result<Vec<Row>, Failure> {
    Ok(context.connector.inventory(&context.config.watch.policy()).await?)
}

pub(crate) async fn acknowledge(context: &Context, args: Acknowledge) -> Result<(), Failure> {
    let credential = named(context, &args.name).await?;
    if let (Some(consumer), Some(version)) = (&args.consumer, args.version) {
        context.connector.acknowledge_handover(&credential, consumer, version).await?;
        note(&format!("`{consumer}` runs version {version} of `{}`", credential.name));
        return Ok(());
    }
    let count = context.store().acknowledge_notices(credential.id, context.now()).await?;
    note(&match count {
        0 => format!("there is nothing to acknowledge for `{}`", credential.name),
        1 => format!("acknowledged one notice for `{}`", credential.name),
        count => format!("acknowledged {count} notices for `{}`", credential.name),
    });
    Ok(())
}

pub(crate) async fn named(context: &Context, name: &str) -> Result<Credential, Failure> {
    context
        .store()
        .credential(name)
        .await
        .map_err(|error| if error.is_not_found() { Failure::usage(error) } else { error.into() })
}

pub(crate) async fn calendar(context: &Context, args: Feed) -> Result<(), Failure> {
    put(args, &context.connector.calendar(&rows(context).await?).await?)
}

pub(crate) async fn metrics(context: &Context, args: Feed) -> Result<(), Failure> {
    put(args, &context.connector.metrics(&rows(context).await?).await?)
}

/// Replaces a file whole, so that nobody reads half of one. Anybody may read it: no
/// feed holds a secret. Until it is whole its name begins with a dot: collectors look for
/// whole names.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    files::write(path, text.as_bytes(), Readers::Everybody, &*system::random())
        .map_err(Failure::named)
}

fn put(args: Feed, text: &str) -> Result<(), Failure> {
    match &args.output {
        Some(path) => write(path, text),
        None => print_data(text.as_bytes()),
    }
}
