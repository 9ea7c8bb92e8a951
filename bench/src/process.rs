//! A platform and other programs as processes of their own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::Value;

/// What a program writes into its ready file, once it does.
pub async fn told(child: &mut Child, ready: &Path) -> anyhow::Result<Value> {
    loop {
        if let Ok(text) = std::fs::read_to_string(ready) {
            return Ok(serde_json::from_str(&text)?);
        }
        ensure!(child.try_wait()?.is_none(), "the program ended before it was ready");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A program that ends with what uses it.
pub struct Ended(pub Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A platform on a temporary home, stopped on drop.
pub struct Platform {
    child: Child,
    home: tempfile::TempDir,
    countersign: PathBuf,
    pub url: String,
    /// What it tells about itself.
    pub ready: Value,
}

impl Platform {
    pub async fn start(countersign: &Path, seed: &str) -> anyhow::Result<Self> {
        Self::start_on(countersign, seed, "off", tempfile::tempdir()?).await
    }

    /// An empty one that lets tests change it.
    pub async fn start_with_controls(countersign: &Path) -> anyhow::Result<Self> {
        Self::start_on(countersign, "empty", "127.0.0.1:0", tempfile::tempdir()?).await
    }

    /// Ends it and starts another on the same home; answers the seconds until it
    /// was ready.
    pub async fn restart(mut self) -> anyhow::Result<(Self, f64)> {
        self.child.kill()?;
        self.child.wait()?;
        let home = std::mem::replace(&mut self.home, tempfile::tempdir()?);
        let since = Instant::now();
        let again = Self::start_on(&self.countersign, "empty", "off", home).await?;
        Ok((again, since.elapsed().as_secs_f64()))
    }

    async fn start_on(
        countersign: &Path,
        seed: &str,
        control: &str,
        home: tempfile::TempDir,
    ) -> anyhow::Result<Self> {
        let ready = home.path().join("ready.json");
        if ready.exists() {
            std::fs::remove_file(&ready)?;
        }
        let child = Command::new(countersign)
            .arg("--home")
            .arg(home.path())
            .args(["platform", "serve", "--listen", "127.0.0.1:0", "--rate-limit", "off"])
            // Without the controls nothing is recorded: what is measured is the service.
            .args(["--control", control, "--seed", seed, "--ready-file"])
            .arg(&ready)
            .stderr(Stdio::null())
            .spawn()?;
        let mut platform = Self {
            child,
            home,
            countersign: countersign.to_owned(),
            url: String::new(),
            ready: Value::Null,
        };
        let ready = told(&mut platform.child, &ready).await?;
        platform.url = ready["rest_url"].as_str().context("no rest_url")?.to_owned();
        platform.ready = ready;
        Ok(platform)
    }

    pub fn ca_file(&self) -> PathBuf {
        self.home.path().join("ca.pem")
    }

    /// A pair for an account with these roles, or with those that read findings.
    pub fn mint(&self, roles: &[&str]) -> anyhow::Result<(String, String)> {
        let output = Command::new(&self.countersign)
            .arg("--home")
            .arg(self.home.path())
            .args(["platform", "mint", "--user", &format!("bench{}", roles.join("-")), "--json"])
            .args(roles.iter().flat_map(|role| ["--role", role]))
            .output()?;
        ensure!(output.status.success(), "mint: {}", String::from_utf8_lossy(&output.stderr));
        let minted: Value = serde_json::from_slice(&output.stdout)?;
        let member = |name: &str| minted[name].as_str().map(String::from).context("no pair");
        Ok((member("api_id")?, member("api_secret")?))
    }

    pub fn peak_mib(&self) -> f64 {
        peak_kib(self.child.id()) as f64 / 1024.0
    }

    pub fn resident_mib(&self) -> f64 {
        kib(self.child.id(), "VmRSS:") as f64 / 1024.0
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a run of a program took.
pub struct Run {
    pub output: Output,
    pub seconds: f64,
    pub peak_mib: f64,
}

/// Runs to the end; fails if the program does.
pub fn run(command: &mut Command, input: &str) -> anyhow::Result<Run> {
    let start = Instant::now();
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    child.stdin.take().context("no stdin")?.write_all(input.as_bytes())?;
    let id = child.id();
    let waiter = std::thread::spawn(move || child.wait_with_output());
    // The peak is the kernel's own high-water mark; only its last reading counts.
    let mut peak = 0;
    while !waiter.is_finished() {
        peak = peak.max(peak_kib(id));
        std::thread::sleep(Duration::from_millis(5));
    }
    let seconds = start.elapsed().as_secs_f64();
    let output = waiter.join().map_err(|_| anyhow::anyhow!("the waiting thread failed"))??;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(Run { output, seconds, peak_mib: peak as f64 / 1024.0 })
}

pub fn peak_kib(id: u32) -> u64 {
    kib(id, "VmHWM:")
}

fn kib(id: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
