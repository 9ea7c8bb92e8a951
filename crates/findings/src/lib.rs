//! The domain: applications, findings, what identifies them, where they stand,
//! and what is different between two sightings. Pure: built from `wire`, and
//! without I/O of any kind.

pub mod closure;
pub mod filter;
pub mod imported;

mod application;
mod change;
mod decode;
mod error;
mod finding;
mod ids;
mod paths;
mod population;
mod sentence;
mod text;
mod time;

pub use application::{Application, PolicyScans};
pub use change::{Difference, Standing, Verdict, judge};
pub use decode::remediation;
pub use error::Undecodable;
pub use finding::{
    Annotation, Component, Finding, License, Location, Note, Numbered, SCHEMA, ScanType, Severity,
    State, Status, Vulnerability, cwe_url,
};
pub use ids::{ApplicationGuid, Context, FindingId, FindingKey};
pub use paths::{DataPath, Step};
pub use population::{Contexts, Population, Sight};
pub use sentence::sentences;
pub use time::{Rfc3339, parse_age, parse_moment, parse_time, rfc3339};
