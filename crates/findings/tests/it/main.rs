//! Decoding, judging and comparing findings.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fuzz;
mod imported;
mod notes;

use std::path::Path;

use countersign_findings::{
    Application, ApplicationGuid, Context, Finding, FindingKey, Standing, State, Verdict, judge,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn guid() -> ApplicationGuid {
    ApplicationGuid::parse("7c1b0a52-0000-4000-8000-000000000001").unwrap()
}

fn decode(record: &Value) -> Result<Finding, String> {
    Finding::decode(&record.to_string(), &guid(), &Context::Policy).map_err(|e| e.reason)
}

fn flaw() -> Value {
    json!({
        "issue_id": 7, "scan_type": "STATIC", "description": "<span>a</span>", "count": 1,
        "context_type": "APPLICATION", "context_guid": guid(), "violates_policy": true,
        "finding_status": {"first_found_date": "2026-01-02T03:04:05.678Z", "status": "OPEN",
            "resolution": "UNRESOLVED", "resolution_status": "NONE", "new": false,
            "mitigation_review_status": "NONE", "last_seen_date": "2026-02-02T03:04:05.678Z"},
        "finding_details": {"severity": 4, "cwe": {"id": 89, "name": "SQL Injection"},
            "file_path": "src/a.rs", "file_line_number": 12, "module": "app.jar"},
        "build_id": 99
    })
}

fn component() -> Value {
    json!({
        "scan_type": "SCA", "description": "plain words", "count": 1, "violates_policy": true,
        "finding_status": {"first_found_date": "2026-03-02T03:04:05.678Z", "status": "OPEN",
            "resolution": "UNRESOLVED", "resolution_status": "NONE", "new": true,
            "last_seen_date": "2026-01-02T03:04:05.678Z"},
        "finding_details": {"severity": 5, "component_id": "c-1", "version": "1.2",
            "component_filename": "lib.jar", "licenses": [],
            "metadata": {"sca_scan_mode": "UPLOAD", "sca_dep_mode": "UNKNOWN"},
            "cve": {"name": "CVE-2026-0001", "cvss": 10, "vector": "AV:N/\u{200b}AC:L"}}
    })
}

#[test]
fn records_that_cannot_be_read_say_why() {
    let without = |path: &str, name: &str| {
        let mut record = flaw();
        record.pointer_mut(path).unwrap().as_object_mut().unwrap().remove(name);
        decode(&record).unwrap_err()
    };
    assert!(without("", "issue_id").contains("issue id"));
    assert!(without("", "finding_details").contains("finding_details"));
    assert!(without("/finding_details", "severity").contains("severity"));
    let mut record = flaw();
    record["finding_details"]["severity"] = json!(9);
    assert!(decode(&record).unwrap_err().contains("9"));
    record = flaw();
    record["scan_type"] = json!("IAST");
    assert!(decode(&record).unwrap_err().contains("IAST"));
    let mut record = component();
    record["finding_details"].as_object_mut().unwrap().remove("component_id");
    assert!(decode(&record).unwrap_err().contains("component id"));
}

#[test]
fn a_component_is_known_by_its_parts() {
    let finding = decode(&component()).unwrap();
    assert_eq!(finding.key.to_string(), "sca:UPLOAD:c-1:CVE-2026-0001");
    assert_eq!(finding.title, "CVE-2026-0001 in lib.jar 1.2");
    let vulnerability = finding.vulnerability.clone().unwrap();
    assert_eq!(vulnerability.cvss2, Some(10.0));
    assert_eq!(vulnerability.cvss2_vector.as_deref(), Some("AV:N/AC:L"));
    assert!(finding.first_found_ms > finding.last_seen_ms, "legal for SCA");
    let mut agent = component();
    agent["finding_details"]["metadata"]["sca_scan_mode"] = json!("AGENT");
    assert_ne!(decode(&agent).unwrap().key, finding.key);
}

#[test]
fn states_come_from_all_status_members() {
    for (status, resolution, resolution_status, expected) in [
        ("OPEN", "UNRESOLVED", "NONE", State::Open),
        ("OPEN", "UNRESOLVED", "REJECTED", State::Open),
        ("OPEN", "MITIGATED", "PROPOSED", State::Open),
        ("REOPENED", "UNRESOLVED", "NONE", State::Open),
        ("NOVEL", "NOVEL", "NOVEL", State::Open),
        ("CLOSED", "UNRESOLVED", "NONE", State::Fixed),
        ("CLOSED", "MITIGATED", "APPROVED", State::Mitigated),
        ("OPEN", "MITIGATED", "APPROVED", State::Mitigated),
        ("OPEN", "POTENTIAL_FALSE_POSITIVE", "APPROVED", State::FalsePositive),
        ("OPEN", "POTENTIAL_FALSE_POSITIVE", "PROPOSED", State::Open),
    ] {
        let mut record = flaw();
        record["finding_status"]["status"] = json!(status);
        record["finding_status"]["resolution"] = json!(resolution);
        record["finding_status"]["resolution_status"] = json!(resolution_status);
        assert_eq!(decode(&record).unwrap().state, expected, "{status}/{resolution}");
    }
}

#[test]
fn verdicts() {
    let open = decode(&flaw()).unwrap();
    let mut record = flaw();
    record["finding_status"]["status"] = json!("CLOSED");
    let closed = decode(&record).unwrap();
    let standing = |state, is_gone| Some(Standing { state, is_gone });
    let differences = open.differences(&closed);
    assert_eq!(
        differences.iter().map(|d| d.field.as_str()).collect::<Vec<_>>(),
        ["state", "status.status"]
    );
    assert_eq!(judge(None, &open, &[]), Verdict::New);
    assert_eq!(judge(None, &closed, &[]), Verdict::New);
    assert_eq!(judge(standing(State::Open, false), &closed, &differences), Verdict::Closed);
    assert_eq!(judge(standing(State::Fixed, false), &open, &differences), Verdict::Reopened);
    assert_eq!(judge(standing(State::Open, true), &open, &[]), Verdict::Reopened);
    assert_eq!(judge(standing(State::Open, false), &open, &[]), Verdict::Unchanged);
    assert_eq!(
        judge(standing(State::Fixed, true), &closed, &[]),
        Verdict::Changed,
        "back in sight"
    );
    assert_eq!(judge(standing(State::Mitigated, false), &closed, &differences), Verdict::Changed);
}

#[test]
fn what_every_scan_moves_is_no_change() {
    let judged = |before: &Value, after: &Value| {
        let (before, after) = (decode(before).unwrap(), decode(after).unwrap());
        let differences = before.differences(&after);
        assert!(!differences.is_empty(), "the sighting is different: {after:?}");
        let standing = Standing { state: before.state, is_gone: false };
        (judge(Some(standing), &after, &differences), countersign_findings::sentences(&differences))
    };
    let unchanged = (Verdict::Unchanged, Vec::new());
    let set = |record: &Value, pointer: &str, value: Value| {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let mut record = record.clone();
        record.pointer_mut(parent).unwrap()[name] = value;
        record
    };
    let mut component = component();
    component["finding_details"]["cve"]["exploitability"] = json!({
        "epss_score": 0.0112, "epss_percentile": 0.5, "epss_score_date": "2026-03-01",
        "exploit_observed": false});
    let mut dynamic = flaw();
    dynamic["scan_type"] = json!("DYNAMIC");
    for record in [flaw(), dynamic, component.clone()] {
        let mut moved =
            set(&record, "/finding_status/last_seen_date", json!("2026-06-02T03:04:05.678Z"));
        assert_eq!(judged(&record, &moved), unchanged);
        moved["build_id"] = json!(100);
        moved["finding_status"]["new"] = json!(!record["finding_status"]["new"].as_bool().unwrap());
        assert_eq!(judged(&record, &moved), unchanged, "all of them at once");
        moved["finding_details"]["severity"] = json!(2);
        let (verdict, sentences) = judged(&record, &moved);
        assert_eq!((verdict, sentences.len()), (Verdict::Changed, 1), "{sentences:?}");
        let closed = set(&moved, "/finding_status/status", json!("CLOSED"));
        assert_eq!(judged(&record, &closed).0, Verdict::Closed);
    }
    let feed = "/finding_details/cve/exploitability";
    let daily = set(&component, &format!("{feed}/epss_score_date"), json!("2026-03-02"));
    let daily = set(&daily, &format!("{feed}/epss_percentile"), json!(0.51));
    let daily = set(&daily, &format!("{feed}/epss_score"), json!(0.0113));
    assert_eq!(judged(&component, &daily), unchanged);
    let risen = set(&daily, &format!("{feed}/epss_score"), json!(0.93));
    assert_eq!(judged(&daily, &risen).0, Verdict::Changed);
    let exploited = set(&daily, &format!("{feed}/exploit_observed"), json!(true));
    assert_eq!(judged(&daily, &exploited).0, Verdict::Changed);
    // It came back after a complete reading that lacked it: that is to be told.
    let closed = decode(&set(&flaw(), "/finding_status/status", json!("CLOSED"))).unwrap();
    let gone = Standing { state: State::Fixed, is_gone: true };
    assert_eq!(judge(Some(gone), &closed, &[]), Verdict::Changed);
}

#[test]
fn an_application_is_read_by_its_guid_alone() {
    let bare = Application::decode(r#"{"guid":"g-1"}"#).unwrap();
    assert_eq!((bare.name.as_str(), bare.modified_ms), ("g-1", None));
    for bad in ["{}", "[]", r#"{"guid":"../users"}"#] {
        assert!(Application::decode(bad).is_err(), "{bad}");
    }
    let tagged = Application::decode(r#"{"guid":"g","profile":{"tags":"a, b,,c"}}"#).unwrap();
    assert_eq!(tagged.tags, ["a", "b", "c"]);
}

/// Genuine answers, where they are at hand.
#[test]
fn recorded_answers_decode_without_loss() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples");
    for (name, expected) in [
        ("findings-static-page0of3.json", 20),
        ("findings-sca-anonymised.json", 10),
        ("findings-dynamic-anonymised.json", 5),
    ] {
        let Ok(text) = std::fs::read_to_string(samples.join(name)) else { continue };
        let page: Value = serde_json::from_str(&text).unwrap();
        let records = page["_embedded"]["findings"].as_array().unwrap();
        assert_eq!(records.len(), expected, "{name}");
        for record in records {
            let finding = decode(record).unwrap_or_else(|reason| panic!("{name}: {reason}"));
            assert!(finding.notes.is_empty(), "{name}: {:?}", finding.notes);
            assert!(!finding.description.is_empty() && !finding.description.contains("<span>"));
            assert_eq!(json!(finding.severity), record["finding_details"]["severity"]);
        }
    }
    if let Ok(text) = std::fs::read_to_string(samples.join("applications-by-name.json")) {
        let page: Value = serde_json::from_str(&text).unwrap();
        for record in page["_embedded"]["applications"].as_array().unwrap() {
            assert!(Application::decode(&record.to_string()).unwrap().notes.is_empty());
        }
    }
}

fn arbitrary_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{1,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_record_panics(
        base in prop::sample::select(vec![flaw(), component()]),
        path in prop::sample::select(vec![
            "/issue_id", "/scan_type", "/description", "/finding_status", "/finding_details",
            "/finding_details/severity", "/finding_details/cwe", "/finding_details/cve",
            "/finding_status/status", "/finding_status/first_found_date", "/violates_policy",
        ]),
        replacement in arbitrary_json(),
    ) {
        let mut record = base;
        if let Some(slot) = record.pointer_mut(path) {
            *slot = replacement;
        }
        let _ = decode(&record);
    }

    #[test]
    fn keys_and_contexts_round_trip(
        issue in any::<i64>(), component in "[a-z0-9-]{1,20}", cve in "[A-Z0-9-]{1,20}(:[a-z]{1,3})?",
        mode in "UPLOAD|AGENT|-",
    ) {
        let flaw = FindingKey::Flaw(issue);
        prop_assert_eq!(flaw.to_string().parse::<FindingKey>().unwrap(), flaw);
        let key = FindingKey::Component {
            component_id: component.as_str().into(), cve: cve.as_str().into(), scan_mode: mode.as_str().into(),
        };
        prop_assert_eq!(key.to_string().parse::<FindingKey>().unwrap(), key);
        let context = Context::Sandbox(component.as_str().into());
        prop_assert_eq!(context.to_string().parse::<Context>().unwrap(), context);
    }

    #[test]
    fn a_finding_is_no_different_from_itself(severity in 0..=5, line in any::<i32>()) {
        let mut record = flaw();
        record["finding_details"]["severity"] = json!(severity);
        record["finding_details"]["file_line_number"] = json!(line);
        let finding = decode(&record).unwrap();
        prop_assert!(finding.differences(&finding).is_empty());
        record["finding_details"]["file_line_number"] = json!(i64::from(line) + 1);
        let moved = finding.differences(&decode(&record).unwrap());
        prop_assert_eq!(moved.len(), 1);
        prop_assert_eq!(moved[0].field.as_str(), "location.line");
    }
}
