//! OCSF: the rules that its schema states, and that an event holds its finding.

use countersign_findings::{Application, Context, Finding, State, rfc3339};
use countersign_formats::Last;
use countersign_formats::cyclonedx::CycloneDx;
use countersign_formats::ocsf::applications::{Applications, Entry};
use countersign_formats::ocsf::{Ocsf, Shape};
use countersign_formats::sarif::{Options, Sarif};
use countersign_testkit::made_up;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::readers::Memory;
use crate::{Sample, head, samples, write};

pub(crate) fn events(samples: &[Sample], shape: Shape, with_raw: bool) -> Vec<Value> {
    let mut bytes = Vec::new();
    let export = Ocsf::new(&mut bytes, &head(with_raw), shape);
    assert_eq!(write(Box::new(export), samples), samples.len());
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn only_event(sample: Sample, shape: Shape) -> Value {
    events(&[sample], shape, false).remove(0)
}

/// Calls `each` with the path of every leaf. Nulls are none, nor is what is empty.
pub(crate) fn leaves(value: &Value, path: &str, each: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (name, value) in members {
                leaves(value, &format!("{path}/{name}"), each);
            }
        }
        Value::Array(values) => {
            let values = values.iter().filter(|value| !value.is_null());
            for (at, value) in values.enumerate() {
                leaves(value, &format!("{path}/{at}"), each);
            }
        }
        leaf => each(path, leaf),
    }
}

/// Where a leaf of the record may be, besides the same path under `unmapped`.
pub(crate) const HOMES: &[(&str, &[&str])] = &[
    ("/scan_type", &["/finding_info/types/0"]),
    ("/finding_status/status", &["/status_code"]),
    ("/finding_status/resolution", &["/status_detail"]),
    ("/finding_status/first_found_date", &["/finding_info/first_seen_time"]),
    ("/finding_status/last_seen_date", &["/finding_info/last_seen_time"]),
    (
        "/finding_details/cwe/id",
        &[
            "{v}/cwe/uid",
            "{v}/cve/related_cwes/0/uid",
            "{v}/cve/cwe/uid",
            "{v}/advisory/related_cwes/0/uid",
        ],
    ),
    (
        "/finding_details/cwe/name",
        &[
            "{v}/cwe/caption",
            "{v}/cve/related_cwes/0/caption",
            "{v}/cve/cwe/caption",
            "{v}/advisory/related_cwes/0/caption",
        ],
    ),
    ("/finding_details/finding_category/name", &["/finding_info/analytic/name"]),
    ("/finding_details/file_path", &["{v}/affected_code/0/file/path"]),
    ("/finding_details/file_name", &["{v}/affected_code/0/file/name"]),
    ("/finding_details/file_line_number", &["{v}/affected_code/0/start_line"]),
    ("/finding_details/module", &["/resources/0/name", "/resources/1/name"]),
    ("/finding_details/url", &["/resources/0/uid", "/resources/1/uid"]),
    ("/finding_details/path", &["/resources/0/name", "/resources/1/name"]),
    ("/finding_details/hostname", &["/resources/0/hostname", "/resources/1/hostname"]),
    ("/finding_details/remediation_desc", &["/remediation/desc", "{v}/remediation/desc"]),
    ("/finding_details/component_id", &["{v}/affected_packages/0/uid"]),
    ("/finding_details/component_filename", &["{v}/affected_packages/0/name"]),
    ("/finding_details/version", &["{v}/affected_packages/0/version"]),
    ("/finding_details/component_path/0/path", &["{v}/affected_packages/0/path"]),
    ("/finding_details/cve/name", &["{v}/cve/uid", "{v}/advisory/uid"]),
    ("/finding_details/cve/href", &["{v}/references/0"]),
    ("/finding_details/cve/cvss", &["{v}/cve/cvss/0/base_score"]),
    ("/finding_details/cve/vector", &["{v}/cve/cvss/0/vector_string"]),
    (
        "/finding_details/cve/cvss3/score",
        &["{v}/cve/cvss/0/base_score", "{v}/cve/cvss/1/base_score"],
    ),
    (
        "/finding_details/cve/cvss3/vector",
        &["{v}/cve/cvss/0/vector_string", "{v}/cve/cvss/1/vector_string"],
    ),
    ("/finding_details/cve/exploitability/epss_score", &["{v}/cve/epss/score"]),
    ("/finding_details/cve/exploitability/epss_percentile", &["{v}/cve/epss/percentile"]),
    ("/finding_details/cve/exploitability/epss_score_date", &["{v}/cve/epss/created_time"]),
    ("/finding_details/cve/exploitability/epss_model_version", &["{v}/cve/epss/version"]),
    ("/finding_details/cve/exploitability/exploit_observed", &["{v}/is_exploit_available"]),
    ("/source/product/name", &["/metadata/product/name"]),
    ("/source/product/vendor_name", &["/metadata/product/vendor_name"]),
    ("/source/product/version", &["/metadata/product/version"]),
];

