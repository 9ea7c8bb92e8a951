//! Who starts how many requests of a minute that all share: the rule, without a clock.
//!
//! A rolling minute, not a bucket: the service's own window may begin at any moment, and a
//! bucket that refills lets twice the limit through one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long a start counts: a minute, and the time that requests may differ in on their way
/// to the service.
pub(crate) const WINDOW_MS: i64 = 61_000;

/// Starts so close together are kept as one, at their end.
const GRAIN_MS: i64 = 100;

/// Who was told to ask again and does not, for so long, is gone.
const PATIENCE_MS: i64 = 2_000;

/// Who had to wait is expected back for so long after it was given what it asked for: what is
/// on its way to the service cannot ask.
const EXPECTED_MS: i64 = 1_000;

/// So many times what it asks for is left to who has had less.
const AHEAD: u32 = 3;

/// When somebody asks again who makes room for others.
const LOOK_AGAIN_MS: i64 = 250;

/// One in so many requests of a minute is left to people, and to shares that need no more.
const LITTLE: u32 = 100;

/// Where several want much, each starts a tenth of its part within a little less than a tenth
/// of the minute: then places come free all the time, and nobody waits for a whole minute.
const SLICES: u32 = 10;
const SLICE_MS: i64 = 5_500;

/// The longest that a 429 keeps everybody from asking.
pub(crate) const LONGEST_CLOSED: Duration = Duration::from_secs(120);

/// Shares whose requests are told apart; what more there are count as one.
const MAX_SHARES: usize = 1_000;

/// Those who wait at once; what more there are wait unseen.
const MAX_WAITING: usize = 10_000;

/// Who waits for the answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Urgency {
    /// A program: a sync, a round of monitoring, a delivery.
    #[default]
    Background,
    /// A person, at a terminal or a page.
    Interactive,
}

/// A question for places in the minute.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// Host whose requests are counted.
    pub host: String,
    /// Starts in any minute, at most.
    pub limit: u32,
    /// What gets its part of the limit: an integration, or all that one program forwards.
    pub share: String,
    /// Who waits for the answer.
    pub urgency: Urgency,
    /// Who asks; the same at each time.
    pub holder: u64,
    /// Requests that are ready to start.
    pub places: u32,
    /// The service answered 429: for so long nobody starts one.
    pub close: Option<Duration>,
}

/// What is answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Given {
    /// Requests that start now.
    pub places: u32,
    /// When to ask again, if they are not all.
    pub wait: Duration,
    /// Whether that is because the service answered 429.
    pub is_closed: bool,
    /// Starts of other shares within the minute.
    pub others: u32,
}

/// The minute of one host, as all who share it see it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Minute {
    /// Starts by share: when, and how many.
    starts: BTreeMap<String, Vec<(i64, u32)>>,
    waiting: Vec<Waiting>,
    closed_until_ms: i64,
}

/// Somebody who asked for more than there was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Waiting {
    holder: u64,
    share: String,
    urgency: Urgency,
    places: u32,
    /// Whether it was given them.
    is_expected: bool,
    /// Until then it will have asked again.
    until_ms: i64,
}

/// Requests of one share, for people to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareOfMinute {
    /// Which.
    pub share: String,
    /// Those that started within the minute.
    pub started: u32,
    /// Those that wait.
    pub waiting: u32,
}

impl Minute {
    /// Answers, and notes what starts and who waits.
    pub fn ask(&mut self, ask: &Ask, now_ms: i64) -> Given {
        self.forget(now_ms);
        let before = self.waiting.iter().position(|one| one.holder == ask.holder);
        let before = before.map(|at| self.waiting.swap_remove(at));
        if let Some(close) = ask.close {
            let close = i64::try_from(close.min(LONGEST_CLOSED).as_millis()).unwrap_or_default();
            self.closed_until_ms = self.closed_until_ms.max(now_ms + close);
        }
        let share = self.known_share(&ask.share);
        let is_closed = self.closed_until_ms > now_ms;
        let places = if is_closed { 0 } else { self.free(ask, share, now_ms).min(ask.places) };
        if places > 0 {
            self.note(share.to_owned(), places, now_ms);
        }
        let others = self.all() - self.started(share);
        let lacking = ask.places - places;
        let wait_ms = if lacking == 0 { 0 } else { self.wait_ms(ask, share, now_ms) };
        if lacking > 0 && self.waiting.len() < MAX_WAITING {
            self.waiting.push(Waiting {
                holder: ask.holder,
                share: share.to_owned(),
                urgency: ask.urgency,
                places: lacking,
                is_expected: false,
                until_ms: now_ms + wait_ms + PATIENCE_MS,
            });
        } else if let Some(mut before) = before.filter(|one| one.urgency == Urgency::Background) {
            if !before.is_expected {
                before.until_ms = now_ms + EXPECTED_MS;
            }
            before.is_expected = true;
            self.waiting.push(before);
        }
        let wait = Duration::from_millis(u64::try_from(wait_ms).unwrap_or_default());
        Given { places, wait, is_closed, others }
    }

