//! What foreign text can do in Markdown: nothing.

use countersign_deliveries::doc::{Block, Doc, Span};
use countersign_deliveries::markup::markdown::{BREAK, escape, render, size};
use countersign_text::{is_odd, line, prose};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::json;

const MOST: usize = 65_536;

fn of(blocks: Vec<Block>) -> String {
    render(&Doc { blocks }, MOST)
}

fn paragraph(spans: Vec<Span>) -> String {
    of(vec![Block::Paragraph { spans }])
}

#[test]
fn nobody_is_mentioned_and_nothing_is_referred_to() {
    assert_eq!(escape("@octocat"), "@&#8203;octocat");
    assert_eq!(escape("me@example.com"), "me@&#8203;example.com");
    assert_eq!(escape("fixes #1"), "fixes \\#&#8203;1");
    assert_eq!(escape("o/r#12"), "o/r\\#&#8203;12");
    assert_eq!(escape("GH-12 gh-1"), "GH&#8203;-12 gh&#8203;-1");
    assert_eq!(escape("a5c3785ed8d6a35868bc169f07e40e889087fd2e").matches(BREAK).count(), 6);
    assert_eq!(escape("1234567"), "123456&#8203;7");
    assert_eq!(escape("https://example.com"), "https:&#8203;//example.com");
    assert_eq!(escape("www.example.com"), "www&#8203;.example.com");
    assert_eq!(paragraph(vec![Span::text("#"), Span::text("12")]), "\\#&#8203;12");
    assert_eq!(paragraph(vec![Span::text("@"), Span::text("octocat")]), "@&#8203;octocat");
}

#[test]
fn no_line_is_a_block_or_a_command() {
    for (text, escaped) in [
        ("/close", "\\/close"),
        ("- a", "\\- a"),
        ("+ a", "\\+ a"),
        ("* a", "\\* a"),
        ("1. a", "1\\. a"),
        ("12) a", "12\\) a"),
        ("# a", "\\# a"),
        ("> a", "&gt; a"),
        ("===", "\\==="),
        (":-:", "\\:-:"),
        ("    a", "a"),
        ("```", "\\`\\`\\`"),
        ("~~~", "\\~\\~\\~"),
        ("a\n/close\n    b", "a\n\\/close\nb"),
        ("a | b\n--- | ---", "a &#124; b\n\\--- &#124; ---"),
        ("![x](y)", "!\\[x\\](y)"),
        ("<!-- countersign:a:b -->", "&lt;!-- countersign:a:b --&gt;"),
        ("&lt;b&gt;", "&amp;lt;b&amp;gt;"),
        ("$a$", "<span>$</span>a<span>$</span>"),
    ] {
        assert_eq!(escape(text), escaped);
    }
    let shown = of(vec![Block::List { items: vec![vec![Span::text("/close")]] }]);
    assert_eq!(shown, "- \\/close");
    let link = Span::Link { text: "x".into(), url: "https://example.com/a".into() };
    let shown = paragraph(vec![Span::text("look!"), link]);
    assert_eq!(shown, "look\\![x](https://example.com/a)", "it is no image");
}

#[test]
fn code_ends_where_it_should() {
    let code = |text: &str| Span::code(text);
    assert_eq!(paragraph(vec![code("a`b")]), "``a`b``");
    assert_eq!(paragraph(vec![code("`")]), "`` ` ``");
    assert_eq!(paragraph(vec![code("a"), code("``b")]), "`a` ``` ``b ```");
    assert_eq!(paragraph(vec![code("<!-- countersign:a:b -->")]), "`<! -- countersign:a:b -->`");
    let block = |text: &str| of(vec![Block::Code { text: text.into() }]);
    assert_eq!(block("a\n```\nb\n"), "````\na\n```\nb\n````");
    assert_eq!(
        block("/close\n@x\n<!-- countersign:a:b -->"),
        "```\n /close\n @x\n<! -- countersign:a:b -->\n```"
    );
    assert_eq!(block("a\u{202e}b"), "```\na<U+202E>b\n```");
    assert_eq!(block(" \n"), "");
}

#[test]
fn tables_keep_their_columns() {
    let row = vec![vec![Span::code("a\\|b")], vec![Span::text("c|d\ne")], vec![Span::text("f")]];
    let table = Block::Table { head: vec!["x|y".into(), "z".into()], rows: vec![row, vec![]] };
    assert_eq!(
        of(vec![table]),
        "| x&#124;y | z |\n| --- | --- |\n| <code>a\\\\&#124;b</code> | c&#124;d e |\n|  |  |"
    );
}

#[test]
fn only_addresses_of_the_web_are_links() {
    let link = |url: &str| paragraph(vec![Span::Link { text: "x".into(), url: url.into() }]);
    assert_eq!(link("javascript:alert(1)"), "x (`javascript:alert(1)`)");
    assert_eq!(link("https://u:p@example.com/"), "x (`https://u:p@example.com/`)");
    let issue = "https://github.com/o/r/issues/1";
    assert_eq!(link(issue), format!("x (`{issue}`)"), "that issue would say it was mentioned");
    assert_eq!(
        link("https://example.com/a(b)|c?d=1&copy;=2"),
        "[x](https://example.com/a%28b%29%7Cc?d=1&amp;copy;=2)"
    );
}

