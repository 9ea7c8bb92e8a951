//! OCSF 1.8.0 as the connector API answers it: the types that its readers ask for, and that
//! an event holds what it was made of.

use std::collections::BTreeSet;

use countersign_findings::{Application, Context, Finding, parse_time};
use countersign_formats::Last;
use countersign_formats::ocsf::Shape;
use countersign_formats::ocsf::api::{Entry, Scan, Scans, application, finding, scan};
use countersign_formats::ocsf::applications;
use countersign_testkit::made_up;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::{collection, option};
use serde_json::{Value, json};

use crate::ocsf::{events, leaves};
use crate::{Sample, samples};

type Outcome = Result<(), TestCaseError>;
/// A member, by its pointer, and what it is.
type Member = (&'static str, fn(&Value) -> bool);

/// What is appended to a buffer that holds something: one object on one line.
fn appended(append: impl Fn(&mut Vec<u8>)) -> String {
    let mut out = b"[".to_vec();
    append(&mut out);
    let mut again = Vec::new();
    append(&mut again);
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.strip_prefix('['), std::str::from_utf8(&again).ok(), "the same each time");
    assert!(!text.contains('\n'), "{text}");
    text[1..].to_owned()
}

fn read(text: &str) -> Value {
    let event: Value = serde_json::from_str(text).unwrap();
    assert!(event.is_object());
    event
}

pub(crate) fn of_finding(sample: &Sample, with_raw: bool) -> String {
    appended(|out| finding(out, &sample.item(), with_raw).unwrap())
}

pub(crate) fn of_application(entry: &Entry<'_>, with_raw: bool) -> String {
    appended(|out| application(out, entry, with_raw).unwrap())
}

pub(crate) fn of_scan(one: &Scan<'_>, with_raw: bool) -> String {
    appended(|out| scan(out, one, with_raw).unwrap())
}

/// Members that the classes require, by what they are.
const REQUIRED: [Member; 9] = [
    ("/activity_id", Value::is_u64),
    ("/category_uid", Value::is_u64),
    ("/class_uid", Value::is_u64),
    ("/type_uid", Value::is_u64),
    ("/severity_id", Value::is_u64),
    ("/time", Value::is_i64),
    ("/metadata/version", Value::is_string),
    ("/metadata/product/name", Value::is_string),
    ("/class_name", Value::is_string),
];

fn assert_rules(event: &Value, class_uid: u64, own: Member) -> Outcome {
    for (pointer, is) in REQUIRED.into_iter().chain([own]) {
        let is_right = event.pointer(pointer).is_some_and(is);
        prop_assert!(is_right, "{pointer} of {event}");
    }
    let number = |name: &str| event[name].as_u64().unwrap();
    prop_assert_eq!(number("class_uid"), class_uid);
    prop_assert_eq!(number("type_uid"), class_uid * 100 + number("activity_id"));
    prop_assert_eq!(&event["metadata"]["version"], "1.8.0");
    for observable in event["observables"].as_array().into_iter().flatten() {
        let name = observable["name"].as_str().unwrap();
        let pointer = format!("/{}", name.replace(['.', '['], "/").replace(']', ""));
        prop_assert!(observable["type_id"].is_u64() && observable["value"].is_string());
        prop_assert_eq!(event.pointer(&pointer), Some(&observable["value"]), "{}", name);
    }
    assert_values(event, "", false)
}

/// Of every value, the types that a name promises. In what is free, the record's own, there
/// are no nulls either.
fn assert_values(value: &Value, name: &str, is_free: bool) -> Outcome {
    let is_free = is_free || ["unmapped", "data"].contains(&name);
    match value {
        Value::Array(values) => {
            prop_assert!(is_free || !values.is_empty(), "{name} is empty");
            for value in values {
                assert_values(value, name, is_free)?;
            }
        }
        Value::Object(members) => {
            prop_assert!(is_free || !members.is_empty(), "{name} is empty");
            for (name, value) in members {
                if !is_free {
                    assert_member(members, name, value)?;
                }
                assert_values(value, name, is_free)?;
            }
        }
        Value::String(text) => prop_assert!(is_free || !text.trim().is_empty(), "{name} is empty"),
        Value::Number(number) => {
            let may_have_a_fraction = ["base_score", "percentile"].contains(&name);
            prop_assert!(is_free || may_have_a_fraction || !number.is_f64(), "{name} {number}");
        }
        Value::Null => prop_assert!(false, "{name} is null"),
        Value::Bool(_) => {}
    }
    Ok(())
}

