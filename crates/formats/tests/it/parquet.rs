//! Parquet, read back by its own reader; `conformance/exports` has another.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMillisecondType};
use arrow_array::{Array, RecordBatch};
use countersign_formats::parquet::{Parquet, columns};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;

use crate::{Sample, head, samples, write};

fn file(samples: &[Sample], with_raw: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let export = Parquet::new(&mut bytes, &head(with_raw)).unwrap();
    assert_eq!(write(Box::new(export), samples), samples.len());
    bytes
}

fn rows(bytes: Vec<u8>) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap();
    let schema = builder.schema().clone();
    let mut batches = builder.build().unwrap().map(Result::unwrap);
    let first = batches.next().unwrap_or_else(|| RecordBatch::new_empty(schema));
    assert!(batches.next().is_none(), "so few rows are one batch");
    first
}

proptest! {
    #[test]
    fn every_finding_is_a_typed_row(samples in samples(), with_raw in any::<bool>()) {
        let rows = rows(file(&samples, with_raw));
        prop_assert_eq!(rows.num_rows(), samples.len());
        let schema = rows.schema();
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let mut expected: Vec<_> = columns().map(|(name, ..)| name).collect();
        if !with_raw {
            expected.pop();
        }
        prop_assert_eq!(names, expected);
        let text = |name: &str, at: usize| {
            let column = rows.column_by_name(name).unwrap().as_string::<i32>();
            column.is_valid(at).then(|| column.value(at).to_owned())
        };
        for (at, sample) in samples.iter().enumerate() {
            let finding = &sample.finding;
            prop_assert_eq!(text("id", at).unwrap(), finding.id.as_str());
            prop_assert_eq!(text("title", at).unwrap(), finding.title.as_str());
            prop_assert_eq!(text("file", at), finding.location.file.clone());
            let severity = rows.column_by_name("severity").unwrap().as_primitive::<Int64Type>();
            prop_assert_eq!(severity.value(at), i64::from(finding.severity.level()));
            let found = rows.column_by_name("first_found").unwrap();
            let found = found.as_primitive::<TimestampMillisecondType>();
            prop_assert_eq!(found.is_valid(at).then(|| found.value(at)), finding.first_found_ms);
            let score = rows.column_by_name("cvss").unwrap().as_primitive::<Float64Type>();
            let cvss3 = finding.vulnerability.as_ref().and_then(|known| known.cvss3);
            prop_assert_eq!(score.is_valid(at).then(|| score.value(at)), cvss3);
            let paths = rows.column_by_name("component_paths").unwrap().as_list::<i32>().value(at);
            let count = finding.component.as_ref().map_or(0, |component| component.paths.len());
            prop_assert_eq!(paths.len(), count);
            if with_raw {
                prop_assert_eq!(text("raw", at).unwrap(), sample.raw.as_str());
            }
        }
        prop_assert_eq!(file(&samples, with_raw), file(&samples, with_raw));
    }
}

#[test]
fn no_finding_is_a_file_with_columns() {
    let rows = rows(file(&[], false));
    assert_eq!((rows.num_rows(), rows.num_columns()), (0, columns().count() - 1));
}
