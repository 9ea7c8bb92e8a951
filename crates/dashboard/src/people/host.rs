//! The people as a host of sign-in. There is no mail: links are printed by the command
//! line, and owners are told by the chain alone.

use std::sync::{Mutex, PoisonError};

use countersign_connector::{Clock, Random};
use countersign_signin::{Error as SigninError, Event, Host, Link, Owner, Policy, Who};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use zeroize::Zeroizing;

use super::person::{Error, FIRST, LIMITS, Person, Role, Seal, by_id, insert, is_empty, named};

/// Where people sign in: their database, and what it takes beside.
pub struct Desk {
    pub(super) connection: Mutex<Connection>,
    pub(super) seal: Seal,
    pub(super) clock: Clock,
    pub(super) random: Random,
}

impl From<Error> for SigninError {
    fn from(error: Error) -> Self {
        Self::Host(error.to_string())
    }
}

impl Owner for Person {
    fn id(&self) -> i64 {
        self.id
    }

    /// There are no passkeys.
    fn guid(&self) -> &str {
        ""
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn words(&self) -> Vec<&str> {
        vec![&self.name]
    }

    /// Whoever is not to sign in is removed.
    fn is_open(&self, _: &str) -> bool {
        true
    }
}

impl Host for Desk {
    type Owner = Person;

    fn now_ms(&self) -> i64 {
        (self.clock)()
    }

    fn fill(&self, buffer: &mut [u8]) {
        (self.random)(buffer);
    }

    fn read<T>(
        &self,
        act: impl FnOnce(&Connection) -> Result<T, SigninError>,
    ) -> Result<T, SigninError> {
        act(&self.connection.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T, E: From<SigninError> + From<rusqlite::Error>>(
        &self,
        act: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        // A panic under the lock rolled its transaction back; the connection is sound.
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let outcome = act(&transaction)?;
        transaction.commit()?;
        Ok(outcome)
    }

    /// The first person has a link while there is nobody.
    fn owner(&self, connection: &Connection, who: Who<'_>) -> Result<Option<Person>, SigninError> {
        Ok(match who {
            Who::Id(FIRST) => is_empty(connection)?.then(|| Person {
                id: FIRST,
                name: String::new(),
                role: Role::Operator,
                added_ms: self.now_ms(),
            }),
            Who::Id(id) => by_id(connection, id)?,
            Who::Name(name) => named(connection, name)?,
        })
    }

    fn policy(&self, _: &Connection, _: &Person) -> Result<Policy, SigninError> {
        Ok(Policy { must_have_factor: false, sessions: LIMITS, password_life_ms: None })
    }

    fn seal(&self, person: i64, secret: &[u8]) -> Vec<u8> {
        (self.seal.seal)(person, secret)
    }

    fn unseal(&self, person: i64, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        (self.seal.unseal)(person, sealed)
    }

    fn sends_links(&self) -> bool {
        false
    }

    fn send(
        &self,
        _: &Transaction<'_>,
        _: &Person,
        _: Link<'_>,
        _: &str,
    ) -> Result<(), SigninError> {
        Ok(())
    }

    fn tell(&self, _: &Transaction<'_>, _: &Person, _: Event<'_>) -> Result<(), SigninError> {
        Ok(())
    }

    /// Nobody has any.
    fn set_address(&self, _: &Transaction<'_>, _: i64, _: &str) -> Result<(), SigninError> {
        Ok(())
    }

    fn chose_password(&self, _: &Transaction<'_>, _: i64) -> Result<(), SigninError> {
        Ok(())
    }

    fn admit(
        &self,
        transaction: &Transaction<'_>,
        first: Person,
        name: &str,
    ) -> Result<Result<Person, String>, SigninError> {
        let name = name.trim();
        match insert(transaction, name, first.role, first.added_ms) {
            Ok(id) => Ok(Ok(Person { id, name: name.to_owned(), ..first })),
            Err(error) if error.is_input() => Ok(Err(error.to_string())),
            Err(error) => Err(error.into()),
        }
    }
}
