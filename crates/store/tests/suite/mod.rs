//! The store: filters against a brute force, readings that leave no trace
//! unless committed, the change feed.

mod api;
mod applications;
mod broker;
pub(crate) mod copies;
mod credentials;
pub(crate) mod damage;
mod outbox;
pub(crate) mod readers;
mod schedules;
pub(crate) mod stretches;
mod turns;
mod watch;
mod work;

use std::path::Path;

use countersign_findings::filter::Expression;
use countersign_findings::{
    Application, ApplicationGuid, Context, Finding, FindingId, FindingKey, Population,
};
use countersign_store::{
    ApplicationWriter, Audited, Change, ChangeKind, CredentialKind, IntegrationId, NewCredential,
    Put, Query, Reading, Reason, RunId, RunKind, RunSummary, Since, Store, Sweep, Swept,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::engine;

pub(crate) fn flaw(
    n: i64,
    severity: i64,
    cwe: i64,
    title: &str,
    file: Option<&str>,
    status: &str,
) -> Value {
    let mut record = json!({
        "issue_id": n, "scan_type": "STATIC", "description": "<span>x</span>", "violates_policy": n % 2 == 0,
        "finding_status": {"status": status, "resolution": "UNRESOLVED", "resolution_status": "NONE",
            "first_found_date": format!("2026-01-{:02}T00:00:00.000Z", 1 + n.rem_euclid(28))},
        "finding_details": {"severity": severity, "cwe": {"id": cwe, "name": title}, "module": "app%_\\.jar"},
    });
    if let Some(file) = file {
        record["finding_details"]["file_path"] = json!(file);
    }
    record
}

/// Two thousand of them are more than a reading keeps in memory.
pub(crate) fn wordy(n: i64) -> Value {
    let mut record = flaw(n, n % 6, 80, "x", Some("src/a.rs"), "OPEN");
    record["description"] = json!(format!("number{n} {}", "w".repeat(2100)));
    record
}

pub(crate) async fn store(folder: &Path) -> (Store, IntegrationId, RunId) {
    let store = engine::open(folder).await;
    let new = credential("test");
    let integration = store.add_integration(new, None).await.unwrap();
    let run = store.begin_run(integration, RunKind::Full, 1).await.unwrap();
    (store, integration, run)
}

pub(crate) fn credential(name: &str) -> NewCredential {
    NewCredential {
        name: name.into(),
        vault_name: format!("integration/{name}"),
        kind: CredentialKind::Hmac,
        url: "https://localhost".into(),
        ca_pem: None,
        allow_http_loopback: false,
        api_id: "0".repeat(32),
        version: 1,
        added_ms: 1,
    }
}

pub(crate) fn application(name: &str) -> (Application, String) {
    let raw = json!({"guid": format!("guid-{}", name.to_lowercase()), "profile": {"name": name}})
        .to_string();
    (Application::decode(&raw).unwrap(), raw)
}

pub(crate) async fn open(store: &Store, run: RunId, name: &str) -> ApplicationWriter {
    let (application, raw) = application(name);
    store.open_application(run, &application, &raw).await.unwrap()
}

pub(crate) async fn put(
    writer: &mut ApplicationWriter,
    name: &str,
    record: &Value,
    kind: Option<ChangeKind>,
) -> Finding {
    put_in(writer, name, &Context::Policy, record, kind).await
}

pub(crate) async fn put_in(
    writer: &mut ApplicationWriter,
    name: &str,
    context: &Context,
    record: &Value,
    kind: Option<ChangeKind>,
) -> Finding {
    let raw = record.to_string();
    let finding = Finding::decode(&raw, &application(name).0.guid, context).unwrap();
    let hash = Sha256::digest(raw.as_bytes()).into();
    let change = kind.map(|kind| Change { kind, differences: Vec::new() });
    writer.put(Put { finding: finding.clone(), raw: &raw, hash, change }).await.unwrap();
    finding
}

pub(crate) const COMPLETE: Reading = Reading::Complete { read_ms: 5 };

/// All that readings write, a line for each row.
fn dump(folder: &Path) -> Vec<String> {
    let direct = engine::direct(folder);
    let tables = [
        "applications",
        "findings",
        "changes",
        "undecodable",
        "tallies",
        "counts",
        "history",
        "records",
    ];
    let rows = |table: &str| {
        let mut rows = direct.rows(&format!("select * from {table}"));
        rows.sort();
        rows.into_iter().map(|row| format!("{table} {row}")).collect::<Vec<_>>()
    };
    tables.into_iter().flat_map(rows).collect()
}

#[tokio::test]
async fn a_reading_that_is_dropped_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _, run) = store(folder.path()).await;
    let mut writer = open(&store, run, "Alpha").await;
    put(&mut writer, "Alpha", &flaw(1, 3, 80, "x", None, "OPEN"), Some(ChangeKind::New)).await;
    writer.commit(COMPLETE).await.unwrap();
    let before = dump(folder.path());
    assert!(before.len() > 3, "{before:?}");
    for count in [1, 3000] {
        let mut writer = open(&store, run, "Alpha").await;
        for n in 0..count {
            put(&mut writer, "Alpha", &wordy(n), Some(ChangeKind::New)).await;
        }
        drop(writer);
        assert_eq!(dump(folder.path()), before, "{count}");
    }
}

