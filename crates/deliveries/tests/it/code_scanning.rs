//! Code scanning: what is open, once for each application, until it was processed.

use std::io::Read;
use std::sync::{Arc, Mutex};

use countersign_deliveries::receiver::{Taken, Uploads, Verdict, Whole};
use countersign_deliveries::receivers::code_scanning::{CodeScanning, Settings};
use countersign_deliveries::wire::Method;
use countersign_findings::{Application, Context, Finding};
use countersign_store::{ChangeKind, FindingRow, Seek};
use data_encoding::BASE64;
use flate2::read::GzDecoder;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::fake::{Fake, json as answer};
use crate::{invented, sample};

const GUID: &str = "11111111-2222-4333-8444-555555555555";
const COMMIT: &str = "4b6472266afd7b471e86085a6659e8c7f2b119da";

fn application(name: &str) -> Application {
    Application::decode(&json!({"guid": GUID, "profile": {"name": name}}).to_string()).unwrap()
}

fn row(id: usize, severity: u8, status: &str) -> FindingRow {
    let raw = json!({"issue_id": id, "scan_type": "STATIC", "build_id": id,
        "finding_status": {"status": status, "last_seen_date": "2026-05-01T10:00:00.000Z"},
        "finding_details": {"severity": severity, "cwe": {"id": 89, "name": "SQL Injection"},
            "file_path": "com/example/Login.java", "file_line_number": 42}})
    .to_string();
    let application = application("Shop");
    FindingRow {
        finding: Finding::decode(&raw, &application.guid, &Context::Policy).unwrap(),
        application_name: application.name,
        integration: "test".into(),
        gone: false,
        visible: true,
        raw,
        added_ms: 0,
        changed_ms: 0,
        last: ChangeKind::New,
        paths: None,
        paths_ms: None,
        seek: "AAAAAAAAAAAA".parse::<Seek>().unwrap(),
    }
}

fn settings(target: Value) -> Settings {
    serde_json::from_value(json!({"repositories": {"Shop": target}})).unwrap()
}

fn scanning(fake: &Fake) -> CodeScanning {
    let target = json!({"repository": "octo/shop", "prefix": "src/main/java"});
    CodeScanning::new(settings(target), fake.access("ghp_secret")).unwrap()
}

fn render(scanning: &CodeScanning, rows: &[FindingRow]) -> Value {
    let application = application("Shop");
    let whole = Whole { application: &application, rows };
    serde_json::from_slice(&scanning.render(&whole).unwrap()).unwrap()
}

fn silent() -> Fake {
    Fake::new(|asked| panic!("{asked:?}"))
}

/// A GitHub that says these states of an upload, one after the other.
fn hub(states: &[Value]) -> Fake {
    let states = Arc::new(Mutex::new(states.to_vec()));
    Fake::new(move |asked| match (asked.method, asked.target().as_str()) {
        (Method::Get, "/repos/octo/shop") => answer(200, json!({"default_branch": "feature/a b"})),
        (Method::Get, "/repos/octo/shop/git/ref/heads/feature/a%20b") => {
            answer(200, json!({"object": {"sha": COMMIT}}))
        }
        (Method::Post, "/repos/octo/shop/code-scanning/sarifs") => {
            answer(202, json!({"id": "47177e22"}))
        }
        (Method::Get, "/repos/octo/shop/code-scanning/sarifs/47177e22") => {
            let mut states = states.lock().unwrap();
            let state = if states.len() > 1 { states.remove(0) } else { states[0].clone() };
            match state.as_u64() {
                Some(status) => answer(u16::try_from(status).unwrap(), json!({})),
                None => answer(200, state),
            }
        }
        _ => answer(404, json!({"message": "Not Found"})),
    })
}

async fn send(fake: &Fake, rows: &[FindingRow]) -> Verdict {
    let scanning = scanning(fake);
    let content = render(&scanning, rows).to_string();
    scanning.send(&application("Shop"), "uid", content.as_bytes(), 0).await
}

fn status(word: &str) -> Value {
    json!({"processing_status": word})
}

