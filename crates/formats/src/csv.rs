//! CSV for spreadsheets: a header, then one finding a row.

use std::fmt::{Display, Write as _};
use std::io::{self, Write};

use countersign_findings::Rfc3339;
use countersign_text::is_odd;

use crate::{Export, Held, Item};

/// The columns, in order. Stable: new ones are added at the end.
pub const COLUMNS: [&str; 60] = [
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
    "key",
    "status",
    "resolution",
    "resolution_status",
    "mitigation_review_status",
    "new",
    "cwe_name",
    "category",
    "exploitability",
    "procedure",
    "attack_vector",
    "parameter",
    "component_paths",
    "scan_mode",
    "dependency_mode",
    "licenses",
    "cvss",
    "cvss_vector",
    "cvss2",
    "cvss2_vector",
    "epss_score",
    "epss_percentile",
    "exploit_observed",
    "references",
    "description",
    "grace_period_expires",
    "build_id",
    "gone",
    "added",
    "changed",
    "last_change",
    "business_unit",
    "business_criticality",
    "teams",
    "tags",
    "policy",
    "policy_compliance",
    "policy_checked",
    "last_scan",
];

/// A header and a row for each finding.
pub struct Csv<W: Write> {
    out: csv::Writer<W>,
    /// For cells that have to be put together.
    scratch: String,
}

impl<W: Write> Csv<W> {
    /// Writes the header to `out`.
    pub fn new(out: W) -> io::Result<Self> {
        let mut out = csv::Writer::from_writer(out);
        out.write_record(COLUMNS).map_err(failed)?;
        Ok(Self { out, scratch: String::new() })
    }
}

impl<W: Write> Export for Csv<W> {
    fn finding(&mut self, item: &Item<'_>) -> io::Result<Held> {
        self.row(item).map_err(failed)?;
        Ok(Held::Written)
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W: Write> Csv<W> {
    fn row(&mut self, item: &Item<'_>) -> Result<(), csv::Error> {
        let (finding, application) = (item.finding, item.application);
        let (status, location) = (&finding.status, &finding.location);
        let component = finding.component.as_ref();
        let known = finding.vulnerability.as_ref();
        self.text(finding.id.as_str())?;
        self.text(item.integration)?;
        self.text(finding.application.as_str())?;
        self.text(&application.name)?;
        self.shown(&finding.context)?;
        self.text(finding.scan_type.as_str())?;
        self.plain(Some(finding.severity.level()))?;
        self.text(finding.severity.name())?;
        self.text(finding.state.as_str())?;
        self.plain(finding.violates_policy)?;
        self.plain(finding.cwe.as_ref().map(|cwe| cwe.id))?;
        self.text(&finding.title)?;
        self.maybe(&location.file)?;
        self.plain(location.line)?;
        self.maybe(&location.module)?;
        self.maybe(&location.url)?;
        self.text(component.and_then(|one| one.name.as_deref()).unwrap_or_default())?;
        self.text(component.and_then(|one| one.version.as_deref()).unwrap_or_default())?;
        self.text(known.map(|known| known.name.as_str()).unwrap_or_default())?;
        self.time(finding.first_found_ms)?;
        self.time(finding.last_seen_ms)?;

        self.shown(&finding.key)?;
        self.maybe(&status.status)?;
        self.maybe(&status.resolution)?;
        self.maybe(&status.resolution_status)?;
        self.maybe(&status.mitigation_review_status)?;
        self.plain(status.new)?;
        self.text(finding.cwe.as_ref().and_then(|cwe| cwe.name.as_deref()).unwrap_or_default())?;
        let category = finding.category.as_ref();
        self.text(category.and_then(|one| one.name.as_deref()).unwrap_or_default())?;
        self.plain(finding.exploitability)?;
        self.maybe(&location.procedure)?;
        self.maybe(&location.attack_vector)?;
        self.maybe(&location.parameter)?;
        self.list(component.into_iter().flat_map(|one| &one.paths).map(String::as_str))?;
        self.text(component.and_then(|one| one.scan_mode.as_deref()).unwrap_or_default())?;
        self.text(component.and_then(|one| one.dependency_mode.as_deref()).unwrap_or_default())?;
        let licenses = component.into_iter().flat_map(|one| &one.licenses);
        self.list(licenses.map(|license| license.id.as_str()))?;
        match known.and_then(|known| known.cvss3) {
            Some(score) => self.plain(Some(score))?,
            None => self.maybe(&finding.cvss)?,
        }
        self.text(known.and_then(|known| known.cvss3_vector.as_deref()).unwrap_or_default())?;
        self.plain(known.and_then(|known| known.cvss2))?;
        self.text(known.and_then(|known| known.cvss2_vector.as_deref()).unwrap_or_default())?;
        self.plain(known.and_then(|known| known.epss_score))?;
        self.plain(known.and_then(|known| known.epss_percentile))?;
        self.plain(known.and_then(|known| known.exploit_observed))?;
        self.list(finding.references.iter().map(String::as_str))?;
        // On one line: who counts lines or imports by them has rows.
        self.joined(|text| {
            for (at, line) in finding.description.split(['\n', '\r']).enumerate() {
                text.push_str(if at == 0 { "" } else { " " });
                text.push_str(line);
            }
        })?;
        self.time(finding.grace_period_expires_ms)?;
        self.plain(finding.build_id)?;
        self.plain(Some(item.gone))?;
        self.time(Some(item.added_ms))?;
        self.time(Some(item.changed_ms))?;
        self.text(item.last.as_str())?;
        self.maybe(&application.business_unit)?;
        self.maybe(&application.business_criticality)?;
        self.list(application.teams.iter().map(String::as_str))?;
        self.list(application.tags.iter().map(String::as_str))?;
        self.maybe(&application.policy)?;
        self.maybe(&application.policy_compliance)?;
        self.time(application.policy_checked_ms)?;
        self.time(application.last_scan_ms)?;
        self.out.write_record(None::<&[u8]>)
    }

    /// Words from elsewhere.
    fn text(&mut self, text: &str) -> Result<(), csv::Error> {
        if !would_run(text) {
            return self.out.write_field(text);
        }
        self.scratch.clear();
        self.scratch.push('\'');
        self.scratch.push_str(text);
        self.out.write_field(&self.scratch)
    }

    fn maybe(&mut self, text: &Option<String>) -> Result<(), csv::Error> {
        self.text(text.as_deref().unwrap_or_default())
    }

    /// Words with parts from elsewhere.
    fn shown(&mut self, value: &impl Display) -> Result<(), csv::Error> {
        self.joined(|text| {
            // Writing into a String cannot fail.
            let _ = write!(text, "{value}");
        })
    }

    fn list<'a>(&mut self, texts: impl Iterator<Item = &'a str>) -> Result<(), csv::Error> {
        self.joined(|joined| {
            for (at, text) in texts.enumerate() {
                joined.push_str(if at == 0 { "" } else { "; " });
                joined.push_str(text);
            }
        })
    }

    fn joined(&mut self, put: impl FnOnce(&mut String)) -> Result<(), csv::Error> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.push('\'');
        put(&mut scratch);
        let from = usize::from(!would_run(&scratch[1..]));
        let written = self.out.write_field(&scratch[from..]);
        self.scratch = scratch;
        written
    }

