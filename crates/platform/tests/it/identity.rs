use countersign_platform::SeedSpec;
use countersign_signing::Pair;
use countersign_testkit::{Answer, TestPlatform};
use serde_json::{Value, json};

const USERS: &str = "/api/authn/v2/users";
const TEAMS: &str = "/api/authn/v2/teams";
const UNITS: &str = "/api/authn/v2/business_units";

async fn start() -> (TestPlatform, Pair) {
    let test = TestPlatform::start(SeedSpec::Empty).await;
    let admin = test.mint("admin", &["adminapi"]).pair;
    (test, admin)
}

async fn put(test: &TestPlatform, pair: &Pair, target: &str, body: &Value) -> Answer {
    test.call(pair, "PUT", target, &body.to_string()).await
}

async fn made(test: &TestPlatform, pair: &Pair, target: &str, body: &Value) -> Value {
    let answer = test.call(pair, "POST", target, &body.to_string()).await;
    assert!((200..=201).contains(&answer.status), "{target}: {}", answer.json());
    answer.json()
}

fn errors(answer: &Answer) -> String {
    assert_eq!(answer.status, 400, "{}", answer.json());
    answer.json()["errors"].to_string()
}

fn names<'a>(list: &'a Value, member: &str) -> Vec<&'a str> {
    list.as_array().into_iter().flatten().filter_map(|item| item[member].as_str()).collect()
}

fn api_user(name: &str) -> Value {
    json!({
        "user_name": name, "email_address": "ci@example.com", "first_name": "C", "last_name": "I",
        "roles": [{"role_name": "resultsapi"}, {"role_name": "noteamrestrictionapi"}],
        "permissions": [{"permission_name": "apiUser"}],
    })
}

#[tokio::test]
async fn refused_changes_of_a_user_change_nothing() {
    let (test, admin) = start().await;
    let user = made(&test, &admin, USERS, &api_user("ci")).await;
    made(&test, &admin, USERS, &api_user("other")).await;
    let one = format!("{USERS}/{}", user["user_id"].as_str().expect("an id"));
    let before = test.get(&admin, &one).await.json();
    let partial = format!("{one}?partial=TRUE");
    for (target, body, word) in [
        (&one, json!({}), "user_name"),
        (&partial, json!({"user_name": "OTHER"}), "taken"),
        (&partial, json!({"user_name": " "}), "1 to 256"),
        (&partial, json!({"roles": [{"role_name": "extreviewer"}]}), "cannot be given"),
        (&partial, json!({"roles": [{"role_name": "nobody"}]}), "not a role"),
        (&partial, json!({"roles": [{"role_name": "resultsapi"}]}), "needs teams"),
        (&partial, json!({"roles": [{"role_name": "uploadapi"}]}), "scan type role"),
        (&partial, json!({"teams": [{"team_name": "Nowhere"}]}), "team_id"),
        (&partial, json!({"permissions": [{"permission_name": "humanUser"}]}), "cannot change"),
        (&partial, json!({"allowed_ip_addresses": ["74.*.*.1"]}), "not an address"),
        (&partial, json!({"saml_user": true}), "SAML"),
    ] {
        let answer = put(&test, &admin, target, &body).await;
        assert!(errors(&answer).contains(word), "{body}: {}", answer.json());
    }
    assert_eq!(test.get(&admin, &one).await.json(), before);
    let unknown = format!("{USERS}/00000000-0000-4000-8000-000000000000");
    assert_eq!(put(&test, &admin, &unknown, &json!({})).await.status, 404);
}

