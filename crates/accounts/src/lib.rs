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

use rusqlite::Connection;
use sha2::{Digest, Sha256};

/// Fills the whole buffer with random bytes.
pub type Random<'a> = &'a dyn Fn(&mut [u8]);

/// Why an act failed that is nobody's mistake.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database failed.
    #[error("the database of accounts failed")]
    Database(#[from] rusqlite::Error),
    /// What is stored cannot be read.
    #[error("the stored {0} cannot be read")]
    Stored(&'static str),
}

/// Makes the tables that are not there yet.
pub fn prepare(connection: &Connection) -> Result<(), Error> {
    Ok(connection.execute_batch(include_str!("schema.sql"))?)
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
