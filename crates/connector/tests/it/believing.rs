//! Sync against answers that are made up: records changed in every member, pages
//! repeated, shuffled, emptied, shortened, claims without end. Whatever comes, nothing
//! closes that the rule does not allow, everything that can be read is shown, and every
//! number adds up.
//!
//! `COUNTERSIGN_BELIEVING=100000 cargo test --release -p countersign-connector --test it
//! believing` tries more.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use countersign_connector::Fault;
use countersign_connector::sync::plan::Scope;
use countersign_connector::sync::{Finished, Options};
use countersign_findings::closure::Brake;
use countersign_findings::filter::Expression;
use countersign_findings::{ApplicationGuid, Context, Finding};
use countersign_store::{Query, Since};
use serde_json::{Value, json};

use super::{Bench, SIZE};

/// A list as it is answered: its pages, and what comes after them.
#[derive(Debug, Clone, Default)]
struct List {
    name: &'static str,
    pages: Vec<Vec<String>>,
    total: u64,
    /// Repeats its pages and claims this many elements.
    is_endless: bool,
    /// Has other elements on each page, and each this large.
    padding: usize,
}

impl List {
    fn of(name: &'static str, elements: &[String]) -> Self {
        let pages = elements.chunks(SIZE as usize).map(<[_]>::to_vec).collect();
        let total = elements.len() as u64;
        Self { name, pages, total, ..Self::default() }
    }

    fn body(&self, number: u64) -> String {
        if self.padding > 0 {
            let padding = "x".repeat(self.padding);
            let raw: Vec<_> = (0..SIZE)
                .map(|at| json!({"guid": format!("new-{number}-{at}"), "padding": padding}))
                .map(|element| element.to_string())
                .collect();
            let page = Self::of(self.name, &raw);
            return Self { total: self.total, is_endless: true, ..page }.body(number);
        }
        let at = match (self.is_endless, self.pages.len() as u64) {
            (true, count @ 1..) => number % count,
            _ => number,
        };
        let elements = usize::try_from(at).ok().and_then(|at| self.pages.get(at));
        let elements = elements.map(|page| page.join(",")).unwrap_or_default();
        let embedded = match elements.is_empty() {
            true => String::new(),
            false => format!(r#""_embedded":{{"{}":[{elements}]}},"#, self.name),
        };
        format!(
            r#"{{{embedded}"page":{{"size":{SIZE},"total_elements":{},"total_pages":{},"number":{number}}},"_links":{{}}}}"#,
            self.total,
            self.total.div_ceil(SIZE),
        )
    }
}

type Lists = Arc<Mutex<HashMap<String, List>>>;

async fn answer(State(lists): State<Lists>, uri: Uri, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let value = |name: &str| {
        query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).map(str::to_owned)
    };
    let family = if query.contains("scan_type=SCA") { "sca" } else { "flaws" };
    let key = match uri.path().strip_suffix("/findings") {
        Some(path) => format!("{path} {family} {}", value("context").unwrap_or_default()),
        None => uri.path().to_owned(),
    };
    let number = value("page").and_then(|text| text.parse().ok()).unwrap_or_default();
    match lists.lock().expect("no panic under the lock").get(&key) {
        Some(list) => ([("content-type", "application/json")], list.body(number)).into_response(),
        None => (StatusCode::NOT_FOUND, r#"{"message":"no"}"#).into_response(),
    }
}

/// The same numbers each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((bits ^ (bits >> 31)) % end.max(1) as u64).expect("below the end")
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }
}

/// An application as it really is.
#[derive(Debug, Clone)]
struct App {
    guid: String,
    scans: u64,
    /// Flaws and components, each open or fixed, in the policy context or in the sandbox.
    findings: BTreeMap<(bool, bool, u64), bool>,
    has_sandbox: bool,
}

