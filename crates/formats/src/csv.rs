//! CSV for spreadsheets: a header, then one finding a row.

use std::fmt::{Display, Write as _};
use std::io::{self, Write};

use countersign_findings::Rfc3339;
use countersign_text::is_odd;

use crate::{Export, Held, Item, facts};

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

/// How the file is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether it begins with the mark of UTF-8, by which a spreadsheet knows accents.
    pub has_mark: bool,
    /// Whether cells are as they are, without the quote in front of what a spreadsheet
    /// takes for a formula, a number or a date.
    pub is_plain: bool,
}

/// A header and a row for each finding.
pub struct Csv<W: Write> {
    out: csv::Writer<W>,
    style: Style,
    /// A cell that is put together. It begins with a quote, which is written where it is
    /// needed.
    cell: String,
}

impl<W: Write> Csv<W> {
    /// Writes the header to `out`.
    pub fn new(mut out: W, style: Style) -> io::Result<Self> {
        if style.has_mark {
            out.write_all("\u{feff}".as_bytes())?;
        }
        let mut out = csv::Writer::from_writer(out);
        out.write_record(COLUMNS).map_err(failed)?;
        Ok(Self { out, style, cell: String::new() })
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
        match (known.and_then(|known| known.cvss3).or(facts::written_score(finding)), &finding.cvss)
        {
            (Some(score), _) => self.plain(Some(score))?,
            (None, words) => self.maybe(words)?,
        }
        self.text(known.and_then(|known| known.cvss3_vector.as_deref()).unwrap_or_default())?;
        self.plain(known.and_then(|known| known.cvss2))?;
        self.text(known.and_then(|known| known.cvss2_vector.as_deref()).unwrap_or_default())?;
        self.plain(known.and_then(|known| known.epss_score))?;
        self.plain(known.and_then(|known| known.epss_percentile))?;
        self.plain(known.and_then(|known| known.exploit_observed))?;
        self.list(finding.references.iter().map(String::as_str))?;
        self.text(&finding.description)?;
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
        if text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
            && (self.style.is_plain || !is_taken(text))
        {
            return self.out.write_field(text);
        }
        self.joined(|cell| push_line(cell, text))
    }

    fn maybe(&mut self, text: &Option<String>) -> Result<(), csv::Error> {
        self.text(text.as_deref().unwrap_or_default())
    }

    /// Words with parts from elsewhere.
    fn shown(&mut self, value: &impl Display) -> Result<(), csv::Error> {
        self.text(&value.to_string())
    }

    fn list<'a>(&mut self, texts: impl Iterator<Item = &'a str>) -> Result<(), csv::Error> {
        self.joined(|cell| {
            for (at, text) in texts.enumerate() {
                cell.push_str(if at == 0 { "" } else { "; " });
                push_line(cell, text);
            }
        })
    }

    fn joined(&mut self, put: impl FnOnce(&mut String)) -> Result<(), csv::Error> {
        self.cell.clear();
        self.cell.push('\'');
        put(&mut self.cell);
        let is_quoted = !self.style.is_plain && is_taken(&self.cell[1..]);
        self.out.write_field(&self.cell[usize::from(!is_quoted)..])
    }

    /// A number or a truth value: it runs nothing, whatever its sign.
    fn plain(&mut self, value: Option<impl Display>) -> Result<(), csv::Error> {
        self.cell.clear();
        if let Some(value) = value {
            // Writing into a String cannot fail.
            let _ = write!(self.cell, "{value}");
        }
        self.out.write_field(&self.cell)
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

/// Adds a text on one line, for those who count rows or import by lines, and with a mark
/// in place of what databases refuse.
fn push_line(cell: &mut String, text: &str) {
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        cell.push(match c {
            '\r' if characters.peek() == Some(&'\n') => continue,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
            '\t' => '\t',
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        });
    }
}

/// Whether a spreadsheet would take the text for something else, and run it or show
/// another one: such a cell gets a quote in front.
fn is_taken(cell: &str) -> bool {
    would_run(cell) || is_read_as_number(cell)
}

