//! Folders of ours.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::judge::Folder;
use crate::way::{self, Missing, Place};

/// A folder that others cannot write to, made when it is missing; its path without links.
pub fn folder(path: &Path) -> Result<PathBuf, Error> {
    let place = Place::enter(path, Missing::Made)?;
    place.judge(Folder::Guarded)?;
    Ok(place.path)
}

/// A folder of this user's that nobody else can even enter, made when it is missing; its
/// path without links.
pub fn closed_folder(path: &Path) -> Result<PathBuf, Error> {
    let place = Place::enter(path, Missing::Made)?;
    place.judge(Folder::Closed)?;
    Ok(place.path)
}

/// Makes a folder, which must not be there yet.
pub fn new_folder(path: &Path) -> Result<(), Error> {
    let (place, name) = Place::of_file(path)?;
    place.judge(Folder::GuardedOrSticky)?;
    way::builder().create(place.path.join(name)).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            Error::unfit(format!("`{}` exists", path.display())).hint("name a new folder".into())
        }
        _ => Error::io("create", path)(error),
    })
}
