//! Every command that a message, a page, a help text or a document proposes, as it stands
//! in the sources. For tests: the parser's and those that run them.
//!
//! The convention of documents: a word in capitals (`NAME`), `…` and `<ID>` stand for a
//! value, `[--json]` can be left out, `a\|b` are alternatives. Messages have real names:
//! what they are made of, `{name}`, stands for one.

use std::path::{Path, PathBuf};

const BEGINNING: &str = "countersign ";
/// What a name in a message is read as; the other values by what they are called.
const NAME: &str = "demo";
const VALUES: [(&str, &str); 2] = [("host", "127.0.0.1"), ("port", "8443")];
/// Records of runs: the tests that write them run their commands, some wrong on purpose.
const RECORDS: [&str; 2] = ["docs/reference/gallery.md", "docs/reference/mistakes.md"];

/// A proposed command.
#[derive(Debug)]
pub(crate) struct Proposal {
    /// File and line.
    pub(crate) place: String,
    /// As the parser gets them.
    pub(crate) words: Vec<String>,
}

/// Of all messages and pages.
pub(crate) fn messages() -> Vec<Proposal> {
    let mut proposals = Vec::new();
    for (path, text) in files(&["crates"], &["rs", "html"]) {
        let is_released = path.contains("/src/") || path.contains("/templates/");
        if !is_released || path.ends_with("/located.rs") || path.contains("testkit") {
            continue;
        }
        let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        for (number, line) in joined(text, &mut |line| line.trim_start().starts_with("//")) {
            for command in in_backquotes(&line).chain(after(&line, "code>")) {
                let words = words(&filled(command));
                proposals.push(Proposal { place: format!("{path}:{number}"), words });
            }
        }
    }
    proposals
}

/// Of all documents.
pub(crate) fn documents() -> Vec<Proposal> {
    let mut proposals = Vec::new();
    for (path, text) in files(&["docs", "README.md"], &["md"]) {
        if RECORDS.iter().any(|record| path.ends_with(record)) {
            continue;
        }
        let mut is_fenced = false;
        for (number, line) in joined(&text, &mut |_| false) {
            if line.trim_start().starts_with("```") {
                is_fenced = !is_fenced;
                continue;
            }
            let whole = line.trim_start().trim_start_matches("$ ");
            let mut commands: Vec<_> = in_backquotes(&line).map(str::to_owned).collect();
            if is_fenced && whole.starts_with(BEGINNING) {
                commands = vec![whole.to_owned()];
            }
            for command in commands {
                let words = words(&without_signs(&command));
                proposals.push(Proposal { place: format!("{path}:{number}"), words });
            }
        }
    }
    proposals
}

/// Lines, those that end with a backslash in one with the next; with the number of the
/// first.
fn joined(text: &str, is_skipped: &mut dyn FnMut(&str) -> bool) -> Vec<(usize, String)> {
    let (mut lines, mut begun) = (Vec::new(), None::<(usize, String)>);
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !is_skipped(line)) {
        let (number, before) = begun.take().unwrap_or((number, String::new()));
        let line = match before.is_empty() {
            true => line.to_owned(),
            false => before + line.trim_start(),
        };
        match line.strip_suffix('\\') {
            Some(line) => begun = Some((number, line.to_owned())),
            None => lines.push((number, line)),
        }
    }
    lines
}

/// What stands in backquotes and begins like a command.
fn in_backquotes(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2).filter(|code| code.starts_with(BEGINNING))
}

fn after<'l>(line: &'l str, tag: &'static str) -> impl Iterator<Item = &'l str> {
    line.split(tag).skip(1).filter_map(|rest| {
        let command = rest.split('<').next().unwrap_or_default();
        command.starts_with(BEGINNING).then_some(command)
    })
}

/// With a name in place of each value of a format string or a template.
fn filled(command: &str) -> String {
    let (mut filled, mut rest) = (String::new(), command);
    while let Some((before, value)) = rest.split_once('{') {
        let end = value.find('}').map_or(value.len(), |at| at + 1);
        let name = value[..end].trim_end_matches('}');
        let known = VALUES.iter().find(|(known, _)| *known == name);
        filled = filled + before + known.map_or(NAME, |(_, value)| value);
        rest = value[end..].trim_start_matches('}');
    }
    filled + rest
}

/// Without what the convention of documents adds to a command.
fn without_signs(command: &str) -> String {
    let mut line = command.replace(['[', ']'], "");
    if command.contains("[eq]") || command.contains("[in]") || command.contains('\'') {
        line = command.to_owned();
    }
    let line = line.replace("<ID>", "ID");
    let first = |word: &'_ str| word.split("\\|").next().unwrap_or_default().to_owned();
    line.split(' ').map(first).collect::<Vec<_>>().join(" ")
}

/// As a shell splits a line, up to what is the shell's.
pub(crate) fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (' ', None) => words.extend(word.take()),
            ('|' | '>' | '<' | ';' | '#' | '&', None) if word.is_none() => break,
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

fn files(places: &[&str], endings: &[&str]) -> Vec<(String, String)> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let mut left: Vec<PathBuf> = places.iter().map(|place| root.join(place)).collect();
    let mut found = Vec::new();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|it| endings.iter().any(|ending| it == *ending)) {
            let text = std::fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root).unwrap().display().to_string();
            found.push((path, text));
        }
    }
    found.sort();
    found
}
