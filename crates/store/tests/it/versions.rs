//! What newer versions of the schema make of older stores is what their own writers write.

use countersign_store::Store;
use proptest::test_runner::TestRunner;

use crate::suite::credential;
use crate::suite::readers::{SEVERAL, made_up_store};
use crate::suite::stretches::{Held, NAMES, Step, act};

/// What version 2 counts of a store of version 1 is what its own writers count.
#[tokio::test]
async fn version_2_counts_what_was_stored_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut runner = TestRunner::deterministic();
    let (store, _) = made_up_store(folder.path(), &mut runner, &SEVERAL).await;
    store.close().await;
    let connection = rusqlite::Connection::open(folder.path().join("store.sqlite")).unwrap();
    let rows = || {
        let select = "select group_concat(integration || ' ' || field || ' ' || value || ' ' ||
            severity || ' ' || state || ' ' || is_policy || ' ' || findings, ', ')
            from (select * from counts order by field, value, severity, state, is_policy, integration)";
        connection.query_row(select, [], |row| row.get::<_, String>(0)).unwrap()
    };
    let written = rows();
    let removed = connection.execute("delete from counts where field > 7", []).unwrap();
    assert!(removed > 100, "{removed}");
    let schema = include_str!("../../schema-2.sql");
    let statement = &schema[schema.find("insert into counts").unwrap()..];
    connection.execute(statement.split_once(';').unwrap().0, []).unwrap();
    assert_eq!(rows(), written);
}

/// What version 3 says of a store that is older is what its own writers say.
#[tokio::test]
async fn version_3_knows_what_was_stored_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.sqlite");
    let store = Store::open(&path).await.unwrap();
    for name in NAMES {
        store.add_integration(credential(name), None).await.unwrap();
    }
    let mut held = Held::new();
    for n in 0..60 {
        let integration = n * n % 7 % NAMES.len();
        let more = (n % 4) as i64;
        act(&store, &mut held, Step::Read { integration, application: n % 2, more }).await;
    }
    store.close().await;
    let connection = rusqlite::Connection::open(&path).unwrap();
    let all = || {
        let mut statement = connection.prepare("select * from stretches order by 1, 2").unwrap();
        let rows = statement.query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]));
        rows.unwrap().collect::<Result<Vec<[i64; 3]>, _>>().unwrap()
    };
    let written = all();
    assert!(written.len() > 10, "{written:?}");
    connection.execute("delete from stretches", []).unwrap();
    let schema = include_str!("../../schema-3.sql");
    let statement = &schema[schema.find("with whose").unwrap()..];
    connection.execute(statement.split_once(';').unwrap().0, []).unwrap();
    assert_eq!(all(), written);
}
