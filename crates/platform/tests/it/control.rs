use countersign_platform::SeedSpec;
use countersign_signing::Pair;
use countersign_testkit::{START_MS, TestPlatform};
use serde_json::{Value, json};

const SELF: &str = "/api/authn/v2/users/self";
const OWN: &str = "/api/authn/v2/api_credentials";
const READER: &[&str] = &["resultsapi", "noteamrestrictionapi"];
const DAY_MS: i64 = 86_400_000;

async fn told(test: &TestPlatform, method: &str, target: &str, body: Value) -> Value {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let answer = test.control(method, target, &text).await;
    assert_eq!(answer.status, 200, "{method} {target}: {}", answer.json());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer.json()
}

#[tokio::test]
async fn nothing_is_controlled_without_the_token() {
    let test = TestPlatform::start_controlled(SeedSpec::Empty).await;
    let control = test.platform.control().expect("controls");
    let token = control.token().to_owned();
    let good = format!("Bearer {token}");
    let short = format!("Bearer {}", &token[1..]);
    for target in ["/clock", "/faults", "/requests/har", "/snapshots/x", "/reset", "/nothing"] {
        for headers in [
            &[][..],
            &[("authorization", "Bearer ")],
            &[("authorization", short.as_str())],
            &[("authorization", token.as_str())],
            &[("authorization", good.as_str()), ("authorization", good.as_str())],
        ] {
            for method in ["GET", "POST", "PUT", "DELETE"] {
                let answer = test.send_to(&control.url(), method, target, headers, b"").await;
                let answer = answer.expect("an answer");
                assert_eq!(answer.status, 401, "{method} {target} {headers:?}");
                assert!(!String::from_utf8_lossy(&answer.body).contains(&token));
            }
        }
    }
    assert_eq!(test.send("GET", "/clock", &[("authorization", &good)], b"").await.status, 401);
    assert_eq!(test.control("GET", "/nothing", "").await.status, 404);
    assert_eq!(test.control("PATCH", "/clock", "").await.status, 405);
    for body in ["", "{", "{\"by\": \"1y\"}", "{\"by\": \"-1d\"}", "{\"by\": \"99999999d\"}"] {
        assert_eq!(test.control("POST", "/clock/advance", body).await.status, 400, "{body}");
    }
    for body in ["{\"now\": \"soon\"}", "{\"frosen\": true}", "{\"signatures\": \"none\"}"] {
        assert_eq!(test.control("PUT", "/clock", body).await.status, 400, "{body}");
    }
}

/// The mails about credentials that expire.
async fn expiries(test: &TestPlatform) -> Value {
    let mails = told(test, "GET", "/outbox", json!(null)).await["mails"].clone();
    let all = mails.as_array().expect("a list").iter();
    all.filter(|mail| mail["kind"].as_str().is_some_and(|kind| kind.starts_with("expires")))
        .cloned()
        .collect()
}

#[tokio::test]
async fn a_year_passes_in_one_command() {
    let test = TestPlatform::start_controlled(SeedSpec::Empty).await;
    let old = test.mint("reader", READER).pair;
    let body = test.call(&old, "POST", OWN, "").await.json();
    let text = |name: &str| body[name].as_str().expect("a text");
    let new = Pair::parse(text("api_id"), text("api_secret")).expect("a pair");
    assert_eq!(test.get(&old, SELF).await.status, 200, "the old one overlaps");
    assert_eq!(expiries(&test).await, json!([]));

    told(&test, "PUT", "/clock", json!({"signatures": "real"})).await;
    let day = told(&test, "POST", "/clock/advance", json!({"by": "24h"})).await;
    assert_eq!(day["now_ms"], START_MS + DAY_MS);
    assert_eq!(test.get(&old, SELF).await.status, 401, "the overlap ended");
    assert_eq!(test.get(&new, SELF).await.status, 200, "judged by real time");
    told(&test, "POST", "/clock/advance", json!({"by": "364d"})).await;
    assert_eq!(test.get(&new, SELF).await.status, 401, "expired");

    let mails = expiries(&test).await;
    let of = |at: usize| {
        let mail = &mails[at];
        (mail["api_id"].clone(), mail["kind"].clone(), mail["at"].clone())
    };
    assert_eq!(mails.as_array().map(Vec::len), Some(2), "none for the revoked pair: {mails}");
    let id = json!(new.id.as_str());
    assert_eq!(of(0), (id.clone(), json!("expires_in_7_days"), json!("2027-05-25T00:00:00.000Z")));
    assert_eq!(of(1), (id, json!("expires_in_1_day"), json!("2027-05-31T00:00:00.000Z")));
    told(&test, "POST", "/clock/advance", json!({"by": "365d"})).await;
    assert_eq!(expiries(&test).await, mails, "each is written once");

    let causes = told(&test, "GET", "/requests?status=401", json!(null)).await;
    let causes: Vec<_> = causes["requests"].as_array().expect("requests").iter().collect();
    assert_eq!((&causes[0]["cause"], &causes[1]["cause"]), (&json!("revoked"), &json!("expired")));
}

