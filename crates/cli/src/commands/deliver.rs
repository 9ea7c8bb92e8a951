//! `deliver`: where findings go, and what was sent there. The rules are in `deliveries`; here
//! is what is typed and what is printed.

mod acts;
mod list;
pub(crate) mod rounds;
mod run;

use std::path::Path;

use countersign_deliveries::acts::{self as rules, Mark, Refusal, Standing};
use countersign_deliveries::destination::Destination;
use countersign_deliveries::machine::Deliveries;
use countersign_findings::filter::nearest;
use countersign_findings::rfc3339;
use countersign_store::{DeliveryLock, SendState};
use serde_json::{Value, json};

use super::context::Context;
use crate::advice::CommandLine;
use crate::args::Deliver;
use crate::config::destinations::DestinationConfig;
use crate::destinations::{Configured, destination};
use crate::failure::{Exit, Failure};
use crate::output::printable;

pub(crate) async fn run(home: Option<&Path>, command: Deliver) -> Result<(), Failure> {
    // The vault is opened where a secret is needed.
    let context = &Context::offline(home).await?;
    match command {
        Deliver::List(args) => list::list(context, args).await,
        Deliver::Links(args) => list::links(context, args).await,
        Deliver::Show(args) => list::show(context, args).await,
        Deliver::Simulate(args) => list::simulate(context, args).await,
        Deliver::Plan(args) => run::plan(context, args).await,
        Deliver::Run(args) => run::run(context, args).await,
        Deliver::Test(args) => run::test(context, args).await,
        Deliver::Backfill(args) => run::backfill(context, args).await,
        Deliver::Hold(args) => acts::hold(context, args).await,
        Deliver::Approve(args) => acts::approve(context, args).await,
        Deliver::Replay(args) => acts::replay(context, args).await,
        Deliver::Dismiss(args) => acts::dismiss(context, args).await,
        Deliver::Pause(args) => acts::pause(context, args).await,
        Deliver::Resume(args) => acts::resume(context, args).await,
        Deliver::Secret(args) => acts::secret(context, args).await,
        Deliver::Forget(args) => acts::forget(context, args).await,
    }
}

/// The machine over what is stored, for as long as this process takes part.
struct Machine {
    deliveries: Deliveries,
    _part: DeliveryLock,
}

impl Machine {
    async fn open(context: &Context) -> Result<Self, Failure> {
        let connector = &context.connector;
        let (clock, random) = (connector.clock.clone(), connector.random.clone());
        let part = connector.store.join_deliveries().await?;
        let deliveries = Deliveries::new(connector.store.clone(), clock, random);
        Ok(Self { deliveries, _part: part })
    }
}

impl std::ops::Deref for Machine {
    type Target = Deliveries;

    fn deref(&self) -> &Deliveries {
        &self.deliveries
    }
}

/// The destination of this name, as it is configured.
fn configured<'c>(context: &'c Context, name: &str) -> Result<&'c DestinationConfig, Failure> {
    let all = &context.config.destinations;
    all.iter().find(|one| one.name == name).ok_or_else(|| {
        let names = all.iter().map(|one| one.name.as_str());
        let nearest = nearest(name, names, 1).first().map(|name| (*name).to_owned());
        unknown(context, name, nearest)
    })
}

fn unknown(context: &Context, name: &str, nearest: Option<String>) -> Failure {
    let near = nearest.map(|near| format!("; the nearest is `{}`", printable(&near)));
    let hint = match context.config.destinations.is_empty() {
        true => format!(
            "add `[[destinations]]` to `{}`: {} writes a commented file",
            context.home.config().display(),
            CommandLine::of(&["config", "init"])
        ),
        false => format!("{} lists the destinations", CommandLine::of(&["deliver", "list"])),
    };
    Failure::usage(format!(
        "there is no destination `{}` in config.toml{}",
        printable(name),
        near.unwrap_or_default()
    ))
    .with_hint(hint)
}

/// The destinations of these names, or all.
fn wanted<'c>(
    context: &'c Context,
    names: &[String],
) -> Result<Vec<&'c DestinationConfig>, Failure> {
    match names {
        [] => Ok(context.config.destinations.iter().collect()),
        names => names.iter().map(|name| configured(context, name)).collect(),
    }
}

/// With its secret, and the way to it.
async fn made(context: &Context, config: &DestinationConfig) -> Result<Configured, Failure> {
    destination(config, &context.connector.vault, context.now()).await
}

