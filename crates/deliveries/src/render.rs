//! What receivers are told, in words: pure, and the same words from the same findings.

pub mod comment;
pub mod digest;
pub mod rules;
pub mod ticket;

use countersign_findings::Finding;
use countersign_store::FindingRow;
use countersign_text::{cut, line, prose, say_missing};
use url::Url;

pub use rules::TicketRules;
pub use ticket::{Member, ticket};

/// Where people see a finding.
pub fn finding_url(dashboard: &Url, id: &str) -> String {
    page(dashboard, &format!("findings/{id}"))
}

/// A page of the dashboard, which may be below a path of its own.
pub(crate) fn page(dashboard: &Url, path: &str) -> String {
    let mut base = dashboard.clone();
    base.set_query(None);
    base.set_fragment(None);
    format!("{}/{path}", base.as_str().trim_end_matches('/'))
}

/// A foreign text in one line without blanks around it, of so many characters at most.
pub(crate) fn short(text: &str, most: usize) -> String {
    let shown = line(text).at_most(most).to_string();
    let words: Vec<_> = shown.split_whitespace().collect();
    bounded(&words.join(" "), most)
}

/// Its beginning, and an ellipsis where something is missing.
pub(crate) fn bounded(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => {
            let kept: String = text.chars().take(most.saturating_sub(1)).collect();
            format!("{}…", kept.trim_end())
        }
    }
}

/// A foreign text of several lines, about so many characters of it.
pub(crate) fn long(text: &str, most: usize) -> String {
    let (kept, missing) = cut(text.trim(), most);
    let mut shown = prose(kept).to_string();
    // Writing to a text does not fail.
    let _ = say_missing(&mut shown, missing);
    shown
}

/// Whether somebody still has to look at it.
pub(crate) fn is_open(row: &FindingRow) -> bool {
    row.finding.state.is_open() && !row.gone
}

/// The title; the id where it says nothing.
pub(crate) fn title_of(finding: &Finding, most: usize) -> String {
    match short(&finding.title, most) {
        title if title.is_empty() => format!("Finding {}", finding.id),
        title => title,
    }
}
