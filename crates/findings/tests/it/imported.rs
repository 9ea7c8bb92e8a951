//! Findings of other scanners: what is refused, what becomes of the rest, and that nothing
//! is lost on the way.

use countersign_findings::imported::{Imported, MAX_BYTES, read};
use countersign_findings::{
    Application, Context, Difference, Finding, FindingKey, ScanType, State, Verdict, judge,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// The smallest finding that clients send.
fn smallest() -> Value {
    json!({
        "class_uid": 2007, "category_uid": 2, "activity_id": 1, "type_uid": 200701,
        "severity_id": 4, "time": 1_767_323_045_000_i64,
        "metadata": {"version": "1.8.0", "product": {}}, "finding_info": {"uid": "f-1"},
    })
}

fn of_code() -> Value {
    json!({
        "class_uid": 2007, "activity_id": 1, "severity_id": 5, "status_id": 1,
        "time": 1_767_323_045_000_i64,
        "metadata": {"version": "1.8.0", "product": {
            "name": "Example Scanner", "vendor_name": "Example", "version": "3.1"}},
        "application": {"uid": "app-7", "name": "shop", "labels": ["web", "pci"],
            "group": {"name": "Payments"}},
        "finding_info": {"uid": "f-1", "title": "SQL <b>injection</b>", "desc": "<p>As written.</p>",
            "src_url": "https://scanner.example.com/f-1",
            "first_seen_time": 1_767_000_000_000_i64, "last_seen_time": 1_767_300_000_000_i64},
        "remediation": {"desc": "Bind the value.", "references": ["javascript:alert(1)"]},
        "vulnerabilities": [{
            "cwe": {"uid": "CWE-89", "caption": "SQL Injection"},
            "affected_code": [{"file": {"name": "Cart.java", "path": "src/Cart.java", "type_id": 1},
                "start_line": 12}],
        }],
        "enrichments": [{"name": "owner", "value": "team-a", "data": {"n": 1}}],
    })
}

fn of_package() -> Value {
    json!({
        "class_uid": 2007, "severity_id": 99, "severity": "Moderate", "status_id": 2,
        "metadata": {"product": {"uid": "example-sca"}},
        "application": {"name": "shop"},
        "finding_info": {"uid": "f-1"},
        "vulnerabilities": [{
            "cve": {"uid": "cve-2026-0001", "related_cwes": [{"uid": "502"}],
                "cvss": [{"base_score": 9.8, "version": "3.1",
                    "vector_string": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
                "epss": {"score": "0.25", "percentile": 0.9}},
            "affected_packages": [{"name": "left-pad", "version": "1.0.0",
                "purl": "pkg:npm/left-pad@1.0.0", "license": "MIT"}],
        }],
    })
}

fn accepted(value: &Value) -> Imported {
    read(&value.to_string()).unwrap_or_else(|refusal| panic!("{refusal}: {value}"))
}

/// The value with another one at this pointer, below objects alone.
fn with(mut value: Value, pointer: &str, new: Value) -> Value {
    let parts: Vec<_> = pointer.split('/').skip(1).collect();
    let mut at = &mut value;
    for part in parts {
        at = match part.parse::<usize>() {
            Ok(index) => &mut at[index],
            Err(_) => &mut at[part],
        };
    }
    *at = new;
    value
}

#[test]
fn what_is_no_posture_finding_is_refused_where_it_is_wrong() {
    let long = |bytes| Value::from("x".repeat(bytes));
    for (pointer, new) in [
        ("/class_uid", json!(2002)),
        ("/class_uid", Value::Null),
        ("/class_uid", json!("2007")),
        ("/finding_info", Value::Null),
        ("/finding_info/uid", Value::Null),
        ("/finding_info/uid", json!(" ")),
        ("/finding_info/uid", json!(7)),
        ("/finding_info/uid", long(513)),
        ("/finding_info/title", long(4097)),
        ("/finding_info/types", json!("STATIC")),
        ("/finding_info/first_seen_time", json!(i64::MAX)),
        ("/finding_info/last_seen_time", json!("yesterday")),
        ("/severity_id", json!(7)),
        ("/severity_id", json!(-1)),
        ("/severity_id", json!(4.5)),
        ("/severity_id", Value::Null),
        ("/time", json!(-62_167_219_200_001_i64)),
        ("/metadata", json!([])),
        ("/metadata/product", json!("Example")),
        ("/application", json!("shop")),
        ("/application/labels/1", json!({})),
        ("/vulnerabilities", json!({})),
        ("/vulnerabilities/0", json!(1)),
        ("/vulnerabilities/0/cwe/uid", json!(89)),
        ("/vulnerabilities/0/affected_code/0/start_line", json!("12")),
        ("/vulnerabilities/0/affected_code/0/file/path", json!(["a"])),
        // Not read otherwise.
        ("/enrichments/0/value", long((256 << 10) + 1)),
    ] {
        let value = with(of_code(), pointer, new);
        let refusal = read(&value.to_string()).expect_err(pointer);
        assert_eq!(refusal.pointer, pointer, "{refusal}");
        assert!(!refusal.reason.is_empty() && refusal.reason.chars().count() <= 160, "{refusal}");
    }
    let score = "/vulnerabilities/0/cve/cvss/0/base_score";
    let refusal = read(&with(of_package(), score, json!(10.1)).to_string()).unwrap_err();
    assert_eq!(refusal.pointer, score);
    let dated = with(smallest(), "/time", Value::Null);
    let refusal = read(&with(dated, "/time_dt", json!("soon")).to_string()).unwrap_err();
    assert_eq!(refusal.pointer, "/time_dt");
    let odd = with(smallest(), "/a~b", json!({"c/d": "x".repeat((256 << 10) + 1)}));
    assert_eq!(read(&odd.to_string()).unwrap_err().pointer, "/a~0b/c~1d");
}

#[test]
fn what_is_no_object_or_has_no_end_is_refused_as_a_whole() {
    for text in ["", "{", "[]", "null", "\"f-1\"", "{\"class_uid\":2007}x"] {
        let refusal = read(text).unwrap_err();
        assert_eq!(refusal.pointer, "", "{text}: {refusal}");
    }
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let nested = |levels| {
        let text = smallest().to_string();
        format!("{},\"unmapped\":{}}}", &text[..text.len() - 1], deep(levels))
    };
    assert!(read(&nested(63)).is_ok());
    let refusal = read(&nested(64)).unwrap_err();
    assert!(refusal.pointer.starts_with("/unmapped/0/0") && refusal.reason.contains("64"));
    assert!(read(&nested(100_000)).is_err());
    let padded = format!("{}{}", smallest(), " ".repeat(MAX_BYTES));
    assert!(read(&padded).unwrap_err().reason.contains("larger"));
}

#[test]
fn the_smallest_finding_is_kept_under_its_scanner() {
    let Imported { application, finding, .. } = accepted(&smallest());
    let kept = Application::decode(&application.raw).unwrap();
    assert_eq!(
        (kept.name.as_str(), application.has_name),
        ("unknown scanner: no application", false)
    );
    assert_eq!(kept.guid, application.application.guid);
    assert_eq!(finding.key.to_string(), "imported::f-1");
    assert_eq!((finding.severity.level(), finding.state), (4, State::Open));
    assert_eq!(finding.last_seen_ms, Some(1_767_323_045_000));
    let notes: Vec<_> = finding.notes.iter().filter_map(|note| note.member.as_deref()).collect();
    assert_eq!(notes, ["source.ocsf.application"]);
}

#[test]
fn a_flaw_in_code_is_read_as_it_was_written() {
    let Imported { application, finding, .. } = accepted(&of_code());
    let kept = Application::decode(&application.raw).unwrap();
    assert_eq!((kept.name.as_str(), kept.business_unit.as_deref()), ("shop", Some("Payments")));
    assert_eq!(kept.tags, ["web", "pci"]);
    assert_eq!(finding.scan_type, ScanType::Static);
    assert_eq!(finding.severity.level(), 5);
    assert_eq!(finding.place(), "src/Cart.java:12");
    assert_eq!(finding.weakness(), "CWE-89 SQL Injection");
    assert_eq!(finding.title, "SQL <b>injection</b>");
    assert_eq!(finding.description, "<p>As written.</p>\n\nRemediation: Bind the value.");
    assert_eq!(finding.references, ["https://scanner.example.com/f-1"]);
    assert_eq!(finding.first_found_ms, Some(1_767_000_000_000));
    assert_eq!(finding.last_seen_ms, Some(1_767_300_000_000));
    assert_eq!(finding.notes, []);
    let product = &finding.source.unwrap().product;
    assert_eq!(product.name.as_deref(), Some("Example Scanner"));
    assert_eq!(product.vendor_name.as_deref(), Some("Example"));
    assert_eq!(product.version.as_deref(), Some("3.1"));
}

#[test]
fn a_vulnerable_package_has_its_name_its_cve_and_its_scores() {
    let Imported { finding, .. } = accepted(&of_package());
    assert_eq!((&finding.scan_type, finding.severity.level()), (&ScanType::Sca, 3));
    let component = finding.component.unwrap();
    assert_eq!(component.id, "pkg:npm/left-pad@1.0.0");
    assert_eq!(component.name.as_deref(), Some("left-pad"));
    assert_eq!(component.version.as_deref(), Some("1.0.0"));
    assert_eq!(component.licenses[0].id, "MIT");
    let known = finding.vulnerability.unwrap();
    assert_eq!((known.name.as_str(), known.cvss3), ("CVE-2026-0001", Some(9.8)));
    assert_eq!((known.epss_score, known.epss_percentile), (Some(0.25), Some(0.9)));
    assert_eq!(finding.cwe.unwrap().id, 502);
    assert_eq!(finding.title, "CVE-2026-0001 in left-pad 1.0.0");
    // Without a package there is still something to call it.
    let bare = with(of_package(), "/vulnerabilities/0/affected_packages", Value::Null);
    assert_eq!(accepted(&bare).finding.component.unwrap().id, "-");
}

#[test]
fn an_address_is_dynamic_and_a_word_decides() {
    let at = json!([{"uid": "https://shop.example.com/cart?id=1", "name": "/cart",
        "hostname": "shop.example.com", "type": "url"}]);
    let found = accepted(&with(smallest(), "/resources", at)).finding;
    assert_eq!(found.scan_type, ScanType::Dynamic);
    assert_eq!(found.place(), "https://shop.example.com/cart?id=1");
    assert_eq!(found.location.path.as_deref(), Some("/cart"));
    assert_eq!(found.location.host.as_deref(), Some("shop.example.com"));
    for (word, expected) in
        [("SAST", ScanType::Static), ("dast", ScanType::Dynamic), ("Manual", ScanType::Manual)]
    {
        let typed = with(of_code(), "/finding_info/types", json!(["Finding", word]));
        assert_eq!(accepted(&typed).finding.scan_type, expected, "{word}");
    }
}

#[test]
fn severities_are_those_of_exports_the_other_way_round() {
    let of = |id: i64| accepted(&with(smallest(), "/severity_id", json!(id))).finding;
    let levels: Vec<_> = (1..=6).map(|id| of(id).severity.level()).collect();
    assert_eq!(levels, [0, 2, 3, 4, 5, 5]);
    for id in [0, 99] {
        let finding = of(id);
        let noted = |note: &countersign_findings::Note| {
            note.member.as_deref() == Some("source.ocsf.severity_id")
        };
        assert_eq!(finding.severity.level(), 0);
        assert!(finding.notes.iter().any(noted), "{:?}", finding.notes);
    }
    let scored = with(of_package(), "/severity", Value::Null);
    assert_eq!(accepted(&scored).finding.severity.level(), 5);
}

#[test]
fn what_is_over_is_closed() {
    let of = |status: Value, activity: i64| {
        let value = with(smallest(), "/status_id", status);
        accepted(&with(value, "/activity_id", json!(activity))).finding.state
    };
    for (status, activity, expected) in [
        (json!(1), 1, State::Open),
        (json!(2), 3, State::Open),
        (json!(3), 1, State::Mitigated),
        (json!(4), 1, State::Fixed),
        (json!(5), 1, State::Fixed),
        (json!(6), 1, State::Fixed),
        (json!(99), 2, State::Open),
        (json!(0), 3, State::Fixed),
        (Value::Null, 3, State::Fixed),
        (Value::Null, 1, State::Open),
    ] {
        assert_eq!(of(status.clone(), activity), expected, "{status} {activity}");
    }
    let suppressed = with(smallest(), "/status_id", json!(3));
    let detailed = with(suppressed.clone(), "/status_detail", json!("POTENTIAL_FALSE_POSITIVE"));
    for value in [detailed, with(suppressed, "/verdict_id", json!(1))] {
        assert_eq!(accepted(&value).finding.state, State::FalsePositive);
    }
}

#[test]
fn what_is_not_shown_is_said() {
    let mut value = of_code();
    let first = value["vulnerabilities"][0].clone();
    value["vulnerabilities"] = json!([first.clone(), first]);
    value["vulnerabilities"][0]["cwe"]["uid"] = json!("none of them");
    let finding = accepted(&value).finding;
    let members: Vec<_> = finding.notes.iter().filter_map(|note| note.member.as_deref()).collect();
    assert_eq!(members, ["source.ocsf.vulnerabilities", "source.ocsf.vulnerabilities[0].cwe.uid"]);
}

#[test]
fn two_scanners_may_use_one_id() {
    let one = accepted(&of_code());
    let other = accepted(&with(of_code(), "/metadata/product/name", json!("Other Scanner")));
    assert_eq!(one.application.application.guid, other.application.application.guid);
    assert_ne!(one.finding.id, other.finding.id);
    // A version of the scanner is none of its own.
    let newer = accepted(&with(of_code(), "/metadata/product/version", json!("3.2")));
    assert_eq!(one.finding.id, newer.finding.id);
}

#[test]
fn a_guid_stays_and_any_other_id_becomes_one() {
    let of = |uid: &str| accepted(&with(of_code(), "/application/uid", json!(uid))).application;
    let guid = "0F8FAD5B-D9CB-469F-A165-70867728950E";
    assert_eq!(of(guid).application.guid.as_str(), guid.to_ascii_lowercase());
    assert_eq!(of("app-7").application.guid.as_str(), "d802ace8-a584-8449-a75f-9750bddf6f33");
    assert_ne!(of("app-8").application.guid, of("app-7").application.guid);
    let unnamed = with(of_code(), "/application/name", Value::Null);
    let application = accepted(&unnamed).application;
    assert!(!application.has_name);
    assert_eq!(Application::decode(&application.raw).unwrap().name, "app-7");
    let by_name = accepted(&with(of_code(), "/application/uid", Value::Null)).application;
    assert_ne!(by_name.application.guid, of("shop").application.guid, "an id is no name");
}

#[test]
fn what_an_event_says_of_itself_is_no_change() {
    let before = accepted(&of_code()).finding;
    let judged = |after: &Value| {
        let after = accepted(after).finding;
        let standing = countersign_findings::Standing { state: before.state, is_gone: false };
        let differences = before.differences(&after);
        (judge(Some(standing), &after, &differences), differences)
    };
    for (pointer, new) in [
        ("/time", json!(1_767_323_045_001_i64)),
        ("/activity_id", json!(2)),
        ("/metadata/uid", json!("another")),
        ("/metadata/product/version", json!("3.2")),
        ("/finding_info/last_seen_time", json!(1_767_300_000_001_i64)),
    ] {
        let (verdict, differences) = judged(&with(of_code(), pointer, new));
        assert_eq!(verdict, Verdict::Unchanged, "{pointer}: {differences:?}");
    }
    let fields = |differences: &[Difference]| {
        differences.iter().map(|one| one.field.clone()).collect::<Vec<_>>()
    };
    let (verdict, differences) = judged(&with(of_code(), "/severity_id", json!(2)));
    assert_eq!((verdict, fields(&differences)), (Verdict::Changed, vec!["severity".to_owned()]));
    let (verdict, differences) = judged(&with(of_code(), "/unmapped", json!({"a": 1})));
    assert_eq!(verdict, Verdict::Changed);
    assert_eq!(fields(&differences), ["source.ocsf.unmapped"]);
    assert_eq!(judged(&with(of_code(), "/status_id", json!(4))).0, Verdict::Closed);
}

#[test]
fn a_record_of_the_service_is_of_no_other_scanner() {
    let raw = r#"{"issue_id":1,"scan_type":"STATIC","finding_details":{"severity":3},
        "source":{"product":{"name":"x"},"ocsf":{"finding_info":{"uid":"f-1"}}}}"#;
    let application = accepted(&of_code()).application.application.guid;
    for raw in [raw.to_owned(), r#"{"source":{"kind":"ide"},"#.to_owned() + &raw[1..]] {
        // Of a member that comes twice the record as a whole is odd, not its key.
        let finding = Finding::decode(&raw, &application, &Context::Policy).unwrap();
        assert_eq!(finding.key, FindingKey::Flaw(1));
        assert_eq!(finding.source, None);
    }
}

/// Anything that JSON can hold, within the bounds.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        // Of longer ones the last digit may come back as its neighbour.
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 8.0)),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_~/]{0,8}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Members that are read, with whatever is in them.
const READ: [&str; 22] = [
    "/activity_id",
    "/severity",
    "/severity_id",
    "/status_id",
    "/status_detail",
    "/time",
    "/time_dt",
    "/message",
    "/metadata",
    "/metadata/product",
    "/metadata/product/name",
    "/finding_info/uid",
    "/finding_info/title",
    "/finding_info/desc",
    "/finding_info/types",
    "/finding_info/first_seen_time",
    "/application",
    "/application/uid",
    "/application/name",
    "/vulnerabilities",
    "/vulnerabilities/0/cwe/uid",
    "/unmapped",
];

