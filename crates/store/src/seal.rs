//! Whether what is stored is what was written. SQLite sees a page that is not one; a byte
//! that turned within a value it takes for another value. So each record has its hash, each
//! row of a finding, an application or the feed of changes a digest over its columns, the
//! seal. Readers check both, and show nothing that does not agree.

use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::search::own::list;
use crate::sql::{self, Bulk, Connection, Each, Many, Row, ToSql, ToSqlOutput, ValueRef, params};

/// What the seal of a finding covers. `hash` ties the record to it, and `finding_id` is a
/// hash of the guid, the context and the key of the record. Written by [`finding`] after
/// every change of one of them.
pub(crate) const FINDING: &str = "f.finding_id, f.hash, f.application, f.context, f.severity,
    f.state, f.gone, f.scan_type, f.status, f.violates_policy, f.cwe, f.category, f.title, f.file,
    f.module, f.url, f.component, f.cve, f.cvss, f.first_found_ms, f.last_seen_ms, f.added_ms,
    f.changed_ms, f.kind, f.notes";
/// How many these are.
pub(crate) const FINDING_COLUMNS: usize = 25;

/// What the seal of an application covers beside its counts. Written by [`application`]
/// after every change of one of them.
const APPLICATION: &str = "i.name, a.guid, a.name, a.modified_ms, a.policy_checked_ms, a.read_ms,
    a.incomplete, a.gone, a.raw, a.policy, a.policy_compliance, a.criticality, a.scanned_ms,
    a.held_back";
const APPLICATION_COLUMNS: usize = 14;

/// What the seal of a row of the feed covers. `finding_id` ties it to its finding, whatever
/// that one's row is.
pub(crate) const CHANGE: &str = "c.seq, c.run, c.at_ms, c.finding, f.finding_id, c.kind, c.reason,
    c.severity, c.differences";
/// How many these are.
pub(crate) const CHANGE_COLUMNS: usize = 9;

const COUNTS: &str = "context, scan_type, severity, state, status, violates_policy, findings";
const COUNTS_COLUMNS: usize = 7;

/// Values one after the other, so that no two lists of them look alike. Most are a few bytes, and
/// the digest takes as long for these as for the block that it hashes: they are collected first.
struct Sealing {
    digest: Sha256,
    waiting: [u8; WAITING],
    length: usize,
}

/// Bytes that are hashed at once: what the row of a finding has, and a little more.
const WAITING: usize = 512;

impl Sealing {
    fn new() -> Self {
        Self { digest: Sha256::new(), waiting: [0; WAITING], length: 0 }
    }

    fn add(&mut self, values: &[ValueRef<'_>]) {
        for value in values {
            self.add_value(*value);
        }
    }

    /// What it is, its number or how many bytes it has, and these.
    #[inline(always)]
    fn add_value(&mut self, value: ValueRef<'_>) {
        let (tag, number, bytes): (u8, u64, &[u8]) = match value {
            ValueRef::Null => (0, 0, &[]),
            ValueRef::Integer(integer) => (1, integer.cast_unsigned(), &[]),
            ValueRef::Real(real) => (2, real.to_bits(), &[]),
            ValueRef::Text(text) => (3, text.len() as u64, text),
            ValueRef::Blob(blob) => (4, blob.len() as u64, blob),
        };
        self.add_tagged(tag, number, bytes);
    }

    fn add_tagged(&mut self, tag: u8, number: u64, bytes: &[u8]) {
        let mut head = [tag; 9];
        head[1..].copy_from_slice(&number.to_le_bytes());
        self.add_bytes(&head);
        if !bytes.is_empty() {
            self.add_bytes(bytes);
        }
    }

    #[inline(always)]
    fn add_bytes(&mut self, bytes: &[u8]) {
        if bytes.len() > WAITING - self.length {
            self.digest.update(&self.waiting[..self.length]);
            self.length = 0;
        }
        match self.waiting[self.length..].get_mut(..bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.length += bytes.len();
            }
            None => self.digest.update(bytes),
        }
    }

    fn end(mut self) -> i64 {
        self.digest.update(&self.waiting[..self.length]);
        let digest = self.digest.finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        i64::from_le_bytes(first)
    }
}

/// The seal of values, in the order of the columns that are sealed.
pub(crate) fn of_values(values: &[&dyn ToSql]) -> Result<i64, Error> {
    let mut sealing = Sealing::new();
    for value in values {
        match value.to_sql()? {
            ToSqlOutput::Borrowed(value) => sealing.add_value(value),
            ToSqlOutput::Owned(value) => sealing.add_value((&value).into()),
            _ => return Err(Error::corrupt("a value that cannot be sealed")),
        }
    }
    Ok(sealing.end())
}

