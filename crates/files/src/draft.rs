//! A file beside its place, under a name that nobody can guess, until it is whole. Whoever
//! reads the place sees the file before or the new one. A link there is replaced, and never
//! followed.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Component, Path, PathBuf};

use data_encoding::HEXLOWER;

use crate::error::Error;
use crate::judge::{self, Folder};
use crate::read::{as_it_is, is_descriptor};
use crate::stop::step;
use crate::way::{Missing, Place};

/// What the random part of a name is made of, in bytes.
const SUFFIX: usize = 8;
/// To create a file that nobody sweeps away in the same moment.
const MAX_TRIES: u32 = 3;
/// What SQLite puts behind the name of a database.
const JOURNAL: &str = "-journal";
/// So that a file system takes the name with what is put around it.
const MAX_NAME_BYTES: usize = 200;

/// Who may read what is written, and so where it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Its owner. Others must not be able to put another file in its place.
    Owner,
    /// Everybody: it may be in a folder that others share.
    Everybody,
}

/// What came of [`create`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It is in its place.
    New,
    /// Another was there before, and is untouched.
    Existed,
}

/// A file that is not in its place yet; removed when it is dropped before.
#[derive(Debug)]
pub struct Draft {
    file: File,
    path: PathBuf,
    target: PathBuf,
    is_left: bool,
}

/// Replaces `path` as a whole, on disk when this returns.
pub fn write(
    path: &Path,
    bytes: &[u8],
    readers: Readers,
    random: &dyn Fn(&mut [u8]),
) -> Result<(), Error> {
    let draft = Draft::create(path, readers, random)?;
    draft.put(bytes)?;
    draft.settle()
}

/// Creates `path` for its owner with all of its bytes or not at all, and never over another
/// file.
pub fn create(path: &Path, bytes: &[u8], random: &dyn Fn(&mut [u8])) -> Result<Created, Error> {
    let draft = Draft::create(path, Readers::Owner, random)?;
    draft.put(bytes)?;
    draft.settle_new()
}

/// Puts a finished file of ours in the place of another in the same folder, which nobody
/// else writes to. For files that others than [`Draft`] write.
pub fn put_in_place(finished: &Path, path: &Path) -> Result<(), Error> {
    let failed = |error| Error::io("write", path)(error);
    let (place, _) = Place::of_file(path)?;
    place.judge(Folder::Guarded)?;
    File::open(finished).and_then(|file| file.sync_all()).map_err(failed)?;
    fs::rename(finished, path).map_err(failed)?;
    sync_folder(&place.path)
}

/// Gives a file of ours another name of the same folder too, in place of what had it; where
/// that cannot be, instead.
pub fn keep_as(path: &Path, kept: &Path) -> Result<(), Error> {
    discard(kept)?;
    match fs::hard_link(path, kept) {
        Ok(()) => sync_folder(path.parent().unwrap_or(Path::new("."))),
        Err(_) => move_away(path, kept),
    }
}

