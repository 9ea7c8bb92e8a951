//! What a connection is at: whether it waits for its client, since when, and whether
//! that is too long.
//!
//! A client can hold a connection up in every state. Timers in the places where bytes
//! are read see only some of them: an HTTP/2 library goes on reading pings for ever, and
//! asks for no more of an answer while its window is closed. So requests tell what they
//! wait for, and one look at all connections, a few times within the shortest limit,
//! finds those that take too long.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::limits::Limits;

/// How long a connection that was told to end may take to say so to its client.
const FAREWELL: Duration = Duration::from_millis(500);

/// One connection, shared by whoever serves it and whoever looks after its listener.
#[derive(Debug)]
pub(crate) struct Progress {
    state: Mutex<State>,
    fate: watch::Sender<Fate>,
}

/// What is to become of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    Stay,
    /// Take no further request, and say so.
    Leave,
    /// End at once.
    Go,
}

#[derive(Debug)]
struct State {
    came: Instant,
    phase: Phase,
    /// Since when no request is open.
    since: Instant,
    open: Vec<Open>,
    next: u64,
    fate: Fate,
}

/// Where a connection is when no request is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Handshake,
    /// No request has come yet.
    First,
    Between,
}

#[derive(Debug)]
struct Open {
    number: u64,
    doing: Doing,
    since: Instant,
}

/// Whose turn it is in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Ours.
    Work,
    /// The client's: more of the body.
    Receive,
    /// The client's: to take what was answered.
    Send,
}

impl Progress {
    pub(crate) fn new(is_tls: bool, now: Instant) -> Self {
        let phase = if is_tls { Phase::Handshake } else { Phase::First };
        let state =
            State { came: now, phase, since: now, open: Vec::new(), next: 0, fate: Fate::Stay };
        Self { state: Mutex::new(state), fate: watch::Sender::new(Fate::Stay) }
    }

    /// TLS is agreed.
    pub(crate) fn shake_hands(&self, now: Instant) {
        let mut state = self.lock();
        state.phase = Phase::First;
        state.since = now;
    }

    /// A request has come; none if the connection has to go.
    pub(crate) fn open(&self, now: Instant) -> Option<u64> {
        let mut state = self.lock();
        if state.fate == Fate::Go {
            return None;
        }
        let number = state.next;
        state.next += 1;
        state.open.push(Open { number, doing: Doing::Work, since: now });
        Some(number)
    }

    /// Whose turn it is from now on in this request. One that has ended is not asked.
    pub(crate) fn turn(&self, number: u64, doing: Doing, now: Instant) {
        let mut state = self.lock();
        if let Some(open) = state.open.iter_mut().find(|open| open.number == number) {
            open.doing = doing;
            open.since = now;
        }
    }

    /// A request is answered, or nobody waits for its answer.
    pub(crate) fn close(&self, number: u64, now: Instant) {
        let mut state = self.lock();
        state.open.retain(|open| open.number != number);
        if state.open.is_empty() {
            state.phase = Phase::Between;
            state.since = now;
        }
    }

    pub(crate) fn came(&self) -> Instant {
        self.lock().came
    }

    /// None while something is ours to do. Else how soon it should make room for others,
    /// the least of all first: one that came just now may need a moment to ask, so it goes
    /// last; of the others goes the one that waits longest.
    pub(crate) fn yields(&self, safe: Duration, now: Instant) -> Option<(bool, Instant)> {
        let state = self.lock();
        let is_new = now.saturating_duration_since(state.came) < safe;
        state.waits_since().map(|since| (is_new, since))
    }

    /// Ends it in favour of another connection, unless something is ours to do by now.
    pub(crate) fn give_way(&self) -> bool {
        let mut state = self.lock();
        let is_waiting = state.waits_since().is_some();
        if is_waiting {
            self.decide(&mut state, Fate::Go);
        }
        is_waiting
    }

    /// Ends it if it takes too long for what it is at.
    pub(crate) fn look(&self, limits: &Limits, now: Instant) {
        let mut state = self.lock();
        let fate = state.due(limits, now);
        if fate == Fate::Leave && state.fate != Fate::Leave {
            state.since = now;
        }
        self.decide(&mut state, fate);
    }

    /// Lets open requests end, and takes no further ones.
    pub(crate) fn leave(&self, now: Instant) {
        let mut state = self.lock();
        if state.open.is_empty() {
            state.since = now;
        }
        let fate = if state.phase == Phase::Handshake { Fate::Go } else { Fate::Leave };
        self.decide(&mut state, fate);
    }

    /// Waits until it is told to leave or to go.
    pub(crate) async fn until(&self, fate: Fate) {
        // The sender is ours: it cannot be gone.
        let _ = self.fate.subscribe().wait_for(|told| *told >= fate).await;
    }

