//! What readers ask, against a brute force over the same findings: filters, counts,
//! facets, paging; and that injection is inert.

use std::collections::BTreeMap;

use countersign_findings::filter::{
    Expression, Field, Filter, Operator, Origin, Type, Value, texts,
};
use countersign_findings::{Context, Contexts, Finding, FindingKey, Population, Sight, State};
use countersign_store::{
    ChangeKind, FacetRow, Order, Query, Reading, RunKind, Scope, Seek, Since, Store,
};
use countersign_testkit::made_up;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use super::{COMPLETE, flaw, open, put, put_in, store};
use crate::engine;

/// A tree of numbers that becomes an expression once the findings are known, so that
/// its values are often those of a finding.
#[derive(Debug, Clone)]
enum Shape {
    Is(u16, u16, Vec<u16>),
    All(Vec<Shape>),
    Any(Vec<Shape>),
    Not(Box<Shape>),
}

fn shape() -> impl Strategy<Value = Shape> {
    let leaf = (any::<u16>(), any::<u16>(), prop::collection::vec(any::<u16>(), 1..4))
        .prop_map(|(field, operator, values)| Shape::Is(field, operator, values));
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Shape::All),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Shape::Any),
            inner.prop_map(|inner| Shape::Not(Box::new(inner))),
        ]
    })
}

/// What tries to be more than a value.
const HOSTILE: [&str; 12] = [
    "' or 1=1 --",
    "\"; drop table findings; --",
    "%",
    "_",
    "*",
    "a*",
    "\\",
    "') union select raw from records --",
    "\u{0}",
    "?1",
    ":integration",
    "1); delete from findings",
];

/// A finding of the made-up store.
pub(crate) struct Held {
    finding: Finding,
    integration: &'static str,
    application: &'static str,
    changed_ms: i64,
    is_new: bool,
}

impl Held {
    fn origin(&self) -> Origin<'_> {
        Origin {
            integration: self.integration,
            application: self.application,
            is_visible: self.application != GONE,
            changed_ms: self.changed_ms,
            is_new: self.is_new,
        }
    }

    fn is_in(&self, filter: &Expression) -> bool {
        filter.matches(&self.finding, self.origin())
    }
}

/// An application of the made-up store that the account no longer sees.
const GONE: &str = "Gamma";

fn resolve(shape: &Shape, findings: &[Held]) -> Expression {
    let all = |parts: &[Shape]| parts.iter().map(|part| resolve(part, findings)).collect();
    match shape {
        Shape::All(parts) => Expression::All(all(parts)),
        Shape::Any(parts) => Expression::Any(all(parts)),
        Shape::Not(part) => Expression::Not(Box::new(resolve(part, findings))),
        Shape::Is(field, operator, values) => {
            let field = Field::ALL[usize::from(*field) % Field::ALL.len()];
            let fitting: Vec<_> = Operator::ALL
                .into_iter()
                .filter(|operator| match field.type_() {
                    Type::Words => *operator == Operator::Like,
                    Type::Text => true,
                    _ => *operator != Operator::Like,
                })
                .collect();
            let operator = fitting[usize::from(*operator) % fitting.len()];
            let count = if operator == Operator::In { values.len() } else { 1 };
            let values = values[..count].iter().map(|n| value(field, operator, *n, findings));
            Expression::Is(Filter { field, operator, values: values.collect() })
        }
    }
}

