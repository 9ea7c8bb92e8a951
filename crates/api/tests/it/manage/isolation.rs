//! Five accounts, each with its own token: whatever they ask for, they see nothing of one
//! another, and an id of another is answered like one that was never given.

use countersign_store::PermissionSet;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::organization;
use crate::{DAY_MS, Desk};

const NOBODY: &str = "00000000-0000-4000-9000-00000000dead";

/// What belongs to one account.
#[derive(Debug, Clone)]
struct Tenant {
    token: String,
    account: String,
    integration: String,
    credential: String,
    api_token: String,
    marker: String,
}

impl Tenant {
    async fn settle(desk: &Desk, number: usize) -> Self {
        let marker = format!("tenant{number}x");
        let id = desk.account(&marker).await;
        let scope = organization(PermissionSet::AccountManager, Some(id));
        let token = desk.token(scope, DAY_MS).await.0;
        let all = desk.done("GET", "/v1/accounts", &token, Value::Null).await;
        let account = all[0]["id"].as_str().unwrap().to_owned();
        let body = json!({"name": "prod", "fullname": marker, "provider_config": {"type": "appsec_imported"}});
        let created = desk.done("POST", &format!("/v1/integrations/{account}"), &token, body).await;
        let text = |pointer: &str| created.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        let config = json!({"type": "o_auth_client", "client_id": marker, "client_secret": "s",
            "extra": {"kind": "oauth"}});
        let body = json!({"name": "key", "fullname": marker, "config": config});
        let kept = desk.done("POST", &format!("/v1/credentials/{account}"), &token, body).await;
        Self {
            token,
            account,
            integration: text("/integration/id"),
            credential: kept["id"].as_str().unwrap().to_owned(),
            api_token: text("/integration/refresh_token_id"),
            marker,
        }
    }

    fn marks(&self) -> [&str; 5] {
        [&self.account, &self.integration, &self.credential, &self.api_token, &self.marker]
    }
}

/// What is asked for, with the ids of some tenant.
const CALLS: &[(&str, &str)] = &[
    ("GET", "/v1/accounts"),
    ("GET", "/v1/accounts/{account}"),
    ("PUT", "/v1/accounts/{account}"),
    ("PATCH", "/v1/accounts/{account}"),
    ("GET", "/v1/credentials/{account}"),
    ("POST", "/v1/credentials/{account}"),
    ("GET", "/v1/credentials/{integration}"),
    ("GET", "/v1/credentials/lookup/{credential}"),
    ("GET", "/v1/credentials/{account}/{credential}"),
    ("PATCH", "/v1/credentials/{account}/{credential}"),
    ("GET", "/v1/integrations"),
    ("GET", "/v1/integrations?expand=all"),
    ("GET", "/v1/integrations/{account}"),
    ("POST", "/v1/integrations/{account}"),
    ("GET", "/v1/integrations/{account}/{integration}"),
    ("PATCH", "/v1/integrations/{account}/{integration}"),
    ("POST", "/v1/integrations/{account}/{integration}/verify"),
    ("GET", "/v1/tokens"),
    ("GET", "/v1/tokens/{token}/info"),
    ("PUT", "/v1/tokens/{token}/refresh"),
    ("PUT", "/v1/tokens/{integration}/{token}/reset"),
    ("DELETE", "/v1/tokens/{token}/secondary"),
    ("POST", "/v1/tokens/{account}/{integration}"),
    ("GET", "/v1/status?expand=all"),
    ("GET", "/v1/status/timeseries"),
    ("GET", "/v1/status/{account}/{integration}"),
    ("GET", "/v1/status/{account}/{integration}/events"),
    ("GET", "/v1/status/{account}/{integration}/timeseries"),
    ("PUT", "/v1/status/{account}/{integration}"),
    ("DELETE", "/v1/tokens/{token}"),
    ("DELETE", "/v1/credentials/{account}/{credential}"),
    ("DELETE", "/v1/integrations/{account}/{integration}"),
    ("DELETE", "/v1/accounts/{account}"),
];

