//! Deliveries by the real binary: what is refused, what is not sent, and what arrives, once.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::program::{Served, countersign, pause, run, stderr, stdout};
use crate::watch::Receiver;

const KEY: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3";

struct Bench {
    served: Served,
    folder: tempfile::TempDir,
}

impl Bench {
    /// An integration that is synced.
    fn new(seed: &str) -> Self {
        let bench = Self { served: Served::start(seed), folder: tempfile::tempdir().unwrap() };
        let (id, secret) =
            bench.served.mint("reader", &["resultsapi", "mitigationapi", "noteamrestrictionapi"]);
        let added = bench.served.add(&bench.home(), (&id, &secret));
        assert!(added.status.success(), "{}", stderr(&added));
        bench.well(&["sync"]);
        bench
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn config(&self, text: &str) {
        config(&self.home(), text);
    }

    fn run(&self, args: &[&str]) -> Output {
        run(&self.home(), args)
    }

    fn well(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        stdout(&output)
    }

    fn json(&self, args: &[&str]) -> Value {
        let output = self.run(args);
        let text = stdout(&output);
        let parsed = serde_json::from_str(&text);
        parsed.unwrap_or_else(|error| panic!("{args:?}: {error}: {text}{}", stderr(&output)))
    }

    /// So many days pass at the service from today, of which some may have passed before, and
    /// all of it is downloaded.
    fn days(&self, days: &str) -> usize {
        let before = self.json(&["changes", "--since", "1d", "--json", "-n", "1"]);
        let mutated = run(&self.served.platform_home(), &["platform", "mutate", "--days", days]);
        assert!(mutated.status.success(), "{}", stderr(&mutated));
        // What happened has happened; the clocks are one again.
        let back = run(&self.served.platform_home(), &["platform", "clock", "--real"]);
        assert!(back.status.success(), "{}", stderr(&back));
        // So much happens in that time that the brake would hold it back.
        self.well(&["sync", "--full", "--accept-closures"]);
        let seq = before["seq"].as_i64().unwrap().to_string();
        stdout(&self.run(&["changes", "--since", &seq, "--json"])).lines().count()
    }
}

fn config(home: &Path, text: &str) {
    std::fs::create_dir_all(home).unwrap();
    // Nobody waits for a minute of this service.
    let text = format!("{text}\n[client]\nrequests_per_minute = 1000000\n");
    std::fs::write(home.join("config.toml"), text).unwrap();
}

fn secret(home: &Path, name: &str, secret: &str) -> Output {
    let mut child = countersign(home)
        .args(["deliver", "secret", name, "--secret-stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(secret.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn webhook(mode: &str, url: &str) -> String {
    format!(
        "[[destinations]]\nname = \"ops\"\nmode = \"{mode}\"\nallow_http_loopback = true\n\
         allow_networks = [\"127.0.0.1\"]\n[destinations.webhook]\nurl = \"{url}\"\n"
    )
}

#[test]
fn destinations_that_cannot_be_meant_are_refused_with_their_line() {
    let folder = tempfile::tempdir().unwrap();
    let hook = "[destinations.webhook]\nurl = \"https://hooks.example.com\"\n";
    for (text, line, word) in [
        ("[[destinations]]\nname = \"a\"\n".to_owned(), "line 2", "no table"),
        (
            format!(
                "[[destinations]]\nname = \"a\"\n{hook}[destinations.teams]\nevery_hours = 1\n"
            ),
            "line 2",
            "one of the tables",
        ),
        (
            format!("[[destinations]]\nname = \"a\"\n{hook}[[destinations]]\nname = \"a\"\n{hook}"),
            "line 6",
            "two destinations",
        ),
        (
            format!("[[destinations]]\nname = \"a\"\nfilter = \"severety[gte]4\"\n{hook}"),
            "line 3",
            "severety",
        ),
        (format!("[[destinations]]\nname = \"a\"\n{hook}sekret = \"x\"\n"), "line 5", "sekret"),
    ] {
        config(folder.path(), &text);
        for args in [&["deliver", "list"][..], &["config", "check"]] {
            let output = run(folder.path(), args);
            let told = format!("{}{}", stderr(&output), stdout(&output));
            assert_eq!(output.status.code(), Some(2), "{text}: {told}");
            let line = if args[0] == "config" { line.replace("line ", ":") } else { line.into() };
            assert!(told.contains(&line) && told.contains(word), "{args:?} {text}: {told}");
        }
    }
}

#[test]
fn what_is_not_there_and_what_cannot_work_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    config(home, &webhook("live", "http://127.0.0.1:9/hush"));
    for (args, word) in [
        (&["deliver", "run", "opz"][..], "the nearest is `ops`"),
        (&["deliver", "approve", "ops"], "no destination `ops`"),
        (&["deliver", "show", "7"], "no send 7"),
        (&["deliver", "replay", "7"], "no send 7"),
        (&["deliver", "test", "ops"], "countersign --home"),
        (&["deliver", "simulate", "ops"], "`live`"),
        (&["deliver", "secret", "a/b"], "not a name"),
        (&["deliver", "secret", "ops"], "--secret-stdin"),
        (&["deliver", "forget", "ops"], "no destination"),
        (&["deliver", "backfill", "ops", "--filter", "nonsense"], "nonsense"),
    ] {
        let output = run(home, args);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {told}");
        assert!(told.contains(word) && told.contains("hint: "), "{args:?}: {told}");
        assert!(!told.contains("hush"), "{args:?}: {told}");
    }
    // Without its secret nothing is planned, and a timer sees it.
    let output = run(home, &["deliver", "run"]);
    assert_eq!(output.status.code(), Some(6), "{}", stderr(&output));
    assert!(stderr(&output).contains("deliver secret ops"), "{}", stderr(&output));
    // A key that is none is not stored, and not repeated.
    let output = secret(home, "ops", "whsec_c2hvcnQ=");
    assert_eq!(output.status.code(), Some(2));
    assert!(!stderr(&output).contains("c2hv"), "{}", stderr(&output));
    assert!(secret(home, "ops", &format!("{KEY}\n")).status.success());
    let kept = std::fs::read_to_string(home.join("vault.json")).unwrap();
    assert!(kept.contains("destinations/ops") && !kept.contains("MDEyMzQ1"));
    let removed = run(home, &["deliver", "secret", "ops", "--remove"]);
    assert!(removed.status.success(), "{}", stderr(&removed));
    assert_eq!(run(home, &["deliver", "secret", "ops", "--remove"]).status.code(), Some(2));
}

#[test]
fn addresses_of_this_machine_are_refused_unless_they_are_named() {
    let bench = Bench::new("apps=1,findings=3");
    let receiver = Receiver::start();
    bench.config(&webhook("live", &receiver.url).replace("allow_networks", "# "));
    assert!(secret(&bench.home(), "ops", KEY).status.success());
    let output = bench.run(&["deliver", "test", "ops"]);
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    assert!(stderr(&output).contains("allow_networks"), "{}", stderr(&output));
    assert!(receiver.take().is_empty(), "not a byte was sent");
    let doctor = bench.json(&["doctor", "--json"]);
    let subjects: Vec<_> = doctor.as_array().unwrap().iter().map(|one| &one["subject"]).collect();
    assert!(subjects.iter().any(|one| **one == "destination `ops` (webhook)"), "{subjects:?}");
}

fn ids(receiver: &Receiver) -> Vec<String> {
    receiver.take().iter().map(|one| one.header("webhook-id").to_owned()).collect()
}

/// How often a process that delivers is killed.
const KILLS: usize = 8;

#[test]
fn each_change_is_sent_once_and_nothing_of_before() {
    let bench = Bench::new("demo");
    let receiver = Receiver::start();
    bench.config(&webhook("simulate", &receiver.url));
    assert!(secret(&bench.home(), "ops", KEY).status.success());
    // A new destination begins at the end of the feed, and does not send.
    bench.well(&["deliver", "run"]);
    assert!(bench.days("7") > 0);
    bench.well(&["deliver", "run", "--once"]);
    assert!(receiver.take().is_empty());
    let simulated = bench.json(&["deliver", "simulate", "ops", "--json", "-n", "0"]);
    assert!(!simulated.as_array().unwrap().is_empty());
    assert!(simulated[0]["text"].as_str().unwrap().contains("\"type\":\"finding."), "{simulated}");

    bench.config(&webhook("live", &receiver.url));
    bench.well(&["deliver", "run"]);
    assert!(receiver.take().is_empty(), "what was simulated is not sent later");
    bench.days("37");
    // Killed at any moment, and begun again.
    let mut seen = Vec::new();
    for kill in 0..KILLS {
        let mut child = countersign(&bench.home())
            .args(["deliver", "run", "--once"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        pause(Duration::from_millis(20 + 35 * kill as u64));
        let _ = child.kill();
        child.wait().unwrap();
        seen.extend(ids(&receiver));
    }
    let report = bench.json(&["deliver", "run", "--json"]);
    assert_eq!((&report["elsewhere"], &report["waiting"]), (&json!(false), &json!(0)), "{report}");
    seen.extend(ids(&receiver));
    let sends = bench.json(&["deliver", "list", "ops", "--state", "sent", "--json", "-n", "0"]);
    let expected: BTreeSet<_> = sends
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect();
    assert!(expected.len() > 5, "{expected:?}");
    assert_eq!(seen.iter().cloned().collect::<BTreeSet<_>>(), expected, "none is lost");
    let most = seen.iter().map(|id| seen.iter().filter(|other| *other == id).count()).max();
    assert!(most <= Some(1 + KILLS), "what was on its way came once more for each kill at most");
    bench.well(&["deliver", "run"]);
    assert!(receiver.take().is_empty(), "without a change nothing is sent");

    // Paused, no change is lost.
    bench.well(&["deliver", "pause", "ops"]);
    assert_eq!(bench.run(&["deliver", "pause", "ops"]).status.code(), Some(2));
    bench.days("67");
    bench.well(&["deliver", "run"]);
    assert!(receiver.take().is_empty());
    bench.well(&["deliver", "resume", "ops"]);
    bench.well(&["deliver", "run"]);
    assert!(!receiver.take().is_empty());
    let status = bench.json(&["status", "--json"]);
    assert_eq!(status["destinations"][0]["state"], "ok", "{status}");
}

/// Issues of one repository, as much of GitHub as one journey needs.
#[derive(Default)]
struct Issues {
    issues: BTreeMap<u64, Value>,
    comments: Vec<(u64, Value)>,
}

impl Issues {
    fn start() -> (String, Arc<Mutex<Self>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let issues = Arc::<Mutex<Self>>::default();
        let held = Arc::clone(&issues);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let (method, path, body) = asked(&stream);
                let (status, answer) = held.lock().unwrap().answer(&method, &path, &body);
                let text = answer.to_string();
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                     connection: close\r\n\r\n{text}",
                    text.len()
                );
                stream.write_all(head.as_bytes()).unwrap();
            }
        });
        (url, issues)
    }

