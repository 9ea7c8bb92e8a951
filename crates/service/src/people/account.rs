//! One's own account: the password, the second factor, the sessions.

use countersign_signin::password::{self, Rule};
use countersign_signin::session::{self, Session};
use countersign_signin::{factor, recovery, throttle, totp};
use zeroize::Zeroizing;

use super::{Error, LIMITS, People, Person, Visit};

/// What a person sees of the own account.
pub struct Account {
    /// Whether there is an app that shows codes.
    pub has_factor: bool,
    /// Recovery codes that are left.
    pub codes: usize,
    /// Sessions that go on, the newest first.
    pub sessions: Vec<Session>,
}

/// What came of changing the password.
pub enum Change {
    /// It is the new one.
    Done,
    /// It is as it was.
    Refused {
        /// Why.
        why: &'static str,
        /// Each rule.
        rules: Vec<Rule>,
    },
}

/// A second factor that was set up.
pub struct Enrolled {
    /// The token of the session from now on.
    pub token: Zeroizing<String>,
    /// Recovery codes, shown once.
    pub codes: Vec<Zeroizing<String>>,
}

impl People {
    /// The own account.
    pub async fn account(&self, person: &Person) -> Result<Account, Error> {
        let id = person.id;
        self.write(move |transaction, inner| {
            Ok(Account {
                has_factor: factor::is_set(transaction, id)?,
                codes: recovery::left(transaction, id)?,
                sessions: session::of_person(transaction, id, LIMITS, inner.now())?,
            })
        })
        .await
    }

    /// Another password: the present one must fit, other sessions end.
    pub async fn change_password(
        &self,
        session: &Session,
        person: &Person,
        present: Zeroizing<String>,
        given: Zeroizing<String>,
        visit: &Visit,
    ) -> Result<Change, Error> {
        let rules = password::rules(&given, &[&person.name]);
        let refused = |why, rules| Ok(Change::Refused { why, rules });
        if rules.iter().any(|rule| !rule.is_kept) {
            return refused("The password breaks a rule below.", rules);
        }
        let (id, tried, from) = (person.id, given.clone(), visit.clone());
        let (is_locked, hash, was_used) = self
            .write(move |transaction, inner| {
                let now_ms = inner.now();
                let until = throttle::locked_until(transaction, Some(id), &from.address, now_ms)?;
                let hash = password::stored(transaction, Some(id))?;
                Ok((until.is_some(), hash, password::was_used(transaction, id, &tried)?))
            })
            .await?;
        let is_right = self.fits(present, hash).await? && !is_locked;
        if is_right && was_used {
            return refused("The password is one of your last five. Choose another.", rules);
        }
        let hash = self.hash(given).await?;
        let (session, person, from) = (session.id, person.clone(), visit.clone());
        self.write(move |transaction, inner| {
            if !is_right {
                if !is_locked {
                    throttle::failed(transaction, Some(person.id), &from.address, inner.now())?;
                }
                let why = "The present password does not fit. \
                    After five failures in a row wait for 30 minutes.";
                return Ok(Change::Refused { why, rules });
            }
            password::set(transaction, person.id, &hash, inner.now())?;
            session::end_others(transaction, person.id, Some(session))?;
            inner.note(transaction, &person.name, "password.change", &person.name, &from)?;
            Ok(Change::Done)
        })
        .await
    }

    /// A new secret for an app that shows codes, and the same sealed for the person.
    pub fn new_factor(&self, person: &Person) -> (totp::Secret, Vec<u8>) {
        let secret = totp::Secret::new(&*self.0.random);
        let sealed = (self.0.seal.seal)(person.id, secret.expose_bytes());
        (secret, sealed)
    }

    /// What was sealed for this person; another's is not opened.
    pub fn factor_of(&self, person: &Person, sealed: &[u8]) -> Option<totp::Secret> {
        (self.0.seal.unseal)(person.id, sealed).map(totp::Secret::from_bytes)
    }

    /// Sets up the app, when it shows the right code.
    pub async fn enrol(
        &self,
        session: &Session,
        person: &Person,
        sealed: Vec<u8>,
        code: Zeroizing<String>,
        visit: &Visit,
    ) -> Result<Option<Enrolled>, Error> {
        let Some(secret) = self.factor_of(person, &sealed) else { return Ok(None) };
        let (session, person, from) = (session.id, person.clone(), visit.clone());
        self.write(move |transaction, inner| {
            let now_ms = inner.now();
            if secret.step_of(&code, now_ms).is_none() {
                return Ok(None);
            }
            totp::keep(transaction, person.id, Some(&sealed))?;
            totp::take(transaction, person.id, &secret, &code, now_ms)?;
            let codes = recovery::renew(transaction, person.id, &*inner.random)?;
            session::end_others(transaction, person.id, Some(session))?;
            inner.note(transaction, &person.name, "factor.enrol", &person.name, &from)?;
            let token = session::raise(transaction, session, now_ms, &*inner.random)?;
            Ok(Some(Enrolled { token, codes }))
        })
        .await
    }

    /// Takes the second factor and its recovery codes away.
    pub async fn remove_factor(&self, person: &Person, visit: &Visit) -> Result<(), Error> {
        let (person, from) = (person.clone(), visit.clone());
        self.write(move |transaction, inner| {
            factor::reset(transaction, person.id)?;
            Ok(inner.note(transaction, &person.name, "factor.remove", &person.name, &from)?)
        })
        .await
    }

    /// New recovery codes in place of those that are left; none without a factor.
    pub async fn renew_codes(
        &self,
        person: &Person,
        visit: &Visit,
    ) -> Result<Option<Vec<Zeroizing<String>>>, Error> {
        let (person, from) = (person.clone(), visit.clone());
        self.write(move |transaction, inner| {
            if !factor::is_set(transaction, person.id)? {
                return Ok(None);
            }
            inner.note(transaction, &person.name, "recovery.renew", &person.name, &from)?;
            Ok(Some(recovery::renew(transaction, person.id, &*inner.random)?))
        })
        .await
    }

    /// Signs out everywhere else.
    pub async fn end_others(
        &self,
        session: &Session,
        person: &Person,
        visit: &Visit,
    ) -> Result<(), Error> {
        let (session, person, from) = (session.id, person.clone(), visit.clone());
        self.write(move |transaction, inner| {
            session::end_others(transaction, person.id, Some(session))?;
            Ok(inner.note(transaction, &person.name, "session.end_others", &person.name, &from)?)
        })
        .await
    }
}
