//! Findings that others bring in: however they are split, sent again or broken off, the
//! store ends up the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use countersign_client::Meter;
use countersign_connector::health::standings;
use countersign_connector::import::{Done, MAX_FINDINGS, Outcome};
use countersign_connector::metrics::Calls;
use countersign_connector::{Clock, Connector, Fault, Fences, Random};
use countersign_findings::State;
use countersign_findings::filter::Expression;
use countersign_store::{
    ChangeKind, FindingRow, Order, OwnedIntegration, Query, RunKind, Since, Store,
};
use countersign_vault::{KeySource, SealedFile};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::life::credential;

/// A store with an integration for findings of others.
struct Desk {
    _folder: tempfile::TempDir,
    connector: Connector,
    integration: OwnedIntegration,
    now_ms: Arc<AtomicI64>,
}

impl Desk {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
        let now_ms = Arc::new(AtomicI64::new(1_780_272_000_000));
        let clock: Clock = {
            let now_ms = Arc::clone(&now_ms);
            Arc::new(move || now_ms.load(Ordering::Relaxed))
        };
        let random: Random = Arc::new(|buffer| buffer.fill(7));
        let key = KeySource::KeyFile(folder.path().join("key"));
        let vault = SealedFile::open(&folder.path().join("vault.json"), key, random.clone());
        let fences = Fences::at(&folder.path().join("fences"));
        let connector = Connector { store, vault: vault.unwrap(), fences, clock, random };
        connector.store.add_imported_integration("scanners", None, 1).await.unwrap();
        let mut all = connector.store.owned_integrations(None).await.unwrap();
        Self { _folder: folder, connector, integration: all.remove(0), now_ms }
    }

    fn store(&self) -> &Store {
        &self.connector.store
    }

    async fn import(&self, body: &[Value]) -> Done {
        self.now_ms.fetch_add(1000, Ordering::Relaxed);
        let texts: Vec<_> = body.iter().map(Value::to_string).collect();
        let texts: Vec<_> = texts.iter().map(String::as_str).collect();
        self.connector.import(&self.integration, &texts, &|_| {}).await.unwrap()
    }

    async fn rows(&self) -> Vec<FindingRow> {
        self.matching(Expression::default()).await
    }

    async fn matching(&self, filter: Expression) -> Vec<FindingRow> {
        let query = Query { filter, limit: 100_000, order: Order::Arrival, after: None };
        self.store().findings(query).await.unwrap()
    }

    /// All that a store holds of findings and applications, without times and numbers of
    /// its own.
    async fn content(&self) -> Vec<String> {
        let findings = self.rows().await.into_iter().map(|row| {
            format!("f {} {} {} {}", row.application_name, row.raw, row.gone, row.integration)
        });
        let mut lines: Vec<_> = findings.collect();
        for row in self.store().applications().await.unwrap() {
            let application = serde_json::to_string(&row.application).unwrap();
            lines.push(format!(
                "a {application} {:?} {} {:?}",
                row.open, row.findings, row.incomplete
            ));
        }
        lines.sort_unstable();
        lines
    }

    async fn feed(&self) -> Vec<(ChangeKind, String)> {
        let changes = self.store().changes(Since::Beginning, 100_000).await.unwrap();
        changes.into_iter().map(|change| (change.kind, change.finding_id)).collect()
    }

    async fn is_sound(&self) {
        let problems = self.store().check().await.unwrap();
        assert!(problems.is_empty(), "{problems:?}");
    }
}

fn flaw(application: usize, uid: &str, severity: i64, status: i64) -> Value {
    json!({
        "class_uid": 2007, "activity_id": 1, "severity_id": severity, "status_id": status,
        "metadata": {"version": "1.8.0", "product": {"name": "Example Scanner"}},
        "application": {"uid": format!("app-{application}"), "name": format!("shop {application}")},
        "finding_info": {"uid": uid, "title": format!("flaw {uid}")},
        "vulnerabilities": [{"cwe": {"uid": "CWE-89", "caption": "SQL Injection"},
            "affected_code": [{"file": {"path": format!("src/{uid}.rs")}, "start_line": severity}]}],
    })
}

fn outcomes(done: &Done) -> Vec<Outcome> {
    done.items.iter().map(|item| item.outcome.clone()).collect()
}

