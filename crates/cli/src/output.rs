//! Printing: data to standard output, tables that fit the terminal, bars that
//! read without colour.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use countersign_findings::is_invisible;
use serde::Serialize;

use crate::failure::Failure;

/// Writes lines to standard output; a reader that went away is success.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    tolerate_closed_pipe(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// One JSON object on one line.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string(value).map_err(Failure::unexpected)?;
    text.push('\n');
    print(&text)
}

/// Ends the program quietly when nobody reads any more.
pub(crate) fn tolerate_closed_pipe(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => Ok(other?),
    }
}

/// A line for people, to standard error.
pub(crate) fn note(text: &str) {
    // A closed standard error leaves nobody to tell.
    let _ = writeln!(io::stderr(), "{text}");
}

/// A borderless table that wraps to the terminal, or to 100 columns elsewhere.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if !io::stdout().is_terminal() {
        table.set_width(100);
    }
    table.set_header(header.iter().map(|name| name.to_uppercase()));
    table
}

/// The table's text, without the blanks that pad its right edge.
pub(crate) fn table_text(table: &Table) -> String {
    table.lines().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{}", line.trim_end());
        text
    })
}

/// Labelled bars, the longest 30 cells wide, each with its figure.
pub(crate) fn bars(rows: &[(String, u64)]) -> String {
    let widest = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or_default();
    let most = rows.iter().map(|(_, count)| *count).max().unwrap_or_default().max(1);
    rows.iter().fold(String::new(), |mut text, (label, count)| {
        let cells = (count * 30).div_ceil(most);
        let bar: String = (0..cells).map(|_| '■').collect();
        let _ = writeln!(text, "  {label:<widest$}  {bar:<30}  {:>9}", grouped(*count));
        text
    })
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Text from elsewhere, safe to print: control characters cannot move the cursor or
/// change colours, and what cannot be seen or turns other characters around is marked.
pub(crate) fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' => c,
        c if c.is_control() => ' ',
        c if is_invisible(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(shown).collect()
}

/// Milliseconds since the Unix epoch as `2026-11-24 08:00 UTC`.
pub(crate) fn when(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        Err(_) => format!("{ms} ms"),
    }
}

/// How far `ms` lies from `now_ms`, in the largest unit that says something.
pub(crate) fn distance(ms: i64, now_ms: i64) -> String {
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
    fn bars_are_scaled_to_the_longest() {
        let text = bars(&[("High".into(), 3000), ("Low".into(), 1), ("None".into(), 0)]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0].matches('■').count(), 30);
        assert_eq!(lines[1].matches('■').count(), 1, "a little is not nothing");
        assert_eq!(lines[2].matches('■').count(), 0);
        assert!(lines[0].ends_with("3,000"));
    }

    #[test]
    fn words_from_elsewhere_move_nothing_and_hide_nothing() {
        assert_eq!(printable("a\u{1b}[2J\tb\nc"), "a [2J b\nc");
        assert_eq!(printable("gpj.\u{202e}exe\u{200b}"), "gpj.\u{fffd}exe\u{fffd}");
        assert_eq!(printable("日本語 é 🎈"), "日本語 é 🎈");
    }

    #[test]
    fn distances_read_like_speech() {
        assert_eq!(distance(365 * 86_400_000, 0), "in 365 days");
        assert_eq!(distance(0, 90 * 60_000), "90 minutes ago");
    }

    #[test]
    fn a_title_cannot_move_the_cursor() {
        assert_eq!(printable("a\u{1b}[2Jb\r"), "a [2Jb ");
    }
}
