//! The store on both engines, with the same findings: how long a first sync of them takes the
//! store alone, by one writer and by several at once, and how long a reader waits. PostgreSQL is a
//! server of its own that is started here, as durable as the file: `bench/run engines [FINDINGS]`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use countersign_findings::filter::{Expression, Field, Filter};
use countersign_findings::{Application, Context as Place, Finding};
use countersign_store::{
    Change, ChangeKind, CredentialKind, NewCredential, Put, Query, Reading, RunId, RunKind, Store,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::median;
use crate::postgres::Server;
use crate::readers::{filters, sample};

const ROUNDS: usize = 3;
/// Findings of an application.
const EACH: u64 = 1000;
const WRITERS: u64 = 4;
const PAGE: u32 = 50;
/// The buffers of SQLite are as large in all.
const SETTINGS: &[&str] = &["shared_buffers=128MB", "max_wal_size=4GB"];

pub async fn run_all(given: Option<String>) -> Result<()> {
    let findings: u64 = given.map_or(Ok(40_000), |given| given.parse())?;
    let server = Server::start(SETTINGS);
    let folder = tempfile::tempdir()?;
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    let mut last = None;
    for round in 0..ROUNDS {
        let file = Target::File(folder.path().join(format!("{round}.sqlite")));
        let one = database(&server, &format!("one_{round}"));
        let many = database(&server, &format!("many_{round}"));
        times[0].push(first_sync(&file, findings, 1).await?);
        times[1].push(first_sync(&one, findings, 1).await?);
        times[2].push(first_sync(&many, findings, WRITERS).await?);
        last = Some((file, one));
    }
    let [file, one, many] = times.map(median);
    println!("{findings} findings in {} applications, median of {ROUNDS}", findings.div_ceil(EACH));
    println!("| what | SQLite | PostgreSQL | PostgreSQL / SQLite |\n| --- | --- | --- | --- |");
    row("first sync, one writer", file, one, "s");
    row(&format!("first sync, {WRITERS} writers of PostgreSQL"), file, many, "s");
    let (file, server) = last.context("there was no round")?;
    readers(&file.store().await?, &server.store().await?).await
}

/// Where a store is.
enum Target {
    File(PathBuf),
    Server(String),
}

impl Target {
    /// A handle with connections of its own.
    async fn store(&self) -> Result<Store> {
        Ok(match self {
            Self::File(path) => Store::open(path).await?,
            Self::Server(url) => Store::open_url(url, None).await?,
        })
    }
}

fn database(server: &Server, name: &str) -> Target {
    Target::Server(tokio::task::block_in_place(|| server.create(name, &[])))
}

/// Seconds that it takes to write what a first sync read, by so many writers.
async fn first_sync(target: &Target, findings: u64, writers: u64) -> Result<f64> {
    let store = target.store().await?;
    let new = NewCredential {
        name: "bench".into(),
        vault_name: "integration/bench".into(),
        kind: CredentialKind::Hmac,
        url: "https://localhost".into(),
        ca_pem: None,
        allow_http_loopback: false,
        api_id: "0".repeat(32),
        version: 1,
        added_ms: 1,
    };
    let integration = store.add_integration(new, None).await?;
    let run = store.begin_run(integration, RunKind::Full, 1).await?;
    let since = Instant::now();
    let mut all = Vec::new();
    for writer in 0..writers {
        let own = target.store().await?;
        all.push(tokio::spawn(async move {
            for application in (writer..findings.div_ceil(EACH)).step_by(writers as usize) {
                let count = EACH.min(findings - application * EACH);
                write(&own, run, application, count).await?;
            }
            own.close().await;
            anyhow::Ok(())
        }));
    }
    for one in all {
        one.await??;
    }
    let seconds = since.elapsed().as_secs_f64();
    store.close().await;
    Ok(seconds)
}

async fn write(store: &Store, run: RunId, number: u64, count: u64) -> Result<()> {
    let guid = format!("7c1b0a52-0000-4000-8000-{number:012}");
    let raw = json!({"guid": guid, "profile": {"name": format!("app-{number}")}}).to_string();
    let application = Application::decode(&raw)?;
    let mut writer = store.open_application(run, &application, &raw).await?;
    for issue in 1..=count {
        let raw = record(number, issue).to_string();
        let finding = Finding::decode(&raw, &application.guid, &Place::Policy)?;
        let hash = Sha256::digest(raw.as_bytes()).into();
        let change = Some(Change { kind: ChangeKind::New, differences: Vec::new() });
        writer.put(Put { finding, raw: &raw, hash, change }).await?;
    }
    writer.commit(Reading::Complete { read_ms: 1_780_000_000_000 }).await?;
    Ok(())
}

/// A third of them are of components, the others of code: with as many words, and as many texts
/// that no other finding has, as those of a tenant.
fn record(application: u64, issue: u64) -> Value {
    let drawn = |salt: u64, most: u64| {
        let mixed = (application * 1_000_003 + issue * 7919 + salt * 104_729)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 33) % most
    };
    let words: Vec<_> = (0..30).map(|at| format!("word{}", drawn(100 + at, 4000))).collect();
    let day = 1 + drawn(1, 28);
    let status = ["OPEN", "OPEN", "OPEN", "CLOSED"][drawn(2, 4) as usize];
    let mut record = json!({
        "scan_type": "STATIC", "description": words.join(" "), "count": 1,
        "violates_policy": drawn(3, 2) == 0,
        "finding_status": {"status": status, "resolution": "UNRESOLVED",
            "resolution_status": "NONE", "first_found_date": format!("2026-01-{day:02}T03:04:05.000Z")},
        "finding_details": {"severity": drawn(4, 6),
            "cwe": {"id": 20 + drawn(5, 60), "name": format!("Weakness {}", drawn(5, 60))}},
    });
    let details = match issue % 3 {
        0 => {
            record["scan_type"] = "SCA".into();
            json!({"component_id": format!("c-{application}-{issue}"), "version": "1.2.3",
                "component_filename": format!("library-{}.jar", drawn(6, 3000)),
                "cve": {"name": format!("CVE-2026-{:04}", drawn(7, 5000)), "cvss3": {"score": drawn(8, 100) as f64 / 10.0}}})
        }
        _ => {
            record["issue_id"] = issue.into();
            json!({"file_path": format!("src/com/example/part{}/Place{}_{application}.java", drawn(9, 30), drawn(10, 400)),
                "file_line_number": issue, "module": format!("module-{}.jar", drawn(11, 20)), "procedure": "run",
                "finding_category": {"id": 1 + drawn(12, 25), "name": format!("Category {}", drawn(12, 25))}})
        }
    };
    for (name, value) in details.as_object().into_iter().flatten() {
        record["finding_details"][name] = value.clone();
    }
    record
}