    /// A number or a truth value: it runs nothing, whatever its sign.
    fn plain(&mut self, value: Option<impl Display>) -> Result<(), csv::Error> {
        self.scratch.clear();
        if let Some(value) = value {
            // Writing into a String cannot fail.
            let _ = write!(self.scratch, "{value}");
        }
        self.out.write_field(&self.scratch)
    }

    fn time(&mut self, ms: Option<i64>) -> Result<(), csv::Error> {
        match ms {
            Some(ms) => self.out.write_field(&*Rfc3339::of(ms)),
            None => self.out.write_field(""),
        }
    }
}

/// A closed pipe stays one.
fn failed(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// Whether a spreadsheet would run the cell as a formula: it begins with one of the
/// signs for it, perhaps in full width, or behind what an import cuts off or cannot
/// be seen. Such a cell gets a quote in front.
fn would_run(cell: &str) -> bool {
    // Most cells say no by their first byte.
    match cell.as_bytes().first() {
        None => return false,
        Some(first) if first.is_ascii_alphanumeric() => return false,
        Some(b'\t' | b'\r' | b'\n') => return true,
        Some(_) => {}
    }
    let seen = cell.trim_start_matches(|c: char| c.is_whitespace() || is_odd(c));
    seen.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
}

#[cfg(test)]
mod tests {
    use super::would_run;

    #[test]
    fn formulas_are_recognised() {
        for cell in [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "\n=1",
            "\t",
            " =1",
            "\u{a0}=1",
            "\u{feff}=1",
            "\u{200b}\n =1",
            "\u{0}=1",
            "\u{202e}=1",
            "＝1",
            "＋1",
            " －1",
            "＠a",
        ] {
            assert!(would_run(cell), "{cell:?}");
        }
        for cell in ["", "a=b", "1-1", "'=1", " a=1", "日本", "/=", "\u{202e}txt"] {
            assert!(!would_run(cell), "{cell:?}");
        }
    }
}
