//! Files that are on disk when a call returns. Each step that a crash can come
//! after is a function here; tests stop at every one of them.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;

use crate::error::Error;

/// Replaces `path` as a whole: written beside, synced, renamed, folder synced. Who
/// reads sees the old file or the new one. The caller keeps other writers out.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let beside = path.with_extension("new");
    write_private(&beside, OpenOptions::new().create(true).truncate(true), bytes)?;
    step().and_then(|()| std::fs::rename(&beside, path)).map_err(Error::io("replace", path))?;
    sync_folder_of(path)
}

/// What came of [`create`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Created {
    New,
    /// Another was there before, and is untouched.
    Existed,
}

/// Creates `path` with all of its bytes or not at all, and never over another file.
pub(crate) fn create(
    path: &Path,
    bytes: &[u8],
    random: &dyn Fn(&mut [u8]),
) -> Result<Created, Error> {
    let beside = beside(path, random);
    write_private(&beside, OpenOptions::new().create_new(true), bytes)?;
    let linked = step().and_then(|()| match std::fs::hard_link(&beside, path) {
        // Some file systems have no links: there a second creator at the same moment
        // is not kept out.
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists && !path.exists() => {
            std::fs::rename(&beside, path)
        }
        other => other,
    });
    let created = match linked {
        Ok(()) => Created::New,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Created::Existed,
        Err(error) => return Err(Error::io("create", path)(error)),
    };
    // Renamed instead of linked, or swept away by hand: then there is none.
    step().map_err(Error::io("tidy up", &beside))?;
    let _ = std::fs::remove_file(&beside);
    sync_folder_of(path)?;
    Ok(created)
}

fn beside(path: &Path, random: &dyn Fn(&mut [u8])) -> PathBuf {
    let mut tag = [0; 8];
    random(&mut tag);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", HEXLOWER.encode(&tag)));
    path.with_file_name(name)
}

fn write_private(path: &Path, options: &mut OpenOptions, bytes: &[u8]) -> Result<(), Error> {
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    let mut file = step().and_then(|()| options.open(path)).map_err(Error::io("create", path))?;
    let (first, second) = bytes.split_at(bytes.len() / 2);
    step()
        .and_then(|()| file.write_all(first))
        .and_then(|()| step())
        .and_then(|()| file.write_all(second))
        .and_then(|()| step())
        .and_then(|()| file.sync_all())
        .map_err(Error::io("write", path))
}

/// A new or renamed file is on disk only when its folder is.
fn sync_folder_of(path: &Path) -> Result<(), Error> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // Elsewhere a folder cannot be opened, and a rename is written through.
    if cfg!(unix) {
        step()
            .and_then(|()| File::open(folder))
            .and_then(|folder| folder.sync_all())
            .map_err(Error::io("sync folder", folder))?;
    }
    Ok(())
}

/// An exclusive lock beside `path`, held until it is dropped. Writers hold it for
/// milliseconds; who waits for it waits so long.
pub(crate) fn lock(path: &Path) -> Result<File, Error> {
    let path = path.with_extension("lock");
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&path).map_err(Error::io("open lock file", &path))?;
    file.lock().map_err(Error::io("lock", &path))?;
    Ok(file)
}

#[cfg(not(test))]
fn step() -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(crate) use stop::step;

#[cfg(test)]
pub(crate) mod stop {
    use std::cell::Cell;

    thread_local! {
        static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
    }

    /// Lets `steps` steps happen on this thread, and none after them: what is on disk
    /// then is what a process leaves that is killed there.
    pub(crate) fn after<T>(steps: u32, act: impl FnOnce() -> T) -> T {
        LEFT.set(Some(steps));
        let outcome = act();
        LEFT.set(None);
        outcome
    }

    pub(crate) fn step() -> std::io::Result<()> {
        match LEFT.get() {
            None => Ok(()),
            Some(0) => Err(std::io::Error::other("stopped by the test")),
            Some(left) => {
                LEFT.set(Some(left - 1));
                Ok(())
            }
        }
    }
}