#[tokio::test]
async fn a_reading_that_spills_is_written_like_any_other() {
    let (small, large) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let records: Vec<_> = (0..3000).map(wordy).collect();
    let (one, _, run) = store(large.path()).await;
    let mut writer = open(&one, run, "Alpha").await;
    for record in &records {
        put(&mut writer, "Alpha", record, Some(ChangeKind::New)).await;
    }
    writer.commit(COMPLETE).await.unwrap();
    let (many, _, run) = store(small.path()).await;
    for part in records.chunks(200) {
        let mut writer = open(&many, run, "Alpha").await;
        for record in part {
            put(&mut writer, "Alpha", record, Some(ChangeKind::New)).await;
        }
        writer.commit(COMPLETE).await.unwrap();
    }
    // In parts, only the first of them is the first reading.
    let lines = |path: &Path| {
        let mut lines = dump(path);
        lines.retain(|line| !line.starts_with("history"));
        for line in lines.iter_mut().filter(|line| line.starts_with("changes")) {
            // The last column says whether it was of the first reading.
            line.truncate(line.rfind('|').unwrap());
        }
        lines
    };
    assert!(lines(large.path()) == lines(small.path()));
    for store in [one, many] {
        let filter: Expression = "text[like]number0".parse().unwrap();
        assert_eq!(store.count_findings(filter).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn what_vanished_is_announced_and_can_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let (store, integration, run) = store(folder.path()).await;
    let record = flaw(1, 3, 80, "x", None, "OPEN");
    let mut writer = open(&store, run, "Alpha").await;
    put(&mut writer, "Alpha", &record, Some(ChangeKind::New)).await;
    writer.commit(COMPLETE).await.unwrap();

    let guid = ApplicationGuid::parse("guid-alpha").unwrap();
    let id = FindingId::of(&guid, &Context::Policy, &FindingKey::Flaw(1)).to_bytes();
    let mut writer = open(&store, run, "Alpha").await;
    assert!(writer.held()[&id].is_open() && !writer.is_application_different());
    writer.vanish([id]);
    writer.commit(COMPLETE).await.unwrap();
    assert_eq!(store.counts(integration, Population::STORED).await.unwrap().total, 0);
    let feed = store.changes(Since::Beginning, 10).await.unwrap();
    let kinds: Vec<_> =
        feed.iter().map(|row| (row.kind.as_str(), row.reason.map(Reason::as_str))).collect();
    assert_eq!(kinds, [("new", None), ("closed", Some("vanished"))]);

    let hash = Sha256::digest(record.to_string().as_bytes()).into();
    let writer = open(&store, run, "Alpha").await;
    assert!(writer.held()[&id].gone);
    assert!(writer.id_of_hash(&Context::Policy, &hash).is_none(), "it has to be judged again");
}

#[tokio::test]
async fn each_change_has_the_names_of_its_own_finding_and_application() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _, run) = store(folder.path()).await;
    let other = store.add_integration(credential("other"), None).await.unwrap();
    let other = store.begin_run(other, RunKind::Full, 1).await.unwrap();
    let mut written = Vec::new();
    for (integration, run, name) in
        [("test", run, "Alpha"), ("other", other, "Gamma"), ("test", run, "Beta")]
    {
        let mut writer = open(&store, run, name).await;
        for (n, cwe, title) in [(1, 79, "x"), (2, 80, "y"), (3, 79, "x")] {
            let record = flaw(n, 3, cwe, title, None, "OPEN");
            put(&mut writer, name, &record, Some(ChangeKind::New)).await;
            written.push(format!("{integration} guid-{} {name} {title}", name.to_lowercase()));
        }
        writer.commit(COMPLETE).await.unwrap();
    }
    let feed = store.changes(Since::Beginning, 10).await.unwrap();
    let read: Vec<_> = feed
        .iter()
        .map(|row| {
            let (integration, title) = (&row.integration, &row.title);
            format!("{integration} {} {} {title}", row.application, row.application_name)
        })
        .collect();
    assert_eq!(read, written);
}

