//! What each tool answers.

use countersign_store::{Observed, Since};
use serde_json::{Value, json};

use super::{Bench, DAY_MS, SHOP, START_MS, changed, each, flaw, only};

#[tokio::test]
async fn the_usual_findings_are_those_of_the_dashboard() {
    let bench = Bench::filled().await;
    let run = bench.integration("more").await;
    let mut fixed = flaw(9, 5);
    fixed["finding_status"] = json!({"status": "CLOSED", "resolution": "UNRESOLVED"});
    let guid = "7c1b0a52-0000-4000-8000-000000000003";
    bench.download(run, guid, "Third", &[fixed, flaw(10, 4)]).await;
    bench.complete(run).await;
    let mut client = bench.everybody().await;
    let value = client.get("search_findings", json!({})).await;
    assert_eq!((&value["total"], &value["elsewhere"]), (&json!(7), &json!(1)));
    assert_eq!(value["counted"], "open, policy context, visible applications");
    assert_eq!(
        each(&value, "findings", "severity"),
        ["Very High", "Very High", "High", "High", "High", "Medium", "Low"]
    );
    let first = &value["findings"][0];
    assert_eq!(first["untrusted"]["place"], "src/1.java:1", "{first}");
    assert_eq!(first["untrusted"]["weakness"], "CWE-79 Some weakness");
    assert_eq!(first["cwe"], 79);
    let all = client.get("search_findings", json!({"everything": true})).await;
    assert_eq!((&all["total"], &all["elsewhere"]), (&json!(8), &json!(0)));
    let fixed = client.get("count_findings", json!({"filter": "state[eq]fixed"})).await;
    assert_eq!(
        (&fixed["total"], &fixed["counted"]),
        (&json!(1), &json!("fixed, policy context, visible applications"))
    );
    client.end().await;
}

#[tokio::test]
async fn values_are_counted_the_most_frequent_first() {
    let bench = Bench::filled().await;
    let mut client = bench.everybody().await;
    let value = client.get("count_findings", json!({"by": "severity", "limit": 2})).await;
    assert_eq!((&value["total"], &value["has_more_values"]), (&json!(6), &json!(true)));
    assert_eq!(each(&value, "values", "findings"), [2, 2]);
    let labels: Vec<_> =
        each(&value, "values", "untrusted").iter().map(|one| one["label"].clone()).collect();
    assert_eq!(labels.len(), 2, "{value}");
    assert!(labels.contains(&json!("Very High")) && labels.contains(&json!("High")), "{value}");
    client.end().await;
}

#[tokio::test]
async fn one_finding_is_shown_with_paths_and_history() {
    let bench = Bench::start().await;
    let run = bench.integration("prod").await;
    let mut record = flaw(1, 4);
    record["annotations"] = json!([{"action": "COMMENT", "comment": "why?", "user_name": "Sam Lee",
        "created": "2026-02-02T03:04:05.000Z"}]);
    let application = json!({"guid": SHOP, "profile": {"name": "Web Shop"}});
    let finding = bench.download(run, SHOP, "Web Shop", &[flaw(1, 3)]).await.remove(0);
    bench.advance(DAY_MS);
    let change = changed("severity", json!(3), json!(4));
    bench.download_as(run, application, &[record], change).await;
    bench.complete(run).await;
    let mut client = bench.everybody().await;
    let id = finding.id.as_str();
    let value = client.get("get_finding", json!({"id": &id[..8]})).await;
    assert_eq!((&value["id"], &value["severity"]), (&json!(id), &json!("High")));
    assert_eq!(value["are_data_paths_stored"], false);
    let foreign = &value["untrusted"];
    assert_eq!(foreign["description"], "Call 1 is weak.\nValidate it.\nReferences: CWE");
    assert_eq!(foreign["references"], json!(["https://example.com/1"]));
    assert_eq!(each(&value, "changes", "kind"), ["changed", "new"], "the newest first");
    assert_eq!(
        value["changes"][0]["untrusted"]["what"],
        json!(["severity rose from Medium to High"])
    );
    assert_eq!(value["mitigation_history"][0]["untrusted"]["user"], "Sam Lee");
    let raw = json!({"data_paths": [{"module_name": "app.jar", "function_name": "query",
        "local_path": "S.java", "line_number": 3, "calls": [
        {"function_name": "sink", "file_path": "S.java", "line_number": 2},
        {"function_name": "source", "file_path": "A.java", "line_number": 1}]}]});
    bench.store.keep_paths(id, &raw.to_string(), START_MS).await.unwrap();
    let value = client.get("get_finding", json!({"id": id})).await;
    let path = &value["data_paths"][0]["untrusted"];
    assert_eq!(path["steps"], json!(["A.java:1 source", "S.java:2 sink"]));
    assert_eq!((&path["flaw"], &path["module"]), (&json!("S.java:3 query"), &json!("app.jar")));
    client.end().await;
}

