//! Links that a mail brings: each for one purpose of one person, good once, for a
//! while. Looking at one changes nothing, so that scanners of mail cannot use it up.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use zeroize::Zeroizing;

use crate::{Error, Random, digest, token};

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The first password.
    Activate,
    /// Another password.
    Reset,
    /// An end to a lock-out.
    Unlock,
    /// Another mail address is the owner's.
    Address,
}

impl Purpose {
    /// A word for it, as links have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Activate => "activate",
            Self::Reset => "reset",
            Self::Unlock => "unlock",
            Self::Address => "address",
        }
    }

    /// How long a link is good.
    pub fn life_ms(self) -> i64 {
        match self {
            Self::Activate | Self::Address => 7 * 24 * 3_600_000,
            Self::Reset | Self::Unlock => 3_600_000,
        }
    }
}

/// A new link; those that the person had for this purpose are good no more.
pub fn issue(
    transaction: &Transaction<'_>,
    purpose: Purpose,
    person: i64,
    now_ms: i64,
    random: Random<'_>,
) -> Result<Zeroizing<String>, Error> {
    withdraw(transaction, purpose, person)?;
    let token = token(random);
    transaction.execute(
        "insert into signin_tickets (digest, purpose, person, expires_ms) values (?, ?, ?, ?)",
        params![digest(&token), purpose.as_str(), person, now_ms.saturating_add(purpose.life_ms())],
    )?;
    Ok(token)
}

/// Whose link it is, while it is good.
pub fn look(
    connection: &Connection,
    purpose: Purpose,
    token: &str,
    now_ms: i64,
) -> Result<Option<i64>, Error> {
    let sql = "select person from signin_tickets
        where digest = ? and purpose = ? and expires_ms > ?";
    let key = params![digest(token), purpose.as_str(), now_ms];
    Ok(connection.query_row(sql, key, |row| row.get(0)).optional()?)
}

/// Uses a link up.
pub fn spend(
    transaction: &Transaction<'_>,
    purpose: Purpose,
    token: &str,
    now_ms: i64,
) -> Result<Option<i64>, Error> {
    let person = look(transaction, purpose, token, now_ms)?;
    if person.is_some() {
        transaction.execute("delete from signin_tickets where digest = ?", [digest(token)])?;
    }
    Ok(person)
}

/// Notes the mail address that a link for [`Purpose::Address`] is about.
pub fn wish(transaction: &Transaction<'_>, person: i64, address: &str) -> Result<(), Error> {
    transaction.execute(
        "insert or replace into signin_addresses (person, address) values (?, ?)",
        params![person, address],
    )?;
    Ok(())
}

/// The address that a person wants and has not verified.
pub fn wished(connection: &Connection, person: i64) -> Result<Option<String>, Error> {
    let sql = "select address from signin_addresses where person = ?";
    Ok(connection.query_row(sql, [person], |row| row.get(0)).optional()?)
}

/// The wish is fulfilled or given up.
pub fn unwish(transaction: &Transaction<'_>, person: i64) -> Result<(), Error> {
    transaction.execute("delete from signin_addresses where person = ?", [person])?;
    Ok(())
}

/// Links of a person for a purpose are good no more.
pub fn withdraw(transaction: &Transaction<'_>, purpose: Purpose, person: i64) -> Result<(), Error> {
    transaction.execute(
        "delete from signin_tickets where person = ? and purpose = ?",
        params![person, purpose.as_str()],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with;

    #[test]
    fn once_in_time_and_for_its_purpose() {
        with(|transaction, random| {
            let (activate, reset) = (Purpose::Activate, Purpose::Reset);
            let first = issue(transaction, activate, 1, 0, random).unwrap();
            let link = issue(transaction, activate, 1, 0, random).unwrap();
            let look = |purpose, token: &str, ms| look(transaction, purpose, token, ms).unwrap();
            assert_eq!(look(activate, &first, 1), None, "a newer one replaced it");
            assert_eq!(look(reset, &link, 1), None);
            assert_eq!(look(activate, "", 1), None);
            assert_eq!(look(activate, &link, activate.life_ms()), None, "too late");
            for _ in 0..3 {
                assert_eq!(look(activate, &link, activate.life_ms() - 1), Some(1));
            }
            assert_eq!(spend(transaction, activate, &link, 1).unwrap(), Some(1));
            assert_eq!(spend(transaction, activate, &link, 1).unwrap(), None);
        });
    }
}
