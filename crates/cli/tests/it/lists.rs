//! What lists show on a terminal and in a pipe, what narrows them, and what they say.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::program::{Served, countersign, run, stderr, stdout};

/// A home with what a small platform holds, by two integrations of one account.
struct Bench {
    served: Served,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let served = Served::start("apps=3,findings=300");
        let folder = tempfile::tempdir().unwrap();
        let (id, secret) = served.mint("reader", &[]);
        let bench = Self { served, folder };
        for name in ["prod", "twin"] {
            let added = bench.served.add_as(name, bench.home(), (&id, &secret));
            assert!(added.status.success(), "{}", stderr(&added));
        }
        bench.well(&["sync"]);
        bench
    }

    fn home(&self) -> &Path {
        self.folder.path()
    }

    fn well(&self, args: &[&str]) -> String {
        let output = run(self.home(), args);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        stdout(&output)
    }

    #[track_caller]
    fn refused(&self, args: &[&str], words: &[&str]) {
        let output = run(self.home(), args);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {told}");
        assert!(words.iter().all(|word| told.contains(word)), "{args:?}: {told}");
        assert_eq!(stdout(&output), "", "{args:?}");
    }

    fn objects(&self, args: &[&str]) -> Vec<Value> {
        let lines = self.well(args);
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn ids(&self, args: &[&str]) -> Vec<String> {
        self.objects(args).iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    }

    /// The values of one column of a list in a pipe.
    fn column(&self, args: &[&str], name: &str) -> Vec<String> {
        let text = self.well(&[args, &["--columns", name]].concat());
        let mut lines = text.lines().map(str::to_owned);
        assert_eq!(lines.next().as_deref(), Some(name));
        lines.collect()
    }
}

/// A command on a terminal of so many columns.
pub(crate) fn on_columns(command: &mut Command, columns: u16) -> String {
    let shown = crate::hostile::screen::on_a_terminal_of(command, columns);
    String::from_utf8(shown).unwrap().replace("\r\n", "\n")
}

#[test]
fn what_names_nothing_is_refused() {
    let bench = Bench::new();
    for (args, words) in [
        (&["findings", "--severity", "hgh"][..], &["`hgh` is not a severity", "high+"][..]),
        (&["findings", "--state", "closed"], &["not a state", "false_positive"]),
        (&["findings", "--since", "yesterday"], &["not a time", "30d"]),
        (&["findings", "--app", "Wbe Shop"], &["no application is called `Wbe Shop`", "nearest"]),
        (&["findings", "--integration", "prd"], &["no integration is called `prd`", "`prod`"]),
        (&["findings", "--columns", "sevrity"], &["no column `sevrity`", "`severity`", "place"]),
        (&["findings", "--sort", "sevrity"], &["no column `sevrity`"]),
        (&["findings", "--sort", "severity:up"], &["COLUMN:desc"]),
        (&["findings", "--filter", "scan_type[eq]sast"], &["STATIC, DYNAMIC, MANUAL or SCA"]),
        (&["findings", "--filter", "application[eq]Nope"], &["no application is called `Nope`"]),
        (&["export", "--format", "csv", "--filter", "application[eq]Nope"], &["is called `Nope`"]),
        (&["applications", "--severity", "7"], &["`7` is not a severity"]),
        (&["applications", "--since", "soon"], &["not a time"]),
        (&["changes", "--kind", "gone"], &["not a kind of change", "reopened"]),
        (&["changes", "--sort", "title"], &["cannot be sorted", "--sort seq"]),
        (&["changes", "--app", "Nope"], &["no application is called `Nope`"]),
        (&["credentials", "list", "--state", "dead"], &["not a state", "expired"]),
    ] {
        bench.refused(args, words);
    }
}

/// What `findings` lists unless something else is asked for.
const OPEN: &str = "state[eq]open and context[eq]policy and visible[eq]true";

#[test]
fn a_pipe_gets_a_line_a_finding_with_whole_values() {
    let bench = Bench::new();
    let open = bench.objects(&["findings", "--json", "--filter", OPEN]);
    assert!(open.len() > 100, "more than a screenful");
    let output = run(bench.home(), &["findings"]);
    let text = stdout(&output);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "severity\tid\tstate\tapplication\tplace\tweakness");
    assert_eq!(lines.len(), open.len() + 1, "all of them, and no footer");
    assert!(!text.contains('\u{1b}'));
    for (line, object) in lines[1..].iter().zip(&open) {
        let cells: Vec<_> = line.split('\t').collect();
        assert_eq!(cells.len(), 6, "{line}");
        assert_eq!(cells[1], object["id"].as_str().unwrap());
        assert_eq!(cells[3], object["application_name"].as_str().unwrap());
        let (file, at) = (object["location"]["file"].as_str(), object["location"]["line"].as_i64());
        if let (Some(file), Some(at)) = (file, at) {
            assert_eq!(cells[4], format!("{file}:{at}"));
        }
    }
    let told = stderr(&output);
    let all = format!("{0} of {0} findings: open, policy context, visible", open.len());
    assert!(told.contains(&all) && told.contains("these too:"), "{told}");
    let times = bench.column(&["findings", "--limit", "3"], "first_found");
    assert!(times.iter().all(|time| time.ends_with('Z') && time.contains('T')), "{times:?}");
}

