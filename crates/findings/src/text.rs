//! Descriptions as people read them. The record itself stays in the store.

use data_encoding::BASE64;

use crate::finding::ScanType;

/// Plain text of a description and the links in it. Those of components are plain text
/// as they are sent; those of flaws are HTML, of dynamic ones as base64 since 2025.
pub(crate) fn readable(description: &str, scan_type: &ScanType) -> (String, Vec<String>) {
    if *scan_type == ScanType::Sca {
        return (description.trim().to_owned(), Vec::new());
    }
    let decoded = decode_base64_html(description);
    html_to_text(decoded.as_deref().unwrap_or(description))
}

/// A text counts as encoded only when it decodes to something that starts like
/// a tag: plain words can be valid base64 too.
fn decode_base64_html(text: &str) -> Option<String> {
    let text = text.trim();
    // No letter of the alphabet: what is long need not be tried.
    if text.starts_with('<') {
        return None;
    }
    let bytes = BASE64.decode(text.as_bytes()).ok()?;
    String::from_utf8(bytes).ok().filter(|decoded| decoded.trim_start().starts_with('<'))
}

fn html_to_text(html: &str) -> (String, Vec<String>) {
    let mut text = String::with_capacity(html.len());
    let mut links = Vec::new();
    let mut rest = html;
    // After the last `>` there are no tags: looking for it once keeps this linear.
    let last_close = html.rfind('>').map_or(usize::MAX, |at| html.len() - at);
    while let Some(open) = rest.find('<') {
        push_text(&mut text, &rest[..open]);
        let tag_and_rest = &rest[open + 1..];
        // A `<` that starts no tag is a character like any other.
        let is_tag = tag_and_rest.len() >= last_close && starts_a_tag(tag_and_rest);
        let close = is_tag.then(|| tag_and_rest.find('>')).flatten();
        let Some(close) = close else {
            text.push('<');
            rest = tag_and_rest;
            continue;
        };
        let tag = &tag_and_rest[..close];
        if let Some(link) = href(tag) {
            links.push(link);
        }
        if ends_a_block(tag) && !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        rest = &tag_and_rest[close + 1..];
    }
    push_text(&mut text, rest);
    let mut lines = String::with_capacity(text.len());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if !lines.is_empty() {
            lines.push('\n');
        }
        lines.push_str(line);
    }
    (lines, links)
}

/// Whether a tag of formatted text starts here. Others, such as `<script>` or the `<T>`
/// of a type, are what the text is about.
fn starts_a_tag(text: &str) -> bool {
    const TAGS: [&str; 36] = [
        "a",
        "b",
        "blockquote",
        "body",
        "br",
        "code",
        "dd",
        "div",
        "dl",
        "dt",
        "em",
        "font",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "html",
        "i",
        "li",
        "ol",
        "p",
        "pre",
        "span",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "th",
        "tr",
        "u",
        "ul",
    ];
    let text = text.strip_prefix('/').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    TAGS.iter().any(|tag| tag.eq_ignore_ascii_case(&text[..end]))
}

fn ends_a_block(tag: &str) -> bool {
    let name = tag.trim_end_matches('/').trim();
    ["/span", "/p", "/div", "/li", "br"].iter().any(|block| name.eq_ignore_ascii_case(block))
}

/// The target of `<a href="…">` when it is an ordinary web address.
fn href(tag: &str) -> Option<String> {
    let attributes = tag.strip_prefix("a ").or_else(|| tag.strip_prefix("A "))?;
    let (_, value) = attributes.split_once("href=")?;
    let quote = value.chars().next().filter(|c| *c == '"' || *c == '\'')?;
    let target = decode_entities(value[1..].split(quote).next()?);
    (target.starts_with("https://") || target.starts_with("http://")).then_some(target)
}

/// With `&` and `;`.
const LONGEST_ENTITY: usize = 11;

fn decode_entities(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    push_text(&mut decoded, text);
    decoded
}

