//! The way in: sign-in, second factor, a fresh proof, links to choose a password, and
//! the way out.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use countersign_signin::password::{self, Rule};
use countersign_signin::session::Stage;
use countersign_signin::{Begun, Given, OwnPath, Purpose, Refusal, complaint};

use super::inner::Inner;
use super::query::Query;
use super::web::{Form, Frame, Reader, Stop, Visitor, go, step};
use crate::people::Person;

/// What went wrong, in one sentence, and what to do about it.
pub(super) type Complaint = Option<&'static str>;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    frame: Frame,
    complaint: Complaint,
    name: String,
    next: String,
}

/// Where an address or a form says that sign-in leads to; anywhere else it is the overview.
fn next_of(fields: &Query) -> Option<OwnPath> {
    fields.get("next").and_then(OwnPath::parse)
}

fn or_overview(next: Option<&OwnPath>) -> &str {
    next.map_or("/", OwnPath::as_str)
}

pub(super) async fn show_sign_in(visitor: Visitor, query: Query) -> Result<Response, Stop> {
    let next = next_of(&query);
    if visitor.is_in() {
        return Ok(go(or_overview(next.as_ref())));
    }
    let page = SignIn {
        frame: visitor.frame("Sign in", ""),
        complaint: None,
        name: String::new(),
        next: or_overview(next.as_ref()).to_owned(),
    };
    visitor.page(200, &page)
}

