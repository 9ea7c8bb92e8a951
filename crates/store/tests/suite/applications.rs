//! Pages of applications.

use countersign_store::{ApplicationRecord, ChangeKind, IntegrationId, RunKind, Store};

use super::{COMPLETE, application, credential, flaw, open, put};
use crate::engine;

async fn read(store: &Store, id: IntegrationId, name: &str, count: i64) {
    let run = store.begin_run(id, RunKind::Full, 1).await.unwrap();
    let mut writer = open(store, run, name).await;
    for n in 1..=count {
        let record = flaw(n, 3, 80, "x", None, "OPEN");
        put(&mut writer, name, &record, Some(ChangeKind::New)).await;
    }
    writer.commit(COMPLETE).await.unwrap();
}

#[tokio::test]
async fn pages_of_applications_are_of_their_integration_through_a_sync() {
    let folder = tempfile::tempdir().unwrap();
    let store = engine::open(folder.path()).await;
    let mut ids = Vec::new();
    for name in ["mine", "theirs"] {
        ids.push(store.add_integration(credential(name), None).await.unwrap());
    }
    // Two integrations hold one application.
    for (id, name) in [(0, "z"), (1, "z"), (0, "y"), (1, "a"), (0, "b"), (0, "x")] {
        read(&store, ids[id], name, 2).await;
    }
    let names = |page: &[ApplicationRecord]| -> Vec<String> {
        page.iter().map(|record| record.row.application.name.clone()).collect()
    };
    assert!(store.application_page("nobody", None, 10).await.unwrap().is_empty());
    assert!(store.application_page("mine", None, 0).await.unwrap().is_empty());
    let first = store.application_page("mine", None, 2).await.unwrap();
    assert_eq!(names(&first), ["z", "y"]);
    assert_eq!((first[0].row.findings, first[0].row.open[3]), (2, 2));
    // One that was shown is no longer seen, another is read anew, and one more comes.
    let run = store.begin_run(ids[0], RunKind::Full, 1).await.unwrap();
    store.mark_applications_gone(run, vec![application("z").0.guid.to_string()]).await.unwrap();
    read(&store, ids[0], "x", 3).await;
    read(&store, ids[0], "a", 1).await;
    let rest = store.application_page("mine", Some(first[1].place), 10).await.unwrap();
    assert_eq!(names(&rest), ["b", "x", "a"]);
    assert_eq!(rest[1].row.findings, 3);
    let again = store.application_page("mine", None, 1).await.unwrap();
    assert!(again[0].row.gone && again[0].place == first[0].place);

    let guid = application("z").0.guid.to_string();
    let one = store.application("theirs", &guid).await.unwrap().unwrap();
    assert_eq!((one.row.integration.as_str(), one.row.gone), ("theirs", false));
    for (integration, guid) in
        [("nobody", guid.as_str()), ("theirs", "guid-y"), ("mine", "guid-none")]
    {
        assert!(store.application(integration, guid).await.unwrap().is_none(), "{guid}");
    }
}
