//! What readers ask. Lists are read in batches that a cursor continues, so that
//! exports stream.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::str::FromStr;

use countersign_findings::filter::{Expression, Origin};
use countersign_findings::{ApplicationGuid, DataPath, Finding, FindingId};
use data_encoding::BASE64URL_NOPAD;

use crate::applications::{ApplicationRecord, application};
use crate::change::ChangeKind;
use crate::error::Error;
use crate::meter::Meter;
use crate::raw::{Sort, Unpacker};
use crate::scope::id_range;
use crate::seal;
use crate::search::condition::condition;
use crate::search::counted;
use crate::search::own::{Own, list};
use crate::search::plan::{page, plan};
use crate::search::planner::{Goal, Planner, Sql};
use crate::sql::{self, Connection, Row, Value as SqlValue, engine, params};
use crate::store::Store;

/// Which findings, and how many at once.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// What has to match.
    pub filter: Expression,
    /// Rows of one batch.
    pub limit: u32,
    /// Where the batch before ended.
    pub after: Option<Seek>,
    /// In which order.
    pub order: Order,
}

/// The order of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// Most severe first, then in the order of arrival.
    #[default]
    Severity,
    /// In the order of arrival: the quickest way through all of them.
    Arrival,
}

impl Order {
    fn by(self) -> &'static str {
        match self {
            Self::Severity => "f.severity desc, f.id",
            Self::Arrival => "f.id",
        }
    }
}

/// Where a batch ended: most severe first, then in the order of arrival. It is a
/// place, not a number of rows: a sync in between moves nothing under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seek {
    pub(crate) severity: u8,
    pub(crate) row: i64,
}

impl Seek {
    pub(crate) fn new(severity: u8, row: i64) -> Self {
        Self { severity, row }
    }
}

/// A text without a meaning to anybody else.
impl fmt::Display for Seek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 9];
        bytes[0] = self.severity;
        bytes[1..].copy_from_slice(&self.row.to_be_bytes());
        f.write_str(&BASE64URL_NOPAD.encode(&bytes))
    }
}

impl FromStr for Seek {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok();
        let parts = bytes.as_deref().and_then(|bytes| bytes.split_first_chunk::<1>());
        let row = parts.and_then(|(_, row)| <[u8; 8]>::try_from(row).ok());
        match (parts, row) {
            (Some(([severity @ 0..=5], _)), Some(row)) => {
                Ok(Self { severity: *severity, row: i64::from_be_bytes(row) })
            }
            _ => Err("this is not a place in a list; begin at its start"),
        }
    }
}

/// A stored finding.
#[derive(Debug, Clone)]
pub struct FindingRow {
    /// The finding.
    pub finding: Finding,
    /// Name of its application.
    pub application_name: String,
    /// Name of the integration that brought it in.
    pub integration: String,
    /// Whether a complete reading no longer showed it.
    pub gone: bool,
    /// Whether the account of the integration still sees its application.
    pub visible: bool,
    /// The record as the service sent it.
    pub raw: String,
    /// When it came into this store.
    pub added_ms: i64,
    /// When this store last noticed a change of it.
    pub changed_ms: i64,
    /// What that change was.
    pub last: ChangeKind,
    /// How data reaches the flaw; none when that was never asked.
    pub paths: Option<Vec<DataPath>>,
    /// When it was asked.
    pub paths_ms: Option<i64>,
    /// Where a further batch begins.
    pub seek: Seek,
}

impl FindingRow {
    /// What filters ask of it beside the finding.
    pub fn origin(&self) -> Origin<'_> {
        Origin {
            integration: &self.integration,
            application: &self.application_name,
            is_visible: self.visible,
            changed_ms: self.changed_ms,
            is_new: self.last == ChangeKind::New,
        }
    }
}

/// A finding in a list, and what tells whether it is still what was made of it: as long as two of
/// these are equal, nothing that is shown of the finding is different.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FindingVersion {
    /// Where a further batch begins.
    pub seek: Seek,
    /// Digests of its row and of that of its application. Without one, nothing is known.
    seals: (Option<i64>, Option<i64>),
    paths_ms: Option<i64>,
}

impl FindingVersion {
    /// The row, for [`PageReader::findings`].
    pub fn row(&self) -> i64 {
        self.seek.row
    }

    /// What tells whether its application is as it was: as long as this is the same, nothing of
    /// an application with the same guid is different. None where nothing is known.
    pub fn application(&self) -> Option<i64> {
        self.seals.1
    }

    /// Whether it tells anything: rows that were damaged may have none.
    pub fn is_known(&self) -> bool {
        self.seals.0.is_some() && self.seals.1.is_some()
    }
}

