//! Thirty days in the life of a tenant, synced by the scheduler. Whatever happens to the
//! tenant and to the runs, after every day the store holds what one look at everything
//! finds, and the change feed tells how it came there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use countersign_connector::Connector;
use countersign_connector::duty::Rule;
use countersign_findings::{Context, Difference, rfc3339};
use countersign_platform::SeedSpec;
use countersign_store::{ChangeRow, Reason, Scope, Since};
use countersign_testkit::TestPlatform;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use serde_json::{Value, json};

use crate::life::{DAY_MS, HOUR_MS, Life, NAME, rule};

const DAYS: i64 = 30;

/// A store at one moment.
#[derive(Debug, Clone, Default)]
struct Held {
    /// Findings by id.
    findings: BTreeMap<String, Sighting>,
    /// Applications that are there, by guid, whole.
    applications: BTreeMap<String, String>,
    gone_applications: BTreeSet<String>,
    /// Open findings by severity, in the policy contexts of applications that are there.
    open: [u64; 6],
}

#[derive(Debug, Clone, PartialEq)]
struct Sighting {
    finding: Value,
    raw: String,
    is_gone: bool,
}

impl Held {
    async fn of(connector: &Connector, folder: &Path) -> Self {
        let store = &connector.store;
        let mut held = Self::default();
        for row in store.applications().await.unwrap() {
            let guid = row.application.guid.to_string();
            assert_eq!(row.incomplete, None, "{guid}");
            match row.gone {
                true => drop(held.gone_applications.insert(guid)),
                false => drop(held.applications.insert(guid, format!("{:?}", row.application))),
            }
        }
        for id in ids(folder) {
            let row = store.findings_by_id(&id).await.unwrap().remove(0);
            let finding = serde_json::to_value(&row.finding).unwrap();
            let is_seen = held.applications.contains_key(row.finding.application.as_str());
            let is_counted = row.finding.context == Context::Policy && !row.gone && is_seen;
            if row.finding.state.is_open() && is_counted {
                held.open[usize::from(row.finding.severity.level())] += 1;
            }
            held.findings.insert(id, Sighting { finding, raw: row.raw, is_gone: row.gone });
        }
        held
    }

    /// What is there: no finding that vanished, none of an application that is gone.
    fn present(&self) -> BTreeMap<&String, &Sighting> {
        let is_there = |one: &Sighting| {
            let application = one.finding["application"].as_str().unwrap();
            !one.is_gone && self.applications.contains_key(application)
        };
        self.findings.iter().filter(|(_, one)| is_there(one)).collect()
    }
}

