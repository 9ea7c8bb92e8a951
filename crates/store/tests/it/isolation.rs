//! Who asks about their own integration does not learn from the work of the answer what
//! another one holds: not which values, not how many. The work is counted in steps of SQLite's
//! virtual machine, never timed.

use countersign_findings::filter::{Expression, Field, Filter, Operator, Value};
use countersign_findings::{Context, FindingId};
use countersign_store::{
    ChangeKind, IntegrationId, Meter, Order, Query, Reading, RunKind, Seek, Store,
};
use serde_json::json;

use crate::engine;
use crate::suite::{application, credential, open, put_in};

/// Findings of one reading of the foreign integration; there are two.
const FOREIGN: i64 = 10_000;
/// Findings of each of the own applications.
const OWN: i64 = 100;
const FOREIGN_SANDBOX: &str = "7c1b0a52-0000-4000-8000-00000000000f";
const DAY_MS: i64 = 86_400_000;

/// What the findings of an integration have in common, and nobody else's.
struct Sort {
    word: &'static str,
    number: i64,
    severity: i64,
    day: &'static str,
    context: Context,
}

fn own() -> Sort {
    let context = Context::Policy;
    Sort { word: "mine", number: 70, severity: 3, day: "2026-01-05", context }
}

fn foreign() -> Sort {
    let context = Context::sandbox(FOREIGN_SANDBOX).unwrap();
    Sort { word: "theirs", number: 700, severity: 5, day: "2026-03-05", context }
}

/// Static, dynamic, and of a component, in turn; the texts of each are its own.
fn record(sort: &Sort, n: i64) -> serde_json::Value {
    let Sort { word, number, severity, day, .. } = sort;
    let is_foreign = *word == foreign().word;
    let scan_type = match (is_foreign, n % 3) {
        (true, 0) => "MANUAL",
        (_, 1) => "DYNAMIC",
        (_, 2) => "SCA",
        _ => "STATIC",
    };
    let resolution = if is_foreign { "MITIGATED" } else { "UNRESOLVED" };
    let mut record = json!({
        "issue_id": n, "scan_type": scan_type, "description": format!("a {word} flaw"),
        "violates_policy": is_foreign,
        "finding_status": {
            "status": if is_foreign { "CLOSED" } else { "OPEN" }, "resolution": resolution,
            "resolution_status": if is_foreign { "APPROVED" } else { "NONE" },
            "first_found_date": format!("{day}T00:00:00.000Z"),
            "last_seen_date": format!("{day}T12:00:00.000Z")},
        "finding_details": {
            "severity": severity, "cwe": {"id": number, "name": format!("{word} weakness {n}")},
            "finding_category": {"id": number, "name": word},
            "file_path": format!("src/{word}/{n}.java"), "module": format!("{word}-{n}.war")},
    });
    let details = &mut record["finding_details"];
    match n % 3 {
        1 => details["url"] = json!(format!("https://{word}.example.com/{n}")),
        2 => {
            details["component_id"] = json!(format!("{word}-{n}"));
            details["component_filename"] = json!(format!("{word}-{n}.jar"));
            let score = if is_foreign { 9.9 } else { 5.5 };
            let name = format!("CVE-{}-{:04}", 2000 + number, n);
            details["cve"] = json!({"name": name, "cvss3": {"score": score}});
        }
        _ if is_foreign => record["grace_period_expires_date"] = json!("soon"),
        _ => {}
    }
    record
}

async fn read(store: &Store, id: IntegrationId, sort: &Sort, name: &str, count: i64, at_ms: i64) {
    let run = store.begin_run(id, RunKind::Full, 1).await.unwrap();
    let mut writer = open(store, run, name).await;
    for n in 1..=count {
        let kind = Some(ChangeKind::New);
        put_in(&mut writer, name, &sort.context, &record(sort, n), kind).await;
    }
    writer.commit(Reading::Complete { read_ms: at_ms }).await.unwrap();
}

/// A store with an own integration, between the readings of a foreign one of so many findings.
async fn store(folder: &std::path::Path, foreign_findings: i64) -> Store {
    let store = engine::open(folder).await;
    let mine = store.add_integration(credential("mine"), None).await.unwrap();
    let theirs = store.add_integration(credential("theirs"), None).await.unwrap();
    for (at, name) in ["mine-1", "theirs-1", "mine-2", "theirs-2", "mine-3"].iter().enumerate() {
        match at % 2 == 0 {
            true => read(&store, mine, &own(), name, OWN, DAY_MS).await,
            false => read(&store, theirs, &foreign(), name, foreign_findings, 3 * DAY_MS).await,
        }
    }
    let run = store.begin_run(theirs, RunKind::Full, 1).await.unwrap();
    let gone = application("theirs-2").0.guid.to_string();
    store.mark_applications_gone(run, vec![gone]).await.unwrap();
    store
}

