//! One HTML page for people: no script, nothing from elsewhere, light and dark,
//! printable. Rows stream; the summary is counted meanwhile, comes behind them in the
//! document, and is shown above them.
//!
//! What is kept until the end is the counts, one for each application up to a limit.

use std::collections::BTreeMap;
use std::io::{self, Write};

use countersign_findings::{Finding, ScanType, Severity, State, rfc3339};
use countersign_text::html::TEXT;
use countersign_text::{cut, is_odd, say_missing};
use data_encoding::BASE64;
use sha2::{Digest, Sha256};

use crate::facts::{self, Review};
use crate::place::Address;
use crate::text::clip;
use crate::{Export, Head, Held, Item};

const STYLE: &str = include_str!("html.css");

/// Applications counted by name; the others are counted as one.
const MAX_APPLICATIONS: usize = 1000;

/// Characters of a description shown.
const MAX_DESCRIPTION: usize = 20_000;

/// Where findings stand, as columns of the summary.
const STANDINGS: [&str; 5] = ["Open", "Fixed", "Mitigated", "False positive", "No longer reported"];

/// How findings were found, as rows of the summary.
const TYPES: [&str; 5] = ["Static", "Dynamic", "Manual", "Component", "Other"];

/// One page.
pub struct Html<W> {
    out: W,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    by_severity: [Row; 6],
    by_type: [Row; 5],
    by_application: BTreeMap<String, Row>,
    other_applications: Row,
}

type Row = [u64; 5];

impl<W: Write> Html<W> {
    /// Begins the page on `out`.
    pub fn new(mut out: W, head: &Head) -> io::Result<Self> {
        let hash = BASE64.encode(&Sha256::digest(STYLE));
        let made = rfc3339(head.made_ms);
        let made = made.get(..16).unwrap_or_default().replace('T', " ");
        let filter = match head.filter.trim() {
            "" => "none, everything is here".to_owned(),
            filter => format!("<code>{}</code>", escape(filter)),
        };
        write!(
            out,
            "<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<meta name=\"referrer\" content=\"no-referrer\">
<title>Findings of {made} UTC</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>Findings</h1>
<p class=\"facts\">{total} findings, exported {made} UTC by countersign {version}. Filter: {filter}.</p>
<p class=\"jump\"><a href=\"#summary\">To the summary</a>, <a href=\"#findings\">to all findings</a></p>
</header>
<main>
<section id=\"findings\" aria-labelledby=\"findings-heading\">
<h2 id=\"findings-heading\">All findings</h2>
<section class=\"scroll\" aria-labelledby=\"findings-caption\" tabindex=\"0\">
<table>
<caption id=\"findings-caption\">One finding a row</caption>
<thead>
<tr><th scope=\"col\">Finding</th><th scope=\"col\">Where and more</th><th scope=\"col\">Severity</th><th scope=\"col\">State</th><th scope=\"col\">Type</th><th scope=\"col\">Application</th><th scope=\"col\">First found</th></tr>
</thead>
<tbody>
",
            total = head.total,
            version = escape(&head.version),
        )?;
        Ok(Self { out, counts: Counts::default() })
    }
}

impl<W: Write> Export for Html<W> {
    fn finding(&mut self, item: &Item<'_>) -> io::Result<Held> {
        self.counts.add(item);
        self.out.write_all(row(item).as_bytes())?;
        Ok(Held::Written)
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        self.out.write_all(b"</tbody>\n</table>\n</section>\n</section>\n")?;
        self.out.write_all(self.counts.section().as_bytes())?;
        self.out.write_all(b"</main>\n</body>\n</html>\n")?;
        self.out.flush()
    }
}