/// A destination that has to work.
async fn working(context: &Context, config: &DestinationConfig) -> Result<Destination, Failure> {
    let Configured { name, made, .. } = made(context, config).await?;
    made.map_err(|why| Failure::usage(format!("destination `{name}`: {why}")))
}

/// Where all of them stand that are configured, in the order of the file; those that were
/// never planned for have no row.
async fn stood(context: &Context) -> Result<Vec<(&DestinationConfig, Option<Standing>)>, Failure> {
    let mut rows = rules::standings(context.store()).await?;
    let standing = |config: &DestinationConfig| {
        let at = rows.iter().position(|one| one.row.name == config.name)?;
        Some(rows.swap_remove(at))
    };
    let all: Vec<_> = context.config.destinations.iter().collect();
    let standings: Vec<_> = all.iter().copied().map(standing).collect();
    Ok(all.into_iter().zip(standings).collect())
}

/// What of them a person has to look at, for the code to end with.
pub(crate) async fn troubled(context: &Context) -> Result<Option<Exit>, Failure> {
    let all = stood(context).await?;
    let is_troubled = |standing: &Option<Standing>| {
        standing.as_ref().is_some_and(|standing| standing.mark().is_trouble())
    };
    Ok(all.iter().any(|(_, standing)| is_troubled(standing)).then_some(Exit::Incomplete))
}

async fn end(context: &Context) -> Result<(), Failure> {
    match troubled(context).await? {
        Some(exit) => Err(Failure::silent(exit)),
        None => Ok(()),
    }
}

/// A refusal with what to do about it.
fn refused(context: &Context, refusal: Refusal) -> Failure {
    let list = || CommandLine::of(&["deliver", "list"]);
    match refusal {
        Refusal::Store(error) => error.into(),
        Refusal::NoDestination { name, nearest } => unknown(context, &name, nearest),
        other => {
            let hint = match &other {
                Refusal::NoSend(_) => format!(
                    "{} shows the destinations, and with a name the numbers of its sends",
                    list()
                ),
                Refusal::Overtaken(number) => {
                    let dismiss = CommandLine::of(&["deliver", "dismiss"]).and(number);
                    format!("{dismiss} leaves it alone")
                }
                Refusal::NotFailed { number, .. } => {
                    let show = CommandLine::of(&["deliver", "show"]).and(number);
                    format!("{show} shows it")
                }
                Refusal::Paused(name) => {
                    format!("{} resumes it", CommandLine::of(&["deliver", "resume"]).and(name))
                }
                _ => format!("{} shows where each destination stands", list()),
            };
            Failure::usage(other).with_hint(hint)
        }
    }
}

/// What there is to know of a destination, for programs.
pub(crate) fn standing_json(config: &DestinationConfig, standing: Option<&Standing>) -> Value {
    let count = |state| standing.map_or(0, |one| one.count(state));
    json!({
        "name": config.name,
        "kind": config.kind().map(|kind| kind.word()),
        "mode": config.mode().as_str(),
        "state": mark(config, standing),
        "problem": standing.and_then(|one| one.row.problem.as_deref()),
        "since_at": standing.map(|one| rfc3339(one.row.since_ms)),
        "held_since_at": standing.and_then(|one| one.row.held_ms).map(rfc3339),
        "waiting": standing.map_or(0, Standing::waiting),
        "waiting_since_at": standing.and_then(|one| one.waits_since_ms).map(rfc3339),
        "held": count(SendState::Held),
        "failed": count(SendState::Failed),
        "dead": count(SendState::Dead),
        "sent": count(SendState::Sent),
        "simulated": count(SendState::Simulated),
        "skipped": count(SendState::Skipped),
        "left_out": standing.map_or(0, |one| one.row.left_out),
    })
}

fn mark(config: &DestinationConfig, standing: Option<&Standing>) -> &'static str {
    match standing {
        Some(one) if one.mark() == Mark::Well && one.row.mode != config.mode() => "new",
        Some(one) => one.mark().as_str(),
        None => "new",
    }
}

/// All of them, for `status`.
pub(crate) async fn for_status(context: &Context) -> Result<Vec<Value>, Failure> {
    let all = stood(context).await?;
    Ok(all.iter().map(|(config, standing)| standing_json(config, standing.as_ref())).collect())
}
