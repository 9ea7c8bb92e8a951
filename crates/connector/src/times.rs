//! Moments, for people.

use countersign_findings::rfc3339;

/// A day, as expiry and periods count them.
pub const DAY_MS: i64 = 86_400_000;

/// Milliseconds since the Unix epoch as `2026-11-24 08:00 UTC`.
pub fn when(ms: i64) -> String {
    match rfc3339(ms).get(..16) {
        Some(minute) => format!("{} UTC", minute.replace('T', " ")),
        None => format!("{ms} ms"),
    }
}

/// How far `ms` lies from `now_ms`, in the largest unit that says something.
pub fn distance(ms: i64, now_ms: i64) -> String {
    let seconds = (ms - now_ms).abs() / 1000;
    let (number, unit) = match seconds {
        0..120 => (seconds, "seconds"),
        120..7_200 => (seconds / 60, "minutes"),
        7_200..172_800 => (seconds / 3_600, "hours"),
        _ => (seconds / 86_400, "days"),
    };
    if ms >= now_ms { format!("in {number} {unit}") } else { format!("{number} {unit} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_read_like_speech() {
        assert_eq!(distance(365 * 86_400_000, 0), "in 365 days");
        assert_eq!(distance(0, 90 * 60_000), "90 minutes ago");
    }
}
