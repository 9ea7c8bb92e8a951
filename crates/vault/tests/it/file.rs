//! What is peculiar to the sealed file: keys, altered bytes, leftovers of a crash.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use countersign_vault::{KeySource, MasterKey, SealedFile, Vault, seal, unseal};
use proptest::prelude::*;
use zeroize::Zeroizing;

use crate::suite::{Place, pair, random};

struct InFolder(tempfile::TempDir);

impl Place for InFolder {
    fn open(&self) -> Arc<dyn Vault> {
        open(self.0.path())
    }

    fn open_denied(&self) -> Option<Arc<dyn Vault>> {
        let key = self.0.path().join("another.key");
        MasterKey::load_or_create(&key, &*random()).unwrap();
        let path = self.0.path().join("vault.json");
        Some(SealedFile::open(&path, KeySource::KeyFile(key), random()).unwrap())
    }
}

suite!(InFolder(tempfile::tempdir().unwrap()));

fn open(folder: &Path) -> Arc<SealedFile> {
    SealedFile::open(
        &folder.join("vault.json"),
        KeySource::KeyFile(folder.join("vault.key")),
        random(),
    )
    .unwrap()
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("k");
    MasterKey::load_or_create(&key, &*random()).unwrap();
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = MasterKey::load_or_create(&key, &*random()).unwrap_err().to_string();
    assert!(error.contains("640") && error.contains("hint: run `chmod 600"), "{error}");
}

#[test]
fn a_wrong_passphrase_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.json");
    let with = |text: &str| {
        let source = KeySource::Passphrase(Zeroizing::new(text.to_owned()));
        SealedFile::open(&path, source, random()).unwrap()
    };
    with("correct horse").put("a", &pair(1), 0).unwrap();
    let wrong = with("battery staple");
    assert!(wrong.get("a").unwrap_err().is_unsealable());
    assert!(wrong.put("b", &pair(2), 0).unwrap_err().is_unsealable(), "nothing goes in either");
    assert_eq!(with("correct horse").get("a").unwrap(), (1, pair(1)));
}

#[test]
fn one_vault_has_one_kind_of_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.json");
    let passphrase = || KeySource::Passphrase(Zeroizing::new("correct horse".into()));
    let sealed_by_passphrase = SealedFile::open(&path, passphrase(), random()).unwrap();
    // Opened before there was anything, so with a salt of its own.
    let other = SealedFile::open(&path, passphrase(), random()).unwrap();
    sealed_by_passphrase.put("a", &pair(1), 0).unwrap();
    assert!(other.put("b", &pair(2), 0).unwrap_err().is_wrong_key());
    let key = || KeySource::KeyFile(folder.path().join("vault.key"));
    let error = SealedFile::open(&path, key(), random()).unwrap_err();
    assert!(error.is_wrong_key() && error.to_string().contains("a passphrase"), "{error}");

    sealed_by_passphrase.destroy("a", 1).unwrap();
    let sealed_by_key = SealedFile::open(&path, key(), random()).unwrap();
    assert_eq!(sealed_by_key.put("a", &pair(3), 0).unwrap(), 2, "nothing sealed was left");
    assert_eq!(SealedFile::open(&path, key(), random()).unwrap().get("a").unwrap(), (2, pair(3)));
    assert!(SealedFile::open(&path, passphrase(), random()).unwrap_err().is_wrong_key());
}

#[test]
fn a_lost_key_file_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).put("a", &pair(1), 0).unwrap();
    let (key, aside) = (folder.path().join("vault.key"), folder.path().join("aside"));
    std::fs::rename(&key, &aside).unwrap();
    let source = KeySource::KeyFile(key.clone());
    let error = SealedFile::open(&folder.path().join("vault.json"), source, random()).unwrap_err();
    assert!(error.is_wrong_key() && error.to_string().contains("vault.key"), "{error}");
    assert!(!key.exists());
    std::fs::rename(&aside, &key).unwrap();
    assert_eq!(open(folder.path()).get("a").unwrap(), (1, pair(1)));
}

#[test]
fn forged_stretch_parameters_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.json");
    std::fs::write(
        &path,
        r#"{"format":"countersign-vault-1","stretch":{"salt":"00000000000000000000000000000000","memory_kib":4000000000,"passes":3},"records":[]}"#,
    )
    .unwrap();
    let source = KeySource::Passphrase(Zeroizing::new("x".into()));
    assert!(SealedFile::open(&path, source, random()).is_err());
}

