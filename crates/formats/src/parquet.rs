//! Parquet for lakes and notebooks: typed columns, repeated texts as dictionaries, a
//! bounded part of the file in memory.

use std::fmt::Display;
use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use countersign_findings::{Component, Location, SCHEMA, Vulnerability};
use parquet::basic::{Compression, ZstdLevel};
use parquet::column::page::{CompressedPage, PageWriteSpec, PageWriter};
use parquet::column::writer::{ColumnWriter, get_column_writer};
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;

use crate::{Export, Head, Held, Item};

/// Rows, and bytes of their texts, that are put together before the writer encodes them.
const BATCH_ROWS: usize = 1024;
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// A row group is complete with so many rows, or bytes of finished pages: readers take one
/// at a time. A column whose texts are in a dictionary has no finished page, and holds a
/// megabyte of it at most.
const GROUP_ROWS: usize = 128 * 1024;
const GROUP_BYTES: u64 = 32 * 1024 * 1024;

/// A typed row for each finding.
pub struct Parquet<W: Write + Send> {
    out: SerializedFileWriter<W>,
    columns: Vec<(Cell, Values)>,
    /// The column that only changes have, behind the others.
    seq: Option<Values>,
    /// What is encoded of the row group, a chunk for each column; none before its first row.
    group: Vec<Chunk>,
    group_rows: usize,
    batch_rows: usize,
    batch_bytes: usize,
}

impl<W: Write + Send> Parquet<W> {
    /// Writes to `out`, which need not be able to seek.
    pub fn new(out: W, head: &Head) -> io::Result<Self> {
        Self::with(out, head, None)
    }

    /// For changes, which have a column `seq` more: their position in the feed.
    pub fn of_changes(out: W, head: &Head) -> io::Result<Self> {
        Self::with(out, head, Some(&SEQ))
    }

    fn with(out: W, head: &Head, seq: Option<&Column>) -> io::Result<Self> {
        let columns = COLUMNS.iter().chain(head.with_raw.then_some(&RAW));
        let fields: String = columns.clone().chain(seq).map(field).collect();
        let schema = parse_message_type(&format!("message schema {{ {fields} }}"));
        let about = [
            ("countersign.schema", SCHEMA.to_string()),
            ("countersign.filter", head.filter.clone()),
        ];
        let about = about.map(|(name, value)| KeyValue::new(name.to_owned(), value));
        let properties = WriterProperties::builder()
            .set_created_by(format!("countersign {}", head.version))
            .set_key_value_metadata(Some(about.to_vec()))
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            // No two are alike.
            .set_column_dictionary_enabled(ColumnPath::from("id"), false)
            .set_column_dictionary_enabled(ColumnPath::from("raw"), false)
            .build();
        let schema = Arc::new(schema.map_err(failed)?);
        Ok(Self {
            out: SerializedFileWriter::new(out, schema, Arc::new(properties)).map_err(failed)?,
            columns: columns.map(|column| (column.cell, Values::of(column))).collect(),
            seq: seq.map(Values::of),
            group: Vec::new(),
            group_rows: 0,
            batch_rows: 0,
            batch_bytes: 0,
        })
    }

    fn write_batch(&mut self) -> Result<(), ParquetError> {
        if self.group.is_empty() {
            let properties = self.out.properties();
            let columns = self.out.schema_descr().columns().iter();
            self.group = columns
                .map(|column| {
                    let pages = Pages::default();
                    let out = Box::new(pages.clone());
                    Chunk {
                        writer: get_column_writer(column.clone(), properties.clone(), out),
                        pages,
                    }
                })
                .collect();
        }
        let mut bytes = 0;
        let values = self.columns.iter_mut().map(|(_, values)| values).chain(&mut self.seq);
        for (values, chunk) in values.zip(&mut self.group) {
            bytes += values.write(&mut chunk.writer)?;
        }
        self.group_rows += mem::take(&mut self.batch_rows);
        self.batch_bytes = 0;
        if self.group_rows >= GROUP_ROWS || bytes >= GROUP_BYTES {
            self.write_group()?;
        }
        Ok(())
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.out.next_row_group()?;
        for Chunk { writer, pages } in self.group.drain(..) {
            let about = writer.close()?;
            group.append_column(&pages.take()?, about)?;
        }
        self.group_rows = 0;
        group.close().map(drop)
    }
}

