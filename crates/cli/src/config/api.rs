//! `[api]`: where `serve` answers other programs, and how much one token may ask for.

use std::net::SocketAddr;

use countersign_api::Budget;
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ApiConfig {
    /// A listener for other programs.
    pub(crate) listen: Option<SocketAddr>,
    /// Requests of one token in any minute.
    pub(crate) requests_per_minute: u32,
    /// Requests of one token that are answered at once.
    pub(crate) in_flight: u32,
}

impl Default for ApiConfig {
    fn default() -> Self {
        let Budget { per_minute, in_flight, .. } = Budget::default();
        Self { listen: None, requests_per_minute: per_minute, in_flight }
    }
}

impl ApiConfig {
    pub(crate) fn budget(&self) -> Budget {
        Budget::of(self.requests_per_minute, self.in_flight)
    }
}
