//! Real exported JSON: refused whole or served whole, and nobody's any more.

use std::path::{Path, PathBuf};

use countersign_platform::SeedSpec;
use countersign_testkit::TestPlatform;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

const READER: &[&str] = &["resultsapi", "noteamrestrictionapi"];
const APPLICATION: &str = "0aa11bb2-3cc4-4dd5-8ee6-ff7788990011";

fn applications() -> Value {
    json!({"_embedded": {"applications": [{
        "id": 7, "oid": 9, "guid": APPLICATION, "created": "2025-01-02T03:04:05.000Z",
        "modified": "2025-06-07T08:09:10.000Z", "last_completed_scan_date": null,
        "scans": [{"scan_type": "STATIC", "status": "PUBLISHED",
            "modified_date": "2025-06-07T08:09:10.000Z", "scan_url": "StaticOverview:9:7:11:12:13"}],
        "profile": {
            "name": "Zanzibar Ledger", "tags": "zanzibar,internet",
            "description": "The ledger of Zanzibar, ask jo@zanzibar.test",
            "business_unit": {"id": 1, "name": "Zanzibar Retail", "guid": APPLICATION},
            "business_owners": [{"name": "Jo Zanzibar", "email": "jo@zanzibar.test"}],
            "policies": [{"guid": APPLICATION, "name": "Zanzibar Policy", "is_default": true,
                "policy_compliance_status": "DID_NOT_PASS"}],
            "teams": [{"team_id": 1, "team_name": "Zanzibar Team", "guid": APPLICATION}],
            "custom_fields": [{"name": "Zanzibar Field", "value": "Zanzibar Value"}],
            "git_repo_url": "https://git.zanzibar.test/ledger.git",
            "business_criticality": "HIGH"},
        "results_url": "ViewReportsResultSummary:9:7:11"}]},
        "_links": {}, "page": {}})
}

fn finding(issue_id: i64, change: impl FnOnce(&mut Value)) -> Value {
    let mut finding = json!({
        "issue_id": issue_id, "scan_type": "STATIC", "count": 1, "context_type": "APPLICATION",
        "context_guid": APPLICATION, "violates_policy": true, "build_id": 11,
        "description": "<span>The call to zanzibar.Ledger.write() in LedgerZanzibar.java uses \
            http://wiki.zanzibar.test/x. <a href=\"https://cwe.mitre.org/data/definitions/89.html\">\
            CWE</a></span>",
        "finding_status": {"first_found_date": "2025-02-02T00:00:00.123Z", "status": "OPEN",
            "resolution": "UNRESOLVED", "mitigation_review_status": "NONE", "new": false,
            "resolution_status": "NONE", "last_seen_date": "2025-06-07T08:09:10.456Z"},
        "finding_details": {"severity": 4, "cwe": {"id": 89, "name": "SQL Injection",
                "href": "https://api.zanzibar.test/appsec/v1/cwes/89"},
            "file_path": "com/zanzibar/LedgerZanzibar.java", "file_name": "LedgerZanzibar.java",
            "module": "zanzibar-ledger.war", "relative_location": 3,
            "finding_category": {"id": 190, "name": "SQL Injection",
                "href": "https://api.zanzibar.test/appsec/v1/categories/190"},
            "procedure": "com.zanzibar.Ledger.write", "exploitability": 1,
            "attack_vector": "zanzibar.Ledger.write", "file_line_number": 42},
        "annotations": [{"action": "COMMENT", "comment": "Ask Jo of Zanzibar",
            "created": "2025-03-03T00:00:00.000Z", "user_name": "jo@zanzibar.test"}]});
    change(&mut finding);
    finding
}

fn page(findings: &[Value]) -> Value {
    let href = format!("https://api.example.com/appsec/v1/applications/{APPLICATION}");
    json!({"_embedded": {"findings": findings}, "page": {},
        "_links": {"application": {"href": href}}})
}

