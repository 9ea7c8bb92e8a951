//! How many guesses a password takes somebody who knows how people choose theirs.
//!
//! A password is cut into pieces, and the cheapest way to guess each piece counts: a password
//! of a breach by its place in the list, a word by the number of words there are, a row of the
//! keyboard, what was there before, a year, or one character by trying.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The passwords most seen in breaches, the most frequent first, without those that are
/// pieces of others put together. After the list of zxcvbn (MIT, Joshua Holmer and others).
const COMMON: &str = include_str!("common-passwords.txt");

/// What people type along.
const ROWS: [&str; 7] = [
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop[]",
    "asdfghjkl;'",
    "zxcvbnm,./",
    "!@#$%^&*()_+",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
];

/// Guesses for a character that tells nothing.
const BY_TRYING: f64 = 10.0;
/// Guesses for a row of the keyboard, forwards or backwards.
const ROW: f64 = 50.0;
/// Guesses for a year of the last century or of this one.
const YEAR: f64 = 100.0;
/// Guesses for a word that is in no list: the words of a language.
const WORD: f64 = 60_000.0;
/// Longest word; what is longer is put together of several.
const LONGEST_WORD: usize = 12;
/// Shortest piece that is more than its characters.
const SHORTEST: usize = 3;
/// Shortest word that is in no list.
const SHORTEST_WORD: usize = 5;
/// Consonants in a row that no word has.
const CONSONANTS: usize = 4;

/// The place of each common password, from 1.
static PLACES: LazyLock<HashMap<&str, f64>> = LazyLock::new(|| {
    COMMON.lines().zip(1_u32..).map(|(word, place)| (word, place.into())).collect()
});

/// At most 72 characters are looked at: the rest of a longer one adds nothing.
pub(crate) fn guesses(password: &str) -> f64 {
    let written: Vec<char> = password.chars().take(*crate::password::LENGTH.end()).collect();
    let lower: Vec<char> = written.iter().map(|c| lowered(*c)).collect();
    let read = ['i', 'l'].map(|one| lower.iter().map(|c| letter(*c, one)).collect::<Vec<_>>());
    let mut best = vec![1.0_f64];
    for end in 1..=written.len() {
        let mut least = best[end - 1] * BY_TRYING;
        for (start, before) in best[..(end + 1).saturating_sub(SHORTEST)].iter().enumerate() {
            let piece = Piece { written: &written, lower: &lower, read: &read, start, end };
            if let Some(cost) = piece.cost() {
                least = least.min(before * cost);
            }
        }
        best.push(least);
    }
    best[written.len()]
}

/// Characters of a password, and how it may be read.
struct Piece<'a> {
    written: &'a [char],
    lower: &'a [char],
    /// With what stands for letters put back, `1` as each of two.
    read: &'a [Vec<char>; 2],
    start: usize,
    end: usize,
}

impl Piece<'_> {
    /// The fewest guesses for all of it at once; none where it is only its characters.
    fn cost(&self) -> Option<f64> {
        let lower = &self.lower[self.start..self.end];
        let text: String = lower.iter().collect();
        let costs = [
            self.listed(&text),
            self.word(lower),
            is_row(&text).then_some(ROW),
            self.was_before(lower).then_some(self.written.len() as f64),
            is_year(&text).then_some(YEAR),
        ];
        costs.into_iter().flatten().reduce(f64::min)
    }

    /// By its place in the list: twice for capitals, four times for what stands for letters.
    fn listed(&self, text: &str) -> Option<f64> {
        if let Some(place) = PLACES.get(text) {
            let is_as_listed = self.written[self.start..self.end].iter().copied().eq(text.chars());
            return Some(if is_as_listed { *place } else { place * 2.0 });
        }
        let read = self.read.iter().filter_map(|read| {
            let text: String = read[self.start..self.end].iter().collect();
            PLACES.get(text.as_str())
        });
        read.copied().reduce(f64::min).map(|place| place * 4.0)
    }

    /// By the words that it may be, if it is written as words are: small, capitalised, or all
    /// capitals; speakable; at most a third of it stands for letters.
    fn word(&self, lower: &[char]) -> Option<f64> {
        let written = &self.written[self.start..self.end];
        let is_small = written[1..].iter().all(|c| !c.is_uppercase());
        let is_all_capitals = written.iter().all(|c| !c.is_lowercase());
        let is_word = lower.len() >= SHORTEST_WORD
            && (is_small || is_all_capitals)
            && self.read.iter().any(|read| {
                let read = &read[self.start..self.end];
                let put_back = read.iter().zip(lower).filter(|(read, lower)| read != lower).count();
                put_back * 3 <= lower.len() && is_speakable(read)
            });
        let words = i32::try_from(lower.len().div_ceil(LONGEST_WORD)).ok()?;
        is_word.then(|| WORD.powi(words))
    }

    fn was_before(&self, lower: &[char]) -> bool {
        self.lower[..self.end - 1].windows(lower.len()).take(self.start).any(|seen| seen == lower)
    }
}

