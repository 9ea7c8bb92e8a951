//! Management: what is refused, what becomes of each noun, who sees what, and where secrets
//! are not.

mod documents;
mod isolation;
mod nouns;
mod refusals;
mod secrets;
mod tokens;

use countersign_platform::SeedSpec;
use countersign_store::{AccountId, PermissionSet, TokenKind, TokenScope};
use countersign_testkit::TestPlatform;
use serde_json::{Value, json};

use crate::{Answer, DAY_MS, Desk};

const SEED: SeedSpec = SeedSpec::Sized { applications: 2, findings: 20, rng: 1 };
const READER: &[&str] = &["resultsapi", "noteamrestrictionapi"];
/// What the API calls the account of whoever runs the program.
const OWN: &str = "00000000-0000-4000-8000-000000000001";

fn organization(set: PermissionSet, account: Option<AccountId>) -> TokenScope {
    TokenScope {
        kind: TokenKind::Organization,
        permission_set: set,
        account,
        integration: None,
        operations: None,
    }
}

impl Desk {
    async fn admin(&self) -> String {
        self.token(organization(PermissionSet::Administrator, None), DAY_MS).await.0
    }

    async fn json(&self, method: &str, target: &str, token: &str, body: Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, target, Some(token), body).await
    }

    /// The result of what has to succeed.
    async fn done(&self, method: &str, target: &str, token: &str, body: Value) -> Value {
        let answer = self.json(method, target, token, body).await;
        assert_eq!(answer.status, 200, "{method} {target}: {}", answer.body);
        answer.json()["result"].clone()
    }

    /// The status, and which parameter is wrong.
    async fn refused(&self, method: &str, target: &str, token: &str, body: Value) -> (u16, String) {
        let answer = self.json(method, target, token, body).await;
        assert!(answer.status >= 400, "{method} {target}: {}", answer.body);
        let id = answer.json()["context"]["parameter"]["id"].as_str().unwrap_or("-").to_owned();
        (answer.status, id)
    }
}

/// A credential of the platform, as programs give it.
fn credential(platform: &TestPlatform, user: &str, roles: &[&str]) -> (Value, String) {
    let pair = platform.mint(user, roles).pair;
    let secret = pair.secret.expose_hex().to_string();
    let given = json!({
        "type": "o_auth_client",
        "client_id": pair.id.as_str(),
        "client_secret": secret,
    });
    (given, secret)
}

/// A configuration of an integration with the platform.
fn config(platform: &TestPlatform, credential: Value) -> Value {
    json!({
        "type": "appsec_veracode",
        "region": "us",
        "url": platform.platform.rest_url(),
        "ca_pem": platform.platform.ca_pem(),
        "credential": credential,
    })
}
