//! A service whose every text and header is hostile: nothing of it reaches a terminal,
//! a pipe, a log, a feed, a mail or a webhook as it came.

#![cfg(target_os = "linux")]

mod mails;
pub(crate) mod screen;
mod service;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::hygiene::life::Receiver;
use crate::program::{Served, countersign, run, stderr, stdout};
use mails::Mails;
use screen::{Harms, Kind, Place, on_a_terminal};
use service::{FAILURES, Service};

const ID: &str = "0123456789abcdef0123456789abcdef";
const SECRET: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\
    00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// An integration with the service while it behaves.
struct Scene {
    service: Service,
    folder: tempfile::TempDir,
    hook: Receiver,
    mails: Mails,
    harms: Harms,
}

impl Scene {
    fn set() -> Self {
        let scene = Self {
            service: Service::start(),
            folder: tempfile::tempdir().unwrap(),
            hook: Receiver::start(),
            mails: Mails::start(),
            harms: Harms::default(),
        };
        let at = |name: &str| scene.folder.path().join(name);
        std::fs::write(at("hook.secret"), "what both ends of it know\n").unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(at("hook.secret"), private).unwrap();
        std::fs::create_dir(scene.home()).unwrap();
        let config = format!(
            "[client]\nretry_budget_seconds = 1\n\
             [watch]\ncalendar = {:?}\nmetrics = {:?}\nsnapshot = {:?}\n\
             [[watch.webhooks]]\nname = \"ops\"\nurl = {:?}\nsecret_file = {:?}\nallow_http_loopback = true\n\
             [[watch.mails]]\nname = \"people\"\nserver = {:?}\nfrom = \"watch@example.com\"\nto = [\"ops@example.com\"]\n",
            at("feed.ics"),
            at("feed.prom"),
            at("feed.json"),
            scene.hook.url,
            at("hook.secret"),
            scene.mails.url,
        );
        std::fs::write(scene.home().join("config.toml"), config).unwrap();
        let added = scene.add("prod");
        assert!(added.status.success(), "{}", stderr(&added));
        scene.harmless("integration add", &added, Kind::Text);
        scene
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn add(&self, name: &str) -> Output {
        add(&self.home(), name, &self.service.url)
    }

    fn harmless(&self, what: &str, output: &Output, kind: Kind) {
        self.harms.look(&format!("stdout of {what}"), &output.stdout, kind);
        self.harms.look(&format!("stderr of {what}"), &output.stderr, Kind::Text);
    }

    /// Runs it with its output in pipes, however it ends.
    fn piped(&self, args: &[&str], kind: Kind) -> Output {
        let output = run(&self.home(), args);
        self.harmless(&format!("{args:?}"), &output, kind);
        output
    }

    /// Runs it on a terminal.
    fn shown(&self, args: &[&str], kind: Kind) -> String {
        let mut command = countersign(&self.home());
        command.args(args);
        let shown = on_a_terminal(&mut command);
        self.harms.look_at(Place::Terminal, &format!("{args:?}"), &shown, kind);
        String::from_utf8_lossy(&shown).into_owned()
    }

    fn findings(&self) -> Vec<Value> {
        let output = self.piped(&["findings", "--json"], Kind::Data);
        let findings = stdout(&output);
        findings.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn add(home: &Path, name: &str, url: &str) -> Output {
    let mut command = countersign(home);
    command.args(["integration", "add", name, "--client-id", ID, "--client-secret-stdin"]);
    command.args(["--url", url, "--allow-http-loopback"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), SECRET.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// Commands that ask the service, and what they print on standard output.
const ASKING: &[(&[&str], Kind)] = &[
    (&["sync", "--full"], Kind::Text),
    (&["sync", "--full", "--json"], Kind::Data),
    (&["integration", "check"], Kind::Text),
    (&["integration", "check", "--json"], Kind::Data),
    (&["doctor"], Kind::Text),
    (&["doctor", "--json"], Kind::Data),
    (&["credentials", "list", "--refresh"], Kind::Table),
    (&["credentials", "rotate", "prod", "--check"], Kind::Text),
    (&["credentials", "watch", "--once"], Kind::Text),
];

/// Commands about what is stored.
const OFFLINE: &[(&[&str], Kind)] = &[
    (&["applications"], Kind::Table),
    (&["applications", "--json"], Kind::Data),
    (&["findings", "--limit", "0"], Kind::Table),
    (&["findings", "--state", "all", "--columns", "all"], Kind::Table),
    (&["findings", "--sort", "place:desc"], Kind::Table),
    (&["findings", "--facet", "application_name"], Kind::Table),
    (&["findings", "--facet", "application_name", "--json"], Kind::Data),
    (&["findings", "--facet", "cwe"], Kind::Table),
    (&["findings", "--facet", "file"], Kind::Table),
    (&["findings", "--facet", "component"], Kind::Table),
    (&["applications", "--columns", "all"], Kind::Table),
    (&["changes"], Kind::Table),
    (&["changes", "--columns", "all"], Kind::Table),
    (&["credentials", "list", "--columns", "all"], Kind::Table),
    (&["changes", "--json"], Kind::Data),
    (&["integration", "list"], Kind::Table),
    (&["integration", "list", "--json"], Kind::Data),
    (&["integration", "show"], Kind::Text),
    (&["credentials", "list"], Kind::Table),
    (&["credentials", "list", "--json"], Kind::Data),
    (&["credentials", "calendar"], Kind::Calendar),
    (&["credentials", "metrics"], Kind::Text),
    (&["credentials", "log"], Kind::Table),
    (&["credentials", "consumers"], Kind::Table),
    (&["schedule", "list"], Kind::Table),
    (&["export", "--format", "ndjson"], Kind::Data),
    (&["export", "--format", "ocsf", "--raw"], Kind::Data),
    (&["export", "--format", "ocsf-applications"], Kind::Data),
    (&["export", "--format", "sarif"], Kind::Data),
    (&["export", "--format", "cyclonedx"], Kind::Data),
    (&["export", "--format", "gitlab-sast"], Kind::Data),
    (&["export", "--format", "gitlab-dast"], Kind::Data),
    (&["export", "--format", "gitlab-dependency-scanning"], Kind::Data),
    (&["export", "--format", "defectdojo"], Kind::Data),
    (&["export", "--format", "html"], Kind::Page),
];

#[test]
fn nothing_that_is_stored_comes_out_raw() {
    let scene = Scene::set();
    for (args, kind) in ASKING {
        scene.piped(args, *kind);
    }
    let synced = scene.piped(&["sync", "--full", "--log", "trace"], Kind::Text);
    assert!(stderr(&synced).contains("problem: "), "what cannot be read is told");
    let doctor = scene.piped(&["doctor"], Kind::Text);
    assert!(stdout(&doctor).contains("unknown scan type `FUZZ <U+001B>]0;EVIL<U+0007>"));
    for (args, kind) in OFFLINE {
        let output = scene.piped(args, *kind);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    }
    let findings = scene.findings();
    assert_eq!(findings.len(), 8, "every scan type, in the policy context and in a sandbox");
    for finding in &findings {
        let id = finding["id"].as_str().unwrap();
        let title = finding["title"].as_str().unwrap();
        assert!(title.contains('\u{202e}') && title.contains('\u{1b}'), "the value is whole");
        scene.piped(&["finding", id], Kind::Text);
        scene.piped(&["finding", id, "--json"], Kind::Data);
        scene.piped(&["finding", id, "--raw"], Kind::Data);
        scene.piped(&["finding", id, "--paths"], Kind::Text);
        let shown = scene.shown(&["finding", id], Kind::Text);
        assert!(shown.contains("<U+202E>"), "{shown}");
    }
    for (args, kind) in ASKING.iter().chain(OFFLINE) {
        scene.shown(args, *kind);
    }
    for format in ["csv", "parquet"] {
        scene.shown(&["export", "--format", format], Kind::Data);
    }
    // Asked for byte for byte: a terminal gets it as text all the same.
    scene.shown(&["http", "GET", "/appsec/v1/applications", "--verbose"], Kind::Text);
    let asked = run(&scene.home(), &["http", "GET", "/appsec/v1/applications", "--verbose"]);
    scene.harms.look("stderr of http", &asked.stderr, Kind::Text);
    assert!(asked.stdout.windows(3).any(|three| three == "\u{202e}".as_bytes()), "data is data");
    scene.harms.assert_none();
}

#[test]
fn whoever_is_told_of_a_credential_gets_it_marked() {
    let scene = Scene::set();
    scene.piped(&["sync"], Kind::Text);
    let soon = Command::new("date").args(["-u", "-d", "+5 days", "+%FT%T.000Z"]).output().unwrap();
    scene.service.expire(stdout(&soon).trim());
    scene.hook.take();
    let watched = scene.piped(&["credentials", "watch", "--once"], Kind::Text);
    assert!(stdout(&watched).contains("expires in"), "{watched:?}");
    for (name, kind) in
        [("feed.ics", Kind::Calendar), ("feed.prom", Kind::Text), ("feed.json", Kind::Data)]
    {
        let feed = std::fs::read(scene.folder.path().join(name)).unwrap();
        scene.harms.look(name, &feed, kind);
        if name == "feed.json" {
            let feed: Value = serde_json::from_slice(&feed).unwrap();
            assert!(feed.to_string().contains('\u{202e}'), "the value is whole");
        }
    }
    let requests = scene.hook.take();
    assert!(!requests.is_empty());
    for request in requests {
        scene.harms.look("webhook", &request, Kind::Data);
    }
    let mails = scene.mails.take();
    assert!(!mails.is_empty());
    for mail in mails {
        assert!(mail.contains("<U+202E>") && mail.contains("<U+001B>"), "{mail}");
        scene.harms.look("mail", mail.as_bytes(), Kind::Calendar);
    }
    scene.harms.assert_none();
}

#[test]
fn no_failure_comes_out_raw() {
    let scene = Scene::set();
    scene.piped(&["sync"], Kind::Text);
    let id = scene.findings()[0]["id"].as_str().unwrap().to_owned();
    for (name, failure) in FAILURES {
        scene.service.fail(*failure);
        for args in [
            &["sync", "--full"][..],
            &["sync", "--full", "--json", "--log", "trace"],
            &["doctor"],
            &["finding", &id, "--paths"],
            &["http", "GET", "/appsec/v1/applications", "--verbose"],
        ] {
            let kind = if args.contains(&"--json") { Kind::Data } else { Kind::Text };
            let output = match args[0] {
                "http" => run(&scene.home(), args),
                _ => scene.piped(args, kind),
            };
            scene.harms.look(&format!("stderr of {name}: {args:?}"), &output.stderr, Kind::Text);
            // An answer is an answer to whom asks for it byte for byte.
            assert!(!output.status.success() || args[0] == "http", "{name}: {args:?}");
        }
        scene.harmless(name, &scene.add("other"), Kind::Text);
        scene.shown(&["sync", "--full"], Kind::Text);
    }
    scene.shown(&["doctor"], Kind::Text);
    for (args, kind) in [
        (&["credentials", "list", "--refresh"][..], Kind::Table),
        (&["credentials", "watch", "--once"], Kind::Text),
        (&["credentials", "rotate", "prod"], Kind::Text),
        (&["applications"], Kind::Table),
        (&["integration", "show"], Kind::Text),
        (&["schedule", "list"], Kind::Table),
        (&["credentials", "log"], Kind::Table),
    ] {
        scene.piped(args, kind);
    }
    scene.harms.assert_none();
}

#[test]
fn what_stands_in_between_is_marked() {
    let service = Service::start();
    service.fail(FAILURES[0].1);
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let harms = Harms::default();
    let check = |what: &str, output: &Output| {
        assert!(!output.status.success(), "{what}");
        harms.look(what, &output.stdout, Kind::Text);
        harms.look(what, &output.stderr, Kind::Text);
    };
    // No TLS is spoken there.
    let tls = service.url.replace("http://", "https://");
    check("no TLS", &add(home, "tls", &tls));
    // A proxy, which answers what it likes.
    std::fs::write(
        home.join("config.toml"),
        format!("[client]\nretry_budget_seconds = 1\nproxy = {:?}\n", service.url),
    )
    .unwrap();
    for (name, failure) in FAILURES {
        service.fail(*failure);
        check(name, &add(home, "proxied", "https://api.example.com"));
    }
    // A program that keeps the vault.
    let program = folder.path().join("vault");
    std::fs::write(&program, "#!/bin/sh\nprintf '\\033]0;EVIL\\007\\302\\2331m\\342\\200\\256\\rFORGED\\n' >&2\nexit 3\n")
        .unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .unwrap();
    let config =
        format!("[vault]\nbackend = \"command\"\n[vault.command]\nprogram = {program:?}\n");
    std::fs::write(home.join("config.toml"), config).unwrap();
    check("a program", &run(home, &["vault", "check"]));
    harms.assert_none();
}

/// The other end of the wire: what is entered by REST, and who asks for it.
#[test]
fn the_platform_logs_and_tells_it_marked() {
    let folder = tempfile::tempdir().unwrap();
    let (home, log) = (folder.path().join("home"), folder.path().join("log"));
    let file = std::fs::File::create(&log).unwrap();
    let served = Served::start_by("empty", |command| {
        command.args(["--listen", "127.0.0.1:0", "--log", "trace"]).stderr(file);
    });
    let (id, secret) = served.mint("head", &["adminapi", "resultsapi", "noteamrestrictionapi"]);
    let added = served.add(&home, (&id, &secret));
    assert!(added.status.success(), "{}", stderr(&added));
    let body = folder.path().join("body.json");
    let nasty = service::nasty("first");
    let user = serde_json::json!({"user_name": "odd@example.com", "first_name": nasty,
        "last_name": nasty, "email_address": "odd@example.com",
        "roles": [{"role_name": "extreviewer"}]});
    std::fs::write(&body, user.to_string()).unwrap();
    let body = body.to_str().unwrap();
    let harms = Harms::default();
    let query = "/appsec/v1/applications?name=%1B%5D0;EVIL%07%E2%80%AE%0AFORGED";
    for args in [
        &["http", "POST", "/api/authn/v2/users", "--body", body][..],
        &["http", "GET", "/api/authn/v2/users?detailed=true"],
        &["http", "GET", query],
    ] {
        let output = run(&home, args);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    }
    // A head as nobody sends it who means well.
    let agent = "user-agent: \u{202e}\u{9b}31m\u{200b}";
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--cacert"]).arg(&served.ca_file).args(["-H", agent]);
    curl.args(["-H", "authorization: \u{202e}x"]).arg(format!("{}{query}", served.url));
    assert!(curl.output().unwrap().status.success());
    for (args, kind) in [
        (&["platform", "requests"][..], Kind::Table),
        (&["platform", "requests", "--json"], Kind::Data),
        (&["platform", "outbox"], Kind::Table),
        (&["platform", "outbox", "--json"], Kind::Data),
        (&["platform", "audit"], Kind::Text),
    ] {
        let home = served.platform_home();
        let output = run(&home, args);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        harms.look(&format!("stdout of {args:?}"), &output.stdout, kind);
        harms.look(&format!("stderr of {args:?}"), &output.stderr, Kind::Text);
        let mut command = countersign(&home);
        let shown = on_a_terminal(command.args(args));
        harms.look_at(Place::Terminal, &format!("{args:?}"), &shown, kind);
    }
    let log = std::fs::read(&log).unwrap();
    assert!(log.len() > 10_000, "it is talkative");
    harms.look("the log", &log, Kind::Text);
    let ready = std::fs::read(served.home.path().join("ready.json")).unwrap();
    harms.look("the ready file", &ready, Kind::Data);
    harms.assert_none();
}

/// Whoever types is trusted, but not whoever made them paste.
#[test]
fn arguments_come_back_marked() {
    let folder = tempfile::tempdir().unwrap();
    let nasty = "x\u{1b}]0;EVIL\u{7}\u{202e}\nFORGED";
    for args in [
        &["integration", "show", nasty][..],
        &["findings", "--filter", nasty],
        &[nasty],
        &["--log", nasty, "applications"],
        &["credentials", "import", "x", "--file", nasty],
    ] {
        let output = run(folder.path(), args);
        for stream in [&output.stdout, &output.stderr] {
            let text = String::from_utf8_lossy(stream);
            assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{args:?}: {text:?}");
        }
    }
}