/// Reads what a page needs, at the moment of the page.
pub struct PageReader<'a> {
    connection: &'a Connection,
    meter: &'a Meter,
}

impl PageReader<'_> {
    /// Hands over the findings of these rows, one after the other in the order of arrival. Those
    /// that are gone from the store are not among them.
    pub fn findings(
        &self,
        rows: &[i64],
        act: impl FnMut(FindingRow) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let sql =
            format!("{} where f.id in ({}) order by f.id", select_finding(), sql::numbers("?"));
        each_finding(self.connection, self.meter, &sql, vec![SqlValue::Text(list(rows))], act)
    }

    /// The application of an integration with this guid.
    pub fn application(
        &self,
        integration: &str,
        guid: &str,
    ) -> Result<Option<ApplicationRecord>, Error> {
        application(self.connection, self.meter, integration, guid)
    }
}

impl FindingRow {
    /// The row, as [`FindingVersion::row`] has it.
    pub fn row(&self) -> i64 {
        self.seek.row
    }
}

/// A record that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndecodableRow {
    /// Guid of the application.
    pub application: String,
    /// Where it was.
    pub context: String,
    /// Why it cannot be read.
    pub reason: String,
    /// The record.
    pub raw: String,
}

fn select_finding() -> String {
    format!(
        "select f.id, f.severity, f.gone, records.raw, contexts.name,
            applications.guid, applications.name, integrations.name, f.added_ms, f.changed_ms,
            f.kind, details.raw, details.read_ms, f.application, f.finding_id, f.hash, f.seal, {},
            applications.gone
         from findings f
         join records on records.finding = f.id
         join applications on applications.id = f.application
         join integrations on integrations.id = applications.integration
         join contexts on contexts.id = f.context
         left join details on details.finding = f.id",
        seal::FINDING
    )
}

/// Where the columns of the seal begin in it.
const SEALED: usize = 17;
/// Where what follows them is.
const IS_APPLICATION_GONE: usize = SEALED + seal::FINDING_COLUMNS;

impl Store {
    /// How many rows are few enough to look at one by one. The way to an answer depends
    /// on it, the answer never does.
    #[must_use]
    pub fn with_few(mut self, few: usize) -> Self {
        self.few = few;
        self
    }

    /// Counts the work of what is asked of this store from now on.
    #[must_use]
    pub fn with_meter(mut self, meter: Meter) -> Self {
        self.meter = meter;
        self
    }