#[tokio::test]
async fn an_unchanged_application_costs_one_row() {
    let folder = tempfile::tempdir().unwrap();
    let (store, integration, run) = store(folder.path()).await;
    let record = flaw(1, 3, 80, "x", None, "OPEN");
    let mut writer = open(&store, run, "Alpha").await;
    put(&mut writer, "Alpha", &record, Some(ChangeKind::New)).await;
    assert_eq!(writer.commit(COMPLETE).await.unwrap().rows, 3);
    let writer = open(&store, run, "Alpha").await;
    let hash = Sha256::digest(record.to_string().as_bytes()).into();
    assert!(writer.id_of_hash(&Context::Policy, &hash).is_some());
    assert_eq!(writer.commit(COMPLETE).await.unwrap().rows, 1);

    let mut writer = open(&store, run, "Alpha").await;
    writer.put_undecodable(&Context::Policy, "novel", "{}", hash).await.unwrap();
    writer
        .commit(Reading::Incomplete { read_ms: 6, reason: "novel".into(), held_back: 0 })
        .await
        .unwrap();
    let marks = store.application_marks(integration).await.unwrap();
    assert_eq!((marks[0].read_ms, store.undecodable().await.unwrap().len()), (None, 1));
}

#[tokio::test]
async fn another_name_damages_nothing_and_mends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (store, integration, run) = store(folder.path()).await;
    for (name, issue) in [("Alpha", 1), ("Beta", 2)] {
        let mut writer = open(&store, run, name).await;
        let record = flaw(issue, 4, 89, "x", None, "OPEN");
        put(&mut writer, name, &record, Some(ChangeKind::New)).await;
        writer.commit(COMPLETE).await.unwrap();
    }
    store.rename_integration(integration, "prod", 9).await.unwrap();
    assert_eq!(store.check().await.unwrap(), []);
    assert_eq!(store.applications().await.unwrap().len(), 2);
    let direct = engine::direct(folder.path());
    direct.execute("update applications set policy = 'x' where name = 'Alpha'").unwrap();
    store.rename_integration(integration, "production", 9).await.unwrap();
    assert!(!store.check().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_others_wrote_since_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _, run) = store(folder.path()).await;
    let record = |severity| flaw(1, severity, 89, "x", None, "OPEN");
    let severity = |store: Store| async move {
        let query = Query { limit: 10, ..Query::default() };
        let found = store.findings(query).await.unwrap();
        found.iter().map(|row| row.finding.severity.level()).collect::<Vec<_>>()
    };
    // Two that both look before either writes: an application that is new, a finding that is
    // new, and one that is there.
    for (first, second, issue) in [(1, 2, 1), (3, 4, 2), (5, 0, 1)] {
        let (mut one, mut other) =
            (open(&store, run, "Alpha").await, open(&store, run, "Alpha").await);
        let of = |severity| {
            let mut record = record(severity);
            record["issue_id"] = json!(issue);
            record
        };
        put(&mut one, "Alpha", &of(first), Some(ChangeKind::New)).await;
        put(&mut other, "Alpha", &of(second), Some(ChangeKind::New)).await;
        one.commit(COMPLETE).await.unwrap();
        let before = dump(folder.path());
        let error = other.commit(COMPLETE).await.unwrap_err();
        assert!(error.is_outdated(), "{error}");
        assert_eq!(dump(folder.path()), before);
    }
    assert_eq!(severity(store.clone()).await, [5, 3]);
    assert_eq!(store.check().await.unwrap(), []);
}

