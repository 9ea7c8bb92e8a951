//! `doctor`: looks for everything that can be wrong. One cause and one fix for each;
//! what one trouble keeps from being looked at is said, and is no further trouble.

mod destinations;
mod local;
mod probes;

use std::path::Path;
use std::sync::Arc;
use std::task::Poll;

use countersign_connector::budget::SharedBudget;
use countersign_connector::diagnose::{self, Diagnosis, Reach, State, Trouble, cause_and_fix};
use countersign_connector::integration::Place;
use countersign_connector::{Connector, Fault, Fences};
use countersign_files as files;
use countersign_signing::Pair;
use serde::Serialize;
use serde_json::json;

use super::context::Context;
use crate::args::Doctor;
use crate::failure::{Exit, Failure};
use crate::forms::machine;
use crate::home::Home;
use crate::located::located;
use crate::output::{Shown, note, show};
use crate::system;
use probes::FromHere;

pub(crate) async fn run(home: Option<&Path>, args: Doctor) -> Result<(), Failure> {
    let mut all = Vec::new();
    match Home::find(home) {
        Ok(home) => {
            all.push(Diagnosis::well(format!("data directory {}", home.path().display())));
            local::exposed(&home, &mut all);
            examine(&home, &mut all).await;
        }
        Err(failure) => {
            let subject = "home".to_owned();
            let named = Home::named(home)?;
            let why = files::usable(named.path(), false).err();
            let trouble = match why.as_ref().and_then(|error| Some((error, error.cause()?))) {
                Some((error, cause)) => Trouble::kept(error, cause),
                None => Trouble::of_error("home", &failure.into()),
            };
            all.push(Diagnosis::trouble(subject, trouble));
            local::exposed(&Home::named(home)?, &mut all);
        }
    }
    diagnose::pairs_of_other_tools(&machine(), &mut all);
    let examined = Examined(all);
    show(&examined, args.json)?;
    let first = examined.0.iter().find_map(|one| one.state.trouble());
    first.map_or(Ok(()), |trouble| Err(Failure::silent(trouble.fault.into())))
}

async fn examine(home: &Home, all: &mut Vec<Diagnosis>) {
    let config = local::config(home, all);
    let is_way_known = config.as_ref().is_some_and(|config| local::has_way(config, all));
    diagnose::room(home.path(), &system::random(), all);
    let store = local::store(home, all).await;
    let vault = match &config {
        Some(config) => local::vault(home, config, all),
        None => {
            let why = "what opens it stands in config.toml";
            all.push(Diagnosis::unexamined("vault".into(), why));
            None
        }
    };
    let Some(store) = store else { return };
    if let (Some(config), Some(vault)) = (&config, &vault) {
        destinations::examine(&config.destinations, &store, vault, all).await;
    }
    let integrations = match store.integrations().await {
        Ok(integrations) => integrations,
        Err(error) => {
            all.push(Diagnosis::trouble(
                "store".into(),
                diagnose::broken_store(&home.store(), &error),
            ));
            return;
        }
    };
    if integrations.is_empty() && !has_imported(&store).await {
        match local::other_home(home).await {
            Some(trouble) => {
                all.push(Diagnosis::trouble(
                    format!("data directory {}", home.path().display()),
                    trouble,
                ));
            }
            None => {
                note("there is no integration yet; `countersign integration add prod` adds one");
            }
        }
    }
    let (clock, random) = (system::clock(), system::random());
    let connector = vault.map(|vault| Connector {
        store: store.clone(),
        vault,
        fences: Fences::at(&home.fences()),
        clock: Arc::clone(&clock),
        random: Arc::clone(&random),
    });
    let budget = SharedBudget::at(&home.budget(), Arc::clone(&clock), &random);
    let way = config.as_ref().map(|config| FromHere {
        config,
        clock: &clock,
        random: &random,
        budget: &budget,
    });
    // Side by side: of several that do not answer each is waited for.
    let states = match way.as_ref().filter(|_| is_way_known) {
        Some(way) => {
            together(integrations.iter().map(|one| {
                let reach = Reach { place: Place::from(one), probes: way };
                let connector = connector.as_ref();
                async move { diagnose::integration(connector, one, &reach).await }
            }))
            .await
        }
        None => Vec::new(),
    };
    let unknown = || State::Unexamined("how to reach it is not known".into());
    let states = states.into_iter().chain(std::iter::repeat_with(unknown));
    for (one, state) in integrations.iter().zip(states) {
        let subject = format!("integration `{}` at {}", one.name, one.url);
        let one = match state {
            // One cause is told once.
            State::Trouble(trouble) => trouble.of(subject, all),
            state => Diagnosis { subject, state },
        };
        all.push(one);
    }
    all.extend(diagnose::syncs(&store, clock()).await);
    all.extend(diagnose::unreadable_records(&store).await);
}

