//! The keyring of the operating system. `conformance/keyring/run` starts one and runs
//! these; without it they would fill the keyring of whoever tests.

use std::collections::HashMap;
use std::sync::Arc;

use countersign_vault::{Keyring, Vault, prove};
use secret_service::EncryptionType;
use secret_service::blocking::{Item, SecretService};

use crate::suite::{Place, pair, random};

const SERVICE: &str = "countersign-test";

struct InFolder(tempfile::TempDir);

impl InFolder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn list(&self) -> std::path::PathBuf {
        self.0.path().join("vault-keyring.json")
    }

    fn keyring(&self) -> Arc<Keyring> {
        Keyring::open(&self.list(), SERVICE, random()).unwrap()
    }
}

impl Place for InFolder {
    fn open(&self) -> Arc<dyn Vault> {
        self.keyring()
    }

    /// A keyring is locked for all of its tests at once: `locked` has its own run.
    fn open_denied(&self) -> Option<Arc<dyn Vault>> {
        None
    }

    fn writers(&self) -> u32 {
        3
    }
}

suite!(InFolder::new(), "needs a keyring: conformance/keyring/run");

/// An item, behind the vault's back.
struct ByHand {
    service: SecretService<'static>,
    user: String,
}

impl ByHand {
    fn new(place: &InFolder, what: &str) -> Self {
        let list: serde_json::Value =
            serde_json::from_slice(&std::fs::read(place.list()).unwrap()).unwrap();
        let user = format!("{}/{what}", list["vault"].as_str().unwrap());
        Self { service: SecretService::connect(EncryptionType::Dh).unwrap(), user }
    }

    fn attributes(&self) -> HashMap<&str, &str> {
        HashMap::from([("service", SERVICE), ("username", &self.user)])
    }

    fn item(&self) -> Option<Item<'_>> {
        self.service.search_items(self.attributes()).unwrap().unlocked.pop()
    }

    fn secret(&self) -> Option<Vec<u8>> {
        self.item().map(|item| item.get_secret().unwrap())
    }

    fn write(&self, secret: &[u8]) {
        let collection = self.service.get_default_collection().unwrap();
        let kind = "application/octet-stream";
        collection.create_item("by hand", self.attributes(), secret, true, kind).unwrap();
    }
}

/// Items that an earlier version wrote are found, and what lists a keyring shows the same.
#[test]
#[ignore = "needs a keyring: conformance/keyring/run"]
fn an_item_has_the_attributes_and_the_label_it_always_had() {
    let place = InFolder::new();
    place.keyring().put("a", &pair(1), 0).unwrap();
    let by_hand = ByHand::new(&place, "a@1");
    let item = by_hand.item().unwrap();
    assert_eq!(item.get_label().unwrap(), format!("keyring:{}@{SERVICE}", by_hand.user));
    let attributes = item.get_attributes().unwrap();
    for (key, value) in by_hand.attributes() {
        assert_eq!(attributes[key], value);
    }
}

#[test]
#[ignore = "needs a keyring: conformance/keyring/run"]
fn a_lost_item_is_not_taken_for_one_that_never_was() {
    let place = InFolder::new();
    let vault = place.keyring();
    vault.put("a", &pair(1), 0).unwrap();
    ByHand::new(&place, "a@1").item().unwrap().delete().unwrap();
    let error = vault.get("a").unwrap_err();
    assert!(!error.is_not_found() && error.to_string().contains("lost version 1"), "{error}");
    assert_eq!(vault.put("a", &pair(2), 0).unwrap(), 2);
    vault.destroy("a", 1).unwrap();
}

#[test]
#[ignore = "needs a keyring: conformance/keyring/run"]
fn a_destroyed_secret_is_gone_from_the_keyring() {
    let place = InFolder::new();
    let vault = place.keyring();
    vault.put("a", &pair(1), 0).unwrap();
    assert!(ByHand::new(&place, "a@1").secret().is_some());
    vault.destroy("a", 1).unwrap();
    assert!(ByHand::new(&place, "a@1").item().is_none());
    prove(&*vault, &random(), 0).unwrap();
    assert!(ByHand::new(&place, ".probe@1").item().is_none());
}

