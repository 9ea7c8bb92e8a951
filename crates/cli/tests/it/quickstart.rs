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
    one_population(&home, usize::try_from(findings).unwrap());
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

/// With an application that is gone and with sandboxes, a filter is as many findings for
/// every command, and each says which those are.
fn one_population(home: &Path, findings: usize) {
    lose_an_application(home);
    let place = "policy context, visible applications";
    let mut counts = Vec::new();
    for (filter, name) in [
        ("", "any state, policy context and sandboxes, applications visible or not".to_owned()),
        ("context[eq]policy and visible[eq]true", format!("any state, {place}")),
        ("state[eq]open and context[eq]policy and visible[eq]true", format!("open, {place}")),
        (
            "visible[eq]false and context[ne]policy",
            "any state, sandboxes, applications no longer visible".to_owned(),
        ),
    ] {
        let with = |args: &[&str]| {
            let mut command = countersign(home);
            command.args(args);
            if !filter.is_empty() {
                command.args(["--filter", filter]);
            }
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", stderr(&output));
            output
        };
        let count = stdout(&with(&["findings", "--json"])).lines().count();
        let exported = with(&["export", "--format", "ndjson"]);
        assert_eq!(stdout(&exported).lines().count(), count, "{filter}");
        let grouped = countersign_text::grouped(count as u64);
        let told = stderr(&exported);
        assert!(told.contains(&format!("{grouped} findings ({name})")), "{filter}: {told}");
        for field in ["severity", "state", "context", "visible", "application"] {
            let rows = stdout(&with(&["findings", "--facet", field, "--json"]));
            let of = |line| serde_json::from_str::<Value>(line).unwrap()["findings"].as_u64();
            assert_eq!(rows.lines().filter_map(of).sum::<u64>(), count as u64, "{filter}: {field}");
        }
        counts.push(count);
    }
    assert_eq!(counts[0], findings, "an export of everything lacks nothing");
    assert!(counts[1] < counts[0] && counts[2] < counts[1] && counts[3] > 0, "{counts:?}");
    let listed = stdout(&run(home, &["applications", "--json"]));
    let of = |name: &str| -> u64 {
        let rows = listed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        rows.filter(|row| row["gone"] == false).map(|row| row[name].as_u64().unwrap()).sum()
    };
    assert_eq!(of("policy_findings"), counts[1] as u64);
    assert!(of("findings") > of("policy_findings"), "sandboxes");
}

/// One with a sandbox is no longer visible.
fn lose_an_application(home: &Path) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = countersign_store::Store::open(&home.join("store.sqlite")).await.unwrap();
        let run = store.runs(None, 1).await.unwrap()[0].id;
        let rows = store.applications().await.unwrap();
        let lost = rows.iter().find(|row| row.in_sandboxes > 0).unwrap();
        let guid = lost.application.guid.to_string();
        assert!(store.mark_applications_gone(run, vec![guid]).await.unwrap() > 0);
        store.close().await;
    });
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
        after = stderr(&part).trim().strip_prefix("continue with --after ").map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    assert!(whole.lines().count() > 500 && parts == whole);
    let lost = run(home, &["findings", "--after", "nowhere"]);
    assert_eq!(lost.status.code(), Some(2));
}