#[test]
fn settings_are_refused_in_words() {
    let refused =
        |target: Value| CodeScanning::new(settings(target), silent().access("x")).err().unwrap();
    assert!(refused(json!({"repository": "shop"})).contains("`Shop`: `shop` is not a repository"));
    for odd in ["refs/tags/v1", "", "a b", "a..b", "/a", "refs/pull/1/merge"] {
        let why = refused(json!({"repository": "a/b", "ref": odd}));
        assert!(why.contains("which is not a branch"), "{why}");
    }
    assert!(
        refused(json!({"repository": "a/b", "prefix": "/etc"})).contains("within a repository")
    );
    let none = serde_json::from_value(json!({"repositories": {}})).unwrap();
    assert!(CodeScanning::new(none, silent().access("x")).is_err());
}

#[test]
fn an_application_without_a_repository_has_no_place() {
    let scanning = scanning(&silent());
    let why = scanning.place(&application("Other")).unwrap_err();
    assert_eq!(why, "`repositories` names no repository of the application `Other`");
    assert_eq!(scanning.place(&application("shop")), Ok(()));
    let settings =
        serde_json::from_value(json!({"repositories": {GUID: {"repository": "octo/shop"}}}))
            .unwrap();
    let scanning = CodeScanning::new(settings, silent().access("x")).unwrap();
    assert_eq!(scanning.place(&application("Other")), Ok(()));
}

