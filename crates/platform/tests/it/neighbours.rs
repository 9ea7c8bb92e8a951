//! What stands around applications and findings: policies, dictionaries, flaw
//! details, the summary report, annotations of components.

use std::collections::BTreeSet;

use countersign_platform::SeedSpec;
use countersign_signing::Pair;
use countersign_testkit::TestPlatform;
use serde_json::{Value, json};

const READER: &[&str] = &["resultsapi", "noteamrestrictionapi"];
const NOWHERE: &str = "00000000-0000-4000-8000-000000000000";

async fn start() -> (TestPlatform, Pair) {
    let test = TestPlatform::start(SeedSpec::Demo).await;
    let pair = test.mint("reader", READER).pair;
    (test, pair)
}

/// The findings of the demo tenant, with the guid of the application of each.
async fn findings(test: &TestPlatform, pair: &Pair, scan_type: &str) -> Vec<(String, Value)> {
    let list = test.get(pair, "/appsec/v1/applications?size=500").await.json();
    let mut found = Vec::new();
    for application in list["_embedded"]["applications"].as_array().expect("applications") {
        let guid = application["guid"].as_str().expect("a guid");
        let target =
            format!("/appsec/v2/applications/{guid}/findings?scan_type={scan_type}&size=500");
        let page = test.get(pair, &target).await.json();
        let some = page["_embedded"]["findings"].as_array().cloned().unwrap_or_default();
        found.extend(some.into_iter().map(|finding| (guid.to_owned(), finding)));
    }
    assert!(!found.is_empty(), "{scan_type}");
    found
}

fn path_of(href: &str) -> String {
    let (_, rest) = href.split_once("://").expect("absolute");
    rest[rest.find('/').expect("a path")..].to_owned()
}

#[tokio::test]
async fn every_link_leads_somewhere() {
    let (test, pair) = start().await;
    let mut links = BTreeSet::new();
    for scan_type in ["STATIC", "DYNAMIC", "MANUAL", "SCA"] {
        for (_, finding) in findings(&test, &pair, scan_type).await {
            for member in ["cwe", "finding_category"] {
                if let Some(href) = finding["finding_details"][member]["href"].as_str() {
                    links.insert(path_of(href));
                }
            }
        }
    }
    let list = test.get(&pair, "/appsec/v1/applications?size=500").await.json();
    for application in list["_embedded"]["applications"].as_array().expect("applications") {
        links.insert(path_of(application["_links"]["policy"]["href"].as_str().expect("a link")));
    }
    assert!(links.len() > 20, "{links:?}");
    for link in links {
        let answer = test.get(&pair, &link).await;
        assert_eq!(answer.status, 200, "{link}: {}", answer.json());
        assert!(answer.json()["name"].is_string(), "{link}");
    }
}

#[tokio::test]
async fn policies() {
    let (test, pair) = start().await;
    let list = "/appsec/v1/policies";
    for (target, status) in [
        (format!("{list}/{NOWHERE}"), 404),
        (format!("{list}/x"), 400),
        (format!("{list}?category=OTHER"), 400),
        (format!("{list}?vendor_policy=perhaps"), 400),
        (format!("{list}?legacy_policy_id=x"), 400),
    ] {
        assert_eq!(test.get(&pair, &target).await.status, status, "{target}");
    }
    let all = test.get(&pair, list).await.json();
    let names = |page: &Value| -> Vec<String> {
        let versions = page["_embedded"]["policy_versions"].as_array().cloned().unwrap_or_default();
        versions.iter().map(|policy| policy["name"].as_str().unwrap_or_default().into()).collect()
    };
    let supplied = 15;
    assert_eq!(names(&all).len(), supplied + 1);
    for (query, expected) in [
        ("name=example", 1),
        ("name=recommended", 9),
        ("name=Recommended%20High", 2),
        ("name=example&name_exact=true", 0),
        ("name=Example%20Baseline&name_exact=True", 1),
        ("name=Veracode%20Recommended%20High&name_exact=true", 1),
        ("category=APPLICATION", supplied + 1),
        ("category=COMPONENT", 0),
        ("public_policy=false", 1),
        ("public_policy=true", supplied + 1),
        ("vendor_policy=false", supplied + 1),
        ("vendor_policy=true", 0),
        ("legacy_policy_id=2", 1),
        // What one integration sends where it means nothing.
        ("undefined=undefined", supplied + 1),
    ] {
        let page = test.get(&pair, &format!("{list}?{query}")).await.json();
        assert_eq!(names(&page).len(), expected, "{query}");
        assert_eq!(page["page"]["total_elements"], expected, "{query}");
    }
    let guid = all["_embedded"]["policy_versions"][1]["guid"].as_str().expect("a guid").to_owned();
    let one = test.get(&pair, &format!("{list}/{guid}/versions/1")).await.json();
    assert_eq!(one["finding_rules"][0]["type"], "MAX_SEVERITY");
    assert_eq!(one, test.get(&pair, &format!("{list}/{guid}")).await.json());
    let versions = test.get(&pair, &format!("{list}/{guid}/versions")).await.json();
    assert_eq!(versions["_embedded"]["policy_versions"], json!([one]));
    assert_eq!(test.get(&pair, &format!("{list}/{guid}/versions/2")).await.status, 404);
}