#[tokio::test]
async fn partial_keeps_whole_clears_and_incremental_adds() {
    let (test, admin) = start().await;
    let user = made(&test, &admin, USERS, &api_user("ci")).await;
    let one = format!("{USERS}/{}", user["user_id"].as_str().expect("an id"));
    for team in ["Blue", "Green"] {
        made(&test, &admin, TEAMS, &json!({"team_name": team})).await;
    }

    let partial = format!("{one}?partial=true&incremental=false");
    let body = json!({"last_name": "Reader", "ip_restricted": "TRUE",
        "allowed_ip_addresses": ["127.0.0.*"], "teams": [{"team_name": "Blue"}]});
    let changed = put(&test, &admin, &partial, &body).await.json();
    assert_eq!((&changed["last_name"], &changed["first_name"]), (&json!("Reader"), &json!("C")));
    assert_eq!(changed["ip_restricted"], true);
    assert_eq!(names(&changed["teams"], "team_name"), ["Blue"]);
    assert_eq!(names(&changed["roles"], "role_name"), ["noteamrestrictionapi", "resultsapi"]);

    let adding = format!("{one}?partial=true&incremental=true");
    let body = json!({"teams": [{"team_name": "green", "relationship": "ADMIN"}],
        "roles": [{"role_name": "mitigationapi"}]});
    let changed = put(&test, &admin, &adding, &body).await.json();
    assert_eq!(names(&changed["teams"], "team_name"), ["Blue", "Green"]);
    assert_eq!(changed["teams"][1]["relationship"]["name"], "ADMIN");
    assert_eq!(changed["roles"].as_array().map(Vec::len), Some(3));

    let mut body = api_user("ci");
    body["roles"] = json!([{"role_name": "adminapi"}]);
    let changed = put(&test, &admin, &one, &body).await.json();
    assert_eq!(names(&changed["roles"], "role_name"), ["adminapi"]);
    assert_eq!(changed["teams"], json!([]));
    assert_eq!((&changed["ip_restricted"], &changed["active"]), (&json!(false), &json!(true)));
    assert_eq!(changed["allowed_ip_addresses"], json!([]));
}

#[tokio::test]
async fn a_disabled_account_is_refused_at_once_and_returns() {
    let (test, admin) = start().await;
    let with_pair = format!("{USERS}?generate_api_creds=true");
    let user = made(&test, &admin, &with_pair, &api_user("ci")).await;
    let text = |name: &str| user["api_credentials"][name].as_str().expect("a text");
    let pair = Pair::parse(text("api_id"), text("api_secret")).expect("a pair");
    let own = format!("{USERS}/self");
    assert_eq!(test.get(&pair, &own).await.status, 200);
    let one = format!("{USERS}/{}?partial=true", user["user_id"].as_str().expect("an id"));
    put(&test, &admin, &one, &json!({"active": false})).await;
    assert_eq!(test.get(&pair, &own).await.status, 401);
    put(&test, &admin, &one, &json!({"active": true})).await;
    assert_eq!(test.get(&pair, &own).await.status, 200);
    put(&test, &admin, &one, &json!({"roles": []})).await;
    assert_eq!(test.get(&pair, "/appsec/v1/applications").await.status, 403, "no role is left");
}

#[tokio::test]
async fn nobody_gives_itself_roles() {
    let (test, _) = start().await;
    let pair = test.mint("reader", &["resultsapi", "noteamrestrictionapi"]).pair;
    let own = format!("{USERS}/self");
    for body in [
        json!({"roles": [{"role_name": "adminapi"}]}),
        json!({"ip_restricted": false}),
        json!({"user_name": "admin"}),
        json!({"teams": []}),
        json!({"first_name": "R", "permissions": []}),
    ] {
        assert_eq!(put(&test, &pair, &own, &body).await.status, 403, "{body}");
    }
    let answer = put(&test, &pair, &own, &json!({"first_name": "Robin"})).await;
    assert_eq!((answer.status, &answer.json()["first_name"]), (200, &json!("Robin")));
    assert_eq!(test.get(&pair, &own).await.json()["first_name"], "Robin");
}