    /// Asks about the findings of a filter.
    pub(crate) async fn ask<T, F>(&self, goal: Goal, filter: Expression, act: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Planner<'_>, &Expression) -> Result<T, Error> + Send + 'static,
    {
        let (few, meter) = (self.few, self.meter.clone());
        self.database
            .read(move |connection| {
                let (named, own) = (None, None);
                let planner = Planner { connection, few, goal, meter: &meter, named, own };
                let named = Own::of(&planner, &filter)?;
                let named = named.as_ref();
                let own = named.filter(|named| !named.is_all);
                act(&Planner { named, own, ..planner }, &filter)
            })
            .await
    }

    /// One batch of findings, most severe first.
    pub async fn findings(&self, query: Query) -> Result<Vec<FindingRow>, Error> {
        let Query { filter, limit, after, order } = query;
        self.ask(Goal::Page, filter, move |planner, filter| {
            let page = page(planner, filter, order, after, limit)?;
            let Some(page) = page else { return Ok(Vec::new()) };
            let (select, by) = (select_finding(), order.by());
            let sql = format!("{select} where f.id in ({}) order by {by}", page.text);
            read_findings(planner.connection, planner.meter, &sql, page.values)
        })
        .await
    }

    /// What the same batch consists of, for `act` to make something of it: it reads of the
    /// findings and applications what it needs, as they are at the same moment.
    pub async fn page<T: Send + 'static>(
        &self,
        query: Query,
        act: impl FnOnce(&[FindingVersion], &PageReader<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let Query { filter, limit, after, order } = query;
        self.ask(Goal::Page, filter, move |planner, filter| {
            let page = page(planner, filter, order, after, limit)?;
            let versions = page.map(|page| versions(planner, order, page)).transpose()?;
            let reader = PageReader { connection: planner.connection, meter: planner.meter };
            act(&versions.unwrap_or_default(), &reader)
        })
        .await
    }

    /// How many findings match.
    pub async fn count_findings(&self, filter: Expression) -> Result<u64, Error> {
        self.ask(Goal::Count, filter, count).await
    }

    /// Findings whose id begins with this, gone ones included, those of one id side by
    /// side; twenty at most. Several integrations may hold a finding under one id.
    pub async fn findings_by_id(&self, prefix: &str) -> Result<Vec<FindingRow>, Error> {
        self.findings_by_id_within(prefix, None).await
    }

    /// The same of the integrations with these names; of all without the list, of none by
    /// an empty one.
    pub async fn findings_by_id_within(
        &self,
        prefix: &str,
        integrations: Option<&[String]>,
    ) -> Result<Vec<FindingRow>, Error> {
        let Some((from, to)) = id_range(prefix) else { return Ok(Vec::new()) };
        let meter = self.meter.clone();
        let names = integrations.map(serde_json::to_string).transpose().map_err(Error::corrupt)?;
        self.database
            .read(move |connection| {
                // By ids first, and not through all that these integrations have.
                let within = match names {
                    Some(_) => format!(
                        "and {} in ({})",
                        engine::unindexed(connection, "integrations.name"),
                        sql::texts("?")
                    ),
                    None => String::new(),
                };
                let sql = format!(
                    "{} where f.finding_id between ? and ? {within}
                     order by f.finding_id, f.id limit 20",
                    select_finding()
                );
                let mut values = vec![SqlValue::Blob(from), SqlValue::Blob(to)];
                values.extend(names.map(SqlValue::Text));
                read_findings(connection, &meter, &sql, values)
            })
            .await
    }

    /// The findings of these ids, gone ones included. Several integrations may hold a finding
    /// under one id.
    pub async fn findings_of(&self, ids: &[FindingId]) -> Result<Vec<FindingRow>, Error> {
        let meter = self.meter.clone();
        let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
        let ids = serde_json::to_string(&ids).map_err(Error::corrupt)?;
        self.database
            .read(move |connection| {
                let sql = format!(
                    "{} where f.finding_id in (select unhex(atom) from ({}) ids)",
                    select_finding(),
                    sql::texts("?")
                );
                read_findings(connection, &meter, &sql, vec![SqlValue::Text(ids)])
            })
            .await
    }

    /// Keeps what was asked for one finding alone: the answer of `static_flaw_info`.
    /// Fails with [`Error::is_not_found`].
    pub async fn keep_paths(&self, id: &str, raw: &str, read_ms: i64) -> Result<(), Error> {
        let (id, raw) = (id.to_owned(), raw.to_owned());
        let Some((bytes, _)) = id_range(&id).filter(|(from, to)| from == to) else {
            return Err(Error::not_found("finding", id));
        };
        let database = self.database.clone();
        self.database
            .write(move |connection| {
                let packed = database.packing().pack(Sort::Other, &raw)?;
                let written = connection.execute(
                    "insert into details (finding, read_ms, raw)
                     select id, ?, ? from findings where finding_id = ?
                     on conflict (finding) do update set
                        read_ms = excluded.read_ms, raw = excluded.raw",
                    params![read_ms, packed, bytes],
                )?;
                if written == 0 { Err(Error::not_found("finding", id)) } else { Ok(()) }
            })
            .await
    }

    /// Records that cannot be read.
    pub async fn undecodable(&self) -> Result<Vec<UndecodableRow>, Error> {
        self.database
            .read(|connection| {
                let mut statement = connection.prepare(
                    "select applications.guid, contexts.name, reason, undecodable.raw
                     from undecodable
                     join applications on applications.id = undecodable.application
                     join contexts on contexts.id = undecodable.context order by undecodable.id",
                )?;
                let mut unpacker = Unpacker::new(connection);
                let rows = statement.query_and_then([], |row| {
                    Ok(UndecodableRow {
                        application: row.get(0)?,
                        context: row.get(1)?,
                        reason: row.get(2)?,
                        raw: unpacker.unpack(&row.get::<Vec<u8>>(3)?)?,
                    })
                })?;
                rows.collect()
            })
            .await
    }
}

/// The findings of a page without reading them.
fn versions(planner: &Planner<'_>, order: Order, page: Sql) -> Result<Vec<FindingVersion>, Error> {
    let sql = format!(
        "select f.id, f.severity, f.seal, applications.seal, details.read_ms
         from findings f
         join applications on applications.id = f.application
         left join details on details.finding = f.id
         where f.id in ({}) order by {}",
        page.text,
        order.by()
    );
    let mut statement = planner.prepare(&sql)?;
    let versions = statement.query_map(page.values, |row| {
        Ok(FindingVersion {
            seek: Seek { severity: row.get(1)?, row: row.get(0)? },
            seals: (row.get(2)?, row.get(3)?),
            paths_ms: row.get(4)?,
        })
    })?;
    Ok(versions.collect::<sql::Result<_>>()?)
}

/// From whatever table says it in the fewest rows.
fn count(planner: &Planner<'_>, filter: &Expression) -> Result<u64, Error> {
    if let Some(table) = counted::table(filter) {
        let select = format!("select coalesce(sum(findings), 0) from {table} where ");
        return planner.value(condition(planner, filter)?.into_sql().within(&select, ""));
    }
    let Some(plan) = plan(planner, filter)? else { return Ok(0) };
    let select = format!("select count(*) from {} where gone = 0 and ", plan.source());
    planner.value(plan.condition.within(&select, ""))
}

/// The findings of these rows, in their order; those that are gone from the store are not
/// among them.
pub(crate) fn findings_of_rows(
    connection: &Connection,
    meter: &Meter,
    rows: &[i64],
) -> Result<Vec<FindingRow>, Error> {
    let sql = format!("{} where f.id in ({})", select_finding(), sql::numbers("?"));
    let mut found: HashMap<_, _> =
        read_findings(connection, meter, &sql, vec![SqlValue::Text(list(rows))])?
            .into_iter()
            .map(|finding| (finding.seek.row, finding))
            .collect();
    Ok(rows.iter().filter_map(|row| found.remove(row)).collect())
}

fn read_findings(
    connection: &Connection,
    meter: &Meter,
    sql: &str,
    values: Vec<SqlValue>,
) -> Result<Vec<FindingRow>, Error> {
    let mut findings = Vec::new();
    each_finding(connection, meter, sql, values, |finding| {
        findings.push(finding);
        Ok(())
    })?;
    Ok(findings)
}

/// Hands over what is read, each once it is known to be as it was written, and its application.
fn each_finding(
    connection: &Connection,
    meter: &Meter,
    sql: &str,
    values: Vec<SqlValue>,
    mut act: impl FnMut(FindingRow) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut statement = meter.prepare(connection, sql)?;
    let mut unpacker = Unpacker::new(connection);
    let mut rows = statement.query(values)?;
    // In the snapshot of this statement, once for each.
    let mut sound = HashSet::new();
    while let Some(row) = rows.next()? {
        let finding = read_finding(row, &mut unpacker)?;
        let application: i64 = row.get(13)?;
        if sound.insert(application) {
            seal::check_application(connection, application)?;
        }
        act(finding)?;
    }
    Ok(())
}

/// Fails unless a row with the columns of [`select_finding`] and what was made of it are
/// what was written.
fn check_finding(row: Row<'_>, raw: &str, finding: &Finding) -> Result<(), Error> {
    let blob = |at| row.get_ref(at)?.as_blob().map_err(Error::corrupt);
    let is_sound = blob(14)? == finding.id.to_bytes()
        && blob(15)? == seal::hash_of(raw)
        && row.get::<Option<i64>>(16)? == Some(seal::of_finding(row, SEALED)?);
    match is_sound {
        true => Ok(()),
        false => Err(Error::corrupt(format_args!(
            "finding {} of application {} is not as it was written",
            FindingId::from_bytes(&finding.id.to_bytes()),
            finding.application
        ))),
    }
}

fn read_finding(row: Row<'_>, unpacker: &mut Unpacker<'_>) -> Result<FindingRow, Error> {
    let packed = row.get_ref(3)?.as_blob().map_err(Error::corrupt)?;
    let raw = unpacker.unpack(packed)?;
    let text = |at| row.get_ref(at)?.as_str().map_err(Error::corrupt);
    let context = text(4)?.parse().map_err(Error::corrupt)?;
    let guid = ApplicationGuid::parse(text(5)?).map_err(Error::corrupt)?;
    let detail = match row.get_ref(11)?.as_blob_or_null().map_err(Error::corrupt)? {
        Some(packed) => Some(unpacker.unpack(packed)?),
        None => None,
    };
    let paths = detail.map(|detail| DataPath::decode(&detail)).transpose();
    let finding = Finding::decode(&raw, &guid, &context).map_err(Error::corrupt)?;
    check_finding(row, &raw, &finding)?;
    Ok(FindingRow {
        seek: Seek { severity: row.get(1)?, row: row.get(0)? },
        gone: row.get(2)?,
        visible: !row.get::<bool>(IS_APPLICATION_GONE)?,
        raw,
        finding,
        application_name: row.get(6)?,
        integration: row.get(7)?,
        added_ms: row.get(8)?,
        changed_ms: row.get(9)?,
        last: ChangeKind::of_code(row.get(10)?)?,
        paths: paths.map_err(Error::corrupt)?,
        paths_ms: row.get(12)?,
    })
}