fn target(path: &str, ids: [&str; 4]) -> String {
    let names = ["{account}", "{integration}", "{credential}", "{token}"];
    names.iter().zip(ids).fold(path.to_owned(), |path, (name, id)| path.replace(name, id))
}

fn body(method: &str, path: &str) -> Value {
    match (method, path.contains("/credentials/"), path.contains("/integrations/")) {
        ("PATCH", ..) => json!([{"op": "test", "path": "/name", "value": "x"}]),
        ("PUT", ..) if path.starts_with("/v1/accounts") => json!({"fullname": "x"}),
        ("POST", true, _) => json!({"config": {"type": "o_auth_client", "client_id": "x",
            "client_secret": "s", "extra": {"kind": "oauth"}}}),
        ("POST", _, true) if !path.ends_with("verify") => {
            json!({"provider_config": {"type": "appsec_imported"}})
        }
        _ => Value::Null,
    }
}

/// An answer, but for what every one has for itself.
fn plain(answer: &crate::Answer) -> (u16, Value) {
    let mut object = answer.json();
    for varying in ["instance", "occurred_at"] {
        object[varying] = Value::Null;
    }
    (answer.status, object)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_another_account_is_answered_like_one_of_nobody() {
    let desk = Desk::start().await;
    let (one, other) = (Tenant::settle(&desk, 1).await, Tenant::settle(&desk, 2).await);
    for (method, path) in CALLS.iter().filter(|(_, path)| path.contains('{')) {
        let foreign = [&*other.account, &*other.integration, &*other.credential, &*other.api_token];
        let nobody = [NOBODY; 4];
        // An own account with what is in none of it, too.
        let mixed = [&*one.account, &*other.integration, &*other.credential, &*other.api_token];
        let none = [&*one.account, NOBODY, NOBODY, NOBODY];
        for (foreign, nobody) in [(foreign, nobody), (mixed, none)] {
            if foreign[0] == one.account && !path.contains("n}") && !path.contains("l}") {
                continue;
            }
            let ask = async |ids| {
                desk.json(method, &target(path, ids), &one.token, body(method, path)).await
            };
            let (foreign, nobody) = (plain(&ask(foreign).await), plain(&ask(nobody).await));
            assert_eq!(foreign, nobody, "{method} {path}");
            assert_eq!(foreign.0, 404, "{method} {path} {}", foreign.1);
        }
    }
    // And the other has everything still.
    for (path, mark) in [("integrations", &other.integration), ("credentials", &other.credential)] {
        let target = format!("/v1/{path}/{}", other.account);
        let all = desk.done("GET", &target, &other.token, Value::Null).await;
        assert!(all.to_string().contains(mark));
    }
}

#[test]
fn whatever_five_accounts_ask_nothing_of_another_is_in_an_answer() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let calls = prop::collection::vec((0..5_usize, 0..5_usize, 0..CALLS.len()), 60);
    let config = Config { cases: 12, failure_persistence: None, ..Config::default() };
    let held = TestRunner::new(config).run(&calls, |calls| {
        runtime.block_on(async {
            let desk = Desk::start().await;
            let mut tenants = Vec::new();
            for number in 0..5 {
                tenants.push(Tenant::settle(&desk, number).await);
            }
            for (who, whose, call) in calls {
                let (method, path) = CALLS[call];
                let (asker, owner) = (&tenants[who], &tenants[whose]);
                let [account, integration, credential, token, _] = owner.marks();
                let target = target(path, [account, integration, credential, token]);
                let answer = desk.json(method, &target, &asker.token, body(method, path)).await;
                let mut shown = answer.json();
                // The path that was asked for is the asker's.
                shown["instance"] = Value::Null;
                let shown = shown.to_string();
                for other in tenants.iter().filter(|one| one.account != asker.account) {
                    for mark in other.marks() {
                        assert!(!shown.contains(mark), "{method} {target} shows {mark}: {shown}");
                    }
                }
                assert!(!shown.contains("\"client_secret\""), "{shown}");
            }
        });
        Ok(())
    });
    held.unwrap();
}
