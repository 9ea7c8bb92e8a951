//! The way in and the way out: passwords, second factors, links, sessions.

use countersign_signin::password::{self, Rule};
use countersign_signin::session::{self, Session, Stage};
use countersign_signin::ticket::{self, Purpose};
use countersign_signin::{factor, recovery, throttle, totp};
use rusqlite::Transaction;
use zeroize::Zeroizing;

use super::{Error, FIRST, Inner, LIMITS, People, Person, Role, Visit, by_id, insert, named};

/// Seen less long ago than this, a session is not written again.
const SEEN_MS: i64 = 60_000;

/// A session that has begun, or goes on with more rights: its token for the cookie.
pub struct Begun {
    /// The token.
    pub token: Zeroizing<String>,
    /// How far it has come.
    pub stage: Stage,
}

/// Whose link it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Welcome {
    /// Nobody's yet: the first person chooses a name.
    First,
    /// A person chooses a password.
    Person(String),
}

/// What came of choosing a password.
pub enum Chosen {
    /// It is set.
    Begun(Begun),
    /// The link is not good any more.
    Spent,
    /// It breaks rules, or was used before.
    Refused {
        /// Why.
        why: &'static str,
        /// Each rule.
        rules: Vec<Rule>,
    },
}

impl People {
    /// The session of a token, and whose it is.
    pub async fn session(&self, token: &str) -> Result<Option<(Session, Person)>, Error> {
        let token = Zeroizing::new(token.to_owned());
        self.write(move |transaction, inner| {
            let now_ms = inner.now();
            let Some(session) = session::find(transaction, &token, LIMITS, now_ms)? else {
                return Ok(None);
            };
            if now_ms - session.seen_ms >= SEEN_MS {
                session::seen(transaction, session.id, now_ms)?;
            }
            Ok(by_id(transaction, session.person)?.map(|person| (session, person)))
        })
        .await
    }

    /// Name and password. None when they do not fit, or the address is locked out.
    pub async fn sign_in(
        &self,
        name: &str,
        given: Zeroizing<String>,
        visit: &Visit,
    ) -> Result<Option<Begun>, Error> {
        let (wanted, from) = (name.to_owned(), visit.clone());
        let (person, is_locked, hash) = self
            .write(move |transaction, inner| {
                let person = named(transaction, &wanted)?;
                let id = person.as_ref().map(|person| person.id);
                let until = throttle::locked_until(transaction, id, &from.address, inner.now())?;
                Ok((person, until.is_some(), password::stored(transaction, id)?))
            })
            .await?;
        let fits = self.fits(given, hash).await?;
        let (name, from) = (name.to_owned(), visit.clone());
        self.write(move |transaction, inner| {
            let now_ms = inner.now();
            let id = person.as_ref().map(|person| person.id);
            let Some(person) = person.filter(|_| fits && !is_locked) else {
                if !is_locked {
                    throttle::failed(transaction, id, &from.address, now_ms)?;
                }
                inner.note(transaction, "", "session.refuse", &name, &from)?;
                return Ok(None);
            };
            // Failures stay until the second factor is right as well.
            let stage = match factor::is_set(transaction, person.id)? {
                true => Stage::Password,
                false => Stage::Full,
            };
            if stage == Stage::Full {
                throttle::succeeded(transaction, person.id, &from.address)?;
            }
            begin(transaction, inner, &person, stage, &from).map(Some)
        })
        .await
    }

    /// A code of the app or a recovery code, for a session that waits for one or must
    /// prove itself again; where there is no second factor, the password.
    pub async fn prove(
        &self,
        session: &Session,
        person: &Person,
        given: Zeroizing<String>,
        visit: &Visit,
    ) -> Result<Option<Begun>, Error> {
        let id = person.id;
        let found = self
            .write(move |transaction, _| {
                let has_factor = factor::is_set(transaction, id)?;
                Ok((has_factor, password::stored(transaction, Some(id))?))
            })
            .await?;
        let (has_factor, hash) = found;
        let is_password = match has_factor {
            true => false,
            false => self.fits(given.clone(), hash).await?,
        };
        let (session, person, from) = (session.id, person.clone(), visit.clone());
        self.write(move |transaction, inner| {
            let now_ms = inner.now();
            let until =
                throttle::locked_until(transaction, Some(person.id), &from.address, now_ms)?;
            let is_locked = until.is_some();
            let is_right = !is_locked
                && match has_factor {
                    true => takes_code(transaction, inner, person.id, &given)?,
                    false => is_password,
                };
            if !is_right {
                if !is_locked {
                    throttle::failed(transaction, Some(person.id), &from.address, now_ms)?;
                }
                inner.note(transaction, &person.name, "factor.refuse", &person.name, &from)?;
                return Ok(None);
            }
            throttle::succeeded(transaction, person.id, &from.address)?;
            inner.note(transaction, &person.name, "factor.prove", &person.name, &from)?;
            let token = session::raise(transaction, session, now_ms, &*inner.random)?;
            Ok(Some(Begun { token, stage: Stage::Full }))
        })
        .await
    }

    /// Whether a person is asked for a code, rather than the password.
    pub async fn has_factor(&self, person: i64) -> Result<bool, Error> {
        self.write(move |transaction, _| Ok(factor::is_set(transaction, person)?)).await
    }