async fn import(test: &TestPlatform, seed: &str, body: &Value) -> Value {
    let answer = test.control("POST", &format!("/import?seed={seed}"), &body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    answer.json()
}

/// Everything that the platform tells about its one application.
async fn told(test: &TestPlatform) -> (Value, Vec<Value>) {
    let pair = test.mint("reader", READER).pair;
    let list = test.get(&pair, "/appsec/v1/applications").await.json();
    let application = list["_embedded"]["applications"][0].clone();
    let guid = application["guid"].as_str().expect("a guid");
    let mut findings = Vec::new();
    for query in ["include_annot=true", "scan_type=SCA"] {
        let target = format!("/appsec/v2/applications/{guid}/findings?size=500&{query}");
        let page = test.get(&pair, &target).await.json();
        findings.extend(page["_embedded"]["findings"].as_array().cloned().unwrap_or_default());
    }
    (application, findings)
}

#[tokio::test]
async fn a_page_that_cannot_be_read_changes_nothing() {
    let test = TestPlatform::start_controlled(SeedSpec::Empty).await;
    let sound = finding(1, |_| {});
    let no_type = finding(2, |finding| finding["scan_type"] = json!("FUZZ"));
    let no_time =
        finding(2, |finding| finding["finding_status"]["first_found_date"] = json!("yesterday"));
    let nobody = finding(2, |finding| {
        finding["context_type"] = json!("SANDBOX");
    });
    for (body, word) in [
        ("{".to_owned(), "no JSON"),
        (json!({"some": "thing"}).to_string(), "neither applications nor findings"),
        (page(&[sound.clone(), no_type]).to_string(), "record 1"),
        (page(&[sound.clone(), no_time]).to_string(), "yesterday"),
        (json!({"findings": [nobody]}).to_string(), "which application"),
    ] {
        let answer = test.control("POST", "/import", &body).await;
        assert_eq!(answer.status, 400, "{word}");
        let said = answer.json()["error"].as_str().expect("words").to_owned();
        assert!(said.contains(word), "{said}");
    }
    let pair = test.mint("reader", READER).pair;
    let list = test.get(&pair, "/appsec/v1/applications").await.json();
    assert_eq!(list["page"]["total_elements"], 0);
}

#[tokio::test]
async fn what_is_served_is_nobodys_any_more() {
    let test = TestPlatform::start_controlled(SeedSpec::Empty).await;
    import(&test, "s", &applications()).await;
    let taken = import(&test, "s", &page(&[finding(1, |_| {}), finding(2, |_| {})])).await;
    assert_eq!(taken, json!({"applications": 0, "findings": 2, "repeated": 0}));
    let (application, findings) = told(&test).await;
    let text = format!("{application}{findings:?}").to_lowercase();
    assert!(!text.contains("zanzibar") && !text.contains(APPLICATION), "{text}");
    assert_eq!(findings.len(), 2);
    let finding = &findings[0];
    assert_eq!(finding["finding_details"]["file_line_number"], 42);
    assert_eq!(finding["finding_status"]["last_seen_date"], "2025-06-07T08:09:10.456Z");
    assert_eq!(application["profile"]["business_criticality"], "HIGH");
    let description = finding["description"].as_str().expect("text");
    assert!(description.contains("https://cwe.mitre.org/data/definitions/89.html"));
    assert_eq!(application["guid"], finding["context_guid"]);
    let pair = test.mint("reader", READER).pair;
    let href = finding["finding_details"]["finding_category"]["href"].as_str().expect("a link");
    let path = &href[href.find("/appsec").expect("a path")..];
    assert_eq!(test.get(&pair, path).await.json()["name"], "SQL Injection");
}

#[tokio::test]
async fn the_same_seed_makes_the_same_and_another_does_not() {
    let mut told_by = Vec::new();
    for seed in ["one", "one", "two"] {
        let test = TestPlatform::start_controlled(SeedSpec::Empty).await;
        // In whatever order, and twice: the second time changes nothing.
        import(&test, seed, &page(&[finding(1, |_| {})])).await;
        import(&test, seed, &applications()).await;
        let again = import(&test, seed, &page(&[finding(1, |_| {})])).await;
        assert_eq!(again["repeated"], 1);
        let (application, findings) = told(&test).await;
        let base = format!("https://{}", "127.0.0.1");
        told_by.push(format!("{}{findings:?}", application["profile"]).replace(&base, ""));
    }
    assert_eq!(told_by[0], told_by[1]);
    assert_ne!(told_by[0], told_by[2]);
}

/// Texts that end a string, a member or a document where they are not escaped, then
/// any texts at all.
fn hostile_texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "A\"B",
        "\\",
        "A\\",
        "\",\"new\":true,\"",
        "\u{1}",
        "\u{0}\n\r\t\u{1b}[2J\u{7}",
        "}]}",
        "\u{202e}\u{200b}",
    ]
    .map(String::from)
    .into();
    let mut runner = TestRunner::deterministic();
    let any = any::<String>();
    texts.extend((0..300).map(|_| any.new_tree(&mut runner).expect("a text").current()));
    texts
}

