//! Valid, invalid and replayed requests mixed, as fast as they are answered, for
//! minutes: no wrong acceptance, no wrong refusal, memory that stays. Before and
//! after it, and beside it, the same server's unauthenticated answer.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use countersign_signing::{Pair, Signer};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::process::Platform;
use crate::request::{connect, exchange, signed};

const CONNECTIONS: usize = 32;
const VERIFIED: &str = "/api/authn/v2/users/self";
const STATIC: &str = "/.well-known/countersign";
/// Of the whole run, for the baseline before it and again after it.
const BASELINE: Duration = Duration::from_secs(10);

/// What a request is, and so what must become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Valid,
    Replayed,
    /// One bit of the signature differs.
    Forged,
    /// Signed for another path.
    Moved,
    /// By a pair that nobody has.
    Unknown,
    NoHeader,
}

/// Half of the requests are valid.
const MIX: [Kind; 10] = [
    Kind::Valid,
    Kind::Replayed,
    Kind::Valid,
    Kind::Forged,
    Kind::Valid,
    Kind::Moved,
    Kind::Valid,
    Kind::Unknown,
    Kind::Valid,
    Kind::NoHeader,
];

#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    wrongly_accepted: AtomicU64,
    wrongly_refused: AtomicU64,
}

pub async fn run(countersign: &Path, seconds: Option<&str>) -> anyhow::Result<()> {
    let seconds: u64 = seconds.unwrap_or("600").parse().context("seconds are a number")?;
    let platform = Platform::start(countersign, "empty").await?;
    let (id, secret) = platform.mint(&[])?;
    let signer = Arc::new(Signer::new(&Pair::parse(&id, &secret)?));
    let stranger = Arc::new(Signer::new(&Pair::parse(&"0f".repeat(16), &"3c".repeat(64))?));

    let before = plain(&platform).await?;
    let counts = Arc::new(Counts::default());
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    for _ in 0..CONNECTIONS {
        let stream = connect(&platform).await?;
        let (signer, stranger) = (Arc::clone(&signer), Arc::clone(&stranger));
        let (counts, stop) = (Arc::clone(&counts), Arc::clone(&stop));
        tasks.push(tokio::spawn(mixed(stream, signer, stranger, counts, stop)));
    }
    let start = Instant::now();
    let mut resident = Vec::new();
    while start.elapsed() < Duration::from_secs(seconds) {
        tokio::time::sleep(Duration::from_secs((seconds / 10).clamp(1, 30))).await;
        let sent = counts.sent.load(Ordering::Relaxed);
        resident.push((start.elapsed().as_secs(), platform.resident_mib()));
        let (at, mib) = resident[resident.len() - 1];
        eprintln!("{at:>5} s  {sent:>10} requests  {mib:>6.0} MiB");
    }
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await??;
    }
    let rate = counts.sent.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
    let after = plain(&platform).await?;

    let baseline = f64::midpoint(before, after);
    println!("{} requests in {seconds} s, half of them valid", counts.sent.load(Ordering::Relaxed));
    println!("mixed {rate:8.0} requests/s; unauthenticated {before:.0} before, {after:.0} after");
    println!("mixed / unauthenticated  {:.2}", rate / baseline);
    // Nonces are forgotten after five minutes: until then there are more of them.
    let settled: Vec<_> =
        resident.iter().filter(|(at, _)| *at > 400).map(|(_, mib)| *mib).collect();
    if let (Some(first), Some(last)) = (settled.first(), settled.last()) {
        println!("resident after 400 s  {first:.0} MiB, at the end {last:.0} MiB");
    }
    println!("peak memory of the platform  {:.0} MiB", platform.peak_mib());
    let wrong = [&counts.wrongly_accepted, &counts.wrongly_refused];
    let [accepted, refused] = wrong.map(|count| count.load(Ordering::Relaxed));
    println!("wrongly accepted {accepted}, wrongly refused {refused}");
    ensure!(accepted == 0 && refused == 0, "the platform judged wrongly");
    Ok(())
}

/// Unauthenticated requests a second.
async fn plain(platform: &Platform) -> anyhow::Result<f64> {
    let start = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut stream = connect(platform).await?;
        tasks.push(tokio::spawn(async move {
            let mut buffer = vec![0; 16 * 1024];
            let request = format!("GET {STATIC} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
            let mut sent = 0_u64;
            while start.elapsed() < BASELINE {
                ensure!(exchange(&mut stream, &request, &mut buffer).await? == 200, "refused");
                sent += 1;
            }
            Ok(sent)
        }));
    }
    let mut sent = 0;
    for task in tasks {
        sent += task.await??;
    }
    Ok(sent as f64 / start.elapsed().as_secs_f64())
}

async fn mixed(
    mut stream: TlsStream<TcpStream>,
    signer: Arc<Signer>,
    stranger: Arc<Signer>,
    counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
) -> anyhow::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    let mut last = signed(&signer, VERIFIED)?;
    ensure!(exchange(&mut stream, &last, &mut buffer).await? == 200, "the first was refused");
    for at in 0_usize.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let kind = MIX[at % MIX.len()];
        let request = match kind {
            Kind::Valid => {
                last = signed(&signer, VERIFIED)?;
                last.clone()
            }
            Kind::Replayed => last.clone(),
            Kind::Forged => forged(&signed(&signer, VERIFIED)?, at)?,
            Kind::Moved => signed(&signer, "/api/authn/v2/users")?.replacen(
                "GET /api/authn/v2/users ",
                &format!("GET {VERIFIED} "),
                1,
            ),
            Kind::Unknown => signed(&stranger, VERIFIED)?,
            Kind::NoHeader => format!("GET {VERIFIED} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"),
        };
        let status = exchange(&mut stream, &request, &mut buffer).await?;
        counts.sent.fetch_add(1, Ordering::Relaxed);
        match (kind, status) {
            (Kind::Valid, 200) => {}
            (Kind::Valid, _) => drop(counts.wrongly_refused.fetch_add(1, Ordering::Relaxed)),
            (_, 401) => {}
            (_, 200) => drop(counts.wrongly_accepted.fetch_add(1, Ordering::Relaxed)),
            (_, other) => anyhow::bail!("{kind:?} was answered with {other}"),
        }
    }
    Ok(())
}

/// The same request with one digit of its signature changed.
fn forged(request: &str, at: usize) -> anyhow::Result<String> {
    let begin = request.find("sig=").context("no signature")? + 4;
    let place = begin + at % 64;
    let other = if request.as_bytes()[place] == b'0' { "1" } else { "0" };
    Ok(format!("{}{other}{}", &request[..place], &request[place + 1..]))
}
