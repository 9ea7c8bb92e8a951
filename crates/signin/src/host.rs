//! What sign-in asks of the program that it is a part of, and what it says to it.

use rusqlite::{Connection, Transaction};
use zeroize::Zeroizing;

use crate::Error;
use crate::session::{Limits, Origin};
use crate::ticket::Purpose;

/// Somebody who can sign in, as the host knows them.
pub trait Owner: Clone {
    /// The host's number for the person; more than 0, but for [`Host::admit`].
    fn id(&self) -> i64;

    /// A UUID that stays with the person, for passkeys.
    fn guid(&self) -> &str;

    /// What the person signs in with.
    fn name(&self) -> &str;

    /// What a password must not hold.
    fn words(&self) -> Vec<&str>;

    /// Whether the account is open for somebody at this network address.
    fn is_open(&self, address: &str) -> bool;
}

/// Who is looked for.
#[derive(Debug, Clone, Copy)]
pub enum Who<'a> {
    /// By the number.
    Id(i64),
    /// By what was typed.
    Name(&'a str),
}

/// What the host decides for one person.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Whether there has to be a second factor.
    pub must_have_factor: bool,
    /// When sessions end by themselves.
    pub sessions: Limits,
    /// After which a password has to be changed; none for never.
    pub password_life_ms: Option<i64>,
}

/// What a link that an owner is sent is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link<'a> {
    /// Lets the owner in while strangers wait, because they fail or because somebody asks.
    Unlock {
        /// Whether somebody asked.
        is_asked: bool,
    },
    /// The first password.
    Activate,
    /// Another password.
    Reset {
        /// Whether an administrator sends it.
        is_by_admin: bool,
    },
    /// This address is to become the owner's; the link goes there.
    Address(&'a str),
}

impl Link<'_> {
    /// Under which tokens of it are kept.
    pub fn purpose(self) -> Purpose {
        match self {
            Self::Unlock { .. } => Purpose::Unlock,
            Self::Activate => Purpose::Activate,
            Self::Reset { .. } => Purpose::Reset,
            Self::Address(_) => Purpose::Address,
        }
    }
}

/// What happened to an account, so that its owner sees what was not meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// Somebody asked to be let in, and nobody is kept out.
    NotSlowed,
    /// There is another password.
    PasswordChanged,
    /// A second factor was set up.
    FactorSet(Factor),
    /// A second factor was removed.
    FactorRemoved,
    /// There are new recovery codes.
    CodesRenewed,
    /// An address is to become the account's, once it is verified.
    AddressWished(&'a str),
    /// The address is now this one.
    AddressChanged(&'a str),
}

/// Kinds of second factors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Factor {
    /// An app that shows codes.
    App,
    /// A passkey.
    Passkey,
}

/// The program that people sign in to.
pub trait Host {
    /// Its people.
    type Owner: Owner;

    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> i64;

    /// Fills the whole buffer with random bytes.
    fn fill(&self, buffer: &mut [u8]);

    /// Reads the database that has the tables of [`crate::prepare`].
    fn read<T>(&self, act: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error>;

    /// The same in one transaction, which is undone by an error.
    fn write<T, E: From<Error> + From<rusqlite::Error>>(
        &self,
        act: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E>;

    /// Somebody, open for sign-in or not.
    fn owner(&self, connection: &Connection, who: Who<'_>) -> Result<Option<Self::Owner>, Error>;

    /// What is decided for a person.
    fn policy(&self, connection: &Connection, owner: &Self::Owner) -> Result<Policy, Error>;

    /// Closes the secret of a person's second factor.
    fn seal(&self, person: i64, secret: &[u8]) -> Vec<u8>;

    /// Opens it; none when it is not this person's.
    fn unseal(&self, person: i64, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>>;

    /// Whether links can be sent to owners. Where not, none is made by itself.
    fn sends_links(&self) -> bool;

    /// Sends a link with this token, in the transaction in which it was made.
    fn send(
        &self,
        transaction: &Transaction<'_>,
        owner: &Self::Owner,
        link: Link<'_>,
        token: &str,
    ) -> Result<(), Error>;

    /// Tells an owner what happened, in the transaction in which it happens.
    fn tell(
        &self,
        transaction: &Transaction<'_>,
        owner: &Self::Owner,
        event: Event<'_>,
    ) -> Result<(), Error>;

    /// Takes another address over; for hosts that have any.
    fn set_address(
        &self,
        transaction: &Transaction<'_>,
        person: i64,
        address: &str,
    ) -> Result<(), Error>;

    /// A person has chosen a password.
    fn chose_password(&self, transaction: &Transaction<'_>, person: i64) -> Result<(), Error>;

    /// Makes an account of an owner that a link was for and that is none yet: one with the
    /// id 0. `name` was typed; the answer of the inner kind says why it cannot be.
    fn admit(
        &self,
        transaction: &Transaction<'_>,
        owner: Self::Owner,
        name: &str,
    ) -> Result<Result<Self::Owner, String>, Error>;
}

/// Where a request comes from. No `Debug`: it holds a token.
#[derive(Clone, Default)]
pub struct Visit {
    /// Network address.
    pub address: String,
    /// What the browser calls itself.
    pub agent: String,
    /// The token by which accounts know the browser.
    pub device: Option<Zeroizing<String>>,
}

impl Visit {
    pub(crate) fn origin(&self) -> Origin<'_> {
        Origin { address: &self.address, agent: &self.agent }
    }
}
