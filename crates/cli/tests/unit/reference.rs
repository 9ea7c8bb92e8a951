//! Reference pages that are made from the program: commands, filters, exit codes, configuration,
//! metrics. `UPDATE=1` writes them; without it, a page that differs from the program fails.

use std::fmt::Write;

use clap::{Arg, Command};
use countersign_connector::metrics::Metric;
use countersign_connector::watch::feeds::CredentialGauge;
use countersign_findings::filter::{Expression, Field, Operator, Type};
use countersign_platform::PlatformMetric;
use countersign_text::openmetrics::{Kind as MetricKind, unit_of};

use crate::config::Config;
use crate::config::keys::{KEYS, Key, Kind};
use crate::config::settings::is_needed;
use crate::failure::Cause;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference");
const UPDATE: &str = "UPDATE=1 cargo test --workspace --bin countersign reference";
/// What times in examples are counted from: 2026-11-24T08:00:00Z.
const NOW_MS: i64 = 1_795_507_200_000;

/// Compares a page with what the program makes of it, or writes it.
fn assert_page(name: &str, made: &str) {
    let path = format!("{FOLDER}/{name}");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, made).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = kept.lines().zip(made.lines()).find(|(kept, made)| kept != made);
    assert!(
        kept == made,
        "docs/reference/{name} is not what the program says: {differs:?}; {UPDATE}"
    );
}

/// In a cell of a table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|").replace('<', "&lt;")
}

#[test]
fn commands() {
    let root = crate::args::command();
    let mut page = "# Commands

For everybody who types a command: every command with its options, defaults, environment
variables and examples. This page is made from the program; `--help` after a command
prints the same.

"
    .to_owned();
    let (mut contents, mut body) = (String::new(), String::new());
    each(&root, "countersign", &mut |path, command| {
        if !command.has_subcommands() || command.get_arguments().any(is_own) {
            let (anchor, about) = (path.replace(' ', "-"), about(command));
            writeln!(contents, "| [`{path}`](#{anchor}) | {about} |").unwrap();
            body.push_str(&section(path, command));
        }
    });
    page.push_str("| command | what it does |\n| --- | --- |\n");
    page.push_str(&contents);
    page.push_str("\n## Options of every command\n\n");
    page.push_str(&options(root.get_arguments().filter(|arg| arg.is_global_set())));
    page.push_str(&body);
    assert_page("commands.md", &page);
}

/// Every command that can be typed, those with subcommands before them.
fn each(command: &Command, path: &str, act: &mut dyn FnMut(&str, &Command)) {
    for one in command.get_subcommands() {
        if one.is_hide_set() || one.get_name() == "help" {
            continue;
        }
        let path = format!("{path} {}", one.get_name());
        act(&path, one);
        each(one, &path, act);
    }
}

fn about(command: &Command) -> String {
    cell(&command.get_about().map(ToString::to_string).unwrap_or_default())
}

fn is_own(arg: &Arg) -> bool {
    !arg.is_global_set()
        && !arg.is_hide_set()
        && !matches!(arg.get_id().as_str(), "help" | "version")
}

fn section(path: &str, command: &Command) -> String {
    let mut text = format!("\n## `{path}`\n\n{}.\n", about(command));
    let own: Vec<_> = command.get_arguments().filter(|arg| is_own(arg)).collect();
    if !own.is_empty() {
        text.push('\n');
        text.push_str(&options(own.into_iter()));
    }
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    if let Some(examples) = help.strip_prefix("Examples:\n") {
        let lines: Vec<_> = examples.lines().map(str::trim).collect();
        write!(text, "\n```text\n{}\n```\n", lines.join("\n")).unwrap();
    }
    text
}

