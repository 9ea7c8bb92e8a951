//! Findings that wait for the commit, in memory or in a temporary table.

use super::held::{HASH_BYTES, Id};
use crate::change::ChangeKind;
use crate::columns::Draft;
use crate::error::Error;
use crate::sql::{Bulk, Connection, Each, Many, Turn, params};

/// A finding that waits for the commit.
pub(super) struct StagedRow {
    pub(super) finding_id: Id,
    pub(super) hash: [u8; HASH_BYTES],
    /// The record as sent, packed.
    pub(super) raw: Vec<u8>,
    pub(super) kind: Option<ChangeKind>,
    pub(super) differences: Option<String>,
    pub(super) draft: Draft,
}

/// Adds rows to the table, under the number of their writer.
pub(super) fn spill(connection: &Connection, writer: i64, rows: &[StagedRow]) -> Result<(), Error> {
    let transaction = connection.transaction_in(Turn::Own)?;
    let mut add = Each::new(&transaction, &STAGED);
    for row in rows {
        let draft = serde_json::to_string(&row.draft).map_err(Error::corrupt)?;
        add.put(params![
            writer,
            row.finding_id,
            row.hash,
            row.raw,
            row.kind.map(ChangeKind::code),
            row.differences,
            draft
        ])?;
    }
    add.flush()?;
    drop(add);
    Ok(transaction.commit()?)
}

static STAGED: Bulk = Bulk {
    one: "insert into staged (writer, finding_id, hash, raw, kind, differences, draft)
         values (?, ?, ?, ?, ?, ?, ?)",
    many: Many::Copy {
        table: "staged",
        columns: "writer, finding_id, hash, raw, kind, differences, draft",
    },
};

/// Each row of a writer, in the order in which they were added. Fails where they are not as many
/// as were added: they are gone with a connection that was lost.
pub(super) fn each(
    connection: &Connection,
    writer: i64,
    count: usize,
    mut act: impl FnMut(StagedRow) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut statement = connection.prepare(
        "select finding_id, hash, raw, kind, differences, draft from staged
         where writer = ? order by place",
    )?;
    let mut rows = statement.scan([writer])?;
    let mut found = 0;
    while let Some(row) = rows.next()? {
        found += 1;
        let kind: Option<i64> = row.get(3)?;
        let draft = row.get_ref(5)?.as_str().map_err(Error::corrupt)?;
        act(StagedRow {
            finding_id: row.get(0)?,
            hash: row.get(1)?,
            raw: row.get(2)?,
            kind: kind.map(ChangeKind::of_code).transpose()?,
            differences: row.get(4)?,
            draft: serde_json::from_str(draft).map_err(Error::corrupt)?,
        })?;
    }
    if found == count { Ok(()) } else { Err(Error::reading_lost()) }
}

/// Takes the rows of a writer out.
pub(super) fn clear(connection: &Connection, writer: i64) -> Result<(), Error> {
    connection.execute("delete from staged where writer = ?", [writer])?;
    Ok(())
}
