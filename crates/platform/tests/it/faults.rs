use countersign_platform::SeedSpec;
use countersign_signing::Pair;
use countersign_testkit::{Answer, TestPlatform};
use serde_json::{Value, json};

const SELF: &str = "/api/authn/v2/users/self";
const LIST: &str = "/appsec/v1/applications?size=20";

async fn start() -> (TestPlatform, Pair) {
    let test = TestPlatform::start_controlled(SeedSpec::Demo).await;
    let pair = test.mint("reader", &["resultsapi", "noteamrestrictionapi"]).pair;
    (test, pair)
}

async fn plan(test: &TestPlatform, rules: Value) {
    let plan = json!({"seed": 7, "rules": rules}).to_string();
    let answer = test.control("PUT", "/faults", &plan).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
}

/// One rule for everything.
async fn act(test: &TestPlatform, act: Value) {
    plan(test, json!([{"name": "rule", "act": act}])).await;
}

async fn attempt(test: &TestPlatform, pair: &Pair, target: &str) -> Option<Answer> {
    let header = test.header(pair, "GET", target);
    test.try_send("GET", target, &[("authorization", &header)], b"").await
}

fn ids(answer: &Answer) -> Vec<u64> {
    let body = answer.json();
    let list = body["_embedded"]["applications"].as_array().cloned().unwrap_or_default();
    list.iter().filter_map(|application| application["id"].as_u64()).collect()
}

#[tokio::test]
async fn a_plan_that_cannot_be_is_refused_whole() {
    let (test, pair) = start().await;
    for rules in [
        json!([{"name": "", "act": {"kind": "garbage"}}]),
        json!([{"name": "x", "act": {"kind": "explode"}}]),
        json!([{"name": "x", "act": {"kind": "status", "status": 99}}]),
        json!([{"name": "x", "act": {"kind": "status", "status": 500, "headers": {"a b": "c"}}}]),
        json!([{"name": "x", "act": {"kind": "delay", "ms": 9_999_999}}]),
        json!([{"name": "x", "act": {"kind": "delay", "ms": 10, "to_ms": 5}}]),
        json!([{"name": "x", "act": {"kind": "delay", "ms": 10, "p99_ms": 5}}]),
        json!([{"name": "x", "act": {"kind": "delay", "ms": 1, "to_ms": 5, "p99_ms": 5}}]),
        json!([{"name": "x", "act": {"kind": "redirect", "to": "a\nb"}}]),
        json!([{"name": "x", "match": {"probability": 1.5}, "act": {"kind": "garbage"}}]),
        json!([{"name": "x", "match": {"paths": "*"}, "act": {"kind": "garbage"}}]),
    ] {
        let body = json!({"rules": rules}).to_string();
        assert_eq!(test.control("PUT", "/faults", &body).await.status, 400, "{body}");
    }
    assert_eq!(test.get(&pair, SELF).await.status, 200);
}

#[tokio::test]
async fn answers_that_are_not_the_answer() {
    let (test, pair) = start().await;
    act(
        &test,
        json!({"kind": "status", "status": 503, "headers": {"retry-after": "3"},
        "body": "{\"a\":1}"}),
    )
    .await;
    let answer = test.get(&pair, SELF).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("3")));
    assert_eq!(answer.json(), json!({"a": 1}));
    act(&test, json!({"kind": "html"})).await;
    let answer = test.get(&pair, SELF).await;
    assert_eq!((answer.status, answer.header("content-type")), (502, Some("text/html")));
    act(&test, json!({"kind": "redirect", "to": "https://other.example.com/"})).await;
    let answer = test.get(&pair, SELF).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (302, Some("https://other.example.com/"))
    );
    act(&test, json!({"kind": "garbage"})).await;
    let answer = test.get(&pair, SELF).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert!(serde_json::from_slice::<Value>(&answer.body).is_err());
    act(&test, json!({"kind": "reset"})).await;
    assert!(attempt(&test, &pair, SELF).await.is_none());
    act(&test, json!({"kind": "truncate", "bytes": 10})).await;
    let answer = test.get(&pair, SELF).await;
    let length: usize = answer.header("content-length").and_then(|n| n.parse().ok()).expect("it");
    assert!(answer.body.len() == 10 && length > 10, "{length}");
    act(&test, json!({"kind": "stall", "bytes": 3, "ms": 5})).await;
    assert_eq!(test.get(&pair, SELF).await.body.len(), 3);
    act(&test, json!({"kind": "delay", "ms": 1, "to_ms": 3})).await;
    assert_eq!(test.get(&pair, SELF).await.status, 200);
    act(&test, json!({"kind": "delay", "ms": 1, "p99_ms": 3})).await;
    assert_eq!(test.get(&pair, SELF).await.status, 200);
    assert_eq!(test.control("DELETE", "/faults", "").await.json()["rules"], json!([]));
    assert_eq!(test.get(&pair, SELF).await.status, 200);
}

