//! Several processes that write at once: what is there afterwards is what one alone would have
//! written, and who follows the feed meanwhile misses nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use countersign_findings::{Context, Difference, Finding};
use countersign_store::{
    ApplicationWriter, Change, ChangeKind, Error, Put, Reading, RunId, RunKind, Scope, Since, Store,
};
use countersign_testkit::made_up;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::engine;
use crate::suite::{COMPLETE, application, credential, flaw, open, put, store};

const INTEGRATIONS: [&str; 3] = ["one", "two", "three"];
const APPLICATIONS: usize = 4;
const ROUNDS: usize = 5;
const WRITERS: usize = 4;
const DAY_MS: i64 = 86_400_000;

/// An application of an integration.
type Place = (usize, usize);

/// What readings find, one after the other.
type History = BTreeMap<Place, Vec<Vec<Value>>>;

/// Findings come, change, go and come back.
fn history(runner: &mut TestRunner) -> History {
    let mut all = History::new();
    for place in (0..INTEGRATIONS.len()).flat_map(|one| (0..APPLICATIONS).map(move |at| (one, at)))
    {
        let mut readings = Vec::new();
        for _ in 0..ROUNDS {
            let there = proptest::collection::vec(0..3_u8, 24);
            let there = there.new_tree(runner).unwrap().current();
            let numbers = there.iter().zip(1..).filter(|(draw, _)| **draw > 0);
            let record = |(_, number)| made_up::finding(number).new_tree(runner).unwrap().current();
            readings.push(numbers.map(record).collect());
        }
        all.insert(place, readings);
    }
    all
}

fn name(at: usize) -> String {
    format!("App{at}")
}

/// Writes what a reading found, as a sync does: fails where somebody else did meanwhile.
async fn write(
    store: &Store,
    run: RunId,
    name: &str,
    records: &[Value],
    read_ms: i64,
) -> Result<(), Error> {
    let mut writer = open(store, run, name).await;
    let mut seen = Vec::new();
    for record in records {
        let raw = record.to_string();
        let guid = application(name).0.guid;
        let finding = Finding::decode(&raw, &guid, &Context::Policy).unwrap();
        let hash: [u8; 32] = Sha256::digest(raw.as_bytes()).into();
        seen.push(finding.id.to_bytes());
        if writer.id_of_hash(&Context::Policy, &hash).is_some() {
            continue;
        }
        let kind = match writer.held().get(&finding.id.to_bytes()) {
            None => ChangeKind::New,
            Some(held) if held.is_open() == finding.state.is_open() => ChangeKind::Changed,
            Some(held) if held.is_open() => ChangeKind::Closed,
            Some(_) => ChangeKind::Reopened,
        };
        let change = Some(Change { kind, differences: Vec::new() });
        writer.put(Put { finding, raw: &raw, hash, change }).await?;
    }
    let gone: Vec<_> = writer.held().keys().filter(|id| !seen.contains(id)).copied().collect();
    writer.vanish(gone);
    writer.commit(Reading::Complete { read_ms }).await.map(drop)
}

/// The integrations, with a run of each.
async fn runs(store: &Store) -> Vec<RunId> {
    let mut runs = Vec::new();
    for name in INTEGRATIONS {
        let id = store.add_integration(credential(name), None).await.unwrap();
        runs.push(store.begin_run(id, RunKind::Full, 1).await.unwrap());
    }
    runs
}

