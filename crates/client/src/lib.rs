//! A signed HTTPS client for the Veracode REST APIs.
//!
//! One request path: wait for the rate budget, sign what goes over the wire with
//! a fresh time and nonce, send, judge the answer, and perhaps try again. Never
//! follows a redirect, never signs for another host, never sends a request that
//! mints a secret twice. No SQL, no files, no environment.

mod address;
mod api;
mod budget;
mod client;
mod error;
mod holds;
mod meter;
mod pages;
mod proxy;
mod source;
mod token;
mod unreached;

pub use address::parse_url;
pub use api::{Minted, Moved, OAuthClientState, ScanFamily};
pub use budget::{Answered, Ask, Budget, Given, Ledger, Minute, ShareOfMinute, Urgency};
pub use client::{Client, Config, Forwarded, Repeat, Response};
pub use error::Error;
pub use holds::{Hold, Pace, Why};
pub use http::{HeaderMap, Method};
pub use meter::{Meter, Stats};
pub use pages::{PageBody, Pages};
pub use proxy::{Proxy, is_exempt};
pub use source::{Authority, Fixed, Lease, Leased, Replaced, Source};
pub use unreached::{Blame, Unreached};
pub use url::Url;

/// Milliseconds since the Unix epoch.
pub type Clock = std::sync::Arc<dyn Fn() -> i64 + Send + Sync>;

/// Fills a buffer with random bytes.
pub type Random = std::sync::Arc<dyn Fn(&mut [u8]) + Send + Sync>;
