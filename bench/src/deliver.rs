//! What deliveries take: planning a feed of 100,000 changes for tickets and for events, beside
//! a bare reading of the same feed; and webhooks to a receiver on this machine, beside the
//! same requests without the ledger. `bench/run deliver`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, ensure};
use countersign_deliveries::decide::Taste;
use countersign_deliveries::destination::{Destination, MAX_NEW};
use countersign_deliveries::gate::Gate;
use countersign_deliveries::group::Grouping;
use countersign_deliveries::http::{Http, Reach};
use countersign_deliveries::machine::Deliveries;
use countersign_deliveries::receiver::{Order, Receiver, Sight, Terms, Tickets, Verdict};
use countersign_deliveries::receivers::Access;
use countersign_deliveries::receivers::webhook::{Settings, Webhook};
use countersign_deliveries::render::rules::TicketRules;
use countersign_deliveries::ticket::Ticket;
use countersign_deliveries::wire::{Doing, Method, Request, Wire};
use countersign_findings::filter::Expression;
use countersign_findings::{Application, Context as Place, Finding, FindingId};
use countersign_store::{
    Change, ChangeKind, CredentialKind, DeliveryMode, LinkRow, NewCredential, NewSend, Planned,
    Put, Reading, RunKind, RunSummary, SendFilter, SendRow, SendState, Since, Store,
};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use zeroize::Zeroizing;

use crate::process::peak_kib;

const APPLICATIONS: u64 = 100;
const FINDINGS: u64 = 1_000;
const BATCH: u32 = 500;
const WEBHOOKS: u64 = 10_000;
/// 24 bytes of a key, as Standard Webhooks write it.
const KEY: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3";

pub async fn run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = Store::open(&folder.path().join("store.sqlite")).await?;
    fill(&store).await?;
    let total = APPLICATIONS * FINDINGS;

    let floor = timed(bare(&store, false)).await?;
    println!("{}", line("bare reading of the feed", total, floor, floor));
    let read = timed(bare(&store, true)).await?;
    println!("{}", line("the same with its findings", total, read, floor));

    let kib = peak_kib(std::process::id());
    let machine = machine(&store);
    let tickets = destination("tickets", Receiver::Tickets(Box::new(Nowhere)));
    from_the_beginning(&store, &machine, &tickets).await?;
    let planned = timed(async {
        Ok(machine.plan(&tickets).await?.context("the destination is held")?.planned)
    })
    .await?;
    println!("{}", line("planned as tickets, each of one finding", total, planned, floor));
    let copied = copied(&store, &machine).await?;
    println!("{}", line("as many sends written, rendered before", total, copied, floor));

    let (url, taken) = receiver().await?;
    let wire: Arc<dyn Wire> = Arc::new(wire()?);
    let plain = timed(direct(&wire, &url)).await?;
    println!("{}", line("requests to a receiver here", WEBHOOKS, plain, plain));
    let sent = hooks(&url, &wire)?;
    from_the_beginning(&store, &machine, &sent).await?;
    let before = taken.load(Ordering::Relaxed);
    let took = timed(async {
        while taken.load(Ordering::Relaxed) - before < WEBHOOKS {
            let report = machine.one(&sent).await?;
            ensure!(report.problem.is_none(), "{report:?}");
            ensure!(report.sent > 0, "nothing was sent: {report:?}");
        }
        Ok(taken.load(Ordering::Relaxed) - before)
    });
    let took = took.await?;
    println!("{}", line("webhooks by the ledger (aim: 1,000/s)", took.1, took, plain));
    let kib = peak_kib(std::process::id()).saturating_sub(kib);
    println!("memory that all of it added at its peak: {:.1} MiB", kib as f64 / 1024.0);
    Ok(())
}

/// Seconds, and how many.
async fn timed(work: impl Future<Output = Result<u64>>) -> Result<(f64, u64)> {
    let since = Instant::now();
    let done = work.await?;
    Ok((since.elapsed().as_secs_f64(), done))
}

fn line(what: &str, count: u64, (seconds, done): (f64, u64), floor: (f64, u64)) -> String {
    let each = |(seconds, done): (f64, u64)| seconds / done.max(1) as f64;
    format!(
        "{what:<42} {count:>8} in {seconds:>6.2} s  {:>8.0}/s  {:>6.1} x the floor",
        done as f64 / seconds,
        each((seconds, done)) / each(floor)
    )
}

