//! Looks for secrets in bytes, however they may have been written down.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use countersign_vault::{Secret, Vault};
use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};

/// What is looked for begins with so many bytes, by which it is found.
const KEY: usize = 8;

/// All spellings of all secrets.
#[derive(Default)]
pub(crate) struct Needles {
    by_beginning: HashMap<[u8; KEY], Vec<(Vec<u8>, String)>>,
    names: Vec<String>,
}

impl Needles {
    /// A secret of bytes, such as a key.
    pub(crate) fn add_bytes(&mut self, name: &str, bytes: &[u8]) {
        assert!(bytes.len() >= 12, "{name}: too short to be told from anything else");
        self.names.push(name.to_owned());
        let (lower, upper) = (HEXLOWER.encode(bytes), HEXUPPER.encode(bytes));
        for (how, text) in [("", bytes), ("hex", lower.as_bytes()), ("HEX", upper.as_bytes())] {
            self.add(text, &format!("{name}, {how} as it is"));
            for base64 in [BASE64_NOPAD, BASE64URL_NOPAD] {
                for skew in 0..3 {
                    let shifted = [&[0; 3][..skew], text].concat();
                    let encoded = base64.encode(&shifted);
                    // What depends on the neighbours is left out, at both ends.
                    let from = [0, 2, 3][skew];
                    let until = shifted.len() * 8 / 6;
                    let middle = &encoded.as_bytes()[from..until];
                    self.add(middle, &format!("{name}, {how} base64"));
                }
            }
        }
        let decimal: Vec<_> = bytes.iter().map(u8::to_string).collect();
        self.add(decimal.join(", ").as_bytes(), &format!("{name}, as a list"));
        self.add(decimal.join(",").as_bytes(), &format!("{name}, as a list"));
        let escaped = bytes.escape_ascii().to_string();
        self.add(escaped.as_bytes(), &format!("{name}, escaped"));
    }

    pub(crate) fn add_text(&mut self, name: &str, text: &str) {
        self.add_bytes(name, text.as_bytes());
    }

    /// Everything that a vault holds now, by name and version.
    pub(crate) fn held_by(vault: &dyn Vault) -> Vec<(String, Secret)> {
        let entries = vault.entries().unwrap();
        let live = entries.iter().filter(|entry| !entry.is_tombstone);
        let held = live.map(|entry| {
            let held = vault.get_version(&entry.name, entry.version).unwrap();
            (format!("{}@{}", entry.name, entry.version), held)
        });
        held.collect()
    }

    fn add(&mut self, bytes: &[u8], name: &str) {
        let key = *bytes.first_chunk::<KEY>().unwrap();
        let of_key = self.by_beginning.entry(key).or_default();
        if of_key.iter().all(|(known, _)| known != bytes) {
            of_key.push((bytes.to_vec(), name.to_owned()));
        }
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Which of them are in it, and how they are spelt.
    pub(crate) fn found_in(&self, bytes: &[u8]) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut maybe = vec![false; 1 << 16];
        for [first, second, ..] in self.by_beginning.keys() {
            maybe[usize::from(*first) << 8 | usize::from(*second)] = true;
        }
        for (at, two) in bytes.windows(2).enumerate() {
            if maybe[usize::from(two[0]) << 8 | usize::from(two[1])]
                && let Some(key) = bytes[at..].first_chunk::<KEY>()
                && let Some(of_key) = self.by_beginning.get(key)
            {
                let here = of_key.iter().filter(|(needle, _)| bytes[at..].starts_with(needle));
                found.extend(here.map(|(_, name)| &**name));
            }
        }
        found
    }

    pub(crate) fn assert_none(&self, place: &str, bytes: &[u8]) {
        let found = self.found_in(bytes);
        assert!(found.is_empty(), "{place} holds a secret: {found:?}");
    }
}

/// All files of a folder and of those in it.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                files.push(path);
            }
        }
    }
    files
}

#[test]
fn every_spelling_is_found_and_nothing_else() {
    let secret: Vec<u8> = (0..32_u8).map(|n| n.wrapping_mul(37) ^ 0xa5).collect();
    let mut needles = Needles::default();
    needles.add_bytes("it", &secret);
    let (hex, upper) = (HEXLOWER.encode(&secret), HEXUPPER.encode(&secret));
    for text in [&secret[..], hex.as_bytes(), upper.as_bytes()] {
        for before in ["", "a", "ab", "abc", "abcd"] {
            let around = [before.as_bytes(), text, b"after"].concat();
            for base64 in [data_encoding::BASE64, data_encoding::BASE64URL] {
                assert!(
                    !needles.found_in(base64.encode(&around).as_bytes()).is_empty(),
                    "{before}"
                );
            }
            assert!(!needles.found_in(&around).is_empty());
        }
    }
    for shown in [format!("{secret:?}"), serde_json::json!(secret).to_string()] {
        assert!(!needles.found_in(shown.as_bytes()).is_empty(), "{shown}");
    }
    let escaped = format!("b\"{}\"", secret.escape_ascii());
    assert!(!needles.found_in(escaped.as_bytes()).is_empty());
    for other in [&secret[..31], &hex.as_bytes()[1..], b""] {
        assert!(needles.found_in(other).is_empty());
    }
}