#[tokio::test]
async fn one_process_syncs_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let (store, integration, _) = store(folder.path()).await;
    let lock = store.lock_for_sync().unwrap();
    assert!(store.lock_for_sync().unwrap_err().is_busy());
    drop(lock);
    store.lock_for_sync().unwrap();
    assert!(store.add_integration(credential("test"), None).await.unwrap_err().is_existing());
    store.remove_integration(integration, None).await.unwrap();
    assert!(store.integration("test").await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn what_is_read_for_an_answer_gives_way_to_a_sync_and_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let (store, integration, _) = store(folder.path()).await;
    let before = (store.freshness().await.unwrap(), store.runs(None, 9).await.unwrap());
    assert!(store.has_open_sync(integration).await.unwrap());
    let live = store.begin_run(integration, RunKind::Live, 2).await.unwrap();
    let first = open(&store, live, "One").await;
    first.commit(COMPLETE).await.unwrap();
    let mut second = open(&store, live, "One").await;
    put(&mut second, "One", &flaw(1, 5, 80, "x", None, "OPEN"), Some(ChangeKind::New)).await;
    // That of another integration is none of its business.
    let other = store.add_integration(credential("other"), None).await.unwrap();
    store.begin_run(other, RunKind::Full, 3).await.unwrap();
    let third = open(&store, live, "Two").await;
    third.commit(COMPLETE).await.unwrap();
    store.begin_run(integration, RunKind::Incremental, 4).await.unwrap();
    assert!(second.commit(COMPLETE).await.unwrap_err().is_outdated());
    assert!(open(&store, live, "Three").await.commit(COMPLETE).await.unwrap_err().is_outdated());
    let findings = store.applications().await.unwrap();
    assert_eq!(findings.iter().map(|row| row.findings).sum::<u64>(), 0);
    assert_eq!(findings.len(), 2);

    store.remove_integration(other, None).await.unwrap();
    let ended = RunSummary { finished_ms: 9, complete: true, requests: 1, report: String::new() };
    store.finish_run(live, ended).await.unwrap();
    let mut runs = store.runs(None, 9).await.unwrap();
    assert_eq!(runs.remove(0).started_ms, 4);
    let mut fresh = store.freshness().await.unwrap();
    assert_eq!(fresh[0].last.take().unwrap().started_ms, 4);
    let mut then = before.0;
    then[0].last = None;
    assert_eq!((fresh, runs), (then, before.1));
    assert_eq!(store.sync_figures(vec![]).await.unwrap()[0].complete, 0);
}

#[tokio::test]
async fn what_audits_found_adds_up_and_goes_with_its_integration() {
    let folder = tempfile::tempdir().unwrap();
    let (store, integration, run) = store(folder.path()).await;
    assert_eq!(store.sweep(integration).await.unwrap(), None);
    let nothing = Swept { integration: "test".into(), sweep: None, stalest: None };
    assert_eq!(store.swept().await.unwrap(), [nothing]);
    for (at_ms, missed_by_dates) in [(5, 3), (9, 0)] {
        let (missed_by_scans, applications) = (missed_by_dates / 3, 2);
        let (period_ms, clean) = (at_ms * 10, u32::from(missed_by_dates == 0));
        let audited =
            Audited { at_ms, applications, missed_by_dates, missed_by_scans, period_ms, clean };
        store.note_audit(integration, audited).await.unwrap();
    }
    for (guid, reading) in [
        ("One", Reading::Complete { read_ms: 20 }),
        ("Two", Reading::Complete { read_ms: 10 }),
        ("Three", Reading::Incomplete { read_ms: 5, reason: "short".into(), held_back: 0 }),
        ("Four", Reading::Complete { read_ms: 7 }),
    ] {
        open(&store, run, guid).await.commit(reading).await.unwrap();
    }
    let four = store.applications().await.unwrap();
    let four = four.into_iter().find(|row| row.read_ms == Some(7)).unwrap().application;
    store.mark_applications_gone(run, vec![four.guid.to_string()]).await.unwrap();
    let swept = store.swept().await.unwrap().remove(0);
    assert_eq!(swept.stalest.map(|one| one.read_ms), Some(10), "one that is gone does not count");
    let sweep = swept.sweep.unwrap();
    assert_eq!(store.sweep(integration).await.unwrap(), Some(sweep));
    let expected = Sweep {
        period_ms: 90,
        clean: 1,
        audited_ms: 9,
        last_applications: 2,
        last_missed: 0,
        applications: 4,
        missed_by_dates: 3,
        missed_by_scans: 1,
    };
    assert_eq!(sweep, expected);
    store.remove_integration(integration, None).await.unwrap();
    assert_eq!(store.sweep(integration).await.unwrap(), None);
}
