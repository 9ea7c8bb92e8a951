//! What is about the server: addresses, the schema, connections that are lost, and writers on
//! several machines.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use countersign_findings::Application;
use countersign_findings::filter::{Field, Filter, Operator, Value};
use countersign_store::{
    AccountForm, Act, ChangeKind, Deed, Environment, Query, RunKind, Since, Store, Verdict,
};
use serde_json::json;

use crate::engine;
use crate::suite::copies::{full, must_be_alike, shown};
use crate::suite::{COMPLETE, credential, flaw, open, put, store, wordy};

async fn refused(url: &str) -> String {
    Store::open_url(url, None).await.err().unwrap().to_string()
}

#[tokio::test]
async fn addresses_say_what_is_wrong_with_them_and_never_the_password() {
    for (url, reason) in [
        ("mysql://root:hidden@localhost/x", "postgres://"),
        ("postgres://root:hidden@localhost:port/x", "cannot be read"),
        ("postgres:///x?user=root", "names no host"),
        ("postgres://root:hidden@db.example.com/x?sslmode=disable", "loopback"),
        ("postgres://root:hidden@db.example.com/x?sslmode=prefer", "verify-full"),
        (
            "postgres://root:hidden@localhost/x?sslmode=require&sslrootcert=/no/such.pem",
            "/no/such.pem",
        ),
        ("postgres://root:hidden@localhost/x?unheard=of", "cannot be read"),
        ("postgres://root:hidden@127.0.0.1:9/x", "failed to connect"),
    ] {
        let told = refused(url).await;
        assert!(told.contains(reason), "{url}: {told}");
        assert!(!told.contains("hidden"), "{told}");
        assert!(told.matches("hint: ").count() <= 1, "{told}");
    }
}

#[tokio::test]
async fn what_the_server_refuses_has_one_fix() {
    let url = engine::empty("refusals", &[]).await;
    let other = url.replace("/refusals?", "/there_is_none?");
    let told = refused(&other).await;
    assert!(told.contains("there_is_none") && told.contains("hint: create"), "{told}");
    // A user without rights.
    let direct = engine::direct_to(&url);
    direct.execute("create role nobody login").unwrap();
    direct.execute("revoke create on schema public from public").unwrap();
    let told = refused(&url.replace("tests@", "nobody@")).await;
    assert!(told.contains("permission denied") && told.contains("hint: make"), "{told}");
    let latin = engine::empty("latin", &["-E", "LATIN1", "-l", "C", "-T", "template0"]).await;
    let told = refused(&latin).await;
    assert!(told.contains("LATIN1") && told.contains("hint: "), "{told}");
}

#[tokio::test]
async fn a_schema_of_another_version_is_refused_and_left_alone() {
    for (name, change, reason) in [
        ("newer", "update schema_version set version = 900", "newer version"),
        ("older", "update schema_version set version = 0", "not those of this version"),
        ("alien", "drop table schema_version", "not those of this version"),
    ] {
        let url = engine::empty(name, &[]).await;
        Store::open_url(&url, None).await.unwrap().close().await;
        let direct = engine::direct_to(&url);
        direct.execute(change).unwrap();
        let before = direct.rows("select relname from pg_class order by 1");
        let told = refused(&url).await;
        assert!(told.contains(reason) && told.matches("hint: ").count() == 1, "{told}");
        assert_eq!(direct.rows("select relname from pg_class order by 1"), before);
    }
}

/// Several processes that open an empty database at once make its schema once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_schema_is_made_once_and_whole() {
    let url = engine::empty("at_once", &[]).await;
    let openings: Vec<_> = (0..6)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { Store::open_url(&url, None).await.map(drop) })
        })
        .collect();
    for opening in openings {
        opening.await.unwrap().unwrap();
    }
    let direct = engine::direct_to(&url);
    assert_eq!(direct.rows("select * from schema_version"), ["1"]);
}

