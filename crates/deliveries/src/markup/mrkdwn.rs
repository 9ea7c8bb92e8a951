//! Slack. Foreign text is written as elements of rich text, which Slack shows letter by letter:
//! there is nothing in them that it reads as a mention, a link or a format. `mrkdwn`, which has
//! no way to write its own special characters, holds words of this program only, but for the
//! line that notifications show.

use serde_json::{Value, json};

use super::{address, shown};

/// Foreign text where `mrkdwn` is read: no mention, no link, and no format.
///
/// Slack gives a meaning to `&`, `<` and `>` and has references for them. It has none for
/// what makes text bold, slanted, struck out or code, nor for the emoji between colons:
/// letters that look alike stand for those.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in shown(text, 300).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '*' => safe.push('∗'),
            '_' => safe.push('＿'),
            '~' => safe.push('∼'),
            '`' => safe.push('ˋ'),
            ':' => safe.push('꞉'),
            '@' => safe.push('＠'),
            c => safe.push(c),
        }
    }
    safe
}

/// Foreign text of at most about so many characters, as it is.
pub fn text(text: &str, most: usize) -> Value {
    json!({"type": "text", "text": shown(text, most)})
}

/// The same with emphasis.
pub fn strong(text: &str, most: usize) -> Value {
    json!({"type": "text", "text": shown(text, most), "style": {"bold": true}})
}

/// Foreign text that leads to an address; only with emphasis where that is none.
pub fn link(text: &str, most: usize, url: Option<&str>) -> Value {
    match url.and_then(address) {
        Some(url) => {
            json!({"type": "link", "url": url, "text": shown(text, most), "style": {"bold": true}})
        }
        None => strong(text, most),
    }
}

/// A line of rich text.
pub fn section(elements: Vec<Value>) -> Value {
    json!({"type": "rich_text_section", "elements": elements})
}

/// Lines of rich text with a bullet each.
pub fn list(sections: Vec<Value>) -> Value {
    json!({"type": "rich_text_list", "style": "bullet", "elements": sections})
}