    /// The same without asking for anything: starts and those who wait, by share.
    pub fn shares(&self, now_ms: i64) -> Vec<ShareOfMinute> {
        let mut seen = self.clone();
        seen.forget(now_ms);
        let names: BTreeSet<&str> = seen
            .starts
            .keys()
            .chain(seen.waiting.iter().map(|one| &one.share))
            .map(|name| &**name)
            .collect();
        let of = |share: &str| ShareOfMinute {
            share: share.to_owned(),
            started: seen.started(share),
            waiting: seen.wanted(share, false),
        };
        names.into_iter().map(of).collect()
    }

    /// How long the service has asked to be left alone, from now on.
    pub fn closed_for(&self, now_ms: i64) -> Option<Duration> {
        let left = self.closed_until_ms.checked_sub(now_ms).filter(|left| *left > 0)?;
        Some(Duration::from_millis(u64::try_from(left).ok()?).min(LONGEST_CLOSED))
    }

    /// Whether there is anything to remember.
    pub fn is_idle(&self, now_ms: i64) -> bool {
        self.closed_for(now_ms).is_none() && self.shares(now_ms).is_empty()
    }

    /// Drops what no longer counts. What is later than now was noted before the clock was
    /// set back: it counts from now on.
    fn forget(&mut self, now_ms: i64) {
        for starts in self.starts.values_mut() {
            starts.iter_mut().for_each(|(at, _)| *at = (*at).min(now_ms + GRAIN_MS));
            starts.retain(|(at, _)| now_ms - at < WINDOW_MS);
        }
        self.starts.retain(|_, starts| !starts.is_empty());
        let longest = i64::try_from(LONGEST_CLOSED.as_millis()).unwrap_or_default();
        self.closed_until_ms = self.closed_until_ms.min(now_ms + longest);
        let latest = now_ms + WINDOW_MS + longest + PATIENCE_MS;
        self.waiting.retain(|one| (now_ms..=latest).contains(&one.until_ms));
    }

    fn known_share<'s>(&self, share: &'s str) -> &'s str {
        let is_full = self.starts.len() >= MAX_SHARES && !self.starts.contains_key(share);
        if is_full { "" } else { share }
    }

    fn note(&mut self, share: String, places: u32, now_ms: i64) {
        let at = now_ms - now_ms.rem_euclid(GRAIN_MS) + GRAIN_MS;
        let starts = self.starts.entry(share).or_default();
        match starts.last_mut().filter(|(last, _)| *last == at) {
            Some((_, count)) => *count = count.saturating_add(places),
            None => starts.push((at, places)),
        }
    }

    /// Requests that may start of those that are asked for.
    fn free(&self, ask: &Ask, share: &str, now_ms: i64) -> u32 {
        let free = ask.limit.saturating_sub(self.all());
        if ask.urgency == Urgency::Interactive {
            return free;
        }
        let (little, started) = (little(ask.limit), self.started(share));
        let people = self.waiting.iter().filter(|one| one.urgency == Urgency::Interactive);
        let free = free.saturating_sub(people.map(|one| one.places).sum());
        let of_programs = free.saturating_sub(little);
        // Who has had less goes first, with a little more than it asks for now: by the time
        // that it asks again, the others have taken the rest.
        let owed = self.others(share).into_iter().map(|name| {
            let less = started.saturating_sub(self.started(name));
            less.min(AHEAD * self.wanted(name, true))
                .min(self.left_of_slice(ask.limit, name, now_ms))
        });
        let own = of_programs.saturating_sub(owed.sum());
        let of_slice = self.left_of_slice(ask.limit, share, now_ms);
        own.min(of_slice).max(free.min(little.saturating_sub(started)))
    }

    /// The most that a share may start within a slice: of what others did not use, and of an
    /// equal part at least.
    fn slice(&self, limit: u32, share: &str) -> u32 {
        let (little, others) = (little(limit), self.others(share));
        let wants_much = |name: &&&str| self.started(name) + self.wanted(name, true) > little;
        let many = others.iter().filter(wants_much).count();
        if many == 0 {
            return u32::MAX;
        }
        let all = limit - little;
        let equal = all / (u32::try_from(many).unwrap_or(u32::MAX).saturating_add(1));
        let unused = all.saturating_sub(self.all() - self.started(share));
        equal.max(unused).div_ceil(SLICES)
    }

    fn left_of_slice(&self, limit: u32, share: &str, now_ms: i64) -> u32 {
        self.slice(limit, share).saturating_sub(self.within_slice(share, now_ms))
    }

    fn within_slice(&self, share: &str, now_ms: i64) -> u32 {
        let starts = self.starts.get(share).into_iter().flatten();
        starts.filter(|(at, _)| now_ms - at < SLICE_MS).map(|(_, count)| count).sum()
    }

    fn others(&self, share: &str) -> BTreeSet<&str> {
        let waiting = self.waiting.iter().map(|one| &one.share);
        let names = self.starts.keys().chain(waiting).map(|name| &**name);
        names.filter(|name| *name != share).collect()
    }

    /// Until a place may be free for this one.
    fn wait_ms(&self, ask: &Ask, share: &str, now_ms: i64) -> i64 {
        if self.closed_until_ms > now_ms {
            return self.closed_until_ms - now_ms;
        }
        let (mut most, mut of_slice) = (ask.limit, u32::MAX);
        if ask.urgency == Urgency::Background {
            most -= little(ask.limit);
            of_slice = self.slice(ask.limit, share);
        }
        let mut all: Vec<(i64, u32)> = self.starts.values().flatten().copied().collect();
        all.sort_unstable();
        let own = self.starts.get(share).into_iter().flatten().copied();
        let own: Vec<_> = own.filter(|(at, _)| now_ms - at < SLICE_MS).collect();
        let until = [below(&all, most, WINDOW_MS), below(&own, of_slice, SLICE_MS)];
        let until = until.into_iter().flatten().max();
        until.map_or(LOOK_AGAIN_MS, |until| (until - now_ms).max(1))
    }

    fn all(&self) -> u32 {
        self.starts.values().flatten().map(|(_, count)| count).sum()
    }

    fn started(&self, share: &str) -> u32 {
        self.starts.get(share).into_iter().flatten().map(|(_, count)| count).sum()
    }

    /// Places that a share waits for, with or without those of whom is expected back.
    fn wanted(&self, share: &str, with_expected: bool) -> u32 {
        let of_share = self.waiting.iter().filter(|one| one.share == share);
        of_share.filter(|one| with_expected || !one.is_expected).map(|one| one.places).sum()
    }
}

