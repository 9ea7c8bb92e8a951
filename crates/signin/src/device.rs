//! Browsers that an account knows: each has a long random token in a cookie, given after a
//! whole sign-in or for a link that a mail brought. It opens nothing by itself. It lets its
//! browser try while strangers wait ([`crate::throttle`]).

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use zeroize::Zeroizing;

use crate::{Error, Random, digest, token};

/// Failures in a row that make it a stranger's.
pub const FAILURES: u32 = 5;
/// How long a browser is known that is not seen.
pub const LIFE_MS: i64 = 90 * 24 * 3_600_000;
/// Of one person; the one that was not seen for longest is forgotten.
pub const MAX_DEVICES: i64 = 10;

/// A browser that the account knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known([u8; 32]);

/// The browser with this token, if the person knows it.
pub(crate) fn known(
    connection: &Connection,
    person: i64,
    token: &str,
    now_ms: i64,
) -> Result<Option<Known>, Error> {
    let sql = "select digest from signin_devices where digest = ? and person = ? and seen_ms > ?";
    let key = params![digest(token), person, now_ms.saturating_sub(LIFE_MS)];
    let found = connection.prepare_cached(sql)?.query_row(key, |row| row.get(0)).optional()?;
    Ok(found.map(Known))
}

/// The person is there: the browser is known from now on, and has not failed. Answers a
/// token for its cookie, where it has none that is good.
pub(crate) fn remember(
    transaction: &Transaction<'_>,
    person: i64,
    token: Option<&str>,
    now_ms: i64,
    random: Random<'_>,
) -> Result<Option<Zeroizing<String>>, Error> {
    let known = token.map(|token| known(transaction, person, token, now_ms)).transpose()?;
    if let Some(Known(digest)) = known.flatten() {
        let sql = "update signin_devices set seen_ms = ?, failures = 0 where digest = ?";
        transaction.execute(sql, params![now_ms, digest])?;
        return Ok(None);
    }
    make(transaction, person, now_ms, random).map(Some)
}

/// A browser that is known from now on; answers the token for its cookie.
pub(crate) fn make(
    transaction: &Transaction<'_>,
    person: i64,
    now_ms: i64,
    random: Random<'_>,
) -> Result<Zeroizing<String>, Error> {
    transaction.execute(
        "delete from signin_devices where person = ?1 and (seen_ms <= ?2 or digest not in (
            select digest from signin_devices where person = ?1 order by seen_ms desc limit ?3))",
        params![person, now_ms.saturating_sub(LIFE_MS), MAX_DEVICES - 1],
    )?;
    let token = token(random);
    transaction.execute(
        "insert into signin_devices (digest, person, seen_ms) values (?, ?, ?)",
        params![digest(&token), person, now_ms],
    )?;
    Ok(token)
}

/// Counts a failure; true when it was one too many, and the browser is known no longer.
pub(crate) fn failed(transaction: &Transaction<'_>, known: &Known) -> Result<bool, Error> {
    let sql = "update signin_devices set failures = failures + 1 where digest = ?
        returning failures";
    let failures: Option<u32> =
        transaction.query_row(sql, [known.0], |row| row.get(0)).optional()?;
    let is_stranger = failures.is_some_and(|failures| failures >= FAILURES);
    if is_stranger {
        transaction.execute("delete from signin_devices where digest = ?", [known.0])?;
    }
    Ok(is_stranger)
}

/// No browser of the person is known any longer.
pub(crate) fn forget_all(transaction: &Transaction<'_>, person: i64) -> Result<(), Error> {
    transaction.execute("delete from signin_devices where person = ?", [person])?;
    Ok(())
}
