//! The way in: sign-in, second factor, a fresh proof, links to choose a password, and
//! the way out.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use countersign_signin::ticket::Purpose;

use super::Inner;
use super::web::{Form, Frame, Reader, Stop, Visitor, go};
use crate::people::{Begun, Chosen, Rule, Stage, Welcome};

/// What went wrong, in one sentence, and what to do about it.
pub(super) type Complaint = Option<&'static str>;

/// The same for a wrong name, a wrong password and a locked account.
const REFUSED: &str =
    "Name and password do not fit. After five failures in a row wait for 30 minutes.";
const WRONG_CODE: &str = "The code does not fit, or it was used before. Wait for the next one; \
    after five failures in a row wait for 30 minutes.";
const WRONG_PASSWORD: &str =
    "The password does not fit. After five failures in a row wait for 30 minutes.";

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    frame: Frame,
    complaint: Complaint,
    name: String,
}

pub(super) async fn show_sign_in(visitor: Visitor) -> Result<Response, Stop> {
    if visitor.is_in() {
        return Ok(go("/"));
    }
    let page = SignIn { frame: visitor.frame("Sign in", ""), complaint: None, name: String::new() };
    visitor.page(200, &page)
}

pub(super) async fn sign_in(State(inner): State<Inner>, form: Form) -> Result<Response, Stop> {
    let (name, given) = (form.text("name"), form.secret("password"));
    let visitor = form.visitor;
    inner.tries.count(&visitor.visit.address, visitor.now_ms)?;
    match inner.people.sign_in(&name, given, &visitor.visit).await? {
        Some(begun) => Ok(entered(&visitor, &begun, "/")),
        None => {
            let frame = visitor.frame("Sign in", "");
            visitor.page(401, &SignIn { frame, complaint: Some(REFUSED), name })
        }
    }
}

/// On, as far as the sign-in has come.
fn entered(visitor: &Visitor, begun: &Begun, next: &str) -> Response {
    let next = if begun.stage == Stage::Full { next } else { "/second-factor" };
    visitor.enter(go(next), &begun.token)
}

pub(super) async fn sign_out(State(inner): State<Inner>, form: Form) -> Result<Response, Stop> {
    let visitor = form.visitor;
    if let Some((session, person)) = &visitor.session {
        inner.people.sign_out(session, person, &visitor.visit).await?;
    }
    Ok(visitor.leave(go("/sign-in")))
}

#[derive(Template)]
#[template(path = "code.html")]
struct Code {
    frame: Frame,
    complaint: Complaint,
    action: &'static str,
    /// Without a second factor the password is asked for.
    asks_password: bool,
}

/// The session has to wait for its second factor.
fn waiting(visitor: &Visitor) -> Result<(), Stop> {
    match &visitor.session {
        Some((session, _)) if session.stage == Stage::Password => Ok(()),
        Some(_) => Err(Stop::Go("/")),
        None => Err(Stop::SignIn),
    }
}

pub(super) async fn show_second_factor(visitor: Visitor) -> Result<Response, Stop> {
    waiting(&visitor)?;
    let frame = visitor.frame("Second factor", "");
    let page = Code { frame, complaint: None, action: "/second-factor", asks_password: false };
    visitor.page(200, &page)
}

pub(super) async fn second_factor(
    State(inner): State<Inner>,
    form: Form,
) -> Result<Response, Stop> {
    waiting(&form.visitor)?;
    let given = form.secret("code");
    let visitor = form.visitor;
    inner.tries.count(&visitor.visit.address, visitor.now_ms)?;
    let (session, person) = visitor.session.clone().ok_or(Stop::SignIn)?;
    match inner.people.prove(&session, &person, given, &visitor.visit).await? {
        Some(begun) => Ok(entered(&visitor, &begun, "/")),
        None => {
            let frame = visitor.frame("Second factor", "");
            let (complaint, action) = (Some(WRONG_CODE), "/second-factor");
            visitor.page(401, &Code { frame, complaint, action, asks_password: false })
        }
    }
}

const PROVE: &str = "Prove that it is you";

pub(super) async fn show_prove(
    State(inner): State<Inner>,
    reader: Reader,
) -> Result<Response, Stop> {
    let asks_password = !inner.people.has_factor(reader.person.id).await?;
    let frame = reader.visitor.frame(PROVE, "/profile");
    reader.visitor.page(200, &Code { frame, complaint: None, action: "/prove", asks_password })
}

