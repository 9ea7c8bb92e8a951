//! Runs a target without a fuzzer: over its kept corpus, and over changes of it that are
//! the same each time. The tests of the crates include this file; it needs nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Changes of each run of a test; more by `COUNTERSIGN_FUZZ`.
const CHANGES: u64 = 10_000;
/// What an input grows to.
const LONGEST: usize = 64 << 10;

/// `fuzz` is the folder of the fuzz crate, `name` the target's.
pub(crate) fn replay(fuzz: &str, name: &str, run: fn(&[u8])) {
    let kept = kept(&Path::new(fuzz).join("corpus").join(name));
    assert!(!kept.is_empty(), "the corpus of `{name}` is gone");
    let words = words(&kept);
    let changes = std::env::var("COUNTERSIGN_FUZZ").ok().and_then(|text| text.parse().ok());
    let mut dice =
        Dice(name.bytes().fold(1_u64, |seed, byte| seed.wrapping_mul(31) ^ u64::from(byte)));
    for input in &kept {
        check(name, run, input);
    }
    for _ in 0..changes.unwrap_or(CHANGES) {
        let mut input = kept[dice.below(kept.len())].clone();
        for _ in 0..=dice.below(4) {
            change(&mut input, &mut dice, &kept, &words);
        }
        input.truncate(LONGEST);
        check(name, run, &input);
    }
}

fn check(name: &str, run: fn(&[u8]), input: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| run(input))).is_err() {
        let shown: String = input.escape_ascii().map(char::from).take(4_000).collect();
        panic!("`{name}` fails on b\"{shown}\": keep it in fuzz/corpus/{name}");
    }
}

/// In the order of their names.
fn kept(folder: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a file of the corpus")).collect()
}

/// What inputs are made of: names, quoted texts, numbers.
fn words(kept: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = [
        &b""[..],
        b"\0",
        b"\n",
        b"\r\n",
        b"\"",
        b"'",
        b"\\",
        b"%00",
        b"%25",
        b"+",
        b"&",
        b"=",
        b";",
        b"{",
        b"}",
        b"[",
        b"]",
        b"null",
        b"-1",
        b"9223372036854775808",
        b"1e999",
        b"\xff",
        b"\xc2",
        b"\xe2\x80\xae",
        b"\xf0\x9f\x8e\x88",
        b"//",
        b"..",
        b"(((((((((",
        b"\\ud800",
    ]
    .map(<[u8]>::to_vec)
    .into();
    for input in kept {
        let pieces = input.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
        words.extend(pieces.filter(|piece| piece.len() > 2).map(<[u8]>::to_vec));
    }
    words.sort();
    words.dedup();
    words
}

fn change(input: &mut Vec<u8>, dice: &mut Dice, kept: &[Vec<u8>], words: &[Vec<u8>]) {
    let at = dice.below(input.len() + 1);
    let end = at + dice.below((input.len() - at).min(40) + 1);
    match dice.below(8) {
        0 if !input.is_empty() => {
            let at = dice.below(input.len());
            input[at] ^= 1 << dice.below(8);
        }
        1 if !input.is_empty() => {
            let at = dice.below(input.len());
            input[at] = dice.below(256) as u8;
        }
        2 => drop(input.drain(at..end)),
        3 => {
            let twice = input[at..end].repeat(1 + dice.below(30));
            drop(input.splice(at..at, twice));
        }
        4 => input.truncate(at),
        5 => {
            let other = &kept[dice.below(kept.len())];
            let from = dice.below(other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        6 => drop(input.splice(at..end, words[dice.below(words.len())].clone())),
        _ => drop(input.splice(at..at, words[dice.below(words.len())].clone())),
    }
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((bits ^ (bits >> 31)) % end.max(1) as u64).unwrap_or_default()
    }
}