fn record(is_sca: bool, number: u64, is_fixed: bool) -> Value {
    let status = if is_fixed { "CLOSED" } else { "OPEN" };
    let mut record = json!({
        "scan_type": if is_sca { "SCA" } else { "STATIC" }, "description": "words",
        "violates_policy": true, "build_id": 3,
        "finding_status": {"status": status, "resolution": "UNRESOLVED",
            "resolution_status": "NONE", "first_found_date": "2026-01-02T03:04:05.678Z"},
        "finding_details": {"severity": 4, "cwe": {"id": 89, "name": "SQL Injection"}},
    });
    if is_sca {
        record["finding_details"]["component_id"] = json!(format!("c-{number}"));
        record["finding_details"]["cve"] = json!({"name": "CVE-2026-0001"});
        record["finding_details"]["metadata"] = json!({"sca_scan_mode": "UPLOAD"});
    } else {
        record["issue_id"] = json!(number);
        record["finding_details"]["file_path"] = json!("src/a.rs");
        record["finding_details"]["file_line_number"] = json!(number);
    }
    record
}

fn junk(dice: &mut Dice) -> Value {
    let all = [
        json!(null),
        json!(""),
        json!("N/A"),
        json!("maybe"),
        json!(-7),
        json!(1e300),
        json!([]),
        json!({}),
        json!([null]),
        json!("2026-01-02"),
        json!(true),
        json!({"id": []}),
        json!("7"),
    ];
    all[dice.below(all.len())].clone()
}

/// One member, somewhere, becomes something else.
fn mutate(record: &mut Value, dice: &mut Dice) {
    let mut place = record;
    loop {
        let Value::Object(members) = place else { unreachable!("records are objects") };
        let at = dice.below(members.len());
        let next = members.values_mut().nth(at).expect("a member");
        let goes_on = next.as_object().is_some_and(|members| !members.is_empty());
        if !goes_on || dice.one_in(3) {
            *next = junk(dice);
            return;
        }
        place = next;
    }
}

/// What one answer should leave.
#[derive(Debug, Default)]
struct Expected {
    /// All of it adds up, and can be read.
    is_whole: bool,
    /// Finding to whether it is shown as fixed; of what was served and can be read.
    shown: BTreeMap<String, bool>,
}

/// Distorts a list or not; answers whether it still adds up.
fn distort(list: &mut List, dice: &mut Dice) -> bool {
    match dice.below(40) {
        0 => {
            // One element less than is claimed.
            match list.pages.last_mut() {
                Some(last) => drop(last.pop()),
                None => return true,
            }
            false
        }
        1 | 2 => {
            // A row again, where another was or beside it.
            let Some(first) = list.pages.first().and_then(|page| page.first()).cloned() else {
                return true;
            };
            let last = list.pages.len() - 1;
            if dice.one_in(2) && list.pages[last].len() > 1 {
                *list.pages[last].last_mut().expect("an element") = first;
            } else {
                let mut all: Vec<_> = list.pages.concat();
                all.push(first);
                *list = List::of(list.name, &all);
            }
            false
        }
        3 => {
            let mut all: Vec<_> = list.pages.concat();
            for at in (1..all.len()).rev() {
                all.swap(at, dice.below(at + 1));
            }
            *list = List::of(list.name, &all);
            true
        }
        4 | 5 => {
            *list = List::of(list.name, &[]);
            true
        }
        6 => {
            let is_full = list.pages.first().is_some_and(|page| page.len() as u64 == SIZE);
            list.is_endless = is_full;
            list.pages.truncate(1);
            list.total = [4_000_000, 5_000_000_000_000][dice.below(2)];
            false
        }
        _ => true,
    }
}

struct World {
    dice: Dice,
    apps: Vec<App>,
    next: u64,
}

impl World {
    fn step(&mut self) {
        if self.apps.len() < 4 && (self.apps.is_empty() || self.dice.one_in(5)) {
            let guid = format!("app-{}", self.next);
            self.next += 1;
            let has_sandbox = self.dice.one_in(5);
            let app = App { guid, scans: 1, findings: BTreeMap::new(), has_sandbox };
            self.apps.push(app);
            self.grow(self.apps.len() - 1);
        }
        for at in 0..self.apps.len() {
            if self.dice.one_in(3) {
                self.apps[at].scans += 1;
            }
            match self.dice.below(6) {
                0 => self.grow(at),
                1 => {
                    // Some are fixed, some are no longer there.
                    let share = 1 + self.dice.below(4);
                    let keys: Vec<_> = self.apps[at].findings.keys().copied().collect();
                    for key in keys {
                        match self.dice.below(2 + share) {
                            0 => drop(self.apps[at].findings.insert(key, true)),
                            1 => drop(self.apps[at].findings.remove(&key)),
                            _ => {}
                        }
                    }
                }
                2 => self.apps[at].findings.values_mut().for_each(|is_fixed| *is_fixed = false),
                _ => {}
            }
        }
        if self.apps.len() > 1 && self.dice.one_in(15) {
            let at = self.dice.below(self.apps.len());
            self.apps.remove(at);
        }
    }

