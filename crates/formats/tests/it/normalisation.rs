//! The tables of docs/reference/normalisation.md are what the code does. `UPDATE=1` writes them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use countersign_findings::{Severity, Standing, State, judge};
use countersign_formats::Last;
use countersign_formats::csv::COLUMNS;
use countersign_formats::ndjson::Line;
use countersign_formats::ocsf::{MAPPED, Shape, api};
use countersign_testkit::made_up;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::ocsf::{HOMES, only_event};
use crate::ocsf_api::{APPLICATION_HOMES, SCAN_HOMES, scan_events, static_scan};
use crate::{Sample, samples};

const DOCUMENT: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/normalisation.md");

fn flaw(severity: i64, status: Value) -> Sample {
    let record = json!({
        "issue_id": 7, "scan_type": "STATIC", "finding_status": status,
        "finding_details": {"severity": severity},
    });
    Sample::of(&json!({"guid": made_up::APPLICATION}), &record)
}

fn of_state(state: State) -> Sample {
    flaw(
        3,
        match state {
            State::Open => json!({"status": "OPEN"}),
            State::Fixed => json!({"status": "CLOSED"}),
            State::Mitigated => json!({"status": "CLOSED", "resolution": "MITIGATED"}),
            State::FalsePositive => {
                json!({"status": "CLOSED", "resolution": "POTENTIAL_FALSE_POSITIVE"})
            }
        },
    )
}

fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), " --- |".repeat(head.len()));
    for row in rows {
        writeln!(text, "| {} |", row.join(" | ")).unwrap();
    }
    text
}

fn severity_table() -> String {
    let rows = Severity::ALL.map(|severity| {
        let event = only_event(flaw(severity.level().into(), json!({})), Shape::Posture);
        let ocsf = format!("{} {}", event["severity_id"], event["severity"].as_str().unwrap());
        vec![severity.level().to_string(), severity.name().to_owned(), ocsf]
    });
    table(&["service", "word", "OCSF"], rows)
}

fn quoted(words: &[&str]) -> String {
    let words = words.iter().map(|word| match *word {
        "NOVEL" => "another word or none".to_owned(),
        word => format!("`{word}`"),
    });
    words.collect::<Vec<_>>().join(", ")
}

/// Words that mean the same next to the same other words are one row.
fn state_table() -> String {
    let statuses = ["OPEN", "REOPENED", "NOVEL", "CLOSED"];
    let resolutions = ["UNRESOLVED", "MITIGATED", "POTENTIAL_FALSE_POSITIVE", "NOVEL"];
    let reviews = ["NONE", "PROPOSED", "APPROVED", "REJECTED", "NOVEL"];
    let state = |status: &str, resolution: &str, review: &str| {
        let of = json!({"status": status, "resolution": resolution, "resolution_status": review});
        let mut without = of.clone();
        without.as_object_mut().unwrap().retain(|_, word| word != "NOVEL");
        let state = flaw(3, of).finding.state;
        assert_eq!(flaw(3, without).finding.state, state, "a word that is not known is none");
        state
    };
    let mut rows = Vec::new();
    for (statuses, _) in alike(&statuses, |status| {
        resolutions.map(|resolution| reviews.map(|review| state(status, resolution, review)))
    }) {
        for (resolutions, _) in alike(&resolutions, |resolution| {
            reviews.map(|review| state(statuses[0], resolution, review))
        }) {
            for (alike, state) in
                alike(&reviews, |review| state(statuses[0], resolutions[0], review))
            {
                let review =
                    if alike.len() == reviews.len() { "any".into() } else { quoted(&alike) };
                let state = format!("**{}**", state.as_str());
                rows.push(vec![quoted(&statuses), quoted(&resolutions), review, state]);
            }
        }
    }
    table(&["`status`", "`resolution`", "`resolution_status`", "state"], rows)
}

