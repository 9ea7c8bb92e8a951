//! Where a run stands at any moment: what it does, what holds it up and until when, how
//! long it still takes, and what is kept if it ends now.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_client::{Client, Hold, Pace, Stats, Why};
use tokio::time::Instant;

use super::Progress;

/// Requests that an application costs at least: its sandboxes, and both families of
/// findings.
const LEAST: f64 = 3.0;
/// More requests than these are not counted one by one.
const COUNTED: f64 = 100_000.0;
const MINUTE: f64 = 60.0;

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// It asks which applications there are.
    Listing,
    /// It reads applications.
    Reading {
        /// Those that were read.
        done: u64,
        /// All that are read.
        planned: u64,
    },
    /// All were read; what is gone is closed.
    Settling,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// What it does.
    pub doing: Doing,
    /// Whether what is read waits until the store was compared with what was written.
    pub is_checking: bool,
    /// Applications that are complete in the store, whatever comes.
    pub kept: u64,
    /// Findings of these.
    pub kept_findings: u64,
    /// Requests, retries included.
    pub requests: u64,
    /// The most requests that may start in a minute.
    pub per_minute: usize,
    /// What holds it up.
    pub hold: Option<Hold>,
    /// How long it still takes, as far as that is known.
    pub left: Option<Duration>,
}

/// Follows a run by its steps and its client.
pub struct Follower {
    client: Client,
    before: u64,
    counts: Mutex<Counts>,
}

/// What a client says of itself.
struct Gauge {
    stats: Stats,
    pace: Pace,
    hold: Option<Hold>,
}

#[derive(Default)]
struct Counts {
    planned: Option<Planned>,
    done: u64,
    /// Applications that other processes have read.
    elsewhere: u64,
    done_requests: u64,
    kept: u64,
    kept_findings: u64,
    is_settling: bool,
    is_checking: bool,
}

/// As it was when it was known what to read.
struct Planned {
    applications: u64,
    at: Instant,
    stats: Stats,
    held: Duration,
}

impl Gauge {
    fn of(client: &Client) -> Self {
        Self { stats: client.stats(), pace: client.pace(), hold: client.hold() }
    }
}

impl Follower {
    /// Of a run that begins, with the client that it will use.
    pub fn new(client: Client) -> Self {
        Self { before: client.stats().requests, client, counts: Mutex::default() }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a step.
    pub fn note(&self, progress: Progress) {
        self.counts().note(progress, Instant::now(), &Gauge::of(&self.client));
    }

    /// Where it stands now.
    pub fn standing(&self) -> Standing {
        let gauge = Gauge::of(&self.client);
        Standing {
            requests: gauge.stats.requests.saturating_sub(self.before),
            ..self.counts().standing(Instant::now(), &gauge)
        }
    }
}

impl Counts {
    fn note(&mut self, progress: Progress, now: Instant, gauge: &Gauge) {
        match progress {
            Progress::Planned { applications } => {
                self.planned = Some(Planned {
                    applications,
                    at: now,
                    stats: gauge.stats,
                    held: gauge.pace.held,
                });
            }
            Progress::Application { requests, kept } => {
                self.done += 1;
                self.done_requests += requests;
                self.kept += u64::from(kept.is_some());
                self.kept_findings += kept.unwrap_or_default();
            }
            Progress::Elsewhere { applications } => self.elsewhere = applications,
            Progress::Settling => self.is_settling = true,
            Progress::Checking { has_ended } => self.is_checking = !has_ended,
            Progress::Findings { .. } | Progress::Requests { .. } => {}
        }
    }

