//! The markups of the receivers: one escape function each, through which all text goes.

pub mod adf;
pub mod card;
pub mod html;
pub mod markdown;
pub mod mrkdwn;
pub mod textile;
pub mod wiki;

use countersign_text::{cut, say_missing};
use url::Url;

use crate::doc::{Block, Doc, Span};

/// The document, or as much of its beginning as is no longer than `most` by `length`, with a
/// note that the rest is missing.
pub fn fit(doc: &Doc, most: usize, length: impl Fn(&Doc) -> usize) -> Doc {
    if length(doc) <= most {
        return doc.clone();
    }
    let (mut whole, mut over) = (0, doc.blocks.len());
    while over - whole > 1 {
        let middle = whole.midpoint(over);
        match length(&noted(&doc.blocks[..middle], None)) <= most {
            true => whole = middle,
            false => over = middle,
        }
    }
    let kept = &doc.blocks[..whole];
    let shares = std::iter::successors(Some(16_384), |share| Some(share / 2));
    shares
        .take_while(|share| *share >= 16)
        .filter_map(|share| Some(noted(kept, Some(shorter(doc.blocks.get(whole)?, share)))))
        .find(|doc| length(doc) <= most)
        .unwrap_or_else(|| noted(kept, None))
}

fn noted(kept: &[Block], part: Option<Block>) -> Doc {
    let doc = Doc { blocks: kept.iter().cloned().chain(part).collect() };
    doc.paragraph(vec![Span::text("The rest is too long to be shown here.")])
}

/// The beginning of a block: texts of so many characters, and not many of them.
fn shorter(block: &Block, share: usize) -> Block {
    let (many, text) = (share / 16, |text: &str| shortened(text, share));
    let line = |spans: &Vec<Span>| -> Vec<Span> {
        spans.iter().take(many).map(|span| beginning(span, share)).collect()
    };
    match block {
        Block::Heading { text: heading } => Block::Heading { text: text(heading) },
        Block::Code { text: code } => Block::Code { text: text(code) },
        Block::Paragraph { spans } => Block::Paragraph { spans: line(spans) },
        Block::List { items } => Block::List { items: items.iter().take(many).map(line).collect() },
        Block::Table { head, rows } => {
            let row = |row: &Vec<Vec<Span>>| row.iter().take(many).map(line).collect();
            Block::Table {
                head: head.iter().take(many).map(|head| text(head)).collect(),
                rows: rows.iter().take(many).map(row).collect(),
            }
        }
    }
}

fn beginning(span: &Span, most: usize) -> Span {
    let mut span = span.clone();
    let (Span::Text { text }
    | Span::Strong { text }
    | Span::Code { text }
    | Span::Link { text, .. }) = &mut span;
    *text = shortened(text, most);
    span
}

fn shortened(text: &str, most: usize) -> String {
    let (kept, missing) = cut(text, most);
    let mut kept = kept.to_owned();
    // A `String` takes every character.
    let _ = say_missing(&mut kept, missing);
    kept
}

/// A URL that a link may lead to, with what any of the markups gives a meaning to as
/// percent-encoding; none where it is of another scheme, or not one at all.
pub(crate) fn link(url: &str) -> Option<String> {
    const MOST: usize = 2_000;
    let url = Url::parse(url).ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none();
    let is_named = matches!(url.host(), Some(url::Host::Domain(_) | url::Host::Ipv4(_)));
    if !matches!(url.scheme(), "https" | "http") || !is_plain || !is_named {
        return None;
    }
    let mut safe = String::new();
    for c in url.as_str().chars() {
        match c {
            '|' | '[' | ']' | '{' | '}' | '(' | ')' | '^' | '~' | '!' | '*' | '\'' | '"' | '\\'
            | '`' | '<' | '>' | '@' => safe.push_str(&format!("%{:02X}", u32::from(c))),
            c => safe.push(c),
        }
    }
    (safe.len() <= MOST).then_some(safe)
}

/// A character as a reference of HTML by its number.
pub(crate) fn reference(out: &mut String, c: char) {
    out.push_str(&format!("&#{};", u32::from(c)));
}

/// The address as it may stand in a link: only `https` and `http`, without user and password,
/// and not too long for any receiver.
pub fn address(text: &str) -> Option<String> {
    const LONGEST: usize = 2_000;
    let url = Url::parse(text).ok()?;
    let is_web = matches!(url.scheme(), "https" | "http") && url.has_host();
    let has_user = !url.username().is_empty() || url.password().is_some();
    let address = String::from(url);
    (is_web && !has_user && address.len() <= LONGEST).then_some(address)
}

/// Foreign text on one line of at most about so many characters, and never empty: receivers
/// refuse a whole message for an empty text.
pub(crate) fn shown(text: &str, most: usize) -> String {
    let line = countersign_text::line(text).at_most(most).to_string();
    if line.trim().is_empty() { "–".to_owned() } else { line }
}