/// The outcomes of all of these, which go on side by side.
async fn together<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut ways: Vec<_> = all.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|context| {
        for (future, outcome) in ways.iter_mut().filter(|(_, outcome)| outcome.is_none()) {
            if let Poll::Ready(ready) = future.as_mut().poll(context) {
                *outcome = Some(ready);
            }
        }
        match ways.iter().all(|(_, outcome)| outcome.is_some()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    ways.into_iter().filter_map(|(_, outcome)| outcome).collect()
}

/// Why a pair that is about to be added is refused: the failure with the one cause,
/// as far as it can be found.
pub(crate) async fn explain(
    context: &Context,
    error: countersign_connector::Error,
    place: &Place,
    pair: &Pair,
    client: &countersign_client::Client,
) -> Failure {
    if error.fault() != Fault::NotAuthenticated {
        return error.into();
    }
    let (clock, random) = (&context.connector.clock, &context.connector.random);
    let way = FromHere { config: &context.config, clock, random, budget: &context.budget };
    let reach = Reach { place: place.clone(), probes: &way };
    let trouble = diagnose::refused(&context.connector, &reach, pair, client).await;
    let (what, _) = cause_and_fix(&error.to_string());
    Failure::new(trouble.fault.into(), format!("{what}: {}\nhint: {}", trouble.cause, trouble.fix))
}

struct Examined(Vec<Diagnosis>);

impl Shown for Examined {
    fn text(&self) -> String {
        self.0.iter().map(line).collect()
    }

    fn json(&self) -> impl Serialize {
        self.0.iter().map(as_json).collect::<Vec<_>>()
    }
}

fn line(Diagnosis { subject, state }: &Diagnosis) -> String {
    match state {
        State::Well => format!("ok       {subject}\n"),
        State::Unexamined(why) => format!("-        {subject}: not examined: {why}\n"),
        State::Trouble(trouble) => {
            let indented = |text: &str| text.replace('\n', "\n                ");
            format!(
                "TROUBLE  {subject}\n         cause: {}\n         fix:   {}\n",
                indented(&trouble.cause),
                indented(&located(&trouble.fix)),
            )
        }
    }
}

fn as_json(one: &Diagnosis) -> serde_json::Value {
    let subject = &one.subject;
    match &one.state {
        State::Well => json!({ "subject": subject, "ok": true }),
        State::Unexamined(why) => json!({ "subject": subject, "ok": null, "unexamined": why }),
        State::Trouble(trouble) => json!({
            "subject": subject,
            "ok": false,
            "diagnosis": trouble.name,
            "cause": trouble.cause,
            "fix": located(&trouble.fix),
            "exit_code": Exit::from(trouble.fault) as u8,
        }),
    }
}

/// Whether there is an integration that needs no service.
async fn has_imported(store: &countersign_store::Store) -> bool {
    store.owned_integrations(None).await.is_ok_and(|all| !all.is_empty())
}
