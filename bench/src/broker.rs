//! What a call through the broker costs beside the same call signed by the caller:
//! both by the same client on as many connections, in turns, at the same rate; then
//! each as fast as it goes. Client, broker and platform share the cores.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use countersign_signing::{Pair, Request, Signer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::median;
use crate::process::{Platform, run as run_to_end, told};
use crate::request::{connect, whole};

const ROUNDS: usize = 9;
const CONNECTIONS: usize = 32;
const RATE: u32 = 1000;
const PACED_SECONDS: u32 = 4;
const CALLS: usize = 300;
const TARGET: &str = "/api/authn/v2/users/self";

pub async fn run(countersign: &Path) -> anyhow::Result<()> {
    let platform = Platform::start(countersign, "empty").await?;
    let pair = platform.mint(&[])?;
    let broker = Broker::start(countersign, &platform, &pair).await?;
    let signer = Signer::new(&Pair::parse(&pair.0, &pair.1)?);
    let mut direct = Way { calls: Calls::Signed(signer), wires: Vec::new() };
    let address = broker.url.trim_start_matches("http://").to_owned();
    let token = format!("host: {address}\r\nauthorization: Bearer {}", broker.token);
    let mut brokered = Way { calls: Calls::Token(token), wires: Vec::new() };
    for _ in 0..CONNECTIONS {
        direct.wires.push(Box::new(connect(&platform).await?));
        let stream = TcpStream::connect(&address).await?;
        stream.set_nodelay(true)?;
        brokered.wires.push(Box::new(stream));
    }

    let mut figures = [const { Vec::new() }; 6];
    for round in 0..=ROUNDS {
        let one = direct.paced().await?;
        let other = brokered.paced().await?;
        // The first round warms both up.
        if round > 0 {
            let [p50, p99] =
                [0.5, 0.99].map(|share| (quantile(&one, share), quantile(&other, share)));
            let all = [p50.0, p50.1, p50.1 - p50.0, p99.0, p99.1, p99.1 - p99.0];
            figures.iter_mut().zip(all).for_each(|(figures, figure)| figures.push(figure));
        }
    }
    let [p50, p50_brokered, p50_added, p99, p99_brokered, p99_added] = figures.map(median);
    println!(
        "GET {TARGET}, {RATE} requests/s on {CONNECTIONS} connections, {PACED_SECONDS} s a turn"
    );
    println!("each figure the median of {ROUNDS} turns        median       p99");
    println!("signed by the caller                  {p50:8.2} ms {p99:8.2} ms");
    println!("through the broker                    {p50_brokered:8.2} ms {p99_brokered:8.2} ms");
    println!("added  (aim: under 1 ms)              {p50_added:8.2} ms {p99_added:8.2} ms");

    let (mut alone, mut through) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (one, other) = (direct.rate().await?, brokered.rate().await?);
        if round > 0 {
            alone.push(one);
            through.push(other);
        }
    }
    let (alone, through) = (median(alone), median(through));
    println!("as fast as it goes, signed by the caller  {alone:8.0} requests/s");
    println!("as fast as it goes, through the broker    {through:8.0} requests/s  (aim: 1,000)");
    println!("through / signed  {:.2}", through / alone);
    println!("peak memory of the broker  {:.0} MiB", broker.peak_mib());
    Ok(())
}

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire for S {}

/// A way to the platform, with its connections.
struct Way {
    calls: Calls,
    wires: Vec<Box<dyn Wire>>,
}

#[derive(Clone)]
enum Calls {
    Signed(Signer),
    /// Lines of the head.
    Token(String),
}

impl Calls {
    async fn send(&self, wire: &mut Box<dyn Wire>, buffer: &mut [u8]) -> anyhow::Result<()> {
        let lines = match self {
            Self::Signed(signer) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
                let nonce = crate::nonce();
                let request = Request::new("GET", "127.0.0.1", TARGET);
                let header = signer.authorize(&request, u64::try_from(now)?, &nonce)?;
                format!("host: 127.0.0.1\r\nauthorization: {header}")
            }
            Self::Token(lines) => lines.clone(),
        };
        let request = format!("GET {TARGET} HTTP/1.1\r\n{lines}\r\n\r\n");
        let (status, length) = whole(wire, &request, buffer).await?;
        ensure!(status == 200, "{status}: {}", String::from_utf8_lossy(&buffer[..length]));
        Ok(())
    }
}

impl Way {
    /// Milliseconds of each call. A call that its connection was late for counts from
    /// the moment when it was due.
    async fn paced(&mut self) -> anyhow::Result<Vec<f64>> {
        let begin = Instant::now() + Duration::from_millis(5);
        let count = (RATE * PACED_SECONDS) as usize;
        let calls = move |calls: Calls, mut wire: Box<dyn Wire>, first: usize| async move {
            let (mut times, mut buffer) = (Vec::new(), vec![0; 16 * 1024]);
            for nth in (first..count).step_by(CONNECTIONS) {
                let due = begin + Duration::from_secs(1) * nth as u32 / RATE;
                let since = if Instant::now() < due {
                    // Timers are a millisecond coarse: what they are late by is not the call's.
                    tokio::time::sleep_until(due).await;
                    Instant::now()
                } else {
                    due
                };
                calls.send(&mut wire, &mut buffer).await?;
                times.push(since.elapsed().as_secs_f64() * 1000.0);
            }
            anyhow::Ok((wire, times))
        };
        self.on_all(calls).await
    }

