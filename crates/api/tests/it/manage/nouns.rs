//! What becomes of accounts, credentials and integrations.

use countersign_testkit::TestPlatform;
use serde_json::{Value, json};

use super::{OWN, READER, config, credential};
use crate::Desk;

#[tokio::test]
async fn an_account_lives_from_its_first_name_to_its_end() {
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    let body = json!({"fullname": "Example Co", "environment": "test", "labels": ["blue"],
        "token": {"permission_set": "account-manager"}});
    let created = desk.done("POST", "/v1/accounts", &admin, body).await;
    let account = created["account"].clone();
    assert_eq!((&account["name"], &account["environment"]), (&json!("example-co"), &json!("test")));
    let own = created["token"]["primary"]["access"]["secret"].as_str().unwrap().to_owned();
    let target = format!("/v1/accounts/{}", account["id"].as_str().unwrap());
    assert_eq!(desk.done("GET", &target, &own, Value::Null).await, account);
    let all = desk.json("GET", "/v1/accounts?total=true", &admin, Value::Null).await.json();
    assert_eq!(all["total"], 2);
    let seen = desk.json("GET", "/v1/accounts?total=true", &own, Value::Null).await.json();
    assert_eq!((&seen["total"], &seen["result"]), (&json!(1), &json!([account])));
    let patch = json!([{"op": "add", "path": "/labels/-", "value": "red"}]);
    let patched = desk.done("PATCH", &target, &own, patch).await;
    assert_eq!(patched["labels"], json!(["blue", "red"]));
    let mut whole = patched.clone();
    (whole["fullname"], whole["updated_at"]) = ("Example".into(), "2020-01-01T00:00:00Z".into());
    assert_eq!(desk.done("PUT", &target, &admin, whole).await["fullname"], "Example");
    // A name that another account may have is not for a token that does not see it.
    let rename = json!([{"op": "replace", "path": "/name", "value": "default"}]);
    assert_eq!(desk.refused("PATCH", &target, &own, rename).await, (400, "/name".into()));
    desk.done("DELETE", &target, &admin, Value::Null).await;
    assert_eq!(desk.json("GET", "/v1/accounts", &own, Value::Null).await.status, 401);
    assert_eq!(desk.refused("DELETE", &target, &admin, Value::Null).await.0, 404);
    let own = format!("/v1/accounts/{OWN}");
    assert_eq!(desk.refused("DELETE", &own, &admin, Value::Null).await.0, 400);
}

#[tokio::test]
async fn an_integration_is_tried_before_it_is_kept_and_before_it_is_changed() {
    let (desk, platform) = (Desk::start().await, TestPlatform::start(super::SEED).await);
    let admin = desk.admin().await;
    let base = format!("/v1/integrations/{OWN}");
    let (given, secret) = credential(&platform, "reader", READER);
    // Nothing is kept of what the service refuses.
    let mut wrong = given.clone();
    wrong["client_secret"] = "ab".repeat(64).into();
    let body = json!({"name": "prod", "provider_config": config(&platform, wrong)});
    let answer = desk.json("POST", &base, &admin, body).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(answer.json()["context"]["raw_error"].is_string(), "{}", answer.body);
    let mut unreachable = config(&platform, given.clone());
    unreachable["url"] = "https://127.0.0.1:1".into();
    let answer = desk.json("POST", &base, &admin, json!({"provider_config": unreachable})).await;
    assert_eq!((answer.status, &answer.headers["retry-after"]), (503, &"2".parse().unwrap()));
    assert!(desk.store.owned_integrations(None).await.unwrap().is_empty());

    let body = json!({"name": "prod", "provider_config": config(&platform, given.clone())});
    let tried = json!({ "integration": body });
    let verified = desk.json("POST", &format!("{base}/verify"), &admin, tried).await;
    assert_eq!((verified.status, verified.json()), (200, json!({})));
    let created = desk.done("POST", &base, &admin, body.clone()).await;
    assert!(!created.to_string().contains(&secret));
    let integration = created["integration"].clone();
    let (uid, own) = (integration["id"].as_str().unwrap(), &integration["provider_config"]);
    assert_eq!(own["credential"]["type"], "o_auth_client_id");
    assert_eq!(own["credential"]["value"], created["credentials_created"][0]["id"]);
    let access = created["token"]["access"]["secret"].as_str().unwrap();
    let read = desk.ask("GET", "/v1/app-sec/findings", Some(access)).await;
    assert_eq!(read.status, 200, "{}", read.body);
    assert_eq!(desk.refused("POST", &base, &admin, body).await, (400, "/name".into()));
    let target = format!("{base}/{uid}");
    let verify = format!("{target}/verify");
    assert_eq!(desk.json("POST", &verify, &admin, Value::Null).await.status, 200);
    assert_eq!(desk.json("POST", &verify, &admin, integration.clone()).await.status, 200);

    // The mode and the names are ours to change; a secret of another account is not.
    let patch = json!([
        {"op": "replace", "path": "/provider_config/mode", "value": "live"},
        {"op": "replace", "path": "/fullname", "value": "Production"},
    ]);
    let patched = desk.done("PATCH", &target, &admin, patch).await;
    assert_eq!(
        (&patched["provider_config"]["mode"], &patched["fullname"]),
        (&json!("live"), &json!("Production"))
    );
    let (stranger, _) = credential(&platform, "stranger", READER);
    let replace = |with: &Value| json!([{"op": "replace", "path": "/provider_config/credential", "value": with}]);
    assert_eq!(desk.refused("PATCH", &target, &admin, replace(&stranger)).await.0, 400);
    // What models of others drop stays as it was.
    let mut whole = patched.clone();
    for name in ["mode", "url", "ca_pem"] {
        whole["provider_config"].as_object_mut().unwrap().remove(name);
    }
    assert_eq!(
        desk.done("PUT", &target, &admin, whole).await["provider_config"],
        patched["provider_config"]
    );

    let used = format!("/v1/credentials/{OWN}/{}", own["credential"]["value"].as_str().unwrap());
    assert_eq!(desk.refused("DELETE", &used, &admin, Value::Null).await.0, 400);
    let account = format!("/v1/accounts/{OWN}");
    assert_eq!(desk.refused("DELETE", &account, &admin, Value::Null).await.0, 400);
    desk.done("DELETE", &target, &admin, Value::Null).await;
    assert_eq!(desk.refused("GET", &target, &admin, Value::Null).await.0, 404);
    assert_eq!(desk.ask("GET", "/v1/app-sec/findings", Some(access)).await.status, 401);
    super::secrets::must_be_whole(&desk, &[&secret]).await;
}

