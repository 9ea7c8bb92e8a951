//! The three date forms of the service, read to milliseconds.

use jiff::Timestamp;

/// Milliseconds since the Unix epoch of `2026-01-02T03:04:05.678Z`, the same
/// with `+0000`, or `2026-01-02 03:04:05 UTC`.
pub fn parse_time(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_millisecond());
    }
    let plain = text.strip_suffix(" UTC")?;
    format!("{}Z", plain.replacen(' ', "T", 1))
        .parse::<Timestamp>()
        .ok()
        .map(|t| t.as_millisecond())
}

/// `2026-01-02T03:04:05.678Z`.
pub fn rfc3339(ms: i64) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
        Err(_) => String::new(),
    }
}

/// Serialises optional milliseconds as text.
pub(crate) fn serialize<S: serde::Serializer>(
    ms: &Option<i64>,
    writer: S,
) -> Result<S::Ok, S::Error> {
    match ms {
        Some(ms) => writer.serialize_str(&rfc3339(*ms)),
        None => writer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
