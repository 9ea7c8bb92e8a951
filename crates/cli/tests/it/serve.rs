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
        Self::start_with(home, &[])
    }

    fn start_with(home: &Path, more: &[&str]) -> Self {
        let ready = home.join("dashboard.json");
        let _ = std::fs::remove_file(&ready);
        let mut command = countersign(home);
        command.args(["serve", "--listen", "127.0.0.1:0", "--ready-file"]).arg(&ready).args(more);
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

/// Who waits for the ready file does not read that of a run before.
#[test]
fn a_ready_file_of_before_is_gone_until_it_answers() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for program in [&["serve"][..], &["platform", "serve", "--seed", "empty"][..]] {
        let home = tempfile::tempdir().unwrap();
        let ready = home.path().join("ready.json");
        std::fs::write(&ready, "{}").unwrap();
        let mut command = countersign(home.path());
        command.args(program).args(["--listen", &address, "--ready-file"]).arg(&ready);
        assert!(!command.output().unwrap().status.success());
        assert!(!ready.exists(), "{program:?}");
    }
}

/// Whoever sees that a program answers may ask it to end.
#[test]
fn a_signal_as_soon_as_it_answers_is_a_regular_end() {
    for program in [&["serve"][..], &["platform", "serve", "--seed", "empty"][..]] {
        let home = tempfile::tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let mut command = countersign(home.path());
        command.args(program).args(["--listen", &address.to_string()]).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        while std::net::TcpStream::connect(address).is_err() {
            assert!(child.try_wait().unwrap().is_none(), "{program:?} ended");
        }
        signalled(&mut child, "-TERM");
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

fn asked(url: &str) -> String {
    let output = Command::new("curl")
        .args(["-sS", "--max-time", "30", "-w", " %{http_code}", url])
        .output()
        .unwrap();
    stdout(&output)
}

/// Health needs no session, and what is asked for is the same on every program.
#[test]
fn health_is_answered_without_signing_in() {
    let home = tempfile::tempdir().unwrap();
    let serving = Serving::start(home.path());
    assert_eq!(asked(&format!("{}/readyz", serving.url())), "{\"ready\":true}\n 200");
    assert_eq!(asked(&format!("{}/healthz", serving.url())), "{\"alive\":true}\n 200");
    assert_eq!(status(&format!("{}/readyz/", serving.url())), "404");
}

fn scraped(url: &str, token: Option<&str>) -> (String, String) {
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "30", "-w", "%{http_code} %{content_type}"]);
    if let Some(token) = token {
        command.args(["-H", &format!("Authorization: Bearer {token}")]);
    }
    let told = stdout(&command.arg(url).output().unwrap());
    let (body, head) = told.rsplit_once('\n').unwrap();
    (head.to_owned(), body.to_owned())
}

#[test]
fn metrics_are_for_who_has_the_token_or_reaches_their_own_listener() {
    let home = tempfile::tempdir().unwrap();
    let token = home.path().join("metrics.token");
    std::fs::write(&token, "a-token-of-the-metrics\n").unwrap();
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let config = format!("[metrics]\ntoken_file = \"{}\"\n", token.display());
    std::fs::write(home.path().join("config.toml"), config).unwrap();
    let output = run(home.path(), &["serve", "--metrics-listen", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("hint: add `--tls-cert`"), "{}", stderr(&output));

    let serving = Serving::start_with(home.path(), &["--metrics-listen", "127.0.0.1:0"]);
    let metrics = format!("{}/metrics", serving.url());
    for token in [None, Some("a-token-of-the-metric"), Some("")] {
        assert_eq!(scraped(&metrics, token).0, "401 application/json", "{token:?}");
    }
    let (head, text) = scraped(&metrics, Some("a-token-of-the-metrics"));
    let format = "200 application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(head, format);
    assert!(text.ends_with("# EOF") && text.contains("countersign_build_info{version="), "{text}");
    let own = serving.ready["metrics_url"].as_str().unwrap();
    assert_eq!(scraped(own, None).0, format);
    assert_eq!(status(&own.replace("/metrics", "/readyz")), "200");
    assert_eq!(status(&own.replace("/metrics", "/sign-in")), "404", "no page is there");
    let (code, told) = serving.end();
    assert!(code == Some(0) && !told.contains("a-token"), "{told}");
}

#[test]
fn a_token_that_can_be_guessed_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let token = home.path().join("metrics.token");
    std::fs::write(&token, "hush\n").unwrap();
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let config = format!("[metrics]\ntoken_file = \"{}\"\n", token.display());
    std::fs::write(home.path().join("config.toml"), config).unwrap();
    let output = run(home.path(), &["serve", "--listen", "127.0.0.1:0"]);
    let told = stderr(&output);
    assert!(output.status.code() == Some(2) && told.contains("16 or more"), "{told}");
    assert!(!told.contains("hush"), "{told}");
}

