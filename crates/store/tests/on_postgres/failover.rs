//! The server goes while several write: they go on with the one that takes its place, and nothing
//! that was acknowledged is lost, and nothing is there twice.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_findings::{Context, Finding};
use countersign_store::{Change, ChangeKind, Error, Put, RunId, RunKind, Store};
use countersign_testkit::failover::Pair;
use sha2::{Digest, Sha256};

use crate::engine;
use crate::suite::{COMPLETE, application, credential, flaw};

const WRITERS: i64 = 3;
const READINGS: i64 = 60;
/// Findings of a reading.
const EACH: i64 = 4;

/// Ids of findings.
type Ids = BTreeSet<String>;

/// A reading that finds some more each time; answers which are new.
async fn read(store: &Store, run: RunId, name: &str, round: i64) -> Result<Ids, Error> {
    let (application, raw) = application(name);
    let mut writer = store.open_application(run, &application, &raw).await?;
    let mut new = Ids::new();
    for n in 0..(round + 1) * EACH {
        let raw = flaw(n, n % 6, 80, "x", None, "OPEN").to_string();
        let finding = Finding::decode(&raw, &application.guid, &Context::Policy).unwrap();
        new.insert(finding.id.to_string());
        if writer.held().contains_key(&finding.id.to_bytes()) {
            continue;
        }
        let hash = Sha256::digest(raw.as_bytes()).into();
        let change = Some(Change { kind: ChangeKind::New, differences: Vec::new() });
        writer.put(Put { finding, raw: &raw, hash, change }).await?;
    }
    writer.commit(COMPLETE).await?;
    Ok(new)
}

/// Reads again what failed; answers what was acknowledged, and how often it was not.
async fn write(store: Store, run: RunId, name: String, done: Arc<AtomicUsize>) -> (Ids, usize) {
    let (mut acknowledged, mut failed) = (Ids::new(), 0);
    for round in 0..READINGS {
        loop {
            match read(&store, run, &name, round).await {
                Ok(new) => break acknowledged.extend(new),
                Err(error) => {
                    assert!(!error.is_damage() && !error.is_outdated(), "{error}");
                    failed += 1;
                    tokio::task::yield_now().await;
                }
            }
        }
        done.fetch_add(1, Ordering::SeqCst);
    }
    (acknowledged, failed)
}

/// What becomes of the servers in the middle.
async fn survives(disaster: fn(&mut Pair)) {
    let mut pair = tokio::task::spawn_blocking(Pair::start).await.unwrap();
    let url = tokio::task::block_in_place(|| pair.create("store"));
    let store = Store::open_url(&url, None).await.unwrap();
    let id = store.add_integration(credential("test"), None).await.unwrap();
    let run = store.begin_run(id, RunKind::Full, 1).await.unwrap();
    let done = Arc::new(AtomicUsize::new(0));
    let mut writers = Vec::new();
    for at in 0..WRITERS {
        let own = Store::open_url(&url, None).await.unwrap();
        writers.push(tokio::spawn(write(own, run, format!("App{at}"), Arc::clone(&done))));
    }
    while done.load(Ordering::SeqCst) < (WRITERS * READINGS / 3) as usize {
        tokio::task::yield_now().await;
    }
    let disaster = tokio::task::spawn_blocking(move || {
        disaster(&mut pair);
        pair
    });
    let (mut acknowledged, mut failed) = (Ids::new(), 0);
    for writer in writers {
        let (own, times) = writer.await.unwrap();
        acknowledged.extend(own);
        failed += times;
    }
    let _pair = disaster.await.unwrap();
    assert!(failed > 0, "nobody noticed");
    assert_eq!(store.check().await.unwrap(), []);
    let (start, hosts) = url.split_once("?host=").unwrap();
    let one_by_one = hosts.replace(',', "&host=");
    let direct = format!("{start}?host={one_by_one}&target_session_attrs=read-write");
    let direct = engine::direct_to(&direct);
    let there = direct.rows("select encode(finding_id, 'hex') from findings");
    assert_eq!(there.len() as i64, WRITERS * READINGS * EACH);
    assert_eq!(there.into_iter().collect::<Ids>(), acknowledged);
    let changes = "select count(*) = max(seq) and count(*) = count(distinct finding) from changes";
    assert_eq!(direct.rows(changes), ["t"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn the_primary_is_killed_and_its_standby_promoted() {
    survives(Pair::fail_over).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn the_server_is_killed_and_started_again() {
    survives(Pair::restart_primary).await;
}

/// Of several servers the one that accepts writes is used, and a connection to one that stopped to
/// is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_accepts_no_writes_is_left() {
    let mut pair = tokio::task::spawn_blocking(Pair::start).await.unwrap();
    let url = tokio::task::block_in_place(|| pair.create("store"));
    let (start, hosts) = url.split_once("?host=").unwrap();
    let (one, two) = hosts.split_once(',').unwrap();
    let at = |host: &str| format!("{start}?host={host}");
    // The standby first.
    let store = Store::open_url(&at(&format!("{two},{one}")), None).await.unwrap();
    store.add_integration(credential("test"), None).await.unwrap();
    // Alone, it is read, and says what is wrong.
    let standby = Store::open_url(&at(two), None).await.unwrap();
    assert_eq!(standby.integrations().await.unwrap().len(), 1);
    let told = standby.ask_for_run("test", 5).await.unwrap_err().to_string();
    assert!(told.contains("hint: connect to the primary"), "{told}");
    // The first is no longer the primary, and its connections stay.
    tokio::task::block_in_place(|| pair.promote_standby());
    let direct = engine::direct_to(&at(one));
    direct.execute("alter system set synchronous_standby_names = ''").unwrap();
    direct.execute("alter system set default_transaction_read_only = on").unwrap();
    direct.rows("select pg_reload_conf()");
    let told = loop {
        if let Err(error) = store.ask_for_run("test", 6).await {
            break error.to_string();
        }
    };
    assert!(told.contains("hint: connect to the primary"), "{told}");
    store.ask_for_run("test", 7).await.unwrap();
    let asked = engine::direct_to(&at(two)).rows("select asked_ms from schedules");
    assert_eq!(asked, ["7"]);
}
