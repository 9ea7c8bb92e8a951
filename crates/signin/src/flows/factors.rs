//! One's own second factors: what there is, set up, removed, and recovery codes.

use rusqlite::Transaction;
use zeroize::Zeroizing;

use super::{Begun, Given, Question, Refusal, Seat, Signin};
use crate::host::{Event, Factor, Host, Owner, Visit};
use crate::passkey::{self, Listed};
use crate::session::{self, Session, Stage};
use crate::{Error, factor, recovery, ticket, totp};

/// What the app that shows codes is called among the factors.
pub const APP: &str = "app";

/// What somebody sees of the own account.
pub struct Mine {
    /// Whether there is an app that shows codes.
    pub has_app: bool,
    /// The oldest first.
    pub passkeys: Vec<Listed>,
    /// Recovery codes that are left.
    pub codes: usize,
    /// Those that go on, the newest first.
    pub sessions: Vec<Session>,
    /// An address that waits to be verified.
    pub wished: Option<String>,
}

impl Mine {
    /// Whether there is any second factor.
    pub fn has_factor(&self) -> bool {
        self.has_app || !self.passkeys.is_empty()
    }
}

/// What somebody sets a second factor up with.
pub struct Enrolment {
    /// For an app.
    pub secret: totp::Secret,
    /// The same, so that a form can bring it back.
    pub sealed: Vec<u8>,
    /// For a passkey, where there are any.
    pub question: Option<Question>,
}

/// A second factor that was set up.
pub struct Enrolled {
    /// The session from now on.
    pub begun: Begun,
    /// Shown once; none where there are some already.
    pub codes: Option<Vec<Zeroizing<String>>>,
}

impl<H: Host> Signin<H> {
    /// The own account.
    pub fn mine(&self, owner: &H::Owner) -> Result<Mine, Error> {
        let (id, now_ms) = (owner.id(), self.host.now_ms());
        self.host.read(|connection| {
            let limits = self.host.policy(connection, owner)?.sessions;
            Ok(Mine {
                has_app: totp::sealed(connection, id)?.is_some(),
                passkeys: passkey::list(connection, id)?,
                codes: recovery::left(connection, id)?,
                sessions: session::of_person(connection, id, limits, now_ms)?,
                wished: ticket::wished(connection, id)?,
            })
        })
    }

    /// What to set up a second factor with: anew, or what [`Enrolment::sealed`] brought
    /// back. What is not this person's is refused.
    pub fn enrolment(
        &self,
        seat: &Seat<H::Owner>,
        sealed: Option<Vec<u8>>,
    ) -> Result<Enrolment, Refusal> {
        let person = seat.session.person;
        let (secret, sealed) = match sealed {
            Some(sealed) => (self.opened(person, &sealed)?, sealed),
            None => {
                let secret = totp::Secret::new(&self.random());
                let sealed = self.host.seal(person, secret.expose_bytes());
                (secret, sealed)
            }
        };
        let question = self.host.write(|transaction| -> Result<_, Refusal> {
            let session = self.enrolling(transaction, seat)?;
            let Some(passkeys) = &self.passkeys else { return Ok(None) };
            let owner = passkey::Owner { person, guid: seat.owner.guid(), name: seat.owner.name() };
            let now_ms = self.host.now_ms();
            let asked =
                passkeys.ask_to_enrol(transaction, session.id, owner, now_ms, &self.random())?;
            let domain = passkeys.domain();
            Ok(asked.map(|json| Question { json, domain: domain.to_owned() }))
        })?;
        Ok(Enrolment { secret, sealed, question })
    }

    fn opened(&self, person: i64, sealed: &[u8]) -> Result<totp::Secret, Refusal> {
        let secret = self.host.unseal(person, sealed).ok_or(Refusal::Missing)?;
        Ok(totp::Secret::from_bytes(secret))
    }