fn options<'a>(args: impl Iterator<Item = &'a Arg>) -> String {
    let mut text = "| option | default | meaning |\n| --- | --- | --- |\n".to_owned();
    for arg in args {
        let help = arg.get_long_help().or_else(|| arg.get_help());
        let help = cell(&help.map(ToString::to_string).unwrap_or_default());
        // A default that only words can say stands in the help.
        let (meaning, said) = match help.rsplit_once(" [default: ") {
            Some((meaning, said)) => (meaning, said.trim_end_matches(['.', ']'])),
            None => (help.as_str(), ""),
        };
        let mut meaning = meaning.to_owned();
        let values: Vec<_> =
            arg.get_possible_values().iter().map(|it| format!("`{}`", it.get_name())).collect();
        if arg.get_action().takes_values() && !values.is_empty() {
            write!(meaning, "; one of {}", values.join(", ")).unwrap();
        }
        if let Some(variable) = arg.get_env() {
            write!(meaning, "; also `{}`", variable.display()).unwrap();
        }
        let default = match arg.get_default_values() {
            [] => said.to_owned(),
            [value] if value.is_empty() => String::new(),
            values => {
                values.iter().map(|it| format!("`{}`", it.display())).collect::<Vec<_>>().join(" ")
            }
        };
        let default = if arg.get_action().takes_values() || !said.is_empty() {
            default
        } else {
            String::new()
        };
        writeln!(text, "| {} | {default} | {meaning} |", name(arg)).unwrap();
    }
    text
}

/// As it is typed.
fn name(arg: &Arg) -> String {
    let takes = arg.get_action().takes_values();
    let fallback = arg.get_id().as_str().to_uppercase();
    let values = arg.get_value_names().map(|names| names.join(" "));
    let value = values.filter(|_| takes).unwrap_or(fallback).replace('|', "\\|");
    let shape = match (arg.get_long(), takes) {
        (None, _) if arg.is_required_set() => value,
        (None, _) => format!("[{value}]"),
        (Some(long), true) => format!("--{long} {value}"),
        (Some(long), false) => format!("--{long}"),
    };
    match arg.get_short() {
        Some(short) => format!("`{shape}`, `-{short}`"),
        None => format!("`{shape}`"),
    }
}

/// What a field is about, and a filter with it.
fn said_of(field: Field) -> (&'static str, &'static str) {
    match field {
        Field::Id => {
            ("the finding's id: all of its digits, or the first 4 and more", "id[eq]3fa85f6457")
        }
        Field::Application => {
            ("the application: its GUID, or its name in any case", "application[eq]web shop")
        }
        Field::ApplicationName => ("the application's name", "application_name[like]shop"),
        Field::Integration => ("the integration that downloaded it", "integration[eq]prod"),
        Field::Context => ("`policy`, or `sandbox:` and the sandbox's GUID", "context[eq]policy"),
        Field::Visible => ("whether the account still sees the application", "visible[eq]true"),
        Field::ScanType => {
            ("`STATIC`, `DYNAMIC`, `MANUAL` or `SCA`, in any case", "scan_type[in]static,sca")
        }
        Field::Severity => ("0 to 5, or the name, such as `high`", "severity[gte]4"),
        Field::State => ("`open`, `fixed`, `mitigated` or `false_positive`", "state[eq]open"),
        Field::Status => ("the status as the service sent it", "status[eq]reopened"),
        Field::ViolatesPolicy => {
            ("whether it violates the application's policy", "violates_policy[eq]true")
        }
        Field::Cwe => ("the number of the weakness, with or without `CWE-`", "cwe[in]79,89"),
        Field::Title => ("the title", "title[like]\"this and that\""),
        Field::File => ("the source file", "file[like]src/main/*.java"),
        Field::Module => ("the module", "module[eq]billing.war"),
        Field::Url => ("the address of a dynamic finding", "url[like]/login"),
        Field::Component => ("file name or package name of a component", "component[like]log4j"),
        Field::Cve => ("the vulnerability", "cve[eq]CVE-2021-44228"),
        Field::Cvss => ("the CVSS 3 score, otherwise the CVSS 2 score", "cvss[gte]7.5"),
        Field::FirstFound => ("a date, a time, or an age", "first_found[gte]30d"),
        Field::LastSeen => ("a date, a time, or an age", "last_seen[lt]2026-11-24"),
        Field::Changed => {
            ("when a sync last noticed a change of it: a date, a time, or an age", "changed[gte]7d")
        }
        Field::New => ("whether it has not been different since it came in", "new[eq]true"),
        Field::Category => ("the number of the finding category", "category[eq]19"),
        Field::Notes => (
            "the members of the record that could not be read; `notes[ne]` finds findings with any",
            "notes[ne]",
        ),
        Field::Text => (
            "words of title, description, paths, procedure and component: all that are given, as whole words",
            "text[like]sql injection",
        ),
    }
}