/// The leaves of the record that are nowhere in the event. Only two may be there in
/// other words: a description as its readable text, and whether the policy is violated.
pub(crate) fn lost(sample: &Sample, event: &Value) -> Vec<String> {
    let mut lost = Vec::new();
    leaves(&serde_json::from_str(&sample.raw).unwrap(), "", &mut |path, leaf| {
        let homes =
            HOMES.iter().find(|(known, _)| *known == path).map_or(&[][..], |(_, homes)| homes);
        let homes = homes.iter().map(|home| home.replace("{v}", "/vulnerabilities/0"));
        let is_kept = event.pointer(&format!("/unmapped{path}")) == Some(leaf)
            || homes.into_iter().any(|home| event.pointer(&home).is_some_and(|at| means(at, leaf)))
            || match path {
                "/description" => {
                    event["finding_info"]["desc"] == sample.finding.description.as_str()
                }
                "/violates_policy" => {
                    event["compliance"]["status_id"] == if leaf == &json!(true) { 3 } else { 1 }
                }
                _ => false,
            };
        if !is_kept {
            lost.push(format!("{path} {leaf}"));
        }
    });
    lost
}

/// The same value, a number perhaps as text and a time perhaps as a number.
fn means(written: &Value, leaf: &Value) -> bool {
    match (written, leaf) {
        (Value::String(text), Value::Number(number)) => {
            let digits = text.strip_prefix("CWE-").unwrap_or(text);
            digits.parse::<f64>().ok() == number.as_f64()
        }
        (Value::Number(ms), Value::String(text)) => {
            let time = rfc3339(ms.as_i64().unwrap_or_default());
            &time == text || time.get(..10) == Some(text)
        }
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        _ => written == leaf,
    }
}

fn count(event: &Value, names: &[&str]) -> usize {
    names.iter().filter(|name| event.get(**name).is_some()).count()
}

const SEVERITIES: [(i64, &str); 6] =
    [(1, "Informational"), (2, "Low"), (2, "Low"), (3, "Medium"), (4, "High"), (5, "Critical")];

fn assert_rules(sample: &Sample, event: &Value, shape: Shape) -> Result<(), TestCaseError> {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let class = event["class_uid"].as_u64().unwrap();
    prop_assert_eq!(class, u64::from(shape.class()));
    prop_assert_eq!(
        event["type_uid"].as_u64(),
        Some(class * 100 + event["activity_id"].as_u64().unwrap())
    );
    prop_assert_eq!(
        text("/type_name"),
        format!("{}: {}", text("/class_name"), text("/activity_name"))
    );
    prop_assert_eq!(text("/metadata/version"), shape.version());
    let (severity_id, severity) = SEVERITIES[usize::from(sample.finding.severity.level())];
    prop_assert_eq!(
        (event["severity_id"].as_i64(), text("/severity")),
        (Some(severity_id), severity)
    );
    let status = (event["status_id"].as_i64().unwrap(), text("/status"));
    let known = [(1, "New"), (2, "In Progress"), (3, "Suppressed"), (4, "Resolved")];
    let gone = if shape == Shape::Vulnerability13 { (99, "Gone") } else { (6, "Deleted") };
    let is_right = if sample.gone { status == gone } else { known.contains(&status) };
    prop_assert!(is_right, "{status:?}");
    let activity = (event["activity_id"].as_i64().unwrap(), text("/activity_name"));
    prop_assert!([(1, "Create"), (2, "Update"), (3, "Close")].contains(&activity));
    if sample.finding.state == State::Open && !sample.gone {
        prop_assert!(activity.0 != 3 && status.0 <= 2);
    }

    let vulnerabilities = event["vulnerabilities"].as_array().unwrap();
    prop_assert_eq!(vulnerabilities.len(), 1);
    let vulnerability = &vulnerabilities[0];
    prop_assert_eq!(count(vulnerability, &["advisory", "cve", "cwe"]), 1, "{}", vulnerability);
    let only_later = ["advisory", "category"];
    if shape == Shape::Vulnerability13 {
        prop_assert_eq!(count(vulnerability, &only_later), 0);
        prop_assert_eq!(count(event, &["raw_data_size", "raw_data_hash", "application"]), 0);
    }
    prop_assert_eq!(count(event, &["application"]), usize::from(class == 2007));
    prop_assert!(!text("/finding_info/uid").is_empty() && !text("/finding_info/title").is_empty());
    prop_assert_eq!(text("/finding_info/uid"), sample.finding.id.as_str());
    for code in vulnerability["affected_code"].as_array().into_iter().flatten() {
        prop_assert!(!code["file"]["name"].as_str().unwrap().is_empty());
        prop_assert!(code.get("start_line").is_none_or(|line| line.as_i64() >= Some(1)));
    }
    for package in vulnerability["affected_packages"].as_array().into_iter().flatten() {
        prop_assert!(package["name"].is_string() && package["version"].is_string());
    }
    for resource in event["resources"].as_array().into_iter().flatten() {
        prop_assert!(count(resource, &["uid", "name"]) > 0, "{}", resource);
    }
    prop_assert!(!event.to_string().contains(":null"), "{}", event);
    Ok(())
}

