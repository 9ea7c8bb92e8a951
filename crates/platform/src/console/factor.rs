//! Second factors: asked for at sign-in and before what needs a fresh proof, set up,
//! taken away.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_signin::passkey::Owner;
use countersign_signin::session::{self, Session, Stage};
use countersign_signin::{factor, passkey, password, recovery, throttle, totp};
use data_encoding::BASE64URL_NOPAD;
use rusqlite::{Connection, Transaction};
use zeroize::Zeroizing;

use super::Console;
use super::entry::{Complaint, REFUSED, tell_locked};
use super::web::{Form, Frame, Person, Stop, Visitor, enter, go};
use crate::rest::query::Query;
use countersign_tenant::Error;
use countersign_tenant::letters;
use countersign_tenant::users::User;

const WRONG_CODE: &str = "The code does not fit, or it was used before. Wait for the next one; \
    after five failures in a row wait for 30 minutes.";
const WRONG_PASSKEY: &str = "The passkey does not fit. Try again, or use a code.";

/// What the browser is asked with a passkey, and for which site.
struct Question {
    json: String,
    domain: String,
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
    /// For who has a passkey.
    question: Option<Question>,
}

/// The page that asks for a proof of who the session belongs to.
async fn code_page(
    console: &Console,
    visitor: &Visitor,
    next: Option<&'static str>,
    complaint: Complaint,
) -> Result<Code, Stop> {
    let (session, _) = visitor.session.clone().ok_or(Stop::SignIn)?;
    let (passkeys, now_ms) = (console.passkeys.clone(), visitor.now_ms);
    let (has_factor, question) = console
        .app
        .read(move |connection, _| -> Result<_, Error> {
            let has_factor = factor::is_set(connection, session.person)?;
            let Some(passkeys) = passkeys else { return Ok((has_factor, None)) };
            let asked = passkeys.ask_for_proof(connection, session.id, session.person, now_ms)?;
            let domain = passkeys.domain().to_owned();
            Ok((has_factor, asked.map(|json| Question { json, domain })))
        })
        .await?;
    let title = if next.is_some() { "Prove that it is you" } else { "Second factor" };
    Ok(Code {
        frame: visitor.frame(title),
        complaint,
        action: if next.is_some() { "/prove" } else { "/second-factor" },
        next: next.unwrap_or_default().to_owned(),
        asks_password: !has_factor,
        question,
    })
}

pub(super) async fn show_second_factor(
    State(console): State<Console>,
    visitor: Visitor,
) -> Result<Response, Stop> {
    waiting(&visitor)?;
    let page = code_page(&console, &visitor, None, None).await?;
    visitor.page(200, &page)
}

/// The session has to wait for its second factor.
fn waiting(visitor: &Visitor) -> Result<(), Stop> {
    match &visitor.session {
        Some((session, _)) if session.stage == Stage::Password => Ok(()),
        Some(_) => Err(Stop::Go("/")),
        None => Err(Stop::SignIn),
    }
}

pub(super) async fn second_factor(
    State(console): State<Console>,
    form: Form,
) -> Result<Response, Stop> {
    waiting(&form.visitor)?;
    let given = Given::read(&form);
    let complaint = given.complaint();
    let (visitor, token) = proven(&console, form.visitor, given).await?;
    match token {
        Some(token) => Ok(enter(go("/credentials"), &token)),
        None => {
            let page = code_page(&console, &visitor, None, Some(complaint)).await?;
            visitor.page(401, &page)
        }
    }
}

/// What somebody proves to be the one with.
enum Given {
    /// Of an app, or a recovery code.
    Code(Zeroizing<String>),
    /// What the browser says of a passkey.
    Passkey(String),
    /// Whether the password was right: only for who has no second factor.
    Password(bool),
}

impl Given {
    fn read(form: &Form) -> Self {
        match form.fields.get("answer") {
            Some(answer) => Self::Passkey(answer.to_owned()),
            None => Self::Code(form.secret("code")),
        }
    }

