//! The three date forms of the service, read to milliseconds.

use std::ops::Deref;

use jiff::Timestamp;

/// Milliseconds since the Unix epoch of `2026-01-02T03:04:05.678Z`, the same
/// with `+0000`, or `2026-01-02 03:04:05 UTC`.
pub fn parse_time(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Some(ms) = plain_time(text) {
        return Some(ms);
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_millisecond());
    }
    let plain = text.strip_suffix(" UTC")?;
    format!("{}Z", plain.replacen(' ', "T", 1))
        .parse::<Timestamp>()
        .ok()
        .map(|t| t.as_millisecond())
}

/// The form that most dates have, `2026-01-02T03:04:05.678Z`, of the years in which all dates
/// are: every finding has several. None of any other, which may be a date all the same.
fn plain_time(text: &str) -> Option<i64> {
    let text: &[u8; 24] = text.as_bytes().try_into().ok()?;
    let mark = |at: usize, mark: u8| (text[at] == mark).then_some(());
    for (at, expected) in [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.')] {
        mark(at, expected)?;
    }
    mark(23, b'Z')?;
    let number = |from: usize, to: usize| {
        text[from..to].iter().try_fold(0, |number, byte| {
            byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0'))
        })
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let is_known = (1970..=2999).contains(&year) && hour < 24 && minute < 60 && second < 60;
    // There is no such day where another one has its number.
    let days = days(year, month, day);
    if !is_known || date(days) != Some((year, month, day)) {
        return None;
    }
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + number(20, 23)?)
}

/// A moment as people type it and lists print it: a form of [`parse_time`], a minute with
/// its zone (`2026-01-02 03:04 +01:00`), a date (its midnight, UTC), or an age of
/// [`parse_age`] before `now_ms`.
pub fn parse_moment(text: &str, now_ms: i64) -> Option<i64> {
    parse_date(text).or_else(|| parse_age(text).map(|age_ms| now_ms.saturating_sub(age_ms)))
}

/// The forms of [`parse_moment`] that mean the same at any time.
pub(crate) fn parse_date(text: &str) -> Option<i64> {
    let text = text.trim();
    let zoned = || {
        let (minute, zone) = text.rsplit_once(' ')?;
        let is_zone = zone.starts_with(['+', '-']);
        is_zone.then(|| parse_time(&format!("{}{zone}", minute.replacen(' ', "T", 1)))).flatten()
    };
    parse_time(text).or_else(zoned).or_else(|| parse_time(&format!("{text}T00:00:00Z")))
}

/// Milliseconds of a length of time: `90s`, `90m`, `12h`, `30d`, `2w`, and as lists print
/// it, `3 days ago`.
pub fn parse_age(text: &str) -> Option<i64> {
    let text = text.trim();
    let text = text.strip_suffix(" ago").unwrap_or(text);
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let unit_ms = match unit.trim() {
        "s" | "sec" | "second" | "seconds" => 1_000,
        "m" | "min" | "minute" | "minutes" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        "w" | "week" | "weeks" => 604_800_000,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit_ms)
}

/// `2026-01-02T03:04:05.678Z`.
pub fn rfc3339(ms: i64) -> String {
    Rfc3339::of(ms).to_string()
}

/// [`rfc3339`] without an allocation: exports write millions of them.
#[derive(Debug, Clone, Copy)]
pub struct Rfc3339([u8; 24]);

impl Rfc3339 {
    /// Of milliseconds since the Unix epoch; empty outside of the years 0 to 9999.
    pub fn of(ms: i64) -> Self {
        let (days, in_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
        let Some((year, month, day)) = date(days) else { return Self([0; 24]) };
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let second = in_day / 1000;
        for (at, width, number) in [
            (0, 4, year),
            (5, 2, month),
            (8, 2, day),
            (11, 2, second / 3600),
            (14, 2, second / 60 % 60),
            (17, 2, second % 60),
            (20, 3, in_day % 1000),
        ] {
            let mut rest = number;
            for digit in text[at..at + width].iter_mut().rev() {
                *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
                rest /= 10;
            }
        }
        Self(text)
    }
}

impl Deref for Rfc3339 {
    type Target = str;

