//! The flows: each step of sign-in once, for every host. A step is judged, done, written
//! into the chain and told to the owner in one transaction.

mod address;
mod entry;
mod factors;
mod links;
mod passwords;
mod proof;

use rusqlite::{Connection, Transaction};
use zeroize::Zeroizing;

use crate::audit::{self, Entry};
use crate::hasher::{Hasher, Place};
use crate::host::{Host, Link, Owner, Visit, Who};
use crate::passkey::Passkeys;
use crate::password::{self, Rule};
use crate::session::{self, Session, Stage};
use crate::throttle::{self, Account, Try};
use crate::{Error, device, factor};

pub use address::wish_address;
pub use entry::Seat;
pub use factors::{APP, Enrolled, Enrolment, Mine};
pub use links::{Asked, invite};
pub use proof::{Given, Question};

/// What people read where a step was [`Refusal::Wrong`]: the same for every cause.
pub mod complaint {
    /// At sign-in.
    pub const SIGN_IN: &str = "Name and password do not fit, or the account is not open for \
        sign-in. After five failures in a row wait before the next try: a minute, then longer \
        each time.";
    /// Where a code is asked for.
    pub const CODE: &str = "The code does not fit, or it was used before. Wait for the next one; \
        after five failures in a row wait for a minute, then longer each time.";
    /// Where a passkey is asked for.
    pub const PASSKEY: &str = "The passkey does not fit. Try again, or use a code.";
    /// Where the present password is asked for.
    pub const PASSWORD: &str = "The present password does not fit. After five failures in a row \
        wait for a minute, then longer each time.";
    /// Where a second factor is set up.
    pub const ENROLMENT: &str =
        "The code or passkey does not fit. For a code, check the time of the device.";
}

/// Why a step was not taken.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// What was given does not fit, or was not looked at: nothing says which.
    Wrong,
    /// Too many passwords wait to be compared; nothing was done.
    Busy,
    /// A fresh proof is asked for first.
    Unproven,
    /// The session is over, or at another step.
    Over,
    /// The link is good no more.
    Spent,
    /// There is no such thing.
    Missing,
    /// Who must have a second factor keeps the last one.
    LastFactor,
    /// The password cannot be the next one.
    Password {
        /// In one sentence, with what to do about it.
        why: &'static str,
        /// Each rule.
        rules: Vec<Rule>,
    },
    /// The name cannot be: why.
    Name(String),
    /// Something failed.
    Failed(Error),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What a step that can be wrong comes to: an error would undo the transaction, and with it
/// what was counted.
type Outcome<T> = Result<Result<T, Refusal>, Refusal>;

/// A session that has begun, or goes on with more rights.
pub struct Begun {
    /// Its token from now on, for a cookie.
    pub token: Zeroizing<String>,
    /// How far it has come.
    pub stage: Stage,
    /// A token by which the account knows the browser, for a cookie of its own that lives
    /// for [`device::LIFE_MS`]; none where it has one.
    pub device: Option<Zeroizing<String>>,
}

/// Sign-in for the people of a host.
pub struct Signin<H> {
    host: H,
    hasher: Hasher,
    /// None where there are no passkeys.
    passkeys: Option<Passkeys>,
    /// For [`Account::shadow`].
    salt: Zeroizing<String>,
    strangers: entry::Strangers,
}

impl<H: Host> Signin<H> {
    /// For the people of this host.
    pub fn new(host: H, hasher: Hasher, passkeys: Option<Passkeys>) -> Self {
        let salt = crate::token(&|buffer| host.fill(buffer));
        Self { host, hasher, passkeys, salt, strangers: entry::Strangers::default() }
    }

    /// The host.
    pub fn host(&self) -> &H {
        &self.host
    }

