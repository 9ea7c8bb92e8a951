//! Syncs that do not get to their end.

use countersign_files::quoted;
use countersign_store::{RunRow, Store, WHO_IS_CONNECTED};

use super::printable;
use super::trouble::{Diagnosis, Trouble};
use crate::error::Fault;
use crate::times::distance;

/// A first sync of a large account takes hours; one that takes longer hangs.
const LONG_MS: i64 = 6 * 60 * 60 * 1000;
/// Runs that are looked at.
const LOOK: u32 = 100;

/// The last sync of each integration that began and did not end: one that is under way is
/// fine until it takes too long, and one that nobody works on was cut off.
pub async fn syncs(store: &Store, now_ms: i64) -> Vec<Diagnosis> {
    // That it cannot be read is told of the store.
    let Ok(runs) = store.runs(None, LOOK).await else { return Vec::new() };
    // Of a store in a file one alone is under way at a time.
    let is_locked = !store.is_shared() && store.is_syncing(None).await.unwrap_or_default();
    let crews = store.crews().await.unwrap_or_default();
    let mut seen = Vec::new();
    let mut all = Vec::new();
    for run in runs {
        if seen.contains(&run.integration) {
            continue;
        }
        seen.push(run.integration.clone());
        if run.finished_ms.is_none() {
            let subject = format!("last sync of `{}`", printable(&run.integration));
            let of_run = crews.iter().find(|crew| crew.integration == run.integration);
            let is_under_way = is_locked || of_run.is_some_and(|crew| !crew.is_left);
            all.push(match trouble(&run, is_under_way, store, now_ms) {
                Some(trouble) => Diagnosis::trouble(subject, trouble),
                None => Diagnosis::well(format!("{subject}, which is under way")),
            });
        }
    }
    all
}

fn trouble(run: &RunRow, is_under_way: bool, store: &Store, now_ms: i64) -> Option<Trouble> {
    let began = distance(run.started_ms, now_ms);
    let name = quoted(&run.integration);
    if !is_under_way {
        return Some(Trouble::new(
            "sync_cut_off",
            Fault::Incomplete,
            format!("it began {began} and was cut off before its end; what it read is kept"),
            format!("`countersign sync {name}` continues with the others"),
        ));
    }
    if now_ms - run.started_ms < LONG_MS {
        return None;
    }
    let who = match store.sync_lock() {
        Some(lock) => {
            format!("`fuser -v {}` names the process; end it", quoted(&lock.display().to_string()))
        }
        None => format!(
            "`psql {} -c \"{WHO_IS_CONNECTED}\"` lists who is connected; end the sync there",
            quoted(&store.place())
        ),
    };
    Some(Trouble::new(
        "sync_stuck",
        Fault::Incomplete,
        format!("it began {began} and has not ended; another process holds the store for it"),
        format!("{who}, then run `countersign sync {name}`"),
    ))
}
