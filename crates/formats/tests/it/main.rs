//! The renderers, over findings that property tests make up.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cyclonedx;
mod defectdojo;
mod files;
mod gitlab;
mod html;
mod imported;
mod normalisation;
mod ocsf;
mod ocsf_api;
#[cfg(feature = "parquet")]
mod parquet;
mod readers;
mod recorded;
mod sarif;
mod tables;

use countersign_findings::{Application, Context, DataPath, Finding, Step};
use countersign_formats::{Export, Head, Held, Item, Last, Paths};
use countersign_testkit::made_up;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::{collection, option};
use serde_json::{Value, json};

/// A made-up finding with what an [`Item`] borrows from.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) application: Application,
    pub(crate) finding: Finding,
    pub(crate) raw: String,
    pub(crate) last: Last,
    pub(crate) gone: bool,
    pub(crate) changed_ms: i64,
    pub(crate) paths: Vec<DataPath>,
}

impl Sample {
    pub(crate) fn of(application: &Value, finding: &Value) -> Self {
        let raw = finding.to_string();
        let application = Application::decode(&application.to_string()).unwrap();
        let finding = Finding::decode(&raw, &application.guid, &Context::Policy).unwrap();
        let (last, changed_ms) = (Last::New, 1_780_272_000_000);
        Self { application, finding, raw, last, gone: false, changed_ms, paths: Vec::new() }
    }

    pub(crate) fn item(&self) -> Item<'_> {
        Item {
            finding: &self.finding,
            application: &self.application,
            integration: "test",
            gone: self.gone,
            added_ms: 1_780_272_000_000,
            changed_ms: self.changed_ms,
            last: self.last,
            paths: &self.paths,
            raw: &self.raw,
        }
    }
}

/// A static finding and one of a component, and a head that maps their files to those of a
/// repository.
pub(crate) fn in_a_repository() -> ([Sample; 2], Head) {
    let application = json!({"guid": made_up::APPLICATION});
    let flaw = json!({"issue_id": 7, "scan_type": "STATIC", "finding_status": {"status": "OPEN"},
        "finding_details": {"severity": 4, "file_path": "com/x/F.java"}});
    let component = json!({"scan_type": "SCA", "finding_status": {"status": "OPEN"},
        "finding_details": {"severity": 4, "component_id": "c", "version": "1",
            "component_path": [{"path": "com/x/lib.jar"}]}});
    let paths = Paths::new(None, &["com/x=app/com/x".to_owned()]).unwrap();
    let samples = [flaw, component].map(|finding| Sample::of(&application, &finding));
    (samples, Head { paths, ..head(false) })
}

/// What the renderers are told of the export itself.
pub(crate) fn head(with_raw: bool) -> Head {
    Head {
        version: "1.2.3".into(),
        made_ms: 1_780_272_000_000,
        filter: String::new(),
        total: 8,
        with_raw,
        paths: Paths::default(),
    }
}

/// Several of one application, each with a number of its own.
pub(crate) fn samples() -> impl Strategy<Value = Vec<Sample>> {
    numbered_samples(1)
}

/// Eight, numbered from this one on.
pub(crate) fn numbered_samples(first: i64) -> impl Strategy<Value = Vec<Sample>> {
    let numbers = first..first + 8;
    let findings: Vec<_> = numbers.map(|n| (made_up::finding(n), history()).boxed()).collect();
    (made_up::application(), findings).prop_map(|(application, findings)| {
        let sample = |(finding, (last, gone, late_ms, paths))| Sample {
            last,
            gone,
            changed_ms: 1_780_272_000_000 + late_ms,
            paths,
            ..Sample::of(&application, &finding)
        };
        findings.into_iter().map(sample).collect()
    })
}

/// What a store knows besides the record.
fn history() -> impl Strategy<Value = (Last, bool, i64, Vec<DataPath>)> {
    let last = select(&[Last::New, Last::Changed, Last::Reopened, Last::Closed][..]);
    let step = (option::of("[a-z]{1,8}"), option::of("[a-z/]{1,8}"), option::of(0..900_i64))
        .prop_map(|(function, file, line)| Step { function, file, line });
    let path =
        (option::of("[a-z]{1,8}"), collection::vec(step, 0..3)).prop_map(|(function, steps)| {
            DataPath { function, steps, line: Some(7), ..DataPath::default() }
        });
    (last, prop::bool::weighted(0.1), 0..1_000_000_000_i64, collection::vec(path, 0..2))
}

/// Writes all of them and counts those that the format holds.
pub(crate) fn write(mut export: Box<dyn Export + '_>, samples: &[Sample]) -> usize {
    let mut written = 0;
    for sample in samples {
        written += usize::from(export.finding(&sample.item()).unwrap() == Held::Written);
    }
    export.end().unwrap();
    written
}
