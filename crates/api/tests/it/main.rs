//! The connector API by its answers: who is let in, what is refused, what is shown to whom,
//! and that pages are whole.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod assistants;
mod bulk;
mod filters;
mod isolation;
mod live;
mod manage;
mod moments;
mod reads;
mod refusals;
mod rendered;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use countersign_api::{Budget, Config, ReadNow, Secret, router};
use countersign_client::{Client, Config as ClientConfig, Error as ClientError, parse_url};
use countersign_connector::metrics::Calls;
use countersign_connector::rotation::Connect;
use countersign_connector::watch::Policy;
use countersign_connector::{Connector, Fences};
use countersign_findings::{Application, Context, Finding};
use countersign_store::{
    AccountForm, AccountId, Added, Change, ChangeKind, CredentialKind, Environment, IntegrationId,
    Known, Mode, NewCredential, NewSecrets, NewToken, PermissionSet, Put, Reading, RunKind, Store,
    TokenKind, TokenScope,
};
use countersign_testkit::repeatable_random;
use countersign_vault::{KeySource, SealedFile, Vault};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tower::ServiceExt;

/// 2026-06-01T00:00:00Z.
const START_MS: i64 = 1_780_272_000_000;
const DAY_MS: i64 = 86_400_000;

type ReadBy = Box<dyn Fn() -> countersign_api::Reading + Send>;

/// An API over a store.
struct Desk {
    store: Store,
    router: axum::Router,
    random: countersign_connector::Random,
    now_ms: Arc<AtomicI64>,
    made: AtomicU64,
    calls: Calls,
    home: TempDir,
    /// What reads an application from the service.
    reading: Arc<Mutex<ReadBy>>,
    /// Integration and application of each reading.
    read: Arc<Mutex<Vec<(String, String)>>>,
}

/// What was answered.
#[derive(Debug, Clone)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    fn results(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{}", self.body);
        self.json()["result"].as_array().unwrap().clone()
    }

    fn cursor(&self) -> String {
        self.json()["cursor"].as_str().unwrap().to_owned()
    }
}

/// An integration, and a token of it.
#[derive(Clone)]
struct Seat {
    id: IntegrationId,
    name: String,
    uid: String,
    token: String,
}

impl Desk {
    async fn start() -> Self {
        Self::start_with(|vault| vault).await
    }

