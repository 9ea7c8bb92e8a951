//! CSV for spreadsheets: a header, then one finding a row.

use std::io::{self, Write};

use countersign_findings::rfc3339;

use crate::{Export, Held, Item};

/// The columns, in order. Stable: new ones are added at the end.
pub const COLUMNS: [&str; 21] = [
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

/// A header and a row for each finding.
pub struct Csv<W: Write>(csv::Writer<W>);

impl<W: Write> Csv<W> {
    /// Writes the header to `out`.
    pub fn new(out: W) -> io::Result<Self> {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(COLUMNS).map_err(io::Error::from)?;
        Ok(Self(writer))
    }
}

impl<W: Write> Export for Csv<W> {
    fn finding(&mut self, item: &Item<'_>) -> io::Result<Held> {
        let row = row(item);
        self.0.write_record(row.iter().map(|cell| inert(cell))).map_err(io::Error::from)?;
        Ok(Held::Written)
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        self.0.flush()
    }
}

fn row(item: &Item<'_>) -> [String; 21] {
    let finding = item.finding;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let time = |ms: Option<i64>| ms.map(rfc3339).unwrap_or_default();
    let component = finding.component.clone().unwrap_or_default();
    [
        finding.id.to_string(),
        item.integration.to_owned(),
        finding.application.to_string(),
        item.application.name.clone(),
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
