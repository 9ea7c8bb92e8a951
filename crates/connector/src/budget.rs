//! The requests of the last minute, counted for all processes on this machine, or for all machines
//! that share a database.
//!
//! The service limits an address. So syncs, monitoring, the signing proxy and whoever works
//! at a terminal have one file, locked for as long as it takes to read and write it. It is
//! beside the store, and not in it: there a question for a place would wait behind findings
//! that are written. Nothing is taken ahead of need, so there is nothing to give back, and a
//! process that dies leaves nothing behind. It outlives no loss of power; then a minute has
//! passed as well.
//!
//! Where the store is a database, a minute is a row there, and the clock is the database's: machines
//! that reach the service from one address share it. While the database does not answer, the
//! processes of a machine share a tenth of the minute by their file: ten machines are then still
//! within the limit.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign_client::{Answered, Ask, Given, Ledger, Minute, ShareOfMinute};
use countersign_files as files;
use countersign_store::Store;
use tokio::time::{Instant, sleep, timeout};

use crate::{Clock, Random};

/// The longest that another process may take with the file; one that was stopped keeps it.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// What is larger was not written here.
const MAX_BYTES: u64 = 16 << 20;

/// Machines that keep to the limit together although the database does not answer.
const MACHINES: u32 = 10;

/// The file, or the database.
#[derive(Clone)]
pub struct SharedBudget {
    path: Arc<Path>,
    clock: Clock,
    /// Tells those of this process from all others.
    process: u64,
    database: Option<InDatabase>,
}

/// Rows of a database.
#[derive(Clone)]
struct InDatabase {
    store: Store,
    egress: Arc<str>,
    /// Whether it was reported that it does not answer.
    was_told: Arc<AtomicBool>,
}

/// What is known of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostBudget {
    /// Which.
    pub host: String,
    /// Its shares.
    pub shares: Vec<ShareOfMinute>,
    /// For how long nothing starts because the service answered 429.
    pub closed_for: Option<Duration>,
}

type Hosts = BTreeMap<String, Minute>;

impl SharedBudget {
    /// The file is made when it is needed.
    pub fn at(path: &Path, clock: Clock, random: &Random) -> Self {
        let mut process = [0; 8];
        random(&mut process);
        Self { path: path.into(), clock, process: u64::from_le_bytes(process), database: None }
    }

    /// The same in the database of a store, shared by all who reach services from the address
    /// that they call `egress`.
    #[must_use]
    pub fn within(self, store: Store, egress: &str) -> Self {
        let database = InDatabase { store, egress: egress.into(), was_told: Arc::default() };
        Self { database: Some(database), ..self }
    }

    /// What started within the last minute, and who waits.
    pub async fn hosts(&self) -> Result<Vec<HostBudget>, String> {
        let (hosts, now_ms): (Hosts, i64) = match &self.database {
            Some(database) => {
                let minutes = database.store.minutes(&database.egress).await;
                let (minutes, now_ms) = minutes.map_err(|error| error.to_string())?;
                (minutes.into_iter().map(|(host, text)| (host, minute(&text))).collect(), now_ms)
            }
            // A look creates nothing.
            None if !self.path.exists() => return Ok(Vec::new()),
            None => (read(&mut self.locked().await?)?, (self.clock)()),
        };
        let seen = hosts.into_iter().filter(|(_, minute)| !minute.is_idle(now_ms));
        let seen = seen.map(|(host, minute)| HostBudget {
            host,
            shares: minute.shares(now_ms),
            closed_for: minute.closed_for(now_ms),
        });
        Ok(seen.collect())
    }

    async fn ask_now(&self, mut ask: Ask) -> Result<Given, String> {
        ask.holder = self.process.wrapping_add(ask.holder);
        let Some(database) = &self.database else { return self.ask_file(ask).await };
        match database.ask(ask.clone()).await {
            Ok(given) => {
                if database.was_told.swap(false, Ordering::Relaxed) {
                    tracing::info!("requests of all machines are counted again");
                }
                Ok(given)
            }
            Err(why) => {
                if !database.was_told.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        "requests of other machines are not counted: {why}; until they are, this machine starts a tenth of `client.requests_per_minute`"
                    );
                }
                let limit = (ask.limit / MACHINES).max(1);
                self.ask_file(Ask { limit, ..ask }).await
            }
        }
    }

    async fn ask_file(&self, ask: Ask) -> Result<Given, String> {
        let mut file = self.locked().await?;
        let mut hosts = read(&mut file)?;
        // After the lock: whoever waits longest must not be the one with the oldest time.
        let now_ms = (self.clock)();
        hosts.retain(|host, minute| *host == ask.host || !minute.is_idle(now_ms));
        let given = hosts.entry(ask.host.clone()).or_default().ask(&ask, now_ms);
        write(&mut file, &hosts)?;
        Ok(given)
    }

    async fn locked(&self) -> Result<File, String> {
        let failed = |what: String| format!("`{}`: {what}", self.path.display());
        let file = files::lock_file(&self.path).map_err(|error| error.to_string())?;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if began.elapsed() < PATIENCE => {
                    sleep(LOOK_AGAIN).await;
                }
                Err(TryLockError::WouldBlock) => {
                    let seconds = PATIENCE.as_secs();
                    return Err(failed(format!("another process has kept it for {seconds} s")));
                }
                Err(TryLockError::Error(error)) => return Err(failed(error.to_string())),
            }
        }
    }
}

impl InDatabase {
    async fn ask(&self, ask: Ask) -> Result<Given, String> {
        let host = ask.host.clone();
        let asked = self.store.change_minute(&self.egress, &host, move |text, now_ms| {
            let mut minute = text.map(minute).unwrap_or_default();
            let given = minute.ask(&ask, now_ms);
            (serde_json::to_string(&minute).unwrap_or_default(), given)
        });
        match timeout(PATIENCE, asked).await {
            Ok(answered) => answered.map_err(|error| error.to_string()),
            Err(_) => {
                let seconds = PATIENCE.as_secs();
                Err(format!("`{}` has not answered for {seconds} s", self.store.place()))
            }
        }
    }
}

/// What another version wrote counts nothing.
fn minute(text: &str) -> Minute {
    serde_json::from_str(text).unwrap_or_default()
}

impl Ledger for SharedBudget {
    fn ask(&self, ask: Ask) -> Answered<'_> {
        Box::pin(self.ask_now(ask))
    }
}

/// What was written last. A file that cannot be read is of a machine that lost its power, or
/// of another version: it counts nothing.
fn read(file: &mut File) -> Result<Hosts, String> {
    let mut text = Vec::new();
    let failed = |error: std::io::Error| format!("failed to read it: {error}");
    (&mut *file).take(MAX_BYTES).read_to_end(&mut text).map_err(failed)?;
    // What a longer text has left behind it is none of it.
    let mut values = serde_json::Deserializer::from_slice(&text).into_iter::<Hosts>();
    Ok(values.next().and_then(Result::ok).unwrap_or_default())
}

fn write(file: &mut File, hosts: &Hosts) -> Result<(), String> {
    let mut text = serde_json::to_vec(hosts).map_err(|error| error.to_string())?;
    text.push(b'\n');
    let written = file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(&text));
    let cut = written.and_then(|()| file.set_len(text.len() as u64));
    cut.map_err(|error| format!("failed to write it: {error}"))
}
