//! Where everything lives: one folder, found by flag, environment or platform.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The connector's home and the files in it.
#[derive(Debug, Clone)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// `--home` or `COUNTERSIGN_HOME` (clap reads both), else the platform's
    /// data directory. Created, private to its owner, when missing.
    pub(crate) fn find(given: Option<&Path>) -> Result<Self, Failure> {
        let path = match given {
            Some(path) => path.to_owned(),
            None => default_home()?,
        };
        create_private(&path)?;
        let path = path.canonicalize().map_err(|error| {
            Failure::storage(format!("failed to open the home `{}`: {error}", path.display()))
        })?;
        Ok(Self(path))
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

    /// The home of the platform that `quickstart` starts.
    pub(crate) fn platform(&self) -> PathBuf {
        self.0.join("platform")
    }
}

fn default_home() -> Result<PathBuf, Failure> {
    use etcetera::BaseStrategy;
    let strategy = etcetera::choose_base_strategy().map_err(|error| {
        Failure::usage(format!(
            "failed to find the data directory: {error}\nhint: give `--home DIR` or set COUNTERSIGN_HOME"
        ))
    })?;
    Ok(strategy.data_dir().join("countersign"))
}

fn create_private(path: &Path) -> Result<(), Failure> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| {
        Failure::storage(format!("failed to create the home `{}`: {error}", path.display()))
    })
}