fn type_name(type_: Type) -> &'static str {
    match type_ {
        Type::Text => "text",
        Type::Words => "words",
        Type::Integer => "whole number",
        Type::Number => "number",
        Type::Truth => "`true` or `false`",
        Type::Time => "time",
    }
}

fn operator_meaning(operator: Operator) -> &'static str {
    match operator {
        Operator::Eq => "equal",
        Operator::Ne => "not equal, or absent",
        Operator::Gt => "greater, or later",
        Operator::Gte => "greater or equal",
        Operator::Lt => "less, or earlier",
        Operator::Lte => "less or equal",
        Operator::Like => "contains, in any case; with `*`, the whole value must fit the pattern",
        Operator::In => "one of several values, separated by commas",
    }
}

/// The operators that the parser accepts for a field, with the value of its example.
fn operators(field: Field) -> String {
    let (_, example) = said_of(field);
    let value = example.split_once(']').map_or("", |(_, value)| value);
    let value = value.split(',').next().unwrap_or_default();
    let is_known = |operator: &&Operator| {
        let filter = format!("{}[{}]{value}", field.name(), operator.name());
        Expression::parse(&filter, NOW_MS).is_ok()
    };
    let names: Vec<_> = Operator::ALL.iter().filter(is_known).map(|one| one.name()).collect();
    names.join(" ")
}

const FILTERS: &str = "# Filters

For everybody who narrows a list, an export or a page to certain findings: the language of
`--filter`, of the dashboard's filter line, and every field. The tables are made from the
program.

A comparison is `field[operator]value`. Join comparisons with `and`, `or`, `not` and
parentheses; `and` binds closer than `or`. `--filter` can be repeated, and then all filters
must match.

```text
countersign findings --filter 'severity[gte]4 and (cwe[in]79,89 or not file[like]test)'
countersign findings --filter 'text[like]sql injection' --filter 'state[eq]open'
countersign findings --filter 'severity[gte]4' --facet cwe
```

- Quote a value that contains a joining word or a parenthesis: `title[like]\"this and that\"`.
  Write `\\\"` for a quote in it.
- A value that a list prints can be pasted: `scan_type[eq]static`, `severity[gte]Very High`,
  `cwe[eq]CWE-79`, `last_seen[lt]2026-11-24 09:00 +01:00`.
- Words of `scan_type`, `state`, `status` and `context` are accepted in any case. Unknown
  words are refused with a list of the known ones. Quote a word that the service has
  introduced since.
- The command line refuses an application or integration that does not exist, and proposes
  the nearest field or operator for one that is misspelt.
- An absent value matches `ne` and no other operator.
- A filter has at most 16 KiB, 200 comparisons, 32 levels, 500 values in one list and 2,000
  values in total.
";

#[test]
fn filters() {
    let mut page = FILTERS.to_owned();
    page.push_str("\n## Operators\n\n| operator | meaning |\n| --- | --- |\n");
    for operator in Operator::ALL {
        writeln!(page, "| `{}` | {} |", operator.name(), operator_meaning(operator)).unwrap();
    }
    page.push_str(
        "\n## Fields\n\n| field | type | operators | meaning | example |\n\
         | --- | --- | --- | --- | --- |\n",
    );
    for field in Field::ALL {
        let (meaning, example) = said_of(field);
        Expression::parse(example, NOW_MS).unwrap_or_else(|error| panic!("{example}: {error}"));
        assert!(example.starts_with(&format!("{}[", field.name())), "{example}");
        let (name, type_, operators) = (field.name(), type_name(field.type_()), operators(field));
        writeln!(page, "| `{name}` | {type_} | {operators} | {meaning} | `{example}` |").unwrap();
    }
    let facets: Vec<_> = Field::FACETS.iter().map(|it| format!("`{}`", it.name())).collect();
    write!(
        page,
        "\nFacets of the dashboard: {}. `findings --facet` also counts every other field whose \
         values repeat.\n",
        facets.join(", ")
    )
    .unwrap();
    assert_page("filters.md", &page);
}

