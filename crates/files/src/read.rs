//! Reads what other users could not have written, and what is secret only if they could
//! not have read it.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::path::Path;

use countersign_text::foreign::{NotText, decode};
use zeroize::Zeroizing;

use crate::error::{Error, quoted};
use crate::judge::{self, Secrecy};
use crate::way::Place;

/// The bytes of a file that holds no more than `max_bytes`.
pub fn read(path: &Path, secrecy: Secrecy, max_bytes: u64) -> Result<Zeroizing<Vec<u8>>, Error> {
    let file = open(path, secrecy)?;
    let failed = |error| Error::io("read", path)(error);
    // Room for all of it, so that no shorter copy is left behind.
    let length = file.metadata().map_err(failed)?.len().min(max_bytes);
    let room = usize::try_from(length).unwrap_or_default() + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    let read = file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if read as u64 > max_bytes {
        let size = match max_bytes.is_multiple_of(1 << 20) {
            true => format!("{} MiB", max_bytes >> 20),
            false => format!("{} KiB", max_bytes.div_ceil(1 << 10)),
        };
        return Err(Error::unfit(format!("`{}` is larger than {size}", path.display())));
    }
    Ok(bytes)
}

/// The text of a file that holds no more than `max_bytes`.
pub fn read_text(
    path: &Path,
    secrecy: Secrecy,
    max_bytes: u64,
) -> Result<Zeroizing<String>, Error> {
    let bytes = read(path, secrecy, max_bytes)?;
    decode(&bytes).map(Zeroizing::new).map_err(|why| not_text(path, why))
}

/// The same as it is in the file, mark and all, for what is written back: UTF-8 alone.
pub(crate) fn read_exactly(
    path: &Path,
    secrecy: Secrecy,
    max_bytes: u64,
) -> Result<Zeroizing<String>, Error> {
    let mut bytes = read(path, secrecy, max_bytes)?;
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(Error::unfit(format!("`{}` is not UTF-8 text", path.display())))
        }
    }
}

/// With what converts it, as far as its encoding shows.
pub(crate) fn not_text(path: &Path, why: NotText) -> Error {
    let error = Error::unfit(format!("`{}` {why}", path.display()));
    let Some(encoding) = why.encoding() else {
        return error.hint("name the file that is meant".into());
    };
    let name = path.display().to_string();
    let (from, to) = (quoted(&name), quoted(&format!("{name}.utf8")));
    error.hint(format!("`iconv -f {encoding} -t UTF-8 {from} > {to}` writes it as UTF-8"))
}

/// Judges a file without opening it; one that is not there is fine.
pub fn check(path: &Path, secrecy: Secrecy) -> Result<(), Error> {
    match Place::find(path) {
        Ok((place, found, met)) => judge::file(&found, &met, secrecy, place.is_reachable),
        Err(error) if error.is_missing() => Ok(()),
        Err(error) => Err(error),
    }
}

/// A file to read piece by piece, judged like one that is read at once.
pub fn open(path: &Path, secrecy: Secrecy) -> Result<File, Error> {
    if is_descriptor(path) {
        return File::open(path).map_err(Error::io("open", path));
    }
    let missing = |error: Error| error.while_doing("read", path, "there is no such file");
    let (place, found, _) = Place::find(path).map_err(missing)?;
    let mut options = OpenOptions::new();
    options.read(true);
    let file = as_it_is(&mut options).open(&found).map_err(Error::io("open", &found))?;
    let met = file.metadata().map_err(Error::io("look at", &found))?;
    judge::file(&found, &met, secrecy, place.is_reachable)?;
    Ok(file)
}

/// Whoever started us gave us these, and no name in a folder.
pub(crate) fn is_descriptor(path: &Path) -> bool {
    let names = ["/dev/stdin", "/dev/stdout", "/dev/stderr"];
    let folders = ["/dev/fd/", "/proc/self/fd/"];
    let path = path.to_string_lossy();
    cfg!(unix) && (names.contains(&&*path) || folders.iter().any(|folder| path.starts_with(folder)))
}

/// Through no link, and without waiting for the other end of a pipe.
pub(crate) fn as_it_is(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        std::os::unix::fs::OpenOptionsExt::custom_flags(options, flags.bits().cast_signed());
        std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    }
    options
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    /// Not tried out: as root it would put a file where the system has something else.
    #[test]
    fn descriptors_are_no_names_of_files() {
        for path in ["/dev/stdin", "/dev/stdout", "/dev/fd/63", "/proc/self/fd/1"] {
            assert!(is_descriptor(Path::new(path)), "{path}");
        }
        for path in ["/dev/null", "/dev/fd", "stdout", "/dev/stdout.csv", "/proc/1/fd/1"] {
            assert!(!is_descriptor(Path::new(path)), "{path}");
        }
    }
}