fn row(item: &Item<'_>) -> String {
    let finding = item.finding;
    // The title as it is, so that what hides in it is seen.
    let title = match finding.title.trim() {
        "" => facts::title(finding, 300),
        title => clip(title, 300),
    };
    let place = place(finding)
        .map(|place| format!("<div class=\"place\"><bdi>{}</bdi></div>", escape(&place)))
        .unwrap_or_default();
    let grave = if finding.severity.level() >= 4 { " class=\"grave\"" } else { "" };
    let first_found = finding.first_found_ms.map(rfc3339).unwrap_or_default();
    format!(
        "<tr><th scope=\"row\"><div class=\"title\"><bdi>{title}</bdi></div><div class=\"id\">{id}</div></th><td class=\"where\">{place}{details}</td>\
<td{grave}>{severity}</td><td>{state}</td><td>{scan_type}</td><td><bdi>{application}</bdi>{sandbox}</td><td>{day}</td></tr>\n",
        title = escape(&title),
        id = finding.id,
        details = details(item),
        severity = finding.severity.name(),
        state = STANDINGS[standing(item)],
        scan_type = TYPES[scan_type(finding)],
        application = escape(&clip(&item.application.name, 300)),
        sandbox = match finding.context.guid() {
            Some(guid) => format!("<div class=\"id\">sandbox <bdi>{}</bdi></div>", escape(guid)),
            None => String::new(),
        },
        day = first_found.get(..10).unwrap_or_default(),
    )
}

fn place(finding: &Finding) -> Option<String> {
    let location = &finding.location;
    if let Some(component) = &finding.component {
        return component.paths.first().or(component.name.as_ref()).cloned();
    }
    let file = location.file.as_ref().map(|file| match facts::line_number(location.line) {
        Some(line) => format!("{file}:{line}"),
        None => file.clone(),
    });
    file.or_else(|| Address::of(location).map(|address| address.uri()))
        .or_else(|| location.url.clone())
        .or_else(|| location.place.clone())
        .or_else(|| location.module.clone())
}

fn details(item: &Item<'_>) -> String {
    let finding = item.finding;
    let location = &finding.location;
    let component = finding.component.as_ref();
    let known = finding.vulnerability.as_ref();
    let weakness = finding.cwe.as_ref().map(|cwe| match &cwe.name {
        Some(name) => format!("CWE-{}: {name}", cwe.id),
        None => format!("CWE-{}", cwe.id),
    });
    let review = match facts::review(finding) {
        Review::None => None,
        Review::Proposed => Some("proposed"),
        Review::Rejected => Some("rejected"),
        Review::Accepted => Some("approved"),
    };
    let yes_or_no = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let lines = |texts: &[String]| (!texts.is_empty()).then(|| texts.join("\n"));
    let rows = [
        ("Description", Some(clip(finding.description.trim(), MAX_DESCRIPTION))),
        ("Weakness", weakness),
        ("Vulnerability", known.map(|known| known.name.clone())),
        ("Score", known.and(facts::cvss(finding)).map(|score| format!("{score:.1}"))),
        ("Module", location.module.clone()),
        ("Procedure", location.procedure.clone()),
        ("Attack vector", location.attack_vector.clone()),
        ("Parameter", location.parameter.clone()),
        ("Component", component.and_then(|component| component.name.clone())),
        ("Version", component.and_then(|component| component.version.clone())),
        ("Paths", component.and_then(|component| lines(&component.paths))),
        ("Violates policy", finding.violates_policy.map(yes_or_no)),
        ("Mitigation", review.map(str::to_owned)),
        ("Comments", facts::reasons(finding)),
        ("References", lines(&finding.references)),
        ("Last seen", finding.last_seen_ms.map(rfc3339)),
        ("Integration", Some(item.integration.to_owned())),
    ];
    let mut list = String::new();
    for (name, value) in rows {
        if let Some(value) = value.filter(|value| !value.trim().is_empty()) {
            let value = escape(&value);
            list.push_str(&format!("<dt>{name}</dt><dd class=\"text\"><bdi>{value}</bdi></dd>"));
        }
    }
    format!("<details><summary>Details</summary><dl>{list}</dl></details>")
}

fn standing(item: &Item<'_>) -> usize {
    match item.finding.state {
        _ if item.gone => 4,
        State::Open => 0,
        State::Fixed => 1,
        State::Mitigated => 2,
        State::FalsePositive => 3,
    }
}

