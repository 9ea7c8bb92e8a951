//! Connections: one that writes, a few that read, all on blocking threads.

use std::any::Any;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Error;
use crate::raw::Packing;
use crate::sql::Connection;
use crate::sql::engine;
#[cfg(feature = "postgres")]
use crate::sql::postgres::{Address, ServerLock};
use crate::sqlite::{DeliveryLock, StoreFile, SyncLock};

/// Connections that read at once, where the machine has few processors. More would only
/// wait for each other, and each has its own memory.
const LEAST_READERS: usize = 8;

#[derive(Clone)]
pub(crate) struct Database {
    inner: Arc<Inner>,
    /// How long a write waits for another one of this process; none for as long as it takes.
    patience: Option<Duration>,
}

struct Inner {
    place: Place,
    packing: Packing,
    /// Opened by the first write.
    writer: Mutex<Option<Connection>>,
    /// Writers come in the order in which they asked.
    turn: Arc<Semaphore>,
    readers: Mutex<Vec<Connection>>,
    /// Readers come in the order in which they asked too, a few at once.
    reading: Arc<Semaphore>,
    is_closed: AtomicBool,
}

/// Where the database is.
enum Place {
    File(StoreFile),
    #[cfg(feature = "postgres")]
    Server(Address),
}

impl Database {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let (file, reader, writer) = StoreFile::open(path)?;
        let path = file.path().to_owned();
        Self::of(Place::File(file), reader, writer).map_err(|error| error.at(&path))
    }

    /// The database at an address.
    #[cfg(feature = "postgres")]
    pub(crate) fn open_server(address: Address) -> Result<Self, Error> {
        let place = Place::Server(address.clone());
        let opened = address.open().and_then(|reader| {
            Self::of(Place::Server(address), Connection::Postgres(reader), None)
        });
        opened.map_err(|error| place.named(error))
    }

    fn of(place: Place, reader: Connection, writer: Option<Connection>) -> Result<Self, Error> {
        let packing = Packing::load(&reader)?;
        let inner = Inner {
            place,
            packing,
            writer: Mutex::new(writer),
            turn: Arc::new(Semaphore::new(1)),
            readers: Mutex::new(vec![reader]),
            reading: Arc::new(Semaphore::new(most_readers())),
            is_closed: AtomicBool::new(false),
        };
        Ok(Self { inner: Arc::new(inner), patience: None })
    }

    pub(crate) fn patient(&self, patience: Duration) -> Self {
        Self { inner: Arc::clone(&self.inner), patience: Some(patience) }
    }

    /// Folds the log in, if nobody else has the store open. Nothing can be read or written
    /// afterwards, by whomever.
    pub(crate) fn close(&self) {
        self.inner.close();
    }

    /// The file that the store is in. Fails where it is in none.
    pub(crate) fn file(&self) -> Result<&StoreFile, Error> {
        match &self.inner.place {
            Place::File(file) => Ok(file),
            #[cfg(feature = "postgres")]
            Place::Server(address) => Err(Error::no_file(address)),
        }
    }

    /// Whether other machines may use it too.
    pub(crate) fn is_shared(&self) -> bool {
        match &self.inner.place {
            Place::File(_) => false,
            #[cfg(feature = "postgres")]
            Place::Server(_) => true,
        }
    }

    pub(crate) fn place(&self) -> String {
        match &self.inner.place {
            Place::File(file) => file.path().display().to_string(),
            #[cfg(feature = "postgres")]
            Place::Server(address) => address.to_string(),
        }
    }

    pub(crate) fn lock_for_sync(&self) -> Result<SyncLock, Error> {
        match &self.inner.place {
            Place::File(file) => file.lock_for_sync(),
            #[cfg(feature = "postgres")]
            Place::Server(address) => {
                let lock = ServerLock::sync(address);
                let lock = lock.map_err(|error| self.inner.place.named(error.into()))?;
                lock.map(SyncLock::of_server).ok_or_else(|| Error::busy_database(address))
            }
        }
    }

    pub(crate) fn sync_lock(&self) -> Option<PathBuf> {
        match &self.inner.place {
            Place::File(file) => Some(file.sync_lock()),
            #[cfg(feature = "postgres")]
            Place::Server(_) => None,
        }
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        match &self.inner.place {
            Place::File(file) => file.size_bytes(),
            #[cfg(feature = "postgres")]
            Place::Server(address) => address.size_bytes(),
        }
    }

    /// The lock of those that deliver; `act` runs if nobody else does.
    pub(crate) fn lock_for_deliveries(
        &self,
        act: impl FnOnce() -> Result<(), Error>,
    ) -> Result<DeliveryLock, Error> {
        match &self.inner.place {
            Place::File(file) => file.lock_for_deliveries(act),
            #[cfg(feature = "postgres")]
            Place::Server(address) => {
                let lock = ServerLock::deliver(address, act);
                lock.map(DeliveryLock::of_server).map_err(|error| self.inner.place.named(error))
            }
        }
    }

    pub(crate) fn packing(&self) -> &Packing {
        &self.inner.packing
    }

    /// Runs on the writing connection, one caller at a time.
    pub(crate) async fn write<T, F>(&self, act: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    {
        let turn = self.turn().await?;
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let _turn = turn;
            let mut writer = locked(&inner.writer);
            let outcome = inner.opened(&mut writer).and_then(act);
            if writer.as_ref().is_some_and(Connection::is_lost) {
                *writer = None;
            }
            outcome.map_err(|error| inner.place.named(error))
        })
        .await
    }

    /// Writes a little, without waiting for the writing connection where there is a server: each
    /// statement is a transaction of its own.
    pub(crate) async fn beside<T, F>(&self, act: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    {
        if !self.is_shared() {
            return self.write(act).await;
        }
        let inner = Arc::clone(&self.inner);
        let place = Arc::clone(&inner.reading).acquire_owned().await;
        let place = place.map_err(|_| Error::stopped())?;
        blocking(move || {
            let _place = place;
            let connection = inner.idle_reader().map_err(|error| inner.place.named(error))?;
            let outcome = act(&connection);
            inner.put_back(connection);
            outcome.map_err(|error| inner.place.named(error))
        })
        .await
    }

    /// Runs on the writing connection, with one that reads another database.
    pub(crate) async fn write_from<T, F>(&self, source: &Self, act: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &Connection) -> Result<T, Error> + Send + 'static,
    {
        let from = Arc::clone(&source.inner);
        let place = Arc::clone(&from.reading).acquire_owned().await;
        let place = place.map_err(|_| Error::stopped())?;
        self.write(move |writer| {
            let _place = place;
            let reader = from.idle_reader().map_err(|error| from.place.named(error))?;
            let outcome = act(&reader, writer);
            from.put_back(reader);
            outcome
        })
        .await
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, Error> {
        let turn = Arc::clone(&self.inner.turn).acquire_owned();
        let taken = match self.patience {
            None => turn.await,
            Some(patience) => {
                let waited = tokio::time::timeout(patience, turn).await;
                waited.map_err(|_| Error::writer_taken())?
            }
        };
        taken.map_err(|_| Error::stopped())
    }

    /// Runs on a reading connection, beside writers and other readers.
    pub(crate) async fn read<T, F>(&self, act: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let place = Arc::clone(&inner.reading).acquire_owned().await;
        let place = place.map_err(|_| Error::stopped())?;
        blocking(move || {
            let _place = place;
            let connection = inner.idle_reader().map_err(|error| inner.place.named(error))?;
            let outcome = (|| {
                let _moment = engine::moment(&connection)?;
                act(&connection)
            })();
            inner.put_back(connection);
            outcome.map_err(|error| inner.place.named(error))
        })
        .await
    }
}

impl Inner {
    fn must_be_open(&self) -> Result<(), Error> {
        if self.is_closed.load(Ordering::Relaxed) { Err(Error::stopped()) } else { Ok(()) }
    }

    fn opened<'w>(&self, writer: &'w mut Option<Connection>) -> Result<&'w Connection, Error> {
        self.must_be_open()?;
        #[cfg(feature = "postgres")]
        if matches!(writer, Some(Connection::Postgres(connection)) if !connection.is_alive()) {
            *writer = None;
        }
        Ok(match writer {
            Some(writer) => writer,
            none => none.insert(self.place.writer()?),
        })
    }

    fn idle_reader(&self) -> Result<Connection, Error> {
        self.must_be_open()?;
        let idle = locked(&self.readers).pop();
        #[cfg(feature = "postgres")]
        let idle = idle.filter(|one| match one {
            Connection::Sqlite(_) => true,
            Connection::Postgres(connection) => connection.is_alive(),
        });
        idle.map_or_else(|| self.place.reader(), Ok)
    }

    fn put_back(&self, connection: Connection) {
        let mut readers = locked(&self.readers);
        if !connection.is_lost() && !self.is_closed.load(Ordering::Relaxed) {
            readers.push(connection);
        }
    }

    fn close(&self) {
        let mut writer = locked(&self.writer);
        self.is_closed.store(true, Ordering::Relaxed);
        locked(&self.readers).clear();
        self.place.close(writer.take());
    }
}

