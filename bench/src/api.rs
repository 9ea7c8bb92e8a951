//! What the connector API takes for a page of a store with a million findings, by 32
//! connections at once, beside an answer that never changes and the dashboard's own list.
//!
//! The home is made by a sync, or given: `bench/run api [HOME]`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use countersign_store::Store;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::broker::quantile;
use crate::process::{Ended, peak_kib, run, told};
use crate::readers;

const CONNECTIONS: usize = 32;
const SMALL: usize = 2_000;
const LARGE: usize = 64;
/// Places in the list, 5,000 findings apart.
const PLACES: usize = 20;
/// Pages of 100 from one to the next.
const PAGES: usize = 50;
const FILTERED: &str = "filter=severity%5Bin%5DCritical,High&filter=status%5Beq%5Dactive";

pub async fn run_all(countersign: &Path, given: Option<String>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let home = match given {
        Some(home) => PathBuf::from(home),
        None => {
            readers::bring_in(countersign, folder.path()).await?;
            folder.path().to_owned()
        }
    };
    let at_home = |arguments: &[&str]| {
        let mut command = Command::new(countersign);
        command.arg("--home").arg(&home).args(arguments);
        command
    };
    run(&mut at_home(&["schedule", "pause", readers::INTEGRATION]), "")?;
    // A home that was given may have one.
    let name = format!("bench-{}", std::process::id());
    let made = run(
        &mut at_home(&[
            "api",
            "token",
            "add",
            &name,
            "--integration",
            readers::INTEGRATION,
            "--json",
        ]),
        "",
    )?;
    let made: Value = serde_json::from_slice(&made.output.stdout)?;
    let token = made["token"].as_str().context("no token")?.to_owned();
    let ready = home.join("serve.json");
    let _ = std::fs::remove_file(&ready);
    put_off_the_look(&home).await?;
    let serve = at_home(&["serve", "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0"])
        .arg("--ready-file")
        .arg(&ready)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut serving = Ended(serve);
    let ready = told(&mut serving.0, &ready).await?;
    let url = ready["api_url"].as_str().context("no api_url")?;
    let host = url.trim_start_matches("http://").to_owned();
    let wire = Wire { host, token };

    let first: Value = serde_json::from_slice(&wire.get("/v1/app-sec/findings?limit=100").await?)?;
    let finding = &first["result"][0];
    let details = format!(
        "/v1/app-sec/applications/{}/findings/{}",
        finding["application"]["uid"].as_str().context("no application")?,
        finding["finding_info"]["uid"].as_str().context("no finding")?
    );
    let mut cursor = first["cursor"].as_str().context("no cursor")?.to_owned();
    let (mut thousands, mut hundreds) = (Vec::new(), Vec::new());
    for _ in 0..PLACES {
        let page = |limit| format!("/v1/app-sec/findings?limit={limit}&cursor={cursor}");
        let (whole, first) = (page(5000), page(100));
        hundreds.extend(wire.walk(first, PAGES).await?);
        cursor = wire.cursor(&whole).await?;
        thousands.push(whole);
    }
    let floor =
        wire.measure("an answer that never changes", &["/v1/version".into()], SMALL, 1.0).await?;
    // More were asked for since than are kept.
    wire.measure("page of 100, each once", &hundreds, PLACES * PAGES, floor).await?;
    let again = &hundreds[..PLACES];
    for target in again {
        wire.get(target).await?;
    }
    let filtered = [format!("/v1/app-sec/findings?limit=100&{FILTERED}")];
    wire.measure("page of 100 (aim: p99 under 20 ms)", again, SMALL, floor).await?;
    wire.measure("page of 100, filtered", &filtered, SMALL, floor).await?;
    wire.measure("one finding", &[details], SMALL, floor).await?;
    let before = peak_kib(serving.0.id());
    wire.measure("page of 5,000", &thousands, LARGE, floor).await?;
    let after = peak_kib(serving.0.id());
    println!(
        "peak of memory {:.0} MiB before pages of 5,000 and {:.0} MiB after them, {CONNECTIONS} at once",
        before as f64 / 1024.0,
        after as f64 / 1024.0
    );
    drop(serving);
    crate::dashboard::measure(countersign, &home, readers::INTEGRATION).await
}

