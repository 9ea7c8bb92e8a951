//! The dashboard as a process: where it listens, the ready file, who may sign in.

#![cfg(unix)]

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::program::{countersign, run, stderr, stdout, wait_until};

/// `serve` as a process of its own; killed on drop.
struct Serving {
    child: Child,
    ready: Value,
}

impl Serving {
    fn start(home: &Path) -> Self {
        let ready = home.join("dashboard.json");
        let _ = std::fs::remove_file(&ready);
        let mut command = countersign(home);
        command.args(["serve", "--listen", "127.0.0.1:0", "--ready-file"]).arg(&ready);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        wait_until("the dashboard", || {
            assert!(child.try_wait().unwrap().is_none(), "the dashboard ended");
            ready.exists()
        });
        let ready = serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap();
        Self { child, ready }
    }

    fn url(&self) -> &str {
        self.ready["dashboard_url"].as_str().unwrap()
    }

    /// Asks it to end, as a service manager does.
    fn end(mut self) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let mut told = String::new();
        let mut pipe = self.child.stderr.take().unwrap();
        std::io::Read::read_to_string(&mut pipe, &mut told).unwrap();
        (self.child.wait().unwrap().code(), told)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn status(url: &str) -> String {
    let output = Command::new("curl")
        .args(["-sS", "-o", "/dev/null", "--max-time", "30", "-w", "%{http_code}", url])
        .output()
        .unwrap();
    stdout(&output)
}

#[test]
fn addresses_beyond_this_machine_need_tls() {
    let home = tempfile::tempdir().unwrap();
    let output = run(home.path(), &["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("hint: add `--tls-cert` and `--tls-key`"));
    let pem = home.path().join("empty.pem");
    std::fs::write(&pem, "").unwrap();
    let pem = pem.to_str().unwrap();
    let output = run(home.path(), &["serve", "--tls-cert", pem, "--tls-key", pem]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert_eq!(run(home.path(), &["serve", "--tls-cert", pem]).status.code(), Some(2));
    let output = run(home.path(), &["serve", "--public-url", "findings.example.com"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

#[test]
fn the_first_link_is_in_the_ready_file_alone_until_there_is_somebody() {
    let home = tempfile::tempdir().unwrap();
    let serving = Serving::start(home.path());
    let setup = serving.ready["setup_url"].as_str().unwrap().to_owned();
    let mode = std::fs::metadata(home.path().join("dashboard.json")).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o077, 0);
    assert_eq!(status(serving.url()), "303");
    assert_eq!(status(&setup), "200");
    let (code, told) = serving.end();
    assert_eq!(code, Some(0), "{told}");
    assert!(!told.contains("/welcome/"), "a log holds no link: {told}");

    let output = run(home.path(), &["people", "add", "rita", "--role", "operator"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("/welcome/"));
    let serving = Serving::start(home.path());
    assert_eq!(serving.ready["setup_url"], Value::Null);
    let token = setup.rsplit('/').next().unwrap();
    let old = format!("{}/welcome/{token}", serving.url());
    assert_eq!(status(&old), "410", "there is somebody by now");
}

/// Every user of the machine sees what a program is started with.
#[test]
#[cfg(target_os = "linux")]
fn a_browser_is_not_opened_with_the_first_link() {
    let home = tempfile::tempdir().unwrap();
    let (programs, opened) = (home.path().join("bin"), home.path().join("opened"));
    std::fs::create_dir(&programs).unwrap();
    let program = programs.join("xdg-open");
    std::fs::write(&program, format!("#!/bin/sh\necho \"$@\" > {}\n", opened.display())).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .unwrap();
    let mut command = countersign(home.path());
    command.args(["serve", "--listen", "127.0.0.1:0", "--open"]).stderr(Stdio::null());
    command.env("PATH", format!("{}:/usr/bin:/bin", programs.display()));
    let mut child = command.spawn().unwrap();
    let shown = || std::fs::read_to_string(&opened).unwrap_or_default();
    wait_until("a browser", || shown().ends_with('\n'));
    let _ = child.kill();
    let _ = child.wait();
    assert!(
        shown().starts_with("http://127.0.0.1:") && !shown().contains("welcome"),
        "{}",
        shown()
    );
}

#[test]
fn people_come_and_go() {
    let home = tempfile::tempdir().unwrap();
    for (args, code) in [
        (&["people", "add", "a b"][..], 2),
        (&["people", "add", "rita", "--role", "admin"], 2),
        (&["people", "remove", "rita"], 2),
        (&["people", "reset", "rita"], 2),
        (&["people", "add", "rita"], 0),
        (&["people", "add", "RITA"], 2),
        (&["people", "reset", "Rita", "--second-factor"], 0),
    ] {
        let output = run(home.path(), args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
    }
    let listed = stdout(&run(home.path(), &["people", "list", "--json"]));
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[0]["name"], "rita");
    assert_eq!(listed[0]["role"], "reader");
    assert_eq!(listed[0]["is_active"], false);
    assert_eq!(run(home.path(), &["people", "remove", "rita"]).status.code(), Some(0));
    let audit = stdout(&run(home.path(), &["people", "audit", "--json"]));
    let audit: Value = serde_json::from_str(&audit).unwrap();
    assert_eq!((audit["whole"].clone(), audit["entries"].clone()), (true.into(), 3.into()));
}

/// Asks it to end and waits until it has.
fn signalled(child: &mut Child, signal: &str) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    assert!(child.wait().unwrap().success(), "{signal}");
}

#[test]
fn every_database_is_one_file_after_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let beside = |home: &Path| -> Vec<String> {
        let entries = std::fs::read_dir(home).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut found: Vec<_> = names.filter(|name| name.contains(".sqlite")).collect();
        found.sort();
        found
    };
    for signal in ["-TERM", "-INT"] {
        let home = folder.path().join("home");
        let mut serving = Serving::start(&home);
        assert_eq!(status(&format!("{}/sign-in", serving.url())), "200");
        assert!(beside(&home).contains(&"people.sqlite-wal".to_owned()));
        signalled(&mut serving.child, signal);
        assert_eq!(beside(&home), ["people.sqlite", "store.sqlite"], "{signal}");

        let home = folder.path().join("platform");
        let ready = home.with_extension(signal);
        let mut command = countersign(&home);
        command.args(["platform", "serve", "--listen", "127.0.0.1:0"]);
        command.args(["--seed", "apps=2,findings=20,rng=7", "--ready-file"]).arg(&ready);
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        wait_until("the platform", || ready.exists());
        assert!(beside(&home).contains(&"platform.sqlite-wal".to_owned()));
        signalled(&mut child, signal);
        assert_eq!(beside(&home), ["platform.sqlite"], "{signal}");
    }
}

/// Nothing is said of a file that nobody asked for.
#[test]
fn only_what_is_there_is_said() {
    use std::io::{BufRead, BufReader};
    let folder = tempfile::tempdir().unwrap();
    let mut command = countersign(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0"]).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let told: Vec<_> = lines.take_while(|line| !line.contains("Ctrl-C stops it")).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    let told = told.join("\n");
    assert!(told.contains("people add admin --role operator` prints a link"), "{told}");
    assert!(!told.contains("ready file") && !told.contains("holds"), "{told}");
}
