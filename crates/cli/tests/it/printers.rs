//! What the sources must not do: print but by the printer, and glue JSON.

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
    ("formats/src/sarif.rs", "the address of the schema, a constant"),
    ("formats/src/gitlab.rs", "the version of the schema, a constant"),
    ("tenant/src/marks.rs", "the beginning of a link, a constant"),
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