    /// Calls a second.
    async fn rate(&mut self) -> anyhow::Result<f64> {
        let start = Instant::now();
        let calls = move |calls: Calls, mut wire: Box<dyn Wire>, _| async move {
            let mut buffer = vec![0; 16 * 1024];
            for _ in 0..CALLS {
                calls.send(&mut wire, &mut buffer).await?;
            }
            anyhow::Ok((wire, Vec::new()))
        };
        self.on_all(calls).await?;
        Ok((CONNECTIONS * CALLS) as f64 / start.elapsed().as_secs_f64())
    }

    async fn on_all<F, O>(&mut self, act: F) -> anyhow::Result<Vec<f64>>
    where
        F: Fn(Calls, Box<dyn Wire>, usize) -> O,
        O: Future<Output = anyhow::Result<(Box<dyn Wire>, Vec<f64>)>> + Send + 'static,
    {
        let wires = self.wires.drain(..).enumerate();
        let tasks: Vec<_> =
            wires.map(|(at, wire)| tokio::spawn(act(self.calls.clone(), wire, at))).collect();
        let mut all = Vec::new();
        for task in tasks {
            let (wire, times) = task.await??;
            self.wires.push(wire);
            all.extend(times);
        }
        Ok(all)
    }
}

pub fn quantile(times: &[f64], share: f64) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times[((times.len() - 1) as f64 * share) as usize]
}

/// A broker as a process of its own, stopped on drop.
pub struct Broker {
    child: Child,
    countersign: PathBuf,
    home: tempfile::TempDir,
    pub url: String,
    /// Where it listens instead.
    pub socket: Option<PathBuf>,
    pub token: String,
}

impl Broker {
    pub async fn start(
        countersign: &Path,
        platform: &Platform,
        pair: &(String, String),
    ) -> anyhow::Result<Self> {
        Self::start_at(countersign, platform, pair, false).await
    }

    pub async fn start_at_socket(
        countersign: &Path,
        platform: &Platform,
        pair: &(String, String),
    ) -> anyhow::Result<Self> {
        Self::start_at(countersign, platform, pair, true).await
    }

    async fn start_at(
        countersign: &Path,
        platform: &Platform,
        (id, secret): &(String, String),
        is_socket: bool,
    ) -> anyhow::Result<Self> {
        let home = tempfile::tempdir()?;
        let socket = is_socket.then(|| home.path().join("private").join("s"));
        // Its own bounds out of the way: what is measured is the broker.
        let config = "[client]\nrequests_per_minute = 1000000\nin_flight = 256\n";
        std::fs::write(home.path().join("config.toml"), config)?;
        let command = || {
            let mut command = Command::new(countersign);
            command.arg("--home").arg(home.path());
            command
        };
        let mut add = command();
        add.args(["integration", "add", "bench", "--client-id", id, "--client-secret-stdin"]);
        add.args(["--url", &platform.url, "--ca-file"]).arg(platform.ca_file());
        run_to_end(&mut add, secret)?;
        let ready = home.path().join("proxy.json");
        let mut proxy = command();
        proxy.args(["proxy", "--in-flight", "256", "--ready-file"]).arg(&ready);
        match &socket {
            Some(path) => proxy.arg("--socket").arg(path),
            None => proxy.args(["--listen", "127.0.0.1:0"]),
        };
        let token = token(&mut command(), "bench")?;
        let mut child = proxy.stderr(Stdio::null()).spawn()?;
        let ready = told(&mut child, &ready).await?;
        let url = match &socket {
            Some(_) => "http://localhost".to_owned(),
            None => ready["url"].as_str().context("no url")?.to_owned(),
        };
        Ok(Self { child, countersign: countersign.to_owned(), home, url, socket, token })
    }

    /// For another caller.
    pub fn another_token(&self) -> anyhow::Result<String> {
        token(Command::new(&self.countersign).arg("--home").arg(self.home.path()), "polite")
    }

    fn peak_mib(&self) -> f64 {
        crate::process::peak_kib(self.child.id()) as f64 / 1024.0
    }
}

/// Of a new caller that may read everything.
fn token(command: &mut Command, name: &str) -> anyhow::Result<String> {
    command.args(["proxy", "token", name, "--allow", "GET /**"]);
    command.args(["--allow", "POST /api/authn/v2/users/self"]);
    Ok(String::from_utf8(run_to_end(command, "")?.output.stdout)?.trim_end().to_owned())
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
