//! Two thousand connections from one address that say nothing, in every state that a
//! connection can be in: each is ended, and whoever asks meanwhile from the same address
//! is answered. Nothing here measures time: `bench/run silence` does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use countersign_web::Limits;

use crate::silence::{Door, Silence};

const CONNECTIONS: usize = 2000;
/// Of each listener: what nobody reads is held by the system, megabytes for each.
const DEAF: usize = 4;
/// Longest that a listener under siege waits for anybody.
pub const LIMIT: Duration = Duration::from_secs(5);
/// Between two bytes of what trickles.
const TICK: Duration = Duration::from_millis(250);

/// How long no connection is ended to make room for another.
const SAFE: Duration = LIMIT.checked_div(2).expect("not divided by 0");

/// Of a listener under siege.
pub fn limits() -> Limits {
    Limits {
        safe: SAFE,
        handshake: LIMIT,
        head: LIMIT,
        idle: LIMIT,
        body_stall: LIMIT,
        body_time: LIMIT,
        write_stall: LIMIT,
        ..Limits::default()
    }
}

/// One listener at a time: each takes thousands of descriptors.
static SIEGE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Keeps silent at `door` and asks at `polite`, which is another caller of the same
/// listener, if it tells callers apart.
pub async fn besiege(door: Door, polite: Door) {
    let _alone = SIEGE.lock().await;
    let (soft, hard) = (16_384, rustix::process::getrlimit(rustix::process::Resource::Nofile));
    let raised =
        rustix::process::Rlimit { current: Some(soft.min(hard.maximum.unwrap_or(soft))), ..hard };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised)
        .expect("the hard limit holds");
    let kinds = Silence::ALL.into_iter().filter(|kind| *kind != Silence::Deaf);
    let kinds: Vec<_> = kinds.filter(|kind| door.trusts.is_some() || kind.is_plain()).collect();
    let deaf = std::iter::repeat_n(Silence::Deaf, if door.large.1.is_empty() { 0 } else { DEAF });
    let all = deaf.chain(kinds.into_iter().cycle()).take(CONNECTIONS);
    let silent: Vec<_> = all
        .map(|kind| {
            let door = door.clone();
            tokio::spawn(async move { kind.keep(&door, TICK).await })
        })
        .collect();
    let is_over = Arc::new(AtomicBool::new(false));
    let asking = {
        let is_over = Arc::clone(&is_over);
        tokio::spawn(async move {
            let mut asked = 0;
            while !is_over.load(Ordering::SeqCst) {
                let start = Instant::now();
                match polite.ask().await {
                    Ok(status) => {
                        assert_eq!(status, 200, "after {asked}");
                        asked += 1;
                    }
                    // On a machine that does much else, an answer may take longer than a
                    // connection is safe.
                    Err(_) if start.elapsed() >= SAFE => {}
                    Err(error) => panic!("no answer after {asked}: {error}"),
                }
            }
            asked
        })
    };
    for ended in silent {
        ended.await.expect("no panic").expect("it came in, and was ended");
    }
    is_over.store(true, Ordering::SeqCst);
    assert!(asking.await.expect("no panic") > 0);
}
