//! A caller gets what is within reach, all of it, and nothing else.

use std::collections::BTreeSet;

use countersign_api::Reach;
use countersign_findings::filter::Expression;
use countersign_store::Query;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Bench, DAY_MS, LAB, SHOP, component, flaw, only};

const NAMES: [&str; 3] = ["prod", "lab", "attic"];
const FILTERS: [&str; 7] = [
    "",
    "severity[gte]3",
    "severity[eq]5 or cwe[eq]681",
    "not integration[eq]prod",
    "application[like]shop or integration[in]lab,attic",
    "integration[ne]lab and not severity[lt]3",
    "text[like]okio",
];

/// Three integrations, two of which see the same application.
async fn bench() -> Bench {
    let bench = Bench::start().await;
    for (at, name) in NAMES.into_iter().enumerate() {
        let run = bench.integration(name).await;
        let first = i64::try_from(at).unwrap() * 3;
        let records: Vec<_> =
            (first..first + 9).map(|number| flaw(number + 1, number % 6)).collect();
        let guid = if name == "lab" { LAB } else { SHOP };
        bench.download(run, guid, &format!("Shop of {name}"), &records).await;
        let other = format!("7c1b0a52-0000-4000-8000-00000000001{at}");
        bench.download(run, &other, &format!("Other {name}"), &[component(1), flaw(1, 4)]).await;
        bench.complete(run).await;
    }
    bench
}

fn reach(names: &[usize]) -> Reach {
    only(&names.iter().map(|at| NAMES[*at]).collect::<Vec<_>>())
}

fn ids(values: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    values.iter().map(|one| (text(&one["id"]), text(&one["integration"]))).collect()
}

/// What the store has, looked at one by one.
async fn truth(
    bench: &Bench,
    filter: &Expression,
    within: Option<&Reach>,
) -> Vec<(String, String)> {
    let query = Query { limit: 1_000, ..Query::default() };
    let rows = bench.store.findings(query).await.unwrap();
    let is_in = |row: &&countersign_store::FindingRow| {
        filter.matches(&row.finding, row.origin())
            && within.is_none_or(|reach| reach.holds_finding(row))
    };
    let id =
        |row: &countersign_store::FindingRow| (row.finding.id.to_string(), row.integration.clone());
    rows.iter().filter(is_in).map(id).collect()
}

#[test]
fn pages_and_counts_are_what_is_within_reach() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bench = runtime.block_on(bench());
    let names = proptest::sample::subsequence(vec![0, 1, 2], 0..=3);
    let (filters, limits) = (proptest::sample::select(&FILTERS[..]), 1..8_u32);
    let config = ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() };
    proptest!(config, |(names in names, filter in filters, limit in limits)| {
        runtime.block_on(async {
            let reach = reach(&names);
            let mut client = bench.client(reach.clone()).await;
            // A name out of reach is unknown, which another test asks.
            let names_another = ["prod", "lab", "attic"].iter().any(|name| {
                !reach.holds(name) && filter.contains(name)
            });
            if names_another {
                return;
            }
            let expression = if filter.is_empty() { Expression::default() } else { filter.parse().unwrap() };
            let expected = truth(&bench, &expression, Some(&reach)).await;
            let mut asked = json!({"filter": filter, "everything": true, "limit": limit});
            let mut found = Vec::new();
            loop {
                let page = client.get("search_findings", asked.clone()).await;
                assert_eq!(page["total"], expected.len());
                found.extend(ids(page["findings"].as_array().unwrap()));
                match page.get("cursor") {
                    Some(cursor) => asked["cursor"] = cursor.clone(),
                    None => break,
                }
                assert!(found.len() <= expected.len(), "the list does not end");
            }
            assert_eq!(found, expected);
            let counted = client.get("count_findings",
                json!({"filter": filter, "everything": true, "by": "severity"})).await;
            let values = counted["values"].as_array().unwrap();
            let sum: u64 = values.iter().map(|one| one["findings"].as_u64().unwrap()).sum();
            assert_eq!((&counted["total"], sum), (&json!(expected.len()), expected.len() as u64));
            client.end().await;
        });
    });
}

