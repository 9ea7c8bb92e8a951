//! Where callers come: a loopback address, or a socket in a folder that nobody else
//! enters.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::net::TcpListener;

use crate::Error;

/// Bound, not yet answering.
pub struct Listener(pub(crate) Bound);

pub(crate) enum Bound {
    Loopback(TcpListener, SocketAddr),
    #[cfg(unix)]
    Socket(tokio::net::UnixListener, SocketFile),
}

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
    pub async fn loopback(address: SocketAddr) -> Result<Self, Error> {
        if !address.ip().is_loopback() {
            return Err(Error::input(format!(
                "`{address}` is not a loopback address: the broker speaks plain HTTP, for this machine alone\nhint: use `127.0.0.1:{}`",
                address.port()
            )));
        }
        let failed = |error| Error::listen(format!("failed to listen on `{address}`: {error}"));
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self(Bound::Loopback(listener, address)))
    }

    /// Listens on a socket that only its owner can open, in a folder that only its
    /// owner can enter. Takes the place of a socket that nobody answers on.
    #[cfg(unix)]
    pub fn socket(path: &std::path::Path) -> Result<Self, Error> {
        use std::os::unix::fs::PermissionsExt;
        let shown = path.display();
        let failed = |error| Error::listen(format!("failed to listen on `{shown}`: {error}"));
        let (folder, name) = path
            .parent()
            .zip(path.file_name())
            .ok_or_else(|| Error::input(format!("`{shown}` is not the path of a socket")))?;
        let folder = if folder.as_os_str().is_empty() { ".".as_ref() } else { folder };
        // What a folder lets others do counts before the socket is there: no moment is left
        // in which its mode is not set yet.
        let folder = countersign_files::closed_folder(folder).map_err(|error| {
            let told = error.to_string();
            if error.is_exposed() { Error::input(told) } else { Error::listen(told) }
        })?;
        let path = folder.join(name);
        remove_stale(&path)?;
        let listener = tokio::net::UnixListener::bind(&path).map_err(failed)?;
        let file = SocketFile(path.clone());
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, private).map_err(failed)?;
        Ok(Self(Bound::Socket(listener, file)))
    }

    /// Where it is.
    pub fn address(&self) -> Address {
        match &self.0 {
            Bound::Loopback(_, address) => Address::Loopback(*address),
            #[cfg(unix)]
            Bound::Socket(_, file) => Address::Socket(file.0.clone()),
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

/// Removed with the broker.
#[cfg(unix)]
pub(crate) struct SocketFile(PathBuf);

#[cfg(unix)]
impl Drop for SocketFile {
    fn drop(&mut self) {
        // One that stays is taken for stale by the next broker.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(unix)]
fn remove_stale(path: &std::path::Path) -> Result<(), Error> {
    use std::os::unix::fs::FileTypeExt;
    let shown = path.display();
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(Error::input(format!("`{shown}` is there already, and is no socket")));
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(Error::input(format!("somebody answers on `{shown}` already")));
    }
    std::fs::remove_file(path)
        .map_err(|error| Error::listen(format!("failed to remove the stale `{shown}`: {error}")))
}