    fn complaint(&self) -> &'static str {
        match self {
            Self::Code(_) => WRONG_CODE,
            Self::Passkey(_) => WRONG_PASSKEY,
            Self::Password(_) => REFUSED,
        }
    }

    /// The act that the log names, where the proof is good.
    fn check(
        &self,
        console: &Console,
        transaction: &Transaction<'_>,
        session: &Session,
        now_ms: i64,
    ) -> Result<Option<&'static str>, Error> {
        let person = session.person;
        match self {
            Self::Password(fits) => {
                let counts = *fits && !factor::is_set(transaction, person)?;
                Ok(counts.then_some("password.prove"))
            }
            Self::Passkey(answer) => {
                let Some(passkeys) = &console.passkeys else { return Ok(None) };
                let fits = passkeys.prove(transaction, session.id, person, answer, now_ms)?;
                Ok(fits.then_some("passkey.take"))
            }
            Self::Code(code) => {
                if let Some(sealed) = totp::sealed(transaction, person)? {
                    let secret = console.app.tenant().unseal_factor(person, &sealed)?;
                    if totp::take(transaction, person, &secret, code, now_ms)? {
                        return Ok(Some("factor.take"));
                    }
                }
                let is_spent = recovery::spend(transaction, person, code)?;
                Ok(is_spent.then_some("factor.recover"))
            }
        }
    }
}

/// A good proof makes a session whole and gives it a new token.
async fn proven(
    console: &Console,
    visitor: Visitor,
    given: Given,
) -> Result<(Visitor, Option<Zeroizing<String>>), Stop> {
    let (session, user) = visitor.session.clone().ok_or(Stop::SignIn)?;
    let asking = console.clone();
    console
        .app
        .write(move |transaction, state| -> Result<_, Error> {
            let (person, now_ms) = (session.person, visitor.now_ms);
            let address = &visitor.address;
            if throttle::locked_until(transaction, Some(person), address, now_ms)?.is_some() {
                return Ok((visitor, None));
            }
            let Some(act) = given.check(&asking, transaction, &session, now_ms)? else {
                visitor.note_as(transaction, &user.name, "factor.refuse", &user.name)?;
                if throttle::failed(transaction, Some(person), address, now_ms)? {
                    tell_locked(transaction, state, Some(person), &visitor)?;
                    session::end(transaction, person, session.id)?;
                }
                return Ok((visitor, None));
            };
            throttle::succeeded(transaction, person, address)?;
            visitor.note_as(transaction, &user.name, act, &user.name)?;
            let token = session::raise(transaction, session.id, now_ms, &**state.random())?;
            Ok((visitor, Some(token)))
        })
        .await
        .map_err(Stop::from)
}

/// Pages that may ask for a fresh proof; nothing else is gone to.
const AFTER_PROOF: [&str; 8] = [
    "/credentials",
    "/admin/users",
    "/admin/teams",
    "/admin/business-units",
    "/admin/roles",
    "/admin/settings",
    "/enrol",
    "/profile",
];

fn next_of(query: &Query) -> &'static str {
    let wanted = query.get("next").unwrap_or_default();
    AFTER_PROOF.into_iter().find(|known| *known == wanted).unwrap_or("/credentials")
}

pub(super) async fn show_prove(
    State(console): State<Console>,
    person: Person,
    RawQuery(raw): RawQuery,
) -> Result<Response, Stop> {
    let next = next_of(&Query::parse(raw.as_deref()));
    let page = code_page(&console, &person.visitor, Some(next), None).await?;
    person.visitor.page(200, &page)
}

pub(super) async fn prove(State(console): State<Console>, form: Form) -> Result<Response, Stop> {
    let next = next_of(&form.fields);
    let (mut given, tried) = (Given::read(&form), form.secret("password"));
    let (person, _) = form.person()?;
    let id = person.user.id;
    let (has_factor, hash) = console
        .app
        .read(move |connection, _| -> Result<_, Error> {
            Ok((factor::is_set(connection, id)?, password::stored(connection, Some(id))?))
        })
        .await?;
    if !has_factor {
        given = Given::Password(console.fits(tried, hash).await);
    }
    let complaint = given.complaint();
    let (visitor, token) = proven(&console, person.visitor, given).await?;
    match token {
        Some(token) => Ok(enter(go(next), &token)),
        None => {
            let page = code_page(&console, &visitor, Some(next), Some(complaint)).await?;
            visitor.page(401, &page)
        }
    }
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
    /// Where passkeys can be.
    question: Option<Question>,
}