/// What no version of ours knows, and what only options of the service bring.
fn with_extras(sample: Sample, extras: &Value) -> Sample {
    let mut record: Value = serde_json::from_str(&sample.raw).unwrap();
    for (pointer, value) in extras.as_object().unwrap() {
        let (object, name) = pointer.rsplit_once('/').unwrap();
        if let Some(object) = record.pointer_mut(object).and_then(Value::as_object_mut) {
            object.insert(name.to_owned(), value.clone());
        }
    }
    let raw = record.to_string();
    let finding = Finding::decode(&raw, &sample.application.guid, &Context::Policy).unwrap();
    Sample { finding, raw, ..sample }
}

fn extras() -> impl Strategy<Value = Value> {
    let novel = json!({"a": [1, null, {"b": "x\ny", "c": null}], "": -0.5, "wide": "日本"});
    select(vec![
        json!({}),
        json!({"/novel": novel, "/finding_details/novel": novel, "/count": 3}),
        json!({"/finding_details/cwe/novel": novel, "/finding_details/cve/novel": [[]]}),
        json!({
            "/annotations": [{"action": "FP", "comment": "null and void", "user_name": "Jo"}],
            "/grace_period_expires_date": "2026-09-01T00:00:00.000Z",
            "/finding_details/component_path": [{"path": "a.jar"}, {"path": "b/a.jar", "x": 1}],
            "/finding_details/cve/exploitability/epss_model_version": "v3",
            "/finding_details/licenses": [{"license_id": "mit"}, {"license_id": "isc"}],
        }),
        json!({
            "/finding_status/first_found_date": "2026-01-02 03:04:05 UTC",
            "/finding_status/last_seen_date": "2026-01-02T03:04:05.678+0000",
            "/violates_policy": "TRUE", "/finding_details/port": 8443,
            "/finding_details/file_line_number": "12", "/finding_details/hostname": "a b",
            "/finding_details/cve/cvss": 10,
        }),
        json!({"/finding_details/cwe": null, "/finding_details/cve": null}),
        json!({"/source": {"novel": 5, "ocsf": {"vulnerabilities": [{"title": "x", "a": null}]},
            "product": {"name": "Other", "vendor_name": " ", "version": "1", "novel": 5}}}),
    ])
}

