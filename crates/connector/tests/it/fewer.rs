//! What incremental reading saves, and that it loses nothing by it: random histories of a
//! tenant, read with all savings on in a time that tests make pass, end as what one look at
//! everything finds; and what the savings miss, the audit finds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use countersign_connector::sync::plan::Scope;
use countersign_connector::sync::sweep::{self, Pace};
use countersign_connector::sync::{Finished, Options};
use countersign_connector::{Clock, Random};
use countersign_findings::closure::Brake;
use countersign_findings::rfc3339;
use countersign_platform::SeedSpec;
use countersign_store::Query;
use countersign_testkit::{TestPlatform, repeatable_random};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::Bench;
use crate::faults::Reader;
use crate::life::{DAY_MS, HOUR_MS};

const START_MS: i64 = 1_780_000_000_000;
const RUN_EVERY_MS: i64 = 6 * HOUR_MS;
const TYPES: [&str; 3] = ["STATIC", "DYNAMIC", "MANUAL"];

#[derive(Debug, Clone, Copy, PartialEq)]
struct Flaw {
    number: u64,
    severity: u8,
    is_mitigated: bool,
}

/// Of which context and family; the policy context has no name.
type List = (String, bool);

#[derive(Debug, Clone, Default)]
struct App {
    guid: String,
    modified_ms: i64,
    checked_ms: Option<i64>,
    scanned_ms: Option<i64>,
    scans: BTreeSet<&'static str>,
    sandboxes: Vec<String>,
    lists: BTreeMap<List, Vec<Flaw>>,
}

#[derive(Debug, Default)]
struct Tenant {
    now_ms: i64,
    apps: Vec<App>,
    /// Numbers that were given.
    given: u64,
}

type Shared = Arc<Mutex<Tenant>>;

/// What happens to a tenant; numbers are taken modulo what there is.
#[derive(Debug, Clone)]
enum Event {
    Created,
    Deleted(usize),
    Edited(usize),
    /// A scan of the policy context: some flaws go, some come.
    Scanned(usize, usize, usize),
    ScansDeleted(usize),
    SandboxMade(usize),
    SandboxDeleted(usize),
    SandboxScanned(usize, usize, bool, usize),
    /// A component of the policy context: the service evaluates the policy anew, or an agent
    /// found it and nothing tells of it.
    Component(usize, bool),
    /// Approved, or only proposed.
    Mitigated(usize, usize, bool),
    Vanished(usize, usize),
    /// A flaw of the policy context that no scan can have found. It breaks what the service
    /// promises.
    Unexplained(usize),
}

fn event(is_honest: bool) -> impl Strategy<Value = Event> {
    use Event::*;
    let (app, at) = (0_usize..8, 0_usize..8);
    prop_oneof![
        1 => Just(Created),
        1 => app.clone().prop_map(Deleted),
        1 => app.clone().prop_map(Edited),
        3 => (app.clone(), 0_usize..3, at.clone()).prop_map(|(a, b, c)| Scanned(a, b, c)),
        1 => app.clone().prop_map(ScansDeleted),
        2 => app.clone().prop_map(SandboxMade),
        1 => app.clone().prop_map(SandboxDeleted),
        4 => (app.clone(), at.clone(), any::<bool>(), at.clone())
            .prop_map(|(a, b, c, d)| SandboxScanned(a, b, c, d)),
        2 => (app.clone(), any::<bool>()).prop_map(|(a, b)| Component(a, b)),
        2 => (app.clone(), at.clone(), any::<bool>()).prop_map(|(a, b, c)| Mitigated(a, b, c)),
        1 => (app.clone(), at).prop_map(|(a, b)| Vanished(a, b)),
        2 => app.prop_map(move |at| if is_honest { Edited(at) } else { Unexplained(at) }),
    ]
}

impl App {
    fn record(&self) -> Value {
        let date = |ms: Option<i64>| ms.map(rfc3339);
        let scans: Vec<_> = self.scans.iter().map(|kind| json!({"scan_type": kind})).collect();
        json!({"guid": self.guid, "profile": {"name": self.guid}, "scans": scans,
            "modified": rfc3339(self.modified_ms),
            "last_policy_compliance_check_date": date(self.checked_ms),
            "last_completed_scan_date": date(self.scanned_ms)})
    }

