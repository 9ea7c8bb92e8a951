//! Parts of one export: the first goes where the whole would, the others beside it. They
//! get their names when all of them are whole.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use countersign_files::{Draft, Error, Readers};

use super::Out;
use crate::system::Random;

/// Where the parts go; nowhere when the first goes to standard output.
#[derive(Clone, Default)]
pub(crate) struct More {
    place: Option<(PathBuf, Random)>,
    begun: Arc<Mutex<Vec<Draft>>>,
}

impl More {
    /// The first part, for this file, and where the others will be.
    pub(crate) fn begin(path: PathBuf, random: Random) -> Result<(Self, Out), Error> {
        let more = Self { place: Some((path.clone(), random.clone())), begun: Arc::default() };
        let out = more.draft(&path, &random)?;
        Ok((more, out))
    }

    /// Gives the parts their names, that of the file when there is one part only, and
    /// says them.
    pub(crate) fn settle(&self) -> Result<String, Error> {
        let Some((path, _)) = &self.place else { return Ok(String::new()) };
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let parts = begun.len();
        if parts == 1 {
            begun.drain(..).try_for_each(Draft::settle)?;
            return Ok(format!("`{}`", path.display()));
        }
        for (at, draft) in begun.drain(..).enumerate() {
            draft.settle_as(&numbered(path, at + 1))?;
        }
        Ok(format!("`{}` to `{}`", numbered(path, 1).display(), numbered(path, parts).display()))
    }

    fn draft(&self, path: &Path, random: &Random) -> Result<Out, Error> {
        let draft = Draft::create(path, Readers::Everybody, &**random)?;
        let out = Box::new(BufWriter::new(draft.writer()?));
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).push(draft);
        Ok(out)
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
        let place = self.more.place.as_ref();
        let (path, random) = place.ok_or_else(|| io::Error::other("one part only"))?;
        let out = self.more.draft(&numbered(path, number), random);
        Ok(out.map_err(io::Error::other)?)
    }

    fn can_split(&self) -> bool {
        self.more.place.is_some()
    }
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
    use crate::system;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn write(path: &Path, parts: usize) -> More {
        let (more, first) = More::begin(path.to_owned(), system::random()).unwrap();
        let mut all = Parts::new(first, more.clone());
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
        write(&path, 1).settle().unwrap();
        assert_eq!(names(folder.path()), ["all.sarif"]);
    }

    #[test]
    fn several_are_numbered_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all.sarif");
        let more = write(&path, 3);
        let begun = names(folder.path());
        assert!(begun.len() == 3 && begun.iter().all(|name| name.starts_with('.')), "{begun:?}");
        let told = more.settle().unwrap();
        assert!(told.contains("all-1.sarif` to `") && told.contains("all-3.sarif`"), "{told}");
        assert_eq!(names(folder.path()), ["all-1.sarif", "all-2.sarif", "all-3.sarif"]);
        let third = std::fs::read_to_string(folder.path().join("all-3.sarif")).unwrap();
        assert_eq!(third, "part 3");
    }

    #[test]
    fn what_failed_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        drop(write(&folder.path().join("all.sarif"), 3));
        assert_eq!(names(folder.path()), Vec::<String>::new());
    }
}
