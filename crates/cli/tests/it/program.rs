//! Runs the binary, and a platform of it beside.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

pub(crate) fn countersign(home: &Path) -> Command {
    let mut command = without_home(home);
    command.arg("--home").arg(home);
    command
}

/// As run by somebody whose home folder is `home`.
pub(crate) fn without_home(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.env_remove("COUNTERSIGN_HOME").stdin(Stdio::null());
    // Where other tools keep pairs: nothing of whoever runs the tests.
    command.env("HOME", home);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("VERACODE_") {
            command.env_remove(name);
        }
    }
    command
}

pub(crate) fn run(home: &Path, args: &[&str]) -> Output {
    countersign(home).args(args).output().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A file with a secret in it, for its owner alone.
pub(crate) fn write_secret(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

/// Waits without sleeping on a guess: until `ready` or a minute went by.
pub(crate) fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if ready() {
            return;
        }
        pause(Duration::from_millis(10));
    }
    panic!("waited a minute for {what}");
}

/// A pause between looks at another process, which nothing announces.
pub(crate) fn pause(duration: Duration) {
    let (_keep, never) = std::sync::mpsc::channel::<()>();
    let _ = never.recv_timeout(duration);
}

/// `platform serve` as a process of its own; killed on drop.
pub(crate) struct Served {
    pub(crate) home: tempfile::TempDir,
    child: Child,
    pub(crate) url: String,
    pub(crate) ca_file: PathBuf,
}

impl Served {
    pub(crate) fn start(seed: &str) -> Self {
        Self::start_with(seed, &["--listen", "127.0.0.1:0"])
    }

    pub(crate) fn start_with(seed: &str, rest: &[&str]) -> Self {
        Self::start_by(seed, |command| {
            command.args(rest);
        })
    }

    /// After `change` has added what is special about it.
    pub(crate) fn start_by(seed: &str, change: impl FnOnce(&mut Command)) -> Self {
        let home = tempfile::tempdir().unwrap();
        let ready = home.path().join("ready.json");
        let mut command = countersign(&home.path().join("platform"));
        command.args(["platform", "serve", "--rate-limit", "off"]);
        command.args(["--seed", seed, "--ready-file"]).arg(&ready).stderr(Stdio::null());
        change(&mut command);
        let child = command.spawn().unwrap();
        wait_until("the platform", || ready.exists());
        let object: Value = serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap();
        let text = |name: &str| object[name].as_str().unwrap().to_owned();
        let (url, ca_file) = (text("rest_url"), text("ca_file").into());
        Self { home, child, url, ca_file }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("https://")
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn platform_home(&self) -> PathBuf {
        self.home.path().join("platform")
    }

    /// API ID and Secret Key of a (new) API account.
    pub(crate) fn mint(&self, user: &str, roles: &[&str]) -> (String, String) {
        let mut command = countersign(&self.platform_home());
        command.args(["platform", "mint", "--json", "--user", user]);
        for role in roles {
            command.args(["--role", role]);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let object: Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = |name: &str| object[name].as_str().unwrap().to_owned();
        (text("api_id"), text("api_secret"))
    }

    /// `integration add demo`, the secret through standard input.
    pub(crate) fn add(&self, home: &Path, pair: (&str, &str)) -> Output {
        self.add_as("demo", home, pair)
    }

    pub(crate) fn add_as(&self, name: &str, home: &Path, (id, secret): (&str, &str)) -> Output {
        self.keep("integration", name, home, (id, secret))
    }

    /// `integration add` or `credentials add`, the secret through standard input.
    pub(crate) fn keep(
        &self,
        noun: &str,
        name: &str,
        home: &Path,
        (id, secret): (&str, &str),
    ) -> Output {
        let mut command = countersign(home);
        command.args([noun, "add", name, "--client-id", id, "--client-secret-stdin"]);
        command.args(["--url", &self.url, "--ca-file"]).arg(&self.ca_file);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(secret.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    pub(crate) fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.platform_home().join("platform.sqlite")).unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