fn scan_type(finding: &Finding) -> usize {
    match finding.scan_type {
        ScanType::Static => 0,
        ScanType::Dynamic => 1,
        ScanType::Manual => 2,
        ScanType::Sca => 3,
        ScanType::Other(_) => 4,
    }
}

impl Counts {
    fn add(&mut self, item: &Item<'_>) {
        let at = standing(item);
        self.by_severity[usize::from(item.finding.severity.level())][at] += 1;
        self.by_type[scan_type(item.finding)][at] += 1;
        let name = &item.application.name;
        let has_room = self.by_application.len() < MAX_APPLICATIONS;
        match self.by_application.get_mut(name) {
            Some(row) => row[at] += 1,
            None if has_room => {
                self.by_application.entry(name.clone()).or_default()[at] += 1;
            }
            None => self.other_applications[at] += 1,
        }
    }

    fn section(&self) -> String {
        let severities = Severity::ALL.iter().map(|severity| {
            (severity.name().to_owned(), self.by_severity[usize::from(severity.level())])
        });
        let types = TYPES.iter().map(|name| (*name).to_owned()).zip(self.by_type);
        let is_some = |row: &(String, Row)| row.1.iter().sum::<u64>() > 0;
        let others = ("Other applications".to_owned(), self.other_applications);
        let applications = self
            .by_application
            .iter()
            .map(|(name, row)| (format!("<bdi>{}</bdi>", escape(&clip(name, 300))), *row));
        format!(
            "<section id=\"summary\" aria-labelledby=\"summary-heading\">
<h2 id=\"summary-heading\">Summary</h2>
<div class=\"tables\">
{}{}{}</div>
</section>
",
            table("severity", "By severity", "Severity", severities.collect()),
            table("type", "By type", "Type", types.filter(is_some).collect()),
            table(
                "application",
                "By application",
                "Application",
                applications.chain([others].into_iter().filter(is_some)).collect(),
            ),
        )
    }
}

/// The first cell of each row is HTML.
fn table(id: &str, caption: &str, heading: &str, rows: Vec<(String, Row)>) -> String {
    let heads: String =
        STANDINGS.iter().map(|name| format!("<th scope=\"col\">{name}</th>")).collect();
    let cells = |row: &Row| {
        row.iter()
            .map(|count| format!("<td class=\"number\">{count}</td>"))
            .chain([format!("<td class=\"number\">{}</td>", row.iter().sum::<u64>())])
            .collect::<String>()
    };
    let mut total: Row = [0; 5];
    let mut body = String::new();
    for (name, row) in &rows {
        total.iter_mut().zip(row).for_each(|(sum, count)| *sum += count);
        body.push_str(&format!("<tr><th scope=\"row\">{name}</th>{}</tr>\n", cells(row)));
    }
    format!(
        "<section class=\"scroll\" aria-labelledby=\"{id}-caption\" tabindex=\"0\">
<table>
<caption id=\"{id}-caption\">{caption}</caption>
<thead>
<tr><th scope=\"col\">{heading}</th>{heads}<th scope=\"col\">All</th></tr>
</thead>
<tbody>
{body}<tr><th scope=\"row\">All</th>{}</tr>
</tbody>
</table>
</section>
",
        cells(&total)
    )
}

/// Text as content of an element. What a person could not see is shown by its number.
fn escape(text: &str) -> String {
    let (kept, missing) = cut(text, TEXT);
    let mut html = String::with_capacity(kept.len());
    for c in kept.replace("\r\n", "\n").chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '\n' | '\t' => html.push(c),
            c if is_odd(c) => {
                html.push_str(&format!("<span class=\"hidden\">U+{:04X}</span>", u32::from(c)));
            }
            c => html.push(c),
        }
    }
    // A `String` takes every character.
    let _ = say_missing(&mut html, missing);
    html
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn text_stays_text_and_what_hides_is_seen() {
        assert_eq!(
            escape("<b title=\"'x'\">&\u{202e}\u{0}"),
            "&lt;b title=&quot;&#39;x&#39;&quot;&gt;&amp;<span class=\"hidden\">U+202E</span><span class=\"hidden\">U+0000</span>"
        );
    }
}
