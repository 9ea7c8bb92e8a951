//! What every vault must do, whatever it is made of: refusals first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use countersign_signing::{ApiId, ApiSecret, OAuthClient, Pair};
use countersign_vault::{Entry, Kind, PROBE, Random, Secret, Vault, prove};

/// Where the vaults of one test are.
pub(crate) trait Place {
    /// A handle of its own on the same vault.
    fn open(&self) -> Arc<dyn Vault>;

    /// A handle that has the wrong key, token or leave; none where a place has no such
    /// thing beside the right one.
    fn open_denied(&self) -> Option<Arc<dyn Vault>>;

    /// How many writers at once are fair.
    fn writers(&self) -> u32 {
        6
    }
}

/// The whole suite for one kind of place: a test for each line.
macro_rules! suite {
    ($place:expr $(, $ignored:literal)?) => {
        suite!(@each $place, [$($ignored)?],
            names_that_could_be_paths_or_prose_are_refused
            what_was_never_there_is_not_found
            a_denied_handle_does_nothing
            only_a_probe_can_be_erased
            a_tombstone_is_not_found_and_stays
            a_number_is_never_used_twice
            the_newest_that_is_left_is_given
            what_was_put_is_there_after_opening_anew
            names_do_not_get_into_each_other
            an_oauth_client_comes_back_as_it_was
            secrets_of_any_length_come_back
            entries_say_what_there_is
            concurrent_writers_lose_nothing
            nothing_secret_is_printed
            a_working_vault_is_proven_and_keeps_no_trace
        );
    };
    (@each $place:expr, $ignored:tt, $($case:ident)*) => {
        mod suite { use super::*; $(suite!(@one $place, $ignored, $case);)* }
    };
    (@one $place:expr, [], $case:ident) => {
        #[test]
        fn $case() { crate::suite::$case(&$place); }
    };
    (@one $place:expr, [$ignored:literal], $case:ident) => {
        #[test]
        #[ignore = $ignored]
        fn $case() { crate::suite::$case(&$place); }
    };
}

pub(crate) fn random() -> Random {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Arc::new(|buffer| {
        // Odd multiples of a constant, mixed: every block of bytes is another one, in
        // every process too, for some of the places outlive it.
        let process = u64::from(std::process::id()) << 40;
        for chunk in buffer.chunks_mut(8) {
            let mut next = NEXT.fetch_add(1, Ordering::Relaxed) ^ process;
            for factor in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
                next = (next ^ (next >> 29)).wrapping_mul(factor);
            }
            chunk.copy_from_slice(&(next ^ (next >> 31)).to_le_bytes()[..chunk.len()]);
        }
    })
}

pub(crate) fn pair(byte: u8) -> Secret {
    Secret::Pair(Pair {
        id: ApiId::parse(&format!("{byte:02x}").repeat(16)).unwrap(),
        secret: ApiSecret::from_bytes(vec![byte; 64]),
    })
}

pub(crate) fn names_that_could_be_paths_or_prose_are_refused(place: &dyn Place) {
    let vault = place.open();
    for name in
        ["", "a b", "a\nb", "ä", "a~b", "a@b", "a%2fb", "a?b", "a#b", "a\\b", &"x".repeat(129)]
    {
        assert!(vault.put(name, &pair(1), 0).is_err(), "{name:?}");
    }
    assert_eq!(vault.entries().unwrap(), []);
}

pub(crate) fn what_was_never_there_is_not_found(place: &dyn Place) {
    let vault = place.open();
    for _ in 0..2 {
        assert!(vault.get("absent").unwrap_err().is_not_found());
        assert!(vault.get_version("absent", 1).unwrap_err().is_not_found());
        assert!(vault.destroy("absent", 1).unwrap_err().is_not_found());
        assert_eq!(vault.versions("absent").unwrap(), []);
        // The same beside something that is there.
        vault.put("present", &pair(1), 0).unwrap();
        assert!(vault.get_version("present", 3).unwrap_err().is_not_found());
        assert!(vault.destroy("present", 3).unwrap_err().is_not_found());
    }
}

pub(crate) fn a_denied_handle_does_nothing(place: &dyn Place) {
    let vault = place.open();
    vault.put("a", &pair(0xab), 0).unwrap();
    let Some(denied) = place.open_denied() else { return };
    let errors = [
        denied.get("a").map(|_| ()).unwrap_err(),
        denied.get_version("a", 1).map(|_| ()).unwrap_err(),
        denied.put("a", &pair(0xcd), 0).map(|_| ()).unwrap_err(),
        denied.put("b", &pair(0xcd), 0).map(|_| ()).unwrap_err(),
        denied.destroy("a", 1).unwrap_err(),
        prove(&*denied, &random(), 0).unwrap_err(),
    ];
    for error in &errors {
        let told = error.to_string();
        assert!(told.contains("\nhint: "), "{told}");
        assert!(!error.is_not_found(), "denied is not absent: {told}");
        for secret in [pair(0xab), pair(0xcd)] {
            assert!(!format!("{told}{error:?}").contains(&*secret.secret().expose_hex()));
        }
    }
    assert!(denied.entries().is_err());
    assert_eq!(vault.get("a").unwrap(), (1, pair(0xab)));
    assert_eq!(place.open().entries().unwrap().len(), 1);
}

