//! Integrations: their runs, and what operators do.

use std::sync::atomic::Ordering;

use countersign_dashboard::people::Role;
use countersign_findings::{Application, imported};
use countersign_store::{Audited, Change, ChangeKind, Problem, Put, Reading, RunKind};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Desk, RunSummary, START_MS};

#[tokio::test]
async fn a_run_shows_what_it_did_and_what_to_do() {
    let desk = Desk::start().await;
    let report = json!({
        "findings": {"new": 1234, "closed": 3}, "requests": 77,
        "problems": [{"application": "a-b", "reason": "the service failed\nhint: try <later>"}],
    });
    let summary = RunSummary {
        finished_ms: START_MS + 90_000,
        complete: false,
        requests: 77,
        report: report.to_string(),
    };
    desk.store.finish_run(desk.run, summary).await.unwrap();
    let mut reader = desk.person("rita", Role::Reader).await;
    let page = reader.get("/integrations").await;
    for words in [
        "1,234 new, 3 closed",
        "90 seconds",
        "incomplete",
        "the service failed",
        "try &lt;later&gt;",
    ] {
        assert!(page.body.contains(words), "{words}: {}", page.body);
    }
    assert!(!page.body.contains("Run now"), "a reader is not offered what is refused");
    assert!(desk.store.runs(Some(desk.integration), 5).await.unwrap().len() == 1);
    desk.end().await;
}

#[tokio::test]
async fn what_was_read_longest_ago_and_what_the_audit_missed_is_shown() {
    let desk = Desk::start().await;
    let mut reader = desk.person("rita", Role::Reader).await;
    let before = reader.get("/integrations").await;
    assert!(!before.body.contains("Last audit"), "{}", before.body);
    let audited = Audited {
        at_ms: START_MS,
        applications: 2,
        missed_by_dates: 0,
        missed_by_scans: 0,
        period_ms: 86_400_000,
        clean: 1,
    };
    desk.store.note_audit(desk.integration, audited).await.unwrap();
    let page = reader.get("/integrations").await;
    let words = "2 applications read completely, no finding missed";
    assert!(page.body.contains(words) && !page.body.contains("<strong>2 "), "{}", page.body);
    let missed = Audited { missed_by_dates: 2, missed_by_scans: 1, ..audited };
    desk.store.note_audit(desk.integration, missed).await.unwrap();
    let page = reader.get("/integrations").await;
    let words = "<strong>2 applications read completely, 3 findings missed</strong>";
    assert!(page.body.contains(words), "{}", page.body);
    let raw = r#"{"guid": "7f0e", "profile": {"name": "Ledger <b>"}}"#;
    let application = Application::decode(raw).unwrap();
    let writer = desk.store.open_application(desk.run, &application, raw).await.unwrap();
    writer.commit(Reading::Complete { read_ms: START_MS }).await.unwrap();
    let page = reader.get("/integrations").await;
    assert!(page.body.contains("Read longest ago"), "{}", page.body);
    assert!(page.body.contains("Ledger &#60;b&#62;") || page.body.contains("Ledger &lt;b&gt;"));
    desk.end().await;
}

#[tokio::test]
async fn operators_run_pause_and_resume() {
    let desk = Desk::start().await;
    let mut operator = desk.person("otto", Role::Operator).await;
    let mut changes = desk.scheduler.subscribe();
    let page = operator.get("/integrations").await;
    assert!(page.body.contains("paused"));
    assert_eq!(operator.send(&page, "/integrations/demo/run", &[]).await.status, 200);
    while desk.runs.load(Ordering::SeqCst) == 0 {
        changes.changed().await.unwrap();
    }
    let page = operator.get("/integrations").await;
    let page = operator.send(&page, "/integrations/demo/resume", &[]).await;
    assert!(page.body.contains("/integrations/demo/pause"), "{}", page.body);
    let page = operator.send(&page, "/integrations/demo/pause", &[]).await;
    assert!(page.body.contains("/integrations/demo/resume"), "{}", page.body);
    let own = format!("token={}", page.token());
    assert_eq!(operator.post("/integrations/nobody/run", &own, &[]).await.status, 404);
    desk.end().await;
}

#[tokio::test]
async fn closures_that_were_held_back_are_accepted_by_operators() {
    let desk = Desk::start().await;
    let report = json!({
        "findings": {"held_back": 1520}, "applications": {"held_back": 7}, "requests": 3,
        "problems": [{"reason": "no scan accounts for it"}],
    });
    let summary = RunSummary {
        finished_ms: START_MS + 1000,
        complete: false,
        requests: 3,
        report: report.to_string(),
    };
    desk.store.finish_run(desk.run, summary).await.unwrap();
    let words = "closed 1,520 findings and marked 7 applications as gone";
    let mut reader = desk.person("rita", Role::Reader).await;
    let page = reader.get("/integrations").await;
    assert!(page.body.contains(words) && !page.body.contains("/integrations/demo/accept"));

    let mut operator = desk.person("otto", Role::Operator).await;
    let mut changes = desk.scheduler.subscribe();
    let page = operator.get("/integrations").await;
    assert!(page.body.contains(words) && page.body.contains("/integrations/demo/accept"));
    assert_eq!(operator.send(&page, "/integrations/demo/accept", &[]).await.status, 200);
    while desk.runs.load(Ordering::SeqCst) == 0 {
        changes.changed().await.unwrap();
    }
    desk.end().await;
}

