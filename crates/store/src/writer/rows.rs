//! Writes the rows of one reading.

use std::collections::{HashMap, HashSet};

use super::held::{Damage, Held, Id};
use super::staged::StagedRow;
use crate::change::{ChangeKind, Reason};
use crate::columns::{Before, Columns, INSERT, NewRow, Texts, UPDATE, state_of};
use crate::error::Error;
use crate::seal;
use crate::sql::{Bulk, Connection, Each, Many, Optional, engine, params};
use crate::store::RunId;
use crate::stretches::Stretch;
use crate::tally::Ledger;

/// The rows of one application, while they are written.
pub(super) struct Rows<'a, 't> {
    pub(super) connection: &'a Connection,
    pub(super) held: &'a HashMap<Id, Held>,
    pub(super) withheld: &'a HashSet<Id>,
    pub(super) run: RunId,
    pub(super) application: i64,
    pub(super) at_ms: i64,
    pub(super) texts: &'a mut Texts<'t>,
    pub(super) ledger: Ledger<'a>,
    /// Whether what is counted can go on from what was counted before.
    pub(super) is_sound: bool,
    /// The number that the feed of changes gave last.
    pub(super) last_seq: i64,
    /// The number that a finding got last.
    pub(super) last_row: i64,
    pub(super) rows: u64,
    /// The findings that came in.
    pub(super) new: Option<Stretch>,
    pub(super) statements: Statements<'a>,
    /// Where rows are written many at once, those that are about to be.
    pub(super) before: HashMap<i64, Before>,
    /// Rows whose seals wait until they are written.
    pub(super) unsealed: Vec<i64>,
}

/// The number that a finding got last. Numbers are given here, and not by the database, which
/// would have to be asked for each.
pub(super) fn last_row(connection: &Connection) -> Result<i64, Error> {
    let mut statement = connection.prepare("select coalesce(max(id), 0) from findings")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

/// What is done with many rows, in the order in which they refer to each other.
pub(super) struct Statements<'a> {
    insert: Each<'a>,
    update: Each<'a>,
    vanish: Each<'a>,
    records: Each<'a>,
    new_words: Each<'a>,
    words: Each<'a>,
    changes: Each<'a>,
}

impl<'a> Statements<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        let each = |bulk| Each::new(connection, bulk);
        Self {
            insert: each(&INSERT),
            update: each(&UPDATE),
            vanish: each(&VANISH),
            records: each(&RECORD),
            new_words: each(&engine::NEW_WORDS),
            words: each(&engine::WORDS),
            changes: each(&CHANGE),
        }
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.insert.flush().map_err(|error| Error::from(error).of_insert())?;
        self.update.flush()?;
        self.vanish.flush()?;
        self.records.flush()?;
        self.new_words.flush()?;
        self.words.flush()?;
        Ok(self.changes.flush()?)
    }
}

static RECORD: Bulk = Bulk {
    one: "insert into records (finding, raw) values (?, ?)
         on conflict (finding) do update set raw = excluded.raw",
    many: Many::Arrays(
        "insert into records (finding, raw)
         select * from unnest(cast(? as bigint[]), cast(? as bytea[]))
         on conflict (finding) do update set raw = excluded.raw",
    ),
};

static VANISH: Bulk = Bulk {
    one: "update findings set gone = 1, changed_ms = ?, kind = ? where id = ?",
    many: Many::Arrays(
        "update findings f set gone = 1, changed_ms = n.at_ms, kind = n.kind
         from unnest(cast(? as bigint[]), cast(? as bigint[]), cast(? as bigint[]))
            as n(at_ms, kind, id)
         where f.id = n.id",
    ),
};

static CHANGE: Bulk = Bulk {
    one: "insert into changes (seq, run, at_ms, finding, kind, reason, severity, differences,
            is_first, seal)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    many: Many::Copy {
        table: "changes",
        columns: "seq, run, at_ms, finding, kind, reason, severity, differences, is_first, seal",
    },
};

impl Rows<'_, '_> {
    /// Writes findings: as many as are written at once, at most.
    pub(super) fn write(&mut self, staged: &[StagedRow]) -> Result<(), Error> {
        self.texts.look_up(staged.iter().map(|row| &row.draft))?;
        let held = staged.iter().filter_map(|row| self.held.get(&row.finding_id));
        self.look_ahead(held.map(|held| held.row).collect())?;
        for row in staged.iter().filter(|row| !self.withheld.contains(&row.finding_id)) {
            self.write_one(row)?;
        }
        self.flush()
    }

    /// Reads rows that are about to be written, where that is done for many at once.
    fn look_ahead(&mut self, rows: Vec<i64>) -> Result<(), Error> {
        if !rows.is_empty() && engine::rows_at_once(self.connection) > 1 {
            self.before = Columns::read_each(self.connection, &rows)?;
        }
        Ok(())
    }

    /// What was put for many rows is written.
    fn flush(&mut self) -> Result<(), Error> {
        self.statements.flush()?;
        if !self.unsealed.is_empty() {
            seal::findings(self.connection, &std::mem::take(&mut self.unsealed))?;
        }
        Ok(())
    }

