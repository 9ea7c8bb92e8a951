//! Where findings are delivered to: whether each destination is whole, may be reached, and
//! answers. One that only receives is not asked: a question would be a message.

use std::sync::Arc;

use countersign_connector::Fault;
use countersign_connector::diagnose::{Diagnosis, Trouble, cause_and_fix};
use countersign_deliveries::acts::standings;
use countersign_deliveries::machine::misplaced;
use countersign_deliveries::receiver::{Receiver, Verdict};
use countersign_store::{DestinationRow, Store};
use countersign_vault::Vault;

use crate::advice::CommandLine;
use crate::config::destinations::DestinationConfig;
use crate::destinations::{Configured, destination};
use crate::system;

pub(super) async fn examine(
    configs: &[DestinationConfig],
    store: &Store,
    vault: &Arc<dyn Vault>,
    all: &mut Vec<Diagnosis>,
) {
    if configs.is_empty() {
        return;
    }
    let rows = standings(store).await.unwrap_or_default();
    // One after the other: each has a time limit of its own, and there are few.
    for config in configs {
        let row = rows.iter().find(|one| one.row.name == config.name).map(|one| &one.row);
        all.push(one(config, row, vault).await);
    }
}

async fn one(
    config: &DestinationConfig,
    row: Option<&DestinationRow>,
    vault: &Arc<dyn Vault>,
) -> Diagnosis {
    let name = &config.name;
    let kind = config.kind().map(|kind| kind.word()).unwrap_or_default();
    let subject = format!("destination `{name}` ({kind})");
    let now_ms = (system::clock())();
    let made = match destination(config, vault, now_ms).await {
        Ok(Configured { made, .. }) => made,
        Err(failure) => Err(failure.to_string()),
    };
    let trouble = |fault: Fault, why: &str| {
        let (cause, fix) = cause_and_fix(why);
        let test = CommandLine::of(&["deliver", "test"]).and(name);
        let fix = fix.unwrap_or_else(|| format!("correct what the cause names, then run {test}"));
        Diagnosis::trouble(subject.clone(), Trouble::new("destination", fault, cause, fix))
    };
    let destination = match made {
        Ok(destination) => destination,
        Err(why) => return trouble(Fault::Config, &why),
    };
    if let Some(why) = row.and_then(|row| misplaced(&destination, row)) {
        return trouble(Fault::Config, &why);
    }
    match &destination.receiver {
        Receiver::Stream(_) => match row.and_then(|row| row.problem.as_deref()) {
            Some(why) => trouble(Fault::Config, why),
            None => Diagnosis::well(subject),
        },
        receiver => match receiver.probe(now_ms).await {
            Verdict::Taken(_) => Diagnosis::well(subject),
            Verdict::Passing { why, .. } => trouble(Fault::Upstream, &why),
            Verdict::Refused(why) | Verdict::Settings(why) | Verdict::Gone(why) => {
                trouble(Fault::Config, &why)
            }
            Verdict::Theirs(_) => trouble(Fault::Upstream, "it gave an answer that means nothing"),
        },
    }
}
