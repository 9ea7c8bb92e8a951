//! A client that calls without a pause, and how that went.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use countersign_client::Client;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub(crate) struct Hammer {
    stop: Arc<AtomicBool>,
    calling: JoinHandle<Calls>,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Calls {
    pub(crate) made: u64,
    pub(crate) failed: u64,
    /// In milliseconds, ascending.
    pub(crate) took_ms: Vec<f64>,
    pub(crate) first_failure: Option<String>,
}

impl Hammer {
    pub(crate) fn start(client: Client) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let calling = tokio::spawn(async move {
            let mut calls = Calls::default();
            while !seen.load(Ordering::Relaxed) {
                let began = Instant::now();
                let outcome = client.self_user().await;
                calls.took_ms.push(began.elapsed().as_secs_f64() * 1000.0);
                calls.made += 1;
                if let Err(error) = outcome {
                    calls.failed += 1;
                    calls.first_failure.get_or_insert(error.to_string());
                }
                // The processes that rotate need the processor too.
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
            calls.took_ms.sort_by(f64::total_cmp);
            calls
        });
        Self { stop, calling }
    }

    pub(crate) async fn stop(self) -> Calls {
        self.stop.store(true, Ordering::Relaxed);
        self.calling.await.unwrap_or_default()
    }
}
