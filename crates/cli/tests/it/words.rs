//! The words that users read: documents, help texts, messages and pages use the field's words.
//! What an own word has become in the code stays there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Words that are refused, and what is written instead.
const REFUSED: &[(&str, &str)] = &[
    ("pair", "API credentials"),
    ("pairs", "API credentials"),
    ("mint", "issue"),
    ("mints", "issues"),
    ("minted", "issued"),
    ("minting", "issuing"),
    ("lapse", "expire"),
    ("lapses", "expires"),
    ("lapsed", "expired"),
    ("live", "active"),
    ("dead", "revoked"),
    ("worthless", "revoked"),
    ("home", "data directory"),
    ("homes", "data directories"),
    ("people", "users"),
    ("the other end of the wire", "the built-in Veracode-compatible platform"),
    ("arrange", "configure"),
    ("arranges", "configures"),
    ("arranged", "configured"),
    ("tell", "print, report, show"),
    ("tells", "prints, reports, shows"),
    ("says", "prints, reports, shows"),
    ("told", "printed, reported, shown"),
    ("takes", "accepts"),
    ("take on", "acknowledge"),
    ("takes on", "acknowledges"),
    ("take away", "remove"),
    ("takes away", "removes"),
    ("go on", "continue, resume"),
    ("goes on", "continues, resumes"),
    ("gone on", "continued, resumed"),
    ("bear", "allow, support"),
    ("bears", "allows, supports"),
    ("the watch", "credential monitoring"),
    ("the plan", "the schedule"),
    ("good once", "single-use"),
    ("out of sight", "no longer visible to this account"),
    ("bring in", "download"),
    ("brings in", "downloads"),
    ("brought in", "downloaded"),
    ("ours", "the built-in …"),
    ("of our own", "the built-in …"),
    ("what there is", "list of …"),
    ("what there are", "list of …"),
    ("no more", "no longer"),
];

/// Where such a word is the right one, and why.
const ALLOWED: &[(&str, &str)] = &[
    ("the plan of faults", "a plan is what the file of faults is called"),
    ("another machine takes over", "the verb of leases"),
    ("in pairs with values", "names and values, no credentials"),
    ("a Vec takes every byte", "a reason of a lint, for who works on the code"),
];

/// A text and where it stands.
type Text = (String, String);

fn files(places: &[&str], endings: &[&str]) -> Vec<Text> {
    let mut left: Vec<PathBuf> = places.iter().map(|place| Path::new(ROOT).join(place)).collect();
    let mut found = Vec::new();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|it| endings.iter().any(|ending| it == *ending)) {
            let name = path.strip_prefix(ROOT).unwrap().display().to_string();
            found.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    found
}

/// Documents without what is code in them.
fn documents() -> Vec<Text> {
    let mut texts = Vec::new();
    for (name, text) in files(&["docs", "README.md"], &["md"]) {
        let mut is_fenced = false;
        let mut prose = String::new();
        for line in text.lines() {
            let is_fence = line.trim_start().starts_with("```");
            is_fenced ^= is_fence;
            prose.push_str(if is_fenced || is_fence { "" } else { line });
            prose.push('\n');
        }
        texts.push((name, prose));
    }
    texts
}

/// What a browser shows of pages and mails.
fn templates() -> Vec<Text> {
    let mut texts = Vec::new();
    for (name, text) in files(&["crates"], &["html", "txt"]) {
        if name.contains("/templates/") {
            let text = without(&without(&text, "{%", "%}"), "{{", "}}");
            let text = without(&without(&text, "<code>", "</code>"), "<", ">");
            texts.push((name, text));
        }
    }
    texts
}

/// `text` without what stands between two marks.
fn without(text: &str, open: &str, close: &str) -> String {
    let mut rest = text;
    let mut kept = String::new();
    while let Some((before, after)) = rest.split_once(open) {
        kept.push_str(before);
        kept.push(' ');
        rest = after.split_once(close).map_or("", |(_, after)| after);
    }
    kept + rest
}

/// Help texts, and messages: literals with a blank in them, which no name has.
fn messages() -> Vec<Text> {
    let mut texts = Vec::new();
    for (name, text) in files(&["crates"], &["rs"]) {
        let is_released = name.contains("/src/") && !name.ends_with("/tests.rs");
        if !is_released || name.contains("testkit") || name.ends_with("args/examples.rs") {
            continue;
        }
        let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        if name.contains("cli/src/args") {
            let help = text.lines().filter_map(|line| line.trim_start().strip_prefix("///"));
            texts.push((name.clone(), help.collect::<Vec<_>>().join("\n")));
        }
        let is_message =
            |literal: &String| literal.trim().contains(' ') && !is_of_a_database(literal);
        let literals = literals(text).into_iter().filter(is_message);
        texts.extend(literals.map(|literal| (name.clone(), without(&literal, "{", "}"))));
    }
    texts
}

