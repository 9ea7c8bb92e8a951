//! Notices, their deliveries, the calendar and handovers.

use countersign_store::{Act, CredentialId, Deed, Handover, NewNotice, NoticeKind};

use super::*;

fn notice(credential: CredentialId, threshold: i64) -> NewNotice {
    NewNotice {
        credential,
        kind: NoticeKind::Expiry,
        occasion: "1000".into(),
        threshold,
        episode: 0,
        is_urgent: false,
        raised_ms: 5,
    }
}

async fn watched(folder: &Path) -> (Store, CredentialId) {
    let (store, integration, _) = store(folder).await;
    let id = store.credential_of(integration).await.unwrap().id;
    (store, id)
}

fn channels(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn a_notice_is_raised_once_whoever_raises_it() {
    let folder = tempfile::tempdir().unwrap();
    let (store, id) = watched(folder.path()).await;
    assert!(store.raise_notice(notice(id, 7), channels(&["a", "b"])).await.unwrap());
    let again = engine::open(folder.path()).await;
    assert!(!again.raise_notice(notice(id, 7), channels(&["c"])).await.unwrap());
    let pending = || async {
        let all = store.deliveries().await.unwrap().into_iter();
        all.filter(|one| one.sent_ms.is_none()).map(|one| one.channel).collect::<Vec<_>>()
    };
    assert_eq!(pending().await, ["a", "b"], "one that is open goes where it went");
    let sent = store.deliveries().await.unwrap().remove(0);
    store.settle_delivery(&sent, None, 6).await.unwrap();
    let open = store.notices().await.unwrap();
    store.end_notices(vec![open[0].id], 9).await.unwrap();
    assert!(pending().await.is_empty(), "what ended is not sent any more");
    assert!(!again.raise_notice(notice(id, 7), channels(&["a", "b"])).await.unwrap());
    assert_eq!(pending().await, ["b"], "it goes on where it was not taken");
    assert_eq!(store.notices().await.unwrap()[0].ended_ms, None);
    let other = NewNotice { episode: 1, ..notice(id, 7) };
    assert!(store.raise_notice(other, vec![]).await.unwrap());
}

#[tokio::test]
async fn a_try_is_one_processes() {
    let folder = tempfile::tempdir().unwrap();
    let (store, id) = watched(folder.path()).await;
    store.raise_notice(notice(id, 7), channels(&["a"])).await.unwrap();
    let delivery = store.deliveries().await.unwrap().remove(0);
    assert!(store.claim_delivery(&delivery, 50).await.unwrap());
    assert!(!store.claim_delivery(&delivery, 50).await.unwrap(), "the other one was first");
    store.settle_delivery(&delivery, Some("no".into()), 6).await.unwrap();
    let failed = store.deliveries().await.unwrap().remove(0);
    assert_eq!((failed.attempts, failed.next_ms, failed.sent_ms), (1, 50, None));
    assert_eq!(store.notices().await.unwrap()[0].sent_ms, None);
    assert!(store.claim_delivery(&failed, 90).await.unwrap());
    store.settle_delivery(&failed, None, 51).await.unwrap();
    let sent = store.deliveries().await.unwrap().remove(0);
    assert_eq!((sent.sent_ms, sent.problem.clone()), (Some(51), None));
    assert!(!store.claim_delivery(&sent, 99).await.unwrap(), "sent is sent");
    assert_eq!(store.notices().await.unwrap()[0].sent_ms, Some(51));
}

#[tokio::test]
async fn an_escalation_comes_once_and_not_after_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let (store, id) = watched(folder.path()).await;
    for threshold in [3, 1] {
        store.raise_notice(notice(id, threshold), channels(&["a"])).await.unwrap();
    }
    let raised = store.notices().await.unwrap();
    store.end_notices(vec![raised[0].id], 6).await.unwrap();
    for at in [7, 8] {
        for one in &raised {
            store.escalate_notice(one.id, channels(&["boss"]), at).await.unwrap();
        }
    }
    let escalated: Vec<_> =
        store.notices().await.unwrap().iter().map(|one| one.escalated_ms).collect();
    assert_eq!(escalated, [None, Some(7)]);
    let deliveries = store.deliveries().await.unwrap();
    assert_eq!(deliveries.iter().filter(|one| one.is_escalation).count(), 1);
    assert_eq!(store.acknowledge_notices(id, 9).await.unwrap(), 1, "the ended one needs nobody");
    assert_eq!(store.acknowledge_notices(id, 10).await.unwrap(), 0);
}

#[tokio::test]
async fn a_calendar_entry_changes_its_edition_with_its_content_only() {
    let folder = tempfile::tempdir().unwrap();
    let (store, id) = watched(folder.path()).await;
    let edition = |content: &'static str, now_ms| {
        let store = store.clone();
        async move {
            let edition = store.calendar_edition(id, content.into(), now_ms).await.unwrap();
            (edition.sequence, edition.stamp_ms)
        }
    };
    assert_eq!(edition("one", 1).await, (0, 1));
    assert_eq!(edition("one", 2).await, (0, 1));
    assert_eq!(edition("two", 3).await, (1, 3));
    assert_eq!(edition("one", 4).await, (2, 4));
}

#[tokio::test]
async fn a_handover_is_claimed_settled_and_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let (store, id) = watched(folder.path()).await;
    let mut handover = Handover {
        credential: id,
        consumer: "ci".into(),
        version: 2,
        attempts: 0,
        next_ms: 0,
        delivered_ms: None,
        acknowledged_ms: None,
        problem: None,
    };
    assert!(store.claim_handover(&handover, 30).await.unwrap());
    assert!(!store.claim_handover(&handover, 30).await.unwrap());
    handover.delivered_ms = Some(4);
    let act = Act::new("test", Deed::HandoverDelivered).with("consumer", "ci").with("version", 2);
    store.settle_handover(handover.clone(), act, 4).await.unwrap();
    let held = store.handovers(id).await.unwrap().remove(0);
    assert_eq!((held.attempts, held.delivered_ms, held.next_ms), (1, Some(4), 30));
    assert_eq!(store.audit_entries(Some("test"), 1).await.unwrap()[0].act, Deed::HandoverDelivered);
}
