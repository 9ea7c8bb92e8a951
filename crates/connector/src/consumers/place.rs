//! Puts a file with a secret in its place: beside it first, flushed, renamed, the
//! folder flushed. Readable by its owner alone; never through a link, never in a
//! folder where others could put another file in its place.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use crate::Random;

/// No file of this kind is longer.
const MAX_BYTES: u64 = 1 << 20;
/// What a name beside the target ends with, in bytes.
const SUFFIX: usize = 8;

/// Which folders may hold the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folders {
    /// Only those that nobody but their owner writes to.
    OwnersAlone,
    /// Those of everybody too, if each can only replace what is theirs, like `/tmp`.
    Sticky,
}

/// What is in the file; none when there is none. Refuses what [`replace`] refuses to
/// replace.
pub fn read(path: &Path) -> Result<Option<Zeroizing<String>>, String> {
    match look(path)? {
        Some(met) => {
            check(path, &met)?;
            text_of(path).map(Some).map_err(|error| failed("read", path, &error))
        }
        None => Ok(None),
    }
}

/// Replaces the file by what `edit` makes of its text, which is empty when there is
/// no file yet. Fails with a sentence that has no secret in it, and the file as it was.
pub fn replace(
    path: &Path,
    folders: Folders,
    random: &Random,
    edit: impl FnOnce(&str) -> Result<Zeroizing<String>, String>,
) -> Result<(), String> {
    let shown = path.display();
    let wrong = |error: io::Error| failed("write", path, &error);
    let name = path.file_name().ok_or_else(|| format!("`{shown}` is no file"))?;
    let folder = folder_of(path, folders)?;
    let target = folder.join(name);
    let mut beside = Beside::create(&folder, name, random).map_err(wrong)?;
    let text = match look(&target)? {
        Some(met) => {
            check(path, &met)?;
            check_owner(path, &met, &beside)?;
            text_of(&target).map_err(wrong)?
        }
        None => Zeroizing::default(),
    };
    let text = edit(&text).map_err(|what| format!("`{shown}` was left as it is: {what}"))?;
    beside.file.write_all(text.as_bytes()).map_err(wrong)?;
    beside.file.sync_all().map_err(wrong)?;
    fs::rename(&beside.path, &target).map_err(wrong)?;
    beside.is_in_place = true;
    // What a folder holds is on disk once the folder is flushed.
    #[cfg(unix)]
    File::open(&folder).and_then(|folder| folder.sync_all()).map_err(wrong)?;
    sweep(&folder, name);
    Ok(())
}

fn failed(doing: &str, path: &Path, error: &io::Error) -> String {
    format!("failed to {doing} `{}`: {error}", path.display())
}

fn look(path: &Path) -> Result<Option<Metadata>, String> {
    match fs::symlink_metadata(path) {
        Ok(met) => Ok(Some(met)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("look at", path, &error)),
    }
}

/// The folder itself, where a path leads through links, if nobody can put another file
/// in the place of ours.
fn folder_of(path: &Path, folders: Folders) -> Result<PathBuf, String> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let shown = parent.display();
    let folder = parent.canonicalize().map_err(|error| {
        format!("the folder `{shown}` cannot be used: {error}\nhint: make it with `mkdir -m 700 {shown}`")
    })?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        const STICKY: u32 = 0o1000;
        let met = fs::metadata(&folder).map_err(|error| failed("look at", parent, &error))?;
        let mode = met.permissions().mode();
        let is_safe = mode & 0o022 == 0 || (folders == Folders::Sticky && mode & STICKY != 0);
        if !is_safe {
            return Err(format!(
                "others can write to the folder `{shown}` (mode {:03o})\nhint: run `chmod go-w {shown}`, or choose another",
                mode & 0o7777
            ));
        }
    }
    #[cfg(not(unix))]
    let _ = folders;
    Ok(folder)
}

fn check(path: &Path, met: &Metadata) -> Result<(), String> {
    let shown = path.display();
    if met.is_symlink() {
        return Err(format!(
            "`{shown}` is a symbolic link, and a secret goes where its name says\nhint: name the file that it points to"
        ));
    }
    if !met.is_file() {
        return Err(format!("`{shown}` is not a regular file"));
    }
    if met.len() > MAX_BYTES {
        return Err(format!("`{shown}` is larger than 1 MiB"));
    }
    Ok(())
}

#[cfg(unix)]
fn check_owner(path: &Path, met: &Metadata, beside: &Beside) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    let ours = beside.file.metadata().map_err(|error| failed("look at", path, &error))?;
    match met.uid() == ours.uid() {
        true => Ok(()),
        false => Err(format!("`{}` belongs to somebody else", path.display())),
    }
}

#[cfg(not(unix))]
fn check_owner(_: &Path, _: &Metadata, _: &Beside) -> Result<(), String> {
    Ok(())
}

