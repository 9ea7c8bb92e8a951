//! The way in: sign-in, links by mail, and the way out.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use countersign_signin::password::{self, Rule};
use countersign_signin::session::Stage;
use countersign_signin::{Asked, Begun, Purpose, Refusal, complaint};

use super::Console;
use super::web::{Form, Frame, Stop, Visitor, enter, go, known, leave};

/// What went wrong, in one sentence, and what to do about it.
pub(super) type Complaint = Option<&'static str>;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    frame: Frame,
    complaint: Complaint,
    user_name: String,
}

pub(super) async fn show_sign_in(visitor: Visitor) -> Result<Response, Stop> {
    let page = SignIn { frame: visitor.frame("Log in"), complaint: None, user_name: String::new() };
    visitor.page(200, &page)
}

pub(super) async fn sign_in(State(console): State<Console>, form: Form) -> Result<Response, Stop> {
    console.count(&form.visitor)?;
    let (name, given) = (form.text("user_name"), form.secret("password"));
    let (wanted, visit) = (name.clone(), form.visitor.visit.clone());
    match console.step(move |signin| signin.sign_in(&wanted, &given, &visit)).await {
        Ok(begun) => Ok(entered(&begun, "/credentials")),
        Err(Refusal::Wrong) => {
            let frame = form.visitor.frame("Log in");
            let complaint = Some(complaint::SIGN_IN);
            form.visitor.page(401, &SignIn { frame, complaint, user_name: name })
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// On, as far as the sign-in has come.
fn entered(begun: &Begun, next: &str) -> Response {
    let next = match begun.stage {
        Stage::Full => next,
        Stage::Password => "/second-factor",
        Stage::Enrol => "/enrol",
    };
    enter(go(next), begun)
}

pub(super) async fn sign_out(State(console): State<Console>, form: Form) -> Result<Response, Stop> {
    if let Some(seat) = form.visitor.seat {
        let visit = form.visitor.visit;
        console.step(move |signin| signin.sign_out(&seat, &visit)).await?;
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

/// Of a link that was refused.
fn refused(visitor: &Visitor, purpose: Purpose, refusal: Refusal) -> Result<Response, Stop> {
    if !matches!(refusal, Refusal::Spent) {
        return Err(refusal.into());
    }
    let what = match purpose {
        Purpose::Activate => {
            "The link was used, replaced by a newer one, or is older than 7 days. \
             Ask an administrator for another, or sign in."
        }
        Purpose::Reset | Purpose::Unlock => {
            "The link was used, replaced by a newer one, or is older than an hour. \
             Ask for another."
        }
        Purpose::Address => {
            "The link was used, replaced by a newer one, or is older than 7 days. \
             Give the address again on the page Profile."
        }
    };
    visitor.page(410, &Spent { frame: visitor.frame("The link is not good any more"), what })
}

fn title(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Activate => "Activate your account",
        Purpose::Reset => "Choose a new password",
        Purpose::Unlock => "Unlock your account",
        Purpose::Address => "Verify your e-mail address",
    }
}

/// The name of the account that a link is for.
async fn owner(
    console: &Console,
    visitor: &Visitor,
    purpose: Purpose,
    token: &str,
) -> Result<String, Refusal> {
    let (token, visit) = (token.to_owned(), visitor.visit.clone());
    let owner = console.step(move |signin| signin.look(purpose, &token, &visit)).await?;
    Ok(owner.name)
}

/// A link: the route says what it is for, and the rest of the address is its token.
type Link = (Extension<Purpose>, Path<String>);

/// The page of a link.
pub(super) async fn show_link(
    State(console): State<Console>,
    (Extension(purpose), Path(token)): Link,
    visitor: Visitor,
) -> Result<Response, Stop> {
    console.count(&visitor)?;
    match (owner(&console, &visitor, purpose, &token).await, purpose) {
        (Ok(name), Purpose::Activate | Purpose::Reset) => show_password(&visitor, purpose, name),
        (Ok(name), Purpose::Unlock) => {
            let what = format!("The account {name} can sign in again.");
            show_confirm(&visitor, purpose, what, "Unlock")
        }
        (Ok(name), Purpose::Address) => {
            let what = format!("The address becomes the one of the account {name}.");
            show_confirm(&visitor, purpose, what, "Verify")
        }
        (Err(refusal), _) => refused(&visitor, purpose, refusal),
    }
}

fn show_password(visitor: &Visitor, purpose: Purpose, user_name: String) -> Result<Response, Stop> {
    let page = Password {
        frame: visitor.frame(title(purpose)),
        complaint: None,
        rules: password::rules("", &[]),
        user_name,
        is_tried: false,
    };
    visitor.page(200, &page)
}

pub(super) async fn set_password(
    State(console): State<Console>,
    (Extension(purpose), Path(token)): Link,
    form: Form,
) -> Result<Response, Stop> {
    console.count(&form.visitor)?;
    let (given, again) = (form.secret("password"), form.secret("again"));
    let visitor = form.visitor;
    let (tried, visit) = (token.clone(), visitor.visit.clone());
    let chosen = console
        .step(move |signin| signin.choose(purpose, &tried, "", (&given, &again), &visit))
        .await;
    let (why, rules) = match chosen {
        // One who may do without a second factor is offered one.
        Ok(begun) => return Ok(entered(&begun, "/enrol")),
        Err(Refusal::Password { why, rules }) => (why, rules),
        Err(refusal) => return refused(&visitor, purpose, refusal),
    };
    match owner(&console, &visitor, purpose, &token).await {
        Ok(user_name) => {
            let frame = visitor.frame(title(purpose));
            let complaint = Some(why);
            visitor.page(422, &Password { frame, complaint, user_name, rules, is_tried: true })
        }
        Err(refusal) => refused(&visitor, purpose, refusal),
    }
}

#[derive(Template)]
#[template(path = "forgot.html")]
struct Forgot {
    frame: Frame,
    /// Where the form goes, and what it asks for.
    action: &'static str,
    lead: &'static str,
    is_sent: bool,
}

fn ask_page(visitor: &Visitor, asked: Asked, is_sent: bool) -> Result<Response, Stop> {
    let (title, action, lead) = match asked {
        Asked::Password => (
            "Forgot your password",
            "/forgot",
            "A mail with a link goes to the address of the account. \
             The link is good for an hour.",
        ),
        Asked::Entry => (
            "Account locked",
            "/locked",
            "After five failures in a row, a browser that the account does not know waits \
             before each try: a minute, then longer each time. A mail with a link that ends \
             this for your browser goes to the address of the account.",
        ),
    };
    visitor.page(200, &Forgot { frame: visitor.frame(title), action, lead, is_sent })
}

pub(super) async fn show_ask(
    Extension(asked): Extension<Asked>,
    visitor: Visitor,
) -> Result<Response, Stop> {
    ask_page(&visitor, asked, false)
}

/// The same answer whoever it is, and whether or not there is such an account.
pub(super) async fn ask(
    State(console): State<Console>,
    Extension(asked): Extension<Asked>,
    form: Form,
) -> Result<Response, Stop> {
    console.count(&form.visitor)?;
    let (name, visit) = (form.text("user_name"), form.visitor.visit.clone());
    console.step(move |signin| signin.ask_link(&name, asked, &visit)).await?;
    ask_page(&form.visitor, asked, true)
}

/// One button, for a link that a mail brought.
#[derive(Template)]
#[template(path = "confirm.html")]
struct Confirm {
    frame: Frame,
    what: String,
    button: &'static str,
}

fn show_confirm(
    visitor: &Visitor,
    purpose: Purpose,
    what: String,
    button: &'static str,
) -> Result<Response, Stop> {
    visitor.page(200, &Confirm { frame: visitor.frame(title(purpose)), what, button })
}

/// The button was pressed.
pub(super) async fn confirm(
    State(console): State<Console>,
    (Extension(purpose), Path(token)): Link,
    form: Form,
) -> Result<Response, Stop> {
    let visit = form.visitor.visit.clone();
    console.count(&form.visitor)?;
    let done = console.step(move |signin| match purpose {
        Purpose::Unlock => signin.unlock(&token, &visit).map(Some),
        _ => signin.verify_address(&token, &visit).map(|()| None),
    });
    match done.await {
        Ok(Some(device)) => Ok(known(go("/sign-in"), &device)),
        Ok(None) => Ok(go("/profile")),
        Err(refusal) => refused(&form.visitor, purpose, refusal),
    }
}
