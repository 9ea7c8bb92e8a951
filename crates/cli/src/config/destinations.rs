//! `[[destinations]]`: where findings go. `docs/reference/deliveries.md` describes each kind.

use std::collections::BTreeSet;
use std::path::PathBuf;

use countersign_deliveries::decide::{OnHumanClose, Taste};
use countersign_deliveries::destination::MAX_NEW;
use countersign_deliveries::gate::Gate;
use countersign_deliveries::group::Grouping;
use countersign_deliveries::receivers::{
    code_scanning, defectdojo, github_issues, jira, lake, mail, redmine, slack, syslog, teams,
    webhook,
};
use countersign_deliveries::render::TicketRules;
use countersign_findings::filter::Expression;
use countersign_store::DeliveryMode;
use serde::Deserialize;
use url::Url;

use super::ProxyUrl;

/// Longest name.
const NAME: usize = 64;

/// One of `[[destinations]]`. The one table of a kind that it has makes it that kind.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DestinationConfig {
    /// A name of your choice.
    pub(crate) name: String,
    /// Which findings it is for, in the filter language.
    pub(crate) filter: Option<String>,
    /// What a ticket is about.
    #[serde(default)]
    pub(crate) group_by: Grouping,
    /// Whether anything is sent.
    #[serde(default)]
    mode: Mode,
    /// More tickets than that in one plan are held until they are approved.
    #[serde(default = "max_new")]
    pub(crate) max_new: u32,
    /// Whether the ticket of findings that are no longer reported is closed.
    #[serde(default)]
    close_vanished: bool,
    /// What happens to a ticket that somebody closed while its findings are still reported.
    #[serde(default)]
    on_human_close: OnHumanClose,
    /// Networks beside public addresses that may be reached.
    #[serde(default)]
    pub(crate) allow_networks: Vec<String>,
    /// Whether plain HTTP to this machine is allowed.
    #[serde(default)]
    pub(crate) allow_http_loopback: bool,
    /// A further certificate authority to trust.
    pub(crate) ca_file: Option<PathBuf>,
    /// The proxy that leads to it.
    pub(crate) proxy: Option<ProxyUrl>,
    /// Whether only the proxy knows the addresses of names.
    #[serde(default)]
    pub(crate) proxy_resolves: bool,
    /// Name of its secret in the vault.
    secret: Option<String>,
    /// Where users see findings.
    dashboard_url: Option<String>,
    /// What a ticket says.
    #[serde(default)]
    pub(crate) ticket: TicketRules,
    webhook: Option<Box<webhook::Settings>>,
    syslog: Option<Box<syslog::Settings>>,
    github_issues: Option<Box<github_issues::Settings>>,
    code_scanning: Option<Box<code_scanning::Settings>>,
    jira: Option<Box<jira::Settings>>,
    redmine: Option<Box<redmine::Settings>>,
    defectdojo: Option<Box<defectdojo::Settings>>,
    slack: Option<Box<slack::Settings>>,
    teams: Option<Box<teams::Settings>>,
    mail: Option<Box<mail::Settings>>,
    lake: Option<Box<lake::Settings>>,
}

/// What a destination does with what is planned for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Live,
    #[default]
    Simulate,
}

fn max_new() -> u32 {
    MAX_NEW
}