fn text_of(path: &Path) -> io::Result<Zeroizing<String>> {
    let file = File::open(path)?;
    // Room for all of it, so that no shorter copy is left behind.
    let length = usize::try_from(file.metadata()?.len().min(MAX_BYTES)).unwrap_or_default();
    let mut text = Zeroizing::new(String::with_capacity(length + 1));
    file.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// A new file beside the target, removed unless it came into its place.
struct Beside {
    file: File,
    path: PathBuf,
    is_in_place: bool,
}

impl Beside {
    fn create(folder: &Path, name: &OsStr, random: &Random) -> io::Result<Self> {
        let mut suffix = [0; SUFFIX];
        random(&mut suffix);
        let mut beside = hidden(name);
        beside.push(HEXLOWER.encode(&suffix));
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
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What names beside the target begin with.
fn hidden(name: &OsStr) -> OsString {
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".countersign-");
    hidden
}

/// What a try that died has left holds a secret too. Whoever is in the middle of one
/// fails, and has written nothing.
fn sweep(folder: &Path, name: &OsStr) {
    let hidden = hidden(name);
    let prefix = hidden.as_encoded_bytes();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let found = entry.file_name();
        let rest = found.as_encoded_bytes().strip_prefix(prefix);
        if rest.is_some_and(|rest| rest.len() == 2 * SUFFIX && HEXLOWER.decode(rest).is_ok()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    fn random() -> Random {
        let next = AtomicU8::new(1);
        Arc::new(move |buffer| buffer.fill(next.fetch_add(1, Ordering::Relaxed)))
    }

    fn put_in(folders: Folders, path: &Path, text: &str) -> Result<(), String> {
        replace(path, folders, &random(), |before| Ok(Zeroizing::new(format!("{before}{text}"))))
    }

    fn put(path: &Path, text: &str) -> Result<(), String> {
        put_in(Folders::Sticky, path, text)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it works").permissions().mode() & 0o777
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it works");
    }

    fn refusal(path: &Path) -> String {
        put(path, "secret").expect_err("it is refused")
    }

    #[test]
    fn links_and_folders_of_everybody_are_refused() {
        let folder = tempfile::tempdir().expect("it works");
        let path = folder.path().join("file");
        let link = folder.path().join("link");
        symlink(&path, &link).expect("it works");
        assert!(refusal(&link).contains("symbolic link"), "a dangling one");
        fs::write(&path, "old").expect("it works");
        assert!(refusal(&link).contains("symbolic link"));
        assert!(refusal(folder.path()).contains("not a regular file"));
        assert!(refusal(&folder.path().join("absent/file")).contains("mkdir"));
        for (open, is_refused) in [(0o777, true), (0o770, true), (0o1777, false), (0o755, false)] {
            chmod(folder.path(), open);
            assert_eq!(put(&path, "").is_err(), is_refused, "{open:o}");
        }
        chmod(folder.path(), 0o777);
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).expect("it works");
        symlink(folder.path(), inner.join("up")).expect("it works");
        assert!(refusal(&inner.join("up/file")).contains("others can write"), "through a link");
        assert_eq!(fs::read_to_string(&path).expect("it works"), "old");
        let left = fs::read_dir(folder.path()).expect("it works").count();
        assert_eq!(left, 3, "nothing is left beside");
    }

    #[test]
    fn what_cannot_be_edited_stays() {
        let folder = tempfile::tempdir().expect("it works");
        let path = folder.path().join("file");
        fs::write(&path, "old").expect("it works");
        let told = replace(&path, Folders::Sticky, &random(), |_| Err("no".into()));
        let told = told.expect_err("it cannot be edited");
        assert!(told.contains("left as it is: no"), "{told}");
        fs::write(&path, [0xff, 0xfe]).expect("it works");
        assert!(put(&path, "x").is_err(), "not UTF-8");
        assert_eq!(fs::read(&path).expect("it works"), [0xff, 0xfe]);
        assert_eq!(fs::read_dir(folder.path()).expect("it works").count(), 1);
    }

    #[test]
    fn only_its_owner_reads_it() {
        let folder = tempfile::tempdir().expect("it works");
        let path = folder.path().join("file");
        put(&path, "a").expect("it works");
        assert_eq!(mode(&path), 0o600);
        chmod(&path, 0o644);
        put(&path, "b").expect("it works");
        assert_eq!(
            (mode(&path), fs::read_to_string(&path).expect("it works")),
            (0o600, "ab".into())
        );
    }

    #[test]
    fn a_folder_of_everybody_is_for_those_who_choose_it() {
        let folder = tempfile::tempdir().expect("it works");
        let path = folder.path().join("file");
        for (open, is_refused) in [(0o1777, true), (0o1775, true), (0o755, false)] {
            chmod(folder.path(), open);
            assert_eq!(put_in(Folders::OwnersAlone, &path, "").is_err(), is_refused, "{open:o}");
        }
    }

    #[test]
    fn what_is_not_replaced_is_not_read_either() {
        let folder = tempfile::tempdir().expect("it works");
        let (path, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&path, "x".repeat(1 << 20)).expect("it works");
        symlink(&path, &link).expect("it works");
        assert_eq!(read(&path).expect("it works").map(|text| text.len()), Some(1 << 20));
        assert!(read(&link).expect_err("a link").contains("symbolic link"));
        assert!(read(folder.path()).expect_err("a folder").contains("not a regular file"));
        fs::write(&path, "x".repeat((1 << 20) + 1)).expect("it works");
        assert!(read(&path).expect_err("too long").contains("larger than 1 MiB"));
        assert!(refusal(&path).contains("larger than 1 MiB"));
    }

    #[test]
    fn what_a_try_that_died_left_is_swept_and_nothing_else() {
        let folder = tempfile::tempdir().expect("it works");
        let path = |name: &str| folder.path().join(name);
        let others = [
            ".file.countersign-",
            ".file.countersign-00112233445566zz",
            ".fil.countersign-0011223344556677",
        ];
        for name in others.into_iter().chain([".file.countersign-0011223344556677"]) {
            fs::write(path(name), "secret").expect("it works");
        }
        put(&path("file"), "a").expect("it works");
        assert!(!path(".file.countersign-0011223344556677").exists());
        assert!(others.iter().all(|name| path(name).exists()));
    }
}
