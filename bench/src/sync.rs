//! Reading all findings: our `sync`, which stores them durably, against the loop
//! over `get_all_findings` of the crate `veracode-platform`, which stores
//! nothing. The crate reads static findings only, so times are compared for each
//! finding read.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use crate::process::{Platform, Run, run as run_process};
use crate::{peer, proxy};

pub async fn run(countersign: &Path) -> anyhow::Result<()> {
    let small = measure(countersign, 50, 50_000, Duration::ZERO, false).await?;
    let large = measure(countersign, 200, 200_000, Duration::ZERO, true).await?;
    measure(countersign, 200, 200_000, Duration::from_millis(100), true).await?;
    println!(
        "peak memory of sync: {small:.0} MiB at 50,000 findings, {large:.0} MiB at 200,000 \
         (aim: under 150, flat)"
    );
    Ok(())
}

/// A million findings, spread over applications and nearly all in one.
pub async fn million(countersign: &Path) -> anyhow::Result<()> {
    for applications in [1000, 3] {
        measure(countersign, applications, 1_000_000, Duration::ZERO, false).await?;
    }
    Ok(())
}

/// Answers the peak memory of the first sync, in MiB.
async fn measure(
    countersign: &Path,
    applications: u32,
    findings: u32,
    delay: Duration,
    with_peer: bool,
) -> anyhow::Result<f64> {
    let seed = format!("apps={applications},findings={findings},rng=7");
    let platform = Platform::start(countersign, &seed).await?;
    let pair = platform.mint(&[])?;
    let address: SocketAddr = platform.url.trim_start_matches("https://").parse()?;
    let url = match delay.is_zero() {
        true => platform.url.clone(),
        false => format!("https://{}", proxy::start(address, delay).await?),
    };
    println!(
        "== {findings} findings in {applications} applications, {} ms added to each answer",
        delay.as_millis()
    );
    let ours = ours(countersign, &platform, &url, &pair).await?;
    if with_peer {
        let theirs = theirs(&platform, &url, &pair).await?;
        println!(
            "for each finding: veracode-platform / ours  {:.2}  (aim: at least {})",
            theirs / ours.0,
            if delay.is_zero() { "1.5" } else { "8" }
        );
    }
    println!("peak memory of the platform  {:.0} MiB", platform.peak_mib());
    Ok(ours.1)
}

/// Seconds for each finding, and peak memory of the first sync.
async fn ours(
    countersign: &Path,
    platform: &Platform,
    url: &str,
    (id, secret): &(String, String),
) -> anyhow::Result<(f64, f64)> {
    let home = tempfile::tempdir()?;
    std::fs::write(home.path().join("config.toml"), "[client]\nrequests_per_minute = 1000000\n")?;
    let program = || {
        let mut command = Command::new(countersign);
        command.arg("--home").arg(home.path());
        command
    };
    let mut add = program();
    add.args(["integration", "add", "bench", "--client-id", id, "--client-secret-stdin"]);
    add.args(["--url", url, "--ca-file"]).arg(platform.ca_file());
    blocking(add, secret.clone()).await?;
    let mut first = (0.0, 0.0);
    for (title, arguments) in [
        ("first sync", &["sync", "--json"][..]),
        ("sync --full, unchanged", &["sync", "--full", "--json"]),
        ("sync, unchanged", &["sync", "--json"]),
    ] {
        let mut command = program();
        command.args(arguments);
        let run = blocking(command, String::new()).await?;
        let report: Value = serde_json::from_slice(&run.output.stdout)?;
        let count = |path: &str| report.pointer(path).and_then(Value::as_u64);
        let count = |path: &str| count(path).with_context(|| format!("no {path} in the report"));
        println!(
            "{title:24} {:7.2} s  {:5.0} MiB  {} findings held, {} requests, {} rows written",
            run.seconds,
            run.peak_mib,
            count("/findings/total")?,
            count("/requests")?,
            count("/rows_written")?,
        );
        if title == "first sync" {
            first = (run.seconds / count("/findings/total")? as f64, run.peak_mib);
        }
    }
    Ok(first)
}

/// Seconds for each finding.
async fn theirs(
    platform: &Platform,
    url: &str,
    (id, secret): &(String, String),
) -> anyhow::Result<f64> {
    let mut command = peer::command("read", (id, secret), url)?;
    command.env("SSL_CERT_FILE", platform.ca_file());
    let run = blocking(command, String::new()).await?;
    let told: Value = serde_json::from_slice(&run.output.stdout)?;
    let findings = told["findings"].as_u64().context("no findings")?;
    println!(
        "{:24} {:7.2} s  {:5.0} MiB  {findings} static findings read, {} applications without any",
        "veracode-platform", run.seconds, run.peak_mib, told["failed"]
    );
    Ok(run.seconds / findings as f64)
}

async fn blocking(mut command: Command, input: String) -> anyhow::Result<Run> {
    tokio::task::spawn_blocking(move || run_process(&mut command, &input)).await?
}
