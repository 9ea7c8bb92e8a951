//! A platform, an integration with it, and a scheduler, in a time that tests make pass.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use countersign_client::{Budget, Client, Config as ClientConfig, Meter, ShareOfMinute, Url};
use countersign_connector::budget::HostBudget;
use countersign_connector::duty::{Config, Ended, Reads, Rule, Run, Scheduler, State, Wait};
use countersign_connector::metrics::Calls;
use countersign_connector::sync::plan::Scope;
use countersign_connector::sync::{Finished, Options, Watch};
use countersign_connector::watch::Policy;
use countersign_connector::{Clock, Connector, Fences, Random};
use countersign_platform::SeedSpec;
use countersign_signing::Pair;
use countersign_store::{CredentialKind, NewCredential, Store};
use countersign_testkit::{TestPlatform, repeatable_random};
use countersign_vault::{KeySource, SealedFile};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) const HOUR_MS: i64 = 3_600_000;
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;
/// Of real time: so long that something is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const NAME: &str = "prod";

pub(crate) fn rule(period_ms: i64) -> Rule {
    Rule {
        period_ms,
        windows: Vec::new(),
        zone: jiff::tz::TimeZone::UTC,
        jitter_ms: 0,
        full_every_ms: None,
        is_paused: false,
    }
}

/// A clock that only a test moves, and what has passed: setting a clock back makes nobody
/// wait longer.
#[derive(Clone)]
pub(crate) struct Time {
    now_ms: Arc<AtomicI64>,
    passed_ms: watch::Sender<i64>,
    waiting: watch::Sender<usize>,
}

impl Time {
    pub(crate) fn new(now_ms: Arc<AtomicI64>) -> Self {
        Self { now_ms, passed_ms: watch::Sender::new(0), waiting: watch::Sender::new(0) }
    }

    pub(crate) fn now(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    /// Once somebody waits: who still works would take up the wrong time.
    pub(crate) async fn set(&self, now_ms: i64) {
        let mut waiting = self.waiting.subscribe();
        let parked = tokio::time::timeout(PATIENCE, waiting.wait_for(|count| *count > 0)).await;
        assert!(parked.is_ok_and(|parked| parked.is_ok()), "nobody waits");
        let by_ms = now_ms - self.now_ms.swap(now_ms, Ordering::SeqCst);
        self.passed_ms.send_modify(|passed_ms| *passed_ms += by_ms.max(0));
    }

    pub(crate) fn clock(&self) -> Clock {
        let now_ms = Arc::clone(&self.now_ms);
        Arc::new(move || now_ms.load(Ordering::SeqCst))
    }

    pub(crate) fn wait(&self) -> Wait {
        let time = self.clone();
        Arc::new(move |ms| {
            let mut passed = time.passed_ms.subscribe();
            let until_ms = *passed.borrow() + i64::try_from(ms).unwrap();
            let waits = Waits::new(time.waiting.clone());
            Box::pin(async move {
                let _waits = waits;
                passed.wait_for(|passed_ms| *passed_ms >= until_ms).await.unwrap();
            })
        })
    }
}

/// Somebody who waits.
struct Waits(watch::Sender<usize>);

impl Waits {
    fn new(waiting: watch::Sender<usize>) -> Self {
        waiting.send_modify(|count| *count += 1);
        Self(waiting)
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// Waits until a scheduler stands as it is wanted.
pub(crate) async fn until(scheduler: &Scheduler, is_there: impl Fn(&[State]) -> bool) {
    let mut changed = scheduler.subscribe();
    let waited = tokio::time::timeout(PATIENCE, async {
        while !is_there(&scheduler.states()) {
            changed.changed().await.unwrap();
        }
    });
    assert!(waited.await.is_ok(), "it stands still: {:?}", scheduler.states());
}

pub(crate) fn credential(name: &str, url: &str, api_id: &str) -> NewCredential {
    NewCredential {
        name: name.into(),
        vault_name: format!("integration/{name}"),
        kind: CredentialKind::Hmac,
        url: url.into(),
        ca_pem: None,
        allow_http_loopback: false,
        api_id: api_id.into(),
        version: 1,
        added_ms: 0,
    }
}

/// What all processes of a machine asked for.
fn budget() -> Vec<HostBudget> {
    let share = ShareOfMinute { share: "prod".into(), started: 12, waiting: 3 };
    let closed_for = Some(Duration::from_millis(20_500));
    vec![HostBudget { host: "api.example.com".into(), shares: vec![share], closed_for }]
}

/// What it takes to ask the platform.
#[derive(Clone)]
struct Door {
    url: String,
    ca_pem: String,
    pair: Pair,
    meter: Meter,
}

impl Door {
    fn client(&self, connector: &Connector) -> Client {
        let mut config = ClientConfig::new(Url::parse(&self.url).unwrap());
        config.ca_pem = Some(self.ca_pem.as_bytes().to_vec());
        config.budget = Budget::alone(1_000_000);
        config.max_attempts = 2;
        config.request_timeout = Duration::from_secs(5);
        // Waits between tries are drawn from eight bytes: none, here.
        let draw = connector.random.clone();
        let random: Random =
            Arc::new(move |buffer| if buffer.len() == 8 { buffer.fill(0) } else { draw(buffer) });
        config.meter = self.meter.clone();
        Client::new(config, &self.pair, connector.clock.clone(), random).unwrap()
    }

    async fn pull(
        &self,
        connector: &Connector,
        reads: Reads,
        watch: Watch,
        stop: impl Future<Output = ()> + Send,
    ) -> Finished {
        let client = self.client(connector);
        let scope = match reads {
            Reads::Everything => Scope::Full,
            // With the distance of two runs it is less than a day.
            Reads::Changes => Scope::Incremental { sweep_ms: DAY_MS / 2 },
        };
        let options = Options { scope, page_size: 10, parallel: 3, ..Options::default() };
        let integration = connector.store.integration(NAME).await.unwrap().id;
        connector.sync_until(integration, client, options, watch, stop).await.unwrap()
    }
}

pub(crate) struct Life {
    pub(crate) test: TestPlatform,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) known: Connector,
    time: Time,
    door: Door,
    scheduler: Scheduler,
    task: JoinHandle<()>,
}

impl Life {
    pub(crate) async fn begin(spec: SeedSpec, rule: Rule) -> Self {
        let test = TestPlatform::start_controlled(spec).await;
        let pair = test.mint("reader", &["resultsapi", "noteamrestrictionapi"]).pair;
        let door = Door {
            url: test.platform.rest_url(),
            ca_pem: test.platform.ca_pem().into(),
            pair,
            meter: Meter::default(),
        };
        let time = Time::new(Arc::clone(&test.now_ms));
        let folder = tempfile::tempdir().unwrap();
        let known = connect(&door, &time, folder.path()).await;
        let (connector, through) = (known.clone(), door.clone());
        let run: Run = Arc::new(move |job| {
            let (connector, door) = (connector.clone(), through.clone());
            Box::pin(async move {
                let finished = door.pull(&connector, job.reads, job.watch, job.stop.wanted()).await;
                let problem = finished.report.problems.first().map(|one| one.reason.clone());
                Ended { fault: finished.fault(), problem, is_elsewhere: false }
            })
        });
        let config = Config {
            store: known.store.clone(),
            clock: time.clock(),
            random: known.random.clone(),
            wait: time.wait(),
            run,
            usual: rule,
            rules: Default::default(),
            rounds: Vec::new(),
        };
        let (scheduler, task) = Scheduler::start(config).await.unwrap();
        Self { test, folder, known, time, door, scheduler, task }
    }