impl<W: Write + Send> Parquet<W> {
    /// Writes a finding as a change of it left it.
    ///
    /// # Errors
    ///
    /// Also when this is no file of changes.
    pub fn change(&mut self, item: &Item<'_>, seq: i64) -> io::Result<()> {
        let Some(Values { those: Those::Integers(values), .. }) = &mut self.seq else {
            return Err(io::Error::other("the file has no column for changes"));
        };
        values.push(seq);
        self.row(item)
    }

    fn row(&mut self, item: &Item<'_>) -> io::Result<()> {
        for (cell, values) in &mut self.columns {
            self.batch_bytes += values.put(*cell, item)?;
        }
        self.batch_rows += 1;
        let is_group = self.group_rows + self.batch_rows == GROUP_ROWS;
        if is_group || self.batch_rows == BATCH_ROWS || self.batch_bytes >= BATCH_BYTES {
            self.write_batch().map_err(failed)?;
        }
        Ok(())
    }
}

impl<W: Write + Send> Export for Parquet<W> {
    fn finding(&mut self, item: &Item<'_>) -> io::Result<Held> {
        if self.seq.is_some() {
            return Err(io::Error::other("a file of changes has no other findings"));
        }
        self.row(item)?;
        Ok(Held::Written)
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        if self.batch_rows > 0 {
            self.write_batch().map_err(failed)?;
        }
        if self.group_rows > 0 {
            self.write_group().map_err(failed)?;
        }
        let mut out = self.out.into_inner().map_err(failed)?;
        out.flush()
    }
}

/// Name, type and whether it may hold nothing, in order.
pub fn columns() -> impl Iterator<Item = (&'static str, &'static str, bool)> {
    COLUMNS.iter().chain([&RAW]).map(|column| {
        let kind = match column.cell {
            Cell::Text(_) | Cell::Shown(_) => "text",
            Cell::Integer(_) => "integer, 64 bits",
            Cell::Float(_) => "double",
            Cell::Truth(_) => "boolean",
            Cell::Time(_) => "timestamp, ms, UTC",
            Cell::Texts(_) => "list of texts",
        };
        (column.name, kind, column.nullable)
    })
}

struct Column {
    name: &'static str,
    nullable: bool,
    cell: Cell,
}

/// Accepts the next text of a list.
type Push<'a> = &'a mut dyn FnMut(&str);