#[tokio::test]
async fn the_clock_is_set_held_and_given_back() {
    let test = TestPlatform::start_controlled(SeedSpec::Empty).await;
    let pair = test.mint("reader", READER).pair;
    let view =
        told(&test, "PUT", "/clock", json!({"now": "2026-06-02T00:00:00Z", "frozen": true})).await;
    assert_eq!((&view["frozen"], &view["now"]), (&json!(true), &json!("2026-06-02T00:00:00.000Z")));
    test.advance(DAY_MS);
    assert_eq!(told(&test, "GET", "/clock", json!(null)).await["now"], "2026-06-02T00:00:00.000Z");
    let answer = test.get(&pair, SELF).await;
    assert_eq!(answer.status, 200, "the virtual time is the signer's");
    assert_eq!(answer.header("date"), Some("Tue, 02 Jun 2026 00:00:00 GMT"));
    test.advance(DAY_MS);
    assert_eq!(test.get(&pair, SELF).await.status, 401, "a day ahead of the held clock");

    told(&test, "PUT", "/clock", json!({"frozen": false})).await;
    test.advance(1_000);
    let view = told(&test, "GET", "/clock", json!(null)).await;
    assert_eq!(view["now"], "2026-06-02T00:00:01.000Z", "it runs on from where it stood");
    // Another process mints in the same time.
    let minted = test.mint("later", READER);
    assert_eq!(minted.expires_ms, START_MS + DAY_MS + 1_000 + 365 * DAY_MS);
    let view = told(&test, "DELETE", "/clock", json!(null)).await;
    assert_eq!(view["now_ms"], START_MS + 2 * DAY_MS + 1_000);
}

#[tokio::test]
async fn the_recorder_tells_who_sent_what_and_no_secret() {
    let test = TestPlatform::start_controlled(SeedSpec::Demo).await;
    let admin = test.mint("admin", &["adminapi"]).pair;
    let pair = test.mint("reader", READER).pair;
    told(&test, "DELETE", "/requests", json!(null)).await;
    let listed = test.get(&pair, "/appsec/v1/applications?size=1").await;
    let own = test.call(&pair, "POST", OWN, "").await.json();
    test.get(&pair, "/api/authn/v2/users").await;
    let mut forged = pair.clone();
    forged.secret = admin.secret.clone();
    let refused = test.get(&forged, SELF).await;
    test.send("GET", SELF, &[("authorization", "Basic c2VjcmV0OnNlY3JldA==")], b"").await;

    let all = told(&test, "GET", "/requests", json!(null)).await;
    let entries = all["requests"].as_array().expect("requests").clone();
    let column = |name: &str| entries.iter().map(|entry| entry[name].clone()).collect::<Vec<_>>();
    assert_eq!(column("status"), [200, 200, 403, 401, 401].map(Value::from));
    let (reader, none) = (json!("reader"), json!(null));
    assert_eq!(column("caller"), [&reader, &reader, &reader, &none, &none].map(Value::clone));
    assert_eq!(
        column("cause"),
        [none.clone(), none.clone(), none, json!("signature_mismatch"), json!("malformed_header")]
    );
    assert_eq!(entries[0]["target"], "/appsec/v1/applications?size=1");
    assert_eq!(entries[0]["api_id"], pair.id.as_str());
    assert_eq!(entries[0]["conversation_id"].as_str(), listed.header("x-conversation-id"));
    assert_eq!(entries[3]["conversation_id"], refused.json()["message"]);

    for (query, count) in [
        ("", 5),
        ("?caller=reader", 3),
        (&format!("?caller={}", pair.id), 4),
        ("?method=post", 1),
        ("?path=/appsec/*", 1),
        ("?path=*/self&status=401", 2),
        ("?cause=signature_mismatch", 1),
        ("?path=/appsec", 0),
    ] {
        let found = told(&test, "GET", &format!("/requests/count{query}"), json!(null)).await;
        assert_eq!(found["count"], count, "{query}");
    }
    let met = json!({"method": "GET", "path": "*/applications", "caller": "reader", "at_least": 1});
    assert_eq!(told(&test, "POST", "/requests/expect", met).await["met"], true);
    let unmet = json!({"path": "*", "at_most": 4}).to_string();
    let unmet = test.control("POST", "/requests/expect", &unmet).await;
    assert_eq!((unmet.status, unmet.json()["count"].as_u64()), (409, Some(5)));
    assert_eq!(test.control("POST", "/requests/expect", "{}").await.status, 400);

    let archive = test.control("GET", "/requests/har", "").await;
    let text = String::from_utf8(archive.body.clone()).expect("text");
    assert_eq!(archive.json()["log"]["entries"].as_array().map(Vec::len), Some(5));
    let minted = own["api_secret"].as_str().expect("a secret").to_owned();
    for secret in [minted, pair.secret.expose_hex().to_string(), "c2VjcmV0".into()] {
        assert!(!text.contains(&secret));
    }
    assert!(text.contains("sig=redacted") && text.contains("Basic redacted"));
    told(&test, "DELETE", "/requests", json!(null)).await;
    assert_eq!(told(&test, "GET", "/requests", json!(null)).await["requests"], json!([]));
}