pub(super) async fn sign_in(State(inner): State<Inner>, form: Form) -> Result<Response, Stop> {
    form.visitor.count(&inner)?;
    let (name, given) = (form.fields.text("name"), form.fields.secret("password"));
    let next = next_of(&form.fields);
    let (wanted, visit) = (name.clone(), form.visitor.visit.clone());
    match inner.people.step(move |signin| signin.sign_in(&wanted, &given, &visit)).await {
        Ok(begun) => Ok(entered(&form.visitor, &begun, next.as_ref())),
        Err(Refusal::Wrong) => {
            let frame = form.visitor.frame("Sign in", "");
            let (complaint, next) = (Some(complaint::SIGN_IN), or_overview(next.as_ref()));
            form.visitor.page(401, &SignIn { frame, complaint, name, next: next.to_owned() })
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// On, as far as the sign-in has come.
fn entered(visitor: &Visitor, begun: &Begun, next: Option<&OwnPath>) -> Response {
    let page = match begun.stage {
        Stage::Full => go(or_overview(next)),
        Stage::Password | Stage::Enrol => go(&step("/second-factor", next)),
    };
    visitor.enter(page, begun)
}

pub(super) async fn sign_out(State(inner): State<Inner>, form: Form) -> Result<Response, Stop> {
    let visitor = form.visitor;
    if let Some(seat) = visitor.seat.clone() {
        let visit = visitor.visit.clone();
        inner.people.step(move |signin| signin.sign_out(&seat, &visit)).await?;
    }
    Ok(visitor.leave(go("/sign-in")))
}

#[derive(Template)]
#[template(path = "code.html")]
struct Code {
    frame: Frame,
    place: Place,
    /// Where a proof that is good leads.
    next: String,
    /// Without a second factor the password is asked for.
    asks_password: bool,
    complaint: Complaint,
}

/// Where a proof is asked for.
#[derive(Clone, Copy)]
enum Place {
    SecondFactor,
    Prove,
}

impl Place {
    /// Where its form goes.
    fn action(self) -> &'static str {
        match self {
            Self::SecondFactor => "/second-factor",
            Self::Prove => "/prove",
        }
    }

    /// Where a proof that is good leads.
    fn next(self, wanted: Option<OwnPath>) -> Option<OwnPath> {
        match self {
            Self::SecondFactor => wanted,
            Self::Prove => OwnPath::parse("/profile"),
        }
    }
}

async fn code_page(
    inner: &Inner,
    visitor: &Visitor,
    place: Place,
    next: Option<&OwnPath>,
    complaint: Complaint,
) -> Result<Code, Stop> {
    let asks_password = !has_factor(inner, visitor).await?;
    let frame = match place {
        Place::SecondFactor => visitor.frame("Second factor", ""),
        Place::Prove => visitor.frame("Prove that it is you", "/profile"),
    };
    let next = or_overview(next).to_owned();
    Ok(Code { frame, place, next, asks_password, complaint })
}

async fn has_factor(inner: &Inner, visitor: &Visitor) -> Result<bool, Stop> {
    let seat = visitor.seat()?;
    Ok(inner.people.step(move |signin| signin.ask(&seat)).await?.0)
}

/// The session has to wait for its second factor.
fn waiting(visitor: &Visitor) -> Result<(), Stop> {
    match visitor.seat()?.session.stage {
        Stage::Password => Ok(()),
        Stage::Enrol | Stage::Full => Err(Stop::Go("/")),
    }
}

/// On where the proof is good, else the page again.
async fn proven(inner: &Inner, form: Form, place: Place) -> Result<Response, Stop> {
    form.visitor.count(inner)?;
    let given = form.fields.secret("code");
    let next = place.next(next_of(&form.fields));
    let visitor = form.visitor;
    let (given, complaint) = match has_factor(inner, &visitor).await? {
        true => (Given::Code(given), complaint::CODE),
        false => (Given::Password(given), complaint::PASSWORD),
    };
    let (seat, visit) = (visitor.seat()?, visitor.visit.clone());
    match inner.people.step(move |signin| signin.prove(&seat, &given, &visit)).await {
        Ok(begun) => Ok(entered(&visitor, &begun, next.as_ref())),
        Err(Refusal::Wrong) => {
            let page = code_page(inner, &visitor, place, next.as_ref(), Some(complaint)).await?;
            visitor.page(401, &page)
        }
        Err(refusal) => Err(refusal.into()),
    }
}

pub(super) async fn show_second_factor(
    State(inner): State<Inner>,
    visitor: Visitor,
    query: Query,
) -> Result<Response, Stop> {
    waiting(&visitor)?;
    let next = next_of(&query);
    let page = code_page(&inner, &visitor, Place::SecondFactor, next.as_ref(), None).await?;
    visitor.page(200, &page)
}

pub(super) async fn second_factor(
    State(inner): State<Inner>,
    form: Form,
) -> Result<Response, Stop> {
    waiting(&form.visitor)?;
    proven(&inner, form, Place::SecondFactor).await
}

pub(super) async fn show_prove(
    State(inner): State<Inner>,
    reader: Reader,
) -> Result<Response, Stop> {
    let page = code_page(&inner, &reader.visitor, Place::Prove, None, None).await?;
    reader.visitor.page(200, &page)
}

pub(super) async fn prove(State(inner): State<Inner>, form: Form) -> Result<Response, Stop> {
    let (reader, fields) = form.reader()?;
    proven(&inner, Form { visitor: reader.visitor, fields }, Place::Prove).await
}

#[derive(Template)]
#[template(path = "choose.html")]
struct Choose {
    frame: Frame,
    complaint: Option<String>,
    /// Typed by the first person alone.
    name: Option<String>,
    person: Option<String>,
    rules: Vec<Rule>,
    /// Whether a password was tried: only then rules are kept or broken.
    is_tried: bool,
}

impl Choose {
    fn new(visitor: &Visitor, owner: Person) -> Self {
        let is_first = owner.name.is_empty();
        let title = if is_first { "Set up the first account" } else { "Choose a password" };
        Self {
            frame: visitor.frame(title, ""),
            complaint: None,
            name: is_first.then(String::new),
            person: (!is_first).then_some(owner.name),
            rules: password::rules("", &[]),
            is_tried: false,
        }
    }
}

#[derive(Template)]
#[template(path = "stop.html")]
struct Spent {
    frame: Frame,
    what: &'static str,
    fix: &'static str,
}

/// Of a link that was refused.
fn refused(visitor: &Visitor, refusal: Refusal) -> Result<Response, Stop> {
    if !matches!(refusal, Refusal::Spent) {
        return Err(refusal.into());
    }
    let page = Spent {
        frame: visitor.frame("The link is not good any more", ""),
        what: "The link was used, replaced by a newer one, or is too old.",
        fix: "Ask whoever runs countersign for another: `countersign people reset`; without anybody yet, start `countersign serve` again.",
    };
    visitor.page(410, &page)
}

/// The page of a link.
async fn choose_page(
    inner: &Inner,
    visitor: &Visitor,
    purpose: Purpose,
    token: String,
) -> Result<Choose, Refusal> {
    let visit = visitor.visit.clone();
    let owner = inner.people.step(move |signin| signin.look(purpose, &token, &visit)).await?;
    Ok(Choose::new(visitor, owner))
}

/// A link: the route says what it is for, and the rest of the address is its token.
type Link = (Extension<Purpose>, Path<String>);

/// The page of a link.
pub(super) async fn show_choose(
    State(inner): State<Inner>,
    (Extension(purpose), Path(token)): Link,
    visitor: Visitor,
) -> Result<Response, Stop> {
    visitor.count(&inner)?;
    match choose_page(&inner, &visitor, purpose, token).await {
        Ok(page) => visitor.page(200, &page),
        Err(refusal) => refused(&visitor, refusal),
    }
}

pub(super) async fn choose(
    State(inner): State<Inner>,
    (Extension(purpose), Path(token)): Link,
    form: Form,
) -> Result<Response, Stop> {
    form.visitor.count(&inner)?;
    let (name, given, again) =
        (form.fields.text("name"), form.fields.secret("password"), form.fields.secret("again"));
    let visitor = form.visitor;
    let (typed, tried, visit) = (name.clone(), token.clone(), visitor.visit.clone());
    let chosen = inner
        .people
        .step(move |signin| signin.choose(purpose, &tried, &typed, (&given, &again), &visit))
        .await;
    let (why, rules) = match chosen {
        // One who may do without a second factor is offered one.
        Ok(begun) => {
            let offer = OwnPath::parse("/profile/factor").filter(|_| begun.stage == Stage::Full);
            return Ok(entered(&visitor, &begun, offer.as_ref()));
        }
        Err(Refusal::Password { why, rules }) => (why.to_owned(), rules),
        Err(Refusal::Name(why)) => (why.replace("\nhint:", ":"), Vec::new()),
        Err(refusal) => return refused(&visitor, refusal),
    };
    match choose_page(&inner, &visitor, purpose, token).await {
        Ok(page) => {
            let name = page.name.map(|_| name);
            let page = Choose { complaint: Some(why), name, rules, is_tried: true, ..page };
            visitor.page(422, &page)
        }
        Err(refusal) => refused(&visitor, refusal),
    }
}
