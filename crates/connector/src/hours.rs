//! Hours of the week, by the clock on somebody's wall: in which syncs may start, credentials
//! are rotated, or only what is urgent is said.
//!
//! A moment is inside if the wall clock shows it: in the night that has an hour twice,
//! both count, and an hour that a night lacks opens nothing.

use std::fmt;
use std::slice;
use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

static UTC: TimeZone = TimeZone::UTC;
/// Minutes of a day.
const DAY: u16 = 24 * 60;
/// Days that are searched for an opening: a weekly one can fall into a missing hour.
const HORIZON_DAYS: i32 = 16;
const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Days of the week and hours. One that ends before it begins goes on into the next
/// morning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Monday first: the days on which it opens.
    days: [bool; 7],
    from: u16,
    until: u16,
}

impl Window {
    /// Every day, between two minutes of the day. None when that would be all day, or is no
    /// time of day.
    pub fn daily(from: u16, until: u16) -> Option<Self> {
        (from != until && from < DAY && until < DAY).then(|| Self::new([true; 7], from, until))
    }

    /// Midnight is the end of the day, not its beginning.
    fn new(days: [bool; 7], from: u16, until: u16) -> Self {
        Self { days, from, until: if until == 0 { DAY } else { until } }
    }

    /// Its hours in UTC.
    pub fn in_utc(&self) -> Hours<'_> {
        Hours { windows: slice::from_ref(self), zone: &UTC }
    }

    fn opens_on(&self, day: Weekday) -> bool {
        self.days[usize::from(day.to_monday_zero_offset().unsigned_abs())]
    }

    fn holds(&self, wall: DateTime) -> bool {
        let minute = minute_of(wall.time());
        let today = self.opens_on(wall.weekday());
        if self.from < self.until {
            return today && (self.from..self.until).contains(&minute);
        }
        let yesterday = self.opens_on(wall.weekday().previous());
        (today && minute >= self.from) || (yesterday && minute < self.until)
    }
}

fn minute_of(time: Time) -> u16 {
    u16::from(time.hour().unsigned_abs()) * 60 + u16::from(time.minute().unsigned_abs())
}

/// Windows in a zone; none at all is always open.
#[derive(Debug, Clone, Copy)]
pub struct Hours<'a> {
    /// When it is open.
    pub windows: &'a [Window],
    /// By which clock on the wall.
    pub zone: &'a TimeZone,
}

impl Hours<'_> {
    /// Whether it is open then.
    pub fn hold(&self, ms: i64) -> bool {
        let Some(wall) = self.wall(ms) else { return true };
        self.windows.is_empty() || self.windows.iter().any(|window| window.holds(wall))
    }

    /// The first moment from `from_ms` on that is inside.
    pub fn opens(&self, from_ms: i64) -> Option<i64> {
        if self.hold(from_ms) {
            return Some(from_ms);
        }
        self.turns(from_ms, |window| window.from).find(|ms| self.hold(*ms))
    }

    /// The first moment after `from_ms` that is outside; none if there is none soon.
    pub fn closes(&self, from_ms: i64) -> Option<i64> {
        if self.windows.is_empty() {
            return None;
        }
        self.turns(from_ms, |window| window.until).find(|ms| !self.hold(*ms))
    }

    /// Moments after `from_ms` at which it can turn, in order: when the wall clock shows
    /// that minute of a day, or is set.
    fn turns(&self, from_ms: i64, minute: impl Fn(&Window) -> u16) -> impl Iterator<Item = i64> {
        let mut turns = Vec::new();
        let (now, wall) = (Timestamp::from_millisecond(from_ms).ok(), self.wall(from_ms));
        if let (Some(now), Some(wall)) = (now, wall) {
            for days in -1..HORIZON_DAYS {
                let Ok(date) = wall.date().checked_add(days.days()) else { continue };
                for window in self.windows {
                    turns.extend(self.moments(date, minute(window)));
                }
            }
            let end_ms = from_ms + i64::from(HORIZON_DAYS) * 86_400_000;
            let set = self.zone.following(now).map(|turn| turn.timestamp().as_millisecond());
            turns.extend(set.take_while(|ms| *ms < end_ms));
        }
        turns.retain(|ms| *ms > from_ms);
        turns.sort_unstable();
        turns.into_iter()
    }

    /// When the wall clock shows this minute of a day: once, twice, or never.
    fn moments(&self, date: Date, minute: u16) -> Vec<i64> {
        let (date, minute) = match minute {
            DAY.. => (date.saturating_add(1.day()), 0),
            minute => (date, minute),
        };
        let (hour, minute) = (minute / 60, minute % 60);
        let time = Time::new(
            i8::try_from(hour).unwrap_or_default(),
            i8::try_from(minute).unwrap_or_default(),
            0,
            0,
        );
        let Ok(time) = time else { return Vec::new() };
        let ambiguous = self.zone.to_ambiguous_timestamp(date.to_datetime(time));
        let both = [ambiguous.earlier(), ambiguous.later()];
        both.into_iter().flatten().map(|moment| moment.as_millisecond()).collect()
    }

    fn wall(&self, ms: i64) -> Option<DateTime> {
        Timestamp::from_millisecond(ms).ok().map(|moment| self.zone.to_datetime(moment))
    }
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no window: give days, hours or both, such as `mon-fri 20:00-06:00`, \
                 `sat,sun` or `22:00-04:00`"
            )
        };
        let mut words = text.split_whitespace();
        let (first, second) = (words.next().ok_or_else(wrong)?, words.next());
        if words.next().is_some() {
            return Err(wrong());
        }
        let is_hours = |word: &str| word.contains(':');
        let (days, hours) = match (first, second) {
            (hours, None) if is_hours(hours) => ("mon-sun", hours),
            (days, None) => (days, "00:00-24:00"),
            (days, Some(hours)) => (days, hours),
        };
        let days = parse_days(days).ok_or_else(wrong)?;
        let (from, until) = hours.split_once('-').ok_or_else(wrong)?;
        let from = parse_minute(from).filter(|from| *from < DAY).ok_or_else(wrong)?;
        let until = parse_minute(until).filter(|until| *until != from).ok_or_else(wrong)?;
        Ok(Self::new(days, from, until))
    }
}

