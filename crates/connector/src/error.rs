//! What can go wrong for the integration, sorted by whose turn it is.

use std::fmt;

pub use countersign_store::Fault;

/// A failed operation: what failed, who has to act, and how.
#[derive(Debug, Clone)]
pub struct Error {
    fault: Fault,
    what: String,
    hint: Option<String>,
    is_superseded: bool,
    is_locked: bool,
    is_busy: bool,
}

impl Error {
    /// A failure without a hint.
    pub fn new(fault: Fault, what: impl Into<String>) -> Self {
        let (is_superseded, is_locked, is_busy) = (false, false, false);
        Self { fault, what: what.into(), hint: None, is_superseded, is_locked, is_busy }
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what was being done when it failed.
    #[must_use]
    pub fn during(mut self, doing: impl fmt::Display) -> Self {
        self.what = format!("failed to {doing}: {}", self.what);
        self
    }

    /// Another process has taken over what this one was writing.
    pub fn is_superseded(&self) -> bool {
        self.is_superseded
    }

    /// Somebody else is writing to the store; the same may work later.
    pub fn is_locked(&self) -> bool {
        self.is_locked
    }

    /// Another process does the same just now.
    pub fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// What failed, without the hint.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Who has to act.
    pub fn fault(&self) -> Fault {
        self.fault
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

impl From<countersign_client::Error> for Error {
    fn from(error: countersign_client::Error) -> Self {
        let fault = if error.is_not_authenticated() {
            Fault::NotAuthenticated
        } else if error.is_forbidden() {
            Fault::RoleMissing
        } else if error.is_incomplete() {
            Fault::Incomplete
        } else if error.is_config() {
            Fault::Config
        } else if error.is_without_credential() {
            Fault::Storage
        } else {
            Fault::Upstream
        };
        // The client's message carries its own hint line.
        Self::new(fault, error.to_string())
    }
}

impl From<countersign_files::Error> for Error {
    fn from(error: countersign_files::Error) -> Self {
        Self::new(of_disk(error.is_exposed()), error.to_string())
    }
}

impl From<countersign_store::Error> for Error {
    fn from(error: countersign_store::Error) -> Self {
        let (is_superseded, is_locked) = (error.is_superseded(), error.is_locked());
        let is_busy = error.is_busy();
        let fault = match error.is_taken_over() {
            true => Fault::Incomplete,
            false => of_disk(error.is_exposed()),
        };
        Self { is_superseded, is_locked, is_busy, ..Self::new(fault, error.to_string()) }
    }
}

impl From<countersign_vault::Error> for Error {
    fn from(error: countersign_vault::Error) -> Self {
        Self::new(of_disk(error.is_exposed()), error.to_string())
    }
}

/// A file that others could have written to is for its owner to put right.
fn of_disk(is_exposed: bool) -> Fault {
    if is_exposed { Fault::Config } else { Fault::Storage }
}
