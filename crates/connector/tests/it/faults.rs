//! Sync against the platform's faults, alone and combined at random: it ends as
//! an undisturbed run ends, or it says that it is not complete and has closed
//! nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign_client::{Budget, Client, Config, Url};
use countersign_connector::sync::plan::Scope;
use countersign_connector::sync::{Finished, Options, Progress, Watch};
use countersign_connector::{Clock, Connector, Fault, Fences, Random};
use countersign_platform::SeedSpec;
use countersign_signing::Pair;
use countersign_store::{CredentialKind, NewCredential, Query, Since, Store};
use countersign_testkit::{TestPlatform, repeatable_random};
use countersign_vault::{KeySource, SealedFile};
use serde_json::{Value, json};
use tokio::sync::Notify;

const FINDINGS: usize = 160;

/// Everything that the store holds: id to the record as sent, and applications.
#[derive(Debug, Default, PartialEq)]
struct Held {
    findings: BTreeMap<String, (String, bool)>,
    applications: BTreeMap<String, bool>,
}

pub(crate) struct Reader<'a> {
    test: &'a TestPlatform,
    pair: Pair,
    pub(crate) connector: Connector,
}

impl<'a> Reader<'a> {
    pub(crate) async fn open(
        test: &'a TestPlatform,
        pair: &Pair,
        random: &Random,
        folder: &Path,
    ) -> Self {
        let store = Store::open(&folder.join("store.sqlite")).await.expect("a store");
        let random = Arc::clone(random);
        let key = KeySource::KeyFile(folder.join("key"));
        let vault = SealedFile::open(&folder.join("vault.json"), key, random.clone());
        let now_ms = Arc::clone(&test.now_ms);
        let clock: Clock = Arc::new(move || now_ms.load(Ordering::SeqCst));
        let fences = Fences::at(&folder.join("fences"));
        let connector = Connector { store, vault: vault.expect("a vault"), fences, clock, random };
        Self { test, pair: pair.clone(), connector }
    }

    async fn sync(&self) -> Finished {
        self.sync_with(Scope::Full).await
    }

    async fn sync_with(&self, scope: Scope) -> Finished {
        self.sync_until(scope, Arc::new(|_| {}), std::future::pending()).await
    }

    async fn sync_until(
        &self,
        scope: Scope,
        watch: Watch,
        stop: impl Future<Output = ()> + Send,
    ) -> Finished {
        let options = Options { scope, page_size: 10, parallel: 3, ..Options::default() };
        self.sync_as(options, watch, stop).await
    }

    pub(crate) async fn sync_as(
        &self,
        options: Options,
        watch: Watch,
        stop: impl Future<Output = ()> + Send,
    ) -> Finished {
        let store = &self.connector.store;
        let url = self.test.platform.rest_url();
        let integration = match store.integration("test").await {
            Ok(integration) => integration.id,
            Err(_) => {
                let new = NewCredential {
                    name: "test".into(),
                    vault_name: "integration/test".into(),
                    kind: CredentialKind::Hmac,
                    url: url.clone(),
                    ca_pem: None,
                    allow_http_loopback: false,
                    api_id: self.pair.id.as_str().into(),
                    version: 1,
                    added_ms: 0,
                };
                store.add_integration(new, None).await.expect("an integration")
            }
        };
        let mut config = Config::new(Url::parse(&url).expect("a URL"));
        config.ca_pem = Some(self.test.platform.ca_pem().as_bytes().to_vec());
        config.budget = Budget::alone(1_000_000);
        config.max_attempts = 3;
        config.request_timeout = Duration::from_secs(2);
        let (clock, random) = (self.connector.clock.clone(), self.connector.random.clone());
        let client = Client::new(config, &self.pair, clock, random).expect("a client");
        let run = self.connector.sync_until(integration, client, options, watch, stop);
        run.await.expect("a report")
    }

    async fn held(&self) -> Held {
        let query = Query { limit: 1000, ..Query::default() };
        let findings = self.connector.store.findings(query).await.expect("findings");
        let applications = self.connector.store.applications().await.expect("applications");
        Held {
            findings: findings
                .into_iter()
                .map(|row| (row.finding.id.as_str().to_owned(), (row.raw, row.gone)))
                .collect(),
            applications: applications
                .into_iter()
                .map(|row| (row.application.guid.to_string(), row.gone))
                .collect(),
        }
    }

    async fn closed(&self) -> usize {
        let changes = self.connector.store.changes(Since::Beginning, 10_000).await;
        changes.expect("changes").iter().filter(|change| change.kind.as_str() == "closed").count()
    }
}

