//! The daily look at the store, in a time that tests make pass.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use countersign_connector::duty::walk;
use countersign_connector::health::{Tell, daily};
use countersign_store::{Problem, Store};
use tokio::sync::mpsc;

use crate::life::{DAY_MS, PATIENCE, Time, credential};

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
    task.abort();
}
