//! Completions and man pages, as shells and packages use them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::program::{run, stderr, stdout};

#[test]
fn an_unknown_shell_is_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let output = run(home.path(), &["completions", "tcsh"]);
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    for shell in ["bash", "zsh", "fish", "powershell"] {
        assert!(text.contains(shell), "{text}");
    }
}

#[test]
fn man_does_not_write_over_a_file_that_is_no_folder() {
    let home = tempfile::tempdir().unwrap();
    let place = home.path().join("man");
    std::fs::write(&place, "kept").unwrap();
    let output = run(home.path(), &["man", "--out", place.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert_eq!(std::fs::read_to_string(&place).unwrap(), "kept");
}

/// Whether `shell` parses the script. Bash is on every machine that tests run on; of the
/// others, those that are there are asked.
fn is_parsed(shell: &str, options: &[&str], script: &Path) -> bool {
    let mut command = Command::new(shell);
    match command.args(options).arg(script).stdin(Stdio::null()).output() {
        Ok(output) => {
            assert!(output.status.success(), "{shell}: {}", stderr(&output));
            true
        }
        Err(_) => false,
    }
}

#[test]
fn shells_parse_their_completions() {
    let home = tempfile::tempdir().unwrap();
    for (shell, options) in
        [("bash", &["-n"][..]), ("zsh", &["-n"]), ("fish", &["--no-execute"]), ("powershell", &[])]
    {
        let output = run(home.path(), &["completions", shell]);
        assert!(output.status.success(), "{shell}: {}", stderr(&output));
        let text = stdout(&output);
        for word in ["quickstart", "rotate", "--ready-file", "--client-secret-stdin"] {
            assert!(text.contains(word.trim_start_matches("--")), "{shell}: no {word}");
        }
        let script = home.path().join(shell);
        std::fs::write(&script, &text).unwrap();
        assert!(is_parsed(shell, options, &script) || shell != "bash", "there is no bash");
    }
}

/// What bash proposes after `words`.
fn proposed(script: &Path, words: &[&str]) -> BTreeSet<String> {
    let asked = format!(
        "source {}; COMP_WORDS=({}); COMP_CWORD={}; _countersign countersign '' '{}'; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script.display(),
        words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
        words.len() - 1,
        words[words.len() - 2],
    );
    let output = Command::new("bash").args(["--norc", "-c", &asked]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output).lines().map(str::to_owned).collect()
}

#[test]
fn bash_proposes_commands_and_words_of_an_option() {
    let home = tempfile::tempdir().unwrap();
    let script = home.path().join("bash");
    std::fs::write(&script, run(home.path(), &["completions", "bash"]).stdout).unwrap();
    let of_store = proposed(&script, &["countersign", "store", ""]);
    assert!(of_store.contains("backup") && !of_store.contains("sync"), "{of_store:?}");
    let formats = proposed(&script, &["countersign", "export", "--format", ""]);
    assert!(formats.contains("sarif") && formats.contains("ocsf"), "{formats:?}");
}

/// The commands that a page of help lists.
fn listed(home: &Path, path: &[&str]) -> Vec<String> {
    let output = run(home, &[path, &["--help"]].concat());
    let text = stdout(&output);
    let Some((_, after)) = text.split_once("\nCommands:\n") else { return Vec::new() };
    let lines = after.lines().take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next());
    let is_name = |line: &str| !line.starts_with(' ');
    let texts: BTreeSet<_> = after
        .lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| line.strip_prefix("  ").is_some_and(is_name))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    names.filter(|name| texts.contains(name) && *name != "help").map(str::to_owned).collect()
}

#[test]
fn every_command_has_a_page() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("deep/man");
    let output = run(home.path(), &["man", "--out", folder.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    let pages: BTreeSet<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(stdout(&output).starts_with(&format!("{} pages", pages.len())), "{output:?}");
    let mut expected = BTreeSet::from(["countersign.1".to_owned()]);
    let mut left = vec![Vec::<String>::new()];
    while let Some(path) = left.pop() {
        let words: Vec<_> = path.iter().map(String::as_str).collect();
        for name in listed(home.path(), &words) {
            let below = [path.clone(), vec![name]].concat();
            expected.insert(format!("countersign-{}.1", below.join("-")));
            left.push(below);
        }
    }
    assert!(expected.len() > 60, "{expected:?}");
    assert_eq!(pages, expected);
    let rotate = std::fs::read_to_string(folder.join("countersign-credentials-rotate.1")).unwrap();
    for part in [".TH countersign-credentials-rotate 1", ".SH OPTIONS", "Examples:"] {
        assert!(rotate.contains(part), "{rotate}");
    }
}

#[cfg(unix)]
#[test]
fn pages_can_be_read_by_everybody() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("man");
    let output = run(home.path(), &["man", "--out", folder.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    let page = std::fs::metadata(folder.join("countersign.1")).unwrap();
    assert_eq!(page.permissions().mode() & 0o444, 0o444);
}
