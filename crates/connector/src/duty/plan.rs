//! When the next run of an integration starts, by the clock, its settings, and what
//! happened. Pure.
//!
//! A run that started when it was due keeps its beat: the next is due a period after
//! that moment. One that started late, because the process was down or the machine slept,
//! is made up for once, and the beat goes on from there. What was asked for by hand, and
//! what is tried again after a failure, changes no beat.

use jiff::tz::TimeZone;

use crate::hours::{Hours, Window};
use crate::times::DAY_MS;

/// Later than this is late, or than a tenth of a period that is short.
const SLACK_MS: i64 = 30_000;
/// How long a store is left to whoever syncs into it.
const BUSY_MS: i64 = 60_000;
const MINUTE_MS: i64 = 60_000;
/// First wait after a failure.
const BACK_OFF_MS: i64 = 2 * MINUTE_MS;
/// Days that are looked back for a window that was missed.
const LOOK_BACK_MS: i64 = 9 * DAY_MS;

/// When an integration is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// From the start of one run to the start of the next, at least.
    pub period_ms: i64,
    /// When runs may start; none at all is always.
    pub windows: Vec<Window>,
    /// By which clock on the wall.
    pub zone: TimeZone,
    /// How much later at most, so that not all runs begin at once.
    pub jitter_ms: i64,
    /// How often everything is read.
    pub full_every_ms: Option<i64>,
    /// Whether nothing is run but by hand.
    pub is_paused: bool,
}

/// What happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Past {
    /// When this process saw the integration first; not later than now.
    pub seen_ms: i64,
    /// When the last run that the plan wanted was due, or started if that was late.
    pub due_ms: Option<i64>,
    /// When the last run started.
    pub started_ms: Option<i64>,
    /// When it ended; none if nobody saw it end.
    pub ended_ms: Option<i64>,
    /// When the last complete reading of everything started.
    pub full_ms: Option<i64>,
    /// Runs in a row that failed or were incomplete.
    pub failures: u32,
    /// Whether the same may work soon, without anybody's help.
    pub is_passing: bool,
    /// Whether somebody wants a run now.
    pub is_asked: bool,
    /// When another process was found to be syncing into the store.
    pub busy_ms: Option<i64>,
}

/// How much a run reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// What changed.
    Changes,
    /// Everything.
    Everything,
}

/// Why there is a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// A period is over.
    Period,
    /// The first one, or one that was missed.
    CatchUp,
    /// The last one failed.
    Retry,
    /// Somebody wants it.
    Asked,
}

/// The next run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// When it starts; now, if this is not later.
    pub at_ms: i64,
    /// Why.
    pub why: Why,
    /// How much it reads.
    pub reads: Reads,
    /// What to note as due if it starts now; none if the beat does not change.
    pub due_ms: Option<i64>,
}

/// What comes next; `draw` says where in its jitter an integration lies. None while the
/// settings pause it and nobody asks.
pub(super) fn plan(now_ms: i64, rule: &Rule, past: &Past, draw: u32) -> Option<Next> {
    let place = Place { rule, draw };
    let regular = place.regular(now_ms, past).filter(|_| !rule.is_paused);
    let retry = place.retry(now_ms, past).filter(|_| !rule.is_paused);
    let (mut at_ms, why) = match (past.is_asked, regular, retry) {
        (true, ..) => (now_ms, Why::Asked),
        (_, Some(regular), Some(at_ms)) if at_ms < regular.0 => (at_ms, Why::Retry),
        (_, Some(regular), _) => regular,
        (_, None, Some(at_ms)) => (at_ms, Why::Retry),
        (_, None, None) => return None,
    };
    let held_up_ms = past.busy_ms.filter(|busy_ms| *busy_ms <= now_ms).map(|ms| ms + BUSY_MS);
    if let Some(held_up_ms) = held_up_ms.filter(|ms| at_ms.max(now_ms) < *ms) {
        at_ms = if why == Why::Asked { held_up_ms } else { place.next(held_up_ms)? };
    }
    let starts_ms = at_ms.max(now_ms);
    let is_full_due = |every_ms: i64| match past.full_ms {
        Some(full_ms) => !(0..every_ms - place.slack_ms()).contains(&(starts_ms - full_ms)),
        None => true,
    };
    let due_ms = regular.map(|(at_ms, _)| at_ms).filter(|at_ms| *at_ms <= now_ms).map(|at_ms| {
        let is_late = now_ms - at_ms > place.slack_ms();
        if is_late { now_ms } else { at_ms }
    });
    let reads = match rule.full_every_ms.is_some_and(is_full_due) {
        true => Reads::Everything,
        false => Reads::Changes,
    };
    Some(Next { at_ms, why, reads, due_ms })
}

