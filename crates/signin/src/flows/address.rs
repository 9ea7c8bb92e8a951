//! Another address for mail: it counts once its owner says so by the link that goes there.

use rusqlite::Transaction;

use super::links::send;
use super::{Refusal, Signin};
use crate::Error;
use crate::host::{Event, Host, Link, Owner, Visit, Who};
use crate::ticket::{self, Purpose};

/// Sends the link to an address that is to become an owner's, and tells the one before.
/// Where no links are sent, it is taken over at once.
pub fn wish_address<H: Host>(
    host: &H,
    transaction: &Transaction<'_>,
    owner: &H::Owner,
    address: &str,
) -> Result<(), Error> {
    if !send(host, transaction, owner, Link::Address(address))? {
        return host.set_address(transaction, owner.id(), address);
    }
    ticket::wish(transaction, owner.id(), address)?;
    host.tell(transaction, owner, Event::AddressWished(address))
}

impl<H: Host> Signin<H> {
    /// The address is the owner's: from now on it is the account's. Both are told.
    pub fn verify_address(&self, token: &str, visit: &Visit) -> Result<(), Refusal> {
        self.host.write(|transaction| {
            let before = self.spend(transaction, Purpose::Address, token, visit)?;
            let wished = ticket::wished(transaction, before.id())?.ok_or(Refusal::Spent)?;
            self.host.set_address(transaction, before.id(), &wished)?;
            ticket::unwish(transaction, before.id())?;
            self.note(transaction, before.name(), "address.change", &wished, visit)?;
            let after = self.host.owner(transaction, Who::Id(before.id()))?;
            for owner in [Some(before), after].iter().flatten() {
                self.host.tell(transaction, owner, Event::AddressChanged(&wished))?;
            }
            Ok(())
        })
    }
}
