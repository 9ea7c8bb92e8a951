//! Findings of other scanners by the command line: what is refused, what every other command
//! makes of them, and that a process that is killed loses and doubles nothing.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::crash::content;
use crate::program::{countersign, pause, run, stderr, stdout};

const FINDINGS: usize = 10_000;
const APPLICATIONS: usize = 16;
const KILLS: u32 = 24;

fn home() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let added = run(&home, &["integration", "add", "scanners", "--imported"]);
    assert!(added.status.success(), "{}", stderr(&added));
    (folder, home)
}

fn finding(n: usize) -> Value {
    let mut value = json!({
        "class_uid": 2007, "activity_id": 1, "severity_id": n % 5 + 1, "status_id": 1 + n % 2,
        "time": 1_767_323_045_000_i64 + n as i64,
        "metadata": {"version": "1.8.0",
            "product": {"name": "Example Scanner", "vendor_name": "Example", "version": "3.1"}},
        "application": {"uid": format!("app-{}", n % APPLICATIONS),
            "name": format!("shop {}", n % APPLICATIONS)},
        "finding_info": {"uid": format!("f-{n}"), "title": format!("the flaw {n}"),
            "first_seen_time": 1_767_000_000_000_i64},
    });
    match n % 3 {
        0 => {
            value["vulnerabilities"] = json!([{"cwe": {"uid": "CWE-89", "caption": "SQL Injection"},
                "affected_code": [{"file": {"name": "a.rs", "path": format!("src/{n}/a.rs"),
                    "type_id": 1}, "start_line": n % 100 + 1}]}]);
        }
        1 => {
            value["vulnerabilities"] = json!([{"cve": {"uid": format!("CVE-2026-{:04}", n % 1000)},
                "affected_packages": [{"name": "left-pad", "version": "1.0.0",
                    "purl": "pkg:npm/left-pad@1.0.0"}]}]);
        }
        _ => {
            value["vulnerabilities"] = json!([{"cwe": {"uid": "CWE-79"}}]);
            value["resources"] = json!([{"uid": format!("https://shop.example.com/{n}"),
                "name": format!("/{n}"), "hostname": "shop.example.com", "type": "url"}]);
        }
    }
    value
}

fn write(path: &Path, findings: &[Value]) -> String {
    std::fs::write(path, Value::from(findings).to_string()).unwrap();
    path.display().to_string()
}

#[test]
fn killed_at_any_moment_it_ends_up_the_same() {
    let (folder, undisturbed) = home();
    let findings: Vec<_> = (0..FINDINGS).map(finding).collect();
    let file = write(&folder.path().join("findings.json"), &findings);
    let began = Instant::now();
    let output = run(&undisturbed, &["import", &file]);
    assert!(output.status.success(), "{}", stderr(&output));
    let whole = began.elapsed();
    let expected = content(&undisturbed);
    let count = |letter| expected.iter().filter(|line| line.starts_with(letter)).count();
    assert_eq!((count('f'), count('c')), (FINDINGS, FINDINGS), "each is in the feed once");

    let (mut kept, mut home) = home();
    let mut broken_off = 0;
    for kill in 0..KILLS {
        let mut child = countersign(&home)
            .args(["import", &file])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // A different moment each time, from the start to past the end.
        pause(whole.mul_f64(f64::from(kill * 7 % 23) / 23.0) + Duration::from_millis(5));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            assert_eq!(content(&home), expected);
            (kept, home) = self::home();
        } else {
            child.kill().unwrap();
            child.wait().unwrap();
            broken_off += 1;
        }
    }
    assert!(broken_off > KILLS / 3, "{broken_off} were killed in the middle");
    let again = run(&home, &["import", &file, "--json"]);
    assert!(again.status.success(), "{}", stderr(&again));
    let report: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(report["findings"]["total"], FINDINGS);
    assert_eq!(content(&home), expected);
    let check = run(&home, &["store", "check"]);
    assert!(check.status.success(), "{}{}", stdout(&check), stderr(&check));
    drop(kept);
}

