//! How long until a platform answers, what it holds in memory, and how long a
//! page of 500 findings takes.

use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use countersign_signing::{Pair, Signer};
use serde_json::Value;

use crate::median;
use crate::process::Platform;
use crate::request::{connect, send, signed};

const STARTS: usize = 5;
const PAGES: usize = 200;
/// A page of 500 findings stays well under this.
const MAX_ANSWER: usize = 8 << 20;

pub async fn run(countersign: &Path) -> anyhow::Result<()> {
    for (seed, aims) in [
        ("demo", "aims: 300 ms, 50 MiB"),
        ("apps=1000,findings=1000000,rng=7", "aims: 1,000 ms, 15 ms, 150 MiB"),
    ] {
        let since = Instant::now();
        let mut platform = Platform::start(countersign, seed).await?;
        let first = since.elapsed().as_secs_f64();
        let mut starts = Vec::new();
        for _ in 0..STARTS {
            let (again, seconds) = platform.restart().await?;
            platform = again;
            starts.push(seconds);
        }
        let idle = platform.resident_mib();
        let page = page(&platform).await?;
        println!("== {seed}  ({aims})");
        println!("first start, seeding included    {:8.0} ms", first * 1000.0);
        println!("start to ready, median of {STARTS}      {:8.0} ms", median(starts) * 1000.0);
        println!("a page of findings, median of {PAGES} {:6.1} ms", page * 1000.0);
        println!("resident when idle               {idle:8.0} MiB");
        println!("resident after the pages         {:8.0} MiB", platform.resident_mib());
    }
    Ok(())
}

/// Seconds for a page of up to 500 findings, of many applications in turn.
async fn page(platform: &Platform) -> anyhow::Result<f64> {
    let (id, secret) = platform.mint(&[])?;
    let signer = Signer::new(&Pair::parse(&id, &secret)?);
    let mut stream = connect(platform).await?;
    let mut buffer = vec![0; MAX_ANSWER];
    let list = signed(&signer, "/appsec/v1/applications?size=500")?;
    let length = send(&mut stream, &list, &mut buffer).await?;
    let body = buffer[..length].windows(4).position(|four| four == b"\r\n\r\n");
    let body: Value = serde_json::from_slice(&buffer[body.context("no body")? + 4..length])?;
    let all = body["_embedded"]["applications"].as_array().context("no applications")?;
    let guids: Vec<_> = all.iter().filter_map(|one| one["guid"].as_str()).collect();
    let mut times = Vec::new();
    for at in 0..PAGES {
        let guid = guids[at * 7 % guids.len()];
        let target = format!("/appsec/v2/applications/{guid}/findings?size=500");
        let request = signed(&signer, &target)?;
        let since = Instant::now();
        send(&mut stream, &request, &mut buffer).await?;
        times.push(since.elapsed().as_secs_f64());
    }
    Ok(median(times))
}
