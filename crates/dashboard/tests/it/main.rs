//! The dashboard by its pages, over HTTP as it comes: who is let in where, what is
//! refused, and what is shown.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;
mod changes;
mod deliveries;
mod entry;
mod findings;
mod forms;
mod hostile;
mod integrations;
mod numbers;
mod routes;
#[cfg(unix)]
mod silence;
mod strangers;
mod ways;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use countersign_connector::duty::{self, Ended, Rule, Scheduler};
use countersign_connector::watch::Row;
use countersign_dashboard::people::{People, Role, Seal};
use countersign_dashboard::{Config, Dashboard, Identity, Listener};
use countersign_findings::{Application, Context, Finding};
use countersign_store::{
    Change, ChangeKind, CredentialId, CredentialKind, IntegrationId, NewCredential, Put, Reading,
    RunId, RunKind, RunSummary, Store,
};
use countersign_testkit::repeatable_random;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use zeroize::Zeroizing;

use browser::Browser;

const PASSWORD: &str = "plum-Kettle7-orbit";
/// 2026-06-01T00:00:00Z.
const START_MS: i64 = 1_780_272_000_000;
const GUID: &str = "7c1b0a52-0000-4000-8000-000000000001";

/// A dashboard on an empty home, with an integration that nothing runs by itself.
struct Desk {
    dashboard: Dashboard,
    people: People,
    store: Store,
    scheduler: Scheduler,
    integration: IntegrationId,
    run: RunId,
    now_ms: Arc<AtomicI64>,
    runs: Arc<AtomicU64>,
    fetched: Arc<AtomicU64>,
    address: SocketAddr,
    home: TempDir,
}

impl Desk {
    async fn start() -> Self {
        Self::start_at(None).await
    }

    async fn start_at(public_url: Option<&str>) -> Self {
        Self::start_with(public_url, |_| Vec::new()).await
    }

    /// With these credentials in the inventory.
    async fn start_with(
        public_url: Option<&str>,
        credentials: fn(CredentialId) -> Vec<Row>,
    ) -> Self {
        Self::start_at_listener(None, public_url, countersign_web::Limits::default(), credentials)
            .await
    }

    async fn start_at_listener(
        identity: Option<Identity>,
        public_url: Option<&str>,
        limits: countersign_web::Limits,
        credentials: fn(CredentialId) -> Vec<Row>,
    ) -> Self {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&home.path().join("store.sqlite")).await.unwrap();
        let now_ms = Arc::new(AtomicI64::new(START_MS));
        let shown = Arc::clone(&now_ms);
        let clock: countersign_connector::Clock = Arc::new(move || shown.load(Ordering::SeqCst));
        let new = NewCredential {
            name: "demo".into(),
            vault_name: "integration/demo".into(),
            kind: CredentialKind::Hmac,
            url: "https://localhost".into(),
            ca_pem: None,
            allow_http_loopback: false,
            api_id: "0".repeat(32),
            version: 1,
            added_ms: START_MS,
        };
        let integration = store.add_integration(new, None).await.unwrap();
        let credentials = credentials(store.credentials().await.unwrap()[0].id);
        let run = store.begin_run(integration, RunKind::Full, START_MS).await.unwrap();
        let (runs, fetched) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let scheduler = scheduler(&store, &clock, &runs).await;
        let people = people(&home, &clock).await;
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = Listener::bind(free, identity, public_url).await.unwrap();
        let counted = Arc::clone(&fetched);
        let keeping = store.clone();
        let config = Config {
            people: people.clone(),
            store: store.clone(),
            scheduler: Some(scheduler.clone()),
            inventory: Arc::new(move || {
                let rows = credentials.clone();
                Box::pin(async { Ok(rows) })
            }),
            fetch_paths: Arc::new(move |row| {
                counted.fetch_add(1, Ordering::SeqCst);
                let store = keeping.clone();
                Box::pin(async move {
                    let raw = json!({"data_paths": [{"module_name": "m", "calls": [
                        {"function_name": "sink<b>", "file_path": "S.java", "line_number": 2},
                        {"function_name": "source", "file_path": "A.java", "line_number": 1},
                    ]}]})
                    .to_string();
                    let id = row.finding.id.as_str();
                    let kept = store.keep_paths(id, &raw, START_MS).await;
                    kept.map_err(|error| error.to_string())
                })
            }),
            clock,
            random: repeatable_random(),
        };
        let address = listener.address();
        let dashboard = Dashboard::start(listener, limits, config);
        Self {
            dashboard,
            people,
            store,
            scheduler,
            integration,
            run,
            now_ms,
            runs,
            fetched,
            address,
            home,
        }
    }

    fn browser(&self) -> Browser {
        Browser::new(self.address)
    }

    fn advance(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
    }

    fn now(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    /// Somebody with a password, signed in.
    async fn person(&self, name: &str, role: Role) -> Browser {
        let token = self.people.add(name, role).await.unwrap();
        let mut browser = self.browser();
        let page = browser.get(&format!("/welcome/{}", *token)).await;
        assert_eq!((page.status, page.title()), (200, "Choose a password"), "{}", page.body);
        let page = browser.send(&page, "", &[("password", PASSWORD), ("again", PASSWORD)]).await;
        assert_eq!(page.title(), "Set up a second factor", "{}", page.body);
        browser
    }

    /// Brings findings of one application in.
    async fn bring_in(&self, name: &str, records: &[Value]) -> Vec<Finding> {
        let raw = json!({"guid": GUID, "profile": {"name": name}}).to_string();
        let application = Application::decode(&raw).unwrap();
        let mut writer = self.store.open_application(self.run, &application, &raw).await.unwrap();
        let mut findings = Vec::new();
        for record in records {
            let raw = record.to_string();
            let finding = Finding::decode(&raw, &application.guid, &Context::Policy).unwrap();
            let hash = Sha256::digest(raw.as_bytes()).into();
            let change = Some(Change { kind: ChangeKind::New, differences: Vec::new() });
            writer.put(Put { finding: finding.clone(), raw: &raw, hash, change }).await.unwrap();
            findings.push(finding);
        }
        writer.commit(Reading::Complete { read_ms: START_MS }).await.unwrap();
        findings
    }

    async fn end(self) {
        self.scheduler.stop();
        self.dashboard.shutdown().await;
    }
}

