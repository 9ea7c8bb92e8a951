//! The public exit codes, and how a failure is told.

use std::fmt;
use std::io;
use std::path::Path;

use countersign_connector::Fault;
use countersign_files::{Cause as DiskCause, said};
use countersign_text::json;
use serde_json::json;

use crate::located::located;

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

/// Why a command failed. Each cause has one exit code, whatever the command is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    Unexpected,
    Usage,
    Address,
    File,
    Exposed,
    NotAuthenticated,
    RoleMissing,
    Upstream,
    Incomplete,
    Storage,
    InUse,
    DiskFull,
}

impl Cause {
    /// In the order of the documented table.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 12] = [
        Self::Unexpected,
        Self::Usage,
        Self::Address,
        Self::File,
        Self::Exposed,
        Self::NotAuthenticated,
        Self::RoleMissing,
        Self::Upstream,
        Self::Incomplete,
        Self::Storage,
        Self::InUse,
        Self::DiskFull,
    ];

    /// For programs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unexpected => "unexpected",
            Self::Usage => "usage",
            Self::Address => "address_unavailable",
            Self::File => "file",
            Self::Exposed => "exposed_file",
            Self::NotAuthenticated => "not_authenticated",
            Self::RoleMissing => "role_missing",
            Self::Upstream => "upstream",
            Self::Incomplete => "incomplete",
            Self::Storage => "storage",
            Self::InUse => "in_use",
            Self::DiskFull => "disk_full",
        }
    }

    /// The one place that says which code a cause has.
    pub(crate) fn exit(self) -> Exit {
        match self {
            Self::Unexpected => Exit::Unexpected,
            Self::Usage | Self::Address | Self::File | Self::Exposed => Exit::Usage,
            Self::NotAuthenticated => Exit::NotAuthenticated,
            Self::RoleMissing => Exit::RoleMissing,
            Self::Upstream => Exit::Upstream,
            Self::Incomplete => Exit::Incomplete,
            Self::Storage | Self::InUse | Self::DiskFull => Exit::Storage,
        }
    }

    /// What the documented table says of it.
    #[cfg(test)]
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Unexpected => "an unexpected failure",
            Self::Usage => {
                "the command line, the configuration or the Veracode URL is wrong; a name is unknown"
            }
            Self::Address => {
                "an address to listen on is used by another program, or is not this machine's"
            }
            Self::File => {
                "a file or folder that the command line names is missing, or cannot be read or written"
            }
            Self::Exposed => {
                "other users can write to, or read, a file or folder that is relied on"
            }
            Self::NotAuthenticated => {
                "the API credentials are wrong, expired or revoked, or this machine's clock is wrong"
            }
            Self::RoleMissing => "the credentials are accepted, and the account lacks a role",
            Self::Upstream => "the network or the service kept failing",
            Self::Incomplete => {
                "it ran, but incompletely, and nothing was closed because of it; or a delivery is held, failed or broken"
            }
            Self::Storage => "the store, the vault or the data directory cannot be used",
            Self::InUse => "another process has the store or the data directory in use",
            Self::DiskFull => "a disk, a quota or a file size limit is full, wherever it is",
        }
    }
}

impl From<Exit> for Cause {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Unexpected => Self::Unexpected,
            Exit::Usage => Self::Usage,
            Exit::NotAuthenticated => Self::NotAuthenticated,
            Exit::RoleMissing => Self::RoleMissing,
            Exit::Upstream => Self::Upstream,
            Exit::Incomplete => Self::Incomplete,
            Exit::Storage => Self::Storage,
        }
    }
}

/// A command that failed: one cause, and one fix where there is one.
#[derive(Debug)]
pub(crate) struct Failure {
    cause: Cause,
    /// What a command that was run for somebody ended with.
    code: Option<u8>,
    what: String,
    is_silent: bool,
}

impl Failure {
    pub(crate) fn new(exit: Exit, what: impl fmt::Display) -> Self {
        Self::of(exit.into(), what)
    }

    pub(crate) fn of(cause: Cause, what: impl fmt::Display) -> Self {
        Self { cause, code: None, what: what.to_string(), is_silent: false }
    }

    pub(crate) fn unexpected(what: impl fmt::Display) -> Self {
        Self::of(Cause::Unexpected, what)
    }

    pub(crate) fn usage(what: impl fmt::Display) -> Self {
        Self::of(Cause::Usage, what)
    }

    /// Arguments that are none, as the library says it.
    pub(crate) fn typed(error: &clap::Error) -> Self {
        let what = error.render().to_string();
        Self::usage(what.strip_prefix("error: ").unwrap_or(&what).trim_end())
    }

    pub(crate) fn storage(what: impl fmt::Display) -> Self {
        Self::of(Cause::Storage, what)
    }

    /// A file or folder that the command line names.
    pub(crate) fn named(error: countersign_files::Error) -> Self {
        Self::of(of_file(&error, Cause::File), error)
    }

    /// The same, where there is only what the system says.
    pub(crate) fn of_file(doing: &str, path: &Path, error: &io::Error) -> Self {
        Self::named(countersign_files::Error::of(doing, path, error))
    }

    /// Somebody else has it.
    pub(crate) fn in_use(what: impl fmt::Display) -> Self {
        Self::of(Cause::InUse, what)
    }

    /// With the name of what could not be written to.
    pub(crate) fn writing(mut self, place: impl fmt::Display) -> Self {
        if let Some(why) = self.what.strip_prefix("failed to write: ") {
            self.what = format!("failed to write {place}: {why}");
        }
        self
    }

    /// With what to do about it, unless that is said already.
    pub(crate) fn with_hint(mut self, hint: impl fmt::Display) -> Self {
        if !self.what.contains("\nhint: ") {
            self.what = format!("{}\nhint: {hint}", self.what);
        }
        self
    }