fn is_of_a_database(literal: &str) -> bool {
    let first = literal.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    ["select", "insert", "update", "delete", "create", "drop", "alter", "pragma", "with", "not"]
        .contains(&first.as_str())
}

/// The literals of a source.
fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(at) = rest.find(['"', '\'', '/', 'r']) {
        let (before, here) = rest.split_at(at);
        let is_word = before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let hashes = here[1..].chars().take_while(|c| *c == '#').count();
        rest = if here.starts_with("//") {
            here.split_once('\n').map_or("", |(_, after)| after)
        } else if here.starts_with('r') && !is_word && here[1 + hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let (literal, after) = here[2 + hashes..].split_once(&end).unwrap_or_default();
            found.push(literal.to_owned());
            after
        } else if let Some(literal) = here.strip_prefix('"') {
            let end = unescaped(literal, '"');
            found.push(literal[..end].replace("\\n", "\n").replace("\\\n", " "));
            literal.get(end + 1..).unwrap_or_default()
        } else if let Some(character) = here.strip_prefix('\'') {
            // A character, or a lifetime.
            let mut chars = character.chars();
            match (chars.next(), chars.next()) {
                (Some('\\'), _) => {
                    character.get(unescaped(character, '\'') + 1..).unwrap_or_default()
                }
                (Some(_), Some('\'')) => chars.as_str(),
                _ => character,
            }
        } else {
            &here[1..]
        };
    }
    found
}

fn unescaped(text: &str, end: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        if c == end && !is_escaped {
            return at;
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    text.len()
}

/// The refused words of a text, each with its line.
fn refused(
    text: &str,
    used: &mut BTreeSet<&'static str>,
) -> Vec<(String, &'static str, &'static str)> {
    let mut found = Vec::new();
    for line in text.split("\n\n").flat_map(|part| part.lines()) {
        // Commands, names and paths stand in backquotes.
        let mut plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join(" ");
        for (phrase, _) in ALLOWED {
            if plain.contains(phrase) {
                used.insert(phrase);
                plain = plain.replace(phrase, "");
            }
        }
        let plain = plain.to_lowercase();
        for (word, instead) in REFUSED {
            if has_word(&plain, word) {
                found.push((line.trim().to_owned(), *word, *instead));
            }
        }
    }
    found
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/');
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        let is_whole = !before.ends_with(|c| is_part(c) || c == '.') && !after.starts_with(is_part);
        // A member, such as `home.path`.
        let is_member =
            after.strip_prefix('.').is_some_and(|rest| rest.starts_with(char::is_alphanumeric));
        is_whole && !is_member
    })
}

#[test]
fn users_read_the_words_of_the_field() {
    let (documents, templates, messages) = (documents(), templates(), messages());
    assert!(documents.len() > 30 && templates.len() > 40 && messages.len() > 1000);
    let (mut wrong, mut used) = (Vec::new(), BTreeSet::new());
    for (name, text) in documents.iter().chain(&templates).chain(&messages) {
        for (line, word, instead) in refused(text, &mut used) {
            wrong.push(format!("{name}: `{word}`, not `{instead}`: {line}"));
        }
    }
    assert!(wrong.is_empty(), "{} words:\n{}", wrong.len(), wrong.join("\n"));
    for (phrase, why) in ALLOWED {
        assert!(used.contains(phrase), "`{phrase}` ({why}) is gone");
    }
}

#[test]
fn a_refused_word_is_seen() {
    let words = |text: &str| {
        let found = refused(text, &mut BTreeSet::new());
        found.into_iter().map(|(_, word, _)| word).collect::<Vec<_>>()
    };
    assert_eq!(words("a Pair\nof it"), ["pair"]);
    assert_eq!(
        words("it goes on, says `home` --home /home/x repair home.path"),
        ["says", "goes on"]
    );
    assert_eq!(words("the plan of faults"), [""; 0]);
    let source = "let a = 'x'; // \"no pair\"\nfn f<'a>(b: &'a str) { g(\"a \\\"pair\\\"\", '\"', r#\"raw \"pair\"\"#, br) }";
    assert_eq!(literals(source), ["a \\\"pair\\\"", "raw \"pair\""]);
    assert_eq!(without("a <b>c</b> d", "<", ">"), "a  c  d");
}
