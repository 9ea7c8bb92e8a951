//! The same against a real server, with the policy that `docs/reference/vault.md` says is enough.
//! `conformance/openbao/run` starts one and runs these.

use std::sync::Arc;
use std::time::Duration;

use countersign_vault::{Kv, KvConfig, PROBE, SecretText, SignIn, Vault, prove};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use crate::kv::{given, provider, token};
use crate::suite::{Place, pair, random};

fn variable(name: &str) -> String {
    std::env::var(format!("COUNTERSIGN_TEST_BAO_{name}"))
        .expect("conformance/openbao/run sets COUNTERSIGN_TEST_BAO_*")
}

const MANUAL: &str = include_str!("../../../../docs/reference/vault.md");

/// A folder of its own on the one server, and who may use it by the manual's policy.
struct Bao {
    path: String,
}

impl Bao {
    fn new() -> Self {
        let mut tag = [0; 8];
        random()(&mut tag);
        let bao = Self { path: format!("countersign-{}", HEXLOWER.encode(&tag)) };
        let (_, rest) = MANUAL.split_once("```hcl\n").unwrap();
        let policy = rest.split_once("```").unwrap().0.replace("countersign", &bao.path);
        let path = &bao.path;
        let done = |path: String, body: Value| {
            let (status, answer) = bao.admin("POST", &path, body);
            assert!(status < 300, "{status} {answer}");
        };
        done(format!("sys/policies/acl/{path}"), json!({ "policy": policy }));
        let role = format!("auth/approle/role/{path}");
        done(role.clone(), json!({ "token_policies": [path], "token_ttl": "1h" }));
        done(format!("{role}/role-id"), json!({ "role_id": path }));
        done(format!("{role}/custom-secret-id"), json!({ "secret_id": format!("secret-{path}") }));
        bao
    }

    fn app_role(&self) -> SignIn {
        let secret_id = Some(given(&format!("secret-{}", self.path)));
        SignIn::AppRole { mount: "approle".into(), role_id: self.path.clone(), secret_id }
    }

    fn config(&self, sign_in: SignIn) -> KvConfig {
        KvConfig {
            address: variable("ADDRESS"),
            mount: "secret".into(),
            path: self.path.clone(),
            namespace: None,
            sign_in,
            ca_pem: Some(std::fs::read(variable("CA")).unwrap()),
            allow_http_loopback: false,
            timeout: Duration::from_secs(30),
            keys: "vault.kv",
        }
    }

    fn with(&self, config: KvConfig) -> Arc<Kv> {
        provider();
        Kv::open(config, Arc::new(|| 0), random()).unwrap()
    }

    fn by(&self, sign_in: SignIn) -> Arc<Kv> {
        self.with(self.config(sign_in))
    }

    /// By hand, as an administrator.
    fn admin(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        provider();
        let pem = std::fs::read(variable("CA")).unwrap();
        let client = reqwest::blocking::Client::builder()
            .tls_certs_merge(reqwest::Certificate::from_pem_bundle(&pem).unwrap())
            .build()
            .unwrap();
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let answer = client
            .request(method, format!("{}/v1/{path}", variable("ADDRESS")))
            .header("x-vault-token", variable("ROOT"))
            .body(body.to_string())
            .send()
            .unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().unwrap()).unwrap_or_default())
    }
}

impl Place for Bao {
    fn open(&self) -> Arc<dyn Vault> {
        self.by(self.app_role())
    }

    fn open_denied(&self) -> Option<Arc<dyn Vault>> {
        Some(self.by(token(&variable("POOR"))))
    }
}

suite!(Bao::new(), "needs a server: conformance/openbao/run");

#[test]
#[ignore = "needs a server: conformance/openbao/run"]
fn who_is_not_known_is_refused() {
    let bao = Bao::new();
    assert!(bao.by(token("s.nobody")).get("a").unwrap_err().is_denied());
    let mut wrong = bao.app_role();
    if let SignIn::AppRole { secret_id, .. } = &mut wrong {
        *secret_id = Some(given("another"));
    }
    let error = bao.by(wrong).get("a").unwrap_err();
    assert!(error.is_denied() && error.to_string().contains("sign in"), "{error}");
    let mut config = bao.config(bao.app_role());
    config.ca_pem = None;
    let error = bao.with(config).get("a").unwrap_err();
    assert!(error.is_config() && error.to_string().contains("ca_file"), "{error}");
}

#[test]
#[ignore = "needs a server: conformance/openbao/run"]
fn a_signed_token_signs_in() {
    let bao = Bao::new();
    let role = json!({
        "role_type": "jwt", "user_claim": "sub", "bound_subject": "countersign",
        "token_policies": [bao.path],
    });
    assert!(bao.admin("POST", "auth/jwt/role/countersign", role).0 < 300);
    let jwt = SecretText::File(variable("JWT").into());
    let sign_in = SignIn::Jwt { mount: "jwt".into(), role: "countersign".into(), jwt };
    prove(&*bao.by(sign_in), &random(), 0).unwrap();
}