    fn deref(&self) -> &str {
        let text = if self.0[0] == 0 { &[] } else { self.0.as_slice() };
        std::str::from_utf8(text).unwrap_or_default()
    }
}

/// Year, month and day of a day since the Unix epoch, by the 400 years after which
/// the calendar repeats itself, begun with a March so that the leap day comes last.
fn date(days: i64) -> Option<(i64, i64, i64)> {
    let shifted = days.checked_add(719_468)?;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (0..=9999).contains(&year).then_some((year, month, day))
}

/// The day since the Unix epoch of a year, a month and a day: what [`date`] takes apart.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (from_march, year) = if month > 2 { (month - 3, year) } else { (month + 9, year - 1) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Serialises optional milliseconds as text.
pub(crate) fn serialize<S: serde::Serializer>(
    ms: &Option<i64>,
    writer: S,
) -> Result<S::Ok, S::Error> {
    match ms {
        Some(ms) => writer.serialize_str(&Rfc3339::of(*ms)),
        None => writer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_three_forms_mean_the_same() {
        let expected = Some(1_767_323_045_000);
        for text in
            ["2026-01-02T03:04:05.000Z", "2026-01-02T03:04:05.000+0000", "2026-01-02 03:04:05 UTC"]
        {
            assert_eq!(parse_time(text), expected, "{text}");
        }
        assert_eq!(parse_time("2026-01-02T05:04:05+02:00"), expected);
        assert_eq!(rfc3339(1_767_323_045_678), "2026-01-02T03:04:05.678Z");
        for text in ["", "yesterday", "2026-13-01T00:00:00Z", "2026-01-02"] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    #[test]
    fn what_people_type_is_a_moment() {
        let now_ms = 1_767_323_045_000;
        let at = |text: &str| parse_moment(text, now_ms);
        for text in ["", "yesterday", "d", "30", "3 months", "99999999999999999d", "+1d", "-1d"] {
            assert_eq!(at(text), None, "{text}");
        }
        for (text, age_ms) in [
            ("45s", 45_000),
            ("90m", 90 * 60_000),
            ("12h", 12 * 3_600_000),
            ("30d", 30 * 86_400_000),
            ("2w", 14 * 86_400_000),
            ("3 days ago", 3 * 86_400_000),
        ] {
            assert_eq!(at(text), Some(now_ms - age_ms), "{text}");
        }
        let minute = Some(1_767_323_040_000);
        for text in ["2026-01-02 03:04 UTC", "2026-01-02 04:04 +01:00", "2026-01-02T03:04:00Z"] {
            assert_eq!(at(text), minute, "{text}");
        }
        assert_eq!(at("1970-01-02"), Some(86_400_000));
    }

    #[test]
    fn what_has_no_date_is_empty() {
        for ms in [i64::MIN, i64::MAX, 253_402_300_800_000] {
            assert_eq!(rfc3339(ms), "");
        }
        assert_eq!(rfc3339(253_402_300_799_999), "9999-12-31T23:59:59.999Z");
    }

    proptest! {
        #[test]
        fn plain_times_are_those_of_the_calendar(
            year in 1960..3010, month in 0..14, day in 0..33, hour in 0..25, minute in 0..62,
            second in 0..62, thousandth in 0..1000, at in 0..24_usize, odd in "[ -~]",
        ) {
            let text = format!(
                "{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{thousandth:03}Z"
            );
            let other = format!("{}{odd}{}", &text[..at], &text[at + 1..]);
            let read = |text: &str| text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond);
            let is_of_these = (1970..3000).contains(&year) && second < 60;
            prop_assert_eq!(plain_time(&text), read(&text).filter(|_| is_of_these), "{}", text);
            let plain = plain_time(&other);
            prop_assert!(plain.is_none() || plain == read(&other), "{}", other);
        }

        #[test]
        fn texts_are_those_of_the_calendar(ms in -62_167_219_200_000..253_402_207_200_000_i64) {
            let expected = Timestamp::from_millisecond(ms).map(|time| {
                time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
            });
            prop_assert_eq!(Ok(rfc3339(ms)), expected.map_err(|error| error.to_string()));
        }
    }
}