    fn decide(&self, state: &mut State, fate: Fate) {
        if fate > state.fate {
            state.fate = fate;
            self.fate.send_replace(fate);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn waits_since(&self) -> Option<Instant> {
        if self.open.iter().any(|open| open.doing == Doing::Work) {
            return None;
        }
        let latest = self.open.iter().map(|open| open.since).max();
        Some(latest.unwrap_or(self.since))
    }

    fn due(&self, limits: &Limits, now: Instant) -> Fate {
        let is_late = |since: Instant, limit| now.saturating_duration_since(since) >= limit;
        if !self.open.is_empty() {
            let mut sent = self.open.iter().filter(|open| open.doing == Doing::Send);
            let is_stuck = sent.any(|open| is_late(open.since, limits.write_stall));
            return if is_stuck { Fate::Go } else { Fate::Stay };
        }
        let (limit, fate) = match (self.fate, self.phase) {
            (Fate::Leave | Fate::Go, _) => (FAREWELL, Fate::Go),
            (Fate::Stay, Phase::Handshake) => (limits.handshake, Fate::Go),
            (Fate::Stay, Phase::First) => (limits.head, Fate::Leave),
            (Fate::Stay, Phase::Between) => (limits.idle, Fate::Leave),
        };
        if is_late(self.since, limit) { fate } else { Fate::Stay }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn limits() -> Limits {
        Limits {
            handshake: 10 * MS,
            head: 20 * MS,
            idle: 40 * MS,
            write_stall: 30 * MS,
            ..Limits::default()
        }
    }

    /// When a connection is told what, looking at it every millisecond.
    fn told(progress: &Progress, start: Instant, ms: std::ops::Range<u32>) -> Vec<(u32, Fate)> {
        let mut told = Vec::new();
        for at in ms {
            let before = progress.lock().fate;
            progress.look(&limits(), start + at * MS);
            let after = progress.lock().fate;
            if before != after {
                told.push((at, after));
            }
        }
        told
    }

    #[test]
    fn every_state_has_its_limit() {
        let start = Instant::now();
        let silent = Progress::new(true, start);
        assert_eq!(told(&silent, start, 0..60), [(10, Fate::Go)]);

        let silent = Progress::new(true, start);
        silent.shake_hands(start + 5 * MS);
        assert_eq!(told(&silent, start, 0..1000), [(25, Fate::Leave), (525, Fate::Go)]);

        let plain = Progress::new(false, start);
        assert_eq!(told(&plain, start, 0..1000), [(20, Fate::Leave), (520, Fate::Go)]);

        let idle = Progress::new(false, start);
        let number = idle.open(start).unwrap();
        assert_eq!(told(&idle, start, 0..1000), [], "our work has no limit here");
        idle.close(number, start + 1000 * MS);
        assert_eq!(told(&idle, start, 1000..2000), [(1040, Fate::Leave), (1540, Fate::Go)]);

        let deaf = Progress::new(false, start);
        let (one, two) = (deaf.open(start).unwrap(), deaf.open(start).unwrap());
        deaf.turn(one, Doing::Send, start + 5 * MS);
        deaf.turn(two, Doing::Work, start + 5 * MS);
        assert_eq!(told(&deaf, start, 0..60), [(35, Fate::Go)]);
        assert_eq!(deaf.open(start + 60 * MS), None);
    }

    #[test]
    fn a_connection_waits_only_when_nothing_is_ours_to_do() {
        let start = Instant::now();
        let progress = Progress::new(false, start);
        let yields = |at: Duration| progress.yields(10 * MS, start + at).map(|(is_new, _)| is_new);
        assert_eq!((yields(9 * MS), yields(10 * MS)), (Some(true), Some(false)));
        let waits_since = || progress.yields(Duration::ZERO, start).map(|(_, since)| since);
        assert_eq!(waits_since(), Some(start));
        let one = progress.open(start + MS).unwrap();
        assert!(waits_since().is_none() && !progress.give_way());
        progress.turn(one, Doing::Receive, start + 2 * MS);
        assert_eq!(waits_since(), Some(start + 2 * MS));
        let two = progress.open(start + 3 * MS).unwrap();
        assert_eq!(waits_since(), None);
        progress.turn(two, Doing::Send, start + 4 * MS);
        assert_eq!(waits_since(), Some(start + 4 * MS));
        progress.close(two, start + 5 * MS);
        progress.close(one, start + 6 * MS);
        progress.turn(one, Doing::Work, start + 7 * MS);
        assert_eq!(waits_since(), Some(start + 6 * MS));
        assert!(progress.give_way());
        assert_eq!(progress.open(start + 8 * MS), None, "it has to go");
    }

    #[test]
    fn whoever_leaves_may_end_what_is_open() {
        let start = Instant::now();
        let progress = Progress::new(false, start);
        let number = progress.open(start).unwrap();
        progress.leave(start);
        assert_eq!(told(&progress, start, 0..2000), []);
        progress.close(number, start + 2000 * MS);
        assert_eq!(told(&progress, start, 2000..3000), [(2500, Fate::Go)]);
        let shaking = Progress::new(true, start);
        shaking.leave(start);
        assert_eq!(shaking.lock().fate, Fate::Go);
    }

    #[tokio::test]
    async fn who_waits_is_told() {
        let progress = Progress::new(false, Instant::now());
        let waiting =
            async { futures::join!(progress.until(Fate::Leave), progress.until(Fate::Go)) };
        let telling = async {
            progress.leave(Instant::now());
            progress.look(&limits(), Instant::now() + FAREWELL);
        };
        futures::join!(waiting, telling);
    }
}
