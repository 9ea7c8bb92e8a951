//! The broker as a process, and real curl in front of it.

#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::program::{Served, countersign, run, stderr, stdout, wait_until};

const READER: &[&str] = &["resultsapi", "noteamrestrictionapi"];

/// `proxy` as a process of its own; killed on drop.
struct Proxy {
    child: Child,
    /// A URL, or the path of a socket.
    place: String,
}

impl Proxy {
    fn start(home: &Path, args: &[&str]) -> Self {
        let ready = home.join("proxy.json");
        let _ = std::fs::remove_file(&ready);
        let mut command = countersign(home);
        command.arg("proxy").args(args).arg("--ready-file").arg(&ready).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        wait_until("the broker", || {
            assert!(child.try_wait().unwrap().is_none(), "the broker ended");
            ready.exists()
        });
        let object: Value = serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap();
        let place = object["url"].as_str().or(object["socket"].as_str()).unwrap().to_owned();
        Self { child, place }
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

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A platform, an integration with it, and the pair.
fn integrated() -> (Served, tempfile::TempDir, String) {
    let served = Served::start("apps=3,findings=60");
    let home = tempfile::tempdir().unwrap();
    let (id, secret) = served.mint("ci", READER);
    let added = served.add(home.path(), (&id, &secret));
    assert!(added.status.success(), "{}", stderr(&added));
    (served, home, secret)
}

fn token(home: &Path, name: &str, more: &[&str]) -> String {
    let output = run(home, &[&["proxy", "token", name], more].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output).trim_end().to_owned()
}

/// Status and everything else that curl says, headers of both sides included.
fn curl(args: &[&str]) -> (String, String) {
    let output = Command::new("curl")
        .args(["-sS", "-v", "--max-time", "30", "-w", "\n%{http_code}"])
        .args(args)
        .output()
        .unwrap();
    let all = format!("{}{}", stdout(&output), stderr(&output));
    let status = stdout(&output).lines().last().unwrap_or_default().to_owned();
    (status, all)
}

fn refused(output: &Output, word: &str) {
    assert_eq!(output.status.code(), Some(2), "{}", stderr(output));
    assert!(stderr(output).contains(word), "`{word}` is not in: {}", stderr(output));
}

#[test]
fn what_cannot_be_right_is_refused_before_anything_listens() {
    let (_served, home, _) = integrated();
    let home = home.path();
    let open = home.join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let socket = open.join("s");
    for (args, word) in [
        (&["--listen", "0.0.0.0:0"][..], "loopback"),
        (&["--listen", "192.0.2.7:80"], "loopback"),
        (&["--listen", "localhost"], "invalid socket address"),
        (&["--socket", socket.to_str().unwrap()], "chmod 700"),
        (&["--socket", "/x/s", "--listen", "127.0.0.1:0"], "cannot be used with"),
        (&["--allow", "GET"], "not a rule"),
        (&["--caller", "nobody"], "no caller `nobody`"),
        (&["absent"], "absent"),
        (&["--in-flight", "0"], "1..=256"),
        (&["token", "a b"], "not the name"),
        (&["token", "ci", "--allow", "GET /a/*x"], "whole segment"),
        (&["token", "ci", "--expires", "soon"], "30d"),
        (&["token", "ci", "--output", home.to_str().unwrap()], "failed to create"),
        (&["revoke", "ci"], "no caller `ci`"),
    ] {
        refused(&run(home, &[&["proxy"], args].concat()), word);
    }
    assert_eq!(stdout(&run(home, &["proxy", "callers", "--json"])), "[]\n");
    token(home, "ci", &[]);
    let file = home.join("ci.token");
    let file = file.to_str().unwrap();
    refused(&run(home, &["proxy", "token", "ci", "--output", file]), "already");
    assert!(!Path::new(file).exists(), "nothing is left of a token that there is not");

    let config = |text: &str| std::fs::write(home.join("config.toml"), text).unwrap();
    config("[[proxy.callers]]\nname = 'x'\ntoken_sha256 = '00'\nallow = []\n");
    refused(&run(home, &["proxy", "--config-callers"]), "64 hex digits");
    let digest = "0".repeat(64);
    config(&format!("[[proxy.callers]]\nname='ci'\ntoken_sha256='{digest}'\nallow=[]\n"));
    refused(&run(home, &["proxy", "--config-callers"]), "there already");
    config("[[proxy.callers]]\nname = 'x'\ntoken = 'y'\n");
    refused(&run(home, &["proxy"]), "line");
}

#[test]
fn curl_calls_and_the_secret_key_is_nowhere() {
    use std::os::unix::fs::PermissionsExt;
    let (_served, home, secret) = integrated();
    let home = home.path();
    let ci = token(home, "ci", &[]);
    let file = home.join("narrow.token");
    let narrow_rule = ["--allow", "GET /appsec/v1/applications", "--expires", "12h"];
    token(home, "narrow", &[&narrow_rule[..], &["--output", file.to_str().unwrap()]].concat());
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let narrow = std::fs::read_to_string(&file).unwrap().trim_end().to_owned();

    let proxy = Proxy::start(home, &["demo", "--listen", "127.0.0.1:0", "--allow", "GET /**"]);
    let url = |path: &str| format!("{}{path}", proxy.place);
    let bearer = |token: &str| format!("Authorization: Bearer {token}");
    let applications = url("/appsec/v1/applications?size=2");
    let (ci_header, narrow_header) = (bearer(&ci), bearer(&narrow));
    let ci_basic = format!("x:{ci}");
    let mut seen = Vec::new();
    for (args, status) in [
        (vec![applications.as_str()], "401"),
        (vec!["-H", "Authorization: Bearer csb_x", &applications], "401"),
        (vec!["-u", "ci:wrong", &applications], "401"),
        (vec!["-H", &ci_header, "-H", "Host: evil.example", &applications], "421"),
        (vec!["-H", &ci_header, "-H", "Origin: https://evil.example", &applications], "403"),
        (vec!["-H", &ci_header, "-X", "POST", &applications], "403"),
        (vec!["-H", &ci_header, &url("/api/authn/v2/users/self")], "403"),
        (vec!["-H", &ci_header, "--path-as-is", &url("/appsec/../api/authn/v2/users")], "400"),
        (vec!["-H", &narrow_header, &url("/appsec/v1/policies")], "403"),
        (vec!["-H", &narrow_header, &applications], "200"),
        (vec!["-H", &ci_header, &applications], "200"),
        (vec!["-u", &ci_basic, &applications], "200"),
        (vec!["-I", "-H", &ci_header, &applications], "200"),
        (vec!["-H", &ci_header, &url("/appsec/v1/applications/x")], "400"),
    ] {
        let (got, all) = curl(&args);
        assert_eq!(got, status, "{args:?}\n{all}");
        seen.push(all);
    }
    assert!(seen[10].contains("\"total_elements\":3"), "{}", seen[10]);
    let all = seen.concat();
    for hidden in [&secret, "VERACODE-HMAC"] {
        assert!(!all.contains(hidden), "curl sees it");
    }
    #[cfg(target_os = "linux")]
    for name in ["cmdline", "environ"] {
        let bytes = std::fs::read(format!("/proc/{}/{name}", proxy.child.id())).unwrap();
        assert!(!bytes.is_empty() && !String::from_utf8_lossy(&bytes).contains(&secret));
    }

    assert!(run(home, &["proxy", "revoke", "narrow"]).status.success());
    assert_eq!(curl(&["-H", &narrow_header, &applications]).0, "401", "in the running broker");
    let (code, told) = proxy.end();
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("proxy: http://127.0.0.1:") && told.contains("stopping"), "{told}");

    let log = stdout(&run(home, &["proxy", "log", "--json"]));
    let log: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(log.len(), 15, "{log:?}");
    assert_eq!((&log[10]["caller"], &log[10]["status"]), (&"ci".into(), &200.into()));
    assert_eq!(log[10]["path"], "/appsec/v1/applications");
    assert_eq!(log[7]["refusal"], "bad_target");
    let everything = [
        std::fs::read(home.join("store.sqlite")).unwrap(),
        std::fs::read(home.join("store.sqlite-wal")).unwrap_or_default(),
        told.into_bytes(),
    ]
    .concat();
    let everything = String::from_utf8_lossy(&everything);
    for hidden in [&secret, &ci, &narrow] {
        assert!(!everything.contains(hidden.as_str()), "it is in the store or in the log");
    }
    let callers = stdout(&run(home, &["proxy", "callers"]));
    assert!(callers.contains("\trevoked\t") && callers.contains("\tlive\t20"), "{callers}");
    let log = stdout(&run(home, &["proxy", "log", "--caller", "narrow"]));
    assert!(log.contains("/appsec/v1/policies") && !log.contains("ci "), "{log}");
}

#[test]
fn curl_calls_over_a_socket_with_a_caller_of_the_configuration() {
    let (_served, home, _) = integrated();
    let home = home.path();
    let stored = token(home, "stored", &[]);
    let mut sum =
        Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut sum.stdin.take().unwrap(), b"a token of its own").unwrap();
    let sum = stdout(&sum.wait_with_output().unwrap());
    let digest = sum.split(' ').next().unwrap();
    let config = format!(
        "[[proxy.callers]]\nname = 'written'\ntoken_sha256 = '{digest}'\nallow = ['GET /appsec/**']\n"
    );
    std::fs::write(home.join("config.toml"), config).unwrap();
    let socket = home.join("private").join("signing.sock");
    let socket = socket.to_str().unwrap();
    let place = |proxy: &Proxy| std::fs::canonicalize(&proxy.place).unwrap();
    let ask = |token: &str| {
        let basic = format!("x:{token}");
        let url = "http://localhost/appsec/v1/applications";
        curl(&["--unix-socket", socket, "-u", &basic, url]).0
    };

