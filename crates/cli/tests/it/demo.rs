//! The demo has a data directory of its own, and leaves nothing.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::program::{Served, stderr, stdout, without_home};

const READER: &[&str] = &["resultsapi", "noteamrestrictionapi"];

/// As somebody runs it whose data is below `data`.
fn own(data: &Path, args: &[&str]) -> Output {
    command(data).args(args).output().unwrap()
}

fn command(data: &Path) -> Command {
    let mut command = without_home(data);
    command.env("XDG_DATA_HOME", data);
    command
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn assert_refused(output: &Output, code: i32, words: &[&str]) {
    let told = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{told}");
    for word in words {
        assert!(told.contains(word), "`{word}` is not in: {told}");
    }
}

#[test]
fn nothing_of_the_demo_is_in_production() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let none = own(data, &["quickstart", "--remove"]);
    assert!(none.status.success() && stderr(&none).contains("nothing to remove"));
    assert_eq!(names(data), Vec::<String>::new());

    let made = own(data, &["quickstart", "--once", "--json"]);
    assert!(made.status.success(), "{}", stderr(&made));
    let object: Value = serde_json::from_slice(&made.stdout).unwrap();
    let demo = data.join("countersign-demo");
    assert_eq!(Path::new(object["home"].as_str().unwrap()), demo.canonicalize().unwrap());
    assert_eq!(names(data), ["countersign-demo"]);

    let served = Served::start("apps=3,findings=9");
    let (id, secret) = served.mint("reader", READER);
    let production = data.join("countersign");
    assert!(served.add_as("prod", &production, (&id, &secret)).status.success());
    let synced = own(data, &["sync", "--json"]);
    assert!(synced.status.success(), "{}", stderr(&synced));
    let report: Value = serde_json::from_slice(&synced.stdout).unwrap();
    assert_eq!((&report["integration"], &report["findings"]["total"]), (&"prod".into(), &9.into()));
    for args in [&["findings", "--json"][..], &["export", "--format", "ndjson"]] {
        let output = own(data, args);
        assert!(output.status.success(), "{}", stderr(&output));
        let text = stdout(&output);
        assert_eq!(text.lines().count(), 9, "{args:?}");
        for line in text.lines() {
            let finding: Value = serde_json::from_str(line).unwrap();
            assert_eq!(finding["integration"], "prod", "{args:?}");
        }
    }

    // What is no demo is neither made one nor removed, however it is named.
    let home = production.to_str().unwrap();
    let removed = own(data, &["--home", home, "quickstart", "--remove"]);
    assert_refused(&removed, 2, &["was not made by `quickstart`", "integration list`"]);
    let made = own(data, &["--home", home, "quickstart", "--once"]);
    assert_refused(&made, 2, &["(prod)", "countersign-demo quickstart`"]);
    let mut by_variable = command(data);
    by_variable.env("COUNTERSIGN_HOME", home);
    let made = by_variable.args(["quickstart", "--once"]).output().unwrap();
    assert_refused(&made, 2, &["(prod)", "countersign-demo quickstart`"]);
    let listed = stdout(&own(data, &["integration", "list", "--json"]));
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");

    let removed = own(data, &["quickstart", "--remove"]);
    assert!(removed.status.success(), "{}", stderr(&removed));
    assert_eq!(names(data), ["countersign"]);
    assert!(own(data, &["findings"]).status.success());
}

#[test]
fn a_demo_that_is_used_is_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let made = own(data, &["quickstart", "--once"]);
    assert!(made.status.success(), "{}", stderr(&made));
    assert!(stdout(&made).contains("countersign-demo quickstart --remove"), "{}", stdout(&made));
    let demo = data.join("countersign-demo");

    let mark = std::fs::File::open(demo.join("quickstart.lock")).unwrap();
    mark.lock().unwrap();
    for args in [&["quickstart", "--remove"][..], &["quickstart", "--once"]] {
        assert_refused(&own(data, args), 7, &["another `quickstart` runs", "Ctrl-C"]);
    }
    drop(mark);

    let served = Served::start("apps=1,findings=3");
    let (id, secret) = served.mint("reader", READER);
    assert!(served.add_as("prod", &demo, (&id, &secret)).status.success());
    let refused = own(data, &["quickstart", "--remove"]);
    assert_refused(&refused, 2, &["other integrations (prod)", "integration remove prod`"]);
    let home = demo.to_str().unwrap();
    let removed = own(data, &["--home", home, "integration", "remove", "prod", "--yes"]);
    assert!(removed.status.success(), "{}", stderr(&removed));

    // A second start is on the same data; a damaged store does not keep it from ending.
    let again = own(data, &["quickstart", "--once"]);
    assert!(again.status.success(), "{}", stderr(&again));
    std::fs::write(demo.join("store.sqlite"), "this is no database at all").unwrap();
    let removed = own(data, &["quickstart", "--remove"]);
    assert!(removed.status.success(), "{}", stderr(&removed));
    assert_eq!(names(data), Vec::<String>::new());
}