fn value(field: Field, operator: Operator, n: u16, findings: &[Held]) -> Value {
    let n = usize::from(n);
    let held = &findings[n % findings.len()];
    let finding = &held.finding;
    if field == Field::State && operator != Operator::Like {
        return Value::Text(State::ALL[n % 4].as_str().to_owned());
    }
    if n % 5 == 0 && matches!(field.type_(), Type::Text | Type::Words) {
        return Value::Text(HOSTILE[n / 5 % HOSTILE.len()].to_owned());
    }
    if field == Field::Text {
        let texts: Vec<_> = texts(finding).collect();
        let words = texts[n % texts.len()].split_whitespace();
        let text = words.take(1 + n % 2).collect::<Vec<_>>().join(" ");
        return Value::Text(match n % 3 {
            0 => text.to_uppercase(),
            1 => text.to_lowercase(),
            _ => text,
        });
    }
    let taken = match field {
        // An application is called by its name too, and an id by its first digits.
        Field::Application if n % 3 == 0 => Some(Value::Text(held.application.to_uppercase())),
        Field::Id if n % 2 == 0 => {
            let digits: String = finding.id.as_str().chars().take(4 + n % 17).collect();
            Some(Value::Text(digits))
        }
        field => field.value(finding, held.origin()),
    };
    match (taken, field.type_(), operator) {
        (Some(Value::Text(text)), _, Operator::Like) => {
            let part: String = text.chars().skip(n % 3).take(1 + n % 6).collect();
            let part = match n % 7 {
                0 | 1 => part.to_uppercase(),
                2 | 3 => part.to_lowercase(),
                _ => part,
            };
            Value::Text(if n % 2 == 0 { part } else { format!("*{part}*") })
        }
        (Some(Value::Integer(number)), Type::Truth, _) => Value::Integer(number),
        (Some(Value::Integer(number)), _, _) => Value::Integer(number + (n % 3) as i64 - 1),
        (Some(value), _, _) => value,
        (None, Type::Text, _) => Value::Text("not there".to_owned()),
        (None, Type::Number, _) => Value::Number(5.5),
        (None, _, _) => Value::Integer((n % 2) as i64),
    }
}

/// The integrations of the made-up store that has more than one, with their applications:
/// two of them hold the same one.
pub(crate) const SEVERAL: [(&str, &[&str]); 3] =
    [("test", &["Alpha", "Beta", GONE]), ("other", &["Alpha", "Delta"]), ("third", &[GONE])];

/// A store of made-up findings in several applications, one of them gone, and in a sandbox,
/// and the same findings in the order of lists.
pub(crate) async fn made_up_store(
    folder: &std::path::Path,
    runner: &mut TestRunner,
    integrations: &[(&'static str, &[&'static str])],
) -> (Store, Vec<Held>) {
    let store = engine::open(folder).await;
    let sandbox = Context::sandbox("7c1b0a52-0000-4000-8000-000000000009").unwrap();
    let mut findings = Vec::new();
    for (integration, applications) in integrations.iter().copied() {
        let id = store.add_integration(super::credential(integration), None).await.unwrap();
        let run = store.begin_run(id, RunKind::Full, 1).await.unwrap();
        for application in applications.iter().copied() {
            let changed_ms = 1000 * findings.len() as i64;
            let mut changed = Vec::new();
            let mut writer = open(&store, run, application).await;
            for number in 1..=15 {
                let context = if number % 4 == 0 { &sandbox } else { &Context::Policy };
                let record = made_up::finding(number).new_tree(runner).unwrap().current();
                let kind = Some(ChangeKind::New);
                let finding = put_in(&mut writer, application, context, &record, kind).await;
                findings.push(Held { finding, integration, application, changed_ms, is_new: true });
                changed.push((number, context, record));
            }
            writer.commit(Reading::Complete { read_ms: changed_ms }).await.unwrap();
            // Some of them change later.
            let changed_ms = changed_ms + 500;
            let mut writer = open(&store, run, application).await;
            let from = findings.len() - changed.len();
            for (number, context, record) in &changed[..5] {
                let kind = Some(ChangeKind::Changed);
                put_in(&mut writer, application, context, record, kind).await;
                let held = &mut findings[from + *number as usize - 1];
                (held.changed_ms, held.is_new) = (changed_ms, false);
            }
            writer.commit(Reading::Complete { read_ms: changed_ms }).await.unwrap();
        }
        let gone = super::application(GONE).0.guid.to_string();
        store.mark_applications_gone(run, vec![gone]).await.unwrap();
    }
    findings.sort_by_key(|held| std::cmp::Reverse(held.finding.severity));
    (store, findings)
}