    fn standing(&self, now: Instant, gauge: &Gauge) -> Standing {
        let planned = self.planned.as_ref().filter(|_| !self.is_settling);
        let doing = match planned {
            None if self.is_settling => Doing::Settling,
            None => Doing::Listing,
            Some(planned) => {
                let done = (self.done + self.elsewhere).min(planned.applications);
                Doing::Reading { done, planned: planned.applications }
            }
        };
        Standing {
            doing,
            is_checking: self.is_checking,
            kept: self.kept + self.elsewhere,
            kept_findings: self.kept_findings,
            requests: gauge.stats.requests,
            per_minute: gauge.pace.per_minute,
            hold: gauge.hold,
            left: planned.and_then(|planned| planned.left(self, now, gauge)),
        }
    }
}

impl Planned {
    /// By what applications cost so far, how fast requests went when nothing held them up,
    /// and when the budget lets them go.
    fn left(&self, counts: &Counts, now: Instant, gauge: &Gauge) -> Option<Duration> {
        let Gauge { stats, pace, hold } = gauge;
        let since = |now: u64, then: u64| now.saturating_sub(then) as f64;
        let answered = since(stats.requests, self.stats.requests + pace.in_flight);
        if answered == 0.0 {
            return None;
        }
        let first = (answered - since(stats.retries, self.stats.retries)).max(1.0);
        let each = (counts.done_requests as f64 + LEAST) / (counts.done as f64 + 1.0);
        let all_done = counts.done + counts.elsewhere;
        // Others go on with their part of what is left.
        let own = (counts.done as f64 + 1.0) / (all_done as f64 + 1.0);
        let all = self.applications.saturating_sub(all_done) as f64 * own * each;
        let under_way = (first - counts.done_requests as f64).max(0.0);
        // What was repeated so far will be again; what is on its way has its place already.
        let requests = (all - under_way).max(0.0) * (answered / first).max(1.0);
        let requests = (requests - pace.in_flight as f64).max(0.0);
        let held = pace.held.saturating_sub(self.held);
        let moving = now.duration_since(self.at).saturating_sub(held);
        // On the average, those on their way are half there.
        let step = moving.as_secs_f64() / (answered + pace.in_flight as f64 / 2.0);
        let pause = match hold {
            Some(Hold { why: Why::Answered(_) | Why::Failed, left }) => left.as_secs_f64(),
            _ => 0.0,
        };
        // The last one takes as long as those that are on their way.
        let last = step * pace.in_flight as f64;
        Duration::try_from_secs_f64(until(requests, step, pause, pace) + last).ok()
    }
}

/// Seconds until so many more requests have gone out, one each `step` seconds at most,
/// after a pause, and in any minute no more than the budget lets out.
fn until(requests: f64, step: f64, pause: f64, pace: &Pace) -> f64 {
    let limit = pace.share.max(1);
    if requests > COUNTED {
        return pause + requests * step.max(MINUTE / limit as f64);
    }
    let mut starts: std::collections::VecDeque<f64> =
        pace.recent.iter().map(|age| -age.as_secs_f64()).collect();
    let mut now = pause;
    for _ in 0..requests.ceil() as u64 {
        let free = match starts.len() >= limit {
            true => starts.pop_front().map_or(now, |oldest| oldest + MINUTE),
            false => now,
        };
        now = (now + step).max(free);
        starts.push_back(now);
    }
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(recent: &[u64]) -> Pace {
        let recent = recent.iter().map(|age| Duration::from_secs(*age)).collect();
        Pace { per_minute: 4, share: 4, recent, ..Pace::default() }
    }

    /// A made-up service and its clock: workers read applications one after the other,
    /// each of so many requests, of which no more may start in a minute than the budget
    /// lets out, and each of which takes so long.
    struct Made {
        costs: Vec<u64>,
        answer_ms: u64,
        workers: usize,
        per_minute: usize,
    }

    /// What happened at a moment, in milliseconds.
    #[derive(Clone, Copy)]
    enum Event {
        Started,
        Done(u64),
    }

    impl Made {
        /// All that happens, in order, and the end.
        fn events(&self) -> Vec<(u64, Event)> {
            let mut events = Vec::new();
            let mut starts: Vec<u64> = Vec::new();
            // When each worker is free, and what is left of its application.
            let mut workers = vec![(0_u64, 0_u64, 0_u64); self.workers];
            let mut costs = self.costs.iter().copied();
            loop {
                workers.retain_mut(|(at, left, cost)| {
                    if *left > 0 {
                        return true;
                    }
                    if *cost > 0 {
                        events.push((*at, Event::Done(*cost)));
                    }
                    *cost = costs.next().unwrap_or_default();
                    *left = *cost;
                    *cost > 0
                });
                let Some(next) = workers.iter_mut().min_by_key(|(at, ..)| *at) else { break };
                let full = starts.len().checked_sub(self.per_minute).map(|n| starts[n] + 60_000);
                let start = next.0.max(full.unwrap_or_default());
                let start = start.max(starts.last().copied().unwrap_or_default());
                starts.push(start);
                events.push((start, Event::Started));
                next.0 = start + self.answer_ms;
                next.1 -= 1;
            }
            events.sort_by_key(|(at, _)| *at);
            events
        }

        /// The estimate at each second, beside what was still to come.
        fn estimates(&self) -> Vec<(f64, f64)> {
            let (events, begin) = (self.events(), Instant::now());
            let end = events.last().map_or(0, |(at, _)| *at);
            let mut counts = Counts::default();
            let mut gauge = Gauge { stats: Stats::default(), pace: Pace::default(), hold: None };
            gauge.pace.per_minute = self.per_minute;
            gauge.pace.share = self.per_minute;
            let applications = self.costs.len() as u64;
            counts.note(Progress::Planned { applications }, begin, &gauge);
            let (mut starts, mut at, mut estimates) = (Vec::new(), 0, Vec::new());
            for now in (1_000..end).step_by(1_000) {
                while let Some((_, event)) = events.get(at).filter(|(moment, _)| *moment <= now) {
                    match *event {
                        Event::Started => starts.push(events[at].0),
                        Event::Done(requests) => counts.note(
                            Progress::Application { requests, kept: Some(60) },
                            begin,
                            &gauge,
                        ),
                    }
                    at += 1;
                }
                gauge.stats.requests = starts.len() as u64;
                let on_the_way = starts.iter().filter(|start| **start + self.answer_ms > now);
                gauge.pace.in_flight = on_the_way.count() as u64;
                gauge.pace.held = held(&starts, self.per_minute, now);
                let recent = starts.iter().filter(|start| **start + 60_000 > now);
                gauge.pace.recent =
                    recent.map(|start| Duration::from_millis(now - start)).collect();
                let standing = counts.standing(begin + Duration::from_millis(now), &gauge);
                if let Some(left) = standing.left {
                    estimates.push((left.as_secs_f64(), (end - now) as f64 / 1000.0));
                }
            }
            estimates
        }
    }

    /// Time in which the budget let nobody start, until now.
    fn held(starts: &[u64], limit: usize, now: u64) -> Duration {
        let mut held = 0;
        for (at, start) in starts.iter().enumerate().skip(limit) {
            // It waited since the one before it, if it started when its minute allowed.
            if *start == starts[at - limit] + 60_000 {
                held += start - starts[at - 1];
            }
        }
        if let Some(free) = starts.len().checked_sub(limit).map(|at| starts[at] + 60_000)
            && free > now
        {
            held += now - starts.last().copied().unwrap_or_default();
        }
        Duration::from_millis(held)
    }

    /// After the first seconds, in which small applications alone are done, and but for the
    /// last two, it is within a fifth.
    #[track_caller]
    fn assert_within_a_fifth(name: &str, made: &Made) {
        let estimates = made.estimates();
        assert!(estimates.len() > 100, "{name}: {} s", estimates.len());
        for (second, (left, right)) in estimates.iter().enumerate().skip(5) {
            let off = (left - right).abs();
            assert!(
                off <= right * 0.2 + 2.0,
                "{name}: after {second} s {left:.0} s are left, and it was {right:.0} s"
            );
        }
    }

    #[test]
    fn the_estimate_is_within_a_fifth_of_what_comes() {
        let made = |costs, answer_ms| Made { costs, answer_ms, workers: 12, per_minute: 500 };
        // 60,000 findings, 60 of each application.
        assert_within_a_fifth("even", &made(vec![3; 1000], 60));
        // One in four applications has sandboxes.
        let sandboxes = |n: u64| 3 + if n.is_multiple_of(4) { 2 * (n % 5) } else { 0 };
        assert_within_a_fifth("sandboxes", &made((0..800).map(sandboxes).collect(), 60));
        // 60,000 findings in few applications: some have many pages.
        let pages = |n: u64| 3 + if n.is_multiple_of(10) { 20 } else { 0 };
        assert_within_a_fifth("pages", &made((0..400).map(pages).collect(), 60));
        // The service is what takes long, and not the budget.
        assert_within_a_fifth("slow", &made(vec![3; 300], 3_000));
        let lower = Made { per_minute: 100, ..made(vec![4; 200], 40) };
        assert_within_a_fifth("a lower budget", &lower);
    }

    #[test]
    fn requests_wait_for_the_minute_of_those_before() {
        for (requests, step, pause, recent, seconds) in [
            (0.0, 1.0, 0.0, &[][..], 0.0),
            (4.0, 0.5, 0.0, &[], 2.0),
            (5.0, 0.0, 0.0, &[], 60.0),
            (9.0, 0.0, 0.0, &[], 120.0),
            (1.0, 0.0, 0.0, &[50, 5, 4, 3], 10.0),
            (2.0, 0.0, 0.0, &[50, 5, 4, 3], 55.0),
            (2.0, 0.0, 0.0, &[50, 5], 0.0),
            (3.0, 0.0, 0.0, &[50, 5], 10.0),
            (2.0, 40.0, 0.0, &[], 80.0),
            (2.0, 1.0, 30.0, &[], 32.0),
            (1_000_000.0, 0.0, 0.0, &[], 15_000_000.0),
        ] {
            let found = until(requests, step, pause, &pace(recent));
            assert!((found - seconds).abs() < 0.001, "{requests} {step} {recent:?}: {found}");
        }
    }
}
