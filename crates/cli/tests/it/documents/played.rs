//! Pages with commands, played on a terminal in a scratch folder. A block marked `console`
//! has commands behind `$`, and below each what it prints: `…` stands for anything. What
//! differs from run to run (numbers, dates, ids) is not compared. `UPDATE=1` writes what the
//! tutorial shows.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use super::ROOT;
use crate::hostile::screen::on_a_terminal_of;
use crate::program::{Served, run, stderr};

const TUTORIAL: &str = "docs/tutorial.md";
const COLUMNS: u16 = 96;
/// What the platform of the tutorial listens on, and what the scratch folder is shown as.
const ADDRESS: &str = "127.0.0.1:8443";
const HOME: &str = "/home/jane";
/// Begins a line that no command prints.
const MARK: &str = "\u{1}";

/// A command and what the page shows below it.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    command: String,
    shown: Vec<String>,
}

/// The commands of a page, in their order.
fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for block in page.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        for line in block.lines() {
            let is_continued = steps.last().is_some_and(|step| step.command.ends_with('\\'));
            match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => {
                    steps.push(Step { command: command.to_owned(), shown: Vec::new() });
                }
                (None, Some(step)) if is_continued => {
                    step.command.push('\n');
                    step.command.push_str(line);
                }
                (None, Some(step)) => step.shown.push(line.to_owned()),
                (None, None) => panic!("a block begins with what it prints: {line}"),
            }
        }
    }
    steps
}

/// What a terminal shows in the end, line by line.
fn screen(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines: Vec<Vec<char>> = vec![Vec::new()];
    let (mut row, mut column) = (0, 0);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => column = 0,
            '\n' => {
                row += 1;
                if row == lines.len() {
                    lines.push(Vec::new());
                }
            }
            '\u{1b}' if chars.peek() == Some(&'[') => {
                chars.next();
                let mut number = String::new();
                while let Some(c) = chars.next_if(|c| !c.is_ascii_alphabetic()) {
                    number.push(c);
                }
                let count = number.parse().unwrap_or(1);
                match chars.next() {
                    Some('A') => row = row.saturating_sub(count),
                    Some('B') => row = (row + count).min(lines.len() - 1),
                    Some('K') if number == "2" => lines[row].clear(),
                    Some('K') => lines[row].truncate(column),
                    Some('J') => {
                        lines[row].truncate(column);
                        lines.truncate(row + 1);
                    }
                    _ => {}
                }
            }
            c if c.is_control() => {}
            c => {
                let line = &mut lines[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = c;
                column += 1;
            }
        }
    }
    let shown = lines.into_iter().map(|line| line.into_iter().collect::<String>());
    let mut shown: Vec<_> = shown.map(|line| line.trim_end().to_owned()).collect();
    while shown.last().is_some_and(String::is_empty) {
        shown.pop();
    }
    shown
}

/// What a step printed, and what it ended with.
struct Played {
    printed: Vec<String>,
    status: String,
}

/// Plays the steps in one shell, in `folder`.
fn play(steps: &[Step], folder: &Path, change: impl FnOnce(&mut Command)) -> Vec<Played> {
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_countersign"), folder.join("countersign"))
        .unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let mut script = "trap 'kill $(jobs -p) 2>/dev/null' EXIT\n".to_owned();
    for step in steps {
        script.push_str(&format!("{}\nprintf '{MARK}%s{MARK}' $?\n", step.command));
    }
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(folder).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().to_ascii_uppercase();
        if name.starts_with("VERACODE_")
            || name.starts_with("COUNTERSIGN_")
            || name.ends_with("_PROXY")
        {
            command.env_remove(name);
        }
    }
    command.env("PATH", path).env("HOME", folder).env("NO_COLOR", "1").env("TZ", "UTC");
    change(&mut command);
    let bytes = on_a_terminal_of(&mut command, COLUMNS);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let mut parts = text.split(MARK);
    let mut played = Vec::new();
    while let (Some(printed), Some(status)) = (parts.next(), parts.next()) {
        played.push(Played { printed: screen(printed.as_bytes()), status: status.to_owned() });
    }
    assert_eq!(played.len(), steps.len(), "the shell ended early: {text}");
    played
}

/// Without what differs from run to run.
fn settled(line: &str) -> String {
    let is_hex = |word: &str| {
        word.len() >= 8
            && word.bytes().all(|b| b.is_ascii_hexdigit())
            && word.bytes().any(|b| b.is_ascii_digit())
    };
    let mut settled = String::new();
    let mut is_place = false;
    for word in line.split_whitespace() {
        settled.push(' ');
        if std::mem::replace(&mut is_place, word == "--after") {
            settled.push('#');
            continue;
        }
        for part in word.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
            let name = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            // One that did not fit into its column ends early.
            let is_cut = part.ends_with('…') && name.bytes().all(|b| b.is_ascii_hexdigit());
            match is_hex(name) || (is_cut && name.len() > 3) {
                true => settled.push_str(&part.replace(name, "#")),
                false => settled.push_str(part),
            }
        }
    }
    let mut plain = String::new();
    for c in settled.chars() {
        let is_number = c.is_ascii_digit() || (matches!(c, '.' | ',') && plain.ends_with('#'));
        match is_number {
            true if plain.ends_with('#') => {}
            true => plain.push('#'),
            false => plain.push(c),
        }
    }
    plain
}

/// Whether `printed` is what is `shown`, where `…` stands for anything.
fn fits(shown: &[String], printed: &[String]) -> bool {
    match (shown.split_first(), printed.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "…" => {
            fits(rest, printed) || (!printed.is_empty() && fits(shown, &printed[1..]))
        }
        (Some((shown, rest)), Some((printed, others))) => {
            fits_line(shown, printed) && fits(rest, others)
        }
        _ => false,
    }
}