#[test]
fn a_leftover_of_a_crash_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let vault = open(folder.path());
    vault.put("a", &pair(1), 0).unwrap();
    std::fs::write(folder.path().join("vault.new"), "half a fi").unwrap();
    assert_eq!(open(folder.path()).get("a").unwrap(), (1, pair(1)));
    assert_eq!(vault.put("a", &pair(2), 0).unwrap(), 2);
}

#[test]
fn nothing_secret_is_printed_or_left_readable() {
    let folder = tempfile::tempdir().unwrap();
    let vault = open(folder.path());
    let pair = pair(0xab);
    vault.put("a", &pair, 0).unwrap();
    assert!(!format!("{vault:?}").contains("key"));
    for file in ["vault.json", "vault.lock"] {
        let path = folder.path().join(file);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&*pair.secret().expose_hex()), "{file}");
    }
}

/// Three versions of one name, one of them a tombstone.
fn filled(folder: &Path) -> Arc<SealedFile> {
    let vault = open(folder);
    for byte in 1..=3 {
        vault.put("a", &pair(byte), 1_700_000_000_000).unwrap();
    }
    vault.destroy("a", 2).unwrap();
    vault
}

/// What an altered file may still say: the same, or that it is altered. Tells which.
fn is_unchanged(vault: &SealedFile, what: &str) -> bool {
    match vault.get("a") {
        Ok(found) => assert_eq!(found, (3, pair(3)), "{what}"),
        Err(error) => {
            let told = error.to_string();
            assert!(!error.is_not_found(), "{what}: altered is not absent");
            assert!(!told.contains(&*pair(3).secret().expose_hex()), "{what}: {told}");
            assert!(vault.entries().is_err(), "{what}: a list of something altered");
            return false;
        }
    }
    let entries = vault.entries().unwrap();
    let said: Vec<_> =
        entries.iter().map(|e| (e.name.as_str(), e.version, e.is_tombstone)).collect();
    assert_eq!(said, [("a", 1, false), ("a", 2, true), ("a", 3, false)], "{what}");
    true
}

#[test]
fn every_flipped_bit_is_an_error_or_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let vault = filled(folder.path());
    let path = folder.path().join("vault.json");
    let whole = std::fs::read(&path).unwrap();
    let mut unchanged = 0;
    for at in 0..whole.len() * 8 {
        let mut altered = whole.clone();
        altered[at / 8] ^= 1 << (at % 8);
        std::fs::write(&path, &altered).unwrap();
        unchanged += usize::from(is_unchanged(&vault, &format!("bit {at}")));
    }
    // Nothing but white space may be another.
    let blank = whole.iter().filter(|byte| byte.is_ascii_whitespace()).count();
    assert!(unchanged <= blank, "{unchanged} flips passed, with {blank} bytes of white space");
}

#[test]
fn every_cut_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let vault = filled(folder.path());
    let path = folder.path().join("vault.json");
    let whole = std::fs::read(&path).unwrap();
    for length in 0..whole.len() - 2 {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = vault.get("a").unwrap_err();
        assert!(error.is_malformed(), "cut at {length}: {error}");
        if length % 16 == 0 {
            assert!(vault.put("a", &pair(5), 0).is_err(), "and nothing is written over it");
            assert_eq!(std::fs::read(&path).unwrap(), &whole[..length]);
        }
    }
}

#[test]
fn a_version_cannot_be_taken_out_or_renumbered_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let vault = filled(folder.path());
    let path = folder.path().join("vault.json");
    let whole: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let alter = |act: &dyn Fn(&mut serde_json::Value)| {
        let mut altered = whole.clone();
        act(&mut altered);
        std::fs::write(&path, altered.to_string()).unwrap();
        vault.get("a").unwrap_err()
    };
    let without = |name| {
        move |file: &mut serde_json::Value| {
            file.as_object_mut().unwrap().remove(name);
        }
    };
    assert!(alter(&without("whole")).is_malformed());
    assert!(alter(&|file| file["records"].as_array_mut().unwrap().truncate(1)).is_unsealable());
    assert!(alter(&|file| file["records"].as_array_mut().unwrap().reverse()).is_unsealable());
    assert!(alter(&|file| file["records"][2]["version"] = 0.into()).is_unsealable());
    assert!(alter(&|file| file["records"][0]["created_ms"] = 0.into()).is_unsealable());
    assert!(alter(&|file| file["format"] = "countersign-vault-1".into()).is_malformed());
}

