//! When a notice is sent, and how long its causes are borne.

use crate::hours::Window;

/// When to say what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// When to say only what is urgent, in UTC.
    pub quiet: Option<Window>,
    /// How long somebody has to take a notice on before others are told.
    pub escalate_after_ms: i64,
    /// How far two clocks may be apart.
    pub max_skew_ms: i64,
    /// How long a rotation may stand still.
    pub stuck_after_ms: i64,
}

impl Policy {
    pub(super) fn is_quiet(&self, ms: i64) -> bool {
        self.quiet.is_some_and(|quiet| quiet.in_utc().hold(ms))
    }

    /// The first moment from then on that is not quiet.
    pub(super) fn over(&self, ms: i64) -> i64 {
        let closes_ms = self.quiet.filter(|_| self.is_quiet(ms));
        closes_ms.and_then(|quiet| quiet.in_utc().closes(ms)).unwrap_or(ms)
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            quiet: None,
            escalate_after_ms: 12 * 3_600_000,
            max_skew_ms: 60_000,
            stuck_after_ms: 26 * 3_600_000,
        }
    }
}
