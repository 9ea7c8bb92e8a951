//! The store: filters against a brute force, readings that leave no trace
//! unless committed, the change feed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod broker;
mod credentials;
mod schedules;
mod watch;

use std::path::Path;

use countersign_findings::filter::{Field, Filter, Operator, Type};
use countersign_findings::{Application, Context, Finding, FindingKey};
use countersign_store::{
    ApplicationWriter, Change, ChangeKind, IntegrationId, NewCredential, Put, Query, Reading,
    RunId, RunKind, Since, Store,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

fn flaw(n: i64, severity: i64, cwe: i64, title: &str, file: Option<&str>, status: &str) -> Value {
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

fn component(n: i64, severity: i64, cvss: f64) -> Value {
    json!({
        "scan_type": "SCA", "description": "plain", "finding_status": {"status": "OPEN", "resolution": "UNRESOLVED"},
        "finding_details": {"severity": severity, "component_id": format!("c-{n}"), "component_filename": "Lib.jar",
            "metadata": {"sca_scan_mode": "UPLOAD"}, "cve": {"name": format!("CVE-2026-{n}"), "cvss": cvss}},
    })
}

async fn store(folder: &Path) -> (Store, IntegrationId, RunId) {
    let store = Store::open(&folder.join("store.sqlite")).await.unwrap();
    let new = credential("test");
    let integration = store.add_integration(new).await.unwrap();
    let run = store.begin_run(integration, RunKind::Full, 1).await.unwrap();
    (store, integration, run)
}

fn credential(name: &str) -> NewCredential {
    NewCredential {
        name: name.into(),
        vault_name: format!("integration/{name}"),
        kind: "hmac".into(),
        url: "https://localhost".into(),
        ca_pem: None,
        allow_http_loopback: false,
        api_id: "0".repeat(32),
        version: 1,
        added_ms: 1,
    }
}

fn application(name: &str) -> (Application, String) {
    let raw = json!({"guid": format!("guid-{}", name.to_lowercase()), "profile": {"name": name}})
        .to_string();
    (Application::decode(&raw).unwrap(), raw)
}

async fn open(store: &Store, run: RunId, name: &str) -> ApplicationWriter {
    let (application, raw) = application(name);
    store.open_application(run, &application, &raw).await.unwrap()
}

async fn put(
    writer: &mut ApplicationWriter,
    name: &str,
    record: &Value,
    kind: Option<ChangeKind>,
) -> Finding {
    let raw = record.to_string();
    let finding = Finding::decode(&raw, &application(name).0.guid, &Context::Policy).unwrap();
    let hash = Sha256::digest(raw.as_bytes()).into();
    let change = kind.map(|kind| Change { kind, differences: Vec::new() });
    writer.put(Put { finding: finding.clone(), raw: &raw, hash, change }).await.unwrap();
    finding
}

const COMPLETE: Reading = Reading::Complete { read_ms: 5 };

fn dump(path: &Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(path.join("store.sqlite")).unwrap();
    let mut lines = Vec::new();
    for table in ["applications", "findings", "changes", "undecodable"] {
        let mut statement =
            connection.prepare(&format!("select * from {table} order by 1")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let cells: Vec<_> =
                (0..columns).map(|at| format!("{:?}", row.get_ref(at).unwrap())).collect();
            lines.push(format!("{table} {}", cells.join("|")));
        }
    }
    lines
}

async fn all(store: &Store, filters: Vec<Filter>, limit: u32) -> Vec<Finding> {
    let mut after = None;
    let mut found = Vec::new();
    loop {
        let rows = store.findings(Query { filters: filters.clone(), limit, after }).await.unwrap();
        let Some(last) = rows.last() else { return found };
        after = Some(last.seek);
        found.extend(rows.into_iter().map(|row| row.finding));
    }
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let texts = prop_oneof![
        Just("a"),
        Just("A*"),
        Just("*b"),
        Just("%"),
        Just("_"),
        Just("\\"),
        Just("app%_\\.jar"),
        Just("src/a.rs"),
        Just("STATIC"),
        Just("OPEN"),
        Just("policy"),
        Just("Alpha"),
        Just("' or 1=1 --"),
        Just("CVE-2026-3"),
        Just("lib"),
    ];
    let field = prop::sample::select(Field::ALL.to_vec());
    let operator = prop::sample::select(Operator::ALL.to_vec());
    (field, operator, prop::collection::vec((texts, 0_i64..6), 1..3)).prop_filter_map(
        "a filter that can be read",
        |(field, operator, values)| {
            let value = |(text, number): &(&str, i64)| match (field, field.type_()) {
                (Field::State, _) => ["open", "fixed"][*number as usize % 2].to_owned(),
                (_, Type::Text) => text.replace(',', ""),
                (_, Type::Truth) => (number % 2 == 0).to_string(),
                (_, Type::Time) => format!("2026-01-{:02}", 1 + number * 5),
                _ => number.to_string(),
            };
            let values: Vec<_> = values.iter().map(value).collect();
            let text = match operator {
                Operator::In => values.join(","),
                _ => values[0].clone(),
            };
            format!("{}[{}]{text}", field.name(), operator.name()).parse().ok()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn sql_says_what_brute_force_says(
        flaws in prop::collection::vec((0_i64..6, 0_i64..6, prop::option::of("src/[ab]\\.rs|%_"), any::<bool>()), 1..25),
        filters in prop::collection::vec(prop::collection::vec(any_filter(), 0..3), 25),
        limit in 1_u32..9,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let (store, _, run) = store(folder.path()).await;
            let mut findings = Vec::new();
            for name in ["Alpha", "Beta"] {
                let mut writer = open(&store, run, name).await;
                for (at, (severity, cwe, file, is_open)) in flaws.iter().enumerate() {
                    let status = if *is_open { "OPEN" } else { "CLOSED" };
                    let record = if at % 4 == 3 {
                        component(at as i64, *severity, *cwe as f64 * 2.5 / 1.5)
                    } else {
                        flaw(at as i64, *severity, *cwe, "Title A'b", file.as_deref(), status)
                    };
                    findings.push((put(&mut writer, name, &record, None).await, name));
                }
                writer.commit(COMPLETE).await.unwrap();
            }
            for filters in filters {
                let got = all(&store, filters.clone(), limit).await;
                let mut expected: Vec<_> = findings
                    .iter()
                    .filter(|(finding, name)| filters.iter().all(|filter| filter.matches(finding, name)))
                    .map(|(finding, _)| finding.clone())
                    .collect();
                // Arrival order is kept within a severity.
                expected.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
                prop_assert_eq!(store.count_findings(filters.clone()).await.unwrap(), expected.len() as u64);
                prop_assert_eq!(got, expected, "{:?}", filters);
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn a_reading_that_is_dropped_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _, run) = store(folder.path()).await;
    let mut writer = open(&store, run, "Alpha").await;
    put(&mut writer, "Alpha", &flaw(1, 3, 80, "x", None, "OPEN"), Some(ChangeKind::New)).await;
    writer.commit(COMPLETE).await.unwrap();
    let before = dump(folder.path());
    assert!(before.len() == 3, "{before:?}");
    for count in [1, 3000] {
        let mut writer = open(&store, run, "Alpha").await;
        for n in 0..count {
            put(&mut writer, "Alpha", &flaw(n, 3, 80, "y", None, "OPEN"), Some(ChangeKind::New))
                .await;
        }
        drop(writer);
        assert_eq!(dump(folder.path()), before, "{count}");
    }
}

#[tokio::test]
async fn a_reading_that_spills_is_written_like_any_other() {
    let (small, large) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let records: Vec<_> =
        (0..3000).map(|n| flaw(n, n % 6, 80, "x", Some("src/a.rs"), "OPEN")).collect();
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
    assert_eq!(dump(large.path()), dump(small.path()));
}

#[tokio::test]
async fn what_vanished_is_announced_and_can_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let (store, integration, run) = store(folder.path()).await;
    let record = flaw(1, 3, 80, "x", None, "OPEN");
    let mut writer = open(&store, run, "Alpha").await;
    put(&mut writer, "Alpha", &record, Some(ChangeKind::New)).await;
    writer.commit(COMPLETE).await.unwrap();

    let place = (Context::Policy, FindingKey::Flaw(1));
    let mut writer = open(&store, run, "Alpha").await;
    assert!(writer.held()[&place].is_open() && !writer.is_application_different());
    writer.vanish([place.clone()]);
    writer.commit(COMPLETE).await.unwrap();
    assert_eq!(store.counts(integration).await.unwrap().total, 0);
    let feed = store.changes(Since::Beginning, 10).await.unwrap();
    let kinds: Vec<_> = feed.iter().map(|row| (row.kind.as_str(), row.reason.as_deref())).collect();
    assert_eq!(kinds, [("new", None), ("closed", Some("vanished"))]);

    let hash = Sha256::digest(record.to_string().as_bytes()).into();
    let writer = open(&store, run, "Alpha").await;
    assert!(writer.held()[&place].gone);
    assert!(writer.key_of_hash(&Context::Policy, &hash).is_none(), "it has to be judged again");
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
    assert_eq!(writer.key_of_hash(&Context::Policy, &hash), Some(&FindingKey::Flaw(1)));
    assert_eq!(writer.commit(COMPLETE).await.unwrap().rows, 1);

    let mut writer = open(&store, run, "Alpha").await;
    writer.put_undecodable(&Context::Policy, "novel", "{}", hash).await.unwrap();
    writer.commit(Reading::Incomplete { read_ms: 6, reason: "novel".into() }).await.unwrap();
    let marks = store.application_marks(integration).await.unwrap();
    assert_eq!((marks[0].read_ms, store.undecodable().await.unwrap().len()), (None, 1));
}

#[tokio::test]
async fn stores_that_cannot_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.sqlite");
    std::fs::write(&path, "no database").unwrap();
    let error = Store::open(&path).await.err().unwrap().to_string();
    assert!(error.contains("store.sqlite"), "{error}");

    let newer = tempfile::tempdir().unwrap();
    drop(store(newer.path()).await);
    let path = newer.path().join("store.sqlite");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute("insert into refinery_schema_history select 99, 'future', applied_on, checksum from refinery_schema_history limit 1", [])
        .unwrap();
    let error = Store::open(&path).await.err().unwrap().to_string();
    assert!(error.contains("newer version"), "{error}");
}

#[tokio::test]
async fn one_process_syncs_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let (store, integration, _) = store(folder.path()).await;
    let lock = store.lock_for_sync().unwrap();
    assert!(store.lock_for_sync().unwrap_err().is_busy());
    drop(lock);
    store.lock_for_sync().unwrap();
    assert!(store.add_integration(credential("test")).await.unwrap_err().is_existing());
    store.remove_integration(integration).await.unwrap();
    assert!(store.integration("test").await.unwrap_err().is_not_found());
}
