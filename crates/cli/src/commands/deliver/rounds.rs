//! Deliveries beside the scheduler of `serve`: after each sync, when something is due, and
//! every minute.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_connector::duty::Round;
use countersign_deliveries::destination::Destination;
use countersign_deliveries::machine::Report;
use countersign_store::Store;
use tokio::sync::Mutex;

use super::super::context::{Context, Current};
use super::Machine;
use super::run::did;
use crate::config::destinations::DestinationConfig;
use crate::destinations::destinations;
use crate::failure::Failure;
use crate::output::{note, printable};

/// Between two looks at the feed and the time. A look that finds nothing reads two numbers.
const LOOK_MS: i64 = 1_000;
/// Longest time between two rounds: other processes plan and approve too.
const EVERY_MS: i64 = 60_000;
/// How long destinations are kept as they were made: ages in filters count from then.
const KEPT_MS: i64 = 3_600_000;

/// Rounds of deliveries, one after the other.
pub(crate) struct Rounds {
    current: Current,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Opened when there is a destination.
    machine: Option<Machine>,
    /// Of the configuration that they were made from.
    edition: Option<u64>,
    made_ms: i64,
    ready: Vec<Destination>,
    /// Whether one of them does not work, and may once its secret is another one.
    is_broken: bool,
    /// The end of the feed at the last round.
    seen: i64,
    next_ms: i64,
    /// Problems that were reported, by destination.
    told: BTreeMap<String, String>,
}

impl Rounds {
    pub(crate) fn new(current: Current) -> Self {
        Self { current, state: Mutex::default() }
    }

    pub(crate) fn round(self) -> Round {
        let rounds = Arc::new(self);
        let act = move || {
            let rounds = Arc::clone(&rounds);
            Box::pin(async move {
                if let Err(failure) = rounds.pass().await {
                    note(&format!("deliveries failed, and are tried again: {failure}"));
                }
            }) as _
        };
        Round { every_ms: LOOK_MS, act: Arc::new(act) }
    }

    async fn pass(&self) -> Result<(), Failure> {
        // As it is configured at this moment, or after: then they are made once more.
        let edition = self.current.edition();
        let context = &self.current.get();
        let mut state = self.state.lock().await;
        if context.config.destinations.is_empty() {
            return Ok(());
        }
        let now_ms = context.now();
        let end = context.store().feed_end().await?;
        if !state.is_due(context.store(), end, now_ms).await? {
            return Ok(());
        }
        (state.seen, state.next_ms) = (end, now_ms + EVERY_MS);
        state.make(context, edition, now_ms).await?;
        let machine = match state.machine.take() {
            Some(machine) => machine,
            None => Machine::open(context).await?,
        };
        let reports = machine.round(&state.ready).await;
        state.machine = Some(machine);
        for report in reports {
            let report = report?;
            let again_ms = report.again_ms.unwrap_or(i64::MAX);
            state.next_ms = state.next_ms.min(again_ms);
            state.tell(&report);
        }
        Ok(())
    }
}

impl State {
    async fn is_due(&self, store: &Store, end: i64, now_ms: i64) -> Result<bool, Failure> {
        // A clock that was set back makes nobody wait for longer.
        if now_ms >= self.next_ms || self.next_ms > now_ms + EVERY_MS {
            return Ok(true);
        }
        // While a sync is under way there is nothing to plan.
        Ok(end != self.seen && store.unfinished_from(self.seen).await?.is_none())
    }

    /// Makes the destinations anew where that may make a difference.
    async fn make(&mut self, context: &Context, edition: u64, now_ms: i64) -> Result<(), Failure> {
        let all: &[DestinationConfig] = &context.config.destinations;
        let is_old = !(0..KEPT_MS).contains(&(now_ms - self.made_ms));
        if self.edition == Some(edition) && !self.is_broken && !is_old {
            return Ok(());
        }
        (self.edition, self.made_ms) = (Some(edition), now_ms);
        (self.ready, self.is_broken) = (Vec::new(), false);
        for one in destinations(all, &context.connector.vault, now_ms).await? {
            match one.made {
                Ok(destination) => {
                    self.ready.push(destination);
                }
                Err(why) => {
                    self.is_broken = true;
                    self.problem(&one.name, Some(&why));
                }
            }
        }
        Ok(())
    }

    fn tell(&mut self, report: &Report) {
        let name = printable(&report.destination);
        if report.sent > 0 || report.failed > 0 {
            note(&format!("`{name}`: {}", did(report)));
        }
        if report.plan.held > 0 {
            note(&format!(
                "`{name}`: {} tickets are held; `countersign deliver approve {name}` lets them go",
                report.plan.held
            ));
        }
        // One that was refused may have another secret in the vault by now.
        self.is_broken |= report.problem.is_some();
        self.problem(&report.destination, report.problem.as_deref());
    }

    /// Each problem is reported once, and once that it is over.
    fn problem(&mut self, name: &str, problem: Option<&str>) {
        let shown = printable(name);
        match problem {
            Some(why) if self.told.get(name).is_none_or(|told| told != why) => {
                note(&format!("`{shown}` does not work: {why}"));
                self.told.insert(name.to_owned(), why.to_owned());
            }
            Some(_) => {}
            None => {
                if self.told.remove(name).is_some() {
                    note(&format!("`{shown}` works again"));
                }
            }
        }
    }
}