/// When fewer than so many of these starts, each of which counts for so long, still count;
/// none if they are fewer already.
fn below(starts: &[(i64, u32)], most: u32, for_ms: i64) -> Option<i64> {
    let mut left: u32 = starts.iter().map(|(_, count)| count).sum();
    if left < most {
        return None;
    }
    let mut ends = starts.iter().map(|(at, count)| {
        left -= count;
        (left, at + for_ms)
    });
    ends.find(|(left, _)| *left < most).map(|(_, end)| end)
}

/// What is left to people, and to shares that need no more.
pub(super) fn little(limit: u32) -> u32 {
    limit / LITTLE
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ask(share: &str, places: u32) -> Ask {
        let holder = share.bytes().fold(1, |sum, byte| sum * 31 + u64::from(byte));
        Ask { limit: 200, share: share.into(), holder, places, ..Ask::default() }
    }

    fn of_a_person(places: u32) -> Ask {
        Ask { urgency: Urgency::Interactive, holder: 0, ..ask("a", places) }
    }

    #[derive(Debug, Clone)]
    struct Made {
        after_ms: i64,
        share: usize,
        places: u32,
        is_person: bool,
        close: Option<u16>,
        is_set_back: bool,
    }

    fn made() -> impl Strategy<Value = Made> {
        (
            0_i64..4_000,
            0_usize..4,
            0_u32..80,
            prop::bool::weighted(0.1),
            prop::option::weighted(0.05, 0_u16..20_000),
            prop::bool::weighted(0.05),
        )
            .prop_map(|(after_ms, share, places, is_person, close, is_set_back)| Made {
                after_ms,
                share,
                places,
                is_person,
                close,
                is_set_back,
            })
    }

    proptest! {
        #[test]
        fn no_minute_holds_more_than_the_limit_whoever_asks(
            asks in prop::collection::vec(made(), 0..200),
        ) {
            let (mut minute, mut now_ms, mut set_back_ms) = (Minute::default(), 0, 0);
            let (mut starts, mut closed_until) = (Vec::new(), 0);
            for made in asks {
                now_ms += made.after_ms;
                set_back_ms += if made.is_set_back { 1_000_000 } else { 0 };
                let one = Ask {
                    urgency: if made.is_person { Urgency::Interactive } else { Urgency::Background },
                    close: made.close.map(|ms| Duration::from_millis(ms.into())),
                    ..ask(["a", "b", "c", "d"][made.share], made.places)
                };
                if let Some(close) = made.close {
                    closed_until = closed_until.max(now_ms + i64::from(close));
                }
                let given = minute.ask(&one, now_ms - set_back_ms);
                prop_assert!(given.places <= made.places);
                prop_assert!(given.places == made.places || given.wait > Duration::ZERO);
                if now_ms < closed_until {
                    prop_assert_eq!(given.places, 0);
                }
                starts.push((now_ms, given.places));
                let within = starts.iter().filter(|(at, _)| now_ms - at < 60_000);
                let within: u32 = within.map(|(_, places)| places).sum();
                prop_assert!(within <= 200, "{within}");
                let kept = serde_json::to_string(&minute).unwrap();
                prop_assert_eq!(&serde_json::from_str::<Minute>(&kept).unwrap(), &minute);
            }
        }

        /// Whoever asks again when told to gets something in the end, and nobody has to be
        /// quick: shares that want all get the same, and one that wants little gets it all.
        #[test]
        fn each_share_gets_its_part(
            begin_ms in prop::collection::vec(0_i64..20_000, 3),
            at_once in prop::collection::vec(1_u32..17, 3),
            answer_ms in prop::collection::vec(1_i64..400, 3),
        ) {
            let mut minute = Minute::default();
            let names = ["a", "b", "little"];
            // When each asks again.
            let mut next = begin_ms;
            let mut started: Vec<Vec<(i64, u32)>> = vec![Vec::new(); 3];
            let end = 10 * 60_000;
            loop {
                let who = (0..3).min_by_key(|who| next[*who]).unwrap();
                let now_ms = next[who];
                if now_ms > end {
                    break;
                }
                let places = if who == 2 { 1 } else { at_once[who] };
                let one = Ask { limit: 500, ..ask(names[who], places) };
                let given = minute.ask(&one, now_ms);
                started[who].push((now_ms, given.places));
                let wait = i64::try_from(given.wait.as_millis()).unwrap();
                next[who] = now_ms + match (given.places, who) {
                    (0, _) => wait,
                    // One request every 12 seconds.
                    (_, 2) => 12_000,
                    _ => answer_ms[who],
                };
            }
            let of = |who: usize, from: i64| -> u32 {
                started[who].iter().filter(|(at, _)| *at >= from).map(|(_, places)| places).sum()
            };
            // Eight minutes, after two in which they find to their parts.
            let from = end - 8 * 61_000;
            let (a, b, little) = (of(0, from), of(1, from), of(2, from));
            let all = a + b + little;
            // Somebody who has enough to ask for.
            prop_assume!((0..2).all(|who| i64::from(at_once[who]) * 60_000 / answer_ms[who] > 500));
            prop_assert!(all >= 495 * 8 * 95 / 100, "{all} of {}", 495 * 8);
            prop_assert!(little >= 39, "{little} of 40");
            prop_assert!(a * 100 >= all * 45 && b * 100 >= all * 45, "{a} and {b} of {all}");
        }
    }

    #[test]
    fn people_go_first_and_have_a_part_of_their_own() {
        let mut minute = Minute::default();
        assert_eq!(minute.ask(&ask("a", 200), 0).places, 198, "2 are left to people");
        assert_eq!(minute.ask(&of_a_person(1), 10).places, 1);
        assert_eq!(minute.ask(&of_a_person(5), 20).places, 1);
        // Four are waited for by a person when the minute is over: they are not given away.
        let given = minute.ask(&ask("a", 200), WINDOW_MS + GRAIN_MS + 50);
        assert_eq!(given.places, 194);
        assert_eq!(minute.ask(&of_a_person(4), WINDOW_MS + GRAIN_MS + 60).places, 4);
    }

    #[test]
    fn who_does_not_ask_again_holds_nobody_up() {
        let mut minute = Minute::default();
        minute.ask(&ask("a", 198), 0);
        let told = minute.ask(&ask("b", 50), 100);
        assert_eq!((told.places, told.wait), (2, Duration::from_millis(61_000)));
        // Its share waits for it while it may still come.
        let now_ms = WINDOW_MS + GRAIN_MS + 1;
        assert_eq!(minute.clone().ask(&ask("a", 98), now_ms).places, 20, "a tenth");
        assert_eq!(minute.ask(&ask("a", 98), now_ms + PATIENCE_MS).places, 98, "all");
    }

    #[test]
    fn a_minute_that_was_noted_before_the_clock_was_set_back_ends() {
        let mut minute = Minute::default();
        minute.ask(&Ask { close: Some(Duration::from_secs(9)), ..ask("a", 98) }, 90_000_000);
        minute.ask(&ask("a", 98), 90_009_000);
        let given = minute.ask(&ask("a", 1), 1_000);
        assert_eq!(given.places, 0);
        let longest = i64::try_from(LONGEST_CLOSED.as_millis()).unwrap();
        assert_eq!(minute.ask(&ask("a", 1), 1_000 + longest + 1).places, 1);
    }
}
