//! An application that is read for an answer: what is different shows without a sync, by the
//! rules of one, and nothing takes it for one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_connector::sync::{Fresh, Lack, Options, Readings};
use countersign_connector::{Error, Fault};
use countersign_findings::ApplicationGuid;
use countersign_platform::SeedSpec;
use countersign_store::{ApplicationRow, OwnedIntegration, RunKind, Since};
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::life::{DAY_MS, HOUR_MS, Life, rule};
use crate::month::happens;

const SMALL: SeedSpec = SeedSpec::Sized { applications: 4, findings: 120, rng: 7 };
const MINUTE_MS: i64 = 60_000;

/// A tenant that was synced a day ago, and no sync to come.
async fn synced() -> (Life, OwnedIntegration) {
    let life = Life::begin(SMALL, rule(6 * HOUR_MS)).await;
    life.pause().await;
    life.step(0).await;
    assert!(life.pull(&life.known).await.report.complete);
    life.test.advance(DAY_MS);
    let integration = life.known.store.owned_integrations(None).await.unwrap().remove(0);
    (life, integration)
}

fn options() -> Options {
    Options { page_size: 10, ..Options::default() }
}

impl Life {
    async fn read_now(
        &self,
        integration: &OwnedIntegration,
        guid: &ApplicationGuid,
    ) -> Result<Fresh, Error> {
        self.known.read_now(integration, self.client(), guid, options()).await
    }

    /// Applications with findings, most of them first.
    async fn applications(&self) -> Vec<ApplicationRow> {
        let mut rows = self.known.store.applications().await.unwrap();
        rows.sort_by_key(|row| std::cmp::Reverse(row.open.iter().sum::<u64>()));
        rows
    }

    async fn largest(&self) -> ApplicationRow {
        self.applications().await.remove(0)
    }

    async fn told(&self) -> Vec<String> {
        let changes = self.known.store.changes(Since::Beginning, 100_000).await.unwrap();
        changes.iter().map(|one| format!("{} {:?}", one.kind.as_str(), one.reason)).collect()
    }

    async fn fails(&self, rules: &Value) {
        let plan = json!({ "rules": rules }).to_string();
        let answer = self.test.control("PUT", "/faults", &plan).await;
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    }
}

fn of(sql: &str, guid: &ApplicationGuid, number: u32) -> String {
    let some = format!(
        "(select id from findings where status = 'OPEN' and sandbox = 0 and application =
            (select id from applications where guid = '{guid}') order by id limit {number})"
    );
    sql.replace("{some}", &some)
}

fn vanish(life: &Life, guid: &ApplicationGuid, number: u32) {
    let sql = of("delete from findings where id in {some}", guid, number);
    assert_eq!(happens(&life.test, &sql), number as usize);
}

#[tokio::test]
async fn what_is_different_shows_without_a_sync_and_a_sync_finds_nothing_more() {
    let (life, integration) = synced().await;
    let (all, before) = (life.applications().await, life.told().await);
    let guid = &all[0].application.guid;
    let sql = "update findings set violates_policy = 1 - violates_policy where id in {some}";
    assert_eq!(happens(&life.test, &of(sql, guid, 3)), 3);
    vanish(&life, guid, 1);
    for row in &all {
        let fresh = life.read_now(&integration, &row.application.guid).await.unwrap();
        // The application, its sandboxes, two families of findings.
        assert!(fresh.lack.is_none() && fresh.requests >= 4, "{fresh:?}");
    }
    let told = life.told().await.split_off(before.len());
    // The first three lost one of them.
    assert_eq!(told, ["changed None", "changed None", "closed Some(Vanished)"]);
    let after = life.largest().await;
    assert_eq!((after.findings, after.read_ms), (all[0].findings - 1, Some(life.now())));
    let sync = life.pull(&life.known).await.report;
    let found = &sync.findings;
    assert_eq!(sync.applications.changed, 0, "{sync:?}");
    assert_eq!((found.new, found.changed, found.reopened, found.closed), (0, 0, 0, 0));
    assert_eq!(life.known.store.check().await.unwrap(), []);
    life.end().await;
}

