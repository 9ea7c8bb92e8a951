//! Writes the rows of one reading.

use std::collections::{HashMap, HashSet};

use super::held::{Damage, Held, Id};
use super::staged::StagedRow;
use crate::change::{ChangeKind, Reason};
use crate::columns::{Columns, NewRow, Texts, state_of};
use crate::error::Error;
use crate::seal;
use crate::sql::{Optional, Transaction, engine, params};
use crate::store::RunId;
use crate::stretches::Stretch;
use crate::tally::Ledger;

/// The rows of one application, while they are written.
pub(super) struct Rows<'a> {
    pub(super) transaction: &'a Transaction<'a>,
    pub(super) held: &'a HashMap<Id, Held>,
    pub(super) withheld: &'a HashSet<Id>,
    pub(super) run: RunId,
    pub(super) application: i64,
    pub(super) at_ms: i64,
    pub(super) texts: Texts<'a>,
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
}

/// The number that a finding got last. Numbers are given here, and not by the database, which
/// would have to be asked for each.
pub(super) fn last_row(transaction: &Transaction<'_>) -> Result<i64, Error> {
    let mut statement = transaction.prepare("select coalesce(max(id), 0) from findings")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

impl Rows<'_> {
    pub(super) fn write(&mut self, staged: &StagedRow) -> Result<(), Error> {
        if self.withheld.contains(&staged.finding_id) {
            return Ok(());
        }
        let columns = Columns::of(&staged.draft, &mut self.texts)?;
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
                columns.insert(self.transaction, row, &new).map_err(Error::of_insert)?;
                self.new = Some(Stretch::with(self.new, row));
                (row, None)
            }
            Some(row) if damage == Some(Damage::Row) => {
                columns.update(self.transaction, row, &new)?;
                (row, None)
            }
            Some(row) => {
                let (before, is_gone) = Columns::read(self.transaction, row)?;
                columns.update(self.transaction, row, &new)?;
                (row, Some(before).filter(|_| !is_gone))
            }
        };
        self.transaction
            .prepare(
                "insert into records (finding, raw) values (?, ?)
                 on conflict (finding) do update set raw = excluded.raw",
            )?
            .execute(params![row, staged.raw])?;
        if damage == Some(Damage::Row) {
            self.mend(row)?;
        }
        engine::put_words(self.transaction, row, &staged.draft.words, held.is_none())?;
        if damage != Some(Damage::Row) {
            self.ledger.moved(before.as_ref(), Some(&columns))?;
        }
        if held.is_some() {
            seal::finding(self.transaction, row)?;
        }
        self.rows += 1;
        if let Some(kind) = staged.kind {
            let id = &staged.finding_id;
            self.announce(row, id, kind, None, &columns, staged.differences.as_deref())?;
        }
        Ok(())
    }

    /// What was decided goes by what was held: where that is no more, nothing is written.
    fn refuse_outdated(&self, held: &Held) -> Result<(), Error> {
        let found = self
            .transaction
            .prepare("select hash, gone from findings where id = ?")?
            .query_row([held.row], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if found == Some((held.hash, held.gone)) { Ok(()) } else { Err(Error::outdated()) }
    }

    /// What a row says beside its record, as the feed of changes has it.
    fn mend(&mut self, row: i64) -> Result<(), Error> {
        self.is_sound = false;
        self.transaction.execute(
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

    pub(super) fn vanish(&mut self, row: i64) -> Result<(), Error> {
        let (columns, is_gone) = Columns::read(self.transaction, row)?;
        if is_gone {
            return Ok(());
        }
        let kind = match state_of(columns.state)?.is_open() {
            true => ChangeKind::Closed,
            false => ChangeKind::Changed,
        };
        let id: Id = self
            .transaction
            .prepare("select finding_id from findings where id = ?")?
            .query_row([row], |found| found.get(0))?;
        self.announce(row, &id, kind, Some(Reason::Vanished), &columns, None)?;
        self.transaction
            .prepare("update findings set gone = 1, changed_ms = ?, kind = ? where id = ?")?
            .execute(params![self.at_ms, kind.code(), row])?;
        seal::finding(self.transaction, row)?;
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
        self.transaction
            .prepare(
                "insert into changes (seq, run, at_ms, finding, kind, reason, severity, differences,
                    is_first, seal)
                 values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
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
