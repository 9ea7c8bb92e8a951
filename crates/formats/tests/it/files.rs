//! Files for readers that are not ours: `conformance/exports` has them read what this
//! test writes into the folder of `COUNTERSIGN_EXPORTS`. And the genuine samples, where
//! they are.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use countersign_findings::{Application, Context, Finding};
use countersign_formats::cyclonedx::CycloneDx;
use countersign_formats::defectdojo::DefectDojo;
use countersign_formats::gitlab::{GitLab, Report};
use countersign_formats::html::Html;
use countersign_formats::ndjson::Ndjson;
use countersign_formats::sarif::Sarif;
use countersign_formats::{Export, Head, Held, Last, Parts};
use countersign_testkit::made_up;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::Value;

use crate::Sample;
use crate::situations::{Situation, around, export, head, together};

/// One file that is never split.
struct One(PathBuf);

impl Parts for One {
    fn open(&mut self, _number: usize) -> io::Result<Box<dyn Write>> {
        Ok(Box::new(BufWriter::new(File::create(&self.0)?)))
    }

    fn can_split(&self) -> bool {
        false
    }
}

/// Every format of this crate's readers, under the names that the checks know.
fn write_all(folder: &Path, situations: &[Situation]) {
    let head = Head { total: situations.len() as u64, ..head() };
    let file = |name: &str| BufWriter::new(File::create(folder.join(name)).unwrap());
    let gitlab = |name: &str, report| -> Box<dyn Export> {
        Box::new(GitLab::new(file(name), report, &head).unwrap())
    };
    let exports: [Box<dyn Export>; 8] = [
        Box::new(Ndjson::new(file("findings.ndjson"))),
        Box::new(Sarif::new(One(folder.join("sarif.sarif")), &head)),
        Box::new(CycloneDx::new(file("cyclonedx.json"), &head).unwrap()),
        gitlab("gitlab-sast.json", Report::Sast),
        gitlab("gitlab-dast.json", Report::Dast),
        gitlab("gitlab-dependency-scanning.json", Report::DependencyScanning),
        Box::new(DefectDojo::new(file("defectdojo.json")).unwrap()),
        Box::new(Html::new(file("report.html"), &head).unwrap()),
    ];
    for one in exports {
        export(one, situations);
    }
}

#[test]
fn made_up_reader_files() {
    let Some(folder) = std::env::var_os("COUNTERSIGN_EXPORTS") else { return };
    let mut runner = TestRunner::deterministic();
    let application = made_up::application().new_tree(&mut runner).unwrap().current();
    let situations: Vec<_> = (1..=400)
        .map(|number| {
            let finding = made_up::finding(number).new_tree(&mut runner).unwrap().current();
            let around = around().new_tree(&mut runner).unwrap().current();
            together(Sample::of(&application, &finding), around)
        })
        .collect();
    std::fs::create_dir_all(&folder).unwrap();
    write_all(Path::new(&folder), &situations);
}

#[test]
fn genuine_findings_are_held() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples");
    let Ok(entries) = std::fs::read_dir(samples) else { return };
    let application =
        Application::decode(&format!("{{\"guid\":\"{}\"}}", made_up::APPLICATION)).unwrap();
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("findings-") {
            continue;
        }
        let page: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let records = page["_embedded"]["findings"]
            .as_array()
            .unwrap_or_else(|| page["findings"].as_array().expect("a page of findings"));
        let situations: Vec<_> = records
            .iter()
            .map(|record| {
                let raw = record.to_string();
                let finding = Finding::decode(&raw, &application.guid, &Context::Policy).unwrap();
                let sample = Sample { application: application.clone(), finding, raw };
                Situation { sample, gone: false, last: Last::New, paths: vec![] }
            })
            .collect();
        let mut bytes = Vec::new();
        let held = export(Box::new(DefectDojo::new(&mut bytes).unwrap()), &situations);
        assert!(!held.is_empty() && held.iter().all(|held| *held == Held::Written), "{name}");
        if let Some(folder) = std::env::var_os("COUNTERSIGN_EXPORTS") {
            let folder = Path::new(&folder).with_extension(name.trim_end_matches(".json"));
            std::fs::create_dir_all(&folder).unwrap();
            write_all(&folder, &situations);
        }
    }
}
