//! Writes what a reading of one application found, in one transaction.
//!
//! Until `commit` nothing is visible and a crash leaves no trace: small readings
//! wait in memory, large ones spill to a temporary table.

mod held;
mod rows;
mod staged;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicI64, Ordering};

use countersign_findings::{Application, Context, Finding};

use self::held::{HASH_BYTES, Holdings, held};
pub use self::held::{Held, Id};
use self::rows::{Rows, Statements};
use self::staged::StagedRow;
use crate::change::{Change, RunKind};
use crate::columns::{Draft, Texts};
use crate::database::Database;
use crate::error::Error;
use crate::raw::{Sort, Unpacker};
use crate::runs::is_overtaken;
use crate::seal;
use crate::sql::{Connection, Optional, Turn, engine, named_params, params};
use crate::store::RunId;
use crate::stretches::{self, Stretch};
use crate::tally::Ledger;
use crate::work::{self, WorkNote, is_read_by_sync};

/// Bytes that a reading may hold in memory before it spills.
const SPILL_BYTES: usize = 4 * 1024 * 1024;
/// A finding to write.
#[derive(Debug)]
pub struct Put<'a> {
    /// The finding.
    pub finding: Finding,
    /// The record as sent.
    pub raw: &'a str,
    /// SHA-256 of the record.
    pub hash: [u8; 32],
    /// The change to announce; none when only the bytes are different.
    pub change: Option<Change>,
}

/// How a reading ended.
#[derive(Debug, Clone)]
pub enum Reading {
    /// Everything was read and reconciled.
    Complete {
        /// When.
        read_ms: i64,
    },
    /// Something is missing: what was read is kept, and the application is read
    /// again next time.
    Incomplete {
        /// When.
        read_ms: i64,
        /// What is missing.
        reason: String,
        /// Findings that would have been closed if it had been believed.
        held_back: u64,
    },
}

/// What a commit wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Rows inserted, updated or deleted.
    pub rows: u64,
}

/// How often a transaction is begun anew that the engine ended for the sake of another one.
const TRIES: usize = 5;

/// One reading of one application.
pub struct ApplicationWriter {
    database: Database,
    id: i64,
    run: RunId,
    integration: i64,
    kind: RunKind,
    application: Application,
    raw: String,
    is_known: bool,
    is_different: bool,
    /// Its row, if it has one.
    row: Option<i64>,
    held: HashMap<Id, Held>,
    by_hash: HashMap<(i64, [u8; HASH_BYTES]), Id>,
    contexts: HashMap<Context, i64>,
    /// Whether it has records that could not be read.
    has_unread: bool,
    rows: Vec<StagedRow>,
    bytes: usize,
    /// How many of the findings that were put aside the store did not have.
    new: usize,
    has_spilled: bool,
    /// Rows that wait in the temporary table.
    spilled: usize,
    undecodable: Vec<(i64, [u8; HASH_BYTES], String, Vec<u8>)>,
    /// Contexts and hashes of those.
    is_undecodable: HashSet<(i64, [u8; HASH_BYTES])>,
    vanished: Vec<i64>,
    withheld: HashSet<Id>,
    scanned_ms: Option<i64>,
}