#[tokio::test]
async fn limits_change_while_it_runs() {
    let test = TestPlatform::start_controlled(SeedSpec::Empty).await;
    let (a, b) = (test.mint("a", READER).pair, test.mint("b", READER).pair);
    let old = json!({"requests": 2, "window_seconds": 120, "by": "account", "retry_after": false});
    told(&test, "PUT", "/limits", old.clone()).await;
    assert_eq!(told(&test, "GET", "/limits", json!(null)).await, old);
    for expected in [200, 200, 429] {
        let answer = test.get(&a, SELF).await;
        assert_eq!((answer.status, answer.header("retry-after")), (expected, None));
    }
    assert_eq!(test.get(&b, SELF).await.status, 200, "counted by account");
    told(&test, "POST", "/clock/advance", json!({"by": "120s"})).await;
    test.advance(120_000);
    told(&test, "DELETE", "/clock", json!(null)).await;
    assert_eq!(test.get(&a, SELF).await.status, 200);
    told(&test, "PUT", "/limits", json!({"requests": 1})).await;
    assert_eq!(test.get(&a, SELF).await.status, 200);
    let limited = test.get(&b, SELF).await;
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("60")));
    told(&test, "PUT", "/limits", json!({"requests": null})).await;
    assert_eq!(test.get(&b, SELF).await.status, 200);
    assert_eq!(test.control("PUT", "/limits", "{\"window_seconds\": 0}").await.status, 400);
}

#[tokio::test]
async fn the_tenant_is_put_aside_brought_back_and_reset() {
    let test = TestPlatform::start_controlled(SeedSpec::Demo).await;
    let upload = &["uploadapi", "apisubmitanyscan", "noteamrestrictionapi"];
    let pair = test.mint("upload", upload).pair;
    let everything = async || {
        let list = test.get(&pair, "/appsec/v1/applications?size=500").await;
        let users = test.get(&pair, SELF).await;
        (list.body, users.body)
    };
    let before = everything().await;
    let names = told(&test, "POST", "/snapshots/first", json!(null)).await;
    assert_eq!(names["snapshots"], json!(["first"]));

    let body = json!({"profile": {"name": "After", "business_criticality": "LOW"}}).to_string();
    assert_eq!(test.call(&pair, "POST", "/appsec/v1/applications", &body).await.status, 200);
    let list = test.get(&pair, "/appsec/v1/applications?size=1").await.json();
    let guid = list["_embedded"]["applications"][0]["guid"].as_str().expect("a guid").to_owned();
    let one = format!("/appsec/v1/applications/{guid}");
    assert_eq!(test.call(&pair, "DELETE", &one, "").await.status, 204);
    let late = test.mint("late", READER).pair;
    assert_eq!(test.get(&late, SELF).await.status, 200);

    told(&test, "POST", "/snapshots/first/restore", json!(null)).await;
    assert!(everything().await == before, "byte by byte as it was");
    assert_eq!(test.get(&late, SELF).await.status, 401, "who came later is gone");
    assert_eq!(test.control("POST", "/snapshots/none/restore", "").await.status, 400);
    for name in ["..", "a%2Fb", "a.b", &"x".repeat(65)] {
        let answer = test.control("POST", &format!("/snapshots/{name}"), "").await;
        assert_eq!(answer.status, 400, "{name}");
    }

    told(&test, "POST", "/reset", json!(null)).await;
    assert_eq!(test.get(&pair, SELF).await.status, 401, "and so is everybody");
    let fresh = test.mint("fresh", READER).pair;
    let list = test.get(&fresh, "/appsec/v1/applications?size=500").await;
    assert_eq!(list.body, before.0, "the same seed gives the same tenant");
    let names = told(&test, "DELETE", "/snapshots/first", json!(null)).await;
    assert_eq!(names["snapshots"], json!([]));
}