/// The daily look at the store, which keeps a processor busy for minutes, is not what is measured.
async fn put_off_the_look(home: &Path) -> Result<()> {
    let store = Store::open(&home.join("store.sqlite")).await?;
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    Ok(store.note_check(&[], now_ms).await?)
}

struct Wire {
    host: String,
    token: String,
}

impl Wire {
    async fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect(&self.host).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn get(&self, target: &str) -> Result<Vec<u8>> {
        self.ask(&mut self.connect().await?, target).await
    }

    /// Where the list goes on after a page.
    async fn cursor(&self, target: &str) -> Result<String> {
        let page: Value = serde_json::from_slice(&self.get(target).await?)?;
        let cursor = page["cursor"].as_str().unwrap_or_default().to_owned();
        ensure!(!cursor.is_empty(), "the store has too few findings for this");
        Ok(cursor)
    }

    /// This page and those after it.
    async fn walk(&self, first: String, pages: usize) -> Result<Vec<String>> {
        let mut targets = vec![first];
        while targets.len() < pages {
            let cursor = self.cursor(&targets[targets.len() - 1]).await?;
            targets.push(format!("/v1/app-sec/findings?limit=100&cursor={cursor}"));
        }
        Ok(targets)
    }

    async fn ask(&self, stream: &mut TcpStream, target: &str) -> Result<Vec<u8>> {
        let request = format!(
            "GET {target} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\r\n",
            self.host, self.token
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::with_capacity(64 * 1024);
        loop {
            ensure!(stream.read_buf(&mut answer).await? > 0, "the answer broke off");
            if let Some(body) = body_of(&answer)? {
                return Ok(body);
            }
        }
    }

    /// So many requests over all connections, each with the next target; prints and answers
    /// the median.
    async fn measure(
        &self,
        what: &str,
        targets: &[String],
        count: usize,
        floor: f64,
    ) -> Result<f64> {
        let (since, mut tasks) = (Instant::now(), Vec::new());
        for at in 0..CONNECTIONS {
            let (host, token) = (self.host.clone(), self.token.clone());
            let targets = targets.to_vec();
            tasks.push(tokio::spawn(async move {
                let wire = Wire { host, token };
                let mut stream = wire.connect().await?;
                let (mut times, mut bytes) = (Vec::new(), 0);
                for round in 0..count / CONNECTIONS {
                    let target = &targets[(round * CONNECTIONS + at) % targets.len()];
                    let since = Instant::now();
                    bytes += wire.ask(&mut stream, target).await?.len();
                    times.push(since.elapsed().as_secs_f64() * 1000.0);
                }
                anyhow::Ok((times, bytes))
            }));
        }
        let (mut times, mut bytes) = (Vec::new(), 0);
        for task in tasks {
            let (of_one, sent) = task.await??;
            times.extend(of_one);
            bytes += sent;
        }
        let seconds = since.elapsed().as_secs_f64();
        times.sort_by(f64::total_cmp);
        let (middle, slow) = (quantile(&times, 0.5), quantile(&times, 0.99));
        println!(
            "{what:36} {:8.0}/s  p50 {middle:8.2} ms  p99 {slow:8.2} ms  {:6.1} x the floor  {:8.1} KiB",
            times.len() as f64 / seconds,
            middle / floor,
            bytes as f64 / times.len() as f64 / 1024.0
        );
        Ok(middle)
    }
}

/// The body, once all of it is there.
fn body_of(answer: &[u8]) -> Result<Option<Vec<u8>>> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&answer[..end])?.to_ascii_lowercase();
    let body = &answer[end + 4..];
    ensure!(head.starts_with("http/1.1 200"), "{head} {}", String::from_utf8_lossy(body));
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    if let Some(length) = length {
        return Ok((body.len() == length.trim().parse::<usize>()?).then(|| body.to_vec()));
    }
    if !body.ends_with(b"\r\n0\r\n\r\n") {
        return Ok(None);
    }
    let (mut whole, mut rest) = (Vec::with_capacity(body.len()), body);
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n").context("no chunk")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line])?, 16)?;
        if size == 0 {
            return Ok(Some(whole));
        }
        whole.extend_from_slice(&rest[line + 2..line + 2 + size]);
        rest = &rest[line + 4 + size..];
    }
}
