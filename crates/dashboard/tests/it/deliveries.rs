//! Deliveries: where destinations stand, and what operators do about them.

use countersign_dashboard::people::Role;
use countersign_store::{
    Action, DeliveryMode, DestinationRow, LinkRow, LinkStanding, NewSend, Planned, SendRow,
    SendState, Settlement,
};

use super::{Desk, START_MS, flaw};

const SCRIPT: &str = "<script>alert(1)</script>\u{202e}";

async fn destination(desk: &Desk) -> DestinationRow {
    let place = "https://tracker.example.com/shop";
    let made =
        desk.store.keep_destination("tickets", "jira", place, DeliveryMode::Live, START_MS).await;
    made.unwrap()
}

fn send(group: &str, state: SendState, title: &str) -> NewSend {
    let subject = serde_json::json!({"application": "a", "kind": "finding", "value": "v",
        "context": "policy", "finding": null, "version": null});
    let ticket = serde_json::json!({"title": title, "body": [], "severity": 4, "labels": [],
        "due": null, "assignee": null, "digest": "d", "comment": null, "why": null});
    let payload = serde_json::json!({"subject": subject, "findings": [], "ticket": ticket});
    NewSend {
        uid: format!("msg_{group}"),
        group: group.to_owned(),
        from_seq: 1,
        to_seq: 1,
        action: Action::Create,
        payload: payload.to_string(),
        state,
        reason: (state == SendState::Held).then(|| format!("more than 25 {SCRIPT}")),
    }
}

async fn plan(desk: &Desk, row: &DestinationRow, sends: Vec<NewSend>) {
    let planned = Planned { sends, ..Planned::default() };
    assert!(desk.store.plan_sends(row.id, row.cursor, planned, START_MS).await.unwrap());
}

/// Claims the one that is due and ends it.
async fn end(
    desk: &Desk,
    row: &DestinationRow,
    state: SendState,
    link: Option<LinkRow>,
) -> SendRow {
    let send = desk.store.due_sends(row.id, START_MS, 1).await.unwrap().remove(0);
    desk.store.claim_sends(vec![(send.id, send.attempts, START_MS)]).await.unwrap();
    let findings = desk.store.findings(countersign_store::Query { limit: 9, ..Default::default() });
    let ids = findings.await.unwrap().into_iter().map(|row| row.finding.id).collect();
    let settlement = Settlement {
        send: send.id,
        state,
        is_counted: true,
        reason: Some(format!("it answered 422: {SCRIPT}")),
        next_ms: START_MS,
        started_ms: None,
        reference: None,
        answer: None,
        link: link.map(|link| (link, ids)),
        want: None,
    };
    desk.store.settle_sends(row.id, vec![settlement], START_MS).await.unwrap();
    send
}

#[tokio::test]
async fn nothing_is_configured() {
    let desk = Desk::start().await;
    let mut reader = desk.person("rita", Role::Reader).await;
    let page = reader.get("/deliveries").await;
    assert!(page.body.contains("Findings are delivered nowhere"), "{}", page.body);
    desk.end().await;
}

#[tokio::test]
async fn an_operator_approves_what_is_held() {
    let desk = Desk::start().await;
    let row = destination(&desk).await;
    let title = format!("SQL injection {SCRIPT}");
    plan(&desk, &row, vec![send("a", SendState::Held, &title), send("b", SendState::Held, "Two")])
        .await;
    let mut reader = desk.person("rita", Role::Reader).await;
    let page = reader.get("/deliveries").await;
    for words in
        ["tracker.example.com", "waits for approval", "SQL injection", "more than 25", "Two"]
    {
        assert!(page.body.contains(words), "{words}: {}", page.body);
    }
    assert!(!page.body.contains("<script>") && !page.body.contains('\u{202e}'));
    assert!(!page.body.contains("Approve all"), "a reader is not offered what is refused");
    let own = format!("token={}", page.token());
    assert_eq!(reader.post("/deliveries/tickets/approve", &own, &[]).await.status, 403);
    assert!(desk.store.due_sends(row.id, START_MS, 9).await.unwrap().is_empty());

    let mut operator = desk.person("otto", Role::Operator).await;
    let page = operator.get("/deliveries").await;
    assert!(page.body.contains("Approve all 2"), "{}", page.body);
    let page = operator.send(&page, "/deliveries/tickets/approve", &[]).await;
    assert!(!page.body.contains("waits for approval"), "{}", page.body);
    assert_eq!(desk.store.due_sends(row.id, START_MS, 9).await.unwrap().len(), 2);
    let own = format!("token={}", page.token());
    assert_eq!(operator.post("/deliveries/nobody/approve", &own, &[]).await.status, 404);
    let again = operator.post("/deliveries/tickets/approve", &own, &[]).await;
    assert_eq!(again.status, 409, "nothing is held: {}", again.body);
    desk.end().await;
}

#[tokio::test]
async fn an_operator_sends_again_what_failed() {
    let desk = Desk::start().await;
    let row = destination(&desk).await;
    plan(&desk, &row, vec![send("a", SendState::Pending, "One")]).await;
    let failed = end(&desk, &row, SendState::Failed, None).await;
    let path = format!("/deliveries/sends/{}/replay", failed.id.number());
    let mut reader = desk.person("rita", Role::Reader).await;
    let page = reader.get("/deliveries").await;
    assert!(page.body.contains("it answered 422") && page.body.contains("✗ failed"));
    assert!(!page.body.contains("Send again") && !page.body.contains("<script>"));
    let mut operator = desk.person("otto", Role::Operator).await;
    let page = operator.get("/deliveries").await;
    assert!(page.body.contains("Send again"), "{}", page.body);
    let page = operator.send(&page, &path, &[]).await;
    assert!(!page.body.contains("Send again"), "{}", page.body);
    let due = desk.store.due_sends(row.id, START_MS, 9).await.unwrap();
    assert_eq!((due.len(), &due[0].uid), (1, &failed.uid), "under the same id");
    let own = format!("token={}", page.token());
    assert_eq!(operator.post("/deliveries/sends/999/replay", &own, &[]).await.status, 404);
    desk.end().await;
}

#[tokio::test]
async fn a_finding_shows_where_it_was_delivered() {
    let desk = Desk::start().await;
    let row = destination(&desk).await;
    let findings = desk.bring_in("Alpha", &[flaw(1, 4, "x")]).await;
    plan(&desk, &row, vec![send("a", SendState::Pending, "One")]).await;
    let link = LinkRow {
        group: "a".into(),
        subject: "{}".into(),
        reference: format!("SHOP-1{SCRIPT}"),
        url: Some("https://tracker.example.com/browse/SHOP-1".into()),
        digest: "d".into(),
        standing: LinkStanding::RefusedTheirs,
        is_remarked: false,
        created_ms: START_MS,
        changed_ms: START_MS,
    };
    end(&desk, &row, SendState::Sent, Some(link)).await;
    let mut reader = desk.person("rita", Role::Reader).await;
    let page = reader.get(&format!("/findings/{}", findings[0].id)).await;
    for words in ["Delivered to", "tracker.example.com/browse/SHOP-1", "not to be done"] {
        assert!(page.body.contains(words), "{words}: {}", page.body);
    }
    assert!(!page.body.contains("<script>") && !page.body.contains('\u{202e}'));
    desk.end().await;
}
