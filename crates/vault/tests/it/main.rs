//! The sealed file: refusals, versions, durability, and nothing in the clear.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use countersign_signing::{ApiId, ApiSecret, Pair};
use countersign_vault::{
    Credential, KeySource, MasterKey, Random, SealedFile, Vault, seal, unseal,
};
use proptest::prelude::*;
use zeroize::Zeroizing;

fn random() -> Random {
    static NEXT: OnceLock<AtomicU64> = OnceLock::new();
    Arc::new(|buffer| {
        let next = NEXT.get_or_init(|| AtomicU64::new(1)).fetch_add(1, Ordering::Relaxed);
        for (at, byte) in buffer.iter_mut().enumerate() {
            *byte = (next.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (at % 8 * 8)) as u8 ^ at as u8;
        }
    })
}

fn pair(byte: u8) -> Credential {
    Credential::Pair(Pair {
        id: ApiId::parse(&format!("{byte:02x}").repeat(16)).unwrap(),
        secret: ApiSecret::from_bytes(vec![byte; 64]),
    })
}

fn open(folder: &Path) -> Arc<SealedFile> {
    SealedFile::open(
        &folder.join("vault.json"),
        KeySource::KeyFile(folder.join("vault.key")),
        random(),
    )
    .unwrap()
}

#[test]
fn a_missing_name_is_not_found() {
    let folder = tempfile::tempdir().unwrap();
    assert!(open(folder.path()).get("absent").unwrap_err().is_not_found());
}

#[test]
fn names_that_could_be_paths_or_prose_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let vault = open(folder.path());
    for name in ["", "a b", "a\nb", "ä", &"x".repeat(129)] {
        assert!(vault.put(name, &pair(1), 0).is_err(), "{name:?}");
    }
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
fn versions_and_tombstones() {
    let folder = tempfile::tempdir().unwrap();
    let vault = open(folder.path());
    assert_eq!(vault.put("a", &pair(1), 10).unwrap(), 1);
    assert_eq!(vault.put("a", &pair(2), 20).unwrap(), 2);
    assert_eq!(vault.put("b", &pair(3), 30).unwrap(), 1);
    assert_eq!(vault.get("a").unwrap(), (2, pair(2)));

    vault.destroy("a", 2).unwrap();
    assert_eq!(vault.get("a").unwrap(), (1, pair(1)), "the newest that is left");
    assert_eq!(vault.put("a", &pair(4), 40).unwrap(), 3, "a number is never used twice");
    vault.destroy("a", 1).unwrap();
    vault.destroy("a", 3).unwrap();
    assert!(vault.get("a").unwrap_err().is_not_found());
    assert!(vault.destroy("a", 9).unwrap_err().is_not_found());

    let entries = vault.entries().unwrap();
    assert_eq!(entries.len(), 4, "metadata outlives the secret");
    assert_eq!(entries.iter().filter(|entry| entry.is_tombstone).count(), 3);
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
fn writers_do_not_lose_each_other() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path());
    let threads: Vec<_> = (0..8)
        .map(|n| {
            let vault = open(folder.path());
            std::thread::spawn(move || {
                for _ in 0..5 {
                    vault.put("a", &pair(n), 0).unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(open(folder.path()).entries().unwrap().len(), 40);
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

#[test]
fn any_altered_byte_of_a_record_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let vault = open(folder.path());
    vault.put("a", &pair(1), 0).unwrap();
    let path = folder.path().join("vault.json");
    let whole = std::fs::read(&path).unwrap();
    let time = whole.windows(10).position(|w| w == b"created_ms").unwrap();
    for at in 0..whole.len() {
        let mut altered = whole.clone();
        altered[at] ^= 1;
        // White space says nothing, and the time of storing is not sealed.
        if whole[at].is_ascii_whitespace() || (time..time + 14).contains(&at) {
            continue;
        }
        std::fs::write(&path, &altered).unwrap();
        let outcome = vault.get("a");
        assert!(outcome.is_err(), "byte {at} of {}", String::from_utf8_lossy(&altered));
    }
    for length in 0..whole.len() - 2 {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(vault.get("a").is_err(), "cut at {length}");
    }
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
