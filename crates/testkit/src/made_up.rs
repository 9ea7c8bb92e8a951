//! Records as the service could send them, made up by property tests: every scan
//! type, optional members present or not, words that the connector does not know,
//! and texts that want to be something else.

use proptest::prelude::*;
use proptest::{collection, option, sample};
use serde_json::{Value, json};

/// The application that made-up findings belong to.
pub const APPLICATION: &str = "7c1b0a52-0000-4000-8000-000000000001";

/// A record of the applications list, for [`APPLICATION`].
pub fn application() -> impl Strategy<Value = Value> {
    let criticality =
        sample::select(&["VERY_HIGH", "HIGH", "MEDIUM", "LOW", "VERY_LOW", "NOVEL"][..]);
    let verdict =
        sample::select(&["PASSED", "DID_NOT_PASS", "CONDITIONAL_PASS", "NOT_ASSESSED"][..]);
    (text(), criticality, verdict, option::of(text()), any::<bool>()).prop_map(
        |(name, criticality, verdict, unit, is_scanned)| {
            json!({
                "guid": APPLICATION, "id": 12_345,
                "created": "2026-01-02T03:04:05.000Z", "modified": "2026-05-02T03:04:05.000Z",
                "last_completed_scan_date": is_scanned.then_some("2026-05-01T03:04:05.000Z"),
                "profile": {
                    "name": name, "business_criticality": criticality, "tags": "web, made up",
                    "business_unit": unit.map(|name| json!({"name": name})),
                    "teams": [{"team_name": "Blue Team"}],
                    "policies": [{"name": "Made-up policy", "policy_compliance_status": verdict}],
                },
            })
        },
    )
}

/// A record of the findings list. The number is its flaw id, or part of its
/// component's.
pub fn finding(number: i64) -> impl Strategy<Value = Value> {
    let kind = sample::select(&["STATIC", "DYNAMIC", "MANUAL", "SCA"][..]);
    let around = (option::of(any::<bool>()), annotations());
    (kind, 0..=5_i64, status(), text(), around, details()).prop_map(
        move |(scan_type, severity, status, description, (violates, annotations), mut parts)| {
            parts.insert("severity".into(), severity.into());
            let kept: &[&str] = match scan_type {
                "STATIC" => &STATIC,
                "DYNAMIC" => &DYNAMIC,
                "MANUAL" => &MANUAL,
                _ => &SCA,
            };
            parts.retain(|name, value| {
                !value.is_null() && (name == "severity" || kept.contains(&name.as_str()))
            });
            let mut record = json!({
                "scan_type": scan_type, "description": description, "count": 1,
                "context_type": "APPLICATION", "context_guid": APPLICATION,
                "finding_status": status,
            });
            if let Some(violates) = violates {
                record["violates_policy"] = violates.into();
            }
            if scan_type == "SCA" {
                parts.insert("component_id".into(), format!("c-{number}").into());
            } else {
                record["annotations"] = annotations.into();
                record["issue_id"] = number.into();
                record["build_id"] = 4_711.into();
            }
            record["finding_details"] = parts.into();
            record
        },
    )
}

const STATIC: [&str; 9] = [
    "cwe",
    "file_path",
    "file_name",
    "file_line_number",
    "module",
    "procedure",
    "finding_category",
    "exploitability",
    "relative_location",
];
const DYNAMIC: [&str; 8] = [
    "cwe",
    "path",
    "hostname",
    "port",
    "url",
    "plugin",
    "finding_category",
    "vulnerable_parameter",
];
const MANUAL: [&str; 6] =
    ["cwe", "cvss", "capec_id", "exploit_desc", "location", "remediation_desc"];
const SCA: [&str; 7] =
    ["cwe", "component_filename", "version", "language", "component_path", "licenses", "cve"];

fn details() -> impl Strategy<Value = serde_json::Map<String, Value>> {
    let numbered = || option::of((1..1500_i64, text()));
    let place = (
        option::of(path()),
        option::of(-1..5000_i64),
        option::of(text()),
        option::of(text()),
        option::of(-2..=2_i64),
        option::of(-1..=100_i64),
    );
    let package = (option::of(text()), option::of(text()), option::of(path()), cve());
    (numbered(), numbered(), place, package).prop_map(|(cwe, category, place, package)| {
        let numbered = |pair: Option<(i64, String)>| {
            pair.map(|(id, name)| json!({"id": id, "name": name, "href": "https://example.com/x"}))
        };
        let (file, line, module, procedure, exploitability, relative) = place;
        let (name, version, path, cve) = package;
        let all = json!({
            "cwe": numbered(cwe), "finding_category": numbered(category),
            "file_path": file, "file_name": file, "file_line_number": line, "module": module,
            "procedure": procedure, "exploitability": exploitability,
            "relative_location": relative,
            "path": file, "hostname": "shop.example.com", "port": "443", "plugin": procedure,
            "url": file.as_ref().map(|file| format!("https://shop.example.com/{file}")),
            "vulnerable_parameter": module,
            "cvss": "7.5", "capec_id": "66", "exploit_desc": procedure, "location": module,
            "remediation_desc": procedure,
            "component_filename": name, "version": version, "language": "JAVA",
            "component_path": path.map(|path| json!([{"path": path}])),
            "licenses": [{"license_id": "apache-2.0", "risk_rating": "2"}],
            "metadata": {"sca_scan_mode": "UPLOAD", "sca_dep_mode": "DIRECT"}, "cve": cve,
        });
        match all {
            Value::Object(members) => members,
            _ => serde_json::Map::new(),
        }
    })
}

