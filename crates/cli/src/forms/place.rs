//! Puts a file with a secret in its place: beside it first, flushed, renamed, the
//! folder flushed. Readable by its owner alone; never through a link, never in a
//! folder where others could put another file in its place.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::system;

/// No file of this kind is longer.
const MAX_BYTES: u64 = 1 << 20;

/// Replaces the file by what `edit` makes of its text, which is empty when there is
/// no file yet.
pub(crate) fn replace(
    path: &Path,
    edit: impl FnOnce(&str) -> Result<Zeroizing<String>, String>,
) -> Result<(), Failure> {
    let shown = path.display();
    let failed = |error: io::Error| Failure::usage(format!("failed to write `{shown}`: {error}"));
    let name = path.file_name().ok_or_else(|| Failure::usage(format!("`{shown}` is no file")))?;
    let folder = folder_of(path)?;
    let target = folder.join(name);
    let before = match std::fs::symlink_metadata(&target) {
        Ok(before) => Some(before),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    let mut beside = Beside::create(&folder, name).map_err(failed)?;
    let text = match &before {
        Some(before) => {
            check_target(path, before, &beside)?;
            read(&target).map_err(failed)?
        }
        None => Zeroizing::default(),
    };
    let text = edit(&text)
        .map_err(|what| Failure::usage(format!("`{shown}` was left as it is: {what}")))?;
    beside.file.write_all(text.as_bytes()).map_err(failed)?;
    beside.file.sync_all().map_err(failed)?;
    std::fs::rename(&beside.path, &target).map_err(failed)?;
    beside.is_in_place = true;
    // What a folder holds is on disk once the folder is flushed.
    #[cfg(unix)]
    File::open(&folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    Ok(())
}

/// The folder itself, where a path leads through links, if only its owner writes to it.
fn folder_of(path: &Path) -> Result<PathBuf, Failure> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let shown = parent.display();
    let folder = parent.canonicalize().map_err(|error| {
        Failure::usage(format!(
            "the folder `{shown}` cannot be used: {error}\nhint: make it with `mkdir -m 700 {shown}`"
        ))
    })?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        const STICKY: u32 = 0o1000;
        let mode = std::fs::metadata(&folder)?.permissions().mode();
        if mode & 0o022 != 0 && mode & STICKY == 0 {
            return Err(Failure::usage(format!(
                "others can write to the folder `{shown}` (mode {:03o})\nhint: run `chmod go-w {shown}`, or choose another",
                mode & 0o777
            )));
        }
    }
    Ok(folder)
}

fn check_target(path: &Path, target: &Metadata, beside: &Beside) -> Result<(), Failure> {
    let shown = path.display();
    if target.is_symlink() {
        return Err(Failure::usage(format!(
            "`{shown}` is a symbolic link, and a secret goes where its name says\nhint: name the file that it points to"
        )));
    }
    if !target.is_file() {
        return Err(Failure::usage(format!("`{shown}` is not a regular file")));
    }
    if target.len() > MAX_BYTES {
        return Err(Failure::usage(format!("`{shown}` is larger than 1 MiB")));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if target.uid() != beside.file.metadata()?.uid() {
            return Err(Failure::usage(format!("`{shown}` belongs to somebody else")));
        }
    }
    #[cfg(not(unix))]
    let _ = beside;
    Ok(())
}

fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    File::open(path)?.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// A new file beside the target, removed unless it came into its place.
struct Beside {
    file: File,
    path: PathBuf,
    is_in_place: bool,
}

impl Beside {
    fn create(folder: &Path, name: &std::ffi::OsStr) -> io::Result<Self> {
        let mut suffix = [0; 8];
        (system::random())(&mut suffix);
        let mut beside = std::ffi::OsString::from(".");
        beside.push(name);
        beside.push(format!(".{:016x}", u64::from_le_bytes(suffix)));
        let path = folder.join(beside);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        Ok(Self { file, path, is_in_place: false })
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.is_in_place {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn put(path: &Path, text: &str) -> Result<(), Failure> {
        replace(path, |before| Ok(Zeroizing::new(format!("{before}{text}"))))
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn chmod(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn refusal(path: &Path) -> String {
        put(path, "secret").unwrap_err().to_string()
    }

    #[test]
    fn links_and_folders_of_everybody_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(refusal(&link).contains("symbolic link"), "a dangling one");
        std::fs::write(&path, "old").unwrap();
        assert!(refusal(&link).contains("symbolic link"));
        assert!(refusal(folder.path()).contains("not a regular file"));
        assert!(refusal(&folder.path().join("absent/file")).contains("mkdir"));
        for (open, is_refused) in [(0o777, true), (0o770, true), (0o1777, false), (0o755, false)] {
            chmod(folder.path(), open);
            assert_eq!(put(&path, "").is_err(), is_refused, "{open:o}");
        }
        chmod(folder.path(), 0o777);
        let inner = folder.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        symlink(folder.path(), inner.join("up")).unwrap();
        assert!(refusal(&inner.join("up/file")).contains("others can write"), "through a link");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 3, "nothing is left beside");
    }

    #[test]
    fn what_cannot_be_edited_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "old").unwrap();
        let told = replace(&path, |_| Err("no".into())).unwrap_err().to_string();
        assert!(told.contains("left as it is: no"), "{told}");
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(put(&path, "x").is_err(), "not UTF-8");
        assert_eq!(std::fs::read(&path).unwrap(), [0xff, 0xfe]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        put(&path, "a").unwrap();
        assert_eq!(mode(&path), 0o600);
        chmod(&path, 0o644);
        put(&path, "b").unwrap();
        assert_eq!((mode(&path), std::fs::read_to_string(&path).unwrap()), (0o600, "ab".into()));
    }
}
