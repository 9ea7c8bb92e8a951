//! DefectDojo: every finding, in exactly one standing.

use countersign_findings::State;
use countersign_formats::Held;
use countersign_formats::defectdojo::DefectDojo;
use countersign_testkit::made_up::APPLICATION;
use proptest::prelude::*;
use serde_json::Value;

use crate::readers::{discussed, export, head, is_clean};
use crate::{Sample, in_a_repository};

fn write(samples: &[Sample]) -> (Vec<Held>, Value) {
    let mut bytes = Vec::new();
    let held = export(Box::new(DefectDojo::new(&mut bytes, &head()).unwrap()), samples);
    (held, serde_json::from_slice(&bytes).unwrap())
}

proptest! {
    #[test]
    fn every_finding_is_there_and_stands_where_it_does(samples in discussed()) {
        let (held, document) = write(&samples);
        prop_assert!(held.iter().all(|held| *held == Held::Written));
        let findings = document["findings"].as_array().unwrap();
        prop_assert_eq!(findings.len(), samples.len());
        // What DefectDojo makes its hash of, unless it is set otherwise.
        let hashed = |finding: &Value| {
            ["title", "cwe", "line", "file_path", "description"]
                .map(|name| finding[name].to_string().to_lowercase())
        };
        let hashes: std::collections::HashSet<_> = findings.iter().map(hashed).collect();
        prop_assert_eq!(hashes.len(), samples.len());
        for (written, it) in findings.iter().zip(&samples) {
            prop_assert_eq!(written["unique_id_from_tool"].as_str(), Some(it.finding.id.as_str()));
            let state = it.finding.state;
            let is = |name: &str| written[name] == true;
            prop_assert_eq!(is("active"), state == State::Open && !it.gone);
            prop_assert_eq!(is("false_p"), state == State::FalsePositive);
            let is_closed = matches!(state, State::Fixed | State::Mitigated);
            prop_assert_eq!(is("is_mitigated") || is("risk_accepted"), is_closed);
            prop_assert!(!(is("is_mitigated") && is("risk_accepted")));
            prop_assert!(!is("active") || !is("is_mitigated"));
            prop_assert!(!written["title"].as_str().unwrap().is_empty());
            prop_assert!(written["title"].as_str().unwrap().chars().count() <= 511);
        }
        prop_assert!(is_clean(&document));
    }
}

#[test]
fn twins_are_told_apart() {
    let of = |application: &str, number: i64, url: &str| {
        let application = serde_json::json!({"guid": application, "profile": {"name": "shop"}});
        let finding = serde_json::json!({
            "issue_id": number, "scan_type": "DYNAMIC", "description": "x",
            "finding_status": {"status": "OPEN"},
            "finding_details": {"severity": 5, "url": url, "cwe": {"id": 89, "name": "y"}},
        });
        Sample::of(&application, &finding)
    };
    let other = "7c1b0a52-0000-4000-8000-000000000002";
    let samples = [
        of(APPLICATION, 7, "https://shop.example.com/a"),
        of(APPLICATION, 8, "https://shop.example.com/a"),
        of(other, 7, "https://shop.example.com/a"),
    ];
    let (_, document) = write(&samples);
    let told: Vec<_> = (0..3)
        .map(|at| document["findings"][at]["description"].as_str().unwrap().to_owned())
        .collect();
    assert!(told[0].contains("Veracode flaw:7\n") && told[1].contains("Veracode flaw:8\n"));
    assert!(told.iter().all(|told| told.contains("Address: https://shop.example.com/a\n")));
    assert_ne!(told[0], told[2]);
}

#[test]
fn what_is_imported_again_has_a_type_and_no_service() {
    let (samples, head) = in_a_repository();
    let mut bytes = Vec::new();
    export(Box::new(DefectDojo::for_reimport(&mut bytes, &head).unwrap()), &samples);
    let again: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(again["type"], "countersign");
    let (_, mut once) = write(&samples);
    assert_eq!(once.get("type"), None);
    for (finding, again) in once["findings"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .zip(again["findings"].as_array().unwrap())
    {
        assert!(finding.as_object_mut().unwrap().remove("service").is_some());
        finding["file_path"] = again["file_path"].clone();
        assert_eq!(finding, again);
    }
}

#[test]
fn files_are_those_of_the_repository() {
    let (samples, head) = in_a_repository();
    let mut bytes = Vec::new();
    export(Box::new(DefectDojo::new(&mut bytes, &head).unwrap()), &samples);
    let document: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(document["findings"][0]["file_path"], "app/com/x/F.java");
    assert_eq!(document["findings"][1]["file_path"], "app/com/x/lib.jar");
}