pub(crate) fn only_a_probe_can_be_erased(place: &dyn Place) {
    let vault = place.open();
    vault.put("a", &pair(1), 0).unwrap();
    assert!(vault.erase("a", 1).is_err());
    vault.destroy("a", 1).unwrap();
    assert!(vault.erase("a", 1).is_err());
    assert_eq!(vault.entries().unwrap().len(), 1);
}

pub(crate) fn a_tombstone_is_not_found_and_stays(place: &dyn Place) {
    let vault = place.open();
    assert_eq!(vault.put("a", &pair(1), 10).unwrap(), 1);
    vault.destroy("a", 1).unwrap();
    for vault in [vault, place.open()] {
        assert!(vault.get("a").unwrap_err().is_not_found());
        assert!(vault.get_version("a", 1).unwrap_err().is_not_found());
        let entries = vault.entries().unwrap();
        let [Entry { is_tombstone: true, api_id, created_ms: 10, .. }] = &entries[..] else {
            panic!("{entries:?}")
        };
        assert_eq!(api_id, pair(1).id());
        vault.destroy("a", 1).unwrap();
    }
}

pub(crate) fn a_number_is_never_used_twice(place: &dyn Place) {
    let vault = place.open();
    for expected in 1..=12 {
        assert_eq!(vault.put("a", &pair(expected as u8), 0).unwrap(), expected);
        if expected % 3 == 0 {
            vault.destroy("a", expected).unwrap();
        }
        if expected % 5 == 0 {
            for version in 1..=expected {
                vault.destroy("a", version).unwrap();
            }
        }
    }
    let versions = place.open().versions("a").unwrap();
    assert_eq!(
        versions.iter().map(|entry| entry.version).collect::<Vec<_>>(),
        Vec::from_iter(1..=12)
    );
    assert_eq!(place.open().get_version("a", 11).unwrap(), pair(11));
}

pub(crate) fn the_newest_that_is_left_is_given(place: &dyn Place) {
    let vault = place.open();
    for byte in 1..=3 {
        vault.put("a", &pair(byte), 0).unwrap();
    }
    assert_eq!(vault.get("a").unwrap(), (3, pair(3)));
    vault.destroy("a", 3).unwrap();
    assert_eq!(vault.get("a").unwrap(), (2, pair(2)));
    assert_eq!(vault.get_version("a", 1).unwrap(), pair(1));
    vault.destroy("a", 1).unwrap();
    assert_eq!(vault.get("a").unwrap(), (2, pair(2)));
}

pub(crate) fn what_was_put_is_there_after_opening_anew(place: &dyn Place) {
    let vault = place.open();
    let version = vault.put("a", &pair(7), 42).unwrap();
    let again = vault.reopen().unwrap();
    drop(vault);
    assert_eq!(again.get("a").unwrap(), (version, pair(7)));
    let third = place.open();
    assert_eq!(third.get_version("a", version).unwrap(), pair(7));
    assert_eq!(third.place(), again.place());
    assert_eq!(third.put("a", &pair(8), 43).unwrap(), 2);
    assert_eq!(again.get("a").unwrap(), (2, pair(8)), "one handle sees what another did");
}

pub(crate) fn names_do_not_get_into_each_other(place: &dyn Place) {
    let vault = place.open();
    let long = "x".repeat(128);
    let names = [".", "..", "a", "a/1", "a//1", "a/", "A", ".a", "integration/demo", "-", &long];
    for (byte, name) in names.iter().enumerate() {
        vault.put(name, &pair(byte as u8), 0).unwrap();
    }
    vault.destroy("a", 1).unwrap();
    for (byte, name) in names.iter().enumerate().filter(|(_, name)| **name != "a") {
        assert_eq!(vault.get(name).unwrap(), (1, pair(byte as u8)), "{name}");
        assert_eq!(vault.versions(name).unwrap().len(), 1, "{name}");
    }
    let mut listed: Vec<_> = vault.entries().unwrap().into_iter().map(|entry| entry.name).collect();
    let mut expected = names.map(str::to_owned).to_vec();
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected);
}