const CODES: &str = "# Exit codes and errors

For scripts and CI jobs that run `countersign`: the code that a command ends with, and how
to read why. Each cause has one code, whatever the command. 0 is success.

";

const ERRORS: &str = "
`status` prints and ends with the code of the first that holds: 7 if the last check found the
store damaged, 3 if a credential is expired or refused, 4 if one lacks a role, the code of the
last scheduled sync that failed, 6 if an integration is behind or was never synced. `config
check` prints each mistake and ends with 2 if there is one.

`credentials env` ends with the code of the command that it ran, with 128 and the number of
the signal that ended it, with 127 if the command does not exist, and with 126 if it cannot
be run.

## Errors on a terminal

An error is printed on standard error: what failed, then one thing to do.

```text
error: there is no integration yet
hint: `countersign integration add prod` adds one
```

The command in backquotes can be pasted. It contains `--home` if you typed it.

## Errors for programs

With `--json`, an error is one JSON object on one line of standard error. Standard output
holds data only.

```json
{\"error\":{\"cause\":\"file\",\"code\":2,\"hint\":null,\"message\":\"failed to read `ca.pem`: No such file or directory\"}}
```

`cause` is a word of the table above. More members may be added. A command that has reported
the problem as data, such as `sync --json` with `\"complete\": false`, prints no error as
well: the exit code gives the cause.

`--quiet` (`-q`) suppresses notes and progress, and keeps errors. `--verbose` (`-v`) logs
more, `-vv` logs details, and `--log FILTER` selects what is logged.

The answer to each common mistake is in [mistakes.md](mistakes.md).
";

#[test]
fn exit_codes() {
    let mut page = format!("{CODES}| cause | code | when |\n| --- | --- | --- |\n");
    for cause in Cause::ALL {
        let (word, code, meaning) = (cause.as_str(), cause.exit() as u8, cause.meaning());
        writeln!(page, "| `{word}` | {code} | {meaning} |").unwrap();
    }
    page.push_str(ERRORS);
    assert_page("exit-codes.md", &page);
}

const CONFIGURATION: &str = "# Configuration

For operators: every key of `config.toml` with type, default, unit and meaning. The tables are made
from the program.

`config.toml` lies in the data directory: `--home DIR`, otherwise `COUNTERSIGN_HOME`, otherwise
the usual place of the system. Every key is optional, except those that the tables call required
within their table. An unknown key is refused with file and line. Other users must not be able to
write to the file ([Files](files.md)).

```text
countersign config init     # writes the file with every key as a comment
countersign config check    # finds mistakes, each with its line
countersign config show     # prints every value and where it comes from
```

Secrets are never in this file: a key that ends in `_file` names a file, a key that ends in
`_env` names an environment variable. A duration is `\"90s\"`, `\"30m\"`, `\"6h\"` or `\"7d\"`; hours of
the day are `\"22:00-04:00\"`. NAME is the name of an integration or credential; `[]` is each of
several tables, written `[[watch.webhooks]]`.

A running `serve` reads the file again on SIGHUP. `[store]`, `[vault]`, `[proxy]`, `[api]`, `metrics.listen`
and `watch.every` apply from the next start.
";

