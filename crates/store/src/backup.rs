//! A copy of everything in one file, taken while others write, and the way back.

use std::path::{Path, PathBuf};

use countersign_files as files;
use rusqlite::{Connection, OpenFlags};

use crate::check::{Problem, check_connection};
use crate::error::Error;
use crate::sql;
use crate::sqlite::{self, SyncLock, beside, log_of};
use crate::store::Store;

/// What the name of a store that was replaced ends with.
const REPLACED: &str = ".replaced";

impl Store {
    /// Writes all of it, as it is at one moment, into an empty file, and looks at the copy:
    /// answers what is damaged of it.
    pub async fn copy_to(&self, image: &Path) -> Result<Vec<Problem>, Error> {
        let (database, image) = (self.database.clone(), image.to_owned());
        self.database.file()?;
        tokio::task::spawn_blocking(move || {
            let copied = || {
                let source = database.file()?.plain_reader()?;
                source.execute("vacuum into ?", [image.to_string_lossy()])?;
                let copy = Connection::open_with_flags(&image, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
                // It has no log of its own, and nobody else knows of it yet.
                copy.execute_batch("pragma journal_mode = off; pragma user_version = 0;")?;
                Ok::<_, Error>(())
            };
            copied().map_err(|error| error.at(&image))?;
            check_image(&image)
        })
        .await
        .map_err(|_| Error::stopped())?
    }
}

/// What is damaged of a copy that nobody writes to. Fails when it is no store of this
/// version or an earlier one.
pub fn check_image(image: &Path) -> Result<Vec<Problem>, Error> {
    let checked = || {
        let connection = sqlite::open_image(image)?;
        let is_current = sqlite::missing_pieces(&connection, image)?.is_empty();
        check_connection(&sql::Connection::of_sqlite(connection), is_current)
    };
    checked().map_err(|error: Error| error.at(image))
}

/// Makes room for another store in the place of this one: folds in its log, and keeps it
/// under the name that is answered; none when there was no store. Fails, and leaves
/// everything as it is, while others use it.
pub fn set_aside(store: &Path) -> Result<(SyncLock, Option<PathBuf>), Error> {
    let lock = sqlite::lock_for_sync(store)?;
    if std::fs::symlink_metadata(store).is_err() {
        for ending in ["-wal", "-shm", "-journal"] {
            files::discard(&beside(store, ending))?;
        }
        return Ok((lock, None));
    }
    let found = files::database(store)?;
    let kept = beside(&found, REPLACED);
    let folded = sqlite::fold_alone(&found);
    match folded {
        Ok(()) => files::keep_as(&found, &kept)?,
        Err(error) if error.is_locked() => return Err(Error::in_use_elsewhere(&found)),
        Err(error) if error.is_of_the_moment() => return Err(error),
        // Too damaged for that: its log goes with it.
        Err(_) => {
            files::move_away(&found, &kept)?;
            if log_of(&found).exists() {
                files::move_away(&log_of(&found), &log_of(&kept))?;
            }
            for ending in ["-shm", "-journal"] {
                files::discard(&beside(&found, ending))?;
            }
        }
    }
    Ok((lock, Some(kept)))
}