#[tokio::test]
async fn dictionaries() {
    let (test, pair) = start().await;
    for (target, status) in [
        ("/appsec/v1/cwes/999999", 404),
        ("/appsec/v1/cwes/x", 400),
        ("/appsec/v1/categories/999999", 404),
        ("/appsec/v1/cwes?size=0", 400),
    ] {
        assert_eq!(test.get(&pair, target).await.status, status, "{target}");
    }
    let cwes = test.get(&pair, "/appsec/v1/cwes").await.json();
    assert_eq!(cwes["page"]["size"], 100);
    let first = &cwes["_embedded"]["cwes"][0];
    for member in ["id", "severity", "remediation_effort"] {
        assert!(first[member].is_i64(), "{first}");
    }
    let fields = test.get(&pair, "/appsec/v1/custom_fields").await.json();
    let name = &fields["_embedded"]["app_custom_field_names"][0]["name"];
    assert_eq!(name, "Cost Center");

    let upload = test.mint("upload", &["uploadapi", "apisubmitanyscan", "noteamrestrictionapi"]);
    let body = json!({"profile": {"name": "With fields", "business_criticality": "LOW",
        "custom_fields": [{"name": "Region", "value": "north"}]}});
    let answer =
        test.call(&upload.pair, "POST", "/appsec/v1/applications", &body.to_string()).await;
    assert_eq!(answer.status, 200);
    let fields = test.get(&pair, "/appsec/v1/custom_fields").await.json();
    assert_eq!(fields["_embedded"]["app_custom_field_names"][1]["name"], "Region");
}

#[tokio::test]
async fn flaw_details() {
    let (test, pair) = start().await;
    let (application, flaw) = findings(&test, &pair, "STATIC").await.swap_remove(0);
    let base = format!("/appsec/v2/applications/{application}/findings");
    let issue = flaw["issue_id"].as_i64().expect("an id");
    for (target, status) in [
        (format!("{base}/{issue}/dynamic_flaw_info"), 404),
        (format!("{base}/99999999/static_flaw_info"), 404),
        (format!("{base}/x/static_flaw_info"), 400),
        (format!("/appsec/v2/applications/{NOWHERE}/findings/{issue}/static_flaw_info"), 404),
    ] {
        assert_eq!(test.get(&pair, &target).await.status, status, "{target}");
    }
    let missing = test.get(&pair, &format!("{base}/{issue}/dynamic_flaw_info")).await.json();
    assert_eq!(missing["code"], "NOT_FOUND");
    assert!(missing["message"].is_string());

    let info = test.get(&pair, &format!("{base}/{issue}/static_flaw_info")).await.json();
    assert_eq!(info["issue_summary"]["issue_id"], issue);
    assert_eq!(info["issue_summary"]["app_guid"], application.as_str());
    let (path, details) = (&info["data_paths"][0], &flaw["finding_details"]);
    assert_eq!(path["line_number"], details["file_line_number"]);
    assert_eq!(path["calls"][0]["function_name"], details["procedure"]);
    assert_eq!(path["steps"], path["calls"].as_array().expect("calls").len());
    let again = test.get(&pair, &format!("{base}/{issue}/static_flaw_info")).await.json();
    assert_eq!(info, again);

    let (application, flaw) = findings(&test, &pair, "DYNAMIC").await.swap_remove(0);
    let issue = flaw["issue_id"].as_i64().expect("an id");
    let target =
        format!("/appsec/v2/applications/{application}/findings/{issue}/dynamic_flaw_info");
    let info = test.get(&pair, &target).await.json();
    assert_eq!(info["issue_summary"]["cwe_id"], flaw["finding_details"]["cwe"]["id"]);
    assert_eq!(info["issue_summary"]["description"], flaw["description"]);
    let request = &info["dynamic_flaw_info"]["request"];
    assert_eq!(request["path"], flaw["finding_details"]["path"]);
    assert_eq!(request["port"], flaw["finding_details"]["port"]);
}

