use countersign_platform::SeedSpec;
use countersign_signing::Pair;
use countersign_testkit::{Answer, TestPlatform};
use data_encoding::BASE64;
use serde_json::{Value, json};

const CLIENTS: &str = "/api/authn/v2/oauth_clients";
const TOKEN: &str = "/api/authn/v2/oauth2/token";
const SELF: &str = "/api/authn/v2/users/self";
const LIST: &str = "/appsec/v1/applications?size=1";
const DAY_MS: i64 = 86_400_000;

async fn start() -> (TestPlatform, Pair) {
    let test = TestPlatform::start_controlled(SeedSpec::Demo).await;
    let roles = ["resultsapi", "adminapi", "noteamrestrictionapi"];
    let pair = test.mint("reader", &roles).pair;
    (test, pair)
}

async fn made(test: &TestPlatform, pair: &Pair, body: Value) -> (String, String) {
    let answer = test.call(pair, "POST", CLIENTS, &body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    let body = answer.json();
    let text = |name: &str| body[name].as_str().expect("a text").to_owned();
    (text("client_id"), text("client_secret"))
}

async fn exchange(test: &TestPlatform, id: &str, secret: &str) -> Answer {
    let basic = format!("Basic {}", BASE64.encode(format!("{id}:{secret}").as_bytes()));
    let headers = [("authorization", basic.as_str())];
    test.send("POST", TOKEN, &headers, b"grant_type=client_credentials").await
}

async fn token(test: &TestPlatform, (id, secret): &(String, String)) -> String {
    let answer = exchange(test, id, secret).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    let body = answer.json();
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(3600)));
    body["access_token"].as_str().expect("a token").to_owned()
}

async fn bear(test: &TestPlatform, token: &str, method: &str, target: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    test.send(method, target, &[("authorization", &bearer)], b"{}").await
}

#[tokio::test]
async fn one_refusal_for_every_wrong_client() {
    let (test, pair) = start().await;
    let good = made(&test, &pair, json!({"name": "good"})).await;
    let revoked = made(&test, &pair, json!({"name": "revoked"})).await;
    let target = format!("{CLIENTS}/{}", revoked.0);
    assert_eq!(test.call(&pair, "DELETE", &target, "").await.status, 204);
    let short = made(&test, &pair, json!({"name": "short", "expires_in_days": 1})).await;
    told(&test, "PUT", "/clock", json!({"signatures": "real"})).await;
    told(&test, "POST", "/clock/advance", json!({"by": "1d"})).await;

    let mut bodies = Vec::new();
    for (id, secret) in [
        (good.0.as_str(), "wrong"),
        (&good.0, ""),
        (&good.0, &short.1),
        ("nobody", &good.1),
        ("", ""),
        (&revoked.0, &revoked.1),
        (&short.0, &short.1),
    ] {
        let answer = exchange(&test, id, secret).await;
        assert_eq!(answer.status, 401, "{id}");
        assert!(answer.header("www-authenticate").is_some());
        bodies.push(answer.body);
    }
    let none = test.send("POST", TOKEN, &[], b"grant_type=client_credentials").await;
    bodies.push(none.body);
    assert!(bodies.iter().all(|body| body == b"{\"error\":\"invalid_client\"}"));
    let basic = format!("Basic {}", BASE64.encode(format!("{}:{}", good.0, good.1).as_bytes()));
    for (body, error) in [
        (&b"grant_type=password"[..], "unsupported_grant_type"),
        (b"", "invalid_request"),
        (b"\xff\xfe", "invalid_request"),
    ] {
        let answer = test.send("POST", TOKEN, &[("authorization", &basic)], body).await;
        assert_eq!((answer.status, &answer.json()["error"]), (400, &json!(error)));
    }
    assert_eq!(exchange(&test, &good.0, &good.1).await.status, 200);
}

async fn told(test: &TestPlatform, method: &str, target: &str, body: Value) {
    assert_eq!(test.control(method, target, &body.to_string()).await.status, 200);
}