async fn all(store: &Store, filter: &Expression, limit: u32) -> Vec<Finding> {
    all_of(store, Query { filter: filter.clone(), limit, ..Query::default() }).await
}

async fn all_of(store: &Store, mut query: Query) -> Vec<Finding> {
    let mut found = Vec::new();
    loop {
        let rows = store.findings(query.clone()).await;
        let rows = rows.unwrap_or_else(|e| panic!("{}: {e}", query.filter));
        let Some(last) = rows.last() else { return found };
        // As it goes through an address.
        query.after = Some(last.seek.to_string().parse::<Seek>().unwrap());
        found.extend(rows.into_iter().map(|row| row.finding));
    }
}

/// Two integrations may hold one application: of its guid there are two rows.
fn summed(rows: Vec<FacetRow>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for FacetRow { value, count, .. } in rows {
        *counts.entry(value).or_default() += count;
    }
    counts
}

fn counted(findings: &[&Held], field: Field) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for held in findings {
        let value = match field.value(&held.finding, held.origin()) {
            Some(Value::Text(text)) => text,
            Some(Value::Integer(is)) if field.type_() == Type::Truth => (is != 0).to_string(),
            Some(Value::Integer(number)) => number.to_string(),
            _ => continue,
        };
        *counts.entry(value).or_default() += 1;
    }
    counts
}

/// What is asked, of one integration or of two.
fn within(at: usize, asked: Expression) -> Expression {
    let name = |at: usize| Value::Text(SEVERAL[at % SEVERAL.len()].0.to_owned());
    let (operator, values) = match at % 3 {
        0 => (Operator::In, vec![name(at), name(at + 1)]),
        _ => (Operator::Eq, vec![name(at / 3)]),
    };
    let named = Filter { field: Field::Integration, operator, values };
    Expression::All(vec![named.into(), asked])
}

/// Stores with 500 expressions each, half of which name integrations. `COUNTERSIGN_FILTERS` says
/// how many stores, where it is not as many as the engine makes in half a minute.
#[tokio::test]
async fn sql_says_what_brute_force_says() {
    let mut runner = TestRunner::new(Config::default());
    let stores = std::env::var("COUNTERSIGN_FILTERS").ok().and_then(|count| count.parse().ok());
    for round in 0..stores.unwrap_or(engine::FILTERED_STORES) {
        let folder = tempfile::tempdir().unwrap();
        let integrations = if round % 4 < 2 { &SEVERAL[..1] } else { &SEVERAL };
        let (store, findings) = made_up_store(folder.path(), &mut runner, integrations).await;
        // Each way to the rows, not only the one for few of them.
        let store = if round % 2 == 0 { store } else { store.with_few(3) };
        for at in 0..500_u32 {
            let tree = shape().new_tree(&mut runner).unwrap().current();
            let filter = match (resolve(&tree, &findings), at % 2) {
                (filter, 0) => filter,
                (filter, _) => within(at as usize / 2, filter),
            };
            let text = filter.to_string();
            let read: Expression = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            let again: Expression = read.to_string().parse().unwrap();
            assert_eq!(again, read, "{text}");
            let expected: Vec<_> = findings.iter().filter(|held| held.is_in(&filter)).collect();
            let found = all(&store, &read, 1 + at % 17).await;
            let same = found.len() == expected.len()
                && found.iter().zip(&expected).all(|(found, held)| *found == held.finding);
            assert!(same, "{round}: {text}: {} of {}", found.len(), expected.len());
            let query = Query {
                filter: read.clone(),
                limit: 7 + at % 40,
                order: Order::Arrival,
                after: None,
            };
            let mut arrived = all_of(&store, query).await;
            arrived.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
            assert!(arrived == found, "{text}");
            let count = store.count_findings(read.clone()).await.unwrap();
            assert_eq!(count, expected.len() as u64, "{text}");
            let countable: Vec<_> =
                Field::ALL.into_iter().filter(|field| field.is_countable()).collect();
            let field = countable[at as usize % countable.len()];
            let rows = store.facet(read, field, 1000).await.unwrap();
            let is_sorted = rows.is_sorted_by_key(|row| std::cmp::Reverse(row.count));
            assert!(is_sorted, "{text}");
            assert_eq!(summed(rows), counted(&expected, field), "{}: {text}", field.name());
        }
        let count = store.count_findings(Expression::default()).await.unwrap();
        assert_eq!(count, findings.len() as u64);
    }
}

