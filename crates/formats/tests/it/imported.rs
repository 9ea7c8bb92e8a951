//! Findings of other scanners: a format that names the product of a finding names theirs.

use countersign_formats::cyclonedx::CycloneDx;
use countersign_formats::defectdojo::DefectDojo;
use countersign_formats::gitlab::{GitLab, Report};
use countersign_testkit::made_up;
use serde_json::{Value, json};

use crate::readers::export;
use crate::{Sample, head};

fn imported(product: &Value) -> Sample {
    let record = json!({"scan_type": "SCA", "finding_status": {"status": "OPEN"},
        "finding_details": {"severity": 4, "component_id": "c", "component_filename": "x",
            "version": "1", "cve": {"name": "OTHER-1"}, "cwe": {"id": 79}},
        "source": {"product": product,
            "ocsf": {"vulnerabilities": [{"fix_available": true, "novel": 5}]}}});
    Sample::of(&json!({"guid": made_up::APPLICATION, "profile": {"name": "Shop"}}), &record)
}

#[test]
fn other_formats_name_it_too() {
    let sample = imported(&json!({"name": "Other Scanner"}));
    let samples = [sample];
    let (mut bom, mut gitlab, mut dojo) = (Vec::new(), Vec::new(), Vec::new());
    export(Box::new(CycloneDx::new(&mut bom, &head(false)).unwrap()), &samples);
    let bom: Value = serde_json::from_slice(&bom).unwrap();
    let vulnerability = &bom["vulnerabilities"][0];
    assert_eq!(vulnerability["source"]["name"], "Other Scanner");
    assert_eq!(vulnerability["ratings"][0]["source"]["name"], "Other Scanner");
    let report = Report::DependencyScanning;
    export(Box::new(GitLab::new(&mut gitlab, report, &head(false)).unwrap()), &samples);
    let gitlab: Value = serde_json::from_slice(&gitlab).unwrap();
    let identifiers = &gitlab["vulnerabilities"][0]["identifiers"];
    assert_eq!(identifiers[0]["type"], "countersign_finding");
    assert_eq!(identifiers[0]["name"], "Other Scanner sca:-:c:OTHER-1");
    assert_eq!(identifiers[1]["type"], "countersign");
    export(Box::new(DefectDojo::new(&mut dojo, &head(false)).unwrap()), &samples);
    let dojo: Value = serde_json::from_slice(&dojo).unwrap();
    let description = dojo["findings"][0]["description"].as_str().unwrap();
    assert!(description.contains("\nOther Scanner sca:-:c:OTHER-1\n"), "{description}");
    assert!(!description.contains("Veracode"), "{description}");
}