/// The table that makes a destination what it is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind<'c> {
    Webhook(&'c webhook::Settings),
    Syslog(&'c syslog::Settings),
    GitHubIssues(&'c github_issues::Settings),
    CodeScanning(&'c code_scanning::Settings),
    Jira(&'c jira::Settings),
    Redmine(&'c redmine::Settings),
    DefectDojo(&'c defectdojo::Settings),
    Slack(&'c slack::Settings),
    Teams(&'c teams::Settings),
    Mail(&'c mail::Settings),
    Lake(&'c lake::Settings),
}

impl Kind<'_> {
    /// What its table is called.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Syslog(_) => "syslog",
            Self::GitHubIssues(_) => "github_issues",
            Self::CodeScanning(_) => "code_scanning",
            Self::Jira(_) => "jira",
            Self::Redmine(_) => "redmine",
            Self::DefectDojo(_) => "defectdojo",
            Self::Slack(_) => "slack",
            Self::Teams(_) => "teams",
            Self::Mail(_) => "mail",
            Self::Lake(_) => "lake",
        }
    }

    /// Whether it is a ticket system.
    fn has_tickets(self) -> bool {
        matches!(self, Self::GitHubIssues(_) | Self::Jira(_) | Self::Redmine(_))
    }

    /// What its secret is, for the question that asks for it; none where it needs none.
    pub(crate) fn secret(self) -> Option<&'static str> {
        match self {
            Self::Webhook(_) => Some("signing key (whsec_…)"),
            Self::GitHubIssues(_) | Self::CodeScanning(_) => Some("GitHub token"),
            Self::Jira(_) => Some("Jira API token"),
            Self::Redmine(_) => Some("Redmine API key"),
            Self::DefectDojo(_) => Some("DefectDojo API key"),
            Self::Slack(slack) if slack.channel.is_some() => Some("Slack bot token (xoxb-…)"),
            Self::Slack(_) => Some("Slack webhook URL"),
            Self::Teams(_) => Some("Teams workflow URL"),
            Self::Mail(mail) => mail.user.as_ref().map(|_| "password of the mail server"),
            Self::Lake(lake) => lake.bucket.as_ref().map(|_| "ACCESS_KEY_ID:SECRET_ACCESS_KEY"),
            Self::Syslog(_) => None,
        }
    }
}

impl DestinationConfig {
    /// All tables of a kind that it has.
    fn kinds(&self) -> Vec<Kind<'_>> {
        let all = [
            self.webhook.as_deref().map(Kind::Webhook),
            self.syslog.as_deref().map(Kind::Syslog),
            self.github_issues.as_deref().map(Kind::GitHubIssues),
            self.code_scanning.as_deref().map(Kind::CodeScanning),
            self.jira.as_deref().map(Kind::Jira),
            self.redmine.as_deref().map(Kind::Redmine),
            self.defectdojo.as_deref().map(Kind::DefectDojo),
            self.slack.as_deref().map(Kind::Slack),
            self.teams.as_deref().map(Kind::Teams),
            self.mail.as_deref().map(Kind::Mail),
            self.lake.as_deref().map(Kind::Lake),
        ];
        all.into_iter().flatten().collect()
    }

    /// What it is: the configuration was checked when it was read.
    pub(crate) fn kind(&self) -> Option<Kind<'_>> {
        self.kinds().first().copied()
    }

    pub(crate) fn mode(&self) -> DeliveryMode {
        match self.mode {
            Mode::Live => DeliveryMode::Live,
            Mode::Simulate => DeliveryMode::Simulate,
        }
    }

    pub(crate) fn taste(&self) -> Taste {
        Taste { close_vanished: self.close_vanished, on_human_close: self.on_human_close }
    }

    /// What its secret is called in the vault.
    pub(crate) fn secret_name(&self) -> &str {
        self.secret.as_deref().unwrap_or(&self.name)
    }

    /// Ages in it count from now.
    pub(crate) fn filter(&self, now_ms: i64) -> Result<Expression, String> {
        match &self.filter {
            Some(text) => Expression::parse(text, now_ms).map_err(|error| error.to_string()),
            None => Ok(Expression::all([])),
        }
    }

    pub(crate) fn dashboard(&self) -> Result<Option<Url>, String> {
        let Some(text) = &self.dashboard_url else { return Ok(None) };
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "https" | "http") && url.has_host() => Ok(Some(url)),
            _ => Err("it is not a web address".into()),
        }
    }

    /// What is wrong with it; `at` is what it is called.
    fn check(&self, at: &str) -> Result<(), String> {
        let of = |key: &str, why: String| format!("`{at}.{key}`: {why}");
        check_name(&self.name).map_err(|why| of("name", why))?;
        check_name(self.secret_name()).map_err(|why| of("secret", why))?;
        let kinds = self.kinds();
        let kind = match &kinds[..] {
            [kind] => *kind,
            [] => {
                return Err(format!(
                    "`{at}.name`: `{}` has no table that makes it a kind of destination\n\
                     hint: add one, such as `[destinations.webhook]` with `url`",
                    self.name
                ));
            }
            [one, other, ..] => {
                return Err(format!(
                    "`{at}.name`: `{}` has a table `{}` and a table `{}`\n\
                     hint: a destination is of one kind: move one of the tables to another name",
                    self.name,
                    one.word(),
                    other.word()
                ));
            }
        };
        self.filter(0).map_err(|why| of("filter", why))?;
        self.dashboard().map_err(|why| of("dashboard_url", why))?;
        Gate::new(&self.allow_networks).map_err(|why| of("allow_networks", why))?;
        match self.of_tickets() {
            Some(key) if !kind.has_tickets() => Err(of(
                key,
                format!(
                    "it means nothing to `{}`, which has no tickets\nhint: remove it",
                    kind.word()
                ),
            )),
            _ => Ok(()),
        }
    }

    /// A setting that only tickets have, where it is not what it is by default.
    fn of_tickets(&self) -> Option<&'static str> {
        [
            ("ticket", self.ticket != TicketRules::default()),
            ("group_by", self.group_by != Grouping::default()),
            ("max_new", self.max_new != MAX_NEW),
            ("close_vanished", self.close_vanished),
            ("on_human_close", self.on_human_close != OnHumanClose::default()),
        ]
        .into_iter()
        .find_map(|(key, is_set)| is_set.then_some(key))
    }
}

/// It is part of a name of the vault, and of commands.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_name = (1..=NAME).contains(&name.len())
        && name.chars().all(is_plain)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric());
    match is_name {
        true => Ok(()),
        false => Err(format!(
            "it is not a name: up to {NAME} letters, digits, `-`, `_` and `.`, the first a letter \
             or digit"
        )),
    }
}

