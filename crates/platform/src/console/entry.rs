//! The way in: sign-in, second factor, activation, forgotten passwords, setting up
//! a second factor, and the way out.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_accounts::password::{self, Rule};
use countersign_accounts::session::{self, Stage};
use countersign_accounts::ticket::{self, Purpose};
use countersign_accounts::{recovery, throttle, totp};
use data_encoding::BASE64URL_NOPAD;
use rusqlite::Transaction;
use zeroize::Zeroizing;

use super::Console;
use super::web::{Form, Frame, Person, Stop, Visitor, enter, go, leave};
use crate::accounts::{self, User};
use crate::rest::query::Query;
use crate::{Error, letters};

/// What went wrong, in one sentence, and what to do about it.
pub(super) type Complaint = Option<&'static str>;

/// The same for a wrong name, a wrong password, a locked and a disabled account.
const REFUSED: &str = "User name and password do not fit, or the account is not open for sign-in. \
    After five failures in a row wait for 30 minutes.";
const WRONG_CODE: &str = "The code does not fit, or it was used before. Wait for the next one; \
    after five failures in a row wait for 30 minutes.";

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
    let (address, now_ms) = (visitor.address.clone(), visitor.now_ms);
    let wanted = name.clone();
    let (user, is_locked, hash) = app
        .read(move |connection, _| -> Result<_, Error> {
            let user = accounts::user_by(connection, "name", wanted.trim())?;
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
                || visitor
                    .address
                    .parse()
                    .is_ok_and(|ip| crate::caller::is_allowed(ip, &user.allowed_ips)))
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
            let has_factor = totp::sealed(transaction, user.id)?.is_some();
            let stage = next_stage(has_factor, user.pin_required);
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
        .write(move |transaction, _| -> Result<_, Error> {
            let now_ms = visitor.now_ms;
            let target: String = name.chars().take(100).collect();
            visitor.note_as(transaction, "", "session.refuse", &target)?;
            if !is_locked && throttle::failed(transaction, person, &visitor.address, now_ms)? {
                tell_locked(transaction, person, &visitor)?;
            }
            Ok(visitor)
        })
        .await
        .map_err(Stop::from)
}

fn tell_locked(
    transaction: &Transaction<'_>,
    person: Option<i64>,
    visitor: &Visitor,
) -> Result<(), Error> {
    let Some(person) = person else { return Ok(()) };
    let Some(user) = accounts::user_by(transaction, "id", &person.to_string())? else {
        return Ok(());
    };
    let what = format!(
        "After five failures the address {} cannot sign in to the account {} for 30 minutes.",
        visitor.address, user.name
    );
    letters::happened(transaction, &user, "account_locked", "Sign-in locked", &what, visitor.now_ms)
}

#[derive(Template)]
#[template(path = "code.html")]
struct Code {
    frame: Frame,
    complaint: Complaint,
    /// Where the form goes, and where it leads on.
    action: &'static str,
    next: String,
    /// Without a second factor the password is asked for.
    asks_password: bool,
}

pub(super) async fn show_second_factor(visitor: Visitor) -> Result<Response, Stop> {
    waiting(&visitor)?;
    visitor.page(200, &second_factor_page(&visitor, None))
}

fn second_factor_page(visitor: &Visitor, complaint: Complaint) -> Code {
    Code {
        frame: visitor.frame("Second factor"),
        complaint,
        action: "/second-factor",
        next: String::new(),
        asks_password: false,
    }
}

/// The person of a session that waits for its second factor.
fn waiting(visitor: &Visitor) -> Result<i64, Stop> {
    match &visitor.session {
        Some((session, _)) if session.stage == Stage::Password => Ok(session.person),
        Some(_) => Err(Stop::Go("/")),
        None => Err(Stop::SignIn),
    }
}

pub(super) async fn second_factor(
    State(console): State<Console>,
    form: Form,
) -> Result<Response, Stop> {
    waiting(&form.visitor)?;
    let code = form.secret("code");
    let (visitor, token) = proven(&console, form.visitor, code).await?;
    match token {
        Some(token) => Ok(enter(go("/credentials"), &token)),
        None => visitor.page(401, &second_factor_page(&visitor, Some(WRONG_CODE))),
    }
}

/// A code of the app, or a recovery code, makes a session whole and gives it a new
/// token.
async fn proven(
    console: &Console,
    visitor: Visitor,
    code: Zeroizing<String>,
) -> Result<(Visitor, Option<Zeroizing<String>>), Stop> {
    let (session, user) = visitor.session.clone().ok_or(Stop::SignIn)?;
    console
        .app
        .write(move |transaction, state| -> Result<_, Error> {
            let (person, now_ms) = (session.person, visitor.now_ms);
            let address = &visitor.address;
            if throttle::locked_until(transaction, Some(person), address, now_ms)?.is_some() {
                return Ok((visitor, None));
            }
            let secret = match totp::sealed(transaction, person)? {
                Some(sealed) => Some(state.accounts().unseal_factor(person, &sealed)?),
                None => None,
            };
            let by_app = match &secret {
                Some(secret) => totp::take(transaction, person, secret, &code, now_ms)?,
                None => false,
            };
            let is_proven = by_app || recovery::spend(transaction, person, &code)?;
            if !is_proven {
                visitor.note_as(transaction, &user.name, "factor.refuse", &user.name)?;
                if throttle::failed(transaction, Some(person), address, now_ms)? {
                    tell_locked(transaction, Some(person), &visitor)?;
                    session::end(transaction, person, session.id)?;
                }
                return Ok((visitor, None));
            }
            throttle::succeeded(transaction, person, address)?;
            let act = if by_app { "factor.take" } else { "factor.recover" };
            visitor.note_as(transaction, &user.name, act, &user.name)?;
            let token = session::raise(transaction, session.id, now_ms, &**state.random())?;
            Ok((visitor, Some(token)))
        })
        .await
        .map_err(Stop::from)
}

