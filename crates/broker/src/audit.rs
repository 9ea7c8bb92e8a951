//! The log: one line for each request, whatever came of it.
//!
//! A request gets a place in the queue before anything is done for it, and its line
//! takes that place when it ends, however it ends. One task writes what has gathered.
//! A full queue holds requests up; a store that fails has further ones refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign_store::{BrokerRequest, Kept, Store};
use hyper::http::request::Parts;
use tokio::sync::mpsc::{self, OwnedPermit};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::refusal::Refusal;
use crate::error::Error;

/// Lines that wait to be written.
const QUEUE: usize = 4096;
/// Lines that are written in one transaction.
const BATCH: usize = 1024;
/// How long lines gather: each transaction waits for the disk.
const GATHER: Duration = Duration::from_millis(25);
/// How long a request waits for a place.
const PLACE_TIME: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_secs(1);
/// How long the last lines may take.
const CLOSE_TIME: Duration = Duration::from_secs(15);
const MAX_PATH_CHARS: usize = 512;
const MAX_METHOD_CHARS: usize = 16;
/// What proxies call a caller that went away.
const HUNG_UP: u16 = 499;

const KEPT: Kept = Kept { of_callers: 100_000, of_nobody: 10_000 };

pub(crate) struct Audit {
    places: mpsc::Sender<BrokerRequest>,
    is_failing: Arc<AtomicBool>,
}

/// The task that writes.
pub(crate) struct Writer(JoinHandle<()>);

impl Audit {
    pub(crate) fn start(store: Store) -> (Self, Writer) {
        let (places, lines) = mpsc::channel(QUEUE);
        let is_failing = Arc::new(AtomicBool::new(false));
        let writer = tokio::spawn(write(store, lines, Arc::clone(&is_failing)));
        (Self { places, is_failing }, Writer(writer))
    }

    /// A place for the line of this request.
    pub(crate) async fn line(&self, request: &Parts, at_ms: i64) -> Result<Line, Refusal> {
        if self.is_failing.load(Ordering::Relaxed) {
            return Err(Refusal::log_failed());
        }
        let place = tokio::time::timeout(PLACE_TIME, self.places.clone().reserve_owned());
        let Ok(Ok(place)) = place.await else { return Err(Refusal::log_failed()) };
        let path = request.uri.path();
        let entry = BrokerRequest {
            at_ms,
            caller: None,
            method: printable(request.method.as_str(), MAX_METHOD_CHARS),
            path: printable(path, MAX_PATH_CHARS),
            status: HUNG_UP,
            refusal: Some("hung_up".into()),
            duration_ms: 0,
        };
        Ok(Line { entry, since: Instant::now(), place: Some(place) })
    }
}

impl Writer {
    /// Waits for the last line. Whoever could add one must be gone.
    pub(crate) async fn close(self, audit: Audit) -> Result<(), Error> {
        let mut task = self.0;
        drop(audit);
        match tokio::time::timeout(CLOSE_TIME, &mut task).await {
            Ok(_) => Ok(()),
            Err(_) => {
                task.abort();
                Err(Error::unwritten())
            }
        }
    }
}

/// Writes itself when it is dropped.
pub(crate) struct Line {
    entry: BrokerRequest,
    since: Instant,
    place: Option<OwnedPermit<BrokerRequest>>,
}

impl Line {
    pub(crate) fn caller(&mut self, name: &str) {
        self.entry.caller = Some(name.to_owned());
    }

    pub(crate) fn answered(&mut self, status: u16) {
        self.entry.status = status;
        self.entry.refusal = None;
    }

    pub(crate) fn refused(&mut self, status: u16, code: &str) {
        self.entry.status = status;
        self.entry.refusal = Some(code.to_owned());
    }

    /// The answer had begun when the service broke off.
    pub(crate) fn broken(&mut self) {
        self.entry.refusal = Some("broken_off".into());
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else { return };
        self.entry.duration_ms =
            u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        place.send(self.entry.clone());
    }
}

async fn write(
    store: Store,
    mut lines: mpsc::Receiver<BrokerRequest>,
    is_failing: Arc<AtomicBool>,
) {
    let mut gathered = Vec::with_capacity(BATCH);
    while lines.recv_many(&mut gathered, BATCH).await > 0 {
        tokio::time::sleep(GATHER).await;
        while gathered.len() < BATCH
            && let Ok(line) = lines.try_recv()
        {
            gathered.push(line);
        }
        let batch: Arc<[_]> = gathered.drain(..).collect();
        while let Err(error) = store.add_broker_requests(Arc::clone(&batch), KEPT).await {
            // A long transaction elsewhere, such as a sync's, is no failure: the queue
            // takes what comes meanwhile.
            if !error.is_locked() && !is_failing.swap(true, Ordering::Relaxed) {
                tracing::error!(%error, "the log cannot be written: requests are refused");
            }
            tokio::time::sleep(RETRY).await;
        }
        if is_failing.swap(false, Ordering::Relaxed) {
            tracing::warn!("the log is written again: requests are taken");
        }
    }
}

fn printable(text: &str, limit: usize) -> String {
    text.chars().flat_map(char::escape_default).take(limit).collect()
}
