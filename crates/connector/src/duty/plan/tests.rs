//! The plan against a judge that knows only minutes of the week.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;

const HOUR_MS: i64 = 3_600_000;
const ZONES: [&str; 7] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    // Half an hour of summer time.
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    // Midnight itself is missing or comes twice.
    "America/Santiago",
    "Africa/Cairo",
];
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Days, and minutes from and until.
type Hours = (Vec<usize>, u32, u32);

#[derive(Debug, Clone)]
struct Case {
    rule: Rule,
    hours: Vec<Hours>,
}

impl Case {
    fn new(zone: &str, period_ms: i64, jitter_ms: i64, hours: Vec<Hours>) -> Self {
        let clock = |minute: u32| format!("{:02}:{:02}", minute / 60, minute % 60);
        let window = |(days, from, until): &Hours| {
            let days: Vec<_> = days.iter().map(|day| DAYS[*day]).collect();
            format!("{} {}-{}", days.join(","), clock(*from), clock(*until)).parse().unwrap()
        };
        let rule = Rule {
            period_ms,
            windows: hours.iter().map(window).collect(),
            zone: TimeZone::get(zone).unwrap(),
            jitter_ms,
            full_every_ms: None,
            is_paused: false,
        };
        Self { rule, hours }
    }

    /// Whether some window is open, by the minute of the week on the wall.
    fn is_inside(&self, ms: i64) -> bool {
        let wall = self.rule.zone.to_datetime(Timestamp::from_millisecond(ms).unwrap());
        let day = wall.weekday().to_monday_zero_offset() as u32;
        let minute = day * 1440 + wall.hour() as u32 * 60 + wall.minute() as u32;
        self.hours.is_empty()
            || self.hours.iter().any(|(days, from, until)| {
                let length = if until > from { until - from } else { until + 1440 - from };
                days.iter()
                    .any(|day| (minute + 10_080 - (*day as u32 * 1440 + from)) % 10_080 < length)
            })
    }
}

fn hours() -> impl Strategy<Value = Hours> {
    let days = prop::sample::subsequence((0..7).collect::<Vec<usize>>(), 1..=7);
    (days, 0..1440_u32, 1..=1440_u32).prop_filter("not all day", |(_, from, until)| from != until)
}

fn case() -> impl Strategy<Value = Case> {
    let period_ms =
        prop::sample::select(vec![HOUR_MS / 4, HOUR_MS, 6 * HOUR_MS, DAY_MS, 5 * DAY_MS]);
    let jitter_ms = prop::sample::select(vec![0, MINUTE_MS, 10 * MINUTE_MS, 3 * HOUR_MS]);
    (
        prop::sample::select(ZONES.to_vec()),
        period_ms,
        jitter_ms,
        prop::collection::vec(hours(), 0..3),
    )
        .prop_map(|(zone, period_ms, jitter_ms, hours)| {
            Case::new(zone, period_ms, jitter_ms, hours)
        })
}

/// Some moment of three years, near a night of a change every second time.
fn moment() -> impl Strategy<Value = i64> {
    let years = (1_767_225_600_i64..1_861_920_000).prop_map(|s| s * 1000);
    let nights = [
        "2026-03-29T00:00Z",
        "2026-10-25T00:00Z",
        "2026-11-01T05:00Z",
        "2026-04-04T14:00Z",
        "2026-09-06T03:00Z",
    ];
    let nights = (prop::sample::select(nights.to_vec()), -2 * DAY_MS..2 * DAY_MS)
        .prop_map(|(night, by_ms)| night.parse::<Timestamp>().unwrap().as_millisecond() + by_ms);
    prop_oneof![years, nights]
}

/// What a life is disturbed by.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// The run takes so long, and ends well.
    Well(i64),
    /// It fails, in a way that may pass or not.
    Fails { took_ms: i64, is_passing: bool },
    /// The process dies in the middle and is back later.
    Dies(i64),
    /// It ends well, and then there is no process for a while.
    Down(i64),
    /// The machine sleeps afterwards, and the process with it.
    Sleeps(i64),
    /// The clock is set back afterwards.
    Back(i64),
    /// Somebody wants a run in between.
    Asks(i64),
    /// Another process syncs when the time comes.
    Busy,
}

fn event() -> impl Strategy<Value = Event> {
    let short = 1_000..20 * MINUTE_MS;
    let long = HOUR_MS..10 * DAY_MS;
    prop_oneof![
        6 => short.clone().prop_map(Event::Well),
        2 => (short, any::<bool>()).prop_map(|(took_ms, is_passing)| Event::Fails { took_ms, is_passing }),
        1 => long.clone().prop_map(Event::Dies),
        1 => long.clone().prop_map(Event::Down),
        1 => long.clone().prop_map(Event::Sleeps),
        1 => long.prop_map(Event::Back),
        1 => (0..DAY_MS).prop_map(Event::Asks),
        1 => Just(Event::Busy),
    ]
}

