//! A filter finds what its words say of the objects that are answered.

use std::cmp::Ordering;

use countersign_store::{AccountId, ChangeKind};
use proptest::prelude::*;
use serde_json::Value;

use crate::{Desk, Seat, flaw, guid};

async fn filled() -> (Desk, Seat) {
    let desk = Desk::start().await;
    let seat = desk.seat(AccountId::OWN, "prod").await;
    for number in 1..=3 {
        let kinds = [ChangeKind::New, ChangeKind::Changed, ChangeKind::Closed];
        let kind = kinds[number as usize - 1];
        desk.now_ms.fetch_add(3_600_000, std::sync::atomic::Ordering::SeqCst);
        let status = if number == 3 { "CLOSED" } else { "OPEN" };
        let flaws: Vec<_> = (0..40).map(|n| flaw(n, n % 6, status)).collect();
        desk.bring_in(&seat, &guid(number), &flaws, kind).await;
    }
    (desk, seat)
}

/// What the objects hold under a name of a filter.
fn held(finding: &Value, name: &str) -> Vec<Value> {
    let pointer = match name {
        "compliance.status" | "status" | "severity" | "severity_id" | "status_id" => {
            format!("/{}", name.replace('.', "/"))
        }
        "modified_time" | "first_seen_time" | "last_seen_time" => format!("/finding_info/{name}"),
        "finding_info.types" => "/finding_info/types/0".into(),
        "vulnerabilities.cwe.uid" => "/vulnerabilities/0/cwe/uid".into(),
        "vulnerabilities.affected_code.file.path" => {
            "/vulnerabilities/0/affected_code/0/file/path".into()
        }
        name => format!("/{}", name.replace('.', "/")),
    };
    finding.pointer(&pointer).cloned().into_iter().collect()
}

fn compared(held: &Value, wanted: &str) -> Option<Ordering> {
    match held {
        Value::String(text) => Some(text.to_lowercase().cmp(&wanted.to_lowercase())),
        Value::Number(number) => number.as_i64()?.partial_cmp(&wanted.parse().ok()?),
        _ => None,
    }
}

/// Without the store.
fn fits(finding: &Value, name: &str, operator: &str, values: &[String]) -> bool {
    let any = |test: &dyn Fn(Ordering) -> bool| {
        held(finding, name)
            .iter()
            .any(|one| values.iter().any(|value| compared(one, value).is_some_and(test)))
    };
    match operator {
        "eq" | "in" => any(&|order| order == Ordering::Equal),
        "ne" | "neq" | "not in" => !any(&|order| order == Ordering::Equal),
        "gt" => any(&|order| order == Ordering::Greater),
        "gte" => any(&|order| order != Ordering::Less),
        "lt" => any(&|order| order == Ordering::Less),
        _ => any(&|order| order != Ordering::Greater),
    }
}

type Case = (&'static str, &'static str, Vec<String>);

fn case() -> impl Strategy<Value = Case> {
    let equal = prop_oneof![Just("eq"), Just("ne"), Just("neq"), Just("in"), Just("not in")];
    let ordered =
        prop_oneof![Just("eq"), Just("ne"), Just("gt"), Just("gte"), Just("lt"), Just("lte")];
    let words = |words: &'static [&'static str]| {
        proptest::collection::vec(proptest::sample::select(words), 1..4)
            .prop_map(|words| words.into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    let status = &["New", "in progress", "Suppressed", "RESOLVED"];
    let severity = &["Critical", "high", "Medium", "Low", "Informational"];
    prop_oneof![
        (Just("status"), equal.clone(), words(status)),
        (Just("status_id"), equal.clone(), words(&["1", "2", "3", "4"])),
        (Just("severity"), equal.clone(), words(severity)),
        (
            Just("severity_id"),
            prop_oneof![equal.clone(), ordered.clone()],
            words(&["1", "2", "3", "4", "5"])
        ),
        (Just("compliance.status"), equal.clone(), words(&["Pass", "Fail"])),
        (
            Just("vulnerabilities.cwe.uid"),
            equal.clone(),
            words(&["CWE-79", "CWE-80", "CWE-81", "CWE-1"])
        ),
        (Just("finding_info.types"), equal.clone(), words(&["STATIC", "DYNAMIC", "SCA"])),
        (
            Just("vulnerabilities.affected_code.file.path"),
            equal,
            words(&["src/0.java", "src/1.java", "nothing"])
        ),
        (
            Just("modified_time"),
            ordered.clone(),
            words(&["1780275600000", "1780279200000", "1780279200001"])
        ),
        (Just("first_seen_time"), ordered, words(&["1767323045000", "1768000000000"])),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn filters_are_brute_force(cases in proptest::collection::vec(case(), 20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (desk, seat) = filled().await;
            let (whole, _) = desk.all(&seat, "/findings?limit=5000").await;
            for (name, operator, mut values) in cases {
                if !operator.ends_with("in") {
                    values.truncate(1);
                }
                let text = format!("{name}[{operator}]{}", values.join(", "));
                let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
                let (found, _) = desk.all(&seat, &format!("/findings?limit=9&filter={encoded}")).await;
                let expected: Vec<_> = whole
                    .iter()
                    .filter(|finding| fits(finding, name, operator, &values))
                    .cloned()
                    .collect();
                assert_eq!(found, expected, "{text}");
            }
        });
    }
}

#[tokio::test]
async fn several_filters_must_all_hold_and_patterns_and_quotes_are_read() {
    let (desk, seat) = filled().await;
    let count = async |query: &str| desk.all(&seat, &format!("/findings?{query}")).await.0.len();
    let both = count("filter=severity[eq]High&filter=status[eq]active").await;
    assert_eq!(
        both,
        count("filter=severity[eq]%22High%22&filter=status[in]New,%22In+Progress%22").await
    );
    assert!(both > 0 && both < count("filter=severity[eq]High").await);
    assert_eq!(count("filter=application.name[like]%25001").await, 40);
    assert_eq!(count("filter=application.name[like]*001").await, 40);
    assert_eq!(count("filter=application.name[not+like]*001").await, 80);
    assert_eq!(count("filter=finding.last_seen_time[gte]2026-05-02T03:04:05Z").await, 120);
    assert_eq!(count("filter=finding.last_seen_time[gt]2026-05-02T03:04:05Z").await, 0);
    let applications =
        async |query: &str| desk.all(&seat, &format!("/applications?filter={query}")).await.0.len();
    assert_eq!(applications("criticality[eq]high").await, 3);
    assert_eq!(applications("tags[in]b,x").await, 3);
    assert_eq!(applications("tags[not+in]b,x").await, 0);
    assert_eq!(applications("modified_time[lt]2026-05-01").await, 0);
    assert_eq!(applications("modified_time[gte]2026-05-01").await, 3);
}
