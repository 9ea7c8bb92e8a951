//! The mails that the platform writes: each as text and as HTML, into the outbox, in the
//! transaction of what they are about.

use askama::Template;
use countersign_text::line;
use rusqlite::{Transaction, params};

use crate::Error;
use crate::act::Change;
use crate::user::User;

/// What a mail says: paragraphs, and where it leads one button.
#[derive(Template)]
#[template(path = "letter.html")]
struct Letter<'a> {
    subject: &'a str,
    greeting: &'a str,
    paragraphs: &'a [String],
    /// Words and address.
    button: Option<(&'a str, &'a str)>,
}

impl Letter<'_> {
    fn text(&self) -> String {
        let mut text = format!("{}\n", line(self.greeting));
        for paragraph in self.paragraphs {
            text.push_str(&format!("\n{}\n", line(paragraph)));
        }
        if let Some((words, address)) = self.button {
            text.push_str(&format!("\n{words}:\n{address}\n"));
        }
        text
    }

    fn put(
        &self,
        transaction: &Transaction<'_>,
        kind: &str,
        to: &str,
        now_ms: i64,
    ) -> Result<(), Error> {
        let html = self.render().map_err(|error| Error::template(error.to_string()))?;
        transaction.execute(
            "insert into outbox (kind, recipient, subject, body, html, due_ms)
             values (?, ?, ?, ?, ?, ?)",
            params![kind, to, self.subject, self.text(), html, now_ms],
        )?;
        Ok(())
    }
}

fn greeting(user: &User) -> String {
    format!("Hello {},", user.first_name)
}

/// The welcome, with the link that activates the account.
pub fn welcome(
    transaction: &Transaction<'_>,
    user: &User,
    link: &str,
    now_ms: i64,
) -> Result<(), Error> {
    let letter = Letter {
        subject: "Welcome to Veracode",
        greeting: &greeting(user),
        paragraphs: &[
            format!("An account was made for you. Its user name is {}.", user.name),
            "Activate it within 7 days: you choose a password, and set up a second factor.".into(),
        ],
        button: Some(("Activate Account", link)),
    };
    letter.put(transaction, "activation", &user.email, now_ms)
}

pub fn reset(
    transaction: &Transaction<'_>,
    user: &User,
    link: &str,
    is_by_admin: bool,
    now_ms: i64,
) -> Result<(), Error> {
    let who = if is_by_admin { "An administrator" } else { "Somebody, you perhaps," };
    let letter = Letter {
        subject: "Reset your password",
        greeting: &greeting(user),
        paragraphs: &[
            format!("{who} asked for a new password for the account {}.", user.name),
            "The link is good for an hour. If it was not you, nothing has to be done.".into(),
        ],
        button: Some(("Choose a new password", link)),
    };
    letter.put(transaction, "password_reset", &user.email, now_ms)
}

/// What a mail about something that happened is: machine name and subject.
#[derive(Clone, Copy)]
pub struct Kind(&'static str, &'static str);

pub const PASSWORD_CHANGED: Kind = Kind("password_changed", "Password changed");
pub const MFA_ENROLLED: Kind = Kind("mfa_enrolled", "Second factor set up");
pub const MFA_RESET: Kind = Kind("mfa_reset", "Second factor reset");
pub const CREDENTIALS_GENERATED: Kind = Kind("credentials_generated", "API credentials generated");
pub const CREDENTIALS_REVOKED: Kind = Kind("credentials_revoked", "API credentials revoked");
pub const ADDRESS_CHANGED: Kind = Kind("email_changed", "E-mail address changed");
pub const NOT_LOCKED: Kind = Kind("unlock_not_locked", "Your account is not locked");

/// A thing that happened to an account, so that its owner sees what was not meant.
pub fn happened(
    transaction: &Transaction<'_>,
    user: &User,
    Kind(kind, subject): Kind,
    what: &str,
    now_ms: i64,
) -> Result<(), Error> {
    let letter = Letter {
        subject,
        greeting: &greeting(user),
        paragraphs: &[what.to_owned(), "If this was not you, inform an administrator.".into()],
        button: None,
    };
    letter.put(transaction, kind, &user.email, now_ms)
}

/// API credentials of a user were generated, by whomever: `kind` is HMAC or OAuth.
pub fn credentials_generated(
    change: &Change<'_>,
    user: &User,
    kind: &str,
    id: &str,
) -> Result<(), Error> {
    let what = format!("{kind} credentials {id} were generated for the account {}.", user.name);
    happened(change.transaction, user, CREDENTIALS_GENERATED, &what, change.now_ms)
}

/// API credentials of a user were revoked.
pub fn credentials_revoked(
    change: &Change<'_>,
    user: &User,
    kind: &str,
    id: &str,
) -> Result<(), Error> {
    let what = format!("The {kind} credentials {id} of the account {} were revoked.", user.name);
    happened(change.transaction, user, CREDENTIALS_REVOKED, &what, change.now_ms)
}

/// Strangers wait, because they failed or because somebody asked: with the link that lets
/// the owner in.
pub fn locked(
    transaction: &Transaction<'_>,
    user: &User,
    what: &str,
    link: &str,
    now_ms: i64,
) -> Result<(), Error> {
    let letter = Letter {
        subject: "Sign-in locked",
        greeting: &greeting(user),
        paragraphs: &[
            what.to_owned(),
            "The link ends that for the browser in which you open it, and is good for an hour. \
             If it was not you who failed, choose another password."
                .into(),
        ],
        button: Some(("Unlock the account", link)),
    };
    letter.put(transaction, "account_locked", &user.email, now_ms)
}

/// To an address that is to become the account's.
pub fn verify_address(
    transaction: &Transaction<'_>,
    user: &User,
    address: &str,
    link: &str,
    now_ms: i64,
) -> Result<(), Error> {
    let letter = Letter {
        subject: "Verify your e-mail address",
        greeting: &greeting(user),
        paragraphs: &[
            format!("{address} is to become the e-mail address of the account {}.", user.name),
            "The link is good for 7 days. Without it the address stays as it is.".into(),
        ],
        button: Some(("Verify the address", link)),
    };
    letter.put(transaction, "verify_email", address, now_ms)
}