proptest! {
    #[test]
    fn nothing_of_a_record_is_lost(samples in samples(), extras in extras()) {
        let samples: Vec<_> = samples.into_iter().map(|one| with_extras(one, &extras)).collect();
        for shape in Shape::ALL {
            for (sample, event) in samples.iter().zip(events(&samples, shape, false)) {
                prop_assert_eq!(lost(sample, &event), Vec::<String>::new(), "{}\n{}", sample.raw, event);
                if !sample.paths.is_empty() {
                    let paths = serde_json::to_value(&sample.paths).unwrap();
                    prop_assert_eq!(&event["unmapped"]["countersign"]["data_paths"], &paths);
                }
            }
        }
    }

    #[test]
    fn events_keep_the_rules_of_the_schema(samples in samples(), extras in extras()) {
        let samples: Vec<_> = samples.into_iter().map(|one| with_extras(one, &extras)).collect();
        for shape in Shape::ALL {
            for (sample, event) in samples.iter().zip(events(&samples, shape, false)) {
                assert_rules(sample, &event, shape)?;
            }
        }
    }

    #[test]
    fn the_same_state_is_the_same_event(samples in samples(), shape in select(&Shape::ALL[..])) {
        let once = events(&samples, shape, false);
        prop_assert_eq!(&once, &events(&samples, shape, false));
        for (at, event) in once.iter().enumerate() {
            let uid = &event["metadata"]["uid"];
            prop_assert!(once.iter().skip(at + 1).all(|other| &other["metadata"]["uid"] != uid));
        }
        let mut later = samples;
        later.iter_mut().for_each(|sample| sample.changed_ms += 1);
        for (before, after) in once.iter().zip(events(&later, shape, false)) {
            prop_assert_ne!(&before["metadata"]["uid"], &after["metadata"]["uid"]);
            prop_assert_eq!(&before["finding_info"]["uid"], &after["finding_info"]["uid"]);
        }
    }

    #[test]
    fn the_record_goes_along_when_asked_for(samples in samples(), shape in select(&Shape::ALL[..])) {
        for (sample, event) in samples.iter().zip(events(&samples, shape, true)) {
            prop_assert_eq!(event["raw_data"].as_str(), Some(sample.raw.as_str()));
            if shape != Shape::Vulnerability13 {
                prop_assert_eq!(event["raw_data_size"].as_u64(), Some(sample.raw.len() as u64));
                prop_assert_eq!(event["raw_data_hash"]["value"].as_str().map(str::len), Some(64));
            }
        }
    }

    #[test]
    fn an_application_is_an_event(application in made_up::application(), gone in any::<bool>()) {
        let application = Application::decode(&application.to_string()).unwrap();
        let entry = Entry {
            application: &application, integration: "test", gone, read_ms: Some(5),
            open: [0, 1, 2, 3, 4, 5], findings: 99,
        };
        let mut bytes = Vec::new();
        let mut export = Applications::new(&mut bytes);
        export.application(&entry).unwrap();
        export.end().unwrap();
        let event: Value = serde_json::from_slice(&bytes).unwrap();
        let resource = &event["resources"][0];
        prop_assert_eq!(resource["uid"].as_str(), Some(made_up::APPLICATION));
        prop_assert_eq!(&resource["data"]["open_by_severity"][5], &json!(5));
        prop_assert_eq!(event["type_uid"].as_u64(), Some(502_302));
        prop_assert_eq!(&event["unmapped"]["gone"], &json!(gone));
        prop_assert!(!event.to_string().contains(":null"));
    }
}

fn flaw(details: Value) -> Sample {
    let application = json!({"guid": made_up::APPLICATION, "profile": {"name": "Shop"}});
    let record = json!({
        "issue_id": 7, "scan_type": "STATIC", "finding_status": {"status": "OPEN",
            "first_found_date": "2026-01-02 03:04:05 UTC"},
        "finding_details": details,
    });
    Sample::of(&application, &record)
}

#[test]
fn a_flaw_without_a_weakness_says_so() {
    for shape in Shape::ALL {
        let event = only_event(flaw(json!({"severity": 3})), shape);
        assert_eq!(event["vulnerabilities"][0]["cwe"], json!({"uid": "NVD-CWE-noinfo"}));
    }
}

#[test]
fn a_change_has_our_time_and_a_first_sighting_the_services() {
    let event = only_event(flaw(json!({"severity": 3})), Shape::Posture);
    assert_eq!(event["time"], 1_767_323_045_000_i64);
    assert_eq!(event["metadata"]["original_time"], "2026-01-02 03:04:05 UTC");
    let changed = Sample { last: Last::Changed, ..flaw(json!({"severity": 3})) };
    let event = only_event(changed, Shape::Posture);
    assert_eq!(
        (&event["time"], &event["status"]),
        (&json!(1_780_272_000_000_i64), &json!("In Progress"))
    );
    assert!(event["metadata"].get("original_time").is_none());
}

