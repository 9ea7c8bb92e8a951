//! SARIF: every result has its rule, a place, and a name that stays.

use std::collections::HashSet;

use countersign_findings::{Context, Finding, State};
use countersign_formats::sarif::{Limits, Options, Sarif};
use countersign_formats::{Export, Head, Held, Paths};
use countersign_testkit::made_up::APPLICATION;
use proptest::prelude::*;
use serde_json::Value;

use crate::Sample;
use crate::readers::{Memory, discussed, export, head, held_ids, is_clean};

fn write(samples: &[Sample], limits: Limits) -> (Vec<Held>, Vec<Value>) {
    write_as(samples, limits, Options::default())
}

fn write_as(samples: &[Sample], limits: Limits, options: Options) -> (Vec<Held>, Vec<Value>) {
    let memory = Memory::default();
    let sarif = Sarif::with_limits(memory.clone(), &head(), options, limits);
    let held = export(Box::new(sarif), samples);
    (held, memory.json())
}

/// The categories of all runs, with the number of their results.
fn categories(files: &[Value]) -> Vec<(String, usize)> {
    let runs = files.iter().flat_map(|file| file["runs"].as_array().unwrap());
    let told = |run: &Value| {
        let id = run["automationDetails"]["id"].as_str().unwrap().to_owned();
        (id, run["results"].as_array().unwrap().len())
    };
    runs.map(told).collect()
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

/// The severity that readers make of a score.
fn level_of(score: f64) -> i64 {
    match score {
        9.0..=10.0 => 5,
        7.0..9.0 => 4,
        4.0..7.0 => 3,
        2.0..4.0 => 2,
        0.1..2.0 => 1,
        0.0 => 0,
        _ => -1,
    }
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
        for rule in rules {
            if rule["help"]["text"].as_str().is_none_or(str::is_empty) {
                problems.push(format!("{} has no help", rule["id"]));
            }
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
            if level_of(score) != result["properties"]["severity"] {
                problems.push(format!("{id}: {severity}"));
            }
            if rules[at]["properties"]["security-severity"] != *severity
                || rules[at]["defaultConfiguration"]["level"] != result["level"]
            {
                problems.push(format!("{id} has another severity than its rule"));
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
                let base = artifact["uriBaseId"].as_str().unwrap();
                // A base with an address would make all of them absolute again.
                let is_based = run["originalUriBaseIds"][base].is_object()
                    && run["originalUriBaseIds"][base]["uri"].is_null();
                let is_relative = !uri.contains([':', '?'])
                    && !uri.split('/').any(|part| part.is_empty() || part == "..");
                if !is_uri(uri) || !is_relative || !is_based {
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
        let limits = Limits {
            results_per_run: per_run,
            runs_per_file: 2,
            bytes_per_part: 60_000,
            ..Limits::GITHUB
        };
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
            // Readers take any suppression, whatever its status, for one that holds.
            let suppressions = result.get("suppressions");
            let state = result["properties"]["state"].as_str().unwrap();
            prop_assert_eq!(suppressions.is_some(), state != "open", "{}", state);
            let status = suppressions.map(|all| &all[0]["status"]);
            prop_assert!(status.is_none_or(|status| status == "accepted"));
        }
    }
}

#[test]
fn what_readers_will_not_show_is_said() {
    let limits =
        Limits { results_per_run: 3, shown_per_run: 2, runs_per_file: 2, ..Limits::GITHUB };
    let samples: Vec<_> =
        (1..=8).map(|number| numbered(APPLICATION, &Context::Policy, number)).collect();
    let remarks = |memory: Memory, samples: &[Sample]| {
        let mut sarif = Sarif::with_limits(memory, &head(), Options::default(), limits);
        for sample in samples {
            assert_eq!(sarif.finding(&sample.item()).unwrap(), Held::Written);
        }
        let remarks = sarif.remarks();
        Box::new(sarif).end().unwrap();
        remarks
    };
    // Runs of 3, 3 and 2, of which 2 each are shown.
    let told = remarks(Memory::default(), &samples);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("the 2 most severe of the 3 findings"), "{told:?}");
    assert!(told[1].contains(&format!("`countersign/{APPLICATION}/policy/2`")), "{told:?}");
    assert!(told.iter().all(|told| told.contains("hint: ")), "{told:?}");
    assert_eq!(remarks(Memory::default(), &samples[..2]), Vec::<String>::new());
    // In one document there are more runs than code scanning takes.
    let memory = Memory::of_one();
    let told = remarks(memory.clone(), &samples);
    assert!(told[2].contains("has 3 runs") && told[2].contains("accepts 2"), "{told:?}");
    assert_eq!(results(&memory.json()).len(), 8);
}

#[test]
fn a_run_is_of_one_application_and_context() {
    let other = "7c1b0a52-0000-4000-8000-000000000002";
    let sandbox = Context::sandbox("7c1b0a52-0000-4000-8000-000000000009").unwrap();
    let mut samples = vec![
        numbered(APPLICATION, &Context::Policy, 1),
        numbered(APPLICATION, &Context::Policy, 2),
        numbered(APPLICATION, &sandbox, 1),
        numbered(other, &Context::Policy, 1),
    ];
    let policy = format!("countersign/{APPLICATION}/policy/");
    let of_sandbox = format!("countersign/{APPLICATION}/7c1b0a52-0000-4000-8000-000000000009/");
    let others = format!("countersign/{other}/policy/");
    let of = |samples: &[Sample]| categories(&write(samples, Limits::GITHUB).1);
    assert_eq!(of(&samples), [(policy.clone(), 2), (of_sandbox.clone(), 1), (others.clone(), 1)]);
    // Whatever else is exported, and tomorrow too.
    assert_eq!(of(&samples[3..]), [(others.clone(), 1)]);
    // What is fixed closes its alert: the run is there without it.
    samples[3].finding.state = State::Fixed;
    assert_eq!(of(&samples[3..]), [(others.clone(), 0)]);
    samples[2].gone = true;
    assert_eq!(of(&samples), [(policy.clone(), 2), (of_sandbox, 0), (others.clone(), 0)]);

    // Places that were asked for have a run.
    let places = vec![
        (samples[0].finding.application.clone(), Context::Policy),
        (samples[3].finding.application.clone(), Context::Policy),
    ];
    let options = Options { places: places.clone(), ..Options::default() };
    let (_, files) = write_as(&samples[..1], Limits::GITHUB, options);
    assert_eq!(categories(&files), [(policy.clone(), 1), (others, 0)]);

    // One category for all of them.
    let options = Options { category: Some("all of it".to_owned()), places };
    let (_, files) = write_as(&samples, Limits::GITHUB, options.clone());
    assert_eq!(categories(&files), [("all of it/".to_owned(), 2)]);
    let (_, files) = write_as(&[], Limits::GITHUB, options);
    assert_eq!(categories(&files), [("all of it/".to_owned(), 0)]);

    // A full run is followed by another, which begins with the same words.
    let limits = Limits { results_per_run: 1, ..Limits::GITHUB };
    let (_, files) = write(&samples[..2], limits);
    assert_eq!(categories(&files), [(policy.clone(), 1), (format!("{policy}2/"), 1)]);
}

#[test]
fn paths_are_those_of_the_repository() {
    let mut sample = one(serde_json::json!({"status": "OPEN"}), 12);
    sample.finding.location.file = Some("com/x/F.java".to_owned());
    let step = countersign_findings::Step {
        file: Some("com/x/G H.java".to_owned()),
        ..countersign_findings::Step::default()
    };
    let path = countersign_findings::DataPath {
        steps: vec![step],
        ..countersign_findings::DataPath::default()
    };
    sample.paths = vec![path];
    let maps = ["com/x=src/main/java/com/x".to_owned()];
    let head = Head { paths: Paths::new(None, &maps).unwrap(), ..head() };
    let memory = Memory::default();
    let sarif = Sarif::new(memory.clone(), &head, Options::default());
    export(Box::new(sarif), &[sample]);
    let files = memory.json();
    let result = results(&files)[0];
    let uri = |place: &Value| place["physicalLocation"]["artifactLocation"]["uri"].clone();
    assert_eq!(uri(&result["locations"][0]), "src/main/java/com/x/F.java");
    let flow = &result["codeFlows"][0]["threadFlows"][0]["locations"][0]["location"];
    assert_eq!(uri(flow), "src/main/java/com/x/G%20H.java");
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
    let told = |status, line| only(&one(status, line));
    let proposed = told(
        serde_json::json!({"status": "OPEN", "resolution": "MITIGATED",
            "resolution_status": "PROPOSED", "new": false}),
        0,
    );
    assert!(proposed["suppressions"].is_null());
    assert_eq!(proposed["properties"]["review"], "proposed");
    assert_eq!(proposed["properties"]["reviewReason"], "MITIGATED");
    assert_eq!(proposed["baselineState"], "unchanged");
    let region = &proposed["locations"][0]["physicalLocation"]["region"];
    assert_eq!((&region["startLine"], region["message"].is_object()), (&1.into(), true));
    let rejected = told(
        serde_json::json!({"status": "OPEN", "resolution_status": "REJECTED", "new": true}),
        12,
    );
    assert!(rejected["suppressions"].is_null());
    assert_eq!(rejected["properties"]["review"], "rejected");
    assert_eq!(rejected["baselineState"], "new");
    assert_eq!(rejected["level"], "error");
    assert_eq!(rejected["locations"][0]["physicalLocation"]["region"]["startLine"], 12);
    assert_eq!(
        rejected["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
        "src/a%20b.cs"
    );
    let accepted = told(
        serde_json::json!({"status": "CLOSED", "resolution": "MITIGATED",
            "resolution_status": "APPROVED"}),
        12,
    );
    assert_eq!(accepted["suppressions"][0]["status"], "accepted");
    assert_eq!(accepted["properties"]["review"], "accepted");
    let without = told(serde_json::json!({"status": "OPEN"}), 12);
    assert!(without["properties"]["review"].is_null());
}

#[test]
fn an_address_is_a_relative_path_and_a_web_request() {
    for (url, path) in [
        ("https://shop.example.com/a/b.jsp?x=1", "shop.example.com/a/b.jsp"),
        ("https://shop.example.com", "shop.example.com"),
        (
            "http://shop.example.com:8080//a/../b%2f%2E%2e/c d",
            "shop.example.com%3A8080/b%2f%2E%2e/c%20d",
        ),
        ("http://[::1]/a", "%5B%3A%3A1%5D/a"),
        ("https://shop.example.com/a/%2e%2E/%2e/b", "shop.example.com/b"),
    ] {
        let result = only(&found_at(url));
        let artifact = &result["locations"][0]["physicalLocation"]["artifactLocation"];
        assert_eq!((&artifact["uri"], &artifact["uriBaseId"]), (&path.into(), &"WEBROOT".into()));
        let target = result["webRequest"]["target"].as_str().unwrap();
        assert!(target.starts_with("http"), "{target}");
        assert_eq!(result["properties"]["address"], target);
    }
}

#[test]
fn a_rule_is_of_one_weakness_and_one_severity() {
    let of = |severity: i64, cwe: Value| {
        let mut sample = one(serde_json::json!({"status": "OPEN"}), 12);
        let mut record: Value = serde_json::from_str(&sample.raw).unwrap();
        record["finding_details"]["severity"] = severity.into();
        record["finding_details"]["cwe"] = cwe;
        // A score of its own: the service's severity counts all the same.
        record["finding_details"]["cvss"] = "9.9".into();
        record["issue_id"] = (severity + 10).into();
        let application = serde_json::json!({"guid": APPLICATION});
        sample = Sample::of(&application, &record);
        sample
    };
    let cwe = serde_json::json!({"id": 89, "name": "SQL Injection"});
    let mut samples: Vec<_> = (0..=5).map(|severity| of(severity, cwe.clone())).collect();
    samples.push(of(3, Value::Null));
    let (_, files) = write(&samples, Limits::GITHUB);
    let rules = files[0]["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    let told: Vec<_> = rules
        .iter()
        .map(|rule| {
            let score = rule["properties"]["security-severity"].as_str().unwrap();
            (rule["id"].as_str().unwrap(), score)
        })
        .collect();
    let expected = [
        ("CWE-89/informational", "0.0"),
        ("CWE-89/very-low", "1.0"),
        ("CWE-89/low", "3.0"),
        ("CWE-89/medium", "5.5"),
        ("CWE-89/high", "8.0"),
        ("CWE-89/very-high", "9.5"),
        ("UNCLASSIFIED/medium", "5.5"),
    ];
    assert_eq!(told, expected);
    for rule in rules {
        assert!(!rule["help"]["text"].as_str().unwrap().is_empty());
    }
    assert_eq!(results(&files)[4]["properties"]["cvss"], 9.9);
}

/// The one result of a finding.
fn only(sample: &Sample) -> Value {
    let (_, files) = write(std::slice::from_ref(sample), Limits::GITHUB);
    results(&files)[0].clone()
}

/// Flaw `number` in this place.
fn numbered(application: &str, context: &Context, number: i64) -> Sample {
    let mut sample = one(serde_json::json!({"status": "OPEN"}), 12);
    let application = serde_json::json!({"guid": application, "profile": {"name": "shop"}});
    let mut record: Value = serde_json::from_str(&sample.raw).unwrap();
    record["issue_id"] = number.into();
    sample = Sample::of(&application, &record);
    let guid = &sample.application.guid;
    sample.finding = Finding::decode(&sample.raw, guid, context).unwrap();
    sample
}

fn found_at(url: &str) -> Sample {
    let application = serde_json::json!({"guid": APPLICATION});
    let finding = serde_json::json!({
        "issue_id": 7, "scan_type": "DYNAMIC", "description": "x", "count": 1,
        "finding_status": {"status": "OPEN"},
        "finding_details": {"severity": 5, "url": url},
    });
    Sample::of(&application, &finding)
}

fn one(status: Value, line: i64) -> Sample {
    let application = serde_json::json!({
        "guid": APPLICATION, "profile": {"name": "shop"}});
    let finding = serde_json::json!({
        "issue_id": 7, "scan_type": "STATIC", "description": "x", "count": 1,
        "finding_status": status,
        "finding_details": {"severity": 5, "cwe": {"id": 89, "name": "SQL Injection"},
            "file_path": "src\\a b.cs", "file_line_number": line},
    });
    Sample::of(&application, &finding)
}
