//! DefectDojo: every finding, in exactly one standing.

use countersign_findings::State;
use countersign_formats::Held;
use countersign_formats::defectdojo::DefectDojo;
use proptest::prelude::*;
use serde_json::Value;

use crate::Sample;
use crate::readers::{discussed, export, is_clean};

fn write(samples: &[Sample]) -> (Vec<Held>, Value) {
    let mut bytes = Vec::new();
    let held = export(Box::new(DefectDojo::new(&mut bytes).unwrap()), samples);
    (held, serde_json::from_slice(&bytes).unwrap())
}

proptest! {
    #[test]
    fn every_finding_is_there_and_stands_where_it_does(samples in discussed()) {
        let (held, document) = write(&samples);
        prop_assert!(held.iter().all(|held| *held == Held::Written));
        let findings = document["findings"].as_array().unwrap();
        prop_assert_eq!(findings.len(), samples.len());
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