#[tokio::test]
async fn what_is_for_a_sync_or_too_much_is_refused_whole() {
    let desk = Desk::new().await;
    desk.store().add_integration(credential("prod", "https://x", "0a"), None).await.unwrap();
    let all = desk.store().owned_integrations(None).await.unwrap();
    let synced = all.iter().find(|one| one.name == "prod").unwrap();
    let body = flaw(1, "a", 4, 1).to_string();
    let error = desk.connector.import(synced, &[&body], &|_| {}).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Config, "{error}");
    let many = vec![body.as_str(); MAX_FINDINGS + 1];
    let error = desk.connector.import(&desk.integration, &many, &|_| {}).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Config, "{error}");
    assert!(desk.rows().await.is_empty() && desk.feed().await.is_empty());
    assert!(desk.store().runs(None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn each_is_told_in_its_place_and_the_rest_is_kept() {
    let desk = Desk::new().await;
    let mut wrong = flaw(1, "b", 4, 1);
    wrong["severity_id"] = json!("high");
    let body = [
        flaw(1, "a", 4, 1),
        wrong,
        flaw(1, "a", 5, 1),
        flaw(2, "c", 2, 1),
        json!([1]),
        flaw(2, "d", 9, 1),
    ];
    let done = desk.import(&body).await;
    let told = outcomes(&done);
    assert_eq!(told[0], Outcome::Superseded { by: 2 });
    assert_eq!((&told[2], &told[3]), (&Outcome::Created, &Outcome::Created));
    for (at, pointer) in [(1, "/severity_id"), (4, ""), (5, "/severity_id")] {
        let Outcome::Refused(refusal) = &told[at] else { panic!("{told:?}") };
        assert_eq!(refusal.pointer, pointer, "{refusal}");
        assert_eq!(done.items[at].kept, None);
    }
    let kept = |at: usize| done.items[at].kept.as_ref().map(|(_, id)| id.clone());
    assert!(kept(0).is_some() && kept(0) == kept(2));
    let report = &done.report;
    assert!(!report.complete);
    assert!(report.problems[0].reason.starts_with("/1/severity_id: "), "{:?}", report.problems);
    assert_eq!((report.findings.new, report.findings.total), (2, 2));
    assert_eq!((report.applications.listed, report.applications.changed), (2, 2));
    let rows = desk.rows().await;
    let severities: Vec<_> = rows.iter().map(|row| row.finding.severity.level()).collect();
    assert_eq!(severities, [5, 2], "the last one counts");
    desk.is_sound().await;
}

#[tokio::test]
async fn the_same_again_changes_nothing_and_another_content_once() {
    let desk = Desk::new().await;
    let body: Vec<_> = (0..30).map(|n| flaw(n % 3, &format!("f-{n}"), 4, 1)).collect();
    assert!(desk.import(&body).await.items.iter().all(|one| one.outcome == Outcome::Created));
    let (content, feed) = (desk.content().await, desk.feed().await);
    let marks = desk.store().application_marks(desk.integration.id).await.unwrap();
    let again = desk.import(&body).await;
    assert!(again.items.iter().all(|one| one.outcome == Outcome::Unchanged));
    assert_eq!((again.report.rows_written, again.report.findings.unchanged), (0, 30));
    assert_eq!((desk.content().await, desk.feed().await), (content.clone(), feed.clone()));
    assert_eq!(desk.store().application_marks(desk.integration.id).await.unwrap(), marks);

    // One of them alone; the others are not missing.
    let mut changed = body[4].clone();
    changed["finding_info"]["title"] = json!("another title");
    assert_eq!(outcomes(&desk.import(&[changed]).await), [Outcome::Updated]);
    let more = desk.feed().await;
    assert_eq!(more.len(), feed.len() + 1);
    assert_eq!(more.last().unwrap().0, ChangeKind::Changed);
    assert!(desk.rows().await.iter().all(|row| !row.gone && row.finding.state == State::Open));

    // Resolved, and found once more.
    for (status, kind, state) in
        [(4, ChangeKind::Closed, State::Fixed), (1, ChangeKind::Reopened, State::Open)]
    {
        let told = desk.import(&[flaw(1, "f-4", 4, status)]).await;
        assert_eq!(outcomes(&told), [Outcome::Updated]);
        assert_eq!(desk.feed().await.last().unwrap().0, kind);
        let row = desk.rows().await.into_iter().find(|row| row.finding.title == "flaw f-4");
        assert_eq!(row.unwrap().finding.state, state);
    }
    assert_eq!(desk.rows().await.len(), 30);
    desk.is_sound().await;
}

#[tokio::test]
async fn an_event_of_its_own_is_kept_and_not_announced() {
    let desk = Desk::new().await;
    desk.import(&[flaw(1, "a", 4, 1)]).await;
    let mut later = flaw(1, "a", 4, 1);
    later["metadata"]["uid"] = json!("event-2");
    let done = desk.import(&[later]).await;
    assert_eq!(outcomes(&done), [Outcome::Unchanged]);
    assert_eq!(desk.feed().await.len(), 1);
    assert!(desk.rows().await[0].raw.contains("event-2"));
}

#[tokio::test]
async fn the_name_of_an_application_stays_until_another_is_told() {
    let desk = Desk::new().await;
    let names = |desk: &Desk| {
        let store = desk.store().clone();
        async move {
            let all = store.applications().await.unwrap();
            all.into_iter().map(|row| row.application.name).collect::<Vec<_>>()
        }
    };
    let mut unnamed = flaw(1, "a", 4, 1);
    unnamed["application"] = json!({"uid": "app-1"});
    desk.import(&[unnamed.clone()]).await;
    assert_eq!(names(&desk).await, ["app-1"]);
    desk.import(&[flaw(1, "b", 4, 1), unnamed.clone()]).await;
    assert_eq!(names(&desk).await, ["shop 1"]);
    desk.import(&[unnamed]).await;
    assert_eq!(names(&desk).await, ["shop 1"]);
}

#[tokio::test]
async fn nobody_waits_for_a_sync_of_it() {
    let desk = Desk::new().await;
    desk.store().add_integration(credential("prod", "https://x", "0a"), None).await.unwrap();
    desk.import(&[flaw(1, "a", 4, 1), json!({})]).await;
    desk.now_ms.fetch_add(400 * 86_400_000, Ordering::Relaxed);
    let now_ms = desk.now_ms.load(Ordering::Relaxed);
    let standings = standings(desk.store(), None, now_ms).await.unwrap();
    let names: Vec<_> = standings.iter().map(|one| one.integration.as_str()).collect();
    assert_eq!(names, ["prod"]);
    let schedules = desk.store().schedules().await.unwrap();
    assert!(schedules.iter().all(|one| one.name == "prod"), "{schedules:?}");
    let metered = desk
        .connector
        .exposition(&[], None, &Meter::default(), &Calls::default(), &[], "0")
        .await
        .unwrap();
    let of_imported = metered.lines().filter(|line| line.contains("integration=\"scanners\""));
    let of_imported: Vec<_> = of_imported.collect();
    assert!(of_imported.iter().all(|line| line.starts_with("countersign_findings{")));
    assert!(of_imported.iter().any(|line| line.ends_with(" 1")), "{of_imported:?}");
    let runs = desk.store().runs(Some(desk.integration.id), 10).await.unwrap();
    assert_eq!((runs.len(), runs[0].kind, runs[0].complete), (1, RunKind::Import, Some(false)));
}

/// A sync holds its lock, and what it writes, as long as it likes.
#[tokio::test]
async fn it_goes_on_beside_a_sync_of_another_integration() {
    let desk = Desk::new().await;
    let _lock = desk.store().lock_for_sync().unwrap();
    assert_eq!(outcomes(&desk.import(&[flaw(1, "a", 4, 1)]).await), [Outcome::Created]);
}

/// Several at once into the same applications: each finding is there once, and announced
/// once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_get_in_each_others_way_and_agree() {
    let desk = Arc::new(Desk::new().await);
    let body: Vec<_> = (0..200).map(|n| flaw(n % 3, &format!("f-{n}"), 4, 1)).collect();
    let body = Arc::new(body);
    let created = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let (desk, body, created) =
                (Arc::clone(&desk), Arc::clone(&body), Arc::clone(&created));
            tokio::spawn(async move {
                let done = desk.import(&body).await;
                let new = done.items.iter().filter(|one| one.outcome == Outcome::Created).count();
                created.fetch_add(new, Ordering::Relaxed);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(created.load(Ordering::Relaxed), 200);
    let feed = desk.feed().await;
    let each: BTreeSet<_> = feed.iter().map(|(_, id)| id.clone()).collect();
    assert_eq!((feed.len(), each.len(), desk.rows().await.len()), (200, 200, 200));
    desk.is_sound().await;
}

#[tokio::test]
async fn what_is_shown_by_a_filter_is_what_it_matches() {
    let desk = Desk::new().await;
    let mut body: Vec<_> = (0..60)
        .map(|n| flaw(n % 4, &format!("f-{n}"), (n % 6) as i64 + 1, (n % 5) as i64))
        .collect();
    for (at, value) in body.iter_mut().enumerate() {
        match at % 3 {
            0 => {
                value["vulnerabilities"] = json!([{
                    "cve": {"uid": format!("CVE-2026-{:04}", at % 7),
                        "cvss": [{"base_score": at as f64 / 6.0, "version": "3.1"}]},
                    "affected_packages": [{"name": format!("pack-{}", at % 4), "version": "1.0"}]}]);
            }
            1 => value["resources"] = json!([{"uid": format!("https://example.com/{at}")}]),
            _ => {}
        }
    }
    desk.import(&body).await;
    let rows = desk.rows().await;
    assert_eq!(rows.len(), 60);
    for filter in [
        "severity[gte]4",
        "state[eq]fixed",
        "scan_type[eq]SCA",
        "cve[eq]CVE-2026-0003",
        "component[like]pack",
        "cvss[gt]5",
        "file[like]src/f-2",
        "integration[eq]scanners",
        "integration[eq]other",
        "title[eq]\"flaw f-7\"",
        "application_name[eq]\"shop 2\" and not severity[lt]3",
    ] {
        let parsed =
            Expression::parse(filter, 0).unwrap_or_else(|error| panic!("{filter}: {error}"));
        let expected: BTreeSet<_> = rows
            .iter()
            .filter(|row| parsed.matches(&row.finding, row.origin()))
            .map(|row| row.finding.id.clone())
            .collect();
        let found = desk.matching(parsed).await;
        let found: BTreeSet<_> = found.into_iter().map(|row| row.finding.id).collect();
        assert_eq!(found, expected, "{filter}");
    }
}

/// A change of one finding: application, which one, severity, status.
type Step = (usize, usize, i64, i64);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0_usize..3, 0_usize..8, 1_i64..6, 0_i64..6), 1..40)
}

