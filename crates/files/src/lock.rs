//! Files that stay open: locks and databases. Whoever can open one for reading can take a
//! lock on it, and hold everybody up: they are their owner's alone, old ones too.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::draft::{Draft, Readers};
use crate::error::{Cause, Error};
use crate::judge::{self, Folder, Secrecy};
use crate::read::as_it_is;
use crate::way::Place;

/// What SQLite keeps beside a database.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// A file to lock, made when it is missing.
pub fn lock_file(path: &Path) -> Result<File, Error> {
    let (place, name) = Place::of_file(path)?;
    place.judge(Folder::Guarded)?;
    let path = place.path.join(name);
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true);
    let file = as_it_is(&mut options).open(&path).map_err(Error::io("open", &path))?;
    let met = file.metadata().map_err(Error::io("look at", &path))?;
    judge::regular(&path, &met)?;
    judge::owner(&path, &met)?;
    if let Some(mode) = judge::tighter(&met) {
        file.set_permissions(mode).map_err(Error::io("close to others", &path))?;
    }
    Ok(file)
}

/// A database, made empty when it is missing; its path without links. What SQLite keeps
/// beside it is judged alike.
///
/// None of them is opened here if it is there: the end of a handle, whichever, ends the
/// locks of this process on that file, those of SQLite too.
pub fn database(path: &Path) -> Result<PathBuf, Error> {
    let found = match Place::find(path) {
        Ok((place, found, _)) => {
            place.judge(Folder::Guarded)?;
            found
        }
        Err(error) if error.is_missing() => {
            let (place, name) = Place::of_file(path)?;
            place.judge(Folder::Guarded)?;
            let found = place.path.join(name);
            make(&found)?;
            found
        }
        Err(error) => return Err(error),
    };
    guard(&found)?;
    for ending in COMPANIONS {
        let mut companion = found.clone().into_os_string();
        companion.push(ending);
        match guard(Path::new(&companion)) {
            Err(error) if !error.is_missing() => return Err(error),
            _ => {}
        }
    }
    Ok(found)
}

fn make(path: &Path) -> Result<(), Error> {
    let mut options = OpenOptions::new();
    match as_it_is(options.write(true).create_new(true)).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(Error::io("create", path)(error))
        }
        _ => Ok(()),
    }
}

fn guard(path: &Path) -> Result<(), Error> {
    let met = fs::symlink_metadata(path).map_err(Error::io("look at", path))?;
    judge::file(path, &met, Secrecy::Open, true)?;
    let Some(mode) = judge::tighter(&met) else { return Ok(()) };
    match fs::set_permissions(path, mode).map_err(Error::io("close to others", path)) {
        // Nobody writes there, so a lock holds nobody up.
        Err(error) if error.cause() == Some(Cause::ReadOnly) => Ok(()),
        other => other,
    }
}

/// Whether nothing on the file system of this path can be written, by whomever.
pub fn is_frozen(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use rustix::fs::{StatVfsMountFlags, statvfs};
        statvfs(path).is_ok_and(|met| met.f_flag.contains(StatVfsMountFlags::RDONLY))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

/// Why this user cannot read a file, or cannot write to it, without opening it.
pub fn usable(path: &Path, is_to_be_written: bool) -> Result<(), Error> {
    #[cfg(unix)]
    {
        use rustix::fs::{Access, AtFlags, CWD, accessat};
        let met = fs::symlink_metadata(path).map_err(Error::io("look at", path))?;
        let must_bear = |doing, wanted| {
            accessat(CWD, path, wanted, AtFlags::EACCESS)
                .map_err(|error| Error::io(doing, path)(error.into()))
        };
        let mut wanted = Access::READ_OK;
        wanted.set(Access::EXEC_OK, met.is_dir());
        must_bear("read", wanted)?;
        if is_to_be_written {
            must_bear("write to", Access::WRITE_OK)?;
        }
    }
    #[cfg(not(unix))]
    {
        let _ = is_to_be_written;
        fs::symlink_metadata(path).map_err(Error::io("look at", path))?;
    }
    Ok(())
}

/// Whether so many bytes can be written in a folder of ours: writes them to a file that is
/// gone afterwards.
pub fn has_room(folder: &Path, bytes: usize, random: &dyn Fn(&mut [u8])) -> Result<(), Error> {
    let draft = Draft::create(&folder.join("room"), Readers::Owner, random)?;
    draft.put(&vec![0; bytes])?;
    let written = draft.writer()?.sync_all();
    written.map_err(Error::io("write to", folder))
}
