//! Another password, by who has the present one.

use zeroize::Zeroizing;

use super::{Compared, Outcome, Refusal, Seat, Signin, judged};
use crate::host::{Event, Host, Owner, Visit};
use crate::{device, password, session};

impl<H: Host> Signin<H> {
    /// Changes the password: the present one must fit. Other sessions end, and no other
    /// browser is known any longer. Answers a token for the cookie of this one.
    ///
    /// A fresh proof is asked for, but not of one that has lapsed: it could not be given.
    pub fn change_password(
        &self,
        seat: &Seat<H::Owner>,
        present: &str,
        (given, again): (&str, &str),
        visit: &Visit,
    ) -> Result<Zeroizing<String>, Refusal> {
        if !seat.is_in() {
            return Err(Refusal::Over);
        }
        if !seat.is_lapsed && !seat.session.is_privileged(self.host.now_ms()) {
            return Err(Refusal::Unproven);
        }
        let person = seat.session.person;
        let rules = judged(given, again, &seat.owner.words())?;
        let mut compared = self.present(seat, present, visit)?;
        let next = match compared.fits {
            true => Some(self.next_password(person, given, &mut compared.place, rules)),
            false => None,
        };
        let Compared { made, hash, place, .. } = compared;
        drop(place);
        self.host.write(|transaction| -> Outcome<_> {
            let session = self.current(transaction, seat)?;
            let is_it = password::stored(transaction, Some(person))? == hash;
            let Some(next) = next.filter(|_| is_it) else {
                return Ok(Err(self.failed(transaction, seat, Some(&made), visit)?));
            };
            self.right(transaction, &made)?;
            let next = match next {
                Ok(next) => next,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let now_ms = self.host.now_ms();
            password::set(transaction, person, &next, now_ms)?;
            session::end_others(transaction, person, Some(session.id))?;
            device::forget_all(transaction, person)?;
            self.host.chose_password(transaction, person)?;
            self.own(transaction, &seat.owner, "password.change", visit)?;
            self.host.tell(transaction, &seat.owner, Event::PasswordChanged)?;
            Ok(Ok(device::make(transaction, person, now_ms, &self.random())?))
        })?
    }
}