/// A value that the foreign integration alone has, and one like it that nobody has, before
/// which there are others. Every truth is somebody's.
fn values(field: Field) -> (Value, Value) {
    let texts = |foreign: &str, nobody: &str| {
        (Value::Text(foreign.to_owned()), Value::Text(nobody.to_owned()))
    };
    let numbers = |foreign, nobody| (Value::Integer(foreign), Value::Integer(nobody));
    match field {
        Field::Id => {
            let id = |name: &str| {
                let guid = application(name).0.guid;
                let key = countersign_findings::FindingKey::Flaw(3);
                Value::Text(FindingId::of(&guid, &foreign().context, &key).to_string())
            };
            (id("theirs-1"), id("nobody"))
        }
        Field::Application | Field::ApplicationName => texts("theirs-1", "nobody-1"),
        Field::Integration => texts("theirs", "nobody"),
        Field::Context => {
            let nobody = FOREIGN_SANDBOX.replace("00000000000f", "00000000000e");
            texts(&format!("sandbox:{FOREIGN_SANDBOX}"), &format!("sandbox:{nobody}"))
        }
        Field::ScanType => texts("MANUAL", "MANUEL"),
        Field::State => texts("mitigated", "fixed"),
        Field::Status => texts("CLOSED", "CLOSER"),
        Field::Title => texts("theirs weakness 9", "nobody weakness 9"),
        Field::File => texts("src/theirs/9.java", "src/nobody/9.java"),
        Field::Module => texts("theirs-9.war", "nobody-9.war"),
        Field::Url => texts("https://theirs.example.com/10", "https://nobody.example.com/10"),
        Field::Component => texts("theirs-8.jar", "nobody-8.jar"),
        Field::Cve => texts("CVE-2700-0008", "CVE-2800-0008"),
        Field::Notes => texts("grace_period_expires_date", "grace_period_expires_hour"),
        Field::Text => texts("theirs", "nobody"),
        Field::Severity => numbers(5, 4),
        Field::Visible | Field::ViolatesPolicy | Field::New => numbers(1, 1),
        Field::Cwe | Field::Category => numbers(700, 701),
        Field::Cvss => (Value::Number(9.9), Value::Number(9.8)),
        Field::FirstFound => numbers(20_517 * DAY_MS, 20_518 * DAY_MS),
        Field::LastSeen => numbers(20_517 * DAY_MS + DAY_MS / 2, 20_518 * DAY_MS),
        Field::Changed => numbers(3 * DAY_MS, 4 * DAY_MS),
    }
}

/// What is asked, of the own integration.
fn mine(asked: Expression) -> Expression {
    let name = Value::Text("mine".to_owned());
    Expression::All(vec![Expression::of(Field::Integration, Operator::Eq, name), asked])
}

fn fits(field: Field, operator: Operator) -> bool {
    let text = Value::Text("x".to_owned());
    let name = format!("{}[{}]", field.name(), operator.name());
    match values(field).0 {
        Value::Text(_) if field == Field::Text => operator == Operator::Like,
        Value::Text(_) => Filter::new(field, operator, text).to_string().starts_with(&name),
        _ => operator != Operator::Like,
    }
}

/// One value, and for `like` what many texts of the integration have in common.
fn ask(field: Field, operator: Operator, value: &Value) -> Expression {
    let value = match (value, operator, field) {
        (value, _, Field::Text | Field::ScanType | Field::Status | Field::Notes) => value.clone(),
        (Value::Text(text), Operator::Like, _) => {
            let common = ["theirs", "nobody", "2700", "2800"];
            let found = common.into_iter().find(|common| text.contains(common));
            Value::Text(found.unwrap_or(text).to_owned())
        }
        (value, _, _) => value.clone(),
    };
    mine(Filter::new(field, operator, value).into())
}

/// What is asked about a filter.
#[derive(Debug, Clone, Copy)]
enum Question {
    Page(Order),
    Count,
    Facet,
    Sorted,
}

