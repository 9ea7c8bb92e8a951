use std::process::Output;

use serde_json::{Value, json};

use crate::program::{Served, run, stderr, stdout};

const READER: &[&str] = &["resultsapi", "noteamrestrictionapi"];

fn control(served: &Served, args: &[&str]) -> Output {
    let mut all = vec!["platform"];
    all.extend(args);
    run(&served.platform_home(), &all)
}

fn told(served: &Served, args: &[&str]) -> Value {
    let mut all = args.to_vec();
    all.push("--json");
    let output = control(served, &all);
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn without_a_running_platform_the_controls_say_so() {
    let folder = tempfile::tempdir().unwrap();
    for args in [&["clock"][..], &["reset"], &["faults", "--clear"], &["requests", "--count"]] {
        let mut all = vec!["platform"];
        all.extend(args);
        let output = run(folder.path(), &all);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(stderr(&output).contains("platform serve"), "{}", stderr(&output));
    }
}

#[test]
#[cfg(unix)]
fn only_the_owner_reads_the_token() {
    use std::os::unix::fs::PermissionsExt;
    let served = Served::start("empty");
    for file in [served.platform_home().join("control.json"), served.home.path().join("ready.json")]
    {
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
}

/// A year passes under an integration: the connector is told that its pair is
/// no longer good, and nothing is closed on the strength of it.
#[test]
fn the_guide_of_the_controls() {
    let served = Served::start("apps=3,findings=60");
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let (id, secret) = served.mint("ci", READER);
    assert!(served.add(home, (&id, &secret)).status.success());
    assert!(run(home, &["sync"]).status.success());

    assert_eq!(told(&served, &["snapshot", "before"])["snapshots"], json!(["before"]));
    told(&served, &["clock", "--signatures", "real", "--advance", "365d"]);
    let expired = run(home, &["sync", "--full", "--json"]);
    assert_eq!(expired.status.code(), Some(3), "{}", stderr(&expired));
    let mails = stdout(&control(&served, &["outbox"]));
    assert!(mails.contains("expire in 7 days") && mails.contains("expire in 1 day"), "{mails}");
    let causes = control(&served, &["requests", "--cause", "expired", "--at-least", "1"]);
    assert!(causes.status.success(), "{}", stderr(&causes));
    let unmet = control(&served, &["requests", "--caller", "nobody", "--at-least", "1"]);
    assert_eq!(unmet.status.code(), Some(1));
    let clock = stdout(&control(&served, &["clock"]));
    assert!(clock.contains("running") && clock.contains("real time"), "{clock}");

    told(&served, &["restore", "before"]);
    let plan = json!({"seed": 1, "rules": [{"name": "flaky", "match": {"path": "*/findings",
        "nth": [2]}, "act": {"kind": "short_page"}}]});
    let file = home.join("plan.json");
    std::fs::write(&file, plan.to_string()).unwrap();
    told(&served, &["faults", "--plan", file.to_str().unwrap()]);
    let synced = run(home, &["sync", "--full", "--json"]);
    assert!(synced.status.success(), "read again: {}", stderr(&synced));
    let fired = stdout(&control(&served, &["faults", "--fired"]));
    assert!(fired.contains("flaky"), "{fired}");
    let rules = stdout(&control(&served, &["faults"]));
    assert!(rules.contains("flaky") && rules.contains("short_page"), "{rules}");
    told(&served, &["faults", "--clear"]);

    let limits =
        told(&served, &["limits", "--requests", "3", "--by", "account", "--retry-after", "off"]);
    let expected =
        json!({"requests": 3, "window_seconds": 60, "by": "account", "retry_after": false});
    assert_eq!(limits, expected);
    assert_eq!(stdout(&control(&served, &["limits", "--requests", "off"])), "no limit\n");
    let har = told(&served, &["requests", "--har"]);
    assert!(!har.to_string().contains(&secret));
    told(&served, &["requests", "--clear"]);
    assert_eq!(stdout(&control(&served, &["requests", "--count"])), "0\n");
    told(&served, &["reset"]);
    assert_eq!(run(home, &["sync"]).status.code(), Some(3), "the account is gone");
    assert_eq!(control(&served, &["restore", "nothing"]).status.code(), Some(2));
    assert_eq!(told(&served, &["snapshot", "before", "--delete"])["snapshots"], json!([]));
}

/// Every example of the document, in its order, in one shell for each block.
#[test]
#[cfg(unix)]
fn the_examples_of_the_document_run() {
    let served = Served::start("demo");
    let folder = tempfile::tempdir().unwrap();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_countersign"));
    std::os::unix::fs::symlink(program, folder.path().join("countersign")).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let document = include_str!("../../../../docs/reference/platform.md");
    let blocks: Vec<_> =
        document.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let commands =
        ["clock", "outbox", "faults", "limits", "requests", "snapshot", "restore", "reset"];
    for command in commands {
        let line = format!("countersign platform {command}");
        assert!(blocks.iter().any(|block| block.contains(&line)), "no example of {command}");
    }
    for block in blocks {
        let output = std::process::Command::new("sh")
            .args(["-eu", "-c", block])
            .current_dir(folder.path())
            .env("PATH", &path)
            .env("COUNTERSIGN_HOME", served.platform_home())
            .output()
            .unwrap();
        assert!(output.status.success(), "{block}\n{}", stderr(&output));
    }
    let har = std::fs::read(folder.path().join("requests.har")).unwrap();
    assert!(serde_json::from_slice::<Value>(&har).unwrap()["log"]["entries"].is_array());
}
