//! Writes what a reading of one application found, in one transaction.
//!
//! Until `commit` nothing is visible and a crash leaves no trace: small readings
//! wait in memory, large ones spill to a temporary table.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};

use countersign_findings::filter::{Field, Value};
use countersign_findings::{
    Application, Context, Difference, Finding, FindingKey, Standing, State,
};
use rusqlite::types::Null;
use rusqlite::{Connection, OptionalExtension, ToSql, Transaction, named_params, params};

use crate::database::Database;
use crate::error::Error;
use crate::raw::{Packer, Unpacker};
use crate::store::RunId;

/// Bytes that a reading may hold in memory before it spills.
const SPILL_BYTES: usize = 2 * 1024 * 1024;
/// Bytes of the content hash that are kept.
const HASH_BYTES: usize = 16;

/// A place in an application: context and key.
pub type Place = (Context, FindingKey);

/// What the store has of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    row: i64,
    hash: [u8; HASH_BYTES],
    state: State,
    /// Whether a complete reading no longer showed it.
    pub gone: bool,
}

impl Held {
    /// How it stood.
    pub fn standing(&self) -> Standing {
        Standing { state: self.state, is_gone: self.gone }
    }

    /// Whether somebody still had to look at it.
    pub fn is_open(&self) -> bool {
        self.standing().is_open()
    }
}

/// What a change row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// Never seen before.
    New,
    /// Different.
    Changed,
    /// Open again.
    Reopened,
    /// No longer open.
    Closed,
}

impl ChangeKind {
    /// The word in the feed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Reopened => "reopened",
            Self::Closed => "closed",
        }
    }
}

/// A change to announce.
#[derive(Debug, Clone)]
pub struct Change {
    /// Kind.
    pub kind: ChangeKind,
    /// What is different.
    pub differences: Vec<Difference>,
}

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
    },
}

/// What a commit wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Rows inserted, updated or deleted.
    pub rows: u64,
}

/// One reading of one application.
pub struct ApplicationWriter {
    database: Database,
    id: i64,
    run: RunId,
    application: Application,
    raw: String,
    is_different: bool,
    held: HashMap<Place, Held>,
    by_hash: HashMap<(Context, [u8; HASH_BYTES]), FindingKey>,
    contexts: HashMap<Context, i64>,
    packer: Packer,
    rows: Vec<StagedRow>,
    bytes: usize,
    has_spilled: bool,
    undecodable: Vec<(i64, [u8; HASH_BYTES], String, Vec<u8>)>,
    vanished: Vec<i64>,
}

/// A finding as columns.
struct StagedRow {
    context: i64,
    key: String,
    finding_id: String,
    hash: [u8; HASH_BYTES],
    columns: Vec<Option<Value>>,
    raw: Vec<u8>,
    kind: Option<&'static str>,
    differences: Option<String>,
}

/// The filterable columns after the fixed ones, in the order of the SQL below.
const COLUMNS: [Field; 15] = [
    Field::ScanType,
    Field::Severity,
    Field::State,
    Field::Status,
    Field::ViolatesPolicy,
    Field::Cwe,
    Field::Title,
    Field::File,
    Field::Module,
    Field::Url,
    Field::Component,
    Field::Cve,
    Field::Cvss,
    Field::FirstFound,
    Field::LastSeen,
];

const COLUMN_NAMES: &str = "scan_type, severity, state, status, violates_policy, cwe, title, file,
    module, url, component, cve, cvss, first_found_ms, last_seen_ms";

