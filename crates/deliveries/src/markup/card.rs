//! Adaptive Cards. Foreign text is written as runs of a `RichTextBlock`, in which no Markdown
//! is read. A `TextBlock` and a `FactSet` read some, and hold words of this program only.

use serde_json::{Value, json};

use super::{address, shown};

/// Foreign text of at most about so many characters, as it is. Readers write a date in their
/// own language where `{{DATE(` or `{{TIME(` is followed by one, even here.
fn inert(text: &str, most: usize) -> String {
    // The first time leaves pairs where there were three or more in a row.
    let apart = |text: String| text.replace("{{", "{\u{a0}{");
    apart(apart(shown(text, most)))
}

/// Foreign text.
pub fn run(text: &str, most: usize) -> Value {
    json!({"type": "TextRun", "text": inert(text, most)})
}

/// Foreign text with emphasis that leads to an address, where that is one.
pub fn link(text: &str, most: usize, url: Option<&str>) -> Value {
    let mut run = json!({"type": "TextRun", "text": inert(text, most), "weight": "Bolder"});
    if let Some(url) = url.and_then(address) {
        run["selectAction"] = open(&url);
    }
    run
}

/// What opens an address that was looked at.
fn open(url: &str) -> Value {
    json!({"type": "Action.OpenUrl", "url": url})
}

/// A button that opens an address, where that is one. The title is of this program.
pub fn button(title: &str, url: Option<&str>) -> Option<Value> {
    let mut action = open(&url.and_then(address)?);
    action["title"] = title.into();
    Some(action)
}

/// Runs on a line.
pub fn line(runs: Vec<Value>) -> Value {
    json!({"type": "RichTextBlock", "inlines": runs, "spacing": "Small"})
}