    /// Asks the service, as a sync does.
    pub(crate) fn client(&self) -> Client {
        self.door.client(&self.known)
    }

    /// Another store, without the scheduler.
    pub(crate) async fn connector(&self, folder: &Path) -> Connector {
        connect(&self.door, &self.time, folder).await
    }

    pub(crate) async fn pull(&self, connector: &Connector) -> Finished {
        let never = std::future::pending();
        self.door.pull(connector, Reads::Everything, Arc::new(|_| {}), never).await
    }

    /// What a scraper reads at this moment.
    pub(crate) async fn metrics(&self) -> String {
        let rows = self.known.inventory(&Policy::default()).await.unwrap();
        let (scheduler, meter) = (Some(&self.scheduler), &self.door.meter);
        self.known
            .exposition(&rows, scheduler, meter, &Calls::default(), &budget(), "0.0.0")
            .await
            .unwrap()
    }

    /// Asks the service when the credential expires.
    pub(crate) async fn look(&self) -> i64 {
        let client = self.door.client(&self.known);
        let credential = self.known.store.credentials().await.unwrap().remove(0);
        self.known.look(&credential, &client).await.unwrap();
        let credential = self.known.store.credentials().await.unwrap().remove(0);
        credential.expires_ms.unwrap()
    }

    pub(crate) async fn pause(&self) {
        self.scheduler.pause(NAME).await.unwrap();
    }

    /// Once nothing runs, it is this much later.
    pub(crate) async fn step(&self, ms: i64) {
        until(&self.scheduler, |states| states[0].running.is_none()).await;
        self.time.set(self.time.now() + ms).await;
        until(&self.scheduler, |states| states[0].running.is_none()).await;
    }

    pub(crate) fn now(&self) -> i64 {
        self.time.now()
    }

    pub(crate) fn state(&self) -> State {
        self.scheduler.states().remove(0)
    }

    /// Lets time pass from run to run, each to its end. Answers how many failed.
    pub(crate) async fn pass_until(&self, end_ms: i64) -> usize {
        let mut failed = 0;
        loop {
            let now_ms = self.time.now();
            until(&self.scheduler, |states| {
                states[0].running.is_none() && states[0].next_ms.is_some_and(|ms| ms > now_ms)
            })
            .await;
            failed += usize::from(self.state().problem.is_some());
            let next_ms = self.state().next_ms.unwrap();
            self.time.set(next_ms.min(end_ms)).await;
            if next_ms > end_ms {
                return failed;
            }
        }
    }

    pub(crate) async fn end(self) {
        self.scheduler.stop();
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap();
    }
}

async fn connect(door: &Door, time: &Time, folder: &Path) -> Connector {
    let store = Store::open(&folder.join("store.sqlite")).await.unwrap();
    store.add_integration(credential(NAME, &door.url, door.pair.id.as_str()), None).await.unwrap();
    let random = repeatable_random();
    let random: Random = Arc::new(move |buffer| random(buffer));
    let key = KeySource::KeyFile(folder.join("key"));
    let vault = SealedFile::open(&folder.join("vault.json"), key, random.clone()).unwrap();
    let fences = Fences::at(&folder.join("fences"));
    Connector { store, vault, fences, clock: time.clock(), random }
}