    fn grow(&mut self, at: usize) {
        for _ in 0..self.dice.below(10) {
            let number = self.dice.below(14) as u64;
            let (is_sca, in_sandbox) = (self.dice.one_in(4), self.dice.one_in(4));
            let in_sandbox = in_sandbox && self.apps[at].has_sandbox;
            self.apps[at].findings.entry((in_sandbox, is_sca, number)).or_insert(false);
        }
    }

    /// All answers; what is in them, by guid, and whether the list of applications is whole.
    fn serve(&mut self, lists: &Lists) -> (HashMap<String, Expected>, bool) {
        let mut served = HashMap::new();
        let mut expected = HashMap::new();
        let mut listed = Vec::new();
        for app in self.apps.clone() {
            let date = format!("2026-01-{:02}T00:00:00.000Z", 1 + app.scans % 28);
            let year = 2000 + app.scans / 28;
            let date = date.replacen("2026", &year.to_string(), 1);
            listed.push(
                json!({"guid": app.guid, "last_completed_scan_date": date, "profile": {"name": "A"}})
                    .to_string(),
            );
            let seen = self.serve_app(&app, &mut served);
            expected.insert(app.guid, seen);
        }
        let mut list = List::of("applications", &listed);
        let is_whole = distort(&mut list, &mut self.dice);
        let all: BTreeSet<String> = list.pages.concat().into_iter().collect();
        expected.retain(|guid, _| all.iter().any(|raw| raw.contains(&format!("\"{guid}\""))));
        served.insert("/appsec/v1/applications".into(), list);
        *lists.lock().expect("no panic under the lock") = served;
        (expected, is_whole)
    }

    fn serve_app(&mut self, app: &App, served: &mut HashMap<String, List>) -> Expected {
        let mut seen = Expected { is_whole: true, ..Expected::default() };
        let guid = ApplicationGuid::parse(&app.guid).expect("a guid");
        let sandbox = format!("sandbox-{}", app.guid);
        let mut sandboxes = Vec::new();
        if app.has_sandbox {
            sandboxes.push(json!({"guid": sandbox, "name": "s"}).to_string());
        }
        if self.dice.one_in(30) {
            sandboxes.push(json!({"guid": "x&scan_type=SCA", "name": "s"}).to_string());
            seen.is_whole = false;
        }
        served.insert(
            format!("/appsec/v1/applications/{guid}/sandboxes"),
            List::of("sandboxes", &sandboxes),
        );
        served.insert(format!("/appsec/v1/applications/{guid}"), List::default());
        for in_sandbox in [false, true] {
            if in_sandbox && !app.has_sandbox {
                continue;
            }
            for is_sca in [false, true] {
                let mut raw = Vec::new();
                let of_list =
                    app.findings.iter().filter(|((s, c, _), _)| (*s, *c) == (in_sandbox, is_sca));
                for ((_, _, number), is_fixed) in of_list {
                    let mut record = record(is_sca, *number, *is_fixed);
                    if self.dice.one_in(12) {
                        mutate(&mut record, &mut self.dice);
                    }
                    raw.push(record.to_string());
                }
                let mut list = List::of("findings", &raw);
                seen.is_whole &= distort(&mut list, &mut self.dice);
                let context = match in_sandbox {
                    true => Context::sandbox(&sandbox).expect("a guid"),
                    false => Context::Policy,
                };
                for raw in list.pages.iter().flatten() {
                    match Finding::decode(raw, &guid, &context) {
                        Ok(finding) => {
                            let is_fixed = !finding.state.is_open();
                            let id = finding.id.to_string();
                            // Two records that say they are the same finding.
                            seen.is_whole &= !seen.shown.contains_key(&id);
                            seen.shown.entry(id).or_insert(is_fixed);
                        }
                        Err(_) => seen.is_whole = false,
                    }
                }
                let family = if is_sca { "sca" } else { "flaws" };
                let context = context.guid().unwrap_or_default();
                served.insert(format!("/appsec/v2/applications/{guid} {family} {context}"), list);
            }
        }
        seen
    }
}

