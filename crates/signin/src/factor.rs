//! Second factors of either kind: an app that shows codes, and passkeys.

use rusqlite::{Connection, Transaction};

use crate::{Error, passkey, recovery, totp};

/// Whether the person has set up any.
pub fn is_set(connection: &Connection, person: i64) -> Result<bool, Error> {
    Ok(totp::sealed(connection, person)?.is_some()
        || !passkey::list(connection, person)?.is_empty())
}

/// Forgets them all, and the recovery codes with them. Whoever is signed in was so by
/// them: all sessions end.
pub fn reset(transaction: &Transaction<'_>, person: i64) -> Result<(), Error> {
    totp::forget(transaction, person)?;
    passkey::remove_all(transaction, person)?;
    recovery::forget(transaction, person)?;
    crate::close(transaction, person)
}
