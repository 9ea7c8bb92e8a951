//! Tokens: shown once, renewed, ended; and never worth more than who made them.

use countersign_store::{AccountId, PermissionSet};
use serde_json::{Value, json};

use super::{OWN, organization};
use crate::{DAY_MS, Desk};

fn secret(of: &Value, path: &str) -> String {
    of.pointer(path).and_then(Value::as_str).unwrap().to_owned()
}

#[tokio::test]
async fn a_token_is_renewed_and_what_was_before_goes_on_until_it_is_ended() {
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    let body = json!({"permission_set": "viewer", "resources": {"accounts": {"ids": [OWN]}}});
    let made = desk.done("POST", "/v1/tokens", &admin, body).await;
    let uid = made["id"].as_str().unwrap();
    let (first, refresh) =
        (secret(&made, "/primary/access/secret"), secret(&made, "/primary/refresh/secret"));
    let works = async |token: &str| {
        desk.json("GET", "/v1/accounts", token, Value::Null).await.status == 200
    };
    assert!(works(&first).await && !works(&refresh).await);
    let listed = desk.done("GET", "/v1/tokens", &admin, Value::Null).await.to_string();
    assert!(listed.contains(uid) && !listed.contains("csa_"), "{listed}");
    // By the secret that is for it, and only for its own token.
    let renew = format!("/v1/tokens/{uid}/refresh");
    let (_, other) = desk.token(organization(PermissionSet::Administrator, None), DAY_MS).await;
    assert_eq!(desk.refused("PUT", &renew, &other, Value::Null).await.0, 404);
    let renewed = desk.done("PUT", &renew, &refresh, Value::Null).await;
    let second = secret(&renewed, "/primary/access/secret");
    assert!(works(&first).await && works(&second).await);
    assert_eq!(renewed["secondary"]["access"]["secret"], "");
    // What renews itself lives no longer than it could before.
    assert_eq!(renewed["primary"]["refresh"]["expires"], made["primary"]["refresh"]["expires"]);
    desk.done("DELETE", &format!("/v1/tokens/{uid}/secondary"), &admin, Value::Null).await;
    assert!(!works(&first).await && works(&second).await);
    assert_eq!(desk.refused("PUT", &renew, &refresh, Value::Null).await.0, 401);
    let organization = made["owner_id"].as_str().unwrap();
    let target = |what: &str| format!("/v1/tokens/{organization}/{uid}/{what}");
    let wrong = format!("/v1/tokens/{uid}/{uid}/rotate");
    assert_eq!(desk.refused("PUT", &wrong, &admin, Value::Null).await.0, 404);
    let rotated = desk.done("PUT", &target("rotate"), &admin, Value::Null).await;
    assert!(works(&second).await);
    let reset = desk.done("PUT", &target("reset"), &admin, Value::Null).await;
    assert!(!works(&second).await && !works(&secret(&rotated, "/primary/access/secret")).await);
    assert!(reset["secondary"].is_null());
    let last = secret(&reset, "/primary/access/secret");
    assert!(works(&last).await);
    desk.done("DELETE", &format!("/v1/tokens/{uid}"), &admin, Value::Null).await;
    assert!(!works(&last).await);
}

#[tokio::test]
async fn a_token_of_an_integration_is_good_for_as_long_as_was_asked_and_for_what() {
    let desk = Desk::start().await;
    let seat = desk.seat(AccountId::OWN, "prod").await;
    let (issuer, _) = desk.token(organization(PermissionSet::TokenIssuer, None), DAY_MS).await;
    let target = format!("/v1/tokens/{OWN}/{}", seat.uid);
    let long = json!({"token_ttl": "721h"});
    assert_eq!(desk.refused("POST", &target, &issuer, long).await, (400, "/token_ttl".into()));
    let usual = secret(&desk.done("POST", &target, &issuer, Value::Null).await, "/secret");
    let body = json!({"token_ttl": "1h", "restrict_to_connector_operations": ["appsec_query_applications"]});
    let narrow = secret(&desk.done("POST", &target, &issuer, body).await, "/secret");
    let status = async |token: &str, what: &str| {
        desk.ask("GET", &format!("/v1/app-sec/{what}"), Some(token)).await.status
    };
    assert_eq!((status(&usual, "findings").await, status(&narrow, "findings").await), (200, 403));
    assert_eq!(status(&narrow, "applications").await, 200);
    desk.now_ms.fetch_add(10 * 60_000, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(
        (status(&usual, "findings").await, status(&narrow, "applications").await),
        (401, 200)
    );
}

#[tokio::test]
async fn nobody_gets_a_token_that_may_do_more_than_theirs() {
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    let tokens = desk.done("GET", "/v1/tokens", &admin, Value::Null).await;
    let of_admin = tokens[0]["id"].as_str().unwrap().to_owned();
    let owner = tokens[0]["owner_id"].as_str().unwrap().to_owned();
    let (member, _) = desk.token(organization(PermissionSet::Member, None), DAY_MS).await;
    for target in [
        format!("/v1/tokens/{of_admin}/refresh"),
        format!("/v1/tokens/{owner}/{of_admin}/rotate"),
        format!("/v1/tokens/{owner}/{of_admin}/reset"),
    ] {
        assert_eq!(desk.refused("PUT", &target, &member, Value::Null).await.0, 403, "{target}");
    }
    let target = format!("/v1/tokens/{of_admin}");
    assert_eq!(desk.refused("DELETE", &target, &member, Value::Null).await.0, 403);
    let (provisioner, _) =
        desk.token(organization(PermissionSet::AccountProvisioner, None), DAY_MS).await;
    let body = json!({"name": "a", "token": {"permission_set": "account-manager"}});
    assert_eq!(desk.refused("POST", "/v1/accounts", &provisioner, body).await.0, 403);
    assert_eq!(desk.store.accounts().await.unwrap().len(), 1, "and no account is left behind");
    let (issuer, _) = desk.token(organization(PermissionSet::TokenIssuer, None), DAY_MS).await;
    let body = json!({"scope": {"type": "management"}});
    assert_eq!(desk.refused("POST", "/v1/tokens/mcp", &issuer, body).await.0, 403);
    // Nor one that lives longer.
    let (short, _) = desk.token(organization(PermissionSet::Administrator, None), 60_000).await;
    let body = json!({"permission_set": "viewer", "resources": {}, "token_ttl": "2160h"});
    let made = desk.done("POST", "/v1/tokens", &short, body).await;
    // The secret to renew by that the test gave it lives a day more.
    assert_eq!(made["primary"]["refresh"]["expires"], "2026-06-02T00:01:00.000Z");
    assert_eq!(made["primary"]["access"]["expires"], "2026-06-02T00:01:00.000Z");
}