fn is_speakable(read: &[char]) -> bool {
    let is_consonant = |c: &char| c.is_ascii_alphabetic() && !"aeiouy".contains(*c);
    read.iter().all(|c| c.is_alphabetic())
        && !read.windows(CONSONANTS).any(|run| run.iter().all(is_consonant))
}

fn is_row(text: &str) -> bool {
    let back: String = text.chars().rev().collect();
    ROWS.iter().any(|row| row.contains(text) || row.contains(&back))
}

fn is_year(text: &str) -> bool {
    text.len() == 4 && text.parse().is_ok_and(|year: u16| (1900..2100).contains(&year))
}

fn lowered(c: char) -> char {
    let mut lower = c.to_lowercase();
    // What is two characters in lower case stays one here.
    lower.next().filter(|_| lower.next().is_none()).unwrap_or(c)
}

/// The letter that a digit or a symbol is put in place of.
fn letter(c: char, one: char) -> char {
    match c {
        '@' | '4' => 'a',
        '(' => 'c',
        '3' => 'e',
        '6' | '9' => 'g',
        '1' | '|' => one,
        '!' => 'i',
        '0' => 'o',
        '$' | '5' => 's',
        '7' | '+' => 't',
        '2' => 'z',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Fewer than this are too few.
    const ENOUGH: f64 = 1e8;

    #[test]
    fn what_people_choose_takes_few_guesses() {
        for password in [
            "P@ssw0rd1",
            "Qwerty123!",
            "Summer2024!",
            "Supreme123!",
            "Monasteries1!",
            "Z!gzagz!g1A",
            "1qaz@WSX3edc",
            "Abcdefg1!",
            "Dragon!dragon1",
            "aaaaaaaA1!",
            "Donaudampfer7!",
            "An\u{e4}rzte\u{df}123!",
        ] {
            assert!(guesses(password) < ENOUGH, "{password}: {:e}", guesses(password));
        }
    }

    #[test]
    fn what_nobody_guesses_takes_many() {
        for password in [
            "plum-Kettle7-orbit",
            "vR7#kq2Lw!9z",
            "correct-Horse7-battery",
            "Two birds & 3 lampposts",
            "\u{43a}\u{43e}\u{442}7-\u{427}\u{430}\u{439}\u{43a}\u{430}-\u{441}\u{43d}\u{435}\u{433}!",
        ] {
            assert!(guesses(password) >= ENOUGH, "{password}: {:e}", guesses(password));
        }
    }

    #[test]
    fn the_list_is_lower_case_ascii_without_doubles() {
        assert_eq!(PLACES.len(), COMMON.lines().count());
        assert!(COMMON.lines().all(|word| {
            word.len() >= SHORTEST && word.bytes().all(|byte| byte.is_ascii_graphic())
        }));
    }

    proptest! {
        /// As a password manager draws them; small letters and digits read as words best.
        #[test]
        fn what_was_drawn_by_chance_takes_many(text in prop_oneof!["[a-z2-7]{24,40}", "[!-~]{20,40}"]) {
            prop_assert!(guesses(&text) >= ENOUGH, "{:e}", guesses(&text));
        }

        #[test]
        fn never_more_than_trying_each_character(text in any::<String>()) {
            let length = i32::try_from(text.chars().count().min(72)).unwrap();
            let guesses = guesses(&text);
            prop_assert!((1.0..=BY_TRYING.powi(length) * 1.001).contains(&guesses), "{guesses:e}");
        }
    }
}
