//! What those who run the program type: `config`, `status`, and what a sync leaves in the log.

use serde_json::Value;

use crate::program::{Served, countersign, run, stderr, stdout};

const READER: &[&str] = &["resultsapi", "noteamrestrictionapi"];

#[test]
fn a_configuration_that_exists_is_not_overwritten() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config.toml");
    assert_eq!(run(home.path(), &["config", "init"]).status.code(), Some(0));
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("# [client]\n")
            && text.lines().all(|line| line.is_empty() || line.starts_with('#'))
    );
    std::fs::write(&file, "[sync]\nparallel = 3\n").unwrap();
    let output = run(home.path(), &["config", "init"]);
    let told = stderr(&output);
    assert!(output.status.code() == Some(2) && told.contains("not overwritten"), "{told}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "[sync]\nparallel = 3\n");
}

#[test]
fn every_mistake_is_found_with_its_line() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config.toml");
    std::fs::write(&file, "[sync]\nparalel = 3\n[watch]\nevery = \"1x\"\n").unwrap();
    let output = run(home.path(), &["config", "check"]);
    let told = stdout(&output);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        told.contains("config.toml:2: unknown key `sync.paralel`; did you mean `sync.parallel`?"),
        "{told}"
    );
    assert!(told.contains("config.toml:4: `watch.every`: `1x` is no span of time"), "{told}");
    let output = run(home.path(), &["config", "check", "--json"]);
    let checked: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&checked["ok"], &checked["mistakes"][0]["line"]), (&false.into(), &2.into()));
    std::fs::write(&file, "[sync]\nparallel = 3\n").unwrap();
    let output = run(home.path(), &["config", "check"]);
    assert!(output.status.success() && stdout(&output).contains("no mistakes"));
}

#[test]
fn what_holds_is_printed_with_where_it_comes_from() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("config.toml"), "[client]\nin_flight = 8\n").unwrap();
    let mut command = countersign(home.path());
    command.args(["config", "show", "--json", "--log-format", "text"]);
    command.env("HTTPS_PROXY", "http://u:hush@proxy.example.com").env("COUNTERSIGN_LOG", "warn");
    let output = command.output().unwrap();
    let told = stdout(&output);
    assert!(output.status.success() && !told.contains("hush"), "{}{told}", stderr(&output));
    let all: Vec<Value> = serde_json::from_str(&told).unwrap();
    let of = |key: &str| {
        let one = all.iter().find(|one| one["key"] == key).unwrap_or_else(|| panic!("{key}"));
        (one["value"].as_str().unwrap_or("").to_owned(), one["from"].as_str().unwrap().to_owned())
    };
    for (key, value, from) in [
        ("client.in_flight", "8", "file"),
        ("sync.parallel", "12", "default"),
        ("client.proxy", "(not shown)", "environment"),
        ("--log", "warn", "environment"),
        ("--log-format", "text", "flag"),
    ] {
        assert_eq!(of(key), (value.to_owned(), from.to_owned()), "{key}");
    }
}

#[test]
fn status_is_one_screen_with_the_code_of_the_worst() {
    let empty = tempfile::tempdir().unwrap();
    let output = run(empty.path(), &["status"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("countersign integration add prod"));

    let served = Served::start("apps=2,findings=20,rng=7");
    let home = tempfile::tempdir().unwrap();
    let (id, secret) = served.mint("reader", READER);
    assert!(served.add(home.path(), (&id, &secret)).status.success());
    let output = run(home.path(), &["status"]);
    assert_eq!(output.status.code(), Some(6), "never synced: {}", stdout(&output));
    let mut command = countersign(home.path());
    command.args(["sync", "--log", "countersign=info", "--log-format", "json"]);
    let synced = command.output().unwrap();
    let told = stderr(&synced);
    let lines = told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let lines: Vec<_> = lines.filter(|line| line["message"] == "sync ended").collect();
    assert_eq!(lines.len(), 1, "{told}");
    assert_eq!((&lines[0]["complete"], &lines[0]["applications"]), (&true.into(), &2.into()));

    let output = run(home.path(), &["status"]);
    let told = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(
        told.lines().count() < 25 && told.contains("open, policy context, visible applications"),
        "{told}"
    );
    assert!(told.contains("last complete sync") && told.contains("expires in"), "{told}");
    assert!(told.contains("    read longest ago: ") && !told.contains("audit"), "{told}");
    let status: Value =
        serde_json::from_str(&stdout(&run(home.path(), &["status", "--json"]))).unwrap();
    let filter = "state[eq]open and context[eq]policy and visible[eq]true";
    let open = run(home.path(), &["findings", "--limit", "0", "--json", "--filter", filter]);
    assert_eq!(status["findings"]["total"], stdout(&open).lines().count());
    let one = &status["integrations"][0];
    assert!(one["stalest_application"]["name"].is_string(), "{one}");
    assert!(one["stalest_application"]["read_at"].is_string() && one["audit"].is_null(), "{one}");
    assert_eq!(
        (&status["ok"], &status["integrations"][0]["healthy"]),
        (&true.into(), &true.into())
    );
    assert!(!stdout(&run(home.path(), &["status", "--json"])).contains(&secret));
}

/// One line for each, with named fields, and no secret.
#[test]
fn what_users_and_commands_do_is_one_line_each() {
    let served = Served::start("apps=2,findings=20,rng=7");
    let home = tempfile::tempdir().unwrap();
    let (id, secret) = served.mint("reader", READER);
    assert!(served.add(home.path(), (&id, &secret)).status.success());
    let logged = |args: &[&str], message: &str| -> Vec<Value> {
        let mut command = countersign(home.path());
        let output = command.args(["--log", "countersign=info", "--log-format", "json"]).args(args);
        let output = output.output().unwrap();
        let told = stderr(&output);
        assert!(output.status.success() && !told.contains(&secret), "{args:?}: {told}");
        let lines = told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["message"] == message).collect()
    };
    let acts = logged(&["people", "add", "rita"], "user acted");
    assert!(acts.len() == 1 && acts[0]["on"] == "rita", "{acts:?}");
    let file = home.path().join("findings.csv");
    let file = file.to_str().unwrap();
    let exports = logged(&["export", "--format", "csv", "--output", file], "export ended");
    assert!(exports.len() == 1 && exports[0]["written"].is_string(), "{exports:?}");
}