/// A value for a member: often one of its type, with texts of any kind.
fn any_member() -> impl Strategy<Value = Value> {
    prop_oneof![
        "\\PC{0,40}".prop_map(Value::from),
        (-2_i64..101).prop_map(Value::from),
        (-70_000_000_000_000_i64..260_000_000_000_000).prop_map(Value::from),
        any_json(),
    ]
}

proptest! {
    #[test]
    fn what_is_kept_is_all_of_it_and_reads_the_same(
        base in prop::sample::select(vec![smallest(), of_code(), of_package()]),
        changes in prop::collection::vec((prop::sample::select(READ.to_vec()), any_member()), 0..4),
    ) {
        let mut value = base;
        for (pointer, new) in changes {
            if value.pointer(pointer).is_some() || pointer == "/unmapped" {
                value = with(value, pointer, new);
            }
        }
        let Ok(Imported { application, finding, raw }) = read(&value.to_string()) else {
            return Ok(());
        };
        let again = Finding::decode(&raw, &application.application.guid, &Context::Policy).unwrap();
        prop_assert_eq!(&again, &finding);
        let kept: Value = serde_json::from_str(&raw).unwrap();
        prop_assert_eq!(&kept["source"]["ocsf"], &value);
        prop_assert_eq!(Value::Object(finding.source.unwrap().ocsf), value);
        prop_assert!(finding.first_found_ms.is_some() || kept["finding_status"]["first_found_date"].is_null());
        let key: FindingKey = finding.key.to_string().parse().unwrap();
        prop_assert_eq!(&key, &finding.key);
        let is_imported = matches!(key, FindingKey::Imported { .. });
        prop_assert!(is_imported);
        prop_assert_eq!(&Application::decode(&application.raw).unwrap().guid, &application.application.guid);
    }

    #[test]
    fn no_bytes_panic(text in "\\PC{0,80}", cut in 0_usize..400) {
        let _ = read(&text);
        let whole = of_code().to_string();
        let end = (0..=cut.min(whole.len())).rev().find(|at| whole.is_char_boundary(*at)).unwrap();
        prop_assert!(read(&whole[..end]).is_err());
    }

    #[test]
    fn keys_of_different_findings_differ(
        one in ("[%:A-Za-z3]{0,6}", "[%:a-z]{0,6}"),
        other in ("[%:A-Za-z3]{0,6}", "[%:a-z]{0,6}"),
    ) {
        let key = |(product, uid): &(String, String)| FindingKey::Imported {
            product: product.as_str().into(), uid: uid.as_str().into(),
        }.to_string();
        prop_assert_eq!(key(&one) == key(&other), one == other);
    }
}
