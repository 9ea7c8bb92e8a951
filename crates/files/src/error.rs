//! What can go wrong with a file. Holds paths and modes, never what is in a file.

use std::fmt;
use std::io;
use std::path::Path;

/// Why a file or folder was not used.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    what: String,
    hint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Exposed,
    Missing,
    Other,
}

impl Error {
    /// Other users can do what they must not be able to.
    pub(crate) fn exposed(what: String, hint: String) -> Self {
        Self { kind: Kind::Exposed, what, hint: Some(hint) }
    }

    /// It is not what it should be.
    pub(crate) fn unfit(what: String) -> Self {
        Self { kind: Kind::Other, what, hint: None }
    }

    pub(crate) fn hint(mut self, hint: String) -> Self {
        self.hint = Some(hint);
        self
    }

    pub(crate) fn io(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let what = format!("failed to {doing} `{}`", path.display());
        move |error| {
            let kind = match error.kind() {
                io::ErrorKind::NotFound => Kind::Missing,
                _ => Kind::Other,
            };
            Self { kind, what: format!("{what}: {error}"), hint: None }
        }
    }

    /// Named is what somebody asked for, not the folder on the way that is missing.
    pub(crate) fn while_doing(mut self, doing: &str, path: &Path, missing: &str) -> Self {
        if self.is_missing() {
            self.what = format!("failed to {doing} `{}`: {missing}", path.display());
        }
        self
    }

    /// It was refused for its mode, its owner, or those of a folder or link on the way.
    pub fn is_exposed(&self) -> bool {
        self.kind == Kind::Exposed
    }

    /// There is no such file.
    pub fn is_missing(&self) -> bool {
        self.kind == Kind::Missing
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