fn populations() -> Vec<Population> {
    let mut all = Vec::new();
    for contexts in [Contexts::Policy, Contexts::Sandboxes, Contexts::All] {
        for sight in [Sight::Visible, Sight::Gone, Sight::All] {
            let any = Population::STORED.in_contexts(contexts).in_sight(sight);
            all.push(any);
            all.extend(State::ALL.map(|state| any.only(state)));
        }
    }
    all
}

/// Whoever counts a population gets as many as its list has: counts of an integration,
/// facets by whichever table, and the overview.
#[tokio::test]
async fn every_count_of_a_population_is_that_of_its_list() {
    let mut runner = TestRunner::deterministic();
    for round in 0..6 {
        let folder = tempfile::tempdir().unwrap();
        let (store, findings) = made_up_store(folder.path(), &mut runner, &SEVERAL[..1]).await;
        let store = if round % 2 == 0 { store } else { store.with_few(3) };
        let integration = store.integrations().await.unwrap()[0].id;
        let among = |filter: &Expression| -> Vec<&Held> {
            findings.iter().filter(|held| held.is_in(filter)).collect()
        };
        for population in populations() {
            let filter = population.filter();
            let expected = among(&filter);
            assert_eq!(all(&store, &filter, 7).await.len(), expected.len(), "{population}");
            let counts = store.counts(integration, population).await.unwrap();
            assert_eq!(counts.total, expected.len() as u64, "{population}");
            for field in Field::FACETS {
                let rows = store.facet(filter.clone(), field, 1000).await.unwrap();
                let counts: BTreeMap<_, _> =
                    rows.into_iter().map(|row| (row.value, row.count)).collect();
                assert_eq!(counts, counted(&expected, field), "{population}: {}", field.name());
            }
        }
        let overview = store.overview(Scope::Everything, 20_000 * 86_400_000).await.unwrap();
        let open = among(&Population::OPEN.filter());
        let stored = among(&Population::STORED.only(State::Open).filter());
        assert!(!open.is_empty() && open.len() < stored.len());
        let sum = |open: [u64; 6]| open.iter().sum::<u64>();
        assert_eq!(sum(overview.open), open.len() as u64);
        assert_eq!(
            overview.at_risk.iter().map(|row| sum(row.open)).sum::<u64>(),
            sum(overview.open)
        );
        assert!(overview.at_risk.iter().all(|row| row.name != GONE));
        assert_eq!(overview.applications, 2);
        let types: BTreeMap<_, _> = overview.by_scan_type.into_iter().collect();
        assert_eq!(types, counted(&open, Field::ScanType));
        for (rows, field) in [(overview.cwes, Field::Cwe), (overview.components, Field::Component)]
        {
            let counts = counted(&open, field);
            assert!(rows.len() == counts.len().min(10), "{rows:?}");
            assert!(rows.iter().all(|row| counts[&row.value] == row.count), "{rows:?}: {counts:?}");
        }
        let dated = open.iter().filter(|held| held.finding.first_found_ms.is_some()).count();
        assert_eq!(overview.ageing.iter().map(|age| sum(age.open)).sum::<u64>(), dated as u64);
        let days = store.history(Scope::Everything, 0, 20_000).await.unwrap();
        assert_eq!(days[20_000].open, overview.open, "the trend ends where the overview is");
    }
}

