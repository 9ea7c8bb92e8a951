//! Parquet for lakes and notebooks: typed columns, repeated texts as dictionaries, a
//! bounded part of the file in memory.

use std::io::{self, Write};
use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Float64Builder, Int64Builder, ListBuilder, StringBuilder,
    TimestampMillisecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use countersign_findings::{Component, Location, SCHEMA, Vulnerability};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use crate::{Export, Head, Held, Item};

/// Rows that are put together before the writer encodes them.
const BATCH_ROWS: usize = 1024;
/// A row group is complete with so many rows or bytes: readers take one at a time.
const GROUP_ROWS: usize = 128 * 1024;
const GROUP_BYTES: usize = 32 * 1024 * 1024;

/// A typed row for each finding.
pub struct Parquet<W: Write + Send> {
    out: ArrowWriter<W>,
    schema: SchemaRef,
    columns: Vec<(Cell, Builder)>,
    rows: usize,
}

impl<W: Write + Send> Parquet<W> {
    /// Writes to `out`, which need not be able to seek.
    pub fn new(out: W, head: &Head) -> io::Result<Self> {
        let columns = COLUMNS.iter().chain(head.with_raw.then_some(&RAW));
        let schema: SchemaRef =
            Arc::new(Schema::new(columns.clone().map(field).collect::<Vec<_>>()));
        let about = [
            ("countersign.schema", SCHEMA.to_string()),
            ("countersign.filter", head.filter.clone()),
        ];
        let about = about.map(|(name, value)| KeyValue::new(name.to_owned(), value));
        let properties = WriterProperties::builder()
            .set_created_by(format!("countersign {}", head.version))
            .set_key_value_metadata(Some(about.to_vec()))
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_max_row_group_bytes(Some(GROUP_BYTES))
            // No two are alike.
            .set_column_dictionary_enabled(ColumnPath::from("id"), false)
            .set_column_dictionary_enabled(ColumnPath::from("raw"), false)
            .build();
        let writer = ArrowWriter::try_new(out, schema.clone(), Some(properties));
        Ok(Self {
            out: writer.map_err(failed)?,
            schema,
            columns: columns.map(|column| (column.cell, Builder::of(column.cell))).collect(),
            rows: 0,
        })
    }

    fn write_batch(&mut self) -> io::Result<()> {
        let arrays = self.columns.iter_mut().map(|(_, builder)| builder.finish()).collect();
        let batch = RecordBatch::try_new(self.schema.clone(), arrays).map_err(io::Error::other)?;
        self.rows = 0;
        self.out.write(&batch).map_err(failed)
    }
}

