use std::path::Path;

use serde_json::Value;

use crate::program::{Served, run, stderr, stdout};

const READER: &[&str] = &["resultsapi", "noteamrestrictionapi"];

fn assert_exit(output: &std::process::Output, code: i32, word: &str) {
    let told = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(told.contains(word), "`{word}` is not in: {told}");
}

fn impatient(home: &Path) {
    std::fs::create_dir_all(home).unwrap();
    std::fs::write(home.join("config.toml"), "[client]\nretry_budget_seconds = 1\n").unwrap();
}

#[test]
fn usage_and_configuration_are_2() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    assert_exit(&run(home, &["no-such-command"]), 2, "no-such-command");
    assert_exit(&run(home, &["findings", "--filter", "sevrity[eq]4"]), 2, "severity");
    assert_exit(&run(home, &["quickstart", "--browser", "--once"]), 2, "cannot be used with");
    assert_exit(&run(home, &["sync"]), 2, "no integration yet");
    assert_exit(&run(home, &["sync", "absent"]), 2, "absent");
    assert_exit(&run(home, &["finding", "zz"]), 2, "not the id");
    assert_exit(&run(home, &["platform", "serve", "--seed", "lots"]), 2, "lots");
    assert_exit(
        &run(home, &["platform", "mint", "--user", "x", "--role", "resultapi"]),
        2,
        "resultsapi",
    );
    std::fs::write(home.join("config.toml"), "[sync]\nparalel = 1\n").unwrap();
    assert_exit(&run(home, &["findings"]), 2, "paralel");
}

#[test]
fn a_broken_store_is_7() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("store.sqlite"), "this is no database at all").unwrap();
    assert_exit(&run(folder.path(), &["findings"]), 7, "store.sqlite");
}

#[test]
fn a_refused_pair_is_3_a_missing_role_is_4_and_neither_is_kept() {
    let served = Served::start("empty");
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let (id, secret) = served.mint("reader", READER);
    let (_, other) = served.mint("other", READER);
    assert_exit(&served.add(home, (&id, &other)), 3, "not authenticated");
    assert_exit(&served.add(home, (&id, "00")), 2, "2 hex digits");
    let eu = format!("vera01ei-{id}");
    let wrong_region = run(
        home,
        &["integration", "add", "x", "--client-id", &eu, "--url", "https://api.veracode.com"],
    );
    assert_exit(&wrong_region, 2, "Client Secret is missing");

    let seeded = Served::start("apps=1,findings=3");
    let (id, weak) =
        seeded.mint("uploader", &["uploadapi", "apisubmitanyscan", "noteamrestrictionapi"]);
    assert_exit(&seeded.add(home, (&id, &weak)), 4, "Results API");
    assert_eq!(stdout(&run(home, &["integration", "list", "--json"])).trim(), "[]");
    assert_eq!(stdout(&run(home, &["credentials", "list", "--json"])).trim(), "[]");
    drop(secret);
}

/// The pair stops working between two runs: nothing is closed, and the store
/// stays as it was.
#[test]
fn a_401_later_closes_nothing() {
    let served = Served::start("apps=4,findings=200");
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let (id, secret) = served.mint("reader", READER);
    assert!(served.add(home, (&id, &secret)).status.success());
    let first = run(home, &["sync", "--json"]);
    let report: Value = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!(
        (report["findings"]["new"].as_u64(), report["complete"].as_bool()),
        (Some(200), Some(true))
    );

    served.database().execute("update users set active = 0", []).unwrap();
    let second = run(home, &["sync", "--full", "--json"]);
    assert_exit(&second, 3, "not authenticated");
    let report: Value = serde_json::from_slice(&second.stdout).unwrap();
    assert_eq!(report["complete"], false);
    assert_eq!(
        (report["findings"]["closed"].as_u64(), report["findings"]["total"].as_u64()),
        (Some(0), Some(200))
    );
    assert_eq!(stdout(&run(home, &["changes", "--json"])).lines().count(), 200);
}

#[test]
fn nobody_there_is_5() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    impatient(home);
    let (id, secret) = {
        let served = Served::start("apps=1,findings=1");
        let pair = served.mint("reader", READER);
        assert!(served.add(home, (&pair.0, &pair.1)).status.success());
        pair
    };
    assert_exit(&run(home, &["sync"]), 5, "no connection");
    assert!(!id.is_empty() && !secret.is_empty());
}

/// What changed on the platform shows up, and only that is written.
#[test]
fn a_second_run_writes_what_changed() {
    let served = Served::start("apps=3,findings=60");
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let (id, secret) = served.mint("reader", READER);
    assert!(served.add(home, (&id, &secret)).status.success());
    let sync = |args: &[&str]| -> Value {
        let output = run(home, args);
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    sync(&["sync", "--json"]);
    let idle = sync(&["sync", "--json"]);
    assert_eq!((idle["rows_written"].as_u64(), idle["requests"].as_u64()), (Some(0), Some(1)));
    assert_eq!(idle["applications"]["unchanged"], 3);

    let database = served.database();
    database
        .execute_batch(
            "update findings set status = 'CLOSED', resolution = 'UNRESOLVED', resolution_status = 'NONE'
               where id = (select min(id) from findings where status = 'OPEN' and resolution = 'UNRESOLVED');
             delete from findings where id = (select max(id) from findings where status = 'OPEN' and resolution = 'UNRESOLVED');
             update applications set modified_ms = modified_ms + 1000;",
        )
        .unwrap();
    let third = sync(&["sync", "--json"]);
    let findings = &third["findings"];
    assert_eq!(
        (findings["closed"].as_u64(), findings["new"].as_u64(), findings["changed"].as_u64()),
        (Some(2), Some(0), Some(0)),
        "{third}"
    );
    assert_eq!(findings["total"], 59);
    let closed = stdout(&run(home, &["changes", "--json", "--since", "60"]));
    let reasons: Vec<Value> = closed
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["reason"].clone())
        .collect();
    assert!(
        reasons.contains(&Value::from("vanished")) && reasons.contains(&Value::Null),
        "{closed}"
    );
}
