//! The connector's face: the dashboard for people, the broker for programs.
//!
//! The dashboard shows what is stored to who has signed in, as pages that work without
//! scripts. The broker lets programs that cannot sign call the service: they come over a
//! loopback address or a socket with a token of their own, it judges what they ask
//! for, and a [`countersign_client::Client`] signs and sends it. The Secret Key never
//! leaves the process. No arguments, no environment, no SQL but for the dashboard's
//! people; time and randomness are given.

pub mod broker;
pub mod chart;
pub mod dashboard;
mod error;
pub mod people;

pub use dashboard::item;

pub use error::Error;

/// Milliseconds since the Unix epoch.
pub type Clock = std::sync::Arc<dyn Fn() -> i64 + Send + Sync>;

/// Fills a buffer with random bytes.
pub type Random = std::sync::Arc<dyn Fn(&mut [u8]) + Send + Sync>;
