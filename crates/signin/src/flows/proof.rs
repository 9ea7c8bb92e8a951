//! Showing who one is: the second factor at sign-in, and a fresh proof later.

use rusqlite::Transaction;
use zeroize::Zeroizing;

use super::{Begun, Compared, Outcome, Refusal, Seat, Signin};
use crate::host::{Host, Visit};
use crate::session::{self, Session, Stage};
use crate::throttle::{Account, Try};
use crate::{Error, factor, password, recovery, totp};

/// What somebody shows.
pub enum Given {
    /// A code of the app, or a recovery code.
    Code(Zeroizing<String>),
    /// What the browser says of a passkey, as JSON.
    Passkey(String),
    /// The password: a fresh proof for who has no second factor.
    Password(Zeroizing<String>),
}

/// What a browser is asked about passkeys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// As JSON.
    pub json: String,
    /// The site that it is for.
    pub domain: String,
}

impl<H: Host> Signin<H> {
    /// Whether there is a second factor to ask for, and what to ask a browser.
    pub fn ask(&self, seat: &Seat<H::Owner>) -> Result<(bool, Option<Question>), Error> {
        let Session { id, person, .. } = seat.session;
        self.host.read(|connection| {
            let has_factor = factor::is_set(connection, person)?;
            let Some(passkeys) = &self.passkeys else { return Ok((has_factor, None)) };
            let asked = passkeys.ask_for_proof(
                connection,
                id,
                person,
                self.host.now_ms(),
                &self.random(),
            )?;
            let domain = passkeys.domain();
            Ok((has_factor, asked.map(|json| Question { json, domain: domain.to_owned() })))
        })
    }

    /// A right proof makes a session whole, or fresh, and gives it another token.
    pub fn prove(
        &self,
        seat: &Seat<H::Owner>,
        given: &Given,
        visit: &Visit,
    ) -> Result<Begun, Refusal> {
        match given {
            Given::Password(password) => self.prove_by_password(seat, password, visit),
            Given::Code(_) | Given::Passkey(_) => self.prove_by_factor(seat, given, visit),
        }
    }

    fn prove_by_factor(
        &self,
        seat: &Seat<H::Owner>,
        given: &Given,
        visit: &Visit,
    ) -> Result<Begun, Refusal> {
        self.host.write(|transaction| -> Outcome<Begun> {
            let session = self.current(transaction, seat)?;
            if session.stage == Stage::Enrol {
                return Err(Refusal::Over);
            }
            let account = Account::person(session.person);
            let made = self.attempt(transaction, account, visit)?;
            let act = match &made {
                Some(_) => self.check(transaction, &session, given)?,
                None => None,
            };
            let (Some(made), Some(act)) = (&made, act) else {
                let refusal = self.failed(transaction, seat, made.as_ref(), visit)?;
                return Ok(Err(refusal));
            };
            self.right(transaction, made)?;
            self.own(transaction, &seat.owner, act, visit)?;
            Ok(Ok(self.raise(transaction, &session, visit)?))
        })?
    }

    /// The act that the chain names, where the proof is good.
    fn check(
        &self,
        transaction: &Transaction<'_>,
        session: &Session,
        given: &Given,
    ) -> Result<Option<&'static str>, Error> {
        let (person, now_ms) = (session.person, self.host.now_ms());
        match given {
            Given::Password(_) => Ok(None),
            Given::Passkey(answer) => {
                let Some(passkeys) = &self.passkeys else { return Ok(None) };
                let fits = passkeys.prove(transaction, session.id, person, answer, now_ms)?;
                Ok(fits.then_some("passkey.take"))
            }
            Given::Code(code) => {
                let sealed = totp::sealed(transaction, person)?;
                let secret = sealed.and_then(|sealed| self.host.unseal(person, &sealed));
                if let Some(secret) = secret.map(totp::Secret::from_bytes)
                    && totp::take(transaction, person, &secret, code, now_ms)?
                {
                    return Ok(Some("factor.take"));
                }
                let is_spent = recovery::spend(transaction, person, code)?;
                Ok(is_spent.then_some("factor.recover"))
            }
        }
    }

    fn prove_by_password(
        &self,
        seat: &Seat<H::Owner>,
        given: &str,
        visit: &Visit,
    ) -> Result<Begun, Refusal> {
        let person = seat.session.person;
        let has_factor = self.host.read(|connection| factor::is_set(connection, person))?;
        if seat.session.stage != Stage::Full || has_factor {
            return Err(Refusal::Over);
        }
        let Compared { made, hash, fits, place } = self.present(seat, given, visit)?;
        drop(place);
        self.host.write(|transaction| -> Outcome<Begun> {
            let session = self.current(transaction, seat)?;
            let is_it = password::stored(transaction, Some(person))? == hash;
            if !fits || !is_it || factor::is_set(transaction, person)? {
                return Ok(Err(self.failed(transaction, seat, Some(&made), visit)?));
            }
            self.right(transaction, &made)?;
            self.own(transaction, &seat.owner, "password.prove", visit)?;
            Ok(Ok(self.raise(transaction, &session, visit)?))
        })?
    }

    /// The present password of who has a session, compared.
    pub(super) fn present(
        &self,
        seat: &Seat<H::Owner>,
        given: &str,
        visit: &Visit,
    ) -> Result<Compared<'_>, Refusal> {
        let person = seat.session.person;
        match self.compare(Account::person(person), Some(person), given, visit) {
            Err(Refusal::Wrong) => {
                Err(self.host.write(|transaction| self.failed(transaction, seat, None, visit))?)
            }
            compared => compared,
        }
    }

    /// A proof was wrong, or none that is looked at; five in a row end the session.
    pub(super) fn failed(
        &self,
        transaction: &Transaction<'_>,
        seat: &Seat<H::Owner>,
        made: Option<&Try>,
        visit: &Visit,
    ) -> Result<Refusal, Error> {
        let owner = &seat.owner;
        if let Some(made) = made {
            self.own(transaction, owner, "factor.refuse", visit)?;
            self.wrong(transaction, made, Some(owner), visit)?;
        }
        if session::failed(transaction, seat.session.id)? {
            self.own(transaction, owner, "session.lose", visit)?;
        }
        Ok(Refusal::Wrong)
    }
}