    /// The exit code alone: what there is to say has been said.
    pub(crate) fn silent(exit: Exit) -> Self {
        Self { cause: exit.into(), code: None, what: String::new(), is_silent: true }
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
        self.cause.exit()
    }

    pub(crate) fn is_address(&self) -> bool {
        self.cause == Cause::Address
    }

    /// What there is still to say, for people.
    pub(crate) fn said(&self) -> Option<String> {
        (!self.is_silent).then(|| format!("error: {}", self.what))
    }

    /// The same for programs: one object on one line.
    pub(crate) fn said_as_json(&self) -> Option<String> {
        let (message, hint) = match self.what.split_once("\nhint: ") {
            Some((message, hint)) => (message, Some(hint)),
            None => (self.what.as_str(), None),
        };
        let object = json!({ "error": {
            "code": self.code(),
            "cause": self.cause.as_str(),
            "message": located(message),
            "hint": hint.map(located),
        }});
        (!self.is_silent).then(|| json::to_string(&object).unwrap_or_default())
    }

    /// What the program ends with.
    pub(crate) fn code(&self) -> u8 {
        self.code.unwrap_or(self.exit() as u8)
    }
}

/// A full disk is one, whosever file it is; what others could have written to is for its
/// owner to put right, like a line of the configuration.
fn of_file(error: &countersign_files::Error, otherwise: Cause) -> Cause {
    match error.cause() {
        _ if error.is_exposed() => Cause::Exposed,
        Some(DiskCause::Full) => Cause::DiskFull,
        _ => otherwise,
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
        Self::new(failure.exit().into(), failure.what)
    }
}

impl From<countersign_connector::Error> for Failure {
    fn from(error: countersign_connector::Error) -> Self {
        if error.is_busy() {
            return Self::of(Cause::InUse, error);
        }
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
        Self::of(of_file(&error, Cause::Storage), error)
    }
}

impl From<countersign_store::Error> for Failure {
    fn from(error: countersign_store::Error) -> Self {
        let cause = match error.cause() {
            _ if error.is_exposed() => Cause::Exposed,
            _ if error.is_busy() => Cause::InUse,
            _ if error.is_of_settings() => Cause::Usage,
            Some(DiskCause::Full) => Cause::DiskFull,
            _ => Cause::Storage,
        };
        Self::of(cause, error)
    }
}

impl From<countersign_vault::Error> for Failure {
    fn from(error: countersign_vault::Error) -> Self {
        let cause = match error.is_exposed() {
            true => Cause::Exposed,
            false if error.is_config() => Cause::Usage,
            false => Cause::Storage,
        };
        Self::of(cause, error)
    }
}

impl From<countersign_broker::Error> for Failure {
    fn from(error: countersign_broker::Error) -> Self {
        match (error.is_input(), error.is_unwritten()) {
            (true, _) => Self::usage(error),
            (_, true) => Self::storage(error),
            _ if error.is_listen() => Self::of(Cause::Address, error),
            _ => Self::unexpected(error),
        }
    }
}

impl Failure {
    /// Nothing listens at the address of this option.
    pub(crate) fn listen(
        option: &str,
        address: std::net::SocketAddr,
        error: &countersign_web::ListenError,
    ) -> Self {
        let hint = format!("`{option} 127.0.0.1:0` uses a free port");
        Self::of(Cause::Address, format!("failed to listen on `{address}`: {error}"))
            .with_hint(hint)
    }
}

impl From<countersign_dashboard::ListenError> for Failure {
    fn from(error: countersign_dashboard::ListenError) -> Self {
        match error {
            countersign_dashboard::ListenError::Input(what) => Self::usage(what),
            error => Self::of(Cause::Address, error),
        }
    }
}

impl From<countersign_platform::Error> for Failure {
    fn from(error: countersign_platform::Error) -> Self {
        let cause = match error.is_input() {
            true => Cause::Usage,
            false if error.refused_address().is_some() => Cause::Address,
            false => Cause::Storage,
        };
        Self::of(cause, error)
    }
}

impl From<countersign_dashboard::people::Error> for Failure {
    fn from(error: countersign_dashboard::people::Error) -> Self {
        if error.is_input() { Self::usage(error) } else { Self::storage(error) }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let error = match error.downcast::<countersign_files::Error>() {
            Ok(error) => return Self::named(error),
            Err(error) => error,
        };
        match DiskCause::of(&error) {
            Some(cause @ DiskCause::Full) => Self::of(
                Cause::DiskFull,
                format!(
                    "failed to write: {}\nhint: free some space, then run the command again",
                    cause.as_str()
                ),
            ),
            _ => Self::unexpected(said(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_one_wherever_it_is() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        for failure in [
            Failure::from(full()),
            Failure::of_file("write", Path::new("/x"), &full()),
            Failure::from(countersign_files::Error::of("write", Path::new("/x"), &full())),
            Failure::from(io::Error::other(countersign_files::Error::of(
                "write",
                Path::new("/x"),
                &full(),
            ))),
        ] {
            assert_eq!((failure.cause, failure.code()), (Cause::DiskFull, 7), "{failure}");
        }
    }

    #[test]
    fn programs_get_cause_message_and_hint() {
        let failure = Failure::usage("`x` is wrong").with_hint("give y").with_hint("give z");
        let object: serde_json::Value =
            serde_json::from_str(&failure.said_as_json().unwrap()).unwrap();
        assert_eq!(
            object,
            json!({ "error": {
                "code": 2, "cause": "usage", "message": "`x` is wrong", "hint": "give y",
            }})
        );
        assert_eq!(Failure::silent(Exit::Usage).said_as_json(), None);
    }
}
