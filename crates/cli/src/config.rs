//! `config.toml` in the home. Every key is optional; an unknown key is refused
//! with its file and line. `docs/guide.md` lists them all.

pub(crate) mod watch;

use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_vault::KeySource;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// What the file may say.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) client: ClientConfig,
    pub(crate) sync: SyncConfig,
    pub(crate) vault: VaultConfig,
    pub(crate) watch: watch::WatchConfig,
    pub(crate) consumers: Vec<watch::ConsumerConfig>,
}

/// `[vault]`: what seals it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct VaultConfig {
    /// File whose first line is the passphrase. Without it, and without
    /// `COUNTERSIGN_VAULT_PASSPHRASE`, a key file beside the vault seals it.
    pub(crate) passphrase_file: Option<PathBuf>,
}

impl VaultConfig {
    /// What opens the vault; `key_file` when nothing else is said.
    pub(crate) fn key_source(&self, key_file: PathBuf) -> Result<KeySource, Failure> {
        let (passphrase, origin) = match &self.passphrase_file {
            Some(path) => {
                let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| {
                    let path = path.display();
                    Failure::storage(format!("failed to read the passphrase in `{path}`: {error}"))
                })?;
                let line = text.lines().next().unwrap_or_default().to_owned();
                (Zeroizing::new(line), path.display().to_string())
            }
            None => match std::env::var(PASSPHRASE) {
                Ok(passphrase) => (Zeroizing::new(passphrase), PASSPHRASE.to_owned()),
                Err(_) => return Ok(KeySource::KeyFile(key_file)),
            },
        };
        if passphrase.is_empty() {
            return Err(Failure::storage(format!(
                "the passphrase of the vault is empty: `{origin}`"
            )));
        }
        Ok(KeySource::Passphrase(passphrase))
    }
}

const PASSPHRASE: &str = "COUNTERSIGN_VAULT_PASSPHRASE";

/// `[client]`: how requests go out.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ClientConfig {
    /// Requests started in any minute, at most. The service allows 500 for each
    /// address, so leave room when other tools share yours.
    pub(crate) requests_per_minute: u32,
    /// Requests on their way at once, at most.
    pub(crate) in_flight: usize,
    /// Seconds until a request is given up.
    pub(crate) request_timeout_seconds: u64,
    /// Seconds that one request may take with all its retries.
    pub(crate) retry_budget_seconds: u64,
    /// HTTPS proxy, such as `http://proxy.example.com:3128`.
    pub(crate) proxy: Option<String>,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            requests_per_minute: 500,
            in_flight: 16,
            request_timeout_seconds: 60,
            retry_budget_seconds: 300,
            proxy: None,
        }
    }
}

impl ClientConfig {
    pub(crate) fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout_seconds)
    }

    pub(crate) fn retry_budget(&self) -> Duration {
        Duration::from_secs(self.retry_budget_seconds)
    }
}

/// `[sync]`: how a run goes about it.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SyncConfig {
    /// Applications read at once.
    pub(crate) parallel: usize,
    /// Elements asked for per page, 1 to 500.
    pub(crate) page_size: u32,
    /// Hours after which an application is read again although its dates did
    /// not move.
    pub(crate) sweep_hours: u32,
}

impl Default for SyncConfig {
    fn default() -> Self {
        Self { parallel: 12, page_size: 500, sweep_hours: 24 }
    }
}

impl Config {
    /// Reads the file; a missing one says nothing.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => {
                return Err(Failure::usage(format!(
                    "failed to read `{}`: {error}",
                    path.display()
                )));
            }
        };
        let config: Self = toml::from_str(&text)
            .map_err(|error| Failure::usage(format!("`{}`: {error}", path.display())))?;
        config.check().map_err(|what| Failure::usage(format!("`{}`: {what}", path.display())))?;
        watch::check(&config.watch, &config.consumers)
            .map_err(|what| Failure::usage(format!("`{}`: {what}", path.display())))?;
        Ok(config)
    }

    fn check(&self) -> Result<(), &'static str> {
        if !(1..=500).contains(&self.sync.page_size) {
            return Err("`sync.page_size` must be 1 to 500");
        }
        if !(1..=64).contains(&self.sync.parallel) {
            return Err("`sync.parallel` must be 1 to 64");
        }
        if !(1..=256).contains(&self.client.in_flight) {
            return Err("`client.in_flight` must be 1 to 256");
        }
        if self.client.requests_per_minute == 0 {
            return Err("`client.requests_per_minute` must be at least 1");
        }
        Ok(())
    }
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

    #[test]
    fn a_missing_file_says_nothing() {
        let config = Config::read(Path::new("/nonexistent/config.toml")).unwrap();
        assert_eq!(config.client.requests_per_minute, 500);
    }
}
