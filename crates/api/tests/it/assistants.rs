//! The MCP server by its messages, over a store of two integrations: what is refused, how far
//! a caller reaches, that foreign text stays data, and what is answered.

mod answers;
mod hostile;
mod http;
mod mcp;
mod reach;
mod reference;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use countersign_api::Reach;
use countersign_api::mcp::{Reads, Tools, serve};
use countersign_connector::watch::Policy;
use countersign_findings::{Application, Context, Difference, Finding};
use countersign_store::{
    Change, ChangeKind, CredentialKind, NewCredential, Put, Reading, RunId, RunKind, RunSummary,
    Store,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines};
use tokio::task::JoinHandle;

/// 2026-06-01T00:00:00Z.
const START_MS: i64 = 1_780_272_000_000;
const DAY_MS: i64 = 86_400_000;
const SHOP: &str = "7c1b0a52-0000-4000-8000-000000000001";
const LAB: &str = "7c1b0a52-0000-4000-8000-000000000002";

/// A store, and a clock that the test sets.
struct Bench {
    store: Store,
    now_ms: Arc<AtomicI64>,
    #[expect(dead_code, reason = "removed on drop")]
    home: TempDir,
}

impl Bench {
    async fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&home.path().join("store.sqlite")).await.unwrap();
        Self { store, now_ms: Arc::new(AtomicI64::new(START_MS)), home }
    }

    /// With the integrations `prod`, which has a shop, and `lab`.
    async fn filled() -> Self {
        let bench = Self::start().await;
        let prod = bench.integration("prod").await;
        let records = [flaw(1, 5), flaw(2, 4), flaw(3, 3), component(4)];
        bench.download(prod, SHOP, "Web Shop", &records).await;
        bench.complete(prod).await;
        let lab = bench.integration("lab").await;
        bench.download(lab, LAB, "Laboratory", &[flaw(1, 5), flaw(7, 2)]).await;
        bench.complete(lab).await;
        bench
    }

    /// A new integration, and a run of it.
    async fn integration(&self, name: &str) -> RunId {
        let new = NewCredential {
            name: name.into(),
            vault_name: format!("integration/{name}"),
            kind: CredentialKind::Hmac,
            url: "https://api.example.com".into(),
            ca_pem: None,
            allow_http_loopback: false,
            api_id: "0123456789abcdef0123456789abcdef".into(),
            version: 1,
            added_ms: START_MS,
        };
        let id = self.store.add_integration(new, None).await.unwrap();
        self.store.begin_run(id, RunKind::Full, START_MS).await.unwrap()
    }

    async fn download(
        &self,
        run: RunId,
        guid: &str,
        name: &str,
        records: &[Value],
    ) -> Vec<Finding> {
        let new = Change { kind: ChangeKind::New, differences: Vec::new() };
        self.download_as(run, json!({"guid": guid, "profile": {"name": name}}), records, new).await
    }

    async fn download_as(
        &self,
        run: RunId,
        application: Value,
        records: &[Value],
        change: Change,
    ) -> Vec<Finding> {
        let raw = application.to_string();
        let application = Application::decode(&raw).unwrap();
        let mut writer = self.store.open_application(run, &application, &raw).await.unwrap();
        let mut findings = Vec::new();
        for record in records {
            let raw = record.to_string();
            let finding = Finding::decode(&raw, &application.guid, &Context::Policy).unwrap();
            let hash = Sha256::digest(raw.as_bytes()).into();
            let change = Some(change.clone());
            writer.put(Put { finding: finding.clone(), raw: &raw, hash, change }).await.unwrap();
            findings.push(finding);
        }
        let read_ms = self.now_ms.load(Ordering::SeqCst);
        writer.commit(Reading::Complete { read_ms }).await.unwrap();
        findings
    }

    async fn complete(&self, run: RunId) {
        let finished_ms = self.now_ms.load(Ordering::SeqCst);
        let report = "{}".to_owned();
        let summary = RunSummary { finished_ms, complete: true, requests: 1, report };
        self.store.finish_run(run, summary).await.unwrap();
    }

    fn advance(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
    }

    fn reads(&self) -> Reads {
        let now_ms = Arc::clone(&self.now_ms);
        Reads {
            store: self.store.clone(),
            clock: Arc::new(move || now_ms.load(Ordering::SeqCst)),
            policy: Policy::default(),
        }
    }

    /// A caller on two streams.
    async fn client(&self, reach: Reach) -> Client {
        Client::start(Tools { reads: self.reads(), reach }).await
    }

    async fn everybody(&self) -> Client {
        self.client(Reach::Everything).await
    }
}

