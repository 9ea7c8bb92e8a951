//! Whether what is stored of an integration can be believed to be how things are: how old
//! it is, and what is wrong with the syncs that should bring it up to date. The one place
//! where that is decided; pages and commands show it.

use countersign_store::Freshness;

use crate::duty::{Running, State};
use crate::times::DAY_MS;

const HOUR_MS: i64 = 3_600_000;
/// Older than this is behind: a daily sync was missed.
pub const BEHIND_MS: i64 = 2 * DAY_MS;
/// A run of which nothing was heard for so long does not move. Longer than any single
/// request takes with all its tries.
pub const STILL_MS: i64 = HOUR_MS / 2;
/// A run of another process, of which only the beginning is known, takes no longer.
pub const UNENDED_MS: i64 = 3 * HOUR_MS;

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing was ever read whole, and nothing reads it now.
    NeverRead,
    /// The last complete sync is too long ago.
    Behind,
    /// What was wrong with the last sync, or keeps the next from starting, with its hint.
    Failed(String),
    /// The last sync did not read everything.
    Incomplete {
        /// When it ended.
        ended_ms: i64,
    },
    /// A sync runs and has not moved for long.
    Stuck {
        /// When it began.
        started_ms: i64,
        /// When it was last heard of.
        moved_ms: i64,
    },
    /// A sync began long ago, and nobody saw it end.
    Unended {
        /// When it began.
        started_ms: i64,
    },
}

/// How an integration is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its name.
    pub integration: String,
    /// When what is stored was last complete.
    pub as_of_ms: Option<i64>,
    /// What is wrong, the worst first.
    pub troubles: Vec<Trouble>,
}

/// One word for how an integration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// What is stored is up to date.
    Healthy,
    /// A sync does not move or end.
    Stuck,
    /// Syncs fail.
    NeedsSomebody,
    /// The last sync did not read everything.
    Incomplete,
    /// Syncs do not run.
    Behind,
    /// There was no complete sync yet.
    NeverRead,
}

impl Standing {
    /// Judges by what the store remembers and, where a scheduler runs, by what it knows.
    pub fn judge(fresh: &Freshness, state: Option<&State>, now_ms: i64) -> Self {
        let running = state.and_then(|state| state.running.as_ref());
        let mut troubles = Vec::new();
        troubles.extend(running.and_then(|running| stuck(running, now_ms)));
        let problem = state.and_then(|state| state.problem.clone());
        troubles.extend(problem.map(Trouble::Failed));
        if running.is_none() {
            troubles.extend(last(fresh, troubles.is_empty(), now_ms));
        }
        match fresh.complete_ms {
            Some(ms) if now_ms.saturating_sub(ms) > BEHIND_MS => troubles.push(Trouble::Behind),
            None if troubles.is_empty() && !is_under_way(fresh, running) => {
                troubles.push(Trouble::NeverRead);
            }
            _ => {}
        }
        let (integration, as_of_ms) = (fresh.integration.clone(), fresh.complete_ms);
        Self { integration, as_of_ms, troubles }
    }

    /// Nothing is wrong.
    pub fn is_well(&self) -> bool {
        self.troubles.is_empty()
    }

    /// By the worst that is wrong.
    pub fn mark(&self) -> Mark {
        match self.troubles.first() {
            None if self.as_of_ms.is_none() => Mark::NeverRead,
            None => Mark::Healthy,
            Some(Trouble::Stuck { .. } | Trouble::Unended { .. }) => Mark::Stuck,
            Some(Trouble::Failed(_)) => Mark::NeedsSomebody,
            Some(Trouble::Incomplete { .. }) => Mark::Incomplete,
            Some(Trouble::Behind) => Mark::Behind,
            Some(Trouble::NeverRead) => Mark::NeverRead,
        }
    }

    /// What is wrong, a sentence each, without its hints.
    pub fn sentences(&self, now_ms: i64) -> Vec<String> {
        let name = &self.integration;
        let since = |ms: i64| span(now_ms.saturating_sub(ms));
        let sentence = |trouble: &Trouble| match trouble {
            Trouble::NeverRead => format!("{name} was never read completely."),
            Trouble::Behind => {
                format!("{name} is {} behind.", since(self.as_of_ms.unwrap_or(now_ms)))
            }
            Trouble::Failed(problem) => {
                let what = problem.split("\nhint: ").next().unwrap_or_default();
                format!("Sync of {name} fails: {}.", what.trim_end_matches('.'))
            }
            Trouble::Incomplete { ended_ms } => {
                format!("The last sync of {name}, {} ago, was incomplete.", since(*ended_ms))
            }
            Trouble::Stuck { started_ms, moved_ms } if moved_ms <= started_ms => format!(
                "Sync of {name} has been running for {} and has not moved.",
                since(*started_ms)
            ),
            Trouble::Stuck { started_ms, moved_ms } => format!(
                "Sync of {name} has been running for {} and has not moved for {}.",
                since(*started_ms),
                since(*moved_ms)
            ),
            Trouble::Unended { started_ms } => {
                format!("Sync of {name} began {} ago and has not ended.", since(*started_ms))
            }
        };
        self.troubles.iter().map(sentence).collect()
    }
}

fn stuck(running: &Running, now_ms: i64) -> Option<Trouble> {
    let moved_ms = running.moved_ms.max(running.started_ms);
    let is_still = now_ms.saturating_sub(moved_ms) > STILL_MS;
    is_still.then_some(Trouble::Stuck { started_ms: running.started_ms, moved_ms })
}