async fn scheduler(
    store: &Store,
    clock: &countersign_connector::Clock,
    runs: &Arc<AtomicU64>,
) -> Scheduler {
    let counted = Arc::clone(runs);
    let config = duty::Config {
        store: store.clone(),
        clock: Arc::clone(clock),
        random: repeatable_random(),
        wait: Arc::new(|_| Box::pin(std::future::pending())),
        run: Arc::new(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            Box::pin(async { Ended::default() })
        }),
        usual: Rule {
            period_ms: 3_600_000,
            windows: Vec::new(),
            zone: jiff::tz::TimeZone::UTC,
            jitter_ms: 0,
            full_every_ms: None,
            is_paused: false,
        },
        rounds: Vec::new(),
        rules: BTreeMap::new(),
    };
    // Paused from the start: only what a test asks for is run.
    store.pause_schedule("demo", Some(START_MS)).await.unwrap();
    Scheduler::start(config).await.unwrap().0
}

async fn people(home: &TempDir, clock: &countersign_connector::Clock) -> People {
    let seal = Seal {
        seal: Box::new(|person, plain| [&person.to_be_bytes()[..], plain].concat()),
        unseal: Box::new(|person, sealed| {
            let plain = sealed.strip_prefix(&person.to_be_bytes()[..])?;
            Some(Zeroizing::new(plain.to_vec()))
        }),
    };
    let path = home.path().join("people.sqlite");
    People::open(&path, seal, Arc::clone(clock), repeatable_random()).await.unwrap()
}

/// A static flaw.
fn flaw(number: i64, severity: i64, description: &str) -> Value {
    json!({
        "issue_id": number, "scan_type": "STATIC", "description": description,
        "violates_policy": number % 2 == 0, "count": 1,
        "finding_status": {"status": "OPEN", "resolution": "UNRESOLVED",
            "resolution_status": "NONE", "first_found_date": "2026-01-02T03:04:05.000Z"},
        "finding_details": {"severity": severity, "cwe": {"id": 79 + number % 3, "name": "Weakness"},
            "file_path": format!("src/{}.java", number % 5), "file_line_number": number,
            "module": "app.jar"},
    })
}