/// A life of an integration, driven as the loop drives it.
struct Life {
    case: Case,
    draw: u32,
    /// How late the loop wakes.
    late_ms: i64,
    now_ms: i64,
    past: Past,
    /// The start of the last run that keeps the beat.
    beat_ms: Option<i64>,
    /// Whether something came between since.
    is_disturbed: bool,
}

impl Life {
    fn new(case: Case, start_ms: i64, draw: u32, late_ms: i64) -> Self {
        let past = Past { seen_ms: start_ms, ..Past::default() };
        Self { case, draw, late_ms, now_ms: start_ms, past, beat_ms: None, is_disturbed: true }
    }

    fn plan(&self, now_ms: i64) -> Next {
        plan(now_ms, &self.case.rule, &self.past, self.draw).expect("always a next run")
    }

    fn live(&mut self, event: Event) -> Result<(), TestCaseError> {
        if let Event::Asks(after_ms) = event {
            return self.ask(after_ms);
        }
        let next = self.wait()?;
        if let Event::Busy = event {
            return self.find_busy();
        }
        self.start(next)?;
        self.run(event);
        Ok(())
    }

    /// Somebody wants a run after so long, unless one is due before.
    fn ask(&mut self, after_ms: i64) -> Result<(), TestCaseError> {
        let next = self.plan(self.now_ms);
        self.now_ms = (self.now_ms + after_ms).min(next.at_ms.max(self.now_ms));
        self.past.is_asked = true;
        self.past.busy_ms = None;
        let asked = self.plan(self.now_ms);
        prop_assert!(asked.why == Why::Asked && asked.at_ms <= self.now_ms);
        self.past.is_asked = false;
        self.keep_beat(asked);
        self.past.started_ms = Some(self.now_ms);
        self.now_ms += 1_000;
        self.past.ended_ms = Some(self.now_ms);
        self.past.failures = 0;
        Ok(())
    }

    /// Until a run starts.
    fn wait(&mut self) -> Result<Next, TestCaseError> {
        let mut tries = 0;
        let next = loop {
            let (next, now_ms) = (self.plan(self.now_ms), self.now_ms);
            if next.at_ms <= now_ms {
                break next;
            }
            prop_assert!(self.case.is_inside(next.at_ms), "{next:?}");
            let rule = &self.case.rule;
            let longest_ms = rule.period_ms.max(16 * DAY_MS) + rule.jitter_ms;
            prop_assert!(next.at_ms - now_ms <= longest_ms, "{next:?} is far from {now_ms}");
            prop_assert_eq!(self.plan(now_ms), next, "the same, the same");
            // Looks in between find the same; the loop wakes a little late.
            let halfway = self.plan(now_ms + (next.at_ms - now_ms) / 2);
            prop_assert_eq!(halfway.at_ms, next.at_ms);
            self.now_ms = next.at_ms + self.late_ms;
            tries += 1;
            // Woken late, it can find its window shut, and then waits for another.
            prop_assert!(tries < 4, "{next:?} never starts");
        };
        let now_ms = self.now_ms;
        prop_assert!(self.case.is_inside(now_ms), "{next:?} starts outside at {now_ms}");
        Ok(next)
    }

    /// Another process syncs when the time has come.
    fn find_busy(&mut self) -> Result<(), TestCaseError> {
        self.past.busy_ms = Some(self.now_ms);
        let later = self.plan(self.now_ms);
        let is_left_alone = later.at_ms >= self.now_ms + BUSY_MS;
        prop_assert!(is_left_alone && self.case.is_inside(later.at_ms));
        self.is_disturbed = true;
        Ok(())
    }

    fn start(&mut self, next: Next) -> Result<(), TestCaseError> {
        self.past.busy_ms = None;
        match next.why {
            Why::Period | Why::CatchUp => {
                let is_kept = !self.is_disturbed || next.why == Why::Period;
                if let Some(beat_ms) = self.beat_ms.filter(|_| is_kept) {
                    let passed_ms = self.now_ms - beat_ms;
                    let least_ms = self.case.rule.period_ms - SLACK_MS;
                    prop_assert!(passed_ms >= least_ms, "{next:?} after {beat_ms}");
                }
                let is_needed = next.why == Why::Period || self.is_disturbed;
                prop_assert!(is_needed, "{next:?} makes up for nothing");
            }
            Why::Retry => prop_assert!(self.past.failures > 0 && self.past.is_passing),
            Why::Asked => prop_assert!(false),
        }
        self.keep_beat(next);
        self.past.started_ms = Some(self.now_ms);
        self.past.ended_ms = None;
        Ok(())
    }

