//! The file of a socket.

use std::path::{Path, PathBuf};

/// Removed with its listener.
pub(crate) struct SocketFile(PathBuf);

impl SocketFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

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
