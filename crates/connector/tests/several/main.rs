//! Runs that several processes do, over one PostgreSQL database and a service that counts what it
//! is asked and can be held up.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use countersign_client::{Ask, Budget, Client, Config, Ledger, Meter, Url};
use countersign_connector::budget::SharedBudget;
use countersign_connector::metrics::Calls;
use countersign_connector::sync::plan::Scope;
use countersign_connector::sync::{Finished, Options};
use countersign_connector::{Clock, Connector, Error, Fault, Fences};
use countersign_signing::{ApiId, ApiSecret, Pair};
use countersign_store::{
    CredentialKind, IntegrationId, NewCredential, OpenRun, Query, Since, Store,
};
use countersign_testkit::postgres::server;
use countersign_testkit::repeatable_random;
use countersign_vault::{KeySource, SealedFile};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const FINDINGS: u64 = 3;
const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(600);

/// What the service has and was asked.
#[derive(Clone)]
struct Service {
    /// Numbers of its applications, and findings of each.
    applications: Arc<Mutex<BTreeMap<usize, u64>>>,
    /// How often findings of each were asked for.
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
    /// Applications whose findings are not answered.
    held: watch::Sender<BTreeSet<String>>,
    /// Questions that wait for that.
    waiting: watch::Sender<usize>,
}

fn guid(number: usize) -> String {
    format!("app-{number:03}")
}

fn finding(n: u64) -> Value {
    json!({
        "issue_id": n, "scan_type": "STATIC", "description": "<span>x</span>",
        "violates_policy": false,
        "finding_status": {"status": "OPEN", "resolution": "UNRESOLVED", "resolution_status": "NONE"},
        "finding_details": {"severity": 3, "cwe": {"id": 80, "name": "XSS"}, "file_path": "a.rs"},
    })
}

fn page(list: &str, elements: Vec<Value>) -> Response {
    let total = elements.len();
    let mut body = json!({
        "page": {"size": 500, "total_elements": total, "total_pages": total.min(1), "number": 0},
        "_links": {},
    });
    if total > 0 {
        body["_embedded"] = json!({ list: elements });
    }
    axum::Json(body).into_response()
}

impl Service {
    fn new(count: usize) -> Self {
        let applications = (0..count).map(|number| (number, FINDINGS)).collect();
        Self {
            applications: Arc::new(Mutex::new(applications)),
            asked: Arc::default(),
            held: watch::Sender::new(BTreeSet::new()),
            waiting: watch::Sender::new(0),
        }
    }

    /// Answers nothing about an application from now on.
    fn hold(&self, number: usize) {
        self.held.send_modify(|held| {
            held.insert(guid(number));
        });
    }

    fn release(&self) {
        self.held.send_replace(BTreeSet::new());
    }

    /// Until so many have begun to wait for an answer.
    async fn holds(&self, many: usize) {
        let mut waiting = self.waiting.subscribe();
        waiting.wait_for(|count| *count >= many).await.unwrap();
    }

    fn has(&self, number: usize) -> Option<u64> {
        self.applications.lock().unwrap().get(&number).copied()
    }

