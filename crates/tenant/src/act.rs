//! One way to change a tenant.
//!
//! A face says who acts and from where ([`Act`]) and calls the functions of this crate
//! inside [`Tenant::change`]. They are the only ones that can make a [`Noted`], and they
//! make it by writing the audit entry in the same transaction: a change without an entry
//! does not compile, and one whose entry cannot be written is rolled back. Faces cannot
//! reach the connection that [`View`] and [`Change`] hold, so no SQL gets into them.

use std::fmt;
use std::ops::Deref;

use countersign_signin::audit::{self, Entry};
use rusqlite::{Connection, Transaction};

use crate::Error;
use crate::findings;
use crate::tenant::Tenant;

/// Who changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// A person on the console, or an account that signed a request: the user name.
    User(String),
    /// Nobody who is known yet, such as a visitor who asks for a link.
    Nobody,
    /// The test controls of the platform.
    Controls,
    /// A command on the machine of the platform.
    CommandLine,
    /// The platform itself: its start and the passing of time.
    Platform,
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User(name) => name,
            Self::Nobody => "",
            Self::Controls => "(test controls)",
            Self::CommandLine => "(command line)",
            Self::Platform => "(platform)",
        })
    }
}

/// Who changes something, and from which network address (empty on this machine).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    pub by: By,
    pub from: String,
}

impl Act {
    pub fn new(by: By, from: impl Into<String>) -> Self {
        Self { by, from: from.into() }
    }

    /// Of a user of this name.
    pub fn of(user_name: &str, from: impl Into<String>) -> Self {
        Self::new(By::User(user_name.to_owned()), from)
    }
}

/// What a question sees of the tenant.
pub struct View<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) tenant: &'a Tenant,
    /// The platform's time, in milliseconds since the Unix epoch.
    pub now_ms: i64,
}

/// A change that is under way: one transaction of one [`Act`].
pub struct Change<'a> {
    view: View<'a>,
    pub(crate) transaction: &'a Transaction<'a>,
    act: &'a Act,
}

impl<'a> Deref for Change<'a> {
    type Target = View<'a>;

    fn deref(&self) -> &View<'a> {
        &self.view
    }
}

impl<'a> Change<'a> {
    pub(crate) fn new(
        tenant: &'a Tenant,
        transaction: &'a Transaction<'a>,
        act: &'a Act,
        now_ms: i64,
    ) -> Self {
        Self { view: View { connection: transaction, tenant, now_ms }, transaction, act }
    }

    /// Who acts, as the log names them.
    pub fn by(&self) -> String {
        self.act.by.to_string()
    }

    pub(crate) fn act(&self) -> &Act {
        self.act
    }

    /// Writes the entry `act` about `target` and answers with what came of the change.
    pub(crate) fn noted<T>(&self, act: &str, target: &str, outcome: T) -> Result<Noted<T>, Error> {
        self.note_as(&self.by(), act, target)?;
        Ok(Noted(outcome))
    }

    /// The same for somebody whose name became known only in the course of it.
    pub(crate) fn note_as(&self, actor: &str, act: &str, target: &str) -> Result<(), Error> {
        let entry = Entry::new(self.now_ms, actor, act, target, &self.act.from);
        Ok(audit::append(self.transaction, &entry)?)
    }
}

/// What came of a change that stands in the audit log.
#[must_use]
#[derive(Debug)]
pub struct Noted<T>(pub(crate) T);

impl<T> Noted<T> {
    /// The same entry with another outcome, such as the body of an answer.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Noted<U> {
        Noted(convert(self.0))
    }

    /// The same where the conversion can fail; then nothing is changed.
    pub fn try_map<U, E>(self, convert: impl FnOnce(T) -> Result<U, E>) -> Result<Noted<U>, E> {
        Ok(Noted(convert(self.0)?))
    }
}

impl<T> Deref for Noted<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl Tenant {
    /// Answers a question, on a connection that reads.
    pub fn look<T, E: From<Error>>(
        &self,
        ask: impl FnOnce(&View<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.database()
            .read(|connection| Ok(ask(&View { connection, tenant: self, now_ms: self.now() })))
            .map_err(|error: rusqlite::Error| E::from(error.into()))?
    }

    /// Makes a change, in one transaction: with its audit entry, or not at all.
    pub fn change<T, E: From<Error>>(
        &self,
        act: &Act,
        make: impl FnOnce(&Change<'_>) -> Result<Noted<T>, E>,
    ) -> Result<T, E> {
        let now_ms = self.now();
        let outcome = self.database().write(|transaction| {
            let change = Change::new(self, transaction, act, now_ms);
            let outcome = make(&change).map(|noted| noted.0).map_err(Undone::Refused)?;
            findings::date(transaction, now_ms)?;
            Ok(outcome)
        });
        outcome.map_err(|undone| match undone {
            Undone::Refused(error) => error,
            Undone::Failed(error) => E::from(error.into()),
        })
    }
}

/// Why a transaction was rolled back.
enum Undone<E> {
    Refused(E),
    Failed(rusqlite::Error),
}

impl<E> From<rusqlite::Error> for Undone<E> {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error)
    }
}
