//! What the sources must not do: print but by the printer, glue JSON, compare words of a
//! closed set as text, and decide by the text of a statement.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Sources of what is released, by their path from the workspace, without unit tests.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let (mut folders, mut found) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).unwrap();
        for path in entries.map(|entry| entry.unwrap().path()) {
            let is_released = |path: &PathBuf| {
                let path = path.strip_prefix(root).unwrap();
                !path.starts_with("testkit") && path.iter().nth(1).is_none_or(|it| it == "src")
            };
            match path.is_dir() {
                true if is_released(&path) => folders.push(path),
                true => {}
                false
                    if path.extension().is_some_and(|it| it == "rs")
                        && !path.ends_with("tests.rs") =>
                {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
                    found.push((path.strip_prefix(root).unwrap().display().to_string(), text));
                }
                false => {}
            }
        }
    }
    assert!(found.len() > 200, "the sources have moved");
    found
}

#[test]
fn nothing_prints_but_the_printer() {
    const PRINTER: &str = "cli/src/output.rs";
    let mut seen = 0;
    for (path, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let prints = [
                "::stdout()",
                "::stderr()",
                "print!(",
                "println!(",
                "eprint!(",
                "eprintln!(",
                "dbg!(",
            ]
            .iter()
            .any(|way| code.contains(way))
                && !code.contains(".is_terminal()");
            seen += usize::from(prints && path == PRINTER);
            assert!(!prints || path == PRINTER, "{path}:{}: {line}", number + 1);
        }
    }
    assert!(seen >= 3, "the printer has moved");
}

/// Where a value of ours goes into JSON without a serializer, and why it may.
const GLUED: &[(&str, &str)] = &[
    ("deliveries/src/markup/textile.rs", "a link of Textile, which is no JSON"),
    ("formats/src/sarif.rs", "the address of the schema, a constant"),
    ("formats/src/gitlab.rs", "the version of the schema, a constant"),
    ("tenant/src/findings.rs", "numbers and truths on the hot path"),
    ("tenant/src/marks.rs", "the beginning of a link, a constant"),
    ("web/src/health.rs", "the name of a cause, a constant"),
];