/// The same of values of a row.
pub(crate) fn of(values: &[ValueRef<'_>]) -> i64 {
    let mut sealing = Sealing::new();
    sealing.add(values);
    sealing.end()
}

/// The seal of a row that has the columns of [`FINDING`] from here on.
pub(crate) fn of_finding(row: Row<'_>, from: usize) -> Result<i64, Error> {
    Ok(of(&row.values::<FINDING_COLUMNS>(from)?))
}

/// The seal of a row that has the columns of [`CHANGE`] from here on.
pub(crate) fn of_change(row: Row<'_>, from: usize) -> Result<i64, Error> {
    Ok(of(&row.values::<CHANGE_COLUMNS>(from)?))
}

/// Seals the row with this number as it is.
pub(crate) fn finding(connection: &Connection, row: i64) -> Result<(), Error> {
    let mut select =
        connection.prepare(&format!("select {FINDING} from findings f where f.id = ?"))?;
    let mut rows = select.query([row])?;
    let Some(found) = rows.next()? else { return Ok(()) };
    let seal = of_finding(found, 0)?;
    drop(rows);
    connection.prepare("update findings set seal = ? where id = ?")?.execute(params![seal, row])?;
    Ok(())
}

static SEAL: Bulk = Bulk {
    one: "update findings set seal = ? where id = ?",
    many: Many::Arrays(
        "update findings f set seal = n.seal
         from unnest(cast(? as bigint[]), cast(? as bigint[])) as n(seal, id) where f.id = n.id",
    ),
};

/// Seals the rows with these numbers as they are.
pub(crate) fn findings(connection: &Connection, rows: &[i64]) -> Result<(), Error> {
    let mut select = connection.prepare(&format!(
        "select {FINDING}, f.id from findings f where f.id in ({})",
        sql::numbers("?")
    ))?;
    let mut found = select.query([list(rows)])?;
    let mut seals = Each::new(connection, &SEAL);
    while let Some(row) = found.next()? {
        let id: i64 = row.get(FINDING_COLUMNS)?;
        seals.put(params![of_finding(row, 0)?, id])?;
    }
    Ok(seals.flush()?)
}

/// Seals an application with its counts as they are.
pub(crate) fn application(connection: &Connection, id: i64) -> Result<(), Error> {
    let Sealed { seal, .. } = of_application(connection, id)?;
    connection
        .prepare("update applications set seal = ? where id = ?")?
        .execute(params![seal, id])?;
    Ok(())
}

/// Whether an application and its counts are what was written.
pub(crate) fn is_sound(connection: &Connection, application: i64) -> Result<bool, Error> {
    let Sealed { seal, kept, .. } = of_application(connection, application)?;
    Ok(kept == Some(seal))
}

/// What an application is called.
pub(crate) struct Named {
    /// Its integration.
    pub(crate) integration: String,
    pub(crate) guid: String,
    pub(crate) name: String,
}

/// Of a row with the columns of [`APPLICATION`].
fn named(row: Row<'_>) -> Result<Named, Error> {
    Ok(Named { integration: row.get(0)?, guid: row.get(1)?, name: row.get(2)? })
}

/// Fails unless an application and its counts are what was written.
pub(crate) fn check_application(connection: &Connection, id: i64) -> Result<Named, Error> {
    let Sealed { seal, kept, named } = of_application(connection, id)?;
    match kept == Some(seal) {
        true => named,
        false => Err(Error::corrupt(format_args!("application {id} is not as it was written"))),
    }
}

/// An application as it was found.
struct Sealed {
    /// That it should have.
    seal: i64,
    /// That it has.
    kept: Option<i64>,
    /// A damaged name may be none.
    named: Result<Named, Error>,
}

fn of_application(connection: &Connection, id: i64) -> Result<Sealed, Error> {
    let mut sealing = Sealing::new();
    let mut select = connection.prepare(&format!(
        "select {APPLICATION}, a.seal from applications a
         join integrations i on i.id = a.integration where a.id = ?"
    ))?;
    let mut rows = select.query([id])?;
    let Some(row) = rows.next()? else {
        return Err(Error::corrupt(format_args!("application {id} has no integration")));
    };
    sealing.add(&row.values::<APPLICATION_COLUMNS>(0)?);
    let kept = row.get(APPLICATION_COLUMNS)?;
    let named = named(row);
    let mut select = connection.prepare(&format!(
        "select {COUNTS} from tallies where application = ? order by {COUNTS}"
    ))?;
    let mut rows = select.query([id])?;
    while let Some(row) = rows.next()? {
        sealing.add(&row.values::<COUNTS_COLUMNS>(0)?);
    }
    Ok(Sealed { seal: sealing.end(), kept, named })
}

/// The part of a record's hash that is kept.
pub(crate) fn hash_of(raw: &str) -> [u8; 16] {
    let digest = Sha256::digest(raw.as_bytes());
    let mut hash = [0; 16];
    hash.copy_from_slice(&digest[..16]);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Value;
    use proptest::prelude::*;

    /// What stores hold: each value with what it is and how long, hashed as one text.
    fn seal(values: &[Value]) -> i64 {
        let mut bytes = Vec::new();
        for value in values {
            let (tag, content): (u8, &[u8]) = match value {
                Value::Null => (0, &[]),
                Value::Integer(integer) => {
                    bytes.push(1);
                    bytes.extend(integer.to_le_bytes());
                    continue;
                }
                Value::Real(real) => {
                    bytes.push(2);
                    bytes.extend(real.to_bits().to_le_bytes());
                    continue;
                }
                Value::Text(text) => (3, text.as_bytes()),
                Value::Blob(blob) => (4, blob),
            };
            bytes.push(tag);
            bytes.extend((content.len() as u64).to_le_bytes());
            bytes.extend(content);
        }
        i64::from_le_bytes(Sha256::digest(bytes)[..8].try_into().unwrap())
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::Integer),
            any::<f64>().prop_map(Value::Real),
            "\\PC{0,40}".prop_map(Value::Text),
            prop::collection::vec(any::<u8>(), 0..3 * WAITING).prop_map(Value::Blob),
        ]
    }

    proptest! {
        #[test]
        fn a_seal_is_that_of_the_values_in_one_piece(
            values in prop::collection::vec(value(), 0..80),
        ) {
            let given: Vec<&dyn ToSql> = values.iter().map(|value| value as &dyn ToSql).collect();
            prop_assert_eq!(of_values(&given).unwrap(), seal(&values));
        }
    }
}
