//! A sync that is stopped, and one whose service does not answer.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::program::{Served, countersign, run, stderr, stdout, wait_until};

const READER: &[&str] = &["resultsapi", "noteamrestrictionapi"];

/// Of a debug build on a busy machine; with retries it would take minutes.
const SOON: Duration = Duration::from_secs(20);

#[test]
fn what_was_read_before_ctrl_c_is_kept_and_the_next_run_continues() {
    let served = Served::start("apps=30,findings=300");
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let (id, secret) = served.mint("reader", READER);
    assert!(served.add(home, (&id, &secret)).status.success());
    let configure = |text: &str| std::fs::write(home.join("config.toml"), text).unwrap();
    // Enough for a few applications, and then a minute's wait.
    configure("[client]\nrequests_per_minute = 40\n");
    let mut command = countersign(home);
    let command = command.args(["sync", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let database = rusqlite::Connection::open(home.join("store.sqlite")).unwrap();
    let read = || -> u64 {
        let counted = "select count(*) from applications where read_ms is not null";
        database.query_row(counted, [], |row| row.get(0)).unwrap()
    };
    wait_until("some applications", || read() >= 3);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(6), "{told}");
    let kept = read();
    assert!(kept < 30, "{kept}");
    let said = told.lines().find_map(|line| line.strip_prefix("stopped: "));
    let said =
        said.and_then(|line| line.strip_suffix(" of 30 applications were read and are kept"));
    let said: u64 = said.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{told}"));
    // What was being written when it was stopped may have come after it was counted.
    assert!((3..=kept).contains(&said), "{said} of {kept}");
    let again = format!("hint: `countersign --home {} sync demo` continues", home.display());
    assert!(told.contains(&again), "{told}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (report["complete"].as_bool(), report["findings"]["closed"].as_u64()),
        (Some(false), Some(0))
    );

    configure("");
    let output = run(home, &["sync", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["complete"], true, "{}", stderr(&output));
    assert_eq!((report["applications"]["skipped"].as_u64(), read()), (Some(kept), 30));
}

/// What is complete is being written, and somebody else has the store.
#[test]
fn the_second_ctrl_c_waits_for_nothing() {
    let served = Served::start("apps=30,findings=300");
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let (id, secret) = served.mint("reader", READER);
    assert!(served.add(home, (&id, &secret)).status.success());
    std::fs::write(home.join("config.toml"), "[client]\nrequests_per_minute = 40\n").unwrap();
    let mut command = countersign(home);
    let mut child = command.args(["sync"]).stderr(Stdio::piped()).spawn().unwrap();
    let database = rusqlite::Connection::open(home.join("store.sqlite")).unwrap();
    let counted = "select count(*) from applications where read_ms is not null";
    wait_until("an application", || {
        database.query_row(counted, [], |row| row.get::<_, u64>(0)).unwrap() > 0
    });
    database.execute_batch("begin immediate").unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("once more ends it at once")));
    let mut status = None;
    wait_until("its end", || {
        status = child.try_wait().unwrap();
        if status.is_none() {
            kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        }
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(130));
    database.execute_batch("rollback").unwrap();
    assert!(run(home, &["store", "check"]).status.success());
}

#[test]
fn who_does_not_answer_is_named_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let url = {
        let served = Served::start("empty");
        let (id, secret) = served.mint("reader", READER);
        assert!(served.add(home, (&id, &secret)).status.success());
        assert!(served.add_as("twin", home, (&id, &secret)).status.success());
        served.url.clone()
    };
    // It takes connections, and says nothing.
    let silent = TcpListener::bind(url.trim_start_matches("https://")).unwrap();
    for args in [
        &["sync"][..],
        &["integration", "check", "demo"],
        &["doctor"],
        &["http", "GET", "/", "--integration", "demo"],
    ] {
        let begun = Instant::now();
        let output = run(home, args);
        let told = format!("{}{}", stdout(&output), stderr(&output));
        assert_eq!(output.status.code(), Some(5), "{args:?}: {told}");
        let words = format!("nobody answers at {url}: no connection within 2 s");
        assert!(told.contains(&words) && told.contains("start the platform again"), "{told}");
        assert!(!told.contains("tries"), "{told}");
        assert!(begun.elapsed() < SOON, "{args:?}: {:?}", begun.elapsed());
    }
    drop(silent);
}
