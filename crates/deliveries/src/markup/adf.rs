//! The Atlassian Document Format, which Jira Cloud takes texts in: JSON, so that no text can
//! be taken for markup. Atlassian's schema refuses text nodes without text.

use countersign_text::{file, line, prose};
use serde_json::{Value, json};

use crate::doc::{Block, Doc, Span};
use crate::markup::link;

/// The document as a node `doc`.
pub fn render(doc: &Doc) -> Value {
    let content: Vec<_> = doc.blocks.iter().filter_map(block).collect();
    json!({ "version": 1, "type": "doc", "content": content })
}

/// Characters of the document as JSON: what Jira counts.
pub fn length(doc: &Doc) -> usize {
    render(doc).to_string().chars().count()
}

fn block(block: &Block) -> Option<Value> {
    match block {
        Block::Heading { text } => {
            let text = node(&line(text).to_string(), None)?;
            Some(json!({ "type": "heading", "attrs": { "level": 3 }, "content": [text] }))
        }
        Block::Paragraph { spans } => {
            let content = inline(spans);
            (!content.is_empty()).then(|| json!({ "type": "paragraph", "content": content }))
        }
        Block::List { items } => {
            let item =
                |item: &Vec<Span>| json!({ "type": "listItem", "content": [paragraph(item)] });
            let items: Vec<_> = items.iter().map(item).collect();
            (!items.is_empty()).then(|| json!({ "type": "bulletList", "content": items }))
        }
        Block::Code { text } => {
            let text = node(&file(text).to_string(), None)?;
            Some(json!({ "type": "codeBlock", "content": [text] }))
        }
        Block::Table { head, rows } => table(head, rows),
    }
}

fn table(head: &[String], rows: &[Vec<Vec<Span>>]) -> Option<Value> {
    let cell = |kind: &str, spans: &[Span]| json!({ "type": kind, "content": [paragraph(spans)] });
    let row = |cells: Vec<Value>| json!({ "type": "tableRow", "content": cells });
    let heads = head.iter().map(|text| cell("tableHeader", &[Span::strong(text)])).collect();
    let heads = (!head.is_empty()).then(|| row(heads));
    let filled = rows.iter().filter(|cells| !cells.is_empty());
    let filled = filled.map(|cells| row(cells.iter().map(|c| cell("tableCell", c)).collect()));
    let rows: Vec<_> = heads.into_iter().chain(filled).collect();
    (!rows.is_empty()).then(|| json!({ "type": "table", "content": rows }))
}

/// Cells and items have one even where it says nothing.
fn paragraph(spans: &[Span]) -> Value {
    json!({ "type": "paragraph", "content": inline(spans) })
}

fn inline(spans: &[Span]) -> Vec<Value> {
    let mut content = Vec::new();
    for span in spans {
        let text = prose(span.plain()).to_string();
        for (at, part) in text.split('\n').enumerate() {
            if at > 0 {
                content.push(json!({ "type": "hardBreak" }));
            }
            content.extend(node(part, mark(span)));
        }
    }
    content
}

fn mark(span: &Span) -> Option<Value> {
    match span {
        Span::Text { .. } => None,
        Span::Strong { .. } => Some(json!({ "type": "strong" })),
        Span::Code { .. } => Some(json!({ "type": "code" })),
        Span::Link { url, .. } => Some(json!({ "type": "link", "attrs": { "href": link(url)? } })),
    }
}

fn node(text: &str, mark: Option<Value>) -> Option<Value> {
    let marks: Vec<_> = mark.into_iter().collect();
    match (text.is_empty(), marks.is_empty()) {
        (true, _) => None,
        (false, true) => Some(json!({ "type": "text", "text": text })),
        (false, false) => Some(json!({ "type": "text", "text": text, "marks": marks })),
    }
}
