//! A record is shown whenever its key, its scan type and its severity can be read.

use std::collections::BTreeSet;

use super::*;

/// What identifies each of the records below, and how bad it is.
const NEEDED: [&str; 8] = [
    "/issue_id",
    "/scan_type",
    "/finding_details",
    "/finding_details/severity",
    "/finding_details/component_id",
    "/finding_details/cve",
    "/finding_details/cve/name",
    "/finding_details/metadata",
];

fn dynamic() -> Value {
    json!({
        "issue_id": 9, "scan_type": "DYNAMIC", "description": "PHNwYW4+YTwvc3Bhbj4=",
        "count": 1, "violates_policy": false, "build_id": "12",
        "finding_status": {"first_found_date": "2026-01-02T03:04:05.678Z", "status": "OPEN",
            "last_seen_date": "2026-01-03T03:04:05.678Z"},
        "finding_details": {"severity": 3, "cwe": {"id": 79, "name": "XSS", "href": "x"},
            "finding_category": {"id": 20, "name": "Cross-Site Scripting"}, "plugin": "XSS",
            "port": "443", "url": "https://a.example.com/b", "hostname": "a.example.com",
            "path": "/b", "vulnerable_parameter": "q", "discovered_by_vsa": 1},
        "annotations": [{"action": "COMMENT", "comment": "a", "created": "x", "user_name": "n"}],
        "grace_period_expires_date": "2026-04-02T03:04:05.678Z"
    })
}

fn rich_component() -> Value {
    let mut record = component();
    record["finding_details"]["cwe"] = json!({"id": 502, "name": "Deserialisation"});
    record["finding_details"]["component_path"] = json!([{"path": "a/lib.jar"}, {"path": "b"}]);
    record["finding_details"]["licenses"] = json!([{"license_id": "mit", "risk_rating": "2"}]);
    record["finding_details"]["cve"]["cvss3"] = json!({"score": 9.8, "vector": "CVSS:3.0/AV:N"});
    record["finding_details"]["cve"]["exploitability"] =
        json!({"epss_score": 0.1, "epss_percentile": "0.5", "exploit_observed": false});
    record
}

/// The pointers of all members and elements.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    let mut below = |name: &str, value: &Value| {
        let place = format!("{at}/{name}");
        all.push(place.clone());
        places(value, &place, all);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| below(name, value)),
        Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(at, value)| below(&at.to_string(), value));
        }
        _ => {}
    }
}

fn is_needed(base: &Value, place: &str) -> bool {
    let is_sca = base["scan_type"] == "SCA";
    let is_key = NEEDED.contains(&place) || place == "/finding_details/metadata/sca_scan_mode";
    is_key && !(is_sca && place == "/issue_id")
}

fn junk() -> impl Strategy<Value = Value> {
    prop_oneof![
        arbitrary_json(),
        prop::sample::select(vec![
            json!(null),
            json!(""),
            json!("N/A"),
            json!("maybe"),
            json!("2026-01-02"),
            json!("2026-01-02T03:04:05"),
            json!("2026-02-30T03:04:05Z"),
            json!([]),
            json!({}),
            json!([null]),
            json!(-1),
            json!(1e300),
            json!(u64::MAX),
            json!("\u{0}\u{202e}"),
            json!([[[[]]]]),
            json!({"id": "x"}),
            json!(" 12 "),
            json!("1,5"),
        ]),
    ]
}

/// Names and values of all that is not below one of these members of the JSON shape.
fn flat(value: &Value, at: &str, all: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| flat(value, &format!("{at}/{name}"), all));
        }
        Value::Array(elements) => {
            elements
                .iter()
                .enumerate()
                .for_each(|(n, value)| flat(value, &format!("{at}/{n}"), all));
        }
        leaf => drop(all.insert(format!("{at}={leaf}"))),
    }
}

