//! Where callers come: a loopback address, or a socket in a folder that nobody else
//! enters.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use countersign_web::{self as web, ListenError};

use crate::error::Error;

/// Bound, not yet answering.
pub struct Listener(pub(crate) web::Listener);

/// Where callers reach the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `http://` and this.
    Loopback(SocketAddr),
    /// The path of a socket.
    Socket(PathBuf),
}

impl Listener {
    /// Listens on a loopback address, and refuses any other.
    pub fn loopback(address: SocketAddr) -> Result<Self, Error> {
        web::Listener::plain(address).map(Self).map_err(|error| match error {
            ListenError::NotLoopback => Error::input(format!(
                "`{address}` is not a loopback address: the broker speaks plain HTTP, for this machine alone\nhint: use `127.0.0.1:{}`",
                address.port()
            )),
            error => Error::listen(format!("failed to listen on `{address}`: {error}")),
        })
    }

    /// Listens on a socket that only its owner can open, in a folder that only its
    /// owner can enter. Takes the place of a socket that nobody answers on.
    #[cfg(unix)]
    pub fn socket(path: &std::path::Path) -> Result<Self, Error> {
        web::Listener::socket(path).map(Self).map_err(|error| match error {
            ListenError::Input(what) => Error::input(what),
            error => Error::listen(format!("failed to listen on `{}`: {error}", path.display())),
        })
    }

    /// Where it is.
    pub fn address(&self) -> Address {
        match self.0.address() {
            web::Address::Tcp(address) => Address::Loopback(address),
            web::Address::Socket(path) => Address::Socket(path),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback(address) => write!(f, "http://{address}"),
            Self::Socket(path) => write!(f, "{}", path.display()),
        }
    }
}