fn assert_member(members: &serde_json::Map<String, Value>, name: &str, value: &Value) -> Outcome {
    if let Some(time) = name.strip_suffix("_dt") {
        let text = value.as_str().unwrap_or_default();
        prop_assert!(text.ends_with('Z'), "{name} {value}");
        prop_assert_eq!(parse_time(text), members[time].as_i64(), "{}", name);
    } else if name == "original_time" {
        prop_assert!(value.is_string());
    } else if name == "time" || name.ends_with("_time") {
        prop_assert!(value.is_i64(), "{name} {value}");
        prop_assert!(members.contains_key(&format!("{name}_dt")), "{name}");
    } else if name.ends_with("_id") || name.ends_with("_uid") && value.is_number() {
        prop_assert!(value.is_u64(), "{name} {value}");
    }
    for weakness in match name {
        "cwe" => std::slice::from_ref(value),
        "related_cwes" => value.as_array().map_or(&[][..], Vec::as_slice),
        _ => &[],
    } {
        let uid = weakness["uid"].as_str().unwrap_or_default();
        let number = uid.strip_prefix("CWE-").unwrap_or_default();
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        prop_assert!(is_number || uid == "NVD-CWE-noinfo", "{weakness}");
    }
    match name {
        "raw_data" | "uid" | "score" | "status_code" | "status_detail" | "criticality" => {
            prop_assert!(value.is_string(), "{name} {value}");
        }
        "tags" => {
            let tags = value.as_array().unwrap();
            prop_assert!(tags.iter().all(|tag| tag["name"].is_string()), "{value}");
        }
        "unmapped" => prop_assert!(value.is_object()),
        _ => {}
    }
    Ok(())
}

fn is_id(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    text.len() == 20 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The record of an application with what is not in every record.
pub(crate) fn listed() -> impl Strategy<Value = Value> {
    let kinds = subsequence(&["STATIC", "DYNAMIC", "MANUAL", "SCA", "NOVEL"][..], 0..=4);
    let status = select(&["PUBLISHED", "IN_QUEUE", "ANALYSIS_ERRORS", "NOVEL", " "][..]);
    let date = select(&["2026-05-01T03:04:05.000Z", "2026-05-01 03:04:05 UTC", "tomorrow"][..]);
    let address = select(&["StaticOverview:1:2:3:4:5", "Overview:1:2:2", "novel:a:b:c", ""][..]);
    let facts = (option::of(status), option::of(date), option::of(address));
    let facts = collection::vec(facts, 5);
    let words = (option::of("[a-z ]{0,9}"), option::of("[a-z ]{0,9}"), any::<bool>());
    (made_up::application(), kinds, facts, words).prop_map(|(mut record, kinds, facts, words)| {
        let scans = kinds.into_iter().zip(facts).map(|(kind, (status, date, address))| {
            let mut scan = json!({"scan_type": kind, "status": status, "modified_date": date,
                "internal_status": "resultsready", "links": [], "full_type": null});
            scan.as_object_mut()
                .unwrap()
                .extend(address.map(|url| ("scan_url".into(), url.into())));
            scan
        });
        record["scans"] = scans.collect();
        let (description, owner, is_bare) = words;
        if !is_bare {
            let profile = &mut record["profile"];
            profile["description"] = description.into();
            profile["business_owners"] = json!([{"name": owner, "email": "a@example.com"}, {}]);
            profile["custom_fields"] = json!([{"name": "tier", "value": owner}, {"name": " "}, 5]);
            profile["settings"] = json!({"sca_enabled": true, "novel": [null, {"a": null}]});
            record["last_policy_compliance_check_date"] = "2026-05-03T00:00:00.000Z".into();
        }
        record
    })
}

pub(crate) fn known<'a>(application: &'a Application, raw: &'a str) -> Entry<'a> {
    Entry {
        listed: applications::Entry {
            application,
            integration: "test",
            gone: false,
            read_ms: Some(1_780_272_000_000),
            open: [0, 1, 2, 3, 4, 5],
            findings: 99,
        },
        first_read_ms: Some(1_770_000_000_000),
        incomplete: None,
        in_sandboxes: 7,
        raw,
    }
}

/// Leaves of `record` that are in `event` neither under `unmapped` nor at one of `homes`.
pub(crate) fn lost(record: &Value, event: &Value, homes: &[(&str, &str)]) -> Vec<String> {
    let mut lost = Vec::new();
    leaves(record, "", &mut |path, leaf| {
        let home = homes.iter().find(|(known, _)| *known == path);
        let is_there = home.and_then(|(_, home)| event.pointer(home)).is_some_and(|at| {
            at == leaf || at.is_i64() && at.as_i64() == leaf.as_str().and_then(parse_time)
        });
        if !is_there && event.pointer(&format!("/unmapped{path}")) != Some(leaf) {
            lost.push(format!("{path} {leaf}"));
        }
    });
    lost
}

pub(crate) const APPLICATION_HOMES: [(&str, &str); 8] = [
    ("/guid", "/uid"),
    ("/created", "/application/created_time"),
    ("/modified", "/application/modified_time"),
    ("/last_completed_scan_date", "/data/last_scan_time"),
    ("/last_policy_compliance_check_date", "/data/policy_checked_time"),
    ("/profile/name", "/name"),
    ("/profile/description", "/desc"),
    ("/profile/business_criticality", "/criticality"),
];

pub(crate) const SCAN_HOMES: [(&str, &str); 4] = [
    ("/scan_type", "/scan/type"),
    ("/status", "/status_code"),
    ("/internal_status", "/status_detail"),
    ("/modified_date", "/time"),
];

/// As findings of one application in its contexts and builds.
pub(crate) fn spread(samples: &[Sample], builds: &[Option<i64>]) -> Vec<Sample> {
    let spread = samples.iter().zip(builds).enumerate().map(|(at, (sample, build))| {
        let mut record: Value = serde_json::from_str(&sample.raw).unwrap();
        record.as_object_mut().unwrap().remove("build_id");
        if let Some(build) = build {
            record["build_id"] = (*build).into();
        }
        if at == 7 {
            record["source"] = json!({"product": {"name": "Other Scanner"}});
        }
        let raw = record.to_string();
        let context = if at % 3 == 0 { Context::sandbox("5ab").unwrap() } else { Context::Policy };
        let finding = Finding::decode(&raw, &sample.application.guid, &context).unwrap();
        Sample { finding, raw, ..sample.clone() }
    });
    spread.collect()
}

pub(crate) fn scans_of<'a>(
    entry: &Entry<'a>,
    findings: &[Sample],
    is_complete: bool,
) -> Vec<Scan<'a>> {
    let mut scans = Scans::of(entry.listed, entry.raw);
    findings.iter().for_each(|sample| scans.finding(&sample.item()));
    scans.finish(is_complete)
}

