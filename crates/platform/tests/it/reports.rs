//! The Reporting API: what is refused, what a report lacks, and what is in it.

use std::collections::BTreeSet;

use countersign_platform::SeedSpec;
use countersign_signing::Pair;
use countersign_testkit::TestPlatform;
use serde_json::{Value, json};

const REPORTS: &str = "/appsec/v1/analytics/report";
const REPORTER: &[&str] = &["reportingApi", "resultsapi", "noteamrestrictionapi"];
const HOUR_MS: i64 = 3_600_000;

async fn start() -> (TestPlatform, Pair) {
    let test = TestPlatform::start_controlled(SeedSpec::Demo).await;
    let pair = test.mint("reporter", REPORTER).pair;
    (test, pair)
}

async fn asked(test: &TestPlatform, pair: &Pair, wanted: &Value) -> (u16, Value) {
    let answer = test.call(pair, "POST", REPORTS, &wanted.to_string()).await;
    (answer.status, answer.json())
}

/// Since a day, in the words of a report.
fn since(day: &str) -> Value {
    json!({ "report_type": "FINDINGS", "last_updated_start_date": day })
}

/// A day of the platform's clock, so many days ago.
fn day(test: &TestPlatform, days: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(test.now() - days * 24 * HOUR_MS).expect("a time");
    at.strftime("%Y-%m-%d").to_string()
}

/// All rows of a report, page by page.
async fn rows(test: &TestPlatform, pair: &Pair, wanted: &Value, size: usize) -> Vec<Value> {
    let (status, made) = asked(test, pair, wanted).await;
    assert_eq!(status, 200, "{made}");
    assert_eq!(made["_embedded"]["status"], "SUBMITTED");
    let id = made["_embedded"]["id"].as_str().expect("an id");
    let first = test.get(pair, &format!("{REPORTS}/{id}")).await.json();
    assert_eq!(first["_embedded"]["status"], "PROCESSING");
    assert_eq!(first["_embedded"].get("findings"), None);
    test.advance(3_000);
    let mut all = Vec::new();
    for page in 0.. {
        let target = format!("{REPORTS}/{id}?page={page}&size={size}");
        let answer = test.get(pair, &target).await.json();
        assert_eq!(answer["_embedded"]["status"], "COMPLETED", "{answer}");
        let rows = answer["_embedded"]["findings"].as_array().expect("rows");
        all.extend(rows.iter().cloned());
        let pages = &answer["_embedded"]["page_metadata"];
        assert_eq!(pages["number"], page);
        if page + 1 >= pages["total_pages"].as_u64().expect("a number") {
            assert_eq!(pages["total_elements"], all.len());
            assert_eq!(answer["_embedded"]["_links"].get("next"), None);
            return all;
        }
    }
    unreachable!("pages end")
}

/// The numbers of the applications in these rows.
fn applications(rows: &[Value]) -> BTreeSet<i64> {
    rows.iter().map(|row| row["app_id"].as_i64().expect("a number")).collect()
}

#[tokio::test]
async fn what_is_no_report_is_refused() {
    let (test, pair) = start().await;
    let reader = test.mint("reader", &["resultsapi", "noteamrestrictionapi"]).pair;
    assert_eq!(asked(&test, &reader, &since("2026-01-01")).await.0, 403);
    let to = |end: &str| {
        json!({ "report_type": "findings", "last_updated_start_date": "2026-01-10",
            "last_updated_end_date": end })
    };
    for wanted in [
        json!({}),
        json!([]),
        json!({ "report_type": "findings" }),
        json!({ "report_type": "flaws", "last_updated_start_date": "2026-01-01" }),
        json!({ "report_type": "deleted_scans", "deletion_start_date": "2026-01-01" }),
        json!({ "report_type": "audit", "start_date": "2026-01-01" }),
        json!({ "report_type": 7, "last_updated_start_date": "2026-01-01" }),
        since("01/02/2026"),
        since("2026-02-30"),
        since("2026-1-1"),
        since(""),
        to("2026-01-09"),
        to("2026-07-11"),
        json!({ "report_type": "findings", "last_updated_start_date": "2026-01-01",
            "scan_type": ["Guessed"] }),
        json!({ "report_type": "findings", "last_updated_start_date": "2026-01-01",
            "app_id": ["x"] }),
        json!({ "report_type": "findings", "last_updated_start_date": "2026-01-01",
            "app_id": vec![1; 501] }),
        json!({ "report_type": "findings", "last_updated_start_date": "2026-01-01",
            "policy_sandbox": "Both" }),
    ] {
        let (status, answer) = asked(&test, &pair, &wanted).await;
        assert_eq!(status, 400, "{wanted}: {answer}");
        let error = &answer["_embedded"]["api_errors"][0];
        assert!(error["title"].as_str().is_some_and(|title| !title.is_empty()), "{answer}");
    }
    for wanted in [to("2026-07-10"), to("2026-01-10 00:00:00"), since("2026-01-10 12:30:00.250")] {
        assert_eq!(asked(&test, &pair, &wanted).await.0, 200, "{wanted}");
    }
    let nowhere = format!("{REPORTS}/00000000-0000-4000-8000-000000000000");
    assert_eq!(test.get(&pair, &nowhere).await.status, 404);
    assert_eq!(test.get(&pair, &format!("{REPORTS}/x")).await.status, 404);
}

