//! Where everything lives: one folder, found by flag, environment or platform.

use std::path::{Path, PathBuf};

use countersign_files::{self as files, Secrecy};

use crate::failure::Failure;

/// The connector's home and the files in it.
#[derive(Debug, Clone)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// `--home` or `COUNTERSIGN_HOME` (clap reads both), else the platform's
    /// data directory. Created, private to its owner, when missing; refused when others
    /// can write to it, before anything in it is believed.
    pub(crate) fn find(given: Option<&Path>) -> Result<Self, Failure> {
        let path = Self::named(given)?.0;
        let folder = files::folder(&path).map_err(|error| {
            match error.is_exposed() || error.cause().is_some() {
                true => error.into(),
                false => {
                    let shown = path.display();
                    Failure::storage(format!(
                        "failed to create the data directory `{shown}`: {error}"
                    ))
                }
            }
        })?;
        Ok(Self(folder))
    }

    /// The same, before anything is known of it.
    pub(crate) fn named(given: Option<&Path>) -> Result<Self, Failure> {
        Ok(Self(match given {
            Some(path) => path.to_owned(),
            None => default_home()?,
        }))
    }

    /// The data directories that are used where none is named.
    pub(crate) fn usual() -> Vec<Self> {
        let named = std::env::var_os("COUNTERSIGN_HOME").map(PathBuf::from);
        named.into_iter().chain(default_home().ok()).map(Self).collect()
    }

    /// Where a demo goes: unless it is named, beside the default data directory, and never
    /// into that.
    pub(crate) fn of_demo(given: Option<&Path>) -> Result<Self, Failure> {
        match given {
            Some(_) => Self::named(given),
            None => Ok(Self(default_home()?.with_file_name("countersign-demo"))),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.0.join("store.sqlite")
    }

    /// Where rotations hold calls off.
    pub(crate) fn fences(&self) -> PathBuf {
        self.0.join("fences")
    }

    /// What all processes together have asked services for within the last minute.
    pub(crate) fn budget(&self) -> PathBuf {
        self.0.join("budget.json")
    }

    /// There in a data directory that `quickstart` made, and locked while it runs.
    pub(crate) fn demo_mark(&self) -> PathBuf {
        self.0.join("quickstart.lock")
    }

    pub(crate) fn vault(&self) -> PathBuf {
        self.0.join("vault.json")
    }

    pub(crate) fn vault_key(&self) -> PathBuf {
        self.0.join("vault.key")
    }

    /// Who signs in to the dashboard.
    pub(crate) fn people(&self) -> PathBuf {
        self.0.join("people.sqlite")
    }

    /// What seals their second factors.
    pub(crate) fn people_key(&self) -> PathBuf {
        self.0.join("people.key")
    }

    /// What of the OS keyring can be listed.
    #[cfg(feature = "keyring")]
    pub(crate) fn vault_keyring(&self) -> PathBuf {
        self.0.join("vault-keyring.json")
    }

    /// The files of it that are believed or secret, and the folders among them by one file
    /// that is always there.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Secrecy)> {
        let platform = self.platform();
        let databases = [self.store(), self.people(), platform.join("platform.sqlite")];
        let all = [
            (self.config(), Secrecy::Open),
            (self.vault(), Secrecy::Secret),
            (self.vault_key(), Secrecy::Key),
            (self.people_key(), Secrecy::Key),
            (self.0.join("vault-keyring.json"), Secrecy::Open),
            (self.0.join("machine"), Secrecy::Open),
            (self.fences().join("publications"), Secrecy::Open),
            (self.budget(), Secrecy::Open),
            (platform.join("master.key"), Secrecy::Key),
            (platform.join("ca.key"), Secrecy::Key),
            (platform.join("ca.pem"), Secrecy::Open),
            (platform.join("control.json"), Secrecy::Key),
        ];
        let of_databases = databases.into_iter().flat_map(|path| {
            ["", "-wal", "-shm"].map(|end| {
                let mut beside = path.clone().into_os_string();
                beside.push(end);
                (beside.into(), Secrecy::Open)
            })
        });
        all.into_iter().chain(of_databases).collect()
    }

    /// The home of the platform that `quickstart` starts.
    pub(crate) fn platform(&self) -> PathBuf {
        self.0.join("platform")
    }
}

fn default_home() -> Result<PathBuf, Failure> {
    use etcetera::BaseStrategy;
    let strategy = etcetera::choose_base_strategy().map_err(|error| {
        Failure::usage(format!(
            "failed to find the data directory: {error}\nhint: set COUNTERSIGN_HOME to the folder that holds it"
        ))
    })?;
    Ok(strategy.data_dir().join("countersign"))
}
