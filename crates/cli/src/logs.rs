//! Log lines as JSON objects, one a line: time, level, target, message, and the fields of the
//! event under their names. What came from elsewhere is escaped and has an end.

use std::fmt;

use countersign_findings::rfc3339;
use countersign_text::{json, line};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::system;

/// Characters of a field.
const FIELD: usize = 1000;

/// Writes events so.
pub(crate) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let mut fields = Fields(head(metadata.level().as_str(), metadata.target()));
        event.record(&mut fields);
        let text = json::to_string(&fields.0).map_err(|_| fmt::Error)?;
        writeln!(writer, "{text}")
    }
}

/// A note to people, as one of these lines.
pub(crate) fn note_line(text: &str) -> String {
    let mut fields = head("NOTE", "countersign");
    fields.insert("message".to_owned(), shown(text));
    json::to_string(&fields).unwrap_or_default()
}

/// The same, where log lines are text.
pub(crate) fn timed_note(text: &str) -> String {
    format!("{}  NOTE countersign: {}", rfc3339((system::clock())()), line(text).at_most(FIELD))
}

fn head(level: &str, target: &str) -> Map<String, Value> {
    let now = rfc3339((system::clock())());
    [("timestamp", now.as_str()), ("level", level), ("target", target)]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect()
}

fn shown(text: &str) -> Value {
    line(text).at_most(FIELD).to_string().into()
}

struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, shown(&format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, shown(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::prelude::*;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_event_is_one_object_whatever_is_in_it() {
        let kept = Kept::default();
        let writer = kept.clone();
        let layer = tracing_subscriber::fmt::layer()
            .event_format(JsonLines)
            .with_writer(move || writer.clone());
        let long = "x".repeat(100_000);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let name = "a\"}\n{\"level\":\"ERROR\"\u{1b}[2J\u{202e}";
            tracing::info!(name, count = 3, complete = true, long, "sync ended");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains(['\u{202e}', '\u{1b}']) && text.len() < 3000, "{text}");
        let object: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(object["message"], "sync ended");
        assert_eq!((&object["count"], &object["complete"]), (&3.into(), &true.into()));
        assert!(object["name"].as_str().unwrap().contains("<U+001B>[2J<U+202E>"), "{text}");
        assert_eq!(object["level"], "INFO");
    }

    #[test]
    fn a_note_is_one_object_too() {
        let object: Value = serde_json::from_str(&note_line("one\ntwo \u{1b}[2J")).unwrap();
        assert_eq!(object["message"], "one two <U+001B>[2J");
    }
}