#[tokio::test]
async fn closures_are_doubted_as_a_sync_doubts_them() {
    let (life, integration) = synced().await;
    let (row, before) = (life.largest().await, life.told().await);
    let guid = &row.application.guid;
    vanish(&life, guid, u32::try_from(row.open.iter().sum::<u64>()).unwrap());
    let fresh = life.read_now(&integration, guid).await.unwrap();
    let Some(Lack::Incomplete(reason)) = &fresh.lack else { panic!("{fresh:?}") };
    assert!(reason.contains("nothing was closed"), "{reason}");
    let after = life.largest().await;
    assert_eq!((life.told().await, after.open), (before, row.open));
    assert!(after.held_back > 0 && after.read_ms.is_none(), "{after:?}");
    // Somebody said that it is so.
    let accepts = Options { brake: countersign_findings::closure::Brake::off(), ..options() };
    let fresh = life.known.read_now(&integration, life.client(), guid, accepts).await.unwrap();
    assert_eq!(fresh.lack, None);
    life.end().await;
}

/// What the service does, and what comes of it.
#[tokio::test]
async fn what_cannot_be_read_leaves_the_store_as_it_is() {
    let (life, integration) = synced().await;
    let row = life.largest().await;
    let guid = &row.application.guid;
    vanish(&life, guid, 1);
    let (applications, feed) = (format!("{:?}", life.applications().await), life.told().await);
    let status = |path: &str, status: u16| {
        json!([{"name": "no", "match": {"path": path},
            "act": {"kind": "status", "status": status, "headers": {"retry-after": "0"}}}])
    };
    let itself = format!("*/applications/{guid}");
    for (rules, outcome) in [
        (status(&itself, 404), Ok(Some(Lack::Gone))),
        (status(&format!("{itself}*"), 404), Ok(Some(Lack::Gone))),
        (status(&itself, 401), Err(Fault::NotAuthenticated)),
        (status(&itself, 403), Err(Fault::RoleMissing)),
        (status(&itself, 503), Err(Fault::Upstream)),
        (status("*/findings", 503), Err(Fault::Upstream)),
        (status("*/findings", 404), Err(Fault::Upstream)),
        (status("*/findings", 403), Err(Fault::RoleMissing)),
        (
            json!([{"name": "cut", "match": {"path": itself},
                "act": {"kind": "truncate", "bytes": 50}}]),
            Err(Fault::Upstream),
        ),
    ] {
        life.fails(&rules).await;
        let ended = life.read_now(&integration, guid).await;
        let ended = ended.map(|fresh| fresh.lack).map_err(|error| error.fault());
        assert_eq!(ended, outcome, "{rules}");
        assert_eq!(format!("{:?}", life.applications().await), applications, "{rules}");
        assert_eq!(life.told().await, feed, "{rules}");
    }
    life.fails(&json!([])).await;
    assert_eq!(life.read_now(&integration, guid).await.unwrap().lack, None);
    assert_eq!(life.told().await.len(), feed.len() + 1);
    life.end().await;
}

#[tokio::test]
async fn nothing_takes_it_for_a_sync() {
    let (life, integration) = synced().await;
    let store = &life.known.store;
    let plan = async || {
        let text = life.metrics().await;
        let of_syncs = |line: &&str| line.contains("sync") || line.contains("schedule");
        (
            text.lines().filter(of_syncs).map(str::to_owned).collect::<Vec<_>>(),
            store.freshness().await.unwrap(),
            store.runs(None, 100).await.unwrap(),
            store.sync_figures(vec![1_000]).await.unwrap(),
            format!("{:?} {:?}", store.schedules().await.unwrap(), life.state()),
        )
    };
    let (row, before) = (life.largest().await, plan().await);
    vanish(&life, &row.application.guid, 1);
    let feed = life.told().await.len();
    life.read_now(&integration, &row.application.guid).await.unwrap();
    assert_eq!(life.told().await.len(), feed + 1, "it was read");
    assert_eq!(plan().await, before);
    life.end().await;
}

#[tokio::test]
async fn it_does_not_begin_beside_a_sync() {
    let (life, integration) = synced().await;
    let (store, guid) = (&life.known.store, life.largest().await.application.guid);
    let sync = store.begin_run(integration.id, RunKind::Incremental, life.now()).await.unwrap();
    let lock = store.lock_for_sync().unwrap();
    let fresh = life.read_now(&integration, &guid).await.unwrap();
    assert_eq!(fresh, Fresh { requests: 0, lack: Some(Lack::Syncing) });
    // One of another integration, or one that was cut off.
    drop(lock);
    assert_eq!(life.read_now(&integration, &guid).await.unwrap().lack, None);
    life.test.advance(MINUTE_MS);
    let lock = store.lock_for_sync().unwrap();
    store.forget_run(sync).await.unwrap();
    assert_eq!(life.read_now(&integration, &guid).await.unwrap().lack, None);
    drop(lock);
    life.end().await;
}