    fn keep_beat(&mut self, next: Next) {
        self.past.due_ms = next.due_ms.or(self.past.due_ms);
        if next.due_ms.is_some() {
            self.beat_ms = Some(self.now_ms);
            self.is_disturbed = false;
        }
    }

    fn run(&mut self, event: Event) {
        match event {
            Event::Dies(for_ms) => return self.be_down(for_ms),
            Event::Well(took_ms) | Event::Fails { took_ms, .. } => {
                self.now_ms += took_ms;
                // Over the time at which the next was due.
                let next_ms = self.past.due_ms.map(|ms| ms + self.case.rule.period_ms);
                self.is_disturbed |= next_ms.is_some_and(|ms| self.now_ms > ms);
            }
            _ => self.now_ms += 1_000,
        }
        self.past.ended_ms = Some(self.now_ms);
        self.past.failures = match event {
            Event::Fails { .. } => self.past.failures + 1,
            _ => 0,
        };
        self.past.is_passing = matches!(event, Event::Fails { is_passing: true, .. });
        match event {
            Event::Down(for_ms) => self.be_down(for_ms),
            Event::Sleeps(for_ms) => {
                self.now_ms += for_ms;
                self.is_disturbed = true;
            }
            Event::Back(by_ms) => {
                self.now_ms -= by_ms;
                self.past.seen_ms = self.past.seen_ms.min(self.now_ms);
                self.is_disturbed = true;
                self.beat_ms = None;
            }
            _ => {}
        }
    }

