//! Files of made-up findings for the readers of `conformance/exports`: as an export
//! would write them, into the folder that `COUNTERSIGN_MADE_UP` names.

use std::fs::File;
use std::path::Path;

use countersign_findings::Application;
use countersign_formats::Export;
use countersign_formats::csv::{Csv, Style};
use countersign_formats::ndjson::Ndjson;
use countersign_formats::ocsf::applications::{Applications, Entry};
use countersign_formats::ocsf::{Ocsf, Shape};
use countersign_testkit::made_up;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::{Sample, head, numbered_samples, write};

/// How many findings; the numbers go on, so that no two are one.
const FINDINGS: i64 = 2_000;

#[test]
fn made_up_files() {
    let Ok(folder) = std::env::var("COUNTERSIGN_MADE_UP") else { return };
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder).unwrap();
    let mut runner = TestRunner::deterministic();
    let mut made = Vec::new();
    for first in (1..=FINDINGS).step_by(8) {
        made.extend(numbered_samples(first).new_tree(&mut runner).unwrap().current());
    }
    // A store has one name for an application.
    let application = made[0].application.clone();
    made.iter_mut().for_each(|sample: &mut Sample| sample.application = application.clone());

    let export = |name: &str, make: &dyn Fn(File) -> Box<dyn Export>| {
        write(make(File::create(folder.join(name)).unwrap()), &made);
    };
    let (plain, with_raw) = (&head(false), &head(true));
    export("findings.ndjson", &|out| Box::new(Ndjson::new(out)));
    export("ndjson.ndjson", &|out| Box::new(Ndjson::new(out)));
    export("csv.csv", &|out| Box::new(Csv::new(out, Style::default()).unwrap()));
    let style = Style { has_mark: true, ..Style::default() };
    export("spreadsheet.csv", &|out| Box::new(Csv::new(out, style).unwrap()));
    export("ocsf.ndjson", &|out| Box::new(Ocsf::new(out, plain, Shape::Posture)));
    export("ocsf-raw.ndjson", &|out| Box::new(Ocsf::new(out, with_raw, Shape::Posture)));
    export("ocsf-2002.ndjson", &|out| Box::new(Ocsf::new(out, plain, Shape::Vulnerability)));
    export("ocsf-2002-1.3.ndjson", &|out| Box::new(Ocsf::new(out, plain, Shape::Vulnerability13)));
    #[cfg(feature = "parquet")]
    {
        use countersign_formats::parquet::Parquet;
        export("parquet.parquet", &|out| Box::new(Parquet::new(out, plain).unwrap()));
        export("parquet-raw.parquet", &|out| Box::new(Parquet::new(out, with_raw).unwrap()));
    }

    crate::readers::write_files(folder, &made);

    let mut out = Applications::new(File::create(folder.join("ocsf-applications.ndjson")).unwrap());
    for number in 0..100 {
        let mut record = made_up::application().new_tree(&mut runner).unwrap().current();
        record["guid"] = format!("7c1b0a52-0000-4000-8000-{number:012}").into();
        let application = Application::decode(&record.to_string()).unwrap();
        let entry = Entry {
            application: &application,
            integration: "test",
            gone: number % 7 == 0,
            read_ms: (number % 3 > 0).then_some(1_780_272_000_000),
            open: [0, 1, 2, 3, 4, 5],
            findings: 20,
        };
        out.application(&entry).unwrap();
    }
    out.end().unwrap();
}