/// All that readings wrote, without the numbers that rows got.
fn written(folder: &Path) -> Vec<String> {
    let texts =
        ["scan_type", "status", "title", "file", "module", "url", "component", "cve", "notes"];
    let texts: Vec<_> = texts
        .iter()
        .map(|of| format!("(select t.text from texts t where t.id = f.{of})"))
        .collect();
    let whose = "join integrations i on i.id = a.integration";
    let select = [
        format!(
            "select 'finding', i.name, a.guid, f.finding_id, severity, state, f.gone,
                violates_policy, cwe, category, cvss, first_found_ms, last_seen_ms, added_ms,
                changed_ms, f.kind, hash, r.raw, w.words, {}
             from findings f join applications a on a.id = f.application {whose}
             join records r on r.finding = f.id join words w on w.finding = f.id",
            texts.join(", ")
        ),
        format!(
            "select 'change', i.name, a.guid, f.finding_id, string_agg(concat_ws('/', c.kind,
                c.reason, c.severity, c.at_ms, c.is_first, md5(c.differences)), ' ' order by c.seq)
             from changes c join findings f on f.id = c.finding
             join applications a on a.id = f.application {whose} group by 2, 3, 4"
        ),
        format!(
            "select 'tally', i.name, a.guid, (select text from texts where id = scan_type),
                severity, state, (select text from texts where id = status), violates_policy,
                findings
             from tallies join applications a on a.id = application {whose}"
        ),
        "select 'count', i.name, field, case when field in (1, 2, 7) then value end,
            (select text from texts where id = value and field not in (1, 2, 7)), severity, state,
            is_policy, findings
         from counts join integrations i on i.id = integration"
            .to_owned(),
        "select 'day', i.name, (select guid from applications where id = application), day,
            severity, open, first, new, reopened, closed, fixed, fix_ms
         from history h join integrations i on i.id = h.integration"
            .to_owned(),
        "select 'text', kind, text, count(*) from texts group by 2, 3".to_owned(),
    ];
    let direct = engine::direct(folder);
    let mut rows: Vec<_> = select.iter().flat_map(|select| direct.rows(select)).collect();
    rows.sort();
    rows
}

/// Whoever is free takes the next reading of an application that nobody is at.
struct Work {
    left: Mutex<BTreeMap<Place, usize>>,
    history: History,
}

impl Work {
    async fn take(&self, draw: usize) -> Option<(Place, usize)> {
        let mut left = self.left.lock().await;
        let at = draw % left.len().max(1);
        let place = *left.keys().nth(at)?;
        left.remove(&place).map(|round| (place, round))
    }

    async fn put_back(&self, place: Place, round: usize) {
        if round < ROUNDS {
            self.left.lock().await.insert(place, round);
        }
    }
}

/// One of several writers, until nothing is left. Readings of one application are in their order;
/// the applications are in the order of what was drawn.
async fn work(store: Store, runs: Vec<RunId>, work: Arc<Work>, mut draw: usize) {
    while let Some((place, round)) = work.take(draw).await {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
            >> 3;
        let (run, name) = (runs[place.0], name(place.1));
        let records = &work.history[&place][round];
        write(&store, run, &name, records, 20_000 * DAY_MS).await.unwrap();
        work.put_back(place, round + 1).await;
    }
}