/// Each table of the file with what it is about, and what is to know after its keys.
const TABLES: [(&str, &str, &str); 12] = [
    (
        "client",
        "How requests are sent.",
        "A first connection that fails is reported after `connect_timeout_seconds`, with the host and \
         the\nlikely mistake. Only a service that has answered once is retried. The default of `proxy` is \
         the\nfirst of `HTTPS_PROXY`, `https_proxy`, `ALL_PROXY`, `all_proxy` that is set.",
    ),
    ("sync", "What a sync reads and closes: [Syncs](syncs.md).", ""),
    (
        "store",
        "Where what is synced is kept: \
         [Keep findings in PostgreSQL](../how-to/share-a-store.md).",
        "",
    ),
    (
        "schedule",
        "When `serve` syncs: [Schedule](schedule.md). `[schedule]` applies to every integration,\n\
         `[schedule.NAME]` to one.",
        "",
    ),
    ("metrics", "Access to the [metrics](metrics.md) of `serve`.", ""),
    (
        "api",
        "Where `serve` answers the [connector API](connector-api.md), and how much one token may ask for.",
        "",
    ),
    (
        "watch",
        "When notices about credentials are sent, and where:\n\
         [Credential monitoring](credential-monitoring.md).",
        "",
    ),
    ("rotation", "How the credential NAME is rotated: [Rotation](rotation.md).", ""),
    (
        "vault",
        "Where secrets are: [Vault](vault.md). A meaning begins with the backend, or the way to sign\n\
         in, that the key belongs to.",
        "",
    ),
    ("proxy", "Callers of the [signing proxy](proxy.md) that need no `proxy token`.", ""),
    (
        "consumers",
        "Programs that receive new credentials: [Consumers](credential-monitoring.md#consumers). A meaning\n\
         begins with the kinds that the key belongs to.",
        "",
    ),
    (
        "destinations",
        "Where findings are delivered to: [Deliveries](deliveries.md). One table of a receiver makes a\n\
         destination what it is; a meaning begins with the receiver that the key belongs to.",
        "",
    ),
];

const VARIABLES: &str = "
## Environment variables

