//! Locks of the server. Some last as long as a transaction, others as long as a connection of their
//! own: the server frees them when this process ends, however it does.

use std::sync::Mutex;

use super::{Address, Connection, Failure, apart};
use crate::sql::{Result, Room};

/// What is locked, by a number that is this program's alone in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Writing: alone, or shared by those that write what one application is.
    Write = 1,
    /// Syncing, one process at a time.
    Sync,
    /// Delivering: shared by those that do, and alone for who looks whether there are others.
    Deliver,
    /// The schema, while it is made.
    Schema,
    /// Writing to the tables of a room.
    Deliveries,
    Proxy,
    Traffic,
}

impl Purpose {
    pub(super) fn of(room: Room) -> Self {
        match room {
            Room::Deliveries => Self::Deliveries,
            Room::Proxy => Self::Proxy,
            Room::Traffic => Self::Traffic,
        }
    }

    /// The two numbers of an advisory lock.
    pub(super) fn key(self) -> String {
        // `csgn`.
        format!("{}, {}", 0x6373_676e, self as i32)
    }
}

/// The same of what is counted of an integration. Two that share a lock only wait for each other.
pub(crate) fn counts_of(integration: i64) -> String {
    // `csgc`.
    format!("{}, {}", 0x6373_6763, integration as i32)
}

/// A lock that is held.
pub(crate) struct ServerLock {
    /// Never locked: for whoever holds this on several threads. None only while it is dropped.
    connection: Mutex<Option<Box<Connection>>>,
}

impl std::fmt::Debug for ServerLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServerLock")
    }
}

impl ServerLock {
    /// None where another process has it.
    pub(crate) fn sync(address: &Address) -> Result<Option<Self>> {
        let taken = apart(|| {
            let connection = address.connect()?;
            let is_taken = connection.asked("pg_try_advisory_lock", Purpose::Sync)?;
            Ok(is_taken.then_some(connection))
        });
        let taken: Result<_> = taken.unwrap_or_else(|| Err(Failure::closed().into()));
        Ok(taken?.map(|connection| Self { connection: Mutex::new(Some(connection)) }))
    }

    /// Shared with others that deliver; `act` runs if there are none.
    pub(crate) fn deliver<E: From<crate::sql::Error>>(
        address: &Address,
        act: impl FnOnce() -> std::result::Result<(), E>,
    ) -> std::result::Result<Self, E> {
        let connection = address.connect().map_err(crate::sql::Error::from)?;
        // Alone: whoever else had something is gone.
        if connection.asked("pg_try_advisory_lock", Purpose::Deliver)? {
            act()?;
            connection.asked("pg_advisory_unlock", Purpose::Deliver)?;
        }
        // Nobody has it for itself for longer than a statement.
        let share = format!("select pg_advisory_lock_shared({})", Purpose::Deliver.key());
        connection.run(&share)?;
        Ok(Self { connection: Mutex::new(Some(connection)) })
    }
}

impl Connection {
    fn asked(&self, function: &str, purpose: Purpose) -> Result<bool> {
        let sql = format!("select {function}({})", purpose.key());
        let row = self.with(|client| client.query_one(&sql, &[]))?;
        super::get(&row, 0)
    }
}

/// Free when this returns, and not when the server notices that the connection has ended.
impl Drop for ServerLock {
    fn drop(&mut self) {
        let connection = self.connection.get_mut().ok().and_then(Option::take);
        apart(move || {
            let unlocked =
                connection.as_ref().map(|one| one.run("select pg_advisory_unlock_all()"));
            drop(unlocked);
        });
    }
}
