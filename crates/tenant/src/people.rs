//! The tenant as a host of sign-in: whose account is open, what is decided for it, and the
//! letters that its owner gets.

use countersign_signin::{Event, Factor, Host, Link, Owner, Policy, Who};
use countersign_vault::{seal, unseal};
use rusqlite::{Connection, Transaction};
use zeroize::Zeroizing;

use crate::settings::Settings;
use crate::tenant::Tenant;
use crate::users::{self, User};
use crate::{Error, addresses, letters};

type SigninError = countersign_signin::Error;

impl From<Error> for SigninError {
    fn from(error: Error) -> Self {
        Self::Host(error.to_string())
    }
}

impl Owner for User {
    fn id(&self) -> i64 {
        self.id
    }

    fn guid(&self) -> &str {
        &self.guid
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn words(&self) -> Vec<&str> {
        vec![&self.first_name, &self.last_name, &self.name, &self.email]
    }

    fn is_open(&self, address: &str) -> bool {
        self.is_open()
            && (!self.ip_restricted
                || address.parse().is_ok_and(|ip| addresses::is_allowed(ip, &self.allowed_ips)))
    }
}

impl Host for Tenant {
    type Owner = User;

    fn now_ms(&self) -> i64 {
        self.now()
    }

    fn fill(&self, buffer: &mut [u8]) {
        (self.random())(buffer);
    }

    fn read<T>(
        &self,
        act: impl FnOnce(&Connection) -> Result<T, SigninError>,
    ) -> Result<T, SigninError> {
        self.database().read(act)
    }

    fn write<T, E: From<SigninError> + From<rusqlite::Error>>(
        &self,
        act: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.database().write(act)
    }

    fn owner(&self, connection: &Connection, who: Who<'_>) -> Result<Option<User>, SigninError> {
        Ok(match who {
            Who::Id(id) => users::user_by(connection, "id", &id.to_string())?,
            Who::Name(name) => users::user_by(connection, "name", name)?,
        })
    }

    fn policy(&self, connection: &Connection, user: &User) -> Result<Policy, SigninError> {
        let settings = Settings::read(connection)?;
        Ok(Policy {
            must_have_factor: settings.must_have_factor(user),
            sessions: settings.sessions(),
            password_life_ms: Some(settings.password_life_ms()),
        })
    }

    fn seal(&self, person: i64, secret: &[u8]) -> Vec<u8> {
        seal(self.master(), &factor_of(person), secret, &**self.random())
    }

    fn unseal(&self, person: i64, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        unseal(self.master(), &factor_of(person), sealed).ok()
    }

    /// Without a console no link leads anywhere.
    fn sends_links(&self) -> bool {
        self.console_url().is_some()
    }

    fn send(
        &self,
        transaction: &Transaction<'_>,
        user: &User,
        link: Link<'_>,
        token: &str,
    ) -> Result<(), SigninError> {
        let console = self.console_url().unwrap_or_default();
        let url = format!("{console}/{}/{token}", link.purpose().as_str());
        let now_ms = self.now();
        Ok(match link {
            Link::Activate => letters::welcome(transaction, user, &url, now_ms),
            Link::Reset { is_by_admin } => {
                letters::reset(transaction, user, &url, is_by_admin, now_ms)
            }
            Link::Unlock { is_asked } => {
                letters::locked(transaction, user, &slowed(&user.name, is_asked), &url, now_ms)
            }
            Link::Address(address) => {
                letters::verify_address(transaction, user, address, &url, now_ms)
            }
        }?)
    }

    fn tell(
        &self,
        transaction: &Transaction<'_>,
        user: &User,
        event: Event<'_>,
    ) -> Result<(), SigninError> {
        let (kind, what) = happened(&user.name, event);
        Ok(letters::happened(transaction, user, kind, &what, self.now())?)
    }

    fn set_address(
        &self,
        transaction: &Transaction<'_>,
        person: i64,
        address: &str,
    ) -> Result<(), SigninError> {
        Ok(users::set_email(transaction, person, address)?)
    }

    fn chose_password(
        &self,
        transaction: &Transaction<'_>,
        person: i64,
    ) -> Result<(), SigninError> {
        Ok(users::forget_first_password(transaction, person)?)
    }

    /// Administrators make accounts; no link is for somebody who has none.
    fn admit(
        &self,
        _: &Transaction<'_>,
        _: User,
        _: &str,
    ) -> Result<Result<User, String>, SigninError> {
        Ok(Err("there is no such account".into()))
    }
}

/// What the secret of a second factor is sealed for.
fn factor_of(person: i64) -> Vec<u8> {
    format!("second factor of {person}").into_bytes()
}

fn slowed(name: &str, is_asked: bool) -> String {
    let begin = match is_asked {
        true => format!("Somebody asked to unlock the account {name}."),
        false => format!("Sign-in to the account {name} failed five times in a row."),
    };
    format!(
        "{begin} A browser that the account does not know now waits before each try: \
         a minute, then longer each time."
    )
}

/// What a letter about something that happened says.
fn happened(name: &str, event: Event<'_>) -> (letters::Kind, String) {
    match event {
        Event::NotSlowed => (
            letters::NOT_LOCKED,
            format!(
                "Somebody asked to unlock the account {name}. \
                 It is not locked: nothing has to be done."
            ),
        ),
        Event::PasswordChanged => {
            (letters::PASSWORD_CHANGED, format!("The password of the account {name} was changed."))
        }
        Event::FactorSet(factor) => {
            let what = match factor {
                Factor::App => "An app",
                Factor::Passkey => "A passkey",
            };
            let text = format!("{what} was set up as second factor of the account {name}.");
            (letters::MFA_ENROLLED, text)
        }
        Event::FactorRemoved => {
            (letters::MFA_RESET, format!("A second factor of the account {name} was removed."))
        }
        Event::CodesRenewed => {
            (letters::MFA_ENROLLED, format!("New recovery codes were made for the account {name}."))
        }
        Event::AddressWished(address) => (
            letters::ADDRESS_CHANGED,
            format!(
                "The e-mail address of the account {name} is to change to {address}, \
                 once it is verified."
            ),
        ),
        Event::AddressChanged(address) => (
            letters::ADDRESS_CHANGED,
            format!("The e-mail address of the account {name} is {address}."),
        ),
    }
}