    /// Whose link it is. A look changes nothing.
    pub async fn look(&self, purpose: Purpose, token: &str) -> Result<Option<Welcome>, Error> {
        let token = Zeroizing::new(token.to_owned());
        self.write(move |transaction, inner| {
            let owner = ticket::look(transaction, purpose, &token, inner.now())?;
            whose(transaction, owner)
        })
        .await
    }

    /// Chooses a password by a link; `name` is for the first person, who has none yet.
    pub async fn choose(
        &self,
        purpose: Purpose,
        token: &str,
        name: &str,
        given: Zeroizing<String>,
        visit: &Visit,
    ) -> Result<Chosen, Error> {
        let Some(welcome) = self.look(purpose, token).await? else { return Ok(Chosen::Spent) };
        let name = match welcome {
            Welcome::First => name.trim().to_owned(),
            Welcome::Person(name) => name,
        };
        let rules = password::rules(&given, &[&name]);
        if rules.iter().any(|rule| !rule.is_kept) {
            return Ok(Chosen::Refused { why: "The password breaks a rule below.", rules });
        }
        let owner = name.clone();
        let tried = given.clone();
        let was_used = self
            .write(move |transaction, _| match named(transaction, &owner)? {
                Some(person) => Ok(password::was_used(transaction, person.id, &tried)?),
                None => Ok(false),
            })
            .await?;
        if was_used {
            let why = "The password is one of your last five. Choose another.";
            return Ok(Chosen::Refused { why, rules });
        }
        let hash = self.hash(given).await?;
        let (token, from) = (Zeroizing::new(token.to_owned()), visit.clone());
        self.write(move |transaction, inner| {
            let now_ms = inner.now();
            let owner = ticket::look(transaction, purpose, &token, now_ms)?;
            let person = match whose(transaction, owner)? {
                None => return Ok(Chosen::Spent),
                Some(Welcome::First) => {
                    insert(transaction, &name, Role::Operator, now_ms)?;
                    named(transaction, &name)?
                }
                Some(Welcome::Person(name)) => named(transaction, &name)?,
            };
            let Some(person) = person else { return Ok(Chosen::Spent) };
            ticket::spend(transaction, purpose, &token, now_ms)?;
            password::set(transaction, person.id, &hash, now_ms)?;
            session::end_others(transaction, person.id, None)?;
            throttle::unlock(transaction, person.id)?;
            inner.note(transaction, &person.name, "password.choose", &person.name, &from)?;
            let stage = match factor::is_set(transaction, person.id)? {
                true => Stage::Password,
                false => Stage::Full,
            };
            begin(transaction, inner, &person, stage, &from).map(Chosen::Begun)
        })
        .await
    }

    /// Ends a session.
    pub async fn sign_out(
        &self,
        session: &Session,
        person: &Person,
        visit: &Visit,
    ) -> Result<(), Error> {
        let (session, person, from) = (session.id, person.clone(), visit.clone());
        self.write(move |transaction, inner| {
            session::end(transaction, person.id, session)?;
            Ok(inner.note(transaction, &person.name, "session.end", &person.name, &from)?)
        })
        .await
    }

    /// A password against a hash, off the threads that answer and a few at a time.
    pub(super) async fn fits(&self, given: Zeroizing<String>, hash: String) -> Result<bool, Error> {
        let place = self.0.hashing.acquire().await.map_err(Error::database)?;
        let fits = tokio::task::spawn_blocking(move || password::fits(&given, &hash)).await;
        drop(place);
        fits.map_err(Error::database)
    }

    pub(super) async fn hash(&self, given: Zeroizing<String>) -> Result<String, Error> {
        let place = self.0.hashing.acquire().await.map_err(Error::database)?;
        let random = self.0.random.clone();
        let hash = tokio::task::spawn_blocking(move || password::hash(&given, &*random)).await;
        drop(place);
        hash.map_err(Error::database)
    }
}

/// Of a link that is good for somebody who is there, or for the first while nobody is.
fn whose(transaction: &Transaction<'_>, owner: Option<i64>) -> Result<Option<Welcome>, Error> {
    match owner {
        None => Ok(None),
        Some(FIRST) => Ok(super::is_empty(transaction)?.then_some(Welcome::First)),
        Some(id) => Ok(by_id(transaction, id)?.map(|person| Welcome::Person(person.name))),
    }
}

fn begin(
    transaction: &Transaction<'_>,
    inner: &Inner,
    person: &Person,
    stage: Stage,
    visit: &Visit,
) -> Result<Begun, Error> {
    inner.note(transaction, &person.name, "session.begin", &person.name, visit)?;
    let (now_ms, random) = (inner.now(), &*inner.random);
    let token = session::begin(transaction, person.id, stage, visit.origin(), now_ms, random)?;
    Ok(Begun { token, stage })
}

fn takes_code(
    transaction: &Transaction<'_>,
    inner: &Inner,
    person: i64,
    given: &str,
) -> Result<bool, Error> {
    let sealed = totp::sealed(transaction, person)?;
    let secret = sealed.and_then(|sealed| (inner.seal.unseal)(person, &sealed));
    if let Some(secret) = secret.map(totp::Secret::from_bytes)
        && totp::take(transaction, person, &secret, given, inner.now())?
    {
        return Ok(true);
    }
    Ok(recovery::spend(transaction, person, given)?)
}
