//! Applications with their counts.

use countersign_findings::{Application, Population, State};

use crate::columns::{IS_OPEN, IS_POLICY, place, state_of};
use crate::error::Error;
use crate::meter::Meter;
use crate::raw::Unpacker;
use crate::seal;
use crate::sql::{Connection, Params, Row, Text, params};
use crate::store::{IntegrationId, Store};

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
    /// Findings in any state, policy context.
    pub findings: u64,
    /// Findings in any state, sandboxes.
    pub in_sandboxes: u64,
}

/// A stored application with its record.
#[derive(Debug, Clone)]
pub struct ApplicationRecord {
    /// Its place among all of them, in the order of arrival.
    pub place: i64,
    /// The application.
    pub row: ApplicationRow,
    /// The record as the service sent it.
    pub raw: String,
}

/// How many findings of a population there are. Those that vanished do not count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// All.
    pub total: u64,
    /// Of these, those with notes: something of their records could not be read.
    pub noted: u64,
    /// Of these, open ones by severity, 0 to 5.
    pub open_by_severity: [u64; 6],
    /// By scan type.
    pub by_scan_type: Vec<(String, u64)>,
    /// By state.
    pub by_state: Vec<(String, u64)>,
}

impl Store {
    /// All applications, by name.
    pub async fn applications(&self) -> Result<Vec<ApplicationRow>, Error> {
        let meter = self.meter.clone();
        self.database
            .read(move |connection| {
                let order = "order by applications.name, applications.id";
                read_applications(connection, &meter, order, [], |record| record.row)
            })
            .await
    }

    /// The next applications of an integration after a place, in the order of arrival: a sync
    /// between two pages neither repeats nor loses one, and what it adds comes last.
    pub async fn application_page(
        &self,
        integration: &str,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<ApplicationRecord>, Error> {
        let (meter, integration) = (self.meter.clone(), integration.to_owned());
        self.database
            .read(move |connection| {
                // By the index of integrations: those of others are not passed over.
                let condition = "where applications.id in (
                        select id from applications
                        where integration = (select id from integrations where name = ?)
                            and +id > ?
                        order by id limit ?)
                     order by applications.id";
                let values = params![integration, after.unwrap_or(i64::MIN), limit];
                read_applications(connection, &meter, condition, values, |record| record)
            })
            .await
    }

    /// The application of an integration with this guid.
    pub async fn application(
        &self,
        integration: &str,
        guid: &str,
    ) -> Result<Option<ApplicationRecord>, Error> {
        let (integration, guid) = (integration.to_owned(), guid.to_owned());
        let meter = self.meter.clone();
        self.database
            .read(move |connection| application(connection, &meter, &integration, &guid))
            .await
    }

    /// Counts for one integration.
    pub async fn counts(
        &self,
        integration: IntegrationId,
        population: Population,
    ) -> Result<Counts, Error> {
        self.database
            .read(move |connection| {
                let within = format!(
                    "application in (select id from applications where integration = ?) and {}",
                    place(population)
                );
                let noted = format!(
                    "select count(*) from findings where gone = 0 and notes <> 0 and {within}"
                );
                let noted =
                    connection.prepare(&noted)?.query_row([integration.0], |row| row.get(0))?;
                let mut statement = connection.prepare(&format!(
                    "select severity, text, state, sum(findings) from tallies
                     join texts on texts.id = scan_type where {within}
                     group by 1, 2, 3 order by 2, 3",
                ))?;
                let mut rows = statement.query([integration.0])?;
                let mut counts = Counts { noted, ..Counts::default() };
                while let Some(row) = rows.next()? {
                    let (severity, count): (usize, u64) = (row.get(0)?, row.get(3)?);
                    let (scan_type, state): (Text, _) = (row.get(1)?, state_of(row.get(2)?)?);
                    if !population.holds(state) {
                        continue;
                    }
                    counts.total += count;
                    if state == State::Open {
                        counts.open_by_severity[severity.min(5)] += count;
                    }
                    add(&mut counts.by_scan_type, scan_type.0, count);
                    add(&mut counts.by_state, state.as_str().to_owned(), count);
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

/// The application of an integration with this guid.
pub(crate) fn application(
    connection: &Connection,
    meter: &Meter,
    integration: &str,
    guid: &str,
) -> Result<Option<ApplicationRecord>, Error> {
    let condition = "where applications.integration =
            (select id from integrations where name = ?) and guid = ?";
    let values = params![integration, guid];
    Ok(read_applications(connection, meter, condition, values, |record| record)?.pop())
}

/// The applications that meet a condition, in its order.
fn read_applications<T>(
    connection: &Connection,
    meter: &Meter,
    condition: &str,
    values: impl Params,
    made_of: impl Fn(ApplicationRecord) -> T,
) -> Result<Vec<T>, Error> {
    let select = format!(
        "select applications.raw, integrations.name, read_ms, incomplete, gone, applications.id,
            held_back
         from applications join integrations on integrations.id = applications.integration
         {condition}"
    );
    let mut statement = meter.prepare(connection, &select)?;
    let mut unpacker = Unpacker::new(connection);
    let mut rows = statement.query(values)?;
    let mut applications = Vec::new();
    while let Some(row) = rows.next()? {
        applications.push(made_of(read_application(connection, row, &mut unpacker)?));
    }
    Ok(applications)
}

fn read_application(
    connection: &Connection,
    row: Row<'_>,
    unpacker: &mut Unpacker<'_>,
) -> Result<ApplicationRecord, Error> {
    let raw = unpacker.unpack(row.get_ref(0)?.as_blob().map_err(Error::corrupt)?)?;
    let place: i64 = row.get(5)?;
    seal::check_application(connection, place)?;
    let mut entry = ApplicationRow {
        application: Application::decode(&raw).map_err(Error::corrupt)?,
        integration: row.get(1)?,
        read_ms: row.get(2)?,
        incomplete: row.get(3)?,
        gone: row.get(4)?,
        held_back: row.get(6)?,
        open: [0; 6],
        findings: 0,
        in_sandboxes: 0,
    };
    let mut count = connection.prepare(&format!(
        "select severity, {IS_OPEN}, {IS_POLICY}, sum(findings)
         from tallies where application = ? group by 1, 2, 3"
    ))?;
    let mut groups = count.query([place])?;
    while let Some(group) = groups.next()? {
        let severity: usize = group.get(0)?;
        let (is_open, is_policy): (bool, bool) = (group.get(1)?, group.get(2)?);
        let count: u64 = group.get(3)?;
        if !is_policy {
            entry.in_sandboxes += count;
            continue;
        }
        entry.findings += count;
        if is_open {
            entry.open[severity.min(5)] += count;
        }
    }
    Ok(ApplicationRecord { place, row: entry, raw })
}
