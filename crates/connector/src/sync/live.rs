//! One application, read at this moment for an answer: by the code and the rules of a sync.
//!
//! Invariants:
//! - It is no sync: neither the schedule, nor metrics, nor lists of syncs know of it, and how
//!   old what is stored is goes by syncs alone.
//! - It gives way to a sync of the same integration, in any process: it does not begin beside
//!   one, and writes nothing once one has begun ([`RunKind::Live`]).
//! - What the service no longer shows stays as it is: that the whole list lacks an
//!   application is for a sync to say.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use countersign_client::Client;
use countersign_findings::{Application, ApplicationGuid};
use countersign_store::{Error as StoreError, IntegrationId, OwnedIntegration, RunId, RunKind};
use tokio::sync::SetOnce;

use super::application::{Outcome, Trust, read_application};
use super::asking::Extent;
use super::{Cause, Entry, Options, Report, Run, count, summary};
use crate::error::{Error, Fault};
use crate::{Clock, Connector};

/// How long a reading is fresh enough, a failed one too: pages of one list are asked for within
/// seconds, and must neither cost a reading each nor wait for a service that is down each.
const FRESH_MS: i64 = 30_000;

/// How an application was read for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fresh {
    /// Requests that it cost, but for retries; none where it was fresh enough.
    pub requests: u64,
    /// Why the store is not what the service shows; none where it is.
    pub lack: Option<Lack>,
}

/// Why the store is not what the service shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// The service does not show the application, or no longer.
    Gone,
    /// A sync of the integration runs.
    Syncing,
    /// The reading did not add up: what came is stored, and nothing of it is closed.
    Incomplete(String),
}

impl Fresh {
    fn lacking(requests: u64, lack: Lack) -> Self {
        Self { requests, lack: Some(lack) }
    }
}

impl Connector {
    /// Reads one application into the store, unless it was read within the last 30 seconds.
    /// `options` count as far as one application is concerned; its scope does not.
    ///
    /// A reading that would close most of what an application has, without a newer scan, is
    /// incomplete: only a sync sees whether it is so everywhere.
    ///
    /// # Errors
    ///
    /// As a sync that ends with this application: the service refuses, fails or cannot be
    /// understood, the store cannot be written to, or a sync began meanwhile.
    pub async fn read_now(
        &self,
        integration: &OwnedIntegration,
        client: Client,
        guid: &ApplicationGuid,
        options: Options,
    ) -> Result<Fresh, Error> {
        let known = self.store.application(&integration.name, guid.as_str()).await?;
        let read_ms = known.and_then(|known| known.row.read_ms);
        if read_ms.is_some_and(|read_ms| is_recent(read_ms, self.now())) {
            return Ok(Fresh { requests: 0, lack: None });
        }
        // Noted before it is looked for syncs: one that is not seen begins later.
        let id = self.store.begin_run(integration.id, RunKind::Live, self.now()).await?;
        let run = Run::new(self, id, client, options, Arc::new(|_| {}));
        run.need_not_wait();
        let mut report = Report::default();
        let ended = read_one(&run, integration.id, guid, &mut report).await;
        if let Err(error) = &ended {
            let (integration, application) = (&integration.name, guid.as_str());
            tracing::warn!(%integration, application, %error, "an application was not read");
        }
        let noted = self.note_reading(id, &mut report).await;
        let fresh = ended?;
        noted?;
        Ok(fresh)
    }

    /// A run without a trace in the feed of changes is not worth a row.
    async fn note_reading(&self, id: RunId, report: &mut Report) -> Result<(), StoreError> {
        if !report.findings.is_different() {
            return self.store.forget_run(id).await;
        }
        report.complete = report.problems.is_empty();
        self.store.finish_run(id, summary(report, self.now())).await
    }
}

