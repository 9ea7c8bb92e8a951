//! What is stored, as the formats take it.

use std::borrow::Cow;
use std::collections::HashMap;

use countersign_findings::Application;
use countersign_formats::{Item, Last};
use countersign_store::{ApplicationRow, ChangeKind, FindingRow};
use serde_json::json;

/// The applications of every integration, by integration and guid.
#[derive(Debug)]
pub struct Applications(HashMap<String, HashMap<String, Application>>);

impl Applications {
    /// Those that the store holds.
    pub fn new(rows: Vec<ApplicationRow>) -> Self {
        let mut known: HashMap<String, HashMap<String, Application>> = HashMap::new();
        for row in rows {
            let guid = row.application.guid.to_string();
            known.entry(row.integration).or_default().insert(guid, row.application);
        }
        Self(known)
    }

    /// The application of a finding. Of one that a sync brought in after they were read,
    /// what the row itself tells.
    ///
    /// # Errors
    ///
    /// When what the row tells makes no application.
    pub fn of(
        &self,
        row: &FindingRow,
    ) -> Result<Cow<'_, Application>, countersign_findings::Undecodable> {
        let guid = row.finding.application.as_str();
        if let Some(known) = self.0.get(&row.integration).and_then(|of| of.get(guid)) {
            return Ok(Cow::Borrowed(known));
        }
        let record = json!({"guid": guid, "profile": {"name": row.application_name}});
        Application::decode(&record.to_string()).map(Cow::Owned)
    }
}

/// A finding with all that a format may write of it.
pub fn item<'a>(row: &'a FindingRow, application: &'a Application) -> Item<'a> {
    Item {
        finding: &row.finding,
        application,
        integration: &row.integration,
        gone: row.gone,
        added_ms: row.added_ms,
        changed_ms: row.changed_ms,
        last: match row.last {
            ChangeKind::New => Last::New,
            ChangeKind::Changed => Last::Changed,
            ChangeKind::Reopened => Last::Reopened,
            ChangeKind::Closed => Last::Closed,
        },
        paths: row.paths.as_deref().unwrap_or_default(),
        raw: &row.raw,
    }
}