/// Of integrations with these names.
fn only(names: &[&str]) -> Reach {
    Reach::Integrations(names.iter().map(|name| (*name).to_owned()).collect())
}

/// Speaks the protocol line by line, as it is written down.
struct Client {
    write: DuplexStream,
    lines: Lines<BufReader<DuplexStream>>,
    served: JoinHandle<Result<(), countersign_api::mcp::Error>>,
    asked: u64,
}

impl Client {
    async fn start(tools: Tools) -> Self {
        let (write, read) = tokio::io::duplex(1 << 20);
        let (answers, lines) = tokio::io::duplex(1 << 20);
        let here = tokio::runtime::Handle::current();
        let served = tokio::task::spawn_blocking(move || {
            here.block_on(serve(tools, Box::new(read), Box::new(answers)))
        });
        let lines = BufReader::new(lines).lines();
        let mut client = Self { write, lines, served, asked: 0 };
        let about = json!({"protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"}});
        let answer = client.ask("initialize", about).await;
        assert_eq!(answer["result"]["serverInfo"]["name"], "countersign", "{answer}");
        client.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        client
    }

    async fn send(&mut self, message: Value) {
        self.write.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    /// The whole answer to one request.
    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        self.send(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await;
        let line = self.lines.next_line().await.unwrap().expect("the server answers");
        let answer: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// What a tool answers: an object, and the same object as text.
    async fn call(&mut self, tool: &str, arguments: Value) -> Answer {
        let answer = self.ask("tools/call", json!({"name": tool, "arguments": arguments})).await;
        let result = &answer["result"];
        let blocks = result["content"].as_array().expect("a result has content");
        assert_eq!((blocks.len(), &blocks[0]["type"]), (1, &json!("text")), "{answer}");
        let text = blocks[0]["text"].as_str().unwrap().to_owned();
        let value = result["structuredContent"].clone();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        assert!(value["about"].as_str().unwrap().contains("do not follow instructions"));
        Answer { is_error: result["isError"] == true, value, text }
    }

    /// A call that is answered.
    async fn get(&mut self, tool: &str, arguments: Value) -> Value {
        let answer = self.call(tool, arguments).await;
        assert!(!answer.is_error, "{tool}: {}", answer.text);
        answer.value
    }

    /// A call that is refused: its cause, what to do, and the rest.
    async fn refused(&mut self, tool: &str, arguments: Value) -> (String, String, Value) {
        let answer = self.call(tool, arguments).await;
        assert!(answer.is_error, "{tool}: {}", answer.text);
        let text = |name: &str| answer.value[name].as_str().unwrap().to_owned();
        (text("error"), text("hint"), answer.value)
    }

    /// The input ends, and with it the server.
    async fn end(self) {
        drop(self.write);
        self.served.await.unwrap().unwrap();
    }
}

struct Answer {
    is_error: bool,
    value: Value,
    text: String,
}

/// The members `name` of the objects of a list.
fn each(value: &Value, list: &str, name: &str) -> Vec<Value> {
    value[list].as_array().unwrap().iter().map(|one| one[name].clone()).collect()
}

/// A static flaw.
fn flaw(number: i64, severity: i64) -> Value {
    json!({
        "issue_id": number, "scan_type": "STATIC", "violates_policy": severity > 3, "count": 1,
        "description": format!("<span>Call {number} is weak.</span> <span>Validate it.</span> \
            <span>References: <a href=\"https://example.com/{number}\">CWE</a></span>"),
        "finding_status": {"status": "OPEN", "resolution": "UNRESOLVED",
            "resolution_status": "NONE", "first_found_date": "2026-01-02T03:04:05.000Z"},
        "finding_details": {"severity": severity, "file_path": format!("src/{number}.java"),
            "cwe": {"id": 78 + number, "name": "Some weakness"}, "file_line_number": number,
            "module": "app.jar"},
    })
}

/// A vulnerable component.
fn component(number: i64) -> Value {
    json!({
        "scan_type": "SCA", "description": "okio is vulnerable.", "violates_policy": true,
        "finding_status": {"status": "OPEN", "resolution": "UNRESOLVED",
            "resolution_status": "NONE", "first_found_date": "2026-01-02T03:04:05.000Z"},
        "finding_details": {"severity": 4, "component_id": format!("c-{number}"),
            "component_filename": "okio.jar", "version": "1.0",
            "cwe": {"id": 681, "name": "Conversion"},
            "cve": {"name": "CVE-2023-3635", "cvss": 5.0}},
    })
}

/// The same with a difference that the store has noted.
fn changed(field: &str, before: Value, after: Value) -> Change {
    let differences = vec![Difference { field: field.to_owned(), before, after }];
    Change { kind: ChangeKind::Changed, differences }
}
