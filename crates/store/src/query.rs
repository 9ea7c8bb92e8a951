//! What readers ask. Lists are read in batches that a cursor continues, so that
//! exports stream.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use countersign_findings::filter::Expression;
use countersign_findings::{Application, ApplicationGuid, DataPath, Finding, FindingId, State};
use data_encoding::BASE64URL_NOPAD;
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, Row, params, params_from_iter};

use crate::columns::{self, state_of};
use crate::error::Error;
use crate::raw::{Sort, Unpacker};
use crate::seal;
use crate::search::condition::condition;
use crate::search::counted;
use crate::search::plan::plan;
use crate::search::planner::{Goal, Planner};
use crate::store::{IntegrationId, Store};
use crate::writer::ChangeKind;

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

/// Where a batch ended: most severe first, then in the order of arrival. It is a
/// place, not a number of rows: a sync in between moves nothing under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seek {
    severity: u8,
    row: i64,
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

/// A stored application.
#[derive(Debug, Clone)]
pub struct ApplicationRow {
    /// The application.
    pub application: Application,
    /// Name of the integration that brought it in.
    pub integration: String,
    /// Last complete reading.
    pub read_ms: Option<i64>,
    /// Why the last reading was incomplete.
    pub incomplete: Option<String>,
    /// Findings that the last reading would have closed and that stayed as they were.
    pub held_back: u64,
    /// Whether a complete listing lacked it since.
    pub gone: bool,
    /// Open findings by severity, 0 to 5, policy context.
    pub open: [u64; 6],
    /// All findings, every context.
    pub findings: u64,
}

/// A row of the change feed.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeRow {
    /// Position in the feed.
    pub seq: i64,
    /// When it was noticed.
    pub at_ms: i64,
    /// Guid of the application.
    pub application: String,
    /// Its name.
    pub application_name: String,
    /// Id of the finding.
    pub finding_id: String,
    /// `new`, `changed`, `reopened`, `closed`.
    pub kind: String,
    /// Why, where it does not follow from the differences.
    pub reason: Option<String>,
    /// Severity, 0 to 5.
    pub severity: u8,
    /// Title of the finding.
    pub title: String,
    /// What is different, as JSON.
    pub differences: Option<String>,
    /// Name of the integration that brought it in.
    pub integration: String,
}

/// What readers look at: everything, or a part of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Scope {
    /// All integrations.
    #[default]
    Everything,
    /// One integration, by name.
    Integration(String),
    /// One application.
    Application {
        /// Name of its integration.
        integration: String,
        /// Its guid.
        guid: String,
    },
}

/// A scope as two values of a query, null where it does not restrict.
pub(crate) struct Scoped<'a> {
    pub(crate) integration: Option<&'a str>,
    pub(crate) guid: Option<&'a str>,
}

impl<'a> Scoped<'a> {
    pub(crate) fn of(scope: &'a Scope) -> Self {
        let (integration, guid) = match scope {
            Scope::Everything => (None, None),
            Scope::Integration(name) => (Some(name.as_str()), None),
            Scope::Application { integration, guid } => {
                (Some(integration.as_str()), Some(guid.as_str()))
            }
        };
        Self { integration, guid }
    }
}

/// Which changes.
#[derive(Debug, Clone, Default)]
pub struct ChangeFilter {
    /// Of this kind only.
    pub kind: Option<ChangeKind>,
    /// Of these applications.
    pub scope: Scope,
}

/// Where in the feed to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// At its beginning.
    Beginning,
    /// After this position.
    Seq(i64),
    /// At this time, milliseconds since the Unix epoch.
    Time(i64),
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

/// How many findings there are. Those that vanished do not count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// All.
    pub total: u64,
    /// Of these, those with notes: something of their records could not be read.
    pub noted: u64,
    /// Open ones by severity, 0 to 5.
    pub open_by_severity: [u64; 6],
    /// By scan type.
    pub by_scan_type: Vec<(String, u64)>,
    /// By state.
    pub by_state: Vec<(String, u64)>,
}

