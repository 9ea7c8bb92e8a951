//! Looks through the store once a day while a server runs: in small pieces with pauses, so
//! that whoever reads or syncs does not wait for it.

use std::sync::Arc;

use countersign_store::{Error, Problem, Store};

use crate::Clock;
use crate::duty::Wait;

/// Between the beginnings of two checks.
const DAY_MS: i64 = 86_400_000;
/// Between two pieces of one check.
const PAUSE_MS: u64 = 200;
/// Longest wait: the clock is set, the machine sleeps, and nobody tells.
const LOOK_MS: u64 = 60_000;

/// Told how each check ended: what is damaged, or why it could not be looked at.
pub type Tell = Arc<dyn Fn(Result<Vec<Problem>, Error>) + Send + Sync>;

/// Checks the store again and again. Does not end by itself.
pub async fn look_after(store: Store, clock: Clock, wait: Wait, tell: Tell) {
    loop {
        let begun_ms = clock();
        let found = check(&store, &wait).await;
        // Where pages, metrics and snapshots find it.
        let noted = match &found {
            Ok(problems) => store.note_check(problems, clock()).await,
            Err(_) => Ok(()),
        };
        tell(found);
        if let Err(error) = noted {
            tell(Err(error));
        }
        // A clock that was set back is no reason to wait longer.
        while (0..DAY_MS).contains(&(clock() - begun_ms)) {
            wait(LOOK_MS).await;
        }
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
