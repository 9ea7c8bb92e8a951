//! How things stand: whether what is stored is up to date and can be relied on.
//!
//! A server looks through the store once a day, in small pieces with pauses, so that whoever
//! reads or syncs does not wait for it; once an hour while something is damaged. One that starts
//! goes on from the last look, whoever had it.

mod standing;

use std::sync::Arc;

use countersign_store::{Error, Freshness, Problem, Store};

pub use standing::{BEHIND_MS, Mark, STILL_MS, Standing, Trouble, UNENDED_MS};

use crate::Clock;
use crate::duty::{Round, Scheduler, Wait};
use crate::times::DAY_MS;

/// Between two looks whether it is time.
const HOUR_MS: i64 = 3_600_000;
/// Between two pieces of one check.
const PAUSE_MS: u64 = 200;

/// Told how each check ended: what is damaged, or why it could not be looked at.
pub type Tell = Arc<dyn Fn(Result<Vec<Problem>, Error>) + Send + Sync>;

/// How each integration stands, by name.
pub async fn standings(
    store: &Store,
    scheduler: Option<&Scheduler>,
    now_ms: i64,
) -> Result<Vec<Standing>, Error> {
    let states = scheduler.map(Scheduler::states).unwrap_or_default();
    let judge = |fresh: &Freshness| {
        let state = states.iter().find(|state| state.integration == fresh.integration);
        Standing::judge(fresh, state, now_ms)
    };
    Ok(store.freshness().await?.iter().map(judge).collect())
}

/// The check as a round of its own, which looks once an hour whether it is time.
pub fn daily(store: Store, clock: Clock, wait: Wait, tell: Tell) -> Round {
    let act = move || {
        let (store, clock, wait, tell) =
            (store.clone(), Arc::clone(&clock), Arc::clone(&wait), Arc::clone(&tell));
        Box::pin(async move { look_after(&store, &clock, &wait, &tell).await }) as _
    };
    Round { every_ms: HOUR_MS, act: Arc::new(act) }
}

async fn look_after(store: &Store, clock: &Clock, wait: &Wait, tell: &Tell) {
    let found = match store.last_check().await {
        Ok(Some(last)) if last.problems == 0 && (0..DAY_MS).contains(&(clock() - last.at_ms)) => {
            return;
        }
        Ok(_) => check(store, wait).await,
        Err(error) => Err(error),
    };
    // Where pages, metrics and snapshots find it.
    let noted = match &found {
        Ok(problems) => store.note_check(problems, clock()).await,
        Err(_) => Ok(()),
    };
    tell(found);
    if let Err(error) = noted {
        tell(Err(error));
    }
}

async fn check(store: &Store, wait: &Wait) -> Result<Vec<Problem>, Error> {
    let mut checkup = store.checkup().await?;
    let mut problems = Vec::new();
    while let Some(found) = checkup.step().await? {
        problems.extend(found);
        wait(PAUSE_MS).await;
    }
    Ok(problems)
}