const QUESTIONS: [Question; 5] = [
    Question::Page(Order::Severity),
    Question::Page(Order::Arrival),
    Question::Count,
    Question::Facet,
    Question::Sorted,
];

async fn steps(store: &Store, question: Question, filter: Expression) -> u64 {
    let meter = Meter::default();
    let store = store.clone().with_meter(meter.clone());
    match question {
        Question::Page(order) => {
            let query = Query { filter, limit: 100, order, after: None };
            store.findings(query).await.unwrap();
        }
        Question::Count => drop(store.count_findings(filter).await.unwrap()),
        Question::Facet => drop(store.facet(filter, Field::Cwe, 20).await.unwrap()),
        Question::Sorted => {
            let by = countersign_store::Sorting { field: Field::Title, is_descending: false };
            store.sorted_rows(filter, by, 20).await.unwrap();
        }
    }
    meter.steps()
}

/// Alike, whatever the size of the foreign integration: it has more rows than this has steps.
fn is_alike(steps: u64, other: u64) -> bool {
    let (less, more) = (steps.min(other), steps.max(other));
    more <= 2 * less || more - less <= 2000
}

#[tokio::test]
async fn a_question_costs_the_same_whatever_others_hold() {
    let (with, without) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let beside = store(with.path(), FOREIGN).await;
    let alone = store(without.path(), 0).await;
    let total = beside.count_findings(Expression::default()).await.unwrap();
    assert_eq!(total, (3 * OWN + 2 * FOREIGN) as u64);
    let mut unlike = Vec::new();
    for field in Field::ALL {
        let (theirs, nobodys) = values(field);
        for operator in Operator::ALL.into_iter().filter(|operator| fits(field, *operator)) {
            for is_negated in [false, true] {
                for question in QUESTIONS {
                    let [theirs, nobodys] = [&theirs, &nobodys].map(|value| {
                        match (ask(field, operator, value), is_negated) {
                            (asked, false) => asked,
                            (asked, true) => mine(Expression::Not(Box::new(asked))),
                        }
                    });
                    let a = steps(&beside, question, theirs.clone()).await;
                    let b = steps(&beside, question, nobodys).await;
                    let c = steps(&alone, question, theirs.clone()).await;
                    let line = format!(
                        "{question:?} {theirs}: {a} steps; of a value that nobody has {b}; \
                         alone {c}"
                    );
                    if !is_alike(a, b) || !is_alike(a, c) {
                        unlike.push(line);
                    }
                }
            }
        }
    }
    assert!(unlike.is_empty(), "{} questions:\n{}", unlike.len(), unlike.join("\n"));
}

/// The steps of each page of a list, and how many rows it has.
async fn walk(store: &Store, filter: &Expression, order: Order) -> (Vec<u64>, i64) {
    let (mut after, mut pages, mut rows) = (None::<Seek>, Vec::new(), 0);
    loop {
        let meter = Meter::default();
        let query = Query { filter: filter.clone(), limit: 50, order, after };
        let page = store.clone().with_meter(meter.clone()).findings(query).await.unwrap();
        pages.push(meter.steps());
        rows += page.len() as i64;
        let Some(last) = page.last() else { return (pages, rows) };
        after = Some(last.seek);
    }
}

/// Of values that both have.
#[tokio::test]
async fn pages_and_counts_pass_over_no_row_of_others() {
    let (with, without) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let beside = store(with.path(), FOREIGN).await;
    let alone = store(without.path(), 0).await;
    for asked in [
        "visible[eq]true",
        "severity[gte]1",
        "status[eq]OPEN",
        "cwe[gte]1",
        "title[like]mine",
        "changed[gte]1970-01-01",
    ] {
        for order in [Order::Severity, Order::Arrival] {
            let filter = mine(asked.parse().unwrap());
            let mut costs = Vec::new();
            for store in [&beside, &alone] {
                let (pages, rows) = walk(store, &filter, order).await;
                assert_eq!(rows, 3 * OWN, "{asked}");
                costs.push(pages);
            }
            let alike =
                costs[0].iter().zip(&costs[1]).all(|(beside, alone)| is_alike(*beside, *alone));
            assert!(alike, "{asked} {order:?}: {costs:?}");
        }
    }
}

