//! What others could have done to a file or a folder, and what is done about it. What
//! belongs to somebody else is tested where these tests may give files away, as root.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod reading;
mod standing;
mod writing;

use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};

/// A user who is nobody here.
const STRANGER: u32 = 54_321;

struct Scene(tempfile::TempDir);

impl Scene {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, "text").unwrap();
        chmod(&path, mode);
        path
    }

    fn folder(&self, name: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::create_dir(&path).unwrap();
        chmod(&path, mode);
        path
    }

    fn pipe(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        path
    }

    fn names(&self) -> Vec<String> {
        let names = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Whether it could be given away: only root can.
fn give_away(path: &Path) -> bool {
    lchown(path, Some(STRANGER), Some(STRANGER)).is_ok()
}

fn random() -> impl Fn(&mut [u8]) {
    let next = AtomicU8::new(1);
    move |buffer| buffer.fill(next.fetch_add(1, Ordering::Relaxed))
}

#[track_caller]
fn told<T: std::fmt::Debug>(outcome: Result<T, countersign_files::Error>) -> String {
    outcome.unwrap_err().to_string()
}
