//! Files that are no store of this version.

use countersign_store::Store;

use crate::suite::store;

#[tokio::test]
async fn stores_that_cannot_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.sqlite");
    std::fs::write(&path, "no database").unwrap();
    let error = Store::open(&path).await.err().unwrap().to_string();
    assert!(error.contains("store.sqlite"), "{error}");

    let reasons = [
        ("pragma application_id = 0x7fff0000", "newer version"),
        ("pragma application_id = 0x00010000", ".old` sets it aside"),
        ("pragma application_id = 0x0000ffff", ".old` sets it aside"),
        ("pragma application_id = 0", ".old` sets it aside"),
        ("pragma application_id = -1", ".old` sets it aside"),
    ];
    for (change, reason) in reasons {
        let folder = tempfile::tempdir().unwrap();
        drop(store(folder.path()).await);
        let path = folder.path().join("store.sqlite");
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.execute_batch(change).unwrap();
        drop(connection);
        let before = std::fs::read(&path).unwrap();
        let error = Store::open(&path).await.err().unwrap().to_string();
        assert!(error.contains(reason) && error.matches("hint: ").count() == 1, "{error}");
        assert!(error.contains(path.to_str().unwrap()), "{error}");
        assert!(std::fs::read(&path).unwrap() == before, "{change}: it was written to");
    }
}
