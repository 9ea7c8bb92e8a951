//! Texts of the service on pages: marked, cut, and never raw.

use countersign_connector::watch::{Purpose, Row, State};
use countersign_dashboard::people::Role;
use countersign_store::{CredentialId, CredentialKind};
use serde_json::{Value, json};

use super::browser::Page;
use super::{Desk, GUID, RunSummary, START_MS, flaw};

/// Controls, what turns text around, what nobody sees, and a megabyte of it.
fn nasty(tag: &str) -> String {
    let mut text = format!("{tag} <script>\u{1b}]0;EVIL\u{7}\r\n\u{1b}[31m\u{9b}1m\u{85}\u{2028}");
    text.extend('\0'..='\u{1f}');
    text.extend('\u{7f}'..='\u{9f}');
    text.push_str("\u{202e}\u{2066}\u{200b}\u{feff}\u{ad}\u{e0041}");
    text
}

fn endless(tag: &str) -> String {
    format!("{}{}\u{202e}", nasty(tag), "a long text ".repeat(90_000))
}

fn is_harmless(c: char) -> bool {
    !matches!(c,
        '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[track_caller]
fn assert_marked(page: &Page, holds: bool) {
    let path = &page.path;
    assert_eq!(page.status, 200, "{path}");
    let odd = page.body.find(|c| !is_harmless(c));
    assert_eq!(odd.map(|at| page.body[at..].chars().take(80).collect::<String>()), None, "{path}");
    assert!(!page.body.contains("<script>\u{0}") && !page.body.contains("<script>]"), "{path}");
    assert!(!holds || page.body.contains("U+202E"), "{path} shows nothing of it");
    assert!(page.body.len() < 2_000_000, "{path}: {} bytes", page.body.len());
}

fn credential(id: CredentialId) -> Row {
    Row {
        id,
        name: "reader".into(),
        kind: CredentialKind::Hmac,
        api_id: nasty("id"),
        version: Some(1),
        host: nasty("host"),
        account: Some(endless("account")),
        user_id: Some(nasty("user")),
        added_ms: START_MS,
        published_ms: START_MS,
        expires_ms: Some(START_MS),
        days_left: Some(0),
        checked_ms: Some(START_MS),
        problem: Some(endless("problem")),
        used_ms: Some(START_MS),
        used_by: Some(nasty("use")),
        purpose: Purpose::Integration,
        integrations: vec![nasty("integration")],
        roles: vec![nasty("role")],
        needs: Vec::new(),
        excess: vec![(nasty("role"), "does things")],
        state: State::Refused,
        skew_ms: Some(0),
        is_skewed: false,
        may_be_disabled_ms: None,
        foreign_id: Some(nasty("foreign")),
        stuck_since_ms: Some(START_MS),
        stuck_at: Some(nasty("step")),
    }
}

/// A flaw all of whose texts are hostile.
fn record() -> Value {
    let mut flaw = flaw(1, 4, &endless("what it is"));
    for member in ["status", "resolution", "resolution_status"] {
        flaw["finding_status"][member] = json!(nasty(member));
    }
    for member in ["file_path", "file_name", "module", "procedure", "attack_vector"] {
        flaw["finding_details"][member] = json!(nasty(member));
    }
    flaw["finding_details"]["cwe"] =
        json!({"id": 89, "name": endless("weakness"), "href": nasty("https://example.com/")});
    flaw["annotations"] = json!([{"action": nasty("COMMENT"), "comment": endless("words"),
        "user_name": nasty("who"), "created": "2026-01-02T03:04:05.000Z"}]);
    flaw
}

#[tokio::test]
async fn no_text_of_the_service_is_raw_on_any_page() {
    let desk = Desk::start_with(None, |id| vec![credential(id)]).await;
    let findings = desk.bring_in(&endless("application"), &[record()]).await;
    let problem = json!({"application": nasty("guid"), "reason": endless("reason")});
    let report = json!({"findings": {nasty("new"): 1}, "problems": [problem]}).to_string();
    let (finished_ms, complete, requests) = (START_MS, false, 1);
    let summary = RunSummary { finished_ms, complete, requests, report };
    desk.store.finish_run(desk.run, summary).await.unwrap();
    let raw = json!({"data_paths": [{"module_name": nasty("m"), "calls": [
        {"function_name": nasty("f"), "file_path": nasty("p"), "line_number": 2}]}]});
    let id = findings[0].id.as_str();
    desk.store.keep_paths(id, &raw.to_string(), START_MS).await.unwrap();
    let mut reader = desk.person("rita", Role::Operator).await;
    for (path, holds) in [
        ("/", true),
        ("/applications", true),
        (&format!("/applications/demo/{GUID}"), true),
        ("/findings", true),
        (&format!("/findings/{id}"), true),
        ("/changes", true),
        ("/integrations", true),
        ("/credentials", true),
        ("/profile", false),
        // What was asked for comes back.
        ("/findings?filter=%1B%5B2J%E2%80%AE", false),
        ("/applications?name=%1B%5B2J%E2%80%AE", false),
        ("/changes?name=%1B%5B2J%E2%80%AE", false),
    ] {
        let page = reader.get(path).await;
        if page.status == 422 || page.status == 400 {
            let odd = page.body.find(|c| !is_harmless(c));
            assert_eq!(odd, None, "{path}");
            continue;
        }
        assert_marked(&page, holds);
    }
    // Files are whole.
    for path in [format!("/findings/{id}/raw"), format!("/findings/{id}/description")] {
        let page = reader.get(&path).await;
        assert!(page.body.chars().all(is_harmless) && page.body.len() > 1_000_000, "{path}");
    }
    let lines = reader.get("/findings.ndjson").await.body;
    assert!(lines.chars().all(is_harmless), "JSON has escapes");
    desk.end().await;
}
