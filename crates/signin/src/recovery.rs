//! Recovery codes: for who has lost the second factor. Each is good once.

use data_encoding::{BASE32_NOPAD, BASE64_NOPAD};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use zeroize::Zeroizing;

use crate::{Error, Random, digest};

/// Codes that are made at once.
pub const COUNT: usize = 10;

/// New codes in place of those that were left. Shown once; only digests are kept.
pub fn renew(
    transaction: &Transaction<'_>,
    person: i64,
    random: Random<'_>,
) -> Result<Vec<Zeroizing<String>>, Error> {
    let codes: Vec<_> = (0..COUNT).map(|_| code(random)).collect();
    let digests: Vec<_> = codes.iter().map(|code| kept(code)).collect();
    write(transaction, person, &digests)?;
    Ok(codes)
}

/// 80 bits in four groups.
fn code(random: Random<'_>) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; 10]);
    random(&mut *bytes);
    let text = Zeroizing::new(BASE32_NOPAD.encode(&*bytes).to_lowercase());
    let groups: Vec<_> = (0..4).map(|at| &text[at * 4..at * 4 + 4]).collect();
    Zeroizing::new(groups.join("-"))
}

fn kept(code: &str) -> String {
    let plain: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    BASE64_NOPAD.encode(&digest(&plain.to_lowercase()))
}

/// Uses a code up: false when there is no such code left.
pub fn spend(transaction: &Transaction<'_>, person: i64, code: &str) -> Result<bool, Error> {
    let mut left = read(transaction, person)?;
    let before = left.len();
    let spent = kept(code);
    left.retain(|held| *held != spent);
    if left.len() == before {
        return Ok(false);
    }
    write(transaction, person, &left)?;
    Ok(true)
}

/// No code is good any more.
pub fn forget(transaction: &Transaction<'_>, person: i64) -> Result<(), Error> {
    write(transaction, person, &[])
}

/// Codes that are left.
pub fn left(connection: &Connection, person: i64) -> Result<usize, Error> {
    Ok(read(connection, person)?.len())
}

fn read(connection: &Connection, person: i64) -> Result<Vec<String>, Error> {
    let sql = "select recovery from signin_people where person = ?";
    let held: Option<String> = connection.query_row(sql, [person], |row| row.get(0)).optional()?;
    let Some(held) = held else { return Ok(Vec::new()) };
    serde_json::from_str(&held).map_err(|_| Error::Stored("recovery codes"))
}

fn write(transaction: &Transaction<'_>, person: i64, digests: &[String]) -> Result<(), Error> {
    let text = serde_json::to_string(digests).map_err(|_| Error::Stored("recovery codes"))?;
    transaction.execute(
        "insert into signin_people (person, recovery) values (?1, ?2)
         on conflict (person) do update set recovery = excluded.recovery",
        params![person, text],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with;

    #[test]
    fn each_is_good_once_and_for_its_owner() {
        with(|transaction, random| {
            let codes = renew(transaction, 1, random).unwrap();
            assert_eq!((codes.len(), codes[0].len()), (COUNT, 19));
            assert!(!spend(transaction, 2, &codes[0]).unwrap());
            assert!(spend(transaction, 1, &codes[0].to_uppercase().replace('-', " ")).unwrap());
            assert!(!spend(transaction, 1, &codes[0]).unwrap());
            assert_eq!(left(transaction, 1).unwrap(), COUNT - 1);
            renew(transaction, 1, random).unwrap();
            assert!(!spend(transaction, 1, &codes[1]).unwrap(), "the old ones are gone");
        });
    }
}
