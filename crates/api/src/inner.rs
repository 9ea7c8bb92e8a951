//! What all operations share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_connector::managed::Keeper;
use countersign_connector::metrics::Calls;
use countersign_connector::watch::Policy;
use countersign_connector::{Clock, Connector, Random};
use countersign_store::{ApiFailure, IntegrationId, Store, TokenId, Traffic, TrafficBatch};
use countersign_web::tries::Tries;

use crate::Config;
use crate::caller::Caller;
use crate::limit::Limiter;
use crate::operation::Operation;
use crate::reads::{ReadNow, Rendered};

pub(crate) const HOUR_MS: i64 = 3_600_000;
/// How long what was counted may wait to be written.
const WRITE_AFTER_MS: i64 = 5_000;
/// Failures that may wait to be written.
const WAITING_FAILURES: usize = 1_000;

/// What operations share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Inner {
    pub(crate) connector: Connector,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) read_now: ReadNow,
    pub(crate) policy: Policy,
    pub(crate) version: &'static str,
    pub(crate) keeper: Keeper,
    calls: Calls,
    pub(crate) limiter: Arc<Limiter<TokenId>>,
    /// Strangers, by address.
    pub(crate) tries: Arc<Tries>,
    pub(crate) rendered: Arc<Rendered>,
    counted: Arc<Mutex<Counted>>,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// With what was asked for.
    Succeeded,
    /// Refused: something about it was wrong.
    Refused,
    /// Not answered through a fault of ours, or of the service.
    Failed,
}

impl Outcome {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// What was counted, and what of it is not written yet.
#[derive(Default)]
struct Counted {
    hours: HashMap<(IntegrationId, i64), Traffic>,
    waiting: TrafficBatch,
    written_ms: i64,
}

impl Inner {
    pub(crate) fn new(config: Config) -> Self {
        let Config {
            connector,
            connect,
            allow_http_loopback,
            calls,
            read_now,
            budget,
            policy,
            version,
        } = config;
        let keeper = Keeper::new(connector, connect, allow_http_loopback);
        // Callers wait for an answer, and not for a sync that writes.
        let connector = keeper.connector().clone();
        let written_ms = (connector.clock)();
        Self {
            store: connector.store.clone(),
            clock: connector.clock.clone(),
            random: connector.random.clone(),
            connector,
            keeper,
            calls,
            policy,
            version,
            read_now,
            limiter: Arc::new(Limiter::new(budget)),
            tries: Arc::default(),
            rendered: Arc::default(),
            counted: Arc::new(Mutex::new(Counted { written_ms, ..Counted::default() })),
        }
    }

    pub(crate) fn now(&self) -> i64 {
        (self.clock)()
    }

    /// An id that nobody can guess.
    pub(crate) fn new_uid(&self) -> String {
        new_uid(&self.random)
    }

    /// Counts a request that ended.
    pub(crate) fn count(
        &self,
        operation: Operation,
        outcome: Outcome,
        caller: Option<&Caller>,
        traffic: Traffic,
        failure: Option<ApiFailure>,
    ) {
        let now_ms = self.now();
        self.calls.count(operation.id(), outcome.as_str());
        let is_due = {
            let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(caller) = caller {
                counted.waiting.uses.push(caller.used(now_ms));
            }
            let asked = caller.and_then(|caller| caller.integration().ok());
            if let Some(integration) = asked.filter(|_| operation.is_reading()) {
                let hour = now_ms.div_euclid(HOUR_MS);
                counted.hours.entry((integration.id, hour)).or_default().add(&traffic);
                if counted.waiting.failures.len() < WAITING_FAILURES {
                    counted.waiting.failures.extend(failure.map(|one| (integration.id, one)));
                }
            }
            !(0..WRITE_AFTER_MS).contains(&now_ms.saturating_sub(counted.written_ms))
                || counted.waiting.uses.len() >= WAITING_FAILURES
        };
        if is_due {
            let inner = self.clone();
            tokio::spawn(async move { inner.write_traffic().await });
        }
    }

    /// Writes what was counted. What cannot be written is counted again the next time.
    pub(crate) async fn write_traffic(&self) {
        let batch = {
            let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
            counted.written_ms = self.now();
            let hours = std::mem::take(&mut counted.hours);
            let mut batch = std::mem::take(&mut counted.waiting);
            batch.hours = hours.into_iter().map(|((id, hour), sum)| (id, hour, sum)).collect();
            // Of one secret the last use is enough.
            let mut last = HashMap::new();
            for (token, place, at_ms) in batch.uses.drain(..) {
                last.insert((token, place), at_ms);
            }
            batch.uses = last.into_iter().map(|((token, place), at)| (token, place, at)).collect();
            batch
        };
        if batch.hours.is_empty() && batch.failures.is_empty() && batch.uses.is_empty() {
            return;
        }
        if let Err(error) = self.store.add_traffic(batch.clone()).await {
            tracing::warn!(%error, "what was asked of the API cannot be written yet");
            let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
            for (id, hour, sum) in &batch.hours {
                counted.hours.entry((*id, *hour)).or_default().add(sum);
            }
            let room = WAITING_FAILURES.saturating_sub(counted.waiting.failures.len());
            counted.waiting.failures.extend(batch.failures.into_iter().take(room));
        }
    }

    /// Counts what went out of an answer that took a while.
    pub(crate) fn sent(&self, integration: IntegrationId, bytes: u64) {
        let hour = self.now().div_euclid(HOUR_MS);
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.hours.entry((integration, hour)).or_default().out_bytes += bytes;
    }
}

/// An id that nobody can guess.
pub fn new_uid(random: &Random) -> String {
    let mut bytes = [0; 16];
    random(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}