pub(super) async fn prove(State(inner): State<Inner>, form: Form) -> Result<Response, Stop> {
    let given = form.secret("code");
    let (reader, _) = form.reader()?;
    let (visitor, person) = (&reader.visitor, &reader.person);
    inner.tries.count(&visitor.visit.address, visitor.now_ms)?;
    let asks_password = !inner.people.has_factor(person.id).await?;
    match inner.people.prove(&reader.session, person, given, &visitor.visit).await? {
        Some(begun) => Ok(entered(visitor, &begun, "/profile")),
        None => {
            let frame = visitor.frame(PROVE, "/profile");
            let complaint = Some(if asks_password { WRONG_PASSWORD } else { WRONG_CODE });
            visitor.page(401, &Code { frame, complaint, action: "/prove", asks_password })
        }
    }
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

#[derive(Template)]
#[template(path = "stop.html")]
struct Spent {
    frame: Frame,
    what: &'static str,
    fix: &'static str,
}

fn spent(visitor: &Visitor) -> Result<Response, Stop> {
    let page = Spent {
        frame: visitor.frame("The link is not good any more", ""),
        what: "The link was used, replaced by a newer one, or is too old.",
        fix: "Ask whoever runs countersign for another: `countersign people reset NAME`; without anybody yet, start `countersign serve` again.",
    };
    visitor.page(410, &page)
}

fn title(welcome: &Welcome) -> &'static str {
    match welcome {
        Welcome::First => "Set up the first account",
        Welcome::Person(_) => "Choose a password",
    }
}

/// A look changes nothing: whatever opens links ahead of people does no harm.
async fn show_choose(
    inner: Inner,
    visitor: Visitor,
    purpose: Purpose,
    token: String,
) -> Result<Response, Stop> {
    let Some(welcome) = inner.people.look(purpose, &token).await? else { return spent(&visitor) };
    let frame = visitor.frame(title(&welcome), "");
    let (name, person) = match welcome {
        Welcome::First => (Some(String::new()), None),
        Welcome::Person(name) => (None, Some(name)),
    };
    let rules = countersign_signin::password::rules("", &[]);
    visitor.page(200, &Choose { frame, complaint: None, name, person, rules, is_tried: false })
}

async fn choose(
    inner: Inner,
    form: Form,
    purpose: Purpose,
    token: String,
) -> Result<Response, Stop> {
    let (name, given, again) = (form.text("name"), form.secret("password"), form.secret("again"));
    let visitor = form.visitor;
    inner.tries.count(&visitor.visit.address, visitor.now_ms)?;
    let Some(welcome) = inner.people.look(purpose, &token).await? else { return spent(&visitor) };
    let is_same = given == again;
    let chosen = match is_same {
        true => inner.people.choose(purpose, &token, &name, given, &visitor.visit).await,
        false => Ok(Chosen::Refused {
            why: "The two passwords differ. Type the same twice.",
            rules: countersign_signin::password::rules(&given, &[&name]),
        }),
    };
    let (why, rules) = match chosen {
        Ok(Chosen::Begun(begun)) => return Ok(entered(&visitor, &begun, "/profile/factor")),
        Ok(Chosen::Spent) => return spent(&visitor),
        Ok(Chosen::Refused { why, rules }) => (why.to_owned(), rules),
        Err(error) if error.is_input() => (error.to_string().replace("\nhint:", ":"), Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let frame = visitor.frame(title(&welcome), "");
    let (name, person) = match welcome {
        Welcome::First => (Some(name), None),
        Welcome::Person(name) => (None, Some(name)),
    };
    let page = Choose { frame, complaint: Some(why), name, person, rules, is_tried: true };
    visitor.page(422, &page)
}

pub(super) async fn show_welcome(
    State(inner): State<Inner>,
    visitor: Visitor,
    Path(token): Path<String>,
) -> Result<Response, Stop> {
    show_choose(inner, visitor, Purpose::Activate, token).await
}

pub(super) async fn welcome(
    State(inner): State<Inner>,
    Path(token): Path<String>,
    form: Form,
) -> Result<Response, Stop> {
    choose(inner, form, Purpose::Activate, token).await
}

pub(super) async fn show_reset(
    State(inner): State<Inner>,
    visitor: Visitor,
    Path(token): Path<String>,
) -> Result<Response, Stop> {
    show_choose(inner, visitor, Purpose::Reset, token).await
}

pub(super) async fn reset(
    State(inner): State<Inner>,
    Path(token): Path<String>,
    form: Form,
) -> Result<Response, Stop> {
    choose(inner, form, Purpose::Reset, token).await
}
