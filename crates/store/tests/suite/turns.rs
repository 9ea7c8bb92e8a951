//! What processes that share a store do one at a time.

use super::*;

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