#[tokio::test]
async fn users_are_listed_and_searched() {
    let (test, admin) = start().await;
    let blue = made(&test, &admin, TEAMS, &json!({"team_name": "Blue"})).await;
    let with_pair = format!("{USERS}?generate_api_creds=true");
    let first = made(&test, &admin, &with_pair, &api_user("ci-1")).await;
    let mut body = api_user("ci-2");
    body["email_address"] = json!("two@example.com");
    body["login_enabled"] = json!(false);
    body["teams"] = json!([{"team_id": blue["team_id"]}]);
    made(&test, &admin, USERS, &body).await;
    let person = json!({"user_name": "pat@example.com", "email_address": "pat@example.com",
        "first_name": "Pat", "last_name": "Person", "roles": [{"role_name": "extreviewer"}]});
    made(&test, &admin, USERS, &person).await;

    let role = test.get(&admin, "/api/authn/v2/roles?size=100").await.json();
    let role = role["_embedded"]["roles"].as_array().expect("roles").iter();
    let role = role.clone().find(|role| role["role_name"] == "extreviewer").expect("the role");
    let role_id = role["role_id"].as_str().expect("an id");
    let one_role = test.get(&admin, &format!("/api/authn/v2/roles/{role_id}")).await.json();
    assert_eq!(&one_role, role);
    let team_id = blue["team_id"].as_str().expect("an id");
    let api_id = first["api_credentials"]["api_id"].as_str().expect("an id");

    for (target, expected) in [
        ("?email_address=two%40example.com,pat%40example.com".into(), "ci-2 pat@example.com"),
        ("?enabled=False".into(), "ci-2"),
        ("?inactive=true".into(), ""),
        ("?user_name=ci-1".into(), "ci-1"),
        ("?user_name=ci".into(), ""),
        ("?user_name=pat%2540example.com".into(), "pat@example.com"),
        ("?sort=userName,desc&size=2".into(), "pat@example.com ci-2"),
        ("/search?search_term=PERSON".into(), "pat@example.com"),
        ("/search?user_type=user".into(), "pat@example.com"),
        ("/search?user_type=api&login_enabled=No".into(), "ci-2"),
        (format!("/search?role_id={role_id}"), "pat@example.com"),
        (format!("/search?team_id={team_id}"), "ci-2"),
        (format!("/search?api_id={api_id}"), "ci-1"),
        ("/search?search_term=nobody".into(), ""),
        ("/search?saml_user=Yes".into(), ""),
    ] {
        let answer = test.get(&admin, &format!("{USERS}{target}")).await;
        let body = answer.json();
        assert_eq!(names(&body["_embedded"]["users"], "user_name").join(" "), expected, "{target}");
        assert_eq!(body.get("_embedded").is_none(), expected.is_empty(), "{target}");
    }
    assert_eq!(test.get(&admin, &format!("{USERS}/search?user_type=x")).await.status, 400);
    let detailed = test.get(&admin, &format!("{USERS}?detailed=True&user_name=ci-1")).await.json();
    assert_eq!(detailed["_embedded"]["users"][0]["account_type"], "API");
}

