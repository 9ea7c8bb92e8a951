//! RFC 5545: one event for each expiry, with alarms on the days on which the watch
//! says it. An event keeps its UID for as long as the credential is there; `SEQUENCE`
//! and `DTSTAMP` change when it does, and only then, so that the same inventory gives
//! the same bytes.

use countersign_findings::rfc3339;
use countersign_store::{Edition, Store};
use countersign_text::line;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::super::{Row, THRESHOLDS_DAYS};
use crate::error::Error;

/// Longest line in octets, without its end.
const MOST_OCTETS: usize = 75;

struct Event {
    uid: String,
    expires_ms: i64,
    summary: String,
    description: String,
}

/// The calendar of what is known to expire.
pub(super) async fn render(store: &Store, rows: &[Row], now_ms: i64) -> Result<String, Error> {
    let mut rows: Vec<_> = rows.iter().collect();
    rows.sort_by(|one, other| one.name.cmp(&other.name));
    let mut lines = Lines::default();
    lines.add("BEGIN:VCALENDAR");
    lines.add("VERSION:2.0");
    lines.add(&format!("PRODID:-//countersign//{}//EN", env!("CARGO_PKG_VERSION")));
    lines.add("CALSCALE:GREGORIAN");
    lines.add("X-WR-CALNAME:Credentials");
    lines.add("REFRESH-INTERVAL;VALUE=DURATION:PT1H");
    for row in rows {
        let Some(event) = event(row) else { continue };
        let content = format!("{}\n{}\n{}", event.expires_ms, event.summary, event.description);
        let edition = store.calendar_edition(row.id, content, now_ms).await?;
        add(&mut lines, &event, edition);
    }
    lines.add("END:VCALENDAR");
    Ok(lines.0)
}

fn event(row: &Row) -> Option<Event> {
    let identity = format!("{}\0{}", row.name, row.added_ms);
    Some(Event {
        uid: HEXLOWER.encode(&Sha256::digest(identity.as_bytes())[..16]),
        expires_ms: row.expires_ms?,
        summary: format!("Credential {} for {} expires", line(&row.name), line(&row.host)),
        description: format!(
            "Account: {}\nAPI ID: {}\nReplace it: countersign credentials rotate {}",
            line(row.account.as_deref().unwrap_or("unknown")),
            line(&row.api_id),
            line(&row.name)
        ),
    })
}

fn add(lines: &mut Lines, event: &Event, edition: Edition) {
    let (summary, description) = (escaped(&event.summary), escaped(&event.description));
    lines.add("BEGIN:VEVENT");
    lines.add(&format!("UID:{}@countersign", event.uid));
    lines.add(&format!("DTSTAMP:{}", stamp(edition.stamp_ms)));
    lines.add(&format!("LAST-MODIFIED:{}", stamp(edition.stamp_ms)));
    lines.add(&format!("SEQUENCE:{}", edition.sequence));
    lines.add(&format!("DTSTART:{}", stamp(event.expires_ms)));
    lines.add(&format!("SUMMARY:{summary}"));
    lines.add(&format!("DESCRIPTION:{description}"));
    lines.add("TRANSP:TRANSPARENT");
    for days in THRESHOLDS_DAYS {
        lines.add("BEGIN:VALARM");
        lines.add("ACTION:DISPLAY");
        lines.add(&format!("TRIGGER:-P{days}D"));
        lines.add(&format!("DESCRIPTION:{summary} in {days} d"));
        lines.add("END:VALARM");
    }
    lines.add("END:VEVENT");
}

/// `20261124T080000Z`.
fn stamp(ms: i64) -> String {
    match rfc3339(ms).split_once('.') {
        Some((time, _)) => format!("{}Z", time.replace(['-', ':'], "")),
        None => "19700101T000000Z".into(),
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => escaped.extend(['\\', c]),
            '\n' => escaped.push_str("\\n"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    /// Folds between characters: a line goes on after an end and a blank.
    fn add(&mut self, line: &str) {
        let mut octets = 0;
        for c in line.chars() {
            if octets + c.len_utf8() > MOST_OCTETS {
                self.0.push_str("\r\n ");
                octets = 1;
            }
            self.0.push(c);
            octets += c.len_utf8();
        }
        self.0.push_str("\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_folded_between_characters() {
        for text in ["a".repeat(200), "é".repeat(100), "a€😀".repeat(40), "x".repeat(75)] {
            let mut lines = Lines::default();
            lines.add(&text);
            assert!(lines.0.ends_with("\r\n"));
            for line in lines.0.trim_end_matches("\r\n").split("\r\n") {
                assert!(line.len() <= MOST_OCTETS, "{line}");
            }
            assert_eq!(lines.0.replace("\r\n ", "").trim_end_matches("\r\n"), text);
        }
        let mut lines = Lines::default();
        lines.add(&"x".repeat(75));
        assert_eq!(lines.0.matches("\r\n").count(), 1, "a full line is whole");
    }

    #[test]
    fn text_cannot_end_its_line() {
        assert_eq!(escaped("a\nEND:VEVENT;,\\"), "a\\nEND:VEVENT\\;\\,\\\\");
    }
}