#[tokio::test]
async fn a_kept_credential_becomes_that_of_an_integration_under_the_same_id() {
    let (desk, platform) = (Desk::start().await, TestPlatform::start(super::SEED).await);
    let admin = desk.admin().await;
    let (given, secret) = credential(&platform, "reader", READER);
    let body = json!({"name": "key", "config": given, "expires": "2027-01-01T00:00:00Z"});
    let keep = format!("/v1/credentials/{OWN}");
    let kept = desk.done("POST", &keep, &admin, body.clone()).await;
    assert_eq!(
        (&kept["owner_type"], &kept["config"]),
        (&json!("account"), &json!({"type": "o_auth_client"}))
    );
    assert_eq!(desk.refused("POST", &keep, &admin, body).await, (400, "/name".into()));
    let id = kept["id"].as_str().unwrap();
    let rename = json!([{"op": "replace", "path": "/fullname", "value": "Key"}]);
    let renamed = desk.done("PATCH", &format!("{keep}/{id}"), &admin, rename).await;
    assert_eq!(renamed["fullname"], "Key");
    let reference = json!({"type": "o_auth_client_id", "value": id});
    let body = json!({"name": "prod", "provider_config": config(&platform, reference.clone())});
    let created = desk.done("POST", &format!("/v1/integrations/{OWN}"), &admin, body).await;
    assert_eq!(created["integration"]["provider_config"]["credential"], reference);
    let found =
        desk.done("GET", &format!("/v1/credentials/lookup/{id}"), &admin, Value::Null).await;
    assert_eq!(found["owner_type"], "integration");
    let listed = desk.done("GET", &keep, &admin, Value::Null).await;
    assert_eq!(listed, json!([found]));
    super::secrets::must_be_whole(&desk, &[&secret]).await;
    // One that nothing signs with goes, and its secret with it.
    let (other, secret) = credential(&platform, "reader", READER);
    let kept = desk.done("POST", &keep, &admin, json!({"config": other})).await;
    let target = format!("{keep}/{}", kept["id"].as_str().unwrap());
    desk.done("DELETE", &target, &admin, Value::Null).await;
    assert_eq!(desk.refused("GET", &target, &admin, Value::Null).await.0, 404);
    super::secrets::must_be_whole(&desk, &[&secret]).await;
}

#[tokio::test]
async fn what_was_asked_is_counted_by_the_hour_and_from_anew_after_a_reset() {
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    let body = json!({"name": "other", "provider_config": {"type": "appsec_imported"}});
    let created = desk.done("POST", &format!("/v1/integrations/{OWN}"), &admin, body).await;
    let uid = created["integration"]["id"].as_str().unwrap();
    let access = created["token"]["access"]["secret"].as_str().unwrap();
    for (target, status) in
        [("/v1/app-sec/findings", 200), ("/v1/app-sec/findings?x=1&limit=x", 400)]
    {
        assert_eq!(desk.ask("GET", target, Some(access)).await.status, status);
    }
    let counted = desk.calls.counted();
    assert_eq!(counted[&("appsec_query_findings", "succeeded")], 1);
    assert_eq!(counted[&("appsec_query_findings", "refused")], 1);
    let status = format!("/v1/status/{OWN}/{uid}");
    let shown = desk.done("GET", &format!("{status}?expand=all"), &admin, Value::Null).await;
    assert_eq!(
        (&shown["requests"], &shown["failed"], &shown["status"]),
        (&json!(2), &json!(1), &json!("ok"))
    );
    assert_eq!(shown["integration"]["id"], uid);
    let events = desk.done("GET", &format!("{status}/events"), &admin, Value::Null).await;
    assert_eq!((events.as_array().unwrap().len(), &events[0]["status"]), (1, &json!("400")));
    for series in ["/v1/status/timeseries", &format!("{status}/timeseries?interval=hour")] {
        let series = desk.done("GET", series, &admin, Value::Null).await;
        let hours = series["series"].as_array().unwrap();
        assert_eq!(
            (hours.len(), &hours[23]["succeeded"], &hours[22]["succeeded"]),
            (24, &json!(1), &json!(0))
        );
    }
    desk.done("PUT", &status, &admin, Value::Null).await;
    let shown = desk.done("GET", &status, &admin, Value::Null).await;
    assert_eq!((&shown["requests"], &shown["status"]), (&json!(0), &json!("idle")));
}