#[tokio::test]
async fn nobody_reads_what_another_asked_for_and_it_ends() {
    let (test, pair) = start().await;
    let other = test.mint("other", REPORTER).pair;
    let (_, made) = asked(&test, &pair, &since(&day(&test, 1))).await;
    let target = format!("{REPORTS}/{}", made["_embedded"]["id"].as_str().expect("an id"));
    assert_eq!(test.get(&other, &target).await.status, 404);
    test.advance(3_000);
    assert_eq!(test.get(&pair, &target).await.status, 200);
    let beyond = test.get(&pair, &format!("{target}?page=100000")).await;
    assert_eq!(beyond.status, 400);
    let detail = beyond.json()["_embedded"]["error"]["detail"].to_string();
    assert!(detail.contains("Valid page numbers are : [0 - "), "{detail}");
    test.advance(7 * 24 * HOUR_MS);
    let pair = test.mint("reporter", REPORTER).pair;
    assert_eq!(test.get(&pair, &target).await.status, 404, "it is deleted after a week");
}

#[tokio::test]
async fn a_report_names_what_moved_and_lacks_what_just_did() {
    let (test, pair) = start().await;
    // The zone of reports is behind UTC.
    let yesterday = day(&test, 1);
    let before = rows(&test, &pair, &since(&yesterday), 100).await;
    let list = test.get(&pair, "/appsec/v1/applications?size=500").await.json();
    let mut found = None;
    for one in list["_embedded"]["applications"].as_array().expect("applications") {
        let (id, guid) =
            (one["id"].as_i64().expect("a number"), one["guid"].as_str().expect("one"));
        let target = format!("/appsec/v2/applications/{guid}/findings?scan_type=STATIC&size=500");
        let page = test.get(&pair, &target).await.json();
        let undecided = page["_embedded"]["findings"].as_array().and_then(|all| {
            let is_reported = |issue: &Value| {
                before.iter().any(|row| row["app_id"] == id && row["flaw_id"] == *issue)
            };
            all.iter()
                .find(|one| {
                    one["finding_status"]["resolution_status"] == "NONE"
                        && !is_reported(&one["issue_id"])
                })
                .cloned()
        });
        found = found.or(undecided.map(|one| (id, guid.to_owned(), one["issue_id"].clone())));
    }
    // A proposal moves no date of the application.
    let (id, guid, issue) = found.expect("a finding that nobody decided about");
    let proposed = json!({ "issue_list": issue.to_string(), "comment": "Technique : M1 : Specifics : x",
        "action": "APPDESIGN" });
    let target = format!("/appsec/v2/applications/{guid}/annotations");
    let answer = test.call(&pair, "POST", &target, &proposed.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.json());

    let is_it = |row: &&Value| row["app_id"] == id && row["flaw_id"] == issue;
    let late = rows(&test, &pair, &since(&yesterday), 100).await;
    let has_moved = |rows: &[Value]| {
        rows.iter().any(|row| is_it(&row) && row["mitigation_status"] == "Mitigation Proposed")
    };
    assert!(!has_moved(&late), "the store for analyses is filled every two hours");
    test.advance(2 * HOUR_MS);
    let then = rows(&test, &pair, &since(&yesterday), 3).await;
    assert!(has_moved(&then), "{then:?}");
    let row = then.iter().find(is_it).expect("the row");
    assert_eq!(row["status"], "Open");
    assert_eq!(row["scan_type"], "Static Analysis");
    assert!(row.get("app_guid").is_none() && row["last_updated_date"].as_str().is_some());
    // Narrowed, and from tomorrow on.
    let of = |member: &str, value: Value| {
        let mut wanted = since(&yesterday);
        wanted[member] = value;
        wanted
    };
    assert!(has_moved(&rows(&test, &pair, &of("application_id", json!(id)), 100).await));
    assert!(!has_moved(&rows(&test, &pair, &of("app_id", json!([id + 1])), 100).await));
    assert!(!has_moved(&rows(&test, &pair, &of("policy_sandbox", json!("Sandbox")), 100).await));
    assert!(!has_moved(&rows(&test, &pair, &of("scan_type", json!("SCA")), 100).await));
    assert_eq!(applications(&rows(&test, &pair, &since(&day(&test, -1)), 100).await), [].into());
}

#[tokio::test]
async fn a_report_has_what_is_seen_and_no_more() {
    let (test, pair) = start().await;
    let wanted = since(&day(&test, 150));
    let all = rows(&test, &pair, &wanted, 1000).await;
    assert!(applications(&all).len() > 20, "{} rows", all.len());
    let list = test.get(&pair, "/appsec/v1/applications?size=500").await.json();
    let seen = list["_embedded"]["applications"].as_array().expect("applications").iter();
    let seen: BTreeSet<_> = seen.filter_map(|one| one["id"].as_i64()).collect();
    assert!(applications(&all).is_subset(&seen));
    // An account without teams sees none.
    let narrow = test.mint("narrow", &["reportingApi"]).pair;
    assert_eq!(rows(&test, &narrow, &wanted, 1000).await, Vec::<Value>::new());
}
