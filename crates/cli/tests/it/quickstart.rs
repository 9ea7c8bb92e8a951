use std::path::Path;

use countersign_vault::{KeySource, SealedFile, Vault};
use serde_json::Value;

use crate::hygiene::needles::{Needles, files_below};
use crate::program::{countersign, run, stderr, stdout};

fn rows(path: &Path, sql: &str) -> i64 {
    rusqlite::Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

/// One run at the most talkative log level: what it promises, and no secret
/// anywhere that is not sealed.
#[test]
fn the_whole_path_once() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let output = countersign(&home)
        .args(["--log", "trace", "quickstart", "--once", "--json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = object["sync"]["findings"].as_i64().unwrap();
    let platform = home.join("platform/platform.sqlite");
    assert_eq!(findings, rows(&platform, "select count(*) from findings"));
    assert_eq!(
        object["sync"]["applications"],
        rows(&platform, "select count(*) from applications")
    );
    assert_eq!(object["sync"]["complete"], true);
    let by_type: i64 = object["sync"]["by_scan_type"]
        .as_object()
        .unwrap()
        .values()
        .map(|n| n.as_i64().unwrap())
        .sum();
    assert_eq!(by_type, findings);

    // The guide was walked by the console's pages, and the chain of it is whole. The first
    // administrator is a user that was created, too.
    assert!(object["platform"]["console_url"].is_string(), "{object}");
    let acts = "select count(*) from signin_audit where act in
        ('user.create', 'account.activate', 'factor.enrol', 'credentials.generate')";
    assert_eq!(rows(&platform, acts), 5);
    let audit = countersign(&home.join("platform")).args(["platform", "audit", "--json"]).output();
    let audit: Value = serde_json::from_slice(&audit.unwrap().stdout).unwrap();
    assert_eq!((&audit["whole"], &audit["entries"]), (&true.into(), &8.into()));

    // Offline from here on.
    for (args, lines) in [
        (&["findings", "--json"][..], findings),
        (&["export", "--format", "ndjson"], findings),
        (&["export", "--format", "csv"], findings + 1),
        (&["changes", "--json"], findings),
        (&["applications", "--json"], 60),
    ] {
        let output = run(&home, args);
        assert!(output.status.success(), "{args:?} {}", stderr(&output));
        // No cell of the demo tenant holds a line break.
        assert_eq!(stdout(&output).lines().count() as i64, lines, "{args:?}");
    }
    let filtered = run(
        &home,
        &["findings", "--json", "--filter", "severity[gte]4", "--filter", "state[eq]open"],
    );
    for line in stdout(&filtered).lines() {
        let finding: Value = serde_json::from_str(line).unwrap();
        assert!(finding["severity"].as_i64() >= Some(4) && finding["state"] == "open");
    }
    lists_add_up(&home, findings);
    let first = stdout(&filtered).lines().next().unwrap().to_owned();
    let id = serde_json::from_str::<Value>(&first).unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(stdout(&run(&home, &["finding", &id[..12], "--json"])).trim(), first);

    let vault = SealedFile::open(
        &home.join("vault.json"),
        KeySource::KeyFile(home.join("vault.key")),
        std::sync::Arc::new(|_| panic!("reading needs no randomness")),
    )
    .unwrap();
    let (_, pair) = vault.get("integration/demo").unwrap();
    let mut needles = Needles::default();
    needles.add_bytes("the Secret Key", pair.secret().expose());
    needles.assert_none("standard output", &output.stdout);
    needles.assert_none("standard error", &output.stderr);
    let files = files_below(&home);
    assert!(files.len() > 8, "{files:?}");
    for file in files {
        needles.assert_none(&file.display().to_string(), &std::fs::read(&file).unwrap());
    }
}

/// The counts of every field that all findings have add up, and a list that is read in
/// parts has each finding once.
fn lists_add_up(home: &Path, findings: i64) {
    for field in ["severity", "state", "scan_type", "application", "context"] {
        let counted = run(home, &["findings", "--facet", field, "--json"]);
        let counts = stdout(&counted);
        let count = |line| serde_json::from_str::<Value>(line).unwrap()["findings"].as_i64();
        assert_eq!(counts.lines().filter_map(count).sum::<i64>(), findings, "{field}");
    }
    let refused = run(home, &["findings", "--facet", "cvss"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("severity, state"), "{}", stderr(&refused));

    let filter = "severity[gte]4 and (scan_type[eq]STATIC or text[like]deserialization)";
    let whole = stdout(&run(home, &["findings", "--json", "--filter", filter]));
    let (mut parts, mut after) = (String::new(), None::<String>);
    loop {
        let mut command = countersign(home);
        command.args(["findings", "--json", "--limit", "250", "--filter", filter]);
        command.args(after.iter().flat_map(|after| ["--after", after]));
        let part = command.output().unwrap();
        parts.push_str(&stdout(&part));
        after = stderr(&part).trim().strip_prefix("go on with --after ").map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    assert!(whole.lines().count() > 500 && parts == whole);
    let lost = run(home, &["findings", "--after", "nowhere"]);
    assert_eq!(lost.status.code(), Some(2));
}