    let proxy = Proxy::start(home, &["--socket", socket]);
    assert_eq!(place(&proxy), PathBuf::from(socket).canonicalize().unwrap());
    assert_eq!((ask("a token of its own").as_str(), ask(&stored).as_str()), ("401", "200"));
    assert_eq!(proxy.end().0, Some(0));
    assert!(!Path::new(socket).exists());

    let proxy =
        Proxy::start(home, &["--socket", socket, "--config-callers", "--caller", "written"]);
    assert_eq!((ask("a token of its own").as_str(), ask(&stored).as_str()), ("200", "401"));
    // One that is killed leaves its socket, which the next one takes over.
    drop(proxy);
    assert!(Path::new(socket).exists());
    let proxy = Proxy::start(home, &["--socket", socket]);
    assert_eq!(ask(&stored), "200");
    refused(&run(home, &["proxy", "--socket", socket]), "already");
    drop(proxy);
}

#[test]
fn a_service_that_is_away_is_told_apart_from_a_refusal() {
    let (served, home, _) = integrated();
    let home = home.path();
    let ci = token(home, "ci", &[]);
    let proxy = Proxy::start(home, &["--listen", "127.0.0.1:0"]);
    drop(served);
    let basic = format!("ci:{ci}");
    let url = format!("{}/appsec/v1/applications", proxy.place);
    let (status, all) = curl(&["-u", &basic, &url]);
    assert_eq!(status, "502", "{all}");
    assert!(all.contains("x-countersign-error: upstream_failed"), "{all}");
    assert!(all.contains("no connection"), "{all}");
}

/// Every example of the document, in its order, in one shell for each block.
#[test]
fn the_examples_of_the_document_run() {
    let (_served, home, _) = integrated();
    let folder = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_countersign"));
    std::os::unix::fs::symlink(program, folder.path().join("countersign")).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let proxy = Proxy::start(home.path(), &["--listen", "127.0.0.1:0"]);
    let document = include_str!("../../../../docs/reference/proxy.md");
    let blocks: Vec<_> =
        document.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 6);
    for block in blocks {
        let block = block.replace("http://127.0.0.1:8480", &proxy.place);
        let output = Command::new("sh")
            .args(["-eu", "-c", &block])
            .current_dir(folder.path())
            .env("PATH", &path)
            .env("COUNTERSIGN_HOME", home.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{block}\n{}", stderr(&output));
    }
    for file in ["applications.json", "basic.json", "netrc.json"] {
        let text = std::fs::read(folder.path().join(file)).unwrap();
        let object: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(object["page"]["total_elements"], 3, "{file}");
    }
}
