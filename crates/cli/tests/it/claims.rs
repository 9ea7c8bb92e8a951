//! `docs/explanation/security.md` names for each threat what fails when it is no longer met: each name
//! is a test, a script or a step that exists.

use std::collections::BTreeSet;
use std::path::Path;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// The chapters that must be there, each with a table of its own.
const CHAPTERS: [&str; 7] = [
    "The console",
    "The dashboard",
    "Text from elsewhere",
    "The signing proxy",
    "The connector API",
    "Other users of the machine",
    "Where secrets are, and where not",
];

#[test]
fn every_row_names_what_fails() {
    let page = read("docs/explanation/security.md");
    let rows = rows(&page);
    let chapters: BTreeSet<_> = rows.iter().map(|row| row.chapter).collect();
    assert_eq!(chapters, CHAPTERS.into());
    let steps = read("test");
    let mut wrong = Vec::new();
    for row in rows {
        if row.names.is_empty() {
            wrong.push(format!("{}: {} names nothing", row.chapter, row.what));
        }
        let missing = row.names.iter().filter(|name| !exists(name, &steps));
        wrong.extend(missing.map(|name| format!("{}: there is no {name}", row.chapter)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_does_not_exist_is_noticed() {
    let steps = read("test");
    let this = "cli::claims::what_does_not_exist_is_noticed";
    for name in [this, "./test --only lints", "conformance/run", "text::shown::what_is_cut_says_so"]
    {
        assert!(exists(name, &steps), "{name}");
    }
    for name in [
        "cli::claims::another",
        "cli::claims::exists",
        "cli::elsewhere::what_does_not_exist_is_noticed",
        "elsewhere::claims::what_does_not_exist_is_noticed",
        "./test --only nothing",
        "conformance/nothing",
        "a test",
    ] {
        assert!(!exists(name, &steps), "{name}");
    }
    let page = "# A\n| what | by |\n| --- | --- |\n| x | nothing |\n\n| what | why |\n| --- | --- |\n| y | z |\n";
    let found = rows(page);
    assert_eq!((found.len(), found[0].what, found[0].names.len()), (1, "x", 0));
}

struct Row<'a> {
    chapter: &'a str,
    what: &'a str,
    names: Vec<&'a str>,
}

/// The rows of all tables whose last column is `by`.
fn rows(page: &str) -> Vec<Row<'_>> {
    let (mut chapter, mut is_claim, mut rows) = ("", false, Vec::new());
    for line in page.lines() {
        if let Some(title) = line.strip_prefix("# ") {
            chapter = title;
        }
        let Some(cells) = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |")) else {
            is_claim = false;
            continue;
        };
        let (first, last) = (cells.split(" | ").next(), cells.rsplit(" | ").next());
        let (Some(what), Some(last)) = (first, last) else { continue };
        if is_claim && !what.starts_with("---") {
            let names = last.split('`').skip(1).step_by(2).collect();
            rows.push(Row { chapter, what, names });
        }
        is_claim |= last == "by";
    }
    rows
}

fn exists(name: &str, steps: &str) -> bool {
    if let Some(step) = name.strip_prefix("./test --only ") {
        return steps.contains(&format!("\nstep_{step}() {{"));
    }
    if name.starts_with("conformance/") {
        return Path::new(ROOT).join(name).exists();
    }
    let parts: Vec<_> = name.split("::").collect();
    let [krate, modules @ .., test] = &parts[..] else { return false };
    // A module is a file, or stands within the file of the one above it.
    let below = |modules: &[&str]| {
        let path = modules.join("/");
        [
            format!("tests/it/{path}.rs"),
            format!("tests/{path}.rs"),
            format!("src/{path}.rs"),
            format!("src/{path}/tests.rs"),
        ]
    };
    let above = modules.split_last().map(|(_, above)| below(above)).into_iter().flatten();
    let mut files = below(modules).into_iter().chain(above);
    files.any(|file| {
        let text = std::fs::read_to_string(format!("{ROOT}/crates/{krate}/{file}"));
        text.is_ok_and(|text| has_test(&text, test))
    })
}

/// Whether a function of this name stands under an attribute that makes it a test.
fn has_test(text: &str, test: &str) -> bool {
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let (plain, waiting) = (format!("fn {test}("), format!("async fn {test}("));
    lines.iter().enumerate().any(|(at, line)| {
        let is_it = line.starts_with(&plain) || line.starts_with(&waiting);
        let attributes = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
        is_it && attributes.into_iter().any(|line| line.contains("test]") || line.contains("test("))
    })
}

fn read(path: &str) -> String {
    std::fs::read_to_string(format!("{ROOT}/{path}")).expect("a file of the repository")
}
