//! Made-up findings in the situations that only a store knows of: no longer reported,
//! changed, discussed, with the ways that data takes; and the parts that a renderer
//! opens, kept in memory.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use countersign_findings::{Annotation, DataPath, Step};
use countersign_formats::{Export, Head, Held, Item, Last, Parts};
use proptest::prelude::*;
use proptest::{collection, option, sample};

use crate::{Sample, samples};

/// A finding with everything around it.
#[derive(Debug, Clone)]
pub(crate) struct Situation {
    pub(crate) sample: Sample,
    pub(crate) gone: bool,
    pub(crate) last: Last,
    pub(crate) paths: Vec<DataPath>,
}

impl Situation {
    pub(crate) fn item(&self) -> Item<'_> {
        Item { gone: self.gone, last: self.last, paths: &self.paths, ..self.sample.item() }
    }

    pub(crate) fn id(&self) -> &str {
        self.sample.finding.id.as_str()
    }
}

/// What surrounds a finding: whether it is gone, its last change, the ways of data, what
/// people wrote, and whether its component is one that others have too.
pub(crate) type Around = (bool, Last, Vec<DataPath>, Vec<Annotation>, bool);

pub(crate) fn around() -> impl Strategy<Value = Around> {
    let last = sample::select(&[Last::New, Last::Changed, Last::Reopened, Last::Closed][..]);
    (prop::bool::weighted(0.2), last, paths(), annotations(), any::<bool>())
}

pub(crate) fn together(mut sample: Sample, around: Around) -> Situation {
    let (gone, last, paths, annotations, is_shared) = around;
    sample.finding.annotations = annotations;
    if let Some(component) = sample.finding.component.as_mut().filter(|_| is_shared) {
        component.id = "shared".to_owned();
    }
    Situation { sample, gone, last, paths }
}

/// Several, some of them about one component.
pub(crate) fn situations() -> impl Strategy<Value = Vec<Situation>> {
    (samples(), collection::vec(around(), 8)).prop_map(|(samples, around)| {
        samples.into_iter().zip(around).map(|(sample, around)| together(sample, around)).collect()
    })
}

fn hostile() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z/]{0,12}", "\\PC{0,20}", Just("C:\\a b\\c.cs\u{0}".to_owned())]
}

fn paths() -> impl Strategy<Value = Vec<DataPath>> {
    let step = (option::of(hostile()), option::of(hostile()), option::of(-1..500_i64))
        .prop_map(|(function, file, line)| Step { function, file, line });
    let path = (option::of(hostile()), collection::vec(step, 0..4))
        .prop_map(|(module, steps)| DataPath { module, steps, ..DataPath::default() });
    collection::vec(path, 0..3)
}

fn annotations() -> impl Strategy<Value = Vec<Annotation>> {
    let actions = &["COMMENT", "FP", "APPDESIGN", "NETENV", "OSENV", "ACCEPTRISK", "REJECTED"][..];
    let step = (sample::select(actions), option::of(hostile()), option::of(hostile())).prop_map(
        |(action, comment, user)| Annotation {
            action: Some(action.to_owned()),
            comment,
            user,
            ..Annotation::default()
        },
    );
    collection::vec(step, 0..3)
}

/// What the export is told.
pub(crate) fn head() -> Head {
    Head {
        version: "1.2.3".to_owned(),
        made_ms: 1_780_272_000_000,
        filter: "severity:4 <\u{202e}>".to_owned(),
        total: 8,
        with_raw: false,
    }
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
    pub(crate) fn json(&self) -> Vec<serde_json::Value> {
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
pub(crate) fn export(mut export: Box<dyn Export + '_>, situations: &[Situation]) -> Vec<Held> {
    let held = situations.iter().map(|it| export.finding(&it.item()).unwrap()).collect();
    export.end().unwrap();
    held
}

/// The ids of those that were held.
pub(crate) fn held_ids<'a>(situations: &'a [Situation], held: &[Held]) -> Vec<&'a str> {
    let together = situations.iter().zip(held);
    together.filter(|(_, held)| **held == Held::Written).map(|(it, _)| it.id()).collect()
}

/// Every text in a document that says it is JSON; none holds what databases refuse.
pub(crate) fn texts(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => found.push(text.clone()),
        serde_json::Value::Array(all) => all.iter().for_each(|value| texts(value, found)),
        serde_json::Value::Object(all) => all.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}

/// No control characters but ends of lines and tabs, and no member without a value.
pub(crate) fn is_clean(value: &serde_json::Value) -> bool {
    let mut found = Vec::new();
    texts(value, &mut found);
    found.iter().all(|text| !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'))
        && !value.to_string().contains(":null")
}
