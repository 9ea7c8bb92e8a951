//! One's own account: the password, the second factor, the sessions.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use countersign_signin::passkey::Listed;
use countersign_signin::password::Rule;
use countersign_signin::session::Session;
use countersign_signin::{Refusal, complaint};
use countersign_tenant::users;

use super::Console;
use super::entry::Complaint;
use super::web::{Form, Frame, Person, Stop, Visitor, complaints, from_now, go, known};

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
    let (now_ms, this) = (person.visitor.now_ms, person.session.id);
    let user = person.user.clone();
    let mine = console.step(move |signin| signin.mine(&user)).await?;
    let row = |session: Session| Row {
        is_this: session.id == this,
        begun: from_now(session.begun_ms, now_ms),
        seen: from_now(session.seen_ms, now_ms),
        address: session.address,
        agent: session.agent,
    };
    let passkey = |passkey: Listed| Passkey {
        id: passkey.id,
        created: from_now(passkey.created_ms, now_ms),
        last_used: passkey.last_used_ms.map_or("never".into(), |ms| from_now(ms, now_ms)),
    };
    Ok(Profile {
        frame: person.visitor.frame("Profile"),
        complaint,
        is_changed: false,
        rules,
        email: person.user.email.clone(),
        wished: mine.wished,
        has_app: mine.has_app,
        passkeys: mine.passkeys.into_iter().map(passkey).collect(),
        codes: mine.codes,
        sessions: mine.sessions.into_iter().map(row).collect(),
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

const LAPSED: &str = "Your password has expired";

/// For a password that is too old: nothing else works until it is changed.
pub(super) async fn show_lapsed(visitor: Visitor) -> Result<Response, Stop> {
    let seat = visitor.seat()?;
    if !seat.is_lapsed || !seat.is_in() {
        return Ok(go("/"));
    }
    let frame = visitor.frame(LAPSED);
    visitor.page(200, &Lapsed { frame, complaint: None, rules: Vec::new() })
}

/// Another mail address, once it is verified by the mail that goes there.
pub(super) async fn change_address(
    State(console): State<Console>,
    form: Form,
) -> Result<Response, Stop> {
    let address = form.text("email").trim().to_owned();
    let (person, _) = form.person()?;
    person.must_be_privileged("/profile")?;
    let user = person.user.clone();
    let asked = console
        .app
        .change(person.act(), move |change| users::ask_address(change, &user, &address))
        .await;
    match complaints(asked)? {
        Ok(()) => Ok(go("/profile")),
        Err(_) => {
            let complaint = Some("That is no e-mail address. Nothing was changed.");
            let page = page(&console, &person, complaint, Vec::new()).await?;
            person.visitor.page(422, &page)
        }
    }
}

/// Another password: the present one is asked for, other sessions end.
pub(super) async fn change_password(
    State(console): State<Console>,
    form: Form,
) -> Result<Response, Stop> {
    console.count(&form.visitor)?;
    let (present, given, again) =
        (form.secret("present"), form.secret("password"), form.secret("again"));
    let visitor = form.visitor;
    let seat = visitor.seat()?;
    let is_lapsed = seat.is_lapsed;
    let visit = visitor.visit.clone();
    let changed = console
        .step(move |signin| signin.change_password(&seat, &present, (&given, &again), &visit))
        .await;
    let (complaint, rules) = match changed {
        Ok(device) if is_lapsed => return Ok(known(go("/"), &device)),
        Ok(device) => {
            let person = Person::of(visitor)?;
            let page = page(&console, &person, None, Vec::new()).await?;
            let page = person.visitor.page(200, &Profile { is_changed: true, ..page })?;
            return Ok(known(page, &device));
        }
        Err(Refusal::Password { why, rules }) => (Some(why), rules),
        Err(Refusal::Wrong) => (Some(complaint::PASSWORD), Vec::new()),
        Err(refusal) => return Err(refusal.into()),
    };
    if is_lapsed {
        let frame = visitor.frame(LAPSED);
        return visitor.page(422, &Lapsed { frame, complaint, rules });
    }
    let person = Person::of(visitor)?;
    let page = page(&console, &person, complaint, rules).await?;
    person.visitor.page(422, &page)
}

pub(super) async fn end_others(
    State(console): State<Console>,
    form: Form,
) -> Result<Response, Stop> {
    let (person, _) = form.person()?;
    let (seat, visit) = (person.visitor.seat()?, person.visitor.visit);
    console.step(move |signin| signin.end_others(&seat, &visit)).await?;
    Ok(go("/profile"))
}
