//! Findings of other scanners: a format that names the product of a finding names theirs.

use countersign_formats::cyclonedx::CycloneDx;
use countersign_formats::defectdojo::DefectDojo;
use countersign_formats::gitlab::{GitLab, Report};
use countersign_formats::ocsf::Shape;
use countersign_testkit::made_up;
use serde_json::{Value, json};

use crate::ocsf::{events, lost};
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
fn an_event_names_the_product_that_reported_the_finding() {
    for (product, expected, vendor) in [
        (
            json!({"name": "Other Scanner", "vendor_name": "Example", "version": "1.2"}),
            json!({"name": "Other Scanner", "vendor_name": "Example", "version": "1.2"}),
            "Example",
        ),
        (
            json!({"name": "Other Scanner", "version": ""}),
            json!({"name": "Other Scanner"}),
            "Other Scanner",
        ),
        (
            json!({"vendor_name": "Example"}),
            json!({"name": "Example", "vendor_name": "Example"}),
            "Example",
        ),
        (json!({"name": 5}), json!({"name": "Unknown"}), "Unknown"),
        (json!("a text"), json!({"name": "Veracode", "vendor_name": "Veracode"}), "Veracode"),
        (json!(null), json!({"name": "Veracode", "vendor_name": "Veracode"}), "Veracode"),
    ] {
        let sample = imported(&product);
        for shape in Shape::ALL {
            let mut event = events(std::slice::from_ref(&sample), shape, false).remove(0);
            assert_eq!(lost(&sample, &event), Vec::<String>::new(), "{event}");
            let named = event["metadata"]["product"].as_object_mut().unwrap();
            assert_eq!(named.remove("feature").is_some(), shape == Shape::Posture18);
            assert_eq!(event["metadata"]["product"], expected);
            assert_eq!(event["vulnerabilities"][0]["vendor_name"], vendor);
            let is_veracodes =
                event["finding_info"]["data_sources"] == json!(["Veracode Findings REST API"]);
            assert_eq!(is_veracodes, vendor == "Veracode", "{event}");
        }
    }
}

/// The service does not say whether there is a fix; the event that was imported may.
#[test]
fn a_fix_is_said_under_both_names() {
    let sample = imported(&json!({"name": "Other Scanner"}));
    let event = events(std::slice::from_ref(&sample), Shape::Posture18, false).remove(0);
    let vulnerability = &event["vulnerabilities"][0];
    assert_eq!(
        (&vulnerability["is_fix_available"], &vulnerability["fix_available"]),
        (&json!(true), &json!(true))
    );
    let event = events(&[sample], Shape::Posture, false).remove(0);
    assert!(event["vulnerabilities"][0].get("fix_available").is_none());
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