#[test]
fn the_category_is_that_of_the_application_and_nothing_open_is_one_run() {
    let scanning = scanning(&silent());
    let none = render(&scanning, &[]);
    let mut gone = row(3, 4, "OPEN");
    gone.gone = true;
    let closed = render(&scanning, &[row(1, 4, "CLOSED"), gone]);
    assert_eq!(closed, none);
    let runs = none["runs"].as_array().unwrap();
    assert_eq!((runs.len(), &runs[0]["results"]), (1, &json!([])));
    assert_eq!(runs[0]["automationDetails"]["id"], format!("countersign/{GUID}/"));
    let some = render(&scanning, &[row(1, 4, "CLOSED"), row(2, 4, "OPEN")]);
    assert_eq!(some["runs"][0]["automationDetails"], runs[0]["automationDetails"]);
    let result = &some["runs"][0]["results"];
    assert_eq!(result.as_array().unwrap().len(), 1);
    let place = &result[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(place, "src/main/java/com/example/Login.java");
}

#[test]
fn folders_are_stripped() {
    let target = json!({"repository": "o/r", "strip": "com/example", "prefix": "app"});
    let scanning = CodeScanning::new(settings(target), silent().access("x")).unwrap();
    let file = render(&scanning, &[row(1, 4, "OPEN")]);
    let place = &file["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "app/Login.java");
}

#[test]
fn another_repository_is_another_content() {
    let of = |target| CodeScanning::new(settings(target), silent().access("x")).unwrap();
    let one = render(&of(json!({"repository": "o/r"})), &[]);
    let other = render(&of(json!({"repository": "o/s"})), &[]);
    let branch = render(&of(json!({"repository": "o/r", "ref": "x"})), &[]);
    assert!(one != other && one != branch);
}

#[tokio::test(start_paused = true)]
async fn what_is_over_the_limits_is_said() {
    let rows: Vec<_> = (0..5_003).map(|id| row(id, if id < 4 { 1 } else { 5 }, "OPEN")).collect();
    let file = render(&scanning(&silent()), &rows);
    let results = file["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 5_000);
    assert_eq!(results.iter().filter(|result| result["level"] == "note").count(), 1);
    let verdict = send(&hub(&[status("complete")]), &rows).await;
    let Verdict::Taken(Taken { remark: Some(remark), .. }) = verdict else { panic!("{verdict:?}") };
    assert!(remark.contains("3 of those that are least severe were not sent"), "{remark}");
    // What does not compress.
    let mut noise = 1_u64;
    let content: Vec<u8> = std::iter::repeat_with(|| {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        noise.to_le_bytes()
    })
    .take(1_400_000)
    .flatten()
    .collect();
    let verdict = scanning(&silent()).send(&application("Shop"), "u", &content, 0).await;
    assert!(matches!(&verdict, Verdict::Refused(why) if why.contains("10000000")), "{verdict:?}");
}

#[tokio::test(start_paused = true)]
async fn what_github_could_not_process_failed_in_its_words() {
    let failed = json!({"processing_status": "failed", "errors": ["rejecting SARIF", "too big"]});
    let verdict = send(&hub(&[status("pending"), failed]), &[]).await;
    let why = "GitHub could not process the file: rejecting SARIF; too big";
    assert_eq!(verdict, Verdict::Refused(why.into()));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_processed_in_time_is_taken_with_a_remark() {
    let fake = hub(&[json!(404), json!(500), status("pending")]);
    let verdict = send(&fake, &[]).await;
    let Verdict::Taken(Taken { remark: Some(remark), .. }) = verdict else { panic!("{verdict:?}") };
    assert!(remark.contains("did not say within 2 minutes"));
    assert_eq!(fake.asked().len(), 3 + 24);
}

#[tokio::test(start_paused = true)]
async fn a_file_is_sent_for_the_head_of_the_branch() {
    let fake = hub(&[json!(404), status("pending"), status("complete")]);
    let rows = [row(1, 4, "OPEN")];
    let verdict = send(&fake, &rows).await;
    let web = "https://github.com/octo/shop/security/code-scanning".to_owned();
    assert_eq!(verdict, Verdict::taken("47177e22", Some(web)));
    let sent = fake.asked()[2].json();
    assert_eq!(sent["commit_sha"], COMMIT);
    assert_eq!(sent["ref"], "refs/heads/feature/a b");
    let packed = BASE64.decode(sent["sarif"].as_str().unwrap().as_bytes()).unwrap();
    let mut text = String::new();
    GzDecoder::new(&*packed).read_to_string(&mut text).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(file, render(&scanning(&silent()), &rows));
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_one_repository_is_not_wrong_with_others() {
    let fake = Fake::new(|asked| match asked.target().as_str() {
        "/repos/octo/shop" => answer(200, json!({"default_branch": "main"})),
        _ => answer(404, json!({"message": "Not Found"})),
    });
    let why = "the repository `octo/shop` has no branch `main`".to_owned();
    assert_eq!(send(&fake, &[]).await, Verdict::Settings(why.clone()));
    let settings = serde_json::from_value(json!({"repositories": {
        "Shop": {"repository": "octo/shop"}, "Other": {"repository": "octo/other"}}}))
    .unwrap();
    let several = CodeScanning::new(settings, fake.access("x")).unwrap();
    let verdict = several.send(&application("Shop"), "u", b"{}", 0).await;
    assert_eq!(verdict, Verdict::Refused(why));
    let fake = Fake::new(|_| answer(401, json!({"message": "Bad credentials"})));
    assert!(matches!(send(&fake, &[]).await, Verdict::Settings(_)));
    let disabled = Fake::new(|asked| match asked.target().as_str() {
        "/repos/octo/shop" => answer(200, json!({})),
        _ => answer(403, json!({"message": "Code scanning is not enabled for this repository."})),
    });
    let verdict = scanning(&disabled).probe().await;
    assert!(
        matches!(&verdict, Verdict::Settings(why) if why.contains("not enabled")),
        "{verdict:?}"
    );
}

/// For the rules that Microsoft's SARIF Multitool has for code scanning.
#[test]
fn made_up_files() {
    let mut runner = TestRunner::deterministic();
    let settings = settings(json!({"repository": "octo/shop"}));
    let scanning = CodeScanning::new(settings, silent().access("x")).unwrap();
    let application = sample::application();
    for (number, most) in [1, 400, 400].into_iter().enumerate() {
        let rows = sample::made_up_rows(most + 1).new_tree(&mut runner).unwrap().current();
        let rows = if most == 1 { &[] } else { &rows[..] };
        let file = scanning.render(&Whole { application: &application, rows }).unwrap();
        let file = String::from_utf8(file).unwrap();
        invented::made_up(&format!("code-scanning-{number}.sarif"), vec![file]);
    }
}

proptest! {
    #[test]
    fn the_order_of_findings_and_the_time_change_nothing(
        mut ids in prop::collection::vec(0..50_usize, 0..8), turn in 0..8_usize,
    ) {
        ids.sort_unstable();
        ids.dedup();
        let rows: Vec<_> = ids.iter().map(|id| row(*id, (id % 6) as u8, "OPEN")).collect();
        let mut turned = rows.clone();
        turned.rotate_left(turn.min(rows.len()));
        for row in &mut turned {
            row.changed_ms = 7;
            row.finding.last_seen_ms = Some(7);
            row.finding.build_id = None;
            row.last = ChangeKind::Changed;
        }
        let scanning = scanning(&silent());
        prop_assert_eq!(render(&scanning, &rows), render(&scanning, &turned));
    }
}