#[test]
#[ignore = "needs a server: conformance/openbao/run"]
fn a_token_that_was_revoked_is_replaced() {
    let bao = Bao::new();
    let vault = bao.by(bao.app_role());
    vault.put("a", &pair(1), 0).unwrap();
    let (status, _) = bao.admin("PUT", "sys/leases/revoke-prefix/auth/approle", json!({}));
    assert!(status < 300, "{status}");
    assert_eq!(vault.put("a", &pair(2), 0).unwrap(), 2);
}

#[test]
#[ignore = "needs a server: conformance/openbao/run"]
fn an_engine_that_would_not_keep_it_gets_no_secret() {
    let bao = Bao::new();
    let with_mount = |mount: &str| {
        let mut config = bao.config(token(&variable("ROOT")));
        config.mount = mount.into();
        bao.with(config).put("a", &pair(1), 0).unwrap_err()
    };
    for (mount, word) in [("kv1", "version 2"), ("by-age", "by age")] {
        let error = with_mount(mount);
        assert!(error.is_config() && error.to_string().contains(word), "{error}");
        let (status, _) =
            bao.admin("GET", &format!("{mount}/metadata/countersign?list=true"), json!({}));
        assert_eq!(status, 404, "nothing is left in {mount}");
    }
    let error = with_mount("nowhere");
    assert!(error.is_config() && error.to_string().contains("vault.kv.mount"), "{error}");
}

#[test]
#[ignore = "needs a server: conformance/openbao/run"]
fn a_namespace_has_its_own_secrets() {
    let bao = Bao::new();
    let mut config = bao.config(token(&variable("ROOT")));
    config.namespace = Some("team".into());
    let within = bao.with(config);
    within.put("a", &pair(1), 0).unwrap();
    prove(&*within, &random(), 0).unwrap();
    assert!(bao.by(bao.app_role()).get("a").unwrap_err().is_not_found());
}

#[test]
#[ignore = "needs a server: conformance/openbao/run"]
fn what_people_do_by_hand_changes_no_secret() {
    let bao = Bao::new();
    let vault = bao.by(bao.app_role());
    vault.put("a", &pair(1), 0).unwrap();
    vault.put("a", &pair(2), 0).unwrap();
    let path = format!("secret/data/{}/a/2", bao.path);
    // Without check-and-set it is refused; with it, the first write is still ours.
    let (status, _) = bao.admin("POST", &path, json!({ "data": { "x": "y" } }));
    assert_eq!(status, 400);
    let over = json!({ "data": { "x": "y" }, "options": { "cas": 1 } });
    assert_eq!(bao.admin("POST", &path, over).0, 200);
    assert_eq!(vault.get("a").unwrap(), (2, pair(2)));
    let (status, _) =
        bao.admin("POST", &format!("secret/delete/{}/a/2", bao.path), json!({ "versions": [1] }));
    assert_eq!(status, 204);
    assert_eq!(vault.get("a").unwrap(), (1, pair(1)));
    assert!(vault.versions("a").unwrap()[1].is_tombstone);
    assert_eq!(vault.put("a", &pair(3), 0).unwrap(), 3);
    // Destroyed means every version of that path, ours and what was written over it.
    vault.destroy("a", 2).unwrap();
    for version in [1, 2] {
        let (status, answer) = bao.admin("GET", &format!("{path}?version={version}"), json!({}));
        assert_eq!((status, &answer["data"]["data"]), (404, &Value::Null));
    }
    // A metadata-only path of somebody else's does no harm.
    let stray = format!("secret/metadata/{}/notes/readme", bao.path);
    bao.admin("POST", &stray, json!({ "custom_metadata": { "a": "b" } }));
    assert_eq!(vault.entries().unwrap().len(), 3);
}

#[test]
#[ignore = "needs a server: conformance/openbao/run"]
fn a_proof_leaves_no_path() {
    let bao = Bao::new();
    let vault = bao.by(bao.app_role());
    vault.put("a", &pair(1), 0).unwrap();
    prove(&*vault, &random(), 0).unwrap();
    let listed = bao.admin("GET", &format!("secret/metadata/{}?list=true", bao.path), json!({}));
    assert_eq!(listed.1["data"]["keys"], json!(["a/"]), "no trace of {PROBE}");
}

#[test]
#[ignore = "needs a server: conformance/openbao/run"]
fn a_policy_that_only_creates_is_enough_too() {
    let bao = Bao::new();
    let (_, answer) = bao.admin("GET", &format!("sys/policies/acl/{}", bao.path), json!({}));
    let policy = answer["data"]["policy"].as_str().unwrap().replacen(r#", "update""#, "", 1);
    let path = format!("sys/policies/acl/{}", bao.path);
    assert!(bao.admin("POST", &path, json!({ "policy": policy })).0 < 300);
    crate::suite::concurrent_writers_lose_nothing(&bao);
}

#[test]
#[ignore = "needs a server: conformance/openbao/run"]
fn a_sealed_server_says_so() {
    let bao = Bao { path: "countersign".into() };
    let mut config = bao.config(token(&variable("ROOT")));
    config.address = variable("SEALED_ADDRESS");
    config.ca_pem = None;
    config.allow_http_loopback = true;
    let error = bao.with(config).get("a").unwrap_err();
    assert!(error.is_unreachable() && error.to_string().contains("unseal"), "{error}");
}
