//! Links that mails bring: to a first or another password, and to another address.

use countersign_signin::password;
use countersign_signin::ticket::{self, Purpose};

use crate::act::Change;
use crate::users::{self, User};
use crate::{Error, letters};

/// A single-use link; none without a console.
pub(crate) fn issue(
    change: &Change<'_>,
    purpose: Purpose,
    user: &User,
) -> Result<Option<String>, Error> {
    let Some(console) = change.tenant.console_url() else { return Ok(None) };
    let random = &**change.tenant.random();
    let token = ticket::issue(change.transaction, purpose, user.id, change.now_ms, random)?;
    Ok(Some(format!("{console}/{}/{}", purpose.as_str(), *token)))
}

/// Sends the link that leads to a password: the first one by a welcome, another one on
/// request.
pub(crate) fn to_password(
    change: &Change<'_>,
    user: &User,
    is_by_admin: bool,
) -> Result<(), Error> {
    let is_reset = password::is_set(change.transaction, user.id)?;
    let purpose = if is_reset { Purpose::Reset } else { Purpose::Activate };
    let Some(link) = issue(change, purpose, user)? else { return Ok(()) };
    if is_reset {
        return letters::reset(change.transaction, user, &link, is_by_admin, change.now_ms);
    }
    letters::welcome(change.transaction, user, &link, change.now_ms)
}

/// Asks the owner of another mail address whether it is theirs; the address before is
/// told. Without a console the address counts at once.
pub(crate) fn to_address(change: &Change<'_>, user: &User, address: &str) -> Result<(), Error> {
    let Some(link) = issue(change, Purpose::Address, user)? else {
        return Ok(users::set_email(change.transaction, user.id, address)?);
    };
    ticket::wish(change.transaction, user.id, address)?;
    letters::verify_address(change.transaction, user, address, &link, change.now_ms)?;
    let what = format!(
        "The e-mail address of the account {} is to change to {address}, once it is verified.",
        user.name
    );
    let kind = letters::ADDRESS_CHANGED;
    letters::happened(change.transaction, user, kind, &what, change.now_ms)
}
