//! The rules and the database of the platform: users, credentials, roles, teams,
//! units, applications, findings, policies, annotations, letters. Every change goes
//! through one act, which writes the audit entry in the same transaction. Nothing
//! here knows of HTTP.

#![allow(missing_docs, reason = "for the platform alone: names and types say it")]

mod act;
pub mod activity;
pub mod addresses;
pub mod annotations;
pub mod applications;
pub mod clients;
pub mod clock;
pub mod collections;
mod condition;
pub mod credentials;
pub mod custom_roles;
mod database;
mod error;
pub mod findings;
pub mod flaws;
pub mod home;
pub mod import;
pub mod letters;
pub mod list;
mod manner;
mod marks;
mod names;
pub mod notices;
pub mod outbox;
mod people;
pub mod policies;
mod recorded;
mod refused;
pub mod reports;
pub mod roles;
pub mod sandboxes;
pub mod seed;
pub mod settings;
mod signatory;
pub mod snapshots;
pub mod summary;
pub mod teams;
mod tenant;
pub mod units;
mod user;
pub mod users;
pub mod weaknesses;
pub mod words;

use std::sync::Arc;

pub use act::{Act, By, Change, Noted, View};
pub use error::Error;
pub use manner::Manner;
pub use refused::Refused;
pub use tenant::{Opening, Tenant};

/// Milliseconds since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Fills a buffer with random bytes.
pub type Random = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// Numeric id of the organisation.
pub const ORGANIZATION: i64 = 10_001;

/// `YYYY-MM-DDTHH:MM:SS.mmmZ`, the one form that every known client reads.
pub fn timestamp(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// Dates of applications carry no milliseconds.
pub fn whole_second(ms: i64) -> i64 {
    ms - ms.rem_euclid(1000)
}

/// A guid that depends on a text alone.
pub fn guid_from(text: &str) -> String {
    use sha2::{Digest, Sha256};
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(text)[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

/// A guid in lower case.
pub fn guid_of(text: &str) -> Result<String, Refused> {
    match uuid::Uuid::try_parse(text) {
        Ok(guid) if text.len() == 36 => Ok(guid.to_string()),
        _ => Err(Refused::MalformedGuid(text.to_owned())),
    }
}