#[tokio::test]
async fn applications_come_by_name_page_by_page() {
    let bench = Bench::filled().await;
    let mut client = bench.everybody().await;
    let page = client.get("list_applications", json!({"limit": 1})).await;
    assert_eq!(
        (&page["total"], &page["applications"][0]["untrusted"]["name"]),
        (&json!(2), &json!("Laboratory"))
    );
    let rest = client.get("list_applications", json!({"limit": 1, "cursor": page["cursor"]})).await;
    assert!(rest.get("cursor").is_none(), "{rest}");
    let shop = &rest["applications"][0];
    assert_eq!(shop["untrusted"]["name"], "Web Shop");
    assert_eq!((&shop["open"], &shop["open_by_severity"]["High"]), (&json!(4), &json!(2)));
    let found = client.get("list_applications", json!({"name": "SHOP"})).await;
    assert_eq!(found["total"], 1);
    let none = client.get("list_applications", json!({"name": "nothing"})).await;
    assert_eq!((&none["total"], &none["applications"]), (&json!(0), &json!([])));
    client.end().await;
}

#[tokio::test]
async fn the_feed_is_followed_without_a_gap() {
    let bench = Bench::filled().await;
    let mut client = bench.everybody().await;
    let feed = bench.store.changes(Since::Beginning, 100).await.unwrap();
    let expected: Vec<_> = feed.iter().map(|row| json!(row.finding_id)).collect();
    let mut asked = json!({"since": "30d", "limit": 4});
    let mut found = Vec::new();
    let end = loop {
        let page = client.get("what_changed", asked.clone()).await;
        found.extend(each(&page, "changes", "finding"));
        asked["cursor"] = page["cursor"].clone();
        if page["has_more"] == false {
            break page["cursor"].clone();
        }
    };
    assert_eq!((found, expected.len()), (expected, 6));
    let later = client.get("what_changed", json!({"cursor": end})).await;
    assert_eq!((&later["changes"], &later["cursor"]), (&json!([]), &end));
    let run = bench.integration("more").await;
    bench.download(run, "7c1b0a52-0000-4000-8000-000000000003", "Third", &[flaw(8, 1)]).await;
    let later = client.get("what_changed", json!({"cursor": end})).await;
    assert_eq!(each(&later, "changes", "severity"), ["Very Low"]);
    for (inputs, count) in [
        (json!({"kind": "new"}), 7),
        (json!({"kind": "closed"}), 0),
        (json!({"application": "web shop"}), 4),
        (json!({"application": SHOP}), 4),
        (json!({"since": "2026-06-02"}), 0),
    ] {
        let page = client.get("what_changed", inputs.clone()).await;
        assert_eq!(page["total_from_here"], count, "{inputs}");
    }
    client.end().await;
}

/// Bytes of a page: what does not fit comes with the next one, and nothing is lost.
#[tokio::test]
async fn results_are_bounded_and_lose_nothing() {
    let bench = Bench::start().await;
    let run = bench.integration("prod").await;
    let long = "a long path ".repeat(400);
    let records: Vec<_> = (1..=150)
        .map(|number| {
            let mut record = flaw(number, 4);
            record["finding_details"]["file_path"] = format!("{number} {long}").into();
            record["finding_details"]["cwe"]["name"] = long.as_str().into();
            record
        })
        .collect();
    bench.download(run, SHOP, &long, &records).await;
    bench.complete(run).await;
    let mut client = bench.everybody().await;
    for (tool, list, least) in [("search_findings", "findings", 3), ("what_changed", "changes", 2)]
    {
        let (mut found, mut pages) = (0, 0);
        let mut asked = json!({"limit": 100});
        loop {
            let answer = client.call(tool, asked.clone()).await;
            assert!(answer.text.len() < 80_000, "{} bytes", answer.text.len());
            found += answer.value[list].as_array().unwrap().len();
            pages += 1;
            let is_more = answer.value["has_more"] == true || tool == "search_findings";
            match answer.value.get("cursor").filter(|_| is_more) {
                Some(cursor) => asked["cursor"] = cursor.clone(),
                None => break,
            }
        }
        assert!(found == 150 && pages >= least, "{tool}: {found} in {pages}");
    }
    client.end().await;
}

