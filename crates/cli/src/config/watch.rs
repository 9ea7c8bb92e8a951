//! `[watch]`: when the watch says something, and where; `[[consumers]]`: who is given
//! a new credential. `docs/reference/credential-monitoring.md` shows them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use countersign_connector::hours::{Window, parse_range};
use countersign_connector::watch::Policy;
use serde::Deserialize;

use super::KvTable;

/// The channel that is always there.
pub(crate) const TERMINAL: &str = "terminal";

/// A span of time as people write it: `90s`, `30m`, `1h`, `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Span(pub(crate) Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no span of time: give 90s, 30m, 1h or 7d");
        let unit = text.chars().last().ok_or_else(wrong)?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return Err(wrong()),
        };
        let number: u32 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
        if number == 0 {
            return Err(wrong());
        }
        Ok(Self(Duration::from_secs(u64::from(number) * seconds)))
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl Span {
    pub(crate) fn ms(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX)
    }
}

/// Hours of the day in UTC: `22:00-07:00`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Hours(Window);

impl TryFrom<String> for Hours {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let range = parse_range(&text).and_then(|(from, until)| Window::daily(from, until));
        range.map(Self).ok_or_else(|| {
            format!("`{text}` is no range of hours: give `22:00-07:00`, in UTC, and not all day")
        })
    }
}

/// `[watch]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WatchConfig {
    /// Time between two looks.
    pub(crate) every: Span,
    /// When to say only what is urgent.
    quiet_hours: Option<Hours>,
    /// How long somebody has to acknowledge before others are told.
    escalate_after: Span,
    /// How far this machine's clock and the service's may be apart.
    max_skew: Span,
    /// How long a rotation may stand still.
    rotation_stuck_after: Span,
    /// File for calendars.
    pub(crate) calendar: Option<PathBuf>,
    /// File for the textfile collector of the node exporter.
    pub(crate) metrics: Option<PathBuf>,
    /// File with everything, for dashboards.
    pub(crate) snapshot: Option<PathBuf>,
    /// `[[watch.webhooks]]`.
    pub(crate) webhooks: Vec<WebhookConfig>,
    /// `[[watch.mails]]`.
    pub(crate) mails: Vec<MailConfig>,
}

impl Default for WatchConfig {
    fn default() -> Self {
        let hours = |hours: u64| Span(Duration::from_secs(hours * 3_600));
        Self {
            every: hours(1),
            quiet_hours: None,
            escalate_after: hours(12),
            max_skew: Span(Duration::from_secs(60)),
            rotation_stuck_after: hours(26),
            calendar: None,
            metrics: None,
            snapshot: None,
            webhooks: Vec::new(),
            mails: Vec::new(),
        }
    }
}

impl WatchConfig {
    pub(crate) fn policy(&self) -> Policy {
        Policy {
            quiet: self.quiet_hours.map(|hours| hours.0),
            escalate_after_ms: self.escalate_after.ms(),
            max_skew_ms: self.max_skew.ms(),
            stuck_after_ms: self.rotation_stuck_after.ms(),
        }
    }
}

/// A receiver of signed JSON.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookConfig {
    /// A name of your choice.
    pub(crate) name: String,
    /// Where.
    url: String,
    /// File whose first line is the secret that both ends have.
    secret_file: PathBuf,
    /// A further certificate authority to trust.
    ca_file: Option<PathBuf>,
    /// Whether `url` may be http on a loopback address.
    #[serde(default)]
    allow_http_loopback: bool,
    /// Only for what nobody acknowledged in time.
    #[serde(default)]
    pub(crate) escalation: bool,
}

impl WebhookConfig {
    pub(crate) fn hook(&self) -> HookConfig {
        HookConfig {
            url: self.url.clone(),
            secret_file: self.secret_file.clone(),
            ca_file: self.ca_file.clone(),
            allow_http_loopback: self.allow_http_loopback,
        }
    }
}

/// Where signed JSON goes.
#[derive(Debug, Clone)]
pub(crate) struct HookConfig {
    pub(crate) url: String,
    pub(crate) secret_file: PathBuf,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) allow_http_loopback: bool,
}

