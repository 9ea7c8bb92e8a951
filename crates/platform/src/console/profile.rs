//! One's own account: the password, the second factor, the sessions.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use countersign_signin::password::{self, Rule};
use countersign_signin::session::{self, Session};
use countersign_signin::{passkey, recovery, ticket, totp};

use super::Console;
use super::entry::{Complaint, complaint_about, names};
use super::web::{Form, Frame, Person, Stop, Visitor, from_now, go};
use countersign_tenant::Error;
use countersign_tenant::letters;
use countersign_tenant::users;

struct Passkey {
    id: String,
    created: String,
    last_used: String,
}

struct Row {
    is_this: bool,
    begun: String,
    seen: String,
    address: String,
    agent: String,
}

#[derive(Template)]
#[template(path = "profile.html")]
struct Profile {
    frame: Frame,
    complaint: Complaint,
    is_changed: bool,
    rules: Vec<Rule>,
    email: String,
    /// Asked for and not verified.
    wished: Option<String>,
    has_app: bool,
    passkeys: Vec<Passkey>,
    codes: usize,
    sessions: Vec<Row>,
}

async fn page(
    console: &Console,
    person: &Person,
    complaint: Complaint,
    rules: Vec<Rule>,
) -> Result<Profile, Stop> {
    let (id, now_ms, this) = (person.user.id, person.visitor.now_ms, person.session.id);
    let (wished, has_app, passkeys, codes, sessions) = console
        .app
        .read(move |connection, state| -> Result<_, Error> {
            let limits = state.settings(connection)?.sessions();
            Ok((
                ticket::wished(connection, id)?,
                totp::sealed(connection, id)?.is_some(),
                passkey::list(connection, id)?,
                recovery::left(connection, id)?,
                session::of_person(connection, id, limits, now_ms)?,
            ))
        })
        .await?;
    let row = |session: Session| Row {
        is_this: session.id == this,
        begun: from_now(session.begun_ms, now_ms),
        seen: from_now(session.seen_ms, now_ms),
        address: session.address,
        agent: session.agent,
    };
    Ok(Profile {
        frame: person.visitor.frame("Profile"),
        complaint,
        is_changed: false,
        rules,
        email: person.user.email.clone(),
        wished,
        has_app,
        passkeys: passkeys
            .into_iter()
            .map(|passkey| Passkey {
                id: passkey.id,
                created: from_now(passkey.created_ms, now_ms),
                last_used: passkey.last_used_ms.map_or("never".into(), |ms| from_now(ms, now_ms)),
            })
            .collect(),
        codes,
        sessions: sessions.into_iter().map(row).collect(),
    })
}

pub(super) async fn show(State(console): State<Console>, person: Person) -> Result<Response, Stop> {
    let page = page(&console, &person, None, Vec::new()).await?;
    person.visitor.page(200, &page)
}

#[derive(Template)]
#[template(path = "lapsed.html")]
struct Lapsed {
    frame: Frame,
    complaint: Complaint,
    rules: Vec<Rule>,
}

const LAPSED: &str = "Your password has lapsed";

/// For a password that is too old: nothing else works until it is changed.
pub(super) async fn show_lapsed(visitor: Visitor) -> Result<Response, Stop> {
    let person = Person::even_if_lapsed(visitor)?;
    if !person.visitor.is_lapsed {
        return Ok(go("/"));
    }
    let frame = person.visitor.frame(LAPSED);
    person.visitor.page(200, &Lapsed { frame, complaint: None, rules: Vec::new() })
}

/// Another mail address, once it is verified by the mail that goes there.
pub(super) async fn change_address(
    State(console): State<Console>,
    form: Form,
) -> Result<Response, Stop> {
    let address = form.text("email").trim().to_owned();
    let (person, _) = form.person()?;
    person.must_be_privileged("/profile")?;
    if address.parse::<lettre::Address>().is_err() {
        let complaint = Some("That is no e-mail address. Nothing was changed.");
        let page = page(&console, &person, complaint, Vec::new()).await?;
        return person.visitor.page(422, &page);
    }
    console
        .app
        .write(move |transaction, state| -> Result<_, Error> {
            person.visitor.note(transaction, "address.ask", &address)?;
            state.change_address(transaction, &person.user, &address)
        })
        .await?;
    Ok(go("/profile"))
}

/// Another password: the present one is asked for, other sessions end.
pub(super) async fn change_password(
    State(console): State<Console>,
    form: Form,
) -> Result<Response, Stop> {
    let (present, given, again) =
        (form.secret("present"), form.secret("password"), form.secret("again"));
    let person = Person::even_if_lapsed(form.visitor)?;
    // One that has lapsed could not be proven elsewhere; the present one is asked for.
    if !person.visitor.is_lapsed {
        person.must_be_privileged("/profile")?;
    }
    let user = person.user.clone();
    let rules = password::rules(&given, &names(&user));
    let (id, tried) = (user.id, given.clone());
    let (hash, was_used) = console
        .app
        .read(move |connection, _| -> Result<_, Error> {
            let hash = password::stored(connection, Some(id))?;
            Ok((hash, password::was_used(connection, id, &tried)?))
        })
        .await?;
    let is_right = console.fits(present, hash).await;
    let complaint = match is_right {
        true => complaint_about(given == again, &rules, was_used),
        false => Some("The present password does not fit."),
    };
    if complaint.is_some() && person.visitor.is_lapsed {
        let frame = person.visitor.frame(LAPSED);
        return person.visitor.page(422, &Lapsed { frame, complaint, rules });
    }
    if complaint.is_some() {
        let page = page(&console, &person, complaint, rules).await?;
        return person.visitor.page(422, &page);
    }
    let hash = console.hash(given).await?;
    let person = console
        .app
        .write(move |transaction, _| -> Result<_, Error> {
            let (user, now_ms) = (&person.user, person.visitor.now_ms);
            password::set(transaction, user.id, &hash, now_ms)?;
            session::end_others(transaction, user.id, Some(person.session.id))?;
            users::forget_first_password(transaction, user.id)?;
            person.visitor.note(transaction, "password.change", &user.name)?;
            let what = format!("The password of the account {} was changed.", user.name);
            letters::happened(transaction, user, letters::PASSWORD_CHANGED, &what, now_ms)?;
            Ok(person)
        })
        .await?;
    if person.visitor.is_lapsed {
        return Ok(go("/"));
    }
    let page = Profile { is_changed: true, ..page(&console, &person, None, Vec::new()).await? };
    person.visitor.page(200, &page)
}

pub(super) async fn end_others(
    State(console): State<Console>,
    form: Form,
) -> Result<Response, Stop> {
    let (person, _) = form.person()?;
    person.must_be_privileged("/profile")?;
    console
        .app
        .write(move |transaction, _| -> Result<_, Error> {
            session::end_others(transaction, person.user.id, Some(person.session.id))?;
            person.visitor.note(transaction, "session.end_others", &person.user.name)
        })
        .await?;
    Ok(go("/profile"))
}
