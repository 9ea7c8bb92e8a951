//! A tenant of applications and findings that a test changes, and a store that syncs it.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use countersign_connector::{Clock, Random};
use countersign_deliveries::decide::Taste;
use countersign_deliveries::destination::{Destination, MAX_NEW};
use countersign_deliveries::group::{Grouping, Subject};
use countersign_deliveries::machine::Deliveries;
use countersign_deliveries::receiver::Receiver;
use countersign_deliveries::render::TicketRules;
use countersign_findings::filter::Expression;
use countersign_findings::{Application, Context, Finding, Verdict, judge};
use countersign_store::{
    Change, ChangeKind, CredentialKind, DeliveryMode, NewCredential, Put, Reading, RunId, RunKind,
    Store,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// 2026-09-21.
pub(crate) const START_MS: i64 = 1_790_000_000_000;
pub(crate) const MINUTE_MS: i64 = 60_000;
pub(crate) const DAY_MS: i64 = 1_440 * MINUTE_MS;

/// Repeatable random numbers.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, most: u64) -> u64 {
        self.next() % most.max(1)
    }

    pub(crate) fn ms(&mut self, most: i64) -> i64 {
        i64::try_from(self.below(most.unsigned_abs())).unwrap()
    }

    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(usize::try_from(self.below(from.len() as u64)).unwrap())
    }
}

/// What the service says of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Open,
    Fixed,
    Mitigated,
    FalsePositive,
}

#[derive(Debug, Clone)]
pub(crate) struct Flaw {
    pub(crate) number: i64,
    pub(crate) severity: i64,
    pub(crate) cwe: i64,
    pub(crate) status: Status,
    /// What it said when it was last read.
    pub(crate) read: Option<Status>,
    /// Whether the service shows it.
    pub(crate) is_there: bool,
    /// When a change said last that it is open again, and that it is closed.
    pub(crate) reopened_ms: i64,
    pub(crate) closed_ms: i64,
}

impl Flaw {
    pub(crate) fn is_open(&self) -> bool {
        self.is_there && self.status == Status::Open
    }

    fn record(&self) -> Value {
        let (status, resolution) = match self.status {
            Status::Open => ("OPEN", "UNRESOLVED"),
            Status::Fixed => ("CLOSED", "UNRESOLVED"),
            Status::Mitigated => ("OPEN", "MITIGATED"),
            Status::FalsePositive => ("OPEN", "POTENTIAL_FALSE_POSITIVE"),
        };
        let approved = if resolution == "UNRESOLVED" { "NONE" } else { "APPROVED" };
        json!({
            "issue_id": self.number, "scan_type": "STATIC", "description": "made up",
            "violates_policy": false,
            "finding_status": {"status": status, "resolution": resolution,
                "resolution_status": approved, "first_found_date": "2026-01-02T00:00:00.000Z"},
            "finding_details": {"severity": self.severity,
                "cwe": {"id": self.cwe, "name": format!("Weakness {}", self.cwe)},
                "module": "app.jar", "file_path": format!("src/{}.rs", self.number)},
        })
    }
}

#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) guid: String,
    pub(crate) name: String,
    pub(crate) flaws: BTreeMap<i64, Flaw>,
}

impl App {
    fn decoded(&self) -> (Application, String) {
        let raw = json!({"guid": self.guid, "profile": {"name": self.name}}).to_string();
        (Application::decode(&raw).unwrap(), raw)
    }

    pub(crate) fn finding(&self, flaw: &Flaw) -> Finding {
        let raw = flaw.record().to_string();
        Finding::decode(&raw, &self.decoded().0.guid, &Context::Policy).unwrap()
    }

    /// The key of the group that a flaw is in.
    pub(crate) fn key(&self, flaw: &Flaw, grouping: Grouping) -> String {
        Subject::of(&self.finding(flaw), grouping).key()
    }
}

pub(crate) struct World {
    _folder: TempDir,
    pub(crate) store: Store,
    run: RunId,
    now_ms: Arc<AtomicI64>,
    pub(crate) apps: Vec<App>,
    numbers: i64,
}

