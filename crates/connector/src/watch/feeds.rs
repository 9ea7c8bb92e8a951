//! What other programs read of the inventory: a calendar, metrics, a snapshot.

mod calendar;
mod metrics;
mod snapshot;

use countersign_text::json;
use countersign_text::openmetrics::Exposition;

pub use metrics::CredentialGauge;
pub(crate) use metrics::put_credentials;
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
        let (undelivered, last) = (self.undelivered().await?, self.store.last_check().await?);
        Ok(metrics::render(rows, undelivered, last.as_ref(), self.now()))
    }

    async fn undelivered(&self) -> Result<usize, Error> {
        let deliveries = self.store.deliveries().await?;
        Ok(deliveries.iter().filter(|one| one.sent_ms.is_none()).count())
    }

    /// What the watch could not say yet, and what it found in the store.
    pub(crate) async fn put_watch(&self, text: &mut Exposition) -> Result<(), Error> {
        let (undelivered, last) = (self.undelivered().await?, self.store.last_check().await?);
        metrics::put_watch(text, undelivered, last.as_ref());
        Ok(())
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
