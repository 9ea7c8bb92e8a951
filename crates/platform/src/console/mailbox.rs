//! The built-in mailbox: what the platform would have sent, for machines without a
//! mail server. Only for visitors on the same machine: the links in it open accounts.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};

use super::Console;
use super::web::{Frame, Moment, Stop, Visitor};
use countersign_tenant::{Error, outbox};

struct Mail {
    id: i64,
    to: String,
    subject: String,
    at: Moment,
    text: String,
    html: String,
}

impl From<outbox::Mail> for Mail {
    fn from(mail: outbox::Mail) -> Self {
        let outbox::Mail { id, to, subject, at_ms, text, html } = mail;
        Self { id, to, subject, at: Moment(at_ms), text, html }
    }
}

#[derive(Template)]
#[template(path = "mailbox.html")]
struct Mailbox {
    frame: Frame,
    mails: Vec<Mail>,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct OneMail {
    frame: Frame,
    mail: Mail,
    /// The text, cut where links begin and end.
    pieces: Vec<Piece>,
}

struct Piece {
    text: String,
    is_link: bool,
}

fn from_here(console: &Console, visitor: &Visitor) -> Result<(), Stop> {
    if !console.app.has_mailbox() {
        return Err(Stop::NotFound);
    }
    let address: Option<std::net::IpAddr> = visitor.address.parse().ok();
    if address.is_some_and(|ip| ip.is_loopback()) { Ok(()) } else { Err(Stop::NotFound) }
}

pub(super) async fn list(
    State(console): State<Console>,
    visitor: Visitor,
) -> Result<Response, Stop> {
    from_here(&console, &visitor)?;
    let mails = console.app.look::<_, Error>(outbox::newest).await?;
    let mails = mails.into_iter().map(Mail::from).collect();
    visitor.page(200, &Mailbox { frame: visitor.frame("Mailbox"), mails })
}

async fn one(console: &Console, visitor: &Visitor, id: i64) -> Result<Mail, Stop> {
    from_here(console, visitor)?;
    let mail = console.app.look::<_, Error>(move |view| outbox::find(view, id)).await?;
    mail.map(Mail::from).ok_or(Stop::NotFound)
}

pub(super) async fn read(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<i64>,
) -> Result<Response, Stop> {
    let mail = one(&console, &visitor, id).await?;
    let pieces = mail
        .text
        .split_inclusive(char::is_whitespace)
        .map(|word| Piece { is_link: word.starts_with("https://"), text: word.to_owned() });
    let pieces = pieces.collect();
    visitor.page(200, &OneMail { frame: visitor.frame(&mail.subject), mail, pieces })
}

/// The HTML part alone, as a mail program would show it.
pub(super) async fn html(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<i64>,
) -> Result<Response, Stop> {
    let mail = one(&console, &visitor, id).await?;
    if mail.html.is_empty() {
        return Err(Stop::NotFound);
    }
    Ok(Html(mail.html).into_response())
}
