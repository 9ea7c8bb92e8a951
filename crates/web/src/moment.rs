//! Moments and how far they are.

/// Shown as `2026-11-24 08:00 UTC`; a browser with scripts shows it in its own zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub i64);

impl Moment {
    fn time(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or_default()
    }

    /// What a service wrote, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self(text.trim().parse::<jiff::Timestamp>().ok()?.as_millisecond()))
    }

    /// For programs.
    pub fn iso(&self) -> String {
        self.time().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// The day in few letters.
    pub fn short_day(&self) -> String {
        self.time().strftime("%-d %b").to_string()
    }

    /// The day alone.
    pub fn day(&self) -> String {
        self.time().strftime("%Y-%m-%d").to_string()
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.time().strftime("%Y-%m-%d %H:%M UTC"))
    }
}

/// `in 364 days`, `3 hours ago`.
pub fn from_now(ms: i64, now_ms: i64) -> String {
    let distance = (ms.saturating_sub(now_ms)).unsigned_abs();
    if distance < 60_000 {
        return if ms > now_ms { "in a moment".into() } else { "just now".into() };
    }
    let words = span(distance);
    if ms >= now_ms { format!("in {words}") } else { format!("{words} ago") }
}

/// `3 hours`, of this many milliseconds.
pub fn span(ms: u64) -> String {
    let (count, unit) = match ms {
        0..1_000 => return format!("{ms} ms"),
        1_000..120_000 => (ms / 1_000, "second"),
        120_000..7_200_000 => (ms / 60_000, "minute"),
        7_200_000..172_800_000 => (ms / 3_600_000, "hour"),
        _ => (ms / 86_400_000, "day"),
    };
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{s}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_wrote_is_read_or_left() {
        let read = Moment::parse("2026-11-24T08:00:00.500+01:00").unwrap();
        assert_eq!(
            (read.to_string(), read.iso()),
            ("2026-11-24 07:00 UTC".into(), "2026-11-24T07:00:00Z".into())
        );
        for other in ["", "yesterday", "2026-11-24", "2026-11-24T08:00:00", "\u{202e}"] {
            assert_eq!(Moment::parse(other), None, "{other}");
        }
    }

    #[test]
    fn distances_read_like_speech() {
        assert_eq!(from_now(365 * 86_400_000, 0), "in 365 days");
        assert_eq!(from_now(0, 90 * 60_000), "90 minutes ago");
        assert_eq!(from_now(1, 1), "just now");
        assert_eq!(from_now(i64::MIN, i64::MAX), "106751991167 days ago");
    }
}
