//! The built-in mailbox: what the platform would have sent, for machines without a
//! mail server. The links in it open accounts, so it is there only where nobody but this
//! machine comes, and opens only to who has read its link: in the ready file, which its
//! owner alone reads, or on the terminal. The link leaves a cookie and is gone from the
//! address bar.

use std::net::IpAddr;

use askama::Template;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::{Html, IntoResponse, Response};

use super::Console;
use super::web::{COOKIES, Frame, Moment, Stop, Visitor, go};
use crate::mailbox::Mailbox;
use countersign_tenant::{Error, outbox};
use countersign_web::cookie::Jar;

const JAR: Jar = Jar("mailbox");

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
struct Mails {
    frame: Frame,
    mails: Vec<Mail>,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct OneMail {
    frame: Frame,
    mail: Mail,
    pieces: Vec<Piece>,
}

/// Of a mail: its text, and what it asks to press.
enum Piece {
    Text(String),
    Button { words: String, address: String },
}

/// Words with a colon above an address are a button, as they are in the mail's HTML.
fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let mut address = || lines.next_if(|next| next.starts_with("https://"));
        match line.strip_suffix(':').and_then(|words| Some((words, address()?))) {
            Some((words, address)) => {
                pieces.push(Piece::Button { words: words.to_owned(), address: address.to_owned() });
            }
            None => pieces.push(Piece::Text(format!("{line}\n"))),
        }
    }
    pieces
}

/// The mailbox, to visitors on this machine.
fn from_here<'a>(console: &'a Console, visitor: &Visitor) -> Result<&'a Mailbox, Stop> {
    let address: Option<IpAddr> = visitor.visit.address.parse().ok();
    let mailbox = console.app.mailbox().filter(|_| address.is_some_and(|ip| ip.is_loopback()));
    mailbox.ok_or(Stop::NotFound)
}

/// Whether the visitor came by the link.
fn opened(console: &Console, visitor: &Visitor, headers: &HeaderMap) -> Result<(), Stop> {
    let mailbox = from_here(console, visitor)?;
    match COOKIES.get(headers, JAR).is_some_and(|held| mailbox.opens_to(&held)) {
        true => Ok(()),
        false => Err(Stop::ByLinkOnly),
    }
}

pub(super) async fn open(
    State(console): State<Console>,
    visitor: Visitor,
    Path(token): Path<String>,
) -> Result<Response, Stop> {
    if !from_here(&console, &visitor)?.opens_to(&token) {
        return Err(Stop::NotFound);
    }
    let mut response = go("/mailbox");
    COOKIES.put(&mut response, JAR, &token);
    Ok(response)
}

pub(super) async fn list(
    State(console): State<Console>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<Response, Stop> {
    opened(&console, &visitor, &headers)?;
    let mails = console.app.look::<_, Error>(outbox::newest).await?;
    let mails = mails.into_iter().map(Mail::from).collect();
    visitor.page(200, &Mails { frame: visitor.frame("Mailbox"), mails })
}

/// A mail that is asked for by who came by the link.
pub(super) struct Opened {
    visitor: Visitor,
    mail: Mail,
}

impl FromRequestParts<Console> for Opened {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Response> {
        let id = Path::<i64>::from_request_parts(parts, console).await;
        let Path(id) = id.map_err(IntoResponse::into_response)?;
        let opened = Self::of(parts, console, id).await;
        opened.map_err(IntoResponse::into_response)
    }
}

impl Opened {
    async fn of(parts: &mut Parts, console: &Console, id: i64) -> Result<Self, Stop> {
        let visitor = Visitor::from_request_parts(parts, console).await?;
        opened(console, &visitor, &parts.headers)?;
        let mail = console.app.look::<_, Error>(move |view| outbox::find(view, id)).await?;
        Ok(Self { visitor, mail: mail.map(Mail::from).ok_or(Stop::NotFound)? })
    }
}

pub(super) async fn read(Opened { visitor, mail }: Opened) -> Result<Response, Stop> {
    let pieces = pieces(&mail.text);
    visitor.page(200, &OneMail { frame: visitor.frame(&mail.subject), mail, pieces })
}

/// In place of the styles within the mail, which mail programs know and our own policy for
/// pages does not let through.
const STYLE: &str = "<link rel=\"stylesheet\" href=\"/style.css\"></head>";

/// The HTML part alone, as a mail program would show it.
pub(super) async fn html(Opened { mail, .. }: Opened) -> Result<Response, Stop> {
    if mail.html.is_empty() {
        return Err(Stop::NotFound);
    }
    Ok(Html(mail.html.replacen("</head>", STYLE, 1)).into_response())
}
