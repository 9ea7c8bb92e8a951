//! Charts the size of a word, for rows of tables. What they show stands beside them as
//! text: they are hidden from who cannot see them.

use std::fmt::Write as _;

const WIDTH: f64 = 120.0;
const HEIGHT: f64 = 14.0;

/// How findings of each severity share a bar, which is as long as their number is
/// compared with `most`. The worst first.
pub fn share(open: &[u64; 6], most: u64) -> String {
    let total: u64 = open.iter().fold(0, |sum, count| sum.saturating_add(*count));
    let mut svg = begin();
    let mut x = 0.0;
    let scale = WIDTH / most.max(total).max(1) as f64;
    for (severity, count) in open.iter().enumerate().rev().filter(|(_, count)| **count > 0) {
        let width = (*count as f64 * scale).max(1.5).min(WIDTH - x);
        let _ = write!(
            svg,
            "<rect class=\"part s{severity}\" x=\"{x:.1}\" width=\"{width:.1}\" height=\"{HEIGHT}\"/>"
        );
        x += width;
    }
    svg.push_str("</svg>");
    svg
}

/// A bar as long as `value` is compared with `most`.
pub fn bar(value: u64, most: u64, class: &str) -> String {
    let width = WIDTH * value as f64 / most.max(value).max(1) as f64;
    let width = if value > 0 { width.max(1.5) } else { 0.0 };
    let mut svg = begin();
    let _ = write!(svg, "<rect class=\"{class}\" width=\"{width:.1}\" height=\"{HEIGHT}\"/></svg>");
    svg
}

/// A line through the values, from the first to the last.
pub fn sparkline(values: &[u64]) -> String {
    let most = values.iter().copied().max().unwrap_or_default().max(1) as f64;
    let step = WIDTH / values.len().saturating_sub(1).max(1) as f64;
    let mut svg = begin();
    let points: Vec<_> = values
        .iter()
        .enumerate()
        .map(|(at, value)| {
            let y = HEIGHT - 1.5 - (HEIGHT - 3.0) * *value as f64 / most;
            format!("{:.1},{y:.1}", step * at as f64)
        })
        .collect();
    let _ = write!(svg, "<polyline class=\"line cool\" points=\"{}\"/></svg>", points.join(" "));
    svg
}

fn begin() -> String {
    format!(
        "<svg class=\"small\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" aria-hidden=\"true\">"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_ones_stay_inside() {
        for (open, most) in [
            ([0; 6], 0),
            ([1, 0, 0, 0, 0, u64::MAX], 5),
            ([u64::MAX; 6], u64::MAX),
            ([0, 0, 3, 0, 2, 1], 100_000),
        ] {
            let svg = share(&open, most);
            assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains("=\"-"), "{svg}");
        }
        assert_eq!(share(&[0, 1, 2, 3, 4, 5], 15).matches("<rect").count(), 5);
        assert!(share(&[0, 0, 0, 0, 0, 15], 15).contains("width=\"120.0\""));
        assert!(bar(0, 0, "s1").contains("width=\"0.0\""));
        assert!(bar(1, u64::MAX, "s1").contains("width=\"1.5\""), "a little is not nothing");
        for values in [&[][..], &[0], &[7], &[0, u64::MAX, 3]] {
            assert!(!sparkline(values).contains("NaN"));
        }
    }
}