/// What is wrong with any of them. Two of one name could not be told apart in the store.
pub(crate) fn check(all: &[DestinationConfig]) -> Vec<String> {
    let mut names = BTreeSet::new();
    let mut found = Vec::new();
    for (at, one) in (1..).zip(all) {
        let at = format!("destinations[{at}]");
        if !names.insert(&one.name) {
            found.push(format!(
                "`{at}.name`: two destinations are called `{}`\n\
                 hint: give one of them another name",
                one.name
            ));
        }
        found.extend(one.check(&at).err());
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn wrong(text: &str) -> String {
        let config: Config = toml::from_str(text).unwrap();
        super::check(&config.destinations).join("\n\n")
    }

    const HOOK: &str = "[[destinations]]\nname = \"ops\"\n";
    const URL: &str = "webhook.url = \"https://hooks.example.com/x\"\n";

    #[test]
    fn destinations_that_cannot_be_meant() {
        let slack = "slack.messages = \"single\"\n";
        for (text, word) in [
            (HOOK.to_owned(), "destinations[1].name`: `ops` has no table"),
            (format!("{HOOK}{URL}{slack}"), "table `webhook` and a table `slack`"),
            (format!("{HOOK}{URL}{HOOK}{URL}"), "destinations[2].name`: two destinations"),
            (format!("{HOOK}{URL}filter = \"severety[gte]4\"\n"), "destinations[1].filter"),
            (format!("{HOOK}{URL}dashboard_url = \"here\"\n"), "dashboard_url"),
            (format!("{HOOK}{URL}allow_networks = [\"10.0.0.0/99\"]\n"), "allow_networks"),
            (format!("{HOOK}{URL}secret = \"../x\"\n"), "destinations[1].secret"),
            (
                format!("{HOOK}{URL}ticket.labels = [\"a\"]\n"),
                "destinations[1].ticket`: it means nothing",
            ),
            (format!("{HOOK}{URL}close_vanished = true\n"), "destinations[1].close_vanished"),
            (format!("{HOOK}{URL}on_human_close = \"leave\"\n"), "destinations[1].on_human_close"),
            (format!("{HOOK}{URL}group_by = \"finding\"\n"), "destinations[1].group_by"),
            (format!("{HOOK}{URL}max_new = 7\n"), "destinations[1].max_new"),
            (HOOK.replace("ops", "a b") + URL, "not a name"),
        ] {
            let told = wrong(&text);
            assert!(told.contains(word), "{text}: {told}");
        }
        assert_eq!(wrong(&format!("{HOOK}{URL}")), "");
        assert_eq!(wrong(&format!("{HOOK}filter = \"severity[gte]4\"\n{URL}")), "");
    }
}
