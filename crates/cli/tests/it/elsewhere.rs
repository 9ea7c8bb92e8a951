//! `store.url`: the store in a PostgreSQL database.

use std::path::Path;

#[cfg(feature = "postgres")]
use serde_json::Value;

#[cfg(feature = "postgres")]
use crate::program::{Served, countersign};
use crate::program::{run, stderr, stdout};

fn configure(home: &Path, text: &str) {
    std::fs::create_dir_all(home).unwrap();
    std::fs::write(home.join("config.toml"), text).unwrap();
}

#[test]
fn an_address_that_cannot_be_used_says_why_and_shows_no_password() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    for (config, code, word) in [
        ("[store]\npassword_file = \"x\"\n", 2, "needs `store.url`"),
        ("[store]\nurl = \"postgres://u:hush@localhost:1/x\"\nurll = 1\n", 2, "urll"),
        #[cfg(feature = "postgres")]
        ("[store]\nurl = \"mysql://u:hush@localhost/x\"\n", 2, "postgres://"),
        #[cfg(feature = "postgres")]
        ("[store]\nurl = \"postgres://u:hush@127.0.0.1:1/x\"\n", 7, "pg_isready"),
        #[cfg(not(feature = "postgres"))]
        ("[store]\nurl = \"postgres://u:hush@127.0.0.1:1/x\"\n", 2, "--features postgres"),
    ] {
        configure(&home, config);
        for words in [&["applications"][..], &["store", "check"], &["sync"]] {
            let output = run(&home, words);
            let told = stderr(&output) + &stdout(&output);
            assert_eq!(output.status.code(), Some(code), "{config} {words:?}: {told}");
            assert!(told.contains(word) && !told.contains("hush"), "{config}: {told}");
            assert!(!home.join("store.sqlite").exists(), "{config}: a file was made instead");
        }
        let shown = run(&home, &["config", "show"]);
        assert!(!(stdout(&shown) + &stderr(&shown)).contains("hush"));
    }
}

#[test]
fn a_broken_file_makes_no_store_in_place_of_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    configure(&home, "store = { url = \"postgres://localhost:1/x\" }\nwrong = 1\n");
    assert_eq!(run(&home, &["store", "check"]).status.code(), Some(2));
    run(&home, &["doctor"]);
    assert!(!home.join("store.sqlite").exists());
}

#[test]
fn a_password_in_an_argument_is_refused_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    for address in ["postgres://u:hush@127.0.0.1:1/x", "postgres://127.0.0.1:1/x?password=hush"] {
        for places in [["none.sqlite", address], [address, "none.sqlite"]] {
            let output = run(folder.path(), &["store", "copy", places[0], places[1]]);
            let told = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{told}");
            assert!(
                told.contains("COUNTERSIGN_STORE_PASSWORD") && !told.contains("hush"),
                "{told}"
            );
        }
    }
}

#[cfg(feature = "postgres")]
fn well(home: &Path, words: &[&str]) -> String {
    let output = run(home, words);
    assert!(output.status.success(), "{words:?}: {}", stderr(&output));
    stdout(&output)
}

/// The ids of all findings. In what order applications come in differs from sync to sync.
#[cfg(feature = "postgres")]
fn ids(home: &Path) -> Vec<String> {
    ids_in(&well(home, &["findings", "--json", "--limit", "1000"]))
}

/// One value, or one on each line.
#[cfg(feature = "postgres")]
fn ids_in(text: &str) -> Vec<String> {
    let mut ids = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        collect(&value.unwrap(), &mut ids);
    }
    ids.sort();
    ids
}

#[cfg(feature = "postgres")]
fn collect(value: &Value, ids: &mut Vec<String>) {
    match value {
        Value::Array(all) => all.iter().for_each(|one| collect(one, ids)),
        Value::Object(members) => match members.get("id") {
            Some(Value::String(id)) if id.len() == 20 => ids.push(id.clone()),
            _ => members.values().for_each(|one| collect(one, ids)),
        },
        _ => {}
    }
}

#[test]
#[cfg(feature = "postgres")]
fn a_store_in_a_database_holds_what_one_in_a_file_holds() {
    let served = Served::start("apps=6,findings=300,rng=7");
    let (id, secret) = served.mint("reader", &["resultsapi", "noteamrestrictionapi"]);
    let folder = tempfile::tempdir().unwrap();
    let homes = ["file", "database", "other_machine"].map(|name| folder.path().join(name));
    let url = crate::postgres::server().create("elsewhere", &[]);
    for home in &homes[1..] {
        configure(home, &format!("[store]\nurl = \"{url}\"\n"));
    }
    for home in &homes[..2] {
        let added = served.add(home, (&id, &secret));
        assert!(added.status.success(), "{}", stderr(&added));
        well(home, &["sync"]);
        well(home, &["sync", "--full"]);
    }
    let expected = ids(&homes[0]);
    assert!(expected.len() >= 300, "{}", expected.len());
    assert_eq!(ids(&homes[1]), expected);
    assert!(!homes[1].join("store.sqlite").exists());
    // Who shares the database sees the same, without a sync of their own.
    assert_eq!(ids(&homes[2]), expected);
    for words in [
        &["applications", "--json"][..],
        &["findings", "--filter", "severity[gte]4 and state[eq]open", "--json"],
        &["findings", "--filter", "text[like]injection", "--json"],
    ] {
        let [one, two] = [0, 1].map(|at| {
            let text = well(&homes[at], words);
            (ids_in(&text), text.matches("guid").count())
        });
        assert_eq!(one, two, "{words:?}");
    }
    let checked: Value =
        serde_json::from_str(&well(&homes[1], &["store", "check", "--json"])).unwrap();
    assert_eq!(checked["ok"], true);
    well(&homes[1], &["status"]);

    let backup = run(&homes[1], &["store", "backup", folder.path().join("b").to_str().unwrap()]);
    assert!(stderr(&backup).contains("pg_dump"), "{}", stderr(&backup));
    let restored = run(&homes[1], &["store", "restore", "b"]);
    assert_eq!(restored.status.code(), Some(2));
    assert!(stderr(&restored).contains("pg_restore"), "{}", stderr(&restored));
    // From the file into another database, and back into another file: the same findings.
    let file = homes[0].join("store.sqlite");
    let copy = crate::postgres::server().create("copied", &[]);
    let moved = folder.path().join("moved");
    configure(&moved, &format!("[store]\nurl = \"{copy}\"\n"));
    let told = well(&moved, &["store", "copy", "--json", file.to_str().unwrap(), &copy]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert!(told["findings"].as_u64() >= Some(300) && told["problems"] == serde_json::json!([]));
    assert_eq!(ids(&moved), expected);
    let back = folder.path().join("back");
    std::fs::create_dir(&back).unwrap();
    let file = back.join("store.sqlite");
    well(&back, &["store", "copy", &copy, file.to_str().unwrap()]);
    assert_eq!(ids(&back), expected);
    for (from, to, word) in [
        (copy.as_str(), file.to_str().unwrap(), "exists"),
        ("none.sqlite", &copy, "there is no store"),
        (&url, &copy, "not empty"),
    ] {
        let refused = run(&back, &["store", "copy", from, to]);
        assert!(
            !refused.status.success() && stderr(&refused).contains(word),
            "{}",
            stderr(&refused)
        );
    }
    // Its password may be in a variable.
    let output = countersign(&homes[1])
        .args(["applications"])
        .env("COUNTERSIGN_STORE_PASSWORD", "unused by this server")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}
