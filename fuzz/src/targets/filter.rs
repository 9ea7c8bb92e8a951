//! The filter language, over a record that is kept.

use countersign_findings::filter::{Expression, Origin};
use countersign_findings::{ApplicationGuid, Context, Finding};

const RECORD: &str = r#"{"issue_id":7,"scan_type":"STATIC","description":"Ünïcödé \\\"x\\\"","count":1,
    "violates_policy":true,"finding_status":{"status":"OPEN","resolution":"UNRESOLVED",
    "first_found_date":"2026-01-02T03:04:05.000Z"},"finding_details":{"severity":4,
    "cwe":{"id":89,"name":"SQL Injection"},"file_path":"com/example/A.java","file_line_number":7}}"#;

/// What is a filter means the same when it is written and read again.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(filter) = text.parse::<Expression>() else { return };
    let written = filter.to_string();
    let again: Expression = written.parse().unwrap_or_else(|error| panic!("{error}: {written}"));
    let guid = ApplicationGuid::parse("7c1b0a52-0000-4000-8000-000000000001").expect("a guid");
    let finding = Finding::decode(RECORD, &guid, &Context::Policy).expect("a record");
    let origin = Origin {
        integration: "prod",
        application: "Ünï",
        is_visible: true,
        changed_ms: 1 << 40,
        is_new: false,
    };
    assert_eq!(filter.matches(&finding, origin), again.matches(&finding, origin), "{written}");
    assert_eq!(again.to_string(), written);
}