/// One of everything that the platform can do wrong.
fn acts() -> Vec<Value> {
    vec![
        json!({"kind": "status", "status": 503, "headers": {"retry-after": "0"}}),
        json!({"kind": "status", "status": 429, "headers": {"retry-after": "0"}}),
        json!({"kind": "status", "status": 404}),
        json!({"kind": "status", "status": 500, "when": "after"}),
        json!({"kind": "delay", "ms": 1, "to_ms": 4}),
        json!({"kind": "reset"}),
        json!({"kind": "reset", "when": "after"}),
        json!({"kind": "truncate", "bytes": 100}),
        json!({"kind": "stall", "bytes": 50, "ms": 10}),
        json!({"kind": "garbage"}),
        json!({"kind": "html", "status": 502}),
        json!({"kind": "html", "status": 200}),
        json!({"kind": "duplicate_page"}),
        json!({"kind": "short_page"}),
        json!({"kind": "short_page", "missing": 1000}),
        json!({"kind": "total_drift", "by": 1}),
        json!({"kind": "total_drift", "by": -11}),
        json!({"kind": "rows_move"}),
        json!({"kind": "stale"}),
        json!({"kind": "redirect", "to": "https://elsewhere.example.com/"}),
        json!({"kind": "next_link", "host": "elsewhere.example.com"}),
        json!({"kind": "status", "status": 401}),
        json!({"kind": "status", "status": 403}),
    ]
}

/// A small generator of plans: the same number, the same plan.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut n = self.0;
        for factor in [0xbf58_476d_1ce4_e5b9_u64, 0x94d0_49bb_1331_11eb] {
            n = (n ^ (n >> 30)).wrapping_mul(factor);
        }
        ((n ^ (n >> 31)) % most as u64) as usize
    }
}

fn plan(seed: usize) -> Value {
    let acts = acts();
    let mut dice = Dice(seed as u64);
    // The first seeds take each act alone.
    let count = if seed < acts.len() { 1 } else { 1 + dice.below(4) };
    let rules: Vec<_> = (0..count)
        .map(|at| {
            let act = if seed < acts.len() { seed } else { dice.below(acts.len()) };
            let paths = ["*/findings", "*/applications", "*/sandboxes", "/appsec/*"];
            let mut matches = json!({"path": paths[dice.below(paths.len())]});
            if acts[act]["status"] == 404 {
                // Said of the application itself as well, it is believed.
                matches["path"] = json!("*/findings");
            }
            match dice.below(3) {
                0 => matches["nth"] = json!([1 + dice.below(6)]),
                1 => matches["probability"] = json!([0.05, 0.2, 0.6][dice.below(3)]),
                _ => matches["times"] = json!(1 + dice.below(4)),
            }
            json!({"name": format!("rule {at}"), "match": matches, "act": acts[act]})
        })
        .collect();
    json!({"seed": seed, "rules": rules})
}

async fn set(test: &TestPlatform, plan: &Value) {
    let answer = test.control("PUT", "/faults", &plan.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
}

fn copied(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    for name in ["store.sqlite", "store.sqlite-wal"] {
        if folder.join(name).exists() {
            std::fs::copy(folder.join(name), copy.path().join(name)).expect("a copy");
        }
    }
    copy
}

/// `COUNTERSIGN_FAULT_SEEDS` sets how many plans are tried.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disturbed_run_ends_well_or_says_that_it_did_not() {
    let seeds = std::env::var("COUNTERSIGN_FAULT_SEEDS").ok().and_then(|n| n.parse().ok());
    let seeds: usize = seeds.unwrap_or(100);
    let spec = SeedSpec::Sized { applications: 12, findings: FINDINGS as u32, rng: 5 };
    let test = TestPlatform::start_controlled(spec).await;
    let pair = test.mint("reader", &["resultsapi", "noteamrestrictionapi"]).pair;

    let draw = repeatable_random();
    // Waits between tries are drawn from eight bytes: none, here.
    let random: Random = Arc::new(move |buffer| match buffer.len() {
        8 => buffer.fill(0),
        _ => draw(buffer),
    });

    let calm = tempfile::tempdir().expect("a folder");
    let truth = {
        let reader = Reader::open(&test, &pair, &random, calm.path()).await;
        let finished = reader.sync().await;
        assert!(finished.report.complete, "{:?}", finished.report.problems);
        reader.held().await
    };
    assert_eq!((truth.findings.len(), truth.applications.len()), (FINDINGS, 12));

    let (mut well, mut told) = (0, 0);
    for seed in 0..seeds {
        let plan = plan(seed);
        // Every other run begins with everything, the others with nothing.
        let folder = match seed % 2 {
            0 => copied(calm.path()),
            _ => tempfile::tempdir().expect("a folder"),
        };
        let reader = Reader::open(&test, &pair, &random, folder.path()).await;
        set(&test, &plan).await;
        let finished = reader.sync().await;
        set(&test, &json!({})).await;
        let held = reader.held().await;
        match finished.fault() {
            None => {
                well += 1;
                assert!(held == truth, "seed {seed} is not as it should be: {plan}");
            }
            Some(fault) => {
                told += 1;
                assert!(!finished.report.complete && !finished.report.problems.is_empty());
                assert_ne!(fault, Fault::Unexpected, "seed {seed}: {plan}: {finished:?}");
                for (id, held) in &held.findings {
                    assert_eq!(truth.findings.get(id), Some(held), "seed {seed}: {plan}");
                }
                assert!(seed % 2 == 1 || held.findings.len() == FINDINGS, "seed {seed}: {plan}");
                let is_gone = held.applications.values().any(|gone| *gone);
                assert!(!is_gone, "seed {seed} took an application away: {plan}");
            }
        }
        assert_eq!(reader.closed().await, 0, "seed {seed}: {plan}");
        // And the next quiet run puts everything right.
        let healed = reader.sync().await;
        assert!(healed.fault().is_none(), "seed {seed}: {:?}", healed.report.problems);
        assert!(reader.held().await == truth, "seed {seed} did not heal: {plan}");
    }
    assert!(well > 0 && told > 0, "{well} ended well, {told} said that they did not");
}