/// How a column reads its value from a finding.
#[derive(Clone, Copy)]
enum Cell {
    Text(for<'a> fn(&Item<'a>) -> Option<&'a str>),
    /// A text that has to be put together, at the end of the bytes; whether there is one.
    Shown(fn(&Item<'_>, &mut Vec<u8>) -> io::Result<bool>),
    Integer(fn(&Item<'_>) -> Option<i64>),
    Float(fn(&Item<'_>) -> Option<f64>),
    Truth(fn(&Item<'_>) -> Option<bool>),
    Time(fn(&Item<'_>) -> Option<i64>),
    Texts(fn(&Item<'_>, Push<'_>)),
}

const fn column(name: &'static str, cell: Cell) -> Column {
    Column { name, nullable: true, cell }
}

const fn required(name: &'static str, cell: Cell) -> Column {
    Column { name, nullable: false, cell }
}

const COLUMNS: &[Column] = &[
    required("id", Cell::Text(|item| Some(item.finding.id.as_str()))),
    required("integration", Cell::Text(|item| Some(item.integration))),
    required("application", Cell::Text(|item| Some(item.finding.application.as_str()))),
    required("application_name", Cell::Text(|item| Some(&item.application.name))),
    required("context", Cell::Shown(|item, out| show(&item.finding.context, out))),
    required("key", Cell::Shown(|item, out| show(&item.finding.key, out))),
    required("scan_type", Cell::Text(|item| Some(item.finding.scan_type.as_str()))),
    required("severity", Cell::Integer(|item| Some(item.finding.severity.level().into()))),
    required("severity_name", Cell::Text(|item| Some(item.finding.severity.name()))),
    required("state", Cell::Text(|item| Some(item.finding.state.as_str()))),
    required("gone", Cell::Truth(|item| Some(item.gone))),
    column("status", Cell::Text(|item| item.finding.status.status.as_deref())),
    column("resolution", Cell::Text(|item| item.finding.status.resolution.as_deref())),
    column(
        "resolution_status",
        Cell::Text(|item| item.finding.status.resolution_status.as_deref()),
    ),
    column(
        "mitigation_review_status",
        Cell::Text(|item| item.finding.status.mitigation_review_status.as_deref()),
    ),
    column("new", Cell::Truth(|item| item.finding.status.new)),
    column("violates_policy", Cell::Truth(|item| item.finding.violates_policy)),
    required("title", Cell::Text(|item| Some(&item.finding.title))),
    column("cwe", Cell::Integer(|item| item.finding.cwe.as_ref().map(|cwe| cwe.id))),
    column("cwe_name", Cell::Text(|item| item.finding.cwe.as_ref()?.name.as_deref())),
    column("category", Cell::Text(|item| item.finding.category.as_ref()?.name.as_deref())),
    column("exploitability", Cell::Integer(|item| item.finding.exploitability)),
    column("file", Cell::Text(|item| place(item).file.as_deref())),
    column("line", Cell::Integer(|item| place(item).line)),
    column("module", Cell::Text(|item| place(item).module.as_deref())),
    column("procedure", Cell::Text(|item| place(item).procedure.as_deref())),
    column("attack_vector", Cell::Text(|item| place(item).attack_vector.as_deref())),
    column("url", Cell::Text(|item| place(item).url.as_deref())),
    column("host", Cell::Text(|item| place(item).host.as_deref())),
    column("port", Cell::Text(|item| place(item).port.as_deref())),
    column("path", Cell::Text(|item| place(item).path.as_deref())),
    column("parameter", Cell::Text(|item| place(item).parameter.as_deref())),
    column("plugin", Cell::Text(|item| place(item).plugin.as_deref())),
    column("place", Cell::Text(|item| place(item).place.as_deref())),
    column("component_id", Cell::Text(|item| Some(&component(item)?.id))),
    column("component", Cell::Text(|item| component(item)?.name.as_deref())),
    column("version", Cell::Text(|item| component(item)?.version.as_deref())),
    column("language", Cell::Text(|item| component(item)?.language.as_deref())),
    column("scan_mode", Cell::Text(|item| component(item)?.scan_mode.as_deref())),
    column("dependency_mode", Cell::Text(|item| component(item)?.dependency_mode.as_deref())),
    column(
        "component_paths",
        Cell::Texts(|item, put| {
            component(item).into_iter().flat_map(|one| &one.paths).for_each(|path| put(path));
        }),
    ),
    column(
        "licenses",
        Cell::Texts(|item, put| {
            let licenses = component(item).into_iter().flat_map(|one| &one.licenses);
            licenses.for_each(|license| put(&license.id));
        }),
    ),
    column("cve", Cell::Text(|item| Some(&known(item)?.name))),
    column("cvss", Cell::Float(|item| known(item)?.cvss3)),
    column("cvss_vector", Cell::Text(|item| known(item)?.cvss3_vector.as_deref())),
    column("cvss2", Cell::Float(|item| known(item)?.cvss2)),
    column("cvss2_vector", Cell::Text(|item| known(item)?.cvss2_vector.as_deref())),
    column("cvss_text", Cell::Text(|item| item.finding.cvss.as_deref())),
    column("epss_score", Cell::Float(|item| known(item)?.epss_score)),
    column("epss_percentile", Cell::Float(|item| known(item)?.epss_percentile)),
    column("epss_date", Cell::Text(|item| known(item)?.epss_date.as_deref())),
    column("exploit_observed", Cell::Truth(|item| known(item)?.exploit_observed)),
    column("exploit_source", Cell::Text(|item| known(item)?.exploit_source.as_deref())),
    column("first_found", Cell::Time(|item| item.finding.first_found_ms)),
    column("last_seen", Cell::Time(|item| item.finding.last_seen_ms)),
    column("grace_period_expires", Cell::Time(|item| item.finding.grace_period_expires_ms)),
    column("build_id", Cell::Integer(|item| item.finding.build_id)),
    column("description", Cell::Text(|item| Some(&item.finding.description))),
    column(
        "references",
        Cell::Texts(|item, put| item.finding.references.iter().for_each(|text| put(text))),
    ),
    column("annotations", Cell::Shown(|item, out| json(&item.finding.annotations, out))),
    column("data_paths", Cell::Shown(|item, out| json(item.paths, out))),
    required("added", Cell::Time(|item| Some(item.added_ms))),
    required("changed", Cell::Time(|item| Some(item.changed_ms))),
    required("last_change", Cell::Text(|item| Some(item.last.as_str()))),
    column("business_unit", Cell::Text(|item| item.application.business_unit.as_deref())),
    column(
        "business_criticality",
        Cell::Text(|item| item.application.business_criticality.as_deref()),
    ),
    column(
        "teams",
        Cell::Texts(|item, put| item.application.teams.iter().for_each(|text| put(text))),
    ),
    column(
        "tags",
        Cell::Texts(|item, put| item.application.tags.iter().for_each(|text| put(text))),
    ),
    column("policy", Cell::Text(|item| item.application.policy.as_deref())),
    column("policy_compliance", Cell::Text(|item| item.application.policy_compliance.as_deref())),
    column("policy_checked", Cell::Time(|item| item.application.policy_checked_ms)),
    column("last_scan", Cell::Time(|item| item.application.last_scan_ms)),
];

/// Of a change, whose value is no part of its finding.
const SEQ: Column = required("seq", Cell::Integer(|_| None));

/// The record as sent, when asked for.
const RAW: Column = column("raw", Cell::Text(|item| Some(item.raw)));

fn place<'a>(item: &Item<'a>) -> &'a Location {
    &item.finding.location
}

fn component<'a>(item: &Item<'a>) -> Option<&'a Component> {
    item.finding.component.as_ref()
}

fn known<'a>(item: &Item<'a>) -> Option<&'a Vulnerability> {
    item.finding.vulnerability.as_ref()
}

fn show(value: &dyn Display, out: &mut Vec<u8>) -> io::Result<bool> {
    write!(out, "{value}")?;
    Ok(true)
}

/// What has a structure of its own, as JSON; nothing when there is none.
fn json<T: serde::Serialize>(values: &[T], out: &mut Vec<u8>) -> io::Result<bool> {
    if !values.is_empty() {
        serde_json::to_writer(out, values)?;
    }
    Ok(!values.is_empty())
}

/// The column in the language of Parquet's schemas. Readers name the elements of a list
/// after its field, which has been `item` since the first version.
fn field(column: &Column) -> String {
    let name = column.name;
    let kind = match column.cell {
        Cell::Text(_) | Cell::Shown(_) => format!("BYTE_ARRAY {name} (STRING);"),
        Cell::Integer(_) => format!("INT64 {name};"),
        Cell::Float(_) => format!("DOUBLE {name};"),
        Cell::Truth(_) => format!("BOOLEAN {name};"),
        Cell::Time(_) => format!("INT64 {name} (TIMESTAMP(MILLIS,true));"),
        Cell::Texts(_) => format!(
            "GROUP {name} (LIST) {{ REPEATED GROUP list {{ OPTIONAL BYTE_ARRAY item (STRING); }} }}"
        ),
    };
    format!("{} {kind}", if column.nullable { "OPTIONAL" } else { "REQUIRED" })
}

/// A column of the row group. The file has one whole column after the other, the findings
/// come with all of them: so each is encoded to pages of its own, which are compressed.
struct Chunk {
    writer: ColumnWriter<'static>,
    pages: Pages,
}

#[derive(Clone)]
struct Pages(Arc<Mutex<TrackedWrite<Vec<u8>>>>);

impl Default for Pages {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(TrackedWrite::new(Vec::new()))))
    }
}

impl Pages {
    fn held(&self) -> MutexGuard<'_, TrackedWrite<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Result<Bytes, ParquetError> {
        let pages = mem::replace(&mut *self.held(), TrackedWrite::new(Vec::new()));
        Ok(Bytes::from(pages.into_inner()?))
    }
}