#[tokio::test]
async fn the_tenant_lives_the_same_life_twice() {
    let mut lives = Vec::new();
    for _ in 0..2 {
        let test = TestPlatform::start_controlled(SeedSpec::Demo).await;
        let pair = test.mint("reader", READER).pair;
        told(&test, "PUT", "/clock", json!({"signatures": "real"})).await;
        let events = told(&test, "POST", "/mutate", json!({"days": 12, "seed": 3})).await;
        for (name, count) in events.as_object().expect("an object") {
            assert_ne!(count, 0, "{name}: {events}");
        }
        assert_eq!(events["days"], 12);
        let list = test.get(&pair, "/appsec/v1/applications?size=500").await.body;
        let list = String::from_utf8(list).expect("text");
        lives.push((events, list));
    }
    assert!(lives[0] == lives[1]);
    let test = TestPlatform::start_controlled(SeedSpec::Empty).await;
    let events = told(&test, "POST", "/mutate", json!({"days": 9})).await;
    assert_eq!(events["scans_published"], 0, "nothing to scan is no error");
    for body in ["{\"days\": 0}", "{\"days\": 100000}", "{\"day\": 1}"] {
        assert_eq!(test.control("POST", "/mutate", body).await.status, 400, "{body}");
    }
}

/// With a clock that was set back the same days come again, and with them the same names.
#[tokio::test]
async fn days_that_come_again_are_lived_again() {
    let test = TestPlatform::start_controlled(SeedSpec::Empty).await;
    for seed in 0..8 {
        told(&test, "POST", "/mutate", json!({"days": 15, "seed": seed})).await;
        told(&test, "PUT", "/clock", json!({"now": "2026-06-02T00:00:00Z"})).await;
    }
}

/// What is made up about an application holds its name.
#[tokio::test]
async fn an_application_of_any_name_lives_on() {
    let test = TestPlatform::start_controlled(SeedSpec::Demo).await;
    let pair = test
        .mint("both", &["uploadapi", "apisubmitanyscan", "resultsapi", "noteamrestrictionapi"])
        .pair;
    const APPLICATIONS: &str = "/appsec/v1/applications";
    let list = test.get(&pair, &format!("{APPLICATIONS}?size=500")).await.json();
    let applications = list["_embedded"]["applications"].as_array().expect("some").clone();
    for (number, application) in applications.iter().enumerate() {
        let target = format!("{APPLICATIONS}/{}", application["guid"].as_str().expect("a guid"));
        let mut changed = application.clone();
        changed["profile"]["name"] = json!(format!("A\"B\\{number},}}]\u{202e}"));
        let answer = test.call(&pair, "PUT", &target, &changed.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
    }
    let events = told(&test, "POST", "/mutate", json!({"days": 12, "seed": 3})).await;
    assert!(events["findings_new"].as_u64() > Some(0), "{events}");
    let get = async |target: &str| {
        let header = test.header_at(&pair, "GET", target, START_MS + 12 * 86_400_000);
        test.send("GET", target, &[("authorization", &header)], b"").await
    };
    let list = get(&format!("{APPLICATIONS}?size=500")).await.json();
    let mut names = String::new();
    for application in list["_embedded"]["applications"].as_array().expect("some") {
        let guid = application["guid"].as_str().expect("a guid");
        for query in ["", "&scan_type=SCA"] {
            let target = format!("/appsec/v2/applications/{guid}/findings?size=500{query}");
            let page = get(&target).await;
            assert_eq!(page.status, 200);
            for finding in page.json()["_embedded"]["findings"].as_array().into_iter().flatten() {
                names.push_str(finding["finding_details"]["module"].as_str().unwrap_or_default());
            }
        }
    }
    assert!(names.contains("a\"b\\"), "no finding holds the name: {names} {events}");
}
