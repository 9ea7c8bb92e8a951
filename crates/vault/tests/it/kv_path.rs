//! One path that others use too: what is refused, who is faster, and what stays.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use countersign_vault::{Error, KvConfig, KvPath, SignIn, Vault};

use crate::kv::{provider, token};
use crate::kv_server::{Fault, POOR, ROOT, Server};
use crate::suite::pair;

fn config(server: &Server, path: &str, sign_in: SignIn) -> KvConfig {
    KvConfig {
        address: server.address.clone(),
        mount: "secret".into(),
        path: path.into(),
        namespace: None,
        sign_in,
        ca_pem: None,
        allow_http_loopback: true,
        timeout: Duration::from_secs(30),
        keys: "consumers.kv",
    }
}

fn open(config: KvConfig) -> Result<KvPath, Error> {
    provider();
    KvPath::open(config, Arc::new(|| 0))
}

fn at(server: &Server, path: &str) -> KvPath {
    open(config(server, path, token(ROOT))).unwrap()
}

#[test]
fn what_it_may_not_or_must_not_use_is_refused() {
    let server = Server::start();
    for path in ["", "/", "a//b", "../sys", "a/../b", "a~b"] {
        let error = open(config(&server, path, token(ROOT))).unwrap_err();
        assert!(error.is_config() && error.to_string().contains("cannot be the path"), "{path}");
    }
    let mut strict = config(&server, "ci/pair", token(ROOT));
    strict.allow_http_loopback = false;
    let told = open(strict).unwrap_err().to_string();
    assert!(told.contains("consumers.kv.allow_http_loopback"), "{told}");

    let poor = open(config(&server, "ci/pair", token(POOR))).unwrap();
    for told in [poor.read().map(drop), poor.write(&Default::default()).map(drop)] {
        let told = told.unwrap_err().to_string();
        assert!(told.contains("status 403") && told.contains("policy"), "{told}");
    }

    // A secret of a vault, by whatever name the store is reached.
    server.vault().put("ci", &pair(1), 0).unwrap();
    let told = at(&server, "countersign/ci/1").read().unwrap_err().to_string();
    assert!(
        told.contains("of a vault of countersign") && told.contains("consumers.kv.path"),
        "{told}"
    );

    server.be_version_1();
    let told = at(&server, "ci/pair").write(&Default::default()).unwrap_err().to_string();
    assert!(told.contains("not a KV version 2") && told.contains("consumers.kv.mount"), "{told}");
}

#[test]
fn whoever_is_slower_writes_nothing() {
    let server = Server::start();
    let (one, other) = (at(&server, "ci/pair"), at(&server, "ci/pair"));
    let (mut first, mut second) = (one.read().unwrap(), other.read().unwrap());
    first.set("a", "1");
    second.set("a", "2");
    assert!(one.write(&first).unwrap());
    assert!(!other.write(&second).unwrap(), "it has not seen the first");
    assert_eq!(other.read().unwrap().text("a").as_deref().map(String::as_str), Some("1"));
    let mut again = other.read().unwrap();
    again.set("a", "2");
    assert!(other.write(&again).unwrap());
    assert_eq!(one.read().unwrap().text("a").as_deref().map(String::as_str), Some("2"));
}

#[test]
fn other_keys_stay_and_what_was_deleted_is_counted_on() {
    let server = Server::start();
    let path = at(&server, "ci/pair");
    let mut secret = path.read().unwrap();
    secret.set("theirs", "kept");
    assert!(path.write(&secret).unwrap());
    let mut secret = path.read().unwrap();
    secret.set("ours", "s3cret-\"quoted\"");
    assert!(path.write(&secret).unwrap());
    let secret = path.read().unwrap();
    let text = |key: &str| secret.text(key).map(|text| text.to_string());
    assert_eq!(text("theirs").as_deref(), Some("kept"));
    assert_eq!(text("ours").as_deref(), Some("s3cret-\"quoted\""));
    assert!(!format!("{secret:?} {path:?}").contains("s3cret"));

    let fresh = at(&server, "ci/deleted");
    let mut secret = fresh.read().unwrap();
    secret.set("a", "1");
    assert!(fresh.write(&secret).unwrap());
    server.delete_by_hand("ci/deleted");
    let mut secret = fresh.read().unwrap();
    assert_eq!(secret.text("a"), None);
    secret.set("a", "2");
    assert!(fresh.write(&secret).unwrap(), "after the one that was deleted");

    server.fail(Method::POST, "ci/deleted", Fault::LoseAnswer(502));
    let mut secret = fresh.read().unwrap();
    secret.set("a", "3");
    fresh.write(&secret).unwrap_err();
    assert_eq!(fresh.read().unwrap().text("a").as_deref().map(String::as_str), Some("3"));
    assert!(server.seen().iter().all(|line| !line.contains("s3cret")));
}
