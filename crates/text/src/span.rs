//! How long something takes, for people.

/// In the largest unit that says something, to the nearest: `90 seconds`, `25 days`.
pub fn span(ms: u64) -> String {
    let seconds = ms.saturating_add(500) / 1000;
    let (unit, name) = match seconds {
        1 => return "1 second".to_owned(),
        0..120 => (1, "seconds"),
        120..7_200 => (60, "minutes"),
        7_200..172_800 => (3_600, "hours"),
        _ => (86_400, "days"),
    };
    format!("{} {name}", (seconds + unit / 2) / unit)
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn spans_read_like_speech() {
        for (ms, words) in [
            (0, "0 seconds"),
            (1_400, "1 second"),
            (90_000, "90 seconds"),
            (150_000, "3 minutes"),
            (7_100_000, "118 minutes"),
            (2_160_024_000, "25 days"),
            (u64::MAX, "213503982335 days"),
        ] {
            assert_eq!(span(ms), words, "{ms}");
        }
    }
}