#[test]
fn what_is_too_long_is_cut_and_says_so() {
    let rows = vec![vec![vec![Span::text("a")]]; 100_000];
    let table = Block::Table { head: vec!["b".into()], rows };
    let code = Block::Code { text: "c".repeat(19_000) };
    let items = Block::List { items: vec![vec![Span::text("d".repeat(900))]; 1_000] };
    for block in [table, code, items] {
        let first = Block::Heading { text: "x".into() };
        let doc = Doc { blocks: vec![first, block] };
        let shown = render(&doc, 10_000);
        assert!(size(&shown) <= 10_000 && size(&shown) > 4_000, "{}", size(&shown));
        assert!(shown.ends_with("the rest is not shown here.*"));
    }
}

/// What a reader of Markdown makes of text without markup: references are characters, and
/// what a backslash is before is itself.
fn read(markdown: &str) -> String {
    let mut text = String::new();
    let mut rest = markdown;
    while let Some(c) = rest.chars().next() {
        let known = [
            ("&amp;", "&"),
            ("&lt;", "<"),
            ("&gt;", ">"),
            ("&#124;", "|"),
            ("&#8203;", "\u{200b}"),
            ("<span>$</span>", "$"),
        ];
        if let Some((from, to)) = known.iter().find(|(from, _)| rest.starts_with(from)) {
            text.push_str(to);
            rest = &rest[from.len()..];
            continue;
        }
        let escaped = rest.chars().nth(1).filter(|next| c == '\\' && next.is_ascii_punctuation());
        assert!(
            escaped.is_some() || !"\\`*_[]<>|~$&".contains(c),
            "{c:?} is alive in {markdown:?}"
        );
        let shown = escaped.unwrap_or(c);
        text.push(shown);
        rest = &rest[c.len_utf8() + escaped.map_or(0, char::len_utf8)..];
    }
    text
}

/// What GitHub looks for in what was rendered.
fn refers(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let after = |mark: &str, is: fn(char) -> bool| {
        lower.match_indices(mark).find(|(at, _)| lower[at + mark.len()..].starts_with(is))
    };
    let found = after("@", |c| c != '\u{200b}')
        .or(after("#", |c| c.is_ascii_digit()))
        .or(after("://", |_| true));
    if let Some((at, _)) = found {
        return Some(text[at..].to_owned());
    }
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric());
    let hash = words
        .into_iter()
        .find(|word| word.len() >= 7 && word.bytes().all(|byte| byte.is_ascii_hexdigit()));
    hash.map(str::to_owned)
}

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(
        &[
            "@",
            "octocat",
            "#",
            "12",
            "GH-",
            "gh",
            "-1",
            "fixes ",
            "o/r",
            "http",
            "s:",
            "//",
            "www.",
            "a.b",
            "deadbeef",
            "0123456",
            "<!--",
            "-->",
            "countersign:a:b",
            "<b>",
            "&lt;",
            "`",
            "```",
            "~~~",
            "*",
            "**",
            "_",
            "[",
            "](",
            ")",
            "!",
            "|",
            "\\",
            "$",
            "\n",
            "\r\n",
            "\t",
            " ",
            "    ",
            "/close",
            "- ",
            "1.",
            "> ",
            "===",
            "---",
            ":",
            "\u{202e}",
            "\u{200b}",
            "é",
            "日",
            "🎈",
            "x",
        ][..],
    );
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn span() -> impl Strategy<Value = Span> {
    let url = prop_oneof![Just("https://example.com/a?b=`|".to_owned()), hostile()];
    (0..4, hostile(), url).prop_map(|(kind, text, url)| match kind {
        0 => Span::Text { text },
        1 => Span::Strong { text },
        2 => Span::Code { text },
        _ => Span::Link { text, url },
    })
}

fn doc() -> impl Strategy<Value = Doc> {
    let spans = || vec(span(), 0..5);
    let block = prop_oneof![
        hostile().prop_map(|text| Block::Heading { text }),
        spans().prop_map(|spans| Block::Paragraph { spans }),
        vec(spans(), 0..4).prop_map(|items| Block::List { items }),
        hostile().prop_map(|text| Block::Code { text }),
        (vec(hostile(), 0..3), vec(vec(spans(), 0..3), 0..3))
            .prop_map(|(head, rows)| Block::Table { head, rows }),
    ];
    vec(block, 0..6).prop_map(|blocks| Doc { blocks })
}

