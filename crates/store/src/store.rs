//! The database as its users hold it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::database::Database;
use crate::error::Error;
use crate::meter::Meter;
use crate::sql::Optional;
#[cfg(feature = "postgres")]
use crate::sql::postgres::Address;
use crate::sqlite::SyncLock;

/// Rows or texts that are few enough to look at one by one, unless told otherwise.
const FEW: usize = 5000;

/// What a PostgreSQL database answers with the processes that use it.
pub const WHO_IS_CONNECTED: &str =
    "select client_addr, pid from pg_stat_activity where application_name = 'countersign'";

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) database: Database,
    pub(crate) few: usize,
    pub(crate) meter: Meter,
}

/// Row id of an integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IntegrationId(pub(crate) i64);

/// Row id of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RunId(pub(crate) i64);

impl Store {
    /// Opens the database, creates it when missing, and brings its schema up to
    /// date.
    pub async fn open(path: &Path) -> Result<Self, Error> {
        let path = path.to_owned();
        tokio::task::spawn_blocking(move || Database::open(&path))
            .await
            .map_err(|_| Error::stopped())?
            .map(|database| Self { database, few: FEW, meter: Meter::default() })
    }

    /// Opens the store in a PostgreSQL database, `postgres://…`, and makes its schema where there
    /// is none. A password may be in the address, or be given beside it.
    #[cfg(feature = "postgres")]
    pub async fn open_url(url: &str, password: Option<&str>) -> Result<Self, Error> {
        let address = Address::parse(url, password).map_err(|what| Error::address(&what))?;
        tokio::task::spawn_blocking(move || Database::open_server(address))
            .await
            .map_err(|_| Error::stopped())?
            .map(|database| Self { database, few: FEW, meter: Meter::default() })
    }

    /// Where it is: the path of its file, or the address of its database without the password.
    pub fn place(&self) -> String {
        self.database.place()
    }

    /// Whether other machines may use it too: it is in a database on a server.
    pub fn is_shared(&self) -> bool {
        self.database.is_shared()
    }

    /// Ends all use of the store, whoever has a clone of it. What was written is folded into
    /// its file, unless another process has it open: then the last one does that.
    pub async fn close(&self) {
        let database = self.database.clone();
        // It ends with what is under way.
        let _ = tokio::task::spawn_blocking(move || database.close()).await;
    }

    /// The same store for somebody who cannot wait: a write fails with
    /// [`Error::is_locked`] where another one of this process has not ended within
    /// `patience`. What it then did not do is not done later.
    #[must_use]
    pub fn patient(&self, patience: Duration) -> Self {
        Self { database: self.database.patient(patience), ..self.clone() }
    }

    /// Whether the database answers.
    pub async fn answers(&self) -> bool {
        let asked = self.database.read(|connection| {
            Ok(connection.query_row("select 1 from accounts limit 1", [], |_| Ok(())).optional()?)
        });
        asked.await.is_ok()
    }

    /// Keeps others from replacing the store while this process lives.
    pub async fn hold(&self) -> Result<(), Error> {
        self.database.write(|_| Ok(())).await
    }

    /// Claims the right to sync into this store. Where it is a database, runs have leases instead:
    /// see [`Store::conduct_run`].
    pub fn lock_for_sync(&self) -> Result<SyncLock, Error> {
        self.database.lock_for_sync()
    }

    /// Whether somebody syncs just now: into this store where it is a file; else this integration,
    /// or any.
    pub async fn is_syncing(&self, integration: Option<IntegrationId>) -> Result<bool, Error> {
        match self.is_shared() {
            true => self.is_conducted(integration).await,
            false => Ok(self.lock_for_sync().is_err_and(|error| error.is_busy())),
        }
    }

    /// The right to sync into a store that is a file; none is needed in a database, whose runs
    /// have leases.
    pub fn lock_file_for_sync(&self) -> Result<Option<SyncLock>, Error> {
        match self.is_shared() {
            true => Ok(None),
            false => self.lock_for_sync().map(Some),
        }
    }

    /// The file that is locked for it; none where a database holds the lock.
    pub fn sync_lock(&self) -> Option<PathBuf> {
        self.database.sync_lock()
    }
}
