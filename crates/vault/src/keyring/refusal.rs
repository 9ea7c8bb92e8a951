//! What a keyring answers when it does not do what it is asked.

use countersign_text::line;

use crate::error::{Error, Fault};

/// Never with the bytes of a secret.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Locked, or nobody allowed it.
    Locked(String),
    /// It does not work at present.
    Broken(String),
    /// It answered what it never should.
    Odd(String),
}

impl Refusal {
    /// The failure of an operation.
    pub(super) fn refused(self) -> Error {
        let what = format!("the keyring refused: {}", line(self.cause()));
        match self {
            Self::Locked(_) => Error::elsewhere(
                Fault::Denied,
                what,
                "unlock the keyring, and allow the question that it asks",
            ),
            Self::Broken(_) => Error::elsewhere(
                Fault::Unreachable,
                what,
                "see that the keyring still runs and has a default collection",
            ),
            Self::Odd(_) => Error::elsewhere(Fault::Protocol, what, ""),
        }
    }

    /// The failure to open the keyring at all.
    pub(super) fn unavailable(self) -> Error {
        let what = format!("there is no keyring to talk to: {}", line(self.cause()));
        let hint = match cfg!(target_os = "linux") {
            true => {
                "on Linux a Secret Service must run on the session bus: start in a desktop session, or under `dbus-run-session` with `gnome-keyring-daemon --unlock`, or set `vault.backend = \"file\"`"
            }
            false => "set `vault.backend = \"file\"`",
        };
        Error::elsewhere(Fault::Unreachable, what, hint)
    }

    pub(super) fn ambiguous(items: usize) -> Self {
        Self::Odd(format!("{items} items have the same name"))
    }

    fn cause(&self) -> &str {
        let (Self::Locked(cause) | Self::Broken(cause) | Self::Odd(cause)) = self;
        cause
    }
}
