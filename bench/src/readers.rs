//! What readers ask of a store with a million findings: lists, facets, the overview,
//! the size on disk, and exports of all of it beside the bare serializer.
//!
//! The store is brought in by a sync from the platform, or is that of a home which is
//! given: `bench/run readers [HOME]`. The pages of the dashboard are looked at only where
//! the home is ours.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use countersign_findings::filter::{Expression, Field, Filter, Operator, Type, Value};
use countersign_store::{FindingRow, Query, Scope, Store};

use crate::dashboard;
use crate::process::{Platform, run};

pub const INTEGRATION: &str = "bench";
const PAGE: u32 = 50;
const SAMPLE: u32 = 20_000;
/// Slow ones that are named.
const SHOWN: usize = 24;

pub async fn run_all(countersign: &Path, given: Option<String>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let is_ours = given.is_none();
    let home = match given {
        Some(home) => PathBuf::from(home),
        None => {
            bring_in(countersign, folder.path()).await?;
            folder.path().to_owned()
        }
    };
    let path = home.join("store.sqlite");
    let store = Store::open(&path).await?;
    let total = store.count_findings(Expression::default()).await?;
    let size = std::fs::metadata(&path)?.len() as f64 / 1e6;
    println!("{total} findings, {size:.0} MB on disk (aim: under 400 for a million)");

    let sample = sample(&store).await?;
    let filters = filters(&sample);
    lists(&store, &filters).await?;
    facets(&store, &filters).await?;
    overview(&store).await?;
    if is_ours {
        dashboard::measure(countersign, &home, INTEGRATION).await?;
    }
    exports(countersign, &home, total, &sample)
}

pub async fn bring_in(countersign: &Path, home: &Path) -> Result<()> {
    let platform = Platform::start(countersign, "apps=1000,findings=1000000,rng=7").await?;
    let (id, secret) = platform.mint(&[])?;
    std::fs::write(
        home.join("config.toml"),
        "[client]\nrequests_per_minute = 1000000\n[api]\nrequests_per_minute = 60000000\n",
    )?;
    let mut add = Command::new(countersign);
    add.arg("--home").arg(home);
    add.args(["integration", "add", INTEGRATION, "--client-id", &id, "--client-secret-stdin"]);
    add.args(["--url", &platform.url, "--ca-file"]).arg(platform.ca_file());
    let mut sync = Command::new(countersign);
    sync.arg("--home").arg(home).args(["sync", "--json"]);
    let synced = tokio::task::spawn_blocking(move || {
        run(&mut add, &secret)?;
        run(&mut sync, "")
    });
    let synced = synced.await??;
    println!("first sync  {:.1} s, {:.0} MiB", synced.seconds, synced.peak_mib);
    Ok(())
}

/// Every fiftieth page or so, so that all severities are in it.
pub async fn sample(store: &Store) -> Result<Vec<FindingRow>> {
    let mut rows = Vec::new();
    for severity in 0..6 {
        let filter = format!("severity[eq]{severity}").parse()?;
        let query = Query { filter, limit: SAMPLE / 6, ..Query::default() };
        rows.extend(store.findings(query).await?);
    }
    Ok(rows)
}

/// One comparison each: every field with every operator that it has, with values of
/// findings and with some that no finding has.
pub fn filters(sample: &[FindingRow]) -> Vec<Filter> {
    let mut filters = Vec::new();
    for (round, field) in (0..9).flat_map(|round| Field::ALL.map(|field| (round, field))) {
        for operator in Operator::ALL {
            let fits = match field.type_() {
                Type::Words => operator == Operator::Like,
                Type::Text => true,
                _ => operator != Operator::Like,
            };
            if !fits {
                continue;
            }
            let at = (filters.len() * 7919 + round * 104_729) % sample.len();
            let row = &sample[at];
            let value = match field {
                Field::Text => Some(Value::Text(
                    row.finding.title.split(' ').take(2).collect::<Vec<_>>().join(" "),
                )),
                _ => field.value(&row.finding, row.origin()),
            };
            let absent = || match field.type_() {
                Type::Text | Type::Words => Value::Text("no such thing".into()),
                Type::Number => Value::Number(11.0),
                _ => Value::Integer(-1),
            };
            let value = value.filter(|_| round % 9 != 8).unwrap_or_else(absent);
            let value = match (value, operator) {
                (Value::Text(text), Operator::Like) if field != Field::Text => {
                    Value::Text(text.chars().skip(2).take(8).collect())
                }
                (value, _) => value,
            };
            filters.push(Filter { field, operator, values: vec![value] });
        }
    }
    filters
}

