//! What changed, in sentences.

use countersign_dashboard::people::Role;
use countersign_findings::{Application, Context, Difference, Finding};
use countersign_store::{Change, ChangeKind, Put, Reading};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Desk, GUID, START_MS, flaw};

#[tokio::test]
async fn a_change_is_told_in_sentences() {
    let desk = Desk::start().await;
    let first = desk.bring_in("Alpha", &[flaw(1, 3, "x")]).await;
    let raw = json!({"guid": GUID, "profile": {"name": "Alpha"}}).to_string();
    let application = Application::decode(&raw).unwrap();
    let mut writer = desk.store.open_application(desk.run, &application, &raw).await.unwrap();
    let record = flaw(1, 5, "y").to_string();
    let finding = Finding::decode(&record, &application.guid, &Context::Policy).unwrap();
    let mut differences = first[0].differences(&finding);
    differences.push(Difference {
        field: "last_seen".into(),
        before: Value::Null,
        after: json!("2026-06-01T00:00:00.000Z"),
    });
    let comment = json!([{"action": "COMMENT", "user": "Sam <b>Lee</b>", "comment": "why?"}]);
    differences.push(Difference { field: "annotations".into(), before: json!([]), after: comment });
    let hash = Sha256::digest(record.as_bytes()).into();
    let change = Some(Change { kind: ChangeKind::Changed, differences });
    writer.put(Put { finding, raw: &record, hash, change }).await.unwrap();
    writer.commit(Reading::Complete { read_ms: START_MS }).await.unwrap();
    let mut reader = desk.person("rita", Role::Reader).await;
    for path in ["/changes?kind=changed".to_owned(), format!("/findings/{}", first[0].id)] {
        let page = reader.get(&path).await;
        for sentence in [
            "severity rose from Medium to Very High",
            "Sam &#60;b&#62;Lee&#60;/b&#62; commented: “why?”",
        ] {
            let is_told = page.body.contains(sentence)
                || page.body.contains(&sentence.replace("&#60;", "&lt;").replace("&#62;", "&gt;"));
            assert!(is_told, "{path}: {sentence}: {}", page.body);
        }
        assert!(!page.body.contains("last_seen"), "{path}: {}", page.body);
    }
    desk.end().await;
}
