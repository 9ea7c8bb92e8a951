//! What a vault can fail with. Holds paths, names and addresses, never a secret.

use std::fmt;
use std::path::Path;

/// A vault failure.
#[derive(Debug)]
pub struct Error(Kind);

#[derive(Debug)]
pub(crate) enum Kind {
    Io { doing: &'static str, path: String, error: std::io::Error },
    Malformed { path: String, what: String },
    File(countersign_files::Error),
    Unsealable,
    Altered { path: String },
    NotFound { name: String },
    Name { name: String },
    TooLarge { path: String },
    Passphrase,
    Refused { what: String },
    KeyMissing { path: String },
    SealedOtherwise { path: String, by: OtherSeal },
    KeyReplaced { path: String },
    SameKey { path: String },
    NotProbe { name: String },
    Elsewhere { what: String, hint: String, fault: Fault },
    Proof { step: Step, vault: String, cause: Option<Box<Error>> },
}

/// What a vault is sealed by, other than what it was opened with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OtherSeal {
    KeyFile,
    NewKey,
    Passphrase,
    NewPassphrase,
}

impl OtherSeal {
    fn words(self) -> &'static str {
        match self {
            Self::KeyFile => "a key file",
            Self::NewKey => "a key that has just been set",
            Self::Passphrase => "a passphrase",
            Self::NewPassphrase => "a passphrase that another process has just set",
        }
    }
}

/// Whose fault it is when a vault that is not ours fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The configuration cannot work.
    Config,
    /// It does not let us.
    Denied,
    /// It cannot be reached, or does not work at present.
    Unreachable,
    /// Others were always faster.
    Conflict,
    /// It answered what it never should.
    Protocol,
}

/// The steps of a proof, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Write,
    Reopen,
    Read,
    Compare,
    Destroy,
    Absence,
    Erase,
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

    pub(crate) fn not_found(name: &str) -> Self {
        Self(Kind::NotFound { name: name.to_owned() })
    }

    pub(crate) fn no_version(name: &str, version: u32) -> Self {
        Self(Kind::NotFound { name: format!("{name}@{version}") })
    }

    pub(crate) fn elsewhere(fault: Fault, what: impl Into<String>, hint: &str) -> Self {
        Self(Kind::Elsewhere { what: what.into(), hint: hint.to_owned(), fault })
    }

    fn fault(&self) -> Option<Fault> {
        match &self.0 {
            Kind::Elsewhere { fault, .. } => Some(*fault),
            Kind::Proof { cause, .. } => cause.as_ref().and_then(|cause| cause.fault()),
            _ => None,
        }
    }

    /// There is no live credential of that name or version.
    pub fn is_not_found(&self) -> bool {
        matches!(self.0, Kind::NotFound { .. })
    }

    /// The key is wrong, or the sealed bytes were altered. Where nothing opens the two
    /// cannot be told apart.
    pub fn is_unsealable(&self) -> bool {
        matches!(self.0, Kind::Unsealable | Kind::Altered { .. })
    }

    /// Some of it opens, so the key is the right one: the rest was altered.
    pub fn is_altered(&self) -> bool {
        matches!(self.0, Kind::Altered { .. })
    }

    /// The vault holds secrets that another key sealed, or its key file is gone.
    pub fn is_wrong_key(&self) -> bool {
        matches!(
            self.0,
            Kind::KeyMissing { .. } | Kind::SealedOtherwise { .. } | Kind::KeyReplaced { .. }
        )
    }

    /// It is sealed by a passphrase, and was opened with a key file.
    pub fn needs_passphrase(&self) -> bool {
        matches!(self.0, Kind::SealedOtherwise { by: OtherSeal::Passphrase, .. })
    }

    /// The file is not a vault, or not a whole one.
    pub fn is_malformed(&self) -> bool {
        matches!(self.0, Kind::Malformed { .. })
    }

    /// The place that keeps the secrets refused us: a bad or expired token, a policy
    /// that is too narrow, a locked keyring.
    pub fn is_denied(&self) -> bool {
        self.fault() == Some(Fault::Denied)
    }

    /// The place that keeps the secrets cannot be reached or does not work at present;
    /// later the same may succeed.
    pub fn is_unreachable(&self) -> bool {
        self.fault() == Some(Fault::Unreachable)
    }

    /// The configuration cannot work, whatever the vault says.
    pub fn is_config(&self) -> bool {
        self.fault() == Some(Fault::Config)
    }

    /// Other users could have written to one of its files, or read its key.
    pub fn is_exposed(&self) -> bool {
        matches!(&self.0, Kind::File(error) if error.is_exposed())
    }

    pub(crate) fn is_missing(&self) -> bool {
        matches!(&self.0, Kind::File(error) if error.is_missing())
    }

    /// A proof failed: this vault must not be given a secret.
    pub fn is_proof(&self) -> bool {
        matches!(self.0, Kind::Proof { .. })
    }
}