fn select_finding() -> String {
    format!(
        "select f.id, f.severity, f.gone, records.raw, contexts.name,
            applications.guid, applications.name, integrations.name, f.added_ms, f.changed_ms,
            f.kind, details.raw, details.read_ms, f.application, f.finding_id, f.hash, f.seal, {}
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

impl Store {
    /// How many rows are few enough to look at one by one. The way to an answer depends
    /// on it, the answer never does.
    #[must_use]
    pub fn with_few(mut self, few: usize) -> Self {
        self.few = few;
        self
    }

    pub(crate) async fn ask<T, F>(&self, goal: Goal, act: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Planner<'_>) -> Result<T, Error> + Send + 'static,
    {
        let few = self.few;
        self.database.read(move |connection| act(&Planner { connection, few, goal })).await
    }

    /// One batch of findings, most severe first.
    pub async fn findings(&self, query: Query) -> Result<Vec<FindingRow>, Error> {
        self.ask(Goal::Page, move |planner| {
            let Some(plan) = plan(planner, &query.filter)? else { return Ok(Vec::new()) };
            let seek = query.after.map(|seek| (seek.severity.into(), seek.row));
            let (page, order) = match query.order {
                Order::Severity => (plan.page(seek, query.limit), "f.severity desc, f.id"),
                Order::Arrival => {
                    let after = seek.map_or(i64::MIN, |(_, row)| row);
                    (plan.arrivals(after, query.limit), "f.id")
                }
            };
            let sql =
                format!("{} where f.id in ({}) order by {order}", select_finding(), page.text);
            read_findings(planner.connection, &sql, page.values)
        })
        .await
    }

    /// How many findings match.
    pub async fn count_findings(&self, filter: Expression) -> Result<u64, Error> {
        self.ask(Goal::Count, move |planner| count(planner, &filter)).await
    }

    /// Findings whose id begins with this, gone ones included; two at most.
    pub async fn findings_by_id(&self, prefix: &str) -> Result<Vec<FindingRow>, Error> {
        let Some((from, to)) = id_range(prefix) else { return Ok(Vec::new()) };
        self.database
            .read(move |connection| {
                let sql = format!(
                    "{} where f.finding_id between ? and ? order by f.id limit 2",
                    select_finding()
                );
                let values = vec![SqlValue::Blob(from), SqlValue::Blob(to)];
                read_findings(connection, &sql, values)
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

    /// All applications, by name.
    pub async fn applications(&self) -> Result<Vec<ApplicationRow>, Error> {
        self.database.read(read_applications).await
    }

    /// The change feed from `since` on, oldest first, `limit` rows at most.
    pub async fn changes(&self, since: Since, limit: u32) -> Result<Vec<ChangeRow>, Error> {
        self.database
            .read(move |connection| {
                let (condition, value) = match since {
                    Since::Beginning => ("seq > ?", 0),
                    Since::Seq(seq) => ("seq > ?", seq),
                    // Not by its index, which may lack a row.
                    Since::Time(ms) => ("+at_ms >= ?", ms),
                };
                let select = select_change();
                let sql = format!("{select} where {condition} order by seq limit ?");
                read_changes(connection, &sql, params![value, limit])
            })
            .await
    }

    /// The change feed backwards from before `before`, or from its end.
    pub async fn changes_before(
        &self,
        filter: ChangeFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<ChangeRow>, Error> {
        self.database
            .read(move |connection| {
                let scope = Scoped::of(&filter.scope);
                let kind = filter.kind.map(ChangeKind::code);
                let before = before.unwrap_or(i64::MAX);
                let select = select_change();
                let sql = format!(
                    "{select} where seq < ?1 and (?2 is null or c.kind = ?2)
                        and (?3 is null or integrations.name = ?3)
                        and (?4 is null or applications.guid = ?4)
                     order by seq desc limit ?5"
                );
                let values = params![before, kind, scope.integration, scope.guid, limit];
                read_changes(connection, &sql, values)
            })
            .await
    }

    /// All changes of one finding, oldest first.
    pub async fn changes_of(&self, id: &str) -> Result<Vec<ChangeRow>, Error> {
        let Some((from, to)) = id_range(id) else { return Ok(Vec::new()) };
        self.database
            .read(move |connection| {
                // The first change of a finding is not indexed by finding: it is among
                // those of the time when the finding came.
                let select = select_change();
                let sql = format!(
                    "{select} where seq in (
                        select seq from findings f2 join changes c2 on c2.finding = f2.id
                            and c2.kind <> 0 where f2.finding_id between ?1 and ?2
                        union all
                        select seq from findings f2 join changes c2 on c2.at_ms = f2.added_ms
                            and c2.finding = f2.id and c2.kind = 0
                            where f2.finding_id between ?1 and ?2)
                     order by seq"
                );
                read_changes(connection, &sql, params![from, to])
            })
            .await
    }

    /// Records that cannot be read.
    pub async fn undecodable(&self) -> Result<Vec<UndecodableRow>, Error> {
        self.database
            .read(|connection| {
                let mut statement = connection.prepare_cached(
                    "select applications.guid, contexts.name, reason, undecodable.raw
                     from undecodable
                     join applications on applications.id = undecodable.application
                     join contexts on contexts.id = undecodable.context order by undecodable.id",
                )?;
                let mut unpacker = Unpacker::new(connection);
                let mut rows = statement.query([])?;
                let mut undecodable = Vec::new();
                while let Some(row) = rows.next()? {
                    undecodable.push(UndecodableRow {
                        application: row.get(0)?,
                        context: row.get(1)?,
                        reason: row.get(2)?,
                        raw: unpacker.unpack(&row.get::<_, Vec<u8>>(3)?)?,
                    });
                }
                Ok(undecodable)
            })
            .await
    }

    /// Counts for one integration.
    pub async fn counts(&self, integration: IntegrationId) -> Result<Counts, Error> {
        self.database
            .read(move |connection| {
                let noted = "select count(*) from findings where gone = 0 and notes <> 0
                    and application in (select id from applications where integration = ?)";
                let noted = connection
                    .prepare_cached(noted)?
                    .query_row([integration.0], |row| row.get(0))?;
                let mut statement = connection.prepare_cached(
                    "select severity, text, state, sum(findings) from tallies
                     join texts on texts.id = scan_type
                     where application in (select id from applications where integration = ?)
                     group by 1, 2, 3 order by 2, 3",
                )?;
                let mut rows = statement.query([integration.0])?;
                let mut counts = Counts { noted, ..Counts::default() };
                while let Some(row) = rows.next()? {
                    let (severity, count): (usize, u64) = (row.get(0)?, row.get(3)?);
                    let (scan_type, state) = (row.get(1)?, state_of(row.get(2)?)?);
                    counts.total += count;
                    if state == State::Open {
                        counts.open_by_severity[severity.min(5)] += count;
                    }
                    add(&mut counts.by_scan_type, scan_type, count);
                    add(&mut counts.by_state, state.as_str().to_owned(), count);
                }
                Ok(counts)
            })
            .await
    }
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

/// The first and the last id that begin with these digits.
fn id_range(prefix: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let prefix = prefix.to_ascii_lowercase();
    if prefix.len() > 20 || !prefix.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let end = |digit: char| {
        let digits: String = prefix.chars().chain(std::iter::repeat(digit)).take(20).collect();
        data_encoding::HEXLOWER.decode(digits.as_bytes()).ok()
    };
    Some((end('0')?, end('f')?))
}

fn add(counts: &mut Vec<(String, u64)>, name: String, count: u64) {
    match counts.iter_mut().find(|(known, _)| *known == name) {
        Some((_, sum)) => *sum += count,
        None => counts.push((name, count)),
    }
}

fn read_findings(
    connection: &Connection,
    sql: &str,
    values: Vec<SqlValue>,
) -> Result<Vec<FindingRow>, Error> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut unpacker = Unpacker::new(connection);
    let mut rows = statement.query(params_from_iter(values))?;
    let mut findings = Vec::new();
    // In the snapshot of this statement, once for each.
    let mut sound = HashSet::new();
    while let Some(row) = rows.next()? {
        findings.push(read_finding(row, &mut unpacker)?);
        let application: i64 = row.get(13)?;
        if sound.insert(application) {
            seal::check_application(connection, application)?;
        }
    }
    Ok(findings)
}

/// Fails unless a row with the columns of [`select_finding`] and what was made of it are
/// what was written.
fn check_finding(row: &Row<'_>, raw: &str, finding: &Finding) -> Result<(), Error> {
    let (id, hash): (Vec<u8>, Vec<u8>) = (row.get(14)?, row.get(15)?);
    let is_sound = id == finding.id.to_bytes()
        && hash == seal::hash_of(raw)
        && row.get::<_, Option<i64>>(16)? == Some(seal::of_finding(row, SEALED)?);
    match is_sound {
        true => Ok(()),
        false => Err(Error::corrupt(format_args!(
            "finding {} of application {} is not as it was written",
            FindingId::from_bytes(&finding.id.to_bytes()),
            finding.application
        ))),
    }
}

fn read_finding(row: &Row<'_>, unpacker: &mut Unpacker<'_>) -> Result<FindingRow, Error> {
    let packed = row.get_ref(3)?.as_blob().map_err(Error::corrupt)?;
    let raw = unpacker.unpack(packed)?;
    let context: String = row.get(4)?;
    let guid: String = row.get(5)?;
    let context = context.parse().map_err(Error::corrupt)?;
    let guid = ApplicationGuid::parse(&guid).map_err(Error::corrupt)?;
    let detail = match row.get_ref(11)?.as_blob_or_null().map_err(Error::corrupt)? {
        Some(packed) => Some(unpacker.unpack(packed)?),
        None => None,
    };
    let paths = detail.map(|detail| DataPath::decode(&detail)).transpose();
    let finding = Finding::decode(&raw, &guid, &context).map_err(Error::corrupt)?;
    check_finding(row, &raw, &finding)?;
    Ok(FindingRow {
        finding,
        application_name: row.get(6)?,
        integration: row.get(7)?,
        gone: row.get(2)?,
        added_ms: row.get(8)?,
        changed_ms: row.get(9)?,
        last: ChangeKind::of_code(row.get(10)?)?,
        paths: paths.map_err(Error::corrupt)?,
        paths_ms: row.get(12)?,
        seek: Seek { severity: row.get(1)?, row: row.get(0)? },
        raw,
    })
}

fn read_applications(connection: &Connection) -> Result<Vec<ApplicationRow>, Error> {
    let mut statement = connection.prepare_cached(
        "select applications.raw, integrations.name, read_ms, incomplete, gone, applications.id,
            held_back
         from applications join integrations on integrations.id = applications.integration
         order by applications.name, applications.id",
    )?;
    let mut count = connection.prepare_cached(
        "select severity, state = 0 and contexts.name = 'policy', sum(findings)
         from tallies join contexts on contexts.id = context
         where application = ? group by 1, 2",
    )?;
    let mut unpacker = Unpacker::new(connection);
    let mut rows = statement.query([])?;
    let mut applications = Vec::new();
    while let Some(row) = rows.next()? {
        let raw = unpacker.unpack(row.get_ref(0)?.as_blob().map_err(Error::corrupt)?)?;
        seal::check_application(connection, row.get(5)?)?;
        let mut entry = ApplicationRow {
            application: Application::decode(&raw).map_err(Error::corrupt)?,
            integration: row.get(1)?,
            read_ms: row.get(2)?,
            incomplete: row.get(3)?,
            gone: row.get(4)?,
            held_back: row.get(6)?,
            open: [0; 6],
            findings: 0,
        };
        let mut groups = count.query([row.get::<_, i64>(5)?])?;
        while let Some(group) = groups.next()? {
            let (severity, is_open, count): (usize, bool, u64) =
                (group.get(0)?, group.get(1)?, group.get(2)?);
            entry.findings += count;
            if is_open {
                entry.open[severity.min(5)] += count;
            }
        }
        applications.push(entry);
    }
    Ok(applications)
}

/// Beside what is shown, whether the row and its finding are what was written.
fn select_change() -> String {
    format!(
        "select seq, at_ms, guid, applications.name, f.finding_id, c.kind, reason, c.severity,
            text, differences, integrations.name,
            c.seal is sealed({}) and f.seal is sealed({}), texts.hash, f.application
         from changes c
         left join findings f on f.id = c.finding
         left join texts on texts.id = f.title
         left join applications on applications.id = f.application
         left join integrations on integrations.id = applications.integration",
        seal::CHANGE,
        seal::FINDING
    )
}

fn read_changes(
    connection: &Connection,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
) -> Result<Vec<ChangeRow>, Error> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    let mut changes = Vec::new();
    // In the snapshot of this statement, once for each.
    let mut sound = HashSet::new();
    while let Some(row) = rows.next()? {
        let (seq, is_sound): (i64, bool) = (row.get(0)?, row.get(11)?);
        let hash = row.get_ref(8)?.as_str_or_null().map_err(Error::corrupt)?.map(columns::hash);
        if !is_sound || hash.is_none() || hash != row.get(12)? {
            return Err(Error::corrupt(format_args!("change {seq} is not as it was written")));
        }
        let application: i64 = row.get(13)?;
        if sound.insert(application) {
            seal::check_application(connection, application)?;
        }
        let id: [u8; 10] = row.get(4)?;
        changes.push(ChangeRow {
            seq,
            at_ms: row.get(1)?,
            application: row.get(2)?,
            application_name: row.get(3)?,
            finding_id: FindingId::from_bytes(&id).to_string(),
            kind: ChangeKind::of_code(row.get(5)?)?.as_str().to_owned(),
            reason: row.get(6)?,
            severity: row.get(7)?,
            title: row.get(8)?,
            differences: row.get(9)?,
            integration: row.get(10)?,
        });
    }
    Ok(changes)
}
