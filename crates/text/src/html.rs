//! Text in HTML: inert, and with what hides or turns other text around made visible.

use std::fmt::{self, Write};

use crate::odd::{Piece, pieces};
use crate::shown::{cut, mark, say_missing};

/// Characters of one text on a page.
pub const TEXT: usize = 100_000;

/// The five characters that HTML gives a meaning to, as references.
pub fn escape(out: &mut (impl Write + ?Sized), text: &str) -> fmt::Result {
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
        out.write_str(&rest[..at])?;
        out.write_str(match rest.as_bytes()[at] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            _ => "&#39;",
        })?;
        rest = &rest[at + 1..];
    }
    out.write_str(rest)
}

/// Text of an element or of an attribute: breaks and tabs stay, which a browser takes
/// for blanks.
pub fn shown(out: &mut (impl Write + ?Sized), text: &str) -> fmt::Result {
    let (kept, missing) = cut(text, TEXT);
    for piece in pieces(kept) {
        match piece {
            Piece::Plain(text) => escape(out, text)?,
            Piece::Odd('\r') => out.write_char('\n')?,
            Piece::Odd(c @ ('\n' | '\t')) => out.write_char(c)?,
            Piece::Odd(c) => {
                let mut marked = String::new();
                mark(&mut marked, c)?;
                escape(out, &marked)?;
            }
        }
    }
    say_missing(out, missing)
}

/// What a field of a form holds and gives back as it is: odd characters are references.
pub fn field(text: impl AsRef<str>) -> String {
    let text = text.as_ref();
    let mut html = String::with_capacity(text.len());
    for piece in pieces(text) {
        // A `String` takes every character.
        let _ = match piece {
            Piece::Plain(text) => escape(&mut html, text),
            Piece::Odd(c) => write!(html, "&#x{:X};", u32::from(c)),
        };
    }
    html
}

/// What templates write expressions with.
#[cfg(feature = "pages")]
#[derive(Debug, Clone, Copy, Default)]
pub struct Page;

#[cfg(feature = "pages")]
impl askama::filters::Escaper for Page {
    fn write_escaped_str<W: Write>(&self, mut out: W, text: &str) -> fmt::Result {
        shown(&mut out, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::is_odd;
    use proptest::prelude::*;

    fn html(text: &str) -> String {
        let mut html = String::new();
        shown(&mut html, text).unwrap();
        html
    }

    #[test]
    fn text_is_inert_and_nothing_hides() {
        assert_eq!(html("<b title=\"x\">'&"), "&lt;b title=&quot;x&quot;&gt;&#39;&amp;");
        assert_eq!(html("a\u{202e}b\u{1b}\r\n\tc"), "a&lt;U+202E&gt;b&lt;U+001B&gt;\n\n\tc");
        assert_eq!(field("<\u{200d}\n"), "&lt;&#x200D;&#xA;");
        assert!(html(&"<".repeat(1_000_000)).ends_with("&lt;… (900000 more characters)"));
    }

    proptest! {
        #[test]
        fn nothing_odd_is_in_a_page(text in any::<String>()) {
            prop_assert!(!html(&text).replace(['\n', '\t'], "").contains(is_odd));
            prop_assert!(!field(&text).contains(is_odd));
            prop_assert!(!html(&text).contains(['<', '>', '"', '\'']));
        }
    }
}
