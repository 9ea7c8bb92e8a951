//! Gauges in the text format that both Prometheus and OpenMetrics read, for the
//! textfile collector of the node exporter. Times are Unix times: a file that nobody
//! wrote for a week does not say that there is a week more.

use std::fmt::Write;

use countersign_store::LastCheck;
use countersign_text::line;

use super::super::{Row, State};

/// The whole file. `undelivered` is how many messages are still on their way.
pub(super) fn render(
    rows: &[Row],
    undelivered: usize,
    last: Option<&LastCheck>,
    now_ms: i64,
) -> String {
    let mut text = String::new();
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
        head(&mut text, &format!("countersign_credential_{name}"), help);
        for row in rows {
            if let Some(value) = value(row) {
                let _ = writeln!(text, "countersign_credential_{name}{{{}}} {value}", labels(row));
            }
        }
    }
    head(&mut text, "countersign_credential_state", "How it is: 1 at its state, 0 at others");
    for row in rows {
        for state in State::ALL {
            let _ = writeln!(
                text,
                "countersign_credential_state{{{},state=\"{}\"}} {}",
                labels(row),
                state.as_str(),
                u8::from(row.state == state)
            );
        }
    }
    head(&mut text, "countersign_watch_run_seconds", "When this was written, as Unix time");
    let _ = writeln!(text, "countersign_watch_run_seconds {}", now_ms.div_euclid(1000));
    head(&mut text, "countersign_watch_undelivered", "Messages that no channel has taken yet");
    let _ = writeln!(text, "countersign_watch_undelivered {undelivered}");
    if let Some(last) = last {
        head(&mut text, "countersign_store_problems", "What the last check found damaged");
        let _ = writeln!(text, "countersign_store_problems {}", last.problems);
        let checked_seconds = last.at_ms.div_euclid(1000);
        head(&mut text, "countersign_store_checked_seconds", "When that was, as Unix time");
        let _ = writeln!(text, "countersign_store_checked_seconds {checked_seconds}");
    }
    // A comment to the one reader, the end to the other.
    text.push_str("# EOF\n");
    text
}

/// Whole seconds with their sign, which `-0` has too.
fn sign(ms: i64) -> String {
    format!("{}{}", if ms < 0 { "-" } else { "" }, ms.abs() / 1000)
}

fn head(text: &mut String, name: &str, help: &str) {
    let _ = write!(text, "# HELP {name} {help}.\n# TYPE {name} gauge\n");
}

fn labels(row: &Row) -> String {
    format!(
        "name=\"{}\",host=\"{}\",kind=\"{}\",purpose=\"{}\"",
        escaped(&row.name),
        escaped(&row.host),
        row.kind.as_str(),
        row.purpose.as_str()
    )
}

fn escaped(text: &str) -> String {
    line(text).to_string().replace('\\', "\\\\").replace('"', "\\\"")
}
