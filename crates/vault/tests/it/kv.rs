//! A KV version 2 engine: the suite, signing in, and what a server and the way to it may
//! do wrong.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use countersign_vault::{Clock, Error, Kv, KvConfig, PROBE, SecretText, SignIn, Vault, prove};
use zeroize::Zeroizing;

use crate::kv_server::{Fault, JWT, POOR, ROLE_ID, ROOT, SECRET_ID, Server};
use crate::suite::{Place, pair, random};

impl Server {
    fn config(&self, sign_in: SignIn) -> KvConfig {
        KvConfig {
            address: self.address.clone(),
            mount: "secret".into(),
            path: "countersign".into(),
            namespace: None,
            sign_in,
            ca_pem: None,
            allow_http_loopback: true,
            timeout: Duration::from_secs(30),
            keys: "vault.kv",
        }
    }

    fn with(&self, config: KvConfig) -> Arc<Kv> {
        provider();
        let state = self.state.clone();
        let clock: Clock = Arc::new(move || state.now());
        Kv::open(config, clock, random()).unwrap()
    }

    fn by(&self, sign_in: SignIn) -> Arc<Kv> {
        self.with(self.config(sign_in))
    }

    pub(crate) fn vault(&self) -> Arc<Kv> {
        self.by(token(ROOT))
    }
}