#[tokio::test]
async fn pages_that_listen_are_told_and_let_go() {
    let desk = Desk::start().await;
    let mut operator = desk.person("otto", Role::Operator).await;
    let address = desk.address;
    let cookie = operator.cookie("countersign-session").unwrap().to_owned();
    let listening = tokio::spawn(async move {
        let mut browser = super::Browser::new(address);
        browser.set_cookie("countersign-session", &cookie);
        browser.get("/events").await
    });
    let page = operator.get("/integrations").await;
    operator.send(&page, "/integrations/demo/resume", &[]).await;
    // Ending the dashboard ends who listens.
    desk.end().await;
    let events = listening.await;
    // Whoever came too late found nobody.
    if let Ok(events) = events {
        assert_eq!(events.header("content-type"), Some("text/event-stream"));
        assert!(events.body.contains("event: change\ndata: "), "{}", events.body);
    }
}

#[tokio::test]
async fn a_damaged_store_is_shown_with_what_mends_it() {
    let desk = Desk::start().await;
    let mut reader = desk.person("rita", Role::Reader).await;
    let problem = |is_mended_by_full_sync| Problem {
        what: "the row of finding <i> is not as it was written".into(),
        is_mended_by_full_sync,
    };
    for (found, told) in [
        (vec![], None),
        (vec![problem(true)], Some(("1 problem", "countersign sync --full"))),
        (vec![problem(true), problem(false)], Some(("2 problems", "countersign store restore"))),
        (vec![], None),
    ] {
        desk.store.note_check(&found, desk.now()).await.unwrap();
        for path in ["/", "/integrations"] {
            let body = reader.get(path).await.body;
            assert_eq!(body.contains("The store is damaged"), told.is_some(), "{path}");
            if let Some((count, command)) = told {
                assert!(body.contains(count) && body.contains(command), "{path}: {body}");
                assert!(body.contains("finding &lt;i&gt; is"), "{path}: {body}");
            }
        }
    }
    desk.end().await;
}

#[tokio::test]
async fn what_others_found_is_shown_like_any_other() {
    let desk = Desk::start().await;
    let id = desk.store.add_imported_integration("scanners <x>", None, START_MS).await.unwrap();
    let run = desk.store.begin_run(id, RunKind::Import, START_MS).await.unwrap();
    let ocsf = json!({
        "class_uid": 2007, "severity_id": 5,
        "metadata": {"product": {"name": "Example Scanner"}},
        "application": {"name": "shop"},
        "finding_info": {"uid": "f-1", "title": "Weak <hash>"},
        "vulnerabilities": [{"cwe": {"uid": "CWE-328"},
            "affected_code": [{"file": {"path": "src/a.rs"}, "start_line": 3}]}],
    });
    let read = imported::read(&ocsf.to_string()).unwrap();
    let named = read.application;
    let mut writer =
        desk.store.open_application(run, &named.application, &named.raw).await.unwrap();
    let hash = Sha256::digest(read.raw.as_bytes()).into();
    let change = Some(Change { kind: ChangeKind::New, differences: Vec::new() });
    let finding = read.finding.id.clone();
    writer.put(Put { finding: read.finding, raw: &read.raw, hash, change }).await.unwrap();
    writer.commit(Reading::Complete { read_ms: START_MS }).await.unwrap();
    let report = json!({"findings": {"new": 1}, "problems": []}).to_string();
    let summary = RunSummary { finished_ms: START_MS + 1000, complete: true, requests: 0, report };
    desk.store.finish_run(run, summary).await.unwrap();
    // Long enough for any other integration to be behind.
    desk.advance(90 * 86_400_000);

    let mut operator = desk.person("otto", Role::Operator).await;
    let page = operator.get("/integrations").await;
    let at = page.body.find("scanners &lt;x&gt;").unwrap_or_else(|| panic!("{}", page.body));
    let panel = &page.body[at..];
    assert!(panel.contains("imported") && panel.contains("1 new"), "{panel}");
    assert!(!panel.contains("Run now") && !panel.contains("behind"), "{panel}");
    for path in [
        format!("/findings/{finding}"),
        "/findings?q=severity%5Beq%5D5".to_owned(),
        format!("/applications/scanners%20%3Cx%3E/{}", named.application.guid),
        "/".to_owned(),
        "/applications".to_owned(),
        "/changes".to_owned(),
    ] {
        let page = operator.get(&path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        assert!(!page.body.contains("scanners &lt;x&gt; is"), "{path}: {}", page.body);
    }
    let page = operator.get(&format!("/findings/{finding}")).await;
    assert!(page.body.contains("Weak &lt;hash&gt;"), "{}", page.body);
    assert!(
        page.body.contains("src/a.rs") && page.body.contains("Example Scanner"),
        "{}",
        page.body
    );
    desk.end().await;
}