impl<W: Write + Send> Export for Parquet<W> {
    fn finding(&mut self, item: &Item<'_>) -> io::Result<Held> {
        for (cell, builder) in &mut self.columns {
            builder.put(*cell, item)?;
        }
        self.rows += 1;
        if self.rows == BATCH_ROWS {
            self.write_batch()?;
        }
        Ok(Held::Written)
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        if self.rows > 0 {
            self.write_batch()?;
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

/// How a column reads its value from a finding.
#[derive(Clone, Copy)]
enum Cell {
    Text(for<'a> fn(&Item<'a>) -> Option<&'a str>),
    /// A text that has to be put together.
    Shown(fn(&Item<'_>) -> io::Result<Option<String>>),
    Integer(fn(&Item<'_>) -> Option<i64>),
    Float(fn(&Item<'_>) -> Option<f64>),
    Truth(fn(&Item<'_>) -> Option<bool>),
    Time(fn(&Item<'_>) -> Option<i64>),
    Texts(for<'a> fn(&Item<'a>) -> Vec<&'a str>),
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
    required("context", Cell::Shown(|item| Ok(Some(item.finding.context.to_string())))),
    required("key", Cell::Shown(|item| Ok(Some(item.finding.key.to_string())))),
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
        Cell::Texts(|item| {
            component(item).into_iter().flat_map(|one| &one.paths).map(String::as_str).collect()
        }),
    ),
    column(
        "licenses",
        Cell::Texts(|item| {
            let licenses = component(item).into_iter().flat_map(|one| &one.licenses);
            licenses.map(|license| license.id.as_str()).collect()
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
        Cell::Texts(|item| item.finding.references.iter().map(String::as_str).collect()),
    ),
    column("annotations", Cell::Shown(|item| json(&item.finding.annotations))),
    column("data_paths", Cell::Shown(|item| json(item.paths))),
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
        Cell::Texts(|item| item.application.teams.iter().map(String::as_str).collect()),
    ),
    column("tags", Cell::Texts(|item| item.application.tags.iter().map(String::as_str).collect())),
    column("policy", Cell::Text(|item| item.application.policy.as_deref())),
    column("policy_compliance", Cell::Text(|item| item.application.policy_compliance.as_deref())),
    column("policy_checked", Cell::Time(|item| item.application.policy_checked_ms)),
    column("last_scan", Cell::Time(|item| item.application.last_scan_ms)),
];

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

/// What has a structure of its own, as JSON; nothing when there is none.
fn json<T: serde::Serialize>(values: &[T]) -> io::Result<Option<String>> {
    let text = (!values.is_empty()).then(|| serde_json::to_string(values));
    Ok(text.transpose()?)
}

fn field(column: &Column) -> Field {
    let kind = match column.cell {
        Cell::Text(_) | Cell::Shown(_) => DataType::Utf8,
        Cell::Integer(_) => DataType::Int64,
        Cell::Float(_) => DataType::Float64,
        Cell::Truth(_) => DataType::Boolean,
        Cell::Time(_) => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        Cell::Texts(_) => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
    };
    Field::new(column.name, kind, column.nullable)
}

enum Builder {
    Text(StringBuilder),
    Integer(Int64Builder),
    Float(Float64Builder),
    Truth(BooleanBuilder),
    Time(TimestampMillisecondBuilder),
    Texts(ListBuilder<StringBuilder>),
}

impl Builder {
    fn of(cell: Cell) -> Self {
        match cell {
            Cell::Text(_) | Cell::Shown(_) => Self::Text(StringBuilder::new()),
            Cell::Integer(_) => Self::Integer(Int64Builder::new()),
            Cell::Float(_) => Self::Float(Float64Builder::new()),
            Cell::Truth(_) => Self::Truth(BooleanBuilder::new()),
            Cell::Time(_) => Self::Time(TimestampMillisecondBuilder::new().with_timezone("UTC")),
            Cell::Texts(_) => Self::Texts(ListBuilder::new(StringBuilder::new())),
        }
    }

    fn put(&mut self, cell: Cell, item: &Item<'_>) -> io::Result<()> {
        match (self, cell) {
            (Self::Text(builder), Cell::Text(read)) => builder.append_option(read(item)),
            (Self::Text(builder), Cell::Shown(read)) => builder.append_option(read(item)?),
            (Self::Integer(builder), Cell::Integer(read)) => builder.append_option(read(item)),
            (Self::Float(builder), Cell::Float(read)) => builder.append_option(read(item)),
            (Self::Truth(builder), Cell::Truth(read)) => builder.append_option(read(item)),
            (Self::Time(builder), Cell::Time(read)) => builder.append_option(read(item)),
            (Self::Texts(builder), Cell::Texts(read)) => {
                for text in read(item) {
                    builder.values().append_value(text);
                }
                builder.append(true);
            }
            // `of` has made each for its cell.
            _ => return Err(io::Error::other("a column has the builder of another type")),
        }
        Ok(())
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Integer(builder) => Arc::new(builder.finish()),
            Self::Float(builder) => Arc::new(builder.finish()),
            Self::Truth(builder) => Arc::new(builder.finish()),
            Self::Time(builder) => Arc::new(builder.finish()),
            Self::Texts(builder) => Arc::new(builder.finish()),
        }
    }
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
