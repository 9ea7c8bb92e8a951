//! `config.toml` in the home. Every key is optional; an unknown key is refused
//! with its file and line. `docs/reference/configuration.md` lists them all.

pub(crate) mod api;
pub(crate) mod destinations;
pub(crate) mod keys;
pub(crate) mod metrics;
pub(crate) mod schedule;
pub(crate) mod settings;
pub(crate) mod store;
mod vault;
pub(crate) mod watch;

pub(crate) use vault::{Backend, KvTable, VaultConfig, passphrase_in};

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use countersign_connector::hours;
use countersign_connector::rotation::Mode;
use countersign_connector::sync::{audit, sweep};
use countersign_files::{self as files, Secrecy};
use countersign_findings::closure::Brake;
use serde::Deserialize;

use crate::failure::Failure;

pub(crate) const MAX_BYTES: u64 = 1 << 20;

/// What the file may say.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) client: ClientConfig,
    pub(crate) sync: SyncConfig,
    pub(crate) store: store::StoreConfig,
    pub(crate) vault: VaultConfig,
    /// By the name of the credential, or of the integration whose twins take turns.
    pub(crate) rotation: BTreeMap<String, RotationConfig>,
    pub(crate) proxy: ProxyConfig,
    pub(crate) schedule: schedule::ScheduleConfig,
    pub(crate) watch: watch::WatchConfig,
    pub(crate) metrics: metrics::MetricsConfig,
    pub(crate) api: api::ApiConfig,
    pub(crate) consumers: Vec<watch::ConsumerConfig>,
    pub(crate) destinations: Vec<destinations::DestinationConfig>,
}

/// `[proxy]`: callers of the broker that are written down here, for
/// `proxy --config-callers`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ProxyConfig {
    pub(crate) callers: Vec<CallerConfig>,
}

/// `[[proxy.callers]]`: a caller. Its token is not among what is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallerConfig {
    pub(crate) name: String,
    /// As `sha256sum` prints it.
    pub(crate) token_sha256: String,
    pub(crate) allow: Vec<String>,
}

/// `[client]`: how requests go out.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ClientConfig {
    /// Requests that all processes with this data directory start in any minute, at most. The
    /// service allows 500 for each address, so leave room when other tools share yours.
    pub(crate) requests_per_minute: u32,
    /// Name of the address that requests come from: whoever shares it shares the limit.
    pub(crate) egress: String,
    /// Requests on their way at once, at most.
    pub(crate) in_flight: usize,
    /// Seconds until a connection is given up, which otherwise takes 2.
    pub(crate) connect_timeout_seconds: Option<u64>,
    /// Seconds until a request is given up.
    pub(crate) request_timeout_seconds: u64,
    /// Seconds that one request may take with all its retries.
    pub(crate) retry_budget_seconds: u64,
    /// HTTPS proxy, such as `http://proxy.example.com:3128`.
    pub(crate) proxy: Option<ProxyUrl>,
}

/// Not shown: it may hold a password.
#[derive(Clone, Deserialize)]
pub(crate) struct ProxyUrl(String);

impl std::ops::Deref for ProxyUrl {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProxyUrl(…)")
    }
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            requests_per_minute: 500,
            egress: "default".to_owned(),
            in_flight: 16,
            connect_timeout_seconds: None,
            request_timeout_seconds: 60,
            retry_budget_seconds: 300,
            proxy: None,
        }
    }
}

impl ClientConfig {
    /// Long enough for one lost packet; what does not answer is reported within 3 seconds.
    pub(crate) fn connect_timeout(&self) -> Duration {
        self.connect_timeout_seconds.map_or(Duration::from_secs(2), Duration::from_secs)
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout_seconds)
    }

    pub(crate) fn retry_budget(&self) -> Duration {
        Duration::from_secs(self.retry_budget_seconds)
    }
}

/// Who is asked which applications moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Hint {
    /// Nobody.
    #[default]
    None,
    /// The Reporting API, which an account needs a role for.
    Reporting,
}

/// `[sync]`: how a run goes about it.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SyncConfig {
    /// Applications read at once.
    pub(crate) parallel: usize,
    /// Elements asked for per page, 1 to 500.
    pub(crate) page_size: u32,
    /// Hours within which an application is read again although its dates did
    /// not move.
    pub(crate) sweep_hours: u32,
    /// The part of the applications that are not read, or only in part, that is read
    /// completely each day, 0 to 1.
    pub(crate) audit_share: f64,
    /// Who is asked which applications moved, beside their own dates.
    pub(crate) hint: Hint,
    /// The share of the open findings of an application, and of all, that may close at once
    /// without a newer scan, 0 to 1. With 1 nothing is doubted.
    pub(crate) closures_share: f64,
    /// So few may close whatever share they are.
    pub(crate) closures_few: u64,
    /// How long others leave alone what a process has claimed and does not renew.
    pub(crate) lease_seconds: u32,
}