#[test]
fn a_package_has_the_same_url_in_every_format() {
    for (language, name, expected) in [
        ("DOTNET", "Newtonsoft.Json", json!("pkg:nuget/Newtonsoft.Json@1.0")),
        ("JAVA", "org.json:json", json!("pkg:maven/org.json/json@1.0")),
        ("JAVA", "json.jar", Value::Null),
    ] {
        let record = json!({"scan_type": "SCA", "finding_status": {"status": "OPEN"},
            "finding_details": {"severity": 4, "component_id": "c", "language": language,
                "component_filename": name, "version": "1.0"}});
        let sample = Sample::of(&json!({"guid": made_up::APPLICATION}), &record);
        for shape in Shape::ALL {
            let event = only_event(sample.clone(), shape);
            let package = &event["vulnerabilities"][0]["affected_packages"][0];
            assert_eq!((&package["name"], &package["purl"]), (&json!(name), &expected));
            assert_eq!(package.get("purl").is_none(), expected.is_null());
        }
        let mut bytes = Vec::new();
        write(
            Box::new(CycloneDx::new(&mut bytes, &head(false)).unwrap()),
            std::slice::from_ref(&sample),
        );
        let bom: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(bom["components"][0]["purl"], expected);
        let memory = Memory::default();
        let sarif = Sarif::new(memory.clone(), &head(false), Options::default());
        write(Box::new(sarif), &[sample]);
        let result = &memory.json()[0]["runs"][0]["results"][0];
        assert_eq!(result["properties"]["component"]["purl"], expected);
    }
}

#[test]
fn a_record_with_line_breaks_is_one_line() {
    let mut sample = flaw(json!({"severity": 3, "novel": {"a": [1, 2], "b": null}}));
    let record: Value = serde_json::from_str(&sample.raw).unwrap();
    sample.raw = serde_json::to_string_pretty(&record).unwrap();
    let event = only_event(sample.clone(), Shape::Posture);
    assert_eq!(event["unmapped"]["finding_details"]["novel"], json!({"a": [1, 2]}));
    assert_eq!(lost(&sample, &event), Vec::<String>::new());
}

