//! Real exported JSON: refused whole or served whole, and nobody's any more.

use std::collections::BTreeSet;

use countersign_platform::SeedSpec;
use countersign_testkit::TestPlatform;
use countersign_wire::raw::RawPage;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Value, json};

const READER: &[&str] = &["resultsapi", "noteamrestrictionapi"];
const APPLICATION: &str = "0aa11bb2-3cc4-4dd5-8ee6-ff7788990011";

fn applications() -> Value {
    json!({"_embedded": {"applications": [{
        "id": 7, "oid": 9, "guid": APPLICATION, "created": "2025-01-02T03:04:05.000Z",
        "modified": "2025-06-07T08:09:10.000Z", "last_completed_scan_date": null,
        "scans": [{"scan_type": "STATIC", "status": "PUBLISHED",
            "modified_date": "2025-06-07T08:09:10.000Z", "scan_url": "StaticOverview:9:7:11:12:13",
            "links": [{"href": "https://zanzibar.test/x"}], "full_type": "Zanzibar"}],
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
            "settings": {"sca_enabled": false, "Zanzibar": true, "note": "Zanzibar"},
            "zanzibar": null, "enterprise_id": null, "vendor_rescan": false,
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
    assert_eq!(application["profile"]["settings"], json!({"sca_enabled": false}));
    assert_eq!(application["profile"]["vendor_rescan"], false);
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

/// Pages in the shape, order and spelling of recorded ones, about nobody.
const PAGES: [&str; 4] = [
    include_str!("import/applications.json"),
    include_str!("import/static.json"),
    include_str!("import/sca.json"),
    include_str!("import/dynamic.json"),
];

/// And genuine answers of the service, where they are at hand.
fn pages() -> Vec<String> {
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/samples");
    let genuine = [
        "applications-by-name.json",
        "findings-static-page0of3.json",
        "findings-sca-anonymised.json",
        "findings-dynamic-anonymised.json",
    ];
    let genuine = genuine.map(|name| std::fs::read_to_string(format!("{samples}/{name}")));
    PAGES.map(str::to_owned).into_iter().chain(genuine.into_iter().flatten()).collect()
}

/// Members whose values say whose it is: they may differ, and nothing else.
const SCRUBBED: &[&str] = &[
    // Of applications.
    "id",
    "oid",
    "guid",
    "name",
    "tags",
    "value",
    "email",
    "description",
    "team_id",
    "team_name",
    "app_profile_url",
    "results_url",
    "scan_url",
    "git_repo_url",
    "href",
    // Of findings.
    "context_guid",
    "build_id",
    "component_id",
    "product_id",
    "file_path",
    "file_name",
    "module",
    "procedure",
    "attack_vector",
    "url",
    "hostname",
    "path",
    "vulnerable_parameter",
    "comment",
    "user_name",
];

/// Public names and numbers under the same members.
const PUBLIC: &[&str] = &["cwe", "finding_category", "cve"];

/// Every value with its path, in the order and the spelling in which it stands there.
fn leaves(text: &str) -> Vec<(String, String)> {
    struct Members<'a>(Vec<(String, &'a RawValue)>);
    impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
        fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
            struct Reader;
            impl<'de> Visitor<'de> for Reader {
                type Value = Vec<(String, &'de RawValue)>;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                    let mut members = Vec::new();
                    while let Some(member) = map.next_entry()? {
                        members.push(member);
                    }
                    Ok(members)
                }
            }
            reader.deserialize_map(Reader).map(Members)
        }
    }
    fn collect(at: &str, raw: &RawValue, found: &mut Vec<(String, String)>) {
        let text = raw.get();
        match text.as_bytes()[0] {
            b'{' => {
                let Members(members) = serde_json::from_str(text).expect("an object");
                found.push((at.to_owned(), format!("{} members", members.len())));
                for (name, value) in members {
                    collect(&format!("{at}/{name}"), value, found);
                }
            }
            b'[' => {
                let elements: Vec<&RawValue> = serde_json::from_str(text).expect("a list");
                found.push((at.to_owned(), format!("{} elements", elements.len())));
                for (number, value) in elements.into_iter().enumerate() {
                    collect(&format!("{at}/{number}"), value, found);
                }
            }
            _ => found.push((at.to_owned(), text.to_owned())),
        }
    }
    let mut found = Vec::new();
    collect("", serde_json::from_str(text).expect("JSON"), &mut found);
    found
}

/// What is wrong with what is served of a record.
fn differences(recorded: &str, served: &str) -> Vec<String> {
    let (recorded, served) = (leaves(recorded), leaves(served));
    let paths = |leaves: &[(String, String)]| -> Vec<String> {
        leaves.iter().map(|(path, _)| path.clone()).collect()
    };
    if paths(&recorded) != paths(&served) {
        return vec![format!("{:?}\nbecame {:?}", paths(&recorded), paths(&served))];
    }
    let is_scrubbed = |path: &str| {
        let mut names = path.rsplit('/').filter(|name| name.parse::<usize>().is_err());
        let (own, parent) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
        SCRUBBED.contains(&own) && !(PUBLIC.contains(&parent) && own != "href")
    };
    let kind = |leaf: &str| match leaf.as_bytes()[0] {
        b'"' => "text",
        b'0'..=b'9' | b'-' => "number",
        _ => "word",
    };
    let pairs = recorded.iter().zip(&served);
    let wrong = pairs.filter(|((path, recorded), (_, served))| match is_scrubbed(path) {
        true => kind(recorded) != kind(served),
        false => recorded != served,
    });
    wrong.map(|((path, a), (_, b))| format!("{path}: {a} became {b}")).collect()
}

fn elements<'a>(page: &'a str, list: &str) -> Vec<&'a str> {
    let page = RawPage::parse(page, list).expect("a page");
    page.elements.into_iter().map(RawValue::get).collect()
}