/// Whether a spreadsheet would run the cell as a formula: it begins with one of the
/// signs for it, perhaps in full width, or behind what an import cuts off or cannot
/// be seen.
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

/// Whether a spreadsheet of some language may read the text as a number, a date, a time
/// or a truth value, and then shows another text: `1.10`, `007`, `1-2`, `12e45`, more
/// digits than it keeps. A plain number of up to fifteen digits stays what it is.
fn is_read_as_number(cell: &str) -> bool {
    let cell = cell.trim_matches(|c: char| c.is_whitespace() || is_odd(c));
    // `Wednesday, 30 September 2026 12:34:56 PM` is shorter.
    if cell.is_empty() || cell.len() > 48 {
        return false;
    }
    if !cell.bytes().any(|byte| byte.is_ascii_digit()) {
        return ["true", "false"].iter().any(|word| cell.eq_ignore_ascii_case(word));
    }
    if cell.bytes().all(|byte| byte.is_ascii_digit()) {
        return cell.len() > 15 || (cell.len() > 1 && cell.starts_with('0'));
    }
    let is_sign = |c: char| c.is_ascii_digit() || c.is_whitespace() || ".,:/-+%'()$€£¥".contains(c);
    let mut words = cell.split(is_sign).filter(|word| !word.is_empty());
    // `e1` is a name; only a month, a day or a currency comes first.
    let is_name = cell.starts_with(|c: char| c.is_alphabetic())
        && words.clone().next().is_some_and(|word| word.len() < 3);
    let has_one_word = words.clone().count() == 1;
    // Ids of digits and letters are none.
    let is_in_place = |word: &str| match word {
        "e" => has_one_word,
        "am" | "pm" | "a" | "p" | "z" => ends_with(cell, word),
        _ => true,
    };
    !is_name
        && words.all(|word| {
            let word = word.to_ascii_lowercase();
            is_word_of_numbers(&word) && is_in_place(&word)
        })
}

fn ends_with(cell: &str, word: &str) -> bool {
    let (cell, word) = (cell.as_bytes(), word.as_bytes());
    cell.len() >= word.len() && cell[cell.len() - word.len()..].eq_ignore_ascii_case(word)
}

/// Whether a word may be part of a number, a time or a date: an exponent, a half of the
/// day, a zone, a day of the week or a month, in English.
fn is_word_of_numbers(word: &str) -> bool {
    const WHOLE: [&str; 19] = [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    matches!(word, "e" | "am" | "pm" | "a" | "p" | "t" | "z" | "usd" | "eur" | "gbp" | "sept")
        || WHOLE.iter().any(|whole| *whole == word || (word.len() == 3 && whole.starts_with(word)))
}

#[cfg(test)]
mod tests {
    use super::{is_read_as_number, would_run};

    #[test]
    fn what_is_read_as_another_text_is_recognised() {
        for cell in [
            "007",
            "1.10",
            "1,5",
            "2.8.0",
            "1-2",
            "1/2",
            "12:30",
            "1e5",
            "12E+45",
            "12345e678901234567890",
            "1234567890123456",
            " 1.0 ",
            "\u{200b}1.0",
            "50%",
            "$5",
            "(5)",
            "1 000",
            "TRUE",
            "false",
            "Mar 1",
            "1-March-2024",
            "2024-01-02T03:04:05.000Z",
            "3 PM",
            "00",
            "\u{a0}01",
        ] {
            assert!(is_read_as_number(cell), "{cell:?}");
        }
        for cell in [
            "",
            "7",
            "0",
            "123456789012345",
            "1.2.3-rc1",
            "v1.0",
            "a1",
            "12ab",
            "CVE-2026-0001",
            "flaw:7",
            "March",
            "e",
            "true story",
            "2 or 3",
            "1.0.0.RELEASE",
            "日本 1",
            "97e57089a97a4e50a874",
            "1a2",
            "1z 2",
            "1e5e6",
        ] {
            assert!(!is_read_as_number(cell), "{cell:?}");
        }
    }

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