impl Default for SyncConfig {
    fn default() -> Self {
        let brake = Brake::default();
        Self {
            parallel: 12,
            page_size: 500,
            sweep_hours: (sweep::USUAL_MS / 3_600_000) as u32,
            audit_share: audit::USUAL_SHARE,
            hint: Hint::None,
            closures_share: brake.share,
            closures_few: brake.few,
            lease_seconds: 60,
        }
    }
}

/// `[rotation.NAME]`: how and when a credential is replaced.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RotationConfig {
    /// `administrator`, `twins` or `self`.
    pub(crate) mode: Option<ModeName>,
    /// Credential of the account that asks, or that can rescue.
    pub(crate) by: Option<String>,
    /// The other of the twins.
    pub(crate) twin: Option<String>,
    /// How long the service lets an old pair go on working, for mode `self`.
    pub(crate) overlap_hours: Option<u32>,
    /// Days before the expiry.
    pub(crate) days_before: u32,
    /// Hours earlier at most, drawn from the name.
    pub(crate) jitter_hours: u32,
    /// When, in UTC, such as `22:00-04:00`. With three days left it is not waited for.
    pub(crate) window: Option<Window>,
    /// Whether the old pair is revoked once nobody needs it.
    pub(crate) revoke_old: bool,
}

impl Default for RotationConfig {
    fn default() -> Self {
        Self {
            mode: None,
            by: None,
            twin: None,
            overlap_hours: None,
            days_before: 30,
            jitter_hours: 12,
            window: None,
            revoke_old: false,
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct ModeName(pub(crate) Mode);

impl<'de> Deserialize<'de> for ModeName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = "expected `administrator`, `twins` or `self`";
        Mode::parse(&name).map(Self).ok_or_else(|| serde::de::Error::custom(known))
    }
}

/// None when it is all day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window(pub(crate) Option<hours::Window>);

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed = hours::parse_range(&text);
        let known = "expected a time of the day in UTC such as `22:00-04:00`";
        let daily = |(from, to)| Self(hours::Window::daily(from, to));
        parsed.map(daily).ok_or_else(|| serde::de::Error::custom(known))
    }
}

impl Config {
    /// Whether it speaks of an integration or a credential of this name.
    pub(crate) fn names(&self, name: &str) -> bool {
        let is_in = |of: &str, one: &RotationConfig| {
            of == name || [&one.by, &one.twin].iter().any(|it| it.as_deref() == Some(name))
        };
        self.rotation.iter().any(|(of, one)| is_in(of, one))
            || self.schedule.rules().contains_key(name)
            || self.consumers.iter().any(|one| one.credential == name)
    }

    /// Reads the file; a missing one says nothing.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        Self::parse(path, &text_of(path)?)
    }

    /// What a file says that was read already.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, Failure> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let place = line_of(text, &error).map(|n| format!(", line {n}")).unwrap_or_default();
            Failure::usage(format!("`{}`{place}: {}", path.display(), error.message()))
        })?;
        match config.contradictions().first() {
            Some(what) => {
                let line = settings::line_of(text, what);
                let place = line.map(|n| format!(", line {n}")).unwrap_or_default();
                Err(Failure::usage(format!("`{}`{place}: {what}", path.display())))
            }
            None => Ok(config),
        }
    }

    /// What cannot be meant although each key by itself can be read.
    fn contradictions(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut must = |is_so: bool, what: &str| {
            if !is_so {
                found.push(what.to_owned());
            }
        };
        must((1..=500).contains(&self.sync.page_size), "`sync.page_size` must be 1 to 500");
        must((1..=64).contains(&self.sync.parallel), "`sync.parallel` must be 1 to 64");
        let lease = self.sync.lease_seconds;
        must((1..=3600).contains(&lease), "`sync.lease_seconds` must be 1 to 3600");
        let share = self.sync.closures_share;
        must((0.0..=1.0).contains(&share), "`sync.closures_share` must be 0 to 1");
        let share = self.sync.audit_share;
        must((0.0..=1.0).contains(&share), "`sync.audit_share` must be 0 to 1");
        must((1..=256).contains(&self.client.in_flight), "`client.in_flight` must be 1 to 256");
        must(
            (1..=60_000_000).contains(&self.api.requests_per_minute),
            "`api.requests_per_minute` must be 1 to 60000000",
        );
        must((1..=1024).contains(&self.api.in_flight), "`api.in_flight` must be 1 to 1024");
        must(
            self.client.connect_timeout_seconds != Some(0),
            "`client.connect_timeout_seconds` must be at least 1",
        );
        must(
            self.client.requests_per_minute != 0,
            "`client.requests_per_minute` must be at least 1",
        );
        found.extend(self.store.check().err());
        found.extend(self.vault.check().err());
        found.extend(watch::check(&self.watch, &self.consumers).err());
        found.extend(destinations::check(&self.destinations));
        found
    }
}

/// The text of the file; a missing one is empty.
pub(crate) fn text_of(path: &Path) -> Result<String, Failure> {
    match files::read_text(path, Secrecy::Open, MAX_BYTES) {
        Ok(text) => Ok(text.to_string()),
        Err(error) if error.is_missing() => Ok(String::new()),
        Err(error) if error.cause().is_some() => Err(error.into()),
        Err(error) => Err(Failure::usage(error)),
    }
}

