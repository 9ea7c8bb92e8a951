//! Where secrets are: in the vault, and in the one answer that made them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_store::AccountId;
use countersign_testkit::TestPlatform;
use countersign_vault::{Entry, Error, KeySource, SealedFile, Secret, Vault};
use serde_json::{Value, json};

use super::{OWN, READER, config, credential};
use crate::Desk;

/// Every row that names a secret names one that is in the vault, and none of these texts is
/// in a file or an entry of the audit log.
pub(super) async fn must_be_whole(desk: &Desk, secrets: &[&str]) {
    let key = KeySource::KeyFile(desk.home.path().join("key"));
    let file = desk.home.path().join("vault.json");
    let vault = SealedFile::open(&file, key, desk.random.clone()).unwrap();
    for one in desk.store.credentials().await.unwrap() {
        // Those that the tests put there themselves have none.
        if one.vault_name.starts_with("kept/") {
            assert!(vault.get_version(&one.vault_name, one.version.unwrap()).is_ok(), "{one:?}");
        }
    }
    for one in desk.store.kept_credentials(AccountId::OWN).await.unwrap() {
        assert!(vault.get_version(&one.new.vault_name, one.new.version).is_ok(), "{one:?}");
    }
    for entry in std::fs::read_dir(desk.home.path()).unwrap() {
        let path = entry.unwrap().path();
        let Ok(bytes) = std::fs::read(&path) else { continue };
        for secret in secrets {
            let is_there = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!is_there, "a secret is in {}", path.display());
        }
    }
    let entries = desk.store.audit_entries(None, 1000).await.unwrap();
    for (entry, secret) in entries.iter().flat_map(|entry| secrets.iter().map(move |s| (entry, s)))
    {
        assert!(!format!("{entry:?}").contains(*secret), "{entry:?}");
    }
}

#[tokio::test]
async fn no_answer_has_a_secret_that_was_given() {
    let (desk, platform) = (Desk::start().await, TestPlatform::start(super::SEED).await);
    let admin = desk.admin().await;
    let (given, secret) = credential(&platform, "reader", READER);
    let (poor, poor_secret) = credential(&platform, "poor", &["adminapi"]);
    let base = format!("/v1/integrations/{OWN}");
    let keep = format!("/v1/credentials/{OWN}");
    let with =
        |credential: &Value| json!({"provider_config": config(&platform, credential.clone())});
    let (mut odd, mut extra) = (given.clone(), given.clone());
    odd["client_id"] = secret.as_str().into();
    extra["token_url"] = "https://example.com".into();
    let mut swapped = given.clone();
    (swapped["client_id"], swapped["client_secret"]) =
        (given["client_secret"].clone(), given["client_id"].clone());
    let mut seen = String::new();
    for (method, target, body) in [
        ("POST", &*base, with(&odd)),
        ("POST", &*base, with(&swapped)),
        ("POST", &*base, with(&extra)),
        ("POST", &*base, with(&poor)),
        ("POST", &*base, json!({"provider_config": {"type": secret}})),
        ("POST", &*keep, json!({"config": odd})),
        ("POST", &*keep, json!({"config": given})),
        ("POST", &*base, with(&given)),
        ("GET", &*base, Value::Null),
        ("GET", &*keep, Value::Null),
        ("GET", "/v1/status?expand=all", Value::Null),
    ] {
        let answer = desk.json(method, target, &admin, body).await;
        seen.push_str(&answer.body);
    }
    // What was given in a place for words may be said again; in a place for secrets never.
    let echoed = seen.matches(&secret).count();
    assert!(echoed <= 1 && !seen.contains(&poor_secret), "{seen}");
    must_be_whole(&desk, &[&secret, &poor_secret]).await;
}

/// A vault that does what it is asked so many times, and then once more without saying so:
/// as when the program is killed right there.
struct Dying {
    vault: Arc<dyn Vault>,
    left: AtomicUsize,
}

impl Dying {
    fn lives(&self) -> Result<bool, Error> {
        let counted =
            self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match counted {
            Ok(left) => Ok(left > 1),
            Err(_) => Err(self.dead()),
        }
    }

    fn dead(&self) -> Error {
        self.vault.get("absent").expect_err("there is none")
    }
}

impl Vault for Dying {
    fn place(&self) -> String {
        self.vault.place()
    }

    fn put(&self, name: &str, credential: &Secret, now_ms: i64) -> Result<u32, Error> {
        let lives = self.lives()?;
        let version = self.vault.put(name, credential, now_ms)?;
        if lives { Ok(version) } else { Err(self.dead()) }
    }

    fn get(&self, name: &str) -> Result<(u32, Secret), Error> {
        self.vault.get(name)
    }

    fn get_version(&self, name: &str, version: u32) -> Result<Secret, Error> {
        self.vault.get_version(name, version)
    }

    fn entries(&self) -> Result<Vec<Entry>, Error> {
        self.vault.entries()
    }

    fn versions(&self, name: &str) -> Result<Vec<Entry>, Error> {
        self.vault.versions(name)
    }

    fn destroy(&self, name: &str, version: u32) -> Result<(), Error> {
        let lives = self.lives()?;
        self.vault.destroy(name, version)?;
        if lives { Ok(()) } else { Err(self.dead()) }
    }

    fn erase(&self, name: &str, version: u32) -> Result<(), Error> {
        self.vault.erase(name, version)
    }

    fn reopen(&self) -> Result<Arc<dyn Vault>, Error> {
        self.vault.reopen()
    }
}

#[tokio::test]
async fn wherever_it_is_killed_no_row_names_a_secret_that_is_not_there() {
    let platform = TestPlatform::start(super::SEED).await;
    let (mut ended, mut lives) = (false, 1);
    while !ended {
        let desk =
            Desk::start_with(|vault| Arc::new(Dying { vault, left: AtomicUsize::new(lives) }))
                .await;
        let admin = desk.admin().await;
        let (first, one) = credential(&platform, "reader", READER);
        let (second, two) = credential(&platform, "reader", READER);
        let (third, three) = credential(&platform, "reader", READER);
        let keep = format!("/v1/credentials/{OWN}");
        let base = format!("/v1/integrations/{OWN}");
        ended = true;
        let kept = desk.json("POST", &keep, &admin, json!({"config": first})).await;
        ended &= kept.status == 200;
        let body = json!({"name": "prod", "provider_config": config(&platform, second)});
        let created = desk.json("POST", &base, &admin, body).await;
        ended &= created.status == 200;
        must_be_whole(&desk, &[&one, &two]).await;
        let uid =
            created.json()["result"]["integration"]["id"].as_str().unwrap_or("none").to_owned();
        let target = format!("{base}/{uid}");
        let replace = |value: Value| json!([{"op": "replace", "path": "/provider_config/credential", "value": value}]);
        ended &= desk.json("PATCH", &target, &admin, replace(third)).await.status == 200;
        must_be_whole(&desk, &[&one, &two, &three]).await;
        let id = kept.json()["result"]["id"].as_str().unwrap_or("none").to_owned();
        let reference = json!({"type": "o_auth_client_id", "value": id});
        ended &= desk.json("PATCH", &target, &admin, replace(reference)).await.status == 200;
        must_be_whole(&desk, &[&one, &two, &three]).await;
        ended &= desk.json("DELETE", &target, &admin, Value::Null).await.status == 200;
        must_be_whole(&desk, &[&one, &two, &three]).await;
        lives += 1;
    }
    assert!(lives > 5, "every step was cut short once: {lives}");
}
