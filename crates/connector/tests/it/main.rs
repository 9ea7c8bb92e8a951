//! Sync against a scripted service that misbehaves: nothing is closed, nothing
//! is lost, and the run says why it is not complete.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod believing;
mod budget;
mod consumers;
mod details;
mod duty;
mod faults;
mod fewer;
mod fuzz;
mod health;
mod hint;
mod import;
mod life;
mod live;
mod metrics;
mod model;
mod month;
mod rotation;
mod watch;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use countersign_client::{Budget, Client, Config, Url};
use countersign_connector::sync::plan::Scope;
use countersign_connector::sync::{Finished, Options};
use countersign_connector::{Connector, Fault, Fences};
use countersign_findings::Population;
use countersign_signing::{ApiId, ApiSecret, Pair};
use countersign_store::{CredentialKind, IntegrationId, NewCredential, Since, Store};
use countersign_vault::{KeySource, SealedFile};
use serde_json::{Value, json};

/// What the service does when findings are asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mood {
    Fine,
    /// One element fewer than the page says.
    Short,
    /// Another total on the second page.
    Drift,
    /// The same element on both pages.
    Twice,
    /// A record that cannot be read.
    Unreadable,
    Status(u16),
    /// HTML where JSON was asked for.
    Html,
    /// A link to another host.
    Elsewhere,
}

#[derive(Clone)]
struct Service {
    mood: Arc<Mutex<Mood>>,
    findings: Arc<Mutex<u64>>,
}

const SIZE: u64 = 4;

impl Service {
    fn mood(&self) -> Mood {
        *self.mood.lock().expect("no panic under the lock")
    }
}

fn finding(n: u64) -> Value {
    json!({
        "issue_id": n, "scan_type": "STATIC", "description": "<span>x</span>", "violates_policy": false,
        "finding_status": {"status": "OPEN", "resolution": "UNRESOLVED", "resolution_status": "NONE"},
        "finding_details": {"severity": 3, "cwe": {"id": 80, "name": "XSS"}, "file_path": "a.rs"},
    })
}

async fn answer(State(service): State<Service>, uri: Uri, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let parameter = |name: &str| {
        let pair = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
        pair.and_then(|text| text.parse::<u64>().ok()).unwrap_or_default()
    };
    let page = |list: &str, elements: Vec<Value>, total: u64, number: u64, next: Option<String>| {
        let mut body = json!({"page": {"size": SIZE, "total_elements": total,
            "total_pages": total.div_ceil(SIZE), "number": number}, "_links": {}});
        if !elements.is_empty() {
            body["_embedded"] = json!({ list: elements });
        }
        if let Some(next) = next {
            body["_links"]["next"] = json!({"href": next});
        }
        axum::Json(body).into_response()
    };
    if uri.path() == "/appsec/v1/applications" {
        let application = json!({"guid": "app-1", "modified": "2026-01-01T00:00:00.000Z", "profile": {"name": "One"}});
        return page("applications", vec![application], 1, 0, None);
    }
    if uri.path() == "/appsec/v1/applications/app-1" {
        return axum::Json(json!({"guid": "app-1"})).into_response();
    }
    if !uri.path().ends_with("/findings") || query.contains("scan_type=SCA") {
        return page("findings", Vec::new(), 0, 0, None);
    }
    let number = parameter("page");
    let all = *service.findings.lock().expect("no panic under the lock");
    let numbers = (number * SIZE + 1)..=((number + 1) * SIZE).min(all);
    let mut elements: Vec<_> = numbers.map(finding).collect();
    let mut total = all;
    let mut next = None;
    match service.mood() {
        Mood::Fine => {}
        Mood::Short if number == 1 => drop(elements.pop()),
        Mood::Drift if number == 1 => total += 1,
        Mood::Twice if number == 1 => elements[0] = finding(1),
        Mood::Unreadable if number == 1 => {
            elements[0] = json!({"issue_id": 5, "scan_type": "NOVEL", "finding_details": {}});
        }
        Mood::Status(status) if number == 1 => {
            let status = StatusCode::from_u16(status).expect("a status");
            return (status, r#"{"message":"no","http_code":0,"http_status":""}"#).into_response();
        }
        Mood::Html if number == 1 => return "<html><title>Sign in</title></html>".into_response(),
        Mood::Elsewhere if number == 0 => next = Some("https://elsewhere.example.com/next".into()),
        _ => {}
    }
    page("findings", elements, total, number, next)
}

struct Bench {
    _folder: tempfile::TempDir,
    service: Service,
    connector: Connector,
    integration: IntegrationId,
    client: Client,
}

impl Bench {
    async fn new() -> Self {
        let service =
            Service { mood: Arc::new(Mutex::new(Mood::Fine)), findings: Arc::new(Mutex::new(7)) };
        let router = Router::new().fallback(answer).with_state(service.clone());
        Self { service, ..Self::on(router).await }
    }

    /// Against any service.
    async fn on(router: Router) -> Self {
        let clock: countersign_connector::Clock = Arc::new(|| 1_780_000_000_000);
        let random: countersign_connector::Random = Arc::new(|buffer| buffer.fill(7));
        Self::at(router, clock, random).await
    }

    /// The same in a time of its own.
    async fn at(
        router: Router,
        clock: countersign_connector::Clock,
        random: countersign_connector::Random,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .expect("a port");
        let host = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });

        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("store.sqlite")).await.expect("a store");
        let key = KeySource::KeyFile(folder.path().join("key"));
        let vault = SealedFile::open(&folder.path().join("vault.json"), key, random.clone())
            .expect("a vault");
        let new = NewCredential {
            name: "test".into(),
            vault_name: "integration/test".into(),
            kind: CredentialKind::Hmac,
            url: host.clone(),
            ca_pem: None,
            allow_http_loopback: true,
            api_id: "0".repeat(32),
            version: 1,
            added_ms: 0,
        };
        let integration = store.add_integration(new, None).await.expect("an integration");
        let pair = Pair {
            id: ApiId::parse(&"0".repeat(32)).expect("an id"),
            secret: ApiSecret::from_bytes(vec![1; 64]),
        };
        let mut config = Config::new(Url::parse(&host).expect("a URL"));
        config.allow_http_loopback = true;
        config.max_attempts = 2;
        config.retry_budget = Duration::from_secs(1);
        config.budget = Budget::alone(1_000_000);
        let client = Client::new(config, &pair, clock.clone(), random.clone()).expect("a client");
        let fences = Fences::at(&folder.path().join("fences"));
        let connector = Connector { store, vault, fences, clock, random };
        let service = Service { mood: Arc::new(Mutex::new(Mood::Fine)), findings: Arc::default() };
        Self { _folder: folder, service, connector, integration, client }
    }

    async fn sync(&self, mood: Mood) -> Finished {
        *self.service.mood.lock().expect("no panic under the lock") = mood;
        let options = Options {
            scope: Scope::Full,
            page_size: SIZE as u32,
            rereads: 1,
            ..Options::default()
        };
        let watch = Arc::new(|_| {});
        self.connector
            .sync(self.integration, self.client.clone(), options, watch)
            .await
            .expect("a report")
    }

    fn set_findings(&self, count: u64) {
        *self.service.findings.lock().expect("no panic under the lock") = count;
    }

    async fn total(&self) -> u64 {
        let counts = self.connector.store.counts(self.integration, Population::STORED);
        counts.await.expect("counts").total
    }

    async fn closed(&self) -> usize {
        let changes = self.connector.store.changes(Since::Beginning, 1000).await.expect("changes");
        changes.iter().filter(|change| change.kind.as_str() == "closed").count()
    }
}

