//! How fresh what is stored is, by integration.

use crate::error::Error;
use crate::runs::IS_TOLD;
use crate::store::Store;

/// What is known of the syncs of one integration that has a service to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freshness {
    /// Name of the integration.
    pub integration: String,
    /// When it was added.
    pub added_ms: i64,
    /// When the last sync ended that read everything; none before the first.
    pub complete_ms: Option<i64>,
    /// The last sync, however it ended.
    pub last: Option<LastSync>,
}

/// How the last sync went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastSync {
    /// When it began.
    pub started_ms: i64,
    /// When it ended; none while it goes on, or after a crash.
    pub finished_ms: Option<i64>,
    /// Whether everything was read.
    pub is_complete: bool,
}

impl Store {
    /// Of each integration that is synced, by name.
    pub async fn freshness(&self) -> Result<Vec<Freshness>, Error> {
        self.database
            .read(|connection| {
                let mut statement = connection.prepare(&format!(
                    "select i.name, i.created_ms,
                        (select max(finished_ms) from runs
                         where integration = i.id and complete = 1 and {IS_TOLD}),
                        r.started_ms, r.finished_ms, coalesce(r.complete, 0)
                     from integrations i left join runs r on r.id =
                        (select max(id) from runs where integration = i.id and {IS_TOLD})
                     where i.kind = 'veracode'
                     order by i.name",
                ))?;
                let rows = statement.query_map([], |row| {
                    let started_ms: Option<i64> = row.get(3)?;
                    let (finished_ms, is_complete) = (row.get(4)?, row.get(5)?);
                    Ok(Freshness {
                        integration: row.get(0)?,
                        added_ms: row.get(1)?,
                        complete_ms: row.get(2)?,
                        last: started_ms.map(|started_ms| LastSync {
                            started_ms,
                            finished_ms,
                            is_complete,
                        }),
                    })
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }
}