fn ids(folder: &Path) -> Vec<String> {
    let connection = Connection::open(folder.join("store.sqlite")).unwrap();
    let mut statement = connection.prepare("select lower(hex(finding_id)) from findings").unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// What the test controls do not do: the same database that the platform has.
pub(crate) fn happens(test: &TestPlatform, sql: &str) -> usize {
    let connection = Connection::open(test.home.path().join("platform.sqlite")).unwrap();
    connection.pragma_update(None, "foreign_keys", true).unwrap();
    // What triggers change is not what happens.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).unwrap();
    let before = connection.total_changes();
    connection.execute_batch(sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
    usize::try_from(connection.total_changes() - before).unwrap()
}

fn there_are(test: &TestPlatform) -> usize {
    let connection = Connection::open(test.home.path().join("platform.sqlite")).unwrap();
    connection.query_row("select count(*) from findings", [], |row| row.get(0)).unwrap()
}

const SANDBOX_MADE: &str = "
    insert into sandboxes (guid, application, name, owner, created_ms, modified_ms)
        select lower(hex(randomblob(4)) || '-0000-4000-8000-' || hex(randomblob(6))), id,
            'Sandbox of day {day}', 'dev@example.com', 0, 0
        from applications where last_scan_ms is not null order by (id * 7 + {day}) % 5, id limit 1;
    insert into findings (application, sandbox, is_sca, ordinal, issue_id, scan_type, severity, cwe,
            category, cvss, cve, violates_policy, is_new, status, resolution, resolution_status,
            review_status, first_found_ms, last_seen_ms, grace_ms, mitigated_ms, scan_mode,
            dependency_mode, build_id, text, details, annotations)
        select application, last_insert_rowid(), is_sca, ordinal, issue_id, scan_type, severity, cwe,
            category, cvss, cve, violates_policy, is_new, status, resolution, resolution_status,
            review_status, first_found_ms, last_seen_ms, grace_ms, mitigated_ms, scan_mode,
            dependency_mode, build_id, text, details, annotations
        from findings where sandbox = 0
            and application = (select application from sandboxes where id = last_insert_rowid())
        limit 7;";
/// The scan of a sandbox becomes that of the policy.
const SANDBOX_PROMOTED: &str = "
    update findings set ordinal = ordinal + 1000 * {day}, issue_id = issue_id + 1000 * {day},
        sandbox = 0 where sandbox = (select min(id) from sandboxes);
    update applications set modified_ms = {now} where id = (select application from sandboxes order by id limit 1);
    delete from sandboxes where id = (select min(id) from sandboxes);";
const SANDBOX_DELETED: &str = "
    delete from findings where sandbox = (select max(id) from sandboxes);
    delete from sandboxes where id = (select max(id) from sandboxes);";
const SEVERITY_CHANGED: &str = "
    update findings set severity = (severity + 2) % 6 where id in
        (select id from findings where status = 'OPEN' order by (id * 31 + {day}) % 17, id limit 3);";
/// An open one and one that is not: the next scan has another module.
const VANISHED: &str = "
    create table if not exists parked as select * from findings where false;
    insert into parked select * from findings where status = 'OPEN' order by (id * 13 + {day}) % 11, id limit 2;
    insert into parked select * from findings where status = 'CLOSED' order by (id * 13 + {day}) % 11, id limit 1;
    delete from findings where id in (select id from parked);";
const BACK_AGAIN: &str = "
    insert into findings select * from parked where application in (select id from applications)
        and (sandbox = 0 or sandbox in (select id from sandboxes));
    delete from parked;";

/// How the platform fails on some days, from midnight until the afternoon.
fn faults(day: i64) -> Option<Value> {
    let middle: Vec<u64> = (6..2_000).collect();
    let retry = json!({"retry-after": "0"});
    Some(match day {
        8 => json!([{"name": "down", "match": {"path": "*/findings", "nth": middle},
            "act": {"kind": "status", "status": 503, "headers": retry}}]),
        13 => json!([{"name": "short", "match": {"path": "*/findings", "probability": 0.8},
            "act": {"kind": "short_page"}}]),
        18 => json!([{"name": "empty", "match": {"path": "*/findings", "nth": middle},
            "act": {"kind": "short_page", "missing": 1000}}]),
        23 => json!([{"name": "listing", "match": {"path": "*/applications"},
            "act": {"kind": "total_drift", "by": 3}}]),
        26 => json!([{"name": "cut", "match": {"path": "/appsec/*", "nth": middle},
            "act": {"kind": "truncate", "bytes": 100}}]),
        _ => return None,
    })
}

/// One day of the tenant, at midnight.
async fn live(life: &Life, day: i64, happened: &mut BTreeMap<String, u64>) {
    let test = &life.test;
    let yesterday = json!({"now": rfc3339(test.now() - DAY_MS)});
    assert_eq!(test.control("PUT", "/clock", &yesterday.to_string()).await.status, 200);
    let events = test.control("POST", "/mutate", "{\"seed\": 23}").await;
    assert_eq!(events.status, 200, "{}", events.json());
    // The signer's time is the platform's again.
    test.control("DELETE", "/clock", "").await;
    for (name, count) in events.json().as_object().unwrap() {
        *happened.entry(name.clone()).or_default() += count.as_u64().unwrap();
    }
    let acts = [
        ("sandbox made", 3, 0, SANDBOX_MADE),
        ("severity changed", 3, 1, SEVERITY_CHANGED),
        ("vanished", 4, 2, VANISHED),
        ("back again", 8, 7, BACK_AGAIN),
        ("sandbox promoted", 6, 4, SANDBOX_PROMOTED),
        ("sandbox deleted", 6, 1, SANDBOX_DELETED),
    ];
    for (name, every, at, sql) in acts {
        if day % every == at {
            let sql =
                sql.replace("{day}", &day.to_string()).replace("{now}", &test.now().to_string());
            *happened.entry(name.into()).or_default() += happens(test, &sql) as u64;
        }
    }
}

/// Yesterday and what the feed told since make today, and nothing is told of nothing.
fn explain(day: i64, yesterday: &Held, today: &Held, feed: &[ChangeRow]) {
    let mut rebuilt = yesterday.findings.clone();
    for row in feed {
        let id = &row.finding_id;
        let differences: Vec<Difference> = row
            .differences
            .as_deref()
            .map(|text| serde_json::from_str(text).unwrap())
            .unwrap_or_default();
        if row.kind.as_str() == "new" {
            assert!(!rebuilt.contains_key(id), "day {day}: {id} is new again");
            let now = today.findings.get(id).unwrap_or_else(|| panic!("day {day}: no {id}"));
            let first = Sighting { is_gone: false, ..now.clone() };
            rebuilt.insert(id.clone(), first);
            continue;
        }
        let one = rebuilt.get_mut(id).unwrap_or_else(|| panic!("day {day}: {row:?} of nothing"));
        let was = one.clone();
        for difference in &differences {
            let path = difference.field.split('.');
            let before = put(&mut one.finding, path, &difference.after);
            let is_told = !difference.is_routine();
            assert!(!is_told || before == difference.before, "day {day}: {row:?}");
        }
        one.is_gone = row.reason == Some(Reason::Vanished);
        let tells = one.is_gone != was.is_gone || !differences.iter().all(Difference::is_routine);
        assert!(tells, "day {day}: {row:?} tells of nothing");
        let is_open = |one: &Sighting| one.finding["state"] == "open" && !one.is_gone;
        let turned = match (is_open(&was), is_open(one)) {
            (false, true) => "reopened",
            (true, false) => "closed",
            _ => "changed",
        };
        assert_eq!(row.kind.as_str(), turned, "day {day}: {row:?}");
        assert_eq!(json!(row.severity), one.finding["severity"], "day {day}: {row:?}");
    }
    assert!(rebuilt.keys().eq(today.findings.keys()), "day {day}: other findings than told of");
    for (id, one) in &rebuilt {
        let now = &today.findings[id];
        let silent = told_of(&now.finding);
        assert_eq!(
            told_of(&one.finding),
            silent,
            "day {day}: {id} is different, and nobody said so"
        );
        assert_eq!(one.is_gone, now.is_gone, "day {day}: {id} is gone, or not");
    }
}

/// A finding without what every scan moves.
fn told_of(finding: &Value) -> Value {
    let mut finding = finding.clone();
    for path in ["last_seen", "build_id", "status.new"] {
        put(&mut finding, path.split('.'), &Value::Null);
    }
    finding
}

/// Sets a member, and answers what it was.
fn put<'p>(object: &mut Value, mut path: impl Iterator<Item = &'p str>, after: &Value) -> Value {
    let Some(name) = path.next() else { return std::mem::replace(object, after.clone()) };
    let members = object.as_object_mut().expect("an object");
    let before = put(members.entry(name).or_insert(Value::Null), path, after);
    if members[name].is_null() {
        members.remove(name);
    }
    before
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_every_day_of_a_month_the_store_is_what_the_service_has() {
    let spec = SeedSpec::Sized { applications: 10, findings: 150, rng: 5 };
    let weekly =
        Rule { full_every_ms: Some(7 * DAY_MS), jitter_ms: HOUR_MS / 6, ..rule(6 * HOUR_MS) };
    let life = Life::begin(spec, weekly).await;
    let mut happened = BTreeMap::new();
    let mut told: BTreeMap<String, u64> = BTreeMap::new();
    let (mut seq, mut failed) = (0, 0);
    let mut yesterday = Held::default();
    for day in 0..DAYS {
        let midnight_ms = life.test.now();
        if day > 0 {
            live(&life, day, &mut happened).await;
        }
        let mut early = Vec::new();
        if let Some(rules) = faults(day) {
            let plan = json!({"seed": day, "rules": rules}).to_string();
            let set = life.test.control("PUT", "/faults", &plan).await;
            assert_eq!(set.status, 200, "{}", set.json());
            let failures = life.pass_until(midnight_ms + 17 * HOUR_MS).await;
            assert!(failures > 0, "day {day}: nobody says that something is wrong");
            failed += failures;
            early = life.feed(seq).await;
            life.test.control("DELETE", "/faults", "").await;
        }
        life.pass_until(midnight_ms + DAY_MS).await;
        assert_eq!(life.state().problem, None, "day {day}");

        let folder = tempfile::tempdir().unwrap();
        let fresh = life.connector(folder.path()).await;
        assert!(life.pull(&fresh).await.report.complete, "day {day}");
        let truth = Held::of(&fresh, folder.path()).await;
        // A reader that skips something would skip it in both stores.
        assert_eq!(truth.findings.len(), there_are(&life.test), "day {day}");
        let today = Held::of(&life.known, life.folder.path()).await;
        assert_eq!(today.applications, truth.applications, "day {day}");
        assert!(today.present().keys().eq(truth.present().keys()), "day {day}: others are there");
        for (id, one) in today.present() {
            assert_eq!(one, &truth.findings[id], "day {day}: {id}");
        }
        let trend = life.trend(midnight_ms.div_euclid(DAY_MS), truth.applications.keys()).await;
        assert_eq!(trend.0, truth.open, "day {day}: the trend of what is there");
        assert_eq!(trend.1, truth.open, "day {day}: the trend of everything");
        for row in early.iter().filter(|row| row.kind.as_str() == "closed") {
            let one = truth.findings.get(&row.finding_id);
            assert!(
                one.is_none_or(|one| one.finding["state"] != "open"),
                "day {day}: {row:?} was closed because the platform failed"
            );
        }
        let feed = life.feed(seq).await;
        explain(day, &yesterday, &today, &feed);
        for row in &feed {
            *told.entry(row.kind.as_str().to_owned()).or_default() += 1;
            *told
                .entry(row.reason.map(|reason| reason.as_str().to_owned()).unwrap_or_default())
                .or_default() += 1;
        }
        seq = feed.last().map_or(seq, |row| row.seq);
        yesterday = today;
    }
    assert!(failed >= 10, "{failed} runs failed");
    for kind in ["new", "changed", "reopened", "closed", "vanished"] {
        assert!(told.get(kind).is_some_and(|count| *count >= 3), "{kind}: {told:?}");
    }
    let rare: Vec<_> = happened.iter().filter(|(_, count)| **count < 2).collect();
    assert!(rare.is_empty() && happened.len() >= 18, "too little happened: {happened:?}");
    assert!(!yesterday.gone_applications.is_empty());
    let runs = life.runs();
    let fulls = runs.iter().filter(|kind| *kind == "full").count();
    assert!(runs.len() >= 4 * 30 && (5..=12).contains(&fulls), "{} runs, {fulls} full", runs.len());
    life.end().await;
}

impl Life {
    async fn feed(&self, seq: i64) -> Vec<ChangeRow> {
        self.known.store.changes(Since::Seq(seq), 100_000).await.unwrap()
    }

    /// Open findings at the end of a day: of these applications, and of all.
    async fn trend(&self, day: i64, guids: impl Iterator<Item = &String>) -> ([u64; 6], [u64; 6]) {
        let store = &self.known.store;
        let mut sum = [0; 6];
        for guid in guids {
            let scope = Scope::Application { integration: NAME.into(), guid: guid.clone() };
            let open = store.history(scope, day, day).await.unwrap()[0].open;
            sum.iter_mut().zip(open).for_each(|(sum, open)| *sum += open);
        }
        (sum, store.history(Scope::Everything, day, day).await.unwrap()[0].open)
    }

    fn runs(&self) -> Vec<String> {
        let connection = Connection::open(self.folder.path().join("store.sqlite")).unwrap();
        let mut statement = connection.prepare("select kind from runs order by id").unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }
}
