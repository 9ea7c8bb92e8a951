//! How far a request's clock may be from ours.

use crate::error::{Error, Kind};

/// The allowed distance between the signed timestamp and the verifier's clock.
/// The real service publishes no figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Milliseconds that a timestamp may lie in the past.
    pub past_ms: u64,
    /// Milliseconds that a timestamp may lie in the future.
    pub future_ms: u64,
}

impl Window {
    /// The same distance both ways.
    pub fn symmetric(ms: u64) -> Self {
        Self { past_ms: ms, future_ms: ms }
    }

    /// Refuses a timestamp outside the window. Both in milliseconds since the
    /// Unix epoch.
    pub fn check(&self, timestamp_ms: u64, now_ms: u64) -> Result<(), Error> {
        let oldest = now_ms.saturating_sub(self.past_ms);
        let newest = now_ms.saturating_add(self.future_ms);
        if timestamp_ms < oldest {
            return Err(Error(Kind::Stale { by_ms: oldest - timestamp_ms }));
        }
        if timestamp_ms > newest {
            return Err(Error(Kind::Future { by_ms: timestamp_ms - newest }));
        }
        Ok(())
    }
}