/// A sync that an application was read by is as good.
#[tokio::test]
async fn what_was_read_a_moment_ago_is_fresh_enough() {
    let (life, integration) = synced().await;
    let guid = life.largest().await.application.guid;
    life.pull(&life.known).await;
    let client = life.client();
    for (later_ms, has_asked) in [(0, false), (29_999, false), (1, true), (-MINUTE_MS, true)] {
        life.test.advance(later_ms);
        let before = client.stats().requests;
        let reading = life.known.read_now(&integration, client.clone(), &guid, options());
        let fresh = reading.await.unwrap();
        let asked = client.stats().requests - before;
        assert_eq!((fresh.lack, fresh.requests), (None, asked), "{later_ms}");
        assert_eq!(asked > 0, has_asked, "{later_ms}");
    }
    life.end().await;
}

#[tokio::test]
async fn who_wants_the_same_reading_shares_it() {
    let (life, integration) = synced().await;
    let guid = life.largest().await.application.guid;
    let (readings, id) = (Readings::new(life.known.clock.clone()), integration.id);
    let (client, begun) = (life.client(), Arc::new(AtomicUsize::new(0)));
    // It begins once both of them want it.
    let gate = Arc::new(Barrier::new(2));
    let want = || {
        let (known, integration, client) =
            (life.known.clone(), integration.clone(), client.clone());
        let (begun, gate, of) = (Arc::clone(&begun), Arc::clone(&gate), guid.clone());
        let reading = async move {
            begun.fetch_add(1, Ordering::SeqCst);
            gate.wait().await;
            known.read_now(&integration, client, &of, options()).await
        };
        readings.share(id, &guid, reading)
    };
    let (first, second, ()) = tokio::join!(want(), want(), async {
        gate.wait().await;
    });
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!((first.lack, second.lack, begun.load(Ordering::SeqCst)), (None, None, 1));
    let asked = client.stats().requests;
    assert!(asked >= 4 && first.requests + second.requests == asked, "told once: {asked}");
    assert_eq!(want().await.unwrap(), Fresh { requests: 0, lack: None });
    assert_eq!((begun.load(Ordering::SeqCst), client.stats().requests), (1, asked));
    life.end().await;
}

#[tokio::test]
async fn a_failure_is_shared_for_a_moment_and_what_breaks_down_leaves_nobody_waiting() {
    let life = Life::begin(SMALL, rule(6 * HOUR_MS)).await;
    life.pause().await;
    let integration = life.known.store.owned_integrations(None).await.unwrap().remove(0).id;
    let readings = Readings::new(life.known.clock.clone());
    let guid = ApplicationGuid::parse("app-1").unwrap();
    let whole = Fresh { requests: 3, lack: None };
    let down = async { Err(Error::new(Fault::Upstream, "down")) };
    let fault = readings.share(integration, &guid, down).await.unwrap_err().fault();
    assert_eq!(fault, Fault::Upstream);
    let up = || {
        let whole = whole.clone();
        async { Ok(whole) }
    };
    assert!(readings.share(integration, &guid, up()).await.is_err(), "within 30 seconds");
    let other = ApplicationGuid::parse("app-2").unwrap();
    assert_eq!(readings.share(integration, &other, up()).await.unwrap(), whole);
    life.test.advance(30_000);
    assert_eq!(readings.share(integration, &guid, up()).await.unwrap(), whole);

    life.test.advance(30_000);
    let broken = async { panic!("the reading is broken") };
    let fault = readings.share(integration, &guid, broken).await.unwrap_err().fault();
    assert_eq!(fault, Fault::Unexpected);
    // That a sync runs is looked at each time.
    life.test.advance(30_000);
    let syncing = async { Ok(Fresh { requests: 0, lack: Some(Lack::Syncing) }) };
    assert_eq!(
        readings.share(integration, &guid, syncing).await.unwrap().lack,
        Some(Lack::Syncing)
    );
    assert_eq!(readings.share(integration, &guid, up()).await.unwrap(), whole);
    life.end().await;
}