/// The line that an error is about. It is not repeated: a secret that somebody wrote
/// there by mistake must not go on into logs.
fn line_of(text: &str, error: &toml::de::Error) -> Option<usize> {
    let before = text.get(..error.span()?.start)?;
    Some(before.matches('\n').count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        Config::read(&path)
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let failure = read("[sync]\nparallel = 2\nparalel = 3\n").unwrap_err();
        let told = format!("{failure:?}");
        assert!(told.contains("paralel") && told.contains("line 3"), "{told}");
    }

    #[test]
    fn what_stands_in_a_wrong_line_is_not_repeated() {
        for text in [
            "[vault]\nbackend = \"kv\"\n[vault.kv]\ntoken = \"hvs.hush\"\n",
            "[client]\nproxi = \"http://u:hush@proxy\"\n",
            "[client]\nproxy = \"http://u:hush@proxy\n",
            "[client]\nproxy = \"http://u:hush@proxy\"\nin_flight = 0\n",
        ] {
            let told = format!("{:?}", read(text).unwrap_err());
            assert!(!told.contains("hush"), "{told}");
        }
        let config = read("[client]\nproxy = \"http://u:hush@proxy\"\n").unwrap();
        assert!(!format!("{config:?}").contains("hush"));
    }

    #[test]
    fn an_unknown_key_of_the_watch_is_refused_with_its_line() {
        let hook = "[[watch.webhooks]]\nname = \"a\"\nurl = \"https://x\"\nsecret_file = \"f\"\n";
        assert!(read(hook).is_ok());
        for (text, word, line) in [
            ("[watch]\nevery = \"1h\"\nevry = \"1h\"\n", "evry", "line 3"),
            ("[watch]\nquiet_hours = \"22:00-22:00\"\n", "not all day", "line 2"),
            (&format!("{hook}sekret = 1\n"), "sekret", "line"),
            ("[[consumers]]\nname = \"a\"\nkind = \"kubernets\"\n", "kubernets", "line 3"),
            ("[[consumers]]\nname = \"a\"\npaht = \"x\"\n", "paht", "line 3"),
        ] {
            let told = format!("{:?}", read(text).unwrap_err());
            assert!(told.contains(word) && told.contains(line), "{told}");
        }
        assert!(
            format!("{:?}", read(&format!("{hook}{hook}")).unwrap_err()).contains("two channels")
        );
    }

    #[test]
    fn a_value_out_of_range_is_refused() {
        assert!(read("[sync]\npage_size = 501\n").is_err());
        assert!(read("[client]\nrequests_per_minute = 0\n").is_err());
    }

    fn refused(table: &str) -> String {
        format!("{:?}", read(&format!("[vault]\n{table}\n")).unwrap_err())
    }

    #[test]
    fn a_vault_that_cannot_be_meant_is_refused() {
        for (table, word) in [
            ("backend = \"files\"", "files"),
            ("backnd = \"file\"", "line 2"),
            ("backend = \"kv\"", "vault.kv.address"),
            ("backend = \"command\"", "vault.command.program"),
            ("[vault.kv]\naddress = \"https://v\"", "vault.backend"),
            ("[vault.command]\nprogram = \"x\"", "vault.backend"),
            ("[vault.keyring]", "vault.backend"),
            ("backend = \"keyring\"\npassphrase_file = \"x\"", "vault.backend"),
            ("key_file = \"a\"\npassphrase_file = \"b\"", "exclude"),
            (
                "backend = \"command\"\n[vault.command]\nprogram = \"x\"\ntimeout_seconds = 0",
                "1 to 600",
            ),
        ] {
            let told = refused(table);
            assert!(told.contains(word), "{table}: {told}");
        }
    }

    #[test]
    fn a_way_to_sign_in_that_cannot_work_is_refused() {
        for (keys, word) in [
            ("token = \"hvs.secret\"", "unknown field"),
            ("sign_in = \"ldap\"", "ldap"),
            ("role_id = \"r\"", "does not go with"),
            ("sign_in = \"approle\"", "role_id` is missing"),
            ("sign_in = \"approle\"\nrole_id = \"r\"\ntoken_file = \"t\"", "does not go with"),
            ("sign_in = \"jwt\"\nrole = \"r\"", "jwt_file"),
            ("sign_in = \"kubernetes\"", "role` is missing"),
            ("token_file = \"t\"\ntoken_env = \"T\"", "exclude"),
        ] {
            let table = format!("backend = \"kv\"\n[vault.kv]\naddress = \"https://v\"\n{keys}");
            let told = refused(&table);
            assert!(told.contains(word), "{keys}: {told}");
        }
        let kubernetes = "[vault]\nbackend = \"kv\"\n[vault.kv]\naddress = \"https://v\"\nsign_in = \"kubernetes\"\nrole = \"r\"";
        assert!(read(kubernetes).is_ok());
    }

    #[test]
    fn a_missing_file_says_nothing() {
        let config = Config::read(Path::new("/nonexistent/config.toml")).unwrap();
        assert_eq!(config.client.requests_per_minute, 500);
    }
}