impl PageWriter for Pages {
    fn write_page(&mut self, page: CompressedPage) -> Result<PageWriteSpec, ParquetError> {
        SerializedPageWriter::new(&mut *self.held()).write_page(page)
    }

    fn close(&mut self) -> Result<(), ParquetError> {
        SerializedPageWriter::new(&mut *self.held()).close()
    }
}

/// What a batch holds of a column.
struct Values {
    those: Those,
    nullable: bool,
    /// For each row that may hold nothing, how much of its path is there; for each element
    /// of a list, whether it is the row's first (0) or a further one (1).
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
    /// Where a text is put together.
    shown: Vec<u8>,
}

enum Those {
    Texts(Vec<ByteArray>),
    Integers(Vec<i64>),
    Floats(Vec<f64>),
    Truths(Vec<bool>),
}

/// A list without elements, and an element of one.
const EMPTY: i16 = 1;
const ELEMENT: i16 = 3;

impl Values {
    fn of(column: &Column) -> Self {
        let those = match column.cell {
            Cell::Text(_) | Cell::Shown(_) | Cell::Texts(_) => Those::Texts(Vec::new()),
            Cell::Integer(_) | Cell::Time(_) => Those::Integers(Vec::new()),
            Cell::Float(_) => Those::Floats(Vec::new()),
            Cell::Truth(_) => Those::Truths(Vec::new()),
        };
        let nullable = column.nullable;
        let (definitions, repetitions, shown) = Default::default();
        Self { those, nullable, definitions, repetitions, shown }
    }