#[derive(Template)]
#[template(path = "recovery.html")]
struct Recovery {
    frame: Frame,
    codes: Vec<Zeroizing<String>>,
}

/// Who may set up a second factor: who must, and who is signed in and has proven
/// lately who it is.
fn enrolling(visitor: &Visitor) -> Result<(Session, User), Stop> {
    let (session, user) = visitor.session.clone().ok_or(Stop::SignIn)?;
    match session.stage {
        Stage::Enrol => Ok((session, user)),
        Stage::Password => Err(Stop::Go("/second-factor")),
        Stage::Full if session.is_privileged(visitor.now_ms) => Ok((session, user)),
        Stage::Full => Err(Stop::Prove("/enrol")),
    }
}

pub(super) async fn show_enrol(
    State(console): State<Console>,
    visitor: Visitor,
) -> Result<Response, Stop> {
    let (_, user) = enrolling(&visitor)?;
    let secret = totp::Secret::new(&**console.app.random());
    let sealed = console.app.tenant().seal_factor(user.id, &secret);
    let page = enrol_page(&console, &visitor, &secret, &sealed, None).await?;
    visitor.page(200, &page)
}

async fn enrol_page(
    console: &Console,
    visitor: &Visitor,
    secret: &totp::Secret,
    sealed: &[u8],
    complaint: Complaint,
) -> Result<Enrol, Stop> {
    let (session, user) = enrolling(visitor)?;
    let is_optional = session.stage == Stage::Full;
    let (passkeys, now_ms) = (console.passkeys.clone(), visitor.now_ms);
    let name = user.name.clone();
    let ask = move |connection: &Connection| -> Result<_, Error> {
        let Some(passkeys) = passkeys else { return Ok(None) };
        let owner = Owner { person: user.id, guid: &user.guid, name: &user.name };
        let asked = passkeys.ask_to_enrol(connection, session.id, owner, now_ms)?;
        Ok(asked.map(|json| Question { json, domain: passkeys.domain().to_owned() }))
    };
    let question = console.app.read(move |connection, _| ask(connection)).await?;
    let text = secret.expose_text();
    let groups: Vec<_> =
        text.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group)).collect();
    let url = secret.expose_url("countersign", &name);
    let picture = qrcode::QrCode::new(url.as_bytes()).map(|code| {
        code.render::<qrcode::render::svg::Color<'_>>().min_dimensions(220, 220).build()
    });
    let picture = picture.unwrap_or_default();
    Ok(Enrol {
        frame: visitor.frame("Set up a second factor"),
        complaint,
        text: groups.join(" "),
        picture: format!(
            "data:image/svg+xml;base64,{}",
            data_encoding::BASE64.encode(picture.as_bytes())
        ),
        sealed: BASE64URL_NOPAD.encode(sealed),
        is_optional,
        question,
    })
}

