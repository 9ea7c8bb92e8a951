//! A socket that only its owner can open, in a folder that only its owner can enter.

use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use crate::listen::{ListenError, Listener, Socket};

impl Listener {
    /// Listens on a socket, and takes the place of one that nobody answers on.
    pub fn socket(path: &Path) -> Result<Self, ListenError> {
        let shown = path.display();
        let (folder, name) = path
            .parent()
            .zip(path.file_name())
            .ok_or_else(|| ListenError::Input(format!("`{shown}` is not the path of a socket")))?;
        let folder = if folder.as_os_str().is_empty() { ".".as_ref() } else { folder };
        if !folder.exists() {
            std::fs::DirBuilder::new().mode(0o700).create(folder).map_err(ListenError::Failed)?;
        }
        let folder = folder.canonicalize().map_err(ListenError::Failed)?;
        let path = folder.join(name);
        check_private(&folder)?;
        remove_stale(&path)?;
        let listener = UnixListener::bind(&path).map_err(ListenError::Failed)?;
        let file = SocketFile(path.clone());
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, private).map_err(ListenError::Failed)?;
        check_owner(&folder, &path)?;
        Ok(Self { socket: Socket::Unix(listener, file), tls: None })
    }
}

/// Removed with its listener.
pub(crate) struct SocketFile(PathBuf);

impl SocketFile {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // The next listener takes one that stays for stale.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What a folder lets others do counts before the socket is there: no moment is left
/// in which its mode is not set yet.
fn check_private(folder: &Path) -> Result<(), ListenError> {
    let shown = folder.display();
    let metadata = std::fs::metadata(folder).map_err(ListenError::Failed)?;
    match metadata.permissions().mode() & 0o077 {
        0 => Ok(()),
        _ => Err(ListenError::Input(format!(
            "others can enter `{shown}`, the folder of the socket\nhint: `chmod 700 {shown}`, or choose another"
        ))),
    }
}

/// The socket is ours; so must be its folder.
fn check_owner(folder: &Path, socket: &Path) -> Result<(), ListenError> {
    let owner = |path: &Path| {
        let metadata = std::fs::symlink_metadata(path).map_err(ListenError::Failed)?;
        Ok::<_, ListenError>(metadata.uid())
    };
    if owner(folder)? == owner(socket)? {
        return Ok(());
    }
    Err(ListenError::Input(format!(
        "`{}`, the folder of the socket, is another user's",
        folder.display()
    )))
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