/// Mail to some people.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MailConfig {
    /// A name of your choice.
    pub(crate) name: String,
    /// `smtp://HOST:PORT` or `smtps://HOST:PORT`.
    pub(crate) server: String,
    /// Sender.
    pub(crate) from: String,
    /// Recipients.
    pub(crate) to: Vec<String>,
    /// Only for what nobody acknowledged in time.
    #[serde(default)]
    pub(crate) escalation: bool,
}

/// What a consumer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ConsumerKind {
    /// A manifest for `kubectl apply -f`.
    Kubernetes,
    /// Variables of a pipeline, in a file.
    Variables,
    /// A file that other tools read their pair from.
    CredentialsFile,
    /// A path of a KV store.
    Kv,
    /// A receiver of signed JSON, without the secret.
    Webhook,
    /// A program with the pair in its environment.
    Command,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FileFormat {
    /// Variables: `NAME=value`, for `gh secret set -f`.
    Lines,
    /// Variables: as GitLab's API has them.
    Json,
    /// Credentials file: sections as profiles.
    Ini,
    /// Credentials file: `NAME=value`.
    Env,
    /// Credentials file: of the Veracode CLI.
    Yaml,
}

/// One of `[[consumers]]`. Which keys belong to which kind is checked when it is made.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConsumerConfig {
    /// A name of your choice.
    pub(crate) name: String,
    /// The credential that it runs.
    pub(crate) credential: String,
    /// What it is.
    pub(crate) kind: ConsumerKind,
    /// The file.
    pub(crate) path: Option<PathBuf>,
    /// How the file is written.
    pub(crate) format: Option<FileFormat>,
    /// Section of the credentials file.
    pub(crate) profile: Option<String>,
    /// Where in which KV store, and how to sign in there.
    pub(crate) kv: Option<KvTable>,
    /// What the id is called.
    pub(crate) id_name: Option<String>,
    /// What the secret is called.
    pub(crate) secret_name: Option<String>,
    /// Name of the Kubernetes Secret.
    pub(crate) manifest_name: Option<String>,
    /// Its namespace.
    pub(crate) namespace: Option<String>,
    /// Where signed JSON goes.
    pub(crate) url: Option<String>,
    /// File whose first line is the secret of the webhook.
    pub(crate) secret_file: Option<PathBuf>,
    /// A further certificate authority to trust.
    pub(crate) ca_file: Option<PathBuf>,
    /// Whether `url` may be http on a loopback address.
    pub(crate) allow_http_loopback: Option<bool>,
    /// Program and arguments.
    pub(crate) command: Option<Vec<String>>,
    /// How long the program may take.
    pub(crate) timeout: Option<Span>,
}

/// Two of one name could not be told apart in what is stored.
pub(crate) fn check(watch: &WatchConfig, consumers: &[ConsumerConfig]) -> Result<(), String> {
    let hooks = watch.webhooks.iter().map(|hook| hook.name.as_str());
    let mails = watch.mails.iter().map(|mail| mail.name.as_str());
    let mut channels = BTreeSet::from([TERMINAL]);
    if let Some(name) = hooks.chain(mails).find(|name| !channels.insert(name)) {
        return Err(format!("two channels of `watch` are called `{name}`"));
    }
    let mut names = BTreeSet::new();
    match consumers.iter().find(|one| !names.insert(&one.name)) {
        Some(one) => Err(format!("two of `consumers` are called `{}`", one.name)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_hours_that_are_none() {
        for text in ["", "h", "0h", "-1h", "1w", "1.5h", "60", "1é"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        assert_eq!("90m".parse(), Ok(Span(Duration::from_secs(5400))));
        for text in ["", "22:00", "22-7", "24:00-07:00", "22:60-07:00", "07:00-07:00", "a:b-c:d"] {
            assert!(Hours::try_from(text.to_owned()).is_err(), "{text}");
        }
        assert!(Hours::try_from("22:00 - 07:30".to_owned()).is_ok());
    }
}
