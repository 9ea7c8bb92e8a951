//! What processes that share a store count together, and do one at a time.

use super::*;

/// None of what several processes count at once is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_minute_is_changed_by_one_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let (store, ..) = store(folder.path()).await;
    let mut processes = Vec::new();
    for _ in 0..4 {
        let store = engine::open(folder.path()).await;
        processes.push(tokio::spawn(async move {
            let mut last_ms = 0;
            for _ in 0..40 {
                let add = |before: Option<&str>, now_ms| {
                    let count: u32 = before.map_or(0, |text| text.parse().unwrap());
                    ((count + 1).to_string(), now_ms)
                };
                let now_ms = store.change_minute("here", "a", add).await.unwrap();
                assert!(now_ms >= last_ms && now_ms > 1_700_000_000_000, "{now_ms}");
                last_ms = now_ms;
            }
        }));
    }
    for process in processes {
        process.await.unwrap();
    }
    let unlike = |before: Option<&str>, _| ("7".to_owned(), before.map(str::to_owned));
    assert_eq!(store.change_minute("there", "a", unlike).await.unwrap(), None);
    assert_eq!(store.change_minute("here", "b", unlike).await.unwrap(), None);
    let (minutes, _) = store.minutes("here").await.unwrap();
    assert_eq!(minutes, [("a".into(), "160".into()), ("b".into(), "7".into())]);
}

#[tokio::test]
async fn a_turn_is_of_one_until_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (store, ..) = store(folder.path()).await;
    let other = engine::open(folder.path()).await;
    assert!(store.take_turn("check", "one", 3_600_000).await.unwrap());
    assert!(!other.take_turn("check", "other", 3_600_000).await.unwrap());
    assert!(other.take_turn("look", "other", 0).await.unwrap());
    // Whoever has it may take it again, and another once it has ended.
    assert!(store.take_turn("check", "one", 0).await.unwrap());
    assert!(other.take_turn("check", "other", 3_600_000).await.unwrap());
    assert!(!store.take_turn("check", "one", 3_600_000).await.unwrap());
    assert!(store.take_turn("look", "one", 3_600_000).await.unwrap());
}