/// Pages that may ask for a fresh proof; nothing else is gone to.
const AFTER_PROOF: [&str; 4] = ["/credentials", "/admin/users", "/enrol", "/profile"];

fn next_of(query: &Query) -> &'static str {
    let wanted = query.get("next").unwrap_or_default();
    AFTER_PROOF.into_iter().find(|known| *known == wanted).unwrap_or("/credentials")
}

async fn prove_page(
    console: &Console,
    person: &Person,
    next: &str,
    complaint: Complaint,
) -> Result<Code, Stop> {
    let id = person.user.id;
    let sealed =
        console.app.read(move |connection, _| totp::sealed(connection, id).map_err(Error::from));
    Ok(Code {
        frame: person.visitor.frame("Prove that it is you"),
        complaint,
        action: "/prove",
        next: next.to_owned(),
        asks_password: sealed.await?.is_none(),
    })
}

pub(super) async fn show_prove(
    State(console): State<Console>,
    person: Person,
    RawQuery(raw): RawQuery,
) -> Result<Response, Stop> {
    let next = next_of(&Query::parse(raw.as_deref()));
    let page = prove_page(&console, &person, next, None).await?;
    person.visitor.page(200, &page)
}

pub(super) async fn prove(State(console): State<Console>, form: Form) -> Result<Response, Stop> {
    let next = next_of(&form.fields);
    let (code, given) = (form.secret("code"), form.secret("password"));
    let (person, _) = form.person()?;
    let id = person.user.id;
    let (has_factor, hash) = console
        .app
        .read(move |connection, _| -> Result<_, Error> {
            let has_factor = totp::sealed(connection, id)?.is_some();
            Ok((has_factor, password::stored(connection, Some(id))?))
        })
        .await?;
    let (visitor, token) = if has_factor {
        proven(&console, person.visitor, code).await?
    } else {
        let fits = console.fits(given, hash).await;
        proven_by_password(&console, person.visitor, fits).await?
    };
    if let Some(token) = token {
        return Ok(enter(go(next), &token));
    }
    let page = Code {
        frame: visitor.frame("Prove that it is you"),
        complaint: Some(if has_factor { WRONG_CODE } else { REFUSED }),
        action: "/prove",
        next: next.to_owned(),
        asks_password: !has_factor,
    };
    visitor.page(401, &page)
}

