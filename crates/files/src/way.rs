//! From the root to a folder, name by name. Every folder and every link on the way is
//! judged before the next name is looked up in it.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use crate::error::Error;
use crate::judge::{self, Folder};

/// As many as Linux follows.
const MAX_LINKS: usize = 40;

/// A folder at the end of a way without links.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    met: Metadata,
    /// Whether all folders on the way let others through, this one included.
    pub(crate) is_reachable: bool,
}

/// What happens to folders that are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Refused,
    /// Made, for their owner alone.
    Made,
}

impl Place {
    /// Goes there. Only the folders before the last one are judged.
    pub(crate) fn enter(path: &Path, missing: Missing) -> Result<Self, Error> {
        let absolute = std::path::absolute(path).map_err(Error::io("find", path))?;
        let mut here = Self::root_of(&absolute)?;
        let mut rest = names(&absolute);
        let mut links = 0;
        while let Some(name) = rest.pop() {
            judge::folder(&here.path, &here.met, Folder::GuardedOrSticky)?;
            let next = match name.as_os_str() == ".." {
                true => here.path.parent().unwrap_or(&here.path).to_owned(),
                false => here.path.join(&name),
            };
            let met = look(&next, missing)?;
            if !met.is_symlink() {
                let is_reachable = here.is_reachable && judge::others_enter(&met);
                here = Self { path: next, met, is_reachable };
                continue;
            }
            judge::link(&next, &met)?;
            links += 1;
            if links > MAX_LINKS {
                let shown = path.display();
                return Err(Error::unfit(format!("`{shown}` leads through too many links")));
            }
            let target = fs::read_link(&next).map_err(Error::io("read the link", &next))?;
            rest.extend(names(&target));
            if target.is_absolute() {
                here = Self::root_of(&target)?;
            }
        }
        if here.met.is_dir() {
            return Ok(here);
        }
        Err(Error::unfit(format!("`{}` is not a folder", path.display())))
    }

    /// The folder that a file is in, and the file's name.
    pub(crate) fn of_file(path: &Path) -> Result<(Self, OsString), Error> {
        let name = path.file_name();
        let name = name.ok_or_else(|| Error::unfit(format!("`{}` is no file", path.display())))?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        Ok((Self::enter(parent, Missing::Refused)?, name.to_owned()))
    }

    pub(crate) fn judge(&self, rule: Folder) -> Result<(), Error> {
        judge::folder(&self.path, &self.met, rule)
    }

    /// Where links end, with what is there.
    pub(crate) fn find(path: &Path) -> Result<(Self, PathBuf, Metadata), Error> {
        let mut path = path.to_owned();
        for _ in 0..=MAX_LINKS {
            let (place, name) = Self::of_file(&path)?;
            place.judge(Folder::GuardedOrSticky)?;
            let found = place.path.join(name);
            let met = fs::symlink_metadata(&found).map_err(Error::io("open", &found))?;
            if !met.is_symlink() {
                return Ok((place, found, met));
            }
            judge::link(&found, &met)?;
            let target = fs::read_link(&found).map_err(Error::io("read the link", &found))?;
            path = place.path.join(target);
        }
        Err(Error::unfit(format!("`{}` leads through too many links", path.display())))
    }

    fn root_of(path: &Path) -> Result<Self, Error> {
        let root: PathBuf = path.components().take_while(|one| !is_name(one)).collect();
        let met = fs::metadata(&root).map_err(Error::io("look at", &root))?;
        let is_reachable = judge::others_enter(&met);
        Ok(Self { path: root, met, is_reachable })
    }
}

fn look(path: &Path, missing: Missing) -> Result<Metadata, Error> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound && missing == Missing::Made => {
            make(path)?;
            fs::symlink_metadata(path).map_err(Error::io("look at", path))
        }
        found => found.map_err(Error::io("look at", path)),
    }
}

/// What somebody else made in the same moment is judged like what was there before.
fn make(path: &Path) -> Result<(), Error> {
    match builder().create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(Error::io("create", path)(error))
        }
        _ => Ok(()),
    }
}

/// Makes folders that nobody else enters.
pub(crate) fn builder() -> fs::DirBuilder {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "there are no modes"))]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

fn is_name(component: &Component<'_>) -> bool {
    !matches!(component, Component::Prefix(_) | Component::RootDir)
}

/// The last first.
fn names(path: &Path) -> Vec<OsString> {
    let names = path.components().filter(|one| is_name(one) && *one != Component::CurDir);
    let mut names: Vec<_> = names.map(|one| one.as_os_str().to_owned()).collect();
    names.reverse();
    names
}
