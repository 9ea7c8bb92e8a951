//! The connector's face: the broker and the scheduler, later its API and dashboard.
//!
//! The broker lets programs that cannot sign call the service: they come over a
//! loopback address or a socket with a token of their own, it judges what they ask
//! for, and a [`countersign_client::Client`] signs and sends it. The Secret Key never
//! leaves the process. No SQL, no arguments, no environment; time and randomness are
//! given.

pub mod broker;
pub mod scheduler;

mod error;

pub use error::Error;

/// Milliseconds since the Unix epoch.
pub type Clock = std::sync::Arc<dyn Fn() -> i64 + Send + Sync>;

/// Fills a buffer with random bytes.
pub type Random = std::sync::Arc<dyn Fn(&mut [u8]) + Send + Sync>;
