//! Second factors: asked for at sign-in and before what needs a fresh proof, set up,
//! taken away.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_signin::session::Stage;
use countersign_signin::{Enrolment, Given, Question, Refusal, Seat, complaint};
use countersign_tenant::users::User;
use countersign_web::page::Hindrance;
use countersign_web::picture::Key;
use zeroize::Zeroizing;

use super::Console;
use super::entry::Complaint;
use super::web::{Form, Frame, Person, Stop, Visitor, enter, go};
use crate::rest::query::Query;

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
    let seat = visitor.seat()?;
    let (has_factor, question) = console.step(move |signin| signin.ask(&seat)).await?;
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
    match visitor.seat()?.session.stage {
        Stage::Password => Ok(()),
        Stage::Enrol | Stage::Full => Err(Stop::Go("/")),
    }
}

pub(super) async fn second_factor(
    State(console): State<Console>,
    form: Form,
) -> Result<Response, Stop> {
    waiting(&form.visitor)?;
    let given = given(&form);
    proven(&console, form.visitor, given, None).await
}

/// What a form brings as a proof.
fn given(form: &Form) -> Given {
    match (form.fields.get("answer"), form.fields.get("password")) {
        (Some(answer), _) => Given::Passkey(answer.to_owned()),
        (None, Some(_)) => Given::Password(form.secret("password")),
        (None, None) => Given::Code(form.secret("code")),
    }
}

/// On where the proof is good, else the page again.
async fn proven(
    console: &Console,
    visitor: Visitor,
    given: Given,
    next: Option<&'static str>,
) -> Result<Response, Stop> {
    console.count(&visitor)?;
    let complaint = match &given {
        Given::Code(_) => complaint::CODE,
        Given::Passkey(_) => complaint::PASSKEY,
        Given::Password(_) => complaint::PASSWORD,
    };
    let (seat, visit) = (visitor.seat()?, visitor.visit.clone());
    match console.step(move |signin| signin.prove(&seat, &given, &visit)).await {
        Ok(begun) => Ok(enter(go(next.unwrap_or("/credentials")), &begun)),
        Err(Refusal::Wrong) => {
            let page = code_page(console, &visitor, next, Some(complaint)).await?;
            visitor.page(401, &page)
        }
        Err(refusal) => Err(refusal.into()),
    }
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
    let (next, given) = (next_of(&form.fields), given(&form));
    let (person, _) = form.person()?;
    proven(&console, person.visitor, given, Some(next)).await
}

#[derive(Template)]
#[template(path = "enrol.html")]
struct Enrol {
    frame: Frame,
    complaint: Complaint,
    key: Key,
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

pub(super) async fn show_enrol(
    State(console): State<Console>,
    visitor: Visitor,
) -> Result<Response, Stop> {
    let page = enrol_page(&console, &visitor, None, None).await?;
    visitor.page(200, &page)
}

/// A refusal on the page where a factor is set up.
fn elsewhere(seat: &Seat<User>, refusal: Refusal) -> Stop {
    match refusal {
        Refusal::Over if seat.session.stage == Stage::Password => Stop::Go("/second-factor"),
        Refusal::Unproven => Stop::Prove("/enrol"),
        // What was sealed for another person.
        Refusal::Missing => Hindrance::Outdated.into(),
        refusal => refusal.into(),
    }
}

async fn enrol_page(
    console: &Console,
    visitor: &Visitor,
    sealed: Option<Vec<u8>>,
    complaint: Complaint,
) -> Result<Enrol, Stop> {
    let seat = visitor.seat()?;
    let asking = seat.clone();
    let begun = console.step(move |signin| signin.enrolment(&asking, sealed)).await;
    let Enrolment { secret, sealed, question } =
        begun.map_err(|refusal| elsewhere(&seat, refusal))?;
    let url = secret.expose_url("countersign", &seat.owner.name);
    Ok(Enrol {
        frame: visitor.frame("Set up a second factor"),
        complaint,
        key: Key::new(&secret.expose_text(), &url, &sealed),
        is_optional: seat.is_in(),
        question,
    })
}

pub(super) async fn enrol(State(console): State<Console>, form: Form) -> Result<Response, Stop> {
    let seat = form.visitor.seat()?;
    console.count(&form.visitor)?;
    let given = given(&form);
    let sealed = Key::sealed(&form.text("sealed"));
    let visitor = form.visitor;
    let (asking, visit, kept) = (seat.clone(), visitor.visit.clone(), sealed.clone());
    let enrolled = console.step(move |signin| signin.enrol(&asking, &kept, &given, &visit)).await;
    match enrolled {
        Ok(enrolled) => match enrolled.codes {
            Some(codes) => {
                let mut frame = visitor.frame("Recovery codes");
                frame.token = countersign_web::form::token(&enrolled.begun.token);
                let page = visitor.page(200, &Recovery { frame, codes })?;
                Ok(enter(page, &enrolled.begun))
            }
            None => Ok(enter(go("/profile"), &enrolled.begun)),
        },
        Err(Refusal::Wrong) => {
            let complaint = Some(complaint::ENROLMENT);
            let page = enrol_page(&console, &visitor, Some(sealed), complaint).await?;
            visitor.page(422, &page)
        }
        Err(refusal) => Err(elsewhere(&seat, refusal)),
    }
}

/// Takes one away, but not the last one of who must have one.
pub(super) async fn remove(
    State(console): State<Console>,
    Path(id): Path<String>,
    form: Form,
) -> Result<Response, Stop> {
    let (person, _) = form.person()?;
    let (seat, visit) = (person.visitor.seat()?, person.visitor.visit);
    console.step(move |signin| signin.remove_factor(&seat, &id, &visit)).await?;
    Ok(go("/profile"))
}

/// New recovery codes in place of those that are left.
pub(super) async fn renew_codes(
    State(console): State<Console>,
    form: Form,
) -> Result<Response, Stop> {
    let (person, _) = form.person()?;
    let (seat, visit) = (person.visitor.seat()?, person.visitor.visit.clone());
    let codes = console.step(move |signin| signin.renew_codes(&seat, &visit)).await?;
    person.visitor.page(200, &Recovery { frame: person.visitor.frame("Recovery codes"), codes })
}