| variable | meaning |
| --- | --- |
| `COUNTERSIGN_HOME` | data directory |
| `COUNTERSIGN_LOG` | what to log to standard error |
| `COUNTERSIGN_LOG_FORMAT` | `text` or `json` |
| `COUNTERSIGN_TRUST` | users and groups whose files are trusted: [Files](files.md#containers) |
| `COUNTERSIGN_STORE_PASSWORD` | password of the database that `store.url` names |
| `COUNTERSIGN_VAULT_PASSPHRASE` | passphrase of the encrypted file |
| `COUNTERSIGN_SMTP_USER`, `COUNTERSIGN_SMTP_PASSWORD` | sign-in to mail servers |
| `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY` | proxies, also in lower case |
| `VERACODE_…` | credentials of other tools: [Credentials and signing](credentials.md) |
| `NO_COLOR` | no colours |
";

#[test]
fn configuration() {
    let mut page = CONFIGURATION.to_owned();
    for (table, about, after) in TABLES {
        write!(page, "\n## {table}\n\n{about}\n\n{KEY_TABLE}").unwrap();
        KEYS.iter().filter(|key| is_of(key, table)).for_each(|key| page.push_str(&key_row(key)));
        if !after.is_empty() {
            write!(page, "\n{after}\n").unwrap();
        }
    }
    for key in KEYS {
        assert!(TABLES.iter().any(|(table, ..)| is_of(key, table)), "{} is in no table", key.name);
    }
    for variable in crate::args::command().get_arguments().filter_map(Arg::get_env) {
        let name = variable.to_str().unwrap();
        assert!(VARIABLES.contains(&format!("`{name}`")), "{name} is not described");
    }
    page.push_str(VARIABLES);
    assert_page("configuration.md", &page);
}

const KEY_TABLE: &str =
    "| key | type | default | unit | meaning |\n| --- | --- | --- | --- | --- |\n";

fn is_of(key: &Key, table: &str) -> bool {
    key.name.split(['.', '[']).next() == Some(table)
}

fn key_row(key: &Key) -> String {
    // A default that only words can say stands in the meaning.
    let (meaning, said) = match key.meaning.rsplit_once(" [default: ") {
        Some((meaning, said)) => (meaning, said.trim_end_matches(']')),
        None => (key.meaning, "none"),
    };
    let default = match key.default {
        Some(default) => format!("`{default}`"),
        None if is_needed(key) => "required".to_owned(),
        None => said.to_owned(),
    };
    let unit = key.unit.unwrap_or_default();
    let (name, kind) = (key.name, kind_name(key.kind));
    format!("| `{name}` | {kind} | {default} | {unit} | {} |\n", cell(meaning))
}

fn kind_name(kind: Kind) -> String {
    use Kind::{Choice, Hours, Span, SpanOrOff};
    match kind {
        Choice(words) => {
            let quoted: Vec<_> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
            quoted.join(", ")
        }
        Hours => "hours of the day".to_owned(),
        Span => "duration".to_owned(),
        SpanOrOff => "duration or `\"off\"`".to_owned(),
        other => other.said(),
    }
}

const METRICS: &str = "# Metrics

For operators who collect metrics: each metric with type, labels, unit and meaning. The tables are
made from the program. To set a collector up, see
[Run as a service](../how-to/run-as-a-service.md#collect-metrics).

The format is OpenMetrics 1.0. A counter is read with the suffix `_total`, the build with `_info`,
and a histogram with `_bucket`, `_count` and `_sum`. Counts of syncs and findings come from the
store, and a restart does not reset them; counters of requests begin at the start of the program.

Alerts are in `packaging/prometheus/rules.yml`, a dashboard for Grafana is in
`docs/grafana/countersign.json`; packages install both below `/usr/share/countersign`.
";

const METRIC_TABLE: &str =
    "| metric | type | labels | unit | meaning |\n| --- | --- | --- | --- | --- |\n";

#[test]
fn metrics() {
    let mut page = METRICS.to_owned();
    page.push_str(
        "\n## Of `serve`\n\n`/metrics` at the address of the dashboard with the token of \
        `metrics.token_file`, or at the\naddress of `metrics.listen` or `--metrics-listen`.\n\n",
    );
    page.push_str(METRIC_TABLE);
    for one in Metric::ALL {
        page.push_str(&metric_row(one.name(), one.kind(), one.labels(), &one.help()));
    }
    page.push_str(
        "\n## Of credentials\n\nFrom `serve`, and in the file of `watch.metrics` and \
        `credentials metrics` for the textfile collector\nof the node exporter.",
    );
    for one in CredentialGauge::ALL.iter().filter(|one| !one.is_served()) {
        write!(page, " `{}` is in the file only.", one.name()).unwrap();
    }
    page.push_str(" Those of the store are there\nafter its first check.\n\n");
    page.push_str(METRIC_TABLE);
    for one in CredentialGauge::ALL {
        page.push_str(&metric_row(one.name(), MetricKind::Gauge, one.labels(), one.help()));
    }
    page.push_str(
        "\n## Of `platform serve`\n\n`/metrics` at the REST address with the token of \
        `--metrics-token-file`, or at the address of\n`--metrics-listen`.\n\n",
    );
    page.push_str(METRIC_TABLE);
    for one in PlatformMetric::ALL {
        page.push_str(&metric_row(one.name(), one.kind(), one.labels(), one.help()));
    }
    page.push_str(METRIC_LABELS);
    assert_page("metrics.md", &page);
}

const METRIC_LABELS: &str = "
## Labels

| label | values |
| --- | --- |
| `integration` | name of the integration |
| `outcome` | `complete`, `incomplete` |
| `severity` | `very_high`, `high`, `medium`, `low`, `very_low`, `informational` |
| `state` of a finding | `open`, `fixed`, `mitigated`, `false_positive` |
| `cause` | `budget`: the limit of requests per minute; `retry`: before a request was repeated |
| `name` | name of the credential |
| `host`, `kind`, `purpose`, `state` of a credential | as in [credentials list](credential-monitoring.md) |
| `status` | HTTP status |
| `version` | version of countersign |
";

fn metric_row(name: &str, kind: MetricKind, labels: &[&str], help: &str) -> String {
    let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
    let (kind, unit) = (kind.as_str(), unit_of(name).unwrap_or_default());
    format!("| `{name}` | {kind} | {} | {unit} | {} |\n", labels.join(", "), cell(help))
}

/// Configuration in the documents is accepted.
#[test]
fn examples_of_configuration_are_read() {
    let mut folders = vec![std::path::PathBuf::from(FOLDER).join("..")];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|it| it == "md") {
                let text = std::fs::read_to_string(&entry).unwrap();
                for block in text.split("```toml\n").skip(1) {
                    let block = block.split("```").next().unwrap_or_default();
                    let parsed = toml::from_str::<Config>(block);
                    parsed.map(drop).unwrap_or_else(|error| panic!("{}: {error}", entry.display()));
                    read += 1;
                }
            }
        }
    }
    assert!(read > 10, "the examples have moved: {read}");
}
