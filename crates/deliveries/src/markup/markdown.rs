//! GitHub-flavoured Markdown.
//!
//! Foreign text does nothing there: it has no markup, mentions nobody, refers to no issue and
//! no commit, is no link, no image and no HTML, and no line of it is a command of a robot.
//! References are looked for after the Markdown was rendered, so a backslash before `@` or `#`
//! does not help: a zero-width space behind it, written as [`BREAK`], does. Anything in the
//! text itself that has no shape is shown as its number.

use std::fmt::Write;

use countersign_text::{line, prose};
use url::Url;

use crate::doc::{Block, Doc, Span};

/// What keeps two characters apart without being seen.
pub const BREAK: &str = "&#8203;";

/// What is below a text that was cut.
const CUT: &str = "\n\n*The text was too long: the rest is not shown here.*";

/// Digits that are no commit yet: it takes seven.
const HASH_DIGITS: usize = 6;

/// How long a text is: receivers count differently, and none counts more than UTF-16 does
/// for what is within its limits.
pub fn size(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The document, with a note at its end where it did not fit into `most` (see [`size`]).
pub fn render(doc: &Doc, most: usize) -> String {
    let whole = blocks(&doc.blocks);
    if size(&whole) <= most {
        return whole;
    }
    let Some(room) = most.checked_sub(size(CUT)) else { return String::new() };
    let mut kept = Vec::new();
    for next in &doc.blocks {
        kept.push(next.clone());
        if size(&blocks(&kept)) > room {
            kept.pop();
            kept.extend(shortened(&kept, next, room));
            break;
        }
    }
    blocks(&kept) + CUT
}

/// The longest beginning of a block that fits behind others, of those that halving finds.
fn shortened(before: &[Block], block: &Block, room: usize) -> Option<Block> {
    let mut keep = length(block) / 2;
    while keep > 0 {
        let part = beginning(block, keep);
        let mut all = before.to_vec();
        all.push(part.clone());
        if size(&blocks(&all)) <= room {
            return Some(part);
        }
        keep /= 2;
    }
    None
}

fn length(block: &Block) -> usize {
    match block {
        Block::Heading { .. } => 0,
        Block::Paragraph { spans } => spans.iter().map(|span| span.plain().chars().count()).sum(),
        Block::List { items } => items.len(),
        Block::Code { text } => text.chars().count(),
        Block::Table { rows, .. } => rows.len(),
    }
}

fn beginning(block: &Block, keep: usize) -> Block {
    match block {
        Block::Paragraph { spans } => Block::Paragraph { spans: first_characters(spans, keep) },
        Block::List { items } => Block::List { items: items[..keep].to_vec() },
        Block::Code { text } => Block::Code { text: text.chars().take(keep).collect() },
        Block::Table { head, rows } => {
            Block::Table { head: head.clone(), rows: rows[..keep].to_vec() }
        }
        Block::Heading { .. } => block.clone(),
    }
}

fn first_characters(spans: &[Span], keep: usize) -> Vec<Span> {
    let mut left = keep;
    let mut kept = Vec::new();
    for span in spans {
        let mut span = span.clone();
        let (Span::Text { text }
        | Span::Strong { text }
        | Span::Code { text }
        | Span::Link { text, .. }) = &mut span;
        *text = text.chars().take(left).collect();
        left -= text.chars().count();
        if !text.is_empty() {
            kept.push(span);
        }
    }
    kept
}

fn blocks(all: &[Block]) -> String {
    let rendered: Vec<_> = all.iter().map(block).filter(|text| !text.is_empty()).collect();
    rendered.join("\n\n")
}

fn block(block: &Block) -> String {
    match block {
        Block::Heading { text } => match escape(&one_line(text)) {
            empty if empty.is_empty() => empty,
            text => format!("### {text}"),
        },
        Block::Paragraph { spans } => line_of(spans, Within::Lines),
        Block::List { items } => list(items),
        Block::Code { text } => fence(text),
        Block::Table { head, rows } => table(head, rows),
    }
}

fn list(items: &[Vec<Span>]) -> String {
    let items = items.iter().map(|item| line_of(item, Within::Line));
    let lines: Vec<_> =
        items.filter(|item| !item.is_empty()).map(|item| format!("- {item}")).collect();
    lines.join("\n")
}

fn table(head: &[String], rows: &[Vec<Vec<Span>>]) -> String {
    if head.is_empty() {
        return String::new();
    }
    let row = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    let mut lines = vec![
        row(head.iter().map(|name| escape(&one_line(name))).collect()),
        row(vec!["---".to_owned(); head.len()]),
    ];
    for cells in rows {
        let cell = |at| cells.get(at).map(|spans: &Vec<_>| line_of(spans, Within::Cell));
        lines.push(row((0..head.len()).map(|at| cell(at).unwrap_or_default()).collect()));
    }
    lines.join("\n")
}

/// Preformatted lines. References and mentions are not looked for there, but robots that read
/// the source take a line that begins with `/` or `@` for theirs.
fn fence(text: &str) -> String {
    let shown = inert_code(prose(text).to_string());
    let shown = shown.trim_end();
    if shown.trim().is_empty() {
        return String::new();
    }
    let fence = "`".repeat(longest_run(shown).max(2) + 1);
    let mut out = format!("{fence}\n");
    for line in shown.lines() {
        let pad = if line.starts_with(['/', '@']) { " " } else { "" };
        // A `String` takes every character.
        let _ = writeln!(out, "{pad}{line}");
    }
    out + &fence
}

/// Where spans stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    /// Breaks of their texts stay.
    Lines,
    /// On one line.
    Line,
    /// On one line that `|` divides.
    Cell,
}

