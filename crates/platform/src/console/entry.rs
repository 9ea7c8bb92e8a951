//! The way in: sign-in, second factor, activation, forgotten passwords, setting up
//! a second factor, and the way out.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use countersign_signin::password::{self, Rule};
use countersign_signin::session::{self, Stage};
use countersign_signin::ticket::{self, Purpose};
use countersign_signin::{factor, throttle};
use rusqlite::Transaction;

use super::Console;
use super::web::{Form, Frame, Stop, Visitor, enter, go, leave};
use crate::state::AppState;
use countersign_tenant::Error;
use countersign_tenant::letters;
use countersign_tenant::users::{self, User};

/// What went wrong, in one sentence, and what to do about it.
pub(super) type Complaint = Option<&'static str>;

/// The same for a wrong name, a wrong password, a locked and a disabled account.
pub(super) const REFUSED: &str = "User name and password do not fit, or the account is not open for sign-in. \
    After five failures in a row wait for 30 minutes.";

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    frame: Frame,
    complaint: Complaint,
    user_name: String,
}

pub(super) async fn show_sign_in(visitor: Visitor) -> Result<Response, Stop> {
    let page =
        SignIn { frame: visitor.frame("Sign in"), complaint: None, user_name: String::new() };
    visitor.page(200, &page)
}

pub(super) async fn sign_in(State(console): State<Console>, form: Form) -> Result<Response, Stop> {
    let (name, given) = (form.text("user_name"), form.secret("password"));
    let (visitor, app) = (form.visitor, console.app.clone());
    console.count(&visitor)?;
    let (address, now_ms) = (visitor.address.clone(), visitor.now_ms);
    let wanted = name.clone();
    let (user, is_locked, hash) = app
        .read(move |connection, _| -> Result<_, Error> {
            let user = users::user_by(connection, "name", wanted.trim())?;
            let person = user.as_ref().map(|user| user.id);
            let locked = throttle::locked_until(connection, person, &address, now_ms)?;
            Ok((user, locked.is_some(), password::stored(connection, person)?))
        })
        .await?;
    let fits = console.fits(given, hash).await;
    let is_open = |user: &User| {
        user.active
            && user.login_enabled
            && (!user.ip_restricted
                || visitor.address.parse().is_ok_and(|ip| {
                    countersign_tenant::addresses::is_allowed(ip, &user.allowed_ips)
                }))
    };
    let person = user.as_ref().map(|user| user.id);
    let welcome = user.filter(|user| fits && !is_locked && is_open(user));
    let Some(user) = welcome else {
        let visitor = refuse(&console, visitor, person, name.clone(), is_locked).await?;
        let page =
            SignIn { frame: visitor.frame("Sign in"), complaint: Some(REFUSED), user_name: name };
        return visitor.page(401, &page);
    };
    let token = app
        .write(move |transaction, state| -> Result<_, Error> {
            throttle::succeeded(transaction, user.id, &visitor.address)?;
            let has_factor = factor::is_set(transaction, user.id)?;
            let stage = next_stage(has_factor, state.must_have_factor(transaction, &user)?);
            visitor.note_as(transaction, &user.name, "session.begin", &user.name)?;
            let random = state.random();
            let origin = visitor.origin();
            Ok(session::begin(transaction, user.id, stage, origin, visitor.now_ms, &**random)?)
        })
        .await?;
    Ok(enter(go("/credentials"), &token))
}

/// How far a right password brings somebody.
fn next_stage(has_factor: bool, must_have_factor: bool) -> Stage {
    match (has_factor, must_have_factor) {
        (true, _) => Stage::Password,
        (false, true) => Stage::Enrol,
        (false, false) => Stage::Full,
    }
}

/// Why a password is not taken.
pub(super) fn complaint_about(is_same: bool, rules: &[Rule], was_used: bool) -> Complaint {
    match () {
        () if !is_same => Some("The two passwords differ. Type the same twice."),
        () if rules.iter().any(|rule| !rule.is_kept) => Some("The password breaks a rule below."),
        () if was_used => Some("The password is one of your last five. Choose another."),
        () => None,
    }
}

/// Counts a failure and tells the owner when it locks.
async fn refuse(
    console: &Console,
    visitor: Visitor,
    person: Option<i64>,
    name: String,
    is_locked: bool,
) -> Result<Visitor, Stop> {
    console
        .app
        .write(move |transaction, state| -> Result<_, Error> {
            let now_ms = visitor.now_ms;
            let target: String = name.chars().take(100).collect();
            visitor.note_as(transaction, "", "session.refuse", &target)?;
            if !is_locked && throttle::failed(transaction, person, &visitor.address, now_ms)? {
                tell_locked(transaction, state, person, &visitor)?;
            }
            Ok(visitor)
        })
        .await
        .map_err(Stop::from)
}