async fn readers(file: &Store, server: &Store) -> Result<()> {
    let filters = filters(&sample(file).await?);
    let pages = (pages(file, &filters).await?, pages(server, &filters).await?);
    both("one filter, its first page of 50", pages);
    let facets = (facets(file).await?, facets(server).await?);
    both("any facet of everything", facets);
    let under = (facets_under(file, &filters).await?, facets_under(server, &filters).await?);
    both("any facet under one filter", under);
    Ok(())
}

async fn pages(store: &Store, filters: &[Filter]) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    for filter in filters {
        let query = Query { filter: filter.clone().into(), limit: PAGE, ..Query::default() };
        let since = Instant::now();
        store.findings(query).await?;
        times.push(since.elapsed());
    }
    Ok(times)
}

async fn facets(store: &Store) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    for field in (0..5).flat_map(|_| Field::FACETS) {
        let since = Instant::now();
        store.facet(Expression::default(), field, 20).await?;
        times.push(since.elapsed());
    }
    Ok(times)
}

async fn facets_under(store: &Store, filters: &[Filter]) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    for (at, filter) in filters.iter().enumerate().step_by(7) {
        let field = Field::FACETS[at % Field::FACETS.len()];
        let since = Instant::now();
        store.facet(filter.clone().into(), field, 20).await?;
        times.push(since.elapsed());
    }
    Ok(times)
}

fn both(what: &str, (mut file, mut server): (Vec<Duration>, Vec<Duration>)) {
    file.sort();
    server.sort();
    for (share, name) in [(0.5, "p50"), (0.99, "p99")] {
        let at = |times: &[Duration]| {
            let last = times.len() - 1;
            times[((last as f64) * share).round() as usize].as_secs_f64() * 1e3
        };
        row(&format!("{what}, {name}"), at(&file), at(&server), "ms");
    }
}

fn row(what: &str, file: f64, server: f64, unit: &str) {
    println!("| {what} | {file:.2} {unit} | {server:.2} {unit} | {:.2} |", server / file);
}