pub(super) async fn enrol(State(console): State<Console>, form: Form) -> Result<Response, Stop> {
    let (_, user) = enrolling(&form.visitor)?;
    let given = Given::read(&form);
    let sealed = BASE64URL_NOPAD.decode(form.text("sealed").as_bytes()).unwrap_or_default();
    // Sealed for this person: another's is not opened.
    let secret =
        console.app.tenant().unseal_factor(user.id, &sealed).map_err(|_| Stop::Stranger)?;
    let kept = sealed.clone();
    let asking = console.clone();
    let (visitor, taken) = console
        .app
        .write(move |transaction, state| -> Result<_, Error> {
            let visitor = form.visitor;
            let (session, user) = visitor.session.clone().ok_or_else(Error::stopped)?;
            let (now_ms, random) = (visitor.now_ms, state.random());
            let (is_taken, what) = match (&given, &asking.passkeys) {
                (Given::Passkey(answer), Some(passkeys)) => {
                    let id = session.id;
                    (passkeys.enrol(transaction, id, user.id, answer, now_ms)?, "A passkey")
                }
                (Given::Code(code), _) if secret.step_of(code, now_ms).is_some() => {
                    totp::keep(transaction, user.id, Some(&kept))?;
                    (totp::take(transaction, user.id, &secret, code, now_ms)?, "An app")
                }
                _ => (false, ""),
            };
            if !is_taken {
                return Ok((visitor, None));
            }
            // Codes that were stored for another device go on being good.
            let codes = match recovery::left(transaction, user.id)? {
                0 => Some(recovery::renew(transaction, user.id, &**random)?),
                _ => None,
            };
            visitor.note_as(transaction, &user.name, "factor.enrol", &user.name)?;
            let what = format!("{what} was set up as second factor of the account {}.", user.name);
            letters::happened(transaction, &user, letters::MFA_ENROLLED, &what, now_ms)?;
            let token = session::raise(transaction, session.id, now_ms, &**random)?;
            Ok((visitor, Some((codes, token))))
        })
        .await?;
    match taken {
        Some((Some(codes), token)) => {
            let mut frame = visitor.frame("Recovery codes");
            frame.token = session::form_token(&token);
            let page = visitor.page(200, &Recovery { frame, codes })?;
            Ok(enter(page, &token))
        }
        Some((None, token)) => Ok(enter(go("/profile"), &token)),
        None => {
            let secret = console.app.tenant().unseal_factor(user.id, &sealed);
            let secret = secret.map_err(Stop::Failed)?;
            let complaint = "Code or passkey do not fit. For a code, check the time of the device.";
            let page = enrol_page(&console, &visitor, &secret, &sealed, Some(complaint)).await?;
            visitor.page(422, &page)
        }
    }
}

/// What the app that shows codes is called among the factors.
pub(super) const APP: &str = "app";

/// Takes one away, but not the last one of who must have one.
pub(super) async fn remove(
    State(console): State<Console>,
    Path(id): Path<String>,
    form: Form,
) -> Result<Response, Stop> {
    let (person, _) = form.person()?;
    person.must_be_privileged("/profile")?;
    console
        .app
        .write(move |transaction, state| -> Result<_, Stop> {
            let (user, now_ms) = (&person.user, person.visitor.now_ms);
            let failed = |error| Stop::Failed(Error::from(error));
            let is_removed = if id == APP {
                let had = totp::sealed(transaction, user.id).map_err(failed)?.is_some();
                totp::keep(transaction, user.id, None).map_err(failed)?;
                had
            } else {
                passkey::remove(transaction, user.id, &id).map_err(failed)?
            };
            if !is_removed {
                return Err(Stop::NotFound);
            }
            if !factor::is_set(transaction, user.id).map_err(failed)? {
                if state.must_have_factor(transaction, user)? {
                    return Err(Stop::LastFactor);
                }
                recovery::forget(transaction, user.id).map_err(failed)?;
            }
            person.visitor.note(transaction, "factor.remove", &user.name)?;
            let what = format!("A second factor of the account {} was removed.", user.name);
            letters::happened(transaction, user, letters::MFA_RESET, &what, now_ms)?;
            Ok(())
        })
        .await?;
    Ok(go("/profile"))
}

/// New recovery codes in place of those that are left.
pub(super) async fn renew_codes(
    State(console): State<Console>,
    form: Form,
) -> Result<Response, Stop> {
    let (person, _) = form.person()?;
    person.must_be_privileged("/profile")?;
    let (person, codes) = console
        .app
        .write(move |transaction, state| -> Result<_, Stop> {
            let user = &person.user;
            let failed = |error| Stop::Failed(Error::from(error));
            if !factor::is_set(transaction, user.id).map_err(failed)? {
                return Err(Stop::NotFound);
            }
            let codes = recovery::renew(transaction, user.id, &**state.random()).map_err(failed)?;
            person.visitor.note(transaction, "recovery.renew", &user.name)?;
            let what = format!("New recovery codes were made for the account {}.", user.name);
            let now_ms = person.visitor.now_ms;
            letters::happened(transaction, user, letters::MFA_ENROLLED, &what, now_ms)?;
            Ok((person, codes))
        })
        .await?;
    person.visitor.page(200, &Recovery { frame: person.visitor.frame("Recovery codes"), codes })
}