/// Imports a page and answers with what is served of each record, in the recorded order,
/// and which of the recorded are meant.
async fn served_again(test: &TestPlatform, page: &str) -> Vec<(String, String)> {
    let is_list = page.contains("\"applications\"");
    let target = "/import?seed=s&application=0aa11bb2-3cc4-4dd5-8ee6-ff7788990011";
    let target = if is_list { "/import?seed=s" } else { target };
    let taken = test.control("POST", target, page).await;
    assert_eq!(taken.status, 200, "{}", taken.json());
    let list = if is_list { "applications" } else { "findings" };
    let recorded = elements(page, list);
    assert_eq!(taken.json()[list], recorded.len(), "{}", taken.json());
    let pair = test.mint("reader", READER).pair;
    let mut served = Vec::new();
    let answer = test.get(&pair, "/appsec/v1/applications?size=500").await;
    if is_list {
        served.push(String::from_utf8(answer.body).expect("text"));
    } else {
        for application in answer.json()["_embedded"]["applications"].as_array().expect("some") {
            let findings = format!(
                "/appsec/v2/applications/{}/findings?size=500&include_annot=true&include_exp_date=true",
                application["guid"].as_str().expect("a guid")
            );
            for more in ["", "&scan_type=SCA"] {
                let answer = test.get(&pair, &format!("{findings}{more}")).await;
                served.push(String::from_utf8(answer.body).expect("text"));
            }
        }
    }
    let served: Vec<_> = served.iter().flat_map(|page| elements(page, list)).collect();
    assert_eq!(served.len(), recorded.len());
    // What is nobody's and tells records apart.
    let key = |text: &str| -> Value {
        let record: Value = serde_json::from_str(text).expect("JSON");
        let details = &record["finding_details"];
        json!([
            record["issue_id"],
            record["created"],
            details["component_filename"],
            details["cve"]["name"],
            details["metadata"]
        ])
    };
    let same = |recorded: &&str| {
        let own = key(recorded);
        let same = served.iter().find(|served| key(served) == own);
        (*same.unwrap_or_else(|| panic!("{own} is not served"))).to_owned()
    };
    recorded.iter().map(|recorded| ((*recorded).to_owned(), same(recorded))).collect()
}

#[tokio::test]
async fn recorded_answers_are_served_as_they_were_recorded() {
    for page in pages() {
        let test = TestPlatform::start_controlled(SeedSpec::Empty).await;
        for (recorded, served) in served_again(&test, &page).await {
            let wrong = differences(&recorded, &served);
            assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        }
    }
}