fn alike<'a, T: PartialEq>(
    words: &[&'a str],
    means: impl Fn(&'a str) -> T,
) -> Vec<(Vec<&'a str>, T)> {
    let mut groups: Vec<(Vec<&str>, T)> = Vec::new();
    for word in words {
        let meaning = means(word);
        match groups.iter_mut().find(|(_, known)| *known == meaning) {
            Some((group, _)) => group.push(word),
            None => groups.push((vec![word], meaning)),
        }
    }
    groups
}

fn lifecycle_table() -> String {
    let standing = |state, is_gone| Some(Standing { state, is_gone });
    let before = [
        ("never seen", None),
        ("open", standing(State::Open, false)),
        ("not open", standing(State::Fixed, false)),
        ("gone", standing(State::Open, true)),
    ];
    let mut rows = Vec::new();
    for (name, before) in before {
        for after in [State::Open, State::Fixed] {
            let sample = of_state(after);
            let other = flaw(4, json!({"status": "OPEN"})).finding.differences(&sample.finding);
            let verdict = |differences: &[_]| {
                format!("{:?}", judge(before, &sample.finding, differences)).to_lowercase()
            };
            let (same, different) = (verdict(&[]), verdict(&other));
            let verdict = if same == different {
                same
            } else {
                format!("{different}; {same} when nothing differs")
            };
            let after = if after.is_open() { "open" } else { "not open" };
            rows.push(vec![name.to_owned(), after.to_owned(), verdict]);
        }
    }
    table(&["before", "now", "change"], rows)
}

fn status_table() -> String {
    let mut rows = Vec::new();
    let mut add = |state: &str, last: &str, sample: Sample| {
        let word = |event: &Value, name: &str| {
            format!("{} {}", event[format!("{name}_id")], event[name].as_str().unwrap())
        };
        let activity = |event: &Value| {
            format!("{} {}", event["activity_id"], event["activity_name"].as_str().unwrap())
        };
        let new = only_event(sample.clone(), Shape::Posture);
        let api = only_event(sample.clone(), Shape::Posture18);
        assert_eq!((activity(&new), word(&new, "status")), (activity(&api), word(&api, "status")));
        let old = only_event(sample, Shape::Vulnerability13);
        assert_eq!(activity(&new), activity(&old));
        rows.push(vec![
            state.to_owned(),
            last.to_owned(),
            activity(&new),
            word(&new, "status"),
            word(&old, "status"),
        ]);
    };
    for state in State::ALL {
        for last in [Last::New, Last::Changed, Last::Reopened, Last::Closed] {
            add(state.as_str(), last.as_str(), Sample { last, ..of_state(state) });
        }
    }
    add("gone", "any", Sample { gone: true, last: Last::Closed, ..of_state(State::Open) });
    for state in State::ALL {
        for last in [Last::New, Last::Changed, Last::Reopened, Last::Closed] {
            let event = only_event(Sample { gone: true, last, ..of_state(state) }, Shape::Posture);
            assert_eq!((&event["status_id"], &event["activity_id"]), (&json!(6), &json!(3)));
        }
    }
    table(&["state", "last change", "activity", "status, 1.6.0 and 1.8.0", "status, 1.3.0"], rows)
}

fn members_table(mapped: &[(&str, &str)]) -> String {
    let row = |(member, attribute): &(&str, &str)| vec![format!("`{member}`"), (*attribute).into()];
    table(&["member", "attribute"], mapped.iter().map(row))
}

/// Words of scans that are no activity of their own are the last row.
fn scans_table() -> String {
    let words = [
        "SCAN_IN_PROGRESS",
        "IN_PROGRESS",
        "SCAN_IN_PROGRESS_PARTIAL_RESULTS_READY",
        "PUBLISHED",
        "PUBLISHED_TO_VENDOR",
        "PUBLISHED_TO_ENTERPRISE",
        "PUBLISHED_TO_ENTERPRISEINT",
        "SCAN_CANCELED",
        "PRE_SCAN_CANCELED",
        "NTO_PRE_SCAN_CANCELED",
        "ANALYSIS_ERRORS",
        "PRE_SCAN_FAILED",
        "PAUSED_ID",
        "NOVEL",
    ];
    let meaning = |word: &str| {
        let mut record = static_scan(9);
        record["scans"][0]["status"] = word.into();
        let event = scan_events(&record, &[]).remove(0);
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let caption =
            if text("activity_name") == word { "Other".into() } else { text("activity_name") };
        let status = event.get("status_id").map(|id| format!("{id} {}", text("status")));
        (format!("{} {caption}", event["activity_id"]), status.unwrap_or_else(|| "absent".into()))
    };
    let rows = alike(&words, meaning).into_iter().map(|(words, (activity, status))| {
        vec![quoted(&words).replace("another word or none", "another word"), activity, status]
    });
    table(&["`status` of the service", "activity", "status"], rows)
}

fn csv_table() -> String {
    let mut text = String::new();
    for columns in COLUMNS.chunks(6) {
        let columns: Vec<_> = columns.iter().map(|column| format!("`{column}`")).collect();
        writeln!(text, "{}{}", columns.join(", "), if columns.len() == 6 { "," } else { "" })
            .unwrap();
    }
    text.trim_end_matches([',', '\n']).to_owned() + ".\n"
}

#[cfg(feature = "parquet")]
fn parquet_table() -> String {
    let columns: Vec<_> = countersign_formats::parquet::columns().collect();
    let mut rows: Vec<(Vec<String>, (&str, bool))> = Vec::new();
    for (name, kind, nullable) in columns {
        match rows.last_mut() {
            Some((names, known)) if *known == (kind, nullable) => names.push(format!("`{name}`")),
            _ => rows.push((vec![format!("`{name}`")], (kind, nullable))),
        }
    }
    let rows = rows.into_iter().map(|(names, (kind, nullable))| {
        let nullable = if nullable { "yes" } else { "no" };
        vec![names.join(", "), kind.to_owned(), nullable.to_owned()]
    });
    table(&["columns", "type", "may be null"], rows)
}

#[test]
fn the_tables_of_the_document_are_what_the_code_does() {
    let mut text = std::fs::read_to_string(DOCUMENT).unwrap();
    let mut different = Vec::new();
    for (name, expected) in [
        ("severity", severity_table()),
        ("state", state_table()),
        ("lifecycle", lifecycle_table()),
        ("ocsf-status", status_table()),
        ("ocsf-members", members_table(&MAPPED)),
        ("ocsf-api-application", members_table(&api::APPLICATION)),
        ("ocsf-api-scan", members_table(&api::SCAN)),
        ("ocsf-api-scans", scans_table()),
        ("csv", csv_table()),
        #[cfg(feature = "parquet")]
        ("parquet", parquet_table()),
    ] {
        let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->"));
        let from = text.find(&begin).unwrap_or_else(|| panic!("no table {name}")) + begin.len();
        let to = from + text[from..].find(&end).unwrap();
        if text[from..to] != expected {
            different.push(name);
            text.replace_range(from..to, &expected);
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(DOCUMENT, text).unwrap();
    } else {
        assert!(different.is_empty(), "{different:?} differ: run this test with UPDATE=1");
    }
}

/// The document's table of members is the one that the test of losses goes by.
#[test]
fn mapped_members_are_those_that_are_looked_for() {
    let documented: BTreeSet<_> = MAPPED
        .iter()
        .map(|(member, _)| format!("/{}", member.replace("[0]", "/0").replace('.', "/")))
        .collect();
    let mut expected: BTreeSet<_> = HOMES.iter().map(|(path, _)| (*path).to_owned()).collect();
    expected.extend(["/description".to_owned(), "/violates_policy".to_owned()]);
    assert_eq!(documented, expected);
    // Those that `unmapped` may leave out.
    for (homes, mapped) in
        [(&APPLICATION_HOMES[..], &api::APPLICATION[..]), (&SCAN_HOMES, &api::SCAN)]
    {
        for (path, _) in homes {
            let member = path[1..].replace('/', ".");
            assert!(mapped.iter().any(|(known, _)| *known == member), "{member}");
        }
    }
}

proptest! {
    #[test]
    fn every_key_of_a_line_is_documented(samples in samples()) {
        let text = std::fs::read_to_string(DOCUMENT).unwrap();
        let section = text.split("\n## NDJSON\n").nth(1).unwrap().split("\n## ").next().unwrap();
        let mut keys = BTreeSet::new();
        for sample in &samples {
            let line = serde_json::to_value(Line::of(&sample.item())).unwrap();
            collect_keys(&line, &mut keys);
        }
        for key in &keys {
            prop_assert!(section.contains(&format!("`{key}`")), "{}", key);
        }
    }
}

fn collect_keys(value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                keys.insert(name.clone());
                collect_keys(value, keys);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect_keys(value, keys)),
        _ => {}
    }
}