#[tokio::test]
async fn tables_that_count_are_what_counting_says() {
    let mut runner = TestRunner::new(Config::default());
    let folder = tempfile::tempdir().unwrap();
    let (store, integration, run) = store(folder.path()).await;
    let mut latest: BTreeMap<(String, i64), Finding> = BTreeMap::new();
    for round in 0..12_i64 {
        for name in ["Alpha", "Beta"] {
            let mut writer = open(&store, run, name).await;
            let mut seen = Vec::new();
            for number in 1..=15_i64 {
                // Some vanish, some come back, some change.
                if (number * 7 + round * 3) % 5 == 0 {
                    continue;
                }
                let record = made_up::finding(number).new_tree(&mut runner).unwrap().current();
                let probe = Finding::decode(
                    &record.to_string(),
                    &super::application(name).0.guid,
                    &Context::Policy,
                )
                .unwrap();
                let kind = match writer.held().get(&probe.id.to_bytes()) {
                    None => ChangeKind::New,
                    Some(held) => match (held.is_open(), probe.state.is_open()) {
                        (false, true) => ChangeKind::Reopened,
                        (true, false) => ChangeKind::Closed,
                        _ => ChangeKind::Changed,
                    },
                };
                seen.push(probe.id.to_bytes());
                let finding = put(&mut writer, name, &record, Some(kind)).await;
                latest.insert((format!("{name} {}", finding.id), 0), finding);
            }
            let gone: Vec<_> =
                writer.held().keys().filter(|id| !seen.contains(*id)).copied().collect();
            for id in &gone {
                let id = countersign_findings::FindingId::from_bytes(id);
                latest.remove(&(format!("{name} {id}"), 0));
            }
            writer.vanish(gone);
            let read_ms = 86_400_000 * (20_000 + round);
            writer.commit(Reading::Complete { read_ms }).await.unwrap();
        }
        let open = |severity: usize| {
            let is_open = |finding: &&Finding| {
                finding.state.is_open() && usize::from(finding.severity.level()) == severity
            };
            latest.values().filter(is_open).count() as u64
        };
        let expected: [u64; 6] = std::array::from_fn(open);
        let counts = store.counts(integration, Population::STORED).await.unwrap();
        assert_eq!(counts.total, latest.len() as u64);
        assert_eq!(counts.open_by_severity, expected);
        let overview =
            store.overview(Scope::Everything, 86_400_000 * (20_000 + round)).await.unwrap();
        assert_eq!(overview.open, expected);
        let aged: u64 = overview.ageing.iter().flat_map(|age| age.open).sum();
        let dated =
            |finding: &&Finding| finding.state.is_open() && finding.first_found_ms.is_some();
        assert_eq!(aged, latest.values().filter(dated).count() as u64);
        let day = 20_000 + round;
        let days = store.history(Scope::Everything, day - 1, day + 1).await.unwrap();
        assert_eq!((days[1].open, days[2].open), (expected, expected));
        // What came and went explains the level, but for findings whose severity or
        // state changed without being opened or closed.
        let sum = |open: [u64; 6]| open.iter().sum::<u64>();
        let moved = days[1].first + days[1].new + days[1].reopened;
        assert_eq!(sum(days[0].open) + moved, sum(days[1].open) + days[1].closed);
    }
    store.remove_integration(integration, None).await.unwrap();
    let direct = engine::direct(folder.path());
    for table in ["findings", "records", "changes", "tallies", "counts", "history", "stretches"] {
        let left = direct.rows(&format!("select * from {table}")).len();
        assert_eq!(left, 0, "{table}");
    }
    assert_eq!(direct.words(), 0);
}