#[test]
fn a_terminal_gets_a_line_a_finding_that_fits() {
    let bench = Bench::new();
    for (columns, args) in [
        (40, &["findings"][..]),
        (80, &["findings"]),
        (80, &["findings", "--columns", "all"]),
        (120, &["findings", "--state", "all"]),
        (80, &["applications"]),
        (80, &["changes"]),
        (80, &["credentials", "list"]),
    ] {
        let mut command = countersign(bench.home());
        command.args(args).env("NO_COLOR", "1").env("TZ", "Europe/Berlin");
        let shown = on_columns(&mut command, columns);
        let is_row = |line: &&str| !line.starts_with("  ") && !line.starts_with("- ");
        let rows = shown.lines().take_while(is_row);
        assert!(rows.clone().count() >= 3, "{shown}");
        let list = shown.lines().take(3);
        for line in list {
            let wide = line.chars().count();
            assert!(wide <= usize::from(columns), "{columns} {args:?}: {wide} {line}");
        }
    }
    let mut plain = countersign(bench.home());
    plain.args(["findings", "--limit", "3", "--columns", "severity,first_found"]);
    plain.env("NO_COLOR", "1").env("TZ", "Asia/Kolkata");
    let plain = on_columns(&mut plain, 80);
    assert!(plain.contains(" +05:30") && !plain.contains('\u{1b}'), "{plain}");
    let mut coloured = countersign(bench.home());
    coloured.args(["findings", "--limit", "3"]).env_remove("NO_COLOR");
    assert!(on_columns(&mut coloured, 80).contains("\u{1b}["), "colour on a terminal");
}

#[test]
fn lists_are_narrowed_and_sorted() {
    let bench = Bench::new();
    let all = bench.objects(&["findings", "--json"]);
    let count = |keep: &dyn Fn(&Value) -> bool| all.iter().filter(|one| keep(one)).count();
    let level = |one: &Value| one["severity"].as_i64().unwrap();
    let name = all[0]["application_name"].as_str().unwrap();
    let guid = all[0]["application"].as_str().unwrap();
    let is_open = |one: &Value| one["state"] == "open";
    for (args, expected) in [
        (&["--state", "all"][..], count(&|_| true)),
        (&[], count(&is_open)),
        (&["--severity", "high+"], count(&|one| is_open(one) && level(one) >= 4)),
        (&["--severity", "4+", "--state", "all"], count(&|one| level(one) >= 4)),
        (&["-s", "low,3-4", "--state", "all"], count(&|one| (2..=4).contains(&level(one)))),
        (&["--state", "fixed"], count(&|one| one["state"] == "fixed")),
        (&["--filter", "state[ne]open"], count(&|one| !is_open(one))),
        (&["--app", name, "--state", "all"], count(&|one| one["application"] == guid)),
        (&["--app", guid, "--state", "all"], count(&|one| one["application"] == guid)),
        (&["--integration", "twin", "--state", "all"], all.len() / 2),
        (&["--filter", "integration[eq]prod", "--state", "all"], all.len() / 2),
        (
            &["--filter", "scan_type[eq]static", "--state", "all"],
            count(&|one| one["scan_type"] == "STATIC"),
        ),
    ] {
        let args = [&["findings", "--columns", "id"], args].concat();
        assert_eq!(bench.well(&args).lines().count(), expected + 1, "{args:?}");
    }
    let upper = name.to_uppercase();
    let by_name =
        bench.ids(&["findings", "--json", "--filter", &format!("application[eq]{upper}")]);
    let by_guid = bench.ids(&["findings", "--json", "--filter", &format!("application[eq]{guid}")]);
    assert!(!by_name.is_empty() && by_name == by_guid);
    let exported = bench.well(&[
        "export",
        "--format",
        "ndjson",
        "--filter",
        &format!("application[eq]{upper}"),
    ]);
    assert_eq!(exported.lines().count(), by_name.len());
    let recent = bench.column(&["findings", "--state", "all", "--since", "100w"], "first_found");
    let later = count(&|one| one["first_found"].is_string());
    assert!(!recent.is_empty() && recent.len() <= later);

    for (column, is_descending) in [("first_found", true), ("application", false), ("id", false)] {
        let order = format!("{column}:{}", if is_descending { "desc" } else { "asc" });
        let mut values = bench.column(&["findings", "--state", "all", "--sort", &order], column);
        values.retain(|value| !value.is_empty());
        let is_sorted = match is_descending {
            true => values.is_sorted_by(|one, other| one >= other),
            false => values.is_sorted(),
        };
        assert!(values.len() > 100 && is_sorted, "{order}");
    }
    let open = bench.column(&["applications", "--sort", "open:desc"], "open");
    let open: Vec<i64> = open.iter().map(|count| count.parse().unwrap()).collect();
    assert!(open.len() == 6 && open.is_sorted_by(|one, other| one >= other), "{open:?}");
}