    fn answer(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let path = path.split('?').next().unwrap();
        let parts: Vec<_> = path.trim_matches('/').split('/').collect();
        match (method, &parts[..]) {
            ("GET", ["user"]) => (200, json!({ "login": "robot" })),
            ("GET", ["repos", _, _]) => (200, json!({ "full_name": "example/shop" })),
            ("GET", [_, _, _, "issues"]) => (200, self.issues.values().cloned().collect()),
            ("POST", [_, _, _, "issues"]) => {
                let number = self.issues.len() as u64 + 1;
                let mut issue = body.clone();
                issue["number"] = number.into();
                issue["state"] = "open".into();
                issue["html_url"] =
                    format!("https://github.com/example/shop/issues/{number}").into();
                issue["user"] = json!({ "login": "robot" });
                issue["created_at"] = "2026-11-24T08:00:00Z".into();
                let names = issue["labels"].as_array().cloned().unwrap_or_default();
                issue["labels"] = names.iter().map(|name| json!({ "name": name })).collect();
                self.issues.insert(number, issue.clone());
                (201, issue)
            }
            ("GET", [_, _, _, "issues", number]) => (200, self.issues[&of(number)].clone()),
            ("PATCH", [_, _, _, "issues", number]) => {
                let issue = self.issues.get_mut(&of(number)).unwrap();
                for (name, value) in body.as_object().unwrap() {
                    issue[name] = value.clone();
                }
                if issue["state"] == "closed" {
                    issue["closed_by"] = json!({ "login": "robot" });
                }
                (200, issue.clone())
            }
            ("GET", [_, _, _, "issues", number, "comments"]) => {
                let of_it = self.comments.iter().filter(|(one, _)| *one == of(number));
                (200, of_it.map(|(_, comment)| comment.clone()).collect())
            }
            ("POST", [_, _, _, "issues", number, "comments"]) => {
                self.comments.push((of(number), body.clone()));
                (201, json!({ "id": self.comments.len(), "body": body["body"] }))
            }
            ("POST", [_, _, _, "issues", _, "labels"]) => (200, json!([])),
            _ => (404, json!({ "message": "Not Found" })),
        }
    }
}