/// The same answers, as other years write them: members in another order and left out,
/// numbers in other spellings, words that this program does not know.
#[tokio::test]
async fn answers_of_other_years_are_served_as_they_were_recorded() {
    let mut turned = BTreeSet::new();
    for page in pages() {
        for (from, to) in [
            ("\"severity\": 4", "\"severity\": 4.0"),
            ("\"cvss\": 7.1", "\"cvss\": 10.0"),
            ("\"score\": 7.5", "\"score\": 1.0E1"),
            ("\"port\": \"443\"", "\"port\": 443"),
            ("\"count\": 1", "\"count\": 2"),
            ("\"is_default\": true", "\"is_default\": false"),
            ("\"sca_enabled\": false", "\"sca_enabled\": true, \"static_scan_xpp_enabled\": true"),
            ("\"nextday_consultation_allowed\": false,", "\"nextday_consultation_allowed\": null,"),
            ("\"archer_app_name\": null,", ""),
            ("\"resultsready\"", "\"somewhere\""),
            ("\"status\": \"OPEN\"", "\"status\": \"NOVEL\""),
            ("\"violates_policy\": true,", ""),
            ("\"new\": false,", "\"new\": \"FALSE\","),
            (".000Z\"", "Z\""),
            ("\"tags\": null", "\"tags\": \"\""),
            ("\"custom_fields\": null", "\"custom_fields\": []"),
            (
                "\"business_criticality\": \"VERY_HIGH\"",
                "\"vendor_rescan\": false, \"business_criticality\": \"NOVEL\"",
            ),
            ("\"mitigation_review_status\": \"NONE\",", ""),
        ] {
            let plain = without_layout(&page);
            let [from, to] = [from, to].map(|text| text.replace("\": ", "\":"));
            let other = plain.replace(&from, &to);
            if other == plain {
                continue;
            }
            turned.insert(from.clone());
            let test = TestPlatform::start_controlled(SeedSpec::Empty).await;
            for (recorded, served) in served_again(&test, &other).await {
                let wrong = differences(&recorded, &served);
                assert!(wrong.is_empty(), "{from} -> {to}: {}", wrong.join("\n"));
            }
        }
    }
    assert!(turned.len() > 16, "{turned:?}");
}

/// Without white space outside of texts.
fn without_layout(text: &str) -> String {
    let (mut is_text, mut is_escaped) = (false, false);
    let keep = |c: &char| {
        let keeps = is_text || !c.is_whitespace();
        is_text ^= *c == '"' && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped;
        keeps
    };
    text.chars().filter(keep).collect()
}

/// What is changed afterwards is shown, and all else stays as it was recorded.
#[tokio::test]
async fn a_change_after_an_import_is_shown() {
    let test = TestPlatform::start_controlled(SeedSpec::Empty).await;
    served_again(&test, PAGES[0]).await;
    let roles = ["uploadapi", "apisubmitanyscan", "noteamrestrictionapi"];
    let pair = test.mint("upload", &roles).pair;
    let list = test.get(&pair, "/appsec/v1/applications").await;
    let list = String::from_utf8(list.body).expect("text");
    let before = elements(&list, "applications")[0];
    let value: Value = serde_json::from_str(before).expect("JSON");
    let target = format!("/appsec/v1/applications/{}", value["guid"].as_str().expect("a guid"));
    let change = json!({"profile": {"description": "Changed.", "business_criticality": "LOW",
        "settings": {"sca_enabled": false, "nextday_consultation_allowed": true}}});
    let answer =
        test.call(&pair, "PUT", &format!("{target}?method=partial"), &change.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    let after = String::from_utf8(test.get(&pair, &target).await.body).expect("text");
    let (before, after) = (leaves(before), leaves(&after));
    let changed: Vec<_> = before.iter().zip(&after).filter(|(a, b)| a != b).collect();
    let changed: Vec<_> = changed.iter().map(|(_, (path, value))| (&**path, &**value)).collect();
    let modified = after.iter().find(|(path, _)| path == "/modified").expect("it");
    assert_eq!(
        changed,
        [
            ("/modified", &*modified.1),
            ("/profile/description", "\"Changed.\""),
            ("/profile/settings/nextday_consultation_allowed", "true"),
            ("/profile/business_criticality", "\"LOW\""),
        ]
    );
    assert_eq!(before.len(), after.len());
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