/// A list of a whole integration is read as its findings came in: what a page costs are its
/// rows, whatever others hold and in however many applications its own are.
#[tokio::test]
async fn a_page_of_an_integration_costs_its_rows() {
    let mut costs = Vec::new();
    for (applications, others) in [(3, 0), (200, 0), (200, 40)] {
        let folder = tempfile::tempdir().unwrap();
        let store = engine::open(folder.path()).await;
        let here = store.add_integration(credential("mine"), None).await.unwrap();
        let there = store.add_integration(credential("theirs"), None).await.unwrap();
        for n in 0..applications {
            read(&store, here, &own(), &format!("mine-{n}"), 600 / applications, DAY_MS).await;
            if n % 20 == 0 {
                read(&store, there, &foreign(), &format!("theirs-{n}"), others, DAY_MS).await;
            }
        }
        for asked in [Expression::default(), "severity[lte]3".parse().unwrap()] {
            let (pages, rows) = walk(&store, &mine(asked), Order::Arrival).await;
            assert_eq!(rows, 600);
            costs.push(*pages.iter().max().unwrap());
        }
    }
    let most = *costs.iter().min().unwrap() + 1000;
    assert!(costs.iter().all(|steps| *steps <= most && *steps < 100 * 50), "{costs:?}");
}

/// One finding is found by its id, and not among all that its integration has.
#[tokio::test]
async fn a_finding_costs_the_same_whatever_is_stored() {
    let mut costs = Vec::new();
    for (own_findings, foreign_findings) in [(1, 0), (2000, 0), (1, 2000)] {
        let folder = tempfile::tempdir().unwrap();
        let store = engine::open(folder.path()).await;
        let mine = store.add_integration(credential("mine"), None).await.unwrap();
        let theirs = store.add_integration(credential("theirs"), None).await.unwrap();
        read(&store, theirs, &foreign(), "theirs-1", foreign_findings, DAY_MS).await;
        read(&store, mine, &own(), "mine-1", own_findings, DAY_MS).await;
        let key = countersign_findings::FindingKey::Flaw(1);
        let id = FindingId::of(&application("mine-1").0.guid, &own().context, &key);
        let meter = Meter::default();
        let metered = store.with_meter(meter.clone());
        let within = ["mine".to_owned()];
        let found = metered.findings_by_id_within(id.as_str(), Some(&within)).await.unwrap();
        assert_eq!(found.len(), 1);
        costs.push(meter.steps());
    }
    assert!(costs.iter().all(|steps| *steps < 300), "{costs:?}");
}

/// Of one application, beside another of the same integration.
#[tokio::test]
async fn pages_of_an_application_pass_over_no_row_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let store = engine::open(folder.path()).await;
    let mine = store.add_integration(credential("mine"), None).await.unwrap();
    for (name, count) in [("mine-1", 4000), ("mine-2", 500)] {
        read(&store, mine, &own(), name, count, DAY_MS).await;
    }
    let mut costs = Vec::new();
    for (name, count) in [("mine-1", 4000), ("mine-2", 500)] {
        let filter: Expression = format!("application[eq]{name}").parse().unwrap();
        let (pages, rows) = walk(&store, &filter, Order::Arrival).await;
        assert_eq!(rows, count);
        costs.push(pages);
    }
    // The first page of the second begins behind all rows of the first.
    assert!(costs[1][0] <= costs[0][0] + 2000, "{costs:?}");
    assert!(costs.concat().iter().all(|steps| *steps <= 2 * costs[0][0]), "{costs:?}");
}

/// The work of a page and of one application is the same whatever others hold.
#[tokio::test]
async fn applications_of_others_are_not_passed_over() {
    let mut costs = Vec::new();
    for others in [0, 500] {
        let folder = tempfile::tempdir().unwrap();
        let store = engine::open(folder.path()).await;
        let mine = store.add_integration(credential("mine"), None).await.unwrap();
        let theirs = store.add_integration(credential("theirs"), None).await.unwrap();
        read(&store, mine, &own(), "mine-1", 1, DAY_MS).await;
        for n in 0..others {
            read(&store, theirs, &foreign(), &format!("theirs-{n}"), 1, DAY_MS).await;
        }
        read(&store, mine, &own(), "mine-2", 1, DAY_MS).await;
        let meter = Meter::default();
        let metered = store.with_meter(meter.clone());
        assert_eq!(metered.application_page("mine", None, 10).await.unwrap().len(), 2);
        let page = meter.steps();
        assert!(metered.application("mine", "guid-mine-2").await.unwrap().is_some());
        costs.push((page, meter.steps() - page));
    }
    assert!(is_alike(costs[0].0, costs[1].0) && is_alike(costs[0].1, costs[1].1), "{costs:?}");
}