async fn proven_by_password(
    console: &Console,
    visitor: Visitor,
    fits: bool,
) -> Result<(Visitor, Option<Zeroizing<String>>), Stop> {
    let (session, user) = visitor.session.clone().ok_or(Stop::SignIn)?;
    console
        .app
        .write(move |transaction, state| -> Result<_, Error> {
            let (id, now_ms) = (user.id, visitor.now_ms);
            let locked = throttle::locked_until(transaction, Some(id), &visitor.address, now_ms)?;
            if !fits || locked.is_some() {
                if locked.is_none()
                    && throttle::failed(transaction, Some(id), &visitor.address, now_ms)?
                {
                    tell_locked(transaction, Some(id), &visitor)?;
                    session::end(transaction, id, session.id)?;
                }
                return Ok((visitor, None));
            }
            throttle::succeeded(transaction, id, &visitor.address)?;
            let token = session::raise(transaction, session.id, now_ms, &**state.random())?;
            Ok((visitor, Some(token)))
        })
        .await
        .map_err(Stop::from)
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
        Purpose::Reset => {
            "The link was used, replaced by a newer one, or is older than an hour. \
             Ask for another."
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
                Some(person) => accounts::user_by(connection, "id", &person.to_string()),
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
            state.accounts().forget_first_password(transaction, user.id)?;
            let act = match purpose {
                Purpose::Activate => "account.activate",
                Purpose::Reset => "password.reset",
            };
            visitor.note_as(transaction, &user.name, act, &user.name)?;
            let has_factor = totp::sealed(transaction, user.id)?.is_some();
            let stage = next_stage(has_factor, user.pin_required);
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
    is_sent: bool,
}

pub(super) async fn show_forgot(visitor: Visitor) -> Result<Response, Stop> {
    visitor.page(200, &Forgot { frame: visitor.frame("Forgot your password"), is_sent: false })
}

/// The same answer for a name that there is and one that there is not.
pub(super) async fn forgot(State(console): State<Console>, form: Form) -> Result<Response, Stop> {
    let name = form.text("user_name");
    let visitor = form.visitor;
    let visitor = console
        .app
        .write(move |transaction, state| -> Result<_, Error> {
            let user = accounts::user_by(transaction, "name", name.trim())?;
            let target: String = name.chars().take(100).collect();
            visitor.note_as(transaction, "", "password.forget", &target)?;
            if let Some(user) = user.filter(|user| user.active && user.login_enabled) {
                state.send_password_link(transaction, &user, false)?;
            }
            Ok(visitor)
        })
        .await?;
    visitor.page(200, &Forgot { frame: visitor.frame("Forgot your password"), is_sent: true })
}

#[derive(Template)]
#[template(path = "enrol.html")]
struct Enrol {
    frame: Frame,
    complaint: Complaint,
    /// The secret as people type it, in groups of four.
    text: String,
    /// The same as a QR code.
    picture: String,
    /// The same sealed, so that the form can bring it back.
    sealed: String,
    is_optional: bool,
}

#[derive(Template)]
#[template(path = "recovery.html")]
struct Recovery {
    frame: Frame,
    codes: Vec<Zeroizing<String>>,
}

/// Who may set up a second factor: who must, and who is signed in and has proven
/// lately who it is.
fn enrolling(visitor: &Visitor) -> Result<(i64, String, bool), Stop> {
    let (session, user) = visitor.session.as_ref().ok_or(Stop::SignIn)?;
    match session.stage {
        Stage::Enrol => Ok((user.id, user.name.clone(), false)),
        Stage::Password => Err(Stop::Go("/second-factor")),
        Stage::Full if session.is_privileged(visitor.now_ms) => {
            Ok((user.id, user.name.clone(), true))
        }
        Stage::Full => Err(Stop::Prove("/enrol")),
    }
}

pub(super) async fn show_enrol(
    State(console): State<Console>,
    visitor: Visitor,
) -> Result<Response, Stop> {
    let (person, name, is_optional) = enrolling(&visitor)?;
    let secret = totp::Secret::new(&**console.app.random());
    let sealed = console.app.accounts().seal_factor(person, &secret);
    let page = enrol_page(&visitor, &name, &secret, &sealed, is_optional, None);
    visitor.page(200, &page)
}

fn enrol_page(
    visitor: &Visitor,
    name: &str,
    secret: &totp::Secret,
    sealed: &[u8],
    is_optional: bool,
    complaint: Complaint,
) -> Enrol {
    let text = secret.expose_text();
    let groups: Vec<_> =
        text.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group)).collect();
    let url = secret.expose_url("countersign", name);
    let picture = qrcode::QrCode::new(url.as_bytes()).map(|code| {
        code.render::<qrcode::render::svg::Color<'_>>().min_dimensions(220, 220).build()
    });
    let picture = picture.unwrap_or_default();
    Enrol {
        frame: visitor.frame("Set up a second factor"),
        complaint,
        text: groups.join(" "),
        picture: format!(
            "data:image/svg+xml;base64,{}",
            data_encoding::BASE64.encode(picture.as_bytes())
        ),
        sealed: BASE64URL_NOPAD.encode(sealed),
        is_optional,
    }
}

pub(super) async fn enrol(State(console): State<Console>, form: Form) -> Result<Response, Stop> {
    let code = form.secret("code");
    let sealed = BASE64URL_NOPAD.decode(form.text("sealed").as_bytes()).unwrap_or_default();
    let visitor = form.visitor;
    let (person, name, is_optional) = enrolling(&visitor)?;
    // Sealed for this person: another's is not opened.
    let secret =
        console.app.accounts().unseal_factor(person, &sealed).map_err(|_| Stop::Stranger)?;
    if secret.step_of(&code, visitor.now_ms).is_none() {
        let complaint = Some("The code does not fit. Check the time of your device.");
        let page = enrol_page(&visitor, &name, &secret, &sealed, is_optional, complaint);
        return visitor.page(422, &page);
    }
    let (visitor, codes, token) = console
        .app
        .write(move |transaction, state| -> Result<_, Error> {
            let (session, user) = visitor.session.clone().ok_or_else(Error::stopped)?;
            let (now_ms, random) = (visitor.now_ms, state.random());
            totp::keep(transaction, user.id, Some(&sealed))?;
            totp::take(transaction, user.id, &secret, &code, now_ms)?;
            let codes = recovery::renew(transaction, user.id, &**random)?;
            visitor.note_as(transaction, &user.name, "factor.enrol", &user.name)?;
            let what = format!("A second factor was set up for the account {}.", user.name);
            let subject = "Second factor set up";
            letters::happened(transaction, &user, "mfa_enrolled", subject, &what, now_ms)?;
            let token = session::raise(transaction, session.id, now_ms, &**random)?;
            Ok((visitor, codes, token))
        })
        .await?;
    let mut frame = visitor.frame("Recovery codes");
    frame.token = session::form_token(&token);
    let page = visitor.page(200, &Recovery { frame, codes })?;
    Ok(enter(page, &token))
}
