//! Gauges of credentials, for the textfile collector of the node exporter and for whoever asks
//! the program itself. Times are Unix times: a file that nobody wrote for a week does not say
//! that there is a week more.

use countersign_store::LastCheck;
use countersign_text::openmetrics::{Exposition, Kind};

use super::super::{Row, State};

/// The whole file. `undelivered` is how many messages are still on their way.
pub(super) fn render(
    rows: &[Row],
    undelivered: usize,
    last: Option<&LastCheck>,
    now_ms: i64,
) -> String {
    let mut text = Exposition::default();
    put_credentials(&mut text, rows);
    gauge(&mut text, "countersign_watch_run_seconds", "When this was written, as Unix time")
        .put(&[], now_ms.div_euclid(1000));
    put_watch(&mut text, undelivered, last);
    text.end()
}

fn gauge<'e>(
    text: &'e mut Exposition,
    name: &str,
    help: &str,
) -> countersign_text::openmetrics::Samples<'e> {
    text.family(name, Kind::Gauge, help)
}

/// Of each credential; `State` in a sample for each state that there is.
pub(crate) fn put_credentials(text: &mut Exposition, rows: &[Row]) {
    let seconds = |ms: Option<i64>| ms.map(|ms| ms.div_euclid(1000).to_string());
    type Value<'v> = &'v dyn Fn(&Row) -> Option<String>;
    let gauges: [(&str, &str, Value<'_>); 7] = [
        ("expires_seconds", "When the credential expires, as Unix time", &|row| {
            seconds(row.expires_ms)
        }),
        ("published_seconds", "Since when it signs, as Unix time", &|row| {
            seconds(Some(row.published_ms))
        }),
        ("checked_seconds", "When the service was last asked, as Unix time", &|row| {
            seconds(row.checked_ms)
        }),
        ("used_seconds", "When it was last used from here, as Unix time", &|row| {
            seconds(row.used_ms)
        }),
        ("clock_skew_seconds", "How far the clock of the service is ahead", &|row| {
            row.skew_ms.map(|ms| format!("{}.{:03}", sign(ms), ms.abs() % 1000))
        }),
        ("roles_missing", "Permissions that its account lacks", &|row| {
            Some(row.missing().len().to_string())
        }),
        ("foreign_id", "Whether an unknown API ID is active", &|row| {
            Some(u8::from(row.foreign_id.is_some()).to_string())
        }),
    ];
    for (name, help, value) in gauges {
        let mut samples = gauge(text, &format!("countersign_credential_{name}"), help);
        for row in rows {
            if let Some(value) = value(row) {
                samples.put(&labels(row), value);
            }
        }
    }
    let help = "How it is: 1 at its state, 0 at others";
    let mut samples = gauge(text, "countersign_credential_state", help);
    for row in rows {
        for state in State::ALL {
            let of_state = [("state", state.as_str())];
            let labels = [labels(row).as_slice(), of_state.as_slice()].concat();
            samples.put(&labels, u8::from(row.state == state));
        }
    }
}

/// What the watch could not say yet, and what it found in the store.
pub(crate) fn put_watch(text: &mut Exposition, undelivered: usize, last: Option<&LastCheck>) {
    gauge(text, "countersign_watch_undelivered", "Messages that no channel has taken yet")
        .put(&[], undelivered);
    if let Some(last) = last {
        gauge(text, "countersign_store_problems", "What the last check found damaged")
            .put(&[], last.problems);
        gauge(text, "countersign_store_checked_seconds", "When that was, as Unix time")
            .put(&[], last.at_ms.div_euclid(1000));
    }
}

/// Whole seconds with their sign, which `-0` has too.
fn sign(ms: i64) -> String {
    format!("{}{}", if ms < 0 { "-" } else { "" }, ms.abs() / 1000)
}

fn labels(row: &Row) -> [(&str, &str); 4] {
    [
        ("name", &row.name),
        ("host", &row.host),
        ("kind", row.kind.as_str()),
        ("purpose", row.purpose.as_str()),
    ]
}
