//! What the broker can fail with, as a program; what it refuses is in `refusal`.

use std::fmt;

/// One that cannot start, or did not end well.
#[derive(Debug)]
pub struct Error(Kind);

#[derive(Debug)]
enum Kind {
    Input(String),
    Listen(String),
    Unwritten,
}

impl Error {
    pub(crate) fn input(what: impl Into<String>) -> Self {
        Self(Kind::Input(what.into()))
    }

    pub(crate) fn listen(what: impl Into<String>) -> Self {
        Self(Kind::Listen(what.into()))
    }

    pub(crate) fn unwritten() -> Self {
        Self(Kind::Unwritten)
    }

    /// Something that was given cannot be right.
    pub fn is_input(&self) -> bool {
        matches!(self.0, Kind::Input(_))
    }

    /// An address, or a socket, that nothing could listen on.
    pub fn is_listen(&self) -> bool {
        matches!(self.0, Kind::Listen(_))
    }

    /// Lines of the log are lost.
    pub fn is_unwritten(&self) -> bool {
        matches!(self.0, Kind::Unwritten)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Input(what) | Kind::Listen(what) => f.write_str(what),
            Kind::Unwritten => {
                f.write_str("the end of the broker's log could not be written to the store")
            }
        }
    }
}

impl std::error::Error for Error {}
