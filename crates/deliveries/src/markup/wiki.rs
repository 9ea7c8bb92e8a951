//! The wiki markup of Jira Data Center.

use countersign_text::{file, line, prose};

use crate::doc::{Block, Doc, Span};
use crate::markup::{link, reference};

/// The document in wiki markup.
pub fn render(doc: &Doc) -> String {
    let blocks: Vec<_> = doc.blocks.iter().map(block).collect();
    blocks.join("\n\n")
}

/// Characters of the document in wiki markup.
pub fn length(doc: &Doc) -> usize {
    render(doc).chars().count()
}

/// Text that means nothing but itself, on one line. Jira keeps references of HTML as they
/// are, before and after it looks for markup. A backslash would not do: two of them break
/// the line, so that no text could end with one. Hyphens and underscores within a word stay,
/// where Jira takes them for themselves.
pub fn escape(text: &str) -> String {
    let text = line(text).at_most(20_000).to_string();
    let mut out = String::with_capacity(text.len());
    let start = text.find(|c: char| !c.is_ascii_alphanumeric());
    let mut before = ' ';
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let after = chars.peek().map_or(' ', |(_, after)| *after);
        let is_within = before.is_alphanumeric() && after.is_alphanumeric();
        match c {
            '-' | '_' if is_within => out.push(c),
            // `h1.` and `bq.` at the start of a line, and `www.` anywhere.
            '.' if (start == Some(at) && at <= 2) || text[..at].ends_with("www") => {
                reference(&mut out, c);
            }
            // A blank after it is a sentence; anything else may be a URL or a face.
            ':' if after == ' ' || after.is_ascii_digit() => out.push(c),
            '.' | ',' | '/' | '\'' | '=' => out.push(c),
            c if c.is_ascii_punctuation() => reference(&mut out, c),
            c => out.push(c),
        }
        before = c;
    }
    out
}

fn block(block: &Block) -> String {
    match block {
        Block::Heading { text } => format!("h3. {}", escape(text)),
        Block::Paragraph { spans } => inline(spans, "\n"),
        Block::List { items } => {
            let items: Vec<_> =
                items.iter().map(|item| format!("* {}", inline(item, " "))).collect();
            items.join("\n")
        }
        Block::Code { text } => code(text),
        Block::Table { head, rows } => table(head, rows),
    }
}

/// Only its own end is anything within preformatted text: where that is in it, the lines
/// are escaped like any other.
fn code(text: &str) -> String {
    let text = file(text).to_string();
    if text.to_lowercase().contains("{noformat") {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let lines: Vec<_> = lines.map(|line| format!("{{{{{}}}}}", escape(line.trim()))).collect();
        return lines.join("\n");
    }
    format!("{{noformat}}\n{text}\n{{noformat}}")
}

fn table(head: &[String], rows: &[Vec<Vec<Span>>]) -> String {
    let mut lines = Vec::new();
    if !head.is_empty() {
        let cells: Vec<_> = head.iter().map(|text| escape(text)).collect();
        lines.push(format!("|| {} ||", cells.join(" || ")));
    }
    for row in rows {
        let cells: Vec<_> = row.iter().map(|cell| inline(cell, " ")).collect();
        lines.push(format!("| {} |", cells.join(" | ")));
    }
    lines.join("\n")
}

fn inline(spans: &[Span], broken: &str) -> String {
    spans.iter().map(|part| span(part, broken)).collect()
}

fn span(span: &Span, broken: &str) -> String {
    let text = prose(span.plain()).to_string();
    let lines = text.split('\n').map(|line| escape(line.trim_end()));
    let lines: Vec<_> = lines.collect();
    let text = lines.join(broken);
    if text.trim().is_empty() {
        return text;
    }
    match span {
        Span::Text { .. } => text,
        Span::Strong { .. } => format!("*{}*", text.trim()),
        Span::Code { .. } => format!("{{{{{}}}}}", text.trim()),
        Span::Link { url, .. } => match link(url) {
            Some(url) => format!("[{}|{url}]", text.replace('\n', " ").trim()),
            None => text,
        },
    }
}