/// A feed of as many changes, each of its own finding.
async fn fill(store: &Store) -> Result<()> {
    let now_ms = now_ms();
    let new = NewCredential {
        name: "bench".into(),
        vault_name: "integration/bench".into(),
        kind: CredentialKind::Hmac,
        url: "https://localhost".into(),
        ca_pem: None,
        allow_http_loopback: false,
        api_id: "0".repeat(32),
        version: 1,
        added_ms: now_ms,
    };
    let integration = store.add_integration(new, None).await?;
    for number in 0..APPLICATIONS {
        // The second run of each application: its findings are news, not what was there.
        let run = store.begin_run(integration, RunKind::Full, now_ms).await?;
        let guid = format!("7c1b0a52-0000-4000-8000-{number:012}");
        let raw = json!({"guid": guid, "profile": {"name": format!("app-{number}")}}).to_string();
        let application = Application::decode(&raw)?;
        let empty = store.open_application(run, &application, &raw).await?;
        empty.commit(Reading::Complete { read_ms: now_ms }).await?;
        let mut writer = store.open_application(run, &application, &raw).await?;
        for issue in 1..=FINDINGS {
            let raw = flaw(issue).to_string();
            let finding = Finding::decode(&raw, &application.guid, &Place::Policy)?;
            let hash = Sha256::digest(raw.as_bytes()).into();
            let change = Some(Change { kind: ChangeKind::New, differences: Vec::new() });
            writer.put(Put { finding, raw: &raw, hash, change }).await?;
        }
        writer.commit(Reading::Complete { read_ms: now_ms }).await?;
        let summary =
            RunSummary { finished_ms: now_ms, complete: true, requests: 1, report: String::new() };
        store.finish_run(run, summary).await?;
    }
    Ok(())
}

fn flaw(number: u64) -> serde_json::Value {
    json!({
        "issue_id": number, "scan_type": "STATIC", "violates_policy": number.is_multiple_of(2),
        "description": "The query is built from input that anybody may send. ".repeat(8), "count": 1,
        "finding_status": {"status": "OPEN", "resolution": "UNRESOLVED",
            "resolution_status": "NONE", "first_found_date": "2026-01-02T03:04:05.000Z"},
        "finding_details": {"severity": number % 6, "cwe": {"id": 79 + number % 30, "name": "Weakness"},
            "file_path": format!("src/{}.java", number % 50), "file_line_number": number,
            "module": "app.jar"},
    })
}

/// Reads the feed once.
async fn bare(store: &Store, with_findings: bool) -> Result<u64> {
    let (mut after, mut read) = (0, 0);
    loop {
        let changes = store.changes(Since::Seq(after), BATCH).await?;
        let Some(last) = changes.last() else { return Ok(read) };
        after = last.seq;
        read += changes.len() as u64;
        if with_findings {
            let ids: Vec<FindingId> =
                changes.iter().filter_map(|change| change.finding_id.parse().ok()).collect();
            ensure!(store.findings_of(&ids).await?.len() == ids.len(), "findings are missing");
        }
    }
}

fn machine(store: &Store) -> Deliveries {
    let random = Arc::new(|bytes: &mut [u8]| getrandom::fill(bytes).expect("random bytes"));
    Deliveries::new(store.clone(), Arc::new(now_ms), random)
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or_default()
}

fn destination(name: &str, receiver: Receiver) -> Destination {
    Destination {
        name: name.into(),
        kind: "bench",
        place: name.into(),
        mode: DeliveryMode::Live,
        filter: Destination::filter_of(Expression::default()),
        grouping: Grouping::default(),
        max_new: MAX_NEW,
        rules: TicketRules::default(),
        taste: Taste::default(),
        receiver,
    }
}

/// A destination begins at the end of the feed.
async fn from_the_beginning(
    store: &Store,
    machine: &Deliveries,
    destination: &Destination,
) -> Result<()> {
    let row = machine.row(destination).await?;
    Ok(store.rewind_destination(row.id, 0).await?)
}