impl Place {
    fn reader(&self) -> Result<Connection, Error> {
        match self {
            Self::File(file) => file.reader(),
            #[cfg(feature = "postgres")]
            Self::Server(address) => address.reader().map(Connection::Postgres),
        }
    }

    fn writer(&self) -> Result<Connection, Error> {
        match self {
            Self::File(file) => file.writer(),
            #[cfg(feature = "postgres")]
            Self::Server(address) => address.writer().map(Connection::Postgres),
        }
    }

    /// Ends the use of it by this process, with the connection that wrote.
    fn close(&self, writer: Option<Connection>) {
        match self {
            Self::File(file) => file.close(writer),
            #[cfg(feature = "postgres")]
            Self::Server(_) => drop(writer),
        }
    }

    /// The failure, with the place that it is of.
    fn named(&self, error: Error) -> Error {
        match self {
            Self::File(file) => error.at(file.path()),
            #[cfg(feature = "postgres")]
            Self::Server(address) => error.of_server(address),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !self.is_closed.load(Ordering::Relaxed) {
            self.close();
        }
    }
}

fn most_readers() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    LEAST_READERS.max(2 * processors)
}

/// What goes through the runtime has one type: its task is compiled once, and not for each
/// of the store's questions.
async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let act: Box<dyn FnOnce() -> Answer + Send> = Box::new(move || Box::new(act()));
    let answer = tokio::task::spawn_blocking(act).await.map_err(|_| Error::stopped())?;
    *answer.downcast().expect("a question answers with its own type")
}

type Answer = Box<dyn Any + Send>;

/// A panic under the lock rolled its transaction back; the connection is sound.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
