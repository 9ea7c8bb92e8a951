//! What other programs read of the inventory: a calendar, metrics, a snapshot.

mod calendar;
mod metrics;
mod snapshot;

use countersign_text::json;

pub use snapshot::row;

use super::Row;
use crate::Connector;
use crate::error::{Error, Fault};

impl Connector {
    /// The calendar of what is known to expire.
    pub async fn calendar(&self, rows: &[Row]) -> Result<String, Error> {
        calendar::render(&self.store, rows, self.now()).await
    }

    /// Gauges for a textfile collector.
    pub async fn metrics(&self, rows: &[Row]) -> Result<String, Error> {
        let deliveries = self.store.deliveries().await?;
        let undelivered = deliveries.iter().filter(|one| one.sent_ms.is_none()).count();
        let last = self.store.last_check().await?;
        Ok(metrics::render(rows, undelivered, last.as_ref(), self.now()))
    }

    /// Everything as one JSON object on a line, for dashboards.
    pub async fn snapshot(&self, rows: &[Row]) -> Result<String, Error> {
        let (notices, deliveries) = (self.store.notices().await?, self.store.deliveries().await?);
        let last = self.store.last_check().await?;
        let whole = snapshot::render(rows, &notices, &deliveries, last.as_ref(), self.now());
        let text = json::to_string(&whole);
        let text = text.map_err(|error| Error::new(Fault::Unexpected, error.to_string()))?;
        Ok(format!("{text}\n"))
    }
}