fn records() -> Vec<Value> {
    vec![flaw(), dynamic(), rich_component()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// One member after the other becomes something else.
    #[test]
    fn what_can_be_read_is_shown(
        base in prop::sample::select(records()),
        pick in any::<prop::sample::Index>(),
        junk in junk(),
    ) {
        let mut all = Vec::new();
        places(&base, "", &mut all);
        let place = pick.get(&all);
        let mut record = base.clone();
        *record.pointer_mut(place).unwrap() = junk.clone();
        let read = decode(&record);
        if is_needed(&base, place) {
            return Ok(());
        }
        let Ok(finding) = read else {
            return Err(TestCaseError::fail(format!("{place} = {junk}: {read:?}")));
        };
        let whole = decode(&base).unwrap();
        prop_assert_eq!(&finding.key, &whole.key);
        prop_assert_eq!((finding.scan_type.as_str(), finding.severity), (whole.scan_type.as_str(), whole.severity));
        // What was left out is that member, or something in it; and nothing else is different.
        let dotted = place[1..].split('/').next().unwrap();
        for note in &finding.notes {
            let member = note.member.as_deref().unwrap_or(dotted);
            prop_assert!(member.starts_with(dotted), "{} for {}", member, place);
        }
        let (mut before, mut after) = (BTreeSet::new(), BTreeSet::new());
        flat(&json!(whole), "", &mut before);
        flat(&json!(finding), "", &mut after);
        let lost = before.difference(&after).count();
        // A member shows in a few places at most: itself, the title, the state.
        let below = all.iter().filter(|other| other.starts_with(place.as_str())).count();
        prop_assert!(lost <= below + 3, "{} = {}: lost {:?}", place, junk, before.difference(&after).collect::<Vec<_>>());
    }

    /// Many at once.
    #[test]
    fn however_many_cannot_be_read(
        base in prop::sample::select(records()),
        picks in prop::collection::vec((any::<prop::sample::Index>(), junk()), 1..12),
    ) {
        let mut record = base.clone();
        for (pick, junk) in picks {
            let mut all = Vec::new();
            places(&record, "", &mut all);
            all.retain(|place| !is_needed(&base, place));
            if all.is_empty() {
                continue;
            }
            let place = pick.get(&all);
            if let Some(slot) = record.pointer_mut(place) {
                *slot = junk;
            }
        }
        let finding = decode(&record);
        prop_assert!(finding.is_ok(), "{}: {:?}", record, finding);
    }
}

#[test]
fn the_member_and_the_reason_are_named() {
    for (place, junk, member) in [
        (
            "/finding_status/first_found_date",
            json!("2026-01-02T03:04:05"),
            "finding_status.first_found_date",
        ),
        ("/finding_status/last_seen_date", json!("2026-01-02"), "finding_status.last_seen_date"),
        ("/grace_period_expires_date", json!(""), "grace_period_expires_date"),
        ("/finding_details/port", json!([443]), "finding_details.port"),
        ("/finding_details/cwe/id", json!("N/A"), "finding_details.cwe.id"),
        ("/violates_policy", json!("maybe"), "violates_policy"),
        ("/finding_status", json!(null), "finding_status"),
        ("/annotations/0", json!(null), "annotations[0]"),
        ("/annotations/0/comment", json!(5), "annotations[0].comment"),
        ("/build_id", json!("twelve"), "build_id"),
        ("/description", json!({"html": "x"}), "description"),
    ] {
        let mut record = dynamic();
        *record.pointer_mut(place).unwrap() = junk;
        let finding = decode(&record).unwrap();
        let members: Vec<_> = finding.notes.iter().map(|note| note.member.as_deref()).collect();
        assert_eq!(members, [Some(member)]);
        assert!(!finding.notes[0].reason.is_empty());
    }
    assert!(decode(&dynamic()).unwrap().notes.is_empty());
}

#[test]
fn a_member_that_comes_twice_is_noted_and_the_last_one_counts() {
    let text = flaw().to_string().replacen('{', "{\"violates_policy\":false,", 1);
    let finding = Finding::decode(&text, &guid(), &Context::Policy).unwrap();
    assert_eq!((finding.violates_policy, finding.notes.len()), (Some(true), 1));
    let mut record = dynamic();
    record["finding_details"]["URL"] = json!("https://b.example.com/");
    let finding = decode(&record).unwrap();
    assert!(finding.location.url.is_some() && finding.notes.len() == 1, "{:?}", finding.notes);
}

#[test]
fn ten_thousand_members_that_cannot_be_read_are_a_few_notes() {
    let mut record = dynamic();
    record["annotations"] = json!(vec![Value::Null; 10_000]);
    let finding = decode(&record).unwrap();
    assert!(finding.annotations.is_empty() && finding.notes.len() <= 20);
    assert!(finding.notes.iter().all(|note| note.reason.len() < 1000));
}

#[test]
fn an_application_of_which_little_can_be_read_is_shown() {
    for (text, member) in [
        (r#"{"guid":"g","modified":"soon"}"#, "modified"),
        (r#"{"guid":"g","last_completed_scan_date":"2026-01-02"}"#, "last_completed_scan_date"),
        (r#"{"guid":"g","profile":[]}"#, ""),
        (r#"{"guid":"g","profile":{"teams":[null,{"team_name":"a"}]}}"#, "profile.teams[0]"),
        (r#"{"guid":"g","id":"many"}"#, "id"),
    ] {
        let application = Application::decode(text).unwrap();
        assert_eq!(application.guid.as_str(), "g");
        let members: Vec<_> =
            application.notes.iter().filter_map(|note| note.member.as_deref()).collect();
        assert_eq!(members.join(" "), member, "{text}");
    }
    for bad in ["{}", "[]", r#"{"guid":"../users"}"#, r#"{"guid":7}"#] {
        assert!(Application::decode(bad).is_err(), "{bad}");
    }
}

#[test]
fn identifiers_are_written_as_their_source_does() {
    for (written, expected) in [
        ("cve-2020-1236", "CVE-2020-1236"),
        (" CVE\u{2011}2020\u{2013}1236\u{200b} ", "CVE-2020-1236"),
        ("srcclr-sid-1234", "SRCCLR-SID-1234"),
        ("ghsa-ABCD-1234-efgh", "GHSA-abcd-1234-efgh"),
        ("Veracode-x", "Veracode-x"),
    ] {
        let mut record = component();
        record["finding_details"]["cve"]["name"] = json!(written);
        let finding = decode(&record).unwrap();
        assert_eq!(finding.vulnerability.as_ref().unwrap().name, expected);
        assert_eq!(finding.key.to_string(), format!("sca:UPLOAD:c-1:{expected}"));
    }
}

#[test]
fn what_a_guid_cannot_hold_is_no_sandbox() {
    for bad in ["", "a&scan_type=SCA", "../x", "a b", "ü", "a#b", &"x".repeat(65)] {
        assert!(Context::sandbox(bad).is_err(), "{bad}");
    }
    let context = Context::sandbox("7c1b0a52-0000-4000-8000-00000000000a").unwrap();
    assert_eq!(context.to_string().parse::<Context>().unwrap(), context);
}
