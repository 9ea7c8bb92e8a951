//! `export`: every format from one store, whole or not at all.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::program::{countersign, run, stderr, stdout};

#[test]
fn every_format_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let output = countersign(&home).args(["quickstart", "--once", "--json"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = object["sync"]["findings"].as_u64().unwrap();

    refused_before_a_file_is_made(&home, folder.path());
    every_format_is_whole(&home, folder.path(), findings);
    filters_are_kept_to(&home);
    sarif_is_by_application_and_context(&home, folder.path());
    options_do_what_they_say(&home);
    a_reader_may_go_away(&home);
}

fn refused_before_a_file_is_made(home: &Path, folder: &Path) {
    let file = folder.join("refused");
    let at = file.display().to_string();
    for options in [
        &["csv", "--raw"][..],
        &["ndjson", "--ocsf-class", "2002"],
        &["ocsf", "--ocsf-version", "1.3.0"],
        &["ocsf", "--ocsf-class", "2004"],
        &["ocsf", "--filter", "severity"],
        &["ndjson", "--bom"],
        &["csv", "--category", "shop"],
        &["sarif", "--map-path", "com/x"],
        &["sarif", "--source-root", "/abs"],
        &["ocsf-applications", "--filter", "severity[gte]4"],
    ] {
        std::fs::write(&file, "as it was").unwrap();
        let args = [&["export", "--format"], options, &["--output", &at]].concat();
        let output = run(home, &args);
        assert_eq!(output.status.code(), Some(2), "{options:?} {}", stderr(&output));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "as it was");
        assert!(!folder.join("refused.partial").exists(), "{options:?}");
    }
    let nowhere = folder.join("no/such/folder").display().to_string();
    let output = run(home, &["export", "--format", "csv", "--output", &nowhere]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

fn every_format_is_whole(home: &Path, folder: &Path, findings: u64) {
    for (options, unit, lines) in [
        (&["ndjson"][..], "findings", Some(findings)),
        (&["csv"], "findings", Some(findings + 1)),
        (&["ocsf"], "findings", Some(findings)),
        (&["ocsf", "--raw"], "findings", Some(findings)),
        (&["ocsf", "--ocsf-class", "2002"], "findings", Some(findings)),
        (&["ocsf", "--ocsf-class", "2002", "--ocsf-version", "1.3.0"], "findings", Some(findings)),
        (&["ocsf-applications"], "applications", Some(60)),
        #[cfg(feature = "parquet")]
        (&["parquet"], "findings", None),
        (&["sarif", "--raw"], "findings", None),
        (&["cyclonedx"], "findings", None),
        (&["gitlab-sast"], "findings", None),
        (&["gitlab-dast"], "findings", None),
        (&["gitlab-dependency-scanning"], "findings", None),
        (&["defectdojo"], "findings", None),
        (&["html"], "findings", None),
    ] {
        let file = folder.join("findings.out");
        let at = file.display().to_string();
        let written = run(home, &[&["export", "--format"], options, &["--output", &at]].concat());
        assert!(written.status.success() && written.stdout.is_empty(), "{}", stderr(&written));
        let told = stderr(&written);
        assert!(told.contains(&format!(" {unit}")) && told.contains(" in `"), "{told}");
        assert!(!folder.join("findings.out.partial").exists());
        let bytes = std::fs::read(&file).unwrap();
        if let Some(lines) = lines {
            let breaks = bytes.iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(breaks as u64, lines, "{options:?}");
        }
        if options == ["ocsf"] {
            let shown = run(home, &["export", "--format", "ocsf"]);
            assert!(shown.stdout == bytes, "{}", stderr(&shown));
        }
    }
}

fn filters_are_kept_to(home: &Path) {
    let args =
        ["export", "--format", "ocsf", "--filter", "severity[eq]5", "--filter", "state[eq]open"];
    let output = run(home, &args);
    let events = stdout(&output);
    assert!(events.lines().count() > 0, "{}", stderr(&output));
    for line in events.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&event["severity_id"], &event["status_id"]), (&5.into(), &1.into()));
        assert_eq!(event["metadata"]["tenant_uid"], "demo");
        assert!(event["metadata"]["logged_time"].as_i64() > Some(1_700_000_000_000));
        assert!(event["application"]["criticality"].is_string(), "{line}");
    }
    let told = stderr(&output);
    assert!(told.contains(&format!("{} findings", events.lines().count())), "{told}");
}