fn line_of(spans: &[Span], within: Within) -> String {
    let mut out = String::new();
    for span in merged(spans) {
        match &span {
            Span::Text { text } if within == Within::Lines => {
                push_text(&mut out, &prose(text).to_string());
            }
            Span::Text { text } => push_text(&mut out, &one_line(text)),
            Span::Strong { text } => push_strong(&mut out, text),
            Span::Code { text } => push_code(&mut out, text, within),
            Span::Link { text, url } => push_link(&mut out, text, url),
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Texts that follow each other, as one: what is harmless alone may not be together.
fn merged(spans: &[Span]) -> Vec<Span> {
    let mut all: Vec<Span> = Vec::new();
    for span in spans.iter().flat_map(unlinked) {
        match (all.last_mut(), span) {
            (Some(Span::Text { text: before }), Span::Text { text }) => before.push_str(&text),
            (_, span) => all.push(span),
        }
    }
    all
}

/// A link that is made none, as text with its address.
fn unlinked(span: &Span) -> Vec<Span> {
    match span {
        Span::Link { text, url } if target(url).is_none() || one_line(text).trim().is_empty() => {
            let text = Span::text(one_line(text));
            match text.plain() == url {
                true => vec![text],
                false => vec![text, Span::text(" ("), Span::code(url), Span::text(")")],
            }
        }
        span => vec![span.clone()],
    }
}

fn one_line(text: &str) -> String {
    line(text).to_string()
}

/// A mark of emphasis counts only between a letter and what is none.
fn push_strong(out: &mut String, text: &str) {
    let text = one_line(text);
    let text = text.trim();
    if text.is_empty() {
        return;
    }
    let is_near = out.chars().next_back().is_some_and(|c| !c.is_whitespace());
    if is_near && (out.ends_with('*') || !text.starts_with(char::is_alphanumeric)) {
        out.push_str(BREAK);
    }
    let behind = if text.ends_with(char::is_alphanumeric) { "" } else { BREAK };
    let _ = write!(out, "**{}**{behind}", escape(text));
}

fn push_code(out: &mut String, text: &str, within: Within) {
    let text = inert_code(one_line(text));
    if text.trim().is_empty() {
        return;
    }
    // A backslash before `|` is read in two ways, depending on what is before it.
    if within == Within::Cell && text.contains('|') {
        let _ = write!(out, "<code>{}</code>", escape(&text));
        return;
    }
    // Two marks of code side by side are one longer mark.
    if out.ends_with('`') {
        out.push(' ');
    }
    let mark = "`".repeat(longest_run(&text) + 1);
    let is_at_edge = |c| matches!(c, '`' | ' ');
    let pad = match text.starts_with(is_at_edge) || text.ends_with(is_at_edge) {
        true => " ",
        false => "",
    };
    let _ = write!(out, "{mark}{pad}{text}{pad}{mark}");
}

fn push_link(out: &mut String, text: &str, url: &str) {
    if let Some(target) = target(url) {
        let _ = write!(out, "[{}]({target})", escape(one_line(text).trim()));
    }
}

/// Where a link leads, if it is made one. What leads to an issue or a commit is not: GitHub
/// would write on that issue that it was mentioned here.
fn target(url: &str) -> Option<String> {
    const REFERRED: [&str; 7] =
        ["issues", "pull", "pulls", "discussions", "commit", "commits", "merge_requests"];
    let url = Url::parse(url).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    if !is_web || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    let is_referring = url.path_segments()?.any(|part| REFERRED.contains(&part));
    (!is_referring).then(|| encoded(url.as_str()))
}

fn encoded(url: &str) -> String {
    let mut out = String::with_capacity(url.len());
    for c in url.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '(' | ')' | '<' | '>' | '\\' | '`' | '|' | '$' | '*' | '_' | '~' | '"' | '\'' => {
                let _ = write!(out, "%{:02X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// In code nothing is read but the mark of its end, and what is ours by its comment.
fn inert_code(text: String) -> String {
    match text.contains("<!--") {
        true => text.replace("<!--", "<! --"),
        false => text,
    }
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// Foreign text as Markdown that shows just that. The only way of it into a document.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_text(&mut out, text);
    out
}

fn push_text(out: &mut String, text: &str) {
    for (at, line) in text.split('\n').enumerate() {
        if at > 0 {
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
        }
        match out.is_empty() || out.ends_with('\n') {
            true => push_line(out, line.trim_start(), true),
            false => push_line(out, line, false),
        }
    }
}

fn push_line(out: &mut String, line: &str, mut is_start: bool) {
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let word = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let length = if word > 0 { word } else { c.len_utf8() };
        let (piece, behind) = rest.split_at(length);
        match word {
            0 => push_character(out, c, behind, is_start),
            _ => push_word(out, piece, behind, is_start),
        }
        (rest, is_start) = (behind, false);
    }
}

fn push_word(out: &mut String, word: &str, behind: &str, is_start: bool) {
    let is_hash = word.len() > HASH_DIGITS && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    match is_hash {
        true => push_apart(out, word),
        false => out.push_str(word),
    }
    let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
    if is_start && is_number && behind.starts_with(['.', ')']) {
        out.push('\\');
    }
    let is_host = word.eq_ignore_ascii_case("www") && behind.starts_with('.');
    let is_issue = word.eq_ignore_ascii_case("gh") && behind.starts_with('-');
    if is_host || is_issue {
        out.push_str(BREAK);
    }
}

fn push_apart(out: &mut String, digits: &str) {
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && at % HASH_DIGITS == 0 {
            out.push_str(BREAK);
        }
        out.push(digit);
    }
}

fn push_character(out: &mut String, c: char, behind: &str, is_start: bool) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '|' => out.push_str("&#124;"),
        // Between two of them is a formula; GitHub says to write them so.
        '$' => out.push_str("<span>$</span>"),
        '@' => {
            out.push('@');
            out.push_str(BREAK);
        }
        '#' => {
            out.push_str("\\#");
            if behind.starts_with(|c: char| c.is_ascii_digit()) {
                out.push_str(BREAK);
            }
        }
        ':' if behind.starts_with("//") => {
            out.push(':');
            out.push_str(BREAK);
        }
        // Behind it may stand a link, and both would be an image.
        '!' if behind.is_empty() => out.push_str("\\!"),
        '\\' | '`' | '*' | '_' | '[' | ']' | '~' => {
            out.push('\\');
            out.push(c);
        }
        '-' | '+' | '=' | '/' | ':' if is_start => {
            out.push('\\');
            out.push(c);
        }
        c => out.push(c),
    }
}
