//! What was done by whom, in a chain: each entry holds the digest of the one
//! before, so that none can be changed, taken out or put in unseen. Whoever holds
//! the database can cut its end off; [`verify`] tells the last digest, to be
//! compared with one that was kept elsewhere.

use data_encoding::HEXLOWER;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use sha2::{Digest, Sha256};

use crate::Error;

/// One thing that was done. No secrets belong in here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at_ms: i64,
    /// Who.
    pub actor: String,
    /// What, in machine words such as `user.create`.
    pub act: String,
    /// To what.
    pub target: String,
    /// From where.
    pub address: String,
}

/// A name that somebody typed can be long; an entry is read by people.
const MAX_TARGET_CHARS: usize = 256;

impl Entry {
    /// An entry; the target is cut to what people read.
    pub fn new(at_ms: i64, actor: &str, act: &str, target: &str, address: &str) -> Self {
        Self {
            at_ms,
            actor: actor.to_owned(),
            act: act.to_owned(),
            target: target.chars().take(MAX_TARGET_CHARS).collect(),
            address: address.to_owned(),
        }
    }

    fn hash(&self, id: i64, previous: &[u8]) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(previous);
        digest.update(id.to_be_bytes());
        digest.update(self.at_ms.to_be_bytes());
        for text in [&self.actor, &self.act, &self.target, &self.address] {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text.as_bytes());
        }
        digest.finalize().into()
    }
}

/// Adds to the end of the chain.
pub fn append(transaction: &Transaction<'_>, entry: &Entry) -> Result<(), Error> {
    let last: Option<(i64, Vec<u8>)> = transaction
        .query_row("select id, hash from signin_audit order by id desc limit 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let (id, previous) = last.map_or((1, Vec::new()), |(id, hash)| (id + 1, hash));
    transaction.execute(
        "insert into signin_audit (id, at_ms, actor, act, target, address, hash)
         values (?, ?, ?, ?, ?, ?, ?)",
        params![
            id,
            entry.at_ms,
            entry.actor,
            entry.act,
            entry.target,
            entry.address,
            entry.hash(id, &previous)
        ],
    )?;
    tracing::info!(
        actor = entry.actor,
        act = entry.act,
        on = entry.target,
        address = entry.address,
        "user acted"
    );
    Ok(())
}

/// Which entries are wanted: those before an id that hold all of these texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Before this id.
    pub before: Option<i64>,
    /// Part of who did it.
    pub actor: String,
    /// How the act begins.
    pub act: String,
    /// Part of what it was done to.
    pub target: String,
}

/// The newest entries first.
pub fn newest(
    connection: &Connection,
    filter: &Filter,
    limit: u32,
) -> Result<Vec<(i64, Entry)>, Error> {
    let mut statement = connection.prepare_cached(
        "select id, at_ms, actor, act, target, address from signin_audit
         where id < ?1 and (?2 = '' or instr(lower(actor), lower(?2)) > 0)
         and substr(act, 1, length(?3)) = ?3 and (?4 = '' or instr(lower(target), lower(?4)) > 0)
         order by id desc limit ?5",
    )?;
    let before = filter.before.unwrap_or(i64::MAX);
    let key = params![before, filter.actor, filter.act, filter.target, limit];
    let rows = statement.query_map(key, |row| {
        let entry = Entry {
            at_ms: row.get(1)?,
            actor: row.get(2)?,
            act: row.get(3)?,
            target: row.get(4)?,
            address: row.get(5)?,
        };
        Ok((row.get(0)?, entry))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What a chain turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// So many entries, and the digest of the last.
    Whole(i64, String),
    /// The first entry that does not follow from the one before.
    Broken(i64),
}

/// Follows the whole chain.
pub fn verify(connection: &Connection) -> Result<Verdict, Error> {
    let mut statement = connection.prepare(
        "select id, at_ms, actor, act, target, address, hash from signin_audit order by id",
    )?;
    let mut rows = statement.query([])?;
    let (mut count, mut previous) = (0, Vec::new());
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let entry = Entry {
            at_ms: row.get(1)?,
            actor: row.get(2)?,
            act: row.get(3)?,
            target: row.get(4)?,
            address: row.get(5)?,
        };
        let hash: Vec<u8> = row.get(6)?;
        count += 1;
        if id != count || entry.hash(id, &previous)[..] != hash[..] {
            return Ok(Verdict::Broken(count));
        }
        previous = hash;
    }
    Ok(Verdict::Whole(count, HEXLOWER.encode(&previous)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chain(length: i64) -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::prepare(&connection).unwrap();
        let transaction = connection.transaction().unwrap();
        for at_ms in 0..length {
            let text = |what: &str| format!("{what} {at_ms}");
            let entry = Entry {
                at_ms,
                actor: text("actor"),
                act: text("act"),
                target: text("target"),
                address: text("address"),
            };
            append(&transaction, &entry).unwrap();
        }
        transaction.commit().unwrap();
        connection
    }

    proptest! {
        /// Any member of any entry, changed; any entry taken out.
        #[test]
        fn no_change_goes_unseen(id in 1_i64..=20, member in 0_usize..6) {
            let connection = chain(20);
            prop_assert!(matches!(verify(&connection).unwrap(), Verdict::Whole(20, _)));
            let change = [
                "update signin_audit set actor = actor || 'x' where id = ?",
                "update signin_audit set act = '' where id = ?",
                "update signin_audit set target = 'target' where id = ?",
                "update signin_audit set address = 'elsewhere' where id = ?",
                "update signin_audit set at_ms = at_ms + 1 where id = ?",
                "delete from signin_audit where id = ?",
            ][member];
            connection.execute(change, [id]).unwrap();
            let verdict = verify(&connection).unwrap();
            // An end that was cut off shows in the count and the digest alone.
            if member == 5 && id == 20 {
                prop_assert!(matches!(verdict, Verdict::Whole(19, _)));
            } else {
                prop_assert_eq!(verdict, Verdict::Broken(id));
            }
        }
    }

    #[test]
    fn the_newest_come_first() {
        let connection = chain(5);
        let ids = |before: Option<i64>| {
            let some = newest(&connection, &Filter { before, ..Filter::default() }, 2).unwrap();
            some.into_iter().map(|(id, _)| id).collect::<Vec<_>>()
        };
        assert_eq!((ids(None), ids(Some(4)), ids(Some(1))), (vec![5, 4], vec![3, 2], vec![]));
    }
}
