//! Findings that tests make up.

use countersign_deliveries::group::{Grouping, Subject};
use countersign_deliveries::render::{Member, TicketRules, ticket};
use countersign_deliveries::ticket::Ticket;
use countersign_findings::{Application, Context, Finding};
use countersign_store::{ChangeKind, ChangeRow, FindingRow, Seek};
use countersign_testkit::made_up;
use proptest::prelude::*;
use serde_json::{Value, json};

/// 2026-06-01T00:00:00Z.
pub(crate) const NOW_MS: i64 = 1_780_272_000_000;
pub(crate) const DAY_MS: i64 = 86_400_000;

pub(crate) fn application() -> Application {
    let record = json!({"guid": made_up::APPLICATION, "profile": {
        "name": "Shop", "teams": [{"team_name": "Blue Team"}, {"team_name": "Red"}]}});
    Application::decode(&record.to_string()).unwrap()
}

pub(crate) fn row(record: &Value) -> FindingRow {
    row_of(&application(), record)
}

pub(crate) fn row_of(application: &Application, record: &Value) -> FindingRow {
    let raw = record.to_string();
    let finding = Finding::decode(&raw, &application.guid, &Context::Policy).unwrap();
    FindingRow {
        finding,
        application_name: application.name.clone(),
        integration: "test".to_owned(),
        gone: false,
        visible: true,
        raw,
        added_ms: NOW_MS,
        changed_ms: NOW_MS,
        last: ChangeKind::New,
        paths: None,
        paths_ms: None,
        // The first place of a list: only the store makes others.
        seek: "AAAAAAAAAAAA".parse::<Seek>().unwrap(),
    }
}

pub(crate) fn member(record: &Value) -> Member {
    Member { row: row(record), is_wanted: true }
}

/// An open static finding.
pub(crate) fn flaw(id: i64, severity: i64) -> Value {
    json!({"issue_id": id, "scan_type": "STATIC", "description": "Bad.", "violates_policy": true,
        "finding_status": {"status": "OPEN", "first_found_date": "2026-05-01T10:00:00.000Z"},
        "finding_details": {"severity": severity, "cwe": {"id": 89, "name": "SQL Injection"},
            "finding_category": {"id": 19, "name": "SQL Injection"},
            "file_path": "src/Login.java", "file_line_number": 42}})
}

/// An open finding of a component.
pub(crate) fn known(component: &str, version: &str, cve: &str, severity: i64) -> Value {
    json!({"scan_type": "SCA", "description": format!("{cve} is bad."),
        "finding_status": {"status": "OPEN", "first_found_date": "2026-05-01T10:00:00.000Z"},
        "finding_details": {"severity": severity, "component_id": format!("{component}:{version}"),
            "component_filename": component, "version": version, "cwe": {"id": 502},
            "cve": {"name": cve, "cvss": 7.5}}})
}

pub(crate) fn rules(text: Value) -> TicketRules {
    serde_json::from_value(text).unwrap()
}

/// The ticket of the group of the first of these.
pub(crate) fn ticket_of(members: &[Member], rules: &TicketRules, now_ms: i64) -> Ticket {
    let subject = Subject::of(&members[0].row.finding, Grouping::Auto);
    ticket(&subject, members, &application(), rules, now_ms)
}

/// A change of this finding.
pub(crate) fn change(seq: i64, kind: ChangeKind, row: &FindingRow) -> ChangeRow {
    ChangeRow {
        seq,
        at_ms: NOW_MS + seq,
        application: row.finding.application.to_string(),
        application_name: row.application_name.clone(),
        finding_id: row.finding.id.to_string(),
        kind,
        reason: None,
        severity: row.finding.severity.level(),
        title: row.finding.title.clone(),
        differences: None,
        integration: row.integration.clone(),
        is_first: false,
    }
}

/// Findings as the service could send them.
pub(crate) fn made_up_rows(most: usize) -> impl Strategy<Value = Vec<FindingRow>> {
    let numbers = proptest::collection::vec((1..400_i64, any::<bool>()), 1..most);
    numbers.prop_flat_map(|numbers| {
        let each: Vec<_> = numbers
            .into_iter()
            .map(|(number, gone)| {
                made_up::finding(number).prop_map(move |record| FindingRow { gone, ..row(&record) })
            })
            .collect();
        each
    })
}
