//! `export`: streams what is stored.

use std::io::{BufWriter, Write};

use countersign_store::FindingRow;

use super::context::Context;
use super::query::{as_json, filter, for_each};
use crate::args::{Export, Format};
use crate::failure::Failure;
use crate::output::{grouped, note, tolerate_closed_pipe};

/// Columns of the CSV format, in order. Stable: new ones are added at the end.
const COLUMNS: [&str; 21] = [
    "id",
    "integration",
    "application",
    "application_name",
    "context",
    "scan_type",
    "severity",
    "severity_name",
    "state",
    "violates_policy",
    "cwe",
    "title",
    "file",
    "line",
    "module",
    "url",
    "component",
    "version",
    "cve",
    "first_found",
    "last_seen",
];

pub(crate) async fn run(context: &Context, args: Export) -> Result<(), Failure> {
    let filter = filter(&args.filter)?;
    let Some(path) = &args.output else {
        let out = BufWriter::new(std::io::stdout());
        let mut sink = Sink::new(args.format, Box::new(out))?;
        for_each(context, filter, 0, |row| sink.write(&row)).await?;
        return sink.end();
    };
    let beside = path.with_extension("partial");
    let failed = |error: std::io::Error| {
        Failure::usage(format!("failed to write `{}`: {error}", path.display()))
    };
    let file = std::fs::File::create(&beside).map_err(failed)?;
    let mut sink = Sink::new(args.format, Box::new(BufWriter::new(file)))?;
    let count = for_each(context, filter, 0, |row| sink.write(&row)).await?;
    sink.end()?;
    std::fs::rename(&beside, path).map_err(failed)?;
    note(&format!("{} findings in `{}`", grouped(count), path.display()));
    Ok(())
}

enum Sink {
    Ndjson(Box<dyn Write>),
    Csv(Box<csv::Writer<Box<dyn Write>>>),
}

impl Sink {
    fn new(format: Format, out: Box<dyn Write>) -> Result<Self, Failure> {
        Ok(match format {
            Format::Ndjson => Self::Ndjson(out),
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(out);
                writer.write_record(COLUMNS).map_err(Failure::unexpected)?;
                Self::Csv(Box::new(writer))
            }
        })
    }

    fn write(&mut self, row: &FindingRow) -> Result<(), Failure> {
        match self {
            Self::Ndjson(out) => {
                let mut line = as_json(row)?.to_string();
                line.push('\n');
                tolerate_closed_pipe(out.write_all(line.as_bytes()))
            }
            Self::Csv(writer) => {
                let record = csv_record(row);
                match writer.write_record(record.iter().map(|cell| inert(cell))) {
                    Ok(()) => Ok(()),
                    Err(error) => match error.into_kind() {
                        csv::ErrorKind::Io(error) => tolerate_closed_pipe(Err(error)),
                        other => Err(Failure::unexpected(format!("{other:?}"))),
                    },
                }
            }
        }
    }

    fn end(self) -> Result<(), Failure> {
        tolerate_closed_pipe(match self {
            Self::Ndjson(mut out) => out.flush(),
            Self::Csv(mut writer) => writer.flush(),
        })
    }
}

fn csv_record(row: &FindingRow) -> [String; 21] {
    let finding = &row.finding;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let time = |ms: Option<i64>| ms.map(countersign_findings::rfc3339).unwrap_or_default();
    let component = finding.component.clone().unwrap_or_default();
    [
        finding.id.to_string(),
        row.integration.clone(),
        finding.application.to_string(),
        row.application_name.clone(),
        finding.context.to_string(),
        finding.scan_type.as_str().to_owned(),
        finding.severity.level().to_string(),
        finding.severity.name().to_owned(),
        finding.state.as_str().to_owned(),
        finding.violates_policy.map(|is| is.to_string()).unwrap_or_default(),
        finding.cwe.as_ref().map(|cwe| cwe.id.to_string()).unwrap_or_default(),
        finding.title.clone(),
        text(&finding.location.file),
        finding.location.line.map(|line| line.to_string()).unwrap_or_default(),
        text(&finding.location.module),
        text(&finding.location.url),
        text(&component.name),
        text(&component.version),
        finding.vulnerability.as_ref().map(|v| v.name.clone()).unwrap_or_default(),
        time(finding.first_found_ms),
        time(finding.last_seen_ms),
    ]
}

/// A cell that a spreadsheet would run as a formula gets a quote in front.
fn inert(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::inert;

    #[test]
    fn formulas_are_inert() {
        for cell in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert!(inert(cell).starts_with('\''), "{cell:?}");
        }
        assert_eq!(inert("a=b"), "a=b");
    }
}