/// What incremental runs know, day after day, is what one look at everything
/// finds. An application that is gone and a finding that vanished stay, marked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn incremental_runs_follow_the_life_of_a_tenant() {
    let spec = SeedSpec::Sized { applications: 12, findings: FINDINGS as u32, rng: 5 };
    let test = TestPlatform::start_controlled(spec).await;
    let pair = test.mint("reader", &["resultsapi", "noteamrestrictionapi"]).pair;
    let draw = repeatable_random();
    let random: Random = Arc::new(move |buffer| draw(buffer));
    let folder = tempfile::tempdir().expect("a folder");
    let reader = Reader::open(&test, &pair, &random, folder.path()).await;
    reader.sync().await;
    let mut skipped = 0;
    for day in 0..20 {
        let answer = test.control("POST", "/mutate", "{\"seed\": 11}").await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        // The signer's time goes with the platform's.
        test.control("DELETE", "/clock", "").await;
        test.advance(24 * 3_600_000);
        let sweep = if day % 4 == 3 { 1 } else { 7 * 24 * 3_600_000 };
        let finished = reader.sync_with(Scope::Incremental { sweep_ms: sweep }).await;
        assert!(finished.fault().is_none(), "day {day}: {:?}", finished.report.problems);
        skipped += finished.report.applications.skipped;

        let fresh = tempfile::tempdir().expect("a folder");
        let fresh = Reader::open(&test, &pair, &random, fresh.path()).await;
        fresh.sync().await;
        let (known, truth) = (reader.held().await, fresh.held().await);
        let present = known.applications.iter().filter(|(_, gone)| !**gone);
        assert!(present.map(|(guid, _)| guid).eq(truth.applications.keys()), "day {day}");
        for (id, (raw, _)) in &truth.findings {
            let held = known.findings.get(id).unwrap_or_else(|| panic!("day {day} misses {id}"));
            assert!(!held.1, "day {day}");
            // A proposal or a rejection moves no date: only the sweep sees it.
            let undecided = |raw: &str| raw.contains("PROPOSED") || raw.contains("REJECTED");
            let is_swept = sweep == 1;
            if is_swept || !(undecided(raw) || undecided(&held.0)) {
                assert_eq!(&held.0, raw, "day {day}");
            }
        }
    }
    assert!(skipped > 0, "some day some application was not read again");
}

/// A run that is told to stop ends at once, says so, and closes nothing; the next one
/// goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_stopped_loses_nothing() {
    let spec = SeedSpec::Sized { applications: 12, findings: FINDINGS as u32, rng: 5 };
    let test = TestPlatform::start_controlled(spec).await;
    let pair = test.mint("reader", &["resultsapi", "noteamrestrictionapi"]).pair;
    let draw = repeatable_random();
    let random: Random = Arc::new(move |buffer| draw(buffer));
    let folder = tempfile::tempdir().expect("a folder");
    let reader = Reader::open(&test, &pair, &random, folder.path()).await;

    let (requests, seen) = (Arc::new(AtomicU64::new(0)), Arc::new(Notify::new()));
    let (counted, told) = (Arc::clone(&requests), Arc::clone(&seen));
    let watch: Watch = Arc::new(move |progress| match progress {
        Progress::Application { .. } => told.notify_one(),
        Progress::Requests { count } => counted.store(count, Ordering::SeqCst),
        _ => {}
    });
    let stopped = reader.sync_until(Scope::Full, watch, seen.notified()).await;
    assert_eq!(stopped.fault(), Some(Fault::Incomplete));
    let failure = stopped.failure.expect("what ended it").to_string();
    assert!(failure.contains("stopped before its end"), "{failure}");
    assert!(!stopped.report.complete && stopped.report.requests > 0);
    assert!((1..=stopped.report.requests).contains(&requests.load(Ordering::SeqCst)));
    let ended: i64 = rusqlite::Connection::open(folder.path().join("store.sqlite"))
        .and_then(|store| store.query_row("select complete from runs", [], |row| row.get(0)))
        .expect("a run that has ended");
    assert_eq!(ended, 0);
    let part = reader.held().await;
    assert!(part.findings.len() < FINDINGS);

    let whole = reader.sync().await;
    assert!(whole.report.complete, "{:?}", whole.report.problems);
    let held = reader.held().await;
    assert_eq!(held.findings.len(), FINDINGS);
    assert!(part.findings.iter().all(|(id, one)| held.findings.get(id) == Some(one)));
    assert_eq!(reader.closed().await, 0);
}