/// Reads what a program says until it says this.
fn heard(lines: &mut impl Iterator<Item = String>, wanted: &str) -> Vec<String> {
    let mut all = Vec::new();
    for line in lines {
        let is_it = line.contains(wanted);
        all.push(line);
        if is_it {
            return all;
        }
    }
    panic!("`{wanted}` was not said: {all:#?}");
}

#[test]
fn a_hangup_reads_the_configuration_again() {
    use std::io::{BufRead, BufReader};
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config.toml");
    std::fs::write(&file, "[sync]\nparallel = 3\n").unwrap();
    let mut serving = Serving::start(home.path());
    let stderr = BufReader::new(serving.child.stderr.take().unwrap());
    let mut lines = stderr.lines().map(Result::unwrap);
    let id = serving.child.id().to_string();
    let hang_up = || assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
    heard(&mut lines, "Ctrl-C stops it");

    std::fs::write(&file, "[sync]\nparallel = 4\n[client]\nproxy = \"http://u:hush@p\"\n").unwrap();
    hang_up();
    let told = heard(&mut lines, "reloaded: sync.parallel: 3 -> 4").join("\n");
    assert!(told.contains("reloaded: client.proxy: unset -> (not shown)"), "{told}");

    std::fs::write(&file, "[sync]\nparallel = 5\n[watch]\nevry = \"1h\"\n").unwrap();
    hang_up();
    let told =
        heard(&mut lines, "not reloaded, the configuration before stays in force").join("\n");
    assert!(told.contains("line 4") && told.contains("evry"), "{told}");
    assert_eq!(status(&format!("{}/readyz", serving.url())), "200");

    std::fs::write(&file, "[sync]\nparallel = 6\n[watch]\nevery = \"2h\"\n").unwrap();
    hang_up();
    let told = heard(&mut lines, "reloaded: watch.every").join("\n");
    assert!(
        told.contains("reloaded: sync.parallel: 4 -> 6"),
        "the bad file changed nothing: {told}"
    );
    assert!(told.contains("(holds from the next start)"), "{told}");
    hang_up();
    let told = heard(&mut lines, "reloaded: nothing has changed");
    let is_timed = |line: &String| line.starts_with("20") && line.contains("Z  NOTE countersign: ");
    assert!(told.last().is_some_and(is_timed), "{told:?}");
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let rest: Vec<_> = lines.collect();
    assert!(serving.child.wait().unwrap().success() && !rest.concat().contains("hush"));
}

/// What happened, a line each, as objects that programs read.
#[test]
fn log_lines_are_objects_with_named_fields() {
    let home = tempfile::tempdir().unwrap();
    let more = ["--log", "countersign=info", "--log-format", "json"];
    let serving = Serving::start_with(home.path(), &more);
    let (code, told) = serving.end();
    assert_eq!(code, Some(0), "{told}");
    let lines: Vec<Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    assert!(lines.len() >= 3, "{told}");
    for line in &lines {
        for name in ["timestamp", "level", "target", "message"] {
            assert!(line[name].is_string(), "{line}");
        }
    }
}