    /// Whether its record says that the policy context was never scanned.
    fn is_never(&self) -> bool {
        self.scans.is_empty() && self.scanned_ms.is_none()
    }

    fn dates(&self) -> (i64, Option<i64>, Option<i64>) {
        (self.modified_ms, self.checked_ms, self.scanned_ms)
    }

    fn flaws(&mut self, context: &str, is_sca: bool) -> &mut Vec<Flaw> {
        self.lists.entry((context.to_owned(), is_sca)).or_default()
    }

    /// A flaw of any list.
    fn one(&mut self, at: usize) -> Option<(&mut Vec<Flaw>, usize)> {
        let count: usize = self.lists.values().map(Vec::len).sum();
        let mut at = at % count.max(1);
        for flaws in self.lists.values_mut() {
            if at < flaws.len() {
                return Some((flaws, at));
            }
            at -= flaws.len();
        }
        None
    }
}

impl Tenant {
    fn number(&mut self) -> u64 {
        self.given += 1;
        self.given
    }

    fn create(&mut self) {
        let guid = format!("app-{}", self.number());
        self.apps.push(App { guid, modified_ms: self.now_ms, ..App::default() });
    }

    fn happen(&mut self, event: &Event) {
        let (now_ms, number, count) = (self.now_ms, self.number(), self.apps.len());
        let flaw = Flaw { number, severity: (number % 6) as u8, is_mitigated: false };
        let at = match event {
            Event::Created => return self.create(),
            Event::Deleted(at) => {
                if count > 2 {
                    self.apps.remove(at % count);
                }
                return;
            }
            Event::Edited(at)
            | Event::Scanned(at, ..)
            | Event::ScansDeleted(at)
            | Event::SandboxMade(at)
            | Event::SandboxDeleted(at)
            | Event::SandboxScanned(at, ..)
            | Event::Component(at, _)
            | Event::Mitigated(at, ..)
            | Event::Vanished(at, _)
            | Event::Unexplained(at) => *at,
        };
        let app = &mut self.apps[at % count];
        match event {
            Event::Created | Event::Deleted(_) => {}
            Event::Edited(_) => {
                app.modified_ms = now_ms;
            }
            Event::Scanned(_, kind, gone) => {
                app.scans.insert(TYPES[*kind]);
                app.scanned_ms = Some(now_ms);
                (app.modified_ms, app.checked_ms) = (now_ms + 1, Some(now_ms + 2));
                let flaws = app.flaws("", false);
                if !flaws.is_empty() && gone % 2 == 0 {
                    flaws.remove(gone % flaws.len());
                }
                flaws.push(flaw);
            }
            Event::ScansDeleted(_) => {
                app.scans.clear();
                app.scanned_ms = None;
                app.flaws("", false).clear();
            }
            Event::SandboxMade(_) => {
                app.sandboxes.push(format!("{number:08}-0000-4000-8000-000000000000"));
            }
            Event::SandboxDeleted(_) => {
                if let Some(name) = app.sandboxes.pop() {
                    app.lists.retain(|(context, _), _| *context != name);
                }
            }
            Event::SandboxScanned(_, sandbox, is_sca, gone) => {
                if app.sandboxes.is_empty() {
                    return;
                }
                let name = app.sandboxes[sandbox % app.sandboxes.len()].clone();
                let flaws = app.flaws(&name, *is_sca);
                if !flaws.is_empty() && gone % 3 == 0 {
                    flaws.remove(gone % flaws.len());
                }
                flaws.push(flaw);
            }
            Event::Component(_, is_told) => {
                app.flaws("", true).push(flaw);
                if *is_told {
                    app.checked_ms = Some(now_ms);
                }
            }
            Event::Mitigated(_, which, is_approved) => {
                if *is_approved {
                    app.checked_ms = Some(now_ms);
                }
                if let Some((flaws, at)) = app.one(*which) {
                    flaws[at].is_mitigated = *is_approved;
                    flaws[at].severity = (flaws[at].severity + 1) % 6;
                }
            }
            Event::Vanished(_, which) => {
                if let Some((flaws, at)) = app.one(*which) {
                    flaws.remove(at);
                }
            }
            Event::Unexplained(_) => {
                app.flaws("", false).push(flaw);
            }
        }
    }
}

