//! Second factors of either kind: an app that shows codes, and passkeys.

use rusqlite::{Connection, Transaction};

use crate::{Error, passkey, recovery, totp};

/// Whether the person has set up any.
pub fn is_set(connection: &Connection, person: i64) -> Result<bool, Error> {
    Ok(totp::sealed(connection, person)?.is_some()
        || !passkey::list(connection, person)?.is_empty())
}

/// Forgets them all, and the recovery codes with them.
pub fn reset(transaction: &Transaction<'_>, person: i64) -> Result<(), Error> {
    totp::keep(transaction, person, None)?;
    passkey::remove_all(transaction, person)?;
    recovery::forget(transaction, person)
}
