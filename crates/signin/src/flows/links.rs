//! Links: asked for, looked at, and used to choose a password or to be let in again. A look
//! changes nothing, because scanners of mail open links.

use rusqlite::{Connection, Transaction};
use zeroize::Zeroizing;

use super::{Begun, Refusal, Signin, judged, open_owner};
use crate::host::{Event, Host, Link, Owner, Visit, Who};
use crate::ticket::{self, Purpose};
use crate::{Error, device, password, throttle};

/// What somebody asks a link for who cannot sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Another password.
    Password,
    /// To be let in while strangers wait.
    Entry,
}

/// Makes a link for an owner and sends it; false where the host sends none.
pub(super) fn send<H: Host>(
    host: &H,
    transaction: &Transaction<'_>,
    owner: &H::Owner,
    link: Link<'_>,
) -> Result<bool, Error> {
    if !host.sends_links() {
        return Ok(false);
    }
    let (now_ms, random) = (host.now_ms(), |buffer: &mut [u8]| host.fill(buffer));
    let token = ticket::issue(transaction, link.purpose(), owner.id(), now_ms, &random)?;
    host.send(transaction, owner, link, &token)?;
    Ok(true)
}

/// Sends the link by which an owner chooses the first password, or another one.
pub fn invite<H: Host>(
    host: &H,
    transaction: &Transaction<'_>,
    owner: &H::Owner,
    is_by_admin: bool,
) -> Result<(), Error> {
    let link = match password::is_set(transaction, owner.id())? {
        true => Link::Reset { is_by_admin },
        false => Link::Activate,
    };
    send(host, transaction, owner, link).map(drop)
}

impl<H: Host> Signin<H> {
    /// Sends a link to the owner of a name. Nothing of the answer says whether there is
    /// one, or whether a mail went out.
    pub fn ask_link(&self, name: &str, asked: Asked, visit: &Visit) -> Result<(), Error> {
        let (name, now_ms) = (name.trim(), self.host.now_ms());
        let found = |connection: &Connection| -> Result<_, Error> {
            let owner = self.host.owner(connection, Who::Name(name))?;
            let account = self.account(owner.as_ref().map(Owner::id), name);
            let owner = owner.filter(|owner| owner.is_open(&visit.address));
            Ok((owner, account))
        };
        // Where enough were sent, asking costs no transaction.
        let may_ask = self
            .host
            .read(|connection| throttle::may_ask(connection, found(connection)?.1, now_ms))?;
        if !may_ask {
            return Ok(());
        }
        self.host.write(|transaction| {
            let (owner, account) = found(transaction)?;
            if !throttle::ask(transaction, account, now_ms)? {
                return Ok(());
            }
            let act = match asked {
                Asked::Password => "password.forget",
                Asked::Entry => "account.ask_unlock",
            };
            self.refused(transaction, owner.as_ref(), act, name, visit)?;
            match (owner, asked) {
                (None, _) => Ok(()),
                (Some(owner), Asked::Password) => invite(&self.host, transaction, &owner, false),
                (Some(owner), Asked::Entry) => self.let_in(transaction, &owner),
            }
        })
    }

    fn let_in(&self, transaction: &Transaction<'_>, owner: &H::Owner) -> Result<(), Error> {
        match throttle::is_slowed(transaction, owner.id(), self.host.now_ms())? {
            true => send(&self.host, transaction, owner, Link::Unlock { is_asked: true }).map(drop),
            false => self.host.tell(transaction, owner, Event::NotSlowed),
        }
    }

    /// Whose link it is.
    pub fn look(&self, purpose: Purpose, token: &str, visit: &Visit) -> Result<H::Owner, Refusal> {
        self.host
            .read(|connection| self.of_link(connection, purpose, token, visit))?
            .ok_or(Refusal::Spent)
    }

    fn of_link(
        &self,
        connection: &Connection,
        purpose: Purpose,
        token: &str,
        visit: &Visit,
    ) -> Result<Option<H::Owner>, Error> {
        match ticket::look(connection, purpose, token, self.host.now_ms())? {
            Some(id) => open_owner(&self.host, connection, Who::Id(id), visit),
            None => Ok(None),
        }
    }

    /// The same, used up.
    pub(super) fn spend(
        &self,
        transaction: &Transaction<'_>,
        purpose: Purpose,
        token: &str,
        visit: &Visit,
    ) -> Result<H::Owner, Refusal> {
        let owner = self.of_link(transaction, purpose, token, visit)?.ok_or(Refusal::Spent)?;
        ticket::spend(transaction, purpose, token, self.host.now_ms())?;
        Ok(owner)
    }

    /// Chooses a password by a link; `name` is for who has none yet ([`Host::admit`]). All
    /// sessions end, no browser but this one is known any longer, and strangers wait no
    /// more. A second factor stays, and is asked for.
    pub fn choose(
        &self,
        purpose: Purpose,
        token: &str,
        name: &str,
        (given, again): (&str, &str),
        visit: &Visit,
    ) -> Result<Begun, Refusal> {
        let owner = self.look(purpose, token, visit)?;
        let rules = judged(given, again, &[&owner.words()[..], &[name]].concat())?;
        let mut place = self.hasher.place(true).ok_or(Refusal::Busy)?;
        let hash = self.next_password(owner.id(), given, &mut place, rules)?;
        drop(place);
        self.host.write(|transaction| {
            let owner = self.spend(transaction, purpose, token, visit)?;
            let owner = match owner.id() {
                0 => self.host.admit(transaction, owner, name)?.map_err(Refusal::Name)?,
                _ => owner,
            };
            let (person, now_ms) = (owner.id(), self.host.now_ms());
            password::set(transaction, person, &hash, now_ms)?;
            self.host.chose_password(transaction, person)?;
            crate::close(transaction, person)?;
            let act = match purpose {
                Purpose::Activate => "account.activate",
                _ => "password.reset",
            };
            self.own(transaction, &owner, act, visit)?;
            let device = self.let_through(transaction, person)?;
            let visit = Visit { device: Some(device.clone()), ..visit.clone() };
            let begun = self.begin(transaction, &owner, &visit)?;
            Ok(Begun { device: Some(device), ..begun })
        })
    }

    /// Lets an owner in again: strangers wait no more, and the account knows the browser.
    /// Answers the token for its cookie.
    pub fn unlock(&self, token: &str, visit: &Visit) -> Result<Zeroizing<String>, Refusal> {
        self.host.write(|transaction| {
            let owner = self.spend(transaction, Purpose::Unlock, token, visit)?;
            self.own(transaction, &owner, "account.unlock", visit)?;
            Ok(self.let_through(transaction, owner.id())?)
        })
    }

    /// Who used a link that went to the owner alone has a browser that the account knows:
    /// strangers who go on failing do not keep it out.
    fn let_through(
        &self,
        transaction: &Transaction<'_>,
        person: i64,
    ) -> Result<Zeroizing<String>, Error> {
        let now_ms = self.host.now_ms();
        throttle::unlock(transaction, person, now_ms)?;
        device::make(transaction, person, now_ms, &self.random())
    }
}