pub(super) fn tell_locked(
    transaction: &Transaction<'_>,
    state: &AppState,
    person: Option<i64>,
    visitor: &Visitor,
) -> Result<(), Error> {
    let Some(person) = person else { return Ok(()) };
    let Some(user) = users::user_by(transaction, "id", &person.to_string())? else {
        return Ok(());
    };
    let what = format!(
        "After five failures the address {} cannot sign in to the account {} for 30 minutes.",
        visitor.address, user.name
    );
    state.tell_locked(transaction, &user, &what)
}

pub(super) async fn sign_out(State(console): State<Console>, form: Form) -> Result<Response, Stop> {
    let visitor = form.visitor;
    if let Some((session, user)) = visitor.session.clone() {
        console
            .app
            .write(move |transaction, _| -> Result<_, Error> {
                session::end(transaction, user.id, session.id)?;
                visitor.note_as(transaction, &user.name, "session.end", &user.name)
            })
            .await?;
    }
    Ok(leave(go("/sign-in")))
}

#[derive(Template)]
#[template(path = "password.html")]
struct Password {
    frame: Frame,
    complaint: Complaint,
    user_name: String,
    rules: Vec<Rule>,
    /// Whether a password was tried: only then rules are kept or broken.
    is_tried: bool,
}

#[derive(Template)]
#[template(path = "spent.html")]
struct Spent {
    frame: Frame,
    what: &'static str,
}

fn spent(visitor: &Visitor, purpose: Purpose) -> Result<Response, Stop> {
    let what = match purpose {
        Purpose::Activate => {
            "The link was used, replaced by a newer one, or is older than 7 days. \
             Ask an administrator for another, or sign in."
        }
        Purpose::Reset | Purpose::Unlock => {
            "The link was used, replaced by a newer one, or is older than an hour. \
             Ask for another."
        }
        Purpose::Address => {
            "The link was used, replaced by a newer one, or is older than 7 days. \
             Give the address again on the page Profile."
        }
    };
    visitor.page(410, &Spent { frame: visitor.frame("The link is not good any more"), what })
}

/// Whose link it is.
async fn owner(
    console: &Console,
    purpose: Purpose,
    token: &str,
    now_ms: i64,
) -> Result<Option<User>, Stop> {
    let token = token.to_owned();
    let found = console
        .app
        .read(move |connection, _| -> Result<_, Error> {
            let person = ticket::look(connection, purpose, &token, now_ms)?;
            match person {
                Some(person) => users::user_by(connection, "id", &person.to_string()),
                None => Ok(None),
            }
        })
        .await?;
    Ok(found.filter(|user| user.active && user.login_enabled))
}

/// What a password must not hold.
pub(super) fn names(user: &User) -> [&str; 4] {
    [&user.first_name, &user.last_name, &user.name, &user.email]
}

/// A look changes nothing: scanners of mail open links.
async fn show_password(
    console: Console,
    visitor: Visitor,
    purpose: Purpose,
    token: String,
) -> Result<Response, Stop> {
    let Some(user) = owner(&console, purpose, &token, visitor.now_ms).await? else {
        return spent(&visitor, purpose);
    };
    let page = Password {
        frame: visitor.frame(title(purpose)),
        complaint: None,
        rules: password::rules("", &[]),
        user_name: user.name,
        is_tried: false,
    };
    visitor.page(200, &page)
}

fn title(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Activate => "Activate your account",
        Purpose::Reset => "Choose a new password",
        Purpose::Unlock => "Unlock your account",
        Purpose::Address => "Verify your e-mail address",
    }
}