pub(crate) fn an_oauth_client_comes_back_as_it_was(place: &dyn Place) {
    let vault = place.open();
    for (id, secret) in [("client-1", "s3cret !\"{}\\"), (&"i".repeat(1024), "x")] {
        let client = Secret::OAuthClient(OAuthClient {
            id: id.to_owned(),
            secret: ApiSecret::from_bytes(secret.as_bytes().to_vec()),
        });
        let version = vault.put("client", &client, 5).unwrap();
        assert_eq!(place.open().get("client").unwrap(), (version, client));
        let entry = vault.versions("client").unwrap().pop().unwrap();
        assert_eq!((entry.kind, entry.api_id.as_str()), (Kind::OAuth, id));
    }
    vault.put("client", &pair(1), 0).unwrap();
    assert_eq!(vault.get("client").unwrap(), (3, pair(1)), "a pair may follow a client");
}

pub(crate) fn secrets_of_any_length_come_back(place: &dyn Place) {
    let vault = place.open();
    for length in [0, 1, 31, 512] {
        let secret = ApiSecret::from_bytes((0..length).map(|at| at as u8).collect());
        let id = ApiId::parse(&"AbCd".repeat(8)).unwrap();
        let credential = Secret::Pair(Pair { id, secret });
        let version = vault.put("a", &credential, 0).unwrap();
        let found = vault.get_version("a", version).unwrap();
        assert_eq!(found.secret(), credential.secret(), "{length}");
        assert_eq!(found.id(), "AbCd".repeat(8), "the case of an id is kept");
    }
}

pub(crate) fn entries_say_what_there_is(place: &dyn Place) {
    let vault = place.open();
    vault.put("b", &pair(3), 30).unwrap();
    vault.put("a", &pair(1), 10).unwrap();
    vault.put("a", &pair(2), i64::MAX).unwrap();
    vault.destroy("a", 1).unwrap();
    let entry = |name: &str, version, byte, created_ms, is_tombstone| Entry {
        name: name.into(),
        version,
        kind: Kind::Hmac,
        api_id: pair(byte).id().to_owned(),
        created_ms,
        is_tombstone,
    };
    let expected = [
        entry("a", 1, 1, 10, true),
        entry("a", 2, 2, i64::MAX, false),
        entry("b", 1, 3, 30, false),
    ];
    assert_eq!(vault.entries().unwrap(), expected);
    assert_eq!(vault.versions("a").unwrap(), expected[..2]);
}

pub(crate) fn concurrent_writers_lose_nothing(place: &dyn Place) {
    place.open().put("seen", &pair(1), 0).unwrap();
    let threads: Vec<_> = (0..place.writers() as u8)
        .map(|writer| {
            let vault = place.open();
            std::thread::spawn(move || {
                let put =
                    |at| (vault.put("a", &pair(writer * 16 + at), 0).unwrap(), writer * 16 + at);
                (0..4).map(put).collect::<Vec<_>>()
            })
        })
        .collect();
    let written: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    let vault = place.open();
    let mut numbers: Vec<_> = written.iter().map(|(version, _)| *version).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, Vec::from_iter(1..=place.writers() * 4), "each number once");
    for (version, byte) in written {
        assert_eq!(vault.get_version("a", version).unwrap(), pair(byte), "version {version}");
    }
    assert_eq!(vault.versions("a").unwrap().len(), place.writers() as usize * 4);
}

pub(crate) fn nothing_secret_is_printed(place: &dyn Place) {
    let vault = place.open();
    vault.put("a", &pair(0xab), 0).unwrap();
    let printed = format!(
        "{:?}{:?}{}{}{}",
        vault.get("a").unwrap(),
        vault.entries().unwrap(),
        vault.place(),
        vault.get("b").unwrap_err(),
        vault.put("a b", &pair(0xab), 0).unwrap_err(),
    );
    assert!(!printed.contains(&*pair(0xab).secret().expose_hex()), "{printed}");
    assert!(!printed.contains("171, 171"), "{printed}");
}

pub(crate) fn a_working_vault_is_proven_and_keeps_no_trace(place: &dyn Place) {
    let vault = place.open();
    vault.put("a", &pair(1), 0).unwrap();
    let hour_ms = 3_600_000;
    // One proof that ended halfway, long ago, and one that somebody is at.
    vault.put(PROBE, &pair(2), 0).unwrap();
    let fresh = vault.put(PROBE, &pair(3), hour_ms).unwrap();
    for at in 0..5 {
        prove(&*vault, &random(), hour_ms + 1 + at).unwrap();
        let left: Vec<_> = vault.versions(PROBE).unwrap().iter().map(|e| e.version).collect();
        assert_eq!(left, [fresh]);
    }
    let entries = place.open().entries().unwrap();
    assert_eq!(entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(vault.get("a").unwrap(), (1, pair(1)));
}
