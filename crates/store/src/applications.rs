//! Applications with their counts.

use countersign_findings::{Application, Population, State};
use rusqlite::Connection;

use crate::columns::{IS_OPEN, IS_POLICY, place, state_of};
use crate::error::Error;
use crate::raw::Unpacker;
use crate::seal;
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
        self.database.read(read_applications).await
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
                let noted = connection
                    .prepare_cached(&noted)?
                    .query_row([integration.0], |row| row.get(0))?;
                let mut statement = connection.prepare_cached(&format!(
                    "select severity, text, state, sum(findings) from tallies
                     join texts on texts.id = scan_type where {within}
                     group by 1, 2, 3 order by 2, 3",
                ))?;
                let mut rows = statement.query([integration.0])?;
                let mut counts = Counts { noted, ..Counts::default() };
                while let Some(row) = rows.next()? {
                    let (severity, count): (usize, u64) = (row.get(0)?, row.get(3)?);
                    let (scan_type, state) = (row.get(1)?, state_of(row.get(2)?)?);
                    if !population.holds(state) {
                        continue;
                    }
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

fn add(counts: &mut Vec<(String, u64)>, name: String, count: u64) {
    match counts.iter_mut().find(|(known, _)| *known == name) {
        Some((_, sum)) => *sum += count,
        None => counts.push((name, count)),
    }
}

fn read_applications(connection: &Connection) -> Result<Vec<ApplicationRow>, Error> {
    let mut statement = connection.prepare_cached(
        "select applications.raw, integrations.name, read_ms, incomplete, gone, applications.id,
            held_back
         from applications join integrations on integrations.id = applications.integration
         order by applications.name, applications.id",
    )?;
    let mut count = connection.prepare_cached(&format!(
        "select severity, {IS_OPEN}, {IS_POLICY}, sum(findings)
         from tallies where application = ? group by 1, 2, 3"
    ))?;
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
            in_sandboxes: 0,
        };
        let mut groups = count.query([row.get::<_, i64>(5)?])?;
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
        applications.push(entry);
    }
    Ok(applications)
}