/// Of one document: the category of each run, and its results.
fn runs(document: &str) -> Vec<(String, Vec<Value>)> {
    let document: Value = serde_json::from_str(document).unwrap();
    let told = |run: &Value| {
        let id = run["automationDetails"]["id"].as_str().unwrap().to_owned();
        (id, run["results"].as_array().unwrap().clone())
    };
    document["runs"].as_array().unwrap().iter().map(told).collect()
}

fn sarif_is_by_application_and_context(home: &Path, folder: &Path) {
    let output = run(home, &["export", "--format", "sarif"]);
    let all = runs(&stdout(&output));
    assert!(
        stderr(&output).contains("code scanning accepts 20 in one file"),
        "{}",
        stderr(&output)
    );
    for (category, results) in &all {
        for result in results {
            let own = &result["properties"];
            let context = own["context"].as_str().unwrap().trim_start_matches("sandbox:");
            let expected =
                format!("countersign/{}/{context}/", own["application"].as_str().unwrap());
            assert_eq!(*category, expected);
        }
    }
    // One application has the same categories when it is exported alone.
    let application = all[0].1[0]["properties"]["application"].as_str().unwrap();
    let only = format!("application[eq]{application}");
    let alone = runs(&stdout(&run(home, &["export", "--format", "sarif", "--filter", &only])));
    let of: Vec<_> = all.iter().filter(|(category, _)| category.contains(application)).collect();
    assert!(alone.iter().eq(of), "{only}");
    // And when nothing of it is left: code scanning closes what it had.
    let none = format!("{only} and title[like]there is no such title");
    let none = runs(&stdout(&run(home, &["export", "--format", "sarif", "--filter", &none])));
    let is_policy = |(category, results): &(String, Vec<Value>)| {
        *category == format!("countersign/{application}/policy/") && results.is_empty()
    };
    assert!(none.iter().any(is_policy), "{none:?}");
    let args = ["export", "--format", "sarif", "--filter", &only, "--category", "web/shop/"];
    let named = runs(&stdout(&run(home, &args)));
    assert_eq!((named.len(), named[0].0.as_str()), (1, "web/shop/"));

    // Files have twenty runs each.
    let file = folder.join("all.sarif");
    let output =
        run(home, &["export", "--format", "sarif", "--output", &file.display().to_string()]);
    assert!(!stderr(&output).contains("code scanning"), "{}", stderr(&output));
    let mut parts = Vec::new();
    for number in 1..=all.len().div_ceil(20) {
        let part = std::fs::read_to_string(folder.join(format!("all-{number}.sarif"))).unwrap();
        let part = runs(&part);
        assert!(part.len() <= 20);
        parts.extend(part);
    }
    assert_eq!(parts.len(), all.len());
}

fn options_do_what_they_say(home: &Path) {
    let csv =
        |options: &[&str]| stdout(&run(home, &[&["export", "--format", "csv"], options].concat()));
    let (default, marked, plain) = (csv(&[]), csv(&["--bom"]), csv(&["--plain-cells"]));
    assert_eq!(marked.strip_prefix('\u{feff}'), Some(default.as_str()));
    // What would be a number is quoted: demo has versions of components.
    assert!(default.contains(",'") && plain.len() < default.len());

    let sarif = |options: &[&str]| {
        let args = [&["export", "--format", "sarif", "--filter", "scan_type[eq]STATIC"], options];
        runs(&stdout(&run(home, &args.concat())))
    };
    let path = |result: &Value| {
        let place = &result["locations"][0]["physicalLocation"]["artifactLocation"];
        place["uri"].as_str().unwrap().to_owned()
    };
    let before = path(&sarif(&[])[0].1[0]);
    let folder = before.split('/').next().unwrap();
    let map = format!("{folder}=other/place");
    let after = path(&sarif(&["--map-path", &map])[0].1[0]);
    assert_eq!(after, before.replacen(folder, "other/place", 1));
    let below = path(&sarif(&["--source-root", "src/main/java"])[0].1[0]);
    assert_eq!(below, format!("src/main/java/{before}"));
}

fn a_reader_may_go_away(home: &Path) {
    for format in ["ndjson", "csv", "ocsf", "sarif", "defectdojo", "html"] {
        let mut command = countersign(home);
        command.args(["export", "--format", format]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        reader.read_line(&mut String::new()).unwrap();
        drop(reader);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{format} {}", stderr(&output));
        assert_eq!(stderr(&output), "", "{format}");
    }
}
