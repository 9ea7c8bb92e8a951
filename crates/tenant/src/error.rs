//! What the tenant can fail with.

use std::fmt;
use std::path::Path;

/// A failure.
#[derive(Debug)]
pub struct Error(Kind);

#[derive(Debug)]
enum Kind {
    File(countersign_files::Error),
    Home { path: String, what: String },
    Sql(rusqlite::Error),
    Sealed(String),
    Input(String),
    Accounts(String),
    Template(String),
    Json(serde_json::Error),
    Stopped,
}

impl Error {
    pub fn home(path: &Path, what: String) -> Self {
        Self(Kind::Home { path: path.display().to_string(), what })
    }

    #[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
    pub fn sealed(error: countersign_vault::Error) -> Self {
        Self(Kind::Sealed(error.to_string()))
    }

    pub fn input(what: String) -> Self {
        Self(Kind::Input(what))
    }

    pub fn template(what: String) -> Self {
        Self(Kind::Template(what))
    }

    pub fn stopped() -> Self {
        Self(Kind::Stopped)
    }

    /// A value that the user gave cannot be right, or a file that others could have
    /// written to is to be put right.
    pub fn is_input(&self) -> bool {
        match &self.0 {
            Kind::Input(_) => true,
            Kind::File(error) => error.is_exposed(),
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::File(error) => error.fmt(f),
            Kind::Home { path, what } => {
                write!(f, "the platform's data directory `{path}` failed: {what}")
            }
            Kind::Sql(error) => write!(f, "the platform's database failed: {error}"),
            Kind::Sealed(what) => write!(f, "the platform's master key does not fit: {what}"),
            Kind::Input(what) => f.write_str(what),
            Kind::Accounts(what) => f.write_str(what),
            Kind::Template(what) => write!(f, "a page or mail could not be made: {what}"),
            Kind::Json(error) => write!(f, "the platform's JSON failed: {error}"),
            Kind::Stopped => write!(f, "the platform was stopped while it was working"),
        }
    }
}

impl std::error::Error for Error {}

impl From<countersign_files::Error> for Error {
    fn from(error: countersign_files::Error) -> Self {
        Self(Kind::File(error))
    }
}

impl From<countersign_signin::Error> for Error {
    fn from(error: countersign_signin::Error) -> Self {
        Self(Kind::Accounts(error.to_string()))
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self(Kind::Json(error))
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self(Kind::Sql(error))
    }
}
