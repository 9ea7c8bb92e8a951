//! Cells that are not as they were written: hashes and seals tell, and nothing is read that was
//! not written.

use std::path::Path;

use countersign_findings::filter::Expression;
use countersign_store::{
    ChangeKind, Error, FindingRow, FindingVersion, Order, Query, RunKind, Since, Store,
};
use sha2::{Digest, Sha256};

use super::{COMPLETE, flaw, open, put, store};
use crate::engine;

/// A store at rest with two applications, changes of both, data paths, and what cannot be
/// read.
pub(crate) async fn healthy(folder: &Path) {
    let (store, _, run) = store(folder).await;
    for (name, count) in [("Alpha", 220), ("Beta", 60)] {
        let mut writer = open(&store, run, name).await;
        for n in 0..count {
            let title = format!("title {}", n % 7);
            let file = format!("src/{}.rs", n % 40);
            let record = flaw(n, n % 6, 70 + n % 20, &title, Some(&file), "OPEN");
            put(&mut writer, name, &record, Some(ChangeKind::New)).await;
        }
        writer.commit(COMPLETE).await.unwrap();
    }
    let mut writer = open(&store, run, "Alpha").await;
    for n in 0..20 {
        let record = flaw(n, 5, 70, "another title", None, "CLOSED");
        put(&mut writer, "Alpha", &record, Some(ChangeKind::Closed)).await;
    }
    let raw = r#"{"not": "a finding"}"#;
    let hash = Sha256::digest(raw.as_bytes()).into();
    let context = countersign_findings::Context::Policy;
    writer.put_undecodable(&context, "no key", raw, hash).await.unwrap();
    writer.commit(COMPLETE).await.unwrap();
    store.close().await;
}

fn cell(row: &FindingRow) -> String {
    format!(
        "{:?} {} {} {} {} {} {} {:?} {:?}",
        row.finding,
        row.application_name,
        row.integration,
        row.gone,
        row.raw,
        row.added_ms,
        row.changed_ms,
        row.last,
        row.paths
    )
}

/// Every cell that exports and pages read, by finding and by application.
pub(crate) async fn cells(store: &Store) -> Result<Vec<String>, Error> {
    let query =
        Query { filter: Expression::default(), limit: 10_000, after: None, order: Order::Arrival };
    let generation = store.generation().await?;
    let total = store.count_findings(Expression::default()).await?;
    let findings = store.findings(query.clone()).await?;
    let mut cells: Vec<_> = findings.iter().map(cell).collect();
    // What a page reads, one after the other, is the same.
    let paged = store.page(query, |versions, reader| {
        let rows: Vec<_> = versions.iter().map(FindingVersion::row).collect();
        let mut cells = Vec::new();
        reader.findings(&rows, |row| {
            let guid = row.finding.application.as_str();
            let application = reader.application(&row.integration, guid)?;
            application.ok_or_else(|| Error::missing_application(guid))?;
            cells.push(cell(&row));
            Ok(())
        })?;
        Ok(cells)
    });
    assert_eq!(paged.await?, cells);
    // As an export does: fewer than there are is an error.
    if total != findings.len() as u64 && generation == store.generation().await? {
        return Ok(vec!["an export notices".into()]);
    }
    for row in store.applications().await? {
        cells.push(format!(
            "{:?} {} {} {:?} {:?} {:?} {}",
            row.application,
            row.integration,
            row.gone,
            row.read_ms,
            row.incomplete,
            row.open,
            row.findings
        ));
    }
    let feed = store.changes(Since::Beginning, 10_000).await?;
    cells.extend(feed.iter().map(|row| format!("{row:?}")));
    Ok(cells)
}

#[tokio::test]
async fn words_that_were_replaced_since_a_search_are_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _, run) = store(folder.path()).await;
    let text: Expression = "text[like]common".parse().unwrap();
    for round in 0..6 {
        let mut writer = open(&store, run, "Alpha").await;
        for n in 0..300 {
            let record = flaw(n, 3, 79, &format!("common round{round}"), None, "OPEN");
            put(&mut writer, "Alpha", &record, Some(ChangeKind::New)).await;
        }
        writer.commit(COMPLETE).await.unwrap();
        assert_eq!(store.check().await.unwrap(), [], "round {round}");
        assert_eq!(store.count_findings(text.clone()).await.unwrap(), 300);
    }
}