#[tokio::test]
async fn a_summary_counts_what_the_list_holds() {
    let (test, pair) = start().await;
    let mut all = findings(&test, &pair, "STATIC,DYNAMIC,MANUAL").await;
    let application = all[all.len() / 2].0.clone();
    all.retain(|(guid, _)| *guid == application);
    let base = format!("/appsec/v2/applications/{application}/summary_report");
    for (query, status) in
        [("?build_id=1", 404), ("?build_id=x", 400), (&format!("?context={NOWHERE}")[..], 404)]
    {
        assert_eq!(test.get(&pair, &format!("{base}{query}")).await.status, status, "{query}");
    }
    let summary = test.get(&pair, &base).await.json();
    let is_open = |finding: &Value| finding["finding_status"]["status"] == "OPEN";
    let open: Vec<_> = all.iter().filter(|(_, finding)| is_open(finding)).collect();
    assert_eq!(summary["total_flaws"], open.len(), "{summary}");
    let status = &summary["flaw-status"];
    let number = |name: &str| status[name].as_i64().expect("a number");
    assert_eq!(number("new") + number("reopen") + number("open"), number("total"));
    let unmitigated = open
        .iter()
        .filter(|(_, finding)| finding["finding_status"]["resolution_status"] != "APPROVED")
        .count();
    assert_eq!(summary["flaws_not_mitigated"], unmitigated);
    for level in summary["severity"].as_array().expect("levels") {
        let counted: i64 = level["category"]
            .as_array()
            .expect("categories")
            .iter()
            .filter_map(|category| category["count"].as_i64())
            .sum();
        let true_count = open
            .iter()
            .filter(|(_, finding)| finding["finding_details"]["severity"] == level["level"])
            .count();
        assert_eq!(counted as usize, true_count, "{level}");
    }
    let unscanned = test.get(&pair, "/appsec/v1/applications?size=1").await.json();
    let guid = unscanned["_embedded"]["applications"][0]["guid"].as_str().expect("a guid");
    let target = format!("/appsec/v2/applications/{guid}/summary_report");
    assert_eq!(test.get(&pair, &target).await.status, 404);
}

#[tokio::test]
async fn annotations_of_components() {
    let (test, pair) = start().await;
    let approver = test.mint("approver", &["mitigationapi", "noteamrestrictionapi"]).pair;
    let mut all = findings(&test, &pair, "SCA").await;
    all.retain(|(_, finding)| finding["finding_status"]["resolution_status"] == "NONE");
    let (application, finding) = all.swap_remove(0);
    let component = finding["finding_details"]["component_id"].clone();
    let cve = finding["finding_details"]["cve"]["name"].clone();
    let target = format!("/srcclr/v3/applications/{application}/sca_annotations");
    let body = |action: &str, kind: &str, subject: Value| {
        json!({"action": action, "comment": "Not reachable.", "annotation_type": kind,
            "annotations": [subject]})
        .to_string()
    };
    let known = json!({"component_id": component, "cve_name": cve});
    for (pair, action, kind, subject, status) in [
        (&pair, "SOMETHING", "VULNERABILITY", known.clone(), 400),
        (&pair, "FP", "OTHER", known.clone(), 400),
        (&pair, "FP", "VULNERABILITY", json!({"component_id": NOWHERE, "cve_name": cve}), 400),
        (&pair, "FP", "VULNERABILITY", json!({"component_id": component, "cve_name": "X"}), 400),
        (&pair, "LEGAL", "LICENSE", json!({"component_id": component, "license_id": "x"}), 400),
        (&pair, "APPROVE", "VULNERABILITY", known.clone(), 403),
        (&approver, "FP", "VULNERABILITY", known.clone(), 403),
        (&approver, "APPROVE", "VULNERABILITY", known.clone(), 400),
    ] {
        let answer = test.call(pair, "POST", &target, &body(action, kind, subject)).await;
        assert_eq!(answer.status, status, "{action} {kind}");
    }
    assert!(test.get(&pair, &target).await.json().get("_embedded").is_none());

    let before = test.get(&pair, &format!("/appsec/v1/applications/{application}")).await.json();
    let proposal = body("FP", "VULNERABILITY", known.clone());
    assert_eq!(test.call(&pair, "POST", &target, &proposal).await.status, 200);
    let approval = body("APPROVE", "VULNERABILITY", known);
    assert_eq!(test.call(&approver, "POST", &target, &approval).await.status, 200);
    let after = test.get(&pair, &format!("/appsec/v1/applications/{application}")).await.json();
    let checked = "last_policy_compliance_check_date";
    assert_ne!(before[checked], after[checked], "an approval moves the date");

    let said = test.get(&pair, &target).await.json();
    let said = said["_embedded"]["sca_annotations"].as_array().expect("two of them").clone();
    let actions: Vec<_> = said.iter().map(|one| one["action"].as_str()).collect();
    assert_eq!(actions, [Some("APPROVE"), Some("FP")]);
    assert_eq!(said[0]["status"], "ACCEPTED");
    for (query, expected) in
        [("annotation_status=PROPOSED", 1), ("annotation_type=LICENSE", 0), ("cve_name=x", 0)]
    {
        let some = test.get(&pair, &format!("{target}?{query}")).await.json();
        assert_eq!(some["page"]["total_elements"], expected, "{query}");
    }
    let all = findings(&test, &pair, "SCA").await;
    let same = |(guid, other): &&(String, Value)| {
        *guid == application
            && other["finding_details"]["component_id"] == component
            && other["finding_details"]["cve"]["name"] == cve
    };
    let (_, changed) = all.iter().find(same).expect("it is still there");
    assert_eq!(changed["finding_status"]["resolution"], "POTENTIAL_FALSE_POSITIVE");
    assert_eq!(changed["finding_status"]["resolution_status"], "APPROVED");
}
