//! The commands of rotation, by the binary: what is refused, what a person sees, and a
//! sync that goes on.

use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::program::{Served, countersign, run, stderr, stdout};

const READER: &[&str] = &["resultsapi", "noteamrestrictionapi"];

fn with_secret(home: &Path, args: &[&str], secret: &str) -> Output {
    let mut command = countersign(home);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(secret.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn keep(served: &Served, home: &Path, name: &str, roles: &[&str]) {
    let (id, secret) = served.mint(name, roles);
    let ca = served.ca_file.display().to_string();
    let mut args = vec!["credentials", "add", name, "--client-id", &id, "--client-secret-stdin"];
    args.extend(["--url", &served.url, "--ca-file", &ca]);
    let added = with_secret(home, &args, &secret);
    assert!(added.status.success(), "{}", stderr(&added));
}

fn ok(home: &Path, args: &[&str]) -> String {
    let output = run(home, args);
    assert!(output.status.success(), "{args:?}: {}{}", stdout(&output), stderr(&output));
    stdout(&output)
}

fn refused(home: &Path, args: &[&str], code: i32, what: &str) {
    let output = run(home, args);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
    assert!(stderr(&output).contains(what), "{args:?}: {}", stderr(&output));
}

fn home_with(served: &Served) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let (id, secret) = served.mint("reader", READER);
    assert!(served.add(home, (&id, &secret)).status.success());
    keep(served, home, "admin", &["adminapi"]);
    keep(served, home, "twin", READER);
    folder
}

#[test]
fn a_pair_is_rotated_as_arranged_and_the_sync_goes_on() {
    let served = Served::start("apps=2,findings=20");
    let folder = home_with(&served);
    let home = folder.path();
    refused(home, &["credentials", "rotate"], 2, "configures no rotation");
    refused(home, &["credentials", "rotate", "demo"], 2, "needs an account");
    refused(home, &["credentials", "rotate", "nobody", "--by", "admin"], 2, "no credential");
    refused(home, &["credentials", "rotate", "demo", "--mode", "self"], 2, "may not renew itself");
    let forbidden = run(home, &["credentials", "rotate", "demo", "--by", "twin"]);
    assert_eq!(forbidden.status.code(), Some(4), "{}", stderr(&forbidden));
    assert!(stdout(&forbidden).contains("needs the Admin API role"), "{}", stdout(&forbidden));

    let rotated = ok(home, &["credentials", "rotate", "demo", "--by", "admin"]);
    assert!(rotated.contains("outcome      rotated"), "{rotated}");
    ok(home, &["sync"]);

    let config =
        "[rotation.demo]\nmode = \"twins\"\nby = \"admin\"\ntwin = \"twin\"\ndays_before = 30\n";
    std::fs::write(home.join("config.toml"), config).unwrap();
    let reports = || -> Vec<Value> {
        let told = ok(home, &["credentials", "rotate", "--json"]);
        told.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let looked = reports();
    assert_eq!(looked.len(), 2, "both twins are looked after: {looked:?}");
    assert!(looked.iter().all(|one| one["outcome"] == "nothing"), "nothing is due: {looked:?}");
    std::fs::write(home.join("config.toml"), config.replace("30", "365")).unwrap();
    for turn in ["twin", "demo"] {
        let report = reports().remove(2);
        assert_eq!((&report["credential"], &report["outcome"]), (&turn.into(), &"done".into()));
        ok(home, &["sync"]);
    }
    let unknown = "[rotation.demo]\nmode = \"mirror\"\n";
    std::fs::write(home.join("config.toml"), unknown).unwrap();
    refused(home, &["sync"], 2, "line 2");
    std::fs::write(home.join("config.toml"), "").unwrap();

    let log = ok(home, &["credentials", "log", "--json"]);
    let acts: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(acts.iter().any(|act| act["act"] == "published" && act["credential"] == "twin"));
    assert!(ok(home, &["credentials", "log", "--verify"]).starts_with("whole: "));
    let store = rusqlite::Connection::open(home.join("store.sqlite")).unwrap();
    store
        .execute_batch(
            "drop trigger audit_keeps_what_it_has; update audit set act = 'x' where id = 3",
        )
        .unwrap();
    refused(home, &["credentials", "log", "--verify"], 7, "broken at entry 3");
}

#[test]
fn a_pair_is_replaced_by_hand_and_revoked() {
    let served = Served::start("apps=1,findings=3");
    let folder = home_with(&served);
    let home = folder.path();
    let (other_id, other) = served.mint("other", READER);
    let replace = |id: &str, secret: &str, more: &[&str]| {
        let mut args = vec!["credentials", "replace", "demo", "--client-id", id];
        args.push("--client-secret-stdin");
        args.extend(more);
        with_secret(home, &args, secret)
    };
    let wrong = replace(&other_id, &other, &[]);
    assert_eq!(wrong.status.code(), Some(2), "{}", stderr(&wrong));
    assert!(stderr(&wrong).contains("another: other"), "{}", stderr(&wrong));
    let invalid = replace(&"ab".repeat(16), &"cd".repeat(64), &[]);
    assert_eq!(invalid.status.code(), Some(3), "{}", stderr(&invalid));
    ok(home, &["sync"]);

    // A person generates a pair in the console: the one here ends with its overlap.
    let (id, secret) = served.mint("reader", READER);
    let replaced = replace(&id, &secret, &["--json"]);
    assert!(replaced.status.success(), "{}", stderr(&replaced));
    assert!(stdout(&replaced).contains(&id));
    ok(home, &["sync"]);
    assert!(replace(&other_id, &other, &["--other-account"]).status.success());

    refused(home, &["credentials", "revoke", "demo"], 2, "needs a yes");
    ok(home, &["credentials", "revoke", "demo", "--yes"]);
    let sync = run(home, &["sync"]);
    assert_eq!(sync.status.code(), Some(3), "{}", stderr(&sync));
    // The account was another's before: an administrator sees what is live, and mends it.
    ok(home, &["credentials", "rotate", "demo", "--by", "admin"]);
    ok(home, &["sync"]);

    refused(home, &["credentials", "remove", "demo", "--yes"], 7, "in use");
    ok(home, &["credentials", "remove", "twin", "--yes"]);
    refused(home, &["credentials", "rotate", "twin", "--by", "admin"], 2, "no credential");
}
