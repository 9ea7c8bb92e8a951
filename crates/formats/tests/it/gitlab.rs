//! GitLab: three reports that share the open findings among them.

use std::collections::HashSet;

use countersign_formats::Held;
use countersign_formats::gitlab::{GitLab, Report};
use proptest::prelude::*;
use serde_json::Value;

use crate::readers::{discussed, export, head, held_ids, is_clean};
use crate::{Sample, in_a_repository};

const REPORTS: [Report; 3] = [Report::Sast, Report::Dast, Report::DependencyScanning];

fn write(samples: &[Sample], report: Report) -> (Vec<Held>, Value) {
    let mut bytes = Vec::new();
    let gitlab = GitLab::new(&mut bytes, report, &head()).unwrap();
    let held = export(Box::new(gitlab), samples);
    (held, serde_json::from_slice(&bytes).unwrap())
}

proptest! {
    #[test]
    fn every_open_finding_is_in_one_report(samples in discussed()) {
        let reports: Vec<_> = REPORTS.iter().map(|report| write(&samples, *report)).collect();
        for (at, it) in samples.iter().enumerate() {
            let finding = &it.finding;
            let has_version = finding.component.as_ref().is_none_or(|component| {
                component.version.as_ref().is_some_and(|version| !version.trim().is_empty())
            });
            let is_held = finding.state.is_open() && !it.gone && has_version;
            let times = reports.iter().filter(|(held, _)| held[at] == Held::Written).count();
            prop_assert_eq!(times, usize::from(is_held));
        }
        let mut ids = HashSet::new();
        let mut compared = HashSet::new();
        for (held, report) in &reports {
            let ids_held = held_ids(&samples, held);
            let titles = samples
                .iter()
                .filter(|sample| ids_held.contains(&sample.finding.id.as_str()))
                .map(|sample| sample.finding.title.split_whitespace().next());
            let vulnerabilities = report["vulnerabilities"].as_array().unwrap();
            let written = held.iter().filter(|held| **held == Held::Written).count();
            prop_assert_eq!(vulnerabilities.len(), written);
            for (vulnerability, first_word) in vulnerabilities.iter().zip(titles) {
                let id = vulnerability["id"].as_str().unwrap();
                prop_assert!(ids.insert(id.to_owned()), "{} is there twice", id);
                let name = vulnerability["name"].as_str().unwrap();
                prop_assert!((1..=255).contains(&name.chars().count()));
                let first_word = first_word.unwrap_or("Finding");
                let is_plain = !first_word.chars().any(char::is_control);
                prop_assert!(!is_plain || name.starts_with(first_word), "{}", name);
                let identifiers = vulnerability["identifiers"].as_array().unwrap();
                // By what GitLab compares, each is itself.
                let first = (identifiers[0]["type"].as_str(), identifiers[0]["value"].as_str());
                prop_assert!(compared.insert(first), "{:?} is there twice", first);
                prop_assert_eq!(first.0, Some("veracode_finding"));
                for identifier in identifiers {
                    prop_assert!(!identifier["value"].as_str().unwrap().is_empty());
                    prop_assert!(!identifier["name"].as_str().unwrap().is_empty());
                }
                let line = &vulnerability["location"]["start_line"];
                prop_assert!(line.is_null() || line.as_i64().unwrap() >= 1);
            }
            prop_assert!(is_clean(report));
        }
    }
}

#[test]
fn files_are_those_of_the_repository() {
    let (samples, head) = in_a_repository();
    for (report, file) in
        [(Report::Sast, "app/com/x/F.java"), (Report::DependencyScanning, "app/com/x/lib.jar")]
    {
        let mut bytes = Vec::new();
        export(Box::new(GitLab::new(&mut bytes, report, &head).unwrap()), &samples);
        let document: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(document["vulnerabilities"][0]["location"]["file"], file);
    }
}
