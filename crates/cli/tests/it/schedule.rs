//! `schedule`, and `serve` that follows it, by the real binary.

#![cfg(unix)]

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::program::{Served, countersign, run, stderr, stdout, wait_until};

const READER: &[&str] = &["resultsapi", "noteamrestrictionapi"];
const FINDINGS: usize = 240;

/// A platform, and an integration with it that is synced by this plan.
fn planned(plan: &str) -> (Served, tempfile::TempDir) {
    let served = Served::start(&format!("apps=6,findings={FINDINGS}"));
    let home = tempfile::tempdir().unwrap();
    let (id, secret) = served.mint("ci", READER);
    let added = served.add_as("prod", home.path(), (&id, &secret));
    assert!(added.status.success(), "{}", stderr(&added));
    std::fs::write(home.path().join("config.toml"), plan).unwrap();
    (served, home)
}

/// `serve` as a process of its own; killed on drop.
struct Serving(Child);

impl Serving {
    fn start(home: &Path) -> Self {
        let ready = home.join("serve.json");
        let _ = std::fs::remove_file(&ready);
        let mut command = countersign(home);
        command.args(["serve", "--listen", "127.0.0.1:0", "--ready-file"]).arg(&ready);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until("serve", || ready.exists());
        Self(child)
    }

    /// As a service manager does it.
    fn end(mut self) -> Option<i32> {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.0.wait().unwrap().code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn schedule(home: &Path, args: &[&str]) -> Output {
    run(home, &[&["schedule"], args].concat())
}

fn listed(home: &Path) -> Value {
    let output = schedule(home, &["list", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_str::<Value>(&stdout(&output)).unwrap()[0].clone()
}

fn runs(home: &Path) -> Vec<(String, Option<bool>)> {
    let store = rusqlite::Connection::open(home.join("store.sqlite")).unwrap();
    let mut statement = store.prepare("select kind, complete from runs order by id").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn stored(home: &Path) -> usize {
    stdout(&run(home, &["findings", "--json", "--limit", "0"])).lines().count()
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let (_served, home) = planned("[schedule]\nperiot = \"6h\"\n");
    let home = home.path();
    for (plan, args, word) in [
        ("[schedule]\nperiot = \"6h\"\n", &["list"][..], "periot"),
        ("[schedule]\nzone = \"Mars/Olympus\"\n", &["list"], "IANA"),
        ("[schedule.prod]\npaused = true\n", &["resume", "prod"], "config.toml pauses"),
        ("", &["pause", "other"], "no integration `other`"),
        ("", &["run", "other"], "no integration `other`"),
    ] {
        std::fs::write(home.join("config.toml"), plan).unwrap();
        let output = schedule(home, args);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(word), "{word}: {}", stderr(&output));
    }
    std::fs::write(home.join("config.toml"), "[schedule.prood]\nperiod = \"1h\"\n").unwrap();
    let output = schedule(home, &["list"]);
    assert!(output.status.success() && stderr(&output).contains("`prood`"), "{}", stderr(&output));
}

#[test]
fn serve_follows_the_plan_and_ends_in_the_middle_of_a_run() {
    let (served, home) = planned("[schedule]\nperiod = \"1s\"\njitter = \"off\"\n");
    let home = home.path();
    let serving = Serving::start(home);
    wait_until("three runs", || runs(home).iter().filter(|run| run.1 == Some(true)).count() >= 3);
    assert_eq!(runs(home)[0].0, "full");
    assert_eq!(runs(home)[1].0, "incremental");
    assert_eq!(stored(home), FINDINGS);

    // From the second application on the platform takes its time.
    let file = home.join("faults.json");
    let slow = json!({"kind": "delay", "ms": 300_000, "to_ms": 300_000});
    let middle: Vec<u64> = (4..100).collect();
    let rule = json!({"name": "slow", "match": {"path": "*/findings", "nth": middle}, "act": slow});
    std::fs::write(&file, json!({"rules": [rule]}).to_string()).unwrap();
    let set =
        run(&served.platform_home(), &["platform", "faults", "--plan", file.to_str().unwrap()]);
    assert!(set.status.success(), "{}", stderr(&set));
    // Everything is read again: otherwise there is nothing to be slow at.
    let store = rusqlite::Connection::open(home.join("store.sqlite")).unwrap();
    store.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    store.execute_batch("update schedules set full_ms = null").unwrap();
    let is_under_way = || runs(home)[1..].iter().any(|run| run == &("full".into(), None));
    wait_until("a run under way", is_under_way);
    assert!(schedule(home, &["pause", "prod"]).status.success());
    let count = runs(home).len();
    let held_up = run(home, &["sync", "prod"]);
    assert_eq!(held_up.status.code(), Some(7), "{}", stderr(&held_up));

    assert_eq!(serving.end(), Some(0));
    assert_eq!(runs(home).len(), count);
    assert_eq!(runs(home).last().unwrap(), &("full".into(), Some(false)));
    let row = listed(home);
    assert_eq!((&row["fault"], &row["failures"]), (&json!("incomplete"), &json!(1)));
    assert!(row["problem"].as_str().unwrap().contains("stopped before its end"));
    assert_eq!(stored(home), FINDINGS, "nothing is lost");
    let changes = stdout(&run(home, &["changes", "--json", "--limit", "0"]));
    assert!(!changes.contains("\"closed\""), "{changes}");

    let cleared = run(&served.platform_home(), &["platform", "faults", "--clear"]);
    assert!(cleared.status.success());
    let serving = Serving::start(home);
    assert!(listed(home)["paused"] == true && listed(home)["next_at"].is_null());
    assert!(schedule(home, &["run", "prod"]).status.success());
    wait_until("a run that is well", || listed(home)["problem"].is_null());
    assert_eq!(runs(home).len(), count + 1, "by hand, and no other");
    assert!(schedule(home, &["resume", "prod"]).status.success());
    wait_until("the plan", || runs(home).len() > count + 1);
    assert_eq!(serving.end(), Some(0));
}