#[test]
fn what_a_list_prints_can_be_typed() {
    let bench = Bench::new();
    let columns = "id,severity,state,application,scan_type,cwe,context,first_found,integration";
    let text = bench.well(&["findings", "--state", "all", "--limit", "40", "--columns", columns]);
    let mut lines = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let names = lines.next().unwrap();
    for cells in lines {
        for (name, cell) in names.iter().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
            let filter = format!("{name}[eq]{cell}");
            let found = bench.well(&["findings", "-n", "1", "--state", "all", "--filter", &filter]);
            assert_eq!(found.lines().count(), 2, "{filter}");
        }
    }
}

#[test]
fn the_footer_proposes_commands_that_work() {
    let bench = Bench::new();
    let output = run(bench.home(), &["findings", "--limit", "7", "--severity", "low+"]);
    let told = stderr(&output);
    let first = bench.ids(&["findings", "--json", "--filter", OPEN, "-s", "low+"]);
    assert!(told.contains(&format!("7 of {} findings: open, policy", first.len())), "{told}");
    let proposed = |what: &str| {
        let line = told.lines().find(|line| line.trim_start().starts_with(what)).unwrap();
        let home = format!("countersign --home {} ", bench.home().display());
        let (_, command) = line.split_once(&home).unwrap();
        // As a shell would: nothing in it is quoted here.
        assert!(!command.contains('\''), "{command}");
        command.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let run = |words: &[String]| {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        bench.well(&words)
    };
    let ids = |text: &str| -> Vec<String> {
        text.lines().skip(1).map(|line| line.split('\t').nth(1).unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&run(&proposed("more:"))), first[7..14]);
    assert_eq!(ids(&run(&proposed("all of them:"))), first);
    let mut these = proposed("these too:");
    run(&these);
    // The seven worst of all may be open ones.
    let limit = these.iter().position(|word| word == "--limit").unwrap();
    these[limit + 1] = "0".to_owned();
    let states = run(&these);
    assert!(states.contains("\tfixed\t") || states.contains("\tmitigated\t"), "{states}");
}

#[test]
fn changes_are_the_newest_and_there_is_a_way_on() {
    let bench = Bench::new();
    let all = bench.objects(&["changes", "--json"]);
    let seqs = |objects: &[Value]| -> Vec<i64> {
        objects.iter().map(|one| one["seq"].as_i64().unwrap()).collect()
    };
    let newest = seqs(&all);
    assert!(newest.len() > 500 && newest.is_sorted_by(|one, other| one > other));
    let text = bench.well(&["changes", "--limit", "50"]);
    let shown: Vec<i64> = text
        .lines()
        .skip(1)
        .map(|line| line.split('\t').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(shown, newest[..50]);
    let next =
        bench.objects(&["changes", "--json", "-n", "50", "--after", &newest[49].to_string()]);
    assert_eq!(seqs(&next), newest[50..100]);
    let told = stderr(&run(bench.home(), &["changes", "--limit", "50"]));
    assert!(told.contains(&format!("--after {}", newest[49])), "{told}");
    // The feed is followed forwards.
    let followed = bench.objects(&["changes", "--json", "--since", &newest[10].to_string()]);
    let mut expected = newest[..10].to_vec();
    expected.reverse();
    assert_eq!(seqs(&followed), expected);
    let twin = bench.objects(&["changes", "--json", "--integration", "twin", "-s", "high+"]);
    assert!(!twin.is_empty() && twin.len() < newest.len() / 2);
    assert!(twin.iter().all(|one| one["severity"].as_i64() >= Some(4)));
    assert_eq!(bench.well(&["changes", "--json", "--kind", "closed"]), "");
    assert_eq!(bench.objects(&["changes", "--json", "--since", "1h"]).len(), newest.len());
}

#[test]
fn one_finding_of_two_integrations_is_shown() {
    let bench = Bench::new();
    let open = bench.objects(&["findings", "--json", "--filter", "scan_type[eq]static"]);
    let id = open[0]["id"].as_str().unwrap();
    for given in [id, &id[..10]] {
        let text = bench.well(&["finding", given]);
        assert!(text.contains(id) && text.contains("prod") && text.contains("twin"), "{text}");
        for group in ["Finding\n", "Place\n", "Standing\n", "Description\n"] {
            assert!(text.contains(group), "{group}: {text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }
    let twin = bench.objects(&["finding", id, "--json", "--integration", "twin"]);
    assert_eq!((twin.len(), twin[0]["integration"].as_str()), (1, Some("twin")));
    bench.refused(&["finding", id, "--integration", "none"], &["does not hold", "prod, twin"]);
    bench.refused(&["finding", "zz"], &["is not the id", " findings` lists ids"]);
    bench.refused(&["finding", "00000000000000000000"], &["no stored finding"]);
}