#[test]
fn a_file_from_before_the_seal_over_the_whole_opens_and_gets_it() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let path = folder.path().join("vault.json");
    let mut before: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    before.as_object_mut().unwrap().remove("whole");
    before["format"] = "countersign-vault-1".into();
    std::fs::write(&path, before.to_string()).unwrap();
    let vault = open(folder.path());
    assert_eq!(vault.get("a").unwrap(), (3, pair(3)));
    vault.put("a", &pair(5), 0).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("countersign-vault-2") && text.contains("\"whole\""), "{text}");
    assert_eq!(open(folder.path()).get_version("a", 1).unwrap(), pair(1));
}

#[test]
fn after_reseal_the_old_key_opens_nothing_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.json");
    let old = filled(folder.path());
    let key = || KeySource::KeyFile(folder.path().join("new.key"));
    let same = old.reseal(KeySource::KeyFile(folder.path().join("vault.key"))).unwrap_err();
    assert!(same.to_string().contains("seals the vault already"), "{same}");

    let entries = old.entries().unwrap();
    let new = old.reseal(key()).unwrap();
    assert_eq!(new.entries().unwrap(), entries, "metadata and tombstones stay");
    assert_eq!(new.get("a").unwrap(), (3, pair(3)));
    assert_eq!(
        SealedFile::open(&path, key(), random()).unwrap().get_version("a", 1).unwrap(),
        pair(1)
    );
    // A process that has run all along.
    assert!(old.get("a").unwrap_err().is_unsealable());
    assert!(old.put("a", &pair(6), 0).unwrap_err().is_unsealable());
    assert!(old.destroy("a", 1).unwrap_err().is_unsealable());
    assert_eq!(new.put("a", &pair(7), 0).unwrap(), 4);

    let passphrase = || KeySource::Passphrase(Zeroizing::new("correct horse".into()));
    let by_passphrase = new.reseal(passphrase()).unwrap();
    assert_eq!(by_passphrase.get("a").unwrap(), (4, pair(7)));
    assert_eq!(by_passphrase.reopen().unwrap().get("a").unwrap(), (4, pair(7)));
    assert!(new.get("a").unwrap_err().is_wrong_key());
    assert!(SealedFile::open(&path, key(), random()).unwrap_err().is_wrong_key());
    assert_eq!(SealedFile::open(&path, passphrase(), random()).unwrap().get("a").unwrap().0, 4);
}

#[test]
fn a_vault_without_a_secret_does_not_go_back_to_the_old_key_either() {
    let folder = tempfile::tempdir().unwrap();
    let old = open(folder.path());
    old.put("a", &pair(1), 0).unwrap();
    old.destroy("a", 1).unwrap();
    let new = old.reseal(KeySource::KeyFile(folder.path().join("new.key"))).unwrap();
    assert!(old.put("a", &pair(2), 0).unwrap_err().is_wrong_key(), "it would be lost at once");
    assert_eq!(new.put("a", &pair(2), 0).unwrap(), 2);
}

proptest! {
    #[test]
    fn only_the_same_key_and_place_open_a_seal(
        key: [u8; 32], plain in prop::collection::vec(any::<u8>(), 0..200), place: Vec<u8>, bit in any::<usize>(),
    ) {
        let master = MasterKey::from_bytes(key);
        let record = seal(&master, &place, &plain, &*random());
        prop_assert_eq!(&*unseal(&master, &place, &record).unwrap(), &plain);

        let mut altered = record.clone();
        let at = bit % (record.len() * 8);
        altered[at / 8] ^= 1 << (at % 8);
        prop_assert!(unseal(&master, &place, &altered).is_err());
        let mut other_place = place.clone();
        other_place.push(0);
        prop_assert!(unseal(&master, &other_place, &record).is_err());
        let mut other_key = key;
        other_key[0] ^= 1;
        prop_assert!(unseal(&MasterKey::from_bytes(other_key), &place, &record).is_err());
        prop_assert!(unseal(&master, &place, &record[..record.len() - 1]).is_err());
    }
}