    /// Who may set one up: who must, and who is signed in and has proven lately who it is.
    fn enrolling(
        &self,
        transaction: &Transaction<'_>,
        seat: &Seat<H::Owner>,
    ) -> Result<Session, Refusal> {
        match seat.session.stage {
            Stage::Enrol => self.current(transaction, seat),
            Stage::Password => Err(Refusal::Over),
            Stage::Full => self.proven(transaction, seat),
        }
    }

    /// Sets a second factor up. Other sessions end: they began without it.
    pub fn enrol(
        &self,
        seat: &Seat<H::Owner>,
        sealed: &[u8],
        given: &Given,
        visit: &Visit,
    ) -> Result<Enrolled, Refusal> {
        let secret = self.opened(seat.session.person, sealed)?;
        self.host.write(|transaction| {
            let session = self.enrolling(transaction, seat)?;
            let person = session.person;
            let kind = self.takes(transaction, &session, (&secret, sealed), given)?;
            // Codes that were stored for another device go on being good.
            let codes = match recovery::left(transaction, person)? {
                0 => Some(recovery::renew(transaction, person, &self.random())?),
                _ => None,
            };
            session::end_others(transaction, person, Some(session.id))?;
            self.own(transaction, &seat.owner, "factor.enrol", visit)?;
            self.host.tell(transaction, &seat.owner, Event::FactorSet(kind))?;
            Ok(Enrolled { begun: self.raise(transaction, &session, visit)?, codes })
        })
    }

    /// A new factor that answers as it should. A wrong answer is nobody's guess: the secret
    /// is on the page.
    fn takes(
        &self,
        transaction: &Transaction<'_>,
        session: &Session,
        (secret, sealed): (&totp::Secret, &[u8]),
        given: &Given,
    ) -> Result<Factor, Refusal> {
        let (person, now_ms) = (session.person, self.host.now_ms());
        match (given, &self.passkeys) {
            (Given::Passkey(answer), Some(passkeys))
                if passkeys.enrol(transaction, session.id, person, answer, now_ms)? =>
            {
                Ok(Factor::Passkey)
            }
            (Given::Code(code), _) if secret.step_of(code, now_ms).is_some() => {
                totp::keep(transaction, person, sealed)?;
                totp::take(transaction, person, secret, code, now_ms)?;
                Ok(Factor::App)
            }
            _ => Err(Refusal::Wrong),
        }
    }

    /// Removes a factor: [`APP`], or the passkey of this id. Other sessions end.
    pub fn remove_factor(
        &self,
        seat: &Seat<H::Owner>,
        id: &str,
        visit: &Visit,
    ) -> Result<(), Refusal> {
        self.host.write(|transaction| {
            let session = self.proven(transaction, seat)?;
            let person = session.person;
            let is_removed = match id {
                APP => totp::forget(transaction, person)?,
                _ => passkey::remove(transaction, person, id)?,
            };
            if !is_removed {
                return Err(Refusal::Missing);
            }
            if !factor::is_set(transaction, person)? {
                if self.host.policy(transaction, &seat.owner)?.must_have_factor {
                    return Err(Refusal::LastFactor);
                }
                recovery::forget(transaction, person)?;
            }
            session::end_others(transaction, person, Some(session.id))?;
            self.own(transaction, &seat.owner, "factor.remove", visit)?;
            Ok(self.host.tell(transaction, &seat.owner, Event::FactorRemoved)?)
        })
    }

    /// New recovery codes in place of those that are left.
    pub fn renew_codes(
        &self,
        seat: &Seat<H::Owner>,
        visit: &Visit,
    ) -> Result<Vec<Zeroizing<String>>, Refusal> {
        self.host.write(|transaction| {
            let person = self.proven(transaction, seat)?.person;
            if !factor::is_set(transaction, person)? {
                return Err(Refusal::Missing);
            }
            let codes = recovery::renew(transaction, person, &self.random())?;
            self.own(transaction, &seat.owner, "recovery.renew", visit)?;
            self.host.tell(transaction, &seat.owner, Event::CodesRenewed)?;
            Ok(codes)
        })
    }
}
