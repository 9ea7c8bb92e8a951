//! The documents: each link leads somewhere, each page is found from the index, and each
//! command block of the tutorial and of the how-to pages does what the page shows.

#[cfg(target_os = "linux")]
mod played;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

pub(super) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// Beside all of `docs`.
const AT_THE_ROOT: [&str; 6] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "examples/README.md",
];

/// Every document by its path from the root.
fn documents() -> BTreeMap<String, String> {
    let mut left: Vec<_> = AT_THE_ROOT.iter().map(|name| Path::new(ROOT).join(name)).collect();
    left.push(Path::new(ROOT).join("docs"));
    let mut found = BTreeMap::new();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|it| it == "md") {
            let name = path.strip_prefix(ROOT).unwrap().display().to_string();
            found.insert(name, std::fs::read_to_string(&path).unwrap());
        }
    }
    found
}

/// The lines outside of fenced blocks, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_fenced = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_fenced ^= is_fence;
        !is_fenced && !is_fence
    })
}

/// What a heading is reached by, as the hosts of repositories make it.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, line) in prose(text) {
        let title = line.trim_start_matches('#');
        if title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        // A link in a heading counts by its words.
        let shown: String = title
            .split("](")
            .map(|part| part.split_once(')').map_or(part, |(_, rest)| rest))
            .collect();
        let shown = if title.contains("](") { shown } else { title.to_owned() };
        let slug: String = shown
            .trim()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() })
            .collect();
        let again = (1..).map(|n| format!("{slug}-{n}"));
        let free = std::iter::once(slug.clone()).chain(again).find(|one| !found.contains(one));
        found.extend(free);
    }
    found
}

/// The targets of links and pictures.
fn links(line: &str) -> Vec<&str> {
    // Code is no link.
    let shown = line.split('`').step_by(2);
    shown
        .flat_map(|part| part.split("](").skip(1))
        .filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
        .collect()
}

/// `to` as it is meant in `from`, as a path from the root.
fn resolved(from: &str, to: &str) -> String {
    let mut path = PathBuf::new();
    let folder = Path::new(from).parent().unwrap_or(Path::new(""));
    for part in folder.join(to).components() {
        match part {
            Component::ParentDir => {
                path.pop();
            }
            Component::CurDir => {}
            other => path.push(other),
        }
    }
    path.display().to_string()
}

/// Why a link leads nowhere.
fn broken(documents: &BTreeMap<String, String>, from: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() { from.to_owned() } else { resolved(from, file) };
    if !Path::new(ROOT).join(&path).exists() {
        return Some(format!("there is no `{path}`"));
    }
    let text = documents.get(&path).filter(|_| !anchor.is_empty())?;
    (!anchors(text).contains(anchor)).then(|| format!("`{path}` has no `#{anchor}`"))
}

