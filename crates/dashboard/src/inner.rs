//! What all handlers share.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use countersign_connector::duty::Scheduler;
use countersign_connector::watch::Row;
use countersign_connector::{Clock, Random};
use countersign_store::{FindingRow, Store};
use countersign_web::Names;
use countersign_web::headers::SecurityHeaders;
use countersign_web::tries::Tries;
use tokio::sync::{Semaphore, watch};

use crate::people::People;

/// Something that is under way.
pub type Doing<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Tells what credentials there are; a failure with its hint.
pub type Inventory = Arc<dyn Fn() -> Doing<Result<Vec<Row>, String>> + Send + Sync>;

/// Asks the service how data reaches a flaw, and keeps the answer; a failure with its
/// hint.
pub type FetchPaths = Arc<dyn Fn(FindingRow) -> Doing<Result<(), String>> + Send + Sync>;

/// What handlers share. Cheap to clone.
#[derive(Clone)]
pub(super) struct Inner {
    pub(super) people: People,
    pub(super) store: Store,
    pub(super) scheduler: Option<Scheduler>,
    pub(super) inventory: Inventory,
    pub(super) fetch_paths: FetchPaths,
    pub(super) listeners: Arc<Semaphore>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) clock: Clock,
    pub(super) random: Random,
    pub(super) names: Arc<Names>,
    pub(super) headers: SecurityHeaders,
    pub(super) tries: Arc<Tries>,
}
