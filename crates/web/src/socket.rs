//! A socket that only its owner can open, in a folder that only its owner can enter.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use tokio::net::UnixListener;

use crate::listen::{ListenError, Listener, Socket};
use crate::socket_file::SocketFile;

impl Listener {
    /// Listens on a socket, and takes the place of one that nobody answers on.
    pub fn socket(path: &Path) -> Result<Self, ListenError> {
        let shown = path.display();
        let (folder, name) = path
            .parent()
            .zip(path.file_name())
            .ok_or_else(|| ListenError::Input(format!("`{shown}` is not the path of a socket")))?;
        let folder = if folder.as_os_str().is_empty() { ".".as_ref() } else { folder };
        // What a folder lets others do counts before the socket is there: no moment is left
        // in which its mode is not set yet.
        let folder = countersign_files::closed_folder(folder).map_err(|error| {
            let told = error.to_string();
            match error.is_exposed() {
                true => ListenError::Input(told),
                false => ListenError::Failed(std::io::Error::other(told)),
            }
        })?;
        let path = folder.join(name);
        remove_stale(&path)?;
        let listener = UnixListener::bind(&path).map_err(ListenError::Failed)?;
        let file = SocketFile::new(path.clone());
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, private).map_err(ListenError::Failed)?;
        Ok(Self { socket: Socket::Unix(listener, file), tls: None })
    }
}

fn remove_stale(path: &Path) -> Result<(), ListenError> {
    let shown = path.display();
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(ListenError::Input(format!("`{shown}` is there already, and is no socket")));
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(ListenError::Input(format!("somebody answers on `{shown}` already")));
    }
    std::fs::remove_file(path).map_err(ListenError::Failed)
}
