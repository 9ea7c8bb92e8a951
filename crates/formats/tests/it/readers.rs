//! For the formats of tools that read reports: made-up findings that people wrote about
//! and that share components, parts in memory, and files for readers that are not ours.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use countersign_findings::{Annotation, Application, Context, DataPath, Finding, State, Step};
use countersign_formats::cyclonedx::CycloneDx;
use countersign_formats::defectdojo::DefectDojo;
use countersign_formats::gitlab::{GitLab, Report};
use countersign_formats::html::Html;
use countersign_formats::sarif::{Options, Sarif};
use countersign_formats::{Export, Head, Held, Last, Parts};
use countersign_testkit::made_up;
use proptest::prelude::*;
use proptest::{collection, option, sample};
use serde_json::Value;

use crate::{Sample, samples};

/// Several, with texts of people, paths that want to lead elsewhere, and some about one
/// component.
pub(crate) fn discussed() -> impl Strategy<Value = Vec<Sample>> {
    let around = (annotations(), paths(), any::<bool>());
    (samples(), collection::vec(around, 8)).prop_map(|(mut samples, around)| {
        for (sample, (annotations, paths, is_shared)) in samples.iter_mut().zip(around) {
            sample.finding.annotations = annotations;
            sample.paths.extend(paths);
            if let Some(component) = sample.finding.component.as_mut().filter(|_| is_shared) {
                component.id = "shared".to_owned();
            }
        }
        samples
    })
}

fn hostile() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z/]{0,12}", "\\PC{0,20}", Just("C:\\a b\\..\\c.cs\u{0}".to_owned())]
}

fn paths() -> impl Strategy<Value = Vec<DataPath>> {
    let step = (option::of(hostile()), option::of(hostile()), option::of(-1..500_i64))
        .prop_map(|(function, file, line)| Step { function, file, line });
    let path = (option::of(hostile()), collection::vec(step, 0..4))
        .prop_map(|(module, steps)| DataPath { module, steps, ..DataPath::default() });
    collection::vec(path, 0..2)
}

fn annotations() -> impl Strategy<Value = Vec<Annotation>> {
    let actions = &["COMMENT", "FP", "APPDESIGN", "NETENV", "OSENV", "ACCEPTRISK", "REJECTED"][..];
    let step = (sample::select(actions), option::of(hostile()), option::of(hostile()));
    let step = step.prop_map(|(action, comment, user)| Annotation {
        action: Some(action.to_owned()),
        comment,
        user,
        ..Annotation::default()
    });
    collection::vec(step, 0..3)
}

/// What the export is told, with a filter that wants to be something else.
pub(crate) fn head() -> Head {
    Head { filter: "severity:4 <\u{202e}>".to_owned(), ..crate::head(false) }
}

/// Parts in memory.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    parts: Rc<RefCell<Vec<Vec<u8>>>>,
    is_one: bool,
}

impl Memory {
    /// A place for one part only.
    pub(crate) fn of_one() -> Self {
        Self { is_one: true, ..Self::default() }
    }

    /// Every part as JSON.
    pub(crate) fn json(&self) -> Vec<Value> {
        let parts = self.parts.borrow();
        parts.iter().map(|part| serde_json::from_slice(part).unwrap()).collect()
    }
}

impl Parts for Memory {
    fn open(&mut self, number: usize) -> io::Result<Box<dyn Write>> {
        let mut parts = self.parts.borrow_mut();
        assert_eq!(number, parts.len() + 1, "parts are opened in order");
        parts.push(Vec::new());
        Ok(Box::new(Page { parts: Rc::clone(&self.parts), at: number - 1 }))
    }

    fn can_split(&self) -> bool {
        !self.is_one
    }
}

struct Page {
    parts: Rc<RefCell<Vec<Vec<u8>>>>,
    at: usize,
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.parts.borrow_mut()[self.at].write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes all of them and says which the format held.
pub(crate) fn export(mut export: Box<dyn Export + '_>, samples: &[Sample]) -> Vec<Held> {
    let held = samples.iter().map(|sample| export.finding(&sample.item()).unwrap()).collect();
    export.end().unwrap();
    held
}

/// The ids of those that were held.
pub(crate) fn held_ids<'a>(samples: &'a [Sample], held: &[Held]) -> Vec<&'a str> {
    let together = samples.iter().zip(held);
    let written = together.filter(|(_, held)| **held == Held::Written);
    written.map(|(sample, _)| sample.finding.id.as_str()).collect()
}

/// No control characters but ends of lines and tabs, and no member without a value.
pub(crate) fn is_clean(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'),
        Value::Array(all) => all.iter().all(is_clean),
        Value::Object(all) => all.values().all(is_clean),
        _ => true,
    }
}

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

/// The formats of these readers, under the names that their checks know.
pub(crate) fn write_files(folder: &Path, samples: &[Sample]) {
    let head = Head { total: samples.len() as u64, ..head() };
    let file = |name: &str| BufWriter::new(File::create(folder.join(name)).unwrap());
    let gitlab = |name: &str, report| -> Box<dyn Export> {
        Box::new(GitLab::new(file(name), report, &head).unwrap())
    };
    let exports: [Box<dyn Export>; 7] = [
        Box::new(Sarif::new(One(folder.join("sarif.sarif")), &head, Options::default())),
        Box::new(CycloneDx::new(file("cyclonedx.json"), &head).unwrap()),
        gitlab("gitlab-sast.json", Report::Sast),
        gitlab("gitlab-dast.json", Report::Dast),
        gitlab("gitlab-dependency-scanning.json", Report::DependencyScanning),
        Box::new(DefectDojo::new(file("defectdojo.json"), &head).unwrap()),
        Box::new(Html::new(file("report.html"), &head).unwrap()),
    ];
    for one in exports {
        export(one, samples);
    }
}

/// Genuine answers, where their folder is.
#[test]
fn genuine_findings_are_held() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples");
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let application =
        Application::decode(&format!("{{\"guid\":\"{}\"}}", made_up::APPLICATION)).unwrap();
    let mut samples = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("findings-")) {
            let text = std::fs::read_to_string(&path).unwrap();
            let page: Value = serde_json::from_str(&text).unwrap();
            for record in page["_embedded"]["findings"].as_array().unwrap() {
                let raw = record.to_string();
                let finding = Finding::decode(&raw, &application.guid, &Context::Policy).unwrap();
                samples.push(Sample {
                    application: application.clone(),
                    finding,
                    raw,
                    last: Last::New,
                    gone: false,
                    changed_ms: 1_780_272_000_000,
                    paths: vec![],
                });
            }
        }
    }
    assert!(!samples.is_empty());
    let mut bytes = Vec::new();
    let held = export(Box::new(DefectDojo::new(&mut bytes, &head()).unwrap()), &samples);
    assert!(held.iter().all(|held| *held == Held::Written));
    let memory = Memory::default();
    let held = export(Box::new(Sarif::new(memory.clone(), &head(), Options::default())), &samples);
    for (sample, held) in samples.iter().zip(&held) {
        assert_eq!(*held == Held::Written, sample.finding.state != State::Fixed);
    }
    assert!(memory.json().iter().all(is_clean));
}