#[tokio::test]
async fn lists_that_do_not_add_up() {
    let (test, pair) = start().await;
    let page = |number: u32| format!("{LIST}&page={number}");
    let mut honest = Vec::new();
    for number in 0..3 {
        honest.push(ids(&test.get(&pair, &page(number)).await));
    }
    act(&test, json!({"kind": "duplicate_page"})).await;
    assert_eq!(ids(&test.get(&pair, &page(0)).await), honest[0]);
    let second = test.get(&pair, &page(1)).await;
    assert_eq!(ids(&second), honest[0]);
    assert_eq!(second.json()["page"]["number"], 1);

    act(&test, json!({"kind": "rows_move"})).await;
    assert_eq!(ids(&test.get(&pair, &page(0)).await), honest[0]);
    let moved = ids(&test.get(&pair, &page(1)).await);
    assert_eq!((moved[0], &moved[1..]), (honest[0][19], &honest[1][..19]));

    act(&test, json!({"kind": "short_page", "missing": 2})).await;
    assert_eq!(ids(&test.get(&pair, &page(1)).await), honest[1][..18]);
    act(&test, json!({"kind": "total_drift", "by": 1})).await;
    let first = test.get(&pair, &page(0)).await.json();
    let second = test.get(&pair, &page(1)).await.json();
    assert_eq!(first["page"]["total_elements"], 60);
    assert_eq!(
        (&second["page"]["total_elements"], &second["page"]["total_pages"]),
        (&json!(61), &json!(4))
    );
    act(&test, json!({"kind": "next_link", "host": "evil.example.com"})).await;
    let body = test.get(&pair, &page(0)).await.json();
    let next = body["_links"]["next"]["href"].as_str().expect("a link");
    assert_eq!(next, "https://evil.example.com/appsec/v1/applications/?page=1&size=20");

    let upload = &["uploadapi", "apisubmitanyscan", "noteamrestrictionapi"];
    let writer = test.mint("upload", upload).pair;
    act(&test, json!({"kind": "stale"})).await;
    let before = test.get(&pair, LIST).await.json();
    let body = json!({"profile": {"name": "New", "business_criticality": "LOW"}}).to_string();
    test.call(&writer, "POST", "/appsec/v1/applications", &body).await;
    assert_eq!(test.get(&pair, LIST).await.json(), before, "as it was");
    assert_eq!(test.get(&pair, LIST).await.json()["page"]["total_elements"], 61);
}

#[tokio::test]
async fn the_work_is_committed_and_the_answer_is_lost() {
    let (test, pair) = start().await;
    let admin = test.mint("admin", &["adminapi"]).pair;
    let own = test.get(&pair, SELF).await.json();
    let target = format!(
        "/api/authn/v2/api_credentials/user_id/{}",
        own["user_id"].as_str().expect("an id")
    );
    plan(
        &test,
        json!([{"name": "lost", "match": {"method": "POST", "path": "*/user_id/*",
        "caller": "admin", "nth": [1]}, "act": {"kind": "reset", "when": "after"}}]),
    )
    .await;
    let header = test.header(&admin, "POST", &target);
    let lost = test.try_send("POST", &target, &[("authorization", &header)], b"").await;
    assert!(lost.is_none(), "the caller got a reset");
    let newest = test.get(&admin, &target).await.json();
    assert_ne!(newest["api_id"], pair.id.as_str(), "the pair exists");

    let entries = test.control("GET", "/requests?method=POST", "").await.json();
    let entry = &entries["requests"][0];
    assert_eq!((&entry["status"], &entry["faults"]), (&json!(null), &json!(["lost"])));
    assert_eq!((&entry["caller"], &entry["target"]), (&json!("admin"), &json!(target)));
    let fired = test.control("GET", "/faults/fired", "").await.json();
    assert_eq!(
        (&fired["fired"][0]["rule"], &fired["fired"][0]["target"]),
        (&json!("lost"), &json!(target))
    );
    assert_eq!(test.call(&admin, "POST", &target, "").await.status, 200, "the second time is well");
}

#[tokio::test]
async fn no_old_answer_goes_to_another_and_none_holds_a_secret() {
    let (test, pair) = start().await;
    let other = test.mint("other", &["resultsapi", "noteamrestrictionapi"]).pair;
    act(&test, json!({"kind": "stale"})).await;
    let own = "/api/authn/v2/api_credentials";
    let mut secrets = std::collections::HashSet::new();
    for pair in [&pair, &other, &pair] {
        let minted = test.call(pair, "POST", own, "").await.json();
        let secret = minted["api_secret"].as_str().expect("a secret").to_owned();
        assert!(secrets.insert(secret), "an answer that holds a secret is never an old one");
        assert_eq!(
            test.get(pair, SELF).await.json()["user_name"],
            if pair.id == other.id { "other" } else { "reader" }
        );
    }
}

/// The same plan, the same requests: the same answers.
#[tokio::test]
async fn chance_repeats() {
    let mut streams = Vec::new();
    for _ in 0..2 {
        let (test, pair) = start().await;
        plan(&test, json!([
            {"name": "a", "match": {"probability": 0.3}, "act": {"kind": "status", "status": 503}},
            {"name": "b", "match": {"probability": 0.3}, "act": {"kind": "reset"}},
            {"name": "c", "match": {"probability": 0.5}, "act": {"kind": "short_page"}},
        ]))
        .await;
        let mut stream = Vec::new();
        for number in 0..30 {
            let answer = attempt(&test, &pair, &format!("{LIST}&page={}", number % 3)).await;
            // The name and port of the host are the only things that differ.
            let host = test.platform.rest_url();
            stream.push(answer.map(|answer| {
                (answer.status, String::from_utf8_lossy(&answer.body).replace(&host, ""))
            }));
        }
        streams.push(stream);
    }
    assert!(streams[0] == streams[1]);
    let lost = streams[0].iter().filter(|answer| answer.is_none()).count();
    assert!((1..30).contains(&lost), "{lost}");
}