fn push_text(decoded: &mut String, piece: &str) {
    let mut rest = piece;
    while let Some(at) = rest.find('&') {
        decoded.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(LONGEST_ENTITY).position(|byte| byte == b';');
        match end.and_then(|end| entity(&rest[1..end]).map(|c| (c, end))) {
            Some((character, end)) => {
                decoded.push(character);
                rest = &rest[end + 1..];
            }
            None => {
                decoded.push('&');
                rest = &rest[1..];
            }
        }
    }
    decoded.push_str(rest);
}

fn entity(name: &str) -> Option<char> {
    Some(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    })
}

/// Vectors and scores sometimes carry zero-width characters.
pub(crate) fn without_invisible(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FLAWS: [ScanType; 3] = [ScanType::Static, ScanType::Dynamic, ScanType::Manual];

    #[test]
    fn html_becomes_text_and_links() {
        let html = "<span>Call to f&lt;T&gt;() &amp; more.</span> <span>Fix &#39;it&#x27;.</span> <span>References: <a href=\"https://example.com/89\">CWE</a></span>";
        for scan_type in FLAWS {
            let (text, links) = readable(html, &scan_type);
            assert_eq!(text, "Call to f<T>() & more.\nFix 'it'.\nReferences: CWE");
            assert_eq!(links, ["https://example.com/89"]);
            assert_eq!(readable(&BASE64.encode(html.as_bytes()), &scan_type), (text, links));
        }
    }

    #[test]
    fn the_scan_type_says_what_is_html() {
        for words in [
            "<script> tags are passed through by jquery, which <b>everybody</b> uses.",
            "<a href=\"https://example.com\"> is not sanitised &amp; stays.",
            "<span>okio</span> is vulnerable.",
            "PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
            "okio is vulnerable.",
            "a &lt; b",
        ] {
            assert_eq!(
                readable(&format!(" {words}\n"), &ScanType::Sca),
                (words.to_owned(), vec![])
            );
        }
        for scan_type in FLAWS {
            for (html, text) in [
                ("Call <b>it</b> &lt;T&gt;", "Call it <T>"),
                ("<script>alert(1)</script> is sent", "<script>alert(1)</script> is sent"),
                ("the <input> of <SPAN class=x>a form</SPAN>", "the <input> of a form"),
                ("if a < b && c > d", "if a < b && c > d"),
                ("List<String> x", "List<String> x"),
                ("YWJjZA==", "YWJjZA=="),
                ("abcd", "abcd"),
            ] {
                assert_eq!(readable(html, &scan_type).0, text);
            }
        }
        assert_eq!(readable("<b>1 < 2</b>", &ScanType::Static).0, "1 < 2");
        assert!(readable("<a href=\"javascript:alert(1)\">x</a>", &ScanType::Static).1.is_empty());
    }

    #[test]
    fn five_megabytes_are_read_whole() {
        const TIMES: usize = 1_250_000;
        let read = |html: &str| readable(html, &ScanType::Dynamic).0;
        assert_eq!(read(&format!("<b>{}", "<a<a".repeat(TIMES))).len(), 4 * TIMES);
        assert_eq!(read(&"<a<a".repeat(TIMES)).len(), 4 * TIMES);
        assert_eq!(read(&format!("<b>{}", "&&&&".repeat(TIMES))).len(), 4 * TIMES);
        assert_eq!(read(&format!("<b>{}", "< < ".repeat(TIMES))).len(), 4 * TIMES - 1);
        assert_eq!(read(&format!("<b>{}>", "<a<a".repeat(TIMES))), "");
        assert_eq!(read(&format!("<b>{}", "&gt;".repeat(TIMES))).len(), TIMES);
    }

    proptest! {
        #[test]
        fn no_input_panics(text in "\\PC{0,200}", html in "[<>&;#xa/\" =spanhref]{0,100}") {
            readable(&text, &ScanType::Static);
            readable(&format!("<{html}"), &ScanType::Static);
        }
    }
}