#[test]
fn what_cannot_be_is_refused_where_it_is() {
    let (folder, home) = home();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    for (args, told) in [
        (vec!["import".to_owned(), file("none.json", "[")], "not a JSON array"),
        (vec!["import".to_owned(), folder.path().join("no").display().to_string()], "no such file"),
        (vec!["import".to_owned(), file("b", "\0\0"), "-i".into(), "scanners".into()], "not text"),
        (vec!["import".to_owned(), file("c", "[]"), "-i".into(), "other".into()], "no integration"),
    ] {
        let output = countersign(&home).args(&args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(told), "{args:?}: {}", stderr(&output));
    }
    let other = folder.path().join("other");
    let output = run(&other, &["import", &file("empty.json", "[]")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("integration add scanners --imported"), "{}", stderr(&output));

    // One a line, with one that is none, one of a wrong type and one that comes twice.
    let mut wrong = finding(1);
    wrong["finding_info"]["uid"] = json!(7);
    let lines = format!("{}\n\nno\n{wrong}\n{}\n{}\n", finding(0), finding(2), finding(0));
    let output = run(&home, &["import", &file("findings.ndjson", &lines)]);
    assert_eq!(output.status.code(), Some(6), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("refused: /1: it is not JSON"), "{said}");
    assert!(said.contains("refused: /2/finding_info/uid: "), "{said}");
    assert_eq!(
        stdout(&output).trim_end(),
        "scanners: 5 findings: 2 new, 1 superseded by a later one of the same file, 2 refused"
    );
    let mut child = countersign(&home)
        .args(["import", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(6));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let counts = ["new", "unchanged", "total"].map(|name| report["findings"][name].as_u64());
    assert_eq!(counts, [Some(0), Some(2), Some(2)]);
    assert_eq!(report["refused"][1]["pointer"], "/2/finding_info/uid");
}

#[test]
fn every_command_knows_what_it_is() {
    let (folder, home) = home();
    let findings: Vec<_> = (0..90).map(finding).collect();
    let file = write(&folder.path().join("findings.json"), &findings);
    assert!(run(&home, &["import", &file]).status.success());
    let json = |args: &[&str]| -> Vec<Value> {
        let output = run(&home, args);
        assert!(output.status.success(), "{args:?}: {}{}", stdout(&output), stderr(&output));
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    assert_eq!(json(&["findings", "--json"]).len(), 90);
    assert_eq!(json(&["findings", "-i", "scanners", "-f", "scan_type[eq]SCA", "--json"]).len(), 30);
    let one = &json(&["findings", "-f", "title[eq]\"the flaw 3\"", "--json"])[0];
    assert_eq!(one["source"]["product"]["name"], "Example Scanner");
    assert_eq!(one["source"]["ocsf"], finding(3));
    let id = one["id"].as_str().unwrap();
    assert_eq!(json(&["finding", id, "--json"]).len(), 1);
    assert!(run(&home, &["finding", id]).status.success());
    assert_eq!(json(&["applications", "--json"]).len(), APPLICATIONS);
    let listed = &json(&["integration", "list", "--json"])[0];
    assert_eq!(listed[0]["kind"], "imported");
    assert_eq!(json(&["integration", "show", "scanners", "--json"])[0]["findings"], 90);
    assert!(stdout(&run(&home, &["integration", "list"])).contains("imported"));
    let status = &json(&["status", "--json"])[0];
    assert_eq!((&status["ok"], &status["imported"][0]["name"]), (&json!(true), &json!("scanners")));
    assert!(status["imported"][0]["last_import_at"].is_string(), "{status}");
    assert!(stdout(&run(&home, &["status"])).contains("scanners: last import"));

    let sync = run(&home, &["sync"]);
    assert!(sync.status.success() && stderr(&sync).contains("imported"), "{}", stderr(&sync));
    for args in [&["sync", "scanners"][..], &["integration", "check", "scanners"]] {
        let output = run(&home, args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(stderr(&output).contains("countersign"), "{}", stderr(&output));
        assert!(stderr(&output).contains("findings of other scanners"), "{}", stderr(&output));
    }
    let doctor = run(&home, &["doctor"]);
    assert!(!stderr(&doctor).contains("no integration"), "{}", stderr(&doctor));
    assert!(doctor.status.success(), "{}{}", stdout(&doctor), stderr(&doctor));
    assert!(run(&home, &["store", "check"]).status.success());
    assert!(!run(&home, &["integration", "add", "scanners", "--imported"]).status.success());

    assert!(run(&home, &["integration", "rename", "scanners", "others"]).status.success());
    assert_eq!(json(&["findings", "-i", "others", "--json"]).len(), 90);
    assert!(run(&home, &["integration", "remove", "others", "--yes"]).status.success());
    assert_eq!(json(&["findings", "--json"]).len(), 0);
    assert!(run(&home, &["store", "check"]).status.success());
}

#[test]
fn every_format_holds_them_or_says_why() {
    let (folder, home) = home();
    let findings: Vec<_> = (0..90).map(finding).collect();
    let file = write(&folder.path().join("findings.json"), &findings);
    assert!(run(&home, &["import", &file]).status.success());
    for (format, held) in [
        ("ndjson", 90),
        ("csv", 90),
        ("ocsf", 90),
        ("sarif", 90),
        ("cyclonedx", 30),
        ("gitlab-sast", 30),
        ("gitlab-dast", 30),
        ("gitlab-dependency-scanning", 30),
        ("defectdojo", 90),
        ("html", 90),
    ] {
        let output = run(&home, &["export", "--format", format]);
        let (text, said) = (stdout(&output), stderr(&output));
        assert!(output.status.success(), "{format}: {said}");
        let mentioned = (0..90).filter(|n| text.contains(&format!("the flaw {n}"))).count();
        assert!(mentioned >= held, "{format}: {mentioned} of {held}: {said}");
        let has_purl = text.contains("pkg:npm/left-pad@1.0.0");
        assert!(has_purl || !matches!(format, "cyclonedx" | "ocsf"), "{format}");
        let told = (90 - held).to_string();
        assert!(held == 90 || said.contains(&told), "{format}: {said}");
    }
    // An own event comes back as the same finding of another scanner.
    let output = run(&home, &["export", "--format", "ocsf"]);
    let again = folder.path().join("again.ndjson");
    std::fs::write(&again, &output.stdout).unwrap();
    let again = again.display().to_string();
    let output = run(&home, &["import", &again, "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["refused"], json!([]), "{}", stderr(&output));
}
