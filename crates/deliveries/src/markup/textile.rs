//! Textile as Redmine renders it.

use countersign_text::{file, line, prose};

use crate::doc::{Block, Doc, Span};
use crate::markup::{link, reference};

/// The document in Textile.
pub fn render(doc: &Doc) -> String {
    let blocks: Vec<_> = doc.blocks.iter().map(block).filter(|text| !text.is_empty()).collect();
    blocks.join("\n\n")
}

/// Bytes of the document in Textile.
pub fn length(doc: &Doc) -> usize {
    render(doc).len()
}

/// Text that means nothing but itself, on one line: what could be markup, a macro, a person,
/// an issue or a revision is a reference of HTML, which Redmine takes for the character after
/// it looked for all of these.
pub fn escape(text: &str) -> String {
    let text = line(text).at_most(20_000).to_string();
    let mut out = String::with_capacity(text.len());
    let start = text.find(|c: char| !c.is_ascii_alphanumeric());
    let mut before = ' ';
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let after = chars.peek().map(|(_, after)| *after);
        let is_within =
            before.is_alphanumeric() && after.is_some_and(|after| after.is_alphanumeric());
        match c {
            '-' | '_' if is_within => out.push(c),
            // `p.` and `bq.` at the start of a line, and `www.` anywhere.
            '.' if start == Some(at) || text[..at].ends_with("www") => reference(&mut out, c),
            ':' if after == Some(' ') => out.push(c),
            '.' | ',' | '/' | ';' => out.push(c),
            // A revision, even where its number is in the next text.
            'r' if !before.is_alphanumeric() && after.is_none_or(|c| c.is_ascii_digit()) => {
                reference(&mut out, c);
            }
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

/// Whether Redmine would find an end, or something of its own, within preformatted text.
fn ends(text: &str) -> bool {
    let text = text.to_lowercase();
    let tags = ["code", "pre", "kbd", "notextile", "redpre"];
    tags.iter().any(|tag| text.contains(&format!("<{tag}")) || text.contains(&format!("</{tag}")))
        || text.contains("x%x%")
        || text.contains(":redsh#")
}

fn code(text: &str) -> String {
    let text = file(text).to_string();
    if ends(&text) {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let lines: Vec<_> = lines.map(|line| escape(line.trim())).collect();
        return lines.join("\n");
    }
    format!("<pre>\n{}\n</pre>", text.trim_end())
}

fn table(head: &[String], rows: &[Vec<Vec<Span>>]) -> String {
    // A blank before the text keeps it from being attributes of its cell.
    let mut lines = Vec::new();
    if !head.is_empty() {
        let cells: String = head.iter().map(|text| format!("_. {} |", escape(text))).collect();
        lines.push(format!("|{cells}"));
    }
    for row in rows {
        let cells: String = row.iter().map(|cell| format!(" {} |", inline(cell, " "))).collect();
        lines.push(format!("|{cells}"));
    }
    lines.join("\n")
}

fn inline(spans: &[Span], broken: &str) -> String {
    spans.iter().map(|part| span(part, broken)).collect()
}

fn span(span: &Span, broken: &str) -> String {
    let text = prose(span.plain()).to_string();
    let lines: Vec<_> = text.split('\n').map(str::trim).collect();
    let is_one = lines.len() == 1;
    // Blanks at the edges of a text hold it apart from its neighbours.
    let lines: Vec<_> = lines.into_iter().map(escape).collect();
    let escaped = match is_one {
        true => escape(&text),
        false => lines.join(broken),
    };
    if escaped.trim().is_empty() {
        return escaped;
    }
    match span {
        Span::Text { .. } => escaped,
        Span::Strong { .. } => format!("*{}*", escaped.trim()),
        Span::Code { .. } if is_one && !ends(&text) => format!("<code>{}</code>", text.trim()),
        Span::Code { .. } => escaped,
        Span::Link { url, .. } => match link(url) {
            Some(url) => format!("\"{}\":{url}", escaped.replace('\n', " ").trim()),
            None => escaped,
        },
    }
}