    fn random(&self) -> impl Fn(&mut [u8]) + '_ {
        |buffer| self.host.fill(buffer)
    }

    /// Writes down what somebody did.
    pub fn note(
        &self,
        transaction: &Transaction<'_>,
        actor: &str,
        act: &str,
        target: &str,
        visit: &Visit,
    ) -> Result<(), Error> {
        let entry = Entry::new(self.host.now_ms(), actor, act, target, &visit.address);
        audit::append(transaction, &entry)
    }

    /// What an owner did to the own account.
    fn own(
        &self,
        transaction: &Transaction<'_>,
        owner: &H::Owner,
        act: &str,
        visit: &Visit,
    ) -> Result<(), Error> {
        self.note(transaction, owner.name(), act, owner.name(), visit)
    }

    /// Begins a try against an account; none when it is not to be looked at.
    fn attempt(
        &self,
        transaction: &Transaction<'_>,
        account: Account,
        visit: &Visit,
    ) -> Result<Option<Try>, Error> {
        let now_ms = self.host.now_ms();
        let known = known(transaction, account, visit, now_ms)?;
        throttle::begin(transaction, account, known, now_ms)
    }

    /// A try was right.
    fn right(&self, transaction: &Transaction<'_>, made: &Try) -> Result<(), Error> {
        throttle::right(transaction, made, self.host.now_ms())
    }

    /// A try was wrong: counted, and once told to the owner.
    fn wrong(
        &self,
        transaction: &Transaction<'_>,
        made: &Try,
        owner: Option<&H::Owner>,
        visit: &Visit,
    ) -> Result<(), Error> {
        let is_to_be_told = throttle::wrong(transaction, made, self.host.now_ms())?;
        let Some(owner) = owner.filter(|_| is_to_be_told) else { return Ok(()) };
        self.note(transaction, "", "account.slow", owner.name(), visit)?;
        links::send(&self.host, transaction, owner, Link::Unlock { is_asked: false }).map(drop)
    }

    /// The whole sign-in has succeeded: the account knows the browser. Strangers wait no
    /// longer if it was one of them; else they go on waiting, whoever they are.
    fn arrived(
        &self,
        transaction: &Transaction<'_>,
        person: i64,
        visit: &Visit,
    ) -> Result<Option<Zeroizing<String>>, Error> {
        let now_ms = self.host.now_ms();
        let token = visit.device.as_ref().map(|token| token.as_str());
        let device = device::remember(transaction, person, token, now_ms, &self.random())?;
        if device.is_some() {
            throttle::unlock(transaction, person, now_ms)?;
        }
        Ok(device)
    }

    /// A session for who gave a password or took a link: whole where there is nothing
    /// further to prove.
    fn begin(
        &self,
        transaction: &Transaction<'_>,
        owner: &H::Owner,
        visit: &Visit,
    ) -> Result<Begun, Error> {
        let policy = self.host.policy(transaction, owner)?;
        let stage = match (factor::is_set(transaction, owner.id())?, policy.must_have_factor) {
            (true, _) => Stage::Password,
            (false, true) => Stage::Enrol,
            (false, false) => Stage::Full,
        };
        let device = match stage {
            Stage::Full => self.arrived(transaction, owner.id(), visit)?,
            Stage::Password | Stage::Enrol => None,
        };
        self.own(transaction, owner, "session.begin", visit)?;
        let (now_ms, random) = (self.host.now_ms(), self.random());
        let token =
            session::begin(transaction, owner.id(), stage, visit.origin(), now_ms, &random)?;
        Ok(Begun { token, stage, device })
    }

    /// The same session with all rights.
    fn raise(
        &self,
        transaction: &Transaction<'_>,
        session: &Session,
        visit: &Visit,
    ) -> Result<Begun, Error> {
        let device = self.arrived(transaction, session.person, visit)?;
        let (now_ms, random) = (self.host.now_ms(), self.random());
        let token = session::raise(transaction, session.person, session.id, now_ms, &random)?;
        Ok(Begun { token, stage: Stage::Full, device })
    }

    /// Compares a password of an account, if it is to be looked at. Outside of any
    /// transaction, because it takes its time.
    fn compare(
        &self,
        account: Account,
        person: Option<i64>,
        given: &str,
        visit: &Visit,
    ) -> Result<Compared<'_>, Refusal> {
        let now_ms = self.host.now_ms();
        let (is_known, may_look) = self.host.read(|connection| {
            let known = known(connection, account, visit, now_ms)?;
            let may_look = throttle::may_look(connection, account, known.as_ref(), now_ms)?;
            Ok((known.is_some(), may_look))
        })?;
        if !may_look {
            return Err(Refusal::Wrong);
        }
        let mut place = self.hasher.place(is_known).ok_or(Refusal::Busy)?;
        let made = self.host.write(|transaction| -> Result<_, Error> {
            let Some(made) = self.attempt(transaction, account, visit)? else { return Ok(None) };
            Ok(Some((made, password::stored(transaction, person)?)))
        })?;
        let (made, hash) = made.ok_or(Refusal::Wrong)?;
        let fits = place.fits(given, &hash);
        Ok(Compared { made, hash, fits, place })
    }

    /// A password that is to be the next one, hashed; nothing is looked at that the rules
    /// refuse already.
    fn next_password(
        &self,
        person: i64,
        given: &str,
        place: &mut Place<'_>,
        rules: Vec<Rule>,
    ) -> Result<String, Refusal> {
        let held = self.host.read(|connection| password::remembered(connection, person))?;
        if held.iter().any(|hash| place.fits(given, hash)) {
            let why = "The password is one of your last five. Choose another.";
            return Err(Refusal::Password { why, rules });
        }
        Ok(place.hash(given, &self.random())?)
    }
}

/// A password that was compared.
struct Compared<'a> {
    made: Try,
    /// With what.
    hash: String,
    fits: bool,
    /// For what else there is to hash.
    place: Place<'a>,
}

/// Whether the account knows the browser. Nobody knows any.
fn known(
    connection: &Connection,
    account: Account,
    visit: &Visit,
    now_ms: i64,
) -> Result<Option<device::Known>, Error> {
    match (&visit.device, account.as_person()) {
        (Some(token), Some(person)) => device::known(connection, person, token, now_ms),
        _ => Ok(None),
    }
}

/// The rules for a password, where it was typed twice.
fn judged(given: &str, again: &str, words: &[&str]) -> Result<Vec<Rule>, Refusal> {
    let rules = password::rules(given, words);
    let why = match () {
        () if given != again => "The two passwords differ. Type the same twice.",
        () if rules.iter().any(|rule| !rule.is_kept) => "The password breaks a rule below.",
        () => return Ok(rules),
    };
    Err(Refusal::Password { why, rules })
}

/// The owner that a name or number is of, if the account is open from there.
fn open_owner<H: Host>(
    host: &H,
    connection: &Connection,
    who: Who<'_>,
    visit: &Visit,
) -> Result<Option<H::Owner>, Error> {
    Ok(host.owner(connection, who)?.filter(|owner| owner.is_open(&visit.address)))
}