async fn lists(store: &Store, filters: &[Filter]) -> Result<()> {
    let mut times = Vec::new();
    for filter in filters {
        let query = || Query { filter: filter.clone().into(), limit: PAGE, ..Query::default() };
        let start = Instant::now();
        store.findings(query()).await?;
        times.push((start.elapsed(), filter.to_string()));
    }
    tell("one filter, first page of 50", &mut times, "50 ms at p99");
    let mut times = Vec::new();
    for filter in filters {
        let start = Instant::now();
        store.count_findings(filter.clone().into()).await?;
        times.push((start.elapsed(), filter.to_string()));
    }
    tell("one filter, counted", &mut times, "none");
    Ok(())
}

async fn facets(store: &Store, filters: &[Filter]) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..5 {
        for field in Field::FACETS {
            let start = Instant::now();
            store.facet(Expression::default(), field, 20).await?;
            times.push((start.elapsed(), field.name().to_owned()));
        }
    }
    tell("any facet of everything", &mut times, "50 ms at p99");
    let mut times = Vec::new();
    for (at, filter) in filters.iter().enumerate().step_by(7) {
        let field = Field::FACETS[at % Field::FACETS.len()];
        let start = Instant::now();
        store.facet(filter.clone().into(), field, 20).await?;
        times.push((start.elapsed(), format!("{} of {filter}", field.name())));
    }
    tell("any facet under one filter", &mut times, "none");
    Ok(())
}

async fn overview(store: &Store) -> Result<()> {
    let now_ms = i64::try_from(
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis(),
    )?;
    let day = now_ms / 86_400_000;
    let mut times = Vec::new();
    for _ in 0..20 {
        let start = Instant::now();
        store.overview(Scope::Everything, now_ms).await?;
        store.history(Scope::Everything, day - 365, day).await?;
        times.push((start.elapsed(), String::new()));
    }
    tell("what the overview shows", &mut times, "100 ms for the page");
    Ok(())
}

fn tell(what: &str, times: &mut [(Duration, String)], aim: &str) {
    times.sort();
    let at = |share: f64| {
        let last = times.len() - 1;
        &times[((last as f64) * share).round() as usize]
    };
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "{what:32} p50 {:7.2} ms  p99 {:7.2} ms  highest {:7.2} ms of {} (aim: {aim})",
        ms(at(0.5).0),
        ms(at(0.99).0),
        ms(at(1.0).0),
        times.len()
    );
    for (time, name) in times.iter().rev().take(SHOWN).filter(|(time, _)| ms(*time) > 50.0) {
        println!("    {:7.2} ms  {}", ms(*time), name.chars().take(90).collect::<String>());
    }
}

/// All findings in each format, to files, which other tools read.
fn exports(countersign: &Path, home: &Path, total: u64, sample: &[FindingRow]) -> Result<()> {
    let (floor_bytes, floor_seconds) = floor(sample)?;
    println!(
        "bare serializer, the findings alone     {:7.0} MB/s  {:9.0} findings/s",
        floor_bytes / floor_seconds / 1e6,
        sample.len() as f64 / floor_seconds
    );
    let folder = tempfile::tempdir()?;
    for format in ["ndjson", "csv", "ocsf", "sarif", "parquet"] {
        let mut command = Command::new(countersign);
        command.arg("--home").arg(home).args(["export", "--format", format, "--output"]);
        command.arg(folder.path().join(format));
        let run = run(&mut command, "")?;
        let mut bytes = 0;
        for file in std::fs::read_dir(folder.path())? {
            let file = file?;
            bytes += file.metadata()?.len();
            std::fs::remove_file(file.path())?;
        }
        ensure!(bytes > 0, "{format} wrote nothing");
        println!(
            "{format:8} {:6.1} s  {:6.0} MB  {:6.0} MB/s  {:9.0} findings/s  {:.2} of the floor  {:4.0} MiB (aim: 150)",
            run.seconds,
            bytes as f64 / 1e6,
            bytes as f64 / run.seconds / 1e6,
            total as f64 / run.seconds,
            total as f64 / run.seconds / (sample.len() as f64 / floor_seconds),
            run.peak_mib
        );
    }
    Ok(())
}

/// The same findings through `serde_json` alone: the best of five.
fn floor(sample: &[FindingRow]) -> Result<(f64, f64)> {
    let mut best = (0.0, f64::MAX);
    let mut line = Vec::new();
    for _ in 0..5 {
        let start = Instant::now();
        let mut bytes = 0;
        for row in sample {
            line.clear();
            serde_json::to_writer(&mut line, &row.finding)?;
            bytes += std::hint::black_box(&line).len();
        }
        let seconds = start.elapsed().as_secs_f64();
        if seconds < best.1 {
            best = (bytes as f64, seconds);
        }
    }
    Ok(best)
}
