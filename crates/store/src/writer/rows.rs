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
use crate::stretches::{self, Stretch};
use crate::tally::{self, Ledger};

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
    /// The number that the feed of changes gave last; none before one is given.
    pub(super) last_seq: Option<i64>,
    /// Changes that have no number yet, and about how many bytes they are.
    pub(super) unnumbered: Vec<Announced>,
    pub(super) unnumbered_bytes: usize,
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

/// A change, but for its number.
pub(super) struct Announced {
    row: i64,
    id: Id,
    kind: ChangeKind,
    reason: Option<Reason>,
    severity: i64,
    differences: Option<String>,
}

/// What a writer keeps of changes before it numbers them.
const UNNUMBERED_BYTES: usize = 8 * 1024 * 1024;

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
        Ok(self.words.flush()?)
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

    /// Writes what others count and number too, as late as can be: of two that write at once, one
    /// waits for the other from here on.
    pub(super) fn end(&mut self, integration: i64, is_reserved: bool) -> Result<(), Error> {
        self.flush()?;
        if !self.is_sound {
            self.ledger.hold()?;
        }
        self.ledger.write()?;
        if let (Some(new), false) = (self.new, is_reserved) {
            stretches::add(self.connection, integration, new)?;
        }
        if !self.is_sound {
            tally::recount(self.connection, integration, self.application)?;
        }
        seal::application(self.connection, self.application)?;
        self.number_changes()
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
    fn refuse_outdated(&mut self, held: &Held) -> Result<(), Error> {
        let before = self.before.get(&held.row).map(|before| (before.hash, before.is_gone));
        let found = match before {
            Some(found) => Some(found),
            None => {
                self.flush()?;
                self.connection
                    .prepare("select hash, gone from findings where id = ?")?
                    .query_row([held.row], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()?
            }
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
        let change = Announced {
            row,
            id: *id,
            kind,
            reason,
            severity: columns.severity,
            differences: differences.map(str::to_owned),
        };
        if engine::numbers_changes_last(self.connection) {
            self.unnumbered_bytes += size_of::<Announced>() + differences.map_or(0, str::len);
            self.unnumbered.push(change);
            if self.unnumbered_bytes > UNNUMBERED_BYTES {
                // Before others count or number anything: they would wait for this one, and it
                // for them.
                self.ledger.hold()?;
                self.number_changes()?;
            }
        } else {
            self.number(&change)?;
        }
        self.rows += 1;
        self.ledger.announced(kind, columns, reason.is_some());
        Ok(())
    }

    /// Numbers what was announced. Nobody else numbers anything until the transaction ends.
    pub(super) fn number_changes(&mut self) -> Result<(), Error> {
        self.flush()?;
        self.unnumbered_bytes = 0;
        for change in std::mem::take(&mut self.unnumbered) {
            self.number(&change)?;
        }
        self.statements.changes.flush()?;
        match self.last_seq {
            Some(last) => Ok(engine::note_last_change(self.connection, last)?),
            None => Ok(()),
        }
    }

    fn number(&mut self, change: &Announced) -> Result<(), Error> {
        let last = match self.last_seq {
            Some(last) => last,
            None => engine::last_change(self.connection)?,
        };
        let (seq, run, at_ms) = (last + 1, self.run.0, self.at_ms);
        self.last_seq = Some(seq);
        let Announced { row, id, kind, reason, severity, differences } = change;
        let kind = kind.code();
        // In the order of `seal::CHANGE`.
        let sealed = params![seq, run, at_ms, row, id, kind, reason, severity, differences];
        let seal = seal::of_values(sealed)?;
        let is_first = self.ledger.is_first();
        Ok(self.statements.changes.put(params![
            seq,
            run,
            at_ms,
            row,
            kind,
            reason,
            severity,
            differences,
            is_first,
            seal
        ])?)
    }
}