fn cve() -> impl Strategy<Value = Option<Value>> {
    let name = prop_oneof![
        (2000..2027_u32, 1..99_999_u32).prop_map(|(year, n)| format!("CVE-{year}-{n:04}")),
        (1..99_999_u32).prop_map(|n| format!("SRCCLR-SID-{n}")),
    ];
    let score = || option::of((0..=100_u8).prop_map(|tenths| f64::from(tenths) / 10.0));
    option::of((name, score(), score(), option::of(any::<bool>()))).prop_map(|cve| {
        cve.map(|(name, cvss2, cvss3, observed)| {
            json!({
                "name": name, "cvss": cvss2, "severity": "High", "vector": "AV:N/\u{200b}AC:L",
                "cvss3": cvss3.map(|score| json!({"score": score, "severity": "High",
                    "vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"})),
                "exploitability": observed.map(|observed| json!({"exploit_observed": observed,
                    "epss_score": 0.25, "epss_percentile": 0.5, "epss_score_date": "2026-05-01",
                    "exploit_source": observed.then_some("KEV")})),
            })
        })
    })
}

fn status() -> impl Strategy<Value = Value> {
    let status = sample::select(&["OPEN", "CLOSED", "REOPENED", "NOVEL"][..]);
    let resolution =
        sample::select(&["UNRESOLVED", "MITIGATED", "POTENTIAL_FALSE_POSITIVE", "NOVEL"][..]);
    let review = sample::select(&["NONE", "PROPOSED", "APPROVED", "REJECTED", "NOVEL"][..]);
    (status, resolution, review, any::<bool>(), option::of(day()), option::of(day())).prop_map(
        |(status, resolution, review, new, first, last)| {
            let mut record = json!({"status": status, "resolution": resolution,
                "resolution_status": review, "new": new, "mitigation_review_status": "NONE"});
            for (name, day) in [("first_found_date", first), ("last_seen_date", last)] {
                if let Some(day) = day {
                    record[name] = day.into();
                }
            }
            record
        },
    )
}

fn annotations() -> impl Strategy<Value = Vec<Value>> {
    let action = sample::select(
        &["COMMENT", "FP", "APPDESIGN", "NETENV", "OSENV", "ACCEPTRISK", "REJECTED", "NOVEL"][..],
    );
    let step = (action, option::of(text()), day()).prop_map(|(action, comment, created)| {
        let mut step = json!({"action": action, "created": created, "user_name": "made up"});
        if let Some(comment) = comment {
            step["comment"] = comment.into();
        }
        step
    });
    collection::vec(step, 0..3)
}

fn day() -> impl Strategy<Value = String> {
    (2020..2027_u32, 1..=12_u32, 1..=28_u32)
        .prop_map(|(year, month, day)| format!("{year}-{month:02}-{day:02}T08:09:10.123Z"))
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z]{1,8}(/[a-zA-Z0-9_]{1,8}){0,4}\\.(java|js|cs)",
        1 => text(),
    ]
}

/// Words, and what is known to break readers of reports.
fn text() -> impl Strategy<Value = String> {
    let hostile = sample::select(
        &[
            "",
            " ",
            "=cmd|' /C calc'!A0",
            "<script>alert(1)</script>",
            "<style>*{display:none}</style>",
            "PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
            "\u{202e}txt.exe\u{202c}",
            "zero\u{200b}width",
            "a,\"b\"\r\nc",
            "]]>&<!--",
            "../../etc/passwd",
            "C:\\Users\\x y\\#%41.cs",
            "\u{0}\u{1}\u{7f}",
            "日本語 🎈",
            "Straße ÜNÏCÖDÉ ΟΔΟΣ İıﬁ",
            "STRASSE ünïcödé οδος",
            "'; drop table findings; --",
        ][..],
    );
    prop_oneof![
        3 => "[A-Za-z][A-Za-z0-9 ._-]{0,30}",
        1 => "\\PC{0,40}",
        2 => hostile.prop_map(str::to_owned),
    ]
}