#[tokio::test]
async fn a_lost_connection_is_reported_and_the_next_question_connects_again() {
    let folder = tempfile::tempdir().unwrap();
    let (store, integration, run) = store(folder.path()).await;
    let direct = engine::direct(folder.path());
    let kill = "select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()";
    for _ in 0..3 {
        direct.rows(kill);
        assert_eq!(store.integrations().await.unwrap().len(), 1);
        store.begin_run(integration, RunKind::Full, 1).await.unwrap();
    }
    // In the middle of a write: nothing of it is there, and what is asked next is answered.
    let waits = "select 1 from pg_stat_activity
        where wait_event_type = 'Lock' and datname = current_database()";
    let lock = "begin; lock table runs in access exclusive mode";
    direct.batch(lock);
    let (writer, waiting) = (store.clone(), store.clone());
    let writing =
        tokio::spawn(async move { writer.begin_run(integration, RunKind::Full, 2).await });
    // Within a transaction it would be the same each time.
    let beside = engine::direct(folder.path());
    while beside.rows(waits).is_empty() {
        tokio::task::yield_now().await;
    }
    direct.rows(kill);
    let told = writing.await.unwrap().unwrap_err().to_string();
    assert!(told.contains("was lost") && told.contains("hint: "), "{told}");
    direct.batch("commit");
    assert!(waiting.begin_run(integration, RunKind::Full, 3).await.is_ok());
    let runs = waiting.runs(None, 50).await.unwrap();
    assert_eq!(runs.iter().filter(|run| run.started_ms == 2).count(), 0);
    // What a reading had put aside is gone with its connection: nothing of it is written.
    let mut reading = open(&store, run, "Alpha").await;
    for n in 0..3000 {
        put(&mut reading, "Alpha", &wordy(n), Some(ChangeKind::New)).await;
    }
    direct.rows(kill);
    let told = reading.commit(COMPLETE).await.unwrap_err().to_string();
    assert!(told.contains("lost while an application was read"), "{told}");
    assert_eq!(store.changes(Since::Beginning, 9).await.unwrap().len(), 0);
    assert_eq!(store.check().await.unwrap(), []);
}

#[tokio::test]
async fn a_writer_that_waits_too_long_is_told_that_somebody_writes() {
    let folder = tempfile::tempdir().unwrap();
    let (store, integration, _) = store(folder.path()).await;
    let url = format!("{}&options=-c%20lock_timeout%3D200", engine::url(folder.path()).await);
    let other = Store::open_url(&url, None).await.unwrap();
    let direct = engine::direct(folder.path());
    // The turn of a writer, as another machine has it.
    direct.batch("begin; select pg_advisory_xact_lock(1668507502, 1)");
    let error = other.ask_for_run("test", 5).await.unwrap_err();
    assert!(error.is_locked() && error.to_string().contains("hint: "), "{error}");
    direct.batch("rollback");
    other.ask_for_run("test", 5).await.unwrap();
    assert_eq!(store.schedules().await.unwrap()[0].asked_ms, Some(5));
    assert_eq!(store.schedules().await.unwrap()[0].integration, integration);
}

/// Four processes write at once; a reader that follows the feed by its last position misses
/// nothing and sees nothing twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn a_reader_with_a_cursor_misses_no_change_of_several_writers() {
    const EACH: i64 = 25;
    let folder = tempfile::tempdir().unwrap();
    let (store, integration, run) = store(folder.path()).await;
    let mut writers = Vec::new();
    for at in 0..4 {
        let one = engine::open(folder.path()).await;
        writers.push(tokio::spawn(async move {
            for n in 0..EACH {
                let name = format!("App{at}");
                let mut writer = open(&one, run, &name).await;
                for part in 0..3 {
                    let record = flaw(n * 3 + part, 3, 80, "x", None, "OPEN");
                    put(&mut writer, &name, &record, Some(ChangeKind::New)).await;
                }
                writer.commit(COMPLETE).await.unwrap();
            }
        }));
    }
    let (mut seen, mut last) = (BTreeSet::new(), 0);
    while seen.len() < 4 * 3 * EACH as usize {
        let page = store.changes(Since::Seq(last), 40).await.unwrap();
        for change in page {
            assert_eq!(change.seq, last + 1, "one that is committed later has a later number");
            last = change.seq;
            assert!(seen.insert(change.finding_id));
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(store.check().await.unwrap(), []);
    assert_eq!(
        store.counts(integration, countersign_findings::Population::STORED).await.unwrap().total,
        300
    );
}

/// An application, its counts and its seal are read by several statements. While another process
/// writes them again and again, no reader takes two moments for damage.
#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn what_is_read_is_of_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _, run) = store(folder.path()).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let other = engine::open(folder.path()).await;
    let end = Arc::clone(&is_over);
    let writing = tokio::spawn(async move {
        for round in 0..150 {
            let mut writer = open(&other, run, "Alpha").await;
            for n in 0..4 {
                let record = flaw(n, (n + round) % 6, 80, "x", None, "OPEN");
                let kind = if round == 0 { ChangeKind::New } else { ChangeKind::Changed };
                put(&mut writer, "Alpha", &record, Some(kind)).await;
            }
            writer.commit(COMPLETE).await.unwrap();
        }
        end.store(true, Ordering::Relaxed);
    });
    while !is_over.load(Ordering::Relaxed) && !writing.is_finished() {
        store.applications().await.unwrap();
        store.findings(Query { limit: 9, ..Query::default() }).await.unwrap();
        store.changes(Since::Beginning, 9).await.unwrap();
    }
    writing.await.unwrap();
}