#[tokio::test]
async fn every_imported_text_is_served_as_it_came() {
    let test = TestPlatform::start_controlled(SeedSpec::Empty).await;
    let texts = hostile_texts();
    let statuses = ["status", "resolution", "resolution_status", "mitigation_review_status"];
    let with_text = |(issue_id, text): (i64, &String)| {
        finding(issue_id, |finding| {
            for member in statuses {
                finding["finding_status"][member] = json!(text);
            }
            finding["finding_details"]["cwe"]["name"] = json!(text);
            finding["finding_details"]["attack_vector"] = json!(format!("java.{text}"));
            finding["annotations"][0]["action"] = json!(text);
        })
    };
    let findings: Vec<_> = (1..).zip(&texts).map(with_text).collect();
    import(&test, "s", &page(&findings)).await;
    let (_, served) = told(&test).await;
    assert_eq!(served.len(), texts.len());
    for (text, finding) in texts.iter().zip(served) {
        for member in statuses {
            assert_eq!(finding["finding_status"][member], *text, "{member}");
        }
        assert_eq!(finding["finding_details"]["cwe"]["name"], *text);
        assert_eq!(finding["finding_details"]["attack_vector"], format!("java.{text}"));
        assert_eq!(finding["annotations"][0]["action"], *text);
        assert_eq!(finding["finding_status"]["new"], false);
    }
}

/// The genuine answers, where they are at hand.
#[tokio::test]
async fn genuine_answers_are_taken_in_completely() {
    let Some(folder) = samples() else { return };
    let test = TestPlatform::start_controlled(SeedSpec::Empty).await;
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let page: Value =
            serde_json::from_slice(&std::fs::read(&path).expect("a file")).expect("JSON");
        let count = |name: &str| page["_embedded"][name].as_array().map_or(0, Vec::len);
        let taken = import(&test, "s", &page).await;
        assert_eq!(taken["applications"], count("applications"), "{}", path.display());
        let findings = taken["findings"].as_u64().expect("a number") as usize;
        assert_eq!(findings, count("findings"), "{}: {taken}", path.display());
    }
}

fn samples() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples");
    folder.is_dir().then_some(folder)
}

#[tokio::test]
async fn a_fork_lives_its_own_life() {
    let test = TestPlatform::start_controlled(SeedSpec::Demo).await;
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("fork");
    for (body, status) in [
        (json!({"to": "relative"}), 400),
        (json!({"to": folder.path()}), 400),
        (json!({"to": "/nowhere/at/all"}), 400),
        (json!({}), 400),
    ] {
        let answer = test.control("POST", "/fork", &body.to_string()).await;
        assert_eq!(answer.status, status, "{body}");
    }
    let pair = test.mint("upload", &["uploadapi", "apisubmitanyscan", "noteamrestrictionapi"]).pair;
    let answer = test.control("POST", "/fork", &json!({ "to": to }).to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    let list = test.get(&pair, "/appsec/v1/applications?size=1").await.json();
    let first = list["_embedded"]["applications"][0]["guid"].as_str().expect("a guid").to_owned();
    let target = format!("/appsec/v1/applications/{first}");
    assert_eq!(test.call(&pair, "DELETE", &target, "").await.status, 204);

    let fork = TestPlatform::start_with(SeedSpec::Empty, |config| config.home = to).await;
    assert_eq!(fork.get(&pair, &target).await.status, 200, "the same pair, the old tenant");
    assert_eq!(test.get(&pair, &target).await.status, 404);
}