    fn asked(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    async fn wait_if_held(&self, application: &str) {
        let mut held = self.held.subscribe();
        if !held.borrow().contains(application) {
            return;
        }
        self.waiting.send_modify(|count| *count += 1);
        let _ = held.wait_for(|held| !held.contains(application)).await;
    }
}

async fn answer(State(service): State<Service>, uri: Uri, RawQuery(query): RawQuery) -> Response {
    let parts: Vec<_> = uri.path().split('/').collect();
    if uri.path() == "/appsec/v1/applications" {
        let listed = |number: &usize| {
            json!({"guid": guid(*number), "modified": "2026-01-01T00:00:00.000Z",
                "profile": {"name": format!("Application {number}")}})
        };
        let all = service.applications.lock().unwrap().keys().map(listed).collect();
        return page("applications", all);
    }
    let application = (*parts.get(4).unwrap_or(&"")).to_owned();
    if !uri.path().ends_with("/findings") || query.unwrap_or_default().contains("scan_type=SCA") {
        return page("findings", Vec::new());
    }
    *service.asked.lock().unwrap().entry(application.clone()).or_default() += 1;
    service.wait_if_held(&application).await;
    let number: usize = application.trim_start_matches("app-").parse().unwrap();
    let count = service.has(number).unwrap_or_default();
    page("findings", (1..=count).map(finding).collect())
}

/// A database, and a service that is synced into it.
struct Bench {
    service: Service,
    url: String,
    database: String,
    folder: tempfile::TempDir,
}

/// A process of its own: what it has in common with others is the database.
#[derive(Clone)]
struct Process {
    connector: Connector,
    integration: IntegrationId,
    client: Client,
}

impl Bench {
    async fn new(count: usize) -> Self {
        static DATABASES: AtomicUsize = AtomicUsize::new(0);
        let service = Service::new(count);
        let router = Router::new().fallback(answer).with_state(service.clone());
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)));
        let listener = listener.await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let name = format!("several_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let created = tokio::task::spawn_blocking(move || server().create(&name, &[]));
        let database = created.await.unwrap();
        Self { service, url, database, folder: tempfile::tempdir().unwrap() }
    }

    /// A run to its end by its conductor, or by a second one after the first has died in the middle
    /// of this application.
    async fn ended(
        &self,
        conductor: &Process,
        second: &Process,
        dies_at: Option<usize>,
    ) -> Finished {
        let Some(number) = dies_at else {
            return conductor.sync(options("conductor", 1, LONG)).await.unwrap();
        };
        self.service.hold(number);
        let conducting = conductor.begin_sync(options("conductor", 1, SHORT));
        self.service.holds(1).await;
        conducting.abort();
        self.service.release();
        second.take_over(options("second", 1, LONG)).await.unwrap()
    }

    async fn process(&self) -> Process {
        self.process_with(Store::open_url(&self.database, None).await.unwrap()).await
    }

    /// One whose store is a file: it does its runs alone.
    async fn alone(&self) -> Process {
        let file = self.folder.path().join("store.sqlite");
        self.process_with(Store::open(&file).await.unwrap()).await
    }

    async fn process_with(&self, store: Store) -> Process {
        let new = NewCredential {
            name: "test".into(),
            vault_name: "integration/test".into(),
            kind: CredentialKind::Hmac,
            url: self.url.clone(),
            ca_pem: None,
            allow_http_loopback: true,
            api_id: "0".repeat(32),
            version: 1,
            added_ms: 0,
        };
        let integration = match store.integration("test").await {
            Ok(known) => known.id,
            Err(_) => store.add_integration(new, None).await.unwrap(),
        };
        let pair = Pair {
            id: ApiId::parse(&"0".repeat(32)).unwrap(),
            secret: ApiSecret::from_bytes(vec![1; 64]),
        };
        let clock: Clock = Arc::new(|| 1_780_000_000_000);
        let random = repeatable_random();
        let mut config = Config::new(Url::parse(&self.url).unwrap());
        config.allow_http_loopback = true;
        config.max_attempts = 1;
        config.budget = Budget::alone(1_000_000);
        let client = Client::new(config, &pair, clock.clone(), random.clone()).unwrap();
        let key = KeySource::KeyFile(self.folder.path().join("key"));
        let vault = SealedFile::open(&self.folder.path().join("vault.json"), key, random.clone());
        let fences = Fences::at(&self.folder.path().join("fences"));
        let connector = Connector { store, vault: vault.unwrap(), fences, clock, random };
        Process { connector, integration, client }
    }
}

fn options(holder: &str, parallel: usize, lease: Duration) -> Options {
    Options { scope: Scope::Full, parallel, lease, holder: holder.to_owned(), ..Options::default() }
}

impl Process {
    async fn sync(&self, options: Options) -> Result<Finished, Error> {
        self.connector.sync(self.integration, self.client.clone(), options, Arc::new(|_| {})).await
    }

    fn begin_sync(&self, options: Options) -> JoinHandle<Result<Finished, Error>> {
        let process = self.clone();
        tokio::spawn(async move { process.sync(options).await })
    }

    async fn open(&self) -> Option<OpenRun> {
        self.connector.store.open_runs().await.unwrap().pop()
    }

    /// Reads what it can claim.
    async fn help(&self, options: Options) -> u64 {
        let Some(open) = self.open().await else { return 0 };
        let never = std::future::pending();
        let watch = Arc::new(|_| {});
        self.connector.help(&open, self.client.clone(), options, watch, never).await.unwrap()
    }