/// What the store says of one application.
#[derive(Debug, Clone, Default)]
struct Stored {
    /// Those that are not gone, and whether they are open.
    findings: BTreeMap<String, bool>,
    is_gone: bool,
}

async fn stored(bench: &Bench) -> HashMap<String, Stored> {
    let store = &bench.connector.store;
    let mut all: HashMap<String, Stored> = HashMap::new();
    for row in store.applications().await.expect("applications") {
        let entry = all.entry(row.application.guid.to_string()).or_default();
        entry.is_gone = row.gone;
    }
    let query = Query { limit: 10_000, ..Query::default() };
    for row in store.findings(query).await.expect("findings") {
        let guid = row.finding.application.to_string();
        let entry = all.entry(guid).or_default();
        entry.findings.insert(row.finding.id.to_string(), row.finding.state.is_open());
    }
    all
}

/// Of the rule in words: at least half stays, or few go, or a scan accounts for it.
fn may_close(open: usize, closing: usize, has_newer_scan: bool) -> bool {
    has_newer_scan || closing * 2 <= open || closing <= 5
}

struct Run {
    bench: Bench,
    lists: Lists,
    world: World,
    /// Scans of each application at its last complete reading.
    scans: HashMap<String, u64>,
    last_change: i64,
}

impl Run {
    async fn new(seed: u64) -> Self {
        let lists = Lists::default();
        let bench = Bench::on(Router::new().fallback(answer).with_state(Arc::clone(&lists))).await;
        let world = World { dice: Dice(seed), apps: Vec::new(), next: 0 };
        Self { bench, lists, world, scans: HashMap::new(), last_change: 0 }
    }

    async fn sync(&self, accepts_closures: bool) -> Finished {
        let options = Options {
            scope: Scope::Full,
            page_size: SIZE as u32,
            rereads: 1,
            brake: if accepts_closures { Brake::off() } else { Brake::default() },
            ..Options::default()
        };
        let (client, watch) = (self.bench.client.clone(), Arc::new(|_| {}));
        let connector = &self.bench.connector;
        connector.sync(self.bench.integration, client, options, watch).await.expect("a report")
    }

