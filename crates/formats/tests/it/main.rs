//! The renderers, over findings that property tests make up.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cyclonedx;
mod defectdojo;
mod files;
mod gitlab;
mod html;
mod sarif;
mod situations;
mod tables;

use countersign_findings::{Application, Context, Finding};
use countersign_formats::{Export, Held, Item, Last};
use countersign_testkit::made_up;
use serde_json::Value;

/// A made-up finding with what an [`Item`] borrows from.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    application: Application,
    finding: Finding,
    raw: String,
}

impl Sample {
    pub(crate) fn of(application: &Value, finding: &Value) -> Self {
        let raw = finding.to_string();
        let application = Application::decode(&application.to_string()).unwrap();
        let finding = Finding::decode(&raw, &application.guid, &Context::Policy).unwrap();
        Self { application, finding, raw }
    }

    pub(crate) fn item(&self) -> Item<'_> {
        Item {
            finding: &self.finding,
            application: &self.application,
            integration: "test",
            gone: false,
            added_ms: 1_780_272_000_000,
            changed_ms: 1_780_272_000_000,
            last: Last::New,
            paths: &[],
            raw: &self.raw,
        }
    }
}

/// Several of one application, each with a number of its own.
pub(crate) fn samples() -> impl proptest::strategy::Strategy<Value = Vec<Sample>> {
    use proptest::prelude::*;
    let findings: Vec<_> = (1..=8).map(|n| made_up::finding(n).boxed()).collect();
    (made_up::application(), findings).prop_map(|(application, findings)| {
        findings.iter().map(|finding| Sample::of(&application, finding)).collect()
    })
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
