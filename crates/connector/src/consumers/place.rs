//! Replaces a file with a secret in it: whole or not at all, for its owner alone,
//! where nobody else can put another in its place.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

const MAX_BYTES: u64 = 1 << 20;

/// What is in the file; none when there is none.
pub(super) fn read(path: &Path) -> Result<Option<Zeroizing<String>>, String> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("failed to read `{}`: {error}", path.display())),
    };
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| format!("failed to read `{}`: {error}", path.display()))?;
    Ok(Some(text))
}

/// Puts what `edit` makes of its text in the place of the file.
pub(super) fn replace(
    path: &Path,
    edit: impl FnOnce(&str) -> Result<Zeroizing<String>, String>,
) -> Result<(), String> {
    let shown = path.display();
    let name = path.file_name().ok_or_else(|| format!("`{shown}` is no file"))?;
    let folder = folder_of(path)?;
    let target = folder.join(name);
    let before = match fs::symlink_metadata(&target) {
        Ok(met) if met.is_symlink() => {
            return Err(format!(
                "`{shown}` is a symbolic link, and what it points to is not ours to say\nhint: name the file itself"
            ));
        }
        Ok(met) if !met.is_file() => return Err(format!("`{shown}` is not a regular file")),
        Ok(_) => read(&target)?.unwrap_or_default(),
        Err(error) if error.kind() == ErrorKind::NotFound => Zeroizing::default(),
        Err(error) => return Err(format!("failed to look at `{shown}`: {error}")),
    };
    let text = edit(&before)?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".countersign");
    let beside = folder.join(hidden);
    let written = write(&beside, &text).and_then(|()| fs::rename(&beside, &target));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    // What a folder holds is on disk once the folder is flushed.
    #[cfg(unix)]
    let written = written.and_then(|()| fs::File::open(&folder)?.sync_all());
    written.map_err(|error| format!("failed to write `{shown}`: {error}"))
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    // What a try that died has left is nobody's.
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// The folder itself, where a path leads through links, if nobody but its owner
/// writes to it.
fn folder_of(path: &Path) -> Result<PathBuf, String> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let shown = parent.display();
    let folder = parent
        .canonicalize()
        .map_err(|error| format!("the folder `{shown}` cannot be used: {error}"))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let met = fs::metadata(&folder)
            .map_err(|error| format!("the folder `{shown}` cannot be looked at: {error}"))?;
        if met.permissions().mode() & 0o022 != 0 {
            return Err(format!(
                "others can write to the folder `{shown}`\nhint: run `chmod go-w {shown}`, or choose another"
            ));
        }
    }
    Ok(folder)
}