/// Two times of a day, such as `22:00-04:00`, in minutes.
pub fn parse_range(text: &str) -> Option<(u16, u16)> {
    let minute = |text: &str| {
        let (hours, minutes) = text.trim().split_once(':')?;
        let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
        (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
    };
    let (from, until) = text.split_once('-')?;
    minute(from).zip(minute(until))
}

fn parse_days(text: &str) -> Option<[bool; 7]> {
    let day = |name: &str| NAMES.iter().position(|known| name.eq_ignore_ascii_case(known));
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (day(first)?, day(last)?),
            None => (day(part)?, day(part)?),
        };
        let count = (last + 7 - first) % 7;
        for at in first..=first + count {
            days[at % 7] = true;
        }
    }
    Some(days)
}

fn parse_minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let is_plain = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain(hours) || !is_plain(minutes) {
        return None;
    }
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= DAY).then_some(minute)
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days != [true; 7] {
            let named: Vec<_> = NAMES
                .iter()
                .zip(self.days)
                .filter(|(_, opens)| *opens)
                .map(|(name, _)| *name)
                .collect();
            write!(f, "{} ", named.join(","))?;
        }
        let (from, until) = (self.from, self.until);
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, until / 60, until % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: i64 = 60_000;

    #[test]
    fn daily_hours_go_past_midnight_and_are_never_all_day() {
        assert!(Window::daily(60, 60).is_none());
        assert!(Window::daily(0, DAY).is_none());
        let night = Window::daily(22 * 60, 7 * 60).expect("a night");
        let at = |hour: i64, minute: i64| (hour * 60 + minute) * MINUTE_MS;
        for (hour, minute, is_inside) in
            [(21, 59, false), (22, 0, true), (0, 0, true), (6, 59, true), (7, 0, false)]
        {
            assert_eq!(night.in_utc().hold(at(hour, minute)), is_inside, "{hour}:{minute}");
        }
        assert!(night.in_utc().hold(at(-1, 0)), "before 1970 too");
        assert_eq!(night.in_utc().closes(at(23, 0)), Some(at(31, 0)));
        assert_eq!(night.in_utc().closes(at(5, 0)), Some(at(7, 0)));
        assert_eq!(night.in_utc().opens(at(12, 0)), Some(at(22, 0)));
        let evening = Window::daily(22 * 60, 0).expect("an evening");
        assert!(evening.in_utc().hold(at(23, 59)) && !evening.in_utc().hold(at(24, 0)));
    }
}
