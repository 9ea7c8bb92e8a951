//! Every file and folder that this program creates is created here, and every file that it
//! believes is judged here first.
//!
//! The rule: other users must not be able to change what is read, to see what is secret, or
//! to lead a write elsewhere. So each folder from the root on, and each link on the way, is
//! looked at before the file is. Once nobody else can write to any of them, nothing can be
//! swapped between the look and the use. A folder that others can write to is accepted on
//! the way only if it is sticky, like `/tmp`: there nobody renames what is not theirs.
//!
//! Trusted are this process's user, root, and whom [`trust`] names. Windows has other
//! means; there nothing is judged.

mod certificates;
mod draft;
mod edit;
mod error;
mod folder;
mod judge;
mod lock;
mod read;
#[cfg(any(test, feature = "stops"))]
pub mod stop;
mod way;

pub use certificates::read_certificates;
pub use draft::{
    Created, Draft, Readers, create, discard, keep_as, move_away, put_in_place, write,
};
pub use edit::{Folders, edit, read_back};
pub use error::{Cause, Error, quoted, said};
pub use folder::{closed_folder, folder, new_folder};
pub use judge::{Secrecy, Trusted, trust};
pub use lock::{database, has_room, is_frozen, lock_file, usable};
pub use read::{check, open, read, read_text};

#[cfg(not(any(test, feature = "stops")))]
mod stop {
    pub(crate) fn step() -> std::io::Result<()> {
        Ok(())
    }
}
