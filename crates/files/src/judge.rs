//! Who is trusted, and what the mode and the owner of a file or folder let others do.

use std::fs::Metadata;
use std::path::Path;
use std::sync::OnceLock;

use crate::error::Error;

/// Users and groups that are trusted beside this process's user and root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trusted {
    /// Whose files and folders are believed.
    pub users: Vec<u32>,
    /// Whose members may read and write.
    pub groups: Vec<u32>,
}

static ALSO: OnceLock<Trusted> = OnceLock::new();

/// Trusts further users and groups for the rest of this process; the first call counts.
///
/// For containers: volumes come with an owner or a group that nobody inside can change.
pub fn trust(also: Trusted) {
    let _ = ALSO.set(also);
}

/// What others may do with a file beside writing to it, which they never may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    /// They may read it.
    Open,
    /// They may not: its mode says so, or that of a folder on the way. Of a file of root's,
    /// its group may.
    Secret,
    /// They may not, and its own mode must say so.
    Key,
}

/// Which folder may hold the file that is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Folder {
    /// Others may enter and list it, and nothing more.
    Guarded,
    /// Others may even write to it, if it is sticky.
    GuardedOrSticky,
    /// Others may not even enter it.
    Closed,
}

#[cfg(unix)]
pub(crate) use unix::*;

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::error::quoted;

    const STICKY: u32 = 0o1000;

    pub(crate) fn folder(path: &Path, met: &Metadata, rule: Folder) -> Result<(), Error> {
        if !met.is_dir() {
            return Err(Error::unfit(format!("`{}` is not a folder", path.display())));
        }
        owner(path, met)?;
        let is_allowed = match rule {
            Folder::Guarded => !others_write(met),
            Folder::GuardedOrSticky => !others_write(met) || met.mode() & STICKY != 0,
            Folder::Closed => met.uid() == user() && met.mode() & of_others(met) == 0,
        };
        match (is_allowed, rule) {
            (true, _) => Ok(()),
            (false, Folder::Closed) => Err(Error::exposed(
                format!("others can enter the folder `{}` (mode {})", path.display(), mode(met)),
                format!("run `{}`, or choose another folder", command("chmod 700", path, met)),
            )),
            (false, _) => Err(Error::exposed(
                format!("others can write to the folder `{}` (mode {})", path.display(), mode(met)),
                format!("run `{}`, or choose another folder", command("chmod go-w", path, met)),
            )),
        }
    }

    pub(crate) fn link(path: &Path, met: &Metadata) -> Result<(), Error> {
        match is_trusted(met.uid()) {
            true => Ok(()),
            false => Err(Error::exposed(
                format!(
                    "`{}` is a symbolic link of another user (uid {})",
                    path.display(),
                    met.uid()
                ),
                format!("run `{}`, or choose another path", command("rm", path, met)),
            )),
        }
    }

    /// `is_reachable` says whether the folders on the way let others through.
    pub(crate) fn file(
        path: &Path,
        met: &Metadata,
        secrecy: Secrecy,
        is_reachable: bool,
    ) -> Result<(), Error> {
        regular(path, met)?;
        owner(path, met)?;
        if others_write(met) {
            let fix = if secrecy == Secrecy::Open { "chmod go-w" } else { "chmod 600" };
            return Err(Error::exposed(
                format!("others can write to `{}` (mode {})", path.display(), mode(met)),
                format!("run `{}`", command(fix, path, met)),
            ));
        }
        let is_read = met.mode() & read_by_others(met) != 0;
        let counts = match secrecy {
            Secrecy::Open => false,
            Secrecy::Secret => is_reachable,
            Secrecy::Key => true,
        };
        if is_read && counts {
            let fix = if met.uid() == user() { "chmod 600" } else { "chmod o-r" };
            return Err(Error::exposed(
                format!("others can read `{}` (mode {})", path.display(), mode(met)),
                format!("run `{}`", command(fix, path, met)),
            ));
        }
        Ok(())
    }

    /// The mode that a file of this user's should have that nobody else has a reason to
    /// open; none when it has it, or is not this user's.
    pub(crate) fn tighter(met: &Metadata) -> Option<std::fs::Permissions> {
        use std::os::unix::fs::PermissionsExt;
        let is_open = met.uid() == user() && met.mode() & of_others(met) != 0;
        is_open.then(|| std::fs::Permissions::from_mode(0o600))
    }

    pub(crate) fn owner(path: &Path, met: &Metadata) -> Result<(), Error> {
        if is_trusted(met.uid()) {
            return Ok(());
        }
        let fix = format!("chown {}{}", if met.is_dir() { "-R " } else { "" }, user());
        Err(Error::exposed(
            format!("`{}` belongs to another user (uid {})", path.display(), met.uid()),
            format!("run `{}`, or choose another place", command(&fix, path, met)),
        ))
    }

    pub(crate) fn is_ours(met: &Metadata) -> bool {
        met.uid() == user()
    }

    pub(crate) fn others_enter(met: &Metadata) -> bool {
        met.mode() & 0o011 & of_others(met) != 0
    }

    fn is_trusted(uid: u32) -> bool {
        uid == 0 || uid == user() || ALSO.get().is_some_and(|also| also.users.contains(&uid))
    }

    fn others_write(met: &Metadata) -> bool {
        met.mode() & 0o022 & of_others(met) != 0
    }

    /// A file of root's that we may read is given to us by its group: to be one of its
    /// members is no accident. PostgreSQL judges its key files alike.
    fn read_by_others(met: &Metadata) -> u32 {
        let is_given = met.uid() != user();
        of_others(met) & if is_given { 0o007 } else { 0o077 }
    }

    /// The bits of a mode that are other people's.
    fn of_others(met: &Metadata) -> u32 {
        let is_trusted = ALSO.get().is_some_and(|also| also.groups.contains(&met.gid()));
        if is_trusted { 0o007 } else { 0o077 }
    }

    fn mode(met: &Metadata) -> String {
        format!("{:03o}", met.mode() & 0o7777)
    }

    fn user() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    /// Works when it is pasted into a shell.
    fn command(what: &str, path: &Path, met: &Metadata) -> String {
        let is_owner = met.uid() == user() && !what.starts_with("chown");
        let is_possible = is_owner || user() == 0;
        let sudo = if is_possible { "" } else { "sudo " };
        format!("{sudo}{what} {}", quoted(&path.display().to_string()))
    }
}