fn record(flaw: &Flaw, is_sca: bool) -> Value {
    let status = match flaw.is_mitigated {
        true => {
            json!({"status": "CLOSED", "resolution": "MITIGATED", "resolution_status": "APPROVED"})
        }
        false => json!({"status": "OPEN", "resolution": "UNRESOLVED", "resolution_status": "NONE"}),
    };
    let mut record = json!({
        "scan_type": if is_sca { "SCA" } else { "STATIC" }, "description": "words",
        "violates_policy": true, "finding_status": status,
        "finding_details": {"severity": flaw.severity, "cwe": {"id": 89, "name": "SQL Injection"}},
    });
    match is_sca {
        true => {
            record["finding_details"]["component_id"] = json!(format!("c-{}", flaw.number));
            record["finding_details"]["cve"] = json!({"name": "CVE-2026-0001"});
            record["finding_details"]["metadata"] = json!({"sca_scan_mode": "AGENT"});
        }
        false => record["issue_id"] = json!(flaw.number),
    }
    record
}

async fn answer(State(tenant): State<Shared>, uri: Uri, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let page = |name: &str, elements: Vec<Value>| {
        let pages = u64::from(!elements.is_empty());
        let mut body = json!({"_links": {}, "page": {"size": 500, "number": 0,
            "total_elements": elements.len(), "total_pages": pages}});
        if !elements.is_empty() {
            body["_embedded"] = json!({ name: elements });
        }
        axum::Json(body).into_response()
    };
    let tenant = tenant.lock().expect("no panic under the lock");
    let Some(rest) = uri.path().split("/applications").nth(1) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut parts = rest.split('/').filter(|part| !part.is_empty());
    let Some(guid) = parts.next() else {
        return page("applications", tenant.apps.iter().map(App::record).collect());
    };
    let Some(app) = tenant.apps.iter().find(|app| app.guid == guid) else {
        return (StatusCode::NOT_FOUND, r#"{"message":"no"}"#).into_response();
    };
    match parts.next() {
        None => axum::Json(app.record()).into_response(),
        Some("sandboxes") => {
            page("sandboxes", app.sandboxes.iter().map(|guid| json!({"guid": guid})).collect())
        }
        Some(_) => {
            let context = query.split('&').find_map(|pair| pair.strip_prefix("context="));
            let is_sca = query.contains("scan_type=SCA");
            let list = (context.unwrap_or_default().to_owned(), is_sca);
            let flaws = app.lists.get(&list).into_iter().flatten();
            page("findings", flaws.map(|flaw| record(flaw, is_sca)).collect())
        }
    }
}

/// A tenant, and a store that follows it.
struct World {
    tenant: Shared,
    now_ms: Arc<AtomicI64>,
    router: Router,
    reader: Bench,
}

impl World {
    async fn new() -> Self {
        let tenant = Shared::default();
        {
            let mut tenant = tenant.lock().unwrap();
            tenant.now_ms = START_MS;
            (0..4).for_each(|_| tenant.create());
        }
        let router = Router::new().fallback(answer).with_state(Arc::clone(&tenant));
        let now_ms = Arc::new(AtomicI64::new(START_MS));
        let reader = Self::bench(&router, &now_ms).await;
        Self { tenant, now_ms, router, reader }
    }

    async fn bench(router: &Router, now_ms: &Arc<AtomicI64>) -> Bench {
        let now_ms = Arc::clone(now_ms);
        let clock: Clock = Arc::new(move || now_ms.load(Ordering::SeqCst));
        let draw = repeatable_random();
        let random: Random = Arc::new(move |buffer| draw(buffer));
        Bench::at(router.clone(), clock, random).await
    }

    fn now(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    fn pass(&self, ms: i64) {
        let now_ms = self.now_ms.fetch_add(ms, Ordering::SeqCst) + ms;
        self.tenant.lock().unwrap().now_ms = now_ms;
    }

    fn happen(&self, event: &Event) {
        self.tenant.lock().unwrap().happen(event);
    }

    async fn read(&self, bench: &Bench, scope: Scope, audit_share: f64) -> Finished {
        let options = Options { scope, audit_share, brake: Brake::off(), ..Options::default() };
        let watch = Arc::new(|_| {});
        let run = bench.connector.sync(bench.integration, bench.client.clone(), options, watch);
        let finished = run.await.unwrap();
        assert!(finished.report.complete, "{:?}", finished.report.problems);
        finished
    }

    /// Everything that is there, by one look with nothing saved.
    async fn truth(&self) -> BTreeMap<String, String> {
        let fresh = Self::bench(&self.router, &self.now_ms).await;
        self.read(&fresh, Scope::Full, 0.0).await;
        present(&fresh).await
    }

    async fn oldest_ms(&self) -> i64 {
        let swept = self.reader.connector.store.swept().await.unwrap().remove(0);
        swept.stalest.map_or(0, |stalest| self.now() - stalest.read_ms)
    }
}

/// Findings that are there, as they were sent.
async fn present(bench: &Bench) -> BTreeMap<String, String> {
    let store = &bench.connector.store;
    let applications = store.applications().await.unwrap();
    let is_there = |guid: &str| {
        applications.iter().any(|row| row.application.guid.as_str() == guid && !row.gone)
    };
    let findings = store.findings(Query { limit: 1000, ..Query::default() }).await.unwrap();
    findings
        .into_iter()
        .filter(|row| !row.gone && is_there(row.finding.application.as_str()))
        .map(|row| (row.finding.id.as_str().to_owned(), row.raw))
        .collect()
}

/// Runs with what the test is about, in a runtime of its own.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work)
}

fn cases(usual: u32) -> ProptestConfig {
    let wanted = std::env::var("COUNTERSIGN_FEWER").ok().and_then(|n| n.parse().ok());
    let cases = wanted.unwrap_or(usual);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn what_is_read_with_all_savings_is_everything_within_a_period(
        history in prop::collection::vec((event(true), 0_i64..14), 1..40),
    ) {
        block_on(async {
            let sweep_ms = 3 * DAY_MS;
            let scope = Scope::Incremental { sweep_ms };
            let world = World::new().await;
            world.read(&world.reader, scope, 0.02).await;
            let mut last_ms = world.now();
            let quiet = (0..=sweep_ms / RUN_EVERY_MS).map(|_| (None, RUN_EVERY_MS));
            let lived = history.iter().map(|(event, hours)| (Some(event), hours * HOUR_MS));
            for (event, ms) in lived.chain(quiet) {
                event.into_iter().for_each(|event| world.happen(event));
                world.pass(ms);
                let distance_ms = world.now() - last_ms;
                assert!(world.oldest_ms().await <= sweep_ms + distance_ms);
                if distance_ms >= RUN_EVERY_MS {
                    world.read(&world.reader, scope, 0.02).await;
                    last_ms = world.now();
                    assert!(world.oldest_ms().await < sweep_ms);
                }
            }
            assert_eq!(present(&world.reader).await, world.truth().await);
        });
    }

    /// An audit of everything counts exactly what incremental reading would not have seen, and
    /// after it the store has all of it.
    #[test]
    fn an_audit_finds_what_was_missed_and_nothing_else(
        days in prop::collection::vec(prop::collection::vec(event(false), 0..4), 1..10),
    ) {
        block_on(async {
            let sweep_ms = 4 * DAY_MS;
            let scope = Scope::Incremental { sweep_ms };
            let world = World::new().await;
            let first = world.read(&world.reader, scope, 1.0).await;
            assert_eq!(first.report.audit, None, "what was read today");
            let mut known: BTreeMap<String, Known> = BTreeMap::new();
            for app in world.tenant.lock().unwrap().apps.clone() {
                let one = Known { app, read_ms: world.now(), is_held: false };
                known.insert(one.app.guid.clone(), one);
            }
            for events in &days {
                events.iter().for_each(|event| world.happen(event));
                world.pass(DAY_MS);
                let kept = world.reader.connector.store.sweep(world.reader.integration).await;
                let kept = kept.unwrap().map(|one| Pace { period_ms: one.period_ms, clean: one.clean });
                let period_ms = Pace::within(kept, sweep_ms).period_ms;
                let apps = world.tenant.lock().unwrap().apps.clone();
                let expected = expected(&apps, &known, world.now(), period_ms);
                let audit = world.read(&world.reader, scope, 1.0).await.report.audit;
                let found = audit.map(|audit| (audit.missed_by_dates, audit.missed_by_scans));
                assert_eq!(found.unwrap_or_default(), expected);
                assert_eq!(present(&world.reader).await, world.truth().await);
                let missed = expected.0 + expected.1;
                if audit.is_some() {
                    let sweep = world.reader.connector.store.sweep(world.reader.integration).await;
                    let sweep = sweep.unwrap().unwrap();
                    assert_eq!(sweep.last_missed, missed);
                    let halved = (period_ms / 2).max(sweep::FLOOR_MS);
                    assert!(missed == 0 || sweep.period_ms == halved, "{sweep:?}");
                }
                for app in apps {
                    let was = known.remove(&app.guid);
                    let has = app.lists.get(&(String::new(), false)).is_some_and(|list| !list.is_empty());
                    let is_held = has || was.is_some_and(|was| was.is_held);
                    known.insert(app.guid.clone(), Known { app, read_ms: world.now(), is_held });
                }
            }
        });
    }
}

/// An application at its last reading.
struct Known {
    app: App,
    read_ms: i64,
    /// Whether the store ever had flaws of the policy context.
    is_held: bool,
}

/// What incremental reading would miss now: by dates, by scans.
fn expected(
    apps: &[App],
    known: &BTreeMap<String, Known>,
    now_ms: i64,
    period_ms: i64,
) -> (u64, u64) {
    let (mut by_dates, mut by_scans) = (0, 0);
    for app in apps {
        let was = known.get(&app.guid);
        let is_skipped = was.is_some_and(|was| {
            was.app.dates() == app.dates()
                && !sweep::is_due(&app.guid, was.read_ms, now_ms, period_ms)
        });
        let is_unasked = |list: &List| {
            let is_held = was.is_some_and(|was| was.is_held);
            *list == (String::new(), false) && app.is_never() && !is_held
        };
        for (list, flaws) in &app.lists {
            if is_unasked(list) {
                by_scans += flaws.len() as u64;
            } else if is_skipped {
                let nothing = Vec::new();
                let before = was.and_then(|was| was.app.lists.get(list)).unwrap_or(&nothing);
                let is_different = |flaw: &&Flaw| !before.contains(flaw);
                by_dates += flaws.iter().filter(is_different).count() as u64;
            }
        }
        // Open ones that are no longer there, of any list that there was.
        if let Some(was) = was.filter(|_| is_skipped) {
            for (list, before) in &was.app.lists {
                let now = app.lists.get(list);
                let is_lost = |flaw: &&Flaw| {
                    let mut there = now.into_iter().flatten();
                    !flaw.is_mitigated && !there.any(|one| one.number == flaw.number)
                };
                by_dates += before.iter().filter(is_lost).count() as u64;
            }
        }
    }
    (by_dates, by_scans)
}

/// What a list that is not asked for still holds is not closed, and a list of which the store
/// holds something is asked for whatever the record says.
#[tokio::test]
async fn what_the_sweep_finds_makes_it_sweep_more_often() {
    let world = World::new().await;
    let scope = Scope::Incremental { sweep_ms: 100 * DAY_MS };
    world.read(&world.reader, scope, 0.0).await;
    world.pass(DAY_MS);
    world.read(&world.reader, scope, 0.02).await;
    let period = async || {
        let swept = world.reader.connector.store.swept().await.unwrap();
        swept[0].sweep.unwrap().period_ms
    };
    assert_eq!(period().await, 100 * DAY_MS);
    world.happen(&Event::SandboxMade(1));
    world.happen(&Event::SandboxScanned(1, 0, false, 1));
    for days in 0.. {
        assert!(days < 101, "the sweep is late");
        world.pass(DAY_MS);
        if world.read(&world.reader, scope, 0.0).await.report.findings.new > 0 {
            break;
        }
        assert_eq!(period().await, 100 * DAY_MS);
    }
    assert_eq!(period().await, 50 * DAY_MS);
}

#[tokio::test]
async fn what_is_not_asked_for_closes_nothing() {
    let world = World::new().await;
    let scope = Scope::Incremental { sweep_ms: 10 * DAY_MS };
    world.happen(&Event::Scanned(0, 0, 1));
    world.happen(&Event::Component(0, true));
    let first = world.read(&world.reader, scope, 0.0).await;
    // One list of applications; of the four, three were never scanned.
    assert_eq!(first.report.requests, 1 + 3 + 3 * 2);
    assert_eq!(first.report.findings.new, 2);
    {
        // Its record forgets its scans: that alone takes nothing away.
        let mut tenant = world.tenant.lock().unwrap();
        tenant.apps[0].scans.clear();
        tenant.apps[0].scanned_ms = None;
    }
    world.pass(HOUR_MS);
    let second = world.read(&world.reader, scope, 0.0).await;
    assert_eq!(second.report.requests, 1 + 3, "the list that it holds something of is asked for");
    assert_eq!((second.report.findings.closed, second.report.findings.unchanged), (0, 2));
    world.happen(&Event::ScansDeleted(0));
    world.happen(&Event::Edited(0));
    world.pass(HOUR_MS);
    let third = world.read(&world.reader, scope, 0.0).await;
    assert_eq!((third.report.requests, third.report.findings.closed), (1 + 3, 1));
}

/// What could not be read is held as well: its list is asked for until it can be.
#[tokio::test]
async fn a_record_that_cannot_be_read_is_not_forgotten_by_what_is_saved() {
    let world = World::new().await;
    let scope = Scope::Incremental { sweep_ms: 100 * DAY_MS };
    let read = async |audit_share: f64| {
        let options = Options { scope, audit_share, ..Options::default() };
        let Bench { connector, integration, client, .. } = &world.reader;
        let run = connector.sync(*integration, client.clone(), options, Arc::new(|_| {}));
        run.await.unwrap().report
    };
    assert!(read(0.0).await.complete);
    let grave = |severity| {
        world.tenant.lock().unwrap().apps[0].flaws("", false)[0].severity = severity;
    };
    world.happen(&Event::Unexplained(0));
    grave(99);
    world.pass(DAY_MS);
    let audit = read(1.0).await.audit.unwrap();
    assert_eq!((audit.applications, audit.missed_by_scans), (3, 1), "one is not read to its end");
    for _ in 0..2 {
        let report = read(0.0).await;
        assert!(!report.complete && report.findings.undecodable == 1, "{report:?}");
    }
    grave(3);
    let report = read(0.0).await;
    assert!(report.complete && report.findings.new == 1, "{report:?}");
}

#[tokio::test]
async fn an_audit_is_once_a_day_and_counts_in_the_store() {
    let world = World::new().await;
    let scope = Scope::Incremental { sweep_ms: 100 * DAY_MS };
    for _ in 0..2 {
        let none = world.read(&world.reader, scope, 1.0).await;
        assert_eq!(none.report.audit, None, "the day of the first reading");
        world.pass(HOUR_MS);
    }
    world.pass(DAY_MS);
    assert_eq!(world.read(&world.reader, scope, 0.0).await.report.audit, None, "turned off");
    let first = world.read(&world.reader, scope, 0.02).await;
    assert_eq!(first.report.audit.map(|audit| (audit.applications, audit.missed())), Some((1, 0)));
    assert_eq!(world.read(&world.reader, scope, 1.0).await.report.audit, None, "the same day");
    world.pass(DAY_MS);
    world.happen(&Event::SandboxMade(1));
    world.happen(&Event::SandboxScanned(1, 0, false, 1));
    world.happen(&Event::Unexplained(2));
    let found = world.read(&world.reader, scope, 1.0).await.report.audit.unwrap();
    assert_eq!((found.applications, found.missed_by_dates, found.missed_by_scans), (4, 1, 1));
    let sweep = world.reader.connector.store.swept().await.unwrap()[0].sweep.unwrap();
    assert_eq!((sweep.applications, sweep.last_applications, sweep.last_missed), (5, 4, 2));
    assert_eq!((sweep.missed_by_dates, sweep.missed_by_scans), (1, 1));
    assert_eq!((sweep.period_ms, sweep.clean), (50 * DAY_MS, 0));
    world.pass(DAY_MS);
    let clean = world.read(&world.reader, scope, 1.0).await.report.audit.unwrap();
    assert_eq!((clean.applications, clean.missed()), (4, 0));
    let sweep = world.reader.connector.store.swept().await.unwrap()[0].sweep.unwrap();
    assert_eq!((sweep.period_ms, sweep.clean, sweep.last_missed), (50 * DAY_MS, 1, 0));
}

/// Requests, and not time: what the demo tenant costs, whose applications are of every sort.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_a_first_sync_and_of_quiet_days() {
    const APPLICATIONS: f64 = 60.0;
    let test = TestPlatform::start(SeedSpec::Demo).await;
    let pair = test.mint("reader", &["resultsapi", "noteamrestrictionapi"]).pair;
    let draw = repeatable_random();
    let random: Random = Arc::new(move |buffer| draw(buffer));
    let folder = tempfile::tempdir().unwrap();
    let reader = Reader::open(&test, &pair, &random, folder.path()).await;
    let sync = async |options: Options| {
        let finished = reader.sync_as(options, Arc::new(|_| {}), std::future::pending()).await;
        assert!(finished.report.complete, "{:?}", finished.report.problems);
        (finished.report.requests - finished.report.retries) as f64 / APPLICATIONS
    };
    let first = sync(Options::default()).await;
    let everything = sync(Options { scope: Scope::Full, ..Options::default() }).await;
    let period_days = sweep::USUAL_MS / DAY_MS;
    let mut days = Vec::new();
    for _ in 0..period_days {
        let mut day = 0.0;
        for _ in 0..DAY_MS / RUN_EVERY_MS {
            test.advance(RUN_EVERY_MS);
            day += sync(Options::default()).await;
        }
        days.push(day);
    }
    let mean = days.iter().sum::<f64>() / days.len() as f64;
    let most = days.iter().copied().fold(0.0, f64::max);
    println!("first {first:.2}, everything {everything:.2}, quiet days {mean:.2}, most {most:.2}");
    // Of 60 applications 15 have two sandboxes, and one was never scanned: that one list is all
    // that is certain to be empty.
    assert!(first <= 4.0 && first < everything, "{first} {everything}");
    assert!(mean <= 0.6, "{days:?}");
    // Drawn by a hash, days are not alike; none has a third of everything.
    assert!(most <= everything / 3.0, "{days:?}");
    // All of them within a day, as it was before they were spread.
    let daily = Options {
        scope: Scope::Incremental { sweep_ms: DAY_MS },
        audit_share: 0.0,
        ..Options::default()
    };
    let mut each = Vec::new();
    for _ in 0..2 * DAY_MS / RUN_EVERY_MS {
        test.advance(RUN_EVERY_MS);
        each.push(sync(daily.clone()).await);
    }
    // On the first of the two, those of the longer period are due as well.
    let daily: f64 = each.iter().skip(each.len() / 2).sum();
    println!("a day of a period of a day {daily:.2}");
    assert!(daily > 6.0 * mean, "{daily} {mean}");
}
