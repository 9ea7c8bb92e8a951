//! The connector's database: integrations, credentials and their rotations,
//! applications, findings, the change feed, the broker's callers, the audit log, what
//! the watch said and to whom credentials were handed. The only SQL on that side; no
//! HTTP, no secrets, no rules.
//!
//! It is a file of SQLite or, with the feature `postgres`, a PostgreSQL database. The types here
//! say nothing of which: both stand behind the same [`Store`].

mod accounts;
mod applications;
mod audit;
mod backup;
mod broker;
mod budgets;
mod change;
mod check;
mod columns;
mod conducts;
mod credentials;
mod database;
mod error;
mod facets;
mod feed;
mod figures;
mod freshness;
mod handovers;
mod integrations;
mod kept;
mod known_names;
mod meter;
mod outbox;
mod overview;
mod pages;
mod query;
mod raw;
mod rotations;
mod runs;
mod schedules;
mod scope;
mod seal;
mod search;
mod sorted;
mod sql;
mod sqlite;
mod store;
mod stretches;
mod sweeps;
mod tally;
mod tokens;
mod traffic;
mod transfer;
mod unpacking;
mod watch;
mod words;
mod work;
mod writer;

pub use accounts::{Account, AccountForm, AccountId, Environment};
pub use applications::{ApplicationRecord, ApplicationRow, Counts};
pub use audit::{Act, Deed, Entry as AuditEntry, Verdict};
pub use backup::{check_image, set_aside};
pub use broker::{BrokerRequest, Caller, HANDLE_BYTES, Kept, NewCaller};
pub use change::{Change, ChangeKind, Reason, RunKind};
pub use check::{Checkup, LastCheck, Problem};
pub use conducts::{Conduct, Conducted, NewConduct, RunEnd, RunStage};
pub use credentials::{
    Credential, CredentialId, CredentialKind, Destination, NewCredential, Observed,
};

pub use error::Error;
pub use facets::FacetRow;
pub use feed::{ChangeFilter, ChangePage, ChangeRow, Since};
pub use figures::{FindingFigures, SyncFigures};
pub use freshness::{Freshness, LastSync};
pub use handovers::Handover;
pub use integrations::{
    Added, Integration, IntegrationKind, Known, Mode, OwnedCredential, OwnedIntegration,
};
pub use kept::{Kept as KeptCredential, KeptId, NewKept};
pub use known_names::UnknownName;
pub use meter::Meter;
pub use outbox::{
    Action, DeliveredRow, DeliveryMode, DestinationId, DestinationRow, LinkRow, LinkStanding,
    NewSend, PLANNING, Planned, SendCount, SendFilter, SendId, SendRow, SendState, Settlement,
    Want,
};
pub use overview::{Age, AtRisk, Day, Fixing, Overview, RunRow};
pub use query::{FindingRow, FindingVersion, Order, PageReader, Query, Seek, UndecodableRow};
pub use rotations::{Claim, Lease, Publication, Rotation, RotationId};
pub use runs::{ApplicationMark, RunSummary};
pub use schedules::{Schedule, ScheduledEnd};
pub use scope::Scope;
pub use sorted::Sorting;
pub use sqlite::{DeliveryLock, SyncLock};
pub use store::{IntegrationId, RunId, Store, WHO_IS_CONNECTED};
pub use sweeps::{Audited, Stalest, Sweep, Swept};
pub use tokens::{
    ApiToken, NewSecrets, NewToken, PermissionSet, Presented, SecretPlace, TokenId, TokenKind,
    TokenScope, TokenUse,
};
pub use traffic::{ApiFailure, Traffic, TrafficBatch};
pub use transfer::Copied;
pub use watch::{Delivery, Edition, NewNotice, Notice, NoticeId, NoticeKind, Sighting};
pub use words::Fault;
pub use work::{ClaimedWork, Crew, NewWork, OpenRun, WorkLease, WorkNote, WorkRow, WorkState};
pub use writer::{ApplicationWriter, Held, Id, Put, Reading, Written};