/// Follows the feed by its last position until the others are done and nothing is left.
async fn follow(store: Store, is_over: Arc<AtomicBool>, limit: u32) -> Vec<i64> {
    let (mut seen, mut last) = (Vec::new(), 0);
    loop {
        let was_over = is_over.load(Ordering::SeqCst);
        let page = store.changes(Since::Seq(last), limit).await.unwrap();
        let Some(end) = page.last() else {
            if was_over {
                return seen;
            }
            continue;
        };
        last = end.seq;
        seen.extend(page.iter().map(|change| change.seq));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn several_writers_write_what_one_writes() {
    let mut runner = TestRunner::deterministic();
    for seed in 0..3 {
        let history = history(&mut runner);
        let (alone, together) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let one = engine::open(alone.path()).await;
        let own = runs(&one).await;
        for ((integration, at), readings) in &history {
            for records in readings {
                let (run, name) = (own[*integration], name(*at));
                write(&one, run, &name, records, 20_000 * DAY_MS).await.unwrap();
            }
        }
        let store = engine::open(together.path()).await;
        let runs = runs(&store).await;
        let is_over = Arc::new(AtomicBool::new(false));
        let mut readers = Vec::new();
        for limit in [3, 500] {
            let reader = engine::open(together.path()).await;
            readers.push(tokio::spawn(follow(reader, Arc::clone(&is_over), limit)));
        }
        let left = history.keys().map(|place| (*place, 0)).collect();
        let all = Arc::new(Work { left: Mutex::new(left), history });
        let mut writers = Vec::new();
        for at in 0..WRITERS {
            let own = engine::open(together.path()).await;
            writers.push(tokio::spawn(work(own, runs.clone(), Arc::clone(&all), seed * 31 + at)));
        }
        for writer in writers {
            writer.await.unwrap();
        }
        is_over.store(true, Ordering::SeqCst);
        let direct = engine::direct(together.path());
        let all = direct.rows("select seq from changes order by seq");
        for reader in readers {
            let seen: Vec<_> = reader.await.unwrap().iter().map(i64::to_string).collect();
            assert_eq!(seen, all, "{seed}");
        }
        assert_eq!(direct.rows("select count(*) = max(seq) from changes"), ["t"], "{seed}");
        assert_eq!(store.check().await.unwrap(), [], "{seed}");
        let (expected, found) = (written(alone.path()), written(together.path()));
        assert!(expected.len() > 1000, "{}", expected.len());
        for (expected, found) in expected.iter().zip(&found) {
            assert_eq!(expected, found, "{seed}");
        }
        assert_eq!(expected.len(), found.len());
        assert_eq!(direct.rows(DEADLOCKS), ["0"], "{seed}");
    }
}

const DEADLOCKS: &str = "select deadlocks from pg_stat_database where datname = current_database()";

/// Goes on when so many sessions wait for others, or one of those that should has ended.
async fn until_wait<T>(folder: &Path, sessions: usize, all: &[JoinHandle<T>]) {
    let waits = "select 1 from pg_stat_activity
        where wait_event_type = 'Lock' and datname = current_database()";
    // Within a transaction it would be the same each time.
    let direct = engine::direct(folder);
    while direct.rows(waits).len() < sessions && !all.iter().any(JoinHandle::is_finished) {
        tokio::task::yield_now().await;
    }
}

/// One that numbers its changes first is committed first: a reader does not go on beyond what it
/// does not see yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn numbers_of_changes_are_in_the_order_in_which_they_can_be_seen() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _, run) = store(folder.path()).await;
    let direct = engine::direct(folder.path());
    // One with a severe change is held up when it has its number.
    direct.batch(
        "create function hold_up() returns trigger language plpgsql as
         $$ begin perform pg_advisory_xact_lock(77); return null; end $$;
         create trigger hold_up after insert on changes for each row when (new.severity = 5)
            execute function hold_up()",
    );
    direct.batch("begin; select pg_advisory_xact_lock(77)");
    let mut writers = Vec::new();
    // Of two integrations: of one, the days would keep them apart.
    let other = store.add_integration(credential("other"), None).await.unwrap();
    let other = store.begin_run(other, RunKind::Full, 1).await.unwrap();
    for (run, severity) in [(run, 5), (other, 3)] {
        let own = engine::open(folder.path()).await;
        writers.push(tokio::spawn(async move {
            let records = [flaw(1, severity, 80, "x", None, "OPEN")];
            write(&own, run, &format!("App{severity}"), &records, 5).await.unwrap();
        }));
        until_wait(folder.path(), writers.len(), &writers).await;
    }
    let mut seen = store.changes(Since::Beginning, 9).await.unwrap();
    direct.batch("commit");
    for writer in writers {
        writer.await.unwrap();
    }
    let last = seen.last().map_or(0, |change| change.seq);
    seen.extend(store.changes(Since::Seq(last), 9).await.unwrap());
    assert_eq!(seen.len(), 2, "{seen:?}");
}

/// A writer of the next day counts from where the one before it ends, although that one has not
/// ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_day_begins_with_what_the_one_before_it_ends_with() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _, run) = store(folder.path()).await;
    let direct = engine::direct(folder.path());
    // All wait before they number their changes, which is the last that they do.
    direct.batch("begin; select value from counters where name = 'changes' for update");
    let mut writers = Vec::new();
    // They have nothing in common that is counted but their severity.
    let mut other = flaw(1, 3, 90, "y", None, "REOPENED");
    other["scan_type"] = "DYNAMIC".into();
    other["finding_details"]["module"] = "other.jar".into();
    other["finding_status"]["first_found_date"] = "no date".into();
    for (day, record) in [(20_000, flaw(1, 3, 80, "x", None, "OPEN")), (20_001, other)] {
        let own = engine::open(folder.path()).await;
        writers.push(tokio::spawn(async move {
            write(&own, run, &format!("App{day}"), &[record], day * DAY_MS).await.unwrap();
        }));
        until_wait(folder.path(), writers.len(), &writers).await;
    }
    direct.batch("commit");
    for writer in writers {
        writer.await.unwrap();
    }
    let days = store.history(Scope::Everything, 20_000, 20_001).await.unwrap();
    assert_eq!(days[0].open, [0, 0, 0, 1, 0, 0]);
    assert_eq!(days[1].open, [0, 0, 0, 2, 0, 0]);
    assert_eq!(store.check().await.unwrap(), []);
}