async fn read_one(
    run: &Run,
    integration: IntegrationId,
    guid: &ApplicationGuid,
    report: &mut Report,
) -> Result<Fresh, Error> {
    let store = &run.store;
    // One that was cut off has no end either; then nobody holds the lock.
    if store.has_open_sync(integration).await? && store.is_syncing(Some(integration)).await? {
        return Ok(Fresh::lacking(0, Lack::Syncing));
    }
    let record = match run.client.application_record(guid.as_str()).await {
        Ok(response) => response.body,
        Err(error) if error.is_gone() => return Ok(Fresh::lacking(1, Lack::Gone)),
        Err(error) => return Err(error.into()),
    };
    let entry = entry(guid, &record)?;
    // For an answer nothing is saved.
    match read_application(run, &entry, Extent::Everything, Trust::Usual, None).await? {
        // It was shown, and asked about once more.
        Outcome::Gone => Ok(Fresh::lacking(3, Lack::Gone)),
        Outcome::Read(read) => {
            report.requests = read.requests + 1;
            let lack = read.incomplete.clone().map(Lack::Incomplete);
            count(report, guid.to_string(), None, Cause::Usual, read);
            Ok(Fresh { requests: report.requests, lack })
        }
    }
}

/// The application that was asked for, and no other.
fn entry(guid: &ApplicationGuid, record: &[u8]) -> Result<Entry, Error> {
    let unreadable = |what: &dyn std::fmt::Display| {
        Error::new(Fault::Incomplete, format!("the application cannot be read: {what}"))
    };
    let raw = std::str::from_utf8(record).map_err(|error| unreadable(&error))?.to_owned();
    let application = Application::decode(&raw).map_err(|error| unreadable(&error))?;
    if application.guid != *guid {
        return Err(unreadable(&format_args!("the answer is about `{}`", application.guid)));
    }
    Ok(Entry { application, raw })
}

/// A clock that was set back makes nothing fresh.
fn is_recent(at_ms: i64, now_ms: i64) -> bool {
    (0..FRESH_MS).contains(&now_ms.saturating_sub(at_ms))
}

/// Readings that are under way, or ended a moment ago: who wants the same one waits for its
/// end and shares it. Clones share.
#[derive(Clone)]
pub struct Readings {
    clock: Clock,
    known: Arc<Mutex<Known>>,
}

type Known = HashMap<(IntegrationId, ApplicationGuid), Arc<Shared>>;

#[derive(Default)]
struct Shared {
    /// When and how it ended.
    ended: SetOnce<(i64, Result<Fresh, Error>)>,
    /// Whether somebody was told what it cost.
    is_counted: AtomicBool,
}

impl Shared {
    /// Whether another reading would be one too many.
    fn is_enough(&self, now_ms: i64) -> bool {
        match self.ended.get() {
            None => true,
            // This is found out without the service.
            Some((_, Ok(Fresh { lack: Some(Lack::Syncing), .. }))) => false,
            Some((ended_ms, _)) => is_recent(*ended_ms, now_ms),
        }
    }
}

impl Readings {
    /// None yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, known: Arc::default() }
    }

    /// The end of a reading of this application: of `reading`, or of one that is under way or
    /// ended within the last 30 seconds. It goes on if nobody waits for it any more. What it
    /// cost is told to one of those who share it.
    ///
    /// # Errors
    ///
    /// Those of the reading; one that broke down is unexpected.
    pub async fn share(
        &self,
        integration: IntegrationId,
        guid: &ApplicationGuid,
        reading: impl Future<Output = Result<Fresh, Error>> + Send + 'static,
    ) -> Result<Fresh, Error> {
        let shared = self.begin(integration, guid, reading);
        let (_, ended) = shared.ended.wait().await;
        let mut ended = ended.clone();
        if shared.is_counted.swap(true, Ordering::Relaxed)
            && let Ok(fresh) = &mut ended
        {
            fresh.requests = 0;
        }
        ended
    }

    fn begin(
        &self,
        integration: IntegrationId,
        guid: &ApplicationGuid,
        reading: impl Future<Output = Result<Fresh, Error>> + Send + 'static,
    ) -> Arc<Shared> {
        let now_ms = (self.clock)();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, one| one.is_enough(now_ms));
        let key = (integration, guid.clone());
        if let Some(shared) = known.get(&key) {
            return Arc::clone(shared);
        }
        let shared = Arc::new(Shared::default());
        known.insert(key, Arc::clone(&shared));
        let (clock, under_way) = (Arc::clone(&self.clock), Arc::clone(&shared));
        tokio::spawn(async move {
            // In a task of its own, so that a panic leaves nobody waiting.
            let ended = tokio::spawn(reading).await.unwrap_or_else(|error| {
                Err(Error::new(Fault::Unexpected, format!("the reading broke down: {error}")))
            });
            // Nobody else sets it.
            let _ = under_way.ended.set((clock(), ended));
        });
        shared
    }
}
