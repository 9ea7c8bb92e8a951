//! Findings as a store answers them.

use std::collections::HashMap;
use std::sync::OnceLock;

use countersign_deliveries::receiver::Event;
use countersign_findings::{Application, Context, Finding};
use countersign_store::{
    Change, ChangeKind, ChangeRow, FindingRow, Put, Query, Reading, RunKind, Store,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(crate) const START_MS: i64 = 1_780_272_000_000;

/// A finding and its application.
pub(crate) struct Row {
    pub(crate) application: Application,
    pub(crate) row: FindingRow,
}

impl Row {
    pub(crate) fn event<'a>(&'a self, change: &'a ChangeRow) -> Event<'a> {
        Event { change, row: &self.row, application: &self.application }
    }

    /// A change of it.
    pub(crate) fn change(&self, kind: ChangeKind) -> ChangeRow {
        let finding = &self.row.finding;
        ChangeRow {
            seq: 7,
            at_ms: START_MS + 1,
            application: finding.application.to_string(),
            application_name: self.application.name.clone(),
            finding_id: finding.id.to_string(),
            kind,
            reason: None,
            severity: finding.severity.level(),
            title: finding.title.clone(),
            differences: None,
            integration: self.row.integration.clone(),
            is_first: false,
        }
    }
}

/// A static flaw of severity 5 that is open.
pub(crate) fn flaw(description: &str) -> Value {
    json!({
        "issue_id": 7, "scan_type": "STATIC", "description": description,
        "violates_policy": true, "count": 1, "build_id": 7,
        "finding_status": {"status": "OPEN", "resolution": "UNRESOLVED",
            "resolution_status": "NONE", "first_found_date": "2026-01-02T03:04:05.000Z"},
        "finding_details": {"severity": 5, "cwe": {"id": 79, "name": "Weakness"},
            "file_path": "src/Main.java", "file_line_number": 12},
    })
}

/// The rows of these records, all of one application.
pub(crate) async fn rows(application: Value, records: &[Value]) -> Vec<Row> {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
    let id = store.add_imported_integration("acme", None, START_MS).await.unwrap();
    let run = store.begin_run(id, RunKind::Full, START_MS).await.unwrap();
    let raw = application.to_string();
    let application = Application::decode(&raw).unwrap();
    let mut writer = store.open_application(run, &application, &raw).await.unwrap();
    let mut order = HashMap::new();
    for record in records {
        let raw = record.to_string();
        let finding = Finding::decode(&raw, &application.guid, &Context::Policy).unwrap();
        order.insert(finding.id.to_string(), order.len());
        let hash = Sha256::digest(raw.as_bytes()).into();
        let change = Some(Change { kind: ChangeKind::New, differences: Vec::new() });
        writer.put(Put { finding, raw: &raw, hash, change }).await.unwrap();
    }
    writer.commit(Reading::Complete { read_ms: START_MS }).await.unwrap();
    let mut rows = store.findings(Query { limit: 10_000, ..Query::default() }).await.unwrap();
    rows.sort_by_key(|row| order[row.finding.id.as_str()]);
    rows.into_iter().map(|row| Row { application: application.clone(), row }).collect()
}

pub(crate) async fn row(record: Value) -> Row {
    let application = json!({"guid": "7c1b0a52-0000-4000-8000-000000000001",
        "profile": {"name": "Shop", "tags": "a, b"}});
    rows(application, &[record]).await.remove(0)
}

/// The same without a store of its own.
pub(crate) fn cast(record: Value) -> Row {
    static FIRST: OnceLock<Row> = OnceLock::new();
    let first = FIRST.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(row(flaw("")))
    });
    let Row { application, row } = first;
    let raw = record.to_string();
    let finding = Finding::decode(&raw, &application.guid, &Context::Policy).unwrap();
    Row { application: application.clone(), row: FindingRow { finding, raw, ..row.clone() } }
}

/// A flaw with long and odd texts wherever there are texts.
pub(crate) fn hostile(text: &str) -> Value {
    let mut record = flaw(text);
    let details = &mut record["finding_details"];
    for name in ["module", "procedure", "file_path", "file_name", "attack_vector", "url", "path"] {
        details[name] = text.into();
    }
    details["cwe"]["name"] = text.into();
    details["remediation_desc"] = text.into();
    details["finding_category"] = json!({"id": 1, "name": text});
    record["finding_status"]["resolution"] = text.into();
    record["unknown"] = json!({text: [text, text]});
    let annotation = json!({"action": "COMMENT", "comment": text, "user_name": text});
    record["annotations"] = json!([annotation, annotation]);
    record
}
