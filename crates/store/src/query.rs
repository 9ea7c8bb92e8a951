//! What readers ask. Filters become SQL with bound values; lists are read in
//! batches that a cursor continues, so that exports stream.

use countersign_findings::filter::{Field, Filter, Operator, Value};
use countersign_findings::{Application, ApplicationGuid, Finding};
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, Row, params_from_iter};

use crate::error::Error;
use crate::raw::Unpacker;
use crate::store::{IntegrationId, Store};

/// Which findings, and how many at once.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// All must match.
    pub filters: Vec<Filter>,
    /// Rows of one batch.
    pub limit: u32,
    /// Where the batch before ended.
    pub after: Option<Seek>,
}

/// Where a batch ended: most severe first, then in the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seek {
    severity: u8,
    row: i64,
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
    /// Open ones by severity, 0 to 5.
    pub open_by_severity: [u64; 6],
    /// By scan type.
    pub by_scan_type: Vec<(String, u64)>,
    /// By state.
    pub by_state: Vec<(String, u64)>,
}

const FROM: &str = "from findings
    join applications on applications.id = findings.application
    join integrations on integrations.id = applications.integration
    join contexts on contexts.id = findings.context";

const SELECT_FINDING: &str = "select findings.id, findings.severity, findings.gone, findings.raw,
    contexts.name, applications.guid, applications.name, integrations.name";

impl Store {
    /// One batch of findings, most severe first.
    pub async fn findings(&self, query: Query) -> Result<Vec<FindingRow>, Error> {
        self.database
            .read(move |connection| {
                let (mut sql, mut values) = where_clause(&query.filters);
                if let Some(seek) = query.after {
                    sql.push_str(" and (findings.severity, -findings.id) < (?, ?)");
                    values.extend([
                        SqlValue::Integer(seek.severity.into()),
                        SqlValue::Integer(-seek.row),
                    ]);
                }
                values.push(SqlValue::Integer(query.limit.into()));
                let sql = format!(
                    "{SELECT_FINDING} {FROM} where findings.gone = 0{sql}
                     order by findings.severity desc, findings.id limit ?"
                );
                read_findings(connection, &sql, values)
            })
            .await
    }

    /// How many findings match.
    pub async fn count_findings(&self, filters: Vec<Filter>) -> Result<u64, Error> {
        self.database
            .read(move |connection| {
                let (sql, values) = where_clause(&filters);
                let sql = format!("select count(*) {FROM} where findings.gone = 0{sql}");
                Ok(connection.query_row(&sql, params_from_iter(values), |row| row.get(0))?)
            })
            .await
    }

    /// Findings whose id begins with this, gone ones included; two at most.
    pub async fn findings_by_id(&self, prefix: &str) -> Result<Vec<FindingRow>, Error> {
        let prefix = prefix.to_ascii_lowercase();
        self.database
            .read(move |connection| {
                // No id has a character after `f`.
                let sql = format!(
                    "{SELECT_FINDING} {FROM} where finding_id >= ? and finding_id < ? limit 2"
                );
                let end = format!("{prefix}g");
                let values = vec![SqlValue::Text(prefix), SqlValue::Text(end)];
                read_findings(connection, &sql, values)
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
                    Since::Time(ms) => ("at_ms >= ?", ms),
                };
                let mut statement = connection.prepare_cached(&format!(
                    "select seq, at_ms, guid, name, finding_id, kind, reason, severity, title, differences
                     from changes join applications on applications.id = changes.application
                     where {condition} order by seq limit ?"
                ))?;
                let rows = statement.query_map([value, limit.into()], read_change)?;
                Ok(rows.collect::<Result<_, _>>()?)
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
                let mut unpacker = Unpacker::new()?;
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
                let mut statement = connection.prepare_cached(
                    "select findings.severity, findings.scan_type, findings.state, count(*)
                     from findings join applications on applications.id = findings.application
                     where applications.integration = ? and findings.gone = 0
                     group by 1, 2, 3 order by 2, 3",
                )?;
                let mut rows = statement.query([integration.0])?;
                let mut counts = Counts::default();
                while let Some(row) = rows.next()? {
                    let (severity, count): (usize, u64) = (row.get(0)?, row.get(3)?);
                    let (scan_type, state): (String, String) = (row.get(1)?, row.get(2)?);
                    counts.total += count;
                    if state == "open" {
                        counts.open_by_severity[severity.min(5)] += count;
                    }
                    add(&mut counts.by_scan_type, scan_type, count);
                    add(&mut counts.by_state, state, count);
                }
                Ok(counts)
            })
            .await
    }
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
    let mut statement = connection.prepare(sql)?;
    let mut unpacker = Unpacker::new()?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut findings = Vec::new();
    while let Some(row) = rows.next()? {
        findings.push(read_finding(row, &mut unpacker)?);
    }
    Ok(findings)
}

