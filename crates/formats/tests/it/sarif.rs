//! SARIF: every result has its rule, a place, and a name that stays.

use std::collections::HashSet;

use countersign_findings::State;
use countersign_formats::sarif::{Limits, Sarif};
use countersign_formats::{Export, Held};
use proptest::prelude::*;
use serde_json::Value;

use crate::Sample;
use crate::readers::{Memory, discussed, export, head, held_ids, is_clean};

fn write(samples: &[Sample], limits: Limits) -> (Vec<Held>, Vec<Value>) {
    let memory = Memory::default();
    let sarif = Sarif::with_limits(memory.clone(), &head(), limits);
    let held = export(Box::new(sarif), samples);
    (held, memory.json())
}

fn results(files: &[Value]) -> Vec<&Value> {
    let runs = files.iter().flat_map(|file| file["runs"].as_array().unwrap());
    runs.flat_map(|run| run["results"].as_array().unwrap()).collect()
}

fn is_uri(text: &str) -> bool {
    let rest = text.split('%').skip(1);
    let has_triplets = rest
        .into_iter()
        .all(|part| part.len() >= 2 && part.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit));
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&b);
    !text.is_empty() && has_triplets && text.bytes().all(is_plain)
}

/// Everything that has to be so in any file.
fn problems(files: &[Value]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut ids = HashSet::new();
    let mut categories = HashSet::new();
    for run in files.iter().flat_map(|file| file["runs"].as_array().unwrap()) {
        let category = run["automationDetails"]["id"].as_str().unwrap();
        if !categories.insert(category) {
            problems.push(format!("two runs are called {category}"));
        }
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        let names: HashSet<_> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
        if names.len() != rules.len() {
            problems.push("a rule is there twice".to_owned());
        }
        for result in run["results"].as_array().unwrap() {
            let id = result["fingerprints"]["countersign/v1"].as_str().unwrap();
            if !ids.insert(id) {
                problems.push(format!("{id} is there twice"));
            }
            let at = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            if rules.get(at).map(|rule| &rule["id"]) != Some(&result["ruleId"]) {
                problems.push(format!("{id}: ruleIndex is not ruleId"));
            }
            let severity = &result["properties"]["security-severity"];
            let score: f64 = severity.as_str().unwrap().parse().unwrap();
            if !(0.0..=10.0).contains(&score) {
                problems.push(format!("{id}: {severity}"));
            }
            if result["message"]["text"].as_str().unwrap().is_empty() {
                problems.push(format!("{id} says nothing"));
            }
            let mut places = Vec::new();
            let related = result["relatedLocations"].as_array().into_iter().flatten();
            for place in result["locations"].as_array().unwrap().iter().chain(related) {
                places.push(&place["physicalLocation"]);
            }
            if result["locations"].as_array().unwrap().len() != 1 {
                problems.push(format!("{id} is not in one place"));
            }
            for flow in result["codeFlows"].as_array().into_iter().flatten() {
                for step in flow["threadFlows"][0]["locations"].as_array().unwrap() {
                    places.push(&step["location"]["physicalLocation"]);
                }
            }
            for place in places {
                let artifact = &place["artifactLocation"];
                let uri = artifact["uri"].as_str().unwrap();
                let is_web = uri.starts_with("http://") || uri.starts_with("https://");
                let is_relative = artifact["uriBaseId"] == "%SRCROOT%"
                    && !uri.starts_with('/')
                    && !uri.split('/').any(|part| part == ".." || part.contains(':'));
                if !is_uri(uri) || is_relative == is_web {
                    problems.push(format!("{id}: {artifact}"));
                }
                if place["region"]["startLine"].as_i64().unwrap() < 1 {
                    problems.push(format!("{id}: {place}"));
                }
            }
        }
    }
    problems
}

