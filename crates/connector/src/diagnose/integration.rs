//! An integration, its pair and its account, at its service.

use countersign_signing::{ApiId, ApiSecret, Pair};
use countersign_store::{CredentialId, Integration};

use super::reach::Reach;
use super::refused::{self, Known, RefusedPair};
use super::trouble::{State, Trouble, cause_and_fix};
use super::{network, printable};
use crate::check::{Check, Outcome, check};
use crate::error::{Error, Fault};
use crate::times::{DAY_MS, distance};
use crate::{Connector, Subject};

const SOON_MS: i64 = 30 * DAY_MS;

/// How it is with one integration. Without a connector, while the vault does not open,
/// the way to the service shows.
pub async fn integration(
    connector: Option<&Connector>,
    one: &Integration,
    reach: &Reach<'_>,
) -> State {
    let Some(connector) = connector else {
        // The way there shows without a pair.
        return match reach.client(&nobodys_pair(reach), 0) {
            Ok(client) => match client.self_user().await {
                Err(error) if !error.is_not_authenticated() => {
                    State::Trouble(network::why(reach, &error))
                }
                _ => State::Unexamined(
                    "the service answers; its API credentials are in the vault".into(),
                ),
            },
            Err(error) => State::Trouble(Trouble::of_error("configuration", &error)),
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
            return State::Trouble(Trouble::new("pair_missing", Fault::Storage, cause, fix));
        }
    };
    match examine(one, &pair, connector, reach).await {
        Ok(None) => State::Well,
        Ok(Some(trouble)) => State::Trouble(trouble),
        Err(error) => State::Trouble(Trouble::of_error("configuration", &error)),
    }
}

async fn examine(
    one: &Integration,
    pair: &Pair,
    connector: &Connector,
    reach: &Reach<'_>,
) -> Result<Option<Trouble>, Error> {
    let client = reach.client(pair, 0)?;
    let checked = match client.self_user().await {
        Ok(_) => check(&client).await,
        Err(error) if error.is_not_authenticated() => {
            let others = others(connector, reach, Some(one.credential)).await;
            let known = Some(Known::of(one));
            let refused = RefusedPair { reach, pair, known, others };
            return Ok(Some(refused.why(&client).await));
        }
        Err(error) => return Ok(Some(network::why(reach, &error))),
    };
    let check = match checked {
        Ok(check) => check,
        Err(error) => {
            let (fault, (cause, fix)) = (error.fault(), cause_and_fix(&error.to_string()));
            let fix = fix.unwrap_or_else(|| "try again later".into());
            return Ok(Some(Trouble::new("service_failing", fault, cause, fix)));
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
        let cause = format!("the API credentials expire {}", distance(ms, now_ms));
        Trouble::new(
            "pair_expires_soon",
            Fault::NotAuthenticated,
            cause,
            refused::new_pair(Some(&one.name)),
        )
    }))
}

/// Why a pair that is about to be added is refused: the one cause, as far as it can be
/// found. `client` has just been refused.
pub async fn refused(
    connector: &Connector,
    reach: &Reach<'_>,
    pair: &Pair,
    client: &countersign_client::Client,
) -> Trouble {
    let others = others(connector, reach, None).await;
    RefusedPair { reach, pair, known: None, others }.why(client).await
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
        Fault::RoleMissing,
        format!("the account `{account}` lacks a role for {}", lacking.join(", ")),
        format!("an administrator gives it {roles}: Settings, Admin, Users, `{account}`"),
    ))
}

/// A pair that no service knows: what comes before the signature shows with it.
fn nobodys_pair(reach: &Reach<'_>) -> Pair {
    let mut secret = vec![0; 64];
    reach.probes.fill(&mut secret);
    // Zeros are hexadecimal.
    let id = ApiId::parse("00000000000000000000000000000000");
    Pair { id: id.expect("an API ID"), secret: ApiSecret::from_bytes(secret) }
}
