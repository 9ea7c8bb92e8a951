//! NDJSON and CSV: as many lines and rows as findings, and nothing that a reader
//! would run.

use countersign_formats::csv::{COLUMNS, Csv, Style};
use countersign_formats::ndjson::{Line, Ndjson};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::ocsf::leaves;
use crate::{Sample, samples, write};

fn ndjson(samples: &[Sample]) -> Vec<Value> {
    let mut bytes = Vec::new();
    assert_eq!(write(Box::new(Ndjson::new(&mut bytes)), samples), samples.len());
    let text = String::from_utf8(bytes).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn csv(samples: &[Sample]) -> Vec<csv::StringRecord> {
    rows(&csv_bytes(samples, Style::default()))
}

fn csv_bytes(samples: &[Sample], style: Style) -> Vec<u8> {
    let mut bytes = Vec::new();
    assert_eq!(write(Box::new(Csv::new(&mut bytes, style).unwrap()), samples), samples.len());
    bytes
}

fn rows(bytes: &[u8]) -> Vec<csv::StringRecord> {
    let mut reader = csv::Reader::from_reader(bytes);
    assert_eq!(reader.headers().unwrap(), COLUMNS.as_slice());
    reader.records().map(Result::unwrap).collect()
}

/// The cell without the quote that keeps it from being run.
fn cell<'a>(row: &'a csv::StringRecord, column: &str) -> &'a str {
    let cell = &row[COLUMNS.iter().position(|known| *known == column).unwrap()];
    cell.strip_prefix('\'').unwrap_or(cell)
}