async fn set_password(
    console: Console,
    form: Form,
    purpose: Purpose,
    token: String,
) -> Result<Response, Stop> {
    let (given, again) = (form.secret("password"), form.secret("again"));
    let visitor = form.visitor;
    let Some(user) = owner(&console, purpose, &token, visitor.now_ms).await? else {
        return spent(&visitor, purpose);
    };
    let rules = password::rules(&given, &names(&user));
    let id = user.id;
    let tried = given.clone();
    let was_used = console
        .app
        .read(move |connection, _| password::was_used(connection, id, &tried).map_err(Error::from))
        .await?;
    let complaint = complaint_about(given == again, &rules, was_used);
    if complaint.is_some() {
        let frame = visitor.frame(title(purpose));
        let page = Password { frame, complaint, user_name: user.name, rules, is_tried: true };
        return visitor.page(422, &page);
    }
    let hash = console.hash(given).await?;
    let (visitor, begun) = console
        .app
        .write(move |transaction, state| -> Result<_, Error> {
            let now_ms = visitor.now_ms;
            if ticket::spend(transaction, purpose, &token, now_ms)? != Some(user.id) {
                return Ok((visitor, None));
            }
            password::set(transaction, user.id, &hash, now_ms)?;
            session::end_others(transaction, user.id, None)?;
            throttle::unlock(transaction, user.id)?;
            users::forget_first_password(transaction, user.id)?;
            let act = match purpose {
                Purpose::Activate => "account.activate",
                _ => "password.reset",
            };
            visitor.note_as(transaction, &user.name, act, &user.name)?;
            let has_factor = factor::is_set(transaction, user.id)?;
            let stage = next_stage(has_factor, state.must_have_factor(transaction, &user)?);
            let (origin, random) = (visitor.origin(), state.random());
            let token = session::begin(transaction, user.id, stage, origin, now_ms, &**random)?;
            Ok((visitor, Some((token, has_factor))))
        })
        .await?;
    match begun {
        Some((token, true)) => Ok(enter(go("/second-factor"), &token)),
        Some((token, false)) => Ok(enter(go("/enrol"), &token)),
        None => spent(&visitor, purpose),
    }
}

pub(super) async fn show_activate(
    State(console): State<Console>,
    visitor: Visitor,
    Path(token): Path<String>,
) -> Result<Response, Stop> {
    show_password(console, visitor, Purpose::Activate, token).await
}

pub(super) async fn activate(
    State(console): State<Console>,
    Path(token): Path<String>,
    form: Form,
) -> Result<Response, Stop> {
    set_password(console, form, Purpose::Activate, token).await
}

pub(super) async fn show_reset(
    State(console): State<Console>,
    visitor: Visitor,
    Path(token): Path<String>,
) -> Result<Response, Stop> {
    show_password(console, visitor, Purpose::Reset, token).await
}

pub(super) async fn reset(
    State(console): State<Console>,
    Path(token): Path<String>,
    form: Form,
) -> Result<Response, Stop> {
    set_password(console, form, Purpose::Reset, token).await
}

#[derive(Template)]
#[template(path = "forgot.html")]
struct Forgot {
    frame: Frame,
    /// Where the form goes, and what it asks for.
    action: &'static str,
    lead: &'static str,
    is_sent: bool,
}

fn forgot_page(visitor: &Visitor, is_sent: bool) -> Forgot {
    Forgot {
        frame: visitor.frame("Forgot your password"),
        action: "/forgot",
        lead: "A mail with a link goes to the address of the account. \
            The link is good for an hour.",
        is_sent,
    }
}

pub(super) async fn show_forgot(visitor: Visitor) -> Result<Response, Stop> {
    visitor.page(200, &forgot_page(&visitor, false))
}

/// The same answer for a name that there is and one that there is not.
pub(super) async fn forgot(State(console): State<Console>, form: Form) -> Result<Response, Stop> {
    let name = form.text("user_name");
    let visitor = form.visitor;
    console.count(&visitor)?;
    let visitor = console
        .app
        .write(move |transaction, state| -> Result<_, Error> {
            let user = users::user_by(transaction, "name", name.trim())?;
            let target: String = name.chars().take(100).collect();
            visitor.note_as(transaction, "", "password.forget", &target)?;
            if let Some(user) = user.filter(|user| user.active && user.login_enabled) {
                state.send_password_link(transaction, &user, false)?;
            }
            Ok(visitor)
        })
        .await?;
    visitor.page(200, &forgot_page(&visitor, true))
}

fn locked_page(visitor: &Visitor, is_sent: bool) -> Forgot {
    Forgot {
        frame: visitor.frame("Account locked"),
        action: "/locked",
        lead: "After five failures an address cannot sign in to an account for 30 minutes. \
            A mail with a link that ends this goes to the address of the account.",
        is_sent,
    }
}

pub(super) async fn show_locked(visitor: Visitor) -> Result<Response, Stop> {
    visitor.page(200, &locked_page(&visitor, false))
}

