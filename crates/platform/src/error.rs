//! What the platform itself can fail with; what a caller gets is in
//! `rest::error`.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

/// A platform failure.
#[derive(Debug)]
pub struct Error(Kind);

#[derive(Debug)]
enum Kind {
    Home { path: String, what: String },
    Listen { address: SocketAddr, what: String },
    Sql(rusqlite::Error),
    Sealed(String),
    Input(String),
    Accounts(String),
    Template(String),
    Stopped,
}

impl Error {
    pub(crate) fn home(path: &Path, what: String) -> Self {
        Self(Kind::Home { path: path.display().to_string(), what })
    }

    pub(crate) fn listen(address: SocketAddr, error: &std::io::Error) -> Self {
        Self(Kind::Listen { address, what: error.to_string() })
    }

    #[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
    pub(crate) fn sealed(error: countersign_vault::Error) -> Self {
        Self(Kind::Sealed(error.to_string()))
    }

    pub(crate) fn input(what: String) -> Self {
        Self(Kind::Input(what))
    }

    pub(crate) fn template(what: String) -> Self {
        Self(Kind::Template(what))
    }

    pub(crate) fn stopped() -> Self {
        Self(Kind::Stopped)
    }

    /// A value that the user gave cannot be right.
    pub fn is_input(&self) -> bool {
        matches!(self.0, Kind::Input(_))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Home { path, what } => write!(f, "the platform's home `{path}` failed: {what}"),
            Kind::Listen { address, what } => write!(
                f,
                "failed to listen on `{address}`: {what}\nhint: give another address with `--listen`, or port 0 for a free one"
            ),
            Kind::Sql(error) => write!(f, "the platform's database failed: {error}"),
            Kind::Sealed(what) => write!(f, "the platform's master key does not fit: {what}"),
            Kind::Input(what) => f.write_str(what),
            Kind::Accounts(what) => f.write_str(what),
            Kind::Template(what) => write!(f, "a page or mail could not be made: {what}"),
            Kind::Stopped => write!(f, "the platform was stopped while it was working"),
        }
    }
}

impl std::error::Error for Error {}

impl From<countersign_signin::Error> for Error {
    fn from(error: countersign_signin::Error) -> Self {
        Self(Kind::Accounts(error.to_string()))
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self(Kind::Sql(error))
    }
}
