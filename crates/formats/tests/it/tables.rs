//! NDJSON and CSV: as many lines and rows as findings, and nothing that a reader
//! would run.

use countersign_formats::csv::{COLUMNS, Csv};
use countersign_formats::ndjson::Ndjson;
use proptest::prelude::*;
use serde_json::Value;

use crate::{samples, write};

proptest! {
    #[test]
    fn every_finding_is_a_line(samples in samples()) {
        let mut bytes = Vec::new();
        prop_assert_eq!(write(Box::new(Ndjson::new(&mut bytes)), &samples), samples.len());
        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        prop_assert_eq!(lines.len(), samples.len());
        for (line, sample) in lines.iter().zip(&samples) {
            prop_assert_eq!(line["id"].as_str(), Some(sample.finding.id.as_str()));
            prop_assert_eq!(line["title"].as_str(), Some(sample.finding.title.as_str()));
        }
    }

    #[test]
    fn every_finding_is_a_row_without_a_formula(samples in samples()) {
        let mut bytes = Vec::new();
        prop_assert_eq!(write(Box::new(Csv::new(&mut bytes).unwrap()), &samples), samples.len());
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        prop_assert_eq!(reader.headers().unwrap().len(), COLUMNS.len());
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        prop_assert_eq!(rows.len(), samples.len());
        for (row, sample) in rows.iter().zip(&samples) {
            prop_assert_eq!(&row[0], sample.finding.id.as_str());
            for cell in row {
                prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{:?}", cell);
            }
        }
    }
}
