//! One's own account: the password, the second factor, the sessions.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use countersign_signin::totp;
use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use super::Inner;
use super::entry::Complaint;
use super::moment::{Moment, from_now};
use super::web::{Form, Frame, Reader, Stop, go};
use crate::people::{Change, Rule};

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
    let account = inner.people.account(&reader.person).await?;
    let (now_ms, this) = (reader.visitor.now_ms, reader.session.id);
    let sessions = account.sessions.into_iter().map(|session| Row {
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
        has_factor: account.has_factor,
        codes: account.codes,
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
    let (present, given, again) =
        (form.secret("present"), form.secret("password"), form.secret("again"));
    let (reader, _) = form.reader()?;
    let visit = &reader.visitor.visit;
    inner.tries.count(&visit.address, reader.visitor.now_ms)?;
    let change = match given == again {
        false => Change::Refused {
            why: "The two passwords differ. Type the same twice.",
            rules: countersign_signin::password::rules(&given, &[&reader.person.name]),
        },
        true => {
            let (session, person) = (&reader.session, &reader.person);
            inner.people.change_password(session, person, present, given, visit).await?
        }
    };
    match change {
        Change::Done => {
            let page = page(&inner, &reader, None, Vec::new()).await?;
            reader.visitor.page(200, &Profile { is_changed: true, ..page })
        }
        Change::Refused { why, rules } => {
            let page = page(&inner, &reader, Some(why), rules).await?;
            reader.visitor.page(422, &page)
        }
    }
}

#[derive(Template)]
#[template(path = "enrol.html")]
struct Enrol {
    frame: Frame,
    complaint: Complaint,
    text: String,
    picture: String,
    sealed: String,
}

fn enrol_page(
    reader: &Reader,
    secret: &totp::Secret,
    sealed: &[u8],
    complaint: Complaint,
) -> Enrol {
    let text = secret.expose_text();
    let groups: Vec<_> =
        text.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group)).collect();
    let url = secret.expose_url("countersign dashboard", &reader.person.name);
    let picture = qrcode::QrCode::new(url.as_bytes()).map(|code| {
        code.render::<qrcode::render::svg::Color<'_>>().min_dimensions(220, 220).build()
    });
    let picture = data_encoding::BASE64.encode(picture.unwrap_or_default().as_bytes());
    Enrol {
        frame: reader.visitor.frame("Set up a second factor", "/profile"),
        complaint,
        text: groups.join(" "),
        picture: format!("data:image/svg+xml;base64,{picture}"),
        sealed: BASE64URL_NOPAD.encode(sealed),
    }
}

pub(super) async fn show_enrol(
    State(inner): State<Inner>,
    reader: Reader,
) -> Result<Response, Stop> {
    reader.must_be_proven()?;
    let (secret, sealed) = inner.people.new_factor(&reader.person);
    reader.visitor.page(200, &enrol_page(&reader, &secret, &sealed, None))
}

#[derive(Template)]
#[template(path = "codes.html")]
struct Codes {
    frame: Frame,
    codes: Vec<Zeroizing<String>>,
}

pub(super) async fn enrol(State(inner): State<Inner>, form: Form) -> Result<Response, Stop> {
    let (code, sealed) = (form.secret("code"), form.text("sealed"));
    let (reader, _) = form.reader()?;
    reader.must_be_proven()?;
    let sealed = BASE64URL_NOPAD.decode(sealed.as_bytes()).unwrap_or_default();
    let person = &reader.person;
    let secret = inner.people.factor_of(person, &sealed).ok_or(Stop::Stranger)?;
    let (session, visit) = (&reader.session, &reader.visitor.visit);
    match inner.people.enrol(session, person, sealed.clone(), code, visit).await? {
        Some(enrolled) => {
            let mut frame = reader.visitor.frame("Recovery codes", "/profile");
            frame.token = crate::people::form_token(&enrolled.token);
            let page = reader.visitor.page(200, &Codes { frame, codes: enrolled.codes })?;
            Ok(reader.visitor.enter(page, &enrolled.token))
        }
        None => {
            let complaint = Some("The code does not fit. Check the time of the device.");
            reader.visitor.page(422, &enrol_page(&reader, &secret, &sealed, complaint))
        }
    }
}

pub(super) async fn remove_factor(
    State(inner): State<Inner>,
    form: Form,
) -> Result<Response, Stop> {
    let (reader, _) = form.reader()?;
    reader.must_be_proven()?;
    inner.people.remove_factor(&reader.person, &reader.visitor.visit).await?;
    Ok(go("/profile"))
}

pub(super) async fn renew_codes(State(inner): State<Inner>, form: Form) -> Result<Response, Stop> {
    let (reader, _) = form.reader()?;
    reader.must_be_proven()?;
    let codes = inner.people.renew_codes(&reader.person, &reader.visitor.visit).await?;
    let codes = codes.ok_or(Stop::NotFound)?;
    let frame = reader.visitor.frame("Recovery codes", "/profile");
    reader.visitor.page(200, &Codes { frame, codes })
}

pub(super) async fn end_others(State(inner): State<Inner>, form: Form) -> Result<Response, Stop> {
    let (reader, _) = form.reader()?;
    inner.people.end_others(&reader.session, &reader.person, &reader.visitor.visit).await?;
    Ok(go("/profile"))
}
