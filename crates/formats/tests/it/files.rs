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

use crate::ocsf_api::{known, listed, of_application, of_finding, of_scan, scans_of, spread};
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
    std::fs::write(folder.join("connector-api.ndjson"), connector_api(&made, &mut runner)).unwrap();
}

/// For the models of `conformance/connector-api`: each event with its kind, a line each.
fn connector_api(made: &[Sample], runner: &mut TestRunner) -> String {
    let mut lines = Vec::new();
    let mut add = |kind: &str, event: &str| {
        lines.push(format!("{{\"kind\":\"{kind}\",\"event\":{event}}}\n"));
    };
    for (at, sample) in made.iter().enumerate() {
        add("finding", &of_finding(sample, at % 2 == 0));
    }
    for (at, findings) in made.chunks(8).take(100).enumerate() {
        let raw = listed().new_tree(runner).unwrap().current().to_string();
        let application = Application::decode(&raw).unwrap();
        let mut entry = known(&application, &raw);
        entry.incomplete = (at % 5 == 0).then_some("page 2 is missing");
        entry.listed.gone = at % 7 == 0;
        add("application", &of_application(&entry, at % 2 == 0));
        let builds: Vec<_> = (0..8).map(|n| (n % 4 > 0).then_some(n / 2 + 1)).collect();
        for one in scans_of(&entry, &spread(findings, &builds), at % 5 > 0) {
            add("scan", &of_scan(&one, at % 2 == 0));
        }
    }
    lines.concat()
}