fn read_finding(row: &Row<'_>, unpacker: &mut Unpacker) -> Result<FindingRow, Error> {
    let packed = row.get_ref(3)?.as_blob().map_err(Error::corrupt)?;
    let raw = unpacker.unpack(packed)?;
    let context: String = row.get(4)?;
    let guid: String = row.get(5)?;
    let context = context.parse().map_err(Error::corrupt)?;
    let guid = ApplicationGuid::parse(&guid).map_err(Error::corrupt)?;
    Ok(FindingRow {
        finding: Finding::decode(&raw, &guid, &context).map_err(Error::corrupt)?,
        application_name: row.get(6)?,
        integration: row.get(7)?,
        gone: row.get(2)?,
        seek: Seek { severity: row.get(1)?, row: row.get(0)? },
        raw,
    })
}

fn read_applications(connection: &Connection) -> Result<Vec<ApplicationRow>, Error> {
    let mut statement = connection.prepare_cached(
        "select applications.raw, integrations.name, read_ms, incomplete, gone, applications.id
         from applications join integrations on integrations.id = applications.integration
         order by applications.name, applications.id",
    )?;
    let mut count = connection.prepare_cached(
        "select severity, state = 'open' and contexts.name = 'policy', count(*)
         from findings join contexts on contexts.id = findings.context
         where application = ? and gone = 0 group by 1, 2",
    )?;
    let mut unpacker = Unpacker::new()?;
    let mut rows = statement.query([])?;
    let mut applications = Vec::new();
    while let Some(row) = rows.next()? {
        let raw = unpacker.unpack(row.get_ref(0)?.as_blob().map_err(Error::corrupt)?)?;
        let mut entry = ApplicationRow {
            application: Application::decode(&raw).map_err(Error::corrupt)?,
            integration: row.get(1)?,
            read_ms: row.get(2)?,
            incomplete: row.get(3)?,
            gone: row.get(4)?,
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

fn read_change(row: &Row<'_>) -> rusqlite::Result<ChangeRow> {
    Ok(ChangeRow {
        seq: row.get(0)?,
        at_ms: row.get(1)?,
        application: row.get(2)?,
        application_name: row.get(3)?,
        finding_id: row.get(4)?,
        kind: row.get(5)?,
        reason: row.get(6)?,
        severity: row.get(7)?,
        title: row.get(8)?,
        differences: row.get(9)?,
    })
}

/// ` and … and …` with one `?` for each value.
fn where_clause(filters: &[Filter]) -> (String, Vec<SqlValue>) {
    let mut sql = String::new();
    let mut values = Vec::new();
    for filter in filters {
        let column = column(filter.field);
        let marks = vec!["?"; filter.values.len()].join(", ");
        let condition = match filter.operator {
            Operator::Eq => format!("{column} = ?"),
            Operator::Ne => format!("{column} is not ?"),
            Operator::Gt => format!("{column} > ?"),
            Operator::Gte => format!("{column} >= ?"),
            Operator::Lt => format!("{column} < ?"),
            Operator::Lte => format!("{column} <= ?"),
            Operator::Like => format!("{column} like ? escape '\\'"),
            Operator::In => format!("{column} in ({marks})"),
        };
        sql.push_str(" and ");
        sql.push_str(&condition);
        values.extend(filter.values.iter().map(|value| match (filter.operator, value) {
            (Operator::Like, Value::Text(pattern)) => SqlValue::Text(like(pattern)),
            (_, Value::Text(text)) => SqlValue::Text(text.clone()),
            (_, Value::Integer(integer)) => SqlValue::Integer(*integer),
            (_, Value::Number(number)) => SqlValue::Real(*number),
        }));
    }
    (sql, values)
}

fn column(field: Field) -> &'static str {
    match field {
        Field::Id => "findings.finding_id",
        Field::Application => "applications.guid",
        Field::ApplicationName => "applications.name",
        Field::Context => "contexts.name",
        Field::ScanType => "findings.scan_type",
        Field::Severity => "findings.severity",
        Field::State => "findings.state",
        Field::Status => "findings.status",
        Field::ViolatesPolicy => "findings.violates_policy",
        Field::Cwe => "findings.cwe",
        Field::Title => "findings.title",
        Field::File => "findings.file",
        Field::Module => "findings.module",
        Field::Url => "findings.url",
        Field::Component => "findings.component",
        Field::Cve => "findings.cve",
        Field::Cvss => "findings.cvss",
        Field::FirstFound => "findings.first_found_ms",
        Field::LastSeen => "findings.last_seen_ms",
    }
}

fn like(pattern: &str) -> String {
    let escaped = pattern.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    if escaped.contains('*') { escaped.replace('*', "%") } else { format!("%{escaped}%") }
}
