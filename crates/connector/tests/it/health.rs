//! The daily look at the store, in a time that tests make pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use countersign_connector::Clock;
use countersign_connector::duty::{Wait, walk};
use countersign_connector::health::{Tell, daily};
use countersign_store::{Problem, Store};
use tokio::sync::mpsc;

use crate::life::{DAY_MS, PATIENCE, Time, credential};

const HOUR_MS: i64 = 3_600_000;

#[tokio::test]
async fn a_damaged_store_is_told_once_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.sqlite");
    let store = Store::open(&path).await.unwrap();
    store.add_integration(credential("a", "https://x", "0a"), None).await.unwrap();
    let time = Time::new(Arc::new(AtomicI64::new(1_780_272_000_000)));
    let (sender, mut told) = mpsc::unbounded_channel();
    let tell: Tell = Arc::new(move |found| sender.send(found).unwrap_or_default());
    let task = tokio::spawn(walk(
        vec![daily(store.clone(), time.clock(), time.wait(), tell)],
        time.clock(),
        time.wait(),
    ));
    let mut next = async || -> Vec<Problem> {
        loop {
            // Each piece is followed by a pause, in which others work.
            match told.try_recv() {
                Ok(found) => return found.unwrap(),
                Err(_) => {
                    let passes = time.set(time.now() + 200);
                    tokio::time::timeout(PATIENCE, passes).await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
        }
    };
    assert_eq!(next().await, []);
    let direct = rusqlite::Connection::open(&path).unwrap();
    direct
        .execute_batch("drop trigger audit_keeps_what_it_has; update audit set act = 'x';")
        .unwrap();
    drop(direct);
    time.set(time.now() + DAY_MS).await;
    let found = next().await;
    assert!(found.iter().any(|one| one.what.contains("audit log")), "{found:?}");
    let last = store.last_check().await.unwrap().unwrap();
    assert_eq!((last.problems, last.first), (1, Some(found[0].what.clone())));
    assert!(!last.is_mended_by_full_sync);
    // While it is damaged, it is looked at once an hour.
    time.set(time.now() + HOUR_MS).await;
    assert_eq!(next().await, found);
    task.abort();
}

#[tokio::test]
async fn a_server_that_starts_anew_looks_when_a_day_has_passed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
    let (now_ms, told) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
    for (passed_ms, expected) in [(0, 1), (DAY_MS - HOUR_MS, 1), (DAY_MS, 2), (2 * DAY_MS, 3)] {
        now_ms.store(1_780_272_000_000 + passed_ms, Ordering::Relaxed);
        let shown = Arc::clone(&now_ms);
        let clock: Clock = Arc::new(move || shown.load(Ordering::Relaxed));
        let counted = Arc::clone(&told);
        let tell: Tell = Arc::new(move |found| {
            found.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
        });
        // Without the pauses.
        let at_once: Wait = Arc::new(|_| Box::pin(std::future::ready(())));
        (daily(store.clone(), clock, at_once, tell).act)().await;
        assert_eq!(told.load(Ordering::Relaxed), expected, "after {passed_ms} ms");
    }
}
