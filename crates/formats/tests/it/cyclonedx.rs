//! CycloneDX: names are unique, and what is affected is there.

use std::collections::HashSet;

use countersign_findings::ScanType;
use countersign_formats::Held;
use countersign_formats::cyclonedx::CycloneDx;
use proptest::prelude::*;
use serde_json::Value;

use crate::Sample;
use crate::readers::{discussed, export, head, held_ids, is_clean};

fn write(samples: &[Sample]) -> (Vec<Held>, Value) {
    let mut bytes = Vec::new();
    let held = export(Box::new(CycloneDx::new(&mut bytes, &head()).unwrap()), samples);
    (held, serde_json::from_slice(&bytes).unwrap())
}

proptest! {
    #[test]
    fn every_sca_finding_is_a_vulnerability_of_a_component(samples in discussed()) {
        let (held, bom) = write(&samples);
        for (it, held) in samples.iter().zip(&held) {
            let is_sca = it.finding.scan_type == ScanType::Sca;
            prop_assert_eq!(*held == Held::Written, is_sca && !it.gone);
        }
        let vulnerabilities = bom["vulnerabilities"].as_array().unwrap();
        let names: Vec<_> = vulnerabilities
            .iter()
            .map(|v| v["bom-ref"].as_str().unwrap().strip_prefix("finding:").unwrap())
            .collect();
        prop_assert_eq!(names, held_ids(&samples, &held));

        let components = bom["components"].as_array().unwrap();
        let all = components.iter().chain(vulnerabilities);
        let mut names = HashSet::new();
        for name in all.map(|named| named["bom-ref"].as_str().unwrap()) {
            prop_assert!(names.insert(name), "{} is there twice", name);
        }
        let mut affected = HashSet::new();
        for vulnerability in vulnerabilities {
            let name = vulnerability["affects"][0]["ref"].as_str().unwrap();
            prop_assert!(components.iter().any(|c| c["bom-ref"] == name), "{} is missing", name);
            affected.insert(name);
            let has_cve = vulnerability["source"]["name"] == "NVD";
            let id = vulnerability["id"].as_str().unwrap_or_default();
            prop_assert_eq!(has_cve, id.starts_with("CVE-"));
        }
        prop_assert_eq!(affected.len(), components.len());
        for component in components {
            prop_assert!(!component["name"].as_str().unwrap().is_empty());
        }
        prop_assert!(is_clean(&bom));
    }

    #[test]
    fn the_serial_number_is_that_of_the_content(samples in discussed()) {
        let number = |samples: &[Sample]| write(samples).1["serialNumber"].clone();
        prop_assert_eq!(number(&samples), number(&samples));
        let (held, _) = write(&samples);
        if let Some(at) = held.iter().position(|held| *held == Held::Written) {
            let mut changed = samples.clone();
            changed[at].finding.description.push_str(" and more");
            prop_assert_ne!(number(&samples), number(&changed));
        }
    }
}

#[test]
fn decisions_become_analysis() {
    let told = |status: Value, action: Option<&str>| {
        let annotations: Vec<_> =
            action.iter().map(|action| serde_json::json!({"action": action})).collect();
        let application = serde_json::json!({"guid": countersign_testkit::made_up::APPLICATION});
        let finding = serde_json::json!({
            "scan_type": "SCA", "description": "x", "count": 1, "finding_status": status,
            "annotations": annotations,
            "finding_details": {"severity": 5, "component_id": "c-1", "version": "5.7.1",
                "component_filename": "semver", "language": "JAVASCRIPT",
                "licenses": [{"license_id": "isc"}, {"license_id": "house licence"}],
                "cve": {"name": "CVE-2026-0001", "cvss3": {"score": 5.5},
                    "vector": "AV:N/AC:L/Au:N/C:P/I:P/A:P"}},
        });
        let sample = Sample::of(&application, &finding);
        write(&[sample]).1
    };
    let of = |status: &str, resolution: &str, review: &str, action: Option<&str>| {
        let status = serde_json::json!({"status": status, "resolution": resolution,
            "resolution_status": review});
        told(status, action)["vulnerabilities"][0]["analysis"].clone()
    };
    assert_eq!(of("OPEN", "UNRESOLVED", "NONE", None)["state"], "in_triage");
    assert_eq!(of("OPEN", "UNRESOLVED", "REJECTED", None)["state"], "exploitable");
    assert_eq!(of("CLOSED", "UNRESOLVED", "NONE", None)["state"], "resolved");
    let false_positive = of("CLOSED", "POTENTIAL_FALSE_POSITIVE", "APPROVED", None);
    assert_eq!(false_positive["state"], "false_positive");
    let accepted = of("CLOSED", "MITIGATED", "APPROVED", Some("ACCEPTRISK"));
    assert_eq!(
        (&accepted["state"], &accepted["response"][0]),
        (&"exploitable".into(), &"will_not_fix".into())
    );
    let network = of("OPEN", "MITIGATED", "APPROVED", Some("NETENV"));
    assert_eq!(network["justification"], "protected_at_perimeter");

    let bom = told(serde_json::json!({"status": "OPEN"}), None);
    // A severity in each rating, and no method of scoring without its vector.
    assert_eq!(
        bom["vulnerabilities"][0]["ratings"],
        serde_json::json!([
            {"source": {"name": "Veracode"}, "severity": "critical", "method": "other"},
            {"score": 5.5, "severity": "critical"},
            {"severity": "critical", "method": "CVSSv2", "vector": "AV:N/AC:L/Au:N/C:P/I:P/A:P"},
        ])
    );
    let component = &bom["components"][0];
    assert_eq!(component["purl"], "pkg:npm/semver@5.7.1");
    assert_eq!(
        component["licenses"],
        serde_json::json!([{"license": {"id": "ISC"}}, {"license": {"name": "house licence"}}])
    );
}