/// In memory where there is such a folder: a simulation waits for the disk else.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap()
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = folder();
        let store = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
        let credential = NewCredential {
            name: "tenant".into(),
            vault_name: "integration/tenant".into(),
            kind: CredentialKind::Hmac,
            url: "https://example.com".into(),
            ca_pem: None,
            allow_http_loopback: false,
            api_id: "0".repeat(32),
            version: 1,
            added_ms: 1,
        };
        let integration = store.add_integration(credential, None).await.unwrap();
        let run = store.begin_run(integration, RunKind::Incremental, 1).await.unwrap();
        let now_ms = Arc::new(AtomicI64::new(START_MS));
        Self { _folder: folder, store, run, now_ms, apps: Vec::new(), numbers: 0 }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn pass(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::Relaxed);
    }

    pub(crate) fn pass_until(&self, ms: i64) {
        self.now_ms.fetch_max(ms, Ordering::Relaxed);
    }

    pub(crate) fn clock(&self) -> Clock {
        let now_ms = Arc::clone(&self.now_ms);
        Arc::new(move || now_ms.load(Ordering::Relaxed))
    }

    /// A process that delivers.
    pub(crate) fn process(&self) -> Deliveries {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let dice = std::sync::Mutex::new(Dice::new(NEXT.fetch_add(1, Ordering::Relaxed)));
        let random: Random = Arc::new(move |bytes: &mut [u8]| {
            let mut dice = dice.lock().unwrap();
            bytes.fill_with(|| dice.next().to_le_bytes()[0]);
        });
        Deliveries::new(self.store.clone(), self.clock(), random)
    }

    pub(crate) fn add_app(&mut self) -> usize {
        let at = self.apps.len();
        let (guid, name) = (format!("guid-{at}"), format!("Application {at}"));
        self.apps.push(App { guid, name, flaws: BTreeMap::new() });
        at
    }

    pub(crate) fn add_flaw(&mut self, app: usize, severity: i64, cwe: i64) -> i64 {
        self.numbers += 1;
        let flaw = Flaw {
            number: self.numbers,
            severity,
            cwe,
            status: Status::Open,
            read: None,
            is_there: true,
            reopened_ms: 0,
            closed_ms: 0,
        };
        self.apps[app].flaws.insert(self.numbers, flaw);
        self.numbers
    }

    pub(crate) fn flaw(&mut self, number: i64) -> &mut Flaw {
        self.apps.iter_mut().find_map(|app| app.flaws.get_mut(&number)).unwrap()
    }

    /// So many findings of severity 4 in an application of their own, synced.
    pub(crate) async fn with_flaws(&mut self, count: i64) -> usize {
        let app = self.add_app();
        for _ in 0..count {
            self.add_flaw(app, 4, 89);
        }
        self.sync(app).await;
        app
    }

    pub(crate) async fn sync(&mut self, app: usize) {
        let read_ms = self.now_ms();
        self.sync_as(app, Reading::Complete { read_ms }, false).await;
    }

    /// As a sync reads an application; with the brake, what would be closed is left as it is.
    pub(crate) async fn sync_as(&mut self, app: usize, reading: Reading, brake: bool) {
        let now_ms = self.now_ms();
        let app = &mut self.apps[app];
        let (application, raw) = app.decoded();
        let mut writer = self.store.open_application(self.run, &application, &raw).await.unwrap();
        let mut seen = HashSet::new();
        for flaw in app.flaws.values_mut().filter(|flaw| flaw.is_there) {
            let raw = flaw.record().to_string();
            let finding = Finding::decode(&raw, &application.guid, &Context::Policy).unwrap();
            let (id, hash) = (finding.id.to_bytes(), Sha256::digest(raw.as_bytes()).into());
            seen.insert(id);
            flaw.read = Some(flaw.status);
            if writer.id_of_hash(&Context::Policy, &hash).is_some() {
                continue;
            }
            let standing = writer.held().get(&id).map(|held| held.standing());
            let before = writer.before(&[id]).await.unwrap().remove(&id);
            let differences = before.map(|before| before.differences(&finding));
            let differences = differences.unwrap_or_default();
            let kind = match judge(standing, &finding, &differences) {
                Verdict::New => Some(ChangeKind::New),
                Verdict::Changed => Some(ChangeKind::Changed),
                Verdict::Reopened => Some(ChangeKind::Reopened),
                Verdict::Closed => Some(ChangeKind::Closed),
                Verdict::Unchanged => None,
            };
            match kind {
                Some(ChangeKind::Reopened) => flaw.reopened_ms = now_ms,
                Some(ChangeKind::Closed) => flaw.closed_ms = now_ms,
                _ => {}
            }
            if brake && kind == Some(ChangeKind::Closed) {
                writer.withhold([id]);
            }
            let change = kind.map(|kind| Change { kind, differences });
            writer.put(Put { finding, raw: &raw, hash, change }).await.unwrap();
        }
        let held = writer.held().iter();
        let gone = held.filter(|(id, held)| !held.gone && !seen.contains(*id)).map(|(id, _)| *id);
        let gone: Vec<_> = gone.collect();
        writer.vanish(gone);
        writer.commit(reading).await.unwrap();
    }
}

/// A live destination of this receiver for everything.
pub(crate) fn destination(name: &str, receiver: Receiver) -> Destination {
    Destination {
        name: name.into(),
        kind: "made_up",
        place: "example.com".into(),
        mode: DeliveryMode::Live,
        filter: Expression::default(),
        grouping: Grouping::Finding,
        max_new: MAX_NEW,
        rules: TicketRules::default(),
        taste: Taste::default(),
        receiver,
    }
}
