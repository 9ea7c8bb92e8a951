//! Where clients come: an address over TLS, a loopback address, or a socket in a folder
//! that nobody else enters.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::places::Origin;

/// Connections that wait to be accepted: as many as the system takes.
const BACKLOG: u32 = 4096;

/// Bound, not yet answering.
pub struct Listener {
    pub(crate) socket: Socket,
    pub(crate) tls: Option<TlsAcceptor>,
}

pub(crate) enum Socket {
    Tcp(TcpListener, SocketAddr),
    #[cfg(unix)]
    Unix(tokio::net::UnixListener, crate::socket_file::SocketFile),
}

/// Where clients reach a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An address of the network.
    Tcp(SocketAddr),
    /// The path of a socket.
    Socket(PathBuf),
}

/// Why nothing listens.
#[derive(Debug)]
#[non_exhaustive]
pub enum ListenError {
    /// Plain HTTP is for loopback addresses alone.
    NotLoopback,
    /// Others could reach the socket, or something else is in its place: a sentence with
    /// a hint.
    Input(String),
    /// The system refuses.
    Failed(io::Error),
}

/// An address that is ours, before it is known how to speak there.
#[derive(Debug)]
pub struct Bound(TcpListener, SocketAddr);

impl Bound {
    /// Takes an address; port 0 takes a free one.
    pub fn new(address: SocketAddr) -> Result<Self, ListenError> {
        let bind = || {
            let socket = match address {
                SocketAddr::V4(_) => TcpSocket::new_v4()?,
                SocketAddr::V6(_) => TcpSocket::new_v6()?,
            };
            // Elsewhere this would let two programs listen on one port.
            #[cfg(unix)]
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            let listener = socket.listen(BACKLOG)?;
            let address = listener.local_addr()?;
            Ok(Self(listener, address))
        };
        bind().map_err(ListenError::Failed)
    }

    /// Which it is.
    pub fn address(&self) -> SocketAddr {
        self.1
    }

    /// Listens over TLS.
    pub fn over_tls(self, config: Arc<rustls::ServerConfig>) -> Listener {
        Listener { socket: self.into(), tls: Some(config.into()) }
    }
}

impl From<Bound> for Socket {
    fn from(bound: Bound) -> Self {
        Self::Tcp(bound.0, bound.1)
    }
}

impl Listener {
    /// Listens without TLS: on a loopback address, and refuses any other.
    pub fn plain(address: SocketAddr) -> Result<Self, ListenError> {
        match address.ip().is_loopback() {
            true => Ok(Self { socket: Bound::new(address)?.into(), tls: None }),
            false => Err(ListenError::NotLoopback),
        }
    }

    /// Where it is.
    pub fn address(&self) -> Address {
        match &self.socket {
            Socket::Tcp(_, address) => Address::Tcp(*address),
            #[cfg(unix)]
            Socket::Unix(_, file) => Address::Socket(file.path().to_owned()),
        }
    }
}

pub(crate) enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(tokio::net::UnixStream),
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Peer {
    Tcp(SocketAddr),
    #[cfg(unix)]
    Local,
}

impl Peer {
    pub(crate) fn origin(self) -> Origin {
        match self {
            Self::Tcp(address) => address.ip().into(),
            #[cfg(unix)]
            Self::Local => Origin::Local,
        }
    }
}

impl Socket {
    pub(crate) async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(listener, _) => {
                let (stream, peer) = listener.accept().await?;
                // Answers are small; waiting to fill a packet is what would take time.
                let _ = stream.set_nodelay(true);
                Ok((Stream::Tcp(stream), Peer::Tcp(peer)))
            }
            #[cfg(unix)]
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::Unix(stream), Peer::Local))
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Socket(path) => write!(f, "{}", path.display()),
        }
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLoopback => f.write_str("plain HTTP is for loopback addresses alone"),
            Self::Input(what) => f.write_str(what),
            Self::Failed(error) => match error.kind() {
                io::ErrorKind::AddrInUse => f.write_str("another program listens there"),
                io::ErrorKind::AddrNotAvailable => f.write_str("this machine has no such address"),
                _ => f.write_str(&countersign_files::said(error)),
            },
        }
    }
}

impl std::error::Error for ListenError {}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("address", &self.address())
            .field("tls", &self.tls.is_some())
            .finish()
    }
}