    /// The bytes of what was put.
    fn put(&mut self, cell: Cell, item: &Item<'_>) -> io::Result<usize> {
        let (is_there, bytes) = match (&mut self.those, cell) {
            (Those::Texts(texts), Cell::Text(read)) => {
                let text = read(item);
                if let Some(text) = text {
                    texts.push(shared(texts, text.as_bytes()));
                }
                (text.is_some(), text.map_or(0, str::len))
            }
            (Those::Texts(texts), Cell::Shown(read)) => {
                self.shown.clear();
                let is_there = read(item, &mut self.shown)?;
                if is_there {
                    texts.push(shared(texts, &self.shown));
                }
                (is_there, self.shown.len())
            }
            (Those::Integers(values), Cell::Integer(read) | Cell::Time(read)) => {
                (add(values, read(item)), 0)
            }
            (Those::Floats(values), Cell::Float(read)) => (add(values, read(item)), 0),
            (Those::Truths(values), Cell::Truth(read)) => (add(values, read(item)), 0),
            (Those::Texts(texts), Cell::Texts(read)) => {
                let (begin, mut bytes) = (self.definitions.len(), 0);
                read(item, &mut |text| {
                    texts.push(shared(texts, text.as_bytes()));
                    self.repetitions.push(i16::from(self.definitions.len() > begin));
                    self.definitions.push(ELEMENT);
                    bytes += text.len();
                });
                if self.definitions.len() == begin {
                    self.definitions.push(EMPTY);
                    self.repetitions.push(0);
                }
                return Ok(bytes);
            }
            // `of` has made each for its cell.
            _ => return Err(io::Error::other("a column has the values of another type")),
        };
        if self.nullable {
            self.definitions.push(is_there.into());
        }
        Ok(bytes)
    }

    /// Empties the batch into `out`; the bytes of its finished pages.
    fn write(&mut self, out: &mut ColumnWriter<'_>) -> Result<u64, ParquetError> {
        fn levels(levels: &[i16]) -> Option<&[i16]> {
            (!levels.is_empty()).then_some(levels)
        }
        let (definitions, repetitions) = (levels(&self.definitions), levels(&self.repetitions));
        macro_rules! write_to {
            ($out:expr, $values:expr) => {{
                $out.write_batch($values, definitions, repetitions)?;
                $values.clear();
                $out.get_total_bytes_written()
            }};
        }
        let bytes = match (&mut self.those, out) {
            (Those::Texts(values), ColumnWriter::ByteArrayColumnWriter(out)) => {
                write_to!(out, values)
            }
            (Those::Integers(values), ColumnWriter::Int64ColumnWriter(out)) => {
                write_to!(out, values)
            }
            (Those::Floats(values), ColumnWriter::DoubleColumnWriter(out)) => {
                write_to!(out, values)
            }
            (Those::Truths(values), ColumnWriter::BoolColumnWriter(out)) => write_to!(out, values),
            _ => return Err(ParquetError::General("a column has another type".to_owned())),
        };
        self.definitions.clear();
        self.repetitions.clear();
        Ok(bytes)
    }
}

fn add<T: Copy>(values: &mut Vec<T>, value: Option<T>) -> bool {
    values.extend(value);
    value.is_some()
}

/// Most texts are those of one of the findings just before: they need no memory of their
/// own. Looking further back costs more than it saves.
fn shared(before: &[ByteArray], text: &[u8]) -> ByteArray {
    let mut near = before.iter().rev().take(4);
    let same = near.find(|one| one.data() == text);
    same.cloned().unwrap_or_else(|| ByteArray::from(text.to_vec()))
}

/// A closed pipe stays one.
fn failed(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}