#[tokio::test]
async fn what_is_out_of_reach_does_not_exist() {
    let bench = bench().await;
    let own = truth(&bench, &"integration[eq]lab".parse().unwrap(), None).await;
    let foreign = truth(&bench, &"integration[eq]prod".parse().unwrap(), None).await;
    let (own, foreign): (BTreeSet<_>, BTreeSet<_>) = (
        own.into_iter().map(|(id, _)| id).collect(),
        foreign.into_iter().map(|(id, _)| id).collect(),
    );
    let hidden = foreign.difference(&own).next().unwrap();
    // All of them are behind, and warned about to who reaches them.
    bench.advance(25 * DAY_MS);
    for reach in [only(&["lab"]), only(&[]), only(&["Lab", "nobody"])] {
        let mut client = bench.client(reach.clone()).await;
        let mut all = String::new();
        for (tool, inputs) in [
            ("search_findings", json!({"everything": true, "limit": 100})),
            ("search_findings", json!({"filter": format!("id[eq]{hidden}")})),
            ("search_findings", json!({"filter": "integration[eq]prod"})),
            ("search_findings", json!({"filter": "application[eq]\"Shop of prod\""})),
            ("search_findings", json!({"filter": "application[eq]\"Shop of pro\""})),
            ("count_findings", json!({"by": "application", "everything": true, "limit": 100})),
            ("count_findings", json!({"by": "application_name", "everything": true})),
            ("get_finding", json!({"id": hidden})),
            ("get_finding", json!({"id": hidden, "integration": "prod"})),
            ("list_applications", json!({"limit": 100})),
            ("list_applications", json!({"name": "prod"})),
            ("what_changed", json!({"since": "1000d", "limit": 100})),
            ("what_changed", json!({"since": "1000d", "application": "Other prod"})),
            ("what_changed", json!({"cursor": "0"})),
            ("expiring_credentials", json!({"days": 3650})),
            ("how_to_fix", json!({"finding": hidden})),
            ("how_to_fix", json!({"cwe": 681})),
        ] {
            let answer = client.call(tool, inputs.clone()).await;
            // What was asked for comes back in a refusal; nothing else may.
            let own_words = answer.value["error"].as_str().unwrap_or_default();
            let told = answer.text.replace(own_words, "");
            assert!(!told.contains("prod") && !told.contains("attic"), "{tool} {inputs}: {told}");
            assert!(!told.contains(hidden.as_str()), "{tool} {inputs}: {told}");
            all.push_str(&answer.text);
        }
        assert_eq!(all.contains("Shop of lab"), reach == only(&["lab"]));
        client.end().await;
    }
}

/// An application that two integrations see is shown by the rows of the one within reach.
#[tokio::test]
async fn a_finding_of_two_integrations_is_that_of_the_one_within_reach() {
    let bench = bench().await;
    let all = truth(&bench, &Expression::default(), None).await;
    let id = &all.iter().find(|(id, _)| all.iter().filter(|(other, _)| other == id).count() > 1);
    let id = &id.expect("two integrations hold one").0;
    let mut client = bench.everybody().await;
    let value = client.get("get_finding", json!({"id": id})).await;
    assert_eq!(value["also_in"].as_array().unwrap().len(), 1, "{value}");
    for name in ["prod", "attic"] {
        let value = client.get("get_finding", json!({"id": id, "integration": name})).await;
        assert_eq!(value["integration"], name);
        assert_eq!(value["changes"].as_array().unwrap().len(), 1, "its own alone: {value}");
    }
    let (error, hint, _) =
        client.refused("get_finding", json!({"id": id, "integration": "lab"})).await;
    assert!(error.contains("does not hold") && hint.contains("prod"), "{error} {hint}");
    client.end().await;
    for name in ["prod", "attic"] {
        let mut client = bench.client(only(&[name])).await;
        let value = client.get("get_finding", json!({"id": id})).await;
        assert_eq!((&value["integration"], &value["also_in"]), (&json!(name), &json!([])));
        client.end().await;
    }
}