/// By the last sync that the store knows of. Why a sync of the scheduler was incomplete is
/// in its problem.
fn last(fresh: &Freshness, is_silent: bool, now_ms: i64) -> Option<Trouble> {
    let last = fresh.last?;
    match last.finished_ms {
        Some(ended_ms) => {
            (!last.is_complete && is_silent).then_some(Trouble::Incomplete { ended_ms })
        }
        None => {
            let is_long = now_ms.saturating_sub(last.started_ms) > UNENDED_MS;
            is_long.then_some(Trouble::Unended { started_ms: last.started_ms })
        }
    }
}

/// Somebody reads it, as far as that is known.
fn is_under_way(fresh: &Freshness, running: Option<&Running>) -> bool {
    running.is_some() || fresh.last.is_some_and(|last| last.finished_ms.is_none())
}

/// `25 days`, `3 h`, `40 min`.
fn span(ms: i64) -> String {
    match ms {
        ..HOUR_MS => format!("{} min", ms.max(0) / 60_000),
        HOUR_MS..172_800_000 => format!("{} h", ms / HOUR_MS),
        _ => format!("{} days", ms / DAY_MS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_store::LastSync;
    use proptest::prelude::*;

    const NOW: i64 = 1_780_272_000_000;

    fn read(ago_ms: i64) -> Freshness {
        let at = NOW - ago_ms;
        Freshness {
            integration: "production".into(),
            added_ms: 0,
            complete_ms: Some(at),
            last: Some(LastSync { started_ms: at, finished_ms: Some(at), is_complete: true }),
        }
    }

    fn idle(problem: Option<&str>) -> State {
        State {
            integration: "production".into(),
            running: None,
            next_ms: None,
            paused: false,
            problem: problem.map(String::from),
        }
    }

    fn runs(started_ms: i64, moved_ms: i64) -> State {
        let running = Running { started_ms, moved_ms, ..Running::default() };
        State { running: Some(running), ..idle(None) }
    }

    #[test]
    fn words_that_a_person_would_say() {
        let failing = idle(Some("the service answered 401\nhint: rotate it"));
        let never = Freshness { complete_ms: None, last: None, ..read(0) };
        let begun = |ago| LastSync { started_ms: NOW - ago, finished_ms: None, is_complete: false };
        let half = LastSync {
            started_ms: NOW - 2 * HOUR_MS,
            finished_ms: Some(NOW - HOUR_MS),
            is_complete: false,
        };
        for (fresh, state, words, mark) in [
            (read(HOUR_MS), None, vec![], Mark::Healthy),
            (read(HOUR_MS), Some(idle(None)), vec![], Mark::Healthy),
            (
                read(25 * DAY_MS),
                Some(idle(None)),
                vec!["production is 25 days behind."],
                Mark::Behind,
            ),
            (
                read(25 * DAY_MS),
                Some(failing),
                vec![
                    "Sync of production fails: the service answered 401.",
                    "production is 25 days behind.",
                ],
                Mark::NeedsSomebody,
            ),
            (
                read(5 * HOUR_MS),
                Some(runs(NOW - 3 * HOUR_MS, 0)),
                vec!["Sync of production has been running for 3 h and has not moved."],
                Mark::Stuck,
            ),
            (
                read(5 * HOUR_MS),
                Some(runs(NOW - 3 * HOUR_MS, NOW - 40 * 60_000)),
                vec!["Sync of production has been running for 3 h and has not moved for 40 min."],
                Mark::Stuck,
            ),
            (read(5 * HOUR_MS), Some(runs(NOW - 3 * HOUR_MS, NOW)), vec![], Mark::Healthy),
            (
                Freshness { last: Some(begun(4 * HOUR_MS)), ..read(5 * HOUR_MS) },
                None,
                vec!["Sync of production began 4 h ago and has not ended."],
                Mark::Stuck,
            ),
            (
                Freshness { last: Some(half), ..read(5 * HOUR_MS) },
                None,
                vec!["The last sync of production, 1 h ago, was incomplete."],
                Mark::Incomplete,
            ),
            (never.clone(), None, vec!["production was never read completely."], Mark::NeverRead),
            (
                Freshness { last: Some(begun(HOUR_MS)), ..never.clone() },
                None,
                vec![],
                Mark::NeverRead,
            ),
            (never, Some(runs(NOW - HOUR_MS, NOW)), vec![], Mark::NeverRead),
        ] {
            let standing = Standing::judge(&fresh, state.as_ref(), NOW);
            assert_eq!(standing.sentences(NOW), words, "{fresh:?} {state:?}");
            assert_eq!(standing.mark(), mark, "{fresh:?} {state:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_old_or_does_not_move_is_never_well(
            age_ms in 0..400 * DAY_MS,
            still_ms in 0..400 * DAY_MS,
            is_running: bool,
        ) {
            let state = is_running.then(|| runs(NOW - still_ms, NOW - still_ms));
            let standing = Standing::judge(&read(age_ms), state.as_ref(), NOW);
            let is_bad = age_ms > BEHIND_MS || is_running && still_ms > STILL_MS;
            prop_assert_eq!(standing.is_well(), !is_bad);
            prop_assert_eq!(standing.sentences(NOW).is_empty(), !is_bad);
        }
    }
}