impl Step {
    fn failed(self) -> &'static str {
        match self {
            Self::Write => "write a probe",
            Self::Reopen => "open again after a probe was written",
            Self::Read => "read the probe that was written",
            Self::Compare => "give back the probe that was written: it is another one",
            Self::Destroy => "destroy the probe",
            Self::Absence => "forget the probe: it can be read after it was destroyed",
            Self::Erase => "remove the trace of the probe",
        }
    }

    fn fix(self) -> &'static str {
        match self {
            Self::Write | Self::Reopen => "no credentials were issued; fix this first",
            Self::Read | Self::Compare => {
                "what goes into this vault does not come out: use another one, or find out who else writes there"
            }
            Self::Destroy | Self::Absence | Self::Erase => {
                "secrets of old credentials would stay readable: the vault must allow their destruction"
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Io { doing, path, error } => write!(f, "failed to {doing} `{path}`: {error}"),
            Kind::Malformed { path, what } => write!(f, "`{path}` is not a whole vault: {what}"),
            Kind::File(error) => error.fmt(f),
            Kind::Refused { what } => f.write_str(what),
            Kind::Altered { path } => write!(
                f,
                "the vault `{path}` was altered since it was written\nhint: bring it back from a backup"
            ),
            Kind::Unsealable => write!(
                f,
                "a sealed secret does not open\nhint: the key or passphrase is not the one it was sealed with, or the file was altered"
            ),
            Kind::NotFound { name } => write!(f, "the vault has no credentials named `{name}`"),
            Kind::Name { name } => write!(
                f,
                "`{name}` cannot name credentials: use 1 to 128 letters, digits, `-`, `_`, `.` or `/`"
            ),
            Kind::TooLarge { path } => write!(f, "the vault `{path}` is larger than 16 MiB"),
            Kind::KeyMissing { path } => write!(
                f,
                "key file `{path}` is missing, and the vault beside it holds secrets that it sealed\nhint: bring the file back from where you keep it safe"
            ),
            Kind::SealedOtherwise { path, by } => {
                write!(
                    f,
                    "the vault `{path}` is sealed by {}\nhint: open it the same way",
                    by.words()
                )
            }
            Kind::KeyReplaced { path } => write!(
                f,
                "key file `{path}` is not the one that this process opened the vault with\nhint: start again; if the vault then does not open, bring the old key file back"
            ),
            Kind::SameKey { path } => write!(
                f,
                "`{path}` is the key that seals the vault already\nhint: name a file that does not exist yet"
            ),
            Kind::Passphrase => {
                write!(f, "the passphrase parameters of the vault are out of bounds")
            }
            Kind::NotProbe { name } => {
                write!(f, "`{name}` is no probe: what became of a credential is never erased")
            }
            Kind::Elsewhere { what, hint, .. } if hint.is_empty() => f.write_str(what),
            Kind::Elsewhere { what, hint, .. } => write!(f, "{what}\nhint: {hint}"),
            Kind::Proof { step, vault, cause } => {
                write!(f, "the vault ({vault}) failed to {}", step.failed())?;
                let cause = cause.as_ref().map(ToString::to_string);
                if let Some(cause) = &cause {
                    write!(f, ": {cause}")?;
                }
                match cause.is_some_and(|cause| cause.contains("\nhint: ")) {
                    true => Ok(()),
                    false => write!(f, "\nhint: {}", step.fix()),
                }
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<countersign_files::Error> for Error {
    fn from(error: countersign_files::Error) -> Self {
        Self(Kind::File(error))
    }
}
