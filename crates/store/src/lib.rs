//! The connector's database: integrations, applications, findings, the change
//! feed, the broker's callers. The only SQL on that side; no HTTP, no secrets, no rules.
//!
//! SQLite today. The types here say nothing of it, so that PostgreSQL can stand
//! behind the same [`Store`].

mod broker;
mod database;
mod error;
mod query;
mod raw;
mod store;
mod writer;

pub use broker::{BrokerRequest, Caller, HANDLE_BYTES, Kept, NewCaller};
pub use database::SyncLock;
pub use error::Error;
pub use query::{
    ApplicationRow, ChangeRow, Counts, FindingRow, Query, Seek, Since, UndecodableRow,
};
pub use store::{
    ApplicationMark, Integration, IntegrationId, NewIntegration, RunId, RunKind, RunSummary, Store,
};
pub use writer::{ApplicationWriter, Change, ChangeKind, Held, Place, Put, Reading, Written};
