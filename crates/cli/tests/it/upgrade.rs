//! Data directories of earlier releases are opened and go on; those of later ones are refused
//! with one thing to do, and stay as they are. `fixtures/make-home` makes one for each release.

#![cfg(unix)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;

use crate::program::{run, stderr, stdout};

const RELEASES: &[&str] = &["home-0.1"];

/// A copy of the data directory that a release left, as it was there.
fn home_of(release: &str) -> tempfile::TempDir {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(release);
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(&from).unwrap() {
        let entry = entry.unwrap();
        let path = folder.path().join(entry.file_name());
        std::fs::copy(entry.path(), &path).unwrap();
        // A repository does not keep who may read what.
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    }
    folder
}

fn done(home: &Path, args: &[&str]) -> String {
    let output = run(home, args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
    stdout(&output)
}

#[test]
fn what_an_earlier_release_left_is_all_there() {
    for release in RELEASES {
        let folder = home_of(release);
        let home = folder.path();
        assert_eq!(
            done(home, &["findings", "--limit", "0", "--state", "all", "--json"]).lines().count(),
            20
        );
        let json = |args: &[&str]| -> Value { serde_json::from_str(&done(home, args)).unwrap() };
        assert_eq!(json(&["store", "check", "--json"])["ok"], true);
        assert_eq!(json(&["people", "list", "--json"])[0]["name"], "rita");
        assert_eq!(json(&["people", "audit", "--json"])["whole"], true);
        let schedule = json(&["schedule", "list", "--json"]);
        assert_eq!(
            (&schedule[0]["paused"], &schedule[0]["period_ms"]),
            (&true.into(), &86_400_000.into())
        );
        assert_eq!(json(&["config", "check", "--json"])["ok"], true);
        assert_eq!(json(&["credentials", "list", "--json"])[0]["name"], "prod");
        done(home, &["vault", "check"]);
        // The secret can be read, and what is written stays.
        let signed = done(home, &["sign", "--method", "GET", "--url", "https://127.0.0.1/x"]);
        assert!(signed.contains("VERACODE-HMAC-SHA-256"), "{signed}");
        done(home, &["schedule", "resume", "prod"]);
        assert_eq!(json(&["schedule", "list", "--json"])[0]["paused"], false);
    }
}

#[test]
fn users_of_a_later_release_are_refused_and_stay_as_they_are() {
    let folder = home_of("home-0.1");
    let path = folder.path().join("people.sqlite");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("pragma user_version = 2").unwrap();
    drop(connection);
    let before = std::fs::read(&path).unwrap();
    for args in [&["people", "list"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let output = run(folder.path(), args);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(7), "{args:?}: {told}");
        assert!(
            told.contains("newer version") && told.contains("people.sqlite"),
            "{args:?}: {told}"
        );
        assert_eq!(told.matches("hint: ").count(), 1, "{args:?}: {told}");
    }
    assert!(std::fs::read(&path).unwrap() == before, "it was written to");
}

#[test]
fn what_a_later_release_left_is_refused_and_stays_as_it_is() {
    let folder = home_of("home-0.1");
    let path = folder.path().join("store.sqlite");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("pragma application_id = 0x7fff0000").unwrap();
    drop(connection);
    let before = std::fs::read(&path).unwrap();
    let vault = folder.path().join("vault.json");
    let text = std::fs::read_to_string(&vault).unwrap();
    let newer = text.replace("countersign-vault-2\",", "countersign-vault-3\",\"more\":1,");
    std::fs::write(&vault, &newer).unwrap();
    let output = run(folder.path(), &["vault", "check"]);
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(7), "{told}");
    assert!(told.contains("a newer version of countersign wrote it\nhint: use"), "{told}");
    assert_eq!(std::fs::read_to_string(&vault).unwrap(), newer);
    for args in [&["findings"][..], &["status"], &["sync"], &["serve", "--listen", "127.0.0.1:0"]] {
        let output = run(folder.path(), args);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(7), "{args:?}: {told}");
        assert!(
            told.contains("newer version") && told.contains("store.sqlite"),
            "{args:?}: {told}"
        );
        assert_eq!(told.matches("hint: ").count(), 1, "{args:?}: {told}");
    }
    assert!(std::fs::read(&path).unwrap() == before, "it was written to");
}
