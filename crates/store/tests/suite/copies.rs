//! Copies of whole stores: everything is there, and what comes next goes on from it.

use countersign_findings::filter::{Expression, Field};
use countersign_store::{
    Action, ChangeKind, DeliveryMode, NewSend, Order, Planned, Query, RunKind, SendState, Since,
    Store,
};
use proptest::test_runner::TestRunner;

use super::readers::{SEVERAL, made_up_store};
use super::{COMPLETE, credential, flaw, open, put};
use crate::engine;

/// All that readers are shown.
pub(crate) async fn shown(store: &Store) -> Vec<String> {
    let query = Query { limit: 1000, order: Order::Arrival, ..Query::default() };
    let rows = store.findings(query).await.unwrap();
    let mut lines: Vec<_> = rows.iter().map(|row| format!("{row:?}")).collect();
    for row in store.changes(Since::Beginning, 10_000).await.unwrap() {
        lines.push(format!("{row:?}"));
    }
    for row in store.applications().await.unwrap() {
        lines.push(format!("{row:?}"));
    }
    for field in [Field::Cwe, Field::File, Field::Component, Field::ScanType] {
        let facet = store.facet(Expression::default(), field, 1000).await.unwrap();
        lines.push(format!("{facet:?}"));
    }
    for filter in ["text[like]the", "file[like]a", "title[like]*e*"] {
        let count = store.count_findings(filter.parse().unwrap()).await.unwrap();
        lines.push(format!("{filter} {count}"));
    }
    for one in store.credentials().await.unwrap() {
        lines.push(format!("{} {} {:?}", one.name, one.api_id, one.version));
    }
    lines.push(format!("{:?}", store.audit_entries(None, 100).await.unwrap()));
    lines.push(format!("{:?}", store.verify_audit().await.unwrap()));
    lines.push(format!("{:?}", store.send_counts().await.unwrap()));
    lines.push(format!("{:?}", store.destinations().await.unwrap()));
    let days = store.history(countersign_store::Scope::Everything, 0, 10).await.unwrap();
    lines.push(format!("{days:?}"));
    lines
}

/// With the numbers that rows have.
async fn numbered(store: &Store) -> String {
    let integrations = store.owned_integrations(None).await.unwrap();
    format!("{integrations:?} {:?}", store.runs(None, 100).await.unwrap())
}

/// A store with something of most of what there is.
pub(crate) async fn full(folder: &std::path::Path) -> Store {
    let mut runner = TestRunner::deterministic();
    let (store, _) = made_up_store(folder, &mut runner, &SEVERAL).await;
    let row = store.keep_destination("a", "kind", "here", DeliveryMode::Live, 5).await.unwrap();
    let send = NewSend {
        uid: "msg_1".into(),
        group: "g".into(),
        from_seq: 1,
        to_seq: 1,
        action: Action::Create,
        payload: "{}".into(),
        state: SendState::Pending,
        reason: None,
    };
    let planned = Planned { sends: vec![send], ..Planned::default() };
    assert!(store.plan_sends(row.id, row.cursor, planned, 10).await.unwrap());
    // The last changes are of an integration that is removed: their numbers do not come again.
    let gone = store.add_integration(credential("gone"), None).await.unwrap();
    write(&store, "gone", 3).await;
    store.remove_integration(gone, None).await.unwrap();
    store
}

/// A reading of an application that was not there.
pub(crate) async fn write(store: &Store, integration: &str, findings: i64) {
    let id = store.integration(integration).await.unwrap().id;
    let run = store.begin_run(id, RunKind::Full, 7).await.unwrap();
    let mut writer = open(store, run, "Later").await;
    for n in 0..findings {
        let record = flaw(n, 4, 80, "later", Some("later.rs"), "OPEN");
        put(&mut writer, "Later", &record, Some(ChangeKind::New)).await;
    }
    writer.commit(COMPLETE).await.unwrap();
}

/// The copy is the original, now and after the same was done to both.
pub(crate) async fn must_be_alike(original: &Store, copy: &Store) {
    assert_eq!(shown(copy).await, shown(original).await);
    assert_eq!(numbered(copy).await, numbered(original).await);
    for store in [original, copy] {
        store.add_integration(credential("next"), None).await.unwrap();
        write(store, "next", 2).await;
        assert_eq!(store.check().await.unwrap(), []);
    }
    assert_eq!(shown(copy).await, shown(original).await);
}

#[tokio::test]
async fn a_copy_has_everything_and_goes_on_from_there() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let original = full(one.path()).await;
    let copy = engine::open(two.path()).await;
    let copied = original.copy_into(&copy).await.unwrap();
    assert_eq!(copied.problems, []);
    assert!(copied.findings > 80 && copied.rows > 500, "{copied:?}");
    must_be_alike(&original, &copy).await;
    let refused = original.copy_into(&copy).await.unwrap_err().to_string();
    assert!(refused.contains("not empty") && refused.contains("hint: "), "{refused}");
}
