//! Parquet, read back by its own reader; `conformance/exports` has another.

use std::collections::HashMap;

use bytes::Bytes;
use countersign_formats::Export;
use countersign_formats::parquet::{Parquet, columns};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use proptest::prelude::*;
use serde_json::json;

use crate::{Sample, head, samples, write};

fn file(samples: &[Sample], with_raw: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let export = Parquet::new(&mut bytes, &head(with_raw)).unwrap();
    assert_eq!(write(Box::new(export), samples), samples.len());
    bytes
}

fn reader(bytes: Vec<u8>) -> SerializedFileReader<Bytes> {
    SerializedFileReader::new(Bytes::from(bytes)).unwrap()
}

fn rows(bytes: Vec<u8>) -> Vec<HashMap<String, Field>> {
    let reader = reader(bytes);
    let rows = reader.get_row_iter(None).unwrap();
    rows.map(|row| row.unwrap().into_columns().into_iter().collect()).collect()
}

fn names(bytes: Vec<u8>) -> Vec<String> {
    let reader = reader(bytes);
    let fields = reader.metadata().file_metadata().schema().get_fields();
    fields.iter().map(|field| field.name().to_owned()).collect()
}

fn text(value: Option<&str>) -> Field {
    value.map_or(Field::Null, |value| Field::Str(value.to_owned()))
}

fn time(value: Option<i64>) -> Field {
    value.map_or(Field::Null, Field::TimestampMillis)
}

fn texts(field: &Field) -> Vec<Field> {
    let Field::ListInternal(list) = field else { panic!("{field} is no list") };
    list.elements().to_vec()
}

proptest! {
    #[test]
    fn every_finding_is_a_typed_row(samples in samples(), with_raw in any::<bool>()) {
        let bytes = file(&samples, with_raw);
        let mut expected: Vec<_> = columns().map(|(name, ..)| name).collect();
        if !with_raw {
            expected.pop();
        }
        prop_assert_eq!(names(bytes.clone()), expected);
        let rows = rows(bytes.clone());
        prop_assert_eq!(rows.len(), samples.len());
        for (row, sample) in rows.iter().zip(&samples) {
            let finding = &sample.finding;
            prop_assert_eq!(&row["id"], &text(Some(finding.id.as_str())));
            prop_assert_eq!(&row["title"], &text(Some(finding.title.as_str())));
            prop_assert_eq!(&row["file"], &text(finding.location.file.as_deref()));
            prop_assert_eq!(&row["severity"], &Field::Long(finding.severity.level().into()));
            prop_assert_eq!(&row["gone"], &Field::Bool(sample.gone));
            prop_assert_eq!(&row["first_found"], &time(finding.first_found_ms));
            prop_assert_eq!(&row["changed"], &time(Some(sample.changed_ms)));
            let cvss3 = finding.vulnerability.as_ref().and_then(|known| known.cvss3);
            prop_assert_eq!(&row["cvss"], &cvss3.map_or(Field::Null, Field::Double));
            let paths = finding.component.iter().flat_map(|component| &component.paths);
            let paths: Vec<_> = paths.map(|path| text(Some(path))).collect();
            prop_assert_eq!(texts(&row["component_paths"]), paths);
            let teams = sample.application.teams.iter();
            let teams: Vec<_> = teams.map(|team| text(Some(team))).collect();
            prop_assert_eq!(texts(&row["teams"]), teams);
            if with_raw {
                prop_assert_eq!(&row["raw"], &text(Some(&sample.raw)));
            }
        }
        prop_assert_eq!(bytes, file(&samples, with_raw));
    }
}

#[test]
fn no_finding_is_a_file_with_columns() {
    let bytes = file(&[], false);
    assert_eq!(rows(bytes.clone()).len(), 0);
    assert_eq!(names(bytes).len(), columns().count() - 1);
}

fn plain(number: i64, raw: String) -> Sample {
    let application = json!({"guid": "7c1b0a52-0000-4000-8000-000000000001", "profile": {}});
    let finding = json!({"issue_id": number, "scan_type": "STATIC", "description": "",
        "finding_status": {}, "finding_details": {"severity": 3}});
    Sample { raw, ..Sample::of(&application, &finding) }
}

/// Records that no compression makes smaller, as many megabytes as a row group and a half.
#[test]
fn a_row_group_ends_with_its_bytes() {
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b' ' + (state >> 33) as u8 % 64)
    };
    let mut sample = |number| plain(number, (0..2 * 1024 * 1024).map(|_| noise()).collect());
    let samples: Vec<_> = (0..32).map(&mut sample).collect();
    let bytes = file(&samples, true);
    let groups = reader(bytes.clone());
    let groups: Vec<_> = groups.metadata().row_groups().iter().collect();
    assert_eq!(groups.len(), 2, "{groups:?}");
    assert!(groups[0].compressed_size() < 40 * 1024 * 1024, "{groups:?}");
    let raw: Vec<_> = samples.iter().map(|sample| text(Some(&sample.raw))).collect();
    let read: Vec<_> = rows(bytes).into_iter().map(|mut row| row.remove("raw").unwrap()).collect();
    assert!(read == raw, "every record, in order");
}

/// Also when a long record ends a batch before its time.
#[test]
fn a_row_group_ends_with_its_rows() {
    let (long, short) = (plain(1, "x".repeat(5 * 1024 * 1024)), plain(2, "x".to_owned()));
    let mut bytes = Vec::new();
    let mut export = Parquet::new(&mut bytes, &head(true)).unwrap();
    export.finding(&long.item()).unwrap();
    for _ in 0..131_072 {
        export.finding(&short.item()).unwrap();
    }
    Box::new(export).end().unwrap();
    let reader = reader(bytes);
    let groups = reader.metadata().row_groups().iter();
    assert_eq!(groups.map(|group| group.num_rows()).collect::<Vec<_>>(), [131_072, 1]);
}