#[tokio::test]
async fn refused_tokens_look_like_refused_signatures() {
    let (test, pair) = start().await;
    let client = made(&test, &pair, json!({"name": "ci"})).await;
    let live = token(&test, &client).await;
    assert_eq!(bear(&test, &live, "GET", LIST).await.status, 200);
    let good = format!("Bearer {live}");
    let twice = [("authorization", good.as_str()), ("authorization", good.as_str())];
    let long = "x".repeat(300);
    let mut answers = vec![
        test.send("GET", LIST, &twice, b"").await,
        test.send("GET", LIST, &[("authorization", &live)], b"").await,
        test.send("GET", &format!("{LIST}&access_token={live}"), &[], b"").await,
    ];
    for wrong in ["", " ", &live[1..], &live.to_uppercase(), &client.1, &long] {
        answers.push(bear(&test, wrong, "GET", LIST).await);
    }
    told(&test, "PUT", "/clock", json!({"signatures": "real"})).await;
    told(&test, "POST", "/clock/advance", json!({"by": "1h"})).await;
    answers.push(bear(&test, &live, "GET", LIST).await);
    for answer in answers {
        assert_eq!((answer.status, &answer.json()["http_status"]), (401, &json!("Unauthorized")));
        assert_eq!(answer.json().as_object().map(serde_json::Map::len), Some(3));
    }
    let control = test.platform.control().expect("controls").url();
    let answer = test.send_to(&control, "GET", "/clock", &[("authorization", &good)], b"").await;
    assert_eq!(answer.expect("an answer").status, 401, "and elsewhere it is nothing");
}

#[tokio::test]
async fn a_token_never_turns_into_more_than_it_is() {
    let (test, pair) = start().await;
    let narrow = json!({"name": "narrow", "roles": [{"role_name": "noteamrestrictionapi"}]});
    let narrow = made(&test, &pair, narrow).await;
    let wide = made(&test, &pair, json!({"name": "wide"})).await;
    let (narrow_token, wide_token) = (token(&test, &narrow).await, token(&test, &wide).await);
    let own = bear(&test, &narrow_token, "GET", SELF).await.json();
    assert_eq!(own["roles"].as_array().map(Vec::len), Some(1));
    assert!(own.get("api_credentials").is_none());
    assert_eq!(bear(&test, &narrow_token, "GET", LIST).await.status, 200);
    let list = test.get(&pair, "/appsec/v1/applications?size=5").await.json();
    let guid = list["_embedded"]["applications"][4]["guid"].as_str().expect("a guid").to_owned();
    let findings = format!("/appsec/v2/applications/{guid}/findings");
    assert_eq!(bear(&test, &narrow_token, "GET", &findings).await.status, 403);
    assert_eq!(bear(&test, &wide_token, "GET", &findings).await.status, 200);
    assert_eq!(bear(&test, &narrow_token, "GET", "/api/authn/v2/users").await.status, 403);
    assert_eq!(bear(&test, &wide_token, "GET", "/api/authn/v2/users").await.status, 200);

    let user_id = own["user_id"].as_str().expect("an id");
    for (method, target) in [
        ("POST", "/api/authn/v2/api_credentials".to_owned()),
        ("DELETE", "/api/authn/v2/api_credentials".to_owned()),
        ("DELETE", format!("/api/authn/v2/api_credentials/{}", pair.id)),
        ("POST", format!("/api/authn/v2/api_credentials/user_id/{user_id}")),
        ("DELETE", format!("/api/authn/v2/api_credentials/user_id/{user_id}")),
        ("POST", "/api/authn/v2/users?generate_api_creds=true".to_owned()),
        ("POST", CLIENTS.to_owned()),
        ("POST", format!("{CLIENTS}/user_id/{user_id}")),
        ("POST", format!("{CLIENTS}/{}/rotate", wide.0)),
        ("POST", format!("{CLIENTS}/{}/clone", wide.0)),
        ("DELETE", format!("{CLIENTS}/{}", wide.0)),
    ] {
        let answer = bear(&test, &wide_token, method, &target).await;
        assert_eq!(answer.status, 403, "{method} {target}");
    }
    let wider = json!({"name": "x", "roles": [{"role_name": "uploadapi"}]}).to_string();
    assert_eq!(test.call(&pair, "POST", CLIENTS, &wider).await.status, 400);

    // A role that the account loses, its clients lose.
    let target = format!("/api/authn/v2/users/{user_id}?partial=true");
    let fewer = json!({"roles": [{"role_name": "adminapi"}]}).to_string();
    assert_eq!(test.call(&pair, "PUT", &target, &fewer).await.status, 200);
    assert_eq!(bear(&test, &wide_token, "GET", &findings).await.status, 403);
    assert_eq!(bear(&test, &narrow_token, "GET", LIST).await.status, 403, "nothing is left of it");
    let off = json!({"active": false}).to_string();
    assert_eq!(test.call(&pair, "PUT", &target, &off).await.status, 400, "not by itself");
    let another = test.mint("another", &["adminapi"]).pair;
    assert_eq!(test.call(&another, "PUT", &target, &off).await.status, 200);
    assert_eq!(bear(&test, &wide_token, "GET", SELF).await.status, 401);
}