#[test]
fn every_link_leads_somewhere() {
    let documents = documents();
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for (path, text) in &documents {
        for (number, line) in prose(text) {
            for target in links(line) {
                seen += 1;
                let why = broken(&documents, path, target);
                wrong.extend(why.map(|why| format!("{path}:{number}: {target}: {why}")));
            }
        }
    }
    assert!(seen > 150, "the links have moved: {seen}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_broken_link_is_seen() {
    let page = "# One\n\n## Two, *or* `three`\n\n## One\n\n```\n## None\n```\n".to_owned();
    let documents = BTreeMap::from([("docs/README.md".to_owned(), page)]);
    let broken = |target| broken(&documents, "docs/README.md", target);
    for target in ["#one", "#two-or-three", "#one-1", "../README.md", "https://example.com/x"] {
        assert_eq!(broken(target), None, "{target}");
    }
    for target in ["#none", "#one-2", "nothing.md", "README.md#nothing", "../docs/no/such"] {
        assert!(broken(target).is_some(), "{target}");
    }
    assert_eq!(links("[a](b.md#c) `[d](e)` ![f](g.png)"), ["b.md#c", "g.png"]);
}

/// Documents that the sources name, in messages, help texts and comments.
#[test]
fn every_document_that_is_named_is_there() {
    let mut left = vec![Path::new(ROOT).join("crates"), Path::new(ROOT).join("conformance")];
    left.extend(["bench/src", "docs", "README.md", "test"].map(|it| Path::new(ROOT).join(it)));
    let (mut wrong, mut seen) = (Vec::new(), 0);
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        for rest in text.split("docs/").skip(1) {
            let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
            let name = rest.split(|c| !is_part(c)).next().unwrap_or_default();
            let Some((name, _)) = name.split_once(".md") else { continue };
            seen += 1;
            if !Path::new(ROOT).join(format!("docs/{name}.md")).exists() {
                wrong.push(format!("{}: docs/{name}.md", path.display()));
            }
        }
    }
    assert!(seen > 20, "the mentions have moved: {seen}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const INDEX: &str = "docs/README.md";

#[test]
fn every_page_is_found_from_the_index() {
    let documents = documents();
    let targets: BTreeSet<_> = prose(&documents[INDEX])
        .flat_map(|(_, line)| links(line))
        .map(|target| resolved(INDEX, target.split('#').next().unwrap_or_default()))
        .collect();
    let lost: Vec<_> = documents
        .keys()
        .filter(|path| path.starts_with("docs/") && *path != INDEX && !targets.contains(*path))
        .collect();
    assert!(lost.is_empty(), "the index has no link to {lost:?}");
}

/// A task is found by a page of the index, then by a section of that page.
#[test]
fn ten_tasks_take_two_clicks() {
    let documents = documents();
    let (_, table) = documents[INDEX].split_once("| task | page | section |\n").unwrap();
    let rows: Vec<_> = table.lines().skip(1).take_while(|line| line.starts_with("| ")).collect();
    assert_eq!(rows.len(), 10);
    for row in rows {
        let [page, section] = links(row)[..] else { panic!("{row}") };
        assert!(section.starts_with(page) && section.contains('#'), "{row}");
    }
}

/// The blocks "```sh NAME" of a page: what is typed to install, use and remove packages.
fn typed(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let blocks = text.split("```sh ").skip(1);
    blocks.filter_map(|rest| rest.split("```").next()?.split_once('\n'))
}

#[test]
fn what_is_typed_for_packages_is_tried() {
    let read = |path: &str| std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap();
    let scripts =
        ["try", "container/try", "container/use"].map(|it| read(&format!("packaging/{it}")));
    let (documents, mut seen) = (documents(), BTreeMap::new());
    for (path, text) in &documents {
        for (name, commands) in typed(text) {
            let forms = [
                format!(".md {name}\n"),
                format!(".md\" {name})"),
                format!("\" {name}\n"),
                format!("\"{name}\""),
            ];
            let is_tried = scripts.iter().any(|text| forms.iter().any(|form| text.contains(form)));
            assert!(is_tried, "no script of packaging types the block `{name}` of {path}");
            let first = *seen.entry(name).or_insert(commands);
            assert_eq!(commands, first, "{path} types another `{name}` than a page before");
        }
    }
    assert!(seen.len() >= 10, "the blocks have moved: {:?}", seen.keys());
}

/// What a page downloads is of the version that it describes, and every page that does so
/// speaks of the same.
#[test]
fn what_is_downloaded_is_of_this_version() {
    const PLACES: [&str; 4] =
        ["releases/download/v", "countersign/countersign@v", "raw/v", "countersign/countersign:"];
    let (version, mut seen) = (env!("CARGO_PKG_VERSION"), 0);
    for (path, text) in documents() {
        for place in PLACES {
            for rest in text.split(place).skip(1) {
                seen += 1;
                let named: String = rest.chars().take(version.len()).collect();
                assert_eq!(named, version, "{path}: {place}{named}");
            }
        }
    }
    assert!(seen > 15, "the downloads have moved: {seen}");
}

/// Each begins with who it is for.
#[test]
fn every_page_says_who_it_is_for() {
    for (path, text) in documents() {
        if path.starts_with("docs/") {
            let mut lines =
                text.lines().skip_while(|line| line.starts_with('#') || line.is_empty());
            let first = lines.next().unwrap_or_default();
            assert!(first.starts_with("For "), "{path} begins with: {first}");
        }
    }
}