#[tokio::test]
async fn what_a_full_reading_finds_damaged_is_written_anew() {
    for damage in [
        "update records set raw = unhex('00') where finding = 3",
        "delete from records where finding = 3",
        "update findings set severity = 0 where id = 6",
        "update findings set context = 99 where id = 7",
        "update findings set finding_id = unhex('00010203040506070809') where id = 8",
        "update findings set added_ms = 1, changed_ms = 2, kind = 2 where id = 9",
        "update findings set gone = 1 where id = 10",
        "update findings set hash = (select hash from findings where id = 12) where id = 11",
        "update tallies set findings = findings + 7 where severity = 3 and state = 0",
        "update counts set findings = findings + 7 where field = 1 and value = 70",
        "update applications set name = 'x' where id = 1",
        "update applications set raw = unhex('00') where id = 1",
        "delete from stretches",
        "update stretches set last = last - 1",
        "update stretches set first = first + 1",
        "insert into stretches (integration, first, last) select integration, 3, 4 from stretches",
    ] {
        let folder = tempfile::tempdir().unwrap();
        healthy(folder.path()).await;
        let sound = engine::open(folder.path()).await;
        let truth = cells(&sound).await.unwrap();
        let feed = sound.changes(Since::Beginning, 10_000).await.unwrap();
        sound.close().await;
        let direct = engine::direct(folder.path());
        direct.unguard_references();
        assert!(direct.execute(damage).unwrap() > 0, "{damage}");
        drop(direct);
        let store = engine::open(folder.path()).await;
        let problems = store.check().await.unwrap();
        assert!(problems.iter().any(|one| one.is_mended_by_full_sync), "{damage}: {problems:?}");
        let integration = store.integration("test").await.unwrap().id;
        let run = store.begin_run(integration, RunKind::Full, 9).await.unwrap();
        store.ready_for_full().await.unwrap();
        let mut writer = open(&store, run, "Alpha").await;
        let damaged: Vec<_> =
            writer.held().values().filter(|held| held.is_damaged()).copied().collect();
        assert!(damaged.len() <= 1, "{damage}");
        // All of it comes again; what is sound stops at its hash.
        for n in 0..220 {
            let title = format!("title {}", n % 7);
            let file = format!("src/{}.rs", n % 40);
            let record = match n {
                0..20 => flaw(n, 5, 70, "another title", None, "CLOSED"),
                _ => flaw(n, n % 6, 70 + n % 20, &title, Some(&file), "OPEN"),
            };
            let hash = Sha256::digest(record.to_string().as_bytes()).into();
            let context = countersign_findings::Context::Policy;
            if writer.id_of_hash(&context, &hash).is_none() {
                put(&mut writer, "Alpha", &record, None).await;
            }
        }
        let raw = r#"{"not": "a finding"}"#;
        let hash = Sha256::digest(raw.as_bytes()).into();
        let context = countersign_findings::Context::Policy;
        writer.put_undecodable(&context, "no key", raw, hash).await.unwrap();
        writer.commit(COMPLETE).await.unwrap();
        assert_eq!(store.check().await.unwrap(), [], "{damage}");
        assert_eq!(cells(&store).await.unwrap(), truth, "{damage}");
        let after = store.changes(Since::Beginning, 10_000).await.unwrap();
        assert_eq!(after, feed, "{damage}");
    }
}

#[tokio::test]
async fn a_wrong_cell_of_the_feed_is_told_and_not_read() {
    for damage in [
        "update changes set at_ms = at_ms + 1 where seq = 5",
        "update changes set finding = 7 where seq = 5",
        "update changes set kind = 2 where seq = 5",
        "update changes set reason = 'vanished' where seq = 5",
        "update changes set severity = (severity + 1) % 6 where seq = 5",
        "update changes set differences = '[]' where seq = 5",
        "update changes set run = run + 1 where seq = 5",
        "update changes set seq = 900 where seq = 5",
        "update changes set seal = null where seq = 5",
        "update findings set title = (select title from findings where id = 26) where id = 25",
        "update findings set application = 2 where id = 5",
        "update texts set text = 'x' where id = (select title from findings where id = 5)",
        "update applications set name = 'x' where id = 1",
    ] {
        let folder = tempfile::tempdir().unwrap();
        healthy(folder.path()).await;
        let direct = engine::direct(folder.path());
        assert_eq!(direct.execute(damage).unwrap(), 1, "{damage}");
        drop(direct);
        let store = engine::open(folder.path()).await;
        let read = store.changes(Since::Beginning, 10_000).await;
        assert!(read.is_err_and(|error| error.is_damage()), "{damage}");
        assert_ne!(store.check().await.unwrap(), [], "{damage}");
    }
}