/// What has a home is there, and nothing of it is kept twice.
#[test]
fn what_is_mapped_is_not_in_unmapped() {
    let application = json!({"guid": made_up::APPLICATION, "profile": {"name": "Shop",
        "business_unit": {"name": "Retail"}, "teams": [{"team_name": "Blue"}], "tags": "web",
        "policies": [{"name": "Strict", "policy_compliance_status": "DID_NOT_PASS"}]}});
    let record = |scan_type: &str, details: Value| {
        let mut record = json!({
            "scan_type": scan_type, "description": "words", "violates_policy": true,
            "finding_status": {"status": "OPEN", "resolution": "UNRESOLVED",
                "first_found_date": "2026-01-02T03:04:05.678Z", "last_seen_date": "2026-02-02T03:04:05.678Z"},
            "finding_details": details,
        });
        if scan_type != "SCA" {
            record["issue_id"] = 7.into();
        }
        Sample::of(&application, &record)
    };
    let cwe = json!({"id": 89, "name": "SQL Injection"});
    let category = json!({"id": 19, "name": "Injection"});

    let event = only_event(
        record(
            "STATIC",
            json!({"severity": 4, "cwe": cwe, "finding_category": category,
            "file_path": "src/a.rs", "file_name": "a.rs", "file_line_number": 12, "module": "app.jar"}),
        ),
        Shape::Posture,
    );
    let unmapped = json!({"issue_id": 7,
        "finding_details": {"severity": 4, "finding_category": {"id": 19}}});
    assert_eq!(event["unmapped"], unmapped);
    assert_eq!(
        event["vulnerabilities"],
        json!([{
            "cwe": {"uid": "89", "caption": "SQL Injection"}, "severity": "High",
            "vendor_name": "Veracode", "category": "Injection",
            "affected_code": [{"file": {"name": "a.rs", "path": "src/a.rs", "type_id": 1, "type": "Regular File"},
                "start_line": 12, "end_line": 12}],
        }])
    );
    assert_eq!(event["resources"], json!([{"name": "app.jar", "type": "module"}]));
    assert_eq!(event["compliance"], json!({"control": "Strict", "status_id": 3, "status": "Fail"}));
    assert_eq!(
        event["application"],
        json!({"uid": made_up::APPLICATION, "name": "Shop",
        "type": "application", "group": {"name": "Retail"}, "labels": ["web"],
        "tags": [{"name": "teams", "values": ["Blue"]}]})
    );
    assert_eq!(
        event["finding_info"]["analytic"],
        json!({"type_id": 1, "type": "Rule",
        "uid": "CWE-89", "name": "Injection"})
    );

    let event = only_event(
        record(
            "DYNAMIC",
            json!({"severity": 4, "url": "https://a.example.com/x", "path": "/x",
            "hostname": "a.example.com", "port": "443", "cwe": cwe}),
        ),
        Shape::Vulnerability,
    );
    assert_eq!(
        event["unmapped"],
        json!({"issue_id": 7, "violates_policy": true,
        "finding_details": {"severity": 4, "port": "443"}})
    );
    assert_eq!(
        event["resources"][1],
        json!({"uid": "https://a.example.com/x", "name": "/x",
        "type": "url", "hostname": "a.example.com"})
    );
    assert_eq!(event["resources"][0]["uid"], made_up::APPLICATION);
    let address = json!({"severity": 4, "url": "https://bücher.example/x",
        "hostname": "bücher.example", "cwe": cwe});
    let event = only_event(record("DYNAMIC", address), Shape::Vulnerability);
    assert_eq!(event["resources"][1]["hostname"], "xn--bcher-kva.example");
    assert_eq!(event["unmapped"]["finding_details"]["hostname"], "bücher.example");

    let component = json!({"severity": 5, "cwe": cwe, "component_id": "c-1", "version": "1.2",
        "component_filename": "lib.jar", "component_path": [{"path": "x/lib.jar"}],
        "cve": {"name": "CVE-2026-0001", "cvss": 10, "vector": "AV:N", "href": "http://example.com/c",
            "cvss3": {"score": 9.8, "vector": "CVSS:3.1/AV:N"},
            "exploitability": {"epss_score": 0.00001, "epss_percentile": 0.5, "epss_model_version": "v3",
                "epss_score_date": "2026-05-01", "exploit_observed": true}}});
    for shape in Shape::ALL {
        let event = only_event(record("SCA", component.clone()), shape);
        let details = &event["unmapped"]["finding_details"];
        let cve = &event["vulnerabilities"][0]["cve"];
        assert_eq!(
            cve["cvss"],
            json!([
                {"base_score": 10.0, "version": "2.0", "depth": "Base", "vector_string": "AV:N"},
                {"base_score": 9.8, "version": "3.1", "depth": "Base", "vector_string": "CVSS:3.1/AV:N"},
            ])
        );
        let mut epss = json!({"score": "0.00001", "percentile": 0.5, "version": "v3",
            "created_time": 1_777_593_600_000_i64});
        if shape == Shape::Posture18 {
            epss["created_time_dt"] = "2026-05-01T00:00:00.000Z".into();
        }
        assert_eq!(cve["epss"], epss);
        assert_eq!(event["vulnerabilities"][0]["is_exploit_available"], true);
        assert_eq!(event["vulnerabilities"][0]["references"], json!(["http://example.com/c"]));
        let uid = if shape == Shape::Posture18 { "CWE-89" } else { "89" };
        let weakness = json!({"uid": uid, "caption": "SQL Injection"});
        if shape == Shape::Vulnerability13 {
            assert_eq!(cve["cwe"], weakness);
            assert_eq!(details, &json!({"severity": 5, "component_id": "c-1"}));
        } else {
            assert_eq!(cve["related_cwes"], json!([weakness]));
            assert_eq!(details, &json!({"severity": 5}));
        }
    }
    let mut vendors = component;
    vendors["cve"] = json!({"name": "SRCCLR-SID-1"});
    for (shape, known) in [(Shape::Posture, "advisory"), (Shape::Vulnerability13, "cwe")] {
        let event = only_event(record("SCA", vendors.clone()), shape);
        assert!(event["vulnerabilities"][0].get(known).is_some(), "{event}");
        let is_kept = event["unmapped"]["finding_details"]["cve"]["name"] == "SRCCLR-SID-1";
        assert_eq!(is_kept, shape == Shape::Vulnerability13);
    }
}
