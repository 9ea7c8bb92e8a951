//! Which findings share a ticket.

use std::collections::HashMap;

use countersign_deliveries::group::{Grouping, Kind, Subject};
use countersign_findings::Finding;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use crate::sample::{flaw, known, made_up_rows, row};

const GROUPINGS: [Grouping; 5] =
    [Grouping::Auto, Grouping::Finding, Grouping::Component, Grouping::Cve, Grouping::Cwe];

fn of(finding: &Finding, grouping: Grouping) -> (Kind, String, Option<String>) {
    let subject = Subject::of(finding, grouping);
    (subject.kind, subject.value, subject.version)
}

#[test]
fn words_of_other_groupings_are_refused() {
    for word in ["Finding", "component_version", "", "none"] {
        serde_json::from_value::<Grouping>(json!(word)).unwrap_err();
    }
    for (word, grouping) in
        ["auto", "finding", "component", "cve", "cwe"].into_iter().zip(GROUPINGS)
    {
        assert_eq!(serde_json::from_value::<Grouping>(json!(word)).unwrap(), grouping);
    }
    assert_eq!(Grouping::default(), Grouping::Auto);
}

#[test]
fn what_a_finding_has_nothing_of_is_no_group() {
    let mut nameless = known("x", "1", "CVE-2021-44228", 4);
    nameless["finding_details"].as_object_mut().unwrap().remove("component_filename");
    nameless["finding_details"].as_object_mut().unwrap().remove("cve");
    nameless["finding_details"]["cwe"] = json!({"id": 0});
    let row = row(&nameless);
    let id = row.finding.id.to_string();
    for grouping in GROUPINGS {
        assert_eq!(of(&row.finding, grouping), (Kind::Finding, id.clone(), None), "{grouping:?}");
    }
}

#[test]
fn a_component_is_one_group_and_a_flaw_is_its_own() {
    let flaw = row(&flaw(7, 4)).finding;
    let known = row(&known("log4j.jar", "2.14.1", "CVE-2021-44228", 5)).finding;
    let id = flaw.id.to_string();
    let library = (Kind::Component, "log4j.jar".to_owned(), Some("2.14.1".to_owned()));
    assert_eq!(of(&flaw, Grouping::Auto), (Kind::Finding, id, None));
    assert_eq!(of(&known, Grouping::Auto), library);
    assert_eq!(of(&known, Grouping::Component), library);
    assert_eq!(of(&known, Grouping::Cve), (Kind::Cve, "CVE-2021-44228".to_owned(), None));
    assert_eq!(of(&flaw, Grouping::Cwe), (Kind::Cwe, "89".to_owned(), None));
    let subject = Subject::of(&flaw, Grouping::Auto);
    assert_eq!(subject.finding, Some(flaw.id.to_string()));
    assert_eq!(subject.context, "policy");
}

#[test]
fn the_key_is_the_one_of_every_version() {
    // Computed beside this program: `sha256` over the parts, each after its length in eight
    // bytes, the first ten bytes of it.
    let known = row(&known("log4j.jar", "2.14.1", "CVE-2021-44228", 5)).finding;
    let subject = Subject::of(&known, Grouping::Auto);
    assert_eq!(subject.key(), "8ca9125e6a5e27ce1a05");
    assert_eq!(Subject::of(&known, Grouping::Cve).key(), "286b5f77953ac42e41ff");
}

#[test]
fn parts_that_run_into_each_other_are_told_apart() {
    let known = row(&known("a", "b", "c", 5)).finding;
    let subject = Subject::of(&known, Grouping::Auto);
    let other = |value: &str, version: Option<&str>| {
        let (value, version) = (value.to_owned(), version.map(str::to_owned));
        Subject { value, version, ..subject.clone() }.key()
    };
    let keys = [other("ab", Some("")), other("a", Some("b")), other("ab", None), other("", None)];
    for (at, key) in keys.iter().enumerate() {
        assert!(key.len() == 20 && key.bytes().all(|b| b.is_ascii_hexdigit()));
        assert!(!keys[..at].contains(key), "{keys:?}");
    }
}

proptest! {
    #[test]
    fn a_group_holds_its_findings_and_its_filter_finds_them(
        rows in made_up_rows(12),
        grouping in select(&GROUPINGS[..]),
    ) {
        let mut by_key: HashMap<String, Subject> = HashMap::new();
        for row in &rows {
            let subject = Subject::of(&row.finding, grouping);
            prop_assert!(subject.holds(&row.finding));
            prop_assert!(subject.filter().matches(&row.finding, row.origin()), "{}", subject.filter());
            let text = serde_json::to_string(&subject).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Subject>(&text).unwrap(), &subject);
            let held = by_key.entry(subject.key()).or_insert_with(|| subject.clone());
            prop_assert_eq!(held, &subject, "one key is of one group");
        }
        for row in &rows {
            let own = Subject::of(&row.finding, grouping);
            for subject in by_key.values() {
                // Of findings that are grouped alike: with `auto` a finding without a component
                // is by itself, whatever else it has.
                if subject.kind == own.kind {
                    prop_assert_eq!(subject.holds(&row.finding), *subject == own);
                }
            }
        }
    }
}
