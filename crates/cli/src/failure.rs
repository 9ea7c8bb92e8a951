//! The public exit codes, and how a failure is told.

use std::fmt;

use countersign_connector::Fault;

/// An exit code of the public list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Unexpected = 1,
    Usage = 2,
    NotAuthenticated = 3,
    RoleMissing = 4,
    Upstream = 5,
    Incomplete = 6,
    Storage = 7,
}

/// A command that failed: one cause, and one fix where there is one.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    /// What a command that was run for somebody ended with.
    code: Option<u8>,
    what: String,
    is_silent: bool,
}

impl Failure {
    pub(crate) fn new(exit: Exit, what: impl fmt::Display) -> Self {
        Self { exit, code: None, what: what.to_string(), is_silent: false }
    }

    pub(crate) fn unexpected(what: impl fmt::Display) -> Self {
        Self::new(Exit::Unexpected, what)
    }

    pub(crate) fn usage(what: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// Arguments that are none, as the library says it.
    pub(crate) fn typed(error: &clap::Error) -> Self {
        let what = error.render().to_string();
        Self::usage(what.strip_prefix("error: ").unwrap_or(&what).trim_end())
    }

    pub(crate) fn storage(what: impl fmt::Display) -> Self {
        Self::new(Exit::Storage, what)
    }

    /// What others could have written to is for its owner to put right, like a line of the
    /// configuration.
    fn of_disk(is_for_the_owner: bool, what: impl fmt::Display) -> Self {
        Self::new(if is_for_the_owner { Exit::Usage } else { Exit::Storage }, what)
    }

    /// The exit code alone: what there is to say has been said.
    pub(crate) fn silent(exit: Exit) -> Self {
        Self { exit, code: None, what: String::new(), is_silent: true }
    }

    /// A command that was to run in our place, and what to end with instead of a code
    /// of ours.
    pub(crate) fn of_command(code: u8, what: impl fmt::Display) -> Self {
        Self { code: Some(code), ..Self::unexpected(what) }
    }

    /// The command has said itself what there is to say.
    pub(crate) fn silent_of_command(code: u8) -> Self {
        Self { code: Some(code), ..Self::silent(Exit::Unexpected) }
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// What there is still to say.
    pub(crate) fn said(&self) -> Option<&str> {
        (!self.is_silent).then_some(self.what.as_str())
    }

    /// What the program ends with.
    pub(crate) fn code(&self) -> u8 {
        self.code.unwrap_or(self.exit as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl From<Fault> for Exit {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Config => Self::Usage,
            Fault::NotAuthenticated => Self::NotAuthenticated,
            Fault::RoleMissing => Self::RoleMissing,
            Fault::Upstream => Self::Upstream,
            Fault::Incomplete => Self::Incomplete,
            Fault::Storage => Self::Storage,
            Fault::Unexpected => Self::Unexpected,
        }
    }
}

impl From<Exit> for Fault {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Unexpected => Self::Unexpected,
            Exit::Usage => Self::Config,
            Exit::NotAuthenticated => Self::NotAuthenticated,
            Exit::RoleMissing => Self::RoleMissing,
            Exit::Upstream => Self::Upstream,
            Exit::Incomplete => Self::Incomplete,
            Exit::Storage => Self::Storage,
        }
    }
}

impl From<Failure> for countersign_connector::Error {
    fn from(failure: Failure) -> Self {
        // The message carries its own hint line.
        Self::new(failure.exit.into(), failure.what)
    }
}

impl From<countersign_connector::Error> for Failure {
    fn from(error: countersign_connector::Error) -> Self {
        Self::new(error.fault().into(), error)
    }
}

impl From<countersign_client::Error> for Failure {
    fn from(error: countersign_client::Error) -> Self {
        countersign_connector::Error::from(error).into()
    }
}

impl From<countersign_files::Error> for Failure {
    fn from(error: countersign_files::Error) -> Self {
        Self::of_disk(error.is_exposed(), error)
    }
}

impl From<countersign_store::Error> for Failure {
    fn from(error: countersign_store::Error) -> Self {
        Self::of_disk(error.is_exposed(), error)
    }
}

impl From<countersign_vault::Error> for Failure {
    fn from(error: countersign_vault::Error) -> Self {
        Self::of_disk(error.is_config() || error.is_exposed(), error)
    }
}

impl From<countersign_broker::Error> for Failure {
    fn from(error: countersign_broker::Error) -> Self {
        match (error.is_input(), error.is_unwritten()) {
            (true, _) => Self::usage(error),
            (_, true) => Self::storage(error),
            _ => Self::unexpected(error),
        }
    }
}

impl From<countersign_dashboard::ListenError> for Failure {
    fn from(error: countersign_dashboard::ListenError) -> Self {
        match error {
            countersign_dashboard::ListenError::Input(what) => Self::usage(what),
            error => Self::unexpected(error),
        }
    }
}

impl From<countersign_dashboard::people::Error> for Failure {
    fn from(error: countersign_dashboard::people::Error) -> Self {
        if error.is_input() { Self::usage(error) } else { Self::storage(error) }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::unexpected(error)
    }
}
