//! Edits a file with a secret in it that other programs read: whole or not at all, readable
//! by its owner alone, and only where its name says.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::draft::{Draft, Readers};
use crate::error::Error;
use crate::judge::{self, Folder, Secrecy};
use crate::read::read_exactly;
use crate::way::Place;

/// No file of this kind is longer.
const MAX_BYTES: u64 = 1 << 20;

/// Which folders may hold the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folders {
    /// Only those that nobody but their owner writes to.
    OwnersAlone,
    /// Those of everybody too, if each can only replace what is theirs, like `/tmp`.
    Sticky,
}

/// What is in the file; none when there is none. Refuses what [`edit`] refuses to replace,
/// but for its mode.
pub fn read_back(path: &Path) -> Result<Option<Zeroizing<String>>, Error> {
    let (folder, name) = place(path, Folders::Sticky)?;
    let target = folder.join(name);
    match look(&target)? {
        Some(met) => text_of(path, &target, &met).map(Some),
        None => Ok(None),
    }
}

/// Replaces the file by what `edit` makes of its text, which is empty when there is
/// no file yet. Fails with a sentence that has no secret in it, and the file as it was.
pub fn edit(
    path: &Path,
    folders: Folders,
    random: &dyn Fn(&mut [u8]),
    edit: impl FnOnce(&str) -> Result<Zeroizing<String>, String>,
) -> Result<(), Error> {
    let (folder, name) = place(path, folders)?;
    let target = folder.join(&name);
    let before = match look(&target)? {
        Some(met) => {
            if !judge::is_ours(&met) {
                return Err(Error::unfit(format!("`{}` belongs to somebody else", path.display())));
            }
            text_of(path, &target, &met)?
        }
        None => Zeroizing::default(),
    };
    let text = edit(&before)
        .map_err(|what| Error::unfit(format!("`{}` was left as it is: {what}", path.display())))?;
    let draft = Draft::create_in(&folder, &name, Readers::Owner, random)?;
    draft.put(text.as_bytes())?;
    draft.settle()
}

fn place(path: &Path, folders: Folders) -> Result<(PathBuf, OsString), Error> {
    let (place, name) = Place::of_file(path).map_err(|error| match error.is_missing() {
        true => {
            let folder = path.parent().unwrap_or(path).display();
            Error::unfit(format!("the folder `{folder}` cannot be used: there is no such folder"))
                .hint(format!("make it with `mkdir -m 700 {folder}`"))
        }
        false => error,
    })?;
    place.judge(match folders {
        Folders::OwnersAlone => Folder::Guarded,
        Folders::Sticky => Folder::GuardedOrSticky,
    })?;
    Ok((place.path, name))
}

fn look(path: &Path) -> Result<Option<Metadata>, Error> {
    match fs::symlink_metadata(path) {
        Ok(met) => Ok(Some(met)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("look at", path)(error)),
    }
}

fn text_of(path: &Path, target: &Path, met: &Metadata) -> Result<Zeroizing<String>, Error> {
    if met.is_symlink() {
        let what = "is a symbolic link, and a secret is not written through a link";
        let error = Error::unfit(format!("`{}` {what}", path.display()));
        return Err(match fs::canonicalize(target) {
            Ok(real) => {
                error.hint(format!("name the file that it points to, `{}`", real.display()))
            }
            Err(_) => error.hint("name the file that it points to".into()),
        });
    }
    read_exactly(target, Secrecy::Open, MAX_BYTES)
}
