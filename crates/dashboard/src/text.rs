//! Words from elsewhere, as HTML: inert, and with what would hide or turn other words
//! around made visible.

use std::fmt::{self, Write};

use countersign_text::html::{TEXT, escape};
use countersign_text::{cut, is_odd, say_missing};
use countersign_web::moment::{Moment, from_now};

/// One line of text. Written as HTML, so templates mark it as safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown(String);

impl Shown {
    pub(super) fn new(text: &str) -> Self {
        Self(format!("<bdi>{}</bdi>", html(text, Breaks::Odd)))
    }

    /// At most so many characters.
    pub(super) fn cut(text: &str, chars: usize) -> Self {
        match text.char_indices().nth(chars) {
            Some((at, _)) => Self::new(&format!("{}…", &text[..at])),
            None => Self::new(text),
        }
    }

    /// A moment, which a browser with scripts shows in its own zone, and how far it is.
    pub(super) fn moment(at: Moment, now_ms: i64) -> Self {
        Self(format!("{}, {}", time(at), from_now(at.0, now_ms)))
    }

    /// What a service wrote as a time: such a moment, or the words.
    pub(super) fn written_time(text: &str, chars: usize) -> Self {
        Moment::parse(text).map_or_else(|| Self::cut(text, chars), |at| Self(time(at)))
    }

    /// An address, as a link where it can be followed.
    pub(super) fn address(text: &str) -> Self {
        match is_followed(text) {
            true => Self(format!(
                "<a href=\"{address}\" rel=\"noreferrer noopener nofollow\">{address}</a>",
                address = escaped(text)
            )),
            false => Self::new(text),
        }
    }

    /// Several lines of text.
    pub(super) fn prose(text: &str) -> Self {
        Self(html(text, Breaks::Kept))
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn time(at: Moment) -> String {
    format!("<time datetime=\"{}\">{at}</time>", at.iso())
}

/// Whether line breaks and tabs are text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Breaks {
    Kept,
    Odd,
}

fn html(text: &str, breaks: Breaks) -> String {
    let mut html = String::with_capacity(text.len());
    // A `String` takes every character.
    let _ = write_html(&mut html, text, breaks);
    html
}

fn write_html(html: &mut String, text: &str, breaks: Breaks) -> fmt::Result {
    let (mut rest, missing) = cut(text, TEXT);
    while let Some(at) = rest.find(is_odd) {
        let (plain, tail) = rest.split_at(at);
        escape(html, plain)?;
        let odd = tail.chars().next().unwrap_or_default();
        rest = &tail[odd.len_utf8()..];
        match (odd, breaks) {
            ('\r', _) if rest.starts_with('\n') => {}
            ('\n' | '\t', Breaks::Kept) => html.push(odd),
            ('\n' | '\t', Breaks::Odd) => html.push(' '),
            _ => write!(
                html,
                "<span class=\"odd\" title=\"a character that cannot be seen\">U+{:04X}</span>",
                u32::from(odd)
            )?,
        }
    }
    escape(html, rest)?;
    say_missing(html, missing)
}

/// An address that can be followed: the web's, without anything odd in it.
fn is_followed(address: &str) -> bool {
    let is_web = |url: &url::Url| matches!(url.scheme(), "https" | "http");
    address.len() <= 2000
        && !address.chars().any(|c| is_odd(c) || c.is_whitespace())
        && url::Url::parse(address).is_ok_and(|url| is_web(&url) && url.has_host())
}

/// Text for HTML and SVG.
pub(super) fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    // A `String` takes every character.
    let _ = countersign_text::html::shown(&mut html, text);
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hides_and_nothing_runs() {
        for (text, html) in [
            ("a<b & \"c\" 'd'", "a&lt;b &amp; &quot;c&quot; &#39;d&#39;"),
            ("日本語 🎈", "日本語 🎈"),
            ("two\nlines", "two lines"),
        ] {
            assert_eq!(Shown::new(text).to_string(), format!("<bdi>{html}</bdi>"));
        }
        for odd in ["\u{202e}", "\u{200b}", "\u{0}", "\u{7f}", "\u{feff}", "\u{e0041}", "\u{2028}"]
        {
            let shown = Shown::new(&format!("a{odd}b")).to_string();
            assert!(!shown.contains(odd) && shown.contains("U+"), "{shown}");
            let shown = Shown::prose(&format!("a{odd}b")).to_string();
            assert!(!shown.contains(odd) && shown.contains("U+"), "{shown}");
        }
        assert_eq!(Shown::prose("a\r\n\tb\rc").to_string().matches("U+000D").count(), 1);
        assert_eq!(Shown::cut("äöü", 2).to_string(), "<bdi>äö…</bdi>");
        assert_eq!(Shown::cut("äöü", 3).to_string(), "<bdi>äöü</bdi>");
    }

    #[test]
    fn only_the_web_is_followed() {
        assert!(is_followed("https://cwe.mitre.org/data/definitions/89.html"));
        for bad in [
            "javascript:alert(1)",
            "data:text/html,x",
            "https://a\u{202e}b/",
            "/x",
            "https:",
            "java\nscript:x",
            " https://a/",
        ] {
            assert!(!is_followed(bad), "{bad}");
        }
    }
}
