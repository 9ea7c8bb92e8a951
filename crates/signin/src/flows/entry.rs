//! The way in by name and password, the sessions, and the way out.

use std::sync::{Mutex, PoisonError};

use rusqlite::Transaction;

use super::{Begun, Compared, Outcome, Refusal, Signin, open_owner};
use crate::host::{Host, Owner, Visit, Who};
use crate::session::{self, Session, Stage};
use crate::throttle::Account;
use crate::{Error, password};

/// Seen less long ago than this, a session is not written again.
const SEEN_MS: i64 = 60_000;

/// Entries about names that nobody has, in any hour: whoever makes names up fills no disk.
const STRANGERS_AN_HOUR: usize = 60;

/// A session that goes on, and whose it is.
#[derive(Debug, Clone)]
pub struct Seat<O> {
    /// The session.
    pub session: Session,
    /// Its owner.
    pub owner: O,
    /// Whether the password is older than one may be: nothing else works until it is
    /// changed.
    pub is_lapsed: bool,
}

impl<O> Seat<O> {
    /// Whether all of sign-in is done.
    pub fn is_in(&self) -> bool {
        self.session.stage == Stage::Full
    }
}

impl<H: Host> Signin<H> {
    /// Name and password.
    pub fn sign_in(&self, name: &str, given: &str, visit: &Visit) -> Result<Begun, Refusal> {
        let name = name.trim();
        let owner = self.host.read(|connection| self.host.owner(connection, Who::Name(name)))?;
        let person = owner.as_ref().map(Owner::id);
        let account = self.account(person, name);
        let Compared { made, hash, fits, place } = self.compare(account, person, given, visit)?;
        drop(place);
        self.host.write(|transaction| -> Outcome<Begun> {
            let welcome = match person.filter(|_| fits) {
                Some(id) => open_owner(&self.host, transaction, Who::Id(id), visit)?,
                None => None,
            };
            // Another password may have been chosen meanwhile.
            let is_it = password::stored(transaction, person)? == hash;
            if let Some(owner) = welcome.filter(|_| is_it) {
                self.right(transaction, &made)?;
                return Ok(Ok(self.begin(transaction, &owner, visit)?));
            }
            self.refused(transaction, owner.as_ref(), "session.refuse", name, visit)?;
            self.wrong(transaction, &made, owner.as_ref(), visit)?;
            Ok(Err(Refusal::Wrong))
        })?
    }

    /// Whose tries count together: a person's, or those of names that nobody has.
    pub(super) fn account(&self, person: Option<i64>, name: &str) -> Account {
        match person {
            Some(id) => Account::person(id),
            None => Account::shadow(name, &self.salt),
        }
    }

    /// Writes down what somebody tried who has not shown who it is.
    pub(super) fn refused(
        &self,
        transaction: &Transaction<'_>,
        owner: Option<&H::Owner>,
        act: &str,
        name: &str,
        visit: &Visit,
    ) -> Result<(), Error> {
        match owner {
            Some(owner) => self.note(transaction, "", act, owner.name(), visit),
            None if self.strangers.count(self.host.now_ms()) => {
                self.note(transaction, "", act, name, visit)
            }
            None => Ok(()),
        }
    }

    /// The session of a token, and whose it is. An account that is not open from here has
    /// none here.
    pub fn seat(&self, token: &str, visit: &Visit) -> Result<Option<Seat<H::Owner>>, Error> {
        let now_ms = self.host.now_ms();
        let found = self.host.read(|connection| -> Result<_, Error> {
            let Some(session) = session::find(connection, token)? else { return Ok(None) };
            let id = Who::Id(session.person);
            let Some(owner) = open_owner(&self.host, connection, id, visit)? else {
                return Ok(None);
            };
            let policy = self.host.policy(connection, &owner)?;
            if !session.goes_on(policy.sessions, now_ms) {
                return Ok(None);
            }
            let set_ms = password::set_ms(connection, session.person)?;
            let is_lapsed = set_ms
                .zip(policy.password_life_ms)
                .is_some_and(|(set_ms, life_ms)| now_ms.saturating_sub(set_ms) >= life_ms);
            Ok(Some(Seat { session, owner, is_lapsed }))
        })?;
        if let Some(Seat { session, .. }) = &found
            && now_ms - session.seen_ms >= SEEN_MS
        {
            self.host.write(|transaction| session::seen(transaction, session.id, now_ms))?;
        }
        Ok(found)
    }

    /// The session as it is now: it may have ended, or gone on, since it was found.
    pub(super) fn current(
        &self,
        transaction: &Transaction<'_>,
        seat: &Seat<H::Owner>,
    ) -> Result<Session, Refusal> {
        let found = session::get(transaction, seat.session.person, seat.session.id)?;
        found.filter(|session| session.stage == seat.session.stage).ok_or(Refusal::Over)
    }

    /// The same, with a fresh proof.
    pub(super) fn proven(
        &self,
        transaction: &Transaction<'_>,
        seat: &Seat<H::Owner>,
    ) -> Result<Session, Refusal> {
        let session = self.current(transaction, seat)?;
        match session.is_privileged(self.host.now_ms()) && !seat.is_lapsed {
            true => Ok(session),
            false => Err(Refusal::Unproven),
        }
    }

    /// Signs out.
    pub fn sign_out(&self, seat: &Seat<H::Owner>, visit: &Visit) -> Result<(), Error> {
        self.host.write(|transaction| {
            session::end(transaction, seat.session.person, seat.session.id)?;
            self.own(transaction, &seat.owner, "session.end", visit)
        })
    }

    /// Signs out everywhere else.
    pub fn end_others(&self, seat: &Seat<H::Owner>, visit: &Visit) -> Result<(), Refusal> {
        self.host.write(|transaction| {
            let session = self.proven(transaction, seat)?;
            session::end_others(transaction, session.person, Some(session.id))?;
            Ok(self.own(transaction, &seat.owner, "session.end_others", visit)?)
        })
    }
}

/// Entries about names that nobody has, in the present hour.
#[derive(Default)]
pub(super) struct Strangers(Mutex<(i64, usize)>);

impl Strangers {
    fn count(&self, now_ms: i64) -> bool {
        let hour = now_ms.div_euclid(3_600_000);
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.0 != hour {
            *held = (hour, 0);
        }
        held.1 += 1;
        held.1 <= STRANGERS_AN_HOUR
    }
}