#[tokio::test]
async fn a_page_goes_on_where_it_was_through_a_sync() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _, run) = store(folder.path()).await;
    let mut writer = open(&store, run, "Alpha").await;
    for n in 1..=10 {
        put(&mut writer, "Alpha", &flaw(n, 3, 80, "x", None, "OPEN"), Some(ChangeKind::New)).await;
    }
    writer.commit(COMPLETE).await.unwrap();
    let query = Query { limit: 4, ..Query::default() };
    let first = store.findings(query.clone()).await.unwrap();
    // Two that were shown close and vanish, one more comes in front.
    let mut writer = open(&store, run, "Alpha").await;
    let closed = flaw(1, 3, 80, "x", None, "CLOSED");
    put(&mut writer, "Alpha", &closed, Some(ChangeKind::Closed)).await;
    put(&mut writer, "Alpha", &flaw(11, 5, 80, "x", None, "OPEN"), Some(ChangeKind::New)).await;
    writer.vanish([first[1].finding.id.to_bytes()]);
    writer.commit(COMPLETE).await.unwrap();
    let after = Some(first[3].seek.to_string().parse().unwrap());
    let rest = store.findings(Query { limit: 20, after, ..query }).await.unwrap();
    let keys: Vec<_> = rest.iter().map(|row| row.finding.key.clone()).collect();
    assert_eq!(keys, (5..=10).map(FindingKey::Flaw).collect::<Vec<_>>());
    for forged in ["", "x", "AAAA", "/wAAAAAAAAAA", &"A".repeat(400)] {
        assert!(forged.parse::<Seek>().is_err(), "{forged}");
    }
}

#[tokio::test]
async fn data_paths_are_kept_and_changes_of_one_finding_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _, run) = store(folder.path()).await;
    let mut writer = open(&store, run, "Alpha").await;
    let finding =
        put(&mut writer, "Alpha", &flaw(1, 3, 80, "x", None, "OPEN"), Some(ChangeKind::New)).await;
    put(&mut writer, "Alpha", &flaw(2, 3, 80, "x", None, "OPEN"), Some(ChangeKind::New)).await;
    writer.commit(COMPLETE).await.unwrap();
    let mut writer = open(&store, run, "Alpha").await;
    let closed = flaw(1, 3, 80, "x", None, "CLOSED");
    put(&mut writer, "Alpha", &closed, Some(ChangeKind::Closed)).await;
    writer.commit(Reading::Complete { read_ms: 9 }).await.unwrap();

    let id = finding.id.to_string();
    let kinds: Vec<_> =
        store.changes_of(&id).await.unwrap().into_iter().map(|row| row.kind).collect();
    assert_eq!(kinds, [ChangeKind::New, ChangeKind::Closed]);
    let missing = store.keep_paths("00000000000000000000", "{}", 7).await.unwrap_err();
    assert!(missing.is_not_found());
    let row = &store.findings_by_id(&id).await.unwrap()[0];
    assert_eq!((row.added_ms, row.changed_ms, row.last), (5, 9, ChangeKind::Closed));
    assert_eq!((row.paths.as_ref(), row.paths_ms), (None, None));
    let answer = json!({"data_paths": [{"module_name": "m", "calls": [
        {"function_name": "sink", "file_path": "b.rs", "line_number": 2},
        {"function_name": "source", "file_path": "a.rs", "line_number": 1}]}]});
    store.keep_paths(&id, &answer.to_string(), 7).await.unwrap();
    let row = &store.findings_by_id(&id[..8]).await.unwrap()[0];
    let steps = &row.paths.as_ref().unwrap()[0].steps;
    assert_eq!(row.paths_ms, Some(7));
    assert_eq!((steps[0].function.as_deref(), steps[1].line), (Some("source"), Some(2)));
    assert_eq!(store.changes(Since::Beginning, 9).await.unwrap().len(), 3);
}

#[tokio::test]
async fn case_is_folded_beyond_ascii() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _, run) = store(folder.path()).await;
    let mut writer = open(&store, run, "Alpha").await;
    let record = flaw(1, 3, 80, "Injektion in Straße", Some("src/Ünïcödé.rs"), "OPEN");
    put(&mut writer, "Alpha", &record, Some(ChangeKind::New)).await;
    writer.commit(COMPLETE).await.unwrap();
    for filter in [
        "title[like]STRASSE",
        "title[like]in straß",
        "file[like]ÜNÏ",
        "file[like]SRC/*.RS",
        "text[like]STRASSE",
        "text[like]straße ÜNÏCÖDÉ",
    ] {
        let count = store.count_findings(filter.parse().unwrap()).await.unwrap();
        assert_eq!(count, 1, "{filter}");
    }
    assert_eq!(store.count_findings("title[like]strase".parse().unwrap()).await.unwrap(), 0);
}
