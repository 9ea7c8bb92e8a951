//! `integration update` and `integration rename`: checked first, and nothing is lost.

use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::program::{Served, countersign, run, stderr};

const READER: &[&str] = &["resultsapi", "noteamrestrictionapi"];

fn assert_refused(output: &Output, code: i32, word: &str) {
    let told = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(told.contains(word), "`{word}` is not in: {told}");
}

fn shown(home: &Path, name: &str) -> Value {
    let output = run(home, &["integration", "show", name, "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// With a secret on standard input.
fn give(home: &Path, args: &[&str], secret: &str) -> Output {
    let mut command = countersign(home);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(secret.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn what_an_integration_is_changed_to_is_checked_first() {
    let served = Served::start("apps=2,findings=6");
    let other = Served::start("apps=1,findings=3");
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    std::fs::write(home.join("config.toml"), "[client]\nretry_budget_seconds = 1\n").unwrap();
    let (id, secret) = served.mint("reader", READER);
    assert!(served.add_as("prod", home, (&id, &secret)).status.success());
    assert!(run(home, &["sync"]).status.success());
    let before = shown(home, "prod");
    let update = |rest: &[&str]| run(home, &[&["integration", "update", "prod"], rest].concat());

    assert_refused(&update(&[]), 2, "nothing to change");
    assert_refused(&update(&["--url", "https://127.0.0.1:9"]), 5, "error: ");
    assert_refused(&update(&["--ca-file", "/no/such.pem"]), 2, "/no/such.pem");
    let authority = other.ca_file.to_str().unwrap();
    let elsewhere = ["--url", &other.url, "--ca-file", authority];
    assert_refused(&update(&elsewhere), 3, "not authenticated");
    let (foreign, foreign_secret) = other.mint("stranger", READER);
    let args = ["integration", "update", "prod", "--client-id", &foreign, "--client-secret-stdin"];
    let args = [&args[..], &elsewhere].concat();
    assert_refused(&give(home, &args, &foreign_secret), 2, "add `--other-account`");
    assert_eq!(shown(home, "prod"), before);
    assert!(run(home, &["integration", "check", "prod"]).status.success());

    // Another pair of the same account, then another account that is meant.
    let (second, second_secret) = served.mint("reader", READER);
    let own = ["integration", "update", "prod", "--client-id", &second, "--client-secret-stdin"];
    let given = give(home, &own, &second_secret);
    assert!(given.status.success(), "{}", stderr(&given));
    let after = shown(home, "prod");
    assert_eq!(after["client_id"], second.as_str());
    assert_eq!((&after["url"], &after["findings"]), (&before["url"], &before["findings"]));
    assert!(run(home, &["sync"]).status.success());
    let meant = [&args[..], &["--other-account"]].concat();
    let given = give(home, &meant, &foreign_secret);
    assert!(given.status.success(), "{}", stderr(&given));
    assert_eq!(shown(home, "prod")["url"], other.url.as_str());
    assert!(run(home, &["credentials", "log", "--verify"]).status.success());
}

#[test]
fn an_integration_with_another_name_is_the_same() {
    let served = Served::start("apps=2,findings=6");
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    for (name, user) in [("one", "first"), ("two", "second")] {
        let (id, secret) = served.mint(user, READER);
        assert!(served.add_as(name, home, (&id, &secret)).status.success());
    }
    assert!(run(home, &["sync"]).status.success());
    let rename = |from: &str, to: &str| run(home, &["integration", "rename", from, to]);
    assert_refused(&rename("one", "two"), 2, "`two`");
    assert_refused(&rename("none", "three"), 2, "`none`");
    assert!(rename("one", "prod").status.success());

    // One that takes the old name has a secret of its own, also in the vault.
    let (id, secret) = served.mint("third", READER);
    let added = served.add_as("one", home, (&id, &secret));
    assert!(added.status.success(), "{}", stderr(&added));
    assert!(run(home, &["integration", "remove", "one", "--yes"]).status.success());
    let checked = run(home, &["integration", "check", "prod"]);
    assert!(checked.status.success(), "{}", stderr(&checked));
    assert_eq!(shown(home, "prod")["findings"], 6);
    assert!(run(home, &["sync", "prod"]).status.success());
    assert!(run(home, &["credentials", "log", "--verify"]).status.success());
}

/// Types each answer once its question is there; everything that the terminal showed.
#[cfg(target_os = "linux")]
fn talk(mut command: std::process::Command, answers: &[(&str, &str)]) -> String {
    use std::io::Read;
    let terminal = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR).unwrap();
    rustix::pty::grantpt(&terminal).and_then(|()| rustix::pty::unlockpt(&terminal)).unwrap();
    let name = rustix::pty::ptsname(&terminal, Vec::new()).unwrap();
    let name = name.to_str().unwrap();
    let open = || std::fs::File::options().read(true).write(true).open(name).unwrap();
    command.stdin(open()).stdout(open()).stderr(open());
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut terminal = std::fs::File::from(terminal);
    let mut shown = Vec::new();
    for (question, answer) in answers {
        while !String::from_utf8_lossy(&shown).ends_with(question) {
            let mut byte = [0];
            let read = terminal.read(&mut byte);
            let so_far = String::from_utf8_lossy(&shown).into_owned();
            assert_eq!(read.ok(), Some(1), "`{question}` is not asked: {so_far}");
            shown.push(byte[0]);
        }
        terminal.write_all(format!("{answer}\n").as_bytes()).unwrap();
    }
    // Reading a terminal that nobody has open any more fails.
    let _ = terminal.read_to_end(&mut shown);
    let shown = String::from_utf8_lossy(&shown).into_owned();
    assert!(child.wait().unwrap().success(), "{shown}");
    shown
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_missing_is_asked_on_a_terminal() {
    let served = Served::start("apps=1,findings=3");
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let missing = run(home, &["integration", "add"]);
    assert_refused(&missing, 2, "the name is missing");
    assert_refused(&run(home, &["integration", "add", "x"]), 2, "Client ID (API ID) is missing");

    let (id, secret) = served.mint("reader", READER);
    let own = countersign(home);
    // A terminal of its own, which secrets are read from.
    let mut command = std::process::Command::new("setsid");
    command.args(["--ctty", "--wait"]).arg(own.get_program()).args(own.get_args());
    command.args(["integration", "add", "--ca-file"]).arg(&served.ca_file);
    let shown = talk(
        command,
        &[
            ("name:\r\n", "prod"),
            ("Client ID (API ID):\r\n", &id),
            ("Secret Key): ", &secret),
            ("region):\r\n", &served.url),
        ],
    );
    assert!(!shown.contains(&secret) && shown.contains(&id), "{shown}");
    assert_eq!(self::shown(home, "prod")["url"], served.url.as_str());
}