#[tokio::test]
async fn teams_live_and_die() {
    let (test, admin) = start().await;
    let user = made(&test, &admin, USERS, &api_user("ci")).await;
    let unit = made(&test, &admin, UNITS, &json!({"bu_name": "Retail"})).await;
    for (body, word) in [
        (json!({}), "team_name"),
        (json!({"team_name": "T", "bu_id": "00000000-0000-4000-8000-000000000000"}), "bu_id"),
        (json!({"team_name": "T", "users": [{"user_name": "nobody"}]}), "users"),
        (
            json!({"team_name": "T", "users": [{"user_name": "ci", "relationship": "KING"}]}),
            "users",
        ),
    ] {
        let answer = test.call(&admin, "POST", TEAMS, &body.to_string()).await;
        assert!(errors(&answer).contains(word), "{body}");
    }
    let body = json!({"team_name": "Blue", "bu_id": unit["bu_id"], "users": [{"user_name": "ci"}]});
    let answer = test.call(&admin, "POST", TEAMS, &body.to_string()).await;
    assert_eq!(answer.status, 201);
    let team = answer.json();
    assert_eq!(team["business_unit"]["bu_name"], "Retail");
    assert_eq!(names(&team["users"], "user_name"), ["ci"]);
    assert_eq!(team["users"][0]["relationship"]["name"], "MEMBER");
    let again = test.call(&admin, "POST", TEAMS, &json!({"team_name": "BLUE"}).to_string()).await;
    assert!(errors(&again).contains("taken"));

    let listed = test.get(&admin, TEAMS).await.json();
    assert!(listed.get("_embedded").is_none(), "the administrator is in no team");
    let listed = test.get(&admin, &format!("{TEAMS}?all_for_org=True")).await.json();
    assert_eq!(names(&listed["_embedded"]["teams"], "team_name"), ["Blue"]);
    assert!(test.get(&admin, &format!("{TEAMS}/self")).await.json().get("_embedded").is_none());

    let one = format!("{TEAMS}/{}", team["team_id"].as_str().expect("an id"));
    let adding = format!("{one}?partial=true&incremental=true");
    let body = json!({"users": [{"user_name": "admin", "relationship": {"name": "ADMIN"}}]});
    let changed = put(&test, &admin, &adding, &body).await.json();
    assert_eq!(changed["users"].as_array().map(Vec::len), Some(2));
    assert_eq!(changed["business_unit"]["bu_name"], "Retail");
    let changed = put(&test, &admin, &one, &json!({"team_name": "Azure"})).await.json();
    assert_eq!((&changed["team_name"], &changed["users"]), (&json!("Azure"), &json!([])));
    assert!(changed.get("business_unit").is_none(), "what a whole change leaves out is cleared");

    assert_eq!(test.call(&admin, "DELETE", &one, "").await.status, 200);
    assert_eq!(test.get(&admin, &one).await.status, 404);
    let user = format!("{USERS}/{}", user["user_id"].as_str().expect("an id"));
    assert_eq!(test.get(&admin, &user).await.json()["teams"], json!([]));
}

#[tokio::test]
async fn business_units_live_and_die() {
    let test = TestPlatform::start(SeedSpec::Demo).await;
    let admin = test.mint("admin", &["adminapi"]).pair;
    let reader = test.mint("reader", &["resultsapi", "noteamrestrictionapi"]).pair;
    let all = test.get(&admin, &format!("{UNITS}?size=100")).await.json();
    let units = all["_embedded"]["business_units"].as_array().expect("units").clone();
    let default = units.iter().find(|unit| unit["is_default"] == true).expect("the default");
    let own = |unit: &Value| format!("{UNITS}/{}", unit["bu_id"].as_str().expect("an id"));
    let refused = test.call(&admin, "DELETE", &own(default), "").await;
    assert!(errors(&refused).contains("default"));

    let retail = made(&test, &admin, UNITS, &json!({"bu_name": "New Unit"})).await;
    let teams = test.get(&admin, &format!("{TEAMS}?all_for_org=true")).await.json();
    let team = &teams["_embedded"]["teams"][0];
    let body = json!({"bu_name": "New Unit", "teams": [{"team_id": team["team_id"]}]});
    let changed = put(&test, &admin, &own(&retail), &body).await.json();
    assert_eq!(names(&changed["teams"], "team_name"), [team["team_name"].as_str().expect("text")]);
    let taken = json!({"bu_name": default["bu_name"]});
    assert!(errors(&put(&test, &admin, &own(&retail), &taken).await).contains("taken"));

    let used = units.iter().find(|unit| unit["is_default"] == false).expect("another");
    let name = used["bu_name"].as_str().expect("a name").replace(' ', "%20");
    let filtered = format!("/appsec/v1/applications?business_unit={name}");
    let before = test.get(&reader, &filtered).await.json()["page"]["total_elements"].clone();
    assert_ne!(before, json!(0), "the seed has applications there");
    assert_eq!(test.call(&admin, "DELETE", &own(used), "").await.status, 200);
    assert_eq!(test.get(&reader, &filtered).await.json()["page"]["total_elements"], 0);
    let all = test.get(&reader, "/appsec/v1/applications").await.json();
    assert_eq!(all["page"]["total_elements"], 60, "no application was lost");
}