proptest! {
    #[test]
    fn text_comes_back_as_it_was(text in hostile()) {
        let shown = line(&text).to_string();
        let back = read(&escape(&shown));
        prop_assert_eq!(back.replace('\u{200b}', ""), shown.trim_start());
        prop_assert_eq!(refers(&back), None);
    }

    #[test]
    fn any_text_at_all(text in any::<String>()) {
        let shown = line(&text).to_string();
        prop_assert_eq!(read(&escape(&shown)).replace('\u{200b}', ""), shown.trim_start());
    }

    #[test]
    fn code_between_code_is_what_it_was(texts in vec(hostile(), 1..5)) {
        let spans = texts.iter().map(Span::code).collect();
        let shown = line_of_codes(&paragraph(spans));
        let plain = |text: &String| line(text).to_string().replace("<!--", "<! --");
        let all: Vec<_> = texts.iter().map(plain).filter(|text| !text.trim().is_empty()).collect();
        prop_assert_eq!(shown, all);
    }

    #[test]
    fn nothing_is_over_the_limit_or_alive(doc in doc(), most in 0..3_000_usize) {
        let shown = render(&doc, most);
        prop_assert!(size(&shown) <= most);
        let whole = render(&doc, MOST);
        prop_assert!(!whole.contains("<!--"), "{}", whole);
        prop_assert!(!whole.replace('\n', "").contains(is_odd));
        for line in whole.lines() {
            prop_assert!(!line.starts_with('/'), "{}", whole);
            prop_assert!(!line.starts_with('@') || line[1..].starts_with(BREAK), "{}", whole);
        }
    }

    #[test]
    fn no_link_is_an_image(texts in vec(hostile(), 1..5)) {
        let link = || Span::Link { text: "x".into(), url: "https://example.com/".into() };
        let spans = texts.into_iter().flat_map(|text| [Span::Text { text }, link()]).collect();
        let shown = paragraph(spans);
        for (at, _) in shown.match_indices("![") {
            prop_assert!(shown[..at].ends_with('\\'), "{}", shown);
        }
    }
}

/// Spans of code as CommonMark reads them: a run of backticks ends at the next as long.
fn line_of_codes(markdown: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = markdown.trim_start();
    while !rest.is_empty() {
        let run = rest.len() - rest.trim_start_matches('`').len();
        assert!(run > 0, "not code: {rest:?}");
        let mut at = run;
        let end = loop {
            let from = at + rest[at..].find('`').unwrap();
            let length = rest[from..].len() - rest[from..].trim_start_matches('`').len();
            if length == run {
                break from;
            }
            at = from + length;
        };
        let inner = &rest[run..end];
        let is_padded = inner.starts_with(' ') && inner.ends_with(' ') && !inner.trim().is_empty();
        found.push(if is_padded { inner[1..inner.len() - 1].to_owned() } else { inner.to_owned() });
        rest = rest[end + run..].trim_start();
    }
    found
}

/// What people should see of a document, without blanks.
fn visible(doc: &Doc) -> String {
    let mut text = String::new();
    for block in &doc.blocks {
        match block {
            Block::Heading { text: heading } => text.push_str(&line(heading).to_string()),
            Block::Paragraph { spans } => see(&mut text, spans),
            Block::List { items } => items.iter().for_each(|item| see(&mut text, item)),
            Block::Code { text: code } => {
                text.push_str(&prose(code).to_string().replace("<!--", "<! --"));
            }
            Block::Table { head, rows } if !head.is_empty() => {
                head.iter().for_each(|name| text.push_str(&line(name).to_string()));
                for cells in rows {
                    cells.iter().take(head.len()).for_each(|cell| see(&mut text, cell));
                }
            }
            Block::Table { .. } => {}
        }
    }
    text.retain(|c| !c.is_whitespace());
    text
}

fn see(out: &mut String, spans: &[Span]) {
    for span in spans {
        match span {
            Span::Text { text } | Span::Strong { text } => out.push_str(&prose(text).to_string()),
            Span::Code { text } => {
                out.push_str(&line(text).to_string().replace("<!--", "<! --"));
            }
            Span::Link { text, url } => {
                out.push_str(&line(text).to_string());
                // Those that are made up are addresses of the web or none at all.
                let is_link = url.starts_with("https://example.com/") && !text.trim().is_empty();
                if !is_link && text != url {
                    let url = line(url).to_string().replace("<!--", "<! --");
                    out.push_str(&format!("({url})"));
                }
            }
        }
    }
}

/// Documents for `conformance/receivers/markdown.py`, into the folder that
/// `COUNTERSIGN_MADE_UP` names.
#[test]
fn made_up_markdown() {
    let Ok(folder) = std::env::var("COUNTERSIGN_MADE_UP") else { return };
    std::fs::create_dir_all(&folder).unwrap();
    let mut runner = TestRunner::deterministic();
    let mut lines = String::new();
    for _ in 0..3_000 {
        let doc = doc().new_tree(&mut runner).unwrap().current();
        let shown = json!({"markdown": render(&doc, MOST), "visible": visible(&doc), "doc": doc});
        lines.push_str(&format!("{shown}\n"));
    }
    std::fs::write(std::path::Path::new(&folder).join("markdown.ndjson"), lines).unwrap();
}
