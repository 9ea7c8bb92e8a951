//! Sign-in for people: passwords, second factors, sessions, lock-out, and a chain
//! of what was done.
//!
//! The host gives its SQLite database, which then has tables named `signin_…`,
//! the time in milliseconds since the Unix epoch, and randomness. A person is a
//! number of the host's choosing. Nothing here knows of HTTP.

pub mod audit;
pub mod factor;
pub mod passkey;
pub mod password;
pub mod recovery;
pub mod session;
pub mod throttle;
pub mod ticket;
pub mod totp;

use rusqlite::{Connection, Transaction};
use sha2::{Digest, Sha256};

/// Fills the whole buffer with random bytes.
pub type Random<'a> = &'a dyn Fn(&mut [u8]);

/// Why an act failed that is nobody's mistake.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database failed.
    #[error("the database of sign-in failed")]
    Database(#[from] rusqlite::Error),
    /// What is stored cannot be read.
    #[error("the stored {0} cannot be read")]
    Stored(&'static str),
}

/// Makes the tables that are not there yet.
pub fn prepare(connection: &Connection) -> Result<(), Error> {
    Ok(connection.execute_batch(include_str!("schema.sql"))?)
}

/// Forgets everything about a person but what the chain says was done.
pub fn forget(transaction: &Transaction<'_>, person: i64) -> Result<(), Error> {
    for table in [
        "signin_people",
        "signin_tickets",
        "signin_sessions",
        "signin_failures",
        "signin_passkeys",
        "signin_addresses",
    ] {
        transaction.execute(&format!("delete from {table} where person = ?"), [person])?;
    }
    Ok(())
}

/// Random and long, so its plain digest gives nothing away; only digests are kept.
fn token(random: Random<'_>) -> zeroize::Zeroizing<String> {
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    random(&mut *bytes);
    zeroize::Zeroizing::new(data_encoding::BASE64URL_NOPAD.encode(&*bytes))
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod testing {
    use std::cell::Cell;

    use rusqlite::{Connection, Transaction};

    use super::Random;

    /// An empty database, and randomness that never repeats itself.
    pub(crate) fn with(act: impl FnOnce(&Transaction<'_>, Random<'_>)) {
        let mut connection = Connection::open_in_memory().unwrap();
        super::prepare(&connection).unwrap();
        let next = Cell::new(0_u8);
        let random = |buffer: &mut [u8]| {
            next.set(next.get() + 1);
            buffer.fill(next.get());
        };
        act(&connection.transaction().unwrap(), &random);
    }
}

#[cfg(test)]
mod tests {
    use super::testing::with;
    use super::*;

    #[test]
    fn who_is_forgotten_leaves_nothing() {
        with(|transaction, random| {
            for person in [1, 2] {
                password::set(transaction, person, &password::hash("x", random), 1).unwrap();
                ticket::issue(transaction, ticket::Purpose::Reset, person, 1, random).unwrap();
                throttle::failed(transaction, Some(person), "203.0.113.5", 1).unwrap();
                let origin = session::Origin { address: "203.0.113.5", agent: "a browser" };
                session::begin(transaction, person, session::Stage::Full, origin, 1, random)
                    .unwrap();
            }
            forget(transaction, 1).unwrap();
            let limits = session::Limits::default();
            for (person, is_there) in [(1, false), (2, true)] {
                assert_eq!(password::is_set(transaction, person).unwrap(), is_there);
                let sessions = session::of_person(transaction, person, limits, 2).unwrap();
                assert_eq!(!sessions.is_empty(), is_there);
            }
            let left: i64 = transaction
                .query_row("select count(*) from signin_tickets", [], |row| row.get(0))
                .unwrap();
            assert_eq!(left, 1);
        });
    }
}
