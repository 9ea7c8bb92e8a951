//! What other programs read of the inventory: a calendar, metrics, a snapshot.

pub(crate) mod calendar;
pub(crate) mod metrics;
pub(crate) mod snapshot;

use std::path::Path;

use countersign_files::{self as files, Readers};

use crate::failure::Failure;
use crate::system;

/// Replaces a file whole, so that nobody reads half of one. Anybody may read it: no
/// feed holds a secret. Until it is whole its name begins with a dot: collectors look for
/// whole names.
pub(crate) fn put(path: &Path, text: &str) -> Result<(), Failure> {
    files::write(path, text.as_bytes(), Readers::Everybody, &*system::random())
        .map_err(Failure::usage)
}
