use countersign_platform::SeedSpec;
use countersign_signing::Pair;
use countersign_testkit::{Answer, TestPlatform};
use serde_json::json;

const OWN: &str = "/api/authn/v2/api_credentials";
const SELF: &str = "/api/authn/v2/users/self";
const DAY_MS: i64 = 86_400_000;

fn pair_of(answer: &Answer) -> Pair {
    let body = answer.json();
    let text = |name: &str| body[name].as_str().expect("a text").to_owned();
    Pair::parse(&text("api_id"), &text("api_secret")).expect("a pair")
}

#[tokio::test]
async fn a_new_pair_overlaps_with_the_old_one_for_a_day() {
    let test = TestPlatform::start(SeedSpec::Empty).await;
    let old = test.mint("reader", &["resultsapi", "noteamrestrictionapi"]).pair;
    let answer = test.call(&old, "POST", OWN, "{\"user_id\": null}").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.json()["expiration_ts"], "2027-06-01T00:00:00.000Z");
    let new = pair_of(&answer);

    let state = test.get(&new, OWN).await;
    assert_eq!(state.json()["api_id"], new.id.as_str());
    assert!(state.json().get("api_secret").is_none(), "the secret is shown once");
    test.advance(DAY_MS - 1);
    assert_eq!(test.get(&old, SELF).await.status, 200);
    test.advance(1);
    assert_eq!(test.get(&old, SELF).await.status, 401);
    assert_eq!(test.get(&new, SELF).await.status, 200);
}

#[tokio::test]
async fn a_pair_lives_for_a_year() {
    let test = TestPlatform::start(SeedSpec::Empty).await;
    let pair = test.mint("reader", &["resultsapi", "noteamrestrictionapi"]).pair;
    test.advance(365 * DAY_MS - 1);
    let body = test.get(&pair, SELF).await.json();
    assert_eq!(body["api_credentials"]["expiration_ts"], "2027-06-01T00:00:00.000Z");
    test.advance(1);
    assert_eq!(test.get(&pair, SELF).await.status, 401);
}

#[tokio::test]
async fn an_administrator_creates_renews_and_revokes_for_api_users_only() {
    let test = TestPlatform::start(SeedSpec::Empty).await;
    let admin = test.mint("admin", &["adminapi"]).pair;
    let users = "/api/authn/v2/users?generate_api_creds=TRUE";
    let input = json!({
        "user_name": "ci", "email_address": "ci@example.com", "first_name": "C", "last_name": "I",
        "roles": [{"role_name": "resultsapi"}, {"role_name": "noteamrestrictionapi"}],
        "permissions": [{"permission_name": "apiUser"}], "userType": "VOSP", "unknown": 1,
    });
    let created = test.call(&admin, "POST", users, &input.to_string()).await;
    assert_eq!(created.status, 201, "{}", created.json());
    let body = created.json();
    let credentials = &body["api_credentials"];
    let text = |name: &str| credentials[name].as_str().expect("a text");
    let first = Pair::parse(text("api_id"), text("api_secret")).expect("a pair");
    assert_eq!(test.get(&first, SELF).await.status, 200);
    let again = test.call(&admin, "POST", users, &input.to_string()).await;
    assert_eq!(
        (again.status, again.json()["errors"][0].as_str()),
        (400, Some("user_name: ci is taken."))
    );

    let user_id = body["user_id"].as_str().expect("an id");
    let of_user = format!("{OWN}/user_id/{user_id}");
    let second = pair_of(&test.call(&admin, "POST", &of_user, "").await);
    assert_eq!(test.get(&admin, &of_user).await.json()["api_id"], second.id.as_str());
    assert_eq!(test.call(&admin, "DELETE", &format!("{OWN}/{}", second.id), "").await.status, 204);
    assert_eq!(test.get(&second, SELF).await.status, 401, "at once");

    let mut human = input.clone();
    human["user_name"] = json!("person@example.com");
    human["permissions"] = json!([]);
    human["roles"] = json!([{"role_name": "extreviewer"}]);
    let person = test.call(&admin, "POST", "/api/authn/v2/users", &human.to_string()).await;
    let person_id = person.json()["user_id"].as_str().expect("an id").to_owned();
    let of_person = format!("{OWN}/user_id/{person_id}");
    for method in ["GET", "POST", "DELETE"] {
        assert_eq!(test.call(&admin, method, &of_person, "").await.status, 403, "{method}");
    }
    assert_eq!(
        test.call(&admin, "DELETE", &format!("/api/authn/v2/users/{user_id}"), "").await.status,
        200
    );
    assert_eq!(test.get(&first, SELF).await.status, 401);
}

#[tokio::test]
async fn invalid_users_are_told_every_reason() {
    let test = TestPlatform::start(SeedSpec::Empty).await;
    let admin = test.mint("admin", &["adminapi"]).pair;
    let answer = test.call(&admin, "POST", "/api/authn/v2/users", "").await;
    let body = answer.json();
    assert_eq!((answer.status, body["status"].as_u64()), (400, Some(400)));
    assert_eq!(body["errors"].as_array().map(Vec::len), Some(5), "{body}");
}

#[tokio::test]
async fn nobody_sees_the_pair_of_another() {
    let test = TestPlatform::start(SeedSpec::Empty).await;
    let a = test.mint("a", &["resultsapi", "noteamrestrictionapi"]).pair;
    let b = test.mint("b", &["resultsapi", "noteamrestrictionapi"]).pair;
    for method in ["GET", "DELETE"] {
        let target = format!("{OWN}/{}", b.id);
        assert_eq!(test.call(&a, method, &target, "").await.status, 404, "{method}");
    }
    assert_eq!(test.get(&b, SELF).await.status, 200);
}