/// A text without breaks and controls, as documented.
fn on_a_line(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let one = |c| match c {
        '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
        '\t' => '\t',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(one).collect()
}

proptest! {
    #[test]
    fn a_row_is_a_line_without_controls(samples in samples()) {
        for style in [Style::default(), Style { is_plain: true, has_mark: true }] {
            let text = String::from_utf8(csv_bytes(&samples, style)).unwrap();
            prop_assert_eq!(text.starts_with('\u{feff}'), style.has_mark);
            let text = text.trim_start_matches('\u{feff}');
            prop_assert_eq!(text.matches('\n').count(), samples.len() + 1);
            let is_odd = |c: char| c.is_control() && c != '\t' && c != '\n';
            prop_assert!(!text.contains(is_odd));
            let read = rows(text.as_bytes());
            for (row, sample) in read.iter().zip(&samples) {
                let title = on_a_line(&sample.finding.title);
                let held = &row[11];
                let quoted = held.strip_prefix('\'').filter(|_| !style.is_plain);
                prop_assert!(held == title || quoted == Some(&title), "{:?}", held);
            }
        }
    }

    #[test]
    fn every_finding_is_a_line_with_all_its_members(samples in samples()) {
        let lines = ndjson(&samples);
        prop_assert_eq!(lines.len(), samples.len());
        for (line, sample) in lines.iter().zip(&samples) {
            prop_assert_eq!(line, &serde_json::to_value(Line::of(&sample.item())).unwrap());
            prop_assert_eq!(line["integration"].as_str(), Some("test"));
            prop_assert_eq!(line["last_change"].as_str(), Some(sample.last.as_str()));
            let members = serde_json::to_value(&sample.finding).unwrap();
            let mut missing = Vec::new();
            leaves(&members, "", &mut |path, leaf| {
                if line.pointer(path) != Some(leaf) {
                    missing.push(path.to_owned());
                }
            });
            prop_assert_eq!(missing, Vec::<String>::new());
        }
    }

    #[test]
    fn every_finding_is_a_row_without_a_formula(samples in samples()) {
        let rows = csv(&samples);
        prop_assert_eq!(rows.len(), samples.len());
        for (row, sample) in rows.iter().zip(&samples) {
            let finding = &sample.finding;
            prop_assert_eq!(cell(row, "id"), finding.id.as_str());
            let title = on_a_line(&finding.title);
            prop_assert_eq!(cell(row, "title"), title.strip_prefix('\'').unwrap_or(&title));
            prop_assert_eq!(cell(row, "key"), finding.key.to_string());
            prop_assert_eq!(cell(row, "last_change"), sample.last.as_str());
            for cell in row {
                let seen = cell.trim_start_matches(|c: char| !c.is_ascii_graphic() && c.is_ascii());
                let is_number = cell.parse::<f64>().is_ok();
                prop_assert!(is_number || !seen.starts_with(['=', '+', '-', '@']), "{:?}", cell);
                prop_assert!(!cell.starts_with(['\t', '\r', '\n']), "{:?}", cell);
            }
        }
    }
}

#[test]
fn columns_have_what_they_are_named_after() {
    let application = json!({
        "guid": "7c1b0a52-0000-4000-8000-000000000001",
        "last_completed_scan_date": "2026-05-01T03:04:05.000Z",
        "profile": {"name": "Shop", "business_criticality": "HIGH", "tags": "web, pay",
            "business_unit": {"name": "Retail"}, "teams": [{"team_name": "=Blue"}, {"team_name": "Red"}],
            "policies": [{"name": "Strict", "policy_compliance_status": "DID_NOT_PASS"}]},
    });
    let record = json!({
        "scan_type": "SCA", "description": "words", "violates_policy": true,
        "finding_status": {"status": "OPEN", "resolution": "UNRESOLVED", "new": true},
        "finding_details": {"severity": 5, "component_id": "c-1", "component_filename": "lib.jar",
            "version": "1.2", "component_path": [{"path": "a/lib.jar"}, {"path": "b/lib.jar"}],
            "licenses": [{"license_id": "mit"}, {"license_id": "isc"}],
            "cve": {"name": "CVE-2026-0001", "cvss": 9, "cvss3": {"score": 9.8, "vector": "CVSS:3.1/AV:N"},
                "exploitability": {"epss_score": 0.00001, "exploit_observed": false}}},
    });
    let rows = csv(&[Sample::of(&application, &record)]);
    for (column, expected) in [
        ("severity", "5"),
        ("state", "open"),
        ("violates_policy", "true"),
        ("component_paths", "a/lib.jar; b/lib.jar"),
        ("licenses", "mit; isc"),
        ("cvss", "9.8"),
        ("cvss_vector", "CVSS:3.1/AV:N"),
        ("cvss2", "9"),
        ("epss_score", "0.00001"),
        ("exploit_observed", "false"),
        ("new", "true"),
        ("gone", "false"),
        ("added", "2026-06-01T00:00:00.000Z"),
        ("last_change", "new"),
        ("business_unit", "Retail"),
        ("business_criticality", "HIGH"),
        ("teams", "=Blue; Red"),
        ("tags", "web; pay"),
        ("policy", "Strict"),
        ("policy_compliance", "DID_NOT_PASS"),
        ("last_scan", "2026-05-01T03:04:05.000Z"),
        ("line", ""),
    ] {
        assert_eq!(cell(&rows[0], column), expected, "{column}");
    }
}

#[test]
fn a_line_that_is_not_known_is_a_number() {
    let record = json!({
        "issue_id": 1, "scan_type": "STATIC", "finding_status": {},
        "finding_details": {"severity": 0, "file_line_number": -1, "file_path": "-1"},
    });
    let application = json!({"guid": "7c1b0a52-0000-4000-8000-000000000001"});
    let rows = csv(&[Sample::of(&application, &record)]);
    assert_eq!((&rows[0][13], &rows[0][12]), ("-1", "'-1"));
}

#[test]
fn a_score_that_is_written_is_a_number() {
    let of = |cvss: &str| {
        let application = json!({"guid": "7c1b0a52-0000-4000-8000-000000000001"});
        let record = json!({"issue_id": 1, "scan_type": "MANUAL", "finding_status": {},
            "finding_details": {"severity": 0, "cvss": cvss}});
        csv(&[Sample::of(&application, &record)])[0][37].to_owned()
    };
    assert_eq!(COLUMNS[37], "cvss");
    assert_eq!((of("7.5"), of("-1"), of("=7")), ("7.5".into(), "-1".into(), "'=7".into()));
    assert_eq!((of("7.5 (high)"), of("inf")), ("7.5 (high)".into(), "inf".into()));
}

#[test]
fn texts_stay_texts() {
    let of = |name: &str, version: &str, style| {
        let application = json!({"guid": "7c1b0a52-0000-4000-8000-000000000001",
            "profile": {"name": name}});
        let record = json!({"scan_type": "SCA", "finding_status": {}, "finding_details": {
            "severity": 0, "component_id": "c", "version": version}});
        let rows = rows(&csv_bytes(&[Sample::of(&application, &record)], style));
        (rows[0][3].to_owned(), rows[0][17].to_owned())
    };
    // The name of an application that breaks lines, and a version that is a number.
    let told = of("a\0b\r\nc\u{2028}d", "1.10", Style::default());
    assert_eq!(told, ("a\u{fffd}b c d".to_owned(), "'1.10".to_owned()));
    let told = of("=1", "007", Style::default());
    assert_eq!(told, ("'=1".to_owned(), "'007".to_owned()));
    let told = of("=1", "007", Style { is_plain: true, ..Style::default() });
    assert_eq!(told, ("=1".to_owned(), "007".to_owned()));
    let mut sample = Sample::of(
        &json!({"guid": "7c1b0a52-0000-4000-8000-000000000001"}),
        &json!({"issue_id": 1, "scan_type": "STATIC", "finding_status": {},
            "finding_details": {"severity": 0}}),
    );
    let id = [0x12, 0x34, 0x56, 0x78, 0x90, 0x12, 0x34, 0x56, 0x78, 0x90];
    sample.finding.id = countersign_findings::FindingId::from_bytes(&id);
    assert_eq!(&csv(&[sample])[0][0], "'12345678901234567890");
}
