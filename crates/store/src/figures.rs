//! What is counted for those who watch the program: syncs, findings, size.

use countersign_findings::{Population, State};

use crate::columns::{place, state_of};
use crate::error::Error;
use crate::runs::IS_TOLD;
use crate::sql::Value;
use crate::store::Store;

/// The syncs of one integration that have ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncFigures {
    /// Name of the integration.
    pub integration: String,
    /// Syncs that read everything.
    pub complete: u64,
    /// Syncs that did not.
    pub incomplete: u64,
    /// How many took at most as long as each bound that was asked for.
    pub within: Vec<u64>,
    /// How long all of them took together.
    pub duration_ms: i64,
}

/// Findings of one integration that are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingFigures {
    /// Name of the integration.
    pub integration: String,
    /// 0 to 5.
    pub severity: u8,
    /// State.
    pub state: State,
    /// How many.
    pub findings: u64,
}

impl Store {
    /// The syncs of each integration, by name.
    pub async fn sync_figures(&self, bounds_ms: Vec<i64>) -> Result<Vec<SyncFigures>, Error> {
        self.database
            .read(move |connection| {
                let within: String = (1..=bounds_ms.len())
                    .map(|at| format!(", coalesce(sum(case when finished_ms - started_ms <= ?{at} then 1 else 0 end), 0)"))
                    .collect();
                let mut statement = connection.prepare(&format!(
                    "select name, coalesce(sum(case when complete = 1 then 1 else 0 end), 0),
                        coalesce(sum(case when complete = 0 then 1 else 0 end), 0),
                        coalesce(sum(case when finished_ms > started_ms
                            then finished_ms - started_ms else 0 end), 0){within}
                     from integrations left join runs
                        on runs.integration = integrations.id and finished_ms is not null and {IS_TOLD}
                     where integrations.kind = 'veracode'
                     group by integrations.id order by name"
                ))?;
                let bounds: Vec<_> = bounds_ms.iter().copied().map(Value::Integer).collect();
                let rows = statement.query_map(bounds, |row| {
                    let within = (0..bounds_ms.len()).map(|at| row.get(4 + at));
                    Ok(SyncFigures {
                        integration: row.get(0)?,
                        complete: row.get(1)?,
                        incomplete: row.get(2)?,
                        duration_ms: row.get(3)?,
                        within: within.collect::<Result<_, _>>()?,
                    })
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// The findings of a population by integration, severity and state; none where there
    /// are none.
    pub async fn finding_figures(
        &self,
        population: Population,
    ) -> Result<Vec<FindingFigures>, Error> {
        self.database
            .read(move |connection| {
                let mut statement = connection.prepare(&format!(
                    "select integrations.name, t.severity, t.state, sum(t.findings)
                     from (select application, severity, state, findings from tallies where {}) t
                        join applications on applications.id = t.application
                        join integrations on integrations.id = applications.integration
                     group by integrations.id, 2, 3 order by 1, 2, 3",
                    place(population)
                ))?;
                let mut rows = statement.query([])?;
                let mut figures = Vec::new();
                while let Some(row) = rows.next()? {
                    let state = state_of(row.get(2)?)?;
                    if population.holds(state) {
                        figures.push(FindingFigures {
                            integration: row.get(0)?,
                            severity: row.get(1)?,
                            state,
                            findings: row.get(3)?,
                        });
                    }
                }
                Ok(figures)
            })
            .await
    }

    /// Bytes of the store on disk, with its log; those of the whole database on its server.
    pub fn size_bytes(&self) -> u64 {
        self.database.size_bytes()
    }
}