#[test]
#[ignore = "needs a keyring: conformance/keyring/run"]
fn an_item_that_a_crash_left_is_passed_over() {
    let place = InFolder::new();
    let vault = place.keyring();
    vault.put("a", &pair(1), 0).unwrap();
    ByHand::new(&place, "a@2").write(b"left");
    assert_eq!(vault.put("a", &pair(3), 0).unwrap(), 3);
    assert_eq!(ByHand::new(&place, "a@2").secret().unwrap(), b"left");
    assert_eq!(vault.versions("a").unwrap().len(), 2);
}

#[test]
#[ignore = "needs a keyring: conformance/keyring/run"]
fn a_list_brought_back_from_before_overwrites_nothing() {
    let place = InFolder::new();
    let vault = place.keyring();
    vault.put("a", &pair(1), 0).unwrap();
    let before = std::fs::read(place.list()).unwrap();
    vault.put("a", &pair(2), 0).unwrap();
    std::fs::write(place.list(), before).unwrap();
    assert_eq!(vault.put("a", &pair(3), 0).unwrap(), 3);
}

#[test]
#[ignore = "needs a keyring: conformance/keyring/run"]
fn an_item_of_another_name_or_form_is_refused() {
    let place = InFolder::new();
    let vault = place.keyring();
    vault.put("a", &pair(1), 0).unwrap();
    vault.put("b", &pair(2), 0).unwrap();
    let other = ByHand::new(&place, "b@1").secret().unwrap();
    for wrong in [&other[..], b"", b"no JSON", &other[..other.len() - 2]] {
        ByHand::new(&place, "a@1").write(wrong);
        let error = vault.get("a").unwrap_err().to_string();
        assert!(error.contains("not of countersign") && !error.contains("0202"), "{error}");
    }
}

#[test]
#[ignore = "needs a keyring: conformance/keyring/run"]
fn two_homes_do_not_meet() {
    let (one, other) = (InFolder::new(), InFolder::new());
    one.keyring().put("a", &pair(1), 0).unwrap();
    assert!(other.keyring().get("a").unwrap_err().is_not_found());
    assert_eq!(other.keyring().put("a", &pair(2), 0).unwrap(), 1);
    assert_eq!(one.keyring().get("a").unwrap(), (1, pair(1)));
    // And one home does not file under another service what it filed under the first.
    let error = Keyring::open(&one.list(), "elsewhere", random()).unwrap_err();
    assert!(error.is_config() && error.to_string().contains(SERVICE), "{error}");
}

/// The connection to the bus has a runtime of its own, which may not end in another one.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a keyring: conformance/keyring/run"]
async fn a_vault_may_be_dropped_in_a_runtime() {
    let place = InFolder::new();
    let vault = place.keyring();
    tokio::task::block_in_place(|| vault.put("a", &pair(1), 0)).unwrap();
    drop(vault);
}

#[test]
#[ignore = "needs a machine without a session bus: conformance/keyring/run"]
fn without_a_bus() {
    let place = InFolder::new();
    let vault = place.keyring();
    assert_eq!(vault.entries().unwrap(), [], "listing asks no keyring");
    let error = vault.put("a", &pair(1), 0).unwrap_err();
    let told = error.to_string();
    assert!(error.is_unreachable() && told.contains("dbus-run-session"), "{told}");
    assert!(prove(&*vault, &random(), 0).unwrap_err().is_proof());
    assert_eq!(vault.entries().unwrap(), []);
}

/// In a run of its own, with a keyring that was locked after `a` went in.
#[test]
#[ignore = "needs a locked keyring: conformance/keyring/run"]
fn locked() {
    let place = InFolder::new();
    let vault = place.keyring();
    vault.put("a", &pair(0xab), 0).unwrap();
    let locked = std::process::Command::new("sh").arg("-c").arg(LOCK).status().unwrap();
    assert!(locked.success());
    for error in [
        vault.get("a").map(|_| ()).unwrap_err(),
        vault.put("a", &pair(1), 0).map(|_| ()).unwrap_err(),
        vault.destroy("a", 1).unwrap_err(),
        prove(&*vault, &random(), 0).unwrap_err(),
    ] {
        let told = error.to_string();
        assert!(!error.is_not_found() && told.contains("\nhint: "), "{told}");
    }
    let entries = vault.entries().unwrap();
    assert!(entries.len() == 1 && !entries[0].is_tombstone, "nothing came of it: {entries:?}");
}

const LOCK: &str = "dbus-send --session --print-reply --dest=org.freedesktop.secrets \
    /org/freedesktop/secrets org.freedesktop.Secret.Service.Lock \
    array:objpath:/org/freedesktop/secrets/collection/login";
