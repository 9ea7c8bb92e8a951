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
    Kept(Cause),
    Other,
}

/// What keeps a file from being read or written although nothing is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// This user may not.
    Denied,
    /// The file system is read-only.
    ReadOnly,
    /// There is no room: the disk, a quota or a limit is full.
    Full,
}

impl Cause {
    /// The cause behind an error of the operating system, if it is one of these.
    pub fn of(error: &io::Error) -> Option<Self> {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Some(Self::Denied),
            io::ErrorKind::ReadOnlyFilesystem => Some(Self::ReadOnly),
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Some(Self::Full),
            _ => None,
        }
    }

    /// The cause in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "permission denied",
            Self::ReadOnly => "the file system is read-only",
            Self::Full => "no space is left: the disk, a quota or a file size limit is full",
        }
    }

    /// What to do about it.
    pub fn fix(self, path: &Path) -> String {
        match self {
            Self::Denied => format!(
                "run it as the owner of the file, whom `ls -ld {}` names",
                quoted(&path.display().to_string())
            ),
            Self::ReadOnly => "mount it for writing, or choose another folder".into(),
            Self::Full => "free some space there, then run the command again".into(),
        }
    }
}

/// What the system says, without its number.
pub fn said(error: &io::Error) -> String {
    let text = error.to_string();
    let end = text.rfind(" (os error ").filter(|_| text.ends_with(')'));
    text[..end.unwrap_or(text.len())].to_owned()
}

/// A word as a shell takes it.
pub fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
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
        let (doing, path) = (doing.to_owned(), path.to_owned());
        move |error| Self::of(&doing, &path, &error)
    }

    /// What was being done with a file when the system refused.
    pub fn of(doing: &str, path: &Path, error: &io::Error) -> Self {
        let what = format!("failed to {doing} `{}`", path.display());
        match Cause::of(error) {
            Some(cause) => Self {
                kind: Kind::Kept(cause),
                what: format!("{what}: {}", cause.as_str()),
                hint: Some(cause.fix(path)),
            },
            None => {
                let kind = match error.kind() {
                    io::ErrorKind::NotFound => Kind::Missing,
                    _ => Kind::Other,
                };
                Self { kind, what: format!("{what}: {}", said(error)), hint: None }
            }
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

    /// What kept it from being used, if the file itself is fine.
    pub fn cause(&self) -> Option<Cause> {
        match self.kind {
            Kind::Kept(cause) => Some(cause),
            _ => None,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_for_a_shell() {
        assert_eq!(quoted("/a/b-c_1.d"), "/a/b-c_1.d");
        assert_eq!(quoted("/a b/it's $HOME"), r"'/a b/it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn the_number_of_an_error_is_not_said() {
        let error = Error::of("read", Path::new("/x"), &io::Error::from_raw_os_error(2));
        assert_eq!(error.to_string(), "failed to read `/x`: No such file or directory");
        assert_eq!(said(&io::Error::other("(os error 2) of ours")), "(os error 2) of ours");
    }

    #[test]
    fn what_the_system_refuses_is_told_by_its_cause() {
        for (kind, cause) in [
            (io::ErrorKind::PermissionDenied, Some(Cause::Denied)),
            (io::ErrorKind::ReadOnlyFilesystem, Some(Cause::ReadOnly)),
            (io::ErrorKind::StorageFull, Some(Cause::Full)),
            (io::ErrorKind::QuotaExceeded, Some(Cause::Full)),
            (io::ErrorKind::FileTooLarge, Some(Cause::Full)),
            (io::ErrorKind::InvalidData, None),
        ] {
            let error = Error::io("read", Path::new("/x"))(kind.into());
            assert_eq!(error.cause(), cause, "{error}");
            assert!(!error.to_string().contains("os error"), "{error}");
            assert_eq!(error.to_string().contains("hint: "), cause.is_some(), "{error}");
        }
    }
}
