//! What other programs read of the inventory: a calendar, metrics, a snapshot.

pub(crate) mod calendar;
pub(crate) mod metrics;
pub(crate) mod snapshot;

use std::io::Write;
use std::path::Path;

use crate::failure::Failure;

/// Replaces a file whole, so that nobody reads half of one. Anybody may read it: no
/// feed holds a secret.
pub(crate) fn put(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::usage(format!("failed to write `{}`: {error}", path.display()))
    };
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(
        path.file_name()
            .ok_or_else(|| Failure::usage(format!("`{}` is no file", path.display())))?,
    );
    // Collectors look for whole names: one that begins with a dot is none of theirs.
    hidden.push(".countersign");
    let beside = path.with_file_name(hidden);
    let mut options = std::fs::OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o644);
    let write = || {
        let mut file = options.open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    };
    write().map_err(failed)
}