/// Texts that are compared are kept as they are; a NUL in any other becomes U+FFFD.
#[tokio::test]
async fn a_nul_is_kept_where_it_counts() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _, run) = store(folder.path()).await;
    let raw = json!({"guid": "guid-nul", "profile": {"name": "Al\0pha"}}).to_string();
    let application = Application::decode(&raw).unwrap();
    let mut writer = store.open_application(run, &application, &raw).await.unwrap();
    let record = flaw(1, 3, 80, "ti\0tle", Some("a\0b"), "OPEN");
    let finding = put(&mut writer, "nul", &record, Some(ChangeKind::New)).await;
    let other = flaw(2, 3, 80, "ti\u{fffd}tle", Some("a\u{fffd}b"), "OPEN");
    put(&mut writer, "nul", &other, Some(ChangeKind::New)).await;
    writer.commit(COMPLETE).await.unwrap();
    for (filter, count) in [("file[eq]a\0b", 1), ("file[like]a\0b", 1), ("file[lt]a\u{1}", 1)] {
        let count_of = store.count_findings(filter.parse().unwrap()).await.unwrap();
        assert_eq!(count_of, count, "{filter:?}");
    }
    let rows = store.findings(Query { limit: 9, ..Query::default() }).await.unwrap();
    assert_eq!((rows.len(), &rows[0].finding), (2, &finding));
    assert_eq!(rows[0].application_name, "Al\u{fffd}pha");
    store.audit(Act::new("te\0st", Deed::Kept), 5).await.unwrap();
    assert!(matches!(store.verify_audit().await.unwrap(), Verdict::Whole { .. }));
    let form = AccountForm {
        name: "a\0b".into(),
        fullname: "x".into(),
        environment: Environment::Test,
        labels: vec!["a\0b".into()],
    };
    let account = store.add_account("u", form, "me", 5).await.unwrap();
    assert_eq!(
        (account.form.name.as_str(), account.form.labels[0].as_str()),
        ("a\u{fffd}b", "a\0b")
    );
    assert_eq!(store.check().await.unwrap(), []);
}

/// A database that puts `a` before `B`, as dictionaries do.
const SORTED_OTHERWISE: &[&str] =
    &["-T", "template0", "--locale-provider=icu", "--icu-locale=en-US"];

/// Lists are in the order of bytes, whatever the database sorts by.
#[tokio::test]
async fn names_are_in_the_order_of_their_bytes() {
    let url = engine::empty("sorted_otherwise", SORTED_OTHERWISE).await;
    let store = Store::open_url(&url, None).await.unwrap();
    for name in ["b", "A", "ä", "a", "B", "_"] {
        store.add_integration(credential(name), None).await.unwrap();
    }
    let names: Vec<_> =
        store.integrations().await.unwrap().into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["A", "B", "_", "a", "b", "ä"]);
}