    fn be_down(&mut self, for_ms: i64) {
        self.now_ms += for_ms;
        self.past.seen_ms = self.now_ms;
        self.is_disturbed = true;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn runs_keep_to_their_windows_and_their_beat(
        case in case(), start_ms in moment(), draw in any::<u32>(), late_ms in 0..1_000_i64,
        events in prop::collection::vec(event(), 1..40),
    ) {
        let mut life = Life::new(case, start_ms, draw, late_ms);
        for event in events {
            life.live(event)?;
        }
    }

    /// Where the beat leads outside, the next opening counts, and at most the jitter
    /// after it.
    #[test]
    fn jitter_is_bounded(case in case(), due_ms in moment(), draw in any::<u32>()) {
        let due_ms = due_ms - due_ms.rem_euclid(MINUTE_MS);
        let last_ms = due_ms - case.rule.period_ms;
        let past = Past {
            seen_ms: last_ms, due_ms: Some(last_ms), started_ms: Some(last_ms), ended_ms: Some(last_ms),
            ..Past::default()
        };
        let next = plan(last_ms, &case.rule, &past, draw).expect("always a next run");
        prop_assert!(next.why == Why::Period && next.at_ms >= due_ms);
        let opens_ms = (0..).map(|n| due_ms + n * MINUTE_MS).find(|ms| case.is_inside(*ms)).unwrap();
        prop_assert!((0..=case.rule.jitter_ms).contains(&(next.at_ms - opens_ms)));
        let between = (opens_ms..=next.at_ms).step_by(MINUTE_MS as usize);
        prop_assert!(between.into_iter().all(|ms| case.is_inside(ms)));
        if opens_ms == due_ms {
            prop_assert_eq!(next.at_ms, due_ms, "a beat has no jitter of its own");
        }
    }
}

fn ms(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

/// The next start after a run then, as UTC.
fn after(case: &Case, last: &str) -> String {
    let last_ms = ms(last);
    let past = Past {
        seen_ms: last_ms,
        due_ms: Some(last_ms),
        started_ms: Some(last_ms),
        ended_ms: Some(last_ms),
        ..Past::default()
    };
    let next = plan(last_ms + 1, &case.rule, &past, 0).unwrap();
    Timestamp::from_millisecond(next.at_ms).unwrap().to_string()
}

fn nightly(zone: &str, from: u32, until: u32) -> Case {
    Case::new(zone, 12 * HOUR_MS, 0, vec![((0..7).collect(), from * 60, until * 60)])
}

#[test]
fn nights_that_lack_an_hour_or_have_one_twice() {
    let case = nightly("Europe/Berlin", 20, 6);
    assert_eq!(after(&case, "2026-03-27T19:00:00Z"), "2026-03-28T19:00:00Z");
    assert_eq!(after(&case, "2026-03-28T19:00:00Z"), "2026-03-29T18:00:00Z", "summer time");
    assert_eq!(after(&case, "2026-10-24T18:00:00Z"), "2026-10-25T19:00:00Z", "and its end");
    // 02:00 to 03:00 is not there on that night: the next night counts.
    let case = nightly("Europe/Berlin", 2, 3);
    assert_eq!(after(&case, "2026-03-28T01:00:00Z"), "2026-03-30T00:00:00Z");
    // And twice there: the first counts.
    assert_eq!(after(&case, "2026-10-24T00:00:00Z"), "2026-10-25T00:00:00Z");
    let case = nightly("America/Santiago", 0, 1);
    assert_eq!(after(&case, "2026-09-05T04:00:00Z"), "2026-09-07T03:00:00Z", "no midnight");
}

#[test]
fn the_ends_of_months_and_years() {
    let case = Case::new("America/New_York", DAY_MS, 0, vec![(vec![4], 20 * 60, 6 * 60)]);
    assert_eq!(after(&case, "2026-07-30T12:00:00Z"), "2026-08-01T00:00:00Z", "friday, 20:00");
    assert_eq!(after(&case, "2026-08-01T09:59:00Z"), "2026-08-08T00:00:00Z");
    assert_eq!(after(&case, "2027-12-25T12:00:00Z"), "2028-01-01T01:00:00Z");
    assert_eq!(after(&case, "2028-02-24T12:00:00Z"), "2028-02-26T01:00:00Z");
}

#[test]
fn what_was_missed_is_made_up_for_once() {
    let case = Case::new("UTC", 6 * HOUR_MS, 0, Vec::new());
    let last_ms = ms("2026-06-01T00:00:00Z");
    let mut past = Past {
        seen_ms: last_ms + 9 * DAY_MS,
        due_ms: Some(last_ms),
        started_ms: Some(last_ms),
        ended_ms: Some(last_ms),
        ..Past::default()
    };
    let now_ms = past.seen_ms;
    let next = plan(now_ms, &case.rule, &past, 9).unwrap();
    assert_eq!((next.at_ms, next.why, next.due_ms), (now_ms, Why::CatchUp, Some(now_ms)));
    past.due_ms = next.due_ms;
    (past.started_ms, past.ended_ms) = (Some(now_ms), Some(now_ms + 1));
    let next = plan(now_ms + 2, &case.rule, &past, 9).unwrap();
    assert_eq!((next.at_ms, next.why), (now_ms + 6 * HOUR_MS, Why::Period));
}

#[test]
fn failures_are_tried_again_ever_more_slowly() {
    let case = Case::new("UTC", 6 * HOUR_MS, 0, Vec::new());
    let mut past = Past {
        due_ms: Some(0),
        started_ms: Some(0),
        ended_ms: Some(0),
        failures: 1,
        is_passing: true,
        ..Past::default()
    };
    let at = |past: &Past| plan(1, &case.rule, past, 0).unwrap().at_ms / MINUTE_MS;
    let waits: Vec<_> = (1..=9).map(|failures| at(&Past { failures, ..past.clone() })).collect();
    assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 360]);
    past.is_passing = false;
    assert_eq!(at(&past), 360, "what a person has to put right is not tried all the time");
}

#[test]
fn paused_runs_only_by_hand() {
    let mut case = Case::new("UTC", HOUR_MS, 0, Vec::new());
    case.rule.is_paused = true;
    let mut past = Past::default();
    assert_eq!(plan(0, &case.rule, &past, 0), None);
    past.is_asked = true;
    assert_eq!(plan(0, &case.rule, &past, 0).unwrap().why, Why::Asked);
    assert_eq!(plan(0, &case.rule, &past, 0).unwrap().due_ms, None);
}

#[test]
fn everything_is_read_every_so_often() {
    let mut case = Case::new("UTC", HOUR_MS, 0, Vec::new());
    case.rule.full_every_ms = Some(DAY_MS);
    let reads = |full_ms: Option<i64>, now_ms: i64| {
        let past = Past { full_ms, ..Past::default() };
        plan(now_ms, &case.rule, &past, 0).unwrap().reads
    };
    assert_eq!(reads(None, DAY_MS), Reads::Everything);
    assert_eq!(reads(Some(0), DAY_MS / 2), Reads::Changes);
    assert_eq!(reads(Some(0), DAY_MS), Reads::Everything);
    assert_eq!(reads(Some(DAY_MS), 0), Reads::Everything, "a clock that was set back");
}
