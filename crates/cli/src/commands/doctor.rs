//! `doctor`: looks for everything that can be wrong. One cause and one fix for each;
//! what one trouble keeps from being looked at is said, and is no further trouble.

mod addresses;
mod diagnosis;
mod local;
mod network;
mod refused;

use std::path::Path;
use std::sync::Arc;

use countersign_connector::check::{Check, Outcome, check};
use countersign_connector::integration::Place;
use countersign_connector::{Connector, Fault, Fences, Subject};
use countersign_files as files;
use countersign_signing::{ApiId, ApiSecret, Pair};
use countersign_store::{CredentialId, Integration};

use super::context::Context;
use crate::args::Doctor;
use crate::failure::{Exit, Failure};
use crate::home::Home;
use crate::output::{distance, note, printable};
use crate::system;
use diagnosis::{Diagnosis, State, Trouble, cause_and_fix, tell};
use network::Reach;
use refused::{Known, Refused};

const DAY_MS: i64 = 86_400_000;
const SOON_MS: i64 = 30 * DAY_MS;

pub(crate) async fn run(home: Option<&Path>, args: Doctor) -> Result<(), Failure> {
    let mut all = Vec::new();
    match Home::find(home) {
        Ok(home) => {
            all.push(Diagnosis::well(format!("home {}", home.path().display())));
            local::exposed(&home, &mut all);
            examine(&home, &mut all).await;
        }
        Err(failure) => {
            let subject = "home".to_owned();
            let named = Home::named(home)?;
            let why = files::usable(named.path(), false).err();
            let trouble = match why.as_ref().and_then(|error| Some((error, error.cause()?))) {
                Some((error, cause)) => Trouble::kept(error, cause),
                None => Trouble::of_failure("home", &failure),
            };
            all.push(Diagnosis::trouble(subject, trouble));
            local::exposed(&Home::named(home)?, &mut all);
        }
    }
    local::pairs_of_other_tools(&mut all);
    tell(&all, args.json)?;
    let first = all.iter().find_map(|one| one.state.trouble());
    first.map_or(Ok(()), |trouble| Err(Failure::silent(trouble.exit)))
}

async fn examine(home: &Home, all: &mut Vec<Diagnosis>) {
    let config = local::config(home, all);
    let is_way_known = config.as_ref().is_some_and(|config| local::has_way(home, config, all));
    local::room(home, all);
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
    let integrations = match store.integrations().await {
        Ok(integrations) => integrations,
        Err(error) => {
            all.push(Diagnosis::trouble("store".into(), local::broken_store(home, &error)));
            return;
        }
    };
    if integrations.is_empty() {
        note("there is no integration yet; `countersign quickstart` makes one to look at");
    }
    let (clock, random) = (system::clock(), system::random());
    let connector = vault.map(|vault| Connector {
        store: store.clone(),
        vault,
        fences: Fences::at(&home.fences()),
        clock: Arc::clone(&clock),
        random: Arc::clone(&random),
    });
    let ward = Ward { connector };
    for one in &integrations {
        let subject = format!("integration `{}` at {}", one.name, one.url);
        let Some(config) = config.as_ref().filter(|_| is_way_known) else {
            all.push(Diagnosis::unexamined(subject, "how to reach it stands in config.toml"));
            continue;
        };
        let reach = Reach::to(one, config, &clock, &random);
        let one = match ward.integration(one, &reach).await {
            // One cause is told once.
            State::Trouble(trouble) => trouble.of(subject, all),
            state => Diagnosis { subject, state },
        };
        all.push(one);
    }
    all.extend(local::unreadable_records(&store).await);
}

struct Ward {
    /// None while the vault does not open.
    connector: Option<Connector>,
}

impl Ward {
    async fn integration(&self, one: &Integration, reach: &Reach<'_>) -> State {
        let Some(connector) = &self.connector else {
            // The way there shows without a pair.
            return match reach.client(&nobodys_pair(reach), 0) {
                Ok(client) => match client.self_user().await {
                    Err(error) if !error.is_not_authenticated() => {
                        State::Trouble(network::why(reach, &error))
                    }
                    _ => State::Unexamined("the service answers; its pair is in the vault".into()),
                },
                Err(failure) => State::Trouble(Trouble::of_failure("configuration", &failure)),
            };
        };
        let pair = match connector.pair_of(Subject::Integration(one.id)).await {
            Ok(pair) => pair,
            Err(error) => {
                let (cause, fix) = cause_and_fix(&error.to_string());
                let fix = fix.unwrap_or_else(|| {
                    "bring the vault back from a backup, or add the integration again under \
                     another name"
                        .into()
                });
                return State::Trouble(Trouble::new("pair_missing", Exit::Storage, cause, fix));
            }
        };
        match self.examine(one, &pair, connector, reach).await {
            Ok(None) => State::Well,
            Ok(Some(trouble)) => State::Trouble(trouble),
            Err(failure) => State::Trouble(Trouble::of_failure("configuration", &failure)),
        }
    }