impl ApplicationWriter {
    pub(crate) async fn open(
        database: Database,
        run: RunId,
        application: Application,
        raw: String,
    ) -> Result<Self, Error> {
        static NEXT: AtomicI64 = AtomicI64::new(1);
        let guid = application.guid.to_string();
        let (of_run, row, old_raw, scanned_ms, (held, contexts), has_unread) = database
            .read(move |connection| {
                let of_run: (RunKind, i64) = connection
                    .prepare("select kind, integration from runs where id = ?")?
                    .query_row([run.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
                let found: Option<(i64, Vec<u8>, Option<i64>)> = connection
                    .prepare(
                        "select id, raw, scanned_ms from applications
                         where guid = ? and integration = (select integration from runs where id = ?)",
                    )?
                    .query_row(params![guid, run.0], |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                    })
                    .optional()?;
                let Some((row, old_raw, scanned_ms)) = found else {
                    return Ok((of_run, None, None, None, Holdings::default(), false));
                };
                // One that cannot be unpacked is different from any other.
                let old_raw = Unpacker::new(connection).unpack(&old_raw).unwrap_or_default();
                let is_full = of_run.0 == RunKind::Full;
                let holdings = held(connection, row, &guid, is_full)?;
                let has_unread = connection
                    .prepare("select exists (select 1 from undecodable where application = ?)")?
                    .query_row([row], |row| row.get(0))?;
                Ok((of_run, Some(row), Some(old_raw), scanned_ms, holdings, has_unread))
            })
            .await?;
        let (kind, integration) = of_run;
        let mut by_hash = HashMap::with_capacity(held.len());
        for (id, held) in &held {
            // A finding that comes back after it was gone has to be judged again, and one that
            // is not as it was written has to be written again.
            if !held.gone && !held.is_damaged() {
                by_hash.insert((held.context, held.hash), *id);
            }
        }
        Ok(Self {
            database,
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            run,
            integration,
            kind,
            is_known: old_raw.is_some(),
            is_different: old_raw.is_none_or(|old_raw| old_raw != raw),
            row,
            application,
            raw,
            held,
            by_hash,
            contexts: contexts.into_iter().map(|(id, context)| (context, id)).collect(),
            has_unread,
            rows: Vec::new(),
            bytes: 0,
            new: 0,
            has_spilled: false,
            spilled: 0,
            undecodable: Vec::new(),
            is_undecodable: HashSet::new(),
            vanished: Vec::new(),
            withheld: HashSet::new(),
            scanned_ms,
        })
    }

    /// What the store has of this application.
    pub fn held(&self) -> &HashMap<Id, Held> {
        &self.held
    }

    /// Whether it has findings of a context in one of the two families, vanished ones too: those
    /// of software composition analysis, or all others. A finding that is not as it was written,
    /// and a record that could not be read, may be of any.
    pub fn holds(&self, context: &Context, is_sca: bool) -> bool {
        let number = self.contexts.get(context);
        let is_one = |held: &Held| {
            held.is_damaged() || number == Some(&held.context) && held.is_sca == is_sca
        };
        self.has_unread || self.held.values().any(is_one)
    }

    /// Whether one of its findings is of this context and family.
    pub fn is_of(&self, held: &Held, context: &Context, is_sca: bool) -> bool {
        self.contexts.get(context) == Some(&held.context) && held.is_sca == is_sca
    }

    /// The last scan, as the application's record had it at the last complete reading.
    pub fn scanned_ms(&self) -> Option<i64> {
        self.scanned_ms
    }

    /// Whether the application itself is new or different.
    pub fn is_application_different(&self) -> bool {
        self.is_different
    }

    /// The id of the finding whose record hashes to this, if the store has it.
    pub fn id_of_hash(&self, context: &Context, hash: &[u8; 32]) -> Option<Id> {
        let context = self.contexts.get(context)?;
        self.by_hash.get(&(*context, short(hash))).copied()
    }

    /// The findings as they were, to say what is different. Without those whose records are
    /// not what was written.
    pub async fn before(&self, ids: &[Id]) -> Result<HashMap<Id, Finding>, Error> {
        let rows: Vec<(Id, i64)> =
            ids.iter().filter_map(|id| self.held.get(id).map(|held| (*id, held.row))).collect();
        if rows.is_empty() {
            return Ok(HashMap::new());
        }
        let application = self.application.guid.clone();
        self.database
            .read(move |connection| {
                let mut statement = connection.prepare(
                    "select raw, name, hash from findings join records on finding = findings.id
                     join contexts on contexts.id = context where findings.id = ?",
                )?;
                let mut unpacker = Unpacker::new(connection);
                let mut before = HashMap::with_capacity(rows.len());
                for (id, row) in rows {
                    let found: Option<(Vec<u8>, String, Vec<u8>)> = statement
                        .query_row([row], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                        .optional()?;
                    let Some((packed, context, hash)) = found else { continue };
                    let Ok(raw) = unpacker.unpack(&packed) else { continue };
                    if hash != seal::hash_of(&raw) {
                        continue;
                    }
                    let context = context.parse().map_err(Error::corrupt)?;
                    let finding =
                        Finding::decode(&raw, &application, &context).map_err(Error::corrupt)?;
                    before.insert(id, finding);
                }
                Ok(before)
            })
            .await
    }

    /// Puts a finding aside for the commit.
    pub async fn put(&mut self, put: Put<'_>) -> Result<(), Error> {
        let context = self.context(&put.finding.context).await?;
        let raw = self.pack(Sort::of(&put.finding.scan_type), put.raw).await?;
        let (kind, differences) = match put.change {
            Some(change) if !change.differences.is_empty() => {
                let text = serde_json::to_string(&change.differences).map_err(Error::corrupt)?;
                (Some(change.kind), Some(text))
            }
            Some(change) => (Some(change.kind), None),
            None => (None, None),
        };
        let draft = Draft::of(&put.finding, context);
        self.new += usize::from(!self.held.contains_key(&put.finding.id.to_bytes()));
        self.bytes += raw.len() + draft.size() + differences.as_ref().map_or(0, String::len);
        self.rows.push(StagedRow {
            finding_id: put.finding.id.to_bytes(),
            hash: short(&put.hash),
            raw,
            kind,
            differences,
            draft,
        });
        if self.bytes > SPILL_BYTES { self.spill().await } else { Ok(()) }
    }

    /// Packs a record. The first ones of a tenant are what a dictionary is trained on.
    async fn pack(&self, sort: Sort, text: &str) -> Result<Vec<u8>, Error> {
        if self.database.packing().sample(sort, text) {
            let database = self.database.clone();
            self.database
                .write(move |connection| database.packing().train(connection, sort))
                .await?;
        }
        self.database.packing().pack(sort, text)
    }

    /// Records that cannot be read.
    pub fn undecodable(&self) -> u64 {
        self.undecodable.len() as u64
    }

    /// Puts a record aside that cannot be read; answers whether it is the first of these
    /// bytes.
    pub async fn put_undecodable(
        &mut self,
        context: &Context,
        reason: &str,
        raw: &str,
        hash: [u8; 32],
    ) -> Result<bool, Error> {
        let (context, hash) = (self.context(context).await?, short(&hash));
        if !self.is_undecodable.insert((context, hash)) {
            return Ok(false);
        }
        let raw = self.database.packing().pack(Sort::Other, raw)?;
        self.undecodable.push((context, hash, reason.to_owned(), raw));
        Ok(true)
    }

    /// Marks findings that a complete reading no longer shows. An open one is
    /// announced as closed, another one as changed, with the reason `vanished`.
    pub fn vanish(&mut self, ids: impl IntoIterator<Item = Id>) {
        let rows = ids.into_iter().filter_map(|id| self.held.get(&id));
        self.vanished.extend(rows.map(|held| held.row));
    }

    /// Leaves findings as they are in the store, whatever was put for them.
    pub fn withhold(&mut self, ids: impl IntoIterator<Item = Id>) {
        self.withheld.extend(ids);
    }

    /// Writes everything, or nothing: fails with [`Error::is_outdated`] where somebody else
    /// wrote of the same findings since this one was opened, and in a run of the kind
    /// [`RunKind::Live`] where a sync began since.
    pub async fn commit(self, reading: Reading) -> Result<Written, Error> {
        self.write_all(reading, None).await
    }

    /// The same for an application that was claimed, with how its reading ended: fails with
    /// [`Error::is_superseded`] where somebody else has claimed it since.
    pub async fn commit_work(self, reading: Reading, note: WorkNote) -> Result<Written, Error> {
        self.write_all(reading, Some(note)).await
    }

    async fn write_all(
        mut self,
        reading: Reading,
        note: Option<WorkNote>,
    ) -> Result<Written, Error> {
        let database = self.database.clone();
        let raw = std::mem::take(&mut self.raw);
        let packed = database.packing().pack(Sort::Other, &raw)?;
        database
            .write(move |connection| {
                let rows = self.write_whole(connection, note.as_ref(), &reading, &packed)?;
                if self.has_spilled {
                    staged::clear(connection, self.id)?;
                }
                Ok(Written { rows })
            })
            .await
    }

    /// In one transaction: in another one, where the engine ended the first for the sake of
    /// somebody else's.
    fn write_whole(
        &self,
        connection: &Connection,
        note: Option<&WorkNote>,
        reading: &Reading,
        packed: &[u8],
    ) -> Result<u64, Error> {
        let mut texts = Texts::new(connection);
        texts.keep(self.rows.iter().map(|row| &row.draft))?;
        let mut tries = 1;
        loop {
            match self.try_to_write(connection, &mut texts, note, (reading, packed)) {
                Ok(Some(rows)) => return Ok(rows),
                Ok(None) if tries < TRIES => tries += 1,
                Err(error) if error.is_conflict() && tries < TRIES => {
                    // What it added is not there.
                    (texts, tries) = (Texts::new(connection), tries + 1);
                }
                Ok(None) => return Err(Error::outdated()),
                Err(error) => return Err(error),
            }
        }
    }

    /// None where the numbers that were kept for its findings are no longer: the stretches were
    /// noted anew meanwhile.
    fn try_to_write(
        &self,
        connection: &Connection,
        texts: &mut Texts<'_>,
        note: Option<&WorkNote>,
        (reading, packed): (&Reading, &[u8]),
    ) -> Result<Option<u64>, Error> {
        let reserved = match self.new {
            0 => None,
            new => engine::reserve_rows(connection, self.integration, new)?,
        };
        let transaction = connection.transaction_in(Turn::Application)?;
        if let Some(note) = note {
            work::put_note(&transaction, note)?;
        }
        if let Some(before) = reserved {
            let stretch = Stretch { first: before + 1, last: before + self.new as i64 };
            if !stretches::has(&transaction, self.integration, stretch)? {
                return Ok(None);
            }
        }
        let rows = self.write(&transaction, texts, reserved, (reading, packed))?;
        if let Some(note) = note {
            work::add_rows(&transaction, note.lease, rows)?;
        }
        transaction.commit()?;
        Ok(Some(rows))
    }

    fn write<'a>(
        &'a self,
        transaction: &'a Connection,
        texts: &'a mut Texts<'_>,
        reserved: Option<i64>,
        (reading, packed): (&Reading, &[u8]),
    ) -> Result<u64, Error> {
        // From here on nobody else writes what it is. Who writes one that is not there waits
        // below, and then it is there.
        let row: Option<i64> = transaction
            .prepare(&format!(
                "select id from applications
                 where guid = ? and integration = (select integration from runs where id = ?) {}",
                engine::held(transaction)
            ))?
            .query_row(params![self.application.guid.as_str(), self.run.0], |row| row.get(0))
            .optional()?;
        // A sync goes by what it finds when it looks at an application: nothing else may write
        // to it from then on, and whatever it looked at, it began before.
        let is_overtaken = self.kind == RunKind::Live
            && (is_overtaken(transaction, self.run)?
                || is_read_by_sync(transaction, self.run, self.application.guid.as_str())?);
        if row != self.row || is_overtaken {
            return Err(Error::outdated());
        }
        // Whether what was counted of it can be believed; before the row is another.
        let is_sound = self.row.map_or(Ok(true), |row| seal::is_sound(transaction, row))?;
        let (integration, application) = self.write_application(transaction, reading, packed)?;
        let at_ms = match reading {
            Reading::Complete { read_ms } | Reading::Incomplete { read_ms, .. } => *read_ms,
        };
        let mut entry = Rows {
            connection: transaction,
            held: &self.held,
            withheld: &self.withheld,
            run: self.run,
            application,
            at_ms,
            texts,
            ledger: Ledger::new(transaction, integration, application, at_ms, !self.is_known),
            is_sound,
            last_seq: None,
            unnumbered: Vec::new(),
            unnumbered_bytes: 0,
            last_row: reserved.map_or_else(|| engine::last_row(transaction), Ok)?,
            rows: 1,
            new: None,
            statements: Statements::new(transaction),
            before: HashMap::new(),
            unsealed: Vec::new(),
        };
        self.write_findings(&mut entry)?;
        entry.rows += self.write_undecodable(transaction, application, reading, at_ms)?;
        if matches!(reading, Reading::Complete { .. }) {
            for rows in self.vanished.chunks(engine::rows_at_once(transaction)) {
                entry.vanish(rows)?;
            }
        }
        entry.end(integration, reserved.is_some())?;
        Ok(entry.rows)
    }

    /// The findings that were put aside: those that spilled, and those in memory.
    fn write_findings(&self, entry: &mut Rows<'_, '_>) -> Result<(), Error> {
        let at_once = engine::rows_at_once(entry.connection);
        if self.has_spilled {
            let mut some = Vec::with_capacity(at_once);
            staged::each(entry.connection, self.id, self.spilled, |row| {
                some.push(row);
                if some.len() < at_once {
                    return Ok(());
                }
                entry.write(&some)?;
                some.clear();
                Ok(())
            })?;
            entry.write(&some)?;
        }
        self.rows.chunks(at_once).try_for_each(|rows| entry.write(rows))
    }

    /// The dates of the listing become the mark only when the reading that
    /// followed it was complete.
    fn write_application(
        &self,
        transaction: &Connection,
        reading: &Reading,
        packed: &[u8],
    ) -> Result<(i64, i64), Error> {
        let (read_ms, incomplete, held_back) = match reading {
            Reading::Complete { read_ms } => (Some(*read_ms), None, 0),
            Reading::Incomplete { reason, held_back, .. } => (None, Some(reason), *held_back),
        };
        let ids = transaction
            .prepare(
                "insert into applications (integration, guid, name, modified_ms, policy_checked_ms,
                    read_ms, incomplete, raw, policy, policy_compliance, criticality, scanned_ms,
                    held_back)
                 values ((select integration from runs where id = :run), :guid, :name,
                    :modified_ms, :policy_checked_ms, :read_ms, :incomplete, :raw, :policy,
                    :policy_compliance, :criticality, :scanned_ms, :held_back)
                 on conflict (integration, guid) do update set
                    name = excluded.name, modified_ms = excluded.modified_ms,
                    policy_checked_ms = excluded.policy_checked_ms, read_ms = excluded.read_ms,
                    incomplete = excluded.incomplete, gone = 0, raw = excluded.raw,
                    policy = excluded.policy, policy_compliance = excluded.policy_compliance,
                    criticality = excluded.criticality, held_back = excluded.held_back,
                    scanned_ms = case when excluded.read_ms is null
                        then coalesce(applications.scanned_ms, excluded.scanned_ms)
                        else excluded.scanned_ms end
                 where :is_known
                 returning integration, id",
            )?
            .query_row(
                named_params! {
                    ":run": self.run.0,
                    ":guid": self.application.guid.as_str(),
                    ":name": self.application.name,
                    ":modified_ms": self.application.modified_ms,
                    ":policy_checked_ms": self.application.policy_checked_ms,
                    ":read_ms": read_ms,
                    ":incomplete": incomplete,
                    ":raw": packed,
                    ":policy": self.application.policy,
                    ":policy_compliance": self.application.policy_compliance,
                    ":criticality": self.application.business_criticality,
                    ":scanned_ms": self.application.last_scan_ms,
                    ":held_back": held_back,
                    ":is_known": self.is_known,
                },
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        ids.ok_or_else(Error::outdated)
    }

    fn write_undecodable(
        &self,
        transaction: &Connection,
        application: i64,
        reading: &Reading,
        at_ms: i64,
    ) -> Result<u64, Error> {
        let mut rows = 0;
        if matches!(reading, Reading::Complete { .. }) {
            let delete = "delete from undecodable where application = ?";
            rows += transaction.execute(delete, [application])? as u64;
        }
        for (context, hash, reason, raw) in &self.undecodable {
            rows += transaction.execute(
                "insert into undecodable (application, context, hash, reason, seen_ms, raw)
                 values (?, ?, ?, ?, ?, ?)
                 on conflict (application, context, hash) do update set
                    reason = excluded.reason, seen_ms = excluded.seen_ms",
                params![application, context, hash, reason, at_ms, raw],
            )? as u64;
        }
        Ok(rows)
    }

    async fn spill(&mut self) -> Result<(), Error> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        self.has_spilled = true;
        self.spilled += rows.len();
        let writer = self.id;
        self.database
            .write(move |connection| {
                Texts::new(connection).keep(rows.iter().map(|row| &row.draft))?;
                staged::spill(connection, writer, &rows)
            })
            .await
    }