proptest! {
    #[test]
    fn every_finding_is_a_result_or_has_a_reason(samples in discussed()) {
        let (held, files) = write(&samples, Limits::GITHUB);
        let written: Vec<_> = results(&files)
            .iter()
            .map(|result| result["properties"]["id"].as_str().unwrap().to_owned())
            .collect();
        prop_assert_eq!(written, held_ids(&samples, &held));
        for (it, held) in samples.iter().zip(&held) {
            let is_there = !it.gone && it.finding.state != State::Fixed;
            prop_assert_eq!(*held == Held::Written, is_there);
        }
        let found = problems(&files);
        prop_assert!(found.is_empty(), "{:?}", found);
        prop_assert!(files.iter().all(is_clean));
    }

    #[test]
    fn small_limits_make_runs_and_parts(samples in discussed(), per_run in 1..4_usize) {
        let limits = Limits { results_per_run: per_run, runs_per_file: 2, bytes_per_part: 60_000 };
        let (held, files) = write(&samples, limits);
        let written = held.iter().filter(|held| **held == Held::Written).count();
        prop_assert_eq!(results(&files).len(), written);
        let found = problems(&files);
        prop_assert!(found.is_empty(), "{:?}", found);
        for file in &files {
            let runs = file["runs"].as_array().unwrap();
            prop_assert!(runs.len() <= 2);
            for run in runs {
                prop_assert!(run["results"].as_array().unwrap().len() <= per_run);
            }
        }
    }

    #[test]
    fn names_stay_when_lines_move(samples in discussed()) {
        let names = |samples: &[Sample]| -> Vec<_> {
            let (_, files) = write(samples, Limits::GITHUB);
            results(&files)
                .iter()
                .map(|result| (result["fingerprints"].clone(), result["partialFingerprints"].clone()))
                .collect()
        };
        let before = names(&samples);
        prop_assert_eq!(&before, &names(&samples));
        let mut moved = samples;
        for it in &mut moved {
            it.finding.location.line = it.finding.location.line.map(|line| line + 7);
            it.finding.description.push_str(" and more");
        }
        prop_assert_eq!(before, names(&moved));
    }

    #[test]
    fn what_is_mitigated_is_suppressed_and_nothing_else(samples in discussed()) {
        let (_, files) = write(&samples, Limits::GITHUB);
        for result in results(&files) {
            let is_accepted = result["suppressions"][0]["status"] == "accepted";
            let state = result["properties"]["state"].as_str().unwrap();
            prop_assert_eq!(is_accepted, state != "open", "{}", state);
        }
    }
}

#[test]
fn what_does_not_fit_into_one_file_is_an_error_that_says_so() {
    let limits = Limits { results_per_run: 1, runs_per_file: 2, bytes_per_part: 1 };
    let situation = one(serde_json::json!({"status": "OPEN"}), 12);
    let mut sarif = Sarif::with_limits(Memory::of_one(), &head(), limits);
    for _ in 0..2 {
        assert_eq!(sarif.finding(&situation.item()).unwrap(), Held::Written);
    }
    let error = sarif.finding(&situation.item()).unwrap_err().to_string();
    assert!(error.contains("holds 2 findings") && error.contains("hint: "), "{error}");
}

#[test]
fn no_findings_are_an_empty_run() {
    let (_, files) = write(&[], Limits::GITHUB);
    assert_eq!(files.len(), 1);
    assert_eq!(files[0]["runs"].as_array().unwrap().len(), 1);
    assert!(results(&files).is_empty());
}

#[test]
fn reviews_and_lines_are_told() {
    let told = |status, line| {
        let (_, files) = write(&[one(status, line)], Limits::GITHUB);
        results(&files)[0].clone()
    };
    let proposed = told(
        serde_json::json!({"status": "OPEN", "resolution": "MITIGATED",
            "resolution_status": "PROPOSED", "new": false}),
        0,
    );
    assert_eq!(proposed["suppressions"][0]["status"], "underReview");
    assert_eq!(proposed["baselineState"], "unchanged");
    let region = &proposed["locations"][0]["physicalLocation"]["region"];
    assert_eq!((&region["startLine"], region["message"].is_object()), (&1.into(), true));
    let rejected = told(
        serde_json::json!({"status": "OPEN", "resolution_status": "REJECTED", "new": true}),
        12,
    );
    assert_eq!(rejected["suppressions"][0]["status"], "rejected");
    assert_eq!(rejected["baselineState"], "new");
    assert_eq!(rejected["level"], "error");
    assert_eq!(rejected["locations"][0]["physicalLocation"]["region"]["startLine"], 12);
    assert_eq!(
        rejected["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
        "src/a%20b.cs"
    );
}

fn one(status: Value, line: i64) -> Sample {
    let application = serde_json::json!({
        "guid": countersign_testkit::made_up::APPLICATION, "profile": {"name": "shop"}});
    let finding = serde_json::json!({
        "issue_id": 7, "scan_type": "STATIC", "description": "x", "count": 1,
        "finding_status": status,
        "finding_details": {"severity": 5, "cwe": {"id": 89, "name": "SQL Injection"},
            "file_path": "src\\a b.cs", "file_line_number": line},
    });
    Sample::of(&application, &finding)
}