#[tokio::test]
async fn whatever_is_not_complete_closes_nothing() {
    let bench = Bench::new().await;
    let first = bench.sync(Mood::Fine).await;
    assert!(first.report.complete && first.fault().is_none(), "{:?}", first.report);
    assert_eq!(bench.total().await, 7);
    // One finding really is gone now; only a complete reading may say so.
    bench.set_findings(6);
    for (mood, fault) in [
        (Mood::Short, Fault::Incomplete),
        (Mood::Drift, Fault::Incomplete),
        (Mood::Twice, Fault::Incomplete),
        (Mood::Unreadable, Fault::Incomplete),
        (Mood::Status(401), Fault::NotAuthenticated),
        (Mood::Status(403), Fault::RoleMissing),
        (Mood::Status(404), Fault::Incomplete),
        (Mood::Status(400), Fault::Incomplete),
        (Mood::Html, Fault::Incomplete),
        (Mood::Elsewhere, Fault::Incomplete),
    ] {
        let finished = bench.sync(mood).await;
        assert!(!finished.report.complete, "{mood:?}");
        assert_eq!(finished.fault(), Some(fault), "{mood:?}: {:?}", finished.report.problems);
        assert_eq!(finished.report.findings.closed, 0, "{mood:?}");
        assert!(!finished.report.problems.is_empty(), "{mood:?}");
        assert_eq!((bench.total().await, bench.closed().await), (7, 0), "{mood:?}");
    }
    let last = bench.sync(Mood::Fine).await;
    assert!(last.report.complete, "{:?}", last.report.problems);
    assert_eq!((last.report.findings.closed, bench.total().await, bench.closed().await), (1, 6, 1));
}

#[tokio::test]
async fn an_unreadable_record_is_kept_and_counted_until_it_can_be_read() {
    let bench = Bench::new().await;
    let finished = bench.sync(Mood::Unreadable).await;
    assert_eq!(finished.report.findings.undecodable, 1);
    let kept = bench.connector.store.undecodable().await.expect("rows");
    assert_eq!(kept.len(), 1);
    assert!(kept[0].raw.contains("NOVEL") && kept[0].reason.contains("NOVEL"), "{kept:?}");
    assert_eq!(bench.total().await, 6, "the readable ones are there");
    bench.sync(Mood::Fine).await;
    assert!(bench.connector.store.undecodable().await.expect("rows").is_empty());
    assert_eq!(bench.total().await, 7);
}

#[tokio::test]
async fn a_vanished_finding_that_comes_back_is_reopened() {
    let bench = Bench::new().await;
    bench.sync(Mood::Fine).await;
    bench.set_findings(6);
    assert_eq!(bench.sync(Mood::Fine).await.report.findings.closed, 1);
    bench.set_findings(7);
    let back = bench.sync(Mood::Fine).await.report.findings;
    assert_eq!((back.reopened, back.new, back.unchanged), (1, 0, 6));
}