impl ApplicationWriter {
    pub(crate) async fn open(
        database: Database,
        run: RunId,
        application: Application,
        raw: String,
    ) -> Result<Self, Error> {
        static NEXT: AtomicI64 = AtomicI64::new(1);
        let guid = application.guid.to_string();
        let (old_raw, held) = database
            .read(move |connection| {
                let found: Option<(i64, Vec<u8>)> = connection
                    .prepare_cached(
                        "select id, raw from applications
                         where guid = ? and integration = (select integration from runs where id = ?)",
                    )?
                    .query_row(params![guid, run.0], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()?;
                let Some((row, old_raw)) = found else { return Ok((None, HashMap::new())) };
                Ok((Some(old_raw), held(connection, row)?))
            })
            .await?;
        let is_different = match old_raw {
            Some(old_raw) => Unpacker::new()?.unpack(&old_raw)? != raw,
            None => true,
        };
        let by_hash = held
            .iter()
            // A finding that comes back after it was gone has to be judged again.
            .filter(|(_, held)| !held.gone)
            .map(|((context, key), held)| ((context.clone(), held.hash), key.clone()))
            .collect();
        Ok(Self {
            database,
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            run,
            application,
            raw,
            is_different,
            held,
            by_hash,
            contexts: HashMap::new(),
            packer: Packer::new()?,
            rows: Vec::new(),
            bytes: 0,
            has_spilled: false,
            undecodable: Vec::new(),
            vanished: Vec::new(),
        })
    }

    /// What the store has of this application.
    pub fn held(&self) -> &HashMap<Place, Held> {
        &self.held
    }

    /// Whether the application itself is new or different.
    pub fn is_application_different(&self) -> bool {
        self.is_different
    }

    /// The key of the finding whose record hashes to this, if the store has it.
    pub fn key_of_hash(&self, context: &Context, hash: &[u8; 32]) -> Option<&FindingKey> {
        self.by_hash.get(&(context.clone(), short(hash)))
    }

    /// The findings as they were, to say what is different.
    pub async fn before(&self, places: &[Place]) -> Result<HashMap<Place, Finding>, Error> {
        let rows: Vec<(Place, i64)> = places
            .iter()
            .filter_map(|place| self.held.get(place).map(|held| (place.clone(), held.row)))
            .collect();
        if rows.is_empty() {
            return Ok(HashMap::new());
        }
        let application = self.application.guid.clone();
        self.database
            .read(move |connection| {
                let mut statement =
                    connection.prepare_cached("select raw from findings where id = ?")?;
                let mut unpacker = Unpacker::new()?;
                let mut before = HashMap::with_capacity(rows.len());
                for (place, row) in rows {
                    let packed: Vec<u8> = statement.query_row([row], |row| row.get(0))?;
                    let raw = unpacker.unpack(&packed)?;
                    let finding =
                        Finding::decode(&raw, &application, &place.0).map_err(Error::corrupt)?;
                    before.insert(place, finding);
                }
                Ok(before)
            })
            .await
    }

    /// Puts a finding aside for the commit.
    pub async fn put(&mut self, put: Put<'_>) -> Result<(), Error> {
        let context = self.context(&put.finding.context).await?;
        let raw = self.packer.pack(put.raw)?;
        let name = self.application.name.as_str();
        let columns = COLUMNS.iter().map(|field| field.value(&put.finding, name)).collect();
        let differences = match &put.change {
            Some(change) if !change.differences.is_empty() => {
                Some(serde_json::to_string(&change.differences).map_err(Error::corrupt)?)
            }
            _ => None,
        };
        self.bytes += raw.len() + 400 + differences.as_ref().map_or(0, String::len);
        self.rows.push(StagedRow {
            context,
            key: put.finding.key.to_string(),
            finding_id: put.finding.id.to_string(),
            hash: short(&put.hash),
            columns,
            raw,
            kind: put.change.map(|change| change.kind.as_str()),
            differences,
        });
        if self.bytes > SPILL_BYTES { self.spill().await } else { Ok(()) }
    }

    /// Puts a record aside that cannot be read.
    pub async fn put_undecodable(
        &mut self,
        context: &Context,
        reason: &str,
        raw: &str,
        hash: [u8; 32],
    ) -> Result<(), Error> {
        let context = self.context(context).await?;
        let raw = self.packer.pack(raw)?;
        self.undecodable.push((context, short(&hash), reason.to_owned(), raw));
        Ok(())
    }

    /// Marks findings that a complete reading no longer shows. An open one is
    /// announced as closed, with the reason `vanished`.
    pub fn vanish(&mut self, places: impl IntoIterator<Item = Place>) {
        let rows = places.into_iter().filter_map(|place| self.held.get(&place));
        self.vanished.extend(rows.map(|held| held.row));
    }

    /// Writes everything, or nothing.
    pub async fn commit(mut self, reading: Reading) -> Result<Written, Error> {
        let database = self.database.clone();
        let packed = self.packer.pack(&self.raw)?;
        database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                let rows = self.write(&transaction, &reading, &packed)?;
                transaction.commit()?;
                if self.has_spilled {
                    connection.execute("delete from temp.staged where writer = ?", [self.id])?;
                }
                Ok(Written { rows })
            })
            .await
    }

    fn write(
        &self,
        transaction: &Transaction<'_>,
        reading: &Reading,
        packed: &[u8],
    ) -> Result<u64, Error> {
        let before = changes_so_far(transaction);
        let application = self.write_application(transaction, reading, packed)?;
        let at_ms = match reading {
            Reading::Complete { read_ms } | Reading::Incomplete { read_ms, .. } => *read_ms,
        };
        if self.has_spilled {
            self.write_spilled(transaction, application, at_ms)?;
        }
        self.write_rows(transaction, application, at_ms)?;
        self.write_undecodable(transaction, application, reading, at_ms)?;
        if matches!(reading, Reading::Complete { .. }) {
            self.write_vanished(transaction, at_ms)?;
        }
        Ok(changes_so_far(transaction) - before)
    }

    /// The dates of the listing become the mark only when the reading that
    /// followed it was complete.
    fn write_application(
        &self,
        transaction: &Transaction<'_>,
        reading: &Reading,
        packed: &[u8],
    ) -> Result<i64, Error> {
        let (read_ms, incomplete) = match reading {
            Reading::Complete { read_ms } => (Some(*read_ms), None),
            Reading::Incomplete { reason, .. } => (None, Some(reason)),
        };
        let id = transaction
            .prepare_cached(
                "insert into applications
                    (integration, guid, name, modified_ms, policy_checked_ms, read_ms, incomplete, raw)
                 values ((select integration from runs where id = :run), :guid, :name,
                    :modified_ms, :policy_checked_ms, :read_ms, :incomplete, :raw)
                 on conflict (integration, guid) do update set
                    name = excluded.name, modified_ms = excluded.modified_ms,
                    policy_checked_ms = excluded.policy_checked_ms, read_ms = excluded.read_ms,
                    incomplete = excluded.incomplete, gone = 0, raw = excluded.raw
                 returning id",
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
                },
                |row| row.get(0),
            )?;
        Ok(id)
    }

    fn write_spilled(
        &self,
        transaction: &Transaction<'_>,
        application: i64,
        at_ms: i64,
    ) -> Result<(), Error> {
        transaction.execute(
            &format!(
                "insert into findings (application, context, key, finding_id, hash, {COLUMN_NAMES}, raw)
                 select ?, context, key, finding_id, hash, {COLUMN_NAMES}, raw
                 from temp.staged where writer = ? order by rowid
                 {ON_CONFLICT}"
            ),
            params![application, self.id],
        )?;
        transaction.execute(
            "insert into changes (run, at_ms, application, finding_id, kind, severity, title, differences)
             select ?, ?, ?, finding_id, kind, severity, title, differences
             from temp.staged where writer = ? and kind is not null order by rowid",
            params![self.run.0, at_ms, application, self.id],
        )?;
        Ok(())
    }

    fn write_rows(
        &self,
        transaction: &Transaction<'_>,
        application: i64,
        at_ms: i64,
    ) -> Result<(), Error> {
        let mut upsert = transaction.prepare_cached(&format!(
            "insert into findings (application, context, key, finding_id, hash, {COLUMN_NAMES}, raw)
             values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) {ON_CONFLICT}"
        ))?;
        let mut announce = transaction.prepare_cached(
            "insert into changes (run, at_ms, application, finding_id, kind, severity, title, differences)
             values (?, ?, ?, ?, ?, ?, ?, ?)",
        )?;
        for row in &self.rows {
            let mut values = row.values();
            values.insert(0, &application);
            upsert.execute(&*values)?;
            if let Some(kind) = row.kind {
                let (severity, title) = (column(&row.columns[1]), column(&row.columns[6]));
                announce.execute(params![
                    self.run.0,
                    at_ms,
                    application,
                    row.finding_id,
                    kind,
                    severity,
                    title,
                    row.differences,
                ])?;
            }
        }
        Ok(())
    }

    fn write_undecodable(
        &self,
        transaction: &Transaction<'_>,
        application: i64,
        reading: &Reading,
        at_ms: i64,
    ) -> Result<(), Error> {
        if matches!(reading, Reading::Complete { .. }) {
            transaction.execute("delete from undecodable where application = ?", [application])?;
        }
        for (context, hash, reason, raw) in &self.undecodable {
            transaction.execute(
                "insert into undecodable (application, context, hash, reason, seen_ms, raw)
                 values (?, ?, ?, ?, ?, ?)
                 on conflict (application, context, hash) do update set
                    reason = excluded.reason, seen_ms = excluded.seen_ms",
                params![application, context, hash, reason, at_ms, raw],
            )?;
        }
        Ok(())
    }

    fn write_vanished(&self, transaction: &Transaction<'_>, at_ms: i64) -> Result<(), Error> {
        for row in &self.vanished {
            transaction.execute(
                "insert into changes (run, at_ms, application, finding_id, kind, reason, severity, title)
                 select ?, ?, application, finding_id, 'closed', 'vanished', severity, title
                 from findings where id = ? and state = 'open'",
                params![self.run.0, at_ms, row],
            )?;
            transaction.execute("update findings set gone = 1 where id = ?", [row])?;
        }
        Ok(())
    }

    async fn spill(&mut self) -> Result<(), Error> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        self.has_spilled = true;
        let writer = self.id;
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                let mut insert = transaction.prepare_cached(&format!(
                    "insert into temp.staged (writer, context, key, finding_id, hash, {COLUMN_NAMES},
                        raw, kind, differences)
                     values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                ))?;
                for row in &rows {
                    let mut values = row.values();
                    values.insert(0, &writer);
                    values.push(&row.kind);
                    values.push(&row.differences);
                    insert.execute(&*values)?;
                }
                drop(insert);
                Ok(transaction.commit()?)
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
                let find = "select id from contexts where name = ?";
                let found = connection.query_row(find, [&name], |row| row.get(0)).optional()?;
                if let Some(id) = found {
                    return Ok(id);
                }
                connection.execute("insert into contexts (name) values (?)", [&name])?;
                Ok(connection.last_insert_rowid())
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
            let _ = database
                .write(move |connection| {
                    connection.execute("delete from temp.staged where writer = ?", [id])?;
                    Ok(())
                })
                .await;
        });
    }
}

