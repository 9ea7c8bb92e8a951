//! The markups: what is written says the same and does nothing, and is never too long.

use countersign_deliveries::doc::{Block, Doc, Span};
use countersign_deliveries::markup::{adf, fit, textile, wiki};
use countersign_text::line;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::tickets::{HOSTILE, doc, hostile, said};

/// What a browser makes of references.
fn read(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("&#") {
        out.push_str(&rest[..at]);
        let (number, tail) = rest[at + 2..].split_once(';').unwrap();
        out.push(char::from_u32(number.parse().unwrap()).unwrap());
        rest = tail;
    }
    out + rest
}

/// Without references, which are no markup.
fn bare(text: &str) -> String {
    let mut parts = text.split("&#");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + "\u{1}" + part.split_once(';').unwrap().1)
}

const WIKI: [char; 21] = [
    '{', '}', '[', ']', '*', '+', '^', '~', '|', '!', '#', '@', '\\', '(', ')', '?', '%', '&', '<',
    '>', '"',
];

#[test]
fn what_looks_like_markup_is_text() {
    assert_eq!(wiki::escape("{code}[~x] a\\\\"), "&#123;code&#125;&#91;&#126;x&#93; a&#92;&#92;");
    assert_eq!(wiki::escape("CVE-2021-1 snake_case"), "CVE-2021-1 snake_case");
    assert_eq!(wiki::escape("-a- _b_"), "&#45;a&#45; &#95;b&#95;");
    assert_eq!(wiki::escape("h1. x"), "h1&#46; x");
    assert_eq!(wiki::escape("file.c:12: bad"), "file.c:12: bad");
    assert_eq!(textile::escape("r12 #12 @me"), "&#114;12 &#35;12 &#64;me");
    assert_eq!(textile::escape("bq. x"), "bq&#46; x");
    assert_eq!(textile::escape("commit:abc"), "commit&#58;abc");
    for text in HOSTILE {
        assert!(!bare(&wiki::escape(text)).contains(WIKI), "{text}");
        assert!(!bare(&textile::escape(text)).contains(WIKI), "{text}");
    }
}

#[test]
fn preformatted_text_has_no_way_out() {
    let code = |text: &str| Doc { blocks: vec![Block::Code { text: text.to_owned() }] };
    assert_eq!(wiki::render(&code("a {b}")), "{noformat}\na {b}\n{noformat}");
    let out = wiki::render(&code("a\n{NoFormat}\n{code}b{code}"));
    assert!(!bare(&out).replace("{{", "").replace("}}", "").contains(WIKI), "{out}");
    assert_eq!(textile::render(&code("List<String> {{x}}")), "<pre>\nList<String> {{x}}\n</pre>");
    let out = textile::render(&code("a</PRE>\n!x!"));
    assert!(!bare(&out).contains(WIKI), "{out}");
}

#[test]
fn only_addresses_of_the_web_are_links() {
    let link = |url: &str| {
        Doc::default().paragraph(vec![Span::Link { text: "a".to_owned(), url: url.to_owned() }])
    };
    for url in ["javascript:alert(1)", "data:text/html,x", "https://me:secret@example.com/", "x"] {
        assert_eq!(wiki::render(&link(url)), "a");
        assert_eq!(textile::render(&link(url)), "a");
        assert!(!adf::render(&link(url)).to_string().contains("link"), "{url}");
    }
    let url = "https://example.com/a|b]c(d)@e";
    assert_eq!(wiki::render(&link(url)), "[a|https://example.com/a%7Cb%5Dc%28d%29%40e]");
    assert_eq!(textile::render(&link(url)), "\"a\":https://example.com/a%7Cb%5Dc%28d%29%40e");
}

/// All text nodes.
fn texts(node: &Value) -> Vec<&str> {
    let below = node["content"].as_array().into_iter().flatten().flat_map(texts);
    node["text"].as_str().into_iter().chain(below).collect()
}

#[test]
fn a_document_is_a_tree() {
    let doc = Doc::default().paragraph(vec![
        Span::text("a\nb"),
        Span::text(""),
        Span::strong("c"),
        Span::Link { text: "d".to_owned(), url: "https://example.com".to_owned() },
    ]);
    assert_eq!(
        adf::render(&doc)["content"][0]["content"],
        json!([
            { "type": "text", "text": "a" },
            { "type": "hardBreak" },
            { "type": "text", "text": "b" },
            { "type": "text", "text": "c", "marks": [{ "type": "strong" }] },
            { "type": "text", "text": "d",
              "marks": [{ "type": "link", "attrs": { "href": "https://example.com/" } }] },
        ])
    );
}

#[test]
fn the_beginning_of_what_is_too_long_is_kept() {
    let doc = Doc {
        blocks: said("first")
            .blocks
            .into_iter()
            .chain([
                Block::Code { text: "<".repeat(100_000) },
                Block::Heading { text: "last".to_owned() },
            ])
            .collect(),
    };
    for (text, most) in [
        (wiki::render(&fit(&doc, 32_767, wiki::length)), 32_767),
        (textile::render(&fit(&doc, 60_000, textile::length)), 60_000),
        (adf::render(&fit(&doc, 32_767, adf::length)).to_string(), 32_767),
    ] {
        assert!(text.contains("first") && text.contains("too long"), "{}", text.len());
        assert!((most / 4..=most).contains(&text.len()), "{}", text.len());
    }
    assert_eq!(fit(&said("short"), 100, wiki::length), said("short"));
}

proptest! {
    #[test]
    fn a_text_reads_the_same(text in hostile()) {
        let shown = line(&text).at_most(20_000).to_string();
        prop_assert_eq!(read(&wiki::escape(&text)), shown.as_str());
        prop_assert_eq!(read(&textile::escape(&text)), shown.as_str());
    }

    #[test]
    fn no_text_is_markup(text in hostile()) {
        prop_assert!(!bare(&wiki::escape(&text)).contains(WIKI));
        prop_assert!(!bare(&textile::escape(&text)).contains(WIKI));
    }

    #[test]
    fn no_text_node_is_empty(doc in doc()) {
        let tree = adf::render(&doc);
        prop_assert!(texts(&tree).iter().all(|text| !text.is_empty()), "{tree}");
    }

    #[test]
    fn nothing_is_too_long(doc in doc(), most in 200..3_000usize) {
        prop_assert!(adf::length(&fit(&doc, most, adf::length)) <= most);
        prop_assert!(wiki::length(&fit(&doc, most, wiki::length)) <= most);
        prop_assert!(textile::length(&fit(&doc, most, textile::length)) <= most);
    }
}
