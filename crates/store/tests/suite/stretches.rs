//! Lists of integrations are read by the stretches in which their findings came in: whatever
//! the order of readings and removals was, they are those that each integration has.

use std::collections::BTreeMap;

use countersign_findings::filter::{Expression, Field, Filter, Operator, Value};
use countersign_store::{ChangeKind, Order, Query, RunKind, Store};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::{COMPLETE, credential, flaw, open, put};
use crate::engine;

pub(crate) const NAMES: [&str; 3] = ["one", "two", "three"];

/// What is done to a store.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// An application of an integration is read, with so many findings more.
    Read { integration: usize, application: usize, more: i64 },
    /// An integration goes, and comes back without findings.
    Remove(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let integration = 0..NAMES.len();
    prop_oneof![
        12 => (integration.clone(), 0..3_usize, 0..5_i64)
            .prop_map(|(integration, application, more)| Step::Read { integration, application, more }),
        1 => integration.prop_map(Step::Remove),
    ]
}

/// How many findings each application of an integration has.
pub(crate) type Held = BTreeMap<(usize, usize), i64>;

pub(crate) async fn act(store: &Store, held: &mut Held, step: Step) {
    match step {
        Step::Read { integration, application, more } => {
            let id = store.integration(NAMES[integration]).await.unwrap().id;
            let run = store.begin_run(id, RunKind::Full, 1).await.unwrap();
            let name = format!("app-{application}");
            let mut writer = open(store, run, &name).await;
            let has = held.entry((integration, application)).or_default();
            for n in *has..*has + more {
                let record = flaw(n, n % 6, 80, "x", None, "OPEN");
                put(&mut writer, &name, &record, Some(ChangeKind::New)).await;
            }
            *has += more;
            writer.commit(COMPLETE).await.unwrap();
        }
        Step::Remove(integration) => {
            let id = store.integration(NAMES[integration]).await.unwrap().id;
            store.remove_integration(id, None).await.unwrap();
            store.add_integration(credential(NAMES[integration]), None).await.unwrap();
            held.retain(|(whose, _), _| *whose != integration);
        }
    }
}

/// How many findings each application has in the list of some integrations.
async fn listed(store: &Store, names: &[usize], limit: u32) -> Held {
    let values = names.iter().map(|at| Value::Text(NAMES[*at].to_owned())).collect();
    let named = Filter { field: Field::Integration, operator: Operator::In, values };
    let (mut found, mut after, mut last) = (Held::new(), None, i64::MIN);
    loop {
        let filter = Expression::Is(named.clone());
        let query = Query { filter, limit, order: Order::Arrival, after };
        let rows = store.findings(query).await.unwrap();
        assert!(rows.len() <= limit as usize);
        for row in &rows {
            let integration = NAMES.iter().position(|name| *name == row.integration).unwrap();
            let application = row.application_name["app-".len()..].parse().unwrap();
            *found.entry((integration, application)).or_default() += 1;
            assert!(row.added_ms >= last);
            last = row.added_ms;
        }
        let Some(end) = rows.last() else { return found };
        after = Some(end.seek);
    }
}

#[tokio::test]
async fn a_list_has_all_findings_of_its_integrations_and_no_other() {
    let mut runner = TestRunner::deterministic();
    for round in 0..12 {
        let folder = tempfile::tempdir().unwrap();
        let store = engine::open(folder.path()).await;
        for name in NAMES {
            store.add_integration(credential(name), None).await.unwrap();
        }
        let mut held = Held::new();
        for _ in 0..40 {
            act(&store, &mut held, step().new_tree(&mut runner).unwrap().current()).await;
        }
        assert_eq!(store.check().await.unwrap(), []);
        // At a look, and by a plan after a look at the next few.
        for few in [5000, 3, 0] {
            let store = store.clone().with_few(few);
            for names in [&[0][..], &[1], &[2], &[0, 2], &[1, 2], &[0, 1, 2]] {
                let mut expected = held.clone();
                expected.retain(|(whose, _), count| names.contains(whose) && *count > 0);
                let found = listed(&store, names, 1 + round * 3).await;
                assert_eq!(found, expected, "{names:?} {few}");
            }
        }
    }
}

/// More stretches than are read at once, of one integration and of two.
#[tokio::test]
async fn many_stretches_are_one_list() {
    let folder = tempfile::tempdir().unwrap();
    let store = engine::open(folder.path()).await;
    for name in NAMES {
        store.add_integration(credential(name), None).await.unwrap();
    }
    let mut held = Held::new();
    for n in 0..420 {
        // The second has a few among those of the first, the third more.
        let integration = if n % 30 == 7 { 1 } else { n % 2 * 2 };
        act(&store, &mut held, Step::Read { integration, application: 0, more: 1 }).await;
    }
    for names in [&[0][..], &[1], &[0, 1], &[0, 1, 2]] {
        for limit in [7, 100, 1000] {
            let mut expected = held.clone();
            expected.retain(|(whose, _), _| names.contains(whose));
            assert_eq!(listed(&store, names, limit).await, expected, "{names:?}");
        }
    }
    assert_eq!(store.check().await.unwrap(), []);
}