impl StagedRow {
    /// Context to raw, in the order of the columns.
    fn values(&self) -> Vec<&dyn ToSql> {
        let mut values: Vec<&dyn ToSql> = Vec::with_capacity(24);
        values.extend([&self.context as &dyn ToSql, &self.key, &self.finding_id, &self.hash]);
        values.extend(self.columns.iter().map(column));
        values.push(&self.raw);
        values
    }
}

const ON_CONFLICT: &str = "on conflict (application, context, key) do update set
    hash = excluded.hash, gone = 0, scan_type = excluded.scan_type, severity = excluded.severity,
    state = excluded.state, status = excluded.status, violates_policy = excluded.violates_policy,
    cwe = excluded.cwe, title = excluded.title, file = excluded.file, module = excluded.module,
    url = excluded.url, component = excluded.component, cve = excluded.cve, cvss = excluded.cvss,
    first_found_ms = excluded.first_found_ms, last_seen_ms = excluded.last_seen_ms,
    raw = excluded.raw";

fn column(value: &Option<Value>) -> &dyn ToSql {
    match value {
        None => &Null,
        Some(Value::Text(text)) => text,
        Some(Value::Integer(integer)) => integer,
        Some(Value::Number(number)) => number,
    }
}

fn short(hash: &[u8; 32]) -> [u8; HASH_BYTES] {
    let mut short = [0; HASH_BYTES];
    short.copy_from_slice(&hash[..HASH_BYTES]);
    short
}

fn changes_so_far(transaction: &Transaction<'_>) -> u64 {
    transaction.total_changes()
}

fn held(connection: &Connection, application: i64) -> Result<HashMap<Place, Held>, Error> {
    let mut statement = connection.prepare_cached(
        "select findings.id, contexts.name, key, hash, state, gone
         from findings join contexts on contexts.id = findings.context where application = ?",
    )?;
    let mut rows = statement.query([application])?;
    let mut held = HashMap::new();
    while let Some(row) = rows.next()? {
        let context = row.get_ref(1)?.as_str().map_err(Error::corrupt)?;
        let key = row.get_ref(2)?.as_str().map_err(Error::corrupt)?;
        let place =
            (context.parse().map_err(Error::corrupt)?, key.parse().map_err(Error::corrupt)?);
        let state = row.get_ref(4)?.as_str().map_err(Error::corrupt)?;
        let state = State::ALL.into_iter().find(|known| known.as_str() == state);
        let state = state.ok_or_else(|| Error::corrupt("a finding in an unknown state"))?;
        let entry = Held { row: row.get(0)?, hash: row.get(3)?, state, gone: row.get(5)? };
        held.insert(place, entry);
    }
    Ok(held)
}
