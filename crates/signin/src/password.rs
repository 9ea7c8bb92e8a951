//! Passwords: the rules, the hash, the change.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::Error;
use crate::guesses::guesses;

/// Characters.
pub const LENGTH: std::ops::RangeInclusive<usize> = 8..=72;

/// A password and this many before it cannot be chosen again.
pub const REMEMBERED: usize = 5;

/// So many guesses, of whoever knows what people choose, a password must withstand.
const GUESSES: f64 = 1e8;

/// A rule and whether a password keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// For programs.
    pub name: &'static str,
    /// For people.
    pub text: &'static str,
    /// Whether it is kept.
    pub is_kept: bool,
}

/// Every rule that a password alone can keep or break. `names` are what it must not
/// hold: the names and the address of its owner, but for `com` and the like at its end.
pub fn rules(password: &str, names: &[&str]) -> Vec<Rule> {
    let lower = password.to_lowercase();
    let has = |is: fn(char) -> bool| password.chars().any(is);
    let without_top_level = |name| match str::rsplit_once(name, '.') {
        Some((rest, _)) if rest.contains('@') => rest,
        _ => name,
    };
    let named = names
        .iter()
        .flat_map(|name| without_top_level(name).split(['@', '.', ' ', '-', '_']))
        .filter(|part| part.chars().count() > 2)
        .any(|part| lower.contains(&part.to_lowercase()));
    let rule = |name, text, is_kept| Rule { name, text, is_kept };
    vec![
        rule("length", "8 to 72 characters", LENGTH.contains(&password.chars().count())),
        rule("lower", "a lower-case letter", has(char::is_lowercase)),
        rule("upper", "an upper-case letter", has(char::is_uppercase)),
        rule("digit", "a digit", has(|c| c.is_ascii_digit())),
        rule("symbol", "a symbol", has(|c| !c.is_alphanumeric() && !c.is_control())),
        rule("names", "none of your names", !named),
        rule(
            "strength",
            "not one that is easily guessed or known from a breach",
            guesses(password) >= GUESSES,
        ),
    ]
}

/// The hash that sign-in compares with. For nobody, and for who has none, it is one
/// that no password fits: the answer takes as long.
pub fn stored(connection: &Connection, person: Option<i64>) -> Result<String, Error> {
    /// Of a password that was thrown away.
    const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let held: Option<Option<String>> = connection
        .prepare_cached("select password from signin_people where person = ?")?
        .query_row([person], |row| row.get(0))
        .optional()?;
    Ok(held.flatten().unwrap_or_else(|| NOBODY.to_owned()))
}

/// When the present password was set; none for who has none.
pub fn set_ms(connection: &Connection, person: i64) -> Result<Option<i64>, Error> {
    let held: Option<Option<i64>> = connection
        .prepare_cached("select password_ms from signin_people where person = ?")?
        .query_row([person], |row| row.get(0))
        .optional()?;
    Ok(held.flatten())
}

/// Whether the person has a password at all.
pub fn is_set(connection: &Connection, person: i64) -> Result<bool, Error> {
    let sql =
        "select exists (select 1 from signin_people where person = ? and password is not null)";
    Ok(connection.query_row(sql, [person], |row| row.get(0))?)
}

/// The present hash and those remembered, the newest first.
pub(crate) fn remembered(connection: &Connection, person: i64) -> Result<Vec<String>, Error> {
    let held: Option<(Option<String>, String)> = connection
        .query_row(
            "select password, previous from signin_people where person = ?",
            [person],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let Some((present, previous)) = held else { return Ok(Vec::new()) };
    let previous: Vec<String> =
        serde_json::from_str(&previous).map_err(|_| Error::Stored("passwords"))?;
    Ok(present.into_iter().chain(previous).take(REMEMBERED).collect())
}

/// Takes a hash over as the present one.
pub fn set(
    transaction: &Transaction<'_>,
    person: i64,
    hash: &str,
    now_ms: i64,
) -> Result<(), Error> {
    let previous = serde_json::to_string(&remembered(transaction, person)?)
        .map_err(|_| Error::Stored("passwords"))?;
    transaction.execute(
        "insert into signin_people (person, password, password_ms) values (?1, ?2, ?3)
         on conflict (person) do update
            set password = excluded.password, password_ms = excluded.password_ms, previous = ?4",
        params![person, hash, now_ms, previous],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(password: &str) -> Vec<&'static str> {
        let rules = rules(password, &["Dana", "Example", "dana.example@example.com"]);
        rules.into_iter().filter(|rule| !rule.is_kept).map(|rule| rule.text).collect()
    }

    #[test]
    fn rules_are_broken_one_by_one() {
        for password in ["plum-Kettle7-orbit", "Tomcom7-kettle-plum"] {
            assert_eq!(broken(password), Vec::<&str>::new(), "{password}");
        }
        for (password, word) in [
            ("pK7-o", "8 to 72"),
            ("PLUM-KETTLE7-ORBIT", "lower-case"),
            ("plum-kettle7-orbit", "upper-case"),
            ("plum-Kettle-orbit", "digit"),
            ("plumKettle7orbit", "symbol"),
            ("plum-Dana7-orbit", "names"),
            ("plum-Example7-orbit", "names"),
            ("P@ssw0rd1", "breach"),
            ("Qwerty123!", "breach"),
        ] {
            let broken = broken(password);
            assert!(broken.iter().any(|text| text.contains(word)), "{password}: {broken:?}");
        }
        assert!(broken(&"aB3-".repeat(19)).iter().any(|text| text.contains("72")));
    }

    #[test]
    fn five_are_remembered_and_nobody_has_none() {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::prepare(&connection).unwrap();
        let transaction = connection.transaction().unwrap();
        for round in 0..7 {
            set(&transaction, 1, &format!("hash {round}"), 1).unwrap();
        }
        let hashes = remembered(&transaction, 1).unwrap();
        assert_eq!(hashes, ["hash 6", "hash 5", "hash 4", "hash 3", "hash 2"]);
        assert_eq!(stored(&transaction, Some(1)).unwrap(), "hash 6");
        for person in [None, Some(9)] {
            let nobody = stored(&transaction, person).unwrap();
            let hasher = crate::hasher::Hasher::default();
            let mut place = hasher.place(false).unwrap();
            assert!(!place.fits("", &nobody) && !place.fits("secret", &nobody));
        }
    }
}