    fn write_one(&mut self, staged: &StagedRow) -> Result<(), Error> {
        let columns = Columns::of(&staged.draft, self.texts)?;
        let new = NewRow {
            application: self.application,
            at_ms: self.at_ms,
            kind: staged.kind.map(ChangeKind::code),
            finding_id: &staged.finding_id,
            hash: &staged.hash,
        };
        let held = self.held.get(&staged.finding_id);
        if let Some(held) = held.filter(|held| held.damage.is_none()) {
            self.refuse_outdated(held)?;
        }
        let damage = held.and_then(|held| held.damage);
        let held = held.map(|held| held.row);
        let (row, before) = match held {
            None => {
                self.last_row += 1;
                let row = self.last_row;
                let insert = &mut self.statements.insert;
                columns.insert(insert, row, &new).map_err(Error::of_insert)?;
                self.new = Some(Stretch::with(self.new, row));
                (row, None)
            }
            Some(row) if damage == Some(Damage::Row) => {
                columns.update(&mut self.statements.update, row, &new)?;
                (row, None)
            }
            Some(row) => {
                let (before, is_gone) = self.take_before(row)?;
                columns.update(&mut self.statements.update, row, &new)?;
                (row, Some(before).filter(|_| !is_gone))
            }
        };
        self.statements.records.put(params![row, staged.raw])?;
        if damage == Some(Damage::Row) {
            self.flush()?;
            self.mend(row)?;
        }
        let words = match held {
            None => &mut self.statements.new_words,
            Some(_) => &mut self.statements.words,
        };
        words.put(params![row, staged.draft.words])?;
        if damage != Some(Damage::Row) {
            self.ledger.moved(before.as_ref(), Some(&columns))?;
        }
        if held.is_some() {
            self.seal(row)?;
        }
        self.rows += 1;
        if let Some(kind) = staged.kind {
            let id = &staged.finding_id;
            self.announce(row, id, kind, None, &columns, staged.differences.as_deref())?;
        }
        Ok(())
    }

    /// What a row was before it is written, and whether it was gone.
    fn take_before(&mut self, row: i64) -> Result<(Columns, bool), Error> {
        match self.before.remove(&row) {
            Some(before) => Ok((before.columns, before.is_gone)),
            None => {
                self.flush()?;
                Columns::read(self.connection, row)
            }
        }
    }

    fn seal(&mut self, row: i64) -> Result<(), Error> {
        match engine::rows_at_once(self.connection) {
            1 => seal::finding(self.connection, row),
            _ => {
                self.unsealed.push(row);
                Ok(())
            }
        }
    }

    /// What was decided goes by what was held: where that is no more, nothing is written.
    fn refuse_outdated(&self, held: &Held) -> Result<(), Error> {
        let before = self.before.get(&held.row).map(|before| (before.hash, before.is_gone));
        let found = match before {
            Some(found) => Some(found),
            None => self
                .connection
                .prepare("select hash, gone from findings where id = ?")?
                .query_row([held.row], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?,
        };
        if found == Some((held.hash, held.gone)) { Ok(()) } else { Err(Error::outdated()) }
    }

    /// What a row says beside its record, as the feed of changes has it.
    fn mend(&mut self, row: i64) -> Result<(), Error> {
        self.is_sound = false;
        self.connection.execute(
            "update findings set application = ?2,
                added_ms = coalesce((select min(at_ms) from changes where finding = ?1), added_ms),
                kind = coalesce((select c.kind from changes c where c.finding = ?1
                    order by c.seq desc limit 1), kind),
                changed_ms = coalesce((select at_ms from changes where finding = ?1
                    order by seq desc limit 1), changed_ms)
             where id = ?1",
            params![row, self.application],
        )?;
        Ok(())
    }

    /// Notes that a complete reading no longer showed these rows: as many as are written at
    /// once, at most.
    pub(super) fn vanish(&mut self, rows: &[i64]) -> Result<(), Error> {
        self.look_ahead(rows.to_vec())?;
        for row in rows {
            self.vanish_one(*row)?;
        }
        self.flush()
    }

    fn vanish_one(&mut self, row: i64) -> Result<(), Error> {
        let known = self.before.get(&row).map(|before| before.finding_id);
        let (columns, is_gone) = self.take_before(row)?;
        if is_gone {
            return Ok(());
        }
        let kind = match state_of(columns.state)?.is_open() {
            true => ChangeKind::Closed,
            false => ChangeKind::Changed,
        };
        let id: Id = match known {
            Some(id) => id,
            None => self
                .connection
                .prepare("select finding_id from findings where id = ?")?
                .query_row([row], |found| found.get(0))?,
        };
        self.announce(row, &id, kind, Some(Reason::Vanished), &columns, None)?;
        self.statements.vanish.put(params![self.at_ms, kind.code(), row])?;
        self.seal(row)?;
        self.rows += 1;
        self.ledger.moved(Some(&columns), None)
    }

    fn announce(
        &mut self,
        row: i64,
        id: &Id,
        kind: ChangeKind,
        reason: Option<Reason>,
        columns: &Columns,
        differences: Option<&str>,
    ) -> Result<(), Error> {
        self.last_seq += 1;
        let (seq, run, at_ms) = (self.last_seq, self.run.0, self.at_ms);
        // In the order of `seal::CHANGE`.
        let sealed =
            params![seq, run, at_ms, row, id, kind.code(), reason, columns.severity, differences];
        let seal = seal::of_values(sealed)?;
        self.statements.changes.put(params![
            seq,
            run,
            at_ms,
            row,
            kind.code(),
            reason,
            columns.severity,
            differences,
            self.ledger.is_first(),
            seal
        ])?;
        self.rows += 1;
        self.ledger.announced(kind, columns, reason.is_some());
        Ok(())
    }
}
