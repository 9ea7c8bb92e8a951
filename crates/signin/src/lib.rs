//! Sign-in for people: passwords, second factors, sessions, links, what happens when
//! somebody fails, and a chain of what was done. [`Signin`] has the flows.
//!
//! A [`Host`] gives its SQLite database, which then has tables named `signin_…`, the time,
//! randomness, and a way to tell owners something; it has the pages. A person is a number
//! of the host's choosing. Nothing here knows who the host is, or of HTTP. The flows wait
//! for the database and for Argon2: hosts call them off the threads that answer.

pub mod audit;
pub mod device;
pub mod factor;
mod flows;
mod guesses;
mod hasher;
mod host;
mod next;
pub mod passkey;
pub mod password;
pub mod recovery;
pub mod session;
pub mod throttle;
pub mod ticket;
pub mod totp;
mod webauthn;

pub use flows::{
    APP, Asked, Begun, Enrolled, Enrolment, Given, Mine, Question, Refusal, Seat, Signin,
    complaint, invite, wish_address,
};
pub use hasher::Hasher;
pub use host::{Event, Factor, Host, Link, Owner, Policy, Visit, Who};
pub use next::OwnPath;
pub use ticket::Purpose;

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
    /// A password could not be hashed.
    #[error("a password could not be hashed")]
    Hash,
    /// The host failed.
    #[error("{0}")]
    Host(String),
}

/// Makes the tables that are not there yet.
pub fn prepare(connection: &Connection) -> Result<(), Error> {
    Ok(connection.execute_batch(include_str!("schema.sql"))?)
}

/// Nobody is signed in to the account any longer, and it knows no browser: for one that is
/// disabled, and whenever what one signs in with is another.
pub fn close(transaction: &Transaction<'_>, person: i64) -> Result<(), Error> {
    session::end_others(transaction, person, None)?;
    device::forget_all(transaction, person)
}

/// Forgets everything about a person but what the chain says was done.
pub fn forget(transaction: &Transaction<'_>, person: i64) -> Result<(), Error> {
    for table in [
        "signin_people",
        "signin_tickets",
        "signin_sessions",
        "signin_devices",
        "signin_passkeys",
        "signin_addresses",
    ] {
        transaction.execute(&format!("delete from {table} where person = ?"), [person])?;
    }
    transaction.execute("delete from signin_tallies where account = ?", [person])?;
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
                password::set(transaction, person, "a hash", 1).unwrap();
                ticket::issue(transaction, Purpose::Reset, person, 1, random).unwrap();
                ticket::wish(transaction, person, "somebody@example.com").unwrap();
                let account = throttle::Account::person(person);
                throttle::begin(transaction, account, None, 1).unwrap();
                device::make(transaction, person, 1, random).unwrap();
                let origin = session::Origin { address: "203.0.113.5", agent: "a browser" };
                session::begin(transaction, person, session::Stage::Full, origin, 1, random)
                    .unwrap();
            }
            let rows = || {
                let mut tables = transaction
                    .prepare("select name from sqlite_schema where name like 'signin%' and type = 'table'")
                    .unwrap();
                let names = tables.query_map([], |row| row.get::<_, String>(0)).unwrap();
                let count = |name: rusqlite::Result<String>| {
                    let name = name.unwrap();
                    let sql = format!("select count(*) from {name}");
                    let rows = transaction.query_row(&sql, [], |row| row.get::<_, i64>(0));
                    (name, rows.unwrap())
                };
                names.map(count).collect::<Vec<_>>()
            };
            let before = rows();
            forget(transaction, 1).unwrap();
            for ((name, before), (_, after)) in before.into_iter().zip(rows()) {
                assert_eq!(after * 2, before, "{name}");
            }
        });
    }
}