#[tokio::test]
async fn clients_are_listed_rotated_cloned_and_revoked() {
    let (test, pair) = start().await;
    let other = test.mint("other", &["resultsapi", "noteamrestrictionapi"]).pair;
    for (body, word) in [
        (json!({}), "name"),
        (json!({"name": "n", "expires_in_days": 366}), "expires_in_days"),
        (json!({"name": "n", "expires_in_days": 0}), "expires_in_days"),
        (json!({"name": "n", "roles": []}), "roles"),
        (json!({"name": "x".repeat(129)}), "name"),
        (json!({"name": "n", "description": "x".repeat(1025)}), "description"),
    ] {
        let answer = test.call(&pair, "POST", CLIENTS, &body.to_string()).await;
        assert_eq!(answer.status, 400);
        assert!(answer.json()["errors"].to_string().contains(word), "{}", answer.json());
    }
    let first =
        made(&test, &pair, json!({"name": "ci", "description": "d", "expires_in_days": 10})).await;
    let taken = test.call(&pair, "POST", CLIENTS, &json!({"name": "CI"}).to_string()).await;
    assert!(taken.json()["errors"].to_string().contains("taken"));
    let listed = test.get(&pair, CLIENTS).await.json();
    let one = &listed["oauth_clients"][0];
    assert_eq!(
        (&one["status"], &one["expiration_ts"]),
        (&json!("ACTIVE"), &json!("2026-06-11T00:00:00.000Z"))
    );
    assert!(!listed.to_string().contains(&first.1), "the secret is shown once");

    let own = format!("{CLIENTS}/{}", first.0);
    for (method, target) in [
        ("GET", own.clone()),
        ("DELETE", own.clone()),
        ("POST", format!("{own}/rotate")),
        ("POST", format!("{own}/clone")),
    ] {
        let answer = test.call(&other, method, &target, "{\"name\": \"theirs\"}").await;
        assert_eq!(answer.status, 404, "{method} {target}: another's client is not there");
    }

    let old_token = token(&test, &first).await;
    let rotated = test.call(&pair, "POST", &format!("{own}/rotate"), "").await.json();
    let secret = rotated["client_secret"].as_str().expect("a secret").to_owned();
    assert_eq!(bear(&test, &old_token, "GET", LIST).await.status, 401, "its tokens are dead");
    assert_eq!(exchange(&test, &first.0, &first.1).await.status, 401);
    let second = (first.0.clone(), secret);
    let live = token(&test, &second).await;
    assert!(test.get(&pair, &own).await.json()["last_used_ts"].is_string());

    let copy =
        test.call(&pair, "POST", &format!("{own}/clone"), "{\"name\": \"copy\"}").await.json();
    assert_eq!(
        (&copy["description"], &copy["expiration_ts"]),
        (&json!("d"), &json!("2026-06-11T00:00:00.000Z"))
    );
    assert_ne!(copy["client_id"], first.0.as_str());
    assert_eq!(test.call(&pair, "DELETE", &own, "").await.status, 204);
    assert_eq!(bear(&test, &live, "GET", LIST).await.status, 401);
    assert_eq!(test.get(&pair, &own).await.json()["status"], "REVOKED");
    assert_eq!(test.call(&pair, "POST", &format!("{own}/rotate"), "").await.status, 409);

    let admin = test.get(&other, SELF).await.json();
    let of_other = format!("{CLIENTS}/user_id/{}", admin["user_id"].as_str().expect("an id"));
    let theirs = test.call(&pair, "POST", &of_other, "{\"name\": \"made for them\"}").await.json();
    assert!(theirs["client_secret"].is_string());
    assert_eq!(test.get(&other, CLIENTS).await.json()["oauth_clients"][0]["name"], "made for them");
    test.advance(10 * DAY_MS);
    let listed = test.get(&pair, CLIENTS).await.json();
    let mut clients = listed["oauth_clients"].as_array().expect("clients").iter();
    let copied = clients.find(|client| client["name"] == "copy").expect("the copy");
    assert_eq!(copied["status"], "EXPIRED");
}
