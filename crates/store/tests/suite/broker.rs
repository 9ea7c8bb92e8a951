//! Callers that are replaced only when revoked, and lines that are bounded.

use std::sync::Arc;

use countersign_store::{BrokerRequest, Kept, NewCaller};

use super::*;

fn caller(name: &str, digest: u8) -> NewCaller {
    NewCaller {
        name: name.into(),
        digest: [digest; 32],
        rules: vec!["GET /appsec/**".into()],
        created_ms: 1,
        expires_ms: None,
    }
}

fn line(at_ms: i64, caller: Option<&str>) -> BrokerRequest {
    BrokerRequest {
        at_ms,
        caller: caller.map(String::from),
        method: "GET".into(),
        path: "/appsec/v1/applications".into(),
        status: 200,
        refusal: None,
        duration_ms: 3,
    }
}

#[tokio::test]
async fn a_name_is_taken_until_it_is_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let (store, ..) = store(folder.path()).await;
    assert!(store.revoke_caller("ci", 2).await.unwrap_err().is_not_found());
    assert!(store.callers_of([1; 8]).await.unwrap().is_empty());
    store.add_caller(caller("ci", 1)).await.unwrap();
    let taken = store.add_caller(caller("ci", 2)).await.unwrap_err();
    assert!(taken.is_existing() && taken.to_string().contains("`ci`"), "{taken}");
    assert_eq!(store.callers_of([1; 8]).await.unwrap()[0].name, "ci");

    store.revoke_caller("ci", 5).await.unwrap();
    store.revoke_caller("ci", 9).await.unwrap();
    assert_eq!(store.callers().await.unwrap()[0].revoked_ms, Some(5), "the first time counts");
    store.add_caller(caller("ci", 2)).await.unwrap();
    assert!(store.callers_of([1; 8]).await.unwrap().is_empty(), "the old token is gone");
    let again = store.callers_of([2; 8]).await.unwrap().remove(0);
    assert_eq!((again.revoked_ms, again.rules), (None, vec!["GET /appsec/**".to_owned()]));
}

#[tokio::test]
async fn lines_are_bounded_and_strangers_push_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let (store, ..) = store(folder.path()).await;
    store.add_caller(caller("ci", 1)).await.unwrap();
    let kept = Kept { of_callers: 50, of_nobody: 20 };
    let of_ci: Vec<_> = (0..70).map(|at| line(at, Some("ci"))).collect();
    store.add_broker_requests(of_ci.into(), kept).await.unwrap();
    let strange: Arc<[_]> = (0..300).map(|at| line(at, None)).collect();
    for _ in 0..10 {
        store.add_broker_requests(Arc::clone(&strange), kept).await.unwrap();
    }
    let all = store.broker_requests(None, 10_000).await.unwrap();
    let of_ci: Vec<_> = all.iter().filter(|line| line.caller.is_some()).collect();
    assert_eq!((of_ci.len(), of_ci[0].at_ms), (50, 20), "the newest are kept");
    assert!((20..1020).contains(&(all.len() - 50)), "{}", all.len());
    let newest = store.broker_requests(Some("ci"), 2).await.unwrap();
    assert_eq!(newest.iter().map(|line| line.at_ms).collect::<Vec<_>>(), [68, 69]);
    assert_eq!(store.callers().await.unwrap()[0].last_used_ms, Some(69));
}

#[tokio::test]
async fn a_store_that_broke_is_not_one_that_is_locked() {
    let folder = tempfile::tempdir().unwrap();
    let (store, ..) = store(folder.path()).await;
    let other = engine::direct(folder.path());
    other.execute("alter table broker_requests rename to elsewhere").unwrap();
    let kept = Kept { of_callers: 1, of_nobody: 1 };
    let lines: Arc<[_]> = Arc::new([line(1, None)]);
    let error = store.add_broker_requests(Arc::clone(&lines), kept).await.unwrap_err();
    assert!(!error.is_locked(), "{error}");
    other.execute("alter table elsewhere rename to broker_requests").unwrap();
    store.add_broker_requests(lines, kept).await.unwrap();
}