struct Place<'a> {
    rule: &'a Rule,
    draw: u32,
}

impl Place<'_> {
    fn hours(&self) -> Hours<'_> {
        Hours { windows: &self.rule.windows, zone: &self.rule.zone }
    }

    fn slack_ms(&self) -> i64 {
        SLACK_MS.min(self.rule.period_ms / 10)
    }

    /// The part of `most_ms` that was drawn.
    fn share(&self, most_ms: i64) -> i64 {
        let share = i128::from(most_ms.max(0)) * i128::from(self.draw) / (1_i128 << 32);
        i64::try_from(share).unwrap_or_default()
    }

    /// `from_ms` if that is inside; else a while after the next opening, and inside.
    fn next(&self, from_ms: i64) -> Option<i64> {
        let opens_ms = self.hours().opens(from_ms)?;
        if opens_ms == from_ms {
            return Some(from_ms);
        }
        let room_ms = self.hours().closes(opens_ms).map_or(i64::MAX, |ms| ms - opens_ms - 1);
        Some(opens_ms + self.share(self.rule.jitter_ms.min(room_ms)))
    }

    /// The run that the plan wants.
    fn regular(&self, now_ms: i64, past: &Past) -> Option<(i64, Why)> {
        let is_ahead = |ms: Option<i64>| ms.is_some_and(|ms| ms > now_ms + SLACK_MS);
        // What is noted comes of a clock that was set back: it says nothing.
        let is_void = is_ahead(past.due_ms) || is_ahead(past.started_ms) || is_ahead(past.ended_ms);
        let due_ms = past.due_ms.map(|due_ms| due_ms.saturating_add(self.rule.period_ms));
        let was_cut_off = past.started_ms.is_some() && past.ended_ms.is_none();
        let from_ms = match due_ms.filter(|_| !was_cut_off) {
            _ if is_void => i64::MIN,
            Some(due_ms) if self.next(due_ms)? >= past.seen_ms => due_ms,
            // Whoever starts many at once does not want them all to run at once.
            _ => past.seen_ms + self.share(self.rule.jitter_ms.min(MINUTE_MS)),
        };
        let mut at_ms = self.next(from_ms.max(now_ms - LOOK_BACK_MS))?;
        let is_missed = at_ms < now_ms - self.slack_ms();
        // Windows that closed meanwhile are over.
        while let Some(closes_ms) = self.hours().closes(at_ms).filter(|ms| *ms <= now_ms) {
            at_ms = self.next(closes_ms)?;
        }
        let is_beat = due_ms == Some(from_ms) && !is_missed;
        Some((at_ms, if is_beat { Why::Period } else { Why::CatchUp }))
    }

    /// Another try after a failure that may pass, sooner than a period.
    fn retry(&self, now_ms: i64, past: &Past) -> Option<i64> {
        let ended_ms = past.ended_ms.filter(|_| past.failures > 0 && past.is_passing)?;
        let doubled = BACK_OFF_MS.saturating_mul(1 << (past.failures - 1).min(20));
        let wait_ms = doubled.min(self.rule.period_ms);
        let again_ms = ended_ms + wait_ms + self.share(wait_ms / 10);
        let at_ms = self.next(again_ms)?;
        if at_ms >= now_ms { Some(at_ms) } else { self.next(now_ms) }
    }
}

#[cfg(test)]
mod tests;