    /// With something between the connector and its vault.
    async fn start_with(between: impl FnOnce(Arc<dyn Vault>) -> Arc<dyn Vault>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&home.path().join("store.sqlite")).await.unwrap();
        let now_ms = Arc::new(AtomicI64::new(START_MS));
        let shown = Arc::clone(&now_ms);
        let random = repeatable_random();
        let key = KeySource::KeyFile(home.path().join("key"));
        let vault = SealedFile::open(&home.path().join("vault.json"), key, random.clone()).unwrap();
        let connector = Connector {
            store: store.clone(),
            vault: between(vault),
            fences: Fences::at(&home.path().join("fences")),
            clock: Arc::new(move || shown.load(Ordering::SeqCst)),
            random: random.clone(),
        };
        let (clock, nonces) = (connector.clock.clone(), random.clone());
        let connect: Connect = Arc::new(move |place, source| {
            let mut config = ClientConfig::new(parse_url(&place.url).map_err(ClientError::config)?);
            config.ca_pem = place.ca_pem.as_ref().map(|pem| pem.as_bytes().to_vec());
            config.allow_http_loopback = place.allow_http_loopback;
            config.budget = countersign_client::Budget::alone(1_000_000);
            config.max_attempts = 1;
            Client::with_source(config, source, clock.clone(), nonces.clone())
        });
        let calls = Calls::default();
        let no_service: ReadBy = Box::new(|| panic!("the service is not to be read"));
        let (reading, read) = (Arc::new(Mutex::new(no_service)), Arc::default());
        let (by, noted) = (Arc::clone(&reading), Arc::<Mutex<Vec<_>>>::clone(&read));
        let read_now: ReadNow = Arc::new(move |integration, guid| {
            noted.lock().unwrap().push((integration.name, guid.to_string()));
            (by.lock().unwrap())()
        });
        let config = Config {
            connector,
            connect,
            allow_http_loopback: false,
            calls: calls.clone(),
            read_now,
            budget: Budget { per_minute: 60_000_000, burst: 1_000_000, in_flight: 100 },
            policy: Policy::default(),
            version: "0.0.0",
        };
        let (router, made) = (router(config), AtomicU64::new(0));
        Self { store, router, random, now_ms, made, calls, home, reading, read }
    }

    fn now(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    fn uid(&self) -> String {
        let number = self.made.fetch_add(1, Ordering::SeqCst);
        format!("00000000-0000-4000-9000-{number:012x}")
    }

    async fn account(&self, name: &str) -> AccountId {
        let form = AccountForm {
            name: name.into(),
            fullname: name.into(),
            environment: Environment::Prod,
            labels: Vec::new(),
        };
        self.store.add_account(&self.uid(), form, "test", START_MS).await.unwrap().id
    }

    /// An integration of an account, under the same slug as others of other accounts.
    async fn seat(&self, account: AccountId, slug: &str) -> Seat {
        let uid = self.uid();
        let name = format!("{slug}-{}", &uid[30..]);
        let new = NewCredential {
            name: name.clone(),
            vault_name: format!("integration/{name}"),
            kind: CredentialKind::Hmac,
            url: "https://localhost".into(),
            ca_pem: None,
            allow_http_loopback: false,
            api_id: "0".repeat(32),
            version: 1,
            added_ms: START_MS,
        };
        let known = Known {
            uid: uid.clone(),
            account,
            slug: slug.into(),
            fullname: None,
            mode: Mode::Stored,
        };
        let added = Added { known, token: None, kept: None, by: "test".into() };
        let id = self.store.add_integration(new, Some(added)).await.unwrap();
        let scope = TokenScope {
            kind: TokenKind::Integration,
            permission_set: PermissionSet::Integration,
            account: Some(account),
            integration: Some(id),
            operations: None,
        };
        let (token, _) = self.token(scope, DAY_MS).await;
        Seat { id, name, uid, token }
    }

    /// An integration for findings of other scanners.
    async fn imported(&self, account: AccountId, slug: &str) -> Seat {
        let uid = self.uid();
        let name = format!("{slug}-{}", &uid[30..]);
        let known = Known {
            uid: uid.clone(),
            account,
            slug: slug.into(),
            fullname: None,
            mode: Mode::Stored,
        };
        let added = Added { known, token: None, kept: None, by: "test".into() };
        let id = self.store.add_imported_integration(&name, Some(added), START_MS).await.unwrap();
        let scope = TokenScope {
            kind: TokenKind::Integration,
            permission_set: PermissionSet::Integration,
            account: Some(account),
            integration: Some(id),
            operations: None,
        };
        let (token, _) = self.token(scope, DAY_MS).await;
        Seat { id, name, uid, token }
    }

    /// A token: the secret to ask with and the one to renew by.
    async fn token(&self, scope: TokenScope, lives_ms: i64) -> (String, String) {
        let (access, refresh) = (Secret::generate(&self.random), Secret::generate(&self.random));
        let until = self.now() + lives_ms;
        let uid = self.uid();
        let new = NewToken {
            name: uid.clone(),
            fullname: uid.clone(),
            uid,
            scope,
            ttl_ms: lives_ms,
            secrets: NewSecrets {
                access: access.digest().bytes(),
                access_expires_ms: until,
                refresh: Some((refresh.digest().bytes(), until + DAY_MS)),
            },
        };
        self.store.add_token(new, "test", self.now()).await.unwrap();
        (access.expose().to_owned(), refresh.expose().to_owned())
    }

    async fn ask(&self, method: &str, target: &str, token: Option<&str>) -> Answer {
        self.send(method, target, token, String::new()).await
    }

    async fn send(&self, method: &str, target: &str, token: Option<&str>, body: String) -> Answer {
        let mut request = Request::builder().method(method).uri(target);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.answer(request.body(Body::from(body)).unwrap()).await
    }

    /// A body of this type.
    async fn send_as(&self, kind: &str, target: &str, token: &str, body: &str) -> Answer {
        let request = Request::builder().method("POST").uri(target).header("content-type", kind);
        let request = request.header("authorization", format!("Bearer {token}"));
        self.answer(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    async fn answer(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    async fn get(&self, seat: &Seat, target: &str) -> Answer {
        self.ask("GET", &format!("/v1/app-sec{target}"), Some(&seat.token)).await
    }

    /// All items of a list, page by page, and how many pages it took.
    async fn all(&self, seat: &Seat, target: &str) -> (Vec<Value>, usize) {
        let (mut found, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let joint = if target.contains('?') { '&' } else { '?' };
            let answer = self.get(seat, &format!("{target}{joint}cursor={cursor}")).await;
            found.extend(answer.results());
            pages += 1;
            cursor = answer.cursor();
            if cursor.is_empty() {
                return (found, pages);
            }
        }
    }

    /// Brings findings of one application in, all as what `kind` says.
    async fn bring_in(
        &self,
        seat: &Seat,
        guid: &str,
        records: &[Value],
        kind: ChangeKind,
    ) -> Vec<Finding> {
        self.bring_in_as(&format!("App {guid}"), seat, guid, records, kind).await
    }

    /// The same of an application with this name.
    async fn bring_in_as(
        &self,
        name: &str,
        seat: &Seat,
        guid: &str,
        records: &[Value],
        kind: ChangeKind,
    ) -> Vec<Finding> {
        let run = self.store.begin_run(seat.id, RunKind::Full, self.now()).await.unwrap();
        let raw = json!({"guid": guid, "profile": {"name": name,
            "business_criticality": "HIGH", "tags": "a, b"},
            "modified": "2026-05-01T00:00:00.000Z"})
        .to_string();
        let application = Application::decode(&raw).unwrap();
        let mut writer = self.store.open_application(run, &application, &raw).await.unwrap();
        let mut findings = Vec::new();
        for record in records {
            let raw = record.to_string();
            let finding = Finding::decode(&raw, &application.guid, &Context::Policy).unwrap();
            let hash = Sha256::digest(raw.as_bytes()).into();
            let change = Some(Change { kind, differences: Vec::new() });
            writer.put(Put { finding: finding.clone(), raw: &raw, hash, change }).await.unwrap();
            findings.push(finding);
        }
        writer.commit(Reading::Complete { read_ms: self.now() }).await.unwrap();
        findings
    }
}

fn guid(number: u32) -> String {
    format!("7c1b0a52-0000-4000-8000-{number:012x}")
}

/// A static flaw.
fn flaw(number: i64, severity: i64, status: &str) -> Value {
    let resolution = if status == "CLOSED" { "FIXED" } else { "UNRESOLVED" };
    json!({
        "issue_id": number, "scan_type": if number % 4 == 3 { "DYNAMIC" } else { "STATIC" },
        "description": format!("flaw {number}"),
        "violates_policy": number % 2 == 0, "count": 1, "build_id": 7,
        "finding_status": {"status": status, "resolution": resolution,
            "resolution_status": "NONE",
            "first_found_date": format!("2026-01-{:02}T03:04:05.000Z", 1 + number % 28),
            "last_seen_date": "2026-05-02T03:04:05.000Z"},
        "finding_details": {"severity": severity,
            "cwe": {"id": 79 + number % 3, "name": format!("Weakness {}", number % 3)},
            "file_path": format!("src/{}.java", number % 5), "file_line_number": number,
            "module": "app.jar"},
    })
}