proptest! {
    #[test]
    fn a_finding_has_the_types_that_readers_ask_for(samples in samples()) {
        for (sample, exported) in samples.iter().zip(events(&samples, Shape::Posture18, false)) {
            let event = read(&of_finding(sample, false));
            assert_rules(&event, 2007, ("/finding_info/uid", is_id))?;
            prop_assert_eq!(&event["finding_info"]["uid"], sample.finding.id.as_str());
            prop_assert_eq!(&event["application"]["uid"], sample.application.guid.as_str());
            let vulnerability = &event["vulnerabilities"][0];
            prop_assert!(vulnerability.get("is_fix_available").is_none(), "nobody says it");
            prop_assert!(event.get("raw_data").is_none());
            prop_assert_eq!(&event, &exported);
            let with_raw = read(&of_finding(sample, true));
            prop_assert_eq!(with_raw["raw_data"].as_str(), Some(sample.raw.as_str()));
        }
    }

    #[test]
    fn an_application_has_the_types_that_readers_ask_for(
        record in listed(),
        (gone, reads, is_read) in (any::<bool>(), option::of("[a-z]{1,9}"), any::<bool>()),
    ) {
        let raw = record.to_string();
        let decoded = Application::decode(&raw).unwrap();
        let mut entry = Entry { incomplete: reads.as_deref(), ..known(&decoded, &raw) };
        entry.listed.gone = gone;
        if !is_read {
            (entry.listed.read_ms, entry.first_read_ms) = (None, None);
        }
        let event = read(&of_application(&entry, false));
        assert_rules(&event, 98_905_001, ("/application", Value::is_object))?;
        prop_assert_eq!(lost(&record, &event, &APPLICATION_HOMES), Vec::<String>::new(), "{}", event);
        for name in ["uid", "uid_alt", "name", "desc", "criticality", "owner", "group", "tags", "type"] {
            prop_assert_eq!(event.get(name), event["application"].get(name), "{}", name);
        }
        prop_assert_eq!(&event["id"], made_up::APPLICATION);
        let status = match (reads.is_some(), is_read) { (true, _) => 2, (_, true) => 1, _ => 0 };
        prop_assert_eq!(&event["status_id"], status);
        prop_assert_eq!(event["status_detail"].as_str(), reads.as_deref());
        prop_assert_eq!(&event["unmapped"]["countersign"]["gone"], gone);
        prop_assert_eq!(&event["data"]["open_by_severity"], &json!([0, 1, 2, 3, 4, 5]));
        prop_assert!(event.get("raw_data").is_none());
        let with_raw = read(&of_application(&entry, true));
        prop_assert_eq!(with_raw["raw_data"].as_str(), Some(raw.as_str()));
        entry.in_sandboxes += 1;
        let later = read(&of_application(&entry, false));
        prop_assert_ne!(&later["metadata"]["uid"], &event["metadata"]["uid"]);
    }

    #[test]
    fn a_scan_has_the_types_that_readers_ask_for(
        (record, samples) in (listed(), samples()),
        builds in collection::vec(option::weighted(0.8, 1..4_i64), 8),
    ) {
        let raw = record.to_string();
        let decoded = Application::decode(&raw).unwrap();
        let entry = known(&decoded, &raw);
        let findings = spread(&samples, &builds);
        let scans = scans_of(&entry, &findings, true);
        let events: Vec<_> = scans.iter().map(|one| read(&of_scan(one, false))).collect();
        let mut uids = BTreeSet::new();
        for (event, one) in events.iter().zip(&scans) {
            assert_rules(event, 6007, ("/scan/type_id", Value::is_u64))?;
            prop_assert!(event["scan"]["uid"] == one.uid(), "{}", event);
            prop_assert!(is_id(&event["scan"]["uid"]) && uids.insert(one.uid()), "{}", event);
            prop_assert_eq!(event["scan"].get("type").is_some(), event["scan"]["type_id"] == 99);
            let of_build = findings.iter().filter(|sample| {
                let own = &event["unmapped"]["countersign"];
                sample.finding.build_id.is_some()
                    && sample.finding.build_id == own["build_id"].as_i64()
                    && sample.finding.context.to_string() == own["context"]
                    && sample.finding.scan_type.as_str() == event["scan"]["type"]
                    && sample.raw.contains("Other Scanner") == (event["metadata"]["product"]["name"] == "Other Scanner")
            });
            let of_build = of_build.count();
            if let Some(count) = event.get("num_detections") {
                prop_assert_eq!(count.as_u64(), Some(of_build as u64), "{}", event);
            }
        }
        // Every element of the record is one of them, and nothing of it is lost.
        let listed = record["scans"].as_array().unwrap();
        for element in listed {
            let raw = element.to_string();
            let its: Vec<_> = scans.iter().map(|one| read(&of_scan(one, true)))
                .filter(|event| event["raw_data"].as_str() == Some(&raw)).collect();
            prop_assert_eq!(its.len(), 1, "{}", raw);
            prop_assert_eq!(lost(element, &its[0], &SCAN_HOMES), Vec::<String>::new(), "{}", its[0]);
        }
        // Every finding that names a build is counted once.
        let counted: u64 = events.iter()
            .filter_map(|event| event["unmapped"]["countersign"]["findings_last_reported"].as_u64()).sum();
        let (all, named) = (findings.len() as u64, builds.iter().flatten().count() as u64);
        prop_assert!((named..=all).contains(&counted), "{counted}");
        let texts = |scans: &[Scan<'_>]| scans.iter().map(|one| of_scan(one, true)).collect::<Vec<_>>();
        let mut turned = findings.clone();
        turned.reverse();
        prop_assert_eq!(texts(&scans_of(&entry, &turned, true)), texts(&scans));
        for one in scans_of(&entry, &findings, false) {
            prop_assert!(read(&of_scan(&one, false)).get("num_detections").is_none());
        }
    }
}

pub(crate) fn scan_events(record: &Value, findings: &[Value]) -> Vec<Value> {
    let raw = record.to_string();
    let decoded = Application::decode(&raw).unwrap();
    let findings: Vec<_> = findings.iter().map(|finding| Sample::of(record, finding)).collect();
    let scans = scans_of(&known(&decoded, &raw), &findings, true);
    scans.iter().map(|one| read(&of_scan(one, false))).collect()
}

fn flaw(issue_id: i64, build_id: Option<i64>) -> Value {
    let mut record = json!({"issue_id": issue_id, "scan_type": "STATIC",
        "finding_status": {"status": "OPEN", "last_seen_date": "2026-05-01T03:04:05.678Z"},
        "finding_details": {"severity": 3}});
    record.as_object_mut().unwrap().extend(build_id.map(|build| ("build_id".into(), build.into())));
    record
}

pub(crate) fn static_scan(build: i64) -> Value {
    json!({"guid": made_up::APPLICATION, "profile": {"name": "Shop"}, "scans": [{
        "scan_type": "STATIC", "status": "PUBLISHED", "modified_date": "2026-05-01T03:04:05.000Z",
        "scan_url": format!("StaticOverview:1:2:{build}:4:5"), "internal_status": "resultsready"}]})
}

#[test]
fn detections_are_counted_of_the_newest_scan_alone() {
    let events =
        scan_events(&static_scan(9), &[flaw(1, Some(9)), flaw(2, Some(9)), flaw(3, Some(8))]);
    let counts: Vec<_> = events
        .iter()
        .map(|event| {
            let own = &event["unmapped"]["countersign"];
            (
                own["build_id"].as_i64(),
                event["num_detections"].as_u64(),
                own["findings_last_reported"].as_u64(),
            )
        })
        .collect();
    // Others of build 8 were reported again since: how many it had is not known.
    assert_eq!(counts, [(Some(8), None, Some(1)), (Some(9), Some(2), Some(2))]);
    // A finding that names no build may be one of its.
    let events = scan_events(&static_scan(9), &[flaw(1, Some(9)), flaw(2, None)]);
    assert_eq!(events.len(), 1);
    assert!(events[0].get("num_detections").is_none(), "{}", events[0]);
    // A build that is newer than the one that the record lists has its own.
    let events = scan_events(&static_scan(9), &[flaw(1, Some(10))]);
    assert!(events[0].get("num_detections").is_none(), "{}", events[0]);
    assert_eq!(events[1]["num_detections"], 1);
    let events = scan_events(&static_scan(9), &[]);
    assert_eq!(events[0]["num_detections"], 0);
}

/// A scan keeps its name when the record goes on to a newer one.
#[test]
fn a_scan_keeps_its_uid() {
    let before = scan_events(&static_scan(9), &[flaw(1, Some(9))]);
    let after = scan_events(&static_scan(11), &[flaw(1, Some(9))]);
    assert_eq!((before.len(), after.len()), (1, 2));
    assert_eq!(before[0]["scan"]["uid"], after[0]["scan"]["uid"]);
    assert_ne!(before[0]["scan"]["uid"], after[1]["scan"]["uid"]);
}

#[test]
fn nothing_is_said_of_a_scan_that_is_not_known() {
    let unscanned = json!({"guid": made_up::APPLICATION, "scans": null});
    assert_eq!(scan_events(&unscanned, &[]), Vec::<Value>::new());
    let dated = json!({"guid": made_up::APPLICATION, "last_completed_scan_date": "2026-05-01T03:04:05.000Z"});
    let events = scan_events(&dated, &[]);
    let members = ["activity_name", "status", "status_id", "num_detections", "status_code"];
    let said = members.map(|name| events[0].get(name));
    assert_eq!(said, [Some(&json!("Completed")), None, None, None, None]);
    assert_eq!((events.len(), &events[0]["time"]), (1, &json!(1_777_604_645_000_i64)));
    assert_eq!(events[0]["scan"]["type_id"], 0);
    // It is one of those that findings name.
    assert_eq!(scan_events(&dated, &[flaw(1, Some(9))]).len(), 1);
    // An element that names no type stays beside them.
    let untyped = json!({"guid": made_up::APPLICATION, "scans": [{"status": "PUBLISHED"}]});
    assert_eq!(scan_events(&untyped, &[flaw(1, Some(9))]).len(), 2);
    let odd = json!({"guid": made_up::APPLICATION, "scans": [5, {}, {"scan_type": "STATIC", "status": null}]});
    let events = scan_events(&odd, &[]);
    assert_eq!(events.len(), 2);
    for event in events {
        assert_eq!((&event["activity_id"], event.get("status_id")), (&json!(0), None), "{event}");
    }
}

#[test]
fn words_of_the_service_are_activities() {
    for (word, activity, caption, status) in [
        ("PUBLISHED", 2, "Completed", Some(1)),
        ("SCAN_IN_PROGRESS", 1, "Started", None),
        ("SCAN_CANCELED", 3, "Cancelled", None),
        ("ANALYSIS_ERRORS", 6, "Error", Some(2)),
        ("PAUSED_ID", 7, "Paused", None),
        ("IN_QUEUE", 99, "IN_QUEUE", None),
    ] {
        let mut record = static_scan(9);
        record["scans"][0]["status"] = word.into();
        let event = scan_events(&record, &[]).remove(0);
        assert_eq!(
            (&event["activity_id"], &event["activity_name"]),
            (&json!(activity), &json!(caption))
        );
        assert_eq!(event["status_id"].as_u64(), status, "{word}");
        assert_eq!(event["status_code"], word);
        assert_eq!(event.get("num_detections").is_some(), activity == 2, "{word}");
    }
}

#[test]
fn a_scan_is_said_in_full() {
    let mut events = scan_events(&static_scan(9), &[flaw(1, Some(9))]);
    for name in ["/metadata/uid", "/scan/uid"] {
        *events[0].pointer_mut(name).unwrap() = "UID".into();
    }
    assert_eq!(
        events,
        [json!({
            "activity_id": 2, "activity_name": "Completed", "category_uid": 6,
            "category_name": "Application Activity", "class_uid": 6007, "class_name": "Scan Activity",
            "type_uid": 600_702, "type_name": "Scan Activity: Completed",
            "time": 1_777_604_645_000_i64, "time_dt": "2026-05-01T03:04:05.000Z",
            "severity_id": 1, "severity": "Informational", "status_id": 1, "status": "Success",
            "status_code": "PUBLISHED", "status_detail": "resultsready", "message": "STATIC scan of Shop",
            "metadata": {"version": "1.8.0", "uid": "UID",
                "product": {"name": "Veracode", "vendor_name": "Veracode", "feature": {"name": "STATIC"}},
                "profiles": ["datetime"], "tenant_uid": "test", "log_name": "scans",
                "log_provider": "countersign", "logged_time": 1_780_272_000_000_i64,
                "logged_time_dt": "2026-06-01T00:00:00.000Z", "original_time": "2026-05-01T03:04:05.000Z"},
            "scan": {"uid": "UID", "type_id": 99, "type": "STATIC"}, "num_detections": 1,
            "unmapped": {"scan_url": "StaticOverview:1:2:9:4:5", "countersign": {
                "application": made_up::APPLICATION, "context": "policy", "build_id": 9,
                "findings_last_reported": 1}},
        })]
    );
}

/// What the exports lack.
#[test]
fn a_finding_has_more_than_in_the_exports() {
    let application = json!({"guid": made_up::APPLICATION, "profile": {"name": "Shop",
        "policies": [{"name": "Strict"}]}});
    let record = json!({"issue_id": 7, "scan_type": "DYNAMIC", "violates_policy": true,
        "finding_status": {"status": "OPEN", "first_found_date": "2026-01-02T03:04:05Z"},
        "finding_details": {"severity": 5, "cwe": {"id": 89, "name": "SQL Injection"},
            "url": "https://a.example.com/x", "path": "/x", "hostname": "a.example.com"}});
    let event = read(&of_finding(&Sample::of(&application, &record), false));
    assert_eq!(
        event["vulnerabilities"],
        json!([{"title": "SQL Injection",
        "cwe": {"uid": "CWE-89", "caption": "SQL Injection"}, "severity": "Very High",
        "vendor_name": "Veracode"}])
    );
    assert_eq!(
        event["compliance"],
        json!({"control": "Strict", "status_id": 3, "status": "Fail",
        "assessments": [{"name": "Strict", "meets_criteria": false}]})
    );
    assert_eq!(event["policy"], json!({"name": "Strict"}));
    assert_eq!(event["vendor_attributes"], json!({"severity_id": 5, "severity": "Critical"}));
    assert_eq!(event["time_dt"], "2026-01-02T03:04:05.000Z");
    assert_eq!(event["metadata"]["product"]["feature"], json!({"name": "DYNAMIC"}));
    let names: Vec<_> = event["observables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["name"].as_str().unwrap(), one["type_id"].as_i64().unwrap()))
        .collect();
    assert_eq!(
        names,
        [("application.uid", 10), ("resources[0].uid", 6), ("resources[0].hostname", 1)]
    );
}

/// A year that RFC 3339 has no text for leaves the number alone.
#[test]
fn a_time_without_a_text_is_a_number_alone() {
    let sample = Sample {
        changed_ms: i64::MAX,
        last: Last::Changed,
        ..Sample::of(&json!({"guid": made_up::APPLICATION}), &flaw(1, None))
    };
    let event = read(&of_finding(&sample, false));
    assert_eq!((event["time"].as_i64(), event.get("time_dt")), (Some(i64::MAX), None));
}