/// The same answer whoever it is, locked or not.
pub(super) async fn locked(State(console): State<Console>, form: Form) -> Result<Response, Stop> {
    let name = form.text("user_name");
    let visitor = form.visitor;
    console.count(&visitor)?;
    let visitor = console
        .app
        .write(move |transaction, state| -> Result<_, Error> {
            let user = users::user_by(transaction, "name", name.trim())?;
            let target: String = name.chars().take(100).collect();
            visitor.note_as(transaction, "", "account.ask_unlock", &target)?;
            let Some(user) = user.filter(|user| user.active && user.login_enabled) else {
                return Ok(visitor);
            };
            let what = format!("Somebody asked to unlock the account {}.", user.name);
            if throttle::is_locked(transaction, user.id, visitor.now_ms)? {
                state.tell_locked(transaction, &user, &what)?;
            } else {
                let what = format!("{what} It is not locked: nothing has to be done.");
                let kind = letters::NOT_LOCKED;
                letters::happened(transaction, &user, kind, &what, visitor.now_ms)?;
            }
            Ok(visitor)
        })
        .await?;
    visitor.page(200, &locked_page(&visitor, true))
}

/// One button, for a link that a mail brought.
#[derive(Template)]
#[template(path = "confirm.html")]
struct Confirm {
    frame: Frame,
    what: String,
    button: &'static str,
}

async fn show_confirm(
    console: Console,
    visitor: Visitor,
    purpose: Purpose,
    token: String,
) -> Result<Response, Stop> {
    let Some(user) = owner(&console, purpose, &token, visitor.now_ms).await? else {
        return spent(&visitor, purpose);
    };
    let (what, button) = match purpose {
        Purpose::Unlock => (format!("The account {} can sign in again.", user.name), "Unlock"),
        _ => (format!("The address becomes the one of the account {}.", user.name), "Verify"),
    };
    visitor.page(200, &Confirm { frame: visitor.frame(title(purpose)), what, button })
}

pub(super) async fn show_unlock(
    State(console): State<Console>,
    visitor: Visitor,
    Path(token): Path<String>,
) -> Result<Response, Stop> {
    show_confirm(console, visitor, Purpose::Unlock, token).await
}

pub(super) async fn unlock(
    State(console): State<Console>,
    Path(token): Path<String>,
    form: Form,
) -> Result<Response, Stop> {
    let visitor = form.visitor;
    let (visitor, is_done) = console
        .app
        .write(move |transaction, _| -> Result<_, Error> {
            let spent = ticket::spend(transaction, Purpose::Unlock, &token, visitor.now_ms)?;
            let Some(person) = spent else { return Ok((visitor, false)) };
            throttle::unlock(transaction, person)?;
            let user = users::user_by(transaction, "id", &person.to_string())?;
            let name = user.map(|user| user.name).unwrap_or_default();
            visitor.note_as(transaction, &name, "account.unlock", &name)?;
            Ok((visitor, true))
        })
        .await?;
    if is_done { Ok(go("/sign-in")) } else { spent(&visitor, Purpose::Unlock) }
}

pub(super) async fn show_address(
    State(console): State<Console>,
    visitor: Visitor,
    Path(token): Path<String>,
) -> Result<Response, Stop> {
    show_confirm(console, visitor, Purpose::Address, token).await
}

/// The address is the owner's: from now on it is the account's. Both are told.
pub(super) async fn address(
    State(console): State<Console>,
    Path(token): Path<String>,
    form: Form,
) -> Result<Response, Stop> {
    let visitor = form.visitor;
    let (visitor, is_done) = console
        .app
        .write(move |transaction, _| -> Result<_, Error> {
            let now_ms = visitor.now_ms;
            let spent = ticket::spend(transaction, Purpose::Address, &token, now_ms)?;
            let Some(person) = spent else { return Ok((visitor, false)) };
            let wished = ticket::wished(transaction, person)?;
            let user = users::user_by(transaction, "id", &person.to_string())?;
            let (Some(wished), Some(before)) = (wished, user) else { return Ok((visitor, false)) };
            users::set_email(transaction, person, &wished)?;
            ticket::unwish(transaction, person)?;
            visitor.note_as(transaction, &before.name, "address.change", &wished)?;
            let what = format!("The e-mail address of the account {} is {wished}.", before.name);
            let after = User { email: wished, ..before.clone() };
            for user in [&before, &after] {
                letters::happened(transaction, user, letters::ADDRESS_CHANGED, &what, now_ms)?;
            }
            Ok((visitor, true))
        })
        .await?;
    if is_done { Ok(go("/profile")) } else { spent(&visitor, Purpose::Address) }
}
