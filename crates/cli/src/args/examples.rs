//! The examples of each `--help`. A test parses each with the parser that shows it.

use clap::Command;

/// The words of a subcommand, and lines to paste.
type Examples = (&'static str, &'static [&'static str]);

/// Of a command that has subcommands: so many, one of each.
const OF_A_GROUP: usize = 4;

const ALL: &[Examples] = &[
    ("quickstart", &["quickstart", "quickstart --once --json", "quickstart --remove"]),
    (
        "platform serve",
        &[
            "platform serve --home ./platform",
            "platform serve --home ./platform --listen 127.0.0.1:0 --ready-file ready.json",
            "platform serve --home ./big --seed apps=500,findings=100000 --rate-limit off",
        ],
    ),
    (
        "platform mint",
        &["platform mint --home ./platform --user ci-reader --role resultsapi --json"],
    ),
    (
        "platform clock",
        &["platform clock --home ./platform", "platform clock --home ./platform --advance 365d"],
    ),
    (
        "platform faults",
        &[
            "platform faults --home ./platform --plan plan.json",
            "platform faults --home ./platform --clear",
        ],
    ),
    ("platform limits", &["platform limits --home ./platform --requests 500 --window-seconds 60"]),
    (
        "platform requests",
        &[
            "platform requests --home ./platform --status 401",
            "platform requests --home ./platform --path '*/findings' --count",
        ],
    ),
    (
        "platform snapshot",
        &["platform snapshot --home ./platform before", "platform snapshot --home ./platform"],
    ),
    ("platform restore", &["platform restore --home ./platform before"]),
    ("platform reset", &["platform reset --home ./platform"]),
    ("platform mutate", &["platform mutate --home ./platform --days 7"]),
    ("platform fork", &["platform fork --home ./platform ./copy"]),
    ("platform import", &["platform import --home ./platform findings.json"]),
    ("platform audit", &["platform audit --home ./platform"]),
    ("platform outbox", &["platform outbox --home ./platform --json"]),
    (
        "integration add",
        &[
            "integration add prod",
            "integration add prod --client-id 3ddaeeb10ca690df3fee5e3bd1c329fa --client-secret-stdin --url https://api.veracode.com",
            "integration add prod --import",
            "integration add scanners --imported",
        ],
    ),
    ("integration check", &["integration check prod"]),
    ("integration list", &["integration list", "integration list --json"]),
    ("integration show", &["integration show prod"]),
    (
        "integration update",
        &[
            "integration update prod --url https://api.veracode.eu",
            "integration update prod --client-id 3ddaeeb10ca690df3fee5e3bd1c329fa",
            "integration update prod --ca-file proxy-ca.pem",
        ],
    ),
    ("integration rename", &["integration rename prod production"]),
    ("integration remove", &["integration remove prod"]),
    ("sync", &["sync", "sync prod --full", "sync --json"]),
    ("worker", &["worker", "worker --once"]),
    ("import", &["import findings.json", "import - --integration scanners --json"]),
    ("applications", &["applications", "applications --json"]),
    (
        "findings",
        &[
            "findings --filter 'severity[gte]4 and state[eq]open'",
            "findings --filter 'cwe[in]79,89' --json",
            "findings --facet cwe",
        ],
    ),
    ("finding", &["finding 0a1b2c3d", "finding 0a1b2c3d --json"]),
    ("changes", &["changes --since 7d", "changes --since 2026-11-24 --json"]),
    (
        "export",
        &[
            "export --format sarif --output findings.sarif",
            "export --format csv -o open.csv -f 'state[eq]open'",
            "export --format ndjson",
        ],
    ),
    ("deliver list", &["deliver list", "deliver list appsec --state failed,dead"]),
    ("deliver plan", &["deliver plan", "deliver plan appsec --json"]),
    ("deliver simulate", &["deliver simulate appsec", "deliver simulate appsec --limit 1 --json"]),
    ("deliver run", &["deliver run", "deliver run appsec --json", "deliver run --once"]),
    ("deliver hold", &["deliver hold appsec"]),
    ("deliver approve", &["deliver approve appsec"]),
    ("deliver replay", &["deliver replay 42", "deliver replay appsec"]),
    ("deliver dismiss", &["deliver dismiss 42"]),
    ("deliver pause", &["deliver pause appsec"]),
    ("deliver resume", &["deliver resume appsec"]),
    ("deliver links", &["deliver links appsec", "deliver links appsec --json"]),
    ("deliver show", &["deliver show 42"]),
    ("deliver test", &["deliver test appsec"]),
    (
        "deliver backfill",
        &["deliver backfill appsec", "deliver backfill appsec --filter 'severity[eq]5'"],
    ),
    (
        "deliver secret",
        &[
            "deliver secret appsec",
            "deliver secret appsec --secret-stdin",
            "deliver secret appsec --remove",
        ],
    ),
    ("deliver forget", &["deliver forget old-tracker"]),
    ("mcp", &["mcp", "mcp --integration prod"]),
    ("credentials list", &["credentials list", "credentials list --refresh"]),
    ("credentials watch", &["credentials watch --once", "credentials watch --every 1h"]),
    ("credentials acknowledge", &["credentials acknowledge prod"]),
    ("credentials calendar", &["credentials calendar -o expiry.ics"]),
    ("credentials metrics", &["credentials metrics -o countersign.prom"]),
    ("credentials consumers", &["credentials consumers prod", "credentials consumers --deliver"]),
    ("credentials import", &["credentials import ci --file old-laptop/credentials --profile ci"]),
    (
        "credentials export",
        &["credentials export prod --format ini --output ~/.veracode/credentials"],
    ),
    (
        "credentials env",
        &[
            "credentials env prod -- veracode_hmac_auth GET https://api.veracode.com/appsec/v1/applications",
            "credentials env --url https://api.veracode.com -- ./scan.sh",
        ],
    ),
    (
        "credentials add",
        &[
            "credentials add admin --client-id 3ddaeeb10ca690df3fee5e3bd1c329fa --client-secret-stdin",
        ],
    ),
    (
        "credentials replace",
        &[
            "credentials replace prod --client-id 3ddaeeb10ca690df3fee5e3bd1c329fa --client-secret-stdin",
        ],
    ),
    ("credentials remove", &["credentials remove admin"]),
    ("credentials rotate", &["credentials rotate prod --by admin", "credentials rotate --check"]),
    ("credentials revoke", &["credentials revoke prod --by admin"]),
    ("credentials log", &["credentials log prod", "credentials log --verify"]),
    (
        "credentials rehearse",
        &["credentials rehearse --rotations 20 --faults all", "credentials rehearse --list"],
    ),
    ("store check", &["store check", "store check --json"]),
    ("store backup", &["store backup /var/backups/countersign.backup"]),
    ("store restore", &["store restore /var/backups/countersign.backup"]),
    ("store copy", &["store copy store.sqlite postgres://countersign@db.example.com/countersign"]),
    ("vault check", &["vault check"]),
    ("vault reseal", &["vault reseal --new-key-file /etc/countersign/vault.key"]),
    (
        "sign",
        &[
            "sign --url https://api.veracode.com/appsec/v1/applications",
            "sign --method POST --url https://api.veracode.com/appsec/v1/applications -i prod",
        ],
    ),
    (
        "http",
        &[
            "http GET /appsec/v1/applications",
            "http GET '/appsec/v1/applications?size=100' --paginate",
            "http POST /appsec/v1/applications --body application.json",
        ],
    ),
    ("proxy", &["proxy", "proxy prod --listen 127.0.0.1:8480"]),
    (
        "proxy token",
        &["proxy token ci --allow 'GET /appsec/**'", "proxy token nightly --expires 30d"],
    ),
    ("proxy callers", &["proxy callers"]),
    ("proxy revoke", &["proxy revoke ci"]),
    ("proxy log", &["proxy log --caller ci", "proxy log --json"]),
    (
        "api",
        &[
            "api token add ci --integration prod --expires 12h --output ci.token",
            "api account list",
        ],
    ),
    (
        "api token add",
        &[
            "api token add admin --permission-set administrator",
            "api token add ci --integration prod --expires 12h --output ci.token",
        ],
    ),
    ("api token list", &["api token list"]),
    ("api token revoke", &["api token revoke ci"]),
    ("api account add", &["api account add example"]),
    ("api account list", &["api account list"]),
    ("schedule list", &["schedule list"]),
    ("schedule pause", &["schedule pause prod"]),
    ("schedule resume", &["schedule resume prod"]),
    ("schedule run", &["schedule run prod"]),
    (
        "serve",
        &[
            "serve --open",
            "serve --listen 0.0.0.0:8460 --tls-cert fullchain.pem --tls-key key.pem",
            "serve --public-url https://findings.example.com",
            "serve --metrics-listen 127.0.0.1:9464 --log info --log-format json",
        ],
    ),
    ("status", &["status", "status --json"]),
    ("config init", &["config init"]),
    ("config show", &["config show", "config show --json"]),
    ("config check", &["config check"]),
    ("people add", &["people add jane.doe", "people add jane.doe --role operator"]),
    ("people list", &["people list"]),
    ("people remove", &["people remove jane.doe"]),
    ("people reset", &["people reset jane.doe --second-factor"]),
    ("people audit", &["people audit"]),
    ("doctor", &["doctor", "doctor --json"]),
    ("health", &["health", "health https://127.0.0.1:8443/healthz"]),
    (
        "completions",
        &[
            "completions bash > ~/.local/share/bash-completion/completions/countersign",
            "completions zsh > ~/.zfunc/_countersign",
            "completions fish > ~/.config/fish/completions/countersign.fish",
        ],
    ),
    ("man", &["man | man -l -", "man --out ~/.local/share/man/man1"]),
];

/// The command with examples at the end of each help.
pub(super) fn added(root: Command) -> Command {
    below(root, "")
}

fn below(command: Command, path: &str) -> Command {
    let names: Vec<_> = command.get_subcommands().map(|one| one.get_name().to_owned()).collect();
    let of = |name: &str| format!("{path} {name}").trim_start().to_owned();
    let command = names.iter().fold(command, |command, name| {
        let path = of(name);
        command.mut_subcommand(name, |one| below(one, &path))
    });
    let own = find(path).unwrap_or_default().iter().copied();
    let paths: Vec<_> = names.iter().map(|name| of(name)).collect();
    let firsts = paths.iter().filter_map(|path| find(path)?.first().copied());
    let lines: Vec<_> = own.chain(firsts.take(OF_A_GROUP)).collect();
    match lines.is_empty() {
        true => command,
        false => command.after_help(
            lines
                .iter()
                .fold("Examples:".to_owned(), |text, line| text + "\n  countersign " + line),
        ),
    }
}

fn find(path: &str) -> Option<&'static [&'static str]> {
    ALL.iter().find(|(of, _)| *of == path).map(|(_, lines)| *lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advice::collected::words;

    /// Every command that can be typed, without `help`.
    fn paths(command: &Command, path: &str, all: &mut Vec<String>) {
        for one in command.get_subcommands().filter(|one| !one.is_hide_set()) {
            let path = format!("{path} {}", one.get_name()).trim_start().to_owned();
            paths(one, &path, all);
            all.push(path);
        }
    }

    #[test]
    fn every_help_has_examples_that_are_commands() {
        let command = crate::args::command();
        let mut all = Vec::new();
        paths(&command, "", &mut all);
        assert!(all.len() > 60, "{all:?}");
        for path in &all {
            let words: Vec<_> = path.split(' ').collect();
            let one =
                words.iter().fold(&command, |command, word| command.find_subcommand(word).unwrap());
            let help = one.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.starts_with("Examples:\n  countersign "), "`{path}` has no example");
        }
        for (path, lines) in ALL {
            assert!(all.iter().any(|known| known == path), "there is no `{path}`");
            for line in *lines {
                let line = format!("countersign {line}");
                let parsed = crate::args::parse(words(&line).iter().map(Into::into));
                parsed.map(drop).unwrap_or_else(|error| panic!("{line}: {error}"));
                assert!(line.starts_with(&format!("countersign {path}")), "{path}: {line}");
            }
        }
    }

    #[test]
    fn options_for_every_command_are_apart() {
        let failed = crate::args::parse(["countersign", "sync", "--help"].map(Into::into));
        let help = failed.unwrap_err().to_string();
        let (own, global) = help.split_once("Global options:").unwrap();
        assert!(own.contains("--full") && !own.contains("--home"), "{help}");
        assert!(global.contains("--home") && global.contains("--log"), "{help}");
    }
}
