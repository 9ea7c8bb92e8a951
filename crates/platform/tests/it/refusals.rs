use countersign_platform::SeedSpec;
use countersign_testkit::{Answer, TestPlatform};

const SELF: &str = "/api/authn/v2/users/self";
const MINUTE_MS: i64 = 60_000;

/// Everything of an answer but its conversation id.
fn anonymous(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let ids = answer.header("x-conversation-id").expect("a conversation id").to_owned();
    let (first, second) = ids.split_once(", ").expect("two ids on a 401");
    assert_eq!((first.len(), second.len()), (36, 36));
    let body = String::from_utf8(answer.body.clone()).expect("text");
    assert!(body.contains(second), "the message is the second id");
    let headers = answer
        .headers
        .iter()
        .filter(|(name, _)| name != "x-conversation-id" && name != "date")
        .cloned()
        .collect();
    (answer.status, headers, body.replace(second, "ID"))
}

#[tokio::test]
async fn every_authentication_failure_is_the_same_to_the_caller() {
    let test = TestPlatform::start(SeedSpec::Empty).await;
    let pair = test.mint("reader", &["resultsapi", "noteamrestrictionapi"]).pair;
    let other = test.mint("other", &["resultsapi", "noteamrestrictionapi"]).pair;
    let now_ms = countersign_testkit::START_MS;
    let good = || test.header(&pair, "GET", SELF);
    assert_eq!(test.get(&pair, SELF).await.status, 200);

    let mut wrong_key = pair.clone();
    wrong_key.secret = other.secret.clone();
    let mut unknown = pair.clone();
    unknown.id = countersign_signing::ApiId::parse(&"0".repeat(32)).expect("an id");
    let used = good();
    assert_eq!(test.send("GET", SELF, &[("authorization", &used)], b"").await.status, 200);
    let query = format!("{SELF}?a=1");

    let mut answers = Vec::new();
    let mut refuse = |name: &'static str, answer: Answer| answers.push((name, answer));
    refuse("no header", test.send("GET", SELF, &[], b"").await);
    let one = |value: String| vec![("authorization", value)];
    for (name, method, target, headers) in [
        ("wrong scheme", "GET", SELF, one("Bearer abc".into())),
        ("malformed", "GET", SELF, one(good().replace("sig=", "sig=zz"))),
        ("unknown id", "GET", SELF, one(test.header(&unknown, "GET", SELF))),
        ("wrong key", "GET", SELF, one(test.header(&wrong_key, "GET", SELF))),
        ("altered path", "GET", "/api/authn/v2/users/Self", one(good())),
        ("altered query", "GET", query.as_str(), one(good())),
        (
            "altered method",
            "POST",
            "/api/authn/v2/api_credentials",
            one(test.header(&pair, "GET", "/api/authn/v2/api_credentials")),
        ),
        ("stale", "GET", SELF, one(test.header_at(&pair, "GET", SELF, now_ms - 5 * MINUTE_MS - 1))),
        (
            "future",
            "GET",
            SELF,
            one(test.header_at(&pair, "GET", SELF, now_ms + 5 * MINUTE_MS + 1)),
        ),
        ("replayed", "GET", SELF, one(used.clone())),
        ("doubled header", "GET", SELF, vec![("authorization", good()), ("authorization", good())]),
        (
            "altered host",
            "GET",
            SELF,
            vec![("authorization", good()), ("host", "localhost".into())],
        ),
    ] {
        let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        refuse(name, test.send(method, target, &headers, b"").await);
    }

    let revoked = test.mint("revoked", &["resultsapi", "noteamrestrictionapi"]).pair;
    let target = "/api/authn/v2/api_credentials";
    assert_eq!(test.call(&revoked, "DELETE", target, "").await.status, 204);
    refuse("revoked", test.get(&revoked, SELF).await);

    let database = rusqlite::Connection::open(test.home.path().join("platform.sqlite"));
    let disabled = test.mint("disabled", &["resultsapi", "noteamrestrictionapi"]).pair;
    assert_eq!(test.get(&disabled, SELF).await.status, 200);
    let database = database.expect("the database opens");
    database.execute("update users set active = 0 where name = 'disabled'", []).expect("an update");
    // Noticed within a fraction of a second; a write of its own, at once.
    let mut answer = test.get(&disabled, SELF).await;
    for _ in 0..10_000 {
        if answer.status != 200 {
            break;
        }
        answer = test.get(&disabled, SELF).await;
    }
    refuse("disabled by another process", answer);
    database
        .execute("update users set ip_restricted = 1, allowed_ips = '[\"10.0.0.*\"]' where name = 'other'", [])
        .expect("an update");
    refuse("address", test.get(&other, SELF).await);

    test.advance(365 * 24 * 60 * MINUTE_MS);
    refuse("expired", test.get(&pair, SELF).await);

    let expected = anonymous(&answers[0].1);
    assert_eq!(expected.0, 401);
    assert_eq!(expected.2, r#"{"message":"ID","http_code":401,"http_status":"Unauthorized"}"#);
    for (name, answer) in &answers {
        assert_eq!(anonymous(answer), expected, "{name}");
    }
}

#[tokio::test]
async fn window_edges_are_accepted() {
    let test = TestPlatform::start(SeedSpec::Empty).await;
    let pair = test.mint("reader", &["resultsapi", "noteamrestrictionapi"]).pair;
    for offset_ms in [-5 * MINUTE_MS, 5 * MINUTE_MS] {
        let at_ms = countersign_testkit::START_MS + offset_ms;
        let header = test.header_at(&pair, "GET", SELF, at_ms);
        assert_eq!(test.send("GET", SELF, &[("authorization", &header)], b"").await.status, 200);
    }
}

#[tokio::test]
async fn a_nonce_is_not_burnt_without_the_key() {
    let test = TestPlatform::start(SeedSpec::Empty).await;
    let pair = test.mint("reader", &["resultsapi", "noteamrestrictionapi"]).pair;
    let good = test.header(&pair, "GET", SELF);
    let last = if good.ends_with('0') { "1" } else { "0" };
    let forged = format!("{}{last}", &good[..good.len() - 1]);
    assert_eq!(test.send("GET", SELF, &[("authorization", &forged)], b"").await.status, 401);
    assert_eq!(test.send("GET", SELF, &[("authorization", &good)], b"").await.status, 200);
}

#[tokio::test]
async fn too_many_too_large_and_malformed() {
    let test = TestPlatform::start_with(SeedSpec::Empty, |config| {
        config.requests_per_minute = Some(8);
    })
    .await;
    let admin = test.mint("admin", &["adminapi"]).pair;
    let huge = "x".repeat(40_000);
    assert_eq!(test.send("GET", SELF, &[("x-filler", &huge)], b"").await.status, 431);

    let users = "/api/authn/v2/users";
    let body = format!("{{\"title\":\"{}\"}}", "x".repeat(2 << 20));
    assert_eq!(test.call(&admin, "POST", users, &body).await.status, 413);
    let malformed = test.call(&admin, "POST", users, "{\"user_name\":").await;
    assert_eq!((malformed.status, malformed.json()["http_code"].as_u64()), (400, Some(400)));
    let guid = test.get(&admin, "/api/authn/v2/users/not-a-guid").await;
    assert_eq!(guid.status, 400);
    assert!(guid.json()["message"].as_str().is_some_and(|text| text.contains("not-a-guid")));
    assert_eq!(test.get(&admin, "/api/authn/v2/nothing").await.status, 404);
    assert_eq!(test.call(&admin, "PATCH", users, "").await.status, 405);
    let unsigned = test.send("GET", "/api/authn/v2/nothing", &[], b"").await;
    assert_eq!(unsigned.status, 401, "who is not known learns of no resource");

    while test.get(&admin, SELF).await.status == 200 {}
    let limited = test.get(&admin, SELF).await;
    assert_eq!(limited.status, 429);
    assert_eq!(limited.header("retry-after"), Some("60"));
    assert_eq!(limited.json()["http_code"], 429);
    test.advance(MINUTE_MS);
    assert_eq!(test.get(&admin, SELF).await.status, 200);
}

#[tokio::test]
async fn a_refused_request_leaves_its_connection_usable() {
    let test = TestPlatform::start(SeedSpec::Empty).await;
    let refused =
        "POST /api/authn/v2/users HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 2\r\n\r\n";
    let next =
        "GET /.well-known/countersign HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n";
    for _ in 0..50 {
        let answers = test.converse(&[refused, "{}", next]).await;
        let statuses: Vec<_> = answers.matches("HTTP/1.1 ").collect();
        assert_eq!(statuses.len(), 2, "{answers}");
        assert!(answers.starts_with("HTTP/1.1 401") && answers.contains("HTTP/1.1 200"));
    }
}

/// Signers write the host of an address as their URL library calls it.
#[tokio::test]
async fn an_address_is_signed_with_its_brackets_or_without() {
    let test = TestPlatform::start(SeedSpec::Empty).await;
    let pair = test.mint("reader", &["resultsapi", "noteamrestrictionapi"]).pair;
    let at_ms = u64::try_from(countersign_testkit::START_MS).expect("a time after 1970");
    let mut nonce = 0;
    let mut ask = async |signed: &str, sent: &str| {
        nonce += 1;
        let request = countersign_signing::Request::new("GET", signed, SELF);
        let header = countersign_signing::Signer::new(&pair)
            .authorize(&request, at_ms, &[nonce; 16])
            .expect("signing works");
        let headers = [("host", sent), ("authorization", &header)];
        test.send("GET", SELF, &headers, b"").await.status
    };
    for (signed, sent, status) in [
        ("[::1]", "[::1]:8443", 200),
        ("::1", "[::1]:8443", 200),
        ("::1", "[::1]", 200),
        ("::2", "[::1]:8443", 401),
        ("[::1", "[::1]:8443", 401),
        (":", "[::1]:8443", 401),
        ("", "[::1]:8443", 401),
        ("127.0.0.1", "[127.0.0.1]", 200),
        ("[127.0.0.1]", "127.0.0.1", 401),
    ] {
        assert_eq!(ask(signed, sent).await, status, "{signed} at {sent}");
    }
}

/// Metrics name nothing of the tenant but how much there is, and are not for everybody.
#[tokio::test]
async fn metrics_are_for_who_has_the_token_or_reaches_their_own_listener() {
    let test = TestPlatform::start_with(SeedSpec::Empty, |config| {
        config.metrics = Some(([127, 0, 0, 1], 0).into());
        config.metrics_token = Some("a-token-of-the-metrics".to_owned().into());
    })
    .await;
    let refused = test.send("GET", "/metrics", &[], b"").await;
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer")));
    let wrong = [("authorization", "Bearer a-token-of-the-metric")];
    assert_eq!(test.send("GET", "/metrics", &wrong, b"").await.status, 401);
    assert_eq!(test.send("GET", SELF, &[], b"").await.status, 401);
    let token = [("authorization", "Bearer a-token-of-the-metrics")];
    let answer = test.send("GET", "/metrics", &token, b"").await;
    let text = String::from_utf8(answer.body).expect("text");
    assert_eq!(answer.status, 200, "{text}");
    assert!(text.contains("countersign_platform_requests_total{status=\"401\"} 1\n"), "{text}");
    assert!(text.contains("countersign_platform_findings 0\n") && text.ends_with("# EOF\n"));
    let own = test.platform.metrics_url().expect("a listener");
    assert!(own.starts_with("http://127.0.0.1:") && own.ends_with("/metrics"), "{own}");
}

/// A service manager has no credentials, and its questions are no requests of the API.
#[tokio::test]
async fn health_is_answered_unsigned_and_counts_as_no_request() {
    let test = TestPlatform::start_with(SeedSpec::Empty, |config| {
        config.requests_per_minute = Some(1);
        config.control = Some(([127, 0, 0, 1], 0).into());
    })
    .await;
    for _ in 0..3 {
        for (path, body) in [("/healthz", "{\"alive\":true}\n"), ("/readyz", "{\"ready\":true}\n")]
        {
            let answer = test.send("GET", path, &[], b"").await;
            assert_eq!((answer.status, answer.body.as_slice()), (200, body.as_bytes()), "{path}");
        }
    }
    assert_eq!(test.send("GET", SELF, &[], b"").await.status, 401, "not yet limited");
    assert_eq!(test.send("POST", "/readyz", &[], b"").await.status, 405);
    let recorded = test.control("GET", "/requests", "").await;
    assert!(!String::from_utf8_lossy(&recorded.body).contains("readyz"));
}
