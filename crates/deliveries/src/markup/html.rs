//! HTML of mails.

use super::{address, shown};

/// Foreign text of at most about so many characters, inert in an element or an attribute.
pub fn text(text: &str, most: usize) -> String {
    let mut html = String::new();
    // A `String` takes every character.
    let _ = countersign_text::html::escape(&mut html, &shown(text, most));
    html
}

/// Foreign text that leads to an address, where that is one.
pub fn link(words: &str, most: usize, url: Option<&str>) -> String {
    let words = text(words, most);
    match url.and_then(address) {
        Some(url) => format!("<a href=\"{}\">{words}</a>", text(&url, usize::MAX)),
        None => words,
    }
}