fn fits_line(shown: &str, printed: &str) -> bool {
    let (shown, printed) = (settled(shown), settled(printed));
    let mut parts = shown.split('…');
    let Some(mut rest) = printed.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let parts: Vec<_> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// What is wrong with a page, if anything.
fn differences(name: &str, steps: &[Step], played: &[Played]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (step, played) in steps.iter().zip(played) {
        let printed = played.printed.join("\n");
        if played.status != "0" {
            wrong.push(format!(
                "{name}: `{}` ends with {}:\n{printed}",
                step.command, played.status
            ));
        } else if !fits(&step.shown, &played.printed) {
            wrong.push(format!(
                "{name}: `{}` prints:\n{printed}\nnot:\n{}",
                step.command,
                step.shown.join("\n")
            ));
        }
    }
    wrong
}

#[test]
fn the_tutorial() {
    let path = Path::new(ROOT).join(TUTORIAL);
    let page = std::fs::read_to_string(&path).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut steps = steps(&page);
    assert!(steps.len() > 15, "the tutorial has moved");
    for step in &mut steps {
        step.command = step.command.replace(ADDRESS, &free);
    }
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().canonicalize().unwrap().display().to_string();
    let mut played = play(&steps, folder.path(), |_| {});
    for line in played.iter_mut().flat_map(|played| &mut played.printed) {
        *line = line.replace(&free, ADDRESS).replace(&place, HOME);
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, with_output(&page, &played)).unwrap();
        return;
    }
    let wrong = differences(TUTORIAL, &steps, &played);
    assert!(wrong.is_empty(), "{}\nUPDATE=1 writes what is printed", wrong.join("\n\n"));
}

/// The page with what its commands printed.
fn with_output(page: &str, played: &[Played]) -> String {
    let (mut made, mut played) = (String::new(), played.iter());
    let (mut is_block, mut command) = (false, None::<String>);
    for line in page.lines() {
        is_block = line == "```console" || (is_block && line != "```");
        let is_continued = command.as_ref().is_some_and(|line| line.ends_with('\\'));
        let is_command = is_block && (line.starts_with("$ ") || is_continued);
        if is_command || !is_block || line == "```console" {
            made.push_str(line);
            made.push('\n');
        }
        command = is_command.then(|| line.to_owned());
        if is_command && !line.ends_with('\\') {
            for line in &played.next().unwrap().printed {
                made.push_str(line);
                made.push('\n');
            }
        }
    }
    made
}

/// An integration and an administrator's credential, as the pages take for granted.
fn how_to(name: &str) -> Vec<String> {
    let page = std::fs::read_to_string(Path::new(ROOT).join(name)).unwrap();
    let steps = steps(&page);
    if steps.is_empty() {
        return Vec::new();
    }
    let served = Served::start("apps=3,findings=120");
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (id, secret) = served.mint("reader", &["resultsapi", "noteamrestrictionapi"]);
    assert!(served.add_as("prod", &data, (&id, &secret)).status.success());
    let (id, secret) = served.mint("admin", &["adminapi"]);
    assert!(served.keep("credentials", "admin", &data, (&id, &secret)).status.success());
    let synced = run(&data, &["sync"]);
    assert!(synced.status.success(), "{}", stderr(&synced));
    let played = play(&steps, folder.path(), |command| {
        command.env("COUNTERSIGN_HOME", &data);
    });
    differences(name, &steps, &played)
}

#[test]
fn the_how_to_pages() {
    let entries = std::fs::read_dir(Path::new(ROOT).join("docs/how-to")).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| format!("docs/how-to/{}", entry.unwrap().file_name().display()))
        .collect();
    names.sort();
    assert!(names.len() > 10, "the pages have moved: {names:?}");
    let wrong: Vec<_> = std::thread::scope(|scope| {
        let halves = names.chunks(names.len().div_ceil(2));
        let threads: Vec<_> = halves
            .map(|half| {
                scope.spawn(|| half.iter().flat_map(|name| how_to(name)).collect::<Vec<_>>())
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_page_that_is_not_true_is_seen() {
    let page = "```console\n$ one \\\n    two\nout\n$ three\n```\n```text\n$ none\n```\n";
    let step = |command: &str, shown: &[&str]| Step {
        command: command.to_owned(),
        shown: shown.iter().map(|line| (*line).to_owned()).collect(),
    };
    assert_eq!(steps(page), [step("one \\\n    two", &["out"]), step("three", &[])]);
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    for (shown, printed, does) in [
        ("a 1,234 b", "a   77 b", true),
        ("id c81ef728f9298bf15a32", "id 0123456789abcdef", true),
        ("id 0a8a84…", "id 3b8dd06…", true),
        ("…\nz", "x\ny\nz", true),
        ("…", "", true),
        ("old … ms", "old one 12 ms", true),
        ("a", "b", false),
        ("a", "a\nb", false),
        ("", "a", false),
        ("…\nz", "x\ny", false),
        ("old … ms", "new one 12 ms", false),
        ("closed", "decoded", false),
    ] {
        assert_eq!(fits(&lines(shown), &lines(printed)), does, "{shown} / {printed}");
    }
    assert_eq!(
        screen(b"50 %\r\x1b[2K\x1b[1mdone\x1b[0m\r\na\r\nb\x1b[1A\r\x1b[Jc\r\n"),
        ["done", "c"]
    );
    let page = "```console\n$ one\nold\n```\ntext\n";
    let played = [Played { printed: lines("new"), status: "0".into() }];
    assert_eq!(with_output(page, &played), "```console\n$ one\nnew\n```\ntext\n");
}