    /// Takes the run over as soon as that is possible.
    async fn take_over(&self, options: Options) -> Result<Finished, Error> {
        loop {
            let open = self.open().await.expect("a run that is not over");
            let (never, watch) = (std::future::pending(), Arc::new(|_| {}));
            let taken = self
                .connector
                .take_over(open.run, self.client.clone(), options.clone(), watch, never)
                .await?;
            match taken {
                Some(finished) => return Ok(finished),
                None => tokio::task::yield_now().await,
            }
        }
    }

    /// All that a reader sees, whatever the order in which it came in.
    async fn shown(&self) -> BTreeSet<String> {
        let store = &self.connector.store;
        let query = Query { limit: 10_000, ..Query::default() };
        let mut lines = BTreeSet::new();
        for row in store.findings(query).await.unwrap() {
            lines.insert(format!("finding {:?}", row.finding));
        }
        for row in self.changes().await {
            assert!(lines.insert(format!("change {row}")), "{row} came twice");
        }
        for row in store.applications().await.unwrap() {
            lines.insert(format!("application {row:?}"));
        }
        assert_eq!(store.check().await.unwrap(), []);
        lines
    }

    /// The feed without its numbers, which have no gap.
    async fn changes(&self) -> Vec<String> {
        let rows = self.connector.store.changes(Since::Beginning, 10_000).await.unwrap();
        let numbers: Vec<_> = rows.iter().map(|row| row.seq).collect();
        assert_eq!(numbers, (1..=rows.len() as i64).collect::<Vec<_>>());
        let told = |row: &countersign_store::ChangeRow| {
            format!("{} {} {:?}", row.finding_id, row.kind.as_str(), row.reason)
        };
        rows.iter().map(told).collect()
    }
}

