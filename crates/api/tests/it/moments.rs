//! A sync between two pages neither repeats a finding nor loses one.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use countersign_store::{AccountId, ChangeKind};
use proptest::prelude::*;

use crate::{Desk, flaw, guid};

/// What a sync between two pages does.
#[derive(Debug, Clone)]
enum Sync {
    /// Gives findings another severity.
    Change(i64),
    /// Closes some.
    Close(i64),
    /// Brings new ones, of the same application or another.
    Add(u32),
}

fn sync() -> impl Strategy<Value = Sync> {
    prop_oneof![
        (0..6_i64).prop_map(Sync::Change),
        (1..9_i64).prop_map(Sync::Close),
        (1..4_u32).prop_map(Sync::Add),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn pages_are_whole_through_syncs(
        limit in 1..60_u32,
        syncs in proptest::collection::vec(sync(), 0..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(walk(limit, syncs));
    }
}

async fn walk(limit: u32, syncs: Vec<Sync>) {
    let desk = Desk::start().await;
    let seat = desk.seat(AccountId::OWN, "prod").await;
    let flaws: Vec<_> = (0..90).map(|n| flaw(n, n % 6, "OPEN")).collect();
    desk.bring_in(&seat, &guid(1), &flaws, ChangeKind::New).await;
    let began = |answer: &crate::Answer| answer.results();
    let (mut seen, mut cursor) = (BTreeMap::<String, u32>::new(), String::new());
    let mut syncs = syncs.into_iter();
    let mut next = 100;
    loop {
        let target = format!("/findings?limit={limit}&cursor={cursor}");
        let answer = desk.get(&seat, &target).await;
        for finding in began(&answer) {
            let uid = finding["finding_info"]["uid"].as_str().unwrap();
            *seen.entry(uid.to_owned()).or_default() += 1;
        }
        cursor = answer.cursor();
        if cursor.is_empty() {
            break;
        }
        desk.now_ms.fetch_add(60_000, Ordering::SeqCst);
        match syncs.next() {
            None => {}
            Some(Sync::Change(by)) => {
                let flaws: Vec<_> = (0..90).map(|n| flaw(n, (n + by) % 6, "OPEN")).collect();
                desk.bring_in(&seat, &guid(1), &flaws, ChangeKind::Changed).await;
            }
            Some(Sync::Close(each)) => {
                let flaws: Vec<_> =
                    (0..90).step_by(each as usize).map(|n| flaw(n, n % 6, "CLOSED")).collect();
                desk.bring_in(&seat, &guid(1), &flaws, ChangeKind::Closed).await;
            }
            Some(Sync::Add(application)) => {
                let flaws: Vec<_> = (next..next + 20).map(|n| flaw(n, n % 6, "OPEN")).collect();
                next += 20;
                desk.bring_in(&seat, &guid(application), &flaws, ChangeKind::New).await;
            }
        }
    }
    assert!(seen.values().all(|times| *times == 1), "repeated: {seen:?}");
    // Everything that was there from the beginning to the end, and all that came meanwhile.
    let (whole, _) = desk.all(&seat, "/findings?limit=5000").await;
    for finding in whole {
        let uid = finding["finding_info"]["uid"].as_str().unwrap();
        assert!(seen.contains_key(uid), "lost: {uid}");
    }
}