    async fn examine(
        &self,
        one: &Integration,
        pair: &Pair,
        connector: &Connector,
        reach: &Reach<'_>,
    ) -> Result<Option<Trouble>, Failure> {
        let client = reach.client(pair, 0)?;
        let checked = match client.self_user().await {
            Ok(_) => check(&client).await,
            Err(error) if error.is_not_authenticated() => {
                let others = others(connector, reach, Some(one.credential)).await;
                let known = Some(Known::of(one));
                let refused = Refused { reach, pair, known, others };
                return Ok(Some(refused.why(&client).await));
            }
            Err(error) => return Ok(Some(network::why(reach, &error))),
        };
        let check = match checked {
            Ok(check) => check,
            Err(error) => {
                let (exit, (cause, fix)) =
                    (error.fault().into(), cause_and_fix(&error.to_string()));
                let fix = fix.unwrap_or_else(|| "try again later".into());
                return Ok(Some(Trouble::new("service_failing", exit, cause, fix)));
            }
        };
        let now_ms = reach.now();
        match connector.note_check(one, &check).await {
            // That nothing can be written is a trouble of the home, which is told of it.
            Err(error) if error.fault() == Fault::Storage => {}
            noted => noted?,
        }
        if let Some(trouble) = missing_role(&check) {
            return Ok(Some(trouble));
        }
        let expires = check.expires_ms.filter(|ms| ms - now_ms < SOON_MS);
        Ok(expires.map(|ms| {
            let cause = format!("the pair expires {}", distance(ms, now_ms));
            Trouble::new("pair_expires_soon", Exit::NotAuthenticated, cause, refused::NEW_PAIR)
        }))
    }
}

/// Pairs of the same service that open: one may be an administrator's.
async fn others(connector: &Connector, reach: &Reach<'_>, but: Option<CredentialId>) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for other in connector.store.credentials().await.unwrap_or_default() {
        if Some(other.id) != but && reach.is_at(&other.url) {
            pairs.extend(connector.pair_of(Subject::Credential(other.id)).await.ok());
        }
    }
    pairs
}

fn missing_role(check: &Check) -> Option<Trouble> {
    let account = printable(check.account.as_deref().unwrap_or("unknown"));
    let mut lacking = Vec::new();
    let mut roles = Vec::new();
    for probe in &check.probes {
        if let Outcome::Missing { needs } = probe.outcome {
            lacking.push(probe.name);
            if !roles.contains(&needs) {
                roles.push(needs);
            }
        }
    }
    if lacking.is_empty() {
        return None;
    }
    let roles = roles.join(", and ");
    Some(Trouble::new(
        "role_missing",
        Exit::RoleMissing,
        format!("the account `{account}` lacks a role for {}", lacking.join(", ")),
        format!("an administrator gives it {roles}: Settings, Admin, Users, `{account}`"),
    ))
}

/// A pair that no service knows: what comes before the signature shows with it.
fn nobodys_pair(reach: &Reach<'_>) -> Pair {
    let mut secret = vec![0; 64];
    reach.fill(&mut secret);
    // Zeros are hexadecimal.
    let id = ApiId::parse("00000000000000000000000000000000");
    Pair { id: id.expect("an API ID"), secret: ApiSecret::from_bytes(secret) }
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
    let place = (place.url.as_str(), place.ca_pem.as_deref(), place.allow_http_loopback);
    let reach = Reach { place, config: &context.config, clock, random };
    let others = others(&context.connector, &reach, None).await;
    let refused = Refused { reach: &reach, pair, known: None, others };
    let trouble = refused.why(client).await;
    let (what, _) = cause_and_fix(&error.to_string());
    Failure::new(trouble.exit, format!("{what}: {}\nhint: {}", trouble.cause, trouble.fix))
}