    /// One more answer of the service, and all that has to hold after it.
    async fn step(&mut self) {
        self.world.step();
        let before = stored(&self.bench).await;
        let (expected, is_listed) = self.world.serve(&self.lists);
        let accepts = self.world.dice.one_in(15);
        let finished = self.sync(accepts).await;
        let after = stored(&self.bench).await;
        let report = &finished.report;

        let (mut all_open, mut all_closed) = (0, 0);
        for (guid, was) in &before {
            let now = &after[guid];
            let open: Vec<_> = was.findings.iter().filter(|(_, is_open)| **is_open).collect();
            let closed = open.iter().filter(|(id, _)| now.findings.get(*id) != Some(&true)).count();
            all_open += open.len();
            let scans = self.world.apps.iter().find(|app| app.guid == *guid).map(|app| app.scans);
            let known = self.scans.get(guid).copied();
            let has_newer = scans > known;
            if !has_newer {
                all_closed += closed;
            }
            let nothing = Expected::default();
            let seen = expected.get(guid).unwrap_or(&nothing);
            // Gone from sight: only by an answer that is whole, and never shown as fixed.
            let vanished = open.iter().filter(|(id, _)| !now.findings.contains_key(*id)).count();
            assert!(vanished == 0 || seen.is_whole, "{guid}: {vanished} vanished: {seen:?}");
            for (id, _) in &open {
                let is_shown_open = seen.shown.get(*id) == Some(&false);
                let is_open = now.findings.get(*id) == Some(&true);
                assert!(!is_shown_open || is_open, "{guid}: {id} is shown as open");
            }
            assert!(
                accepts || may_close(open.len(), closed, has_newer),
                "{guid}: {closed} of {} closed: {report:?}",
                open.len()
            );
            assert!(!now.is_gone || was.is_gone || is_listed || expected.is_empty(), "{guid} gone");
        }
        let gone = after
            .iter()
            .filter(|(guid, now)| now.is_gone && !before.get(*guid).is_some_and(|was| was.is_gone));
        let (gone, visible) = (gone.count(), before.values().filter(|was| !was.is_gone).count());
        assert!(accepts || gone <= 5 || gone * 2 <= visible, "{gone} of {visible} gone");
        assert_eq!(report.applications.gone, gone as u64);
        assert!(
            accepts || all_closed <= 5 || all_closed * 2 <= all_open,
            "{all_closed} of {all_open}"
        );

        // Everything that came and can be read is there, and nothing else is new.
        for (guid, seen) in &expected {
            let now = after.get(guid).cloned().unwrap_or_default();
            for id in seen.shown.keys() {
                assert!(now.findings.contains_key(id), "{guid}: {id} is missing: {report:?}");
            }
        }

        // Numbers.
        let store = &self.bench.connector.store;
        let total: usize = after.values().map(|now| now.findings.len()).sum();
        assert_eq!(report.findings.total, total as u64);
        let noted: Expression = "notes[ne]".parse().expect("a filter");
        assert_eq!(report.findings.noted, store.count_findings(noted).await.expect("a count"));
        let changes = store.changes(Since::Seq(self.last_change), 100_000).await.expect("changes");
        let count =
            |kind: &str| changes.iter().filter(|row| row.kind.as_str() == kind).count() as u64;
        self.last_change = changes.last().map_or(self.last_change, |row| row.seq);
        let findings = &report.findings;
        assert_eq!(
            (count("new"), count("reopened"), count("closed")),
            (findings.new, findings.reopened, findings.closed),
            "{report:?}"
        );
        assert_eq!(report.complete, finished.fault().is_none());
        assert_eq!(report.complete, report.problems.is_empty());
        assert!(!report.is_held_back() || !report.complete);
        let is_whole = is_listed && expected.values().all(|seen| seen.is_whole);
        assert!(is_whole || !report.complete, "{report:?}");
        assert!(report.complete || !is_whole || report.is_held_back(), "{report:?}");

        for row in store.applications().await.expect("applications") {
            let guid = row.application.guid.to_string();
            let scans = self.world.apps.iter().find(|app| app.guid == guid).map(|app| app.scans);
            if let Some(scans) = scans.filter(|_| expected.contains_key(&guid)) {
                let known = self.scans.entry(guid).or_insert(scans);
                if row.read_ms.is_some() {
                    *known = scans;
                }
            }
        }
    }
}