fn of(number: &str) -> u64 {
    number.parse().unwrap()
}

fn asked(stream: &TcpStream) -> (String, String, Value) {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    let mut words = first.split_whitespace();
    let (method, path) =
        (words.next().unwrap_or("").to_owned(), words.next().unwrap_or("/").to_owned());
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (method, path, serde_json::from_slice(&body).unwrap_or_default())
}

#[test]
fn a_ticket_is_made_when_it_is_approved_and_closed_when_its_finding_is() {
    let bench = Bench::new("apps=1,findings=3");
    let (url, issues) = Issues::start();
    bench.config(&format!(
        "[[destinations]]\nname = \"shop\"\nmode = \"live\"\nallow_http_loopback = true\n\
         allow_networks = [\"127.0.0.1\"]\ngroup_by = \"finding\"\n\
         [destinations.github_issues]\nrepository = \"example/shop\"\napi_url = \"{url}\"\n"
    ));
    assert!(secret(&bench.home(), "shop", "github_pat_1").status.success());
    bench.well(&["deliver", "test", "shop"]);
    bench.well(&["deliver", "run"]);
    assert!(issues.lock().unwrap().issues.is_empty(), "what was there before is not delivered");

    let open = stdout(&bench.run(&["findings", "--json", "--state", "open"]));
    let open = open.lines().count();
    assert!(open > 0);
    bench.well(&["deliver", "backfill", "shop"]);
    let held = bench.run(&["deliver", "list", "--json"]);
    assert_eq!(held.status.code(), Some(6), "something waits for a person");
    let held: Value = serde_json::from_slice(&held.stdout).unwrap();
    assert_eq!((&held[0]["state"], &held[0]["held"]), (&json!("held"), &json!(open)), "{held}");
    assert_eq!(bench.run(&["deliver", "run"]).status.code(), Some(6));
    assert!(issues.lock().unwrap().issues.is_empty(), "held is not sent");
    assert_eq!(bench.run(&["status"]).status.code(), Some(6));

    bench.well(&["deliver", "approve", "shop"]);
    let report = bench.json(&["deliver", "run", "--json"]);
    assert_eq!(report["created"], open, "{report}");
    assert_eq!(issues.lock().unwrap().issues.len(), open);
    let links = bench.json(&["deliver", "links", "shop", "--json"]);
    assert_eq!(links.as_array().unwrap().len(), open);
    let sends = bench.json(&["deliver", "list", "shop", "--state", "sent", "--json"]);
    let number = sends[0]["number"].to_string();
    let shown = bench.well(&["deliver", "show", &number]);
    assert!(shown.contains("create") && shown.contains("sent"), "{shown}");
    bench.well(&["deliver", "backfill", "shop"]);
    bench.well(&["deliver", "run"]);
    assert_eq!(issues.lock().unwrap().issues.len(), open, "no ticket is made twice");

    // Somebody decides that one of them is none.
    let open = stdout(&bench.run(&["findings", "--json", "--state", "open"]));
    let mut lines = open.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let flaw = lines.find(|line| line["scan_type"] == "STATIC").unwrap();
    let issue = flaw["key"].as_str().unwrap().trim_start_matches("flaw:").to_owned();
    let path =
        format!("/appsec/v2/applications/{}/annotations", flaw["application"].as_str().unwrap());
    for action in ["FP", "ACCEPTED"] {
        let file = bench.folder.path().join("annotation.json");
        let body = json!({"issue_list": issue, "comment": "Not reached.", "action": action});
        std::fs::write(&file, body.to_string()).unwrap();
        bench.well(&["http", "POST", &path, "--body", file.to_str().unwrap()]);
    }
    bench.well(&["sync", "--full"]);
    bench.well(&["deliver", "run"]);
    let issues = issues.lock().unwrap();
    let closed: Vec<_> = issues.issues.values().filter(|one| one["state"] == "closed").collect();
    assert_eq!(closed.len(), 1, "{closed:?}");
    assert_eq!(closed[0]["state_reason"], "not_planned", "{closed:?}");
    assert!(
        issues
            .comments
            .iter()
            .any(|(_, comment)| comment["body"].to_string().contains("Not reached"))
    );
}
