//! What is refused, and by the name of what.

use countersign_api::{Audience, Operation};
use countersign_store::PermissionSet;
use serde_json::{Value, json};

use super::{OWN, organization};
use crate::{DAY_MS, Desk};

const NOBODY: &str = "00000000-0000-4000-9000-00000000dead";

#[tokio::test]
async fn what_is_wrong_about_a_body_is_named_by_its_pointer() {
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    let secret =
        json!({"type": "o_auth_client", "client_id": "0".repeat(32), "client_secret": "x"});
    let provider = |config: Value| json!({ "provider_config": config });
    let integrations = format!("/v1/integrations/{OWN}");
    for (method, target, body, pointer) in [
        ("POST", "/v1/accounts", json!([]), ""),
        ("POST", "/v1/accounts", json!({"name": 1}), "/name"),
        ("POST", "/v1/accounts", json!({"name": "a b"}), "/name"),
        ("POST", "/v1/accounts", json!({"name": "default"}), "/name"),
        ("POST", "/v1/accounts", json!({"environment": "moon"}), "/environment"),
        ("POST", "/v1/accounts", json!({"labels": ["a b"]}), "/labels"),
        ("POST", "/v1/accounts", json!({"labels": "a"}), "/labels"),
        ("POST", "/v1/accounts", json!({"colour": "red"}), "/colour"),
        ("POST", "/v1/accounts", json!({"token": {}}), "/token/permission_set"),
        (
            "POST",
            "/v1/accounts",
            json!({"token": {"permission_set": "administrator"}}),
            "/token/permission_set",
        ),
        (
            "POST",
            "/v1/accounts",
            json!({"token": {"permission_set": "connect-ui", "token_ttl": "9999h"}}),
            "/token/token_ttl",
        ),
        ("PUT", &format!("/v1/accounts/{OWN}"), json!({"id": "other"}), "/id"),
        ("PATCH", &format!("/v1/accounts/{OWN}"), json!({"name": "a"}), ""),
        (
            "PATCH",
            &format!("/v1/accounts/{OWN}"),
            json!([{"op": "remove", "path": "/x"}]),
            "/0/path",
        ),
        ("POST", &format!("/v1/credentials/{OWN}"), json!({}), "/config"),
        (
            "POST",
            &format!("/v1/credentials/{OWN}"),
            json!({"config": {"type": "aws"}}),
            "/config/type",
        ),
        ("POST", &format!("/v1/credentials/{OWN}"), json!({"config": secret}), "/config"),
        (
            "POST",
            &format!("/v1/credentials/{OWN}"),
            json!({"config": secret, "expires": "soon"}),
            "/expires",
        ),
        ("POST", &integrations, json!({}), "/provider_config"),
        ("POST", &integrations, provider(json!({"type": "x"})), "/provider_config/type"),
        (
            "POST",
            &integrations,
            provider(json!({"type": "appsec_veracode"})),
            "/provider_config/region",
        ),
        (
            "POST",
            &integrations,
            provider(json!({"type": "appsec_veracode", "region": "moon"})),
            "/provider_config/region",
        ),
        (
            "POST",
            &integrations,
            provider(json!({"type": "appsec_veracode", "region": "us"})),
            "/provider_config/credential",
        ),
        (
            "POST",
            &integrations,
            provider(json!({"type": "appsec_veracode", "url": "http://127.0.0.1:1"})),
            "/provider_config/url",
        ),
        (
            "POST",
            &integrations,
            provider(json!({"type": "appsec_veracode", "url": "ftp://x"})),
            "/provider_config/url",
        ),
        (
            "POST",
            &integrations,
            provider(json!({"type": "appsec_veracode", "region": "us", "ca_pem": "x"})),
            "/provider_config/ca_pem",
        ),
        (
            "POST",
            &integrations,
            provider(json!({"type": "appsec_veracode", "region": "us", "mode": "x"})),
            "/provider_config/mode",
        ),
        (
            "POST",
            &integrations,
            provider(json!({"type": "appsec_veracode", "region": "us", "credential": secret})),
            "/provider_config/credential",
        ),
        (
            "POST",
            &integrations,
            provider(
                json!({"type": "appsec_veracode", "region": "us", "credential": {"type": "o_auth_client_id", "value": "#/0"}}),
            ),
            "/provider_config/credential",
        ),
        (
            "POST",
            &integrations,
            provider(json!({"type": "appsec_imported", "region": "us"})),
            "/provider_config/region",
        ),
        (
            "POST",
            &integrations,
            json!({"provider_config": {"type": "appsec_imported"}, "webhook_config": {"url": "https://example.com"}}),
            "/webhook_config",
        ),
        (
            "POST",
            &format!("{integrations}/verify"),
            json!({"integration": {}}),
            "/integration/provider_config",
        ),
        ("POST", "/v1/tokens", json!({}), "/permission_set"),
        (
            "POST",
            "/v1/tokens",
            json!({"permission_set": "integration", "resources": {}}),
            "/permission_set",
        ),
        ("POST", "/v1/tokens", json!({"permission_set": "viewer"}), "/resources"),
        (
            "POST",
            "/v1/tokens",
            json!({"permission_set": "viewer", "resources": {"accounts": {"ids": [NOBODY]}}}),
            "/resources/accounts/ids",
        ),
        (
            "POST",
            "/v1/tokens",
            json!({"permission_set": "viewer", "resources": {"accounts": {"ids": ["*"], "labels": ["x"]}}}),
            "/resources/accounts/labels",
        ),
        ("POST", "/v1/tokens/mcp", json!({}), "/scope"),
        ("POST", "/v1/tokens/mcp", json!({"scope": {"type": "developer"}}), "/scope/account_id"),
        (
            "POST",
            "/v1/tokens/mcp",
            json!({"scope": {"type": "management"}, "token_ttl": "25h"}),
            "/token_ttl",
        ),
        (
            "POST",
            "/v1/tokens/mcp",
            json!({"scope": {"type": "integration-usage", "account_id": OWN, "restrict_to_connector_operations": ["x"]}}),
            "/scope/restrict_to_connector_operations",
        ),
        ("GET", "/v1/accounts?colour=red", Value::Null, "colour"),
        ("GET", &format!("/v1/accounts/{OWN}?limit=1"), Value::Null, "limit"),
        ("GET", "/v1/status/timeseries?interval=day", Value::Null, "interval"),
        ("GET", "/v1/integrations?expand=moon", Value::Null, "expand"),
    ] {
        let refused = desk.refused(method, target, &admin, body.clone()).await;
        assert_eq!(refused, (400, pointer.to_owned()), "{method} {target} {body}");
    }
    for (kind, body, status) in [
        ("text/plain", "{}", 415),
        ("text/plain", "", 200),
        ("application/json; charset=utf-8", "{}", 200),
        ("application/json", "{", 400),
    ] {
        let answer = desk.send_as(kind, "/v1/accounts", &admin, body).await;
        assert_eq!(answer.status, status, "{kind} {body} {}", answer.body);
    }
    assert!(desk.store.owned_integrations(None).await.unwrap().is_empty());
    let account = desk.store.account(OWN).await.unwrap().id;
    assert!(desk.store.kept_credentials(account).await.unwrap().is_empty());
}

#[tokio::test]
async fn each_set_of_permissions_may_do_what_it_is_for_and_no_more() {
    let desk = Desk::start().await;
    for set in PermissionSet::ALL.iter().copied() {
        let (token, refresh) = desk.token(organization(set, None), DAY_MS).await;
        for operation in Operation::ALL.iter().copied() {
            let Audience::Management(need) = operation.about().audience else { continue };
            let about = operation.about();
            let parts = about.path.split('/').map(|part| match part.starts_with('{') {
                true => NOBODY,
                false => part,
            });
            let target = parts.collect::<Vec<_>>().join("/");
            let method = about.method.method();
            // A body that nothing accepts: what is allowed is refused for that, or done.
            let answer = desk.json(method.as_str(), &target, &token, json!("no")).await;
            let expected = need.is_met(set);
            assert_eq!(answer.status != 403, expected, "{set:?} {operation:?} {}", answer.body);
            let answer = desk.json(method.as_str(), &target, &refresh, json!("no")).await;
            let is_unknown = answer.status == 404 && operation == Operation::RefreshToken;
            assert!(answer.status == 403 || is_unknown, "{operation:?} {}", answer.body);
        }
    }
}