/// Cases in all; each world has a hundred.
fn cases() -> u64 {
    std::env::var("COUNTERSIGN_BELIEVING").ok().and_then(|text| text.parse().ok()).unwrap_or(2_500)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_answered() {
    let worlds = cases().div_ceil(100);
    let mut running = tokio::task::JoinSet::new();
    for seed in 0..worlds {
        if running.len() >= 4 {
            running.join_next().await.expect("a world").expect("it holds");
        }
        running.spawn(async move {
            let mut run = Run::new(seed).await;
            for _ in 0..100 {
                run.step().await;
            }
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.expect("it holds");
    }
}

/// Eight applications with eight open flaws each, read once.
async fn settled() -> Run {
    let mut run = Run::new(0).await;
    let findings: BTreeMap<_, _> = (0..8).map(|number| ((false, false, number), false)).collect();
    run.world.apps = (0..8)
        .map(|at| App {
            guid: format!("app-{at}"),
            scans: 1,
            findings: findings.clone(),
            has_sandbox: false,
        })
        .collect();
    run.serve();
    let first = run.sync(false).await.report;
    assert!(first.complete && first.findings.total == 64, "{first:?}");
    run
}

impl Run {
    /// Answers as they are, without distortions.
    fn serve(&mut self) {
        let mut all = HashMap::new();
        let mut listed = Vec::new();
        for app in &self.world.apps {
            let date = format!("2026-01-{:02}T00:00:00.000Z", app.scans);
            let (guid, path) = (&app.guid, format!("/appsec/v1/applications/{}", app.guid));
            listed.push(json!({"guid": guid, "last_completed_scan_date": date}).to_string());
            let raw: Vec<_> = app
                .findings
                .iter()
                .map(|((_, is_sca, number), is_fixed)| {
                    record(*is_sca, *number, *is_fixed).to_string()
                })
                .collect();
            let findings = format!("/appsec/v2/applications/{guid}");
            all.insert(format!("{findings} flaws "), List::of("findings", &raw));
            all.insert(format!("{findings} sca "), List::of("findings", &[]));
            all.insert(format!("{path}/sandboxes"), List::of("sandboxes", &[]));
            all.insert(path, List::default());
        }
        all.insert("/appsec/v1/applications".into(), List::of("applications", &listed));
        *self.lists.lock().expect("no panic under the lock") = all;
    }

    fn add(&self, path: &str, list: List) {
        self.lists.lock().expect("no panic under the lock").insert(path.to_owned(), list);
    }

    fn change(&self, path: &str, change: impl FnOnce(&mut List)) {
        let mut lists = self.lists.lock().expect("no panic under the lock");
        change(lists.get_mut(path).expect("a list"));
    }

    async fn open(&self) -> usize {
        let all = stored(&self.bench).await;
        all.values().flat_map(|app| app.findings.values()).filter(|is_open| **is_open).count()
    }
}

#[tokio::test]
async fn empty_lists_close_nothing_without_a_scan_or_a_word() {
    let mut run = settled().await;
    let full = run.world.apps.clone();
    run.world.apps.iter_mut().for_each(|app| app.findings.clear());
    run.serve();
    for _ in 0..2 {
        let finished = run.sync(false).await;
        assert_eq!(finished.fault(), Some(Fault::Incomplete));
        assert_eq!((finished.report.findings.closed, finished.report.findings.held_back), (0, 64));
        assert!(finished.report.problems[0].reason.contains("no scan"));
        assert_eq!(run.open().await, 64);
    }
    let rows = run.bench.connector.store.applications().await.expect("applications");
    assert!(rows.iter().all(|row| row.held_back == 8 && row.incomplete.is_some()));

    // They are back: nothing happened.
    run.world.apps = full;
    run.serve();
    let back = run.sync(false).await.report;
    assert!(back.complete && back.findings.unchanged == 64, "{back:?}");

    // A scan accounts for one application, a word for the rest.
    run.world.apps.iter_mut().for_each(|app| app.findings.clear());
    run.world.apps[0].scans += 1;
    run.serve();
    let scanned = run.sync(false).await.report;
    assert_eq!((scanned.findings.closed, scanned.findings.held_back), (8, 56));
    let accepted = run.sync(true).await.report;
    assert!(accepted.complete && accepted.findings.closed == 56, "{accepted:?}");
    assert_eq!(run.open().await, 0);
}

#[tokio::test]
async fn all_that_is_said_to_be_fixed_needs_a_scan_too() {
    let mut run = settled().await;
    for app in &mut run.world.apps {
        app.findings.values_mut().for_each(|is_fixed| *is_fixed = true);
    }
    run.serve();
    let held = run.sync(false).await.report;
    assert_eq!((held.findings.closed, held.findings.held_back), (0, 64));
    assert_eq!(run.open().await, 64);
    run.world.apps.iter_mut().for_each(|app| app.scans += 1);
    run.serve();
    let scanned = run.sync(false).await.report;
    assert!(scanned.complete && scanned.findings.closed == 64, "{scanned:?}");
}

/// Few in each application, and all of the account.
#[tokio::test]
async fn what_is_few_everywhere_is_everything() {
    let mut run = Run::new(0).await;
    run.world.apps = (0..20)
        .map(|at| App {
            guid: format!("app-{at}"),
            scans: 1,
            findings: (0..3).map(|number| ((false, false, number), false)).collect(),
            has_sandbox: false,
        })
        .collect();
    run.serve();
    run.sync(false).await;
    run.world.apps.iter_mut().for_each(|app| app.findings.clear());
    run.serve();
    let held = run.sync(false).await.report;
    assert_eq!((held.findings.closed, held.findings.held_back), (0, 60));

    // A third of it is believed.
    let again = (0..3).map(|number| ((false, false, number), false));
    for app in &mut run.world.apps[6..] {
        app.findings = again.clone().collect();
    }
    run.serve();
    let some = run.sync(false).await.report;
    assert!(some.complete && some.findings.closed == 18, "{some:?}");
    assert_eq!((some.findings.held_back, run.open().await), (0, 42));
}

#[tokio::test]
async fn applications_do_not_go_all_at_once() {
    let mut run = settled().await;
    let all = std::mem::take(&mut run.world.apps);
    run.serve();
    let gone = |report: &countersign_connector::sync::Report| {
        (report.applications.gone, report.applications.held_back)
    };
    let finished = run.sync(false).await;
    assert_eq!(finished.fault(), Some(Fault::Incomplete));
    assert_eq!(gone(&finished.report), (0, 8));

    // Listed, and each of them is not there when it is asked for.
    run.world.apps = all.clone();
    run.serve();
    let mut lists = std::mem::take(&mut *run.lists.lock().expect("no panic under the lock"));
    lists.retain(|path, _| path == "/appsec/v1/applications");
    *run.lists.lock().expect("no panic under the lock") = lists;
    assert_eq!(gone(&run.sync(false).await.report), (0, 8));

    // Two of eight may go, the rest with a word.
    run.world.apps = all[2..].to_vec();
    run.serve();
    let two = run.sync(false).await.report;
    assert!(two.complete && gone(&two) == (2, 0), "{two:?}");
    run.world.apps.clear();
    run.serve();
    assert_eq!(gone(&run.sync(false).await.report), (0, 6));
    assert_eq!(gone(&run.sync(true).await.report), (6, 0));
}

#[tokio::test]
async fn a_list_that_claims_a_billion_pages_ends() {
    for total in [4_000_000_000, 9_999_999] {
        for path in [
            "/appsec/v1/applications",
            "/appsec/v1/applications/app-0/sandboxes",
            "/appsec/v2/applications/app-0 flaws ",
        ] {
            let run = settled().await;
            run.change("/appsec/v1/applications/app-0/sandboxes", |list| {
                let raw = (0..SIZE).map(|at| json!({"guid": format!("s-{at}")}).to_string());
                *list = List::of("sandboxes", &raw.collect::<Vec<_>>());
            });
            for at in 0..SIZE {
                for family in ["flaws", "sca"] {
                    let path = format!("/appsec/v2/applications/app-0 {family} s-{at}");
                    run.add(&path, List::of("findings", &[]));
                }
            }
            run.change(path, |list| (list.total, list.is_endless) = (total, true));
            let finished = run.sync(false).await;
            assert_eq!(finished.fault(), Some(Fault::Incomplete));
            assert!(finished.report.requests < 100, "{:?}", finished.report);
            assert_eq!((finished.report.findings.closed, run.open().await), (0, 64));
        }
    }
}

#[tokio::test]
async fn a_list_of_applications_fits_into_memory() {
    let run = settled().await;
    run.change("/appsec/v1/applications", |list| (list.total, list.padding) = (9_999_999, 8 << 20));
    let finished = run.sync(false).await;
    let report = &finished.report;
    assert_eq!(finished.fault(), Some(Fault::Incomplete));
    assert!(report.problems.iter().any(|one| one.reason.contains("512 MiB")), "{report:?}");
    assert_eq!((report.findings.closed, report.applications.gone, run.open().await), (0, 0, 64));
}

#[tokio::test]
async fn a_row_that_comes_twice_hides_nothing() {
    let mut run = settled().await;
    run.world.apps[0].findings = (0..3).map(|n| ((false, false, n), false)).collect();
    run.world.apps[0].findings.insert((false, false, 99), false);
    run.serve();
    let raw: Vec<_> = [0, 1, 1, 99].map(|n| record(false, n, false).to_string()).into();
    let sca: Vec<_> = [7].map(|n| record(true, n, false).to_string()).into();
    for (family, elements) in [("flaws", raw), ("sca", sca)] {
        let path = format!("/appsec/v2/applications/app-0 {family} ");
        run.change(&path, |list| *list = List::of("findings", &elements));
    }
    let before = run.sync(false).await.report;
    assert!(!before.complete && before.problems[0].reason.contains("came twice"), "{before:?}");
    assert_eq!((before.findings.new, before.findings.closed), (2, 0));
    assert_eq!(run.open().await, 66);
    let rows = run.bench.connector.store.applications().await.expect("applications");
    let incomplete = rows.iter().filter(|row| row.incomplete.is_some()).count();
    assert_eq!(incomplete, 1);
}