#[tokio::test]
async fn credentials_are_shown_in_time_and_never_a_secret() {
    let bench = Bench::filled().await;
    let credentials = bench.store.credentials().await.unwrap();
    let [lab, prod] = credentials.as_slice() else { panic!("{credentials:?}") };
    let seen = |expires_ms: i64| Observed {
        account: Some("ci-reader".into()),
        user_id: Some("u-1".into()),
        roles: vec!["resultsapi".into()],
        expires_ms: Some(expires_ms),
        ..Observed::default()
    };
    let note = |id, days: i64| {
        bench.store.observe_credential(id, seen(START_MS + days * DAY_MS), START_MS)
    };
    note(prod.id, 20).await.unwrap();
    note(lab.id, 200).await.unwrap();
    let mut client = bench.everybody().await;
    let names = |value: &Value| each(value, "credentials", "name");
    let soon = client.get("expiring_credentials", json!({})).await;
    assert_eq!((names(&soon), &soon["credentials_in_all"]), (vec![json!("prod")], &json!(2)));
    assert_eq!(
        (&soon["credentials"][0]["days_left"], &soon["credentials"][0]["state"]),
        (&json!(20), &json!("expires within 30 days"))
    );
    let none = client.get("expiring_credentials", json!({"days": 10})).await;
    assert_eq!(names(&none), [] as [Value; 0]);
    let all = client.get("expiring_credentials", json!({"days": 365})).await;
    assert_eq!(names(&all).len(), 2);
    assert!(!all.to_string().contains(&prod.api_id), "an API ID is no use here");
    bench.advance(21 * DAY_MS);
    let over = client.get("expiring_credentials", json!({"days": 0})).await;
    assert_eq!(
        (names(&over), &over["credentials"][0]["state"]),
        (vec![json!("prod")], &json!("expired"))
    );
    client.end().await;
    let mut client = bench.client(only(&["lab"])).await;
    let own = client.get("expiring_credentials", json!({"days": 365})).await;
    assert_eq!((names(&own), &own["credentials_in_all"]), (vec![json!("lab")], &json!(1)));
    client.end().await;
}

/// One whose expiry nobody knows may expire tomorrow.
#[tokio::test]
async fn an_unknown_expiry_is_not_kept_quiet() {
    let bench = Bench::filled().await;
    let mut client = bench.everybody().await;
    let value = client.get("expiring_credentials", json!({"days": 0})).await;
    assert_eq!(each(&value, "credentials", "state"), ["the service was never asked"; 2]);
    client.end().await;
}

#[tokio::test]
async fn advice_is_what_the_records_hold() {
    let bench = Bench::filled().await;
    let run = bench.integration("more").await;
    let mut manual = flaw(20, 4);
    manual["scan_type"] = "MANUAL".into();
    manual["finding_details"] = json!({"severity": 4, "cwe": {"id": 79, "name": "XSS"},
        "remediation_desc": "<p>Encode &amp; check.</p>"});
    let finding =
        bench.download(run, "7c1b0a52-0000-4000-8000-000000000003", "Third", &[manual]).await;
    let mut client = bench.everybody().await;
    let value = client.get("how_to_fix", json!({"cwe": 79})).await;
    assert_eq!(
        (&value["cwe_url"], &value["findings"]),
        (&json!("https://cwe.mitre.org/data/definitions/79.html"), &json!(3))
    );
    // Two records have the same words: they are shown once.
    let advice = each(&value, "advice", "untrusted");
    assert_eq!(advice.len(), 2, "{value}");
    assert!(advice.iter().any(|one| one["remediation"] == "Encode & check."), "{value}");
    assert!(advice[0]["description"].as_str().unwrap().contains("Validate it."), "{value}");
    let one = client.get("how_to_fix", json!({"finding": finding[0].id.as_str()})).await;
    assert_eq!(one["advice"].as_array().unwrap().len(), 1);
    client.end().await;
}

#[tokio::test]
async fn what_is_old_is_said_with_every_answer() {
    let bench = Bench::filled().await;
    let mut client = bench.everybody().await;
    for (tool, inputs) in [
        ("search_findings", json!({})),
        ("count_findings", json!({})),
        ("list_applications", json!({})),
        ("what_changed", json!({})),
        ("how_to_fix", json!({"cwe": 79})),
    ] {
        let value = client.get(tool, inputs).await;
        assert_eq!(value["warnings"], json!([]), "{tool}");
        assert_eq!(value["complete_as_of"], "2026-06-01T00:00:00.000Z", "{tool}");
    }
    bench.advance(25 * DAY_MS);
    let value = client.get("count_findings", json!({})).await;
    assert_eq!(value["warnings"], json!(["lab is 25 days behind.", "prod is 25 days behind."]));
    bench.integration("new").await;
    bench.advance(DAY_MS);
    let value = client.get("count_findings", json!({})).await;
    assert!(value.get("complete_as_of").is_none(), "one was never read: {value}");
    assert_eq!(value["warnings"].as_array().unwrap().len(), 3);
    client.end().await;
    let empty = Bench::start().await;
    let mut client = empty.everybody().await;
    let value = client.get("count_findings", json!({})).await;
    assert_eq!((&value["total"], value["warnings"].as_array().unwrap().len()), (&json!(0), 1));
    client.end().await;
}