/// What the store allows: the sends of one destination, written for another one.
async fn copied(store: &Store, machine: &Deliveries) -> Result<(f64, u64)> {
    let to = destination("copies", Receiver::Tickets(Box::new(Nowhere)));
    let row = machine.row(&to).await?;
    let mut filter = SendFilter { destination: Some("tickets".into()), ..SendFilter::default() };
    let mut took = (0.0, 0);
    loop {
        let page = store.sends(filter.clone(), BATCH).await?;
        let Some(last) = page.last() else { return Ok(took) };
        filter.before = Some(last.id.number());
        let copy = |send: &SendRow| NewSend {
            uid: format!("copy-{}", send.uid),
            group: send.group.clone(),
            from_seq: send.from_seq,
            to_seq: send.to_seq,
            action: send.action,
            payload: send.payload.clone(),
            state: SendState::Held,
            reason: None,
        };
        let sends: Vec<_> = page.iter().map(copy).collect();
        let count = sends.len() as u64;
        let planned = Planned { sends, ..Planned::default() };
        let (seconds, _) = timed(async {
            ensure!(store.plan_sends(row.id, row.cursor, planned, now_ms()).await?, "not written");
            Ok(count)
        })
        .await?;
        took = (took.0 + seconds, took.1 + count);
    }
}

fn wire() -> Result<Http> {
    let gate = Gate::new(&["127.0.0.1/32".into()]).map_err(|error| anyhow!(error))?;
    let reach = Reach { allow_http_loopback: true, ..Reach::new(gate) };
    Http::new(reach).map_err(|error| anyhow!(error))
}

fn hooks(url: &str, wire: &Arc<dyn Wire>) -> Result<Destination> {
    let settings: Settings = serde_json::from_value(json!({"url": url}))?;
    let access = Access {
        wire: Arc::clone(wire),
        secret: Arc::new(Zeroizing::new(KEY.to_owned())),
        dashboard: None,
    };
    let webhook = Webhook::new(settings, access).map_err(|error| anyhow!(error))?;
    Ok(destination("webhooks", Receiver::Stream(Box::new(webhook))))
}

/// As many requests of about the same size, without a ledger.
async fn direct(wire: &Arc<dyn Wire>, url: &str) -> Result<u64> {
    let body = flaw(1).to_string().into_bytes();
    for _ in 0..WEBHOOKS {
        let request = Request::new(Method::Post, url.parse()?).body(body.clone());
        let answer = wire.ask(request).await.map_err(|lost| anyhow!("{lost:?}"))?;
        ensure!(answer.status == 204, "answered {}", answer.status);
    }
    Ok(WEBHOOKS)
}

/// Takes every body and answers 204; counts them.
async fn receiver() -> Result<(String, Arc<AtomicU64>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/hook", listener.local_addr()?);
    let taken = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&taken);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let counted = Arc::clone(&counted);
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                while take(&mut stream).await.is_ok_and(|taken| taken) {
                    counted.fetch_add(1, Ordering::Relaxed);
                    if stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    Ok((url, taken))
}

async fn take(stream: &mut BufReader<tokio::net::TcpStream>) -> Result<bool> {
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(false);
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().context("a length that is none")?;
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(true)
}

/// A ticket system that is never asked.
struct Nowhere;

static ASKED: AtomicI64 = AtomicI64::new(0);

impl Tickets for Nowhere {
    fn terms(&self) -> Terms {
        Terms { horizon_ms: 0, create_every_ms: 0, change_every_ms: 0 }
    }

    fn preview(&self, ticket: &Ticket) -> String {
        ticket.title.clone()
    }

    fn create<'r>(&'r self, _: &'r Order) -> Doing<'r, Verdict> {
        Box::pin(async {
            let number = ASKED.fetch_add(1, Ordering::Relaxed);
            Verdict::taken(number.to_string(), None)
        })
    }

    fn look<'r>(&'r self, _: &'r Order, _: Option<&'r LinkRow>) -> Doing<'r, Sight> {
        Box::pin(async { Sight::Absent })
    }

    fn change<'r>(&'r self, _: &'r Order, link: &'r LinkRow) -> Doing<'r, Verdict> {
        Box::pin(async { Verdict::taken(link.reference.clone(), None) })
    }

    fn probe(&self) -> Doing<'_, Verdict> {
        Box::pin(async { Verdict::Taken(Default::default()) })
    }
}
