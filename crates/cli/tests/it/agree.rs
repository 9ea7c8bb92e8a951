//! One finding, three doors: the API, the export as OCSF and the command show the same of each.
//! `dashboard::findings` holds each page to the same line, and `dashboard::numbers` the lists to
//! the store's counts.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::program::{Served, countersign, run, stderr, stdout, wait_until};

/// Ended with the test.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn asked(url: &str, token: &str) -> Value {
    let header = format!("authorization: Bearer {token}");
    let output =
        Command::new("curl").args(["-s", "-S", "-g", "-H", &header, url]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What each door is asked to agree on.
#[derive(Debug, PartialEq, Eq)]
struct Facts {
    application: String,
    title: String,
    severity_id: u64,
    is_open: bool,
    cwe: Option<String>,
    file: Option<String>,
}

fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

/// Of an event, whichever version of OCSF it is.
fn of_event(event: &Value) -> (String, Facts) {
    let cwe = ["/cwe", "/cve/related_cwes/0", "/advisory/related_cwes/0"]
        .iter()
        .find_map(|place| text(event, &format!("/vulnerabilities/0{place}/uid")))
        .map(|uid| uid.trim_start_matches("CWE-").to_owned());
    let facts = Facts {
        application: text(event, "/application/uid").unwrap(),
        title: text(event, "/finding_info/title").unwrap(),
        severity_id: event["severity_id"].as_u64().unwrap(),
        is_open: matches!(event["status_id"].as_u64(), Some(1 | 2)),
        cwe,
        file: text(event, "/vulnerabilities/0/affected_code/0/file/path"),
    };
    (text(event, "/finding_info/uid").unwrap(), facts)
}

/// Of a line of `findings --json`.
fn of_line(line: &Value) -> (String, Facts) {
    let severity_id = match line["severity"].as_u64().unwrap() {
        0 => 1,
        1 | 2 => 2,
        level => level,
    };
    let facts = Facts {
        application: text(line, "/application").unwrap(),
        title: text(line, "/title").unwrap(),
        severity_id,
        is_open: line["state"] == "open",
        cwe: line.pointer("/cwe/id").and_then(Value::as_u64).map(|id| id.to_string()),
        file: text(line, "/location/file"),
    };
    (text(line, "/id").unwrap(), facts)
}

#[test]
fn every_door_shows_the_same_of_each_finding() {
    let served = Served::start("apps=6,findings=400,rng=11");
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let (id, secret) = served.mint("reader", &["resultsapi", "noteamrestrictionapi"]);
    assert!(served.add(home, (&id, &secret)).status.success());
    assert!(run(home, &["sync"]).status.success());
    let export = run(home, &["export", "--format", "ocsf"]);
    assert!(export.status.success(), "{}", stderr(&export));
    let lines = |text: String| -> Vec<Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let exported: BTreeMap<_, _> = lines(stdout(&export)).iter().map(of_event).collect();
    let args = ["findings", "--json", "--state", "all", "--limit", "0"];
    let listed: BTreeMap<_, _> = lines(stdout(&run(home, &args))).iter().map(of_line).collect();

    let ready = home.join("serve.json");
    let mut serve = countersign(home);
    serve.args(["serve", "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0", "--ready-file"]);
    let _serving = Serving(serve.arg(&ready).stderr(Stdio::null()).spawn().unwrap());
    wait_until("the API", || ready.exists());
    let told: Value = serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap();
    let api = told["api_url"].as_str().unwrap();
    let made = run(home, &["api", "token", "add", "agree", "--integration", "demo", "--json"]);
    let made: Value = serde_json::from_str(&stdout(&made)).unwrap();
    let token = made["token"].as_str().unwrap();
    let (mut answered, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let page = asked(&format!("{api}/v1/app-sec/findings?limit=77&cursor={cursor}"), token);
        for (uid, facts) in page["result"].as_array().unwrap().iter().map(of_event) {
            if answered.len() % 40 == 0 {
                let path = format!("applications/{}/findings/{uid}", facts.application);
                let one = asked(&format!("{api}/v1/app-sec/{path}"), token);
                assert_eq!(of_event(&one["result"]).1, facts, "{uid}");
            }
            assert!(answered.insert(uid, facts).is_none());
        }
        cursor = page["cursor"].as_str().unwrap().to_owned();
        if cursor.is_empty() {
            break;
        }
    }
    assert!(answered.len() > 300, "{}", answered.len());
    assert_eq!(answered, exported);
    assert_eq!(answered, listed);
}