fn bodies(steps: &[Step]) -> Vec<Value> {
    let value = |(application, uid, severity, status): &Step| {
        flaw(*application, &format!("f-{uid}"), *severity, *status)
    };
    steps.iter().map(value).collect()
}

fn wait_for<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn however_a_body_is_split_the_store_is_the_same(
        steps in steps(),
        cuts in prop::collection::vec(0_usize..40, 0..4),
        is_sent_twice: bool,
    ) {
        wait_for(async {
            let (whole, split) = (Desk::new().await, Desk::new().await);
            let body = bodies(&steps);
            whole.import(&body).await;
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(body.len())).collect();
            cuts.extend([0, body.len()]);
            cuts.sort_unstable();
            for part in cuts.windows(2) {
                for _ in 0..=usize::from(is_sent_twice) {
                    split.import(&body[part[0]..part[1]]).await;
                }
            }
            assert_eq!(whole.content().await, split.content().await);
            whole.is_sound().await;
            split.is_sound().await;
            // Brute force: of each key the last one.
            let last: BTreeMap<_, _> =
                steps.iter().map(|step| ((step.0, step.1), (step.2, step.3))).collect();
            let rows = split.rows().await;
            assert_eq!(rows.len(), last.len());
            for row in &rows {
                check(row, &last);
            }
            // The feed tells how each came to be as it is.
            let feed = split.feed().await;
            let new = feed.iter().filter(|(kind, _)| *kind == ChangeKind::New).count();
            assert_eq!(new, last.len());
        });
    }
}

/// Against what was given of it last.
fn check(row: &FindingRow, last: &BTreeMap<(usize, usize), (i64, i64)>) {
    let number = |text: &str, start: &str| text.trim_start_matches(start).parse::<usize>().unwrap();
    let key = (number(&row.application_name, "shop "), number(&row.finding.title, "flaw f-"));
    let (severity, status) = last[&key];
    let level = if severity == 1 { 0 } else { severity };
    let state = match status {
        3 => State::Mitigated,
        4 | 5 => State::Fixed,
        _ => State::Open,
    };
    assert_eq!((i64::from(row.finding.severity.level()), row.finding.state), (level, state));
}
