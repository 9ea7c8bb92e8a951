//! What is done again and again beside the syncs: looks at credentials, the check of the
//! store.

use std::convert::Infallible;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;

use tokio::task::{AbortHandle, JoinSet};

use crate::Clock;

/// Longest wait: other processes write wishes into the store, the clock is set, the
/// machine sleeps, and nobody tells.
pub(super) const LOOK_MS: i64 = 5_000;

/// A future of somebody's own.
pub type Waiting<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Ends after so many milliseconds.
pub type Wait = Arc<dyn Fn(u64) -> Waiting<()> + Send + Sync>;

/// One of them.
#[derive(Clone)]
pub struct Round {
    /// From the beginning of one to the beginning of the next, at least. One that takes
    /// longer is not begun anew before it has ended.
    pub every_ms: i64,
    /// Does it once; says itself what went wrong, which is no reason not to do it again.
    pub act: Arc<dyn Fn() -> Waiting<()> + Send + Sync>,
}

/// Does these again and again, without syncs. Does not end by itself.
pub async fn walk(rounds: Vec<Round>, clock: Clock, wait: Wait) -> Infallible {
    let mut rounds = Rounds::new(rounds);
    loop {
        rounds.begin_due(clock());
        let wait_ms = rounds.wait_ms(clock());
        tokio::select! {
            () = rounds.ended() => {}
            () = wait(wait_ms.unsigned_abs()) => {}
        }
    }
}

/// All of them. Dropped, they are given up where they are.
pub(super) struct Rounds {
    beats: Vec<Beat>,
    under_way: JoinSet<()>,
}

struct Beat {
    round: Round,
    begun_ms: Option<i64>,
    task: Option<AbortHandle>,
}

impl Rounds {
    pub(super) fn new(rounds: Vec<Round>) -> Self {
        let beat = |round| Beat { round, begun_ms: None, task: None };
        Self { beats: rounds.into_iter().map(beat).collect(), under_way: JoinSet::new() }
    }

    /// Each in a task of its own: one that waits for the store holds up nobody else who
    /// does.
    pub(super) fn begin_due(&mut self, now_ms: i64) {
        for beat in self.beats.iter_mut().filter(|beat| beat.wait_ms(now_ms) == Some(0)) {
            beat.begun_ms = Some(now_ms);
            beat.task = Some(self.under_way.spawn((beat.round.act)()));
        }
    }

    /// Waits for the end of one that is under way.
    pub(super) async fn ended(&mut self) {
        match self.under_way.join_next().await {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::error!(%error, "a round broke down"),
            None => pending().await,
        }
    }

    /// Until one is due, but no longer than other processes, clocks and machines may go
    /// unseen.
    pub(super) fn wait_ms(&self, now_ms: i64) -> i64 {
        self.beats.iter().filter_map(|beat| beat.wait_ms(now_ms)).fold(LOOK_MS, i64::min)
    }
}

impl Beat {
    /// None while it is under way.
    fn wait_ms(&self, now_ms: i64) -> Option<i64> {
        if self.task.as_ref().is_some_and(|task| !task.is_finished()) {
            return None;
        }
        let every_ms = self.round.every_ms;
        let passed_ms = self.begun_ms.map(|begun_ms| now_ms - begun_ms);
        // A clock that was set back is no reason to wait longer.
        Some(match passed_ms.filter(|passed_ms| (0..every_ms).contains(passed_ms)) {
            Some(passed_ms) => every_ms - passed_ms,
            None => 0,
        })
    }
}
