//! Pictures of the lists, in text: what they look like is in `docs/reference/gallery.md`, and this
//! test fails when they look otherwise. `UPDATE=1` writes it.

#![cfg(target_os = "linux")]

use std::path::Path;

use crate::lists::on_columns;
use crate::program::{Served, countersign, stderr, stdout};

const PLACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/gallery.md");

const HEAD: &str = "# Gallery of lists

For everybody who wants to know what a command prints before they run it. The demo tenant, by the
commands in the headings, on a terminal of 80 and of 120 columns and in a pipe, without
colour. Tabs between the values in a pipe are shown as `→`. Times, ports and the names of
folders stand for others. A test makes this page and fails when a list looks otherwise.
";

/// What is shown, and whether its pictures are of terminals too.
const PICTURES: &[&[&str]] = &[
    &["applications", "--limit", "8"],
    &["applications", "--severity", "very-high", "--sort", "open:desc", "--limit", "5"],
    &["findings", "--app", "APP", "--limit", "12"],
    &["findings", "--app", "APP", "--severity", "high+", "--state", "all", "--limit", "6"],
    &[
        "findings",
        "--app",
        "APP",
        "--columns",
        "severity,scan_type,cwe,title,first_found",
        "-n",
        "5",
    ],
    &["findings", "--app", "APP", "--facet", "scan_type"],
    &["changes", "--app", "APP", "--columns", "at,kind,severity,id,application,title", "-n", "6"],
    &["finding", "ID"],
    &["credentials", "list"],
    &["credentials", "log"],
    &["integration", "list"],
    &["integration", "show"],
    &["schedule", "list"],
    &["vault", "check"],
    &["store", "check"],
];

const HOME: &str = "~/.local/share/countersign";
const API_ID: &str = "0123456789abcdef0123456789abcdef";

struct Home {
    folder: tempfile::TempDir,
    application: String,
    id: String,
    api_id: String,
}

impl Home {
    /// With the demo tenant.
    fn new() -> Self {
        let served = Served::start("demo");
        let folder = tempfile::tempdir().unwrap();
        let (id, secret) = served.mint("reader", &[]);
        assert!(served.add_as("demo", folder.path(), (&id, &secret)).status.success());
        let synced = countersign(folder.path()).arg("sync").output().unwrap();
        assert!(synced.status.success(), "{}", stderr(&synced));
        let (application, finding) = (String::new(), String::new());
        let mut home = Self { folder, application, id: finding, api_id: id };
        let busiest =
            ["applications", "--sort", "open:desc", "-n", "1", "--columns", "application"];
        home.application = home.piped(&busiest).0.lines().nth(1).unwrap().to_owned();
        let open = ["findings", "--app", &home.application, "-n", "1", "--columns", "id"];
        home.id = home.piped(&open).0.lines().nth(1).unwrap().to_owned();
        home
    }

    fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = countersign(self.folder.path());
        command.args(args).env("NO_COLOR", "1").env("TZ", "UTC");
        command
    }

    fn piped(&self, args: &[&str]) -> (String, String) {
        let output = self.command(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        (stdout(&output), stderr(&output))
    }

    /// What is another in each run stands for itself.
    fn settled(&self, text: &str) -> String {
        let home = self.folder.path().display().to_string();
        let text = text.replace(&format!("--home {home} "), "").replace(&home, HOME);
        let mut text = text.replace(&self.api_id, API_ID);
        for cut in (4..API_ID.len()).rev() {
            text =
                text.replace(&format!("{}…", &self.api_id[..cut]), &format!("{}…", &API_ID[..cut]));
        }
        text.lines().map(|line| format!("{}\n", settled(line).trim_end())).collect()
    }

    fn pictures(&self, args: &[&str]) -> String {
        let (mut data, told) = self.piped(args);
        if args[0] != "finding" {
            data = data.replace('\t', "→");
        }
        let mut text = String::new();
        for columns in [80, 120] {
            let shown = on_columns(&mut self.command(args), columns);
            text.push_str(&format!("\n{columns} columns:\n\n```\n{}```\n", self.settled(&shown)));
        }
        text.push_str(&format!("\nIn a pipe:\n\n```\n{}```\n", self.settled(&data)));
        let told = self.settled(&told);
        if !told.is_empty() {
            text.push_str(&format!("\nBeside it, on standard error:\n\n```\n{told}```\n"));
        }
        text
    }
}

/// Moments, distances and ports of a line, each as long as it was where that is always the
/// same.
fn settled(line: &str) -> String {
    let line = replaced(line, "####-##-## ##:## UTC", "2026-11-24 08:00 UTC");
    let line = replaced(&line, "####-##-##T##:##:##.###Z", "2026-11-24T08:00:00.000Z");
    let line = replaced(&line, "in ### days", "in 365 days");
    let line = replaced(&line, ":#####", ":54321");
    match line.split_once("--after ") {
        Some((before, _)) => format!("{before}--after BAAAAAAAAAE"),
        None => line,
    }
}

/// Every place that has the form of `pattern`, where `#` is a digit.
fn replaced(line: &str, pattern: &str, stand_in: &str) -> String {
    let (line, pattern): (Vec<char>, Vec<char>) =
        (line.chars().collect(), pattern.chars().collect());
    let fits = |part: &[char]| {
        let both = part.iter().zip(&pattern);
        let is_fit = |(c, p): (&char, &char)| if *p == '#' { c.is_ascii_digit() } else { c == p };
        part.len() == pattern.len() && both.into_iter().all(is_fit)
    };
    let mut text = String::new();
    let mut at = 0;
    while at < line.len() {
        let end = (at + pattern.len()).min(line.len());
        match fits(&line[at..end]) {
            true => {
                text.push_str(stand_in);
                at = end;
            }
            false => {
                text.push(line[at]);
                at += 1;
            }
        }
    }
    text
}

#[test]
fn lists_look_as_the_gallery_shows() {
    let home = Home::new();
    let mut page = HEAD.to_owned();
    for args in PICTURES {
        let args: Vec<_> = args
            .iter()
            .map(|word| match *word {
                "APP" => home.application.as_str(),
                "ID" => &home.id[..10],
                word => word,
            })
            .collect();
        let words: Vec<_> = args
            .iter()
            .map(|word| if word.contains(' ') { format!("'{word}'") } else { (*word).to_owned() })
            .collect();
        page.push_str(&format!("\n## `countersign {}`\n{}", words.join(" "), home.pictures(&args)));
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(PLACE, page).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(Path::new(PLACE)).unwrap_or_default();
    let differs = kept.lines().zip(page.lines()).enumerate().find(|(_, (old, new))| old != new);
    assert!(kept == page, "the gallery shows something else: {differs:?}");
}

#[test]
fn what_differs_from_run_to_run_is_settled() {
    assert_eq!(
        settled("at 2027-01-02 23:59 UTC on [::1]:40123 in 364 days"),
        "at 2026-11-24 08:00 UTC on [::1]:54321 in 365 days"
    );
    assert_eq!(settled("Billing.java:42 dddd"), "Billing.java:42 dddd");
}
