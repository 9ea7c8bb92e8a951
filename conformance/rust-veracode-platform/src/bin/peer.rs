//! What the benchmarks compare with: the crate `veracode-platform`, in a process of its own.
//!
//! `sign CALLS` signs `PEER_URL` so often for each line of its input, and answers with the length
//! of one header and the nanoseconds that one took. `read` reads all static findings of
//! `PEER_URL`. Both are `PEER_ID` with `PEER_SECRET`.

use std::env;
use std::error::Error;
use std::hint::black_box;
use std::io::{BufRead, Write};
use std::time::Instant;

use veracode_platform::findings::FindingsQuery;
use veracode_platform::{VeracodeClient, VeracodeConfig};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    match arguments.next().as_deref() {
        Some("sign") => sign(arguments.next().ok_or("how often is missing")?.parse()?),
        Some("read") => read().await,
        _ => Err("usage: peer sign CALLS | read".into()),
    }
}

fn config() -> Result<VeracodeConfig> {
    Ok(VeracodeConfig::new(&env::var("PEER_ID")?, &env::var("PEER_SECRET")?))
}

fn sign(calls: u32) -> Result<()> {
    let (client, url) = (VeracodeClient::new(config()?)?, env::var("PEER_URL")?);
    let header = || client.generate_auth_header("GET", black_box(&url));
    for line in std::io::stdin().lock().lines() {
        line?;
        let length = header()?.len();
        let since = Instant::now();
        for _ in 0..calls {
            drop(black_box(header()?));
        }
        let nanoseconds = since.elapsed().as_nanos() as f64 / f64::from(calls);
        println!("{length} {nanoseconds}");
        std::io::stdout().flush()?;
    }
    Ok(())
}

async fn read() -> Result<()> {
    let mut config = config()?;
    config.base_url = env::var("PEER_URL")?;
    config.rest_base_url = config.base_url.clone();
    let client = VeracodeClient::new(config)?;
    let (mut findings, mut failed) = (0, 0);
    for application in client.get_all_applications().await? {
        let query = FindingsQuery::new(&application.guid).with_scan_type("STATIC");
        match client.findings_api().get_all_findings(&query).await {
            Ok(all) => findings += all.len(),
            // It fails to read the answer to an application without findings.
            Err(_) => failed += 1,
        }
    }
    println!("{}", serde_json::json!({ "findings": findings, "failed": failed }));
    Ok(())
}