/// Gives a file of ours another name of the same folder, in place of what had it.
pub fn move_away(path: &Path, kept: &Path) -> Result<(), Error> {
    fs::rename(path, kept).map_err(Error::io("move", path))?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// Removes a file of ours, if it is there.
pub fn discard(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

impl Draft {
    /// Begins one for this place.
    pub fn create(
        path: &Path,
        readers: Readers,
        random: &dyn Fn(&mut [u8]),
    ) -> Result<Self, Error> {
        if is_descriptor(path) {
            return Err(Error::unfit(format!("`{}` is not a regular file", path.display())));
        }
        let (folder, name) = match readers {
            Readers::Owner => Place::of_file(path).and_then(|(place, name)| {
                place.judge(Folder::GuardedOrSticky)?;
                Ok((place.path, name))
            }),
            Readers::Everybody => shared(path),
        }
        .map_err(|error| error.while_doing("write", path, "its folder is missing"))?;
        Self::create_in(&folder, &name, readers, random)
    }

    pub(crate) fn create_in(
        folder: &Path,
        name: &OsStr,
        readers: Readers,
        random: &dyn Fn(&mut [u8]),
    ) -> Result<Self, Error> {
        let target = folder.join(name);
        match fs::symlink_metadata(&target) {
            Ok(met) if !met.is_symlink() => judge::regular(&target, &met)?,
            _ => {}
        }
        let mut options = OpenOptions::new();
        as_it_is(options.write(true).create_new(true));
        #[cfg(unix)]
        if readers == Readers::Everybody {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o644);
        }
        let _ = readers;
        step().map_err(Error::io("write", &target))?;
        for tries_left in (0..MAX_TRIES).rev() {
            let path = beside(folder, name, random);
            let file = options.open(&path).map_err(Error::io("write", &target))?;
            // Says that somebody is at work on it. Where there are no locks it goes without.
            let is_disputed = matches!(file.try_lock(), Err(TryLockError::WouldBlock));
            let draft = Self { file, path, target: target.clone(), is_left: false };
            // A sweep may have come in between.
            if tries_left == 0 || !is_disputed && draft.path.exists() {
                return Ok(draft);
            }
        }
        Err(Error::unfit(format!(
            "failed to write `{}`: others are at work there",
            target.display()
        )))
    }

    /// Where it is until it is in its place, for what writes by name: a database.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A handle that reads what was written, from its beginning on.
    pub fn reader(&self) -> Result<File, Error> {
        File::open(&self.path).map_err(Error::io("read", &self.target))
    }

    /// Another handle to write with.
    pub fn writer(&self) -> Result<File, Error> {
        self.file.try_clone().map_err(Error::io("write", &self.target))
    }

    /// Writes more of it.
    pub fn put(&self, bytes: &[u8]) -> Result<(), Error> {
        let mut file = &self.file;
        let (first, second) = bytes.split_at(bytes.len() / 2);
        let written = step()
            .and_then(|()| file.write_all(first))
            .and_then(|()| step())
            .and_then(|()| file.write_all(second));
        written.map_err(Error::io("write", &self.target))
    }

    /// Puts it in its place, whatever is there.
    pub fn settle(self) -> Result<(), Error> {
        let target = self.target.clone();
        self.settle_as(&target)
    }

    /// Puts it in another place of the same folder.
    pub fn settle_as(mut self, target: &Path) -> Result<(), Error> {
        let name = target.file_name().unwrap_or_default().to_owned();
        let target = self.target.with_file_name(name);
        let failed = |error| Error::io("write", &target)(error);
        step().and_then(|()| self.file.sync_all()).map_err(failed)?;
        step().and_then(|()| fs::rename(&self.path, &target)).map_err(failed)?;
        self.is_left = true;
        self.end()
    }

    /// Puts it in its place if nothing is there.
    pub fn settle_new(mut self) -> Result<Created, Error> {
        let failed = |error| Error::io("create", &self.target)(error);
        step().and_then(|()| self.file.sync_all()).map_err(failed)?;
        let linked = step().and_then(|()| match fs::hard_link(&self.path, &self.target) {
            // Some file systems have no links: there a second creator at the same moment
            // is not kept out.
            Err(error)
                if error.kind() != ErrorKind::AlreadyExists
                    && fs::symlink_metadata(&self.target).is_err() =>
            {
                fs::rename(&self.path, &self.target)
            }
            other => other,
        });
        let created = match linked {
            Ok(()) => Created::New,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Created::Existed,
            Err(error) => return Err(failed(error)),
        };
        step().map_err(failed)?;
        // Renamed instead of linked: then there is none.
        let _ = fs::remove_file(&self.path);
        self.is_left = true;
        self.end()?;
        Ok(created)
    }

    fn end(&self) -> Result<(), Error> {
        let folder = self.target.parent().unwrap_or(Path::new("."));
        sync_folder(folder)?;
        sweep(folder, self.target.file_name().unwrap_or_default());
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        #[cfg(any(test, feature = "stops"))]
        if crate::stop::is_stopped() {
            return;
        }
        if !self.is_left {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A new or renamed file is on disk only when its folder is.
fn sync_folder(folder: &Path) -> Result<(), Error> {
    // Elsewhere a folder cannot be opened, and a rename is written through.
    if cfg!(unix) {
        step()
            .and_then(|()| File::open(folder))
            .and_then(|folder| folder.sync_all())
            .map_err(Error::io("write", folder))?;
    }
    Ok(())
}

/// The folder of a file that is no secret: others may write to it, and then do as they like
/// with what is in there; they must not be able to lead us elsewhere. A bare name is in the
/// folder that we are in, and nobody takes that from under us.
fn shared(path: &Path) -> Result<(PathBuf, OsString), Error> {
    let mut names = path.components().filter(|name| *name != Component::CurDir);
    match (names.next(), names.next()) {
        (Some(Component::Normal(name)), None) => Ok((".".into(), name.to_owned())),
        _ => {
            let name = path.file_name().unwrap_or_default().to_owned();
            let parent = path.parent().unwrap_or(path);
            match name.is_empty() {
                true => Err(Error::unfit(format!("`{}` is no file", path.display()))),
                false => Ok((Place::enter(parent, Missing::Refused)?.path, name)),
            }
        }
    }
}

fn beside(folder: &Path, name: &OsStr, random: &dyn Fn(&mut [u8])) -> PathBuf {
    let mut suffix = [0; SUFFIX];
    random(&mut suffix);
    let mut beside = hidden(name);
    beside.push(HEXLOWER.encode(&suffix));
    folder.join(beside)
}

/// What names beside the target begin with.
fn hidden(name: &OsStr) -> OsString {
    let mut hidden = OsString::from(".");
    if name.len() <= MAX_NAME_BYTES {
        hidden.push(name);
    }
    hidden.push(".countersign-");
    hidden
}

/// What a writer that died has left may be a secret, or large.
fn sweep(folder: &Path, name: &OsStr) {
    let hidden = hidden(name);
    let prefix = hidden.as_encoded_bytes();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let found = entry.file_name();
        let Some(rest) = found.as_encoded_bytes().strip_prefix(prefix) else { continue };
        // A database is written with a journal beside it.
        let (rest, is_journal) = match rest.strip_suffix(JOURNAL.as_bytes()) {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        if rest.len() != 2 * SUFFIX || HEXLOWER.decode(rest).is_err() {
            continue;
        }
        let is_left = match is_journal {
            true => {
                found.to_str().and_then(|name| name.strip_suffix(JOURNAL)).is_some_and(|name| {
                    let draft = folder.join(name);
                    fs::symlink_metadata(&draft).is_err() || is_abandoned(&draft).unwrap_or(false)
                })
            }
            false => is_abandoned(&entry.path()).unwrap_or(false),
        };
        if is_left {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_abandoned(path: &Path) -> io::Result<bool> {
    let mut options = OpenOptions::new();
    let file = as_it_is(options.read(true).write(true)).open(path)?;
    let met = file.metadata()?;
    Ok(met.is_file() && judge::is_ours(&met) && file.try_lock().is_ok())
}
