//! Summaries and findings full of texts that want to be something else.

use std::fmt::Write as _;

use countersign_deliveries::receiver::{Digest, Event, Verdict, Worst};
use countersign_findings::{Application, Context, Finding};
use countersign_store::{ChangeKind, ChangeRow, FindingRow, Reason};
use proptest::prelude::*;
use proptest::{collection, option, sample};
use serde_json::{Value, json};

pub(crate) const APPLICATION: &str = "7c1b0a52-0000-4000-8000-000000000001";

/// Whether a verdict is the right one.
pub(crate) type Right = fn(&Verdict) -> bool;

/// What means something to one of the receivers, or hides.
const NASTY: [&str; 37] = [
    "<!channel>",
    "<!here|here>",
    "<@U0123456789>",
    "<#C0123456789|x>",
    "@channel",
    "@here",
    "<https://evil.example.com|click>",
    "https://evil.example.com/x?y=z#f",
    "&lt;!channel&gt;",
    "*bold*",
    "_slanted_",
    "~struck~",
    "`code`",
    "```",
    ":smile:",
    "> quote",
    "[x](https://evil.example.com)",
    "![x](https://evil.example.com/x.png)",
    "**x**",
    "# x",
    "- x",
    "{{DATE(2026-01-02T03:04:05Z)}}",
    "{{{DATE(2026-01-02T03:04:05Z)}}",
    "${x}",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\" onclick=\"x",
    "'",
    "\r\nBcc: somebody@example.com\r\n\r\n",
    "\n--countersign-",
    "\u{202e}",
    "\u{200b}",
    "\0",
    "\u{1b}[2J",
    "",
    "<at>everybody</at>",
    "日本語 🎈",
];

/// A text, and sometimes a very long one.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let nasty = collection::vec(sample::select(&NASTY[..]), 0..6).prop_map(|all| all.join(" "));
    let long = (sample::select(&NASTY[..]), 1..2_000_usize).prop_map(|(one, n)| one.repeat(n));
    prop_oneof![4 => nasty, 3 => any::<String>(), 1 => long, 1 => Just(" ".to_owned())]
}

fn url() -> impl Strategy<Value = Option<String>> {
    option::of(prop_oneof![
        3 => "[a-f0-9]{20}".prop_map(|id| format!("https://dashboard.example.com/findings/{id}")),
        1 => text(),
        1 => text().prop_map(|text| format!("https://dashboard.example.com/?q={text}")),
        1 => Just("javascript:alert(1)".to_owned()),
        1 => Just("https://user:hush@dashboard.example.com/".to_owned()),
    ])
}

fn counts() -> impl Strategy<Value = [u64; 6]> {
    prop_oneof![3 => prop::array::uniform6(0..100_u64), 1 => any::<[u64; 6]>(), 1 => Just([0; 6])]
}

fn worst() -> impl Strategy<Value = Worst> {
    (0..=5_u8, text(), text(), option::of(text()), url()).prop_map(
        |(severity, title, application, place, url)| Worst {
            severity,
            title,
            application,
            place,
            id: "0123456789abcdef0123".into(),
            url,
        },
    )
}

/// A summary, sometimes with more lines than one has.
pub(crate) fn digest() -> impl Strategy<Value = Digest> {
    let lines = (collection::vec(worst(), 0..14), collection::vec((text(), any::<u64>()), 0..14));
    let changed = prop_oneof![Just(0_u64), any::<u64>()];
    (counts(), counts(), counts(), changed, lines, url()).prop_map(
        |(opened, reopened, closed, changed, (worst, applications), url)| Digest {
            seq: (1, 9),
            at_ms: (1_780_272_000_000, 1_780_358_400_000),
            opened,
            reopened,
            closed,
            changed,
            worst,
            applications,
            url,
        },
    )
}

pub(crate) fn application(name: &str) -> Application {
    let record = json!({"guid": APPLICATION, "profile": {"name": name}});
    Application::decode(&record.to_string()).unwrap()
}