/// With the index of parts of words and without it, `like` finds the same. Who may not create an
/// extension is told how somebody else adds it.
#[tokio::test]
async fn parts_of_words_are_found_with_and_without_their_index() {
    let url = engine::empty("parts", &[]).await;
    let owner = engine::direct_to(&url);
    owner.batch("create role plain login; grant all on schema public to plain");
    let plain = url.replace("tests@", "plain@");
    let without = Store::open_url(&plain, None).await.unwrap();
    let advice = without.advice().await.unwrap().unwrap();
    assert!(advice.contains("plain@") && advice.matches("hint: ").count() == 1, "{advice}");
    let id = without.add_integration(credential("test"), None).await.unwrap();
    let run = without.begin_run(id, RunKind::Full, 1).await.unwrap();
    let mut writer = open(&without, run, "Alpha").await;
    for (n, title) in
        ["Straße", "STRASSE", "a\0b\0c", "a\u{fffd}b", "50%_\\x", "...", "xyz"].iter().enumerate()
    {
        let file = format!("src/{title}/{n}");
        let record = flaw(n as i64, 3, 80, "x", Some(&file), "OPEN");
        put(&mut writer, "Alpha", &record, Some(ChangeKind::New)).await;
    }
    writer.commit(COMPLETE).await.unwrap();
    let patterns = ["strasse", "stra*", "*/xyz/*", "a\0b", "0%_", "\\x", "...", "src", "rc/x"];
    let counts = async |store: &Store| {
        let mut all = Vec::new();
        for pattern in patterns {
            let filter = Filter {
                field: Field::File,
                operator: Operator::Like,
                values: vec![Value::Text(pattern.into())],
            };
            all.push(store.count_findings(filter.into()).await.unwrap());
        }
        all
    };
    let expected = counts(&without).await;
    assert_eq!(expected, [2, 0, 1, 1, 1, 1, 1, 7, 1]);
    // As the advice says, by who may.
    let statements = advice.split("-c '").nth(1).unwrap().split('\'').next().unwrap();
    owner.batch(statements);
    let with = Store::open_url(&plain, None).await.unwrap();
    assert_eq!(with.advice().await.unwrap(), None);
    assert_eq!(counts(&with).await, expected);
    let url = engine::empty("parts_made", &[]).await;
    Store::open_url(&url, None).await.unwrap();
    let made = engine::direct_to(&url);
    assert_eq!(made.rows("select to_regclass('texts_by_part') is not null"), ["t"]);
}

/// What the database does not refuse by itself, a check finds.
#[tokio::test]
async fn a_finding_of_no_context_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _, run) = store(folder.path()).await;
    let mut writer = open(&store, run, "Alpha").await;
    put(&mut writer, "Alpha", &flaw(1, 3, 80, "x", None, "OPEN"), Some(ChangeKind::New)).await;
    writer.commit(COMPLETE).await.unwrap();
    engine::direct(folder.path()).execute("update findings set context = 900").unwrap();
    let found = store.check().await.unwrap();
    let told = "1 rows of `findings` are of no row of `contexts`";
    assert!(found.iter().any(|problem| problem.what == told), "{found:?}");
}

/// A store in a database is no file.
#[tokio::test]
async fn what_needs_a_file_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (store, ..) = store(folder.path()).await;
    let told = store.copy_to(&folder.path().join("copy")).await.unwrap_err().to_string();
    assert!(told.contains("hint: `pg_dump"), "{told}");
    assert!(store.size_bytes() > 1_000_000);
    store.close().await;
    assert!(store.integrations().await.is_err());
}

/// From a file into a database, and from there into another file.
#[tokio::test]
async fn a_store_moves_between_the_engines() {
    let (folder, one, two) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let database = full(folder.path()).await;
    let [file, other] = [&one, &two].map(|folder| folder.path().join("store.sqlite"));
    let file = Store::open(&file).await.unwrap();
    assert_eq!(database.copy_into(&file).await.unwrap().problems, []);
    let again = engine::open(one.path()).await;
    let there = file.copy_into(&again).await.unwrap();
    let other = Store::open(&other).await.unwrap();
    assert_eq!(again.copy_into(&other).await.unwrap(), there);
    assert_eq!(shown(&other).await, shown(&database).await);
    must_be_alike(&file, &again).await;
}
