//! What the scheduler remembers.

use countersign_store::{Fault, ScheduledEnd};

use super::*;

#[tokio::test]
async fn a_pause_and_a_wish_are_of_an_integration_that_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let (store, ..) = store(folder.path()).await;
    assert!(store.pause_schedule("other", Some(1)).await.unwrap_err().is_not_found());
    assert!(store.ask_for_run("other", 1).await.unwrap_err().is_not_found());
    let untouched = store.schedules().await.unwrap().remove(0);
    assert_eq!((untouched.draw, untouched.paused_ms, untouched.failures), (None, None, 0));

    store.pause_schedule("test", Some(1)).await.unwrap();
    store.pause_schedule("test", Some(2)).await.unwrap();
    store.ask_for_run("test", 3).await.unwrap();
    store.ask_for_run("test", 4).await.unwrap();
    drop(store);
    let store = engine::open(folder.path()).await;
    let kept = store.schedules().await.unwrap().remove(0);
    assert_eq!((kept.paused_ms, kept.asked_ms), (Some(1), Some(3)), "the first time counts");
    store.pause_schedule("test", None).await.unwrap();
    assert_eq!(store.schedules().await.unwrap()[0].paused_ms, None);
}

#[tokio::test]
async fn runs_are_noted_and_what_was_drawn_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (store, integration, _) = store(folder.path()).await;
    store.draw_schedule(integration, 7).await.unwrap();
    store.draw_schedule(integration, 8).await.unwrap();
    store.ask_for_run("test", 1).await.unwrap();
    store.start_scheduled(integration, Some(10), 11).await.unwrap();
    let kept = store.schedules().await.unwrap().remove(0);
    assert_eq!((kept.draw, kept.asked_ms, kept.due_ms), (Some(7), None, Some(10)));
    assert_eq!((kept.started_ms, kept.ended_ms), (Some(11), None));

    let trouble = Some((Fault::Upstream, "no answer".into()));
    for failures in 1..3 {
        let end = ScheduledEnd { ended_ms: 12, full_ms: None, trouble: trouble.clone() };
        store.end_scheduled(integration, end).await.unwrap();
        let kept = store.schedules().await.unwrap().remove(0);
        assert_eq!((kept.failures, kept.problem.as_deref()), (failures, Some("no answer")));
    }
    store.start_scheduled(integration, None, 20).await.unwrap();
    let end = ScheduledEnd { ended_ms: 21, full_ms: Some(20), trouble: None };
    store.end_scheduled(integration, end).await.unwrap();
    let kept = store.schedules().await.unwrap().remove(0);
    assert_eq!((kept.due_ms, kept.full_ms), (Some(10), Some(20)), "a run by hand moves no beat");
    assert_eq!((kept.failures, kept.fault, kept.problem), (0, None, None));

    store.remove_integration(integration, None).await.unwrap();
    assert!(store.schedules().await.unwrap().is_empty());
    let end = ScheduledEnd { ended_ms: 30, full_ms: None, trouble: None };
    store.end_scheduled(integration, end).await.unwrap();
    assert!(store.schedules().await.unwrap().is_empty(), "it went while it ran");
}

#[tokio::test]
async fn a_run_that_has_just_ended_is_not_begun_again_before_that_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    let (store, integration, _) = store(folder.path()).await;
    assert!(store.claim_scheduled(integration, None, Some(10), 10).await.unwrap());
    let run = store.begin_run(integration, RunKind::Incremental, 11).await.unwrap();
    let end = RunSummary { finished_ms: 1_000, complete: true, requests: 1, report: String::new() };
    store.finish_run(run, end).await.unwrap();
    // Whoever did it notes that next. If it does not, nobody does, and it is begun again.
    assert!(!store.claim_scheduled(integration, Some(10), None, 1_001).await.unwrap());
    assert!(!store.claim_scheduled(integration, Some(10), None, 60_999).await.unwrap());
    assert!(store.claim_scheduled(integration, Some(10), None, 61_000).await.unwrap());
    let end = ScheduledEnd { ended_ms: 61_000, full_ms: None, trouble: None };
    store.end_scheduled(integration, end).await.unwrap();
    assert!(store.claim_scheduled(integration, Some(61_000), None, 61_001).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_that_write_at_once_wait_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let (first, integration, _) = store(folder.path()).await;
    let second = engine::open(folder.path()).await;
    let many = [first, second].map(|store| {
        tokio::spawn(async move {
            for at in 0..150 {
                store.ask_for_run("test", at).await.unwrap();
                store.start_scheduled(integration, Some(at), at).await.unwrap();
            }
        })
    });
    for one in many {
        one.await.unwrap();
    }
}