/// What a report says but for time.
fn told(finished: &Finished) -> String {
    let mut report = finished.report.clone();
    report.duration_ms = 0;
    format!("{report:?}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_do_what_one_does_and_read_nothing_twice() {
    let alone = Bench::new(30).await;
    let one = alone.alone().await;
    let expected = one.sync(options("one", 4, LONG)).await.unwrap();
    assert!(expected.report.complete, "{:?}", expected.report);

    let bench = Bench::new(30).await;
    let (conductor, second, third) =
        (bench.process().await, bench.process().await, bench.process().await);
    bench.service.hold(0);
    let conducting = conductor.begin_sync(options("conductor", 1, LONG));
    bench.service.holds(1).await;
    let busy = second.sync(options("other", 1, LONG)).await.unwrap_err();
    assert!(busy.is_busy(), "{busy}");
    let crew = second.connector.store.crews().await.unwrap().remove(0);
    assert_eq!((crew.conductor.as_str(), crew.planned, crew.workers()), ("conductor", 30, 1));
    let (meter, calls) = (Meter::default(), Calls::default());
    let metrics = second.connector.exposition(&[], None, &meter, &calls, &[], "0").await.unwrap();
    for sample in ["workers{integration=\"test\"} 1", "applications_left{integration=\"test\"} 30"]
    {
        assert!(metrics.contains(&format!("countersign_sync_{sample}\n")), "{sample}: {metrics}");
    }
    let (of_second, of_third) =
        tokio::join!(second.help(options("b", 3, LONG)), third.help(options("c", 3, LONG)));
    assert_eq!(of_second + of_third, 29);
    bench.service.release();
    let finished = conducting.await.unwrap().unwrap();
    assert_eq!(told(&finished), told(&expected));
    assert_eq!(bench.service.asked(), (0..30).map(|number| (guid(number), 1)).collect());
    assert_eq!(conductor.shown().await, one.shown().await);
    assert!(second.open().await.is_none());
    // And a second run, in which nothing is different.
    let again = second.sync(options("b", 3, LONG)).await.unwrap();
    assert_eq!(told(&again), told(&one.sync(options("one", 3, LONG)).await.unwrap()));
    assert_eq!(conductor.shown().await, one.shown().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_worker_that_dies_had_claimed_is_read_by_others() {
    let alone = Bench::new(8).await;
    let one = alone.alone().await;
    one.sync(options("one", 4, LONG)).await.unwrap();

    let bench = Bench::new(8).await;
    let (conductor, worker) = (bench.process().await, bench.process().await);
    bench.service.hold(0);
    let conducting = conductor.begin_sync(options("conductor", 1, LONG));
    bench.service.holds(1).await;
    bench.service.hold(4);
    let dying = worker.clone();
    let dying = tokio::spawn(async move { dying.help(options("dying", 1, SHORT)).await });
    bench.service.holds(2).await;
    dying.abort();
    bench.service.release();
    let finished = conducting.await.unwrap().unwrap();
    assert!(finished.report.complete, "{:?}", finished.report);
    let mut expected: BTreeMap<_, _> = (0..8).map(|number| (guid(number), 1)).collect();
    expected.insert(guid(4), 2);
    assert_eq!(bench.service.asked(), expected);
    assert_eq!(conductor.shown().await, one.shown().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_worker_that_is_to_stop_gives_back_what_it_cannot_end() {
    let bench = Bench::new(3).await;
    let (conductor, worker) = (bench.process().await, bench.process().await);
    bench.service.hold(0);
    let conducting = conductor.begin_sync(options("conductor", 1, LONG));
    bench.service.holds(1).await;
    let open = worker.open().await.unwrap();
    let now = std::future::ready(());
    let (client, watch) = (worker.client.clone(), Arc::new(|_| {}));
    let read = worker.connector.help(&open, client, options("b", 1, LONG), watch, now).await;
    assert!(read.unwrap() <= 1);
    let crew = worker.connector.store.crews().await.unwrap().remove(0);
    assert!(crew.readers.iter().all(|(holder, _)| holder == "conductor"), "{crew:?}");
    bench.service.release();
    assert!(conducting.await.unwrap().unwrap().report.complete);
    assert!(bench.service.asked().values().all(|times| *times == 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_run_whose_conductor_dies_is_continued_by_another() {
    let alone = Bench::new(8).await;
    let one = alone.alone().await;
    let expected = one.sync(options("one", 1, LONG)).await.unwrap();

    let bench = Bench::new(8).await;
    let (conductor, second) = (bench.process().await, bench.process().await);
    bench.service.hold(3);
    let conducting = conductor.begin_sync(options("conductor", 1, SHORT));
    bench.service.holds(1).await;
    conducting.abort();
    bench.service.release();
    let finished = second.take_over(options("second", 2, LONG)).await.unwrap();
    assert!(finished.report.complete && finished.failure.is_none(), "{:?}", finished.report);
    assert_eq!(finished.report.findings, expected.report.findings);
    assert_eq!(finished.report.applications, expected.report.applications);
    let mut asked: BTreeMap<_, _> = (0..8).map(|number| (guid(number), 1)).collect();
    asked.insert(guid(3), 2);
    assert_eq!(bench.service.asked(), asked);
    assert_eq!(second.shown().await, one.shown().await);
    let runs = second.connector.store.runs(None, 9).await.unwrap();
    assert_eq!(runs.len(), 1, "it is the same run");
    assert!(runs[0].finished_ms.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_conductor_that_lost_its_run_ends_with_an_error() {
    let bench = Bench::new(4).await;
    let (conductor, second) = (bench.process().await, bench.process().await);
    bench.service.hold(2);
    // It lives, but its lease has always ended.
    let conducting = conductor.begin_sync(options("conductor", 1, Duration::from_millis(1)));
    bench.service.holds(1).await;
    let taking = {
        let second = second.clone();
        tokio::spawn(async move { second.take_over(options("second", 1, LONG)).await })
    };
    let lost = conducting.await.unwrap().unwrap_err();
    assert!(lost.is_superseded() && lost.fault() == Fault::Incomplete, "{lost}");
    assert!(lost.to_string().contains("hint: "), "{lost}");
    bench.service.release();
    let finished = taking.await.unwrap().unwrap();
    assert!(finished.report.complete, "{:?}", finished.report);
    assert_eq!(second.connector.store.runs(None, 9).await.unwrap().len(), 1);
    assert_eq!(second.changes().await.len(), 4 * FINDINGS as usize);
}

/// Most applications are gone from the list, and most findings of one from it: whoever settles
/// closes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_brake_holds_whoever_settles() {
    for is_taken_over in [false, true] {
        let bench = Bench::new(12).await;
        let (conductor, second) = (bench.process().await, bench.process().await);
        conductor.sync(options("conductor", 4, LONG)).await.unwrap();
        let before = conductor.shown().await;
        bench.service.applications.lock().unwrap().retain(|number, _| *number < 3);
        bench.service.applications.lock().unwrap().insert(1, 0);
        let dies_at = is_taken_over.then_some(2);
        let finished = bench.ended(&conductor, &second, dies_at).await;
        let report = &finished.report;
        assert!(!report.complete && report.is_held_back(), "{report:?}");
        assert_eq!((report.applications.gone, report.applications.held_back), (0, 9));
        assert_eq!((report.findings.closed, report.findings.held_back), (0, FINDINGS));
        let lines = second.shown().await;
        let of = |lines: &BTreeSet<String>, kind: &str| {
            lines.iter().filter(|line| line.starts_with(kind)).cloned().collect::<Vec<_>>()
        };
        for kind in ["finding", "change"] {
            assert_eq!(of(&lines, kind), of(&before, kind), "{is_taken_over}");
        }
    }
}

/// Few findings of one application and one application go: that is believed, also where the
/// conductor that decided it is not the one that began.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_believed_is_closed_once_whoever_settles() {
    let mut all = Vec::new();
    for is_taken_over in [false, true] {
        let bench = Bench::new(12).await;
        let (conductor, second) = (bench.process().await, bench.process().await);
        conductor.sync(options("conductor", 4, LONG)).await.unwrap();
        bench.service.applications.lock().unwrap().remove(&11);
        bench.service.applications.lock().unwrap().insert(1, 0);
        let dies_at = is_taken_over.then_some(9);
        let finished = bench.ended(&conductor, &second, dies_at).await;
        let report = &finished.report;
        assert!(report.complete, "{report:?}");
        assert_eq!((report.applications.gone, report.findings.closed), (1, FINDINGS));
        assert_eq!(second.changes().await.len(), 13 * FINDINGS as usize);
        all.push(second.shown().await);
    }
    assert_eq!(all[0], all[1]);
}

fn question(share: &str, places: u32) -> Ask {
    Ask { host: "a".into(), limit: 200, share: share.into(), places, ..Ask::default() }
}

/// Machines with one address share a minute; one that the database does not answer keeps to a
/// tenth of it by its own file.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn machines_share_the_minute_of_an_address() {
    let bench = Bench::new(1).await;
    let mut machines = Vec::new();
    for (number, egress) in [(1, "here"), (2, "here"), (3, "elsewhere")] {
        let process = bench.process().await;
        let random: countersign_connector::Random =
            Arc::new(move |bytes: &mut [u8]| bytes.fill(number));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("budget.json");
        let alone = SharedBudget::at(&file, process.connector.clock.clone(), &random);
        let budget = alone.within(process.connector.store.clone(), egress);
        machines.push((budget, process.connector.store, folder));
    }
    let [(one, _, _), (other, store, folder), (elsewhere, ..)] = &machines[..] else { panic!() };
    assert_eq!(one.ask(question("prod", 120)).await.unwrap().places, 120);
    assert_eq!(other.ask(question("prod", 120)).await.unwrap().places, 78);
    assert_eq!(elsewhere.ask(question("prod", 120)).await.unwrap().places, 120);
    let seen = one.hosts().await.unwrap();
    let shares: Vec<_> = seen[0].shares.iter().map(|one| (&*one.share, one.started)).collect();
    assert_eq!((seen[0].host.as_str(), shares), ("a", vec![("prod", 198)]));
    assert!(!folder.path().join("budget.json").exists());

    let close = Some(Duration::from_secs(20));
    one.ask(Ask { close, ..question("prod", 0) }).await.unwrap();
    assert!(other.ask(question("test", 1)).await.unwrap().is_closed);
    assert_eq!(elsewhere.ask(question("test", 1)).await.unwrap().places, 1);

    store.close().await;
    let given = other.ask(question("prod", 120)).await.unwrap();
    assert!((1..=20).contains(&given.places), "{given:?}");
    let more = other.ask(question("test", 120)).await.unwrap();
    assert!(given.places + more.places <= 20, "{given:?} {more:?}");
}
