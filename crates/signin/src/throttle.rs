//! Lock-out after failures. Failures count for a person from an address: who
//! guesses locks himself out, not the person somewhere else.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::Error;

/// Failures until an address is locked out of an account.
pub const FAILURES: i64 = 5;

/// How long it is, and how long failures count.
pub const LOCKED_MS: i64 = 30 * 60_000;

/// Stands for everybody who does not exist.
const NOBODY: i64 = i64::MIN;

/// Until when the address is locked out of the account. Nobody is locked out like
/// somebody.
pub fn locked_until(
    connection: &Connection,
    person: Option<i64>,
    address: &str,
    now_ms: i64,
) -> Result<Option<i64>, Error> {
    let until: Option<i64> = connection
        .prepare_cached(
            "select locked_until_ms from signin_failures where person = ? and address = ?",
        )?
        .query_row(params![person.unwrap_or(NOBODY), address], |row| row.get(0))
        .optional()?;
    Ok(until.filter(|until| *until > now_ms))
}

/// Whether any address is locked out of the account.
pub fn is_locked(connection: &Connection, person: i64, now_ms: i64) -> Result<bool, Error> {
    let sql = "select exists (
        select 1 from signin_failures where person = ? and locked_until_ms > ?)";
    Ok(connection.prepare_cached(sql)?.query_row([person, now_ms], |row| row.get(0))?)
}

/// Counts a failure; true when it is the one that locks.
pub fn failed(
    transaction: &Transaction<'_>,
    person: Option<i64>,
    address: &str,
    now_ms: i64,
) -> Result<bool, Error> {
    // What is long past does not count, and does not pile up.
    transaction.execute(
        "delete from signin_failures where last_ms <= ? and locked_until_ms <= ?",
        [now_ms.saturating_sub(LOCKED_MS), now_ms],
    )?;
    let person = person.unwrap_or(NOBODY);
    let failures: i64 = transaction.query_row(
        "insert into signin_failures (person, address, failures, last_ms) values (?1, ?2, 1, ?3)
         on conflict (person, address) do update set failures = failures + 1, last_ms = ?3
         returning failures",
        params![person, address, now_ms],
        |row| row.get(0),
    )?;
    let locks = failures >= FAILURES;
    if locks {
        transaction.execute(
            "update signin_failures set locked_until_ms = ?3, failures = 0
             where person = ?1 and address = ?2",
            params![person, address, now_ms.saturating_add(LOCKED_MS)],
        )?;
    }
    Ok(locks)
}

/// Failures from this address are forgotten: the person is who it says.
pub fn succeeded(transaction: &Transaction<'_>, person: i64, address: &str) -> Result<(), Error> {
    transaction.execute(
        "delete from signin_failures where person = ? and address = ?",
        params![person, address],
    )?;
    Ok(())
}

/// Failures from everywhere are forgotten.
pub fn unlock(transaction: &Transaction<'_>, person: i64) -> Result<(), Error> {
    transaction.execute("delete from signin_failures where person = ?", [person])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_lock_this_address_for_half_an_hour() {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::prepare(&connection).unwrap();
        let transaction = connection.transaction().unwrap();
        for person in [Some(1), None] {
            for round in 1..=FAILURES {
                let locks = failed(&transaction, person, "203.0.113.5", 1000).unwrap();
                assert_eq!(locks, round == FAILURES);
            }
            let until = |address: &str, now_ms| {
                locked_until(&transaction, person, address, now_ms).unwrap()
            };
            assert_eq!(until("203.0.113.5", 1001), Some(1000 + LOCKED_MS));
            assert_eq!(until("203.0.113.5", 1000 + LOCKED_MS), None);
            assert_eq!(until("198.51.100.9", 1001), None, "an honest address");
        }
        assert_eq!(locked_until(&transaction, Some(2), "203.0.113.5", 1001).unwrap(), None);
    }

    #[test]
    fn success_and_time_forget() {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::prepare(&connection).unwrap();
        let transaction = connection.transaction().unwrap();
        for round in 0..20 {
            assert!(!failed(&transaction, Some(1), "203.0.113.5", round).unwrap());
            if round % 4 == 3 {
                succeeded(&transaction, 1, "203.0.113.5").unwrap();
            }
        }
        for round in 0..20 {
            let now_ms = 100 + round * LOCKED_MS;
            assert!(!failed(&transaction, Some(2), "203.0.113.5", now_ms).unwrap());
        }
    }
}
