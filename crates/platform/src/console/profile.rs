//! One's own account: the password, the second factor, the sessions.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use countersign_accounts::password::{self, Rule};
use countersign_accounts::session::{self, Session};
use countersign_accounts::{recovery, totp};

use super::Console;
use super::entry::{Complaint, complaint_about, names};
use super::web::{Form, Frame, Person, Stop, from_now, go};
use crate::{Error, letters};

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
    has_factor: bool,
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
    let (has_factor, codes, sessions) = console
        .app
        .read(move |connection, _| -> Result<_, Error> {
            Ok((
                totp::sealed(connection, id)?.is_some(),
                recovery::left(connection, id)?,
                session::of_person(connection, id, now_ms)?,
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
        has_factor,
        codes,
        sessions: sessions.into_iter().map(row).collect(),
    })
}

pub(super) async fn show(State(console): State<Console>, person: Person) -> Result<Response, Stop> {
    let page = page(&console, &person, None, Vec::new()).await?;
    person.visitor.page(200, &page)
}

/// Another password: the present one is asked for, other sessions end.
pub(super) async fn change_password(
    State(console): State<Console>,
    form: Form,
) -> Result<Response, Stop> {
    let (present, given, again) =
        (form.secret("present"), form.secret("password"), form.secret("again"));
    let (person, _) = form.person()?;
    person.must_be_privileged("/profile")?;
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
    if complaint.is_some() {
        let page = page(&console, &person, complaint, rules).await?;
        return person.visitor.page(422, &page);
    }
    let hash = console.hash(given).await?;
    let person = console
        .app
        .write(move |transaction, state| -> Result<_, Error> {
            let (user, now_ms) = (&person.user, person.visitor.now_ms);
            password::set(transaction, user.id, &hash, now_ms)?;
            session::end_others(transaction, user.id, Some(person.session.id))?;
            state.accounts().forget_first_password(transaction, user.id)?;
            person.visitor.note(transaction, "password.change", &user.name)?;
            let what = format!("The password of the account {} was changed.", user.name);
            let subject = "Password changed";
            letters::happened(transaction, user, "password_changed", subject, &what, now_ms)?;
            Ok(person)
        })
        .await?;
    let page = Profile { is_changed: true, ..page(&console, &person, None, Vec::new()).await? };
    person.visitor.page(200, &page)
}

pub(super) async fn end_others(
    State(console): State<Console>,
    form: Form,
) -> Result<Response, Stop> {
    let (person, _) = form.person()?;
    console
        .app
        .write(move |transaction, _| -> Result<_, Error> {
            session::end_others(transaction, person.user.id, Some(person.session.id))?;
            person.visitor.note(transaction, "session.end_others", &person.user.name)
        })
        .await?;
    Ok(go("/profile"))
}
