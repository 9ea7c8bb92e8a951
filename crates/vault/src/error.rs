//! What a vault can fail with. Holds paths and names, never a secret.

use std::fmt;
use std::path::Path;

/// A vault failure.
#[derive(Debug)]
pub struct Error(Kind);

#[derive(Debug)]
pub(crate) enum Kind {
    Io { doing: &'static str, path: String, error: std::io::Error },
    Malformed { path: String, what: String },
    OpenKey { path: String, mode: u32 },
    Unsealable,
    NotFound { name: String },
    Name { name: String },
    Busy { path: String },
    TooLarge { path: String },
    Passphrase,
    Refused { what: String },
    KeyMissing { path: String },
    SealedOtherwise { path: String, by: &'static str },
}

impl Error {
    pub(crate) fn new(kind: Kind) -> Self {
        Self(kind)
    }

    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |error| Self(Kind::Io { doing, path, error })
    }

    pub(crate) fn malformed(path: &Path, what: impl fmt::Display) -> Self {
        Self(Kind::Malformed { path: path.display().to_string(), what: what.to_string() })
    }

    /// The failure of a vault that is not of this crate. Never with a secret in it.
    pub fn refused(what: impl Into<String>) -> Self {
        Self(Kind::Refused { what: what.into() })
    }

    /// There is no live pair of that name or version.
    pub fn is_not_found(&self) -> bool {
        matches!(self.0, Kind::NotFound { .. })
    }

    /// The key is wrong, or the sealed bytes were altered: the two cannot be
    /// told apart.
    pub fn is_unsealable(&self) -> bool {
        matches!(self.0, Kind::Unsealable)
    }

    /// The vault holds secrets that another kind of key sealed, or its key file
    /// is gone.
    pub fn is_wrong_key(&self) -> bool {
        matches!(self.0, Kind::KeyMissing { .. } | Kind::SealedOtherwise { .. })
    }

    /// The file is not a vault, or not a whole one.
    pub fn is_malformed(&self) -> bool {
        matches!(self.0, Kind::Malformed { .. })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Io { doing, path, error } => write!(f, "failed to {doing} `{path}`: {error}"),
            Kind::Malformed { path, what } => write!(f, "`{path}` is not a whole vault: {what}"),
            Kind::OpenKey { path, mode } => write!(
                f,
                "key file `{path}` can be read by others (mode {mode:03o})\nhint: run `chmod 600 {path}`"
            ),
            Kind::Refused { what } => f.write_str(what),
            Kind::Unsealable => write!(
                f,
                "a sealed secret does not open\nhint: the key or passphrase is not the one it was sealed with, or the file was altered"
            ),
            Kind::NotFound { name } => write!(f, "the vault holds no pair named `{name}`"),
            Kind::Name { name } => write!(
                f,
                "`{name}` cannot name a pair: use 1 to 128 letters, digits, `-`, `_`, `.` or `/`"
            ),
            Kind::Busy { path } => {
                write!(f, "the vault `{path}` is being written by another process")
            }
            Kind::TooLarge { path } => write!(f, "the vault `{path}` is larger than 16 MiB"),
            Kind::KeyMissing { path } => write!(
                f,
                "key file `{path}` is missing, and the vault beside it holds secrets that it sealed\nhint: bring the file back from where you keep it safe"
            ),
            Kind::SealedOtherwise { path, by } => {
                write!(f, "the vault `{path}` is sealed by {by}\nhint: open it the same way")
            }
            Kind::Passphrase => {
                write!(f, "the passphrase parameters of the vault are out of bounds")
            }
        }
    }
}

impl std::error::Error for Error {}