/// As the program does it first thing.
pub(crate) fn provider() {
    // A second test finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

pub(crate) fn given(text: &str) -> SecretText {
    SecretText::Given(Zeroizing::new(text.into()))
}

pub(crate) fn token(text: &str) -> SignIn {
    SignIn::Token(given(text))
}

fn app_role(secret_id: &str) -> SignIn {
    let secret_id = Some(given(secret_id));
    SignIn::AppRole { mount: "approle".into(), role_id: ROLE_ID.into(), secret_id }
}

impl Place for Server {
    fn open(&self) -> Arc<dyn Vault> {
        self.vault()
    }

    fn open_denied(&self) -> Option<Arc<dyn Vault>> {
        Some(self.by(token(POOR)))
    }
}

suite!(Server::start());

fn refused(config: KvConfig) -> String {
    provider();
    let error = Kv::open(config, Arc::new(|| 0), random()).unwrap_err();
    assert!(error.is_config(), "{error}");
    error.to_string()
}

#[test]
fn only_https_or_the_loopback_address_by_leave() {
    let server = Server::start();
    let config = |address: &str| {
        let mut config = server.config(token(ROOT));
        config.address = address.into();
        config
    };
    assert!(refused(config("http://vault.example.com:8200")).contains("is not https"));
    assert!(refused(config("http://127.0.0.1.example.com:8200")).contains("is not https"));
    assert!(refused(config("ftp://127.0.0.1")).contains("is not https"));
    let told = refused(config("https://user:pass-word@vault.example.com"));
    assert!(told.contains("a password") && !told.contains("pass-word"), "{told}");
    assert!(refused(config("vault.example.com")).contains("is not a URL"));
    assert!(refused(config("https://vault.example.com/?token=x")).contains("a query"));
    let mut strict = config(&server.address);
    strict.allow_http_loopback = false;
    assert!(refused(strict).contains("allow_http_loopback"));
    for mount in ["", "a//b", "../sys", "/secret"] {
        let mut config = config(&server.address);
        config.mount = mount.into();
        assert!(refused(config).contains("cannot be the mount"), "{mount}");
    }
    let mut config = config(&server.address);
    config.ca_pem = Some(b"no certificate".to_vec());
    assert!(refused(config).contains("CA file"));
}

#[test]
fn statuses_are_told_with_what_to_do() {
    let server = Server::start();
    let vault = server.vault();
    vault.put("a", &pair(1), 0).unwrap();
    let fails = |fault| {
        server.fail(Method::GET, "secret/metadata", fault);
        let error = vault.get("a").unwrap_err();
        assert_eq!(server.faults_left(), 0);
        error
    };
    type Is = fn(&Error) -> bool;
    let cases: [(Fault, Is, &str); 11] = [
        (
            Fault::Answer(403, r#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#),
            Error::is_denied,
            "policy",
        ),
        (
            Fault::Answer(404, r#"{"errors":["no handler for route \"x\""]}"#),
            Error::is_config,
            "vault.kv.mount",
        ),
        (
            Fault::Answer(429, r#"{"errors":["rate limit quota exceeded"]}"#),
            Error::is_unreachable,
            "how often",
        ),
        (
            Fault::Answer(412, r#"{"errors":["required index state not present"]}"#),
            Error::is_unreachable,
            "lags",
        ),
        (Fault::Answer(473, "{}"), Error::is_unreachable, "standby"),
        (Fault::Answer(500, r#"{"errors":["internal error"]}"#), Error::is_unreachable, "its log"),
        (Fault::Answer(502, "<html>bad gateway</html>"), Error::is_unreachable, "its log"),
        (Fault::Answer(503, r#"{"errors":["Vault is sealed"]}"#), Error::is_unreachable, "unseal"),
        (Fault::Answer(200, "<html>please sign in</html>"), |_| true, "a page before it"),
        (Fault::Huge, |_| true, "larger than 4 MiB"),
        (Fault::Redirect, Error::is_config, "vault.kv.address"),
    ];
    for (fault, is, word) in cases {
        let error = fails(fault);
        let told = error.to_string();
        assert!(is(&error) && told.contains(word) && !error.is_not_found(), "{fault:?}: {told}");
    }
    // A 404 of something else than the store is not "nothing there": that would be a
    // reason to begin at version 1 again.
    for body in ["<html>not found</html>", "{}", "404 page not found"] {
        assert!(!fails(Fault::Answer(404, body)).is_not_found(), "{body}");
        server.fail(Method::GET, "secret/metadata", Fault::Answer(404, body));
        assert!(vault.put("a", &pair(1), 0).is_err(), "{body}");
    }
    assert_eq!(vault.get("a").unwrap(), (1, pair(1)));
}

#[test]
fn what_cannot_be_reached_is_said_in_time() {
    let server = Server::start();
    let mut config = server.config(token(ROOT));
    config.timeout = Duration::from_millis(300);
    let vault = server.with(config.clone());
    vault.put("a", &pair(1), 0).unwrap();
    server.fail(Method::GET, "secret/data", Fault::Hang);
    let error = vault.get("a").unwrap_err();
    assert!(error.is_unreachable() && error.to_string().contains("in time"), "{error}");
    config.address = "http://127.0.0.1:1".into();
    let error = server.with(config).get("a").unwrap_err();
    assert!(error.is_unreachable() && error.to_string().contains("vault.kv.address"), "{error}");
}

#[test]
fn a_lost_answer_to_a_write_is_looked_up() {
    let server = Server::start();
    let mut config = server.config(token(ROOT));
    config.timeout = Duration::from_millis(500);
    let vault = server.with(config);
    for (at, fault) in [Fault::LoseAnswer(502), Fault::Hang].into_iter().enumerate() {
        server.fail(Method::POST, "secret/data", fault);
        let version = vault.put("a", &pair(at as u8), 0).unwrap();
        assert_eq!(version, at as u32 + 1, "written once");
        assert_eq!(vault.get("a").unwrap(), (version, pair(at as u8)));
    }
    // Never done, and said so: nothing is there.
    server.fail(
        Method::POST,
        "secret/data",
        Fault::Answer(503, r#"{"errors":["Vault is sealed"]}"#),
    );
    assert!(vault.put("a", &pair(9), 0).unwrap_err().is_unreachable());
    assert_eq!(vault.versions("a").unwrap().len(), 2);
}

#[test]
fn a_listing_that_lags_behind_does_not_give_a_number_twice() {
    let server = Server::start();
    let vault = server.vault();
    vault.put("a", &pair(1), 0).unwrap();
    vault.put("a", &pair(2), 0).unwrap();
    server.list_nothing(true);
    assert_eq!(vault.put("a", &pair(3), 0).unwrap(), 3);
    server.list_nothing(false);
    assert_eq!(vault.get_version("a", 1).unwrap(), pair(1));
}

#[test]
fn a_crash_before_the_metadata_leaves_a_whole_secret() {
    let server = Server::start();
    let vault = server.vault();
    server.fail(Method::POST, "secret/metadata", Fault::Answer(500, "{}"));
    assert_eq!(vault.put("a", &pair(1), 7).unwrap(), 1);
    server.forget_metadata("countersign/a/1");
    let entries = vault.entries().unwrap();
    assert_eq!((entries[0].api_id.as_str(), entries[0].created_ms), (pair(1).id(), 7));
    vault.destroy("a", 1).unwrap();
    let entries = vault.entries().unwrap();
    assert!(entries[0].is_tombstone && entries[0].api_id == pair(1).id(), "{entries:?}");
}

#[test]
fn a_version_deleted_by_hand_is_a_tombstone() {
    let server = Server::start();
    let vault = server.vault();
    vault.put("a", &pair(1), 0).unwrap();
    vault.put("a", &pair(2), 0).unwrap();
    server.delete_by_hand("countersign/a/2");
    assert_eq!(vault.get("a").unwrap(), (1, pair(1)));
    assert!(vault.versions("a").unwrap()[1].is_tombstone);
    assert_eq!(vault.put("a", &pair(3), 0).unwrap(), 3);
}

#[test]
fn an_engine_that_would_not_keep_it_gets_no_secret() {
    let server = Server::start();
    server.be_version_1();
    let error = server.vault().put("a", &pair(1), 0).unwrap_err();
    assert!(error.is_config() && error.to_string().contains("version 2"), "{error}");
    assert!(!server.seen().iter().any(|seen| seen.starts_with("POST")));
    // Where we may not look, the first write tells: a probe, if one is careful.
    server.fail(Method::GET, "internal/ui/mounts", Fault::Answer(403, "{}"));
    server.fail(Method::GET, "internal/ui/mounts", Fault::Answer(403, "{}"));
    let error = prove(&*server.by(app_role(SECRET_ID)), &random(), 0).unwrap_err();
    assert!(error.is_proof() && error.to_string().contains("version 2"), "{error}");

    let server = Server::start();
    server.delete_by_age();
    let error = server.vault().put("a", &pair(1), 0).unwrap_err();
    assert!(error.is_config() && error.to_string().contains("by age"), "{error}");
    assert_eq!(server.secrets(), 0, "what was written is gone");
}

#[test]
fn a_proof_costs_few_requests_and_keeps_no_trace() {
    let server = Server::start();
    let vault = server.vault();
    for at in 0..20 {
        vault.put(&format!("name-{at}"), &pair(at), 0).unwrap();
    }
    server.seen();
    prove(&*vault, &random(), 0).unwrap();
    let seen = server.seen();
    assert!(seen.len() <= 12, "{seen:?}");
    assert!(seen.iter().all(|seen| !seen.contains("name-")), "{seen:?}");
    assert_eq!(vault.versions(PROBE).unwrap(), []);
    assert_eq!(server.secrets(), 20);
}

#[test]
fn every_way_of_signing_in() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwt");
    std::fs::write(&file, format!("{JWT}\n")).unwrap();
    let jwt = |mount: &str| SignIn::Jwt {
        mount: mount.into(),
        role: "countersign".into(),
        jwt: SecretText::File(file.clone()),
    };
    for (at, way) in [app_role(SECRET_ID), jwt("jwt"), jwt("kubernetes")].into_iter().enumerate() {
        assert_eq!(server.by(way).put("a", &pair(1), 0).unwrap(), at as u32 + 1);
    }
    for wrong in [app_role("another"), jwt("nowhere")] {
        let error = server.by(wrong).get("a").unwrap_err();
        assert!(error.is_denied() && error.to_string().contains("sign in"), "{error}");
    }
    std::fs::write(&file, "another").unwrap();
    assert!(server.by(jwt("jwt")).get("a").unwrap_err().is_denied());
    std::fs::write(&file, " \n").unwrap();
    assert!(server.by(jwt("jwt")).get("a").unwrap_err().to_string().contains("is empty"));
    let printed = format!("{:?}", app_role(SECRET_ID));
    assert!(!printed.contains(SECRET_ID), "{printed}");
}

#[test]
fn a_namespace_is_named_in_each_request() {
    let server = Server::start();
    server.require_namespace("team/security");
    assert!(server.vault().get("a").unwrap_err().to_string().contains("vault.kv.namespace"));
    let mut config = server.config(app_role(SECRET_ID));
    config.namespace = Some("team/security".into());
    let vault = server.with(config);
    vault.put("a", &pair(1), 0).unwrap();
    prove(&*vault.reopen().unwrap(), &random(), 0).unwrap();
}

fn count(seen: &[String], what: &str) -> usize {
    seen.iter().filter(|seen| seen.contains(what)).count()
}

#[test]
fn a_token_is_renewed_before_it_lapses() {
    let server = Server::start();
    let vault = server.by(token(&server.token(100, 1000)));
    vault.put("a", &pair(1), 0).unwrap();
    for _ in 0..9 {
        server.advance(60);
        vault.get("a").unwrap();
    }
    let seen = server.seen();
    assert!((8..=9).contains(&count(&seen, "renew-self")), "{seen:?}");
    // At the end of its longest life nothing helps, and the store says so.
    server.advance(1000);
    assert!(vault.get("a").unwrap_err().is_denied());
}

#[test]
fn a_token_that_is_old_already_is_renewed_at_once() {
    let server = Server::start();
    let old = server.token(100, 1000);
    server.advance(70);
    let vault = server.by(token(&old));
    vault.entries().unwrap();
    vault.entries().unwrap();
    assert_eq!(count(&server.seen(), "renew-self"), 1);
    server.advance(50);
    vault.entries().unwrap();
}

#[test]
fn refused_once_it_signs_in_anew_and_asks_again() {
    let server = Server::start();
    let vault = server.by(app_role(SECRET_ID));
    vault.put("a", &pair(1), 0).unwrap();
    server.revoke_all();
    assert_eq!(vault.put("a", &pair(2), 0).unwrap(), 2);
    // Also a day later, with one sign-in.
    server.seen();
    server.advance(100_000);
    assert_eq!(vault.get("a").unwrap(), (2, pair(2)));
    assert_eq!(count(&server.seen(), "approle/login"), 1);
    // What is refused again is refused: no sign-in without end.
    server.fail(Method::GET, "secret/metadata", Fault::Answer(403, "{}"));
    server.fail(Method::GET, "secret/metadata", Fault::Answer(403, "{}"));
    assert!(vault.get("a").unwrap_err().is_denied());
    assert_eq!(count(&server.seen(), "approle/login"), 1);
}

#[test]
fn a_short_life_is_lived_again_and_again() {
    let server = Server::start();
    server.set_token_seconds(10);
    let vault = server.by(app_role(SECRET_ID));
    for at in 1..=40 {
        vault.put("a", &pair(at), 0).unwrap();
        server.advance(6);
    }
    let seen = server.seen();
    assert!(count(&seen, "renew-self") > 20, "{}", count(&seen, "renew-self"));
    assert!(count(&seen, "approle/login") <= 6, "{}", count(&seen, "approle/login"));
}

#[test]
fn a_token_file_that_was_rewritten_is_read_anew() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, server.token(100, 100)).unwrap();
    let vault = server.by(SignIn::Token(SecretText::File(file.clone())));
    vault.put("a", &pair(1), 0).unwrap();
    server.advance(200);
    assert!(vault.get("a").unwrap_err().is_denied());
    std::fs::write(&file, server.token(100, 100)).unwrap();
    assert_eq!(vault.get("a").unwrap(), (1, pair(1)));
}

#[test]
fn secrets_and_tokens_are_in_no_address() {
    let server = Server::start();
    let vault = server.by(app_role(SECRET_ID));
    vault.put("a", &pair(0xab), 0).unwrap();
    vault.get("a").unwrap();
    vault.destroy("a", 1).unwrap();
    for seen in server.seen() {
        for secret in [&*pair(0xab).secret().expose_hex(), SECRET_ID, "hvs."] {
            assert!(!seen.contains(secret), "{seen}");
        }
    }
    // A proxy that repeats what it got, secret and all.
    static ECHO: &str = concat!(
        r#"{"errors":["cannot take {\"secret\":\""#,
        "abababababababababababababababababababababababababababababababababababababababab",
        "ababababababababababababababababababababababababab",
        r#"\"}"]}"#
    );
    server.fail(Method::POST, "secret/data", Fault::Answer(400, ECHO));
    let error = vault.put("a", &pair(0xab), 0).unwrap_err();
    assert!(!format!("{error}{error:?}").contains("abababab"), "{error}");
}
