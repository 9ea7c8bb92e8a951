//! The connector's database: integrations, credentials and their rotations,
//! applications, findings, the change feed, the broker's callers, the audit log, what
//! the watch said and to whom credentials were handed. The only SQL on that side; no
//! HTTP, no secrets, no rules.
//!
//! SQLite today. The types here say nothing of it, so that PostgreSQL can stand
//! behind the same [`Store`].

mod audit;
mod backup;
mod broker;
mod check;
mod columns;
mod credentials;
mod database;
mod error;
mod facets;
mod handovers;
mod overview;
mod query;
mod raw;
mod rotations;
mod schedules;
mod seal;
mod search;
mod store;
mod tally;
mod watch;
mod writer;

pub use audit::{Act, Entry as AuditEntry, Verdict};
pub use backup::{check_image, set_aside};
pub use broker::{BrokerRequest, Caller, HANDLE_BYTES, Kept, NewCaller};
pub use check::{Checkup, LastCheck, Problem};
pub use credentials::{Credential, CredentialId, NewCredential, Observed};
pub use database::SyncLock;
pub use error::Error;
pub use facets::FacetRow;
pub use handovers::Handover;
pub use overview::{Age, AtRisk, Day, Fixing, Overview, RunRow};
pub use query::{
    ApplicationRow, ChangeFilter, ChangeRow, Counts, FindingRow, Order, Query, Scope, Seek, Since,
    UndecodableRow,
};
pub use rotations::{Claim, Lease, Publication, Rotation, RotationId};
pub use schedules::{Schedule, ScheduledEnd};
pub use store::{ApplicationMark, Integration, IntegrationId, RunId, RunKind, RunSummary, Store};
pub use watch::{Delivery, Edition, NewNotice, Notice, NoticeId, Sighting};
pub use writer::{ApplicationWriter, Change, ChangeKind, Held, Id, Put, Reading, Written};
