//! When things end: a row for each, from today on.

use std::fmt::Write as _;

use super::scale::WIDTH;
use crate::text::escaped;

const LEFT: f64 = 150.0;
const RIGHT: f64 = 140.0;
const ROW: f64 = 26.0;
const HEAD: f64 = 24.0;
const MAX_NAME_CHARS: usize = 20;

/// Something that ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// What.
    pub name: String,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Class that gives the colour.
    pub class: &'static str,
    /// Words for it, shown at its end.
    pub words: String,
}

/// The drawing. Its table is the caller's.
pub fn timeline(id: &str, title: &str, marks: &[Mark], now_ms: i64) -> String {
    let days = |at_ms: i64| (at_ms.saturating_sub(now_ms)) as f64 / 86_400_000.0;
    let longest = marks.iter().map(|mark| days(mark.at_ms)).fold(30.0, f64::max).min(3660.0);
    let x = |days: f64| LEFT + days.clamp(0.0, longest) / longest * (WIDTH - LEFT - RIGHT);
    let height = HEAD + ROW * marks.len() as f64 + 4.0;
    let mut svg = String::with_capacity(4096);
    let _ = write!(
        svg,
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\"><title id=\"{id}-title\">{}</title><desc id=\"{id}-desc\">",
        escaped(title)
    );
    for mark in marks {
        let _ = write!(svg, "{}: {}. ", escaped(&mark.name), escaped(&mark.words));
    }
    svg.push_str("</desc>");
    for (day, label) in
        [(0.0, "today"), (30.0, "30 d"), (90.0, "90 d"), (180.0, "180 d"), (365.0, "1 y")]
    {
        // Labels keep their distance.
        if day > longest || (day > 0.0 && x(day) - x(0.0) < 40.0) {
            continue;
        }
        let at = x(day);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{HEAD}\" y2=\"{height}\"/><text class=\"tick middle\" x=\"{at:.1}\" y=\"16\">{label}</text>"
        );
    }
    for (at, mark) in marks.iter().enumerate() {
        let middle = HEAD + ROW * (at as f64 + 0.5);
        let end = x(days(mark.at_ms));
        let name: String = match mark.name.chars().count() {
            0..=MAX_NAME_CHARS => mark.name.clone(),
            _ => mark.name.chars().take(MAX_NAME_CHARS - 1).chain(['…']).collect(),
        };
        let _ = write!(
            svg,
            "<text class=\"tick end\" x=\"{:.1}\" y=\"{:.1}\">{}</text><rect class=\"{class}\" x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"8\"/><circle class=\"{class}\" cx=\"{end:.1}\" cy=\"{middle:.1}\" r=\"6\"/><text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            LEFT - 12.0,
            middle + 4.0,
            escaped(&name),
            middle - 4.0,
            end - LEFT,
            end + 10.0,
            middle + 4.0,
            escaped(&mark.words),
            class = mark.class
        );
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_and_the_far_future_stay_inside() {
        let mark = |at_ms, name: &str| Mark {
            name: name.into(),
            at_ms,
            class: "s5",
            words: "soon".into(),
        };
        let marks =
            [mark(i64::MIN, "<long>ago"), mark(i64::MAX, &"n".repeat(80)), mark(86_400_000, "b")];
        let svg = timeline("t", "Expiry", &marks, 0);
        assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains("=\"-"), "{svg}");
        assert!(svg.contains("&lt;long&gt;ago") && svg.contains("…"));
        assert!(svg.contains(&format!("cx=\"{:.1}\"", WIDTH - RIGHT)));
        assert!(timeline("t", "Expiry", &[], 0).ends_with("</svg>"));
    }
}