pub(crate) fn regular(path: &Path, met: &Metadata) -> Result<(), Error> {
    match met.is_file() {
        true => Ok(()),
        false => Err(Error::unfit(format!("`{}` is not a regular file", path.display()))),
    }
}

#[cfg(not(unix))]
pub(crate) use elsewhere::*;

/// Access is by lists there, and a profile folder is its user's alone.
#[cfg(not(unix))]
mod elsewhere {
    use super::*;

    pub(crate) fn folder(path: &Path, met: &Metadata, _: Folder) -> Result<(), Error> {
        match met.is_dir() {
            true => Ok(()),
            false => Err(Error::unfit(format!("`{}` is not a folder", path.display()))),
        }
    }

    pub(crate) fn link(_: &Path, _: &Metadata) -> Result<(), Error> {
        Ok(())
    }

    pub(crate) fn file(path: &Path, met: &Metadata, _: Secrecy, _: bool) -> Result<(), Error> {
        regular(path, met)
    }

    pub(crate) fn tighter(_: &Metadata) -> Option<std::fs::Permissions> {
        None
    }

    pub(crate) fn owner(_: &Path, _: &Metadata) -> Result<(), Error> {
        Ok(())
    }

    pub(crate) fn is_ours(_: &Metadata) -> bool {
        true
    }

    pub(crate) fn others_enter(_: &Metadata) -> bool {
        false
    }
}