#[test]
fn json_is_serialised() {
    let mut glued = Vec::new();
    for (path, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            // A quote that is part of the text, not around it.
            let quote = if line.contains("r#\"") { "\"" } else { "\\\"" };
            let text = line.replace("{{", "").replace("}}", "");
            let holds = |way: &str| {
                let way = way.replace('"', quote);
                text.match_indices(&way).any(|(at, _)| text[at + way.len()..].contains('}'))
            };
            let is_known = GLUED.iter().any(|(file, _)| *file == path);
            if (holds("\":\"{") || holds("\":{")) && !is_known {
                glued.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(glued.is_empty(), "{}", glued.join("\n"));
}

/// Where a word that is also one of ours is compared, and why it may be.
const FOREIGN: &[(&str, &str, &str)] = &[
    ("api/src/manage/openapi.rs", "path", "where OpenAPI has a parameter"),
    ("api/src/reads/filter.rs", "", "the parser of a filter"),
    ("cli/src/commands/rehearse.rs", "reader", "the name of an account"),
    ("cli/src/config/schedule.rs", "paused", "a key of the configuration"),
    ("connector/src/rotation/asking.rs", "ACTIVE", "the service has others, which are not known"),
    ("deliveries/src/receivers/defectdojo.rs", "application", "a name of a template"),
    ("deliveries/src/receivers/github_issues.rs", "closed", "a state of GitHub"),
    ("deliveries/src/receivers/jira.rs", "", "categories and fields of Jira"),
    ("deliveries/src/receivers/slack.rs", "ok", "what Slack answers"),
    ("findings/src/decode.rs", "", "the parser of a finding"),
    ("findings/src/imported/record.rs", "info", "the parser of a finding of another scanner"),
    ("findings/src/text.rs", "", "entities of HTML"),
    ("formats/src/ocsf/api/scan.rs", "", "names of members of a record"),
    ("formats/src/ocsf/rest.rs", "", "names of members of a record"),
    ("platform/src/console/admin.rs", "", "a preset of a form, and a mark in an address"),
    ("platform/src/rest/openapi/declared.rs", "", "names of parameters"),
    ("store/src/sql/engine.rs", "ok", "what SQLite answers"),
    ("tenant/src/seed.rs", "findings", "a key of a seed"),
    ("vault/src/kv.rs", "kv", "a kind of engine of a secret store"),
    ("wire/src/finding.rs", "SCA", "the parser of a finding"),
];

/// The words that an enum of ours is written as.
fn closed_words(sources: &[(String, String)]) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for (_, text) in sources {
        let has_sets = text.contains("words!");
        for line in text.lines().map(str::trim) {
            let Some((before, after)) = line.split_once('"') else { continue };
            let Some((word, _)) = after.split_once('"') else { continue };
            let is_arm = before.starts_with("Self::") && before.ends_with("=> ");
            let is_member = has_sets && before.ends_with(" = ") && !before.starts_with("let ");
            let is_word = word.len() > 1
                && word.chars().all(|c| c.is_ascii_alphabetic() || c == '_' || c == '-');
            if is_word && (is_arm || is_member) {
                words.insert(word.to_owned());
            }
        }
    }
    words
}

/// The words that a line compares with something, or decides by.
fn compared(line: &str) -> Vec<&str> {
    let code = line.split("// ").next().unwrap_or_default();
    let parts: Vec<_> = code.split('"').collect();
    let literals = parts.iter().enumerate().filter(|(at, _)| at % 2 == 1);
    let is_decided = |at: usize| {
        let (before, after) =
            (parts[at - 1].trim_end(), parts.get(at + 1).map_or("", |it| it.trim()));
        let before = before.strip_suffix("Some(").unwrap_or(before).trim_end();
        let is_compared = before.ends_with("==")
            || before.ends_with("!=")
            || after.starts_with("==")
            || after.starts_with("!=")
            || [".eq(", "_ignore_ascii_case(", "_with("].iter().any(|way| before.ends_with(way))
            || parts[..at].concat().contains("matches!(");
        // An arm that answers with an enum is the parser of its word.
        let last = parts[parts.len() - 1];
        let answer = last.split_once("=>").map(|(_, answer)| answer.trim());
        let is_arm = answer.is_some_and(|answer| {
            let answer = answer.trim_start_matches("Ok(").trim_start_matches("Some(");
            let answer = answer.trim_start_matches("return ");
            !answer.starts_with(|c: char| c.is_ascii_uppercase())
        });
        is_compared || (is_arm && parts[0].trim_start_matches(['(', ' ']).is_empty())
    };
    literals.filter(|(at, _)| is_decided(*at)).map(|(_, word)| *word).collect()
}

#[test]
fn words_of_a_closed_set_are_enums() {
    let sources = sources();
    let words = closed_words(&sources);
    assert!(words.len() > 150 && words.contains("oauth") && words.contains("OPEN"), "{words:?}");
    let (mut found, mut used) = (Vec::new(), BTreeSet::new());
    for (path, text) in &sources {
        for (number, line) in text.lines().enumerate() {
            for word in compared(line).into_iter().filter(|word| words.contains(*word)) {
                let is_known = |(file, of, _): &&(&str, &str, &str)| {
                    file == path && (of.is_empty() || *of == word)
                };
                match FOREIGN.iter().find(is_known) {
                    Some(known) => drop(used.insert(known.0)),
                    None => found.push(format!("{path}:{}: {}", number + 1, line.trim())),
                }
            }
        }
    }
    assert!(found.is_empty(), "parse them where they come in:\n{}", found.join("\n"));
    let stale: Vec<_> = FOREIGN.iter().filter(|(file, ..)| !used.contains(file)).collect();
    assert!(stale.is_empty(), "{stale:?}");
}

#[test]
fn a_compared_word_is_seen() {
    for line in [
        "if row.kind == \"oauth\" {",
        "if \"oauth\" != row.kind {",
        "if kind.as_deref() == Some(\"oauth\") {",
        "matches!(kind, \"hmac\" | \"oauth\")",
        "\"oauth\" => true,",
        "if kind.eq_ignore_ascii_case(\"oauth\") {",
    ] {
        assert!(compared(line).contains(&"oauth"), "{line}");
    }
    for line in
        ["\"oauth\" => Some(Self::OAuth),", "Self::OAuth => \"oauth\",", "log(\"oauth\"); // == x"]
    {
        assert!(compared(line).is_empty(), "{line}");
    }
}

/// Nothing asks what a statement says: it is written by what was decided before.
#[test]
fn no_decision_reads_sql() {
    const ASKED: [&str; 5] = [".contains(", ".starts_with(", ".ends_with(", ".find(", " == "];
    let mut seen = 0;
    for (path, text) in sources().into_iter().filter(|(path, _)| path.starts_with("store/")) {
        for (number, line) in text.lines().enumerate() {
            let code = line.split("// ").next().unwrap_or_default();
            seen += usize::from(code.contains("sql"));
            let asks = ["sql", "statement", "clause"]
                .iter()
                .any(|name| ASKED.iter().any(|way| code.contains(&format!("{name}{way}"))));
            assert!(!asks, "{path}:{}: {line}", number + 1);
        }
    }
    assert!(seen > 20, "the statements have moved");
}