/// Stretches that are noted anew after a writer got its numbers, and before it has findings with
/// them: it gets others.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_writer_whose_stretch_is_gone_gets_another() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _, run) = store(folder.path()).await;
    let direct = engine::direct(folder.path());
    // The turn of whoever writes alone.
    direct.batch("begin; select pg_advisory_xact_lock(1668507502, 1)");
    let own = engine::open(folder.path()).await;
    let writing = [tokio::spawn(async move {
        write(&own, run, "Alpha", &[flaw(1, 3, 80, "x", None, "OPEN")], 5).await.unwrap();
    })];
    until_wait(folder.path(), 1, &writing).await;
    assert_eq!(direct.execute("delete from stretches"), Ok(1));
    direct.batch("commit");
    for writer in writing {
        writer.await.unwrap();
    }
    assert_eq!(direct.rows("select first, last from stretches"), ["2|2"]);
    assert_eq!(store.check().await.unwrap(), []);
}

/// All of them at one application: of those that looked at the same time one writes, and the
/// others look again.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn of_several_that_write_one_application_one_wins_at_a_time() {
    const EACH: i64 = 15;
    let folder = tempfile::tempdir().unwrap();
    let (store, _, run) = store(folder.path()).await;
    let mut writers = Vec::new();
    for at in 0..WRITERS as i64 {
        let own = engine::open(folder.path()).await;
        writers.push(tokio::spawn(async move {
            let mut refused = 0;
            for n in 0..EACH {
                loop {
                    let mut writer = open(&own, run, "Alpha").await;
                    // One that all want to change, and one of its own.
                    let shared = flaw(0, (n + at) % 6, 80 + at, "x", None, "OPEN");
                    let is_new = writer.held().is_empty();
                    let kind = if is_new { ChangeKind::New } else { ChangeKind::Changed };
                    put(&mut writer, "Alpha", &shared, Some(kind)).await;
                    let own = flaw(1 + at * EACH + n, 3, 80, "x", None, "OPEN");
                    put(&mut writer, "Alpha", &own, Some(ChangeKind::New)).await;
                    match writer.commit(COMPLETE).await {
                        Ok(_) => break,
                        Err(error) if error.is_outdated() => refused += 1,
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            refused
        }));
    }
    let mut refused = 0;
    for writer in writers {
        refused += writer.await.unwrap();
    }
    assert!(refused > 0, "they never met");
    assert_eq!(store.check().await.unwrap(), []);
    let direct = engine::direct(folder.path());
    let findings = WRITERS as i64 * EACH + 1;
    let count = direct.rows("select count(*), count(distinct finding_id) from findings");
    assert_eq!(count, [format!("{findings}|{findings}")]);
    let changes = direct.rows("select count(*), max(seq) from changes");
    let expected = 2 * WRITERS as i64 * EACH;
    assert_eq!(changes, [format!("{expected}|{expected}")]);
}

/// Days pass while they write, and clocks do not agree on them: where the trend ends is where
/// the overview is.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn days_add_up_whoever_writes_first() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _, run) = store(folder.path()).await;
    let mut writers = Vec::new();
    for at in 0..WRITERS as i64 {
        let own = engine::open(folder.path()).await;
        writers.push(tokio::spawn(async move {
            for n in 0..12 {
                let records: Vec<_> =
                    (0..=n).map(|n| flaw(n, (n + at) % 6, 80, "x", None, "OPEN")).collect();
                // Two are a day ahead of the others.
                let read_ms = (20_000 + n + at % 2) * DAY_MS;
                let name = format!("App{at}-{}", n % 3);
                write(&own, run, &name, &records, read_ms).await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(store.check().await.unwrap(), []);
    let overview = store.overview(Scope::Everything, 20_020 * DAY_MS).await.unwrap();
    let days = store.history(Scope::Everything, 19_999, 20_020).await.unwrap();
    assert_eq!(days[21].open, overview.open);
    assert!(overview.open.iter().sum::<u64>() > 100);
    let sum = |open: [u64; 6]| open.iter().sum::<u64>();
    for pair in days.windows(2) {
        let moved = pair[1].first + pair[1].new + pair[1].reopened;
        assert_eq!(sum(pair[0].open) + moved, sum(pair[1].open) + pair[1].closed, "{pair:?}");
    }
}

/// One that has more to count and to number than it keeps in memory counts and numbers before
/// its end, beside others that do at theirs.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_large_writer_and_small_ones_do_not_wait_for_each_other_in_a_circle() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _, run) = store(folder.path()).await;
    let large = engine::open(folder.path()).await;
    let large = tokio::spawn(async move {
        let mut writer = open(&large, run, "Large").await;
        for n in 0..9000 {
            let file = format!("src/{n}.rs");
            let mut record = flaw(n, n % 6, n, &format!("title {n}"), Some(&file), "OPEN");
            let category = json!({"id": n, "name": "x"});
            record["finding_details"]["finding_category"] = category;
            record["finding_details"]["module"] = format!("module {n}").into();
            record["finding_details"]["url"] = format!("https://example.com/{n}").into();
            record["scan_type"] = if n % 2 == 0 { "STATIC" } else { "DYNAMIC" }.into();
            let raw = record.to_string();
            let finding =
                Finding::decode(&raw, &application("Large").0.guid, &Context::Policy).unwrap();
            let hash = Sha256::digest(raw.as_bytes()).into();
            let long = Value::from("w".repeat(1500));
            let difference = Difference { field: "x".into(), before: long, after: Value::Null };
            let change = Change { kind: ChangeKind::New, differences: vec![difference] };
            let put = Put { finding, raw: &raw, hash, change: Some(change) };
            writer.put(put).await.unwrap();
        }
        writer.commit(COMPLETE).await.unwrap();
    });
    let is_over = Arc::new(AtomicBool::new(false));
    let mut small = Vec::new();
    for at in 0..2 {
        let own = engine::open(folder.path()).await;
        let is_over = Arc::clone(&is_over);
        small.push(tokio::spawn(async move {
            let mut round = 0;
            while !is_over.load(Ordering::SeqCst) {
                round += 1;
                let records: Vec<_> = (0..5)
                    .map(|n| flaw(n, (n + round) % 6, 80, "x", Some("src/1.rs"), "OPEN"))
                    .collect();
                write(&own, run, &format!("Small{at}"), &records, 5).await.unwrap();
            }
        }));
    }
    large.await.unwrap();
    is_over.store(true, Ordering::SeqCst);
    for one in small {
        one.await.unwrap();
    }
    assert_eq!(store.check().await.unwrap(), []);
    let direct = engine::direct(folder.path());
    assert_eq!(direct.rows("select count(*) = max(seq) from changes"), ["t"]);
    assert_eq!(direct.rows(DEADLOCKS), ["0"]);
}

/// What another transaction is in the way of is tried again, as a whole and not for ever.
#[tokio::test]
async fn a_conflict_is_tried_again_a_few_times() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _, run) = store(folder.path()).await;
    let direct = engine::direct(folder.path());
    for state in ["40001", "40P01"] {
        direct.batch(&format!(
            "create sequence tries; create function fail() returns trigger language plpgsql as
             $$ begin
                if nextval('tries') <= 3 then raise exception 'in the way' using errcode = '{state}';
                end if;
                return null;
             end $$;
             create trigger fail after insert on changes for each statement execute function fail()"
        ));
        let name = format!("App{state}");
        let records = [flaw(1, 3, 80, "x", None, "OPEN"), flaw(2, 3, 80, "x", None, "OPEN")];
        write(&store, run, &name, &records, 5).await.unwrap();
        assert_eq!(direct.rows("select last_value from tries"), ["4"]);
        direct.batch(
            "alter sequence tries restart; alter sequence tries minvalue -1000;
            select setval('tries', -1000)",
        );
        let records = [flaw(3, 3, 80, "x", None, "OPEN")];
        let before = written(folder.path());
        let error = write(&store, run, &name, &records, 6).await.unwrap_err();
        assert!(error.is_locked(), "{error}");
        assert_eq!(direct.rows("select last_value + 1000 from tries"), ["5"]);
        // But for texts, of which there may be more than findings have.
        let but_texts = |mut rows: Vec<String>| {
            rows.retain(|row| !row.starts_with("text"));
            rows
        };
        assert_eq!(but_texts(written(folder.path())), but_texts(before));
        direct.batch("drop trigger fail on changes; drop function fail; drop sequence tries");
    }
    assert_eq!(store.check().await.unwrap(), []);
}

/// What does not add up is counted anew while others write.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn what_is_counted_anew_has_what_others_write_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _, run) = store(folder.path()).await;
    let records = |n: i64| -> Vec<_> {
        (0..20).map(|part| flaw(part, (part + n) % 6, 80, "x", None, "OPEN")).collect()
    };
    for name in ["Alpha", "Beta", "Gamma"] {
        write(&store, run, name, &records(0), 5).await.unwrap();
    }
    let mut writers = Vec::new();
    for name in ["Beta", "Gamma"] {
        let own = engine::open(folder.path()).await;
        writers.push(tokio::spawn(async move {
            for n in 1..40 {
                write(&own, run, name, &records(n), 5).await.unwrap();
            }
        }));
    }
    let direct = engine::direct(folder.path());
    for n in 0..8 {
        // A row that is not as it was written: the next reading of all writes it anew.
        let of = "application = (select id from applications where name = 'Alpha')";
        direct.execute(&format!("update findings set severity = {} where {of}", n % 6)).unwrap();
        write(&store, run, "Alpha", &records(n), 5).await.unwrap();
        direct.execute("delete from stretches").unwrap();
        store.ready_for_full().await.unwrap();
    }
    for writer in writers {
        writer.await.unwrap();
    }
    store.ready_for_full().await.unwrap();
    assert_eq!(store.check().await.unwrap(), []);
}

/// Numbers that were kept for findings and not given are nobody's, in a copy too.
#[tokio::test]
async fn numbers_that_were_not_given_are_nobodys() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (store, _, run) = store(folder.path()).await;
    let mut writer: ApplicationWriter = open(&store, run, "Alpha").await;
    let mut ids = Vec::new();
    for n in 0..5 {
        let record = flaw(n, 3, 80, "x", None, "OPEN");
        ids.push(put(&mut writer, "Alpha", &record, Some(ChangeKind::New)).await.id.to_bytes());
    }
    writer.withhold(ids.into_iter().skip(2));
    writer.commit(COMPLETE).await.unwrap();
    let file = Store::open(&other.path().join("store.sqlite")).await.unwrap();
    assert_eq!(store.copy_into(&file).await.unwrap().problems, []);
    for store in [store, file] {
        let id = store.add_integration(credential("other"), None).await.unwrap();
        let run = store.begin_run(id, RunKind::Full, 1).await.unwrap();
        let records = [flaw(1, 3, 80, "x", None, "OPEN"), flaw(2, 3, 80, "x", None, "OPEN")];
        write(&store, run, "Alpha", &records, 5).await.unwrap();
        assert_eq!(store.check().await.unwrap(), []);
    }
}
