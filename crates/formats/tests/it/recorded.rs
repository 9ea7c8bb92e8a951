//! Genuine answers, where they are at hand: every renderer takes them, and nothing of
//! them is lost.

use std::path::Path;

use countersign_findings::{Application, Context, Finding};
use countersign_formats::Last;
use countersign_formats::csv::{Csv, Style};
use countersign_formats::ndjson::Ndjson;
use countersign_formats::ocsf::Shape;
use serde_json::Value;

use crate::ocsf::{events, lost};
use crate::ocsf_api::{self, known, of_application, of_scan, scans_of};
use crate::{Sample, write};

fn recorded(name: &str) -> Vec<Value> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples");
    let Ok(text) = std::fs::read_to_string(samples.join(name)) else { return Vec::new() };
    let page: Value = serde_json::from_str(&text).unwrap();
    let embedded = &page["_embedded"];
    let elements = embedded.get("findings").or(embedded.get("applications"));
    elements.and_then(Value::as_array).cloned().unwrap()
}

#[test]
fn nothing_of_recorded_answers_is_lost() {
    let bare = r#"{"guid":"f29a9c76-6ed3-473d-aacd-c68ec65d35cf"}"#;
    let application = match recorded("applications-by-name.json").first() {
        Some(application) => Application::decode(&application.to_string()).unwrap(),
        None => Application::decode(bare).unwrap(),
    };
    for name in [
        "findings-static-page0of3.json",
        "findings-sca-anonymised.json",
        "findings-dynamic-anonymised.json",
    ] {
        // As they were sent: with blanks and line breaks.
        let sample = |record: &Value| {
            let raw = serde_json::to_string_pretty(record).unwrap();
            let finding = Finding::decode(&raw, &application.guid, &Context::Policy).unwrap();
            let (application, changed_ms) = (application.clone(), 1_780_272_000_000);
            let (last, gone, paths) = (Last::New, false, Vec::new());
            Sample { application, finding, raw, last, gone, changed_ms, paths }
        };
        let samples: Vec<_> = recorded(name).iter().map(sample).collect();
        for shape in Shape::ALL {
            for (sample, event) in samples.iter().zip(events(&samples, shape, true)) {
                assert_eq!(lost(sample, &event), Vec::<String>::new(), "{name} {event}");
            }
        }
        let mut bytes = Vec::new();
        assert_eq!(write(Box::new(Ndjson::new(&mut bytes)), &samples), samples.len());
        assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), samples.len());
        let mut bytes = Vec::new();
        assert_eq!(
            write(Box::new(Csv::new(&mut bytes, Style::default()).unwrap()), &samples),
            samples.len()
        );
        assert_eq!(csv::Reader::from_reader(bytes.as_slice()).records().count(), samples.len());
    }
}

#[test]
fn nothing_of_recorded_applications_is_lost() {
    for record in recorded("applications-by-name.json") {
        let raw = serde_json::to_string_pretty(&record).unwrap();
        let application = Application::decode(&raw).unwrap();
        let entry = known(&application, &raw);
        let event: Value = serde_json::from_str(&of_application(&entry, true)).unwrap();
        assert_eq!(
            ocsf_api::lost(&record, &event, &ocsf_api::APPLICATION_HOMES),
            Vec::<String>::new()
        );
        let scans = scans_of(&entry, &[], true);
        let mut events: Vec<Value> =
            scans.iter().map(|one| serde_json::from_str(&of_scan(one, true)).unwrap()).collect();
        let elements = record["scans"].as_array().unwrap();
        assert_eq!(events.len(), elements.len());
        for element in elements {
            let at = events.iter().position(|event| event["scan"]["type"] == element["scan_type"]);
            let event = events.remove(at.unwrap());
            assert_eq!(
                ocsf_api::lost(element, &event, &ocsf_api::SCAN_HOMES),
                Vec::<String>::new()
            );
            assert_eq!((&event["activity_id"], &event["num_detections"]), (&2.into(), &0.into()));
        }
    }
}
