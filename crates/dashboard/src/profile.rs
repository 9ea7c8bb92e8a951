//! One's own account: the password, the second factor, the sessions.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use countersign_signin::password::Rule;
use countersign_signin::{APP, Enrolled, Enrolment, Given, Refusal, complaint};
use countersign_web::page::Hindrance;
use countersign_web::picture::Key;
use zeroize::Zeroizing;

use super::entry::Complaint;
use super::inner::Inner;
use super::web::{Form, Frame, Reader, Stop, go};
use countersign_web::moment::{Moment, from_now};

struct Row {
    is_this: bool,
    begun: Moment,
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
    role: &'static str,
    rules: Vec<Rule>,
    has_factor: bool,
    codes: usize,
    sessions: Vec<Row>,
}

async fn page(
    inner: &Inner,
    reader: &Reader,
    complaint: Complaint,
    rules: Vec<Rule>,
) -> Result<Profile, Stop> {
    let person = reader.person.clone();
    let mine = inner.people.step(move |signin| signin.mine(&person)).await?;
    let (now_ms, this) = (reader.visitor.now_ms, reader.session.id);
    let has_factor = mine.has_factor();
    let sessions = mine.sessions.into_iter().map(|session| Row {
        is_this: session.id == this,
        begun: Moment(session.begun_ms),
        seen: from_now(session.seen_ms, now_ms),
        address: session.address,
        agent: session.agent,
    });
    Ok(Profile {
        frame: reader.visitor.frame("Profile", "/profile"),
        complaint,
        is_changed: false,
        role: reader.person.role.as_str(),
        rules,
        has_factor,
        codes: mine.codes,
        sessions: sessions.collect(),
    })
}

pub(super) async fn show(State(inner): State<Inner>, reader: Reader) -> Result<Response, Stop> {
    let page = page(&inner, &reader, None, Vec::new()).await?;
    reader.visitor.page(200, &page)
}

pub(super) async fn change_password(
    State(inner): State<Inner>,
    form: Form,
) -> Result<Response, Stop> {
    form.visitor.count(&inner)?;
    let (present, given, again) = (
        form.fields.secret("present"),
        form.fields.secret("password"),
        form.fields.secret("again"),
    );
    let (reader, _) = form.reader()?;
    let (seat, visit) = (reader.visitor.seat()?, reader.visitor.visit.clone());
    let changed = inner
        .people
        .step(move |signin| signin.change_password(&seat, &present, (&given, &again), &visit))
        .await;
    let (complaint, rules) = match changed {
        Ok(device) => {
            let page = page(&inner, &reader, None, Vec::new()).await?;
            let page = reader.visitor.page(200, &Profile { is_changed: true, ..page })?;
            return Ok(reader.visitor.known(page, &device));
        }
        Err(Refusal::Password { why, rules }) => (Some(why), rules),
        Err(Refusal::Wrong) => (Some(complaint::PASSWORD), Vec::new()),
        Err(refusal) => return Err(refusal.into()),
    };
    let page = page(&inner, &reader, complaint, rules).await?;
    reader.visitor.page(422, &page)
}

#[derive(Template)]
#[template(path = "enrol.html")]
struct Enrol {
    frame: Frame,
    key: Key,
    complaint: Complaint,
}

async fn enrol_page(
    inner: &Inner,
    reader: &Reader,
    sealed: Option<Vec<u8>>,
    complaint: Complaint,
) -> Result<Enrol, Stop> {
    let seat = reader.visitor.seat()?;
    let Enrolment { secret, sealed, .. } =
        inner.people.step(move |signin| signin.enrolment(&seat, sealed)).await.map_err(stranger)?;
    let url = secret.expose_url("countersign dashboard", &reader.person.name);
    let key = Key::new(&secret.expose_text(), &url, &sealed);
    let frame = reader.visitor.frame("Set up a second factor", "/profile");
    Ok(Enrol { frame, complaint, key })
}

/// What was sealed for another person is a form of somebody else.
fn stranger(refusal: Refusal) -> Stop {
    match refusal {
        Refusal::Missing => Hindrance::Outdated.into(),
        refusal => refusal.into(),
    }
}

pub(super) async fn show_enrol(
    State(inner): State<Inner>,
    reader: Reader,
) -> Result<Response, Stop> {
    let page = enrol_page(&inner, &reader, None, None).await?;
    reader.visitor.page(200, &page)
}

#[derive(Template)]
#[template(path = "codes.html")]
struct Codes {
    frame: Frame,
    codes: Vec<Zeroizing<String>>,
}

pub(super) async fn enrol(State(inner): State<Inner>, form: Form) -> Result<Response, Stop> {
    form.visitor.count(&inner)?;
    let given = Given::Code(form.fields.secret("code"));
    let sealed = Key::sealed(&form.fields.text("sealed"));
    let (reader, _) = form.reader()?;
    let visitor = &reader.visitor;
    let (seat, visit, kept) = (visitor.seat()?, visitor.visit.clone(), sealed.clone());
    let enrolled =
        inner.people.step(move |signin| signin.enrol(&seat, &kept, &given, &visit)).await;
    match enrolled {
        Ok(Enrolled { begun, codes: Some(codes) }) => {
            let mut frame = visitor.frame("Recovery codes", "/profile");
            frame.token = countersign_web::form::token(&begun.token);
            Ok(visitor.enter(visitor.page(200, &Codes { frame, codes })?, &begun))
        }
        Ok(Enrolled { begun, codes: None }) => Ok(visitor.enter(go("/profile"), &begun)),
        Err(Refusal::Wrong) => {
            let complaint = Some(complaint::ENROLMENT);
            let page = enrol_page(&inner, &reader, Some(sealed), complaint).await?;
            visitor.page(422, &page)
        }
        Err(refusal) => Err(stranger(refusal)),
    }
}

pub(super) async fn remove_factor(
    State(inner): State<Inner>,
    form: Form,
) -> Result<Response, Stop> {
    let (reader, _) = form.reader()?;
    let (seat, visit) = (reader.visitor.seat()?, reader.visitor.visit);
    inner.people.step(move |signin| signin.remove_factor(&seat, APP, &visit)).await?;
    Ok(go("/profile"))
}

pub(super) async fn renew_codes(State(inner): State<Inner>, form: Form) -> Result<Response, Stop> {
    let (reader, _) = form.reader()?;
    let (seat, visit) = (reader.visitor.seat()?, reader.visitor.visit.clone());
    let codes = inner.people.step(move |signin| signin.renew_codes(&seat, &visit)).await?;
    let frame = reader.visitor.frame("Recovery codes", "/profile");
    reader.visitor.page(200, &Codes { frame, codes })
}

pub(super) async fn end_others(State(inner): State<Inner>, form: Form) -> Result<Response, Stop> {
    let (reader, _) = form.reader()?;
    let (seat, visit) = (reader.visitor.seat()?, reader.visitor.visit);
    inner.people.step(move |signin| signin.end_others(&seat, &visit)).await?;
    Ok(go("/profile"))
}