/// A row of the store.
pub(crate) fn row(record: &Value) -> FindingRow {
    let raw = record.to_string();
    let guid = application("shop").guid;
    let finding = Finding::decode(&raw, &guid, &Context::Policy).unwrap();
    FindingRow {
        finding,
        application_name: "shop".into(),
        integration: "test".into(),
        gone: false,
        visible: true,
        raw,
        added_ms: 1_780_272_000_000,
        changed_ms: 1_780_272_000_000,
        last: ChangeKind::New,
        paths: None,
        paths_ms: None,
        seek: "AAAAAAAAAAAA".parse().unwrap(),
    }
}

/// A static flaw with this number, title and status.
pub(crate) fn flaw(number: i64, title: &str, status: &Value) -> FindingRow {
    row(&json!({
        "issue_id": number, "scan_type": "STATIC", "description": title, "finding_status": status,
        "finding_details": {"severity": 4, "cwe": {"id": 89, "name": title}, "file_path": "a/B.java",
            "file_line_number": 7},
    }))
}

/// A finding of any kind and standing, with this number.
pub(crate) fn finding(number: i64) -> impl Strategy<Value = FindingRow> {
    let status = sample::select(
        &[
            ("OPEN", "UNRESOLVED"),
            ("CLOSED", "FIXED"),
            ("CLOSED", "MITIGATED"),
            ("CLOSED", "POTENTIAL_FALSE_POSITIVE"),
            ("OPEN", "MITIGATED"),
        ][..],
    );
    let kind = sample::select(&["STATIC", "DYNAMIC", "MANUAL", "SCA"][..]);
    let history = (any::<bool>(), 0..1_000_000_i64);
    (kind, 0..=5_i64, status, [text(), text(), text()], -1..5_000_i64, history).prop_map(
        move |(kind, severity, (status, resolution), [title, words, place], line, history)| {
            let mut record = json!({
                "scan_type": kind, "description": words,
                "finding_status": {"status": status, "resolution": resolution,
                    "resolution_status": "APPROVED", "first_found_date": "2026-01-02T03:04:05Z"},
                "finding_details": {"severity": severity, "cwe": {"id": 89, "name": title},
                    "file_path": place, "file_line_number": line, "url": format!("https://shop.example.com/{place}"),
                    "hostname": place, "port": "443", "component_filename": place, "version": "1.0"},
            });
            match kind {
                "SCA" => record["finding_details"]["component_id"] = format!("c{number}").into(),
                _ => record["issue_id"] = number.into(),
            }
            let mut row = row(&record);
            row.gone = history.0;
            row.changed_ms += history.1;
            row
        },
    )
}

/// What the feed says of a finding.
pub(crate) fn change(row: &FindingRow, kind: ChangeKind, reason: Option<Reason>) -> ChangeRow {
    ChangeRow {
        seq: 7,
        at_ms: 1_780_272_000_000,
        application: APPLICATION.into(),
        application_name: row.application_name.clone(),
        finding_id: row.finding.id.to_string(),
        kind,
        reason,
        severity: row.finding.severity.level(),
        title: row.finding.title.clone(),
        differences: None,
        integration: "test".into(),
        is_first: false,
    }
}

/// Calls with an event of a finding whose title is this.
pub(crate) fn with_event<T>(title: &str, act: impl FnOnce(&Event<'_>) -> T) -> T {
    let row = flaw(7, title, &json!({"status": "OPEN"}));
    let (change, application) = (change(&row, ChangeKind::New, None), application(title));
    act(&Event { change: &change, row: &row, application: &application })
}

/// A line for each value, into a file of the folder that judges read.
pub(crate) fn made_up(name: &str, lines: impl IntoIterator<Item = String>) {
    let Ok(folder) = std::env::var("COUNTERSIGN_MADE_UP") else { return };
    std::fs::create_dir_all(&folder).unwrap();
    let mut text = String::new();
    lines.into_iter().for_each(|line| writeln!(text, "{line}").unwrap());
    std::fs::write(std::path::Path::new(&folder).join(name), text).unwrap();
}