    async fn context(&mut self, context: &Context) -> Result<i64, Error> {
        if let Some(id) = self.contexts.get(context) {
            return Ok(*id);
        }
        let name = context.to_string();
        let id = self
            .database
            .write(move |connection| {
                let add = "insert into contexts (name) values (?) on conflict do nothing";
                let find = "select id from contexts where name = ?";
                let found = connection.query_row(find, [&name], |row| row.get(0)).optional()?;
                if let Some(id) = found {
                    return Ok(id);
                }
                // Others may have added it since.
                connection.execute(add, [&name])?;
                Ok(connection.query_row(find, [&name], |row| row.get(0))?)
            })
            .await?;
        self.contexts.insert(context.clone(), id);
        Ok(id)
    }
}

impl Drop for ApplicationWriter {
    fn drop(&mut self) {
        if !self.has_spilled || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (database, id) = (self.database.clone(), self.id);
        // Rows of an abandoned reading only take up temporary space.
        tokio::spawn(async move {
            let _ = database.write(move |connection| staged::clear(connection, id)).await;
        });
    }
}

fn short(hash: &[u8; 32]) -> [u8; HASH_BYTES] {
    let mut short = [0; HASH_BYTES];
    short.copy_from_slice(&hash[..HASH_BYTES]);
    short
}
