//! Parts of one export: the first goes where the whole would, the others beside it. They
//! get their names when all of them are on disk.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::Out;

/// Where parts after the first go; nowhere when the first goes to standard output.
#[derive(Debug, Clone, Default)]
pub(crate) struct More {
    path: Option<PathBuf>,
    opened: Arc<Mutex<Vec<File>>>,
}

impl More {
    /// Beside this file.
    pub(crate) fn beside(path: &Path) -> Self {
        Self { path: Some(path.to_owned()), opened: Arc::default() }
    }

    /// Gives the parts their names, that of the file when there is one part only, and
    /// says them.
    pub(crate) fn settle(&self, path: &Path) -> io::Result<String> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        for file in opened.iter() {
            file.sync_all()?;
        }
        if opened.is_empty() {
            std::fs::rename(partial(path), path)?;
            return Ok(format!("`{}`", path.display()));
        }
        std::fs::rename(partial(path), numbered(path, 1))?;
        for number in 2..opened.len() + 2 {
            let name = numbered(path, number);
            std::fs::rename(partial(&name), name)?;
        }
        let last = numbered(path, opened.len() + 1);
        Ok(format!("`{}` to `{}`", numbered(path, 1).display(), last.display()))
    }

    /// Takes away what has no name of its own yet.
    pub(crate) fn remove(&self, path: &Path) {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let others = (2..opened.len() + 2).map(|number| numbered(path, number));
        for name in others.chain([path.to_owned()]) {
            // Half a file helps nobody; what failed is said in any case.
            let _ = std::fs::remove_file(partial(&name));
        }
    }
}

/// The parts of a format whose readers bear only so much.
pub(crate) struct Parts {
    first: Option<Out>,
    more: More,
}

impl Parts {
    pub(crate) fn new(first: Out, more: More) -> Self {
        Self { first: Some(first), more }
    }
}

impl countersign_formats::Parts for Parts {
    fn open(&mut self, number: usize) -> io::Result<Box<dyn Write>> {
        if let Some(first) = self.first.take() {
            return Ok(first);
        }
        let path = self.more.path.as_ref().ok_or_else(|| io::Error::other("one part only"))?;
        let file = File::create(partial(&numbered(path, number)))?;
        let mut opened = self.more.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.push(file.try_clone()?);
        Ok(Box::new(BufWriter::new(file)))
    }

    fn can_split(&self) -> bool {
        self.more.path.is_some()
    }
}

/// `findings.csv.partial`: no other export writes there.
pub(crate) fn partial(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".partial");
    name.into()
}

/// `findings-2.sarif`
fn numbered(path: &Path, number: usize) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use countersign_formats::Parts as _;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn write(path: &Path, parts: usize) -> More {
        let more = More::beside(path);
        let first = File::create(partial(path)).unwrap();
        let mut all = Parts::new(Box::new(first), more.clone());
        for number in 1..=parts {
            write!(all.open(number).unwrap(), "part {number}").unwrap();
        }
        more
    }

    #[test]
    fn standard_output_has_one_part() {
        let mut parts = Parts::new(Box::new(io::sink()), More::default());
        assert!(!parts.can_split());
        assert!(parts.open(1).is_ok());
        assert!(parts.open(2).is_err());
    }

    #[test]
    fn one_part_has_the_name_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all.sarif");
        write(&path, 1).settle(&path).unwrap();
        assert_eq!(names(folder.path()), ["all.sarif"]);
    }

    #[test]
    fn several_are_numbered_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all.sarif");
        let more = write(&path, 3);
        let begun = ["all-2.sarif.partial", "all-3.sarif.partial", "all.sarif.partial"];
        assert_eq!(names(folder.path()), begun);
        let told = more.settle(&path).unwrap();
        assert!(told.contains("all-1.sarif` to `") && told.contains("all-3.sarif`"), "{told}");
        assert_eq!(names(folder.path()), ["all-1.sarif", "all-2.sarif", "all-3.sarif"]);
        let third = std::fs::read_to_string(folder.path().join("all-3.sarif")).unwrap();
        assert_eq!(third, "part 3");
    }

    #[test]
    fn what_failed_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all.sarif");
        write(&path, 3).remove(&path);
        assert_eq!(names(folder.path()), Vec::<String>::new());
    }
}
